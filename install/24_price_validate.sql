/* validate_prices(): what looks wrong in a version, before it is published or after. */

CREATE FUNCTION aiusage.price_previous_version(version int) RETURNS int
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.version
	FROM aiusage.price_version AS v JOIN aiusage.price_version AS p ON p.book = v.book AND p.status = 'published' AND p.version <> v.version
	WHERE v.version = price_previous_version.version
		AND (v.publication IS NULL OR p.publication < v.publication)
		AND p.effective_from <= v.effective_from AND (p.effective_to IS NULL OR p.effective_to > v.effective_from)
	ORDER BY p.publication DESC LIMIT 1
$$;
COMMENT ON FUNCTION aiusage.price_previous_version(int) IS 'The version that a version takes over from, at the time it is effective from; NULL: none';

-- Rules as the checks of time need them: the standard tier has one name.
CREATE FUNCTION aiusage.price_rules_of(version int)
	RETURNS TABLE (provider text, model text, rule int, service_tier text, endpoint text, region text, starts_at timestamptz, ends_at timestamptz,
		weekdays int[], time_from time, time_to time, time_zone text, timed boolean)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.provider, r.model, r.rule,
		CASE WHEN lower(r.service_tier COLLATE "C") IN ('default', 'auto', 'on_demand', 'on-demand', 'standard_only') THEN 'standard'
			ELSE coalesce(lower(r.service_tier COLLATE "C"), 'standard') END,
		lower(r.endpoint COLLATE "C"), lower(r.region COLLATE "C"), coalesce(r.starts_at, '-infinity'), coalesce(r.ends_at, 'infinity'),
		(SELECT CASE WHEN count(DISTINCT d) < 7 THEN array_agg(DISTINCT d ORDER BY d) END FROM unnest(r.weekdays) AS d),
		r.time_from, r.time_to, r.time_zone,
		r.starts_at IS NOT NULL OR r.ends_at IS NOT NULL OR r.weekdays IS NOT NULL OR r.time_from IS NOT NULL
	FROM aiusage.price_rule AS r WHERE r.version = price_rules_of.version
$$;
COMMENT ON FUNCTION aiusage.price_rules_of(int) IS 'The rules of a price version with their conditions in one form, for validate_prices()';

/*
 * Moments at which no rule of a model applies that is for the tier, endpoint
 * and region of one of them, though there are some.  Whether one applies can
 * only change at an end of a rule or of a daily window, so those are tried: the
 * windows' on eight days from each end of a rule.
 */
