/*
 * Rollups: the fold, and the functions that the rollup tables and views use.
 */

-- Pure helpers: executable by everybody, because views run them as their reader.

CREATE FUNCTION aiusage.dimension_id(assignment bigint, invoice_period integer,
	api_key text, provider text, model text, endpoint text, service_tier text, region text,
	customer text, workflow text, status text, currency text, list_currency text, charge_currency text)
RETURNS uuid
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_dimension_id';
COMMENT ON FUNCTION aiusage.dimension_id(bigint, integer, text, text, text, text, text, text, text, text, text, text, text, text) IS
	'Id of a set of rollup dimension values: the first 128 bits of SHA-256 over them, NULLs and lengths unambiguous. Never NULL';

CREATE FUNCTION aiusage.net_quantity(used aiusage.usage, reversed aiusage.usage, unit text)
RETURNS bigint
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_net_quantity';
COMMENT ON FUNCTION aiusage.net_quantity(aiusage.usage, aiusage.usage, text) IS
	'Whole units used less those reversed; either usage may be NULL. 0 when neither has the unit; NULL when the unit is NULL or the result does not fit a bigint';

CREATE FUNCTION aiusage.billed_usage(usage aiusage.usage, cost_by_unit aiusage.unit_costs)
RETURNS aiusage.usage
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_billed_usage';
COMMENT ON FUNCTION aiusage.billed_usage(aiusage.usage, aiusage.unit_costs) IS
	'Exclusive quantities that the components of a cost are for: of each unit that has one, what was used less what more specific units bill; a flat fee a request counts 1. Minimums and rounding up of quantities are not in it';

-- The fold's view of its own transaction.

CREATE FUNCTION aiusage.begin_fold()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_begin_fold';
COMMENT ON FUNCTION aiusage.begin_fold() IS
	'Marks the transaction as one that folds: usage cannot be written in it afterwards. UA409 when it has written usage already; 25006 when it is read-only or the server is in recovery';

CREATE FUNCTION aiusage.snapshot_boundary(incarnation integer)
RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'aiu_rollup_snapshot_boundary';
COMMENT ON FUNCTION aiusage.snapshot_boundary(integer) IS
	'First transaction that the statement''s snapshot knows nothing of, as usage_record.txid (incarnation << 48 | transaction id with epoch)';

CREATE FUNCTION aiusage.snapshot_running(incarnation integer)
RETURNS bigint[]
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'aiu_rollup_snapshot_running';
COMMENT ON FUNCTION aiusage.snapshot_running(integer) IS
	'Transactions below aiusage.snapshot_boundary() that had not ended in the statement''s snapshot, as usage_record.txid, ascending; the own transaction is not among them';

-- The fold.

CREATE FUNCTION aiusage.refresh()
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.refresh() IS
	'Folds the ledger rows that are visible now and not folded yet into the rollups; returns how many. Figures of the views do not change by it, only their speed. UA409 in a transaction that has written usage; 25006 when read-only or on a standby; 40001 possible above READ COMMITTED';

CREATE FUNCTION aiusage.owner_refresh()
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_incarnation integer;
	v_started timestamptz;
	v_rows bigint;
	v_before record;
	v_after record;
BEGIN
	PERFORM aiusage.begin_fold();

	/*
	 * One fold at a time.  First the lock, in a statement of its own: only the
	 * snapshot taken after it sees what the fold before us did.  (Above READ
	 * COMMITTED the snapshot is older, and this raises 40001 if it matters.)
	 */
	SELECT f.boundary, f.running INTO v_before FROM aiusage.fold_state f FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'data_corrupted',
			MESSAGE = 'aiusage.fold_state has no row',
			HINT = 'Restore the row from a backup: without it nobody knows what the rollups contain.';
	END IF;
	v_incarnation := aiusage.current_incarnation();
	v_started := clock_timestamp();

	/*
	 * What this fold takes is settled here: the rows of transactions that have
	 * ended in this statement's snapshot and are not folded yet.  Nothing can
	 * join them, so the statements below read the same rows, in any snapshot.
	 */
	SELECT aiusage.snapshot_boundary(v_incarnation) AS boundary, aiusage.snapshot_running(v_incarnation) AS running INTO v_after;
	v_rows := aiusage.owner_fold_rows(v_before.boundary, v_before.running, v_after.boundary, v_after.running);

	-- What limits count of the same rows.  Books without limits pay nothing for it.
	IF v_rows > 0 AND aiusage.quota_any() THEN
		PERFORM aiusage.owner_fold_quotas(v_before.boundary, v_before.running, v_after.boundary, v_after.running);
	END IF;

	UPDATE aiusage.fold_state s
	SET boundary = v_after.boundary, running = v_after.running, folded_at = v_started,
		folds = s.folds + 1, rows_folded = s.rows_folded + v_rows, last_rows = v_rows;
	RETURN v_rows;
END
$$;
COMMENT ON FUNCTION aiusage.owner_refresh() IS
	'What aiusage.refresh() does, as the owner of the books';
