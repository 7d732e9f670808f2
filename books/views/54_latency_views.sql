/*
 * Latency, live: rollup_latency and the rows that are not folded yet.
 *
 *   rollup_latency_live  internal: the counts as they are kept
 *   latency_source       the same as far as the reader may see, for aiusage.latency()
 *   latency_daily        percentiles, in every dimension that is kept
 *   latency_histogram    the counts, a row a bucket
 */
DO $views$
DECLARE
	as_of constant text := '(SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END) AS as_of';
	latency constant text := (SELECT string_agg(format('s.%I', l.name), ', ' ORDER BY l.number) FROM aiusage.latency_columns() AS l WHERE l.measure = 'latency');
	ttft constant text := (SELECT string_agg(format('s.%I', l.name), ', ' ORDER BY l.number) FROM aiusage.latency_columns() AS l WHERE l.measure = 'ttft');
BEGIN
	EXECUTE format($view$
CREATE OR REPLACE VIEW aiusage.rollup_latency_live AS
SELECT r.day, r.team, r.cost_center, r.provider, r.model, r.endpoint, r.service_tier, r.region, r.status, %s
FROM aiusage.rollup_latency AS r
UNION ALL
SELECT t.day, a.team, a.cost_center, t.provider, t.model, t.endpoint, t.service_tier, t.region, t.status, %s
FROM aiusage.rollup_tail AS t
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = t.assignment
WHERE t.requests <> 0 AND (t.latency_bucket IS NOT NULL OR t.ttft_bucket IS NOT NULL)
	$view$, aiusage.latency_counts('r.{n}'),
		aiusage.latency_counts('CASE WHEN t.{measure}_bucket = {bucket} THEN t.requests ELSE 0 END AS {n}'));

	EXECUTE format($view$
CREATE OR REPLACE VIEW aiusage.latency_source WITH (security_barrier) AS
SELECT r.day, coalesce(r.team, '(unmatched)') AS team, coalesce(r.cost_center, '(unmatched)') AS cost_center,
	r.provider, r.model, r.endpoint, r.service_tier, r.region, r.status::text AS status, %s
FROM aiusage.rollup_latency_live AS r
WHERE (SELECT aiusage.sees_everything())
	OR r.team = ANY ((SELECT aiusage.visible_teams())::text[])
	OR r.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
	$view$, aiusage.latency_counts('r.{n}'));

	EXECUTE format($view$
CREATE OR REPLACE VIEW aiusage.latency_daily WITH (security_barrier) AS
SELECT p.day, p.team, coalesce(t.name, p.team) AS team_name, p.cost_center, p.provider, p.model, p.endpoint, p.service_tier, p.region, p.status,
	aiusage.latency_total(p.latency) AS latency_requests, aiusage.latency_percentile(p.latency, 0.5) AS latency_p50,
	aiusage.latency_percentile(p.latency, 0.9) AS latency_p90, aiusage.latency_percentile(p.latency, 0.95) AS latency_p95,
	aiusage.latency_percentile(p.latency, 0.99) AS latency_p99,
	aiusage.latency_total(p.ttft) AS ttft_requests, aiusage.latency_percentile(p.ttft, 0.5) AS ttft_p50,
	aiusage.latency_percentile(p.ttft, 0.9) AS ttft_p90, aiusage.latency_percentile(p.ttft, 0.95) AS ttft_p95,
	aiusage.latency_percentile(p.ttft, 0.99) AS ttft_p99, %s
FROM (
	SELECT s.day, s.team, s.cost_center, s.provider, s.model, s.endpoint, s.service_tier, s.region, s.status,
		ARRAY[%s] AS latency, ARRAY[%s] AS ttft
	FROM (
		SELECT v.day, v.team, v.cost_center, v.provider, v.model, v.endpoint, v.service_tier, v.region, v.status, %s
		FROM aiusage.latency_source AS v
		GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
	) AS s
) AS p
LEFT JOIN aiusage.team AS t ON t.team = p.team
	$view$, as_of, latency, ttft, aiusage.latency_counts('sum(v.{n})::bigint AS {n}'));

	EXECUTE format($view$
CREATE OR REPLACE VIEW aiusage.latency_histogram WITH (security_barrier) AS
SELECT s.day, s.team, s.cost_center, s.provider, s.model, s.endpoint, s.service_tier, s.region, s.status,
	b.measure, b.above, b.at_most, sum(b.requests)::bigint AS requests, %s
FROM aiusage.latency_source AS s
CROSS JOIN LATERAL (VALUES %s) AS b (measure, above, at_most, requests)
WHERE b.requests <> 0
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
HAVING sum(b.requests) <> 0
	$view$, as_of, (SELECT string_agg(format('(%L, %s::bigint, %s::bigint, s.%I)', l.measure, coalesce(l.above::text, 'NULL'),
			coalesce(l.at_most::text, 'NULL'), l.name), ', ' ORDER BY l.number) FROM aiusage.latency_columns() AS l));
