-- The litellm format: what each kind of key becomes, names, and what is reported or refused.
-- Expected amounts are worked out by hand from the catalogue, in the comments.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
SET timezone = 'UTC';
SET datestyle = 'ISO';

INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('litellm', 'list', 'USD'), ('litellm_eur', 'list', 'EUR');
SET client_min_messages = error;	-- the warning names the version
SELECT aiusage.import_prices('litellm', 'litellm', $${
	"sample_spec": {"litellm_provider": "one of many", "input_cost_per_token": "a number", "max_tokens": "a text"},
	"fallback_generalizations": {"rules": [{"name": "r", "pattern": "^x"}]},
	"acme/chat": {"litellm_provider": "acme", "mode": "chat", "max_tokens": 8192, "supports_vision": true, "source": "https://example.com", "metadata": {"notes": "n"},
		"input_cost_per_token": 1.25e-07, "output_cost_per_token": 1e-06, "cache_read_input_token_cost": 2.5e-08,
		"cache_creation_input_token_cost": 1.5e-07, "cache_creation_input_token_cost_above_1hr": 2.5e-07,
		"input_cost_per_audio_token": 4e-06, "output_cost_per_audio_token": 8e-06, "output_cost_per_reasoning_token": 3e-06, "output_cost_per_image_token": 3e-05,
		"input_cost_per_token_batches": 6.25e-08, "output_cost_per_token_batches": 5e-07,
		"input_cost_per_token_flex": 7e-08, "output_cost_per_reasoning_token_flex": 2e-06,
		"input_cost_per_token_priority": 2.5e-07, "output_cost_per_token_priority": 2e-06, "cache_read_input_token_cost_priority": 5e-08,
		"input_cost_per_token_ultrafast": 1e-06},
	"acme/long": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "cache_read_input_token_cost": 1e-07,
		"cache_creation_input_token_cost": 1.25e-06, "cache_creation_input_token_cost_above_1hr": 2e-06,
		"input_cost_per_token_above_200k_tokens": 2e-06, "output_cost_per_token_above_200k_tokens": 3e-06, "cache_read_input_token_cost_above_200k_tokens": 2e-07,
		"cache_creation_input_token_cost_above_200k_tokens": 2.5e-06, "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 4e-06,
		"input_cost_per_token_priority": 4e-06, "input_cost_per_token_above_200k_tokens_priority": 8e-06, "output_cost_per_token_priority": 5e-06,
		"input_cost_per_token_above_200k_tokens_batches": 1e-06, "input_cost_per_token_batches": 5e-07},
	"xai/cliff": {"litellm_provider": "xai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "input_cost_per_token_above_128k_tokens": 2e-06},
	"acme/steps": {"litellm_provider": "acme", "mode": "chat", "output_cost_per_token_above_32k_tokens": 9, "cache_read_input_token_cost": 5e-08, "tiered_pricing": [
		{"range": [32000, 128000], "input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06, "output_cost_per_reasoning_token": 1e-05},
		{"range": [0, 32000], "input_cost_per_token": 1e-06, "output_cost_per_token": 4e-06, "cache_read_input_token_cost": 1e-07},
		{"range": [128000, 1e6], "input_cost_per_token": 3e-06, "output_cost_per_token": 1.2e-05, "cache_read_input_token_cost": 3e-07}]},
	"acme/search": {"litellm_provider": "acme", "mode": "search", "input_cost_per_query": 1, "tiered_pricing": [
		{"max_results_range": [0, 25], "input_cost_per_query": 0.005}, {"max_results_range": [26, 100], "input_cost_per_query": 0.025}]},
	"acme/night": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 2e-06, "output_cost_per_token": 4e-06, "input_cost_per_token_above_32k_tokens": 3e-06,
		"off_peak_pricing": {"input_cost_per_token": 1e-06, "hours_utc": ["16:30-00:30", "04:00-06:00"]}},
	"acme/weekend": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 2e-06, "output_cost_per_token": 4e-06,
		"off_peak_pricing": {"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "weekday_timezone": "Asia/Shanghai",
			"windows": [{"hours_utc": "00:00-00:00", "weekdays": ["Sat", "sunday"]}, {"hours_utc": "14:00-18:00", "weekdays": [1, 2]}]}},
	"acme/residency": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06,
		"regional_processing_uplift_multiplier_eu": 1.1, "regional_processing_uplift_multiplier_us": 1.2},
	"claude-x": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 5e-06, "output_cost_per_token": 2.5e-05, "cache_read_input_token_cost": 5e-07,
		"search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_medium": 0.01, "search_context_size_high": 0.01},
		"provider_specific_entry": {"us": 1.1, "fast": 6}},
	"vertex_ai/claude-x@20260101": {"litellm_provider": "vertex_ai-anthropic_models", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "regional_endpoint_uplift_multiplier": 1.1},
	"gemini-y": {"litellm_provider": "vertex_ai-language-models", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "aliases": ["gemini-y-latest"],
		"search_context_cost_per_query": {"search_context_size_medium": 0.035}, "google_maps_grounding_cost_per_query": 0.025},
	"gemini/gemini-z": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "web_search_billing_unit": "per_query",
		"search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_medium": 0.014, "search_context_size_high": 0.02}},
	"azure/gpt-x": {"litellm_provider": "azure", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06},
	"azure/eu/gpt-x": {"litellm_provider": "azure", "mode": "chat", "input_cost_per_token": 1.1e-06, "output_cost_per_token": 1.1e-06},
	"azure/container": {"litellm_provider": "azure", "mode": "chat", "code_interpreter_cost_per_session": 0.03},
	"anthropic.claude-b-v1:0": {"litellm_provider": "bedrock_converse", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06},
	"eu.anthropic.claude-b-v1:0": {"litellm_provider": "bedrock_converse", "mode": "chat", "input_cost_per_token": 1.2e-06, "output_cost_per_token": 1.2e-06},
	"bedrock/ap-northeast-1/anthropic.claude-b-v1:0": {"litellm_provider": "bedrock", "mode": "chat", "input_cost_per_token": 1.3e-06, "output_cost_per_token": 1.3e-06},
	"bedrock/us-gov-west-1/meta.only-there": {"litellm_provider": "bedrock", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06},
	"bedrock/us-east-1/1-month-commitment/cohere.command": {"litellm_provider": "bedrock", "mode": "chat", "input_cost_per_second": 0.0175, "output_cost_per_second": 0.0175},
	"fireworks_ai/accounts/fireworks/models/llama-z": {"litellm_provider": "fireworks_ai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06},
	"deepseek-q": {"litellm_provider": "deepseek", "mode": "chat", "input_cost_per_token": 9e-06},
	"deepseek/deepseek-q": {"litellm_provider": "deepseek", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "input_cost_per_token_cache_hit": 1e-07},
	"hd/1024-x-1792/dall-e-x": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_pixel": 6.5e-08, "output_cost_per_pixel": 0},
	"standard/1024-x-1024/dall-e-x": {"litellm_provider": "openai", "mode": "image_generation", "output_cost_per_image": 0.04},
	"low/1024-x-1024/gpt-image-x": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_image": 0.011},
	"gpt-image-x": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_token": 5e-06, "input_cost_per_image_token": 1e-05, "cache_read_input_token_cost": 1.25e-06, "output_cost_per_image_token": 4e-05},
	"gemini/image": {"litellm_provider": "gemini", "mode": "image_generation", "output_cost_per_image": 0.13, "output_cost_per_image_512": 0.06, "output_cost_per_image_1K": 0.13, "output_cost_per_image_4K": 0.24, "input_cost_per_image": 0.001},
	"openai/film": {"litellm_provider": "openai", "mode": "video_generation", "output_cost_per_video_per_second": 0.1, "output_cost_per_second": 0.2, "output_cost_per_second_480p": 0.05, "output_cost_per_second_768p": 0.07, "output_cost_per_second_4k": 0.5},
	"whisper-x": {"litellm_provider": "openai", "mode": "audio_transcription", "input_cost_per_second": 0.0001, "output_cost_per_second": 0},
	"acme/misc": {"litellm_provider": "acme", "mode": "ocr", "ocr_cost_per_page": 0.002, "annotation_cost_per_page": 0.003, "ocr_cost_per_page_batches": 0.001, "ocr_cost_per_credit": 0.015,
		"input_cost_per_character": 1e-06, "output_cost_per_character": 2e-06, "input_cost_per_character_above_128k_tokens": 4e-06, "input_cost_per_pixel": 1e-09, "output_cost_per_pixel": 2e-09,
		"input_cost_per_image": 0.001, "output_cost_per_image": 0.002, "input_cost_per_query": 0.01, "input_cost_per_request": 0.005,
		"input_cost_per_audio_per_second": 0.001, "output_cost_per_audio_per_second": 0.002, "input_cost_per_video_per_second": 0.003, "output_cost_per_video_per_second": 0.004,
		"input_cost_per_second": 0.006, "file_search_cost_per_1k_calls": 2.5, "vector_store_cost_per_gb_per_day": 0.1, "code_interpreter_cost_per_session": 0.04, "cost_per_ptu_per_hour": 2,
		"guardrail_cost_per_unit": {"contentPolicyUnits": 0.00015, "topicPolicyUnits": 0.0001}},
	"acme/rerank": {"litellm_provider": "acme", "mode": "rerank", "input_cost_per_query": 0.002},
	"perplexity/deep": {"litellm_provider": "perplexity", "mode": "chat", "input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06, "output_cost_per_reasoning_token": 3e-06, "citation_cost_per_token": 2e-06},
	"databricks/dbu": {"litellm_provider": "databricks", "mode": "chat", "input_cost_per_token": 2.9999900000000002e-06, "input_dbu_cost_per_token": 4.2857e-05, "output_cost_per_token": 0, "output_dbu_cost_per_token": 0},
	"acme/free": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0.0},
	"acme/unpriced": {"litellm_provider": "acme", "mode": "chat", "max_tokens": 4096, "input_cost_per_token": null},
	"acme/audio": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_audio_token": 1e-06},
	"acme/odd": {"litellm_provider": "acme", "mode": "embedding", "input_cost_per_token": 1e-06, "input_cost_per_video_per_second_above_15s_interval": 0.002, "smell_cost_per_sniff": 1, "weather": "fine",
		"computer_use_input_cost_per_1k_tokens": 3, "input_cost_per_token_flex_priority": 1,
		"off_peak_pricing": {"hours_utc": "01:00-02:00", "moon": "full", "input_cost_per_token": 1e-07, "weekday_timezone": "Europe/Berlin", "windows": [{"hours_utc": "03:00-04:00", "weekdays": [1]}]},
		"search_context_cost_per_query": {"search_context_size_huge": 1}},
	"acme/odd-steps": {"litellm_provider": "acme", "tiered_pricing": [{"duration_range": [0, 1], "input_cost_per_second": 1}]},
	"acme/gap": {"litellm_provider": "acme", "tiered_pricing": [{"range": [0, 10], "input_cost_per_token": 1, "colour": "red"}, {"range": [20, 30], "input_cost_per_token": 2, "output_cost_per_token": 3}]}
}$$, '2026-01-01') AS v \gset
RESET client_min_messages;