CREATE FUNCTION aiusage.price_holes(version int)
	RETURNS TABLE (provider text, model text, rule int, names text, at timestamptz)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
	WITH ver AS (
		SELECT v.effective_from, coalesce(v.effective_to, 'infinity') AS effective_to FROM aiusage.price_version AS v WHERE v.version = price_holes.version
	), r AS MATERIALIZED (
		SELECT x.* FROM aiusage.price_rules_of(price_holes.version) AS x
	), candidate AS (
		-- asked: what a request names that a rule is for; rules that would do for it
		SELECT a.provider, a.model, a.rule AS asked, c.*
		FROM r AS a
		JOIN r AS c (provider_2, model_2, rule_2, service_tier_2, endpoint_2, region_2, starts_2, ends_2, weekdays_2, from_2, to_2, zone_2, timed_2)
			ON c.provider_2 = a.provider AND c.model_2 = a.model
			AND c.service_tier_2 IN (a.service_tier, '*') AND (c.endpoint_2 IS NULL OR c.endpoint_2 = a.endpoint)
			AND (c.region_2 IS NULL OR c.region_2 = a.region OR (c.region_2 = '*' AND a.region IS NOT NULL))
		WHERE a.timed
	), asked AS (
		SELECT c.provider, c.model, c.asked FROM candidate AS c GROUP BY 1, 2, 3 HAVING bool_and(c.timed_2)
	), edge AS (
		SELECT DISTINCT c.provider, c.model, c.asked, e.at
		FROM candidate AS c JOIN asked USING (provider, model, asked), ver AS v,
			LATERAL (VALUES (c.starts_2), (c.starts_2 - interval '1 microsecond'), (c.ends_2), (v.effective_from), (timestamptz '2026-01-05')) AS e (at)
		WHERE isfinite(e.at)
	), moment AS (
		SELECT DISTINCT e.provider, e.model, e.asked, m.at
		FROM edge AS e JOIN candidate AS c USING (provider, model, asked), ver AS v, generate_series(0, 7) AS day,
			LATERAL (VALUES (e.at), (((e.at AT TIME ZONE c.zone_2)::date + day + c.from_2) AT TIME ZONE c.zone_2),
				(((e.at AT TIME ZONE c.zone_2)::date + day + c.to_2) AT TIME ZONE c.zone_2), (((e.at AT TIME ZONE c.zone_2)::date + day + time '00:00') AT TIME ZONE c.zone_2)) AS m (at)
		WHERE m.at >= v.effective_from AND m.at < v.effective_to AND (day = 0 OR c.from_2 IS NOT NULL OR c.weekdays_2 IS NOT NULL)
	), hole AS (
		SELECT m.provider, m.model, m.asked, min(m.at) AS at
		FROM moment AS m
		WHERE NOT EXISTS (SELECT FROM candidate AS c WHERE c.provider = m.provider AND c.model = m.model AND c.asked = m.asked
			AND aiusage.price_rule_applies(nullif(c.starts_2, '-infinity'), nullif(c.ends_2, 'infinity'), c.weekdays_2, c.from_2, c.to_2, c.zone_2, m.at))
		GROUP BY 1, 2, 3
	)
	-- one row for what a request names
	SELECT DISTINCT ON (h.provider, h.model, r.service_tier, r.endpoint, r.region) h.provider, h.model, h.asked,
		concat_ws(', ', 'service tier ' || r.service_tier, 'endpoint ' || r.endpoint, 'region ' || r.region), h.at
	FROM hole AS h JOIN r ON r.provider = h.provider AND r.model = h.model AND r.rule = h.asked
	ORDER BY h.provider, h.model, r.service_tier, r.endpoint, r.region, h.asked
$$;
COMMENT ON FUNCTION aiusage.price_holes(int) IS 'Where the rules of a model leave a time without a price in a version''s range: what is asked for, and the first such moment that was found';

