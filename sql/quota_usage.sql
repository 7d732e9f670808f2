-- What rows add up to under limits: against plain SQL, folded and not.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
SELECT count(aiusage.put_key(r)) AS keys FROM (VALUES
	(jsonb '{"key": "qu-1", "team": "qu-a", "cost_center": "qu-cc", "project": "qu-p", "environment": "production", "customer": "qu-acme", "class": "production"}'),
	('{"key": "qu-2", "team": "qu-b", "cost_center": "qu-cc", "workflow": "qu-w", "class": "batch"}'),
	('{"key": "qu-3", "team": "qu-a"}')) AS v (r);
SELECT aiusage.put_customer('qu-acme', 'Acme', 'gold') AS tier;
CREATE ROLE quota_importer;
CREATE ROLE quota_gateway;
SELECT aiusage.grant_access('quota_importer', 'importer'), aiusage.grant_access('quota_gateway', 'gateway');
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';

-- book(): a row with everything that limits look at; money is given, so that the test needs no prices
CREATE FUNCTION pg_temp.book(key text, cost numeric, n int DEFAULT 1, user_id text DEFAULT NULL, model text DEFAULT 'qu-m', customer text DEFAULT NULL,
	ago interval DEFAULT '0', tags jsonb DEFAULT NULL, status aiusage.usage_status DEFAULT 'success', currency text DEFAULT 'USD', recorded_ago interval DEFAULT '0')
RETURNS void LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record (id, recorded_at, assignment, api_key, provider, model, usage, user_id, customer, tags, status, cost_state, cost, cost_by_unit, invoice_period, job_id)
	SELECT aiusage.uuid_v7(clock_timestamp() - ago), clock_timestamp() - recorded_ago,
		(SELECT assignment FROM aiusage.key_assignment WHERE api_key = key AND valid_to IS NULL), key, 'qu-Prov', model,
		'{"input_tokens": 100, "output_tokens": 10, "images": 1}', user_id, customer, tags, status, 'final', aiusage.amount(cost, currency),
		aiusage.unit_costs(ARRAY['input_tokens'], ARRAY[cost], currency), aiusage.period_of(1, clock_timestamp() - ago), 'qu-job'
	FROM generate_series(1, n)
$$;
SELECT pg_temp.book('qu-1', 1.25, 2, 'ana'), pg_temp.book('qu-2', 0.000000000001, 3, 'ben', 'QU-M'), pg_temp.book('qu-1', 2, 1, NULL, customer => 'qu-zeta'),
	pg_temp.book('qu-3', 7, 1, 'ana', status => 'error'), pg_temp.book('qu-nobody', 5, 1, 'ana'), pg_temp.book('qu-1', 3, 1, 'ana', currency => 'EUR');
SELECT aiusage.refresh() > 0 AS folded;
SELECT pg_temp.book('qu-1', 1.25, 2, 'ana', tags => '{"feature": "x", "n": 1.50, "on": true}'), pg_temp.book('qu-2', 0.5, 1, 'ben', tags => '{"feature": null}');

-- Scopes and subjects: every dimension, on rows that are folded and rows that are not
SELECT count(aiusage.put_quota(jsonb_build_object('name', 'qu ' || v.name, 'metric', v.metric, 'limit', 1000000, 'window', 'total', 'scope', v.scope, 'per', v.per)
	|| coalesce(v.more, '{}'))) AS published FROM (VALUES
	('key', 'spend', jsonb '{"api_key": "qu-1"}', jsonb '[]', NULL::jsonb), ('class', 'requests', '{"key_class": "batch", "team": "qu-b"}', '[]', NULL), ('team', 'tokens', '{"team": "qu-a"}', '["user_id"]', NULL),
	('cost center', 'images', '{"cost_center": "qu-cc"}', '["team", "model"]', NULL), ('project', 'requests', '{"project": "qu-p"}', '["customer"]', NULL),
	('customer', 'spend', '{"customer": "qu-acme"}', '[]', NULL), ('tier', 'requests', '{"plan_tier": "gold", "team": "qu-a"}', '[]', NULL), ('user', 'errors', '{"user_id": "ana", "team": "qu-a"}', '["api_key"]', NULL),
	('environment', 'requests', '{"environment": "production"}', '[]', NULL), ('workflow', 'spend', '{"workflow": "qu-w"}', '[]', NULL), ('provider', 'requests', '{"provider": "QU-pro*", "api_key": "qu-2"}', '["provider"]', NULL),
	('model', 'requests', '{"model": "qu-M", "api_key": "qu-2"}', '["model"]', NULL), ('tag', 'requests', '{"tag": {"feature": "x"}, "team": "qu-a"}', '[]', NULL), ('per tag', 'requests', '{"team": "qu-a"}', '["tag"]', '{"tag": "n"}'),
	('bool tag', 'requests', '{"tag": {"on": "true"}, "team": "qu-a"}', '[]', NULL), ('euro', 'spend', '{"api_key": "qu-1"}', '[]', '{"currency": "EUR"}')
	) AS v (name, metric, scope, per, more);
