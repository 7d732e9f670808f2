-- Admission: holds that keep the room of a request until it is booked.
CREATE DATABASE limit_holds;
\c limit_holds
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS made FROM aiusage.init();
CREATE ROLE hold_gateway;
SELECT aiusage.grant_access('hold_gateway', 'gateway');
-- one request is a dollar an input token, two an output token: easy to add up
SELECT aiusage.import_prices('list', 'aiusage', '{"format": "aiusage", "currency": "USD", "providers": [{"provider": "acme", "models": [
	{"model": "big", "rules": [{"prices": [{"unit": "input_tokens", "rate": 1}, {"unit": "output_tokens", "rate": 2}]}]},
	{"model": "small", "rules": [{"prices": [{"unit": "input_tokens", "rate": 0.1}, {"unit": "output_tokens", "rate": 0.2}]}]}]}]}', '2020-01-01') > 0 AS imported;
SELECT aiusage.put_key('{"key": "bot", "team": "search", "cost_center": "cc-1"}') IS NOT NULL AS put;
SELECT aiusage.put_key('{"key": "other", "team": "ads"}') IS NOT NULL AS put;

-- without limits: always, and a hold that proves it
SELECT decision, model, hold_id IS NOT NULL AS hold, estimated_cost, currency, remaining, http_status, quota, message
FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 10, "output_tokens": 5}');
-- and that ends as one with limits does: with the row of the last attempt, or by release
SELECT hold_id AS h0 FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 10}', operation_id => 'op-0') \gset
SELECT hold_id AS m0 FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 10}', durable => false) \gset
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id, status)
VALUES ('bot', 'acme', 'small', '{}', :'h0', 'error') RETURNING quota_state, aiusage.hold_standing(hold_id, 'bot');
BEGIN;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id) VALUES ('bot', 'acme', 'small', '{}', :'h0');
SELECT aiusage.hold_standing(:'h0', 'bot');
ROLLBACK;
SELECT aiusage.hold_standing(:'h0', 'bot');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id) VALUES ('bot', 'acme', 'small', '{}', :'h0'), ('bot', 'acme', 'small', '{}', :'m0');
SELECT aiusage.hold_standing(:'h0', 'bot'), aiusage.hold_standing(:'m0', 'bot'), aiusage.release(:'h0'), aiusage.release(:'m0');
SELECT status, closed_at IS NOT NULL AS closed FROM aiusage.hold WHERE operation_id = 'op-0';

SELECT aiusage.put_quota('{"name": "search total", "scope": {"team": "search"}, "metric": "spend", "currency": "USD", "limit": 100, "window": "total"}') IS NOT NULL AS put;
SELECT aiusage.put_quota('{"name": "bot at once", "scope": {"api_key": "bot"}, "metric": "concurrency", "limit": 3, "window": "total"}') IS NOT NULL AS put;

CREATE VIEW standing AS SELECT name, used, held, "limit", remaining FROM aiusage.quota_state ORDER BY name;
CREATE FUNCTION book(hold uuid, input int, output int, status aiusage.usage_status DEFAULT 'success', key text DEFAULT 'bot', spent boolean DEFAULT NULL)
RETURNS TABLE (cost numeric, quota_state text) LANGUAGE sql AS $$
	WITH i AS (INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id, status, spent)
		VALUES (key, 'acme', 'big', format('{"input_tokens": %s, "output_tokens": %s}', input, output)::aiusage.usage, hold, status, spent)
		RETURNING cost, quota_state)
	SELECT i.cost::numeric, i.quota_state::text FROM i $$;

-- a hold keeps the room
SELECT decision, estimated_cost, currency, coalesce(remaining, -1) AS remaining, resets_at IS NULL AS never, retry_after IS NULL AS now, http_status, quota, hold_id AS h1
FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 20, "output_tokens": 20}', operation_id => 'op-1') \gset r_
SELECT :'r_decision' AS decision, :'r_estimated_cost' AS estimated_cost, :'r_remaining' AS remaining, :'r_never' AS never, :'r_http_status' AS http_status, :'r_quota' AS quota;
TABLE standing;
SELECT decision, estimated_cost, hold_id, remaining, retry_after, http_status, quota, message
FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 21, "output_tokens": 10}');
SELECT h.status, h.durable, h.api_key, h.model, h.estimated_cost, h.currency, q.name, h.held, h.held_at_first
FROM aiusage.quota_holds() AS h JOIN aiusage.quota AS q USING (quota) ORDER BY q.name;
SELECT status, operation_id, api_key, provider, model, estimated_cost, held FROM aiusage.hold WHERE operation_id = 'op-1';
-- an insert without one is its own admission
SELECT * FROM book(NULL, 41, 0);
SELECT * FROM book(NULL, 30, 0);
-- the row is booked, and the rest is free again
SELECT * FROM book(:'r_h1', 15, 10);
TABLE standing;
SELECT status, held FROM aiusage.hold WHERE operation_id = 'op-1';
-- settled once
SELECT aiusage.hold_standing(:'r_h1', 'bot');
SELECT * FROM book(:'r_h1', 50, 0);
-- forged, and of another key
SELECT aiusage.hold_standing('018f0000-0000-8000-8000-000000000000', 'bot'), aiusage.hold_standing(:'r_h1', 'other');
SELECT * FROM book('018f0000-0000-8000-8000-000000000000', 50, 0);

