-- Reports equal plain SQL over the ledger, whatever is folded.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
SELECT FROM aiusage.make_partitions('2022-10-01', '2022-12-31');
RESET client_min_messages;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
\set SHOW_CONTEXT never

-- Months that begin on any day
SELECT d, aiusage.month_start(d, 1) AS d1, aiusage.month_start(d, 15) AS d15, aiusage.month_start(d, 29) AS d29, aiusage.month_start(d, 31) AS d31
FROM unnest('{2023-01-01,2023-01-14,2023-01-15,2023-01-31,2023-02-27,2023-02-28,2023-03-01,2023-03-30,2023-03-31,2024-02-28,2024-02-29,2024-03-01,2023-12-31,2024-01-30}'::date[]) AS d;
-- against a list of first days, for every day of five years and every start
SELECT count(*) AS days, count(*) FILTER (WHERE aiusage.month_start(d.day, n) = f.first) AS right_ones
FROM generate_series(1, 31) AS n,
	(SELECT generate_series(timestamp '2020-01-01', '2024-12-31', '1 day')::date AS day) AS d,
	LATERAL (SELECT max(x.first) AS first FROM (
		SELECT least((m + make_interval(days => n - 1))::date, (m + interval '1 month - 1 day')::date) AS first
		FROM generate_series(date_trunc('month', d.day::timestamp) - interval '1 month', date_trunc('month', d.day::timestamp), '1 month') AS m) AS x
		WHERE x.first <= d.day) AS f;

-- New York leaves daylight saving time on 6 November 2022, Berlin did on 30 October; months of the second begin on day 15.
SELECT aiusage.set_billing_calendar('reports-ny', 'America/New_York') IS NOT NULL AS ny,
	aiusage.set_billing_calendar('reports-de', 'Europe/Berlin', 15) IS NOT NULL AS de,
	aiusage.set_billing_calendar('reports-weeks', 'Asia/Kathmandu', 3, 'week') IS NOT NULL AS weeks;
SELECT count(aiusage.put_cost_center(c, upper(c), calendar => k)) AS cost_centers
FROM (VALUES ('reports-cc-ny', 'reports-ny'), ('reports-cc-de', 'reports-de'), ('reports-cc-np', 'reports-weeks')) AS v (c, k);
SET client_min_messages = warning;
SELECT count(aiusage.put_key(k)) AS keys FROM unnest(ARRAY[
	'{"key": "reports-1", "team": "reports-a", "cost_center": "reports-cc-ny", "workflow": "reports-answer", "customer": "reports-acme", "project": "reports-p", "environment": "production", "valid_from": "2022-01-01T00:00:00Z"}',
	'{"key": "reports-2", "team": "reports-a", "cost_center": "reports-cc-de", "valid_from": "2022-01-01T00:00:00Z"}',
	'{"key": "reports-3", "team": "reports-b", "cost_center": "reports-cc-np", "valid_from": "2022-01-01T00:00:00Z"}',
	'{"key": "reports-4", "team": "reports-b", "valid_from": "2022-01-01T00:00:00Z"}',
	'{"key": "reports-5", "cost_center": "reports-cc-ny", "valid_from": "2022-01-01T00:00:00Z"}',
	'{"key": "reports-6", "owner": "somebody", "valid_from": "2022-01-01T00:00:00Z"}',
	'{"key": "reports-7", "team": "reports-b", "cost_center": "reports-cc-np", "valid_from": "2022-11-10T00:00:00Z"}']::jsonb[]) AS k;
SELECT aiusage.put_team('reports-a', 'Reports A') AS renamed;
RESET client_min_messages;

-- A row as the owner of the books brings it, with its cost.
CREATE FUNCTION pg_temp.book(request text, at timestamptz, key text, cost numeric, currency text DEFAULT 'USD', extra jsonb DEFAULT '{}')
RETURNS uuid LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record (id, occurred_at, request_id, api_key, provider, model, usage, cost_state, cost, cost_by_unit,
		list_cost, charge, unpriced_reason, assignment, status, attempt, retries, fallback_from, accepted, customer, workflow, kind)
	SELECT aiusage.event_id('reports-' || request, at), at, request, key, coalesce(extra ->> 'provider', 'reports'), coalesce(extra ->> 'model', 'm1'),
		coalesce(extra ->> 'usage', '{"input_tokens": 100, "output_tokens": 7}')::aiusage.usage,
		CASE WHEN cost IS NULL THEN 'unpriced' ELSE coalesce(extra ->> 'state', 'final') END::aiusage.cost_state,
		aiusage.amount(cost, currency),
		format('{"%s": %s}', currency, CASE WHEN cost IS NULL THEN '{}' ELSE jsonb_build_object('input_tokens', cost) END)::aiusage.unit_costs,
		(extra ->> 'list_cost')::aiusage.amount, (extra ->> 'charge')::aiusage.amount,
		CASE WHEN cost IS NULL THEN 'unknown_model' END::aiusage.unpriced_reason,
		(SELECT a.assignment FROM aiusage.key_assignment a WHERE a.api_key = key AND a.valid_from <= at AND (a.valid_to IS NULL OR a.valid_to > at)),
		coalesce(extra ->> 'status', 'success')::aiusage.usage_status, coalesce((extra ->> 'attempt')::int2, 1),
		(extra ->> 'retries')::int2, extra ->> 'fallback_from', (extra ->> 'accepted')::int,
		extra ->> 'customer', extra ->> 'workflow', coalesce(extra ->> 'kind', 'usage')::aiusage.record_kind
	RETURNING id $$;

