-- Latency and time to first token equal plain counts over the ledger, live.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
SELECT count(*) >= 0 AS partitions FROM aiusage.make_partitions('2021-09-01', '2021-11-01');
RESET client_min_messages;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT aiusage.refresh() >= 0 AS folded;
SELECT aiusage.put_team('latency-a', 'Latency A'), aiusage.put_team('latency-b', 'Latency B');
SELECT aiusage.put_key('{"key": "latency-1", "team": "latency-a", "cost_center": "latency-cc", "environment": "production", "valid_from": "2021-01-01T00:00:00Z"}') IS NOT NULL AS one,
	aiusage.put_key('{"key": "latency-2", "team": "latency-b", "environment": "production", "valid_from": "2021-01-01T00:00:00Z"}') IS NOT NULL AS two;

-- Buckets: six a decade; a bound is in the bucket that it ends.
SELECT aiusage.latency_bounds();
SELECT ms, aiusage.latency_bucket(ms) FROM unnest(ARRAY[0, 1, 10, 11, 15, 16, 68, 69, 100, 999, 1000, 1001, 680000, 680001, 1000000, 1000001, 2147483647, NULL]) AS ms;
SELECT bool_and(aiusage.latency_bucket(ms) = 1 + (SELECT count(*) FROM unnest(aiusage.latency_bounds()) AS b WHERE b < ms)) AS right_bucket
FROM generate_series(0, 1100000, 7) AS ms;
SELECT count(*), count(*) FILTER (WHERE measure = 'ttft') AS ttft, min(number), max(number) FROM aiusage.latency_columns();

-- Percentiles against percentile_disc(): never in another bucket, for any counts.
CREATE FUNCTION pg_temp.counts(values_ms int[]) RETURNS bigint[] LANGUAGE sql AS $$
	SELECT array_agg(n ORDER BY bucket) FROM (
		SELECT b.bucket, count(v.ms) AS n FROM generate_series(1, 32) AS b (bucket)
		LEFT JOIN unnest(values_ms) AS v (ms) ON aiusage.latency_bucket(v.ms) = b.bucket GROUP BY b.bucket) AS c $$;
SELECT setseed(0.5);
CREATE TEMP TABLE sample AS
SELECT s.n, array_agg((exp(random() * (s.n % 15)) * random())::int) AS ms
FROM generate_series(1, 300) AS s (n), generate_series(1, 1 + s.n * 7 % 90) GROUP BY s.n;
SELECT count(*) AS compared, count(*) FILTER (WHERE aiusage.latency_bucket(p.ours::int) <> aiusage.latency_bucket(p.theirs) AND p.theirs <= 1000000
		OR p.theirs > 1000000 AND p.ours <> 1000000) AS other_bucket
FROM sample AS s, unnest(ARRAY[0, 0.01, 0.5, 0.9, 0.95, 0.99, 1]) AS f,
	LATERAL (SELECT aiusage.latency_percentile(pg_temp.counts(s.ms), f) AS ours,
		(SELECT percentile_disc(f) WITHIN GROUP (ORDER BY v) FROM unnest(s.ms) AS v) AS theirs) AS p;
SELECT aiusage.latency_percentile(array_fill(0::bigint, ARRAY[32]), 0.5) AS nothing, aiusage.latency_percentile(NULL, 0.5) AS null_counts;
SELECT aiusage.latency_percentile(array_fill(0::bigint, ARRAY[31]) || 5::bigint, 0.5) AS above_all;
SELECT aiusage.latency_percentile(array_fill(-1::bigint, ARRAY[31]) || 5::bigint, 0.01) AS negative_is_none;
SELECT aiusage.latency_percentile(array_fill(1::bigint, ARRAY[31]), 0.5);
SELECT aiusage.latency_percentile(array_fill(1::bigint, ARRAY[32]), 1.5);
SELECT aiusage.latency_percentile(array_fill(NULL::bigint, ARRAY[32]), 0.5);

-- Rows with both, with one, with none; errors; of nobody; corrected.
CREATE FUNCTION pg_temp.book(part int) RETURNS bigint LANGUAGE sql AS $$
	WITH booked AS (
		INSERT INTO aiusage.usage_record (id, occurred_at, request_id, api_key, provider, model, endpoint, service_tier, region, usage, status, latency_ms, ttft_ms)
		SELECT aiusage.event_id('latency-' || part || '-' || n, t.at), t.at, 'latency-' || part || '-' || n,
			CASE n % 7 WHEN 0 THEN 'latency-nobody' WHEN 1 THEN 'latency-2' ELSE 'latency-1' END, 'latency', 'm' || n % 2,
			CASE WHEN n % 3 > 0 THEN 'chat' END, CASE WHEN n % 11 = 0 THEN 'batch' END, CASE WHEN n % 5 = 0 THEN 'eu' END,
			'{"input_tokens": 3, "output_tokens": 1}', CASE WHEN n % 13 = 0 THEN 'timeout' ELSE 'success' END::aiusage.usage_status,
			CASE WHEN n % 10 <> 3 THEN (n::bigint * n * 7919 + part) % (CASE WHEN n % 4 = 0 THEN 1500000 ELSE 3000 END) END::int,
			CASE WHEN n % 10 <> 4 AND n % 10 <> 3 THEN (n * 271 + part) % 900 END
		FROM generate_series(1, 600) n, LATERAL (SELECT timestamptz '2021-09-14 20:00:00+00' + n * interval '5 minutes' AS at) t
		RETURNING 1)
	SELECT count(*) FROM booked $$;

