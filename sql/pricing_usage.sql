-- What a usage costs: the unit lattice, tiers, quantities, rounding, and what is refused
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('pricing_usage', 'list', 'USD');
SELECT aiusage.import_prices('pricing_usage', 'genai-prices', aiusage.default_catalogue(), '-infinity', 'default catalogue') IS NOT NULL AS imported;
SELECT label, status, source, source_version, source_date, publication, published_at IS NOT NULL AS published,
	checksum ~ '^[0-9a-f]{64}$' AS checksum, effective_from, effective_to
FROM aiusage.price_version WHERE book = 'pricing_usage';

-- short forms for what follows
CREATE FUNCTION pricing_cost(provider text, model text, usage aiusage.usage, at timestamptz DEFAULT '2026-10-01', book text DEFAULT 'pricing_usage')
	RETURNS text LANGUAGE sql AS $$ SELECT aiusage.price_usage(provider, model, usage, at, book => book)::text $$;
CREATE FUNCTION pricing_parts(provider text, model text, usage aiusage.usage, at timestamptz DEFAULT '2026-10-01', book text DEFAULT 'pricing_usage')
	RETURNS TABLE (unit text, quantity numeric, rate numeric, per numeric, amount numeric, currency text, rule text, why text)
	LANGUAGE sql AS $$ SELECT unit, quantity, rate, per, amount, currency, rule, why FROM aiusage.explain_price(provider, model, usage, at, book => book) $$;

-- figures that were seen elsewhere
SELECT pricing_cost('anthropic', 'claude-sonnet-4', '{"input_tokens": 4740, "cache_write_tokens": 4735, "output_tokens": 255}') AS "0.02159625",
	pricing_cost('anthropic', 'claude-sonnet-4-5', '{"input_tokens": 1000, "output_tokens": 10, "web_searches": 3}') AS "0.03315",
	pricing_cost('google', 'gemini-2.5-pro', '{"input_tokens": 200000}') AS "0.25",
	pricing_cost('google', 'gemini-2.5-pro', '{"input_tokens": 200001}') AS "0.5000025",
	pricing_cost('deepseek', 'deepseek-chat', '{"input_tokens": 1000000, "output_tokens": 1000000}', '2025-07-01 17:00Z') AS "0.685",
	pricing_cost('deepseek', 'deepseek-chat', '{"input_tokens": 1000000, "output_tokens": 1000000}', '2025-07-01 12:00Z') AS "1.37";

