-- Limits: their records, what is refused, what may change, and who may.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
CREATE ROLE quota_admin;
CREATE ROLE quota_reader;
CREATE ROLE quota_member;
SELECT aiusage.put_key('{"key": "qc", "team": "qc-team", "cost_center": "qc-cc", "class": "batch"}') IS NOT NULL AS entered,
	aiusage.grant_access('quota_admin', 'admin') AND aiusage.grant_access('quota_reader', 'analyst')
	AND aiusage.grant_access('quota_member', 'member', '{"teams": ["qc-team"]}') AS granted;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';

-- Entered by an administrator, by name; the same again changes nothing.
SET ROLE quota_admin;
SELECT aiusage.put_quota('{"name": "qc month", "scope": {"team": "qc-team"}, "metric": "spend", "limit": 100, "window": "month",
	"thresholds": [80, 50, 80], "time_zone": "europe/berlin", "notify": "ops", "note": "test"}') AS month \gset
SELECT aiusage.put_quota(aiusage.quota_record('qc month')) = :month AS same;
SELECT aiusage.quota_record('qc month') - ARRAY['quota', 'published_at', 'created_at'] AS record;
RESET ROLE;
SELECT kind, quota_name, "limit", detail, role FROM aiusage.quota_event WHERE quota = :month ORDER BY event;
SELECT operation, role, new ->> 'status' AS status FROM aiusage.audit_log WHERE relation = 'quota' AND new ->> 'quota' = :'month' ORDER BY entry;

-- How much, and what happens then, may change: everywhere from the commit on.
SELECT aiusage.put_quota(aiusage.quota_record('qc month') || '{"limit": "250.5", "action": "flag", "thresholds": []}') = :month AS changed;
SELECT "limit", action, thresholds, epoch FROM aiusage.quota WHERE quota = :month;
SELECT kind, "limit", detail FROM aiusage.quota_event WHERE quota = :month ORDER BY event;
-- What it counts may not, but by another in its place.
SELECT aiusage.put_quota(aiusage.quota_record('qc month') || '{"window": "week", "per": ["user_id"]}');
SELECT aiusage.put_quota(aiusage.quota_record('qc month') || '{"status": "draft"}');
SELECT aiusage.put_quota(aiusage.quota_record('qc month') || '{"window": "week", "per": ["user_id"]}', replace => true) AS week \gset
SELECT quota = :week AS newer, status, "window", replaces = :month AS replaces FROM aiusage.quota WHERE name = 'qc month' ORDER BY quota;
-- The tables are guarded, from their owner too.
UPDATE aiusage.quota SET metric = 'requests', currency = NULL WHERE quota = :week;
UPDATE aiusage.quota SET "limit" = 1 WHERE quota = :month;
UPDATE aiusage.quota SET status = 'draft', published_at = NULL WHERE quota = :week;
DELETE FROM aiusage.quota WHERE quota = :week;
SET client_min_messages = warning;
TRUNCATE aiusage.quota CASCADE;
RESET client_min_messages;
UPDATE aiusage.quota_event SET detail = 'x' WHERE quota = :month;
DELETE FROM aiusage.quota_event;

-- A draft counts nothing, and may change in every way.
SELECT aiusage.put_quota('{"name": "qc draft", "status": "draft", "metric": "requests", "limit": 3, "window": "day", "scope": {"api_key": "qc"}}') > 0 AS draft,
	aiusage.put_quota('{"name": "qc draft", "status": "draft", "metric": "errors", "limit": 3, "window": "hour", "scope": {"api_key": "qc"}}') > 0 AS again;
SELECT status, metric, published_at FROM aiusage.quota WHERE name = 'qc draft';
SELECT count(*) AS active FROM aiusage.quota_state WHERE name = 'qc draft';
SELECT aiusage.put_quota('{"name": "qc draft", "metric": "errors", "limit": 3, "window": "hour", "scope": {"api_key": "qc"}}') > 0 AS published;
SELECT name, subject, metric, used, "limit", remaining, percent, unit, state FROM aiusage.quota_state WHERE name = 'qc draft';
SELECT aiusage.retire_quota('qc draft', 'test') > 0 AS retired, aiusage.retire_quota('qc month') = :week AS other;
SELECT aiusage.retire_quota('qc draft');
SELECT aiusage.rebuild_quota('qc draft', 'why not');
SELECT aiusage.rebuild_quota('qc nothing', 'why not');
SELECT aiusage.rebuild_quota('qc nothing', ' ');
SELECT aiusage.quota_record('qc nothing');
SELECT aiusage.quota_record('qc draft') ->> 'status' AS kept;

