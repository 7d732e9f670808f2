/*-------------------------------------------------------------------------
 *
 * quota_hold_shmem.c
 *	  The table of holds in shared memory: find, link, draw, close, expire.
 *
 * Who takes a hold off the free list owns it until it is linked; from then on
 * its partition's lock guards it.  What a hold holds is in its counters, and
 * changes with the partition's lock and the counter's, in this order.
 *
 * Expired holds are freed by whoever finds that something has expired:
 * admission before it refuses, or when the table is full, and maintain().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "common/catalog.h"
#include "common/guc.h"
#include "quota/quota_hold_internal.h"

#define NEVER	PG_INT64_MAX

AiuHoldTable *aiu_hold_table = NULL;
AiuHold    *aiu_holds = NULL;

/*---- Local variables ----*/

static int32 *buckets = NULL;

static int
bucket_count(void)
{
	return pg_nextpower2_32(Max(aiu_quota_holds_max, AIU_HOLD_PARTITIONS));
}

Size
aiu_hold_memory_size(void)
{
	Size		size = MAXALIGN(sizeof(AiuHoldTable));

	size = add_size(size, mul_size(sizeof(AiuHold), aiu_quota_holds_max));
	return add_size(size, MAXALIGN(mul_size(sizeof(int32), bucket_count())));
}

void
aiu_hold_attach_memory(char *memory, bool fresh, int tranche)
{
	int			i;

	aiu_hold_table = (AiuHoldTable *) memory;
	aiu_holds = (AiuHold *) (memory + MAXALIGN(sizeof(AiuHoldTable)));
	buckets = (int32 *) (aiu_holds + aiu_quota_holds_max);
	if (!fresh)
		return;

	memset(memory, 0, aiu_hold_memory_size());
	aiu_hold_table->nholds = aiu_quota_holds_max;
	aiu_hold_table->nbuckets = bucket_count();
	LWLockInitialize(&aiu_hold_table->lock, tranche);
	LWLockInitialize(&aiu_hold_table->sweep_lock, tranche);
	pg_atomic_init_u32(&aiu_hold_table->sweeping, 0);
	ConditionVariableInit(&aiu_hold_table->loaded);
	pg_atomic_init_u64(&aiu_hold_table->next_expiry, NEVER);
	pg_atomic_init_u64(&aiu_hold_table->latest, 0);
	pg_atomic_init_u32(&aiu_hold_table->restored, 0);
	pg_atomic_init_u32(&aiu_hold_table->next_nonce, (uint32) GetCurrentTimestamp());
	for (i = 0; i < AIU_HOLD_PARTITIONS; i++)
		LWLockInitialize(&aiu_hold_table->partitions[i].lock, tranche);
	for (i = 0; i < aiu_hold_table->nbuckets; i++)
		buckets[i] = -1;
	for (i = 0; i < aiu_hold_table->nholds; i++)
		aiu_holds[i].next = i + 1 < aiu_hold_table->nholds ? i + 1 : -1;
	aiu_hold_table->free_head = 0;
	aiu_hold_table->nfree = aiu_hold_table->nholds;
}

/* The last bytes of a hold id are a code: as good as random. */
static inline uint32
hash_id(const pg_uuid_t *id)
{
	uint32		hash;

	memcpy(&hash, id->data + UUID_LEN - sizeof(hash), sizeof(hash));
	return hash;
}

static inline LWLock *
partition_lock(uint32 hash)
{
	return &aiu_hold_table->partitions[hash % AIU_HOLD_PARTITIONS].lock;
}

static inline int32 *
chain(uint32 hash)
{
	return &buckets[hash & (aiu_hold_table->nbuckets - 1)];
}

int32
aiu_hold_take(TimestampTz now)
{
	int32		index;
	int			tries;

	for (tries = 0; tries < 2; tries++)
	{
		LWLockAcquire(&aiu_hold_table->lock, LW_EXCLUSIVE);
		index = aiu_hold_table->free_head;
		if (index >= 0)
		{
			aiu_hold_table->free_head = aiu_holds[index].next;
			aiu_hold_table->nfree--;
		}
		LWLockRelease(&aiu_hold_table->lock);
		if (index >= 0)
			break;
		/* also when nothing was freed by us: another session may just have done so */
		(void) aiu_hold_sweep(now, NULL);
	}
	return index;
}

void
aiu_hold_give_back(int32 index)
{
	LWLockAcquire(&aiu_hold_table->lock, LW_EXCLUSIVE);
	aiu_holds[index].next = aiu_hold_table->free_head;
	aiu_hold_table->free_head = index;
	aiu_hold_table->nfree++;
	LWLockRelease(&aiu_hold_table->lock);
}

