--
-- Erasure of identifiers: of a person, and of classes of keys whose time for
-- them is over.  Figures stay; what is erased is found nowhere.
--
SET client_min_messages = warning;
DROP DATABASE IF EXISTS erasure_test;
CREATE DATABASE erasure_test TEMPLATE template0;
\c erasure_test
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SELECT aiusage.import_prices('list', 'aiusage', $${"providers": [{"provider": "lab", "match": {"equals": "lab"}, "models": [
	{"model": "m", "match": {"equals": "m"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000},
		{"unit": "output_tokens", "rate": 15, "per": 1000000}]}]}]}]}$$, '2020-01-01') > 0 AS priced;
SELECT aiusage.put_team('ops', 'Operations') AS put, aiusage.put_key('{"key": "app", "class": "production", "team": "ops"}') IS NOT NULL AS put,
	aiusage.put_key('{"key": "dev", "class": "development", "team": "ops"}') IS NOT NULL AS put;
SELECT aiusage.put_quota('{"name": "per user", "metric": "spend", "currency": "USD", "limit": 1000, "window": "month", "per": ["user_id"]}') IS NOT NULL AS put,
	aiusage.put_quota('{"name": "user tokens", "metric": "tokens", "limit": 100000000, "window": "total", "per": ["user_id", "api_key"], "thresholds": [1]}') IS NOT NULL AS put,
	aiusage.put_quota('{"name": "by tag", "metric": "requests", "limit": 100000000, "window": "total", "tag": "feature", "per": ["tag"]}') IS NOT NULL AS put,
	aiusage.put_quota('{"name": "of one", "metric": "requests", "limit": 1000, "window": "day", "scope": {"user_id": "zoë"}}') IS NOT NULL AS put;
SELECT count(*) FROM aiusage.make_partitions('2024-01-01', '2024-03-01');
-- sums by user are kept, and one tag is a dimension of the rollups
SELECT aiusage.enable_user_usage('2024-01-01') IS NOT NULL AS by_user, aiusage.declare_tag('feature', from_at => '2024-01-01') AS slot;

CREATE PROCEDURE pg_temp.book(key text, at timestamptz, n int, who text) LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record (id, request_id, trace_id, operation_id, job_id, origin, provider_request_id, tags, api_key, provider, model, usage, user_id)
	SELECT aiusage.event_id(concat(key, who, x), at + x * interval '1 hour'), 'req-' || who || x, 'trace-' || who, 'op-' || who || x, 'job-' || who, 'origin-' || who, 'prov-' || who,
		jsonb_build_object('feature', 'chat', 'who', who), key, 'lab', 'm', format('{"input_tokens": %s, "output_tokens": 10}', 1000 * x)::aiusage.usage, who
	FROM generate_series(1, n) AS x
$$;
CALL pg_temp.book('app', '2024-01-10 00:00+00', 20, 'zoë');
CALL pg_temp.book('app', '2024-01-10 00:00+00', 10, 'bob');
CALL pg_temp.book('dev', '2024-01-10 00:00+00', 5, 'zoë');
CALL pg_temp.book('dev', '2024-02-10 00:00+00', 5, 'eve');
CALL pg_temp.book('app', date_trunc('hour', now()) - interval '4 hours', 3, 'zoë');
SELECT aiusage.refresh();
SELECT count(*) FROM aiusage.reattribute('{"user_id": "zoë", "api_key": "dev"}', (SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'app'), 'moved', NULL, false);
SELECT aiusage.request_override('user tokens', now() + interval '1 day', 'more', raise_by => 5000, subject => '{"user_id": "zoë", "api_key": "app"}') > 0 AS asked;

-- What names somebody, in any table of the books
CREATE FUNCTION pg_temp.naming(who text) RETURNS TABLE (relation text, named bigint) LANGUAGE plpgsql AS $$
DECLARE n bigint; t record;
BEGIN
	FOR t IN SELECT c.oid::regclass AS name, c.relname FROM pg_class AS c WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind = 'r'
		ORDER BY c.relname COLLATE "C" LOOP
		EXECUTE format('SELECT count(*) FROM %s AS t WHERE strpos(t::text, $1) > 0', t.name) INTO n USING who;
		IF n > 0 THEN relation := t.relname; named := n; RETURN NEXT; END IF;
	END LOOP;
