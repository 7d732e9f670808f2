/*-------------------------------------------------------------------------
 *
 * quota_load.c
 *	  Loading a counter: one backend reads what the books say of it, others
 *	  wait.
 *
 * The order matters: LOADING first, the snapshot after it.  From then on
 * nobody can reserve on this counter, so the snapshot sees every row that
 * counts in it and will commit, but for the loader's own, which are reserved
 * once the counter is READY.
 *
 * A loader that fails, is cancelled or leaves sets the counter back to EMPTY
 * and wakes the waiters: one of them will try.  FATAL does not come by
 * PG_CATCH, hence PG_ENSURE_ERROR_CLEANUP.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "common/catalog.h"
#include "common/guc.h"
#include "quota/quota_hold_internal.h"

/* How long to wait before looking again whether uncounted rows are done, in ms. */
#define UNCOUNTED_POLL	10

/* What was read. */
typedef struct Books
{
	int128		used;
	int128		held;
	int128		ring[AIU_RING_SIZE];
	int64		head;			/* of the ring: the start of its latest sub-bucket */
	uint32		alerted;
} Books;

static void
stop_loading(int code, Datum arg)
{
	AiuCounter *counter = (AiuCounter *) DatumGetPointer(arg);

	LWLockAcquire(&counter->lock, LW_EXCLUSIVE);
	aiu_counter_write_begin(counter);
	counter->state = AIU_COUNTER_EMPTY;
	counter->pins--;
	aiu_counter_write_end(counter);
	LWLockRelease(&counter->lock);
	ConditionVariableBroadcast(&counter->loaded);

	SpinLockAcquire(&aiu_quota_table->mutex);
	aiu_quota_table->load_failures++;
	SpinLockRelease(&aiu_quota_table->mutex);
}

/* What is true of the counters that are EMPTY now. */
static void
look_at_evicted(const AiuCharge *charge, AiuQuotaEvicted *evicted)
{
	TimestampTz now = GetCurrentTimestamp();

	/* nothing was loaded since the start: everything up to now is in the books, or is not READY */
	SpinLockAcquire(&aiu_quota_table->mutex);
	evicted->boundary = aiu_quota_table->evicted_boundary;
	SpinLockRelease(&aiu_quota_table->mutex);
	if (evicted->boundary == 0)
		aiu_quota_raise_boundary();

	SpinLockAcquire(&aiu_quota_table->mutex);
	evicted->boundary = aiu_quota_table->evicted_boundary;
	evicted->evictions = aiu_quota_table->evictions;
	/* a clock that was set back makes windows current that were over */
	evicted->window_is_over = now < aiu_quota_table->latest || aiu_counter_drop_after(charge) < now;
	if (aiu_quota_table->latest < now)
		aiu_quota_table->latest = now;
	SpinLockRelease(&aiu_quota_table->mutex);
}

static void
count_uncounted(int32 *running, uint64 *ended)
{
	SpinLockAcquire(&aiu_quota_table->mutex);
	*running = aiu_quota_table->uncounted;
	*ended = aiu_quota_table->uncounted_ended;
	SpinLockRelease(&aiu_quota_table->mutex);
}

/*
 * Read until no transaction with uncounted rows ran meanwhile.  false: there
 * was always one.
 */