-- an attempt that fails leaves the rest for the next one
SELECT hold_id AS h2 FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 10, "output_tokens": 10}') \gset
SELECT * FROM book(:'h2', 10, 0, 'error');
TABLE standing;
SELECT * FROM book(:'h2', 10, 0);
TABLE standing;

-- above its hold, and above the limit: booked, and marked; what follows is refused
SELECT hold_id AS h3 FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 1}') \gset
SELECT * FROM book(:'h3', 30, 0);
TABLE standing;
SELECT decision, http_status, remaining, quota FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 1}');
SELECT kind, threshold, used, "limit" FROM aiusage.quota_event WHERE kind <> 'denial' ORDER BY event;

-- release
SELECT aiusage.put_quota('{"name": "search total", "scope": {"team": "search"}, "metric": "spend", "currency": "USD", "limit": 1000, "window": "total"}') IS NOT NULL AS put;
SELECT hold_id AS h4 FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 100}', durable => false) \gset
SELECT count(*) FROM aiusage.hold WHERE hold_id = :'h4';
TABLE standing;
BEGIN;
SELECT aiusage.release(:'h4');
ROLLBACK;
TABLE standing;
SELECT aiusage.release(:'h4');
SELECT aiusage.release(:'h4');
TABLE standing;
SELECT aiusage.release(NULL);

-- an abort takes the hold with it, a savepoint too
BEGIN;
SELECT decision FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 100}');
SAVEPOINT s;
SELECT decision FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 200}', durable => false);
TABLE standing;
ROLLBACK TO s;
TABLE standing;
SAVEPOINT s2;
SELECT decision FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 50}');
RELEASE s2;
TABLE standing;
ROLLBACK;
TABLE standing;
SELECT count(*) FROM aiusage.hold WHERE status = 'open' AND expires_at > now() AND api_key = 'bot' AND estimated_cost >= 50;

-- requests at once
SELECT decision, http_status, quota FROM generate_series(1, 4) AS n, aiusage.admit('bot', 'acme', 'big', format('{"input_tokens": %s}', n)::aiusage.usage, durable => false);
SELECT count(aiusage.release(h.hold_id)) FROM aiusage.quota_holds() AS h WHERE h.status = 'open' AND h.held > 0 AND h.quota = (SELECT quota FROM aiusage.quota WHERE name = 'bot at once');
TABLE standing;

-- a long stream
SELECT hold_id AS h5 FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 100}', ttl => '1 minute') \gset
SELECT decision, estimated_cost, remaining FROM aiusage.extend_hold(:'h5', '{"input_tokens": 100, "output_tokens": 50}');
TABLE standing;
SELECT decision, http_status, message FROM aiusage.extend_hold(:'h5', '{"input_tokens": 100, "output_tokens": 5000}');
BEGIN;
SELECT decision FROM aiusage.extend_hold(:'h5', '{"input_tokens": 100, "output_tokens": 60}');
TABLE standing;
ROLLBACK;
TABLE standing;
-- rolled back, it ends and costs as before, in memory and in the books
CREATE TABLE before AS SELECT m.expires_at, m.estimated_cost, m.held, m.held_at_first FROM aiusage.quota_holds() AS m WHERE m.hold_id = :'h5' AND m.held > 1;
BEGIN;
SAVEPOINT s;
SELECT decision FROM aiusage.extend_hold(:'h5', '{"input_tokens": 100, "output_tokens": 60}');
SELECT b.expires_at < m.expires_at AS later, m.estimated_cost, m.held, m.claimed FROM aiusage.quota_holds() AS m, before AS b WHERE m.hold_id = :'h5' AND m.held > 1;
ROLLBACK TO s;
COMMIT;
SELECT m.expires_at = b.expires_at AS same, h.expires_at = b.expires_at AS same_in_books, m.estimated_cost = b.estimated_cost AS cost,
	h.estimated_cost = b.estimated_cost AS cost_in_books, m.held = b.held AS held, m.held_at_first = b.held_at_first AS first, m.claimed
