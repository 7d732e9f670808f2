/*
 * Erasure: identifiers go, figures stay.
 *
 * Rows are changed in place, which the ledger's guard lets pass when nothing
 * but identifiers goes (aiusage.permit_change()).  The txid of a row stays,
 * and only rows that are folded are changed, so folds take the same rows as
 * ever.  What a limit has counted by an identifier, its counter goes on
 * counting: what the row had charged less what it charges without goes to
 * sealed_quota, and counter = what rows say + sealed, as for dropped rows.
 */

CREATE FUNCTION aiusage.user_digest(user_id text) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.user_digest(text) IS 'What the books remember of a user who was erased: SHA-256, in hexadecimal, with a secret of these books. aiusage.erasure has it';

CREATE FUNCTION aiusage.owner_user_digest(user_id text) RETURNS text
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT encode(sha256(sha256(b.hold_secret || 'user'::bytea) || convert_to(owner_user_digest.user_id, 'UTF8')), 'hex') FROM aiusage.books AS b
$$;
COMMENT ON FUNCTION aiusage.owner_user_digest(text) IS 'Body of user_digest(), for the owner of the books only';

CREATE FUNCTION aiusage.owner_erase_rows(what "char", who text, keys text[], partition regclass, after uuid, upto uuid, boundary bigint, running bigint[])
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
DECLARE
	condition text := CASE what WHEN 'u' THEN 'u.user_id = $1' ELSE
			CASE WHEN who = 'default' THEN '(u.api_key = ANY ($2) OR NOT EXISTS (SELECT FROM aiusage.api_key AS k WHERE k.api_key = u.api_key))'
				ELSE 'u.api_key = ANY ($2)' END END
		|| CASE WHEN boundary IS NULL THEN '' ELSE ' AND (u.txid >= $3 OR u.txid = ANY ($4))' END
		|| CASE WHEN after IS NULL THEN '' ELSE format(' AND u.id > %L', after) END
		|| CASE WHEN upto IS NULL THEN '' ELSE format(' AND u.id <= %L', upto) END;
	erased bigint;
