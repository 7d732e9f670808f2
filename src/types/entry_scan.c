/*-------------------------------------------------------------------------
 *
 * entry_scan.c
 *	  The text form of usage and unit_costs: a small subset of JSON, scanned
 *	  in one pass, without allocation for up to 24 units, and without ever
 *	  throwing: a fault is noted in the AiuScan, and the input function turns
 *	  it into a (soft) error at the end.
 *
 * The subset: objects with string keys and number values, strings without
 * escapes (no unit name needs any).  What JSON allows and this does not is
 * refused by name, so that nobody's data is dropped in silence: null,
 * strings, booleans, nested values, a key given twice.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/errors.h"
#include "mb/pg_wchar.h"

#include "types/types_internal.h"

#define COST_DECIMALS		12
#define QUANTITY_DECIMALS	6

/* How much of a bad input an error message repeats, in bytes. */
#define ECHO_MAX			128

void
aiu_entry_buf_init(AiuEntryBuf *buf)
{
	buf->entries = buf->fixed;
	buf->n = 0;
	buf->size = AIU_ENTRIES_FIXED;
}

void
aiu_entry_buf_free(AiuEntryBuf *buf)
{
	if (buf->entries != buf->fixed)
		pfree(buf->entries);
}

AiuEntry *
aiu_entry_buf_next(AiuEntryBuf *buf)
{
	if (buf->n == buf->size)
	{
		Size		bytes = (Size) buf->size * 2 * sizeof(AiuEntry);

		if (buf->entries == buf->fixed)
		{
			buf->entries = palloc(bytes);
			memcpy(buf->entries, buf->fixed, sizeof(buf->fixed));
		}
		else
			buf->entries = repalloc_huge(buf->entries, bytes);
		buf->size *= 2;
	}
	return &buf->entries[buf->n++];
}

void
aiu_scan_init(AiuScan *scan, const char *s, int len)
{
	scan->start = s;
	scan->pos = s;
	scan->end = s + len;
	scan->fault = AIU_FAULT_NONE;
	scan->what = NULL;
	scan->name = NULL;
	scan->namelen = 0;
}

/* Always returns false, for the caller to return. */
bool
aiu_scan_fault(AiuScan *scan, AiuParseFault fault, const char *what,
			   const char *name, int namelen)
{
	scan->fault = fault;
	scan->what = what;
	scan->name = name;
	scan->namelen = namelen;
	return false;
}

static inline void
skip_space(AiuScan *scan)
{
	while (scan->pos < scan->end &&
		   (*scan->pos == ' ' || *scan->pos == '\n' || *scan->pos == '\t' || *scan->pos == '\r'))
		scan->pos++;
}

bool
aiu_scan_char(AiuScan *scan, char c, const char *what)
{
	skip_space(scan);
	if (scan->pos >= scan->end || *scan->pos != c)
		return aiu_scan_fault(scan, AIU_FAULT_SYNTAX, what, NULL, 0);
	scan->pos++;
	return true;
}

bool
aiu_scan_string(AiuScan *scan, const char **s, int *len)
{
	const char *start;
	const char *p;

	if (!aiu_scan_char(scan, '"', "Expected a string in double quotes"))
		return false;
	start = scan->pos;
	for (p = start; p < scan->end && *p != '"'; p++)
	{
		if ((unsigned char) *p < 0x20 || *p == '\\')
		{
			scan->pos = p;
			return aiu_scan_fault(scan, AIU_FAULT_SYNTAX,
								  "Names have no escapes or control characters, but there is one",
								  NULL, 0);
		}
	}
	if (p >= scan->end)
	{
		scan->pos = p;
		return aiu_scan_fault(scan, AIU_FAULT_SYNTAX, "Expected a closing double quote", NULL, 0);
	}
	*s = start;
	*len = (int) (p - start);
	scan->pos = p + 1;
	return true;
}

bool
aiu_scan_end(AiuScan *scan)
{
	skip_space(scan);
	if (scan->pos < scan->end)
		return aiu_scan_fault(scan, AIU_FAULT_SYNTAX, "Expected nothing more", NULL, 0);
	return true;
}

