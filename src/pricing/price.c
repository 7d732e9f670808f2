/*-------------------------------------------------------------------------
 *
 * price.c
 *	  aiu_price(): from a request to its cost.
 *
 *     book -> version effective at the time -> provider -> model -> rule
 *          -> leafs of the usage -> components -> cost
 *
 * A book that has no version, provider or model for the request is continued
 * by the book it inherits from.  Of the reasons that the books of the chain
 * give, the one that got furthest is reported.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pricing/price_internal.h"

static void price_under(const AiuPriceRequest *req, int32 version, AiuPriceResult *result, AiuPriceTrace *trace);
static int32 version_at(const AiuBookEntry *book, TimestampTz at);

static const char *const unpriced_labels[] = {
	NULL, "no_price_version", "unknown_provider", "unknown_model", "no_prices", "no_rule",
	"unit_unpriced", "prices_incomplete", "contradictory_usage", "out_of_range"
};

const char *
aiu_unpriced_label(AiuUnpriced reason)
{
	return unpriced_labels[reason];
}

static inline int32
version_at(const AiuBookEntry *book, TimestampTz at)
{
	int			i;

	for (i = 0; i < book->nspans; i++)
	{
		if (at >= book->spans[i].from && at < book->spans[i].to)
			return book->spans[i].version;
	}
	return 0;
}

static inline void
clear_result(AiuPriceResult *result)
{
	result->unpriced = AIU_UNPRICED_NO_VERSION;
	result->unit = 0;
	result->unit_name = NULL;
	result->unit_namelen = 0;
	result->unit_missing = false;
	result->currency = 0;
	result->version = 0;
	result->cost = 0;
	result->ncomponents = 0;
}

/* Everything of the result but the currency. */
static void
price_under(const AiuPriceRequest *req, int32 version, AiuPriceResult *result, AiuPriceTrace *trace)
{
	const AiuResolved *resolved = aiu_price_cache_resolve(version, req);
	const AiuRule *rule;

	result->version = version;
	if (trace != NULL)
	{
		trace->resolved = resolved;
		trace->rule = NULL;
	}
	if (resolved->unpriced != AIU_PRICED)
	{
		result->unpriced = resolved->unpriced;
		return;
	}
	rule = aiu_price_select_rule(resolved, req->at);
	if (rule == NULL)
	{
		result->unpriced = AIU_UNPRICED_RULE;
		return;
	}
	if (trace != NULL)
		trace->rule = rule;
	aiu_price_eval(rule, req->usage, result, trace != NULL ? trace->detail : NULL);
}

void
aiu_price_traced(const AiuPriceRequest *req, AiuPriceResult *result, AiuPriceTrace *trace)
{
	AiuLabel	label = req->book;
	AiuUnpriced furthest = AIU_PRICED;
	const AiuBookEntry *furthest_book = NULL;
	const AiuResolved *furthest_resolved = NULL;
	int32		furthest_version = 0;
	int			depth;

	clear_result(result);
	if (label.s == NULL)
		aiu_price_default_book(&label);
	aiu_price_cache_begin();
	if (trace != NULL)
	{
		trace->book = NULL;
		trace->resolved = NULL;
		trace->rule = NULL;
	}

	for (depth = 0; depth < AIU_BOOK_DEPTH; depth++)
	{
		const AiuBookEntry *book = aiu_price_cache_book(&label);
		int32		version;

		if (!book->exists)
			break;
		if (result->currency == 0)
			result->currency = book->currency;
		if (trace != NULL)
		{
			trace->book = book;
			trace->resolved = NULL;
		}
		version = version_at(book, req->at);
		result->version = version;
		if (version == 0)
			result->unpriced = AIU_UNPRICED_NO_VERSION;
		else
			price_under(req, version, result, trace);
		if (result->unpriced == AIU_PRICED || result->unpriced > AIU_UNPRICED_MODEL)
			return;

		/* the reasons are numbered in the order of the way */
		if (result->unpriced > furthest)
		{
			furthest = result->unpriced;
			furthest_version = version;
			if (trace != NULL)
			{
				furthest_book = trace->book;
				furthest_resolved = trace->resolved;
			}
		}
		if (book->inherits == NULL)
			break;
		label.s = book->inherits;
		label.len = strlen(book->inherits);
	}
	if (furthest != AIU_PRICED)
	{
		result->unpriced = furthest;
		result->version = furthest_version;
		if (trace != NULL)
		{
			trace->book = furthest_book;
			trace->resolved = furthest_resolved;
		}
	}
}

void
aiu_price_under_version_traced(const AiuPriceRequest *req, int32 number,
							   AiuPriceResult *result, AiuPriceTrace *trace)
{
	AiuVersionEntry *version;

	clear_result(result);
	aiu_price_cache_begin();
	if (trace != NULL)
	{
		trace->book = NULL;
		trace->resolved = NULL;
		trace->rule = NULL;
	}
	version = aiu_price_cache_version(number);
	if (version->version != 0)
	{
		AiuLabel	label;
		const AiuBookEntry *book;

		label.s = version->book;
		label.len = strlen(version->book);
		book = aiu_price_cache_book(&label);
		result->currency = book->currency;
		if (trace != NULL)
			trace->book = book;
		price_under(req, number, result, trace);
	}
}

void
aiu_price(const AiuPriceRequest *req, AiuPriceResult *result)
{
	aiu_price_traced(req, result, NULL);
}

void
aiu_price_under_version(const AiuPriceRequest *req, int32 version, AiuPriceResult *result)
{
	aiu_price_under_version_traced(req, version, result, NULL);
}
