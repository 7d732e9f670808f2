/*
 * verify(), of limits: every counter equals a recount of the ledger in plain
 * SQL, which shares nothing with the code that counts (quota_charges()), and
 * counters in memory equal those of the books.
 */

CREATE FUNCTION aiusage.owner_recount_quota(number int, OUT labels text[], OUT window_key numeric, OUT used numeric)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET TimeZone = 'UTC'
AS $$
#variable_conflict use_column
DECLARE
	q aiusage.quota;
BEGIN
	SELECT * INTO STRICT q FROM aiusage.quota AS x WHERE x.quota = number;
	RETURN QUERY
	WITH facts AS (
		-- what a row is to limits
		SELECT r.kind, r.adjusts, r.status, r.usage, r.cost, r.invoice_period,
			jsonb_build_object('api_key', r.api_key, 'key_class', k.class, 'team', a.team, 'cost_center', a.cost_center,
				'project', a.project, 'customer', coalesce(r.customer, a.customer), 'plan_tier', c.plan_tier, 'user_id', r.user_id,
				'environment', a.environment, 'workflow', coalesce(r.workflow, a.workflow), 'job_id', r.job_id,
				'provider', lower(r.provider COLLATE "C"), 'model', lower(r.model COLLATE "C"),
				'endpoint', lower(r.endpoint COLLATE "C"), 'tag', r.tags ->> q.tag) AS d,
			CASE WHEN r.quota_state = 'exempt' OR r.recorded_at < q.published_at
					THEN CASE WHEN q.sliding THEN least(r.occurred_at, r.recorded_at) ELSE r.occurred_at END
				WHEN q.sliding OR q."window" IN ('minute', 'hour') OR q.window_length < interval '1 day'
					OR r.recorded_at - r.occurred_at > interval '1 hour' THEN r.recorded_at
				ELSE r.occurred_at END AS at
		FROM aiusage.usage_record AS r
		LEFT JOIN aiusage.key_assignment AS a ON a.assignment = r.assignment
		LEFT JOIN aiusage.api_key AS k ON k.api_key = r.api_key
		LEFT JOIN aiusage.customer AS c ON c.customer = coalesce(r.customer, a.customer)
		UNION ALL
		-- what dropped partitions had, where the limit's counters are made of the rollups
		SELECT 'adjustment', NULL, d.status, NULL, aiusage.amount(s.cost, d.currency), d.invoice_period,
			jsonb_build_object('api_key', d.api_key, 'key_class', k.class, 'team', a.team, 'cost_center', a.cost_center,
				'project', a.project, 'customer', coalesce(d.customer, a.customer), 'plan_tier', c.plan_tier,
				'environment', a.environment, 'workflow', coalesce(d.workflow, a.workflow),
				'provider', lower(d.provider COLLATE "C"), 'model', lower(d.model COLLATE "C"), 'endpoint', lower(d.endpoint COLLATE "C")),
			s.bucket
		FROM aiusage.sealed_15m AS s
		JOIN aiusage.sealed_partition AS p ON p.number = s.partition_number
		JOIN aiusage.rollup_dimension AS d ON d.dimension = s.dimension
		LEFT JOIN aiusage.key_assignment AS a ON a.assignment = d.assignment
		LEFT JOIN aiusage.api_key AS k ON k.api_key = d.api_key
		LEFT JOIN aiusage.customer AS c ON c.customer = coalesce(d.customer, a.customer)
		WHERE s.cost <> 0 AND (aiusage.owner_quota_from_rollup(owner_recount_quota.number, false)
			OR aiusage.owner_quota_from_rollup(owner_recount_quota.number, true) AND p.sealed_at < q.published_at)
	), counted AS (
		SELECT f.d, f.at, f.invoice_period, CASE q.metric
			WHEN 'spend' THEN CASE WHEN f.kind <> 'outcome' AND aiusage.currency(f.cost) = q.currency THEN f.cost::numeric END
			WHEN 'requests' THEN 1
			WHEN 'errors' THEN (f.status <> 'success')::int
			WHEN 'tokens' THEN coalesce(aiusage.quantity(f.usage, 'input_tokens'), 0) + coalesce(aiusage.quantity(f.usage, 'output_tokens'), 0)
			WHEN 'unit' THEN coalesce(aiusage.quantity(f.usage, q.unit), 0) END AS amount
		FROM facts AS f
		WHERE (q.metric = 'spend' OR f.kind = 'usage' AND f.adjusts IS NULL)
			-- in its scope
			AND (SELECT bool_and(coalesce(CASE WHEN s.key IN ('provider', 'model', 'endpoint') AND s.value LIKE '%*'
					THEN starts_with(f.d ->> s.key, lower(left(s.value, -1) COLLATE "C"))
					WHEN s.key IN ('provider', 'model', 'endpoint') THEN f.d ->> s.key = lower(s.value COLLATE "C")
					WHEN s.key = 'tag_value' THEN f.d ->> 'tag' = s.value
					ELSE f.d ->> s.key = s.value END, false))
				FROM jsonb_each_text(to_jsonb(q)) AS s
				WHERE s.value IS NOT NULL AND s.key <> 'tag' AND (s.key = ANY (aiusage.quota_dimensions()) OR s.key = 'tag_value')) IS NOT FALSE
	), placed AS (
		SELECT c.d, c.amount, c.invoice_period, CASE
				WHEN q."window" IN ('total', 'invoice_period') THEN NULL
				WHEN q.sliding THEN timestamptz 'epoch' + floor(extract(epoch FROM c.at) * 1000000 / l.sub) * l.sub * interval '1 microsecond'
				WHEN q."window" <> 'interval' THEN date_trunc(q."window", c.at, q.time_zone)
				WHEN l.months > 0 THEN (timestamp '2000-01-01' + floor(((extract(year FROM c.at AT TIME ZONE q.time_zone) - 2000) * 12
					+ extract(month FROM c.at AT TIME ZONE q.time_zone) - 1) / l.months) * l.months * interval '1 month') AT TIME ZONE q.time_zone
				WHEN l.days > 0 THEN (date '2000-01-01' + (floor(((c.at AT TIME ZONE q.time_zone)::date - date '2000-01-01')::numeric
					/ l.days) * l.days)::int)::timestamp AT TIME ZONE q.time_zone
				ELSE (timestamp '2000-01-01' AT TIME ZONE q.time_zone) + floor(extract(epoch FROM c.at - (timestamp '2000-01-01' AT TIME ZONE q.time_zone))
					/ l.seconds) * l.seconds * interval '1 second' END AS starts_at,
			l.*
		FROM counted AS c
		CROSS JOIN (
			SELECT i.months, i.days, i.seconds, ceil((i.days * 86400 + i.seconds) * 1000000 / 12) AS sub
			FROM (SELECT extract(year FROM v) * 12 + extract(month FROM v) AS months, extract(day FROM v) AS days,
					extract(epoch FROM v - date_trunc('day', v)) AS seconds
				FROM (SELECT CASE q."window" WHEN 'interval' THEN q.window_length WHEN 'minute' THEN interval '1 minute'
					WHEN 'hour' THEN interval '1 hour' WHEN 'day' THEN interval '1 day' WHEN 'week' THEN interval '7 days'
					WHEN 'month' THEN interval '1 month' ELSE interval '0' END AS v) AS w) AS i
		) AS l
		WHERE c.amount <> 0
	), ended AS (
		SELECT p.d, p.amount, p.starts_at, p.invoice_period, CASE
				WHEN q."window" = 'total' THEN 'infinity'
				WHEN q."window" = 'invoice_period' THEN CASE WHEN aiusage.period_exists(p.invoice_period)
					THEN aiusage.period_ends_at(p.invoice_period) ELSE 'infinity' END
				WHEN q.sliding THEN p.starts_at + 13 * p.sub * interval '1 microsecond'
				WHEN p.seconds > 0 THEN p.starts_at + p.seconds * interval '1 second'
				ELSE ((p.starts_at AT TIME ZONE q.time_zone) + p.months * interval '1 month' + p.days * interval '1 day')
					AT TIME ZONE q.time_zone END AS ends_at
		FROM placed AS p
	)
	SELECT x.labels, x.window_key, sum(x.used) FROM (
	SELECT ARRAY(SELECT e.d ->> u.p FROM unnest(q.per) WITH ORDINALITY AS u (p, ord) ORDER BY u.ord) AS labels,
		CASE q."window" WHEN 'total' THEN 0 WHEN 'invoice_period' THEN e.invoice_period
			ELSE (extract(epoch FROM e.starts_at) - extract(epoch FROM timestamptz '2000-01-01 00:00:00+00')) * 1000000 END AS window_key,
		e.amount AS used
	FROM ended AS e CROSS JOIN aiusage.fold_state AS f
	WHERE e.ends_at > q.pruned_to
		AND aiusage.quota_kept(coalesce(e.starts_at, CASE WHEN q."window" = 'invoice_period' AND aiusage.period_exists(e.invoice_period)
			THEN aiusage.period_starts_at(e.invoice_period) END, '-infinity'), e.ends_at, f.quotas_pruned_at)
	UNION ALL
	-- and what rows no longer say: of dropped partitions, or without their identifiers
	SELECT z.labels, z.window_start, z.used
	FROM aiusage.sealed_quota AS z CROSS JOIN aiusage.fold_state AS f
	WHERE z.quota = owner_recount_quota.number AND z.ends_at > q.pruned_to AND aiusage.quota_kept(z.starts_at, z.ends_at, f.quotas_pruned_at)
		AND (z.partition_number IS NULL OR EXISTS (SELECT FROM aiusage.sealed_partition AS p WHERE p.number = z.partition_number))
	) AS x
	GROUP BY 1, 2;