END $$;
SELECT count(*) > 5 AS in_tables FROM pg_temp.naming('zoë');
CREATE TABLE was AS SELECT day, team, requests, input_tokens, output_tokens, cost, currency FROM aiusage.usage_daily;
CREATE TABLE money AS SELECT id, cost, usage::text, txid, recorded_at FROM aiusage.usage_record;
CREATE TABLE counters AS SELECT quota, sum(used) AS used FROM aiusage.quota_counter GROUP BY quota;

-- Refused
SELECT * FROM aiusage.erase_user('zoë', '');
SELECT * FROM aiusage.erase_user('zoë', 'zoë asked for it');
SELECT * FROM aiusage.erase_user('', 'request');
SELECT * FROM aiusage.erase_user('zoë', 'request of 2026-11-20', 'GDPR-17');
SELECT aiusage.retire_quota('of one') > 0 AS retired;
-- Jobs name users, alone and in lists: one that is done is erased with them, one that is open is ended first
SELECT max(version) AS version FROM aiusage.price_version WHERE book = 'list' AND status = 'published' \gset
SELECT aiusage.start_reprice('{"user_id": ["bob", "zoë"], "to": "2020-01-01Z"}', :version, 'a list', NULL) AS done \gset
CALL aiusage.run_reprice(:done);
SELECT aiusage.start_reprice('{"user_id": "zoë"}', :version, 'one', NULL) AS open \gset
SELECT aiusage.erase_user('zoë', 'asked for it') IS NULL AS erased;
SELECT aiusage.request_erasure('zoë', 'asked for it') IS NULL AS erased;
SELECT aiusage.cancel_reprice(:open) IS NOT NULL AS cancelled;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM aiusage.erase_user('zoë', 'request of 2026-11-20', 'GDPR-17');
ROLLBACK;
UPDATE aiusage.usage_record SET user_id = NULL WHERE user_id = 'zoë';
-- also with permission, nothing but identifiers goes
BEGIN;
SELECT aiusage.permit_change('erase');
UPDATE aiusage.usage_record SET model = 'cheaper' WHERE user_id = 'zoë';
ROLLBACK;
BEGIN;
SELECT aiusage.permit_change('erase');
UPDATE aiusage.usage_record SET user_id = 'bob' WHERE user_id = 'zoë';
ROLLBACK;
BEGIN;
SELECT aiusage.permit_change('erase');
DELETE FROM aiusage.usage_record WHERE user_id = 'zoë';
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT aiusage.permit_change('erase');
ROLLBACK TO s;
UPDATE aiusage.usage_record SET user_id = NULL WHERE user_id = 'zoë';
ROLLBACK;
BEGIN;
SELECT aiusage.permit_change('erase');
UPDATE aiusage.audit_log SET new = '{}' WHERE entry = 1;
ROLLBACK;
SELECT aiusage.permit_change('everything');

-- Erased
SELECT * FROM aiusage.erase_user('zoë', 'request of 2026-11-20', 'GDPR-17');
SELECT * FROM pg_temp.naming('zoë');
SELECT count(*) FROM pg_temp.naming('bob') WHERE relation LIKE 'usage_record%';
SELECT user_id, request_id IS NULL AND NOT tags ? 'who' AS bare, kind, count(*) FROM aiusage.usage_record GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT count(*) FROM (TABLE was EXCEPT ALL SELECT day, team, requests, input_tokens, output_tokens, cost, currency FROM aiusage.usage_daily) AS d;
SELECT count(*) FROM (TABLE money EXCEPT ALL SELECT id, cost, usage::text, txid, recorded_at FROM aiusage.usage_record) AS d;
SELECT user_id, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.user_usage GROUP BY user_id ORDER BY user_id;
SELECT tags, count(*) FROM aiusage.usage_record WHERE user_id IS NULL GROUP BY tags;
SELECT count(*) FROM (TABLE counters EXCEPT ALL SELECT quota, sum(used) FROM aiusage.quota_counter GROUP BY quota) AS d
	JOIN aiusage.quota AS q USING (quota) WHERE q.status = 'active';
