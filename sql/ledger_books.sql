-- A key with price books of its own: what it costs, what that would be at list, what it is charged at.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) >= 0 AS books FROM aiusage.init();
BEGIN;		-- book list stays as it is for other tests
INSERT INTO aiusage.price_book (book, kind, currency, inherits) VALUES
	('books-nego', 'cost', 'USD', 'list'), ('books-resale', 'charge', 'EUR', NULL);
SELECT aiusage.import_prices('list', 'aiusage', '{"providers": [{"provider": "books-lab", "match": {"equals": "books-lab"}, "models": [
	{"model": "m", "match": {"equals": "m"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 2, "per": 1000000}]}]},
	{"model": "n", "match": {"equals": "n"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000}]}]}]}]}',
	'2020-01-01') > 0 AS list,
	aiusage.import_prices('books-nego', 'aiusage', '{"providers": [{"provider": "books-lab", "match": {"equals": "books-lab"}, "models": [
	{"model": "m", "match": {"equals": "m"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 1.5, "per": 1000000}]}]}]}]}',
	'2020-01-01') > 0 AS negotiated,
	aiusage.import_prices('books-resale', 'aiusage', '{"providers": [{"provider": "books-lab", "match": {"equals": "books-lab"}, "models": [
	{"model": "m", "match": {"equals": "m"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 4, "per": 1000000}]}]}]}]}',
	'2020-01-01') > 0 AS resale;
SELECT aiusage.put_key('{"key": "books-own", "team": "books-own", "price_book": "books-nego", "charge_book": "books-resale"}') > 0 AS own,
	aiusage.put_key('{"key": "books-plain", "team": "books-plain"}') > 0 AS plain;

INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, request_id)
SELECT aiusage.event_id('books-' || k || m, '2026-10-10 12:00:00+00'), k, 'books-lab', m, '{"input_tokens": 1000000}', 'books-' || k || m
FROM unnest(ARRAY['books-own', 'books-plain']) AS k, unnest(ARRAY['m', 'n', 'unheard-of']) AS m;

-- list_cost NULL: as the cost; charge NULL: no charge book, or no price in it
SELECT api_key, model, cost, list_cost, charge, cost_state FROM aiusage.usage_record
WHERE api_key LIKE 'books-%' ORDER BY api_key, model;
SELECT team, currency, cost, list_cost, requests, unpriced FROM aiusage.team_usage WHERE team LIKE 'books-%' ORDER BY team;
SELECT currency, charge_currency, sum(cost) AS cost, sum(list_cost) AS list_cost, sum(charge) AS charge
FROM aiusage.usage_daily WHERE team = 'books-own' GROUP BY 1, 2 ORDER BY 1, 2;

-- a correction is priced in all of them
SELECT aiusage.adjust(aiusage.event_id('books-books-ownm', '2026-10-10 12:00:00+00'), '{"input_tokens": 500000}', 'counted twice', 'books-1') IS NOT NULL AS adjusted;
SELECT aiusage.adjust(aiusage.event_id('books-books-plainm', '2026-10-10 12:00:00+00'), '{"input_tokens": 500000}', 'counted twice', 'books-1') IS NOT NULL AS adjusted;
SELECT api_key, kind, cost, list_cost, charge FROM aiusage.usage_record
WHERE adjusts IN (aiusage.event_id('books-books-ownm', '2026-10-10 12:00:00+00'), aiusage.event_id('books-books-plainm', '2026-10-10 12:00:00+00'))
ORDER BY api_key, kind DESC;

-- a key that has lost its books since: the row is corrected at the prices of its own time, whatever applies today
SELECT aiusage.put_key('{"key": "books-own", "team": "books-own"}') > 0 AS own;
SELECT cost_book, charge_book FROM aiusage.owner_books_at('books-own', NULL, NULL, clock_timestamp() + interval '1 second');
SELECT aiusage.adjust((SELECT id FROM aiusage.usage_record WHERE api_key = 'books-own' AND kind = 'usage' AND adjusts IS NOT NULL),
	'{"input_tokens": 250000}', 'test', 'books-2') AS corrected \gset
SELECT kind, cost, list_cost, charge FROM aiusage.usage_record WHERE id = :'corrected';

-- charged elsewhere, by a book that these books know nothing of: nobody guesses
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, cost, cost_by_unit, cost_state, charge, assignment, invoice_period)
SELECT '019baadc-0000-7000-8000-000000000001', 'books-elsewhere', 'books-lab', 'm', '{"input_tokens": 1}', '1 USD', '{"USD": {"input_tokens": 1}}', 'final', '2 EUR', NULL, 124310;
\set VERBOSITY sqlstate
SELECT aiusage.adjust('019baadc-0000-7000-8000-000000000001', '{}', 'test', 'books-2');
ROLLBACK;
