--
-- Statements: a closed period frozen, in a database of its own.  The oracle is
-- plain SQL over the rows of the ledger, which knows nothing of rollups.
--
SET client_min_messages = warning;
DROP DATABASE IF EXISTS statements_test;
CREATE DATABASE statements_test TEMPLATE template0;
\c statements_test
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

-- Prices: what we pay in USD and EUR, what a customer pays in EUR
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('euro', 'cost', 'EUR'), ('resale', 'charge', 'EUR');
SELECT aiusage.import_prices('list', 'aiusage', $${"providers": [{"provider": "lab", "match": {"equals": "lab"}, "models": [
	{"model": "m", "match": {"equals": "m"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000},
		{"unit": "cache_read_tokens", "rate": 0.3, "per": 1000000}, {"unit": "output_tokens", "rate": 15, "per": 1000000}]}]},
	{"model": "n", "match": {"equals": "n"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 0.7, "per": 1000000}, {"unit": "output_tokens", "rate": 7, "per": 1000000}]}]}]}]}$$, '2020-01-01') > 0 AS list,
	aiusage.import_prices('euro', 'aiusage', $${"providers": [{"provider": "lab", "match": {"equals": "lab"}, "models": [
	{"model": "m", "match": {"equals": "m"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 2, "per": 1000000}, {"unit": "output_tokens", "rate": 11, "per": 1000000}]}]}]}]}$$, '2020-01-01') > 0 AS euro,
	aiusage.import_prices('resale', 'aiusage', $${"providers": [{"provider": "lab", "match": {"equals": "lab"}, "models": [
	{"model": "m", "match": {"equals": "m"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 5, "per": 1000000}, {"unit": "output_tokens", "rate": 25, "per": 1000000}]}]}]}]}$$, '2020-01-01') > 0 AS resale;

SELECT aiusage.set_billing_calendar('ny', 'America/New_York', 15) AS ny, aiusage.set_billing_calendar('weekly', 'Asia/Kathmandu', 1, 'week') AS weekly;
SELECT aiusage.put_cost_center('cc-ny', calendar => 'ny'), aiusage.put_customer('acme', 'ACME'), aiusage.put_customer('days', 'By days', calendar => 'ny'),
	aiusage.put_team('weeks', 'By weeks', 'weekly'), aiusage.put_team('a', 'Team A');
SELECT count(aiusage.put_key(r)) AS keys FROM unnest(ARRAY[
	'{"key": "k1", "team": "a", "cost_center": "cc-1"}',
	'{"key": "k2", "team": "b", "cost_center": "cc-1", "customer": "acme", "charge_book": "resale"}',
	'{"key": "k3", "team": "b", "cost_center": "cc-2", "price_book": "euro"}',
	'{"key": "k4", "team": "weeks", "cost_center": "cc-ny", "customer": "days", "charge_book": "resale"}',
	'{"key": "k5", "team": "a"}']::jsonb[]) AS r;

-- A spring of usage, with what is odd about it
CREATE FUNCTION pg_temp.book(n int, key text, at timestamptz, model text DEFAULT 'm', who text DEFAULT NULL) RETURNS uuid LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage, customer, request_id, status, stream_state)
	VALUES (aiusage.event_id('s-' || n, at), at, key, 'lab', model, jsonb_build_object('input_tokens', 1000 + n * 13, 'cache_read_tokens', n % 7 * 100,
		'output_tokens', n % 11 * 17)::text::aiusage.usage, who, 's-' || n,
		CASE WHEN n % 17 = 0 THEN 'error'::aiusage.usage_status ELSE 'success' END, CASE WHEN n % 97 = 0 THEN 'estimated'::aiusage.stream_state END)
	RETURNING id
$$;
SELECT count(pg_temp.book(n, 'k' || n % 5 + 1, timestamptz '2024-02-20 00:00Z' + n * interval '2 hours 7 minutes', CASE n % 3 WHEN 0 THEN 'n' ELSE 'm' END,
	CASE WHEN n % 13 = 0 THEN 'acme' END)) FROM generate_series(1, 1200) AS n;
