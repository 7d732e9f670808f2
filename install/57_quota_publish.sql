/*
 * Limits: folding, publishing, rebuilding, retiring.
 *
 * counter = quota_usage + the ledger's tail, in every snapshot.  So whoever
 * writes quota_usage holds the row of fold_state, which says what the tail is:
 * folds add what they take from it, publishing adds what was taken before.
 */

CREATE FUNCTION aiusage.owner_add_quota_usage(rows_query text, only_quota int) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET enable_seqscan = off
AS $$
DECLARE
	added bigint;
BEGIN
	-- In key order, as everybody who writes these tables.
	EXECUTE format($query$
		WITH charged AS MATERIALIZED (
			SELECT c.*
			FROM (SELECT aiusage.quota_totals($1, r.api_key, r.assignment, r.customer, r.workflow, r.user_id, r.job_id, r.tags,
				r.provider, r.model, r.endpoint, r.usage, r.cost, r.status, r.kind, r.adjusts, r.quota_state,
				r.occurred_at, r.recorded_at, r.invoice_period) AS counters FROM (%s) AS r) AS t
			CROSS JOIN LATERAL unnest(t.counters) AS c
			JOIN aiusage.quota AS q ON q.quota = c.quota
			CROSS JOIN aiusage.fold_state AS f
			WHERE q.status = 'active' AND c.ends_at > q.pruned_to
				AND aiusage.quota_kept(c.starts_at, c.ends_at, f.quotas_pruned_at)
		), subjects AS (
			INSERT INTO aiusage.quota_subject AS s (quota, subject, labels, first_at)
			SELECT DISTINCT ON (c.quota, c.subject) c.quota, c.subject, c.labels, min(c.first_at) OVER (PARTITION BY c.quota, c.subject)
			FROM charged AS c
			ORDER BY c.quota, c.subject
			ON CONFLICT (quota, subject) DO NOTHING
		), counters AS (
			INSERT INTO aiusage.quota_usage AS u (quota, subject, window_start, starts_at, ends_at, used)
			SELECT c.quota, c.subject, c.window_start, c.starts_at, c.ends_at, c.amount
			FROM charged AS c
			ORDER BY c.quota, c.subject, c.window_start
			ON CONFLICT (quota, subject, window_start) DO UPDATE SET used = u.used + excluded.used
			RETURNING 1
		)
		SELECT count(*) FROM counters
	$query$, rows_query) INTO added USING only_quota;
	RETURN added;
END
$$;
COMMENT ON FUNCTION aiusage.owner_add_quota_usage(text, int) IS 'Adds what the rows of a query charge to active limits, or to one, to quota_usage; returns to how many counters. For the owner of the books, who holds the row of fold_state';

CREATE FUNCTION aiusage.owner_fold_quotas(from_boundary bigint, from_running bigint[], to_boundary bigint, to_running bigint[])
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- The rows that the fold took: of transactions it knew to have ended, and the fold before did not.
	RETURN aiusage.owner_add_quota_usage(format($query$
		SELECT u.* FROM aiusage.usage_record AS u
		WHERE u.txid >= %1$s AND u.txid < %3$s AND u.txid <> ALL (%4$L::bigint[])
			AND u.occurred_at >= '-infinity' AND u.occurred_at <= 'infinity'
		UNION ALL
		SELECT u.* FROM aiusage.usage_record AS u
		WHERE u.txid = ANY (%2$L::bigint[]) AND u.txid < %1$s AND u.txid <> ALL (%4$L::bigint[])
			AND u.occurred_at >= '-infinity' AND u.occurred_at <= 'infinity'
	$query$, from_boundary, from_running, to_boundary, to_running), NULL);
END
$$;
COMMENT ON FUNCTION aiusage.owner_fold_quotas(bigint, bigint[], bigint, bigint[]) IS 'Adds the rows that are folded under one snapshot and were not under another to quota_usage. Both are given as fold_state keeps them, so it reads the same rows in any later snapshot: what its fold took';

