/*-------------------------------------------------------------------------
 *
 * unit_costs.h
 *	  aiusage.unit_costs: the line items of a row, unit -> amount, in one
 *	  currency.  Text form {"USD": {"input_tokens": 0.01422, ...}}.
 *
 * On disk: varlena, version byte, two bytes of currency, then entries in
 * registry order, custom units last.  Values are signed counts of 1e-12 (an
 * adjustment may be negative) below AIU_COST_MAX: more than an amount holds,
 * for sums of any number of rows.  Empty ({"USD": {}}) is valid: a row that could
 * not be priced still knows its currency.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_UNIT_COSTS_H
#define AIU_UNIT_COSTS_H

#include "types/amount.h"
#include "types/units.h"

/* 10^37 - 1: |value| limit */
#define AIU_COST_MAX	((int128) INT64CONST(10000000000000000) * INT64CONST(1000000000000) * INT64CONST(1000000000) - 1)

typedef struct varlena AiuUnitCosts;

typedef struct AiuCostItem
{
	int			unit;			/* registry code, or 0 for a custom unit */
	const char *name;			/* custom units; not NUL-terminated */
	int			namelen;
	int128		value;			/* 1e-12 of the currency */
} AiuCostItem;

typedef struct AiuCostIter
{
	const uint8 *pos;
	const uint8 *end;
	int			last_unit;
} AiuCostIter;

extern AiuCurrency aiu_unit_costs_currency(const AiuUnitCosts *costs);
extern void aiu_cost_iter_init(AiuCostIter *it, const AiuUnitCosts *costs);
extern bool aiu_cost_iter_next(AiuCostIter *it, AiuCostItem *item);
/* items in any order, no repeats; palloc'd */
extern AiuUnitCosts *aiu_unit_costs_build(AiuCurrency currency, AiuCostItem *items, int nitems);

#define DatumGetUnitCostsP(d)	((AiuUnitCosts *) PG_DETOAST_DATUM_PACKED(d))
#define PG_GETARG_UNIT_COSTS_P(n) DatumGetUnitCostsP(PG_GETARG_DATUM(n))

#endif							/* AIU_UNIT_COSTS_H */
