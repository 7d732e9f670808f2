/*-------------------------------------------------------------------------
 *
 * amount.h
 *	  aiusage.amount: exact money with its currency.
 *
 * 16 bytes, double alignment: a 113-bit signed count of 1e-12 of the currency
 * unit and a 15-bit currency code (three letters A-Z), packed into one
 * 128-bit integer as (value << 15) | currency.  No NaN, no infinity; anything
 * that does not fit is an error (22003), never a wrap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_AMOUNT_H
#define AIU_AMOUNT_H

#include "fmgr.h"

#define AIU_AMOUNT_DECIMALS	12
#define AIU_AMOUNT_SCALE	INT64CONST(1000000000000)
#define AIU_AMOUNT_MAX		((((int128) 1) << 112) - 1)	/* |value| limit */

typedef uint16 AiuCurrency;		/* 1 + base-26 of three letters; 0 is no currency */

typedef struct AiuAmount
{
	uint64		w[2];			/* the packed integer: low word, high word */
} AiuAmount;

static inline int128
aiu_amount_packed(const AiuAmount *a)
{
	return (int128) ((((uint128) a->w[1]) << 64) | a->w[0]);
}

static inline int128
aiu_amount_value(const AiuAmount *a)
{
	return aiu_amount_packed(a) >> 15;	/* arithmetic shift */
}

static inline AiuCurrency
aiu_amount_currency(const AiuAmount *a)
{
	return (AiuCurrency) (a->w[0] & 0x7FFF);
}

/* false when value does not fit; *dst is then untouched */
static inline bool
aiu_amount_pack(AiuAmount *dst, int128 value, AiuCurrency currency)
{
	uint128		packed;

	if (value > AIU_AMOUNT_MAX || value < -AIU_AMOUNT_MAX)
		return false;
	packed = (((uint128) value) << 15) | currency;
	dst->w[0] = (uint64) packed;
	dst->w[1] = (uint64) (packed >> 64);
	return true;
}

extern AiuCurrency aiu_currency_parse(const char *s, int len);	/* 0: not three letters A-Z */
extern void aiu_currency_print(AiuCurrency c, char *buf);	/* 3 letters and NUL */

#define DatumGetAmountP(d)		((AiuAmount *) DatumGetPointer(d))
#define PG_GETARG_AMOUNT_P(n)	DatumGetAmountP(PG_GETARG_DATUM(n))
#define PG_RETURN_AMOUNT_P(x)	return PointerGetDatum(x)

#endif							/* AIU_AMOUNT_H */