CREATE FUNCTION aiusage.owner_add_sealed_quota(number int) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	added bigint;
BEGIN
	WITH sealed AS MATERIALIZED (
		SELECT q.quota, aiusage.quota_subject_id(q.quota, q.epoch, z.labels) AS subject, z.labels, z.window_start,
			min(z.starts_at) AS starts_at, max(z.ends_at) AS ends_at, sum(z.used) AS used
		FROM aiusage.sealed_quota AS z
		JOIN aiusage.quota AS q ON q.quota = z.quota
		CROSS JOIN aiusage.fold_state AS f
		WHERE z.quota = number AND z.ends_at > q.pruned_to AND aiusage.quota_kept(z.starts_at, z.ends_at, f.quotas_pruned_at)
			AND (z.partition_number IS NULL OR EXISTS (SELECT FROM aiusage.sealed_partition AS p WHERE p.number = z.partition_number))
		GROUP BY q.quota, q.epoch, z.labels, z.window_start
		HAVING sum(z.used) <> 0
	), subjects AS (
		INSERT INTO aiusage.quota_subject AS s (quota, subject, labels, first_at)
		SELECT DISTINCT z.quota, z.subject, z.labels, now() FROM sealed AS z ORDER BY z.quota, z.subject
		ON CONFLICT (quota, subject) DO NOTHING
	), counters AS (
		INSERT INTO aiusage.quota_usage AS u (quota, subject, window_start, starts_at, ends_at, used)
		SELECT z.quota, z.subject, z.window_start, z.starts_at, z.ends_at, z.used FROM sealed AS z ORDER BY z.quota, z.subject, z.window_start
		ON CONFLICT (quota, subject, window_start) DO UPDATE SET used = u.used + excluded.used
		RETURNING 1
	)
	SELECT count(*) INTO added FROM counters;
	RETURN added;
END
$$;
COMMENT ON FUNCTION aiusage.owner_add_sealed_quota(int) IS 'Adds to quota_usage what the rows of dropped partitions, and rows without their identifiers, had charged to a limit that is counted anew; returns to how many counters';

/* Whether the folded rows of a limit can be had from the rollups: money, by dimensions that these have. */
CREATE FUNCTION aiusage.owner_quota_from_rollup(quota int, fresh boolean) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT q.metric = 'spend' AND q.user_id IS NULL AND q.job_id IS NULL AND q.tag IS NULL
		AND NOT q.per && ARRAY['user_id', 'job_id', 'tag'] AND NOT q.sliding
		-- sums of quarter hours know when an event was, not when it was recorded
		AND (q."window" IN ('total', 'invoice_period') OR owner_quota_from_rollup.fresh AND
			(q."window" IN ('day', 'week', 'month') OR extract(day FROM q.window_length) <> 0
				OR extract(year FROM q.window_length) * 12 + extract(month FROM q.window_length) <> 0))
	FROM aiusage.quota AS q WHERE q.quota = owner_quota_from_rollup.quota
$$;
COMMENT ON FUNCTION aiusage.owner_quota_from_rollup(int, boolean) IS 'Whether what is folded of a limit follows from the rollups exactly; fresh: every row was recorded before it was published';

CREATE FUNCTION aiusage.owner_backfill_quota(quota int, fresh boolean) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
DECLARE
	q aiusage.quota;
	most bigint := (SELECT s.value::bigint FROM aiusage.setting AS s WHERE s.name = 'quota_backfill_rows');
	since timestamptz := '-infinity';
	folded text;
	found_rows bigint;
