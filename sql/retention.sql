--
-- Retention: partitions that are due are sealed and dropped, in a database of
-- its own.  What rollups, statements and limits said stays as it was.
--
SET client_min_messages = warning;
DROP DATABASE IF EXISTS retention_test;
CREATE DATABASE retention_test TEMPLATE template0;
\c retention_test
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SELECT aiusage.import_prices('list', 'aiusage', $${"providers": [{"provider": "lab", "match": {"equals": "lab"}, "models": [
	{"model": "m", "match": {"equals": "m"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000},
		{"unit": "output_tokens", "rate": 15, "per": 1000000}]}]}]}]}$$, '2020-01-01') > 0 AS priced;
SELECT aiusage.put_team('ops', 'Operations');

-- Classes
SELECT aiusage.put_retention_class('default', '90 days', NULL, 'policy 7');
SELECT aiusage.put_retention_class('default', '90 days', NULL, 'policy 7');
SELECT aiusage.put_retention_class('audit', NULL, '1 year');
SELECT aiusage.put_retention_class('development', '30 days', '7 days');
SELECT aiusage.put_retention_class('x', '1 hour');
SELECT aiusage.put_retention_class('x', '30 days', '31 days');
SELECT aiusage.put_retention_class('', '30 days');
SELECT aiusage.drop_retention_class('default');
SELECT aiusage.drop_retention_class('nobody');
SELECT aiusage.put_key('{"key": "dev", "class": "development", "team": "ops"}') IS NOT NULL AS put;
SELECT aiusage.put_key('{"key": "prod", "class": "production", "team": "ops"}') IS NOT NULL AS put;
SELECT aiusage.put_key('{"key": "ledger", "class": "production", "retention_class": "audit"}') IS NOT NULL AS put;
SELECT aiusage.put_key('{"key": "bad", "retention_class": "nobody"}');
SELECT aiusage.key_record('ledger') ->> 'retention_class' AS class;
SELECT aiusage.drop_retention_class('audit');
SELECT * FROM aiusage.key_retention ORDER BY api_key;

-- Three months; the class audit is in the first one only
CREATE FUNCTION pg_temp.book(key text, at timestamptz, n int, who text) RETURNS bigint LANGUAGE sql AS $$
	WITH new AS (
		INSERT INTO aiusage.usage_record (id, request_id, api_key, provider, model, usage, user_id, latency_ms, ttft_ms, status)
		SELECT aiusage.event_id(key || x, at + x * interval '1 hour'), key || x, key, 'lab', 'm',
			format('{"input_tokens": %s, "output_tokens": 10}', 1000 * x)::aiusage.usage, who, x * 20, CASE WHEN x % 3 = 0 THEN x * 5 END, CASE WHEN x % 5 = 0 THEN 'error' ELSE 'success' END::aiusage.usage_status
		FROM generate_series(1, n) AS x RETURNING 1)
	SELECT count(*) FROM new
$$;
SELECT count(*) FROM aiusage.make_partitions('2024-01-01', '2024-04-01');
SELECT pg_temp.book('ledger', '2024-01-10 00:00+00', 3, 'ana'), pg_temp.book('dev', '2024-01-10 00:00+00', 10, 'ana'),
	pg_temp.book('prod', '2024-02-01 00:00+00', 40, 'bob'), pg_temp.book('prod', '2024-03-05 00:00+00', 20, NULL);
-- of February by its id, of January by its time; and one that nobody owns and nobody priced
INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage)
VALUES (aiusage.event_id('edge', '2024-02-01 06:00+00'), '2024-01-31 23:59+00', 'prod', 'lab', 'm', '{"input_tokens": 7}'),
	(aiusage.event_id('odd', '2024-02-20 06:00+00'), '2024-02-20 06:00+00', 'unknown', 'lab', 'other', '{"input_tokens": 7}');

-- one corrected, of the same month
SELECT aiusage.adjust(aiusage.event_id('prod2', '2024-02-01 02:00+00'), '{"input_tokens": 5}', 'counted twice', NULL) IS NOT NULL AS adjusted;

