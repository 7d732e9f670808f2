/*-------------------------------------------------------------------------
 *
 * quota_reserve.c
 *	  Reserve what a row charges: all of it, or nothing.
 *
 * The counters are locked in the order of their addresses, checked, added
 * to, and unlocked.  Nothing in between allocates, reports, waits, or looks
 * at a catalogue; room in the journal was made before.
 *
 * A limit admits a row when
 *
 *		committed + reserved + held + amount <= limit
 *
 * so rows of transactions in flight count as if they had committed: should
 * they abort, somebody was refused who might have passed, never the reverse.
 * A negative amount becomes room at commit only, so here it asks for nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/catalog.h"
#include "quota/quota_hold_internal.h"
#include "types/exact.h"

/* Readers without the lock try this often before they take it. */
#define LOOK_TRIES		8

static int128
next_alert(const AiuQuotaDef *def, int128 limit, uint32 alerted)
{
	int128		at = (alerted & AIU_ALERT_OVER) || limit == AIU_INT128_MAX ? AIU_INT128_MAX : limit + 1;
	int			i;

	for (i = 0; i < def->nthresholds; i++)
	{
		if ((alerted & (1 << i)) == 0)
			at = Min(at, aiu_threshold_amount(limit, def->thresholds[i]));
	}
	return at;
}

/* Bits of what is reached and was not told. */
static uint32
alerts_due(const AiuCounter *counter, const AiuQuotaDef *def, int128 limit, int128 used)
{
	uint32		due = used > limit && !(counter->alerted & AIU_ALERT_OVER) ? AIU_ALERT_OVER : 0;
	int			i;

	for (i = 0; i < def->nthresholds; i++)
	{
		if (!(counter->alerted & (1 << i)) && used >= aiu_threshold_amount(limit, def->thresholds[i]))
			due |= 1 << i;
	}
	return due;
}

/*
 * The limit or its thresholds may have changed since alert_at was computed.
 * Other thresholds: those that are reached already count as told, for the
 * bits may have been another's.
 */
static void
refresh_alerts(AiuCounter *counter, const AiuQuotaDef *def, int128 limit)
{
	uint32		shape = def->alert_shape;

	if (likely(counter->limit == limit && counter->alert_shape == shape))
		return;
	if (counter->alert_shape != shape)
	{
		counter->alerted &= AIU_ALERT_OVER | AIU_ALERT_UNCHECKED;
		counter->alerted |= alerts_due(counter, def, limit, counter->committed + counter->reserved) & ~AIU_ALERT_OVER;
		counter->alert_shape = shape;
	}
	counter->limit = limit;
	counter->alert_at = next_alert(def, limit, counter->alerted);
}

void
aiu_counter_advance(AiuCounter *counter, int64 bucket)
{
	int64		epoch;
	int64		b;

	if (bucket <= counter->ring_head)
		return;
	if (bucket - counter->ring_head >= AIU_RING_SIZE)
	{
		memset(counter->ring, 0, sizeof(counter->ring));
		counter->committed = 0;
	}
	else
	{
		for (b = counter->ring_head + 1; b <= bucket; b++)
		{
			counter->committed -= counter->ring[aiu_ring_slot(b)];
			counter->ring[aiu_ring_slot(b)] = 0;
		}
	}
	counter->ring_head = bucket;

	/* thresholds are told once in the length of a window */
	epoch = bucket / AIU_QUOTA_RING;
	if (epoch != counter->alert_epoch)
	{
		counter->alert_epoch = epoch;
		counter->alerted = 0;
		counter->alert_shape = 0;
	}
}

/* What is committed in a sliding window that ends with this sub-bucket, without moving it. */
static int128
ring_sum(const AiuCounter *counter, int64 bucket)
{
	int128		sum = counter->committed;
	int64		b;

	for (b = counter->ring_head + 1; b <= bucket && b < counter->ring_head + 1 + AIU_RING_SIZE; b++)
		sum -= counter->ring[aiu_ring_slot(b)];
	return sum;
}

