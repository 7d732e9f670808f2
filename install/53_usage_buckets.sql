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
 * (53_bucket_pieces.sql says which).  Their query is put together from the
 * texts of bucket_dimension() alone: a name that is not one of its names is
 * refused, and what the caller filters by is passed as a parameter.
 */

/*
 * What usage can be grouped and filtered by, and how it is said of a row.
 * source: the finest level that is needed to know it: owner (teams and cost
 * centers), person (sums by user know it, too), rollup (any dimension set), user
 * (sums by user and the ledger only), line (a part of a row's cost), filter
 * (always grouped by).
 */
CREATE FUNCTION aiusage.bucket_dimension(OUT name text, OUT aliases text[], OUT source text, OUT expression text)
	RETURNS SETOF record
	LANGUAGE sql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
	VALUES
		('team', '{}'::text[], 'owner', 'coalesce(v.team, ''(unmatched)'')'),
		('cost_center', '{}', 'owner', 'coalesce(v.cost_center, ''(unmatched)'')'),
		('project', '{project_id,project_ids}', 'person', 'coalesce(v.project, ''(none)'')'),
		('environment', '{}', 'person', 'coalesce(v.environment, ''(none)'')'),
		('api_key', '{api_key_id,api_key_ids}', 'rollup', 'v.api_key'),
		('provider', '{}', 'rollup', 'v.provider'),
		('model', '{models}', 'rollup', 'v.model'),
		('endpoint', '{}', 'rollup', 'coalesce(v.endpoint, ''(none)'')'),
		('service_tier', '{}', 'rollup', 'coalesce(v.service_tier, ''(none)'')'),
		('region', '{}', 'rollup', 'coalesce(v.region, ''(none)'')'),
		('customer', '{}', 'person', 'coalesce(v.customer, ''(none)'')'),
		('workflow', '{}', 'rollup', 'coalesce(v.workflow, ''(none)'')'),
		('status', '{}', 'rollup', 'v.status'),
		('batch', '{}', 'rollup', 'CASE WHEN v.service_tier = ''batch'' THEN ''true'' ELSE ''false'' END'),
		('user_id', '{user_ids}', 'user', 'coalesce(v.user_id, ''(none)'')'),
		('unit', '{}', 'line', 'l.unit'),
		('line_item', '{}', 'line', 'u.line_model || '', '' || l.unit'),
		('currency', '{}', 'filter', 'v.currency')
	UNION ALL
	SELECT 'tag:' || t.tag, '{}', 'rollup', format('coalesce(v.tags::jsonb ->> %L, ''(none)'')', t.tag)
	FROM aiusage.bucket_base AS b, unnest(b.tags) AS t (tag)
$$;
COMMENT ON FUNCTION aiusage.bucket_dimension() IS 'Internal. What aiusage.usage_buckets(), usage_growth(), usage_page() and costs_page() group and filter by: its names, tag:NAME of each tag that is or was declared among them, where it is known (owner, person, rollup; user: sums by user and the ledger; line: of the parts of a cost; filter: a filter only) and the SQL that says it of a row';

CREATE FUNCTION aiusage.bucket_query(group_by text[], filters jsonb, OUT dims text[], OUT wanted jsonb)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
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

