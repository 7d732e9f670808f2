/*
 * Reports, live and from the rollups, for people and their tools: a team's
 * month, a key's week, usage that nobody owns.  Filtered by what the reader
 * was granted, like the views of 51_usage_views.sql.
 *
 * A month is one of the row's billing calendar: where that begins its months
 * or quarters on day N, so do these.  A report is about when usage happened;
 * in which period it is billed, invoice_period_usage says.
 */

CREATE OR REPLACE VIEW aiusage.report_day WITH (security_barrier) AS
SELECT (now() AT TIME ZONE c.time_zone)::date AS today, c.time_zone
FROM aiusage.billing_calendar AS c
WHERE c.calendar = 1;
COMMENT ON VIEW aiusage.report_day IS 'The business day that it is now; one row';
COMMENT ON COLUMN aiusage.report_day.today IS 'Today in the zone of the global billing calendar';
COMMENT ON COLUMN aiusage.report_day.time_zone IS 'That zone';

-- usage_daily before it is summed: the functions sum it by fewer columns, in one step.
CREATE OR REPLACE VIEW aiusage.report_source WITH (security_barrier) AS
SELECT v.day, v.api_key, v.assignment, coalesce(v.team, '(unmatched)') AS team, coalesce(v.cost_center, '(unmatched)') AS cost_center,
	v.project, v.environment, v.provider, v.model, v.effective_customer AS customer, v.effective_workflow AS workflow, v.currency,
	v.requests, v.errors, v.accepted, v.unpriced, v.cost, v.failed_cost, v.retry_cost, v.fallback_cost
FROM aiusage.rollup_daily_visible AS v;
COMMENT ON VIEW aiusage.report_source IS
	'Internal. What the functions of reports sum, limited to what the reader may see; several rows a day and dimension set';

DO $views$
DECLARE
	month constant text := $text$
		aiusage.month_start({v}.day, CASE WHEN g.unit IN ('month', 'quarter') THEN g.start_day ELSE 1 END)
	$text$;
	-- by team alone, and by month: levels with few rows
	owners constant text := $text$
		aiusage.rollup_owner_visible AS v
		LEFT JOIN aiusage.billing_calendar AS g ON g.calendar = v.invoice_period / 100000
	$text$;
	as_of constant text := $text$
		(SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END) AS as_of
	$text$;
	tokens constant text := $text$
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'input_tokens') AS input_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'output_tokens') AS output_tokens
	$text$;
	definition text;