/* A JSON number (no leading zeros, no bare point) as a scaled integer. */
static bool
scan_number(AiuScan *scan, int decimals, AiuEntry *entry)
{
	const char *start = scan->pos;
	const char *p = start;
	const char *end = scan->end;
	uint64		small = 0;
	int			ndigits = 0;
	AiuDecResult res;

	if (p < end && *p == '-')
		p++;
	if (p >= end || *p < '0' || *p > '9')
	{
		/* name what JSON would have allowed here */
		if (p < end && p == start && strchr("\"{[tfn", *p) != NULL && *p != '\0')
			return aiu_scan_fault(scan, AIU_FAULT_NOT_NUMBER, NULL, entry->name, entry->namelen);
		scan->pos = p;
		return aiu_scan_fault(scan, AIU_FAULT_SYNTAX, "Expected a number", NULL, 0);
	}
	if (*p == '0')
	{
		p++;
		ndigits = 1;
	}
	else
	{
		for (; p < end && *p >= '0' && *p <= '9'; p++)
		{
			if (++ndigits <= 18)
				small = small * 10 + (*p - '0');
		}
	}
	if (p < end && *p >= '0' && *p <= '9')
	{
		scan->pos = p;
		return aiu_scan_fault(scan, AIU_FAULT_SYNTAX, "A number has no leading zeros, but there is one", NULL, 0);
	}

	if (ndigits <= 18 && (p >= end || (*p != '.' && *p != 'e' && *p != 'E')))
	{
		/* a plain integer: nearly every value there is */
		entry->value = (int128) small * (decimals == QUANTITY_DECIMALS ?
										 INT64CONST(1000000) : AIU_AMOUNT_SCALE);
		if (*start == '-')
			entry->value = -entry->value;
		scan->pos = p;
		return true;
	}

	if (p < end && *p == '.')
	{
		p++;
		if (p >= end || *p < '0' || *p > '9')
		{
			scan->pos = p;
			return aiu_scan_fault(scan, AIU_FAULT_SYNTAX, "Expected a digit", NULL, 0);
		}
		while (p < end && *p >= '0' && *p <= '9')
			p++;
	}
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		if (p >= end || *p < '0' || *p > '9')
		{
			scan->pos = p;
			return aiu_scan_fault(scan, AIU_FAULT_SYNTAX, "Expected a digit", NULL, 0);
		}
		while (p < end && *p >= '0' && *p <= '9')
			p++;
	}

	res = aiu_decimal_parse(start, p - start, decimals, &entry->value);
	if (res == AIU_DEC_RANGE)
		return aiu_scan_fault(scan, AIU_FAULT_RANGE, NULL, entry->name, entry->namelen);
	if (res == AIU_DEC_INEXACT)
		return aiu_scan_fault(scan, AIU_FAULT_DECIMALS, NULL, entry->name, entry->namelen);
	Assert(res == AIU_DEC_OK);
	scan->pos = p;
	return true;
}

AiuParseFault
aiu_entry_check(const AiuEntry *entry, AiuEntryKind kind)
{
	if (kind == AIU_ENTRY_COST)
	{
		if (entry->value > AIU_COST_MAX || entry->value < -AIU_COST_MAX)
			return AIU_FAULT_RANGE;
		return AIU_FAULT_NONE;
	}
	if (entry->value < 0)
		return AIU_FAULT_NEGATIVE;
	if (entry->value > AIU_QUANTITY_MAX)
		return AIU_FAULT_RANGE;
	if (entry->unit != 0 && aiu_unit_is_whole(entry->unit))
	{
		bool		is_whole;

		if ((entry->value >> 63) == 0)
			is_whole = (uint64) entry->value % AIU_QUANTITY_SCALE == 0;
		else
			is_whole = entry->value % AIU_QUANTITY_SCALE == 0;
		if (!is_whole)
			return AIU_FAULT_FRACTION;
	}
	return AIU_FAULT_NONE;
}