CREATE FUNCTION ll(model text, usage text, tier text DEFAULT NULL, region text DEFAULT NULL, at timestamptz DEFAULT '2026-10-01 12:00Z', provider text DEFAULT 'litellm') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE cost aiusage.amount;
BEGIN
	cost := aiusage.price_usage(provider, model, usage::aiusage.usage, at, tier, region => region, book => 'litellm');
	RETURN coalesce(cost::text, (SELECT split_part(why, ':', 1) FROM aiusage.explain_price(provider, model, usage::aiusage.usage, at, tier, region => region, book => 'litellm') LIMIT 1));
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;

-- tokens: 700 * 0.125 + 200 * 0.025 + 60 * 0.15 + 40 * 0.25 = 87.5 + 5 + 9 + 10; 60 * 1 + 40 * 3 = 180
SELECT ll('acme/chat', '{"input_tokens": 1000, "cache_read_tokens": 200, "cache_write_tokens": 100, "cache_write_1h_tokens": 40, "output_tokens": 100, "output_reasoning_tokens": 40}') AS "0.0002915",
	-- the written for 5 minutes are written at the price of unspecified ones
	ll('acme/chat', '{"input_tokens": 1000, "cache_write_tokens": 1000, "cache_write_5m_tokens": 1000}') AS "0.00015",
	-- audio is 4; what is cached is at the price of cached text; audio out is 8, image out 30
	ll('acme/chat', '{"input_tokens": 300, "input_audio_tokens": 200, "cache_read_tokens": 100, "cache_audio_read_tokens": 50}') AS "0.00060875",
	ll('acme/chat', '{"output_tokens": 100, "output_audio_tokens": 50, "output_image_tokens": 10, "output_reasoning_tokens": 20, "output_audio_reasoning_tokens": 5, "output_image_reasoning_tokens": 0}') AS "0.000745",
	-- two units overlap: how far has to be said
	ll('acme/chat', '{"input_tokens": 300, "input_audio_tokens": 200, "cache_read_tokens": 100}') AS "UA422",
	-- no price of their own: images in are text
	ll('acme/chat', '{"input_tokens": 1000, "input_image_tokens": 1000}') AS "0.000125";