-- a catalogue to reckon with
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('pricing_lab', 'list', 'EUR');
SELECT aiusage.import_prices('pricing_lab', 'aiusage', $${"format": "aiusage", "currency": "EUR", "providers": [{"provider": "lab", "models": [
	{"model": "audio", "rules": [{"prices": [
		{"unit": "input_tokens", "rate": 1, "per": 1}, {"unit": "cache_read_tokens", "rate": 0.01, "per": 1},
		{"unit": "input_audio_tokens", "rate": 100, "per": 1}, {"unit": "cache_audio_read_tokens", "rate": 10000, "per": 1}]}]},
	{"model": "strict", "rules": [{"prices": [
		{"unit": "input_tokens", "rate": 1}, {"unit": "input_tokens", "rate": 2, "tier_start": 100, "tier_metric": "input_tokens", "tier_inclusive": false},
		{"unit": "input_tokens", "rate": 3, "tier_start": 200, "tier_metric": "input_tokens", "tier_inclusive": false},
		{"unit": "output_tokens", "rate": 10}, {"unit": "output_tokens", "rate": 20, "tier_start": 100, "tier_metric": "input_tokens", "tier_inclusive": false}]}]},
	{"model": "inclusive", "rules": [{"prices": [
		{"unit": "input_tokens", "rate": 1}, {"unit": "input_tokens", "rate": 2, "tier_start": 100, "tier_metric": "input_tokens", "tier_inclusive": true}]}]},
	{"model": "fresh", "rules": [{"prices": [
		{"unit": "input_tokens", "rate": 1}, {"unit": "input_tokens", "rate": 2, "tier_start": 100, "tier_metric": "input_tokens-cache_read_tokens", "tier_inclusive": false},
		{"unit": "cache_read_tokens", "rate": 0.1}]}]},
	{"model": "both", "rules": [{"prices": [
		{"unit": "input_tokens", "rate": 1}, {"unit": "output_tokens", "rate": 1},
		{"unit": "output_tokens", "rate": 5, "tier_start": 100, "tier_metric": "input_tokens+output_tokens", "tier_inclusive": false}]}]},
	{"model": "minimum", "rules": [{"prices": [
		{"unit": "audio_seconds", "rate": 3600, "per": 3600, "min_quantity": 10}, {"unit": "input_audio_seconds", "rate": 3600, "per": 3600}]}]},
	{"model": "steps", "rules": [{"prices": [{"unit": "audio_seconds", "rate": 1, "quantity_step": 15, "min_quantity": 20}]}]},
	{"model": "flat", "rules": [{"prices": [{"unit": "requests", "rate": 0.5}, {"unit": "input_tokens", "rate": 1}]}]},
	{"model": "thirds", "rules": [{"prices": [{"unit": "input_tokens", "rate": 1, "per": 3}, {"unit": "output_tokens", "rate": 0.000000000001, "per": 2}, {"unit": "audio_seconds", "rate": 0.111, "per": 3600}]}]},
	{"model": "uplift", "rules": [{"multiplier": 1.1, "prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000}]}]},
	{"model": "free", "rules": [{"prices": [{"unit": "input_tokens", "rate": 0}]}]},
	{"model": "priceless", "rules": [{"prices": []}]},
	{"model": "ruleless", "rules": []},
	{"model": "own", "rules": [{"prices": [{"unit": "gpu_minutes", "rate": 0.25}]}]},
	{"model": "orphan", "rules": [{"prices": [{"unit": "cache_read_tokens", "rate": 1}, {"unit": "output_tokens", "rate": 1}]}]},
	{"model": "gap", "rules": [{"prices": [{"unit": "input_tokens", "rate": 1}, {"unit": "cache_read_tokens", "rate": 0.1}, {"unit": "input_audio_tokens", "rate": 2}]}]},
	{"model": "above", "rules": [{"prices": [{"unit": "input_tokens", "rate": 2, "tier_start": 100, "tier_metric": "input_tokens", "tier_inclusive": false}]}]},
	{"model": "dear", "rules": [{"prices": [{"unit": "input_tokens", "rate": 1000000000000}]}]}
	]}]}$$, '-infinity') IS NOT NULL AS imported;

-- the lattice: 1000 input with 200 cache read, 300 audio, 50 cached audio is 550 / 150 / 250 / 50
SELECT unit, quantity, rate, amount, currency FROM pricing_parts('lab', 'audio',
	'{"input_tokens": 1000, "cache_read_tokens": 200, "input_audio_tokens": 300, "cache_audio_read_tokens": 50}', book => 'pricing_lab');
SELECT pricing_cost('lab', 'audio', '{"input_tokens": 1000, "cache_read_tokens": 200, "input_audio_tokens": 300, "cache_audio_read_tokens": 50}', book => 'pricing_lab');
-- units without a price of their own are part of their total
SELECT unit, quantity FROM pricing_parts('lab', 'flat', '{"input_tokens": 1000, "cache_read_tokens": 200, "input_audio_tokens": 300}', book => 'pricing_lab');
-- zeros are reported quantities, not components
SELECT unit, quantity, amount FROM pricing_parts('lab', 'audio', '{"input_tokens": 10, "cache_read_tokens": 0}', book => 'pricing_lab');
SELECT unit, quantity, amount, why FROM pricing_parts('lab', 'audio', '{}', book => 'pricing_lab');
SELECT pricing_cost('lab', 'audio', '{}', book => 'pricing_lab'), pricing_cost('lab', 'audio', '{"input_tokens": 0}', book => 'pricing_lab');

-- quantities about each power of two, as long and as short as they are stored: whole units, custom units, millionths
WITH n AS (SELECT k, (2::numeric ^ k)::numeric(30, 0) + d AS n FROM generate_series(1, 56) AS k, generate_series(-1, 1) AS d)
SELECT count(*) AS quantities,
	count(*) FILTER (WHERE pricing_cost('lab', 'flat', aiusage.usage('input_tokens', n), book => 'pricing_lab') = trim_scale(n + 0.5) || ' EUR') AS whole,
	count(*) FILTER (WHERE pricing_cost('lab', 'own', aiusage.usage('gpu_minutes', n / 1000000), book => 'pricing_lab') = trim_scale(n / 4000000) || ' EUR') AS custom,
	-- no half is rounded where 3 does not divide
	count(*) FILTER (WHERE n % 3 = 0 OR pricing_cost('lab', 'thirds', aiusage.usage('audio_seconds', n / 1000000), book => 'pricing_lab')
		= trim_scale(round(n * 0.111 / 3600000000, 12)) || ' EUR') AS millionths
FROM n;

-- tiers: the last one crossed is for the whole request; strict or inclusive as the data say
SELECT n, pricing_cost('lab', 'strict', aiusage.usage('input_tokens', n), book => 'pricing_lab') AS strict,
	pricing_cost('lab', 'inclusive', aiusage.usage('input_tokens', n), book => 'pricing_lab') AS inclusive
FROM unnest(ARRAY[99, 100, 101, 200, 201]) AS n;
SELECT unit, quantity, rate, amount, split_part(why, '; provider', 1) AS why
FROM pricing_parts('lab', 'strict', '{"input_tokens": 101, "output_tokens": 7}', book => 'pricing_lab');
SELECT unit, rate, split_part(why, '; provider', 1) AS why
FROM pricing_parts('lab', 'strict', '{"input_tokens": 100, "output_tokens": 7}', book => 'pricing_lab');
-- the metric is data, too; cached tokens keep their base rate here
SELECT n, pricing_cost('lab', 'fresh', ('{"input_tokens": 150, "cache_read_tokens": ' || n || '}')::aiusage.usage, book => 'pricing_lab')
FROM unnest(ARRAY[0, 49, 50, 51]) AS n;
SELECT pricing_cost('lab', 'both', '{"input_tokens": 90, "output_tokens": 10}', book => 'pricing_lab') AS at,
	pricing_cost('lab', 'both', '{"input_tokens": 90, "output_tokens": 11}', book => 'pricing_lab') AS above;

-- minimum quantity: what is missing to it is billed on top, once
SELECT u, pricing_cost('lab', 'minimum', u::aiusage.usage, book => 'pricing_lab')
FROM unnest(ARRAY['{"audio_seconds": 0}', '{"audio_seconds": 0.5}', '{"audio_seconds": 9.999999}', '{"audio_seconds": 10}', '{"audio_seconds": 10.5}',
	'{"audio_seconds": 4, "input_audio_seconds": 4}', '{"input_audio_seconds": 4}', '{"input_audio_seconds": 40}', '{"audio_seconds": 12, "input_audio_seconds": 2}']) AS u;
SELECT model, s, pricing_cost('groq', model, aiusage.usage('audio_seconds', s)) = (aiusage.amount(round(greatest(s, 10) * r / 3600, 12), 'USD'))::text AS as_numeric
FROM (VALUES ('whisper-large-v3', 0.111), ('whisper-large-v3-turbo', 0.04)) AS m (model, r), unnest(ARRAY[0.1, 9.999, 10, 10.001, 3600]) AS s;
SELECT s, pricing_cost('lab', 'steps', aiusage.usage('audio_seconds', s), book => 'pricing_lab') FROM unnest(ARRAY[0, 1, 20, 30, 30.000001]) AS s;
SELECT quantity, split_part(why, '; provider', 1) AS why FROM pricing_parts('lab', 'steps', '{"audio_seconds": 1}', book => 'pricing_lab');

-- per request: once, unless the request says how often
SELECT pricing_cost('lab', 'flat', '{}', book => 'pricing_lab') AS once, pricing_cost('lab', 'flat', '{"requests": 3}', book => 'pricing_lab') AS thrice,
	pricing_cost('lab', 'flat', '{"requests": 0}', book => 'pricing_lab') AS never, pricing_cost('lab', 'free', '{"requests": 7}', book => 'pricing_lab') AS not_priced;

-- a multiplier
SELECT quantity, rate, per, amount, rule FROM pricing_parts('lab', 'uplift', '{"input_tokens": 1000}', book => 'pricing_lab');

-- each component is rounded once, half to even, to 1e-12
SELECT n, pricing_cost('lab', 'thirds', aiusage.usage('input_tokens', n), book => 'pricing_lab') AS thirds,
	pricing_cost('lab', 'thirds', aiusage.usage('output_tokens', n), book => 'pricing_lab') AS halves
FROM unnest(ARRAY[1, 2, 3, 5, 7]) AS n;
-- and agrees with numeric: 0.111 / 3600 a second is 185 / 6 of 1e-12 a microsecond, ties included
SELECT count(*) AS priced, count(*) FILTER (WHERE 2 * (micro * 185 % 6) = 6) AS ties,
	count(*) FILTER (WHERE cost = round(t / 3.0, 12)
		+ (div(micro * 185, 6) + CASE WHEN 2 * (micro * 185 % 6) + div(micro * 185, 6) % 2 > 6 THEN 1 ELSE 0 END) / 1000000000000) AS as_numeric
FROM (SELECT s * 1000000 AS micro, t, aiusage.price_usage('lab', 'thirds', aiusage.usage('audio_seconds', s) OPERATOR(aiusage.+) aiusage.usage('input_tokens', t), '2026-10-01', book => 'pricing_lab')::numeric AS cost
	  FROM (SELECT i * 7919 % 1000003 + i * 0.000001 AS s, i * 31 AS t FROM generate_series(1, 2000) AS i) AS r) AS p;
SELECT count(*) FILTER (WHERE total = parts) AS adds_up, count(*) AS of
FROM (SELECT aiusage.price_usage('anthropic', 'claude-sonnet-4-5', u, '2026-10-01', book => 'pricing_usage')::numeric AS total,
		(SELECT sum(amount) FROM aiusage.explain_price('anthropic', 'claude-sonnet-4-5', u, '2026-10-01', book => 'pricing_usage')) AS parts
	  FROM (SELECT ('{"input_tokens": ' || i * 977 || ', "cache_read_tokens": ' || i * 31 || ', "output_tokens": ' || i % 97 || '}')::aiusage.usage AS u
			FROM generate_series(1, 300) AS i) AS x) AS y;

-- an explicit zero is a price; no price is none
SELECT pricing_cost('lab', 'free', '{"input_tokens": 5}', book => 'pricing_lab') AS free,
	pricing_cost('lab', 'priceless', '{"input_tokens": 5}', book => 'pricing_lab') AS priceless,
	pricing_cost('lab', 'ruleless', '{"input_tokens": 5}', book => 'pricing_lab') AS ruleless,
	pricing_cost('lab', 'free', '{"output_tokens": 5}', book => 'pricing_lab') AS no_such_price;
SELECT unit, quantity, rate, amount, currency, rule, why FROM pricing_parts('lab', 'priceless', '{"input_tokens": 5}', book => 'pricing_lab');
SELECT unit, quantity, rate, amount, currency, rule, why FROM pricing_parts('lab', 'free', '{"input_tokens": 1, "output_tokens": 5}', book => 'pricing_lab');
-- custom units by name
SELECT pricing_cost('lab', 'own', '{"gpu_minutes": 2.5}', book => 'pricing_lab') AS priced, pricing_cost('lab', 'own', '{"tpu_minutes": 2.5}', book => 'pricing_lab') AS unpriced;
SELECT unit, quantity, why FROM pricing_parts('lab', 'own', '{"tpu_minutes": 2.5}', book => 'pricing_lab');
-- a price whose total, or whose overlap, has none
SELECT unit, why FROM pricing_parts('lab', 'orphan', '{"cache_read_tokens": 5}', book => 'pricing_lab');
SELECT pricing_cost('lab', 'orphan', '{"output_tokens": 5}', book => 'pricing_lab') AS not_touched;
SELECT unit, why FROM pricing_parts('lab', 'gap', '{"input_tokens": 10, "cache_read_tokens": 5, "input_audio_tokens": 5}', book => 'pricing_lab');
SELECT unit, split_part(why, ':', 1) AS why FROM pricing_parts('lab', 'gap', '{"input_tokens": 10, "cache_read_tokens": 0, "input_audio_tokens": 5, "cache_audio_read_tokens": 5}', book => 'pricing_lab');
SELECT pricing_cost('lab', 'gap', '{"input_tokens": 10, "cache_read_tokens": 5}', book => 'pricing_lab') AS no_overlap;
SELECT unit, why FROM pricing_parts('lab', 'above', '{"input_tokens": 100}', book => 'pricing_lab');
SELECT pricing_cost('lab', 'above', '{"input_tokens": 101}', book => 'pricing_lab') AS above;

-- contradictory usage is an error, never clamped
SELECT aiusage.price_usage('lab', 'audio', '{"input_tokens": 10, "cache_read_tokens": 11}', '2026-10-01', book => 'pricing_lab');
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.price_usage('lab', 'audio', '{"input_tokens": 10, "cache_read_tokens": 6, "input_audio_tokens": 5}', '2026-10-01', book => 'pricing_lab');
SELECT aiusage.price_usage('lab', 'audio', '{"cache_read_tokens": 6}', '2026-10-01', book => 'pricing_lab');
SELECT aiusage.price_usage('lab', 'audio', '{"input_tokens": 20, "cache_read_tokens": 6, "input_audio_tokens": 5}', '2026-10-01', book => 'pricing_lab');
SELECT aiusage.price_usage('lab', 'fresh', '{"input_tokens": 20, "cache_read_tokens": 21}', '2026-10-01', book => 'pricing_lab');
SELECT why FROM pricing_parts('lab', 'audio', '{"input_tokens": 10, "cache_read_tokens": 11}', book => 'pricing_lab');

-- out of range
SELECT aiusage.price_usage('lab', 'dear', '{"input_tokens": 5000000000}', '2026-10-01', book => 'pricing_lab') AS fits;
SELECT aiusage.price_usage('lab', 'dear', '{"input_tokens": 6000000000}', '2026-10-01', book => 'pricing_lab');
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.price_usage('lab', 'dear', '{"input_tokens": 999999999999999999}', '2026-10-01', book => 'pricing_lab');
SELECT why FROM pricing_parts('lab', 'dear', '{"input_tokens": 999999999999999999}', book => 'pricing_lab');

-- arguments
SELECT aiusage.price_usage('lab', 'audio', '{}', '2026-10-01', book => 'pricing_no_such_book');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM aiusage.explain_price('lab', 'audio', '{}', '2026-10-01', book => 'pricing_no_such_book');
SELECT aiusage.price_usage('lab', 'audio', '{}', 'infinity', book => 'pricing_lab');
SELECT aiusage.price_usage(repeat('x', 257), 'audio', '{}', '2026-10-01', book => 'pricing_lab');
SELECT aiusage.price_usage(NULL, 'audio', '{}', '2026-10-01') IS NULL AS provider, aiusage.price_usage('lab', NULL, '{}', '2026-10-01') IS NULL AS model,
	aiusage.price_usage('lab', 'audio', NULL, '2026-10-01') IS NULL AS usage, aiusage.price_usage('lab', 'audio', '{}', NULL) IS NULL AS at;
SELECT count(*) FROM aiusage.explain_price(NULL, 'audio', '{}', '2026-10-01');
SELECT * FROM aiusage.explain_price_under(0, 'lab', 'audio', '{}', '2026-10-01');
SELECT count(*) FROM aiusage.explain_price_under(NULL, 'lab', 'audio', '{}', '2026-10-01');
-- what is asked for is compared, never run
SELECT pricing_cost($$lab'; DROP TABLE aiusage.price; --$$, $$audio' OR '1'='1$$, '{}', book => 'pricing_lab') AS injected,
	pricing_cost('lab', '%', '{}', book => 'pricing_lab') AS pattern, pricing_cost('lab', '.*', '{}', book => 'pricing_lab') AS regex,
	pricing_cost('', '', '{}', book => 'pricing_lab') AS empty;
SELECT regexp_replace(why, 'version \d+', 'version N') AS why FROM pricing_parts($$lab'; --$$, 'audio', '{}', book => 'pricing_lab');
SELECT count(*) > 0 AS still_there FROM aiusage.price;

DROP FUNCTION pricing_cost, pricing_parts;
