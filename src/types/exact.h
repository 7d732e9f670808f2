/*-------------------------------------------------------------------------
 *
 * exact.h
 *	  Integer arithmetic that never wraps: 128-bit with overflow reported,
 *	  multiply-divide with a 256-bit intermediate and half-even rounding,
 *	  decimal text to scaled integer and back, numeric to scaled integer and
 *	  back.  Nothing here throws or allocates, but for the numeric pair.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_EXACT_H
#define AIU_EXACT_H

#include "utils/numeric.h"

/* true on success; *result untouched on overflow */
extern bool aiu_add128(int128 a, int128 b, int128 *result);
extern bool aiu_mul128(int128 a, int128 b, int128 *result);

/*
 * a * b / d, rounded half-even to an integer, exact through a 256-bit
 * intermediate.  d > 0.  false when the result does not fit in 128 bits.
 */
extern bool aiu_muldiv_half_even(int128 a, int128 b, int128 d, int128 *result);

/*
 * Decimal text -> scaled integer.  Accepts [-]digits[.digits][e[+-]digits].
 * AIU_DEC_INEXACT: more than `scale` decimals that are not zero.
 */
typedef enum AiuDecResult
{
	AIU_DEC_OK,
	AIU_DEC_SYNTAX,
	AIU_DEC_RANGE,
	AIU_DEC_INEXACT
} AiuDecResult;

extern AiuDecResult aiu_decimal_parse(const char *s, int len, int scale, int128 *result);
/* trimmed decimal text (no exponent, no trailing zeros); returns length; buf of 64 bytes */
extern int	aiu_decimal_print(int128 value, int scale, char *buf);

/* numeric -> value * 10^scale, exactly; INEXACT, RANGE and NaN/Infinity (SYNTAX) reported */
extern AiuDecResult aiu_numeric_to_scaled(Numeric num, int scale, int128 *result);
/* the same, rounded half-even at the scale instead of INEXACT */
extern AiuDecResult aiu_numeric_round_to_scaled(Numeric num, int scale, int128 *result);
extern Numeric aiu_scaled_to_numeric(int128 value, int scale);	/* palloc'd, display scale trimmed */

#endif							/* AIU_EXACT_H */
