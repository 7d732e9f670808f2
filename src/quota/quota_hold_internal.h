/*-------------------------------------------------------------------------
 *
 * quota_hold_internal.h
 *	  Holds: room that admission has taken of limits before the request is
 *	  made, in shared memory.
 *
 * A hold is open until it is settled, released or expires.  While it is, its
 * rest is in the `held` of its counters, and each of them is pinned by it.
 *
 * Who guards what: a hold's partition guards its contents and its chain; the
 * table's lock guards the free list and the list of books.  Lock order: table
 * -> partition of holds -> one counter.  (Admission holds several counters'
 * locks and no partition: the hold is not linked yet.)
 *
 * A hold that was settled or released stays as a stone (CLOSED) until it would
 * have expired, so that it cannot be used again.
 *
 * A transaction that names a hold (a row, an extension, a release) claims it
 * until it ends; another one that names it then waits for that end, as for a
 * key of a unique index.  So what is done to one hold is done by one
 * transaction after another, and what an abort takes back was nobody else's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_QUOTA_HOLD_INTERNAL_H
#define AIU_QUOTA_HOLD_INTERNAL_H

#include "storage/lock.h"

#include "quota/quota_engine_internal.h"

#define AIU_HOLD_PARTITIONS		16
/* Databases that have holds at a time. */
#define AIU_HOLD_BOOKS			64
/* Bytes kept of what was admitted, for extend_hold(). */
#define AIU_HOLD_TERMS			768

typedef enum AiuHoldStatus
{
	AIU_HOLD_FREE,
	AIU_HOLD_OPEN,
	AIU_HOLD_CLOSED
} AiuHoldStatus;

typedef struct AiuHoldCharge
{
	int32		quota;
	int32		counter;		/* pinned by the hold; -1: not loaded since the hold was read from the books */
	uint64		subject[2];
	int64		window;			/* as in the counter's key */
	int128		total;			/* held at first and by extensions */
	int128		rest;			/* of it, what is in the counter's held */
} AiuHoldCharge;

typedef struct AiuHold
{
	pg_uuid_t	id;
	Oid			database;
	Oid			books;
	uint32		status;
	int32		next;			/* in the chain, or the free list; -1: last */
	TimestampTz created_at;
	TimestampTz expires_at;
	TimestampTz given_at;		/* when it was given its ttl, at last */
	VirtualTransactionId claimant;	/* the open transaction that has it; invalid: none */
	bool		closing;		/* the claimant settles or releases it */
	bool		drawing;		/* the claimant draws on it */
	bool		durable;
	uint8		ncharges;
	int16		nterms;			/* bytes of terms; -1: they were too long */
	int128		cost;			/* estimate, 1e-12 of currency; -1: none */
	AiuCurrency currency;
	AiuHoldCharge charges[AIU_QUOTA_MAX];
	char		terms[AIU_HOLD_TERMS];
} AiuHold;

typedef struct AiuHoldBooks
{
	Oid			database;
	Oid			books;
	uint32		state;			/* AiuCounterState: EMPTY, LOADING, READY */
} AiuHoldBooks;

typedef struct AiuHoldTable
{
	int			nholds;
	int			nbuckets;
	LWLock		lock;
	int32		free_head;
	int32		nfree;
	ConditionVariable loaded;
	pg_atomic_uint64 next_expiry;	/* no open hold expires before */
	pg_atomic_uint64 latest;		/* nor was one given its ttl after; a clock that is behind it was set back */
	LWLock		sweep_lock;		/* of whoever frees what has expired */
	pg_atomic_uint32 sweeping;	/* somebody does */
	pg_atomic_uint32 next_nonce;	/* ids of one millisecond differ in it */
	pg_atomic_uint32 restored;	/* holds were read from the books since the start: some may wait for their counters */
	uint64		swept;			/* expired holds so far; the table's lock */
	AiuHoldBooks books[AIU_HOLD_BOOKS];
	LWLockPadded partitions[AIU_HOLD_PARTITIONS];
} AiuHoldTable;

extern AiuHoldTable *aiu_hold_table;
extern AiuHold *aiu_holds;

/*---- quota_hold_shmem.c ----*/

extern Size aiu_hold_memory_size(void);
/* Place the table in memory of that size; fresh: initialise it. */
extern void aiu_hold_attach_memory(char *memory, bool fresh, int tranche);

/* A hold to fill in; -1: all are in use.  It belongs to nobody else until linked or given back. */
extern int32 aiu_hold_take(TimestampTz now);
extern void aiu_hold_give_back(int32 index);
/* false: the id is taken, and the hold was given back with all it held */
extern bool aiu_hold_link(int32 index);
/* Copy of the hold of these books with this id; false: there is none in memory. */
extern int32 aiu_hold_find(const pg_uuid_t *id, AiuHold *copy);
/* End a hold: its rest is given back.  tombstone: it stays, closed.  false: it is another's or closed already. */
extern bool aiu_hold_close(int32 index, const pg_uuid_t *id, bool tombstone);
/* Take from what is held, and from the counters. */
extern void aiu_hold_draw(int32 index, const pg_uuid_t *id, const int128 *amounts, int namounts);
/* Add to, or (negative) take back from, a hold what an extension held; counters: of its counters too. */
extern bool aiu_hold_grow(int32 index, const pg_uuid_t *id, const int128 *amounts, int namounts, bool counters,
						  TimestampTz given_at, TimestampTz expires_at, int128 cost);