END
$$;
COMMENT ON FUNCTION aiusage.owner_recount_quota(int, OUT text[], OUT numeric, OUT numeric) IS 'The counters of a limit, recounted from the whole ledger, and what dropped partitions had, in plain SQL; window_key is quota_usage.window_start';

CREATE FUNCTION aiusage.owner_quota_drift() RETURNS TABLE (quota int, subject uuid, window_start bigint, in_memory numeric, in_books numeric)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	differ jsonb;
	again jsonb;
BEGIN
	IF to_regprocedure('aiusage.quota_counters()') IS NULL OR pg_is_in_recovery() THEN
		RETURN;
	END IF;
	-- Memory has no snapshot: what others commit meanwhile differs for a moment.  What is wrong differs by the same each time.
	FOR i IN 1..5 LOOP
		again := (
			WITH memory AS MATERIALIZED (
				SELECT c.quota, c.subject, c.window_start, c.sliding, c.sub_bucket, c.committed
				FROM aiusage.quota_counters() AS c WHERE c.state = 'ready' AND c.reserved = 0
			), books AS MATERIALIZED (
				SELECT x.quota, x.subject, x.window_start, x.used,
					CASE WHEN isfinite(x.starts_at) AND isfinite(x.ends_at) THEN extract(epoch FROM x.ends_at - x.starts_at) * 1000000 / 13 END AS sub
				FROM aiusage.quota_counter AS x
			), pairs AS (
				SELECT m.quota, m.subject, m.window_start, m.committed, coalesce(sum(b.used), 0) AS used, count(b.used) > 0 AS found,
					-- after the clock was set back: what is yet to come may have been loaded as if it were now
					bool_or(m.sliding AND EXISTS (SELECT FROM books AS f WHERE f.quota = m.quota AND f.subject = m.subject
						AND floor(f.window_start / f.sub) > m.sub_bucket)) AS ahead
				FROM memory AS m
				LEFT JOIN books AS b ON b.quota = m.quota AND b.subject = m.subject AND CASE WHEN m.sliding
					THEN floor(b.window_start / b.sub) BETWEEN m.sub_bucket - 12 AND m.sub_bucket ELSE b.window_start = m.window_start END
				GROUP BY m.quota, m.subject, m.window_start, m.committed
			)
			SELECT jsonb_object_agg(concat_ws(' ', p.quota, p.subject, p.window_start), jsonb_build_array(p.committed, p.used))
			FROM pairs AS p
			JOIN aiusage.quota AS q ON q.quota = p.quota AND q.status = 'active'
			WHERE p.committed <> p.used AND NOT (p.ahead AND p.committed > p.used)
				-- memory may still have subjects of an earlier epoch, and windows that were thrown away: the books have nothing to compare
				AND (p.found OR EXISTS (SELECT FROM aiusage.quota_window(q.quota, clock_timestamp()) AS w
					WHERE (w.window_start = p.window_start OR q.sliding) AND q."window" <> 'invoice_period'
						AND (q.epoch = 1 OR q.per = '{}' AND p.subject = aiusage.quota_subject_id(q.quota, q.epoch, '{}')))));
		differ := CASE WHEN i = 1 THEN again ELSE (SELECT jsonb_object_agg(d.key, d.value) FROM jsonb_each(differ) AS d
			WHERE again -> d.key = d.value) END;
		EXIT WHEN differ IS NULL;
		PERFORM pg_sleep(0.05);
	END LOOP;
	RETURN QUERY
		SELECT split_part(d.key, ' ', 1)::int, split_part(d.key, ' ', 2)::uuid, split_part(d.key, ' ', 3)::bigint,
			(d.value ->> 0)::numeric, (d.value ->> 1)::numeric
		FROM jsonb_each(differ) AS d;