-- Limits without an end: money, which the rollups have, and tokens a user, which they have not; and one a month
SELECT aiusage.put_quota('{"name": "all", "metric": "spend", "currency": "USD", "limit": 1000, "window": "total"}') IS NOT NULL AS put,
	aiusage.put_quota('{"name": "user tokens", "metric": "tokens", "limit": 100000000, "window": "total", "per": ["user_id"]}') IS NOT NULL AS put,
	aiusage.put_quota('{"name": "month", "metric": "spend", "currency": "USD", "limit": 1000, "window": "month", "per": ["api_key"]}') IS NOT NULL AS put;
SELECT status, name FROM aiusage.quota ORDER BY quota;

CREATE FUNCTION pg_temp.held() RETURNS TABLE (partition text, state text, held_by text) LANGUAGE sql AS $$
	SELECT partition, state, held_by FROM aiusage.retention_status WHERE upper_at < '2025-01-01' ORDER BY lower_at
$$;
-- A step at a time, as maintain() does
CREATE PROCEDURE pg_temp.enforce() LANGUAGE plpgsql AS $$
DECLARE
	did text;
BEGIN
	LOOP
		did := aiusage.enforce_retention(true);
		COMMIT;
		EXIT WHEN did IS NULL;
		RAISE INFO '%', did;
	END LOOP;
END $$;

-- Not folded; then open periods
CALL pg_temp.enforce();
SELECT * FROM pg_temp.held();
SELECT aiusage.refresh();
CALL pg_temp.enforce();
SELECT * FROM pg_temp.held();
SELECT aiusage.close_period(p.period, 'test', true) IS NOT NULL AS closed
FROM (SELECT DISTINCT u.invoice_period AS period FROM aiusage.usage_record AS u ORDER BY 1) AS p;
CREATE TABLE was AS SELECT day, team, requests, errors, input_tokens, output_tokens, cost, currency, unpriced FROM aiusage.usage_daily;
CREATE TABLE counters AS SELECT quota, labels, window_start, used FROM aiusage.quota_counter;
CREATE TABLE latency AS SELECT day, team, model, status, measure, at_most, requests FROM aiusage.latency_histogram;
CREATE TABLE said AS SELECT period, team, cost_center, requests, cost, currency FROM aiusage.invoice_period_usage;
SELECT count(*), sum(cost) FROM was;
SELECT measure, sum(requests) FROM latency GROUP BY 1 ORDER BY 1;
CALL pg_temp.enforce();
SELECT * FROM pg_temp.held();

-- February is gone, and January, which is older, is not
SELECT tableoid::regclass, count(*) FROM aiusage.usage_record GROUP BY 1 ORDER BY 1;
SELECT aiusage.id_time(retained_from) FROM aiusage.books;
SELECT partition, records, bytes > 0 AS bytes, dropped_at IS NOT NULL AS dropped FROM aiusage.ledger_partition WHERE state = 'dropped' ORDER BY lower_at;
SELECT invoice_period, currency, records, requests, cost FROM aiusage.sealed_total ORDER BY partition_number, invoice_period, currency;
SELECT operation, old ->> 'state' AS was, new ->> 'state' AS became FROM aiusage.audit_log WHERE relation = 'ledger_partition' AND new ->> 'partition' = 'usage_record_p20240201' ORDER BY entry;

-- What was said stays
SELECT count(*) FROM (TABLE was EXCEPT ALL SELECT day, team, requests, errors, input_tokens, output_tokens, cost, currency, unpriced FROM aiusage.usage_daily) AS d;
SELECT count(*) FROM (TABLE counters EXCEPT ALL SELECT quota, labels, window_start, used FROM aiusage.quota_counter) AS d;
SELECT count(*) FROM (TABLE said EXCEPT ALL SELECT period, team, cost_center, requests, cost, currency FROM aiusage.invoice_period_usage) AS d;
SELECT count(*) FROM (TABLE latency EXCEPT ALL SELECT day, team, model, status, measure, at_most, requests FROM aiusage.latency_histogram) AS d;
SELECT partition_number, count(DISTINCT day) AS days, sum(latency_le_100) AS fast FROM aiusage.sealed_latency GROUP BY 1;
SELECT check_name, expected, actual, detail FROM aiusage.verify() WHERE NOT ok;
SELECT check_name, ok FROM aiusage.verify() WHERE check_name LIKE 'sealed%' OR check_name LIKE 'limit %' ORDER BY 1;
-- and limits are counted anew to the same
SELECT aiusage.rebuild_quota('all', 'test') > 0 AS rebuilt, aiusage.rebuild_quota('user tokens', 'test') > 0 AS rebuilt;
SELECT count(*) FROM (SELECT quota, labels, window_start, used FROM counters JOIN aiusage.quota USING (quota) WHERE "window" = 'total'
	EXCEPT ALL SELECT quota, labels, window_start, used FROM aiusage.quota_counter) AS d;
