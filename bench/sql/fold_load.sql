-- :rows rows whose times end now and reach back :span.
INSERT INTO aiusage.usage_record (id, api_key, provider, model, endpoint, usage)
SELECT aiusage.uuid_v7(now() - n * (interval :'span' / :rows)), 'bench-' || 1 + n * 7919 % 100, 'openai', 'bench-' || n % 4, 'chat',
	'{"input_tokens": 4740, "cache_read_tokens": 4000, "output_tokens": 255, "output_reasoning_tokens": 55}'
FROM generate_series(1::bigint, :rows) AS n;
