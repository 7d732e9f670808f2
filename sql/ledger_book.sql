-- Booking: one row's way through the trigger
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- a price book of our own: plain figures to reckon with
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('ledger_test', 'list', 'USD');
SELECT aiusage.import_prices('ledger_test', 'genai-prices', '[{"id": "ledgerlab", "name": "Ledger Lab", "api_pattern": "x", "models": [
	{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 3, "cache_read_mtok": 0.3, "output_mtok": 15}},
	{"id": "m0", "match": {"equals": "m0"}, "prices": {}}]}]', '2026-01-01') IS NOT NULL AS imported;
SELECT aiusage.put_key('{"key": "ledger_key", "class": "production", "team": "ledger_team", "cost_center": "ledger_cc",
	"project": "p1", "environment": "prod", "workflow": "w-of-key", "customer": "c-of-key", "owner": "ann", "price_book": "ledger_test"}') IS NOT NULL AS made;
DO $$ BEGIN PERFORM aiusage.make_partitions('2026-03-01', '2026-04-01'); END $$;

-- the least that a gateway can send
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage)
VALUES (aiusage.event_id('ledger-1', '2026-03-10 12:00:00.5+00'), 'ledger_key', 'ledgerlab', 'm1',
	'{"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 70}');

SELECT occurred_at AT TIME ZONE 'UTC' AS occurred_at, team, cost_center, project, environment, workflow, customer, owner,
	kind, status, attempt, input_tokens, cache_read_tokens, output_tokens, requests, cost,
	(600 * 3 + 400 * 0.3 + 70 * 15) / 1000000::numeric AS oracle, currency, cost_by_unit, cost_state, unmatched
FROM aiusage.usage_log WHERE id = aiusage.event_id('ledger-1', '2026-03-10 12:00:00.5+00') \gx

-- stamped by this transaction, in this incarnation, in the period of its month
BEGIN;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, workflow, customer)
VALUES (aiusage.event_id('ledger-2', '2026-03-31 23:59:59+00'), 'ledger_key', 'ledgerlab', 'm1', '{"input_tokens": 1}', 'own-w', 'own-c');
SELECT txid & ((1::bigint << 48) - 1) = pg_current_xact_id()::text::bigint AS own_xid,
	txid >> 48 = (SELECT incarnation FROM aiusage.books) AS own_incarnation,
	recorded_at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS recorded_now,
	invoice_period, aiusage.period_label(invoice_period)
FROM aiusage.usage_record WHERE id = aiusage.event_id('ledger-2', '2026-03-31 23:59:59+00');
-- a savepoint's row carries the top-level transaction
SAVEPOINT s;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage)
VALUES (aiusage.event_id('ledger-3', '2026-03-11 00:00:00+00'), 'ledger_key', 'ledgerlab', 'm1', '{"input_tokens": 1}');
RELEASE s;
SELECT count(DISTINCT txid) AS transactions FROM aiusage.usage_record
WHERE id IN (aiusage.event_id('ledger-2', '2026-03-31 23:59:59+00'), aiusage.event_id('ledger-3', '2026-03-11 00:00:00+00'));
COMMIT;
-- what the request says wins over the assignment
SELECT workflow, customer FROM aiusage.usage_log WHERE id = aiusage.event_id('ledger-2', '2026-03-31 23:59:59+00');

-- replayed: once
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage)
VALUES (aiusage.event_id('ledger-1', '2026-03-10 12:00:00.5+00'), 'ledger_key', 'ledgerlab', 'm1', '{"input_tokens": 999999}')
ON CONFLICT DO NOTHING;
SELECT count(*), sum(cost::numeric) FROM aiusage.usage_record WHERE id = aiusage.event_id('ledger-1', '2026-03-10 12:00:00.5+00');

-- no owner, no price: booked, and said so
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES
	(aiusage.event_id('ledger-4', '2026-03-10 13:00:00+00'), 'ledger_nobody', 'ledgerlab', 'm1', '{"input_tokens": 1000}'),
	(aiusage.event_id('ledger-5', '2026-03-10 13:00:00+00'), 'ledger_key', 'ledgerlab', 'm-unheard-of', '{"input_tokens": 1000}'),
	(aiusage.event_id('ledger-6', '2026-03-10 13:00:00+00'), 'ledger_key', 'no-such-lab', 'm1', '{"input_tokens": 1000}'),
	(aiusage.event_id('ledger-7', '2026-03-10 13:00:00+00'), 'ledger_key', 'ledgerlab', 'm0', '{"input_tokens": 1000}'),
	(aiusage.event_id('ledger-8', '2026-03-10 13:00:00+00'), 'ledger_key', 'ledgerlab', 'm1', '{"input_tokens": 10, "cache_read_tokens": 11}'),
	(aiusage.event_id('ledger-9', '2026-03-10 13:00:00+00'), 'ledger_key', 'ledgerlab', 'm1', '{"input_tokens": 10, "web_searches": 2}'),
	(aiusage.event_id('ledger-10', '2026-03-10 13:00:00+00'), 'ledger_key', 'ledgerlab', 'm1', '{"input_tokens": 10, "moon_phases": 2}');
SELECT request.n, l.unmatched, l.cost, l.currency, l.cost_state, l.unpriced_reason, l.cost_by_unit
FROM (SELECT n, aiusage.event_id('ledger-' || n, '2026-03-10 13:00:00+00') AS id FROM generate_series(4, 10) AS n) AS request
JOIN aiusage.usage_log AS l USING (id) ORDER BY n;

