/*-------------------------------------------------------------------------
 *
 * quota_hold_xact.c
 *	  What this transaction has done to holds, and what becomes of it.
 *
 * Admission takes room at once, so an abort gives it back.  What gives room
 * back (a row that draws on a hold, a release) waits for the commit: until
 * then the row may be undone, and its request would have no room.
 *
 * Whoever does something to a hold has claimed it (aiu_hold_claim): its own
 * admission, or one of its claims, is the first of its notes.
 *
 * As with the journal of counters, the end of a transaction changes memory
 * that is there and cannot fail.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "quota/quota_hold_internal.h"

#define NOTES_FIRST		64
/* Notes that took more than this are not kept for the next transaction. */
#define NOTES_KEEP		4096

typedef struct HoldNote
{
	AiuHoldDeed deed;
	int32		index;
	int32		level;
	uint8		namounts;
	pg_uuid_t	id;
	TimestampTz given_at;		/* of EXTEND: as it was before */
	TimestampTz expires_at;
	int128		cost;
	int128		amounts[AIU_QUOTA_MAX];
} HoldNote;

/*---- Local variables ----*/

static HoldNote *notes = NULL;
static int	nnotes = 0;
static int	room = 0;

void
aiu_hold_make_room(void)
{
	if (likely(notes != NULL && nnotes < room && (room <= NOTES_KEEP || nnotes > 0)))
		return;
	if (nnotes == 0 && room > NOTES_KEEP)
	{
		pfree(notes);
		notes = NULL;
	}
	if (notes == NULL)
	{
		notes = MemoryContextAlloc(TopMemoryContext, sizeof(HoldNote) * NOTES_FIRST);
		room = NOTES_FIRST;
	}
	if (nnotes == room)
	{
		notes = repalloc_huge(notes, sizeof(HoldNote) * room * 2);
		room *= 2;
	}
}

void
aiu_hold_note(AiuHoldDeed deed, int32 index, const pg_uuid_t *id, const int128 *amounts, int namounts)
{
	HoldNote   *note = &notes[nnotes++];

	Assert(nnotes <= room);
	note->deed = deed;
	note->index = index;
	note->level = GetCurrentTransactionNestLevel();
	note->id = *id;
	note->namounts = namounts;
	if (namounts > 0)
		memcpy(note->amounts, amounts, sizeof(int128) * namounts);
	if (deed == AIU_DEED_CLOSE)
		aiu_hold_set_closing(index, id, true);
	else if (deed == AIU_DEED_DRAW)
		aiu_hold_set_drawing(index, id);
}

void
aiu_hold_note_extension(int32 index, const AiuHold *before, const int128 *amounts, int namounts)
{
	aiu_hold_note(AIU_DEED_EXTEND, index, &before->id, amounts, namounts);
	notes[nnotes - 1].given_at = before->given_at;
	notes[nnotes - 1].expires_at = before->expires_at;
	notes[nnotes - 1].cost = before->cost;
}

bool
aiu_hold_noted(void)
{
	return nnotes > 0;
}

int32
aiu_hold_claim(const pg_uuid_t *id, AiuHold *copy)
{
	VirtualTransactionId mine;
	VirtualTransactionId over;

	GET_VXID_FROM_PGPROC(mine, *MyProc);
	SetInvalidVirtualTransactionId(over);
	for (;;)
	{
		AiuHoldClaim result;
		int32		index;

		aiu_hold_make_room();
		index = aiu_hold_try_claim(id, mine, over, GetCurrentTimestamp(), copy, &result);
		if (result == AIU_CLAIM_NEW)
			aiu_hold_note(AIU_DEED_CLAIM, index, id, NULL, 0);
		if (result != AIU_CLAIM_OTHERS)
			return index;
		/* its end gives the hold back before it gives up this lock; deadlocks are found */
		over = copy->claimant;
		(void) VirtualXactLock(over, true);
	}
}

void
aiu_hold_drawn_here(const AiuHold *hold, int128 *amounts)
{
	VirtualTransactionId mine;
	int			i;
	int			c;

	memset(amounts, 0, sizeof(int128) * AIU_QUOTA_MAX);
	GET_VXID_FROM_PGPROC(mine, *MyProc);
	if (!hold->drawing || !VirtualTransactionIdEquals(hold->claimant, mine))
		return;
	for (i = 0; i < nnotes; i++)
	{
		if (notes[i].deed != AIU_DEED_DRAW || memcmp(&notes[i].id, &hold->id, sizeof(pg_uuid_t)) != 0)
			continue;
		for (c = 0; c < notes[i].namounts; c++)
			amounts[c] += notes[i].amounts[c];
	}
}

static void
undo(const HoldNote *note)
{
	int128		back[AIU_QUOTA_MAX];
	int			i;

	switch (note->deed)
	{
		case AIU_DEED_ADMIT:
			(void) aiu_hold_close(note->index, &note->id, false);
			break;
		case AIU_DEED_CLAIM:
			aiu_hold_unclaim(note->index, &note->id);
			break;
		case AIU_DEED_EXTEND:
			for (i = 0; i < note->namounts; i++)
				back[i] = -note->amounts[i];
			(void) aiu_hold_grow(note->index, &note->id, back, note->namounts, true,
								 note->given_at, note->expires_at, note->cost);
			break;
		case AIU_DEED_DRAW:
			break;
		case AIU_DEED_CLOSE:
			aiu_hold_set_closing(note->index, &note->id, false);
			break;
	}
}

void
aiu_hold_end_xact(bool commit)
{
	int			i;

	if (likely(nnotes == 0))
		return;
	if (!commit)
	{
		while (nnotes > 0)
			undo(&notes[--nnotes]);
		return;
	}
	for (i = 0; i < nnotes; i++)
	{
		if (notes[i].deed == AIU_DEED_DRAW)
			aiu_hold_draw(notes[i].index, &notes[i].id, notes[i].amounts, notes[i].namounts);
		else if (notes[i].deed == AIU_DEED_CLOSE)
			(void) aiu_hold_close(notes[i].index, &notes[i].id, true);
	}
	/* only then, so that nobody finds a hold open that is settled */
	for (i = 0; i < nnotes; i++)
	{
		if (notes[i].deed == AIU_DEED_CLAIM || notes[i].deed == AIU_DEED_ADMIT)
			aiu_hold_unclaim(notes[i].index, &notes[i].id);
	}
	nnotes = 0;
}

void
aiu_hold_end_subxact(bool commit, int level)
{
	int			i;

	if (commit)
	{
		for (i = nnotes - 1; i >= 0 && notes[i].level >= level; i--)
			notes[i].level = level - 1;
		return;
	}
	while (nnotes > 0 && notes[nnotes - 1].level >= level)
		undo(&notes[--nnotes]);
}
