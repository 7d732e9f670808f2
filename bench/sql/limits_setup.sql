-- Run in a copy of bench_template: what limits are compared with, and the limits.
--
-- Six counters a key on every side: requests, tokens and spend, in two windows
-- each.  Nothing is near its end.
CREATE TABLE public.counter (
	id int PRIMARY KEY,
	used bigint NOT NULL DEFAULT 0,
	cap bigint NOT NULL DEFAULT 1000000000000000
) WITH (fillfactor = 50);
INSERT INTO public.counter (id) SELECT generate_series(6, 200 * 6 + 5);
-- Sixty-four slots a counter: nothing waits, and nothing can be refused exactly.
CREATE TABLE public.counter_slot (
	id int,
	slot int,
	used bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (id, slot)
) WITH (fillfactor = 50);
INSERT INTO public.counter_slot (id, slot) SELECT i, s FROM generate_series(6, 200 * 6 + 5) AS i, generate_series(1, 64) AS s;
VACUUM ANALYZE public.counter, public.counter_slot;

\if :limits
SELECT aiusage.put_quota(jsonb_build_object('name', q.metric || ' ' || q."window", 'metric', q.metric, 'window', q."window",
	'sliding', q.sliding, 'per', '["api_key"]'::jsonb, 'limit', 1000000000000000) ||
	CASE q.metric WHEN 'spend' THEN '{"currency": "USD", "thresholds": [80, 100]}'::jsonb ELSE '{}' END)
FROM (VALUES ('requests', 'hour', true), ('requests', 'day', false), ('tokens', 'hour', false), ('tokens', 'month', false),
	('spend', 'day', false), ('spend', 'total', false)) AS q (metric, "window", sliding);
\endif
