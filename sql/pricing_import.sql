-- Import and export of catalogues
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('pricing_import', 'list', 'USD'), ('pricing_copy', 'list', 'USD'), ('pricing_import_eur', 'list', 'EUR');
CREATE FUNCTION pricing_versions(book text) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM aiusage.price_version v WHERE v.book = $1 $$;

-- the shipped catalogue; it names its format itself
SELECT aiusage.import_prices('pricing_import', 'genai-prices', aiusage.default_catalogue(), '2026-01-01', 'catalogue') AS v1 \gset
-- statistics that know nothing of the next version must not make a plan of hours for it
ANALYZE aiusage.price_provider, aiusage.price_model, aiusage.price_rule, aiusage.price;
SELECT aiusage.import_prices('pricing_import', 'genai-prices', aiusage.default_catalogue(), '2026-01-01') = :v1 AS same,
	aiusage.import_prices('pricing_import', 'aiusage', aiusage.default_catalogue(), '2026-05-01', 'another label') = :v1 AS same_later,
	pricing_versions('pricing_import') AS versions;
SELECT count(*) AS providers, (SELECT count(*) FROM aiusage.price_model WHERE version = :v1) AS models,
	(SELECT count(*) FROM aiusage.price_rule WHERE version = :v1) AS rules, (SELECT count(*) FROM aiusage.price WHERE version = :v1) AS prices,
	(SELECT count(*) FROM aiusage.price_import_issue WHERE version = :v1) AS issues
FROM aiusage.price_provider WHERE version = :v1;
SELECT source, source_version, source_date, label FROM aiusage.price_version WHERE version = :v1;
SELECT provider, model, unit, trim_scale(rate) AS rate, per, min_quantity FROM aiusage.price WHERE version = :v1 AND min_quantity IS NOT NULL ORDER BY 1, 2, 3;

-- export and import again: the same content, and nothing is lost
SELECT aiusage.import_prices('pricing_copy', 'aiusage', aiusage.export_prices(:v1), '2026-01-01') AS v2 \gset
SELECT aiusage.export_prices(:v1) = aiusage.export_prices(:v2) AS equal, aiusage.prices_checksum(:v1) = aiusage.prices_checksum(:v2) AS checksum;
SELECT aiusage.import_prices('pricing_copy', 'aiusage', aiusage.export_prices(:v1), '2026-01-01') = :v2 AS same;
-- earlier than the newest version is effective: a version of its own
SELECT aiusage.import_prices('pricing_copy', 'aiusage', aiusage.export_prices(:v1), '2025-01-01') > :v2 AS another;
-- also what no catalogue of others has
SELECT aiusage.import_prices('pricing_copy', 'aiusage', $${"format": "aiusage", "format_version": 1, "currency": "USD", "source": "a contract", "version": "7", "date": "2026-02-03",
	"providers": [{"provider": "lab", "name": "Lab", "match": {"contains": "laboratory"}, "model_match": {"starts_with": "lab-"}, "fallbacks": ["other", "third"], "models": [
		{"model": "m", "match": {"or": [{"equals": "m"}, {"and": [{"starts_with": "m-"}, {"regex": "[0-9]$"}]}]}, "rules": [
			{"rule": 3, "service_tier": "batch", "endpoint": "chat", "region": "eu", "starts_at": "2026-01-01T00:00:00+00:00", "ends_at": "2027-01-01T00:00:00.5+00:00",
			 "weekdays": [1, 2, 7], "time_from": "22:00:00.25", "time_to": "06:00:00", "time_zone": "Europe/Berlin", "multiplier": 1.25, "note": "uplift", "prices": [
				{"unit": "audio_seconds", "rate": 0.123456789012345678, "per": 3600, "min_quantity": 10.5, "quantity_step": 0.5},
				{"unit": "audio_seconds", "rate": 0, "per": 3600, "tier_start": 99.5, "tier_metric": "audio_seconds-input_audio_seconds", "tier_inclusive": true},
				{"unit": "gpu_minutes", "rate": 1, "per": 1}]}]},
		{"model": "none", "rules": []}]},
		{"provider": "empty", "models": []}]}$$, '2026-01-01') AS v3 \gset
SELECT jsonb_pretty(aiusage.export_prices(:v3));
SELECT aiusage.import_prices('pricing_copy', 'aiusage', aiusage.export_prices(:v3), '2026-01-01') = :v3 AS same;

