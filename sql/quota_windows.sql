-- Windows of limits against plain SQL: zones, clocks that change, edges.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
SELECT aiusage.put_key('{"key": "qw"}') IS NULL AS entered;
RESET client_min_messages;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';

/*
 * Zones and the days around which their clocks change: by an hour, by half an
 * hour (Lord Howe), at midnight (Sao Paulo: a day begins at 1:00), over a whole day
 * (Apia has no 30 December 2011); and zones that are off by 45 minutes.
 */
CREATE TEMP TABLE zone_days AS SELECT * FROM (VALUES
	('UTC', date '2026-03-29'), ('Europe/Berlin', '2026-03-29'), ('Europe/Berlin', '2026-10-25'),
	('America/New_York', '2026-03-08'), ('America/New_York', '2026-11-01'),
	('Asia/Kathmandu', '2026-06-01'), ('Pacific/Chatham', '2026-04-05'),
	('Australia/Lord_Howe', '2026-04-05'), ('Australia/Lord_Howe', '2026-10-04'),
	('America/Sao_Paulo', '2018-11-04'), ('America/Sao_Paulo', '2018-02-18'), ('Pacific/Apia', '2011-12-30')) AS z (zone, day);
CREATE TEMP TABLE windows AS SELECT * FROM (VALUES
	('minute', 'minute', interval '1 minute'), ('hour', 'hour', '1 hour'), ('day', 'day', '1 day'), ('week', 'week', '7 days'),
	('month', 'month', '1 month'), ('3 months', 'interval', '3 months'), ('10 days', 'interval', '10 days'),
	('7 hours', 'interval', '7 hours'), ('36 hours', 'interval', '36 hours')) AS w (said, kind, length);
CREATE TEMP TABLE quotas AS
SELECT z.zone, w.*, aiusage.put_quota(jsonb_build_object('name', 'qw ' || z.zone || ' ' || w.said, 'scope', jsonb_build_object('api_key', 'qw',
	'job_id', z.zone || w.said), 'metric', 'requests', 'limit', 1, 'window', w.said, 'time_zone', z.zone)) AS quota
FROM (SELECT DISTINCT zone FROM zone_days) AS z CROSS JOIN windows AS w;

/*
 * The oracle: date_trunc() and calendar arithmetic on local timestamps.  Every
 * quarter of an hour for four days around the change, and the microsecond before.
 */
CREATE TEMP TABLE compared AS
SELECT q.zone, q.said, t.at, w.starts_at, w.ends_at, w.window_start, o.starts AS expected_start, e.ends AS expected_end
FROM quotas AS q
JOIN zone_days AS z ON z.zone = q.zone
CROSS JOIN LATERAL generate_series(z.day - interval '2 days', z.day + interval '2 days', '15 minutes') AS s (at)
CROSS JOIN LATERAL (VALUES (s.at AT TIME ZONE 'UTC'), (s.at AT TIME ZONE 'UTC' - interval '1 microsecond')) AS t (at)
CROSS JOIN LATERAL aiusage.quota_window(q.quota, t.at) AS w
CROSS JOIN LATERAL (SELECT t.at AT TIME ZONE q.zone AS local, timestamp '2000-01-01' AT TIME ZONE q.zone AS origin) AS l
CROSS JOIN LATERAL (SELECT CASE
	WHEN q.kind <> 'interval' THEN date_trunc(q.said, t.at, q.zone)
	WHEN q.said = '3 months' THEN date_trunc('quarter', t.at, q.zone)
	WHEN q.said = '10 days' THEN (date '2000-01-01' + (l.local::date - date '2000-01-01') / 10 * 10)::timestamp AT TIME ZONE q.zone
	ELSE l.origin + floor(extract(epoch FROM t.at - l.origin) / extract(epoch FROM q.length)) * extract(epoch FROM q.length) * interval '1 second'
	END AS starts) AS o
CROSS JOIN LATERAL (SELECT CASE
	WHEN q.said LIKE '% hours' OR q.said IN ('minute', 'hour') THEN o.starts + q.length
	WHEN q.said = '10 days' THEN (date '2000-01-01' + (l.local::date - date '2000-01-01') / 10 * 10 + 10)::timestamp AT TIME ZONE q.zone
	WHEN q.said = '3 months' THEN (date_trunc('quarter', l.local) + q.length) AT TIME ZONE q.zone
	ELSE (date_trunc(q.said, l.local) + q.length) AT TIME ZONE q.zone END AS ends) AS e;