static void
note_expiry(const AiuHold *hold)
{
	uint64		present = pg_atomic_read_u64(&aiu_hold_table->next_expiry);

	while ((int64) present > hold->expires_at &&
		   !pg_atomic_compare_exchange_u64(&aiu_hold_table->next_expiry, &present, (uint64) hold->expires_at))
		;
	present = pg_atomic_read_u64(&aiu_hold_table->latest);
	while ((int64) present < hold->given_at &&
		   !pg_atomic_compare_exchange_u64(&aiu_hold_table->latest, &present, (uint64) hold->given_at))
		;
}

void
aiu_hold_obey_clock(AiuHold *hold, TimestampTz now)
{
	if (likely(hold->given_at <= now))
		return;
	hold->expires_at -= hold->given_at - now;
	hold->given_at = now;
}

/* The partition's lock is held. */
static int32
search_chain(const pg_uuid_t *id, Oid database, Oid books)
{
	int32		i = *chain(hash_id(id));

	while (i >= 0 && (memcmp(&aiu_holds[i].id, id, UUID_LEN) != 0 ||
					  aiu_holds[i].database != database || aiu_holds[i].books != books))
		i = aiu_holds[i].next;
	return i;
}

int32
aiu_hold_find(const pg_uuid_t *id, AiuHold *copy)
{
	LWLock	   *lock = partition_lock(hash_id(id));
	Oid			books = aiu_catalog_usage_record();
	int32		index;

	LWLockAcquire(lock, LW_SHARED);
	index = search_chain(id, MyDatabaseId, books);
	if (index >= 0)
		memcpy(copy, &aiu_holds[index], sizeof(AiuHold));
	LWLockRelease(lock);
	return index;
}

/* Change what is held of a counter.  Its hold's partition is locked. */
static void
change_held(int32 counter_index, int128 amount, int pins)
{
	AiuCounter *counter = &aiu_quota_counters[counter_index];

	LWLockAcquire(&counter->lock, LW_EXCLUSIVE);
	aiu_counter_write_begin(counter);
	counter->held += amount;
	counter->pins += pins;
	aiu_counter_write_end(counter);
	LWLockRelease(&counter->lock);
}

void
aiu_hold_take_back(const AiuCharge *charges, const int128 *amounts, int ncharges)
{
	int			i;

	for (i = 0; i < ncharges; i++)
	{
		if (amounts[i] > 0)
			change_held(charges[i].counter, -amounts[i], 0);
	}
}

/* Give back all that the hold has.  The partition is locked. */
static void
give_back_rest(AiuHold *hold)
{
	int			i;

	for (i = 0; i < hold->ncharges; i++)
	{
		if (hold->charges[i].counter >= 0)
			change_held(hold->charges[i].counter, -hold->charges[i].rest, -1);
	}
	hold->ncharges = 0;
}

/*
 * The partition is locked; the hold has nothing any more.  From here on it is
 * the caller's, who puts it on the free list.
 */
static void
unlink_hold(int32 index, uint32 hash)
{
	int32	   *link = chain(hash);

	aiu_holds[index].status = AIU_HOLD_FREE;

	while (*link != index)
		link = &aiu_holds[*link].next;
	*link = aiu_holds[index].next;
}

/* Still the hold that somebody found?  The partition is locked. */
static inline bool
is_open(int32 index, const pg_uuid_t *id)
{
	return aiu_holds[index].status == AIU_HOLD_OPEN && memcmp(&aiu_holds[index].id, id, UUID_LEN) == 0 &&
		aiu_holds[index].database == MyDatabaseId;
}

bool
aiu_hold_link(int32 index)
{
	AiuHold    *hold = &aiu_holds[index];
	uint32		hash = hash_id(&hold->id);
	LWLock	   *lock = partition_lock(hash);
	bool		fresh;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	fresh = search_chain(&hold->id, hold->database, hold->books) < 0;
	if (fresh)
	{
		hold->status = AIU_HOLD_OPEN;
		hold->next = *chain(hash);
		*chain(hash) = index;
		note_expiry(hold);
	}
	LWLockRelease(lock);
	if (!fresh)
	{
		/* nobody but we knows of it */
		give_back_rest(hold);
		aiu_hold_give_back(index);
	}
	return fresh;
}