/*
 * The oracle: plain SQL over the ledger, without any rollup view.
 */
CREATE TEMP VIEW ledger AS
SELECT (u.occurred_at AT TIME ZONE c.time_zone)::date AS day,
	-- the month: the last of the first days that is not after the day
	(SELECT max(x.first) FROM (
		SELECT least((m + make_interval(days => CASE WHEN c.unit IN ('month', 'quarter') THEN c.start_day ELSE 1 END - 1))::date,
			(m + interval '1 month - 1 day')::date) AS first
		FROM generate_series(date_trunc('month', u.occurred_at AT TIME ZONE c.time_zone) - interval '1 month',
			date_trunc('month', u.occurred_at AT TIME ZONE c.time_zone), '1 month') AS m) AS x
		WHERE x.first <= (u.occurred_at AT TIME ZONE c.time_zone)::date) AS month,
	a.team AS owner, coalesce(a.team, '(unmatched)') AS team, a.cost_center, u.assignment, u.api_key, u.provider, u.model,
	coalesce(u.workflow, a.workflow, '(none)') AS workflow, coalesce(u.customer, a.customer, '(none)') AS customer,
	coalesce(a.project, '(none)') AS project, coalesce(a.environment, '(none)') AS environment,
	aiusage.currency(u.cost_by_unit) AS currency,
	coalesce(aiusage.currency(u.list_cost), aiusage.currency(u.cost_by_unit)) AS list_currency, aiusage.currency(u.charge) AS charge_currency,
	s.sign, s.sign * (u.status <> 'success')::int AS errors,
	s.sign * ((u.attempt > 1)::int + coalesce(u.retries, 0)) AS retries, s.sign * (u.fallback_from IS NOT NULL)::int AS fallbacks,
	CASE u.kind WHEN 'adjustment' THEN 0 WHEN 'reversal' THEN -1 ELSE 1 END * coalesce(u.accepted, 0) AS accepted,
	s.sign * (u.cost_state = 'unpriced')::int - (u.kind = 'adjustment' AND u.unpriced_reason IS NOT NULL)::int AS unpriced,
	s.sign * (u.assignment IS NULL)::int AS unmatched,
	s.sign * coalesce((u.usage::jsonb ->> 'input_tokens')::numeric, 0) AS input_tokens,
	s.sign * coalesce((u.usage::jsonb ->> 'output_tokens')::numeric, 0) AS output_tokens,
	coalesce(u.cost::numeric, 0) AS cost, coalesce(u.list_cost::numeric, u.cost::numeric, 0) AS list_cost, coalesce(u.charge::numeric, 0) AS charge,
	CASE WHEN u.status <> 'success' THEN coalesce(u.cost::numeric, 0) ELSE 0 END AS failed_cost,
	CASE WHEN u.attempt > 1 THEN coalesce(u.cost::numeric, 0) ELSE 0 END AS retry_cost,
	CASE WHEN u.fallback_from IS NOT NULL THEN coalesce(u.cost::numeric, 0) ELSE 0 END AS fallback_cost,
	CASE WHEN u.cost_state = 'estimated' THEN coalesce(u.cost::numeric, 0) ELSE 0 END AS estimated_cost
FROM aiusage.usage_record AS u
JOIN aiusage.billing_calendar AS c ON c.calendar = u.invoice_period / 100000
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = u.assignment
CROSS JOIN LATERAL (SELECT CASE u.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END AS sign) AS s
-- the months of this test: others book elsewhere
WHERE u.occurred_at >= '2022-10-01 12:00:00+00' AND u.occurred_at < '2022-12-31 00:00:00+00';

