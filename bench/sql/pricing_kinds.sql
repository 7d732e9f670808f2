-- What a row costs to price by what kind of price it has: one usage, four models
-- that come to the same units, in one backend; run by bench/pricing.sh.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
INSERT INTO aiusage.price_book (book, kind, currency, inherits) VALUES ('kinds', 'list', 'USD', NULL), ('kinds_deal', 'cost', 'USD', 'kinds');
SELECT FROM aiusage.import_prices('kinds', 'aiusage', $$ {"providers": [{"provider": "lab", "models": [
	{"model": "plain", "rules": [{"prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000}, {"unit": "cache_read_tokens", "rate": 0.3, "per": 1000000}, {"unit": "output_tokens", "rate": 15, "per": 1000000}]}]},
	{"model": "tiered", "rules": [{"prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000}, {"unit": "input_tokens", "rate": 6, "per": 1000000, "tier_start": 200000, "tier_metric": "input_tokens", "tier_inclusive": false},
		{"unit": "cache_read_tokens", "rate": 0.3, "per": 1000000}, {"unit": "cache_read_tokens", "rate": 0.6, "per": 1000000, "tier_start": 200000, "tier_metric": "input_tokens", "tier_inclusive": false},
		{"unit": "output_tokens", "rate": 15, "per": 1000000}, {"unit": "output_tokens", "rate": 22.5, "per": 1000000, "tier_start": 200000, "tier_metric": "input_tokens", "tier_inclusive": false}]}]},
	{"model": "conditional", "rules": [{"prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000}, {"unit": "cache_read_tokens", "rate": 0.3, "per": 1000000}, {"unit": "output_tokens", "rate": 15, "per": 1000000}]},
		{"time_from": "22:00", "time_to": "06:00", "time_zone": "Europe/Berlin", "weekdays": [1, 2, 3, 4, 5], "multiplier": 0.5, "prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000}, {"unit": "cache_read_tokens", "rate": 0.3, "per": 1000000}, {"unit": "output_tokens", "rate": 15, "per": 1000000}]}]}]}]} $$, '-infinity');
SELECT FROM aiusage.import_prices('kinds_deal', 'aiusage', '{"providers": [], "overrides": [{"kind": "discount", "value": 15}, {"model": "plain", "unit": "output_tokens", "kind": "rate", "value": 12, "per": 1000000}]}', '-infinity');

CREATE TABLE kind AS
SELECT 'lab' AS provider, aiusage.usage(ARRAY['input_tokens', 'cache_read_tokens', 'output_tokens'], ARRAY[4740 + n % 1000, n % 4000, 255 + n % 700]::numeric[]) AS usage,
	timestamptz '2026-10-01' + n * interval '7 minutes' AS at FROM generate_series(1, 100000) AS n;
VACUUM ANALYZE kind;

-- nanoseconds a row over those of the same query without pricing, median of the rounds
CREATE FUNCTION bench_kinds(rounds int) RETURNS TABLE (kind text, ns numeric, ratio numeric) LANGUAGE plpgsql
	SET max_parallel_workers_per_gather = 0 SET jit = off AS $$
DECLARE
	k record;
	started timestamptz;
	n bigint;
BEGIN
	CREATE TEMP TABLE cell (round int, kind text, ns numeric);
	FOR round IN 0 .. rounds LOOP
		FOR k IN SELECT * FROM (VALUES ('none', NULL, NULL), ('plain', 'plain', 'kinds'), ('tiered', 'tiered', 'kinds'), ('conditional', 'conditional', 'kinds'), ('inherited', 'tiered', 'kinds_deal'), ('overridden', 'plain', 'kinds_deal')) AS v (kind, model, book)
			ORDER BY md5(v.kind || round)
		LOOP
			started := clock_timestamp();
			IF k.kind = 'none' THEN
				SELECT count(x.usage) FROM public.kind AS x WHERE x.at IS NOT NULL AND x.provider IS NOT NULL INTO n;
			ELSE
				EXECUTE format('SELECT count(aiusage.price_usage(x.provider, %L, x.usage, x.at, NULL, NULL, NULL, %L)) FROM public.kind AS x', k.model, k.book) INTO n;
			END IF;
			-- the first round loads and compiles
			IF round > 0 THEN
				INSERT INTO cell VALUES (round, k.kind, extract(epoch FROM clock_timestamp() - started) * 1000000000 / n);
			END IF;
		END LOOP;
	END LOOP;
	RETURN QUERY
		WITH priced AS (SELECT c.round, c.kind, c.ns - (SELECT o.ns FROM cell AS o WHERE o.round = c.round AND o.kind = 'none') AS ns FROM cell AS c WHERE c.kind <> 'none')
		SELECT p.kind, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY p.ns)::numeric),
			round(percentile_cont(0.5) WITHIN GROUP (ORDER BY p.ns / b.ns)::numeric, 2)
		FROM priced AS p JOIN priced AS b ON b.round = p.round AND b.kind = 'plain' GROUP BY p.kind
		ORDER BY array_position(ARRAY['plain', 'tiered', 'conditional', 'inherited', 'overridden'], p.kind);
END $$;
