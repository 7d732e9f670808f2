-- extract_usage(): what a provider's body says was used.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
RESET client_min_messages;
SET search_path = public, aiusage;

-- one flavor after the other, each with what its provider sends -----------------------------------------------------

CREATE TEMP TABLE body (n int GENERATED ALWAYS AS IDENTITY, provider text, flavor text, body jsonb);
INSERT INTO body (provider, flavor, body) VALUES
	('openai', 'chat', '{"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-2024-08-06", "service_tier": "default",
		"choices": [{"index": 0, "message": {"role": "assistant", "content": "forty-two"}, "finish_reason": "stop"}],
		"usage": {"prompt_tokens": 4740, "completion_tokens": 255, "total_tokens": 4995,
			"prompt_tokens_details": {"cached_tokens": 4096, "audio_tokens": 10},
			"completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0, "accepted_prediction_tokens": 5, "rejected_prediction_tokens": 0}}}'),
	('openai', 'completions', '{"id": "cmpl-1", "model": "gpt-3.5-turbo-instruct", "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}'),
	('openai', 'responses', '{"id": "resp_1", "object": "response", "model": "gpt-5", "status": "completed", "service_tier": "flex",
		"usage": {"input_tokens": 90, "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 3}, "output_tokens": 40,
			"output_tokens_details": {"reasoning_tokens": 32}, "total_tokens": 130}}'),
	('openai', 'embeddings', '{"object": "list", "model": "text-embedding-3-small", "data": [{"embedding": [0.25, 0.5]}], "usage": {"prompt_tokens": 8, "total_tokens": 8}}'),
	('openai', 'images', '{"created": 1, "data": [{"b64_json": "AAAA"}], "usage": {"input_tokens": 50, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}, "output_tokens": 4160, "total_tokens": 4210}}'),
	('openai', 'images_count', '{"created": 1, "data": [{"url": "https://example.com/1"}, {"url": "https://example.com/2"}]}'),
	('openai', 'transcriptions', '{"text": "hello", "usage": {"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 0, "audio_tokens": 14}, "output_tokens": 45, "total_tokens": 59}}'),
	('openai', 'transcriptions', '{"text": "hello", "usage": {"type": "duration", "seconds": 27}}'),
	('openai', 'transcriptions_verbose', '{"task": "transcribe", "duration": 8.470000267028809, "text": "hello", "segments": [{"id": 0, "tokens": [50364, 440], "start": 0.0}]}'),
	('openai', 'speech', '{"type": "speech.audio.done", "usage": {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}}'),
	('openai', 'realtime', '{"type": "response.done", "event_id": "event_1", "response": {"id": "resp_2", "usage": {"total_tokens": 275, "input_tokens": 127, "output_tokens": 148,
		"input_token_details": {"cached_tokens": 64, "text_tokens": 119, "audio_tokens": 8, "cached_tokens_details": {"text_tokens": 60, "audio_tokens": 4}},
		"output_token_details": {"text_tokens": 36, "audio_tokens": 112}}}}'),
	('azure', 'chat', '{"id": "chatcmpl-2", "model": "gpt-4o-mini", "prompt_filter_results": [{"prompt_index": 0}], "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}}'),
	('anthropic', 'messages', '{"id": "msg_1", "type": "message", "model": "claude-sonnet-4-5", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn",
		"usage": {"input_tokens": 5, "cache_creation_input_tokens": 4735, "cache_read_input_tokens": 100, "output_tokens": 255, "service_tier": "standard",
			"cache_creation": {"ephemeral_5m_input_tokens": 735, "ephemeral_1h_input_tokens": 4000},
			"server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1}, "output_tokens_details": {"thinking_tokens": 50}}}'),
	('aws', 'anthropic', '{"id": "msg_2", "model": "claude-haiku-4-5", "usage": {"input_tokens": 5, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 0, "output_tokens": 2,
		"cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15}}}'),
	('aws', 'converse', '{"usage": {"inputTokens": 22, "outputTokens": 13, "totalTokens": 2627, "cacheReadInputTokens": 100, "cacheWriteInputTokens": 2492,
		"cacheDetails": [{"ttl": "1h", "inputTokens": 2000}, {"ttl": "5m", "inputTokens": 492}]}, "metrics": {"latencyMs": 1551}, "serviceTier": {"type": "priority"}}'),
	('aws', 'default', '{"usage": {"inputTokens": 22, "outputTokens": 13, "totalTokens": 35, "cacheDetails": [{"ttl": "1h", "inputTokens": 7}]}}'),
	('aws', 'nova', '{"output": {"message": {"content": [{"text": "hi"}]}}, "usage": {"inputTokens": 4, "outputTokens": 9, "totalTokens": 20, "cacheReadInputTokenCount": 5, "cacheWriteInputTokenCount": 2}}'),
	('aws', 'llama', '{"generation": "hi", "prompt_token_count": 15, "generation_token_count": 9, "stop_reason": "stop"}'),
	('aws', 'titan', '{"inputTextTokenCount": 5, "results": [{"tokenCount": 20, "outputText": "a"}, {"tokenCount": 22, "outputText": "b"}]}'),
	('aws', 'titan', '{"inputTextTokenCount": 7, "embedding": [0.25, 0.5]}'),
	('aws', 'invoke_headers', '{"Content-Type": "application/json", "X-Amzn-RequestId": "req-1", "X-Amzn-Bedrock-Input-Token-Count": "14", "x-amzn-bedrock-output-token-count": "36",
		"X-Amzn-Bedrock-Cache-Read-Input-Token-Count": "6", "Set-Cookie": "session=12345", "X-Other-Count": "17"}'),
	('aws', 'invoke_metrics', '{"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 14, "outputTokenCount": 36, "invocationLatency": 926, "firstByteLatency": 500}}'),
	('google', 'generate_content', '{"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP", "tokenCount": 3}], "modelVersion": "gemini-2.5-pro", "responseId": "abc",
		"usageMetadata": {"promptTokenCount": 300, "cachedContentTokenCount": 100, "candidatesTokenCount": 30, "thoughtsTokenCount": 12, "toolUsePromptTokenCount": 8, "totalTokenCount": 350,
			"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 40}, {"modality": "IMAGE", "tokenCount": 200}, {"modality": "DOCUMENT", "tokenCount": 60}],
			"cacheTokensDetails": [{"modality": "IMAGE", "tokenCount": 100}], "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 30}],
			"toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 8}], "trafficType": "ON_DEMAND"}}'),
	('google', 'live', '{"serverContent": {"turnComplete": true}, "usageMetadata": {"promptTokenCount": 19, "responseTokenCount": 35, "totalTokenCount": 54,
		"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 19}], "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 35}]}}'),
	('cohere', 'default', '{"id": "c-1", "message": {"content": [{"text": "hi"}]}, "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 8}, "tokens": {"input_tokens": 71, "output_tokens": 8}}}'),
	('cohere', 'tokens', '{"id": "c-1", "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 8, "search_units": 1}, "tokens": {"input_tokens": 71, "output_tokens": 8}, "cached_tokens": 16}}'),
	('cohere', 'chat_v1', '{"response_id": "r-1", "text": "hi", "meta": {"billed_units": {"input_tokens": 5, "output_tokens": 8}}}'),
	('cohere', 'embeddings', '{"id": "e-1", "meta": {"billed_units": {"input_tokens": 12, "image_tokens": 0}}}'),
	('cohere', 'rerank', '{"id": "k-1", "results": [{"index": 1, "relevance_score": 0.9}], "meta": {"billed_units": {"search_units": 2}}}'),
	('mistral', 'chat', '{"id": "m-1", "model": "mistral-large-latest", "usage": {"prompt_tokens": 16, "completion_tokens": 34, "total_tokens": 50}}'),
	('mistral', 'transcriptions', '{"model": "voxtral-mini-latest", "text": "hi", "usage": {"prompt_audio_seconds": 203, "prompt_tokens": 4, "completion_tokens": 635, "total_tokens": 3264}}'),
	('mistral', 'ocr', '{"model": "mistral-ocr-latest", "pages": [{"index": 0, "markdown": "hi"}], "usage_info": {"pages_processed": 29, "doc_size_bytes": 3002783}}'),
	('mistral', 'ocr_annotated', '{"model": "mistral-ocr-latest", "usage_info": {"pages_processed": 3, "doc_size_bytes": null}}'),
	('deepseek', 'chat', '{"id": "d-1", "model": "deepseek-chat", "usage": {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109, "prompt_tokens_details": {"cached_tokens": 64}, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}}'),
	('deepseek', 'chat', '{"id": "d-2", "model": "deepseek-chat", "usage": {"prompt_tokens": 100, "completion_tokens": 9, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}}'),
	('moonshotai', 'chat', '{"id": "k-2", "model": "kimi-k2", "usage": {"prompt_tokens": 100, "completion_tokens": 9, "cached_tokens": 32}}'),
	('x-ai', 'chat', '{"id": "x-1", "model": "grok-4", "usage": {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 180, "prompt_tokens_details": {"text_tokens": 32, "image_tokens": 0, "cached_tokens": 6},
		"completion_tokens_details": {"reasoning_tokens": 139, "accepted_prediction_tokens": 0}, "num_sources_used": 0, "cost_in_usd_ticks": 9400000}}'),
	('x-ai', 'chat', '{"id": "x-2", "model": "grok-3", "usage": {"prompt_tokens": 32, "completion_tokens": 9, "num_sources_used": 7}}'),
	('x-ai', 'responses', '{"id": "x-3", "model": "grok-4", "usage": {"input_tokens": 9212, "input_tokens_details": {"cached_tokens": 3072}, "output_tokens": 3417, "output_tokens_details": {"reasoning_tokens": 3041},
		"total_tokens": 12629, "num_server_side_tools_used": 3, "cost_in_usd_ticks": 318319000,
		"server_side_tool_usage_details": {"web_search_calls": 1, "x_search_calls": 2, "file_search_calls": 3, "document_search_calls": 4, "mcp_calls": 0, "image_generation_calls": 1}}}'),
	('x-ai', 'realtime', '{"type": "response.done", "usage": {"input_tokens": 10, "output_tokens": 20, "billable_audio_seconds": 3.5, "input_text_messages": 1}}'),
	('groq', 'chat', '{"id": "g-1", "model": "llama-3.3-70b-versatile", "x_groq": {"id": "req_1"}, "usage": {"queue_time": 0.03, "prompt_tokens": 18, "prompt_time": 0.001, "completion_tokens": 5, "completion_time": 0.02, "total_tokens": 23, "total_time": 0.021}}'),
	('groq', 'transcriptions', '{"task": "transcribe", "duration": 3.5, "text": "hi", "x_groq": {"id": "req_2"}}'),
	('openrouter', 'chat', '{"id": "gen-1", "model": "openai/gpt-5-mini", "provider": "OpenAI", "usage": {"prompt_tokens": 73, "completion_tokens": 162, "total_tokens": 235, "cost": 0.00034225, "is_byok": false,
		"cost_details": {"upstream_inference_cost": 0.00034225, "upstream_inference_prompt_cost": 0.00001825}, "prompt_tokens_details": {"cached_tokens": 0, "video_tokens": 0}, "completion_tokens_details": {"image_tokens": 3}}}'),
	('perplexity', 'chat', '{"id": "p-1", "model": "sonar-deep-research", "usage": {"prompt_tokens": 33, "completion_tokens": 100, "total_tokens": 133, "citation_tokens": 20, "num_search_queries": 2, "reasoning_tokens": 50,
		"search_context_size": "low", "cost": {"input_tokens_cost": 0.00007, "output_tokens_cost": 0.0008, "total_cost": 0.01087}}}'),
	('cloudflare', 'default', '{"result": {"model": "@cf/meta/llama-3.1-8b-instruct", "response": "hi", "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}}, "success": true}'),
	('cursor', 'usage-event', '{"timestamp": "1750979225854", "model": "claude-4.5-sonnet", "tokenUsage": {"inputTokens": 126, "outputTokens": 450, "cacheWriteTokens": 6112, "cacheReadTokens": 11964, "totalCents": 20.18232}}'),
	('voyageai', 'embeddings', '{"object": "list", "model": "voyage-3", "usage": {"total_tokens": 10}}'),
	('ollama', NULL, '{"model": "llama3.2", "response": "hi", "done": true, "context": [1, 2, 3], "total_duration": 4883583458, "prompt_eval_count": 26, "eval_count": 290}'),
	('openai-compatible', 'chat', '{"id": "v-1", "model": "our-own", "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}'),
	('together', 'chat', '{"id": "t-1", "model": "meta-llama/Llama-3.3-70B-Instruct-Turbo", "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}');