-- differences(): every report against the oracle, both ways, each in one statement
CREATE FUNCTION pg_temp.differences(OUT report text, OUT row_count bigint, OUT rows_differ bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	ours text;
	theirs text;
	dimension text;
	spans constant text := $q$ (SELECT l.*, l.day >= '2022-11-01' AS now FROM ledger AS l WHERE l.day BETWEEN '2022-10-25' AND '2022-11-07') AS l $q$;
BEGIN
	FOR report, ours, theirs IN VALUES
		('team_month', $q$
			SELECT month, team, currency, sum(sign), sum(errors), sum(retries), sum(fallbacks), sum(accepted), sum(unpriced), sum(unmatched),
				sum(input_tokens), sum(output_tokens), sum(cost),
				CASE WHEN bool_or(list_currency <> currency) THEN NULL ELSE sum(list_cost) END,
				CASE WHEN bool_or(charge_currency <> currency) THEN NULL ELSE sum(charge) END,
				CASE WHEN count(charge_currency) = 0 OR bool_or(charge_currency <> currency) THEN NULL ELSE sum(charge) - sum(cost) END,
				sum(failed_cost), sum(retry_cost), sum(fallback_cost), sum(estimated_cost),
				CASE WHEN sum(cost) > 0 THEN round(sum(failed_cost) * 100 / sum(cost), 2) END,
				sum(cost) / CASE WHEN sum(sign) > 0 THEN sum(sign) END, sum(cost) / CASE WHEN sum(accepted) > 0 THEN sum(accepted) END
			FROM ledger GROUP BY month, team, currency $q$, $q$
			SELECT month, team, currency, requests, errors, retries, fallbacks, accepted, unpriced, unmatched, input_tokens, output_tokens, cost, list_cost,
				charge, margin, failed_cost, retry_cost, fallback_cost, estimated_cost, failed_percent, cost_per_request, cost_per_accepted
			FROM aiusage.team_month WHERE month BETWEEN '2022-10-01' AND '2022-12-31' $q$),
		('team_month_charges', $q$
			SELECT month, team, charge_currency, sum(sign), sum(charge) FROM ledger WHERE charge_currency IS NOT NULL GROUP BY month, team, charge_currency $q$, $q$
			SELECT month, team, currency, requests, charge FROM aiusage.team_month_charges WHERE month BETWEEN '2022-10-01' AND '2022-12-31' $q$),
		('team_month_models', $q$
			WITH m AS (SELECT month, team, provider, model, currency, sum(sign) AS requests, sum(errors), sum(accepted) AS accepted, sum(unpriced),
					sum(input_tokens), sum(output_tokens), sum(cost) AS cost, sum(failed_cost), sum(retry_cost), sum(fallback_cost)
				FROM ledger GROUP BY month, team, provider, model, currency)
			SELECT m.*, t.share, m.cost / CASE WHEN m.accepted > 0 THEN m.accepted END,
				(SELECT count(*) FROM m AS o WHERE (o.month, o.team, o.currency) = (m.month, m.team, m.currency)
					AND (o.cost > m.cost OR o.cost = m.cost AND (o.requests > m.requests OR o.requests = m.requests AND (o.provider, o.model) <= (m.provider, m.model))))
			FROM m, LATERAL (SELECT CASE WHEN sum(o.cost) > 0 THEN round(m.cost * 100 / sum(o.cost), 2) END AS share
				FROM m AS o WHERE (o.month, o.team, o.currency) = (m.month, m.team, m.currency)) AS t $q$, $q$
			SELECT month, team, provider, model, currency, requests, errors, accepted, unpriced, input_tokens, output_tokens, cost, failed_cost,
				retry_cost, fallback_cost, share_percent, cost_per_accepted, place FROM aiusage.team_month_models WHERE month BETWEEN '2022-10-01' AND '2022-12-31' $q$),
		('team_month_workflows', $q$
			WITH m AS (SELECT month, team, workflow, currency, sum(sign) AS requests, sum(errors), sum(accepted) AS accepted, sum(unpriced),
					sum(input_tokens), sum(output_tokens), sum(cost) AS cost, sum(failed_cost), sum(retry_cost), sum(fallback_cost)
				FROM ledger GROUP BY month, team, workflow, currency)
			SELECT m.*, t.share, m.cost / CASE WHEN m.accepted > 0 THEN m.accepted END,
				(SELECT count(*) FROM m AS o WHERE (o.month, o.team, o.currency) = (m.month, m.team, m.currency)
					AND (o.cost > m.cost OR o.cost = m.cost AND (o.requests > m.requests OR o.requests = m.requests AND o.workflow <= m.workflow)))
			FROM m, LATERAL (SELECT CASE WHEN sum(o.cost) > 0 THEN round(m.cost * 100 / sum(o.cost), 2) END AS share
				FROM m AS o WHERE (o.month, o.team, o.currency) = (m.month, m.team, m.currency)) AS t $q$, $q$
			SELECT month, team, workflow, currency, requests, errors, accepted, unpriced, input_tokens, output_tokens, cost, failed_cost,
				retry_cost, fallback_cost, share_percent, cost_per_accepted, place FROM aiusage.team_month_workflows WHERE month BETWEEN '2022-10-01' AND '2022-12-31' $q$),
		('unmatched_spend', $q$
			SELECT month, api_key, CASE WHEN assignment IS NULL THEN 'owner' WHEN owner IS NULL AND cost_center IS NULL THEN 'team and cost center'
					WHEN owner IS NULL THEN 'team' ELSE 'cost center' END, team, currency, min(day), max(day), sum(sign), sum(errors), sum(unpriced),
				sum(input_tokens), sum(output_tokens), sum(cost), sum(failed_cost)
			FROM ledger WHERE owner IS NULL OR cost_center IS NULL GROUP BY 1, 2, 3, 4, 5 HAVING sum(sign) <> 0 OR sum(cost) <> 0 $q$, $q$
			SELECT month, api_key, missing, team, currency, first_day, last_day, requests, errors, unpriced, input_tokens, output_tokens, cost, failed_cost
			FROM aiusage.unmatched_spend WHERE month BETWEEN '2022-10-01' AND '2022-12-31' $q$),
		('key_week', $q$
			WITH w AS (SELECT day - (extract(isodow FROM day)::int - 1) AS week, * FROM ledger)
			SELECT k.week, k.week + 7, k.api_key, k.currency, n.*, p.*, n.cost - p.cost,
				CASE WHEN p.cost > 0 THEN round((n.cost - p.cost) * 100 / p.cost, 2) END, n.cost / CASE WHEN n.accepted > 0 THEN n.accepted END
			FROM (SELECT week, api_key, currency FROM w UNION SELECT week + 7, api_key, currency FROM w WHERE week + 7 <= (now() AT TIME ZONE 'UTC')::date) AS k,
				LATERAL (SELECT coalesce(sum(w.sign), 0) AS requests, coalesce(sum(w.errors), 0) AS errors, coalesce(sum(w.accepted), 0) AS accepted,
						coalesce(sum(w.unpriced), 0) AS unpriced, coalesce(sum(w.cost), 0) AS cost, coalesce(sum(w.failed_cost), 0) AS failed_cost,
						coalesce(sum(w.retry_cost), 0) AS retry_cost, coalesce(sum(w.fallback_cost), 0) AS fallback_cost
					FROM w WHERE (w.week, w.api_key, w.currency) = (k.week, k.api_key, k.currency)) AS n,
				LATERAL (SELECT coalesce(sum(w.sign), 0) AS requests, coalesce(sum(w.cost), 0) AS cost
					FROM w WHERE (w.week, w.api_key, w.currency) = (k.week - 7, k.api_key, k.currency)) AS p $q$, $q$
			SELECT week, ends_on, api_key, currency, requests, errors, accepted, unpriced, cost, failed_cost, retry_cost, fallback_cost,
				previous_requests, previous_cost, change, change_percent, cost_per_accepted FROM aiusage.key_week WHERE week BETWEEN '2022-09-26' AND '2023-01-02' $q$),
		('key_review', $q$
			WITH k AS (SELECT api_key, currency, coalesce(sum(sign) FILTER (WHERE now), 0), coalesce(sum(sign) FILTER (WHERE NOT now), 0),
					coalesce(sum(cost) FILTER (WHERE now), 0) AS cost, coalesce(sum(cost) FILTER (WHERE NOT now), 0) AS previous,
					coalesce(sum(errors) FILTER (WHERE now), 0), coalesce(sum(failed_cost) FILTER (WHERE now), 0), coalesce(sum(retry_cost) FILTER (WHERE now), 0),
					coalesce(sum(fallback_cost) FILTER (WHERE now), 0), coalesce(sum(accepted) FILTER (WHERE now), 0) AS accepted,
					coalesce(sum(unpriced) FILTER (WHERE now), 0)
				FROM $q$ || spans || $q$ GROUP BY api_key, currency)
			SELECT k.*, k.cost - k.previous, CASE WHEN k.previous > 0 THEN round((k.cost - k.previous) * 100 / k.previous, 2) END,
				CASE WHEN t.cost > 0 THEN round(k.cost * 100 / t.cost, 2) END, k.cost / CASE WHEN k.accepted > 0 THEN k.accepted END,
				(SELECT l.team FROM $q$ || spans || $q$ WHERE l.api_key = k.api_key ORDER BY l.day DESC, l.assignment DESC NULLS LAST LIMIT 1),
				(SELECT count(*) FROM (SELECT FROM $q$ || spans || $q$ WHERE l.now AND (l.api_key, l.currency) = (k.api_key, k.currency)
					GROUP BY l.provider, l.model HAVING sum(l.cost) <> 0 OR sum(l.sign) <> 0) AS x),
				(SELECT l.model FROM $q$ || spans || $q$ WHERE l.now AND (l.api_key, l.currency) = (k.api_key, k.currency)
					GROUP BY l.provider, l.model HAVING sum(l.cost) <> 0 OR sum(l.sign) <> 0 ORDER BY sum(l.cost) DESC, sum(l.sign) DESC, l.provider, l.model LIMIT 1)
			FROM k, LATERAL (SELECT sum(o.cost) AS cost FROM k AS o WHERE o.currency = k.currency) AS t $q$, $q$
			SELECT api_key, currency, requests, previous_requests, cost, previous_cost, errors, failed_cost, retry_cost, fallback_cost, accepted, unpriced,
				change, change_percent, share_percent, cost_per_accepted, team, models, top_model FROM aiusage.key_review('2022-11-08') $q$),
		('key_model_shift', $q$
			WITH k AS (SELECT api_key, provider, model, currency, coalesce(sum(sign) FILTER (WHERE now), 0), coalesce(sum(sign) FILTER (WHERE NOT now), 0),
					coalesce(sum(cost) FILTER (WHERE now), 0) AS cost, coalesce(sum(cost) FILTER (WHERE NOT now), 0) AS previous
				FROM $q$ || spans || $q$ GROUP BY api_key, provider, model, currency)
			SELECT k.*, k.cost - k.previous, CASE WHEN k.previous > 0 THEN round((k.cost - k.previous) * 100 / k.previous, 2) END,
				CASE WHEN t.cost > 0 THEN round(k.cost * 100 / t.cost, 2) END, CASE WHEN t.previous > 0 THEN round(k.previous * 100 / t.previous, 2) END,
				CASE WHEN t.cost > 0 AND t.previous > 0 THEN round(k.cost * 100 / t.cost, 2) - round(k.previous * 100 / t.previous, 2) END
			FROM k, LATERAL (SELECT sum(o.cost) AS cost, sum(o.previous) AS previous FROM k AS o WHERE (o.api_key, o.currency) = (k.api_key, k.currency)) AS t $q$, $q$
			SELECT api_key, provider, model, currency, requests, previous_requests, cost, previous_cost, change, change_percent, share_percent,
				previous_share_percent, shift FROM aiusage.key_model_shift('2022-11-08') $q$)
	LOOP
		EXECUTE format($q$
			WITH ours AS MATERIALIZED (%s), theirs AS MATERIALIZED (%s)
			SELECT (SELECT count(*) FROM theirs), count(*) FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) AS d $q$,
			ours, theirs) INTO row_count, rows_differ;
		RETURN NEXT;
	END LOOP;

	report := 'top_movers, by all';
	row_count := 0;
	rows_differ := 0;
	FOREACH dimension IN ARRAY ARRAY['team', 'cost_center', 'project', 'environment', 'api_key', 'provider', 'model', 'workflow', 'customer'] LOOP
		DECLARE
			n bigint;
			d bigint;
		BEGIN
			EXECUTE format($q$
				WITH k AS (SELECT %s AS provider, %s AS name, currency, coalesce(sum(sign) FILTER (WHERE now), 0) AS requests, coalesce(sum(sign) FILTER (WHERE NOT now), 0) AS previous_requests,
						coalesce(sum(cost) FILTER (WHERE now), 0) AS cost, coalesce(sum(cost) FILTER (WHERE NOT now), 0) AS previous
					FROM %s GROUP BY 1, 2, 3), m AS (SELECT * FROM k WHERE cost <> previous), ours AS MATERIALIZED (
					SELECT m.*, m.cost - m.previous, CASE WHEN m.previous > 0 THEN round((m.cost - m.previous) * 100 / m.previous, 2) END,
						CASE WHEN m.previous = 0 AND m.previous_requests = 0 THEN 'new' WHEN m.cost = 0 AND m.requests = 0 THEN 'gone' WHEN m.cost > m.previous THEN 'up' ELSE 'down' END,
						p.place
					FROM m, LATERAL (SELECT count(*) AS place FROM m AS o WHERE o.currency = m.currency AND (abs(o.cost - o.previous) > abs(m.cost - m.previous)
						OR abs(o.cost - o.previous) = abs(m.cost - m.previous) AND (o.name, coalesce(o.provider, '')) <= (m.name, coalesce(m.provider, '')))) AS p
					WHERE p.place <= 3
				), theirs AS MATERIALIZED (SELECT provider, name, currency, requests, previous_requests, cost, previous_cost, change, change_percent, movement, place
					FROM aiusage.top_movers(%L, '2022-11-08', 7, 3))
				SELECT (SELECT count(*) FROM theirs), count(*) FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) AS d $q$,
				CASE WHEN dimension IN ('provider', 'model') THEN 'provider' ELSE 'NULL::text' END,
				CASE dimension WHEN 'cost_center' THEN $q$coalesce(cost_center, '(unmatched)')$q$ ELSE dimension END, spans, dimension) INTO n, d;
			row_count := row_count + n;
			rows_differ := rows_differ + d;
		END;
	END LOOP;
	RETURN NEXT;
