-- The review of a version: what differs, what looks wrong; and what was believed when
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = public, aiusage;
INSERT INTO price_book (book, kind, currency, inherits) VALUES ('rv_list', 'list', 'USD', NULL), ('rv_deal', 'cost', 'USD', 'rv_list'), ('rv_eur', 'list', 'EUR', NULL);
CREATE FUNCTION rv_import(catalogue jsonb, effective_from timestamptz DEFAULT '-infinity', book text DEFAULT 'rv_list') RETURNS int LANGUAGE sql AS $$ SELECT import_prices($3, 'aiusage', $1, $2)::int $$;
CREATE FUNCTION rv_found(version int) RETURNS TABLE (severity text, entry text, unit text, problem text) LANGUAGE sql AS $$
	SELECT severity, concat_ws('/', provider, model) || coalesce(' #' || rule, ''), unit, regexp_replace(problem, 'version \d+', 'version N', 'g') FROM validate_prices($1) $$;

-- nothing wrong
SELECT rv_import('{"providers": [{"provider": "lab", "match": {"contains": "lab"}, "models": [
	{"model": "m", "rules": [{"prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000}, {"unit": "input_tokens", "rate": 6, "per": 1000000, "tier_start": 200000, "tier_metric": "input_tokens", "tier_inclusive": false},
		{"unit": "output_tokens", "rate": 15, "per": 1000000}]}, {"service_tier": "batch", "multiplier": 0.5, "prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000}, {"unit": "output_tokens", "rate": 15, "per": 1000000}]}]},
	{"model": "night", "rules": [{"prices": [{"unit": "requests", "rate": 1}]}, {"time_from": "22:00", "time_to": "06:00", "time_zone": "Europe/Berlin", "prices": [{"unit": "requests", "rate": 0.5}]}]},
	{"model": "around", "rules": [{"time_from": "06:00", "time_to": "22:00", "time_zone": "Europe/Berlin", "prices": [{"unit": "requests", "rate": 1}]}, {"time_from": "22:00", "time_to": "06:00", "time_zone": "Europe/Berlin", "prices": [{"unit": "requests", "rate": 0.5}]}]},
	{"model": "year", "rules": [{"ends_at": "2026-01-01T00:00:00Z", "prices": [{"unit": "requests", "rate": 1}]}, {"starts_at": "2026-01-01T00:00:00Z", "prices": [{"unit": "requests", "rate": 2}]}]},
	{"model": "gone", "rules": [{"prices": [{"unit": "requests", "rate": 1}]}]}]}]}') AS first \gset
SELECT * FROM rv_found(:first);
SELECT * FROM validate_prices(0);
SELECT * FROM diff_prices(:first, :first);

-- every kind of thing
SELECT draft_prices('rv_list', '2026-06-01', 'everything wrong') AS draft \gset
SELECT load_prices(:draft, '{"providers": [{"provider": "lab", "name": "The Lab", "models": [
	{"model": "m", "rules": [{"prices": [{"unit": "input_tokens", "rate": 30, "per": 1000000}, {"unit": "input_tokens", "rate": 20, "per": 1000000, "tier_start": 200000, "tier_metric": "input_tokens", "tier_inclusive": false},
		{"unit": "input_tokens", "rate": 40, "per": 1000000, "tier_start": 300000, "tier_metric": "input_tokens+output_tokens", "tier_inclusive": false}, {"unit": "output_tokens", "rate": 0, "per": 1000}]}]},
	{"model": "m-2", "match": {"starts_with": "m"}, "rules": [{"prices": [{"unit": "cache_read_tokens", "rate": 1}, {"unit": "output_tokens", "rate": 2, "tier_start": 10, "tier_metric": "output_tokens", "tier_inclusive": true}]}]},
	{"model": "m-3", "rules": [{"prices": [{"unit": "input_tokens", "rate": 1}, {"unit": "cache_read_tokens", "rate": 1}, {"unit": "input_audio_tokens", "rate": 1}]}]},
	{"model": "empty", "rules": []}, {"model": "bare", "rules": [{"prices": []}]},
	{"model": "twice", "rules": [{"service_tier": "batch", "prices": [{"unit": "requests", "rate": 1}]}, {"service_tier": "BATCH", "prices": [{"unit": "requests", "rate": 2}]}, {"service_tier": "batch", "region": "eu", "prices": [{"unit": "requests", "rate": 2}]},
		{"prices": [{"unit": "requests", "rate": 1}]}, {"weekdays": [1, 2], "prices": [{"unit": "requests", "rate": 3}]}, {"service_tier": "auto", "multiplier": 0, "prices": [{"unit": "requests", "rate": 4}]}]},
	{"model": "past", "rules": [{"prices": [{"unit": "requests", "rate": 1}]}, {"ends_at": "2026-06-01T00:00:00Z", "prices": [{"unit": "requests", "rate": 3}]}]},
	{"model": "weekdays", "rules": [{"weekdays": [1, 2, 3, 4, 5], "time_zone": "America/New_York", "prices": [{"unit": "requests", "rate": 1}]}]},
	{"model": "hours", "rules": [{"time_from": "06:00", "time_to": "22:00", "prices": [{"unit": "requests", "rate": 1}]}, {"time_from": "22:30", "time_to": "06:00", "prices": [{"unit": "requests", "rate": 2}]}]},
	{"model": "later", "rules": [{"service_tier": "flex", "endpoint": "chat", "starts_at": "2026-07-01T00:00:00Z", "prices": [{"unit": "requests", "rate": 1}]}]},
	{"model": "starred", "rules": [{"service_tier": "*", "prices": [{"unit": "requests", "rate": 1}]}, {"service_tier": "flex", "starts_at": "2026-07-01T00:00:00Z", "prices": [{"unit": "requests", "rate": 1}]}]},
	{"model": "year", "rules": [{"ends_at": "2026-01-01T00:00:00Z", "prices": [{"unit": "requests", "rate": 1}]}, {"starts_at": "2026-01-01T00:00:00Z", "prices": [{"unit": "requests", "rate": 0.4, "per": 1, "min_quantity": 2}]}]}]}]}'::jsonb -> 'providers');