-- counters that may still change make an estimate
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, streamed, stream_state) VALUES
	(aiusage.event_id('ledger-11', '2026-03-10 14:00:00+00'), 'ledger_key', 'ledgerlab', 'm1', '{"input_tokens": 1}', true, 'complete'),
	(aiusage.event_id('ledger-12', '2026-03-10 14:00:00+00'), 'ledger_key', 'ledgerlab', 'm1', '{"input_tokens": 1}', true, 'partial'),
	(aiusage.event_id('ledger-13', '2026-03-10 14:00:00+00'), 'ledger_key', 'ledgerlab', 'm1', '{"input_tokens": 1}', true, 'estimated');
SELECT stream_state, cost_state FROM aiusage.usage_log
WHERE id = ANY (ARRAY(SELECT aiusage.event_id('ledger-' || n, '2026-03-10 14:00:00+00') FROM generate_series(11, 13) AS n)) ORDER BY stream_state;

-- occurred_at beside the id's time: 2 days before, 1 hour after
INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage) VALUES
	(aiusage.event_id('ledger-14', '2026-03-10 14:00:00+00'), '2026-03-08 14:00:00+00', 'ledger_key', 'ledgerlab', 'm1', '{}'),
	(aiusage.event_id('ledger-15', '2026-03-10 14:00:00+00'), '2026-03-10 15:00:00+00', 'ledger_key', 'ledgerlab', 'm1', '{}');

-- a row booked elsewhere is kept, txid apart (only the owner can send one)
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, recorded_at, txid, cost, cost_by_unit, cost_state, invoice_period, kind)
VALUES (aiusage.event_id('ledger-16', '2026-03-12 00:00:00+00'), 'ledger_old', 'elsewhere', 'old-model', '{"input_tokens": 7}',
	'2026-03-12 00:00:01+00', 42, '123.456 EUR', '{"EUR": {"input_tokens": 123.456}}', 'final', 124314, 'usage');
SELECT cost, recorded_at AT TIME ZONE 'UTC' AS recorded_at, txid <> 42 AS stamped, invoice_period, price_version
FROM aiusage.usage_record WHERE id = aiusage.event_id('ledger-16', '2026-03-12 00:00:00+00');

-- keys: disabled, routes, strict mode; spent money is booked all the same
SELECT aiusage.put_key('{"key": "ledger_narrow", "team": "ledger_team", "cost_center": "ledger_cc", "allowed_providers": ["ledgerlab"],
	"allowed_models": ["m1", "m2*"], "allowed_endpoints": ["chat"], "price_book": "ledger_test"}') IS NOT NULL AS made;
\set SHOW_CONTEXT never
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, endpoint) VALUES ('ledger_narrow', 'otherlab', 'm1', '{}', 'chat');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, endpoint) VALUES ('ledger_narrow', 'ledgerlab', 'm3', '{}', 'chat');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, endpoint) VALUES ('ledger_narrow', 'ledgerlab', 'm1', '{}', 'images');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, endpoint) VALUES ('ledger_narrow', 'ledgerlab', 'm2-large', '{}', 'chat');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, endpoint, spent) VALUES ('ledger_narrow', 'ledgerlab', 'm3', '{}', 'chat', true);
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, endpoint, hold_id) VALUES ('ledger_narrow', 'ledgerlab', 'm3', '{}', 'chat', (SELECT hold_id FROM aiusage.admit('ledger_narrow', 'ledgerlab', 'm1', '{}', endpoint => 'chat')));
-- a hold that was not made for the key is none
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, endpoint, hold_id) VALUES ('ledger_narrow', 'ledgerlab', 'm3', '{}', 'chat', aiusage.uuid_v7());
SELECT aiusage.disable_key('ledger_narrow', 'test');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, endpoint) VALUES ('ledger_narrow', 'ledgerlab', 'm1', '{}', 'chat');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, endpoint, spent) VALUES ('ledger_narrow', 'ledgerlab', 'm1', '{}', 'chat', true);
SELECT model, spent, hold_id IS NOT NULL AS held, count(*) FROM aiusage.usage_record WHERE api_key = 'ledger_narrow' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

BEGIN;
UPDATE aiusage.setting SET value = 'on' WHERE name = 'strict_keys';
SAVEPOINT s;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('ledger_nobody', 'ledgerlab', 'm1', '{}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, spent) VALUES ('ledger_nobody', 'ledgerlab', 'm1', '{}', true);
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('ledger_key', 'ledgerlab', 'm1', '{}');
ROLLBACK;
-- rolled back: not strict any more, in this session too
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('ledger_nobody', 'ledgerlab', 'm1', '{}');

-- append-only, on the parent and on a partition
UPDATE aiusage.usage_record SET cost = NULL WHERE api_key = 'ledger_key';
\echo :LAST_ERROR_SQLSTATE
DELETE FROM aiusage.usage_record WHERE api_key = 'ledger_key';
\echo :LAST_ERROR_SQLSTATE
DELETE FROM aiusage.usage_record_p20260301 WHERE api_key = 'ledger_key';
\echo :LAST_ERROR_SQLSTATE
TRUNCATE aiusage.usage_record;
\echo :LAST_ERROR_SQLSTATE
TRUNCATE aiusage.usage_record_p20260301;
\echo :LAST_ERROR_SQLSTATE
TRUNCATE aiusage.usage_record_default;
\echo :LAST_ERROR_SQLSTATE

-- a replica session books too: the trigger always fires
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage)
VALUES (aiusage.event_id('ledger-17', '2026-03-12 00:00:00+00'), 'ledger_key', 'ledgerlab', 'm1', '{"input_tokens": 1000000}');
SELECT cost FROM aiusage.usage_record WHERE id = aiusage.event_id('ledger-17', '2026-03-12 00:00:00+00');
DELETE FROM aiusage.usage_record WHERE id = aiusage.event_id('ledger-17', '2026-03-12 00:00:00+00');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
