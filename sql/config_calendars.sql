--
-- Billing calendars of every unit, and the days of grace, in a database of its
-- own.  The oracle is PostgreSQL's own calendar arithmetic.
--
SET client_min_messages = warning;
DROP DATABASE IF EXISTS config_calendars;
CREATE DATABASE config_calendars TEMPLATE template0;
\c config_calendars
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();
RESET client_min_messages;
SET timezone = 'Asia/Tokyo';	-- the session's zone plays no part
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

SELECT aiusage.set_billing_calendar('weeks berlin', 'Europe/Berlin', unit => 'week') AS number;
SELECT aiusage.set_billing_calendar('weeks new york', 'America/New_York', 7, 'week') AS number;
SELECT aiusage.set_billing_calendar('weeks kathmandu', 'Asia/Kathmandu', 3, 'week') AS number;
SELECT aiusage.set_billing_calendar('quarters', 'Europe/Berlin', unit => 'quarter') AS number;
SELECT aiusage.set_billing_calendar('fiscal', 'Australia/Lord_Howe', 31, 'quarter', 2) AS number;
SELECT aiusage.set_billing_calendar('retail', 'America/New_York', unit => 'custom',
	starts => ARRAY[date '2024-01-28', '2024-02-25', '2024-03-31', '2024-04-28']) AS number;
SELECT aiusage.set_billing_calendar('months 31', 'Asia/Kathmandu', 31) AS number;
SELECT aiusage.set_billing_calendar('chatham', 'Pacific/Chatham', 29) AS number;
SELECT calendar, name, time_zone, unit, start_day, start_month FROM aiusage.billing_calendar ORDER BY 1;

-- The turns, to the microsecond: DST begins and ends, a leap day, quarter-hour zones
SELECT c.name, t.at AT TIME ZONE c.time_zone AS local, aiusage.period_label(p) AS label,
	aiusage.period_starts_on(p) AS starts_on, aiusage.period_ends_on(p) AS ends_on,
	CASE WHEN isfinite(aiusage.period_starts_on(p)) AND isfinite(aiusage.period_ends_on(p)) THEN
		extract(epoch FROM aiusage.period_ends_at(p) - aiusage.period_starts_at(p))::int / 3600.0 END::numeric(8, 2) AS hours
FROM (VALUES
	('weeks berlin', timestamptz '2024-03-31 21:59:59.999999Z'), ('weeks berlin', '2024-03-31 22:00Z'),		-- a week of 167 hours ends
	('weeks berlin', '2024-10-27 22:59:59.999999Z'), ('weeks berlin', '2024-10-27 23:00Z'),				-- one of 169
	('weeks berlin', '2020-12-31 12:00Z'), ('weeks berlin', '2024-12-31 12:00Z'),						-- 2020-W53; 2025-W01 begins in 2024
	('weeks new york', '2024-03-10 04:59:59.999999Z'), ('weeks new york', '2024-03-10 05:00Z'),			-- Sunday, the day that has 23 hours
	('weeks kathmandu', '2024-02-27 18:14:59.999999Z'), ('weeks kathmandu', '2024-02-27 18:15Z'),
	('quarters', '2024-03-31 21:59:59.999999Z'), ('quarters', '2024-03-31 22:00Z'), ('quarters', '2024-12-31 23:00Z'),
	('fiscal', '2024-02-28 12:00Z'), ('fiscal', '2024-02-29 12:59:59.999999Z'), ('fiscal', '2024-05-30 13:30Z'), ('fiscal', '2024-07-30 13:30Z'),
	('retail', '2024-01-28 04:59:59.999999Z'), ('retail', '2024-01-28 05:00Z'), ('retail', '2024-03-31 03:59:59.999999Z'), ('retail', '2024-03-31 04:00Z'),
	('retail', '2026-01-01 00:00Z'), ('months 31', '2024-02-28 18:15Z'),
	('chatham', '2024-02-28 10:14:59.999999Z'), ('chatham', '2024-02-28 10:15Z'), ('chatham', '2023-02-27 10:15Z'), ('chatham', '2024-04-28 11:14:59.999999Z'), ('chatham', '2024-04-28 11:15Z')
) AS t (name, at) JOIN aiusage.billing_calendar AS c USING (name), aiusage.period_of(c.calendar, t.at) AS p
ORDER BY c.calendar, t.at;

