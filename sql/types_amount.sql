--
-- aiusage.amount
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
-- The oracle of every rounding: half-even at 12 decimals, of an exact numeric.
CREATE FUNCTION pg_temp.half_even(n numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT (t + CASE WHEN abs(n * 1e12 - t) > 0.5 OR (abs(n * 1e12 - t) = 0.5 AND t % 2 <> 0) THEN sign(n) ELSE 0 END) * 1e-12
    FROM trunc(n * 1e12) AS t $$;

-- Text
SELECT '0.021596250000 USD'::amount, '-1.5 USD'::amount, '0 EUR'::amount, '-0.00 EUR'::amount, '1e3 JPY'::amount, '1E-12 USD'::amount;
SELECT '  12.50   USD  '::amount, E'\t7\nZZZ\n'::amount, '007.10 AAA'::amount, '0.0000000000010000 USD'::amount;
SELECT '5192296858534827628530.496329220095 USD'::amount, '-5192296858534827628530.496329220095 USD'::amount;
SELECT '9223372036854775807 USD'::amount, '-9223372036854775808 USD'::amount, '9223372.036854775807 USD'::amount, '18446744.073709551616 USD'::amount;
\a
SELECT input, pg_temp.failure(format('SELECT %L::aiusage.amount', input)) AS failure
FROM unnest(ARRAY['', ' ', '1', 'USD', '1USD', '1 usd', '1 US', '1 USDX', '1 U$D', '1 EU R', 'USD 1', '1 USD USD', '$1', '1,5 USD', '1.5.5 USD',
    '.5 USD', '5. USD', '+5 USD', '--5 USD', '- 5 USD', '1e USD', '1e+ USD', '0x10 USD', '1_000 USD', 'NaN USD', 'Infinity USD', '-Infinity USD',
    '1 ÜSD', '0.0000000000001 USD', '-1.0000000000001 USD', '1e-13 USD', '5192296858534827628530.496329220096 USD',
    '-5192296858534827628530.496329220096 USD', '1e22 USD', '1e131071 USD', '1e99999999999999999999 USD', '1e-99999999999999999999 USD',
    '170141183460469231731687303.715884105728 USD', '340282366920938463463374607.431768211457 USD',
    '999999999999999999999999999.999999999999 USD', repeat('9', 200) || ' USD', repeat('é', 100)]) AS t(input);
\a
SELECT '-0.000000000000000000000000000000 USD'::amount, '0e999999999999999 USD'::amount;

-- From numeric, rounded half-even; to numeric, exact
SELECT n, amount(n, 'USD'), amount(n, 'USD')::numeric = pg_temp.half_even(n) AS equal
FROM unnest(ARRAY[0, 1, -1.50, 0.0000000000005, 0.0000000000015, 0.0000000000025, -0.0000000000005, -0.0000000000015,
    0.00000000000050000000000000000001, 0.0000000000004999999999999999999999, 0.0000000000009, 0.9999999999995, 0.99999999999949,
    1e-30, -1e-30, 123456789.1234567890125, 2.5e-12, 3.5e-12, 9223372.036854775807, 9223372036854775808,
    5192296858534827628530.4963292200954]::numeric[]) AS t(n);
SELECT aiusage.currency('1 USD') AS of_a_literal;
SELECT currency('1 USD'::amount), currency('0 AAA'::amount), currency('-1 ZZZ'::amount), amount(1, NULL) IS NULL AS n1, amount(NULL, 'USD') IS NULL AS n2;
SELECT '0.02159625 USD'::amount::text, '1.500 USD'::amount::numeric, '5192296858534827628530.496329220095 USD'::amount::numeric, '1000 USD'::amount::numeric;
\a
SELECT pg_temp.failure(command) AS failure
FROM unnest(ARRAY[
    $$SELECT aiusage.amount('NaN', 'USD')$$, $$SELECT aiusage.amount('Infinity', 'USD')$$, $$SELECT aiusage.amount('-Infinity', 'USD')$$,
    $$SELECT aiusage.amount(1e22, 'USD')$$, $$SELECT aiusage.amount(5192296858534827628530.4963292200955, 'USD')$$, $$SELECT aiusage.amount(1e1000, 'USD')$$,
    $$SELECT aiusage.amount(1, 'usd')$$, $$SELECT aiusage.amount(1, '')$$, $$SELECT aiusage.amount(1, 'US')$$, $$SELECT aiusage.amount(1, 'DOLLAR')$$,
    $$SELECT aiusage.amount(0.1::float8, 'USD')$$, $$SELECT 1::numeric::aiusage.amount$$]) AS t(command);
\a
-- The currency is never lost in silence: a cast to numeric is written out.
CREATE TEMP TABLE types_amount_numeric (n numeric);
INSERT INTO types_amount_numeric VALUES ('1 USD'::amount);

-- Arithmetic
SELECT '0.1 USD'::amount + '0.2 USD', '0.1 USD'::amount - '0.3 USD', -'5 USD'::amount, -'0 USD'::amount, abs('-2.5 USD'::amount), abs('2.5 USD'::amount),
       sign('-2 USD'::amount), sign('0 USD'::amount), sign('0.000000000001 USD'::amount), negate('1 USD'::amount);
SELECT '1 USD'::amount * 3, 3 * '1 USD'::amount, '0.000003 USD'::amount * 4740, '1 USD'::amount * 0.000000000001, '1 USD'::amount * -0.5, '0 USD'::amount * 1e30;
SELECT '1 USD'::amount / 3, '2 USD'::amount / 3, '-2 USD'::amount / 3, '1 USD'::amount / 1e12, '1 USD'::amount / 1e30, '0 USD'::amount / 7, '10 USD'::amount / 0.1;
SELECT '1 USD'::amount / '3 USD'::amount, '-9 USD'::amount / '3 USD'::amount, '0 USD'::amount / '5 USD'::amount, '5192296858534827628530.496329220095 USD'::amount / '0.000000000001 USD'::amount;
-- ties
SELECT '0.000000000001 USD'::amount * 0.5 AS even_0, '0.000000000003 USD'::amount * 0.5 AS even_2, '-0.000000000001 USD'::amount * 0.5 AS even_n0, '-0.000000000003 USD'::amount * 0.5 AS even_n2,
       '0.000000000001 USD'::amount / 2 AS even_d0, '0.000000000003 USD'::amount / 2 AS even_d2, '0.000000000005 USD'::amount / 2 AS even_d2b, '-0.000000000003 USD'::amount / 2 AS even_dn2,
       '0.000000000003 USD'::amount / -2 AS even_dn2b, '-0.000000000003 USD'::amount / -2 AS even_d2c;
\a
SELECT pg_temp.failure(command) AS failure
FROM unnest(ARRAY[
    $$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage.+) '1 EUR'$$, $$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage.-) '1 EUR'$$,
    $$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage./) '1 EUR'::aiusage.amount$$,
    $$SELECT '5192296858534827628530.496329220095 USD'::aiusage.amount OPERATOR(aiusage.+) '0.000000000001 USD'$$,
    $$SELECT '-5192296858534827628530.496329220095 USD'::aiusage.amount OPERATOR(aiusage.-) '0.000000000001 USD'$$,
    $$SELECT '5192296858534827628530 USD'::aiusage.amount OPERATOR(aiusage.*) 2$$, $$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage.*) 1e100$$,
    $$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage./) 1e-30$$, $$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage./) 0$$,
    $$SELECT '0 USD'::aiusage.amount OPERATOR(aiusage./) 0.0$$, $$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage./) '0 USD'::aiusage.amount$$,
    $$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage.*) 'NaN'::numeric$$, $$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage.*) 'Infinity'::numeric$$,
    $$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage./) 'NaN'::numeric$$, $$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage./) '-Infinity'::numeric$$,
    $$SELECT '1 USD'::aiusage.amount OPERATOR(aiusage.*) 0.5::float8$$]) AS t(command);
