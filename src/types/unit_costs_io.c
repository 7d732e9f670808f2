/*-------------------------------------------------------------------------
 *
 * unit_costs_io.c
 *	  aiusage.unit_costs: its bytes, its text and its binary form.
 *
 * After the varlena header:
 *
 *	  version		1 byte, 1
 *	  currency		2 bytes, most significant first
 *	  entries		registered units by rising code, then custom units by name
 *
 * An entry is the registry code (1 byte; 0: custom, then length and bytes of
 * the name) and the value as a varint.  The varint holds, from the lowest bit:
 * two bits e, one bit for the sign, then the magnitude m, and means
 * m * 10^(3e) of 1e-12; e is as large as it can be.  0.01422 USD is m = 14220
 * and e = 2: three bytes instead of five.  So there is exactly one
 * representation, and equal means equal bytes.
 *
 * The binary form on the wire is the same without the varlena header.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "catalog/pg_type.h"
#include "common/errors.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "types/types_internal.h"

#define HEADER_SIZE	3

AIU_FUNCTION(aiu_unit_costs_in);
AIU_FUNCTION(aiu_unit_costs_out);
AIU_FUNCTION(aiu_unit_costs_recv);
AIU_FUNCTION(aiu_unit_costs_from_jsonb);
AIU_FUNCTION(aiu_unit_costs_to_jsonb);
AIU_FUNCTION(aiu_unit_costs_from_arrays);

/* ---- bytes ---- */

static const int64 thousands[4] = {
	INT64CONST(1), INT64CONST(1000), INT64CONST(1000000), INT64CONST(1000000000)
};

static inline uint128
encode_value(int128 value)
{
	uint128		mag = value < 0 ? -(uint128) value : (uint128) value;
	int			e = 0;

	if ((mag >> 64) == 0)
	{
		uint64		m = (uint64) mag;

		while (e < 3 && m != 0 && m % 1000 == 0)
		{
			m /= 1000;
			e++;
		}
		mag = m;
	}
	else
	{
		while (e < 3 && mag % 1000 == 0)
		{
			mag /= 1000;
			e++;
		}
	}
	return (mag << 3) | (value < 0 ? 4 : 0) | e;
}

/* at most AIU_COST_MAX, or the caller has checked */
static inline int128
decode_value(uint128 v)
{
	int128		value = (int128) (v >> 3) * thousands[v & 3];

	return (v & 4) ? -value : value;
}

AiuCurrency
aiu_unit_costs_currency(const AiuUnitCosts *costs)
{
	const uint8 *p = (const uint8 *) VARDATA_ANY(costs);

	return (AiuCurrency) ((p[1] << 8) | p[2]);
}

void
aiu_cost_iter_init(AiuCostIter *it, const AiuUnitCosts *costs)
{
	it->pos = (const uint8 *) VARDATA_ANY(costs) + HEADER_SIZE;
	it->end = (const uint8 *) VARDATA_ANY(costs) + VARSIZE_ANY_EXHDR(costs);
	it->last_unit = 0;
}

bool
aiu_cost_iter_next(AiuCostIter *it, AiuCostItem *item)
{
	const uint8 *p = it->pos;
	uint128		v;

	if (p >= it->end)
		return false;
	item->unit = *p++;
	if (item->unit == 0)
	{
		item->namelen = *p++;
		item->name = (const char *) p;
		p += item->namelen;
	}
	else
		item->name = aiu_unit_name(item->unit, &item->namelen);
	it->pos = aiu_varint_get(p, it->end, &v);
	it->last_unit = item->unit;
	item->value = decode_value(v);
	return true;
}

/*
 * Entries in registry order, each once and checked.  In one pass: there is
 * room for the longest values, and what is not needed is left over.
 */
static AiuUnitCosts *
build_sorted(AiuCurrency currency, const AiuEntry *entries, int n)
{
	Size		room = VARHDRSZ + HEADER_SIZE;
	AiuUnitCosts *result;
	uint8	   *p;
	int			i;

	for (i = 0; i < n; i++)
		room += 1 + AIU_VARINT_MAX + (entries[i].unit == 0 ? 1 + entries[i].namelen : 0);
	result = palloc(room);
	p = (uint8 *) VARDATA(result);
	*p++ = AIU_FORMAT_VERSION;
	*p++ = currency >> 8;
	*p++ = currency & 0xFF;
	for (i = 0; i < n; i++)
	{
		*p++ = (uint8) entries[i].unit;
		if (entries[i].unit == 0)
		{
			*p++ = (uint8) entries[i].namelen;
			memcpy(p, entries[i].name, entries[i].namelen);
			p += entries[i].namelen;
		}
		p = aiu_varint_put(p, encode_value(entries[i].value));
	}
	SET_VARSIZE(result, p - (uint8 *) result);
	return result;
}

