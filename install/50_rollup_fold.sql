/*
 * The fold.
 *
 * What is folded is a set of transactions, kept as a boundary and those below
 * it that are not in the set (aiusage.fold_state).  A fold may add any
 * transactions to it that have ended: none of them can get another row.  So a
 * fold that is far behind goes by chunks, each a fold of its own that ends
 * before some transaction; the next one begins where it ended, and views are
 * exact after each.
 */

CREATE FUNCTION aiusage.refresh()
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.refresh() IS
	'Folds the ledger rows that are visible now and not folded yet into the rollups; returns how many. All of them, in the caller''s transaction, however many; aiusage.refresh_step() takes a bounded part, and maintain() commits after each. Figures of the views do not change by it, only their speed. UA409 in a transaction that has written usage; 25006 when read-only or on a standby; 40001 possible above READ COMMITTED';

CREATE FUNCTION aiusage.refresh_step()
RETURNS TABLE (rows_folded bigint, more boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.refresh_step() IS
	'Folds about as many ledger rows as setting fold_rows says, the oldest transactions first, or all there are; more: call it again, best in another transaction. One transaction is never divided, so a single large one is a chunk of its own. maintain() calls it until there is no more. Errors: as of aiusage.refresh()';

CREATE FUNCTION aiusage.owner_refresh_step()
RETURNS TABLE (rows_folded bigint, more boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	v_incarnation integer;
	v_started timestamptz;
	v_before aiusage.fold_state;
	v_cuts bigint[];
	v_boundary bigint;
	v_running bigint[];
	v_rows bigint;
BEGIN
	PERFORM aiusage.begin_fold();

	/*
	 * One fold at a time.  First the lock, in a statement of its own: only the
	 * snapshot taken after it sees what the fold before us did.  (Above READ
	 * COMMITTED the snapshot is older, and this raises 40001 if it matters.)
	 */
	SELECT f.* INTO v_before FROM aiusage.fold_state AS f FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'data_corrupted',
			MESSAGE = 'aiusage.fold_state has no row',
			HINT = 'Restore the row from a backup: without it nobody knows what the rollups contain.';
	END IF;
	v_incarnation := aiusage.current_incarnation();
	v_started := clock_timestamp();

	/*
	 * What there is to fold is settled here: the rows of transactions that have
	 * ended in this statement's snapshot and are not folded yet.  Nothing can
	 * join them, so the statements below read the same rows, in any snapshot.
	 */
	SELECT aiusage.snapshot_boundary(v_incarnation), aiusage.snapshot_running(v_incarnation) INTO v_boundary, v_running;

	v_cuts := v_before.cuts;
	IF cardinality(v_cuts) = 0 THEN
		v_cuts := aiusage.owner_fold_cuts(v_before.boundary, v_before.running, v_boundary, v_running);
	END IF;
	IF cardinality(v_cuts) > 0 THEN
		-- Up to the first cut only: of what is running those below, and what was left out before and is not below it.
		v_boundary := greatest(v_before.boundary, v_cuts[1]);
		v_running := ARRAY(
			SELECT x.txid FROM unnest(v_running) AS x (txid) WHERE x.txid < v_boundary
			UNION
			SELECT x.txid FROM unnest(v_before.running) AS x (txid) WHERE x.txid >= v_cuts[1]
			ORDER BY 1);
	END IF;

	v_rows := aiusage.owner_fold_rows(v_before.boundary, v_before.running, v_boundary, v_running);
	-- What limits count of the same rows.  Books without limits pay nothing for it.
	IF v_rows > 0 AND aiusage.quota_any() THEN
		PERFORM aiusage.owner_fold_quotas(v_before.boundary, v_before.running, v_boundary, v_running);
	END IF;
	-- And by user, where that is switched on.
	IF v_rows > 0 AND EXISTS (SELECT FROM aiusage.user_level) THEN
		PERFORM aiusage.owner_fold_users(v_before.boundary, v_before.running, v_boundary, v_running);
	END IF;

	UPDATE aiusage.fold_state AS s
	SET boundary = v_boundary, running = v_running, cuts = v_cuts[2:],
		folded_at = CASE WHEN cardinality(v_cuts) > 0 THEN s.folded_at ELSE v_started END,
		folds = s.folds + 1, rows_folded = s.rows_folded + v_rows, last_rows = v_rows;
	RETURN QUERY SELECT v_rows, cardinality(v_cuts) > 0;
END
$$;
COMMENT ON FUNCTION aiusage.owner_refresh_step() IS
	'What aiusage.refresh_step() does, as the owner of the books';

CREATE FUNCTION aiusage.owner_refresh()
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	step record;
	total bigint := 0;
BEGIN
	LOOP
		SELECT * INTO step FROM aiusage.owner_refresh_step();
		total := total + step.rows_folded;
		EXIT WHEN NOT step.more;
	END LOOP;
	RETURN total;
END
$$;
COMMENT ON FUNCTION aiusage.owner_refresh() IS
	'What aiusage.refresh() does, as the owner of the books';

CREATE FUNCTION aiusage.owner_folding(source text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT replace($query$
		SELECT * FROM aiusage.{source} AS s
		WHERE s.txid >= $1 AND s.txid < $3 AND s.txid <> ALL ($4)
			AND s.occurred_at >= '-infinity' AND s.occurred_at <= 'infinity'
		UNION ALL
		SELECT * FROM aiusage.{source} AS s
		WHERE s.txid = ANY ($2) AND s.txid < $1 AND s.txid <> ALL ($4)
			AND s.occurred_at >= '-infinity' AND s.occurred_at <= 'infinity'
	$query$, '{source}', quote_ident(source))
$$;
COMMENT ON FUNCTION aiusage.owner_folding(text) IS
	'The query of the rows of usage_record or rollup_source that are folded under boundary $3 and running $4 and were not under $1 and $2';

CREATE FUNCTION aiusage.owner_fold_rows(from_boundary bigint, from_running bigint[], to_boundary bigint, to_running bigint[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
-- a fold is short: compiling its plan would cost more than running it
SET jit = off
-- whatever is known of the ledger's statistics, new rows are found by their txid
SET enable_seqscan = off
AS $$
DECLARE
	v_rows bigint;
BEGIN
	EXECUTE aiusage.owner_fold_statement() INTO v_rows USING from_boundary, from_running, to_boundary, to_running;
	IF v_rows > 0 AND to_regclass('aiusage.rollup_latency') IS NOT NULL THEN
		EXECUTE aiusage.owner_latency_statement() USING from_boundary, from_running, to_boundary, to_running;
	END IF;
	RETURN v_rows;
END
$$;
COMMENT ON FUNCTION aiusage.owner_fold_rows(bigint, bigint[], bigint, bigint[]) IS
	'Adds the rows that are folded under one snapshot and were not under another to every rollup; returns how many. Both are given as fold_state keeps them, so it reads the same rows in any later snapshot. For a fold, which holds the row of fold_state';

CREATE FUNCTION aiusage.owner_fold_cuts(from_boundary bigint, from_running bigint[], to_boundary bigint, to_running bigint[])
RETURNS bigint[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_seqscan = off
AS $$
DECLARE
	most constant bigint := (SELECT s.value::bigint FROM aiusage.setting AS s WHERE s.name = 'fold_rows');
	found_rows bigint;
	cuts bigint[];
BEGIN
	-- Nearly always there is little, and counting it costs little beside folding it.
	EXECUTE format('SELECT count(*) FROM (SELECT FROM (%s) AS s LIMIT $5 + 1) AS s', aiusage.owner_folding('usage_record'))
		INTO found_rows USING from_boundary, from_running, to_boundary, to_running, most;
	IF found_rows <= most THEN
		RETURN '{}';
	END IF;
	-- Once, for all chunks: after which transactions another so many rows are full.
	EXECUTE format($query$
		SELECT array_agg(c.txid + 1 ORDER BY c.txid)
		FROM (
			SELECT t.txid, sum(t.rows) OVER w / $5 AS chunk, (sum(t.rows) OVER w - t.rows) / $5 AS chunk_before
			FROM (SELECT s.txid, count(*)::bigint AS rows FROM (%s) AS s GROUP BY s.txid) AS t
			WINDOW w AS (ORDER BY t.txid)
		) AS c
		WHERE trunc(c.chunk) > trunc(c.chunk_before)
	$query$, aiusage.owner_folding('usage_record'))
		INTO cuts USING from_boundary, from_running, to_boundary, to_running, most;
	RETURN coalesce(cuts, '{}');
END
$$;
COMMENT ON FUNCTION aiusage.owner_fold_cuts(bigint, bigint[], bigint, bigint[]) IS
	'Where to divide a fold that has more rows than setting fold_rows says: the transactions, ascending, before which its chunks end; empty when it has not';
