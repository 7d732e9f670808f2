/*-------------------------------------------------------------------------
 *
 * quota_engine_internal.h
 *	  Counters in shared memory: what the files of the engine share.
 *
 * README.md in this folder says who guards what, in which order locks are
 * taken, and why the counters are exact.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_QUOTA_ENGINE_INTERNAL_H
#define AIU_QUOTA_ENGINE_INTERNAL_H

#include "common/compat.h"
#include "port/atomics.h"
#include "quota/quota_internal.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

#define AIU_COUNTER_PARTITIONS	32

/* The current sub-bucket and those before it. */
#define AIU_RING_SIZE			(AIU_QUOTA_RING + 1)

/* Bit of `alerted` beside AIU_ALERT_OVER: a row was booked that could not be checked. */
#define AIU_ALERT_UNCHECKED		(AIU_ALERT_OVER << 1)

#define AIU_INT128_MAX			((int128) ((((uint128) 1) << 127) - 1))

typedef enum AiuCounterState
{
	AIU_COUNTER_FREE,			/* not linked; on the free list, or about to be linked */
	AIU_COUNTER_EMPTY,			/* nothing is known yet */
	AIU_COUNTER_LOADING,		/* one backend reads the books */
	AIU_COUNTER_READY
} AiuCounterState;

typedef struct AiuCounterKey
{
	Oid			database;
	Oid			books;			/* OID of aiusage.usage_record */
	int32		quota;
	int32		unused;			/* 0: keys are compared bytewise */
	uint64		subject[2];
	int64		window;			/* sliding: 0 */
} AiuCounterKey;

/* A counter's own lock guards all of it but hash and next: those are the partition's. */
typedef struct AiuCounter
{
	LWLock		lock;
	pg_atomic_uint32 version;	/* odd while somebody writes; for readers without the lock */
	uint32		state;
	AiuCounterKey key;			/* changes with the partition's lock held too */
	int128		committed;
	int128		reserved;		/* of transactions in flight */
	int128		held;			/* open holds */
	int128		limit;			/* as last seen, with the thresholds' checksum: is alert_at stale? */
	int128		alert_at;		/* committed + reserved at which somebody must be told */
	TimestampTz last_used;
	TimestampTz drop_after;		/* from then on nothing counts here any more */
	uint32		alert_shape;
	uint32		alerted;		/* bits of thresholds that were told; AIU_ALERT_OVER */
	int32		pins;			/* backends with entries of it in their journals, or loading it */
	uint32		hash;
	int32		next;			/* in the chain of the partition, or the free list; -1: last */
	bool		sliding;
	bool		used;			/* since the clock hand came by */
	int64		ring_head;		/* number of the newest sub-bucket */
	int64		alert_epoch;	/* sliding: alerts are told once a window's length */
	int128		ring[AIU_RING_SIZE];	/* of sub-bucket n at n modulo AIU_RING_SIZE; adds up to committed */
	ConditionVariable loaded;	/* LOADING has ended */
} AiuCounter;

/* Refusals of one kind, counted until they are written to quota_event. */
#define AIU_DENIALS				1024
#define AIU_DENIAL_TEXT			160

typedef struct AiuDenial
{
	int64		count;			/* 0: the entry is free */
	Oid			database;
	Oid			books;
	int32		quota;
	int32		sqlstate;
	int32		slot;			/* in a copy: where it came from */
	uint64		subject[2];
	int64		window;
	TimestampTz first;
	TimestampTz last;
	int128		used;			/* of the last one */
	int128		asked;
	int128		limit;
	char		key[AIU_LABEL_MAX + 1];
	char		subject_text[AIU_DENIAL_TEXT];
} AiuDenial;

typedef struct AiuQuotaTable
{
	int			tranche;
	int			ncounters;
	int			nbuckets;		/* a power of two, at least as many as partitions */
	LWLock		lock;			/* the free list and the clock hand */
	int32		free_head;
	int32		nfree;
	int32		hand;
	LWLock		denial_lock;	/* denials, and what was denied when they ran out */
	int64		denials_unnamed;
	slock_t		mutex;			/* everything below */
	int64		evicted_boundary;	/* 0: nothing was loaded since the start */
	uint64		evictions;		/* counters that became EMPTY after having been READY */
	uint64		drops;			/* counters that left because their window was over */
	uint64		loads;
	uint64		load_failures;
	uint64		denied;
	TimestampTz latest;			/* latest time seen: the clock may step back */
	int32		uncounted;		/* transactions in flight with rows that no counter knows */
	uint64		uncounted_ended;	/* such transactions that have ended */
	LWLockPadded partitions[AIU_COUNTER_PARTITIONS];
} AiuQuotaTable;

