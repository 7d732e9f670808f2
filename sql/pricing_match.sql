-- Which provider, model and rule a request means
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('pricing_match', 'list', 'USD');
-- every entry has a price of its own, so that the cost says which one it was
SELECT aiusage.import_prices('pricing_match', 'genai-prices', $$[
	{"id": "alpha", "name": "Alpha", "provider_match": {"or": [{"equals": "alfa"}, {"contains": "alphabet"}]}, "model_match": {"starts_with": "al-"},
	 "fallback_model_providers": ["beta", "gamma"], "models": [
		{"id": "Exact", "match": {"equals": "Exact-Name"}, "prices": {"input_mtok": 1}},
		{"id": "prefix", "match": {"starts_with": "pre-"}, "prices": {"input_mtok": 2}},
		{"id": "suffix", "match": {"ends_with": "-suf"}, "prices": {"input_mtok": 3}},
		{"id": "inside", "match": {"contains": "mid"}, "prices": {"input_mtok": 4}},
		{"id": "regex", "match": {"regex": "^r[0-9]+$"}, "prices": {"input_mtok": 5}},
		{"id": "and", "match": {"and": [{"starts_with": "a-"}, {"ends_with": "-z"}, {"or": [{"contains": "1"}, {"contains": "2"}]}]}, "prices": {"input_mtok": 6}},
		{"id": "look", "match": {"regex": "^(?!.*-tts)look"}, "prices": {"input_mtok": 7}},
		{"id": "late-prefix", "match": {"starts_with": "pre-x"}, "prices": {"input_mtok": 8}},
		{"id": "dated", "match": {"equals": "model-2025-09-29"}, "prices": {"input_mtok": 9}},
		{"id": "al-own", "match": {"equals": "al-own"}, "prices": {"input_mtok": 10}}]},
	{"id": "beta", "provider_match": {"contains": "alpha"}, "models": [
		{"id": "only-beta", "match": {"equals": "only-beta"}, "prices": {"input_mtok": 20}},
		{"id": "prefix", "match": {"starts_with": "pre-"}, "prices": {"input_mtok": 21}},
		{"id": "dated", "match": {"equals": "other-2024-02-29"}, "prices": {"input_mtok": 22}}]},
	{"id": "gamma", "fallback_model_providers": ["delta"], "models": [
		{"id": "only-beta", "match": {"equals": "only-beta"}, "prices": {"input_mtok": 30}},
		{"id": "only-gamma", "match": {"equals": "only-gamma"}, "prices": {"input_mtok": 31}}]},
	{"id": "delta", "models": [{"id": "only-delta", "match": {"equals": "only-delta"}, "prices": {"input_mtok": 40}}]}]$$, '-infinity') IS NOT NULL AS imported;

CREATE FUNCTION pricing_which(provider text, model text) RETURNS TABLE (provider text, model text, rate numeric, why text) LANGUAGE sql AS $$
	SELECT $1, $2, e.rate, regexp_replace(regexp_replace(e.why, '^.*?; provider', 'provider'), 'version \d+', 'version N')
	FROM aiusage.explain_price($1, $2, '{"input_tokens": 1}', '2026-10-01', book => 'pricing_match') AS e $$;

-- each kind of match; letter case and blanks around do not matter
SELECT w.* FROM (VALUES ('exact-name'), ('EXACT-NAME'), ('  exact-name '), ('exact-name-2'), ('pre-1'), ('xpre-1'), ('1-suf'), ('-suf'), ('1-suf-2'),
	('amidst'), ('mid'), ('r12'), ('R12'), ('r12x'), ('a-1-z'), ('a-3-z'), ('look-up'), ('look-tts'), ('Exact')) AS m (name), pricing_which('alpha', name) AS w;
-- the first entry of the catalogue whose match fits
SELECT w.* FROM pricing_which('alpha', 'pre-x') AS w;
-- compact dates are tried with dashes, when nothing fits as it is, and only real dates
SELECT w.* FROM (VALUES ('model-2025-09-29'), ('model-20250929'), ('model-20250929-x'), ('model-20251329'), ('model-20250931'), ('model-202509290'), ('other-20240229'), ('other-20230229')) AS m (name),
	pricing_which('alpha', name) AS w;
-- a provider by its id, else by the first match; its fallbacks in order, but not theirs
SELECT w.* FROM (VALUES ('alpha', 'only-beta'), ('ALPHA', 'only-gamma'), ('alpha', 'only-delta'), ('alfa', 'pre-1'), ('my-alphabet', 'pre-1'), ('xalphax', 'pre-1'),
	('beta', 'only-gamma'), ('gamma', 'only-delta'), ('omega', 'pre-1')) AS m (p, name), pricing_which(p, name) AS w;
