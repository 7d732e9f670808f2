/*-------------------------------------------------------------------------
 *
 * quota_internal.h
 *	  What the files of this area share: what a limit is, what a row is to
 *	  limits, and what a row charges.
 *
 * A counter is what the committed rows of one (quota, subject, window) add up
 * to.  Amounts are 128-bit integers of 1e-12 of the metric: of the currency
 * for spend, of a request, a token, a unit otherwise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_QUOTA_INTERNAL_H
#define AIU_QUOTA_INTERNAL_H

#include "lib/stringinfo.h"
#include "quota/quota.h"

/* The most limits that one row may count against. */
#define AIU_QUOTA_MAX			16
/* Sub-buckets of a sliding window that are summed beside the current one. */
#define AIU_QUOTA_RING			12
#define AIU_QUOTA_THRESHOLDS	8

/* Amounts are at 1e-12, as money is. */
#define AIU_QUOTA_SCALE			AIU_AMOUNT_SCALE
#define AIU_QUOTA_DECIMALS		AIU_AMOUNT_DECIMALS

typedef enum AiuQuotaAction
{
	AIU_QUOTA_REJECT,
	AIU_QUOTA_THROTTLE,
	AIU_QUOTA_DEGRADE,
	AIU_QUOTA_REROUTE,
	AIU_QUOTA_APPROVE,
	AIU_QUOTA_FLAG				/* never refuses */
} AiuQuotaAction;

typedef enum AiuQuotaMetric
{
	AIU_QUOTA_SPEND,
	AIU_QUOTA_REQUESTS,
	AIU_QUOTA_TOKENS,			/* input and output */
	AIU_QUOTA_UNIT,				/* one unit, by name */
	AIU_QUOTA_ERRORS,			/* requests whose status is not success */
	AIU_QUOTA_CONCURRENCY		/* open holds; rows charge nothing */
} AiuQuotaMetric;

typedef enum AiuQuotaWindow
{
	AIU_WINDOW_MINUTE,
	AIU_WINDOW_HOUR,
	AIU_WINDOW_DAY,
	AIU_WINDOW_WEEK,
	AIU_WINDOW_MONTH,
	AIU_WINDOW_INTERVAL,
	AIU_WINDOW_PERIOD,			/* invoice period */
	AIU_WINDOW_TOTAL
} AiuQuotaWindow;

/* A raise of a limit for a time; whole (every subject) or of one subject. */
typedef struct AiuQuotaOverride
{
	TimestampTz from;
	TimestampTz until;			/* exclusive */
	bool		is_raise;		/* amount is added to the limit; else it is a limit of its own */
	bool		has_subject;
	uint64		subject[2];
	int128		amount;
} AiuQuotaOverride;

struct AiuQuotaMatch;			/* scope and subject, quota_charge.c */
struct AiuQuotaClock;			/* the windows' arithmetic, quota_window.c */

/*
 * One active limit, read-only.  Belongs to the configuration cache: it lives
 * until the end of the transaction at least, also when the cache starts over
 * meanwhile (aiu_quota_generation() then changes).
 */
typedef struct AiuQuotaDef
{
	int32		quota;
	int32		epoch;			/* part of every subject: another one, other counters */
	const char *name;
	AiuQuotaMetric metric;
	const char *metric_name;	/* what is counted, for messages: "USD", "requests", "input_tokens" */
	int			unit;			/* registry code, or 0 for a custom unit */
	const char *unit_name;
	int			unit_namelen;
	AiuCurrency currency;		/* spend */
	AiuQuotaAction action;
	bool		wallet;
	int128		limit;			/* without overrides */
	int			noverrides;
	const AiuQuotaOverride *overrides;
	AiuQuotaWindow window;
	bool		sliding;
	int64		sub_usec;		/* sliding: length of a sub-bucket, else 0 */
	bool		by_event_time;	/* a day or longer, and fixed */
	bool		unpriced_allowed;
	bool		exempt_free;
	int			nthresholds;
	int16		thresholds[AIU_QUOTA_THRESHOLDS];	/* percent, ascending */
	uint32		alert_shape;	/* a checksum of the thresholds */
	TimestampTz published_at;
	TimestampTz kept_from;		/* windows that ended by then are not in the books */
	int64		published_boundary;	/* rows of a smaller txid were booked before it was known */
	const char *degrade_to;
	const char *reroute_to;
	const char *notify;
	struct AiuQuotaMatch *match;
	struct AiuQuotaClock *clock;
} AiuQuotaDef;

typedef struct AiuCharge
{
	const AiuQuotaDef *def;
	uint64		subject[2];
	int64		window;			/* start, in microseconds of PostgreSQL's epoch; invoice period; 0: total; sliding: start of the sub-bucket */
	TimestampTz window_ends;	/* DT_NOEND: never; sliding: when the sub-bucket leaves the window */
	int128		amount;			/* 0 when uncheckable */
	bool		uncheckable;	/* spend in another currency, or unpriced where that is not allowed */
	int32		counter;		/* the engine's: where the counter was found last, -1: not looked up */
	uint8		part;			/* of the plan that it is of */
} AiuCharge;

/*---- quota_config.c ----*/

