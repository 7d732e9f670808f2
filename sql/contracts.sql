--
-- Contracts, in a database of its own.  The oracle is plain numeric SQL over
-- the rows of the ledger.
--
SET client_min_messages = warning;
DROP DATABASE IF EXISTS contracts_test;
CREATE DATABASE contracts_test TEMPLATE template0;
\c contracts_test
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

-- quotient(): the nearest 1e-12, ties to even, whatever the scales
SELECT aiusage.quotient(1, 3), aiusage.quotient(-2, 3), aiusage.quotient(0.0000000000005, 1) AS tie_down, aiusage.quotient(0.0000000000015, 1) AS tie_up,
	aiusage.quotient(-0.0000000000025, 1) AS tie_even, aiusage.quotient(5, 2), aiusage.quotient(0, 7), aiusage.quotient(999999999999999999.999999 * 0.000000000001, 3600);
SELECT aiusage.quotient(1, 0);
\echo :SQLSTATE
WITH n AS (
	SELECT (hashint8(i)::numeric * 1000003 + i) / 10::numeric ^ (i % 9)::numeric AS num, (abs(hashint4(i)::bigint)::numeric + 1) / 10::numeric ^ (i % 7)::numeric AS den FROM generate_series(1, 5000) AS i
	UNION ALL SELECT (2 * i + 1) * 0.0000000000005 * d, d FROM generate_series(-50, 50) AS i, (VALUES (1::numeric), (7), (0.3), (3600)) AS v (d)
)
SELECT count(*) AS divided, count(*) FILTER (WHERE abs(q * den - num) > abs(den) * 0.0000000000005) AS not_nearest,
	count(*) FILTER (WHERE abs(q * den - num) = abs(den) * 0.0000000000005) > 300 AS ties,
	count(*) FILTER (WHERE abs(q * den - num) = abs(den) * 0.0000000000005 AND mod(q * 1000000000000, 2) <> 0) AS tie_to_odd
FROM n, aiusage.quotient(num, den) AS q;
SELECT l, p, aiusage.label_fits(l, p) FROM (VALUES ('GPT-4o', 'gpt-4o'), ('gpt-4o', 'gpt-*'), ('gpt', 'gpt-*'), ('x', NULL), ('x', '*'), ('x', 'y'), (NULL, 'y')) AS v (l, p);

-- Usage of two labs; the price per row is the first tier's
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('deal', 'cost', 'USD'), ('plan', 'charge', 'EUR'), ('paper', 'list', 'USD');
SELECT aiusage.import_prices('list', 'aiusage', $${"providers": [{"provider": "lab", "match": {"equals": "lab"}, "models": [
	{"model": "m", "match": {"equals": "m"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000},
		{"unit": "cache_read_tokens", "rate": 0.3, "per": 1000000}, {"unit": "output_tokens", "rate": 15, "per": 1000000}]}]}]},
	{"provider": "talk", "match": {"equals": "talk"}, "models": [{"model": "voice", "match": {"equals": "voice"}, "rules": [{"prices": [{"unit": "audio_seconds", "rate": 0.36, "per": 3600}]}]}]}]}$$,
	'2020-01-01') > 0 AS list,
	aiusage.import_prices('plan', 'aiusage', $${"providers": [{"provider": "lab", "match": {"equals": "lab"}, "models": [
	{"model": "m", "match": {"equals": "m"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 5, "per": 1000000}, {"unit": "output_tokens", "rate": 25, "per": 1000000}]}]}]}]}$$, '2020-01-01') > 0 AS plan;
SELECT count(aiusage.put_key(r)) AS keys FROM unnest(ARRAY['{"key": "app", "team": "a", "cost_center": "cc-1"}', '{"key": "shop", "team": "b", "cost_center": "cc-2", "customer": "acme", "charge_book": "plan"}',
	'{"key": "finance", "team": "fin", "cost_center": "cc-fin"}']::jsonb[]) AS r;
INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage, request_id)
SELECT aiusage.event_id('c-' || n, t), t, (ARRAY['app', 'shop'])[n % 2 + 1], CASE WHEN n % 7 = 0 THEN 'talk' ELSE 'lab' END, CASE WHEN n % 7 = 0 THEN 'voice' ELSE 'm' END,
	CASE WHEN n % 7 = 0 THEN jsonb_build_object('audio_seconds', n * 0.137) ELSE jsonb_build_object('input_tokens', 1000 + n * 17, 'cache_read_tokens', n * 3, 'output_tokens', n % 13 * 41) END::text::aiusage.usage, 'c-' || n
