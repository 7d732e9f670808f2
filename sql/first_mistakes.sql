-- The ten likeliest mistakes of a first hour: each says what it is, and what to do.
-- Not preloaded and an old library need a server of their own (t/046_first_mistakes.pl),
-- pg_cron in another database needs pg_cron (t/050_cron.pl).
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\set home :DBNAME

-- 1. init() was not run: a database with the code and no books; what follows is in it, too, so that no other test sees it
CREATE DATABASE aiusage_first_mistakes;
\c aiusage_first_mistakes
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
CREATE FUNCTION pg_temp.say(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	d text; h text;
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN format(E'%s %s\n  DETAIL %s\n  HINT %s', SQLSTATE, SQLERRM, d, h);
END $$;
SELECT command, pg_temp.say(command) FROM unnest(ARRAY[
	$$SELECT aiusage.put_key('{"key": "support-bot"}')$$,
	$$SELECT aiusage.key_record('support-bot')$$,
	$$SELECT aiusage.put_team('support')$$,
	$$SELECT aiusage.put_cost_center('cc-300', calendar => 'global')$$,
	$$SELECT aiusage.put_customer('acme')$$,
	$$SELECT aiusage.import_prices('list', 'genai-prices', '[]', '2020-01-01')$$,
	$$SELECT aiusage.draft_prices('list', '2020-01-01')$$,
	$$SELECT aiusage.put_quota('{}')$$,
	$$SELECT aiusage.grant_access(current_user::regrole, 'analyst')$$,
	$$SELECT aiusage.set_billing_calendar('global', 'Europe/Berlin')$$,
	$$SELECT aiusage.put_fx_rate('USD', 'EUR', 0.9, '2026-01-01', 'ECB')$$,
	$$SELECT aiusage.stop_team('support', 'runaway agent')$$,
	$$SELECT aiusage.price_usage('openai', 'gpt-4o', '{"input_tokens": 1}', now())$$,
	$$SELECT aiusage.admit('support-bot', 'openai', 'gpt-4o', '{"input_tokens": 1}')$$,
	$$SELECT * FROM aiusage.ingest('[{"api_key": "k", "provider": "p", "model": "m", "usage": {}}]')$$,
	$$SELECT aiusage.refresh()$$,
	$$SELECT * FROM aiusage.verify()$$]) AS command;
-- what names a table is PostgreSQL's to refuse: 42P01, on the page of errors; the doctor says the rest
SELECT pg_temp.say($$INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('k', 'p', 'm', '{}')$$);
SELECT check_name, severity, value, action FROM aiusage.status() WHERE check_name = 'books';
CALL aiusage.maintain();

DO $$ BEGIN PERFORM aiusage.init(); END $$;
SET timezone = 'UTC';
-- a row as somebody's first gateway sends it, but for what is said
CREATE FUNCTION pg_temp.book(mistake jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.say(format('INSERT INTO aiusage.usage_record (%s) VALUES (%s)', string_agg(quote_ident(key), ', '), string_agg(quote_literal(value), ', ')))
	FROM jsonb_each_text('{"api_key": "fm-bot", "provider": "fm-lab", "model": "fm-1", "usage": "{\"input_tokens\": 1000000}"}' || mistake)
$$;
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('fm', 'list', 'USD');
SELECT aiusage.import_prices('fm', 'genai-prices', '[{"id": "fm-lab", "name": "Lab", "api_pattern": "x", "models": [
	{"id": "fm-1", "match": {"equals": "fm-1"}, "prices": {"input_mtok": 2}}]}]', '2000-01-01') IS NOT NULL AS imported;
SELECT aiusage.put_key('{"key": "fm-bot", "team": "fm-team", "cost_center": "fm-cc", "price_book": "fm"}') IS NOT NULL AS made;