END
$views$;

COMMENT ON VIEW aiusage.rollup_latency_live IS
	'Internal. rollup_latency and the rows that are not folded yet, so exact in every snapshot; several rows a day and set: group them';
COMMENT ON VIEW aiusage.latency_source IS
	'Internal. rollup_latency_live for aiusage.latency(), limited to the teams and cost centers that the reader may see; several rows a day and set';
COMMENT ON VIEW aiusage.latency_daily IS
	'How long requests took, live: percentiles from counts in fixed buckets, right to a factor of 1.5. Of other groups aiusage.latency() tells them; percentiles do not add up. Grain: one row a (day, team, cost_center, provider, model, endpoint, service_tier, region, status)';
COMMENT ON VIEW aiusage.latency_histogram IS
	'How long requests took, live, as counts, which add up over anything. Grain: one row a (day, team, cost_center, provider, model, endpoint, service_tier, region, status, measure, at_most) with requests';

DO $comments$
DECLARE
	r record;
BEGIN
	FOR r IN
		WITH meaning(name, text) AS (VALUES
			('day', 'Business day, in the time zone of the row''s billing calendar'),
			('team', 'Team that owned the key at the time; (unmatched): none did'),
			('team_name', 'Name of the team today; a rename is not a move'),
			('cost_center', 'Cost center that owned the key at the time; (unmatched): none did'),
			('provider', 'Provider'),
			('model', 'Model as served'),
			('endpoint', 'Endpoint; NULL: not said'),
			('service_tier', 'Service tier as served; NULL: not said'),
			('region', 'Region; NULL: not said'),
			('status', 'How the requests ended: success, error, timeout or cancelled'),
			('latency_requests', 'Requests that said how long they took, less reversals'),
			('latency_p50', 'Milliseconds that half of them took at most; 1000000: that or more; NULL: none said'),
			('latency_p90', 'Milliseconds that 90 percent of them took at most; 1000000: that or more; NULL: none said'),
			('latency_p95', 'Milliseconds that 95 percent of them took at most; 1000000: that or more; NULL: none said'),
			('latency_p99', 'Milliseconds that 99 percent of them took at most; 1000000: that or more; NULL: none said'),
			('ttft_requests', 'Requests that said when their first token came, less reversals'),
			('ttft_p50', 'Milliseconds within which half of them had their first token; 1000000: that or more; NULL: none said'),
			('ttft_p90', 'Milliseconds within which 90 percent of them had their first token; 1000000: that or more; NULL: none said'),
			('ttft_p95', 'Milliseconds within which 95 percent of them had their first token; 1000000: that or more; NULL: none said'),
			('ttft_p99', 'Milliseconds within which 99 percent of them had their first token; 1000000: that or more; NULL: none said'),
			('measure', 'What is counted: latency (to the end of the response) or ttft (to the first token)'),
			('above', 'The bucket holds what took more milliseconds than this; NULL: from 0'),
			('at_most', 'The bucket holds what took at most so many milliseconds; NULL: no bound'),
			('requests', 'Requests in the bucket, less reversals'),
			('as_of', 'Everything committed before this time is included; on a standby: as far as it has replayed (NULL: nothing since it started)')
		)
		SELECT c.relname, a.attname, m.text
		FROM pg_catalog.pg_class AS c
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
		JOIN meaning AS m ON m.name = a.attname
		WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relname IN ('latency_daily', 'latency_histogram')
	LOOP
		EXECUTE format('COMMENT ON COLUMN aiusage.%I.%I IS %L', r.relname, r.attname, r.text);
	END LOOP;
END
$comments$;
