/*-------------------------------------------------------------------------
 *
 * quota_admit.c
 *	  What limits say of a request before it is made, and the hold that keeps
 *	  its room until it is booked.
 *
 * From the moment a hold is taken off the free list until it is noted in the
 * transaction, nothing can fail: what can is done before.  The transaction
 * then gives the room back if it aborts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/catalog.h"
#include "common/errors.h"
#include "common/guc.h"
#include "quota/quota_hold_internal.h"

static void
refuse_in_recovery(void)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot admit requests during recovery"),
				 errdetail("Limits are kept by the primary."),
				 errhint("Ask the primary.")));
}

/* Fill in what is said when a limit refuses, and record it. */
static void
refuse(AiuVerdict *verdict, const AiuCharge *charge, const AiuQuotaFacts *facts, const char *subject,
	   const AiuRefusal *refusal)
{
	const AiuQuotaDef *def = charge->def;

	aiu_quota_note_denial(charge, aiu_quota_sqlstate(def), &facts->dims[AIU_DIM_API_KEY], subject,
						  refusal->used, refusal->limit);
	switch (def->action)
	{
		case AIU_QUOTA_THROTTLE:
			verdict->kind = AIU_VERDICT_THROTTLE;
			break;
		case AIU_QUOTA_DEGRADE:
			verdict->kind = AIU_VERDICT_DEGRADE;
			verdict->instead = def->degrade_to;
			break;
		case AIU_QUOTA_REROUTE:
			verdict->kind = AIU_VERDICT_REROUTE;
			verdict->instead = def->reroute_to;
			break;
		case AIU_QUOTA_APPROVE:
			verdict->kind = AIU_VERDICT_APPROVE;
			break;
		case AIU_QUOTA_REJECT:
		case AIU_QUOTA_FLAG:
			verdict->kind = AIU_VERDICT_DENY;
			break;
	}
	verdict->sqlstate = aiu_quota_sqlstate(def);
	verdict->quota = def->name;
	verdict->has_remaining = true;
	verdict->remaining = Max(refusal->limit - refusal->used - refusal->reserved - refusal->held, 0);
	verdict->resets_at = def->window == AIU_WINDOW_PERIOD ? charge->window_ends : refusal->room_at;
	verdict->message = aiu_quota_refusal_text(charge, subject, refusal);
}

static bool
refuse_uncheckable(AiuVerdict *verdict, const AiuCharge *charges, int ncharges, const AiuQuotaFacts *facts)
{
	int			i;

	for (i = 0; i < ncharges; i++)
	{
		StringInfoData subject;

		if (!charges[i].uncheckable || !aiu_quota_refuses(charges[i].def))
			continue;
		initStringInfo(&subject);
		aiu_quota_subject_text(&charges[i], facts, &subject);
		aiu_quota_note_denial(&charges[i], ERRCODE_AIU_INVALID, &facts->dims[AIU_DIM_API_KEY], subject.data,
							  0, charges[i].def->limit);
		verdict->kind = AIU_VERDICT_DENY;
		verdict->sqlstate = ERRCODE_AIU_INVALID;
		verdict->quota = charges[i].def->name;
		verdict->message = facts->has_cost ?
			psprintf("usage in another currency cannot be checked against limit \"%s\"", charges[i].def->name) :
			psprintf("usage without a price cannot be checked against limit \"%s\"", charges[i].def->name);
		return true;
	}
	return false;
}

/*
 * The limit that is nearest to its end is the one to tell the gateway of.  The
 * part that is left is compared in thousandths, which is enough to choose.
 */
static void
tell_remaining(AiuVerdict *verdict, const AiuCharge *charges, int ncharges, const uint8 *places, const int128 *limits)
{
	int128		least = 0;
	int			i;

	for (i = 0; i < ncharges; i++)
	{
		AiuRefusal	seen;
		int128		left;
		int128		part;

		if (places[i] != AIU_PLACE_COUNTER || !aiu_quota_look(&charges[i], limits[i], &seen))
			continue;
		left = limits[i] - seen.used - seen.reserved - seen.held;
		part = left / (limits[i] / 1000 + 1);
		if (verdict->has_remaining && part >= least)
			continue;
		least = part;
		verdict->has_remaining = true;
		verdict->remaining = Max(left, 0);
		verdict->quota = charges[i].def->name;
		verdict->resets_at = charges[i].window_ends;
	}
}

