-- Which book applies: key before customer before team before the default, each from a time to a time.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) >= 0 AS books FROM aiusage.init();
SET timezone = 'UTC';
SET datestyle = 'ISO';
BEGIN;		-- other tests know nothing of these books

-- book choice-N prices a request at N; the default book at 1
CREATE FUNCTION pg_temp.priced_at(dollars numeric, unit text DEFAULT 'requests') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('providers', jsonb_build_array(jsonb_build_object('provider', 'choice-lab', 'models', jsonb_build_array(
		jsonb_build_object('model', 'm', 'rules', jsonb_build_array(jsonb_build_object('prices', jsonb_build_array(
			jsonb_build_object('unit', unit, 'rate', dollars)))))))))
$$;
INSERT INTO aiusage.price_book (book, kind, currency)
SELECT 'choice-' || n, CASE WHEN n < 10 THEN 'cost' ELSE 'charge' END, CASE WHEN n < 20 THEN 'USD' ELSE 'EUR' END FROM unnest(ARRAY[1, 2, 3, 4, 5, 12, 13, 14, 15, 25]) AS n;
SELECT count(aiusage.import_prices('choice-' || n, 'aiusage', pg_temp.priced_at(n), '-infinity')) AS books
FROM unnest(ARRAY[1, 2, 3, 4, 5, 12, 13, 14, 15, 25]) AS n;
UPDATE aiusage.setting SET value = 'choice-1' WHERE name = 'default_book';
SELECT count(aiusage.put_customer(c)) AS customers FROM unnest(ARRAY['choice-acme', 'choice-corp', 'choice-none']) AS c;
SELECT count(aiusage.put_key(k)) AS keys FROM unnest(ARRAY['{"key": "choice-plain"}', '{"key": "choice-team", "team": "choice-t"}',
	'{"key": "choice-customer", "team": "choice-t", "customer": "choice-acme"}',
	'{"key": "choice-own", "team": "choice-t", "customer": "choice-acme", "price_book": "choice-2", "charge_book": "choice-12"}']::jsonb[]) AS k;

-- from 2026: the team costs 4, the customers 3; in February the team 5; charges of the team from April
SELECT aiusage.assign_book('team', 'choice-t', 'choice-4', valid_from => '2026-01-01', force => true) > 0 AS team,
	aiusage.assign_book('customer', 'choice-acme', 'choice-3', valid_from => '2026-01-01', note => 'contract 7', force => true) > 0 AS acme,
	aiusage.assign_book('customer', 'choice-corp', 'choice-3', valid_from => '2026-01-01', force => true) > 0 AS corp,
	aiusage.assign_book('team', 'choice-t', 'choice-5', valid_from => '2026-02-01', valid_to => '2026-03-01', force => true) > 0 AS february,
	aiusage.assign_book('team', 'choice-t', 'choice-14', 'charge', '2026-04-01', force => true) > 0 AS charge,
	aiusage.assign_book('customer', 'choice-acme', 'choice-25', 'charge', '2026-04-01', force => true) > 0 AS customer_charge;
SELECT scope, subject, purpose, book, valid_from, valid_to, note FROM aiusage.price_book_assignment
WHERE subject LIKE 'choice-%' AND (valid_to IS NULL OR valid_from < valid_to) ORDER BY scope, subject, purpose, valid_from;

INSERT INTO aiusage.usage_record (id, api_key, customer, provider, model, usage, request_id)
SELECT aiusage.event_id(concat_ws(' ', k, c, at), at), k, c, 'choice-lab', 'm', '{}', 'choice'
FROM unnest(ARRAY['choice-nobody', 'choice-plain', 'choice-team', 'choice-customer', 'choice-own']) AS k,
	unnest(ARRAY[NULL, 'choice-corp', 'choice-unknown']) AS c,
	unnest(ARRAY['2025-12-31 23:59:59.999Z', '2026-01-01Z', '2026-02-28 23:59:59.999Z', '2026-03-01Z', '2026-04-01Z']::timestamptz[]) AS at;
SELECT api_key, customer, string_agg(cost::numeric::text, ' ' ORDER BY occurred_at) AS cost,
	string_agg(coalesce(list_cost::numeric::text, '-'), ' ' ORDER BY occurred_at) AS list,
	string_agg(coalesce(charge::text, '-'), ' ' ORDER BY occurred_at) AS charge
