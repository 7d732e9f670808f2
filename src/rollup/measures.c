/*-------------------------------------------------------------------------
 *
 * measures.c
 *	  Quantities for people, out of what the rollups keep.
 *
 * A usage cannot be negative, so a rollup keeps what was used and what was
 * reversed apart; people want the difference.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "common/compat.h"
#include "types/unit_costs.h"
#include "types/usage.h"

AIU_FUNCTION(aiu_rollup_net_quantity);
AIU_FUNCTION(aiu_rollup_billed_usage);

static int128 quantity_of(const AiuUsage *usage, int unit, const char *name, int namelen);

/*
 * net_quantity(used usage, reversed usage, unit text) returns bigint: whole
 * units, 0 when neither has the unit.  NULL when it does not fit: one row with
 * an absurd counter must not make a view of everyone's usage fail, and a
 * clamped number would be a lie.
 */
Datum
aiu_rollup_net_quantity(PG_FUNCTION_ARGS)
{
	text	   *unit = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	const char *name;
	int			namelen;
	int			code;
	int128		quantity = 0;

	if (unit == NULL)
		PG_RETURN_NULL();
	name = VARDATA_ANY(unit);
	namelen = VARSIZE_ANY_EXHDR(unit);
	code = aiu_unit_lookup(name, namelen);

	if (!PG_ARGISNULL(0))
		quantity += quantity_of(PG_GETARG_USAGE_P(0), code, name, namelen);
	if (!PG_ARGISNULL(1))
		quantity -= quantity_of(PG_GETARG_USAGE_P(1), code, name, namelen);

	quantity /= AIU_QUANTITY_SCALE;
	if (quantity > PG_INT64_MAX || quantity < PG_INT64_MIN)
		PG_RETURN_NULL();
	PG_RETURN_INT64((int64) quantity);
}

static int128
quantity_of(const AiuUsage *usage, int unit, const char *name, int namelen)
{
	AiuUsageIter it;
	AiuUsageItem item;

	aiu_usage_iter_init(&it, usage);
	while (aiu_usage_iter_next(&it, &item))
	{
		if (item.unit != unit)
			continue;
		if (unit != 0 ||
			(item.namelen == namelen && memcmp(item.name, name, namelen) == 0))
			return item.quantity;
	}
	return 0;
}

/*
 * billed_usage(usage, unit_costs) returns usage: the exclusive quantities that
 * the components of a cost are for.
 *
 * The units that were billed are those that have a component; the quantity
 * of each is what was used less what its descendants among them bill, the
 * most specific first (docs/pricing.md).  Components come in registry order,
 * which says nothing about descent, so units are taken when no descendant is
 * left to take.
 */
Datum
aiu_rollup_billed_usage(PG_FUNCTION_ARGS)
{
	AiuUsage   *usage = PG_GETARG_USAGE_P(0);
	AiuUnitCosts *costs = PG_GETARG_UNIT_COSTS_P(1);
	AiuUsageItem billed[AIU_UNIT_MAX];
	bool		taken[AIU_UNIT_MAX];
	int			n = 0;
	int			left;
	int			requests = aiu_unit_lookup("requests", 8);
	AiuCostIter it;
	AiuCostItem item;

	aiu_cost_iter_init(&it, costs);
	while (aiu_cost_iter_next(&it, &item) && n < AIU_UNIT_MAX)
	{
		billed[n].unit = item.unit;
		billed[n].name = item.name;
		billed[n].namelen = item.namelen;
		billed[n].quantity = quantity_of(usage, item.unit, item.name, item.namelen);
		if (item.unit == requests && billed[n].quantity == 0)
			billed[n].quantity = AIU_QUANTITY_SCALE;
		taken[n] = false;
		n++;
	}

	for (left = n; left > 0; left--)
	{
		int			i;
		int			j;

		for (i = 0; i < n; i++)
		{
			if (taken[i])
				continue;
			for (j = 0; j < n; j++)
				if (!taken[j] && j != i && billed[i].unit != 0 && billed[j].unit != 0 &&
					aiu_unit_is_ancestor(billed[i].unit, billed[j].unit))
					break;
			if (j == n)
				break;
		}
		Assert(i < n);
		taken[i] = true;
		for (j = 0; j < n; j++)
			if (taken[j] && j != i && billed[i].unit != 0 && billed[j].unit != 0 &&
				aiu_unit_is_ancestor(billed[i].unit, billed[j].unit))
				billed[i].quantity -= billed[j].quantity;
		/* a row booked elsewhere may contradict itself; its money stands */
		if (billed[i].quantity < 0)
			billed[i].quantity = 0;
	}
	PG_RETURN_POINTER(aiu_usage_build(billed, n));
}
