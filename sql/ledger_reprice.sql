-- Repricing: adjustment rows for the exact difference, and the pricing of what had no price
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
\set VERBOSITY terse

DO $$ BEGIN PERFORM aiusage.make_partitions('2026-04-01', '2026-06-01'); END $$;
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('rp_cost', 'cost', 'USD'), ('rp_bill', 'charge', 'EUR'), ('rp_euro', 'cost', 'EUR');
INSERT INTO aiusage.price_book (book, kind, currency, inherits) VALUES ('rp_deal', 'cost', 'USD', 'rp_cost');

-- a catalogue of one model, or two; rates a million tokens
CREATE FUNCTION pg_temp.publish(book text, input numeric, cache numeric, output numeric, m2 numeric DEFAULT NULL, m3 numeric DEFAULT NULL)
	RETURNS int LANGUAGE sql AS $$
	SELECT aiusage.import_prices(book, 'aiusage', jsonb_build_object('format', 'aiusage', 'currency', b.currency, 'source', 'test', 'providers',
		jsonb_build_array(jsonb_build_object('provider', 'rplab', 'models', (
			SELECT jsonb_agg(jsonb_build_object('model', m.model, 'match', jsonb_build_object('equals', m.model), 'rules', jsonb_build_array(
				jsonb_build_object('rule', 0, 'prices', m.prices))) ORDER BY m.model)
			FROM (SELECT p.model, jsonb_agg(jsonb_build_object('unit', p.unit, 'rate', p.rate, 'per', 1000000)) AS prices
				FROM (VALUES ('m1', 'input_tokens', $2), ('m1', 'cache_read_tokens', $3), ('m1', 'output_tokens', $4), ('m2', 'input_tokens', $5), ('m3', 'input_tokens', $6)) AS p (model, unit, rate)
				WHERE p.rate IS NOT NULL GROUP BY 1) AS m)))), '2026-01-01')::int
	FROM aiusage.price_book AS b WHERE b.book = $1
$$;
SELECT pg_temp.publish('rp_cost', 2, NULL, 10) AS v1 \gset
SELECT pg_temp.publish('rp_bill', 4, NULL, 20) AS b1 \gset
SELECT aiusage.put_key('{"key": "rp-a", "team": "rp-one", "cost_center": "rp-cc", "price_book": "rp_cost"}') IS NOT NULL AND
	aiusage.put_key('{"key": "rp-b", "team": "rp-two", "cost_center": "rp-cc", "price_book": "rp_cost", "charge_book": "rp_bill"}') IS NOT NULL AS made;

CREATE TABLE rp_rows AS
SELECT aiusage.event_id('rp-' || n, '2026-04-10 10:00:00+00') AS id, CASE WHEN n <= 4 THEN 'rp-a' ELSE 'rp-b' END AS api_key,
	CASE WHEN n IN (4, 7) THEN 'm2' ELSE 'm1' END AS model, 1000 * n AS input, 100 * n AS cached, 10 * n AS output
FROM generate_series(1, 7) AS n;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, workflow, user_id, tags)
SELECT id, api_key, 'rplab', model, format('{"input_tokens": %s, "cache_read_tokens": %s, "output_tokens": %s}', input, cached, output)::aiusage.usage,
	'rp-flow', 'rp-user', '{"experiment": "x1"}'
FROM rp_rows ORDER BY id;
CREATE TEMP TABLE rp_before AS SELECT * FROM aiusage.usage_log WHERE workflow = 'rp-flow';

-- what the rows must stand at: plain numeric arithmetic
CREATE FUNCTION pg_temp.oracle(input numeric, cache numeric, output numeric) RETURNS TABLE (team text, cost numeric) LANGUAGE sql AS $$
	SELECT CASE api_key WHEN 'rp-a' THEN 'rp-one' ELSE 'rp-two' END,
		trim_scale(sum(((r.input - CASE WHEN $2 IS NULL THEN 0 ELSE cached END) * $1 + CASE WHEN $2 IS NULL THEN 0 ELSE cached * $2 END + r.output * $3) / 1000000))
	FROM rp_rows AS r WHERE model = 'm1' GROUP BY 1
