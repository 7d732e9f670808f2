--
-- What readers see of one ledger: everything, a team, a cost center, a customer
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();
CREATE ROLE scopes_reader_all;
CREATE ROLE scopes_reader_team;
CREATE ROLE scopes_reader_cc;
CREATE ROLE scopes_reader_cust;
CREATE ROLE scopes_customer;
CREATE ROLE scopes_both IN ROLE scopes_reader_team, scopes_customer;
SELECT count(aiusage.put_key(r)) AS keys FROM (VALUES
	(jsonb '{"key": "scope-a", "team": "scope-ta", "cost_center": "scope-cc1", "customer": "scope-acme"}'),
	('{"key": "scope-b", "team": "scope-tb", "cost_center": "scope-cc1"}'),
	('{"key": "scope-c", "team": "scope-tc", "cost_center": "scope-cc2", "customer": "scope-zeta"}')) AS v (r);
SELECT aiusage.grant_access('scopes_reader_all', 'analyst') AND aiusage.grant_access('scopes_reader_team', 'member', '{"teams": ["scope-ta"]}')
	AND aiusage.grant_access('scopes_reader_cc', 'analyst', '{"cost_centers": ["scope-cc1"]}')
	AND aiusage.grant_access('scopes_reader_cust', 'member', '{"customers": ["scope-acme", "scope-zeta"]}')
	AND aiusage.grant_access('scopes_customer', 'customer', '{"customers": ["scope-zeta"]}') AS granted;
RESET client_min_messages;
\set SHOW_CONTEXT never
-- scope-b's second row names a customer itself; the last key is nobody's.
INSERT INTO aiusage.usage_record (api_key, customer, provider, model, usage, provider_cost) VALUES
	('scope-a', NULL, 'scope-p', 'scope-m', '{"input_tokens": 10}', '1 USD'),
	('scope-b', NULL, 'scope-p', 'scope-m', '{"input_tokens": 20}', '1 USD'),
	('scope-b', 'scope-zeta', 'scope-p', 'scope-m', '{"input_tokens": 40}', '1 USD'),
	('scope-c', NULL, 'scope-p', 'scope-m', '{"input_tokens": 80}', '1 USD'),
	('scope-nobody', NULL, 'scope-p', 'scope-m', '{"input_tokens": 160}', '1 USD');
CREATE FUNCTION pg_temp.sees() RETURNS TABLE (log text, team_usage text, cost_centers text, customers text, keys text)
LANGUAGE sql AS $$
	SELECT (SELECT string_agg(api_key || ':' || input_tokens, ' ' ORDER BY input_tokens) FROM aiusage.usage_log WHERE model = 'scope-m'),
		(SELECT string_agg(team || ':' || input_tokens, ' ' ORDER BY team) FROM aiusage.team_usage WHERE team LIKE 'scope-%'),
		(SELECT string_agg(cost_center || ':' || input_tokens, ' ' ORDER BY cost_center) FROM aiusage.cost_center_usage WHERE cost_center LIKE 'scope-%'),
		(SELECT string_agg(customer || ':' || input_tokens, ' ' ORDER BY customer) FROM aiusage.customer_usage WHERE customer LIKE 'scope-%'),
		(SELECT string_agg(api_key || ':' || input_tokens, ' ' ORDER BY api_key) FROM aiusage.key_usage WHERE api_key LIKE 'scope-%')
$$;
CREATE FUNCTION pg_temp.charges() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(customer || ':' || input_tokens, ' ' ORDER BY customer)
	FROM aiusage.customer_charges WHERE customer LIKE 'scope-%'
$$;
SELECT pg_my_temp_schema()::regnamespace AS temp \gset
GRANT USAGE ON SCHEMA :temp TO PUBLIC;
\x
SELECT * FROM pg_temp.sees();
SELECT pg_temp.charges();
SET ROLE scopes_reader_all;
SELECT * FROM pg_temp.sees();
SELECT pg_temp.charges();
SET ROLE scopes_reader_team;
SELECT * FROM pg_temp.sees();
SELECT pg_temp.charges();
SET ROLE scopes_reader_cc;
SELECT * FROM pg_temp.sees();
SET ROLE scopes_reader_cust;
SELECT * FROM pg_temp.sees();
SELECT pg_temp.charges();
SET ROLE scopes_both;
SELECT * FROM pg_temp.sees();
SELECT pg_temp.charges();
RESET ROLE;
\x
-- the same once folded
SELECT count(*) >= 0 AS folded FROM aiusage.refresh();
SET ROLE scopes_reader_team;
SELECT team_usage, cost_centers, customers FROM pg_temp.sees();
-- A customer sees its charges and nothing of cost.
SET ROLE scopes_customer;
SELECT pg_temp.charges();
SELECT * FROM aiusage.customer_usage;
\echo :SQLSTATE
SELECT * FROM aiusage.usage_log;
\echo :SQLSTATE
SELECT * FROM aiusage.rollup_daily_live;
\echo :SQLSTATE
SELECT * FROM aiusage.price_book;
\echo :SQLSTATE
SELECT aiusage.explain_row(aiusage.uuid_v7());
\echo :SQLSTATE
RESET ROLE;
SELECT string_agg(a.attname, ' ' ORDER BY a.attnum) AS columns FROM pg_attribute AS a
WHERE a.attrelid = 'aiusage.customer_charges'::regclass AND a.attnum > 0;
-- Which relations each may read at all
SELECT r.rolname AS role, string_agg(c.relname, ' ' ORDER BY c.relname) AS relations
FROM pg_roles AS r, pg_class AS c
WHERE r.rolname IN ('scopes_reader_team', 'scopes_reader_cc', 'scopes_customer') AND c.relnamespace = 'aiusage'::regnamespace
	AND c.relkind IN ('r', 'p', 'v') AND has_table_privilege(r.oid, c.oid, 'SELECT')
GROUP BY 1 ORDER BY 1;
-- A row explained only to those who see it
SELECT id AS row_c FROM aiusage.usage_log WHERE api_key = 'scope-c' AND model = 'scope-m' LIMIT 1 \gset
SET ROLE scopes_reader_cc;
\set VERBOSITY sqlstate
SELECT aiusage.explain_row(:'row_c');
\set VERBOSITY default
\echo :SQLSTATE
RESET ROLE;
REVOKE USAGE ON SCHEMA :temp FROM PUBLIC;
DROP FUNCTION pg_temp.sees();
DROP FUNCTION pg_temp.charges();
SELECT count(*) AS revoked FROM (SELECT aiusage.revoke_access(role::text::regrole, kind) FROM aiusage.access_grant
	WHERE role LIKE 'scopes\_reader%' OR role = 'scopes_customer') AS x;
DROP ROLE scopes_both, scopes_reader_all, scopes_reader_team, scopes_reader_cc, scopes_reader_cust, scopes_customer;