-- A record is refused with everything that is wrong in it.
SELECT aiusage.put_quota(NULL);
SELECT aiusage.put_quota('[]');
SELECT aiusage.put_quota('{}');
SELECT aiusage.put_quota('{"nam": "x", "scope": {"team": "no-such", "cost_center": "no-such", "api_key": "no-such", "color": "red", "key_class": "gold", "user_id": 5},
	"per": ["user_id", "user_id", "planet", "tag"], "metric": "Smiles!", "limit": -1, "currency": "dollars", "window": "fortnight", "time_zone": "Mars/Olympus",
	"thresholds": [0, 50.5], "action": "shout", "degrade_to": "gpt-4o-mini", "unpriced": "maybe", "sliding": "yes", "exempt_free": 1, "status": "retired"}');
CREATE FUNCTION pg_temp.complaint(change jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM aiusage.put_quota('{"name": "qc bad", "scope": {"api_key": "qc"}, "metric": "requests", "limit": 1, "window": "day"}'::jsonb || change);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, CASE WHEN detail = '' THEN SQLERRM ELSE detail END);
END
$$;
SELECT left(c.change::text, 64) AS change, pg_temp.complaint(c.change) FROM (VALUES
	(1, jsonb '{"name": null}'), (2, '{"name": ""}'), (3, jsonb_build_object('name', repeat('n', 257))), (4, '{"limit": "NaN"}'), (5, '{"limit": 1e25}'), (6, '{"limit": 1e-13}'),
	(7, '{"limit": [1]}'), (8, '{"limit": null}'), (9, '{"window": "1 month 1 day"}'), (10, '{"window": "1 day 1 hour"}'), (11, '{"window": "-1 days"}'), (12, '{"window": "0 days"}'), (13, '{"window": "101 years"}'),
	(14, '{"window": "1.5 seconds"}'), (15, '{"window": "month", "sliding": true}'), (16, '{"window": "2 months", "sliding": true}'), (17, '{"window": "11 seconds", "sliding": true}'),
	(18, '{"window": null}'), (19, '{"metric": "spend", "currency": "usd"}'), (20, '{"currency": "USD"}'), (21, '{"metric": "unit"}'), (22, '{"metric": "output_tokens", "unit": "x"}'), (23, '{"unit": "x"}'),
	(24, '{"metric": "concurrency"}'), (25, '{"per": "user_id", "tag": "feature"}'), (26, '{"scope": {"tag": {"a": "1", "b": "2"}}}'), (27, '{"scope": {"tag": "feature"}}'), (28, '{"scope": []}'),
	(29, '{"scope": {"tag": {"feature": "x"}}, "tag": "other"}'), (30, '{"action": "degrade"}'), (31, '{"action": "reroute", "degrade_to": "x"}'), (32, '{"thresholds": [1,2,3,4,5,6,7,8,9]}'), (33, '{"thresholds": 50}'),
	(34, '{"note": "sk-abcdefghijklmnopqrstuvwxyz0123456789"}'), (35, '{"per": {"a": 1}}')) AS c (ord, change) ORDER BY c.ord;
SELECT pg_temp.complaint('{"metric": "concurrency", "window": null}') AS concurrency, pg_temp.complaint('{"name": "qc unit", "metric": "images", "window": "5 hours"}') AS unit,
	pg_temp.complaint('{"name": "qc tag", "scope": {"api_key": "qc", "tag": {"feature": "x"}}}') AS tag, pg_temp.complaint('{"name": "qc per tag", "tag": "feature", "per": ["tag"]}') AS per_tag;
SELECT name, metric, unit, "window", window_length, tag, tag_value, per FROM aiusage.quota WHERE status = 'active' AND name LIKE 'qc %' ORDER BY name;
SELECT count(aiusage.retire_quota(q.name)) AS retired FROM aiusage.quota AS q WHERE q.name LIKE 'qc %' AND q.status = 'active';

-- At most 16 limits a row, as far as can be said without one.
SELECT count(aiusage.put_quota(jsonb_build_object('name', 'qc crowd ' || n, 'scope', CASE WHEN n % 2 = 0 THEN '{"team": "qc-team"}' ELSE '{"team": "qc-team", "api_key": "qc"}' END::jsonb,
	'metric', 'requests', 'limit', n, 'window', 'day'))) AS sixteen FROM generate_series(1, 16) AS n;
