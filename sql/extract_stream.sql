-- merge_stream(): what a stream used, from its chunks, also when it broke off.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
RESET client_min_messages;
SET search_path = public, aiusage;

CREATE TEMP TABLE stream (name text, provider text, flavor text, chunks jsonb[]);
INSERT INTO stream VALUES
-- OpenAI: the usage in a last chunk of its own
('openai', 'openai', 'chat', ARRAY[
	'{"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-4o-2024-08-06", "service_tier": "default", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}], "usage": null}',
	'{"id": "chatcmpl-1", "model": "gpt-4o-2024-08-06", "choices": [{"index": 0, "delta": {"content": "a secret"}, "finish_reason": null}], "usage": null}',
	'{"id": "chatcmpl-1", "model": "gpt-4o-2024-08-06", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": null}',
	'{"id": "chatcmpl-1", "model": "gpt-4o-2024-08-06", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21, "prompt_tokens_details": {"cached_tokens": 4}}}',
	'"[DONE]"']::jsonb[]),
-- two choices; usage counted on in every chunk
('two choices', 'openai-compatible', 'chat', ARRAY[
	'{"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "a"}}], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}',
	'{"id": "c", "model": "m", "choices": [{"index": 1, "delta": {"content": "b"}}], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}',
	'{"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}',
	'{"id": "c", "model": "m", "choices": [{"index": 1, "delta": {}, "finish_reason": "length"}], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}']::jsonb[]),
-- OpenRouter: the usage in one more chunk that looks unfinished
('openrouter', 'openrouter', 'chat', ARRAY[
	'{"id": "gen-1", "model": "openai/gpt-5", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": null}]}',
	'{"id": "gen-1", "model": "openai/gpt-5", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}',
	'{"id": "gen-1", "model": "openai/gpt-5", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": null}], "usage": {"prompt_tokens": 9, "completion_tokens": 12, "cost": 0.00013125}}']::jsonb[]),
-- Groq: in a place of its own
('groq', 'groq', 'chat', ARRAY[
	'{"id": "g-1", "model": "llama-3.3-70b-versatile", "x_groq": {"id": "req_1"}, "choices": [{"index": 0, "delta": {"content": "a"}}]}',
	'{"id": "g-1", "model": "llama-3.3-70b-versatile", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"id": "req_1", "usage": {"prompt_tokens": 18, "completion_tokens": 5, "total_time": 0.02}}}']::jsonb[]),
('responses', 'openai', 'responses', ARRAY[
	'{"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5", "status": "in_progress", "service_tier": "auto", "usage": null}}',
	'{"type": "response.output_text.delta", "delta": "a secret"}',
	'{"type": "response.output_item.done", "item": {"id": "msg_1", "status": "completed"}}',
	'{"type": "response.completed", "response": {"id": "resp_1", "model": "gpt-5-2025-08-07", "status": "completed", "service_tier": "flex", "usage": {"input_tokens": 37, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 11, "output_tokens_details": {"reasoning_tokens": 3}}}}']::jsonb[]),
-- cut by its limit of tokens: the usage is final all the same
('incomplete', 'openai', 'responses', ARRAY[
	'{"type": "response.created", "response": {"id": "resp_2", "model": "gpt-5", "usage": null}}',
	'{"type": "response.incomplete", "response": {"id": "resp_2", "model": "gpt-5", "status": "incomplete", "usage": {"input_tokens": 37, "output_tokens": 100}}}']::jsonb[]),
('anthropic', 'anthropic', NULL, ARRAY[
	'{"type": "message_start", "message": {"id": "msg_1", "model": "claude-sonnet-4-5", "content": [], "stop_reason": null, "usage": {"input_tokens": 5, "cache_creation_input_tokens": 4735, "cache_read_input_tokens": 0, "output_tokens": 1, "service_tier": "standard"}}}',
	'{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}',
	'{"type": "ping"}',
	'{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a secret"}}',
	'{"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 255, "server_tool_use": {"web_search_requests": 1}}}',
	'{"type": "message_stop"}']::jsonb[]),
