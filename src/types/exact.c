/*-------------------------------------------------------------------------
 *
 * exact.c
 *	  Integer arithmetic that never wraps, and decimals that never meet a
 *	  float.
 *
 * Money and quantities are 128-bit integers with a decimal scale known from
 * the context (12 for money, 6 for quantities).  A product of two of them
 * needs up to 256 bits, which exist here only between a multiplication and
 * the division that follows it.
 *
 * Nothing here calls the server: t/011_exact.pl links this file alone.  What
 * deals with numeric is in exact_numeric.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "types/types_internal.h"

#define INT128_MAXMAG	((((uint128) 1) << 127) - 1)

static const uint64 pow10_64[19] = {
	UINT64CONST(1), UINT64CONST(10), UINT64CONST(100), UINT64CONST(1000),
	UINT64CONST(10000), UINT64CONST(100000), UINT64CONST(1000000),
	UINT64CONST(10000000), UINT64CONST(100000000), UINT64CONST(1000000000),
	UINT64CONST(10000000000), UINT64CONST(100000000000),
	UINT64CONST(1000000000000), UINT64CONST(10000000000000),
	UINT64CONST(100000000000000), UINT64CONST(1000000000000000),
	UINT64CONST(10000000000000000), UINT64CONST(100000000000000000),
	UINT64CONST(1000000000000000000)
};

bool
aiu_add128(int128 a, int128 b, int128 *result)
{
	int128		sum;

	if (__builtin_add_overflow(a, b, &sum))
		return false;
	*result = sum;
	return true;
}

bool
aiu_mul128(int128 a, int128 b, int128 *result)
{
	int128		product;

	if (__builtin_mul_overflow(a, b, &product))
		return false;
	*result = product;
	return true;
}

static inline uint128
magnitude(int128 v)
{
	return v < 0 ? -(uint128) v : (uint128) v;
}

/* a * b as 256 bits, by the schoolbook over 64-bit halves */
static void
multiply_256(uint128 a, uint128 b, uint128 *hi, uint128 *lo)
{
	uint64		a0 = (uint64) a;
	uint64		a1 = (uint64) (a >> 64);
	uint64		b0 = (uint64) b;
	uint64		b1 = (uint64) (b >> 64);
	uint128		p00 = (uint128) a0 * b0;
	uint128		p01 = (uint128) a0 * b1;
	uint128		p10 = (uint128) a1 * b0;
	uint128		p11 = (uint128) a1 * b1;
	uint128		mid = (p00 >> 64) + (uint64) p01 + (uint64) p10;

	*lo = (mid << 64) | (uint64) p00;
	*hi = p11 + (p01 >> 64) + (p10 >> 64) + (mid >> 64);
}

/*
 * (hi, lo) / d for hi < d: quotient and remainder fit in 128 bits.  One bit
 * at a time; reached only when the product itself exceeds 128 bits.
 */
static void
divide_256(uint128 hi, uint128 lo, uint128 d, uint128 *quotient, uint128 *remainder)
{
	uint128		rem = hi;
	uint128		quo = 0;
	int			bit;

	for (bit = 127; bit >= 0; bit--)
	{
		bool		carry = (rem >> 127) != 0;

		rem = (rem << 1) | ((lo >> bit) & 1);
		quo <<= 1;
		if (carry || rem >= d)
		{
			rem -= d;
			quo |= 1;
		}
	}
	*quotient = quo;
	*remainder = rem;
}

bool
aiu_muldiv_half_even(int128 a, int128 b, int128 d, int128 *result)
{
	bool		negative = (a < 0) != (b < 0);
	uint128		ud = (uint128) d;
	uint128		hi;
	uint128		lo;
	uint128		quo;
	uint128		rem;

	Assert(d > 0);

	if (!__builtin_mul_overflow(magnitude(a), magnitude(b), &lo))
	{
		if ((lo >> 64) == 0 && (ud >> 64) == 0)
		{
			quo = (uint64) lo / (uint64) ud;
			rem = (uint64) lo % (uint64) ud;
		}
		else
		{
			quo = lo / ud;
			rem = lo - quo * ud;
		}
	}
	else
	{
		multiply_256(magnitude(a), magnitude(b), &hi, &lo);
		if (hi >= ud)
			return false;
		divide_256(hi, lo, ud, &quo, &rem);
	}

	/* ud < 2^127, so rem cannot wrap when doubled */
	rem <<= 1;
	if (rem > ud || (rem == ud && (quo & 1)))
	{
		if (quo == ~(uint128) 0)
			return false;
		quo++;
	}
	if (quo > INT128_MAXMAG)
		return false;
	*result = negative ? -(int128) quo : (int128) quo;
	return true;
}

/* mag * 10^n within INT128_MAXMAG */
static bool
shift_decimal(uint128 mag, int n, uint128 *result)
{
	while (n > 0)
	{
		int			step = Min(n, 18);

		if (__builtin_mul_overflow(mag, (uint128) pow10_64[step], &mag))
			return false;
		n -= step;
	}
	if (mag > INT128_MAXMAG)
		return false;
	*result = mag;
	return true;
}