-- a limit that is published later has the money of the rollups, and of the rest what is retained
SELECT aiusage.put_quota('{"name": "later", "metric": "spend", "currency": "USD", "limit": 1000, "window": "total"}') IS NOT NULL AS put,
	aiusage.put_quota('{"name": "later tokens", "metric": "tokens", "limit": 100000000, "window": "total"}') IS NOT NULL AS put;
SELECT q.name, c.used FROM aiusage.quota_counter AS c JOIN aiusage.quota AS q USING (quota) WHERE q.name IN ('all', 'later', 'later tokens') ORDER BY 1;
SELECT check_name, expected, actual, detail FROM aiusage.verify() WHERE NOT ok;

-- An id of what was dropped is refused, booked or not; an older one that is kept is not
INSERT INTO aiusage.usage_record (id, request_id, api_key, provider, model, usage)
VALUES (aiusage.event_id('prod1', '2024-02-01 01:00+00'), 'prod1', 'prod', 'lab', 'm', '{"input_tokens": 1000, "output_tokens": 10}') ON CONFLICT DO NOTHING;
\echo :LAST_ERROR_SQLSTATE
SELECT outcome, sqlstate FROM aiusage.ingest('[{"id": "018d7f3e-4400-7000-8000-000000000000", "api_key": "prod", "provider": "lab", "model": "m", "usage": {"input_tokens": 1}}]');
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage)
VALUES (aiusage.event_id('late', '2024-01-20 01:00+00'), 'ledger', 'lab', 'm', '{"input_tokens": 1}');
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage)
VALUES (aiusage.event_id('ancient', '2023-12-20 01:00+00'), 'ledger', 'lab', 'm', '{"input_tokens": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.adjust(aiusage.event_id('prod1', '2024-02-01 01:00+00'), '{}', 'wrong', NULL);
SELECT aiusage.record_outcome(aiusage.event_id('prod1', '2024-02-01 01:00+00'), 1);
SELECT count(*) FROM aiusage.explain_row(aiusage.event_id('prod1', '2024-02-01 01:00+00'));
-- and no partition is made there again
SELECT * FROM aiusage.make_partitions('2023-11-01', '2024-05-01');
DELETE FROM aiusage.ledger_partition;
UPDATE aiusage.ledger_partition SET state = 'kept' WHERE state = 'dropped';

-- The month after next goes on as ever
SELECT aiusage.refresh();
CALL aiusage.maintain();
SELECT check_name, expected, actual, detail FROM aiusage.verify() WHERE NOT ok;

-- A rebuild has what was sealed: of right rollups it writes nothing, and it makes lost ones again
CALL aiusage.rebuild_rollups('after retention');
SELECT status, rows_changed FROM aiusage.rebuild_progress WHERE reason = 'after retention';
DELETE FROM aiusage.rollup_15m;
DELETE FROM aiusage.rollup_daily;
DELETE FROM aiusage.rollup_weekly;
DELETE FROM aiusage.rollup_monthly;
DELETE FROM aiusage.rollup_owner_daily;
-- the counts of latency of dropped rows too: one more than there were, and none
UPDATE aiusage.rollup_latency SET latency_le_100 = latency_le_100 + 1 WHERE day = '2024-02-01' AND status = 'success';
SELECT check_name, actual FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'rollup_latency%' ORDER BY 1;
DELETE FROM aiusage.rollup_latency;
SELECT count(*) > 20 AS lost FROM aiusage.verify() WHERE NOT ok;
CALL aiusage.rebuild_rollups('lost');
SELECT status, rows_changed > 20 AS made FROM aiusage.rebuild_progress WHERE reason = 'lost';
SELECT count(*) FROM (TABLE latency EXCEPT ALL SELECT day, team, model, status, measure, at_most, requests FROM aiusage.latency_histogram) AS d;
SELECT check_name, expected, actual, detail FROM aiusage.verify() WHERE NOT ok;

\c contrib_regression
DROP DATABASE retention_test;
