/*-------------------------------------------------------------------------
 *
 * price_explain.c
 *	  explain_price(): the components of a price, and why; or why not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "common/errors.h"
#include "pricing/price_internal.h"

AIU_FUNCTION(aiu_explain_price);
AIU_FUNCTION(aiu_explain_price_known_at);
AIU_FUNCTION(aiu_explain_price_under);

#define EXPLAIN_COLUMNS 9		/* unit, quantity, rate, per, amount, currency, version, rule, why */

/* ---------- texts ---------- */

static Datum
numeric_from_text(const char *text)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

static void
append_quantity(StringInfo s, int128 quantity)
{
	char		buf[64];

	aiu_decimal_print(quantity, 6, buf);
	appendStringInfoString(s, buf);
}

/* provider/model #rule, and what the rule is limited to */
static char *
rule_text(const AiuPriceTrace *trace)
{
	const AiuRule *rule = trace->rule;
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfo(&s, "%s/%s #%d", trace->resolved->model->provider, trace->resolved->model->model, rule->rule);
	aiu_price_append_limits(&s, rule);
	return s.data;
}

/* Which entry it is, and how the request's names led to it. */
static void
append_match(StringInfo s, const AiuPriceRequest *req, const AiuPriceTrace *trace)
{
	const AiuResolved *resolved = trace->resolved;

	if (resolved == NULL || resolved->provider == NULL)
		return;
	appendStringInfo(s, "; provider \"%.*s\" is \"%s\" (%s)",
					 req->provider.len, req->provider.s, resolved->provider, resolved->provider_how);
	if (resolved->model == NULL)
		return;
	appendStringInfo(s, ", model \"%.*s\" is its entry \"%s\" (%s)",
					 req->model.len, req->model.s, resolved->model->model, resolved->model_how);
	if (strcmp(resolved->model->provider, resolved->provider) != 0)
		appendStringInfo(s, ", found at its fallback provider \"%s\"", resolved->model->provider);
	if (resolved->base != NULL)
		appendStringInfo(s, ", inherited from version %d of book \"%s\"", resolved->base_version, resolved->base->book);
	else if (resolved->book != NULL && req->book.s != NULL &&
			 (resolved->book->len != req->book.len || memcmp(resolved->book->book, req->book.s, req->book.len) != 0))
		appendStringInfo(s, ", inherited from book \"%s\"", resolved->book->book);
}

/* One component: how the quantity and the rate came about. */
static char *
component_why(const AiuPriceRequest *req, const AiuPriceTrace *trace, int i)
{
	const AiuEvalDetail *d = &trace->detail[i];
	const AiuRuleUnit *ru = &trace->rule->slots[d->slot];	/* NOLINT: without a rule there are no components */
	StringInfoData s;

	initStringInfo(&s);
	append_quantity(&s, d->inclusive);
	appendStringInfo(&s, " %s", ru->name);
	if (ru->per_request)
		appendStringInfoString(&s, " (a request counts once unless it says otherwise)");
	if (d->leaf != d->inclusive)
	{
		appendStringInfoString(&s, " less ");
		append_quantity(&s, d->inclusive - d->leaf);
		appendStringInfoString(&s, " that more specific units price");
	}
	if (ru->min_quantity > d->inclusive)
	{
		appendStringInfoString(&s, ", raised to the minimum of ");
		append_quantity(&s, ru->min_quantity);
	}
	if (ru->step > 0)
	{
		appendStringInfoString(&s, ", in steps of ");
		append_quantity(&s, ru->step);
	}
	if (d->tier != NULL)
		appendStringInfo(&s, "; rate of the tier %s %s %s", d->tier->metric,
						 d->tier->inclusive ? ">=" : ">", d->tier->start_text);
	else if (ru->ntiers > 0)
		appendStringInfo(&s, "; base rate, %s is not %s %s", ru->tiers[0].metric,
						 ru->tiers[0].inclusive ? ">=" : ">", ru->tiers[0].start_text);
	if (d->rate->how != NULL)
		appendStringInfo(&s, "; %s", d->rate->how);
	append_match(&s, req, trace);
	aiu_price_append_considered(&s, req, trace);
	return s.data;
}

static void
append_selector(StringInfo s, const AiuLabel *label, const char *otherwise)
{
	if (label->s == NULL)
		appendStringInfoString(s, otherwise);
	else
		appendStringInfo(s, "\"%.*s\"", label->len, label->s);
}