-- tiers: what they lack is the standard tier's; but reasoning follows the output of the tier where that has one
SELECT tier, ll('acme/chat', '{"input_tokens": 1000000, "output_tokens": 2000000, "output_reasoning_tokens": 1000000}', tier),
	ll('acme/chat', '{"input_tokens": 1000000, "cache_read_tokens": 1000000}', tier) AS cached
FROM unnest('{NULL,standard,batch,flex,priority,fast,ultrafast,scale}'::text[]) AS tier;
-- cliffs: of the tier, else the standard ones; above, not at
SELECT tier, n, ll('acme/long', format('{"input_tokens": %s, "cache_read_tokens": 100000, "cache_write_tokens": 60000, "cache_write_1h_tokens": 10000, "output_tokens": 1000}', n), tier)
FROM unnest('{NULL,priority,batch}'::text[]) AS tier, unnest('{200000,200001}'::int[]) AS n;
SELECT n, ll('xai/cliff', format('{"input_tokens": %s}', n)) FROM unnest('{127999,128000}'::int[]) AS n;
-- steps: (start, end], all of the request; a step without a price for what is cached takes that of its input
SELECT n, ll('acme/steps', format('{"input_tokens": %s, "cache_read_tokens": 10000, "output_tokens": 1000, "output_reasoning_tokens": 500}', n))
FROM unnest('{32000,32001,128000,128001,2000000}'::int[]) AS n;
SELECT n, ll('acme/search', format('{"queries": 2, "search_results": %s}', n)), ll('acme/search', format('{"web_searches": 2, "search_results": %s}', n)) AS searches FROM unnest('{0,25,26,1000}'::int[]) AS n;
-- off-peak: hours of UTC, [start, end), over midnight; the off-peak price has no cliff
SELECT at, ll('acme/night', '{"input_tokens": 1000000, "output_tokens": 1000000}', at => at) FROM unnest('{2026-10-01 16:29:59Z,2026-10-01 16:30Z,2026-10-02 00:29:59Z,2026-10-02 00:30Z,2026-10-02 05:00Z}'::timestamptz[]) AS at;
-- by day of the moment in the zone: 14:00-18:00 UTC on Monday and Tuesday in Shanghai ends Tuesday 16:00Z, begins Sunday 16:00Z
SELECT to_char(at, 'Dy HH24:MI') AS at, ll('acme/weekend', '{"input_tokens": 1000000, "output_tokens": 1000000}', at => at)
FROM unnest('{2026-10-02 15:59Z,2026-10-02 16:00Z,2026-10-04 15:59Z,2026-10-04 16:00Z,2026-10-04 18:00Z,2026-10-05 13:59Z,2026-10-05 14:00Z,2026-10-05 17:59Z,2026-10-06 15:59Z,2026-10-06 16:00Z}'::timestamptz[]) AS at;
-- regions
SELECT region, ll('acme/residency', '{"input_tokens": 1000000}', region => region) AS residency, ll('claude-x', '{"input_tokens": 1000000, "cache_read_tokens": 500000, "web_searches": 1}', region => region) AS geo,
	ll('claude-x', '{"input_tokens": 1000000, "cache_read_tokens": 500000, "web_searches": 1}', 'fast', region) AS geo_fast,
	ll('vertex_ai/claude-x@20260101', '{"input_tokens": 1000000}', region => region) AS endpoint