BEGIN
	IF partition IS NULL OR what IS NULL OR what NOT IN ('u', 'k') THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
			MESSAGE = 'whose identifiers are to be erased, and where, was not said',
			HINT = 'Name the user, and the partition.';
	END IF;
	PERFORM aiusage.permit_change('erase');
	-- Folds write the sums by user, too.
	IF EXISTS (SELECT FROM aiusage.user_level) THEN
		PERFORM FROM aiusage.fold_state FOR UPDATE;
	END IF;
	EXECUTE format($query$
		WITH picked AS MATERIALIZED (
			-- declared tags stay, as the rollups have them
			SELECT u.*, d.declared
			FROM %1$s AS u
			CROSS JOIN aiusage.fold_state AS f
			CROSS JOIN aiusage.tag_rules AS t
			CROSS JOIN LATERAL (SELECT aiusage.tag_set(u.tags, u.occurred_at, t.rules)::jsonb AS declared) AS d
			WHERE %2$s AND u.txid < f.boundary AND u.txid <> ALL (f.running)
				AND num_nonnulls(u.request_id, u.trace_id, u.operation_id, u.job_id, u.user_id, u.origin, u.provider_request_id,
					nullif(u.tags, d.declared)) > 0
		), counted AS (
			INSERT INTO aiusage.sealed_quota (quota, labels, window_start, starts_at, ends_at, used)
			SELECT c.quota, c.labels, c.window_start, min(c.starts_at), max(c.ends_at), sum(s.sign * c.amount)
			FROM (SELECT q.quota FROM aiusage.quota AS q WHERE q.status = 'active' AND (q.per && ARRAY['user_id', 'job_id', 'tag']
				OR num_nonnulls(q.user_id, q.job_id, q.tag) > 0)) AS q
			CROSS JOIN picked AS p
			CROSS JOIN (VALUES (1), (-1)) AS s (sign)
			CROSS JOIN LATERAL aiusage.quota_charges(q.quota, p.api_key, p.assignment, p.customer, p.workflow,
				CASE s.sign WHEN 1 THEN p.user_id END, CASE s.sign WHEN 1 THEN p.job_id END, CASE s.sign WHEN 1 THEN p.tags ELSE p.declared END,
				p.provider, p.model, p.endpoint, p.usage, p.cost, p.status, p.kind, p.adjusts, p.quota_state,
				p.occurred_at, p.recorded_at, p.invoice_period) AS c
			WHERE c.amount <> 0
			GROUP BY c.quota, c.labels, c.window_start
			HAVING sum(s.sign * c.amount) <> 0
		), by_user AS (
			SELECT s.day, s.user_id, s.assignment, s.customer, s.currency, s.charge_currency,
				sum(s.records) AS records, sum(s.requests) AS requests, sum(s.errors) AS errors, sum(s.accepted) AS accepted,
				sum(s.unpriced) AS unpriced, sum(s.cost) AS cost, sum(s.failed_cost) AS failed_cost, sum(s.charge) AS charge,
				coalesce(aiusage.sum(s.usage), '{}') AS usage, coalesce(aiusage.sum(s.usage_reversed), '{}') AS usage_reversed
			FROM picked AS p
			JOIN aiusage.rollup_user_source AS s ON s.id = p.id
			GROUP BY s.day, s.user_id, s.assignment, s.customer, s.currency, s.charge_currency
		), unsummed AS (
			UPDATE aiusage.rollup_user_daily AS r
			SET records = r.records - b.records, requests = r.requests - b.requests, errors = r.errors - b.errors,
				accepted = r.accepted - b.accepted, unpriced = r.unpriced - b.unpriced, cost = r.cost - b.cost,
				failed_cost = r.failed_cost - b.failed_cost, charge = r.charge - b.charge,
				usage = r.usage OPERATOR(aiusage.-) b.usage, usage_reversed = r.usage_reversed OPERATOR(aiusage.-) b.usage_reversed
			FROM by_user AS b
			WHERE (r.day, r.user_id, r.assignment, r.customer, r.currency, r.charge_currency)
				= (b.day, b.user_id, b.assignment, b.customer, b.currency, b.charge_currency)
		), gone AS (
			UPDATE aiusage.usage_record AS u
			SET request_id = NULL, trace_id = NULL, operation_id = NULL, job_id = NULL, user_id = NULL, origin = NULL,
				provider_request_id = NULL, tags = p.declared
			FROM picked AS p
			WHERE u.id = p.id
			RETURNING 1
		)
		SELECT count(*) FROM gone
	$query$, partition, condition) INTO erased USING who, keys, boundary, running;
	PERFORM aiusage.permit_change(NULL);
	DELETE FROM aiusage.rollup_user_daily AS r WHERE r.records = 0;
	-- What was sealed of them is sealed anew.
	IF erased > 0 THEN
		UPDATE aiusage.ledger_partition AS p SET state = 'frozen' WHERE p.state = 'sealed';
	END IF;
	RETURN erased;
END
$$;
COMMENT ON FUNCTION aiusage.owner_erase_rows("char", text, text[], regclass, uuid, uuid, bigint, bigint[]) IS 'Erases the identifiers of folded rows of a user (u) or of the keys of a class (k), of ids after one and up to another, or of transactions that are not below a boundary; returns of how many. For the owner of the books, who holds the lock aiusage.erase';

CREATE FUNCTION aiusage.owner_begin_erasing() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('cannot erase in a %s transaction', current_setting('transaction_isolation')),
			HINT = 'Use READ COMMITTED, so that no row is missed.';
	END IF;
	-- One at a time; and no partition is sealed meanwhile.
	PERFORM pg_advisory_xact_lock(hashtextextended('aiusage.erase', 0));
	PERFORM pg_advisory_xact_lock_shared(hashtextextended('aiusage.make_partitions', 0));
	-- Limits, the ledger, the fold: publishing a limit and closing a period take two of them each, in this order.
	LOCK TABLE aiusage.quota IN SHARE ROW EXCLUSIVE MODE;
	LOCK TABLE aiusage.usage_record IN ROW EXCLUSIVE MODE;
END
$$;
COMMENT ON FUNCTION aiusage.owner_begin_erasing() IS 'What every erasure begins with. UA409 above READ COMMITTED';