CREATE FUNCTION aiusage.bucket_check(start_time timestamptz, end_time timestamptz, bucket_width text, time_zone text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF bucket_check.bucket_width IS NULL OR bucket_check.bucket_width NOT IN ('1m', '1h', '1d', '1mo') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('there are no buckets of %s', coalesce(quote_literal(left(bucket_check.bucket_width, 64)), 'NULL')),
			HINT = 'A bucket is 1m, 1h, 1d or 1mo wide.';
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
 * What is asked by team and cost center alone is read from their sums, by user
 * from the sums by user where there are such, else from the ledger, as are minutes:
 * 31 days of it at most.  All else is read from dimension sets.
 */
CREATE FUNCTION aiusage.bucket_sums(starts timestamptz, ends timestamptz, bucket_width text, dims text[], wanted jsonb, time_zone text,
	with_usage boolean DEFAULT true)
	RETURNS TABLE (bucket_start timestamptz, bucket_end timestamptz, names text[], currency text, requests bigint, errors bigint,
		accepted bigint, unpriced bigint, input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, output_tokens bigint,
		reasoning_tokens bigint, input_audio_tokens bigint, output_audio_tokens bigint, quantity numeric, cost numeric, charge numeric)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	-- compiling its plan costs more than running it
	SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	d record;
	base record;
	level text;
	query text;
	ends_of constant text := CASE bucket_sums.bucket_width WHEN '1mo' THEN '(u.slot + interval ''1 month'')::timestamp AT TIME ZONE $2'
		WHEN '1d' THEN '(u.slot + 1)::timestamp AT TIME ZONE $2' WHEN '1h' THEN 'u.slot + interval ''1 hour''' WHEN '1m' THEN 'u.slot + interval ''1 minute''' ELSE '$5' END;
	starts_of constant text := CASE WHEN bucket_sums.bucket_width IN ('1mo', '1d') THEN 'u.slot::timestamp AT TIME ZONE $2'
		WHEN bucket_sums.bucket_width IN ('1h', '1m') THEN 'u.slot' ELSE '$4' END;
	condition text := 'true';
	line_condition text := 'true';
	grouped text := '';			-- what is grouped by, of the row
	shown text[] := '{}';		-- what is grouped by, as its values are shown
	sources text[] := '{}';
	places int := 0;
	per_model boolean := false;
	columns text := 'v.currency';
BEGIN
	FOR d IN
		SELECT b.name, b.source, b.expression, g.place, bucket_sums.wanted ? b.name AS filtered
		FROM aiusage.bucket_dimension() AS b
		LEFT JOIN unnest(bucket_sums.dims) WITH ORDINALITY AS g (name, place) ON g.name = b.name
		WHERE g.name IS NOT NULL OR bucket_sums.wanted ? b.name
		ORDER BY g.place
	LOOP
		sources := sources || d.source;
		per_model := per_model OR d.name = 'line_item';
		IF d.source = 'line' THEN
			IF d.filtered THEN
				line_condition := concat_ws(' AND ', line_condition, format('%s = ANY (ARRAY(SELECT jsonb_array_elements_text($1 -> %L)))', d.expression, d.name));
			END IF;
			IF d.place IS NOT NULL THEN
				shown := shown || d.expression;
			END IF;
			CONTINUE;
		END IF;
		places := places + 1;
		columns := concat(columns, format(', %s AS d%s', d.expression, places));
		IF d.filtered THEN
			condition := concat_ws(' AND ', condition, format('s.d%s = ANY (ARRAY(SELECT jsonb_array_elements_text($1 -> %L)))', places, d.name));
		END IF;
		IF d.place IS NOT NULL THEN
			grouped := concat(grouped, format(', s.d%s', places));
			shown := shown || format('u.d%s', places);
		END IF;
	END LOOP;

	IF EXISTS (SELECT FROM unnest(bucket_sums.dims || ARRAY(SELECT jsonb_object_keys(bucket_sums.wanted))) AS n (name)
			WHERE n.name IS NULL OR n.name NOT IN (SELECT b.name FROM aiusage.bucket_dimension() AS b)) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'usage is summed by names that bucket_query() has checked',
			HINT = 'Call usage_buckets().';
	END IF;

	SELECT b.time_zone, b.retained_from, b.users INTO STRICT base FROM aiusage.bucket_base AS b;
	IF bucket_sums.bucket_width = '1m' THEN
		level := 'ledger';
	ELSIF 'user' = ANY (sources) THEN
		-- sums by user have days, of one zone, and nothing but owners and customers
		level := CASE WHEN sources && '{rollup,line}' OR bucket_sums.bucket_width = '1h' OR base.time_zone IS NULL
				OR NOT coalesce(base.users @> tstzrange(bucket_sums.starts, bucket_sums.ends), false) THEN 'ledger'
			WHEN coalesce(NOT (bucket_sums.wanted -> 'user_id') ? '(none)', false) THEN 'named' ELSE 'people' END;
		IF level <> 'ledger' AND EXISTS (SELECT FROM aiusage.bucket_pieces(bucket_sums.starts, bucket_sums.ends, bucket_sums.bucket_width, bucket_sums.time_zone, level) AS p
				WHERE p.source = 'bucket_quarters') THEN
			level := 'ledger';
		END IF;
	ELSE
		level := CASE WHEN sources && '{person,rollup}' OR per_model THEN 'sets' ELSE 'owners' END;
	END IF;
	IF level = 'ledger' THEN
		IF bucket_sums.ends - bucket_sums.starts > interval '31 days 1 hour' THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = 'usage by minute or user can be asked of 31 days at once',
				DETAIL = format('The rollups do not know it, so it is read from the ledger; asked were %s days.',
					ceil(extract(epoch FROM bucket_sums.ends - bucket_sums.starts) / 86400)),
				HINT = 'Ask for a shorter span, or for fewer buckets a page. Sums by user (enable_user_usage()) know the days of each user, team, cost center, project, environment and customer.';
		ELSIF bucket_sums.starts < base.retained_from THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('usage by minute or user is not known before %s', base.retained_from),
				DETAIL = 'The rows of before are not retained.',
				HINT = 'Buckets of hours and days come from rollups, which are kept: leave user_id out.';
		END IF;
	END IF;

	IF 'line' = ANY (sources) THEN
		columns := columns || ', v.billed, v.billed_reversed, v.cost_by_unit';
		IF per_model THEN
			columns := columns || ', v.model AS line_model';
			grouped := grouped || ', s.line_model';
		END IF;
	ELSE
		columns := columns || ', v.charge_currency, v.requests, v.errors, v.accepted, v.unpriced, v.usage, v.usage_reversed, v.cost, v.charge';
	END IF;
	query := aiusage.bucket_from(bucket_sums.starts, bucket_sums.ends, bucket_sums.bucket_width, bucket_sums.time_zone, level, columns);

	IF 'line' = ANY (sources) THEN
		-- one line a unit; what was billed and what it cost, as in aiusage.line_items
		RETURN QUERY EXECUTE format($query$
			SELECT %1$s, %2$s, ARRAY[%3$s]::text[], u.currency, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint,
				NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, sum(l.quantity), sum(l.cost), NULL::numeric
			FROM (
				SELECT s.slot, s.currency%4$s, aiusage.sum(s.billed) AS billed, aiusage.sum(s.billed_reversed) AS billed_reversed,
					aiusage.sum(s.cost_by_unit) AS cost_by_unit
				FROM (%5$s) AS s
				WHERE %6$s
				GROUP BY s.slot, s.currency%4$s
			) AS u
			CROSS JOIN LATERAL (
				SELECT n.unit, n.quantity, 0::numeric AS cost FROM aiusage.unnest_usage(u.billed) AS n
				UNION ALL
				SELECT n.unit, - n.quantity, 0 FROM aiusage.unnest_usage(u.billed_reversed) AS n
				UNION ALL
				SELECT n.unit, 0, n.cost FROM aiusage.unnest_costs(u.cost_by_unit) AS n
			) AS l
			WHERE %7$s
			GROUP BY 1, 2, 3, 4
			ORDER BY 1, 3, 4
			$query$, starts_of, ends_of, array_to_string(shown, ', '), grouped, query, condition, line_condition)
			USING bucket_sums.wanted, bucket_sums.time_zone, bucket_sums.with_usage, bucket_sums.starts, bucket_sums.ends;
		RETURN;
	END IF;

	RETURN QUERY EXECUTE format($query$
		SELECT %1$s, %2$s, ARRAY[%3$s]::text[], u.currency, u.requests, u.errors, u.accepted, u.unpriced,
			CASE WHEN $3 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'input_tokens') END,
			CASE WHEN $3 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'cache_read_tokens') END,
			CASE WHEN $3 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'cache_write_tokens') END,
			CASE WHEN $3 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'output_tokens') END,
			CASE WHEN $3 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'output_reasoning_tokens') END,
			CASE WHEN $3 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'input_audio_tokens') END,
			CASE WHEN $3 THEN aiusage.net_quantity(u.usage, u.usage_reversed, 'output_audio_tokens') END,
			NULL::numeric, u.cost, u.charge
		FROM (
			SELECT s.slot, s.currency%4$s,
				sum(s.requests)::bigint AS requests, sum(s.errors)::bigint AS errors, sum(s.accepted)::bigint AS accepted, sum(s.unpriced)::bigint AS unpriced,
				aiusage.sum(s.usage) AS usage, aiusage.sum(s.usage_reversed) AS usage_reversed, sum(s.cost) AS cost,
				CASE WHEN bool_and(s.charge_currency = s.currency) IS NOT FALSE THEN sum(s.charge) END AS charge
			FROM (%5$s) AS s
			WHERE %6$s
			GROUP BY s.slot, s.currency%4$s
		) AS u
		ORDER BY 1, 3, 4
		$query$, starts_of, ends_of, array_to_string(shown, ', '), grouped, query, condition)
		USING bucket_sums.wanted, bucket_sums.time_zone, bucket_sums.with_usage, bucket_sums.starts, bucket_sums.ends;
