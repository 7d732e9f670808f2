/*-------------------------------------------------------------------------
 *
 * quota_shmem.c
 *	  The table of counters in shared memory: find, create, evict.
 *
 * Lookup is a chained hash of fixed size.  A chain belongs to a partition;
 * one must hold the partition's lock in exclusive mode to link or unlink a
 * counter, and in shared mode to walk a chain.  A backend remembers where it
 * found counters and looks at their keys instead, without a lock: whoever
 * acts on a counter compares the key again with the counter's lock held.
 *
 * Free counters are on a list that the table's lock guards.  When it is
 * empty, whoever needs one evicts: first counters of windows that are over,
 * then, by a clock hand, those that were not used lately.  A counter that
 * somebody's transaction has reserved on, that is being loaded, or that has
 * open holds stays.
 *
 * Lock order: table, partition, counter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/catalog.h"
#include "common/guc.h"
#include "quota/quota_hold_internal.h"

/* Rows of a window may still come this long after its end. */
#define GRACE_EVENT_TIME	(2 * USECS_PER_HOUR)
#define GRACE_SERVER_TIME	USECS_PER_MINUTE

/* Where this backend found counters, by hash. */
#define CACHE_SIZE			4096

AiuQuotaTable *aiu_quota_table = NULL;
AiuCounter *aiu_quota_counters = NULL;
AiuDenial *aiu_quota_denials = NULL;

/*---- Local variables ----*/

static int32 *buckets = NULL;
static int32 *cache = NULL;
static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static int
bucket_count(void)
{
	return pg_nextpower2_32(Max(aiu_quota_counters_max, AIU_COUNTER_PARTITIONS));
}

Size
aiu_quota_memory_size(void)
{
	Size		size = MAXALIGN(sizeof(AiuQuotaTable));

	size = add_size(size, mul_size(sizeof(AiuCounter), aiu_quota_counters_max));
	size = add_size(size, mul_size(sizeof(AiuDenial), AIU_DENIALS));
	return add_size(size, mul_size(sizeof(int32), bucket_count()));
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(add_size(aiu_quota_memory_size(), aiu_hold_memory_size()));
}

static void
init_table(int tranche)
{
	int			i;

	memset(aiu_quota_table, 0, aiu_quota_memory_size());
	aiu_quota_table->tranche = tranche;
	aiu_quota_table->ncounters = aiu_quota_counters_max;
	aiu_quota_table->nbuckets = bucket_count();
	LWLockInitialize(&aiu_quota_table->lock, tranche);
	LWLockInitialize(&aiu_quota_table->denial_lock, tranche);
	SpinLockInit(&aiu_quota_table->mutex);
	for (i = 0; i < AIU_COUNTER_PARTITIONS; i++)
		LWLockInitialize(&aiu_quota_table->partitions[i].lock, tranche);
	for (i = 0; i < aiu_quota_table->nbuckets; i++)
		buckets[i] = -1;
	for (i = 0; i < aiu_quota_table->ncounters; i++)
	{
		AiuCounter *counter = &aiu_quota_counters[i];

		LWLockInitialize(&counter->lock, tranche);
		pg_atomic_init_u32(&counter->version, 0);
		ConditionVariableInit(&counter->loaded);
		counter->next = i + 1 < aiu_quota_table->ncounters ? i + 1 : -1;
	}
	aiu_quota_table->free_head = 0;
	aiu_quota_table->nfree = aiu_quota_table->ncounters;
}

/* Runs again after a crash of a backend: everything begins empty. */
static void
shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	aiu_quota_table = ShmemInitStruct("aiusage limits", aiu_quota_memory_size(), &found);
	aiu_quota_counters = (AiuCounter *) ((char *) aiu_quota_table + MAXALIGN(sizeof(AiuQuotaTable)));
	aiu_quota_denials = (AiuDenial *) (aiu_quota_counters + aiu_quota_counters_max);
	buckets = (int32 *) (aiu_quota_denials + AIU_DENIALS);
	if (!found)
		init_table(LWLockNewTrancheId());
	aiu_hold_attach_memory(ShmemInitStruct("aiusage holds", aiu_hold_memory_size(), &found),
						   !found, aiu_quota_table->tranche);
	LWLockRelease(AddinShmemInitLock);
	LWLockRegisterTranche(aiu_quota_table->tranche, "aiusage_limits");
}

void
aiu_quota_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

static void
make_key(const AiuCharge *charge, AiuCounterKey *key)
{
	key->database = MyDatabaseId;
	key->books = aiu_catalog_usage_record();
	key->quota = charge->def->quota;
	key->unused = 0;
	key->subject[0] = charge->subject[0];
	key->subject[1] = charge->subject[1];
	key->window = charge->def->sliding ? 0 : charge->window;
}

/* The subject is a hash already, of the quota too. */
static uint32
hash_key(const AiuCounterKey *key)
{
	return murmurhash32((uint32) key->subject[0] ^ (uint32) key->window ^
						(uint32) (key->window >> 32) * 31 ^ key->database * 37 ^ key->books * 41);
}

