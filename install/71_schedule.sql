/*
 * Having maintain() called: by pg_cron, which lives in one database of a
 * cluster and is neither required nor called by the extension's script.  So
 * nothing here refers to it but in text, and everything runs as the caller:
 * pg_cron's own rules say who may have what job.
 */

CREATE FUNCTION aiusage.cron_schedule(every text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET IntervalStyle = 'postgres'
AS $$
DECLARE
	given text := btrim(cron_schedule.every);
	minutes numeric;
	length interval;
BEGIN
	-- five fields and the like are pg_cron's to check
	IF given ~ '^(\S+\s+){4}\S+$' OR given ~ '^@' THEN
		RETURN given;
	END IF;
	BEGIN
		length := given::interval;
		minutes := extract(epoch FROM length) / 60;
	EXCEPTION WHEN data_exception THEN
		minutes := NULL;
	END;
	RETURN CASE
		WHEN minutes IS NULL OR minutes <> trunc(minutes) OR minutes < 1 OR extract(month FROM length) <> 0
			OR extract(year FROM length) <> 0 THEN NULL
		WHEN minutes = 1 THEN '* * * * *'
		WHEN minutes < 60 AND 60 % minutes = 0 THEN format('*/%s * * * *', trim_scale(minutes))
		WHEN minutes = 60 THEN '0 * * * *'
		WHEN minutes < 1440 AND 1440 % minutes = 0 AND minutes % 60 = 0 THEN format('0 */%s * * *', trim_scale(minutes / 60))
		WHEN minutes = 1440 THEN '0 0 * * *'
	END;
END
$$;
COMMENT ON FUNCTION aiusage.cron_schedule(text) IS 'A schedule as pg_cron takes it, from one (five fields, as it is) or from an interval that divides an hour or a day into whole minutes: "5 minutes" is "*/5 * * * *". NULL when it is neither';

CREATE FUNCTION aiusage.cron_database() RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN current_setting('cron.database_name', true);
EXCEPTION WHEN insufficient_privilege THEN
	-- loaded, but only members of pg_read_all_settings may see it
	RETURN '(the value of cron.database_name)';
END
$$;
COMMENT ON FUNCTION aiusage.cron_database() IS 'The database that pg_cron is for; NULL: the server has not loaded it';

CREATE FUNCTION aiusage.schedule(schedule text DEFAULT '1 minute', database_name text DEFAULT NULL, run_as regrole DEFAULT NULL,
		OUT job_id bigint, OUT job_name text, OUT cron text, OUT database text, OUT runs_as text, OUT action text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command constant text := 'CALL aiusage.maintain()';
	here text := current_database();
	home text;
	problem text;
	old record;
	other record;
	removed bigint := 0;
BEGIN
	cron := aiusage.cron_schedule(schedule.schedule);
	database := coalesce(schedule.database_name, here);
	job_name := format('aiusage %s', database);
	runs_as := coalesce((SELECT r.rolname FROM pg_roles AS r WHERE r.oid = schedule.run_as), current_user);
	IF cron IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('schedule "%s" is neither five fields of cron nor an interval it can say', left(schedule.schedule, 64)),
			DETAIL = 'pg_cron knows minutes, and its times are GMT.',
			HINT = 'For example "* * * * *", "5 minutes" or "1 hour": an interval divides an hour or a day.';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_database AS d WHERE d.datname = schedule.database AND d.datallowconn) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('database "%s" does not exist, or allows no connection', left(database, 64)),
			HINT = 'pg_database lists the databases; database_name is where the books are.';
	END IF;

	-- Where pg_cron is.
	IF NOT EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'pg_cron') THEN
		home := aiusage.cron_database();
		IF home IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'UA503',
				MESSAGE = 'pg_cron is not there to schedule maintenance',
				DETAIL = 'shared_preload_libraries does not load it.',
				HINT = format('Install it, then in postgresql.conf: shared_preload_libraries = ''aiusage,pg_cron'', cron.database_name = ''%s'' and cron.use_background_workers = on (ALTER SYSTEM wants each library in quotes of its own); restart; CREATE EXTENSION pg_cron. Or let any other scheduler run: psql -d %s -c "%s"',
					database, database, command);
		ELSIF home = here THEN
			RAISE EXCEPTION USING ERRCODE = 'UA503',
				MESSAGE = format('pg_cron is loaded, but not created in database "%s"', here),
				HINT = 'Run CREATE EXTENSION pg_cron; here as a superuser, then call aiusage.schedule() again.';
		ELSE
			RAISE EXCEPTION USING ERRCODE = 'UA503',
				MESSAGE = format('pg_cron is in database "%s", not in "%s"', home, here),
				DETAIL = 'It lives in one database of a cluster (cron.database_name) and runs jobs in all of them.',
				HINT = format('Connect to database "%s" as a superuser (where CREATE EXTENSION IF NOT EXISTS pg_cron; is needed once) and run: SELECT cron.schedule_in_database(%L, %L, %L, %L); With extension aiusage there, too, SELECT aiusage.schedule(%L, %L); does the same. Or have pg_cron here: cron.database_name = ''%s'' in postgresql.conf, and restart.',
					home, job_name, cron, command, database, schedule.schedule, database, here);
		END IF;
	END IF;

	-- Who may do it, and who will be able to run it.
	problem := CASE
		WHEN NOT has_schema_privilege('cron', 'USAGE') THEN 'has no privilege USAGE on schema cron'
		WHEN (database <> here OR runs_as <> current_user) AND to_regprocedure('cron.schedule_in_database(text,text,text,text,text,boolean)') IS NULL
			THEN 'needs pg_cron 1.4 or later to schedule in another database or for another role'
		WHEN (database <> here OR runs_as <> current_user)
			AND NOT has_function_privilege('cron.schedule_in_database(text,text,text,text,text,boolean)', 'EXECUTE')
			THEN 'may not execute cron.schedule_in_database(), which another database or role needs'
	END;
	IF problem IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = '42501',
			MESSAGE = format('role "%s" %s', current_user, problem),
			HINT = 'Call it as a superuser, or have one grant it (or ALTER EXTENSION pg_cron UPDATE).';
	END IF;
	problem := CASE
		WHEN NOT (SELECT r.rolcanlogin FROM pg_roles AS r WHERE r.rolname = schedule.runs_as)
			THEN 'cannot log in, so pg_cron cannot run a job as it'
		WHEN NOT has_database_privilege(runs_as, database, 'CONNECT') THEN format('may not connect to database "%s"', database)
		WHEN database = here AND NOT has_function_privilege(runs_as, 'aiusage.maintain()', 'EXECUTE')
			THEN 'may not execute aiusage.maintain()'
	END;
	IF problem IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('role "%s" %s', runs_as, problem),
			HINT = 'Name a role in run_as that can log in and was granted access of kind admin.';
	END IF;

	/*
	 * One job a database.  The name is pg_cron's key together with the role;
	 * a job under another name or role that does the same, as far as the
	 * caller sees it, gives way.
	 */
	FOR other IN EXECUTE $query$
		SELECT j.jobid, j.jobname, j.username FROM cron.job AS j
		WHERE j.database = $1 AND btrim(j.command, '; ') = $2 AND (j.jobname IS DISTINCT FROM $3::name OR j.username <> $4)
	$query$ USING database, command, job_name, runs_as
	LOOP
		EXECUTE 'SELECT cron.unschedule($1)' USING other.jobid;
		removed := removed + 1;
	END LOOP;

	EXECUTE 'SELECT j.jobid, j.schedule, j.active, j.command FROM cron.job AS j WHERE j.jobname = $1::name AND j.username = $2 AND j.database = $3'
		INTO old USING job_name, runs_as, database;
	IF old.jobid IS NOT NULL AND old.schedule = cron AND old.active AND old.command = command THEN
		job_id := old.jobid;
		action := CASE WHEN removed > 0 THEN format('unchanged; %s other jobs removed', removed) ELSE 'unchanged' END;
		RETURN;
	END IF;
	BEGIN
		IF database = here AND runs_as = current_user THEN
			EXECUTE 'SELECT cron.schedule($1::text, $2::text, $3::text)' INTO job_id USING job_name, cron, command;
		ELSE
			EXECUTE 'SELECT cron.schedule_in_database($1::text, $2::text, $3::text, $4::text, $5::text, true)'
				INTO job_id USING job_name, cron, command, database, runs_as;
		END IF;
	EXCEPTION WHEN invalid_parameter_value OR internal_error THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('pg_cron refuses schedule "%s"', left(cron, 64)),
			DETAIL = SQLERRM,
			HINT = 'Minute, hour, day of the month, month, day of the week, in GMT: "*/5 * * * *" is every five minutes.';
	END;
	action := concat_ws('; ', CASE WHEN old.jobid IS NULL THEN 'created' ELSE 'changed' END,
		CASE WHEN removed > 0 THEN format('%s other jobs removed', removed) END);