-- The oracle: plain SQL over the ledger, its own arithmetic for buckets.
CREATE TEMP VIEW oracle AS
SELECT (u.occurred_at AT TIME ZONE c.time_zone)::date AS day, coalesce(a.team, '(unmatched)') AS team, coalesce(a.cost_center, '(unmatched)') AS cost_center,
	u.provider, u.model, u.endpoint, u.service_tier, u.region, u.status::text AS status, m.measure, m.ms,
	(SELECT max(b) FROM unnest(aiusage.latency_bounds()) AS b WHERE b < m.ms)::bigint AS above,
	(SELECT min(b) FROM unnest(aiusage.latency_bounds()) AS b WHERE b >= m.ms)::bigint AS at_most,
	CASE u.kind WHEN 'usage' THEN 1 ELSE -1 END AS sign
FROM aiusage.usage_record AS u
JOIN aiusage.billing_calendar AS c ON c.calendar = u.invoice_period / 100000
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = u.assignment
CROSS JOIN LATERAL (VALUES ('latency', u.latency_ms), ('ttft', u.ttft_ms)) AS m (measure, ms)
WHERE u.kind IN ('usage', 'reversal') AND m.ms IS NOT NULL;

-- what is above the last bound is shown as it; NULL stays NULL
CREATE FUNCTION pg_temp.cap(ms int) RETURNS int LANGUAGE sql AS 'SELECT CASE WHEN ms > 1000000 THEN 1000000 ELSE ms END';

CREATE FUNCTION pg_temp.differences(OUT histogram bigint, OUT daily bigint, OUT by_model bigint, OUT percentiles_outside bigint, OUT unfolded boolean) LANGUAGE sql AS $$
	SELECT (WITH ours AS MATERIALIZED (
			SELECT day, team, cost_center, provider, model, endpoint, service_tier, region, status, measure, above, at_most, sum(sign)
			FROM oracle GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 HAVING sum(sign) <> 0
		), theirs AS MATERIALIZED (
			SELECT day, team, cost_center, provider, model, endpoint, service_tier, region, status, measure, above, at_most, requests FROM aiusage.latency_histogram
		) SELECT count(*) FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) AS d),
	(WITH ours AS MATERIALIZED (
			SELECT day, team, cost_center, provider, model, endpoint, service_tier, region, status,
				coalesce(sum(sign) FILTER (WHERE measure = 'latency'), 0) AS l, coalesce(sum(sign) FILTER (WHERE measure = 'ttft'), 0) AS t
			FROM oracle GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
		), theirs AS MATERIALIZED (
			SELECT day, team, cost_center, provider, model, endpoint, service_tier, region, status, latency_requests, ttft_requests FROM aiusage.latency_daily
		) SELECT count(*) FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) AS d),
	(WITH ours AS MATERIALIZED (
			SELECT provider, model, coalesce(sum(sign) FILTER (WHERE measure = 'latency'), 0), coalesce(sum(sign) FILTER (WHERE measure = 'ttft'), 0)
			FROM oracle WHERE status = 'success' AND day >= '2021-09-15' AND day < '2021-09-17' GROUP BY 1, 2
		), theirs AS MATERIALIZED (
			SELECT provider, model, latency_requests, ttft_requests FROM aiusage.latency('2021-09-15', '2021-09-17', status => 'success')
		) SELECT count(*) FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) AS d),
	-- of requests that nothing was taken back of: what percentile_disc() finds is in the same bucket
	(SELECT count(*) FROM (
			SELECT v.day, v.model, aiusage.latency_bucket(v.latency_p50::int), aiusage.latency_bucket(v.latency_p90::int),
				aiusage.latency_bucket(v.latency_p95::int), aiusage.latency_bucket(v.latency_p99::int), aiusage.latency_bucket(v.ttft_p50::int), aiusage.latency_bucket(v.ttft_p99::int)
			FROM aiusage.latency(NULL, NULL, '{model,day}') AS v
			EXCEPT ALL
			SELECT o.day, o.model, aiusage.latency_bucket(pg_temp.cap(percentile_disc(0.5) WITHIN GROUP (ORDER BY o.ms) FILTER (WHERE o.measure = 'latency'))),
				aiusage.latency_bucket(pg_temp.cap(percentile_disc(0.9) WITHIN GROUP (ORDER BY o.ms) FILTER (WHERE o.measure = 'latency'))),
				aiusage.latency_bucket(pg_temp.cap(percentile_disc(0.95) WITHIN GROUP (ORDER BY o.ms) FILTER (WHERE o.measure = 'latency'))),
				aiusage.latency_bucket(pg_temp.cap(percentile_disc(0.99) WITHIN GROUP (ORDER BY o.ms) FILTER (WHERE o.measure = 'latency'))),
				aiusage.latency_bucket(pg_temp.cap(percentile_disc(0.5) WITHIN GROUP (ORDER BY o.ms) FILTER (WHERE o.measure = 'ttft'))),
				aiusage.latency_bucket(pg_temp.cap(percentile_disc(0.99) WITHIN GROUP (ORDER BY o.ms) FILTER (WHERE o.measure = 'ttft')))
			FROM oracle AS o GROUP BY o.day, o.model) AS d
		WHERE NOT EXISTS (SELECT FROM oracle AS o WHERE o.sign < 0 AND o.day = d.day)),
	EXISTS (SELECT FROM aiusage.rollup_tail) $$;

