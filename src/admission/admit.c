/*-------------------------------------------------------------------------
 *
 * admit.c
 *	  aiusage.admit(), extend_hold(), release(): may this request be made?
 *
 * The gateway asks before the call, with the worst case of what it may use.
 * The answer is about the key (active, and allowed this route), the price, and
 * every limit of the request; when it is yes, a hold keeps the room until the
 * request is booked, released, or too old.  Without durable => true nothing is
 * written: no row, no WAL, no transaction id.
 *
 * What a limit of action `degrade` refuses is asked again with its cheaper
 * model, once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "attribution/attribution.h"
#include "common/compat.h"
#include "common/errors.h"
#include "common/label.h"
#include "ledger/ledger.h"
#include "pricing/pricing.h"
#include "quota/quota.h"
#include "types/exact.h"

AIU_FUNCTION(aiu_admit);
AIU_FUNCTION(aiu_extend_hold);
AIU_FUNCTION(aiu_release);
AIU_FUNCTION(aiu_hold_id_standing);

/* The terms of a hold, in the order in which they are kept. */
enum
{
	TERM_API_KEY, TERM_PROVIDER, TERM_MODEL, TERM_SERVICE_TIER, TERM_ENDPOINT, TERM_REGION, TERM_CUSTOMER,
	TERM_USER_ID, TERM_WORKFLOW
};

static const char *const term_names[AIU_HOLD_NTERMS] = {
	"api_key", "provider", "model", "service_tier", "endpoint", "region", "customer", "user_id", "workflow"
};

#define TTL_MAX			(7 * USECS_PER_DAY)

/* Columns of the answer */
#define ANSWER_COLUMNS	12

static const char *const decisions[] = {"allow", "deny", "throttle", "degrade", "reroute", "approve"};

typedef struct Request
{
	AiuLabel	terms[AIU_HOLD_NTERMS];
	const AiuUsage *usage;
	AiuHoldRequest hold;
	TimestampTz at;				/* the time that prices and windows are of */
} Request;

static AiuLabel
label_arg(FunctionCallInfo fcinfo, int n, const char *name)
{
	AiuLabel	label = aiu_label_arg(fcinfo, n);
	const char *kind;

	if (label.s == NULL)
		return label;
	if (label.len > AIU_LABEL_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("argument \"%s\" is too long", name),
				 errdetail("It has %d bytes; labels have at most %d.", label.len, AIU_LABEL_MAX),
				 errhint("Send a short label or an id, not content.")));
	kind = aiu_label_secret_kind(label.s, label.len);
	if (kind != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("argument \"%s\" seems to hold a secret", name),
				 errdetail("It looks like: %s.", kind),
				 errhint("Send the label of the key, never the key itself.")));
	return label;
}

static AiuLabel
required_label(FunctionCallInfo fcinfo, int n, const char *name)
{
	AiuLabel	label = label_arg(fcinfo, n, name);

	if (label.len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("argument \"%s\" is missing", name),
				 errdetail("Admission needs at least api_key, provider, model and usage."),
				 errhint("usage is the worst case: the input tokens, and the most output tokens that were asked for.")));
	return label;
}

/* What the usage would cost by the books of the key, customer or team; false: there is no price. */
static bool
estimate(const Request *request, const AiuAttribution *owner, AiuPriceResult *result)
{
	AiuPriceRequest req;

	req.book.s = owner->price_book;
	req.book.len = owner->price_book ? strlen(owner->price_book) : 0;
	req.provider = request->terms[TERM_PROVIDER];
	req.model = request->terms[TERM_MODEL];
	req.service_tier = request->terms[TERM_SERVICE_TIER];
	req.endpoint = request->terms[TERM_ENDPOINT];
	req.region = request->terms[TERM_REGION];
	req.at = request->at;
	req.usage = request->usage;
	aiu_price(&req, result);
	return result->unpriced == AIU_PRICED;
}

static void
deny(AiuVerdict *verdict, int sqlstate, const char *message)
{
	memset(verdict, 0, sizeof(*verdict));
	verdict->kind = AIU_VERDICT_DENY;
	verdict->sqlstate = sqlstate;
	verdict->resets_at = DT_NOEND;
	verdict->message = message;
}

