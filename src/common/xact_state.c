/*-------------------------------------------------------------------------
 *
 * xact_state.c
 *	  What this transaction has done to the books: usage written, or folded.
 *
 * Two flags of the top-level transaction, cleared by the end-of-transaction
 * callback.  Commit, abort and prepare callbacks must not fail; these only
 * assign.  Parallel workers never write usage (inserts are not parallel), so
 * their events need no case of their own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"

#include "common/errors.h"
#include "common/xact_state.h"

/*---- Local variables ----*/

static bool usage_written = false;
static bool folded = false;
static bool published = false;

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			usage_written = false;
			folded = false;
			published = false;
			break;
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
	}
}

void
aiu_xact_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
}

void
aiu_xact_note_usage(void)
{
	if (unlikely(published))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_CONFLICT),
				 errmsg("cannot book usage in a transaction that has published or rebuilt a limit"),
				 errdetail("Counters are loaded from what others can see, and they cannot see this transaction's limit yet."),
				 errhint("Commit first, then insert in a new transaction.")));
	if (unlikely(folded))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_CONFLICT),
				 errmsg("cannot book usage in a transaction that has folded rollups"),
				 errdetail("The fold's snapshot does not list its own transaction, so rows booked after it would never be folded."),
				 errhint("Commit after aiusage.refresh(), then insert in a new transaction.")));
	usage_written = true;
}

void
aiu_xact_note_fold(void)
{
	if (usage_written)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_CONFLICT),
				 errmsg("cannot fold rollups in a transaction that has booked usage"),
				 errdetail("The fold's snapshot does not list its own transaction, so its rows would be lost to the rollups."),
				 errhint("Commit first, then call aiusage.refresh() in a transaction of its own. The views are exact without it.")));
	folded = true;
}

void
aiu_xact_note_publish(void)
{
	if (usage_written)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_CONFLICT),
				 errmsg("cannot publish or rebuild a limit in a transaction that has booked usage"),
				 errdetail("Its rows were booked without the limit, and no counter would ever know of them."),
				 errhint("Commit first, then publish the limit in a transaction of its own.")));
	published = true;
}

bool
aiu_xact_usage_written(void)
{
	return usage_written;
}

bool
aiu_xact_changed_sums(void)
{
	return folded || published;
}
