/*-------------------------------------------------------------------------
 *
 * amount_io.c
 *	  aiusage.amount: text, binary form, and numeric in and out.
 *
 * Text is exact or refused; only aiusage.amount(numeric, text), where the
 * number comes out of a calculation, rounds (half-even, to 1e-12).
 *
 * On the wire: a version byte (1), the three letters of the currency, and
 * the count of 1e-12 as 16 bytes, two's complement, most significant first.
 * The stored form has no room for a version: of its 15 currency bits only
 * the codes up to 26^3 are in use, and a later format would claim others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/errors.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "types/types_internal.h"

AIU_FUNCTION(aiu_amount_in);
AIU_FUNCTION(aiu_amount_out);
AIU_FUNCTION(aiu_amount_recv);
AIU_FUNCTION(aiu_amount_send);
AIU_FUNCTION(aiu_amount_from_numeric);
AIU_FUNCTION(aiu_amount_to_numeric);
AIU_FUNCTION(aiu_amount_to_currency);

StaticAssertDecl(sizeof(AiuAmount) == 16, "an amount is 16 bytes");

#define AMOUNT_HINT "An amount is a decimal number, a space and a currency of three letters, such as 0.02159625 USD."

AiuCurrency
aiu_currency_parse(const char *s, int len)
{
	int			code = 0;
	int			i;

	if (len != 3)
		return 0;
	for (i = 0; i < 3; i++)
	{
		if (s[i] < 'A' || s[i] > 'Z')
			return 0;
		code = code * 26 + (s[i] - 'A');
	}
	return (AiuCurrency) (code + 1);
}

void
aiu_currency_print(AiuCurrency c, char *buf)
{
	int			code = c - 1;

	if (c == 0 || code >= 26 * 26 * 26)
	{
		memcpy(buf, "???", 4);
		return;
	}
	buf[0] = 'A' + code / (26 * 26);
	buf[1] = 'A' + code / 26 % 26;
	buf[2] = 'A' + code % 26;
	buf[3] = '\0';
}

void
aiu_currency_mismatch(AiuCurrency a, AiuCurrency b)
{
	char		name_a[4];
	char		name_b[4];

	aiu_currency_print(a, name_a);
	aiu_currency_print(b, name_b);
	ereport(ERROR,
			(errcode(ERRCODE_AIU_INVALID),
			 errmsg("amounts are in different currencies"),
			 errdetail("One is in %s, the other in %s.", name_a, name_b),
			 errhint("Keep currencies apart, with GROUP BY or WHERE on aiusage.currency(), or convert first.")));
	pg_unreachable();
}

void
aiu_amount_out_of_range(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("amount is out of range"),
			 errdetail("An amount is at most 5192296858534827628530.496329220095 of its currency, of either sign."),
			 errhint("Check the currency and the unit the number is meant in.")));
	pg_unreachable();
}

void
aiu_currency_invalid(const char *s, int len)
{
	AiuScan		scan;

	aiu_scan_init(&scan, s, len);
	aiu_scan_fault(&scan, AIU_FAULT_CURRENCY, NULL, s, len);
	aiu_scan_report(&scan, "amount", NULL);
	pg_unreachable();
}

static inline bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* '[-]digits[.digits][e..] CUR'; AIU_DEC_SYNTAX for whatever is not that */
static AiuDecResult
parse_amount(const char *s, int len, AiuAmount *result)
{
	const char *p = s;
	const char *end = s + len;
	const char *number;
	const char *number_end;
	AiuCurrency currency;
	int128		value;
	AiuDecResult res;

	while (p < end && is_space(*p))
		p++;
	while (p < end && is_space(end[-1]))
		end--;
	number = p;
	while (p < end && !is_space(*p))
		p++;
	number_end = p;
	while (p < end && is_space(*p))
		p++;
	if (p == number_end)
		return AIU_DEC_SYNTAX;
	currency = aiu_currency_parse(p, end - p);
	if (currency == 0)
		return AIU_DEC_SYNTAX;
	res = aiu_decimal_parse(number, number_end - number, AIU_AMOUNT_DECIMALS, &value);
	if (res == AIU_DEC_OK && !aiu_amount_pack(result, value, currency))
		res = AIU_DEC_RANGE;
	return res;
}

