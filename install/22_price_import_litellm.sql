/*
 * The litellm format: LiteLLM's model_prices_and_context_window.json.
 *
 * An object: model -> {"litellm_provider", "mode", price keys, facts about the
 * model}.  A price key is a component, with a context length above which it
 * applies and a service tier behind it:
 *
 *     cache_read_input_token_cost _above_200k_tokens _priority
 *
 * The conversion is made in steps, each a function that returns rows, so that
 * a catalogue of thousands of models is a handful of joins:
 *
 *     litellm_entries   the models, and what their names say
 *     litellm_rates     every price as (component, threshold, tier, rate)
 *     litellm_price_sets  complete sets of prices by unit, one a service tier,
 *                       with what LiteLLM takes from the standard tier, and
 *                       with prices where two priced units overlap
 *     litellm_rules     the sets with their conditions
 *     litellm_names     the names a model goes by
 *     litellm_issues    what has no counterpart
 *
 * A key is either about prices, and then it is converted, or known to say
 * nothing about prices, or reported.
 */

/* What a key says: its component, above which context length, for which service tier (NULL: the standard one). */
CREATE FUNCTION aiusage.litellm_key(key text, OUT component text, OUT threshold numeric, OUT tier text)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part text[];
BEGIN
	component := key;
	part := regexp_match(component, '^(.+)_above_(\d{1,9})(k?)_tokens(_.+)?$');
	IF part IS NOT NULL THEN
		threshold := part[2]::numeric * CASE part[3] WHEN 'k' THEN 1000 ELSE 1 END;
		component := part[1] || coalesce(part[4], '');
	END IF;
	part := regexp_match(component, '^(.+)_(batches|batch_requests|flex|priority|ultrafast)$');
	IF part IS NOT NULL THEN
		component := part[1];
		tier := CASE WHEN part[2] LIKE 'batch%' THEN 'batch' ELSE part[2] END;
	END IF;
	component := CASE component WHEN 'input_cost_per_token_cache_hit' THEN 'cache_read_input_token_cost' ELSE component END;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_key(text) IS 'Component, context length above which it applies (tokens; NULL: the base price) and service tier (NULL: standard) of a price key of the litellm format';

/*
 * The units that a component prices.  A rate of the catalogue is for one of
 * the unit; a stored rate is for `per`.  Of two components that price the same
 * unit one that is not zero wins, then the one with the lower preference.
 * uplifted: a regional multiplier applies to it.
 */
CREATE FUNCTION aiusage.litellm_units(component text, mode text)
	RETURNS TABLE (unit text, per bigint, preference int, uplifted boolean)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part text[];
