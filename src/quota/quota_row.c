/*-------------------------------------------------------------------------
 *
 * quota_row.c
 *	  The two moments of an insert at which limits are asked.
 *
 * BEFORE only looks: the row may still be dropped by ON CONFLICT.  It loads
 * counters where needed, says where they stand, and refuses what does not
 * fit in what is committed already, so that a flood at a limit leaves no dead
 * rows.  AFTER reserves.
 *
 * AFTER ROW triggers run at the end of the statement.  The charges that
 * BEFORE resolved wait in a queue of bounded size, which belongs to one
 * command; a row that is not there is resolved again from its tuple, with
 * the same result.  The queue holds no facts, so whoever needs words (a
 * denial, a threshold) goes that way too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/errors.h"
#include "common/guc.h"
#include "quota/quota_hold_internal.h"

/* Bytes of charges on their way from BEFORE to AFTER. */
#define QUEUE_FIRST		(16 * 1024)
#define QUEUE_MAX		(8 * 1024 * 1024)

typedef struct QueuedRow
{
	pg_uuid_t	id;
	TimestampTz now;
	uint8		mode;
	uint8		ncharges;
	bool		draws;			/* on this hold */
	bool		last_attempt;
	pg_uuid_t	hold_id;
	AiuCharge	charges[FLEXIBLE_ARRAY_MEMBER];
} QueuedRow;

#define QUEUED_SIZE(n)	MAXALIGN(offsetof(QueuedRow, charges) + sizeof(AiuCharge) * (n))

/*---- Local variables ----*/

static char *queue = NULL;
static int	queue_size = 0;
static int	queue_head = 0;		/* offset of the oldest */
static int	queue_tail = 0;		/* where the next one goes */
static CommandId queue_command = InvalidCommandId;
static uint64 queue_generation = 0;

void
aiu_quota_forget_rows(void)
{
	queue_head = queue_tail = 0;
}

/* Leave the charges for AFTER; without room, AFTER does without. */
static void
enqueue(const pg_uuid_t *id, const AiuQuotaFacts *facts, AiuQuotaMode mode, const AiuCharge *charges, int ncharges)
{
	CommandId	command = GetCurrentCommandId(false);
	uint64		generation = aiu_quota_generation();
	int			need = QUEUED_SIZE(ncharges);
	QueuedRow  *row;

	if (queue_head == queue_tail || queue_command != command || queue_generation != generation)
	{
		/* leftovers: ON CONFLICT dropped them, or theirs is an outer statement */
		queue_head = queue_tail = 0;
		queue_command = command;
		queue_generation = generation;
	}
	if (queue_tail + need > queue_size)
	{
		int			size = Max(queue_size * 2, QUEUE_FIRST);

		if (size > QUEUE_MAX)
			return;
		queue = queue == NULL ? MemoryContextAlloc(TopMemoryContext, size) : repalloc(queue, size);
		queue_size = size;
	}
	row = (QueuedRow *) (queue + queue_tail);
	row->id = *id;
	row->now = facts->recorded_at;
	row->mode = mode;
	row->ncharges = ncharges;
	row->draws = facts->draws_on != NULL;
	row->last_attempt = facts->last_attempt;
	if (row->draws)
		row->hold_id = *facts->draws_on;
	memcpy(row->charges, charges, sizeof(AiuCharge) * ncharges);
	queue_tail += need;
}

/* The charges of a row, taken out of the queue; NULL: they are not there. */
static QueuedRow *
dequeue(const pg_uuid_t *id, CommandId command)
{
	if (queue_head == queue_tail || queue_command != command || queue_generation != aiu_quota_generation())
		return NULL;
	while (queue_head < queue_tail)
	{
		QueuedRow  *row = (QueuedRow *) (queue + queue_head);

		queue_head += QUEUED_SIZE(row->ncharges);
		if (memcmp(&row->id, id, sizeof(pg_uuid_t)) == 0)
			return row;
	}
	/* rows come in the order in which they went in: what was left was dropped */
	return NULL;
}

