-- The property test of pricing: random books, catalogues and usages, priced by
-- aiusage and by the plain numeric SQL below, which reads only what was
-- generated, and knows nothing of how aiusage does it.  Run by
-- t/020_pricing_property.pl, or by hand:
--
--     psql -v seed=7 -v cases=1000000 -f tools/pricing_property.sql
--
-- What is random: three books in a line (list, deal, charge) with versions that
-- take over from each other; models of its own in the deal; rules by service
-- tier, endpoint, region, dates, weekdays and windows in zones; rates for odd
-- quantities; tiers by three metrics, of either kind; minimums and steps;
-- multipliers; overrides of every kind; a provider that falls back to another;
-- usages that add up, usages that do not, and units that nobody priced.
\set ON_ERROR_STOP on
\if :{?seed}
\else
	\set seed 20261127
\endif
\if :{?cases}
\else
	\set cases 100000
\endif
SET client_min_messages = warning;
SET timezone = 'UTC';
SET jit = off;
SET search_path = public;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) AS steps FROM aiusage.init() \gset

-- 0 .. n - 1, the same on every machine; and one of a list (NULL is a member like any other)
SELECT format('CREATE FUNCTION rnd(key text, n int) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$ SELECT ((hashtextextended(key, %s) & 9223372036854775807) %% n)::int $$', :seed),
	format('CREATE FUNCTION one(key text, list text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$ SELECT list[1 + ((hashtextextended(key, %s) & 9223372036854775807) %% cardinality(list))::int] $$', :seed) \gexec

-- ------------------------------------------------------------ what there is

CREATE TABLE book (book text, depth int, inherits text, kind text);
INSERT INTO book VALUES ('pp_list', 3, NULL, 'list'), ('pp_deal', 2, 'pp_list', 'cost'), ('pp_charge', 1, 'pp_deal', 'charge');

-- newest: of the versions of a book that are effective, the one with the highest number
CREATE TABLE ver (book text, v int, effective_from timestamptz, effective_to timestamptz, version int);
INSERT INTO ver (book, v, effective_from, effective_to) VALUES ('pp_list', 1, '2026-01-01', NULL), ('pp_list', 2, '2026-04-01', NULL), ('pp_list', 3, '2026-06-01', '2026-07-01'),
	('pp_deal', 1, '2026-02-01', NULL), ('pp_deal', 2, '2026-05-01', '2026-09-01'), ('pp_charge', 1, '-infinity', NULL), ('pp_charge', 2, '2026-08-01', NULL);

CREATE TABLE model AS
SELECT v.book, v.v, p.provider, 'm' || n AS model, n
FROM ver AS v, (VALUES ('lab'), ('mill')) AS p (provider), generate_series(1, 60) AS n
WHERE CASE v.book WHEN 'pp_list' THEN rnd(concat_ws('/', 'model', v.v, p.provider, n), 10) < 9 WHEN 'pp_deal' THEN rnd(concat_ws('/', 'own', v.v, p.provider, n), 10) < 1 ELSE false END;

CREATE TABLE rule AS
SELECT m.book, m.v, m.provider, m.model, r.rule,
	CASE WHEN g.general THEN one(k || 'tier', ARRAY['*', NULL]) ELSE one(k || 'tier', ARRAY[NULL, NULL, 'batch', 'flex', '*', 'standard']) END AS service_tier,
	CASE WHEN NOT g.general THEN one(k || 'endpoint', ARRAY[NULL, NULL, NULL, 'chat', 'embed']) END AS endpoint,
	CASE WHEN NOT g.general THEN one(k || 'region', ARRAY[NULL, NULL, NULL, 'eu', '*']) END AS region,
	CASE WHEN rnd(k || 'starts', 6) = 0 THEN timestamptz '2026-01-01' + rnd(k || 's', 300) * interval '1 day' END AS starts_at,
	CASE WHEN rnd(k || 'ends', 6) = 0 THEN timestamptz '2026-11-01' + rnd(k || 'e', 60) * interval '1 day' END AS ends_at,
	CASE WHEN NOT g.general AND rnd(k || 'days', 4) = 0 THEN ARRAY(SELECT d FROM generate_series(1, 7) AS d WHERE rnd(k || d, 2) = 0 OR d = 3) END AS weekdays,
	CASE WHEN w.has THEN make_time(rnd(k || 'from', 12), rnd(k || 'fm', 4) * 15, 0) END AS time_from,
	CASE WHEN w.has THEN CASE WHEN rnd(k || 'night', 2) = 0 THEN make_time(12 + rnd(k || 'to', 12), rnd(k || 'tm', 60), 0) ELSE make_time(rnd(k || 'to', 12), rnd(k || 'tm', 60), 30) END END AS time_to,
	one(k || 'zone', ARRAY['UTC', 'Europe/Berlin', 'Asia/Kolkata', 'America/New_York']) AS time_zone,
	one(k || 'multiplier', ARRAY['1', '1', '1', '0.5', '1.1', '0.333333', '0'])::numeric AS multiplier
