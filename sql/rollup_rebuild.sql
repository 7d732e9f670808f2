-- rebuild_rollups(): in place, only what differs is written, resumable.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
SELECT count(*) >= 0 AS partitions FROM aiusage.make_partitions('2022-06-01', '2022-08-01');
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT aiusage.set_billing_calendar('rebuild-ny', 'America/New_York', 15) IS NOT NULL AS calendar;
SELECT aiusage.put_team('rebuild-1', 'One'), aiusage.put_team('rebuild-2', 'Two'), aiusage.put_cost_center('rebuild-c1', 'C1'),
	aiusage.put_cost_center('rebuild-c2', 'C2', calendar => 'rebuild-ny');
SELECT aiusage.put_key('{"key": "rebuild-1", "team": "rebuild-1", "cost_center": "rebuild-c1", "environment": "production", "valid_from": "2021-01-01T00:00:00Z"}') IS NOT NULL AS one,
	aiusage.put_key('{"key": "rebuild-2", "team": "rebuild-2", "cost_center": "rebuild-c2", "environment": "production", "valid_from": "2021-01-01T00:00:00Z"}') IS NOT NULL AS two;
CREATE FUNCTION pg_temp.book(part text, rows int, apart interval) RETURNS bigint LANGUAGE sql AS $$
	WITH booked AS (
		INSERT INTO aiusage.usage_record (id, occurred_at, request_id, api_key, provider, model, usage, latency_ms)
		SELECT aiusage.event_id(part || n, t.at), t.at, part || n, 'rebuild-' || 1 + n % 3, 'rebuild', 'm' || n % 3, '{"input_tokens": 3}', n * 17 % 5000
		FROM generate_series(1, rows) n, LATERAL (SELECT timestamptz '2022-06-10 00:00:00+00' + n * apart AS at) t
		RETURNING 1)
	SELECT count(*) FROM booked $$;
SELECT aiusage.refresh() >= 0 AS folded;
SELECT pg_temp.book('rebuild-', 900, '57 minutes');
SELECT aiusage.refresh();
SELECT pg_temp.book('rebuild-late-', 90, '570 minutes');
SELECT bool_and(ok) AS ok FROM aiusage.verify() WHERE check_name LIKE 'rollup%';

-- Nothing is wrong, so nothing is written; what is not folded stays in the tail.
CREATE TEMP TABLE before AS SELECT xmin::text AS x, ctid AS c, bucket, dimension, true AS marked FROM aiusage.rollup_15m WHERE bucket >= '2022-06-01';
CALL aiusage.rebuild_rollups('nothing is wrong', '2022-06-10', '2022-07-20');
SELECT status, phase, percent, slices, rows_changed, reason FROM aiusage.rebuild_progress ORDER BY job DESC LIMIT 1;
SELECT count(*) AS rows_touched FROM before AS b FULL JOIN (SELECT xmin::text AS x, ctid AS c, bucket, dimension, true AS marked FROM aiusage.rollup_15m WHERE bucket >= '2022-06-01') AS n
	USING (x, c, bucket, dimension) WHERE n.marked IS NULL OR b.marked IS NULL;
SELECT count(*) FROM aiusage.rollup_tail;

-- Every kind of damage, in every level.
DELETE FROM aiusage.rollup_15m WHERE bucket >= '2022-06-20' AND bucket < '2022-06-21';
UPDATE aiusage.rollup_15m SET cost_by_unit = '{"USD": {"input_tokens": 1}}', cost = 1 WHERE bucket >= '2022-06-23' AND bucket < '2022-06-24';
INSERT INTO aiusage.rollup_15m SELECT (jsonb_populate_record(r, '{"bucket": "2022-06-24T00:07:00Z"}')).* FROM aiusage.rollup_15m r WHERE bucket >= '2022-06-24' ORDER BY bucket LIMIT 1;
UPDATE aiusage.rollup_daily SET requests = requests + 1 WHERE day = '2022-06-25';
UPDATE aiusage.rollup_weekly SET cost = cost + 1 WHERE week = '2022-06-13';
DELETE FROM aiusage.rollup_weekly WHERE week = '2022-06-20';
DELETE FROM aiusage.rollup_monthly WHERE month >= '2022-05-01' AND month < '2022-08-01';
INSERT INTO aiusage.rollup_owner_daily SELECT (jsonb_populate_record(r, '{"team": "rebuild-9"}')).* FROM aiusage.rollup_owner_daily r WHERE day = '2022-06-12';
UPDATE aiusage.rollup_latency SET latency_le_100 = latency_le_100 + 7 WHERE day = '2022-06-15';
DELETE FROM aiusage.rollup_dimension WHERE api_key = 'rebuild-3';
SELECT check_name FROM aiusage.verify() WHERE NOT ok AND (check_name LIKE '%every%') ORDER BY 1;

-- A slice at a time; folds and new rows between; interrupted, and gone on with.
SELECT aiusage.start_rebuild('damage', '2022-06-10', '2022-07-20') AS job \gset
SELECT status, phase, percent, rows_changed FROM aiusage.rebuild_step(:job);
SELECT status, phase, rows_changed FROM aiusage.rebuild_step(:job);
SELECT aiusage.start_rebuild('another') = 0 AS refused;
SELECT aiusage.refresh();
SELECT pg_temp.book('rebuild-later-', 40, '11 hours');
CALL aiusage.rebuild_rollups();
SELECT status, phase, percent, rows_changed > 100 AS changed FROM aiusage.rebuild_progress ORDER BY job DESC LIMIT 1;
SELECT check_name, expected, actual, detail FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'rollup%' ORDER BY 1;
SELECT aiusage.refresh();
SELECT bool_and(ok) AS ok FROM aiusage.verify() WHERE check_name LIKE 'rollup%';

-- Refused.
CALL aiusage.rebuild_rollups();
CALL aiusage.rebuild_rollups('x', '2022-06-10', '2022-06-10');
SELECT * FROM aiusage.rebuild_step(0);
SELECT aiusage.cancel_rebuild(0);
SELECT aiusage.cancel_rebuild(:job) AS was_open;
SELECT aiusage.start_rebuild('to be cancelled', '2022-06-10', '2022-06-12') AS job \gset
SELECT aiusage.cancel_rebuild(:job) AS was_open;
SELECT status, phase, percent FROM aiusage.rebuild_step(:job);
CREATE ROLE regress_rebuild;
SELECT aiusage.grant_access('regress_rebuild', 'analyst') AS granted;
SET ROLE regress_rebuild;
CALL aiusage.rebuild_rollups('mine');
SELECT count(*) > 2 AS sees_progress FROM aiusage.rebuild_progress;
RESET ROLE;
SELECT aiusage.revoke_access('regress_rebuild', 'analyst') AS revoked;
DROP OWNED BY regress_rebuild;
DROP ROLE regress_rebuild;