END
$$;
COMMENT ON FUNCTION aiusage.schedule(text, text, regrole, OUT bigint, OUT text, OUT text, OUT text, OUT text, OUT text) IS 'Has pg_cron CALL aiusage.maintain() on a schedule: five fields of cron in GMT, or an interval in whole minutes that divides an hour or a day. Call it in pg_cron''s database; database_name is where the books are (NULL: here; elsewhere it takes a superuser and pg_cron 1.4), run_as the role that the job runs as (NULL: the caller''s current role; it must be able to log in and be an admin). Safe to call again: one job a database, named "aiusage <database>"; action is created, changed or unchanged. Errors: UA503 with what to do when pg_cron is not there or is in another database; UA422 for the schedule or the role; UA404 unknown database; 42501';

CREATE FUNCTION aiusage.unschedule(database_name text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	removed bigint := 0;
	job bigint;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'pg_cron') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA503',
			MESSAGE = format('pg_cron is not in database "%s"', current_database()),
			HINT = format('Connect to the database it is in%s and run: SELECT cron.unschedule(jobid) FROM cron.job WHERE database = %L AND command = ''CALL aiusage.maintain()'';',
				format(', "%s",', aiusage.cron_database()), coalesce(unschedule.database_name, current_database()));
	END IF;
	IF NOT has_schema_privilege('cron', 'USAGE') THEN
		RAISE EXCEPTION USING ERRCODE = '42501',
			MESSAGE = format('role "%s" has no privilege USAGE on schema cron', current_user),
			HINT = 'Run GRANT USAGE ON SCHEMA cron to it as a superuser.';
	END IF;
	FOR job IN EXECUTE $query$
		SELECT j.jobid FROM cron.job AS j WHERE j.database = $1 AND btrim(j.command, '; ') = 'CALL aiusage.maintain()'
	$query$ USING coalesce(unschedule.database_name, current_database())
	LOOP
		EXECUTE 'SELECT cron.unschedule($1)' USING job;
		removed := removed + 1;
	END LOOP;
	RETURN removed;
