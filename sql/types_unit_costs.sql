--
-- aiusage.unit_costs
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
SELECT '{"USD": {"input_tokens": 0.01422, "output_tokens": 0.0038}}'::unit_costs;
SELECT ' { "EUR" : { "zeta" :-1.50, "output_tokens":1e-12 ,"input_tokens":0 } } '::unit_costs;
SELECT '{"USD": {}}'::unit_costs, '{"USD":{"a":-0}}'::unit_costs;
SELECT '{"USD":{"a":9999999999999999999999999.999999999999,"b":-9999999999999999999999999.999999999999}}'::unit_costs;
\a
SELECT input, pg_temp.failure(format('SELECT %L::aiusage.unit_costs', input)) AS failure
FROM unnest(ARRAY['', '{}', 'null', '[]', '{"USD"}', '{"USD":}', '{"USD":1}', '{"USD":null}', '{"USD":[]}', '{"USD":{}', '{"USD":{}}}', '{"USD":{}} x',
    '{"USD":{},"EUR":{}}', '{"USD":{},}', '{"usd":{}}', '{"":{}}', '{"DOLLAR":{}}', '{"input_tokens":1}',
    '{"USD":{"a":1,"a":2}}', '{"USD":{"a":"1"}}', '{"USD":{"a":null}}', '{"USD":{"a":NaN}}', '{"USD":{"a":Infinity}}', '{"USD":{"a":{}}}', '{"USD":{"a":1,}}',
    '{"USD":{"A":1}}', '{"USD":{"a":0.0000000000001}}', '{"USD":{"a":1e-13}}', '{"USD":{"a":10000000000000000000000000}}',
    '{"USD":{"a":-10000000000000000000000000}}', '{"USD":{"a":1e30}}', '{"USD":{"a":1e999999999999}}', '{"USD":{"a":01}}', '{"USD":{"a":.1}}']) AS t(input);
\a
SELECT left(pg_temp.failure(format('SELECT %L::aiusage.unit_costs', repeat('{"USD":', 100000))), 60);

-- jsonb, both ways
SELECT '{"USD":{"output_tokens":0.5,"input_tokens":1}}'::jsonb::unit_costs, '{"USD":{"output_tokens":0.5,"input_tokens":1}}'::unit_costs::jsonb;
SELECT pg_temp.failure(format('SELECT %L::jsonb::aiusage.unit_costs', j)) AS failure FROM unnest(ARRAY['{}', '{"USD":{},"EUR":{}}', '{"USD":{"a":1e131071}}']) AS t(j);

-- Constructor
SELECT unit_costs(ARRAY['output_tokens', 'input_tokens', 'x'], ARRAY[0.1, -0.2, 3e-12], 'USD'), unit_costs('{}', '{}', 'EUR'), unit_costs(NULL, '{}', 'EUR') IS NULL;
\a
SELECT pg_temp.failure(command) AS failure
FROM unnest(ARRAY[
    $$SELECT aiusage.unit_costs(ARRAY['a'], ARRAY[1], 'usd')$$,
    $$SELECT aiusage.unit_costs(ARRAY['a'], ARRAY[1, 2], 'USD')$$,
    $$SELECT aiusage.unit_costs(ARRAY['a', 'a'], ARRAY[1, 2], 'USD')$$,
    $$SELECT aiusage.unit_costs(ARRAY['a', NULL], ARRAY[1, 2], 'USD')$$,
    $$SELECT aiusage.unit_costs(ARRAY[['a']], ARRAY[[1]], 'USD')$$,
    $$SELECT aiusage.unit_costs(ARRAY['A'], ARRAY[1], 'USD')$$,
    $$SELECT aiusage.unit_costs(ARRAY['a'], ARRAY['NaN'::numeric], 'USD')$$,
    $$SELECT aiusage.unit_costs(ARRAY['a'], ARRAY['Infinity'::numeric], 'USD')$$,
    $$SELECT aiusage.unit_costs(ARRAY['a'], ARRAY[1e-13], 'USD')$$,
    $$SELECT aiusage.unit_costs(ARRAY['a'], ARRAY[1e25], 'USD')$$,
    $$SELECT aiusage.unit_costs(ARRAY['a'], ARRAY[1e100], 'USD')$$]) AS t(command);
\a

-- Looking into one
SELECT c -> 'input_tokens' AS it, c -> 'zeta' AS zeta, c -> 'output_tokens' AS ot, c -> 'Not a unit' AS none, cost(c, 'zeta'), total(c), currency(c)
FROM (VALUES ('{"USD":{"input_tokens":0.01422,"zeta":-0.5}}'::unit_costs)) AS t(c);
SELECT total('{"JPY":{}}'), currency('{"JPY":{}}'::unit_costs);
SELECT * FROM unnest_costs('{"USD":{"zeta":-0.5,"output_tokens":0.0038,"input_tokens":0.01422}}');
SELECT * FROM unnest_costs('{"USD":{}}');
SELECT n, (unnest_costs(c)).* FROM (VALUES (1, '{"USD":{"a":1,"b":2}}'::unit_costs), (2, '{"USD":{}}'), (3, '{"EUR":{"input_tokens":9}}'), (4, NULL)) AS t(n, c);

