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
	AIU_QUOTA_STATE_EXEMPT
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
 * row).  Refuses what certainly does not fit; leaves the charges for AFTER.
 */
extern AiuQuotaState aiu_quota_before(const pg_uuid_t *id, const AiuQuotaFacts *facts, AiuQuotaMode mode);

/*
 * AFTER ROW: reserve, or refuse.  The first takes what BEFORE left for a row
 * of this id and command; false: nothing is left of it, the caller makes the
 * facts again from the tuple.
 */
extern bool aiu_quota_after(const pg_uuid_t *id, CommandId command);
extern void aiu_quota_after_facts(const pg_uuid_t *id, const AiuQuotaFacts *facts, AiuQuotaMode mode);

#endif							/* AIU_QUOTA_H */
