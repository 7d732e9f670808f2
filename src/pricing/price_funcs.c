/*-------------------------------------------------------------------------
 *
 * price_funcs.c
 *	  SQL face of pricing: price_usage() and the checks of the price tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "common/errors.h"
#include "pricing/price_internal.h"

AIU_FUNCTION(aiu_price_usage);
AIU_FUNCTION(aiu_price_usage_known_at);
AIU_FUNCTION(aiu_price_match_problem);
AIU_FUNCTION(aiu_price_metric_problem);
AIU_FUNCTION(aiu_price_time_zone_valid);
AIU_FUNCTION(aiu_price_key_unit);
AIU_FUNCTION(aiu_price_key_per);

/* ---------- arguments ---------- */

static AiuLabel
label_arg(FunctionCallInfo fcinfo, int n, const char *what)
{
	AiuLabel	label = aiu_label_arg(fcinfo, n);

	if (label.len > AIU_LABEL_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("%s is too long", what),
				 errdetail("It has %d bytes; at most %d are allowed.", label.len, AIU_LABEL_MAX),
				 errhint("Send a short label or an id, not content.")));
	return label;
}

/* (at, service_tier, endpoint, region) from argument `first` on */
static void
selector_args(FunctionCallInfo fcinfo, int first, AiuPriceRequest *req)
{
	req->book.s = NULL;
	req->book.len = 0;
	req->at = PG_GETARG_TIMESTAMPTZ(first);
	req->service_tier = label_arg(fcinfo, first + 1, "service tier");
	req->endpoint = label_arg(fcinfo, first + 2, "endpoint");
	req->region = label_arg(fcinfo, first + 3, "region");
	if (TIMESTAMP_NOT_FINITE(req->at))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("the time of a usage must be finite"),
				 errhint("now() asks for the prices of today.")));
}

/*
 * (provider, model, usage, at, service_tier, endpoint, region) from argument
 * `first` on.  False when one of the first four is NULL.
 */
bool
aiu_price_request_args(FunctionCallInfo fcinfo, int first, AiuPriceRequest *req)
{
	if (PG_ARGISNULL(first) || PG_ARGISNULL(first + 1) || PG_ARGISNULL(first + 2) || PG_ARGISNULL(first + 3))
		return false;
	req->provider = label_arg(fcinfo, first, "provider");
	req->model = label_arg(fcinfo, first + 1, "model");
	req->usage = PG_GETARG_USAGE_P(first + 2);
	selector_args(fcinfo, first + 3, req);
	return true;
}

bool
aiu_price_rule_args(FunctionCallInfo fcinfo, AiuPriceRequest *req)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return false;
	req->provider = label_arg(fcinfo, 0, "provider");
	req->model = label_arg(fcinfo, 1, "model");
	req->usage = NULL;
	selector_args(fcinfo, 2, req);
	return true;
}

/* ---------- who may be told ---------- */

bool		(*aiu_price_may_use_hook) (const char *book, int len) = NULL;

/* What a call of a query was told last, so that its next row need not ask. */
typedef struct MayUse
{
	Oid			role;
	bool		everything;
	bool		allowed;
	int			len;
	char		book[AIU_LABEL_MAX];
} MayUse;

static bool
label_is(const AiuLabel *label, const char *s, int len)
{
	return label->len == len && memcmp(label->s, s, len) == 0;
}

