/* The litellm format: what is refused, what has no counterpart, and the conversion as a whole. */

/* Is it a price: a number that is not negative, within what a version holds? */
CREATE FUNCTION aiusage.litellm_price_problem(value jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN jsonb_typeof(value) = 'null' THEN NULL
		WHEN jsonb_typeof(value) <> 'number' THEN format('a price is a number, not of type %s', jsonb_typeof(value))
		WHEN value::numeric < 0 THEN 'a price is negative'
		WHEN value::numeric > 1000000 OR scale(trim_scale(value::numeric)) > 24 THEN 'a price is above 1e6, or has more than 24 decimals'
	END;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_price_problem(jsonb) IS 'What is wrong with a price of the litellm format; NULL: nothing, or the price is null, which is no price';

/* Refuses a catalogue with values of the wrong kind, naming model and key. */
CREATE FUNCTION aiusage.litellm_check(catalog jsonb) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
DECLARE
	bad record;
BEGIN
	IF jsonb_typeof(catalog) IS DISTINCT FROM 'object' THEN
		PERFORM aiusage.refuse_catalogue('expected an object of models');
	END IF;
	SELECT e.key AS model, p.problem INTO bad
	FROM jsonb_each(catalog) AS e, LATERAL (SELECT CASE
			WHEN jsonb_typeof(e.value) <> 'object' THEN format('a model is an object, not of type %s', jsonb_typeof(e.value))
			WHEN octet_length(e.key) NOT BETWEEN 1 AND 256 THEN 'the name of a model has 1 to 256 bytes'
			WHEN jsonb_typeof(e.value -> 'litellm_provider') IS DISTINCT FROM 'string' THEN 'a model names its litellm_provider'
			WHEN octet_length(e.value ->> 'litellm_provider') NOT BETWEEN 1 AND 256 THEN 'a litellm_provider has 1 to 256 bytes'
			WHEN jsonb_typeof(e.value -> 'mode') NOT IN ('string', 'null') THEN 'the mode of a model is a text' END AS problem) AS p
	WHERE e.key NOT IN ('sample_spec', 'fallback_generalizations') AND p.problem IS NOT NULL
	ORDER BY e.key COLLATE "C" LIMIT 1;
	IF FOUND THEN
		PERFORM aiusage.refuse_catalogue(bad.problem, catalog #>> ARRAY[bad.model, 'litellm_provider'], bad.model);
	END IF;

	WITH members AS MATERIALIZED (
		SELECT e.key AS model, e.value ->> 'mode' AS mode, m.key, m.value
		FROM jsonb_each(catalog) AS e, jsonb_each(e.value) AS m
		WHERE e.key NOT IN ('sample_spec', 'fallback_generalizations') AND jsonb_typeof(m.value) <> 'null'
	), keys AS MATERIALIZED (
		SELECT k.key, k.mode, EXISTS (SELECT FROM aiusage.litellm_units((aiusage.litellm_key(k.key)).component, k.mode)) AS priced
		FROM (SELECT DISTINCT m.key, m.mode FROM members AS m WHERE NOT aiusage.litellm_key_is_fact(m.key)) AS k
	), problems AS (
		SELECT m.model, m.key, CASE
			WHEN m.key IN ('input_dbu_cost_per_token', 'output_dbu_cost_per_token') OR (k.priced AND m.key <> 'guardrail_cost_per_unit')
				THEN aiusage.litellm_price_problem(m.value)
			WHEN m.key ~ '^regional_(processing|endpoint)_uplift_multiplier' THEN aiusage.litellm_factor_problem(m.value)
			WHEN m.key = 'guardrail_cost_per_unit' THEN CASE jsonb_typeof(m.value)
				WHEN 'object' THEN (SELECT aiusage.litellm_price_problem(j.value) FROM jsonb_each(m.value) AS j ORDER BY 1 NULLS LAST LIMIT 1)
				ELSE aiusage.litellm_price_problem(m.value) END
			WHEN m.key = 'search_context_cost_per_query' THEN CASE jsonb_typeof(m.value)
				WHEN 'object' THEN (SELECT aiusage.litellm_price_problem(j.value) FROM jsonb_each(m.value) AS j
					WHERE j.key LIKE 'search\_context\_size\_%' ORDER BY 1 NULLS LAST LIMIT 1)
				ELSE 'it is an object of prices by context size' END
			WHEN m.key = 'provider_specific_entry' THEN CASE jsonb_typeof(m.value)
				WHEN 'object' THEN (SELECT aiusage.litellm_factor_problem(j.value) FROM jsonb_each(m.value) AS j
					WHERE jsonb_typeof(j.value) = 'number' ORDER BY 1 NULLS LAST LIMIT 1)
				ELSE 'it is an object' END
			WHEN m.key = 'tiered_pricing' THEN aiusage.litellm_tiers_problem(m.value)
			WHEN m.key = 'off_peak_pricing' THEN aiusage.litellm_off_peak_problem(m.value)
			WHEN m.key = 'aliases' THEN CASE WHEN jsonb_typeof(m.value) <> 'array' OR jsonb_path_exists(m.value, '$[*] ? (@.type() != "string")')
				THEN 'aliases are an array of names' END
			END AS problem
		FROM members AS m LEFT JOIN keys AS k ON k.key = m.key AND k.mode IS NOT DISTINCT FROM m.mode
	)
	SELECT p.* INTO bad FROM problems AS p WHERE p.problem IS NOT NULL ORDER BY p.model COLLATE "C", p.key COLLATE "C" LIMIT 1;
	IF FOUND THEN
		PERFORM aiusage.refuse_catalogue(bad.problem, catalog #>> ARRAY[bad.model, 'litellm_provider'], bad.model, bad.key);
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_check(jsonb) IS 'Refuses a catalogue of the litellm format with values of the wrong kind, naming provider, model and key (UA422)';

CREATE FUNCTION aiusage.litellm_factor_problem(value jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN jsonb_typeof(value) <> 'number' THEN format('a multiplier is a number, not of type %s', jsonb_typeof(value))
		WHEN value::numeric NOT BETWEEN 0 AND 1000 OR scale(trim_scale(value::numeric)) > 3 THEN 'a multiplier is negative, above 1000, or has more than 3 decimals'
	END;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_factor_problem(jsonb) IS 'What is wrong with a multiplier of the litellm format; NULL: nothing';

CREATE FUNCTION aiusage.litellm_tiers_problem(tiers jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	step jsonb;
	span jsonb;
	found text;
BEGIN
	IF jsonb_typeof(tiers) <> 'array' THEN
		RETURN 'it is an array of steps';
	END IF;
	FOR step IN SELECT t.value FROM jsonb_array_elements(tiers) AS t LOOP
		IF jsonb_typeof(step) <> 'object' THEN
			RETURN 'a step is an object';
		END IF;
		FOR span IN SELECT s.value FROM jsonb_each(step) AS s WHERE s.key IN ('range', 'max_results_range') LOOP
			IF jsonb_typeof(span) <> 'array' OR jsonb_array_length(span) <> 2 OR jsonb_typeof(span -> 0) <> 'number' OR jsonb_typeof(span -> 1) <> 'number'
				OR (span ->> 0)::numeric < 0 OR (span ->> 0)::numeric >= (span ->> 1)::numeric OR (span ->> 1)::numeric > 1000000000000000
				OR (span ->> 0)::numeric % 1 <> 0 OR (span ->> 1)::numeric % 1 <> 0 THEN
				RETURN 'a range is two whole numbers, the second one higher, neither negative';
			END IF;
		END LOOP;
		SELECT aiusage.litellm_price_problem(s.value) INTO found FROM jsonb_each(step) AS s WHERE s.key LIKE '%cost%' ORDER BY 1 NULLS LAST LIMIT 1;
		IF found IS NOT NULL THEN
			RETURN found;
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_tiers_problem(jsonb) IS 'What is wrong with tiered_pricing of the litellm format; NULL: nothing';

CREATE FUNCTION aiusage.litellm_off_peak_problem(off_peak jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	block jsonb;
	found text;
	any_block boolean := false;
BEGIN
	IF jsonb_typeof(off_peak) <> 'object' THEN
		RETURN 'it is an object of hours and prices';
	END IF;
	SELECT aiusage.litellm_price_problem(s.value) INTO found FROM jsonb_each(off_peak) AS s WHERE s.key LIKE '%cost%' ORDER BY 1 NULLS LAST LIMIT 1;
	IF found IS NOT NULL THEN
		RETURN found;
	END IF;
	IF jsonb_typeof(off_peak -> 'weekday_timezone') NOT IN ('string', 'null')
		OR (btrim(off_peak ->> 'weekday_timezone') <> '' AND NOT aiusage.price_time_zone_valid(btrim(off_peak ->> 'weekday_timezone'))) THEN
		RETURN 'weekday_timezone is no time zone';
	END IF;
	IF jsonb_typeof(off_peak -> 'windows') NOT IN ('array', 'null') THEN
		RETURN 'windows are an array';
	END IF;
	FOR block IN
		SELECT jsonb_build_object('hours_utc', off_peak -> 'hours_utc') WHERE jsonb_typeof(off_peak -> 'hours_utc') <> 'null'
		UNION ALL
		SELECT w.value FROM jsonb_array_elements(nullif(off_peak -> 'windows', 'null')) AS w
	LOOP
		any_block := true;
		IF jsonb_typeof(block) <> 'object' OR jsonb_typeof(block -> 'hours_utc') IS NULL
			OR EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(block -> 'hours_utc') WHEN 'array' THEN block -> 'hours_utc'
					ELSE jsonb_build_array(block -> 'hours_utc') END) AS h
				WHERE jsonb_typeof(h.value) <> 'string' OR (h.value #>> '{}') !~ '^\s*([01]?\d|2[0-3]):[0-5]\d\s*-\s*([01]?\d|2[0-3]):[0-5]\d\s*$') THEN
			RETURN 'hours_utc are HH:MM-HH:MM, or an array of such';
		END IF;
		IF block ? 'weekdays' AND (jsonb_typeof(block -> 'weekdays') NOT IN ('array', 'null')
				OR (jsonb_typeof(block -> 'weekdays') = 'array' AND (jsonb_array_length(block -> 'weekdays') = 0
					OR EXISTS (SELECT FROM jsonb_array_elements(block -> 'weekdays') AS d WHERE aiusage.litellm_weekday(d.value) IS NULL)))) THEN
			RETURN 'weekdays are an array of 1 (Monday) to 7, or names of days';
		END IF;
	END LOOP;
	RETURN CASE WHEN NOT any_block THEN 'it has no hours' END;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_off_peak_problem(jsonb) IS 'What is wrong with off_peak_pricing of the litellm format; NULL: nothing';

/* What the catalogue says and a version does not hold. */
CREATE FUNCTION aiusage.litellm_issues(catalog jsonb) RETURNS TABLE (provider text, model text, key text, problem text)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET enable_nestloop = off
AS $$
BEGIN
	RETURN QUERY
	WITH entries AS MATERIALIZED (
		SELECT e.*, aiusage.litellm_tiers_kind(e.entry -> 'tiered_pricing') AS tiers FROM aiusage.litellm_entries(catalog) AS e WHERE e.entry IS NOT NULL
	), members AS MATERIALIZED (
		SELECT e.model, e.mode, e.tiers, m.key, m.value
		FROM entries AS e, jsonb_each(e.entry) AS m
		WHERE NOT aiusage.litellm_key_is_fact(m.key)
	), keys AS MATERIALIZED (
		SELECT k.key, k.mode, p.component, p.threshold, p.tier,
			EXISTS (SELECT FROM aiusage.litellm_units(p.component, k.mode)) AS priced
		FROM (SELECT DISTINCT m.key, m.mode FROM members AS m) AS k, aiusage.litellm_key(k.key) AS p
	), all_rates AS MATERIALIZED (
		SELECT * FROM aiusage.litellm_rates(catalog)
	), rates AS MATERIALIZED (
		SELECT r.* FROM all_rates AS r WHERE r.threshold IS NULL AND r.tier IS NULL AND NOT r.off_peak
	), offered AS MATERIALIZED (	-- several components for one unit
		SELECT r.model, r.component, r.key, r.rate, u.unit,
			first_value(r.rate) OVER w AS winner, first_value(r.key) OVER w AS winner_key
		FROM rates AS r
			JOIN (SELECT c.component, c.mode, x.*
				FROM (SELECT DISTINCT r2.component, r2.mode FROM rates AS r2) AS c, aiusage.litellm_units(c.component, c.mode) AS x) AS u
				ON u.component = r.component AND u.mode IS NOT DISTINCT FROM r.mode
		WINDOW w AS (PARTITION BY r.model, u.unit ORDER BY r.rate > 0 DESC, u.preference, r.component)
	), names AS MATERIALIZED (
		SELECT * FROM aiusage.litellm_names(catalog)
	), found AS (
		SELECT m.model, m.key, CASE
			WHEN m.key LIKE '%\_interval' THEN 'it depends on the interval between frames, which usage does not tell: not imported'
			WHEN m.key ~ '^computer_use_' THEN 'tokens of computer use are not told apart in usage: not imported'
			WHEN m.key ~ 'cost|price|pricing|uplift|multiplier|discount|fee' THEN 'no unit of usage corresponds to it: not imported, usage of it stays unpriced'
			ELSE 'unknown key, not imported' END AS problem
		FROM members AS m JOIN keys AS k ON k.key = m.key AND k.mode IS NOT DISTINCT FROM m.mode
		WHERE NOT k.priced AND m.key NOT IN ('search_context_cost_per_query', 'guardrail_cost_per_unit', 'tiered_pricing', 'off_peak_pricing',
				'provider_specific_entry', 'input_dbu_cost_per_token', 'output_dbu_cost_per_token', 'regional_endpoint_uplift_multiplier')
			AND m.key !~ '^regional_processing_uplift_multiplier_.'
		UNION ALL
		SELECT m.model, m.key, 'LiteLLM prices the whole request by tiered_pricing: not imported'
		FROM members AS m JOIN keys AS k ON k.key = m.key AND k.mode IS NOT DISTINCT FROM m.mode
		WHERE (m.tiers = 'range' AND (k.component IN ('input_cost_per_token', 'output_cost_per_reasoning_token', 'cache_read_input_token_cost',
					'cache_creation_input_token_cost', 'cache_creation_input_token_cost_above_1hr')
				OR (k.component = 'output_cost_per_token' AND (k.threshold IS NOT NULL OR k.tier IS NOT NULL
					OR jsonb_path_exists(catalog -> m.model -> 'tiered_pricing', '$[*].output_cost_per_token')))))
			OR (m.tiers = 'max_results_range' AND k.component = 'input_cost_per_query')
		UNION ALL
		SELECT e.model, 'tiered_pricing', 'steps of a kind that is not known: not imported' FROM entries AS e
		WHERE e.entry ? 'tiered_pricing' AND e.tiers IS NULL
		UNION ALL
		SELECT e.model, 'tiered_pricing.' || j.key, 'unknown member of a step, not imported'
		FROM entries AS e, jsonb_array_elements(CASE WHEN e.tiers IS NOT NULL THEN e.entry -> 'tiered_pricing' END) AS t, jsonb_object_keys(t.value) AS j (key)
		WHERE (e.tiers = 'range' AND j.key NOT IN ('range', 'input_cost_per_token', 'output_cost_per_token', 'output_cost_per_reasoning_token',
				'cache_read_input_token_cost', 'cache_creation_input_token_cost', 'cache_creation_input_token_cost_above_1hr'))
			OR (e.tiers = 'max_results_range' AND j.key NOT IN ('max_results_range', 'input_cost_per_query'))
		UNION ALL
		SELECT s.model, 'tiered_pricing', format('there is no step for %s to %s: the step below it is used', s.ends, s.starts)
		FROM (SELECT e.model, e.tiers, (t.value -> e.tiers ->> 0)::numeric AS starts, lag((t.value -> e.tiers ->> 1)::numeric, 1, 0) OVER w AS ends
			FROM entries AS e, jsonb_array_elements(CASE WHEN e.tiers IS NOT NULL THEN e.entry -> 'tiered_pricing' END) AS t
			WINDOW w AS (PARTITION BY e.model ORDER BY (t.value -> e.tiers ->> 0)::numeric)) AS s
		WHERE s.starts > s.ends + CASE s.tiers WHEN 'range' THEN 0 ELSE 1 END
		UNION ALL
		SELECT e.model, 'tiered_pricing', 'a step has no output_cost_per_token, nor has the model: the step below it is used, or output stays unpriced'
		FROM entries AS e
		WHERE e.tiers = 'range' AND NOT e.entry ? 'output_cost_per_token' AND jsonb_path_exists(e.entry -> 'tiered_pricing', '$[*].output_cost_per_token')
			AND jsonb_path_exists(e.entry -> 'tiered_pricing', '$[*] ? (!exists(@.output_cost_per_token))')
		UNION ALL
		SELECT e.model, 'off_peak_pricing.' || j.key, 'unknown member, not imported'
		FROM entries AS e, jsonb_object_keys(e.entry -> 'off_peak_pricing') AS j (key)
		WHERE j.key NOT IN ('hours_utc', 'windows', 'weekday_timezone', 'input_cost_per_token', 'output_cost_per_token', 'output_cost_per_reasoning_token',
			'cache_read_input_token_cost', 'cache_creation_input_token_cost', 'cache_creation_input_token_cost_above_1hr')
		UNION ALL
		SELECT e.model, 'off_peak_pricing', w.problem FROM entries AS e, aiusage.litellm_windows(e.entry -> 'off_peak_pricing') AS w WHERE w.problem IS NOT NULL
		UNION ALL
		SELECT e.model, 'search_context_cost_per_query.' || j.key, CASE WHEN j.key ~ '^search_context_size_(low|medium|high)$'
				THEN 'searches are billed once a prompt, at the price of medium: not imported' ELSE 'unknown context size, not imported' END
		FROM entries AS e, jsonb_each(e.entry -> 'search_context_cost_per_query') AS j
		WHERE j.key !~ '^search_context_size_(low|medium|high)$'
			OR (aiusage.litellm_search_per_prompt(e.provider, e.entry) AND j.value IS DISTINCT FROM e.entry #> '{search_context_cost_per_query,search_context_size_medium}')
		UNION ALL
		SELECT e.model, 'web_search_billing_unit', format('unknown billing unit "%s": searches are imported as if it were not said', e.entry ->> 'web_search_billing_unit')
		FROM entries AS e WHERE e.entry ->> 'web_search_billing_unit' NOT IN ('per_query', 'per_prompt')
		UNION ALL
		SELECT e.model, 'provider_specific_entry.' || j.key, 'not a multiplier of a region or of fast mode: not imported'
		FROM entries AS e, jsonb_each(e.entry -> 'provider_specific_entry') AS j
		WHERE jsonb_typeof(j.value) <> 'number' AND j.key ~ 'cost|price|pricing|uplift|multiplier'
		UNION ALL
		SELECT m.model, m.key, 'what a DBU costs does not follow from it: not imported'
		FROM members AS m WHERE m.key IN ('input_dbu_cost_per_token', 'output_dbu_cost_per_token')
			AND NOT EXISTS (SELECT FROM rates AS r WHERE r.model = m.model AND r.key = m.key)
		UNION ALL
		SELECT o.model, o.key, format('%s prices %s, too, at %s, which is imported', min(o.winner_key), min(o.unit), trim_scale(min(o.winner)))
		FROM offered AS o WHERE o.rate > 0
		GROUP BY o.model, o.component, o.key HAVING NOT bool_or(o.rate = o.winner)
		UNION ALL
		SELECT r.model, r.key, 'a price above a context length, and none below it: usage below stays unpriced'
		FROM all_rates AS r
			LEFT JOIN (SELECT b.model, b.component, bool_or(b.tier IS NULL) AS standard, array_agg(b.tier) AS tiers
				FROM all_rates AS b WHERE b.threshold IS NULL AND NOT b.off_peak GROUP BY 1, 2) AS b ON b.model = r.model AND b.component = r.component
		WHERE r.threshold IS NOT NULL AND r.key <> 'tiered_pricing' AND NOT coalesce(b.standard OR r.tier = ANY (b.tiers), false)
			AND (r.model, r.component) NOT IN (SELECT t.model, c.component
				FROM rates AS t JOIN (VALUES
					('cache_read_input_token_cost', 'input_cost_per_token'), ('cache_creation_input_token_cost', 'input_cost_per_token'),
					('cache_creation_input_token_cost_above_1hr', 'input_cost_per_token'), ('input_cost_per_audio_token', 'input_cost_per_token'),
					('input_cost_per_image_token', 'input_cost_per_token'), ('input_cost_per_video_token', 'input_cost_per_token'),
					('output_cost_per_reasoning_token', 'output_cost_per_token'), ('citation_cost_per_token', 'output_cost_per_token'),
					('output_cost_per_audio_token', 'output_cost_per_token'), ('output_cost_per_image_token', 'output_cost_per_token'),
					('output_cost_per_video_token', 'output_cost_per_token'), ('output_cost_per_token', 'output_cost_per_image_token')) AS c (component, total)
					ON c.total = t.component)
		UNION ALL
		SELECT e.base, e.image_unit, 'images of this size and quality have several prices by format: they are priced by the model''s names with sizes only'
		FROM entries AS e WHERE e.image_unit IS NOT NULL
		GROUP BY e.base, e.image_unit
		HAVING count(DISTINCT aiusage.litellm_image_rate(e.entry, e.image_pixels)) > 1
		UNION ALL
		SELECT s.model, k.key, format('%s has no price: a usage of it stays unpriced', s.total)
		FROM (SELECT r.model, CASE WHEN r.component ~ '^(input_|cache_)' THEN 'input_tokens' ELSE 'output_tokens' END AS total, min(r.key) AS key
			FROM rates AS r
			WHERE r.component ~ '^((input|output)_cost_per_(audio_|image_|video_|reasoning_)token|cache_.*|citation_cost_per_token)$'
			GROUP BY 1, 2
			HAVING NOT bool_or(r.component = 'output_cost_per_image_token')) AS s (model, total, key), LATERAL (SELECT s.key) AS k
		WHERE NOT EXISTS (SELECT FROM rates AS r WHERE r.model = s.model
			AND r.component = CASE s.total WHEN 'input_tokens' THEN 'input_cost_per_token' ELSE 'output_cost_per_token' END)
		UNION ALL
		-- deepseek-chat and deepseek/deepseek-chat: the one that names its provider is meant by both names
		SELECT e.model, NULL, format('all of its names mean "%s", which is imported instead', o.model)
		FROM entries AS e
			JOIN (SELECT x.model, m.value ->> 'equals' AS name FROM names AS x, jsonb_array_elements(x.names) AS m) AS n ON n.name = lower(e.bare)
			JOIN entries AS o ON o.model = n.model AND o.family = e.family
		WHERE e.model NOT IN (SELECT x.model FROM names AS x)
			AND (SELECT jsonb_object_agg(j.key, j.value) FROM jsonb_each(e.entry) AS j WHERE NOT aiusage.litellm_key_is_fact(j.key))
				IS DISTINCT FROM (SELECT jsonb_object_agg(j.key, j.value) FROM jsonb_each(o.entry) AS j WHERE NOT aiusage.litellm_key_is_fact(j.key))
	)
	SELECT coalesce(e.family, catalog #>> ARRAY[f.model, 'litellm_provider']), f.model, f.key, f.problem
	FROM found AS f LEFT JOIN entries AS e ON e.model = f.model
	ORDER BY f.model COLLATE "C", f.key COLLATE "C", f.problem COLLATE "C";
END
$$;
COMMENT ON FUNCTION aiusage.litellm_issues(jsonb) IS 'What a catalogue in the litellm format says of prices that its version will not hold, by model and key';

CREATE FUNCTION aiusage.convert_litellm(catalog jsonb, OUT providers jsonb, OUT issues jsonb[])
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET enable_nestloop = off
AS $$
BEGIN
	PERFORM aiusage.litellm_check(catalog);
	issues := ARRAY(SELECT aiusage.price_issue(i.problem, i.provider, i.model, i.key) FROM aiusage.litellm_issues(catalog) AS i);
	WITH entries AS MATERIALIZED (
		SELECT * FROM aiusage.litellm_entries(catalog)
	), models AS MATERIALIZED (
		SELECT e.family, jsonb_agg(jsonb_build_object('model', e.model, 'match', jsonb_build_object('or', n.names),
			'rules', coalesce(r.rules, '[]')) ORDER BY e.model COLLATE "C") AS list
		FROM entries AS e
			JOIN aiusage.litellm_names(catalog) AS n ON n.model = e.model
			LEFT JOIN aiusage.litellm_rules(catalog) AS r ON r.model = e.model
		GROUP BY e.family
	), aliases AS MATERIALIZED (
		SELECT a.family, jsonb_agg(jsonb_build_object('equals', a.name) ORDER BY a.name COLLATE "C") AS list
		FROM (
			SELECT DISTINCT x.family, lower(x.name) AS name
			FROM (SELECT e.family, n.name FROM entries AS e, LATERAL (VALUES (e.provider), (replace(e.provider, '_', '-')), (replace(e.family, '_', '-'))) AS n (name)
				UNION ALL SELECT p.family, p.name FROM aiusage.litellm_provider_names() AS p) AS x) AS a
		WHERE NOT EXISTS (SELECT FROM entries AS e WHERE lower(e.family) = a.name)
		GROUP BY a.family
	), bare AS MATERIALIZED (
		SELECT e.family, jsonb_agg(DISTINCT jsonb_build_object('equals', lower(e.model))) AS list FROM entries AS e WHERE NOT e.prefixed GROUP BY e.family
	)
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('provider', m.family,
			'match', CASE WHEN a.list IS NOT NULL THEN jsonb_build_object('or', a.list) END,
			'model_match', CASE WHEN b.list IS NOT NULL THEN jsonb_build_object('or', b.list) END,
			'models', m.list)) ORDER BY m.family COLLATE "C")
	INTO providers
	FROM models AS m LEFT JOIN aliases AS a USING (family) LEFT JOIN bare AS b USING (family);
	providers := coalesce(providers, '[]');
END
$$;
COMMENT ON FUNCTION aiusage.convert_litellm(jsonb) IS 'A catalogue in the litellm format (model_prices_and_context_window.json) in the aiusage format, and what could not be represented. Errors: UA422';
