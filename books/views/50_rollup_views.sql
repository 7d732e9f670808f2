/*
 * The rollups, live: what is folded plus what is not folded yet, in one
 * statement and so in one snapshot.  These views are for the views for people
 * (51_usage_views.sql), for the fold and for verify(): nobody else may read them.
 *
 *   tag_rules             which tags are declared, as aiusage.tag_set() takes them
 *   rollup_source         what one ledger row adds to each measure
 *   rollup_tail           ... the rows that are not folded yet
 *   rollup_live           quarter hours: rollup_15m and the tail
 *   rollup_daily_live     business days: rollup_daily and the tail
 *   rollup_weekly_live    weeks: rollup_weekly and the tail
 *   rollup_weeks_live     weeks, and the weeks before them
 *   rollup_monthly_live   months: rollup_monthly and the tail
 *   rollup_owner_live     business days by team and cost center only: rollup_owner_daily and the tail
 *   rollup_visible        rollup_live with owners, as far as the reader may see
 *   rollup_daily_visible, rollup_weekly_visible, rollup_weeks_visible, rollup_monthly_visible, rollup_owner_visible  in the same way
 *
 * Columns that a query does not use cost nothing: they are planned away.
 *
 * A request's customer and workflow are its own, else its assignment's.  What
 * is folded has that in it; a row of the tail has only its own, so that reading
 * it needs no join.  Whoever reads rollup_live takes coalesce(l.customer,
 * a.customer) of the assignment it joins, which is right for both.
 */

-- Times in microseconds since 2000, as they are stored.
CREATE OR REPLACE VIEW aiusage.tag_rules AS
SELECT jsonb_agg(jsonb_build_array(d.tag, (extract(epoch FROM d.declared_from) * 1000000)::bigint - 946684800000000,
		(extract(epoch FROM d.declared_until) * 1000000)::bigint - 946684800000000, d.allowed_values)
	ORDER BY d.tag COLLATE "C", d.declared_from) AS rules
FROM aiusage.tag_declaration AS d;

COMMENT ON VIEW aiusage.tag_rules IS
	'Internal. One row: the declared tags of every time, as aiusage.tag_set() takes them; NULL when there never were any';

