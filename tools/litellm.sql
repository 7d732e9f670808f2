-- The comparison of the differential test of LiteLLM's catalogue; run by
-- tools/differential.sh with litellm.json and litellm.tsv of litellm.mjs in the
-- current directory, in the database of differential.sql.
\set ON_ERROR_STOP on
SET client_min_messages = error;
SET timezone = 'UTC';
\set catalogue `cat litellm.json`
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('litellm', 'list', 'USD');
SELECT aiusage.import_prices('litellm', 'litellm', :'catalogue', '-infinity') AS version \gset

CREATE TABLE public.litellm_case (id int, provider text, model text, usage aiusage.usage, at timestamptz, tier text, region text,
	kind text, amount numeric, note text);
\copy litellm_case FROM 'litellm.tsv'

CREATE FUNCTION public.litellm_answer(c public.litellm_case, OUT amount numeric, OUT said text) LANGUAGE plpgsql AS $$
BEGIN
	amount := aiusage.price_usage(c.provider, c.model, c.usage, c.at, c.tier, region => c.region, book => 'litellm')::numeric;
	IF amount IS NULL THEN
		said := (SELECT split_part(e.why, ':', 1) FROM aiusage.explain_price(c.provider, c.model, c.usage, c.at, c.tier, region => c.region, book => 'litellm') AS e LIMIT 1);
	END IF;
EXCEPTION WHEN SQLSTATE 'UA422' OR numeric_value_out_of_range THEN
	said := SQLSTATE;
END
$$;

CREATE TABLE public.litellm_verdict AS
SELECT c.*, a.amount AS ours, a.said,
	CASE
		WHEN c.kind = 'same' AND a.amount = c.amount THEN 'equal'
		WHEN c.kind = 'differs' AND a.amount = c.amount THEN 'explained'
		WHEN c.kind = 'unpriced' AND c.note = 'unit' AND a.said IN ('unit_unpriced', 'prices_incomplete') THEN 'explained'
		WHEN c.kind = 'unpriced' AND c.note = a.said THEN 'explained'
		ELSE 'DIFFERENT'
	END AS verdict
FROM public.litellm_case AS c, LATERAL public.litellm_answer(c) AS a;

\pset footer off
SELECT verdict, kind, note, count(*), count(DISTINCT (provider, model)) AS names FROM public.litellm_verdict GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 4 DESC;
SELECT id, provider, model, usage, at, tier, region, kind, note, amount, ours, said FROM public.litellm_verdict
WHERE verdict = 'DIFFERENT' OR note = 'other' ORDER BY id LIMIT 20;
SELECT key, count(*), min(problem) AS problem FROM aiusage.price_import_issue WHERE version = :version GROUP BY key ORDER BY 2 DESC, 1;
SELECT format('LiteLLM''s catalogue: models %s, prices %s; compared %s, equal %s, explained %s, different %s',
	(SELECT count(*) FROM aiusage.price_model WHERE version = :version), (SELECT count(*) FROM aiusage.price WHERE version = :version),
	count(*), count(*) FILTER (WHERE verdict = 'equal'), count(*) FILTER (WHERE verdict = 'explained'),
	count(*) FILTER (WHERE verdict = 'DIFFERENT')) AS result,
	count(*) FILTER (WHERE verdict = 'DIFFERENT' OR note = 'other') AS different,
	count(*) FILTER (WHERE verdict = 'equal') AS equal
FROM public.litellm_verdict \gset
\echo :result
SELECT :different = 0 AND :equal > 2000 AS passed \gset
\if :passed
\else
	DO $$ BEGIN RAISE EXCEPTION 'the differential test of LiteLLM''s catalogue failed'; END $$;
\endif
