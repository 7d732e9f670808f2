-- The comparison of the test of random catalogues; run by tools/differential.sh
-- with catalogues.tsv and random.tsv of random_catalogues.mjs in the current
-- directory, in the database of differential.sql.
\set ON_ERROR_STOP on
SET client_min_messages = error;
SET timezone = 'UTC';
SET jit = off;
CREATE TABLE public.random_catalogue (number int, catalogue jsonb);
CREATE TABLE public.random_case (id int, number int, provider text, model text, usage aiusage.usage, at timestamptz, kind text, amount numeric,
	components aiusage.unit_costs, note text);
\copy random_catalogue FROM 'catalogues.tsv'
\copy random_case FROM 'random.tsv'
INSERT INTO aiusage.price_book (book, kind, currency) SELECT format('random-%s', number), 'cost', 'USD' FROM public.random_catalogue;
SELECT count(aiusage.import_prices(format('random-%s', number), 'genai-prices', catalogue, '-infinity')) AS imported FROM public.random_catalogue \gset

CREATE TABLE public.random_verdict AS
SELECT c.*, p.cost::numeric AS ours, p.cost_by_unit AS parts, p.unpriced_reason AS said,
	CASE
		WHEN c.kind IN ('price', 'rounded', 'partial', 'counted') AND p.cost::numeric = c.amount AND p.cost_by_unit::text = c.components::text
			THEN CASE WHEN c.kind IN ('price', 'rounded') THEN 'equal' ELSE 'explained' END
		WHEN c.kind = 'unknown' AND p.unpriced_reason IN ('unknown_provider', 'unknown_model') THEN 'equal'
		WHEN c.kind = 'empty' AND p.unpriced_reason = 'no_prices' THEN 'explained'
		WHEN c.kind = 'ignored' AND p.unpriced_reason = 'unit_unpriced' THEN 'explained'
		WHEN c.kind = 'refused' AND p.unpriced_reason = 'contradictory_usage' THEN 'explained'
		WHEN c.kind = 'incomplete' AND p.unpriced_reason IN ('prices_incomplete', 'unit_unpriced') THEN 'explained'
		ELSE 'DIFFERENT'
	END AS verdict
FROM public.random_case AS c, LATERAL aiusage.owner_price_row(NULL, format('random-%s', c.number), c.provider, c.model, c.usage, c.at, NULL, NULL, NULL) AS p;

-- What anybody may call says the same.
UPDATE public.random_verdict AS v SET verdict = 'DIFFERENT'
WHERE v.id % 20 = 0 AND v.ours IS NOT NULL AND (v.ours <> aiusage.price_usage(v.provider, v.model, v.usage, v.at, book => format('random-%s', v.number))::numeric
	OR v.ours <> (SELECT coalesce(sum(e.amount), 0) FROM aiusage.explain_price(v.provider, v.model, v.usage, v.at, book => format('random-%s', v.number)) AS e));

\pset footer off
SELECT verdict, kind,
	CASE kind
		WHEN 'price' THEN 'the same components to the last digit'
		WHEN 'rounded' THEN 'the same components; one is rounded half-even at 1e-12'
		WHEN 'unknown' THEN 'neither knows the provider or model'
		WHEN 'empty' THEN 'an entry without prices costs 0 there, is unpriced here'
		WHEN 'ignored' THEN 'a used unit without a price is ignored there, unpriced here'
		WHEN 'refused' THEN 'thrown there, contradictory_usage here'
		WHEN 'incomplete' THEN 'prices that lack a total or overlap: thrown there, unpriced here'
		WHEN 'partial' THEN 'the same, where this usage does not need what the prices lack: thrown there'
		WHEN 'counted' THEN 'several requests in a row count as one there'
	END AS meaning,
	count(*), count(DISTINCT (number, provider, model)) AS names
FROM public.random_verdict GROUP BY 1, 2 ORDER BY 1 DESC, 2;
SELECT note, count(*), count(*) FILTER (WHERE verdict = 'equal') AS equal,
	count(*) FILTER (WHERE verdict = 'explained') AS explained FROM public.random_verdict GROUP BY 1 ORDER BY 1;
SELECT id, number, provider, model, usage, at, kind, amount, ours, components, parts, said FROM public.random_verdict
WHERE verdict = 'DIFFERENT' ORDER BY id LIMIT 20;
SELECT format('random catalogues %s: models %s, prices %s; compared %s, equal %s, explained %s, different %s',
	:imported, (SELECT count(*) FROM aiusage.price_model JOIN aiusage.price_version USING (version) WHERE book LIKE 'random-%'),
	(SELECT count(*) FROM aiusage.price JOIN aiusage.price_version USING (version) WHERE book LIKE 'random-%'),
	count(*), count(*) FILTER (WHERE verdict = 'equal'), count(*) FILTER (WHERE verdict = 'explained'),
	count(*) FILTER (WHERE verdict = 'DIFFERENT')) AS result,
	count(*) FILTER (WHERE verdict = 'DIFFERENT') AS different,
	count(*) FILTER (WHERE verdict = 'equal') AS equal, count(*) AS compared
FROM public.random_verdict \gset
\echo :result
SELECT :different = 0 AND :equal > :compared / 3 AS passed \gset
\if :passed
\else
	DO $$ BEGIN RAISE EXCEPTION 'the differential test of random catalogues failed'; END $$;
\endif
