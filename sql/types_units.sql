--
-- The registry of units and its lattice.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
RESET client_min_messages;

-- The registry itself: codes are stored on disk, so this list only ever grows at its end.
SELECT code, unit, family, direction AS dir, modality, token_type, cache_ttl AS ttl, variant, whole
FROM aiusage.unit_registry();

SELECT unit, price_key, price_per FROM aiusage.unit_registry() WHERE price_key IS NOT NULL;
SELECT unit, price_per FROM aiusage.unit_registry() WHERE price_key IS NULL;

-- Codes are dense; names, price keys and points in the space of dimensions are unique.
SELECT count(*) = max(code) AND min(code) = 1 AS dense,
       count(*) = count(DISTINCT unit) AS names_unique,
       count(price_key) = count(DISTINCT price_key) AS price_keys_unique,
       count(*) = count(DISTINCT (family, direction, modality, token_type, cache_ttl, variant)) AS points_unique,
       bool_and(unit ~ '^[a-z][a-z0-9_]{0,62}$') AS names_valid,
       max(code) < 128 AS fits_a_set
FROM aiusage.unit_registry();

-- Ancestors, from the dimensions: A contains B when all that A sets, B sets alike.
WITH r AS (SELECT * FROM aiusage.unit_registry()),
expected AS (
    SELECT b.unit, coalesce(array_agg(a.unit ORDER BY a.code) FILTER (WHERE a.unit IS NOT NULL), '{}') AS ancestors
    FROM r AS b LEFT JOIN r AS a
      ON a.code <> b.code AND a.family = b.family
     AND (a.direction IS NULL OR a.direction = b.direction)
     AND (a.modality IS NULL OR a.modality = b.modality)
     AND (a.token_type IS NULL OR a.token_type = b.token_type)
     AND (a.cache_ttl IS NULL OR a.cache_ttl = b.cache_ttl)
     AND (a.variant IS NULL OR a.variant = b.variant)
    GROUP BY b.unit)
SELECT count(*) AS units, count(*) FILTER (WHERE r.ancestors = e.ancestors) AS equal
FROM r JOIN expected AS e USING (unit);

SELECT unit, ancestors FROM aiusage.unit_registry()
WHERE unit IN ('input_tokens', 'cache_read_tokens', 'cache_write_5m_tokens', 'cache_audio_write_1h_tokens',
               'output_audio_reasoning_tokens', 'input_audio_seconds', 'input_annotated_document_pages',
               'images_1024_hd', 'web_searches');

-- A usage of every unit prints in registry order.
SELECT aiusage.units(aiusage.usage(array_agg(unit ORDER BY md5(unit)), array_agg(code ORDER BY md5(unit))))
       = array_agg(unit ORDER BY code) AS registry_order
FROM aiusage.unit_registry();

-- Units counted in whole numbers refuse fractions, the others take six decimals.
DO $$
DECLARE
    r record;
    accepted boolean;
BEGIN
    FOR r IN SELECT unit, whole FROM aiusage.unit_registry() LOOP
        BEGIN
            PERFORM aiusage.usage(r.unit, 0.5);
            accepted := true;
        EXCEPTION WHEN SQLSTATE 'UA422' THEN
            accepted := false;
        END;
        IF accepted = r.whole THEN
            RAISE EXCEPTION 'unit % takes fractions: %', r.unit, accepted;
        END IF;
    END LOOP;
END
$$;