static inline LWLock *
partition_lock(uint32 hash)
{
	return &aiu_quota_table->partitions[hash % AIU_COUNTER_PARTITIONS].lock;
}

/* The chain of a hash; buckets of one partition differ by multiples of the partitions. */
static inline int32 *
chain(uint32 hash)
{
	return &buckets[hash & (aiu_quota_table->nbuckets - 1)];
}

bool
aiu_counter_matches(const AiuCounter *counter, const AiuCharge *charge, Oid books)
{
	const AiuCounterKey *key = &counter->key;

	return counter->state != AIU_COUNTER_FREE &&
		key->subject[0] == charge->subject[0] && key->subject[1] == charge->subject[1] &&
		key->window == (charge->def->sliding ? 0 : charge->window) &&
		key->quota == charge->def->quota &&
		key->database == MyDatabaseId && key->books == books;
}

TimestampTz
aiu_counter_drop_after(const AiuCharge *charge)
{
	if (TIMESTAMP_NOT_FINITE(charge->window_ends))
		return DT_NOEND;
	return charge->window_ends + (charge->def->by_event_time || charge->def->window == AIU_WINDOW_PERIOD ?
								  GRACE_EVENT_TIME : GRACE_SERVER_TIME);
}

/*
 * Counters have become EMPTY: their rows are of transactions that ended
 * before the next one to be assigned.
 */
void
aiu_quota_raise_boundary(void)
{
	int64		next = (int64) U64FromFullTransactionId(ReadNextFullTransactionId());

	SpinLockAcquire(&aiu_quota_table->mutex);
	if (aiu_quota_table->evicted_boundary < next)
		aiu_quota_table->evicted_boundary = next;
	aiu_quota_table->evictions++;
	SpinLockRelease(&aiu_quota_table->mutex);
}

static int32
search_chain(const AiuCounterKey *key, uint32 hash)
{
	int32		i = *chain(hash);

	while (i >= 0 && memcmp(&aiu_quota_counters[i].key, key, sizeof(AiuCounterKey)) != 0)
		i = aiu_quota_counters[i].next;
	return i;
}

static void
unlink_counter(int32 index)
{
	int32	   *link = chain(aiu_quota_counters[index].hash);

	while (*link != index)
		link = &aiu_quota_counters[*link].next;
	*link = aiu_quota_counters[index].next;
}

/*
 * Take one counter out of use, if nobody needs it.  The table's lock is held,
 * so nobody else links or frees it.
 */
static bool
evict(int32 index, bool window_is_over)
{
	AiuCounter *counter = &aiu_quota_counters[index];
	LWLock	   *partition = partition_lock(counter->hash);
	bool		done = false;
	bool		was_ready = false;

	LWLockAcquire(partition, LW_EXCLUSIVE);
	LWLockAcquire(&counter->lock, LW_EXCLUSIVE);
	/* linked since we looked at it, perhaps, and of another partition */
	if (counter->state != AIU_COUNTER_FREE && partition == partition_lock(counter->hash) &&
		counter->pins == 0 && counter->held == 0)
	{
		was_ready = counter->state == AIU_COUNTER_READY;
		aiu_counter_write_begin(counter);
		counter->state = AIU_COUNTER_FREE;
		aiu_counter_write_end(counter);
		done = true;
	}
	LWLockRelease(&counter->lock);
	if (done)
	{
		unlink_counter(index);
		/* before the partition is free: whoever makes this counter anew must see it */
		if (was_ready && !window_is_over)
			aiu_quota_raise_boundary();
		counter->next = aiu_quota_table->free_head;
		aiu_quota_table->free_head = index;
		aiu_quota_table->nfree++;
	}
	LWLockRelease(partition);
	return done;
}

/* The table's lock is held.  Looks without the counters' locks; evict() looks again. */
static void
evict_some(TimestampTz now)
{
	int			n = aiu_quota_table->ncounters;
	int			wanted = Max(n / 64, 1);
	int			steps;
	int			dropped = 0;
	int32		i;

	for (i = 0; i < n; i++)
	{
		AiuCounter *counter = &aiu_quota_counters[i];

		if (counter->state != AIU_COUNTER_FREE && counter->pins == 0 && counter->drop_after < now && evict(i, true))
			dropped++;
	}
	SpinLockAcquire(&aiu_quota_table->mutex);
	aiu_quota_table->drops += dropped;
	if (aiu_quota_table->latest < now)
		aiu_quota_table->latest = now;
	SpinLockRelease(&aiu_quota_table->mutex);
	if (dropped > 0)
		return;

	/* twice around: the first time may only find counters that were used */
	for (steps = 0; steps < 2 * n && wanted > 0; steps++)
	{
		AiuCounter *counter;

		i = aiu_quota_table->hand;
		aiu_quota_table->hand = i + 1 < n ? i + 1 : 0;
		counter = &aiu_quota_counters[i];
		if (counter->state == AIU_COUNTER_FREE || counter->pins > 0 || counter->held != 0)
			continue;
		if (counter->used)
			counter->used = false;
		else if (evict(i, false))
			wanted--;
	}
}