-- Every 187 minutes of six years
WITH t AS (
	SELECT c.*, g AS at, g AT TIME ZONE c.time_zone AS local
	FROM aiusage.billing_calendar AS c, generate_series(timestamptz '2019-12-25Z', '2026-01-05Z', interval '187 minutes') AS g
	WHERE c.name IN ('weeks berlin', 'weeks new york', 'weeks kathmandu', 'quarters', 'fiscal', 'retail', 'months 31', 'chatham')
), day AS (
	SELECT t.*, CASE unit
		WHEN 'week' THEN local::date - ((extract(isodow FROM local)::int - start_day + 7) % 7)
		WHEN 'custom' THEN (SELECT max(b.starts_on) FROM aiusage.billing_boundary AS b WHERE b.calendar = t.calendar AND b.starts_on <= local::date)
		ELSE (SELECT max(d) FROM (
				SELECT (m + (least(start_day, extract(day FROM m + interval '1 month - 1 day')::int) - 1) * interval '1 day')::date AS d
				FROM generate_series(date_trunc('month', local) - interval '4 months', date_trunc('month', local), interval '1 month') AS m
				WHERE unit = 'month' OR (extract(month FROM m)::int - start_month + 12) % 3 = 0) AS s
			WHERE d <= local::date)
		END AS first_day
	FROM t
)
SELECT name, count(*) AS times,
	count(*) FILTER (WHERE aiusage.period_starts_on(p) IS DISTINCT FROM coalesce(first_day, '-infinity')) AS wrong,
	count(*) FILTER (WHERE at < aiusage.period_starts_at(p) OR at >= aiusage.period_ends_at(p)) AS out_of_bounds,
	count(*) FILTER (WHERE aiusage.period_label(p) <> CASE
		WHEN unit = 'week' AND start_day = 1 THEN to_char(first_day, 'IYYY-"W"IW')
		WHEN unit = 'quarter' THEN (SELECT to_char(f, 'YYYY') || '-Q' || (extract(month FROM f)::int - 1) / 3 + 1
			FROM (SELECT date_trunc('month', first_day) - (start_month - 1) * interval '1 month' AS f) AS y)
		WHEN unit = 'month' THEN to_char(first_day, 'YYYY-MM')
		ELSE coalesce(to_char(first_day, 'YYYY-MM-DD'), 'before 2024-01-28') END) AS wrong_label,
	count(DISTINCT p) AS periods, max(p) - min(p) + 1 AS numbers
FROM day, aiusage.period_of(calendar, at) AS p GROUP BY 1 ORDER BY 1;
-- Without gap or overlap, every period of ninety years (a list ends earlier)
SELECT c.name, count(*) AS periods,
	count(*) FILTER (WHERE aiusage.period_ends_at(p) <> aiusage.period_starts_at(p + 1) OR aiusage.period_ends_on(p) <> aiusage.period_starts_on(p + 1)) AS gaps,
	count(*) FILTER (WHERE aiusage.period_of(c.calendar, aiusage.period_starts_at(p)) <> p) AS wrong_start,
	count(*) FILTER (WHERE aiusage.period_of(c.calendar, aiusage.period_ends_at(p) - interval '1 microsecond') <> p) AS wrong_end,
	count(DISTINCT aiusage.period_label(p)) AS labels
FROM aiusage.billing_calendar AS c, generate_series(aiusage.period_of(c.calendar, '1950-06-01Z'), aiusage.period_of(c.calendar, '2039-06-01Z')) AS p
WHERE c.unit <> 'custom'
GROUP BY c.calendar, c.name ORDER BY c.calendar;
-- the years there are
SELECT aiusage.period_of(2, '1899-12-31Z');
\echo :SQLSTATE
SELECT aiusage.period_label(aiusage.period_of(2, '1900-01-09Z')), aiusage.period_label(aiusage.period_of(2, '3797-05-01Z'));
SELECT aiusage.period_of(2, '3798-01-01Z');
\echo :SQLSTATE
SELECT aiusage.period_of(5, '9000-01-01Z');
\echo :SQLSTATE
SELECT p, aiusage.period_exists(p) FROM unnest(ARRAY[NULL, -1, 0, 5, 99999, 100000, 100011, 100012, 199995, 199996, 200001, 299000, 299001, 500003, 533327, 533328, 700000, 700004, 700005, 99924286]) AS p;

-- What is no calendar
SELECT aiusage.set_billing_calendar('bad', 'UTC', 8, 'week');
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('bad', 'UTC', 1, 'month', 2);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('bad', 'UTC', 1, 'quarter', 13);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('bad', 'UTC', 1, 'quarter', NULL);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('bad', 'UTC', unit => 'custom');
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('bad', 'UTC', starts => ARRAY[date '2024-01-01']);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('bad', 'UTC', unit => 'custom', starts => ARRAY[date '2024-02-01', '2024-01-01']);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('bad', 'UTC', unit => 'custom', starts => ARRAY[date '2024-02-01', '2024-02-01']);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('bad', 'UTC', unit => 'custom', starts => ARRAY[date '2024-02-01', NULL]);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('bad', 'UTC', unit => 'custom', starts => ARRAY[date 'infinity']);
\echo :SQLSTATE

