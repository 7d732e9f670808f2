-- The comparison of the differential test of extract_usage(); run by
-- tools/extract.sh with the cases of extract.mjs as cases.tsv in the current
-- directory.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT count(*) AS steps FROM aiusage.init() \gset
SELECT aiusage.import_prices('list', 'genai-prices', aiusage.default_catalogue(), '-infinity') AS version \gset

CREATE TABLE public.extract_case (id int, source text, provider text, flavor text, body jsonb, kind text, model text,
	usage jsonb, price numeric, leaves jsonb);
\copy extract_case FROM 'cases.tsv'

-- what is extracted, or the SQLSTATE of what is raised
CREATE FUNCTION public.answer(c public.extract_case, OUT model text, OUT usage aiusage.usage, OUT unknown jsonb, OUT said text)
	LANGUAGE plpgsql AS $$
BEGIN
	SELECT e.model, e.usage, e.unknown INTO model, usage, unknown FROM aiusage.extract_usage(c.provider, c.flavor, c.body) AS e;
EXCEPTION WHEN SQLSTATE 'UA422' OR numeric_value_out_of_range THEN
	said := SQLSTATE;
END
$$;

CREATE TABLE public.answered AS
SELECT c.*, a.model AS our_model, a.usage::jsonb AS ours, a.unknown, a.said,
	CASE WHEN c.price IS NOT NULL OR c.kind = 'price' THEN
		aiusage.price_usage(c.provider, c.model, a.usage, '2025-11-06T12:00:00Z')::numeric END AS our_price
FROM public.extract_case AS c, LATERAL public.answer(c) AS a;

CREATE FUNCTION public.without_zeros(u jsonb) RETURNS jsonb LANGUAGE sql
RETURN (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(u) AS e WHERE e.value <> '0');

-- a double is within 1e-15 of the number it stands for; a sum of a few, of theirs
CREATE FUNCTION public.nearly(a jsonb, b jsonb) RETURNS boolean LANGUAGE sql
RETURN (SELECT count(*) = 0 FROM jsonb_each_text(a) AS x FULL JOIN jsonb_each_text(b) AS y ON y.key = x.key
	WHERE x.value IS NULL OR y.value IS NULL OR abs(x.value::numeric - y.value::numeric) > 1e-14 * y.value::numeric);

CREATE TABLE public.verdict AS
SELECT a.*,
	CASE
		WHEN kind = 'price' THEN
			CASE WHEN without_zeros(ours) = usage AND our_model IS NOT DISTINCT FROM model AND our_price IS NOT DISTINCT FROM price THEN 'equal'
				ELSE 'DIFFERENT' END
		WHEN kind = 'refused' THEN
			CASE WHEN said IS NOT NULL THEN 'equal: both refuse' WHEN ours IS NULL THEN 'equal: no usage' ELSE 'DIFFERENT' END
		WHEN said = '22003' AND EXISTS (SELECT FROM jsonb_each_text(usage) AS u WHERE u.value::numeric >= 1e30)
			THEN 'explained: beyond 10^30'
		WHEN said = 'UA422' AND EXISTS (SELECT FROM jsonb_array_elements(leaves) AS l JOIN aiusage.extractors() AS e
				ON e.provider = a.provider AND e.flavor = a.flavor AND e.path = l.value ->> 1
				JOIN aiusage.unit_registry() AS r ON r.unit = e.unit AND r.whole
				WHERE (l.value ->> 2)::numeric % 1 <> 0)
			THEN 'explained: a fraction of what is counted'
		WHEN our_model IS DISTINCT FROM model AND NOT (our_model IS NULL AND (model = '' OR octet_length(model) > 256)) THEN 'DIFFERENT'
		WHEN ours = usage THEN CASE WHEN our_model IS NOT DISTINCT FROM model THEN 'equal' ELSE 'explained: a model of no or of too many letters' END
		WHEN kind = 'big' AND nearly(ours, usage) THEN 'explained: exact where a double is not'
		WHEN ours - 'audio_seconds' = usage - 'audio_seconds' AND (ours -> 'audio_seconds')::numeric = round((usage -> 'audio_seconds')::numeric, 6)
			THEN 'explained: seconds have 6 decimals'
		WHEN provider = 'deepseek' AND NOT usage ? 'cache_read_tokens' AND ours - 'cache_read_tokens' = usage
			AND body -> 'usage' -> 'prompt_cache_hit_tokens' = ours -> 'cache_read_tokens' THEN 'explained: the cached tokens of older bodies'
		WHEN provider = 'moonshotai' AND NOT usage ? 'cache_read_tokens' AND ours - 'cache_read_tokens' = usage
			AND body -> 'usage' -> 'cached_tokens' = ours -> 'cache_read_tokens' THEN 'explained: the cached tokens of older bodies'
		ELSE 'DIFFERENT'
	END AS verdict
