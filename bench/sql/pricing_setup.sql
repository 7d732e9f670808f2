-- The pricing benchmark's database: the shipped catalogue, and the cases.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT FROM aiusage.init();
SELECT FROM aiusage.import_prices('list', 'genai-prices', aiusage.default_catalogue(), '-infinity');

-- amounts as the oracle's rates give them in exact arithmetic
CREATE TABLE price_case (mix text, provider text, model text, usage aiusage.usage, at timestamptz, amount numeric);
CREATE TEMP TABLE incoming (id int, provider text, model text, usage aiusage.usage, at timestamptz, kind text, amount numeric, note text);
\copy incoming FROM 'catalogue.tsv'
INSERT INTO price_case SELECT 'catalogue', provider, model, usage, at, amount FROM incoming;
TRUNCATE incoming;
\copy incoming FROM 'common.tsv'
INSERT INTO price_case SELECT 'common', provider, model, usage, at, amount FROM incoming;

-- what is priced in a pass: every case several times
CREATE TABLE catalogue AS SELECT provider, model, usage, at FROM price_case, generate_series(1, 4) WHERE mix = 'catalogue';
CREATE TABLE common AS SELECT provider, model, usage, at FROM price_case,
	generate_series(1, greatest(1, 200000 / (SELECT count(*) FROM price_case WHERE mix = 'common')::int)) WHERE mix = 'common';
VACUUM ANALYZE catalogue;
VACUUM ANALYZE common;

-- usages a second, in one process, for that many seconds; a pass warms up
CREATE FUNCTION bench(mix regclass, seconds float) RETURNS bigint LANGUAGE plpgsql
	SET max_parallel_workers_per_gather = 0 SET jit = off AS $$
DECLARE
	pass text := format('SELECT count(aiusage.price_usage(provider, model, usage, at)) FROM %s', mix);
	rows bigint;
	done bigint := 0;
	started timestamptz;
BEGIN
	EXECUTE pass INTO rows;
	started := clock_timestamp();
	LOOP
		EXECUTE pass INTO rows;
		done := done + rows;
		EXIT WHEN clock_timestamp() >= started + make_interval(secs => seconds);
	END LOOP;
	RETURN done / extract(epoch FROM clock_timestamp() - started);
END $$;