END
$$;
COMMENT ON FUNCTION aiusage.unschedule(text) IS 'Removes the jobs of pg_cron that CALL aiusage.maintain() in a database (NULL: this one), as far as the caller sees them: his own, a superuser all; returns how many. Errors: UA503 when pg_cron is not in this database; 42501';

CREATE FUNCTION aiusage.schedule_runs(database_name text DEFAULT NULL)
	RETURNS TABLE (job_id bigint, job_name text, cron text, active boolean, runs_as text, runs bigint, failures bigint,
		last_started_at timestamptz, last_status text, last_message text, last_good_at timestamptz, last_bad_at timestamptz,
		last_bad_message text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'pg_cron')
		OR NOT has_schema_privilege('cron', 'USAGE')
		OR to_regclass('cron.job_run_details') IS NULL
	THEN
		RETURN;
	END IF;
	RETURN QUERY EXECUTE $query$
		SELECT j.jobid, j.jobname::text, j.schedule, j.active, j.username, coalesce(r.runs, 0), coalesce(r.failures, 0),
			l.start_time, l.status, l.return_message, r.last_good_at, b.start_time, b.return_message
		FROM cron.job AS j
		LEFT JOIN LATERAL (
			SELECT count(*) AS runs, count(*) FILTER (WHERE d.status = 'failed') AS failures,
				max(d.start_time) FILTER (WHERE d.status = 'succeeded') AS last_good_at
			FROM cron.job_run_details AS d WHERE d.jobid = j.jobid
		) AS r ON true
		LEFT JOIN LATERAL (
			SELECT d.start_time, d.status, d.return_message FROM cron.job_run_details AS d
			WHERE d.jobid = j.jobid ORDER BY d.runid DESC LIMIT 1
		) AS l ON true
		LEFT JOIN LATERAL (
			SELECT d.start_time, d.return_message FROM cron.job_run_details AS d
			WHERE d.jobid = j.jobid AND d.status = 'failed' ORDER BY d.runid DESC LIMIT 1
		) AS b ON true
		WHERE j.database = $1 AND btrim(j.command, '; ') = 'CALL aiusage.maintain()'
		ORDER BY j.jobid
	$query$ USING coalesce(schedule_runs.database_name, current_database()::text);
END
$$;
COMMENT ON FUNCTION aiusage.schedule_runs(text) IS 'The jobs of pg_cron that CALL aiusage.maintain() in a database (NULL: this one), with the runs that pg_cron still knows, as far as the caller sees them. No row where pg_cron is not in this database or the caller may not use schema cron';
