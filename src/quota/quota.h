/*-------------------------------------------------------------------------
 *
 * quota.h
 *	  Public face of limits: what a row is to them, and the two moments of an
 *	  insert at which they are asked.  README.md in this folder is the design.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_QUOTA_H
#define AIU_QUOTA_H

#include "common/label.h"
#include "datatype/timestamp.h"
#include "types/amount.h"
#include "types/usage.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* The dimensions a limit may name or be kept apart by. */
typedef enum AiuQuotaDim
{
	AIU_DIM_API_KEY,
	AIU_DIM_KEY_CLASS,
	AIU_DIM_TEAM,
	AIU_DIM_COST_CENTER,
	AIU_DIM_PROJECT,
	AIU_DIM_CUSTOMER,
	AIU_DIM_PLAN_TIER,
	AIU_DIM_USER_ID,
	AIU_DIM_ENVIRONMENT,
	AIU_DIM_WORKFLOW,
	AIU_DIM_JOB_ID,
	AIU_DIM_PROVIDER,
	AIU_DIM_MODEL,
	AIU_DIM_ENDPOINT,
	AIU_DIM_TAG					/* of a name that the limit says: not among the facts' labels */
} AiuQuotaDim;

#define AIU_DIM_LABELS	AIU_DIM_TAG
#define AIU_DIM_COUNT	(AIU_DIM_TAG + 1)

/* What a row is to limits.  aiu_quota_facts_init() begins one. */
typedef struct AiuQuotaFacts
{
	AiuLabel	dims[AIU_DIM_LABELS];
	Jsonb	   *tags;			/* may be NULL */
	const AiuUsage *usage;
	bool		has_cost;
	int128		cost;
	AiuCurrency currency;		/* of cost; 0 when there is none */
	bool		counts_usage;	/* kind usage and adjusts nothing: moves every metric */
	bool		counts_spend;	/* kind usage, reversal or adjustment */
	bool		failed;			/* status is not success */
	bool		exempt;			/* quota_state exempt: of a bulk import role, or booked elsewhere */
	bool		hold;			/* an admission, not a row: concurrency counts it */
	const pg_uuid_t *draws_on;	/* the open hold that the row draws on, or NULL */
	bool		last_attempt;	/* ... for the last time */
	bool		late_hold;		/* the row names a hold that has expired or was lost */
	TimestampTz occurred_at;
	TimestampTz recorded_at;
	int32		invoice_period;
} AiuQuotaFacts;

/* May this row be refused? */
typedef enum AiuQuotaMode
{
	AIU_QUOTA_CHECK,
	AIU_QUOTA_COUNT				/* spent, exempt, a correction, or replicated: counts, is never refused */
} AiuQuotaMode;

/* What the BEFORE trigger writes to quota_state. */
typedef enum AiuQuotaState
{
	AIU_QUOTA_STATE_NONE,		/* no limit applies: NULL */
	AIU_QUOTA_STATE_OK,
	AIU_QUOTA_STATE_SOFT,		/* a threshold is reached */
	AIU_QUOTA_STATE_OVER,
	AIU_QUOTA_STATE_EXEMPT,
	AIU_QUOTA_STATE_UNHELD		/* its hold has expired, or was lost in a restart */
} AiuQuotaState;

/* Before anything else, from _PG_init(): settings, shared memory, callbacks. */
extern void aiu_quota_init(void);

/* Is any limit active in this database? */
extern bool aiu_quota_any(void);

/* Is the current user of a bulk import role, whose rows limits do not refuse? */
extern bool aiu_quota_exempt_role(void);

/*
 * Begin the facts of a row: its key, the labels of its assignment (0: none),
 * customer and workflow (the row's own first), class and plan tier as they are
 * today.  The caller fills in the rest; every label may be {NULL, 0}.  The
 * labels belong to caches: good until the next call.
 */
extern void aiu_quota_facts_init(AiuQuotaFacts *facts, const AiuLabel *api_key, int64 assignment,
								 const AiuLabel *customer, const AiuLabel *workflow);

/*
 * BEFORE ROW: read the counters, reserve nothing (ON CONFLICT may drop the
 * row).  Refuses what certainly does not fit.  final: nobody changes the row any
 * more, so its charges are left for AFTER.
 */
