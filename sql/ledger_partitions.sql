-- Partitions: made ahead, emptied from DEFAULT, pruned by time
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- init() made this month's and two more; making them again makes none
SELECT count(*) >= 3 AS ahead FROM aiusage.partition_ranges() WHERE upper_at > now();
SELECT * FROM aiusage.make_partitions();

-- rows of a time without a partition are kept in DEFAULT, and move with their txid when it is made
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage)
SELECT aiusage.event_id('part-' || n, '2024-02-28 00:00:00+00'::timestamptz + n * interval '12 hours'), 'part_key', 'p', 'm', '{"input_tokens": 1}'
FROM generate_series(1, 6) AS n;
CREATE TEMP TABLE before AS SELECT id, txid, recorded_at FROM aiusage.usage_record WHERE api_key = 'part_key';
SELECT tableoid::regclass, count(*) FROM aiusage.usage_record WHERE api_key = 'part_key' GROUP BY 1 ORDER BY 1;
SELECT * FROM aiusage.make_partitions('2024-02-01', '2024-03-01');
SELECT tableoid::regclass, count(*) FROM aiusage.usage_record WHERE api_key = 'part_key' GROUP BY 1 ORDER BY 1;
SELECT * FROM aiusage.make_partitions('2024-03-01', '2024-04-01');
SELECT tableoid::regclass, count(*) FROM aiusage.usage_record WHERE api_key = 'part_key' GROUP BY 1 ORDER BY 1;
SELECT count(*) AS changed FROM (SELECT id, txid, recorded_at FROM aiusage.usage_record WHERE api_key = 'part_key' EXCEPT TABLE before) AS d;
SELECT * FROM aiusage.make_partitions('2024-02-01', '2024-04-01');

-- a partition has what the parent has: triggers, key, index, and DEFAULT is as it was
SELECT c.relname, array_agg(t.tgname || ' ' || t.tgenabled::text ORDER BY t.tgname) AS triggers
FROM pg_class AS c JOIN pg_trigger AS t ON t.tgrelid = c.oid
WHERE c.oid IN ('aiusage.usage_record_p20240201'::regclass, 'aiusage.usage_record_default'::regclass) GROUP BY c.relname ORDER BY 1;
SELECT count(*) AS indexes FROM pg_index WHERE indrelid = 'aiusage.usage_record_p20240201'::regclass AND indisvalid;
DELETE FROM aiusage.usage_record_p20240201;
\echo :LAST_ERROR_SQLSTATE

-- filters on time prune at plan time; id_floor() prunes with parameters too
CREATE FUNCTION pg_temp.partitions_read(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		line := substring(line FROM 'on (usage_record\w+)');
		IF line IS NOT NULL THEN RETURN NEXT line; END IF;
	END LOOP;
END $$;
SELECT DISTINCT p FROM pg_temp.partitions_read($$SELECT count(*) FROM aiusage.usage_record WHERE occurred_at >= '2024-02-10 00:00+00' AND occurred_at < '2024-02-20 00:00+00'$$) AS p ORDER BY 1;
SELECT DISTINCT p FROM pg_temp.partitions_read($$SELECT count(*) FROM aiusage.usage_record WHERE occurred_at >= '2024-02-29 00:00+00' AND occurred_at < '2024-03-01 00:00+00'$$) AS p ORDER BY 1;
SELECT DISTINCT p FROM pg_temp.partitions_read($$SELECT count(*) FROM aiusage.usage_record WHERE id >= aiusage.id_floor('2024-02-10 00:00+00') AND id < aiusage.id_floor('2024-02-20 00:00+00')$$) AS p ORDER BY 1;
SELECT DISTINCT p FROM pg_temp.partitions_read($$SELECT cost FROM aiusage.usage_log WHERE occurred_at >= '2024-02-10 00:00+00' AND occurred_at < '2024-02-20 00:00+00'$$) AS p ORDER BY 1;

-- weeks and days fit between what is there
BEGIN;
UPDATE aiusage.setting SET value = '1 week' WHERE name = 'partition_interval';
SELECT * FROM aiusage.make_partitions('2024-04-01', '2024-04-10');
UPDATE aiusage.setting SET value = '1 month' WHERE name = 'partition_interval';
SELECT * FROM aiusage.make_partitions('2024-04-01', '2024-05-01');
SELECT partition::text, lower_at AT TIME ZONE 'UTC' AS lower, upper_at AT TIME ZONE 'UTC' AS upper FROM aiusage.partition_ranges()
WHERE lower_at BETWEEN '2024-04-01' AND '2024-05-01' ORDER BY lower_at;
ROLLBACK;

-- ids begin with 1970, within a week: its rows leave DEFAULT too
BEGIN;
UPDATE aiusage.setting SET value = '1 week' WHERE name = 'partition_interval';
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (aiusage.event_id('part-epoch', '1970-01-01 10:00:00+00'), 'part_key', 'p', 'm', '{"input_tokens": 1}');
SELECT aiusage.empty_default();
SELECT lower_at AT TIME ZONE 'UTC' AS lower, upper_at AT TIME ZONE 'UTC' AS upper FROM aiusage.partition_ranges() WHERE lower_at < '1971-01-01';
ROLLBACK;

\set SHOW_CONTEXT never
SELECT aiusage.make_partitions('2024-04-01', '2024-03-01');
SELECT aiusage.make_partitions('2024-04-01', '2064-04-01');
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.make_partitions('1960-04-01', '1961-04-01');
\echo :LAST_ERROR_SQLSTATE

-- what is older than retained is refused
BEGIN;
UPDATE aiusage.books SET retained_from = aiusage.id_floor('2024-02-01 00:00+00');
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (aiusage.event_id('part-old', '2024-01-31 00:00+00'), 'part_key', 'p', 'm', '{}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