FROM unnest('{NULL,eu,US,global,us-east5}'::text[]) AS region;
SELECT rule, service_tier, region, multiplier, note FROM aiusage.price_rule WHERE version = :v AND model IN ('acme/residency', 'claude-x', 'vertex_ai/claude-x@20260101') ORDER BY model, rule;
-- searches: by context size, medium when it is not said; once a prompt on Gemini, unless it says per query
SELECT model, unit, ll(model, format('{"%s": 2}', unit)) FROM unnest('{claude-x,vertex_ai/gemini-y,gemini/gemini-z}'::text[]) AS model,
	unnest('{web_searches,web_searches_low_context,web_searches_medium_context,web_searches_high_context,grounded_prompts,maps_queries}'::text[]) AS unit;

-- names
SELECT provider, model, region, ll(model, '{"input_tokens": 1000000}', region => region, provider => provider) FROM (VALUES
	('litellm', 'vertex_ai/claude-x@20260101', NULL), ('vertex_ai', 'claude-x@20260101', NULL), ('vertex_ai-anthropic_models', 'claude-x@20260101', NULL), ('gcp.vertex_ai', 'vertex_ai/claude-x@20260101', NULL),
	('litellm', 'gemini-y', NULL), ('vertex_ai', 'gemini-y-latest', NULL), ('google', 'gemini-z', NULL), ('anthropic', 'CLAUDE-X', NULL), ('litellm', 'claude-x', NULL),
	('azure', 'gpt-x', NULL), ('azure', 'azure/gpt-x', NULL), ('azure.ai.openai', 'gpt-x', 'eu'), ('azure', 'eu/gpt-x', NULL), ('openai', 'gpt-x', NULL),
	('bedrock', 'anthropic.claude-b-v1:0', NULL), ('bedrock_converse', 'us.anthropic.claude-b-v1:0', NULL), ('aws.bedrock', 'eu.anthropic.claude-b-v1:0', NULL), ('bedrock', 'anthropic.claude-b-v1:0', 'ap-northeast-1'),
	('litellm', 'bedrock/ap-northeast-1/anthropic.claude-b-v1:0', NULL), ('bedrock', 'meta.only-there', NULL), ('bedrock', 'meta.only-there', 'us-gov-west-1'),
	('fireworks_ai', 'accounts/fireworks/models/llama-z', NULL), ('fireworks', 'llama-z', NULL), ('deepseek', 'deepseek-q', NULL), ('litellm', 'deepseek-q', NULL), ('sample_spec', 'sample_spec', NULL)
	) AS r (provider, model, region);

