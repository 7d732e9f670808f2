/*-------------------------------------------------------------------------
 *
 * quota_xact.c
 *	  The journal: what this transaction has reserved, and what becomes of it.
 *
 * An entry a (counter, sub-bucket, nesting level), in the order in which they
 * were made, so that those of the innermost level are at the end.  Entries of
 * one counter are chained, the newest first, and `top` has the newest of each
 * counter: a row finds its entry at once, however many there are.
 *
 * A backend pins a counter while it has entries of it; pinned counters are
 * not evicted, so an entry needs nothing but the counter's index.
 *
 * The callbacks of commit and abort run when the transaction's outcome can
 * no longer change, after it has left the proc array.  They must not fail:
 * they take counters' locks, one at a time, and change memory that is there.
 * An aborted transaction may come with a journal that is larger than usual;
 * it is given back by the next transaction that needs one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "utils/memutils.h"

#include "quota/quota_hold_internal.h"

#define JOURNAL_FIRST	256
/* A journal that grew beyond this is not kept for the next transaction. */
#define JOURNAL_KEEP	65536

typedef struct JournalEntry
{
	int32		counter;
	int32		below;			/* the same counter's next older entry, -1: none */
	int32		level;
	uint32		alerts;			/* bits that were set in the counter */
	int64		bucket;			/* sliding windows: the sub-bucket it counts in */
	int128		reserved;		/* sum of positive amounts */
	int128		credit;			/* sum of negative ones, applied at commit */
} JournalEntry;

/*---- Local variables ----*/

static JournalEntry *journal = NULL;
static int	nentries = 0;
static int	room = 0;
static int32 *top = NULL;		/* by counter: 1 + its newest entry, 0: none */
static bool uncounted = false;

