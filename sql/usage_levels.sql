--
-- Buckets of usage and reports by month, from whatever level they are read, in a
-- database of its own.  The oracle is plain SQL over the ledger.
--
SET client_min_messages = warning;
DROP DATABASE IF EXISTS usage_levels;
CREATE DATABASE usage_levels TEMPLATE template0;
\c usage_levels
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
SELECT FROM aiusage.make_partitions('2022-09-01', '2023-02-28');
SET TimeZone = 'Asia/Tokyo';	-- the session's zone plays no part
SET DateStyle = 'ISO';
SET jit = off;
\set SHOW_CONTEXT never
SELECT aiusage.set_billing_calendar('global', 'America/New_York') AS global, aiusage.set_billing_calendar('mid', 'America/New_York', start_day => 15) AS mid;
SELECT count(aiusage.put_key(k)) AS keys FROM unnest(ARRAY[
	'{"key": "levels-1", "team": "levels-a", "cost_center": "levels-x", "workflow": "answer", "customer": "levels-acme", "project": "levels-p", "environment": "production", "valid_from": "2022-01-01T00:00:00Z"}',
	'{"key": "levels-2", "team": "levels-b", "cost_center": "levels-y", "valid_from": "2022-01-01T00:00:00Z"}',
	'{"key": "levels-3", "cost_center": "levels-y", "owner": "somebody", "valid_from": "2022-01-01T00:00:00Z"}']::jsonb[]) AS k;
SELECT aiusage.declare_tag('feature', from_at => '2022-01-01') AS feature, aiusage.declare_tag('plan', from_at => '2022-01-01', allowed_values => '{free,pro}') AS plan,
	aiusage.enable_user_usage('2022-01-01') IS NOT NULL AS users;
RESET client_min_messages;

-- What happened at a time, the n-th row: its cost is of its units.
CREATE FUNCTION pg_temp.book(n int, at timestamptz) RETURNS uuid LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage, cost_state, cost, cost_by_unit, charge, assignment, status, accepted, user_id, tags, service_tier, kind)
	SELECT aiusage.uuid_v7(at), at, k.key, 'lab', 'm' || n % 3, format('{"input_tokens": %s, "output_tokens": 7}', n % 100)::aiusage.usage, 'final',
		aiusage.amount(c.cost, c.currency), format('{"%s": {"input_tokens": %s, "output_tokens": 0.000001}}', c.currency, c.cost - 0.000001)::aiusage.unit_costs,
		CASE n % 5 WHEN 0 THEN aiusage.amount(c.cost * 2, CASE n % 10 WHEN 0 THEN 'EUR' ELSE c.currency END) END, a.assignment,
		CASE n % 7 WHEN 0 THEN 'error' ELSE 'success' END::aiusage.usage_status, nullif(n % 4, 0), CASE WHEN n % 6 > 1 THEN 'u' || n % 6 END,
		CASE n % 4 WHEN 0 THEN '{"feature": "search", "plan": "pro"}' WHEN 1 THEN '{"feature": "chat", "plan": "trial", "build": "17"}' WHEN 2 THEN '{"plan": "free"}' END::jsonb,
		CASE n % 8 WHEN 0 THEN 'batch' END, 'usage'
	FROM (SELECT (ARRAY['levels-1', 'levels-2', 'levels-3', 'levels-nobody'])[1 + n / 3 % 4] AS key) AS k
	CROSS JOIN (SELECT 0.0001 + n * 0.000000000001 AS cost, CASE n % 11 WHEN 0 THEN 'EUR' ELSE 'USD' END AS currency) AS c
	LEFT JOIN aiusage.key_assignment AS a ON a.api_key = k.key
	RETURNING id $$;

