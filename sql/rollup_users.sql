-- Usage by user: off, on from a time on, off again; the same whatever is folded when.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
SELECT FROM aiusage.make_partitions('2024-02-01', '2024-05-01');
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT aiusage.put_customer('users-acme', 'Acme') AS customer;
SELECT aiusage.put_key('{"key": "users-1", "team": "users-a", "cost_center": "users-cc", "project": "p", "valid_from": "2021-01-01T00:00:00Z"}') IS NOT NULL AS key1,
	aiusage.put_key('{"key": "users-2", "team": "users-b", "customer": "users-acme", "valid_from": "2021-01-01T00:00:00Z"}') IS NOT NULL AS key2;
RESET client_min_messages;

-- The oracle: plain SQL over the ledger.
CREATE TEMP VIEW oracle AS
SELECT (u.occurred_at AT TIME ZONE 'UTC')::date AS day, u.user_id, coalesce(a.team, '(unmatched)') AS team, coalesce(a.cost_center, '(unmatched)') AS cost_center,
	a.project, coalesce(u.customer, a.customer) AS customer, aiusage.currency(u.cost_by_unit) AS currency, aiusage.currency(u.charge) AS charge_currency,
	sum(s.sign) AS requests, sum(s.sign * (u.status <> 'success')::int) AS errors,
	sum(s.sign * (u.cost_state = 'unpriced')::int) AS unpriced,
	sum(s.sign * coalesce((u.usage::jsonb ->> 'input_tokens')::numeric, 0)) AS input_tokens,
	sum(s.sign * coalesce((u.usage::jsonb ->> 'output_tokens')::numeric, 0)) AS output_tokens,
	sum(coalesce(u.cost::numeric, 0)) AS cost, sum(CASE WHEN u.status <> 'success' THEN coalesce(u.cost::numeric, 0) ELSE 0 END) AS failed_cost,
	sum(coalesce(u.charge::numeric, 0)) AS charge
FROM aiusage.usage_record AS u
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = u.assignment
CROSS JOIN LATERAL (SELECT CASE u.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END AS sign) AS s
WHERE u.user_id IS NOT NULL AND u.api_key LIKE 'users-%'
	AND EXISTS (SELECT FROM aiusage.user_level AS l WHERE u.occurred_at >= l.starts_at AND (l.ends_at IS NULL OR u.occurred_at < l.ends_at))
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
CREATE TEMP VIEW shown AS
SELECT day, user_id, team, cost_center, project, customer, currency, charge_currency, requests::numeric, errors::numeric, unpriced::numeric, input_tokens::numeric,
	output_tokens::numeric, cost, failed_cost, charge
FROM aiusage.user_usage WHERE user_id LIKE 'users-%';
CREATE FUNCTION pg_temp.differences(OUT rows_differ bigint, OUT not_verified bigint) LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM ((TABLE oracle EXCEPT ALL TABLE shown) UNION ALL (TABLE shown EXCEPT ALL TABLE oracle)) AS d),
		(SELECT count(*) FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'rollup%') $$;

-- book(): what a user did at a time
CREATE FUNCTION pg_temp.book(who text, at timestamptz, key text DEFAULT 'users-1', cost numeric DEFAULT 0.25, extra jsonb DEFAULT '{}') RETURNS uuid LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage, cost_state, cost, cost_by_unit, charge, unpriced_reason, assignment, kind,
		status, customer, user_id)
	SELECT aiusage.uuid_v7(at), at, key, 'users', 'm', '{"input_tokens": 10, "output_tokens": 3}',
		CASE WHEN cost IS NULL THEN 'unpriced' ELSE 'final' END::aiusage.cost_state, aiusage.amount(cost, 'USD'),
		CASE WHEN cost IS NULL THEN '{"USD": {}}' ELSE format('{"USD": {"input_tokens": %s}}', cost) END::aiusage.unit_costs, (extra ->> 'charge')::aiusage.amount,
		CASE WHEN cost IS NULL THEN 'unknown_model' END::aiusage.unpriced_reason,
		(SELECT a.assignment FROM aiusage.key_assignment AS a WHERE a.api_key = key), 'usage', coalesce(extra ->> 'status', 'success')::aiusage.usage_status,
		extra ->> 'customer', who
	RETURNING id $$;

