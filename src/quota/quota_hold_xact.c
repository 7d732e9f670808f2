/*-------------------------------------------------------------------------
 *
 * quota_hold_xact.c
 *	  What this transaction has done to holds, and what becomes of it.
 *
 * Admission takes room at once, so an abort gives it back.  What gives room
 * back (a row that draws on a hold, a release) waits for the commit: until
 * then the row may be undone, and its request would have no room.
 *
 * As with the journal of counters, the end of a transaction changes memory
 * that is there and cannot fail.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
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
}

bool
aiu_hold_noted(void)
{
	return nnotes > 0;
}

bool
aiu_hold_closed_here(const pg_uuid_t *id)
{
	int			i;

	/* at most as many as there are holds, and their draws */
	for (i = nnotes - 1; i >= 0; i--)
	{
		if (notes[i].deed == AIU_DEED_CLOSE && memcmp(&notes[i].id, id, sizeof(pg_uuid_t)) == 0)
			return true;
	}
	return false;
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
		case AIU_DEED_EXTEND:
			for (i = 0; i < note->namounts; i++)
				back[i] = -note->amounts[i];
			(void) aiu_hold_grow(note->index, &note->id, back, note->namounts, true, DT_NOBEGIN, -1);
			break;
		case AIU_DEED_DRAW:
		case AIU_DEED_CLOSE:
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
