/*-------------------------------------------------------------------------
 *
 * usage.h
 *	  aiusage.usage: what was used, unit -> non-negative quantity.
 *
 * In memory a quantity is a 128-bit integer of millionths of the unit, at
 * most AIU_QUANTITY_MAX (10^30 units): room for the sum of any number of
 * ledger rows, each of which is held to far less (src/ledger).  On disk a usage is
 * a varlena: a version byte, then entries in registry order, then custom
 * units ordered bytewise by name.  Entries with quantity zero are kept: a
 * provider that reports 0 said something.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_USAGE_H
#define AIU_USAGE_H

#include "fmgr.h"
#include "types/units.h"

#define AIU_QUANTITY_SCALE	1000000
/* 10^36 - 1 millionths */
#define AIU_QUANTITY_MAX	((int128) INT64CONST(1000000000000) * INT64CONST(1000000000000) * INT64CONST(1000000000000) - 1)

typedef struct varlena AiuUsage;	/* detoasted, possibly with a short header */

/* One entry, as met by the iterator. */
typedef struct AiuUsageItem
{
	int			unit;			/* registry code, or 0 for a custom unit */
	const char *name;			/* not NUL-terminated; points into the registry or the datum */
	int			namelen;
	int128		quantity;		/* millionths */
} AiuUsageItem;

typedef struct AiuUsageIter
{
	const uint8 *pos;
	const uint8 *end;
	int			last_unit;
} AiuUsageIter;

extern void aiu_usage_iter_init(AiuUsageIter *it, const AiuUsage *usage);
extern bool aiu_usage_iter_next(AiuUsageIter *it, AiuUsageItem *item);

/* Of an entry's tag byte: the unit, and whether the quantity counts millionths. */
#define AIU_USAGE_TAG_UNIT			0x7F
#define AIU_USAGE_TAG_MILLIONTHS	0x80

/*
 * The same, but the name of a registered unit is not looked up (NULL).  For
 * what goes over the usage of every row: entries as nearly all are, of a
 * registered unit and up to 2^35, are read here, without a call.
 */
static inline bool
aiu_usage_iter_unit(AiuUsageIter *it, AiuUsageItem *item)
{
	const uint8 *p = it->pos;
	uint64		v = 0;
	int			shift = 0;
	uint8		tag;
	uint8		b;

	if (p >= it->end)
		return false;
	tag = *p++;
	while (likely((tag & AIU_USAGE_TAG_UNIT) != 0 && p < it->end && shift < 35))
	{
		b = *p++;
		v |= (uint64) (b & 0x7F) << shift;
		shift += 7;
		if ((b & 0x80) != 0)
			continue;
		it->pos = p;
		it->last_unit = item->unit = tag & AIU_USAGE_TAG_UNIT;
		item->name = NULL;
		item->namelen = 0;
		item->quantity = (int64) ((tag & AIU_USAGE_TAG_MILLIONTHS) ? v : v * AIU_QUANTITY_SCALE);
		return true;
	}
	return aiu_usage_iter_next(it, item);
}

/*
 * Build a usage from items in any order (names may repeat: an error by the
 * caller).  Quantities must be within 0 .. AIU_QUANTITY_MAX.  palloc'd.
 */
extern AiuUsage *aiu_usage_build(AiuUsageItem *items, int nitems);

#define DatumGetUsageP(d)		((AiuUsage *) PG_DETOAST_DATUM_PACKED(d))
#define PG_GETARG_USAGE_P(n)	DatumGetUsageP(PG_GETARG_DATUM(n))

#endif							/* AIU_USAGE_H */