typedef enum AiuHoldClaim
{
	AIU_CLAIM_NONE,				/* it is not open */
	AIU_CLAIM_NEW,
	AIU_CLAIM_OURS,				/* this transaction had it already */
	AIU_CLAIM_OTHERS			/* another transaction has it */
} AiuHoldClaim;

/*
 * Claim a hold for a transaction.  copy: the hold, when there is one (its
 * index is returned); over: a transaction that has ended, whatever the hold says.
 */
extern int32 aiu_hold_try_claim(const pg_uuid_t *id, VirtualTransactionId claimant, VirtualTransactionId over,
								TimestampTz now, AiuHold *copy, AiuHoldClaim *result);
extern void aiu_hold_unclaim(int32 index, const pg_uuid_t *id);
/* Of the claimant: what it does to the hold, or does not after all. */
extern void aiu_hold_set_closing(int32 index, const pg_uuid_t *id, bool closing);
extern void aiu_hold_set_drawing(int32 index, const pg_uuid_t *id);
/* What an extension held for a hold that was gone then. */
extern void aiu_hold_take_back(const AiuCharge *charges, const int128 *amounts, int ncharges);
/* A hold of which the clock says that it is yet to be made: its time to live counts from now. */
extern void aiu_hold_obey_clock(AiuHold *hold, TimestampTz now);
/* Free what has expired; cheap when nothing has.  by_another (may be NULL): another session did so meanwhile. */
extern int	aiu_hold_sweep(TimestampTz now, bool *by_another);
/* A counter is being loaded: holds that were read from the books take it for theirs. */
extern void aiu_hold_adopt(AiuCounter *counter);

/*---- quota_hold_xact.c ----*/

typedef enum AiuHoldDeed
{
	AIU_DEED_ADMIT,				/* undone by an abort */
	AIU_DEED_CLAIM,				/* over at the end */
	AIU_DEED_EXTEND,			/* undone by an abort */
	AIU_DEED_DRAW,				/* done at commit */
	AIU_DEED_CLOSE				/* done at commit */
} AiuHoldDeed;

extern void aiu_hold_make_room(void);
/* Room was made: cannot fail. */
extern void aiu_hold_note(AiuHoldDeed deed, int32 index, const pg_uuid_t *id, const int128 *amounts, int namounts);
/* before: as it is, for an abort */
extern void aiu_hold_note_extension(int32 index, const AiuHold *before, const int128 *amounts, int namounts);
extern bool aiu_hold_noted(void);
/*
 * Claim an open hold for this transaction; waits for another one that has it.
 * Its index and a copy, claimed when it is open and has not expired; -1: there is none.
 */
extern int32 aiu_hold_claim(const pg_uuid_t *id, AiuHold *copy);
/* Has this transaction settled or released it?  Others see that at its commit. */
extern bool aiu_hold_closed_here(const pg_uuid_t *id);
/* What rows of this transaction have drawn on a hold so far. */
extern void aiu_hold_drawn_here(const AiuHold *hold, int128 *amounts);
extern void aiu_hold_end_xact(bool commit);
extern void aiu_hold_end_subxact(bool commit, int level);

/*---- quota_hold_books.c ----*/

/*
 * Durable holds of these books are in memory; reads them when they are not.
 * When that cannot be had: UA503 (must), or false.
 */
extern bool aiu_hold_load_books(bool must);
extern void aiu_hold_insert_durable(const AiuHold *hold, const AiuHoldRequest *request);
/* hold: as it is but for what is drawn (NULL: nothing) in this transaction */
extern void aiu_hold_update_durable(const AiuHold *hold, const int128 *drawn, const char *status);

/* What durable holds have of a counter, as the statement's snapshot sees it. */
extern int128 aiu_hold_durable_of(int32 quota, const pg_uuid_t *subject, int64 window);

/*---- quota_admit.c ----*/

/* Copies; false: they were too long to keep. */
extern bool aiu_hold_unpack_terms(const AiuHold *hold, AiuLabel *terms, int nterms);
extern void aiu_hold_pack_terms(AiuHold *hold, const AiuLabel *terms, int nterms);
/* What is held that the row will free: the part it draws, or all when it is the last. */
extern void aiu_hold_own_rest(const pg_uuid_t *id, const AiuCharge *charges, int ncharges, bool last, int128 *rest);
extern void aiu_hold_draw_row(const pg_uuid_t *id, const AiuCharge *charges, int ncharges, bool last);

/*---- quota_hold_id.c ----*/

extern void aiu_hold_make_id(const AiuLabel *key, TimestampTz expires_at, pg_uuid_t *id);
extern bool aiu_hold_id_genuine(const pg_uuid_t *id, const AiuLabel *key);

/*---- quota_reserve.c ----*/

/* Hold what the charges ask for: all, or nothing.  Pins a counter for each charge that is held. */
extern AiuReserveResult aiu_quota_hold(AiuCharge *charges, int ncharges, const uint8 *places, const int128 *limits,
									   bool pin, TimestampTz now, AiuRefusal *refusal);

#endif							/* AIU_QUOTA_HOLD_INTERNAL_H */
