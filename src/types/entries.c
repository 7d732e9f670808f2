/*-------------------------------------------------------------------------
 *
 * entries.c
 *	  Lists of (unit, value): order, and sums of many such lists.
 *
 * A sum keeps its entries in registry order, and what is added comes in
 * registry order too, so adding one list is a merge: one walk over both, no
 * look-up, no allocation unless a unit is met for the first time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/errors.h"
#include "libpq/pqformat.h"

#include "types/types_internal.h"

/* The public structs are AiuEntry by other names. */
StaticAssertDecl(sizeof(AiuUsageItem) == sizeof(AiuEntry) &&
				 offsetof(AiuUsageItem, unit) == offsetof(AiuEntry, unit) &&
				 offsetof(AiuUsageItem, name) == offsetof(AiuEntry, name) &&
				 offsetof(AiuUsageItem, namelen) == offsetof(AiuEntry, namelen) &&
				 offsetof(AiuUsageItem, quantity) == offsetof(AiuEntry, value),
				 "AiuUsageItem differs from AiuEntry");
StaticAssertDecl(sizeof(AiuCostItem) == sizeof(AiuEntry) &&
				 offsetof(AiuCostItem, unit) == offsetof(AiuEntry, unit) &&
				 offsetof(AiuCostItem, name) == offsetof(AiuEntry, name) &&
				 offsetof(AiuCostItem, namelen) == offsetof(AiuEntry, namelen) &&
				 offsetof(AiuCostItem, value) == offsetof(AiuEntry, value),
				 "AiuCostItem differs from AiuEntry");

int
aiu_entry_compare(const AiuEntry *a, const AiuEntry *b)
{
	int			rank_a = aiu_entry_rank(a);
	int			rank_b = aiu_entry_rank(b);
	int			cmp;

	if (rank_a != rank_b)
		return rank_a < rank_b ? -1 : 1;
	if (a->unit != 0)
		return 0;
	cmp = memcmp(a->name, b->name, Min(a->namelen, b->namelen));
	if (cmp != 0)
		return cmp;
	return (a->namelen > b->namelen) - (a->namelen < b->namelen);
}

/* Is a before b?  Registered units, which nearly all are, by their codes alone. */
static inline bool
entry_before(const AiuEntry *a, const AiuEntry *b)
{
	if (likely(a->unit != 0 && b->unit != 0))
		return a->unit < b->unit;
	return aiu_entry_compare(a, b) < 0;
}

static int
entry_compare_qsort(const void *a, const void *b)
{
	return aiu_entry_compare((const AiuEntry *) a, (const AiuEntry *) b);
}

bool
aiu_entries_sort(AiuEntry *entries, int n, const AiuEntry **repeated)
{
	bool		in_order = true;
	int			i;

	for (i = 1; i < n && in_order; i++)
		in_order = entry_before(&entries[i - 1], &entries[i]);
	if (in_order)
		return true;

	if (n <= 16)
	{
		/* short and nearly sorted as a rule */
		for (i = 1; i < n; i++)
		{
			AiuEntry	moving = entries[i];
			int			j = i;

			while (j > 0 && entry_before(&moving, &entries[j - 1]))
			{
				entries[j] = entries[j - 1];
				j--;
			}
			entries[j] = moving;
		}
	}
	else
		qsort(entries, n, sizeof(AiuEntry), entry_compare_qsort);

	for (i = 1; i < n; i++)
	{
		if (!entry_before(&entries[i - 1], &entries[i]))	/* sorted: then they are equal */
		{
			*repeated = &entries[i];
			return false;
		}
	}
	return true;
}

const uint8 *
aiu_varint_check(const uint8 *p, const uint8 *end, uint128 *v)
{
	uint128		value = 0;
	int			shift = 0;

	for (;;)
	{
		uint8		b;

		if (p >= end || shift > 126)
			return NULL;
		b = *p++;
		if (shift == 126 && b > 3)
			return NULL;		/* more than 128 bits */
		value |= (uint128) (b & 0x7F) << shift;
		if ((b & 0x80) == 0)
		{
			if (b == 0 && shift > 0)
				return NULL;	/* a shorter form exists */
			*v = value;
			return p;
		}
		shift += 7;
	}
}