\x on
SELECT b.provider, b.flavor, e.* FROM body AS b, extract_usage(b.provider, b.flavor, b.body) AS e ORDER BY n;
\x off

-- Every flavor has a table that compiles, and counts something.
SELECT count(DISTINCT (provider, flavor)) > 140 AS flavors,
	count(DISTINCT (provider, flavor)) = count(DISTINCT (provider, flavor)) FILTER (WHERE kind = 'unit') AS all_count FROM extractors();
SELECT root, path, kind, unit, required FROM extractors() WHERE provider = 'deepseek' AND flavor = 'chat' LIMIT 6;
-- totals are inclusive: what is a part of a total and reported beside it is added to it
SELECT e.usage -> 'input_tokens' AS input, e.usage -> 'cache_read_tokens' AS read, e.usage -> 'cache_write_tokens' AS written
FROM extract_usage('anthropic', NULL, '{"usage": {"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 300, "output_tokens": 0}}') AS e;

-- names ----------------------------------------------------------------------------------------------------------------

SELECT name, flavor, (SELECT e.usage FROM extract_usage(name, flavor, '{"usage": {"inputTokens": 1, "outputTokens": 2, "input_tokens": 3, "output_tokens": 4, "prompt_tokens": 5, "completion_tokens": 6, "completion_tokens_details": {"reasoning_tokens": 7}}, "usageMetadata": {"promptTokenCount": 8}}') AS e) AS found
FROM (VALUES ('Anthropic', NULL), (' bedrock', NULL), ('amazon-bedrock', NULL), ('vertex_ai', NULL), ('GEMINI', 'default'), ('mistralai', NULL), ('moonshot', 'chat'),
	('xai', 'chat'), ('huggingface/groq', NULL), ('huggingface_together', 'chat'), ('cerebras-cloud', 'chat'), ('openai-eu', 'chat'), ('together_ai', 'chat')) AS n (name, flavor);
