--
-- Access: what each kind of role may do and see, and that nothing a session
-- can set changes that
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();
RESET client_min_messages;
\set SHOW_CONTEXT never
CREATE ROLE config_gateway;
CREATE ROLE config_analyst;
CREATE ROLE config_admin;
CREATE ROLE config_approver;
CREATE ROLE config_member;
CREATE ROLE config_customer;
CREATE ROLE config_stranger;
CREATE ROLE config_inherits IN ROLE config_member;
CREATE ROLE config_sets NOINHERIT IN ROLE config_member;
SELECT aiusage.put_team('config-ta') IS NOT NULL AND aiusage.put_team('config-tb') IS NOT NULL
	AND aiusage.put_cost_center('config-cca') IS NOT NULL AND aiusage.put_customer('config-cua') IS NOT NULL AS entities;

-- What is refused
SELECT aiusage.grant_access('config_nobody', 'analyst');
\echo :SQLSTATE
SELECT aiusage.grant_access(0, 'analyst');
\echo :SQLSTATE
SELECT aiusage.grant_access(NULL, 'analyst');
\echo :SQLSTATE
\set VERBOSITY sqlstate
SELECT aiusage.grant_access(current_user::regrole, 'analyst');
\echo :SQLSTATE
\set VERBOSITY default
SELECT aiusage.grant_access('config_analyst', 'reader');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_analyst', NULL);
\echo :SQLSTATE
SELECT aiusage.grant_access('config_analyst', 'analyst', '[]');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_analyst', 'analyst', '{}');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_analyst', 'analyst', '{"teams": []}');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_analyst', 'analyst', '{"teams": "config-ta"}');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_analyst', 'analyst', '{"teams": [1]}');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_analyst', 'analyst', '{"team": ["config-ta"]}');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_analyst', 'analyst', '{"teams": ["config-none"]}');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_analyst', 'analyst', '{"cost_centers": ["config-none"]}');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_analyst', 'analyst', '{"customers": ["config-none"]}');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_gateway', 'gateway', '{"teams": ["config-ta"]}');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_admin', 'admin', '{"teams": ["config-ta"]}');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_member', 'member');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_customer', 'customer');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_customer', 'customer', '{"teams": ["config-ta"]}');
\echo :SQLSTATE
SELECT aiusage.grant_access('config_customer', 'customer', '{"teams": ["config-ta"], "customers": ["config-cua"]}');
\echo :SQLSTATE
SELECT count(*) AS granted FROM aiusage.access_grant WHERE role LIKE 'config%';

-- Granting, once and again
SELECT aiusage.grant_access('config_gateway', 'gateway') AS granted, aiusage.grant_access('config_gateway', 'gateway') AS again;
SELECT aiusage.grant_access('config_analyst', 'analyst') AS granted;
SELECT aiusage.grant_access('config_admin', 'admin') AS granted;
SELECT aiusage.grant_access('config_approver', 'approver', '{"cost_centers": ["config-cca"]}') AS granted;
SELECT aiusage.grant_access('config_member', 'member', '{"teams": ["config-tb", "config-ta", "config-ta"]}') AS granted,
	aiusage.grant_access('config_member', 'member', '{"teams": ["config-ta", "config-tb"]}') AS again;
SELECT aiusage.grant_access('config_customer', 'customer', '{"customers": ["config-cua"]}') AS granted;
SELECT role, kind, teams, cost_centers, customers, granted_by = current_user AS by_me
FROM aiusage.access_grant WHERE role LIKE 'config%' ORDER BY role;
SELECT relation, operation, new ->> 'role' AS role, new ->> 'kind' AS kind, role = session_user AS by_me
FROM aiusage.audit_log WHERE relation = 'access_grant' AND new ->> 'role' LIKE 'config%' ORDER BY entry;

-- The matrix: what each role may do to relations and functions.  Only what
-- this area knows of; other areas have matrices of their own.
CREATE TEMP VIEW may AS
SELECT r.rolname AS role, c.relname AS relation, string_agg(p.privilege, ' ' ORDER BY p.n) AS privileges
FROM pg_roles AS r, pg_class AS c,
	(VALUES (1, 'SELECT'), (2, 'INSERT'), (3, 'UPDATE'), (4, 'DELETE'), (5, 'TRUNCATE'), (6, 'REFERENCES'), (7, 'TRIGGER')) AS p (n, privilege)
