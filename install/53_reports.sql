/*
 * Reports: the functions.  The views are in books/views/53_report_views.sql.
 *
 * They read views that are filtered by their reader's grants as their caller,
 * so they show what the caller may see.  Everything is from rollups: no report reads the ledger but
 * for the rows that are not folded yet.
 */

-- Not STRICT, or it would not be inlined.
CREATE FUNCTION aiusage.month_start(day date, start_day int) RETURNS date
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE
		WHEN start_day = 1 THEN date_trunc('month', day::timestamp)::date
		WHEN day >= least(date_trunc('month', day::timestamp)::date + (start_day - 1),
				(date_trunc('month', day::timestamp) + interval '1 month')::date - 1)
			THEN least(date_trunc('month', day::timestamp)::date + (start_day - 1),
				(date_trunc('month', day::timestamp) + interval '1 month')::date - 1)
		ELSE least((date_trunc('month', day::timestamp) - interval '1 month')::date + (start_day - 1),
			date_trunc('month', day::timestamp)::date - 1)
	END;
COMMENT ON FUNCTION aiusage.month_start(date, int) IS 'First day of the month that a day is in, where months begin on start_day (1 to 31; in a shorter month on its last day); NULL for NULL';

-- Inlined, too.
CREATE FUNCTION aiusage.change_percent(now numeric, before numeric) RETURNS numeric
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE WHEN before > 0 THEN round(100 * (now - before) / before, 2) END;
COMMENT ON FUNCTION aiusage.change_percent(numeric, numeric) IS 'Change of a figure in percent of what it was before, two decimals; NULL where it was 0 or negative';

CREATE FUNCTION aiusage.report_span(to_day date, days int, OUT previous_from date, OUT starts_on date, OUT ends_on date)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF report_span.days IS NULL OR report_span.days NOT BETWEEN 1 AND 3660 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a report is about 1 to 3660 days',
			HINT = 'It compares them with as many days before. A week is 7.';
	END IF;
	ends_on := coalesce(report_span.to_day, (SELECT d.today FROM aiusage.report_day AS d));
	IF ends_on NOT BETWEEN date '1900-01-01' AND date '9999-12-31' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('a report cannot end on %s', ends_on),
			HINT = 'Give the day after the last day of the report, or NULL for all days before today.';
	END IF;
	starts_on := ends_on - report_span.days;
	previous_from := starts_on - report_span.days;
END
$$;
COMMENT ON FUNCTION aiusage.report_span(date, int) IS 'Days that a report is about: from starts_on to before ends_on, compared with those from previous_from on. to_day NULL: all days before today in the zone of the global calendar. Errors: UA422';