FROM aiusage.usage_record WHERE request_id = 'choice' GROUP BY 1, 2 ORDER BY 1, 2 NULLS FIRST;
-- what the functions say is what was booked
SELECT count(*) AS rows, count(*) FILTER (WHERE b.cost_book IS NULL) AS default_book,
	count(*) FILTER (WHERE 'choice-' || trunc(u.cost::numeric) = coalesce(b.cost_book, 'choice-1')
		AND ('choice-' || trunc(u.charge::numeric)) IS NOT DISTINCT FROM b.charge_book) AS as_booked,
	count(*) FILTER (WHERE (e.price_book, e.charge_book) IS NOT DISTINCT FROM (b.cost_book, b.charge_book)) AS as_explained
FROM aiusage.usage_record AS u, aiusage.owner_books_at(u.api_key, u.assignment, u.customer, u.occurred_at) AS b,
	aiusage.explain_owner(u.api_key, u.occurred_at, customer => u.customer) AS e
WHERE u.request_id = 'choice';

-- assigning over what is assigned: cut, replaced, gone on with
CREATE FUNCTION pg_temp.history() RETURNS TABLE (book text, begins date, ends date) LANGUAGE sql AS $$
	SELECT a.book, a.valid_from::date, a.valid_to::date FROM aiusage.price_book_assignment AS a
	WHERE a.subject = 'choice-none' AND (a.valid_to IS NULL OR a.valid_from < a.valid_to) ORDER BY a.valid_from $$;
SELECT aiusage.assign_book('customer', 'choice-none', 'choice-2', valid_from => '2999-01-01') AS n \gset
SELECT aiusage.assign_book('customer', 'choice-none', 'choice-2', valid_from => '2999-01-01') = :n AS the_same,
	aiusage.assign_book('customer', 'choice-none', 'choice-2', valid_from => '2999-03-01', valid_to => '2999-05-01') = :n AS and_within;
SELECT aiusage.assign_book('customer', 'choice-none', 'choice-3', valid_from => '2999-03-01', valid_to => '2999-05-01') > :n AS more;
SELECT * FROM pg_temp.history();
-- without an end: until the next one that is known
SELECT aiusage.assign_book('customer', 'choice-none', 'choice-4', valid_from => '2999-04-01') > :n AS more;
SELECT * FROM pg_temp.history();
-- over several, beyond the last
SELECT aiusage.assign_book('customer', 'choice-none', 'choice-5', valid_from => '2999-02-01', valid_to => '3001-01-01') > :n AS more;
SELECT * FROM pg_temp.history();
-- taken away in the middle, from the beginning, altogether
SELECT aiusage.assign_book('customer', 'choice-none', NULL, valid_from => '2999-06-01', valid_to => '2999-07-01') AS none;
SELECT * FROM pg_temp.history();
SELECT aiusage.assign_book('customer', 'choice-none', NULL, valid_from => '2998-01-01', valid_to => 'infinity') AS none;
SELECT aiusage.assign_book('customer', 'choice-none', NULL, valid_from => '2999-01-01', valid_to => '4000-01-01') AS none;
SELECT * FROM pg_temp.history();
SELECT aiusage.assign_book('customer', 'choice-none', NULL) AS nothing_there;
SELECT operation, count(*) FROM aiusage.audit_log
WHERE relation = 'price_book_assignment' AND new ->> 'customer' = 'choice-none' GROUP BY 1 ORDER BY 1;

-- a change counts for the next row of this transaction, and is forgotten with its savepoint
SELECT aiusage.owner_books_at('choice-team', NULL, 'choice-none', '2026-05-01');
SAVEPOINT s;
SELECT aiusage.assign_book('customer', 'choice-none', 'choice-2', valid_from => '2026-05-01', force => true) > 0 AS assigned;
SELECT aiusage.owner_books_at('choice-team', NULL, 'choice-none', '2026-05-01');
ROLLBACK TO s;
SELECT aiusage.owner_books_at('choice-team', NULL, 'choice-none', '2026-05-01');

-- many customers with books: read one by one, right as ever
SELECT count(aiusage.put_customer('choice-c' || i)) FROM generate_series(1, 1100) AS i;
INSERT INTO aiusage.price_book_assignment (customer, purpose, book, valid_from)
SELECT 'choice-c' || i, 'cost', 'choice-' || 2 + i % 4, '-infinity' FROM generate_series(1, 1100) AS i;
SET LOCAL aiusage.key_cache_entries = 64;
SELECT count(*) AS right_ones FROM generate_series(1, 1200) AS i, aiusage.owner_books_at('choice-plain', NULL, 'choice-c' || i, '2026-05-01') AS b
WHERE b.cost_book IS NOT DISTINCT FROM CASE WHEN i <= 1100 THEN 'choice-' || 2 + i % 4 END;
SELECT cost_book, charge_book FROM aiusage.owner_books_at('choice-team', (SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'choice-team'), 'choice-c1200', '2026-05-01');