END $$;

-- Everything that can be in a row, in two months and two weeks; nothing of it folded.
SELECT aiusage.refresh() >= 0 AS folded;
SELECT count(pg_temp.book(r, at, key, cost, currency, extra::jsonb)) AS booked FROM (VALUES
	('plain', '2022-11-02 12:00:00+00'::timestamptz, 'reports-1', 0.003, 'USD', '{"accepted": 2}'),
	('before', '2022-10-26 12:00:00+00', 'reports-1', 0.001, 'USD', '{"model": "m2"}'),
	('failed', '2022-11-02 12:01:00+00', 'reports-1', 0.000012345678, 'USD', '{"status": "error"}'),
	('timeout', '2022-11-02 12:02:00+00', 'reports-1', 0, 'USD', '{"status": "timeout", "retries": 2}'),
	('retried', '2022-11-02 12:03:00+00', 'reports-1', 0.0001, 'USD', '{"attempt": 2, "state": "estimated"}'),
	('fallback', '2022-11-03 12:03:00+00', 'reports-1', 0.002, 'USD', '{"attempt": 3, "fallback_from": "m0", "model": "m2", "accepted": 1}'),
	('euro', '2022-11-03 12:04:00+00', 'reports-1', 0.005, 'EUR', '{"workflow": "reports-sum"}'),
	('unpriced', '2022-11-03 12:05:00+00', 'reports-1', NULL, 'USD', '{"model": "m3"}'),
	('only-unpriced', '2022-11-03 12:05:00+00', 'reports-4', NULL, 'USD', '{"model": "m3"}'),
	('list', '2022-11-04 12:05:00+00', 'reports-1', 0.006, 'USD', '{"list_cost": "0.009 USD"}'),
	('charged', '2022-11-04 12:06:00+00', 'reports-2', 0.006, 'USD', '{"charge": "0.011 USD", "workflow": "reports-sum", "customer": "reports-zeta"}'),
	('charged-euro', '2022-11-16 12:06:00+00', 'reports-2', 0.006, 'USD', '{"charge": "0.010 EUR"}'),
	('charged-euro-2', '2022-11-17 12:06:00+00', 'reports-3', 0.006, 'EUR', '{"charge": "0.010 EUR", "list_cost": "0.02 USD"}'),
	('day-14', '2022-11-14 22:59:59.999999+00', 'reports-2', 0.1, 'USD', '{}'),
	('day-15', '2022-11-14 23:00:00+00', 'reports-2', 0.2, 'USD', '{}'),
	('no-owner', '2022-11-02 08:00:00+00', 'reports-nobody', 0.004, 'USD', '{"status": "cancelled"}'),
	('no-owner-yet', '2022-11-09 08:00:00+00', 'reports-7', 0.005, 'USD', '{}'),
	('no-team', '2022-11-02 08:00:00+00', 'reports-5', 0.006, 'USD', '{}'),
	('nothing', '2022-11-02 08:00:00+00', 'reports-6', 0.007, 'EUR', '{}'),
	('no-cost-center', '2022-10-30 08:00:00+00', 'reports-4', 0.008, 'USD', '{}'),
	('gone', '2022-10-28 08:00:00+00', 'reports-3', 0.25, 'USD', '{}'),
	('other-provider', '2022-11-05 08:00:00+00', 'reports-3', 0.125, 'USD', '{"provider": "reports-2"}')
	) AS v (r, at, key, cost, currency, extra);