/* When enough will have left a sliding window for `missing` to fit. */
static TimestampTz
ring_room_at(const AiuCounter *counter, const AiuCharge *charge, int64 bucket, int128 missing)
{
	int64		sub = charge->def->sub_usec;
	int64		head = counter->ring_head;	/* once: without the lock it may change meanwhile */
	int64		b;

	for (b = Max(head, bucket) - AIU_QUOTA_RING; b < head; b++)
	{
		missing -= counter->ring[aiu_ring_slot(b)];
		if (missing <= 0)
			break;
	}
	return charge->window + (b + AIU_RING_SIZE - bucket) * sub;
}

/* The counter's numbers as the charge sees them. */
static void
read_numbers(const AiuCounter *counter, const AiuCharge *charge, int128 limit, AiuRefusal *seen)
{
	seen->used = counter->committed;
	seen->reserved = counter->reserved;
	seen->held = counter->held;
	seen->limit = limit;
	seen->room_at = charge->window_ends;
	if (counter->sliding)
	{
		int64		bucket = aiu_charge_bucket(charge);

		seen->used = ring_sum(counter, bucket);
		seen->room_at = ring_room_at(counter, charge, bucket,
									 seen->used + seen->reserved + seen->held + charge->amount - limit);
	}
}

bool
aiu_quota_look(const AiuCharge *charge, int128 limit, AiuRefusal *seen)
{
	AiuCounter *counter = &aiu_quota_counters[charge->counter];
	Oid			books = aiu_catalog_usage_record();
	bool		ready;
	int			i;

	for (i = 0; i < LOOK_TRIES; i++)
	{
		uint32		version = pg_atomic_read_u32(&counter->version);

		pg_read_barrier();
		ready = counter->state == AIU_COUNTER_READY && aiu_counter_matches(counter, charge, books);
		if (ready)
			read_numbers(counter, charge, limit, seen);
		pg_read_barrier();
		if ((version & 1) == 0 && pg_atomic_read_u32(&counter->version) == version)
			return ready;
	}

	LWLockAcquire(&counter->lock, LW_SHARED);
	ready = counter->state == AIU_COUNTER_READY && aiu_counter_matches(counter, charge, books);
	if (ready)
		read_numbers(counter, charge, limit, seen);
	LWLockRelease(&counter->lock);
	return ready;
}

/*
 * Does the charge fit?  Locked.  Also what nobody checks must be a number
 * that can be added.
 */
static AiuReserveResult
check(const AiuCounter *counter, const AiuCharge *charge, int128 limit, AiuQuotaMode mode)
{
	int128		sum;

	if (charge->amount < 0)
		return AIU_RESERVED;
	if (!aiu_add128(counter->committed, counter->reserved, &sum) ||
		!aiu_add128(sum, counter->held, &sum) ||
		!aiu_add128(sum, charge->amount, &sum))
		return AIU_TOO_LARGE;
	if (mode == AIU_QUOTA_CHECK && aiu_quota_refuses(charge->def) && sum > limit)
		return AIU_REFUSED;
	return AIU_RESERVED;
}