void
aiu_journal_make_room(int n)
{
	if (likely(journal != NULL && nentries + n <= room && (room <= JOURNAL_KEEP || nentries > 0)))
		return;

	if (top == NULL)
		top = MemoryContextAllocExtended(TopMemoryContext, sizeof(int32) * aiu_quota_table->ncounters,
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (nentries == 0 && room > JOURNAL_KEEP)
	{
		pfree(journal);
		journal = NULL;
		room = 0;
	}
	if (journal == NULL)
	{
		journal = MemoryContextAlloc(TopMemoryContext, sizeof(JournalEntry) * JOURNAL_FIRST);
		room = JOURNAL_FIRST;
	}
	while (nentries + n > room)
	{
		journal = repalloc_huge(journal, sizeof(JournalEntry) * room * 2);
		room *= 2;
	}
}

static inline int32
counter_index(const AiuCounter *counter)
{
	return counter - aiu_quota_counters;
}

/* The entry of this counter, sub-bucket and level, or -1. */
static int32
find_entry(int32 counter, int64 bucket, int32 level)
{
	int32		e;

	for (e = top[counter] - 1; e >= 0 && journal[e].level >= level; e = journal[e].below)
	{
		if (journal[e].level == level && journal[e].bucket == bucket)
			return e;
	}
	return -1;
}

/* Put an entry at the end; its counter has been pinned by us, or is now. */
static JournalEntry *
push_entry(int32 counter, int64 bucket, int32 level)
{
	JournalEntry *entry = &journal[nentries];

	entry->counter = counter;
	entry->below = top[counter] - 1;
	entry->level = level;
	entry->alerts = 0;
	entry->bucket = bucket;
	entry->reserved = 0;
	entry->credit = 0;
	top[counter] = ++nentries;
	return entry;
}

void
aiu_journal_note(AiuCounter *counter, int64 bucket, int128 amount, uint32 alerts)
{
	int32		index = counter_index(counter);
	int32		level = GetCurrentTransactionNestLevel();
	int32		e = find_entry(index, bucket, level);
	JournalEntry *entry;

	if (e >= 0)
		entry = &journal[e];
	else
	{
		if (top[index] == 0)
			counter->pins++;
		entry = push_entry(index, bucket, level);
	}
	if (amount > 0)
		entry->reserved += amount;
	else
		entry->credit += amount;
	entry->alerts |= alerts;
}

void
aiu_journal_note_uncounted(void)
{
	if (uncounted)
		return;
	uncounted = true;
	SpinLockAcquire(&aiu_quota_table->mutex);
	aiu_quota_table->uncounted++;
	SpinLockRelease(&aiu_quota_table->mutex);
}

bool
aiu_journal_has_uncounted(void)
{
	return uncounted;
}

/* Rows that no counter knows of are committed or gone: loads that began before must not end. */
static void
end_uncounted(void)
{
	uncounted = false;
	aiu_quota_raise_boundary();
	SpinLockAcquire(&aiu_quota_table->mutex);
	aiu_quota_table->uncounted--;
	aiu_quota_table->uncounted_ended++;
	SpinLockRelease(&aiu_quota_table->mutex);
}

/* Take the last entry off and settle it. */
static void
settle_last(bool commit)
{
	JournalEntry *entry = &journal[--nentries];
	AiuCounter *counter = &aiu_quota_counters[entry->counter];

	top[entry->counter] = entry->below + 1;

	LWLockAcquire(&counter->lock, LW_EXCLUSIVE);
	aiu_counter_write_begin(counter);
	counter->reserved -= entry->reserved;
	if (commit)
	{
		int128		amount = entry->reserved + entry->credit;

		if (!counter->sliding)
			counter->committed += amount;
		else if (entry->bucket >= counter->ring_head - AIU_QUOTA_RING)
		{
			counter->ring[aiu_ring_slot(entry->bucket)] += amount;
			counter->committed += amount;
		}
	}
	else if (entry->alerts != 0)
	{
		/* nobody was told after all; alert_at is computed again */
		counter->alerted &= ~entry->alerts;
		counter->limit = -1;
	}
	if (top[entry->counter] == 0)
		counter->pins--;
	aiu_counter_write_end(counter);
	LWLockRelease(&counter->lock);
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
			while (nentries > 0)
				settle_last(event == XACT_EVENT_COMMIT);
			if (uncounted)
				end_uncounted();
			aiu_hold_end_xact(event == XACT_EVENT_COMMIT);
			aiu_quota_end_flush(event == XACT_EVENT_COMMIT);
			aiu_quota_forget_rows();
			aiu_tail_forget(false);
			break;

		case XACT_EVENT_PRE_PREPARE:
			if (nentries > 0 || uncounted || aiu_hold_noted())
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot prepare a transaction that has booked usage under limits, or that admitted or released"),
						 errdetail("A prepared transaction outlives its session; what it has reserved of its limits would not."),
						 errhint("Book usage in a transaction of its own, with an id that makes a retry harmless (aiusage.event_id()).")));
			if (aiu_quota_flushing())
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot prepare a transaction that has flushed denials"),
						 errdetail("They are taken off memory when it commits, by this session."),
						 errhint("Call aiusage.flush_denials() in a transaction of its own; maintain() does.")));
			break;

		case XACT_EVENT_PREPARE:
			aiu_quota_forget_rows();
			break;

		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
	}
}

/*
 * A subtransaction commits into its parent: its entries become the parent's,
 * and join those that it has already, so that a savepoint a row does not make
 * an entry a row.  Nothing changes for the counters.
 */
static void
reparent(int32 level)
{
	int			first = nentries;
	int			last = nentries;
	int			i;

	while (first > 0 && journal[first - 1].level >= level)
	{
		first--;
		top[journal[first].counter] = journal[first].below + 1;
	}
	nentries = first;
	for (i = first; i < last; i++)
	{
		JournalEntry moved = journal[i];
		int32		e = find_entry(moved.counter, moved.bucket, level - 1);
		JournalEntry *entry = e >= 0 ? &journal[e] : push_entry(moved.counter, moved.bucket, level - 1);

		entry->reserved += moved.reserved;
		entry->credit += moved.credit;
		entry->alerts |= moved.alerts;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid, void *arg)
{
	int32		level = GetCurrentTransactionNestLevel();

	switch (event)
	{
		case SUBXACT_EVENT_ABORT_SUB:
			while (nentries > 0 && journal[nentries - 1].level >= level)
				settle_last(false);
			aiu_hold_end_subxact(false, level);
			aiu_quota_forget_rows();
			break;

		case SUBXACT_EVENT_COMMIT_SUB:
			if (nentries > 0 && journal[nentries - 1].level >= level)
				reparent(level);
			aiu_hold_end_subxact(true, level);
			break;

		case SUBXACT_EVENT_START_SUB:
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			break;
	}
}

void
aiu_quota_xact_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