WHERE r.rolname LIKE 'config\_%' AND c.relnamespace = 'aiusage'::regnamespace AND c.relkind IN ('r', 'p', 'v')
	AND has_table_privilege(r.oid, c.oid, p.privilege)
GROUP BY 1, 2;
SELECT role, privileges, string_agg(relation, ' ' ORDER BY relation) AS relations
FROM may
WHERE relation IN ('team', 'cost_center', 'customer', 'api_key', 'key_assignment', 'key_credential', 'billing_calendar',
	'invoice_period', 'access_grant', 'audit_log', 'setting', 'books', 'storage_step', 'usage_record')
GROUP BY 1, 2 ORDER BY 1, 2;
-- Of the ledger a gateway may insert its columns and see the id.
SELECT string_agg(a.attname, ' ' ORDER BY a.attnum) FILTER (WHERE has_column_privilege('config_gateway', a.attrelid, a.attnum, 'INSERT')) AS inserts,
	string_agg(a.attname, ' ' ORDER BY a.attnum) FILTER (WHERE has_column_privilege('config_gateway', a.attrelid, a.attnum, 'SELECT')) AS reads,
	string_agg(a.attname, ' ' ORDER BY a.attnum) FILTER (WHERE has_column_privilege('config_gateway', a.attrelid, a.attnum, 'UPDATE')) AS changes
FROM pg_attribute AS a WHERE a.attrelid = 'aiusage.usage_record'::regclass AND a.attnum > 0;
-- Functions that are not for everybody, by who may call them.  None of the
-- owner's bodies is callable by anybody.
SELECT p.proname AS function, string_agg(DISTINCT substr(r.role, 8), ' ' ORDER BY substr(r.role, 8)) AS roles
FROM unnest(ARRAY['config_gateway', 'config_analyst', 'config_approver', 'config_member', 'config_customer', 'config_stranger']) AS r (role),
	pg_proc AS p
WHERE p.pronamespace = 'aiusage'::regnamespace AND p.prokind IN ('f', 'p') AND p.provolatile <> 'i'
	AND (p.proname ~ '^(owner_|put_|grant_|revoke_|visible_|sees_|period_)'
		OR p.proname IN ('key_record', 'explain_owner', 'rotate_key', 'cancel_move', 'enable_key', 'disable_key', 'set_billing_calendar',
			'close_period', 'ensure_period', 'billed_period', 'ingest'))
	AND has_function_privilege(r.role, p.oid, 'EXECUTE')
GROUP BY 1 ORDER BY 1;
SELECT string_agg(DISTINCT p.proname, ' ') AS owners_functions_open_to_admin
FROM pg_proc AS p WHERE p.pronamespace = 'aiusage'::regnamespace AND p.proname LIKE 'owner\_%' AND has_function_privilege('config_admin', p.oid, 'EXECUTE');
SELECT bool_and(has_function_privilege('config_admin', p.oid, 'EXECUTE')) AS admin_may_configure
FROM pg_proc AS p WHERE p.pronamespace = 'aiusage'::regnamespace
	AND p.proname IN ('put_key', 'put_team', 'put_cost_center', 'put_customer', 'rotate_key', 'cancel_move', 'disable_key', 'enable_key', 'key_record',
		'set_billing_calendar', 'close_period', 'ensure_period', 'grant_access', 'revoke_access', 'explain_owner');

-- What each role sees
CREATE FUNCTION pg_temp.sees() RETURNS TABLE (role name, everything boolean, teams text[], cost_centers text[], customers text[], charges text[])
LANGUAGE sql AS $$
	SELECT current_user, aiusage.sees_everything(), aiusage.visible_teams(), aiusage.visible_cost_centers(), aiusage.visible_customers(),
		aiusage.visible_customer_charges()