$$;
CREATE FUNCTION pg_temp.differs(input numeric, cache numeric, output numeric) RETURNS bigint LANGUAGE sql AS $$
	WITH ledger AS (SELECT l.team, trim_scale(sum(l.cost)) AS cost FROM aiusage.usage_log AS l WHERE l.workflow = 'rp-flow' AND l.model = 'm1' GROUP BY 1),
		view AS (SELECT u.team, trim_scale(sum(u.cost)) AS cost FROM aiusage.usage_daily AS u WHERE u.workflow = 'rp-flow' AND u.model = 'm1' GROUP BY 1),
		items AS (SELECT i.team, trim_scale(sum(i.cost)) AS cost FROM aiusage.line_items AS i WHERE i.team IN ('rp-one', 'rp-two') AND i.model = 'm1' GROUP BY 1)
	SELECT count(*) FROM pg_temp.oracle($1, $2, $3) AS o FULL JOIN ledger AS l USING (team) FULL JOIN view AS v USING (team) FULL JOIN items AS i USING (team)
	WHERE (o.cost, o.cost, o.cost) IS DISTINCT FROM (l.cost, v.cost, i.cost)
$$;
SELECT pg_temp.differs(2, NULL, 10) AS differs;

-- a back-dated version changes nothing by itself
SELECT pg_temp.publish('rp_cost', 3, 0.3, 8) AS v2 \gset
SELECT pg_temp.differs(2, NULL, 10) AS differs;

-- dry run: by team, and nothing booked
SELECT team, row_count, changed, no_price, other_currency, currency, old_cost, new_cost, difference, old_list_cost, new_list_cost,
	charge_currency, old_charge, charge_difference, booked
FROM aiusage.reprice('{"workflow": "rp-flow"}', NULL, 'see what it would be', NULL);
SELECT team, cost FROM pg_temp.oracle(3, 0.3, 8) ORDER BY team;
SELECT pg_temp.differs(2, NULL, 10) AS differs, (SELECT count(*) FROM aiusage.usage_record WHERE kind = 'adjustment' AND workflow = 'rp-flow') AS booked;

-- booked: exactly that, line by line, and the originals untouched
SELECT team, row_count, changed, no_price, difference, booked FROM aiusage.reprice('{"workflow": "rp-flow"}', NULL, 'cache reads were missing', 'FIN-7', false);
SELECT pg_temp.differs(3, 0.3, 8) AS differs;
SELECT count(*) FILTER (WHERE b IS DISTINCT FROM l) AS originals_changed FROM rp_before AS b JOIN aiusage.usage_log AS l USING (id);
SELECT l.kind, l.requests, l.input_tokens, l.usage, l.cost, l.cost_by_unit, l.cost_state, l.price_version = :v2 AS new_version, l.adjusts = r.id AS points_at_it,
	l.occurred_at = '2026-04-10 10:00:00+00' AS same_day, l.user_id, l.tags, c.action, c.reason, c.ticket, c.row_count
FROM rp_rows AS r JOIN aiusage.usage_log AS l ON l.adjusts = r.id JOIN aiusage.correction AS c USING (correction) WHERE r.input = 1000;
SELECT unit, sum(cost) AS cost, sum(quantity) AS quantity FROM aiusage.line_items WHERE team = 'rp-one' AND model = 'm1' GROUP BY unit ORDER BY unit;
SELECT unit, quantity, rate, amount, regexp_replace(why, '\d+ on .*', 'N') AS why FROM rp_rows AS r, aiusage.explain_row(r.id) AS e WHERE r.input = 1000;
SELECT unit, amount, regexp_replace(why, '\d+ on .*', 'N') AS why FROM rp_rows AS r JOIN aiusage.usage_log AS l ON l.adjusts = r.id, aiusage.explain_row(l.id) AS e WHERE r.input = 1000;

-- twice equals once
SELECT team, changed, difference, booked FROM aiusage.reprice('{"workflow": "rp-flow"}', NULL, 'again', NULL, false);
SELECT sum(difference) AS difference, sum(changed) AS changed FROM aiusage.reprice('{"workflow": "rp-flow"}', NULL, 'again', NULL);
SELECT count(*) AS adjustments FROM aiusage.usage_record WHERE kind = 'adjustment' AND workflow = 'rp-flow';

