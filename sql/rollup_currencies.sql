-- Margin where currencies agree, and reports in another currency: exact products, the rate beside them, none where none is known
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) >= 0 AS books FROM aiusage.init();
SET timezone = 'UTC';
SET datestyle = 'ISO';
BEGIN;
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('fx_usd', 'cost', 'USD'), ('fx_eur', 'cost', 'EUR'), ('fx_charge_usd', 'charge', 'USD'), ('fx_charge_gbp', 'charge', 'GBP');
SELECT count(aiusage.import_prices(b, 'aiusage', format('{"providers": [{"provider": "fx", "models": [{"model": "m", "rules": [{"prices": [{"unit": "requests", "rate": %s}]}]}]}]}', r)::jsonb, '-infinity')) AS books
FROM (VALUES ('fx_usd', 0.7), ('fx_eur', 0.3), ('fx_charge_usd', 1.1), ('fx_charge_gbp', 0.9)) AS v (b, r);
SELECT count(aiusage.put_key(k)) AS keys FROM unnest(ARRAY['{"key": "fx-1", "team": "fx-a", "cost_center": "fx-cc", "price_book": "fx_usd", "charge_book": "fx_charge_usd"}',
	'{"key": "fx-2", "team": "fx-a", "cost_center": "fx-cc", "price_book": "fx_eur", "charge_book": "fx_charge_gbp"}', '{"key": "fx-3", "team": "fx-b", "price_book": "fx_usd", "charge_book": "fx_charge_gbp", "customer": "fx-c"}',
	'{"key": "fx-4", "team": "fx-b", "price_book": "fx_usd"}', '{"key": "fx-5", "team": "fx-a", "price_book": "fx_usd"}']::jsonb[]) AS k;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage)
SELECT aiusage.event_id(k || d, d::timestamptz), k, 'fx', CASE WHEN k = 'fx-4' AND d = '2020-03-02' THEN 'unknown' ELSE 'm' END, '{}' FROM unnest(ARRAY['fx-1', 'fx-2', 'fx-3', 'fx-4', 'fx-5']) AS k, unnest(ARRAY['2020-02-28', '2020-03-01', '2020-03-02']) AS d;

SELECT team, currency, cost, charge, margin FROM aiusage.team_usage WHERE team LIKE 'fx-%' AND day = '2020-03-02' ORDER BY 1, 2;
SELECT cost_center, currency, sum(cost) AS cost, sum(charge) AS charge, sum(margin) AS margin FROM aiusage.cost_center_usage WHERE cost_center = 'fx-cc' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT label, team, currency, cost, charge, margin FROM aiusage.invoice_period_usage WHERE team LIKE 'fx-%' ORDER BY 1, 2, 3, margin;
SELECT customer, currency, charge_currency, cost, charge, margin FROM aiusage.customer_usage WHERE customer = 'fx-c' AND day = '2020-03-02';
SELECT api_key, currency, charge_currency, list_currency, cost, charge, margin FROM aiusage.usage_log WHERE api_key LIKE 'fx-%' AND occurred_at = '2020-03-02' ORDER BY 1;

-- no rates yet: what was booked, and nothing made up
SELECT day, team, customer, requests, unpriced, currency, cost, reported_cost, charge_currency, charge, reported_charge, reported_margin FROM aiusage.usage_in_currency('CHF', '2020-01-01', '2021-01-01') WHERE team LIKE 'fx-%' AND day = '2020-03-02';
-- a rate from a day on, corrected once, another pair; the inverse of a pair is none
SELECT aiusage.put_fx_rate('USD', 'CHF', 0.96, '2020-03-01', 'bank') AS first \gset
SELECT aiusage.put_fx_rate('USD', 'CHF', 0.960, '2020-03-01', 'bank') = :first AS the_same_again, aiusage.put_fx_rate('USD', 'CHF', 0.965123456789, '2020-03-01', 'bank, corrected') > :first AS corrected,
	aiusage.put_fx_rate('USD', 'CHF', 1.1, '2020-03-02', 'bank') > :first AS next, aiusage.put_fx_rate('GBP', 'CHF', 1.23, '2019-01-01', 'contract') > :first AS old, aiusage.put_fx_rate('CHF', 'EUR', 0.9, '2019-01-01', 'bank') > :first AS inverse;