CREATE FUNCTION aiusage.validate_prices(version int)
	RETURNS TABLE (severity text, provider text, model text, rule int, unit text, problem text, what_to_do text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET enable_nestloop = off	-- a new version is not in the statistics, see export_prices()
	SET DateStyle = 'ISO'
AS $$
#variable_conflict use_column
DECLARE
	this int := validate_prices.version;
	v aiusage.price_version;
	previous int := aiusage.price_previous_version(validate_prices.version);
	inherited int[];
BEGIN
	SELECT x.* INTO v FROM aiusage.price_version AS x WHERE x.version = this;
	IF v.version IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('price version %s does not exist', coalesce(this::text, 'null')),
			HINT = 'See aiusage.price_version for the versions there are.';
	END IF;
	-- what its book inherits, when it becomes effective or now, whichever is later
	inherited := ARRAY(
		WITH RECURSIVE line AS (
			SELECT b.inherits AS book, 1 AS depth FROM aiusage.price_book AS b WHERE b.book = v.book AND b.inherits IS NOT NULL
			UNION ALL SELECT b.inherits, l.depth + 1 FROM line AS l JOIN aiusage.price_book AS b ON b.book = l.book WHERE b.inherits IS NOT NULL AND l.depth < 8)
		SELECT DISTINCT (SELECT p.version FROM aiusage.price_version AS p WHERE p.book = l.book AND p.status = 'published'
			AND p.effective_from <= greatest(v.effective_from, now()) AND (p.effective_to IS NULL OR p.effective_to > greatest(v.effective_from, now()))
			ORDER BY p.publication DESC LIMIT 1) FROM line AS l);

	RETURN QUERY
	WITH r AS MATERIALIZED (
		SELECT x.* FROM aiusage.price_rules_of(this) AS x
	), p AS MATERIALIZED (
		SELECT x.*, x.rate / x.per AS each FROM aiusage.price AS x WHERE x.version = this
	), o AS (
		SELECT x.*, lower(x.model COLLATE "C") AS name, lower(x.provider COLLATE "C") AS host FROM aiusage.price_override AS x WHERE x.version = this
	), found AS (
		-- what has no price at all
		SELECT 'warning' AS severity, m.provider, m.model, NULL::int AS rule, NULL::text AS unit, 'the entry has no rules: what uses it is booked unpriced (no_prices)' AS problem,
			'Add a rule with prices (0, if it is free), or take the entry out.' AS what_to_do
		FROM aiusage.price_model AS m
		WHERE m.version = this AND NOT EXISTS (SELECT FROM r WHERE r.provider = m.provider AND r.model = m.model)
		UNION ALL
		SELECT 'warning', r.provider, r.model, r.rule, NULL, 'the rule has no prices: what it is for is booked unpriced (no_prices)', 'Add prices (0, if it is free), or take the rule out.'
		FROM r WHERE NOT EXISTS (SELECT FROM p WHERE p.provider = r.provider AND p.model = r.model AND p.rule = r.rule)
		UNION ALL
		-- holes in time
		SELECT 'warning', h.provider, h.model, h.rule, NULL, format('a time without a price for %s: no rule applies at %s', h.names, h.at),
			'Add a rule without time conditions, or close the gap between the windows.'
		FROM aiusage.price_holes(this) AS h
		UNION ALL
		SELECT 'warning', NULL, NULL, NULL, NULL, format('no version of book "%s" is effective %s', v.book,
				CASE WHEN e.before THEN format('right before %s, though earlier ones ended', v.effective_from) ELSE format('from %s on', v.effective_to) END),
			CASE WHEN e.before THEN 'Begin earlier, or publish a version for the time between.' ELSE 'Publish a version that goes on, or leave effective_to out.' END
		FROM (VALUES (true, v.effective_from - interval '1 microsecond'), (false, v.effective_to)) AS e (before, at)
		WHERE isfinite(e.at)
			AND (NOT e.before OR EXISTS (SELECT FROM aiusage.price_version AS x WHERE x.book = v.book AND x.status = 'published' AND x.version <> this AND x.effective_to <= v.effective_from))
			AND NOT EXISTS (SELECT FROM aiusage.price_version AS x WHERE x.book = v.book AND x.status = 'published' AND x.version <> this
				AND x.effective_from <= e.at AND (x.effective_to IS NULL OR x.effective_to > e.at))
		UNION ALL
		-- what is never reached
		SELECT 'warning', lost.provider, lost.model, lost.rule, NULL, format('the rule never applies: rule %s names the same, has a higher number, and holds whenever it does', min(won.rule)),
			'Take it out, or give one of them what sets it apart.'
		FROM r AS lost JOIN r AS won ON won.provider = lost.provider AND won.model = lost.model AND won.rule > lost.rule
			AND won.service_tier = lost.service_tier AND won.endpoint IS NOT DISTINCT FROM lost.endpoint AND won.region IS NOT DISTINCT FROM lost.region
			AND won.starts_at <= lost.starts_at AND won.ends_at >= lost.ends_at
			AND (won.weekdays IS NULL OR (won.weekdays @> lost.weekdays AND won.time_zone = lost.time_zone AND won.time_from IS NOT DISTINCT FROM lost.time_from AND won.time_to IS NOT DISTINCT FROM lost.time_to))
			AND (won.time_from IS NULL OR ((won.time_from, won.time_to, won.time_zone) = (lost.time_from, lost.time_to, lost.time_zone)))
		GROUP BY lost.provider, lost.model, lost.rule
		UNION ALL
		SELECT 'warning', r.provider, r.model, r.rule, NULL, format('the rule never applies: it %s', CASE WHEN r.ends_at <= v.effective_from
				THEN format('ends at %s, before the version is effective', r.ends_at) ELSE format('begins at %s, when the version is no longer effective', r.starts_at) END),
			'Take it out, or move the version''s range.'
		FROM r WHERE r.ends_at <= v.effective_from OR r.starts_at >= coalesce(v.effective_to, 'infinity') AND r.starts_at <> 'infinity'
		UNION ALL
		SELECT 'warning', late.provider, late.model, NULL, NULL, format('a request for "%s" means entry "%s", which comes first and fits it, too', late.model, (array_agg(early.model ORDER BY early.ordinal))[1]),
			'Order the entries from the special to the general, or narrow the match of the first one.'
		FROM aiusage.price_model AS late JOIN aiusage.price_model AS early ON early.version = late.version AND early.provider = late.provider AND early.ordinal < late.ordinal
		WHERE late.version = this AND aiusage.price_match_fits(late.match, late.model, late.model) AND aiusage.price_match_fits(early.match, early.model, late.model)
		GROUP BY late.provider, late.model
		UNION ALL
		-- totals and overlaps without a price
		SELECT 'error', g.provider, g.model, g.rule, u.unit, CASE
				WHEN u.other IS NULL THEN format('%s has a price, but %s, which contains it, has none: where it is used nothing can be priced (prices_incomplete)', u.unit, u.lacks)
				WHEN u.lacks IS NULL THEN format('%s and %s overlap, and there is no unit for both: where both are used nothing can be priced (prices_incomplete)', u.unit, u.other)
				ELSE format('%s and %s overlap, but %s has no price: where both are used nothing can be priced (prices_incomplete)', u.unit, u.other, u.lacks) END,
			CASE WHEN u.lacks IS NULL THEN 'Price one of them only.' ELSE format('Add a price of %s.', u.lacks) END
		FROM (SELECT p.provider, p.model, p.rule, array_agg(DISTINCT p.unit ORDER BY p.unit) AS units FROM p GROUP BY 1, 2, 3) AS g, LATERAL aiusage.price_unit_gaps(g.units) AS u
		UNION ALL
		-- tiers
		SELECT 'error', p.provider, p.model, p.rule, p.unit, format('the unit has tiers, but no rate below the first one, at %s', trim_scale(min(p.tier_start))), 'Add the rate without a tier.'
		FROM p GROUP BY p.provider, p.model, p.rule, p.unit HAVING bool_and(p.tier_start IS NOT NULL) AND NOT bool_or(p.tier_start = 0 AND p.tier_inclusive)
		UNION ALL
		SELECT 'warning', p.provider, p.model, p.rule, p.unit, format('its tiers are by different metrics: %s', string_agg(DISTINCT p.tier_metric, ', ')), 'Compare all tiers of a unit with one metric.'
		FROM p WHERE p.tier_metric IS NOT NULL GROUP BY p.provider, p.model, p.rule, p.unit HAVING count(DISTINCT p.tier_metric) > 1
		UNION ALL
		SELECT 'warning', t.provider, t.model, t.rule, t.unit, format('the rate goes down where the tier of %s begins: %s per %s', trim_scale(t.tier_start), trim_scale(t.rate), trim_scale(t.per)),
			'Check the order of the tiers; a price for volume may be meant.'
		FROM (SELECT p.*, lag(p.each) OVER (PARTITION BY p.provider, p.model, p.rule, p.unit ORDER BY p.tier_start NULLS FIRST) AS below FROM p) AS t
		WHERE t.tier_start IS NOT NULL AND t.each < t.below
		UNION ALL
		-- what is free
		SELECT 'notice', p.provider, p.model, p.rule, CASE WHEN count(DISTINCT p.unit) = 1 THEN min(p.unit) END, format('free of charge: the rate of %s is 0', string_agg(DISTINCT p.unit, ', ' ORDER BY p.unit)),
			'Nothing, if it is free; where a price is not known, leave it out.'
		FROM p WHERE p.rate = 0 GROUP BY p.provider, p.model, p.rule
		UNION ALL
		SELECT 'notice', r.provider, r.model, r.rule, NULL, 'free of charge: its multiplier is 0', 'Nothing, if it is free.'
		FROM aiusage.price_rule AS r WHERE r.version = this AND r.multiplier = 0
		UNION ALL
		-- against the version before
		SELECT CASE WHEN d.ratio >= 5 OR d.ratio <= 0.2 THEN 'error' ELSE 'warning' END, d.provider, d.model, NULL, d.unit,
			format('the rate for %s is %s times that of version %s: %s, then %s per %s%s', concat_ws(', ', d.names, d.tier), d.ratio, previous, d.old_rate, d.new_rate, d.per,
				CASE WHEN d.ratio IN (10, 100, 1000, 10000, 1000000, 0.1, 0.01, 0.001, 0.0001, 0.000001) THEN '; a power of ten may be a mistake in the quantity it is for' ELSE '' END),
			'Check it against the source.'
		FROM aiusage.diff_prices(previous, this) AS d
		WHERE previous IS NOT NULL AND d.what = 'price' AND d.change = 'changed' AND (d.ratio >= 2 OR d.ratio <= 0.5)
		UNION ALL
		SELECT 'warning', d.provider, d.model, NULL, d.unit, CASE d.what
				WHEN 'price' THEN format('the price for %s is gone: version %s had %s per %s', concat_ws(', ', d.names, d.tier), previous, d.old_rate, d.per)
				ELSE format('the %s is gone: version %s had it', d.what, previous) END,
			'Keep it in, unless it is no longer offered.'
		FROM aiusage.diff_prices(previous, this) AS d
		WHERE previous IS NOT NULL AND d.change = 'removed' AND d.what IN ('price', 'model')
			AND (d.what = 'model' OR EXISTS (SELECT FROM aiusage.price_model AS m WHERE m.version = this AND m.provider = d.provider AND m.model = d.model))
		UNION ALL
		-- overrides
		SELECT 'error', o.provider, o.model, NULL, o.unit, format('override %s changes nothing: book "%s" inherits from none', o.override, v.book), 'Give the version models of its own.'
		FROM o WHERE NOT EXISTS (SELECT FROM aiusage.price_book AS b WHERE b.book = v.book AND b.inherits IS NOT NULL)
		UNION ALL
		SELECT 'warning', o.provider, o.model, NULL, o.unit, format('override %s changes nothing: no model or price that is inherited fits it', o.override), 'Check the names of provider, model entry and unit.'
		FROM o WHERE inherited <> '{}'
			AND (NOT EXISTS (SELECT FROM aiusage.price_model AS m WHERE m.version = ANY (inherited)
					AND (o.name IS NULL OR lower(m.model COLLATE "C") = o.name OR (right(o.name, 1) = '*' AND starts_with(lower(m.model COLLATE "C"), left(o.name, -1)))))
				OR (o.host IS NOT NULL AND NOT EXISTS (SELECT FROM aiusage.price_provider AS q WHERE q.version = ANY (inherited) AND lower(q.provider COLLATE "C") = o.host))
				OR (o.unit IS NOT NULL AND o.kind <> 'rate' AND NOT EXISTS (SELECT FROM aiusage.price AS q WHERE q.version = ANY (inherited) AND q.unit = o.unit)))
		UNION ALL
		SELECT 'warning', lost.provider, lost.model, NULL, lost.unit, format('override %s never applies: override %s names the same', lost.override, min(won.override)), 'Take one of them out.'
		FROM o AS lost JOIN o AS won ON won.override > lost.override AND won.host IS NOT DISTINCT FROM lost.host AND won.name IS NOT DISTINCT FROM lost.name
			AND won.unit IS NOT DISTINCT FROM lost.unit AND lower(won.service_tier) IS NOT DISTINCT FROM lower(lost.service_tier)
			AND (won.kind IN ('rate', 'fixed')) = (lost.kind IN ('rate', 'fixed'))
		GROUP BY lost.provider, lost.model, lost.unit, lost.override
		UNION ALL
		SELECT 'warning', o.provider, o.model, NULL, o.unit, format('override %s does not apply to model "%s": the version has an entry of its own for it', o.override, m.model), 'Change the entry''s prices, or take the entry out.'
		FROM o JOIN aiusage.price_model AS m ON m.version = this AND lower(m.model COLLATE "C") = o.name
		UNION ALL
		SELECT 'notice', o.provider, o.model, NULL, o.unit, format('free of charge: override %s', o.override), 'Nothing, if it is free.'
		FROM o WHERE (o.kind = 'discount' AND o.value = 100) OR (o.kind IN ('rate', 'fixed') AND o.value = 0)
	)
	SELECT f.severity, f.provider, f.model, f.rule, f.unit, f.problem, f.what_to_do
	FROM found AS f
	ORDER BY array_position(ARRAY['error', 'warning', 'notice'], f.severity), f.provider COLLATE "C" NULLS FIRST, f.model COLLATE "C" NULLS FIRST, f.rule, f.unit COLLATE "C", f.problem COLLATE "C";
END
$$;
COMMENT ON FUNCTION aiusage.validate_prices(int) IS 'What looks wrong in a price version, draft or published, a row a finding: error (usage will be booked unpriced, or a rate jumped fivefold), warning (holes in time, rules and entries that are never reached, tiers out of order, jumps and losses against the version before, overrides without effect) or notice (what is free). It refuses nothing. Errors: UA404 unknown version';
