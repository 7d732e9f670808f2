/*-------------------------------------------------------------------------
 *
 * usage_ops.c
 *	  aiusage.usage: comparison, + and -, look-up and unnest.
 *
 * A usage has one representation, so comparison is of bytes.  The order is
 * total and means nothing but that DISTINCT, GROUP BY, sorts and merges work.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "catalog/pg_type.h"
#include "common/errors.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "types/types_internal.h"

AIU_FUNCTION(aiu_usage_add);
AIU_FUNCTION(aiu_usage_subtract);
AIU_FUNCTION(aiu_usage_quantity);
AIU_FUNCTION(aiu_usage_units);
AIU_FUNCTION(aiu_usage_unnest);

AIU_PACKED_FUNCTIONS(usage)

/*
 * a + b or a - b by merging the two.  A unit of either is a unit of the
 * result, also when nothing is left of it: 0 was said, not nothing.
 */
static AiuUsage *
combine(const AiuUsage *a, const AiuUsage *b, bool subtract)
{
	AiuEntryBuf buf;
	AiuUsageIter it_a;
	AiuUsageIter it_b;
	AiuEntry	ea;
	AiuEntry	eb;
	bool		more_a;
	bool		more_b;
	AiuUsage   *result;

	aiu_entry_buf_init(&buf);
	aiu_usage_iter_init(&it_a, a);
	aiu_usage_iter_init(&it_b, b);
	more_a = aiu_usage_iter_next(&it_a, (AiuUsageItem *) &ea);
	more_b = aiu_usage_iter_next(&it_b, (AiuUsageItem *) &eb);
	while (more_a || more_b)
	{
		int			cmp = !more_a ? 1 : !more_b ? -1 : aiu_entry_compare(&ea, &eb);
		AiuEntry   *out = aiu_entry_buf_next(&buf);

		/* two quantities are far below 2^127: no overflow here, build checks the range */
		*out = cmp <= 0 ? ea : eb;
		if (cmp > 0)
			out->value = subtract ? -eb.value : eb.value;
		else if (cmp == 0)
			out->value = subtract ? ea.value - eb.value : ea.value + eb.value;
		if (cmp <= 0)
			more_a = aiu_usage_iter_next(&it_a, (AiuUsageItem *) &ea);
		if (cmp >= 0)
			more_b = aiu_usage_iter_next(&it_b, (AiuUsageItem *) &eb);
		if (out->value < 0)
			ereport(ERROR,
					(errcode(ERRCODE_AIU_INVALID),
					 errmsg("quantity of unit \"%s\" would be negative",
							pnstrdup(out->name, out->namelen)),
					 errdetail("A usage holds what was used: quantities are not negative."),
					 errhint("Subtract only what the left usage contains.")));
	}
	result = aiu_usage_build((AiuUsageItem *) buf.entries, buf.n);
	aiu_entry_buf_free(&buf);
	return result;
}

Datum
aiu_usage_add(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(combine(PG_GETARG_USAGE_P(0), PG_GETARG_USAGE_P(1), false));
}

Datum
aiu_usage_subtract(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(combine(PG_GETARG_USAGE_P(0), PG_GETARG_USAGE_P(1), true));
}

/* usage -> unit: NULL for a unit that is not there, also if it could not be */
Datum
aiu_usage_quantity(PG_FUNCTION_ARGS)
{
	AiuUsage   *usage = PG_GETARG_USAGE_P(0);
	text	   *unit = PG_GETARG_TEXT_PP(1);
	const char *name = VARDATA_ANY(unit);
	int			namelen = VARSIZE_ANY_EXHDR(unit);
	int			code = aiu_unit_lookup(name, namelen);
	AiuUsageIter it;
	AiuUsageItem item;

	aiu_usage_iter_init(&it, usage);
	while (aiu_usage_iter_next(&it, &item))
	{
		if (code != 0)
		{
			if (item.unit == 0 || item.unit > code)
				break;
			if (item.unit != code)
				continue;
		}
		else if (item.unit != 0 || item.namelen != namelen ||
				 memcmp(item.name, name, namelen) != 0)
			continue;
		PG_RETURN_NUMERIC(aiu_scaled_to_numeric(item.quantity, 6));
	}
	PG_RETURN_NULL();
}

/* the units as text[], in registry order */
Datum
aiu_usage_units(PG_FUNCTION_ARGS)
{
	AiuUsageIter it;
	AiuUsageItem item;
	ArrayBuildState *names = initArrayResult(TEXTOID, CurrentMemoryContext, false);

	aiu_usage_iter_init(&it, PG_GETARG_USAGE_P(0));
	while (aiu_usage_iter_next(&it, &item))
		accumArrayResult(names, PointerGetDatum(cstring_to_text_with_len(item.name, item.namelen)),
						 false, TEXTOID, CurrentMemoryContext);
	PG_RETURN_DATUM(makeArrayResult(names, CurrentMemoryContext));
}

/* (unit text, quantity numeric), a row a unit */
Datum
aiu_usage_unnest(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	AiuUsageIter *it;
	AiuUsageItem item;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		TupleDesc	desc;

		funcctx = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		funcctx->tuple_desc = BlessTupleDesc(desc);
		it = palloc(sizeof(AiuUsageIter));
		aiu_usage_iter_init(it, (AiuUsage *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0)));
		funcctx->user_fctx = it;
		MemoryContextSwitchTo(old);
	}
	funcctx = SRF_PERCALL_SETUP();
	it = funcctx->user_fctx;
	if (aiu_usage_iter_next(it, &item))
	{
		Datum		values[2];
		bool		nulls[2] = {false, false};

		values[0] = PointerGetDatum(cstring_to_text_with_len(item.name, item.namelen));
		values[1] = NumericGetDatum(aiu_scaled_to_numeric(item.quantity, 6));
		SRF_RETURN_NEXT(funcctx,
						HeapTupleGetDatum(heap_form_tuple(funcctx->tuple_desc, values, nulls)));
	}
	SRF_RETURN_DONE(funcctx);
}
