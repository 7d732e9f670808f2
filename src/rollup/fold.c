/*-------------------------------------------------------------------------
 *
 * fold.c
 *	  What a fold needs to know of the transaction it runs in.
 *
 * A fold takes exactly the ledger rows that its snapshot sees and the last
 * fold's snapshot did not, adds them to the rollups, and stores its own
 * snapshot, all in one transaction.  A snapshot is kept in the form in which
 * the ledger names transactions: `boundary`, the first transaction that the
 * snapshot knows nothing of, and `running`, those below it that had not ended.
 * So the rows that are not folded yet (the tail) are
 *
 *		txid >= boundary  or  txid = ANY (running)
 *
 * which a BRIN index on txid answers, and which holds in every later
 * snapshot, on a standby too.  Who does it is aiusage.owner_refresh() in
 * install/50_rollup.sql.
 *
 * The one row it cannot account for is its own: a snapshot does not list its
 * own transaction as running.  Hence the guard below.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "common/compat.h"
#include "common/errors.h"
#include "common/xact_state.h"
#include "rollup/rollup_internal.h"

AIU_FUNCTION(aiu_rollup_begin_fold);
AIU_FUNCTION(aiu_rollup_snapshot_boundary);
AIU_FUNCTION(aiu_rollup_snapshot_running);

static FullTransactionId widen_xid(TransactionId xid, FullTransactionId next);
static Snapshot fold_snapshot(void);
static int32 checked_incarnation(int32 incarnation);
static int	compare_int64(const void *a, const void *b);

/*
 * Refuse to fold where a fold cannot be right or cannot be written; remember
 * that this transaction folds, so that usage written after it is refused too.
 */
Datum
aiu_rollup_begin_fold(PG_FUNCTION_ARGS)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot fold usage during recovery"),
				 errdetail("The rollups of a standby follow its primary."),
				 errhint("Read the views: they include every row that this standby has replayed.")));
	if (XactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot fold usage in a read-only transaction"),
				 errhint("Read the views: they include the rows that are not folded yet.")));

	aiu_xact_note_fold();
	PG_RETURN_VOID();
}

/*
 * snapshot_boundary(incarnation): the first transaction, as a ledger txid,
 * that the statement's snapshot knows nothing of.
 */
Datum
aiu_rollup_snapshot_boundary(PG_FUNCTION_ARGS)
{
	int32		incarnation = checked_incarnation(PG_GETARG_INT32(0));
	Snapshot	snapshot = fold_snapshot();
	FullTransactionId next = ReadNextFullTransactionId();

	PG_RETURN_INT64(aiu_txid_encode(incarnation, widen_xid(snapshot->xmax, next)));
}

/*
 * snapshot_running(incarnation): the transactions below the boundary that had
 * not ended, ascending.  Prepared transactions are among them: they stay
 * until somebody commits or rolls them back, however often the server
 * restarts in between.
 */
Datum
aiu_rollup_snapshot_running(PG_FUNCTION_ARGS)
{
	int32		incarnation = checked_incarnation(PG_GETARG_INT32(0));
	Snapshot	snapshot = fold_snapshot();
	FullTransactionId next = ReadNextFullTransactionId();
	int64	   *txids = palloc(sizeof(int64) * Max(snapshot->xcnt, 1));
	Datum	   *values = palloc(sizeof(Datum) * Max(snapshot->xcnt, 1));
	int			nvalues = 0;
	uint32		i;

	for (i = 0; i < snapshot->xcnt; i++)
		txids[i] = aiu_txid_encode(incarnation, widen_xid(snapshot->xip[i], next));
	qsort(txids, snapshot->xcnt, sizeof(int64), compare_int64);

	/* PREPARE shows a transaction twice for a moment */
	for (i = 0; i < snapshot->xcnt; i++)
	{
		if (i == 0 || txids[i] != txids[i - 1])
			values[nvalues++] = Int64GetDatum(txids[i]);
	}

	PG_RETURN_ARRAYTYPE_P(construct_array(values, nvalues, INT8OID,
										  sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * The snapshot of the statement that called us.  Its xip is complete but for
 * our own transaction: subtransactions are kept apart, and the ledger stores
 * top-level ids only.
 */
static Snapshot
fold_snapshot(void)
{
	Snapshot	snapshot = GetActiveSnapshot();

	if (snapshot->takenDuringRecovery)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot fold with a snapshot taken during recovery"),
				 errhint("End this transaction and fold in a new one.")));
	return snapshot;
}

/* Add the epoch to an xid that is not after next and less than 2^31 before it. */
static FullTransactionId
widen_xid(TransactionId xid, FullTransactionId next)
{
	uint32		epoch = EpochFromFullTransactionId(next);

	if (!TransactionIdIsNormal(xid))
		elog(ERROR, "transaction id %u in a snapshot is not a normal one", xid);
	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

static int32
checked_incarnation(int32 incarnation)
{
	if (incarnation < 0 || incarnation > AIU_INCARNATION_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("incarnation %d of the books is out of range", incarnation)));
	return incarnation;
}

static int
compare_int64(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}
