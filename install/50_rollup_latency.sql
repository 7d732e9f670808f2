/*
 * Latency and time to first token: buckets, their fold, percentiles.
 */

CREATE FUNCTION aiusage.latency_bounds()
RETURNS integer[]
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_latency_bounds';
COMMENT ON FUNCTION aiusage.latency_bounds() IS
	'Upper bounds of the buckets of latency, in milliseconds, ascending, six a decade: a bucket holds what is above the bound before and at most its own; one more holds what is above the last';

CREATE FUNCTION aiusage.latency_bucket(ms integer)
RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_latency_bucket';
COMMENT ON FUNCTION aiusage.latency_bucket(integer) IS
	'Number of the bucket of a latency in milliseconds, from 1, as in aiusage.latency_bounds(); NULL for NULL';

CREATE FUNCTION aiusage.latency_percentile(counts bigint[], fraction double precision)
RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_latency_percentile';
COMMENT ON FUNCTION aiusage.latency_percentile(bigint[], double precision) IS
	'Milliseconds that a fraction (0 to 1) of requests took at most, from the counts of the buckets of aiusage.latency_bounds(): in the bucket that percentile_disc() would find its value in, by interpolation within it, so right to a factor of 1.5; 1000000 stands for more. Negative counts are taken for 0; NULL without requests. Errors: 22003, 22023';

CREATE FUNCTION aiusage.latency_columns(OUT number int, OUT name text, OUT measure text, OUT bucket int, OUT above int, OUT at_most int)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (m.n * 100 + b.bucket)::int, m.measure || coalesce('_le_' || l.bounds[b.bucket], '_more'), m.measure, b.bucket::int,
		l.bounds[b.bucket - 1], l.bounds[b.bucket]
	FROM (VALUES (0, 'latency'), (1, 'ttft')) AS m (n, measure),
		(SELECT aiusage.latency_bounds()) AS l (bounds),
		generate_series(1, cardinality(l.bounds) + 1) AS b (bucket)
	ORDER BY 1
$$;
COMMENT ON FUNCTION aiusage.latency_columns() IS
	'The columns of aiusage.rollup_latency that hold counts, in order: latency_le_10, ... latency_more, ttft_le_10, ...; what each counts (latency or ttft), in which bucket, from above what to at most what in milliseconds';