const char *
aiu_quota_subject_name(AiuWords *words, const AiuCharge *charges, int ncharges, int index)
{
	int			i;

	for (i = 0; i < ncharges && !words->made; i++)
	{
		StringInfoData buf;

		if (charges[i].def == NULL)
			continue;			/* of a hold: its limit is gone */
		initStringInfo(&buf);
		aiu_quota_subject_text(&charges[i], words->facts, &buf);
		words->subject[i] = buf.data;
	}
	words->made = true;
	return words->subject[index];
}

/*
 * See that the charge's counter is there and loaded.  words NULL: only if it
 * is; else whoever may be refused is refused when it cannot be had.
 */
bool
aiu_quota_place(AiuCharge *charges, int ncharges, int index, AiuQuotaMode mode, AiuWords *words, uint8 *where)
{
	AiuCharge  *charge = &charges[index];
	bool		must_book = mode == AIU_QUOTA_COUNT || !aiu_quota_refuses(charge->def);

	if (charge->amount == 0 && !charge->uncheckable)
	{
		*where = AIU_PLACE_NOTHING;
		charge->counter = -1;
		return true;
	}
	/* a window of now that was over when the limit was published: the clock was set back */
	if (unlikely(charge->window_ends <= charge->def->kept_from) && !must_book)
		aiu_quota_deny_clock(charge);
	*where = AIU_PLACE_COUNTER;
	for (;;)
	{
		AiuCounter *counter = aiu_counter_find(charge);
		const char *subject;

		/* not a promise: whoever acts on it looks again, locked */
		if (likely(counter != NULL && counter->state == AIU_COUNTER_READY))
			return true;
		if (words == NULL)
			return false;

		/* a load may move the labels that the facts point to */
		subject = aiu_quota_subject_name(words, charges, ncharges, index);
		if (counter == NULL)
		{
			if (!must_book)
				aiu_quota_deny_not_loaded(charge, subject, true);
			*where = AIU_PLACE_UNCOUNTED;
			return true;
		}
		switch (aiu_counter_load(counter, charge))
		{
			case AIU_LOAD_READY:
				return true;
			case AIU_LOAD_GONE:
				break;
			case AIU_LOAD_TIMEOUT:
				if (!must_book && !aiu_quota_fail_open)
				{
					/* it may be the holds that cannot be had */
					if (!RecoveryInProgress())
						(void) aiu_hold_load_books(true);
					aiu_quota_deny_not_loaded(charge, subject, false);
				}
				*where = AIU_PLACE_UNCOUNTED;
				return true;
		}
	}
}

void
aiu_quota_find_limits(const AiuCharge *charges, int ncharges, TimestampTz now, int128 *limits)
{
	int			i;

	for (i = 0; i < ncharges; i++)
		limits[i] = likely(charges[i].def->noverrides == 0) ? charges[i].def->limit :
			aiu_quota_limit(charges[i].def, charges[i].subject, now);
}

/*
 * Where one charge stands, by what was seen of its counter.  true: it certainly does not fit, whatever becomes
 * of the transactions in flight.
 */
static bool
look(AiuCharge *charge, uint8 where, int128 limit, int128 own, AiuQuotaMode mode, AiuQuotaState *state,
	 const AiuRefusal *seen, bool known)
{
	int128		total;

	if (where == AIU_PLACE_UNCOUNTED || charge->uncheckable)
	{
		*state = AIU_QUOTA_STATE_OVER;
		return false;
	}
	if (where == AIU_PLACE_NOTHING || charge->amount <= 0)
		return false;
	if (!known)
		return false;			/* evicted this moment: AFTER will load it */

	total = seen->used + seen->held - own + charge->amount;
	if (unlikely(total > limit))
	{
		if (mode == AIU_QUOTA_CHECK && aiu_quota_refuses(charge->def))
			return true;
		*state = AIU_QUOTA_STATE_OVER;
		return false;
	}
	total += seen->reserved;
	if (total > limit && (mode == AIU_QUOTA_COUNT || !aiu_quota_refuses(charge->def)))
		*state = AIU_QUOTA_STATE_OVER;
	else if (*state == AIU_QUOTA_STATE_OK && charge->def->nthresholds > 0 &&
			 total >= aiu_threshold_amount(limit, charge->def->thresholds[0]))
		*state = AIU_QUOTA_STATE_SOFT;
	return false;
}