SELECT count(pg_temp.book(n, 'nobody', timestamptz '2024-03-10 00:00Z' + (n - 2000) * interval '1 hour')) FROM generate_series(2001, 2003) AS n;
SELECT count(pg_temp.book(n, 'k1', timestamptz '2024-03-11 00:00Z' + (n - 3000) * interval '1 hour', 'unheard-of')) FROM generate_series(3001, 3004) AS n;

-- What a statement must hold, by plain SQL: a row a line and unit, from the rows themselves
CREATE VIEW public.oracle AS
SELECT u.id, u.occurred_at, u.txid, u.correction, u.invoice_period, e.entity_kind, e.entity, e.currency AS statement_currency, u.assignment, u.api_key, u.model,
	coalesce(u.customer, a.customer) AS customer, x.unit,
	CASE WHEN x.unit IS NULL THEN CASE u.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END END AS requests,
	CASE WHEN x.unit IS NULL AND e.entity_kind <> 'customer' THEN coalesce(u.cost::numeric, 0) END AS cost,
	CASE WHEN x.unit IS NULL AND e.entity_kind <> 'customer' THEN coalesce(u.list_cost::numeric, u.cost::numeric, 0) END AS list_cost,
	CASE WHEN x.unit IS NULL THEN coalesce(u.charge::numeric, 0) END AS charge,
	CASE WHEN u.kind IN ('usage', 'reversal') THEN x.used * CASE u.kind WHEN 'reversal' THEN -1 ELSE 1 END END AS used_quantity,
	CASE WHEN e.entity_kind <> 'customer' THEN x.cost END AS unit_cost
FROM aiusage.usage_record AS u
LEFT JOIN aiusage.key_assignment AS a USING (assignment)
CROSS JOIN LATERAL (VALUES ('cost_center', coalesce(a.cost_center, '(unmatched)'), aiusage.currency(u.cost_by_unit)),
	('team', coalesce(a.team, '(unmatched)'), aiusage.currency(u.cost_by_unit)),
	('customer', coalesce(u.customer, a.customer), aiusage.currency(u.charge))) AS e (entity_kind, entity, currency)
CROSS JOIN LATERAL (SELECT NULL::text, NULL::numeric, NULL::numeric
	UNION ALL SELECT key, value::numeric, NULL FROM jsonb_each_text(u.usage::jsonb)
	UNION ALL SELECT c.key, NULL, c.value::numeric FROM jsonb_each(u.cost_by_unit::jsonb) AS m, jsonb_each_text(m.value) AS c) AS x (unit, used, cost)
WHERE e.entity IS NOT NULL AND e.currency IS NOT NULL;
-- statements against rows that belong to them, both ways, to the last digit
CREATE FUNCTION public.differing(which text, rows_of text) RETURNS TABLE (statement_units bigint, differing bigint) LANGUAGE plpgsql AS $f$
BEGIN
	RETURN QUERY EXECUTE format($$
		WITH s AS (
			SELECT x.statement, l.assignment, l.api_key, l.model, l.customer, u.unit, NULL::numeric AS requests, NULL::numeric AS cost, NULL::numeric AS list_cost,
				NULL::numeric AS charge, u.used_quantity, u.cost AS unit_cost
			FROM aiusage.invoice_statement x JOIN aiusage.invoice_statement_line l USING (statement) JOIN aiusage.invoice_statement_unit u USING (statement, line) WHERE %1$s
			UNION ALL
			SELECT x.statement, l.assignment, l.api_key, l.model, l.customer, NULL, l.requests, l.cost, l.list_cost, l.charge, NULL, NULL
			FROM aiusage.invoice_statement x JOIN aiusage.invoice_statement_line l USING (statement) WHERE %1$s
		), o AS (
			SELECT x.statement, r.assignment, r.api_key, r.model, r.customer, r.unit, r.requests, r.cost, r.list_cost, r.charge, r.used_quantity, r.unit_cost
			FROM aiusage.invoice_statement x JOIN public.oracle r ON r.entity_kind = x.entity_kind AND r.entity = x.entity AND r.statement_currency = x.currency AND %2$s
			WHERE %1$s
		), b AS (
			SELECT * FROM s UNION ALL
			SELECT statement, assignment, api_key, model, customer, unit, - requests, - cost, - list_cost, - charge, - used_quantity, - unit_cost FROM o
		)
		SELECT (SELECT count(*) FROM s), (SELECT count(*) FROM (SELECT FROM b GROUP BY statement, assignment, api_key, model, customer, unit
			HAVING sum(requests) <> 0 OR sum(cost) <> 0 OR sum(list_cost) <> 0 OR sum(charge) <> 0 OR sum(used_quantity) <> 0 OR sum(unit_cost) <> 0) d)$$, which, rows_of);
