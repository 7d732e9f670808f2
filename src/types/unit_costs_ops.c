/*-------------------------------------------------------------------------
 *
 * unit_costs_ops.c
 *	  aiusage.unit_costs: comparison, + and -, look-up, total and unnest.
 *
 * As with usage, one value has one representation, comparison is of bytes,
 * and the order means nothing but that sorts and merges work.  Arithmetic on
 * two currencies is an error, also when one side has no entries: a row that
 * could not be priced still belongs to its currency.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/errors.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "types/types_internal.h"

AIU_FUNCTION(aiu_unit_costs_add);
AIU_FUNCTION(aiu_unit_costs_subtract);
AIU_FUNCTION(aiu_unit_costs_negate);
AIU_FUNCTION(aiu_unit_costs_of_unit);
AIU_FUNCTION(aiu_unit_costs_total);
AIU_FUNCTION(aiu_unit_costs_to_currency);
AIU_FUNCTION(aiu_unit_costs_unnest);

AIU_PACKED_FUNCTIONS(unit_costs)

/*
 * a + b or a - b by merging the two.  A unit of either is a unit of the
 * result, also when its cost becomes 0.
 */
static AiuUnitCosts *
combine(const AiuUnitCosts *a, const AiuUnitCosts *b, bool subtract)
{
	AiuCurrency currency = aiu_unit_costs_currency(a);
	AiuEntryBuf buf;
	AiuCostIter it_a;
	AiuCostIter it_b;
	AiuEntry	ea;
	AiuEntry	eb;
	bool		more_a;
	bool		more_b;
	AiuUnitCosts *result;

	if (currency != aiu_unit_costs_currency(b))
		aiu_currency_mismatch(currency, aiu_unit_costs_currency(b));
	aiu_entry_buf_init(&buf);
	aiu_cost_iter_init(&it_a, a);
	aiu_cost_iter_init(&it_b, b);
	more_a = aiu_cost_iter_next(&it_a, (AiuCostItem *) &ea);
	more_b = aiu_cost_iter_next(&it_b, (AiuCostItem *) &eb);
	while (more_a || more_b)
	{
		int			cmp = !more_a ? 1 : !more_b ? -1 : aiu_entry_compare(&ea, &eb);
		AiuEntry   *out = aiu_entry_buf_next(&buf);

		/* two values are far below 2^127: no overflow here, build checks the range */
		*out = cmp <= 0 ? ea : eb;
		if (cmp > 0)
			out->value = subtract ? -eb.value : eb.value;
		else if (cmp == 0)
			out->value = subtract ? ea.value - eb.value : ea.value + eb.value;
		if (cmp <= 0)
			more_a = aiu_cost_iter_next(&it_a, (AiuCostItem *) &ea);
		if (cmp >= 0)
			more_b = aiu_cost_iter_next(&it_b, (AiuCostItem *) &eb);
	}
	result = aiu_unit_costs_build(currency, (AiuCostItem *) buf.entries, buf.n);
	aiu_entry_buf_free(&buf);
	return result;
}

Datum
aiu_unit_costs_add(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(combine(PG_GETARG_UNIT_COSTS_P(0), PG_GETARG_UNIT_COSTS_P(1), false));
}

Datum
aiu_unit_costs_subtract(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(combine(PG_GETARG_UNIT_COSTS_P(0), PG_GETARG_UNIT_COSTS_P(1), true));
}

Datum
aiu_unit_costs_negate(PG_FUNCTION_ARGS)
{
	AiuUnitCosts *costs = PG_GETARG_UNIT_COSTS_P(0);
	AiuEntryBuf buf;
	AiuCostIter it;
	AiuCostItem item;
	AiuUnitCosts *result;

	aiu_entry_buf_init(&buf);
	aiu_cost_iter_init(&it, costs);
	while (aiu_cost_iter_next(&it, &item))
	{
		item.value = -item.value;
		*aiu_entry_buf_next(&buf) = *(AiuEntry *) &item;
	}
	result = aiu_unit_costs_build(aiu_unit_costs_currency(costs),
								  (AiuCostItem *) buf.entries, buf.n);
	aiu_entry_buf_free(&buf);
	PG_RETURN_POINTER(result);
}

