-- The books for the fold benchmark: keys of 20 teams, a small price list.
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT FROM aiusage.init();
SELECT FROM aiusage.import_prices('list', 'genai-prices', '[{"id": "openai", "name": "OpenAI", "api_pattern": "openai", "models": [
	{"id": "bench", "match": {"starts_with": "bench"}, "prices": {"input_mtok": 2.5, "cache_read_mtok": 1.25, "output_mtok": 10}}]}]',
	'2020-01-01');
SELECT FROM generate_series(1, 100) AS n, aiusage.put_key(jsonb_build_object('key', 'bench-' || n, 'team', 'team-' || n % 20,
	'cost_center', 'cc-' || n % 10, 'environment', 'production', 'valid_from', '2020-01-01T00:00:00Z'));
SELECT FROM aiusage.make_partitions(now() - interval '32 days');

-- What a site would have without aiusage's rollups: the same groups, the same sums, kept by REFRESH.
CREATE MATERIALIZED VIEW rollup AS
SELECT s.bucket, s.assignment, s.invoice_period, s.api_key, s.provider, s.model, s.endpoint, s.service_tier, s.region,
	s.customer, s.workflow, s.status, s.currency, s.list_currency, s.charge_currency,
	sum(s.records) AS records, sum(s.requests) AS requests, sum(s.errors) AS errors, sum(s.retries) AS retries,
	sum(s.fallbacks) AS fallbacks, sum(s.cache_hits) AS cache_hits, sum(s.accepted) AS accepted, sum(s.unpriced) AS unpriced,
	sum(s.unmatched) AS unmatched, sum(s.cost) AS cost, sum(s.list_cost) AS list_cost, sum(s.charge) AS charge,
	sum(s.failed_cost) AS failed_cost, sum(s.retry_cost) AS retry_cost, sum(s.fallback_cost) AS fallback_cost,
	sum(s.estimated_cost) AS estimated_cost, aiusage.sum(s.usage) AS usage, aiusage.sum(s.usage_reversed) AS usage_reversed,
	aiusage.sum(s.cost_by_unit) AS cost_by_unit
FROM aiusage.rollup_source s
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15;

-- And the least that such a view could be: a row a day and team.
CREATE MATERIALIZED VIEW team_day AS
SELECT (r.occurred_at AT TIME ZONE 'UTC')::date AS day, a.team, aiusage.currency(r.cost_by_unit) AS currency,
	count(*) AS requests, sum(r.cost::numeric) AS cost, aiusage.sum(r.usage) AS usage
FROM aiusage.usage_record r
LEFT JOIN aiusage.key_assignment a ON a.assignment = r.assignment
GROUP BY 1, 2, 3;
