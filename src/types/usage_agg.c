/*-------------------------------------------------------------------------
 *
 * usage_agg.c
 *	  sum(aiusage.usage): exact, parallel.
 *
 * The state counts in 128 bits; whether the sum fits a quantity is asked only
 * at the end, so the order of rows never decides between sum and error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/errors.h"

#include "types/types_internal.h"

AIU_FUNCTION(aiu_usage_accum);
AIU_FUNCTION(aiu_unit_sums_combine);
AIU_FUNCTION(aiu_unit_sums_serial);
AIU_FUNCTION(aiu_unit_sums_deserial);
AIU_FUNCTION(aiu_usage_sum);

static MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext cxt;

	if (!AggCheckCallContext(fcinfo, &cxt))
		elog(ERROR, "aggregate function called in non-aggregate context");
	return cxt;
}

static void
overflow(const AiuEntry *entry)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("sum of unit \"%s\" is out of range",
					pnstrdup(entry->name, entry->namelen))));
}

Datum
aiu_usage_accum(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = aggregate_context(fcinfo);
	AiuUnitSums *sums = PG_ARGISNULL(0) ? NULL : (AiuUnitSums *) PG_GETARG_POINTER(0);
	AiuUsage   *usage;
	AiuUsageIter it;
	AiuEntry	entry;
	int			at = 0;

	if (PG_ARGISNULL(1))
	{
		if (sums == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(sums);
	}
	if (sums == NULL)
		sums = aiu_unit_sums_create(cxt);
	usage = PG_GETARG_USAGE_P(1);
	aiu_usage_iter_init(&it, usage);
	while (aiu_usage_iter_next(&it, (AiuUsageItem *) &entry))
	{
		if (!aiu_unit_sums_add(sums, &entry, &at))
			overflow(&entry);
	}
	PG_FREE_IF_COPY(usage, 1);
	PG_RETURN_POINTER(sums);
}

/* for sums of usage and of unit_costs */
Datum
aiu_unit_sums_combine(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = aggregate_context(fcinfo);
	AiuUnitSums *sums = PG_ARGISNULL(0) ? NULL : (AiuUnitSums *) PG_GETARG_POINTER(0);
	AiuUnitSums *more = PG_ARGISNULL(1) ? NULL : (AiuUnitSums *) PG_GETARG_POINTER(1);
	int			at = 0;
	int			i;

	if (more == NULL)
	{
		if (sums == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(sums);
	}
	if (sums == NULL)
	{
		sums = aiu_unit_sums_create(cxt);
		sums->currency = more->currency;
	}
	else if (sums->currency != more->currency)
		aiu_currency_mismatch(sums->currency, more->currency);
	for (i = 0; i < more->n; i++)
	{
		if (!aiu_unit_sums_add(sums, &more->entries[i], &at))
			overflow(&more->entries[i]);
	}
	PG_RETURN_POINTER(sums);
}

Datum
aiu_unit_sums_serial(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(aiu_unit_sums_serialize((AiuUnitSums *) PG_GETARG_POINTER(0)));
}

Datum
aiu_unit_sums_deserial(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	PG_RETURN_POINTER(aiu_unit_sums_deserialize(PG_GETARG_BYTEA_PP(0), CurrentMemoryContext));
}

Datum
aiu_usage_sum(PG_FUNCTION_ARGS)
{
	AiuUnitSums *sums;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	sums = (AiuUnitSums *) PG_GETARG_POINTER(0);
	/* the entries are in order, so building leaves the state as it is */
	PG_RETURN_POINTER(aiu_usage_build((AiuUsageItem *) sums->entries, sums->n));
}