CREATE OR REPLACE VIEW aiusage.rollup_source AS
SELECT r.txid, r.occurred_at,
	date_bin('15 minutes', r.occurred_at, '2000-01-01 00:00:00+00') AS bucket,
	(date_bin('15 minutes', r.occurred_at, '2000-01-01 00:00:00+00')
		AT TIME ZONE coalesce(c.time_zone, 'UTC'))::date AS day,
	date_trunc('week', (date_bin('15 minutes', r.occurred_at, '2000-01-01 00:00:00+00')
		AT TIME ZONE coalesce(c.time_zone, 'UTC'))::date::timestamp)::date AS week,
	aiusage.month_start((date_bin('15 minutes', r.occurred_at, '2000-01-01 00:00:00+00')
		AT TIME ZONE coalesce(c.time_zone, 'UTC'))::date, CASE WHEN c.unit IN ('month', 'quarter') THEN c.start_day ELSE 1 END) AS month,
	r.assignment, r.invoice_period, r.api_key, r.provider, r.model, r.endpoint, r.service_tier, r.region,
	r.customer, r.workflow, r.status,
	(r.status_code / 100)::text || 'xx' AS status_class,
	aiusage.tag_set(r.tags, r.occurred_at, (SELECT t.rules FROM aiusage.tag_rules AS t)) AS tags,
	aiusage.currency(r.cost_by_unit) AS currency,
	coalesce(aiusage.currency(r.list_cost), aiusage.currency(r.cost_by_unit)) AS list_currency,
	aiusage.currency(r.charge) AS charge_currency,
	1::bigint AS records,
	CASE r.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END::bigint AS requests,
	CASE WHEN r.status = 'success' THEN 0 WHEN r.kind = 'usage' THEN 1 WHEN r.kind = 'reversal' THEN -1 ELSE 0
		END::bigint AS errors,
	CASE r.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END::bigint
		* ((r.attempt > 1)::int + coalesce(r.retries, 0)) AS retries,
	CASE WHEN r.fallback_from IS NULL THEN 0 WHEN r.kind = 'usage' THEN 1 WHEN r.kind = 'reversal' THEN -1 ELSE 0
		END::bigint AS fallbacks,
	CASE WHEN r.cache_hit IS NOT TRUE THEN 0 WHEN r.kind = 'usage' THEN 1 WHEN r.kind = 'reversal' THEN -1 ELSE 0
		END::bigint AS cache_hits,
	CASE r.kind WHEN 'reversal' THEN -1 WHEN 'adjustment' THEN 0 ELSE 1 END::bigint
		* coalesce(r.accepted, 0) AS accepted,
	-- an adjustment that says why there was no price has given its row one
	CASE WHEN r.unpriced_reason IS NOT NULL AND r.kind = 'adjustment' THEN -1 WHEN r.cost_state <> 'unpriced' THEN 0
		WHEN r.kind = 'usage' THEN 1 WHEN r.kind = 'reversal' THEN -1 ELSE 0 END::bigint AS unpriced,
	CASE WHEN r.assignment IS NOT NULL THEN 0 WHEN r.kind = 'usage' THEN 1 WHEN r.kind = 'reversal' THEN -1 ELSE 0
		END::bigint AS unmatched,
	coalesce(r.cost::numeric, 0) AS cost,
	coalesce(r.list_cost::numeric, r.cost::numeric, 0) AS list_cost,
	coalesce(r.charge::numeric, 0) AS charge,
	CASE WHEN r.status = 'success' THEN 0 ELSE coalesce(r.cost::numeric, 0) END AS failed_cost,
	CASE WHEN r.attempt > 1 THEN coalesce(r.cost::numeric, 0) ELSE 0 END AS retry_cost,
	CASE WHEN r.fallback_from IS NULL THEN 0 ELSE coalesce(r.cost::numeric, 0) END AS fallback_cost,
	CASE WHEN r.cost_state = 'estimated' THEN coalesce(r.cost::numeric, 0) ELSE 0 END AS estimated_cost,
	CASE WHEN r.kind = 'usage' THEN r.usage END AS usage,
	CASE WHEN r.kind = 'reversal' THEN r.usage END AS usage_reversed,
	CASE WHEN r.kind = 'usage' OR r.kind = 'adjustment' AND r.unpriced_reason IS NOT NULL
		THEN aiusage.billed_usage(r.usage, r.cost_by_unit) END AS billed,
	CASE WHEN r.kind = 'reversal' THEN aiusage.billed_usage(r.usage, r.cost_by_unit) END AS billed_reversed,
	r.cost_by_unit,
	r.user_id,
	r.id,
	aiusage.latency_bucket(r.latency_ms) AS latency_bucket,
	aiusage.latency_bucket(r.ttft_ms) AS ttft_bucket
FROM aiusage.usage_record r
-- by primary key: left out of the plan where the day is not used
LEFT JOIN aiusage.billing_calendar c ON c.calendar = r.invoice_period / 100000;

COMMENT ON VIEW aiusage.rollup_source IS
	'Internal. What each ledger row adds to each measure of the rollups, and under which dimension values; one row a ledger row';

/*
 * The form matters: it has to be read by the BRIN index, whatever the planner's
 * statistics of txid are, and must look as cheap as it is, or a large ledger is
 * scanned, in parallel, by a plan that takes longer to compile (JIT) than to run.
 * So there are bounds that say nothing: the largest bigint (a smaller one would
 * lose the reader's own rows), the first and last of the running transactions,
 * and a range of occurred_at, the index's other column, behind sub-selects.
 * Each makes a pair that the planner takes for a small range, unseen.  And a
 * limit that does not limit, of which it thinks that it leaves a tenth.
 */
CREATE OR REPLACE VIEW aiusage.rollup_tail AS
(
	SELECT * FROM aiusage.rollup_source s
	WHERE s.txid >= (SELECT f.boundary FROM aiusage.fold_state f)
		AND s.txid <= 9223372036854775807
		AND s.occurred_at >= (SELECT timestamptz '-infinity')
		AND s.occurred_at <= (SELECT timestamptz 'infinity')
	LIMIT (SELECT 9223372036854775807)
) UNION ALL (
	SELECT * FROM aiusage.rollup_source s
	WHERE s.txid = ANY (ARRAY(SELECT unnest(f.running) FROM aiusage.fold_state f))
		AND s.txid >= (SELECT f.running[1] FROM aiusage.fold_state f)
		AND s.txid <= (SELECT f.running[cardinality(f.running)] FROM aiusage.fold_state f)
		AND s.occurred_at >= (SELECT timestamptz '-infinity')
		AND s.occurred_at <= (SELECT timestamptz 'infinity')
	LIMIT (SELECT 9223372036854775807)
);