BEGIN
	FOREACH definition IN ARRAY ARRAY[
		$view$
CREATE OR REPLACE VIEW aiusage.team_month WITH (security_barrier) AS
SELECT u.month, u.team, coalesce(t.name, u.team) AS team_name, u.currency,
	u.requests, u.errors, u.retries, u.fallbacks, u.accepted, u.unpriced, u.unmatched, u.input_tokens, u.output_tokens,
	u.cost, u.list_cost, u.charge, u.margin, u.failed_cost, u.retry_cost, u.fallback_cost, u.estimated_cost,
	CASE WHEN u.cost > 0 THEN round(100 * u.failed_cost / u.cost, 2) END AS failed_percent,
	CASE WHEN u.requests > 0 THEN u.cost / u.requests END AS cost_per_request,
	CASE WHEN u.accepted > 0 THEN u.cost / u.accepted END AS cost_per_accepted,
	{as_of}
FROM (
	SELECT {month} AS month, coalesce(v.team, '(unmatched)') AS team, v.currency,
		sum(v.requests)::bigint AS requests, sum(v.errors)::bigint AS errors, sum(v.retries)::bigint AS retries,
		sum(v.fallbacks)::bigint AS fallbacks, sum(v.accepted)::bigint AS accepted, sum(v.unpriced)::bigint AS unpriced,
		sum(v.unmatched)::bigint AS unmatched,
		{tokens},
		sum(v.cost) AS cost,
		CASE WHEN bool_and(v.list_currency = v.currency) THEN sum(v.list_cost) END AS list_cost,
		CASE WHEN bool_and(v.charge_currency = v.currency) IS NOT FALSE THEN sum(v.charge) END AS charge,
		CASE WHEN bool_and(v.charge_currency = v.currency) THEN sum(v.charge) - sum(v.cost) END AS margin,
		sum(v.failed_cost) AS failed_cost, sum(v.retry_cost) AS retry_cost, sum(v.fallback_cost) AS fallback_cost,
		sum(v.estimated_cost) AS estimated_cost
	FROM {owners}
	GROUP BY 1, 2, 3
) AS u
LEFT JOIN aiusage.team AS t ON t.team = u.team
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.team_month_charges WITH (security_barrier) AS
SELECT u.month, u.team, coalesce(t.name, u.team) AS team_name, u.currency, u.requests, u.charge,
	{as_of}
FROM (
	SELECT {month} AS month, coalesce(v.team, '(unmatched)') AS team, v.charge_currency AS currency,
		sum(v.requests)::bigint AS requests, sum(v.charge) AS charge
	FROM {owners}
	WHERE v.charge_currency IS NOT NULL
	GROUP BY 1, 2, 3
) AS u
LEFT JOIN aiusage.team AS t ON t.team = u.team
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.team_month_models WITH (security_barrier) AS
SELECT u.month, u.team, coalesce(t.name, u.team) AS team_name, u.provider, u.model, u.currency, u.place,
	u.requests, u.errors, u.accepted, u.unpriced, u.input_tokens, u.output_tokens, u.cost,
	CASE WHEN u.total > 0 THEN round(100 * u.cost / u.total, 2) END AS share_percent,
	u.failed_cost, u.retry_cost, u.fallback_cost,
	CASE WHEN u.accepted > 0 THEN u.cost / u.accepted END AS cost_per_accepted,
	{as_of}
FROM (
	SELECT s.*, sum(s.cost) OVER (PARTITION BY s.month, s.team, s.currency) AS total,
		row_number() OVER (PARTITION BY s.month, s.team, s.currency ORDER BY s.cost DESC, s.requests DESC, s.provider, s.model) AS place
	FROM (
		SELECT v.month, coalesce(v.team, '(unmatched)') AS team, v.provider, v.model, v.currency,
			sum(v.requests)::bigint AS requests, sum(v.errors)::bigint AS errors, sum(v.accepted)::bigint AS accepted,
			sum(v.unpriced)::bigint AS unpriced,
			{tokens},
			sum(v.cost) AS cost, sum(v.failed_cost) AS failed_cost, sum(v.retry_cost) AS retry_cost, sum(v.fallback_cost) AS fallback_cost
		FROM aiusage.rollup_monthly_visible AS v
		GROUP BY 1, 2, 3, 4, 5
	) AS s
) AS u
LEFT JOIN aiusage.team AS t ON t.team = u.team
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.team_month_workflows WITH (security_barrier) AS
SELECT u.month, u.team, coalesce(t.name, u.team) AS team_name, u.workflow, u.currency, u.place,
	u.requests, u.errors, u.accepted, u.unpriced, u.input_tokens, u.output_tokens, u.cost,
	CASE WHEN u.total > 0 THEN round(100 * u.cost / u.total, 2) END AS share_percent,
	u.failed_cost, u.retry_cost, u.fallback_cost,
	CASE WHEN u.accepted > 0 THEN u.cost / u.accepted END AS cost_per_accepted,
	{as_of}
FROM (
	SELECT s.*, sum(s.cost) OVER (PARTITION BY s.month, s.team, s.currency) AS total,
		row_number() OVER (PARTITION BY s.month, s.team, s.currency ORDER BY s.cost DESC, s.requests DESC, s.workflow) AS place
	FROM (
		SELECT v.month, coalesce(v.team, '(unmatched)') AS team, coalesce(v.effective_workflow, '(none)') AS workflow, v.currency,
			sum(v.requests)::bigint AS requests, sum(v.errors)::bigint AS errors, sum(v.accepted)::bigint AS accepted,
			sum(v.unpriced)::bigint AS unpriced,
			{tokens},
			sum(v.cost) AS cost, sum(v.failed_cost) AS failed_cost, sum(v.retry_cost) AS retry_cost, sum(v.fallback_cost) AS fallback_cost
		FROM aiusage.rollup_monthly_visible AS v
		GROUP BY 1, 2, 3, 4
	) AS s
) AS u
LEFT JOIN aiusage.team AS t ON t.team = u.team
		$view$,
		-- What was reversed out of it is not there any more: this is a list of things to do.  Its sums are those of
		-- months; which days there were is asked of the days, set by set.
		$view$
CREATE OR REPLACE VIEW aiusage.unmatched_spend WITH (security_barrier) AS
SELECT u.month, u.api_key, u.missing, u.team, u.currency, u.first_day, u.last_day,
	u.requests, u.errors, u.unpriced, u.input_tokens, u.output_tokens, u.cost, u.failed_cost,
	n.team AS team_now, n.cost_center AS cost_center_now,
	{as_of}
FROM (
	SELECT v.month, v.api_key,
		CASE WHEN v.assignment IS NULL THEN 'owner' WHEN v.team IS NOT NULL THEN 'cost center'
			WHEN v.cost_center IS NOT NULL THEN 'team' ELSE 'team and cost center' END AS missing,
		coalesce(v.team, '(unmatched)') AS team, v.currency,
		min(coalesce(v.day, x.first_day)) AS first_day, max(coalesce(v.day, x.last_day)) AS last_day,
		sum(v.requests)::bigint AS requests, sum(v.errors)::bigint AS errors, sum(v.unpriced)::bigint AS unpriced,
		{tokens},
		sum(v.cost) AS cost, sum(v.failed_cost) AS failed_cost
	FROM aiusage.rollup_monthly_visible AS v
	LEFT JOIN aiusage.billing_calendar AS g ON g.calendar = v.invoice_period / 100000
	CROSS JOIN LATERAL (
		SELECT min(d.day) AS first_day, max(d.day) AS last_day
		FROM aiusage.rollup_daily AS d
		WHERE d.dimension = v.dimension AND d.day >= v.month AND d.day <= v.month + 31 AND {month of day} = v.month
	) AS x
	WHERE v.team IS NULL OR v.cost_center IS NULL
	GROUP BY 1, 2, 3, 4, 5
	HAVING sum(v.requests) <> 0 OR sum(v.cost) <> 0
) AS u
LEFT JOIN aiusage.key_assignment AS n ON n.api_key = u.api_key AND n.valid_from <= now() AND (n.valid_to IS NULL OR n.valid_to > now())
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.key_week WITH (security_barrier) AS
SELECT u.week, u.week + 7 AS ends_on, u.api_key, u.currency, u.requests, u.previous_requests, u.errors, u.accepted, u.unpriced,
	u.cost, u.previous_cost, u.cost - u.previous_cost AS change,
	aiusage.change_percent(u.cost, u.previous_cost) AS change_percent,
	u.failed_cost, u.retry_cost, u.fallback_cost,
	CASE WHEN u.accepted > 0 THEN u.cost / u.accepted END AS cost_per_accepted,
	{as_of}
FROM (
	SELECT v.week, v.api_key, v.currency,
		coalesce(sum(v.requests) FILTER (WHERE v.this), 0)::bigint AS requests,
		coalesce(sum(v.requests) FILTER (WHERE NOT v.this), 0)::bigint AS previous_requests,
		coalesce(sum(v.errors) FILTER (WHERE v.this), 0)::bigint AS errors,
		coalesce(sum(v.accepted) FILTER (WHERE v.this), 0)::bigint AS accepted,
		coalesce(sum(v.unpriced) FILTER (WHERE v.this), 0)::bigint AS unpriced,
		coalesce(sum(v.cost) FILTER (WHERE v.this), 0) AS cost,
		coalesce(sum(v.cost) FILTER (WHERE NOT v.this), 0) AS previous_cost,
		coalesce(sum(v.failed_cost) FILTER (WHERE v.this), 0) AS failed_cost,
		coalesce(sum(v.retry_cost) FILTER (WHERE v.this), 0) AS retry_cost,
		coalesce(sum(v.fallback_cost) FILTER (WHERE v.this), 0) AS fallback_cost
	FROM aiusage.rollup_weeks_visible AS v
	GROUP BY 1, 2, 3
	-- no row for a week that has not begun
	HAVING bool_or(v.this) OR v.week <= (SELECT d.today FROM aiusage.report_day AS d)
) AS u
		$view$
	]
	LOOP
		definition := replace(replace(replace(replace(replace(definition, '{owners}', btrim(owners, E' \n\t')),
			'{month}', replace(btrim(month, E' \n\t'), '{v}', 'v')), '{month of day}', replace(btrim(month, E' \n\t'), '{v}', 'd')),
			'{as_of}', btrim(as_of, E' \n\t')), '{tokens}', btrim(tokens, E' \n\t'));
		EXECUTE definition;
	END LOOP;