-- Off: nothing is summed by user.
SELECT count(pg_temp.book('users-' || n % 3, '2024-02-28 22:00+00'::timestamptz + n * interval '1 hour')) AS booked FROM generate_series(0, 50) AS n;
SELECT aiusage.refresh() > 0 AS folded;
SELECT count(*) AS rows, (SELECT count(*) FROM aiusage.rollup_user_daily) AS folded FROM aiusage.user_usage;
SELECT aiusage.disable_user_usage() AS was_on;
SELECT aiusage.enable_user_usage('infinity');
SELECT aiusage.enable_user_usage(now() + interval '1 day');

-- On from a time in the past: what was folded since is added; the leap day is whole.
SELECT count(pg_temp.book('users-' || n % 3, '2024-02-29 22:00+00'::timestamptz + n * interval '1 hour', 'users-2')) AS booked_not_folded FROM generate_series(0, 5) AS n;
SELECT aiusage.enable_user_usage('2024-02-29 00:00+00') AS on_from;
SELECT aiusage.enable_user_usage() AS is_on_from;
SELECT * FROM pg_temp.differences();
SELECT day, user_id, team, customer, requests, input_tokens, cost, currency FROM aiusage.user_usage WHERE user_id = 'users-1' ORDER BY day, team;
SELECT aiusage.refresh() > 0 AS folded;
SELECT * FROM pg_temp.differences();
SELECT day, user_id, team, customer, requests, input_tokens, cost, currency FROM aiusage.user_usage WHERE user_id = 'users-1' ORDER BY day, team;

-- All kinds of rows; those without a user are in no sum by user.
SELECT count(pg_temp.book(w, at, k, c, x::jsonb)) AS booked FROM (VALUES
	('users-1', '2024-03-02 10:00+00'::timestamptz, 'users-1', 0.5, '{"status": "error"}'), ('users-1', '2024-03-02 11:00+00', 'users-2', NULL, '{}'),
	('users-1', '2024-03-02 11:00+00', 'users-1', 0.5, '{"charge": "0.75 EUR"}'), (NULL, '2024-03-02 11:00+00', 'users-1', 0.5, '{}'),
	('users-2', '2024-03-02 11:00+00', 'users-nobody', 0.5, '{}'), ('users-2', '2024-03-02 11:00+00', 'users-1', 0.5, '{"customer": "users-acme"}'),
	('users-1', '2024-02-28 10:00+00', 'users-1', 0.5, '{}')) AS v (w, at, k, c, x);
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() > 0 AS folded;
SELECT * FROM pg_temp.differences();
SELECT count(aiusage.adjust(u.id, '{"input_tokens": 4}', 'recount', NULL)) AS adjusted FROM aiusage.usage_record AS u WHERE u.user_id = 'users-2' AND u.api_key = 'users-1';
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() > 0 AS folded;
SELECT * FROM pg_temp.differences();
SELECT day, user_id, team, cost_center, project, customer, requests, errors, unpriced, cost, failed_cost, charge, charge_currency, currency
FROM aiusage.user_usage WHERE day = '2024-03-02' AND user_id LIKE 'users-%' ORDER BY user_id, team, customer, charge_currency;

-- One row a grain.
SELECT count(*) - count(DISTINCT (day, user_id, team, cost_center, project, customer, currency, charge_currency)) AS duplicates FROM aiusage.user_usage;

-- A rebuild finds what is wrong, and leaves the rest.
UPDATE aiusage.rollup_user_daily SET cost = cost + 1 WHERE user_id = 'users-1' AND day = '2024-03-01';
DELETE FROM aiusage.rollup_user_daily WHERE user_id = 'users-2' AND day = '2024-03-01';
INSERT INTO aiusage.rollup_user_daily SELECT day, 'users-nobody', assignment, customer, currency, charge_currency, records, requests, errors, accepted, unpriced,
	cost, failed_cost, charge, usage, usage_reversed FROM aiusage.rollup_user_daily WHERE user_id = 'users-0' AND day = '2024-03-01';