/* Labels of what was admitted, length before each; too long: extend_hold() cannot be had. */
void
aiu_hold_pack_terms(AiuHold *hold, const AiuLabel *terms, int nterms)
{
	int			len = 0;
	int			i;

	hold->nterms = -1;
	for (i = 0; i < nterms; i++)
	{
		int16		n = terms[i].s == NULL ? -1 : terms[i].len;

		if (len + (int) sizeof(n) + Max(n, 0) > AIU_HOLD_TERMS)
			return;
		memcpy(hold->terms + len, &n, sizeof(n));
		len += sizeof(n);
		if (n > 0)
		{
			memcpy(hold->terms + len, terms[i].s, n);
			len += n;
		}
	}
	hold->nterms = len;
}

bool
aiu_hold_unpack_terms(const AiuHold *hold, AiuLabel *terms, int nterms)
{
	int			at = 0;
	int			i;

	for (i = 0; i < nterms; i++)
	{
		int16		n;

		if (at + (int) sizeof(n) > hold->nterms)
			return false;
		memcpy(&n, hold->terms + at, sizeof(n));
		at += sizeof(n);
		terms[i].s = n < 0 ? NULL : pnstrdup(hold->terms + at, n);
		terms[i].len = Max(n, 0);
		at += Max(n, 0);
	}
	return true;
}

static void
fill_hold(AiuHold *hold, const pg_uuid_t *id, Oid books, const AiuHoldRequest *request, TimestampTz now,
		  const AiuCharge *charges, int ncharges, const uint8 *places)
{
	int			i;

	hold->id = *id;
	hold->database = MyDatabaseId;
	hold->books = books;
	hold->created_at = hold->given_at = now;
	hold->expires_at = request->expires_at;
	hold->durable = request->durable;
	hold->cost = request->cost;
	hold->currency = request->currency;
	GET_VXID_FROM_PGPROC(hold->claimant, *MyProc);
	hold->closing = hold->drawing = false;
	hold->ncharges = 0;
	for (i = 0; i < ncharges; i++)
	{
		AiuHoldCharge *to;

		if (places[i] != AIU_PLACE_COUNTER)
			continue;
		to = &hold->charges[hold->ncharges++];
		to->quota = charges[i].def->quota;
		to->counter = charges[i].counter;
		to->subject[0] = charges[i].subject[0];
		to->subject[1] = charges[i].subject[1];
		to->window = charges[i].def->sliding ? 0 : charges[i].window;
		to->total = to->rest = charges[i].amount;
	}
	aiu_hold_pack_terms(hold, request->terms, request->nterms);
}

/*
 * Take a hold for these charges.  AIU_RESERVED: *index is it, linked and noted.
 * AIU_TOO_LARGE, AIU_REFUSED, AIU_NOT_READY: nothing was taken.
 */
static AiuReserveResult
take_hold(const AiuHoldRequest *request, const pg_uuid_t *id, AiuCharge *charges, int ncharges,
		  const uint8 *places, const int128 *limits, TimestampTz now, AiuRefusal *refusal, int32 *index)
{
	Oid			books = aiu_catalog_usage_record();
	AiuReserveResult result;

	aiu_hold_make_room();
	*index = aiu_hold_take(now);
	if (*index < 0)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_NOT_LOADED),
				 errmsg("no more holds can be kept"),
				 errdetail("There is room for %d, and all of them are open or were closed before their time.", aiu_quota_holds_max),
				 errhint("Give holds a shorter ttl, or raise aiusage.quota_holds at the next restart.")));

	/* from here to the note nothing may fail */
	result = aiu_quota_hold(charges, ncharges, places, limits, true, now, refusal);
	if (result != AIU_RESERVED)
	{
		aiu_hold_give_back(*index);
		return result;
	}
	fill_hold(&aiu_holds[*index], id, books, request, now, charges, ncharges, places);
	if (!aiu_hold_link(*index))
		elog(ERROR, "hold id is not unique");
	aiu_hold_note(AIU_DEED_ADMIT, *index, id, NULL, 0);
	return AIU_RESERVED;
}

