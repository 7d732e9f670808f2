/*-------------------------------------------------------------------------
 *
 * types_internal.h
 *	  What the three types share: entries (unit and 128-bit value), their
 *	  text and their bytes, and sums of them.
 *
 * aiusage.usage and aiusage.unit_costs are both lists of (unit, value) in
 * registry order, custom units last by name.  An AiuEntry is one element;
 * AiuUsageItem and AiuCostItem are the same struct by other names, which
 * entries.c asserts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_TYPES_INTERNAL_H
#define AIU_TYPES_INTERNAL_H

#include "lib/stringinfo.h"

#include "common/compat.h"
#include "types/amount.h"
#include "types/exact.h"
#include "types/unit_costs.h"
#include "types/units.h"
#include "types/usage.h"

#define AIU_FORMAT_VERSION	1

typedef struct AiuEntry
{
	int			unit;			/* registry code, or 0 for a custom unit */
	const char *name;			/* not NUL-terminated */
	int			namelen;
	int128		value;
} AiuEntry;

/* Custom units follow all registered ones. */
static inline int
aiu_entry_rank(const AiuEntry *e)
{
	return e->unit == 0 ? AIU_UNIT_MAX : e->unit;
}

extern int	aiu_entry_compare(const AiuEntry *a, const AiuEntry *b);

/* Into registry order; returns false, with *repeated set, when a unit appears twice. */
extern bool aiu_entries_sort(AiuEntry *entries, int n, const AiuEntry **repeated);

extern const char *aiu_unit_name(int code, int *namelen);

/* ---- bytes (packed.c): one value has one representation, so these need not know what it means ---- */

extern int	aiu_packed_compare(FunctionCallInfo fcinfo);
extern Datum aiu_packed_hash(FunctionCallInfo fcinfo);
extern Datum aiu_packed_hash_extended(FunctionCallInfo fcinfo);
extern Datum aiu_packed_send(FunctionCallInfo fcinfo);

#define AIU_PACKED_OPERATOR(name, operator) \
	AIU_FUNCTION(name); \
	Datum name(PG_FUNCTION_ARGS) { PG_RETURN_BOOL(aiu_packed_compare(fcinfo) operator 0); }
#define AIU_PACKED_FUNCTION(name, does) \
	AIU_FUNCTION(name); \
	Datum name(PG_FUNCTION_ARGS) { return does; }