CREATE FUNCTION aiusage.latency_counts(template text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(replace(replace(replace(latency_counts.template, '{n}', l.name), '{measure}', l.measure), '{bucket}', l.bucket::text), ', ' ORDER BY l.number)
	FROM aiusage.latency_columns() AS l
$$;
COMMENT ON FUNCTION aiusage.latency_counts(text) IS
	'A piece of SQL for each of aiusage.latency_columns(), in order: {n} is its name, {measure} latency or ttft, {bucket} the number of its bucket';

CREATE FUNCTION aiusage.owner_latency_key()
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN 'day, team, cost_center, provider, model, endpoint, service_tier, region, status';
COMMENT ON FUNCTION aiusage.owner_latency_key() IS 'The key of rollup_latency, as a list for SQL';

CREATE FUNCTION aiusage.owner_latency_groups(source text)
RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($query$
		SELECT %1$s, %2$s
		FROM (
			SELECT s.day, a.team, a.cost_center, s.provider, s.model, s.endpoint, s.service_tier, s.region, s.status,
				s.latency_bucket, s.ttft_bucket, sum(s.requests) AS requests
			FROM (%3$s) AS s
			LEFT JOIN aiusage.key_assignment AS a ON a.assignment = s.assignment
			WHERE s.requests <> 0 AND (s.latency_bucket IS NOT NULL OR s.ttft_bucket IS NOT NULL)
			GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
		) AS d
		GROUP BY %1$s
	$query$, aiusage.owner_latency_key(),
		aiusage.latency_counts('coalesce(sum(d.requests) FILTER (WHERE d.{measure}_bucket = {bucket}), 0)::bigint AS {n}'), source)
$$;
COMMENT ON FUNCTION aiusage.owner_latency_groups(text) IS 'The query that counts rows of rollup_source, or of a query of its shape, as rollup_latency does';

CREATE FUNCTION aiusage.owner_latency_statement()
RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($query$
		INSERT INTO aiusage.rollup_latency AS r (%1$s, %2$s)
		%3$s
		ORDER BY %1$s
		ON CONFLICT (%1$s) DO UPDATE SET %4$s
	$query$, aiusage.owner_latency_key(), aiusage.latency_counts('{n}'), aiusage.owner_latency_groups(aiusage.owner_folding('rollup_source')),
		aiusage.latency_counts('{n} = r.{n} + excluded.{n}'))
$$;
COMMENT ON FUNCTION aiusage.owner_latency_statement() IS
	'The statement that adds ledger rows to rollup_latency: those that owner_fold_statement() adds to the other levels';

CREATE FUNCTION aiusage.latency(from_day date, to_day date, by_columns text[] DEFAULT '{provider,model}', status text DEFAULT NULL)
RETURNS TABLE (day date, team text, cost_center text, provider text, model text, endpoint text, service_tier text, region text,
	latency_requests bigint, latency_p50 bigint, latency_p90 bigint, latency_p95 bigint, latency_p99 bigint,
	ttft_requests bigint, ttft_p50 bigint, ttft_p90 bigint, ttft_p95 bigint, ttft_p99 bigint, as_of timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	known constant text[] := ARRAY['day', 'team', 'cost_center', 'provider', 'model', 'endpoint', 'service_tier', 'region'];
	columns text[] := coalesce(latency.by_columns, '{}');
	stranger text := (SELECT c.name FROM unnest(columns) AS c (name) WHERE c.name IS NULL OR c.name <> ALL (known) LIMIT 1);
BEGIN
	IF stranger IS NOT NULL OR array_position(columns, NULL) IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('latency is not kept by "%s"', left(coalesce(stranger, 'null'), 64)),
			HINT = 'It is by ' || array_to_string(known, ', ') || '.';
	END IF;
	IF latency.status IS NOT NULL AND latency.status NOT IN ('success', 'error', 'timeout', 'cancelled') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('status "%s" is not known', left(latency.status, 64)),
			HINT = 'It is success, error, timeout or cancelled; NULL: all of them.';
	END IF;
	RETURN QUERY EXECUTE format($query$
		SELECT %1$s, aiusage.latency_total(s.latency), aiusage.latency_percentile(s.latency, 0.5), aiusage.latency_percentile(s.latency, 0.9),
			aiusage.latency_percentile(s.latency, 0.95), aiusage.latency_percentile(s.latency, 0.99),
			aiusage.latency_total(s.ttft), aiusage.latency_percentile(s.ttft, 0.5), aiusage.latency_percentile(s.ttft, 0.9),
			aiusage.latency_percentile(s.ttft, 0.95), aiusage.latency_percentile(s.ttft, 0.99),
			CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END
		FROM (
			SELECT %2$s, ARRAY[%3$s] AS latency, ARRAY[%4$s] AS ttft
			FROM aiusage.latency_source AS v
			WHERE v.day >= coalesce($1, '-infinity') AND v.day < coalesce($2, 'infinity') AND ($3 IS NULL OR v.status = $3)
			GROUP BY %5$s
			HAVING count(*) > 0
		) AS s
		ORDER BY %1$s
	$query$, (SELECT string_agg('s.' || k.name, ', ' ORDER BY k.at) FROM unnest(known) WITH ORDINALITY AS k (name, at)),
		(SELECT string_agg(CASE WHEN k.name = ANY (columns) THEN 'v.' || k.name
				WHEN k.name = 'day' THEN 'NULL::date AS day' ELSE 'NULL::text AS ' || k.name END, ', ' ORDER BY k.at)
			FROM unnest(known) WITH ORDINALITY AS k (name, at)),
		(SELECT string_agg(format('sum(v.%I)::bigint', l.name), ', ' ORDER BY l.number) FROM aiusage.latency_columns() AS l WHERE l.measure = 'latency'),
		(SELECT string_agg(format('sum(v.%I)::bigint', l.name), ', ' ORDER BY l.number) FROM aiusage.latency_columns() AS l WHERE l.measure = 'ttft'),
		CASE WHEN cardinality(columns) = 0 THEN '()' ELSE (SELECT string_agg('v.' || c.name, ', ') FROM unnest(columns) AS c (name)) END)
		USING latency.from_day, latency.to_day, latency.status;
END
$$;
COMMENT ON FUNCTION aiusage.latency(date, date, text[], text) IS
	'How long requests of business days took, from from_day to before to_day (NULL: no bound), by any of day, team, cost_center, provider, model, endpoint, service_tier and region; the other columns are NULL. status: only requests that ended so; NULL: all. Counts are exact and live; percentiles are in milliseconds, right to a factor of 1.5, and NULL without requests. Team and cost center (unmatched): nobody owned the key. Filtered by the reader''s grants of teams and cost centers. Errors: UA422';

CREATE FUNCTION aiusage.latency_total(counts bigint[])
RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sum(c.n)::bigint FROM unnest(counts) AS c (n) $$;
COMMENT ON FUNCTION aiusage.latency_total(bigint[]) IS 'Sum of the counts of buckets';

CREATE FUNCTION aiusage.owner_verify_latency(OUT check_name text, OUT ok boolean, OUT expected text, OUT actual text, OUT detail text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
	key constant text := aiusage.owner_latency_key();
	ledger bigint;
	rollup bigint;
	differ bigint;
	first text;
BEGIN
	-- Counted in another way than the fold does: row by row, bucket by bucket.
	EXECUTE format($query$
		WITH both_sides AS (
			SELECT s.day, a.team, a.cost_center, s.provider, s.model, s.endpoint, s.service_tier, s.region, s.status, l.number,
				s.requests AS l_requests, 0::bigint AS r_requests
			FROM aiusage.rollup_source AS s
			LEFT JOIN aiusage.key_assignment AS a ON a.assignment = s.assignment
			JOIN aiusage.latency_columns() AS l ON (l.measure, l.bucket) IN (('latency', s.latency_bucket), ('ttft', s.ttft_bucket))
			UNION ALL
			SELECT r.day, r.team, r.cost_center, r.provider, r.model, r.endpoint, r.service_tier, r.region, r.status, c.number, c.requests, 0
			FROM aiusage.sealed_latency AS r
			JOIN aiusage.sealed_partition AS p ON p.number = r.partition_number
			CROSS JOIN LATERAL (VALUES %1$s) AS c (number, requests)
			WHERE c.requests <> 0
			UNION ALL
			SELECT r.day, r.team, r.cost_center, r.provider, r.model, r.endpoint, r.service_tier, r.region, r.status, c.number, 0, c.requests
			FROM aiusage.rollup_latency_live AS r
			CROSS JOIN LATERAL (VALUES %1$s) AS c (number, requests)
			WHERE c.requests <> 0
		), sets AS (
			SELECT %2$s, b.number, sum(b.l_requests) AS l_requests, sum(b.r_requests) AS r_requests
			FROM both_sides AS b
			GROUP BY %2$s, b.number
		)
		SELECT coalesce(sum(s.l_requests), 0), coalesce(sum(s.r_requests), 0), count(*) FILTER (WHERE s.l_requests <> s.r_requests),
			min(concat_ws(' ', s.day, s.team, s.provider, s.model)) FILTER (WHERE s.l_requests <> s.r_requests)
		FROM sets AS s
	$query$, (SELECT string_agg(format('(%s, r.%I)', l.number, l.name), ', ') FROM aiusage.latency_columns() AS l),
		'b.' || replace(key, ', ', ', b.')) INTO ledger, rollup, differ, first;
	RETURN QUERY SELECT 'rollup_latency: requests with a latency or a first token', ledger = rollup, ledger::text, rollup::text,
		'The ledger, and what was sealed of dropped partitions, against rollup_latency and the rows not folded yet; a request with both counts twice';
	RETURN QUERY SELECT 'rollup_latency: every day, set and bucket', differ = 0, '0', differ::text,
		'Buckets whose count differs between ledger and rollup' || coalesce('; the first: ' || first, '');
END
$$;
COMMENT ON FUNCTION aiusage.owner_verify_latency() IS 'The checks of aiusage.verify() that are about latency';