/* Definitions of another generation may be gone when the transaction is.  Listens for invalidations; cheap. */
extern uint64 aiu_quota_generation(void);
/* Active limits, in no order; NULL and 0 when there are none. */
extern const AiuQuotaDef *const *aiu_quota_defs(int *ndefs);
/* One active limit by number, or NULL. */
extern const AiuQuotaDef *aiu_quota_def(int32 quota);
/* The limit in force for a subject: greatest(limit + raises, limits of overrides). */
extern int128 aiu_quota_limit(const AiuQuotaDef *def, const uint64 subject[2], TimestampTz at);

/*---- quota_charge.c ----*/

/*
 * What the row charges, at most AIU_QUOTA_MAX charges; returns how many.  A
 * pure function of the facts and the definitions (counter is a guess).  On warm
 * caches no query and no catalogue look-up.  53400 when more limits than that
 * apply.
 */
extern int	aiu_quota_charges(const AiuQuotaFacts *facts, AiuCharge *charges);
/* The same; -1 instead of the error. */
extern int	aiu_quota_charges_if_few(const AiuQuotaFacts *facts, AiuCharge *charges);
/* The same of one limit only; false when it does not apply. */
extern bool aiu_quota_charge_of(const AiuQuotaDef *def, const AiuQuotaFacts *facts, AiuCharge *charge);

/* "team search, model gpt-4o", or "everything": whom a charge counts for */
extern void aiu_quota_subject_text(const AiuCharge *charge, const AiuQuotaFacts *facts, StringInfo buf);

/*---- quota_window.c ----*/

/* The window that a time falls into, and when it ends.  Sliding: the sub-bucket. */
extern void aiu_quota_window(const AiuQuotaDef *def, TimestampTz at, int32 invoice_period,
							 int64 *window, TimestampTz *starts, TimestampTz *ends);

/*---- quota_plan.c ----*/

/* Where the counters of the charges of the last call of aiu_quota_charges() were found: the next row's guess. */
extern void aiu_quota_plan_places(const AiuCharge *charges, int ncharges);

/*---- quota_load_sql.c ----*/

/*
 * What the engine knows of the counters that are EMPTY now.
 *
 * boundary: every row that such a counter counts, and that is not of a
 * transaction with a reservation on it, is of a transaction that ended before
 * this one was assigned (an xid with epoch, without incarnation).  So the tail
 * has nothing of it once fold_state.boundary is GREATER than this and than
 * the definition's published_boundary.  Greater, not equal: a fold's snapshot
 * with the same boundary may be older, and list one of those transactions as
 * running.
 *
 * evictions: as long as it stays the same, no counter has become EMPTY; a sum
 * of the tail by counters, made after reading it, stays true of every counter
 * that is EMPTY now, until the next fold.
 *
 * window_is_over: the counter was dropped without a trace; boundary says
 * nothing of it, the tail must be summed.
 */
typedef struct AiuQuotaEvicted
{
	int64		boundary;
	uint64		evictions;
	bool		window_is_over;
} AiuQuotaEvicted;

/* What a counter adds up to.  aiu_counter_sums_add() takes what is of its windows. */
typedef struct AiuCounterSums
{
	int64		first;			/* window; sliding: the oldest sub-bucket */
	int64		last;
	int64		window;			/* sliding: the current sub-bucket, or the latest with a use */
	int64		sub_usec;		/* 0: not sliding */
	bool		too_large;		/* 128 bits do not hold it */
	int128		used;
	int128		ring[AIU_QUOTA_RING + 1];	/* as of aiu_quota_read_counter() */
} AiuCounterSums;

extern void aiu_counter_sums_add(AiuCounterSums *sums, int64 window, int128 amount);

/*
 * What the books say of one counter, read under one fresh snapshot as their
 * owner.  Rows of the own transaction are left out: they are reserved.  ring
 * (AIU_QUOTA_RING + 1 sums, ring[i] of the sub-bucket that is i sub-buckets
 * before *head: charge->window, or the latest with a use when that is later)
 * only for sliding windows, where *used is their sum; NULL otherwise.  alerted: bit i for
 * thresholds[i], AIU_ALERT_OVER for a row that was booked above the limit.
 */
extern void aiu_quota_read_counter(const AiuCharge *charge, const AiuQuotaEvicted *evicted,
								   int128 *used, int128 *ring, int64 *head, int128 *held, uint32 *alerted);

/*---- quota_tail.c ----*/

/* Which fold it was: fold_state as the snapshot sees it. */
typedef struct AiuTailFold
{
	int64		folds;
	int64		boundary;
} AiuTailFold;

/*
 * Add what the rows that are not folded yet have of a counter that is LOADING.  Within SPI, as the owner, under the
 * snapshot that fold was read under; evicted is from before the snapshot.
 */
extern void aiu_tail_sum(const AiuCharge *wanted, const AiuQuotaEvicted *evicted, const AiuTailFold *fold,
						 AiuCounterSums *sums);
/* The transaction has ended: memory of an old reading is given back. */
extern void aiu_tail_forget(bool all);

/* Bit of `alerted` beside those of the thresholds. */
#define AIU_ALERT_OVER			(1 << AIU_QUOTA_THRESHOLDS)

/*---- quota_memory.c ----*/

/* What open holds have of one counter now. */
extern int128 aiu_quota_held(int32 quota, const uint64 subject[2], int64 window);

#endif							/* AIU_QUOTA_INTERNAL_H */