void
aiu_quota_admit(const AiuQuotaFacts *facts, const AiuHoldRequest *request, pg_uuid_t *id, AiuVerdict *verdict)
{
	AiuCharge	charges[AIU_QUOTA_MAX];
	int128		limits[AIU_QUOTA_MAX];
	uint8		places[AIU_QUOTA_MAX];
	AiuWords	words = {facts, {NULL}, false};
	AiuRefusal	refusal;
	AiuReserveResult result;
	TimestampTz now = facts->recorded_at;
	AiuHold		hold;
	bool		swept = false;
	int32		index;
	int			ncharges;
	int			i;

	memset(verdict, 0, sizeof(*verdict));
	verdict->kind = AIU_VERDICT_ALLOW;
	verdict->resets_at = DT_NOEND;
	refuse_in_recovery();

	ncharges = aiu_quota_charges(facts, charges);
	if (unlikely(aiu_quota_table == NULL))
	{
		if (ncharges > 0)
			aiu_quota_deny_not_preloaded(&charges[0]);
		aiu_hold_make_id(&facts->dims[AIU_DIM_API_KEY], request->expires_at, id);
		return;
	}
	if (refuse_uncheckable(verdict, charges, ncharges, facts))
		return;

	(void) aiu_hold_load_books(true);
	aiu_hold_make_id(&facts->dims[AIU_DIM_API_KEY], request->expires_at, id);
	aiu_quota_find_limits(charges, ncharges, now, limits);
	do
	{
		for (i = 0; i < ncharges; i++)
			(void) aiu_quota_place(charges, ncharges, i, AIU_QUOTA_CHECK, &words, &places[i]);
		result = take_hold(request, id, charges, ncharges, places, limits, now, &refusal, &index);
		if (result == AIU_REFUSED && !swept)
		{
			bool		by_another;

			/* what has expired since may be the room that is missing */
			swept = true;
			if (aiu_hold_sweep(GetCurrentTimestamp(), &by_another) > 0 || by_another)
				result = AIU_NOT_READY;
		}
	} while (result == AIU_NOT_READY);

	aiu_quota_plan_places(charges, ncharges);
	if (result == AIU_REFUSED)
	{
		refuse(verdict, &charges[refusal.index], facts,
			   aiu_quota_subject_name(&words, charges, ncharges, refusal.index), &refusal);
		return;
	}
	if (result != AIU_RESERVED)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("sum of a limit's usage is out of range")));

	tell_remaining(verdict, charges, ncharges, places, limits);
	/* one that has expired already, and was swept, may be somebody else's by now */
	if (request->durable && aiu_hold_find(id, &hold) == index)
		aiu_hold_insert_durable(&hold, request);
}

bool
aiu_quota_hold_terms(const pg_uuid_t *id, AiuHoldView *view, AiuLabel *terms, int nterms)
{
	AiuHold		hold;

	memset(view, 0, sizeof(*view));
	if (aiu_quota_table == NULL)
		return false;
	refuse_in_recovery();
	(void) aiu_hold_load_books(true);
	if (aiu_hold_claim(id, &hold) < 0 || hold.status != AIU_HOLD_OPEN || hold.closing ||
		hold.expires_at <= GetCurrentTimestamp())
		return false;
	view->created_at = hold.created_at;
	view->expires_at = hold.expires_at;
	view->durable = hold.durable;
	if (!aiu_hold_unpack_terms(&hold, terms, nterms))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("hold cannot be extended"),
				 errdetail("The labels it was admitted with are longer than %d bytes together.", AIU_HOLD_TERMS),
				 errhint("Admit the rest of the stream as another operation, or use shorter labels.")));
	return true;
}

