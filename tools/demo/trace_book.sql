-- The trace's times have seven decimals and no zone: cut to microseconds, UTC.
-- A line's id follows from its number and time, so that the same trace again
-- books nothing.
\timing on
INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, provider, model, endpoint, usage)
SELECT aiusage.event_id(t.request_id, t.occurred_at), t.request_id, t.occurred_at, :'key', :'provider', :'model', 'chat',
	pg_catalog.format('{"input_tokens":%s,"output_tokens":%s}', t.context_tokens, t.generated_tokens)::aiusage.usage
FROM (
	SELECT pg_catalog.format('%s-%s', :'key', line) AS request_id,
		(pg_catalog.regexp_replace(at, '(\.\d{6})\d+', '\1')
			|| CASE WHEN at ~ ':\d\d(\.\d+)?\s*(Z|[+-]\d\d(:?\d\d)?)$' THEN '' ELSE 'Z' END)::timestamptz AS occurred_at,
		context_tokens, generated_tokens
	FROM trace
) AS t
ORDER BY t.occurred_at
ON CONFLICT DO NOTHING;
\timing off
\set booked :ROW_COUNT
SELECT pg_catalog.format('%s: %s lines read, %s booked', CASE :'pass' WHEN 'again' THEN 'the same trace again' ELSE 'booked' END,
	(SELECT count(*) FROM trace), :booked) AS result \gset
\echo :result
