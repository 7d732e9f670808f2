-- ingest(): an outcome a row
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('ingest_test', 'list', 'USD');
SELECT aiusage.import_prices('ingest_test', 'genai-prices', '[{"id": "ingestlab", "name": "Ingest Lab", "api_pattern": "x", "models": [
	{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 2, "output_mtok": 10}}]}]', '2026-01-01') IS NOT NULL AS imported;
SELECT aiusage.put_key('{"key": "ingest_key", "team": "ingest_team", "cost_center": "ingest_cc", "price_book": "ingest_test"}') IS NOT NULL AS made;
SELECT aiusage.put_key('{"key": "ingest_off", "team": "ingest_team", "cost_center": "ingest_cc", "status": "disabled"}') IS NOT NULL AS made;

-- every outcome in one call
SELECT ord, id IS NOT NULL AS has_id, outcome, cost, currency, sqlstate, message
FROM aiusage.ingest(jsonb_build_array(
	jsonb_build_object('id', aiusage.event_id('ing-1', now() - interval '1 minute'), 'api_key', 'ingest_key', 'provider', 'ingestlab', 'model', 'm1',
		'usage', jsonb_build_object('input_tokens', 1000, 'output_tokens', 100)),
	jsonb_build_object('id', aiusage.event_id('ing-1', now() - interval '1 minute'), 'api_key', 'ingest_key', 'provider', 'ingestlab', 'model', 'm1',
		'usage', jsonb_build_object('input_tokens', 1000, 'output_tokens', 100)),
	jsonb_build_object('api_key', 'ingest_key', 'provider', 'ingestlab', 'model', 'm-unknown', 'usage', jsonb_build_object('input_tokens', 1)),
	jsonb_build_object('api_key', 'ingest_off', 'provider', 'ingestlab', 'model', 'm1', 'usage', jsonb_build_object('input_tokens', 1)),
	jsonb_build_object('api_key', 'ingest_key', 'provider', 'ingestlab', 'model', 'm1', 'usage', jsonb_build_object('input_tokens', -1)),
	jsonb_build_object('api_key', 'ingest_key', 'provider', 'ingestlab', 'model', 'm1', 'cost', '0 USD', 'usage', '{}'::jsonb),
	jsonb_build_object('id', 'not-a-uuid', 'api_key', 'ingest_key', 'provider', 'ingestlab', 'model', 'm1', 'usage', '{}'::jsonb),
	jsonb_build_object('id', '6ba7b810-9dad-41d1-80b4-00c04fd430c8', 'api_key', 'ingest_key', 'provider', 'ingestlab', 'model', 'm1', 'usage', '{}'::jsonb),
	'7'::jsonb,
	jsonb_build_object('api_key', 'ingest_key', 'provider', 'ingestlab', 'model', 'm1'),
	jsonb_build_object('api_key', 'ingest_key', 'provider', 'ingestlab', 'model', 'm1', 'usage', jsonb_build_object('input_tokens', 3),
		'occurred_at', now() - interval '5 days', 'tags', jsonb_build_object('feature', 'x')))) \gx

-- what was said is what was stored: cost by an independent reckoning, five-day-old event at its own time
SELECT request.model, request.cost, (coalesce((usage::jsonb ->> 'input_tokens')::numeric, 0) * 2 + coalesce((usage::jsonb ->> 'output_tokens')::numeric, 0) * 10) / 1000000 AS oracle,
	occurred_at < now() - interval '4 days' AS late
FROM aiusage.usage_log AS request WHERE api_key LIKE 'ingest\_%' ORDER BY late, model, cost;

-- replayed, a whole batch is duplicates
CREATE TEMP TABLE batch AS
SELECT jsonb_agg(jsonb_build_object('id', aiusage.event_id('ing-batch-' || n, '2026-03-20 00:00:00+00'::timestamptz + n * interval '1 second'),
	'api_key', 'ingest_key', 'provider', 'ingestlab', 'model', 'm1', 'usage', jsonb_build_object('input_tokens', n))) AS records
FROM generate_series(1, 300) AS n;
SELECT outcome, count(*), sum(i.cost) AS cost, min(ord), max(ord) FROM batch, aiusage.ingest(records) AS i GROUP BY outcome;
SELECT outcome, count(*), sum(i.cost) AS cost FROM batch, aiusage.ingest(records) AS i GROUP BY outcome;
SELECT sum(n) * 2 / 1000000::numeric AS oracle FROM generate_series(1, 300) AS n;

-- one bad row among many: its neighbours are booked, each once
UPDATE batch SET records = (SELECT jsonb_agg(CASE WHEN o = 77 THEN v || '{"usage": {"input_tokens": -1}}' ELSE v || jsonb_build_object('id', aiusage.event_id('ing-b2-' || o, '2026-03-20 00:00:00+00')) END ORDER BY o)
	FROM jsonb_array_elements(records) WITH ORDINALITY AS e (v, o));
SELECT outcome, count(*), sum(i.cost) AS cost, array_agg(DISTINCT sqlstate) AS sqlstates, min(ord) FILTER (WHERE outcome = 'refused') AS refused
FROM batch, aiusage.ingest(records) AS i GROUP BY outcome ORDER BY outcome;

-- an id twice in one batch is booked once
SELECT ord, outcome FROM aiusage.ingest(jsonb_build_array(
	jsonb_build_object('id', aiusage.event_id('ing-twice', '2026-03-20 00:00:00+00'), 'api_key', 'ingest_key', 'provider', 'ingestlab', 'model', 'm1', 'usage', '{}'::jsonb),
	jsonb_build_object('id', aiusage.event_id('ing-twice', '2026-03-20 00:00:00+00'), 'api_key', 'ingest_key', 'provider', 'ingestlab', 'model', 'm1', 'usage', '{}'::jsonb)));

SELECT * FROM aiusage.ingest('[]');

-- injection through every text
SELECT outcome, message FROM aiusage.ingest('[{"api_key": "x''); DROP TABLE aiusage.usage_record; --", "provider": "p''; --", "model": "$$", "usage": {"input_tokens": 1}, "workflow": "\"; --"}]');
SELECT outcome, message FROM aiusage.ingest('[{"api_key": "a", "provider": "p", "model": "m", "usage": {}, "x\"; DROP TABLE aiusage.team; --": 1}]');
-- a label is one value
SELECT outcome, sqlstate, message FROM aiusage.ingest('[{"api_key": {"text": "what was said"}, "provider": "p", "model": "m", "usage": {}},
	{"api_key": "a", "provider": ["p"], "model": "m", "usage": {}}, {"api_key": "a", "provider": "p", "model": "m", "usage": {}, "customer": 17, "tags": {"a": 1}}]');

\set SHOW_CONTEXT never
SELECT * FROM aiusage.ingest(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM aiusage.ingest('{}');
\echo :LAST_ERROR_SQLSTATE
-- not a row's fault: the call fails
BEGIN READ ONLY;
SELECT * FROM aiusage.ingest('[{"api_key": "ingest_key", "provider": "ingestlab", "model": "m1", "usage": {}}]');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

-- what no row is at fault for is passed on, and not called a refused row: a trigger of the site's own that is broken
BEGIN;
CREATE FUNCTION pg_temp.site() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_temp.nowhere(); RETURN NEW; END $$;
CREATE TRIGGER site BEFORE INSERT ON aiusage.usage_record FOR EACH ROW EXECUTE FUNCTION pg_temp.site();
SELECT outcome FROM aiusage.ingest('[{"api_key": "ingest_key", "provider": "p", "model": "m", "usage": {"input_tokens": 1}}]');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
