/*-------------------------------------------------------------------------
 *
 * price_eval.c
 *	  What a usage costs under a rule: pure arithmetic, no allocation.
 *
 * Quantities are inclusive: cached, audio and reasoning tokens are counted in
 * their totals, too.  For the units a rule prices, the most specific first,
 *
 *     leaf(U) = quantity(U) - sum of leaf(V) over the priced strict
 *               descendants V of U
 *
 * is what is billed at U's rate, so that nothing is billed twice.  Every
 * component leaf * rate / per is rounded once, half to even, to 1e-12; the
 * cost is the sum of the components.
 *
 * What cannot be computed is never guessed, and never clamped:
 * - contradictory_usage: a leaf is negative, or a total that is priced (or
 *   compared with) is not reported while a part of it is;
 * - prices_incomplete: a unit that was used has an ancestor without a price,
 *   or overlaps with another that was used and the overlap has no price, or
 *   is that overlap;
 * - unit_unpriced: a unit that was used has no price, nor has an ancestor;
 * - out_of_range: the amount does not fit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "pricing/price_internal.h"

#define SLOT(i)		(UINT64CONST(1) << (i))

/* ---------- prototypes ---------- */

static bool unit_at_fault(AiuPriceResult *result, AiuUnpriced reason, int unit, const char *name, int namelen);
static bool sets_overlap(const AiuUnitSet *a, const AiuUnitSet *b);
static int	custom_slot(const AiuRule *rule, const AiuUsageItem *item);
static bool total_missing(const AiuRuleUnit *ru, const AiuUnitSet *used);
static int128 largest_part(const AiuRuleUnit *ru, const AiuUsage *usage);
static const AiuRate *choose_rate(const AiuRuleUnit *ru, const int128 *quantity, const AiuTier **tier);
static bool money(const AiuRate *rate, int128 quantity, int128 *result);
static const char *lasting_name(const AiuRuleUnit *ru, const AiuUsage *usage);

/* ---------- helpers ---------- */

/* Always false, for `return`. */
static bool
unit_at_fault(AiuPriceResult *result, AiuUnpriced reason, int unit, const char *name, int namelen)
{
	result->unpriced = reason;
	result->unit = unit;
	if (unit != 0)
	{
		name = aiu_unit_get(unit)->name;
		namelen = strlen(name);
	}
	result->unit_name = name;
	result->unit_namelen = namelen;
	return false;
}

static inline bool
sets_overlap(const AiuUnitSet *a, const AiuUnitSet *b)
{
	return ((a->w[0] & b->w[0]) | (a->w[1] & b->w[1])) != 0;
}

static int
custom_slot(const AiuRule *rule, const AiuUsageItem *item)
{
	int			i;

	for (i = rule->nslots - rule->ncustom; i < rule->nslots; i++)
	{
		const AiuRuleUnit *ru = &rule->slots[i];

		if (ru->namelen == item->namelen && memcmp(ru->name, item->name, item->namelen) == 0)
			return i;
	}
	return -1;
}

/* Not reported itself, while a part of it is, or two units that overlap in it. */
static bool
total_missing(const AiuRuleUnit *ru, const AiuUnitSet *used)
{
	int			i;

	if (sets_overlap(&ru->below, used))
		return true;
	for (i = 0; i < ru->njoins; i++)
	{
		if (AIU_UNITSET_HAS(used, ru->joins[i][0]) && AIU_UNITSET_HAS(used, ru->joins[i][1]))
			return true;
	}
	return false;
}

static int128
largest_part(const AiuRuleUnit *ru, const AiuUsage *usage)
{
	AiuUsageIter it;
	AiuUsageItem item;
	int128		largest = 0;

	aiu_usage_iter_init(&it, usage);
	while (aiu_usage_iter_unit(&it, &item))
	{
		if (item.unit != 0 && AIU_UNITSET_HAS(&ru->below, item.unit) && item.quantity > largest)
			largest = item.quantity;
	}
	return largest;
}