/* Add it.  Locked, and the journal has room. */
static uint32
add(AiuCounter *counter, const AiuCharge *charge, AiuQuotaMode mode, int128 limit, TimestampTz now)
{
	int64		bucket = 0;
	int128		used;
	uint32		alerts = 0;

	/*
	 * What is older than the ring is out of the window, history of a bulk
	 * import as a rule.  But a row that is checked came just now, in a
	 * statement that takes longer than the window: it counts now.
	 */
	if (counter->sliding)
	{
		bucket = aiu_charge_bucket(charge);
		if (bucket < counter->ring_head - AIU_QUOTA_RING)
		{
			if (mode != AIU_QUOTA_CHECK)
				return 0;
			bucket = counter->ring_head;
		}
	}
	if (charge->amount > 0)
	{
		counter->reserved += charge->amount;
		used = counter->committed + counter->reserved;
		if (unlikely(used >= counter->alert_at))
		{
			alerts = alerts_due(counter, charge->def, limit, used);
			counter->alerted |= alerts;
			counter->alert_at = next_alert(charge->def, limit, counter->alerted);
		}
	}
	else if (charge->uncheckable && !(counter->alerted & AIU_ALERT_UNCHECKED))
	{
		alerts = AIU_ALERT_UNCHECKED;
		counter->alerted |= alerts;
	}
	counter->last_used = now;
	counter->used = true;
	if (counter->sliding)
		counter->drop_after = Max(counter->drop_after, aiu_counter_drop_after(charge));
	aiu_journal_note(counter, bucket, charge->amount, alerts);
	return alerts;
}

/*
 * Lock the counters of the charges, by address; returns how many.  order: the charges, in this order.  -1: two of
 * them were found in one place, one after the other, so that one is gone; nothing is locked.
 */
static int
lock_counters(const AiuCharge *charges, int ncharges, const uint8 *places, uint8 *order)
{
	int			n = 0;
	int			i;
	int			k;

	for (i = 0; i < ncharges; i++)
	{
		if (places[i] != AIU_PLACE_COUNTER)
			continue;
		for (k = n++; k > 0 && charges[order[k - 1]].counter > charges[i].counter; k--)
			order[k] = order[k - 1];
		if (unlikely(k > 0 && charges[order[k - 1]].counter == charges[i].counter))
			return -1;
		order[k] = i;
	}
	for (k = 0; k < n; k++)
	{
		AiuCounter *counter = &aiu_quota_counters[charges[order[k]].counter];

		LWLockAcquire(&counter->lock, LW_EXCLUSIVE);
		aiu_counter_write_begin(counter);
	}
	return n;
}

static void
unlock_counters(const AiuCharge *charges, const uint8 *order, int n)
{
	int			k;

	for (k = n - 1; k >= 0; k--)
	{
		AiuCounter *counter = &aiu_quota_counters[charges[order[k]].counter];

		aiu_counter_write_end(counter);
		LWLockRelease(&counter->lock);
	}
}

/*
 * A ring that is ahead of the clock, by so much that it does not reach back to
 * now: the clock has been set back.  What was used before the clock had been
 * ahead is in the ring no more, so nobody knows what is left.
 */
static bool
ring_is_ahead(const AiuCounter *counter, const AiuCharge *charge)
{
	int64		oldest = counter->ring_head - AIU_QUOTA_RING;
	int64		bucket = aiu_charge_bucket(charge);

	/* a row may be old for its statement took long */
	return bucket < oldest &&
		charge->window + (oldest - bucket) * charge->def->sub_usec > GetCurrentTimestamp();
}

/* Do all fit?  Locked. */
static AiuReserveResult
check_all(const AiuCharge *charges, const uint8 *order, int n, Oid books, const int128 *limits, AiuQuotaMode mode,
		  AiuRefusal *refusal)
{
	AiuReserveResult result = AIU_RESERVED;
	int			k;

	/* all must be there before any of them says no */
	for (k = 0; k < n; k++)
	{
		const AiuCharge *charge = &charges[order[k]];
		AiuCounter *counter = &aiu_quota_counters[charge->counter];

		if (unlikely(counter->state != AIU_COUNTER_READY || !aiu_counter_matches(counter, charge, books)))
			return AIU_NOT_READY;
	}

	for (k = 0; k < n; k++)
	{
		const AiuCharge *charge = &charges[order[k]];
		AiuCounter *counter = &aiu_quota_counters[charge->counter];
		AiuReserveResult one;

		if (counter->sliding)
			aiu_counter_advance(counter, aiu_charge_bucket(charge));
		one = check(counter, charge, limits[order[k]], mode);
		if (unlikely(counter->sliding && one == AIU_RESERVED && charge->amount > 0 && mode == AIU_QUOTA_CHECK &&
					 aiu_quota_refuses(charge->def) && ring_is_ahead(counter, charge)))
			one = AIU_REFUSED;
		if (likely(one == AIU_RESERVED))
			continue;
		/* of several that refuse, the one that will do so longest is told */
		if (one == AIU_REFUSED)
		{
			AiuRefusal	seen;

			read_numbers(counter, charge, limits[order[k]], &seen);
			seen.index = order[k];
			if (result != AIU_REFUSED || seen.room_at > refusal->room_at)
				*refusal = seen;
		}
		if (result != AIU_TOO_LARGE)
			result = one;
	}
	return result;
}