END
$$;
COMMENT ON FUNCTION aiusage.owner_quota_drift() IS 'Counters in memory that have no rows in flight and differ from the books, by the same amount five times in a row; none where limits are not loaded';

CREATE FUNCTION aiusage.owner_hold_drift() RETURNS TABLE (what text, in_memory numeric, expected numeric)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	differ jsonb;
	again jsonb;
BEGIN
	IF pg_is_in_recovery() THEN
		RETURN;
	END IF;
	-- As above: what differs by the same each time is wrong.
	FOR i IN 1..5 LOOP
		again := (
			WITH holds AS MATERIALIZED (
				SELECT h.hold_id, h.durable, h.claimed, h.status, h.expires_at, h.quota, h.subject, h.window_start, h.held
				FROM aiusage.quota_holds() AS h
			), counters AS MATERIALIZED (
				SELECT c.quota, c.subject, c.window_start, c.held FROM aiusage.quota_counters() AS c WHERE c.state = 'ready'
			), differences AS (
				-- what a counter holds is what its open holds have left
				SELECT concat_ws(' ', 'counter of quota', c.quota, c.subject, c.window_start) AS what, c.held AS in_memory, coalesce(s.held, 0) AS expected
				FROM counters AS c
				LEFT JOIN (SELECT h.quota, h.subject, h.window_start, sum(h.held) AS held FROM holds AS h WHERE h.status = 'open' GROUP BY 1, 2, 3) AS s
					USING (quota, subject, window_start)
				WHERE c.held <> coalesce(s.held, 0)
				UNION ALL
				-- durable holds are in memory as they are in the books; those of open transactions have yet to be
				SELECT 'hold ' || coalesce(m.hold_id, b.hold_id), m.held, b.held
				FROM (SELECT h.hold_id, h.claimed, coalesce(sum(h.held), 0) AS held FROM holds AS h
					WHERE h.durable AND h.status = 'open' AND h.expires_at > clock_timestamp() + interval '1 second' GROUP BY 1, 2) AS m
				FULL JOIN (SELECT x.hold_id, coalesce((SELECT sum(e.e) FROM unnest(x.held) AS e (e)), 0) AS held FROM aiusage.hold AS x
					WHERE x.status = 'open' AND x.expires_at > clock_timestamp() + interval '1 second') AS b
					ON b.hold_id = m.hold_id
				WHERE m.held IS DISTINCT FROM b.held AND m.claimed IS NOT TRUE
					-- none is read until limits are first used after a start
					AND EXISTS (SELECT FROM holds AS h WHERE h.durable)
			)
			SELECT jsonb_object_agg(d.what, jsonb_build_array(d.in_memory, d.expected)) FROM differences AS d);
		differ := CASE WHEN i = 1 THEN again ELSE (SELECT jsonb_object_agg(d.key, d.value) FROM jsonb_each(differ) AS d
			WHERE again -> d.key = d.value) END;
		EXIT WHEN differ IS NULL;
		PERFORM pg_sleep(0.05);
	END LOOP;
	RETURN QUERY SELECT d.key, (d.value ->> 0)::numeric, (d.value ->> 1)::numeric FROM jsonb_each(differ) AS d;
