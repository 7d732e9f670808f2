-- Ids: version, order, time, determinism
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- version 7, variant 10, the server's time
SELECT substr(id::text, 15, 1) AS version, substr(id::text, 20, 1) ~ '[89ab]' AS variant,
	abs(extract(epoch FROM aiusage.id_time(id) - clock_timestamp())) < 60 AS now
FROM aiusage.uuid_v7() AS id;

-- ids of one session come in order
SELECT count(*) AS out_of_order
FROM (SELECT id, lag(id) OVER (ORDER BY n) AS before
	  FROM (SELECT n, aiusage.uuid_v7('2026-03-01 12:00:00+00'::timestamptz + n * interval '3 microseconds') AS id
			FROM generate_series(1, 2000) AS n) AS g) AS o
WHERE id <= before;

SELECT aiusage.id_time(aiusage.uuid_v7('2026-03-01 12:34:56.789012+00')) AT TIME ZONE 'UTC' AS kept_to_the_millisecond;

-- deterministic, and different in each argument
SELECT aiusage.event_id('req-1', '2026-03-01 12:00:00+00') AS id;
SELECT count(DISTINCT id) AS ids
FROM (VALUES (aiusage.event_id('req-1', '2026-03-01 12:00:00+00')),
			 (aiusage.event_id('req-1', '2026-03-01 12:00:00+00', 1)),
			 (aiusage.event_id('req-1', '2026-03-01 12:00:00+00', 2)),
			 (aiusage.event_id('req-2', '2026-03-01 12:00:00+00')),
			 (aiusage.event_id('req-1', '2026-03-01 12:00:00.000001+00'))) AS v (id);
SELECT aiusage.id_time(aiusage.event_id('req-1', '2026-03-01 12:00:00.123456+00')) AT TIME ZONE 'UTC' AS event_time;
-- independent oracle: SHA-256 over time (8 bytes), attempt (4 bytes), request id
SELECT substr(aiusage.event_id('req-1', '2026-03-01 12:00:00+00', 3)::text, 25) =
	substr(encode(sha256(int8send((extract(epoch FROM timestamptz '2026-03-01 12:00:00+00' - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint)
		|| int4send(3) || 'req-1'::bytea), 'hex'), 21, 12) AS same_digest;

-- the floor of a time is at most any id of it, and above any id before
SELECT aiusage.id_floor('2026-03-01 12:00:00+00') AS floor,
	aiusage.id_floor('2026-03-01 12:00:00+00') <= aiusage.event_id('x', '2026-03-01 12:00:00+00') AS below,
	aiusage.id_floor('2026-03-01 12:00:00+00') > aiusage.event_id('x', '2026-03-01 11:59:59.999+00') AS above;

-- errors
\set SHOW_CONTEXT never
SELECT aiusage.event_id('', now());
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.event_id(repeat('x', 257), now());
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.event_id('x', now(), 0);
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.event_id('x', 'infinity');
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.id_floor('1969-12-31 23:59:59+00');
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.uuid_v7('-infinity');
\echo :LAST_ERROR_SQLSTATE
SELECT aiusage.id_time('6ba7b810-9dad-41d1-80b4-00c04fd430c8');
\echo :LAST_ERROR_SQLSTATE
