/*
 * The lines of docs/sql-reference.md, from the catalogue's comments: makes
 * pg_temp.sql_reference().  tools/sql_reference.sh writes the page with it, and
 * sql/sql_reference.sql compares.  PG_ABS_SRCDIR is the project's directory.
 *
 * What an object belongs to is the piece of install/ or books/ that makes it.
 */
\set made_by `cd "$PG_ABS_SRCDIR" && grep -oE '(CREATE|REPLACE|EXECUTE.*) (FUNCTION|PROCEDURE|AGGREGATE|TYPE|TABLE|VIEW) aiusage\.[a-z_0-9]+' install/[0-8]*.sql install/92*.sql books/*/*.sql | grep -v '^install/90'`
\set documented `cd "$PG_ABS_SRCDIR" && ls README.md docs/*.md | grep -v sql-reference | xargs grep -ohE '[a-z_0-9]+\(' | sort -u`
CREATE TEMP TABLE documented AS SELECT rtrim(l, '(') AS name FROM string_to_table(:'documented', E'\n') AS l;
CREATE TEMP TABLE made_by AS
SELECT DISTINCT ON (name) name, piece
FROM (SELECT substring(l FROM 'aiusage\.(\w+)$') AS name, substring(l FROM '^(?:install|books/tables|books/views)/(\w+)\.sql:') AS piece, n
	FROM string_to_table(:'made_by', E'\n') WITH ORDINALITY AS t (l, n)) AS t
ORDER BY name, n;
-- what a generated text makes
INSERT INTO made_by SELECT * FROM (VALUES ('storage_step', '010_meta'), ('books_pieces', '92_init_function')) AS v (name, piece) WHERE v.name NOT IN (SELECT name FROM made_by);
INSERT INTO made_by SELECT c.relname, '080_rollups' FROM pg_class AS c
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relname ~ '^rollup_' AND c.relname NOT IN (SELECT name FROM made_by);
INSERT INTO made_by SELECT c.relname, '51_usage_views' FROM pg_class AS c
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind = 'v' AND c.relname ~ '_usage$' AND c.relname NOT IN (SELECT name FROM made_by);

-- The first pattern that fits a piece's name is its area.
CREATE TEMP TABLE area AS
SELECT place, title, page, pattern
FROM (VALUES
	(1, 'The books', 'operations.md', '^(00|05|92|010)_'),
	(2, 'Types', 'types.md', '^(1[0-2]_types|40_ledger_types)'),
	(3, 'Prices', 'pricing.md', '^(2\d_|030|045|15_price|52_price)'),
	(4, 'Exchange rates', 'pricing.md', '^(52_fx|048)'),
	(5, 'Keys and owners', 'keys-and-access.md', '^(30_owner|020|040|10_config)'),
	(6, 'The ledger', 'ledger-columns.md', '^(41|42|43|45|060|20_ledger|21|30_usage|95_replica)'),
	(7, 'Bodies and streams of providers', 'provider-bodies.md', '^46_extract'),
	(8, 'Corrections', 'pricing.md', '^(44|46|070|075)'),
	(9, 'Billing periods and statements', 'billing-periods.md', '^(31|48|050|110_statements|25_|52_statement)'),
	(10, 'Contracts', 'contracts.md', '^(49|115|26)'),
	(11, 'Rollups', 'rollups.md', '^(50|51_verify|51_usage|54_latency|54_level|55_rebuild|08[0-5]|126)'),
	(12, 'Retention', 'retention.md', '^(73|74|54_retention|13\d)_'),
	(13, 'Reports', 'reports.md', '^(53|55_bucket)'),
	(14, 'Limits and admission', 'limits.md', '^(52_verify|5[4-8]|100|105|60_quota)'),
	(15, 'The emergency switch and prepaid', 'wallets.md', '^(59|110_wallets|61)'),
	(16, 'Access', 'keys-and-access.md', '^(60_access|090)'),
	(17, 'Operations', 'operations.md', '^(7|120)'),
	(18, 'Everything else', 'architecture.md', '')) AS v (place, title, page, pattern);

-- Text in Markdown; one line.
CREATE FUNCTION pg_temp.md(text text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(replace(replace(text, '&', '&amp;'), '<', '&lt;'), '([*|])', '\\\1', 'g'), '\s+', ' ', 'g')
$$;
-- An anchor that no other heading has.
CREATE FUNCTION pg_temp.anchor(title text) RETURNS text LANGUAGE sql AS $$
	SELECT replace(regexp_replace(lower(title), '[^\w -]', '', 'g'), ' ', '-')
$$;

CREATE TEMP VIEW member AS
SELECT d.classid, d.objid
FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
WHERE d.deptype = 'e' AND e.extname = 'aiusage';