SELECT aiusage.put_quota('{"name": "qc crowd 17", "scope": {"team": "qc-team"}, "metric": "requests", "limit": 1, "window": "hour"}');
-- another team's row is another row
SELECT aiusage.put_team('qc-other') AS other_team, aiusage.put_quota('{"name": "qc crowd 18", "scope": {"team": "qc-other"}, "metric": "requests", "limit": 1, "window": "hour"}') > 0 AS entered;
-- scopes that only a row can bring together: the row is refused
SELECT aiusage.put_quota('{"name": "qc crowd 19", "scope": {"user_id": "qc-u"}, "metric": "requests", "limit": 100, "window": "hour"}') > 0 AS entered;
SELECT count(*) FROM aiusage.quota_charges(NULL, 'qc', (SELECT max(assignment) FROM aiusage.key_assignment WHERE api_key = 'qc'), NULL, NULL, 'someone', NULL, NULL, 'p', 'm', NULL, '{}', NULL, 'success', 'usage', NULL, NULL, now(), now(), 0);
SELECT count(*) FROM aiusage.quota_charges(NULL, 'qc', (SELECT max(assignment) FROM aiusage.key_assignment WHERE api_key = 'qc'), NULL, NULL, 'qc-u', NULL, NULL, 'p', 'm', NULL, '{}', NULL, 'success', 'usage', NULL, NULL, now(), now(), 0);
SELECT count(aiusage.retire_quota(q.name)) AS retired FROM aiusage.quota AS q WHERE q.name LIKE 'qc %' AND q.status = 'active';

-- Publishing and usage do not go into one transaction.
BEGIN;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('qc', 'qc-p', 'qc-m', '{"input_tokens": 1}');
SELECT aiusage.put_quota('{"name": "qc tx", "scope": {"api_key": "qc"}, "metric": "requests", "limit": 1, "window": "day"}');
ROLLBACK;
BEGIN;
SELECT aiusage.put_quota('{"name": "qc tx", "scope": {"api_key": "qc"}, "metric": "requests", "limit": 1, "window": "day"}') > 0 AS published;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('qc', 'qc-p', 'qc-m', '{"input_tokens": 1}');
ROLLBACK;
SELECT count(*) AS none FROM aiusage.quota WHERE name = 'qc tx';
-- Raw rows are read within a bound only.
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) SELECT 'qc', 'qc-p', 'qc-m', '{"input_tokens": 1}' FROM generate_series(1, 5);
SELECT aiusage.refresh() > 0 AS folded;
UPDATE aiusage.setting SET value = '4' WHERE name = 'quota_backfill_rows';
SELECT aiusage.put_quota('{"name": "qc much", "scope": {"api_key": "qc"}, "metric": "requests", "limit": 1, "window": "total"}');
SELECT aiusage.put_quota('{"name": "qc money", "scope": {"api_key": "qc"}, "metric": "spend", "limit": 1, "window": "total"}') > 0 AS from_rollup;
UPDATE aiusage.setting SET value = 'many' WHERE name = 'quota_backfill_rows';
UPDATE aiusage.setting SET value = '5000000' WHERE name = 'quota_backfill_rows';
SELECT aiusage.retire_quota('qc money') > 0 AS retired;

-- Who may do what
SET ROLE quota_reader;
SELECT aiusage.put_quota('{}');
SELECT aiusage.retire_quota('qc month');
SELECT aiusage.rebuild_quota('qc month', 'x');
SELECT aiusage.stop_team('qc-team', 'x');
INSERT INTO aiusage.quota_event (kind, quota, quota_name) VALUES ('denied', 1, 'x');
SELECT count(*) > 0 AS reads FROM aiusage.quota;
SET ROLE quota_member;
SELECT count(*) FROM aiusage.quota;
SELECT count(*) FROM aiusage.quota_usage;
SELECT aiusage.approve_request(1);
SELECT aiusage.owner_put_quota('{}', false);
RESET ROLE;
-- What a view calls, its readers may call: it tells them what the view does, of limits, windows and prices alike.
SELECT aiusage.put_team('qc-other') IS NOT NULL AS put, aiusage.put_key('{"key": "qc-hidden", "team": "qc-other"}') IS NOT NULL AS put;
SELECT aiusage.put_quota('{"name": "qc hidden", "scope": {"team": "qc-other"}, "metric": "requests", "limit": 1000, "window": "day"}') AS hidden,
	aiusage.put_quota('{"name": "qc seen", "scope": {"team": "qc-team"}, "metric": "requests", "limit": 1000, "window": "day"}') AS seen,
	aiusage.put_quota('{"name": "qc each", "per": ["api_key"], "metric": "requests", "limit": 1000, "window": "day"}') AS each,
	aiusage.put_quota('{"name": "qc all", "metric": "requests", "limit": 100000, "window": "day"}') AS all_of_it \gset