SELECT d, b, r.* FROM unnest('{2020-02-29, 2020-03-01, 2020-03-02, 2030-01-01}'::date[]) AS d, unnest(ARRAY['USD', 'EUR', 'CHF']) AS b, aiusage.fx_rate_at(b, 'CHF', d) AS r ORDER BY 2, 1;
SELECT day, team, currency, cost, cost_rate, cost_rate_from, cost_rate_source, reported_cost, charge_currency, charge, charge_rate, charge_rate_from, charge_rate_source, reported_charge, reported_margin, reporting_currency
FROM aiusage.usage_in_currency('CHF', '2020-01-01', '2021-01-01') WHERE team LIKE 'fx-%';
-- every product exact
SELECT count(*) AS rows, count(*) FILTER (WHERE reported_cost IS NOT DISTINCT FROM cost * cost_rate AND reported_charge IS NOT DISTINCT FROM charge * charge_rate
	AND cost_rate IS NOT DISTINCT FROM CASE WHEN currency = 'USD' AND day = '2020-03-01' THEN 0.965123456789 WHEN currency = 'USD' AND day = '2020-03-02' THEN 1.1 END) AS exact
FROM aiusage.usage_in_currency('CHF', '2020-01-01', '2021-01-01') WHERE team LIKE 'fx-%';
-- the same currency needs no rate
SELECT DISTINCT currency, cost = reported_cost AS same, cost_rate, cost_rate_from FROM aiusage.usage_in_currency('USD', '2020-01-01', '2021-01-01') WHERE team LIKE 'fx-%' ORDER BY 1;
-- NULL is no bound
SELECT count(*) AS rows, count(*) = (SELECT count(*) FROM aiusage.usage_in_currency('CHF', '-infinity', 'infinity') WHERE team LIKE 'fx-%') AS all_of_them
FROM aiusage.usage_in_currency('CHF', NULL, NULL) WHERE team LIKE 'fx-%';
SELECT count(*) AS rows FROM aiusage.usage_in_currency('CHF', '2020-03-02', NULL) WHERE team LIKE 'fx-%';
-- a member reports what it sees
CREATE ROLE fx_member;
SELECT aiusage.grant_access('fx_member', 'member', '{"teams": ["fx-b"]}') AS granted;
SET LOCAL ROLE fx_member;
SELECT team, sum(reported_cost) AS cost FROM aiusage.usage_in_currency('CHF', '2020-03-01', '2021-01-01') GROUP BY 1 ORDER BY 1;
RESET ROLE;
-- what is refused
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT pg_temp.try(s) FROM unnest(ARRAY[
	$$SELECT aiusage.put_fx_rate('USD', 'USD', 1, '2020-01-01', 'x')$$, $$SELECT aiusage.put_fx_rate('usd', 'EUR', 1, '2020-01-01', 'x')$$, $$SELECT aiusage.put_fx_rate('USD', 'EUR', 0, '2020-01-01', 'x')$$,
	$$SELECT aiusage.put_fx_rate('USD', 'EUR', 'NaN', '2020-01-01', 'x')$$, $$SELECT aiusage.put_fx_rate('USD', 'EUR', 1, '2020-01-01', NULL)$$, $$SELECT aiusage.put_fx_rate('USD', 'EUR', 1, 'infinity', 'x')$$,
	$$SELECT aiusage.put_fx_rate('USD', 'EUR', 1, '2020-01-01', 'sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD')$$,
	$$UPDATE aiusage.fx_rate SET rate = 2$$, $$DELETE FROM aiusage.fx_rate$$, $$TRUNCATE aiusage.fx_rate$$, $$SELECT aiusage.usage_in_currency('chf', '2020-01-01', '2020-01-02')$$]) AS s;
SELECT operation, count(*) FROM aiusage.audit_log WHERE relation = 'fx_rate' GROUP BY 1;
ROLLBACK;
