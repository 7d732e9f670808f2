/*
 * Rebuilding the rollups in place.
 *
 * A slice of time after the other is computed anew and compared with what is
 * there; only rows that differ are written.  A slice of quarter hours is the
 * sum of the ledger rows in it that are folded, and of what was sealed of
 * dropped partitions; days and months are sums of quarter hours.  Each slice is
 * a transaction that holds the row of fold_state, so that no fold comes
 * between; readers see a slice as it was or as it is, and what was right is
 * never touched.  Kept as it is: usage by user of days that ledger rows may be
 * gone of, since no more is kept about a person than the ledger has.
 */

CREATE FUNCTION aiusage.start_rebuild(reason text, from_day date DEFAULT NULL, to_day date DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.start_rebuild(text, date, date) IS 'Enters a rebuild of the rollups and returns its number: of days of UTC from from_day to before to_day, NULL: of all there are. CALL aiusage.rebuild_rollups() enters one and runs it. Errors: UA409 while another is open; UA422 no reason, days in the wrong order';

CREATE FUNCTION aiusage.rebuild_step(job bigint)
	RETURNS TABLE (status text, phase text, percent numeric, rows_changed bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.rebuild_step(bigint) IS 'Computes the next slice of a rebuild anew (a day, or a month) and writes what differs; returns where the job is. Folds wait for the end of its transaction; inserts and readers do not. Errors: UA404 no such job; UA409 in a transaction that has written usage; 25006 when read-only or on a standby';

CREATE FUNCTION aiusage.cancel_rebuild(job bigint) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.cancel_rebuild(bigint) IS 'Ends a rebuild for good; slices that are done stay. Returns whether it was open. Errors: UA404';

CREATE FUNCTION aiusage.owner_start_rebuild(reason text, from_day date, to_day date) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	first_day date;
	last_day date;
	open_job bigint;
	number bigint;
BEGIN
	IF coalesce(btrim(owner_start_rebuild.reason), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a rebuild needs a reason',
			HINT = 'Say why in words; an auditor reads it.';
	ELSIF owner_start_rebuild.from_day >= owner_start_rebuild.to_day OR owner_start_rebuild.from_day IN ('-infinity', 'infinity')
		OR owner_start_rebuild.to_day IN ('-infinity', 'infinity') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a rebuild goes from one day to a later one',
			HINT = 'Leave both out to rebuild everything.';
	END IF;
	LOCK TABLE aiusage.rebuild_job IN SHARE ROW EXCLUSIVE MODE;
	SELECT j.job INTO open_job FROM aiusage.rebuild_job AS j WHERE j.status = 'open';
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('rebuild job %s is open', open_job),
			HINT = 'CALL aiusage.rebuild_rollups() goes on with it; SELECT aiusage.cancel_rebuild() ends it.';
	END IF;
	-- Everything: what either side has, with room for what a zone makes of it.
	SELECT least(min(r.bucket), (SELECT min(u.occurred_at) FROM aiusage.usage_record AS u)) AT TIME ZONE 'UTC',
		greatest(max(r.bucket), (SELECT max(u.occurred_at) FROM aiusage.usage_record AS u)) AT TIME ZONE 'UTC'
	INTO first_day, last_day FROM aiusage.rollup_15m AS r;
	first_day := least(first_day, (SELECT min(r.day) FROM aiusage.rollup_daily AS r), (SELECT min(r.day) FROM aiusage.rollup_owner_daily AS r),
		(SELECT (min(s.bucket) AT TIME ZONE 'UTC')::date FROM aiusage.sealed_15m AS s));
	last_day := greatest(last_day, (SELECT max(r.day) FROM aiusage.rollup_daily AS r), (SELECT max(r.day) FROM aiusage.rollup_owner_daily AS r),
		(SELECT (max(s.bucket) AT TIME ZONE 'UTC')::date FROM aiusage.sealed_15m AS s));
	first_day := coalesce(owner_start_rebuild.from_day, first_day, current_date);
	INSERT INTO aiusage.rebuild_job (reason, from_day, to_day, next_day, session_role, role)
	VALUES (btrim(owner_start_rebuild.reason), first_day, greatest(coalesce(owner_start_rebuild.to_day, last_day + 1), first_day + 1), first_day,
		session_user, aiusage.acting_role())
	RETURNING job INTO number;
	RETURN number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_start_rebuild(text, date, date) IS 'Body of aiusage.start_rebuild(), as the owner of the books';

CREATE FUNCTION aiusage.owner_repair_statement(rollup text, key_columns text[], new_rows text, measures text, same text, copied text)
RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	-- Three disjoint sets of keys; each statement sees the table as it was.
	SELECT format($query$
		WITH new AS MATERIALIZED (%1$s), gone AS (
			DELETE FROM aiusage.%2$I AS r
			WHERE r.%3$I >= $1 AND r.%3$I < $2 AND NOT EXISTS (SELECT FROM new AS n WHERE %4$s)
			RETURNING 1
		), changed AS (
			UPDATE aiusage.%2$I AS r SET %5$s FROM new AS n WHERE %4$s AND NOT (%6$s)
			RETURNING 1
		), missing AS (
			INSERT INTO aiusage.%2$I (%7$s, %8$s)
			SELECT %9$s, %8$s FROM new AS n WHERE NOT EXISTS (SELECT FROM aiusage.%2$I AS r WHERE %4$s)
			ORDER BY %9$s
			RETURNING 1
		)
		SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM changed) + (SELECT count(*) FROM missing)
	$query$, new_rows, rollup, key_columns[1],
		-- a level without dimension has keys that may be NULL
		(SELECT string_agg(CASE WHEN k.at = 1 OR k.name = 'dimension' THEN format('r.%1$I = n.%1$I', k.name)
			ELSE format('r.%1$I IS NOT DISTINCT FROM n.%1$I', k.name) END, ' AND ' ORDER BY k.at)
			FROM unnest(key_columns) WITH ORDINALITY AS k (name, at)),
		copied, same, array_to_string(key_columns, ', '), measures, 'n.' || array_to_string(key_columns, ', n.'))
$$;
COMMENT ON FUNCTION aiusage.owner_repair_statement(text, text[], text, text, text, text) IS
	'The statement that makes the rows of a rollup whose first key is from $1 to before $2 those of a query, writing only what differs; returns how many that were. For owner_rebuild_slice()';

CREATE FUNCTION aiusage.owner_rebuild_slice(phase text, at date)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET work_mem = '64MB'
AS $$
DECLARE
	dimensions constant text := aiusage.owner_each_dimension('{d}');
	measures constant text := aiusage.owner_each_measure('{m}');
	same constant text := aiusage.owner_each_measure('{same}', ' AND ');
	copied constant text := aiusage.owner_each_measure('{m} = n.{m}');
	-- with what was sealed of dropped partitions, where there is retention
	truth constant text := CASE WHEN to_regclass('aiusage.rollup_truth') IS NULL THEN 'rollup_source' ELSE 'rollup_truth' END;
	folded constant text := '(s.txid IS NULL OR s.txid < (SELECT f.boundary FROM aiusage.fold_state AS f) '
		'AND s.txid <> ALL ((SELECT f.running FROM aiusage.fold_state AS f)::bigint[]))';
	until constant date := CASE owner_rebuild_slice.phase WHEN 'months' THEN (date_trunc('month', at::timestamp) + interval '1 month')::date ELSE at + 1 END;
	groups text;
	kept_to date;
	level record;
	changed bigint := 0;
	n bigint;
BEGIN
	IF phase = 'quarter hours' THEN
		groups := format($query$
			SELECT s.bucket, aiusage.dimension_id(%1$s) AS dimension, %2$s, %3$s
			FROM (SELECT s.bucket, %4$s, %5$s
				FROM aiusage.%6$I AS s
				LEFT JOIN aiusage.key_assignment AS a ON a.assignment = s.assignment
				WHERE s.occurred_at >= $1 AND s.occurred_at < $2 AND %7$s) AS s
			GROUP BY s.bucket, %2$s
		$query$, aiusage.owner_each_dimension('s.{label}'), aiusage.owner_each_dimension('s.{d}'),
			replace(aiusage.owner_each_measure('{total} AS {m}'), '(d.', '(s.'),
			aiusage.owner_each_dimension('{value} AS {d}'), aiusage.owner_each_measure('s.{m}'), truth, folded);
		EXECUTE format('INSERT INTO aiusage.rollup_dimension (dimension, %1$s) SELECT DISTINCT ON (d.dimension) d.dimension, %1$s FROM (%2$s) AS d '
			'ORDER BY d.dimension ON CONFLICT (dimension) DO NOTHING', dimensions, groups)
			USING at::timestamp AT TIME ZONE 'UTC', (at + 1)::timestamp AT TIME ZONE 'UTC';
		EXECUTE aiusage.owner_repair_statement('rollup_15m', ARRAY['bucket', 'dimension'], groups, measures, same, copied)
			INTO changed USING at::timestamp AT TIME ZONE 'UTC', (at + 1)::timestamp AT TIME ZONE 'UTC';
		RETURN changed;
	END IF;

	-- The levels above, from the quarter hours that can be in their days, weeks or months: a zone is a day off at most.  A week is done with its Monday.
	FOR level IN SELECT l.*, CASE l.key_columns[1] WHEN 'week' THEN at + 7 ELSE until END AS until, (SELECT string_agg(format('%s AS %I', g.text, l.key_columns[g.at]), ', ' ORDER BY g.at)
				FROM unnest(l.of_group) WITH ORDINALITY AS g (text, at)) AS keys
		FROM aiusage.rollup_levels() AS l
		WHERE l.key_columns[1] = CASE owner_rebuild_slice.phase WHEN 'months' THEN 'month' ELSE 'day' END
			OR l.key_columns[1] = 'week' AND owner_rebuild_slice.phase = 'days' AND extract(isodow FROM at) = 1
	LOOP
		EXECUTE aiusage.owner_repair_statement(level.rollup, level.key_columns, format($query$
			SELECT n.* FROM (
				SELECT %1$s, %2$s
				FROM (SELECT r.bucket, r.dimension, %3$s, %4$s
					FROM aiusage.rollup_15m AS r
					JOIN aiusage.rollup_dimension AS x ON x.dimension = r.dimension
					WHERE r.bucket >= $3 AND r.bucket < $4) AS d
				LEFT JOIN aiusage.billing_calendar AS c ON c.calendar = d.invoice_period / 100000
				LEFT JOIN aiusage.key_assignment AS a ON a.assignment = d.assignment
				GROUP BY %5$s) AS n
			WHERE n.%6$I >= $1 AND n.%6$I < $2
		$query$, level.keys, aiusage.owner_each_measure('{total} AS {m}'), aiusage.owner_each_dimension('x.{d}'), aiusage.owner_each_measure('r.{m}'),
			array_to_string(level.of_group, ', '), level.key_columns[1]), measures, same, copied)
			INTO n USING at, level.until, (at - 1)::timestamp AT TIME ZONE 'UTC',
				(CASE owner_rebuild_slice.phase WHEN 'months' THEN level.until + 32 ELSE level.until + 1 END)::timestamp AT TIME ZONE 'UTC';
		changed := changed + n;
	END LOOP;

	IF phase = 'days' THEN
		EXECUTE aiusage.owner_repair_statement('rollup_latency', string_to_array(aiusage.owner_latency_key(), ', '), format($query$
			SELECT %1$s, %2$s FROM (%3$s%4$s) AS b GROUP BY %1$s
		$query$, aiusage.owner_latency_key(), aiusage.latency_counts('sum(b.{n})::bigint AS {n}'), aiusage.owner_latency_groups(
				'SELECT * FROM aiusage.rollup_source AS s WHERE s.occurred_at >= $3 AND s.occurred_at < $4 AND s.day >= $1 AND s.day < $2 AND ' || folded),
			CASE WHEN truth = 'rollup_truth' THEN format(' UNION ALL SELECT %s, %s FROM aiusage.sealed_latency AS z '
				'JOIN aiusage.sealed_partition AS p ON p.number = z.partition_number WHERE z.day >= $1 AND z.day < $2',
				aiusage.owner_latency_key(), aiusage.latency_counts('{n}')) END),
			aiusage.latency_counts('{n}'), replace(aiusage.latency_counts('(r.{n} = n.{n})'), '), (', ') AND ('), aiusage.latency_counts('{n} = n.{n}'))
			INTO n USING at, until, (at - 1)::timestamp AT TIME ZONE 'UTC', (until + 1)::timestamp AT TIME ZONE 'UTC';
		changed := changed + n;
		-- Rows are at most an hour older than their ids: of later days none has been dropped.
		kept_to := (SELECT (aiusage.id_time(b.retained_from) AT TIME ZONE 'UTC')::date + 2 FROM aiusage.books AS b
			WHERE b.retained_from <> '00000000-0000-0000-0000-000000000000');
		IF kept_to IS NULL OR at > kept_to THEN
			changed := changed + aiusage.owner_rebuild_users(at);
		END IF;
	END IF;
	RETURN changed;
END
$$;
COMMENT ON FUNCTION aiusage.owner_rebuild_slice(text, date) IS 'Computes one slice of the rollups anew and writes what differs; returns how many rows did. For owner_rebuild_step(), which holds the row of fold_state';

CREATE FUNCTION aiusage.owner_rebuild_step(job bigint)
	RETURNS TABLE (status text, phase text, percent numeric, rows_changed bigint)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	j aiusage.rebuild_job;
	changed bigint;
	following date;
	next_phase text;
BEGIN
	PERFORM aiusage.begin_fold();
	SELECT * INTO j FROM aiusage.rebuild_job AS r WHERE r.job = owner_rebuild_step.job FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('rebuild job %s does not exist', coalesce(owner_rebuild_step.job::text, 'null')),
			HINT = 'aiusage.rebuild_progress lists them; aiusage.start_rebuild() makes one.';
	END IF;
	IF j.status = 'open' THEN
		-- No fold until we are done; what is folded is read by statements after this one.
		PERFORM FROM aiusage.fold_state FOR UPDATE;
		changed := aiusage.owner_rebuild_slice(j.phase, j.next_day);
		next_phase := j.phase;
		following := CASE j.phase WHEN 'months' THEN (date_trunc('month', j.next_day::timestamp) + interval '1 month')::date ELSE j.next_day + 1 END;
		-- business days, weeks and months reach beyond days of UTC, by a day, and by what a week or month begins before it
		IF j.phase = 'quarter hours' AND following >= j.to_day THEN
			next_phase := 'days';
			following := date_trunc('week', (j.from_day - 1)::timestamp)::date;
		ELSIF j.phase = 'days' AND following > j.to_day THEN
			next_phase := 'months';
			following := (date_trunc('month', j.from_day - 1) - interval '1 month')::date;
		ELSIF j.phase = 'months' AND following > j.to_day THEN
			next_phase := NULL;
		END IF;
		UPDATE aiusage.rebuild_job AS r
		SET phase = coalesce(next_phase, r.phase), next_day = following, slices = r.slices + 1,
			rows_changed = r.rows_changed + changed, last_step_at = clock_timestamp(),
			status = CASE WHEN next_phase IS NULL THEN 'done' ELSE 'open' END,
			finished_at = CASE WHEN next_phase IS NULL THEN clock_timestamp() END
		WHERE r.job = j.job;
	END IF;
	RETURN QUERY SELECT p.status, p.phase, p.percent, p.rows_changed FROM aiusage.rebuild_progress AS p WHERE p.job = j.job;
END
$$;
COMMENT ON FUNCTION aiusage.owner_rebuild_step(bigint) IS 'Body of aiusage.rebuild_step(), as the owner of the books';

CREATE FUNCTION aiusage.owner_cancel_rebuild(job bigint) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old_status text;
BEGIN
	SELECT r.status INTO old_status FROM aiusage.rebuild_job AS r WHERE r.job = owner_cancel_rebuild.job FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('rebuild job %s does not exist', coalesce(owner_cancel_rebuild.job::text, 'null')),
			HINT = 'aiusage.rebuild_progress lists them.';
	END IF;
	UPDATE aiusage.rebuild_job AS r SET status = 'cancelled', finished_at = clock_timestamp()
	WHERE r.job = owner_cancel_rebuild.job AND old_status = 'open';
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION aiusage.owner_cancel_rebuild(bigint) IS 'Body of aiusage.cancel_rebuild(), as the owner of the books';

/*
 * Commits after every slice: hence a procedure without SET and without a
 * switch of user, everything in it written with its schema.
 */
CREATE PROCEDURE aiusage.rebuild_rollups(reason text DEFAULT NULL, from_day date DEFAULT NULL, to_day date DEFAULT NULL)
LANGUAGE plpgsql
AS $$
DECLARE
	v_job pg_catalog.int8;
	v_step pg_catalog.record;
	v_name pg_catalog.text;
	v_told pg_catalog.timestamptz := pg_catalog.clock_timestamp();
BEGIN
	v_job := (SELECT p.job FROM aiusage.rebuild_progress AS p WHERE p.status OPERATOR(pg_catalog.=) 'open');
	IF v_job IS NULL THEN
		v_job := aiusage.start_rebuild(rebuild_rollups.reason, rebuild_rollups.from_day, rebuild_rollups.to_day);
	ELSE
		RAISE NOTICE 'going on with rebuild job %', v_job;
	END IF;
	COMMIT;
	LOOP
		-- for this transaction, so that a cancel leaves no trace of it
		PERFORM pg_catalog.set_config('application_name', pg_catalog.concat('aiusage rebuild', v_name), true);
		SELECT * INTO v_step FROM aiusage.rebuild_step(v_job);
		v_name := pg_catalog.concat(': ', v_step.phase, ' ', v_step.percent, '%');
		COMMIT;
		EXIT WHEN v_step.status OPERATOR(pg_catalog.<>) 'open';
		IF pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>) (v_told OPERATOR(pg_catalog.+) '5 seconds'::pg_catalog.interval) THEN
			v_told := pg_catalog.clock_timestamp();
			RAISE NOTICE 'rebuild job %: % %%, % rows of rollups changed', v_job, v_step.percent, v_step.rows_changed;
		END IF;
	END LOOP;
	RAISE NOTICE 'rebuild job % is %: % rows of rollups changed', v_job, v_step.status, v_step.rows_changed;
END
$$;
COMMENT ON PROCEDURE aiusage.rebuild_rollups(text, date, date) IS 'Computes the rollups anew from the ledger and what was sealed of dropped partitions, in place, slice by slice, a transaction each, and writes only rows that differ; goes on with an open job where a crash or a cancel left it. Days of UTC from from_day to before to_day, NULL: all. Readers and inserts go on; folds wait for a slice at a time. CALL it outside a transaction block; aiusage.rebuild_progress and its application_name say how far it is. Errors: as of aiusage.start_rebuild() and aiusage.rebuild_step()';