CREATE FUNCTION qc_probe(key text) RETURNS TABLE (quota_name text) LANGUAGE sql AS $$
	SELECT CASE c.quota WHEN current_setting('qc.hidden')::int THEN 'hidden' WHEN current_setting('qc.seen')::int THEN 'seen'
		WHEN current_setting('qc.each')::int THEN 'each' WHEN current_setting('qc.all')::int THEN 'all' ELSE 'another' END
	FROM aiusage.quota_charges(NULL, key, current_setting('qc.assignment_of_' || replace(key, '-', '_'))::bigint, NULL, NULL, NULL, NULL, NULL, 'p', 'm', NULL, '{}', NULL,
		'success', 'usage', NULL, NULL, now(), now(), 1) AS c
	WHERE c.quota IN (current_setting('qc.hidden')::int, current_setting('qc.seen')::int, current_setting('qc.each')::int, current_setting('qc.all')::int)
	ORDER BY 1 $$;
SELECT count(set_config(s.name, v.value, false)) FROM (VALUES ('qc.hidden', :hidden), ('qc.seen', :seen), ('qc.each', :each), ('qc.all', :all_of_it),
	('qc.assignment_of_qc', (SELECT max(assignment)::int FROM aiusage.key_assignment WHERE api_key = 'qc')),
	('qc.assignment_of_qc_hidden', (SELECT max(assignment)::int FROM aiusage.key_assignment WHERE api_key = 'qc-hidden'))) AS s (name, number),
	LATERAL (SELECT s.number::text) AS v (value);
SELECT string_agg(quota_name, ' ') AS of_own FROM qc_probe('qc');
SELECT string_agg(quota_name, ' ') AS of_other FROM qc_probe('qc-hidden');
SET ROLE quota_member;
SELECT string_agg(quota_name, ' ') AS of_own FROM qc_probe('qc');
SELECT string_agg(quota_name, ' ') AS of_other FROM qc_probe('qc-hidden');
SELECT aiusage.quota_window(:hidden, now()) IS NULL AS hidden, aiusage.quota_window(:seen, now()) IS NULL AS seen,
	aiusage.quota_window(:each, now()) IS NULL AS each, aiusage.quota_window(:all_of_it, now()) IS NULL AS all_of_it;
SELECT aiusage.price_exists('qc', current_setting('qc.assignment_of_qc')::bigint, NULL, 'p', 'm', '{}', now(), NULL, NULL, NULL) IS NULL AS own,
	aiusage.price_exists('qc-hidden', current_setting('qc.assignment_of_qc_hidden')::bigint, NULL, 'p', 'm', '{}', now(), NULL, NULL, NULL) IS NULL AS other,
	aiusage.price_exists('qc-hidden', NULL, NULL, 'p', 'm', '{}', now(), NULL, NULL, NULL) IS NULL AS nobody;
RESET ROLE;
SELECT count(aiusage.retire_quota(n)) FROM unnest(ARRAY['qc hidden', 'qc seen', 'qc each', 'qc all']) AS n;
DROP FUNCTION qc_probe(text);
SELECT aiusage.key_record('qc') -> 'missing' ? 'quota' AS no_limit;
SELECT aiusage.put_quota('{"name": "qc class", "scope": {"key_class": "batch"}, "metric": "requests", "limit": 1000, "window": "day"}') > 0 AS entered;
SELECT aiusage.key_record('qc') -> 'missing' ? 'quota' AS no_limit, aiusage.key_record('qc') -> 'quotas' AS quotas;
SELECT aiusage.put_key(aiusage.key_record('qc')) IS NOT NULL AS put_back;
SELECT aiusage.retire_quota('qc class') > 0 AS retired;
SET client_min_messages = warning;
SELECT aiusage.revoke_access('quota_admin', 'admin'), aiusage.revoke_access('quota_reader', 'analyst'), aiusage.revoke_access('quota_member', 'member');
DROP ROLE quota_admin, quota_reader, quota_member;