bool
aiu_scan_entries(AiuScan *scan, AiuEntryKind kind, AiuEntryBuf *buf)
{
	int			decimals = kind == AIU_ENTRY_COST ? COST_DECIMALS : QUANTITY_DECIMALS;
	const AiuEntry *repeated;

	if (!aiu_scan_char(scan, '{', "Expected an opening brace"))
		return false;
	skip_space(scan);
	if (scan->pos < scan->end && *scan->pos == '}')
	{
		scan->pos++;
		return true;
	}
	for (;;)
	{
		AiuEntry	entry;
		AiuParseFault fault;

		if (!aiu_scan_string(scan, &entry.name, &entry.namelen))
			return false;
		entry.unit = aiu_unit_lookup(entry.name, entry.namelen);
		if (entry.unit == 0 && !aiu_unit_name_valid(entry.name, entry.namelen))
			return aiu_scan_fault(scan, AIU_FAULT_UNIT_NAME, NULL, entry.name, entry.namelen);
		if (!aiu_scan_char(scan, ':', "Expected a colon"))
			return false;
		skip_space(scan);
		if (!scan_number(scan, decimals, &entry))
			return false;
		fault = aiu_entry_check(&entry, kind);
		if (fault != AIU_FAULT_NONE)
			return aiu_scan_fault(scan, fault, NULL, entry.name, entry.namelen);
		if (unlikely(buf->n >= AIU_ENTRIES_MAX))
			return aiu_scan_fault(scan, AIU_FAULT_MANY, NULL, entry.name, entry.namelen);
		*aiu_entry_buf_next(buf) = entry;

		skip_space(scan);
		if (scan->pos < scan->end && *scan->pos == ',')
		{
			scan->pos++;
			continue;
		}
		if (!aiu_scan_char(scan, '}', "Expected a comma or a closing brace"))
			return false;
		break;
	}
	if (!aiu_entries_sort(buf->entries, buf->n, &repeated))
		return aiu_scan_fault(scan, AIU_FAULT_REPEATED, NULL, repeated->name, repeated->namelen);
	return true;
}

/* ---- errors ---- */

/* A NUL-terminated copy of at most ECHO_MAX bytes, whole characters. */
static char *
echo(const char *s, int len)
{
	if (len <= ECHO_MAX)
		return pnstrdup(s, len);
	len = pg_mbcliplen(s, len, ECHO_MAX);
	return psprintf("%.*s...", len, s);
}

static const char *
usage_hint(const char *typname)
{
	if (strcmp(typname, "usage") == 0)
		return "A usage is a JSON object of units and quantities, such as {\"input_tokens\":4740,\"output_tokens\":255}.";
	return "Unit costs are one currency with its costs by unit, such as {\"USD\": {\"input_tokens\": 0.01422}}.";
}

/* everything but the syntax error: primary message, detail and hint of a fault */
static int
fault_sqlstate(AiuParseFault fault)
{
	if (fault == AIU_FAULT_DECIMALS || fault == AIU_FAULT_RANGE)
		return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
	return ERRCODE_AIU_INVALID;
}

static const char *
fault_message(AiuParseFault fault, bool cost)
{
	switch (fault)
	{
		case AIU_FAULT_UNIT_NAME:
			return "invalid unit name \"%s\"";
		case AIU_FAULT_NOT_NUMBER:
			return "value of unit \"%s\" is not a number";
		case AIU_FAULT_NEGATIVE:
			return "quantity of unit \"%s\" is negative";
		case AIU_FAULT_FRACTION:
			return "quantity of unit \"%s\" is not a whole number";
		case AIU_FAULT_DECIMALS:
			return cost ? "cost of unit \"%s\" has more than 12 decimals"
				: "quantity of unit \"%s\" has more than 6 decimals";
		case AIU_FAULT_RANGE:
			return cost ? "cost of unit \"%s\" is out of range"
				: "quantity of unit \"%s\" is out of range";
		case AIU_FAULT_REPEATED:
			return "unit \"%s\" is given more than once";
		case AIU_FAULT_MANY:
			return "too many units, at \"%s\"";
		case AIU_FAULT_CURRENCY:
			return "invalid currency \"%s\"";
		default:
			return "invalid value of unit \"%s\"";
	}
}

