--
-- Billing calendars and invoice periods, in a database of its own: calendars
-- can be changed only while no usage is booked
--
SET client_min_messages = warning;
DROP DATABASE IF EXISTS config_periods;
CREATE DATABASE config_periods TEMPLATE template0;
\c config_periods
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();
RESET client_min_messages;
SET timezone = 'Asia/Tokyo';	-- the session's zone plays no part
\set SHOW_CONTEXT never

-- The global calendar follows the setting time_zone, and the setting it.
SELECT calendar, name, time_zone, unit, start_day FROM aiusage.billing_calendar;
UPDATE aiusage.setting SET value = 'Europe/Berlin' WHERE name = 'time_zone';
SELECT time_zone FROM aiusage.billing_calendar WHERE calendar = 1;
SELECT aiusage.set_billing_calendar('global', 'america/new_york');
SELECT value FROM aiusage.setting WHERE name = 'time_zone';
SELECT aiusage.set_billing_calendar('global', 'UTC');

-- Calendars by name; the same again changes nothing.
SELECT aiusage.set_billing_calendar('berlin', 'Europe/Berlin') AS berlin, aiusage.set_billing_calendar('berlin', 'europe/berlin') AS again;
SELECT aiusage.set_billing_calendar('new york', 'America/New_York', 15);
SELECT aiusage.set_billing_calendar('kathmandu', 'Asia/Kathmandu', 31);
SELECT aiusage.set_billing_calendar('havana', 'America/Havana');
SELECT aiusage.set_billing_calendar('apia', 'Pacific/Apia', 30);
SELECT aiusage.set_billing_calendar('st johns', 'America/St_Johns');
SELECT calendar, name, time_zone, start_day FROM aiusage.billing_calendar ORDER BY 1;
SELECT count(*) AS entries FROM aiusage.audit_log WHERE relation = 'billing_calendar' AND new ->> 'name' = 'berlin';
SELECT aiusage.set_billing_calendar('mars', 'Mars/Olympus_Mons');
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('mars', '');
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('mars', NULL);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar(NULL, 'UTC');
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('', 'UTC');
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('mars', 'UTC', 0);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('mars', 'UTC', 32);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('mars', 'UTC', NULL);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('mars', 'UTC', 1, 'fortnight');
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('mars', $$UTC'; DROP TABLE aiusage.billing_calendar; --$$);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar(repeat('m', 257), 'UTC');
\echo :SQLSTATE
DELETE FROM aiusage.billing_calendar WHERE name = 'berlin';
\echo :SQLSTATE
SET client_min_messages = warning;
TRUNCATE aiusage.billing_calendar CASCADE;
\echo :SQLSTATE
RESET client_min_messages;
UPDATE aiusage.billing_calendar SET calendar = 99 WHERE name = 'berlin';
\echo :SQLSTATE

-- Numbers, labels and bounds
SELECT aiusage.period_of(1, '2023-11-16T18:15:46Z') AS period, aiusage.period_calendar(aiusage.period_of(1, '2023-11-16T18:15:46Z')) AS calendar;
SELECT aiusage.period_label(124286), aiusage.period_starts_on(124286), aiusage.period_ends_on(124286),
	aiusage.period_starts_at(124286) AT TIME ZONE 'UTC' AS starts_at, aiusage.period_ends_at(124286) AT TIME ZONE 'UTC' AS ends_at, aiusage.period_status(124286);
-- the instants around the turn of a month, a year, DST months, a leap day
SELECT c.name, t.at AT TIME ZONE 'UTC' AS at_utc, t.at AT TIME ZONE c.time_zone AS local, aiusage.period_label(p) AS label,
	aiusage.period_starts_on(p) AS starts_on, aiusage.period_ends_on(p) AS ends_on
FROM (VALUES
	('berlin', timestamptz '2024-03-31 21:59:59.999999Z'), ('berlin', '2024-03-31 22:00Z'),	-- April begins in summer time
	('berlin', '2024-10-31 22:59:59.999999Z'), ('berlin', '2024-10-31 23:00Z'),				-- November in winter time
	('berlin', '2024-12-31 22:59:59.999999Z'), ('berlin', '2024-12-31 23:00Z'),
	('new york', '2024-03-15 03:59:59.999999Z'), ('new york', '2024-03-15 04:00Z'),
	('new york', '2024-11-15 04:59:59.999999Z'), ('new york', '2024-11-15 05:00Z'),
	('new york', '2025-01-10 00:00Z'),
	('kathmandu', '2024-01-30 18:14:59.999999Z'), ('kathmandu', '2024-01-30 18:15Z'),		-- 31 January, +05:45
	('kathmandu', '2024-02-28 18:14:59.999999Z'), ('kathmandu', '2024-02-28 18:15Z'),		-- 29 February stands in for the 31st
	('kathmandu', '2023-02-27 18:14:59.999999Z'), ('kathmandu', '2023-02-27 18:15Z'),		-- 28 in a common year
	('kathmandu', '2024-04-29 18:15Z'), ('kathmandu', '2024-05-30 18:15Z'),
	('apia', '2011-12-30 09:59:59.999999Z'), ('apia', '2011-12-30 10:00Z'),					-- 30 December 2011 did not exist there
	('havana', '2020-11-01 03:59:59.999999Z'), ('havana', '2020-11-01 04:00Z'), ('havana', '2020-11-01 05:00Z'),	-- midnight came twice
	('st johns', '2009-11-01 02:29:59.999999Z'), ('st johns', '2009-11-01 02:30Z'), ('st johns', '2009-11-01 02:31Z')	-- and here 23:01 again
) AS t (name, at) JOIN aiusage.billing_calendar AS c USING (name), aiusage.period_of(c.calendar, t.at) AS p
ORDER BY c.calendar, t.at;

-- Against PostgreSQL's own calendar arithmetic, every 37 minutes of five years
WITH t AS (
	SELECT c.calendar, c.name, g AS at, g AT TIME ZONE c.time_zone AS local, c.start_day
	FROM aiusage.billing_calendar AS c, generate_series(timestamptz '2019-12-25Z', '2025-01-05Z', interval '37 minutes') AS g
	WHERE c.name IN ('global', 'berlin', 'new york', 'kathmandu')
), o AS (
	SELECT t.*, date_trunc('month', t.local) - CASE WHEN extract(day FROM t.local) <
			least(t.start_day, extract(day FROM date_trunc('month', t.local) + interval '1 month - 1 day'))
		THEN interval '1 month' ELSE interval '0' END AS month
	FROM t
)
SELECT name, count(*) AS times,
	count(*) FILTER (WHERE aiusage.period_of(calendar, at) <> calendar * 100000 + extract(year FROM month) * 12 + extract(month FROM month) - 1) AS wrong,
	count(*) FILTER (WHERE aiusage.period_label(aiusage.period_of(calendar, at)) <> to_char(month, 'YYYY-MM')) AS wrong_label,
	count(*) FILTER (WHERE at < aiusage.period_starts_at(aiusage.period_of(calendar, at)) OR at >= aiusage.period_ends_at(aiusage.period_of(calendar, at))) AS out_of_bounds
FROM o GROUP BY 1 ORDER BY 1;
-- Periods follow each other without gap or overlap, ninety years, every calendar.
SELECT c.name, count(*) AS periods,
	count(*) FILTER (WHERE aiusage.period_ends_at(p) <> aiusage.period_starts_at(p + 1) OR aiusage.period_ends_on(p) <> aiusage.period_starts_on(p + 1)) AS gaps,
	count(*) FILTER (WHERE aiusage.period_of(c.calendar, aiusage.period_starts_at(p)) <> p) AS wrong_start,
	count(*) FILTER (WHERE aiusage.period_of(c.calendar, aiusage.period_ends_at(p) - interval '1 microsecond') <> p) AS wrong_end,
	count(*) FILTER (WHERE aiusage.period_starts_at(p) > (aiusage.period_starts_on(p)::timestamp AT TIME ZONE c.time_zone)) AS late_start
FROM aiusage.billing_calendar AS c, generate_series(c.calendar * 100000 + 1950 * 12, c.calendar * 100000 + 2039 * 12 + 11) AS p
GROUP BY c.calendar, c.name ORDER BY c.calendar;

-- Bad numbers and times
SELECT aiusage.period_of(999, now());
\echo :SQLSTATE
SELECT aiusage.period_of(1, 'infinity');
\echo :SQLSTATE
SELECT aiusage.billed_period(1, '-infinity');
\echo :SQLSTATE
SELECT aiusage.period_of(1, '0001-01-01 00:00 BC');
\echo :SQLSTATE
SELECT aiusage.period_of(1, '9999-01-01Z');
\echo :SQLSTATE
SELECT aiusage.period_label(5);
\echo :SQLSTATE
SELECT aiusage.period_label(-124286);
\echo :SQLSTATE
SELECT aiusage.period_label(99924286);
\echo :SQLSTATE
SELECT aiusage.period_starts_on(199999);
\echo :SQLSTATE
SELECT aiusage.period_ends_on(0);
\echo :SQLSTATE
SELECT aiusage.period_status(0);
\echo :SQLSTATE
SELECT aiusage.period_of(NULL, now()) IS NULL AS nothing, aiusage.period_label(NULL) IS NULL AS nothing;

-- A period has a row when something is to be said about it.
SELECT aiusage.ensure_period(124286), aiusage.ensure_period(124286);
SELECT period, calendar, label, starts_on, ends_on, starts_at AT TIME ZONE 'UTC' AS starts_at, ends_at AT TIME ZONE 'UTC' AS ends_at, status, closed_at
FROM aiusage.invoice_period;
SELECT aiusage.ensure_period(99924286);
\echo :SQLSTATE
SELECT aiusage.ensure_period(7);
\echo :SQLSTATE
SELECT aiusage.ensure_period(NULL);
\echo :SQLSTATE
-- An open one follows its calendar.
SELECT aiusage.set_billing_calendar('global', 'Asia/Kolkata') AS calendar;
SELECT count(*) FROM aiusage.invoice_period;
SELECT aiusage.set_billing_calendar('global', 'UTC') AS calendar;

-- Closing: for good, and not before the end
SELECT aiusage.close_period(124286, 'invoiced to all') AS next;
SELECT label, status, closed_at IS NOT NULL AS closed, closed_by = current_user AS by_me, reason FROM aiusage.invoice_period;
SELECT aiusage.period_status(124286), aiusage.period_of(1, '2023-11-16Z'), aiusage.billed_period(1, '2023-11-16Z');
\set VERBOSITY terse
SELECT aiusage.close_period(124286, 'again');
\echo :SQLSTATE
\set VERBOSITY default
DO $$
BEGIN
	PERFORM aiusage.close_period(aiusage.period_of(1, now()));
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE 'the period of today: % %', SQLSTATE, regexp_replace(SQLERRM, '\d{4}-\d\d', 'YYYY-MM');
END
$$;
SELECT aiusage.close_period(aiusage.period_of(1, '2999-01-01'));
\echo :SQLSTATE
SELECT aiusage.close_period(99924286);
\echo :SQLSTATE
SELECT aiusage.close_period(NULL);
\echo :SQLSTATE
SELECT aiusage.close_period(124285, 'Bearer ' || repeat('Ab3dEf7hIj', 4));
\echo :SQLSTATE
SELECT aiusage.close_period(124287) AS next, aiusage.close_period(124289) AS not_in_order;
SELECT m, aiusage.period_label(aiusage.billed_period(1, m::timestamptz)) AS billed_in
FROM (VALUES ('2023-10-31Z'), ('2023-11-01Z'), ('2023-12-31 23:59:59Z'), ('2024-01-15Z'), ('2024-02-29Z'), ('2024-03-01Z')) AS v (m);
-- other calendars are not concerned
SELECT aiusage.period_label(aiusage.billed_period(2, '2023-11-16Z'));
UPDATE aiusage.invoice_period SET status = 'open' WHERE period = 124286;
\echo :SQLSTATE
UPDATE aiusage.invoice_period SET status = 'open', closed_at = NULL, closed_by = NULL WHERE period = 124286;
\echo :SQLSTATE
UPDATE aiusage.invoice_period SET closed_at = now() WHERE period = 124286;
\echo :SQLSTATE
UPDATE aiusage.invoice_period SET ends_on = '2024-01-01' WHERE period = 124286;
\echo :SQLSTATE
DELETE FROM aiusage.invoice_period WHERE period = 124286;
\echo :SQLSTATE
SET client_min_messages = warning;
TRUNCATE aiusage.invoice_period CASCADE;
\echo :SQLSTATE
RESET client_min_messages;
SELECT aiusage.set_billing_calendar('global', 'Asia/Tokyo');
\echo :SQLSTATE
UPDATE aiusage.setting SET value = 'Asia/Tokyo' WHERE name = 'time_zone';
\echo :SQLSTATE
-- what comes after closed exists already; what still takes usage, too
UPDATE aiusage.invoice_period SET status = 'invoiced', invoiced_at = now(), invoiced_by = 'me' WHERE period = 124286;
SELECT aiusage.period_status(124286);
SELECT aiusage.ensure_period(124290);
SELECT aiusage.start_closing(124290, 'tomorrow') > now() AS in_grace;
SELECT aiusage.period_status(124290), aiusage.billed_period(1, '2024-03-15Z');
SELECT operation, old ->> 'status' AS old, new ->> 'status' AS new, new ->> 'reason' AS reason FROM aiusage.audit_log
WHERE relation = 'invoice_period' AND '124286' IN (old ->> 'period', new ->> 'period') ORDER BY entry;

-- A closing that is rolled back, as this session sees it
BEGIN;
SELECT aiusage.close_period(124280) AS next;
SELECT aiusage.billed_period(1, '2023-05-15Z');
ROLLBACK;
SELECT aiusage.period_status(124280), aiusage.billed_period(1, '2023-05-15Z');

-- Rows: each in the period of its cost center's calendar, late ones in the next open one, their time kept
SELECT aiusage.put_key('{"key": "k-global", "team": "t", "cost_center": "cc-global"}') IS NOT NULL AS assigned;
SELECT aiusage.put_key('{"key": "k-berlin", "team": "t", "cost_center": "cc-berlin"}') IS NOT NULL AS assigned;
SELECT aiusage.put_cost_center('cc-berlin', calendar => 'berlin') AS moved;
CREATE FUNCTION pg_temp.book(key text, at timestamptz) RETURNS text LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record AS u (id, occurred_at, api_key, provider, model, usage)
	VALUES (aiusage.uuid_v7(at), at, key, 'p', 'm', '{"input_tokens": 1}')
	RETURNING concat_ws(' ', u.invoice_period, aiusage.period_label(u.invoice_period), u.occurred_at AT TIME ZONE 'UTC', u.occurred_at = at)
$$;
SELECT pg_temp.book('k-global', '2023-10-31 23:59:59Z');
SELECT pg_temp.book('k-global', '2023-11-16 18:15:46Z');
SELECT pg_temp.book('k-global', '2024-02-10 00:00:00Z');
SELECT pg_temp.book('k-berlin', '2023-10-31 23:00:00Z');
SELECT pg_temp.book('k-berlin', '2023-11-16 18:15:46Z');
SELECT pg_temp.book('k-nobody', '2023-12-16 18:15:46Z');
SELECT aiusage.close_period(aiusage.period_of(2, '2023-11-16Z'), 'unpriced and not folded, as it is', true) AS next;
SELECT pg_temp.book('k-berlin', '2023-11-16 18:15:46Z');
-- A cost center that moves to another calendar does so for what is booked from now on.
SELECT aiusage.put_cost_center('cc-berlin', calendar => 'kathmandu') AS moved;
SELECT pg_temp.book('k-berlin', '2023-11-16 18:15:46Z');
-- Once usage is booked, calendars stay as they are; new ones can be made.
SELECT aiusage.set_billing_calendar('berlin', 'Europe/Paris');
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('berlin', 'Europe/Berlin', 2);
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('berlin', 'Europe/Berlin') AS as_it_is;
UPDATE aiusage.setting SET value = 'Asia/Tokyo' WHERE name = 'time_zone';
\echo :SQLSTATE
SELECT aiusage.set_billing_calendar('paris', 'Europe/Paris') AS new;
-- Many periods asked for in turn: the memo of the last one does no harm.
SELECT count(*) AS asked, count(*) FILTER (WHERE aiusage.period_of(c, at) <> aiusage.period_of(c, at + interval '0')) AS unlike,
	count(*) FILTER (WHERE aiusage.billed_period(c, at) < aiusage.period_of(c, at)) AS too_early
FROM generate_series(1, 7) AS c, generate_series(timestamptz '2023-01-01Z', '2024-12-31Z', interval '11 days') AS at;

\c contrib_regression
DROP DATABASE config_periods;
