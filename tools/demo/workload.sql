-- The demo's own workload, as a gateway books it: September and October 2025,
-- the same every time.  Ids follow from request id and time, so that running
-- it again books nothing.
\set QUIET on
SET client_min_messages = warning;

\echo chat: cached tokens, and every 40th call a failure that is retried
INSERT INTO aiusage.usage_record (id, request_id, operation_id, attempt, occurred_at, api_key, user_id, provider, model, endpoint,
	usage, latency_ms, ttft_ms, streamed, status, status_code, error_class)
SELECT aiusage.event_id(c.request_id, c.at, c.attempt), c.request_id, 'op-' || c.n, c.attempt, c.at, c.api_key, 'user-' || c.n % 37,
	'openai', 'gpt-4o', 'chat',
	CASE WHEN c.failed THEN '{}' ELSE format('{"input_tokens":%s,"cache_read_tokens":%s,"output_tokens":%s}',
		800 + c.n * 7919 % 4000, CASE WHEN c.n % 3 = 0 THEN 512 ELSE 0 END, 60 + c.n * 104729 % 700) END::aiusage.usage,
	900 + c.n * 31 % 4000, CASE WHEN NOT c.failed THEN 300 + c.n % 200 END, true,
	CASE WHEN c.failed THEN 'error' ELSE 'success' END::aiusage.usage_status,
	CASE WHEN c.failed THEN 429 ELSE 200 END::smallint, CASE WHEN c.failed THEN 'rate_limit' END
FROM (
	SELECT n, attempt::smallint, format('chat-%s-%s', n, attempt) AS request_id,
		CASE WHEN n % 8 = 0 THEN 'chat-staging' ELSE 'chat-prod' END AS api_key,
		timestamptz '2025-09-01 06:00:00+00' + n * interval '140 minutes' + attempt * interval '2 seconds' AS at,
		n % 40 = 0 AND attempt = 1 AS failed
	FROM generate_series(1, 600) AS n, generate_series(1, 2) AS attempt
	WHERE attempt = 1 OR n % 40 = 0
) AS c
ON CONFLICT DO NOTHING;

\echo fallbacks: another provider stands in for the first choice
INSERT INTO aiusage.usage_record (id, request_id, operation_id, attempt, occurred_at, api_key, provider, model, requested_model, fallback_from,
	endpoint, usage, latency_ms)
SELECT aiusage.event_id(c.request_id, c.at, 2), c.request_id, c.request_id, 2, c.at, 'chat-prod', 'google', 'gemini-2.5-flash', 'gpt-4o', 'gpt-4o',
	'chat', format('{"input_tokens":%s,"output_tokens":%s}', 1000 + c.n * 37, 200 + c.n)::aiusage.usage, 1500
FROM (SELECT n, 'fallback-' || n AS request_id, timestamptz '2025-10-07 09:00:00+00' + n * interval '3 minutes' AS at
	FROM generate_series(1, 25) AS n) AS c
ON CONFLICT DO NOTHING;

\echo code assistant: prompt cache written and read; some streams are cancelled
INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, user_id, provider, model, endpoint, usage, latency_ms, streamed,
	stream_state, status, accepted)
SELECT aiusage.event_id(c.request_id, c.at), c.request_id, c.at, 'code-assistant', 'dev-' || c.n % 11, 'anthropic', 'claude-sonnet-4-0', 'chat',
	format('{"input_tokens":%s,"cache_read_tokens":%s,"cache_write_tokens":%s,"output_tokens":%s}',
		6000 + c.n * 613 % 9000, CASE WHEN c.n % 5 = 0 THEN 0 ELSE 4096 END, CASE WHEN c.n % 5 = 0 THEN 4096 ELSE 256 END, 20 + c.n * 331 % 900)::aiusage.usage,
	2000 + c.n % 900, true, CASE WHEN c.n % 50 = 0 THEN 'partial' ELSE 'complete' END::aiusage.stream_state,
	CASE WHEN c.n % 50 = 0 THEN 'cancelled' ELSE 'success' END::aiusage.usage_status, CASE WHEN c.n % 4 = 0 THEN 1 END