$$;
SELECT pg_my_temp_schema()::regnamespace AS temp \gset
GRANT USAGE ON SCHEMA :temp TO PUBLIC;
SELECT everything FROM pg_temp.sees();
SET ROLE config_analyst; SELECT * FROM pg_temp.sees(); RESET ROLE;
SET ROLE config_admin; SELECT * FROM pg_temp.sees(); RESET ROLE;
SET ROLE config_approver; SELECT * FROM pg_temp.sees(); RESET ROLE;
SET ROLE config_member; SELECT * FROM pg_temp.sees(); RESET ROLE;
SET ROLE config_customer; SELECT * FROM pg_temp.sees(); RESET ROLE;
SET ROLE config_inherits; SELECT * FROM pg_temp.sees(); RESET ROLE;
SET ROLE config_sets; SELECT aiusage.sees_everything();
\echo :SQLSTATE
SET ROLE config_member; SELECT * FROM pg_temp.sees(); RESET ROLE;
SET ROLE config_gateway; SELECT * FROM pg_temp.sees(); RESET ROLE;
-- A view as the views for people are made: owned by the books' owner, filtered by the reader
CREATE VIEW aiusage.config_probe WITH (security_barrier) AS
	SELECT t.team FROM aiusage.team AS t
	WHERE t.team IN ('config-ta', 'config-tb') AND ((SELECT aiusage.sees_everything()) OR t.team = ANY ((SELECT aiusage.visible_teams())::text[]));
GRANT SELECT ON aiusage.config_probe TO config_analyst, config_member, config_approver, config_stranger;
SET ROLE config_analyst; SELECT count(*) FROM aiusage.config_probe; RESET ROLE;
SET ROLE config_member; SELECT * FROM aiusage.config_probe ORDER BY 1; RESET ROLE;
SET ROLE config_approver; SELECT * FROM aiusage.config_probe; RESET ROLE;
SET ROLE config_stranger; SELECT * FROM aiusage.config_probe; RESET ROLE;
-- in a parallel plan, too
SET ROLE config_member;
SELECT count(set_config(name, 'on', false)) AS set FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT count(*) FROM aiusage.config_probe;
SELECT aiusage.period_label(aiusage.period_of(1, '2024-03-01'));
SELECT count(set_config(name, 'off', false)) AS reset FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
-- A function that leaks what it is shown is shown nothing.
CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'leaked %', $1; RETURN true; END $$;
SELECT * FROM aiusage.config_probe WHERE pg_temp.leak(team) ORDER BY 1;
-- Nothing that can be set widens it.
SELECT set_config('aiusage.role', 'config_admin', false), set_config('aiusage.sees_everything', 'on', false);
\echo :SQLSTATE
SET search_path = pg_temp, aiusage, pg_catalog;
CREATE TEMP TABLE access_grant (role name, kind text, teams text[], cost_centers text[], customers text[]);
INSERT INTO access_grant VALUES ('config_member', 'admin', NULL, NULL, NULL);
SELECT * FROM pg_temp.sees();
RESET search_path;
INSERT INTO aiusage.access_grant VALUES ('config_member', 'admin', NULL, NULL, NULL, 'me');
\echo :SQLSTATE
SELECT * FROM aiusage.access_grant;
\echo :SQLSTATE
SELECT aiusage.grant_access('config_member', 'admin');
\echo :SQLSTATE
SELECT aiusage.owner_grant_access('config_member', 'admin', NULL);
\echo :SQLSTATE
SELECT aiusage.owner_apply_access();
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-mine", "team": "config-ta"}');
\echo :SQLSTATE
SELECT aiusage.disable_key('config-mine');
\echo :SQLSTATE
SELECT aiusage.close_period(1, 'mine');
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('mine', 'UTC');
\echo :SQLSTATE
SELECT aiusage.key_record('config-mine');
\echo :SQLSTATE
RESET ROLE;

-- A gateway: its columns and nothing else
SELECT aiusage.put_key('{"key": "config-gw", "team": "config-ta", "cost_center": "config-cca"}') IS NOT NULL AS assigned;
SET ROLE config_gateway;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('config-gw', 'config-p', 'config-m', '{"input_tokens": 1}')
	RETURNING id IS NOT NULL AS booked;