('gemini', 'google', NULL, ARRAY[
	'{"candidates": [{"content": {"parts": [{"text": "a secret"}]}}], "usageMetadata": {"promptTokenCount": 20, "totalTokenCount": 20, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 20}]}, "modelVersion": "gemini-2.5-flash", "responseId": "r"}',
	'{"candidates": [{"content": {"parts": [{"text": "b"}]}}], "usageMetadata": {"promptTokenCount": 20, "candidatesTokenCount": 5, "thoughtsTokenCount": 30, "totalTokenCount": 55}, "modelVersion": "gemini-2.5-flash", "responseId": "r"}',
	'{"candidates": [{"content": {"parts": [{"text": "c"}]}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 20, "candidatesTokenCount": 9, "thoughtsTokenCount": 30, "totalTokenCount": 59}, "modelVersion": "gemini-2.5-flash", "responseId": "r"}']::jsonb[]),
('gemini blocked', 'google', NULL, ARRAY[
	'{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 20, "totalTokenCount": 20}, "modelVersion": "gemini-2.5-flash"}']::jsonb[]),
('converse', 'aws', 'converse', ARRAY[
	'{"messageStart": {"role": "assistant"}}',
	'{"contentBlockDelta": {"delta": {"text": "a secret"}, "contentBlockIndex": 0}}',
	'{"messageStop": {"stopReason": "end_turn"}}',
	'{"metadata": {"usage": {"inputTokens": 22, "outputTokens": 13, "totalTokens": 35, "cacheReadInputTokens": 100}, "metrics": {"latencyMs": 551}, "serviceTier": {"type": "flex"}}}']::jsonb[]),
('invoke', 'aws', 'invoke_metrics', ARRAY[
	'{"type": "message_start", "message": {"id": "msg_bdrk_1", "model": "claude-3-haiku-20240307", "usage": {"input_tokens": 14, "output_tokens": 1}}}',
	'{"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 14, "outputTokenCount": 36, "invocationLatency": 926, "firstByteLatency": 500}}']::jsonb[]),
('llama', 'aws', 'llama', ARRAY[
	'{"generation": "a", "prompt_token_count": 15, "generation_token_count": 1, "stop_reason": null}',
	'{"generation": "b", "prompt_token_count": null, "generation_token_count": 2, "stop_reason": null}',
	'{"generation": "", "prompt_token_count": null, "generation_token_count": 3, "stop_reason": "stop"}']::jsonb[]),
('cohere', 'cohere', NULL, ARRAY[
	'{"type": "message-start", "id": "c-1", "delta": {"message": {"role": "assistant"}}}',
	'{"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "a secret"}}}}',
	'{"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 8}, "tokens": {"input_tokens": 71, "output_tokens": 8}}}}']::jsonb[]),
('transcription', 'openai', 'transcriptions', ARRAY[
	'{"type": "transcript.text.delta", "delta": "a secret"}',
	'{"type": "transcript.text.done", "text": "a secret", "usage": {"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 0, "audio_tokens": 14}, "output_tokens": 3}}']::jsonb[]),
('ollama', 'ollama', NULL, ARRAY[
	'{"model": "llama3.2", "response": "a secret", "done": false}',
	'{"model": "llama3.2", "response": "", "done": true, "context": [1, 2], "prompt_eval_count": 26, "eval_count": 290}']::jsonb[]),
-- a session: each response counts from zero, so they add up; one told twice counts once
('realtime', 'openai', 'realtime', ARRAY[
	'{"type": "session.created", "session": {"model": "gpt-realtime"}}',
	'{"type": "response.created", "response": {"id": "resp_a", "usage": null}}',
	'{"type": "response.done", "response": {"id": "resp_a", "usage": {"input_tokens": 100, "output_tokens": 10, "output_token_details": {"audio_tokens": 10}}}}',
	'{"type": "response.done", "response": {"id": "resp_a", "usage": {"input_tokens": 100, "output_tokens": 10, "output_token_details": {"audio_tokens": 10}}}}',
	'{"type": "response.created", "response": {"id": "resp_b", "usage": null}}',
	'{"type": "response.done", "response": {"id": "resp_b", "usage": {"input_tokens": 150, "output_tokens": 20, "input_token_details": {"cached_tokens": 64}}}}']::jsonb[]),