Datum
aiu_amount_in(PG_FUNCTION_ARGS)
{
	char	   *str = PG_GETARG_CSTRING(0);
	int			len = strlen(str);
	AiuAmount  *result = palloc(sizeof(AiuAmount));
	AiuDecResult res = parse_amount(str, len, result);

	if (likely(res == AIU_DEC_OK))
		PG_RETURN_AMOUNT_P(result);

	if (len > 128)
		str = psprintf("%.*s...", pg_mbcliplen(str, len, 128), str);
	if (res == AIU_DEC_SYNTAX)
		ereturn(AIU_ESCONTEXT(fcinfo), (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type aiusage.amount: \"%s\"", str),
				 errdetail("It is not a finite decimal number and a currency."),
				 errhint(AMOUNT_HINT)));
	if (res == AIU_DEC_INEXACT)
		ereturn(AIU_ESCONTEXT(fcinfo), (Datum) 0,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("amount \"%s\" has more than 12 decimals", str),
				 errdetail("Money is kept to 0.000000000001 of the currency."),
				 errhint("Round it first; aiusage.amount(numeric, text) rounds half-even.")));
	ereturn(AIU_ESCONTEXT(fcinfo), (Datum) 0,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("amount \"%s\" is out of range", str),
			 errdetail("An amount is at most 5192296858534827628530.496329220095 of its currency, of either sign."),
			 errhint("Check the currency and the unit the number is meant in.")));
}

Datum
aiu_amount_out(PG_FUNCTION_ARGS)
{
	AiuAmount  *a = PG_GETARG_AMOUNT_P(0);
	char	   *result = palloc(64);
	int			len = aiu_decimal_print(aiu_amount_value(a), AIU_AMOUNT_DECIMALS, result);

	result[len] = ' ';
	aiu_currency_print(aiu_amount_currency(a), result + len + 1);
	PG_RETURN_CSTRING(result);
}

Datum
aiu_amount_recv(PG_FUNCTION_ARGS)
{
	StringInfo	msg = (StringInfo) PG_GETARG_POINTER(0);
	AiuAmount  *result = palloc(sizeof(AiuAmount));
	AiuCurrency currency;
	uint128		high;
	int128		value;

	if (pq_getmsgbyte(msg) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary representation of aiusage.amount"),
				 errdetail("Its format version is not 1.")));
	currency = aiu_currency_parse(pq_getmsgbytes(msg, 3), 3);
	if (currency == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary representation of aiusage.amount"),
				 errdetail("Its currency is not three letters A to Z.")));
	high = (uint64) pq_getmsgint64(msg);
	value = (int128) ((high << 64) | (uint64) pq_getmsgint64(msg));
	if (!aiu_amount_pack(result, value, currency))
		aiu_amount_out_of_range();
	PG_RETURN_AMOUNT_P(result);
}

Datum
aiu_amount_send(PG_FUNCTION_ARGS)
{
	AiuAmount  *a = PG_GETARG_AMOUNT_P(0);
	int128		value = aiu_amount_value(a);
	char		currency[4];
	StringInfoData buf;

	aiu_currency_print(aiu_amount_currency(a), currency);
	pq_begintypsend(&buf);
	pq_sendbyte(&buf, 1);
	pq_sendbytes(&buf, currency, 3);
	pq_sendint64(&buf, (uint64) ((uint128) value >> 64));
	pq_sendint64(&buf, (uint64) value);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* aiusage.amount(numeric, text) */
Datum
aiu_amount_from_numeric(PG_FUNCTION_ARGS)
{
	Numeric		num = PG_GETARG_NUMERIC(0);
	text	   *name = PG_GETARG_TEXT_PP(1);
	AiuCurrency currency = aiu_currency_parse(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	AiuAmount  *result = palloc(sizeof(AiuAmount));
	int128		value;

	if (currency == 0)
		aiu_currency_invalid(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	switch (aiu_numeric_round_to_scaled(num, AIU_AMOUNT_DECIMALS, &value))
	{
		case AIU_DEC_OK:
			break;
		case AIU_DEC_SYNTAX:
			ereport(ERROR,
					(errcode(ERRCODE_AIU_INVALID),
					 errmsg("an amount can be neither NaN nor infinite"),
					 errhint("An amount that is not known is NULL.")));
			break;
		default:
			aiu_amount_out_of_range();
	}
	if (!aiu_amount_pack(result, value, currency))
		aiu_amount_out_of_range();
	PG_RETURN_AMOUNT_P(result);
}

Datum
aiu_amount_to_numeric(PG_FUNCTION_ARGS)
{
	AiuAmount  *a = PG_GETARG_AMOUNT_P(0);

	PG_RETURN_NUMERIC(aiu_scaled_to_numeric(aiu_amount_value(a), AIU_AMOUNT_DECIMALS));
}

/* aiusage.currency(amount) */
Datum
aiu_amount_to_currency(PG_FUNCTION_ARGS)
{
	char		currency[4];

	aiu_currency_print(aiu_amount_currency(PG_GETARG_AMOUNT_P(0)), currency);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(currency, 3));
}
