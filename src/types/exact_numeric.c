/*-------------------------------------------------------------------------
 *
 * exact_numeric.c
 *	  numeric to scaled integer and back, exactly.
 *
 * numeric's digits are private to the server, so the way in is its text; the
 * way out is arithmetic of 64 bits wherever the value fits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "types/types_internal.h"

static AiuDecResult
numeric_to_scaled(Numeric num, int scale, bool round, int128 *result)
{
	char	   *text;
	AiuDecResult res;

	if (numeric_is_nan(num) || numeric_is_inf(num))
		return AIU_DEC_SYNTAX;
	/* a small whole number, as nearly all counts are, needs no text */
	if (scale >= 0 && scale <= 12 && DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(num))) == 0)
	{
		bool		too_large = false;
		int32		small = numeric_int4_opt_error(num, &too_large);

		if (!too_large)
		{
			int128		value = small;

			for (; scale > 0; scale--)
				value *= 10;
			*result = value;
			return AIU_DEC_OK;
		}
	}
	text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(num)));
	res = aiu_decimal_scan(text, strlen(text), scale, round, result);
	pfree(text);
	return res;
}

AiuDecResult
aiu_numeric_to_scaled(Numeric num, int scale, int128 *result)
{
	return numeric_to_scaled(num, scale, false, result);
}

AiuDecResult
aiu_numeric_round_to_scaled(Numeric num, int scale, int128 *result)
{
	return numeric_to_scaled(num, scale, true, result);
}

Numeric
aiu_scaled_to_numeric(int128 value, int scale)
{
	char		buf[64];

	if (value >= PG_INT64_MIN && value <= PG_INT64_MAX)
	{
		int64		v = (int64) value;

		while (scale > 0 && v % 10 == 0)
		{
			v /= 10;
			scale--;
		}
		if (scale == 0)
			return int64_to_numeric(v);
		return int64_div_fast_to_numeric(v, scale);
	}
	aiu_decimal_print(value, scale, buf);
	return DatumGetNumeric(DirectFunctionCall3(numeric_in,
											   CStringGetDatum(buf),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}