END
$f$;

-- March of the global calendar is not ready.
SELECT aiusage.period_of(1, '2024-03-15Z') AS march, aiusage.period_of(2, '2024-03-20Z') AS ny_march, aiusage.period_of(1, '2024-02-15Z') AS february,
	aiusage.period_of(2, '2024-02-20Z') AS ny_february \gset
SELECT finding, records, amount, currency, detail FROM aiusage.period_findings(:march);
-- What is charged and has no charge: model n, of keys with a charge book, and nothing of keys without one
SELECT count(*), trim_scale(sum(u.cost::numeric)) AS cost FROM aiusage.usage_record AS u
WHERE u.invoice_period = :march AND u.charge IS NULL AND u.cost IS NOT NULL AND u.api_key IN ('k2', 'k4');
-- of which a price that is published later, and a reprice of a week, leave the rest; a reprice of all leaves none
BEGIN;
SELECT aiusage.import_prices('resale', 'aiusage', $${"providers": [{"provider": "lab", "match": {"equals": "lab"}, "models": [
	{"model": "m", "match": {"equals": "m"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 5, "per": 1000000}, {"unit": "output_tokens", "rate": 25, "per": 1000000}]}]},
	{"model": "n", "match": {"equals": "n"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 1, "per": 1000000}, {"unit": "output_tokens", "rate": 9, "per": 1000000}]}]}]}]}$$, '2020-01-01') AS resale \gset
SELECT max(version) AS resale FROM aiusage.price_version WHERE book = 'resale' \gset
SELECT sum(changed) > 0 AS charged FROM aiusage.reprice('{"model": "n", "from": "2024-03-04Z", "to": "2024-03-11Z"}', :resale, 'the missing price', NULL, false);
SELECT records, amount, currency FROM aiusage.period_findings(:march) WHERE finding = 'uncharged';
SELECT count(*) FROM aiusage.usage_record AS u WHERE u.invoice_period = :march AND u.kind = 'usage' AND u.charge IS NULL AND u.cost IS NOT NULL AND u.api_key IN ('k2', 'k4')
	AND NOT EXISTS (SELECT FROM aiusage.usage_record AS r WHERE r.adjusts = u.id AND r.charge IS NOT NULL);