COMMENT ON VIEW aiusage.rollup_tail IS
	'Internal. The rows of rollup_source that are not in the rollups yet';

-- Each level and the tail.  What they have in common is said once: a view has its
-- level's time, then these.
DO $views$
DECLARE
	dimensions constant text := '{d}.assignment, {d}.invoice_period, {d}.api_key, {d}.provider, {d}.model, {d}.endpoint, {d}.service_tier, '
		'{d}.region, {d}.customer, {d}.workflow, {d}.status, {d}.currency, {d}.list_currency, {d}.charge_currency, {d}.status_class, {d}.tags';
	measures constant text := '{r}.records, {r}.requests, {r}.errors, {r}.retries, {r}.fallbacks, {r}.cache_hits, {r}.accepted, {r}.unpriced, '
		'{r}.unmatched, {r}.cost, {r}.list_cost, {r}.charge, {r}.failed_cost, {r}.retry_cost, {r}.fallback_cost, {r}.estimated_cost, '
		'{r}.usage, {r}.usage_reversed, {r}.billed, {r}.billed_reversed, {r}.cost_by_unit';
	-- a week stands for itself (this), and as the week before in the one after it
	weeks constant text := format('(SELECT r.week, true AS this, r.dimension, %1$s FROM aiusage.rollup_weekly AS r
		UNION ALL SELECT r.week + 7, false, r.dimension, %1$s FROM aiusage.rollup_weekly AS r)', replace(measures, '{r}', 'r'));
	level record;
BEGIN
	FOR level IN SELECT * FROM (VALUES
			('rollup_live', 'r.bucket', 'aiusage.rollup_15m', 't.bucket', '', '', ''),
			('rollup_daily_live', 'r.day', 'aiusage.rollup_daily', 't.day', '', '', ''),
			('rollup_weekly_live', 'r.week', 'aiusage.rollup_weekly', 't.week', '', '', ''),
			('rollup_weeks_live', 'r.week', weeks, 't.week + l.days', 'CROSS JOIN (VALUES (0), (7)) AS l (days)', ', r.this', ', l.days = 0'),
			-- which set it is, and which day: for who looks for the days of a month
			('rollup_monthly_live', 'r.month', 'aiusage.rollup_monthly', 't.month', '', ', r.dimension, NULL::date AS day', ', NULL::uuid, t.day'))
		AS l (live, time, rollup, tail_time, tail_more, columns, tail_columns)
	LOOP
		EXECUTE format('CREATE OR REPLACE VIEW aiusage.%1$I AS
				SELECT %2$s, %3$s FROM %4$s AS r JOIN aiusage.rollup_dimension AS d ON d.dimension = r.dimension
				UNION ALL
				SELECT %5$s, %6$s FROM aiusage.rollup_tail AS t %7$s',
			level.live, level.time, replace(replace(concat_ws(', ', dimensions, measures), '{d}', 'd'), '{r}', 'r') || level.columns, level.rollup,
			level.tail_time, replace(replace(concat_ws(', ', dimensions, measures), '{d}', 't'), '{r}', 't') || level.tail_columns, level.tail_more);
		EXECUTE format('CREATE OR REPLACE VIEW aiusage.%1$I AS
				SELECT a.team, a.cost_center, a.project, a.environment, a.product,
					coalesce(l.customer, a.customer) AS effective_customer, coalesce(l.workflow, a.workflow) AS effective_workflow,
					l.*
				FROM aiusage.%2$I AS l
				LEFT JOIN aiusage.key_assignment AS a ON a.assignment = l.assignment
				WHERE (SELECT aiusage.sees_everything())
					OR a.team = ANY ((SELECT aiusage.visible_teams())::text[])
					OR a.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
					OR coalesce(l.customer, a.customer) = ANY ((SELECT aiusage.visible_customers())::text[])',
			replace(level.live, 'live', 'visible'), level.live);
	END LOOP;

	EXECUTE replace($view$
CREATE OR REPLACE VIEW aiusage.rollup_owner_live AS
SELECT r.day, r.team, r.cost_center, r.invoice_period, r.currency, r.list_currency, r.charge_currency, {measures}
FROM aiusage.rollup_owner_daily AS r
UNION ALL
SELECT r.day, a.team, a.cost_center, r.invoice_period, r.currency, r.list_currency, r.charge_currency, {measures}
FROM aiusage.rollup_tail AS r
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = r.assignment
	$view$, '{measures}', replace(measures, '{r}', 'r'));

	/*
	 * Grants by customer need the customer, which rollup_owner_daily does not
	 * have: whoever has one reads rollup_daily.  A condition without columns is
	 * evaluated once, and keeps the other branch from being read.
	 */
	EXECUTE replace(replace(replace($view$
CREATE OR REPLACE VIEW aiusage.rollup_owner_visible AS
SELECT r.day, r.team, r.cost_center, r.invoice_period, r.currency, r.list_currency, r.charge_currency, {measures}
FROM aiusage.rollup_owner_daily AS r
WHERE {by owner}
	AND ((SELECT aiusage.sees_everything())
		OR r.team = ANY ((SELECT aiusage.visible_teams())::text[])
		OR r.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[]))
UNION ALL
SELECT r.day, a.team, a.cost_center, d.invoice_period, d.currency, d.list_currency, d.charge_currency, {measures}
FROM aiusage.rollup_daily AS r
JOIN aiusage.rollup_dimension AS d ON d.dimension = r.dimension
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = d.assignment
WHERE NOT {by owner}
	AND (a.team = ANY ((SELECT aiusage.visible_teams())::text[])
		OR a.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
		OR coalesce(d.customer, a.customer) = ANY ((SELECT aiusage.visible_customers())::text[]))
UNION ALL
SELECT r.day, a.team, a.cost_center, r.invoice_period, r.currency, r.list_currency, r.charge_currency, {measures}
FROM aiusage.rollup_tail AS r
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = r.assignment
WHERE (SELECT aiusage.sees_everything())
	OR a.team = ANY ((SELECT aiusage.visible_teams())::text[])
	OR a.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
	OR coalesce(r.customer, a.customer) = ANY ((SELECT aiusage.visible_customers())::text[])
	$view$, '{measures}', replace(measures, '{r}', 'r')),
		'NOT {by owner}', 'NOT (SELECT aiusage.sees_everything()) AND (SELECT cardinality(aiusage.visible_customers()) > 0)'),
		'{by owner}', '((SELECT aiusage.sees_everything()) OR (SELECT cardinality(aiusage.visible_customers()) = 0))');
