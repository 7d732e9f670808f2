/*
 * Usage in buckets of time, grouped and filtered as the caller likes: the
 * query that providers' usage and costs endpoints answer, over the ledger.
 *
 *   usage_buckets()   rows
 *   usage_growth()    a span beside the one before
 *   usage_page(), costs_page()   (53_usage_pages.sql) the JSON of OpenAI's
 *                     organization usage and costs endpoints, page by page
 *
 * They run as their caller and read views that are filtered by its grants
 * (books/views/53_bucket_views.sql).  Their query is put together from the
 * texts of bucket_dimension() alone: a name that is not one of its names is
 * refused, and what the caller filters by is passed as a parameter.
 */

/*
 * What usage can be grouped and filtered by, and how it is said of a row.
 * source: rollup (any), ledger (only the ledger knows it), line (a part of a
 * row's cost), filter (always grouped by).
 */
CREATE FUNCTION aiusage.bucket_dimension(OUT name text, OUT aliases text[], OUT source text, OUT expression text)
	RETURNS SETOF record
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	VALUES
		('team', '{}'::text[], 'rollup', 'coalesce(v.team, ''(unmatched)'')'),
		('cost_center', '{}', 'rollup', 'coalesce(v.cost_center, ''(unmatched)'')'),
		('project', '{project_id,project_ids}', 'rollup', 'coalesce(v.project, ''(none)'')'),
		('environment', '{}', 'rollup', 'coalesce(v.environment, ''(none)'')'),
		('api_key', '{api_key_id,api_key_ids}', 'rollup', 'v.api_key'),
		('provider', '{}', 'rollup', 'v.provider'),
		('model', '{models}', 'rollup', 'v.model'),
		('endpoint', '{}', 'rollup', 'coalesce(v.endpoint, ''(none)'')'),
		('service_tier', '{}', 'rollup', 'coalesce(v.service_tier, ''(none)'')'),
		('region', '{}', 'rollup', 'coalesce(v.region, ''(none)'')'),
		('customer', '{}', 'rollup', 'coalesce(v.customer, ''(none)'')'),
		('workflow', '{}', 'rollup', 'coalesce(v.workflow, ''(none)'')'),
		('status', '{}', 'rollup', 'v.status'),
		('batch', '{}', 'rollup', 'CASE WHEN v.service_tier = ''batch'' THEN ''true'' ELSE ''false'' END'),
		('user_id', '{user_ids}', 'ledger', 'coalesce(v.user_id, ''(none)'')'),
		('unit', '{}', 'line', 'l.unit'),
		('line_item', '{}', 'line', 'u.line_model || '', '' || l.unit'),
		('currency', '{}', 'filter', 'v.currency')
$$;
COMMENT ON FUNCTION aiusage.bucket_dimension() IS 'Internal. What aiusage.usage_buckets(), usage_growth(), usage_page() and costs_page() group and filter by: its names, where it is known (rollup; ledger: only there; line: of the parts of a cost; filter: a filter only) and the SQL that says it of a row';

CREATE FUNCTION aiusage.bucket_query(group_by text[], filters jsonb, OUT dims text[], OUT wanted jsonb)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	given text;
	known text;
	value jsonb;
	item jsonb;
	texts jsonb;
