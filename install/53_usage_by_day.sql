/*
 * Days in the time zone of the reader's choice, from quarter hours.
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
AS $$
#variable_conflict use_column
DECLARE
	zone constant text := usage_by_day.time_zone;
	halved timestamptz;
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

	-- the quarter hours around the beginning of each day: is one of them of two days?
	halved := (
		SELECT min(q.at)
		FROM generate_series(usage_by_day.from_day::timestamp, usage_by_day.to_day::timestamp, interval '1 day') AS d (midnight)
		CROSS JOIN LATERAL (
			SELECT date_bin('15 minutes', d.midnight AT TIME ZONE zone, '2000-01-01 00:00:00+00') + n * interval '15 minutes'
			FROM generate_series(-6, 6) AS n
		) AS q (at)
		WHERE (q.at AT TIME ZONE zone)::date <> ((q.at + interval '15 minutes' - interval '1 microsecond') AT TIME ZONE zone)::date
			AND ((q.at AT TIME ZONE zone)::date BETWEEN usage_by_day.from_day AND usage_by_day.to_day - 1
				OR ((q.at + interval '15 minutes' - interval '1 microsecond') AT TIME ZONE zone)::date
					BETWEEN usage_by_day.from_day AND usage_by_day.to_day - 1));
	IF halved IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('days of %s do not begin at a quarter of an hour', zone),
			DETAIL = format('The quarter hour from %s UTC is of two days there.', halved AT TIME ZONE 'UTC'),
			HINT = 'Usage is summed by quarter hours; for such days, ask aiusage.usage_log.';
	END IF;

	RETURN QUERY
		SELECT u.day, u.team, u.cost_center, u.project, u.environment, u.api_key, u.provider, u.model, u.customer, u.workflow,
			u.currency, u.charge_currency, u.requests, u.errors, u.accepted, u.unpriced,
			aiusage.net_quantity(u.usage, u.usage_reversed, 'input_tokens'), aiusage.net_quantity(u.usage, u.usage_reversed, 'cache_read_tokens'),
			aiusage.net_quantity(u.usage, u.usage_reversed, 'output_tokens'),
			aiusage.net_quantity(u.usage, u.usage_reversed, 'output_reasoning_tokens'),
			u.cost, u.failed_cost, u.charge,
			CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END
		FROM (
			SELECT (v.bucket AT TIME ZONE zone)::date AS day, v.team, v.cost_center, v.project, v.environment, v.api_key, v.provider, v.model,
				v.customer, v.workflow, v.currency, v.charge_currency,
				sum(v.requests)::bigint AS requests, sum(v.errors)::bigint AS errors, sum(v.accepted)::bigint AS accepted,
				sum(v.unpriced)::bigint AS unpriced, aiusage.sum(v.usage) AS usage, aiusage.sum(v.usage_reversed) AS usage_reversed,
				sum(v.cost) AS cost, sum(v.failed_cost) AS failed_cost, sum(v.charge) AS charge
			FROM aiusage.report_quarter_hours AS v
			-- a day more on either side finds them by the index; the date decides
			WHERE v.bucket >= (usage_by_day.from_day - 1)::timestamp AT TIME ZONE 'UTC'
				AND v.bucket < (usage_by_day.to_day + 1)::timestamp AT TIME ZONE 'UTC'
				AND (v.bucket AT TIME ZONE zone)::date >= usage_by_day.from_day
				AND (v.bucket AT TIME ZONE zone)::date < usage_by_day.to_day
			GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
		) AS u
		ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12;
END
$$;
COMMENT ON FUNCTION aiusage.usage_by_day(text, date, date) IS 'Usage and cost by days of any time zone (named as in pg_timezone_names), from a day to before another, live and exact: a day is that of the zone''s clocks, whatever they do. Grain: one row a (day, team, cost_center, project, environment, api_key, provider, model, customer, workflow, currency, charge_currency); the caller sees what the views show. cost is in currency, charge in charge_currency; tokens are NULL where they do not fit a bigint. Errors: UA422 for an unknown zone, more than 3660 days, or a day that does not begin at a quarter of an hour (none since 2012)';
