-- Versions of prices: drafts, publication, immutability, which one applies, and what sessions remember
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

INSERT INTO aiusage.price_book (book, kind, currency, note) VALUES ('pricing_versions', 'list', 'USD', 'a test');
-- the book that init() makes
SELECT book, kind, currency, inherits FROM aiusage.price_book WHERE book = 'list';

-- a version of one model at a rate, published or not
CREATE FUNCTION pricing_version(rate numeric, effective_from timestamptz, label text, effective_to timestamptz DEFAULT NULL, publish boolean DEFAULT true, book text DEFAULT 'pricing_versions')
	RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	v int := aiusage.draft_prices(book, effective_from, label);
BEGIN
	UPDATE aiusage.price_version SET effective_to = pricing_version.effective_to WHERE version = v;
	INSERT INTO aiusage.price_provider (version, provider, ordinal) VALUES (v, 'lab', 1);
	INSERT INTO aiusage.price_model (version, provider, model, ordinal) VALUES (v, 'lab', 'm', 1);
	INSERT INTO aiusage.price_rule (version, provider, model) VALUES (v, 'lab', 'm');
	INSERT INTO aiusage.price (version, provider, model, unit, rate) VALUES (v, 'lab', 'm', 'input_tokens', rate);
	IF publish THEN
		PERFORM aiusage.publish_prices(v);
	END IF;
END $$;
CREATE FUNCTION pricing_id(label text, book text DEFAULT 'pricing_versions') RETURNS int LANGUAGE sql AS $$ SELECT max(version) FROM aiusage.price_version v WHERE v.label = $1 AND v.book = $2 $$;
CREATE FUNCTION pricing_cost(at timestamptz, book text DEFAULT 'pricing_versions') RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(aiusage.price_usage('lab', 'm', '{"input_tokens": 1}', at, book => $2)::text,
		(SELECT split_part(why, ':', 1) FROM aiusage.explain_price('lab', 'm', '{"input_tokens": 1}', at, book => $2))) $$;
CREATE FUNCTION pricing_costs(book text DEFAULT 'pricing_versions') RETURNS TABLE (at timestamptz, cost text) LANGUAGE sql AS $$
	SELECT a, pricing_cost(a, $1) FROM unnest('{2025-12-31 23:59:59.999999Z, 2026-01-01Z, 2026-02-28 23:59:59.999999Z, 2026-03-01Z, 2026-06-01Z, 2027-01-01Z}'::timestamptz[]) AS a $$;

-- what a statement is refused with; version numbers differ from run to run
CREATE FUNCTION pricing_try(statement text) RETURNS text LANGUAGE plpgsql SET client_min_messages = warning AS $$
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' ', SQLSTATE, regexp_replace(SQLERRM, 'version [1-9]\d*', 'version N'));
END $$;

-- nothing published: no price, and a draft prices nothing
SELECT pricing_cost('2026-10-01');
SELECT pricing_version(1, '2026-01-01', 'first', publish => false);
SELECT pricing_cost('2026-10-01');
SELECT e.rate, e.amount FROM aiusage.explain_price_under(pricing_id('first'), 'lab', 'm', '{"input_tokens": 2}', '2026-10-01') AS e;
-- a draft can be edited, and its prices are seen at once
UPDATE aiusage.price SET rate = 1.5 WHERE version = pricing_id('first');
SELECT e.rate, e.amount FROM aiusage.explain_price_under(pricing_id('first'), 'lab', 'm', '{"input_tokens": 2}', '2026-10-01') AS e;
UPDATE aiusage.price SET rate = 1 WHERE version = pricing_id('first');

-- publication is seen by the next statement of this session, and undone with it
BEGIN;
SELECT aiusage.publish_prices(pricing_id('first'));
SELECT * FROM pricing_costs();
ROLLBACK;
SELECT pricing_cost('2026-10-01');
BEGIN;
SAVEPOINT s;
SELECT aiusage.publish_prices(pricing_id('first'));
SELECT pricing_cost('2026-10-01');
ROLLBACK TO s;
SELECT pricing_cost('2026-10-01');
COMMIT;
SELECT aiusage.publish_prices(pricing_id('first'));
SELECT * FROM pricing_costs();
SELECT label, status, publication, published_by = current_user AS by_me, checksum = aiusage.prices_checksum(version) AS checksum FROM aiusage.price_version WHERE book = 'pricing_versions' ORDER BY version;