END
$$;
COMMENT ON FUNCTION aiusage.bucket_sums(timestamptz, timestamptz, text, text[], jsonb, text, boolean) IS 'Internal. Sums of what aiusage.bucket_query() checked, over whole buckets from starts to before ends (width all: over one); names: what dims says, in its order; quantity and cost alone where a unit or line item is grouped or filtered by; tokens only with_usage. The caller sees what the views show. Errors: UA422 beyond 31 days of the ledger and where a bucket begins within a quarter hour, UA409 before what the ledger retains';

CREATE FUNCTION aiusage.bucket_columns(dims text[], names text[])
	RETURNS TABLE (team text, cost_center text, project text, environment text, api_key text, provider text, model text, endpoint text,
		service_tier text, region text, customer text, workflow text, status text, batch text, user_id text, unit text, line_item text, tags text)
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT names[array_position(dims, 'team')], names[array_position(dims, 'cost_center')], names[array_position(dims, 'project')],
		names[array_position(dims, 'environment')], names[array_position(dims, 'api_key')], names[array_position(dims, 'provider')],
		names[array_position(dims, 'model')], names[array_position(dims, 'endpoint')], names[array_position(dims, 'service_tier')],
		names[array_position(dims, 'region')], names[array_position(dims, 'customer')], names[array_position(dims, 'workflow')],
		names[array_position(dims, 'status')], names[array_position(dims, 'batch')], names[array_position(dims, 'user_id')],
		names[array_position(dims, 'unit')], names[array_position(dims, 'line_item')],
		(SELECT jsonb_object_agg(substr(d.name, 5), names[d.place])::text FROM unnest(dims) WITH ORDINALITY AS d (name, place) WHERE d.name LIKE 'tag:%');