-- a body that did not stream is a stream of one chunk
('one body', 'openai', 'chat', ARRAY['{"id": "c", "model": "gpt-4o", "choices": [{"index": 0, "message": {"content": "a secret"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 12}}']::jsonb[]),
('one response', 'openai', 'responses', ARRAY['{"id": "r", "model": "gpt-5", "status": "completed", "usage": {"input_tokens": 9, "output_tokens": 12}}']::jsonb[]),
('one message', 'anthropic', 'messages', ARRAY['{"id": "m", "model": "claude", "stop_reason": "end_turn", "usage": {"input_tokens": 9, "output_tokens": 12}}']::jsonb[]);

\x on
SELECT s.name, (merge_stream(s.provider, s.flavor, c.chunk ORDER BY c.n)).*
FROM stream AS s, unnest(s.chunks) WITH ORDINALITY AS c (chunk, n) GROUP BY s.name ORDER BY s.name;
\x off

-- Each, broken off after each of its chunks: what is known so far, and complete only when the provider has said its last word.
SELECT s.name, k AS chunks, m.usage, m.stream_state
FROM stream AS s, generate_series(1, cardinality(s.chunks)) AS k,
	LATERAL (SELECT (merge_stream(s.provider, s.flavor, c.chunk ORDER BY c.n)).* FROM unnest(s.chunks[:k]) WITH ORDINALITY AS c (chunk, n)) AS m
ORDER BY s.name, k;

-- The usage of a whole stream is that of the body: a counter seen again is not added.
SELECT count(*) FILTER (WHERE one.usage = twice.usage) AS same, count(*) AS streams
FROM stream AS s,
	LATERAL (SELECT (merge_stream(s.provider, s.flavor, c.chunk ORDER BY c.n)).usage FROM unnest(s.chunks) WITH ORDINALITY AS c (chunk, n)) AS one,
	LATERAL (SELECT (merge_stream(s.provider, s.flavor, c.chunk ORDER BY c.n, d.n)).usage
			 FROM unnest(s.chunks) WITH ORDINALITY AS c (chunk, n), generate_series(1, 2) AS d (n)) AS twice
WHERE s.name <> 'realtime';

-- [DONE] without a usage, or after one that came too early
SELECT (merge_stream('openai', 'chat', c.chunk ORDER BY c.n)).* FROM unnest(ARRAY['{"id": "c", "choices": [{"index": 0, "finish_reason": "stop"}]}', '"[DONE]"']::jsonb[]) WITH ORDINALITY AS c (chunk, n);
SELECT (merge_stream('openai', 'chat', c.chunk ORDER BY c.n)).* FROM unnest(ARRAY['{"id": "c", "choices": [{"index": 0}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}', '{"choices": [{"index": 0, "finish_reason": "stop"}]}']::jsonb[]) WITH ORDINALITY AS c (chunk, n);
SELECT (merge_stream('openai', 'chat', c.chunk ORDER BY c.n)).* FROM unnest(ARRAY['{"id": "c", "choices": [{"index": 0}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}', '"[DONE]"']::jsonb[]) WITH ORDINALITY AS c (chunk, n);
-- a required counter that never came
SELECT (merge_stream('openai', 'chat', '{"choices": [], "usage": {"prompt_tokens": 1}}'::jsonb)).*;
-- a session with a response still going
SELECT (merge_stream('openai', 'realtime', c.chunk ORDER BY c.n)).* FROM unnest(ARRAY['{"type": "response.done", "response": {"id": "a", "usage": {"input_tokens": 1}}}', '{"type": "response.created", "response": {"id": "b"}}']::jsonb[]) WITH ORDINALITY AS c (chunk, n);
-- nothing at all, nothing but NULLs
SELECT merge_stream('openai', 'chat', chunk) IS NULL AS nothing FROM (SELECT NULL::jsonb AS chunk WHERE false) AS c;
SELECT (merge_stream('openai', 'chat', NULL::jsonb)).*;
SELECT (merge_stream('openai', 'chat', 'null'::jsonb)).*;
SELECT merge_stream(provider, 'chat', '{}'::jsonb) FROM (VALUES ('openai'), ('OpenAI'), (' openai ')) AS v (provider);
-- unknown counters of all chunks, in the last one's words, in a state that does not grow
SELECT (merge_stream('openai', 'chat', jsonb_build_object('usage', jsonb_build_object('prompt_tokens', i, 'completion_tokens', 2 * i, 'new', i, 'new_' || i % 2, i)) ORDER BY i)).* FROM generate_series(1, 100) AS i;
SELECT (m).usage, (m).unknown -> '...' AS more, (SELECT count(*) FROM jsonb_object_keys((m).unknown)) AS kept
FROM (SELECT merge_stream('openai', 'chat', jsonb_build_object('usage', jsonb_build_object('prompt_tokens', i, 'completion_tokens', 2 * i, 'new_' || i, i)) ORDER BY i) AS m FROM generate_series(1, 20000) AS i) AS s;

