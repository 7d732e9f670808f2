/*-------------------------------------------------------------------------
 *
 * amount_agg.c
 *	  sum(aiusage.amount) and avg(aiusage.amount): exact, parallel, and
 *	  moving over window frames by subtraction (which is exact, too).
 *
 * The state sums in 128 bits what has 113, so 32,000 amounts of the largest
 * size fit before an overflow is reported; whether the sum is an amount is
 * asked at the end.  A state has one currency as long as it counts anything.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/errors.h"
#include "libpq/pqformat.h"

#include "types/types_internal.h"

AIU_FUNCTION(aiu_amount_accum);
AIU_FUNCTION(aiu_amount_accum_inverse);
AIU_FUNCTION(aiu_amount_combine);
AIU_FUNCTION(aiu_amount_serial);
AIU_FUNCTION(aiu_amount_deserial);
AIU_FUNCTION(aiu_amount_sum);
AIU_FUNCTION(aiu_amount_avg);

typedef struct AmountSum
{
	int128		sum;			/* 1e-12 */
	int64		count;
	AiuCurrency currency;		/* meaningless while count is 0 */
} AmountSum;

static AmountSum *
get_state(FunctionCallInfo fcinfo)
{
	MemoryContext cxt;

	if (!AggCheckCallContext(fcinfo, &cxt))
		elog(ERROR, "aggregate function called in non-aggregate context");
	if (PG_ARGISNULL(0))
		return MemoryContextAllocZero(cxt, sizeof(AmountSum));
	return (AmountSum *) PG_GETARG_POINTER(0);
}

static void
add(AmountSum *state, int128 sum, int64 count, AiuCurrency currency)
{
	if (count == 0)
		return;
	if (state->count == 0)
		state->currency = currency;
	else if (state->currency != currency)
		aiu_currency_mismatch(state->currency, currency);
	if (!aiu_add128(state->sum, sum, &state->sum))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("sum of amounts is out of range")));
	state->count += count;
}

Datum
aiu_amount_accum(PG_FUNCTION_ARGS)
{
	AmountSum  *state = get_state(fcinfo);

	if (!PG_ARGISNULL(1))
	{
		AiuAmount  *a = PG_GETARG_AMOUNT_P(1);

		add(state, aiu_amount_value(a), 1, aiu_amount_currency(a));
	}
	PG_RETURN_POINTER(state);
}

Datum
aiu_amount_accum_inverse(PG_FUNCTION_ARGS)
{
	AmountSum  *state = get_state(fcinfo);

	if (!PG_ARGISNULL(1))
	{
		Assert(state->count > 0);
		if (!aiu_add128(state->sum, -aiu_amount_value(PG_GETARG_AMOUNT_P(1)), &state->sum))
			PG_RETURN_NULL();	/* the executor starts the frame over */
		state->count--;
	}
	PG_RETURN_POINTER(state);
}

Datum
aiu_amount_combine(PG_FUNCTION_ARGS)
{
	AmountSum  *state = get_state(fcinfo);

	if (!PG_ARGISNULL(1))
	{
		AmountSum  *more = (AmountSum *) PG_GETARG_POINTER(1);

		add(state, more->sum, more->count, more->currency);
	}
	PG_RETURN_POINTER(state);
}

Datum
aiu_amount_serial(PG_FUNCTION_ARGS)
{
	AmountSum  *state = get_state(fcinfo);
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendint16(&buf, state->currency);
	pq_sendint64(&buf, state->count);
	pq_sendint64(&buf, (uint64) ((uint128) state->sum >> 64));
	pq_sendint64(&buf, (uint64) state->sum);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
aiu_amount_deserial(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	AmountSum  *state = palloc0(sizeof(AmountSum));
	StringInfoData buf;
	uint128		high;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "aggregate function called in non-aggregate context");
	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	state->currency = pq_getmsgint(&buf, 2);
	state->count = pq_getmsgint64(&buf);
	high = (uint64) pq_getmsgint64(&buf);
	state->sum = (int128) ((high << 64) | (uint64) pq_getmsgint64(&buf));
	pq_getmsgend(&buf);
	pfree(buf.data);
	PG_RETURN_POINTER(state);
}

static Datum
final_amount(int128 value, AiuCurrency currency)
{
	AiuAmount  *result = palloc(sizeof(AiuAmount));

	if (!aiu_amount_pack(result, value, currency))
		aiu_amount_out_of_range();
	PG_RETURN_AMOUNT_P(result);
}

/* NULL over no amounts, as sum() is everywhere */
Datum
aiu_amount_sum(PG_FUNCTION_ARGS)
{
	AmountSum  *state = PG_ARGISNULL(0) ? NULL : (AmountSum *) PG_GETARG_POINTER(0);

	if (state == NULL || state->count == 0)
		PG_RETURN_NULL();
	return final_amount(state->sum, state->currency);
}

/* rounded half-even to 1e-12 */
Datum
aiu_amount_avg(PG_FUNCTION_ARGS)
{
	AmountSum  *state = PG_ARGISNULL(0) ? NULL : (AmountSum *) PG_GETARG_POINTER(0);
	int128		value;

	if (state == NULL || state->count == 0)
		PG_RETURN_NULL();
	if (!aiu_muldiv_half_even(state->sum, 1, state->count, &value))
		aiu_amount_out_of_range();
	return final_amount(value, state->currency);
}