SELECT sum(changed) > 0 AS charged FROM aiusage.reprice('{"model": "n"}', :resale, 'the missing price', NULL, false);
SELECT count(*) AS uncharged FROM aiusage.period_findings(:march) WHERE finding = 'uncharged';
ROLLBACK;
SELECT aiusage.close_period(:march);
\echo :SQLSTATE
SELECT aiusage.close_period(:march, NULL, true);
\echo :SQLSTATE
SELECT aiusage.refresh() > 0 AS folded;
SELECT aiusage.close_period(:march, 'too early');
\echo :SQLSTATE
SELECT status, count(*) FROM aiusage.invoice_period GROUP BY 1;
-- Owners are entered, prices published as usual; what is left is said to be so.
SELECT aiusage.put_key('{"key": "nobody", "team": "a", "cost_center": "cc-2"}') IS NOT NULL AS owned;
SELECT row_count, booked FROM aiusage.reattribute('{"unmatched": true}', (SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'nobody'), 'found its owner', 'FIN-1', false);
SELECT aiusage.adjust(id, usage, 'the provider''s counters', 'FIN-2') IS NULL AS adjusted FROM aiusage.usage_record WHERE request_id = 's-388' AND kind = 'usage';
SELECT aiusage.refresh() > 0 AS folded;
SELECT finding, records, amount, currency, hint FROM aiusage.period_findings(:march);
-- Requests that are under way: of this calendar, taken before its end, open and not expired
BEGIN;
INSERT INTO aiusage.hold (hold_id, created_at, expires_at, closed_at, status, estimated_cost, currency, api_key, provider, model, quotas, subjects, windows, held)
SELECT gen_random_uuid(), created, expires, CASE WHEN status <> 'open' THEN created END, status, cost, 'USD', key, 'lab', 'm', '{}', '{}', '{}', '{}'
FROM (VALUES (timestamptz '2024-03-31 23:59Z', now() + interval '1 hour', 'open', 1.5, 'k1'), ('2024-03-31 23:58Z', now() + interval '1 hour', 'open', 0.25, 'unknown'),
	('2024-04-01 00:00Z', now() + interval '1 hour', 'open', 100, 'k1'), ('2024-03-31 23:59Z', now() - interval '1 hour', 'open', 100, 'k1'),
	('2024-03-31 23:59Z', now() + interval '1 hour', 'settled', 100, 'k1'), ('2024-03-10 23:59Z', now() + interval '1 hour', 'open', 100, 'k4')) AS v (created, expires, status, cost, key);
SELECT finding, records, amount, currency, detail FROM aiusage.period_findings(:march) WHERE finding = 'held';
ROLLBACK;
SELECT aiusage.start_closing(:march, 'tomorrow') IS NOT NULL AS closing;
SELECT finding, records, regexp_replace(detail, '\d.*', '...') AS detail FROM aiusage.period_findings(:march) WHERE finding = 'grace';
SELECT aiusage.start_closing(:march) IS NOT NULL AS over;

-- Not where it could not be atomic
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT aiusage.close_period(:march, 'x', true);
\echo :SQLSTATE
ROLLBACK;
BEGIN;
SELECT pg_temp.book(4000, 'k1', '2024-03-11 00:00Z') IS NOT NULL AS booked;
SELECT aiusage.close_period(:ny_february, 'x', true);
\echo :SQLSTATE
ROLLBACK;
SELECT aiusage.close_period(:march, 'Bearer ' || repeat('Ab3dEf7hIj', 4), true);
\echo :SQLSTATE
-- Closed all the same
SELECT aiusage.period_label(aiusage.close_period(:march, 'unheard-of is a trial, free of charge', true)) AS late_rows_go_to;
SELECT label, status, closing_by = current_user AS began, closed_by = current_user AS closed, forced, reason, findings FROM aiusage.invoice_period WHERE period = :march;
SELECT statement, entity_kind, entity, entity_name, requests, unpriced, cost, list_cost, charge, currency, lines, length(checksum) AS checksum FROM aiusage.statements ORDER BY statement;
SELECT * FROM public.differing('x.period = ' || :march, 'r.invoice_period = x.period');
-- each kind of entity divides the same usage; who has a calendar of its own is not among them
SELECT entity_kind, currency, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.statements GROUP BY 1, 2 ORDER BY 1, 2;
SELECT aiusage.currency(cost_by_unit) AS currency, sum(CASE kind WHEN 'usage' THEN 1 ELSE -1 END) AS requests, sum(cost::numeric) AS cost FROM aiusage.usage_record WHERE invoice_period = :march GROUP BY 1 ORDER BY 1;
SELECT line, team, api_key, model, requests, cost, currency, charge, charge_currency FROM aiusage.statement_lines WHERE entity = 'cc-1' ORDER BY statement, line LIMIT 5;
SELECT line, unit, used_quantity, quantity, cost, currency FROM aiusage.statement_units WHERE entity = 'cc-1' AND line < 3 ORDER BY statement, line, unit;
SELECT customer, label, requests, charge, currency FROM aiusage.customer_statements ORDER BY 1;
SELECT unit, used_quantity FROM aiusage.customer_statement_units ORDER BY customer, unit;

