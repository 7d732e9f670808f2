-- Negotiated books: what a book makes of the prices it inherits, exactly, and how it says so
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = public, aiusage;

INSERT INTO price_book (book, kind, currency, inherits) VALUES ('ov_list', 'list', 'USD', NULL), ('ov_acme', 'cost', 'USD', 'ov_list'), ('ov_resale', 'charge', 'USD', 'ov_acme');
SELECT import_prices('ov_list', 'aiusage', $$ {"providers": [
	{"provider": "lab", "match": {"or": [{"equals": "lab"}, {"equals": "the-lab"}]}, "models": [
		{"model": "big", "rules": [
			{"rule": 0, "prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000}, {"unit": "input_tokens", "rate": 6, "per": 1000000, "tier_start": 1000, "tier_metric": "input_tokens", "tier_inclusive": false},
				{"unit": "cache_read_tokens", "rate": 0.3, "per": 1000000}, {"unit": "output_tokens", "rate": 15, "per": 1000000}, {"unit": "web_searches", "rate": 0.01}]},
			{"rule": 1, "service_tier": "batch", "multiplier": 0.5, "prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000}, {"unit": "output_tokens", "rate": 15, "per": 1000000}]},
			{"rule": 2, "region": "eu", "multiplier": 1.1, "prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000}, {"unit": "output_tokens", "rate": 15, "per": 1000000}]}]},
		{"model": "big-mini", "rules": [{"prices": [{"unit": "input_tokens", "rate": 0.1, "per": 3}, {"unit": "output_tokens", "rate": 0.7, "per": 3}]}]},
		{"model": "speech", "rules": [{"prices": [{"unit": "input_audio_seconds", "rate": 0.111, "per": 3600, "min_quantity": 10}, {"unit": "requests", "rate": 0.02}]}]},
		{"model": "own", "rules": [{"prices": [{"unit": "input_tokens", "rate": 1}]}]},
		{"model": "empty", "rules": []}]},
	{"provider": "cloud", "fallbacks": ["lab"], "models": []}]} $$, '-infinity') > 0 AS list;

-- 15 % off, 20 % off big, batch 60 % off, a cached rate, a rate for what is not priced, markups, a fixed price
SELECT import_prices('ov_acme', 'aiusage', $$ {"providers": [
	{"provider": "lab", "models": [{"model": "own", "rules": [{"prices": [{"unit": "input_tokens", "rate": 7}]}]}]}],
	"overrides": [
	{"kind": "discount", "value": 15},
	{"model": "BIG", "kind": "discount", "value": 20},
	{"model": "big", "service_tier": "Batch", "kind": "discount", "value": 60},
	{"model": "big", "unit": "cache_read_tokens", "kind": "rate", "value": 0.2, "per": 1000000, "note": "clause 4"},
	{"unit": "file_searches", "kind": "rate", "value": 0.0025},
	{"model": "big-*", "unit": "output_tokens", "kind": "markup", "value": 2.5},
	{"provider": "cloud", "model": "big", "kind": "markup", "value": 10},
	{"model": "speech", "kind": "fixed", "value": 0.5}
	]} $$, '2026-01-01') AS acme \gset

CREATE FUNCTION ov(model text, usage usage, tier text DEFAULT NULL, region text DEFAULT NULL, provider text DEFAULT 'lab', book text DEFAULT 'ov_acme', at timestamptz DEFAULT '2026-06-01')
	RETURNS TABLE (unit text, quantity numeric, rate numeric, per numeric, amount numeric, own boolean, why text) LANGUAGE sql STABLE AS $$
	SELECT e.unit, e.quantity, e.rate, e.per, e.amount, (SELECT v.book FROM aiusage.price_version AS v WHERE v.version = e.version) = $6,
		regexp_replace(e.why, 'version \d+', 'version N', 'g')
	FROM aiusage.explain_price($5, $1, $2, $7, $3, NULL, $4, $6) AS e $$;
-- one applies to each unit, the most specific one; tiers go on
SELECT * FROM ov('big', '{"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 10, "web_searches": 2}');
SELECT unit, rate, amount FROM ov('big', '{"input_tokens": 1001, "cache_read_tokens": 400, "output_tokens": 10}');
-- before the contract, and in the book it inherits from: as it is listed
SELECT unit, rate, amount, own FROM ov('big', '{"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 10}', at => '2025-12-31 23:59:59Z');
-- by service tier; a rate that names none is not for batch; a rule's multiplier and the override's
SELECT unit, rate, amount, why FROM ov('big', '{"input_tokens": 1000, "output_tokens": 10}', tier => 'batch');
SELECT unit, rate, amount, why FROM ov('big', '{"input_tokens": 1000}', region => 'eu');
-- a unit that has no price at list
SELECT unit, rate, amount, why FROM ov('big', '{"input_tokens": 1000, "file_searches": 3}');
SELECT price_usage('lab', 'big', '{"input_tokens": 1000, "file_searches": 3}', '2026-06-01', book => 'ov_list') AS unpriced;
-- exact thirds: 0.1/3 less 15 %, 0.7/3 plus 2.5 %
SELECT unit, rate, per, amount, round(quantity * CASE unit WHEN 'input_tokens' THEN 0.1 * 0.85 ELSE 0.7 * 1.025 END / 3, 12) AS by_numeric
FROM ov('big-mini', '{"input_tokens": 7, "output_tokens": 11}');
-- a fixed price, whatever was used; the provider asked for, not the one whose entry it is
SELECT * FROM ov('speech', '{"input_audio_seconds": 1, "gpu_minutes": 3}');
SELECT unit, rate, amount FROM ov('big', '{"input_tokens": 1000, "output_tokens": 10}', provider => 'cloud');
SELECT unit, rate, amount FROM ov('big', '{"input_tokens": 1000, "output_tokens": 10}', provider => 'The-Lab');
-- models of its own are not inherited; an entry without prices stays without
SELECT unit, rate, amount, own, why FROM ov('own', '{"input_tokens": 2}');
SELECT unit, amount, own, split_part(why, ':', 1) AS why FROM ov('empty', '{"input_tokens": 2}');
SELECT unit, amount, split_part(why, ';', 1) AS why FROM ov('big', '{"input_tokens": 2, "gpu_minutes": 1}');
SELECT unit, amount, own, split_part(why, ':', 1) AS why FROM ov('nothing', '{"input_tokens": 2}');

-- on top of that: what is billed, 10 % on everything and nothing for a request
SELECT import_prices('ov_resale', 'aiusage', '{"providers": [], "overrides": [{"kind": "markup", "value": 10}, {"unit": "web_searches", "kind": "rate", "value": 0}]}', '2026-03-01') AS resale \gset
SELECT unit, rate, amount, own, why FROM ov('big', '{"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 10, "web_searches": 2}', book => 'ov_resale');
SELECT unit, rate, amount FROM ov('speech', '{"input_audio_seconds": 1}', book => 'ov_resale');
SELECT unit, rate, amount FROM ov('own', '{"input_tokens": 2}', book => 'ov_resale');
SELECT unit, rate, amount, own FROM ov('big', '{"input_tokens": 1000}', book => 'ov_resale', at => '2026-02-28');

-- a row is stamped with the version whose overrides it has, and explained by what that inherited then
SELECT put_key('{"key": "ov-key", "team": "ov", "price_book": "ov_acme", "charge_book": "ov_resale"}') > 0 AS key;
UPDATE setting SET value = 'ov_list' WHERE name = 'default_book';
INSERT INTO usage_record (id, api_key, provider, model, usage) VALUES (event_id('ov-1', '2026-06-01'), 'ov-key', 'lab', 'big', '{"input_tokens": 1000, "output_tokens": 10}');
SELECT cost, list_cost, charge, price_version = :acme AS stamped FROM usage_record WHERE api_key = 'ov-key';
SELECT draft_prices('ov_list', '-infinity', copy_from => (SELECT max(version) FROM price_version WHERE book = 'ov_list')) AS draft \gset
UPDATE price SET rate = rate * 2 WHERE version = :draft;
SELECT publish_prices(:draft);
INSERT INTO usage_record (id, api_key, provider, model, usage) VALUES (event_id('ov-2', '2026-06-01'), 'ov-key', 'lab', 'big', '{"input_tokens": 1000, "output_tokens": 10}');
SELECT cost, list_cost, charge, price_version = :acme AS stamped FROM usage_record WHERE api_key = 'ov-key' ORDER BY cost;
SELECT e.unit, e.rate, e.amount, e.version = :acme AS acme FROM explain_row(event_id('ov-1', '2026-06-01')) AS e;
SELECT e.unit, e.rate, e.amount, e.version = :acme AS acme FROM explain_row(event_id('ov-2', '2026-06-01')) AS e;
-- and corrected by that
SELECT adjust(event_id('ov-1', '2026-06-01'), '{"input_tokens": 500, "output_tokens": 10}', 'test', NULL) AS corrected \gset
SELECT cost, list_cost, charge, price_version = :acme AS stamped FROM usage_record WHERE id = :'corrected';
SELECT e.unit, e.rate, e.amount FROM explain_row(:'corrected') AS e;
-- known at: the list price of before
SELECT price_usage_known_at((SELECT published_at - interval '1 microsecond' FROM price_version WHERE version = :draft), 'lab', 'big', '{"input_tokens": 1000}', '2026-06-01', book => 'ov_acme') AS before,
	price_usage_known_at((SELECT published_at FROM price_version WHERE version = :draft), 'lab', 'big', '{"input_tokens": 1000}', '2026-06-01', book => 'ov_acme') AS since,
	price_usage_known_at('2000-01-01', 'lab', 'big', '{"input_tokens": 1000}', '2026-06-01', book => 'ov_acme') AS never,
	price_usage_known_at(NULL, 'lab', 'big', '{"input_tokens": 1000}', '2026-06-01', book => 'ov_acme') AS nothing;
SELECT unit, rate, amount, split_part(why, ':', 1) AS why FROM explain_price_known_at('2000-01-01', 'lab', 'big', '{"input_tokens": 1000}', '2026-06-01', book => 'ov_acme');
SELECT unit, rate, amount FROM explain_price_known_at('infinity', 'lab', 'big', '{"input_tokens": 1000}', '2026-06-01', book => 'ov_acme');
UPDATE setting SET value = 'list' WHERE name = 'default_book';

-- lossless: exported and imported again, copied to a draft
SELECT jsonb_pretty(export_prices(:acme) -> 'overrides' -> 3);
SELECT import_prices('ov_acme', 'aiusage', export_prices(:acme), '2026-01-01') = :acme AS the_same_makes_none;
SELECT draft_prices('ov_acme', '2027-01-01', copy_from => :acme) AS draft \gset
SELECT prices_checksum(:draft) = prices_checksum(:acme) AS equal, export_prices(:draft) -> 'overrides' = export_prices(:acme) -> 'overrides' AS all_of_it;
UPDATE price_override SET value = 16 WHERE version = :draft AND override = 0;
SELECT prices_checksum(:draft) = prices_checksum(:acme) AS equal;
-- what the draft would make of it
SELECT unit, rate, amount FROM explain_price_under(:draft, 'lab', 'big-mini', '{"input_tokens": 300}', '2026-06-01');

-- what is refused
CREATE FUNCTION ov_try(statement text) RETURNS text LANGUAGE plpgsql SET client_min_messages = warning AS $$
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' ', SQLSTATE, regexp_replace(SQLERRM, 'version [1-9]\d*', 'version N'));
END $$;
SELECT ov_try(replace(s, ':draft', :'draft')) FROM unnest(ARRAY[
	$$INSERT INTO price_override (version, override, kind, value) VALUES (:draft, 99, 'rate', 1)$$,
	$$INSERT INTO price_override (version, override, kind, value) VALUES (:draft, 99, 'gift', 1)$$,
	$$INSERT INTO price_override (version, override, kind, value) VALUES (:draft, 99, 'discount', 100.5)$$,
	$$INSERT INTO price_override (version, override, kind, value) VALUES (:draft, 99, 'discount', -1)$$,
	$$INSERT INTO price_override (version, override, kind, value, per) VALUES (:draft, 99, 'discount', 1, 2)$$,
	$$INSERT INTO price_override (version, override, kind, value, unit) VALUES (:draft, 99, 'fixed', 1, 'input_tokens')$$,
	$$INSERT INTO price_override (version, override, kind, value, note) VALUES (:draft, 99, 'discount', 1, 'key sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD')$$,
	$$UPDATE price_override SET value = 99 WHERE version <> :draft$$,
	$$DELETE FROM price_override WHERE version <> :draft$$,
	$$TRUNCATE price_override$$,
	$$SELECT import_prices('ov_list', 'aiusage', '{"providers": [], "overrides": [{"kind": "discount", "value": 1}]}')$$,
	$$SELECT import_prices('ov_acme', 'aiusage', '{"providers": [], "overrides": []}')$$,
	$$SELECT import_prices('ov_acme', 'aiusage', '{"providers": [], "overrides": [{"kind": "discount", "value": "1"}]}')$$,
	$$SELECT import_prices('ov_acme', 'aiusage', '{"providers": [], "overrides": [{"kind": "discount", "value": 1, "percent": 1}]}')$$,
	$$SELECT import_prices('ov_acme', 'aiusage', '{"providers": [], "overrides": [{"kind": "discount", "value": 1000}]}')$$,
	$$SELECT import_prices('ov_acme', 'aiusage', '{"providers": [], "overrides": {"kind": "discount", "value": 1}}')$$
	]) AS s;
SELECT relation, operation, count(*) > 0 AS audited FROM audit_log WHERE relation = 'price_override' GROUP BY 1, 2 ORDER BY 1, 2;
DROP FUNCTION ov, ov_try;