SELECT name, subject, trim_scale(used) AS used, currency, unit FROM aiusage.quota_state WHERE name LIKE 'qu %' ORDER BY name, subject;
SELECT aiusage.refresh() > 0 AS folded;
-- and the same when all is folded
SELECT count(*) AS counters, count(*) FILTER (WHERE c.used IS DISTINCT FROM u.used) AS differ
FROM aiusage.quota_counter AS c JOIN aiusage.quota AS q USING (quota) FULL JOIN (SELECT u.* FROM aiusage.quota_usage AS u JOIN aiusage.quota AS q USING (quota) WHERE q.name LIKE 'qu %') AS u
	ON u.quota = c.quota AND u.subject = c.subject AND u.window_start = c.window_start
WHERE q.name LIKE 'qu %' OR q.name IS NULL;
SELECT check_name, ok, expected, actual FROM aiusage.verify() WHERE check_name LIKE 'limit%' ORDER BY check_name COLLATE "C";
-- Added up by the aggregate, or a row a charge: the same.
WITH singly AS (
	SELECT c.quota, c.subject, c.window_start, c.starts_at, c.ends_at, c.labels, sum(c.amount) AS amount, min(r.occurred_at) AS first_at
	FROM aiusage.usage_record AS r CROSS JOIN LATERAL aiusage.quota_charges(NULL, r.api_key, r.assignment, r.customer, r.workflow, r.user_id, r.job_id, r.tags, r.provider, r.model, r.endpoint, r.usage,
		r.cost, r.status, r.kind, r.adjusts, r.quota_state, r.occurred_at, r.recorded_at, r.invoice_period) AS c
	WHERE c.amount <> 0
	GROUP BY c.quota, c.subject, c.window_start, c.starts_at, c.ends_at, c.labels
), totals AS (
	SELECT t.* FROM (SELECT aiusage.quota_totals(NULL, r.api_key, r.assignment, r.customer, r.workflow, r.user_id, r.job_id, r.tags, r.provider, r.model, r.endpoint, r.usage,
		r.cost, r.status, r.kind, r.adjusts, r.quota_state, r.occurred_at, r.recorded_at, r.invoice_period) AS counters FROM aiusage.usage_record AS r) AS a, unnest(a.counters) AS t
)
SELECT count(*) >= 20 AS counters, count(*) FILTER (WHERE s.quota IS NULL OR t.quota IS NULL) AS differ
FROM singly AS s FULL JOIN totals AS t ON (s.quota, s.subject, s.window_start, s.starts_at, s.ends_at, s.amount, s.first_at) = (t.quota, t.subject, t.window_start, t.starts_at, t.ends_at, t.amount, t.first_at)
	AND s.labels IS NOT DISTINCT FROM t.labels;
SELECT count(aiusage.retire_quota(q.name)) AS retired FROM aiusage.quota AS q WHERE q.name LIKE 'qu %';

-- Corrections move spend, never rates.
SELECT aiusage.put_quota('{"name": "qu money", "scope": {"api_key": "qu-2"}, "metric": "spend", "limit": 100, "window": "total"}') > 0 AS money,
	aiusage.put_quota('{"name": "qu rate", "scope": {"api_key": "qu-2"}, "metric": "requests", "limit": 100, "window": "total"}') > 0 AS rate,
	aiusage.put_quota('{"name": "qu tokens", "scope": {"api_key": "qu-2"}, "metric": "tokens", "limit": 10000, "window": "total"}') > 0 AS tokens;