\a

-- 5,000 products, quotients, sums and differences against numeric
WITH v AS (
    SELECT (pg_temp.pick(i, 'v', 1000000000000000) - 500000000000000) * (10::numeric ^ (pg_temp.pick(i, 'e', 9)::int - 12)) AS v,
           (pg_temp.pick(i, 'f', 2000000) - 1000000.5) * (10::numeric ^ (pg_temp.pick(i, 'g', 13)::int - 10)) AS f
    FROM generate_series(1, 5000) AS i),
a AS (SELECT v, f, amount(v, 'USD') AS a, amount(f, 'USD') AS b FROM v)
SELECT count(*),
       count(*) FILTER (WHERE a::numeric = pg_temp.half_even(v)) AS from_numeric,
       count(*) FILTER (WHERE (a * f)::numeric = pg_temp.half_even(a::numeric * f)) AS products,
       count(*) FILTER (WHERE (f * a) = a * f) AS commuted,
       -- the rounded quotient is at most half a last place off, and even if exactly that
       count(*) FILTER (WHERE abs(a::numeric - (a / f)::numeric * f) * 2 < abs(f) * 1e-12
                           OR (abs(a::numeric - (a / f)::numeric * f) * 2 = abs(f) * 1e-12 AND ((a / f)::numeric * 1e12) % 2 = 0)) AS quotients,
       count(*) FILTER (WHERE (a + b)::numeric = a::numeric + b::numeric) AS sums,
       count(*) FILTER (WHERE (a - b)::numeric = a::numeric - b::numeric) AS differences,
       count(*) FILTER (WHERE a / b = a::numeric / b::numeric) AS ratios,
       count(*) FILTER (WHERE (-a)::numeric = -(a::numeric) AND abs(a)::numeric = abs(a::numeric) AND sign(a) = sign(a::numeric)) AS signs,
       count(*) FILTER (WHERE a::text::amount = a) AS text_round_trips,
       count(*) FILTER (WHERE (a < b) = (a::numeric < b::numeric) AND (a <= b) = (a::numeric <= b::numeric)
                          AND (a > b) = (a::numeric > b::numeric) AND (a >= b) = (a::numeric >= b::numeric)
                          AND (a = b) = (a::numeric = b::numeric) AND (a <> b) = (a::numeric <> b::numeric)) AS comparisons