SELECT * FROM extract_usage('nobody', 'chat', '{}');
SELECT * FROM extract_usage('', 'chat', '{}');
SELECT * FROM extract_usage('openai', 'chatt', '{}');
SELECT * FROM extract_usage('openai', NULL, '{}');
SELECT * FROM extract_usage(NULL, 'chat', '{}');
SELECT * FROM extract_usage(repeat('x', 100), 'chat', '{}');
SELECT * FROM extract_usage('sk-proj-abcdefghijklmnop1234567890ABCDEFGH', 'chat', '{}');
SELECT * FROM extract_usage('openai', 'sk-proj-abcdefghijklmnop1234567890ABCDEFGH', '{}');

-- bodies without usage ---------------------------------------------------------------------------------------------------

SELECT * FROM extract_usage('openai', 'chat', '{"id": "chatcmpl-9", "model": "gpt-4o", "usage": null}');
SELECT * FROM extract_usage('openai', 'chat', '{"error": {"message": "the prompt was: hello", "code": 400}}');
SELECT * FROM extract_usage('google', NULL, '{"usageMetadata": {}}');
SELECT * FROM extract_usage('openai', 'chat', NULL);
SELECT * FROM extract_usage('openai', 'chat', '[]');
SELECT * FROM extract_usage('openai', 'chat', '"my secret prompt"');
SELECT * FROM extract_usage('openai', 'chat', '{"usage": "my secret prompt"}');
SELECT * FROM extract_usage('openai', 'chat', '{"usage": []}');
SELECT * FROM extract_usage('openai', 'realtime', '{"response": {"usage": 5}}');
SELECT * FROM extract_usage('openai', 'realtime', '{"response": 5}');