BEGIN
	dims := '{}';
	FOREACH given IN ARRAY coalesce(bucket_query.group_by, '{}') LOOP
		known := (SELECT d.name FROM aiusage.bucket_dimension() AS d
			WHERE d.source <> 'filter' AND (d.name = given OR given = ANY (d.aliases)));
		IF known IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('usage cannot be grouped by %s', coalesce(quote_ident(left(given, 64)), 'NULL')),
				DETAIL = format('It can be grouped by %s.', (SELECT string_agg(d.name, ', ') FROM aiusage.bucket_dimension() AS d WHERE d.source <> 'filter')),
				HINT = 'Every row and every amount has its currency: that need not be named.';
		END IF;
		IF known <> ALL (dims) THEN
			dims := dims || known;
		END IF;
	END LOOP;

	wanted := '{}';
	IF jsonb_typeof(bucket_query.filters) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('filters are a JSON object, not %s', jsonb_typeof(bucket_query.filters)),
			HINT = 'For example {"model": ["gpt-4o", "gpt-4o-mini"], "team": "search"}.';
	END IF;
	FOR given, value IN SELECT f.key, f.value FROM jsonb_each(coalesce(bucket_query.filters, '{}')) AS f ORDER BY f.key LOOP
		known := (SELECT d.name FROM aiusage.bucket_dimension() AS d WHERE d.name = given OR given = ANY (d.aliases));
		IF known IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('usage cannot be filtered by %s', quote_ident(left(given, 64))),
				DETAIL = format('It can be filtered by %s.', (SELECT string_agg(d.name, ', ') FROM aiusage.bucket_dimension() AS d)),
				HINT = 'A filter is of a column: {"model": ["gpt-4o"], "team": ["payments"]}.';
		END IF;
		IF wanted ? known THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('there are two filters of %s', known),
				HINT = 'Give the values in one array.';
		END IF;
		texts := '[]';
		IF jsonb_typeof(value) <> 'array' THEN
			value := jsonb_build_array(value);
		END IF;
		IF jsonb_array_length(value) NOT BETWEEN 1 AND 1000 THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('a filter has 1 to 1000 values, that of %s has %s', known, jsonb_array_length(value)),
				HINT = 'Leave a filter out to have everything.';
		END IF;
		FOR item IN SELECT e FROM jsonb_array_elements(value) AS e LOOP
			IF jsonb_typeof(item) IN ('array', 'object')
				OR known = 'batch' AND item NOT IN ('true', 'false', '"true"', '"false"')
			THEN
				RAISE EXCEPTION USING ERRCODE = 'UA422',
					MESSAGE = format('the filter of %s has a value that it cannot have', known),
					DETAIL = format('It is %s.', left(item::text, 64)),
					HINT = CASE known WHEN 'batch' THEN 'It is true or false.' ELSE 'Values are texts; null is what has none.' END;
			END IF;
			-- null: as it is shown where there is none
			texts := texts || to_jsonb(coalesce(item #>> '{}', CASE WHEN known IN ('team', 'cost_center') THEN '(unmatched)' ELSE '(none)' END));
		END LOOP;
		wanted := wanted || jsonb_build_object(known, texts);
	END LOOP;
END
$$;
COMMENT ON FUNCTION aiusage.bucket_query(text[], jsonb) IS 'Internal. Checks what usage is to be grouped and filtered by: the names, as aiusage.bucket_dimension() has them, and each filter as an array of texts. Errors: UA422 for a name or value that there is not, with those that there are';

-- Buckets of time --------------------------------------------------------

CREATE FUNCTION aiusage.bucket_at(at timestamptz, bucket_width text, time_zone text, later int DEFAULT 0) RETURNS timestamptz
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN CASE bucket_width
		WHEN '1d' THEN ((at AT TIME ZONE time_zone)::date + later)::timestamp AT TIME ZONE time_zone
		WHEN '1h' THEN date_bin('1 hour', at, '2000-01-01 00:00:00+00') + make_interval(hours => later)
		WHEN '1m' THEN date_bin('1 minute', at, '2000-01-01 00:00:00+00') + make_interval(mins => later)
	END;
COMMENT ON FUNCTION aiusage.bucket_at(timestamptz, text, text, int) IS 'Internal. Start of the bucket that a time is in, or of one so many later: days (1d) of the zone, hours (1h) and minutes (1m) of UTC; NULL for another width';

CREATE FUNCTION aiusage.bucket_check(start_time timestamptz, end_time timestamptz, bucket_width text, time_zone text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF bucket_check.bucket_width IS NULL OR bucket_check.bucket_width NOT IN ('1m', '1h', '1d') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('there are no buckets of %s', coalesce(quote_literal(left(bucket_check.bucket_width, 64)), 'NULL')),
			HINT = 'A bucket is 1m, 1h or 1d wide.';
	END IF;
	IF bucket_check.time_zone IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'days need a time zone',
			HINT = 'Leave time_zone out for days of UTC.';
	END IF;
	IF bucket_check.start_time IS NULL
		OR NOT bucket_check.start_time BETWEEN timestamptz '1900-01-01 00:00:00+00' AND timestamptz '9998-12-31 00:00:00+00'
		OR NOT bucket_check.end_time BETWEEN timestamptz '1900-01-01 00:00:00+00' AND timestamptz '9999-12-31 00:00:00+00'
		OR bucket_check.end_time <= bucket_check.start_time
	THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a span of time begins before it ends',
			DETAIL = format('It is from %s to before %s.', coalesce(bucket_check.start_time::text, 'NULL'), bucket_check.end_time),
			HINT = 'Give start_time; end_time is now unless given.';
	END IF;
	PERFORM bucket_check.start_time AT TIME ZONE bucket_check.time_zone;
END
$$;
COMMENT ON FUNCTION aiusage.bucket_check(timestamptz, timestamptz, text, text) IS 'Internal. Refuses a span, a width of buckets or a zone that there is not. Errors: UA422, 22023';

/*
 * The sums.  starts and ends are those of buckets; width all: one bucket.
 *
 * Days are read from the business days (by owner alone, where no more is asked)
 * where those are days of the zone, else from quarter hours; minutes, and what only the ledger knows, from the
 * ledger, 31 days of it at most.
 */
CREATE FUNCTION aiusage.bucket_sums(starts timestamptz, ends timestamptz, bucket_width text, dims text[], wanted jsonb, time_zone text,
	with_usage boolean DEFAULT true)
	RETURNS TABLE (bucket_start timestamptz, bucket_end timestamptz, names text[], currency text, requests bigint, errors bigint,
		accepted bigint, unpriced bigint, input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, output_tokens bigint,
		reasoning_tokens bigint, input_audio_tokens bigint, output_audio_tokens bigint, quantity numeric, cost numeric, charge numeric)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	d record;
	base record;
	source text;
	slot text;					-- the bucket of a row
	slot_start text;
	slot_end text;
	conditions text;
	line_conditions text := '';
	grouped text := '';			-- what is grouped by, of the row
	shown text[] := '{}';		-- what is grouped by, as its values are shown
	lines boolean := false;
	ledger boolean := bucket_sums.bucket_width = '1m';
	per_model boolean := false;
	owners boolean := true;		-- teams and cost centers say it all
	places int := 0;
	columns int;
BEGIN
	FOR d IN
		SELECT b.name, b.source, b.expression, g.place, bucket_sums.wanted ? b.name AS filtered
		FROM aiusage.bucket_dimension() AS b
		LEFT JOIN unnest(bucket_sums.dims) WITH ORDINALITY AS g (name, place) ON g.name = b.name
		WHERE g.name IS NOT NULL OR bucket_sums.wanted ? b.name
		ORDER BY g.place
	LOOP
		ledger := ledger OR d.source = 'ledger';
		lines := lines OR d.source = 'line';
		per_model := per_model OR d.name = 'line_item';
		owners := owners AND d.name IN ('team', 'cost_center', 'unit', 'currency');
		IF d.filtered THEN
			IF d.source = 'line' THEN
				line_conditions := line_conditions || format(' AND %s = ANY (ARRAY(SELECT jsonb_array_elements_text($3 -> %L)))', d.expression, d.name);
			ELSE
				conditions := concat(conditions, format(' AND %s = ANY (ARRAY(SELECT jsonb_array_elements_text($3 -> %L)))', d.expression, d.name));
			END IF;
		END IF;
		IF d.place IS NOT NULL THEN
			IF d.source = 'line' THEN
				shown := shown || d.expression;
			ELSE
				grouped := grouped || format(', %s AS d%s', d.expression, d.place);
				places := places + 1;
				shown := shown || format('u.d%s', d.place);
			END IF;
		END IF;
	END LOOP;

	IF EXISTS (SELECT FROM unnest(bucket_sums.dims || ARRAY(SELECT jsonb_object_keys(bucket_sums.wanted))) AS n (name)
			WHERE n.name IS NULL OR n.name NOT IN (SELECT b.name FROM aiusage.bucket_dimension() AS b)) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'usage is summed by names that bucket_query() has checked',
			HINT = 'Call usage_buckets().';
	END IF;

	SELECT b.time_zone, b.retained_from INTO STRICT base FROM aiusage.bucket_base AS b;
	IF ledger THEN
		IF bucket_sums.ends - bucket_sums.starts > interval '31 days 1 hour' THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = 'usage by minute or user can be asked of 31 days at once',
				DETAIL = format('The rollups do not know it, so it is read from the ledger; asked were %s days.',
					ceil(extract(epoch FROM bucket_sums.ends - bucket_sums.starts) / 86400)),
				HINT = 'Ask for a shorter span, or for fewer buckets a page.';
		ELSIF bucket_sums.starts < base.retained_from THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('usage by minute or user is not known before %s', base.retained_from),
				DETAIL = 'The rows of before are not retained.',
				HINT = 'Buckets of hours and days come from rollups, which are kept: leave user_id out.';
		END IF;
		source := 'bucket_rows';
	ELSIF base.time_zone = bucket_sums.time_zone AND (bucket_sums.bucket_width = '1d' OR bucket_sums.bucket_width = 'all'
		AND aiusage.bucket_at(bucket_sums.starts, '1d', bucket_sums.time_zone) = bucket_sums.starts
		AND aiusage.bucket_at(bucket_sums.ends, '1d', bucket_sums.time_zone) = bucket_sums.ends)
	THEN
		source := CASE WHEN owners THEN 'bucket_owners' ELSE 'bucket_days' END;
	ELSE
		source := 'bucket_quarters';
	END IF;

	IF bucket_sums.bucket_width = 'all' THEN
		slot := 'true';
		slot_start := '$1';
		slot_end := '$2';
	ELSIF bucket_sums.bucket_width = '1d' THEN
		slot := CASE WHEN source IN ('bucket_days', 'bucket_owners') THEN 'v.day' ELSE '(v.at AT TIME ZONE $4)::date' END;
		slot_start := 'u.slot::timestamp AT TIME ZONE $4';
		slot_end := '(u.slot + 1)::timestamp AT TIME ZONE $4';
	ELSE
		slot := format('date_bin(%L, v.at, timestamptz %L)', CASE bucket_sums.bucket_width WHEN '1h' THEN '1 hour' ELSE '1 minute' END,
			'2000-01-01 00:00:00+00');
		slot_start := 'u.slot';
		slot_end := format('u.slot + interval %L', CASE bucket_sums.bucket_width WHEN '1h' THEN '1 hour' ELSE '1 minute' END);
	END IF;
	conditions := CASE WHEN source IN ('bucket_days', 'bucket_owners') THEN 'v.day >= ($1 AT TIME ZONE $4)::date AND v.day < ($2 AT TIME ZONE $4)::date'
			ELSE 'v.at >= $1 AND v.at < $2' END
		|| coalesce(conditions, '');

	columns := 2 + places + per_model::int;
	IF lines THEN
		-- one line a unit; what was billed and what it cost, as in aiusage.line_items
		RETURN QUERY EXECUTE format($query$
			SELECT %1$s, %2$s, ARRAY[%3$s]::text[], u.currency, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint,
				NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, sum(l.quantity), sum(l.cost), NULL::numeric
			FROM (
				SELECT %4$s AS slot, v.currency%5$s, aiusage.sum(v.billed) AS billed, aiusage.sum(v.billed_reversed) AS billed_reversed,
					aiusage.sum(v.cost_by_unit) AS cost_by_unit
				FROM aiusage.%6$I AS v
				WHERE %7$s
				GROUP BY %8$s
			) AS u
			CROSS JOIN LATERAL (
				SELECT n.unit, n.quantity, 0::numeric AS cost FROM aiusage.unnest_usage(u.billed) AS n
				UNION ALL
				SELECT n.unit, - n.quantity, 0 FROM aiusage.unnest_usage(u.billed_reversed) AS n
				UNION ALL
				SELECT n.unit, 0, n.cost FROM aiusage.unnest_costs(u.cost_by_unit) AS n
			) AS l
			WHERE true%9$s
			GROUP BY 1, 2, 3, 4
			ORDER BY 1, 3, 4
			$query$, slot_start, slot_end, array_to_string(shown, ', '), slot,
			grouped || CASE WHEN per_model THEN ', v.model AS line_model' ELSE '' END, source, conditions,
			(SELECT string_agg(n::text, ', ') FROM generate_series(1, columns) AS n), line_conditions)
			USING bucket_sums.starts, bucket_sums.ends, bucket_sums.wanted, bucket_sums.time_zone;
		RETURN;
	END IF;

	RETURN QUERY EXECUTE format($query$
		SELECT %1$s, %2$s, ARRAY[%3$s]::text[], u.currency, u.requests, u.errors, u.accepted, u.unpriced,
			CASE WHEN $5 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'input_tokens') END,
			CASE WHEN $5 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'cache_read_tokens') END,
			CASE WHEN $5 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'cache_write_tokens') END,
			CASE WHEN $5 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'output_tokens') END,
			CASE WHEN $5 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'output_reasoning_tokens') END,
			CASE WHEN $5 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'input_audio_tokens') END,
			CASE WHEN $5 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'output_audio_tokens') END,
			NULL::numeric, u.cost, u.charge
		FROM (
			SELECT %4$s AS slot, v.currency%5$s,
				sum(v.requests)::bigint AS requests, sum(v.errors)::bigint AS errors, sum(v.accepted)::bigint AS accepted, sum(v.unpriced)::bigint AS unpriced,
				aiusage.sum(v.usage) AS usage, aiusage.sum(v.usage_reversed) AS usage_reversed, sum(v.cost) AS cost,
				CASE WHEN bool_and(v.charge_currency = v.currency) IS NOT FALSE THEN sum(v.charge) END AS charge
			FROM aiusage.%6$I AS v
			WHERE %7$s
			GROUP BY %8$s
		) AS u
		ORDER BY 1, 3, 4
		$query$, slot_start, slot_end, array_to_string(shown, ', '), slot, grouped, source, conditions,
		(SELECT string_agg(n::text, ', ') FROM generate_series(1, columns) AS n))
		USING bucket_sums.starts, bucket_sums.ends, bucket_sums.wanted, bucket_sums.time_zone, bucket_sums.with_usage;