/* NULL when the library was not preloaded. */
extern AiuQuotaTable *aiu_quota_table;
extern AiuCounter *aiu_quota_counters;
extern AiuDenial *aiu_quota_denials;

/*---- quota_shmem.c ----*/

extern void aiu_quota_shmem_init(void);
extern Size aiu_quota_memory_size(void);
/* The counter of a charge, made when there is none; NULL: all are in use.  No lock is held afterwards. */
extern AiuCounter *aiu_counter_find(AiuCharge *charge);
/*
 * Is this, of which a lock is held, still the charge's counter?  books:
 * aiu_catalog_usage_record(), asked before, for it may look into catalogues.
 */
extern bool aiu_counter_matches(const AiuCounter *counter, const AiuCharge *charge, Oid books);
/* What open holds have of a counter, by its key; false: it is not loaded. */
extern bool aiu_counter_held(int32 quota, const uint64 subject[2], int64 window, int128 *held);
extern void aiu_quota_raise_boundary(void);
/* When nothing counts in the charge's window any more. */
extern TimestampTz aiu_counter_drop_after(const AiuCharge *charge);

/* Writers: the counter's lock is held. */
static inline void
aiu_counter_write_begin(AiuCounter *counter)
{
	pg_atomic_write_u32(&counter->version, pg_atomic_read_u32(&counter->version) + 1);
	pg_write_barrier();
}

static inline void
aiu_counter_write_end(AiuCounter *counter)
{
	pg_write_barrier();
	pg_atomic_write_u32(&counter->version, pg_atomic_read_u32(&counter->version) + 1);
}

/* The number of a sliding charge's sub-bucket. */
static inline int64
aiu_charge_bucket(const AiuCharge *charge)
{
	int64		sub = charge->def->sub_usec;
	int64		bucket = charge->window / sub;

	return bucket * sub > charge->window ? bucket - 1 : bucket;
}

/*
 * The window that alerts are told once in: the charge's; of a sliding limit,
 * the first sub-bucket of the window's length that this one belongs to.
 */
static inline int64
aiu_charge_alert_window(const AiuCharge *charge)
{
	if (!charge->def->sliding)
		return charge->window;
	return charge->window - (aiu_charge_bucket(charge) % AIU_QUOTA_RING) * charge->def->sub_usec;
}

static inline int
aiu_ring_slot(int64 bucket)
{
	int			slot = (int) (bucket % AIU_RING_SIZE);

	return slot < 0 ? slot + AIU_RING_SIZE : slot;
}

/*---- quota_reserve.c ----*/

/* What a refused charge found. */
typedef struct AiuRefusal
{
	int			index;			/* of the charge */
	int128		used;			/* committed */
	int128		reserved;
	int128		held;
	int128		limit;
	TimestampTz room_at;		/* sliding: when enough has left the window; else when the window ends */
} AiuRefusal;

/* Thresholds that a row crossed. */
typedef struct AiuCrossing
{
	int			index;			/* of the charge */
	uint32		alerts;
	int128		used;
	int128		limit;
} AiuCrossing;

typedef enum AiuReserveResult
{
	AIU_RESERVED,
	AIU_REFUSED,				/* nothing was reserved */
	AIU_NOT_READY,				/* nothing was reserved; counters must be loaded first */
	AIU_WOULD_CROSS,			/* nothing was reserved: somebody must be told, and the caller has no crossings */
	AIU_TOO_LARGE				/* nothing was reserved: 128 bits do not hold the sum */
} AiuReserveResult;

/* A charge's place in the engine's decision. */
typedef enum AiuPlace
{
	AIU_PLACE_NOTHING,			/* asks for nothing */
	AIU_PLACE_COUNTER,
	AIU_PLACE_UNCOUNTED			/* booked, though its counter cannot be had */
} AiuPlace;

/*
 * All or nothing.  limits[i]: in force for charge i.  crossings has room for
 * AIU_QUOTA_MAX, or is NULL: then nothing is reserved that crosses a threshold.
 */
extern AiuReserveResult aiu_quota_reserve(AiuCharge *charges, int ncharges, const uint8 *places,
										  const int128 *limits, AiuQuotaMode mode, TimestampTz now,
										  AiuRefusal *refusal, AiuCrossing *crossings, int *ncrossings);