BEGIN
	SELECT * INTO STRICT q FROM aiusage.quota AS x WHERE x.quota = owner_backfill_quota.quota;
	IF q.metric = 'concurrency' THEN
		RETURN 0;
	END IF;
	IF q.sliding THEN
		since := (SELECT w.starts_at - 12 * (w.ends_at - w.starts_at) FROM aiusage.quota_window(q.quota, q.pruned_to) AS w);
	ELSIF q."window" NOT IN ('total', 'invoice_period') THEN
		since := (SELECT w.starts_at FROM aiusage.quota_window(q.quota, q.pruned_to) AS w);
	END IF;

	IF aiusage.owner_quota_from_rollup(q.quota, fresh) THEN
		RETURN aiusage.owner_add_quota_usage(format($query$
			SELECT d.api_key, d.assignment, d.customer, d.workflow, NULL::text AS user_id, NULL::text AS job_id, NULL::jsonb AS tags,
				d.provider, d.model, d.endpoint, NULL::aiusage.usage AS usage, aiusage.amount(s.cost, d.currency) AS cost, d.status,
				'adjustment'::aiusage.record_kind AS kind, NULL::uuid AS adjusts, NULL::aiusage.limit_state AS quota_state,
				s.bucket AS occurred_at, s.bucket AS recorded_at, d.invoice_period
			FROM aiusage.rollup_15m AS s
			JOIN aiusage.rollup_dimension AS d ON d.dimension = s.dimension
			WHERE s.bucket >= %L AND s.cost <> 0
		$query$, since), q.quota);
	END IF;

	folded := format('SELECT u.* FROM aiusage.usage_record AS u CROSS JOIN aiusage.fold_state AS f '
		'WHERE u.txid < f.boundary AND u.txid <> ALL (f.running) AND %s',
		CASE WHEN fresh THEN format('u.occurred_at >= %L', since)
			ELSE format('(u.occurred_at >= %1$L OR u.recorded_at >= %1$L)', since) END);
	IF fresh THEN
		EXECUTE format('SELECT count(*) FROM (SELECT FROM (%s) AS r LIMIT %s) AS l', folded, most + 1) INTO found_rows;
		IF found_rows > most THEN
			RAISE EXCEPTION USING ERRCODE = '53400',
				MESSAGE = format('publishing limit "%s" would read too many ledger rows', q.name),
				DETAIL = format('What its window holds already is more than %s rows (setting quota_backfill_rows), and the rollups do not have its metric or dimensions.', most),
				HINT = 'Raise the setting, choose a shorter window, or limit spend by dimensions other than user_id, job_id and tag.';
		END IF;
	END IF;
	RETURN aiusage.owner_add_quota_usage(folded, q.quota) + aiusage.owner_add_sealed_quota(q.quota);
END
$$;
COMMENT ON FUNCTION aiusage.owner_backfill_quota(int, boolean) IS 'Adds what is folded already to the counters of a limit, of windows that are not over; from the rollups where they have it, else from raw rows. 53400 when that would be too many';

CREATE FUNCTION aiusage.owner_lock_writers(what text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tries int := 1;
BEGIN
	-- Writers in flight end; those that come after wait, and know what we did.  None waits behind us for long.
	WHILE NOT aiusage.owner_try_lock_ledger() LOOP
		tries := tries + 1;
		IF tries > 5 THEN
			RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
				MESSAGE = format('could not %s: usage is being written by a transaction that does not end', what),
				DETAIL = format('In its way: %s.', aiusage.owner_ledger_holders()),
				HINT = 'pg_locks and pg_stat_activity show it. Try again when it has ended.';
		END IF;
		PERFORM pg_sleep(0.1);
	END LOOP;
END
$$;
COMMENT ON FUNCTION aiusage.owner_lock_writers(text) IS 'Waits until no transaction is writing usage, and keeps others from it until the end of this one. 55P03 when one goes on for too long; writers wait half a second at a time at most';

CREATE FUNCTION aiusage.owner_take_boundary(quota int) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- A statement of its own: its snapshot is younger than the lock.
	UPDATE aiusage.quota AS q
	SET published_boundary = aiusage.snapshot_boundary(aiusage.current_incarnation())
	WHERE q.quota = owner_take_boundary.quota;

	-- Rows are counted from now on; without limits nothing is.
	IF EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = 'aiusage.usage_record'::regclass AND t.tgname = 'charge' AND t.tgenabled = 'D') THEN
		ALTER TABLE aiusage.usage_record ENABLE ALWAYS TRIGGER charge;
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.owner_take_boundary(int) IS 'Stores of which transactions a limit''s counters know from now on, and turns counting on. After owner_lock_writers()';

