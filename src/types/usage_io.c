/*-------------------------------------------------------------------------
 *
 * usage_io.c
 *	  aiusage.usage: its bytes, its text and its binary form.
 *
 * After the varlena header:
 *
 *	  version		1 byte, 1
 *	  entries		registered units by rising code, then custom units by name
 *
 * An entry is a tag byte, for a custom unit the length (1 byte) and the bytes
 * of its name, and the quantity as a varint.  The low seven bits of the tag
 * are the registry code (0: custom); the high bit says that the quantity
 * counts millionths instead of whole units, and is set only if it must be.
 * So a usage has exactly one representation, and equal means equal bytes.
 * 4740 tokens are three bytes.
 *
 * The binary form on the wire is the same without the varlena header.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/errors.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "types/types_internal.h"

AIU_FUNCTION(aiu_usage_in);
AIU_FUNCTION(aiu_usage_out);
AIU_FUNCTION(aiu_usage_recv);
AIU_FUNCTION(aiu_usage_from_jsonb);
AIU_FUNCTION(aiu_usage_to_jsonb);
AIU_FUNCTION(aiu_usage_from_unit);
AIU_FUNCTION(aiu_usage_from_arrays);

/* ---- bytes ---- */

void
aiu_usage_iter_init(AiuUsageIter *it, const AiuUsage *usage)
{
	it->pos = (const uint8 *) VARDATA_ANY(usage) + 1;
	it->end = (const uint8 *) VARDATA_ANY(usage) + VARSIZE_ANY_EXHDR(usage);
	it->last_unit = 0;
}

bool
aiu_usage_iter_next(AiuUsageIter *it, AiuUsageItem *item)
{
	const uint8 *p = it->pos;
	uint8		tag;
	uint128		v;

	if (p >= it->end)
		return false;
	tag = *p++;
	item->unit = tag & AIU_USAGE_TAG_UNIT;
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
	item->quantity = (tag & AIU_USAGE_TAG_MILLIONTHS) ? (int128) v : (int128) v * AIU_QUANTITY_SCALE;
	return true;
}

/* What the varint holds: whole units if it can. */
static inline bool
stored_quantity(int128 quantity, uint128 *v)
{
	if ((quantity >> 63) == 0)
	{
		uint64		q = (uint64) quantity;

		if (q % AIU_QUANTITY_SCALE == 0)
		{
			*v = q / AIU_QUANTITY_SCALE;
			return false;
		}
	}
	else if (quantity % AIU_QUANTITY_SCALE == 0)
	{
		*v = quantity / AIU_QUANTITY_SCALE;
		return false;
	}
	*v = quantity;
	return true;
}

/*
 * Entries in registry order, each once and checked.  In one pass: there is
 * room for the longest quantities, and what is not needed is left over.
 */
static AiuUsage *
build_sorted(const AiuEntry *entries, int n)
{
	Size		room = VARHDRSZ + 1;
	AiuUsage   *result;
	uint8	   *p;
	int			i;

	for (i = 0; i < n; i++)
		room += 1 + AIU_VARINT_MAX + (entries[i].unit == 0 ? 1 + entries[i].namelen : 0);
	result = palloc(room);		/* palloc refuses what a varlena cannot hold */
	p = (uint8 *) VARDATA(result);
	*p++ = AIU_FORMAT_VERSION;
	for (i = 0; i < n; i++)
	{
		uint8	   *tag = p++;
		uint128		v;

		*tag = (uint8) entries[i].unit;
		if (stored_quantity(entries[i].value, &v))
			*tag |= AIU_USAGE_TAG_MILLIONTHS;
		if (entries[i].unit == 0)
		{
			*p++ = (uint8) entries[i].namelen;
			memcpy(p, entries[i].name, entries[i].namelen);
			p += entries[i].namelen;
		}
		p = aiu_varint_put(p, v);
	}
	SET_VARSIZE(result, p - (uint8 *) result);
	return result;
}

AiuUsage *
aiu_usage_build(AiuUsageItem *items, int nitems)
{
	AiuEntry   *entries = (AiuEntry *) items;
	const AiuEntry *repeated;
	int			i;

	for (i = 0; i < nitems; i++)
	{
		AiuParseFault fault = aiu_entry_check(&entries[i], AIU_ENTRY_QUANTITY);

		if (unlikely(fault != AIU_FAULT_NONE))
			aiu_entry_report(fault, entries[i].name, entries[i].namelen, AIU_ENTRY_QUANTITY);
	}
	if (!aiu_entries_sort(entries, nitems, &repeated))
		aiu_entry_report(AIU_FAULT_REPEATED, repeated->name, repeated->namelen, AIU_ENTRY_QUANTITY);
	return build_sorted(entries, nitems);
}

