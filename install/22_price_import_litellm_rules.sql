/* The litellm format: conditions, names, what has no counterpart, and the conversion as a whole. */

/* When a model's off-peak prices apply: a row a window; times in `zone`. */
CREATE FUNCTION aiusage.litellm_windows(off_peak jsonb)
	RETURNS TABLE (weekdays int[], time_from time, time_to time, zone text, problem text)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	local_zone text := nullif(btrim(off_peak ->> 'weekday_timezone'), '');
	block jsonb;
	hours jsonb;
	part text[];
	begins interval;
	ends interval;
	shift interval;
	shifts bigint;
BEGIN
	FOR block IN
		SELECT jsonb_build_object('hours_utc', off_peak -> 'hours_utc') WHERE jsonb_typeof(off_peak -> 'hours_utc') IN ('string', 'array')
		UNION ALL
		SELECT w.value FROM jsonb_array_elements(nullif(off_peak -> 'windows', 'null')) AS w
	LOOP
		problem := NULL;
		zone := 'UTC';
		shift := '0';
		weekdays := NULL;
		IF jsonb_typeof(block -> 'weekdays') = 'array' THEN
			weekdays := ARRAY(SELECT DISTINCT aiusage.litellm_weekday(d.value) FROM jsonb_array_elements(block -> 'weekdays') AS d ORDER BY 1);
			-- A day is one of the named zone, hours are UTC: one rule has one zone, so it is that zone, if its distance from UTC does not change.
			IF local_zone IS NOT NULL AND cardinality(weekdays) BETWEEN 1 AND 6 THEN
				SELECT count(DISTINCT (t AT TIME ZONE local_zone) - (t AT TIME ZONE 'UTC')), min((t AT TIME ZONE local_zone) - (t AT TIME ZONE 'UTC'))
				INTO shifts, shift
				FROM generate_series('2024-01-15 00:00Z'::timestamptz, '2040-01-15 00:00Z'::timestamptz, '30 days'::interval) AS t;
				IF shifts = 1 THEN
					zone := local_zone;
				ELSE
					problem := format('hours in UTC on weekdays in %s, whose distance from UTC changes: not imported, the standard prices apply', local_zone);
				END IF;
			END IF;
			IF cardinality(weekdays) = 7 THEN
				weekdays := NULL;
			END IF;
		END IF;
		FOR hours IN
			SELECT h.value FROM jsonb_array_elements(CASE jsonb_typeof(block -> 'hours_utc') WHEN 'array' THEN block -> 'hours_utc'
				ELSE jsonb_build_array(block -> 'hours_utc') END) AS h
		LOOP
			part := regexp_match(hours #>> '{}', '^\s*(\d{1,2}:\d\d)\s*-\s*(\d{1,2}:\d\d)\s*$');
			begins := part[1]::time - time '00:00' + shift;
			ends := part[2]::time - time '00:00' + shift;
			IF begins = ends THEN	-- the whole day
				time_from := NULL;
				time_to := NULL;
				RETURN NEXT;
				CONTINUE;
			END IF;
			time_from := time '00:00' + begins;
			time_to := time '00:00' + ends;
			IF weekdays IS NULL OR time_from < time_to THEN
				RETURN NEXT;
			ELSE				-- LiteLLM asks for the day of the moment, a rule for the day on which its window begins
				ends := time_to - time '00:00';
				time_to := '24:00';
				RETURN NEXT;
				IF ends > '0' THEN
					time_from := '00:00';
					time_to := time '00:00' + ends;
					RETURN NEXT;
				END IF;
			END IF;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_windows(jsonb) IS 'Windows of off_peak_pricing of the litellm format as conditions of rules; problem: why one cannot be';

CREATE FUNCTION aiusage.litellm_weekday(day jsonb) RETURNS int
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE pg_catalog.jsonb_typeof(day)
		WHEN 'number' THEN CASE WHEN (day OPERATOR(pg_catalog.#>>) '{}') OPERATOR(pg_catalog.~) '^[1-7]$' THEN (day OPERATOR(pg_catalog.#>>) '{}')::int END
		WHEN 'string' THEN CASE WHEN pg_catalog.lower(pg_catalog.btrim(day OPERATOR(pg_catalog.#>>) '{}'))
				OPERATOR(pg_catalog.~) '^(mon(day)?|tue(s(day)?)?|wed(nesday)?|thu(r(s(day)?)?)?|fri(day)?|sat(urday)?|sun(day)?)$'
			THEN pg_catalog.array_position('{mon,tue,wed,thu,fri,sat,sun}'::text[], pg_catalog.substr(pg_catalog.lower(pg_catalog.btrim(day OPERATOR(pg_catalog.#>>) '{}')), 1, 3)) END END;
COMMENT ON FUNCTION aiusage.litellm_weekday(jsonb) IS 'ISO number of a weekday of the litellm format (1 to 7 or an English name); NULL: none';

/* Regions with prices of their own: what the prices are multiplied by there.  *: any that no other rule names. */
CREATE FUNCTION aiusage.litellm_regions(entry jsonb) RETURNS TABLE (region text, factor numeric)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT DISTINCT ON (v.region) v.region, v.factor
	FROM (
		SELECT substr(e.key, 39) AS region, e.value::numeric AS factor, 1 AS n
		FROM jsonb_each(entry) AS e WHERE e.key ~ '^regional_processing_uplift_multiplier_.' AND jsonb_typeof(e.value) = 'number'
		UNION ALL
		SELECT lower(e.key), e.value::numeric, 2
		FROM jsonb_each(nullif(entry -> 'provider_specific_entry', 'null')) AS e WHERE e.key <> 'fast' AND jsonb_typeof(e.value) = 'number'
		UNION ALL
		SELECT w.region, w.factor, 3
		FROM (VALUES ('*', (entry ->> 'regional_endpoint_uplift_multiplier')::numeric), ('global', 1)) AS w (region, factor)
		WHERE jsonb_typeof(entry -> 'regional_endpoint_uplift_multiplier') = 'number') AS v
	ORDER BY v.region, v.n;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_regions(jsonb) IS 'Regional multipliers of a model of the litellm format: of data residency, of the provider''s own regions, and of Vertex AI''s endpoints that are not global (region *)';

/* The rules of each model, in the aiusage format. */
CREATE FUNCTION aiusage.litellm_rules(catalog jsonb) RETURNS TABLE (model text, rules jsonb)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET enable_nestloop = off
AS $$
BEGIN
	RETURN QUERY
	WITH entries AS MATERIALIZED (
		SELECT * FROM aiusage.litellm_entries(catalog)
	), prices AS MATERIALIZED (
		SELECT * FROM aiusage.litellm_price_sets(catalog)
	), sets AS MATERIALIZED (
		SELECT p.model, p.tier, p.off_peak, p.factor, bool_and(p.uplifted) AS uplifted FROM prices AS p GROUP BY 1, 2, 3, 4
	), regions AS MATERIALIZED (
		SELECT e.model, r.region, r.factor FROM entries AS e, aiusage.litellm_regions(e.entry) AS r
	), placed AS MATERIALIZED (	-- a set in a region
		SELECT s.*, r.region, s.factor * r.factor AS total
		FROM sets AS s, LATERAL (SELECT NULL AS region, 1::numeric AS factor UNION ALL SELECT x.region, x.factor FROM regions AS x WHERE x.model = s.model) AS r
	), lists AS MATERIALIZED (
		SELECT pl.model, pl.tier, pl.off_peak, pl.region,
			-- A rule has one multiplier for all of its prices; where some are not uplifted, the others are multiplied here.
			CASE WHEN pl.uplifted AND pl.total <> 1 THEN pl.total END AS multiplier,
			CASE WHEN NOT pl.uplifted AND pl.total <> 1 THEN format('prices of tokens and the like are multiplied by %s', trim_scale(pl.total)) END AS note,
			jsonb_agg(jsonb_strip_nulls(jsonb_build_object('unit', p.unit,
				'rate', trim_scale(CASE WHEN p.uplifted AND NOT pl.uplifted THEN p.rate * pl.total ELSE p.rate END), 'per', trim_scale(p.per),
				'tier_start', p.threshold, 'tier_metric', p.metric, 'tier_inclusive', CASE WHEN p.threshold IS NOT NULL THEN p.inclusive END))
				ORDER BY p.unit COLLATE "C", p.threshold NULLS FIRST) AS prices
		FROM placed AS pl
			JOIN prices AS p ON p.model = pl.model AND p.tier IS NOT DISTINCT FROM pl.tier AND p.off_peak = pl.off_peak
		GROUP BY 1, 2, 3, 4, 5, 6
	), timed AS MATERIALIZED (
		SELECT l.*, w.weekdays, w.time_from, w.time_to, w.zone
		FROM lists AS l JOIN entries AS e ON e.model = l.model
			CROSS JOIN LATERAL (
				SELECT NULL::int[] AS weekdays, NULL::time AS time_from, NULL::time AS time_to, NULL AS zone WHERE NOT l.off_peak
				UNION ALL
				SELECT x.weekdays, x.time_from, x.time_to, x.zone FROM aiusage.litellm_windows(e.entry -> 'off_peak_pricing') AS x
				WHERE l.off_peak AND x.problem IS NULL) AS w
	), regional AS MATERIALIZED (	-- and with the prices of bedrock/us-east-1/... by region
		SELECT t.*, false AS own FROM timed AS t
		UNION ALL
		SELECT e.base, t.tier, t.off_peak, e.region, t.multiplier, t.note, t.prices, t.weekdays, t.time_from, t.time_to, t.zone, true
		FROM timed AS t JOIN entries AS e ON e.model = t.model
		WHERE e.region IS NOT NULL AND t.region IS NULL
	), numbered AS MATERIALIZED (
		SELECT r.*, row_number() OVER (PARTITION BY r.model
			ORDER BY r.own, r.off_peak, r.tier NULLS FIRST, r.region NULLS FIRST, r.weekdays NULLS FIRST, r.time_from NULLS FIRST, r.time_to) - 1 AS number
		FROM regional AS r
	)
	SELECT n.model, jsonb_agg(jsonb_strip_nulls(jsonb_build_object('rule', n.number, 'service_tier', n.tier, 'region', n.region,
			'weekdays', to_jsonb(n.weekdays), 'time_from', n.time_from, 'time_to', n.time_to, 'time_zone', nullif(n.zone, 'UTC'),
			'multiplier', trim_scale(n.multiplier), 'note', n.note)) || jsonb_build_object('prices', n.prices) ORDER BY n.number)
	FROM numbered AS n GROUP BY n.model;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_rules(jsonb) IS 'The rules of each model of a catalogue in the litellm format, in the aiusage format';

/*
 * The names that mean a model, one model a name and provider: the key without
 * the provider before it, as requests name models; then the key; then names
 * that LiteLLM strips or adds before it looks.
 */
CREATE FUNCTION aiusage.litellm_names(catalog jsonb) RETURNS TABLE (model text, names jsonb)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
BEGIN
	RETURN QUERY
	WITH entries AS MATERIALIZED (
		SELECT * FROM aiusage.litellm_entries(catalog)
	), claimed AS MATERIALIZED (
		SELECT e.family, lower(n.name) AS name, e.model, n.place
		FROM entries AS e, LATERAL (
			SELECT e.bare AS name, CASE WHEN e.prefixed THEN 1 ELSE 2 END AS place
			UNION ALL SELECT e.model, 2
			UNION ALL SELECT e.family || '/' || e.bare, 3
			UNION ALL SELECT e.provider || '/' || e.bare, 3
			UNION ALL SELECT a.value #>> '{}', 4 FROM jsonb_array_elements(e.entry -> 'aliases') AS a
			UNION ALL SELECT regexp_replace(e.bare, '^accounts/fireworks/models/', ''), 5 WHERE e.family = 'fireworks_ai'
			UNION ALL SELECT p || e.bare, 5 FROM unnest('{us.,eu.,apac.,au.,ca.,jp.,us-gov.,global.,converse/,invoke/}'::text[]) AS p
				WHERE e.family = 'bedrock' AND e.bare ~ '^[a-z0-9]+\.[^/]+$' AND e.bare !~ '^(us|eu|apac|au|ca|jp|global)\.'
		) AS n
	), won AS MATERIALIZED (
		SELECT DISTINCT ON (c.family, c.name) c.name, c.model FROM claimed AS c
		WHERE btrim(c.name) <> ''
		ORDER BY c.family, c.name, c.place, c.model
	)
	SELECT w.model, jsonb_agg(jsonb_build_object('equals', w.name) ORDER BY w.name) FROM won AS w GROUP BY w.model;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_names(jsonb) IS 'The names that mean each model of a catalogue in the litellm format, as parts of a match expression';

/* Other names of the providers of the catalogue: OpenTelemetry's and common ones. */
CREATE FUNCTION aiusage.litellm_provider_names() RETURNS TABLE (family text, name text)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT v.family, n FROM (VALUES
		('azure', '{azure.ai.openai,azure_openai,azure-openai}'::text[]),
		('azure_ai', '{azure.ai.inference}'),
		('bedrock', '{aws.bedrock,aws_bedrock,aws-bedrock,amazon_bedrock,amazon-bedrock}'),
		('gemini', '{gcp.gemini,google,google_ai_studio,google-gla}'),
		('vertex_ai', '{vertex_ai_beta,gcp.vertex_ai,google_vertex,google-vertex,vertex}'),
		('watsonx', '{ibm.watsonx.ai}'),
		('mistral', '{mistral_ai,mistralai}'),
		('xai', '{x_ai,x-ai}'),
		('together_ai', '{together,togetherai}'),
		('fireworks_ai', '{fireworks}')) AS v (family, names), unnest(v.names) AS n;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_provider_names() IS 'Names that requests use for providers of the litellm format, beside those of the catalogue';
