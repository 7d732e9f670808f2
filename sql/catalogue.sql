-- What every object of aiusage must have, asked of the catalogue.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS done FROM aiusage.init();
RESET client_min_messages;

-- A comment on every member of the extension (but for what only the server refers to).
SELECT pg_describe_object(d.classid, d.objid, 0) AS member_without_comment
FROM pg_depend AS d
WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'aiusage')
  AND d.classid IN ('pg_proc'::regclass, 'pg_type'::regclass, 'pg_operator'::regclass, 'pg_cast'::regclass,
	'pg_opclass'::regclass, 'pg_namespace'::regclass, 'pg_class'::regclass)
  AND NOT (d.classid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_type AS t WHERE t.oid = d.objid AND (t.typelem <> 0 OR t.typrelid <> 0)))
  AND obj_description(d.objid, d.classid::regclass::name) IS NULL
ORDER BY 1;

-- A comment on every table and view of the books, and on each of their columns.
-- (A partition is a piece of its parent.  A view whose comment begins with
-- "Internal." is for other views, and its columns need none.)
SELECT c.oid::regclass AS relation_without_comment
FROM pg_class AS c
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
  AND obj_description(c.oid, 'pg_class') IS NULL
ORDER BY 1;
SELECT c.oid::regclass || '.' || a.attname AS column_without_comment
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
  AND NOT (c.relkind = 'v' AND obj_description(c.oid, 'pg_class') LIKE 'Internal.%')
  AND col_description(c.oid, a.attnum) IS NULL
ORDER BY 1;

-- The books are no members of the extension, or they would not survive dump and restore.
SELECT c.oid::regclass AS member_relation
FROM pg_class AS c JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'aiusage')
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
ORDER BY 1;
-- And functions are: none is made by init().
SELECT p.oid::regprocedure AS function_that_is_no_member
FROM pg_proc AS p
WHERE p.pronamespace = 'aiusage'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1;

-- No SECURITY DEFINER; search_path pinned in every function whose body is text.
SELECT p.oid::regprocedure AS security_definer
FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'aiusage')
WHERE p.prosecdef
ORDER BY 1;
SELECT p.oid::regprocedure AS search_path_not_pinned
FROM pg_proc AS p
JOIN pg_language AS l ON l.oid = p.prolang
JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'aiusage')
WHERE l.lanname IN ('sql', 'plpgsql') AND p.prosqlbody IS NULL
  AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)
  -- a procedure that commits can have no SET: it qualifies everything
  AND NOT (p.prokind = 'p' AND p.prosrc ~* '\mcommit\M')
ORDER BY 1;

-- What takes or returns internal is for the server alone: nobody can call it.
SELECT p.oid::regprocedure AS returns_internal_without_taking_it
FROM pg_proc AS p
WHERE p.pronamespace = 'aiusage'::regnamespace AND p.prorettype = 'internal'::regtype
  AND NOT 'internal'::regtype = ANY (p.proargtypes)
  AND NOT EXISTS (SELECT FROM pg_aggregate AS a WHERE p.oid IN (a.aggtransfn, a.aggdeserialfn, a.aggmtransfn))
ORDER BY 1;

-- PUBLIC reads none of the books, and runs nothing that reads or writes them.
SELECT c.oid::regclass AS public_may_touch
FROM pg_class AS c, aclexplode(c.relacl) AS x
WHERE c.relnamespace = 'aiusage'::regnamespace AND x.grantee = 0
ORDER BY 1;
SELECT p.oid::regprocedure AS public_may_run
FROM pg_proc AS p
JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'aiusage')
CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x
WHERE x.grantee = 0 AND p.provolatile <> 'i' AND p.prokind IN ('f', 'p')
ORDER BY p.oid::regprocedure::text;

-- Views for people have plain columns only: numeric, integers, text, times, dates, booleans, uuid.
SELECT c.oid::regclass || '.' || a.attname AS column_for_no_tool, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind = 'v'
  AND obj_description(c.oid, 'pg_class') NOT LIKE 'Internal.%'
  AND a.atttypid NOT IN ('numeric'::regtype, 'bigint'::regtype, 'integer'::regtype, 'smallint'::regtype, 'text'::regtype,
	'timestamptz'::regtype, 'date'::regtype, 'boolean'::regtype, 'uuid'::regtype, 'interval'::regtype)
ORDER BY 1;

-- A view that filters by role must not leak through a caller's function.
SELECT c.oid::regclass AS view_without_barrier
FROM pg_class AS c
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind = 'v'
  AND obj_description(c.oid, 'pg_class') NOT LIKE 'Internal.%'
  AND NOT coalesce('security_barrier=true' = ANY (c.reloptions) OR 'security_barrier=on' = ANY (c.reloptions), false)
ORDER BY 1;

-- No leftover of C code without an SQL function, the other way round is impossible: the library is the extension's.
SELECT aiusage.module_version() = extversion AS library_is_the_extensions FROM pg_extension WHERE extname = 'aiusage';

-- init() again changes nothing.
SELECT count(*) AS changed_by_a_second_init FROM aiusage.init() AS i WHERE i.action IN ('created', 'replaced', 'made');

-- What errors, hints and comments tell people to call is there.
SELECT DISTINCT f.name AS function_that_there_is_not
FROM (SELECT (regexp_matches(p.prosrc, 'aiusage\.([a-z_0-9]+)\(', 'g'))[1] AS name FROM pg_proc AS p WHERE p.pronamespace = 'aiusage'::regnamespace
	UNION SELECT (regexp_matches(d.description, 'aiusage\.([a-z_0-9]+)\(', 'g'))[1] FROM pg_description AS d) AS f
WHERE NOT EXISTS (SELECT FROM pg_proc AS p WHERE p.pronamespace = 'aiusage'::regnamespace AND p.proname = f.name);