SELECT q.name, c.labels, sum(c.used) FROM aiusage.quota_counter AS c JOIN aiusage.quota AS q USING (quota) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT check_name, expected, actual, detail FROM aiusage.verify() WHERE NOT ok;
SELECT user_id, user_digest = aiusage.user_digest('zoë') AS is_zoe, reason, ticket, status, rows_erased FROM aiusage.erasure;
SELECT operation, new ->> 'status' AS status, new ? 'user_id' AS named FROM aiusage.audit_log WHERE relation = 'erase_user' ORDER BY entry;
SELECT operation, old ->> 'user_id' AS before, new ->> 'user_id' AS after FROM aiusage.audit_log WHERE relation = 'quota' AND new ->> 'name' LIKE 'of %' ORDER BY entry;
-- again, nothing; and limits counted anew say the same
SELECT * FROM aiusage.erase_user('zoë', 'again');
SELECT aiusage.rebuild_quota('user tokens', 'test') > 0 AS rebuilt, aiusage.rebuild_quota('by tag', 'test') > 0 AS rebuilt;
SELECT q.name, c.labels, sum(c.used) FROM aiusage.quota_counter AS c JOIN aiusage.quota AS q USING (quota) WHERE q."window" = 'total' GROUP BY 1, 2 ORDER BY 1, 2;
-- a user comes again
CALL pg_temp.book('app', date_trunc('hour', now()) - interval '3 hours', 1, 'zoë');
SELECT aiusage.request_erasure('zoë', 'second request') = aiusage.request_erasure('zoë', 'second request') AS one_request;
SELECT check_name, severity, value FROM aiusage.status() WHERE check_name IN ('erasures', 'retention');
CALL aiusage.maintain();
SELECT * FROM pg_temp.naming('zoë');
SELECT count(*) FILTER (WHERE status = 'done') AS done, count(*) AS erasures FROM aiusage.erasure;

-- Classes: identifiers of dev go after a week, of app they stay
SELECT aiusage.put_retention_class('development', '100 years', '7 days');
CALL aiusage.maintain();
SELECT api_key, count(*), count(user_id) AS named, count(trace_id) AS traced FROM aiusage.usage_record WHERE id < aiusage.id_floor('2025-01-01') GROUP BY 1 ORDER BY 1;
SELECT partition, class, last_id, rows_erased FROM aiusage.class_erasure WHERE partition LIKE '%p2024%' ORDER BY 1;
-- a late row, and a key that comes to the class
CALL pg_temp.book('dev', '2024-02-15 00:00+00', 1, 'late');
SELECT aiusage.put_key('{"key": "app", "class": "production", "team": "ops", "retention_class": "development"}') IS NOT NULL AS put;
SELECT aiusage.refresh();
UPDATE aiusage.class_erasure SET checked_at = checked_at - interval '2 hours';
CALL aiusage.maintain();
SELECT api_key, count(*), count(user_id) AS named FROM aiusage.usage_record WHERE id < aiusage.id_floor('2025-01-01') GROUP BY 1 ORDER BY 1;
SELECT user_id, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.user_usage WHERE day < '2025-01-01' GROUP BY user_id ORDER BY user_id;
SELECT check_name, expected, actual, detail FROM aiusage.verify() WHERE NOT ok;
SELECT count(*) FROM (TABLE money EXCEPT ALL SELECT id, cost, usage::text, txid, recorded_at FROM aiusage.usage_record) AS d;

-- of one day and user, half before and half after: what is left of the sums is right
CALL pg_temp.book('dev', '2024-02-20 00:00+00', 2, 'mia');
SELECT aiusage.refresh();
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, user_id)
VALUES (aiusage.event_id('mia', '2024-02-20 09:00+00'), 'dev', 'lab', 'm', '{"input_tokens": 5}', 'mia');
UPDATE aiusage.class_erasure SET checked_at = checked_at - interval '2 hours';
SELECT regexp_replace(aiusage.erase_identifiers(), '^\w+, ', '') AS did;
SELECT aiusage.refresh();
SELECT user_id, records, usage FROM aiusage.rollup_user_daily WHERE day = '2024-02-20' ORDER BY user_id;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, user_id)
VALUES (aiusage.event_id('mia2', '2024-02-20 10:00+00'), 'dev', 'lab', 'm', '{"output_tokens": 7}', 'mia');
SELECT aiusage.refresh();
BEGIN;
SELECT aiusage.owner_begin_erasing();
SELECT aiusage.owner_erase_rows('u', 'mia', NULL, 'aiusage.usage_record', aiusage.event_id('mia', '2024-02-20 09:00+00'), NULL, NULL, NULL) AS rows;
COMMIT;
SELECT user_id, records, usage FROM aiusage.rollup_user_daily WHERE day = '2024-02-20' ORDER BY user_id;
SELECT check_name, expected, actual, detail FROM aiusage.verify() WHERE NOT ok;

\c contrib_regression
DROP DATABASE erasure_test;
