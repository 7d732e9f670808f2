/*-------------------------------------------------------------------------
 *
 * charge_trigger.c
 *	  The AFTER INSERT trigger of the ledger: count the row against its
 *	  limits, or refuse it; and what a row is to limits.
 *
 * Counting waits until the row is in: a row that ON CONFLICT DO NOTHING drops
 * never comes by here.  Usually the BEFORE trigger has left what the row
 * charges, and nothing but the id is read from the tuple.
 *
 * The trigger is disabled while there are no limits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "common/compat.h"
#include "common/errors.h"
#include "ledger/ledger_internal.h"
#include "quota/quota.h"

AIU_FUNCTION(aiu_charge);

static void
label_of(AiuLabel *label, const Datum *values, const bool *isnull, int column)
{
	struct varlena *v;

	label->s = NULL;
	label->len = 0;
	if (isnull[column])
		return;
	v = PG_DETOAST_DATUM_PACKED(values[column]);
	label->s = VARDATA_ANY(v);
	label->len = VARSIZE_ANY_EXHDR(v);
}

/* What failed may be tried again, and then draws again. */
static inline bool
is_last_attempt(const Datum *values, const LedgerContext *ctx)
{
	return DatumGetObjectId(values[COL_status]) == ctx->status_success ||
		DatumGetObjectId(values[COL_status]) == ctx->status_cancelled;
}

/*
 * What a booked row is to limits: nothing but its own columns, as everybody
 * else reads them who counts it (the fold, a load, verify()).
 */
static void
make_facts(const Datum *values, const bool *isnull, const LedgerContext *ctx, AiuHoldStanding hold,
		   AiuQuotaFacts *facts)
{
	AiuLabel	key;
	AiuLabel	customer;
	AiuLabel	workflow;
	Oid			kind = DatumGetObjectId(values[COL_kind]);

	label_of(&key, values, isnull, COL_api_key);
	label_of(&customer, values, isnull, COL_customer);
	label_of(&workflow, values, isnull, COL_workflow);
	aiu_quota_facts_init(facts, &key, isnull[COL_assignment] ? 0 : DatumGetInt64(values[COL_assignment]),
						 &customer, &workflow);
	label_of(&facts->dims[AIU_DIM_USER_ID], values, isnull, COL_user_id);
	label_of(&facts->dims[AIU_DIM_JOB_ID], values, isnull, COL_job_id);
	label_of(&facts->dims[AIU_DIM_PROVIDER], values, isnull, COL_provider);
	label_of(&facts->dims[AIU_DIM_MODEL], values, isnull, COL_model);
	label_of(&facts->dims[AIU_DIM_ENDPOINT], values, isnull, COL_endpoint);
	facts->tags = isnull[COL_tags] ? NULL : DatumGetJsonbP(values[COL_tags]);
	facts->usage = DatumGetUsageP(values[COL_usage]);
	facts->has_cost = !isnull[COL_cost];
	facts->cost = 0;
	facts->currency = 0;
	if (facts->has_cost)
	{
		const AiuAmount *cost = DatumGetAmountP(values[COL_cost]);

		facts->cost = aiu_amount_value(cost);
		facts->currency = aiu_amount_currency(cost);
	}
	facts->counts_usage = kind == ctx->kind_usage && isnull[COL_adjusts];
	facts->counts_spend = kind == ctx->kind_usage || kind == ctx->kind_reversal || kind == ctx->kind_adjustment;
	facts->failed = DatumGetObjectId(values[COL_status]) != ctx->status_success;
	facts->exempt = !isnull[COL_quota_state] &&
		DatumGetObjectId(values[COL_quota_state]) == ctx->quota_state[AIU_QUOTA_STATE_EXEMPT];
	facts->hold = false;
	facts->draws_on = hold == AIU_HOLD_IS_OPEN ? DatumGetUUIDP(values[COL_hold_id]) : NULL;
	facts->late_hold = hold == AIU_HOLD_LATE;
	facts->last_attempt = is_last_attempt(values, ctx);
	facts->occurred_at = DatumGetTimestampTz(values[COL_occurred_at]);
	facts->recorded_at = DatumGetTimestampTz(values[COL_recorded_at]);
	facts->invoice_period = DatumGetInt32(values[COL_invoice_period]);
}