/* aiu_usage_eq(), ...: what a btree and a hash operator class take */
#define AIU_PACKED_FUNCTIONS(type) \
	AIU_PACKED_OPERATOR(aiu_##type##_eq, ==) \
	AIU_PACKED_OPERATOR(aiu_##type##_ne, !=) \
	AIU_PACKED_OPERATOR(aiu_##type##_lt, <) \
	AIU_PACKED_OPERATOR(aiu_##type##_le, <=) \
	AIU_PACKED_OPERATOR(aiu_##type##_gt, >) \
	AIU_PACKED_OPERATOR(aiu_##type##_ge, >=) \
	AIU_PACKED_FUNCTION(aiu_##type##_cmp, Int32GetDatum(aiu_packed_compare(fcinfo))) \
	AIU_PACKED_FUNCTION(aiu_##type##_hash, aiu_packed_hash(fcinfo)) \
	AIU_PACKED_FUNCTION(aiu_##type##_hash_extended, aiu_packed_hash_extended(fcinfo)) \
	AIU_PACKED_FUNCTION(aiu_##type##_send, aiu_packed_send(fcinfo))

/* ---- varints: little-endian base 128, canonical (no needless last byte) ---- */

#define AIU_VARINT_MAX	19		/* bytes of a 128-bit number */

static inline uint8 *
aiu_varint_put(uint8 *p, uint128 v)
{
	uint64		low;

	while (unlikely((v >> 64) != 0))
	{
		*p++ = (uint8) v | 0x80;
		v >>= 7;
	}
	/* 64 bits hold all that is met in practice, and are quicker to shift */
	for (low = (uint64) v; low >= 0x80; low >>= 7)
		*p++ = (uint8) low | 0x80;
	*p++ = (uint8) low;
	return p;
}

/* trusted data; never reads at or beyond end */
static inline const uint8 *
aiu_varint_get(const uint8 *p, const uint8 *end, uint128 *v)
{
	uint64		low = 0;
	uint128		wide;
	int			shift = 0;

	/* nine bytes fill 63 bits: all quantities met in practice */
	while (p < end && shift < 63)
	{
		uint8		b = *p++;

		low |= (uint64) (b & 0x7F) << shift;
		if ((b & 0x80) == 0)
		{
			*v = low;
			return p;
		}
		shift += 7;
	}
	wide = low;
	while (p < end && shift < 128)
	{
		uint8		b = *p++;

		wide |= (uint128) (b & 0x7F) << shift;
		if ((b & 0x80) == 0)
			break;
		shift += 7;
	}
	*v = wide;
	return p;
}

/* untrusted data: NULL when it is cut off, not canonical, or longer than 128 bits */
extern const uint8 *aiu_varint_check(const uint8 *p, const uint8 *end, uint128 *v);

/* ---- text: a JSON subset, scanned without ever throwing ---- */

typedef enum AiuParseFault
{
	AIU_FAULT_NONE = 0,
	AIU_FAULT_SYNTAX,			/* 22P02; what says what was expected */
	AIU_FAULT_UNIT_NAME,		/* UA422 from here on, but where noted */
	AIU_FAULT_NOT_NUMBER,
	AIU_FAULT_NEGATIVE,
	AIU_FAULT_FRACTION,			/* of a unit counted in whole numbers */
	AIU_FAULT_DECIMALS,			/* 22003 */
	AIU_FAULT_RANGE,			/* 22003 */
	AIU_FAULT_REPEATED,
	AIU_FAULT_MANY,
	AIU_FAULT_CURRENCY
} AiuParseFault;

typedef struct AiuScan
{
	const char *start;
	const char *pos;
	const char *end;
	AiuParseFault fault;
	const char *what;			/* sentence for the DETAIL of a syntax error, or NULL */
	const char *name;			/* unit or currency at fault; not NUL-terminated */
	int			namelen;
} AiuScan;

/* Which of the two kinds of entries a text holds. */
typedef enum AiuEntryKind
{
	AIU_ENTRY_QUANTITY,			/* millionths, not negative, whole for whole units */
	AIU_ENTRY_COST				/* 1e-12, signed */
} AiuEntryKind;

#define AIU_ENTRIES_FIXED	24

/* Units in one text: no real one has a hundred, and a hostile one shall not eat the memory. */
#define AIU_ENTRIES_MAX		100000

typedef struct AiuEntryBuf
{
	AiuEntry   *entries;
	int			n;
	int			size;
	AiuEntry	fixed[AIU_ENTRIES_FIXED];
} AiuEntryBuf;

extern void aiu_entry_buf_init(AiuEntryBuf *buf);
extern void aiu_entry_buf_free(AiuEntryBuf *buf);
extern AiuEntry *aiu_entry_buf_next(AiuEntryBuf *buf);

extern void aiu_scan_init(AiuScan *scan, const char *s, int len);
extern bool aiu_scan_fault(AiuScan *scan, AiuParseFault fault, const char *what,
						   const char *name, int namelen);
extern bool aiu_scan_char(AiuScan *scan, char c, const char *what);
extern bool aiu_scan_string(AiuScan *scan, const char **s, int *len);
extern bool aiu_scan_end(AiuScan *scan);
/* {"unit": number, ...}, checked and in registry order */
extern bool aiu_scan_entries(AiuScan *scan, AiuEntryKind kind, AiuEntryBuf *buf);
/* the value of one entry against its kind; AIU_FAULT_NONE when it is fine */
extern AiuParseFault aiu_entry_check(const AiuEntry *entry, AiuEntryKind kind);

/*
 * Reports a fault as a soft error of an input function, or as an ERROR when
 * escontext is NULL.  typname is one of "usage", "unit_costs".
 */
extern void aiu_scan_report(const AiuScan *scan, const char *typname, struct Node *escontext);

/* Name a fault of a value that did not come from text; always an ERROR. */
pg_noreturn extern void aiu_entry_report(AiuParseFault fault, const char *name, int namelen,
										 AiuEntryKind kind);

/* name of a unit given by SQL: code, or 0 and a valid custom name; else ERROR */
extern int	aiu_unit_from_text(const char *name, int namelen);

/* ---- sums of entries, for operators and aggregates ---- */

typedef struct AiuUnitSums
{
	MemoryContext cxt;			/* of entries and of custom names */
	AiuCurrency currency;		/* 0: not a sum of costs, or nothing summed yet */
	int			n;
	int			size;
	AiuEntry   *entries;		/* registry order */
} AiuUnitSums;

extern AiuUnitSums *aiu_unit_sums_create(MemoryContext cxt);
extern AiuEntry *aiu_unit_sums_place(AiuUnitSums *sums, const AiuEntry *entry, int *at);
/* Adds; false on 128-bit overflow.  *at starts at 0 and walks with entries in registry order. */
extern bool aiu_unit_sums_add(AiuUnitSums *sums, const AiuEntry *entry, int *at);
extern bytea *aiu_unit_sums_serialize(const AiuUnitSums *sums);
extern AiuUnitSums *aiu_unit_sums_deserialize(bytea *bytes, MemoryContext cxt);

/* ---- decimals ---- */

/* aiu_decimal_parse(), with `round` rounding half-even instead of AIU_DEC_INEXACT */
extern AiuDecResult aiu_decimal_scan(const char *s, int len, int scale, bool round, int128 *result);

/* ---- errors that several places raise ---- */

pg_noreturn extern void aiu_currency_mismatch(AiuCurrency a, AiuCurrency b);
pg_noreturn extern void aiu_amount_out_of_range(void);
pg_noreturn extern void aiu_currency_invalid(const char *s, int len);

#endif							/* AIU_TYPES_INTERNAL_H */