-- under an earlier version, one team; then to and fro
SELECT team, changed, difference FROM aiusage.reprice(jsonb_build_object('team', 'rp-one', 'model', 'm1'), :v1, 'by the old one', NULL, false);
SELECT team, changed, difference FROM aiusage.reprice(jsonb_build_object('team', 'rp-two', 'model', 'm1'), :v1, 'by the old one', NULL, false);
SELECT pg_temp.differs(2, NULL, 10) AS differs;
SELECT sum(changed) AS changed FROM aiusage.reprice('{"workflow": "rp-flow"}', :v1, 'again', NULL);
SELECT sum(changed) AS changed FROM aiusage.reprice('{"workflow": "rp-flow"}', NULL, 'as now', NULL, false);
SELECT pg_temp.differs(3, 0.3, 8) AS differs;

-- every filter
SELECT f, coalesce((SELECT sum(row_count) FROM aiusage.reprice(f::jsonb || '{"workflow": "rp-flow"}', NULL, 'x', NULL)), 0) AS rows
FROM (VALUES ('{"api_key": "rp-a"}'), ('{"api_key": ["rp-a", "rp-b"]}'), ('{"provider": "rplab"}'), ('{"provider": "else"}'), ('{"model": "m2"}'), ('{"team": "rp-one"}'),
	('{"cost_center": "rp-cc"}'), ('{"user_id": "rp-user"}'), ('{"customer": "none"}'), ('{"from": "2026-04-10 10:00Z"}'), ('{"from": "2026-04-10 10:00:01Z"}'),
	('{"to": "2026-04-10 10:00Z"}'), ('{"to": "2026-04-10 10:00:01Z"}'), ('{"unmatched": true}'), ('{"unmatched": false}'), ('{"cost_state": "unpriced"}'),
	('{"unpriced_reason": ["unknown_model", "no_rule"]}'), ('{"endpoint": "chat"}'), ('{"environment": "x"}'), ('{"project": "x"}'), ('{"service_tier": "batch"}'), ('{"region": "eu"}')) AS v (f);
SELECT sum(row_count) AS rows FROM aiusage.reprice(jsonb_build_object('price_version', :v1, 'workflow', 'rp-flow',
	'invoice_period', aiusage.period_of(1, '2026-04-10'), 'ids', (SELECT jsonb_agg(id) FROM rp_rows), 'assignment', (SELECT jsonb_agg(assignment) FROM aiusage.key_assignment WHERE api_key IN ('rp-a', 'rp-b'))), NULL, 'x', NULL);