-- a sum may be more than an amount holds
SELECT * FROM unnest_costs('{"USD":{"a":5192296858534827628530.496329220095,"b":-5192296858534827628531}}');

-- Arithmetic
SELECT '{"USD":{"input_tokens":1,"b":1}}'::unit_costs + '{"USD":{"output_tokens":2,"b":-1}}', '{"USD":{}}'::unit_costs + '{"USD":{"a":1}}';
SELECT '{"USD":{"input_tokens":1,"b":1}}'::unit_costs - '{"USD":{"output_tokens":2,"b":1}}', -'{"USD":{"a":1,"b":-2,"c":0}}'::unit_costs, negate('{"USD":{}}'::unit_costs);
\a
SELECT pg_temp.failure(command) AS failure
FROM unnest(ARRAY[
    $$SELECT '{"USD":{"a":1}}'::aiusage.unit_costs OPERATOR(aiusage.+) '{"EUR":{"a":1}}'$$,
    $$SELECT '{"USD":{"a":1}}'::aiusage.unit_costs OPERATOR(aiusage.-) '{"EUR":{}}'$$,
    $$SELECT '{"USD":{"a":9999999999999999999999999}}'::aiusage.unit_costs OPERATOR(aiusage.+) '{"USD":{"a":1}}'$$,
    $$SELECT aiusage.total('{"USD":{"a":5192296858534827628530,"b":1}}')$$,
    $$SELECT aiusage.cost('{"USD":{"a":5192296858534827628531}}', 'a')$$]) AS t(command);
\a

-- Comparison
SELECT '{"USD":{"a":1,"b":2}}'::unit_costs = '{"USD":{"b":2.0,"a":1e0}}' AS same, '{"USD":{}}'::unit_costs = '{"EUR":{}}' AS other_currency,
       '{"USD":{"a":1}}'::unit_costs <> '{"USD":{"a":1,"b":0}}' AS zero_counts, unit_costs_hash('{"USD":{"a":1,"b":2}}') = unit_costs_hash('{"USD":{"b":2,"a":1}}') AS hash,
       unit_costs_hash_extended('{"USD":{"a":1}}', 0)::bit(32) = unit_costs_hash('{"USD":{"a":1}}')::bit(32) AS hash_compatible;
WITH v AS (SELECT DISTINCT format('{"%s":{"input_tokens":%s,"z%s":%s}}', (ARRAY['USD', 'EUR'])[i % 2 + 1], pg_temp.pick(i, 'a', 3), pg_temp.pick(i, 'b', 3), pg_temp.pick(i, 'c', 400) - 200)::unit_costs AS u
           FROM generate_series(1, 60) AS i)
SELECT bool_and((a.u < b.u)::int + (a.u = b.u)::int + (a.u > b.u)::int = 1) AS trichotomy,
       bool_and((a.u <= b.u) = NOT (a.u > b.u)) AS le, bool_and((a.u >= b.u) = NOT (a.u < b.u)) AS ge,
       bool_and((a.u <> b.u) = NOT (a.u = b.u)) AS ne, bool_and(sign(unit_costs_cmp(a.u, b.u)) = -sign(unit_costs_cmp(b.u, a.u))) AS antisymmetric
FROM v AS a, v AS b;

-- Every magnitude and sign survives bytes and text: trailing zeros are packed away
SELECT count(*), count(*) FILTER (WHERE (SELECT u.cost FROM unnest_costs(c) AS u) = v) AS values, count(*) FILTER (WHERE c::text::unit_costs = c) AS texts,
       count(*) FILTER (WHERE c::jsonb::unit_costs = c) AS jsonbs
FROM (SELECT v, unit_costs(ARRAY['a'], ARRAY[v], 'USD') AS c
      FROM generate_series(-12, 23) AS e, unnest(ARRAY[0, 1, -1, 2, 7, -9.99, 1.001, 5.12, -3.141592653589]) AS m,
           LATERAL (SELECT trunc(m * 10::numeric ^ e, 12) AS v) AS x) AS t;
SELECT pg_column_size('{"USD": {"input_tokens": 0.01422, "output_tokens": 0.0038}}'::unit_costs), unit_costs_send('{"USD": {"input_tokens": 0.01422, "x": -1}}');

-- sum(): against numeric, serial, grouped, parallel
CREATE TABLE types_costs_rows (g int, it numeric, ot numeric, x numeric, c unit_costs);
ALTER TABLE types_costs_rows SET (parallel_workers = 2);
INSERT INTO types_costs_rows
SELECT i % 7, it, ot, x, unit_costs(ARRAY['output_tokens', 'input_tokens', 'custom_' || i % 3], ARRAY[ot, it, x], (ARRAY['USD', 'EUR'])[i % 7 % 2 + 1])
FROM (SELECT i, pg_temp.pick(i, 'it', 1000000000000) / 1000000000000.0 AS it, pg_temp.pick(i, 'ot', 5000) / 10000.0 AS ot,
             (pg_temp.pick(i, 'x', 1000000000) - 500000000) * 1000.0 AS x FROM generate_series(1, 20000) AS i) AS s;