-- Late rows go to April, with their own time; the statement stays.
SELECT pg_temp.book(5001, 'k1', '2024-03-20 00:00Z') IS NOT NULL AS late;
SELECT aiusage.period_label(invoice_period) AS billed_in, occurred_at FROM aiusage.usage_record WHERE request_id = 's-5001';
-- a row that comes with a closed period, too
SET client_min_messages = error;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, cost, cost_by_unit, cost_state, invoice_period)
SELECT aiusage.event_id('s-5002', '2024-03-21Z'), 'k1', 'lab', 'm', '{"input_tokens": 1}', '1 USD', '{"USD": {"input_tokens": 1}}', 'final', :march
RETURNING aiusage.period_label(invoice_period) AS billed_in;
-- as are corrections of closed rows: new rows, of now
SELECT aiusage.adjust(id, '{"input_tokens": 1}', 'counted twice', 'FIN-3') IS NOT NULL AS adjusted FROM aiusage.usage_record WHERE request_id = 's-300';
SELECT kind, invoice_period = :march AS in_march, occurred_at > now() - interval '1 hour' AS today FROM aiusage.usage_record WHERE adjusts = (SELECT id FROM aiusage.usage_record WHERE request_id = 's-300' AND adjusts IS NULL) ORDER BY kind;
SELECT * FROM public.differing('x.period = ' || :march, 'r.invoice_period = x.period');
SELECT check_name, ok, actual FROM aiusage.verify() WHERE check_name LIKE 'statements%';
SELECT count(*) FILTER (WHERE NOT ok) AS failed FROM aiusage.verify();

-- Nobody changes them, not the owner either.
UPDATE aiusage.invoice_statement SET cost = 0;
\echo :SQLSTATE
DELETE FROM aiusage.invoice_statement_line;
\echo :SQLSTATE
UPDATE aiusage.invoice_statement_unit SET quantity = quantity + 1;
\echo :SQLSTATE
TRUNCATE aiusage.invoice_statement_unit;
\echo :SQLSTATE
INSERT INTO aiusage.invoice_statement_line (statement, line, api_key, provider, model, requests, unpriced, charge) VALUES (1, 99, 'k', 'p', 'm', 1, 0, 0);
\echo :SQLSTATE
INSERT INTO aiusage.invoice_statement_unit (statement, line, unit, used_quantity, quantity) VALUES (1, 1, 'x', 1, 1);
\echo :SQLSTATE
SELECT bool_and(aiusage.statement_checksum(statement) = checksum) AS as_frozen, aiusage.statement_checksum(-1) IS NULL AS none FROM aiusage.statements;
-- whoever gets around that is found out
BEGIN;
ALTER TABLE aiusage.invoice_statement_unit DISABLE TRIGGER ALL;
UPDATE aiusage.invoice_statement_unit SET quantity = quantity + 1 WHERE statement = 1 AND line = 1 AND unit = 'input_tokens';
SELECT check_name, ok, actual, detail FROM aiusage.verify() WHERE NOT ok;
ROLLBACK;
BEGIN;
ALTER TABLE aiusage.usage_record DISABLE TRIGGER ALL;
INSERT INTO aiusage.usage_record SELECT (r).* FROM (SELECT jsonb_populate_record(u, jsonb_build_object('id', aiusage.uuid_v7(u.occurred_at))) AS r FROM aiusage.usage_record AS u WHERE request_id = 's-310' LIMIT 1) AS x;
SELECT count(*) > 0 AS found_out, bool_or(check_name LIKE 'rollup_daily: every%') AS line_by_line FROM aiusage.verify() WHERE NOT ok;
ROLLBACK;