END
$$;
COMMENT ON FUNCTION aiusage.bucket_sums(timestamptz, timestamptz, text, text[], jsonb, text, boolean) IS 'Internal. Sums of what aiusage.bucket_query() checked, over whole buckets from starts to before ends (width all: over one); names: what dims says, in its order; quantity and cost alone where a unit or line item is grouped or filtered by; tokens only with_usage. The caller sees what the views show. Errors: UA422 beyond 31 days of the ledger, UA409 before what it retains';

CREATE FUNCTION aiusage.usage_buckets(start_time timestamptz, end_time timestamptz DEFAULT NULL, bucket_width text DEFAULT '1d',
	group_by text[] DEFAULT '{}', filters jsonb DEFAULT '{}', time_zone text DEFAULT 'UTC')
	RETURNS TABLE (bucket_start timestamptz, bucket_end timestamptz, team text, cost_center text, project text, environment text, api_key text,
		provider text, model text, endpoint text, service_tier text, region text, customer text, workflow text, status text, batch text,
		user_id text, unit text, line_item text, currency text, requests bigint, errors bigint, accepted bigint, unpriced bigint,
		input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, output_tokens bigint, reasoning_tokens bigint,
		input_audio_tokens bigint, output_audio_tokens bigint, quantity numeric, cost numeric, charge numeric, as_of timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	q record;
	until timestamptz := coalesce(usage_buckets.end_time, now());
	starts timestamptz;
	ends timestamptz;
	most constant int := CASE usage_buckets.bucket_width WHEN '1d' THEN 3660 WHEN '1h' THEN 2208 ELSE 1440 END;
BEGIN
	PERFORM aiusage.bucket_check(usage_buckets.start_time, until, usage_buckets.bucket_width, usage_buckets.time_zone);
	SELECT * INTO STRICT q FROM aiusage.bucket_query(usage_buckets.group_by, usage_buckets.filters);
	starts := aiusage.bucket_at(usage_buckets.start_time, usage_buckets.bucket_width, usage_buckets.time_zone);
	-- the last bucket that begins before the end, whole
	ends := aiusage.bucket_at(until - interval '1 microsecond', usage_buckets.bucket_width, usage_buckets.time_zone, 1);
	IF ends > aiusage.bucket_at(starts, usage_buckets.bucket_width, usage_buckets.time_zone, most) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('that is more than %s buckets of %s', most, usage_buckets.bucket_width),
			HINT = 'Ask for wider buckets or a shorter span.';
	END IF;
	RETURN QUERY
		SELECT s.bucket_start, s.bucket_end,
			s.names[array_position(q.dims, 'team')], s.names[array_position(q.dims, 'cost_center')],
			s.names[array_position(q.dims, 'project')], s.names[array_position(q.dims, 'environment')],
			s.names[array_position(q.dims, 'api_key')], s.names[array_position(q.dims, 'provider')],
			s.names[array_position(q.dims, 'model')], s.names[array_position(q.dims, 'endpoint')],
			s.names[array_position(q.dims, 'service_tier')], s.names[array_position(q.dims, 'region')],
			s.names[array_position(q.dims, 'customer')], s.names[array_position(q.dims, 'workflow')],
			s.names[array_position(q.dims, 'status')], s.names[array_position(q.dims, 'batch')],
			s.names[array_position(q.dims, 'user_id')], s.names[array_position(q.dims, 'unit')],
			s.names[array_position(q.dims, 'line_item')], s.currency,
			s.requests, s.errors, s.accepted, s.unpriced, s.input_tokens, s.cache_read_tokens, s.cache_write_tokens, s.output_tokens,
			s.reasoning_tokens, s.input_audio_tokens, s.output_audio_tokens, s.quantity, s.cost, s.charge,
			CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END
		FROM aiusage.bucket_sums(starts, ends, usage_buckets.bucket_width, q.dims, q.wanted, usage_buckets.time_zone) AS s;
END
$$;
COMMENT ON FUNCTION aiusage.usage_buckets(timestamptz, timestamptz, text, text[], jsonb, text) IS 'Usage and cost in buckets of 1d (days of time_zone), 1h or 1m (of UTC), live: the buckets that begin before end_time (NULL: now), from that of start_time on, each whole, at most 3660 days, 2208 hours or 1440 minutes. Grain: one row a (bucket, what is grouped by, currency) in which something happened; a column that is not grouped by is NULL, a row without it has (none), or (unmatched) for team and cost_center. batch: whether the service tier is batch. Grouped or filtered by unit or line_item (model, unit), a row has the quantity billed and its cost alone. charge: NULL: some of it is in another currency. Minutes and user_id come from the ledger, 31 days of it at most. The caller sees what the views show. Errors: UA422 (what there is not, too much at once), UA409 (not retained), 22023 (time zone)';

-- Growth -------------------------------------------------------------------

CREATE FUNCTION aiusage.span_before(start_time timestamptz, end_time timestamptz, time_zone text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	starts constant timestamp := span_before.start_time AT TIME ZONE span_before.time_zone;
	ends constant timestamp := span_before.end_time AT TIME ZONE span_before.time_zone;
	months constant int := (extract(year FROM ends) - extract(year FROM starts)) * 12 + extract(month FROM ends) - extract(month FROM starts);
BEGIN
	IF months > 0 AND starts + make_interval(months => months) = ends THEN
		RETURN (starts - make_interval(months => months)) AT TIME ZONE span_before.time_zone;
	ELSIF starts::time = ends::time THEN
		RETURN (starts - (ends - starts)) AT TIME ZONE span_before.time_zone;
	END IF;
	RETURN span_before.start_time - (span_before.end_time - span_before.start_time);
END
$$;
COMMENT ON FUNCTION aiusage.span_before(timestamptz, timestamptz, text) IS 'Start of the span before a span: as many months before it where it is whole months of the zone (from a day of one to the same day of another), as many days where it is whole days, as long otherwise';

CREATE FUNCTION aiusage.usage_growth(start_time timestamptz, end_time timestamptz DEFAULT NULL, group_by text[] DEFAULT '{}',
	filters jsonb DEFAULT '{}', time_zone text DEFAULT 'UTC')
	RETURNS TABLE (previous_from timestamptz, starts_at timestamptz, ends_at timestamptz, team text, cost_center text, project text,
		environment text, api_key text, provider text, model text, endpoint text, service_tier text, region text, customer text, workflow text,
		status text, batch text, user_id text, unit text, line_item text, currency text,
		requests bigint, previous_requests bigint, requests_change bigint, requests_percent numeric,
		input_tokens bigint, previous_input_tokens bigint, input_tokens_change bigint, input_tokens_percent numeric,
		output_tokens bigint, previous_output_tokens bigint, output_tokens_change bigint, output_tokens_percent numeric,
		quantity numeric, previous_quantity numeric, quantity_change numeric, quantity_percent numeric,
		cost numeric, previous_cost numeric, cost_change numeric, cost_percent numeric, as_of timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	q record;
	quarter constant interval := '15 minutes';
	epoch constant timestamptz := '2000-01-01 00:00:00+00';
	starts constant timestamptz := usage_growth.start_time;
	ends constant timestamptz := coalesce(usage_growth.end_time, date_bin(quarter, now(), epoch));
	before timestamptz;
BEGIN
	PERFORM aiusage.bucket_check(starts, ends, '1d', usage_growth.time_zone);
	IF date_bin(quarter, starts, epoch) <> starts OR date_bin(quarter, ends, epoch) <> ends THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a span that is compared begins and ends on a quarter hour',
			DETAIL = format('It is from %s to before %s.', starts, ends),
			HINT = format('For example from %s to before %s.', date_bin(quarter, starts, epoch), date_bin(quarter, ends, epoch) + quarter);
	ELSIF ends - starts > interval '3660 days' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a span that is compared has at most 3660 days',
			HINT = 'Ask for a shorter span.';
	END IF;
	SELECT * INTO STRICT q FROM aiusage.bucket_query(usage_growth.group_by, usage_growth.filters);
	before := aiusage.span_before(starts, ends, usage_growth.time_zone);
	RETURN QUERY
		SELECT before, starts, ends,
			g.names[array_position(q.dims, 'team')], g.names[array_position(q.dims, 'cost_center')],
			g.names[array_position(q.dims, 'project')], g.names[array_position(q.dims, 'environment')],
			g.names[array_position(q.dims, 'api_key')], g.names[array_position(q.dims, 'provider')],
			g.names[array_position(q.dims, 'model')], g.names[array_position(q.dims, 'endpoint')],
			g.names[array_position(q.dims, 'service_tier')], g.names[array_position(q.dims, 'region')],
			g.names[array_position(q.dims, 'customer')], g.names[array_position(q.dims, 'workflow')],
			g.names[array_position(q.dims, 'status')], g.names[array_position(q.dims, 'batch')],
			g.names[array_position(q.dims, 'user_id')], g.names[array_position(q.dims, 'unit')],
			g.names[array_position(q.dims, 'line_item')], g.currency,
			g.requests, g.previous_requests, g.requests - g.previous_requests,
			CASE WHEN g.previous_requests > 0 THEN round(100.0 * (g.requests - g.previous_requests) / g.previous_requests, 2) END,
			g.input_tokens, g.previous_input_tokens, g.input_tokens - g.previous_input_tokens,
			CASE WHEN g.previous_input_tokens > 0 THEN round(100.0 * (g.input_tokens - g.previous_input_tokens) / g.previous_input_tokens, 2) END,
			g.output_tokens, g.previous_output_tokens, g.output_tokens - g.previous_output_tokens,
			CASE WHEN g.previous_output_tokens > 0 THEN round(100.0 * (g.output_tokens - g.previous_output_tokens) / g.previous_output_tokens, 2) END,
			g.quantity, g.previous_quantity, g.quantity - g.previous_quantity,
			CASE WHEN g.previous_quantity > 0 THEN round(100 * (g.quantity - g.previous_quantity) / g.previous_quantity, 2) END,
			g.cost, g.previous_cost, g.cost - g.previous_cost,
			CASE WHEN g.previous_cost > 0 THEN round(100 * (g.cost - g.previous_cost) / g.previous_cost, 2) END,
			CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END
		FROM (
			-- a span in which there was nothing has 0; what has no such figure, NULL
			SELECT s.names, s.currency,
				sum(CASE WHEN s.now THEN s.requests ELSE s.requests - s.requests END)::bigint AS requests,
				sum(CASE WHEN s.now THEN s.requests - s.requests ELSE s.requests END)::bigint AS previous_requests,
				sum(CASE WHEN s.now THEN s.input_tokens ELSE s.input_tokens - s.input_tokens END)::bigint AS input_tokens,
				sum(CASE WHEN s.now THEN s.input_tokens - s.input_tokens ELSE s.input_tokens END)::bigint AS previous_input_tokens,
				sum(CASE WHEN s.now THEN s.output_tokens ELSE s.output_tokens - s.output_tokens END)::bigint AS output_tokens,
				sum(CASE WHEN s.now THEN s.output_tokens - s.output_tokens ELSE s.output_tokens END)::bigint AS previous_output_tokens,
				sum(CASE WHEN s.now THEN s.quantity ELSE s.quantity - s.quantity END) AS quantity,
				sum(CASE WHEN s.now THEN s.quantity - s.quantity ELSE s.quantity END) AS previous_quantity,
				sum(CASE WHEN s.now THEN s.cost ELSE 0 END) AS cost,
				sum(CASE WHEN s.now THEN 0 ELSE s.cost END) AS previous_cost
			FROM (
				SELECT true AS now, t.* FROM aiusage.bucket_sums(starts, ends, 'all', q.dims, q.wanted, usage_growth.time_zone) AS t
				UNION ALL
				SELECT false, t.* FROM aiusage.bucket_sums(before, starts, 'all', q.dims, q.wanted, usage_growth.time_zone) AS t
			) AS s
			GROUP BY s.names, s.currency
		) AS g
		ORDER BY g.names, g.currency;
END
$$;
COMMENT ON FUNCTION aiusage.usage_growth(timestamptz, timestamptz, text[], jsonb, text) IS 'Usage and cost of a span beside the span before it (aiusage.span_before(): months before whole months, days before whole days of time_zone), grouped and filtered as by aiusage.usage_buckets(). The span begins and ends on quarter hours; end_time NULL: the last one. Grain: one row a (what is grouped by, currency) with usage in one of the two. A percentage has two decimals, NULL where the span before has 0 or less; by unit or line_item there are quantity and cost alone. The caller sees what the views show. Errors: UA422, UA409, 22023 as there';
