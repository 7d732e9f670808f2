/* The litellm format: from the keys of a model to sets of prices by unit. */

/*
 * Every price of the catalogue that has a unit.  threshold: above it (of
 * metric; inclusive: at it, too) the rate applies; per: what the rate is for, NULL: one; off_peak: it
 * replaces the component's rates while an off-peak window is open.
 */
CREATE FUNCTION aiusage.litellm_rates(catalog jsonb)
	RETURNS TABLE (model text, mode text, component text, threshold numeric, metric text, inclusive boolean, tier text, off_peak boolean,
		rate numeric, per numeric, key text)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET enable_nestloop = off
AS $$
BEGIN
	RETURN QUERY
	WITH entries AS MATERIALIZED (
		SELECT * FROM aiusage.litellm_entries(catalog)
	), members AS MATERIALIZED (
		SELECT e.model, e.mode, e.family = 'xai' AS inclusive, j.key, j.value
		FROM entries AS e, jsonb_each(e.entry) AS j
		WHERE jsonb_typeof(j.value) = 'number' AND NOT aiusage.litellm_key_is_fact(j.key)
	), keys AS MATERIALIZED (
		SELECT k.key, p.component, p.threshold, p.tier
		FROM (SELECT DISTINCT m.key FROM members AS m) AS k, aiusage.litellm_key(k.key) AS p
	), priced AS MATERIALIZED (
		SELECT c.component, c.mode
		FROM (SELECT DISTINCT k.component, m.mode FROM members AS m JOIN keys AS k USING (key)) AS c
		WHERE EXISTS (SELECT FROM aiusage.litellm_units(c.component, c.mode))
	), flat AS MATERIALIZED (
		-- input_cost_per_token_cache_hit is an older name, and yields to the newer one
		SELECT DISTINCT ON (m.model, k.component, k.threshold, k.tier)
			m.model, m.mode, k.component, k.threshold, m.inclusive, k.tier, m.value::numeric AS rate, m.key
		FROM members AS m
			JOIN keys AS k USING (key)
			JOIN priced AS p ON p.component = k.component AND p.mode IS NOT DISTINCT FROM m.mode
		ORDER BY m.model, k.component, k.threshold, k.tier, m.key = 'input_cost_per_token_cache_hit', m.key
	), steps AS MATERIALIZED (
		SELECT e.model, e.mode, t.value AS step, r.kind, r.starts,
			lag(r.ends) OVER w AS previous, row_number() OVER w = 1 AS first
		FROM entries AS e,
			jsonb_array_elements(e.entry -> 'tiered_pricing') WITH ORDINALITY AS t (value, n),
			LATERAL (SELECT CASE WHEN t.value ? 'range' THEN 'range' ELSE 'max_results_range' END AS kind,
				(coalesce(t.value -> 'range', t.value -> 'max_results_range') ->> 0)::numeric AS starts,
				(coalesce(t.value -> 'range', t.value -> 'max_results_range') ->> 1)::numeric AS ends) AS r
		WHERE aiusage.litellm_tiers_kind(e.entry -> 'tiered_pricing') IS NOT NULL
		WINDOW w AS (PARTITION BY e.model ORDER BY r.starts, t.n)
	), stepped AS MATERIALIZED (
		-- what the ranges of a model price: what any of them names, and what LiteLLM then takes from the model no more
		SELECT s.model, c.component, c.otherwise, c.then_otherwise, bool_or(s.step ? c.component) AS named
		FROM steps AS s, (VALUES
			('range', 'input_cost_per_token', NULL, NULL),
			('range', 'output_cost_per_token', NULL, NULL),
			('range', 'output_cost_per_reasoning_token', 'output_cost_per_token', NULL),
			('range', 'cache_read_input_token_cost', 'input_cost_per_token', NULL),
			('range', 'cache_creation_input_token_cost', 'input_cost_per_token', NULL),
			('range', 'cache_creation_input_token_cost_above_1hr', 'cache_creation_input_token_cost', 'input_cost_per_token'),
			('max_results_range', 'input_cost_per_query', NULL, NULL)) AS c (kind, component, otherwise, then_otherwise)
		WHERE c.kind = s.kind
		GROUP BY 1, 2, 3, 4
		HAVING c.component <> 'output_cost_per_token' OR bool_or(s.step ? c.component)
	)
	SELECT f.model, f.mode, f.component, f.threshold, CASE WHEN f.threshold IS NOT NULL THEN 'input_tokens' END,
		f.threshold IS NOT NULL AND f.inclusive, f.tier, false, f.rate, NULL::numeric, f.key
	FROM flat AS f
	WHERE NOT EXISTS (SELECT FROM stepped AS s WHERE s.model = f.model AND s.component = f.component)
	UNION ALL
	SELECT s.model, s.mode, c.component, CASE WHEN NOT s.first THEN
				CASE s.kind WHEN 'range' THEN greatest(s.starts, s.previous) ELSE s.previous END END,
		CASE WHEN NOT s.first THEN CASE s.kind WHEN 'range' THEN 'input_tokens' ELSE 'search_results' END END, false, NULL, false,
		coalesce((s.step ->> c.component)::numeric, (s.step ->> c.otherwise)::numeric, (s.step ->> c.then_otherwise)::numeric, f.rate), NULL, 'tiered_pricing'
	FROM steps AS s
		JOIN stepped AS c ON c.model = s.model AND c.named
		LEFT JOIN flat AS f ON f.model = s.model AND f.component = 'output_cost_per_token' AND f.threshold IS NULL AND f.tier IS NULL
			AND c.component IN ('output_cost_per_token', 'output_cost_per_reasoning_token')
	WHERE coalesce((s.step ->> c.component)::numeric, (s.step ->> c.otherwise)::numeric, (s.step ->> c.then_otherwise)::numeric, f.rate) IS NOT NULL
	UNION ALL
	-- the count of results chooses the price of a query; it costs nothing by itself
	SELECT DISTINCT s.model, s.mode, 'unit:search_results', NULL::numeric, NULL, false, NULL, false, 0::numeric, NULL::numeric, 'tiered_pricing'
	FROM steps AS s WHERE s.kind = 'max_results_range'
	UNION ALL
	SELECT e.model, e.mode, j.key, NULL, NULL, false, NULL, true, j.value::numeric, NULL, 'off_peak_pricing'
	FROM entries AS e, jsonb_each(e.entry -> 'off_peak_pricing') AS j
	WHERE j.key IN ('input_cost_per_token', 'output_cost_per_token', 'output_cost_per_reasoning_token', 'cache_read_input_token_cost',
			'cache_creation_input_token_cost', 'cache_creation_input_token_cost_above_1hr') AND jsonb_typeof(j.value) = 'number'
	UNION ALL
	SELECT e.model, e.mode, CASE WHEN aiusage.litellm_search_per_prompt(e.provider, e.entry) THEN 'search_per_prompt' ELSE j.key END,
		NULL, NULL, false, NULL, false, j.value::numeric, NULL, 'search_context_cost_per_query'
	FROM entries AS e, jsonb_each(e.entry -> 'search_context_cost_per_query') AS j
	WHERE jsonb_typeof(j.value) = 'number'
		AND (CASE WHEN aiusage.litellm_search_per_prompt(e.provider, e.entry) THEN j.key = 'search_context_size_medium'
			ELSE j.key IN ('search_context_size_low', 'search_context_size_medium', 'search_context_size_high') END)
	UNION ALL
	SELECT e.model, e.mode, 'unit:' || aiusage.litellm_guardrail_unit(j.key), NULL, NULL, false, NULL, false, j.value::numeric, NULL, 'guardrail_cost_per_unit'
	FROM entries AS e, jsonb_each(CASE jsonb_typeof(e.entry -> 'guardrail_cost_per_unit') WHEN 'object' THEN e.entry -> 'guardrail_cost_per_unit' END) AS j
	UNION ALL
	SELECT e.model, e.mode, 'guardrail_cost_per_unit', NULL, NULL, false, NULL, false, min(j.value::numeric), NULL, 'guardrail_cost_per_unit'
	FROM entries AS e, jsonb_each(CASE jsonb_typeof(e.entry -> 'guardrail_cost_per_unit') WHEN 'object' THEN e.entry -> 'guardrail_cost_per_unit' END) AS j
	GROUP BY e.model, e.mode HAVING min(j.value::numeric) = max(j.value::numeric)
	UNION ALL
	-- money for a token, DBUs for a token: money for a DBU
	SELECT e.model, e.mode, 'unit:' || d.unit, NULL, NULL, false, NULL, false,
		(e.entry ->> d.money)::numeric * 10::numeric ^ greatest(scale(d.dbus) - 6, 0), d.dbus * 10::numeric ^ greatest(scale(d.dbus) - 6, 0), d.key
	FROM entries AS e, LATERAL (VALUES
			('input_dbu', 'input_cost_per_token', 'input_dbu_cost_per_token', trim_scale((e.entry ->> 'input_dbu_cost_per_token')::numeric)),
			('output_dbu', 'output_cost_per_token', 'output_dbu_cost_per_token', trim_scale((e.entry ->> 'output_dbu_cost_per_token')::numeric))) AS d (unit, money, key, dbus)
	WHERE d.dbus > 0 AND jsonb_typeof(e.entry -> d.money) = 'number'
	UNION ALL
	-- images by size and quality, which the catalogue has as models of their own
	SELECT e.base, max(b.mode), 'unit:' || e.image_unit, NULL, NULL, false, NULL, false, min(p.rate), NULL, 'images'
	FROM entries AS e
		JOIN entries AS b ON b.model = e.base,
		LATERAL (SELECT aiusage.litellm_image_rate(e.entry, e.image_pixels) AS rate) AS p
	WHERE e.image_unit IS NOT NULL AND p.rate IS NOT NULL
	GROUP BY e.base, e.image_unit HAVING min(p.rate) = max(p.rate)
	UNION ALL
	SELECT e.model, e.mode, 'unit:output_images', NULL, NULL, false, NULL, false, aiusage.litellm_image_rate(e.entry, e.image_pixels), NULL, 'images'
	FROM entries AS e
	WHERE e.image_unit IS NOT NULL AND NOT e.entry ?| '{input_cost_per_image,output_cost_per_image}'
		AND aiusage.litellm_image_rate(e.entry, e.image_pixels) IS NOT NULL
	UNION ALL
	-- sessions of the code interpreter, which the catalogue has as the provider's model "container"
	SELECT e.model, e.mode, 'code_interpreter_cost_per_session', NULL, NULL, false, NULL, false, (c.entry ->> 'code_interpreter_cost_per_session')::numeric, NULL, c.model
	FROM entries AS c JOIN entries AS e ON e.family = c.family
	WHERE c.bare = 'container' AND jsonb_typeof(c.entry -> 'code_interpreter_cost_per_session') = 'number'
		AND e.mode IN ('chat', 'responses') AND NOT e.entry ? 'code_interpreter_cost_per_session';