-- the two wire forms of genai-prices, and its oddities
CREATE FUNCTION pricing_genai(prices jsonb, model text DEFAULT 'm', extra jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_array(jsonb_build_object('id', 'lab', 'models', jsonb_build_array(jsonb_build_object('id', $2, 'match', '{"equals": "m"}'::jsonb, 'prices', $1) || $3))) $$;
CREATE FUNCTION pricing_rules(v bigint) RETURNS jsonb LANGUAGE sql AS $$ SELECT aiusage.export_prices(v::int) #> '{providers,0,models,0,rules}' $$;
SELECT aiusage.import_prices('pricing_import', 'genai-prices', pricing_genai('[{"prices": {"input_mtok": 1}}, {"constraint": {"start_date": "2026-02-03"}, "prices": {"input_mtok": 2}},
	{"constraint": {"start_time": "22:30:00+08:00", "end_time": "01:00:00-02:30"}, "prices": {"input_mtok": {"base": 3, "tiers": [{"start": 200, "price": 5}, {"start": 100, "price": 4}]}}}]'), '2026-01-01') AS v4 \gset
SELECT jsonb_pretty(pricing_rules(:v4));
SELECT aiusage.import_prices('pricing_import', 'genai-prices', pricing_genai('[{"prices": {"input_mtok": 1}}, {"constraint": {"type": "start_date", "start_date": "2026-02-03"}, "prices": {"input_mtok": 2}},
	{"constraint": {"type": "time_of_date", "start_time": "22:30:00+08:00", "end_time": "01:00:00-02:30"}, "prices": {"input_mtok": {"base": 3, "tiers": [{"start": 100, "price": 4}, {"start": 200, "price": 5}]}}}]'), '2026-01-01') = :v4 AS same;
-- the first set holds when nothing else does, whatever it says
SELECT aiusage.import_prices('pricing_import', 'genai-prices', pricing_genai('[{"constraint": {"start_date": "2030-01-01"}, "prices": {"input_mtok": 1}}, {"constraint": {"start_date": "2026-02-03"}, "prices": {"input_mtok": 2}}]'), '2026-01-01') AS v5 \gset
SELECT at, aiusage.price_usage('lab', 'm', '{"input_tokens": 1000000}', at, book => 'pricing_import') FROM unnest('{2026-02-02 23:59:59.999Z, 2026-02-03Z}'::timestamptz[]) AS at;

-- what cannot be represented is reported, and prices nothing
SET client_min_messages = error;
SELECT aiusage.import_prices('pricing_import', 'genai-prices', '[{"id": "lab", "surprise": 1, "models": [
	{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 1, "smell_mtok": 2}, "weather": "fine"},
	{"id": "m", "match": {"equals": "n"}, "prices": {"input_mtok": 1}},
	{"id": "o", "match": {"equals": "o"}, "prices": [{"prices": {"input_mtok": 1}}, {"constraint": {"start_time": "10:00:00Z", "end_time": "12:00:00+02:00"}, "prices": {"input_mtok": 2}, "why": "?"}]}]}]', '2026-01-01') AS v6 \gset
RESET client_min_messages;
SELECT issue, provider, model, key, problem FROM aiusage.price_import_issue WHERE version = :v6 ORDER BY issue;
SELECT aiusage.price_usage('lab', 'm', '{"input_tokens": 1000000}', '2026-10-01', book => 'pricing_import');
-- with a warning
DO $$
DECLARE v bigint;
BEGIN
	SET LOCAL client_min_messages = error;
	v := aiusage.import_prices('pricing_import', 'genai-prices', pricing_genai('{"input_mtok": 3, "smell_mtok": 2}'), '2026-01-01');
	RAISE NOTICE 'issues: %', (SELECT count(*) FROM aiusage.price_import_issue WHERE version = v);
END $$;

-- clear errors, and nothing half imported
SELECT count(*) AS before FROM aiusage.price_version WHERE book LIKE 'pricing_import%' \gset
CREATE FUNCTION pricing_refused(format text, catalog jsonb, book text DEFAULT 'pricing_import') RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text; h text;
BEGIN
	PERFORM aiusage.import_prices(book, format, catalog, '2026-01-01');
	RETURN 'imported';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, regexp_replace(d, '\(\d+, ', '(N, '));
END $$;
SELECT pricing_refused('genai-prices', c) FROM unnest(ARRAY[
	'"x"', '{}', '[1]', '[{"models": []}]', '[{"id": "lab"}]', '[{"id": "lab", "models": [{}]}]', '[{"id": "lab", "models": [{"id": "m"}]}]',
	'[{"id": "lab", "models": []}]', '[{"id": "lab", "models": []}, {"id": "lab", "models": []}]', '[{"id": "lab", "models": [{"id": "m", "match": "m", "prices": {}}]}]',
	'[{"id": "lab", "provider_match": {"like": "x"}, "models": []}]', '[{"id": "lab", "fallback_model_providers": [1], "models": []}]']::jsonb[]) AS c;