static bool
read_books(const AiuCharge *charge, TimestampTz deadline, Books *books)
{
	for (;;)
	{
		AiuQuotaEvicted evicted;
		int32		running;
		uint64		before;
		uint64		after;

		count_uncounted(&running, &before);
		if (likely(running == 0))
		{
			look_at_evicted(charge, &evicted);
			memset(books, 0, sizeof(*books));
			aiu_quota_read_counter(charge, &evicted, &books->used, charge->def->sliding ? books->ring : NULL, &books->head,
								   &books->held, &books->alerted);
			count_uncounted(&running, &after);
			if (running == 0 && after == before)
				return true;
		}
		/* the own transaction's will not end by waiting */
		if (aiu_journal_has_uncounted() || GetCurrentTimestamp() >= deadline)
			return false;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 UNCOUNTED_POLL, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
set_ready(AiuCounter *counter, const AiuCharge *charge, const Books *books)
{
	LWLockAcquire(&counter->lock, LW_EXCLUSIVE);
	aiu_counter_write_begin(counter);
	counter->committed = books->used;
	counter->reserved = 0;
	counter->alerted = books->alerted;
	counter->alert_shape = charge->def->alert_shape;
	counter->limit = -1;		/* alert_at is to be computed */
	if (counter->sliding)
	{
		int			i;

		counter->ring_head = aiu_charge_bucket(charge) + (books->head - charge->window) / charge->def->sub_usec;
		counter->alert_epoch = counter->ring_head / AIU_QUOTA_RING;
		for (i = 0; i < AIU_RING_SIZE; i++)
			counter->ring[aiu_ring_slot(counter->ring_head - i)] = books->ring[i];
	}
	counter->state = AIU_COUNTER_READY;
	counter->pins--;
	aiu_counter_write_end(counter);
	LWLockRelease(&counter->lock);
	ConditionVariableBroadcast(&counter->loaded);

	SpinLockAcquire(&aiu_quota_table->mutex);
	aiu_quota_table->loads++;
	SpinLockRelease(&aiu_quota_table->mutex);
}

/* The counter is LOADING, by us. */
static bool
load(AiuCounter *counter, const AiuCharge *charge, TimestampTz deadline)
{
	Books		books;
	AiuCharge	now = *charge;
	volatile bool done = false;

	/* a sliding window is that of now, also when a row of long ago asks for it first */
	if (now.def->sliding)
	{
		int64		window;
		TimestampTz starts;
		TimestampTz ends;

		aiu_quota_window(now.def, GetCurrentTimestamp(), 0, &window, &starts, &ends);
		now.window = Max(now.window, window);
	}

	PG_ENSURE_ERROR_CLEANUP(stop_loading, PointerGetDatum(counter));
	{
		done = read_books(&now, deadline, &books);
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_loading, PointerGetDatum(counter));

	if (done)
	{
		aiu_hold_adopt(counter);
		set_ready(counter, &now, &books);
	}
	else
		stop_loading(0, PointerGetDatum(counter));
	return done;
}

AiuLoadResult
aiu_counter_load(AiuCounter *counter, const AiuCharge *charge)
{
	TimestampTz deadline = GetCurrentTimestamp() + (int64) aiu_quota_load_timeout * 1000;
	Oid			books = aiu_catalog_usage_record();
	AiuLoadResult result;

	/* what is read now would be stale after the promotion */
	if (RecoveryInProgress())
		return AIU_LOAD_TIMEOUT;

	/* durable holds first: a counter that is loaded takes those that are its own */
	if (!aiu_hold_load_books(false))
		return AIU_LOAD_TIMEOUT;

	ConditionVariablePrepareToSleep(&counter->loaded);
	for (;;)
	{
		bool		ours = false;
		bool		gone;
		uint32		state;
		long		left;

		LWLockAcquire(&counter->lock, LW_EXCLUSIVE);
		gone = !aiu_counter_matches(counter, charge, books);
		state = counter->state;
		if (!gone && state == AIU_COUNTER_EMPTY)
		{
			aiu_counter_write_begin(counter);
			counter->state = AIU_COUNTER_LOADING;
			counter->pins++;
			aiu_counter_write_end(counter);
			ours = true;
		}
		LWLockRelease(&counter->lock);

		if (gone)
		{
			result = AIU_LOAD_GONE;
			break;
		}
		if (state == AIU_COUNTER_READY)
		{
			result = AIU_LOAD_READY;
			break;
		}
		if (ours)
		{
			/* loading may sleep elsewhere, so it must not be in this queue */
			ConditionVariableCancelSleep();
			return load(counter, charge, deadline) ? AIU_LOAD_READY : AIU_LOAD_TIMEOUT;
		}
		left = (long) ((deadline - GetCurrentTimestamp()) / 1000);
		if (left <= 0)
		{
			result = AIU_LOAD_TIMEOUT;
			break;
		}
		(void) ConditionVariableTimedSleep(&counter->loaded, left, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	return result;
}