END
$views$;

-- Whose limit it was, or else whose key: that is the team an event is counted for.
CREATE OR REPLACE VIEW aiusage.team_month_quota_events WITH (security_barrier) AS
SELECT e.month, coalesce(e.team, '(none)') AS team, coalesce(t.name, e.team, '(none)') AS team_name,
	e.quota, e.name, e.subject, e.kind, e.threshold, e.events, e.first_at, e.last_at,
	(SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END) AS as_of
FROM (
	SELECT aiusage.month_start((e.at AT TIME ZONE g.time_zone)::date, CASE WHEN g.unit IN ('month', 'quarter') THEN g.start_day ELSE 1 END) AS month,
		d.team, e.quota::bigint AS quota, coalesce(q.name, e.quota_name) AS name,
		coalesce(e.subject_text, 'the limit as a whole') AS subject, e.kind, e.threshold::bigint AS threshold,
		sum(e.count)::bigint AS events, min(coalesce(e.first_at, e.at)) AS first_at, max(coalesce(e.last_at, e.at)) AS last_at
	FROM aiusage.quota_event AS e
	LEFT JOIN aiusage.quota AS q ON q.quota = e.quota
	LEFT JOIN aiusage.quota_subject AS n ON n.quota = e.quota AND n.subject = e.subject
	LEFT JOIN aiusage.key_assignment AS a ON a.api_key = coalesce(e.api_key, q.api_key, n.labels[array_position(q.per, 'api_key')])
		AND a.valid_from <= e.at AND (a.valid_to IS NULL OR a.valid_to > e.at)
	CROSS JOIN LATERAL (
		SELECT coalesce(q.team, n.labels[array_position(q.per, 'team')], a.team) AS team,
			coalesce(q.cost_center, n.labels[array_position(q.per, 'cost_center')], a.cost_center) AS cost_center,
			coalesce(q.customer, n.labels[array_position(q.per, 'customer')], a.customer) AS customer
	) AS d
	LEFT JOIN aiusage.cost_center AS c ON c.cost_center = d.cost_center
	JOIN aiusage.billing_calendar AS g ON g.calendar = coalesce(c.calendar, 1)
	WHERE (SELECT aiusage.sees_everything())
		OR d.team = ANY ((SELECT aiusage.visible_teams())::text[])
		OR d.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
		OR d.customer = ANY ((SELECT aiusage.visible_customers())::text[])
	GROUP BY 1, 2, 3, 4, 5, 6, 7
) AS e
LEFT JOIN aiusage.team AS t ON t.team = e.team;

