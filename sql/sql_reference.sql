-- docs/sql-reference.md is what the comments in the catalogue say.  When it is
-- not: bash tools/sql_reference.sh
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
\getenv srcdir PG_ABS_SRCDIR
\set generator :srcdir '/tools/sql_reference.sql'
\set page `cat "$PG_ABS_SRCDIR/docs/sql-reference.md"`
\set ECHO none
\i :generator
\set ECHO all

-- What the page lacks, and what it has too much.
CREATE TEMP TABLE wanted AS SELECT n, line FROM pg_temp.sql_reference() WITH ORDINALITY AS t (line, n);
CREATE TEMP TABLE written AS SELECT n, line FROM string_to_table(:'page', E'\n') WITH ORDINALITY AS t (line, n);
SELECT n AS "run: bash tools/sql_reference.sh", left(line, 120) AS missing FROM wanted WHERE line NOT IN (SELECT line FROM written) ORDER BY n LIMIT 20;
SELECT n AS "run: bash tools/sql_reference.sh", left(line, 120) AS stale FROM written WHERE line NOT IN (SELECT line FROM wanted) ORDER BY n LIMIT 20;
SELECT (SELECT string_agg(line, E'\n' ORDER BY n) FROM wanted) = (SELECT string_agg(line, E'\n' ORDER BY n) FROM written) AS the_page_is_the_catalogue;
-- Each object is in it, in an area of its own, with something to say; no two headings are the same but for overloaded functions.
SELECT count(*) > 100 AS functions FROM wanted WHERE line ~ '^### \w+\(\)$';
SELECT name FROM routine WHERE comment IS NULL OR place = (SELECT max(place) FROM area) UNION ALL
SELECT name FROM relation WHERE comment IS NULL OR place = (SELECT max(place) FROM area) ORDER BY 1;
SELECT line FROM wanted WHERE line ~ '\| *\|$' OR line = '.' OR line IS NULL;
SELECT line, count(*) FROM wanted WHERE line ~ '^##' AND line !~ '\(\)$' GROUP BY line HAVING count(*) > 1;
