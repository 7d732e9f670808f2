/*
 * Closing a period: what stands in the way, the close itself, and the
 * invoices that are made of its statements.
 */

CREATE FUNCTION aiusage.has_booked() RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_has_booked';
COMMENT ON FUNCTION aiusage.has_booked() IS 'Whether this transaction has written usage, also when it rolled that back to a savepoint';

-- What stands in the way ----------------------------------------------------

CREATE FUNCTION aiusage.period_findings(period int)
	RETURNS TABLE (finding text, records bigint, amount numeric, currency text, detail text, hint text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.period_findings(int) IS 'What should be settled before an invoice period is closed, and is listed when close_period() refuses: grace (not over), unmatched, unpriced and estimated usage, usage that is charged and whose charge is not known, contracts that are not booked, holds that are open, rows that are not folded. One row a finding and currency; none: ready. records is NULL where only the amount is known, amount and currency are NULL where it is not. Errors: UA404 for an unknown calendar, UA422 for what is no period';

CREATE FUNCTION aiusage.owner_open_holds(period int)
	RETURNS TABLE (holds bigint, amount numeric, currency text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT count(*), trim_scale(sum(h.estimated_cost)), h.currency
	FROM aiusage.hold AS h
	LEFT JOIN aiusage.key_assignment AS a ON a.api_key = h.api_key AND a.valid_from <= h.created_at
		AND (a.valid_to IS NULL OR a.valid_to > h.created_at)
	LEFT JOIN aiusage.cost_center AS c ON c.cost_center = a.cost_center
	WHERE h.status = 'open' AND h.expires_at > clock_timestamp()
		AND h.created_at < aiusage.period_ends_at(owner_open_holds.period)
		AND coalesce(c.calendar, 1) = aiusage.period_calendar(owner_open_holds.period)
	GROUP BY h.currency
$$;
COMMENT ON FUNCTION aiusage.owner_open_holds(int) IS 'Open durable holds that were taken before the end of a period by keys of its calendar, so that their usage may still belong to it, by currency of the estimate; for the owner of the books only';

CREATE FUNCTION aiusage.owner_period_findings(period int)
	RETURNS TABLE (finding text, records bigint, amount numeric, currency text, detail text, hint text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	p int := owner_period_findings.period;
	name text;
	zone text := (SELECT c.time_zone FROM aiusage.billing_calendar AS c WHERE c.calendar = aiusage.period_calendar(owner_period_findings.period));
	grace timestamptz;
	unfolded bigint;
BEGIN
	IF p IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'no invoice period was given',
			HINT = 'aiusage.period_of(1, now() - interval ''1 month'') is last month''s in the global calendar.';
	END IF;
	name := aiusage.period_label(p);

	grace := (SELECT i.grace_until FROM aiusage.invoice_period AS i WHERE i.period = p AND i.status = 'closing');
	IF grace > clock_timestamp() THEN
		RETURN QUERY SELECT 'grace', NULL::bigint, NULL::numeric, NULL::text,
			format('Late usage was promised to go in until %s.', grace),
			'Wait until then, or end the grace with aiusage.start_closing().';
	END IF;

	RETURN QUERY
	WITH live AS MATERIALIZED (
		SELECT v.currency, v.assignment IS NULL AS is_unmatched, sum(v.requests)::bigint AS requests, sum(v.cost) AS cost,
			sum(v.unmatched)::bigint AS unmatched, sum(v.unpriced)::bigint AS unpriced, sum(v.estimated_cost) AS estimated_cost
		FROM aiusage.rollup_daily_live AS v
		WHERE v.invoice_period = p
		GROUP BY 1, 2
	)
	SELECT 'unmatched', l.unmatched, trim_scale(l.cost), l.currency,
		'Nobody owned their keys at the time.'::text,
		'Enter the owners with aiusage.put_key(), then move the usage with aiusage.reattribute(''{"unmatched": true, ...}'', ...).'::text
	FROM live AS l
	WHERE l.is_unmatched AND (l.unmatched <> 0 OR l.cost <> 0)
	UNION ALL
	SELECT 'unpriced', sum(l.unpriced)::bigint, NULL, NULL,
		'Their cost is not known, so it is in no amount.',
		'Publish the prices and reprice the rows; aiusage.usage_log says why each is unpriced.'
	FROM live AS l
	HAVING sum(l.unpriced) <> 0
	UNION ALL
	SELECT 'estimated', NULL, trim_scale(sum(l.estimated_cost)), l.currency,
		'This part of the cost rests on counters that are a guess.',
		'Correct the rows with aiusage.adjust() when the provider''s counters are known.'
	FROM live AS l
	GROUP BY l.currency
	HAVING sum(l.estimated_cost) <> 0;

	/*
	 * Somebody is to be charged, and the charge book has no price.  Of days on
	 * which one applied from the first moment to the last.  What was charged
	 * since, by adjustments of the same labels, is taken off.
	 */
	RETURN QUERY
	SELECT 'uncharged', sum(u.requests - u.charged_since)::bigint, CASE WHEN bool_and(u.charged_since = 0) THEN trim_scale(sum(u.cost)) END, u.currency,
		'A charge book applied, and has no price for them: they cost this, and nobody is billed.',
		'Publish the missing prices in the charge book; aiusage.reprice() with that version then books the charges.'
	FROM (
		SELECT v.day, v.api_key, v.assignment, v.customer, min(v.currency) FILTER (WHERE v.charge_currency IS NULL) AS currency,
			sum(v.requests) FILTER (WHERE v.charge_currency IS NULL) AS requests,
			coalesce(sum(v.records - v.requests) FILTER (WHERE v.charge_currency IS NOT NULL), 0) AS charged_since,
			CASE WHEN count(DISTINCT v.currency) FILTER (WHERE v.charge_currency IS NULL) < 2 THEN sum(v.cost) FILTER (WHERE v.charge_currency IS NULL) END AS cost
		FROM aiusage.rollup_daily_live AS v
		WHERE v.invoice_period = p
			AND EXISTS (SELECT FROM aiusage.price_book_assignment AS b WHERE b.purpose = 'charge')
		GROUP BY v.day, v.api_key, v.assignment, v.customer, v.provider, v.model, v.endpoint, v.service_tier, v.region, v.workflow, v.status, v.status_class, v.tags
		HAVING sum(v.requests) FILTER (WHERE v.charge_currency IS NULL) > coalesce(sum(v.records - v.requests) FILTER (WHERE v.charge_currency IS NOT NULL), 0)
	) AS u
	LEFT JOIN aiusage.key_assignment AS a USING (assignment)
	CROSS JOIN LATERAL aiusage.owner_books_at(u.api_key, u.assignment, u.customer, u.day::timestamp AT TIME ZONE zone) AS f
	CROSS JOIN LATERAL aiusage.owner_books_at(u.api_key, u.assignment, u.customer, (u.day + 1)::timestamp AT TIME ZONE zone - interval '1 microsecond') AS l
	-- most usage is charged to nobody, which is known without asking day by day
	WHERE (u.api_key IN (SELECT b.api_key FROM aiusage.price_book_assignment AS b WHERE b.purpose = 'charge' AND b.api_key IS NOT NULL)
			OR coalesce(u.customer, a.customer) IN (SELECT b.customer FROM aiusage.price_book_assignment AS b WHERE b.purpose = 'charge' AND b.customer IS NOT NULL)
			OR a.team IN (SELECT b.team FROM aiusage.price_book_assignment AS b WHERE b.purpose = 'charge' AND b.team IS NOT NULL))
		AND f.charge_book IS NOT NULL AND l.charge_book IS NOT NULL
	GROUP BY u.currency;

	RETURN QUERY
	SELECT 'held', h.holds, h.amount, h.currency,
		'Requests are under way whose usage may still belong to the period.',
		'Wait until they are settled, released or expired.'
	FROM aiusage.owner_open_holds(p) AS h;

	RETURN QUERY
	SELECT 'contract', NULL::bigint, trim_scale(sum(b.difference)), b.currency,
		'Contracts that are not booked, or come to something else since: ' || string_agg(b.contract, ', ' ORDER BY b.contract COLLATE "C") || '.',
		CASE WHEN aiusage.owner_takes_rows_of(aiusage.period_ends_at(p) - interval '1 microsecond')
			THEN format('SELECT * FROM aiusage.book_contracts(%s, dry_run => false);', p)
			ELSE 'Retention has dropped the rows of this time: enter what they come to as a contract of the next open period, then close with force and a reason.' END
	FROM (
		SELECT c.contract, l.currency, sum(l.amount) AS difference
		FROM aiusage.owner_contracts_of(p) AS c, aiusage.owner_contract_lines(c.contract, p) AS l
		GROUP BY c.contract, l.currency
	) AS b
	WHERE b.difference <> 0
	GROUP BY b.currency;

	unfolded := (SELECT count(*) FROM aiusage.rollup_tail AS t WHERE t.invoice_period = p);
	IF unfolded <> 0 THEN
		RETURN QUERY SELECT 'unfolded', unfolded, NULL::numeric, NULL::text,
			'Rows of the period are not in the rollups yet; every figure counts them all the same.',
			'SELECT aiusage.refresh();';
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.owner_period_findings(int) IS 'Body of period_findings(), for the owner of the books only';

-- Closing -------------------------------------------------------------------

CREATE FUNCTION aiusage.close_period(period int, reason text DEFAULT NULL, force boolean DEFAULT false) RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.close_period(int, text, boolean) IS 'Closes an invoice period that is over, for good, freezes its statements, and returns the period in which usage of its time is billed from now on. Refuses when aiusage.period_findings() has something, unless forced with a reason. Waits up to 10 seconds for transactions that are writing usage. Errors: UA409 when it is not over, closed already or not ready, above READ COMMITTED, or, when teams or customers follow its calendar, in a transaction that has written usage; UA404 for an unknown calendar, UA422 for what is no period or no reason; 55P03 when usage is being written all the time';

-- Once: for half a second, or until an autovacuum that is in the way has been cancelled.
CREATE FUNCTION aiusage.owner_try_lock_ledger() RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '500ms'
AS $$
BEGIN
	FOR try IN 1 .. 2 LOOP
		BEGIN
			LOCK TABLE aiusage.usage_record IN SHARE ROW EXCLUSIVE MODE;
			RETURN true;
		EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
			-- The lock given back, whoever waits for it goes on: partitions are being made, for one.
			-- Of a large partition an autovacuum takes hours.  It gives way, but only to who has waited for deadlock_timeout.
			-- Autovacuum is what works on a database as nobody; its backend_type is shown to superusers.
			PERFORM pg_stat_clear_snapshot();
			EXIT WHEN try = 2 OR NOT EXISTS (SELECT FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
				WHERE l.granted AND l.mode = 'ShareUpdateExclusiveLock' AND a.usesysid IS NULL AND a.datid IS NOT NULL
					AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
					AND l.relation IN (SELECT p.relid FROM pg_partition_tree('aiusage.usage_record') AS p WHERE p.isleaf));
			PERFORM set_config('lock_timeout', ((SELECT s.setting::int FROM pg_settings AS s WHERE s.name = 'deadlock_timeout') + 500)::text, true);
		END;
	END LOOP;
	RETURN false;
END
$$;
COMMENT ON FUNCTION aiusage.owner_try_lock_ledger() IS 'Tries to lock the ledger against writers until the end of the transaction, and cancels an autovacuum of it for that; false: a transaction is writing usage. Writers wait for half a second, or for an autovacuum for half a second longer than deadlock_timeout. For the owner of the books only';

CREATE FUNCTION aiusage.owner_ledger_holders() RETURNS text
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(string_agg(h.who, ', ' ORDER BY h.who), 'nobody')
	FROM (SELECT DISTINCT coalesce(format('process %s', l.pid), 'a prepared transaction') AS who
		FROM pg_locks AS l
		WHERE l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
			AND l.mode IN ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
			AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
			AND l.relation IN (SELECT p.relid FROM pg_partition_tree('aiusage.usage_record') AS p)) AS h
$$;
COMMENT ON FUNCTION aiusage.owner_ledger_holders() IS 'Who keeps others from locking the ledger against writers just now, for a message; for the owner of the books only';

CREATE FUNCTION aiusage.owner_lock_ledger(what text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	patience timestamptz := clock_timestamp() + interval '10 seconds';
BEGIN
	-- Inserts queue behind whoever waits for this lock: so short tries, with pauses for them.
	WHILE NOT aiusage.owner_try_lock_ledger() LOOP
		IF clock_timestamp() > patience THEN
			RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
				MESSAGE = format('could not %s: usage is being written', what),
				DETAIL = format('For 10 seconds some transaction was writing usage. Now: %s.', aiusage.owner_ledger_holders()),
				HINT = 'Try again; when it is always the same process, look what it is doing in pg_stat_activity; prepared transactions are in pg_prepared_xacts.';
		END IF;
		PERFORM pg_sleep(0.2);
	END LOOP;
END
$$;
COMMENT ON FUNCTION aiusage.owner_lock_ledger(text) IS 'Locks the ledger against writers until the end of the transaction, in short tries so that they never wait long; for the owner of the books only. Errors: 55P03 after 10 seconds';

CREATE FUNCTION aiusage.owner_findings_text(findings jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(f.key || coalesce(': ' || nullif(concat_ws(' ', e.value ->> 'records', e.value ->> 'amount', e.value ->> 'currency'), ''), ''),
		'; ' ORDER BY f.key COLLATE "C", e.ordinality)
	FROM jsonb_each(findings) AS f, jsonb_array_elements(f.value) WITH ORDINALITY AS e
$$;
COMMENT ON FUNCTION aiusage.owner_findings_text(jsonb) IS 'Findings of a period in one line, for a message';

CREATE FUNCTION aiusage.owner_findings(period int) RETURNS jsonb
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_object_agg(f.finding, f.list)
	FROM (SELECT f.finding, jsonb_agg(jsonb_strip_nulls(jsonb_build_object('records', f.records, 'amount', f.amount, 'currency', f.currency))) AS list
		FROM aiusage.owner_period_findings(owner_findings.period) AS f
		GROUP BY f.finding) AS f
$$;
COMMENT ON FUNCTION aiusage.owner_findings(int) IS 'Findings of a period as they are kept in aiusage.invoice_period; NULL: none. For the owner of the books only';

CREATE FUNCTION aiusage.owner_close_period(period int, reason text, force boolean) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET lock_timeout = '10s'
AS $$
DECLARE
	p record;
	findings_now jsonb;
	by_days boolean;
BEGIN
	-- An older snapshot would not see what was booked while we waited for the lock.
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('cannot close an invoice period in a %s transaction', current_setting('transaction_isolation')),
			HINT = 'Use READ COMMITTED.';
	END IF;
	IF coalesce(force, false) AND coalesce(btrim(reason), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'to close an invoice period in spite of what was found needs a reason',
			HINT = 'Say why in words; an auditor reads it.';
	END IF;

	-- Twice: before anybody has to wait for us, and under the lock, when it counts.
	FOR try IN 1 .. 2 LOOP
		IF try = 2 THEN
			-- Whoever is stamping rows with this period finishes first; whoever comes after sees it closed.
			PERFORM aiusage.owner_lock_ledger('close the invoice period');
			PERFORM aiusage.owner_ensure_period(owner_close_period.period);
			PERFORM FROM aiusage.invoice_period AS i WHERE i.period = owner_close_period.period FOR UPDATE;
		END IF;
		SELECT owner_close_period.period AS period, aiusage.period_label(owner_close_period.period) AS label,
			aiusage.period_ends_on(owner_close_period.period) AS ends_on, aiusage.period_ends_at(owner_close_period.period) AS ends_at,
			i.status, i.closed_by INTO p
		FROM (VALUES (owner_close_period.period)) AS v (period)
		LEFT JOIN aiusage.invoice_period AS i USING (period);
		IF p.period IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = 'no invoice period was given',
				HINT = 'aiusage.period_of(1, now() - interval ''1 month'') is last month''s in the global calendar.';
		END IF;
		IF p.status IN ('closed', 'invoiced') THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('invoice period %s is closed already', p.label),
				DETAIL = format('Role %s closed it.', p.closed_by),
				HINT = 'A closed period stays closed; aiusage.reverse_statement() takes back what was wrong in it.';
		END IF;
		IF p.ends_at > clock_timestamp() THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('invoice period %s is not over', p.label),
				DETAIL = format('It ends at the beginning of %s in the zone of its calendar.', p.ends_on),
				HINT = 'Close it after that.';
		END IF;
		CONTINUE WHEN try = 1 AND force;
		findings_now := aiusage.owner_findings(p.period);
		IF findings_now IS NOT NULL AND NOT coalesce(force, false) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('invoice period %s is not ready to be closed', p.label),
				DETAIL = aiusage.owner_findings_text(findings_now),
				HINT = format('SELECT * FROM aiusage.period_findings(%s) says what to do about each; force => true with a reason closes it all the same.', p.period);
		END IF;
	END LOOP;

	by_days := EXISTS (SELECT FROM aiusage.owner_statement_by_days(aiusage.period_calendar(p.period), p.ends_at));
	-- No snapshot lists its own transaction as running, so later nobody could tell these rows from late ones.
	IF by_days AND aiusage.has_booked() THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = 'cannot close this invoice period in a transaction that has written usage',
			DETAIL = 'Teams or customers have statements by the days of its calendar.',
			HINT = 'Commit first.';
	END IF;
	UPDATE aiusage.invoice_period AS i
	SET status = 'closed', closed_at = clock_timestamp(), closed_by = aiusage.acting_role(),
		reason = owner_close_period.reason, forced = findings_now IS NOT NULL, findings = findings_now,
		boundary = CASE WHEN by_days THEN aiusage.snapshot_boundary(aiusage.current_incarnation()) END,
		running = CASE WHEN by_days THEN aiusage.snapshot_running(aiusage.current_incarnation()) END
	WHERE i.period = p.period;
	PERFORM aiusage.owner_freeze_statements(p.period);
	RETURN aiusage.billed_period(aiusage.period_calendar(p.period), p.ends_at - interval '1 microsecond');
END
$$;
COMMENT ON FUNCTION aiusage.owner_close_period(int, text, boolean) IS 'Body of close_period(), for the owner of the books only';

-- Invoices ------------------------------------------------------------------

CREATE FUNCTION aiusage.record_invoice(statement bigint, invoice_number text) RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.record_invoice(bigint, text) IS 'Records the number of the invoice, or credit note, that was made of a statement; returns the status of the period: invoiced once each of its statements has one. Errors: UA404 for no such statement, UA409 when it has an invoice, or the entity an invoice of that number, UA422 for no number, or one that is over-long or secret-like';

CREATE FUNCTION aiusage.owner_record_invoice(statement bigint, invoice_number text) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	s record;
	taken record;
BEGIN
	SELECT x.* INTO s FROM aiusage.invoice_statement AS x WHERE x.statement = owner_record_invoice.statement;
	IF s.statement IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('statement %s does not exist', coalesce(owner_record_invoice.statement::text, 'null')),
			HINT = 'aiusage.statements lists them.';
	END IF;
	IF owner_record_invoice.invoice_number IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'no invoice number was given',
			HINT = 'It is the number that your invoicing system gave the invoice.';
	END IF;
	-- One at a time, so that the last one sees that it is.
	PERFORM FROM aiusage.invoice_period AS p WHERE p.period = s.period FOR UPDATE;
	SELECT i.* INTO taken FROM aiusage.invoice AS i
	WHERE i.statement = s.statement
		OR (i.entity_kind = s.entity_kind AND i.entity = s.entity AND i.invoice_number = owner_record_invoice.invoice_number)
	ORDER BY i.statement = s.statement DESC LIMIT 1;
	IF taken.statement IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = CASE WHEN taken.statement = s.statement THEN format('statement %s has an invoice already', s.statement)
				ELSE format('%s "%s" has an invoice "%s" already', replace(s.entity_kind, '_', ' '), s.entity, left(taken.invoice_number, 64)) END,
			DETAIL = format('Role %s recorded it at %s for statement %s.', taken.invoiced_by, taken.invoiced_at, taken.statement),
			HINT = 'aiusage.reverse_statement() takes a statement back; its credit gets a number of its own.';
	END IF;
	INSERT INTO aiusage.invoice (statement, entity_kind, entity, invoice_number, invoiced_by)
	VALUES (s.statement, s.entity_kind, s.entity, owner_record_invoice.invoice_number, aiusage.acting_role());

	UPDATE aiusage.invoice_period AS p
	SET status = 'invoiced', invoiced_at = clock_timestamp(), invoiced_by = aiusage.acting_role()
	WHERE p.period = s.period AND p.status = 'closed'
		AND NOT EXISTS (SELECT FROM aiusage.invoice_statement AS x LEFT JOIN aiusage.invoice AS i ON i.statement = x.statement
			WHERE x.period = s.period AND x.kind = 'statement' AND i.statement IS NULL);
	RETURN (SELECT p.status FROM aiusage.invoice_period AS p WHERE p.period = s.period);
END
$$;
COMMENT ON FUNCTION aiusage.owner_record_invoice(bigint, text) IS 'Body of record_invoice(), for the owner of the books only';

CREATE FUNCTION aiusage.record_period_invoice(period int, invoice_number text) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.record_period_invoice(int, text) IS 'Records one number, such as that of a journal, for a closed period as a whole: every statement without an invoice gets it (of an entity with statements in several currencies, with the currency behind it), and the period is invoiced. Returns how many statements. Errors: UA409 when it is not closed or invoiced already, and as record_invoice()';

CREATE FUNCTION aiusage.owner_record_period_invoice(period int, invoice_number text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	p record;
	s record;
	n bigint := 0;
BEGIN
	SELECT i.* INTO p FROM aiusage.invoice_period AS i WHERE i.period = owner_record_period_invoice.period FOR UPDATE;
	IF p.status IS DISTINCT FROM 'closed' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('invoice period %s is %s', aiusage.period_label(owner_record_period_invoice.period),
				CASE p.status WHEN 'invoiced' THEN 'invoiced already' ELSE 'not closed' END),
			HINT = CASE WHEN p.status = 'invoiced' THEN 'aiusage.invoice has the numbers.' ELSE 'Close it with aiusage.close_period() first.' END;
	END IF;
	IF coalesce(owner_record_period_invoice.invoice_number, '') = '' OR octet_length(owner_record_period_invoice.invoice_number) > 250 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'an invoice number has from 1 to 250 bytes',
			HINT = 'It is the number that your invoicing system gave the invoice.';
	END IF;
	UPDATE aiusage.invoice_period AS i SET invoice_number = owner_record_period_invoice.invoice_number WHERE i.period = p.period;
	FOR s IN
		SELECT x.statement, CASE WHEN count(*) OVER (PARTITION BY x.entity_kind, x.entity) > 1 THEN '-' || x.currency ELSE '' END AS suffix,
			i.statement IS NOT NULL AS done
		FROM aiusage.invoice_statement AS x LEFT JOIN aiusage.invoice AS i ON i.statement = x.statement
		WHERE x.period = p.period AND x.kind = 'statement'
		ORDER BY x.statement
	LOOP
		CONTINUE WHEN s.done;
		PERFORM aiusage.owner_record_invoice(s.statement, owner_record_period_invoice.invoice_number || s.suffix);
		n := n + 1;
	END LOOP;
	-- of a period without statements, or whose statements all had one
	UPDATE aiusage.invoice_period AS i
	SET status = 'invoiced', invoiced_at = clock_timestamp(), invoiced_by = aiusage.acting_role()
	WHERE i.period = p.period AND i.status = 'closed';
	RETURN n;
END
$$;
COMMENT ON FUNCTION aiusage.owner_record_period_invoice(int, text) IS 'Body of record_period_invoice(), for the owner of the books only';