FROM a;
-- halves and thirds of odd and even values: ties, and nearly ties
SELECT count(*), count(*) FILTER (WHERE (a * 0.5)::numeric = pg_temp.half_even(a::numeric * 0.5)) AS halves,
       count(*) FILTER (WHERE (a / 2) = (a * 0.5) AND (a / 4) = (a * 0.25) AND (a / -8) = (a * -0.125)) AS quotients,
       count(*) FILTER (WHERE (a * 0.50000000000000000000000000001)::numeric = pg_temp.half_even(a::numeric * 0.50000000000000000000000000001)) AS above,
       count(*) FILTER (WHERE (a * 0.49999999999999999999999999999)::numeric = pg_temp.half_even(a::numeric * 0.49999999999999999999999999999)) AS below
FROM (SELECT amount(i * 1e-12, 'USD') AS a FROM generate_series(-500, 500) AS i) AS t;

-- Comparison: within a currency by value, across currencies an error; = and <> never fail
SELECT '1 USD'::amount = '1.0 USD' AS eq, '1 USD'::amount = '1 EUR' AS eq_other, '1 USD'::amount <> '1 EUR' AS ne_other,
       '-1 USD'::amount < '0.000000000001 USD' AS lt, '5192296858534827628530 USD'::amount > '-5192296858534827628530 USD' AS gt,
       amount_hash('1 USD') = amount_hash('1.00 USD') AS hash, amount_hash_extended('1 USD', 0)::bit(32) = amount_hash('1 USD')::bit(32) AS hash_compatible;
