/*
 * Days in the time zone of the reader's choice: business days where those are the
 * same, else sums of quarter hours (53_bucket_pieces.sql).
 *
 * The clocks of every zone stand a whole number of quarter hours off UTC, and
 * change at such times, since 1972 (Liberia was the last with seconds) but
 * for changes one minute after midnight (Newfoundland until 2011).  Where a
 * quarter hour is of two days, nothing is guessed.
 */

CREATE FUNCTION aiusage.usage_by_day(time_zone text, from_day date, to_day date)
	RETURNS TABLE (day date, team text, cost_center text, project text, environment text, api_key text, provider text, model text,
		customer text, workflow text, currency text, charge_currency text, requests bigint, errors bigint, accepted bigint, unpriced bigint,
		input_tokens bigint, cache_read_tokens bigint, output_tokens bigint, reasoning_tokens bigint,
		cost numeric, failed_cost numeric, charge numeric, as_of timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	-- compiling its plan costs more than running it
	SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	zone constant text := usage_by_day.time_zone;
BEGIN
	BEGIN
		IF zone IS NULL OR now() AT TIME ZONE zone IS NULL THEN
			RAISE invalid_parameter_value;
		END IF;
	EXCEPTION WHEN invalid_parameter_value THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('time zone "%s" is not known', left(usage_by_day.time_zone, 64)),
			HINT = 'Zones are named as in pg_timezone_names, such as Europe/Berlin.';
	END;
	-- one after the other: infinite days cannot be subtracted
	IF usage_by_day.from_day IS NULL OR usage_by_day.to_day IS NULL OR usage_by_day.from_day NOT BETWEEN date '1900-01-01' AND date '9999-12-31'
		OR NOT isfinite(usage_by_day.to_day) OR usage_by_day.to_day - usage_by_day.from_day NOT BETWEEN 0 AND 3660 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'usage by day is of at most 3660 days',
			HINT = 'Give the first day and the day after the last one.';
	END IF;

	RETURN QUERY EXECUTE format($query$
		SELECT u.slot, u.team, u.cost_center, u.project, u.environment, u.api_key, u.provider, u.model, u.customer, u.workflow,
			u.currency, u.charge_currency, u.requests, u.errors, u.accepted, u.unpriced,
			aiusage.net_quantity(u.usage, u.usage_reversed, 'input_tokens'), aiusage.net_quantity(u.usage, u.usage_reversed, 'cache_read_tokens'),
			aiusage.net_quantity(u.usage, u.usage_reversed, 'output_tokens'),
			aiusage.net_quantity(u.usage, u.usage_reversed, 'output_reasoning_tokens'),
			u.cost, u.failed_cost, u.charge,
			CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END
		FROM (
			SELECT s.slot, s.team, s.cost_center, s.project, s.environment, s.api_key, s.provider, s.model, s.customer, s.workflow,
				s.currency, s.charge_currency,
				sum(s.requests)::bigint AS requests, sum(s.errors)::bigint AS errors, sum(s.accepted)::bigint AS accepted,
				sum(s.unpriced)::bigint AS unpriced, aiusage.sum(s.usage) AS usage, aiusage.sum(s.usage_reversed) AS usage_reversed,
				sum(s.cost) AS cost, sum(s.failed_cost) AS failed_cost, sum(s.charge) AS charge
			FROM (%s) AS s
			GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
		) AS u
		ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
		$query$, aiusage.bucket_from(usage_by_day.from_day::timestamp AT TIME ZONE zone, usage_by_day.to_day::timestamp AT TIME ZONE zone, '1d', zone, 'sets',
			$columns$coalesce(v.team, '(unmatched)') AS team, coalesce(v.cost_center, '(unmatched)') AS cost_center, v.project, v.environment, v.api_key,
			v.provider, v.model, v.customer, v.workflow, v.currency, v.charge_currency, v.requests, v.errors, v.accepted, v.unpriced,
			v.usage, v.usage_reversed, v.cost, v.failed_cost, v.charge$columns$));
END
$$;
COMMENT ON FUNCTION aiusage.usage_by_day(text, date, date) IS 'Usage and cost by days of any time zone (named as in pg_timezone_names), from a day to before another, live and exact: a day is that of the zone''s clocks, whatever they do. Grain: one row a (day, team, cost_center, project, environment, api_key, provider, model, customer, workflow, currency, charge_currency); the caller sees what the views show. cost is in currency, charge in charge_currency; tokens are NULL where they do not fit a bigint. Errors: UA422 for an unknown zone, more than 3660 days, or a day that does not begin at a quarter of an hour (none since 2012)';