-- through a proxy
SELECT w.* FROM (VALUES ('litellm', 'beta/pre-1'), ('LiteLLM', 'alpha/exact-name'), ('litellm', 'al-own'), ('litellm', 'omega/pre-1'), ('litellm', 'pre-1'), ('litellm', '/pre-1')) AS m (p, name),
	pricing_which(p, name) AS w;
-- without a match the id itself
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('pricing_match_id', 'list', 'USD');
SELECT aiusage.import_prices('pricing_match_id', 'aiusage', '{"providers": [{"provider": "P", "models": [{"model": "Some.Model", "rules": [{"prices": [{"unit": "input_tokens", "rate": 1}]}]}]}]}', '-infinity') IS NOT NULL AS imported;
SELECT aiusage.price_usage('p', 'some.model', '{"input_tokens": 1}', '2026-10-01', book => 'pricing_match_id'),
	aiusage.price_usage('p', 'someXmodel', '{"input_tokens": 1}', '2026-10-01', book => 'pricing_match_id');

-- what is no match expression
SELECT m, aiusage.price_match_problem(m::jsonb) FROM unnest(ARRAY['{}', '[]', '"x"', '{"equals": 1}', '{"equals": ""}', '{"like": "x"}', '{"equals": "a", "contains": "b"}',
	'{"or": []}', '{"or": {}}', '{"and": ["x"]}', '{"or": [{"equals": "x"}, {"nope": "x"}]}', '{"regex": "("}', '{"regex": "a{2,1}"}', '{"or": [{"equals": "x"}, {"regex": "^[a-z]+$"}]}']) AS m;

-- selectors: tier, then endpoint, then region, then the highest number
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('pricing_rules', 'list', 'USD');
SELECT aiusage.import_prices('pricing_rules', 'aiusage', $${"providers": [{"provider": "lab", "models": [
	{"model": "select", "rules": [
		{"rule": 0, "prices": [{"unit": "input_tokens", "rate": 1}]},
		{"rule": 1, "service_tier": "batch", "prices": [{"unit": "input_tokens", "rate": 2}]},
		{"rule": 2, "endpoint": "chat", "prices": [{"unit": "input_tokens", "rate": 3}]},
		{"rule": 3, "region": "eu", "prices": [{"unit": "input_tokens", "rate": 4}]},
		{"rule": 4, "service_tier": "batch", "region": "EU", "prices": [{"unit": "input_tokens", "rate": 5}]},
		{"rule": 5, "endpoint": "chat", "region": "eu", "prices": [{"unit": "input_tokens", "rate": 6}]},
		{"rule": 6, "region": "us", "prices": [{"unit": "input_tokens", "rate": 7}]},
		{"rule": 7, "region": "us", "prices": [{"unit": "input_tokens", "rate": 8}]},
		{"rule": 8, "service_tier": "Priority", "prices": [{"unit": "input_tokens", "rate": 9}]}]},
	{"model": "any", "rules": [
		{"rule": 0, "service_tier": "*", "prices": [{"unit": "input_tokens", "rate": 10}]},
		{"rule": 1, "service_tier": "flex", "prices": [{"unit": "input_tokens", "rate": 11}]}]}]}]}$$, '-infinity') IS NOT NULL AS imported;
SELECT tier, endpoint, region, aiusage.price_usage('lab', 'select', '{"input_tokens": 1}', '2026-10-01', tier, endpoint, region, 'pricing_rules') AS cost
FROM (VALUES (NULL, NULL, NULL), ('standard', NULL, NULL), ('Default', NULL, NULL), ('auto', 'x', 'x'), ('on_demand', NULL, NULL), ('', NULL, NULL),
	('batch', NULL, NULL), ('BATCH', 'chat', 'us'), (NULL, 'chat', NULL), (NULL, 'Chat', 'us'), (NULL, NULL, 'eu'), ('batch', NULL, 'eu'),
	(NULL, 'chat', 'EU'), (NULL, NULL, 'us'), ('priority', 'chat', 'eu'), ('flex', NULL, NULL), ('flex', 'chat', 'eu')) AS s (tier, endpoint, region);
SELECT tier, aiusage.price_usage('lab', 'any', '{"input_tokens": 1}', '2026-10-01', tier, book => 'pricing_rules') AS cost
FROM unnest(ARRAY[NULL, 'standard', 'flex', 'batch']) AS tier;
-- a rule never applies to a tier that it does not name
SELECT rate, amount, regexp_replace(why, ' at .*', '') AS why FROM aiusage.explain_price('lab', 'select', '{"input_tokens": 1}', '2026-10-01', 'flex', book => 'pricing_rules');
SELECT rate, rule FROM aiusage.explain_price('lab', 'select', '{"input_tokens": 1}', '2026-10-01', 'batch', 'chat', 'eu', 'pricing_rules');