FROM generate_series(1, 700) AS n, LATERAL (SELECT timestamptz '2024-05-01 00:00Z' + n * interval '1 hour') AS x (t);
SELECT aiusage.adjust(id, '{"input_tokens": 10}', 'counted twice', 'F-1') IS NOT NULL AS corrected FROM aiusage.usage_record WHERE request_id = 'c-5';
-- what was used, exclusive of cached tokens, from the rows alone
CREATE VIEW public.used AS
SELECT u.provider, u.api_key, sum(s * coalesce((u.usage::jsonb ->> 'input_tokens')::numeric - coalesce((u.usage::jsonb ->> 'cache_read_tokens')::numeric, 0), 0)) AS input_tokens,
	sum(s * coalesce((u.usage::jsonb ->> 'output_tokens')::numeric, 0)) AS output_tokens, sum(s * coalesce((u.usage::jsonb ->> 'audio_seconds')::numeric, 0)) AS seconds, sum(s) AS requests,
	sum(u.cost::numeric) AS cost, sum(u.charge::numeric) AS charge
FROM aiusage.usage_record AS u, LATERAL (SELECT CASE u.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END) AS x (s)
WHERE u.kind IN ('usage', 'reversal') GROUP BY 1, 2;
SELECT provider, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(seconds) AS seconds, sum(requests) AS requests, sum(cost) AS cost, sum(charge) AS charge FROM public.used GROUP BY 1 ORDER BY 1;

-- Entering: the whole record, idempotently
SELECT aiusage.put_contract('{"contract": "lab-2024", "book": "deal", "key": "finance", "provider": "LAB", "rates": [
	{"unit": "input_tokens", "method": "graduated", "free": 100000, "tiers": [{"price": 3, "per": 1000000}, {"starts": 1000000, "price": 2.5, "per": 1000000}, {"starts": 3000000, "price": 1.75, "per": 1000000, "flat": 0.5}]},
	{"unit": "output_tokens", "model": "m*", "method": "volume", "tiers": [{"price": 15, "per": 1000000}, {"starts": 100000, "price": 13, "per": 1000000}, {"starts": 9000000, "price": 12, "per": 1000000}]},
	{"unit": "requests", "method": "package", "free": 10, "tiers": [{"price": 0.05, "per": 100}]}]}') AS entered;
SELECT aiusage.put_contract(aiusage.contract_record('lab-2024')) AS again, jsonb_pretty(aiusage.contract_record('lab-2024') - 'rates') AS record;
SELECT aiusage.put_contract('{"contract": "voice", "book": "deal", "key": "finance", "provider": "talk", "minimum": 5, "rates": [{"unit": "audio_seconds", "tiers": [{"price": 0.07, "per": 2777}]}]}') AS entered,
	aiusage.put_contract('{"contract": "everything", "book": "deal", "key": "finance", "minimum": 40, "valid_from": "2024-06-01"}') AS later,
	aiusage.put_contract('{"contract": "acme-plan", "book": "plan", "key": "shop", "customer": "acme", "rates": [{"unit": "input_tokens", "free": 500000, "tiers": [{"price": 30, "flat": 20, "per": 10000000}]}]}') AS plan;
SELECT aiusage.put_contract('[]');
\echo :SQLSTATE
SELECT aiusage.put_contract('{"contract": "x", "book": "deal", "key": "finance"}');
\echo :SQLSTATE
SELECT aiusage.put_contract('{"contract": "x", "book": "deal", "minimum": 1}');
\echo :SQLSTATE
SELECT aiusage.put_contract('{"contract": "x", "book": "deal", "key": "finance", "minimum": 1, "colour": "red"}');
\echo :SQLSTATE
SELECT aiusage.put_contract('{"contract": "x", "book": "paper", "key": "finance", "minimum": 1}');
\echo :SQLSTATE
SELECT aiusage.put_contract('{"contract": "x", "book": "nowhere", "key": "finance", "minimum": 1}');
\echo :SQLSTATE
\set VERBOSITY terse
SELECT aiusage.put_contract('{"contract": "x", "book": "deal", "key": "finance", "minimum": -1}');
\echo :SQLSTATE
\set VERBOSITY default
SELECT aiusage.put_contract('{"contract": "x", "book": "deal", "key": "finance", "rates": [{"unit": "input_tokens"}]}');
\echo :SQLSTATE
SELECT aiusage.put_contract('{"contract": "x", "book": "deal", "key": "finance", "rates": [{"unit": "input_tokens", "tiers": [{"starts": 5, "price": 1}]}]}');
\echo :SQLSTATE
SELECT aiusage.put_contract('{"contract": "x", "book": "deal", "key": "finance", "rates": [{"unit": "input_tokens", "method": "package", "tiers": [{"price": 1}, {"starts": 5, "price": 1}]}]}');
\echo :SQLSTATE
SELECT aiusage.put_contract('{"contract": "x", "book": "deal", "key": "finance", "rates": [{"unit": "input_tokens", "tiers": [{"price": "NaN"}]}]}');
\echo :SQLSTATE
SELECT aiusage.put_contract('{"contract": "x", "book": "deal", "key": "finance", "rates": 3}');
\echo :SQLSTATE
SELECT count(*) AS contracts FROM aiusage.contract;

