-- Days of any time zone, from quarter hours: equal to the ledger by the zone's own clocks.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
SELECT FROM aiusage.make_partitions('2024-02-01', '2024-12-01');
SELECT aiusage.put_key('{"key": "zones-1", "team": "zones-a", "valid_from": "2021-01-01T00:00:00Z"}') IS NOT NULL AS key1;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'ISO';

-- Two rows in every quarter hour of the days around each change of clocks and the leap day of 2024: its first and its last microsecond.
INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage, cost_state, cost, cost_by_unit, assignment, kind)
SELECT aiusage.uuid_v7(q.at), q.at, 'zones-1', 'zones', 'm', '{"input_tokens": 1}', 'final', aiusage.amount(q.cost, 'USD'),
	format('{"USD": {"input_tokens": %s}}', q.cost)::aiusage.unit_costs, a.assignment, 'usage'
FROM aiusage.key_assignment AS a
CROSS JOIN (VALUES ('2024-02-28'::date), ('2024-03-09'), ('2024-03-30'), ('2024-04-06'), ('2024-10-05'), ('2024-10-26'), ('2024-11-02')) AS d (day)
CROSS JOIN generate_series(0, 4 * 96 - 1) AS n
CROSS JOIN LATERAL (VALUES (d.day::timestamp AT TIME ZONE 'UTC' + n * interval '15 minutes', 0.000000000001 * (n + 1)),
	(d.day::timestamp AT TIME ZONE 'UTC' + (n + 1) * interval '15 minutes' - interval '1 microsecond', 0.001)) AS q (at, cost)
WHERE a.api_key = 'zones-1';

CREATE FUNCTION pg_temp.differences(OUT zone text, OUT rows_differ bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
	FOREACH zone IN ARRAY ARRAY['UTC', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns', 'Europe/Berlin', 'America/New_York', 'Pacific/Chatham',
		'Pacific/Kiritimati', 'Pacific/Marquesas', 'Africa/Cairo', 'America/Sao_Paulo', 'Australia/Eucla', 'Etc/GMT+12', 'america/havana'] LOOP
		SELECT count(*) INTO rows_differ FROM (
			(SELECT (u.occurred_at AT TIME ZONE zone)::date AS day, count(*) AS requests, sum(u.cost::numeric) AS cost FROM aiusage.usage_record AS u
				WHERE u.api_key = 'zones-1' AND (u.occurred_at AT TIME ZONE zone)::date >= '2024-02-29' AND (u.occurred_at AT TIME ZONE zone)::date < '2024-11-04' GROUP BY 1
			 EXCEPT ALL SELECT b.day, sum(b.requests), sum(b.cost) FROM aiusage.usage_by_day(zone, '2024-02-29', '2024-11-04') AS b WHERE b.api_key = 'zones-1' GROUP BY 1)
			UNION ALL
			(SELECT b.day, sum(b.requests), sum(b.cost) FROM aiusage.usage_by_day(zone, '2024-02-29', '2024-11-04') AS b WHERE b.api_key = 'zones-1' GROUP BY 1
			 EXCEPT ALL SELECT (u.occurred_at AT TIME ZONE zone)::date AS day, count(*) AS requests, sum(u.cost::numeric) AS cost FROM aiusage.usage_record AS u
				WHERE u.api_key = 'zones-1' AND (u.occurred_at AT TIME ZONE zone)::date >= '2024-02-29' AND (u.occurred_at AT TIME ZONE zone)::date < '2024-11-04' GROUP BY 1)) AS d;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() > 0 AS folded;
SELECT * FROM pg_temp.differences();

-- Days of 23, 25, 23.5 and 24.5 hours: two rows a quarter hour.
SELECT z.zone, b.day, round(sum(b.requests) / 8.0, 2) AS hours
FROM (VALUES ('Europe/Berlin', '2024-03-31'::date), ('Europe/Berlin', '2024-10-27'), ('America/New_York', '2024-03-10'), ('America/New_York', '2024-11-03'),
	('Australia/Lord_Howe', '2024-04-07'), ('Australia/Lord_Howe', '2024-10-06'), ('America/St_Johns', '2024-03-10'), ('America/St_Johns', '2024-11-03'),
	('Asia/Kathmandu', '2024-02-29'), ('Europe/Berlin', '2024-02-29')) AS z (zone, day)
CROSS JOIN LATERAL aiusage.usage_by_day(z.zone, z.day, z.day + 1) AS b
WHERE b.api_key = 'zones-1'
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT day, team, api_key, provider, model, requests, input_tokens, cost, currency, as_of = now() AS as_of_now
FROM aiusage.usage_by_day('Asia/Kathmandu', '2024-02-29', '2024-03-02') WHERE api_key = 'zones-1';
SELECT count(*) FROM aiusage.usage_by_day('Asia/Kathmandu', '2024-02-29', '2024-02-29');

-- What has no exact answer gets none: offsets with seconds, clocks that changed a minute after midnight, zones of one's own.
SELECT count(*) FROM aiusage.usage_by_day('Africa/Monrovia', '1971-12-30', '1972-01-02');
SELECT count(*) FROM aiusage.usage_by_day('Africa/Monrovia', '1972-01-08', '1972-02-01');
SELECT count(*) FROM aiusage.usage_by_day('America/St_Johns', '2010-11-01', '2010-12-01');
SELECT count(*) FROM aiusage.usage_by_day('America/St_Johns', '2010-11-08', '2010-12-01');
SELECT count(*) FROM aiusage.usage_by_day('<+0007>-00:07', '2024-03-01', '2024-03-02');
SELECT * FROM aiusage.usage_by_day('Europe/Nowhere', '2024-03-01', '2024-03-02');
SELECT * FROM aiusage.usage_by_day(NULL, '2024-03-01', '2024-03-02');
SELECT * FROM aiusage.usage_by_day('UTC', '2024-03-01', NULL);
SELECT * FROM aiusage.usage_by_day('UTC', '2024-03-02', '2024-03-01');
SELECT * FROM aiusage.usage_by_day('UTC', '2014-03-02', '2024-03-11');
SELECT * FROM aiusage.usage_by_day('UTC', '-infinity', 'infinity');
-- every zone there is has days of whole quarter hours now
SELECT z.name FROM pg_timezone_names AS z
WHERE EXISTS (SELECT FROM generate_series(date '2025-01-01', date '2026-12-31', '1 day') AS d (day)
	WHERE extract(epoch FROM d.day::timestamp AT TIME ZONE z.name)::bigint % 900 <> 0);

-- A caller sees what the views show.
CREATE ROLE regress_zones_member;
SELECT aiusage.put_team('zones-other') AS team;
SELECT aiusage.grant_access('regress_zones_member', 'member', '{"teams": ["zones-other"]}');
SET ROLE regress_zones_member;
SELECT count(*) FROM aiusage.usage_by_day('UTC', '2024-02-29', '2024-11-04');
RESET ROLE;
SELECT aiusage.grant_access('regress_zones_member', 'member', '{"teams": ["zones-a"]}');
SET ROLE regress_zones_member;
SELECT count(DISTINCT team), min(team) FROM aiusage.usage_by_day('UTC', '2024-02-29', '2024-11-04');
RESET ROLE;
SET client_min_messages = warning;
DROP OWNED BY regress_zones_member;
DELETE FROM aiusage.access_grant WHERE role::text LIKE 'regress_zones_%';
DROP ROLE regress_zones_member;
