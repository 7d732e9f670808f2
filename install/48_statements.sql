/*
 * Statements: what a period came to for each cost center, team and customer,
 * frozen while it is closed.
 *
 * Which usage is on which statement:
 * - An entity without a billing calendar of its own, and every cost center:
 *   what is stamped with the period.
 * - A team or customer with one: what occurred before the end of the period
 *   and was on none of its statements yet.  What comes late is thus on its
 *   next statement, and a change of calendar counts nothing twice or never.
 * In both cases without the rows of credits, which are statements themselves.
 *
 * So every row of the ledger is on one statement of each kind of entity it
 * has, once all periods are closed.
 */

CREATE FUNCTION aiusage.guard_statement() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'UA403',
		MESSAGE = format('%s of "aiusage.%s" is not allowed', TG_OP, TG_TABLE_NAME),
		DETAIL = 'Statements, their invoices and the bookings of contracts are kept as they were made.',
		HINT = 'aiusage.reverse_statement() takes a statement back by a credit; other corrections are new rows of the ledger.';
END
$$;
COMMENT ON FUNCTION aiusage.guard_statement() IS 'Trigger: statements, their lines, their invoices and the bookings of contracts are never changed or deleted (UA403)';

CREATE FUNCTION aiusage.guard_statement_lines() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- frozen_at is the beginning of the transaction that made the statement
	IF EXISTS (SELECT FROM (SELECT DISTINCT n.statement FROM new_rows AS n) AS n
			WHERE NOT EXISTS (SELECT FROM aiusage.invoice_statement AS s WHERE s.statement = n.statement AND s.frozen_at = now())) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = 'nothing can be added to a statement',
			DETAIL = 'Statements are frozen.',
			HINT = 'Corrections are new rows of the ledger, and on the next statement.';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.guard_statement_lines() IS 'Trigger: lines come with their statement, in one transaction, or not at all (UA403)';

-- The text that a checksum is of: one for the writer and for whoever checks.

CREATE TYPE aiusage.statement_measures AS (
	assignment bigint, team text, cost_center text, customer text, api_key text, provider text, model text,
	currency text, list_currency text, charge_currency text,
	requests bigint, unpriced bigint, cost numeric, list_cost numeric, charge numeric
);
COMMENT ON TYPE aiusage.statement_measures IS 'A line of a statement: aiusage.invoice_statement_line without its number';