-- future-dated, back-dated, with an end: the newest published one that is effective
SELECT pricing_version(2, '2026-06-01', 'future');
SELECT * FROM pricing_costs();
SELECT pricing_version(3, '2026-03-01', 'promotion', '2026-06-01');
SELECT * FROM pricing_costs();
SELECT pricing_version(4, '2025-01-01', 'back-dated', '2026-01-01');
SELECT * FROM pricing_costs();
SELECT pricing_version(5, '-infinity', 'all over');
SELECT * FROM pricing_costs();
-- what was published before stays explainable
SELECT label, e.amount FROM aiusage.price_version AS v, LATERAL aiusage.explain_price_under(v.version, 'lab', 'm', '{"input_tokens": 1}', '2026-10-01') AS e
WHERE book = 'pricing_versions' ORDER BY publication;
-- drafts are made in one order and published in another: publication counts
SELECT pricing_version(6, '-infinity', 'made earlier', publish => false);
SELECT pricing_version(7, '-infinity', 'made later', publish => false);
SELECT aiusage.publish_prices(pricing_id('made later'));
SELECT aiusage.publish_prices(pricing_id('made earlier'));
SELECT pricing_cost('2026-10-01');

-- a copy as a draft
SELECT aiusage.draft_prices('pricing_versions', '2026-10-01', 'copy', copy_from => pricing_id('made earlier')) = pricing_id('copy') AS drafted;
SELECT status, checksum, aiusage.prices_checksum(version) = aiusage.prices_checksum(pricing_id('made earlier')) AS equal, note LIKE 'copied from version %' AS note
FROM aiusage.price_version WHERE version = pricing_id('copy');
UPDATE aiusage.price SET rate = 8 WHERE version = pricing_id('copy');
SELECT aiusage.publish_prices(pricing_id('copy'));
SELECT pricing_cost('2026-09-30'), pricing_cost('2026-10-01');
SELECT aiusage.draft_prices('pricing_versions', '2026-10-01', 'given up') IS NOT NULL AS drafted;
SELECT aiusage.withdraw_prices(pricing_id('given up'));

-- immutable
SELECT pricing_try($$UPDATE aiusage.price SET rate = 0 WHERE version = pricing_id('first')$$);
SELECT pricing_try($$DELETE FROM aiusage.price WHERE version = pricing_id('first')$$);
SELECT pricing_try($$INSERT INTO aiusage.price (version, provider, model, unit, rate) VALUES (pricing_id('first'), 'lab', 'm', 'output_tokens', 1)$$);
SELECT pricing_try($$UPDATE aiusage.price SET version = pricing_id('first') WHERE version = pricing_id('given up')$$);
SELECT pricing_try($$UPDATE aiusage.price_rule SET multiplier = 2 WHERE version = pricing_id('first')$$);
SELECT pricing_try($$UPDATE aiusage.price_model SET match = '{"equals": "x"}' WHERE version = pricing_id('first')$$);
SELECT pricing_try($$UPDATE aiusage.price_provider SET fallbacks = '{x}' WHERE version = pricing_id('first')$$);
SELECT pricing_try($$DELETE FROM aiusage.price_provider WHERE version = pricing_id('first')$$);
SELECT pricing_try($$INSERT INTO aiusage.price_import_issue VALUES (pricing_id('first'), 1, NULL, NULL, NULL, 'x')$$);
SELECT pricing_try($$UPDATE aiusage.price_version SET effective_from = '2020-01-01' WHERE version = pricing_id('first')$$);
SELECT pricing_try($$UPDATE aiusage.price_version SET status = 'withdrawn' WHERE version = pricing_id('first')$$);
SELECT pricing_try($$DELETE FROM aiusage.price_version WHERE version = pricing_id('first')$$);
SELECT pricing_try($$UPDATE aiusage.price_version SET label = 'x' WHERE version = pricing_id('given up')$$);
SELECT pricing_try($$INSERT INTO aiusage.price_provider (version, provider, ordinal) VALUES (pricing_id('given up'), 'lab', 1)$$);
SELECT pricing_try($$INSERT INTO aiusage.price_version (book, effective_from, status) VALUES ('pricing_versions', now(), 'published')$$);
SELECT pricing_try($$TRUNCATE aiusage.price$$);
SELECT pricing_try($$TRUNCATE aiusage.price_version CASCADE$$);
SELECT pricing_try($$UPDATE aiusage.price_book SET currency = 'EUR' WHERE book = 'pricing_versions'$$);
UPDATE aiusage.price_book SET note = 'still a test' WHERE book = 'pricing_versions' RETURNING note;
SELECT pricing_try($$DELETE FROM aiusage.price_book WHERE book = 'pricing_versions'$$);
-- states
SELECT pricing_try($$SELECT aiusage.publish_prices(pricing_id('first'))$$);
SELECT pricing_try($$SELECT aiusage.publish_prices(pricing_id('given up'))$$);
SELECT pricing_try($$SELECT aiusage.withdraw_prices(pricing_id('first'))$$);
SELECT pricing_try($$SELECT aiusage.publish_prices(0)$$);
SELECT pricing_try($$SELECT aiusage.withdraw_prices(0)$$);
SELECT pricing_try($$SELECT aiusage.draft_prices('pricing_no_such_book', now())$$);
SELECT pricing_try($$SELECT aiusage.draft_prices('pricing_versions', NULL)$$);
SELECT pricing_try($$SELECT aiusage.draft_prices('pricing_versions', now(), copy_from => 0)$$);
SELECT aiusage.draft_prices('pricing_versions', now(), 'empty') IS NOT NULL AS drafted;
SELECT pricing_try('SELECT aiusage.publish_prices(pricing_id(''empty''))');
-- a draft may be deleted with all it holds
SELECT pricing_version(9, '-infinity', 'deleted', publish => false);
DELETE FROM aiusage.price_version WHERE version = pricing_id('deleted');
SELECT pricing_id('deleted');

