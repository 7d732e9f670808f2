\set key random(1, 200)
\set input random(200, 8000)
\set cached random(0, 100)
\set output random(20, 900)
\set latency random(300, 20000)
\set request random(1, 1000000000000000)
INSERT INTO TABLE (request_id, api_key, user_id, provider, model, endpoint, usage, latency_ms, ttft_ms, streamed, status_code,
	occurred_at, recorded_at, txid, cost, assignment, price_version, invoice_period, cost_state, kind, cost_by_unit)
VALUES ('chatcmpl-' || :request, 'bench-' || :key, 'user-' || :key, 'openai', 'gpt-4o', 'chat',
	('{"input_tokens":' || :input || ',"cache_read_tokens":' || :cached || ',"output_tokens":' || :output || '}')::aiusage.usage,
	:latency, 350, true, 200,
	now(), now(), 281474976711656, '0.0123175 USD', 17, 1, 124310, 'final', 'usage',
	'{"USD": {"input_tokens": 0.0101525, "cache_read_tokens": 0.000065, "output_tokens": 0.0021}}');
