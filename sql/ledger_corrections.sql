-- Corrections are rows that point at what they correct
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('corr_test', 'list', 'USD');
SELECT aiusage.import_prices('corr_test', 'genai-prices', '[{"id": "corrlab", "name": "Corr Lab", "api_pattern": "x", "models": [
	{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 2, "output_mtok": 10}}]}]', '2026-01-01', 'corr v1') IS NOT NULL AS imported;
SELECT aiusage.put_key('{"key": "corr_key", "team": "corr_team", "cost_center": "corr_cc", "price_book": "corr_test"}') IS NOT NULL AS made;
SELECT aiusage.put_key('{"key": "corr_other", "team": "corr_team2", "cost_center": "corr_cc2", "price_book": "corr_test"}') IS NOT NULL AS made;
DO $$ BEGIN PERFORM aiusage.make_partitions('2026-03-01', '2026-04-01'); END $$;

INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, workflow)
SELECT aiusage.event_id('corr-' || n, '2026-03-15 10:00:00+00'), CASE n WHEN 4 THEN 'corr_nobody' ELSE 'corr_key' END, 'corrlab', 'm1',
	'{"input_tokens": 1000, "output_tokens": 100}', 'corr-flow'
FROM generate_series(1, 5) AS n;

-- a newer price version changes no correction of an old row: it is priced as the row was
SELECT aiusage.import_prices('corr_test', 'genai-prices', '[{"id": "corrlab", "name": "Corr Lab", "api_pattern": "x", "models": [
	{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 200, "output_mtok": 1000}}]}]', '2026-01-01', 'corr v2') IS NOT NULL AS imported;

-- adjust: reversal and corrected row, at the original's time
SELECT aiusage.adjust(aiusage.event_id('corr-1', '2026-03-15 10:00:00+00'), '{"input_tokens": 500, "output_tokens": 50}', 'gateway counted twice', 'FIN-1') AS corrected \gset
SELECT kind, requests, input_tokens, output_tokens, cost, occurred_at AT TIME ZONE 'UTC' AS occurred_at, adjusts = aiusage.event_id('corr-1', '2026-03-15 10:00:00+00') AS points_at_it, invoice_period
FROM aiusage.usage_log WHERE id = aiusage.event_id('corr-1', '2026-03-15 10:00:00+00') OR adjusts = aiusage.event_id('corr-1', '2026-03-15 10:00:00+00')
ORDER BY kind DESC, adjusts NULLS FIRST;
SELECT sum(requests) AS requests, sum(input_tokens) AS input_tokens, sum(cost) AS cost, (500 * 2 + 50 * 10) / 1000000::numeric AS oracle
FROM aiusage.usage_log WHERE id = aiusage.event_id('corr-1', '2026-03-15 10:00:00+00') OR adjusts = aiusage.event_id('corr-1', '2026-03-15 10:00:00+00');
SELECT c.action, c.reason, c.ticket, c.row_count, c.role = current_user AS by_me
FROM aiusage.correction AS c JOIN aiusage.usage_record AS u USING (correction) WHERE u.id = :'corrected';
-- explained under the version it was priced with
SELECT unit, quantity, rate, amount FROM aiusage.explain_row(:'corrected') ORDER BY unit;

-- corrected once; the corrected row can be corrected again
\set VERBOSITY sqlstate
SELECT aiusage.adjust(aiusage.event_id('corr-1', '2026-03-15 10:00:00+00'), '{}', 'again', NULL);
\set VERBOSITY default
SELECT aiusage.adjust(:'corrected', '{"input_tokens": 400, "output_tokens": 50}', 'one more', NULL) IS NOT NULL AS corrected;
SELECT sum(cost) AS cost, (400 * 2 + 50 * 10) / 1000000::numeric AS oracle, sum(requests) AS requests
FROM aiusage.usage_log WHERE workflow = 'corr-flow' AND (id = aiusage.event_id('corr-1', '2026-03-15 10:00:00+00') OR correction IS NOT NULL);