/* What a counter says, without reserving or locking; false: not READY, or not this charge's any more. */
extern bool aiu_quota_look(const AiuCharge *charge, int128 limit, AiuRefusal *seen);
/* Under the counter's lock and version: move the ring's head to the sub-bucket. */
extern void aiu_counter_advance(AiuCounter *counter, int64 bucket);

/* The smallest use that is at least this part of the limit. */
static inline int128
aiu_threshold_amount(int128 limit, int percent)
{
	return limit / 100 * percent + (limit % 100 * percent + 99) / 100;
}

/* Does the limit refuse rows at all? */
static inline bool
aiu_quota_refuses(const AiuQuotaDef *def)
{
	return def->action != AIU_QUOTA_FLAG;
}

/*---- quota_xact.c ----*/

extern void aiu_quota_xact_init(void);
/* Make room for n more entries; the only step of the journal that can fail. */
extern void aiu_journal_make_room(int n);
/* Under the counter's lock: note what was added to it.  amount < 0 is a credit. */
extern void aiu_journal_note(AiuCounter *counter, int64 bucket, int128 amount, uint32 alerts);
/* This transaction books a row that a counter does not know of. */
extern void aiu_journal_note_uncounted(void);
extern bool aiu_journal_has_uncounted(void);

/*---- quota_load.c ----*/

typedef enum AiuLoadResult
{
	AIU_LOAD_READY,
	AIU_LOAD_GONE,				/* evicted meanwhile: find it again */
	AIU_LOAD_TIMEOUT
} AiuLoadResult;

extern AiuLoadResult aiu_counter_load(AiuCounter *counter, const AiuCharge *charge);

/*---- quota_deny.c ----*/

extern int	aiu_quota_sqlstate(const AiuQuotaDef *def);
/* Count a refusal, to be written to quota_event later. */
extern void aiu_quota_note_denial(const AiuCharge *charge, int sqlstate, const AiuLabel *key, const char *subject,
								  int128 used, int128 limit);
/* What was refused, in a sentence. */
extern char *aiu_quota_refusal_text(const AiuCharge *charge, const char *subject, const AiuRefusal *refusal);

/* subject: whom the charge counts for, for people */
pg_noreturn extern void aiu_quota_deny(const AiuCharge *charge, const AiuLabel *key, const char *subject,
										 const AiuRefusal *refusal, TimestampTz now);
pg_noreturn extern void aiu_quota_deny_uncheckable(const AiuCharge *charge, const AiuQuotaFacts *facts,
												   const char *subject);
pg_noreturn extern void aiu_quota_deny_clock(const AiuCharge *charge);
pg_noreturn extern void aiu_quota_deny_not_loaded(const AiuCharge *charge, const char *subject, bool full);
pg_noreturn extern void aiu_quota_deny_not_preloaded(const AiuCharge *charge);
/* Is the row in the ledger already?  Then it is a replay. */
extern bool aiu_quota_is_booked(const pg_uuid_t *id);

/*---- quota_alert.c ----*/

/* Write what was crossed to quota_event, in this transaction. */
extern void aiu_quota_alert(const AiuCharge *charge, const AiuCrossing *crossing, const AiuLabel *key,
							const char *subject);

/*---- quota_memory.c ----*/

/* A subject as the uuid that the books know it by. */
extern void aiu_quota_subject_uuid(const uint64 subject[2], pg_uuid_t *uuid);
/* Has this transaction written denials? */
extern bool aiu_quota_flushing(void);
/* The transaction has ended: denials that it wrote are taken off. */
extern void aiu_quota_end_flush(bool commit);

/*---- quota_row.c ----*/

/* What a row's charges are called, made when somebody needs it, or before that becomes impossible. */
typedef struct AiuWords
{
	const AiuQuotaFacts *facts;
	char	   *subject[AIU_QUOTA_MAX];
	bool		made;
} AiuWords;

extern const char *aiu_quota_subject_name(AiuWords *words, const AiuCharge *charges, int ncharges, int index);
/*
 * See that the charge's counter is there and loaded.  words NULL: only if it
 * is; else whoever may be refused is refused (UA503) when it cannot be had.
 */
extern bool aiu_quota_place(AiuCharge *charges, int ncharges, int index, AiuQuotaMode mode, AiuWords *words,
							uint8 *where);
extern void aiu_quota_find_limits(const AiuCharge *charges, int ncharges, TimestampTz now, int128 *limits);
/* The transaction, or a subtransaction, has ended: what waits for AFTER is void. */
extern void aiu_quota_forget_rows(void);

#endif							/* AIU_QUOTA_ENGINE_INTERNAL_H */