/* The counters of a limit by user are renamed: another epoch, as for a rebuild, but made of themselves. */
CREATE FUNCTION aiusage.owner_erase_subject(number int, at int, who text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q aiusage.quota;
	old uuid[];
	renamed bigint;
BEGIN
	UPDATE aiusage.sealed_quota AS z SET labels[at] = '(erased)' WHERE z.quota = number AND z.labels[at] = who;
	renamed := (SELECT count(*) FROM aiusage.quota_subject AS s WHERE s.quota = number AND s.labels[at] = who);
	SELECT * INTO STRICT q FROM aiusage.quota AS x WHERE x.quota = number;
	IF renamed = 0 THEN
		RETURN 0;
	ELSIF q.status <> 'active' THEN
		DELETE FROM aiusage.quota_subject AS s WHERE s.quota = number AND s.labels[at] = who;
		RETURN renamed;
	END IF;
	PERFORM aiusage.begin_publish();
	PERFORM FROM aiusage.fold_state FOR UPDATE;
	UPDATE aiusage.quota AS x SET epoch = x.epoch + 1, rebuild_reason = 'a user was erased' WHERE x.quota = number RETURNING * INTO q;
	old := ARRAY(SELECT s.subject FROM aiusage.quota_subject AS s WHERE s.quota = number);
	INSERT INTO aiusage.quota_subject (quota, subject, labels, first_at)
	SELECT number, aiusage.quota_subject_id(number, q.epoch, n.labels), n.labels, min(n.first_at)
	FROM (SELECT CASE WHEN s.labels[at] = who THEN s.labels[:at - 1] || '(erased)'::text || s.labels[at + 1:] ELSE s.labels END AS labels, s.first_at
		FROM aiusage.quota_subject AS s WHERE s.quota = number) AS n
	GROUP BY n.labels;
	INSERT INTO aiusage.quota_usage (quota, subject, window_start, starts_at, ends_at, used)
	SELECT number, aiusage.quota_subject_id(number, q.epoch, n.labels), n.window_start, min(n.starts_at), max(n.ends_at), sum(n.used)
	FROM (SELECT CASE WHEN s.labels[at] = who THEN s.labels[:at - 1] || '(erased)'::text || s.labels[at + 1:] ELSE s.labels END AS labels, u.*
		FROM aiusage.quota_usage AS u JOIN aiusage.quota_subject AS s ON s.quota = u.quota AND s.subject = u.subject
		WHERE u.quota = number AND u.subject = ANY (old)) AS n
	GROUP BY n.labels, n.window_start;
	DELETE FROM aiusage.quota_usage AS u WHERE u.quota = number AND u.subject = ANY (old);
	DELETE FROM aiusage.quota_subject AS s WHERE s.quota = number AND s.subject = ANY (old);
	PERFORM aiusage.owner_lock_writers(format('erase a user of limit "%s"', q.name));
	PERFORM aiusage.owner_take_boundary(number);
	RETURN renamed;
END
$$;
COMMENT ON FUNCTION aiusage.owner_erase_subject(int, int, text) IS 'Renames the counters of a limit that are of a user, the given one of its labels, to (erased); returns how many';

/* Where else a user is named: in configuration, in what was recorded of limits, in the audit log. */
CREATE FUNCTION aiusage.redacted(entry jsonb, who text) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN entry IS NULL THEN NULL ELSE (
		SELECT coalesce(jsonb_object_agg(e.key, CASE
			WHEN e.key = 'user_id' AND e.value = to_jsonb(who) THEN '"(erased)"'
			WHEN e.key IN ('labels', 'user_id') AND jsonb_typeof(e.value) = 'array'
				THEN (SELECT coalesce(jsonb_agg(CASE WHEN l.value = to_jsonb(who) THEN '"(erased)"' ELSE l.value END ORDER BY l.n), '[]')
					FROM jsonb_array_elements(e.value) WITH ORDINALITY AS l (value, n))
			WHEN e.key IN ('filters', 'parameters', 'labels') AND jsonb_typeof(e.value) = 'object' THEN aiusage.redacted(e.value, who)
			ELSE e.value END), '{}')
		FROM jsonb_each(entry) AS e) END
$$;
COMMENT ON FUNCTION aiusage.redacted(jsonb, text) IS 'A row as JSON with a user''s id replaced by (erased) where rows name users: user_id and labels, also in lists, and these in filters and parameters';

CREATE FUNCTION aiusage.only_redacted(before jsonb, after jsonb) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT before IS NOT DISTINCT FROM after OR jsonb_typeof(before) = 'object' AND jsonb_typeof(after) = 'object'
		AND (SELECT bool_and(b.value IS NOT DISTINCT FROM a.value
				OR b.key = 'user_id' AND a.value = '"(erased)"' AND jsonb_typeof(b.value) = 'string'
				OR b.key IN ('subject_text', 'detail') AND jsonb_typeof(b.value) = 'string' AND a.value #>> '{}' LIKE '%(erased)%'
				OR b.key = 'subject' AND a.value = 'null'
				OR b.key IN ('labels', 'user_id') AND jsonb_typeof(b.value) = 'array' AND jsonb_array_length(b.value) = jsonb_array_length(a.value)
					AND (SELECT bool_and(x.value = y.value OR y.value = '"(erased)"')
						FROM jsonb_array_elements(b.value) WITH ORDINALITY AS x (value, n) JOIN jsonb_array_elements(a.value) WITH ORDINALITY AS y (value, n) USING (n))
				OR b.key IN ('filters', 'parameters', 'labels') AND jsonb_typeof(b.value) = 'object' AND aiusage.only_redacted(b.value, a.value))
			FROM jsonb_each(before) AS b FULL JOIN jsonb_each(after) AS a USING (key))
$$;
COMMENT ON FUNCTION aiusage.only_redacted(jsonb, jsonb) IS 'Whether a row as JSON differs from another only where a user''s id was replaced by (erased)';

CREATE FUNCTION aiusage.owner_erase_named(who text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	named constant text := format('user_id "%s"', who);
	n bigint;
	total bigint := 0;
BEGIN
	PERFORM aiusage.permit_change('erase');
	UPDATE aiusage.quota_event AS e
	SET subject = NULL, subject_text = replace(e.subject_text, named, 'user_id "(erased)"'), detail = replace(e.detail, named, 'user_id "(erased)"')
	WHERE strpos(e.subject_text, named) > 0 OR strpos(e.detail, named) > 0;
	GET DIAGNOSTICS n = ROW_COUNT;
	total := total + n;
	UPDATE aiusage.quota AS q SET user_id = '(erased)' WHERE q.user_id = who AND q.status <> 'active';
	GET DIAGNOSTICS n = ROW_COUNT;
	total := total + n;
	UPDATE aiusage.quota_override AS o SET labels = array_replace(o.labels, who, '(erased)')
	FROM aiusage.quota AS q WHERE q.quota = o.quota AND o.labels[array_position(q.per, 'user_id')] = who;
	GET DIAGNOSTICS n = ROW_COUNT;
	total := total + n;
	UPDATE aiusage.quota_request AS o SET labels = array_replace(o.labels, who, '(erased)')
	FROM aiusage.quota AS q WHERE q.quota = o.quota AND o.labels[array_position(q.per, 'user_id')] = who;
	GET DIAGNOSTICS n = ROW_COUNT;
	total := total + n;
	UPDATE aiusage.correction AS c SET parameters = aiusage.redacted(c.parameters, who)
	WHERE c.parameters IS DISTINCT FROM aiusage.redacted(c.parameters, who);
	GET DIAGNOSTICS n = ROW_COUNT;
	total := total + n;
	UPDATE aiusage.reprice_job AS j SET filters = aiusage.redacted(j.filters, who)
	WHERE j.status <> 'open' AND j.filters IS DISTINCT FROM aiusage.redacted(j.filters, who);
	GET DIAGNOSTICS n = ROW_COUNT;
	total := total + n;
	-- What is left is of rows that retention has dropped.
	DELETE FROM aiusage.rollup_user_daily AS r WHERE r.user_id = who;
	GET DIAGNOSTICS n = ROW_COUNT;
	total := total + n;
	-- Last: what the changes above have written is in it, too.
	UPDATE aiusage.audit_log AS a SET old = aiusage.redacted(a.old, who), new = aiusage.redacted(a.new, who)
	WHERE (strpos(a.old::text, to_json(who)::text) > 0 OR strpos(a.new::text, to_json(who)::text) > 0)
		AND (a.old, a.new) IS DISTINCT FROM (aiusage.redacted(a.old, who), aiusage.redacted(a.new, who));
	GET DIAGNOSTICS n = ROW_COUNT;
	PERFORM aiusage.permit_change(NULL);
	RETURN total + n;
END
$$;
COMMENT ON FUNCTION aiusage.owner_erase_named(text) IS 'Replaces a user''s id by (erased) in events, overrides and requests of limits, limits that are not active, corrections, jobs that are done, and the audit log; returns in how many rows';

CREATE FUNCTION aiusage.audit_erasure() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'INSERT' OR OLD.status <> NEW.status THEN
		INSERT INTO aiusage.audit_log (session_role, role, relation, operation, new, application)
		VALUES (session_user, aiusage.acting_role(), 'erase_user', 'ACTION',
			to_jsonb(NEW) - ARRAY['user_id', 'last_id', 'boundary', 'running'], current_setting('application_name', true));
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.audit_erasure() IS 'Trigger of aiusage.erasure: the audit log has that a person was to be erased, and what was, without saying whom';

-- Persons ------------------------------------------------------------------

CREATE FUNCTION aiusage.request_erasure(user_id text, reason text, ticket text DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.request_erasure(text, text, text) IS 'As aiusage.erase_user(), but done by maintain(), batch by batch, a transaction each: for large ledgers. Returns the number of the erasure; asking again while it is open returns the same. aiusage.erasure says how far it is. Errors: as of erase_user()';

CREATE FUNCTION aiusage.owner_request_erasure(user_id text, reason text, ticket text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	who text := owner_request_erasure.user_id;
	limit_name text;
	job_number bigint;
	number bigint;
BEGIN
	IF coalesce(who, '') = '' OR octet_length(who) > 256 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the user to be erased must have 1 to 256 bytes',
			HINT = 'It is the id as it stands in column user_id.';
	END IF;
	IF coalesce(btrim(owner_request_erasure.reason), '') = '' OR octet_length(owner_request_erasure.reason) > 1024
		OR octet_length(owner_request_erasure.ticket) NOT BETWEEN 1 AND 256
		-- very short ids are parts of words
		OR octet_length(who) > 3 AND (strpos(owner_request_erasure.reason, who) > 0 OR strpos(owner_request_erasure.ticket, who) > 0) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'an erasure needs a reason that does not name the user',
			DETAIL = 'A reason has at most 1024 bytes, a ticket 1 to 256; both are kept.',
			HINT = 'Name the request: a ticket, a date, a law.';
	END IF;
	limit_name := (SELECT min(q.name) FROM aiusage.quota AS q WHERE q.user_id = who AND q.status = 'active');
	IF limit_name IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('limit "%s" is about this user', limit_name),
			HINT = 'Retire it with aiusage.retire_quota() first.';
	END IF;
	-- Its filters could not be told from others any more, and would name the user for ever.
	job_number := (SELECT min(j.job) FROM aiusage.reprice_job AS j WHERE j.status = 'open' AND aiusage.redacted(j.filters, who) <> j.filters);
	IF job_number IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('reprice job %s is about this user', job_number),
			HINT = format('End it first: CALL aiusage.run_reprice(%1$s), or SELECT aiusage.cancel_reprice(%1$s).', job_number);
	END IF;
	PERFORM pg_advisory_xact_lock(hashtextextended('aiusage.erase', 0));
	number := (SELECT min(e.erasure) FROM aiusage.erasure AS e WHERE e.user_id = who AND e.status = 'open');
	IF number IS NULL THEN
		INSERT INTO aiusage.erasure (user_id, user_digest, reason, ticket, session_role, role)
		VALUES (who, aiusage.owner_user_digest(who), owner_request_erasure.reason, owner_request_erasure.ticket, session_user, aiusage.acting_role())
		RETURNING erasure INTO number;
	END IF;
	RETURN number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_request_erasure(text, text, text) IS 'Body of request_erasure(), for the owner of the books only';

CREATE FUNCTION aiusage.owner_erasure_step(number bigint, batch_rows int) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j aiusage.erasure;
	upto uuid;
	erased bigint;
	holds bigint := 0;
	counters bigint := 0;
	others bigint := 0;
	incarnation int := aiusage.current_incarnation();
	q record;
BEGIN
	PERFORM aiusage.owner_begin_erasing();
	SELECT * INTO j FROM aiusage.erasure AS e WHERE e.erasure = number FOR UPDATE;
	IF j.status IS DISTINCT FROM 'open' THEN
		RETURN false;
	END IF;
	-- What is there now is folded, and then looked at in order of id; what comes later, at the end.
	IF j.boundary IS NULL THEN
		UPDATE aiusage.erasure AS e
		SET boundary = aiusage.snapshot_boundary(incarnation), running = aiusage.snapshot_running(incarnation)
		WHERE e.erasure = number RETURNING * INTO j;
		PERFORM aiusage.owner_refresh();
	END IF;
	upto := (SELECT u.id FROM aiusage.usage_record AS u WHERE u.id > j.last_id ORDER BY u.id OFFSET batch_rows - 1 LIMIT 1);
	erased := aiusage.owner_erase_rows('u', j.user_id, NULL, 'aiusage.usage_record', j.last_id, upto, NULL, NULL);
	IF upto IS NOT NULL THEN
		UPDATE aiusage.erasure AS e SET last_id = upto, rows_erased = e.rows_erased + erased WHERE e.erasure = number;
		RETURN true;
	END IF;

	PERFORM aiusage.owner_refresh();
	erased := erased + aiusage.owner_erase_rows('u', j.user_id, NULL, 'aiusage.usage_record', NULL, NULL, j.boundary, j.running);
	UPDATE aiusage.hold AS h SET user_id = NULL, operation_id = NULL WHERE h.user_id = j.user_id AND (h.status <> 'open' OR h.expires_at < clock_timestamp());
	GET DIAGNOSTICS holds = ROW_COUNT;
	FOR q IN SELECT x.quota, array_position(x.per, 'user_id') AS at FROM aiusage.quota AS x WHERE 'user_id' = ANY (x.per) ORDER BY x.quota
	LOOP
		counters := counters + aiusage.owner_erase_subject(q.quota, q.at, j.user_id);
	END LOOP;
	others := aiusage.owner_erase_named(j.user_id);
	UPDATE aiusage.erasure AS e
	SET status = 'done', finished_at = clock_timestamp(), user_id = NULL, rows_erased = e.rows_erased + erased, holds_erased = holds,
		counters_erased = counters, others_erased = others
	WHERE e.erasure = number;
	RETURN false;
END
$$;
COMMENT ON FUNCTION aiusage.owner_erasure_step(bigint, int) IS 'One batch of an erasure; the last one also erases the user elsewhere. Returns whether there is more';

CREATE FUNCTION aiusage.erase_user(user_id text, reason text, ticket text DEFAULT NULL)
	RETURNS TABLE (what text, erased bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.erase_user(text, text, text) IS 'Takes a person out of the books: the identifiers (user, request, trace, operation and job ids, origin, tags) of the ledger rows that name the user, holds, counters, events, overrides and requests of limits, parameters of corrections, and entries of the audit log. Money, counts and owners stay; counters of limits by user go on as (erased). Of the user a keyed digest is kept (aiusage.user_digest()). One row a kind of thing. Again it erases what has come since. One transaction, in which folds wait: aiusage.request_erasure() is for large ledgers. UA422: no reason, or one that names the user; UA409: an active limit, or an open reprice job, is about the user, above READ COMMITTED, or in a transaction that has booked usage; 55P03: usage is being written for too long';

CREATE FUNCTION aiusage.owner_erase_user(user_id text, reason text, ticket text)
	RETURNS TABLE (what text, erased bigint)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number bigint;
BEGIN
	PERFORM aiusage.owner_begin_erasing();
	number := aiusage.owner_request_erasure(owner_erase_user.user_id, owner_erase_user.reason, owner_erase_user.ticket);
	WHILE aiusage.owner_erasure_step(number, 1000000) LOOP
	END LOOP;
	RETURN QUERY
	SELECT v.what, v.erased
	FROM aiusage.erasure AS e, LATERAL (VALUES ('ledger rows', e.rows_erased), ('holds', e.holds_erased), ('counters of limits', e.counters_erased),
		('other records', e.others_erased)) AS v (what, erased)
	WHERE e.erasure = number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_erase_user(text, text, text) IS 'Body of erase_user(), for the owner of the books only';

-- Classes, and what maintain() does ----------------------------------------

CREATE FUNCTION aiusage.erase_identifiers() RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.erase_identifiers() IS 'One batch of what is to be erased: of an open erasure of a person (aiusage.request_erasure()), or of a retention class whose keep_identifiers is over for a partition. Returns what it did, NULL when there is nothing to do. maintain() calls it until then, a transaction each. UA409 above READ COMMITTED or in a transaction that has booked usage';

CREATE FUNCTION aiusage.owner_erase_identifiers() RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	batch constant int := 100000;
	number bigint;
	w record;
	upto uuid;
	erased bigint;
	folded record;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtextextended('aiusage.erase', 0)) THEN
		RETURN NULL;
	END IF;
	PERFORM aiusage.owner_begin_erasing();
	number := (SELECT min(e.erasure) FROM aiusage.erasure AS e WHERE e.status = 'open');
	IF number IS NOT NULL THEN
		RETURN format('erasure %s: %s', number, CASE WHEN aiusage.owner_erasure_step(number, batch) THEN 'goes on' ELSE 'done' END);
	END IF;

	-- At most once an hour a partition and class, but for a pass that is not at its end.
	FOR w IN
		SELECT c.class, r.relation, r.partition, r.lower_at, r.upper_at, e.last_id, e.boundary, e.running, e.class IS NULL AS is_new,
			k.keys, e.keys AS old_keys
		FROM aiusage.retention_class AS c
		CROSS JOIN LATERAL (SELECT p.partition AS relation, l.relname::text AS partition, p.lower_at, p.upper_at
			FROM aiusage.partition_ranges() AS p JOIN pg_class AS l ON l.oid = p.partition) AS r
		CROSS JOIN LATERAL (SELECT ARRAY(SELECT x.api_key FROM aiusage.key_retention AS x WHERE x.class = c.class ORDER BY x.api_key) AS keys) AS k
		LEFT JOIN aiusage.class_erasure AS e ON e.partition = r.partition AND e.class = c.class
		WHERE least(c.keep_identifiers, c.keep) IS NOT NULL AND r.upper_at + interval '1 hour' + least(c.keep_identifiers, c.keep) <= now()
			AND (e.class IS NULL OR e.last_id IS NOT NULL OR e.checked_at < clock_timestamp() - interval '1 hour')
		ORDER BY r.lower_at, c.class
	LOOP
		-- What is folded by now is looked at by this pass; the rest by the next one, as late rows.
		SELECT f.boundary, f.running INTO folded FROM aiusage.fold_state AS f;
		IF w.is_new OR NOT w.keys <@ w.old_keys THEN
			INSERT INTO aiusage.class_erasure AS x (partition, class, keys, last_id, boundary, running)
			VALUES (w.partition, w.class, w.keys, '00000000-0000-0000-0000-000000000000', folded.boundary, folded.running)
			ON CONFLICT ON CONSTRAINT class_erasure_pkey DO UPDATE
				SET keys = excluded.keys, last_id = excluded.last_id, boundary = excluded.boundary, running = excluded.running;
			w.last_id := '00000000-0000-0000-0000-000000000000';
		END IF;
		IF w.last_id IS NOT NULL THEN
			EXECUTE format('SELECT u.id FROM %s AS u WHERE u.id > $1 ORDER BY u.id OFFSET $2 - 1 LIMIT 1', w.relation) INTO upto USING w.last_id, batch;
			erased := aiusage.owner_erase_rows('k', w.class, w.keys, w.relation, w.last_id, upto, NULL, NULL);
		ELSE
			-- Late rows since.
			upto := NULL;
			erased := aiusage.owner_erase_rows('k', w.class, w.keys, w.relation, NULL, NULL, w.boundary, w.running);
		END IF;
		UPDATE aiusage.class_erasure AS x
		SET last_id = upto, rows_erased = x.rows_erased + erased, checked_at = clock_timestamp(), keys = w.keys,
			boundary = CASE WHEN w.last_id IS NULL THEN folded.boundary ELSE x.boundary END,
			running = CASE WHEN w.last_id IS NULL THEN folded.running ELSE x.running END
		WHERE x.partition = w.partition AND x.class = w.class;
		IF erased > 0 OR upto IS NOT NULL THEN
			RETURN format('%s, class %s: identifiers of %s rows', w.partition, w.class, erased);
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.owner_erase_identifiers() IS 'Body of erase_identifiers(), for the owner of the books only';