CREATE FUNCTION aiusage.owner_publish_quota(quota int) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q aiusage.quota;
	crowd text;
BEGIN
	PERFORM aiusage.begin_publish();
	-- No fold until we are done: what is folded, and what is not, stays as it is.
	PERFORM FROM aiusage.fold_state FOR UPDATE;

	UPDATE aiusage.quota AS x
	SET status = 'active', published_at = clock_timestamp(), published_by = aiusage.acting_role(), pruned_to = clock_timestamp()
	WHERE x.quota = owner_publish_quota.quota
	RETURNING * INTO STRICT q;

	-- As far as it can be said without a row: every limit whose scope is part of one limit's applies to all rows of that one.
	SELECT string_agg(format('"%s"', inner_quota.name), ', ' ORDER BY inner_quota.quota) INTO crowd
	FROM aiusage.quota AS outer_quota
	JOIN aiusage.quota AS inner_quota ON inner_quota.status = 'active'
		AND (SELECT bool_and(i.value = 'null' OR i.value = o.value)
			FROM jsonb_each(to_jsonb(inner_quota)) AS i JOIN jsonb_each(to_jsonb(outer_quota)) AS o USING (key)
			WHERE i.key = ANY (aiusage.quota_dimensions()) AND i.key <> 'tag' OR i.key = 'tag_value')
		AND (inner_quota.tag_value IS NULL OR inner_quota.tag = outer_quota.tag)
	WHERE outer_quota.status = 'active'
	GROUP BY outer_quota.quota
	HAVING count(*) > 16
	LIMIT 1;
	IF crowd IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = '53400',
			MESSAGE = format('with limit "%s" more than 16 limits would apply to one usage row', q.name),
			DETAIL = format('These would apply together: %s.', crowd),
			HINT = 'Retire some with aiusage.retire_quota(), or narrow their scopes.';
	END IF;

	PERFORM aiusage.owner_backfill_quota(q.quota, true);
	INSERT INTO aiusage.quota_event (kind, quota, quota_name, "limit", role)
	VALUES ('published', q.quota, q.name, q."limit", aiusage.acting_role());
	PERFORM aiusage.owner_lock_writers(format('publish limit "%s"', q.name));
	PERFORM aiusage.owner_take_boundary(q.quota);
	IF NOT (SELECT m.preloaded FROM aiusage.quota_memory() AS m) THEN
		RAISE WARNING USING
			MESSAGE = format('limit "%s" refuses all usage that it applies to, for aiusage is not preloaded', q.name),
			HINT = 'Set shared_preload_libraries = ''aiusage'' and restart the server. Money that is spent already is booked with spent = true.';
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.owner_publish_quota(int) IS 'Makes a draft count: backfills its counters from what is folded, waits for writers, and stores from which transaction on it is known';