-- the work list
SELECT provider, model, unpriced_reason, requests, priced_now, input_tokens, cache_read_tokens, output_tokens, usage, first_seen, last_seen, api_keys, teams, team_list
FROM aiusage.unpriced_usage WHERE provider = 'rplab';
SELECT team, row_count, changed, no_price FROM aiusage.price_unpriced('{"provider": "rplab"}', 'x', NULL);
SELECT pg_temp.publish('rp_cost', 3, 0.3, 8, 7) AS v3 \gset
SELECT model, requests, priced_now FROM aiusage.unpriced_usage WHERE provider = 'rplab';
SELECT aiusage.price_usage('rplab', 'm2', '{"input_tokens": 4000, "cache_read_tokens": 400, "output_tokens": 40}', '2026-04-10', book => 'rp_cost') IS NULL AS output_is_unpriced;
-- no price for its output: stays unpriced
SELECT team, row_count, changed, no_price, booked FROM aiusage.price_unpriced('{"provider": "rplab"}', 'a price came', 'FIN-8', false);
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, workflow, stream_state)
SELECT aiusage.event_id('rp-late-' || n, '2026-04-11 10:00:00+00'), 'rp-a', 'rplab', 'm3', '{"input_tokens": 5000}', 'rp-late', CASE n WHEN 2 THEN 'partial'::aiusage.stream_state END
FROM generate_series(1, 2) AS n;
SELECT requests, unpriced, cost FROM aiusage.usage_daily WHERE workflow = 'rp-late';
SELECT FROM aiusage.refresh();
SELECT pg_temp.publish('rp_cost', 3, 0.3, 8, NULL, 7) AS v4 \gset
SELECT team, row_count, changed, no_price, old_cost, new_cost, booked FROM aiusage.price_unpriced('{"workflow": "rp-late"}', 'a price came', 'FIN-8', false);
SELECT requests, unpriced, cost, estimated_cost, input_tokens FROM aiusage.usage_daily WHERE workflow = 'rp-late';
SELECT unit, used_quantity, quantity, cost, average_rate FROM aiusage.line_items WHERE team = 'rp-one' AND model = 'm3';
SELECT kind, cost, cost_state, unpriced_reason, usage, input_tokens FROM aiusage.usage_log WHERE workflow = 'rp-late' ORDER BY kind, cost_state DESC, id;
SELECT count(*) AS left_to_do FROM aiusage.unpriced_usage WHERE provider = 'rplab' AND model = 'm3';
SELECT count(*) AS again FROM aiusage.price_unpriced('{"workflow": "rp-late"}', 'again', NULL, false);
-- priced later, then repriced, then corrected, then moved: what remains is what is right
SELECT sum(changed) AS changed, sum(difference) AS difference FROM aiusage.reprice('{"workflow": "rp-late"}', NULL, 'nothing to do', NULL);
SELECT pg_temp.publish('rp_cost', 3, 0.3, 8, NULL, 6) AS v5 \gset
SELECT changed, difference, (6 - 7) * 10000 / 1000000::numeric AS oracle FROM aiusage.reprice('{"workflow": "rp-late"}', NULL, 'cheaper', NULL, false);
SELECT aiusage.adjust(aiusage.event_id('rp-late-2', '2026-04-11 10:00:00+00'), '{"input_tokens": 4000}', 'the provider''s last word', NULL) AS settled \gset
SELECT cost, 4000 * 6 / 1000000::numeric AS oracle, cost_state, stream_state, price_version = :v5 AS newest FROM aiusage.usage_log WHERE id = :'settled';
SELECT assignment AS b FROM aiusage.key_assignment WHERE api_key = 'rp-b' \gset
SELECT row_count, cost, 5000 * 6 / 1000000::numeric AS oracle, booked
FROM aiusage.reattribute(jsonb_build_object('ids', ARRAY[aiusage.event_id('rp-late-1', '2026-04-11 10:00:00+00')]), :b, 'of the other team', NULL, false);
SELECT team, requests, unpriced, cost, estimated_cost, input_tokens FROM aiusage.usage_daily WHERE workflow = 'rp-late' ORDER BY team;
SELECT team, used_quantity, quantity, cost FROM aiusage.line_items WHERE team LIKE 'rp-%' AND model = 'm3' ORDER BY team;
-- and the corrected rows can be repriced as any other
SELECT sum(changed) AS changed FROM aiusage.reprice('{"workflow": "rp-late"}', NULL, 'nothing to do', NULL);
SELECT team, row_count, changed, old_cost, new_cost FROM aiusage.reprice('{"workflow": "rp-late"}', :v4, 'dearer', NULL, false);
SELECT team, cost FROM aiusage.usage_daily WHERE workflow = 'rp-late' ORDER BY team;