FROM model AS m, generate_series(0, 4) AS r (rule), LATERAL (SELECT concat_ws('/', 'rule', m.book, m.v, m.provider, m.model, r.rule, '')) AS x (k),
	LATERAL (SELECT r.rule = 0 AND rnd(k || 'general', 5) > 0) AS g (general), LATERAL (SELECT NOT g.general AND rnd(k || 'window', 3) = 0) AS w (has)
WHERE r.rule <= rnd(concat_ws('/', 'rules', m.book, m.v, m.provider, m.model), 5);

-- the lattice, written down: what contains what
CREATE TABLE unit (unit text PRIMARY KEY, parts text[], tokens boolean);
INSERT INTO unit VALUES ('input_tokens', '{cache_read_tokens, cache_write_tokens, input_audio_tokens, cache_audio_read_tokens}', true), ('cache_read_tokens', '{cache_audio_read_tokens}', true), ('cache_write_tokens', '{}', true),
	('input_audio_tokens', '{cache_audio_read_tokens}', true), ('cache_audio_read_tokens', '{}', true), ('output_tokens', '{output_reasoning_tokens, output_audio_tokens}', true),
	('output_reasoning_tokens', '{}', true), ('output_audio_tokens', '{}', true), ('web_searches', '{}', false), ('requests', '{}', false), ('audio_seconds', '{input_audio_seconds}', false), ('input_audio_seconds', '{}', false), ('gpu_minutes', '{}', false);

CREATE TABLE price AS
SELECT r.book, r.v, r.provider, r.model, r.rule, u.unit, t.n AS tier,
	round((rnd(k || 'rate', 1000000) + 1) * power(10::numeric, - rnd(k || 'scale', 9)), 9) * CASE WHEN rnd(k || 'free', 25) = 0 THEN 0 ELSE 1 END AS rate,
	CASE WHEN u.tokens THEN one(k || 'per', ARRAY['1000000', '1000', '1', '7'])::numeric ELSE one(k || 'per', ARRAY['1', '3', '60', '3600', '0.5'])::numeric END AS per,
	CASE WHEN t.n > 0 THEN t.n * 1000 + rnd(concat_ws('/', r.book, r.v, r.provider, r.model, r.rule), 3) END AS tier_start,
	CASE WHEN t.n > 0 THEN one(concat_ws('/', 'metric', r.book, r.v, r.provider, r.model, r.rule), ARRAY['input_tokens', 'input_tokens', 'input_tokens-cache_read_tokens', 'input_tokens+output_tokens']) END AS tier_metric,
	CASE WHEN t.n > 0 THEN rnd(k || 'inclusive', 2) = 0 END AS tier_inclusive,
	CASE WHEN t.n = 0 AND rnd(k || 'min', 12) = 0 AND u.unit <> 'requests' THEN 10 + rnd(k || 'm', 1000) END AS min_quantity,
	CASE WHEN t.n = 0 AND rnd(k || 'step', 12) = 0 THEN one(k || 'by', ARRAY['1', '60', '0.25', '1000'])::numeric END AS quantity_step
FROM rule AS r, unit AS u, generate_series(0, 3) AS t (n), LATERAL (SELECT concat_ws('/', 'price', r.book, r.v, r.provider, r.model, r.rule, u.unit, t.n, '')) AS x (k)
WHERE rnd(concat_ws('/', 'priced', r.book, r.v, r.provider, r.model, r.rule, u.unit), 100) < CASE WHEN u.unit IN ('input_tokens', 'output_tokens') THEN 97 WHEN u.unit IN ('requests', 'gpu_minutes') THEN 15 ELSE 80 END
	AND t.n <= CASE WHEN u.tokens AND rnd(concat_ws('/', 'tiered', r.book, r.v, r.provider, r.model, r.rule, u.unit), 3) = 0 THEN 1 + rnd(concat_ws('/', 'tiers', r.book, r.v, r.provider, r.model, r.rule, u.unit), 3) ELSE 0 END;
-- now and then the rate below the first tier is missing
DELETE FROM price AS p WHERE p.tier = 0 AND rnd(concat_ws('/', 'base', p.book, p.v, p.provider, p.model, p.rule, p.unit), 40) = 0
	AND EXISTS (SELECT FROM price AS t WHERE (t.book, t.v, t.provider, t.model, t.rule, t.unit) = (p.book, p.v, p.provider, p.model, p.rule, p.unit) AND t.tier > 0);