-- times: dated, daily windows (across midnight, too), weekdays, zones
SELECT aiusage.import_prices('pricing_rules', 'aiusage', $${"providers": [{"provider": "lab", "models": [
	{"model": "dated", "rules": [
		{"prices": [{"unit": "input_tokens", "rate": 1}]},
		{"starts_at": "2026-03-01T00:00:00Z", "prices": [{"unit": "input_tokens", "rate": 2}]},
		{"starts_at": "2026-06-01T00:00:00Z", "ends_at": "2026-07-01T00:00:00Z", "prices": [{"unit": "input_tokens", "rate": 3}]}]},
	{"model": "day", "rules": [
		{"prices": [{"unit": "input_tokens", "rate": 1}]},
		{"time_from": "09:00", "time_to": "17:30", "prices": [{"unit": "input_tokens", "rate": 2}]}]},
	{"model": "night", "rules": [
		{"prices": [{"unit": "input_tokens", "rate": 1}]},
		{"time_from": "22:00", "time_to": "06:00", "prices": [{"unit": "input_tokens", "rate": 2}]}]},
	{"model": "friday-night", "rules": [
		{"prices": [{"unit": "input_tokens", "rate": 1}]},
		{"time_from": "22:00", "time_to": "06:00", "weekdays": [5], "prices": [{"unit": "input_tokens", "rate": 2}]}]},
	{"model": "weekend-berlin", "rules": [
		{"prices": [{"unit": "input_tokens", "rate": 1}]},
		{"weekdays": [6, 7], "time_zone": "Europe/Berlin", "prices": [{"unit": "input_tokens", "rate": 2}]}]},
	{"model": "only-new-york", "rules": [
		{"time_from": "09:00", "time_to": "17:00", "time_zone": "America/New_York", "prices": [{"unit": "input_tokens", "rate": 2}]}]}]}]}$$, '-infinity') IS NOT NULL AS imported;
CREATE FUNCTION pricing_at(model text, at timestamptz) RETURNS text LANGUAGE sql AS $$
	SELECT aiusage.price_usage('lab', model, '{"input_tokens": 1}', at, book => 'pricing_rules')::text $$;
SELECT at, pricing_at('dated', at) FROM unnest('{2026-02-28 23:59:59.999999Z, 2026-03-01Z, 2026-05-31 23:59:59.999999Z, 2026-06-01Z, 2026-06-30 23:59:59.999999Z, 2026-07-01Z}'::timestamptz[]) AS at;
SELECT at, pricing_at('day', at) FROM unnest('{2026-03-01 08:59:59.999999Z, 2026-03-01 09:00Z, 2026-03-01 17:29:59.999999Z, 2026-03-01 17:30Z, 1999-12-31 12:00Z}'::timestamptz[]) AS at;
SELECT at, pricing_at('night', at) FROM unnest('{2026-03-01 21:59:59.999999Z, 2026-03-01 22:00Z, 2026-03-01 23:59:59.999999Z, 2026-03-02Z, 2026-03-02 05:59:59.999999Z, 2026-03-02 06:00Z, 1999-12-31 23:00Z}'::timestamptz[]) AS at;
-- the night from Friday to Saturday is Friday's
SELECT at, to_char(at, 'Dy') AS day, pricing_at('friday-night', at) FROM unnest('{2026-03-06 05:00Z, 2026-03-06 21:59Z, 2026-03-06 22:00Z, 2026-03-07 05:59Z, 2026-03-07 06:00Z, 2026-03-07 22:00Z, 1999-12-31 23:00Z, 2000-01-01 02:00Z}'::timestamptz[]) AS at;
-- the weekend of Berlin, in winter and in summer
SELECT at, pricing_at('weekend-berlin', at) FROM unnest('{2026-01-09 22:59:59Z, 2026-01-09 23:00Z, 2026-01-11 22:59:59Z, 2026-01-11 23:00Z, 2026-07-10 21:59:59Z, 2026-07-10 22:00Z, 2026-07-12 21:59:59Z, 2026-07-12 22:00Z}'::timestamptz[]) AS at;
SELECT at, pricing_at('only-new-york', at) FROM unnest('{2026-01-09 13:59Z, 2026-01-09 14:00Z, 2026-07-10 13:00Z, 2026-07-10 21:00Z}'::timestamptz[]) AS at;
SELECT regexp_replace(why, '; add.*', '') AS why FROM aiusage.explain_price('lab', 'only-new-york', '{"input_tokens": 1}', '2026-07-10 21:00Z', book => 'pricing_rules');
SELECT model, rule FROM (VALUES ('dated', '2026-06-15Z'::timestamptz), ('night', '2026-06-15 23:00Z'), ('friday-night', '2026-03-06 23:00Z'), ('only-new-york', '2026-07-10 15:00Z')) AS v (model, at),
	LATERAL aiusage.explain_price('lab', model, '{"input_tokens": 1}', at, book => 'pricing_rules') AS e;

DROP FUNCTION pricing_which, pricing_at;