bool
aiu_price_may_use(FunctionCallInfo fcinfo, const char *book, int len)
{
	MayUse	   *known = fcinfo->flinfo->fn_extra;
	AiuLabel	open;

	if (known == NULL)
	{
		known = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(MayUse));
		fcinfo->flinfo->fn_extra = known;
	}
	if (known->role == GetUserId())
	{
		if (known->everything)
			return true;
		if (book != NULL && known->len == len && memcmp(known->book, book, len) == 0)
			return known->allowed;
	}
	known->role = InvalidOid;
	known->everything = aiu_price_may_use_hook == NULL || aiu_price_may_use_hook(NULL, 0);
	known->allowed = known->everything;
	known->len = 0;
	if (!known->allowed && book != NULL)
	{
		/* everybody who may ask for prices is priced by the default book, and list prices are public */
		aiu_price_default_book(&open);
		known->allowed = label_is(&open, book, len);
		if (!known->allowed)
		{
			aiu_price_list_book(&open);
			known->allowed = label_is(&open, book, len) || aiu_price_may_use_hook(book, len);
		}
		known->len = len;
		memcpy(known->book, book, len);
	}
	known->role = GetUserId();
	return known->allowed;
}

void
aiu_price_book_arg(FunctionCallInfo fcinfo, int n, AiuPriceRequest *req)
{
	req->book = label_arg(fcinfo, n, "book");
	if (req->book.s != NULL && !aiu_price_may_use(fcinfo, req->book.s, req->book.len))
		aiu_price_unknown_book(req);
}

/* The prices of a draft are for those who see everything. */
void
aiu_price_version_arg(FunctionCallInfo fcinfo, int n)
{
	bool		everything = aiu_price_may_use(fcinfo, NULL, 0);
	const AiuVersionEntry *version;

	aiu_price_cache_begin();
	version = aiu_price_cache_version(PG_GETARG_INT32(n));
	if (version->version == 0 ||
		(!everything && (strcmp(version->status, "published") != 0 ||
						 !aiu_price_may_use(fcinfo, pstrdup(version->book), strlen(version->book)))))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_UNKNOWN),
				 errmsg("price version %d does not exist", PG_GETARG_INT32(n)),
				 errhint("See aiusage.price_version for the versions there are; it may also lie outside what your role may see.")));
}

void
aiu_price_unknown_book(const AiuPriceRequest *req)
{
	AiuLabel	book = req->book;

	if (book.s == NULL)
		aiu_price_default_book(&book);
	ereport(ERROR,
			(errcode(ERRCODE_AIU_UNKNOWN),
			 errmsg("price book \"%.*s\" does not exist", book.len, book.s),
			 errhint("See aiusage.price_book for the books there are; it may also lie outside what your role may see.")));
}

/* ---------- price_usage ---------- */

static Datum
price_usage(FunctionCallInfo fcinfo, int first, TimestampTz known_at)
{
	AiuPriceRequest req;
	AiuPriceResult result;
	AiuAmount  *amount;

	if (!aiu_price_request_args(fcinfo, first, &req))
		PG_RETURN_NULL();
	aiu_price_book_arg(fcinfo, first + 7, &req);

	aiu_price_known_at(&req, known_at, &result);
	if (unlikely(result.unpriced != AIU_PRICED))
	{
		if (result.currency == 0)
			aiu_price_unknown_book(&req);
		if (result.unpriced == AIU_UNPRICED_CONTRADICTORY)
			ereport(ERROR,
					(errcode(ERRCODE_AIU_INVALID),
					 result.unit_missing ?
					 errmsg("contradictory usage: %.*s is not reported, though a part of it is, or units that overlap in it are",
							result.unit_namelen, result.unit_name) :
					 errmsg("contradictory usage: the parts of %.*s exceed it",
							result.unit_namelen, result.unit_name),
					 errdetail("Totals are inclusive: cached, audio, reasoning and other special units are counted in their totals, too."),
					 errhint("Report the total with everything in it; aiusage.explain_price() shows what is priced.")));
		if (result.unpriced == AIU_UNPRICED_OVERFLOW)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the price of %.*s is out of range", result.unit_namelen, result.unit_name)));
		PG_RETURN_NULL();
	}

	amount = palloc(sizeof(AiuAmount));
	if (!aiu_amount_pack(amount, result.cost, result.currency))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("cost out of range")));
	PG_RETURN_AMOUNT_P(amount);
}

