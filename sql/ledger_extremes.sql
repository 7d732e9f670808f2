-- Absurd counters at real prices: whatever is booked, sums, folds and views go on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';

INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('extremes', 'list', 'USD');
SELECT aiusage.import_prices('extremes', 'genai-prices', '[{"id": "extremelab", "name": "Extreme Lab", "api_pattern": "x", "models": [
	{"id": "dear", "match": {"equals": "dear"}, "prices": {"web_searches_kcount": 1000000}}]}]', '2020-01-01') IS NOT NULL AS imported;
SELECT aiusage.put_key('{"key": "extreme_key", "class": "production", "team": "extreme_team", "cost_center": "extreme_cc",
	"environment": "prod", "owner": "ann", "price_book": "extremes"}') IS NOT NULL AS made;

-- 1,000 USD a search: a row that costs 10^15 or more is unpriced, and says why
INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage)
SELECT 'extreme-' || kind || '-' || i, 'extreme_key', 'extremelab', 'dear', u::aiusage.usage
FROM (VALUES ('least', '{"web_searches": 1}'), ('most', '{"web_searches": 999999999999}'),
	('beyond', '{"web_searches": 1000000000000}'), ('absurd', '{"web_searches": 999999999999999999}')) AS v (kind, u),
	generate_series(1, 100) AS i;
SELECT l.cost, l.cost_state, l.unpriced_reason, count(*), l.cost = l.requests * u.q * 1000 AS exact
FROM aiusage.usage_log AS l JOIN aiusage.usage_record AS r USING (id), LATERAL (SELECT r.usage OPERATOR(aiusage.->) 'web_searches') AS u (q)
WHERE l.api_key = 'extreme_key' GROUP BY 1, 2, 3, 5 ORDER BY min(u.q);

-- price_usage() goes further than a row of the ledger
SELECT aiusage.price_usage('extremelab', 'dear', '{"web_searches": 1000000000000}', now(), book => 'extremes') AS price;

SELECT sum(cost) = 100 * 1000 + 100 * 999999999999000 AS cost, sum(unpriced) AS unpriced FROM aiusage.team_usage WHERE team = 'extreme_team';
DO $$ BEGIN PERFORM aiusage.refresh(); END $$;
SELECT sum(cost) = 100 * 1000 + 100 * 999999999999000 AS cost, sum(unpriced) AS unpriced FROM aiusage.team_usage WHERE team = 'extreme_team';
SELECT sum(cost) = 100 * 1000 + 100 * 999999999999000 AS cost FROM aiusage.line_items WHERE team = 'extreme_team' AND unit = 'web_searches';

-- a row has 128 units at most
INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage)
SELECT 'extreme-wide', 'extreme_key', 'extremelab', 'dear', aiusage.usage(array_agg('u' || i), array_agg(i)) FROM generate_series(1, 128) AS i;
INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage)
SELECT 'extreme-wider', 'extreme_key', 'extremelab', 'dear', aiusage.usage(array_agg('u' || i), array_agg(i)) FROM generate_series(1, 129) AS i;
\echo :LAST_ERROR_SQLSTATE