FROM public.answered AS a;

\pset footer off
SELECT source, split_part(verdict, ':', 1) AS verdict, count(*), count(DISTINCT (provider, flavor)) AS extractors
FROM public.verdict GROUP BY 1, 2 ORDER BY 1, 2;
SELECT verdict, count(*) FROM public.verdict GROUP BY 1 ORDER BY 1;
SELECT id, source, provider, flavor, left(body::text, 300) AS body, kind, model, our_model, usage, ours, price, our_price, said FROM public.verdict
WHERE verdict = 'DIFFERENT' ORDER BY id LIMIT 10;

-- Every number below the usage object counts, is known for what it is, or is reported.
CREATE TABLE public.leaf AS
SELECT v.id, v.provider, v.flavor, l.value ->> 0 AS path, l.value ->> 1 AS known_as, (l.value ->> 2)::numeric AS value,
	x.kind, v.unknown
FROM public.verdict AS v, LATERAL jsonb_array_elements(v.leaves) AS l
LEFT JOIN LATERAL (SELECT e.kind FROM aiusage.extractors() AS e
	WHERE e.provider = v.provider AND e.flavor = v.flavor AND e.path = l.value ->> 1
	ORDER BY array_position(ARRAY['unit', 'known'], e.kind) LIMIT 1) AS x ON true
WHERE v.kind = 'usage' AND v.ours IS NOT NULL AND v.id % 7 = 0 AND NOT coalesce(v.unknown ? '...', false);
SELECT count(*) AS leaves, count(kind) FILTER (WHERE kind <> 'no unit') AS counted, count(*) FILTER (WHERE unknown ? path) AS reported FROM public.leaf;
SELECT count(*) AS silent FROM public.leaf
WHERE CASE WHEN kind IN ('unit', 'fallback', 'known') OR kind LIKE 'cost%' OR (kind = 'no unit' AND value = 0) THEN coalesce(unknown ? path, false)
	ELSE (unknown ->> path)::numeric IS DISTINCT FROM round(value, 12) END \gset
SELECT * FROM public.leaf
WHERE CASE WHEN kind IN ('unit', 'fallback', 'known') OR kind LIKE 'cost%' OR (kind = 'no unit' AND value = 0) THEN coalesce(unknown ? path, false)
	ELSE (unknown ->> path)::numeric IS DISTINCT FROM round(value, 12) END ORDER BY id LIMIT 10;
-- A body is a stream of one chunk: the same usage, also when it is cut in two that tell it twice.
SELECT count(*) AS streams_differ FROM public.verdict AS v,
	LATERAL (SELECT (aiusage.merge_stream(v.provider, v.flavor, c.chunk ORDER BY c.n)).usage
			 FROM unnest(ARRAY['{}', v.body, v.body]) WITH ORDINALITY AS c (chunk, n)) AS m
WHERE v.kind = 'usage' AND v.said IS NULL AND v.flavor <> 'realtime' AND m.usage::jsonb IS DISTINCT FROM v.ours \gset
-- Nothing of a body but counters' names comes back.
SELECT count(*) AS leaked FROM public.verdict WHERE (ours::text || coalesce(unknown::text, '') || coalesce(our_model, '')) ~* 'repeat|instructions|user said' \gset

SELECT format('compared %s, equal %s, explained %s, different %s, numbers passed over %s, streams that differ %s', count(*),
	count(*) FILTER (WHERE verdict LIKE 'equal%'), count(*) FILTER (WHERE verdict LIKE 'explained%'),
	count(*) FILTER (WHERE verdict = 'DIFFERENT'), :silent, :streams_differ) AS result,
	count(*) FILTER (WHERE verdict = 'DIFFERENT') AS different,
	count(*) FILTER (WHERE verdict LIKE 'equal%' AND kind = 'usage' AND source LIKE 'generated%') AS equal,
	count(DISTINCT (provider, flavor)) FILTER (WHERE verdict = 'equal' AND kind = 'usage' AND source LIKE 'generated%') AS extractors,
	count(*) FILTER (WHERE verdict = 'equal' AND price IS NOT NULL) AS priced
FROM public.verdict \gset
\echo :result
\echo prices equal :priced
SELECT :different = 0 AND :silent = 0 AND :streams_differ = 0 AND :leaked = 0 AND :equal > 4000 AND :extractors = 81 AS passed \gset
\if :passed
\else
	DO $$ BEGIN RAISE EXCEPTION 'the differential test of extract_usage() failed'; END $$;
\endif