static const char *
fault_detail(AiuParseFault fault, bool cost)
{
	switch (fault)
	{
		case AIU_FAULT_UNIT_NAME:
			return "A unit name is a lower-case letter followed by lower-case letters, digits and underscores, 63 bytes at most.";
		case AIU_FAULT_NOT_NUMBER:
			return "Only a number is a value here: no string, null, boolean, array or object.";
		case AIU_FAULT_NEGATIVE:
			return "A usage holds what was used; a correction is a row of its own that counts as minus.";
		case AIU_FAULT_FRACTION:
			return "Tokens, requests, pages and the like are counted, not measured.";
		case AIU_FAULT_DECIMALS:
			return cost ? "Money is kept to 0.000000000001 of the currency." : "Quantities are kept to 0.000001 of the unit.";
		case AIU_FAULT_RANGE:
			return cost ? "A cost is less than 10000000000000000000000000 of the currency, of either sign."
				: "A quantity is at most 999999999999999999999999999999.999999.";
		case AIU_FAULT_REPEATED:
			return "Which of the values counts would be a guess.";
		case AIU_FAULT_MANY:
			return "There are at most 100000.";
		case AIU_FAULT_CURRENCY:
			return "A currency is three letters A to Z.";
		default:
			return "The value does not belong to this type.";
	}
}

static const char *
fault_hint(AiuParseFault fault)
{
	switch (fault)
	{
		case AIU_FAULT_UNIT_NAME:
			return "aiusage.unit_registry() lists the units known by name.";
		case AIU_FAULT_NOT_NUMBER:
			return "Leave out a unit that has no value.";
		case AIU_FAULT_NEGATIVE:
			return "Totals are inclusive: input_tokens contains cached tokens.";
		case AIU_FAULT_FRACTION:
			return "Round it, or use a unit that is measured, such as seconds.";
		case AIU_FAULT_DECIMALS:
		case AIU_FAULT_RANGE:
			return "Check the unit the number is meant in.";
		case AIU_FAULT_REPEATED:
			return "Give each unit once, with its total.";
		case AIU_FAULT_MANY:
			return "A unit is a kind of thing that is counted, not a request, a user or a model.";
		default:
			return "Write it as in ISO 4217, such as USD.";
	}
}

void
aiu_scan_report(const AiuScan *scan, const char *typname, struct Node *escontext)
{
	bool		cost = strcmp(typname, "unit_costs") == 0;
	char	   *text;

	if (scan->fault == AIU_FAULT_SYNTAX)
	{
		text = echo(scan->start, scan->end - scan->start);
		ereturn(escontext,,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type aiusage.%s: \"%s\"", typname, text),
				 errdetail("%s at byte %d.", scan->what, (int) (scan->pos - scan->start) + 1),
				 errhint("%s", usage_hint(typname))));
	}
	text = echo(scan->name, scan->namelen);
	ereturn(escontext,,
			(errcode(fault_sqlstate(scan->fault)),
			 errmsg(fault_message(scan->fault, cost), text),
			 errdetail("%s", fault_detail(scan->fault, cost)),
			 errhint("%s", fault_hint(scan->fault))));
}

void
aiu_entry_report(AiuParseFault fault, const char *name, int namelen, AiuEntryKind kind)
{
	bool		cost = kind == AIU_ENTRY_COST;

	ereport(ERROR,
			(errcode(fault_sqlstate(fault)),
			 errmsg(fault_message(fault, cost), echo(name, namelen)),
			 errdetail("%s", fault_detail(fault, cost)),
			 errhint("%s", fault_hint(fault))));
	pg_unreachable();
}

int
aiu_unit_from_text(const char *name, int namelen)
{
	int			code = aiu_unit_lookup(name, namelen);

	if (code == 0 && !aiu_unit_name_valid(name, namelen))
		aiu_entry_report(AIU_FAULT_UNIT_NAME, name, namelen, AIU_ENTRY_QUANTITY);
	return code;
}