extern AiuQuotaState aiu_quota_before(const pg_uuid_t *id, const AiuQuotaFacts *facts, AiuQuotaMode mode, bool final);

/*
 * AFTER ROW: reserve, or refuse.  The first takes what BEFORE left for a row
 * of this id and command; false: nothing is left of it, the caller makes the
 * facts again from the tuple.
 */
extern bool aiu_quota_after(const pg_uuid_t *id, CommandId command);
extern void aiu_quota_after_facts(const pg_uuid_t *id, const AiuQuotaFacts *facts, AiuQuotaMode mode);

/*---- admission: what limits say of a request before it is made ----*/

typedef enum AiuVerdictKind
{
	AIU_VERDICT_ALLOW,
	AIU_VERDICT_DENY,
	AIU_VERDICT_THROTTLE,
	AIU_VERDICT_DEGRADE,		/* another model instead */
	AIU_VERDICT_REROUTE,		/* another route instead */
	AIU_VERDICT_APPROVE			/* more needs an approval */
} AiuVerdictKind;

/* Text is in the caller's memory, or the limits' (until the transaction ends). */
typedef struct AiuVerdict
{
	AiuVerdictKind kind;
	int			sqlstate;		/* unless it is ALLOW */
	const char *quota;			/* the limit that refuses, or is nearest to its end; NULL: none applies */
	const char *instead;		/* of DEGRADE, REROUTE */
	bool		has_remaining;
	int128		remaining;		/* of that limit, 1e-12 */
	TimestampTz resets_at;		/* of that limit; DT_NOEND: never */
	const char *message;		/* NULL: nothing to say */
} AiuVerdict;

/* Labels of what was admitted: key, provider, model, service tier, endpoint, region, customer, user, workflow. */
#define AIU_HOLD_NTERMS		9

typedef struct AiuHoldRequest
{
	TimestampTz expires_at;
	bool		durable;		/* in the books too, so that it outlives a restart */
	int128		cost;			/* estimate; -1: none */
	AiuCurrency currency;
	const AiuLabel *terms;		/* what was admitted, for aiu_quota_hold_terms(); the first is the key */
	int			nterms;
	AiuLabel	operation;
} AiuHoldRequest;

typedef struct AiuHoldView
{
	TimestampTz created_at;
	TimestampTz expires_at;
	bool		durable;
} AiuHoldView;

typedef enum AiuHoldStanding
{
	AIU_HOLD_FORGED,			/* not made by admission for this key */
	AIU_HOLD_IS_OPEN,
	AIU_HOLD_LATE,				/* genuine, but expired, or lost in a restart */
	AIU_HOLD_REUSED				/* settled or released before */
} AiuHoldStanding;

/*
 * Ask every limit of the facts (facts->hold is set); when none refuses, take
 * a hold: its id proves it.  An abort gives the room back.  Errors: UA503
 * counters or holds are full or not loaded, 25006 during recovery.
 */
extern void aiu_quota_admit(const AiuQuotaFacts *facts, const AiuHoldRequest *request, pg_uuid_t *id,
							AiuVerdict *verdict);
/* The terms of an open hold, copied; false: it is not open. */
extern bool aiu_quota_hold_terms(const pg_uuid_t *id, AiuHoldView *view, AiuLabel *terms, int nterms);
/* Hold as much as the facts ask for in all, at the time of admission; refused, the hold stays as it is. */
extern void aiu_quota_extend(const pg_uuid_t *id, const AiuQuotaFacts *facts, const AiuHoldRequest *request,
							 AiuVerdict *verdict);
/* At commit; false: it is not open. */
extern bool aiu_quota_release(const pg_uuid_t *id);
/* When the hold was to expire, as its id says. */
extern TimestampTz aiu_quota_hold_id_expires(const pg_uuid_t *id);
extern AiuHoldStanding aiu_quota_hold_standing(const pg_uuid_t *id, const AiuLabel *key);
/* The same, of a row that is being booked: an open hold is this transaction's until its end.  Waits for another's. */
extern AiuHoldStanding aiu_quota_hold_claim(const pg_uuid_t *id, const AiuLabel *key);
/* The last attempt of a request that no limit is asked of is being booked: the hold ends at commit. */
extern void aiu_quota_settle_unlimited(const pg_uuid_t *id);

#endif							/* AIU_QUOTA_H */