\a
SELECT pg_temp.failure(format('SELECT ''1 USD''::aiusage.amount OPERATOR(aiusage.%s) ''1 EUR''', op)) AS failure FROM unnest(ARRAY['<', '<=', '>', '>=', '=', '<>']) AS t(op);
\a
-- The order of sorts and indexes: by currency, then value
SELECT a FROM unnest('{1 USD,-5 USD,3 EUR,0 JPY,-1 EUR,0.5 USD,100 EUR}'::amount[]) AS t(a) ORDER BY a;
SELECT a FROM unnest('{1 USD,-5 USD,3 EUR,0 JPY,-1 EUR,0.5 USD,100 EUR}'::amount[]) AS t(a) ORDER BY a DESC;
WITH v AS (SELECT a FROM unnest('{1 USD,-5 USD,3 EUR,0 JPY,-1 EUR,1.0 USD,100 EUR,3 EUR}'::amount[]) AS t(a))
SELECT bool_and((a.a ~<~ b.a)::int + (a.a = b.a)::int + (a.a ~>~ b.a)::int = 1) AS trichotomy,
       bool_and((a.a ~<=~ b.a) = NOT (a.a ~>~ b.a) AND (a.a ~>=~ b.a) = NOT (a.a ~<~ b.a)) AS negations,
       bool_and((a.a ~<~ b.a) = ((currency(a.a) COLLATE "C", a.a::numeric) < (currency(b.a) COLLATE "C", b.a::numeric))) AS by_currency_and_value,
       bool_and(sign(amount_order(a.a, b.a)) = -sign(amount_order(b.a, a.a))) AS antisymmetric
FROM v AS a, v AS b;

-- A table of several currencies: statistics, grouping and joins work, whatever the plan
CREATE TABLE types_amount_rows (i int, c text, n numeric, a amount);
ALTER TABLE types_amount_rows SET (parallel_workers = 2);
INSERT INTO types_amount_rows
SELECT i, c, n, amount(n, c)
FROM (SELECT i, (ARRAY['USD', 'EUR', 'JPY'])[i % 3 + 1] AS c,
             (pg_temp.pick(i, 'n', 200000000000) - 100000000000)::numeric * (CASE WHEN i % 10 = 0 THEN 1000000000 ELSE 1 END) / 1000000000000.0 AS n
      FROM generate_series(1, 20000) AS i) AS s;
INSERT INTO types_amount_rows SELECT i, 'USD', NULL, NULL FROM generate_series(20001, 20010) AS i;
ANALYZE types_amount_rows;
-- a comparison comes after the conditions that keep currencies apart
SELECT count(*) = (SELECT count(*) FROM types_amount_rows WHERE c = 'USD' AND n > 0) AS by_column FROM types_amount_rows WHERE a > '0 USD' AND c = 'USD';
SELECT count(*) = (SELECT count(*) FROM types_amount_rows WHERE c = 'EUR' AND n <= 1) AS by_currency FROM types_amount_rows WHERE a <= '1 EUR' AND currency(a) = 'EUR';
SET enable_hashagg = off;
SELECT count(*) = (SELECT count(*) FROM (SELECT DISTINCT c, n FROM types_amount_rows WHERE n IS NOT NULL) AS t) AS sorted
FROM (SELECT DISTINCT a FROM types_amount_rows WHERE a IS NOT NULL) AS t;
RESET enable_hashagg;
SET enable_sort = off;
SELECT count(*) = (SELECT count(*) FROM (SELECT DISTINCT c, n FROM types_amount_rows WHERE n IS NOT NULL) AS t) AS hashed
FROM (SELECT DISTINCT a FROM types_amount_rows WHERE a IS NOT NULL) AS t;
RESET enable_sort;
CREATE TEMP TABLE types_amount_joins AS SELECT count(*) AS hashed FROM types_amount_rows AS x JOIN types_amount_rows AS y USING (a);
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT count(*) = (SELECT hashed FROM types_amount_joins) AS merged FROM types_amount_rows AS x JOIN types_amount_rows AS y USING (a);
RESET enable_hashjoin;
RESET enable_nestloop;
CREATE INDEX types_amount_btree ON types_amount_rows (a);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_indexonlyscan = off;
EXPLAIN (COSTS OFF) SELECT a FROM types_amount_rows WHERE a = '1 USD';
EXPLAIN (COSTS OFF) SELECT a FROM types_amount_rows ORDER BY a LIMIT 1;
EXPLAIN (COSTS OFF) SELECT a FROM types_amount_rows WHERE a ~>~ '1 USD';
SELECT count(*) = (SELECT count(*) FROM types_amount_rows WHERE c = 'USD' AND n > 0.05) AS range_by_index
FROM types_amount_rows WHERE a ~>~ '0.05 USD' AND a ~<=~ '5192296858534827628530 USD';
SELECT bool_and(found) FROM (SELECT EXISTS (SELECT FROM types_amount_rows AS y WHERE y.a = x.a AND y.i = x.i) AS found
    FROM (SELECT i, a FROM types_amount_rows WHERE a IS NOT NULL LIMIT 100) AS x) AS t;
