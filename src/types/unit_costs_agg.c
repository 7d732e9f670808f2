/*-------------------------------------------------------------------------
 *
 * unit_costs_agg.c
 *	  sum(aiusage.unit_costs): exact, parallel, of one currency.
 *
 * The state is that of sum(aiusage.usage), with a currency; combining and
 * serialising it is in usage_agg.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/errors.h"

#include "types/types_internal.h"

AIU_FUNCTION(aiu_unit_costs_accum);
AIU_FUNCTION(aiu_unit_costs_sum);

Datum
aiu_unit_costs_accum(PG_FUNCTION_ARGS)
{
	MemoryContext cxt;
	AiuUnitSums *sums = PG_ARGISNULL(0) ? NULL : (AiuUnitSums *) PG_GETARG_POINTER(0);
	AiuUnitCosts *costs;
	AiuCurrency currency;
	AiuCostIter it;
	AiuEntry	entry;
	int			at = 0;

	if (!AggCheckCallContext(fcinfo, &cxt))
		elog(ERROR, "aggregate function called in non-aggregate context");
	if (PG_ARGISNULL(1))
	{
		if (sums == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(sums);
	}
	costs = PG_GETARG_UNIT_COSTS_P(1);
	currency = aiu_unit_costs_currency(costs);
	if (sums == NULL)
	{
		sums = aiu_unit_sums_create(cxt);
		sums->currency = currency;
	}
	else if (sums->currency != currency)
		aiu_currency_mismatch(sums->currency, currency);
	aiu_cost_iter_init(&it, costs);
	while (aiu_cost_iter_next(&it, (AiuCostItem *) &entry))
	{
		if (!aiu_unit_sums_add(sums, &entry, &at))
			aiu_entry_report(AIU_FAULT_RANGE, entry.name, entry.namelen, AIU_ENTRY_COST);
	}
	PG_FREE_IF_COPY(costs, 1);
	PG_RETURN_POINTER(sums);
}

Datum
aiu_unit_costs_sum(PG_FUNCTION_ARGS)
{
	AiuUnitSums *sums;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	sums = (AiuUnitSums *) PG_GETARG_POINTER(0);
	/* the entries are in order, so building leaves the state as it is */
	PG_RETURN_POINTER(aiu_unit_costs_build(sums->currency, (AiuCostItem *) sums->entries, sums->n));
}