/* What booking would refuse whatever the limits say; the messages are its own. */
static bool
key_refuses(const Request *request, const AiuAttribution *owner, AiuVerdict *verdict)
{
	const AiuLabel *key = &request->terms[TERM_API_KEY];

	if (owner->status == AIU_KEY_DISABLED)
		deny(verdict, ERRCODE_AIU_NOT_ALLOWED, psprintf("key \"%.*s\" is disabled", key->len, key->s));
	else if (owner->stopped_part != NULL)
		deny(verdict, ERRCODE_AIU_NOT_ALLOWED,
			 psprintf("usage of %s \"%.*s\" is stopped", owner->stopped_part, owner->stopped_name.len, owner->stopped_name.s));
	else if (owner->status == AIU_KEY_ACTIVE && !owner->route_allowed)
		deny(verdict, ERRCODE_AIU_NOT_ALLOWED,
			 psprintf("key \"%.*s\" is not allowed to use this %s", key->len, key->s, owner->refused_part));
	else if (aiu_ledger_strict_keys() && (owner->status == AIU_KEY_UNKNOWN || owner->assignment == 0))
		deny(verdict, ERRCODE_AIU_UNKNOWN,
			 psprintf(owner->status == AIU_KEY_UNKNOWN ? "key \"%.*s\" is unknown" : "key \"%.*s\" has no owner at this time",
					  key->len, key->s));
	else
		return false;
	return true;
}

static void
make_facts(const Request *request, const AiuAttribution *owner, const AiuPriceResult *price, bool priced,
		   AiuQuotaFacts *facts)
{
	int64		assignment = owner->assignment;

	aiu_quota_facts_init(facts, &request->terms[TERM_API_KEY], assignment, &request->terms[TERM_CUSTOMER],
						 &request->terms[TERM_WORKFLOW]);
	facts->dims[AIU_DIM_USER_ID] = request->terms[TERM_USER_ID];
	facts->dims[AIU_DIM_PROVIDER] = request->terms[TERM_PROVIDER];
	facts->dims[AIU_DIM_MODEL] = request->terms[TERM_MODEL];
	facts->dims[AIU_DIM_ENDPOINT] = request->terms[TERM_ENDPOINT];
	facts->usage = request->usage;
	facts->has_cost = priced;
	facts->cost = priced ? price->cost : 0;
	facts->currency = priced ? price->currency : 0;
	facts->counts_usage = true;
	facts->counts_spend = true;
	facts->hold = true;
	facts->occurred_at = request->at;
	facts->recorded_at = request->at;
	facts->invoice_period = aiu_invoice_period(owner->calendar, request->at);
}

/* Owner, price, facts of the request; false: it is denied already. */
static bool
prepare(Request *request, AiuQuotaFacts *facts, AiuPriceResult *price, bool *priced, AiuVerdict *verdict)
{
	AiuAttribution owner;

	aiu_attribute(&request->terms[TERM_API_KEY], &request->terms[TERM_PROVIDER], &request->terms[TERM_MODEL],
				  &request->terms[TERM_ENDPOINT], &request->terms[TERM_CUSTOMER], request->at, &owner);
	if (key_refuses(request, &owner, verdict))
		return false;
	*priced = estimate(request, &owner, price);
	request->hold.cost = *priced ? price->cost : -1;
	request->hold.currency = *priced ? price->currency : 0;
	make_facts(request, &owner, price, *priced, facts);
	return true;
}

static Datum
money(int128 amount)
{
	return NumericGetDatum(aiu_scaled_to_numeric(amount, AIU_AMOUNT_DECIMALS));
}

/* The HTTP status that goes with the verdict: the last three characters of the SQLSTATE say it. */
static int
http_status(const AiuVerdict *verdict)
{
	const char *state;

	if (verdict->kind == AIU_VERDICT_ALLOW || verdict->kind == AIU_VERDICT_DEGRADE || verdict->kind == AIU_VERDICT_REROUTE)
		return 200;
	state = unpack_sql_state(verdict->sqlstate);
	/* unknown keys are no missing page */
	return verdict->sqlstate == ERRCODE_AIU_UNKNOWN ? 403 : atoi(state + 2);
}

static Interval *
interval_of(int64 usec)
{
	Interval   *result = palloc0(sizeof(Interval));

	result->time = usec;
	return result;
}