static Datum
make_amount(int128 value, AiuCurrency currency)
{
	AiuAmount  *result = palloc(sizeof(AiuAmount));

	if (!aiu_amount_pack(result, value, currency))
		aiu_amount_out_of_range();
	PG_RETURN_AMOUNT_P(result);
}

/* unit_costs -> unit: NULL for a unit that is not there, also if it could not be */
Datum
aiu_unit_costs_of_unit(PG_FUNCTION_ARGS)
{
	AiuUnitCosts *costs = PG_GETARG_UNIT_COSTS_P(0);
	text	   *unit = PG_GETARG_TEXT_PP(1);
	AiuCostIter it;
	AiuCostItem item;

	aiu_cost_iter_init(&it, costs);
	while (aiu_cost_iter_next(&it, &item))
	{
		if (item.namelen == VARSIZE_ANY_EXHDR(unit) &&
			memcmp(item.name, VARDATA_ANY(unit), item.namelen) == 0)
			return make_amount(item.value, aiu_unit_costs_currency(costs));
	}
	PG_RETURN_NULL();
}

/* the sum of all entries; 0 of the currency when there are none */
Datum
aiu_unit_costs_total(PG_FUNCTION_ARGS)
{
	AiuUnitCosts *costs = PG_GETARG_UNIT_COSTS_P(0);
	AiuCostIter it;
	AiuCostItem item;
	int128		total = 0;

	aiu_cost_iter_init(&it, costs);
	while (aiu_cost_iter_next(&it, &item))
	{
		if (!aiu_add128(total, item.value, &total))
			aiu_amount_out_of_range();
	}
	return make_amount(total, aiu_unit_costs_currency(costs));
}

Datum
aiu_unit_costs_to_currency(PG_FUNCTION_ARGS)
{
	char		currency[4];

	aiu_currency_print(aiu_unit_costs_currency(PG_GETARG_UNIT_COSTS_P(0)), currency);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(currency, 3));
}

typedef struct UnnestState
{
	AiuCostIter it;
	AiuCurrency currency;
	char		currency_name[4];
} UnnestState;

/*
 * (unit text, amount aiusage.amount, cost numeric, currency text), a row a
 * unit.  A sum of many rows may exceed an amount: that is NULL then, and cost
 * tells.
 */
Datum
aiu_unit_costs_unnest(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	UnnestState *state;
	AiuCostItem item;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		TupleDesc	desc;
		AiuUnitCosts *costs;

		funcctx = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		funcctx->tuple_desc = BlessTupleDesc(desc);
		costs = (AiuUnitCosts *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0));
		state = palloc(sizeof(UnnestState));
		aiu_cost_iter_init(&state->it, costs);
		state->currency = aiu_unit_costs_currency(costs);
		aiu_currency_print(state->currency, state->currency_name);
		funcctx->user_fctx = state;
		MemoryContextSwitchTo(old);
	}
	funcctx = SRF_PERCALL_SETUP();
	state = funcctx->user_fctx;
	if (aiu_cost_iter_next(&state->it, &item))
	{
		Datum		values[4];
		bool		nulls[4] = {false, false, false, false};

		values[0] = PointerGetDatum(cstring_to_text_with_len(item.name, item.namelen));
		if (item.value <= AIU_AMOUNT_MAX && item.value >= -AIU_AMOUNT_MAX)
			values[1] = make_amount(item.value, state->currency);
		else
			nulls[1] = true;
		values[2] = NumericGetDatum(aiu_scaled_to_numeric(item.value, AIU_AMOUNT_DECIMALS));
		values[3] = PointerGetDatum(cstring_to_text_with_len(state->currency_name, 3));
		SRF_RETURN_NEXT(funcctx,
						HeapTupleGetDatum(heap_form_tuple(funcctx->tuple_desc, values, nulls)));
	}
	SRF_RETURN_DONE(funcctx);
}