AiuUnitCosts *
aiu_unit_costs_build(AiuCurrency currency, AiuCostItem *items, int nitems)
{
	AiuEntry   *entries = (AiuEntry *) items;
	const AiuEntry *repeated;
	int			i;

	for (i = 0; i < nitems; i++)
	{
		AiuParseFault fault = aiu_entry_check(&entries[i], AIU_ENTRY_COST);

		if (unlikely(fault != AIU_FAULT_NONE))
			aiu_entry_report(fault, entries[i].name, entries[i].namelen, AIU_ENTRY_COST);
	}
	if (!aiu_entries_sort(entries, nitems, &repeated))
		aiu_entry_report(AIU_FAULT_REPEATED, repeated->name, repeated->namelen, AIU_ENTRY_COST);
	return build_sorted(currency, entries, nitems);
}

/* ---- text ---- */

static bool
scan_unit_costs(AiuScan *scan, AiuCurrency *currency, AiuEntryBuf *buf)
{
	const char *name;
	int			namelen;

	if (!aiu_scan_char(scan, '{', "Expected an opening brace") ||
		!aiu_scan_string(scan, &name, &namelen))
		return false;
	*currency = aiu_currency_parse(name, namelen);
	if (*currency == 0)
		return aiu_scan_fault(scan, AIU_FAULT_CURRENCY, NULL, name, namelen);
	return aiu_scan_char(scan, ':', "Expected a colon") &&
		aiu_scan_entries(scan, AIU_ENTRY_COST, buf) &&
		aiu_scan_char(scan, '}', "Expected a closing brace after the one currency") &&
		aiu_scan_end(scan);
}

Datum
aiu_unit_costs_in(PG_FUNCTION_ARGS)
{
	char	   *str = PG_GETARG_CSTRING(0);
	AiuScan		scan;
	AiuEntryBuf buf;
	AiuCurrency currency;
	AiuUnitCosts *result;

	aiu_scan_init(&scan, str, strlen(str));
	aiu_entry_buf_init(&buf);
	if (!scan_unit_costs(&scan, &currency, &buf))
	{
		aiu_scan_report(&scan, "unit_costs", AIU_ESCONTEXT(fcinfo));
		PG_RETURN_NULL();
	}
	result = build_sorted(currency, buf.entries, buf.n);
	aiu_entry_buf_free(&buf);
	PG_RETURN_POINTER(result);
}

static char *
unit_costs_to_cstring(const AiuUnitCosts *costs)
{
	StringInfoData out;
	AiuCostIter it;
	AiuCostItem item;
	char		currency[4];
	bool		first = true;

	initStringInfo(&out);
	aiu_currency_print(aiu_unit_costs_currency(costs), currency);
	appendStringInfo(&out, "{\"%s\": {", currency);
	aiu_cost_iter_init(&it, costs);
	while (aiu_cost_iter_next(&it, &item))
	{
		char		number[64];
		int			len = aiu_decimal_print(item.value, AIU_AMOUNT_DECIMALS, number);

		if (!first)
			appendBinaryStringInfo(&out, ", ", 2);
		appendStringInfoChar(&out, '"');
		appendBinaryStringInfo(&out, item.name, item.namelen);
		appendBinaryStringInfo(&out, "\": ", 3);
		appendBinaryStringInfo(&out, number, len);
		first = false;
	}
	appendBinaryStringInfo(&out, "}}", 2);
	return out.data;
}

Datum
aiu_unit_costs_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(unit_costs_to_cstring(PG_GETARG_UNIT_COSTS_P(0)));
}

/* ---- binary ---- */

/* As aiu_usage_recv(): accepts exactly what build_sorted() would write. */
Datum
aiu_unit_costs_recv(PG_FUNCTION_ARGS)
{
	StringInfo	msg = (StringInfo) PG_GETARG_POINTER(0);
	const uint8 *start = (const uint8 *) msg->data + msg->cursor;
	const uint8 *end = (const uint8 *) msg->data + msg->len;
	const uint8 *p = start;
	AiuEntry	last = {0};
	bool		first = true;
	const char *wrong = NULL;
	AiuUnitCosts *result;

	if (end - p < HEADER_SIZE)
		wrong = "It is shorter than its header.";
	else if (p[0] != AIU_FORMAT_VERSION)
		wrong = "Its format version is not 1.";
	else
	{
		int			currency = (p[1] << 8) | p[2];

		if (currency < 1 || currency > 26 * 26 * 26)
			wrong = "Its currency is not one of three letters.";
		p += HEADER_SIZE;
	}

	while (wrong == NULL && p < end)
	{
		AiuEntry	e;
		uint128		v;

		e.unit = *p++;
		e.name = NULL;
		e.namelen = 0;
		if (e.unit > aiu_unit_count())
		{
			wrong = "A unit code is not in the registry.";
			break;
		}
		if (e.unit == 0)
		{
			if (p >= end || end - p - 1 < *p)
			{
				wrong = "It ends within a unit name.";
				break;
			}
			e.namelen = *p++;
			e.name = (const char *) p;
			p += e.namelen;
			if (!aiu_unit_name_valid(e.name, e.namelen) ||
				aiu_unit_lookup(e.name, e.namelen) != 0)
			{
				wrong = "A custom unit name is invalid or that of a registered unit.";
				break;
			}
		}
		p = aiu_varint_check(p, end, &v);
		if (p == NULL)
		{
			wrong = "A value is cut off or not in its shortest form.";
			break;
		}
		if ((v >> 3) > (uint128) AIU_COST_MAX / thousands[v & 3])
		{
			wrong = "A value is out of range.";
			break;
		}
		e.value = decode_value(v);
		if (encode_value(e.value) != v)
			wrong = "A value is not in its canonical form.";
		else if (!first && aiu_entry_compare(&last, &e) >= 0)
			wrong = "Units are repeated or out of order.";
		last = e;
		first = false;
	}
	if (wrong != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary representation of aiusage.unit_costs"),
				 errdetail("%s", wrong)));

	result = palloc(VARHDRSZ + (end - start));
	SET_VARSIZE(result, VARHDRSZ + (end - start));
	memcpy(VARDATA(result), start, end - start);
	msg->cursor = msg->len;
	PG_RETURN_POINTER(result);
}