SELECT name, trim_scale(used) AS used FROM aiusage.quota_state WHERE name LIKE 'qu %' ORDER BY name;
INSERT INTO aiusage.usage_record (id, recorded_at, api_key, provider, model, usage, kind, adjusts, correction, cost_state, cost, cost_by_unit, invoice_period)
SELECT aiusage.uuid_v7(), clock_timestamp(), 'qu-2', 'qu-prov', 'qu-m', '{"input_tokens": 100}', v.kind::aiusage.record_kind, aiusage.uuid_v7(), 1, 'final', aiusage.amount(v.cost, 'USD'),
	aiusage.unit_costs(ARRAY['input_tokens'], ARRAY[v.cost], 'USD'), aiusage.period_of(1, now())
FROM (VALUES ('reversal', -0.25), ('usage', 0.75), ('adjustment', -0.125), ('outcome', 0)) AS v (kind, cost);
SELECT name, trim_scale(used) AS used FROM aiusage.quota_state WHERE name LIKE 'qu %' ORDER BY name;
SELECT aiusage.refresh() > 0 AS folded;
SELECT name, trim_scale(used) AS used FROM aiusage.quota_state WHERE name LIKE 'qu %' ORDER BY name;
SELECT count(aiusage.retire_quota(q.name)) AS retired FROM aiusage.quota AS q WHERE q.name LIKE 'qu %' AND q.status = 'active';

-- The time that counts: the server's for short windows, the event's for long ones unless it comes late; of history the event's.
SELECT aiusage.put_quota('{"name": "qu minute", "scope": {"api_key": "qu-3"}, "metric": "requests", "limit": 100, "window": "minute"}') AS minute,
	aiusage.put_quota('{"name": "qu day", "scope": {"api_key": "qu-3"}, "metric": "requests", "limit": 100, "window": "day"}') AS day,
	aiusage.put_quota('{"name": "qu slide", "scope": {"api_key": "qu-3"}, "metric": "requests", "limit": 100, "window": "3 days", "sliding": true}') AS slide,
	aiusage.put_quota('{"name": "qu long", "scope": {"api_key": "qu-3"}, "metric": "requests", "limit": 100, "window": "24 hours"}') AS long \gset
SELECT v.what, q.name, CASE c.window_start WHEN e.window_start THEN 'event' WHEN r.window_start THEN 'recorded' END AS counts_by
FROM (VALUES (1, 'half an hour late', timestamptz '2100-01-01 23:55Z', timestamptz '2100-01-02 00:25Z', NULL), (2, 'an hour late', '2100-01-01 23:25Z', '2100-01-02 00:25Z', NULL),
	(3, 'more than an hour late', '2100-01-01 23:24:59.999999Z', '2100-01-02 00:25Z', NULL), (4, 'ahead of the clock', '2100-01-02 00:10Z', '2100-01-01 23:50Z', NULL),
	(5, 'recorded before it was published', '2010-01-01 20:00Z', '2010-01-03 00:25Z', NULL), (6, 'imported', '2010-01-01 20:00Z', '2100-01-03 00:25Z', 'exempt')) AS v (ord, what, occurred_at, recorded_at, state)
JOIN aiusage.quota AS q ON q.quota IN (:minute, :day, :slide, :long)
CROSS JOIN LATERAL aiusage.quota_charges(q.quota, 'qu-3', NULL, NULL, NULL, NULL, NULL, NULL, 'p', 'm', NULL, '{}', NULL, 'success', 'usage', NULL,
	v.state::aiusage.limit_state, v.occurred_at, v.recorded_at, 0) AS c
CROSS JOIN LATERAL aiusage.quota_window(q.quota, v.occurred_at) AS e
CROSS JOIN LATERAL aiusage.quota_window(q.quota, v.recorded_at) AS r
ORDER BY v.ord, q.name;