SELECT aiusage.uuid_v7() AS id \gset
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (:'id', 'config-gw', 'config-p', 'config-m', '{"input_tokens": 1}');
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (:'id', 'config-gw', 'config-p', 'config-m', '{"input_tokens": 1}')
	ON CONFLICT DO NOTHING RETURNING id;
SELECT count(*) FROM aiusage.usage_record WHERE id = :'id';
SELECT ord, outcome FROM aiusage.ingest('[{"api_key": "config-gw", "provider": "config-p", "model": "config-m", "usage": {"input_tokens": 1}}]');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost) VALUES ('config-gw', 'config-p', 'config-m', '{"input_tokens": 1}', '0 USD');
\echo :SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, assignment) VALUES ('config-gw', 'config-p', 'config-m', '{"input_tokens": 1}', 1);
\echo :SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('config-gw', 'config-p', 'config-m', '{"input_tokens": 1}') RETURNING assignment;
\echo :SQLSTATE
SELECT api_key FROM aiusage.usage_record;
\echo :SQLSTATE
UPDATE aiusage.usage_record SET model = 'x' WHERE id = :'id';
\echo :SQLSTATE
DELETE FROM aiusage.usage_record WHERE id = :'id';
\echo :SQLSTATE
SELECT * FROM aiusage.api_key;
\echo :SQLSTATE
SELECT aiusage.key_record('config-gw');
\echo :SQLSTATE
SELECT aiusage.explain_owner('config-gw');
\echo :SQLSTATE
RESET ROLE;
-- Its rows were attributed all the same.
SELECT count(*) AS rows, count(DISTINCT u.assignment) AS assignments, min(a.team) AS team
FROM aiusage.usage_record AS u JOIN aiusage.key_assignment AS a USING (assignment)
WHERE u.api_key = 'config-gw' AND u.recorded_at > now() - interval '1 hour';

-- An admin configures, and the audit log says who it was.
SET ROLE config_admin;
SELECT aiusage.put_key('{"key": "config-adm", "team": "config-tc", "customer": "config-cub"}') IS NOT NULL AS assigned;
SELECT aiusage.rotate_key('config-adm', 'c1', '1 day') IS NULL AS rotated, aiusage.disable_key('config-adm', 'why') AS disabled;
SELECT aiusage.key_record('config-adm') ->> 'team' AS team, (aiusage.explain_owner('config-adm')).status;
SELECT aiusage.set_billing_calendar('config-access', 'Europe/Paris') > 1 AS calendar;
SELECT calendar AS cal FROM aiusage.billing_calendar WHERE name = 'config-access' \gset
SELECT aiusage.close_period(aiusage.period_of(:cal, '2001-02-03'), 'long over') - :cal * 100000 AS next;
SELECT closed_by, reason, label FROM aiusage.invoice_period WHERE calendar = :cal;
SELECT aiusage.grant_access('config_stranger', 'member', '{"teams": ["config-tc"]}') AS granted;
SELECT granted_by FROM aiusage.access_grant WHERE role = 'config_stranger';
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('config-adm', 'cost', 'USD');
SELECT aiusage.import_prices('config-adm', 'genai-prices', '[{"id": "config-lab", "name": "Config Lab", "api_pattern": "x", "models":
	[{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 2}}]}]', '2020-01-01') IS NOT NULL AS imported;
SELECT aiusage.price_usage('config-lab', 'm1', '{"input_tokens": 1000000}', '2026-01-01', book => 'config-adm')::text AS price;
-- but not what only the functions may do
UPDATE aiusage.invoice_period SET status = 'open' WHERE calendar = :cal;
\echo :SQLSTATE
UPDATE aiusage.billing_calendar SET time_zone = 'UTC' WHERE calendar = :cal;
\echo :SQLSTATE
INSERT INTO aiusage.access_grant VALUES ('config_admin', 'analyst', NULL, NULL, NULL, 'me');
\echo :SQLSTATE
DELETE FROM aiusage.audit_log;
\echo :SQLSTATE
DELETE FROM aiusage.key_assignment WHERE api_key = 'config-adm';
\echo :SQLSTATE
UPDATE aiusage.key_assignment SET team = 'config-ta' WHERE api_key = 'config-adm';
\echo :SQLSTATE
SELECT aiusage.owner_close_period(1, 'x', false);
\echo :SQLSTATE
RESET ROLE;
SELECT relation, operation, role, session_role = session_user AS of_my_session FROM aiusage.audit_log
WHERE role = 'config_admin' AND relation NOT LIKE 'price%' ORDER BY entry;

