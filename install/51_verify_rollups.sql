/*
 * verify(): the rollups.  Both sides of every comparison come from one
 * statement, so from one snapshot, whatever is booked and folded meanwhile.
 */

CREATE FUNCTION aiusage.owner_verify_rollup(rollup text,
	OUT check_name text, OUT ok boolean, OUT expected text, OUT actual text, OUT detail text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	statement text := $query$
		WITH both_sides AS (
			SELECT true AS of_ledger, {ledger key}, {measures s.}
			FROM aiusage.rollup_truth AS s
			LEFT JOIN aiusage.key_assignment AS a ON a.assignment = s.assignment
			UNION ALL
			SELECT false AS of_ledger, {rollup key}, {measures s.}
			FROM aiusage.{live} AS s {assignment}
		), sets AS MATERIALIZED (
			SELECT {key}, {ledger sums}, {rollup sums}
			FROM both_sides AS b
			GROUP BY {key}
		), total AS MATERIALIZED (
			SELECT t.currency, t.list_currency, t.charge_currency, {ledger totals}, {rollup totals}
			FROM sets AS t
			GROUP BY t.currency, t.list_currency, t.charge_currency
		), measure AS (
			SELECT v.measure || coalesce(' ' || v.currency, '') AS measure, v.ledger, v.rollup
			FROM total AS t
			CROSS JOIN LATERAL (VALUES {numbers}) AS v (measure, ledger, rollup, currency)
			UNION ALL
			SELECT 'usage ' || n.unit, n.quantity, NULL::numeric FROM total AS t CROSS JOIN LATERAL aiusage.unnest_usage(t.l_usage) AS n
			UNION ALL
			SELECT 'usage ' || n.unit, NULL, n.quantity FROM total AS t CROSS JOIN LATERAL aiusage.unnest_usage(t.r_usage) AS n
			UNION ALL
			SELECT 'usage_reversed ' || n.unit, n.quantity, NULL::numeric FROM total AS t CROSS JOIN LATERAL aiusage.unnest_usage(t.l_usage_reversed) AS n
			UNION ALL
			SELECT 'usage_reversed ' || n.unit, NULL, n.quantity FROM total AS t CROSS JOIN LATERAL aiusage.unnest_usage(t.r_usage_reversed) AS n
			UNION ALL
			SELECT 'cost of ' || n.unit || ' ' || t.currency, n.cost, NULL::numeric FROM total AS t CROSS JOIN LATERAL aiusage.unnest_costs(t.l_cost_by_unit) AS n
			UNION ALL
			SELECT 'cost of ' || n.unit || ' ' || t.currency, NULL, n.cost FROM total AS t CROSS JOIN LATERAL aiusage.unnest_costs(t.r_cost_by_unit) AS n
		)
		SELECT '{rollup}: ' || m.measure, coalesce(sum(m.ledger), 0) = coalesce(sum(m.rollup), 0),
			trim_scale(coalesce(sum(m.ledger), 0))::text, trim_scale(coalesce(sum(m.rollup), 0))::text,
			'The ledger, and what was sealed of dropped partitions, against {rollup} and the rows not folded yet'::text
		FROM measure AS m
		GROUP BY m.measure
		UNION ALL
		SELECT '{rollup}: every {sets}', count(*) = 0, '0', count(*)::text,
			'Sets of which any measure differs between ledger and rollup, or that only one of them has'
				|| coalesce('; the first: ' || min(concat_ws(' ', {first})), '')
		FROM sets AS t
		WHERE {differ}
		ORDER BY 1
	$query$;
	level record;
	key text[];
BEGIN
	SELECT * INTO STRICT level FROM aiusage.rollup_levels() AS l WHERE l.rollup = owner_verify_rollup.rollup;
	key := array_cat(array_remove(level.key_columns, 'dimension'),
		CASE WHEN 'dimension' = ANY (level.key_columns) THEN string_to_array(aiusage.owner_each_dimension('{d}', ','), ',') END);
	statement := replace(statement, '{ledger key}', (SELECT string_agg(CASE
			WHEN k.name IN ('customer', 'workflow') THEN format('coalesce(s.%1$s, a.%1$s) AS %1$s', k.name)
			WHEN k.name IN ('team', 'cost_center') THEN 'a.' || k.name
			ELSE 's.' || k.name END, ', ' ORDER BY k.at) FROM unnest(key) WITH ORDINALITY AS k (name, at)));
	statement := replace(statement, '{rollup key}', (SELECT string_agg(CASE
			WHEN k.name IN ('customer', 'workflow') THEN format('coalesce(s.%1$s, a.%1$s) AS %1$s', k.name)
			ELSE 's.' || k.name END, ', ' ORDER BY k.at) FROM unnest(key) WITH ORDINALITY AS k (name, at)));
	-- the tail has a customer of its assignment only there
	statement := replace(statement, '{assignment}', CASE WHEN 'dimension' = ANY (level.key_columns)
		THEN 'LEFT JOIN aiusage.key_assignment AS a ON a.assignment = s.assignment' ELSE '' END);
	statement := replace(statement, '{key}', 'b.' || array_to_string(key, ', b.'));
	statement := replace(statement, '{measures s.}', aiusage.owner_each_measure('s.{m}'));
	statement := replace(statement, '{ledger sums}', aiusage.owner_each_measure('{sum}(b.{m}) FILTER (WHERE b.of_ledger) AS l_{m}'));
	statement := replace(statement, '{rollup sums}', aiusage.owner_each_measure('{sum}(b.{m}) FILTER (WHERE NOT b.of_ledger) AS r_{m}'));
	statement := replace(statement, '{ledger totals}', aiusage.owner_each_measure('{sum}(t.l_{m}) AS l_{m}'));
	statement := replace(statement, '{rollup totals}', aiusage.owner_each_measure('{sum}(t.r_{m}) AS r_{m}'));
	statement := replace(statement, '{numbers}', (SELECT string_agg(format('(%L, t.l_%2$I, t.r_%2$I, %3$s)', a.attname, a.attname,
			CASE WHEN a.atttypid = 'bigint'::regtype THEN 'NULL' WHEN a.attname IN ('list_cost', 'charge')
				THEN 't.' || replace(a.attname, '_cost', '') || '_currency' ELSE 't.currency' END), ', ' ORDER BY a.attnum)
		FROM pg_attribute AS a
		WHERE a.attrelid = 'aiusage.rollup_15m'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN ('bigint'::regtype, 'numeric'::regtype)));
	statement := replace(statement, '{differ}', aiusage.owner_each_measure('{differs}', ' OR '));
	statement := replace(statement, '{sets}', CASE WHEN 'dimension' = ANY (level.key_columns) THEN level.key_columns[1] || ' and dimension set' ELSE 'set' END);
	statement := replace(statement, '{first}', CASE WHEN 'dimension' = ANY (level.key_columns)
		THEN format('t.%s, t.api_key, t.provider, t.model, t.currency', level.key_columns[1]) ELSE 't.' || array_to_string(key, ', t.') END);
	RETURN QUERY EXECUTE replace(replace(statement, '{rollup}', level.rollup), '{live}', level.live);
END
$$;
COMMENT ON FUNCTION aiusage.owner_verify_rollup(text) IS
	'Compares one level of the rollups, and the rows not folded yet, with the ledger: measure by measure, unit by unit, set by set in both directions';

CREATE FUNCTION aiusage.owner_verify_rollups(OUT check_name text, OUT ok boolean, OUT expected text, OUT actual text, OUT detail text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET work_mem = '64MB'
AS $$
#variable_conflict use_column
DECLARE
	level record;
	wrong bigint;
BEGIN
	FOR level IN SELECT * FROM aiusage.rollup_levels() AS l WHERE to_regclass('aiusage.' || l.rollup) IS NOT NULL
	LOOP
		RETURN QUERY SELECT * FROM aiusage.owner_verify_rollup(level.rollup);
	END LOOP;
	RETURN QUERY SELECT * FROM aiusage.owner_verify_latency();

	EXECUTE 'SELECT count(*) FROM aiusage.rollup_dimension AS d WHERE d.dimension <> aiusage.dimension_id('
		|| aiusage.owner_each_dimension('d.{label}') || ')' INTO wrong;
	RETURN QUERY SELECT 'rollup_dimension: ids are those of the values', wrong = 0, '0', wrong::text,
		'Dimension sets stored under another id than their values have';

	EXECUTE (SELECT 'SELECT count(*) FROM (' || string_agg('SELECT r.dimension FROM aiusage.' || l.rollup || ' AS r', ' UNION ALL ')
			|| ' UNION ALL SELECT r.dimension FROM aiusage.sealed_15m AS r) AS r '
			'WHERE NOT EXISTS (SELECT FROM aiusage.rollup_dimension AS d WHERE d.dimension = r.dimension)'
		FROM aiusage.rollup_levels() AS l
		WHERE 'dimension' = ANY (l.key_columns) AND to_regclass('aiusage.' || l.rollup) IS NOT NULL) INTO wrong;
	RETURN QUERY SELECT 'rollup_dimension: every rollup row has one', wrong = 0, '0', wrong::text,
		'Rollup rows whose dimension set is missing';
END
$$;
COMMENT ON FUNCTION aiusage.owner_verify_rollups() IS 'The checks of aiusage.verify() that are about rollups';