-- The calendar of New York: cost center cc-ny by what is stamped, customer "days" by the days.
SELECT aiusage.refresh() > 0 AS folded;
SELECT aiusage.close_period(:ny_february, 'estimates are small', true) IS NOT NULL AS closed;
SELECT statement, entity_kind, entity, requests, cost, charge, currency FROM aiusage.statements WHERE period = :ny_february ORDER BY 1;
SELECT * FROM public.differing('x.period = ' || :ny_february || ' AND NOT by_days', 'r.invoice_period = x.period');
SELECT * FROM public.differing('x.period = ' || :ny_february || ' AND by_days', $$r.occurred_at < '2024-03-15 04:00Z'$$);
-- what comes late for it is on its next one; another calendar in between counts nothing twice
SELECT pg_temp.book(6001, 'k4', '2024-03-01 00:00Z') IS NOT NULL AS late;
SELECT check_name, ok, actual FROM aiusage.verify() WHERE check_name LIKE 'statements%';
SELECT aiusage.put_customer('days', calendar => 'global') AS moved;
UPDATE aiusage.customer SET calendar = NULL WHERE customer = 'days';
\echo :SQLSTATE
SELECT aiusage.refresh() > 0 AS folded;
SELECT aiusage.close_period(aiusage.period_of(1, '2024-04-15Z'), 'estimates are small', true) IS NOT NULL AS closed;
SELECT statement, entity_kind, entity, requests, charge, currency, label FROM aiusage.statements WHERE entity = 'days' ORDER BY 1;
SELECT * FROM public.differing($$x.entity = 'days' AND x.covers_until = '2024-05-01 00:00Z'$$,
	$$r.occurred_at < '2024-05-01 00:00Z' AND (r.occurred_at >= '2024-03-15 04:00Z' OR r.id = aiusage.event_id('s-6001', '2024-03-01 00:00Z'))$$);
-- closed late and out of order: what was on the later one is not on it
SELECT aiusage.close_period(:february, 'estimates are small', true) IS NOT NULL AS closed;
SELECT count(*) AS statements, count(*) FILTER (WHERE entity = 'days') AS of_days FROM aiusage.statements WHERE period = :february;
SELECT aiusage.close_period(:ny_march, 'estimates are small', true) IS NOT NULL AS closed;
-- the team of weeks gets its first statement, of everything before
SELECT aiusage.close_period(aiusage.period_of(3, '2024-04-03Z'), 'estimates', true) IS NOT NULL AS closed;
SELECT aiusage.close_period(aiusage.period_of(3, '2024-03-06Z'), 'estimates', true) IS NOT NULL AS closed;
SELECT statement, entity, label, requests, cost FROM aiusage.statements WHERE entity = 'weeks';
SELECT * FROM public.differing($$x.entity = 'weeks'$$, $$r.occurred_at < '2024-04-07 18:15Z'$$);
SELECT check_name, ok, actual FROM aiusage.verify() WHERE check_name LIKE 'statements%' OR NOT ok;