CREATE TABLE override AS
SELECT v.book, v.v, n AS override, one(k || 'provider', ARRAY[NULL, NULL, 'lab', 'mill', 'fab']) AS provider,
	CASE rnd(k || 'model', 5) WHEN 0 THEN NULL WHEN 1 THEN 'm' || rnd(k || 'p', 7) || '*' ELSE 'm' || 1 + rnd(k || 'm', 60) END AS model,
	CASE WHEN x.kind = 'fixed' THEN NULL WHEN x.kind = 'rate' OR rnd(k || 'unit', 2) = 0 THEN one(k || 'u', ARRAY(SELECT u.unit FROM unit AS u ORDER BY 1)) END AS unit,
	one(k || 'tier', ARRAY[NULL, NULL, '*', 'batch', 'standard']) AS service_tier, x.kind,
	CASE x.kind WHEN 'discount' THEN rnd(k || 'v', 100000001) / 1000000.0 WHEN 'markup' THEN rnd(k || 'v', 5000) / 10.0 ELSE rnd(k || 'v', 100000) / 1000000.0 END AS value,
	CASE WHEN x.kind = 'rate' THEN one(k || 'per', ARRAY['1000000', '1', '7'])::numeric ELSE 1 END AS per
FROM ver AS v, generate_series(1, 60) AS n, LATERAL (SELECT concat_ws('/', 'override', v.book, v.v, n, '')) AS y (k),
	LATERAL (SELECT one(k || 'kind', ARRAY['discount', 'discount', 'markup', 'rate', 'rate', 'fixed'])) AS x (kind)
WHERE v.book <> 'pp_list' AND (x.kind <> 'fixed' OR rnd(k || 'fixed', 3) = 0);

-- ------------------------------------------------------------ into aiusage

INSERT INTO aiusage.price_book (book, kind, currency, inherits) SELECT b.book, b.kind, 'USD', b.inherits FROM book AS b ORDER BY b.depth DESC;
DO $$
DECLARE
	x record;
	made int;
BEGIN
	FOR x IN SELECT * FROM ver ORDER BY book, v LOOP
		made := aiusage.draft_prices(x.book, x.effective_from);
		UPDATE ver SET version = made WHERE (ver.book, ver.v) = (x.book, x.v);
		UPDATE aiusage.price_version SET effective_to = x.effective_to WHERE version = made;
		INSERT INTO aiusage.price_provider (version, provider, ordinal, fallbacks)
			SELECT made, p, n, CASE p WHEN 'fab' THEN '{mill}'::text[] ELSE '{}' END FROM unnest(ARRAY['lab', 'mill', 'fab']) WITH ORDINALITY AS p (p, n) WHERE x.book <> 'pp_charge';
		INSERT INTO aiusage.price_model (version, provider, model, ordinal) SELECT made, m.provider, m.model, m.n FROM model AS m WHERE (m.book, m.v) = (x.book, x.v);
		INSERT INTO aiusage.price_rule (version, provider, model, rule, service_tier, endpoint, region, starts_at, ends_at, weekdays, time_from, time_to, time_zone, multiplier)
			SELECT made, r.provider, r.model, r.rule, r.service_tier, r.endpoint, r.region, r.starts_at, r.ends_at, r.weekdays, r.time_from, r.time_to, r.time_zone, r.multiplier FROM rule AS r WHERE (r.book, r.v) = (x.book, x.v);
		INSERT INTO aiusage.price (version, provider, model, rule, unit, rate, per, tier_start, tier_metric, tier_inclusive, min_quantity, quantity_step)
			SELECT made, p.provider, p.model, p.rule, p.unit, p.rate, p.per, p.tier_start, p.tier_metric, p.tier_inclusive, p.min_quantity, p.quantity_step FROM price AS p WHERE (p.book, p.v) = (x.book, x.v);
		INSERT INTO aiusage.price_override (version, override, provider, model, unit, service_tier, kind, value, per)
			SELECT made, o.override, o.provider, o.model, o.unit, o.service_tier, o.kind, o.value, o.per FROM override AS o WHERE (o.book, o.v) = (x.book, x.v);
		PERFORM aiusage.publish_prices(made);
	END LOOP;
END $$;

-- ------------------------------------------------------------ cases

CREATE TABLE request AS
SELECT id, one(k || 'book', ARRAY['pp_list', 'pp_deal', 'pp_deal', 'pp_charge']) AS book, one(k || 'provider', ARRAY['lab', 'lab', 'mill', 'fab']) AS provider,
	'm' || 1 + rnd(k || 'model', 61) AS model, one(k || 'tier', ARRAY[NULL, NULL, NULL, 'default', 'batch', 'Batch', 'flex', 'priority']) AS service_tier,
	one(k || 'endpoint', ARRAY[NULL, 'chat', 'CHAT', 'embed', 'other']) AS endpoint, one(k || 'region', ARRAY[NULL, NULL, 'eu', 'us']) AS region,
	timestamptz '2025-12-25' + rnd(k || 'day', 380) * interval '1 day' + rnd(k || 'minute', 1440) * interval '1 minute' + rnd(k || 'second', 3) * interval '30 seconds' AS at