-- usage that is none --------------------------------------------------------------------------------------------------------

SELECT * FROM extract_usage('openai', 'chat', '{"usage": {"input_tokens": 5, "output_tokens": 7}}');
SELECT * FROM extract_usage('openai', 'chat', '{"usage": {"prompt_tokens": 5, "completion_tokens": null}}');
SELECT * FROM extract_usage('openai', 'chat', '{"usage": {"prompt_tokens": "my secret prompt", "completion_tokens": 5}}');
SELECT * FROM extract_usage('openai', 'chat', '{"usage": {"prompt_tokens": -5, "completion_tokens": 5}}');
SELECT * FROM extract_usage('openai', 'chat', '{"usage": {"prompt_tokens": 5, "completion_tokens": 5.5}}');
SELECT * FROM extract_usage('openai', 'chat', '{"usage": {"prompt_tokens": 1e400, "completion_tokens": 5}}');
SELECT * FROM extract_usage('openai', 'chat', '{"usage": {"prompt_tokens": 1e30, "completion_tokens": 5}}');
SELECT * FROM extract_usage('anthropic', NULL, '{"usage": {"input_tokens": 9e29, "cache_read_input_tokens": 9e29, "output_tokens": 1}}');
SELECT * FROM extract_usage('aws', 'titan', '{"inputTextTokenCount": 1, "results": [{"tokenCount": 9e29}, {"tokenCount": 9e29}]}');
-- at the limit; 5.0 and 1e3 are whole
SELECT usage FROM extract_usage('openai', 'chat', '{"usage": {"prompt_tokens": 999999999999999999999999999999, "completion_tokens": 5.0, "prompt_tokens_details": {"cached_tokens": 1e3}}}');
-- what contradicts itself is returned as it was sent: pricing says so
SELECT usage FROM extract_usage('openai', 'chat', '{"usage": {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 5000}}}');
-- seconds have six decimals
SELECT usage FROM extract_usage('openai', 'transcriptions', '{"usage": {"seconds": 1.0000005}}');