-- 2. no partition for that time: booked all the same, and the doctor says what to do
SELECT pg_temp.book(jsonb_build_object('id', aiusage.event_id('fm-old', '2003-05-05 12:00Z')));
SELECT tableoid::regclass AS lies_in, occurred_at, cost FROM aiusage.usage_record WHERE id = aiusage.event_id('fm-old', '2003-05-05 12:00Z');
SELECT severity, meaning, action ~ '^SELECT \* FROM aiusage.make_partitions\(''\d' AS says_which FROM aiusage.status() WHERE check_name = 'default partition';
SELECT action FROM aiusage.make_partitions('2003-05-01', '2003-06-01');
SELECT tableoid::regclass AS lies_in, cost FROM aiusage.usage_record WHERE id = aiusage.event_id('fm-old', '2003-05-05 12:00Z');

-- 3. an id that is no UUIDv7
SELECT pg_temp.book('{"id": "7f0b2a54-6a1c-4d33-9d5e-0d8d1c9b6f3e"}');
SELECT pg_temp.book('{"id": "chatcmpl-123"}');

-- 4. a key that nobody has entered: booked as unmatched; refused where the books are strict
SELECT pg_temp.book('{"api_key": "fm-nobody"}');
SELECT unmatched, team, cost_center FROM aiusage.usage_log WHERE api_key = 'fm-nobody';
UPDATE aiusage.setting SET value = 'on' WHERE name = 'strict_keys';
SELECT pg_temp.book('{"api_key": "fm-nobody"}');
UPDATE aiusage.setting SET value = 'off' WHERE name = 'strict_keys';

-- 5. no price: booked as unpriced, with the reason; refused where the key or the books are strict
SELECT pg_temp.book('{"model": "fm-2"}');
SELECT cost, cost_state, unpriced_reason FROM aiusage.usage_log WHERE model = 'fm-2';
UPDATE aiusage.setting SET value = 'on' WHERE name = 'strict_prices';
SELECT pg_temp.book('{"model": "fm-2"}');
UPDATE aiusage.setting SET value = 'off' WHERE name = 'strict_prices';

-- 6. no privilege: PostgreSQL's 42501, on the page of errors; and functions that know better
CREATE ROLE fm_gateway;
SET ROLE fm_gateway;
SELECT pg_temp.say($$INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('fm-bot', 'fm-lab', 'fm-1', '{}')$$);
SELECT pg_temp.say($$SELECT * FROM aiusage.team_usage$$);
RESET ROLE;
SELECT aiusage.grant_access('fm_gateway', 'gateway');
SET ROLE fm_gateway;
SELECT pg_temp.say($$INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('fm-bot', 'fm-lab', 'fm-1', '{}')$$);
SELECT pg_temp.say($$INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost) VALUES ('fm-bot', 'fm-lab', 'fm-1', '{}', '0 USD')$$);
RESET ROLE;
SELECT pg_temp.say($$SELECT aiusage.grant_access('fm_gateway', 'analist')$$);

-- 7. the wrong currency: of a book, of a catalogue, of a sum; of a limit
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('fm-eur', 'list', 'EUR');
SELECT pg_temp.say($$INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('fm-euro', 'list', 'euro')$$);
SELECT pg_temp.say($$SELECT aiusage.import_prices('fm-eur', 'genai-prices', '[]', '2020-01-01')$$);
SELECT pg_temp.say($$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage.+) '1 EUR'::aiusage.amount$$);
SELECT aiusage.put_quota('{"name": "fm in euro", "scope": {"team": "fm-team"}, "metric": "spend", "currency": "EUR", "limit": 5, "window": "day"}') IS NOT NULL AS made;
SELECT pg_temp.book('{}');
SELECT aiusage.retire_quota('fm in euro');

-- 8. pg_cron is not there
SELECT pg_temp.say($$SELECT aiusage.schedule()$$);

-- and one that is none of the ten: sum() of an amount without the schema on search_path
SELECT split_part(pg_temp.say($$SELECT sum(cost) FROM aiusage.usage_record$$), E'\n', 1);

\c :home
DROP DATABASE aiusage_first_mistakes;
DROP ROLE fm_gateway;