/*
 * aiusage.price_usage(provider, model, usage, at, service_tier, endpoint,
 *					   region, book) RETURNS aiusage.amount
 */
Datum
aiu_price_usage(PG_FUNCTION_ARGS)
{
	return price_usage(fcinfo, 0, DT_NOEND);
}

/* aiusage.price_usage_known_at(known_at, provider, ...): the same by what was published by then */
Datum
aiu_price_usage_known_at(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return price_usage(fcinfo, 1, PG_GETARG_TIMESTAMPTZ(0));
}

/* ---------- checks of the price tables ---------- */

/*
 * Regular expressions are compiled here so that none fails when a row is
 * priced.  Returns what is wrong with one of them, or NULL.
 */
static const char *
regex_problem(const AiuMatch *match)
{
	const AiuMatch *part;

	check_stack_depth();
	if (match->op == AIU_MATCH_REGEX)
	{
		pg_wchar   *wide = palloc((match->textlen + 1) * sizeof(pg_wchar));
		int			len = pg_mb2wchar_with_len(match->text, wide, match->textlen);
		regex_t		re;
		int			rc = pg_regcomp(&re, wide, len, REG_ADVANCED, C_COLLATION_OID);

		if (rc != REG_OKAY)
		{
			char		message[100];

			pg_regerror(rc, &re, message, sizeof(message));
			return psprintf("the regular expression \"%s\" is invalid: %s", match->text, message);
		}
		pg_regfree(&re);
	}
	for (part = match->child; part != NULL; part = part->next)
	{
		const char *problem = regex_problem(part);

		if (problem != NULL)
			return problem;
	}
	return NULL;
}

/*
 * aiusage.price_match_problem(match jsonb) RETURNS text
 *		What is wrong with a match expression; NULL: nothing.
 */
Datum
aiu_price_match_problem(PG_FUNCTION_ARGS)
{
	Jsonb	   *jb = PG_GETARG_JSONB_P(0);
	const char *problem;
	AiuMatch   *match = aiu_match_compile(&jb->root, &problem);

	if (match != NULL)
		problem = regex_problem(match);
	if (problem != NULL)
		PG_RETURN_TEXT_P(cstring_to_text(problem));
	PG_RETURN_NULL();
}

/* aiusage.price_metric_problem(metric text) RETURNS text */
Datum
aiu_price_metric_problem(PG_FUNCTION_ARGS)
{
	char	   *metric = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			units[AIU_METRIC_TERMS];
	int			signs[AIU_METRIC_TERMS];
	int			nterms;
	const char *problem = aiu_price_metric_parse(metric, units, signs, &nterms);

	if (problem != NULL)
		PG_RETURN_TEXT_P(cstring_to_text(problem));
	PG_RETURN_NULL();
}

/* aiusage.price_time_zone_valid(zone text) RETURNS boolean */
Datum
aiu_price_time_zone_valid(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	pg_tz	   *zone;

	if (strlen(name) > TZ_STRLEN_MAX)
		PG_RETURN_BOOL(false);
	zone = pg_tzset(name);
	PG_RETURN_BOOL(zone != NULL && pg_tz_acceptable(zone));
}

/* ---------- price keys of catalogues ---------- */

static int
unit_of_key(text *key)
{
	return aiu_unit_lookup_price_key(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
}

/* aiusage.price_key_unit(key text) RETURNS text: input_mtok -> input_tokens; NULL: not known */
Datum
aiu_price_key_unit(PG_FUNCTION_ARGS)
{
	int			unit = unit_of_key(PG_GETARG_TEXT_PP(0));

	if (unit == 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(aiu_unit_get(unit)->name));
}

/* aiusage.price_key_per(key text) RETURNS bigint: input_mtok -> 1000000; NULL: not known */
Datum
aiu_price_key_per(PG_FUNCTION_ARGS)
{
	int			unit = unit_of_key(PG_GETARG_TEXT_PP(0));

	if (unit == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(aiu_unit_get(unit)->price_per);
}