FROM before AS b, aiusage.quota_holds() AS m JOIN aiusage.hold AS h USING (hold_id) WHERE m.hold_id = :'h5' AND m.held > 1;
-- it never shrinks
SELECT decision FROM aiusage.extend_hold(:'h5', '{"input_tokens": 1}');
TABLE standing;
SELECT * FROM book(:'h5', 100, 70);
TABLE standing;
\set VERBOSITY sqlstate
SELECT * FROM aiusage.extend_hold(:'h5', '{"input_tokens": 1}');
\set VERBOSITY default

-- what the key says
SELECT aiusage.disable_key('bot', 'leaked') IS NOT NULL AS disabled;
SELECT decision, http_status, message FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 1}');
SELECT aiusage.enable_key('bot', 'rotated') IS NOT NULL AS enabled;
SELECT hold_id AS h6 FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 5}') \gset
SELECT aiusage.disable_key('bot', 'leaked') IS NOT NULL AS disabled;
SELECT * FROM book(NULL, 5, 0);
-- what was admitted is money that is gone
SELECT * FROM book(:'h6', 5, 0);
SELECT aiusage.enable_key('bot', 'rotated') IS NOT NULL AS enabled;

-- no price: a spend limit cannot check it
SELECT decision, http_status, estimated_cost, quota, message FROM aiusage.admit('bot', 'acme', 'unheard-of', '{"input_tokens": 5}');

-- a cheaper model, another route, throttling, approval
SELECT aiusage.put_key('{"key": "web", "team": "web"}') IS NOT NULL AS put;
SELECT aiusage.put_quota('{"name": "web day", "scope": {"team": "web", "model": "big"}, "metric": "spend", "currency": "USD", "limit": 10, "window": "day", "action": "degrade", "degrade_to": "small"}') IS NOT NULL AS put;
SELECT decision, model, estimated_cost, remaining, quota, http_status, hold_id IS NOT NULL AS hold FROM aiusage.admit('web', 'acme', 'big', '{"input_tokens": 9}');
SELECT decision, model, estimated_cost, remaining, quota, http_status, hold_id IS NOT NULL AS hold FROM aiusage.admit('web', 'acme', 'big', '{"input_tokens": 9}');
SELECT aiusage.put_key('{"key": "eu", "team": "eu"}') IS NOT NULL AS put;
SELECT aiusage.put_quota('{"name": "eu rate", "scope": {"team": "eu"}, "metric": "requests", "limit": 0, "window": "minute", "action": "throttle"}') IS NOT NULL AS put;
SELECT decision, http_status, remaining, retry_after BETWEEN '0' AND '1 minute' AS soon, hold_id FROM aiusage.admit('eu', 'acme', 'big', '{"input_tokens": 9}');
SELECT aiusage.put_key('{"key": "lab", "team": "lab"}') IS NOT NULL AS put;
SELECT aiusage.put_quota('{"name": "lab route", "scope": {"team": "lab", "endpoint": "chat"}, "metric": "requests", "limit": 0, "window": "total", "action": "reroute", "reroute_to": "cheap-lane"}') IS NOT NULL AS put;
SELECT decision, route, http_status FROM aiusage.admit('lab', 'acme', 'big', '{"input_tokens": 9}', endpoint => 'chat');
SELECT aiusage.put_quota('{"name": "lab approval", "scope": {"team": "lab"}, "metric": "tokens", "limit": 5, "window": "total", "action": "approve"}') IS NOT NULL AS put;
SELECT decision, http_status, message FROM aiusage.admit('lab', 'acme', 'big', '{"input_tokens": 9}');

-- expired: booked and marked; its room is free
SELECT hold_id AS h7 FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 50}', ttl => '50 milliseconds', durable => false) \gset
SELECT pg_sleep(0.1);
SELECT aiusage.hold_standing(:'h7', 'bot');
SELECT * FROM book(:'h7', 5, 0);
SELECT aiusage.sweep_holds() > 0 AS swept;
TABLE standing;
SELECT aiusage.prune_holds() >= 0 AS pruned;

-- two-phase commit outlives a session, holds of its do not
BEGIN;
SELECT decision FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 1}', durable => false);
PREPARE TRANSACTION 'hold';
TABLE standing;

-- bad arguments
SELECT * FROM aiusage.admit(NULL, 'acme', 'big', '{}');
SELECT * FROM aiusage.admit('bot', '', 'big', '{}');
SELECT * FROM aiusage.admit('bot', 'acme', 'big', NULL);
SELECT * FROM aiusage.admit('bot', 'acme', 'big', '{}', ttl => '0');
SELECT * FROM aiusage.admit('bot', 'acme', 'big', '{}', ttl => '8 days');
SELECT * FROM aiusage.admit('bot', 'acme', 'big', '{}', durable => NULL);
SELECT * FROM aiusage.admit(repeat('x', 257), 'acme', 'big', '{}');
SELECT * FROM aiusage.admit('sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD', 'acme', 'big', '{}');
SELECT * FROM aiusage.extend_hold('018f0000-0000-8000-8000-000000000000', '{}');
SELECT * FROM aiusage.extend_hold(NULL, '{}');