CREATE TEMP VIEW routine AS
SELECT p.oid, p.proname::text COLLATE "C" AS name, a.place, obj_description(p.oid, 'pg_proc') AS comment,
	CASE p.prokind WHEN 'p' THEN 'CALL ' ELSE '' END || p.proname || '(' || pg_get_function_arguments(p.oid) || ')' COLLATE "C" AS signature,
	pg_get_function_result(p.oid) AS result, p.prokind,
	CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
	k.kinds,
	-- what is for people and programs: what they are granted, or what the pages tell of
	coalesce(obj_description(p.oid, 'pg_proc'), '') NOT LIKE 'Internal.%' AND (k.kinds IS NOT NULL OR p.prokind = 'a' OR p.proname IN (SELECT d.name FROM documented AS d)
		OR a.place = (SELECT t.place FROM area AS t WHERE t.title = 'Types')) AS public
FROM pg_proc AS p
CROSS JOIN LATERAL (SELECT string_agg(DISTINCT o.kind COLLATE "C", ', ') AS kinds FROM aiusage.access_object() AS o WHERE o.object = p.proname AND o.privileges = 'EXECUTE') AS k
JOIN member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
LEFT JOIN made_by AS b ON b.name = p.proname
JOIN LATERAL (SELECT r.place FROM area AS r WHERE coalesce(b.piece, '') ~ r.pattern ORDER BY r.place LIMIT 1) AS a ON true
-- not what only the server, a trigger, an operator or a function of the same name calls
WHERE p.proname !~ '^owner_' AND p.prorettype NOT IN ('trigger'::regtype, 'internal'::regtype, 'cstring'::regtype)
	AND NOT 'internal'::regtype = ANY (p.proargtypes) AND NOT 'cstring'::regtype = ANY (p.proargtypes)
	AND NOT EXISTS (SELECT FROM pg_cast AS c WHERE c.castfunc = p.oid)
	AND NOT EXISTS (SELECT FROM pg_amproc AS x WHERE x.amproc = p.oid) AND NOT EXISTS (SELECT FROM pg_type AS t WHERE t.typsend = p.oid)
	AND NOT EXISTS (SELECT FROM pg_aggregate AS g WHERE p.oid IN (g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggmtransfn, g.aggminvtransfn)) AND obj_description(p.oid, 'pg_proc') !~ '^(Implementation|State|Final|Transition)';

CREATE TEMP VIEW relation AS
SELECT c.oid, c.relname::text COLLATE "C" AS name, c.relkind, a.place, obj_description(c.oid, 'pg_class') AS comment,
	(SELECT string_agg(DISTINCT o.kind COLLATE "C", ', ') FROM aiusage.access_object() AS o WHERE o.object = c.relname AND o.privileges ~ 'SELECT') AS kinds
FROM pg_class AS c
LEFT JOIN made_by AS b ON b.name = c.relname
JOIN LATERAL (SELECT r.place FROM area AS r WHERE coalesce(b.piece, '') ~ r.pattern ORDER BY r.place LIMIT 1) AS a ON true
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition;

CREATE FUNCTION pg_temp.sql_reference() RETURNS SETOF text LANGUAGE plpgsql
	SET search_path = pg_catalog SET intervalstyle = postgres SET datestyle = 'ISO' SET timezone = 'UTC' AS $$
DECLARE
	a record;
	r record;
	c record;
	listed boolean;