-- list cost and charge: each by its own book
SELECT pg_temp.publish('rp_deal', 1, 0.1, 5) AS d1 \gset
SELECT aiusage.put_key('{"key": "rp-c", "team": "rp-three", "price_book": "rp_deal", "charge_book": "rp_bill"}') IS NOT NULL AS made;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, workflow)
VALUES (aiusage.event_id('rp-c', '2026-04-12 10:00:00+00'), 'rp-c', 'rplab', 'm1', '{"input_tokens": 1000000, "output_tokens": 100000}', 'rp-books');
SELECT cost, list_cost, charge, charge_currency FROM aiusage.usage_log WHERE workflow = 'rp-books';
SELECT pg_temp.publish('rp_bill', 8, NULL, 40) AS b2 \gset
-- a charge book's version moves the charge alone
SELECT changed, difference, list_difference, charge_currency, old_charge, new_charge, charge_difference
FROM aiusage.reprice('{"workflow": "rp-books"}', :b2, 'dearer to bill', NULL, false);
SELECT pg_temp.publish('rp_deal', 2, 0.1, 5) AS d2 \gset
-- a cost book's version the cost, which is the list cost too where the list book has no price
SELECT changed, difference, old_list_cost, list_difference, charge_difference FROM aiusage.reprice('{"workflow": "rp-books"}', :d2, 'dearer', NULL, false);
SELECT sum(cost) AS cost, sum(charge) AS charge, 1000000 * 2 / 1000000.0 + 100000 * 5 / 1000000.0 AS cost_oracle, 1000000 * 8 / 1000000.0 + 100000 * 40 / 1000000.0 AS charge_oracle
FROM aiusage.usage_daily WHERE workflow = 'rp-books';
-- a version of the book that the deal inherits from: the deal's own price wins
SELECT changed FROM aiusage.reprice('{"workflow": "rp-books"}', :v1, 'x', NULL);
-- and one of a book that has nothing to do with the key is taken at its word
SELECT pg_temp.publish('rp_euro', 9, NULL, 9) AS e1 \gset
SELECT changed, other_currency, difference FROM aiusage.reprice('{"workflow": "rp-books"}', :e1, 'other currency', NULL);
SELECT sum(changed) AS changed FROM aiusage.reprice('{"workflow": "rp-books"}', NULL, 'all of it as now', NULL);
SELECT kind, cost, list_cost, charge, cost_by_unit FROM aiusage.usage_log WHERE workflow = 'rp-books' ORDER BY recorded_at;

-- where it has one: a deal's version moves the cost, a list's version the list cost of a model that the deal prices itself
BEGIN;
UPDATE aiusage.setting SET value = 'rp_cost' WHERE name = 'default_book';
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, workflow)
VALUES (aiusage.event_id('rp-list', '2026-04-13 10:00:00+00'), 'rp-c', 'rplab', 'm1', '{"input_tokens": 1000000, "output_tokens": 100000}', 'rp-list'),
	(aiusage.event_id('rp-list-3', '2026-04-13 10:00:00+00'), 'rp-c', 'rplab', 'm3', '{"input_tokens": 1000000}', 'rp-list');
SELECT model, cost, list_cost, charge FROM aiusage.usage_log WHERE workflow = 'rp-list' ORDER BY model;
SELECT pg_temp.publish('rp_deal', 1.5, 0.1, 5) AS d3 \gset
SELECT changed, difference, list_difference, charge_difference FROM aiusage.reprice('{"workflow": "rp-list", "model": "m1"}', :d3, 'deal', NULL, false);
SELECT pg_temp.publish('rp_cost', 4, 0.4, 9, NULL, 9) AS v6 \gset
SELECT changed, difference, list_difference, charge_difference FROM aiusage.reprice('{"workflow": "rp-list", "model": "m1"}', :v6, 'list', NULL, false);
-- what the deal leaves to the list is at the list's price
SELECT changed, difference, list_difference, charge_difference FROM aiusage.reprice('{"workflow": "rp-list", "model": "m3"}', :v6, 'list', NULL, false);
SELECT model, sum(cost) AS cost, sum(list_cost) AS list_cost, sum(charge) AS charge FROM aiusage.usage_daily WHERE workflow = 'rp-list' GROUP BY 1 ORDER BY 1;
SELECT model, cost_oracle, list_oracle FROM (VALUES ('m1', 1.5 + 0.5, 4 + 0.9), ('m3', 9, 9)) AS o (model, cost_oracle, list_oracle);
SELECT sum(changed) AS changed FROM aiusage.reprice('{"workflow": "rp-list"}', NULL, 'as now', NULL);
-- corrected, it begins from there
SELECT aiusage.adjust(aiusage.event_id('rp-list', '2026-04-13 10:00:00+00'), '{"input_tokens": 2000000}', 'recount', NULL) AS corrected \gset
SELECT cost, list_cost, 2 * 1.5 AS cost_oracle, 2 * 4 AS list_oracle FROM aiusage.usage_log WHERE id = :'corrected';
SELECT sum(cost) AS cost, sum(list_cost) AS list_cost, sum(charge) AS charge FROM aiusage.usage_daily WHERE workflow = 'rp-list' AND model = 'm1';
ROLLBACK;