BEGIN
	IF component LIKE 'unit:%' THEN		-- made by litellm_rates, not a key of the catalogue
		RETURN QUERY SELECT substr(component, 6), 1::bigint, 0, false;
		RETURN;
	END IF;
	part := regexp_match(component, '^output_cost_per_(?:video_per_)?second_(\d{3,4}p|[248]k)$');
	IF part IS NOT NULL THEN
		RETURN QUERY SELECT 'video_seconds_' || part[1], 1::bigint, 0, true;
		RETURN;
	END IF;
	part := regexp_match(component, '^output_cost_per_image_(\d{3,4}|0\.5K|[1248]K)$');
	IF part IS NOT NULL THEN
		RETURN QUERY SELECT 'images_' || CASE part[1] WHEN '0.5K' THEN '512' WHEN '1K' THEN '1024' ELSE lower(part[1]) END, 1::bigint, 0, true;
		RETURN;
	END IF;
	RETURN QUERY
	SELECT v.unit, v.per, v.preference, v.uplifted
	FROM (VALUES
		-- tokens
		('input_cost_per_token', NULL, 'input_tokens', 1000000::bigint, 0, true),
		('cache_read_input_token_cost', NULL, 'cache_read_tokens', 1000000, 0, true),
		('cache_creation_input_token_cost', NULL, 'cache_write_tokens', 1000000, 0, true),
		('cache_creation_input_token_cost_above_1hr', NULL, 'cache_write_1h_tokens', 1000000, 0, true),
		('input_cost_per_audio_token', NULL, 'input_audio_tokens', 1000000, 0, true),
		('input_cost_per_image_token', NULL, 'input_image_tokens', 1000000, 0, true),
		('input_cost_per_video_token', NULL, 'input_video_tokens', 1000000, 0, true),
		('cache_read_input_audio_token_cost', NULL, 'cache_audio_read_tokens', 1000000, 0, true),
		('cache_read_input_image_token_cost', NULL, 'cache_image_read_tokens', 1000000, 0, true),
		('cache_read_input_video_token_cost', NULL, 'cache_video_read_tokens', 1000000, 0, true),
		('cache_creation_input_audio_token_cost', NULL, 'cache_audio_write_tokens', 1000000, 0, true),
		('cache_creation_input_image_token_cost', NULL, 'cache_image_write_tokens', 1000000, 0, true),
		('cache_creation_input_video_token_cost', NULL, 'cache_video_write_tokens', 1000000, 0, true),
		('output_cost_per_token', NULL, 'output_tokens', 1000000, 0, true),
		('output_cost_per_reasoning_token', NULL, 'output_reasoning_tokens', 1000000, 0, true),
		('citation_cost_per_token', NULL, 'output_citation_tokens', 1000000, 0, true),
		('output_cost_per_audio_token', NULL, 'output_audio_tokens', 1000000, 0, true),
		('output_cost_per_image_token', NULL, 'output_image_tokens', 1000000, 0, true),
		('output_cost_per_video_token', NULL, 'output_video_tokens', 1000000, 0, true),
		-- characters, pictures, pages
		('input_cost_per_character', NULL, 'input_characters', 1000000, 0, true),
		('output_cost_per_character', NULL, 'output_characters', 1000000, 0, true),
		('input_cost_per_image', NULL, 'input_images', 1, 0, true),
		('input_cost_per_image', '^image_', 'output_images', 1, 2, true),
		('output_cost_per_image', NULL, 'output_images', 1, 0, true),
		('input_cost_per_pixel', NULL, 'input_pixels', 1000000000, 0, true),
		('input_cost_per_pixel', '^image_', 'output_pixels', 1000000000, 2, true),
		('output_cost_per_pixel', NULL, 'output_pixels', 1000000000, 0, true),
		('ocr_cost_per_page', NULL, 'input_document_pages', 1, 0, true),
		('annotation_cost_per_page', NULL, 'input_annotated_document_pages', 1, 0, true),
		('ocr_cost_per_credit', NULL, 'credits', 1, 0, true),
		-- seconds: of sound, of film, of a machine
		('input_cost_per_second', '^(audio_|realtime)', 'audio_seconds', 1, 1, true),
		('output_cost_per_second', '^(audio_|realtime)', 'audio_seconds', 1, 0, true),
		('input_cost_per_second', '^video_', 'input_video_seconds', 1, 1, true),
		('output_cost_per_second', '^video_', 'output_video_seconds', 1, 1, true),
		('input_cost_per_second', '^(?!audio_|realtime|video_)', 'compute_seconds', 1, 0, true),
		('output_cost_per_second', '^(?!audio_|realtime|video_)', 'compute_seconds', 1, 1, true),
		('input_cost_per_audio_per_second', NULL, 'audio_seconds', 1, 2, true),
		('input_cost_per_audio_per_second', NULL, 'input_audio_seconds', 1, 0, true),
		('output_cost_per_audio_per_second', NULL, 'audio_seconds', 1, 3, true),
		('output_cost_per_audio_per_second', NULL, 'output_audio_seconds', 1, 0, true),
		('input_cost_per_video_per_second', NULL, 'input_video_seconds', 1, 0, true),
		('output_cost_per_video_per_second', NULL, 'output_video_seconds', 1, 0, true),
		('cost_per_ptu_per_hour', NULL, 'provisioned_unit_hours', 1, 0, false),
		-- requests, queries, tools
		('input_cost_per_request', NULL, 'requests', 1, 0, true),
		('output_cost_per_request', NULL, 'requests', 1, 1, true),
		('input_cost_per_query', NULL, 'queries', 1, 0, true),
		('input_cost_per_query', '^rerank', 'rerank_searches', 1, 0, true),
		('input_cost_per_query', '^search', 'web_searches', 1, 1, true),
		('search_context_size_low', NULL, 'web_searches_low_context', 1, 0, false),
		('search_context_size_medium', NULL, 'web_searches_medium_context', 1, 0, false),
		('search_context_size_medium', NULL, 'web_searches', 1, 0, false),
		('search_context_size_high', NULL, 'web_searches_high_context', 1, 0, false),
		('search_per_prompt', NULL, 'grounded_prompts', 1, 0, false),
		('google_maps_grounding_cost_per_query', NULL, 'maps_queries', 1, 0, false),
		('file_search_cost_per_1k_calls', NULL, 'file_searches', 1000, 0, false),
		('file_search_cost_per_gb_per_day', NULL, 'storage_gb_days', 1, 0, false),
		('vector_store_cost_per_gb_per_day', NULL, 'storage_gb_days', 1, 1, false),
		('code_interpreter_cost_per_session', NULL, 'code_sessions', 1, 0, false),
		('guardrail_cost_per_unit', NULL, 'guardrail_units', 1, 0, false)
	) AS v (component, modes, unit, per, preference, uplifted)
	WHERE v.component = litellm_units.component AND coalesce(litellm_units.mode, '') ~ coalesce(v.modes, '');