AiuHoldStanding
aiu_ledger_hold_standing(const Datum *values, const bool *isnull)
{
	AiuLabel	key;

	if (likely(isnull[COL_hold_id]))
		return AIU_HOLD_FORGED;
	label_of(&key, values, isnull, COL_api_key);
	return aiu_quota_hold_claim(DatumGetUUIDP(values[COL_hold_id]), &key);
}

/*
 * May the row be refused?  Not what admission has let through, not money that is spent, nor corrections of what
 * was spent, nor what was booked elsewhere: exempt, or replicated.
 */
static AiuQuotaMode
mode_of(const Datum *values, const bool *isnull, const LedgerContext *ctx, const AiuQuotaFacts *facts)
{
	if (facts->exempt || !facts->counts_usage || SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return AIU_QUOTA_COUNT;
	if (facts->draws_on != NULL || facts->late_hold || (!isnull[COL_spent] && DatumGetBool(values[COL_spent])))
		return AIU_QUOTA_COUNT;
	return AIU_QUOTA_CHECK;
}

/*
 * The BEFORE trigger's last step; the row is booked but for quota_state.
 * kept: it was booked elsewhere.
 */
void
aiu_ledger_ask_limits(Datum *values, bool *isnull, const LedgerContext *ctx, bool kept, bool final, AiuHoldStanding hold)
{
	const pg_uuid_t *id = DatumGetUUIDP(values[COL_id]);
	AiuQuotaFacts facts;
	AiuQuotaState state;

	if (likely(!aiu_quota_any()))
	{
		/* the AFTER trigger, which settles holds, is disabled */
		if (unlikely(hold == AIU_HOLD_IS_OPEN) && is_last_attempt(values, ctx))
			aiu_quota_settle_unlimited(DatumGetUUIDP(values[COL_hold_id]));
		return;
	}

	make_facts(values, isnull, ctx, hold, &facts);
	if (kept && SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA)
		facts.exempt = true;
	state = aiu_quota_before(id, &facts, mode_of(values, isnull, ctx, &facts), final);

	/* of a bulk import it is said already; a replicated row keeps what it was given where it was booked first */
	if (state == AIU_QUOTA_STATE_NONE || (kept && !facts.exempt))
		return;
	values[COL_quota_state] = ObjectIdGetDatum(ctx->quota_state[state]);
	isnull[COL_quota_state] = false;
}

Datum
aiu_charge(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const LedgerContext *ctx;
	TupleTableSlot *slot;
	AiuQuotaFacts facts;
	const pg_uuid_t *id;
	bool		isnull;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) || !TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("aiusage.charge() must be fired AFTER INSERT, FOR EACH ROW")));

	ctx = aiu_ledger_context();
	aiu_ledger_check_relation(trigdata->tg_relation, ctx);
	slot = trigdata->tg_trigslot;
	id = DatumGetUUIDP(slot_getattr(slot, COL_id + 1, &isnull));
	if (likely(aiu_quota_after(id, HeapTupleHeaderGetRawCommandId(trigdata->tg_trigtuple->t_data))))
		return PointerGetDatum(NULL);
	if (!aiu_quota_any())
		return PointerGetDatum(NULL);

	slot_getallattrs(slot);
	make_facts(slot->tts_values, slot->tts_isnull, ctx,
			   aiu_ledger_hold_standing(slot->tts_values, slot->tts_isnull), &facts);
	aiu_quota_after_facts(id, &facts, mode_of(slot->tts_values, slot->tts_isnull, ctx, &facts));
	return PointerGetDatum(NULL);
}