-- Invoices
SELECT statement AS s_acme FROM aiusage.statements WHERE period = :march AND entity = 'acme' \gset
SELECT aiusage.record_invoice(:s_acme, 'INV-2024-0007') AS period_is;
\set VERBOSITY terse
SELECT aiusage.record_invoice(:s_acme, 'INV-2024-0008');
\echo :SQLSTATE
SELECT aiusage.record_invoice((SELECT max(statement) FROM aiusage.statements WHERE entity = 'acme'), 'INV-2024-0007');
\echo :SQLSTATE
\set VERBOSITY default
SELECT aiusage.record_invoice(-1, 'x');
\echo :SQLSTATE
SELECT aiusage.record_invoice(1, NULL);
\echo :SQLSTATE
SELECT aiusage.record_invoice(1, '');
\echo :SQLSTATE
SELECT aiusage.record_invoice(1, 'sk-' || repeat('Ab3dEf7hIj', 4));
\echo :SQLSTATE
SELECT aiusage.record_period_invoice(aiusage.period_of(1, '2030-01-01Z'), 'J-1');
\echo :SQLSTATE
SELECT aiusage.record_period_invoice(:march, '');
\echo :SQLSTATE
SELECT aiusage.record_period_invoice(:march, 'J-2024-03') AS statements;
SELECT status, invoiced_by = current_user AS by_me, invoice_number FROM aiusage.invoice_period WHERE period = :march;
SELECT aiusage.record_period_invoice(:march, 'J-2024-04');
\echo :SQLSTATE
SELECT entity_kind, entity, currency, invoice_number FROM aiusage.statements WHERE period = :march ORDER BY statement;
SELECT aiusage.record_invoice(statement, 'NY-' || statement) AS period_is FROM aiusage.statements WHERE period = :ny_february ORDER BY statement;
UPDATE aiusage.invoice_period SET invoice_number = 'other' WHERE period = :march;
\echo :SQLSTATE
UPDATE aiusage.invoice SET invoice_number = 'other';
\echo :SQLSTATE

-- Taken back: rows of today that cancel it, and a credit of them
SELECT statement AS s_cc FROM aiusage.statements WHERE period = :march AND entity = 'cc-1' \gset
SELECT aiusage.reverse_statement(:s_cc, NULL);
\echo :SQLSTATE
SELECT aiusage.reverse_statement(-1, 'x');
\echo :SQLSTATE
SELECT aiusage.reverse_statement(NULL, 'x');
\echo :SQLSTATE
SELECT aiusage.reverse_statement(:s_cc, 'billed to the wrong company', 'FIN-9') AS credit \gset
SELECT aiusage.reverse_statement(:s_cc, 'again');
\echo :SQLSTATE
SELECT aiusage.reverse_statement(:credit, 'a credit');
\echo :SQLSTATE
SELECT c.kind, c.entity, c.requests, c.cost + s.cost AS cost_left, c.list_cost + s.list_cost AS list_left, c.lines = s.lines AS same_lines, c.reason, c.status,
	aiusage.statement_checksum(c.statement) = c.checksum AS checksum
FROM aiusage.statements AS c JOIN aiusage.statements AS s ON s.statement = c.reverses;
SELECT count(*) AS rows, sum(cost::numeric) + (SELECT cost FROM aiusage.statements WHERE statement = :s_cc) AS cost_left, bool_and(kind = 'adjustment') AS adjustments,
	bool_and(cost::numeric = coalesce(aiusage.total(cost_by_unit)::numeric, 0)) AS add_up, bool_and(invoice_period = aiusage.period_of(1, now())) AS in_open_period
FROM aiusage.usage_record WHERE correction = (SELECT correction FROM aiusage.statements WHERE statement = :credit);
SELECT action, reason, ticket, row_count, parameters ->> 'statement' = :'s_cc' AS of_statement FROM aiusage.correction WHERE action = 'reverse_statement';
-- of a customer: the charge only
SELECT aiusage.reverse_statement(:s_acme, 'goodwill') AS credit_acme \gset
SELECT sum(cost::numeric) AS cost, sum(charge::numeric) + (SELECT charge FROM aiusage.statements WHERE statement = :s_acme) AS charge_left FROM aiusage.usage_record
WHERE correction = (SELECT correction FROM aiusage.statements WHERE statement = :credit_acme);
SELECT aiusage.record_invoice(:credit_acme, 'CN-1') AS period_is;
-- and by days
SELECT aiusage.reverse_statement(statement, 'goodwill') IS NOT NULL AS taken_back FROM aiusage.statements WHERE entity IN ('days', 'weeks') ORDER BY statement;
SELECT check_name, ok, actual, detail FROM aiusage.verify() WHERE NOT ok;
-- no statement of that entity has the rows again: the sums of what is on statements and what is not yet stay the ledger's
CREATE VIEW public.left_over AS
SELECT r.entity_kind, r.entity, r.statement_currency, sum(r.cost) - coalesce((SELECT sum(s.cost) FROM aiusage.statements AS s WHERE (s.entity_kind, s.entity, s.currency) = (r.entity_kind, r.entity, r.statement_currency)), 0) AS cost_left,
	sum(r.charge) - coalesce((SELECT sum(CASE WHEN s.entity_kind = 'customer' THEN s.charge END) FROM aiusage.statements AS s WHERE (s.entity_kind, s.entity, s.currency) = (r.entity_kind, r.entity, r.statement_currency)), 0) AS charge_left