AiuQuotaState
aiu_quota_before(const pg_uuid_t *id, const AiuQuotaFacts *facts, AiuQuotaMode mode, bool final)
{
	AiuCharge	charges[AIU_QUOTA_MAX];
	int128		limits[AIU_QUOTA_MAX];
	int128		own[AIU_QUOTA_MAX];
	uint8		where[AIU_QUOTA_MAX];
	AiuRefusal	seen[AIU_QUOTA_MAX];
	bool		known[AIU_QUOTA_MAX];
	AiuWords		words = {facts, {NULL}, false};
	AiuQuotaState state = AIU_QUOTA_STATE_OK;
	AiuRefusal	refusal = {-1};
	int			ncharges = aiu_quota_charges(facts, charges);
	bool		replay = false;
	int			i;

	if (ncharges == 0)
	{
		if (aiu_quota_table != NULL && final)
			enqueue(id, facts, mode, charges, 0);
		return AIU_QUOTA_STATE_NONE;
	}
	if (unlikely(aiu_quota_table == NULL))
	{
		if (mode == AIU_QUOTA_CHECK)
			aiu_quota_deny_not_preloaded(&charges[0]);
		return facts->exempt ? AIU_QUOTA_STATE_EXEMPT : AIU_QUOTA_STATE_OVER;
	}

	for (i = 0; i < ncharges; i++)
	{
		if (unlikely(charges[i].uncheckable && mode == AIU_QUOTA_CHECK && aiu_quota_refuses(charges[i].def)))
		{
			if (!replay && !aiu_quota_is_booked(id))
				aiu_quota_deny_uncheckable(&charges[i], facts, aiu_quota_subject_name(&words, charges, ncharges, i));
			replay = true;
		}
	}
	aiu_quota_find_limits(charges, ncharges, facts->recorded_at, limits);
	for (i = 0; i < ncharges; i++)
	{
		bool		asks = charges[i].amount > 0;

		/* as a rule it is where the last row's was */
		where[i] = AIU_PLACE_COUNTER;
		known[i] = asks && charges[i].counter >= 0 && charges[i].window_ends > charges[i].def->kept_from &&
			aiu_quota_look(&charges[i], limits[i], &seen[i]);
		if (likely(known[i]))
			continue;
		aiu_quota_place(charges, ncharges, i, mode, &words, &where[i]);
		known[i] = asks && where[i] == AIU_PLACE_COUNTER && aiu_quota_look(&charges[i], limits[i], &seen[i]);
	}
	aiu_quota_plan_places(charges, ncharges);

	if (unlikely(facts->draws_on != NULL))
		aiu_hold_own_rest(facts->draws_on, charges, ncharges, facts->last_attempt, own);
	else
		memset(own, 0, sizeof(int128) * ncharges);

	for (i = 0; i < ncharges; i++)
	{
		/* of several that refuse, the one that will do so longest is told */
		if (unlikely(look(&charges[i], where[i], limits[i], own[i], mode, &state, &seen[i], known[i])) &&
			(refusal.index < 0 || seen[i].room_at > refusal.room_at))
		{
			refusal = seen[i];
			refusal.index = i;
		}
	}
	/* a replay is answered by ON CONFLICT, or by the primary key */
	if (unlikely(refusal.index >= 0) && !replay && !aiu_quota_is_booked(id))
		aiu_quota_deny(&charges[refusal.index], &facts->dims[AIU_DIM_API_KEY],
					   aiu_quota_subject_name(&words, charges, ncharges, refusal.index), &refusal, facts->recorded_at);

	if (likely(final))
		enqueue(id, facts, mode, charges, ncharges);
	if (unlikely(facts->late_hold))
		state = AIU_QUOTA_STATE_UNHELD;
	return facts->exempt ? AIU_QUOTA_STATE_EXEMPT : state;
}

