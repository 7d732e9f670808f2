-- What a gateway may do, and what it may not
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
CREATE ROLE aiusage_test_gateway;
CREATE ROLE aiusage_test_nobody;
RESET client_min_messages;
DO $$ BEGIN PERFORM aiusage.grant_access('aiusage_test_gateway', 'gateway'); END $$;
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('priv_test', 'list', 'USD');
SELECT aiusage.import_prices('priv_test', 'genai-prices', '[{"id": "privlab", "name": "Priv Lab", "api_pattern": "x", "models": [
	{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 2, "output_mtok": 10}}]}]', '2026-01-01') IS NOT NULL AS imported;
SELECT aiusage.put_key('{"key": "priv_key", "team": "priv_team", "cost_center": "priv_cc", "price_book": "priv_test"}') IS NOT NULL AS made;
\set VERBOSITY terse
\set SHOW_CONTEXT never

SET ROLE aiusage_test_gateway;
-- insert: plain, twice, by COPY, by ingest()
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (aiusage.event_id('priv-1', now()), 'priv_key', 'privlab', 'm1', '{"input_tokens": 1000000}');
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (aiusage.event_id('priv-2', '2026-03-15 10:00+00'), 'priv_key', 'privlab', 'm1', '{"input_tokens": 1000000}') ON CONFLICT DO NOTHING;
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (aiusage.event_id('priv-2', '2026-03-15 10:00+00'), 'priv_key', 'privlab', 'm1', '{"input_tokens": 1000000}') ON CONFLICT DO NOTHING;
COPY aiusage.usage_record (api_key, provider, model, usage, tags) FROM stdin;
priv_key	privlab	m1	{"input_tokens": 1000000}	{"feature": "copy"}
\.
SELECT outcome, cost, currency FROM aiusage.ingest('[{"api_key": "priv_key", "provider": "privlab", "model": "m1", "usage": {"input_tokens": 1000000}}]');
-- ids and nothing more
SELECT count(id) > 0 AS reads_ids FROM aiusage.usage_record;
SELECT cost FROM aiusage.usage_record;
SELECT * FROM aiusage.usage_record;
SELECT * FROM aiusage.usage_log;
SELECT * FROM aiusage.price;
SELECT * FROM aiusage.api_key;
SELECT * FROM aiusage.setting;
SELECT * FROM aiusage.audit_log;
SELECT * FROM aiusage.usage_record_default;
-- computed columns cannot be spoofed
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost) VALUES ('priv_key', 'privlab', 'm1', '{}', '0 USD');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, assignment) VALUES ('priv_key', 'privlab', 'm1', '{}', 1);
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, txid) VALUES ('priv_key', 'privlab', 'm1', '{}', 1);
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, kind) VALUES ('priv_key', 'privlab', 'm1', '{}', 'reversal');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost_state) VALUES ('priv_key', 'privlab', 'm1', '{}', 'final');
\copy aiusage.usage_record (api_key, provider, model, usage, recorded_at) FROM '/dev/null'
INSERT INTO aiusage.usage_record_default (api_key, provider, model, usage) VALUES ('priv_key', 'privlab', 'm1', '{}');
UPDATE aiusage.usage_record SET model = 'm2';
DELETE FROM aiusage.usage_record;
TRUNCATE aiusage.usage_record;
INSERT INTO aiusage.setting VALUES ('x', 'y', 'z');
UPDATE aiusage.setting SET value = 'off';
INSERT INTO aiusage.audit_log (session_role, role, relation, operation) VALUES ('a', 'b', 'c', 'INSERT');
-- nor the functions of others
SELECT aiusage.adjust(aiusage.uuid_v7(), '{}', 'x', 'y');
SELECT aiusage.owner_adjust(aiusage.uuid_v7(), '{}', 'x', 'y');
SELECT aiusage.owner_correct(ARRAY[aiusage.uuid_v7()], 1, '{}', NULL);
SELECT aiusage.reattribute('{"api_key": "x"}', 1, 'x', 'y');
SELECT aiusage.record_outcome(aiusage.uuid_v7(), 1);
SELECT aiusage.make_partitions();
SELECT aiusage.init();
SELECT aiusage.put_key('{"key": "mine"}');
SELECT aiusage.import_prices('list', 'aiusage', '{}');
SELECT aiusage.current_incarnation();
SELECT aiusage.owner_price_row(NULL, NULL, 'p', 'm', '{}', now(), NULL, NULL, NULL);
SELECT aiusage.explain_row(aiusage.uuid_v7());
SELECT aiusage.verify();
SELECT aiusage.refresh();

-- a hostile search_path changes nothing: same price, nothing foreign runs
RESET ROLE;
CREATE SCHEMA aiusage_test_evil AUTHORIZATION aiusage_test_gateway;
GRANT TEMPORARY ON DATABASE :DBNAME TO aiusage_test_gateway;
SET ROLE aiusage_test_gateway;
CREATE FUNCTION aiusage_test_evil.boom(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'foreign code ran as %', current_user; END $$;
CREATE OPERATOR aiusage_test_evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = aiusage_test_evil.boom);
CREATE OPERATOR aiusage_test_evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = aiusage_test_evil.boom);
CREATE FUNCTION aiusage_test_evil.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'foreign code ran as %', current_user; END $$;
CREATE FUNCTION aiusage_test_evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '1999-01-01' $$;
CREATE FUNCTION aiusage_test_evil.count(text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'foreign code ran as %', current_user; END $$;
CREATE TEMP TABLE setting (name text, value text);
CREATE TEMP TABLE pg_class (x int);
SET search_path = aiusage_test_evil, pg_temp, pg_catalog;
-- a new session's caches are cold; here they are made cold
SET aiusage.price_cache_entries = 16;
SELECT outcome, cost FROM aiusage.ingest('[{"api_key": "priv_key", "provider": "privlab", "model": "m1", "usage": {"input_tokens": 1000000}}, {"api_key": "priv_cold", "provider": "privcold", "model": "m1", "usage": {"input_tokens": 1}}]');
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (aiusage.event_id('priv-3', '2026-03-15 10:00+00'), 'priv_key', 'privlab', 'm1', '{"input_tokens": 1000000}');
RESET search_path;
RESET ROLE;
SELECT cost FROM aiusage.usage_log WHERE id = aiusage.event_id('priv-3', '2026-03-15 10:00+00');

-- without a grant: nothing
SET ROLE aiusage_test_nobody;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('priv_key', 'privlab', 'm1', '{}');
SELECT aiusage.uuid_v7();
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA aiusage_test_evil CASCADE;
DO $$ BEGIN PERFORM aiusage.revoke_access('aiusage_test_gateway', 'gateway'); END $$;
DROP OWNED BY aiusage_test_gateway, aiusage_test_nobody;
DROP ROLE aiusage_test_gateway, aiusage_test_nobody;
