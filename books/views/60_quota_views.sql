/*
 * Limits, live: what is folded plus what is not folded yet, in one statement
 * and so in one snapshot; on a standby and without counters in memory too.
 *
 *   quota_tail       the ledger rows that are not folded yet
 *   quota_counter    what each counter adds up to: quota_usage and the tail
 *   quota_current    counters of the windows that are open now
 *   quota_standing   the same for people, as far as the reader may see
 *   quota_state      where every limit stands
 *   quota_forecast   when a limit will be reached
 */

-- In the form that 50_rollup_views.sql explains.
CREATE OR REPLACE VIEW aiusage.quota_tail AS
(
	SELECT u.* FROM aiusage.usage_record u
	WHERE u.txid >= (SELECT f.boundary FROM aiusage.fold_state f)
		AND u.txid <= 9223372036854775807
		AND u.occurred_at >= (SELECT timestamptz '-infinity')
		AND u.occurred_at <= (SELECT timestamptz 'infinity')
	LIMIT (SELECT 9223372036854775807)
) UNION ALL (
	SELECT u.* FROM aiusage.usage_record u
	WHERE u.txid = ANY (ARRAY(SELECT unnest(f.running) FROM aiusage.fold_state f))
		AND u.txid >= (SELECT f.running[1] FROM aiusage.fold_state f)
		AND u.txid <= (SELECT f.running[cardinality(f.running)] FROM aiusage.fold_state f)
		AND u.occurred_at >= (SELECT timestamptz '-infinity')
		AND u.occurred_at <= (SELECT timestamptz 'infinity')
	LIMIT (SELECT 9223372036854775807)
);
COMMENT ON VIEW aiusage.quota_tail IS
	'Internal. The ledger rows that are not in quota_usage yet';

CREATE OR REPLACE VIEW aiusage.quota_counter AS
SELECT s.quota, s.subject, s.labels, s.window_start, min(s.starts_at) AS starts_at,
	-- the last period of a list has no end until another is added
	CASE WHEN q."window" = 'invoice_period' THEN (SELECT w.ends_at FROM aiusage.quota_window(q.quota, 'epoch', s.window_start::int) w)
		ELSE max(s.ends_at) END AS ends_at,
	sum(s.used) AS used, min(s.first_at) AS first_at
FROM (
	SELECT u.quota, u.subject, n.labels, u.window_start, u.starts_at, u.ends_at, u.used, n.first_at
	FROM aiusage.quota_usage u
	JOIN aiusage.quota_subject n ON n.quota = u.quota AND n.subject = u.subject
	UNION ALL
	SELECT c.quota, c.subject, c.labels, c.window_start, c.starts_at, c.ends_at, c.amount, t.occurred_at
	FROM aiusage.quota_tail t
	CROSS JOIN LATERAL aiusage.quota_charges(NULL, t.api_key, t.assignment, t.customer, t.workflow, t.user_id, t.job_id, t.tags,
		t.provider, t.model, t.endpoint, t.usage, t.cost, t.status, t.kind, t.adjusts, t.quota_state,
		t.occurred_at, t.recorded_at, t.invoice_period) c
	WHERE c.amount <> 0
) s
JOIN aiusage.quota q ON q.quota = s.quota AND q.status = 'active'
CROSS JOIN aiusage.fold_state f
WHERE s.ends_at > q.pruned_to AND aiusage.quota_kept(s.starts_at, s.ends_at, f.quotas_pruned_at)
GROUP BY s.quota, s.subject, s.labels, s.window_start, q.quota, q."window";
COMMENT ON VIEW aiusage.quota_counter IS
	'Internal. What every counter of an active limit adds up to, exact in every snapshot; one row a counter, of a sliding window one a sub-bucket';

CREATE OR REPLACE VIEW aiusage.quota_current AS
SELECT s.quota, s.subject, s.labels, max(s.window_start) AS window_start, min(s.starts_at) AS starts_at, min(s.ends_at) AS resets_at,
	sum(s.used) AS used, min(s.first_at) AS first_at
FROM (
	SELECT c.quota, c.subject, c.labels, c.window_start, c.starts_at, c.ends_at, c.used, c.first_at
	FROM aiusage.quota_counter c
	WHERE c.starts_at <= statement_timestamp() AND c.ends_at > statement_timestamp()
	UNION ALL
	-- a limit with one counter has it from the beginning
	SELECT q.quota, aiusage.quota_subject_id(q.quota, q.epoch, q.per), q.per, w.window_start, w.starts_at, w.ends_at, 0, NULL
	FROM aiusage.quota q
	CROSS JOIN LATERAL aiusage.quota_window(q.quota, statement_timestamp(),
		CASE q."window" WHEN 'invoice_period' THEN aiusage.billed_period(
			coalesce((SELECT c.calendar FROM aiusage.cost_center c WHERE c.cost_center = q.cost_center), 1), statement_timestamp()) END) w
	WHERE q.status = 'active' AND q.per = '{}'
) s
GROUP BY s.quota, s.subject, s.labels,
	-- sub-buckets of a sliding window are one counter
	CASE WHEN (SELECT q.sliding FROM aiusage.quota q WHERE q.quota = s.quota) THEN 0 ELSE s.window_start END;