-- comparison with a constant uses the index, within the constant's currency
EXPLAIN (COSTS OFF) SELECT a FROM types_amount_rows WHERE a > '0.05 USD';
EXPLAIN (COSTS OFF) SELECT a FROM types_amount_rows WHERE '0.05 USD' >= a AND a > '0 USD';
CREATE FUNCTION pg_temp.rows_where(condition text) RETURNS bigint LANGUAGE plpgsql AS
$$ DECLARE n bigint; BEGIN EXECUTE 'SELECT count(*) FROM types_amount_rows WHERE ' || condition INTO n; RETURN n; END $$;
SELECT op, bool_and(pg_temp.rows_where(format('a %s %L', op, n || ' ' || c)) = pg_temp.rows_where(format('c = %L AND n %s %s', c, op, n))) AS right_side,
       bool_and(pg_temp.rows_where(format('%L %s a', n || ' ' || c, op)) = pg_temp.rows_where(format('c = %L AND %s %s n', c, n, op))) AS left_side
FROM unnest(ARRAY['<', '<=', '>', '>=']) AS o(op),
     (SELECT c, n FROM types_amount_rows WHERE i IN (10, 500, 777, 3001)) AS x GROUP BY op ORDER BY op;
DROP INDEX types_amount_btree;
CREATE INDEX types_amount_hash ON types_amount_rows USING hash (a);
EXPLAIN (COSTS OFF) SELECT a FROM types_amount_rows WHERE a = '1 USD';
SELECT bool_and(found) FROM (SELECT EXISTS (SELECT FROM types_amount_rows AS y WHERE y.a = x.a AND y.i = x.i) AS found
    FROM (SELECT i, a FROM types_amount_rows WHERE a IS NOT NULL LIMIT 100) AS x) AS t;
RESET enable_seqscan;
RESET enable_bitmapscan;
RESET enable_indexonlyscan;

-- Aggregates: against numeric, by group, parallel
SELECT c, sum(a)::numeric = sum(n) AS sum, min(a)::numeric = min(n) AS min, max(a)::numeric = max(n) AS max,
       avg(a)::numeric = pg_temp.half_even(sum(n)::numeric(70, 40) / count(n)) AS avg, currency(sum(a)) = c AS currency, count(a) = count(n) AS count