CREATE TEMP VIEW ledger AS
SELECT u.occurred_at AS at, (date_bin('15 minutes', u.occurred_at, '2000-01-01 00:00:00+00') AT TIME ZONE c.time_zone)::date AS business_day,
	CASE c.start_day WHEN 1 THEN 1 ELSE 15 END AS month_day, a.assignment, u.api_key,
	coalesce(a.team, '(unmatched)') AS team, coalesce(a.cost_center, '(unmatched)') AS cost_center, coalesce(a.project, '(none)') AS project,
	coalesce(a.environment, '(none)') AS environment, coalesce(a.customer, '(none)') AS customer, coalesce(a.workflow, '(none)') AS workflow, u.provider, u.model,
	u.status::text AS status, (coalesce(u.service_tier, '') = 'batch')::text AS batch, coalesce(u.user_id, '(none)') AS user_id,
	coalesce(u.tags ->> 'feature', '(none)') AS "tag:feature", CASE WHEN u.tags ->> 'plan' IN ('free', 'pro') THEN u.tags ->> 'plan' WHEN u.tags ? 'plan' THEN '(other)' ELSE '(none)' END AS "tag:plan",
	aiusage.currency(u.cost_by_unit) AS currency, aiusage.currency(u.charge) AS charge_currency, s.sign AS requests, s.sign * (u.status <> 'success')::int AS errors,
	CASE u.kind WHEN 'reversal' THEN -1 WHEN 'adjustment' THEN 0 ELSE 1 END * coalesce(u.accepted, 0) AS accepted,
	s.sign * coalesce((u.usage::jsonb ->> 'input_tokens')::bigint, 0) AS input_tokens, s.sign * coalesce((u.usage::jsonb ->> 'output_tokens')::bigint, 0) AS output_tokens,
	coalesce(u.cost::numeric, 0) AS cost, coalesce(u.charge::numeric, 0) AS charge, l.unit, l.line_item, l.unit_quantity, l.unit_cost, coalesce(l.place, 1) AS place
FROM aiusage.usage_record AS u
JOIN aiusage.billing_calendar AS c ON c.calendar = u.invoice_period / 100000
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = u.assignment
CROSS JOIN LATERAL (SELECT CASE u.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END AS sign) AS s
-- one line a unit; the first of them stands for the row
LEFT JOIN LATERAL (SELECT n.unit, u.model || ', ' || n.unit AS line_item, s.sign * coalesce((u.usage::jsonb ->> n.unit)::numeric, 0) AS unit_quantity, n.cost AS unit_cost,
	row_number() OVER (ORDER BY n.unit) AS place FROM aiusage.unnest_costs(u.cost_by_unit) AS n) AS l ON true;

/*
 * differences(): each of these questions about a span, in buckets of a width in
 * a zone, against the oracle, both ways; and what they were read from.
 */
CREATE FUNCTION pg_temp.differences(OUT bucket_width text, OUT time_zone text, OUT span text, OUT read_from text, OUT queries bigint, OUT row_count bigint, OUT rows_differ bigint)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	dims text[];
	filters jsonb;
	lines boolean;
	starts timestamptz;
	ends timestamptz;
	n bigint;
	d bigint;
	slot text;