-- a gateway admits and releases, and sees nothing else
SET ROLE hold_gateway;
SELECT decision, aiusage.release(hold_id) FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 1}');
SELECT count(*) FROM aiusage.hold;
SELECT count(*) FROM aiusage.quota_holds();
SELECT aiusage.prune_holds();
RESET ROLE;

-- a hold stays in the period that it was admitted in, also when that is closed before it is extended
SELECT aiusage.put_quota('{"name": "ads by period", "scope": {"team": "ads"}, "metric": "spend", "currency": "USD", "limit": 1000, "window": "invoice_period"}') IS NOT NULL AS put;
SELECT hold_id AS h9 FROM aiusage.admit('other', 'acme', 'big', '{"input_tokens": 10}') \gset
CREATE VIEW ads_counters AS SELECT c.window_start = aiusage.period_of(1, now()) AS of_this_period, c.held, c.pins
FROM aiusage.quota_counters() AS c JOIN aiusage.quota AS q USING (quota) WHERE q.name = 'ads by period' ORDER BY 1;
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO aiusage.invoice_period (period, calendar, label, starts_on, ends_on, starts_at, ends_at, status, closed_at, closed_by)
SELECT p, 1, aiusage.period_label(p), aiusage.period_starts_on(p), aiusage.period_ends_on(p), aiusage.period_starts_at(p), aiusage.period_ends_at(p), 'closed', now(), 'test'
FROM aiusage.period_of(1, now()) AS p;
SET LOCAL session_replication_role = origin;
SELECT aiusage.billed_period(1, now()) > aiusage.period_of(1, now()) AS closed;
SELECT decision FROM aiusage.extend_hold(:'h9', '{"input_tokens": 500}');
TABLE ads_counters;
SELECT decision, quota, message FROM aiusage.extend_hold(:'h9', '{"input_tokens": 1001}');
ROLLBACK;
TABLE ads_counters;
SELECT aiusage.release(:'h9');
TABLE ads_counters;
SELECT aiusage.retire_quota('ads by period');

-- what is flushed is taken off memory at the commit, by who flushes
SELECT count(*) > 0 AS denials FROM aiusage.quota_memory() AS m WHERE m.denials_waiting > 0;
BEGIN;
SELECT aiusage.flush_denials() > 0 AS flushed;
PREPARE TRANSACTION 'denials';
SELECT count(*) > 0 AS denials FROM aiusage.quota_memory() AS m WHERE m.denials_waiting > 0;

-- who has a scope sees what is held within it, also by the function that the view calls
CREATE ROLE hold_reader;
CREATE ROLE hold_member;
SELECT aiusage.grant_access('hold_reader', 'analyst') AS granted, aiusage.grant_access('hold_member', 'member', '{"teams": ["ads"]}') AS granted;
SELECT aiusage.put_quota('{"name": "ads total", "scope": {"team": "ads"}, "metric": "tokens", "limit": 100, "window": "total"}') IS NOT NULL AS put;
SELECT aiusage.put_quota('{"name": "key tokens", "per": ["api_key"], "metric": "tokens", "limit": 1000, "window": "total"}') IS NOT NULL AS put;
SELECT decision FROM aiusage.admit('bot', 'acme', 'big', '{"input_tokens": 2}') UNION ALL SELECT decision FROM aiusage.admit('other', 'acme', 'big', '{"input_tokens": 3}');
SELECT q.quota AS ads FROM aiusage.quota AS q WHERE q.name = 'ads total' \gset
SELECT q.quota AS keys FROM aiusage.quota AS q WHERE q.name = 'key tokens' \gset
SELECT q.quota AS search FROM aiusage.quota AS q WHERE q.name = 'search total' AND q.status = 'active' \gset
CREATE VIEW held_by AS SELECT aiusage.quota_held(:ads, '{}', 0) > 0 AS ads, aiusage.quota_held(:keys, '{other}', 0) > 0 AS key_of_ads,
	aiusage.quota_held(:search, '{}', 0) > 0 AS search, aiusage.quota_held(:keys, '{bot}', 0) > 0 AS key_of_search;
GRANT SELECT ON held_by TO hold_reader, hold_member;
TABLE held_by;
SET ROLE hold_reader;
TABLE held_by;
SET ROLE hold_member;
TABLE held_by;
SELECT name, held > 0 AS held FROM aiusage.quota_state;
RESET ROLE;

SELECT check_name, ok FROM aiusage.verify() WHERE NOT ok;
\c contrib_regression
DROP DATABASE limit_holds;
DROP ROLE hold_gateway, hold_reader, hold_member;