UPDATE price_version SET effective_to = '2027-01-01' WHERE version = :draft;
SELECT * FROM rv_found(:draft);
SELECT DISTINCT what_to_do FROM validate_prices(:draft) ORDER BY 1;
-- a hole is a hole: nothing is priced there, and everything right before or after
SELECT h.model, h.names, h.at, count(e.amount) AS priced FROM price_holes(:draft) AS h,
	explain_price_under(:draft, 'lab', h.model, '{}', h.at, substring(h.names FROM 'service tier (\w+)'), substring(h.names FROM 'endpoint (\w+)')) AS e GROUP BY 1, 2, 3 ORDER BY 1;
-- the same, as differences
SELECT change, what, model, names, unit, tier, old_rate, new_rate, per, ratio, old_value, new_value FROM diff_prices(:first, :draft);
-- backwards: what was added is removed, and ratios are turned round
SELECT count(*) AS rows, count(*) FILTER (WHERE b.what IS NOT NULL) AS reversed
FROM diff_prices(:first, :draft) AS a LEFT JOIN diff_prices(:draft, :first) AS b
	ON (b.what, b.provider, coalesce(b.model, ''), coalesce(b.names, ''), coalesce(b.unit, ''), coalesce(b.tier, '')) = (a.what, a.provider, coalesce(a.model, ''), coalesce(a.names, ''), coalesce(a.unit, ''), coalesce(a.tier, ''))
	AND b.change = CASE a.change WHEN 'added' THEN 'removed' WHEN 'removed' THEN 'added' ELSE a.change END AND (a.ratio IS NULL OR a.ratio = 0 OR abs(a.ratio * b.ratio - 1) < 0.00001);
