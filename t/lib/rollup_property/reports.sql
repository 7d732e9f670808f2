/*
 * Reports as functions, in plain SQL over the shadow: see shadow.sql.  Each is
 * asked about one of the seed's spans, by a random day or zone.
 */
SET client_min_messages = warning;

CREATE FUNCTION shadow.some_day() RETURNS date LANGUAGE sql VOLATILE AS
	$$ SELECT s.starts_on + floor(random() * 6)::int FROM shadow.span AS s ORDER BY s.span OFFSET floor(random() * 4) LIMIT 1 $$;

-- Months, days and hours of any zone.
CREATE FUNCTION shadow.check_usage_buckets() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	zone text := shadow.zone();
	width text := shadow.one_of('1mo', '1d', '1h');
	starts timestamptz := (shadow.some_day() - 3)::timestamp AT TIME ZONE zone;
	ends timestamptz := ((starts AT TIME ZONE zone) + interval '6 days') AT TIME ZONE zone;
BEGIN
	RETURN QUERY
	WITH theirs AS MATERIALIZED (
		SELECT b.bucket_start, b.team, b.model, b.tags::jsonb ->> 'feature' AS feature, b.currency, b.requests::numeric, b.errors::numeric, b.accepted::numeric, b.unpriced::numeric, b.input_tokens::numeric,
			b.output_tokens::numeric, b.cost
		FROM aiusage.usage_buckets(starts, ends, width, '{team,model,tag:feature}', '{}', zone) AS b
	), ours AS MATERIALIZED (
		SELECT date_trunc(x.unit, m.at AT TIME ZONE z) AT TIME ZONE z, coalesce(m.team, '(unmatched)'), m.model, coalesce(m.tags ->> 'feature', '(none)'), m.currency,
			sum(m.requests)::numeric, sum(m.errors)::numeric, sum(m.accepted)::numeric, sum(m.unpriced)::numeric, sum(m.input_tokens)::numeric, sum(m.output_tokens)::numeric, sum(m.cost)
		-- hours are those of UTC, also where a zone's begin at other minutes
		FROM shadow.measured AS m, (SELECT CASE width WHEN '1h' THEN 'UTC' ELSE zone END, CASE width WHEN '1mo' THEN 'month' WHEN '1d' THEN 'day' ELSE 'hour' END) AS x (z, unit)
		-- whole buckets, from that of the start to the last that begins before the end
		WHERE date_trunc(x.unit, m.at AT TIME ZONE z) AT TIME ZONE z >= date_trunc(x.unit, starts AT TIME ZONE z) AT TIME ZONE z
			AND date_trunc(x.unit, m.at AT TIME ZONE z) AT TIME ZONE z < ends
		GROUP BY 1, 2, 3, 4, 5
	)
	SELECT format('usage_buckets %s to %s, %s in %s: ', starts, ends, width, zone) || string_agg(d::text, E'\n') FROM (
		(SELECT 'too many', t.* FROM (TABLE theirs EXCEPT ALL TABLE ours) AS t LIMIT 3)
		UNION ALL (SELECT 'missing', t.* FROM (TABLE ours EXCEPT ALL TABLE theirs) AS t LIMIT 3)) AS d
	HAVING count(*) > 0;
END
$$;

CREATE FUNCTION shadow.check_top_movers() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	dim text := shadow.one_of('team', 'model', 'api_key', 'customer', 'workflow');
	until date := shadow.some_day();
	length int := 1 + floor(random() * 4)::int;
BEGIN
	RETURN QUERY
	WITH theirs AS MATERIALIZED (
		SELECT t.name, t.currency, t.requests::numeric, t.previous_requests::numeric, t.cost, t.previous_cost, t.change FROM aiusage.top_movers(dim, until, length, 1000) AS t
	), ours AS MATERIALIZED (
		SELECT x.*, x.cost - x.previous_cost FROM (
			SELECT CASE dim WHEN 'team' THEN coalesce(m.team, '(unmatched)') WHEN 'model' THEN m.model WHEN 'api_key' THEN m.api_key WHEN 'customer' THEN coalesce(m.customer, '(none)')
					ELSE coalesce(m.workflow, '(none)') END, m.currency,
				coalesce(sum(m.requests) FILTER (WHERE m.day >= until - length), 0)::numeric, coalesce(sum(m.requests) FILTER (WHERE m.day < until - length), 0)::numeric,
				coalesce(sum(m.cost) FILTER (WHERE m.day >= until - length), 0) AS cost, coalesce(sum(m.cost) FILTER (WHERE m.day < until - length), 0) AS previous_cost
			FROM shadow.measured AS m WHERE m.day >= until - 2 * length AND m.day < until
			GROUP BY 1, 2
		) AS x WHERE x.cost <> x.previous_cost
	)
	SELECT format('top_movers of %s, %s days to %s: ', dim, length, until) || string_agg(d::text, E'\n') FROM (
		(SELECT 'too many', t.* FROM (TABLE theirs EXCEPT ALL TABLE ours) AS t LIMIT 3)
		UNION ALL (SELECT 'missing', t.* FROM (TABLE ours EXCEPT ALL TABLE theirs) AS t LIMIT 3)) AS d
	HAVING count(*) > 0;
END
$$;

CREATE FUNCTION shadow.check_key_review() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	until date := shadow.some_day();
	length int := 1 + floor(random() * 4)::int;
BEGIN
	RETURN QUERY
	WITH theirs AS MATERIALIZED (
		SELECT k.api_key, k.currency, k.requests::numeric, k.previous_requests::numeric, k.cost, k.previous_cost, k.errors::numeric, k.retry_cost, k.accepted::numeric, k.unpriced::numeric,
			k.models::numeric
		FROM aiusage.key_review(until, length) AS k
	), ours AS MATERIALIZED (
		SELECT m.api_key, m.currency,
			coalesce(sum(m.requests) FILTER (WHERE m.day >= until - length), 0)::numeric, coalesce(sum(m.requests) FILTER (WHERE m.day < until - length), 0)::numeric,
			coalesce(sum(m.cost) FILTER (WHERE m.day >= until - length), 0), coalesce(sum(m.cost) FILTER (WHERE m.day < until - length), 0),
			coalesce(sum(m.errors) FILTER (WHERE m.day >= until - length), 0)::numeric, coalesce(sum(m.retry_cost) FILTER (WHERE m.day >= until - length), 0),
			coalesce(sum(m.accepted) FILTER (WHERE m.day >= until - length), 0)::numeric, coalesce(sum(m.unpriced) FILTER (WHERE m.day >= until - length), 0)::numeric,
			(SELECT count(*) FROM (SELECT 1 FROM shadow.measured AS x WHERE x.api_key = m.api_key AND x.currency = m.currency AND x.day >= until - length AND x.day < until
				GROUP BY x.provider, x.model HAVING sum(x.cost) <> 0 OR sum(x.requests) <> 0) AS y)::numeric
		FROM shadow.measured AS m WHERE m.day >= until - 2 * length AND m.day < until
		GROUP BY m.api_key, m.currency
	)
	SELECT format('key_review, %s days to %s: ', length, until) || string_agg(d::text, E'\n') FROM (
		(SELECT 'too many', t.* FROM (TABLE theirs EXCEPT ALL TABLE ours) AS t LIMIT 3)
		UNION ALL (SELECT 'missing', t.* FROM (TABLE ours EXCEPT ALL TABLE theirs) AS t LIMIT 3)) AS d
	HAVING count(*) > 0;
END
$$;
