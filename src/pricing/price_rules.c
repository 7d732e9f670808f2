/*-------------------------------------------------------------------------
 *
 * price_rules.c
 *	  Which rules of a model were considered for a request, and why one won:
 *	  for explain_price(), and explain_rules(), which has a row for each.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "common/errors.h"
#include "pricing/price_internal.h"

AIU_FUNCTION(aiu_explain_rules);

#define RULES_COLUMNS	9		/* book, version, provider, model, rule, names, applies, chosen, why */
#define RULES_LISTED	6		/* of those that lost, in the why of a component */

/* ---------- texts ---------- */

static void
append_time(StringInfo s, int64 usec)
{
	int			seconds = (int) (usec / USECS_PER_SEC);

	appendStringInfo(s, "%02d:%02d", seconds / 3600, seconds / 60 % 60);
	if (usec % USECS_PER_MINUTE != 0)
		appendStringInfo(s, ":%02d", seconds % 60);
}

void
aiu_price_append_limits(StringInfo s, const AiuRule *rule)
{
	if (rule->service_tier != NULL)
		appendStringInfo(s, ", service tier %s", rule->service_tier);
	if (rule->endpoint != NULL)
		appendStringInfo(s, ", endpoint %s", rule->endpoint);
	if (rule->region != NULL)
		appendStringInfo(s, ", region %s", rule->region);
	if (rule->starts_at != DT_NOBEGIN)
		appendStringInfo(s, ", from %s", timestamptz_to_str(rule->starts_at));
	if (rule->ends_at != DT_NOEND)
		appendStringInfo(s, ", until %s", timestamptz_to_str(rule->ends_at));
	if (rule->weekdays != 0x7F)
	{
		static const char *const names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
		int			d;

		appendStringInfoString(s, ", on");
		for (d = 0; d < 7; d++)
		{
			if ((rule->weekdays >> d) & 1)
				appendStringInfo(s, " %s", names[d]);
		}
	}
	if (rule->has_window)
	{
		appendStringInfoString(s, ", ");
		append_time(s, rule->from_usec);
		appendStringInfoString(s, " to ");
		append_time(s, rule->to_usec);
		appendStringInfo(s, " %s", rule->zone == NULL ? "UTC" : pg_get_timezone_name(rule->zone));
	}
	if (rule->multiplier != NULL)
		appendStringInfo(s, ", rates times %s", rule->multiplier);
}

/* A rule that does not apply at the time of the request. */
static const char *
why_not_then(const AiuRule *rule, TimestampTz at)
{
	if (at < rule->starts_at)
		return psprintf("begins only at %s", timestamptz_to_str(rule->starts_at));
	if (at >= rule->ends_at)
		return psprintf("ended at %s", timestamptz_to_str(rule->ends_at));
	return "is for other hours or weekdays";
}

static bool
names_tier(const AiuRule *rule)
{
	return rule->service_tier == NULL || strcmp(rule->service_tier, "*") != 0;
}

/* 2: this one, 1: that there is one */
static int
names_region(const AiuRule *rule)
{
	return rule->region == NULL ? 0 : strcmp(rule->region, "*") == 0 ? 1 : 2;
}

/* Both apply: what the winner has that the other one lacks. */
static const char *
why_lost(const AiuRule *rule, const AiuRule *winner)
{
	if (names_tier(winner) && !names_tier(rule))
		return psprintf("applies, but is for any service tier; #%d is for this one", winner->rule);
	if (winner->endpoint != NULL && rule->endpoint == NULL)
		return psprintf("applies, but names no endpoint; #%d does", winner->rule);
	if (names_region(winner) > names_region(rule))
		return psprintf(rule->region == NULL ? "applies, but names no region; #%d does" :
						"applies, but is for any region; #%d is for this one", winner->rule);
	return psprintf("applies, but has a lower number than #%d, which is as specific", winner->rule);
}

/* Among those that apply. */
static const char *
why_won(const AiuPriceRequest *req, const AiuPriceTrace *trace)
{
	const AiuResolved *resolved = trace->resolved;
	const AiuRule *winner = trace->rule;
	const AiuRule *second = NULL;
	int			napply = 0;
	int			i;

	for (i = 0; i < resolved->nrules; i++)
	{
		if (!aiu_price_rule_applies_at(resolved->rules[i], req->at))
			continue;
		napply++;
		if (resolved->rules[i] != winner && second == NULL)
			second = resolved->rules[i];
	}
	if (second == NULL)
		return "the only one that applies";
	if (names_tier(winner) && !names_tier(second))
		return psprintf("of the %d that apply it is the one for this service tier", napply);
	if (winner->endpoint != NULL && second->endpoint == NULL)
		return psprintf("of the %d that apply it is the one that names the endpoint", napply);
	if (names_region(winner) > names_region(second))
		return psprintf("of the %d that apply it is the one that names the region", napply);
	return psprintf("of the %d that apply it is, of the most specific, the one with the highest number", napply);
}