bool
aiu_hold_close(int32 index, const pg_uuid_t *id, bool tombstone)
{
	uint32		hash = hash_id(id);
	LWLock	   *lock = partition_lock(hash);
	bool		ours;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	ours = is_open(index, id);
	if (ours)
	{
		give_back_rest(&aiu_holds[index]);
		if (tombstone)
			aiu_holds[index].status = AIU_HOLD_CLOSED;
		else
			unlink_hold(index, hash);
	}
	LWLockRelease(lock);
	if (ours && !tombstone)
		aiu_hold_give_back(index);
	return ours;
}

void
aiu_hold_draw(int32 index, const pg_uuid_t *id, const int128 *amounts, int namounts)
{
	LWLock	   *lock = partition_lock(hash_id(id));
	int			i;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (is_open(index, id))
	{
		AiuHold    *hold = &aiu_holds[index];

		for (i = 0; i < Min(hold->ncharges, namounts); i++)
		{
			AiuHoldCharge *charge = &hold->charges[i];
			int128		part = Min(charge->rest, amounts[i]);

			if (part <= 0)
				continue;
			charge->rest -= part;
			if (charge->counter >= 0)
				change_held(charge->counter, -part, 0);
		}
	}
	LWLockRelease(lock);
}

int32
aiu_hold_try_claim(const pg_uuid_t *id, VirtualTransactionId claimant, VirtualTransactionId over,
				   TimestampTz now, AiuHold *copy, AiuHoldClaim *result)
{
	LWLock	   *lock = partition_lock(hash_id(id));
	Oid			books = aiu_catalog_usage_record();
	int32		index;

	*result = AIU_CLAIM_NONE;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	index = search_chain(id, MyDatabaseId, books);
	if (index >= 0)
	{
		AiuHold    *hold = &aiu_holds[index];

		if (hold->status != AIU_HOLD_OPEN || hold->expires_at <= now)
			*result = AIU_CLAIM_NONE;
		else if (VirtualTransactionIdEquals(hold->claimant, claimant))
			*result = AIU_CLAIM_OURS;
		else if (VirtualTransactionIdIsValid(hold->claimant) && !VirtualTransactionIdEquals(hold->claimant, over))
			*result = AIU_CLAIM_OTHERS;
		else
		{
			hold->claimant = claimant;
			hold->closing = hold->drawing = false;
			*result = AIU_CLAIM_NEW;
		}
		memcpy(copy, hold, sizeof(AiuHold));
	}
	LWLockRelease(lock);
	return index;
}

void
aiu_hold_unclaim(int32 index, const pg_uuid_t *id)
{
	LWLock	   *lock = partition_lock(hash_id(id));

	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (is_open(index, id))
	{
		SetInvalidVirtualTransactionId(aiu_holds[index].claimant);
		aiu_holds[index].closing = aiu_holds[index].drawing = false;
	}
	LWLockRelease(lock);
}

void
aiu_hold_set_closing(int32 index, const pg_uuid_t *id, bool closing)
{
	LWLock	   *lock = partition_lock(hash_id(id));

	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (is_open(index, id))
		aiu_holds[index].closing = closing;
	LWLockRelease(lock);
}

void
aiu_hold_set_drawing(int32 index, const pg_uuid_t *id)
{
	LWLock	   *lock = partition_lock(hash_id(id));

	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (is_open(index, id))
		aiu_holds[index].drawing = true;
	LWLockRelease(lock);
}

bool
aiu_hold_closed_here(const pg_uuid_t *id)
{
	LWLock	   *lock = partition_lock(hash_id(id));
	Oid			books = aiu_catalog_usage_record();
	VirtualTransactionId mine;
	bool		closing;
	int32		index;

	GET_VXID_FROM_PGPROC(mine, *MyProc);
	LWLockAcquire(lock, LW_SHARED);
	index = search_chain(id, MyDatabaseId, books);
	closing = index >= 0 && aiu_holds[index].closing && VirtualTransactionIdEquals(aiu_holds[index].claimant, mine);
	LWLockRelease(lock);
	return closing;
}

bool
aiu_hold_grow(int32 index, const pg_uuid_t *id, const int128 *amounts, int namounts, bool counters,
			  TimestampTz given_at, TimestampTz expires_at, int128 cost)
{
	LWLock	   *lock = partition_lock(hash_id(id));
	bool		ours;
	int			i;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	ours = is_open(index, id);
	if (ours)
	{
		AiuHold    *hold = &aiu_holds[index];

		for (i = 0; i < Min(hold->ncharges, namounts); i++)
		{
			AiuHoldCharge *charge = &hold->charges[i];
			int128		amount = Max(amounts[i], -charge->rest);

			charge->total += amounts[i];
			charge->rest += amount;
			if (counters && charge->counter >= 0 && amount != 0)
				change_held(charge->counter, amount, 0);
		}
		hold->given_at = given_at;
		hold->expires_at = expires_at;
		hold->cost = cost;
		/* an extension that is taken back expires as before */
		note_expiry(hold);
	}
	LWLockRelease(lock);
	return ours;
}