COMMENT ON VIEW aiusage.team_month IS
	'A team''s month, live: what it used, what that cost and was charged, and what of it was wasted. Grain: one row a (month, team, currency)';
COMMENT ON VIEW aiusage.team_month_charges IS
	'What a team is charged a month by charge books, live, in whatever currency that is. Grain: one row a (month, team, currency of the charge)';
COMMENT ON VIEW aiusage.team_month_models IS
	'A team''s month by model as served, live: the mix. Grain: one row a (month, team, provider, model, currency)';
COMMENT ON VIEW aiusage.team_month_workflows IS
	'A team''s month by workflow, live; place 1 to 10 are the top ten. Grain: one row a (month, team, workflow, currency)';
COMMENT ON VIEW aiusage.team_month_quota_events IS
	'What happened at the limits of a team in a month: alerts, denials, overrides. An event is of the team that the limit names or is kept apart by, else of the team of the key it was about; (none): of no team. Grain: one row a (month, team, quota, subject, kind, threshold)';
COMMENT ON VIEW aiusage.unmatched_spend IS
	'Usage and cost that no team, or no cost center, owns, live: what is left of it after corrections. Grain: one row a (month, api_key, missing, team, currency). Usage without a team is for those who see everything';
COMMENT ON VIEW aiusage.key_week IS
	'A key''s week (Monday to Sunday of business days) beside the week before, live; the current week is not over. Grain: one row a (week, api_key, currency) with usage in that week or the one before';

DO $comments$
DECLARE
	r record;