/* The last tier that the request has passed, else the base rate (NULL: there is none). */
static const AiuRate *
choose_rate(const AiuRuleUnit *ru, const int128 *quantity, const AiuTier **tier)
{
	const AiuRate *rate = ru->has_base ? &ru->base : NULL;
	int			t;

	*tier = NULL;
	for (t = 0; t < ru->ntiers; t++)
	{
		const AiuTier *candidate = &ru->tiers[t];
		int128		metric = 0;
		int			n;

		for (n = 0; n < candidate->nterms; n++)
		{
			int128		q = quantity[candidate->terms[n].slot];

			metric += candidate->terms[n].sign > 0 ? q : -q;
		}
		if (metric > candidate->start || (candidate->inclusive && metric == candidate->start))
		{
			*tier = candidate;
			rate = &candidate->rate;
		}
	}
	return rate;
}

/* quantity (millionths) at a rate, in 1e-12, rounded half to even */
static bool
money(const AiuRate *rate, int128 quantity, int128 *result)
{
	if (unlikely(rate->overflow))
		return false;
	if (likely(quantity <= (int128) PG_INT64_MAX))
	{
		int64		q = (int64) quantity;
		int64		whole = q / AIU_QUANTITY_SCALE;

		if (likely(whole * AIU_QUANTITY_SCALE == q))
		{
			if (likely(rate->whole_den == 1))
			{
				if (likely(rate->whole_num <= (int128) PG_INT64_MAX))
				{
					*result = (int128) whole * (int64) rate->whole_num;
					return true;
				}
				return aiu_mul128(whole, rate->whole_num, result);
			}
			return aiu_muldiv_half_even(whole, rate->whole_num, rate->whole_den, result);
		}
	}
	return aiu_muldiv_half_even(quantity, rate->micro_num, rate->micro_den, result);
}

/* The unit's name where it outlives the cache: the rule's goes with that, as early as at the next call. */
static const char *
lasting_name(const AiuRuleUnit *ru, const AiuUsage *usage)
{
	AiuUsageIter it;
	AiuUsageItem item;

	if (likely(ru->unit != 0))
		return aiu_unit_get(ru->unit)->name;
	aiu_usage_iter_init(&it, usage);
	while (aiu_usage_iter_next(&it, &item))
	{
		if (item.unit == 0 && item.namelen == ru->namelen && memcmp(item.name, ru->name, ru->namelen) == 0)
			return item.name;
	}
	return ru->name;			/* not reached: of custom units only those that were used are billed */
}

/* ---------- evaluation ---------- */