-- Around both ends of weeks in New York, where the one has 169 hours: each of its quarter hours
SELECT count(pg_temp.book('dst-' || n, timestamptz '2022-10-30 00:00:00 UTC' + n * interval '15 minutes', 'reports-1', 0.000001)) AS booked
FROM generate_series(0, 4 * 24 * 17 - 1) AS n;
SELECT * FROM pg_temp.differences();
-- all of it folded
SELECT aiusage.refresh() AS folded;
SELECT * FROM pg_temp.differences();
-- 6 November has 25 hours in New York: the week 169, the seven days to it too
SELECT week, requests, previous_requests FROM aiusage.key_week WHERE api_key = 'reports-1' AND currency = 'USD' AND week BETWEEN '2022-10-31' AND '2022-11-07' ORDER BY week;
SELECT r.n, k.requests, k.previous_requests FROM unnest(ARRAY[1, 7]) AS r (n), aiusage.key_review('2022-11-07', r.n) AS k WHERE k.api_key = 'reports-1' AND k.currency = 'USD' ORDER BY 1;
-- a month from day 15, in Berlin
SELECT month, currency, cost, charge, margin FROM aiusage.team_month WHERE team = 'reports-a' ORDER BY month, currency;
-- what people see
\x
SELECT month, team, team_name, currency, requests, errors, retries, fallbacks, accepted, unpriced, unmatched, input_tokens, output_tokens, cost, list_cost, charge, margin,
	failed_cost, retry_cost, fallback_cost, estimated_cost, failed_percent, cost_per_request, cost_per_accepted, as_of = now() AS fresh
