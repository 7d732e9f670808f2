--
-- Teams, cost centers, customers: labels, renames, the audit log
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();
RESET client_min_messages;

-- An entity is entered once, and again changes nothing.
SELECT aiusage.put_team('config-t1') AS entered;
SELECT aiusage.put_team('config-t1') AS again;
SELECT aiusage.put_team('config-t1', 'Payments') AS renamed;
SELECT aiusage.put_team('config-t1', 'Payments') AS again;
SELECT aiusage.put_team('config-t1') AS keeps_its_name;
SELECT team, name FROM aiusage.team WHERE team = 'config-t1';

SELECT aiusage.put_cost_center('config-cc1') AS entered, aiusage.put_cost_center('config-cc1') AS again;
SELECT aiusage.put_cost_center('config-cc1', 'Cost center one') AS renamed;
SELECT aiusage.put_cost_center('config-cc1', calendar => 'global') AS global_is_no_change;
SELECT aiusage.set_billing_calendar('config-entities', 'Asia/Kolkata') > 1 AS calendar;
SELECT aiusage.put_cost_center('config-cc1', calendar => 'config-entities') AS moved;
SELECT aiusage.put_cost_center('config-cc1', calendar => 'config-entities') AS again;
SELECT aiusage.put_cost_center('config-cc1') AS keeps_it;
SELECT c.cost_center, c.name, b.name AS calendar
FROM aiusage.cost_center AS c JOIN aiusage.billing_calendar AS b USING (calendar) WHERE c.cost_center = 'config-cc1';
SELECT aiusage.put_cost_center('config-cc1', calendar => 'global') AS moved_back;
SELECT cost_center, calendar FROM aiusage.cost_center WHERE cost_center = 'config-cc1';

SELECT aiusage.put_customer('config-c1', 'Customer one') AS entered;
SELECT aiusage.put_customer('config-c1', plan_tier => 'gold') AS tier_changed;
SELECT aiusage.put_customer('config-c1', 'Customer one', 'gold') AS again;
SELECT aiusage.put_customer('config-c1') AS keeps_all;
SELECT customer, name, plan_tier FROM aiusage.customer WHERE customer = 'config-c1';

-- What is refused
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT aiusage.put_team(NULL);
\echo :SQLSTATE
SELECT aiusage.put_team('');
\echo :SQLSTATE
SELECT aiusage.put_team(repeat('x', 257));
\echo :SQLSTATE
SELECT aiusage.put_team(repeat('x', 256), repeat('y', 258));
\echo :SQLSTATE
SELECT aiusage.put_team('config-t2', '');
\echo :SQLSTATE
SELECT aiusage.put_team('config-t2', 'sk-proj-' || repeat('Ab3dEf7hIj', 5));
\echo :SQLSTATE
SELECT aiusage.put_customer('config-c2', plan_tier => repeat('x', 300));
\echo :SQLSTATE
SELECT aiusage.put_cost_center('config-cc2', calendar => 'config-no-such');
\echo :SQLSTATE
UPDATE aiusage.team SET name = 'Bearer ' || repeat('Ab3dEf7hIj', 5) WHERE team = 'config-t1';
\echo :SQLSTATE
SELECT count(*) AS none_was_entered FROM aiusage.team WHERE team = 'config-t2' OR team LIKE 'xxx%';

-- Text that is SQL is text.
SELECT aiusage.put_team($$config'); DROP TABLE aiusage.team; --$$, $$"; DELETE FROM aiusage.team; --$$);
SELECT aiusage.put_cost_center($$config'); DROP TABLE aiusage.team; --$$, $$%I %L %s \$$);
SELECT aiusage.put_customer($$config'); DROP TABLE aiusage.team; --$$, $$' OR ''='$$, $$'$$);
SELECT team, name FROM aiusage.team WHERE team LIKE 'config'');%';
SELECT cost_center, name FROM aiusage.cost_center WHERE cost_center LIKE 'config'');%';
SELECT customer, name, plan_tier FROM aiusage.customer WHERE customer LIKE 'config'');%';

-- Who changed what: one entry a change, none for what changed nothing
SELECT relation, operation, old ->> 'name' AS old_name, new ->> 'name' AS new_name,
	role = current_user AS by_me, session_role = session_user AS of_my_session
FROM aiusage.audit_log
WHERE relation = 'team' AND 'config-t1' IN (old ->> 'team', new ->> 'team') ORDER BY entry;
SELECT operation, old ->> 'plan_tier' AS old_tier, new ->> 'plan_tier' AS new_tier
FROM aiusage.audit_log
WHERE relation = 'customer' AND 'config-c1' IN (old ->> 'customer', new ->> 'customer') ORDER BY entry;
-- A change that is rolled back leaves none.
BEGIN;
SELECT aiusage.put_team('config-t1', 'Rolled back');
ROLLBACK;
SELECT count(*) FROM aiusage.audit_log WHERE new ->> 'name' = 'Rolled back';
-- An entity that nothing refers to can go; that is audited too.
DELETE FROM aiusage.customer WHERE customer LIKE 'config'');%';
SELECT operation, old ->> 'plan_tier' AS old_tier, new FROM aiusage.audit_log
WHERE relation = 'customer' AND old ->> 'customer' LIKE 'config'');%' ORDER BY entry;
DELETE FROM aiusage.team WHERE team LIKE 'config'');%';
DELETE FROM aiusage.cost_center WHERE cost_center LIKE 'config'');%';

-- What views call usage without an owner is nobody's id, but may be a name.
SELECT aiusage.put_team('(unmatched)');
SELECT aiusage.put_cost_center('(none)');
SELECT aiusage.put_customer('(other)', 'Other');
BEGIN;
SELECT aiusage.put_team('config-t4', '(none)') AS named;
ROLLBACK;
-- The guards hold for plain DML too.
INSERT INTO aiusage.team (team) VALUES ('(erased)');
INSERT INTO aiusage.team (team, name) VALUES ('config-t3', 'AKIA' || 'IOSFODNN7EXAMPLE');
\echo :SQLSTATE
INSERT INTO aiusage.customer (customer, name) VALUES ('config-c3', repeat('y', 1000));
\echo :SQLSTATE
-- Everything is described.
SELECT c.relname, a.attname
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'aiusage'::regnamespace
	AND c.relname IN ('team', 'cost_center', 'customer', 'api_key', 'key_assignment', 'key_credential', 'billing_calendar',
		'invoice_period', 'access_grant')
	AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL);
-- Every table is audited, and every cache hears of changes, of replicated ones too.
SELECT c.relname, bool_or(t.tgname = 'audit_change') AS audited,
	bool_or(t.tgname = 'invalidate_caches' AND t.tgenabled = 'A') AS invalidates
FROM pg_class AS c JOIN pg_trigger AS t ON t.tgrelid = c.oid
WHERE c.relnamespace = 'aiusage'::regnamespace
	AND c.relname IN ('team', 'cost_center', 'customer', 'api_key', 'key_assignment', 'key_credential', 'billing_calendar',
		'invoice_period', 'access_grant')
GROUP BY 1 ORDER BY 1;