INSERT INTO types_costs_rows VALUES (100, NULL, NULL, NULL, NULL);
ANALYZE types_costs_rows;
SELECT sum(c) IS NULL AS null_of_nulls FROM types_costs_rows WHERE g = 100;
CREATE TEMP TABLE types_costs_sums AS SELECT g, sum(c) AS c FROM types_costs_rows GROUP BY g;
SELECT g, currency(s.c), (s.c -> 'input_tokens')::numeric = r.it AS it, (s.c -> 'output_tokens')::numeric = r.ot AS ot,
       (s.c -> 'custom_0')::numeric + (s.c -> 'custom_1')::numeric + (s.c -> 'custom_2')::numeric = r.x AS x, total(s.c)::numeric = r.it + r.ot + r.x AS total
FROM types_costs_sums AS s JOIN (SELECT g, sum(it) AS it, sum(ot) AS ot, sum(x) AS x FROM types_costs_rows GROUP BY g) AS r USING (g) ORDER BY g;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT sum(c) FROM types_costs_rows WHERE g % 2 = 0;
SELECT p.c = s.c AS parallel_equals_serial
FROM (SELECT sum(c) AS c FROM types_costs_rows WHERE g % 2 = 1) AS p, (SELECT sum(c) AS c FROM types_costs_sums WHERE g % 2 = 1) AS s;
SELECT count(*) FROM (SELECT g, sum(c) AS c FROM types_costs_rows GROUP BY g) AS p JOIN types_costs_sums AS s USING (g) WHERE p.c = s.c;
SELECT pg_temp.failure('SELECT aiusage.sum(c) FROM types_costs_rows') LIKE 'UA422 | amounts are in different currencies%' AS mixed_parallel;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
SELECT sum(c) FROM unnest(ARRAY['{"USD":{}}', '{"USD":{}}']::unit_costs[]) AS t(c);
\a
SELECT pg_temp.failure($$SELECT aiusage.sum(c) FROM unnest(ARRAY['{"USD":{}}', '{"EUR":{}}']::aiusage.unit_costs[]) AS t(c)$$);
SELECT pg_temp.failure($$SELECT aiusage.sum(c) FROM unnest(ARRAY['{"USD":{"a":9999999999999999999999999}}', '{"USD":{"a":1}}']::aiusage.unit_costs[]) AS t(c)$$);
SELECT pg_temp.failure($$SELECT aiusage.sum('{"USD":{"a":5192296858534827628530}}'::aiusage.unit_costs) FROM generate_series(1, 40000)$$);
SELECT pg_temp.failure($$SELECT aiusage.sum('{"USD":{"a":9999999999999999999999999}}'::aiusage.unit_costs) FROM generate_series(1, 40)$$);
\a

-- Grouping, sorting and indexes
SET enable_hashagg = off;
SELECT count(*) AS sorted FROM (SELECT DISTINCT c FROM types_costs_rows) AS t;
RESET enable_hashagg;
SET enable_sort = off;
SELECT count(*) AS hashed FROM (SELECT DISTINCT c FROM types_costs_rows) AS t;
RESET enable_sort;
CREATE INDEX types_costs_hash ON types_costs_rows USING hash (c);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT g FROM types_costs_rows WHERE c = '{"USD":{}}';
DROP INDEX types_costs_hash;
CREATE INDEX types_costs_btree ON types_costs_rows (c);
EXPLAIN (COSTS OFF) SELECT g FROM types_costs_rows WHERE c = '{"USD":{}}';
SELECT bool_and(n = 1) AS found FROM (SELECT (SELECT count(*) FROM types_costs_rows AS b WHERE b.c = a.c) AS n
    FROM (SELECT c FROM types_costs_rows WHERE c IS NOT NULL LIMIT 100) AS a) AS t;
RESET enable_seqscan;
RESET enable_bitmapscan;
DROP TABLE types_costs_rows;

-- Large values
CREATE TABLE types_costs_large (n int, c unit_costs);
INSERT INTO types_costs_large SELECT n, unit_costs(array_agg('unit_' || i), array_agg(i * n / 1000000.0), 'USD')
FROM generate_series(1, 3) AS n, generate_series(1, 5000) AS i GROUP BY n;
SELECT n, pg_column_size(c) > 2000 AS large, total(c), c::text::unit_costs = c AS text FROM types_costs_large ORDER BY n;
SELECT (a.c + b.c) = c.c AS plus, (c.c - b.c) = a.c AS minus FROM types_costs_large AS a, types_costs_large AS b, types_costs_large AS c WHERE a.n = 1 AND b.n = 2 AND c.n = 3;
DROP TABLE types_costs_large;