FROM aiusage.team_month WHERE team = 'reports-a' AND month = '2022-11-01' AND currency = 'USD';
SELECT api_key, currency, starts_on, ends_on, team, cost_center, requests, previous_requests, cost, previous_cost, change, change_percent, share_percent, models, top_model, limit_name
FROM aiusage.key_review('2022-11-08') WHERE api_key IN ('reports-3', 'reports-nobody');
\x
SELECT place, provider, model, currency, requests, cost, share_percent, cost_per_accepted FROM aiusage.team_month_models WHERE team = 'reports-a' AND month = '2022-11-01' ORDER BY currency, place;
SELECT place, workflow, currency, requests, cost, share_percent FROM aiusage.team_month_workflows WHERE team = 'reports-a' AND month IN ('2022-11-01', '2022-10-15') ORDER BY month, currency, place;
SELECT month, team, currency, requests, charge FROM aiusage.team_month_charges WHERE team LIKE 'reports-%' ORDER BY 1, 2, 3;
SELECT month, api_key, missing, team, currency, requests, cost, first_day, team_now, cost_center_now FROM aiusage.unmatched_spend WHERE api_key LIKE 'reports-%' ORDER BY api_key, month;
SELECT model, currency, cost, previous_cost, share_percent, previous_share_percent, shift FROM aiusage.key_model_shift('2022-11-08') WHERE api_key = 'reports-1';
SELECT place, name, currency, cost, previous_cost, change, change_percent, movement FROM aiusage.top_movers('api_key', '2022-11-08', 7, 3) WHERE currency = 'USD';

-- Corrections: reversal and corrected row, a moved row, adjustments of money, an outcome; a refund of a span that has nothing else.
SELECT count(aiusage.adjust(aiusage.event_id('reports-plain', '2022-11-02 12:00:00+00'), '{"input_tokens": 40}', 'recount', 'T-1')) AS adjusted;
SELECT booked, row_count FROM aiusage.reattribute('{"api_key": "reports-nobody", "from": "2022-11-01T00:00:00Z", "to": "2022-12-01T00:00:00Z"}',
	(SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'reports-3'), 'found', NULL, dry_run => false);
