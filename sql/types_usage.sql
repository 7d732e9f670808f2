--
-- aiusage.usage
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
RESET client_min_messages;
SET search_path = aiusage, public;

-- What a command fails with: SQLSTATE, message, detail, hint.
CREATE FUNCTION pg_temp.failure(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text; message text; det text; hin text;
BEGIN
    EXECUTE command;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        det = PG_EXCEPTION_DETAIL, hin = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', state, message, nullif(det, ''), nullif(hin, ''));
END
$$;
-- A number that depends on i only, 0 <= number < bound.
CREATE FUNCTION pg_temp.pick(i int, salt text, bound bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT ('x' || substr(md5(i::text || salt), 1, 15))::bit(60)::bigint % bound $$;

-- Text
SELECT '{"input_tokens":4740,"cache_write_tokens":4735,"output_tokens":255}'::usage;
SELECT ' { "output_tokens" : 255 , "input_tokens" : 4740 ,	"cache_write_tokens":4735 } '::usage;
SELECT '{}'::usage, '{ }'::usage;
SELECT '{"input_tokens":0}'::usage;
SELECT '{"zeta":1.5,"alpha":2e3,"requests":1,"audio_seconds":0.000001,"alpha_2":1E-6,"alpha_":100.50}'::usage;
SELECT '{"input_tokens":-0}'::usage, '{"input_tokens":1e2}'::usage, '{"input_tokens":5.000}'::usage, '{"credits":1200.00e-2}'::usage;
SELECT '{"credits":999999999999999999999999999999.999999}'::usage;
SELECT '{"input_tokens":999999999999999999999999999999}'::usage;
SELECT '{"output_tokens":922337203685477580}'::usage;
SELECT format('{"a%s":1}', repeat('0', 62))::usage AS name_of_63_bytes;

\a
SELECT input, pg_temp.failure(format('SELECT %L::aiusage.usage', input)) AS failure
FROM unnest(ARRAY[
    '', ' ', 'null', '[]', '5', '"input_tokens"', '{', '{"', '{"input_tokens', '{"input_tokens"', '{"input_tokens":',
    '{"input_tokens":1', '{"input_tokens":1,', '{"input_tokens":1,}', '{,}', '{"input_tokens" 1}', '{"input_tokens"::1}',
    '{input_tokens:1}', '{''input_tokens'':1}', '{"input_tokens":1 "output_tokens":2}', '{"input_tokens":1};',
    '{"input_tokens":1}}', '{"input_tokens":1}{}', '{"input_tokens":1} x',
    '{"input_tokens":01}', '{"input_tokens":1.}', '{"input_tokens":.5}', '{"input_tokens":+1}', '{"input_tokens":1e}',
    '{"input_tokens":1e+}', '{"input_tokens":--1}', '{"input_tokens":-}', '{"input_tokens":0x10}', '{"input_tokens":1_000}',
    '{"input_tokens":NaN}', '{"input_tokens":Infinity}', '{"input_tokens":-Infinity}',
    '{"input_tokens":"1"}', '{"input_tokens":null}', '{"input_tokens":true}', '{"input_tokens":false}',
    '{"input_tokens":[1]}', '{"input_tokens":{"cached":1}}', '{"input_tokens":{}}',
    '{"input_tokens":-1}', '{"credits":-0.000001}',
    '{"input_tokens":1.5}', '{"requests":0.000001}', '{"input_tokens":1e-1}', '{"input_tokens":1e17,"output_tokens":123456789012345678.5}',
    '{"credits":0.0000001}', '{"credits":1e-7}', '{"credits":1.1234567}', '{"credits":1e-400000000000}',
    '{"credits":1000000000000000000000000000000}', '{"credits":1e30}', '{"credits":999999999999999999999999999999.9999999}',
    '{"credits":1e400000000000}', '{"credits":170141183460469231731687303715884.105728}',
    '{"credits":340282366920938463463374607431768.211457}',
    '{"credits":99999999999999999999999999999999999999999999999999999999}',
    '{"input_tokens":1,"input_tokens":1}', '{"zeta":1,"output_tokens":1,"zeta":2}',
    '{"":1}', '{"Input_Tokens":1}', '{"input tokens":1}', '{"1st":1}', '{"_x":1}', '{"input-tokens":1}', '{"été":1}',
    '{"input\u005ftokens":1}', '{"in\"put":1}', E'{"in\nput":1}', E'{"in\tput":1}',
    '{"a' || repeat('0', 63) || '":1}',
    '{"' || repeat('x', 150) || '":1}',
    '{"input_tokens":1, ' || repeat('?', 150)
]) WITH ORDINALITY AS t(input, n)
ORDER BY n;
\a
SELECT left(pg_temp.failure(format('SELECT %L::aiusage.usage', input)), 100) AS failure
FROM unnest(ARRAY[repeat('{"a":', 100000), '{"a":' || repeat('[', 100000), repeat('[', 1000000),
    '{' || (SELECT string_agg(format('"u%s":%s', i, i), ',') FROM generate_series(1, 100001) AS i) || '}']) AS t(input);

-- Every way a quantity is written is the same number to numeric.
SELECT n, pg_temp.failure(format('SELECT ''{"credits":%s}''::aiusage.usage', n)) AS failure,
       (format('{"credits":%s}', n)::usage -> 'credits') = n::numeric AS equal
FROM unnest(ARRAY['0', '0.0', '0e5', '0.000e-9', '1e0', '1E+2', '12.5e1', '0.00001e1', '100e-2', '1.000000000000',
                  '123456789012345678', '999999999999999999', '12345678901234567e1', '0.000001', '1234567.000001',
                  '1000000000e8', '0.00000000000000000000000000000000000000000000000000001e50']) AS t(n);

-- jsonb, both ways
SELECT '{"output_tokens":1,"input_tokens":2.0,"x":0.5}'::jsonb::usage, '{"output_tokens":1,"input_tokens":2,"x":0.5}'::usage::jsonb;
SELECT '{}'::jsonb::usage, '{}'::usage::jsonb;
SELECT pg_temp.failure(format('SELECT %L::jsonb::aiusage.usage', j)) AS failure
FROM unnest(ARRAY['[]', 'null', '1', '{"a":null}', '{"a":-1}', '{"a":1e131071}', '{"a":{"b":1}}', '{"a\"b":1}']) AS t(j);
CREATE TEMP TABLE types_assign (u usage, j jsonb);
INSERT INTO types_assign SELECT '{"a":1}'::jsonb, '{"b":2}'::usage;
SELECT * FROM types_assign;

-- Constructors
SELECT usage('input_tokens', 5), usage('credits', 0.25), usage('my_unit', 1e3);
SELECT usage(ARRAY['output_tokens', 'input_tokens'], ARRAY[1, 2]), usage('{}'::text[], '{}'::numeric[]);
SELECT usage(NULL::text, 5) IS NULL AS n1, usage('input_tokens', NULL::numeric) IS NULL AS n2;
SELECT pg_temp.failure(command) AS failure
FROM unnest(ARRAY[
    $$SELECT aiusage.usage('input_tokens', -1)$$,
    $$SELECT aiusage.usage('input_tokens', 0.5)$$,
    $$SELECT aiusage.usage('credits', 'NaN')$$,
    $$SELECT aiusage.usage('credits', 'Infinity')$$,
    $$SELECT aiusage.usage('credits', '-Infinity')$$,
    $$SELECT aiusage.usage('credits', 1e30)$$,
    $$SELECT aiusage.usage('credits', 1e1000)$$,
    $$SELECT aiusage.usage('credits', 0.0000001)$$,
    $$SELECT aiusage.usage('Not a unit', 1)$$,
    $$SELECT aiusage.usage('', 1)$$,
    $$SELECT aiusage.usage(ARRAY['a', 'b'], ARRAY[1])$$,
    $$SELECT aiusage.usage(ARRAY['a', 'a'], ARRAY[1, 2])$$,
    $$SELECT aiusage.usage(ARRAY['a', NULL], ARRAY[1, 2])$$,
    $$SELECT aiusage.usage(ARRAY['a', 'b'], ARRAY[1, NULL])$$,
    $$SELECT aiusage.usage(ARRAY[['a', 'b']], ARRAY[[1, 2]])$$,
    $$SELECT aiusage.usage(ARRAY['a'], ARRAY[-1])$$
]) AS t(command);

-- Looking into one
SELECT u -> 'input_tokens' AS it, u -> 'output_tokens' AS ot, u -> 'zeta' AS zeta, u -> 'alpha' AS alpha, u -> 'Not a unit' AS none,
       u -> 'cache_read_tokens' AS cr, quantity(u, 'credits') AS credits
FROM (VALUES ('{"input_tokens":4740,"output_tokens":0,"credits":12.345678,"zeta":7}'::usage)) AS t(u);
SELECT quantity('{"a":999999999999999999999999999999.999999,"credits":123456789012345678}', 'a'), '{"a":1}'::usage -> 'aa';
SELECT units('{"zeta":1,"output_tokens":2,"input_tokens":3}'), units('{}');
SELECT * FROM unnest_usage('{"zeta":1.5,"output_tokens":2,"input_tokens":3,"credits":0.000001}');
SELECT * FROM unnest_usage('{}');
SELECT n, (unnest_usage(u)).* FROM (VALUES (1, '{"a":1,"b":2}'::usage), (2, '{}'), (3, '{"input_tokens":9}'), (4, NULL)) AS t(n, u);

-- Arithmetic
SELECT '{"input_tokens":1,"b":1}'::usage + '{"output_tokens":2,"a":1.5,"b":0.5}', '{}'::usage + '{"a":1}', '{"a":1}'::usage + '{}';
SELECT '{"input_tokens":5,"b":1}'::usage - '{"input_tokens":2,"b":1}', '{"a":1}'::usage - '{"b":0}', '{}'::usage - '{}';
SELECT pg_temp.failure(command) AS failure
FROM unnest(ARRAY[
    $$SELECT '{"a":1}'::aiusage.usage OPERATOR(aiusage.-) '{"a":2}'$$,
    $$SELECT '{"a":1}'::aiusage.usage OPERATOR(aiusage.-) '{"b":0.000001}'$$,
    $$SELECT '{"a":999999999999999999999999999999}'::aiusage.usage OPERATOR(aiusage.+) '{"a":1}'$$
]) AS t(command);
SELECT '{"a":999999999999999999999999999999}'::usage + '{"a":0.999999}';

-- Comparison
SELECT '{"a":1,"b":2}'::usage = '{"b":2.0,"a":1e0}' AS same, '{"a":1}'::usage = '{"a":1,"b":0}' AS zero_counts,
       '{"a":1}'::usage <> '{"a":2}' AS different, '{}'::usage = '{}' AS empty,
       usage_hash('{"a":1,"b":2}') = usage_hash('{"b":2,"a":1}') AS hash,
       usage_hash_extended('{"a":1}', 0) = usage_hash_extended('{"a":1.0}', 0) AS hash_extended,
       usage_hash_extended('{"a":1}', 0)::bit(32) = usage_hash('{"a":1}')::bit(32) AS hash_compatible;
-- The order is total: exactly one of <, =, > holds; sorting agrees with it.
WITH v AS (SELECT DISTINCT format('{"input_tokens":%s,"z%s":%s}', pg_temp.pick(i, 'a', 3), pg_temp.pick(i, 'b', 3), pg_temp.pick(i, 'c', 400))::usage AS u
           FROM generate_series(1, 60) AS i)
SELECT bool_and((a.u < b.u)::int + (a.u = b.u)::int + (a.u > b.u)::int = 1) AS trichotomy,
       bool_and((a.u <= b.u) = NOT (a.u > b.u)) AS le, bool_and((a.u >= b.u) = NOT (a.u < b.u)) AS ge,
       bool_and((a.u <> b.u) = NOT (a.u = b.u)) AS ne, bool_and(sign(usage_cmp(a.u, b.u)) = -sign(usage_cmp(b.u, a.u))) AS antisymmetric
FROM v AS a, v AS b;

-- sum(): against numeric, serial, hashed, parallel
CREATE TABLE types_usage_rows (g int, it bigint, cr bigint, ot bigint, cu numeric, u usage);
ALTER TABLE types_usage_rows SET (parallel_workers = 2);
INSERT INTO types_usage_rows
SELECT i % 7, it, cr, ot, cu,
       format('{"output_tokens":%s,"input_tokens":%s%s,"custom_%s":%s}', ot, it,
              CASE WHEN cr > 0 THEN format(',"cache_read_tokens":%s', cr) END, i % 3, cu)::usage
FROM (SELECT i, pg_temp.pick(i, 'it', 1000000000000) AS it, pg_temp.pick(i, 'cr', 4) * 1000 AS cr,
             pg_temp.pick(i, 'ot', 5000) AS ot, pg_temp.pick(i, 'cu', 1000000000) / 1000000.0 AS cu
      FROM generate_series(1, 20000) AS i) AS s;
INSERT INTO types_usage_rows VALUES (100, NULL, NULL, NULL, NULL, NULL);
ANALYZE types_usage_rows;

SELECT sum(u) IS NULL AS null_of_none FROM types_usage_rows WHERE g = -1;
SELECT sum(u) IS NULL AS null_of_nulls FROM types_usage_rows WHERE g = 100;
SELECT s -> 'input_tokens' = it AS it, s -> 'cache_read_tokens' = cr AS cr, s -> 'output_tokens' = ot AS ot,
       (s -> 'custom_0') + (s -> 'custom_1') + (s -> 'custom_2') = cu AS cu
FROM (SELECT sum(u) AS s, sum(it) AS it, sum(cr) AS cr, sum(ot) AS ot, sum(cu) AS cu FROM types_usage_rows) AS t;
CREATE TEMP TABLE types_usage_sums AS
SELECT g, sum(u) AS u, count(DISTINCT u) AS different FROM types_usage_rows GROUP BY g;
SELECT g, different, (u -> 'input_tokens') = (SELECT sum(it) FROM types_usage_rows AS r WHERE r.g = s.g) AS equal
FROM types_usage_sums AS s ORDER BY g;

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT sum(u) FROM types_usage_rows;
SELECT p.u = s.u AS parallel_equals_serial
FROM (SELECT sum(u) AS u FROM types_usage_rows) AS p, (SELECT sum(u) AS u FROM types_usage_sums) AS s;
SELECT count(*) FROM (SELECT g, sum(u) AS u FROM types_usage_rows GROUP BY g) AS p JOIN types_usage_sums AS s USING (g)
WHERE p.u = s.u OR p.g = 100;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

SELECT (sum(u)) - (sum(u) FILTER (WHERE g = 1)) = sum(u) FILTER (WHERE g <> 1) AS inverse FROM types_usage_rows;
SELECT n, sum(u) OVER (ORDER BY n ROWS 1 PRECEDING)
FROM (VALUES (1, '{"a":1}'::usage), (2, '{"b":1}'), (3, NULL), (4, '{"a":2}')) AS t(n, u);
SELECT pg_temp.failure($$SELECT aiusage.sum(u) FROM (VALUES ('{"a":999999999999999999999999999999}'::aiusage.usage), ('{"a":1}')) AS t(u)$$);

-- Grouping, sorting and joins, whatever the plan
SET enable_hashagg = off;
SELECT count(*) AS sorted FROM (SELECT DISTINCT u FROM types_usage_rows) AS t;
RESET enable_hashagg;
SET enable_sort = off;
SELECT count(*) AS hashed FROM (SELECT DISTINCT u FROM types_usage_rows) AS t;
RESET enable_sort;
CREATE INDEX types_usage_btree ON types_usage_rows USING btree (u);
CREATE INDEX types_usage_hash ON types_usage_rows USING hash (u);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
DROP INDEX types_usage_hash;
EXPLAIN (COSTS OFF) SELECT count(*) FROM types_usage_rows WHERE u = '{"a":1}';
SELECT bool_and(n = 1) AS found FROM (SELECT (SELECT count(*) FROM types_usage_rows AS b WHERE b.u = a.u) AS n
    FROM (SELECT u FROM types_usage_rows WHERE u IS NOT NULL LIMIT 100) AS a) AS t;
DROP INDEX types_usage_btree;
CREATE INDEX types_usage_hash ON types_usage_rows USING hash (u);
EXPLAIN (COSTS OFF) SELECT count(*) FROM types_usage_rows WHERE u = '{"a":1}';
SELECT bool_and(n = 1) AS found FROM (SELECT (SELECT count(*) FROM types_usage_rows AS b WHERE b.u = a.u) AS n
    FROM (SELECT u FROM types_usage_rows WHERE u IS NOT NULL LIMIT 100) AS a) AS t;
RESET enable_seqscan;
RESET enable_bitmapscan;
DROP TABLE types_usage_rows;

-- Large values: many units, compressed and out of line
CREATE TABLE types_usage_large (n int, u usage);
INSERT INTO types_usage_large
SELECT n, usage(array_agg('unit_' || i), array_agg(i * n + i * n / 1000000.0))
FROM generate_series(1, 3) AS n, generate_series(1, 5000) AS i GROUP BY n;
SELECT n, pg_column_size(u) > 2000 AS large, cardinality(units(u)), u -> 'unit_4999', u::text::usage = u AS text, u::jsonb::usage = u AS jsonb
FROM types_usage_large ORDER BY n;
SELECT sum(u) -> 'unit_5000', count(DISTINCT u) FROM types_usage_large;
SELECT (a.u + b.u) = c.u FROM types_usage_large AS a, types_usage_large AS b, types_usage_large AS c WHERE a.n = 1 AND b.n = 2 AND c.n = 3 AND (c.u -> 'unit_1') IS NOT NULL;
DROP TABLE types_usage_large;

-- Bytes: a version, then a tag and a varint a unit; 4740 tokens are three bytes
SELECT usage_send('{"input_tokens":4740,"audio_seconds":1.5,"x":0}'), pg_column_size('{"input_tokens":4740,"cache_write_tokens":4735,"output_tokens":255}'::usage);