END
$views$;

COMMENT ON VIEW aiusage.rollup_live IS
	'Internal. rollup_15m and the rows that are not folded yet, so exact in every snapshot; several rows a bucket and dimension set: group them';

COMMENT ON VIEW aiusage.rollup_daily_live IS
	'Internal. rollup_daily and the rows that are not folded yet, so exact in every snapshot; several rows a day and dimension set: group them';

COMMENT ON VIEW aiusage.rollup_visible IS
	'Internal. rollup_live with the owners of the assignment, limited to the teams, cost centers and customers that the reader may see; unmatched usage is for those who see everything';

COMMENT ON VIEW aiusage.rollup_daily_visible IS
	'Internal. rollup_daily_live with the owners of the assignment, limited to the teams, cost centers and customers that the reader may see; unmatched usage is for those who see everything';

COMMENT ON VIEW aiusage.rollup_weekly_live IS
	'Internal. rollup_weekly and the rows that are not folded yet, so exact in every snapshot; several rows a week and dimension set: group them';

COMMENT ON VIEW aiusage.rollup_weekly_visible IS
	'Internal. rollup_weekly_live with the owners of the assignment, limited to the teams, cost centers and customers that the reader may see; unmatched usage is for those who see everything';

COMMENT ON VIEW aiusage.rollup_weeks_live IS
	'Internal. rollup_weekly_live, each row twice: in its own week (this), and in the one after as of the week before (not this)';

COMMENT ON VIEW aiusage.rollup_weeks_visible IS
	'Internal. rollup_weeks_live with the owners of the assignment, limited to the teams, cost centers and customers that the reader may see; unmatched usage is for those who see everything';

COMMENT ON VIEW aiusage.rollup_monthly_live IS
	'Internal. rollup_monthly and the rows that are not folded yet, so exact in every snapshot; several rows a month and dimension set: group them';

COMMENT ON VIEW aiusage.rollup_monthly_visible IS
	'Internal. rollup_monthly_live with the owners of the assignment, limited to the teams, cost centers and customers that the reader may see; unmatched usage is for those who see everything';

COMMENT ON VIEW aiusage.rollup_owner_live IS
	'Internal. rollup_owner_daily and the rows that are not folded yet, so exact in every snapshot; several rows a day and owner: group them';

COMMENT ON VIEW aiusage.rollup_owner_visible IS
	'Internal. rollup_owner_daily and the rows that are not folded yet, limited to the teams, cost centers and customers that the reader may see; unmatched usage is for those who see everything';