-- rates are compared for the same quantity, exactly
SELECT rv_import('{"providers": [{"provider": "lab", "models": [{"model": "s", "rules": [{"prices": [{"unit": "input_audio_seconds", "rate": 0.36, "per": 3600}, {"unit": "requests", "rate": 1, "per": 3}]}]}]}]}', '2020-01-01', 'rv_eur') AS hourly \gset
SELECT rv_import('{"providers": [{"provider": "lab", "models": [{"model": "s", "rules": [{"multiplier": 0.1, "prices": [{"unit": "input_audio_seconds", "rate": 0.001, "per": 1}, {"unit": "requests", "rate": 2, "per": 3}]}]}]}]}', '2020-01-01', 'rv_eur') AS by_second \gset
SELECT change, unit, old_rate, new_rate, per, currency, ratio FROM diff_prices(:hourly, :by_second);
-- nothing goes on where a version ends
UPDATE price_version SET effective_to = '2021-01-01' WHERE version = (SELECT draft_prices('rv_eur', '2019-01-01'));
SELECT problem FROM rv_found((SELECT max(version) FROM price_version WHERE book = 'rv_eur')) WHERE entry = '';
SELECT draft_prices('rv_deal', '2010-01-01') AS early \gset
UPDATE price_version SET effective_to = '2011-01-01' WHERE version = :early;
SELECT problem FROM rv_found(:early) WHERE entry = '';
-- overrides
SELECT draft_prices('rv_deal', '2026-06-01') AS deal \gset
INSERT INTO price_override (version, override, provider, model, unit, service_tier, kind, value, per) VALUES (:deal, 0, NULL, NULL, NULL, NULL, 'discount', 10, 1), (:deal, 1, 'LAB', 'M', NULL, NULL, 'discount', 100, 1),
	(:deal, 2, 'lab', 'm', NULL, NULL, 'markup', 5, 1), (:deal, 3, 'lab', 'unknown-*', NULL, NULL, 'discount', 5, 1), (:deal, 4, 'nobody', NULL, NULL, NULL, 'discount', 5, 1), (:deal, 5, NULL, 'nig*', 'web_searches', NULL, 'discount', 5, 1),
	(:deal, 6, NULL, 'night', 'web_searches', NULL, 'rate', 0, 1), (:deal, 7, NULL, 'own', NULL, NULL, 'markup', 1, 1);
INSERT INTO price_provider (version, provider, ordinal) VALUES (:deal, 'lab', 1);
INSERT INTO price_model (version, provider, model, ordinal) VALUES (:deal, 'lab', 'own', 1);
INSERT INTO price_rule (version, provider, model) VALUES (:deal, 'lab', 'own');
INSERT INTO price (version, provider, model, unit, rate) VALUES (:deal, 'lab', 'own', 'requests', 1);
SELECT * FROM rv_found(:deal);
SELECT publish_prices(:deal);
SELECT draft_prices('rv_deal', '2026-07-01', copy_from => :deal) AS next \gset
UPDATE price_override SET value = 12.50 WHERE version = :next AND override = 0;
DELETE FROM price_override WHERE version = :next AND override IN (2, 5);
INSERT INTO price_override (version, override, model, kind, value) VALUES (:next, 9, 'year', 'fixed', 0.01);
SELECT change, what, provider, model, unit, names, old_value, new_value FROM diff_prices(:deal, :next);
\set VERBOSITY terse
SELECT * FROM diff_prices(:first, 0);
SELECT * FROM diff_prices(:first, NULL);
\set VERBOSITY sqlstate
SELECT * FROM diff_prices(:first, :hourly);

-- future-dated, back-dated, and what was believed: publications of which each knows less
CREATE TABLE rv_known AS SELECT 0 AS n, clock_timestamp() AS at;
CREATE FUNCTION rv_publish(rate numeric, effective_from timestamptz, effective_to timestamptz DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	v int := draft_prices('rv_eur', rv_publish.effective_from);
BEGIN
	UPDATE price_version SET effective_to = rv_publish.effective_to WHERE version = v;
	PERFORM load_prices(v, format('[{"provider": "lab", "models": [{"model": "s", "rules": [{"prices": [{"unit": "requests", "rate": %s}]}]}]}]', rate)::jsonb);
	PERFORM publish_prices(v);
	INSERT INTO rv_known SELECT max(n) + 1, clock_timestamp() FROM rv_known;
END $$;
SELECT rv_publish(10, '2020-01-01'), rv_publish(20, '2999-01-01'), rv_publish(11, '2021-01-01', '2022-01-01'), rv_publish(12, '2019-06-01'), rv_publish(13, '2998-01-01', '2999-06-01');
SELECT k.n AS publications, string_agg(coalesce(price_usage_known_at(k.at, 'lab', 's', '{}', t, book => 'rv_eur')::numeric::text, '-'), ' ' ORDER BY t) AS believed
FROM rv_known AS k, unnest('{2019-01-01, 2019-07-01, 2020-06-01, 2021-06-01, 2022-06-01, 2998-06-01, 2999-03-01, 2999-09-01}'::timestamptz[]) AS t GROUP BY k.n ORDER BY k.n;
SELECT string_agg(coalesce(price_usage('lab', 's', '{}', t, book => 'rv_eur')::numeric::text, '-'), ' ' ORDER BY t) AS today
FROM unnest('{2019-01-01, 2019-07-01, 2020-06-01, 2021-06-01, 2022-06-01, 2998-06-01, 2999-03-01, 2999-09-01}'::timestamptz[]) AS t;
DROP TABLE rv_known;
DROP FUNCTION rv_import, rv_found, rv_publish;