/*
 * Decimal text to scaled integer; with `round`, digits beyond the scale are
 * rounded half-even instead of being refused.
 *
 * Leading and trailing zeros count for nothing, however many there are: what
 * matters is the run of digits from the first to the last that is not zero.
 */
AiuDecResult
aiu_decimal_scan(const char *s, int len, int scale, bool round, int128 *result)
{
	const char *p = s;
	const char *end = s + len;
	const char *first = NULL;	/* first significant digit */
	const char *last = NULL;	/* last significant digit */
	const char *point = NULL;
	const char *mantissa_end;
	bool		negative = false;
	int			ndigits = 0;
	int64		exponent = 0;
	int64		shift;			/* decimal places to append to the digit run */
	int			keep;			/* digits of the run that are kept */
	int			taken = 0;
	uint128		mag = 0;
	bool		round_up = false;

	if (p < end && *p == '-')
	{
		negative = true;
		p++;
	}
	for (; p < end; p++)
	{
		if (*p >= '0' && *p <= '9')
		{
			ndigits++;
			if (*p != '0')
			{
				if (first == NULL)
					first = p;
				last = p;
			}
		}
		else if (*p == '.' && point == NULL && ndigits > 0)
			point = p;
		else
			break;
	}
	mantissa_end = p;
	if (ndigits == 0 || (point != NULL && point == mantissa_end - 1))
		return AIU_DEC_SYNTAX;
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		bool		exp_negative = false;

		p++;
		if (p < end && (*p == '+' || *p == '-'))
			exp_negative = (*p++ == '-');
		if (p >= end)
			return AIU_DEC_SYNTAX;
		for (; p < end && *p >= '0' && *p <= '9'; p++)
		{
			/* saturate: beyond any text's number of digits it is out of range or inexact */
			if (exponent < INT64CONST(4000000000))
				exponent = exponent * 10 + (*p - '0');
		}
		if (exp_negative)
			exponent = -exponent;
	}
	if (p != end)
		return AIU_DEC_SYNTAX;
	if (first == NULL)
	{
		*result = 0;
		return AIU_DEC_OK;
	}

	/* digits in the run, and the weight of its last digit at this scale */
	ndigits = (int) (last - first) + 1;
	if (point != NULL && point > first && point < last)
		ndigits--;
	if (point == NULL)
		shift = mantissa_end - 1 - last;
	else if (last < point)
		shift = point - 1 - last;
	else
		shift = point - last;
	shift += exponent + scale;

	if (ndigits + shift > 39)
		return AIU_DEC_RANGE;
	if (shift < 0 && !round)
		return AIU_DEC_INEXACT;
	keep = shift < 0 ? (ndigits + shift < 0 ? -1 : (int) (ndigits + shift)) : ndigits;
	if (keep < 0)
	{
		*result = 0;			/* less than a tenth of the last place */
		return AIU_DEC_OK;
	}
	for (p = first; p <= last; p++)
	{
		if (p == point)
			continue;
		if (taken == keep)
		{
			/* first digit that is dropped; the run ends in a digit that is not zero */
			int			guard = *p - '0';

			round_up = guard > 5 ||
				(guard == 5 && (p < last || (mag & 1) != 0));
			break;
		}
		if (taken == 38 && mag > (INT128_MAXMAG - (*p - '0')) / 10)
			return AIU_DEC_RANGE;	/* the 39th digit does not fit */
		mag = mag * 10 + (*p - '0');
		taken++;
	}
	if (round_up)
		mag++;
	if (!shift_decimal(mag, shift > 0 ? (int) shift : 0, &mag))
		return AIU_DEC_RANGE;
	*result = negative ? -(int128) mag : (int128) mag;
	return AIU_DEC_OK;
}

AiuDecResult
aiu_decimal_parse(const char *s, int len, int scale, int128 *result)
{
	return aiu_decimal_scan(s, len, scale, false, result);
}

int
aiu_decimal_print(int128 value, int scale, char *buf)
{
	char		digits[64];
	int			ndigits = 0;
	uint128		mag = magnitude(value);
	char	   *out = buf;
	int			i;

	/* least significant first; 64-bit steps while there is more */
	while ((mag >> 64) != 0)
	{
		uint128		quo = mag / pow10_64[18];
		uint64		rem = (uint64) (mag - quo * pow10_64[18]);

		for (i = 0; i < 18; i++)
		{
			digits[ndigits++] = '0' + rem % 10;
			rem /= 10;
		}
		mag = quo;
	}
	{
		uint64		low = (uint64) mag;

		while (low != 0)
		{
			digits[ndigits++] = '0' + low % 10;
			low /= 10;
		}
	}
	while (ndigits <= scale)
		digits[ndigits++] = '0';

	if (value < 0)
		*out++ = '-';
	for (i = ndigits - 1; i >= scale; i--)
		*out++ = digits[i];		/* NOLINT(clang-analyzer-core.uninitialized.Assign): all below ndigits are set */
	for (i = 0; i < scale && digits[i] == '0'; i++)
		;
	if (i < scale)
	{
		int			stop = i;

		*out++ = '.';
		for (i = scale - 1; i >= stop; i--)
			*out++ = digits[i];
	}
	*out = '\0';
	return (int) (out - buf);
}