-- images: by name and number, by unit, by pixel: 1024 * 1792 * 6.5e-08 = 0.11927552
SELECT ll('hd/1024-x-1792/dall-e-x', '{"output_images": 1}') AS name, ll('openai/dall-e-x', '{"images_1792_hd": 1}') AS unit, ll('hd/1024-x-1792/dall-e-x', '{"output_pixels": 1835008}') AS pixels,
	ll('openai/dall-e-x', '{"images_1024": 2}') AS standard, ll('openai/dall-e-x', '{"images_1536": 2}') AS other,
	ll('gpt-image-x', '{"images_1024_low": 3}') AS low, ll('low/1024-x-1024/gpt-image-x', '{"output_images": 3}') AS low_name;
-- without a price for output tokens they are images; 10 text in at 5, 90 image in at 10 (of them 20 cached at 1.25)
SELECT ll('gpt-image-x', '{"input_tokens": 100, "input_image_tokens": 90, "cache_read_tokens": 20, "cache_image_read_tokens": 20, "output_tokens": 1000, "output_image_tokens": 900}') AS "0.040775";
SELECT unit, ll(model, format('{"%s": 2}', unit)) FROM (VALUES ('gemini/image', '{output_images,images_512,images_1024,images_4k,input_images}'::text[]),
	('openai/film', '{output_video_seconds,video_seconds_480p,video_seconds_768p,video_seconds_4k,video_seconds_2k}'), ('whisper-x', '{audio_seconds}'), ('azure/gpt-x', '{code_sessions}'), ('acme/rerank', '{queries,rerank_searches}'),
	('bedrock/us-east-1/1-month-commitment/cohere.command', '{compute_seconds}')) AS m (model, units), unnest(units) AS unit;