/* Why this rule is not the one; *applies: it would do, were there no better one. */
static const char *
why_not(const AiuRule *rule, const AiuPriceRequest *req, const AiuRule *winner, bool *applies)
{
	const char *why = aiu_price_rule_refuses(rule, req);

	*applies = false;
	if (why != NULL)
		return why;
	if (!aiu_price_rule_applies_at(rule, req->at))
		return why_not_then(rule, req->at);
	*applies = true;
	return why_lost(rule, winner);
}

void
aiu_price_append_considered(StringInfo s, const AiuPriceRequest *req, const AiuPriceTrace *trace)
{
	const AiuModel *model = trace->resolved != NULL ? trace->resolved->model : NULL;
	bool		applies;
	int			listed = 0;
	int			r;

	if (model == NULL || (trace->rule != NULL && model->nrules < 2))
		return;
	if (trace->rule != NULL)
		appendStringInfo(s, "; rule #%d of %d: %s", trace->rule->rule, model->nrules, why_won(req, trace));
	else
		appendStringInfo(s, "; %d %s considered", model->nrules, model->nrules == 1 ? "rule was" : "rules were");
	for (r = 0; r < model->nrules; r++)
	{
		const AiuRule *rule = &model->rules[r];

		if (rule == trace->rule)
			continue;
		if (listed++ == RULES_LISTED)
		{
			appendStringInfoString(s, "; explain_rules() lists the others");
			break;
		}
		appendStringInfo(s, "; #%d %s", rule->rule, why_not(rule, req, trace->rule, &applies));
	}
}

/* ---------- explain_rules ---------- */

/*
 * aiusage.explain_rules(provider, model, at, service_tier, endpoint, region, book, known_at)
 *		A row for each rule of the model entry that the request leads to; one
 *		without a rule when it leads to none.
 */
Datum
aiu_explain_rules(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo;
	AiuPriceRequest req;
	AiuPriceResult result;
	AiuPriceTrace trace;
	Datum		values[RULES_COLUMNS];
	bool		nulls[RULES_COLUMNS];
	const AiuModel *model;
	int			r;

	InitMaterializedSRF(fcinfo, 0);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	if (!aiu_price_rule_args(fcinfo, &req))
		return (Datum) 0;
	aiu_price_book_arg(fcinfo, 6, &req);
	aiu_price_traced(&req, 0, PG_ARGISNULL(7) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(7), &result, &trace);
	if (result.currency == 0)
		aiu_price_unknown_book(&req);

	memset(nulls, true, sizeof(nulls));
	values[0] = CStringGetTextDatum(trace.book->book);
	nulls[0] = false;
	if (result.version != 0)
	{
		values[1] = Int32GetDatum(result.version);
		nulls[1] = false;
	}
	model = trace.resolved != NULL ? trace.resolved->model : NULL;
	if (model == NULL || model->nrules == 0)
	{
		values[8] = CStringGetTextDatum(aiu_price_unpriced_why(&req, &result, &trace));
		nulls[8] = false;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		return (Datum) 0;
	}

	values[2] = CStringGetTextDatum(model->provider);
	values[3] = CStringGetTextDatum(model->model);
	memset(nulls + 2, false, sizeof(bool) * (RULES_COLUMNS - 2));
	for (r = 0; r < model->nrules; r++)
	{
		const AiuRule *rule = &model->rules[r];
		bool		applies = true;
		StringInfoData names;

		initStringInfo(&names);
		if (rule->service_tier == NULL)
			appendStringInfoString(&names, ", standard service tier");
		aiu_price_append_limits(&names, rule);
		values[4] = Int32GetDatum(rule->rule);
		values[5] = CStringGetTextDatum(names.data + 2);
		values[8] = CStringGetTextDatum(rule == trace.rule ? why_won(&req, &trace) : why_not(rule, &req, trace.rule, &applies));
		values[6] = BoolGetDatum(applies);
		values[7] = BoolGetDatum(rule == trace.rule);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