AiuUnitSums *
aiu_unit_sums_create(MemoryContext cxt)
{
	AiuUnitSums *sums = MemoryContextAlloc(cxt, sizeof(AiuUnitSums));

	sums->cxt = cxt;
	sums->currency = 0;
	sums->n = 0;
	sums->size = 4;
	sums->entries = MemoryContextAlloc(cxt, sums->size * sizeof(AiuEntry));
	return sums;
}

/*
 * The sum's entry for the unit of `entry`, made with value 0 if it is new.
 * *at is where the last entry of the same list was found.
 */
AiuEntry *
aiu_unit_sums_place(AiuUnitSums *sums, const AiuEntry *entry, int *at)
{
	int			i = *at;
	int			cmp = 1;

	while (i < sums->n && (cmp = aiu_entry_compare(&sums->entries[i], entry)) < 0)
		i++;
	*at = i;
	if (i < sums->n && cmp == 0)
		return &sums->entries[i];

	if (sums->n == sums->size)
	{
		sums->entries = repalloc_huge(sums->entries,
									  (Size) sums->size * 2 * sizeof(AiuEntry));
		sums->size *= 2;
	}
	memmove(&sums->entries[i + 1], &sums->entries[i], (sums->n - i) * sizeof(AiuEntry));
	sums->n++;
	sums->entries[i] = *entry;
	sums->entries[i].value = 0;
	if (entry->unit == 0)
	{
		char	   *name = MemoryContextAlloc(sums->cxt, entry->namelen);

		memcpy(name, entry->name, entry->namelen);
		sums->entries[i].name = name;
	}
	return &sums->entries[i];
}

bool
aiu_unit_sums_add(AiuUnitSums *sums, const AiuEntry *entry, int *at)
{
	AiuEntry   *place = aiu_unit_sums_place(sums, entry, at);

	return aiu_add128(place->value, entry->value, &place->value);
}

/* For parallel workers of one server only: no format to keep. */
bytea *
aiu_unit_sums_serialize(const AiuUnitSums *sums)
{
	StringInfoData buf;
	int			i;

	pq_begintypsend(&buf);
	pq_sendint16(&buf, sums->currency);
	pq_sendint32(&buf, sums->n);
	for (i = 0; i < sums->n; i++)
	{
		const AiuEntry *e = &sums->entries[i];

		pq_sendbyte(&buf, e->unit);
		if (e->unit == 0)
		{
			pq_sendbyte(&buf, e->namelen);
			pq_sendbytes(&buf, e->name, e->namelen);
		}
		pq_sendint64(&buf, (uint64) ((uint128) e->value >> 64));
		pq_sendint64(&buf, (uint64) e->value);
	}
	return pq_endtypsend(&buf);
}

AiuUnitSums *
aiu_unit_sums_deserialize(bytea *bytes, MemoryContext cxt)
{
	AiuUnitSums *sums = aiu_unit_sums_create(cxt);
	StringInfoData buf;
	int			at = 0;
	int			n;

	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	sums->currency = pq_getmsgint(&buf, 2);
	n = pq_getmsgint(&buf, 4);
	for (; n > 0; n--)
	{
		AiuEntry	e;
		uint64		high;
		uint64		low;

		e.unit = pq_getmsgbyte(&buf);
		if (e.unit == 0)
		{
			e.namelen = pq_getmsgbyte(&buf);
			e.name = pq_getmsgbytes(&buf, e.namelen);
		}
		else if (e.unit <= aiu_unit_count())
			e.name = aiu_unit_name(e.unit, &e.namelen);
		else
			elog(ERROR, "unexpected unit code %d in aggregate state", e.unit);
		high = (uint64) pq_getmsgint64(&buf);
		low = (uint64) pq_getmsgint64(&buf);
		e.value = (int128) (((uint128) high << 64) | low);
		if (!aiu_unit_sums_add(sums, &e, &at))
			elog(ERROR, "unexpected value in aggregate state");
	}
	pq_getmsgend(&buf);
	pfree(buf.data);
	return sums;
}