/* ---- text ---- */

Datum
aiu_usage_in(PG_FUNCTION_ARGS)
{
	char	   *str = PG_GETARG_CSTRING(0);
	AiuScan		scan;
	AiuEntryBuf buf;
	AiuUsage   *result;

	aiu_scan_init(&scan, str, strlen(str));
	aiu_entry_buf_init(&buf);
	if (!aiu_scan_entries(&scan, AIU_ENTRY_QUANTITY, &buf) || !aiu_scan_end(&scan))
	{
		aiu_scan_report(&scan, "usage", AIU_ESCONTEXT(fcinfo));
		PG_RETURN_NULL();
	}
	result = build_sorted(buf.entries, buf.n);
	aiu_entry_buf_free(&buf);
	PG_RETURN_POINTER(result);
}

static char *
usage_to_cstring(const AiuUsage *usage)
{
	StringInfoData out;
	AiuUsageIter it;
	AiuUsageItem item;
	char		sep = '{';

	initStringInfo(&out);
	aiu_usage_iter_init(&it, usage);
	while (aiu_usage_iter_next(&it, &item))
	{
		char		number[64];
		int			len = aiu_decimal_print(item.quantity, 6, number);

		enlargeStringInfo(&out, item.namelen + len + 8);
		out.data[out.len++] = sep;
		out.data[out.len++] = '"';
		memcpy(out.data + out.len, item.name, item.namelen);
		out.len += item.namelen;
		out.data[out.len++] = '"';
		out.data[out.len++] = ':';
		memcpy(out.data + out.len, number, len);
		out.len += len;
		sep = ',';
	}
	if (sep == '{')
		appendStringInfoChar(&out, '{');
	appendStringInfoChar(&out, '}');
	return out.data;
}

Datum
aiu_usage_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(usage_to_cstring(PG_GETARG_USAGE_P(0)));
}

/* ---- binary ---- */

/*
 * Nothing about the bytes is believed: each is read within bounds, and what
 * is accepted is exactly what build_sorted() would write.
 */
Datum
aiu_usage_recv(PG_FUNCTION_ARGS)
{
	StringInfo	msg = (StringInfo) PG_GETARG_POINTER(0);
	const uint8 *start = (const uint8 *) msg->data + msg->cursor;
	const uint8 *end = (const uint8 *) msg->data + msg->len;
	const uint8 *p = start;
	AiuEntry	last = {0};
	bool		first = true;
	const char *wrong = NULL;
	AiuUsage   *result;

	if (p >= end)
		wrong = "It is empty.";
	else if (*p++ != AIU_FORMAT_VERSION)
		wrong = "Its format version is not 1.";

	while (wrong == NULL && p < end)
	{
		AiuEntry	e;
		uint8		tag = *p++;
		uint128		v;
		uint128		canonical;

		e.unit = tag & AIU_USAGE_TAG_UNIT;
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
			wrong = "A quantity is cut off or not in its shortest form.";
			break;
		}
		if (v > (uint128) ((tag & AIU_USAGE_TAG_MILLIONTHS) ? AIU_QUANTITY_MAX : AIU_QUANTITY_MAX / AIU_QUANTITY_SCALE))
		{
			wrong = "A quantity is out of range.";
			break;
		}
		e.value = (tag & AIU_USAGE_TAG_MILLIONTHS) ? (int128) v : (int128) v * AIU_QUANTITY_SCALE;
		if (aiu_entry_check(&e, AIU_ENTRY_QUANTITY) != AIU_FAULT_NONE)
			wrong = "A quantity is out of range, or not whole where it must be.";
		else if (stored_quantity(e.value, &canonical) != ((tag & AIU_USAGE_TAG_MILLIONTHS) != 0))
			wrong = "A whole quantity is given in millionths.";
		else if (!first && aiu_entry_compare(&last, &e) >= 0)
			wrong = "Units are repeated or out of order.";
		last = e;
		first = false;
	}
	if (wrong != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary representation of aiusage.usage"),
				 errdetail("%s", wrong)));

	result = palloc(VARHDRSZ + (end - start));
	SET_VARSIZE(result, VARHDRSZ + (end - start));
	memcpy(VARDATA(result), start, end - start);
	msg->cursor = msg->len;
	PG_RETURN_POINTER(result);
}

