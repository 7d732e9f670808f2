/* The review of a price version: differences to another, and what looks wrong in it. */

CREATE FUNCTION aiusage.price_rule_applies(starts_at timestamptz, ends_at timestamptz, weekdays int[], time_from time, time_to time,
		time_zone text, at timestamptz) RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_price_rule_applies';
COMMENT ON FUNCTION aiusage.price_rule_applies(timestamptz, timestamptz, int[], time, time, text, timestamptz) IS 'Whether the time conditions of a price rule hold at a time, as pricing has it; NULL conditions are none';

CREATE FUNCTION aiusage.price_match_fits(match jsonb, id text, name text) RETURNS boolean
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_price_match_fits';
COMMENT ON FUNCTION aiusage.price_match_fits(jsonb, text, text) IS 'Whether a match expression of prices (NULL: the id itself) fits a name, as pricing has it';

CREATE FUNCTION aiusage.price_unit_gaps(units text[], OUT unit text, OUT other text, OUT lacks text) RETURNS SETOF record
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_price_unit_gaps';
COMMENT ON FUNCTION aiusage.price_unit_gaps(text[]) IS 'What a rule that prices these units lacks: the price of a total of one of them (other NULL), or of the overlap of two (lacks NULL: there is no such unit)';

CREATE FUNCTION aiusage.price_rule_names(service_tier text, endpoint text, region text, starts_at timestamptz, ends_at timestamptz,
		weekdays int[], time_from time, time_to time, time_zone text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET DateStyle = 'ISO'
	SET TimeZone = 'UTC'
AS $$
	SELECT concat_ws(', ', 'service tier ' || coalesce(lower(service_tier COLLATE "C"), 'standard'), 'endpoint ' || lower(endpoint COLLATE "C"), 'region ' || lower(region COLLATE "C"),
		'from ' || starts_at, 'until ' || ends_at, 'on weekdays ' || nullif(array_to_string(ARRAY(SELECT DISTINCT d FROM unnest(weekdays) AS d ORDER BY d), ' '), ''),
		time_from || ' to ' || time_to || ' ' || time_zone)
$$;
COMMENT ON FUNCTION aiusage.price_rule_names(text, text, text, timestamptz, timestamptz, int[], time, time, text) IS 'What a price rule is limited to, in words: equal for rules that are';

CREATE FUNCTION aiusage.diff_prices(a int, b int)
	RETURNS TABLE (change text, what text, provider text, model text, names text, unit text, tier text,
		old_rate numeric, new_rate numeric, per numeric, currency text, ratio numeric, old_value text, new_value text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET enable_nestloop = off	-- a new version is not in the statistics, see export_prices()
AS $$
#variable_conflict use_column
DECLARE
	currencies text[];
	missing int;
BEGIN
	missing := (SELECT x FROM unnest(ARRAY[diff_prices.a, diff_prices.b]) WITH ORDINALITY AS v (x, n)
		WHERE NOT EXISTS (SELECT FROM aiusage.price_version AS p WHERE p.version = v.x) ORDER BY n LIMIT 1);
	IF missing IS NOT NULL OR diff_prices.a IS NULL OR diff_prices.b IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('price version %s does not exist', coalesce(missing::text, 'null')),
			HINT = 'See aiusage.price_version for the versions there are.';
	END IF;
	currencies := ARRAY(SELECT DISTINCT k.currency FROM aiusage.price_version AS v JOIN aiusage.price_book AS k ON k.book = v.book
		WHERE v.version IN (diff_prices.a, diff_prices.b) ORDER BY 1);
	IF cardinality(currencies) > 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('price versions %s and %s are in different currencies', diff_prices.a, diff_prices.b),
			DETAIL = format('They are in %s.', array_to_string(currencies, ' and ')),
			HINT = 'Compare versions of one currency.';
	END IF;

	RETURN QUERY
	WITH one_price AS MATERIALIZED (
		SELECT p.version, p.provider, p.model,
			aiusage.price_rule_names(r.service_tier, r.endpoint, r.region, r.starts_at, r.ends_at, r.weekdays, r.time_from, r.time_to, r.time_zone) AS names,
			r.rule, p.unit, p.tier_start,
			CASE WHEN p.tier_start IS NOT NULL THEN format('%s %s %s', p.tier_metric, CASE WHEN p.tier_inclusive THEN '>=' ELSE '>' END, trim_scale(p.tier_start)) END AS tier,
			p.rate * r.multiplier AS rate, p.per,
			nullif(concat_ws(', ', 'at least ' || trim_scale(p.min_quantity), 'in steps of ' || trim_scale(p.quantity_step)), '') AS quantity
		FROM aiusage.price AS p
		JOIN aiusage.price_rule AS r ON r.version = p.version AND r.provider = p.provider AND r.model = p.model AND r.rule = p.rule
		WHERE p.version IN (diff_prices.a, diff_prices.b)
	), price AS (
		-- rules that name the same are told apart by their order
		SELECT o.*, row_number() OVER (PARTITION BY o.version, o.provider, o.model, o.names, o.unit, o.tier ORDER BY o.rule DESC) AS twin
		FROM one_price AS o
	), item AS (
		SELECT 'provider' AS what, v.version, v.provider, NULL::text AS model, NULL::text AS names, NULL::text AS unit, 1::bigint AS twin,
			concat_ws('; ', v.name, 'match ' || v.match::text, 'model match ' || v.model_match::text, 'fallbacks ' || nullif(array_to_string(v.fallbacks, ' '), '')) AS value
		FROM aiusage.price_provider AS v WHERE v.version IN (diff_prices.a, diff_prices.b)
		UNION ALL
		SELECT 'model', m.version, m.provider, m.model, NULL, NULL, 1, coalesce(m.match::text, 'its id')
		FROM aiusage.price_model AS m WHERE m.version IN (diff_prices.a, diff_prices.b)
		UNION ALL
		SELECT 'override', o.version, o.provider, o.model, CASE WHEN o.service_tier IS NOT NULL THEN 'service tier ' || lower(o.service_tier COLLATE "C") END, o.unit,
			row_number() OVER (PARTITION BY o.version, o.provider, o.model, o.service_tier, o.unit ORDER BY o.override DESC),
			concat_ws(' ', o.kind, trim_scale(o.value) || CASE WHEN o.kind IN ('discount', 'markup') THEN '%' ELSE '' END, CASE WHEN o.kind = 'rate' THEN 'per ' || trim_scale(o.per) END)
		FROM aiusage.price_override AS o WHERE o.version IN (diff_prices.a, diff_prices.b)
	), difference AS (
		SELECT CASE WHEN o.version IS NULL THEN 'added' WHEN n.version IS NULL THEN 'removed' ELSE 'changed' END AS change, 'price' AS what,
			coalesce(n.provider, o.provider) AS provider, coalesce(n.model, o.model) AS model, coalesce(n.names, o.names) AS names, coalesce(n.unit, o.unit) AS unit,
			coalesce(n.tier, o.tier) AS tier, coalesce(n.tier_start, o.tier_start) AS tier_start,
			trim_scale(o.rate * coalesce(n.per, o.per) / o.per) AS old_rate, trim_scale(n.rate) AS new_rate, trim_scale(coalesce(n.per, o.per)) AS per,
			currencies[1] AS currency, trim_scale(round(n.rate * o.per / nullif(o.rate * n.per, 0), 6)) AS ratio, o.quantity AS old_value, n.quantity AS new_value
		FROM (SELECT p.* FROM price AS p WHERE p.version = diff_prices.a) AS o
		FULL JOIN (SELECT p.* FROM price AS p WHERE p.version = diff_prices.b) AS n
			ON n.provider = o.provider AND n.model = o.model AND n.names = o.names AND n.unit = o.unit AND coalesce(n.tier, '') = coalesce(o.tier, '') AND n.twin = o.twin
		WHERE o.version IS NULL OR n.version IS NULL OR o.rate * n.per <> n.rate * o.per OR o.quantity IS DISTINCT FROM n.quantity
		UNION ALL
		SELECT CASE WHEN o.version IS NULL THEN 'added' WHEN n.version IS NULL THEN 'removed' ELSE 'changed' END, coalesce(n.what, o.what),
			coalesce(n.provider, o.provider), coalesce(n.model, o.model), coalesce(n.names, o.names), coalesce(n.unit, o.unit),
			NULL, NULL, NULL, NULL, NULL, NULL, NULL, o.value, n.value
		FROM (SELECT i.* FROM item AS i WHERE i.version = diff_prices.a) AS o
		FULL JOIN (SELECT i.* FROM item AS i WHERE i.version = diff_prices.b) AS n
			ON n.what = o.what AND coalesce(n.provider, '') = coalesce(o.provider, '') AND coalesce(n.model, '') = coalesce(o.model, '')
			AND coalesce(n.names, '') = coalesce(o.names, '') AND coalesce(n.unit, '') = coalesce(o.unit, '') AND n.twin = o.twin
		WHERE o.version IS NULL OR n.version IS NULL OR o.value IS DISTINCT FROM n.value
	)
	SELECT d.change, d.what, d.provider, d.model, d.names, d.unit, d.tier, d.old_rate, d.new_rate, d.per, d.currency, d.ratio, d.old_value, d.new_value
	FROM difference AS d
	ORDER BY d.provider COLLATE "C" NULLS FIRST, d.model COLLATE "C" NULLS FIRST, d.what, d.names COLLATE "C", d.unit COLLATE "C", d.tier_start NULLS FIRST, d.tier;
END
$$;
COMMENT ON FUNCTION aiusage.diff_prices(int, int) IS 'What differs between two price versions of one currency, a row a difference: added, removed or changed; of a price the rates for the same quantity (per), multipliers included, and new to old; of a provider, model (its match), override, or minimum quantity the values as text. Rules are the same when they name the same. Errors: UA404 unknown version, UA422 different currencies';
