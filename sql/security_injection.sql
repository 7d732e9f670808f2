--
-- SQL injection: every function that takes text is called with text that
-- would break out of a string, an identifier, a dollar quote or a format().
-- Each may refuse it; none may have it parsed.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();
CREATE ROLE security_injected;
SELECT aiusage.put_team('injection') IS NOT NULL AND aiusage.put_key('{"key": "injection", "team": "injection"}') IS NOT NULL AS entities;

-- Strings, each of which fails or shows in its own way once it is parsed as SQL.
CREATE TEMP TABLE hostile (name text, value text);
INSERT INTO hostile VALUES
	('string', $$x'; CREATE TABLE public.security_injected (x int); SELECT 1/0; --$$),
	('identifier', $$x"; CREATE TABLE public.security_injected (x int); SELECT 1/0; --$$),
	('dollars', '$$; CREATE TABLE public.security_injected (x int); SELECT 1/0; -- $body$ $do$'),
	('format', '%s%I%L%1$s%9$I'),
	('backslash', '\''; SELECT 1/0; --'),
	('expression', '(SELECT 1/0)'),
	('path', '$.x ? (@ == "'' || (SELECT 1/0) || ''")');

-- A value of each type, so that functions that are strict run, too.
CREATE FUNCTION pg_temp.argument(type oid, hostile text) RETURNS text LANGUAGE sql AS $$
	SELECT CASE type::regtype::text
		WHEN 'text' THEN quote_literal(hostile) || '::text'
		WHEN 'name' THEN quote_literal(hostile) || '::name'
		WHEN 'cstring' THEN quote_literal(hostile) || '::cstring'
		WHEN 'text[]' THEN quote_literal(ARRAY[hostile, hostile]) || '::text[]'
		WHEN 'jsonb' THEN quote_literal(jsonb_build_object(hostile, hostile, 'api_key', hostile, 'key', hostile, 'team', hostile, 'model', hostile)) || '::jsonb'
		WHEN 'json' THEN quote_literal(json_build_object(hostile, hostile)) || '::json'
		WHEN 'timestamp with time zone' THEN 'now()'
		WHEN 'date' THEN 'current_date'
		WHEN 'uuid' THEN 'aiusage.uuid_v7()'
		WHEN 'boolean' THEN 'true'
		WHEN 'interval' THEN $i$interval '1 day'$i$
		WHEN 'regrole' THEN $i$'security_injected'::regrole$i$
		WHEN 'regclass' THEN $i$'aiusage.setting'::regclass$i$
		WHEN 'aiusage.usage' THEN $i$'{"input_tokens": 1}'::aiusage.usage$i$
		WHEN 'aiusage.amount' THEN $i$'1 USD'::aiusage.amount$i$
		WHEN 'aiusage.unit_costs' THEN $i$aiusage.unit_costs(ARRAY['input_tokens'], ARRAY[1.0], 'USD')$i$
		WHEN 'smallint' THEN '1::smallint' WHEN 'integer' THEN '1' WHEN 'bigint' THEN '1::bigint' WHEN 'numeric' THEN '1.0'
		ELSE 'NULL::' || type::regtype END
$$;

/*
 * One call a function and string, as the owner of the books: the bodies run.
 * What text that was parsed would raise is kept; a call's changes are not.
 */
CREATE TEMP TABLE call (routine regprocedure, hostile text, state text, message text);
DO $$
DECLARE
	f record;
	h record;
	arguments text;
BEGIN
	FOR f IN
		SELECT p.oid::regprocedure AS routine, p.proname, p.proargtypes
		FROM pg_proc AS p
		WHERE p.pronamespace = 'aiusage'::regnamespace AND p.prokind = 'f'
			AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype)
			AND NOT 'internal'::regtype = ANY (p.proargtypes::oid[])
			AND p.proargtypes::oid[] && ARRAY['text', 'name', 'cstring', 'text[]', 'jsonb', 'json']::regtype[]::oid[]
			AND NOT EXISTS (SELECT FROM pg_aggregate AS a WHERE p.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn))
		ORDER BY 1::text
	LOOP
		FOR h IN SELECT * FROM hostile LOOP
			arguments := (SELECT string_agg(pg_temp.argument(t, h.value), ', ' ORDER BY n)
				FROM unnest(f.proargtypes::oid[]) WITH ORDINALITY AS a (t, n));
			BEGIN
				EXECUTE format('SELECT count(x) FROM (SELECT aiusage.%I(%s) AS x) AS q', f.proname, arguments);
				RAISE EXCEPTION USING ERRCODE = 'UA200';
			EXCEPTION WHEN OTHERS THEN
				INSERT INTO call VALUES (f.routine, h.name, SQLSTATE, SQLERRM);
			END;
		END LOOP;
	END LOOP;
END
$$;

-- Enough was tried, and enough of it refused with an error of its own.
SELECT count(DISTINCT routine) > 100 AS functions, count(*) > 700 AS calls, count(*) FILTER (WHERE state LIKE 'UA4%') > 300 AS refused FROM call;

-- Where text was parsed as SQL.  Two functions take a condition in SQL, which their only
-- callers make of literals that they quote: functions that nobody but the owner may call.
SELECT routine FROM call
WHERE state LIKE '42%' AND state NOT IN ('42501', '42704', '42710', '42809')
	OR state IN ('22012', '22023', '22P02', 'XX000') AND message ~ 'division|format|jsonpath|syntax error at'
GROUP BY routine ORDER BY routine::text COLLATE "C";
SELECT to_regclass('public.security_injected') IS NULL AS nothing_was_created;

-- The test can fail: a function that does it wrong is found.
\set VERBOSITY terse
CREATE FUNCTION pg_temp.careless(name text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN EXECUTE 'SELECT count(*) FROM aiusage.team WHERE team = ''' || name || '''' INTO n; RETURN n; END $$;
SELECT pg_temp.careless(value) FROM hostile WHERE hostile.name = 'string';
DROP ROLE security_injected;