static bool
evaluate(const AiuRule *rule, const AiuUsage *usage, AiuPriceResult *result, AiuEvalDetail *detail)
{
	static int	requests_unit = -1;
	int128		quantity[AIU_RULE_SLOTS];
	int128		leaf[AIU_RULE_SLOTS];
	uint64		reported = 0;
	uint64		positive = 0;
	uint64		todo;
	uint64		leafs = 0;		/* slots with a positive leaf */
	AiuUnitSet	used = {{0, 0}};
	AiuUsageIter it;
	AiuUsageItem item;
	AiuUsageItem unpriced;		/* the first one that nothing prices */
	bool		has_unpriced = false;
	int			i;

	if (unlikely(requests_unit < 0))
		requests_unit = aiu_unit_lookup("requests", 8);

	for (i = 0; i < rule->nslots; i++)
		quantity[i] = 0;

	aiu_usage_iter_init(&it, usage);
	while (aiu_usage_iter_unit(&it, &item))
	{
		int			slot = item.unit != 0 ? rule->slot_of[item.unit] : custom_slot(rule, &item);

		if (slot >= 0)
		{
			quantity[slot] = item.quantity;
			reported |= SLOT(slot);
		}
		if (item.quantity == 0)
			continue;
		if (item.unit != 0)
			AIU_UNITSET_ADD(&used, item.unit);
		if (slot >= 0)
		{
			positive |= SLOT(slot);
			if (rule->priced_slots & SLOT(slot))
				continue;
		}
		if (!has_unpriced && item.unit != requests_unit && !rule->covers_all &&
			(item.unit == 0 || !sets_overlap(aiu_unit_ancestors(item.unit), &rule->priced)))
		{
			unpriced = item;
			has_unpriced = true;
		}
	}
	if (rule->request_slot >= 0 && !(reported & SLOT(rule->request_slot)))
	{
		quantity[rule->request_slot] = AIU_QUANTITY_SCALE;
		reported |= SLOT(rule->request_slot);
		positive |= SLOT(rule->request_slot);
	}

	/* totals that are needed but not said */
	todo = (rule->priced_slots | rule->metric_slots) & ~reported;
	while (todo != 0)
	{
		const AiuRuleUnit *ru;

		i = pg_rightmost_one_pos64(todo);
		todo &= todo - 1;
		ru = &rule->slots[i];
		if (ru->unit == 0 || !total_missing(ru, &used))
			continue;
		/* a unit with a minimum is the billable total itself: its largest part */
		if (ru->has_minimum && (quantity[i] = largest_part(ru, usage)) > 0)
		{
			positive |= SLOT(i);
			continue;
		}
		result->unit_missing = true;
		return unit_at_fault(result, AIU_UNPRICED_CONTRADICTORY, ru->unit, NULL, 0);
	}

	/* exclusive quantities, descendants first */
	for (i = 0; i < rule->nslots; i++)
	{
		const AiuRuleUnit *ru = &rule->slots[i];
		uint64		below = ru->leaf_below & leafs;

		if (!(rule->priced_slots & SLOT(i)))
			continue;
		leaf[i] = quantity[i];
		while (below != 0)
		{
			leaf[i] -= leaf[pg_rightmost_one_pos64(below)];
			below &= below - 1;
		}
		if (leaf[i] < 0)
			return unit_at_fault(result, AIU_UNPRICED_CONTRADICTORY, ru->unit, ru->name, ru->namelen);
		if (leaf[i] > 0)
			leafs |= SLOT(i);
	}

	for (i = 0; i < rule->ngaps; i++)
	{
		const AiuRuleGap *gap = &rule->gaps[i];

		/* or the overlap itself, whatever is said of the two */
		if (((positive & SLOT(gap->slot_a)) && (positive & SLOT(gap->slot_b))) ||
			(gap->join != 0 && (AIU_UNITSET_HAS(&used, gap->join) ||
								sets_overlap(aiu_unit_descendants(gap->join), &used))))
			return unit_at_fault(result, AIU_UNPRICED_INCOMPLETE,
								 gap->join != 0 ? gap->join : rule->slots[gap->slot_a].unit, NULL, 0);
	}
	if (has_unpriced)
		return unit_at_fault(result, AIU_UNPRICED_UNIT, unpriced.unit, unpriced.name, unpriced.namelen);

	/* money */
	for (todo = positive & rule->priced_slots; todo != 0; todo &= todo - 1)
	{
		const AiuRuleUnit *ru;
		const AiuTier *tier;
		const AiuRate *rate;
		AiuCostItem *component;
		int128		billed;

		i = pg_rightmost_one_pos64(todo);
		ru = &rule->slots[i];
		if (ru->missing_above != 0)
			return unit_at_fault(result, AIU_UNPRICED_INCOMPLETE, ru->missing_above, NULL, 0);
		billed = leaf[i];
		if (ru->min_quantity > quantity[i])
			billed += ru->min_quantity - quantity[i];
		if (billed == 0)
			continue;
		if (ru->step > 0)
			billed = (billed + ru->step - 1) / ru->step * ru->step;

		rate = choose_rate(ru, quantity, &tier);
		if (rate == NULL)
			return unit_at_fault(result, AIU_UNPRICED_UNIT, ru->unit, ru->name, ru->namelen);
		component = &result->components[result->ncomponents];
		if (!money(rate, billed, &component->value) ||
			!aiu_add128(result->cost, component->value, &result->cost) ||
			result->cost > AIU_AMOUNT_MAX)
			return unit_at_fault(result, AIU_UNPRICED_OVERFLOW, ru->unit, ru->name, ru->namelen);
		component->unit = ru->unit;
		component->name = lasting_name(ru, usage);
		component->namelen = ru->namelen;
		if (detail != NULL)
		{
			AiuEvalDetail *d = &detail[result->ncomponents];

			d->slot = i;
			d->inclusive = quantity[i];
			d->leaf = leaf[i];
			d->billed = billed;
			d->tier = tier;
			d->rate = rate;
		}
		result->ncomponents++;
	}
	return true;
}

void
aiu_price_eval(const AiuRule *rule, const AiuUsage *usage, AiuPriceResult *result, AiuEvalDetail *detail)
{
	result->cost = 0;
	result->ncomponents = 0;
	if (rule->priced_slots == 0)
	{
		result->unpriced = AIU_UNPRICED_NO_PRICES;
		return;
	}
	if (evaluate(rule, usage, result, detail))
		result->unpriced = AIU_PRICED;
	else
	{
		result->cost = 0;
		result->ncomponents = 0;
	}
}
