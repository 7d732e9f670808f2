-- What components of a cost are for: exclusive quantities, as pricing bills them
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;

-- 1000 input with 200 cached, 300 audio, 50 of it cached: 550, 150, 250 and 50
SELECT aiusage.billed_usage('{"input_tokens": 1000, "cache_read_tokens": 200, "input_audio_tokens": 300, "cache_audio_read_tokens": 50}',
	'{"USD": {"input_tokens": 1, "cache_read_tokens": 1, "input_audio_tokens": 1, "cache_audio_read_tokens": 1}}');
-- what has no component is billed with its total
SELECT aiusage.billed_usage('{"input_tokens": 1000, "cache_read_tokens": 200, "output_tokens": 70, "output_reasoning_tokens": 60}',
	'{"USD": {"input_tokens": 1, "output_tokens": 1}}');
-- money of either sign, a flat fee, a unit of one's own, nothing at all
SELECT aiusage.billed_usage('{"input_tokens": 10, "cache_read_tokens": 4, "moon_phases": 2.5}',
	'{"EUR": {"input_tokens": -1, "cache_read_tokens": -0.1, "moon_phases": 0, "requests": 0.01}}');
SELECT aiusage.billed_usage('{"input_tokens": 10}', '{"USD": {}}'), aiusage.billed_usage('{}', '{"USD": {"input_tokens": 1}}');
SELECT aiusage.billed_usage(NULL, '{"USD": {}}') IS NULL AS strict;

-- the same quantities as explain_price() says, whatever the usage
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('billed_test', 'list', 'USD');
SELECT aiusage.import_prices('billed_test', 'genai-prices', '[{"id": "billedlab", "name": "Billed Lab", "api_pattern": "x", "models": [
	{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 3, "cache_read_mtok": 0.3, "cache_write_mtok": 3.75, "cache_write_1h_mtok": 6,
		"input_audio_mtok": 30, "cache_audio_read_mtok": 2, "output_mtok": 15, "output_audio_mtok": 60, "web_searches_kcount": 10, "requests_kcount": 5}}]}]',
	'2026-01-01') IS NOT NULL AS imported;
WITH usages AS (
	SELECT n, format('{"input_tokens": %s, "cache_read_tokens": %s, "cache_write_tokens": %s, "cache_write_1h_tokens": %s, "input_audio_tokens": %s, "cache_audio_read_tokens": %s, "output_tokens": %s, "output_audio_tokens": %s, "web_searches": %s}',
		1000 + n, n % 7 * 20, CASE WHEN n % 3 = 0 THEN n % 5 * 30 ELSE 0 END, CASE WHEN n % 3 = 0 THEN n % 5 * 10 ELSE 0 END, n % 3 * 50, CASE WHEN n % 7 > 0 AND n % 3 > 0 THEN 10 ELSE 0 END, n % 11 * 100, n % 11 * 10, n % 2)::aiusage.usage AS usage
	FROM generate_series(1, 300) AS n
), explained AS (
	SELECT u.n, e.unit, e.quantity FROM usages u, aiusage.explain_price('billedlab', 'm', u.usage, '2026-02-01', book => 'billed_test') AS e
), costs AS (
	SELECT u.n, u.usage, jsonb_build_object('USD', jsonb_object_agg(e.unit, 1))::text::aiusage.unit_costs AS cost_by_unit
	FROM usages u JOIN explained e USING (n) GROUP BY u.n, u.usage::text, u.usage
), billed AS (
	SELECT c.n, b.unit, b.quantity FROM costs c, aiusage.unnest_usage(aiusage.billed_usage(c.usage, c.cost_by_unit)) AS b
)
SELECT (SELECT count(*) FROM explained) AS components,
	(SELECT count(*) FROM ((TABLE explained EXCEPT ALL TABLE billed) UNION ALL (TABLE billed EXCEPT ALL TABLE explained)) AS d) AS differ;