/* Reserve.  Without words: false when it needs them, and nothing is reserved then. */
static bool
reserve(AiuCharge *charges, int ncharges, AiuQuotaMode mode, TimestampTz now, AiuWords *words)
{
	uint8		where[AIU_QUOTA_MAX];
	int128		limits[AIU_QUOTA_MAX];
	AiuCrossing crossings[AIU_QUOTA_MAX];
	AiuRefusal	refusal;
	const AiuLabel *key = words ? &words->facts->dims[AIU_DIM_API_KEY] : NULL;
	int			ncrossings = 0;
	AiuReserveResult result;
	int			i;

	aiu_quota_find_limits(charges, ncharges, now, limits);
	do
	{
		for (i = 0; i < ncharges; i++)
		{
			if (likely(words == NULL && charges[i].counter >= 0))
				where[i] = AIU_PLACE_COUNTER;	/* BEFORE found it; the key is compared when it is locked */
			else if (unlikely(!aiu_quota_place(charges, ncharges, i, mode, words, &where[i])))
				return false;
		}
		result = aiu_quota_reserve(charges, ncharges, where, limits, mode, now,
								   &refusal, words ? crossings : NULL, &ncrossings);
	} while (unlikely(result == AIU_NOT_READY) && words != NULL);

	if (unlikely(result != AIU_RESERVED))
	{
		if (words == NULL)
			return false;
		if (result == AIU_REFUSED)
			aiu_quota_deny(&charges[refusal.index], key, aiu_quota_subject_name(words, charges, ncharges, refusal.index),
						   &refusal, now);
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("sum of a limit's usage is out of range")));
	}

	for (i = 0; i < ncharges; i++)
	{
		if (unlikely(where[i] == AIU_PLACE_UNCOUNTED))
			aiu_journal_note_uncounted();
	}
	for (i = 0; i < ncrossings; i++)
		aiu_quota_alert(&charges[crossings[i].index], &crossings[i], key,
						aiu_quota_subject_name(words, charges, ncharges, crossings[i].index));
	return true;
}

bool
aiu_quota_after(const pg_uuid_t *id, CommandId command)
{
	QueuedRow  *row = dequeue(id, command);

	/* another row of the same statement has settled the hold since BEFORE looked */
	if (row != NULL && unlikely(row->draws) && aiu_hold_closed_here(&row->hold_id))
		return false;
	if (row == NULL || !reserve(row->charges, row->ncharges, row->mode, row->now, NULL))
		return false;
	if (unlikely(row->draws))
		aiu_hold_draw_row(&row->hold_id, row->charges, row->ncharges, row->last_attempt);
	return true;
}

void
aiu_quota_after_facts(const pg_uuid_t *id, const AiuQuotaFacts *facts, AiuQuotaMode mode)
{
	AiuCharge	charges[AIU_QUOTA_MAX];
	AiuWords		words = {facts, {NULL}, false};
	int			ncharges = aiu_quota_charges(facts, charges);
	int			i;

	if (unlikely(aiu_quota_table == NULL))
	{
		if (mode == AIU_QUOTA_CHECK && ncharges > 0)
			aiu_quota_deny_not_preloaded(&charges[0]);
		return;
	}
	for (i = 0; i < ncharges; i++)
	{
		if (unlikely(charges[i].uncheckable && mode == AIU_QUOTA_CHECK && aiu_quota_refuses(charges[i].def)))
			aiu_quota_deny_uncheckable(&charges[i], facts, aiu_quota_subject_name(&words, charges, ncharges, i));
	}
	reserve(charges, ncharges, mode, facts->recorded_at, &words);
	if (facts->draws_on != NULL)
		aiu_hold_draw_row(facts->draws_on, charges, ncharges, facts->last_attempt);
}
