/*-------------------------------------------------------------------------
 *
 * quota_plan.c
 *	  Which limits rows of the same labels count against, and for whom:
 *	  remembered.
 *
 * The limits whose scope a row is in, and its subject under each of them,
 * depend on nothing but its labels and the definitions.  Gateways send the same
 * few combinations of labels over and over, so what was found out is kept with
 * the set of limits that it is of, by the labels that any of them looks at, and
 * goes when the set goes.  What else a row charges (how much, in which window)
 * is the row's own, and is found anew for each.
 *
 * A limit that looks at tags makes rows with tags go the long way: a tag's
 * value is cheaper to compare than to find.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "quota/quota_config.h"

/* Plans that a backend keeps: about 400 bytes each under six limits. */
#define PLAN_SLOTS		2048	/* a power of two */
#define PLAN_WAYS		4		/* places that a plan may be in */
/* Labels that are longer together are not worth it. */
#define PLAN_KEY_MAX	512

/* Before each label: its length, or this. */
#define LABEL_IS_NULL	0xFFFF

struct AiuQuotaPlans
{
	MemoryContext context;
	uint32		victim;
	AiuQuotaPlan *slots[PLAN_SLOTS];
};

/* The plan that was given away last; as a rule it is asked for again by the next step of the same row. */
static AiuQuotaPlan *latest = NULL;

/* The labels that limits look at; -1: they are too long. */
static int
make_key(const AiuQuotaSet *set, const AiuQuotaFacts *facts, char *key)
{
	int			len = 0;
	int			i;

	for (i = 0; i < set->nlooked_at; i++)
	{
		const AiuLabel *label = &facts->dims[set->looked_at[i]];
		uint16		n = label->s == NULL ? LABEL_IS_NULL : (uint16) label->len;

		if (unlikely(label->len >= PLAN_KEY_MAX - len - (int) sizeof(n)))
			return -1;
		memcpy(key + len, &n, sizeof(n));
		len += sizeof(n);
		if (label->s != NULL)
		{
			memcpy(key + len, label->s, label->len);
			len += label->len;
		}
	}
	return len;
}

static AiuQuotaPlan *
make_plan(const AiuQuotaSet *set, const AiuQuotaFacts *facts, MemoryContext context, const char *key, int keylen)
{
	const AiuQuotaDef *defs[AIU_QUOTA_MAX + 1];
	AiuQuotaPlan *plan;
	int			n = aiu_quota_match(set, facts, defs, lengthof(defs));
	int			i;

	/* the caller finds that again, and reports it */
	if (unlikely(n > AIU_QUOTA_MAX))
		return NULL;
	plan = MemoryContextAlloc(context, offsetof(AiuQuotaPlan, parts) + sizeof(AiuQuotaPart) * n + keylen);
	plan->nparts = n;
	plan->keylen = keylen;
	plan->key = (char *) &plan->parts[n];
	memcpy(plan->key, key, keylen);
	for (i = 0; i < n; i++)
	{
		plan->parts[i].def = defs[i];
		plan->parts[i].counter = 0;
		aiu_quota_subject_of(defs[i], facts, plan->parts[i].subject);
	}
	return plan;
}

void
aiu_quota_plans_build(AiuQuotaSet *set)
{
	int			i;
	int			d;

	set->nlooked_at = 0;
	for (d = 0; d < AIU_DIM_COUNT; d++)
	{
		bool		looked_at = false;

		for (i = 0; i < set->ndefs && !looked_at; i++)
			looked_at = aiu_quota_looks_at(set->defs[i], (AiuQuotaDim) d);
		if (!looked_at)
			continue;
		if (d == AIU_DIM_TAG)
			set->looks_at_tags = true;
		else
			set->looked_at[set->nlooked_at++] = (AiuQuotaDim) d;
	}
	set->plans = palloc0(sizeof(struct AiuQuotaPlans));
	set->plans->context = CurrentMemoryContext;
	latest = NULL;
}

AiuQuotaPlan *
aiu_quota_plan(const AiuQuotaSet *set, const AiuQuotaFacts *facts)
{
	struct AiuQuotaPlans *plans = set->plans;
	AiuQuotaPlan **ways;
	AiuQuotaPlan **way;
	AiuQuotaPlan *plan;
	char		key[PLAN_KEY_MAX];
	int			len;
	uint32		hash;
	int			i;

	latest = NULL;
	if (unlikely(set->looks_at_tags && facts->tags != NULL))
		return NULL;
	len = make_key(set, facts, key);
	if (unlikely(len < 0))
		return NULL;

	hash = hash_bytes((const unsigned char *) key, len);
	ways = &plans->slots[hash & (PLAN_SLOTS - 1) & ~(PLAN_WAYS - 1)];
	for (i = 0; i < PLAN_WAYS; i++)
	{
		plan = ways[i];
		if (plan != NULL && plan->keylen == len && memcmp(plan->key, key, len) == 0)
			return latest = plan;
	}

	plan = make_plan(set, facts, plans->context, key, len);
	if (plan == NULL)
		return NULL;
	way = &ways[plans->victim++ % PLAN_WAYS];
	if (*way != NULL)
		pfree(*way);
	*way = plan;
	return latest = plan;
}

/*
 * Where the counters of the charges that were asked for last are.  A guess for
 * the next row: whoever uses it compares the counter's key.
 */
void
aiu_quota_plan_places(const AiuCharge *charges, int ncharges)
{
	int			i;

	if (latest == NULL)
		return;
	for (i = 0; i < ncharges; i++)
	{
		if (charges[i].part < latest->nparts && charges[i].counter >= 0)
			latest->parts[charges[i].part].counter = charges[i].counter;
	}
}
