/*-------------------------------------------------------------------------
 *
 * amount_ops.c
 *	  aiusage.amount: comparison and arithmetic.
 *
 * Money of different currencies does not compare: < <= > >= and all
 * arithmetic on two currencies are errors (UA422).  But ANALYZE, CREATE
 * INDEX, DISTINCT and merge joins must work on a column that holds several
 * currencies, whatever plan is chosen.  So the default btree operator class
 * has operators of its own (~<~ and so on, as text_pattern_ops has), which
 * order by currency, then value, and never fail; = and <> belong to both and
 * never fail either: amounts of different currencies are simply not equal.
 *
 * What is rounded is rounded once, half-even, to 1e-12: the products and
 * quotients with numeric.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/errors.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "types/types_internal.h"

AIU_FUNCTION(aiu_amount_eq);
AIU_FUNCTION(aiu_amount_ne);
AIU_FUNCTION(aiu_amount_lt);
AIU_FUNCTION(aiu_amount_le);
AIU_FUNCTION(aiu_amount_gt);
AIU_FUNCTION(aiu_amount_ge);
AIU_FUNCTION(aiu_amount_order);
AIU_FUNCTION(aiu_amount_before);
AIU_FUNCTION(aiu_amount_not_after);
AIU_FUNCTION(aiu_amount_after);
AIU_FUNCTION(aiu_amount_not_before);
AIU_FUNCTION(aiu_amount_hash);
AIU_FUNCTION(aiu_amount_hash_extended);
AIU_FUNCTION(aiu_amount_smaller);
AIU_FUNCTION(aiu_amount_larger);
AIU_FUNCTION(aiu_amount_add);
AIU_FUNCTION(aiu_amount_subtract);
AIU_FUNCTION(aiu_amount_negate);
AIU_FUNCTION(aiu_amount_abs);
AIU_FUNCTION(aiu_amount_sign);
AIU_FUNCTION(aiu_amount_multiply);
AIU_FUNCTION(aiu_numeric_multiply_amount);
AIU_FUNCTION(aiu_amount_divide);
AIU_FUNCTION(aiu_amount_ratio);

/* ---- comparison ---- */

static inline bool
same_amount(const AiuAmount *a, const AiuAmount *b)
{
	return a->w[0] == b->w[0] && a->w[1] == b->w[1];
}

/* within one currency; the currency bits are equal and do not matter */
static inline int
compare(const AiuAmount *a, const AiuAmount *b)
{
	int128		pa = aiu_amount_packed(a);
	int128		pb = aiu_amount_packed(b);

	if (aiu_amount_currency(a) != aiu_amount_currency(b))
		aiu_currency_mismatch(aiu_amount_currency(a), aiu_amount_currency(b));
	return (pa > pb) - (pa < pb);
}

/* over all amounts: by currency, then value */
static inline int
order(const AiuAmount *a, const AiuAmount *b)
{
	int			ca = aiu_amount_currency(a);
	int			cb = aiu_amount_currency(b);
	int128		pa;
	int128		pb;

	if (ca != cb)
		return ca < cb ? -1 : 1;
	pa = aiu_amount_packed(a);
	pb = aiu_amount_packed(b);
	return (pa > pb) - (pa < pb);
}

Datum
aiu_amount_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(same_amount(PG_GETARG_AMOUNT_P(0), PG_GETARG_AMOUNT_P(1)));
}

Datum
aiu_amount_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!same_amount(PG_GETARG_AMOUNT_P(0), PG_GETARG_AMOUNT_P(1)));
}

Datum
aiu_amount_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_AMOUNT_P(0), PG_GETARG_AMOUNT_P(1)) < 0);
}

Datum
aiu_amount_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_AMOUNT_P(0), PG_GETARG_AMOUNT_P(1)) <= 0);
}

Datum
aiu_amount_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_AMOUNT_P(0), PG_GETARG_AMOUNT_P(1)) > 0);
}

Datum
aiu_amount_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_AMOUNT_P(0), PG_GETARG_AMOUNT_P(1)) >= 0);
}