-- Money that cannot be checked: another currency, no price; amount 0, and said so
SELECT aiusage.put_quota('{"name": "qu strict", "scope": {"api_key": "qu-3"}, "metric": "spend", "limit": 1, "window": "day"}') AS strict,
	aiusage.put_quota('{"name": "qu lax", "scope": {"api_key": "qu-3"}, "metric": "spend", "limit": 1, "window": "day", "unpriced": "allow"}') AS lax \gset
SELECT v.cost, v.kind, q.name, c.amount, c.uncheckable FROM (VALUES ('1 USD', 'usage'), ('1 EUR', 'usage'), (NULL, 'usage'), (NULL, 'reversal'), ('-1 USD', 'reversal'), ('0 USD', 'outcome')) AS v (cost, kind)
CROSS JOIN aiusage.quota AS q
CROSS JOIN LATERAL aiusage.quota_charges(q.quota, 'qu-3', NULL, NULL, NULL, NULL, NULL, NULL, 'p', 'm', NULL, '{}', v.cost::aiusage.amount, 'success', v.kind::aiusage.record_kind, NULL,
	NULL, now(), now(), 0) AS c
WHERE q.quota IN (:strict, :lax) ORDER BY q.name DESC, v.kind DESC, v.cost;
-- Hostile numbers
SELECT c.amount FROM aiusage.quota_charges(:minute, 'qu-3', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, now(), NULL, NULL) AS c;
SELECT count(*) FROM aiusage.quota_charges(:minute, NULL, -5, repeat('c', 100000), NULL, NULL, NULL, '[1]', repeat('p', 100000), NULL, NULL, '{}', NULL, NULL, NULL, NULL, NULL, now(), now(), -7) AS c;
SELECT count(*) FROM aiusage.quota_charges(:minute, 'qu-3', NULL, NULL, NULL, NULL, NULL, NULL, 'p', 'm', NULL, '{}', NULL, 'success', 'usage', NULL, NULL, 'infinity', 'infinity', 0) AS c;
SELECT aiusage.put_quota('{"name": "qu huge", "scope": {"api_key": "qu-3"}, "metric": "tokens", "limit": 1e24, "window": "total"}') AS huge \gset
SELECT c.amount FROM aiusage.quota_charges(:huge, 'qu-3', NULL, NULL, NULL, NULL, NULL, NULL, 'p', 'm', NULL, '{"input_tokens": 1e24}', NULL, 'success', 'usage', NULL, NULL, now(), now(), 0) AS c;
SELECT c.amount FROM aiusage.quota_charges(:huge, 'qu-3', NULL, NULL, NULL, NULL, NULL, NULL, 'p', 'm', NULL, '{"input_tokens": 999999999999999999999999999999}', NULL, 'success', 'usage', NULL, NULL, now(), now(), 0) AS c;
-- A sum that 128 bits do not hold is still a sum.
SELECT t.amount, t.labels FROM unnest((SELECT aiusage.quota_totals(:huge, 'qu-3', NULL, NULL, NULL, NULL, NULL, NULL, 'p', 'm', NULL, '{"input_tokens": 1e25}', NULL, 'success', 'usage', NULL, NULL, now(), now(), 0)
	FROM generate_series(1, 100))) AS t;
SELECT aiusage.quota_totals(:huge, 'nobody', NULL, NULL, NULL, NULL, NULL, NULL, 'p', 'm', NULL, '{}', NULL, 'success', 'usage', NULL, NULL, now(), now(), 0) AS nothing_counts,
	(SELECT aiusage.quota_totals(NULL, 'qu-3', NULL, NULL, NULL, NULL, NULL, NULL, 'p', 'm', NULL, '{}', NULL, 'success', 'usage', NULL, NULL, now(), now(), 0) WHERE false) AS no_rows;
SELECT count(aiusage.retire_quota(q.name)) AS retired FROM aiusage.quota AS q WHERE q.name LIKE 'qu %' AND q.status = 'active';