/* Why there is no price, and what to do about it. */
char *
aiu_price_unpriced_why(const AiuPriceRequest *req, const AiuPriceResult *result, const AiuPriceTrace *trace)
{
	StringInfoData s;
	const char *book = trace->book != NULL ? trace->book->book : "";
	int			ulen = result->unit_namelen;
	const char *unit = result->unit_name != NULL ? result->unit_name : "";

	initStringInfo(&s);
	appendStringInfo(&s, "%s: ", aiu_unpriced_label(result->unpriced));
	switch (result->unpriced)
	{
		case AIU_PRICED:
			break;
		case AIU_UNPRICED_NO_VERSION:
			if (result->version == 0 && trace->book == NULL)
				appendStringInfoString(&s, "there is no such price version");
			else
				appendStringInfo(&s, "no published version of book \"%s\" is effective at %s; publish one with an earlier effective_from",
								 book, timestamptz_to_str(req->at));
			break;
		case AIU_UNPRICED_PROVIDER:
			appendStringInfo(&s, "version %d of book \"%s\" has no provider of the name \"%.*s\"; import a catalogue that has it, or add it to a draft",
							 result->version, book, req->provider.len, req->provider.s);
			break;
		case AIU_UNPRICED_MODEL:
			appendStringInfo(&s, "no model entry of the provider, or of its fallbacks, matches \"%.*s\" in version %d of book \"%s\"; import a newer catalogue, or add the model to a draft",
							 req->model.len, req->model.s, result->version, book);
			break;
		case AIU_UNPRICED_NO_PRICES:
			appendStringInfoString(&s, "the model's entry has no prices; add them to a draft (a rate of 0 is a price)");
			break;
		case AIU_UNPRICED_RULE:
			appendStringInfoString(&s, "the model has prices, but none for service tier ");
			append_selector(&s, &req->service_tier, "\"standard\"");
			if (req->endpoint.s != NULL)
			{
				appendStringInfoString(&s, ", endpoint ");
				append_selector(&s, &req->endpoint, "");
			}
			if (req->region.s != NULL)
			{
				appendStringInfoString(&s, ", region ");
				append_selector(&s, &req->region, "");
			}
			appendStringInfo(&s, " at %s; add a rule that names them to a draft", timestamptz_to_str(req->at));
			break;
		case AIU_UNPRICED_UNIT:
			appendStringInfo(&s, "%.*s was used, but neither it nor a unit that includes it has a price; add one to a draft (0, if it is free)", ulen, unit);
			break;
		case AIU_UNPRICED_INCOMPLETE:
			appendStringInfo(&s, "%.*s has no price, but units that overlap with it were used and have one; add it to a draft", ulen, unit);
			break;
		case AIU_UNPRICED_CONTRADICTORY:
			if (result->unit_missing)
				appendStringInfo(&s, "%.*s is not reported, though a part of it is, or units that overlap in it are", ulen, unit);
			else
				appendStringInfo(&s, "the reported parts of %.*s exceed it", ulen, unit);
			appendStringInfoString(&s, "; totals are inclusive: correct what the gateway sends");
			break;
		case AIU_UNPRICED_OVERFLOW:
			appendStringInfo(&s, "the price of %.*s does not fit an amount", ulen, unit);
			break;
	}
	append_match(&s, req, trace);
	if (result->unpriced == AIU_UNPRICED_RULE)
		aiu_price_append_considered(&s, req, trace);
	return s.data;
}

/* ---------- rows ---------- */

static int
compare_components(const void *a, const void *b, void *arg)
{
	const AiuPriceResult *result = arg;
	const AiuCostItem *ca = &result->components[*(const int *) a];
	const AiuCostItem *cb = &result->components[*(const int *) b];
	int			cmp;

	/* registry order, custom units last */
	if (ca->unit != cb->unit)
		return (ca->unit == 0 ? AIU_UNIT_MAX : ca->unit) - (cb->unit == 0 ? AIU_UNIT_MAX : cb->unit);
	if (ca->unit != 0)
		return 0;
	cmp = memcmp(ca->name, cb->name, Min(ca->namelen, cb->namelen));
	return cmp != 0 ? cmp : ca->namelen - cb->namelen;
}

static void
put_row(ReturnSetInfo *rsinfo, const Datum *values, const bool *nulls)
{
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, (Datum *) values, (bool *) nulls);
}