FROM generate_series(1, :cases) AS id, LATERAL (SELECT 'case/' || id || '/') AS x (k);

-- What each unit takes for itself, added up into the totals; one in eight is made to contradict itself.
CREATE TABLE used AS
WITH own AS (
	SELECT r.id, u.unit, u.parts, CASE WHEN rnd(k || 'zero', 6) = 0 THEN 0 WHEN u.unit IN ('audio_seconds', 'input_audio_seconds', 'gpu_minutes') THEN rnd(k || 'q', 5000000) / 1000000.0 ELSE rnd(k || 'q', CASE WHEN rnd(k || 'big', 5) = 0 THEN 2000000 ELSE 1200 END) END AS q
	FROM request AS r, unit AS u, LATERAL (SELECT concat_ws('/', 'use', r.id, u.unit, '')) AS x (k)
	WHERE rnd(k || 'used', 100) < CASE WHEN u.unit IN ('input_tokens', 'output_tokens') THEN 90 WHEN u.unit = 'gpu_minutes' THEN 4 WHEN u.unit = 'requests' THEN 10 ELSE 22 END
), total AS (
	SELECT r.id, u.unit, sum(o.q) AS q, bool_or(o.unit = u.unit) AS itself
	FROM request AS r CROSS JOIN unit AS u JOIN own AS o ON o.id = r.id AND (o.unit = u.unit OR o.unit = ANY (u.parts))
	GROUP BY r.id, u.unit
)
SELECT t.id, t.unit, t.q + CASE WHEN rnd(concat_ws('/', 'more', t.id), 16) = 0 AND rnd(concat_ws('/', 'more', t.id, t.unit), 3) = 0 THEN 1 + rnd(concat_ws('/', 'by', t.id), 5000) ELSE 0 END AS q
FROM total AS t
WHERE t.itself OR rnd(concat_ws('/', 'lost', t.id), 16) > 0;

CREATE INDEX ON used (id);
ANALYZE;
CREATE TABLE asked AS
SELECT r.*, coalesce((SELECT aiusage.usage(array_agg(u.unit), array_agg(u.q)) FROM used AS u WHERE u.id = r.id), '{}') AS usage FROM request AS r;

CREATE TABLE answer AS
SELECT a.id, p.cost::numeric AS cost, p.unpriced_reason AS reason, p.price_version AS version, p.cost_by_unit
FROM asked AS a, LATERAL aiusage.owner_price_row(NULL, a.book, a.provider, a.model, a.usage, a.at, a.service_tier, a.endpoint, a.region) AS p;

-- ------------------------------------------------------------ the oracle

CREATE TABLE tier_name (asked text, named text);
INSERT INTO tier_name VALUES ('default', 'standard'), ('batch', 'batch'), ('Batch', 'batch'), ('flex', 'flex'), ('priority', 'priority');

-- the books of the line with the version in force of each, and the first of them that knows the model
CREATE TABLE known AS
WITH line AS (
	SELECT a.id, a.model, a.provider, b.book, b.depth, (SELECT max(v.v) FROM ver AS v WHERE v.book = b.book AND v.effective_from <= a.at AND (v.effective_to IS NULL OR v.effective_to > a.at)) AS v
	FROM asked AS a JOIN book AS q ON q.book = a.book JOIN book AS b ON b.depth >= q.depth
)
SELECT DISTINCT ON (l.id) l.id, l.book, l.v, l.depth, m.provider, m.model
FROM line AS l JOIN model AS m ON m.book = l.book AND m.v = l.v AND m.model = l.model AND m.provider = CASE l.provider WHEN 'fab' THEN 'mill' ELSE l.provider END
ORDER BY l.id, l.depth;
CREATE INDEX ON known (id);
ANALYZE known;

-- its rule
CREATE TABLE chosen AS
SELECT DISTINCT ON (k.id) k.id, k.book, k.v, k.depth, k.provider, k.model, r.rule, r.multiplier, coalesce(t.named, 'standard') AS tier, a.provider AS host
FROM known AS k JOIN asked AS a ON a.id = k.id LEFT JOIN tier_name AS t ON t.asked = a.service_tier
JOIN rule AS r ON (r.book, r.v, r.provider, r.model) = (k.book, k.v, k.provider, k.model)
CROSS JOIN LATERAL (SELECT a.at AT TIME ZONE r.time_zone) AS l (local)
WHERE coalesce(r.service_tier, 'standard') IN (coalesce(t.named, 'standard'), '*')
	AND (r.endpoint IS NULL OR r.endpoint = lower(a.endpoint)) AND (r.region IS NULL OR r.region = a.region OR (r.region = '*' AND a.region IS NOT NULL))
	AND (r.starts_at IS NULL OR a.at >= r.starts_at) AND (r.ends_at IS NULL OR a.at < r.ends_at)
	AND CASE
		WHEN r.time_from IS NULL THEN r.weekdays IS NULL OR extract(isodow FROM local)::int = ANY (r.weekdays)
		WHEN r.time_from < r.time_to THEN local::time >= r.time_from AND local::time < r.time_to AND (r.weekdays IS NULL OR extract(isodow FROM local)::int = ANY (r.weekdays))
		WHEN local::time >= r.time_from THEN r.weekdays IS NULL OR extract(isodow FROM local)::int = ANY (r.weekdays)
		ELSE local::time < r.time_to AND (r.weekdays IS NULL OR extract(isodow FROM local - interval '1 day')::int = ANY (r.weekdays)) END
