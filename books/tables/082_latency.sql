/*
 * Latency and time to first token, as counts of requests in fixed buckets: they
 * merge exactly, over any days and dimensions.  Coarser than the other levels,
 * since 64 counts a row are many: no key, customer or workflow, a day at a time.
 */
DO $latency$
DECLARE
	bound text;
	measure record;
BEGIN
	EXECUTE 'CREATE TABLE aiusage.rollup_latency (day date NOT NULL, team text, cost_center text, provider text NOT NULL, model text NOT NULL, '
		'endpoint text, service_tier text, region text, status aiusage.usage_status NOT NULL, '
		|| (SELECT string_agg(format('%I bigint NOT NULL', l.name), ', ' ORDER BY l.number) FROM aiusage.latency_columns() AS l)
		|| ', UNIQUE NULLS NOT DISTINCT (day, team, cost_center, provider, model, endpoint, service_tier, region, status)) '
		'WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)';
	FOR measure IN SELECT * FROM aiusage.latency_columns()
	LOOP
		EXECUTE format('COMMENT ON COLUMN aiusage.rollup_latency.%I IS %L', measure.name,
			format('Requests with %s %s, less reversals', CASE measure.measure WHEN 'latency' THEN 'a latency' ELSE 'a first token after' END,
				CASE WHEN measure.above IS NULL THEN format('of at most %s ms', measure.at_most)
					WHEN measure.at_most IS NULL THEN format('of more than %s ms', measure.above)
					ELSE format('of more than %s and at most %s ms', measure.above, measure.at_most) END));
	END LOOP;
END
$latency$;

COMMENT ON TABLE aiusage.rollup_latency IS
	'How long requests took: counts in fixed buckets a business day, team, cost center, provider, model, endpoint, service tier, region and status; made by the same folds as the other rollups';
COMMENT ON COLUMN aiusage.rollup_latency.day IS 'Business day: the date of occurred_at in the time zone of the row''s billing calendar';
COMMENT ON COLUMN aiusage.rollup_latency.team IS 'Team of the assignment at the time; NULL: none';
COMMENT ON COLUMN aiusage.rollup_latency.cost_center IS 'Cost center of the assignment at the time; NULL: none';
COMMENT ON COLUMN aiusage.rollup_latency.provider IS 'Provider';
COMMENT ON COLUMN aiusage.rollup_latency.model IS 'Model as served';
COMMENT ON COLUMN aiusage.rollup_latency.endpoint IS 'Endpoint; NULL: not said';
COMMENT ON COLUMN aiusage.rollup_latency.service_tier IS 'Service tier as served; NULL: not said';
COMMENT ON COLUMN aiusage.rollup_latency.region IS 'Region; NULL: not said';
COMMENT ON COLUMN aiusage.rollup_latency.status IS 'How the requests ended';
