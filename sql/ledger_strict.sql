-- Strict prices: usage that no price is known for is refused, by setting or by key
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
\set SHOW_CONTEXT never

INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('strict_test', 'cost', 'USD');
SELECT aiusage.import_prices('strict_test', 'genai-prices', '[{"id": "strictlab", "name": "Strict Lab", "api_pattern": "x", "models": [
	{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 2}}, {"id": "cached", "match": {"equals": "cached"}, "prices": {"input_mtok": 2, "cache_read_mtok": 1}}, {"id": "free", "match": {"equals": "free"}, "prices": {"input_mtok": 0}},
	{"id": "empty", "match": {"equals": "empty"}, "prices": {}}]}]', '-infinity') IS NOT NULL AS imported;
SELECT aiusage.put_key('{"key": "strict-key", "price_book": "strict_test", "strict_prices": true}') IS NULL AS made,
	aiusage.put_key('{"key": "strict-default", "price_book": "strict_test"}') IS NULL AS made,
	aiusage.put_key('{"key": "strict-lenient", "price_book": "strict_test", "strict_prices": false}') IS NULL AS made;
SELECT aiusage.key_record(k) -> 'strict_prices' AS strict_prices FROM (VALUES ('strict-key'), ('strict-default'), ('strict-lenient')) AS v (k);
-- the record can be put back
SELECT aiusage.put_key(aiusage.key_record('strict-key')) IS NULL AS put, (SELECT strict_prices FROM aiusage.api_key WHERE api_key = 'strict-key') AS strict_prices;
SELECT aiusage.put_key('{"key": "strict-key", "strict_prices": "yes"}');
\echo :LAST_ERROR_SQLSTATE

-- what each key's rows become, with the setting off and on: booked, unpriced, or refused with which SQLSTATE
CREATE FUNCTION pg_temp.outcomes() RETURNS TABLE (model text, usage text, spent boolean, hold boolean, by_key text, by_default text, lenient text, unknown_key text) LANGUAGE sql AS $$
	WITH cases (n, model, usage, spent, hold) AS (VALUES (1, 'm1', '{"input_tokens": 10}', NULL::boolean, NULL::boolean), (2, 'free', '{"input_tokens": 10}', NULL, NULL),
			(3, 'm2', '{"input_tokens": 10}', NULL, NULL), (4, 'empty', '{"input_tokens": 10}', NULL, NULL), (5, 'm1', '{"input_tokens": 10, "images": 1}', NULL, NULL),
			(6, 'cached', '{"input_tokens": 10, "cache_read_tokens": 11}', NULL, NULL), (7, 'm2', '{"input_tokens": 10}', false, NULL),
			(8, 'm2', '{"input_tokens": 10}', true, NULL), (9, 'm2', '{"input_tokens": 10}', NULL, true)),
		keys (k, api_key) AS (VALUES (1, 'strict-key'), (2, 'strict-default'), (3, 'strict-lenient'), (4, 'strict-nobody')),
		outcome AS (SELECT c.*, k.k, (SELECT coalesce(i.sqlstate, i.outcome) FROM aiusage.ingest(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('api_key', k.api_key,
			'provider', 'strictlab', 'model', c.model, 'usage', c.usage::jsonb, 'spent', c.spent,
			'hold_id', CASE WHEN c.hold THEN (SELECT a.hold_id FROM aiusage.admit(k.api_key, 'strictlab', 'm1', '{}') AS a) END)))) AS i) AS o FROM cases AS c, keys AS k)
	SELECT o.model, o.usage, o.spent, o.hold, max(o.o) FILTER (WHERE k = 1), max(o.o) FILTER (WHERE k = 2), max(o.o) FILTER (WHERE k = 3), max(o.o) FILTER (WHERE k = 4)
	FROM outcome AS o GROUP BY o.n, o.model, o.usage, o.spent, o.hold ORDER BY o.n
$$;
SELECT * FROM pg_temp.outcomes();
UPDATE aiusage.setting SET value = 'on' WHERE name = 'strict_prices';
SELECT * FROM pg_temp.outcomes();
UPDATE aiusage.setting SET value = 'maybe' WHERE name = 'strict_prices';
\echo :LAST_ERROR_SQLSTATE

-- the errors say what is missing, which policy it was, and what to do
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('strict-key', 'strictlab', 'm2', '{"input_tokens": 10}');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('strict-default', 'strictlab', 'm1', '{"input_tokens": 10, "images": 1}');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('strict-default', 'strictlab', 'm1', '{"input_tokens": 10, "moon_phases": 1}');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('strict-key', 'strictlab', 'cached', '{"input_tokens": 10, "cache_read_tokens": 11}');
SELECT outcome, sqlstate, message FROM aiusage.ingest('[{"api_key": "strict-key", "provider": "strictlab", "model": "m1", "usage": {"input_tokens": 1}},
	{"api_key": "strict-key", "provider": "strictlab", "model": "m2", "usage": {"input_tokens": 1}}]');
-- a key that turns strict does so at the next row of a transaction that is under way
UPDATE aiusage.setting SET value = 'off' WHERE name = 'strict_prices';
BEGIN;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('strict-default', 'strictlab', 'm2', '{"input_tokens": 10}') RETURNING cost_state;
SELECT aiusage.put_key('{"key": "strict-default", "price_book": "strict_test", "strict_prices": true}') IS NULL AS made;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('strict-default', 'strictlab', 'm2', '{"input_tokens": 10}');
ROLLBACK;