-- unknown counters ---------------------------------------------------------------------------------------------------------------

SELECT jsonb_pretty(unknown) AS unknown FROM extract_usage('openai', 'chat', '{"usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12,
	"new_tokens": 3, "zero": 0, "text": "my secret prompt", "yes": true, "nothing": null, "time": 0.0172348931234567,
	"minus": -4, "huge": 1e100, "prompt_tokens_details": {"cached_tokens": "5", "audio_tokens": [5], "image_tokens": 0, "video_tokens": 2, "other": {"a": [1, {"b": 2}, "c"]}},
	"completion_tokens_details": 9, "my secret prompt": 1, "another": {"secret prompt": {"x": 2}}, "sk-proj-abcdefghijklmnop1234567890ABCDEFGH": 5, "": 6,
	"umläute": 7, "empty": {}, "list": []}}');
SELECT unknown FROM extract_usage('google', NULL, '{"usageMetadata": {"promptTokenCount": 5, "promptTokensDetails": [{"modality": "text", "tokenCount": 1}, {"modality": "TEXT", "tokenCount": 2},
	{"modality": "SMELL", "tokenCount": 3}, {"tokenCount": 4}, 5, "my secret prompt", {"modality": "AUDIO", "tokenCount": "6", "billed": 7}], "cacheTokensDetails": {"modality": "TEXT", "tokenCount": 8}}}');
