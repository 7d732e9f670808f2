/*
 * Pages of usage: the JSON that OpenAI's organization usage (completions) and
 * costs endpoints answer with, over the ledger, so that what reads those can
 * read this.
 *
 * A page is of whole buckets, empty ones included.  Its cursor is where the
 * next one begins and where the last one ends, with a digest of both and of
 * what was asked: nothing is kept between the calls, no bucket is given twice
 * or left out whatever arrives meanwhile, and each page is as exact as a view
 * when it is read.  The digest is no secret and protects nothing: whoever makes a
 * cursor up sees what the caller sees anyway.
 */

CREATE FUNCTION aiusage.bucket_cursor(next_at timestamptz, end_at timestamptz, asked text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'page_' || p.place || encode(substr(sha256(convert_to(p.place || bucket_cursor.asked, 'UTF8')), 1, 16), 'hex')
	FROM (SELECT lpad(to_hex(extract(epoch FROM bucket_cursor.next_at)::bigint), 16, '0')
		|| lpad(to_hex(extract(epoch FROM bucket_cursor.end_at)::bigint), 16, '0') AS place) AS p
$$;
COMMENT ON FUNCTION aiusage.bucket_cursor(timestamptz, timestamptz, text) IS 'Internal. The next_page of aiusage.usage_page() and costs_page(): the whole seconds at which the next bucket begins and the span ends, and a digest of them and of what was asked';

CREATE FUNCTION aiusage.bucket_resume(page text, asked text, OUT next_at timestamptz, OUT end_at timestamptz)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	seconds bigint[];
BEGIN
	IF bucket_resume.page ~ '^page_[0-9a-f]{64}$' THEN
		seconds := ARRAY[('x' || substr(bucket_resume.page, 6, 16))::bit(64)::bigint, ('x' || substr(bucket_resume.page, 22, 16))::bit(64)::bigint];
		-- years 1900 to 9999
		IF seconds[1] BETWEEN -2208988800 AND 253402300799 AND seconds[2] BETWEEN -2208988800 AND 253402300799 THEN
			next_at := to_timestamp(seconds[1]);
			end_at := to_timestamp(seconds[2]);
			IF aiusage.bucket_cursor(next_at, end_at, bucket_resume.asked) = bucket_resume.page THEN
				RETURN;
			END IF;
		END IF;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'UA422',
		MESSAGE = 'the page is none of this query''s',
		DETAIL = 'A cursor goes with the query whose next_page it was: the same times, width, group_by, filters and time_zone.',
		HINT = 'Ask without page to begin again.';
END
$$;
COMMENT ON FUNCTION aiusage.bucket_resume(text, text) IS 'Internal. Reads a cursor of aiusage.bucket_cursor(). Errors: UA422 when it is not one, or is of another query';

CREATE FUNCTION aiusage.bucket_page(kind text, start_time timestamptz, end_time timestamptz, bucket_width text, group_by text[], filters jsonb,
	max_buckets int, page text, time_zone text) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q record;
	costs constant boolean := bucket_page.kind = 'costs';
	most constant int := CASE bucket_page.bucket_width WHEN '1h' THEN 168 WHEN '1m' THEN 1440 ELSE CASE WHEN costs THEN 180 ELSE 31 END END;
	size constant int := coalesce(bucket_page.max_buckets, CASE bucket_page.bucket_width WHEN '1h' THEN 24 WHEN '1m' THEN 60 ELSE 7 END);
	-- the page after this one may be asked for later: now is then
	until timestamptz := coalesce(bucket_page.end_time, date_trunc('second', now()) + interval '1 second');
	asked text;
	starts timestamptz;
	ends timestamptz;
	data jsonb;
BEGIN
	PERFORM aiusage.bucket_check(bucket_page.start_time, until, bucket_page.bucket_width, bucket_page.time_zone);
	SELECT * INTO STRICT q FROM aiusage.bucket_query(bucket_page.group_by, bucket_page.filters);
	IF NOT costs AND (q.dims && '{unit,line_item}' OR q.wanted ?| '{unit,line_item}') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a page of usage has no line items',
			HINT = 'They are parts of a cost: ask costs_page() or usage_buckets().';
	ELSIF size NOT BETWEEN 1 AND most THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('a page has 1 to %s buckets of %s', most, bucket_page.bucket_width),
			HINT = 'next_page leads to the others.';
	END IF;

	asked := jsonb_build_array(bucket_page.kind, extract(epoch FROM bucket_page.start_time), extract(epoch FROM bucket_page.end_time),
		bucket_page.bucket_width, q.dims, q.wanted, bucket_page.time_zone)::text;
	starts := bucket_page.start_time;
	IF bucket_page.page IS NOT NULL THEN
		SELECT r.next_at, coalesce(bucket_page.end_time, r.end_at) INTO STRICT starts, until FROM aiusage.bucket_resume(bucket_page.page, asked) AS r;
	END IF;
	starts := aiusage.bucket_at(starts, bucket_page.bucket_width, bucket_page.time_zone);
	ends := least(aiusage.bucket_at(starts, bucket_page.bucket_width, bucket_page.time_zone, size),
		aiusage.bucket_at(until - interval '1 microsecond', bucket_page.bucket_width, bucket_page.time_zone, 1));

	SELECT jsonb_agg(jsonb_build_object('object', 'bucket', 'start_time', extract(epoch FROM b.opens)::bigint,
			'end_time', extract(epoch FROM b.closes)::bigint, 'results', coalesce(r.results, '[]')) ORDER BY b.opens)
	INTO data
	FROM (
		SELECT aiusage.bucket_at(starts, bucket_page.bucket_width, bucket_page.time_zone, n) AS opens,
			aiusage.bucket_at(starts, bucket_page.bucket_width, bucket_page.time_zone, n + 1) AS closes
		FROM generate_series(0, size - 1) AS n
	) AS b
	LEFT JOIN (
		SELECT s.bucket_start, jsonb_agg(s.result || (
				-- what else is grouped by
				SELECT coalesce(jsonb_object_agg(d.name, CASE d.name WHEN 'batch' THEN to_jsonb(s.names[d.place]::boolean)
					ELSE to_jsonb(nullif(s.names[d.place], '(none)')) END), '{}')
				FROM unnest(q.dims) WITH ORDINALITY AS d (name, place)
				WHERE d.name NOT IN ('project', 'user_id', 'api_key', 'model', 'batch', 'service_tier', 'line_item')
					OR costs AND d.name IN ('user_id', 'model', 'batch', 'service_tier')
			) ORDER BY s.names, s.currency) AS results
		FROM (
			SELECT u.bucket_start, u.names, NULL AS currency, jsonb_build_object(
				'object', 'organization.usage.completions.result',
				'input_tokens', CASE WHEN count(u.input_tokens) = count(*) THEN sum(u.input_tokens) END,
				'input_cached_tokens', CASE WHEN count(u.cache_read_tokens) = count(*) THEN sum(u.cache_read_tokens) END,
				'output_tokens', CASE WHEN count(u.output_tokens) = count(*) THEN sum(u.output_tokens) END,
				'input_audio_tokens', CASE WHEN count(u.input_audio_tokens) = count(*) THEN sum(u.input_audio_tokens) END,
				'output_audio_tokens', CASE WHEN count(u.output_audio_tokens) = count(*) THEN sum(u.output_audio_tokens) END,
				'num_model_requests', sum(u.requests),
				'project_id', nullif(u.names[array_position(q.dims, 'project')], '(none)'),
				'user_id', nullif(u.names[array_position(q.dims, 'user_id')], '(none)'),
				'api_key_id', u.names[array_position(q.dims, 'api_key')],
				'model', u.names[array_position(q.dims, 'model')],
				'batch', u.names[array_position(q.dims, 'batch')]::boolean,
				'service_tier', nullif(u.names[array_position(q.dims, 'service_tier')], '(none)')) AS result
			FROM aiusage.bucket_sums(starts, ends, bucket_page.bucket_width, q.dims, q.wanted, bucket_page.time_zone) AS u
			WHERE NOT costs
			GROUP BY u.bucket_start, u.names
			UNION ALL
			SELECT c.bucket_start, c.names, c.currency, jsonb_build_object(
				'object', 'organization.costs.result',
				'amount', jsonb_build_object('value', trim_scale(c.cost), 'currency', lower(c.currency)),
				'line_item', c.names[array_position(q.dims, 'line_item')],
				'project_id', nullif(c.names[array_position(q.dims, 'project')], '(none)'),
				'api_key_id', c.names[array_position(q.dims, 'api_key')],
				'quantity', CASE WHEN q.dims && '{unit,line_item}' THEN trim_scale(c.quantity) END)
			FROM aiusage.bucket_sums(starts, ends, bucket_page.bucket_width, q.dims, q.wanted, bucket_page.time_zone, false) AS c
			WHERE costs
		) AS s
		GROUP BY s.bucket_start
	) AS r ON r.bucket_start = b.opens
	-- a zone may have left a day out
	WHERE b.opens < b.closes AND b.opens < ends;

	RETURN jsonb_build_object('object', 'page', 'data', data, 'has_more', ends < until,
		'next_page', CASE WHEN ends < until THEN aiusage.bucket_cursor(ends, until, asked) END);
END
$$;
COMMENT ON FUNCTION aiusage.bucket_page(text, timestamptz, timestamptz, text, text[], jsonb, int, text, text) IS 'Internal. What aiusage.usage_page() (kind completions) and costs_page() (kind costs) answer. Errors: as there';

CREATE FUNCTION aiusage.usage_page(start_time timestamptz, end_time timestamptz DEFAULT NULL, bucket_width text DEFAULT '1d',
	group_by text[] DEFAULT '{}', filters jsonb DEFAULT '{}', max_buckets int DEFAULT NULL, page text DEFAULT NULL, time_zone text DEFAULT 'UTC')
	RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT aiusage.bucket_page('completions', usage_page.start_time, usage_page.end_time, usage_page.bucket_width, usage_page.group_by,
		usage_page.filters, usage_page.max_buckets, usage_page.page, usage_page.time_zone)
$$;
COMMENT ON FUNCTION aiusage.usage_page(timestamptz, timestamptz, text, text[], jsonb, int, text, text) IS 'aiusage.usage_buckets() as the page of JSON that OpenAI''s organization usage endpoint for completions answers with: max_buckets buckets (1d: 7, at most 31; 1h: 24, 168; 1m: 60, 1440), empty ones included, and has_more and next_page, which is page in the next call, all else being the same. group_by and filters take that endpoint''s names as well (project_id, user_ids, models, ...). Requests of every kind, whatever their currency. null: not grouped by, or there is none. Errors: UA422 (also: a page of another query), UA409, 22023';

CREATE FUNCTION aiusage.costs_page(start_time timestamptz, end_time timestamptz DEFAULT NULL, bucket_width text DEFAULT '1d',
	group_by text[] DEFAULT '{}', filters jsonb DEFAULT '{}', max_buckets int DEFAULT NULL, page text DEFAULT NULL, time_zone text DEFAULT 'UTC')
	RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT aiusage.bucket_page('costs', costs_page.start_time, costs_page.end_time, costs_page.bucket_width, costs_page.group_by,
		costs_page.filters, costs_page.max_buckets, costs_page.page, costs_page.time_zone)
$$;
COMMENT ON FUNCTION aiusage.costs_page(timestamptz, timestamptz, text, text[], jsonb, int, text, text) IS 'aiusage.usage_buckets() as the page of JSON that OpenAI''s organization costs endpoint answers with: as aiusage.usage_page(), of at most 180 days; an amount a currency, which is written in small letters; grouped by line_item (model, unit), the quantity billed. Amounts are exact. Errors: as aiusage.usage_page()';