-- corrections: by the books of the row's time, however often corrected
SELECT aiusage.assign_book('team', 'choice-t', NULL, valid_from => '2025-06-01', valid_to => '3000-01-01', purpose => 'charge', force => true) AS no_charge;
SELECT aiusage.assign_book('team', 'choice-t', 'choice-15', 'charge', '2026-04-01', '2026-05-01', force => true) > 0 AS charge;
CREATE FUNCTION pg_temp.newest() RETURNS uuid LANGUAGE sql AS $$
	WITH RECURSIVE c AS (SELECT aiusage.event_id('choice-team 2026-04-01 00:00:00+00', '2026-04-01Z') AS id
		UNION ALL SELECT r.id FROM c JOIN aiusage.usage_record AS r ON r.adjusts = c.id AND r.kind = 'usage')
	SELECT u.id FROM c JOIN aiusage.usage_record AS u ON u.id = c.id
	WHERE NOT EXISTS (SELECT FROM aiusage.usage_record AS r WHERE r.adjusts = u.id AND r.kind = 'usage') $$;
SELECT aiusage.adjust(pg_temp.newest(), '{"requests": 2}', 'test', NULL) IS NOT NULL AS adjusted;
SELECT aiusage.close_period((SELECT invoice_period FROM aiusage.usage_record WHERE id = pg_temp.newest()), 'test', true) > 0 AS closed;
SELECT aiusage.adjust(pg_temp.newest(), '{"requests": 3}', 'test', NULL) IS NOT NULL AS adjusted;
SELECT aiusage.adjust(pg_temp.newest(), '{"requests": 4}', 'test', NULL) IS NOT NULL AS adjusted;
SELECT kind, cost, list_cost, charge, occurred_at < '2026-05-01' AS of_its_time FROM aiusage.usage_record
WHERE api_key = 'choice-team' AND customer IS NULL AND (occurred_at = '2026-04-01Z' OR occurred_at > '2026-05-01') ORDER BY usage, kind DESC;

-- moved to a team that is charged otherwise: the cost stays, the charge is theirs
SELECT aiusage.put_key('{"key": "choice-other", "team": "choice-u"}') AS other \gset
SELECT aiusage.assign_book('team', 'choice-u', 'choice-13', 'charge', '2026-01-01', force => true) > 0 AS charge;
SELECT booked FROM aiusage.reattribute('{"api_key": "choice-team", "from": "2026-04-01", "to": "2026-04-02"}', :other, 'test', NULL, false);
SELECT customer, kind, cost, charge FROM aiusage.usage_record
WHERE api_key = 'choice-team' AND adjusts IS NOT NULL AND customer IS NOT NULL ORDER BY customer, kind DESC;

-- what is refused
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT pg_temp.try(s) FROM unnest(ARRAY[
	$$SELECT aiusage.assign_book('cost_center', 'x', 'list')$$,
	$$SELECT aiusage.assign_book('team', 'choice-t', 'list', 'tax')$$,
	$$SELECT aiusage.assign_book('team', 'choice-missing', 'list')$$,
	$$SELECT aiusage.assign_book('team', NULL, 'list')$$,
	$$SELECT aiusage.assign_book('team', 'choice-t', 'choice-missing')$$,
	$$SELECT aiusage.assign_book('team', 'choice-t', 'choice-12')$$,
	$$SELECT aiusage.assign_book('team', 'choice-t', 'list', valid_from => '2026-01-01')$$,
	$$SELECT aiusage.assign_book('team', 'choice-t', 'list', valid_from => '2999-01-02', valid_to => '2999-01-01')$$,
	$$SELECT aiusage.assign_book('team', 'choice-t', 'list', valid_from => 'infinity')$$,
	$$SELECT aiusage.assign_book('team', 'choice-t', 'list', valid_from => '2999-01-01', note => 'sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD')$$,
	$$DELETE FROM aiusage.price_book_assignment$$,
	$$TRUNCATE aiusage.price_book_assignment$$,
	$$UPDATE aiusage.price_book_assignment SET book = 'list' WHERE subject = 'choice-u'$$,
	$$UPDATE aiusage.price_book_assignment SET valid_to = NULL WHERE subject = 'choice-t' AND valid_to = '2026-02-01'$$,
	$$INSERT INTO aiusage.price_book_assignment (team, purpose, book, valid_from) VALUES ('choice-t', 'cost', 'list', '2999-01-01')$$,
	$$INSERT INTO aiusage.price_book_assignment (team, customer, purpose, book, valid_from) VALUES ('choice-t', 'choice-acme', 'cost', 'list', '2999-01-01')$$
	]) AS s;
ROLLBACK;
