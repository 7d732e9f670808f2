/*
 * Where buckets of time are read from: the coarsest level that knows the answer.
 *
 * A month of the rollups that lies whole in one bucket is read as a month, a week
 * that does as a week, a business day that does as a day, and only the days that a
 * bucket divides by quarter hours.  So in the zone of the business days a day is
 * one row a dimension set, and a year in another zone is its weeks and days, but for the
 * twelve that it divides.  Where billing calendars differ in zone, or in the day on
 * which months begin, each has pieces of its own.
 *
 * Pieces are SQL: their times and zones are literals, so that the planner sees them.
 */

CREATE FUNCTION aiusage.bucket_at(at timestamptz, bucket_width text, time_zone text, later int DEFAULT 0) RETURNS timestamptz
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN CASE bucket_width
		WHEN '1mo' THEN (date_trunc('month', at AT TIME ZONE time_zone) + make_interval(months => later)) AT TIME ZONE time_zone
		WHEN '1d' THEN ((at AT TIME ZONE time_zone)::date + later)::timestamp AT TIME ZONE time_zone
		WHEN '1h' THEN date_bin('1 hour', at, '2000-01-01 00:00:00+00') + make_interval(hours => later)
		WHEN '1m' THEN date_bin('1 minute', at, '2000-01-01 00:00:00+00') + make_interval(mins => later)
	END;
COMMENT ON FUNCTION aiusage.bucket_at(timestamptz, text, text, int) IS 'Internal. Start of the bucket that a time is in, or of one so many later: months (1mo) and days (1d) of the zone, hours (1h) and minutes (1m) of UTC; NULL for another width';

CREATE FUNCTION aiusage.bucket_bounds(starts timestamptz, ends timestamptz, bucket_width text, time_zone text) RETURNS timestamptz[]
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN bucket_bounds.bucket_width IN ('1mo', '1d') THEN ARRAY(
			SELECT b.at
			-- no day is shorter than 20 hours, no month than 27 days
			FROM generate_series(0, ceil(extract(epoch FROM bucket_bounds.ends - bucket_bounds.starts) / 3600
				/ CASE bucket_bounds.bucket_width WHEN '1d' THEN 20 ELSE 27 * 24 END)::int + 1) AS n,
				LATERAL aiusage.bucket_at(bucket_bounds.starts, bucket_bounds.bucket_width, bucket_bounds.time_zone, n) AS b (at)
			WHERE b.at <= bucket_bounds.ends)
		ELSE ARRAY[bucket_bounds.starts, bucket_bounds.ends] END
$$;
COMMENT ON FUNCTION aiusage.bucket_bounds(timestamptz, timestamptz, text, text) IS 'Internal. Where the buckets from one bound to another begin and end: those of 1mo and 1d, else the two bounds';