-- errors
SELECT aiusage.adjust(aiusage.event_id('corr-2', '2026-03-15 10:00:00+00'), '{"input_tokens": 1}', '', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.adjust(aiusage.event_id('corr-2', '2026-03-15 10:00:00+00'), '{"input_tokens": 1}', NULL, NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.adjust(aiusage.event_id('corr-2', '2026-03-15 10:00:00+00'), NULL, 'x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.adjust(aiusage.event_id('corr-none', '2026-03-15 10:00:00+00'), '{}', 'x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.adjust(NULL, '{}', 'x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.adjust(aiusage.event_id('corr-2', '2026-03-15 10:00:00+00'), '{}', 'leaked sk-' || repeat('a1B2', 10), NULL);
\echo :LAST_ERROR_SQLSTATE

-- outcomes add up
SELECT aiusage.record_outcome(aiusage.event_id('corr-2', '2026-03-15 10:00:00+00'), 2, 'two suggestions merged') IS NOT NULL AS recorded;
SELECT aiusage.record_outcome(aiusage.event_id('corr-2', '2026-03-15 10:00:00+00'), -1) AS outcome \gset
SELECT kind, accepted, requests, cost, input_tokens FROM aiusage.usage_log
WHERE id = aiusage.event_id('corr-2', '2026-03-15 10:00:00+00') OR adjusts = aiusage.event_id('corr-2', '2026-03-15 10:00:00+00') ORDER BY kind, accepted;
SELECT aiusage.record_outcome(aiusage.event_id('corr-2', '2026-03-15 10:00:00+00'), 0);
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY sqlstate
SELECT aiusage.record_outcome(:'outcome', 1) IS NULL;
\set VERBOSITY default
SELECT aiusage.record_outcome(NULL, 1);
\echo :LAST_ERROR_SQLSTATE

-- reattribute: dry run first
SELECT assignment AS other FROM aiusage.key_assignment WHERE api_key = 'corr_other' \gset
SELECT from_assignment IS NULL AS from_nobody, to_assignment = :other AS to_other, row_count, cost, currency, booked
FROM aiusage.reattribute('{"workflow": "corr-flow", "unmatched": true}', :other, 'found its owner', 'FIN-2');
SELECT team, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.usage_log WHERE workflow = 'corr-flow' GROUP BY team ORDER BY team;
SELECT row_count, cost, booked FROM aiusage.reattribute('{"workflow": "corr-flow", "unmatched": true}', :other, 'found its owner', 'FIN-2', false);
SELECT team, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.usage_log WHERE workflow = 'corr-flow' GROUP BY team ORDER BY team;
-- twice equals once
SELECT row_count, cost, booked FROM aiusage.reattribute('{"workflow": "corr-flow", "unmatched": true}', :other, 'found its owner', 'FIN-2', false);
-- by time and key; the corrected rows of row 1 move, the reversed ones stay balanced
SELECT row_count, cost, booked FROM aiusage.reattribute('{"api_key": "corr_key", "workflow": "corr-flow", "from": "2026-03-15 09:00+00", "to": "2026-03-15 11:00+00"}', :other, 'moved', NULL, false);
SELECT team, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.usage_log WHERE workflow = 'corr-flow' GROUP BY team ORDER BY team;
SELECT aiusage.reattribute('{}', :other, 'x', NULL, false);
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.reattribute(NULL, :other, 'x', NULL, false);
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.reattribute('{"color": "red"}', :other, 'x', NULL, false);
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.reattribute('{"workflow": "corr-flow"}', -1, 'x', NULL, false);
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.reattribute('{"ids": ["x"]}', :other, 'x', NULL, false);
\echo :LAST_ERROR_SQLSTATE
-- null is no filter, and a list fits nothing: neither is taken for one
SELECT aiusage.reattribute('{"api_key": null}', :other, 'x', NULL, false);
SELECT aiusage.reattribute('{"workflow": "corr-flow", "api_key": ["corr_key", "corr_other"]}', :other, 'x', NULL, false);
SELECT aiusage.reattribute('{"user_id": ""}', :other, 'x', NULL, false);
SELECT aiusage.reattribute('{"unmatched": "yes"}', :other, 'x', NULL, false);
SELECT aiusage.reattribute('{"ids": []}', :other, 'x', NULL, false);
SELECT aiusage.reattribute('{"ids": [null]}', :other, 'x', NULL, false);

-- after the period is closed, a correction is booked today, in the open period
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, workflow)
VALUES (aiusage.event_id('corr-9', '2025-01-15 10:00:00+00'), 'corr_key', 'corrlab', 'm1', '{"input_tokens": 1000}', 'corr-closed');
BEGIN;
SELECT aiusage.close_period(aiusage.period_of(1, '2025-01-15 10:00:00+00'), 'test', true);
SELECT aiusage.adjust(aiusage.event_id('corr-9', '2025-01-15 10:00:00+00'), '{"input_tokens": 10}', 'late find', NULL) IS NOT NULL AS corrected;
SELECT kind, occurred_at > now() - interval '1 hour' AS today, aiusage.period_label(invoice_period) = to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM') AS this_month
FROM aiusage.usage_log WHERE workflow = 'corr-closed' ORDER BY kind, occurred_at;
ROLLBACK;

-- results follow a row that is given to another team, those recorded before and those recorded after
\set VERBOSITY terse
SELECT aiusage.put_key('{"key": "corr-outcome", "team": "corr-first"}') AS first, aiusage.put_key('{"key": "corr-other", "team": "corr-second"}') AS second \gset
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, accepted)
SELECT aiusage.event_id('corr-outcome', '2026-03-15 10:00:00+00'), 'corr-outcome', 'p', 'm', '{}', 1;
SELECT aiusage.record_outcome(aiusage.event_id('corr-outcome', '2026-03-15 10:00:00+00'), 5) IS NOT NULL AS recorded;
SELECT row_count, booked FROM aiusage.reattribute('{"api_key": "corr-outcome"}', (SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'corr-other'),
	'wrong team', 'T-7', dry_run => false);
SELECT aiusage.record_outcome(aiusage.event_id('corr-outcome', '2026-03-15 10:00:00+00'), 10) IS NOT NULL AS recorded;
SELECT team, requests, accepted FROM aiusage.team_usage WHERE team IN ('corr-first', 'corr-second') ORDER BY team;
