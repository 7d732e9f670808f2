--
-- Who may do what with every relation and routine in schema aiusage, asked of
-- the catalogue.  The expected output of this file is the decision: an object
-- that is new, and privileges that changed, show as a difference here.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();

SELECT aiusage.put_team('matrix') IS NOT NULL AND aiusage.put_customer('matrix') IS NOT NULL AS entities;
CREATE TEMP TABLE who (letter text, role name, kind text, scope jsonb);
INSERT INTO who VALUES
	('G', 'matrix_gateway', 'gateway', NULL), ('I', 'matrix_importer', 'importer', NULL),
	('A', 'matrix_analyst', 'analyst', NULL), ('a', 'matrix_analyst_of_a_team', 'analyst', '{"teams": ["matrix"]}'),
	('P', 'matrix_approver', 'approver', NULL), ('p', 'matrix_approver_of_a_team', 'approver', '{"teams": ["matrix"]}'),
	('X', 'matrix_admin', 'admin', NULL),
	('m', 'matrix_member', 'member', '{"teams": ["matrix"]}'), ('c', 'matrix_customer', 'customer', '{"customers": ["matrix"]}'),
	('-', 'matrix_nobody', NULL, NULL);
DO $$
DECLARE w record;
BEGIN
	FOR w IN SELECT * FROM who LOOP
		EXECUTE format('CREATE ROLE %I', w.role);
		IF w.kind IS NOT NULL THEN
			PERFORM aiusage.grant_access(w.role::regrole, w.kind, w.scope);
		END IF;
	END LOOP;
END
$$;

-- How much there is to decide
SELECT count(*) > 100 AS relations FROM pg_class WHERE relnamespace = 'aiusage'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT relispartition;
SELECT count(*) > 300 AS routines FROM pg_proc WHERE pronamespace = 'aiusage'::regnamespace;

-- Letters: G gateway, I importer, A analyst, P approver, X admin, m member, c customer; a and p: with a scope.
-- Each with the privileges it has: r SELECT, w INSERT, u UPDATE, d DELETE, t TRUNCATE, g REFERENCES, x TRIGGER; in brackets where on columns only.
CREATE FUNCTION pg_temp.relation_privileges(relation oid, role name) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(CASE WHEN has_table_privilege(role, relation, p.name) THEN p.letter
			WHEN p.letter IN ('r', 'w', 'u', 'g') AND has_any_column_privilege(role, relation, p.name) THEN '[' || p.letter || ']' END, '' ORDER BY p.n)
	FROM (VALUES (1, 'r', 'SELECT'), (2, 'w', 'INSERT'), (3, 'u', 'UPDATE'), (4, 'd', 'DELETE'), (5, 't', 'TRUNCATE'), (6, 'g', 'REFERENCES'),
		(7, 'x', 'TRIGGER')) AS p (n, letter, name)
$$;
\pset format unaligned
\pset tuples_only on
\echo -- relations: aiusage.name | kind of role:privileges ...
SELECT c.relname, coalesce(string_agg(w.letter || ':' || pg_temp.relation_privileges(c.oid, w.role), ' ' ORDER BY w.letter COLLATE "C"), 'owner only')
FROM pg_class AS c
LEFT JOIN who AS w ON pg_temp.relation_privileges(c.oid, w.role) IS NOT NULL
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
GROUP BY c.relname ORDER BY c.relname COLLATE "C";

\echo -- routines: name(number of forms) | kinds of role that may call it, all of its forms
SELECT r.name || '(' || count(*) || ')',
	CASE WHEN bool_and(r.public) THEN 'PUBLIC' ELSE coalesce(nullif(string_agg(DISTINCT r.letters, ' ' ORDER BY r.letters), ''), 'owner only') END
