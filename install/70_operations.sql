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

CREATE FUNCTION aiusage.record_step(step text, started_at timestamptz, failure text DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.record_step(text, timestamptz, text) IS 'Notes in aiusage.maintenance how a step went that began then: failure NULL, well. maintain() calls it';

CREATE FUNCTION aiusage.owner_record_step(step text, started_at timestamptz, failure text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO aiusage.maintenance AS m (step, last_at, last_took, last_good_at, last_bad_at, last_error, bad_in_a_row, role)
	SELECT owner_record_step.step, n.at, n.at - owner_record_step.started_at,
		CASE WHEN owner_record_step.failure IS NULL THEN n.at END,
		CASE WHEN owner_record_step.failure IS NOT NULL THEN n.at END,
		left(owner_record_step.failure, 1000), (owner_record_step.failure IS NOT NULL)::int, aiusage.acting_role()
	FROM (SELECT clock_timestamp() AS at) AS n
	ON CONFLICT ON CONSTRAINT maintenance_pkey DO UPDATE SET
		last_at = excluded.last_at, last_took = excluded.last_took, role = excluded.role,
		last_good_at = coalesce(excluded.last_good_at, m.last_good_at),
		last_bad_at = coalesce(excluded.last_bad_at, m.last_bad_at),
		last_error = coalesce(excluded.last_error, m.last_error),
		bad_in_a_row = CASE WHEN excluded.bad_in_a_row = 0 THEN 0 ELSE m.bad_in_a_row + 1 END;
$$;
COMMENT ON FUNCTION aiusage.owner_record_step(text, timestamptz, text) IS 'Body of record_step(), for the owner of the books only';

/*
 * Anybody who may connect to the database may LISTEN, whatever was granted, so
 * the message says which event there is and no amount, key or subject: who
 * may read aiusage.quota_event looks it up there.
 */
CREATE FUNCTION aiusage.send_alerts() RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.send_alerts() IS 'Sends NOTIFY aiusage_alert for events of limits that were not sent yet, oldest first, at most 2000 a call; returns how many. The payload is a JSON object {event, at, kind, quota, threshold, count, notify}: number, time and kind of the aiusage.quota_event, name of the limit, percentage that was crossed (null unless kind is threshold), how many alike it stands for, and who is to be told (null: the limit does not say). Each is sent once, when the transaction commits. maintain() calls it';

CREATE FUNCTION aiusage.owner_send_alerts() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	sent bigint;
BEGIN
	WITH new AS MATERIALIZED (
		-- what another caller is sending, it sends
		SELECT e.event
		FROM aiusage.quota_event AS e
		WHERE e.notified_at IS NULL
		ORDER BY e.event
		LIMIT 2000
		FOR UPDATE SKIP LOCKED
	), noted AS (
		UPDATE aiusage.quota_event AS e
		SET notified_at = clock_timestamp()
		FROM new AS n
		WHERE e.event = n.event
		RETURNING e.*
	), message AS MATERIALIZED (
		SELECT n.event, json_build_object('event', n.event, 'at', n.at, 'kind', n.kind, 'quota', n.quota_name,
			'threshold', n.threshold, 'count', n.count, 'notify', q.notify)::text AS payload
		FROM noted AS n
		LEFT JOIN aiusage.quota AS q ON q.quota = n.quota
		ORDER BY n.event
	)
	SELECT count(pg_notify('aiusage_alert', m.payload)) INTO sent FROM message AS m;
	RETURN sent;
END
$$;
COMMENT ON FUNCTION aiusage.owner_send_alerts() IS 'Body of send_alerts(), for the owner of the books only';

/*
 * pg_cron keeps a row a run for ever.  Those of maintain() are of no use after
 * a week; only the oldest rows are looked at, so that this costs the same
 * however many other jobs there are.
 */
CREATE FUNCTION aiusage.prune_runs(keep interval DEFAULT '7 days') RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	pruned bigint;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'pg_cron')
		OR NOT coalesce(has_schema_privilege(to_regnamespace('cron')::oid, 'USAGE'), false)
		OR NOT coalesce(has_table_privilege(to_regclass('cron.job_run_details')::oid, 'SELECT')
			AND has_table_privilege(to_regclass('cron.job_run_details')::oid, 'DELETE'), false)
	THEN
		RETURN 0;
	END IF;
	EXECUTE $query$
		DELETE FROM cron.job_run_details
		WHERE runid IN (SELECT d.runid FROM cron.job_run_details AS d ORDER BY d.runid LIMIT 1000)
			AND command = 'CALL aiusage.maintain()' AND end_time < now() - $1
	$query$ USING prune_runs.keep;
	GET DIAGNOSTICS pruned = ROW_COUNT;
	RETURN pruned;
END
$$;
COMMENT ON FUNCTION aiusage.prune_runs(interval) IS 'Removes old runs of maintain() from pg_cron''s table of runs, as far as the caller may; looks at its 1000 oldest rows. 0 where pg_cron is not in this database. maintain() calls it';

CREATE FUNCTION aiusage.record_verify() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	began timestamptz := clock_timestamp();
	bad text[];
BEGIN
	bad := ARRAY(SELECT v.check_name FROM aiusage.verify() AS v WHERE NOT v.ok);
	PERFORM aiusage.record_step('verify', began, nullif(array_to_string(bad, ', '), ''));
	RETURN cardinality(bad);
END
$$;
COMMENT ON FUNCTION aiusage.record_verify() IS 'Runs aiusage.verify() and notes in aiusage.maintenance, for aiusage.status(), when it was and which checks failed; returns how many. Reads the whole ledger: once a night is enough. 25006 on a standby';

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
	/*
	 * What is done, in this order: a name, and a call that answers NULL when
	 * there is no more to do.  Each call is a transaction of its own, so that
	 * none holds the locks of another, and a step that is cut short goes on at
	 * its next call.  Retention comes after the fold: what is not folded is not
	 * dropped.
	 */
	c_steps CONSTANT pg_catalog.text[] := ARRAY[
		['partitions', 'SELECT pg_catalog.max(NULL::pg_catalog.int8) FROM aiusage.make_partitions()'],
		['default partition', 'SELECT CASE WHEN aiusage.empty_default() IS NOT NULL THEN 0 END'],
		['fold', 'SELECT CASE WHEN s.more THEN s.rows_folded END FROM aiusage.refresh_step() AS s'],
		['tags', 'SELECT pg_catalog.max(NULL::pg_catalog.int8) FROM aiusage.cap_tags()'],
		['limits', 'SELECT pg_catalog.max(NULL::pg_catalog.int8) FROM aiusage.prune_quotas()'],
		['wallets', 'SELECT pg_catalog.max(NULL::pg_catalog.int8) FROM aiusage.post_wallets()'],
		['holds', 'SELECT pg_catalog.max(NULL::pg_catalog.int8) FROM aiusage.prune_holds()'],
		['erasure', 'SELECT CASE WHEN aiusage.erase_identifiers() IS NOT NULL THEN 0 END'],
		['retention', 'SELECT CASE WHEN aiusage.enforce_retention() IS NOT NULL THEN 0 END'],
		['runs', 'SELECT pg_catalog.max(NULL::pg_catalog.int8) FROM aiusage.prune_runs()']];
	v_step pg_catalog.text[];
	v_rows pg_catalog.int8;
	v_so_far pg_catalog.int8;
	v_failed pg_catalog.text;
	v_began pg_catalog.timestamptz;
	v_unsummarized pg_catalog.text;
	v_index pg_catalog.regclass;
	v_indexes pg_catalog.regclass[];
BEGIN
	IF pg_catalog.pg_is_in_recovery() THEN
		RAISE EXCEPTION USING ERRCODE = '25006',
			MESSAGE = 'cannot maintain the books during recovery',
			HINT = 'Call it on the primary; a standby follows.';
	END IF;

	-- The session is called by the step as long as its transaction lasts, so that a cancel leaves no trace of it.
	FOREACH v_step SLICE 1 IN ARRAY c_steps LOOP
		v_began := pg_catalog.clock_timestamp();
		v_so_far := 0;
		LOOP
			PERFORM pg_catalog.set_config('application_name', pg_catalog.concat('aiusage maintain: ', v_step[1],
				' ' OPERATOR(pg_catalog.||) nullif(v_so_far, 0)), true);
			BEGIN
				EXECUTE v_step[2] INTO v_rows;
				IF v_rows IS NULL THEN
					PERFORM aiusage.record_step(v_step[1], v_began);
				END IF;
			EXCEPTION WHEN OTHERS THEN
				RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = pg_catalog.concat(v_step[1], ': ', SQLERRM);
				v_failed := pg_catalog.concat_ws(', ', v_failed, v_step[1]);
				PERFORM aiusage.record_step(v_step[1], v_began, SQLERRM);
				v_rows := NULL;
			END;
			COMMIT;
			EXIT WHEN v_rows IS NULL;
			v_so_far := v_so_far OPERATOR(pg_catalog.+) v_rows;
		END LOOP;
	END LOOP;

	-- Pages that the BRIN indexes do not know yet are read by every view.
	v_indexes := ARRAY(
		SELECT i.inhrelid::pg_catalog.regclass
		FROM pg_catalog.pg_inherits i
		WHERE i.inhparent OPERATOR(pg_catalog.=) 'aiusage.usage_record_brin'::pg_catalog.regclass
		ORDER BY i.inhrelid);
	v_began := pg_catalog.clock_timestamp();
	FOREACH v_index IN ARRAY v_indexes LOOP
		PERFORM pg_catalog.set_config('application_name', 'aiusage maintain: summarize', true);
		BEGIN
			PERFORM aiusage.summarize(v_index);
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = pg_catalog.concat('summarize: ', SQLERRM);
			v_failed := pg_catalog.concat_ws(', ', v_failed, 'summarize');
			v_unsummarized := SQLERRM;
		END;
		COMMIT;
	END LOOP;
	PERFORM aiusage.record_step('summarize', v_began, v_unsummarized);
	COMMIT;

	/*
	 * Last, because these can fail at a COMMIT, or only outside of a
	 * subtransaction: denials that were counted in memory become events, and
	 * then all new events are sent, once each.
	 */
	v_began := pg_catalog.clock_timestamp();
	PERFORM pg_catalog.set_config('application_name', 'aiusage maintain: alerts', true);
	PERFORM aiusage.flush_denials();
	PERFORM aiusage.send_alerts();
	PERFORM aiusage.record_step('alerts', v_began);
	COMMIT;

	IF v_failed IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA503',
			MESSAGE = pg_catalog.concat('maintenance failed: ', v_failed),
			DETAIL = 'What could be done was done and is committed.',
			HINT = 'The warnings before this error say why.';
	END IF;
END
$$;
COMMENT ON PROCEDURE aiusage.maintain() IS
	'What is due: partitions ahead, rows out of the DEFAULT partition, fold, tags of too many values, counters of windows long over, journals of wallets, holds that have ended, identifiers whose time is over and persons to be erased, retention, BRIN summaries, denials and alerts of limits. Its application_name says in pg_stat_activity which step it is at; aiusage.maintenance keeps how each went. Commits as it goes, so CALL it outside a transaction block; safe at any time and twice at once. UA503 at the end when a step failed, each with a WARNING; 25006 on a standby';