-- a header that is no number; of other headers nothing is said
SELECT usage, unknown FROM extract_usage('aws', 'invoke_headers', '{"x-amzn-bedrock-input-token-count": "14", "x-amzn-bedrock-output-token-count": "lots", "x-amzn-bedrock-cache-read-input-token-count": "-1", "authorization": "secret", "x-count": 5}');
SELECT usage, unknown FROM extract_usage('aws', 'invoke_headers', '{"x-amzn-bedrock-input-token-count": "secret"}');
-- many, and deep ones, in a bounded answer
SELECT (SELECT count(*) FROM jsonb_object_keys(e.unknown)) AS kept, e.unknown -> '...' AS more, e.usage
FROM extract_usage('openai', 'chat', jsonb_build_object('usage', (SELECT jsonb_object_agg('unknown_' || i, i) FROM generate_series(1, 1000) AS i)
	|| '{"prompt_tokens": 1, "completion_tokens": 2}')) AS e;
SELECT unknown, usage FROM extract_usage('openai', 'chat', ('{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "deep": ' || repeat('{"a":', 1000) || '7' || repeat('}', 1000) || '}}')::jsonb);
SELECT unknown, usage FROM extract_usage('openai', 'chat', ('{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "deep": ' || repeat('[', 1000) || '7' || repeat(']', 1000) || '}}')::jsonb);
SELECT unknown, usage FROM extract_usage('openai', 'chat', ('{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "' || repeat('a', 60) || '": {"' || repeat('b', 60) || '": {"' || repeat('c', 60) || '": 1}}}}')::jsonb);

-- labels -------------------------------------------------------------------------------------------------------------------------------

SELECT model, response_id, service_tier, unknown FROM extract_usage('openai', 'chat', jsonb_build_object('model', repeat('m', 256), 'id', repeat('i', 257), 'service_tier', 5,
	'usage', '{"prompt_tokens": 1, "completion_tokens": 2}'::jsonb));
SELECT model, response_id, service_tier, unknown FROM extract_usage('openai', 'chat', '{"model": "sk-proj-abcdefghijklmnop1234567890ABCDEFGH", "id": "", "service_tier": {"a": 1}, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}');
-- a cost that is none is no reason to lose the usage
SELECT usage, provider_cost, unknown FROM extract_usage('openrouter', 'chat', '{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "cost": -1}}');
SELECT usage, provider_cost, unknown FROM extract_usage('openrouter', 'chat', '{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "cost": 1e300}}');
SELECT usage, provider_cost, unknown FROM extract_usage('openrouter', 'chat', '{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "cost": "free"}}');
SELECT provider_cost FROM extract_usage('openrouter', 'chat', '{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.0000000000025}}');

-- Many flavors in one statement: a call site remembers the last.
SELECT b.provider, count(*) FROM generate_series(1, 3) AS i, body AS b, extract_usage(b.provider, b.flavor, b.body) AS e
WHERE e.usage IS NOT NULL GROUP BY 1 HAVING count(*) % 3 <> 0;

-- Anybody who may use the schema may call it: it reads nothing but its arguments.
CREATE ROLE extract_anybody;
GRANT USAGE ON SCHEMA aiusage TO extract_anybody;
SET ROLE extract_anybody;
SELECT usage FROM aiusage.extract_usage('typesafe', 'default', '{"usage": {"input_tokens": 1, "output_tokens": 2}}');
RESET ROLE;
REVOKE USAGE ON SCHEMA aiusage FROM extract_anybody;
DROP ROLE extract_anybody;
