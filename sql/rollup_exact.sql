-- Rollup views equal plain SQL over the ledger, whatever is folded.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
SELECT FROM aiusage.make_partitions('2021-03-01', '2021-05-01');
RESET client_min_messages;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';

-- A cost center in Europe/Berlin: 28 March 2021 has 23 hours there.
SELECT aiusage.set_billing_calendar('rollup-berlin', 'Europe/Berlin') IS NOT NULL AS calendar;
SELECT aiusage.put_team('rollup-a', 'Rollup A'), aiusage.put_team('rollup-b', 'Rollup B');
SELECT aiusage.put_cost_center('rollup-cc', 'Rollup CC'),
	aiusage.put_cost_center('rollup-de', 'Rollup DE', calendar => 'rollup-berlin');
SELECT aiusage.put_customer('rollup-acme', 'Acme'), aiusage.put_customer('rollup-zeta', 'Zeta');
SELECT aiusage.put_key('{"key": "rollup-1", "team": "rollup-a", "cost_center": "rollup-cc", "project": "search",
	"environment": "production", "workflow": "rollup-answer", "customer": "rollup-acme", "valid_from": "2021-01-01T00:00:00Z"}') IS NOT NULL AS key1,
	aiusage.put_key('{"key": "rollup-2", "team": "rollup-b", "cost_center": "rollup-de",
	"environment": "staging", "valid_from": "2021-01-01T00:00:00Z"}') IS NOT NULL AS key2;

/*
 * The oracle: plain SQL over the ledger, written without the rollup views.
 */
CREATE TEMP VIEW oracle AS
SELECT (u.occurred_at AT TIME ZONE c.time_zone)::date AS day,
	to_timestamp(floor(extract(epoch FROM u.occurred_at) / 3600) * 3600) AS hour,
	coalesce(a.team, '(unmatched)') AS team, coalesce(a.cost_center, '(unmatched)') AS cost_center,
	a.project, a.environment, u.assignment, u.api_key, u.provider, u.model, u.endpoint, u.service_tier, u.region,
	coalesce(u.customer, a.customer) AS customer, coalesce(u.workflow, a.workflow) AS workflow,
	u.status::text AS status, left(u.status_code::text, 1) || 'xx' AS status_class, u.invoice_period AS period,
	aiusage.currency(u.cost_by_unit) AS currency,
	CASE WHEN u.list_cost IS NULL THEN aiusage.currency(u.cost_by_unit) ELSE aiusage.currency(u.list_cost) END AS list_currency,
	aiusage.currency(u.charge) AS charge_currency,
	s.sign, s.sign * (u.status <> 'success')::int AS errors,
	s.sign * ((u.attempt > 1)::int + coalesce(u.retries, 0)) AS retries,
	s.sign * (u.fallback_from IS NOT NULL)::int AS fallbacks,
	s.sign * coalesce(u.cache_hit, false)::int AS cache_hits,
	CASE u.kind WHEN 'usage' THEN 1 WHEN 'outcome' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END * coalesce(u.accepted, 0) AS accepted,
	s.sign * (u.cost_state = 'unpriced')::int - (u.kind = 'adjustment' AND u.unpriced_reason IS NOT NULL)::int AS unpriced, s.sign * (u.assignment IS NULL)::int AS unmatched,
	s.sign * coalesce((u.usage::jsonb ->> 'input_tokens')::numeric, 0) AS input_tokens,
	s.sign * coalesce((u.usage::jsonb ->> 'cache_read_tokens')::numeric, 0) AS cache_read_tokens,
	s.sign * coalesce((u.usage::jsonb ->> 'output_tokens')::numeric, 0) AS output_tokens,
	s.sign * coalesce((u.usage::jsonb ->> 'output_reasoning_tokens')::numeric, 0) AS reasoning_tokens,
	coalesce(u.cost::numeric, 0) AS cost, coalesce(u.list_cost::numeric, u.cost::numeric, 0) AS list_cost,
	coalesce(u.charge::numeric, 0) AS charge,
	CASE WHEN u.status <> 'success' THEN coalesce(u.cost::numeric, 0) ELSE 0 END AS failed_cost,
	CASE WHEN u.attempt > 1 THEN coalesce(u.cost::numeric, 0) ELSE 0 END AS retry_cost,
	CASE WHEN u.fallback_from IS NOT NULL THEN coalesce(u.cost::numeric, 0) ELSE 0 END AS fallback_cost,
	CASE WHEN u.cost_state = 'estimated' THEN coalesce(u.cost::numeric, 0) ELSE 0 END AS estimated_cost