/* A clock that was set back says that holds were made later than now: they are not to live the longer for it. */
static bool
sweep_is_due(TimestampTz now)
{
	return (int64) pg_atomic_read_u64(&aiu_hold_table->next_expiry) <= now ||
		(int64) pg_atomic_read_u64(&aiu_hold_table->latest) > now;
}

int
aiu_hold_sweep(TimestampTz now, bool *by_another)
{
	int			swept = 0;
	bool		waited;
	int32		i;

	if (by_another != NULL)
		*by_another = false;
	/* while another session sweeps, nothing seems due: what it frees is worth waiting for */
	if (!sweep_is_due(now) && pg_atomic_fetch_add_u32(&aiu_hold_table->sweeping, 0) == 0)
		return 0;
	waited = !LWLockConditionalAcquire(&aiu_hold_table->sweep_lock, LW_EXCLUSIVE);
	if (waited)
		LWLockAcquire(&aiu_hold_table->sweep_lock, LW_EXCLUSIVE);
	if (by_another != NULL)
		*by_another = waited;
	if (!sweep_is_due(now))
	{
		LWLockRelease(&aiu_hold_table->sweep_lock);
		return 0;
	}
	(void) pg_atomic_exchange_u32(&aiu_hold_table->sweeping, 1);
	/* holds that are linked from here on change these themselves */
	pg_atomic_write_u64(&aiu_hold_table->next_expiry, (uint64) NEVER);
	pg_atomic_write_u64(&aiu_hold_table->latest, 0);

	for (i = 0; i < aiu_hold_table->nholds; i++)
	{
		AiuHold    *hold = &aiu_holds[i];
		pg_uuid_t	id;
		LWLock	   *lock;
		bool		done = false;

		/* a look without the lock, then again with it */
		if (hold->status == AIU_HOLD_FREE)
			continue;
		id = hold->id;
		lock = partition_lock(hash_id(&id));
		LWLockAcquire(lock, LW_EXCLUSIVE);
		if (hold->status != AIU_HOLD_FREE && memcmp(&hold->id, &id, UUID_LEN) == 0)
		{
			aiu_hold_obey_clock(hold, now);
			/* one that was closed keeps its place until then, too */
			if (hold->expires_at <= now)
			{
				give_back_rest(hold);
				unlink_hold(i, hash_id(&id));
				done = true;
			}
			else
				note_expiry(hold);
		}
		LWLockRelease(lock);
		if (done)
		{
			aiu_hold_give_back(i);
			swept++;
		}
	}
	LWLockAcquire(&aiu_hold_table->lock, LW_EXCLUSIVE);
	aiu_hold_table->swept += swept;
	LWLockRelease(&aiu_hold_table->lock);
	(void) pg_atomic_exchange_u32(&aiu_hold_table->sweeping, 0);
	LWLockRelease(&aiu_hold_table->sweep_lock);
	return swept;
}

/*
 * The counter is LOADING, by us: nobody adds to what is held of it, but holds
 * that were read from the books are there already, and may be closed at any
 * moment.
 */
void
aiu_hold_adopt(AiuCounter *counter)
{
	int32		counter_index = counter - aiu_quota_counters;
	int32		i;
	int			c;

	/* whoever loads a counter has read the holds of its books before, or has waited for the lock of who did */
	if (likely(pg_atomic_read_u32(&aiu_hold_table->restored) == 0))
		return;
	for (i = 0; i < aiu_hold_table->nholds; i++)
	{
		AiuHold    *hold = &aiu_holds[i];
		pg_uuid_t	id;
		LWLock	   *lock;

		if (hold->status != AIU_HOLD_OPEN || !hold->durable)
			continue;
		id = hold->id;
		lock = partition_lock(hash_id(&id));
		LWLockAcquire(lock, LW_EXCLUSIVE);
		if (is_open(i, &id) && hold->books == counter->key.books)
		{
			for (c = 0; c < hold->ncharges; c++)
			{
				AiuHoldCharge *charge = &hold->charges[c];

				if (charge->counter >= 0 || charge->quota != counter->key.quota ||
					charge->window != counter->key.window ||
					charge->subject[0] != counter->key.subject[0] || charge->subject[1] != counter->key.subject[1])
					continue;
				charge->counter = counter_index;
				change_held(counter_index, charge->rest, 1);
			}
		}
		LWLockRelease(lock);
	}
}