-- what the tables refuse in a draft
SELECT aiusage.draft_prices('pricing_versions', now(), 'checks') AS checks \gset
INSERT INTO aiusage.price_provider (version, provider, ordinal) VALUES (:checks, 'lab', 1);
INSERT INTO aiusage.price_model (version, provider, model, ordinal) VALUES (:checks, 'lab', 'm', 1);
INSERT INTO aiusage.price_rule (version, provider, model) VALUES (:checks, 'lab', 'm');
CREATE FUNCTION pricing_refused(columns text, row_values text, relation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	name text;
BEGIN
	EXECUTE format('INSERT INTO aiusage.%s (version, provider, model, %s) VALUES (%s, ''lab'', ''m'', %s)', relation, columns, pricing_id('checks'), row_values);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS name = CONSTRAINT_NAME;
	RETURN SQLSTATE || ' ' || name;
END $$;
SELECT c, v, pricing_refused(c, v, 'price') FROM (VALUES
	('unit, rate', $$'input_tokens', -1$$), ('unit, rate', $$'input_tokens', 'NaN'$$), ('unit, rate', $$'input_tokens', 'Infinity'$$), ('unit, rate', $$'input_tokens', 1e13$$),
	('unit, rate', $$'input_tokens', 1e-25$$), ('unit, rate', $$'Input Tokens', 1$$), ('unit, rate', $$'', 1$$), ('unit, rate, per', $$'input_tokens', 1, 0$$),
	('unit, rate, per', $$'input_tokens', 1, 'NaN'$$), ('unit, rate, tier_start', $$'input_tokens', 1, 5$$),
	('unit, rate, tier_start, tier_metric, tier_inclusive', $$'input_tokens', 1, 5, 'my_unit', true$$), ('unit, rate, tier_start, tier_metric, tier_inclusive', $$'input_tokens', 1, 5, 'input_tokens*2', true$$),
	('unit, rate, tier_start, tier_metric, tier_inclusive', $$'input_tokens', 1, -5, 'input_tokens', true$$), ('unit, rate, tier_start, tier_metric, tier_inclusive', $$'input_tokens', 1, 5, 'input_tokens', true$$),
	('unit, rate', $$'input_tokens', 1$$), ('unit, rate', $$'input_tokens', 2$$), ('unit, rate, min_quantity', $$'requests', 2, 0$$), ('unit, rate, rule', $$'requests', 2, 7$$)) AS t (c, v);
SELECT c, v, pricing_refused(c, v, 'price_rule') FROM (VALUES
	('rule', '-1'), ('rule, time_zone', $$1, 'Mars/Olympus'$$), ('rule, time_from', $$1, '10:00'$$), ('rule, time_from, time_to', $$1, '10:00', '10:00'$$),
	('rule, starts_at, ends_at', $$1, '2026-01-02', '2026-01-01'$$), ('rule, starts_at', $$1, 'infinity'$$), ('rule, weekdays', $$1, '{8}'$$), ('rule, weekdays', $$1, '{}'$$),
	('rule, multiplier', $$1, 'NaN'$$), ('rule, multiplier', $$1, -1$$), ('rule, service_tier', $$1, ''$$), ('rule, weekdays, time_zone', $$1, '{1,7}', 'Asia/Kathmandu'$$)) AS t (c, v);
SELECT pricing_refused('ordinal, match', $$2, '{"regex": "("}'$$, 'price_model');

-- books that inherit: what a book has no version, provider or model for
INSERT INTO aiusage.price_book (book, kind, currency, inherits) VALUES ('pricing_deal', 'cost', 'USD', 'pricing_versions');
SELECT * FROM pricing_costs('pricing_deal');
SELECT pricing_version(0.5, '2026-03-01', 'deal', book => 'pricing_deal');
SELECT * FROM pricing_costs('pricing_deal');
SELECT aiusage.price_usage('lab', 'other', '{"input_tokens": 1}', '2026-10-01', book => 'pricing_deal') IS NULL AS unknown_anywhere;
SELECT rate FROM aiusage.explain_price('lab', 'm', '{"input_tokens": 1}', '2026-01-01', book => 'pricing_deal');
\set VERBOSITY terse
INSERT INTO aiusage.price_book (book, kind, currency, inherits) VALUES ('pricing_eur', 'cost', 'EUR', 'pricing_versions');
INSERT INTO aiusage.price_book (book, kind, currency, inherits) VALUES ('pricing_self', 'cost', 'EUR', 'pricing_self');
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('pricing_bad', 'cost', 'eur');
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('pricing_bad', 'gift', 'EUR');
\set VERBOSITY default
-- secrets are refused in what is stored
SELECT pricing_try($$INSERT INTO aiusage.price_book (book, kind, currency, note) VALUES ('pricing_secret', 'cost', 'USD', 'key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD')$$);
SELECT pricing_try($$SELECT aiusage.draft_prices('pricing_versions', now(), 'AKIA' || 'IOSFODNN7EXAMPLE')$$);
SELECT pricing_try($$UPDATE aiusage.price_version SET note = 'Bearer abcdefghijklmnopqrstuvwxyz0123456789' WHERE version = pricing_id('checks')$$);
SELECT pricing_try($$UPDATE aiusage.price_rule SET note = 'sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD' WHERE version = pricing_id('checks')$$);
-- a circle of books ends
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('pricing_ring_a', 'cost', 'USD');
INSERT INTO aiusage.price_book (book, kind, currency, inherits) VALUES ('pricing_ring_b', 'cost', 'USD', 'pricing_ring_a');
UPDATE aiusage.price_book SET inherits = 'pricing_ring_b' WHERE book = 'pricing_ring_a';
SELECT pricing_cost('2026-10-01', 'pricing_ring_a');

-- every change of books and versions is audited, and changes of a draft's content
SELECT relation, operation, count(*) > 0 AS audited FROM aiusage.audit_log
WHERE coalesce(new, old) ->> 'book' LIKE 'pricing_v%' OR relation = 'price' AND coalesce(new, old) ->> 'model' = 'm'
GROUP BY 1, 2 ORDER BY 1, 2;

-- what this session remembers: new books, and the default book
SELECT pricing_cost('2026-10-01', 'pricing_late');
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('pricing_late', 'list', 'USD');
SELECT pricing_cost('2026-10-01', 'pricing_late');
SELECT pricing_version(11, '-infinity', 'late', book => 'pricing_late');
SELECT pricing_cost('2026-10-01', 'pricing_late');
BEGIN;
UPDATE aiusage.setting SET value = 'pricing_late' WHERE name = 'default_book';
SELECT aiusage.price_usage('lab', 'm', '{"input_tokens": 1}', '2026-10-01') AS by_default;
ROLLBACK;
SELECT aiusage.price_usage('lab', 'm', '{"input_tokens": 1}', '2026-10-01') AS by_default;
-- status() knows that prices have ended
BEGIN;
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('pricing_ended', 'list', 'USD');
UPDATE aiusage.setting SET value = 'pricing_ended' WHERE name = 'default_book';
SELECT pricing_version(11, '2020-01-01', 'ended', '2021-01-01', book => 'pricing_ended');
SELECT severity, value, meaning FROM aiusage.status() WHERE check_name = 'prices';
SELECT pricing_version(12, '2020-01-01', 'goes on', book => 'pricing_ended');
SELECT severity FROM aiusage.status() WHERE check_name = 'prices';
ROLLBACK;
-- a memory that is far too small only costs time
SET aiusage.price_cache_entries = 16;
SELECT count(*), count(aiusage.price_usage('lab', 'm', '{"input_tokens": 1}', '2026-10-01', endpoint => 'e' || i % 40, book => 'pricing_late')) FROM generate_series(1, 400) AS i;
RESET aiusage.price_cache_entries;

DROP FUNCTION pricing_version, pricing_id, pricing_cost, pricing_costs, pricing_refused, pricing_try;