FROM (
	SELECT p.proname AS name, has_function_privilege('matrix_nobody', p.oid, 'EXECUTE') AS public,
		(SELECT string_agg(w.letter, '' ORDER BY w.letter COLLATE "C") FROM who AS w WHERE has_function_privilege(w.role, p.oid, 'EXECUTE')) AS letters
	FROM pg_proc AS p
	WHERE p.pronamespace = 'aiusage'::regnamespace AND p.prorettype <> 'trigger'::regtype
		-- the functions of an extension that aiusage needs may be in its schema
		AND EXISTS (SELECT FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
			WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' AND e.extname = 'aiusage')
) AS r
GROUP BY r.name ORDER BY r.name COLLATE "C";
\pset tuples_only off
\pset format aligned

-- What PUBLIC may call computes from its arguments alone.
SELECT p.oid::regprocedure::text COLLATE "C" AS public_and_not_immutable
FROM pg_proc AS p
WHERE p.pronamespace = 'aiusage'::regnamespace AND has_function_privilege('matrix_nobody', p.oid, 'EXECUTE') AND p.provolatile <> 'i'
ORDER BY 1;
-- A trigger function is called by its trigger, and by nobody.
SELECT p.oid::regprocedure AS trigger_function_somebody_may_call
FROM pg_proc AS p, who AS w
WHERE p.pronamespace = 'aiusage'::regnamespace AND p.prorettype = 'trigger'::regtype AND has_function_privilege(w.role, p.oid, 'EXECUTE');
-- Nobody creates in the schema, and nobody may pass on what was granted.
SELECT w.role AS may_create FROM who AS w WHERE has_schema_privilege(w.role, 'aiusage', 'CREATE');
SELECT w.role, c.relname AS may_pass_on
FROM pg_class AS c, aclexplode(c.relacl) AS x JOIN pg_roles AS r ON r.oid = x.grantee JOIN who AS w ON w.role = r.rolname
WHERE c.relnamespace = 'aiusage'::regnamespace AND x.is_grantable;
-- Partitions are nobody's.
SELECT w.role, c.relname AS partition FROM pg_class AS c, who AS w
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relispartition AND pg_temp.relation_privileges(c.oid, w.role) IS NOT NULL;
-- Every view that a role with a scope reads is a security barrier, or computes from such views alone.
SELECT c.relname AS view_without_barrier
FROM pg_class AS c
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind = 'v' AND NOT coalesce(c.reloptions, '{}') @> '{security_barrier=true}'
	AND EXISTS (SELECT FROM who AS w WHERE w.scope IS NOT NULL AND has_table_privilege(w.role, c.oid, 'SELECT'))
ORDER BY 1;

-- Taken away, nothing stays.
DO $$
DECLARE w record;
BEGIN
	FOR w IN SELECT * FROM who WHERE who.kind IS NOT NULL LOOP
		PERFORM aiusage.revoke_access(w.role::regrole, w.kind);
	END LOOP;
END
$$;
SELECT w.role, c.relname AS kept FROM pg_class AS c, who AS w
WHERE c.relnamespace = 'aiusage'::regnamespace AND pg_temp.relation_privileges(c.oid, w.role) IS NOT NULL AND c.relkind IN ('r', 'p', 'v', 'm');
SELECT w.role, p.oid::regprocedure AS kept FROM pg_proc AS p, who AS w
WHERE p.pronamespace = 'aiusage'::regnamespace AND has_function_privilege(w.role, p.oid, 'EXECUTE')
	AND NOT has_function_privilege('matrix_nobody', p.oid, 'EXECUTE');

-- The log of changes: an admin reads it, and changes nothing in it; its own changes are in it.
SELECT aiusage.grant_access('matrix_admin', 'admin') AS granted;
SET ROLE matrix_admin;
\set VERBOSITY terse
SELECT aiusage.put_team('matrix', 'Matrix of the admin') IS NOT NULL AS put;
SELECT session_role = session_user AS session_role, role, relation, operation, old ->> 'name' AS old, new ->> 'name' AS new
FROM aiusage.audit_log WHERE relation = 'team' AND new ->> 'team' = 'matrix' ORDER BY entry DESC LIMIT 1;
INSERT INTO aiusage.audit_log (session_role, role, relation, operation) VALUES ('x', 'x', 'team', 'INSERT');
UPDATE aiusage.audit_log SET role = 'somebody_else';
DELETE FROM aiusage.audit_log;
TRUNCATE aiusage.audit_log;
ALTER TABLE aiusage.audit_log DISABLE TRIGGER ALL;
ALTER TABLE aiusage.team DISABLE TRIGGER audit_change;
DROP TRIGGER audit_change ON aiusage.team;
SET session_replication_role = replica;
RESET ROLE;
-- Its owner has to take the guard away first, which leaves its trace in the server's log.
UPDATE aiusage.audit_log SET role = 'somebody_else';
DELETE FROM aiusage.audit_log;
TRUNCATE aiusage.audit_log;
DO $$
DECLARE w record;
BEGIN
	PERFORM aiusage.revoke_access('matrix_admin', 'admin');
	FOR w IN SELECT * FROM who LOOP
		EXECUTE format('DROP ROLE %I', w.role);
	END LOOP;
END
$$;