/* ---- jsonb ---- */

Datum
aiu_unit_costs_from_jsonb(PG_FUNCTION_ARGS)
{
	Jsonb	   *json = PG_GETARG_JSONB_P(0);
	char	   *text = JsonbToCString(NULL, &json->root, VARSIZE(json));
	Datum		result = DirectFunctionCall1(aiu_unit_costs_in, CStringGetDatum(text));

	pfree(text);
	PG_FREE_IF_COPY(json, 0);
	PG_RETURN_DATUM(result);
}

Datum
aiu_unit_costs_to_jsonb(PG_FUNCTION_ARGS)
{
	char	   *text = unit_costs_to_cstring(PG_GETARG_UNIT_COSTS_P(0));
	Datum		result = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));

	pfree(text);
	PG_RETURN_DATUM(result);
}

/* ---- constructor ---- */

/* aiusage.unit_costs(units text[], costs numeric[], currency text) */
Datum
aiu_unit_costs_from_arrays(PG_FUNCTION_ARGS)
{
	ArrayType  *units = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType  *costs = PG_GETARG_ARRAYTYPE_P(1);
	text	   *name = PG_GETARG_TEXT_PP(2);
	AiuCurrency currency = aiu_currency_parse(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	Datum	   *unit_datums;
	Datum	   *cost_datums;
	bool	   *unit_nulls;
	bool	   *cost_nulls;
	int			nunits;
	int			ncosts;
	AiuEntry   *entries;
	int			i;

	if (currency == 0)
		aiu_currency_invalid(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (ARR_NDIM(units) > 1 || ARR_NDIM(costs) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("units and costs must be one-dimensional arrays")));
	deconstruct_array(units, TEXTOID, -1, false, TYPALIGN_INT,
					  &unit_datums, &unit_nulls, &nunits);
	deconstruct_array(costs, NUMERICOID, -1, false, TYPALIGN_INT,
					  &cost_datums, &cost_nulls, &ncosts);
	if (nunits != ncosts)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("units and costs differ in number"),
				 errdetail("There are %d units and %d costs.", nunits, ncosts)));
	entries = palloc(Max(nunits, 1) * sizeof(AiuEntry));
	for (i = 0; i < nunits; i++)
	{
		AiuParseFault fault = AIU_FAULT_NONE;
		text	   *unit;

		if (unit_nulls[i] || cost_nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("neither a unit nor a cost may be null"),
					 errhint("Leave out a unit that has no cost.")));
		unit = DatumGetTextPP(unit_datums[i]);
		entries[i].name = VARDATA_ANY(unit);
		entries[i].namelen = VARSIZE_ANY_EXHDR(unit);
		entries[i].unit = aiu_unit_from_text(entries[i].name, entries[i].namelen);
		switch (aiu_numeric_to_scaled(DatumGetNumeric(cost_datums[i]),
									  AIU_AMOUNT_DECIMALS, &entries[i].value))
		{
			case AIU_DEC_OK:
				break;
			case AIU_DEC_SYNTAX:
				fault = AIU_FAULT_NOT_NUMBER;
				break;
			case AIU_DEC_RANGE:
				fault = AIU_FAULT_RANGE;
				break;
			case AIU_DEC_INEXACT:
				fault = AIU_FAULT_DECIMALS;
				break;
		}
		if (fault != AIU_FAULT_NONE)
			aiu_entry_report(fault, entries[i].name, entries[i].namelen, AIU_ENTRY_COST);
	}
	PG_RETURN_POINTER(aiu_unit_costs_build(currency, (AiuCostItem *) entries, nunits));
}