COMMENT ON VIEW aiusage.quota_current IS
	'Internal. What the counters of windows that are open now add up to; one row a limit, subject and window';

CREATE OR REPLACE VIEW aiusage.quota_standing AS
SELECT q.quota, q.name, aiusage.quota_subject_text(q.per, q.tag, c.labels) AS subject,
	d.api_key, d.team, d.cost_center, d.customer,
	q.metric, c.used, h.held, e.effective AS "limit", q."limit" AS base_limit,
	e.effective - c.used - h.held AS remaining,
	CASE WHEN e.effective > 0 THEN round((c.used + h.held) / e.effective * 100, 2) END AS percent,
	q.currency,
	CASE q.metric WHEN 'spend' THEN NULL WHEN 'unit' THEN q.unit WHEN 'errors' THEN 'requests' WHEN 'concurrency' THEN 'holds' ELSE q.metric END AS unit,
	coalesce(q.window_length::text, q."window") AS "window", q.sliding,
	CASE WHEN isfinite(c.starts_at) THEN c.starts_at END AS window_starts,
	CASE WHEN isfinite(c.resets_at) THEN c.resets_at END AS resets_at,
	CASE WHEN c.used + h.held >= e.effective THEN 'over'
		WHEN (c.used + h.held) * 100 >= e.effective * (SELECT min(t.p) FROM unnest(q.thresholds) t (p)) THEN 'soft'
		ELSE 'ok' END AS state,
	q.action, c.first_at
FROM aiusage.quota_current c
JOIN aiusage.quota q ON q.quota = c.quota
CROSS JOIN LATERAL (SELECT aiusage.quota_held(c.quota, c.labels, CASE WHEN q.sliding THEN 0 ELSE c.window_start END) AS held) h
CROSS JOIN LATERAL (
	SELECT greatest(q."limit" + coalesce(sum(o.raise_by), 0), max(o.raise_to)) AS effective
	FROM aiusage.quota_override o
	WHERE o.quota = q.quota AND o.valid_from <= statement_timestamp() AND o.valid_until > statement_timestamp()
		AND (o.labels IS NULL OR o.labels = c.labels)
) e
CROSS JOIN LATERAL (
	SELECT coalesce(q.api_key, c.labels[array_position(q.per, 'api_key')]) AS api_key,
		coalesce(q.team, c.labels[array_position(q.per, 'team')]) AS team,
		coalesce(q.cost_center, c.labels[array_position(q.per, 'cost_center')]) AS cost_center,
		coalesce(q.customer, c.labels[array_position(q.per, 'customer')]) AS customer
) d
LEFT JOIN aiusage.key_assignment a ON a.api_key = d.api_key
	AND a.valid_from <= statement_timestamp() AND (a.valid_to IS NULL OR a.valid_to > statement_timestamp())
WHERE (SELECT aiusage.sees_everything())
	OR coalesce(d.team, a.team) = ANY ((SELECT aiusage.visible_teams())::text[])
	OR coalesce(d.cost_center, a.cost_center) = ANY ((SELECT aiusage.visible_cost_centers())::text[])
	OR coalesce(d.customer, a.customer) = ANY ((SELECT aiusage.visible_customers())::text[]);

COMMENT ON VIEW aiusage.quota_standing IS 'Internal. quota_current for people, limited to what the reader may see';

CREATE OR REPLACE VIEW aiusage.quota_state WITH (security_barrier) AS
SELECT s.quota, s.name, s.subject, s.api_key, s.team, s.cost_center, s.customer, s.metric, s.used, s.held, s."limit", s.base_limit,
	s.remaining, s.percent, s.currency, s.unit, s."window", s.sliding, s.window_starts, s.resets_at, s.state, s.action
FROM aiusage.quota_standing s;