static int32
take_free(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int32		index;

	LWLockAcquire(&aiu_quota_table->lock, LW_EXCLUSIVE);
	if (aiu_quota_table->free_head < 0)
		evict_some(now);
	index = aiu_quota_table->free_head;
	if (index >= 0)
	{
		aiu_quota_table->free_head = aiu_quota_counters[index].next;
		aiu_quota_table->nfree--;
	}
	LWLockRelease(&aiu_quota_table->lock);
	return index;
}

static void
give_back(int32 index)
{
	LWLockAcquire(&aiu_quota_table->lock, LW_EXCLUSIVE);
	aiu_quota_counters[index].next = aiu_quota_table->free_head;
	aiu_quota_table->free_head = index;
	aiu_quota_table->nfree++;
	LWLockRelease(&aiu_quota_table->lock);
}

/* The partition's lock is held; the counter came from the free list. */
static void
link_counter(int32 index, const AiuCounterKey *key, uint32 hash, const AiuCharge *charge)
{
	AiuCounter *counter = &aiu_quota_counters[index];

	LWLockAcquire(&counter->lock, LW_EXCLUSIVE);
	aiu_counter_write_begin(counter);
	counter->key = *key;
	counter->hash = hash;
	counter->committed = counter->reserved = counter->held = 0;
	counter->limit = counter->alert_at = 0;
	counter->last_used = 0;
	counter->drop_after = aiu_counter_drop_after(charge);
	counter->alert_shape = 0;
	counter->alerted = 0;
	counter->sliding = charge->def->sliding;
	counter->used = true;
	counter->ring_head = 0;
	counter->alert_epoch = 0;
	memset(counter->ring, 0, sizeof(counter->ring));
	counter->state = AIU_COUNTER_EMPTY;
	aiu_counter_write_end(counter);
	LWLockRelease(&counter->lock);
	counter->next = *chain(hash);
	*chain(hash) = index;
}

/* The slow way: in the chains, or made now. */
static int32
find_or_create(const AiuCounterKey *key, uint32 hash, const AiuCharge *charge)
{
	LWLock	   *partition = partition_lock(hash);
	int32		index;
	int32		fresh;

	LWLockAcquire(partition, LW_SHARED);
	index = search_chain(key, hash);
	LWLockRelease(partition);
	if (index >= 0)
		return index;

	fresh = take_free();
	if (fresh < 0)
		return -1;
	LWLockAcquire(partition, LW_EXCLUSIVE);
	index = search_chain(key, hash);
	if (index < 0)
		link_counter(fresh, key, hash, charge);
	LWLockRelease(partition);
	if (index < 0)
		return fresh;
	give_back(fresh);			/* somebody was faster */
	return index;
}

AiuCounter *
aiu_counter_find(AiuCharge *charge)
{
	AiuCounterKey key;
	uint32		hash;
	int32	   *cached;

	if (charge->counter >= 0 &&
		aiu_counter_matches(&aiu_quota_counters[charge->counter], charge, aiu_catalog_usage_record()))
		return &aiu_quota_counters[charge->counter];

	if (unlikely(cache == NULL))
	{
		cache = MemoryContextAlloc(TopMemoryContext, sizeof(int32) * CACHE_SIZE);
		memset(cache, 0, sizeof(int32) * CACHE_SIZE);
	}
	make_key(charge, &key);
	hash = hash_key(&key);
	/* any index is a valid guess: the key is compared */
	cached = &cache[hash % CACHE_SIZE];
	if (aiu_quota_counters[*cached].state == AIU_COUNTER_FREE ||
		memcmp(&aiu_quota_counters[*cached].key, &key, sizeof(key)) != 0)
	{
		int32		index = find_or_create(&key, hash, charge);

		if (index < 0)
			return NULL;
		*cached = index;
	}
	charge->counter = *cached;
	return &aiu_quota_counters[*cached];
}

bool
aiu_counter_held(int32 quota, const uint64 subject[2], int64 window, int128 *held)
{
	AiuCounterKey key = {MyDatabaseId, aiu_catalog_usage_record(), quota, 0, {subject[0], subject[1]}, window};
	uint32		hash = hash_key(&key);
	LWLock	   *partition = partition_lock(hash);
	bool		ready = false;
	int32		index;

	LWLockAcquire(partition, LW_SHARED);
	index = search_chain(&key, hash);
	if (index >= 0)
	{
		AiuCounter *counter = &aiu_quota_counters[index];

		LWLockAcquire(&counter->lock, LW_SHARED);
		ready = counter->state == AIU_COUNTER_READY;
		*held = counter->held;
		LWLockRelease(&counter->lock);
	}
	LWLockRelease(partition);
	return ready;
}

/* Without preload there is no shared memory, and so no transaction with reservations. */
void
aiu_quota_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	aiu_quota_shmem_init();
	aiu_quota_xact_init();
}