ORDER BY k.id, (coalesce(r.service_tier, '') <> '*') DESC, (r.endpoint IS NOT NULL) DESC, CASE WHEN r.region IS NULL THEN 0 WHEN r.region = '*' THEN 1 ELSE 2 END DESC, r.rule DESC;
CREATE INDEX ON chosen (id);
ANALYZE chosen;

-- overrides that concern it, of the books before the one that has the price: the best of each unit, and of the whole request
CREATE TABLE concern AS
SELECT c.id, b.depth, o.override, o.unit, o.kind, o.value, o.per,
	CASE WHEN o.model IS NULL THEN 0 WHEN right(o.model, 1) = '*' THEN 16 ELSE 32 END + CASE WHEN o.provider IS NULL THEN 0 ELSE 8 END
		+ CASE WHEN o.service_tier = '*' OR (o.service_tier IS NULL AND o.kind IN ('discount', 'markup')) THEN 0 ELSE 4 END + CASE WHEN o.unit IS NULL THEN 0 ELSE 1 END AS weight,
	CASE WHEN right(o.model, 1) = '*' THEN length(o.model) ELSE 0 END AS prefix
FROM chosen AS c JOIN asked AS a ON a.id = c.id JOIN book AS q ON q.book = a.book JOIN book AS b ON b.depth >= q.depth AND b.depth < c.depth
JOIN LATERAL (SELECT max(v.v) AS v FROM ver AS v WHERE v.book = b.book AND v.effective_from <= a.at AND (v.effective_to IS NULL OR v.effective_to > a.at)) AS f ON true
JOIN override AS o ON o.book = b.book AND o.v = f.v
WHERE (o.provider IS NULL OR o.provider = c.host) AND (o.model IS NULL OR o.model = c.model OR (right(o.model, 1) = '*' AND starts_with(c.model, left(o.model, -1))))
	AND CASE WHEN o.service_tier = '*' THEN true WHEN o.service_tier IS NULL THEN o.kind IN ('discount', 'markup') OR c.tier = 'standard' ELSE o.service_tier = c.tier END;
CREATE TABLE whole AS SELECT DISTINCT ON (x.id, x.depth) x.* FROM concern AS x WHERE x.unit IS NULL ORDER BY x.id, x.depth, x.weight DESC, x.prefix DESC, x.override DESC;
CREATE TABLE by_unit AS
SELECT DISTINCT ON (x.id, x.depth, u.unit) x.id, x.depth, u.unit, x.kind, x.value, x.per FROM concern AS x JOIN unit AS u ON x.unit IS NULL OR x.unit = u.unit
ORDER BY x.id, x.depth, u.unit, x.weight DESC, x.prefix DESC, x.override DESC;
CREATE TABLE own_rate AS
SELECT DISTINCT ON (x.id, x.depth, x.unit) x.id, x.depth, x.unit, x.value, x.per FROM concern AS x WHERE x.kind = 'rate' ORDER BY x.id, x.depth, x.unit, x.weight DESC, x.prefix DESC, x.override DESC;
CREATE INDEX ON whole (id, depth);
CREATE INDEX ON by_unit (id, depth, unit);
CREATE INDEX ON own_rate (id, depth);
ANALYZE whole, by_unit, own_rate;

