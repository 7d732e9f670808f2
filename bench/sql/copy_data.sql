-- What COPY loads: the columns a gateway sends, and every column as the ledger stores them.
CREATE TABLE copy_data AS
SELECT 'chatcmpl-' || abs(hashint8extended(n, 1)) AS request_id,
	'bench-' || 1 + n % 200 AS api_key,
	'user-' || 1 + n % 200 AS user_id,
	'openai' AS provider, 'gpt-4o' AS model, 'chat' AS endpoint,
	format('{"input_tokens":%s,"cache_read_tokens":%s,"output_tokens":%s}', 200 + n * 7919 % 7800, n % 101, 20 + n * 104729 % 880)::aiusage.usage AS usage,
	(300 + n * 31 % 19700)::int AS latency_ms, 350 AS ttft_ms, true AS streamed, 200::smallint AS status_code
FROM generate_series(1, :rows::bigint) AS n;

CREATE TABLE copy_stored AS
SELECT d.*, now() AS occurred_at, now() AS recorded_at, 281474976711656::bigint AS txid,
	'0.0123175 USD'::aiusage.amount AS cost, 17::bigint AS assignment, 1 AS price_version, 124310 AS invoice_period,
	'final'::aiusage.cost_state AS cost_state, 'usage'::aiusage.record_kind AS kind,
	'{"USD": {"input_tokens": 0.0101525, "cache_read_tokens": 0.000065, "output_tokens": 0.0021}}'::aiusage.unit_costs AS cost_by_unit
FROM copy_data AS d;