FROM (SELECT n, 'code-' || n AS request_id, timestamptz '2025-09-02 07:00:00+00' + n * interval '3 hours' AS at
	FROM generate_series(1, 450) AS n) AS c
ON CONFLICT DO NOTHING;

\echo support bot: for two customers; its key changes owner on 15 October
INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, customer, provider, model, endpoint, usage, latency_ms)
SELECT aiusage.event_id(c.request_id, c.at), c.request_id, c.at, 'support-bot', CASE WHEN c.n % 3 = 0 THEN 'globex' ELSE 'acme' END,
	'openai', 'gpt-4o-mini', 'chat', format('{"input_tokens":%s,"output_tokens":%s}', 1500 + c.n * 17 % 3000, 150 + c.n % 90)::aiusage.usage,
	700 + c.n % 300
FROM (SELECT n, 'support-' || n AS request_id, timestamptz '2025-09-10 08:00:00+00' + n * interval '5 hours' AS at
	FROM generate_series(1, 230) AS n) AS c
ON CONFLICT DO NOTHING;

\echo embeddings: one long night of indexing
INSERT INTO aiusage.usage_record (id, request_id, job_id, occurred_at, api_key, provider, model, endpoint, usage, retries)
SELECT aiusage.event_id(c.request_id, c.at), c.request_id, 'index-2025-09-20', c.at, 'search-embed', 'openai', 'text-embedding-3-small', 'embeddings',
	format('{"input_tokens":%s}', 5000 + c.n * 13 % 3000)::aiusage.usage, CASE WHEN c.n % 60 = 0 THEN 1 END
FROM (SELECT n, 'embed-' || n AS request_id, timestamptz '2025-09-20 20:00:00+00' + n * interval '90 seconds' AS at
	FROM generate_series(1, 240) AS n) AS c
ON CONFLICT DO NOTHING;

\echo evaluations: reasoning tokens, a timeout now and then
INSERT INTO aiusage.usage_record (id, request_id, job_id, occurred_at, api_key, provider, model, endpoint, usage, latency_ms, status)
SELECT aiusage.event_id(c.request_id, c.at), c.request_id, 'eval-42', c.at, 'evals', 'openai', 'o3', 'responses',
	format('{"input_tokens":%s,"output_tokens":%s,"output_reasoning_tokens":%s}', 900 + c.n * 7, 2500 + c.n * 41 % 1500, 2000 + c.n * 41 % 1500)::aiusage.usage,
	15000 + c.n * 100, CASE WHEN c.n % 30 = 0 THEN 'timeout' ELSE 'success' END::aiusage.usage_status
FROM (SELECT n, 'eval-' || n AS request_id, timestamptz '2025-10-03 12:00:00+00' + n * interval '10 minutes' AS at
	FROM generate_series(1, 90) AS n) AS c
ON CONFLICT DO NOTHING;

\echo a model that no price book knows
INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, provider, model, endpoint, usage)
SELECT aiusage.event_id(c.request_id, c.at), c.request_id, c.at, 'evals', 'openai', 'internal-finetune-7b', 'chat',
	format('{"input_tokens":%s,"output_tokens":%s}', 700 + c.n, 100 + c.n)::aiusage.usage
FROM (SELECT n, 'finetune-' || n AS request_id, timestamptz '2025-10-20 12:00:00+00' + n * interval '7 minutes' AS at
	FROM generate_series(1, 20) AS n) AS c
ON CONFLICT DO NOTHING;

\echo a key that nobody has entered
INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, provider, model, endpoint, usage)
SELECT aiusage.event_id(c.request_id, c.at), c.request_id, c.at, 'weekend-project', 'openai', 'gpt-4o', 'chat',
	format('{"input_tokens":%s,"output_tokens":%s}', 1200 + c.n * 11, 300 + c.n)::aiusage.usage
FROM (SELECT n, 'weekend-' || n AS request_id, timestamptz '2025-10-25 21:00:00+00' + n * interval '4 minutes' AS at
	FROM generate_series(1, 12) AS n) AS c
ON CONFLICT DO NOTHING;