/* aiusage.admission, from the type cache: get_call_result_type() would copy it. */
static TupleDesc
answer_type(FunctionCallInfo fcinfo)
{
	Node	   *expr = fcinfo->flinfo->fn_expr;
	Oid			type = expr != NULL ? exprType(expr) : get_func_rettype(fcinfo->flinfo->fn_oid);
	TupleDesc	tupdesc = lookup_rowtype_tupdesc(type, -1);

	if (tupdesc->natts != ANSWER_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("type %s does not have the columns of this version of aiusage", format_type_be(type)),
				 errhint("After an upgrade restart the server and run ALTER EXTENSION aiusage UPDATE; aiusage.status() says which of them is missing.")));
	return tupdesc;
}

static Datum
answer(FunctionCallInfo fcinfo, const Request *request, const AiuVerdict *verdict, const pg_uuid_t *hold,
	   bool priced, const AiuPriceResult *price)
{
	TupleDesc	tupdesc = answer_type(fcinfo);
	HeapTuple	tuple;
	Datum		values[ANSWER_COLUMNS];
	bool		nulls[ANSWER_COLUMNS] = {false};
	const AiuLabel *model = &request->terms[TERM_MODEL];
	int64		wait = TIMESTAMP_NOT_FINITE(verdict->resets_at) ? -1 : Max(verdict->resets_at - GetCurrentTimestamp(), 0);
	bool		refused = verdict->kind != AIU_VERDICT_ALLOW && verdict->kind != AIU_VERDICT_DEGRADE;

	values[0] = CStringGetTextDatum(decisions[verdict->kind]);
	values[1] = PointerGetDatum(cstring_to_text_with_len(model->s, model->len));
	nulls[2] = verdict->kind != AIU_VERDICT_REROUTE;
	values[2] = nulls[2] ? (Datum) 0 : CStringGetTextDatum(verdict->instead);
	nulls[3] = hold == NULL;
	values[3] = nulls[3] ? (Datum) 0 : UUIDPGetDatum(hold);
	nulls[4] = nulls[5] = !priced;
	values[4] = values[5] = (Datum) 0;
	if (priced)
	{
		char		currency[4];

		aiu_currency_print(price->currency, currency);
		values[4] = money(price->cost);
		values[5] = PointerGetDatum(cstring_to_text_with_len(currency, 3));
	}
	nulls[6] = !verdict->has_remaining;
	values[6] = nulls[6] ? (Datum) 0 : money(verdict->remaining);
	nulls[7] = wait < 0;
	values[7] = TimestampTzGetDatum(verdict->resets_at);
	nulls[8] = wait < 0 || !refused;
	values[8] = nulls[8] ? (Datum) 0 : IntervalPGetDatum(interval_of(wait));
	values[9] = Int32GetDatum(http_status(verdict));
	nulls[10] = verdict->quota == NULL;
	values[10] = nulls[10] ? (Datum) 0 : CStringGetTextDatum(verdict->quota);
	nulls[11] = verdict->message == NULL;
	values[11] = nulls[11] ? (Datum) 0 : CStringGetTextDatum(verdict->message);
	tuple = heap_form_tuple(tupdesc, values, nulls);
	ReleaseTupleDesc(tupdesc);
	return HeapTupleGetDatum(tuple);
}

static TimestampTz
expiry(const Interval *ttl, TimestampTz from)
{
	TimestampTz at = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(from),
															 IntervalPGetDatum(ttl)));

	if (at <= from || at > from + TTL_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("ttl must be more than 0 and at most 7 days"),
				 errhint("A hold that is not settled by then is freed; 10 minutes is enough for most calls.")));
	return at;
}

/*
 * admit(api_key, provider, model, usage, operation_id, service_tier, endpoint, region, customer, user_id,
 *		 workflow, ttl, durable)
 */
