/*-------------------------------------------------------------------------
 *
 * quota_charge.c
 *	  What a row charges: to which counters, and how much.
 *
 * The one place that says so.  The trigger, the fold, the loader of counters,
 * publishing, verify() and quota_state all ask here, so they agree by
 * construction; tests compare with plain SQL.  The answer depends on the row's
 * own columns, on what never changes (its assignment, what a limit counts), and
 * on two things that are as they are today: the class of its key and the plan
 * tier of its customer.  Limits that ask for those are rebuilt when they change.
 *
 * spend counts usage, reversals and adjustments, as signed as their cost;
 * every other metric counts the original usage row only: corrections move
 * money, never rates.
 *
 * The time that counts.  Sliding windows and those shorter than a day go by
 * the server's clock (recorded_at): sending an earlier time buys nothing.
 * Longer ones go by the time of the event, but for what comes more than an hour
 * late, which counts when it came.  Rows that were recorded before the limit
 * was published, and those of a bulk import, are history, and go by the time of
 * their event everywhere; but a sliding window never gets ahead of the clock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/timestamp.h"

#include "attribution/attribution.h"
#include "quota/quota_config.h"
#include "types/exact.h"

#define LATE_AFTER		USECS_PER_HOUR

/* From millionths of a unit to 1e-12. */
#define QUANTITY_TO_AMOUNT	(AIU_QUOTA_SCALE / AIU_QUANTITY_SCALE)

void
aiu_quota_facts_init(AiuQuotaFacts *facts, const AiuLabel *api_key, int64 assignment,
					 const AiuLabel *customer, const AiuLabel *workflow)
{
	const AiuQuotaSet *set = aiu_quota_set();
	const AiuOwnership *owner = assignment != 0 ? aiu_ownership(assignment) : NULL;

	memset(facts, 0, sizeof(AiuQuotaFacts));
	facts->dims[AIU_DIM_API_KEY] = *api_key;
	if (owner != NULL)
	{
		facts->dims[AIU_DIM_TEAM] = owner->team;
		facts->dims[AIU_DIM_COST_CENTER] = owner->cost_center;
		facts->dims[AIU_DIM_PROJECT] = owner->project;
		facts->dims[AIU_DIM_ENVIRONMENT] = owner->environment;
		facts->dims[AIU_DIM_WORKFLOW] = owner->workflow;
		facts->dims[AIU_DIM_CUSTOMER] = owner->customer;
	}
	if (customer->s != NULL)
		facts->dims[AIU_DIM_CUSTOMER] = *customer;
	if (workflow->s != NULL)
		facts->dims[AIU_DIM_WORKFLOW] = *workflow;
	if (set->uses_class)
		facts->dims[AIU_DIM_KEY_CLASS] = aiu_key_class(api_key);
	if (set->uses_tier && facts->dims[AIU_DIM_CUSTOMER].s != NULL)
		facts->dims[AIU_DIM_PLAN_TIER] = aiu_customer(&facts->dims[AIU_DIM_CUSTOMER])->plan_tier;
}

static TimestampTz
time_that_counts(const AiuQuotaDef *def, const AiuQuotaFacts *facts)
{
	if (facts->exempt || facts->recorded_at < def->published_at)
		return def->sliding ? Min(facts->occurred_at, facts->recorded_at) : facts->occurred_at;
	if (!def->by_event_time || facts->recorded_at - facts->occurred_at > LATE_AFTER)
		return facts->recorded_at;
	return facts->occurred_at;
}

/* How much of the given units (by code, or a custom one by name) was used. */
static int128
units_used(const AiuUsage *usage, int unit, int other, const char *name, int namelen)
{
	AiuUsageIter it;
	AiuUsageItem item;
	int128		sum = 0;
	int128		amount;

	if (usage == NULL)
		return 0;
	aiu_usage_iter_init(&it, usage);
	while (aiu_usage_iter_next(&it, &item))
	{
		if (item.unit == 0 ? (unit == 0 && item.namelen == namelen && memcmp(item.name, name, namelen) == 0) :	/* NOLINT(clang-analyzer-core.NonNullParamChecker): namelen 0 is no name */
			(item.unit == unit || item.unit == other))
			sum += item.quantity;	/* at most two of 10^36 */
	}
	if (!aiu_mul128(sum, QUANTITY_TO_AMOUNT, &amount))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("usage is too large to be counted against a limit")));
	return amount;
}

