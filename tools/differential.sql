-- The comparison of the differential pricing test; run by tools/differential.sh
-- with the cases of differential.mjs as cases.tsv in the current directory.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT count(*) AS steps FROM aiusage.init() \gset
SELECT aiusage.import_prices('list', 'genai-prices', aiusage.default_catalogue(), '-infinity') AS version \gset

CREATE TABLE public.price_case (id int, provider text, model text, usage aiusage.usage, at timestamptz,
	kind text, amount numeric, note text);
\copy price_case FROM 'cases.tsv'

-- amount, or the SQLSTATE of what is raised, or the reason of no price
CREATE FUNCTION public.answer(c public.price_case, OUT amount numeric, OUT said text) LANGUAGE plpgsql AS $$
BEGIN
	amount := aiusage.price_usage(c.provider, c.model, c.usage, c.at)::numeric;
	IF amount IS NULL THEN
		said := (SELECT split_part(e.why, ':', 1) FROM aiusage.explain_price(c.provider, c.model, c.usage, c.at) AS e LIMIT 1);
	ELSIF amount <> (SELECT sum(e.amount) FROM aiusage.explain_price(c.provider, c.model, c.usage, c.at) AS e) THEN
		said := 'components do not add up';
	END IF;
EXCEPTION WHEN SQLSTATE 'UA422' OR numeric_value_out_of_range THEN
	said := SQLSTATE;
END
$$;

CREATE TABLE public.verdict AS
SELECT c.*, a.amount AS ours, a.said,
	CASE
		WHEN a.said = 'components do not add up' THEN 'WRONG'
		WHEN c.kind IN ('price', 'rounded') THEN CASE WHEN a.amount = c.amount THEN 'equal' ELSE 'DIFFERENT' END
		WHEN c.kind = 'unknown' THEN CASE WHEN a.said IN ('unknown_provider', 'unknown_model') THEN 'equal' ELSE 'DIFFERENT' END
		WHEN c.kind = 'empty' THEN CASE WHEN a.said = 'no_prices' THEN 'explained' ELSE 'DIFFERENT' END
		WHEN c.kind = 'ignored' THEN CASE WHEN a.said = 'unit_unpriced' THEN 'explained' ELSE 'DIFFERENT' END
		WHEN c.kind = 'clamped' THEN CASE WHEN a.said = 'UA422' THEN 'explained' ELSE 'DIFFERENT' END
		WHEN c.kind = 'refused' THEN CASE WHEN a.said IN ('UA422', 'prices_incomplete', 'unit_unpriced') THEN 'explained' ELSE 'DIFFERENT' END
		ELSE 'DIFFERENT'
	END AS verdict
FROM public.price_case AS c, LATERAL public.answer(c) AS a;

\pset footer off
SELECT verdict, kind,
	CASE kind
		WHEN 'price' THEN 'the same amount to the last digit'
		WHEN 'rounded' THEN 'the same amount; a component per hour or the like, rounded half-even at 1e-12'
		WHEN 'unknown' THEN 'neither knows the provider or model'
		WHEN 'empty' THEN 'an entry without prices costs 0 there, is unpriced here'
		WHEN 'ignored' THEN 'a used unit without a price is ignored there, unpriced here'
		WHEN 'clamped' THEN 'a part above its total is overwritten there (Whisper), UA422 here'
		WHEN 'refused' THEN 'thrown there: UA422 (contradictory usage) or unpriced here'
	END AS meaning,
	count(*), count(DISTINCT (provider, model)) AS names
FROM public.verdict GROUP BY 1, 2 ORDER BY 1 DESC, 2;
SELECT note, count(*), count(*) FILTER (WHERE verdict = 'equal') AS equal,
	count(*) FILTER (WHERE verdict = 'explained') AS explained FROM public.verdict GROUP BY 1 ORDER BY 1;
SELECT id, provider, model, usage, at, kind, amount, ours, said FROM public.verdict
WHERE verdict NOT IN ('equal', 'explained') ORDER BY id LIMIT 20;
SELECT format('compared %s, equal %s, explained %s, different %s', count(*),
	count(*) FILTER (WHERE verdict = 'equal'), count(*) FILTER (WHERE verdict = 'explained'),
	count(*) FILTER (WHERE verdict NOT IN ('equal', 'explained'))) AS result,
	count(*) FILTER (WHERE verdict NOT IN ('equal', 'explained')) AS different,
	count(*) FILTER (WHERE verdict = 'equal') AS equal
FROM public.verdict \gset
\echo :result
SELECT :different = 0 AND :equal > 50000 AS passed \gset
\if :passed
\else
	DO $$ BEGIN RAISE EXCEPTION 'the differential pricing test failed'; END $$;
\endif