-- a draft: dry runs only
SELECT aiusage.draft_prices('rp_cost', '2026-01-01', 'rp draft', :v1) AS draft \gset
SELECT team, changed, booked FROM aiusage.reprice('{"workflow": "rp-flow", "model": "m1"}', :draft, 'what if', NULL);
\set VERBOSITY sqlstate
SELECT FROM aiusage.reprice('{"workflow": "rp-flow"}', :draft, 'x', NULL, false);
\set VERBOSITY terse
\echo :LAST_ERROR_SQLSTATE

-- a closed period: the original stays, the adjustment is of today and billed in the open period
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, workflow)
VALUES (aiusage.event_id('rp-closed', '2025-02-15 10:00:00+00'), 'rp-a', 'rplab', 'm1', '{"input_tokens": 1000000}', 'rp-closed');
SELECT cost_state FROM aiusage.usage_log WHERE workflow = 'rp-closed';
BEGIN;
SELECT aiusage.close_period(aiusage.period_of(1, '2025-02-15 10:00:00+00'), 'test', force => true) IS NOT NULL AS closed;
SELECT changed, no_price, new_cost FROM aiusage.reprice('{"workflow": "rp-closed"}', :v2, 'by a version of another time', NULL, false);
SELECT kind, occurred_at > now() - interval '1 hour' AS today, aiusage.period_label(invoice_period) = to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM') AS this_month, cost, unpriced_reason
FROM aiusage.usage_log WHERE workflow = 'rp-closed' ORDER BY kind DESC;
SELECT day = '2025-02-15' AS its_day, unpriced, cost FROM aiusage.usage_daily WHERE workflow = 'rp-closed' ORDER BY day;
SELECT count(*) AS not_ok FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'corrections%';
ROLLBACK;

-- jobs: batch by batch, seen by others, run on, cancelled
SELECT aiusage.start_reprice('{"workflow": "rp-flow", "model": "m1"}', :v1, 'a job', 'FIN-9') AS job \gset
SELECT status, rows_seen, rows_adjusted FROM aiusage.reprice_step(:job, 2);
SELECT status, action, reason, ticket, filters, price_version = :v1 AS v1, rows_seen, rows_adjusted, batches, percent > 0 AS moves, done_up_to, last_batch_at IS NOT NULL AS lives, finished_at
FROM aiusage.reprice_progress WHERE job = :job;
-- its NOTICEs have numbers that depend on what other tests have done
SET client_min_messages = warning;
CALL aiusage.run_reprice(:job, 2);
SELECT status, team, row_count, changed, old_cost, new_cost FROM aiusage.reprice_report WHERE job = :job;
SELECT pg_temp.differs(2, NULL, 10) AS differs;
CALL aiusage.run_reprice(:job);
SELECT aiusage.cancel_reprice(:job) AS cancelled;
SELECT aiusage.start_reprice('{"workflow": "rp-flow", "model": "m1"}', NULL, 'another job', NULL) AS job2 \gset
SELECT status, rows_adjusted FROM aiusage.reprice_step(:job2, 1);
SELECT aiusage.cancel_reprice(:job2) AS cancelled;
CALL aiusage.run_reprice(:job2);
RESET client_min_messages;
-- days of a job are those of who entered it, wherever it is done
SET timezone = 'America/New_York';
SELECT aiusage.start_reprice('{"workflow": "rp-flow", "from": "2026-04-11", "to": "2026-04-12"}', :v1, 'a day', NULL) AS day \gset
SET timezone = 'UTC';
SELECT (filters ->> 'from')::timestamptz AS from_at, (filters ->> 'to')::timestamptz AS to_at FROM aiusage.reprice_job WHERE job = :day;
SELECT aiusage.cancel_reprice(:day) AS cancelled;
-- what is left is found by the next
SELECT sum(changed) AS changed FROM aiusage.reprice('{"workflow": "rp-flow", "model": "m1"}', NULL, 'the rest', NULL, false);
SELECT pg_temp.differs(3, 0.3, 8) AS differs;
SELECT operation, new ->> 'status' AS status, new -> 'filters' ->> 'workflow' AS workflow, old ->> 'status' AS old_status FROM aiusage.audit_log
WHERE relation = 'reprice_job' AND (new ->> 'job')::bigint IN (:job, :job2) ORDER BY entry;
BEGIN;
CALL aiusage.run_reprice(:job);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