void
aiu_quota_extend(const pg_uuid_t *id, const AiuQuotaFacts *facts, const AiuHoldRequest *request, AiuVerdict *verdict)
{
	AiuCharge	resolved[AIU_QUOTA_MAX];
	AiuCharge	charges[AIU_QUOTA_MAX];
	int128		limits[AIU_QUOTA_MAX];
	int128		amounts[AIU_QUOTA_MAX];
	int128		drawn[AIU_QUOTA_MAX];
	uint8		places[AIU_QUOTA_MAX];
	AiuWords	words = {facts, {NULL}, false};
	AiuRefusal	refusal;
	AiuReserveResult result;
	TimestampTz now = GetCurrentTimestamp();
	AiuHold		hold;
	int32		index;
	int			nresolved;
	int			n;
	int			i;
	int			c;

	memset(verdict, 0, sizeof(*verdict));
	verdict->kind = AIU_VERDICT_ALLOW;
	verdict->resets_at = DT_NOEND;
	nresolved = aiu_quota_charges(facts, resolved);
	if (refuse_uncheckable(verdict, resolved, nresolved, facts))
		return;
	index = aiu_hold_find(id, &hold);
	if (index < 0 || hold.status != AIU_HOLD_OPEN)
		goto gone;

	/* in the order of the hold's charges; a limit that was published since is not asked */
	n = hold.ncharges;
	for (c = 0; c < n; c++)
	{
		amounts[c] = 0;
		places[c] = AIU_PLACE_NOTHING;
		memset(&charges[c], 0, sizeof(AiuCharge));
		for (i = 0; i < nresolved; i++)
		{
			if (resolved[i].def->quota != hold.charges[c].quota ||
				memcmp(resolved[i].subject, hold.charges[c].subject, sizeof(resolved[i].subject)) != 0)
				continue;
			charges[c] = resolved[i];
			/* its room is where it was admitted, also when that period has been closed since */
			if (!resolved[i].def->sliding)
				charges[c].window = hold.charges[c].window;
			charges[c].counter = -1;
			amounts[c] = Max(resolved[i].amount - hold.charges[c].total, 0);
			charges[c].amount = amounts[c];
		}
	}
	for (c = 0; c < n; c++)
		limits[c] = charges[c].def == NULL ? 0 : aiu_quota_limit(charges[c].def, charges[c].subject, now);
	aiu_hold_make_room();
	do
	{
		for (c = 0; c < n; c++)
		{
			if (amounts[c] > 0)
				(void) aiu_quota_place(charges, n, c, AIU_QUOTA_CHECK, &words, &places[c]);
		}
		result = aiu_quota_hold(charges, n, places, limits, false, now, &refusal);
	} while (result == AIU_NOT_READY);

	if (result == AIU_REFUSED)
	{
		refuse(verdict, &charges[refusal.index], facts,
			   aiu_quota_subject_name(&words, charges, n, refusal.index), &refusal);
		return;
	}
	if (result != AIU_RESERVED)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("sum of a limit's usage is out of range")));
	for (c = 0; c < n; c++)
	{
		if (places[c] != AIU_PLACE_COUNTER)
			amounts[c] = 0;
	}
	if (!aiu_hold_grow(index, id, amounts, n, false, now, request->expires_at,
					   request->cost >= 0 ? request->cost : hold.cost))
	{
		aiu_hold_take_back(charges, amounts, n);
		goto gone;
	}
	aiu_hold_note_extension(index, &hold, amounts, n);
	tell_remaining(verdict, charges, n, places, limits);
	if (hold.durable && aiu_hold_find(id, &hold) == index)
	{
		aiu_hold_drawn_here(&hold, drawn);
		aiu_hold_update_durable(&hold, drawn, "open");
	}
	return;

gone:
	verdict->kind = AIU_VERDICT_DENY;
	verdict->sqlstate = ERRCODE_AIU_UNKNOWN;
	verdict->message = "the hold is not open any more";
}

/* End an open hold of this transaction's at its commit; false: it is not open. */
static bool
end_hold(const pg_uuid_t *id, const char *status)
{
	AiuHold		hold;
	int32		index = aiu_hold_claim(id, &hold);

	if (index < 0 || hold.status != AIU_HOLD_OPEN || aiu_hold_closed_here(id))
		return false;
	aiu_hold_make_room();
	aiu_hold_note(AIU_DEED_CLOSE, index, id, NULL, 0);
	if (hold.durable)
		aiu_hold_update_durable(&hold, NULL, status);
	return true;
}