FROM types_amount_rows GROUP BY c ORDER BY c;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT sum(a), avg(a), min(a), max(a) FROM types_amount_rows WHERE c = 'USD';
SELECT sum(a)::numeric = sum(n) AS sum, avg(a)::numeric = pg_temp.half_even(sum(n)::numeric(70, 40) / count(n)) AS avg, min(a)::numeric = min(n) AS min, max(a)::numeric = max(n) AS max
FROM types_amount_rows WHERE c = 'USD';
SELECT c, sum(a)::numeric = sum(n) AS sum FROM types_amount_rows GROUP BY c ORDER BY c;
SELECT pg_temp.failure('SELECT aiusage.sum(a) FROM types_amount_rows') LIKE 'UA422 | amounts are in different currencies%' AS mixed_parallel;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
\a
SELECT f, pg_temp.failure(format('SELECT aiusage.%s(a) FROM unnest(''{1 USD,2 EUR}''::aiusage.amount[]) AS t(a)', f)) AS failure FROM unnest(ARRAY['sum', 'avg', 'min', 'max']) AS t(f);
\a
SELECT sum(a) IS NULL AS sum, avg(a) IS NULL AS avg, min(a) IS NULL AS min, max(a) IS NULL AS max FROM types_amount_rows WHERE a IS NULL;
SELECT sum(a) IS NULL AS sum_of_none FROM types_amount_rows WHERE i = -1;
-- halves of the average: ties to even
SELECT avg(a), avg(-a) FROM unnest('{0.000000000001 USD,0.000000000002 USD}'::amount[]) AS t(a);
SELECT avg(a), avg(-a) FROM unnest('{0.000000000001 USD,0.000000000004 USD}'::amount[]) AS t(a);
-- The state holds more than an amount does; the result must be one.
SELECT sum(a) FROM unnest('{5192296858534827628530 USD,5192296858534827628530 USD,-5192296858534827628530 USD}'::amount[]) AS t(a);
SELECT pg_temp.failure($$SELECT aiusage.sum(a) FROM unnest('{5192296858534827628530 USD,1 USD}'::aiusage.amount[]) AS t(a)$$);
SELECT pg_temp.failure($$SELECT aiusage.sum('5192296858534827628530 USD'::aiusage.amount) FROM generate_series(1, 40000)$$);
SELECT avg(a) FROM unnest('{5192296858534827628530 USD,5192296858534827628530 USD}'::amount[]) AS t(a);

-- Moving frames, against numeric; NULLs come and go, frames empty, currencies by partition
SELECT count(*), count(*) FILTER (WHERE sa::numeric IS NOT DISTINCT FROM sn) AS sums,
       count(*) FILTER (WHERE va::numeric IS NOT DISTINCT FROM pg_temp.half_even(vn)) AS averages,
       count(*) FILTER (WHERE ea::numeric IS NOT DISTINCT FROM en) AS sparse_frames
FROM (
    SELECT sum(a) OVER w AS sa, sum(n) OVER w AS sn, avg(a) OVER w AS va, (sum(n) OVER w)::numeric(70, 40) / nullif(count(n) OVER w, 0) AS vn,
           sum(CASE WHEN i % 5 = 0 THEN a END) OVER s AS ea, sum(CASE WHEN i % 5 = 0 THEN n END) OVER s AS en
    FROM (SELECT i, c, CASE WHEN i % 7 <> 0 THEN a END AS a, CASE WHEN i % 7 <> 0 THEN n END AS n FROM types_amount_rows WHERE i <= 3000) AS t
    WINDOW w AS (PARTITION BY c ORDER BY i ROWS BETWEEN 4 PRECEDING AND 2 FOLLOWING),
           s AS (PARTITION BY c ORDER BY i ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING)) AS f;
-- When a frame has emptied, the next may be of another currency.
SELECT i, sum(a) OVER (ORDER BY i ROWS BETWEEN CURRENT ROW AND CURRENT ROW)
FROM unnest('{1 USD,2 EUR,3 JPY}'::amount[]) WITH ORDINALITY AS t(a, i);
SELECT pg_temp.failure($$SELECT aiusage.sum(a) OVER (ORDER BY i ROWS 1 PRECEDING) FROM unnest('{1 USD,2 EUR}'::aiusage.amount[]) WITH ORDINALITY AS t(a, i)$$) LIKE 'UA422%' AS mixed_frame;
DROP TABLE types_amount_rows;

-- Bytes: 16, and on the wire a version, the currency and 128 bits
SELECT pg_column_size('1 USD'::amount), amount_send('1 USD'), amount_send('-0.000000000001 AAA'), amount_send('5192296858534827628530.496329220095 ZZZ');