FROM aiusage.usage_record u
JOIN aiusage.billing_calendar c ON c.calendar = u.invoice_period / 100000
LEFT JOIN aiusage.key_assignment a ON a.assignment = u.assignment
CROSS JOIN LATERAL (SELECT CASE u.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END AS sign) s;

-- what does not fit a bigint is shown as NULL
CREATE FUNCTION pg_temp.fits(n numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS
	'SELECT CASE WHEN n BETWEEN -9223372036854775808 AND 9223372036854775807 THEN n END';

-- differences(): every view against the oracle, both ways, each in one statement
CREATE FUNCTION pg_temp.differences(OUT view text, OUT rows_differ bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	keys text;
	theirs text := 'requests, errors, retries, fallbacks, cache_hits, accepted, unpriced, unmatched, input_tokens,
		cache_read_tokens, output_tokens, reasoning_tokens, cost, failed_cost, retry_cost, fallback_cost, estimated_cost, list_cost, charge, margin';
	ours text := 'sum(sign), sum(errors), sum(retries), sum(fallbacks), sum(cache_hits), sum(accepted), sum(unpriced), sum(unmatched),
		pg_temp.fits(sum(input_tokens)), pg_temp.fits(sum(cache_read_tokens)), pg_temp.fits(sum(output_tokens)),
		pg_temp.fits(sum(reasoning_tokens)), sum(cost), sum(failed_cost),
		sum(retry_cost), sum(fallback_cost), sum(estimated_cost)';
	mixed text := ', CASE WHEN bool_and(list_currency = currency) THEN sum(list_cost) END,
		CASE WHEN bool_or(charge_currency <> currency) THEN NULL ELSE sum(charge) END,
		CASE WHEN count(charge_currency) = 0 OR bool_or(charge_currency <> currency) THEN NULL ELSE sum(charge) - sum(cost) END';
	fine text := ', sum(list_cost), sum(charge),
		CASE WHEN count(charge_currency) = 0 OR bool_or(charge_currency <> currency) THEN NULL ELSE sum(charge) - sum(cost) END';
	everything text := 'api_key, assignment, team, cost_center, project, environment, provider, model, endpoint,
		service_tier, region, customer, workflow, status, status_class, period, currency, list_currency, charge_currency';
BEGIN
	FOR view, keys IN VALUES
		('team_usage', 'day, team, currency'),
		('cost_center_usage', 'day, cost_center, currency'),
		('invoice_period_usage', 'period, team, cost_center, currency'),
		('key_usage', 'day, api_key, currency'),
		('provider_usage', 'day, provider, currency'),
		('model_usage', 'day, provider, model, currency'),
		('endpoint_usage', 'day, provider, coalesce(endpoint, ''(none)''), coalesce(service_tier, ''(none)''), coalesce(region, ''(none)''), currency'),
		('status_usage', 'day, provider, model, status, coalesce(status_class, ''(none)''), currency'),
		('project_usage', 'day, team, coalesce(project, ''(none)''), currency'),
		('environment_usage', 'day, coalesce(environment, ''(none)''), currency'),
		('workflow_usage', 'day, coalesce(workflow, ''(none)''), currency'),
		('customer_usage', 'day, coalesce(customer, ''(none)''), currency, charge_currency'),
		('usage_daily', 'day, ' || everything),
		('usage_hourly', 'hour, ' || everything)
	LOOP
		EXECUTE format($q$
			WITH ours AS MATERIALIZED (SELECT %1$s, %2$s FROM oracle GROUP BY %1$s),
				theirs AS MATERIALIZED (SELECT %3$s, %4$s FROM aiusage.%5$I)
			SELECT count(*) FROM (
				(TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) d $q$,
			keys,
			ours || CASE WHEN view IN ('usage_daily', 'usage_hourly') THEN fine
				WHEN view = 'customer_usage' THEN replace(mixed, 'CASE WHEN bool_or(charge_currency <> currency) THEN NULL ELSE sum(charge) END', 'sum(charge)')
				ELSE mixed END,
			CASE WHEN view IN ('usage_daily', 'usage_hourly') THEN replace(keys, 'period', 'invoice_period')
				ELSE regexp_replace(keys, 'coalesce\((\w+), [^)]*\)''\)', '\1', 'g') END,
			theirs, view) INTO rows_differ;
		RETURN NEXT;
	END LOOP;

	view := 'line_items';
	EXECUTE $q$
		WITH amounts AS (
			SELECT (u.occurred_at AT TIME ZONE c.time_zone)::date AS day, coalesce(a.team, '(unmatched)') AS team,
				coalesce(a.cost_center, '(unmatched)') AS cost_center, u.provider, u.model,
				aiusage.currency(u.cost_by_unit) AS currency, x.unit, x.used, x.quantity, x.cost
			FROM aiusage.usage_record u
			JOIN aiusage.billing_calendar c ON c.calendar = u.invoice_period / 100000
			LEFT JOIN aiusage.key_assignment a ON a.assignment = u.assignment
			CROSS JOIN LATERAL (
				SELECT key, CASE u.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 END * value::numeric, 0, 0
				FROM jsonb_each_text(u.usage::jsonb)
				WHERE u.kind IN ('usage', 'reversal')
				UNION ALL
				SELECT key, 0, CASE u.kind WHEN 'reversal' THEN -1 ELSE 1 END * value::numeric, 0
				FROM jsonb_each_text(aiusage.billed_usage(u.usage, u.cost_by_unit)::jsonb)
				WHERE u.kind IN ('usage', 'reversal') OR u.kind = 'adjustment' AND u.unpriced_reason IS NOT NULL
				UNION ALL
				SELECT key, 0, 0, value::numeric
				FROM jsonb_each_text(u.cost_by_unit::text::jsonb -> aiusage.currency(u.cost_by_unit))) x (unit, used, quantity, cost)
		), ours AS MATERIALIZED (
			SELECT day, team, cost_center, provider, model, unit, currency, sum(used), sum(quantity), sum(cost)
			FROM amounts GROUP BY day, team, cost_center, provider, model, unit, currency
		), theirs AS MATERIALIZED (
			SELECT day, team, cost_center, provider, model, unit, currency, used_quantity, quantity, cost FROM aiusage.line_items
		)
		SELECT count(*) FROM (
			(TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) d $q$ INTO rows_differ;
	RETURN NEXT;
END $$;

-- book(): a row as an owner of the books brings it, with its cost
CREATE FUNCTION pg_temp.book(request text, at timestamptz, key text, usage text, cost numeric, currency text DEFAULT 'USD',
	extra jsonb DEFAULT '{}') RETURNS uuid LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record (id, occurred_at, request_id, api_key, provider, model, usage, cost_state, cost, cost_by_unit,
		list_cost, charge, unpriced_reason, assignment, status, attempt, retries, fallback_from, cache_hit, accepted, customer,
		workflow, endpoint, kind, status_code, service_tier, region)
	SELECT aiusage.event_id('rollup-' || request, at), at, request, key, 'rollup', coalesce(extra ->> 'model', 'm1'),
		usage::aiusage.usage,
		CASE WHEN cost IS NULL THEN 'unpriced' ELSE coalesce(extra ->> 'state', 'final') END::aiusage.cost_state,
		aiusage.amount(cost, currency),
		format('{"%s": %s}', currency, CASE WHEN cost IS NULL THEN '{}'
			ELSE jsonb_build_object('input_tokens', cost - round(cost / 3, 6), 'output_tokens', round(cost / 3, 6)) END)::aiusage.unit_costs,
		(extra ->> 'list_cost')::aiusage.amount, (extra ->> 'charge')::aiusage.amount,
		CASE WHEN cost IS NULL THEN 'unknown_model' END::aiusage.unpriced_reason,
		(SELECT a.assignment FROM aiusage.key_assignment a WHERE a.api_key = key),
		coalesce(extra ->> 'status', 'success')::aiusage.usage_status, coalesce((extra ->> 'attempt')::int2, 1),
		(extra ->> 'retries')::int2, extra ->> 'fallback_from', (extra ->> 'cache_hit')::boolean, (extra ->> 'accepted')::int,
		extra ->> 'customer', extra ->> 'workflow', extra ->> 'endpoint', coalesce(extra ->> 'kind', 'usage')::aiusage.record_kind, (extra ->> 'code')::int2,
		extra ->> 'service_tier', extra ->> 'region'
	RETURNING id $$;

-- Nothing folded yet, and everything that can be in a row.
SELECT aiusage.refresh() >= 0 AS folded;
SELECT count(pg_temp.book(r, at, key, usage, cost, currency, extra::jsonb)) AS booked FROM (VALUES
	('plain', '2021-03-10 12:07:30+00'::timestamptz, 'rollup-1', '{"input_tokens": 1000, "output_tokens": 50}', 0.003, 'USD', '{"code": 200, "service_tier": "flex", "region": "eu"}'),
	('cached', '2021-03-10 12:08:00+00', 'rollup-1', '{"input_tokens": 900, "cache_read_tokens": 800, "output_tokens": 70, "output_reasoning_tokens": 60}', 0.001, 'USD', '{"accepted": 1}'),
	('failed', '2021-03-10 12:14:59.999999+00', 'rollup-1', '{"input_tokens": 10}', 0.000012345678, 'USD', '{"status": "error", "code": 429}'),
	('timeout', '2021-03-10 12:15:00+00', 'rollup-1', '{}', 0, 'USD', '{"status": "timeout", "retries": 2, "code": 504}'),
	('cancelled', '2021-03-10 12:20:00+00', 'rollup-1', '{"input_tokens": 7}', 0.00001, 'USD', '{"status": "cancelled", "attempt": 2, "state": "estimated"}'),
	('fallback', '2021-03-10 12:20:01+00', 'rollup-1', '{"input_tokens": 20, "output_tokens": 4}', 0.002, 'USD', '{"attempt": 3, "fallback_from": "m0", "model": "m2"}'),
	('gateway-cache', '2021-03-10 13:20:01+00', 'rollup-1', '{"requests": 1}', 0, 'USD', '{"cache_hit": true, "endpoint": "chat"}'),
	('unpriced', '2021-03-10 13:21:00+00', 'rollup-1', '{"input_tokens": 123456}', NULL, 'USD', '{"model": "m3"}'),
	('unmatched', '2021-03-10 13:21:00+00', 'rollup-nobody', '{"input_tokens": 5}', 0.004, 'USD', '{}'),
	('euro', '2021-03-10 13:22:00+00', 'rollup-1', '{"input_tokens": 5}', 0.005, 'EUR', '{}'),
	('other-list', '2021-03-10 13:23:00+00', 'rollup-1', '{"input_tokens": 5}', 0.006, 'EUR', '{"list_cost": "0.007 USD"}'),
	('discount', '2021-03-10 13:24:00+00', 'rollup-1', '{"input_tokens": 5}', 0.006, 'USD', '{"list_cost": "0.009 USD"}'),
	('charged', '2021-03-10 13:25:00+00', 'rollup-1', '{"input_tokens": 5}', 0.006, 'USD', '{"charge": "0.011 USD", "customer": "rollup-zeta", "workflow": "rollup-sum"}'),
	('charged-euro', '2021-03-11 13:25:00+00', 'rollup-1', '{"input_tokens": 5}', 0.006, 'USD', '{"charge": "0.010 EUR", "customer": "rollup-zeta"}'),
	('other-unit', '2021-03-11 13:26:00+00', 'rollup-1', '{"input_tokens": 5, "rollup_widgets": 2.5}', 0.006, 'USD', '{}'),
	('other-team', '2021-03-11 13:27:00+00', 'rollup-2', '{"input_tokens": 5}', 0.006, 'USD', '{}')
	) v (r, at, key, usage, cost, currency, extra);
SELECT * FROM pg_temp.differences();

-- All of it folded; folding again finds nothing.
SELECT aiusage.refresh() AS folded;
SELECT aiusage.refresh() AS folded;
SELECT * FROM pg_temp.differences();

-- Half and half: late rows of old quarter hours, of new ones, of days before.
SELECT count(pg_temp.book('late-' || n, '2021-03-10 12:00:00+00'::timestamptz + n * interval '7 minutes', 'rollup-' || 1 + n % 2,
	'{"input_tokens": 11, "output_tokens": 3}', n * 0.000001, CASE WHEN n % 5 = 0 THEN 'EUR' ELSE 'USD' END)) AS booked
FROM generate_series(-300, 300) n;
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() AS folded;
SELECT * FROM pg_temp.differences();

-- The 23 hours of 28 March 2021 in Berlin, four rows an hour, and the days around it.
SELECT count(pg_temp.book('dst-' || n, '2021-03-27 20:00:00+00'::timestamptz + n * interval '15 minutes', 'rollup-2',
	'{"input_tokens": 1}', 0.000001)) AS booked
FROM generate_series(0, 4 * 40 - 1) n;
SELECT day, requests FROM aiusage.cost_center_usage
WHERE cost_center = 'rollup-de' AND day BETWEEN '2021-03-27' AND '2021-03-29' ORDER BY day;
SELECT aiusage.refresh() AS folded;
SELECT day, requests, cost, input_tokens FROM aiusage.cost_center_usage
WHERE cost_center = 'rollup-de' AND day BETWEEN '2021-03-27' AND '2021-03-29' ORDER BY day;
SELECT * FROM pg_temp.differences();

-- A month's last hour in Berlin is the next month in UTC's eyes, and the reverse.
SELECT pg_temp.book('month-end-de', '2021-03-31 22:30:00+00', 'rollup-2', '{"input_tokens": 1}', 0.5) IS NOT NULL AS berlin,
	pg_temp.book('month-end', '2021-03-31 22:30:00+00', 'rollup-1', '{"input_tokens": 1}', 0.5) IS NOT NULL AS utc;
SELECT label, starts_on, ends_on, status, team, team_name, cost_center, cost_center_name, requests, cost, currency
FROM aiusage.invoice_period_usage WHERE team LIKE 'rollup-%' ORDER BY cost_center, label, currency;

-- Corrections: reversal and corrected row, moved row, adjustment of money, outcome.
SELECT count(aiusage.adjust(aiusage.event_id('rollup-plain', '2021-03-10 12:07:30+00'), '{"input_tokens": 400, "output_tokens": 50}', 'recount', 'T-1')) AS adjusted;
SELECT booked, row_count FROM aiusage.reattribute('{"api_key": "rollup-1", "from": "2021-03-11T13:26:00Z", "to": "2021-03-11T13:26:01Z"}',
	(SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'rollup-2'), 'wrong key', NULL, dry_run => false);
SELECT count(pg_temp.book('credit', '2021-03-10 12:07:31+00', 'rollup-1', '{}', -0.5, 'USD', '{"kind": "adjustment"}')) AS credit,
	count(aiusage.record_outcome(aiusage.event_id('rollup-failed', '2021-03-10 12:14:59.999999+00'), 3)) AS outcome,
	count(aiusage.record_outcome(aiusage.event_id('rollup-cached', '2021-03-10 12:08:00+00'), -1)) AS taken_back;
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() > 0 AS folded;
SELECT * FROM pg_temp.differences();

-- Absurd counters, which a ledger row may hold, stop neither views nor folds.
SELECT count(pg_temp.book('huge-' || n, '2021-03-12 12:00:00+00', 'rollup-1', '{"output_tokens": 999999999999999999}', NULL)) AS booked
FROM generate_series(1, 12) n;
SELECT day, unpriced, output_tokens FROM aiusage.team_usage WHERE team = 'rollup-a' AND day = '2021-03-12' AND currency = 'USD';
SELECT aiusage.refresh() AS folded;
SELECT day, unpriced, output_tokens FROM aiusage.team_usage WHERE team = 'rollup-a' AND day = '2021-03-12' AND currency = 'USD';
SELECT used_quantity FROM aiusage.line_items
WHERE team = 'rollup-a' AND day = '2021-03-12' AND currency = 'USD' AND unit = 'output_tokens';
SELECT * FROM pg_temp.differences();

-- What people see of it.
SELECT day, team, team_name, currency, requests, errors, retries, fallbacks, cache_hits, accepted, unpriced, unmatched
FROM aiusage.team_usage WHERE team = 'rollup-a' AND day IN ('2021-03-10', '2021-03-11') ORDER BY day, currency;
SELECT day, currency, cost, failed_cost, retry_cost, fallback_cost, estimated_cost, list_cost, charge, margin
FROM aiusage.team_usage WHERE team = 'rollup-a' AND day IN ('2021-03-10', '2021-03-11') ORDER BY day, currency;
SELECT day, currency, input_tokens, cache_read_tokens, output_tokens, reasoning_tokens
FROM aiusage.team_usage WHERE team = 'rollup-a' AND day IN ('2021-03-10', '2021-03-11') ORDER BY day, currency;
SELECT day, customer, customer_name, currency, charge_currency, requests, cost, charge, margin
FROM aiusage.customer_usage WHERE customer LIKE 'rollup-%' AND day IN ('2021-03-10', '2021-03-11')
ORDER BY day, customer, currency, charge_currency;
SELECT unit, used_quantity, quantity, cost, round(average_rate, 9) AS average_rate, currency
FROM aiusage.line_items WHERE team = 'rollup-a' AND day = '2021-03-11' AND provider = 'rollup' ORDER BY unit, currency;

-- One row a grain.
SELECT v.view, v.duplicates FROM (
	SELECT 'team_usage', count(*) - count(DISTINCT (day, team, currency)) FROM aiusage.team_usage
	UNION ALL SELECT 'cost_center_usage', count(*) - count(DISTINCT (day, cost_center, currency)) FROM aiusage.cost_center_usage
	UNION ALL SELECT 'invoice_period_usage', count(*) - count(DISTINCT (period, team, cost_center, currency)) FROM aiusage.invoice_period_usage
	UNION ALL SELECT 'key_usage', count(*) - count(DISTINCT (day, api_key, currency)) FROM aiusage.key_usage
	UNION ALL SELECT 'model_usage', count(*) - count(DISTINCT (day, provider, model, currency)) FROM aiusage.model_usage
	UNION ALL SELECT 'provider_usage', count(*) - count(DISTINCT (day, provider, currency)) FROM aiusage.provider_usage
	UNION ALL SELECT 'endpoint_usage', count(*) - count(DISTINCT (day, provider, endpoint, service_tier, region, currency)) FROM aiusage.endpoint_usage
	UNION ALL SELECT 'status_usage', count(*) - count(DISTINCT (day, provider, model, status, status_class, currency)) FROM aiusage.status_usage
	UNION ALL SELECT 'project_usage', count(*) - count(DISTINCT (day, team, project, currency)) FROM aiusage.project_usage
	UNION ALL SELECT 'environment_usage', count(*) - count(DISTINCT (day, environment, currency)) FROM aiusage.environment_usage
	UNION ALL SELECT 'workflow_usage', count(*) - count(DISTINCT (day, workflow, currency)) FROM aiusage.workflow_usage
	UNION ALL SELECT 'customer_usage', count(*) - count(DISTINCT (day, customer, currency, charge_currency)) FROM aiusage.customer_usage
	UNION ALL SELECT 'line_items', count(*) - count(DISTINCT (day, team, cost_center, provider, model, unit, currency)) FROM aiusage.line_items
) v (view, duplicates) ORDER BY 1;

-- Lines add up to the day's cost.
SELECT count(*) AS days_that_differ FROM (
	SELECT day, team, currency, cost FROM aiusage.team_usage WHERE team LIKE 'rollup-%' AND cost <> 0
	EXCEPT ALL
	SELECT day, team, currency, sum(cost) FROM aiusage.line_items GROUP BY day, team, currency
) d;

-- Columns that any tool can read, and a comment on each.
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'aiusage'::regnamespace
	AND c.relname IN ('team_usage', 'cost_center_usage', 'invoice_period_usage', 'key_usage', 'model_usage', 'workflow_usage',
		'customer_usage', 'usage_daily', 'usage_hourly', 'line_items', 'provider_usage', 'endpoint_usage', 'status_usage', 'project_usage',
		'environment_usage', 'tag_usage', 'declared_tag', 'user_usage')
	AND (a.atttypid NOT IN ('numeric'::regtype, 'bigint'::regtype, 'text'::regtype, 'timestamptz'::regtype, 'date'::regtype)
		OR col_description(c.oid, a.attnum) IS NULL)
ORDER BY 1, 2;

-- The books prove it themselves.
SELECT check_name, expected, actual, detail FROM aiusage.verify()
WHERE NOT ok AND check_name LIKE 'rollup%' ORDER BY 1;
SELECT count(*) > 40 AS checks, bool_and(ok) AS ok FROM aiusage.verify() WHERE check_name LIKE 'rollup%';

-- as_of is a time at which everything committed before is in.
SELECT bool_and(as_of = now()) AS as_of FROM aiusage.team_usage;