-- Evaluated: line by line, against plain SQL
SELECT aiusage.period_of(1, '2024-05-15Z') AS may \gset
SELECT * FROM aiusage.contract_lines('lab-2024', :may);
WITH u AS (SELECT sum(input_tokens) - 100000 AS i, sum(output_tokens) AS o, sum(requests) - 10 AS r, sum(cost) AS cost FROM public.used WHERE provider = 'lab')
SELECT 'lab-2024' AS contract, trim_scale(1000000 * 3 / 1000000.0 + 2000000 * 2.5 / 1000000 + (i - 3000000) * 1.75 / 1000000 + 0.5		-- three tiers
	+ o * CASE WHEN o > 9000000 THEN 12 WHEN o > 100000 THEN 13 ELSE 15 END / 1000000			-- all of it at one price
	+ ceil(r / 100) * 0.05												-- started packages
	+ (SELECT sum((c.value #>> '{}')::numeric) FROM aiusage.usage_record AS x, jsonb_each(x.cost_by_unit::jsonb -> 'USD') AS c WHERE x.provider = 'lab' AND c.key = 'cache_read_tokens')
	- cost) AS by_hand,
	(SELECT sum(amount) FROM aiusage.contract_lines('lab-2024', :may)) AS evaluated FROM u
UNION ALL
SELECT 'voice', 5 - sum(cost), (SELECT sum(amount) FROM aiusage.contract_lines('voice', :may)) FROM public.used WHERE provider = 'talk'
UNION ALL
SELECT 'acme-plan', 20 + (sum(input_tokens) - 500000) * 30 / 10000000 - sum(charge), (SELECT sum(amount) FROM aiusage.contract_lines('acme-plan', :may)) FROM public.used WHERE api_key = 'shop' AND charge IS NOT NULL;
SELECT * FROM aiusage.contract_lines('voice', :may);
SELECT * FROM aiusage.contract_lines('acme-plan', :may);
SELECT * FROM aiusage.contract_lines('nowhere', :may);
\echo :SQLSTATE
SELECT * FROM aiusage.contract_lines('voice', 7);
\echo :SQLSTATE
SELECT * FROM aiusage.contract_lines('voice', NULL);
\echo :SQLSTATE

-- Nobody closes without them.
SELECT aiusage.refresh() > 0 AS folded;
SELECT finding, records, amount, currency, detail, hint FROM aiusage.period_findings(:may);
SELECT aiusage.close_period(:may);
\echo :SQLSTATE
-- Booked: a dry run first, then for good, then the difference only
SELECT contract, difference, currency, booked, record IS NULL AS none FROM aiusage.book_contracts(:may);
SELECT count(*) AS written FROM aiusage.usage_record WHERE kind = 'adjustment';
SELECT contract, difference, currency, booked FROM aiusage.book_contracts(:may, false);
SELECT contract, difference, currency, booked FROM aiusage.book_contracts(:may, dry_run => false);
SELECT kind, api_key, provider, model, customer, cost, charge, cost_by_unit::text, occurred_at, invoice_period = :may AS in_may, assignment = (SELECT assignment FROM aiusage.key_assignment AS a WHERE a.api_key = u.api_key) AS owned
FROM aiusage.usage_record AS u WHERE kind = 'adjustment' ORDER BY model;
SELECT c.action, c.reason, c.row_count, r.contract, r.difference = (c.parameters ->> 'difference')::numeric AS same, r.difference = (SELECT sum(amount) FROM aiusage.contract_run_line AS l WHERE l.run = r.run) AS explained
FROM aiusage.contract_run AS r JOIN aiusage.correction AS c USING (correction) ORDER BY r.run;
SELECT * FROM aiusage.contract_lines('voice', :may);
-- late usage, and a better contract
INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage)
SELECT aiusage.uuid_v7(t), t, 'app', 'lab', 'm', '{"input_tokens": 200000}' FROM (SELECT timestamptz '2024-05-20Z') AS x (t);
SELECT aiusage.put_contract('{"contract": "voice", "book": "deal", "key": "finance", "provider": "talk", "minimum": 4, "rates": [{"unit": "audio_seconds", "tiers": [{"price": 0.07, "per": 2777}]}]}') AS changed;
SELECT contract, difference, currency, booked FROM aiusage.book_contracts(:may, false);
SELECT trim_scale(200000 * (1.75 - 3) / 1000000) AS by_hand_but_for_requests;		-- one request more, no package more
SELECT contract, difference, booked FROM aiusage.book_contracts(:may, false);
SELECT contract, count(*) AS runs, sum(difference) AS total FROM aiusage.contract_run GROUP BY 1 ORDER BY 1;
-- the books come to what the contracts say
WITH due AS (SELECT sum(amount) AS due FROM aiusage.contract_lines('voice', :may) WHERE what NOT IN ('booked by rows', 'adjusted before'))
SELECT due, (SELECT sum(cost::numeric) FROM aiusage.usage_record WHERE provider = 'talk' OR model = 'voice') AS in_the_ledger FROM due;
UPDATE aiusage.contract_run SET difference = 0;
\echo :SQLSTATE
DELETE FROM aiusage.contract_run_line;
\echo :SQLSTATE

-- Closed with them: on the statements of whoever owns the key, and of the customer
SELECT aiusage.refresh() > 0 AS folded;
-- what is left: the plan has no price for speech
SELECT f.finding, f.records, f.amount, u.requests, u.cost FROM aiusage.period_findings(:may) AS f, public.used AS u WHERE u.api_key = 'shop' AND u.charge IS NULL;
SELECT aiusage.period_label(aiusage.close_period(:may, 'speech is free of charge', true)) AS next;
SELECT entity_kind, entity, provider, model, cost, currency, charge, charge_currency FROM aiusage.statement_lines WHERE provider = 'contract' ORDER BY entity_kind, entity, model;
SELECT customer, charge, currency FROM aiusage.customer_statements;
SELECT aiusage.book_contracts(:may, false);
\echo :SQLSTATE
SELECT contract, difference FROM aiusage.book_contracts(:may);
DO $$
BEGIN
	PERFORM aiusage.book_contracts(aiusage.period_of(1, now()), false);
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING '% %', SQLSTATE, regexp_replace(SQLERRM, '\d{4}-\d\d', 'YYYY-MM');
END
$$;
SELECT aiusage.book_contracts(NULL, false);
\echo :SQLSTATE
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT aiusage.book_contracts(:may + 1, false);
\echo :SQLSTATE
ROLLBACK;
-- A minimum alone, over everything; June has no usage at all. Contracts of other calendars, and ended ones, are not due.
SELECT aiusage.set_billing_calendar('ny', 'America/New_York') AS ny, aiusage.put_cost_center('cc-ny', calendar => 'ny'),
	aiusage.put_key('{"key": "ny", "team": "a", "cost_center": "cc-ny"}') IS NOT NULL AS key, aiusage.put_contract('{"contract": "ny", "book": "deal", "key": "ny", "minimum": 7}') AS entered;
SELECT aiusage.put_contract(aiusage.contract_record('lab-2024') || '{"valid_to": "2024-06-01"}') AS ended;
SELECT contract, difference, booked FROM aiusage.book_contracts(:may + 1, false);
SELECT contract, difference, booked FROM aiusage.book_contracts(aiusage.period_of(2, '2024-06-15Z'), false);
SELECT contract, sum(difference) FROM aiusage.contract_run GROUP BY 1 ORDER BY 1;
SELECT operation, new ->> 'contract' AS contract, new ->> 'minimum' AS minimum FROM aiusage.audit_log WHERE relation = 'contract' ORDER BY entry;
SELECT check_name, ok, actual FROM aiusage.verify() WHERE NOT ok;

\c contrib_regression
DROP DATABASE contracts_test;