BEGIN
	FOR bucket_width, time_zone, starts, ends IN
		SELECT w, z, s AT TIME ZONE CASE w WHEN 'all' THEN 'UTC' ELSE z END, e AT TIME ZONE CASE w WHEN 'all' THEN 'UTC' ELSE z END
		FROM (VALUES (1, '1mo', '2022-09-01'::timestamp, '2023-02-01'::timestamp), (2, '1d', '2022-10-28', '2022-11-16'), (3, 'all', '2022-09-01 04:00', '2023-02-01 05:00'), (4, 'all', '2022-09-14 13:15', '2022-12-20 05:00')) AS s (o, w, s, e),
			unnest('{America/New_York,America/Toronto,America/Jamaica,UTC,Asia/Kathmandu,Australia/Lord_Howe,Pacific/Kiritimati}'::text[]) WITH ORDINALITY AS z (z, place)
		-- one bucket is of no zone
		WHERE w <> 'all' OR place = 1
		ORDER BY o, place
	LOOP
		queries := 0;
		row_count := 0;
		rows_differ := 0;
		span := concat_ws(' to ', starts AT TIME ZONE 'UTC', ends AT TIME ZONE 'UTC');
		read_from := (SELECT string_agg(DISTINCT substr(p.source, 8), ' ') FROM aiusage.bucket_pieces(starts, ends, bucket_width, time_zone, 'sets') AS p);
		slot := CASE bucket_width WHEN 'all' THEN '$1' ELSE format('date_trunc(%L, l.at, %L)', CASE bucket_width WHEN '1d' THEN 'day' ELSE 'month' END, time_zone) END;
		FOR dims, filters, lines IN VALUES
			('{}'::text[], '{}'::jsonb, false), ('{team}', '{}', false), ('{model,cost_center}', '{"status": ["success"]}', false), ('{customer,environment,workflow,api_key}', '{}', false),
			('{cost_center,unit}', '{}', true), ('{line_item}', '{"team": ["levels-a", "(unmatched)"], "currency": ["USD"]}', true),
			('{tag:feature}', '{}', false), ('{tag:plan,team}', '{"tag:feature": ["search", "(none)"]}', false), ('{batch}', '{"tag:plan": ["(other)"]}', false), ('{tag:plan,unit}', '{}', true),
			('{user_id}', '{}', false), ('{user_id,team,customer}', '{"project": ["(none)"]}', false), ('{cost_center}', '{"user_id": ["u2", "u5"]}', false), ('{}', '{"user_id": ["(none)", "u3"]}', false)
		LOOP
			-- users: their sums are of business days of one zone; else the ledger is asked, of 31 days
			CONTINUE WHEN (dims::text ~ 'user' OR filters ? 'user_id') AND ends - starts > '31 days'
				AND (time_zone NOT IN ('America/New_York', 'America/Toronto') OR (SELECT b.time_zone IS NULL FROM aiusage.bucket_base AS b) OR bucket_width = 'all');
			EXECUTE format($q$
				WITH ours AS MATERIALIZED (
					SELECT %1$s AS bucket_start, ARRAY[%2$s]::text[] AS names, l.currency, %3$s
					FROM ledger AS l
					WHERE l.at >= $1 AND l.at < $2 AND %4$s AND %5$s
					GROUP BY 1, 2, 3
				), theirs AS MATERIALIZED (
					SELECT s.bucket_start, s.names, s.currency, %6$s FROM aiusage.bucket_sums($1, $2, $3, $4, $5, $6) AS s
				)
				SELECT (SELECT count(*) FROM theirs), count(*) FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) AS d $q$,
				slot, (SELECT string_agg(format('l.%I', x), ', ') FROM unnest(dims) AS x),
				CASE WHEN lines THEN 'sum(l.unit_quantity), sum(l.unit_cost)' ELSE 'sum(l.requests), sum(l.errors), sum(l.accepted), sum(l.input_tokens), sum(l.output_tokens), sum(l.cost),
					CASE WHEN bool_or(l.charge_currency <> l.currency) THEN NULL ELSE sum(l.charge) END' END,
				(SELECT coalesce(string_agg(format('l.%I IN (%s)', f.key, (SELECT string_agg(quote_literal(v), ', ') FROM jsonb_array_elements_text(f.value) AS v)), ' AND '), 'true') FROM jsonb_each(filters) AS f),
				CASE WHEN lines THEN 'l.unit IS NOT NULL' ELSE 'l.place = 1' END, CASE WHEN lines THEN 's.quantity, s.cost' ELSE 's.requests, s.errors, s.accepted, s.input_tokens, s.output_tokens, s.cost, s.charge' END)
				INTO n, d USING starts, ends, bucket_width, dims, filters, time_zone;
			queries := queries + 1;
			row_count := row_count + n;
			rows_differ := rows_differ + d;
		END LOOP;
		RETURN NEXT;
	END LOOP;
END $$;