/* False: the row does not count for the limit's metric. */
static bool
amount_of(const AiuQuotaDef *def, const AiuQuotaFacts *facts, int128 *amount, bool *uncheckable)
{
	static int	input_tokens = 0;
	static int	output_tokens = 0;

	*amount = 0;
	*uncheckable = false;
	if (def->metric == AIU_QUOTA_CONCURRENCY)
	{
		*amount = AIU_QUOTA_SCALE;
		return facts->hold;
	}
	if (def->metric == AIU_QUOTA_SPEND)
	{
		if (!facts->counts_spend)
			return false;
		if (facts->has_cost)
		{
			if (facts->currency == def->currency)
				*amount = facts->cost;
			else
				*uncheckable = true;
		}
		else
			*uncheckable = facts->counts_usage && !def->unpriced_allowed;
		return true;
	}
	if (!facts->counts_usage)
		return false;
	switch (def->metric)
	{
		case AIU_QUOTA_REQUESTS:
			*amount = AIU_QUOTA_SCALE;
			break;
		case AIU_QUOTA_ERRORS:
			*amount = facts->failed ? AIU_QUOTA_SCALE : 0;
			break;
		case AIU_QUOTA_TOKENS:
			if (input_tokens == 0)
			{
				input_tokens = aiu_unit_lookup("input_tokens", 12);
				output_tokens = aiu_unit_lookup("output_tokens", 13);
			}
			*amount = units_used(facts->usage, input_tokens, output_tokens, NULL, 0);
			break;
		case AIU_QUOTA_UNIT:
			*amount = units_used(facts->usage, def->unit, def->unit, def->unit_name, def->unit_namelen);
			break;
		default:
			break;
	}
	return true;
}

void
aiu_quota_charge_window(const AiuQuotaDef *def, const AiuQuotaFacts *facts,
						int64 *window, TimestampTz *starts, TimestampTz *ends)
{
	aiu_quota_window(def, time_that_counts(def, facts), facts->invoice_period, window, starts, ends);
}

/* The charge to a limit whose scope the row is in, but for its subject. */
static inline bool
charge_to(const AiuQuotaDef *def, const AiuQuotaFacts *facts, AiuCharge *charge)
{
	TimestampTz starts;

	if (!amount_of(def, facts, &charge->amount, &charge->uncheckable))
		return false;
	charge->def = def;
	aiu_quota_charge_window(def, facts, &charge->window, &starts, &charge->window_ends);
	return true;
}

static void
too_many(const AiuQuotaDef **defs, int n)
{
	StringInfoData names;
	int			i;

	initStringInfo(&names);
	for (i = 0; i < n; i++)
		appendStringInfo(&names, "%s\"%s\"", i > 0 ? ", " : "", defs[i]->name);
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("more than %d limits apply to one usage row", AIU_QUOTA_MAX),
			 errdetail("Among them are %s.", names.data),
			 errhint("Retire some with aiusage.retire_quota(), or narrow their scopes.")));
}

/* -1: too many limits apply; defs, of AIU_QUOTA_MAX + 1, are the first of them. */
static int
charges_of(const AiuQuotaFacts *facts, AiuCharge *charges, const AiuQuotaDef **defs)
{
	const AiuQuotaSet *set = aiu_quota_set();
	const AiuQuotaPlan *plan;
	int			n;
	int			i;
	int			ncharges = 0;

	if (set->ndefs == 0)
		return 0;
	plan = aiu_quota_plan(set, facts);
	if (likely(plan != NULL))
	{
		for (i = 0; i < plan->nparts; i++)
		{
			const AiuQuotaPart *part = &plan->parts[i];
			AiuCharge  *charge = &charges[ncharges];

			if (!charge_to(part->def, facts, charge))
				continue;
			charge->subject[0] = part->subject[0];
			charge->subject[1] = part->subject[1];
			charge->counter = part->counter;
			charge->part = i;
			ncharges++;
		}
		return ncharges;
	}

	n = aiu_quota_match(set, facts, defs, AIU_QUOTA_MAX + 1);
	if (unlikely(n > AIU_QUOTA_MAX))
		return -1;
	for (i = 0; i < n; i++)
	{
		AiuCharge  *charge = &charges[ncharges];

		if (!charge_to(defs[i], facts, charge))
			continue;
		aiu_quota_subject_of(defs[i], facts, charge->subject);
		charge->counter = -1;
		charge->part = 0;
		ncharges++;
	}
	return ncharges;
}

int
aiu_quota_charges(const AiuQuotaFacts *facts, AiuCharge *charges)
{
	const AiuQuotaDef *defs[AIU_QUOTA_MAX + 1];
	int			ncharges = charges_of(facts, charges, defs);

	if (unlikely(ncharges < 0))
		too_many(defs, lengthof(defs));
	return ncharges;
}

int
aiu_quota_charges_if_few(const AiuQuotaFacts *facts, AiuCharge *charges)
{
	const AiuQuotaDef *defs[AIU_QUOTA_MAX + 1];

	return charges_of(facts, charges, defs);
}

bool
aiu_quota_charge_of(const AiuQuotaDef *def, const AiuQuotaFacts *facts, AiuCharge *charge)
{
	if (!aiu_quota_in_scope(def, facts) || !charge_to(def, facts, charge))
		return false;
	aiu_quota_subject_of(def, facts, charge->subject);
	charge->counter = -1;
	charge->part = 0;
	return true;
}