COMMENT ON VIEW aiusage.quota_state IS 'Where every limit stands now, exact in every snapshot; one row a limit, subject and open window. A subject appears with its first usage. Who has a scope sees the limits that name, or are kept apart by, its teams, cost centers and customers, and those of keys that these own';
COMMENT ON COLUMN aiusage.quota_state.quota IS 'Number of the limit';
COMMENT ON COLUMN aiusage.quota_state.name IS 'Its name';
COMMENT ON COLUMN aiusage.quota_state.subject IS 'Whom the counter counts for';
COMMENT ON COLUMN aiusage.quota_state.api_key IS 'Key that the limit or the subject names; NULL: none';
COMMENT ON COLUMN aiusage.quota_state.team IS 'Team that the limit or the subject names; NULL: none';
COMMENT ON COLUMN aiusage.quota_state.cost_center IS 'Cost center that the limit or the subject names; NULL: none';
COMMENT ON COLUMN aiusage.quota_state.customer IS 'Customer that the limit or the subject names; NULL: none';
COMMENT ON COLUMN aiusage.quota_state.metric IS 'What is counted: spend, requests, tokens, unit, errors or concurrency';
COMMENT ON COLUMN aiusage.quota_state.used IS 'What booked rows add up to, in currency or unit';
COMMENT ON COLUMN aiusage.quota_state.held IS 'What open holds have reserved, in currency or unit';
COMMENT ON COLUMN aiusage.quota_state."limit" IS 'The limit in force, with overrides, in currency or unit';
COMMENT ON COLUMN aiusage.quota_state.base_limit IS 'The limit without overrides';
COMMENT ON COLUMN aiusage.quota_state.remaining IS 'limit less used and held, in currency or unit; negative when more was spent';
COMMENT ON COLUMN aiusage.quota_state.percent IS 'used and held of limit, in percent, two decimals; NULL for a limit of 0';
COMMENT ON COLUMN aiusage.quota_state.currency IS 'Currency of used, held, limit and remaining; NULL unless metric is spend';
COMMENT ON COLUMN aiusage.quota_state.unit IS 'Unit of used, held, limit and remaining; NULL when metric is spend';
COMMENT ON COLUMN aiusage.quota_state."window" IS 'minute, hour, day, week, month, invoice_period, total, or the length of an interval';
COMMENT ON COLUMN aiusage.quota_state.sliding IS 'Whether the window slides';
COMMENT ON COLUMN aiusage.quota_state.window_starts IS 'Start of the window; NULL: total';
COMMENT ON COLUMN aiusage.quota_state.resets_at IS 'When the window ends; sliding: when the first part of what is used leaves it; NULL: never';
COMMENT ON COLUMN aiusage.quota_state.state IS 'ok; soft: the first threshold is reached; over: the limit is';
COMMENT ON COLUMN aiusage.quota_state.action IS 'What happens at the limit';

CREATE OR REPLACE VIEW aiusage.quota_forecast WITH (security_barrier) AS
SELECT s.quota, s.name, s.subject, s.api_key, s.team, s.cost_center, s.customer, s.metric, s.used, s.held, s."limit",
	s.currency, s.unit, round(r.per_hour, 12) AS per_hour,
	CASE WHEN s.state = 'over' THEN statement_timestamp()
		WHEN (s.resets_at IS NULL OR statement_timestamp() + r.ahead < s.resets_at)
			THEN statement_timestamp() + r.ahead END AS reached_at,
	s.resets_at
FROM aiusage.quota_standing s
CROSS JOIN LATERAL (
	SELECT CASE WHEN NOT s.sliding THEN
		s.used * 3600 / greatest(extract(epoch FROM statement_timestamp() - greatest(s.window_starts, s.first_at)), 60) END AS per_hour
) p
CROSS JOIN LATERAL (
	-- further away than a century is never
	SELECT p.per_hour,
		CASE WHEN p.per_hour > 0 AND s.remaining / p.per_hour < 876000
			THEN round(s.remaining / p.per_hour * 3600000)::float8 * interval '1 millisecond' END AS ahead
) r;

COMMENT ON VIEW aiusage.quota_forecast IS 'When every limit will be reached if usage goes on as since the beginning of its window (since its first usage, where that was later); one row a limit, subject and open window, of those that the reader may see';
COMMENT ON COLUMN aiusage.quota_forecast.quota IS 'Number of the limit';
COMMENT ON COLUMN aiusage.quota_forecast.name IS 'Its name';
COMMENT ON COLUMN aiusage.quota_forecast.subject IS 'Whom the counter counts for';
COMMENT ON COLUMN aiusage.quota_forecast.api_key IS 'Key that the limit or the subject names; NULL: none';
COMMENT ON COLUMN aiusage.quota_forecast.team IS 'Team that the limit or the subject names; NULL: none';
COMMENT ON COLUMN aiusage.quota_forecast.cost_center IS 'Cost center that the limit or the subject names; NULL: none';
COMMENT ON COLUMN aiusage.quota_forecast.customer IS 'Customer that the limit or the subject names; NULL: none';
COMMENT ON COLUMN aiusage.quota_forecast.metric IS 'What is counted: spend, requests, tokens, unit, errors or concurrency';
COMMENT ON COLUMN aiusage.quota_forecast.used IS 'What booked rows add up to, in currency or unit';
COMMENT ON COLUMN aiusage.quota_forecast.held IS 'What open holds have reserved, in currency or unit';
COMMENT ON COLUMN aiusage.quota_forecast."limit" IS 'The limit in force, with overrides, in currency or unit';
COMMENT ON COLUMN aiusage.quota_forecast.currency IS 'Currency of used, held, limit and per_hour; NULL unless metric is spend';
COMMENT ON COLUMN aiusage.quota_forecast.unit IS 'Unit of used, held, limit and per_hour; NULL when metric is spend';
COMMENT ON COLUMN aiusage.quota_forecast.per_hour IS 'How much an hour on average, in currency or unit; NULL for sliding windows';
COMMENT ON COLUMN aiusage.quota_forecast.reached_at IS 'When the limit will be reached at that rate; now when it is; NULL: not in this window';
COMMENT ON COLUMN aiusage.quota_forecast.resets_at IS 'When the window ends; NULL: never';