AiuReserveResult
aiu_quota_reserve(AiuCharge *charges, int ncharges, const uint8 *places, const int128 *limits,
				  AiuQuotaMode mode, TimestampTz now,
				  AiuRefusal *refusal, AiuCrossing *crossings, int *ncrossings)
{
	AiuReserveResult result;
	Oid			books = aiu_catalog_usage_record();
	uint8		order[AIU_QUOTA_MAX];
	int			n;
	int			k;

	aiu_journal_make_room(ncharges);
	n = lock_counters(charges, ncharges, places, order);
	if (unlikely(n < 0))
		return AIU_NOT_READY;
	result = check_all(charges, order, n, books, limits, mode, refusal);
	if (result != AIU_RESERVED)
		goto unlock;

	for (k = 0; k < n; k++)
	{
		const AiuCharge *charge = &charges[order[k]];
		AiuCounter *counter = &aiu_quota_counters[charge->counter];

		refresh_alerts(counter, charge->def, limits[order[k]]);
		if (crossings == NULL &&
			unlikely((charge->amount > 0 &&
					  counter->committed + counter->reserved + charge->amount >= counter->alert_at) ||
					 (charge->uncheckable && !(counter->alerted & AIU_ALERT_UNCHECKED))))
		{
			result = AIU_WOULD_CROSS;
			goto unlock;
		}
	}

	for (k = 0; k < n; k++)
	{
		AiuCharge  *charge = &charges[order[k]];
		AiuCounter *counter = &aiu_quota_counters[charge->counter];
		uint32		alerts = add(counter, charge, mode, limits[order[k]], now);

		if (unlikely(alerts != 0))
		{
			AiuCrossing *crossing = &crossings[(*ncrossings)++];

			Assert(crossings != NULL);	/* or it would have been asked for again above */
			crossing->index = order[k];
			crossing->alerts = alerts;
			crossing->used = counter->committed + counter->reserved;
			crossing->limit = limits[order[k]];
		}
	}

unlock:
	unlock_counters(charges, order, n);
	return result;
}

/* What is held tells nobody: alerts are for what was spent. */
AiuReserveResult
aiu_quota_hold(AiuCharge *charges, int ncharges, const uint8 *places, const int128 *limits,
			   bool pin, TimestampTz now, AiuRefusal *refusal)
{
	Oid			books = aiu_catalog_usage_record();
	uint8		order[AIU_QUOTA_MAX];
	int			n = lock_counters(charges, ncharges, places, order);
	AiuReserveResult result;
	int			k;

	if (unlikely(n < 0))
		return AIU_NOT_READY;
	result = check_all(charges, order, n, books, limits, AIU_QUOTA_CHECK, refusal);
	for (k = 0; k < n && result == AIU_RESERVED; k++)
	{
		const AiuCharge *charge = &charges[order[k]];
		AiuCounter *counter = &aiu_quota_counters[charge->counter];

		counter->held += charge->amount;
		counter->last_used = now;
		counter->used = true;
		if (pin)
			counter->pins++;
	}
	unlock_counters(charges, order, n);
	return result;
}