CREATE FUNCTION aiusage.owner_rebuild_quota(quota int, reason text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q aiusage.quota;
	before numeric;
	after numeric;
BEGIN
	PERFORM aiusage.begin_publish();
	PERFORM FROM aiusage.fold_state FOR UPDATE;

	-- Another epoch has other subjects: counters in memory of this one are nobody's, and load anew.
	UPDATE aiusage.quota AS x
	SET epoch = x.epoch + 1, rebuild_reason = left(owner_rebuild_quota.reason, 256), pruned_to = clock_timestamp()
	WHERE x.quota = owner_rebuild_quota.quota
	RETURNING * INTO STRICT q;
	before := (SELECT coalesce(sum(u.used), 0) FROM aiusage.quota_usage AS u
		WHERE u.quota = q.quota AND u.ends_at > q.pruned_to);
	DELETE FROM aiusage.quota_usage AS u WHERE u.quota = q.quota;
	DELETE FROM aiusage.quota_subject AS s WHERE s.quota = q.quota;
	PERFORM aiusage.owner_backfill_quota(q.quota, false);
	after := (SELECT coalesce(sum(u.used), 0) FROM aiusage.quota_usage AS u WHERE u.quota = q.quota);
	INSERT INTO aiusage.quota_event (kind, quota, quota_name, used, detail, role)
	VALUES ('rebuilt', q.quota, q.name, after,
		format('%s; counters of open windows added up to %s before and to %s after', q.rebuild_reason, trim_scale(before), trim_scale(after)),
		aiusage.acting_role());
	PERFORM aiusage.owner_lock_writers(format('rebuild limit "%s"', q.name));
	PERFORM aiusage.owner_take_boundary(q.quota);
END
$$;
COMMENT ON FUNCTION aiusage.owner_rebuild_quota(int, text) IS 'Counts a limit anew from the ledger, under another epoch; windows that are over are not kept';

CREATE FUNCTION aiusage.rebuild_quota(name text, reason text) RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.rebuild_quota(text, text) IS 'Counts an active limit anew from the ledger and returns its number; an event says what its counters added up to before and after. Reads the whole ledger unless the rollups have it. Errors: UA404 for no such limit, UA422 for no reason, UA409 in a transaction that has booked usage, 55P03 when usage is being written for too long';

CREATE FUNCTION aiusage.owner_rebuild_quota(name text, reason text) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	number int;
	most bigint := (SELECT s.value::bigint FROM aiusage.setting AS s WHERE s.name = 'quota_backfill_rows');
	-- as the planner knows it: counting would be the reading that is to be avoided
	there numeric := (SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::numeric FROM pg_partition_tree('aiusage.usage_record') AS p
		JOIN pg_class AS c ON c.oid = p.relid WHERE p.isleaf);
BEGIN
	IF coalesce(btrim(reason), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'rebuilding a limit needs a reason',
			HINT = 'Say why in words; an auditor reads it.';
	END IF;
	number := aiusage.owner_active_quota(owner_rebuild_quota.name);
	IF there > most AND NOT aiusage.owner_quota_from_rollup(number, false)
		AND NOT EXISTS (SELECT FROM aiusage.quota AS q WHERE q.quota = number AND q.metric = 'concurrency') THEN
		RAISE EXCEPTION USING ERRCODE = '53400',
			MESSAGE = format('rebuilding limit "%s" would read too many ledger rows', owner_rebuild_quota.name),
			DETAIL = format('It reads the ledger, about %s rows; setting quota_backfill_rows allows %s. Folds wait meanwhile, inserts only at the end.', there, most),
			HINT = 'Raise the setting for the time, or let a new limit take its place: put_quota(quota_record(name), replace => true) reads the open window only.';
	END IF;
	PERFORM aiusage.owner_rebuild_quota(number, owner_rebuild_quota.reason);
	RETURN number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_rebuild_quota(text, text) IS 'Body of rebuild_quota(), for the owner of the books only';

CREATE FUNCTION aiusage.owner_active_quota(name text) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	q aiusage.quota;
BEGIN
	LOCK TABLE aiusage.quota IN SHARE ROW EXCLUSIVE MODE;
	SELECT * INTO q FROM aiusage.quota AS x WHERE x.name = owner_active_quota.name ORDER BY x.status = 'retired', x.quota DESC LIMIT 1;
	IF q.quota IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('limit "%s" does not exist', left(coalesce(owner_active_quota.name, 'null'), 64)),
			HINT = 'aiusage.quota_state lists those that are active.';
	ELSIF q.status <> 'active' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('limit "%s" is not active but %s', q.name, q.status),
			HINT = 'Only limits that count can be counted anew; aiusage.put_quota() makes a draft active.';
	END IF;
	RETURN q.quota;
END
$$;
COMMENT ON FUNCTION aiusage.owner_active_quota(text) IS 'Number of an active limit, whose changes then follow each other. Errors: UA404, UA409';

CREATE FUNCTION aiusage.retire_quota(name text, reason text DEFAULT NULL) RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.retire_quota(text, text) IS 'Ends a limit, from the commit on, and returns its number; a draft is deleted. Its events and overrides stay. Errors: UA404 for no such limit';

CREATE FUNCTION aiusage.owner_retire_quota(name text, reason text) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	q aiusage.quota;
BEGIN
	LOCK TABLE aiusage.quota IN SHARE ROW EXCLUSIVE MODE;
	SELECT * INTO q FROM aiusage.quota AS x WHERE x.name = owner_retire_quota.name AND x.status <> 'retired';
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('limit "%s" does not exist', left(coalesce(owner_retire_quota.name, 'null'), 64)),
			HINT = 'aiusage.quota_state lists those that are active.';
	END IF;
	IF q.wallet AND EXISTS (SELECT FROM aiusage.wallet AS w WHERE w.quota = q.quota AND w.status = 'active') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('limit "%s" is the credit of a wallet', q.name),
			HINT = 'aiusage.close_wallet() ends it.';
	END IF;
	IF q.status = 'draft' THEN
		DELETE FROM aiusage.quota AS x WHERE x.quota = q.quota;
		RETURN q.quota;
	END IF;
	-- A fold that is under way adds to its counters until it ends.
	PERFORM FROM aiusage.fold_state FOR UPDATE;
	UPDATE aiusage.quota AS x SET status = 'retired', retired_at = clock_timestamp(), retired_by = aiusage.acting_role()
	WHERE x.quota = q.quota;
	DELETE FROM aiusage.quota_usage AS u WHERE u.quota = q.quota;
	DELETE FROM aiusage.quota_subject AS s WHERE s.quota = q.quota;
	INSERT INTO aiusage.quota_event (kind, quota, quota_name, detail, role)
	VALUES ('retired', q.quota, q.name, left(owner_retire_quota.reason, 256), aiusage.acting_role());
	RETURN q.quota;
END
$$;
COMMENT ON FUNCTION aiusage.owner_retire_quota(text, text) IS 'Body of retire_quota(), for the owner of the books only';

-- What is over ---------------------------------------------------------------

CREATE FUNCTION aiusage.prune_quotas() RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.prune_quotas() IS 'Throws away counters of windows that are long over (thirty times their length, at least two days), and lets requests expire; returns how many. The ledger has what they were made of';

CREATE FUNCTION aiusage.owner_prune_quotas() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	pruned bigint;
	expired bigint;
	due boolean;
BEGIN
	-- At most once an hour: it reads every counter.  Before the requests, as whoever erases a user takes them.
	PERFORM FROM aiusage.fold_state AS f WHERE f.quotas_pruned_at < clock_timestamp() - interval '1 hour' FOR UPDATE;
	due := FOUND;
	UPDATE aiusage.quota_request AS r
	SET status = 'expired', decided_at = clock_timestamp()
	WHERE r.status = 'requested' AND r.expires_at <= clock_timestamp();
	GET DIAGNOSTICS expired = ROW_COUNT;
	IF NOT due THEN
		RETURN expired;
	END IF;
	UPDATE aiusage.fold_state SET quotas_pruned_at = clock_timestamp();
	DELETE FROM aiusage.quota_usage AS u
	USING aiusage.fold_state AS f
	WHERE NOT aiusage.quota_kept(u.starts_at, u.ends_at, f.quotas_pruned_at);
	GET DIAGNOSTICS pruned = ROW_COUNT;
	DELETE FROM aiusage.quota_subject AS s
	WHERE NOT EXISTS (SELECT FROM aiusage.quota_usage AS u WHERE u.quota = s.quota AND u.subject = s.subject);
	DELETE FROM aiusage.sealed_quota AS z
	USING aiusage.fold_state AS f, aiusage.quota AS q
	WHERE q.quota = z.quota AND (q.status = 'retired' OR NOT aiusage.quota_kept(z.starts_at, z.ends_at, f.quotas_pruned_at));
	RETURN pruned + expired;
END
$$;
COMMENT ON FUNCTION aiusage.owner_prune_quotas() IS 'Body of prune_quotas(), for the owner of the books only';

-- Today's configuration ------------------------------------------------------

CREATE FUNCTION aiusage.requalify_quotas(dimension text, labels text[]) RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.requalify_quotas(text, text[]) IS 'Rebuilds the limits that ask for key_class or plan_tier, after that of some keys or customers has changed, unless these have no usage; returns how many. Called by triggers';

CREATE FUNCTION aiusage.owner_requalify_quotas(dimension text, labels text[]) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	numbers int[] := ARRAY(SELECT q.quota FROM aiusage.quota AS q
		WHERE q.status = 'active' AND (dimension = ANY (q.per) OR to_jsonb(q) ->> dimension IS NOT NULL)
		ORDER BY q.quota);
	number int;
BEGIN
	IF cardinality(numbers) = 0 OR cardinality(labels) = 0 THEN
		RETURN 0;
	END IF;
	-- Limits before the fold, as whoever publishes one.
	LOCK TABLE aiusage.quota IN SHARE ROW EXCLUSIVE MODE;
	PERFORM FROM aiusage.fold_state FOR UPDATE;
	-- as they are now that nobody publishes or retires one
	numbers := ARRAY(SELECT q.quota FROM aiusage.quota AS q
		WHERE q.status = 'active' AND (dimension = ANY (q.per) OR to_jsonb(q) ->> dimension IS NOT NULL)
		ORDER BY q.quota);
	IF NOT (CASE dimension
		WHEN 'key_class' THEN EXISTS (SELECT FROM aiusage.rollup_dimension AS d WHERE d.api_key = ANY (labels))
			OR EXISTS (SELECT FROM aiusage.quota_tail AS t WHERE t.api_key = ANY (labels))
		ELSE EXISTS (SELECT FROM aiusage.rollup_dimension AS d WHERE d.customer = ANY (labels))
			OR EXISTS (SELECT FROM aiusage.quota_tail AS t LEFT JOIN aiusage.key_assignment AS a USING (assignment)
				WHERE coalesce(t.customer, a.customer) = ANY (labels)) END)
	THEN
		RETURN 0;
	END IF;
	FOREACH number IN ARRAY numbers
	LOOP
		PERFORM aiusage.owner_rebuild_quota(number, format('%s of %s "%s" has changed', replace(dimension, '_', ' '),
			CASE dimension WHEN 'key_class' THEN 'key' ELSE 'customer' END, left(labels[1], 64)));
	END LOOP;
	RETURN cardinality(numbers);
END
$$;
COMMENT ON FUNCTION aiusage.owner_requalify_quotas(text, text[]) IS 'Body of requalify_quotas(), for the owner of the books only';

CREATE FUNCTION aiusage.follow_class() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	labels text[];
BEGIN
	-- Arguments: the dimension, the column that has it, the column that names the entity.
	IF TG_OP = 'INSERT' THEN
		labels := ARRAY(SELECT n.label FROM (SELECT to_jsonb(c) ->> TG_ARGV[2] AS label, to_jsonb(c) ->> TG_ARGV[1] AS class FROM changed AS c) AS n
			WHERE n.class IS NOT NULL ORDER BY n.label);
	ELSE
		labels := ARRAY(
			SELECT n.label
			FROM (SELECT to_jsonb(c) ->> TG_ARGV[2] AS label, to_jsonb(c) ->> TG_ARGV[1] AS class FROM changed AS c) AS n
			JOIN (SELECT to_jsonb(b) ->> TG_ARGV[2] AS label, to_jsonb(b) ->> TG_ARGV[1] AS class FROM before AS b) AS o USING (label)
			WHERE n.class IS DISTINCT FROM o.class
			ORDER BY n.label);
	END IF;
	IF cardinality(labels) > 0 THEN
		PERFORM aiusage.requalify_quotas(TG_ARGV[0], labels);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.follow_class() IS 'Trigger: limits by key class or plan tier count by what these are today';