-- errors
SELECT FROM aiusage.reprice('{}', NULL, 'x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT FROM aiusage.reprice(NULL, NULL, 'x', NULL, false);
\echo :LAST_ERROR_SQLSTATE
SELECT FROM aiusage.reprice('{"color": "red"}', NULL, 'x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT FROM aiusage.reprice('{"team": null}', NULL, 'x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT FROM aiusage.reprice('{"unmatched": "yes"}', NULL, 'x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT FROM aiusage.reprice('{"from": "yesterdayish"}', NULL, 'x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT FROM aiusage.reprice(jsonb_build_object('team', 'sk-' || repeat('a1B2', 10)), NULL, 'x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT FROM aiusage.reprice('{"team": "x''; DROP TABLE aiusage.correction; --"}', NULL, 'x', NULL);
-- a label that reads like a part of the query is a label
SELECT sum(changed) AS changed FROM aiusage.reprice('{"model": ["{booked}", "{adjusted}", "{condition}"]}', NULL, 'x', NULL, false);
SELECT (aiusage.owner_reprice_row(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)).changed;
SELECT FROM aiusage.reprice('{"team": "rp-one"}', -1, 'x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT FROM aiusage.reprice('{"team": "rp-one"}', NULL, '  ', NULL, false);
\echo :LAST_ERROR_SQLSTATE
SELECT FROM aiusage.price_unpriced('{"team": "rp-one"}', NULL, NULL, false);
\echo :LAST_ERROR_SQLSTATE
SELECT FROM aiusage.reprice_step(-1);
\echo :LAST_ERROR_SQLSTATE
SELECT FROM aiusage.reprice_step(:job, 0);
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.cancel_reprice(NULL);
\echo :LAST_ERROR_SQLSTATE
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT sum(changed) AS dry_run_is_fine FROM aiusage.reprice('{"workflow": "rp-flow"}', :v1, 'x', NULL);
SELECT FROM aiusage.reprice('{"workflow": "rp-flow"}', :v1, 'x', NULL, false);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

-- custom units keep their names, also when prices are read anew between a row's cost and its list cost: every other time
CREATE FUNCTION pg_temp.publish_gpu(book text, rate numeric) RETURNS bigint LANGUAGE sql AS $$
	SELECT aiusage.import_prices(book, 'aiusage', jsonb_build_object('format', 'aiusage', 'currency', 'USD', 'source', 'test', 'providers',
		jsonb_build_array(jsonb_build_object('provider', 'rplab', 'models', jsonb_build_array(jsonb_build_object('model', 'gpu', 'rules',
			jsonb_build_array(jsonb_build_object('rule', 0, 'prices', jsonb_build_array(
				jsonb_build_object('unit', 'gpu_minutes', 'rate', rate), jsonb_build_object('unit', 'zebra_hours', 'rate', rate))))))))), '2026-01-02')
$$;
SELECT pg_temp.publish_gpu('rp_cost', 2) IS NOT NULL AS published;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, workflow, region)
SELECT aiusage.event_id('rp-gpu-' || n, '2026-04-11 10:00Z'), 'rp-a', 'rplab', 'gpu', '{"gpu_minutes": 2, "zebra_hours": 3}', 'rp-gpu', 'region ' || n
FROM generate_series(1, 40) AS n;
SELECT pg_temp.publish_gpu('rp_cost', 5) IS NOT NULL AS published;
SET aiusage.price_cache_entries = 17;
SELECT sum(changed) AS changed, sum(difference) AS difference FROM aiusage.reprice('{"workflow": "rp-gpu"}', NULL, 'new rates', 'T', false);
RESET aiusage.price_cache_entries;
SELECT cost_by_unit, count(*) FROM aiusage.usage_record WHERE workflow = 'rp-gpu' GROUP BY 1 ORDER BY 2, 1::text COLLATE "C";

-- all of it adds up
SELECT FROM aiusage.refresh();
SELECT check_name, expected, actual, detail FROM aiusage.verify() WHERE NOT ok;
DROP TABLE rp_rows;