FROM public.oracle AS r WHERE r.unit IS NULL GROUP BY 1, 2, 3;
SELECT count(*) FILTER (WHERE cost_left IS NOT NULL) AS of_cost, sum(cost_left) > 0 AS more_to_come FROM public.left_over;
-- The periods that are left are closed in a future that is made to be over: everything was on exactly one statement.
CREATE FUNCTION public.the_end() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	p int;
BEGIN
	-- as close_period() does, for periods that are not over yet
	FOR p IN SELECT DISTINCT q FROM (SELECT invoice_period AS q FROM aiusage.usage_record UNION SELECT aiusage.period_of(c.calendar, now()) FROM aiusage.billing_calendar AS c) AS x
		WHERE aiusage.period_status(q) IN ('open', 'closing') ORDER BY 1
	LOOP
		PERFORM aiusage.ensure_period(p);
		UPDATE aiusage.invoice_period SET status = 'closed', closed_at = now(), closed_by = 'test', boundary = 9223372036854775807, running = '{}' WHERE period = p;
		PERFORM aiusage.owner_freeze_statements(p);
	END LOOP;
END
$$;
SELECT public.the_end();
SELECT * FROM public.left_over WHERE cost_left <> 0 OR (entity_kind = 'customer' AND charge_left <> 0);
SELECT check_name, ok, actual, detail FROM aiusage.verify() WHERE NOT ok;

-- Who sees which: a member its own, a customer no cost
CREATE ROLE statements_member; CREATE ROLE statements_customer; CREATE ROLE statements_analyst;
SELECT aiusage.grant_access('statements_member', 'member', '{"teams": ["a"], "cost_centers": ["cc-2"]}'), aiusage.grant_access('statements_customer', 'customer', '{"customers": ["acme"]}'),
	aiusage.grant_access('statements_analyst', 'analyst');
SET ROLE statements_member;
SELECT DISTINCT entity_kind, entity FROM aiusage.statements ORDER BY 1, 2;
SELECT count(*) > 0 AS lines, count(*) FILTER (WHERE entity NOT IN ('a', 'cc-2')) AS of_others FROM aiusage.statement_lines;
SELECT count(*) FROM aiusage.customer_statements;
SELECT count(*) FROM aiusage.invoice_statement;
\echo :SQLSTATE
SELECT aiusage.close_period(1);
\echo :SQLSTATE
SET ROLE statements_customer;
SELECT DISTINCT customer FROM aiusage.customer_statements;
SELECT count(*) > 0 AS units FROM aiusage.customer_statement_units;
SELECT count(*) FROM aiusage.statements;
\echo :SQLSTATE
SET ROLE statements_analyst;
SELECT count(*) > 5 AS all_of_them FROM aiusage.statements;
SELECT count(*) >= 0 AS findings FROM aiusage.period_findings(:march);
SELECT aiusage.record_invoice(1, 'x');
\echo :SQLSTATE
RESET ROLE;

\c contrib_regression
DROP DATABASE statements_test;
DROP ROLE statements_member; DROP ROLE statements_customer; DROP ROLE statements_analyst;