END
$$;
COMMENT ON FUNCTION aiusage.owner_hold_drift() IS 'Counters in memory that hold something else than their open holds have left, and durable holds that are not in memory as they are in the books (in_memory NULL: not there; expected NULL: not in the books), by the same amount five times in a row';

CREATE FUNCTION aiusage.owner_verify_quotas(OUT check_name text, OUT ok boolean, OUT expected text, OUT actual text, OUT detail text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	q record;
BEGIN
	FOR q IN SELECT x.quota, x.name, x.per, x.tag FROM aiusage.quota AS x WHERE x.status = 'active' AND x.metric <> 'concurrency' ORDER BY x.name
	LOOP
		RETURN QUERY
		SELECT format('limit "%s": every counter equals the ledger', q.name), count(*) FILTER (WHERE l.used IS DISTINCT FROM c.used) = 0,
			trim_scale(coalesce(sum(l.used), 0))::text, trim_scale(coalesce(sum(c.used), 0))::text,
			format('Sum over %s counters; a recount in plain SQL against quota_usage and the rows not folded yet%s', count(*),
				coalesce('; the first that differs: ' || min(aiusage.quota_subject_text(q.per, q.tag, coalesce(l.labels, c.labels)))
					FILTER (WHERE l.used IS DISTINCT FROM c.used) || '. aiusage.rebuild_quota() counts it anew', ''))
		FROM aiusage.owner_recount_quota(q.quota) AS l
		FULL JOIN (SELECT u.labels, u.window_start, u.used FROM aiusage.quota_counter AS u WHERE u.quota = q.quota AND u.used <> 0) AS c
			ON c.labels = l.labels AND c.window_start = l.window_key
		WHERE l.used IS DISTINCT FROM 0;
	END LOOP;

	RETURN QUERY
	SELECT 'limits: subjects are those of their labels', count(*) = 0, '0', count(*)::text,
		'Subjects stored under another id than their labels have'
	FROM aiusage.quota_subject AS s
	JOIN aiusage.quota AS q ON q.quota = s.quota
	WHERE s.subject <> aiusage.quota_subject_id(s.quota, q.epoch, s.labels);

	RETURN QUERY
	SELECT 'limits: every counter has a subject', count(*) = 0, '0', count(*)::text, 'Counters in quota_usage whose subject is missing'
	FROM aiusage.quota_usage AS u
	WHERE NOT EXISTS (SELECT FROM aiusage.quota_subject AS s WHERE s.quota = u.quota AND s.subject = u.subject);

	RETURN QUERY
	SELECT 'limits: counters in memory equal the books', count(*) = 0, '0', count(*)::text,
		'Loaded counters without rows in flight that differ from quota_usage and the rows not folded yet'
			|| coalesce('; the first: ' || min(format('%s of limit "%s", %s in memory, %s in the books', d.subject, x.name, d.in_memory, d.in_books)), '')
	FROM aiusage.owner_quota_drift() AS d
	JOIN aiusage.quota AS x ON x.quota = d.quota;

	RETURN QUERY
	SELECT 'limits: what is held is what open holds have left', count(*) = 0, '0', count(*)::text,
		'Counters in memory against the open holds, durable holds in memory against aiusage.hold'
			|| coalesce('; the first: ' || min(format('%s, %s in memory, expected %s', d.what, coalesce(d.in_memory::text, 'not'),
				coalesce(d.expected::text, 'none'))), '')
	FROM aiusage.owner_hold_drift() AS d;
END
$$;
COMMENT ON FUNCTION aiusage.owner_verify_quotas(OUT text, OUT boolean, OUT text, OUT text, OUT text) IS 'The checks of limits in aiusage.verify(), as the owner of the books';