Datum
aiu_amount_order(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(order(PG_GETARG_AMOUNT_P(0), PG_GETARG_AMOUNT_P(1)));
}

Datum
aiu_amount_before(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(order(PG_GETARG_AMOUNT_P(0), PG_GETARG_AMOUNT_P(1)) < 0);
}

Datum
aiu_amount_not_after(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(order(PG_GETARG_AMOUNT_P(0), PG_GETARG_AMOUNT_P(1)) <= 0);
}

Datum
aiu_amount_after(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(order(PG_GETARG_AMOUNT_P(0), PG_GETARG_AMOUNT_P(1)) > 0);
}

Datum
aiu_amount_not_before(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(order(PG_GETARG_AMOUNT_P(0), PG_GETARG_AMOUNT_P(1)) >= 0);
}

Datum
aiu_amount_hash(PG_FUNCTION_ARGS)
{
	return hash_any((unsigned char *) PG_GETARG_AMOUNT_P(0), sizeof(AiuAmount));
}

Datum
aiu_amount_hash_extended(PG_FUNCTION_ARGS)
{
	return hash_any_extended((unsigned char *) PG_GETARG_AMOUNT_P(0), sizeof(AiuAmount),
							 PG_GETARG_INT64(1));
}

Datum
aiu_amount_smaller(PG_FUNCTION_ARGS)
{
	AiuAmount  *a = PG_GETARG_AMOUNT_P(0);
	AiuAmount  *b = PG_GETARG_AMOUNT_P(1);

	PG_RETURN_AMOUNT_P(compare(a, b) <= 0 ? a : b);
}

Datum
aiu_amount_larger(PG_FUNCTION_ARGS)
{
	AiuAmount  *a = PG_GETARG_AMOUNT_P(0);
	AiuAmount  *b = PG_GETARG_AMOUNT_P(1);

	PG_RETURN_AMOUNT_P(compare(a, b) >= 0 ? a : b);
}

/* ---- arithmetic ---- */

static Datum
make_amount(int128 value, AiuCurrency currency)
{
	AiuAmount  *result = palloc(sizeof(AiuAmount));

	if (!aiu_amount_pack(result, value, currency))
		aiu_amount_out_of_range();
	PG_RETURN_AMOUNT_P(result);
}

static AiuCurrency
common_currency(const AiuAmount *a, const AiuAmount *b)
{
	AiuCurrency currency = aiu_amount_currency(a);

	if (currency != aiu_amount_currency(b))
		aiu_currency_mismatch(currency, aiu_amount_currency(b));
	return currency;
}

/* two values of 113 bits cannot overflow 128 */
Datum
aiu_amount_add(PG_FUNCTION_ARGS)
{
	AiuAmount  *a = PG_GETARG_AMOUNT_P(0);
	AiuAmount  *b = PG_GETARG_AMOUNT_P(1);

	return make_amount(aiu_amount_value(a) + aiu_amount_value(b), common_currency(a, b));
}

Datum
aiu_amount_subtract(PG_FUNCTION_ARGS)
{
	AiuAmount  *a = PG_GETARG_AMOUNT_P(0);
	AiuAmount  *b = PG_GETARG_AMOUNT_P(1);

	return make_amount(aiu_amount_value(a) - aiu_amount_value(b), common_currency(a, b));
}

Datum
aiu_amount_negate(PG_FUNCTION_ARGS)
{
	AiuAmount  *a = PG_GETARG_AMOUNT_P(0);

	return make_amount(-aiu_amount_value(a), aiu_amount_currency(a));
}

Datum
aiu_amount_abs(PG_FUNCTION_ARGS)
{
	AiuAmount  *a = PG_GETARG_AMOUNT_P(0);
	int128		value = aiu_amount_value(a);

	return make_amount(value < 0 ? -value : value, aiu_amount_currency(a));
}

