-- The extraction benchmark's database: the bodies, and what the oracle makes of them.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION aiusage;

CREATE TABLE extract_case (mix text, provider text, flavor text, body jsonb, model text, usage jsonb);
CREATE TEMP TABLE incoming (id int, source text, provider text, flavor text, body jsonb, kind text, model text, usage jsonb, price numeric, leaves jsonb);
\copy incoming FROM 'every.tsv'
INSERT INTO extract_case SELECT 'every', provider, flavor, body, model, usage FROM incoming;
TRUNCATE incoming;
\copy incoming FROM 'common.tsv'
INSERT INTO extract_case SELECT 'common', provider, flavor, body, model, usage FROM incoming;

-- what is extracted in a pass: every case several times, as jsonb and as text
CREATE TABLE every AS SELECT provider, flavor, body, body::text AS body_text FROM extract_case,
	generate_series(1, greatest(1, 100000 / (SELECT count(*) FROM extract_case WHERE mix = 'every')::int)) WHERE mix = 'every';
CREATE TABLE common AS SELECT provider, flavor, body, body::text AS body_text FROM extract_case,
	generate_series(1, greatest(1, 100000 / (SELECT count(*) FROM extract_case WHERE mix = 'common')::int)) WHERE mix = 'common';
VACUUM ANALYZE every;
VACUUM ANALYZE common;

-- bodies a second, in one process, for that many seconds; a pass warms up
CREATE FUNCTION bench(mix regclass, body text, seconds float) RETURNS bigint LANGUAGE plpgsql
	SET max_parallel_workers_per_gather = 0 SET jit = off AS $$
DECLARE
	pass text := format('SELECT count((aiusage.extract_usage(provider, flavor, %s)).usage) FROM %s', body, mix);
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