SELECT pg_temp.book(1);
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh();
SELECT * FROM pg_temp.differences();
SELECT count(*) > 50 AS sets, count(DISTINCT day) AS days, sum(latency_requests) AS latency, sum(ttft_requests) AS ttft FROM aiusage.latency_daily WHERE provider = 'latency';

-- Half folded; and a correction takes its row's out.
SELECT pg_temp.book(2);
SELECT * FROM pg_temp.differences();
SELECT count(aiusage.adjust(aiusage.event_id('latency-1-20', timestamptz '2021-09-14 20:00:00+00' + 20 * interval '5 minutes'), '{"input_tokens": 1, "output_tokens": 1}', 'recount', NULL)) AS adjusted;
SELECT booked, row_count FROM aiusage.reattribute('{"api_key": "latency-2", "from": "2021-09-15T00:00:00Z", "to": "2021-09-15T04:00:00Z"}',
	(SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'latency-1'), 'wrong key', NULL, dry_run => false);
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() > 600 AS folded;
SELECT * FROM pg_temp.differences();

-- What people see.
SELECT team, latency_requests, latency_p50, latency_p90, latency_p95, latency_p99, ttft_requests, ttft_p50, ttft_p99
FROM aiusage.latency('2021-09-14', '2021-09-18', '{team}') ORDER BY team;
SELECT day, status IS NOT NULL AS status, requests, measure, above, at_most FROM aiusage.latency_histogram
WHERE team = 'latency-a' AND model = 'm0' AND measure = 'latency' AND day = '2021-09-14' AND status = 'timeout' ORDER BY at_most, endpoint, service_tier, region;
SELECT count(*) AS all_in_one FROM aiusage.latency(NULL, NULL, '{}');
SELECT count(*) AS nothing FROM aiusage.latency('1999-01-01', '1999-02-01', '{}');
SELECT * FROM aiusage.latency(NULL, NULL, '{api_key}');
SELECT * FROM aiusage.latency(NULL, NULL, '{provider,NULL}');
SELECT * FROM aiusage.latency(NULL, NULL, '{provider}', 'done');

-- By grants of teams; columns that any tool reads, each with a comment.
CREATE ROLE regress_latency;
SELECT aiusage.grant_access('regress_latency', 'member', '{"teams": ["latency-b"]}') AS granted;
SET ROLE regress_latency;
SELECT DISTINCT team FROM aiusage.latency_daily;
SELECT team, latency_requests > 0 AS requests FROM aiusage.latency(NULL, NULL, '{team}');
SELECT * FROM aiusage.rollup_latency;
RESET ROLE;
SELECT aiusage.revoke_access('regress_latency', 'member') AS revoked;
DROP OWNED BY regress_latency;
DROP ROLE regress_latency;
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relname IN ('latency_daily', 'latency_histogram')
	AND (a.atttypid NOT IN ('numeric'::regtype, 'bigint'::regtype, 'text'::regtype, 'timestamptz'::regtype, 'date'::regtype) OR col_description(c.oid, a.attnum) IS NULL);

-- verify() counts anew, and finds a count that is off.
SELECT check_name, ok FROM aiusage.verify() WHERE check_name LIKE 'rollup_latency%' ORDER BY 1;
UPDATE aiusage.rollup_latency SET latency_le_10 = latency_le_10 + 1, latency_le_15 = latency_le_15 - 1 WHERE day = '2021-09-15' AND provider = 'latency' AND team IS NULL AND model = 'm0' AND status = 'success' AND endpoint IS NULL AND region IS NULL AND service_tier IS NULL;
SELECT check_name, ok, expected = actual AS same, actual FROM aiusage.verify() WHERE check_name LIKE 'rollup_latency: every%' ORDER BY 1;
UPDATE aiusage.rollup_latency SET latency_le_10 = latency_le_10 - 1, latency_le_15 = latency_le_15 + 1 WHERE day = '2021-09-15' AND provider = 'latency' AND team IS NULL AND model = 'm0' AND status = 'success' AND endpoint IS NULL AND region IS NULL AND service_tier IS NULL;
SELECT bool_and(ok) AS ok FROM aiusage.verify() WHERE check_name LIKE 'rollup%';