-- errors, none of which repeats what a chunk holds
SELECT merge_stream('nobody', 'chat', '{}'::jsonb);
SELECT merge_stream('openai', 'nothing', '{}'::jsonb);
SELECT merge_stream(NULL, 'chat', '{}'::jsonb);
SELECT merge_stream(provider, 'chat', '{}'::jsonb) FROM (VALUES ('openai'), ('deepseek')) AS v (provider);
SELECT merge_stream(provider, 'chat', '{}'::jsonb) FROM (VALUES ('openai'), (NULL)) AS v (provider);
SELECT merge_stream('openai', flavor, '{}'::jsonb) FROM (VALUES ('chat'), (NULL)) AS v (flavor);
SELECT merge_stream('openai', 'chat', '"a secret"'::jsonb);
SELECT merge_stream('openai', 'chat', '5'::jsonb);
SELECT merge_stream('openai', 'chat', '[{"usage": {}}]'::jsonb);
SELECT merge_stream('openai', 'chat', '{"usage": "a secret"}'::jsonb);
SELECT merge_stream('openai', 'chat', '{"usage": {"prompt_tokens": -1}}'::jsonb);
SELECT merge_stream('openai', 'chat', '{"usage": {"prompt_tokens": 1.5}}'::jsonb);
SELECT merge_stream('openai', 'realtime', jsonb_build_object('response', jsonb_build_object('id', i, 'usage', '{"input_tokens": 6e29}'::jsonb))) FROM generate_series(1, 3) AS i;

-- What the ledger's columns take.
SELECT m.stream_state = 'complete' AS complete, pg_typeof(m.stream_state) AS state, pg_typeof(m.provider_cost) AS cost
FROM (SELECT (merge_stream('openai', 'chat', '{"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}'::jsonb)).*) AS m;

-- In parallel workers: a stream is merged as a whole, whoever does it.  (The setting has two names.)
CREATE TABLE parallel_chunk AS SELECT r AS request, n, CASE WHEN n < 20 THEN jsonb_build_object('id', r, 'choices', '[{"index": 0}]'::jsonb)
	ELSE jsonb_build_object('id', r, 'choices', '[]'::jsonb, 'usage', jsonb_build_object('prompt_tokens', r, 'completion_tokens', n)) END AS chunk
FROM generate_series(1, 200) AS r, generate_series(1, 20) AS n;
SELECT count(set_config(name, 'on', false)) AS set FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(*) AS complete, sum((m).usage)
FROM (SELECT merge_stream('openai', 'chat', chunk ORDER BY n) AS m FROM parallel_chunk GROUP BY request) AS s WHERE (m).stream_state = 'complete';
SELECT count(*), sum((extract_usage('openai', 'chat', chunk)).usage) FROM parallel_chunk WHERE n = 20;
SELECT count(set_config(name, 'off', false)) AS reset FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
DROP TABLE parallel_chunk;