CREATE FUNCTION aiusage.statement_line_text(line int, l aiusage.statement_measures, units jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_build_array(line, l.assignment, l.team, l.cost_center, l.customer, l.api_key, l.provider, l.model,
		l.currency, l.list_currency, l.charge_currency, l.requests, l.unpriced,
		trim_scale(l.cost)::text, trim_scale(l.list_cost)::text, trim_scale(l.charge)::text, coalesce(units, '[]'))::text
$$;
COMMENT ON FUNCTION aiusage.statement_line_text(int, aiusage.statement_measures, jsonb) IS 'A line of a statement as its checksum sees it';

CREATE FUNCTION aiusage.statement_head_text(kind text, period int, entity_kind text, entity text, entity_name text, currency text,
		reverses bigint, requests bigint, unpriced bigint, cost numeric, list_cost numeric, charge numeric, lines bigint) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_build_array(kind, period, entity_kind, entity, entity_name, currency, reverses, requests, unpriced,
		trim_scale(cost)::text, trim_scale(list_cost)::text, trim_scale(charge)::text, lines)::text
$$;
COMMENT ON FUNCTION aiusage.statement_head_text(text, int, text, text, text, text, bigint, bigint, bigint, numeric, numeric, numeric, bigint) IS 'The head of a statement as its checksum sees it';

CREATE FUNCTION aiusage.statement_checksum(statement bigint) RETURNS text
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.statement_checksum(bigint) IS 'SHA-256, in hexadecimal, over a stored statement, its lines and their units, computed anew: equals aiusage.statements.checksum unless somebody has changed it behind the triggers. NULL: no such statement';

CREATE FUNCTION aiusage.owner_statement_checksum(statement bigint) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT encode(sha256(convert_to(aiusage.statement_head_text(s.kind, s.period, s.entity_kind, s.entity, s.entity_name, s.currency,
			s.reverses, s.requests, s.unpriced, s.cost, s.list_cost, s.charge, s.lines) || coalesce(l.text, ''), 'UTF8')), 'hex')
	FROM aiusage.invoice_statement AS s,
	LATERAL (
		SELECT string_agg(E'\n' || aiusage.statement_line_text(l.line,
				ROW(l.assignment, l.team, l.cost_center, l.customer, l.api_key, l.provider, l.model, l.currency, l.list_currency,
					l.charge_currency, l.requests, l.unpriced, l.cost, l.list_cost, l.charge)::aiusage.statement_measures,
				(SELECT jsonb_agg(jsonb_build_array(u.unit, trim_scale(u.used_quantity)::text, trim_scale(u.quantity)::text,
						trim_scale(u.cost)::text) ORDER BY u.unit COLLATE "C")
				 FROM aiusage.invoice_statement_unit AS u WHERE u.statement = l.statement AND u.line = l.line)), '' ORDER BY l.line) AS text
		FROM aiusage.invoice_statement_line AS l WHERE l.statement = s.statement
	) AS l
	WHERE s.statement = owner_statement_checksum.statement
$$;
COMMENT ON FUNCTION aiusage.owner_statement_checksum(bigint) IS 'Body of statement_checksum(), for the owner of the books only';

/*
 * What the statements of a period hold: rows as of aiusage.statement_rows,
 * those of credits taken off.
 */
CREATE FUNCTION aiusage.owner_statement_source(period int)
	RETURNS TABLE (entity_kind text, entity text, statement_currency text, by_days boolean, assignment bigint, team text, cost_center text,
		customer text, api_key text, provider text, model text, currency text, list_currency text, charge_currency text, unit text,
		requests numeric, unpriced numeric, cost numeric, list_cost numeric, charge numeric, used_quantity numeric, quantity numeric, unit_cost numeric)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	p int := owner_statement_source.period;
	ends timestamptz := aiusage.period_ends_at(p);
BEGIN
	RETURN QUERY
	SELECT r.entity_kind, r.entity, r.statement_currency, false, r.assignment, r.team, r.cost_center, r.customer,
		r.api_key, r.provider, r.model, r.currency, r.list_currency, r.charge_currency, r.unit,
		r.requests, r.unpriced, r.cost, r.list_cost, r.charge, r.used_quantity, r.quantity, r.unit_cost
	FROM aiusage.statement_rows AS r
	WHERE r.invoice_period = p
		AND NOT (r.entity_kind = 'team' AND EXISTS (SELECT FROM aiusage.team AS t WHERE t.team = r.entity AND t.calendar IS NOT NULL))
		AND NOT (r.entity_kind = 'customer' AND EXISTS (SELECT FROM aiusage.customer AS c WHERE c.customer = r.entity AND c.calendar IS NOT NULL));

	RETURN QUERY
	SELECT r.entity_kind, r.entity, r.statement_currency, false, r.assignment, r.team, r.cost_center, r.customer,
		r.api_key, r.provider, r.model, r.currency, r.list_currency, r.charge_currency, r.unit,
		r.requests, r.unpriced, r.cost, r.list_cost, r.charge, r.used_quantity, r.quantity, r.unit_cost
	FROM aiusage.statement_rows_taken_off AS r
	WHERE r.kind = 'credit' AND r.period = p AND NOT r.by_days
		AND NOT (r.entity_kind = 'team' AND EXISTS (SELECT FROM aiusage.team AS t WHERE t.team = r.entity AND t.calendar IS NOT NULL))
		AND NOT (r.entity_kind = 'customer' AND EXISTS (SELECT FROM aiusage.customer AS c WHERE c.customer = r.entity AND c.calendar IS NOT NULL));

	RETURN QUERY
	SELECT d.* FROM aiusage.owner_statement_days(ends,
		ARRAY(SELECT e.entity FROM aiusage.owner_statement_by_days(aiusage.period_calendar(p), ends) AS e WHERE e.entity_kind = 'team'),
		ARRAY(SELECT e.entity FROM aiusage.owner_statement_by_days(aiusage.period_calendar(p), ends) AS e WHERE e.entity_kind = 'customer')) AS d;
END
$$;
COMMENT ON FUNCTION aiusage.owner_statement_source(int) IS 'What the statements of a period are to hold, by entity, line and unit, several rows of each: sum them; for the owner of the books only';

-- Teams and customers whose own calendar this is and which are not past that time already.
CREATE FUNCTION aiusage.owner_statement_by_days(calendar int, until timestamptz)
	RETURNS TABLE (entity_kind text, entity text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT e.entity_kind, e.entity
	FROM (SELECT 'team' AS entity_kind, t.team AS entity FROM aiusage.team AS t WHERE t.calendar = owner_statement_by_days.calendar
		UNION ALL
		SELECT 'customer', c.customer FROM aiusage.customer AS c WHERE c.calendar = owner_statement_by_days.calendar) AS e
	WHERE NOT EXISTS (SELECT FROM aiusage.invoice_statement AS s
		WHERE s.entity_kind = e.entity_kind AND s.entity = e.entity AND s.covers_until >= owner_statement_by_days.until)
$$;
COMMENT ON FUNCTION aiusage.owner_statement_by_days(int, timestamptz) IS 'Teams and customers that get a statement by days when a period of this calendar that ends then is closed; for the owner of the books only';

/*
 * All usage of these teams and customers before a time, less what was on
 * their statements.  A statement of what is stamped with a period has all of
 * that period; of one by days, and of a credit, the lines are taken off.
 */
CREATE FUNCTION aiusage.owner_statement_days(until timestamptz, teams text[], customers text[])
	RETURNS TABLE (entity_kind text, entity text, statement_currency text, by_days boolean, assignment bigint, team text, cost_center text,
		customer text, api_key text, provider text, model text, currency text, list_currency text, charge_currency text, unit text,
		requests numeric, unpriced numeric, cost numeric, list_cost numeric, charge numeric, used_quantity numeric, quantity numeric, unit_cost numeric)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
#variable_conflict use_column
BEGIN
	IF cardinality(teams) = 0 AND cardinality(customers) = 0 THEN
		RETURN;
	END IF;
	RETURN QUERY
	WITH stamped AS MATERIALIZED (
		SELECT DISTINCT s.entity_kind, s.entity, s.period
		FROM aiusage.invoice_statement AS s
		WHERE s.kind = 'statement' AND NOT s.by_days
			AND (s.entity_kind = 'team' AND s.entity = ANY (teams) OR s.entity_kind = 'customer' AND s.entity = ANY (customers))
	)
	SELECT g.entity_kind, g.entity, g.statement_currency, true, g.assignment, g.team, g.cost_center, g.customer,
		g.api_key, g.provider, g.model,
		CASE WHEN g.entity_kind <> 'customer' THEN g.currency END,
		CASE WHEN g.entity_kind <> 'customer' THEN g.list_currency END, g.charge_currency, m.unit,
		m.requests, m.unpriced,
		CASE WHEN g.entity_kind <> 'customer' THEN m.cost END, CASE WHEN g.entity_kind <> 'customer' THEN m.list_cost END,
		m.charge, m.used_quantity, m.quantity, CASE WHEN g.entity_kind <> 'customer' THEN m.unit_cost END
	FROM (
		SELECT e.entity_kind, e.entity, e.currency AS statement_currency, v.assignment, a.team, a.cost_center,
			coalesce(v.customer, a.customer) AS customer, v.api_key, v.provider, v.model, v.currency, v.list_currency, v.charge_currency,
			sum(v.requests) AS requests, sum(v.unpriced) AS unpriced,
			sum(v.cost) AS cost, sum(v.list_cost) AS list_cost, sum(v.charge) AS charge,
			aiusage.sum(v.usage) AS usage, aiusage.sum(v.usage_reversed) AS usage_reversed,
			aiusage.sum(v.billed) AS billed, aiusage.sum(v.billed_reversed) AS billed_reversed,
			aiusage.sum(v.cost_by_unit) AS cost_by_unit
		FROM aiusage.rollup_live AS v
		LEFT JOIN aiusage.key_assignment AS a ON a.assignment = v.assignment
		CROSS JOIN LATERAL (VALUES
			('team', a.team, v.currency), ('customer', coalesce(v.customer, a.customer), v.charge_currency)) AS e (entity_kind, entity, currency)
		WHERE v.bucket < until AND e.currency IS NOT NULL
			AND (e.entity_kind = 'team' AND e.entity = ANY (teams) OR e.entity_kind = 'customer' AND e.entity = ANY (customers))
			AND NOT EXISTS (SELECT FROM stamped AS s
				WHERE s.entity_kind = e.entity_kind AND s.entity = e.entity AND s.period = v.invoice_period)
		GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
	) AS g
	CROSS JOIN LATERAL (
		SELECT NULL::text AS unit, g.requests, g.unpriced, g.cost, g.list_cost, g.charge,
			NULL::numeric AS used_quantity, NULL::numeric AS quantity, NULL::numeric AS unit_cost
		UNION ALL
		SELECT x.unit, NULL, NULL, NULL, NULL, NULL, x.used, x.quantity, x.cost
		FROM (
			SELECT n.unit, n.quantity, NULL::numeric, NULL::numeric FROM aiusage.unnest_usage(g.usage) AS n
			UNION ALL
			SELECT n.unit, - n.quantity, NULL, NULL FROM aiusage.unnest_usage(g.usage_reversed) AS n
			UNION ALL
			SELECT n.unit, NULL, n.quantity, NULL FROM aiusage.unnest_usage(g.billed) AS n
			UNION ALL
			SELECT n.unit, NULL, - n.quantity, NULL FROM aiusage.unnest_usage(g.billed_reversed) AS n
			UNION ALL
			SELECT n.unit, NULL, NULL, n.cost FROM aiusage.unnest_costs(g.cost_by_unit) AS n
		) AS x (unit, used, quantity, cost)
	) AS m;

	RETURN QUERY
	SELECT r.entity_kind, r.entity, r.statement_currency, true, r.assignment, r.team, r.cost_center, r.customer,
		r.api_key, r.provider, r.model, r.currency, r.list_currency, r.charge_currency, r.unit,
		r.requests, r.unpriced, r.cost, r.list_cost, r.charge, r.used_quantity, r.quantity, r.unit_cost
	FROM aiusage.statement_rows_taken_off AS r
	WHERE (r.entity_kind = 'team' AND r.entity = ANY (teams) OR r.entity_kind = 'customer' AND r.entity = ANY (customers))
		AND (r.kind = 'statement' AND r.by_days
			OR r.kind = 'credit' AND r.booked_at < until
				AND (r.by_days OR NOT EXISTS (SELECT FROM aiusage.invoice_statement AS o
					WHERE o.kind = 'statement' AND NOT o.by_days AND o.period = r.period
						AND o.entity_kind = r.entity_kind AND o.entity = r.entity)));
END
$$;
COMMENT ON FUNCTION aiusage.owner_statement_days(timestamptz, text[], text[]) IS 'Usage of teams and customers before a time that is on no statement of theirs, as owner_statement_source() has it; for the owner of the books only';

CREATE FUNCTION aiusage.owner_freeze_statements(period int) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	p int := owner_freeze_statements.period;
	made bigint;
BEGIN
	WITH summed AS MATERIALIZED (
		SELECT r.entity_kind, r.entity, r.statement_currency, bool_or(r.by_days) AS by_days, r.assignment, r.team, r.cost_center, r.customer,
			r.api_key, r.provider, r.model, r.currency, r.list_currency, r.charge_currency, r.unit,
			sum(r.requests) AS requests, sum(r.unpriced) AS unpriced, sum(r.cost) AS cost, sum(r.list_cost) AS list_cost,
			sum(r.charge) AS charge, sum(r.used_quantity) AS used_quantity, sum(r.quantity) AS quantity, sum(r.unit_cost) AS unit_cost
		FROM aiusage.owner_statement_source(p) AS r
		GROUP BY 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
		-- what came to nothing is not said
		HAVING sum(r.requests) <> 0 OR sum(r.unpriced) <> 0 OR sum(r.cost) <> 0 OR sum(r.list_cost) <> 0 OR sum(r.charge) <> 0
			OR sum(r.used_quantity) <> 0 OR sum(r.quantity) <> 0 OR sum(r.unit_cost) <> 0
	), numbered AS MATERIALIZED (
		SELECT s.*, dense_rank() OVER (PARTITION BY s.entity_kind, s.entity, s.statement_currency
			ORDER BY s.cost_center COLLATE "C", s.team COLLATE "C", s.api_key COLLATE "C", s.provider COLLATE "C", s.model COLLATE "C",
				s.customer COLLATE "C", s.assignment, s.currency, s.list_currency, s.charge_currency)::int AS line
		FROM summed AS s
	), lines AS MATERIALIZED (
		SELECT n.entity_kind, n.entity, n.statement_currency, bool_or(n.by_days) AS by_days, n.line,
			ROW(n.assignment, n.team, n.cost_center, n.customer, n.api_key, n.provider, n.model, n.currency, n.list_currency, n.charge_currency,
				coalesce(sum(n.requests), 0), coalesce(sum(n.unpriced), 0),
				CASE WHEN n.entity_kind <> 'customer' THEN trim_scale(coalesce(sum(n.cost), 0)) END,
				CASE WHEN n.entity_kind <> 'customer' THEN trim_scale(coalesce(sum(n.list_cost), 0)) END,
				trim_scale(coalesce(sum(n.charge), 0)))::aiusage.statement_measures AS l,
			jsonb_agg(jsonb_build_array(n.unit, trim_scale(coalesce(n.used_quantity, 0))::text, trim_scale(coalesce(n.quantity, 0))::text,
				CASE WHEN n.entity_kind <> 'customer' THEN trim_scale(coalesce(n.unit_cost, 0))::text END) ORDER BY n.unit COLLATE "C")
				FILTER (WHERE n.unit IS NOT NULL) AS units
		FROM numbered AS n
		GROUP BY n.entity_kind, n.entity, n.statement_currency, n.line, n.assignment, n.team, n.cost_center, n.customer, n.api_key, n.provider, n.model,
			n.currency, n.list_currency, n.charge_currency
	), heads AS MATERIALIZED (
		SELECT h.*, coalesce(CASE h.entity_kind
				WHEN 'cost_center' THEN (SELECT c.name FROM aiusage.cost_center AS c WHERE c.cost_center = h.entity)
				WHEN 'team' THEN (SELECT t.name FROM aiusage.team AS t WHERE t.team = h.entity)
				ELSE (SELECT c.name FROM aiusage.customer AS c WHERE c.customer = h.entity) END, h.entity) AS entity_name
		FROM (
			SELECT l.entity_kind, l.entity, l.statement_currency, bool_or(l.by_days) AS by_days, count(*) AS lines,
				sum((l.l).requests)::bigint AS requests, sum((l.l).unpriced)::bigint AS unpriced, trim_scale(sum((l.l).cost)) AS cost,
				CASE WHEN bool_and((l.l).list_currency = l.statement_currency) THEN trim_scale(sum((l.l).list_cost)) END AS list_cost,
				CASE WHEN bool_and((l.l).charge_currency = l.statement_currency) IS NOT FALSE THEN trim_scale(sum((l.l).charge)) END AS charge,
				string_agg(E'\n' || aiusage.statement_line_text(l.line, l.l, l.units), '' ORDER BY l.line) AS text
			FROM lines AS l
			GROUP BY l.entity_kind, l.entity, l.statement_currency
		) AS h
	), made_heads AS (
		INSERT INTO aiusage.invoice_statement (kind, period, entity_kind, entity, entity_name, currency, by_days, covers_until,
			requests, unpriced, cost, list_cost, charge, lines, checksum, frozen_by)
		SELECT 'statement', p, h.entity_kind, h.entity, h.entity_name, h.statement_currency, h.by_days,
			CASE WHEN h.by_days THEN aiusage.period_ends_at(p) END,
			h.requests, h.unpriced, h.cost, h.list_cost, h.charge, h.lines,
			encode(sha256(convert_to(aiusage.statement_head_text('statement', p, h.entity_kind, h.entity, h.entity_name, h.statement_currency, NULL,
				h.requests, h.unpriced, h.cost, h.list_cost, h.charge, h.lines) || h.text, 'UTF8')), 'hex'),
			aiusage.acting_role()
		FROM heads AS h
		ORDER BY h.entity_kind, h.entity COLLATE "C", h.statement_currency
		RETURNING statement, entity_kind, entity, currency
	), made_lines AS (
		INSERT INTO aiusage.invoice_statement_line (statement, line, assignment, team, cost_center, customer, api_key, provider, model,
			currency, list_currency, charge_currency, requests, unpriced, cost, list_cost, charge)
		SELECT h.statement, l.line, (l.l).*
		FROM lines AS l JOIN made_heads AS h ON h.entity_kind = l.entity_kind AND h.entity = l.entity AND h.currency = l.statement_currency
	), made_units AS (
		INSERT INTO aiusage.invoice_statement_unit (statement, line, unit, used_quantity, quantity, cost)
		SELECT h.statement, n.line, n.unit, trim_scale(coalesce(n.used_quantity, 0)), trim_scale(coalesce(n.quantity, 0)),
			CASE WHEN n.entity_kind <> 'customer' THEN trim_scale(coalesce(n.unit_cost, 0)) END
		FROM numbered AS n JOIN made_heads AS h ON h.entity_kind = n.entity_kind AND h.entity = n.entity AND h.currency = n.statement_currency
		WHERE n.unit IS NOT NULL
	)
	SELECT count(*) INTO made FROM made_heads;
	RETURN made;
END
$$;
COMMENT ON FUNCTION aiusage.owner_freeze_statements(int) IS 'Writes the statements of a period that is being closed, and returns how many; for the owner of the books only';