/* ---- jsonb ---- */

/* jsonb prints as JSON, so its text is ours; it has already merged repeated keys. */
Datum
aiu_usage_from_jsonb(PG_FUNCTION_ARGS)
{
	Jsonb	   *json = PG_GETARG_JSONB_P(0);
	char	   *text = JsonbToCString(NULL, &json->root, VARSIZE(json));
	Datum		result = DirectFunctionCall1(aiu_usage_in, CStringGetDatum(text));

	pfree(text);
	PG_FREE_IF_COPY(json, 0);
	PG_RETURN_DATUM(result);
}

Datum
aiu_usage_to_jsonb(PG_FUNCTION_ARGS)
{
	char	   *text = usage_to_cstring(PG_GETARG_USAGE_P(0));
	Datum		result = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));

	pfree(text);
	PG_RETURN_DATUM(result);
}

/* ---- constructors ---- */

static void
entry_from_datums(AiuEntry *entry, text *unit, Numeric quantity)
{
	AiuParseFault fault = AIU_FAULT_NONE;

	entry->name = VARDATA_ANY(unit);
	entry->namelen = VARSIZE_ANY_EXHDR(unit);
	entry->unit = aiu_unit_from_text(entry->name, entry->namelen);
	switch (aiu_numeric_to_scaled(quantity, 6, &entry->value))
	{
		case AIU_DEC_OK:
			fault = aiu_entry_check(entry, AIU_ENTRY_QUANTITY);
			break;
		case AIU_DEC_SYNTAX:
			fault = AIU_FAULT_NOT_NUMBER;	/* NaN, Infinity */
			break;
		case AIU_DEC_RANGE:
			fault = AIU_FAULT_RANGE;
			break;
		case AIU_DEC_INEXACT:
			fault = AIU_FAULT_DECIMALS;
			break;
	}
	if (fault != AIU_FAULT_NONE)
		aiu_entry_report(fault, entry->name, entry->namelen, AIU_ENTRY_QUANTITY);
}

/* aiusage.usage(unit text, quantity numeric) */
Datum
aiu_usage_from_unit(PG_FUNCTION_ARGS)
{
	AiuEntry	entry;

	entry_from_datums(&entry, PG_GETARG_TEXT_PP(0), PG_GETARG_NUMERIC(1));
	PG_RETURN_POINTER(build_sorted(&entry, 1));
}

/* aiusage.usage(units text[], quantities numeric[]) */
Datum
aiu_usage_from_arrays(PG_FUNCTION_ARGS)
{
	ArrayType  *units = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType  *quantities = PG_GETARG_ARRAYTYPE_P(1);
	Datum	   *unit_datums;
	Datum	   *quantity_datums;
	bool	   *unit_nulls;
	bool	   *quantity_nulls;
	int			nunits;
	int			nquantities;
	AiuEntry   *entries;
	int			i;

	if (ARR_NDIM(units) > 1 || ARR_NDIM(quantities) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("units and quantities must be one-dimensional arrays")));
	deconstruct_array(units, TEXTOID, -1, false, TYPALIGN_INT,
					  &unit_datums, &unit_nulls, &nunits);
	deconstruct_array(quantities, NUMERICOID, -1, false, TYPALIGN_INT,
					  &quantity_datums, &quantity_nulls, &nquantities);
	if (nunits != nquantities)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("units and quantities differ in number"),
				 errdetail("There are %d units and %d quantities.", nunits, nquantities)));
	entries = palloc(Max(nunits, 1) * sizeof(AiuEntry));
	for (i = 0; i < nunits; i++)
	{
		if (unit_nulls[i] || quantity_nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("neither a unit nor a quantity may be null"),
					 errhint("Leave out a unit that has no quantity.")));
		entry_from_datums(&entries[i], DatumGetTextPP(unit_datums[i]),
						  DatumGetNumeric(quantity_datums[i]));
	}
	PG_RETURN_POINTER(aiu_usage_build((AiuUsageItem *) entries, nunits));
}
