/*
 * Operations: what has to be done now and then.
 */

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
	v_failed text;
	v_partition regclass;
	v_partitions regclass[];
	v_lock_timeout text := pg_catalog.current_setting('lock_timeout');
BEGIN
	IF pg_catalog.pg_is_in_recovery() THEN
		RAISE EXCEPTION USING ERRCODE = '25006',
			MESSAGE = 'cannot maintain the books during recovery',
			HINT = 'Call it on the primary; a standby follows.';
	END IF;
	-- whoever gets here without being the owner is stopped by the first step

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

	/*
	 * Pages that the BRIN index does not know yet are read by every view.
	 * Summarising waits behind a VACUUM of the same partition; then the next
	 * call does it.
	 */
	v_partitions := ARRAY(
		SELECT i.inhrelid::pg_catalog.regclass
		FROM pg_catalog.pg_inherits i
		WHERE i.inhparent OPERATOR(pg_catalog.=) 'aiusage.usage_record_brin'::pg_catalog.regclass
		ORDER BY 1);
	FOREACH v_partition IN ARRAY v_partitions LOOP
		BEGIN
			PERFORM pg_catalog.set_config('lock_timeout', '1s', true);
			PERFORM pg_catalog.brin_summarize_new_values(v_partition);
		EXCEPTION
			WHEN lock_not_available OR undefined_table OR undefined_object THEN
				NULL;
			WHEN OTHERS THEN
				RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = pg_catalog.concat('summarize: ', SQLERRM);
				v_failed := pg_catalog.concat_ws(', ', v_failed, pg_catalog.concat('summarize ', v_partition));
		END;
		COMMIT;
	END LOOP;
	PERFORM pg_catalog.set_config('lock_timeout', v_lock_timeout, true);

	IF v_failed IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA503',
			MESSAGE = pg_catalog.concat('maintenance failed: ', v_failed),
			DETAIL = 'What could be done was done and is committed.',
			HINT = 'The warnings before this error say why.';
	END IF;
END
$$;
COMMENT ON PROCEDURE aiusage.maintain() IS
	'What is due: partitions ahead, fold, BRIN summaries. Commits as it goes, so CALL it outside a transaction block; safe at any time and twice at once. For the owner of the books or a superuser. UA503 at the end when a step failed, each with a WARNING; 25006 on a standby';