CREATE FUNCTION aiusage.refuse_divided_quarters(bounds timestamptz[], time_zone text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	zone constant text := refuse_divided_quarters.time_zone;
	quarter constant interval := '15 minutes';
	divided timestamptz;
BEGIN
	-- the quarter hours around the beginning of each bucket: is one of them of two days?
	divided := (
		SELECT min(q.at)
		FROM unnest(refuse_divided_quarters.bounds) AS b (at)
		CROSS JOIN LATERAL (
			SELECT date_bin(quarter, b.at, '2000-01-01 00:00:00+00') + n * quarter
			FROM generate_series(-6, 6) AS n
		) AS q (at)
		WHERE (q.at AT TIME ZONE zone)::date <> ((q.at + quarter - interval '1 microsecond') AT TIME ZONE zone)::date
			AND q.at + quarter > refuse_divided_quarters.bounds[1]
			AND q.at < refuse_divided_quarters.bounds[cardinality(refuse_divided_quarters.bounds)]);
	IF divided IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('days of %s do not begin at a quarter of an hour', zone),
			DETAIL = format('The quarter hour from %s UTC is of two days there.', divided AT TIME ZONE 'UTC'),
			HINT = 'Usage is summed by quarter hours; for such days, ask aiusage.usage_log.';
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.refuse_divided_quarters(timestamptz[], text) IS 'Internal. Refuses days of a zone that begin within a quarter hour: the rollups cannot divide it. Errors: UA422';

/*
 * level: sets (every dimension), owners (teams and cost centers alone), people
 * and named (users, with and without what names none), ledger.  owners, people and
 * named have days only; what they cannot answer is not asked of them.
 */
CREATE FUNCTION aiusage.bucket_pieces(starts timestamptz, ends timestamptz, bucket_width text, time_zone text, level text,
	OUT source text, OUT slot text, OUT condition text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	-- times as everybody reads them: other styles name zones by abbreviations
	SET datestyle = 'ISO'
AS $$
#variable_conflict use_column
DECLARE
	zone constant text := bucket_pieces.time_zone;
	width constant text := bucket_pieces.bucket_width;
	-- a bucket, of a time on the zone's clocks
	slot_of constant text := CASE width WHEN 'all' THEN 'true' WHEN '1mo' THEN 'date_trunc(''month'', %s)::date' WHEN '1d' THEN '(%s)::date'
		ELSE format('date_bin(%L, v.at, timestamptz %L)', CASE width WHEN '1h' THEN '1 hour' ELSE '1 minute' END, '2000-01-01 00:00:00+00') END;
	of_time constant text := format(slot_of, format('v.at AT TIME ZONE %L', zone));
	others int[] := '{}';		-- calendars before
	of_calendar text;
	found jsonb := '[]';		-- source, slot, times, rows
	n int := 0;
	clocks text;				-- the beginning of a day or month on the zone's clocks
	bounds timestamptz[];
	days datemultirange;
	divided datemultirange;		-- days that are not whole in one bucket
	months datemultirange;
	weeks datemultirange;
	quarters tstzmultirange;
	c record;
BEGIN
	IF bucket_pieces.level = 'ledger' OR width IN ('1h', '1m') THEN
		source := CASE bucket_pieces.level WHEN 'ledger' THEN 'bucket_rows' ELSE 'bucket_quarters' END;
		slot := of_time;
		condition := format('v.at >= %L AND v.at < %L', bucket_pieces.starts, bucket_pieces.ends);
		RETURN NEXT;
		RETURN;
	END IF;

	FOR c IN
		SELECT b.time_zone, m.month_day, array_agg(b.calendar) AS calendars, bool_or(b.calendar = 1) AS is_global
		FROM aiusage.bucket_calendar AS b,
			-- where months are of no use, it does not matter when they begin
			LATERAL (SELECT CASE WHEN bucket_pieces.level = 'sets' AND width <> '1d' THEN b.month_day END) AS m (month_day)
		GROUP BY 1, 2
		-- the global calendar's last: it has what is of no other's, also rows whose period is of no calendar
		ORDER BY 4, 1, 2
	LOOP
		n := n + 1;
		of_calendar := CASE WHEN c.is_global THEN format('v.calendar <> ALL (%L)', others) ELSE format('v.calendar = ANY (%L)', c.calendars) END;
		others := others || c.calendars;

		days := datemultirange(daterange((bucket_pieces.starts AT TIME ZONE c.time_zone)::date, (bucket_pieces.ends AT TIME ZONE c.time_zone)::date));
		divided := '{}';
		months := '{}';
		weeks := '{}';
		clocks := CASE WHEN c.time_zone = zone THEN 'v.{time}::timestamp' ELSE format('v.{time}::timestamp AT TIME ZONE %L AT TIME ZONE %L', c.time_zone, zone) END;
		IF c.time_zone <> zone OR width = 'all' OR c.month_day > 1 THEN
			bounds := coalesce(bounds, aiusage.bucket_bounds(bucket_pieces.starts, bucket_pieces.ends, width, zone));
			SELECT coalesce(range_agg(daterange(d.day, d.day + 1)), '{}') INTO divided
			FROM unnest(bounds) AS b (at), LATERAL (SELECT (b.at AT TIME ZONE c.time_zone)::date AS day) AS d
			WHERE d.day::timestamp AT TIME ZONE c.time_zone <> b.at;
			days := days - divided;
			IF c.month_day IS NOT NULL THEN
				-- first days of months, and Mondays; whole where they are in the span and no bucket begins within
				SELECT coalesce(range_agg(daterange(p.starts_on, p.ends_on)) FILTER (WHERE p.is_month), '{}'),
					coalesce(range_agg(daterange(p.starts_on, p.ends_on)) FILTER (WHERE NOT p.is_month), '{}')
				INTO months, weeks
				FROM (
					SELECT true AS is_month, s.on AS starts_on, lead(s.on) OVER (ORDER BY s.on) AS ends_on
					FROM generate_series(date_trunc('month', lower(days)::timestamp) - interval '1 month', upper(days)::timestamp + interval '1 month', '1 month') AS g (first),
						LATERAL (SELECT least(g.first::date + (c.month_day - 1), (g.first + interval '1 month')::date - 1) AS on) AS s
					UNION ALL
					SELECT false, g.monday::date, g.monday::date + 7
					FROM generate_series(date_trunc('week', lower(days)::timestamp), upper(days)::timestamp, '7 days') AS g (monday)
				) AS p
				WHERE daterange(p.starts_on, p.ends_on) <@ days
					AND NOT EXISTS (SELECT FROM unnest(bounds) AS b (at)
						WHERE b.at > p.starts_on::timestamp AT TIME ZONE c.time_zone AND b.at < p.ends_on::timestamp AT TIME ZONE c.time_zone);
				-- weeks of what months leave: one that is partly in a month is read by days
				SELECT coalesce(range_agg(daterange(w.monday, w.monday + 7)), '{}') INTO weeks
				FROM unnest(weeks) AS r, LATERAL (SELECT g.monday::date FROM generate_series(lower(r)::timestamp, upper(r)::timestamp - interval '7 days', '7 days') AS g (monday)) AS w
				WHERE NOT daterange(w.monday, w.monday + 7) && months;
			END IF;
		ELSIF c.month_day = 1 THEN
			months := days;
		END IF;
		days := days - months - weeks;
		quarters := coalesce((SELECT range_agg(tstzrange(lower(d)::timestamp AT TIME ZONE c.time_zone, upper(d)::timestamp AT TIME ZONE c.time_zone)) FROM unnest(divided) AS d), '{}')
			* tstzmultirange(tstzrange(bucket_pieces.starts, bucket_pieces.ends));

		found := found || jsonb_build_array(
			jsonb_build_array('bucket_months', CASE WHEN c.time_zone = zone AND width = '1mo' THEN 'v.month' ELSE format(slot_of, replace(clocks, '{time}', 'month')) END,
				(SELECT string_agg(format('v.month >= %L AND v.month < %L', lower(r), upper(r)), ' OR ') FROM unnest(months) AS r), of_calendar),
			jsonb_build_array('bucket_weeks', format(slot_of, replace(clocks, '{time}', 'week')),
				(SELECT string_agg(format('v.week >= %L AND v.week < %L', lower(r), upper(r)), ' OR ') FROM unnest(weeks) AS r), of_calendar),
			jsonb_build_array(CASE bucket_pieces.level WHEN 'sets' THEN 'bucket_days' ELSE 'bucket_' || bucket_pieces.level END,
				CASE WHEN c.time_zone = zone AND width = '1d' THEN 'v.day' ELSE format(slot_of, replace(clocks, '{time}', 'day')) END,
				(SELECT string_agg(format('v.day >= %L AND v.day < %L', lower(r), upper(r)), ' OR ') FROM unnest(days) AS r), of_calendar),
			jsonb_build_array('bucket_quarters', of_time,
				(SELECT string_agg(format('v.at >= %L AND v.at < %L', lower(r), upper(r)), ' OR ') FROM unnest(quarters) AS r), of_calendar));
		IF width <> 'all' AND NOT isempty(quarters) THEN
			PERFORM aiusage.refuse_divided_quarters(bounds, zone);
		END IF;
	END LOOP;

	-- What is the same for several calendars is read once.
	RETURN QUERY
		SELECT f ->> 0, f ->> 1, format('(%s)', f ->> 2) || CASE WHEN count(*) < n THEN format(' AND (%s)', string_agg(f ->> 3, ' OR ')) ELSE '' END
		FROM jsonb_array_elements(found) AS f
		WHERE f ->> 2 IS NOT NULL
		GROUP BY f ->> 0, f ->> 1, f ->> 2
		ORDER BY 1, 2, 3;
END
$$;
COMMENT ON FUNCTION aiusage.bucket_pieces(timestamptz, timestamptz, text, text, text) IS 'Internal. What buckets from one bound to another (width all: one bucket) are read from, at a level (sets, owners, people, named, ledger): views of books/views/55_bucket_views.sql, the SQL that says the bucket of a row v, and that of the rows. No row is in two of them. Errors: UA422 where a bucket begins within a quarter hour';

CREATE FUNCTION aiusage.bucket_from(starts timestamptz, ends timestamptz, bucket_width text, time_zone text, level text, columns text) RETURNS text
	LANGUAGE sql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(string_agg(format('SELECT %s AS slot, %s FROM aiusage.%I AS v WHERE %s', p.slot, bucket_from.columns, p.source, p.condition), ' UNION ALL '),
		format('SELECT NULL::date AS slot, %s FROM aiusage.bucket_quarters AS v WHERE false', bucket_from.columns))
	FROM aiusage.bucket_pieces(bucket_from.starts, bucket_from.ends, bucket_from.bucket_width, bucket_from.time_zone, bucket_from.level) AS p
$$;
COMMENT ON FUNCTION aiusage.bucket_from(timestamptz, timestamptz, text, text, text, text) IS 'Internal. aiusage.bucket_pieces() as one query of slot, the bucket, and of some columns, SQL about a row v';