END
$$;
COMMENT ON FUNCTION aiusage.litellm_rates(jsonb) IS 'Every price of a catalogue in the litellm format that a unit of usage corresponds to: component, threshold, service tier and rate';

/* Prices of the tool calls of a request: once a prompt, however many searches? */
CREATE FUNCTION aiusage.litellm_search_per_prompt(provider text, entry jsonb) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE
		WHEN (entry OPERATOR(pg_catalog.->>) 'web_search_billing_unit') OPERATOR(pg_catalog.=) 'per_query' THEN false
		WHEN (entry OPERATOR(pg_catalog.->>) 'web_search_billing_unit') OPERATOR(pg_catalog.=) 'per_prompt' THEN true
		ELSE provider OPERATOR(pg_catalog.~) '^(gemini|vertex_ai|vertex_ai-(language|image|vision)-models)$' END;
COMMENT ON FUNCTION aiusage.litellm_search_per_prompt(text, jsonb) IS 'Does a model of the litellm format bill searches once a prompt? As it says; else Gemini''s do';

CREATE FUNCTION aiusage.litellm_guardrail_unit(counter text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN pg_catalog.concat('guardrail_', pg_catalog.regexp_replace(pg_catalog.lower(pg_catalog.regexp_replace(counter, '([a-z0-9])([A-Z])', '\1_\2', 'g')), '[^a-z0-9]+', '_', 'g'));
COMMENT ON FUNCTION aiusage.litellm_guardrail_unit(text) IS 'The unit of a provider''s counter of guardrail units: guardrail_content_policy_units of contentPolicyUnits';

/* What an image costs: LiteLLM bills per image, else per pixel of the image; NULL: not said. */
CREATE FUNCTION aiusage.litellm_image_rate(entry jsonb, pixels numeric) RETURNS numeric
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	per_image numeric := coalesce((entry ->> 'output_cost_per_image')::numeric, (entry ->> 'input_cost_per_image')::numeric);
	per_pixel numeric := coalesce(nullif((entry ->> 'input_cost_per_pixel')::numeric, 0), (entry ->> 'output_cost_per_pixel')::numeric,
		(entry ->> 'input_cost_per_pixel')::numeric);
BEGIN
	RETURN coalesce(per_image, per_pixel * pixels);
END
$$;
COMMENT ON FUNCTION aiusage.litellm_image_rate(jsonb, numeric) IS 'What one image of so many pixels costs by an entry of the litellm format; NULL when it does not say';

/* Which kind of ranges tiered_pricing has: range, max_results_range; NULL: none that is known. */
CREATE FUNCTION aiusage.litellm_tiers_kind(tiers jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN tiers IS NULL OR jsonb_typeof(tiers) <> 'array' OR jsonb_array_length(tiers) = 0 THEN NULL
		WHEN NOT EXISTS (SELECT FROM jsonb_array_elements(tiers) AS t WHERE NOT t.value ?& '{range,input_cost_per_token}') THEN 'range'
		WHEN NOT EXISTS (SELECT FROM jsonb_array_elements(tiers) AS t WHERE NOT t.value ?& '{max_results_range,input_cost_per_query}') THEN 'max_results_range'
	END;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_tiers_kind(jsonb) IS 'Which ranges the steps of tiered_pricing of the litellm format have: range (of input tokens) or max_results_range; NULL: none, or of another kind';

/*
 * Complete sets of prices: one a model, service tier and time (off-peak or
 * not).  A tier has the standard tier's price where it has none of its own, as
 * LiteLLM bills it; but reasoning then follows the tier's own output price.
 * An off-peak price replaces those of its component at any context length.
 *
 * LiteLLM bills cached tokens at the cache rate whatever their modality, and
 * reasoning at the reasoning rate.  So where a set prices two units that
 * overlap, and not the overlap, this gets the price that LiteLLM bills it at;
 * and what is not priced between two priced units, that of its total, which
 * changes no amount.
 */
CREATE FUNCTION aiusage.litellm_price_sets(catalog jsonb)
	RETURNS TABLE (model text, tier text, factor numeric, off_peak boolean, unit text, threshold numeric, metric text,
		inclusive boolean, rate numeric, per numeric, uplifted boolean)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET enable_nestloop = off
AS $$
BEGIN
	RETURN QUERY
	WITH rates AS MATERIALIZED (
		SELECT * FROM aiusage.litellm_rates(catalog)
	), fast AS MATERIALIZED (
		SELECT e.key AS model, (e.value #>> '{provider_specific_entry,fast}')::numeric AS factor
		FROM jsonb_each(catalog) AS e
		WHERE jsonb_typeof(e.value #> '{provider_specific_entry,fast}') = 'number' AND e.key <> 'sample_spec'
	), tiers AS MATERIALIZED (	-- tier: as it is asked for; source: whose keys it has
		SELECT DISTINCT r.model, NULL AS tier, NULL AS source, 1::numeric AS factor FROM rates AS r
		UNION ALL
		SELECT DISTINCT r.model, r.tier, r.tier, 1 FROM rates AS r WHERE r.tier IS NOT NULL
		UNION ALL
		SELECT DISTINCT r.model, 'fast', 'priority', 1 FROM rates AS r WHERE r.tier = 'priority' AND NOT EXISTS (SELECT FROM fast AS f WHERE f.model = r.model)
		UNION ALL
		SELECT f.model, 'fast', NULL, f.factor FROM fast AS f
	), off AS MATERIALIZED (
		SELECT DISTINCT r.model, r.component FROM rates AS r WHERE r.off_peak
	), sets AS MATERIALIZED (
		SELECT row_number() OVER () AS id, t.*
		FROM (SELECT t.*, false AS off_peak FROM tiers AS t
			UNION ALL
			SELECT t.*, true FROM tiers AS t WHERE t.model IN (SELECT o.model FROM off AS o)) AS t
	), output AS MATERIALIZED (	-- tiers with an output price of their own, where reasoning has none of its own
		SELECT r.model, r.tier FROM rates AS r
		WHERE r.tier IS NOT NULL AND r.threshold IS NULL AND r.component IN ('output_cost_per_token', 'output_cost_per_reasoning_token')
		GROUP BY r.model, r.tier HAVING max(r.component) = 'output_cost_per_token' AND min(r.component) = 'output_cost_per_token'
	), chosen AS MATERIALIZED (
		SELECT DISTINCT ON (s.id, r.component, r.threshold) s.id, r.mode, r.component, r.threshold, r.metric, r.inclusive, r.rate, r.per
		FROM sets AS s
			JOIN rates AS r ON r.model = s.model
			LEFT JOIN off ON off.model = r.model AND off.component = r.component
			LEFT JOIN output AS o ON o.model = s.model AND o.tier = s.source
		WHERE (r.tier IS NULL OR r.tier = s.source)
			AND (s.off_peak OR NOT r.off_peak)
			AND (NOT s.off_peak OR r.off_peak OR off.model IS NULL)
			AND (r.component <> 'output_cost_per_reasoning_token' OR r.off_peak OR o.model IS NULL)
		ORDER BY s.id, r.component, r.threshold, r.tier NULLS LAST
	), units AS MATERIALIZED (
		SELECT c.component, c.mode, u.* FROM (SELECT DISTINCT ch.component, ch.mode FROM chosen AS ch) AS c, aiusage.litellm_units(c.component, c.mode) AS u
	), offered AS MATERIALIZED (
		SELECT c.*, u.unit, u.per AS stored_per, u.preference, u.uplifted, bool_or(c.rate > 0) OVER (PARTITION BY c.id, u.unit, c.component) AS positive
		FROM chosen AS c JOIN units AS u ON u.component = c.component AND u.mode IS NOT DISTINCT FROM c.mode
	), winners AS MATERIALIZED (
		SELECT o.*, rank() OVER (PARTITION BY o.id, o.unit ORDER BY o.positive DESC, o.preference, o.component) AS place FROM offered AS o
	), offer AS MATERIALIZED (
		SELECT w.id, w.unit, w.threshold, w.metric, w.inclusive,
			CASE WHEN w.per IS NOT NULL OR w.component LIKE '%\_per\_1k\_%' THEN w.rate ELSE w.rate * w.stored_per END AS rate,
			coalesce(w.per, w.stored_per) AS per, w.uplifted
		FROM winners AS w WHERE w.place = 1
	), lone AS MATERIALIZED (	-- priced above a context length only: a part costs what its total does below
		SELECT o.id, o.unit, d.source, min(o.threshold) AS lowest
		FROM offer AS o JOIN aiusage.litellm_derived_units() AS d ON d.kind = 'below' AND d.unit = o.unit
		GROUP BY o.id, o.unit, d.source HAVING bool_and(o.threshold IS NOT NULL)
	), below AS MATERIALIZED (
		SELECT * FROM offer
		UNION ALL
		SELECT o.id, l.unit, o.threshold, o.metric, o.inclusive, o.rate, o.per, o.uplifted
		FROM lone AS l JOIN offer AS o ON o.id = l.id AND o.unit = l.source AND coalesce(o.threshold < l.lowest, true)
		WHERE l.unit <> 'cache_write_1h_tokens'
	), priced AS MATERIALIZED (	-- 1-hour writes last, what writes do
		SELECT * FROM below
		UNION ALL
		SELECT o.id, l.unit, o.threshold, o.metric, o.inclusive, o.rate, o.per, o.uplifted
		FROM lone AS l JOIN below AS o ON o.id = l.id AND o.unit = l.source AND coalesce(o.threshold < l.lowest, true)
		WHERE l.unit = 'cache_write_1h_tokens'
			AND (l.source = 'cache_write_tokens' OR NOT EXISTS (SELECT FROM offer AS w WHERE w.id = l.id AND w.unit = 'cache_write_tokens'))
	), have AS MATERIALIZED (
		SELECT p.id, array_agg(DISTINCT p.unit) AS units FROM priced AS p GROUP BY p.id
	), totals AS MATERIALIZED (
		SELECT p.id, d.unit, p.threshold, p.metric, p.inclusive, p.rate, p.per, p.uplifted
		FROM (
			SELECT DISTINCT h.id, d.unit, d.source
			FROM have AS h, aiusage.litellm_derived_units() AS d
			WHERE d.kind = 'total' AND h.units && d.parts AND NOT d.unit = ANY (h.units) AND d.source = ANY (h.units)) AS d
			JOIN priced AS p ON p.id = d.id AND p.unit = d.source
	), complete AS MATERIALIZED (
		SELECT * FROM priced UNION ALL SELECT * FROM totals
	), have_now AS MATERIALIZED (
		SELECT c.id, array_agg(DISTINCT c.unit) AS units FROM complete AS c GROUP BY c.id
	), joins AS MATERIALIZED (
		SELECT c.id, d.unit, c.threshold, c.metric, c.inclusive, c.rate, c.per, c.uplifted
		FROM have_now AS h
			CROSS JOIN aiusage.litellm_derived_units() AS d
			JOIN complete AS c ON c.id = h.id AND c.unit = d.source
		WHERE d.kind = 'overlap' AND h.units @> d.parts AND NOT d.unit = ANY (h.units)
	)
	SELECT s.model, s.tier, s.factor, s.off_peak, c.unit, c.threshold, c.metric, c.inclusive, c.rate, c.per, c.uplifted
	FROM sets AS s JOIN (SELECT * FROM complete UNION ALL SELECT * FROM joins) AS c ON c.id = s.id;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_price_sets(jsonb) IS 'Sets of prices by unit of a catalogue in the litellm format: one a model, service tier (NULL: standard) and off-peak or not; factor multiplies what is uplifted';

/* Units that get the price of another one: a total that is missing between priced units, an overlap of two of them, a part below its first cliff. */
CREATE FUNCTION aiusage.litellm_derived_units()
	RETURNS TABLE (kind text, unit text, parts text[], source text)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	-- any of the parts is priced
	SELECT v.* FROM (VALUES
		('total', 'output_tokens', '{output_image_tokens}'::text[], 'output_image_tokens'),
		('total', 'cache_read_tokens', '{cache_audio_read_tokens,cache_image_read_tokens,cache_video_read_tokens}', 'input_tokens'),
		('total', 'cache_write_tokens', '{cache_write_1h_tokens,cache_audio_write_tokens,cache_image_write_tokens,cache_video_write_tokens}', 'input_tokens'),
		('total', 'input_document_pages', '{input_annotated_document_pages}', 'input_annotated_document_pages')) AS v
	UNION ALL
	SELECT 'total', format('input_%s_tokens', m), ARRAY[format('cache_%s_read_tokens', m), format('cache_%s_write_tokens', m)], 'input_tokens'
	FROM unnest('{audio,image,video}'::text[]) AS m
	UNION ALL
	SELECT 'below', v.unit, '{}', v.source FROM (VALUES
		('cache_read_tokens', 'input_tokens'), ('cache_write_tokens', 'input_tokens'),
		('cache_write_1h_tokens', 'cache_write_tokens'), ('cache_write_1h_tokens', 'input_tokens'),
		('output_reasoning_tokens', 'output_tokens'), ('output_citation_tokens', 'output_tokens'), ('output_tokens', 'output_image_tokens')) AS v (unit, source)
	UNION ALL
	SELECT 'below', format('%s_%s_tokens', d, m), '{}', d || '_tokens' FROM unnest('{input,output}'::text[]) AS d, unnest('{audio,image,video}'::text[]) AS m
	UNION ALL
	-- all of the parts are priced
	SELECT 'overlap', replace(v.unit, '*', m), ARRAY[v.source, replace(v.other, '*', m)], v.source
	FROM unnest('{audio,image,video}'::text[]) AS m, (VALUES
		('cache_*_read_tokens', 'cache_read_tokens', 'input_*_tokens'),
		('cache_*_write_tokens', 'cache_write_tokens', 'input_*_tokens'),
		('cache_*_write_1h_tokens', 'cache_write_1h_tokens', 'input_*_tokens'),
		('output_*_reasoning_tokens', 'output_reasoning_tokens', 'output_*_tokens'),
		('output_*_citation_tokens', 'output_citation_tokens', 'output_*_tokens')) AS v (unit, source, other);
END
$$;
COMMENT ON FUNCTION aiusage.litellm_derived_units() IS 'Units that an import of the litellm format prices like another one (source): totals that are missing when any of the parts is priced, overlaps when all are, parts below the context length from which on they have a price';