SELECT said, count(*) AS instants, count(DISTINCT (zone, window_start)) AS windows,
	count(*) FILTER (WHERE starts_at IS DISTINCT FROM expected_start) AS starts_differ,
	count(*) FILTER (WHERE ends_at IS DISTINCT FROM expected_end) AS ends_differ,
	count(*) FILTER (WHERE at < starts_at OR at >= ends_at) AS outside,
	count(*) FILTER (WHERE window_start <> extract(epoch FROM starts_at - '2000-01-01 00:00:00+00') * 1000000) AS names_differ
FROM compared GROUP BY said ORDER BY said;
-- Days that are not 24 hours long
SELECT DISTINCT zone, starts_at, ends_at - starts_at AS length FROM compared
WHERE said = 'day' AND ends_at - starts_at <> interval '1 day' ORDER BY 1, 2;
-- Fixed windows of days and longer follow each other without a gap.
SELECT count(*) AS windows, count(*) FILTER (WHERE ends_at <> next) AS gaps
FROM (SELECT ends_at, lead(starts_at) OVER (PARTITION BY zone, said ORDER BY starts_at) AS next, lead(at) OVER (PARTITION BY zone, said ORDER BY starts_at) - at AS apart
	FROM (SELECT DISTINCT ON (zone, said, starts_at) zone, said, starts_at, ends_at, at FROM compared WHERE said IN ('day', 'week', 'month', '10 days', '3 months') ORDER BY zone, said, starts_at, at) AS d) AS f
WHERE apart < interval '3 days';

-- Total, invoice periods, times out of range
SELECT aiusage.put_quota('{"name": "qw total", "scope": {"api_key": "qw", "job_id": "total"}, "metric": "tokens", "limit": 5, "window": "total"}') AS total,
	aiusage.put_quota('{"name": "qw period", "scope": {"api_key": "qw", "job_id": "period"}, "metric": "tokens", "limit": 5, "window": "invoice_period"}') AS period,
	aiusage.put_quota('{"name": "qw slide", "scope": {"api_key": "qw", "job_id": "slide"}, "metric": "tokens", "limit": 5, "window": "1 minute", "sliding": true}') AS slide,
	aiusage.put_quota('{"name": "qw odd", "scope": {"api_key": "qw", "job_id": "odd"}, "metric": "tokens", "limit": 5, "window": "100 seconds", "sliding": true}') AS odd \gset
SELECT * FROM aiusage.quota_window(:total, now());
SELECT * FROM aiusage.quota_window(:period, '2026-05-05', aiusage.period_of(1, '2026-05-05'));
SELECT w.* FROM aiusage.quota_window(:period, '2026-05-05', 7) AS w;
SELECT w.* FROM aiusage.quota_window(:period, '2026-05-05') AS w;
SELECT w.* FROM aiusage.quota_window(-1, '2026-05-05') AS w;
SELECT * FROM aiusage.quota_window(:slide, '2026-05-05 12:00:07Z');
-- a twelfth of 100 seconds, rounded up to the microsecond: thirteen cover more than the window
SELECT ends_at - starts_at AS covers, extract(epoch FROM starts_at) * 1000000 % 8333334 AS aligned FROM aiusage.quota_window(:odd, '2026-05-05 12:00:07Z');
SELECT * FROM aiusage.quota_window(:slide, 'infinity');
SELECT * FROM aiusage.quota_window((SELECT quota FROM quotas WHERE zone = 'UTC' AND said = 'day'), '-infinity');
SELECT * FROM aiusage.quota_window((SELECT quota FROM quotas WHERE zone = 'UTC' AND said = '7 hours'), '294276-12-31 23:59:59Z');
SELECT starts_at, ends_at FROM aiusage.quota_window((SELECT quota FROM quotas WHERE zone = 'Europe/Berlin' AND said = '3 months'), '1999-12-31 23:30:00Z');
SELECT starts_at, ends_at FROM aiusage.quota_window((SELECT quota FROM quotas WHERE zone = 'UTC' AND said = '10 days'), '1970-01-01');

SELECT count(aiusage.retire_quota(q.name)) AS retired FROM aiusage.quota AS q WHERE q.name LIKE 'qw %';