CREATE FUNCTION aiusage.key_review(to_day date DEFAULT NULL, days int DEFAULT 7)
	RETURNS TABLE (api_key text, currency text, starts_on date, ends_on date, team text, cost_center text,
		requests bigint, previous_requests bigint, cost numeric, previous_cost numeric, change numeric, change_percent numeric,
		share_percent numeric, errors bigint, failed_cost numeric, retry_cost numeric, fallback_cost numeric, accepted bigint,
		cost_per_accepted numeric, unpriced bigint, models bigint, top_model text, limit_name text, limit_subject text,
		limit_percent numeric, limit_state text, limit_resets_at timestamptz, as_of timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	s record;
BEGIN
	SELECT * INTO STRICT s FROM aiusage.report_span(key_review.to_day, key_review.days);
	RETURN QUERY
		WITH u AS MATERIALIZED (
			SELECT d.day >= s.starts_on AS now, d.api_key, d.currency, d.provider, d.model, d.team, d.cost_center, d.assignment,
				max(d.day) AS day, sum(d.requests) AS requests, sum(d.cost) AS cost, sum(d.errors) AS errors,
				sum(d.failed_cost) AS failed_cost, sum(d.retry_cost) AS retry_cost, sum(d.fallback_cost) AS fallback_cost,
				sum(d.accepted) AS accepted, sum(d.unpriced) AS unpriced
			FROM aiusage.report_source AS d
			WHERE d.day >= s.previous_from AND d.day < s.ends_on
			GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
		), k AS (
			SELECT u.api_key, u.currency,
				coalesce(sum(u.requests) FILTER (WHERE u.now), 0)::bigint AS requests,
				coalesce(sum(u.requests) FILTER (WHERE NOT u.now), 0)::bigint AS previous_requests,
				coalesce(sum(u.cost) FILTER (WHERE u.now), 0) AS cost,
				coalesce(sum(u.cost) FILTER (WHERE NOT u.now), 0) AS previous_cost,
				coalesce(sum(u.errors) FILTER (WHERE u.now), 0)::bigint AS errors,
				coalesce(sum(u.failed_cost) FILTER (WHERE u.now), 0) AS failed_cost,
				coalesce(sum(u.retry_cost) FILTER (WHERE u.now), 0) AS retry_cost,
				coalesce(sum(u.fallback_cost) FILTER (WHERE u.now), 0) AS fallback_cost,
				coalesce(sum(u.accepted) FILTER (WHERE u.now), 0)::bigint AS accepted,
				coalesce(sum(u.unpriced) FILTER (WHERE u.now), 0)::bigint AS unpriced
			FROM u
			GROUP BY u.api_key, u.currency
		), m AS (
			-- models of the span, the dearest first
			SELECT x.api_key, x.currency, x.model, count(*) OVER (PARTITION BY x.api_key, x.currency) AS models,
				row_number() OVER (PARTITION BY x.api_key, x.currency ORDER BY x.cost DESC, x.requests DESC, x.provider, x.model) AS place
			FROM (
				SELECT u.api_key, u.currency, u.provider, u.model, sum(u.cost) AS cost, sum(u.requests) AS requests
				FROM u
				WHERE u.now
				GROUP BY 1, 2, 3, 4
				HAVING sum(u.cost) <> 0 OR sum(u.requests) <> 0
			) AS x
		), o AS (
			-- who owned the key last
			SELECT DISTINCT ON (u.api_key) u.api_key, u.team, u.cost_center
			FROM u
			ORDER BY u.api_key, u.day DESC, u.assignment DESC NULLS LAST
		), l AS (
			-- the limit of the key that is nearest
			SELECT DISTINCT ON (q.api_key) q.api_key, q.name, q.subject, q.percent, q.state, q.resets_at
			FROM aiusage.quota_state AS q
			WHERE q.api_key IS NOT NULL
			ORDER BY q.api_key, (q.state = 'over') DESC, q.percent DESC NULLS LAST, q.quota, q.subject
		)
		SELECT k.api_key, k.currency, s.starts_on, s.ends_on, o.team, o.cost_center,
			k.requests, k.previous_requests, k.cost, k.previous_cost, k.cost - k.previous_cost,
			aiusage.change_percent(k.cost, k.previous_cost),
			CASE WHEN sum(k.cost) OVER (PARTITION BY k.currency) > 0
				THEN round(100 * k.cost / sum(k.cost) OVER (PARTITION BY k.currency), 2) END,
			k.errors, k.failed_cost, k.retry_cost, k.fallback_cost, k.accepted,
			CASE WHEN k.accepted > 0 THEN k.cost / k.accepted END, k.unpriced,
			coalesce(m.models, 0), m.model, l.name, l.subject, l.percent, l.state, l.resets_at,
			CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END
		FROM k
		JOIN o ON o.api_key = k.api_key
		LEFT JOIN m ON m.api_key = k.api_key AND m.currency = k.currency AND m.place = 1
		LEFT JOIN l ON l.api_key = k.api_key
		ORDER BY k.currency, k.cost DESC, k.api_key;
END
$$;
COMMENT ON FUNCTION aiusage.key_review(date, int) IS 'The review of keys: what each spent on the days before to_day (7 business days; NULL: before today), beside as many days before those, who owned it last, its dearest model, and the nearest of the limits that name the key or are kept apart by key, as it stands now. Grain: one row a (api_key, currency), of keys with usage in either span; amounts are in currency, the limit is of the key, so the same in each of its rows. change_percent: NULL when nothing, or less, was spent before; share_percent: of all cost in the currency that the caller sees, NULL when that is not positive; cost_per_accepted: NULL without accepted results; limit_*: NULL without a limit. Errors: UA422';

CREATE FUNCTION aiusage.key_model_shift(to_day date DEFAULT NULL, days int DEFAULT 7)
	RETURNS TABLE (api_key text, provider text, model text, currency text, starts_on date, ends_on date,
		requests bigint, previous_requests bigint, cost numeric, previous_cost numeric, change numeric, change_percent numeric,
		share_percent numeric, previous_share_percent numeric, shift numeric, as_of timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	s record;
BEGIN
	SELECT * INTO STRICT s FROM aiusage.report_span(key_model_shift.to_day, key_model_shift.days);
	RETURN QUERY
		WITH u AS (
			SELECT d.api_key, d.provider, d.model, d.currency,
				coalesce(sum(d.requests) FILTER (WHERE d.day >= s.starts_on), 0)::bigint AS requests,
				coalesce(sum(d.requests) FILTER (WHERE d.day < s.starts_on), 0)::bigint AS previous_requests,
				coalesce(sum(d.cost) FILTER (WHERE d.day >= s.starts_on), 0) AS cost,
				coalesce(sum(d.cost) FILTER (WHERE d.day < s.starts_on), 0) AS previous_cost
			FROM aiusage.report_source AS d
			WHERE d.day >= s.previous_from AND d.day < s.ends_on
			GROUP BY 1, 2, 3, 4
		), w AS (
			SELECT u.*, sum(u.cost) OVER k AS total, sum(u.previous_cost) OVER k AS previous_total
			FROM u
			WINDOW k AS (PARTITION BY u.api_key, u.currency)
		), p AS (
			SELECT w.*, CASE WHEN w.total > 0 THEN round(100 * w.cost / w.total, 2) END AS share,
				CASE WHEN w.previous_total > 0 THEN round(100 * w.previous_cost / w.previous_total, 2) END AS previous_share
			FROM w
		)
		SELECT p.api_key, p.provider, p.model, p.currency, s.starts_on, s.ends_on, p.requests, p.previous_requests,
			p.cost, p.previous_cost, p.cost - p.previous_cost,
			aiusage.change_percent(p.cost, p.previous_cost),
			p.share, p.previous_share, p.share - p.previous_share,
			CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END
		FROM p
		ORDER BY p.api_key, p.currency, abs(p.share - p.previous_share) DESC NULLS LAST, p.cost DESC, p.provider, p.model;
END
$$;
COMMENT ON FUNCTION aiusage.key_model_shift(date, int) IS 'How the cost of each key moved between models: the days before to_day (7 business days; NULL: before today) beside as many before those. Grain: one row a (api_key, provider, model, currency) with usage in either span. share_percent and previous_share_percent: of the key''s cost in the currency, NULL when that is not positive; shift: their difference in percentage points; change_percent: NULL when nothing, or less, was spent before. The caller sees what the views show. Errors: UA422';

CREATE FUNCTION aiusage.top_movers(by_dimension text DEFAULT 'team', to_day date DEFAULT NULL, days int DEFAULT 7, top int DEFAULT 10)
	RETURNS TABLE (dimension text, provider text, name text, currency text, place bigint, starts_on date, ends_on date,
		requests bigint, previous_requests bigint, cost numeric, previous_cost numeric, change numeric, change_percent numeric,
		movement text, as_of timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	s record;
BEGIN
	IF top_movers.by_dimension IS NULL OR top_movers.by_dimension NOT IN ('team', 'cost_center', 'project', 'environment',
		'api_key', 'provider', 'model', 'workflow', 'customer')
	THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('dimension "%s" of a report is not known', left(top_movers.by_dimension, 64)),
			HINT = 'Dimensions are team, cost_center, project, environment, api_key, provider, model, workflow and customer.';
	END IF;
	IF top_movers.top IS NULL OR top_movers.top < 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a report needs at least one place',
			HINT = 'top says how many rows there are of each currency.';
	END IF;
	SELECT * INTO STRICT s FROM aiusage.report_span(top_movers.to_day, top_movers.days);
	RETURN QUERY
		WITH u AS (
			SELECT CASE WHEN top_movers.by_dimension IN ('model', 'provider') THEN d.provider END AS provider,
				CASE top_movers.by_dimension WHEN 'team' THEN d.team WHEN 'cost_center' THEN d.cost_center
					WHEN 'project' THEN coalesce(d.project, '(none)') WHEN 'environment' THEN coalesce(d.environment, '(none)')
					WHEN 'api_key' THEN d.api_key WHEN 'provider' THEN d.provider WHEN 'model' THEN d.model
					WHEN 'workflow' THEN coalesce(d.workflow, '(none)') WHEN 'customer' THEN coalesce(d.customer, '(none)') END AS name,
				d.currency,
				coalesce(sum(d.requests) FILTER (WHERE d.day >= s.starts_on), 0)::bigint AS requests,
				coalesce(sum(d.requests) FILTER (WHERE d.day < s.starts_on), 0)::bigint AS previous_requests,
				coalesce(sum(d.cost) FILTER (WHERE d.day >= s.starts_on), 0) AS cost,
				coalesce(sum(d.cost) FILTER (WHERE d.day < s.starts_on), 0) AS previous_cost
			FROM aiusage.report_source AS d
			WHERE d.day >= s.previous_from AND d.day < s.ends_on
			GROUP BY 1, 2, 3
		), p AS (
			SELECT u.*, row_number() OVER (PARTITION BY u.currency ORDER BY abs(u.cost - u.previous_cost) DESC, u.name, u.provider) AS place
			FROM u
			WHERE u.cost <> u.previous_cost
		)
		SELECT top_movers.by_dimension, p.provider, p.name, p.currency, p.place, s.starts_on, s.ends_on, p.requests, p.previous_requests,
			p.cost, p.previous_cost, p.cost - p.previous_cost,
			aiusage.change_percent(p.cost, p.previous_cost),
			CASE WHEN p.previous_cost = 0 AND p.previous_requests = 0 THEN 'new' WHEN p.cost = 0 AND p.requests = 0 THEN 'gone'
				WHEN p.cost > p.previous_cost THEN 'up' ELSE 'down' END,
			CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END
		FROM p
		WHERE p.place <= top_movers.top
		ORDER BY p.currency, p.place;
END
$$;
COMMENT ON FUNCTION aiusage.top_movers(text, date, int, int) IS 'Whose cost changed most: the days before to_day (7 business days; NULL: before today) beside as many before those, by team, cost_center, project, environment, api_key, provider, model, workflow or customer. Grain: one row a (provider, name, currency), at most top of each currency, the largest change of either sign first; provider is NULL but for providers and models; (unmatched) and (none): usage without one. movement: new (no requests or cost before), gone (none now), up or down; change_percent: NULL when nothing, or less, was spent before. The caller sees what the views show. Errors: UA422';
