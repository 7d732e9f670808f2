-- Which rules were considered, and why one won
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = public, aiusage;
INSERT INTO price_book (book, kind, currency, inherits) VALUES ('rules_list', 'list', 'USD', NULL), ('rules_deal', 'cost', 'USD', 'rules_list');
SELECT import_prices('rules_list', 'aiusage', $$ {"providers": [{"provider": "lab", "models": [
	{"model": "m", "rules": [
		{"rule": 0, "prices": [{"unit": "requests", "rate": 1}]},
		{"rule": 1, "service_tier": "*", "prices": [{"unit": "requests", "rate": 2}]},
		{"rule": 2, "service_tier": "batch", "prices": [{"unit": "requests", "rate": 3}]},
		{"rule": 3, "endpoint": "chat", "prices": [{"unit": "requests", "rate": 4}]},
		{"rule": 4, "region": "eu", "prices": [{"unit": "requests", "rate": 5}]},
		{"rule": 5, "service_tier": "batch", "region": "eu", "prices": [{"unit": "requests", "rate": 6}]},
		{"rule": 9, "region": "*", "prices": [{"unit": "requests", "rate": 10}]},
		{"rule": 6, "starts_at": "2026-07-01T00:00:00Z", "prices": [{"unit": "requests", "rate": 7}]},
		{"rule": 7, "ends_at": "2025-01-01T00:00:00Z", "prices": [{"unit": "requests", "rate": 8}]},
		{"rule": 8, "time_from": "22:00:30", "time_to": "06:00", "time_zone": "Europe/Berlin", "weekdays": [6, 7], "multiplier": 0.5, "prices": [{"unit": "requests", "rate": 9}]}]},
	{"model": "one", "rules": [{"rule": 4, "service_tier": "batch", "prices": [{"unit": "requests", "rate": 1}]}]},
	{"model": "none", "rules": []}]}]} $$, '-infinity') AS version \gset
CREATE FUNCTION rules(model text, at timestamptz, tier text DEFAULT NULL, endpoint text DEFAULT NULL, region text DEFAULT NULL, book text DEFAULT 'rules_list') RETURNS TABLE (rule int, names text, applies boolean, chosen boolean, why text) LANGUAGE sql STABLE AS $$
	SELECT r.rule, r.names, r.applies, r.chosen, r.why FROM aiusage.explain_rules('lab', $1, $2, $3, $4, $5, $6) AS r $$;

-- a Wednesday: standard, any endpoint, any region
SELECT * FROM rules('m', '2026-06-03 12:00Z');
-- what is served in a tier that no rule names, in one that two name, at an endpoint, at night on a weekend, later
SELECT rule, why FROM rules('m', '2026-06-03 12:00Z', 'flex') WHERE applies;
SELECT rule, chosen, why FROM rules('m', '2026-06-03 12:00Z', 'Batch', 'CHAT', 'EU') WHERE applies;
SELECT rule, chosen, why FROM rules('m', '2026-06-03 12:00Z', 'default', 'chat', 'eu') WHERE applies;
SELECT rule, chosen, why FROM rules('m', '2026-06-03 12:00Z', NULL, NULL, 'eu') WHERE applies;
SELECT rule, chosen, why FROM rules('m', '2026-06-07 03:59:59Z') WHERE applies;
SELECT rule, chosen, why FROM rules('m', '2026-08-05 12:00Z') WHERE applies;
-- what explain_rules() chooses is what prices, for every combination; and the why of a component says the same
SELECT count(*) AS combinations,
	count(*) FILTER (WHERE c.rate = CASE WHEN c.rule = 8 THEN 4.5 ELSE c.rule + 1 END) AS as_priced,
	count(*) FILTER (WHERE position('rule #' || c.rule || ' of 10: ' || c.why IN c.component) > 0) AS as_said
FROM (SELECT r.rule, r.why, e.rate, e.why AS component
	FROM unnest('{2024-06-05 12:00Z, 2026-06-03 12:00Z, 2026-06-06 23:00Z, 2026-08-05 12:00Z}'::timestamptz[]) AS at, unnest(ARRAY[NULL, 'auto', 'batch', 'flex']) AS tier,
		unnest(ARRAY[NULL, 'chat', 'embed']) AS endpoint, unnest(ARRAY[NULL, 'eu', 'us']) AS region,
		explain_rules('lab', 'm', at, tier, endpoint, region, 'rules_list') AS r,
		explain_price('lab', 'm', '{}', at, tier, endpoint, region, 'rules_list') AS e
	WHERE r.chosen) AS c;
SELECT why FROM explain_price('lab', 'm', '{}', '2026-06-03 12:00Z', book => 'rules_list');
-- none applies; and a model without any, a model and a provider that are not known
SELECT * FROM rules('one', '2026-06-03 12:00Z');
SELECT why FROM explain_price('lab', 'one', '{}', '2026-06-03 12:00Z', 'flex', book => 'rules_list');
SELECT split_part(why, ';', 1) AS why FROM rules('none', '2026-06-03 12:00Z') UNION ALL SELECT regexp_replace(split_part(why, ';', 1), 'version \d+', 'version N') FROM rules('who', '2026-06-03 12:00Z');
-- by a book that inherits, as known at a time
SELECT r.book, r.version = :version AS listed, r.provider, r.model, r.rule FROM explain_rules('lab', 'one', '2026-06-03', 'batch', book => 'rules_deal') AS r;
SELECT import_prices('rules_deal', 'aiusage', '{"providers": [], "overrides": [{"kind": "discount", "value": 5}]}', '-infinity') AS deal \gset
SELECT r.book, r.version = :deal AS dealt, r.chosen FROM explain_rules('lab', 'one', '2026-06-03', 'batch', book => 'rules_deal') AS r;
SELECT r.book, r.version IS NULL AS none, split_part(r.why, ':', 1) AS why FROM explain_rules('lab', 'one', '2026-06-03', 'batch', book => 'rules_deal', known_at => '2001-01-01') AS r;
SELECT count(*) AS nothing FROM explain_rules('lab', NULL, '2026-06-03');
\set VERBOSITY terse
SELECT * FROM explain_rules('lab', 'one', '2026-06-03', book => 'rules_missing');
SELECT * FROM explain_rules('lab', 'one', 'infinity');
DROP FUNCTION rules;