-- days(): usage_by_day() of these zones; reports(): what is by month and week.
CREATE FUNCTION pg_temp.days(OUT time_zone text, OUT row_count bigint, OUT rows_differ bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
	FOREACH time_zone IN ARRAY '{America/New_York,America/Toronto,America/Jamaica,Asia/Kathmandu,Pacific/Kiritimati}'::text[] LOOP
		WITH ours AS MATERIALIZED (
			SELECT (l.at AT TIME ZONE time_zone)::date AS day, l.team, nullif(l.project, '(none)'), l.api_key, l.model, l.currency, l.charge_currency, sum(l.requests), sum(l.input_tokens),
				sum(l.cost), sum(l.cost) FILTER (WHERE l.status <> 'success'), sum(l.charge)
			FROM ledger AS l WHERE l.place = 1 AND (l.at AT TIME ZONE time_zone)::date BETWEEN '2022-10-29' AND '2022-12-01' GROUP BY 1, 2, 3, 4, 5, 6, 7
		), theirs AS MATERIALIZED (
			SELECT b.day, b.team, b.project, b.api_key, b.model, b.currency, b.charge_currency, b.requests::numeric, b.input_tokens::numeric, b.cost, nullif(b.failed_cost, 0), b.charge
			FROM aiusage.usage_by_day(time_zone, '2022-10-29', '2022-12-02') AS b
		)
		SELECT (SELECT count(*) FROM theirs), count(*) INTO row_count, rows_differ FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) AS d;
		RETURN NEXT;
	END LOOP;
END $$;
CREATE TEMP VIEW unmatched AS
SELECT (CASE WHEN extract(day FROM l.business_day) < l.month_day THEN date_trunc('month', l.business_day) - interval '1 month' ELSE date_trunc('month', l.business_day) END)::date + (l.month_day - 1) AS month,
	l.api_key, CASE WHEN l.assignment IS NULL THEN 'owner' ELSE 'team' END AS missing, l.currency, min(l.business_day) AS first_day, max(l.business_day) AS last_day,
	sum(l.requests)::bigint AS requests, sum(l.input_tokens)::bigint AS input_tokens, sum(l.cost) AS cost
FROM ledger AS l WHERE l.place = 1 AND l.team = '(unmatched)' GROUP BY 1, 2, 3, 4 HAVING sum(l.requests) <> 0 OR sum(l.cost) <> 0;
CREATE TEMP VIEW weeks AS
SELECT w.week, w.api_key, w.currency, coalesce(sum(w.requests) FILTER (WHERE w.this), 0)::bigint AS requests, coalesce(sum(w.requests) FILTER (WHERE NOT w.this), 0)::bigint AS previous_requests,
	coalesce(sum(w.cost) FILTER (WHERE w.this), 0) AS cost, coalesce(sum(w.cost) FILTER (WHERE NOT w.this), 0) AS previous_cost,
	coalesce(sum(w.cost) FILTER (WHERE w.this AND w.status <> 'success'), 0) AS failed_cost, coalesce(sum(w.accepted) FILTER (WHERE w.this), 0)::bigint AS accepted
FROM (SELECT l.business_day - extract(isodow FROM l.business_day)::int + 1 + x * 7 AS week, x = 0 AS this, l.* FROM ledger AS l, generate_series(0, 1) AS x WHERE l.place = 1) AS w
GROUP BY 1, 2, 3;
CREATE FUNCTION pg_temp.reports(OUT unmatched bigint, OUT unmatched_differ bigint, OUT weeks bigint, OUT weeks_differ bigint, OUT some_weeks_differ bigint) LANGUAGE plpgsql AS $$
BEGIN
	WITH ours AS MATERIALIZED (TABLE unmatched), theirs AS MATERIALIZED (SELECT u.month, u.api_key, u.missing, u.currency, u.first_day, u.last_day, u.requests, u.input_tokens, u.cost FROM aiusage.unmatched_spend AS u)
	SELECT (SELECT count(*) FROM theirs), count(*) INTO unmatched, unmatched_differ FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) AS d;
	WITH ours AS MATERIALIZED (TABLE weeks), theirs AS MATERIALIZED (SELECT k.week, k.api_key, k.currency, k.requests, k.previous_requests, k.cost, k.previous_cost, k.failed_cost, k.accepted FROM aiusage.key_week AS k)
	SELECT (SELECT count(*) FROM theirs), count(*) INTO weeks, weeks_differ FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) AS d;
	-- the weeks that are asked for, and no others
	WITH ours AS MATERIALIZED (SELECT * FROM weeks AS w WHERE w.week BETWEEN '2022-10-31' AND '2022-11-07' AND w.api_key <> 'levels-2'),
		theirs AS MATERIALIZED (SELECT k.week, k.api_key, k.currency, k.requests, k.previous_requests, k.cost, k.previous_cost, k.failed_cost, k.accepted FROM aiusage.key_week AS k
			WHERE k.week BETWEEN '2022-10-31' AND '2022-11-07' AND k.api_key <> 'levels-2')
	SELECT count(*) INTO some_weeks_differ FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) AS d;
