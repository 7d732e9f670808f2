--
-- Retention beside what is still to be booked: contracts of months without
-- usage, contracts that are entered when their months have gone, and corrections
-- of rows whose time is of a month that has.
--
SET client_min_messages = warning;
DROP DATABASE IF EXISTS retention_contracts_test;
CREATE DATABASE retention_contracts_test TEMPLATE template0;
\c retention_contracts_test
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('deal', 'cost', 'USD');
CREATE FUNCTION public.publish(rate numeric) RETURNS boolean LANGUAGE sql AS $$
	SELECT aiusage.import_prices('list', 'aiusage', jsonb_build_object('providers', jsonb_build_array(jsonb_build_object('provider', 'lab', 'match', '{"equals": "lab"}'::jsonb,
		'models', jsonb_build_array(jsonb_build_object('model', 'm', 'match', '{"equals": "m"}'::jsonb, 'rules', jsonb_build_array(jsonb_build_object('prices',
			jsonb_build_array(jsonb_build_object('unit', 'input_tokens', 'rate', rate, 'per', 1000000))))))))), '2020-01-01') > 0
$$;
SELECT public.publish(3);
SELECT aiusage.set_billing_calendar('quarters', 'UTC', unit => 'quarter') AS quarters, aiusage.set_billing_calendar('ny', 'America/New_York') AS ny,
	aiusage.put_cost_center('cc-q', calendar => 'quarters'), aiusage.put_cost_center('cc-ny', calendar => 'ny');
SELECT count(aiusage.put_key(k)) AS keys FROM unnest(ARRAY['{"key": "app", "team": "a", "cost_center": "cc-1"}', '{"key": "search", "team": "b", "cost_center": "cc-1"}',
	'{"key": "finance", "team": "fin", "cost_center": "cc-1"}', '{"key": "q", "team": "q", "cost_center": "cc-q"}', '{"key": "ny", "team": "ny", "cost_center": "cc-ny"}']::jsonb[]) AS k;