-- rates as inherited, then what the book next to it makes of them, then the one before
CREATE TABLE rated AS
SELECT c.id, p.unit, p.tier, p.tier_start, p.tier_metric, p.tier_inclusive, p.rate, p.per, c.multiplier AS factor, p.min_quantity, p.quantity_step, false AS fixed
FROM chosen AS c JOIN price AS p ON (p.book, p.v, p.provider, p.model, p.rule) = (c.book, c.v, c.provider, c.model, c.rule);
CREATE FUNCTION apply_overrides(level int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CREATE INDEX ON rated (id, unit);
	ANALYZE rated;
	CREATE TABLE next_rated AS
	WITH fixed AS (SELECT w.id, w.value FROM whole AS w WHERE w.depth = level AND w.kind = 'fixed'),
	kept AS (
		-- a rate stands for all tiers of its unit
		SELECT r.id, r.unit, CASE WHEN o.kind = 'rate' THEN 0 ELSE r.tier END AS tier, CASE WHEN o.kind = 'rate' THEN NULL ELSE r.tier_start END AS tier_start,
			CASE WHEN o.kind = 'rate' THEN NULL ELSE r.tier_metric END AS tier_metric, CASE WHEN o.kind = 'rate' THEN NULL ELSE r.tier_inclusive END AS tier_inclusive,
			CASE WHEN o.kind = 'rate' THEN o.value ELSE r.rate END AS rate, CASE WHEN o.kind = 'rate' THEN o.per ELSE r.per END AS per,
			CASE o.kind WHEN 'rate' THEN 1 WHEN 'discount' THEN r.factor * (100 - o.value) * 0.01 WHEN 'markup' THEN r.factor * (100 + o.value) * 0.01 ELSE r.factor END AS factor, r.min_quantity, r.quantity_step, r.fixed,
			row_number() OVER (PARTITION BY r.id, r.unit ORDER BY r.tier) AS nth, o.kind
		FROM rated AS r LEFT JOIN by_unit AS o ON o.id = r.id AND o.depth = level AND o.unit = r.unit
		WHERE r.id NOT IN (SELECT f.id FROM fixed AS f)
	)
	SELECT k.id, k.unit, k.tier, k.tier_start, k.tier_metric, k.tier_inclusive, k.rate, k.per, k.factor, k.min_quantity, k.quantity_step, k.fixed FROM kept AS k WHERE k.kind IS DISTINCT FROM 'rate' OR k.nth = 1
	UNION ALL
	SELECT n.id, n.unit, 0, NULL, NULL, NULL, n.value, n.per, 1, NULL, NULL, false FROM own_rate AS n
	WHERE n.depth = level AND n.id NOT IN (SELECT f.id FROM fixed AS f) AND NOT EXISTS (SELECT FROM rated AS r WHERE r.id = n.id AND r.unit = n.unit)
		AND NOT EXISTS (SELECT FROM rated AS r WHERE r.id = n.id AND r.fixed) AND EXISTS (SELECT FROM rated AS r WHERE r.id = n.id)
	UNION ALL
	SELECT f.id, 'requests', 0, NULL, NULL, NULL, f.value, 1, 1, NULL, NULL, true FROM fixed AS f;
	DROP TABLE rated;
	ALTER TABLE next_rated RENAME TO rated;
END $$;
SELECT apply_overrides(2), apply_overrides(1) \gset
CREATE INDEX ON rated (id, unit);
ANALYZE rated;

-- quantities: of the priced units, and of those that a metric compares
CREATE TABLE quantity AS
WITH priced AS (
	SELECT r.id, r.unit, min(r.min_quantity) AS min_quantity, min(r.quantity_step) AS quantity_step FROM rated AS r GROUP BY 1, 2
), compared AS (
	SELECT DISTINCT r.id, m.unit FROM rated AS r, regexp_split_to_table(r.tier_metric, '[+-]') AS m (unit)
), needed AS (
	SELECT id, unit, p.id IS NOT NULL AS priced, p.min_quantity, p.quantity_step FROM priced AS p FULL JOIN compared AS c USING (id, unit)
)
SELECT n.id, n.unit, n.priced, n.min_quantity, n.quantity_step, u.parts, s.q IS NOT NULL AS reported, largest.part, largest.overlap,
	CASE WHEN s.q IS NOT NULL THEN s.q WHEN n.unit = 'requests' AND n.priced THEN 1 WHEN n.min_quantity IS NOT NULL AND (largest.part > 0 OR largest.overlap) THEN coalesce(largest.part, 0) ELSE 0 END AS q
FROM needed AS n JOIN unit AS u ON u.unit = n.unit LEFT JOIN used AS s ON s.id = n.id AND s.unit = n.unit
CROSS JOIN LATERAL (SELECT max(w.q) FILTER (WHERE w.unit = ANY (u.parts)) AS part,
	-- two that overlap in it, which is not reported
	n.unit = 'cache_audio_read_tokens' AND count(*) FILTER (WHERE w.q > 0 AND w.unit IN ('cache_read_tokens', 'input_audio_tokens')) = 2 AS overlap
	FROM used AS w WHERE w.id = n.id AND s.q IS NULL) AS largest;
CREATE INDEX ON quantity (id, unit);
ANALYZE quantity;

-- leaf = quantity - leafs of the priced parts, from the parts to the totals
CREATE TABLE leaf AS SELECT q.id, q.unit, q.q AS leaf FROM quantity AS q WHERE q.priced AND q.parts = '{}';
CREATE INDEX ON leaf (id, unit);
ANALYZE leaf;
INSERT INTO leaf SELECT q.id, q.unit, q.q - coalesce((SELECT sum(l.leaf) FROM leaf AS l WHERE l.id = q.id AND l.unit = ANY (q.parts)), 0)
FROM quantity AS q WHERE q.priced AND q.parts <> '{}' AND q.unit <> 'input_tokens';
INSERT INTO leaf SELECT q.id, q.unit, q.q - coalesce((SELECT sum(l.leaf) FROM leaf AS l WHERE l.id = q.id AND l.unit = ANY (q.parts)), 0)
FROM quantity AS q WHERE q.priced AND q.unit = 'input_tokens';
ANALYZE leaf;

-- the rate in force: of the tiers that are passed the last one
CREATE TABLE in_force AS
SELECT DISTINCT ON (r.id, r.unit) r.id, r.unit, r.rate, r.per, r.factor
FROM rated AS r
LEFT JOIN quantity AS i ON i.id = r.id AND i.unit = 'input_tokens' LEFT JOIN quantity AS c ON c.id = r.id AND c.unit = 'cache_read_tokens' LEFT JOIN quantity AS o ON o.id = r.id AND o.unit = 'output_tokens'
CROSS JOIN LATERAL (SELECT CASE r.tier_metric WHEN 'input_tokens' THEN i.q WHEN 'input_tokens-cache_read_tokens' THEN i.q - c.q WHEN 'input_tokens+output_tokens' THEN i.q + o.q END) AS m (metric)
WHERE r.tier = 0 OR m.metric > r.tier_start OR (r.tier_inclusive AND m.metric = r.tier_start)
ORDER BY r.id, r.unit, r.tier_start DESC NULLS LAST;
CREATE INDEX ON in_force (id, unit);
ANALYZE in_force;

CREATE FUNCTION half_even(num numeric, den numeric) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT d + CASE WHEN 2 * (num - d * den) > den OR (2 * (num - d * den) = den AND mod(d, 2) = 1) THEN 1 ELSE 0 END FROM div(num, den) AS d $$;
CREATE TABLE component AS
SELECT l.id, l.unit, f.rate IS NULL AS no_rate, half_even(b.billed * f.rate * f.factor * 1000000000000, f.per) * 0.000000000001 AS amount
FROM leaf AS l JOIN quantity AS q ON q.id = l.id AND q.unit = l.unit LEFT JOIN in_force AS f ON f.id = l.id AND f.unit = l.unit
CROSS JOIN LATERAL (SELECT l.leaf + greatest(coalesce(q.min_quantity, 0) - q.q, 0)) AS a (raised)
CROSS JOIN LATERAL (SELECT CASE WHEN q.quantity_step IS NULL THEN a.raised ELSE ceil(a.raised / q.quantity_step) * q.quantity_step END) AS b (billed)
WHERE q.q > 0 AND a.raised > 0;

-- why not: every reason that there is
CREATE TABLE reason AS
SELECT a.id, 'not known' AS reason FROM asked AS a WHERE NOT EXISTS (SELECT FROM known AS k WHERE k.id = a.id)
UNION SELECT k.id, 'no_rule' FROM known AS k WHERE NOT EXISTS (SELECT FROM chosen AS c WHERE c.id = k.id)
UNION SELECT c.id, 'no_prices' FROM chosen AS c WHERE NOT EXISTS (SELECT FROM rated AS r WHERE r.id = c.id)
UNION SELECT l.id, 'contradictory_usage' FROM leaf AS l WHERE l.leaf < 0
UNION SELECT q.id, 'contradictory_usage' FROM quantity AS q WHERE NOT q.reported AND (q.part > 0 OR q.overlap) AND (q.min_quantity IS NULL OR coalesce(q.part, 0) = 0)
UNION SELECT x.id, 'prices_incomplete' FROM quantity AS x JOIN quantity AS y ON y.id = x.id
	WHERE x.priced AND y.priced AND x.q > 0 AND y.q > 0 AND (x.unit, y.unit) IN (('cache_write_tokens', 'input_audio_tokens'), ('output_reasoning_tokens', 'output_audio_tokens'))
UNION SELECT x.id, 'prices_incomplete' FROM quantity AS x JOIN quantity AS y ON y.id = x.id
	WHERE x.priced AND y.priced AND x.q > 0 AND y.q > 0 AND (x.unit, y.unit) = ('cache_read_tokens', 'input_audio_tokens') AND NOT EXISTS (SELECT FROM quantity AS j WHERE j.id = x.id AND j.unit = 'cache_audio_read_tokens' AND j.priced)
UNION SELECT u.id, 'prices_incomplete' FROM used AS u JOIN quantity AS x ON x.id = u.id AND x.unit = 'cache_read_tokens' AND x.priced JOIN quantity AS y ON y.id = u.id AND y.unit = 'input_audio_tokens' AND y.priced
	WHERE u.unit = 'cache_audio_read_tokens' AND u.q > 0 AND NOT EXISTS (SELECT FROM quantity AS j WHERE j.id = u.id AND j.unit = u.unit AND j.priced)
UNION SELECT q.id, 'prices_incomplete' FROM quantity AS q JOIN unit AS total ON q.unit = ANY (total.parts) WHERE q.priced AND q.q > 0 AND NOT EXISTS (SELECT FROM quantity AS t WHERE t.id = q.id AND t.unit = total.unit AND t.priced)
UNION SELECT u.id, 'unit_unpriced' FROM used AS u JOIN chosen AS c ON c.id = u.id
	WHERE u.q > 0 AND u.unit <> 'requests' AND NOT EXISTS (SELECT FROM rated AS r WHERE r.id = u.id AND r.fixed) AND EXISTS (SELECT FROM rated AS r WHERE r.id = u.id)
		AND NOT EXISTS (SELECT FROM rated AS r LEFT JOIN unit AS t ON t.unit = r.unit WHERE r.id = u.id AND (r.unit = u.unit OR u.unit = ANY (t.parts)))
UNION SELECT c.id, 'unit_unpriced' FROM component AS c WHERE c.no_rate;
CREATE INDEX ON reason (id);
CREATE INDEX ON component (id);
ANALYZE reason, component;

-- ------------------------------------------------------------ the verdict

CREATE TABLE verdict AS
SELECT a.id, n.cost, n.reason, e.cost AS expected, w.reasons,
	CASE
		WHEN w.reasons IS NULL THEN n.cost IS NOT NULL AND n.cost = e.cost
			AND (SELECT coalesce(jsonb_object_agg(c.unit, c.amount), '{}') FROM component AS c WHERE c.id = a.id) = coalesce((SELECT jsonb_object_agg(x.unit, x.cost) FROM aiusage.unnest_costs(n.cost_by_unit) AS x), '{}')
			AND n.cost = aiusage.price_usage(a.provider, a.model, a.usage, a.at, a.service_tier, a.endpoint, a.region, a.book)::numeric
		ELSE n.cost IS NULL AND CASE WHEN n.reason IN ('no_price_version', 'unknown_provider', 'unknown_model') THEN 'not known' ELSE n.reason END = ANY (w.reasons)
	END AS equal
FROM asked AS a JOIN answer AS n ON n.id = a.id
LEFT JOIN LATERAL (SELECT array_agg(r.reason ORDER BY r.reason) AS reasons FROM reason AS r WHERE r.id = a.id) AS w ON true
LEFT JOIN LATERAL (SELECT coalesce(sum(c.amount), 0) AS cost FROM component AS c WHERE c.id = a.id) AS e ON true;

\pset footer off
SELECT coalesce(v.reason, 'priced') AS answer, count(*), count(*) FILTER (WHERE v.equal) AS equal, count(DISTINCT v.cost) AS amounts FROM verdict AS v GROUP BY 1 ORDER BY 2 DESC;
SELECT b.book, count(*) FILTER (WHERE v.cost IS NOT NULL) AS priced, count(*) FILTER (WHERE v.cost IS NOT NULL AND c.depth > b.depth) AS inherited, count(*) FILTER (WHERE v.cost IS NOT NULL AND o.id IS NOT NULL) AS overridden,
	count(*) FILTER (WHERE v.cost IS NOT NULL AND t.id IS NOT NULL) AS with_tiers, count(*) FILTER (WHERE v.cost IS NOT NULL AND f.id IS NOT NULL) AS fixed
FROM verdict AS v JOIN asked AS a ON a.id = v.id JOIN book AS b ON b.book = a.book LEFT JOIN chosen AS c ON c.id = v.id
LEFT JOIN (SELECT DISTINCT id FROM concern) AS o ON o.id = v.id LEFT JOIN (SELECT DISTINCT id FROM rated WHERE tier > 0) AS t ON t.id = v.id LEFT JOIN (SELECT DISTINCT id FROM rated WHERE fixed) AS f ON f.id = v.id
GROUP BY 1 ORDER BY 1;
SELECT v.id, a.book, a.provider, a.model, a.service_tier, a.endpoint, a.region, a.at, a.usage, v.cost, v.reason, v.expected, v.reasons FROM verdict AS v JOIN asked AS a ON a.id = v.id WHERE v.equal IS NOT TRUE ORDER BY v.id LIMIT 5;
SELECT format('seed %s: compared %s, equal %s, priced %s', :'seed', count(*), count(*) FILTER (WHERE v.equal), count(v.cost)) AS result,
	count(*) = :cases AND bool_and(v.equal) AND count(v.cost) > :cases / 4 AS passed FROM verdict AS v \gset
\echo :result
\if :passed
\else
	DO $$ BEGIN RAISE EXCEPTION 'the property test of pricing failed'; END $$;
\endif