END
$$;
COMMENT ON FUNCTION aiusage.litellm_units(text, text) IS 'Units that a price component of the litellm format prices in a model of that mode, and the quantity the stored rate is for; no row: the component is not known';

/* Keys that say nothing about prices. */
CREATE FUNCTION aiusage.litellm_key_is_fact(key text) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN (key OPERATOR(pg_catalog.~) '^(supports|supported)_|^max_|^(litellm_provider|mode|source|comment|_comment|metadata|key|aliases|rpm|tpm|rpd|deprecation_date|output_vector_size|default_reasoning_effort|reasoning_effort_levels|thinking_always_on|prompt_cache_min_tokens|tool_use_system_prompt_tokens|use_openai_responses_path|uses_embed_content|audio_transcription_config|gemini_audio_only_live|gemini_native_audio|vertex_ai_audio_api|multi_vendor|bedrock_output_config_effort_ceiling|bedrock_converse_supports_strict_tools|web_search_billing_unit)$');
COMMENT ON FUNCTION aiusage.litellm_key_is_fact(text) IS 'Is it a key of the litellm format that says nothing about prices (or, web_search_billing_unit, how another one is meant)?';

/* The provider whose models a litellm_provider's are: vertex_ai-anthropic_models are vertex_ai's. */
CREATE FUNCTION aiusage.litellm_family(provider text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE
		WHEN provider OPERATOR(pg_catalog.~) '^vertex_ai(-|_beta$)' THEN 'vertex_ai'
		WHEN provider OPERATOR(pg_catalog.~) '^[a-z0-9_]+-[a-z0-9_-]*models$' THEN pg_catalog.regexp_replace(provider, '-.*$', '')
		WHEN provider OPERATOR(pg_catalog.~) '^text-completion-.' THEN pg_catalog.substr(provider, 17)
		WHEN provider OPERATOR(pg_catalog.=) 'bedrock_converse' THEN 'bedrock'
		WHEN provider OPERATOR(pg_catalog.=) 'azure_text' THEN 'azure'
		WHEN provider OPERATOR(pg_catalog.=) 'cohere_chat' THEN 'cohere'
		ELSE provider END;
COMMENT ON FUNCTION aiusage.litellm_family(text) IS 'The provider that a litellm_provider belongs to: vertex_ai of vertex_ai-anthropic_models, bedrock of bedrock_converse';

/*
 * The models, with what their names say: the name without the provider before
 * it; the region of bedrock/us-east-1/... and azure/eu/...; unit and pixels of
 * the images of hd/1024-x-1792/dall-e-3.  `base` is the model without region
 * or size; where the catalogue does not have it, it is made up (entry NULL),
 * to hold the prices by region and by image unit.
 */
CREATE FUNCTION aiusage.litellm_entries(catalog jsonb)
	RETURNS TABLE (model text, provider text, family text, bare text, prefixed boolean, mode text, entry jsonb,
		region text, base text, image_unit text, image_pixels numeric)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
BEGIN
	RETURN QUERY
	WITH named AS MATERIALIZED (
		SELECT e.key AS model, e.value ->> 'litellm_provider' AS provider, aiusage.litellm_family(e.value ->> 'litellm_provider') AS family,
			e.value ->> 'mode' AS mode, jsonb_strip_nulls(e.value) AS entry
		FROM jsonb_each(catalog) AS e
		WHERE e.key NOT IN ('sample_spec', 'fallback_generalizations')
	), prefix AS MATERIALIZED (
		SELECT n.*, position('/' IN n.model) > 1
			AND replace(split_part(n.model, '/', 1), '-', '_') IN (replace(n.provider, '-', '_'), replace(n.family, '-', '_')) AS prefixed
		FROM named AS n
	), bared AS MATERIALIZED (
		SELECT p.*, CASE WHEN p.prefixed THEN substr(p.model, position('/' IN p.model) + 1) ELSE p.model END AS bare FROM prefix AS p
	), parsed AS MATERIALIZED (
		SELECT b.*,
			regexp_match(b.bare, CASE b.family
				WHEN 'bedrock' THEN '^([a-z]{2}(?:-[a-z]+)+-\d)/([^/]+)$'
				WHEN 'azure' THEN '^(eu|us|global)/([^/]+)$' END) AS regional,
			regexp_match(b.bare, '^(?:(standard|hd|low|medium|high|xhigh)/)?(\d{2,5})-x-(\d{2,5})/(?!\d+-steps/|max-steps/)(.+)$') AS sized
		FROM bared AS b
	), sides AS MATERIALIZED (
		SELECT p.*, coalesce(p.regional[2], p.sized[4]) AS base_name, greatest(p.sized[2]::int, p.sized[3]::int) AS side FROM parsed AS p
	), bases AS MATERIALIZED (	-- (family, name) -> model; a name with the provider before it is meant first
		SELECT DISTINCT ON (b.family, lower(b.bare)) b.family, lower(b.bare) AS name, b.model
		FROM bared AS b ORDER BY b.family, lower(b.bare), b.prefixed DESC, b.model
	)
	SELECT s.model, s.provider, s.family, s.bare, s.prefixed, s.mode, s.entry, s.regional[1],
		CASE WHEN s.base_name IS NOT NULL THEN coalesce(b.model, s.family || '/' || s.base_name) END,
		'images_' || CASE s.side WHEN 2048 THEN '2k' WHEN 4096 THEN '4k' ELSE s.side::text END
			|| CASE WHEN s.sized[1] <> 'standard' THEN '_' || s.sized[1] ELSE '' END,
		s.sized[2]::numeric * s.sized[3]::numeric
	FROM sides AS s LEFT JOIN bases AS b ON b.family = s.family AND b.name = lower(s.base_name)
	UNION ALL
	SELECT s.family || '/' || s.base_name, s.family, s.family, s.base_name, true, max(s.mode), NULL, NULL, NULL, NULL, NULL
	FROM sides AS s
	WHERE s.base_name IS NOT NULL AND NOT EXISTS (SELECT FROM bases AS b WHERE b.family = s.family AND b.name = lower(s.base_name))
	GROUP BY s.family, s.base_name;
END
$$;
COMMENT ON FUNCTION aiusage.litellm_entries(jsonb) IS 'The models of a catalogue in the litellm format, with provider, name without it, and what a name says of region and image size';