SELECT count(pg_temp.book('credit', '2022-11-05 09:00:00+00', 'reports-3', -0.5, 'USD', '{"kind": "adjustment", "usage": "{}"}')) AS credit,
	count(pg_temp.book('refund', '2022-12-05 09:00:00+00', 'reports-2', -0.5, 'USD', '{"kind": "adjustment", "usage": "{}"}')) AS refund,
	count(pg_temp.book('zero-plus', '2022-12-06 09:00:00+00', 'reports-3', 0.75, 'EUR')) AS plus,
	count(pg_temp.book('zero-minus', '2022-12-06 09:00:00+00', 'reports-3', -0.75, 'EUR', '{"kind": "adjustment", "usage": "{}"}')) AS minus,
	count(aiusage.record_outcome(aiusage.event_id('reports-failed', '2022-11-02 12:01:00+00'), 3)) AS outcome;
-- folded but for these, and folded
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() > 0 AS folded;
SELECT * FROM pg_temp.differences();
-- what was moved is unmatched no more, and costs nothing there
SELECT count(*) AS unmatched FROM aiusage.unmatched_spend WHERE api_key = 'reports-nobody';
-- nothing to divide by is NULL
SELECT month, team, currency, requests, accepted, cost, failed_percent, cost_per_request, cost_per_accepted FROM aiusage.team_month
WHERE team IN ('reports-a', 'reports-b') AND (cost <= 0 OR requests = 0) ORDER BY 1, 2, 3;
SELECT place, model, cost, share_percent FROM aiusage.team_month_models WHERE team = 'reports-b' AND month = '2022-11-01' AND currency = 'USD' ORDER BY place;
SELECT api_key, currency, cost, previous_cost, change_percent, share_percent, cost_per_accepted FROM aiusage.key_review('2022-12-13') WHERE api_key LIKE 'reports-%';
SELECT model, currency, cost, share_percent, previous_share_percent, shift FROM aiusage.key_model_shift('2022-12-13') WHERE api_key LIKE 'reports-%';

-- One row a grain.
SELECT v.report, v.duplicates FROM (
	SELECT 'team_month', count(*) - count(DISTINCT (month, team, currency)) FROM aiusage.team_month
	UNION ALL SELECT 'team_month_charges', count(*) - count(DISTINCT (month, team, currency)) FROM aiusage.team_month_charges
	UNION ALL SELECT 'team_month_models', count(*) - count(DISTINCT (month, team, provider, model, currency)) FROM aiusage.team_month_models
	UNION ALL SELECT 'team_month_workflows', count(*) - count(DISTINCT (month, team, workflow, currency)) FROM aiusage.team_month_workflows
	UNION ALL SELECT 'unmatched_spend', count(*) - count(DISTINCT (month, api_key, missing, team, currency)) FROM aiusage.unmatched_spend
	UNION ALL SELECT 'key_week', count(*) - count(DISTINCT (week, api_key, currency)) FROM aiusage.key_week
	UNION ALL SELECT 'key_review', count(*) - count(DISTINCT (api_key, currency)) FROM aiusage.key_review('2022-11-08')
) AS v (report, duplicates) ORDER BY 1;

BEGIN;
-- Who reads what: a member its teams, a cost center's analyst the same, a customer none of it.
CREATE ROLE reports_all;
CREATE ROLE reports_member;
CREATE ROLE reports_cc;
CREATE ROLE reports_customer;
SELECT aiusage.grant_access('reports_all', 'analyst') AND aiusage.grant_access('reports_member', 'member', '{"teams": ["reports-b"]}')
	AND aiusage.grant_access('reports_cc', 'analyst', '{"cost_centers": ["reports-cc-ny"]}')
	AND aiusage.grant_access('reports_customer', 'customer', '{"customers": ["reports-acme"]}') AS granted;
CREATE FUNCTION pg_temp.sees() RETURNS TABLE (report text, whose text) LANGUAGE sql AS $$
	SELECT 'team_month', string_agg(DISTINCT team, ' ' ORDER BY team) FROM aiusage.team_month WHERE team LIKE 'reports-%' OR team = '(unmatched)'
	UNION ALL SELECT 'team_month_models', string_agg(DISTINCT team, ' ' ORDER BY team) FROM aiusage.team_month_models WHERE team LIKE 'reports-%'
	UNION ALL SELECT 'team_month_workflows', string_agg(DISTINCT team, ' ' ORDER BY team) FROM aiusage.team_month_workflows WHERE team LIKE 'reports-%'
	UNION ALL SELECT 'team_month_charges', string_agg(DISTINCT team, ' ' ORDER BY team) FROM aiusage.team_month_charges WHERE team LIKE 'reports-%'
	UNION ALL SELECT 'unmatched_spend', string_agg(DISTINCT api_key, ' ' ORDER BY api_key) FROM aiusage.unmatched_spend WHERE api_key LIKE 'reports-%'
	UNION ALL SELECT 'key_week', string_agg(DISTINCT api_key, ' ' ORDER BY api_key) FROM aiusage.key_week WHERE api_key LIKE 'reports-%'
	UNION ALL SELECT 'key_review', string_agg(DISTINCT api_key, ' ' ORDER BY api_key) FROM aiusage.key_review('2022-11-08') WHERE api_key LIKE 'reports-%'
	UNION ALL SELECT 'key_model_shift', string_agg(DISTINCT api_key, ' ' ORDER BY api_key) FROM aiusage.key_model_shift('2022-11-08') WHERE api_key LIKE 'reports-%'
	UNION ALL SELECT 'top_movers', string_agg(DISTINCT name, ' ' ORDER BY name) FROM aiusage.top_movers('team', '2022-11-08') WHERE name LIKE 'reports-%'
	UNION ALL SELECT 'quota events', string_agg(DISTINCT team || ': ' || kind, ', ') FROM aiusage.team_month_quota_events WHERE name LIKE 'reports-%'