-- What an importer books is history: never refused, marked, counted where it happened.
SELECT aiusage.put_quota('{"name": "qu import", "scope": {"api_key": "qu-3"}, "metric": "requests", "limit": 1, "window": "month", "time_zone": "UTC"}') AS import \gset
SELECT aiusage.disable_key('qu-3', 'closed') AS disabled;
SET ROLE quota_gateway;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('qu-3', 'p', 'm', '{"input_tokens": 1}');
SET ROLE quota_importer;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) SELECT aiusage.uuid_v7('2024-02-10 12:00Z'), 'qu-3', 'p', 'm', '{"input_tokens": 1}' FROM generate_series(1, 3);
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) SELECT 'qu-3', 'p', 'm', '{"input_tokens": 1}' FROM generate_series(1, 2);
RESET ROLE;
SELECT quota_state, count(*) FROM aiusage.usage_record WHERE api_key = 'qu-3' AND provider = 'p' GROUP BY 1;
SELECT trim_scale(used) AS used, "limit", remaining, percent, state FROM aiusage.quota_state WHERE quota = :import;
-- Windows that were over when it was published are not kept, nor those that are long over.
UPDATE aiusage.quota SET pruned_to = '-infinity' WHERE quota = :import;
SELECT aiusage.refresh() > 0 AS folded;
SELECT starts_at, used FROM aiusage.quota_usage WHERE quota = :import AND starts_at < '2025-01-01';
SELECT check_name AS wrong FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'limit%';
UPDATE aiusage.fold_state SET quotas_pruned_at = '-infinity';
SELECT aiusage.prune_quotas() > 0 AS still_kept;
SELECT aiusage.quota_kept('2024-02-01', '2024-03-01', '2024-03-01'::timestamptz + interval '869 days'), aiusage.quota_kept('2024-02-01', '2024-03-01', '2024-03-01'::timestamptz + interval '871 days'),
	aiusage.quota_kept('2024-02-01 00:00', '2024-02-01 00:01', '2024-02-02 23:59'), aiusage.quota_kept('2024-02-01 00:00', '2024-02-01 00:01', '2024-02-03 00:02'), aiusage.quota_kept('-infinity', 'infinity', now());
SELECT check_name AS wrong FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'limit%';
SELECT aiusage.retire_quota('qu import') = :import AS retired;

-- A sliding limit is that of now, also when a row of long ago is the first to ask for its counter.
SELECT aiusage.enable_key('qu-3') AS enabled, aiusage.put_quota('{"name": "qu last hour", "scope": {"api_key": "qu-3", "provider": "p"}, "metric": "requests", "limit": 4, "window": "hour", "sliding": true}') AS last \gset
SELECT used FROM aiusage.quota_state WHERE quota = :last;
SET ROLE quota_importer;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (aiusage.uuid_v7('2024-02-10 12:00Z'), 'qu-3', 'p', 'm', '{"input_tokens": 1}');
SET ROLE quota_gateway;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) SELECT 'qu-3', 'p', 'm', '{"input_tokens": 1}' FROM generate_series(1, 2);
\set VERBOSITY terse
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('qu-3', 'p', 'm', '{"input_tokens": 1}');
\set VERBOSITY default
SET ROLE quota_importer;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (aiusage.uuid_v7('2024-02-10 12:00Z'), 'qu-3', 'p', 'm', '{"input_tokens": 1}');
RESET ROLE;
SELECT used, state FROM aiusage.quota_state WHERE quota = :last;
SELECT check_name AS wrong FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'limit%';
SELECT aiusage.retire_quota('qu last hour') = :last AS retired;

