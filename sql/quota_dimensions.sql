-- Every dimension as scope and as per, and every metric: two fit, the third is
-- refused; what is outside of the scope, or another's, is not.
CREATE DATABASE quota_dimensions;
\c quota_dimensions
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS made FROM aiusage.init();
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('euro', 'cost', 'EUR');
-- a dollar or two euros an input token, the rest is free
SELECT count(aiusage.import_prices(b.book, 'aiusage', jsonb_build_object('format', 'aiusage', 'currency', b.currency, 'providers', (
	SELECT jsonb_agg(jsonb_build_object('provider', p, 'models', jsonb_build_array(jsonb_build_object('model', p, 'rules', jsonb_build_array(jsonb_build_object('prices', (
		SELECT jsonb_agg(jsonb_build_object('unit', u.unit, 'rate', CASE u.unit WHEN 'input_tokens' THEN b.rate ELSE 0 END))
		FROM unnest(ARRAY['input_tokens', 'output_tokens', 'images', 'audio_seconds', 'x_unit']) AS u (unit))))))))
	FROM unnest(ARRAY['a', 'b', 'e']) AS p)), '2020-01-01')) AS imported
FROM (VALUES ('list', 'USD', 1), ('euro', 'EUR', 2)) AS b (book, currency, rate);
SELECT count(aiusage.put_key(jsonb_build_object('key', s.side, 'class', s.class, 'team', s.side, 'cost_center', s.side, 'project', s.side, 'environment', s.side)))
FROM (VALUES ('a', 'production'), ('b', 'batch')) AS s (side, class);
SELECT aiusage.put_key('{"key": "e", "price_book": "euro"}') IS NOT NULL AS put;
SELECT count(aiusage.put_customer(s.side, plan_tier => s.side)) FROM (VALUES ('a'), ('b')) AS s (side);

-- one row with the side's value in every dimension, of one run, which is in user_id or job_id
CREATE FUNCTION attempt(side text, run text, status aiusage.usage_status DEFAULT 'success', usage aiusage.usage DEFAULT '{"input_tokens": 3, "output_tokens": 4, "images": 2, "audio_seconds": 1.5, "x_unit": 7}')
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO aiusage.usage_record (api_key, provider, model, endpoint, customer, workflow, user_id, job_id, tags, usage, status)
	VALUES (side, side, side, side, side, side, CASE WHEN run LIKE '% user_id' THEN side ELSE run END, CASE WHEN run LIKE '% user_id' THEN run ELSE side END,
		jsonb_build_object('feature', side), usage, status);
	RETURN '+';
EXCEPTION WHEN SQLSTATE 'UA429' OR SQLSTATE 'UA422' THEN
	RETURN CASE SQLSTATE WHEN 'UA429' THEN '-' ELSE 'x' END;
END $$;
CREATE FUNCTION run_of(run text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT CASE WHEN run LIKE '% user_id' THEN jsonb_build_object('job_id', run) ELSE jsonb_build_object('user_id', run) END $$;
CREATE FUNCTION try_scope(dimension text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	run text := 'scope ' || dimension;
	value jsonb := CASE dimension WHEN 'key_class' THEN '"production"' WHEN 'tag' THEN '{"feature": "a"}' ELSE '"a"' END::jsonb;
	answer text;
BEGIN
	PERFORM aiusage.put_quota(jsonb_build_object('name', run, 'scope', run_of(run) || jsonb_build_object(dimension, value), 'metric', 'requests', 'limit', 2, 'window', 'total'));
	RETURN run;
END $$;
CREATE FUNCTION try_per(dimension text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	run text := 'per ' || dimension;
BEGIN
	PERFORM aiusage.put_quota(jsonb_build_object('name', run, 'scope', run_of(run), 'per', jsonb_build_array(dimension), 'metric', 'requests', 'limit', 2, 'window', 'total')
		|| CASE dimension WHEN 'tag' THEN '{"tag": "feature"}' ELSE '{}' END::jsonb);
	RETURN run;
END $$;
CREATE TABLE run AS SELECT d.dimension, k.kind, k.kind || ' ' || d.dimension AS run, d.ord
FROM unnest(aiusage.quota_dimensions()) WITH ORDINALITY AS d (dimension, ord), (VALUES ('scope'), ('per')) AS k (kind);
SELECT count(CASE kind WHEN 'scope' THEN try_scope(dimension) ELSE try_per(dimension) END) FROM run;
SELECT kind, dimension, attempt('a', run) || attempt('a', run) || attempt('a', run) AS a, attempt('b', run) || attempt('b', run) || attempt('b', run) AS b
FROM run ORDER BY kind DESC, ord;

-- every metric: two rows fit
CREATE TABLE metric AS SELECT * FROM (VALUES ('spend', 6, 'USD', 'a'), ('spend', 12, 'EUR', 'e'), ('requests', 2, NULL, 'a'), ('tokens', 14, NULL, 'a'), ('input_tokens', 6, NULL, 'a'),
	('output_tokens', 8, NULL, 'a'), ('images', 4, NULL, 'a'), ('audio_seconds', 3, NULL, 'a'), ('x_unit', 14, NULL, 'a'), ('errors', 2, NULL, 'a')) AS m (metric, cap, currency, side);
SELECT count(aiusage.put_quota(jsonb_build_object('name', concat_ws(' ', 'metric', metric, currency), 'scope', jsonb_build_object('user_id', concat_ws(' ', 'metric', metric, currency)),
	'metric', metric, 'limit', cap, 'window', 'total') || CASE WHEN currency IS NULL THEN '{}' ELSE jsonb_build_object('currency', currency) END)) FROM metric;
SELECT m.metric, m.currency, attempt(m.side, r.run, r.status) || attempt(m.side, r.run, r.status) || attempt(m.side, r.run, r.status) AS three,
	attempt(m.side, r.run, r.status, '{}') AS of_nothing, attempt(CASE m.side WHEN 'a' THEN 'e' ELSE 'a' END, r.run, r.status) AS other_currency
FROM metric AS m, LATERAL (SELECT concat_ws(' ', 'metric', m.metric, m.currency) AS run, CASE m.metric WHEN 'errors' THEN 'error' ELSE 'success' END::aiusage.usage_status AS status OFFSET 0) AS r;

-- as a recount of the ledger says
SELECT count(*) AS limits, count(*) FILTER (WHERE NOT ok) AS wrong FROM aiusage.verify() WHERE check_name LIKE 'limit "%';
\c contrib_regression
DROP DATABASE quota_dimensions;