$$;
SELECT pg_my_temp_schema()::regnamespace AS temp \gset
GRANT USAGE ON SCHEMA :temp TO PUBLIC;
INSERT INTO aiusage.quota_event (kind, quota, quota_name, at, api_key, subject_text, threshold, count, first_at, last_at) VALUES
	('threshold', 2000000000, 'reports-limit', '2022-12-01 04:59:59+00', 'reports-1', 'everything in its scope', 80, 1, NULL, NULL),
	('threshold', 2000000000, 'reports-limit', '2022-12-01 05:00:00+00', 'reports-1', 'everything in its scope', 80, 1, NULL, NULL),
	('denied', 2000000000, 'reports-limit', '2022-12-01 05:00:00+00', 'reports-3', 'everything in its scope', NULL, 12, '2022-12-01 04:00:00+00', '2022-12-01 04:30:00+00'),
	('denied', 2000000000, 'reports-limit', '2022-12-02 05:00:00+00', 'reports-3', 'everything in its scope', NULL, 3, '2022-12-02 04:00:00+00', '2022-12-02 04:30:00+00'),
	('denied', 2000000000, 'reports-limit', '2022-12-02 05:00:00+00', 'reports-nobody', 'everything in its scope', NULL, 5, '2022-12-02 04:00:00+00', '2022-12-02 04:30:00+00');
-- November ends in New York at five o'clock UTC
SELECT month, team, name, subject, kind, threshold, events, first_at, last_at FROM aiusage.team_month_quota_events WHERE name = 'reports-limit' ORDER BY team, month;
SELECT * FROM pg_temp.sees();
SET LOCAL ROLE reports_all;
SELECT count(*) FILTER (WHERE whose LIKE '%reports-%') AS reports FROM pg_temp.sees();
SET LOCAL ROLE reports_member;
SELECT * FROM pg_temp.sees();
-- a share is of what the reader sees
SELECT api_key, currency, share_percent FROM aiusage.key_review('2022-10-31') WHERE api_key LIKE 'reports-%';
SET LOCAL ROLE reports_cc;
SELECT * FROM pg_temp.sees();
RESET ROLE;
SELECT c.relname AS customer_reads FROM pg_class AS c WHERE c.relnamespace = 'aiusage'::regnamespace
	AND c.relname ~ '^(team_month|unmatched_spend|key_week|report_day)' AND has_table_privilege('reports_customer', c.oid, 'SELECT');
SELECT p.proname AS customer_calls FROM pg_proc AS p WHERE p.pronamespace = 'aiusage'::regnamespace
	AND p.proname IN ('report_span', 'key_review', 'key_model_shift', 'top_movers') AND has_function_privilege('reports_customer', p.oid, 'EXECUTE');

-- Columns that any tool can read.
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relname ~ '^(team_month|unmatched_spend|key_week|report_day)'
	AND (a.atttypid NOT IN ('numeric'::regtype, 'bigint'::regtype, 'text'::regtype, 'timestamptz'::regtype, 'date'::regtype)
		OR col_description(c.oid, a.attnum) IS NULL);
SELECT p.proname, t.typ::regtype AS type FROM pg_proc AS p, unnest(p.proallargtypes, p.proargmodes) AS t (typ, mode)
WHERE p.oid IN ('aiusage.key_review(date, int)'::regprocedure, 'aiusage.key_model_shift(date, int)'::regprocedure, 'aiusage.top_movers(text, date, int, int)'::regprocedure)
	AND t.mode = 't' AND t.typ NOT IN ('numeric'::regtype, 'bigint'::regtype, 'text'::regtype, 'timestamptz'::regtype, 'date'::regtype);

-- Without a day: the days before today, of the global calendar.
SELECT ends_on - (now() AT TIME ZONE 'UTC')::date AS ends, ends_on - starts_on AS days, starts_on - previous_from AS before FROM aiusage.report_span(NULL, 30);
-- what is refused
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT pg_temp.try(s) FROM unnest(ARRAY[
	$$SELECT aiusage.key_review('infinity')$$, $$SELECT aiusage.key_review(NULL, 0)$$, $$SELECT aiusage.key_review(NULL, NULL)$$, $$SELECT aiusage.key_model_shift('-infinity')$$,
	$$SELECT aiusage.key_model_shift('2022-11-08', 3661)$$, $$SELECT aiusage.top_movers('user_id')$$, $$SELECT aiusage.top_movers(NULL)$$,
	$$SELECT aiusage.top_movers(top => 0)$$, $$SELECT aiusage.top_movers(top => NULL)$$, $$SELECT aiusage.top_movers('team', '10000-01-01')$$]) AS s;
ROLLBACK;