-- each of the rest; a request costs 0.005
SELECT unit, ll('acme/misc', usage) FROM (VALUES ('pages', '{"input_document_pages": 10, "input_annotated_document_pages": 4}'), ('credits', '{"credits": 1.5}'), ('characters', '{"input_characters": 1000, "output_characters": 1000}'),
	('pixels', '{"input_pixels": 1000000, "output_pixels": 1000000}'), ('images', '{"input_images": 1, "output_images": 1}'), ('queries', '{"queries": 1}'), ('requests', '{}'), ('requests', '{"requests": 3}'),
	('audio', '{"audio_seconds": 3, "input_audio_seconds": 2, "output_audio_seconds": 1}'), ('video', '{"input_video_seconds": 2, "output_video_seconds": 1}'), ('compute', '{"compute_seconds": 1.5}'),
	('files', '{"file_searches": 2}'), ('storage', '{"storage_gb_days": 3}'), ('code', '{"code_sessions": 1}'), ('reserved', '{"provisioned_unit_hours": 1}'),
	('guardrails', '{"guardrail_content_policy_units": 2, "guardrail_topic_policy_units": 1}'), ('guardrails', '{"guardrail_units": 1}')) AS u (unit, usage);
SELECT ll('acme/misc', '{"input_document_pages": 10}', 'batch') AS batch_pages, ll('perplexity/deep', '{"input_tokens": 10, "output_tokens": 100, "output_citation_tokens": 50, "output_reasoning_tokens": 20}') AS "0.00042",
	ll('databricks/dbu', '{"input_tokens": 1000000}') AS tokens, ll('databricks/dbu', '{"input_dbu": 42857}') AS "2999.99...";
-- zero is a price, absence is none
SELECT ll('acme/free', '{"input_tokens": 5}') AS free, ll('acme/unpriced', '{"input_tokens": 5}') AS unpriced, ll('acme/audio', '{"input_tokens": 5, "input_audio_tokens": 5}') AS audio, ll('acme/chat', '{"queries": 1}') AS queries;

-- what is not there
SELECT provider, model, key, problem FROM aiusage.price_import_issue WHERE version = :v ORDER BY issue;
-- the same again makes no version; what is exported comes back the same
SELECT count(*) AS models, count(DISTINCT provider) AS providers FROM aiusage.price_model WHERE version = :v;
SELECT aiusage.import_prices('litellm', 'aiusage', aiusage.export_prices(:v), '2026-01-01') = :v AS same;

