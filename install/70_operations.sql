/*
 * Operations: what has to be done now and then.
 */

CREATE FUNCTION aiusage.summarize(brin_index regclass)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.summarize(regclass) IS
	'Summarizes the new pages of a partition''s BRIN index, which views read whole until then, and gathers statistics of its columns where there are none, without which the planner does not use it. Returns how many ranges were new; NULL when a VACUUM is at work there, or the index is none of the ledger''s';

CREATE FUNCTION aiusage.owner_summarize(brin_index regclass)
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $$
DECLARE
	v_schema name;
	v_partition name;
	v_ranges integer;
BEGIN
	SELECT n.nspname, c.relname INTO v_schema, v_partition
	FROM pg_inherits i
	JOIN pg_index x ON x.indexrelid = i.inhrelid
	JOIN pg_class c ON c.oid = x.indrelid
	JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE i.inhrelid = brin_index AND i.inhparent = 'aiusage.usage_record_brin'::regclass;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	v_ranges := brin_summarize_new_values(brin_index);
	IF v_ranges > 0 AND NOT EXISTS (SELECT 1 FROM pg_stats s
		WHERE s.schemaname = v_schema AND s.tablename = v_partition AND s.attname = 'txid') THEN
		EXECUTE format('ANALYZE %I.%I (txid, occurred_at)', v_schema, v_partition);
	END IF;
	RETURN v_ranges;
EXCEPTION
	-- the next call does it
	WHEN lock_not_available THEN
		RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.owner_summarize(regclass) IS
	'What aiusage.summarize() does, as the owner of the books';

/*
 * maintain() commits as it goes, so that no step holds the locks of another:
 * hence a procedure without SET and without a switch of user, everything in it
 * written with its schema.  A step that fails is reported and does not keep the
 * later ones from running; the call then fails at its end, so that whatever
 * scheduled it shows a failure.
 */
CREATE PROCEDURE aiusage.maintain()
LANGUAGE plpgsql
AS $$
DECLARE
	v_failed pg_catalog.text;
	v_index pg_catalog.regclass;
	v_indexes pg_catalog.regclass[];
BEGIN
	IF pg_catalog.pg_is_in_recovery() THEN
		RAISE EXCEPTION USING ERRCODE = '25006',
			MESSAGE = 'cannot maintain the books during recovery',
			HINT = 'Call it on the primary; a standby follows.';
	END IF;

	BEGIN
		PERFORM aiusage.make_partitions();
	EXCEPTION WHEN OTHERS THEN
		RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = pg_catalog.concat('partitions: ', SQLERRM);
		v_failed := pg_catalog.concat_ws(', ', v_failed, 'partitions');
	END;
	COMMIT;

	BEGIN
		PERFORM aiusage.refresh();
	EXCEPTION WHEN OTHERS THEN
		RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = pg_catalog.concat('fold: ', SQLERRM);
		v_failed := pg_catalog.concat_ws(', ', v_failed, 'fold');
	END;
	COMMIT;

	BEGIN
		PERFORM aiusage.prune_quotas();
	EXCEPTION WHEN OTHERS THEN
		RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = pg_catalog.concat('limits: ', SQLERRM);
		v_failed := pg_catalog.concat_ws(', ', v_failed, 'limits');
	END;
	COMMIT;

	BEGIN
		PERFORM aiusage.post_wallets();
	EXCEPTION WHEN OTHERS THEN
		RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = pg_catalog.concat('wallets: ', SQLERRM);
		v_failed := pg_catalog.concat_ws(', ', v_failed, 'wallets');
	END;
	COMMIT;

	BEGIN
		PERFORM aiusage.prune_holds();
	EXCEPTION WHEN OTHERS THEN
		RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = pg_catalog.concat('holds: ', SQLERRM);
		v_failed := pg_catalog.concat_ws(', ', v_failed, 'holds');
	END;
	COMMIT;

	-- Pages that the BRIN indexes do not know yet are read by every view.
	v_indexes := ARRAY(
		SELECT i.inhrelid::pg_catalog.regclass
		FROM pg_catalog.pg_inherits i
		WHERE i.inhparent OPERATOR(pg_catalog.=) 'aiusage.usage_record_brin'::pg_catalog.regclass
		ORDER BY i.inhrelid);
	FOREACH v_index IN ARRAY v_indexes LOOP
		BEGIN
			PERFORM aiusage.summarize(v_index);
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = pg_catalog.concat('summarize: ', SQLERRM);
			v_failed := pg_catalog.concat_ws(', ', v_failed, 'summarize');
		END;
		COMMIT;
	END LOOP;

	IF v_failed IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA503',
			MESSAGE = pg_catalog.concat('maintenance failed: ', v_failed),
			DETAIL = 'What could be done was done and is committed.',
			HINT = 'The warnings before this error say why.';
	END IF;
END
$$;
COMMENT ON PROCEDURE aiusage.maintain() IS
	'What is due: partitions ahead, fold, counters of windows long over, journals of wallets, holds that have ended, BRIN summaries. Commits as it goes, so CALL it outside a transaction block; safe at any time and twice at once. UA503 at the end when a step failed, each with a WARNING; 25006 on a standby';