bool
aiu_quota_release(const pg_uuid_t *id)
{
	if (aiu_quota_table == NULL)
		return false;
	refuse_in_recovery();
	(void) aiu_hold_load_books(true);
	return end_hold(id, "released");
}

void
aiu_quota_settle_unlimited(const pg_uuid_t *id)
{
	(void) end_hold(id, "settled");
}

static AiuHoldStanding
standing(const pg_uuid_t *id, const AiuLabel *key, bool claim)
{
	AiuHold		hold;

	if (!aiu_hold_id_genuine(id, key))
		return AIU_HOLD_FORGED;
	if (aiu_quota_table == NULL || RecoveryInProgress())
		return AIU_HOLD_LATE;
	if (!aiu_hold_load_books(false))
		return AIU_HOLD_LATE;	/* genuine, and what was spent is booked */
	if ((claim ? aiu_hold_claim(id, &hold) : aiu_hold_find(id, &hold)) < 0)
		return AIU_HOLD_LATE;
	if (hold.status == AIU_HOLD_CLOSED || (hold.closing && aiu_hold_closed_here(id)))
		return AIU_HOLD_REUSED;
	return hold.expires_at > GetCurrentTimestamp() ? AIU_HOLD_IS_OPEN : AIU_HOLD_LATE;
}

AiuHoldStanding
aiu_quota_hold_standing(const pg_uuid_t *id, const AiuLabel *key)
{
	return standing(id, key, false);
}

AiuHoldStanding
aiu_quota_hold_claim(const pg_uuid_t *id, const AiuLabel *key)
{
	return standing(id, key, true);
}

void
aiu_hold_own_rest(const pg_uuid_t *id, const AiuCharge *charges, int ncharges, bool last, int128 *rest)
{
	AiuHold		hold;
	int128		drawn[AIU_QUOTA_MAX];
	int			i;
	int			c;

	memset(rest, 0, sizeof(int128) * ncharges);
	if (aiu_hold_find(id, &hold) < 0 || hold.status != AIU_HOLD_OPEN)
		return;
	aiu_hold_drawn_here(&hold, drawn);
	for (i = 0; i < ncharges; i++)
	{
		for (c = 0; c < hold.ncharges; c++)
		{
			int128		left;

			if (hold.charges[c].counter != charges[i].counter || charges[i].counter < 0)
				continue;
			/* what earlier rows of the transaction drew is held until its commit, and theirs */
			left = Max(hold.charges[c].rest - drawn[c], 0);
			rest[i] = last ? hold.charges[c].rest : Min(hold.charges[c].rest, drawn[c] + Min(left, charges[i].amount));
		}
	}
}

/*
 * A row has been reserved that draws on a hold: at commit the hold shrinks by
 * it, in whichever window it counts.  The last attempt frees what is left.
 */
void
aiu_hold_draw_row(const pg_uuid_t *id, const AiuCharge *charges, int ncharges, bool last)
{
	int128		amounts[AIU_QUOTA_MAX];
	AiuHold		hold;
	int32		index = aiu_hold_find(id, &hold);
	int			i;
	int			c;

	if (index < 0 || hold.status != AIU_HOLD_OPEN)
		return;
	for (c = 0; c < hold.ncharges; c++)
	{
		amounts[c] = 0;
		for (i = 0; i < ncharges; i++)
		{
			if (charges[i].def->quota == hold.charges[c].quota &&
				memcmp(charges[i].subject, hold.charges[c].subject, sizeof(charges[i].subject)) == 0)
				amounts[c] = Max(charges[i].amount, 0);
		}
	}
	aiu_hold_make_room();
	if (last)
		aiu_hold_note(AIU_DEED_CLOSE, index, id, NULL, 0);
	else
		aiu_hold_note(AIU_DEED_DRAW, index, id, amounts, hold.ncharges);
	if (!hold.durable)
		return;
	hold.drawing |= !last;
	aiu_hold_drawn_here(&hold, amounts);
	aiu_hold_update_durable(&hold, amounts, last ? "settled" : "open");
}