static void
explain(FunctionCallInfo fcinfo, const AiuPriceRequest *req, const AiuPriceResult *result, const AiuPriceTrace *trace)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[EXPLAIN_COLUMNS];
	bool		nulls[EXPLAIN_COLUMNS];
	char		currency[4];
	int			order[AIU_MAX_COMPONENTS];
	int			i;

	memset(nulls, true, sizeof(nulls));
	if (result->currency != 0)
	{
		aiu_currency_print(result->currency, currency);
		values[5] = CStringGetTextDatum(currency);
		nulls[5] = false;
	}
	if (result->version != 0)
	{
		values[6] = Int32GetDatum(result->version);
		nulls[6] = false;
	}
	if (trace->rule != NULL)
	{
		values[7] = CStringGetTextDatum(rule_text(trace));
		nulls[7] = false;
	}

	if (result->unpriced != AIU_PRICED)
	{
		AiuUsageIter it;
		AiuUsageItem item;

		if (result->unit_name != NULL)
		{
			values[0] = PointerGetDatum(cstring_to_text_with_len(result->unit_name, result->unit_namelen));
			nulls[0] = false;
			aiu_usage_iter_init(&it, req->usage);
			while (aiu_usage_iter_next(&it, &item))
			{
				if (item.unit == result->unit &&
					(item.unit != 0 || (item.namelen == result->unit_namelen &&
										memcmp(item.name, result->unit_name, item.namelen) == 0)))
				{
					values[1] = NumericGetDatum(aiu_scaled_to_numeric(item.quantity, 6));
					nulls[1] = false;
				}
			}
		}
		values[8] = CStringGetTextDatum(aiu_price_unpriced_why(req, result, trace));
		nulls[8] = false;
		put_row(rsinfo, values, nulls);
		return;
	}

	if (result->ncomponents == 0)
	{
		StringInfoData s;

		initStringInfo(&s);
		appendStringInfoString(&s, "nothing that has a price was used");
		append_match(&s, req, trace);
		values[1] = NumericGetDatum(aiu_scaled_to_numeric(0, 6));
		values[4] = NumericGetDatum(aiu_scaled_to_numeric(0, AIU_AMOUNT_DECIMALS));
		values[8] = CStringGetTextDatum(s.data);
		nulls[1] = nulls[4] = nulls[8] = false;
		put_row(rsinfo, values, nulls);
		return;
	}

	for (i = 0; i < result->ncomponents; i++)
		order[i] = i;
	qsort_arg(order, result->ncomponents, sizeof(int), compare_components, (void *) result);
	for (i = 0; i < result->ncomponents; i++)
	{
		int			c = order[i];
		const AiuCostItem *component = &result->components[c];
		const AiuEvalDetail *d = &trace->detail[c];
		Datum		rate = numeric_from_text(d->rate->rate);

		if (d->rate->multiplier != NULL)
			rate = DirectFunctionCall1(numeric_trim_scale,
									   DirectFunctionCall2(numeric_mul, rate,
														   numeric_from_text(d->rate->multiplier)));
		values[0] = PointerGetDatum(cstring_to_text_with_len(component->name, component->namelen));
		values[1] = NumericGetDatum(aiu_scaled_to_numeric(d->billed, 6));
		values[2] = rate;
		values[3] = numeric_from_text(d->rate->per);
		values[4] = NumericGetDatum(aiu_scaled_to_numeric(component->value, AIU_AMOUNT_DECIMALS));
		values[8] = CStringGetTextDatum(component_why(req, trace, c));
		nulls[0] = nulls[1] = nulls[2] = nulls[3] = nulls[4] = nulls[8] = false;
		put_row(rsinfo, values, nulls);
	}
}

void
aiu_price_explain(FunctionCallInfo fcinfo, const AiuPriceRequest *req, int32 version, TimestampTz known_at)
{
	AiuPriceResult result;
	AiuPriceTrace trace;

	aiu_price_traced(req, version, known_at, &result, &trace);
	if (result.currency == 0)
	{
		if (version == 0)
			aiu_price_unknown_book(req);
		ereport(ERROR,
				(errcode(ERRCODE_AIU_UNKNOWN),
				 errmsg("price version %d does not exist", version),
				 errhint("See aiusage.price_version for the versions there are.")));
	}
	explain(fcinfo, req, &result, &trace);
}

/* aiusage.explain_price(provider, model, usage, at, service_tier, endpoint, region, book) */
Datum
aiu_explain_price(PG_FUNCTION_ARGS)
{
	AiuPriceRequest req;

	InitMaterializedSRF(fcinfo, 0);
	if (aiu_price_request_args(fcinfo, 0, &req))
	{
		aiu_price_book_arg(fcinfo, 7, &req);
		aiu_price_explain(fcinfo, &req, 0, DT_NOEND);
	}
	return (Datum) 0;
}

/* aiusage.explain_price_known_at(known_at, provider, model, usage, at, service_tier, endpoint, region, book) */
Datum
aiu_explain_price_known_at(PG_FUNCTION_ARGS)
{
	AiuPriceRequest req;

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(0) && aiu_price_request_args(fcinfo, 1, &req))
	{
		aiu_price_book_arg(fcinfo, 8, &req);
		aiu_price_explain(fcinfo, &req, 0, PG_GETARG_TIMESTAMPTZ(0));
	}
	return (Datum) 0;
}

/* aiusage.explain_price_under(version, provider, model, usage, at, service_tier, endpoint, region) */
Datum
aiu_explain_price_under(PG_FUNCTION_ARGS)
{
	AiuPriceRequest req;

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(0) && aiu_price_request_args(fcinfo, 1, &req))
	{
		aiu_price_version_arg(fcinfo, 0);
		aiu_price_explain(fcinfo, &req, PG_GETARG_INT32(0), DT_NOEND);
	}
	return (Datum) 0;
}