-- A scope is replaced, and taken away.
SELECT aiusage.grant_access('config_member', 'member', '{"customers": ["config-cua"]}') AS changed;
SET ROLE config_member; SELECT * FROM pg_temp.sees(); RESET ROLE;
SELECT aiusage.grant_access('config_analyst', 'analyst', '{"teams": ["config-ta"]}') AS narrowed;
SET ROLE config_analyst; SELECT * FROM pg_temp.sees(); RESET ROLE;
SELECT relation, privileges FROM may WHERE role = 'config_analyst' AND relation IN ('team', 'api_key', 'key_assignment');
-- Two kinds: what one gives, the revocation of the other leaves.
SELECT aiusage.grant_access('config_analyst', 'gateway') AS granted, aiusage.revoke_access('config_analyst', 'analyst') AS revoked,
	aiusage.revoke_access('config_analyst', 'analyst') AS again;
SELECT count(*) AS readable FROM may WHERE role = 'config_analyst' AND relation <> 'config_probe';
SELECT has_function_privilege('config_analyst', 'aiusage.ingest(jsonb)', 'EXECUTE') AS ingests,
	has_column_privilege('config_analyst', 'aiusage.usage_record', 'api_key', 'INSERT') AS inserts,
	has_schema_privilege('config_analyst', 'aiusage', 'USAGE') AS uses;
SELECT aiusage.revoke_access('config_analyst', 'gateway') AS revoked;
SELECT has_function_privilege('config_analyst', 'aiusage.ingest(jsonb)', 'EXECUTE') AS ingests,
	has_column_privilege('config_analyst', 'aiusage.usage_record', 'api_key', 'INSERT') AS inserts,
	has_schema_privilege('config_analyst', 'aiusage', 'USAGE') AS uses;
SELECT aiusage.revoke_access('config_gateway', 'reader') AS nothing_to_revoke;
-- A role that was renamed sees nothing until it is granted again.
ALTER ROLE config_customer RENAME TO config_client;
SET ROLE config_client; SELECT * FROM pg_temp.sees(); RESET ROLE;
-- A name with quotes, spaces and SQL
CREATE ROLE "config ""; DROP TABLE aiusage.team; --";
SELECT aiusage.grant_access('"config ""; DROP TABLE aiusage.team; --"', 'member', '{"teams": ["config-ta"]}') AS granted;
SET ROLE "config ""; DROP TABLE aiusage.team; --"; SELECT teams FROM pg_temp.sees(); RESET ROLE;
SELECT aiusage.revoke_access('"config ""; DROP TABLE aiusage.team; --"', 'member') AS revoked;
DROP ROLE "config ""; DROP TABLE aiusage.team; --";

-- A role that is gone leaves its grants to whoever gets its name: status() says so.
BEGIN;
CREATE ROLE "config Gone";
SELECT aiusage.grant_access('"config Gone"', 'analyst') AS granted;
SELECT value ~ 'config Gone' AS named FROM aiusage.status() WHERE check_name = 'access';
DROP OWNED BY "config Gone";
DROP ROLE "config Gone";
SELECT severity, value ~ 'config Gone' AS named, action FROM aiusage.status() WHERE check_name = 'access';
ROLLBACK;

-- When every access is revoked, the roles can go.
DROP VIEW may;
DROP VIEW aiusage.config_probe;
DROP FUNCTION pg_temp.sees();
REVOKE USAGE ON SCHEMA :temp FROM PUBLIC;
ALTER ROLE config_client RENAME TO config_customer;
SELECT role, kind, aiusage.revoke_access(role::text::regrole, kind) AS revoked FROM aiusage.access_grant WHERE role LIKE 'config%' ORDER BY 1;
DROP FUNCTION pg_temp.leak(text);
DROP TABLE pg_temp.access_grant;
DROP ROLE config_gateway, config_analyst, config_admin, config_approver, config_inherits, config_sets, config_member, config_customer, config_stranger;