BEGIN
	FOR r IN
		WITH meaning(name, text) AS (VALUES
			('month', 'First day of the month, of the row''s billing calendar: months and quarters that begin on day N make months that do, other calendars calendar months; in the calendar''s time zone'),
			('week', 'Monday of the week; its days are business days, in the time zone of the row''s billing calendar'),
			('ends_on', 'Day after the last day of the week'),
			('team', 'Team that owned the key at the time; (unmatched): none did'),
			('team_name', 'Name of the team today; a rename is not a move'),
			('currency', 'Currency of every amount in the row (ISO 4217)'),
			('api_key', 'Key, by its label'),
			('provider', 'Provider'),
			('model', 'Model as served'),
			('workflow', 'Workflow that the request named, else its assignment''s; (none): no workflow'),
			('place', 'Place by cost among those of the month, team and currency; 1: the dearest'),
			('requests', 'Requests: usage rows less reversals, each attempt one'),
			('previous_requests', 'Requests of the week before'),
			('errors', 'Requests whose status is not success (error, timeout or cancelled)'),
			('retries', 'Repeated attempts: requests with attempt above 1, plus attempts inside an SDK that have no row'),
			('fallbacks', 'Requests that stood in for another model or route'),
			('accepted', 'Accepted results, those reported later included'),
			('unpriced', 'Requests without a price: their cost is unknown, so it is missing in every amount here'),
			('unmatched', 'Requests whose key nobody owned at the time'),
			('input_tokens', 'Input tokens, cached and audio tokens included; NULL: does not fit a bigint'),
			('output_tokens', 'Output tokens, reasoning and audio tokens included; NULL: does not fit a bigint'),
			('cost', 'Cost, corrections included'),
			('previous_cost', 'Cost of the week before, 0: none'),
			('change', 'cost - previous_cost'),
			('change_percent', 'change in percent of previous_cost, two decimals; NULL: previous_cost is 0 or negative'),
			('list_cost', 'What the same usage costs at list prices; NULL: some of it has list prices in another currency'),
			('charge', 'What is charged for it by charge books, 0 where nothing is; NULL: some of it is charged in another currency (aiusage.team_month_charges)'),
			('margin', 'charge - cost; what is not charged, or has no price yet, counts as 0; NULL: nothing is charged, or some of it in another currency'),
			('failed_cost', 'Part of cost: requests that did not succeed'),
			('retry_cost', 'Part of cost: attempts above 1'),
			('fallback_cost', 'Part of cost: requests that stood in for another model or route'),
			('estimated_cost', 'Part of cost: from estimated usage, may still be corrected'),
			('failed_percent', 'failed_cost in percent of cost, two decimals; NULL: cost is 0 or negative'),
			('share_percent', 'cost in percent of the cost of the month, team and currency, two decimals; NULL: that is 0 or negative'),
			('cost_per_request', 'cost / requests, not rounded; NULL: no requests'),
			('cost_per_accepted', 'cost / accepted, not rounded: what an accepted result cost, failures included; NULL: none was reported'),
			('missing', 'What there was none of at the time: owner (no assignment of the key: reattribute() gives it one), team, cost center, or team and cost center (the assignment names none)'),
			('first_day', 'First business day of such usage in the month'),
			('last_day', 'Last business day of such usage in the month'),
			('team_now', 'Team that owns the key today; NULL: none'),
			('cost_center_now', 'Cost center that owns the key today; NULL: none'),
			('quota', 'Number of the limit'),
			('name', 'Name of the limit'),
			('subject', 'Whom the counter counts for'),
			('kind', 'threshold, over (booked above the limit), denied, unchecked (booked without a check), or another of aiusage.quota_event'),
			('threshold', 'Percentage of the limit that was crossed; NULL unless kind is threshold'),
			('events', 'How often it happened'),
			('first_at', 'When it happened first'),
			('last_at', 'When it happened last'),
			('as_of', 'Everything committed before this time is included; on a standby: as far as it has replayed (NULL: nothing since it started)'),
			('team_month_charges.currency', 'Currency of charge (ISO 4217)'),
			('team_month_charges.requests', 'Requests that are charged in the currency'),
			('team_month_charges.charge', 'What is charged, in currency, corrections included'),
			('team_month_quota_events.month', 'First day of the month, as in aiusage.team_month; of the cost center''s billing calendar, else of the global one'),
			('team_month_quota_events.team', 'Team whose limit, or whose key, it was; (none): of no team')
		)
		SELECT c.relname, a.attname, coalesce(s.text, m.text) AS text
		FROM pg_catalog.pg_class AS c
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
		LEFT JOIN meaning AS m ON m.name = a.attname
		LEFT JOIN meaning AS s ON s.name = c.relname || '.' || a.attname
		WHERE c.relnamespace = 'aiusage'::regnamespace
			AND c.relname IN ('team_month', 'team_month_charges', 'team_month_models', 'team_month_workflows',
				'team_month_quota_events', 'unmatched_spend', 'key_week')
	LOOP
		EXECUTE format('COMMENT ON COLUMN aiusage.%I.%I IS %L', r.relname, r.attname, r.text);
	END LOOP;
END
$comments$;