END;
COMMENT ON FUNCTION aiusage.bucket_columns(text[], text[]) IS 'Internal. Names of aiusage.bucket_sums() as the columns of usage_buckets() and usage_growth(): NULL where it is not grouped by; tags as a JSON object';

CREATE FUNCTION aiusage.usage_buckets(start_time timestamptz, end_time timestamptz DEFAULT NULL, bucket_width text DEFAULT '1d',
	group_by text[] DEFAULT '{}', filters jsonb DEFAULT '{}', time_zone text DEFAULT 'UTC')
	RETURNS TABLE (bucket_start timestamptz, bucket_end timestamptz, team text, cost_center text, project text, environment text, api_key text,
		provider text, model text, endpoint text, service_tier text, region text, customer text, workflow text, status text, batch text,
		user_id text, unit text, line_item text, tags text, currency text, requests bigint, errors bigint, accepted bigint, unpriced bigint,
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
	most constant int := CASE usage_buckets.bucket_width WHEN '1mo' THEN 120 WHEN '1d' THEN 3660 WHEN '1h' THEN 2208 ELSE 1440 END;
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
			n.team, n.cost_center, n.project, n.environment, n.api_key, n.provider, n.model, n.endpoint, n.service_tier, n.region, n.customer,
			n.workflow, n.status, n.batch, n.user_id, n.unit, n.line_item, n.tags, s.currency,
			s.requests, s.errors, s.accepted, s.unpriced, s.input_tokens, s.cache_read_tokens, s.cache_write_tokens, s.output_tokens,
			s.reasoning_tokens, s.input_audio_tokens, s.output_audio_tokens, s.quantity, s.cost, s.charge,
			CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END
		FROM aiusage.bucket_sums(starts, ends, usage_buckets.bucket_width, q.dims, q.wanted, usage_buckets.time_zone) AS s
		CROSS JOIN LATERAL aiusage.bucket_columns(q.dims, s.names) AS n;
END
$$;
COMMENT ON FUNCTION aiusage.usage_buckets(timestamptz, timestamptz, text, text[], jsonb, text) IS 'Usage and cost in buckets of 1mo or 1d (months and days of time_zone), 1h or 1m (of UTC), live: the buckets that begin before end_time (NULL: now), from that of start_time on, each whole, at most 120 months, 3660 days, 2208 hours or 1440 minutes. Grain: one row a (bucket, what is grouped by, currency) in which something happened; a column that is not grouped by is NULL, a row without it has (none), or (unmatched) for team and cost_center. batch: whether the service tier is batch. tags: the declared tags that are grouped by (tag:NAME), as a JSON object. Grouped or filtered by unit or line_item (model, unit), a row has the quantity billed and its cost alone. charge: NULL: some of it is in another currency. Read from the coarsest level that knows the answer; minutes, and user_id but for days and months of sums by user, from the ledger, 31 days of it at most. The caller sees what the views show. Errors: UA422 (what there is not, too much at once, a zone whose days begin within a quarter hour), UA409 (not retained), 22023 (time zone)';

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
		status text, batch text, user_id text, unit text, line_item text, tags text, currency text,
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
			n.team, n.cost_center, n.project, n.environment, n.api_key, n.provider, n.model, n.endpoint, n.service_tier, n.region, n.customer,
			n.workflow, n.status, n.batch, n.user_id, n.unit, n.line_item, n.tags, g.currency,
			g.requests, g.previous_requests, g.requests - g.previous_requests,
			aiusage.change_percent(g.requests, g.previous_requests),
			g.input_tokens, g.previous_input_tokens, g.input_tokens - g.previous_input_tokens,
			aiusage.change_percent(g.input_tokens, g.previous_input_tokens),
			g.output_tokens, g.previous_output_tokens, g.output_tokens - g.previous_output_tokens,
			aiusage.change_percent(g.output_tokens, g.previous_output_tokens),
			g.quantity, g.previous_quantity, g.quantity - g.previous_quantity,
			aiusage.change_percent(g.quantity, g.previous_quantity),
			g.cost, g.previous_cost, g.cost - g.previous_cost,
			aiusage.change_percent(g.cost, g.previous_cost),
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
		CROSS JOIN LATERAL aiusage.bucket_columns(q.dims, g.names) AS n
		ORDER BY g.names, g.currency;
END
$$;
COMMENT ON FUNCTION aiusage.usage_growth(timestamptz, timestamptz, text[], jsonb, text) IS 'Usage and cost of a span beside the span before it (aiusage.span_before(): months before whole months, days before whole days of time_zone), grouped and filtered as by aiusage.usage_buckets(). The span begins and ends on quarter hours; end_time NULL: the last one. Grain: one row a (what is grouped by, currency) with usage in one of the two. A percentage has two decimals, NULL where the span before has 0 or less; by unit or line_item there are quantity and cost alone. The caller sees what the views show. Errors: UA422, UA409, 22023 as there';