SELECT aiusage.put_retention_class('default', '30 days');
CREATE FUNCTION public.month(m text, calendar int DEFAULT 1) RETURNS int LANGUAGE sql AS $$ SELECT aiusage.period_of(calendar, (m || '-15 12:00Z')::timestamptz) $$;
CREATE FUNCTION public.book(request text, at timestamptz, id_at timestamptz DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record AS u (id, occurred_at, request_id, api_key, provider, model, usage)
	VALUES (aiusage.event_id(request, coalesce(id_at, at)), at, request, 'app', 'lab', 'm', '{"input_tokens": 1000000}') RETURNING aiusage.period_label(u.invoice_period)
$$;
CREATE FUNCTION public.held() RETURNS TABLE (partition text, state text, held_by text) LANGUAGE sql AS $$
	SELECT partition, state, held_by FROM aiusage.retention_status WHERE upper_at < '2025-01-01' ORDER BY lower_at
$$;
CREATE PROCEDURE public.enforce() LANGUAGE plpgsql AS $$
DECLARE
	did text;
BEGIN
	LOOP
		did := aiusage.enforce_retention(true);
		COMMIT;
		EXIT WHEN did IS NULL;
		CONTINUE WHEN did NOT LIKE '%dropped';
		RAISE INFO '%', did;
	END LOOP;
END $$;

-- Nothing is used from February on, and March has no partition; a minimum is owed all the same
SELECT count(*) FROM aiusage.make_partitions('2024-01-01', '2024-03-01');
SELECT count(*) FROM aiusage.make_partitions('2024-04-01', '2024-08-01');
SELECT public.book('first', '2024-01-10 00:00Z');
SELECT aiusage.put_contract('{"contract": "commitment", "book": "deal", "key": "finance", "provider": "lab", "minimum": 10, "valid_from": "2024-01-01", "valid_to": "2024-05-01"}') AS entered,
	aiusage.put_contract('{"contract": "tiers", "book": "deal", "key": "q", "valid_from": "2024-04-01", "valid_to": "2024-07-01", "rates": [{"unit": "input_tokens", "tiers": [{"price": 1, "per": 1000000}]}]}') AS entered;
SELECT aiusage.refresh();
CALL public.enforce();
SELECT * FROM public.held();
SELECT contract, difference, booked FROM aiusage.book_contracts(public.month('2024-01'), false);
SELECT aiusage.refresh();
SELECT aiusage.period_label(aiusage.close_period(public.month('2024-01'))) AS next;
CALL public.enforce();
SELECT * FROM public.held();
SELECT severity, value, meaning, action FROM aiusage.status() WHERE check_name = 'retention';

-- Rows of January by their time and of February by their id, which came when January was closed: they are corrected where they are
SELECT public.book('late ' || n, '2024-01-31 23:50Z', '2024-02-01 06:00Z') AS billed_in FROM generate_series(1, 5) AS n;
SELECT aiusage.adjust(aiusage.event_id('late 1', '2024-02-01 06:00Z'), '{"input_tokens": 500000}', 'counted twice', NULL) IS NOT NULL AS adjusted;
SELECT row_count, booked FROM aiusage.reattribute('{"from": "2024-01-31", "to": "2024-02-01", "api_key": "app"}', (SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'search'), 'whose it was', NULL, false);
SELECT aiusage.record_outcome(aiusage.event_id('late 3', '2024-02-01 06:00Z'), 1) IS NOT NULL AS recorded;
SELECT public.publish(4);
SELECT team, row_count, changed, difference FROM aiusage.reprice('{"api_key": "app"}', NULL, 'new prices', NULL, false);
SELECT aiusage.adjust(u.id, '{}', 'and never was', NULL) IS NOT NULL AS adjusted
FROM aiusage.usage_record AS u WHERE u.request_id = 'late 2' AND NOT EXISTS (SELECT FROM aiusage.usage_record AS r WHERE r.adjusts = u.id AND r.kind = 'reversal') AND u.kind = 'usage';
SELECT kind, aiusage.id_time(id)::date AS id, occurred_at, aiusage.period_label(invoice_period) AS period, count(*), sum(cost::numeric) FROM aiusage.usage_record GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;
-- and the statement of what has gone is taken back today
SELECT aiusage.reverse_statement(statement, 'never agreed') > 0 AS credited FROM aiusage.invoice_statement WHERE kind = 'statement' AND entity_kind = 'cost_center' AND entity = 'cc-1';
SELECT cost, occurred_at::date = now()::date AS today FROM aiusage.usage_record WHERE occurred_at > '2025-01-01' ORDER BY cost;

-- March is owed too: April stays until it is closed, for the ids of March would be refused with those of April
SELECT aiusage.refresh() > 0 AS folded;
SELECT contract, difference, booked FROM aiusage.book_contracts(public.month('2024-02'), false);
SELECT aiusage.refresh();
SELECT aiusage.close_period(public.month('2024-02')) > 0 AS closed, aiusage.close_period(public.month('2024-04'), 'nothing was used', true) > 0 AS closed;
CALL public.enforce();
SELECT * FROM public.held();
SELECT contract, difference, booked FROM aiusage.book_contracts(public.month('2024-03'), false);
SELECT aiusage.refresh();
CALL public.enforce();
SELECT * FROM public.held();
SELECT * FROM aiusage.make_partitions('2024-03-01', '2024-04-01');
SELECT aiusage.close_period(public.month('2024-03')) > 0 AS closed;
CALL public.enforce();
SELECT * FROM public.held();
-- and a quarter stays as a whole
SELECT aiusage.close_period(aiusage.period_of(2, '2024-04-15Z')) > 0 AS closed;
CALL public.enforce();
SELECT * FROM public.held();
SELECT contract, aiusage.period_label(period) AS period, difference FROM aiusage.contract_run ORDER BY run;

-- A contract that is entered when its month has gone: what it comes to can be asked, not booked
SET client_min_messages = notice;
SELECT aiusage.put_contract('{"contract": "forgotten", "book": "deal", "key": "ny", "minimum": 25, "valid_from": "2024-02-01", "valid_to": "2024-03-01"}') AS entered;
SELECT what, amount, currency FROM aiusage.contract_lines('forgotten', public.month('2024-02', 3));
SELECT contract, difference, booked FROM aiusage.book_contracts(public.month('2024-02', 3));
SELECT contract, difference, booked FROM aiusage.book_contracts(public.month('2024-02', 3), false);
\echo :SQLSTATE
SELECT finding, amount, currency, hint FROM aiusage.period_findings(public.month('2024-02', 3));
SELECT aiusage.close_period(public.month('2024-02', 3));
\echo :SQLSTATE
-- as the hint says: in the next open period, to the cent
SELECT aiusage.put_contract('{"contract": "forgotten in 2024-02", "book": "deal", "key": "ny", "provider": "contract", "minimum": 25, "valid_from": "2024-09-01", "valid_to": "2024-10-01"}') AS entered;
SELECT contract, difference, booked FROM aiusage.book_contracts(public.month('2024-09', 3), false);
SELECT aiusage.period_label(aiusage.close_period(public.month('2024-02', 3), 'billed in 2024-09', true)) AS next;
SELECT check_name, expected, actual, detail FROM aiusage.verify() WHERE NOT ok;

\c contrib_regression
DROP DATABASE retention_contracts_test;