-- refused, naming provider, model and key, with nothing half imported
CREATE FUNCTION ll_refused(catalog jsonb, book text DEFAULT 'litellm') RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text;
BEGIN
	PERFORM aiusage.import_prices(book, 'litellm', catalog, '2026-01-01');
	RETURN 'imported';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, d);
END $$;
SELECT c, ll_refused(c) FROM unnest(ARRAY['[]', '"x"', '{}', '{"sample_spec": {}}', '{"m": 1}', '{"m": {}}', '{"m": {"litellm_provider": 5}}', '{"": {"litellm_provider": "p"}}', '{"m": {"litellm_provider": ""}}', '{"m": {"litellm_provider": "p", "mode": 1}}']::jsonb[]) AS c;
SELECT ll_refused(jsonb_build_object(repeat('m', 257), '{"litellm_provider": "p"}'::jsonb));
SELECT k, ll_refused(jsonb_build_object('p/m', jsonb_build_object('litellm_provider', 'p', 'mode', 'chat', 'output_cost_per_token', 1) || k)) FROM unnest(ARRAY['{"input_cost_per_token": "NaN"}', '{"input_cost_per_token": "3e-7"}', '{"input_cost_per_token": -1e-9}',
	'{"cache_read_input_token_cost_above_200k_tokens_priority": true}', '{"input_cost_per_token_flex": [1]}', '{"input_cost_per_image": 1e7}', '{"input_cost_per_token": 1e-25}', '{"input_dbu_cost_per_token": "x"}',
	'{"regional_processing_uplift_multiplier_eu": "1.1"}', '{"regional_endpoint_uplift_multiplier": -1}', '{"provider_specific_entry": {"fast": 1.23456}}', '{"provider_specific_entry": 5}',
	'{"guardrail_cost_per_unit": {"a": "b"}}', '{"guardrail_cost_per_unit": -1}', '{"search_context_cost_per_query": 5}', '{"search_context_cost_per_query": {"search_context_size_low": "x"}}',
	'{"tiered_pricing": {}}', '{"tiered_pricing": [1]}', '{"tiered_pricing": [{"range": [0], "input_cost_per_token": 1}]}', '{"tiered_pricing": [{"range": [5, 5], "input_cost_per_token": 1}]}', '{"tiered_pricing": [{"range": [0, "5"], "input_cost_per_token": 1}]}',
	'{"tiered_pricing": [{"range": [0, 5], "input_cost_per_token": -1}]}', '{"off_peak_pricing": []}', '{"off_peak_pricing": {}}', '{"off_peak_pricing": {"hours_utc": "25:00-01:00"}}', '{"off_peak_pricing": {"hours_utc": 5}}', '{"off_peak_pricing": {"windows": "x"}}',
	'{"off_peak_pricing": {"windows": [null]}}', '{"off_peak_pricing": {"windows": [{"weekdays": [1]}]}}', '{"off_peak_pricing": {"windows": [{"hours_utc": "01:00-02:00", "weekdays": [0]}]}}', '{"off_peak_pricing": {"windows": [{"hours_utc": "01:00-02:00", "weekdays": ["Mo"]}]}}',
	'{"off_peak_pricing": {"hours_utc": "01:00-02:00", "weekday_timezone": "Mars"}}', '{"off_peak_pricing": {"hours_utc": "01:00-02:00", "input_cost_per_token": "x"}}', '{"aliases": "x"}', '{"aliases": [1]}']::jsonb[]) AS k;
SELECT ll_refused('{"p/m": {"litellm_provider": "p", "input_cost_per_token": 1}}', 'litellm_eur');
SELECT count(*) AS versions FROM aiusage.price_version WHERE book IN ('litellm', 'litellm_eur');
DROP FUNCTION ll, ll_refused;