BEGIN
	RETURN QUERY VALUES ('# SQL reference'), (''),
		('Every function that people and programs call, and every type, table and view, with what its COMMENT says (`\df+`, `\d+` in psql).'),
		('Generated by `tools/sql_reference.sh`: change a COMMENT, not this page. A test compares.'), (''),
		('All are in schema `aiusage`. *For* says which kinds of role `grant_access()` lets call or read it; the owner of the books may do everything.'),
		('Left out: what only triggers, operators and the server call, and the `owner_` half of functions that run as the owner of the books.'), ('');
	FOR a IN SELECT * FROM pg_temp.area ORDER BY place LOOP
		CONTINUE WHEN NOT EXISTS (SELECT FROM pg_temp.routine AS x WHERE x.place = a.place UNION ALL SELECT FROM pg_temp.relation AS x WHERE x.place = a.place);
		RETURN NEXT format('- [%s](#%s)', a.title, pg_temp.anchor(a.title));
	END LOOP;

	FOR a IN SELECT * FROM pg_temp.area ORDER BY place LOOP
		CONTINUE WHEN NOT EXISTS (SELECT FROM pg_temp.routine AS x WHERE x.place = a.place UNION ALL SELECT FROM pg_temp.relation AS x WHERE x.place = a.place);
		RETURN QUERY VALUES (''), ('## ' || a.title), (''), (format('In words: [%s](%s).', a.page, a.page));

		IF a.title = 'Types' THEN
			FOR r IN
				SELECT t.oid, t.typname, obj_description(t.oid, 'pg_type') AS comment,
					(SELECT string_agg(format('`%s`', e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid) AS labels
				FROM pg_type AS t JOIN pg_temp.member AS m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
				WHERE t.typrelid = 0 AND t.typelem = 0
				ORDER BY t.typtype, t.typname
			LOOP
				RETURN QUERY VALUES (''), (format('### type %s', r.typname)), (''), (pg_temp.md(r.comment) || '.');
				IF r.labels IS NOT NULL THEN
					RETURN QUERY VALUES (''), (r.labels);
				END IF;
				listed := false;
				FOR c IN
					SELECT concat_ws(' ', nullif(o.oprleft, 0)::regtype, o.oprname, o.oprright::regtype) AS operator, o.oprresult::regtype AS result, obj_description(o.oid, 'pg_operator') AS comment
					FROM pg_operator AS o JOIN pg_temp.member AS m ON m.classid = 'pg_operator'::regclass AND m.objid = o.oid
					WHERE r.oid IN (o.oprleft, o.oprright)
					ORDER BY o.oprname, o.oprleft::regtype::text COLLATE "C", o.oprright::regtype::text COLLATE "C"
				LOOP
					IF NOT listed THEN
						RETURN QUERY VALUES (''), ('| operator | result | meaning |'), ('|---|---|---|');
						listed := true;
					END IF;
					RETURN NEXT format('| `%s` | %s | %s |', replace(c.operator, '|', '\|'), c.result, pg_temp.md(c.comment));
				END LOOP;
				listed := false;
				FOR c IN
					SELECT x.castsource::regtype AS source, x.casttarget::regtype AS target, x.castcontext, obj_description(x.oid, 'pg_cast') AS comment
					FROM pg_cast AS x JOIN pg_temp.member AS m ON m.classid = 'pg_cast'::regclass AND m.objid = x.oid
					WHERE r.oid IN (x.castsource, x.casttarget)
					ORDER BY x.castsource::regtype::text COLLATE "C", x.casttarget::regtype::text COLLATE "C"
				LOOP
					IF NOT listed THEN
						RETURN QUERY VALUES (''), ('| cast | how | meaning |'), ('|---|---|---|');
						listed := true;
					END IF;
					RETURN NEXT format('| `%s` to `%s` | %s | %s |', c.source, c.target, CASE c.castcontext WHEN 'i' THEN 'by itself' WHEN 'a' THEN 'on assignment' ELSE 'written out' END,
						pg_temp.md(c.comment));
				END LOOP;
			END LOOP;
		END IF;

		-- what is called, and what is read
		FOR r IN SELECT * FROM pg_temp.routine AS x WHERE x.place = a.place AND x.public ORDER BY x.name, x.signature LOOP
			RETURN QUERY VALUES (''), (format('### %s()', r.name)), (''),
				(format('`%s`%s', r.signature, ' → `' || r.result || '`')), (''),
				(pg_temp.md(r.comment) || '.'), (''),
				(format('%s%s.%s', upper(left(r.volatility, 1)), substr(r.volatility, 2) || CASE r.prokind WHEN 'a' THEN ', an aggregate' WHEN 'p' THEN ', a procedure' ELSE '' END,
					coalesce(' For: ' || r.kinds || '.', '')));
		END LOOP;
		FOR r IN SELECT * FROM pg_temp.relation AS x WHERE x.place = a.place AND NOT (x.relkind = 'v' AND x.comment LIKE 'Internal.%') ORDER BY x.relkind = 'v', x.name LOOP
			RETURN QUERY VALUES (''), (format('### %s %s', CASE r.relkind WHEN 'v' THEN 'view' ELSE 'table' END, r.name)), (''), (pg_temp.md(r.comment) || '.' || coalesce(' For: ' || r.kinds || '.', '')),
				(''), ('| column | type | meaning |'), ('|---|---|---|');
			RETURN QUERY
				SELECT format('| %s | %s%s | %s |', t.attname, format_type(t.atttypid, t.atttypmod), CASE WHEN t.attnotnull THEN ', not NULL' ELSE '' END, pg_temp.md(col_description(r.oid, t.attnum)))
				FROM pg_attribute AS t WHERE t.attrelid = r.oid AND t.attnum > 0 AND NOT t.attisdropped ORDER BY t.attnum;
		END LOOP;

		-- what those are made of
		listed := false;
		FOR r IN
			SELECT x.signature, regexp_replace(x.comment, '^Internal\. ', '') AS comment FROM pg_temp.routine AS x WHERE x.place = a.place AND NOT x.public
			UNION ALL
			SELECT 'view ' || x.name, substr(x.comment, 11) FROM pg_temp.relation AS x WHERE x.place = a.place AND x.relkind = 'v' AND x.comment LIKE 'Internal.%'
			ORDER BY 1
		LOOP
			IF NOT listed THEN
				RETURN QUERY VALUES (''), (format('### Behind %s', lower(a.title))), (''), ('What the above is made of, and nobody else should call or read.'), (''),
					('| name | meaning |'), ('|---|---|');
				listed := true;
			END IF;
			RETURN NEXT format('| `%s` | %s |', replace(r.signature, '|', '\|'), pg_temp.md(r.comment));
		END LOOP;
	END LOOP;
END
$$;