Datum
aiu_admit(PG_FUNCTION_ARGS)
{
	Request		request;
	AiuQuotaFacts facts;
	AiuVerdict	verdict;
	AiuPriceResult price;
	pg_uuid_t	hold;
	bool		priced = false;

	request.terms[TERM_API_KEY] = required_label(fcinfo, 0, "api_key");
	request.terms[TERM_PROVIDER] = required_label(fcinfo, 1, "provider");
	request.terms[TERM_MODEL] = required_label(fcinfo, 2, "model");
	if (PG_ARGISNULL(3))
		(void) required_label(fcinfo, 3, "usage");
	request.usage = PG_GETARG_USAGE_P(3);
	request.hold.operation = label_arg(fcinfo, 4, "operation_id");
	request.terms[TERM_SERVICE_TIER] = label_arg(fcinfo, 5, "service_tier");
	request.terms[TERM_ENDPOINT] = label_arg(fcinfo, 6, "endpoint");
	request.terms[TERM_REGION] = label_arg(fcinfo, 7, "region");
	request.terms[TERM_CUSTOMER] = label_arg(fcinfo, 8, "customer");
	request.terms[TERM_USER_ID] = label_arg(fcinfo, 9, "user_id");
	request.terms[TERM_WORKFLOW] = label_arg(fcinfo, 10, "workflow");
	if (PG_ARGISNULL(11) || PG_ARGISNULL(12))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("ttl and durable must not be null"),
				 errhint("Leave them out for 10 minutes, durably.")));
	request.at = GetCurrentTimestamp();
	request.hold.expires_at = expiry(PG_GETARG_INTERVAL_P(11), request.at);
	request.hold.durable = PG_GETARG_BOOL(12);
	request.hold.terms = request.terms;
	request.hold.nterms = AIU_HOLD_NTERMS;

	if (!prepare(&request, &facts, &price, &priced, &verdict))
		return answer(fcinfo, &request, &verdict, NULL, priced, &price);
	aiu_quota_admit(&facts, &request.hold, &hold, &verdict);

	if (verdict.kind == AIU_VERDICT_DEGRADE)
	{
		AiuVerdict	second;

		request.terms[TERM_MODEL].s = verdict.instead;
		request.terms[TERM_MODEL].len = strlen(verdict.instead);
		if (prepare(&request, &facts, &price, &priced, &second))
		{
			aiu_quota_admit(&facts, &request.hold, &hold, &second);
			if (second.kind == AIU_VERDICT_ALLOW)
			{
				second.kind = AIU_VERDICT_DEGRADE;
				second.message = verdict.message;
				return answer(fcinfo, &request, &second, &hold, priced, &price);
			}
		}
		/* not even that: no advice that would be refused again */
		if (second.kind == AIU_VERDICT_DEGRADE)
			second.kind = AIU_VERDICT_DENY;
		return answer(fcinfo, &request, &second, NULL, priced, &price);
	}
	return answer(fcinfo, &request, &verdict, verdict.kind == AIU_VERDICT_ALLOW ? &hold : NULL, priced, &price);
}

static pg_uuid_t *
hold_arg(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("hold_id is missing"),
				 errhint("Send the hold_id that aiusage.admit() answered with.")));
	return PG_GETARG_UUID_P(n);
}

/* extend_hold(hold_id, usage) */
Datum
aiu_extend_hold(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = hold_arg(fcinfo, 0);
	Request		request;
	AiuHoldView view;
	AiuQuotaFacts facts;
	AiuVerdict	verdict;
	AiuPriceResult price;
	bool		priced = false;
	TimestampTz now = GetCurrentTimestamp();

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("usage is missing"),
				 errhint("Send the worst case of the whole request, what has been used so far included.")));
	if (!aiu_quota_hold_terms(id, &view, request.terms, AIU_HOLD_NTERMS))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_UNKNOWN),
				 errmsg("hold %s is not open", DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)))),
				 errdetail("It was settled or released, has expired, or was lost in a restart of the server."),
				 errhint("Book what was used; a row that names a hold of its key is never refused.")));
	request.usage = PG_GETARG_USAGE_P(1);
	request.at = view.created_at;
	request.hold.operation.s = NULL;
	request.hold.operation.len = 0;
	/* as long again as it was given at first */
	request.hold.expires_at = Max(view.expires_at, now + (aiu_quota_hold_id_expires(id) - view.created_at));
	request.hold.durable = view.durable;
	request.hold.terms = request.terms;
	request.hold.nterms = AIU_HOLD_NTERMS;

	if (prepare(&request, &facts, &price, &priced, &verdict))
		aiu_quota_extend(id, &facts, &request.hold, &verdict);
	return answer(fcinfo, &request, &verdict, verdict.kind == AIU_VERDICT_ALLOW ? id : NULL, priced, &price);
}

/* release(hold_id) */
Datum
aiu_release(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(aiu_quota_release(hold_arg(fcinfo, 0)));
}

/* hold_standing(hold_id, api_key) */
Datum
aiu_hold_id_standing(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"forged", "open", "late", "reused"};
	AiuLabel	key = required_label(fcinfo, 1, term_names[TERM_API_KEY]);

	PG_RETURN_TEXT_P(cstring_to_text(names[aiu_quota_hold_standing(hold_arg(fcinfo, 0), &key)]));
}