-- A counter that is wrong is found, and repaired aloud.
SELECT aiusage.put_quota('{"name": "qu broken", "scope": {"team": "qu-b"}, "metric": "requests", "limit": 10, "window": "total", "per": ["user_id"]}') AS broken \gset
UPDATE aiusage.quota_usage SET used = used + 1 WHERE quota = :broken;
SELECT check_name, ok, expected, actual FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'limit%';
-- ... within a bound, for it reads the ledger
ANALYZE aiusage.usage_record;
UPDATE aiusage.setting SET value = '3' WHERE name = 'quota_backfill_rows';
\set VERBOSITY terse
SELECT aiusage.rebuild_quota('qu broken', 'verify() found it');
\set VERBOSITY default
UPDATE aiusage.setting SET value = '5000000' WHERE name = 'quota_backfill_rows';
SELECT aiusage.rebuild_quota('qu broken', 'verify() found it') = :broken AS rebuilt;
SELECT kind, used, detail FROM aiusage.quota_event WHERE quota = :broken AND kind = 'rebuilt';
SELECT old ->> 'epoch' AS epoch, new ->> 'epoch' AS now, new ->> 'rebuild_reason' AS reason FROM aiusage.audit_log WHERE relation = 'quota' AND new ->> 'quota' = :'broken' AND old ->> 'epoch' <> new ->> 'epoch';
SELECT check_name AS wrong FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'limit%';
-- Labels and their ids belong together.
UPDATE aiusage.quota_subject SET labels = '{mallory}' WHERE quota = :broken;
SELECT check_name, ok FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'limit%' ORDER BY 1;
SELECT aiusage.rebuild_quota('qu broken', 'labels') = :broken AS rebuilt;
SELECT check_name AS wrong FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'limit%';
SELECT aiusage.retire_quota('qu broken') = :broken AS retired;

-- Class and plan tier are today's: history moves with them.
SELECT aiusage.put_quota('{"name": "qu by class", "scope": {"team": "qu-b"}, "metric": "requests", "limit": 10, "window": "total", "per": ["key_class"]}') AS class,
	aiusage.put_quota('{"name": "qu by tier", "scope": {"plan_tier": "silver"}, "metric": "spend", "limit": 1000, "window": "month"}') AS tier \gset
SELECT name, subject, trim_scale(used) AS used FROM aiusage.quota_state WHERE quota IN (:class, :tier) ORDER BY name;
SELECT aiusage.put_key(aiusage.key_record('qu-2') || '{"class": "evaluation"}') IS NOT NULL AS changed, aiusage.put_customer('qu-acme', plan_tier => 'silver') AS silver,
	aiusage.put_customer('qu-zeta', 'Zeta', 'silver') AS also;
SELECT name, subject, trim_scale(used) AS used FROM aiusage.quota_state WHERE quota IN (:class, :tier) ORDER BY name;
SELECT quota_name, detail FROM aiusage.quota_event WHERE quota IN (:class, :tier) AND kind = 'rebuilt' ORDER BY event;
-- a key without usage changes nothing
SELECT aiusage.put_key('{"key": "qu-new", "class": "batch"}') IS NULL AS entered, (SELECT epoch FROM aiusage.quota WHERE quota = :class) AS epoch;
SELECT check_name AS wrong FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'limit%';
SELECT count(aiusage.retire_quota(q.name)) AS retired FROM aiusage.quota AS q WHERE q.name LIKE 'qu %' AND q.status = 'active';

-- Forecast: at the rate since the window began, or since the first usage
SELECT aiusage.put_quota('{"name": "qu soon", "scope": {"customer": "qu-acme"}, "metric": "requests", "limit": 8, "window": "total"}') AS soon,
	aiusage.put_quota('{"name": "qu never", "scope": {"customer": "qu-nobody"}, "metric": "requests", "limit": 8, "window": "total"}') AS never,
	aiusage.put_quota('{"name": "qu full", "scope": {"customer": "qu-acme"}, "metric": "requests", "limit": 1, "window": "total"}') AS full \gset
SELECT name, used, "limit", per_hour > 0 AS moves, CASE WHEN reached_at = statement_timestamp() THEN 'now' WHEN reached_at IS NULL THEN 'never'
	ELSE (abs(extract(epoch FROM reached_at - statement_timestamp()) - ("limit" - used) / per_hour * 3600) < 0.01)::text END AS as_computed
FROM aiusage.quota_forecast WHERE quota IN (:soon, :never, :full) ORDER BY name;
SELECT count(aiusage.retire_quota(q.name)) AS retired FROM aiusage.quota AS q WHERE q.name LIKE 'qu %' AND q.status = 'active';
SET client_min_messages = warning;
SELECT aiusage.revoke_access('quota_importer', 'importer'), aiusage.revoke_access('quota_gateway', 'gateway');
DROP ROLE quota_importer, quota_gateway;