-- A list grows at its end; while nothing is booked it may be another one altogether.
SELECT aiusage.ensure_period(700004), aiusage.period_label(700004), aiusage.period_ends_on(700004);
SELECT aiusage.set_billing_calendar('retail', 'America/New_York', unit => 'custom',
	starts => ARRAY[date '2024-01-28', '2024-02-25', '2024-03-31', '2024-04-28', '2024-06-02']) AS longer;
SELECT aiusage.period_ends_on(700004), count(*) AS rows_of_open_periods FROM aiusage.invoice_period;
SELECT aiusage.add_billing_period('retail', '2024-06-30', 'P06') AS period, aiusage.period_label(700006);
SELECT aiusage.add_billing_period('retail', '2024-06-30', 'again');
\echo :SQLSTATE
SELECT aiusage.add_billing_period('retail', '2024-06-29');
\echo :SQLSTATE
SELECT aiusage.add_billing_period('retail', '2024-07-28', 'P06');
\echo :SQLSTATE
SELECT aiusage.add_billing_period('retail', '2024-07-28', '2024-01-28');
\echo :SQLSTATE
SELECT aiusage.add_billing_period('retail', '2024-07-28', '');
\echo :SQLSTATE
SELECT aiusage.add_billing_period('retail', NULL);
\echo :SQLSTATE
SELECT aiusage.add_billing_period('quarters', '2024-07-28');
\echo :SQLSTATE
SELECT aiusage.add_billing_period('nowhere', '2024-07-28');
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('retail', 'America/New_York', unit => 'custom', starts => ARRAY[date '2024-01-28', '2024-02-25']) AS shorter;
SELECT aiusage.set_billing_calendar('retail', 'America/New_York', unit => 'week') AS other_unit;
SELECT count(*) AS listed FROM aiusage.billing_boundary;
SELECT aiusage.set_billing_calendar('retail', 'America/New_York', unit => 'custom', starts => ARRAY[date '2024-01-28', '2024-02-25', '2024-03-31']) AS back;
UPDATE aiusage.billing_boundary SET starts_on = '2024-02-26' WHERE starts_on = '2024-02-25';
\echo :SQLSTATE
TRUNCATE aiusage.billing_boundary;
\echo :SQLSTATE
-- the global calendar, too, keeps what it is when the setting changes its zone
SELECT aiusage.set_billing_calendar('global', 'UTC', 5, 'quarter', 4) AS number;
UPDATE aiusage.setting SET value = 'Asia/Kathmandu' WHERE name = 'time_zone';
SELECT time_zone, unit, start_day, start_month FROM aiusage.billing_calendar WHERE calendar = 1;
SELECT aiusage.set_billing_calendar('global', 'Asia/Kathmandu', unit => 'custom', starts => ARRAY[date '2024-01-01', '2025-01-01']) AS number;
UPDATE aiusage.setting SET value = 'UTC' WHERE name = 'time_zone';
SELECT c.time_zone, c.unit, b.starts_on FROM aiusage.billing_calendar AS c JOIN aiusage.billing_boundary AS b USING (calendar) WHERE c.calendar = 1;
SELECT aiusage.set_billing_calendar('global', 'UTC') AS number;

-- Who follows which
SELECT aiusage.put_team('t-own', calendar => 'weeks berlin'), aiusage.put_team('t-own'), aiusage.put_team('t-own', calendar => 'weeks berlin') AS same,
	aiusage.put_customer('c-own', 'Customer', 'gold', 'quarters'), aiusage.put_customer('c-own', calendar => 'fiscal') AS moved, aiusage.put_team('t-none');
SELECT team, calendar FROM aiusage.team ORDER BY 1;
SELECT customer, name, plan_tier, calendar FROM aiusage.customer;
SELECT aiusage.put_team('t-own', calendar => 'nowhere');
\echo :SQLSTATE
SELECT aiusage.put_customer('c-own', calendar => 'nowhere');
\echo :SQLSTATE

-- Rows of every unit
SELECT aiusage.put_cost_center('cc-week', calendar => 'weeks berlin'), aiusage.put_cost_center('cc-quarter', calendar => 'fiscal'), aiusage.put_cost_center('cc-list', calendar => 'retail');
SELECT count(aiusage.put_key(jsonb_build_object('key', 'k-' || c, 'team', 't', 'cost_center', 'cc-' || c))) AS keys FROM unnest(ARRAY['week', 'quarter', 'list']) AS c;
CREATE FUNCTION pg_temp.book(key text, at timestamptz) RETURNS text LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record AS u (id, occurred_at, api_key, provider, model, usage)
	VALUES (aiusage.uuid_v7(at), at, key, 'p', 'm', '{"input_tokens": 1}')
	RETURNING concat_ws(' ', u.invoice_period, aiusage.period_label(u.invoice_period))