Datum
aiu_amount_sign(PG_FUNCTION_ARGS)
{
	int128		value = aiu_amount_value(PG_GETARG_AMOUNT_P(0));

	PG_RETURN_INT32((value > 0) - (value < 0));
}

static void
refuse_not_finite(Numeric num)
{
	if (numeric_is_nan(num) || numeric_is_inf(num))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("an amount can be neither NaN nor infinite"),
				 errhint("An amount that is not known is NULL.")));
}

/* numeric multiplies exactly; the only rounding is ours */
static Datum
multiply(const AiuAmount *a, Numeric factor)
{
	Numeric		value;
	Datum		product;
	int128		result;

	refuse_not_finite(factor);
	value = aiu_scaled_to_numeric(aiu_amount_value(a), AIU_AMOUNT_DECIMALS);
	product = DirectFunctionCall2(numeric_mul, NumericGetDatum(value), NumericGetDatum(factor));
	if (aiu_numeric_round_to_scaled(DatumGetNumeric(product), AIU_AMOUNT_DECIMALS, &result) != AIU_DEC_OK)
		aiu_amount_out_of_range();
	return make_amount(result, aiu_amount_currency(a));
}

Datum
aiu_amount_multiply(PG_FUNCTION_ARGS)
{
	return multiply(PG_GETARG_AMOUNT_P(0), PG_GETARG_NUMERIC(1));
}

Datum
aiu_numeric_multiply_amount(PG_FUNCTION_ARGS)
{
	return multiply(PG_GETARG_AMOUNT_P(1), PG_GETARG_NUMERIC(0));
}

/*
 * Numeric division rounds to a number of digits of its choice, so the exact
 * quotient is rounded here, from integer quotient and remainder.
 */
Datum
aiu_amount_divide(PG_FUNCTION_ARGS)
{
	AiuAmount  *a = PG_GETARG_AMOUNT_P(0);
	Numeric		divisor = PG_GETARG_NUMERIC(1);
	Datum		dividend;
	Datum		quotient;
	Datum		remainder;
	Datum		twice;
	int128		result;
	int			half;

	refuse_not_finite(divisor);
	/* div() itself raises division by zero */
	dividend = NumericGetDatum(aiu_scaled_to_numeric(aiu_amount_value(a), 0));
	quotient = DirectFunctionCall2(numeric_div_trunc, dividend, NumericGetDatum(divisor));
	remainder = DirectFunctionCall2(numeric_sub, dividend,
									DirectFunctionCall2(numeric_mul, quotient, NumericGetDatum(divisor)));
	twice = DirectFunctionCall1(numeric_abs,
								DirectFunctionCall2(numeric_add, remainder, remainder));
	half = DatumGetInt32(DirectFunctionCall2(numeric_cmp, twice,
											 DirectFunctionCall1(numeric_abs, NumericGetDatum(divisor))));
	if (aiu_numeric_to_scaled(DatumGetNumeric(quotient), 0, &result) != AIU_DEC_OK)
		aiu_amount_out_of_range();
	if (half > 0 || (half == 0 && (result & 1) != 0))
	{
		bool		negative = (aiu_amount_value(a) < 0) !=
			DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(divisor),
											 NumericGetDatum(int64_to_numeric(0))));

		if (!aiu_add128(result, negative ? -1 : 1, &result))
			aiu_amount_out_of_range();
	}
	return make_amount(result, aiu_amount_currency(a));
}

/* amount / amount: how many times, as numeric divides */
Datum
aiu_amount_ratio(PG_FUNCTION_ARGS)
{
	AiuAmount  *a = PG_GETARG_AMOUNT_P(0);
	AiuAmount  *b = PG_GETARG_AMOUNT_P(1);

	(void) common_currency(a, b);
	return DirectFunctionCall2(numeric_div,
							   NumericGetDatum(aiu_scaled_to_numeric(aiu_amount_value(a), AIU_AMOUNT_DECIMALS)),
							   NumericGetDatum(aiu_scaled_to_numeric(aiu_amount_value(b), AIU_AMOUNT_DECIMALS)));
}