SELECT * FROM pg_temp.differences();
SET client_min_messages = warning;
CALL aiusage.rebuild_rollups('damaged', '2024-02-28', '2024-03-03');
RESET client_min_messages;
SELECT * FROM pg_temp.differences();
SELECT rows_changed > 0 AS changed FROM aiusage.rebuild_progress ORDER BY job DESC LIMIT 1;

-- A person who is erased is in no sum; the others' stay.
SELECT aiusage.refresh() >= 0 AS folded;
SELECT count(*) > 0 AS there FROM aiusage.user_usage WHERE user_id = 'users-2';
SET client_min_messages = warning;
SELECT count(*) > 0 AS erased FROM aiusage.erase_user('users-2', 'asked for it');
RESET client_min_messages;
SELECT count(*) FROM aiusage.rollup_user_daily WHERE user_id = 'users-2' OR records = 0;
SELECT count(*) FROM aiusage.user_usage WHERE user_id = 'users-2';
SELECT * FROM pg_temp.differences();

-- Off again, and on again.
SELECT aiusage.disable_user_usage() AS off, aiusage.disable_user_usage() AS again;
SELECT count(pg_temp.book('users-off', clock_timestamp())) AS booked;
SELECT aiusage.refresh() > 0 AS folded;
SELECT count(*) AS by_user FROM aiusage.user_usage WHERE user_id = 'users-off';
DO $$
BEGIN
	PERFORM aiusage.enable_user_usage('2024-03-01');
EXCEPTION WHEN SQLSTATE 'UA409' THEN
	RAISE NOTICE 'refused: %', regexp_replace(SQLERRM, '\d{4}-\d\d-\d\d [0-9:.]+\+00', 'TIME');
END $$;
SELECT aiusage.enable_user_usage() > now() - interval '1 minute' AS on_from_now;
SELECT count(pg_temp.book('users-on', clock_timestamp())) AS booked;
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() > 0 AS folded;
SELECT user_id, sum(requests) AS requests FROM aiusage.user_usage WHERE user_id IN ('users-off', 'users-on') GROUP BY 1;
SELECT * FROM pg_temp.differences();

-- The times are fixed, on record, and for admins only; people see users of what they may see.
UPDATE aiusage.user_level SET starts_at = '2024-01-01';
DELETE FROM aiusage.user_level;
TRUNCATE aiusage.user_level;
SELECT operation, count(*) FROM aiusage.audit_log WHERE relation = 'user_level' GROUP BY 1 ORDER BY 1;
-- a sum that was tampered with is found
BEGIN;
UPDATE aiusage.rollup_user_daily SET cost = cost + 0.000000000001 WHERE user_id = 'users-on';
SELECT check_name, actual FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'rollup%';
ROLLBACK;
CREATE ROLE regress_users_member;
CREATE ROLE regress_users_customer;
SELECT aiusage.grant_access('regress_users_member', 'member', '{"teams": ["users-b"]}'), aiusage.grant_access('regress_users_customer', 'customer', '{"customers": ["users-acme"]}');
SET ROLE regress_users_member;
SELECT user_id, team, sum(requests) AS requests FROM aiusage.user_usage GROUP BY 1, 2 ORDER BY 1;
SELECT aiusage.enable_user_usage();
SELECT * FROM aiusage.rollup_user_daily;
SET ROLE regress_users_customer;
SELECT * FROM aiusage.user_usage;
RESET ROLE;
SELECT aiusage.disable_user_usage() AS off;
SET client_min_messages = warning;
DROP OWNED BY regress_users_member, regress_users_customer;
DELETE FROM aiusage.access_grant WHERE role::text LIKE 'regress_users_%';
DROP ROLE regress_users_member, regress_users_customer;