END $$;

-- Five months, a row every seven hours and a bit; and the last and first microsecond of every month, of some days, in every zone.
SELECT count(pg_temp.book(n, timestamptz '2022-09-01 00:00:00+00' + n * interval '7 hours 13 minutes')) AS booked FROM generate_series(0, 520) AS n;
SELECT count(pg_temp.book(1000 + b.n, b.at)) AS booked
FROM (SELECT row_number() OVER (ORDER BY m.at, x.x)::int AS n, m.at - x.x * interval '1 microsecond' AS at FROM (SELECT DISTINCT d.day::timestamp AT TIME ZONE z.z AS at
	FROM unnest('{America/New_York,America/Jamaica,UTC,Asia/Kathmandu,Australia/Lord_Howe,Pacific/Kiritimati,Pacific/Honolulu}'::text[]) AS z (z),
		unnest('{2022-10-01,2022-10-15,2022-11-01,2022-11-06,2022-11-07,2022-11-15,2022-12-01,2023-01-01}'::date[]) AS d (day)) AS m, generate_series(0, 1) AS x (x)) AS b;
-- nothing is folded; all is
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() > 0 AS folded;
SELECT * FROM pg_temp.differences();
SELECT * FROM pg_temp.days();
SELECT * FROM pg_temp.reports();

-- What people see: months, tags, users; null is what has none.
SELECT bucket_start AT TIME ZONE 'America/New_York' AS from, bucket_end AT TIME ZONE 'America/New_York' AS before, model, tags, requests, input_tokens, cost, currency
FROM aiusage.usage_buckets('2022-10-20 00:00:00+00', '2022-11-02 00:00:00+00', '1mo', '{model,tag:feature}', '{"team": "levels-a", "tag:plan": [null, "free"], "currency": "USD"}', 'America/New_York');
SELECT previous_from AT TIME ZONE 'America/New_York' AS previous_from, user_id, tags, requests, previous_requests, cost, previous_cost, currency
FROM aiusage.usage_growth('2022-11-01 04:00:00+00', '2022-12-01 05:00:00+00', '{user_id}', '{"currency": "USD"}', 'America/New_York');
SELECT tags, sum(requests) AS requests FROM aiusage.usage_growth('2022-11-01 04:00:00+00', '2022-12-01 05:00:00+00', '{tag:plan,tag:feature}', '{}', 'America/New_York') GROUP BY 1 ORDER BY 1;
SELECT jsonb_path_query_array(aiusage.usage_page('2022-10-01 04:00:00+00', '2023-01-01 05:00:00+00', '1mo', '{user_id}', '{"team": "levels-a"}', time_zone => 'America/New_York'),
	'$.data[*].results[*].user_id') AS users;
SELECT p -> 'has_more' AS has_more, b -> 'start_time' AS starts, r -> 'tag:plan' AS plan, r -> 'num_model_requests' AS requests
FROM aiusage.usage_page('2022-10-01 04:00:00+00', '2023-01-01 05:00:00+00', '1mo', '{tag:plan}', max_buckets => 2, time_zone => 'America/New_York') AS p,
	jsonb_array_elements(p -> 'data') AS b, jsonb_array_elements(b -> 'results') AS r ORDER BY 2, 3;

