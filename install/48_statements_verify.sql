/*
 * Part of verify(): statements equal the usage they are of, and nobody has
 * changed them since.
 */

CREATE FUNCTION aiusage.owner_verify_statements()
	RETURNS TABLE (check_name text, ok boolean, expected text, actual text, detail text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET work_mem = '64MB'
AS $$
#variable_conflict use_column
DECLARE
	last record;
	wrong bigint := 0;
	first text;
	n bigint;
	f text;
BEGIN
	-- Of what is stamped with closed periods, in one statement and so in one snapshot.
	RETURN QUERY
	WITH closed AS MATERIALIZED (
		SELECT p.period FROM aiusage.invoice_period AS p WHERE p.status IN ('closed', 'invoiced')
	), stamped AS MATERIALIZED (
		SELECT DISTINCT s.period, s.entity_kind, s.entity FROM aiusage.invoice_statement AS s WHERE s.kind = 'statement' AND NOT s.by_days
	), own AS MATERIALIZED (
		SELECT 'team' AS entity_kind, t.team AS entity FROM aiusage.team AS t WHERE t.calendar IS NOT NULL
		UNION ALL
		SELECT 'customer', c.customer FROM aiusage.customer AS c WHERE c.calendar IS NOT NULL
	), sides AS (
		SELECT r.invoice_period AS period, r.entity_kind, r.entity, r.statement_currency, r.assignment, r.team, r.cost_center, r.customer,
			r.api_key, r.provider, r.model, r.currency, r.list_currency, r.charge_currency, r.unit,
			r.requests, r.unpriced, r.cost, r.list_cost, r.charge, r.used_quantity, r.quantity, r.unit_cost
		FROM aiusage.statement_rows AS r
		JOIN closed AS c ON c.period = r.invoice_period
		UNION ALL
		SELECT t.period, t.entity_kind, t.entity, t.statement_currency, t.assignment, t.team, t.cost_center, t.customer,
			t.api_key, t.provider, t.model, t.currency, t.list_currency, t.charge_currency, t.unit,
			t.requests, t.unpriced, t.cost, t.list_cost, t.charge, t.used_quantity, t.quantity, t.unit_cost
		FROM aiusage.statement_rows_taken_off AS t
		JOIN closed AS c ON c.period = t.period
		WHERE NOT t.by_days
	), differing AS (
		SELECT x.period, x.entity_kind, x.entity, x.api_key, x.provider, x.model
		FROM sides AS x
		-- who had a calendar of their own when the period was closed have it still, and no such statement
		WHERE EXISTS (SELECT FROM stamped AS s WHERE s.period = x.period AND s.entity_kind = x.entity_kind AND s.entity = x.entity)
			OR NOT EXISTS (SELECT FROM own AS o WHERE o.entity_kind = x.entity_kind AND o.entity = x.entity)
		GROUP BY x.period, x.entity_kind, x.entity, x.statement_currency, x.assignment, x.team, x.cost_center, x.customer, x.api_key, x.provider,
			x.model, x.currency, x.list_currency, x.charge_currency, x.unit
		HAVING sum(x.requests) <> 0 OR sum(x.unpriced) <> 0 OR sum(x.cost) <> 0 OR sum(x.list_cost) <> 0 OR sum(x.charge) <> 0
			OR sum(x.used_quantity) <> 0 OR sum(x.quantity) <> 0 OR sum(x.unit_cost) <> 0
	)
	SELECT 'statements: every line of closed periods', count(*) = 0, '0', count(*)::text,
		'Lines and units of which any figure differs between a statement and what is stamped with its period, or that only one of them has'
			|| coalesce('; the first: ' || min(concat_ws(' ', d.period, d.entity_kind, d.entity, d.api_key, d.provider, d.model)), '')
	FROM differing AS d;

	-- By days: what is before the end of the last one and on none came after it was made.
	FOR last IN
		SELECT l.covers_until, l.boundary, l.running,
			coalesce(array_agg(l.entity) FILTER (WHERE l.entity_kind = 'team'), '{}') AS teams,
			coalesce(array_agg(l.entity) FILTER (WHERE l.entity_kind = 'customer'), '{}') AS customers
		FROM (SELECT DISTINCT ON (s.entity_kind, s.entity) s.entity_kind, s.entity, s.covers_until, p.boundary, p.running
			FROM aiusage.invoice_statement AS s JOIN aiusage.invoice_period AS p ON p.period = s.period
			WHERE s.by_days AND s.kind = 'statement'
			ORDER BY s.entity_kind, s.entity, s.covers_until DESC) AS l
		GROUP BY l.covers_until, l.boundary, l.running
	LOOP
		WITH sides AS (
			SELECT d.entity_kind, d.entity, d.statement_currency, d.assignment, d.api_key, d.provider, d.model, d.customer, d.unit,
				d.requests, coalesce(d.cost, 0) AS cost, d.charge, d.quantity, coalesce(d.unit_cost, 0) AS unit_cost
			FROM aiusage.owner_statement_days(last.covers_until, last.teams, last.customers) AS d
			UNION ALL
			SELECT e.entity_kind, e.entity, e.currency, r.assignment, r.api_key, r.provider, r.model, coalesce(r.customer, a.customer), m.unit,
				- m.requests, CASE WHEN e.entity_kind = 'team' THEN - m.cost ELSE 0 END, - m.charge, - m.quantity,
				CASE WHEN e.entity_kind = 'team' THEN - m.unit_cost ELSE 0 END
			FROM aiusage.rollup_source AS r
			LEFT JOIN aiusage.key_assignment AS a ON a.assignment = r.assignment
			CROSS JOIN LATERAL (VALUES
				('team', a.team, r.currency), ('customer', coalesce(r.customer, a.customer), r.charge_currency)) AS e (entity_kind, entity, currency)
			CROSS JOIN LATERAL (
				SELECT NULL::text AS unit, r.requests, r.cost, r.charge, NULL::numeric AS quantity, NULL::numeric AS unit_cost
				UNION ALL
				SELECT b.unit, NULL, NULL, NULL, b.quantity, NULL FROM aiusage.unnest_usage(r.billed) AS b
				UNION ALL
				SELECT b.unit, NULL, NULL, NULL, - b.quantity, NULL FROM aiusage.unnest_usage(r.billed_reversed) AS b
				UNION ALL
				SELECT b.unit, NULL, NULL, NULL, NULL, b.cost FROM aiusage.unnest_costs(r.cost_by_unit) AS b
			) AS m
			WHERE r.occurred_at < last.covers_until AND (r.txid >= last.boundary OR r.txid = ANY (last.running))
				AND e.currency IS NOT NULL
				AND (e.entity_kind = 'team' AND e.entity = ANY (last.teams) OR e.entity_kind = 'customer' AND e.entity = ANY (last.customers))
				-- such a row of a credit is on that
				AND NOT EXISTS (SELECT FROM aiusage.invoice_statement AS s WHERE s.kind = 'statement' AND NOT s.by_days
					AND s.period = r.invoice_period AND s.entity_kind = e.entity_kind AND s.entity = e.entity)
		), differing AS (
			SELECT x.entity_kind, x.entity, x.api_key, x.provider, x.model
			FROM sides AS x
			GROUP BY x.entity_kind, x.entity, x.statement_currency, x.assignment, x.api_key, x.provider, x.model, x.customer, x.unit
			HAVING sum(x.requests) <> 0 OR sum(x.cost) <> 0 OR sum(x.charge) <> 0 OR sum(x.quantity) <> 0 OR sum(x.unit_cost) <> 0
		)
		SELECT count(*), min(concat_ws(' ', d.entity_kind, d.entity, d.api_key, d.provider, d.model)) INTO n, f FROM differing AS d;
		wrong := wrong + n;
		first := least(first, f);
	END LOOP;
	RETURN QUERY SELECT 'statements: every line by calendars of one''s own', wrong = 0, '0', wrong::text,
		'Lines and units of teams and customers with a calendar of their own of which any figure differs between their statements together and their usage before the end of the last'
			|| coalesce('; the first: ' || first, '');

	RETURN QUERY
	SELECT 'statements: lines add up', count(*) = 0, '0', count(*)::text,
		'Statements whose lines, or lines whose units, do not add up to them' || coalesce('; the first: ' || min(s.statement), '')
	FROM aiusage.invoice_statement AS s
	LEFT JOIN LATERAL (
		SELECT sum(l.requests) AS requests, sum(l.cost) AS cost, sum(l.charge) AS charge, count(*) AS lines
		FROM aiusage.invoice_statement_line AS l WHERE l.statement = s.statement
	) AS l ON true
	LEFT JOIN LATERAL (
		SELECT sum(u.cost) AS cost FROM aiusage.invoice_statement_unit AS u WHERE u.statement = s.statement
	) AS u ON true
	WHERE coalesce(l.requests, 0) <> s.requests OR coalesce(l.cost, 0) <> coalesce(s.cost, 0)
		OR (s.charge IS NOT NULL AND coalesce(l.charge, 0) <> s.charge) OR l.lines <> s.lines
		OR coalesce(u.cost, 0) <> coalesce(s.cost, 0);

	RETURN QUERY
	SELECT 'statements: checksums', count(*) = 0, '0', count(*)::text,
		'Statements that are not what they were when they were frozen' || coalesce('; the first: ' || min(s.statement), '')
	FROM aiusage.invoice_statement AS s
	WHERE s.checksum IS DISTINCT FROM aiusage.owner_statement_checksum(s.statement);
END
$$;
COMMENT ON FUNCTION aiusage.owner_verify_statements() IS 'Part of verify(): statements against the usage they are of, their lines and their checksums; for the owner of the books only';