$$;
SELECT k, pg_temp.book(k, '2024-03-31 22:00Z') FROM unnest(ARRAY['k-week', 'k-quarter', 'k-list']) AS k;
SELECT label, starts_on, ends_on, status, cost_center, requests FROM aiusage.invoice_period_usage ORDER BY cost_center;
-- usage of that day is booked: no new period may begin there
SELECT aiusage.add_billing_period('retail', '2024-04-01');
SELECT aiusage.add_billing_period('retail', '2024-03-30');
\echo :SQLSTATE
SELECT pg_temp.book('k-list', '2024-04-10 12:00Z');
SELECT aiusage.add_billing_period('retail', '2024-04-10');
\echo :SQLSTATE
SELECT aiusage.add_billing_period('retail', '2024-04-11', 'after'), pg_temp.book('k-list', '2024-04-11 12:00Z');
DELETE FROM aiusage.billing_boundary WHERE label = 'after';
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('retail', 'America/New_York', unit => 'custom', starts => ARRAY[date '2024-01-28']);
\echo :SQLSTATE

-- Grace: late rows go in until it is over, the period is not closed before somebody does
SELECT aiusage.put_cost_center('cc-grace', calendar => 'months 31'), aiusage.put_key('{"key": "k-grace", "team": "t", "cost_center": "cc-grace"}') IS NOT NULL;
SELECT aiusage.period_of(8, '2024-02-10Z') AS grace \gset
SELECT aiusage.start_closing(:grace, clock_timestamp() + interval '1.5 seconds') > now() AS until;
SELECT aiusage.period_status(:grace), aiusage.billed_period(8, '2024-02-10Z') - :grace AS behind, pg_temp.book('k-grace', '2024-02-10Z');
SELECT status, closing_by = current_user AS by_me, closing_at IS NOT NULL AS at, grace_until > closing_at AS grace, closed_at FROM aiusage.invoice_period WHERE period = :grace;
SELECT pg_sleep(1.6);
SELECT pg_temp.book('k-grace', '2024-02-10Z');		-- the session remembers the period; the clock decides
SELECT aiusage.period_status(:grace), aiusage.billed_period(8, '2024-02-10Z') - :grace AS behind, aiusage.correction_period(8, '2024-02-10Z') - :grace AS correction_behind;
-- a correction goes in until it is closed
SELECT aiusage.put_key('{"key": "k-other", "team": "t2", "cost_center": "cc-grace"}') IS NOT NULL AS entered;
SELECT count(*) AS moved FROM aiusage.reattribute('{"api_key": "k-grace", "to": "2024-02-11Z"}',
	(SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'k-other'), 'belongs to t2', 'T-1', false);
SELECT kind, cost_center, team, invoice_period - :grace AS behind, count(*) FROM aiusage.usage_log WHERE api_key = 'k-grace' GROUP BY 1, 2, 3, 4 ORDER BY 4, 1, 3;
-- the grace may be prolonged, and given before the end
SELECT aiusage.start_closing(:grace, 'tomorrow') > now() AS prolonged, pg_temp.book('k-grace', '2024-02-10Z');
SELECT aiusage.start_closing(:grace) <= clock_timestamp() AS at_once, pg_temp.book('k-grace', '2024-02-10Z');
SELECT aiusage.start_closing(aiusage.period_of(8, now()), aiusage.period_ends_at(aiusage.period_of(8, now())) + interval '3 days') > now() AS ahead;
DO $$
BEGIN
	PERFORM aiusage.start_closing(aiusage.period_of(8, now()));
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE '% %', SQLSTATE, regexp_replace(SQLERRM, '\d{4}-\d\d', 'YYYY-MM');
END
$$;
SELECT aiusage.start_closing(:grace, 'infinity');
\echo :SQLSTATE
SELECT aiusage.start_closing(aiusage.period_of(7, '2100-01-01Z'), '2200-01-01');
\echo :SQLSTATE
SELECT aiusage.start_closing(7);
\echo :SQLSTATE
SELECT aiusage.start_closing(NULL);
\echo :SQLSTATE
SELECT old ->> 'status' AS old, new ->> 'status' AS new FROM aiusage.audit_log
WHERE relation = 'invoice_period' AND new ->> 'period' = :'grace' ORDER BY entry;
-- All of it adds up.
SELECT * FROM aiusage.verify() WHERE NOT ok;

\c contrib_regression
DROP DATABASE config_calendars;