SELECT p, pricing_refused('genai-prices', pricing_genai(p)) FROM unnest(ARRAY['[]', '5', '[5]', '[{"prices": 5}]', '{"input_mtok": "3"}', '{"input_mtok": -3}', '{"input_mtok": null}', '{"input_mtok": 1e13}', '{"input_mtok": 1e-30}',
	'{"input_mtok": {"base": 1}}', '{"input_mtok": {"base": -1, "tiers": []}}', '{"input_mtok": {"base": 1, "tiers": [{"start": -1, "price": 1}]}}', '{"input_mtok": {"base": 1, "tiers": [{"start": 1.5, "price": 1}]}}',
	'{"input_mtok": {"base": 1, "tiers": [{"start": 1, "price": -1}]}}', '{"input_mtok": {"base": 1, "tiers": [{"price": 1}]}}']::jsonb[]) AS p;
SELECT c, pricing_refused('genai-prices', pricing_genai(jsonb_build_array('{"prices": {"input_mtok": 1}}'::jsonb, jsonb_build_object('constraint', c, 'prices', '{"input_mtok": 2}'::jsonb))))
FROM unnest(ARRAY['1', '{}', '{"start_date": "2026-02-30"}', '{"start_date": "soon"}', '{"start_date": "2026-01-01", "type": "time_of_date"}', '{"start_time": "10:00:00Z"}', '{"start_time": "24:00:00Z", "end_time": "10:00:00Z"}',
	'{"start_time": "09:00:00", "end_time": "10:00:00Z"}', '{"start_time": "09:00:00+24:00", "end_time": "10:00:00Z"}', '{"moon": "full"}']::jsonb[]) AS c;
SELECT pricing_refused('genai-prices', pricing_genai('{"input_mtok": 1}', extra => '{"match": {"regex": "(("}}')),
	pricing_refused('genai-prices', pricing_genai('{"input_mtok": 1}', model => repeat('m', 257)));
SELECT p, pricing_refused('aiusage', jsonb_build_object('providers', jsonb_build_array(jsonb_build_object('provider', 'lab', 'models', jsonb_build_array(jsonb_build_object('model', 'm', 'rules', jsonb_build_array(p)))))))
FROM unnest(ARRAY['{}', '{"prices": [{}]}', '{"prices": [{"unit": "input_tokens"}]}', '{"prices": [{"unit": "input_tokens", "rate": "1"}]}', '{"prices": [{"unit": "input_tokens", "rate": -1}]}', '{"prices": [{"unit": "Input", "rate": 1}]}',
	'{"prices": [{"unit": "input_tokens", "rate": 1}, {"unit": "input_tokens", "rate": 2}]}', '{"prices": [{"unit": "input_tokens", "rate": 1, "tier_start": 5}]}', '{"prices": [{"unit": "input_tokens", "rate": 1, "colour": "red"}]}',
	'{"rule": 1.5, "prices": []}', '{"weekdays": ["x"], "prices": []}', '{"time_zone": "Mars", "prices": []}', '{"time_from": "25:00", "time_to": "26:00", "prices": []}', '{"starts_at": "never", "prices": []}', '{"price": []}']::jsonb[]) AS p;
SELECT pricing_refused('aiusage', '{"format": "aiusage", "format_version": 2, "providers": []}'), pricing_refused('aiusage', '{"format": "litellm", "providers": []}'), pricing_refused('aiusage', '[]'),
	pricing_refused('aiusage', '{"date": "yesterday", "providers": []}');
SELECT pricing_refused('aiusage', '{"providers": []}') AS empty, pricing_refused('csv', '{}') AS format, pricing_refused('genai-prices', '[]', 'pricing_no_such_book') AS book,
	pricing_refused('genai-prices', pricing_genai('{"input_mtok": 1}'), 'pricing_import_eur') AS currency, pricing_refused(NULL, '[]') AS nulls;
SELECT count(*) = :before AS nothing_half_imported FROM aiusage.price_version WHERE book LIKE 'pricing_import%';
SELECT count(*) AS without_version FROM aiusage.price_provider AS p WHERE NOT EXISTS (SELECT FROM aiusage.price_version AS v WHERE v.version = p.version);

-- text that looks like SQL is text
SELECT aiusage.import_prices('pricing_import', 'genai-prices', $$[{"id": "l'ab\"; --", "models": [{"id": "m'); DROP TABLE x; --", "match": {"equals": "it's"}, "prices": {"input_mtok": 1}}]}]$$, '2026-01-01') IS NOT NULL AS imported;
SELECT aiusage.price_usage($$l'ab"; --$$, $$IT'S$$, '{"input_tokens": 1000000}', '2026-10-01', book => 'pricing_import');

SELECT aiusage.export_prices(0);
SELECT aiusage.prices_checksum(0);

DROP FUNCTION pricing_versions, pricing_genai, pricing_rules, pricing_refused;
