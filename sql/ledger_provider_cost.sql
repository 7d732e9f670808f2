-- Estimated and final: the provider's own figure beside ours
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set VERBOSITY terse

DO $$ BEGIN PERFORM aiusage.make_partitions('2026-06-01', '2026-07-01'); END $$;
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('pc_test', 'cost', 'USD');
SELECT aiusage.import_prices('pc_test', 'genai-prices', '[{"id": "pclab", "name": "PC Lab", "api_pattern": "x", "models": [
	{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 2}}]}]', '2026-01-01') AS v1 \gset
SELECT aiusage.put_key('{"key": "pc-a", "team": "pc-one", "price_book": "pc_test"}') IS NOT NULL AND
	aiusage.put_key('{"key": "pc-b", "team": "pc-two", "price_book": "pc_test"}') IS NOT NULL AS made;

CREATE TEMP TABLE pc_sent (n int, api_key text, model text, input numeric, reported aiusage.amount, stream aiusage.stream_state);
INSERT INTO pc_sent VALUES (1, 'pc-a', 'm1', 1000000, '2 USD', NULL), (2, 'pc-a', 'm1', 1000000, '2.5 USD', 'partial'), (3, 'pc-a', 'm1', 500000, '0 USD', NULL),
	(4, 'pc-b', 'm1', 1000000, '1.8 EUR', NULL), (5, 'pc-b', 'm2', 1000000, '3 USD', NULL), (6, 'pc-b', 'm1', 1000000, NULL, NULL);
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, provider_cost, stream_state, provider_request_id)
SELECT aiusage.event_id('pc-' || n, '2026-06-10 12:00:00+00'), api_key, 'pclab', model, aiusage.usage('input_tokens', input), reported, stream, 'resp-' || n FROM pc_sent;

SELECT provider_request_id, team, provider_cost, provider_cost_currency, cost, currency, difference, ratio, cost_state FROM aiusage.provider_cost_differences
WHERE provider = 'pclab' ORDER BY provider_request_id;
-- the oracle: plain numeric
SELECT 'resp-' || n AS provider_request_id, input * 2 / 1000000 - reported::numeric AS difference, round(input * 2 / 1000000 / nullif(reported::numeric, 0), 6) AS ratio
FROM pc_sent WHERE model = 'm1' AND aiusage.currency(reported) = 'USD' ORDER BY n;
SELECT day, provider, model, currency, provider_cost_currency, requests, unpriced, estimated, provider_cost, cost, unpriced_provider_cost, difference, ratio
FROM aiusage.provider_cost_daily WHERE provider = 'pclab' ORDER BY model, provider_cost_currency;

-- an estimate is settled with the true usage: the corrected row is final, and is compared instead
SELECT estimated_cost, cost FROM aiusage.team_usage WHERE team = 'pc-one';
SELECT aiusage.adjust(aiusage.event_id('pc-2', '2026-06-10 12:00:00+00'), '{"input_tokens": 1250000}', 'the provider''s usage report', NULL) AS settled \gset
SELECT kind, cost, cost_state, stream_state, provider_cost FROM aiusage.usage_log WHERE id = :'settled' OR id = aiusage.event_id('pc-2', '2026-06-10 12:00:00+00') ORDER BY id;
SELECT estimated_cost, cost FROM aiusage.team_usage WHERE team = 'pc-one';
-- the same usage again settles, too: the estimate was right
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, stream_state)
VALUES (aiusage.event_id('pc-7', '2026-06-10 12:00:00+00'), 'pc-a', 'pclab', 'm1', '{"input_tokens": 10}', 'estimated');
SELECT cost_state FROM aiusage.usage_log WHERE id = aiusage.event_id('pc-7', '2026-06-10 12:00:00+00');
SELECT aiusage.adjust(aiusage.event_id('pc-7', '2026-06-10 12:00:00+00'), '{"input_tokens": 10}', 'confirmed', NULL) AS settled7 \gset
SELECT cost_state, stream_state FROM aiusage.usage_log WHERE id = :'settled7';

-- a price that came later, and a reprice, show at once
SELECT aiusage.import_prices('pc_test', 'genai-prices', '[{"id": "pclab", "name": "PC Lab", "api_pattern": "x", "models": [
	{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 2.5}}, {"id": "m2", "match": {"equals": "m2"}, "prices": {"input_mtok": 3}}]}]', '2026-01-01') AS v2 \gset
SELECT count(*) AS teams FROM aiusage.reprice('{"provider": "pclab"}', NULL, 'as contracted', NULL, false);
SELECT provider_request_id, cost, difference, ratio, cost_state FROM aiusage.provider_cost_differences WHERE provider = 'pclab' ORDER BY provider_request_id;
SELECT model, provider_cost_currency, requests, unpriced, estimated, provider_cost, cost, unpriced_provider_cost, difference, ratio
FROM aiusage.provider_cost_daily WHERE provider = 'pclab' ORDER BY model, provider_cost_currency;
-- the summary is the sum of the rows
SELECT count(*) AS differs FROM (
	SELECT d.provider, d.model, d.currency, d.provider_cost_currency, count(*) AS requests, sum(d.provider_cost) AS provider_cost, sum(d.cost) AS cost
	FROM aiusage.provider_cost_differences AS d GROUP BY 1, 2, 3, 4) AS d
FULL JOIN (SELECT s.provider, s.model, s.currency, s.provider_cost_currency, sum(s.requests) AS requests, sum(s.provider_cost + s.unpriced_provider_cost) AS provider_cost, sum(s.cost) AS cost
	FROM aiusage.provider_cost_daily AS s GROUP BY 1, 2, 3, 4) AS s USING (provider, model, currency, provider_cost_currency)
WHERE (d.requests, d.provider_cost, coalesce(d.cost, 0)) IS DISTINCT FROM (s.requests, s.provider_cost, s.cost);

-- by scope
CREATE ROLE pc_reader;
SELECT aiusage.grant_access('pc_reader', 'analyst', '{"teams": ["pc-two"]}') AS granted;
SET ROLE pc_reader;
SELECT DISTINCT team FROM aiusage.provider_cost_differences;
SELECT sum(requests) AS requests FROM aiusage.provider_cost_daily WHERE provider = 'pclab';
SELECT count(*) AS of_others FROM aiusage.unpriced_usage WHERE team_list NOT IN ('pc-two');
SELECT count(*) FROM aiusage.reprice_progress;
SELECT count(*) FROM aiusage.reprice('{"team": "pc-two"}', NULL, 'x', NULL);
RESET ROLE;
SELECT aiusage.revoke_access('pc_reader', 'analyst') AS revoked;
DROP ROLE pc_reader;
SELECT check_name, expected, actual, detail FROM aiusage.verify() WHERE NOT ok;
