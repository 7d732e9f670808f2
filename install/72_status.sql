/*
 * status(): the doctor.  Cheap enough for every minute: it reads
 * configuration, counters, the rollups of a month and at most some ten
 * thousand rows that are not folded yet; verify() reads the ledger.
 *
 * What the books say is read as their owner, what the server says as the
 * caller: who may see others' sessions or pg_cron's jobs, PostgreSQL decides.
 */

CREATE FUNCTION aiusage.books_status(OUT check_name text, OUT severity text, OUT value text, OUT meaning text, OUT action text)
	RETURNS SETOF record
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.books_status(OUT text, OUT text, OUT text, OUT text, OUT text) IS 'The checks of aiusage.status() that read the books';

CREATE FUNCTION aiusage.owner_books_status(OUT check_name text, OUT severity text, OUT value text, OUT meaning text, OUT action text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	-- more rows than this are not counted
	most constant int := 50000;
	memory record;
	books record;
	tail record;
	n bigint;
	late interval;
	list text;
	ahead int := (SELECT s.value::int FROM aiusage.setting AS s WHERE s.name = 'partitions_ahead');
	limits bigint := (SELECT count(*) FROM aiusage.quota AS q WHERE q.status = 'active');
BEGIN
	SELECT * INTO memory FROM aiusage.quota_memory();
	SELECT * INTO books FROM aiusage.books;

	RETURN QUERY SELECT 'preload',
		CASE WHEN memory.preloaded THEN 'ok' WHEN limits > 0 THEN 'error' ELSE 'info' END,
		CASE WHEN memory.preloaded THEN 'yes' ELSE 'no' END,
		CASE WHEN memory.preloaded THEN 'The server loads aiusage at its start, so limits can be enforced'
			WHEN limits > 0 THEN format('Usage of %s active limits is refused: they are enforced in shared memory, which is not there', limits)
			ELSE 'Everything works but limits' END,
		CASE WHEN NOT memory.preloaded THEN 'Set shared_preload_libraries = ''aiusage'' and restart the server' END;

	-- restored elsewhere
	RETURN QUERY SELECT 'cluster', CASE WHEN books.system_identifier = aiusage.system_identifier() THEN 'ok' ELSE 'info' END,
		format('incarnation %s', books.incarnation),
		CASE WHEN books.system_identifier = aiusage.system_identifier() THEN 'The books live where they were written last'
			ELSE 'The books come from another cluster; the first row or fold here starts their next incarnation' END,
		NULL::text;

	-- what the books say of the time, which never was later than it is now
	SELECT greatest(max(x.recorded_at), (SELECT f.folded_at FROM aiusage.fold_state AS f)) - clock_timestamp() INTO late
	FROM (SELECT u.recorded_at FROM aiusage.usage_record AS u ORDER BY u.id DESC LIMIT 100) AS x;
	RETURN QUERY SELECT 'clock', CASE WHEN late > interval '1 minute' THEN 'error' WHEN late > interval '1 second' THEN 'warning' ELSE 'ok' END,
		CASE WHEN late > interval '1 second' THEN format('%s s behind', round(extract(epoch FROM late))) ELSE 'not behind' END,
		CASE WHEN late > interval '1 second' THEN 'The server''s clock is behind what was booked or folded last: it was set back, or had been ahead. '
				'Limits by the minute and sliding ones may count what was booked in that time twice, never less'
			ELSE 'The server''s clock against what was booked and folded last' END,
		CASE WHEN late > interval '1 second' THEN 'See to the clock (NTP); look at rows of usage_log by recorded_at' END
	WHERE NOT pg_is_in_recovery();

	-- partitions
	SELECT count(*) FILTER (WHERE r.lower_at > now()), to_char(max(r.upper_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
	INTO n, list FROM aiusage.partition_ranges() AS r;
	RETURN QUERY SELECT 'partitions ahead',
		CASE WHEN NOT EXISTS (SELECT FROM aiusage.partition_ranges() AS r WHERE now() >= r.lower_at AND now() < r.upper_at) THEN 'error'
			WHEN n < ahead THEN 'warning' ELSE 'ok' END,
		n::text, format('Partitions of the ledger are made until %s; setting partitions_ahead asks for %s', coalesce(list, 'never'), ahead),
		CASE WHEN n < ahead THEN 'CALL aiusage.maintain(), or SELECT * FROM aiusage.make_partitions()' END;
	n := (SELECT count(*) FROM (SELECT FROM aiusage.usage_record_default AS d LIMIT most) AS d);
	RETURN QUERY SELECT 'default partition', CASE WHEN n = 0 THEN 'ok' ELSE 'warning' END,
		format(CASE WHEN n >= most THEN '%s or more rows' ELSE '%s rows' END, n),
		'Rows for whose time no partition was made: they count as any other, but cannot be dropped by age; maintain() moves them',
		CASE WHEN n > 0 THEN (SELECT format('SELECT * FROM aiusage.make_partitions(%L, %L)', min(d.occurred_at)::date, max(d.occurred_at)::date + 1)
			FROM (SELECT d.occurred_at FROM aiusage.usage_record_default AS d LIMIT most) AS d) END;

	-- retention
	RETURN QUERY SELECT 'retention',
		CASE WHEN count(*) FILTER (WHERE p.state IN ('frozen', 'sealed', 'detached') AND coalesce(p.sealed_at, p.frozen_at) < now() - interval '1 day') > 0
			THEN 'warning' WHEN count(*) FILTER (WHERE p.state <> 'dropped' AND p.held_by NOT LIKE 'retention:%') > 0 THEN 'info' ELSE 'ok' END,
		format('%s dropped, %s on the way, %s due and held', count(*) FILTER (WHERE p.state = 'dropped'),
			count(*) FILTER (WHERE p.state IN ('frozen', 'sealed', 'detached')),
			count(*) FILTER (WHERE p.state = 'kept' AND p.held_by NOT LIKE 'retention:%')),
		coalesce('Partitions whose time is over and that are still there: ' || string_agg(format('%s (%s)', p.partition, p.held_by), '; ' ORDER BY p.lower_at)
			FILTER (WHERE p.state <> 'dropped' AND p.held_by NOT LIKE 'retention:%'), 'Partitions are dropped when the time of their rows is over'),
		CASE WHEN count(*) FILTER (WHERE p.state <> 'dropped' AND p.held_by NOT LIKE 'retention:%') > 0
			THEN 'Mend what holds them (close the period, fold, end the transaction); aiusage.retention_status says more' END
	FROM aiusage.ledger_partition AS p;
	RETURN QUERY SELECT 'erasures', CASE WHEN min(e.requested_at) < now() - interval '1 day' THEN 'warning' WHEN count(*) > 0 THEN 'info' ELSE 'ok' END,
		format('%s open', count(*)), 'Persons who are to be erased and are not yet; aiusage.erasure says how far each is',
		CASE WHEN count(*) > 0 THEN 'CALL aiusage.maintain() goes on with them' END
	FROM aiusage.erasure AS e WHERE e.status = 'open';

	-- the fold
	SELECT count(*) AS rows, now() - min(t.recorded_at) AS late INTO tail
	FROM (SELECT t.recorded_at FROM aiusage.quota_tail AS t LIMIT most) AS t;
	late := coalesce(tail.late, interval '0');
	RETURN QUERY SELECT 'fold lag',
		CASE WHEN tail.rows = 0 OR late < interval '5 minutes' AND tail.rows < most THEN 'ok'
			WHEN late < interval '1 day' THEN 'warning' ELSE 'error' END,
		CASE WHEN tail.rows = 0 THEN '0 rows'
			ELSE format(CASE WHEN tail.rows >= most THEN '%s rows or more, the oldest seen %s old' ELSE '%s rows, the oldest %s old' END,
				tail.rows, date_trunc('second', late)) END,
		coalesce('Rows not folded yet: figures are exact, and slower to read; the last fold was at ' ||
			(SELECT to_char(f.folded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') FROM aiusage.fold_state AS f),
			'Rows not folded yet: figures are exact, and slower to read; nothing was folded so far'),
		CASE WHEN tail.rows > 0 AND (late >= interval '5 minutes' OR tail.rows >= most)
			THEN CASE WHEN pg_is_in_recovery() THEN 'Look at maintenance on the primary'
				ELSE 'CALL aiusage.maintain() every minute; see checks maintenance and long transactions' END END;

	-- maintenance, whoever calls it
	RETURN QUERY SELECT 'maintenance',
		CASE WHEN m.last_at IS NULL THEN 'warning' WHEN m.bad IS NOT NULL OR m.last_at < now() - interval '1 day' THEN 'error'
			WHEN m.last_at < now() - interval '1 hour' THEN 'warning' ELSE 'ok' END,
		CASE WHEN m.last_at IS NULL THEN 'never'
			ELSE format('%s ago', date_trunc('second', greatest(now() - m.last_at, interval '0'))) END,
		coalesce('Steps that failed last time: ' || m.bad, 'When aiusage.maintain() last did something, and whether all of it succeeded'),
		CASE WHEN m.bad IS NOT NULL THEN 'Mend what the message says; SELECT * FROM aiusage.maintenance has more'
			WHEN m.last_at IS NULL OR m.last_at < now() - interval '1 hour'
				THEN 'SELECT * FROM aiusage.schedule(), or have another scheduler CALL aiusage.maintain()' END
	FROM (SELECT max(m.last_at) AS last_at,
			string_agg(format('%s (%s times: %s)', m.step, m.bad_in_a_row, m.last_error), '; ' ORDER BY m.step) FILTER (WHERE m.bad_in_a_row > 0) AS bad
		FROM aiusage.maintenance AS m WHERE m.step <> 'verify') AS m;

	-- drift
	RETURN QUERY SELECT 'drift',
		CASE WHEN v.bad_in_a_row > 0 THEN 'error' WHEN v.last_at IS NULL OR v.last_at < now() - interval '7 days' THEN 'info' ELSE 'ok' END,
		CASE WHEN v.last_at IS NULL THEN 'not on record'
			ELSE format('%s %s ago', CASE WHEN v.bad_in_a_row > 0 THEN 'found' ELSE 'none' END,
				date_trunc('second', greatest(now() - v.last_at, interval '0'))) END,
		coalesce('Checks that failed: ' || CASE WHEN v.bad_in_a_row > 0 THEN v.last_error END,
			'Whether rollups, counters and statements equalled the ledger when aiusage.record_verify() last looked'),
		CASE WHEN v.bad_in_a_row > 0 THEN 'SELECT * FROM aiusage.verify() WHERE NOT ok'
			WHEN v.last_at IS NULL OR v.last_at < now() - interval '7 days'
				THEN 'SELECT aiusage.record_verify() once a night; it reads the whole ledger' END
	FROM (SELECT) AS one LEFT JOIN aiusage.maintenance AS v ON v.step = 'verify';

	-- usage that is not settled: of the last month, and as far as it is cheap the rows not folded yet
	RETURN QUERY
	WITH month AS (
		SELECT sum(r.unpriced) AS unpriced, sum(r.unmatched) AS unmatched
		FROM (
			SELECT r.unpriced, r.unmatched FROM aiusage.rollup_daily AS r WHERE r.day >= (now() AT TIME ZONE 'UTC')::date - 31
			UNION ALL
			SELECT t.unpriced, t.unmatched FROM aiusage.rollup_tail AS t
			WHERE tail.rows < most AND t.day >= (now() AT TIME ZONE 'UTC')::date - 31
		) AS r
	)
	SELECT c.name, CASE WHEN c.count > 0 THEN 'warning' ELSE 'ok' END, format('%s requests in 31 days', c.count), c.meaning,
		CASE WHEN c.count > 0 THEN c.action END
	FROM month AS m, LATERAL (VALUES
		('unpriced', coalesce(m.unpriced, 0), 'Usage without a price: missing in every amount',
			'SELECT * FROM aiusage.unpriced_usage; load the prices, then aiusage.price_unpriced()'),
		('unmatched', coalesce(m.unmatched, 0), 'Usage of keys that nobody owned at the time',
			'Enter the keys with aiusage.put_key(), then aiusage.reattribute(); usage_daily WHERE team = ''(unmatched)'' says which')
	) AS c (name, count, meaning, action);
	RETURN QUERY SELECT 'tags', CASE WHEN count(*) FILTER (WHERE d.capped) > 0 THEN 'warning' ELSE 'ok' END,
		format('%s declared, %s with too many values', count(*), count(*) FILTER (WHERE d.capped)),
		coalesce('Tags that had so many values a day that only the most frequent ones are kept apart now: '
			|| string_agg(d.tag, ', ' ORDER BY d.slot) FILTER (WHERE d.capped), 'Tags that the rollups keep requests apart by'),
		CASE WHEN count(*) FILTER (WHERE d.capped) > 0
			THEN 'Mend the gateway that sends them; aiusage.declare_tag() with the allowed_values that matter, or aiusage.withdraw_tag()' END
	FROM aiusage.tag_declaration AS d WHERE d.declared_until IS NULL;
	list := (SELECT s.value FROM aiusage.setting AS s WHERE s.name = 'default_book');
	n := (SELECT v.version FROM aiusage.price_version AS v
		WHERE v.book = list AND v.status = 'published' AND v.effective_from <= now() AND (v.effective_to IS NULL OR v.effective_to > now())
		ORDER BY v.publication DESC LIMIT 1);
	RETURN QUERY SELECT 'prices', CASE WHEN n IS NULL THEN 'warning' ELSE 'ok' END,
		CASE WHEN n IS NULL THEN format('book %s: none', list) ELSE format('book %s, version %s', list, n) END,
		CASE WHEN n IS NULL THEN 'The default book has no published prices in force: what names no other book is booked unpriced'
			ELSE 'The newest published version in force of the default book' END,
		CASE WHEN n IS NULL THEN 'aiusage.import_prices(), for example of aiusage.default_catalogue()' END;

	-- a role that is made again under the name would have what the one before had
	list := (SELECT string_agg(DISTINCT quote_ident(g.role), ', ') FROM aiusage.access_grant AS g
		WHERE NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = g.role));
	RETURN QUERY SELECT 'access', CASE WHEN list IS NULL THEN 'ok' ELSE 'warning' END,
		CASE WHEN list IS NULL THEN 'every grant has its role' ELSE format('grants of roles that there are not: %s', list) END,
		'Access is granted to names of roles: whoever gets such a name gets what was granted to it, with the next init()',
		CASE WHEN list IS NOT NULL THEN 'As the owner of the books: DELETE FROM aiusage.access_grant WHERE role = ...; or make the roles, where the books were restored' END;

	-- limits
	RETURN QUERY SELECT 'counters',
		-- a full table is normal: counters stay until their room is needed
		CASE WHEN memory.used >= memory.counters * 0.9 AND memory.evictions > 0 OR memory.denials_unnamed > 0 THEN 'warning'
			WHEN memory.evictions > 0 OR memory.load_failures > 0 THEN 'info' ELSE 'ok' END,
		format('%s of %s, %s evicted, %s loads failed, %s denials waiting', memory.used, memory.counters, memory.evictions, memory.load_failures,
			memory.denials_waiting),
		'Counters of limits in shared memory, of the whole server since its start; an evicted one is loaded again when it is needed'
			|| CASE WHEN memory.denials_unnamed > 0 THEN format('; of %s denials there was no room to say whose', memory.denials_unnamed) ELSE '' END,
		CASE WHEN memory.evictions > 0
				THEN format('When the number of evictions grows from day to day: raise aiusage.quota_counters (%s bytes each) and restart the server',
					memory.bytes_per_counter)
			WHEN memory.denials_unnamed > 0 THEN 'Call aiusage.maintain() more often'
			WHEN memory.load_failures > 0 THEN 'The server''s log says why' END
	WHERE memory.preloaded;
	RETURN QUERY SELECT 'holds', CASE WHEN h.open >= h.room * 0.9 THEN 'warning' ELSE 'ok' END,
		format('%s of %s in memory, %s durable', h.open, h.room, h.durable), 'Holds of admission that are open',
		CASE WHEN h.open >= h.room * 0.9 THEN 'Raise aiusage.quota_holds and restart the server, or give holds a shorter ttl' END
	FROM (SELECT (SELECT count(DISTINCT q.hold_id) FROM aiusage.quota_holds() AS q WHERE q.status = 'open') AS open,
			(SELECT count(*) FROM aiusage.hold AS d WHERE d.status = 'open' AND d.expires_at > now()) AS durable,
			current_setting('aiusage.quota_holds', true)::bigint AS room) AS h
	WHERE memory.preloaded;
	SELECT count(*), now() - min(e.at) INTO n, late FROM aiusage.quota_event AS e WHERE e.notified_at IS NULL;
	RETURN QUERY SELECT 'alerts', CASE WHEN late > interval '10 minutes' THEN 'warning' ELSE 'ok' END, format('%s waiting', n),
		'Events of limits that were not sent as NOTIFY aiusage_alert yet',
		CASE WHEN late > interval '10 minutes' THEN 'See check maintenance: maintain() sends them' END;
	n := (SELECT count(*) FROM aiusage.quota_request AS r WHERE r.status = 'requested')
		+ (SELECT count(*) FROM aiusage.recharge AS r WHERE r.status = 'requested');
	RETURN QUERY SELECT 'approvals', CASE WHEN n > 0 THEN 'info' ELSE 'ok' END, format('%s waiting', n),
		'Requests to raise a limit or to recharge a wallet that nobody has decided',
		CASE WHEN n > 0 THEN 'Look for status requested in aiusage.quota_request and aiusage.recharge' END;
	IF EXISTS (SELECT FROM aiusage.wallet AS w WHERE w.status = 'active') THEN
		RETURN QUERY SELECT 'wallets', CASE WHEN count(*) FILTER (WHERE b.low OR b.balance <= 0) > 0 THEN 'warning' ELSE 'ok' END,
			format('%s low, %s used up', count(*) FILTER (WHERE b.low), count(*) FILTER (WHERE b.balance <= 0)),
			coalesce('Wallets that refuse or soon will: ' || string_agg(b.name, ', ' ORDER BY b.name) FILTER (WHERE b.low OR b.balance <= 0),
				'Active wallets have credit'),
			CASE WHEN count(*) FILTER (WHERE b.low OR b.balance <= 0) > 0 THEN 'aiusage.request_recharge(), and approve_recharge() by somebody else; SELECT * FROM aiusage.wallet_balance' END
		FROM aiusage.wallet_balance AS b;
	END IF;

	-- long jobs, and periods that wait for somebody
	RETURN QUERY SELECT 'reprice jobs', CASE WHEN count(*) = 0 THEN 'ok' WHEN min(coalesce(j.last_batch_at, j.started_at)) < now() - interval '1 hour'
			THEN 'warning' ELSE 'info' END,
		format('%s open', count(*)), 'Reprice jobs that are not done; aiusage.reprice_progress says how far they are',
		'CALL aiusage.run_reprice(' || min(j.job) || ') goes on with the first; aiusage.cancel_reprice() ends it'
	FROM aiusage.reprice_job AS j WHERE j.status = 'open';
	RETURN QUERY SELECT 'periods', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END, format('%s to close', count(*)),
		coalesce('Invoice periods whose grace is over and that are not closed: ' || string_agg(format('%s (calendar %s)', p.label, p.calendar), ', '
			ORDER BY p.period), 'Invoice periods whose grace is over and that are not closed'),
		CASE WHEN count(*) > 0 THEN 'aiusage.period_findings() lists what is unsettled, aiusage.close_period() closes' END
	FROM aiusage.invoice_period AS p WHERE p.status = 'closing' AND p.grace_until < now();
END
$$;
COMMENT ON FUNCTION aiusage.owner_books_status(OUT text, OUT text, OUT text, OUT text, OUT text) IS 'What aiusage.books_status() does, as the owner of the books';

CREATE FUNCTION aiusage.status(OUT check_name text, OUT severity text, OUT value text, OUT meaning text, OUT action text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	installed text := (SELECT e.extversion FROM pg_extension AS e WHERE e.extname = 'aiusage');
	present int := aiusage.storage_version();
	shipped int := (SELECT max(p.version) FROM aiusage.books_pieces() AS p WHERE p.kind <> 'view');
	stale bigint;
	triggers bigint;
	jobs record;
	cron_here boolean := EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'pg_cron');
	home text;
	recent boolean;
BEGIN
	RETURN QUERY SELECT 'versions', CASE WHEN aiusage.module_version() = installed AND coalesce(a.default_version, installed) = installed THEN 'ok'
			WHEN aiusage.module_version() <> installed THEN 'error' ELSE 'warning' END,
		format('library %s, extension %s', aiusage.module_version(), installed),
		CASE WHEN aiusage.module_version() <> installed THEN 'The library in memory is not the extension''s'
			WHEN a.default_version <> installed THEN format('Version %s is on disk', a.default_version)
			ELSE 'Library and extension belong together' END,
		CASE WHEN aiusage.module_version() <> installed THEN 'Restart the server, or run ALTER EXTENSION aiusage UPDATE'
			WHEN a.default_version <> installed THEN 'ALTER EXTENSION aiusage UPDATE; SELECT * FROM aiusage.init();' END
	FROM (SELECT) AS one LEFT JOIN pg_available_extensions AS a ON a.name = 'aiusage';

	IF present IS NULL THEN
		RETURN QUERY SELECT 'books', 'error', 'not made', 'There are no tables yet', 'SELECT * FROM aiusage.init();';
		RETURN;
	END IF;
	stale := (SELECT count(*) FROM aiusage.books_pieces() AS p
		WHERE NOT aiusage.piece_is_applied(p.kind, p.version, p.name, md5(p.ddl)));
	triggers := (SELECT count(*) FROM aiusage.changed_triggers());
	RETURN QUERY SELECT 'books', CASE WHEN present > shipped THEN 'error' WHEN stale > 0 OR triggers > 0 THEN 'error' ELSE 'ok' END,
		format('storage version %s', present),
		CASE WHEN present > shipped THEN format('The extension knows versions up to %s', shipped)
			WHEN stale > 0 THEN format('%s pieces of the books are older than the extension', stale)
			WHEN triggers > 0 THEN format('%s triggers of the books are not enabled as they were made (aiusage.changed_triggers()), as after pg_restore --disable-triggers', triggers)
			ELSE 'The books have the extension''s shape' END,
		CASE WHEN present > shipped THEN 'Install the release that made them, or a later one' WHEN stale > 0 OR triggers > 0 THEN 'SELECT * FROM aiusage.init();' END;
	RETURN QUERY SELECT 'server', CASE WHEN pg_is_in_recovery() THEN 'info' ELSE 'ok' END,
		CASE WHEN pg_is_in_recovery() THEN format('standby, replayed up to %s',
				coalesce(to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), 'its start')) ELSE 'primary' END,
		CASE WHEN pg_is_in_recovery() THEN 'Views are exact as of then; usage is booked on the primary' ELSE 'Usage can be booked here' END, NULL::text;
	-- tables of a shape that is to come cannot be asked
	IF stale > 0 OR present > shipped THEN
		RETURN;
	END IF;

	RETURN QUERY SELECT * FROM aiusage.books_status();

	/*
	 * What a transaction has written is folded, and counted, when it ends:
	 * one that stays open keeps its usage out of every figure.
	 */
	RETURN QUERY SELECT 'long transactions',
		CASE WHEN count(*) > 0 THEN 'warning' WHEN NOT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') THEN 'info' ELSE 'ok' END,
		count(*)::text,
		coalesce('Open for over 10 minutes, having written: what they wrote is in no figure until they end, and they keep VACUUM from cleaning up: '
			|| string_agg(w.who, ', ' ORDER BY w.since),
			'Transactions that have been open for over 10 minutes and have written'
			|| CASE WHEN pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') THEN '' ELSE '; only one''s own are seen without pg_read_all_stats' END),
		CASE WHEN count(*) > 0 THEN 'pg_terminate_backend(), or COMMIT PREPARED or ROLLBACK PREPARED' END
	FROM (
		SELECT format('pid %s of role %s, %s', a.pid, a.usename, date_trunc('second', now() - a.xact_start)) AS who, a.xact_start AS since
		FROM pg_stat_activity AS a
		WHERE a.datname = current_database() AND a.backend_xid IS NOT NULL AND a.xact_start < now() - interval '10 minutes'
		UNION ALL
		SELECT format('prepared transaction %s of role %s, %s', quote_literal(p.gid), p.owner, date_trunc('second', now() - p.prepared)), p.prepared
		FROM pg_prepared_xacts AS p
		WHERE p.database = current_database() AND p.prepared < now() - interval '10 minutes'
	) AS w;

	-- pg_cron
	home := aiusage.cron_database();
	recent := coalesce(aiusage.maintained_at() > now() - interval '1 hour', false);
	IF NOT cron_here OR NOT has_schema_privilege('cron', 'USAGE') THEN
		RETURN QUERY SELECT 'schedule', CASE WHEN recent THEN 'ok' ELSE 'info' END,
			CASE WHEN cron_here THEN 'not to be seen' WHEN home IS NULL THEN 'no pg_cron' WHEN home = current_database() THEN 'pg_cron is not created'
				ELSE format('pg_cron is in database %s', home) END,
			CASE WHEN recent THEN 'Something calls aiusage.maintain()' ELSE 'Whether a job of pg_cron calls aiusage.maintain() cannot be seen here' END,
			CASE WHEN cron_here THEN 'Look as a superuser, or GRANT USAGE ON SCHEMA cron'
				WHEN home IS NULL AND NOT recent THEN 'Have another scheduler CALL aiusage.maintain(), or install pg_cron; docs/operations.md'
				WHEN home = current_database() AND NOT recent THEN 'CREATE EXTENSION pg_cron; SELECT * FROM aiusage.schedule();'
				WHEN home IS NOT NULL AND home <> current_database()
					THEN format('There: SELECT * FROM cron.job_run_details WHERE database = %L ORDER BY runid DESC LIMIT 10', current_database()) END;
		RETURN;
	END IF;
	FOR jobs IN
		SELECT r.*, count(*) OVER () AS jobs FROM (SELECT) AS one LEFT JOIN aiusage.schedule_runs() AS r ON true
	LOOP
		RETURN QUERY SELECT 'schedule',
			CASE WHEN jobs.job_id IS NULL THEN CASE WHEN recent THEN 'info' ELSE 'warning' END
				WHEN jobs.last_status = 'failed' THEN 'error' WHEN NOT jobs.active OR jobs.jobs > 1 THEN 'warning' ELSE 'ok' END,
			CASE WHEN jobs.job_id IS NULL THEN 'no job'
				ELSE format('job %s (%s) as %s: %s runs, %s failed, last %s', jobs.job_id, jobs.cron, jobs.runs_as, jobs.runs, jobs.failures,
					coalesce(format('%s at %s', jobs.last_status, to_char(jobs.last_started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')), 'never'))
				END,
			CASE WHEN jobs.job_id IS NULL THEN 'No job of pg_cron that the caller sees calls aiusage.maintain()'
				WHEN jobs.last_status = 'failed' THEN 'It failed: ' || coalesce(jobs.last_message, 'no message')
				WHEN jobs.failures > 0 THEN format('The last failure, at %s: %s', to_char(jobs.last_bad_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
					jobs.last_bad_message)
				ELSE 'The job of pg_cron that calls aiusage.maintain()' END,
			CASE WHEN jobs.job_id IS NULL AND NOT recent THEN 'SELECT * FROM aiusage.schedule()'
				WHEN jobs.last_status = 'failed' THEN 'See check maintenance; when pg_cron could not connect, set cron.use_background_workers = on'
				WHEN NOT jobs.active OR jobs.jobs > 1 THEN 'SELECT * FROM aiusage.schedule() makes it one active job' END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION aiusage.status(OUT text, OUT text, OUT text, OUT text, OUT text) IS 'The doctor: one row a check, with severity (ok, info, warning or error), what was found, what it means, and what to do (NULL: nothing). Cheap, changes nothing, works on a standby and without preload. Whether everything adds up, aiusage.verify() says';

CREATE FUNCTION aiusage.maintained_at() RETURNS timestamptz
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.maintained_at() IS 'When a step of aiusage.maintain() last succeeded; NULL: never';

CREATE FUNCTION aiusage.owner_maintained_at() RETURNS timestamptz
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT max(m.last_good_at) FROM aiusage.maintenance AS m WHERE m.step <> 'verify';
$$;
COMMENT ON FUNCTION aiusage.owner_maintained_at() IS 'Body of maintained_at(), for the owner of the books only';

CREATE FUNCTION aiusage.piece_is_applied(kind text, version int, name text, checksum text) RETURNS boolean
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.piece_is_applied(text, int, text, text) IS 'Whether a piece of DDL that the extension brings is in the books as it is';

CREATE FUNCTION aiusage.owner_piece_is_applied(kind text, version int, name text, checksum text) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM aiusage.storage_step AS s
		WHERE s.kind = owner_piece_is_applied.kind AND s.version = owner_piece_is_applied.version AND s.name = owner_piece_is_applied.name
			AND (s.kind <> 'view' OR s.checksum = owner_piece_is_applied.checksum));
$$;
COMMENT ON FUNCTION aiusage.owner_piece_is_applied(text, int, text, text) IS 'Body of piece_is_applied(), for the owner of the books only';