-- Corrections and late rows, not folded; a cost center whose months begin on the 15th from now on, so both kinds of months.
SELECT count(aiusage.adjust(u.id, '{"input_tokens": 4}', 'recount', NULL)) AS adjusted FROM (SELECT id FROM aiusage.usage_record WHERE kind = 'usage' AND charge IS NULL ORDER BY id LIMIT 40) AS u;
SELECT aiusage.put_cost_center('levels-y', calendar => 'mid') IS NOT NULL AS moved;
SELECT count(pg_temp.book(2000 + n, timestamptz '2022-09-01 01:00:00+00' + n * interval '23 hours 11 minutes')) AS booked FROM generate_series(0, 160) AS n;
SELECT * FROM pg_temp.differences();
SELECT * FROM pg_temp.reports();

-- A calendar in another zone: users are of no one zone's days any more, all else is.
SELECT aiusage.set_billing_calendar('island', 'Pacific/Honolulu') IS NOT NULL AS calendar, aiusage.put_cost_center('levels-x', calendar => 'island') IS NOT NULL AS moved;
SELECT count(pg_temp.book(3000 + n, timestamptz '2022-09-01 02:00:00+00' + n * interval '22 hours 7 minutes')) AS booked FROM generate_series(0, 160) AS n;
SELECT aiusage.refresh() > 0 AS folded;
SELECT count(pg_temp.book(4000 + n, timestamptz '2022-09-01 03:00:00+00' + n * interval '70 hours 7 minutes')) AS booked FROM generate_series(0, 50) AS n;
SELECT * FROM pg_temp.differences();
SELECT * FROM pg_temp.days();
SELECT * FROM pg_temp.reports();
SELECT source, slot, condition FROM aiusage.bucket_pieces('2022-10-14 22:00+00', '2023-01-01 05:00+00', 'all', 'UTC', 'sets');

-- What is refused.
SELECT * FROM aiusage.usage_buckets('2022-09-01', '2022-12-01', group_by => '{user_id}', time_zone => 'America/New_York');
SELECT * FROM aiusage.usage_buckets('2022-09-01', '2022-12-01', group_by => '{tag:build}');
SELECT * FROM aiusage.usage_buckets('2022-09-01', '2022-12-01', filters => '{"tag:feature''": "x"}');
SELECT * FROM aiusage.usage_buckets('2012-09-01', '2022-12-01', '1mo');
SELECT * FROM aiusage.usage_buckets('2022-09-01', '2022-12-01', time_zone => '<+0007>-00:07');
-- SQL in a zone is a zone that there is not; one that looks like a format is none
SELECT * FROM aiusage.usage_buckets('2022-09-01', '2022-12-01', time_zone => 'UTC'') OR true --');
SELECT count(*) AS days, sum(requests) AS requests FROM aiusage.usage_buckets('2022-10-01 05:00+00', '2022-11-01 05:00+00', time_zone => '<%s>5');
SELECT count(*) AS days, sum(requests) AS requests FROM aiusage.usage_buckets('2022-10-01 05:00+00', '2022-11-01 05:00+00', time_zone => 'Etc/GMT+5');

-- Tags are read by whoever may read the rows.
SET client_min_messages = warning;
DROP ROLE IF EXISTS levels_member;
CREATE ROLE levels_member;
RESET client_min_messages;
SELECT aiusage.grant_access('levels_member', 'member', '{"teams": ["levels-b"]}') AS granted;
SET ROLE levels_member;
SELECT w.width, b.team, b.tags, sum(b.requests) AS requests FROM (VALUES ('1mo'), ('1d'), ('1h')) AS w (width),
	LATERAL aiusage.usage_buckets('2022-11-01 04:00+00', '2022-12-01 05:00+00', w.width, '{team,tag:plan}', '{}', 'America/New_York') AS b GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
RESET ROLE;

\c contrib_regression
SET client_min_messages = warning;
DROP DATABASE usage_levels;
DROP ROLE levels_member;
