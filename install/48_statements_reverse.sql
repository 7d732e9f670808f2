/*
 * Taking a statement back: rows in the open period that cancel its money, and
 * a credit, which is a statement of those rows.  They are on no other
 * statement of that entity; on those of other entities they are as any row.
 */

CREATE FUNCTION aiusage.reverse_statement(statement bigint, reason text, ticket text DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.reverse_statement(bigint, text, text) IS 'Takes back a statement: books an adjustment of now, in the open period, for each of its lines that takes off the line''s cost, list cost and charge (of a customer''s statement the charge), and returns the credit that is made of them. Requests and quantities stay. To correct a part, use aiusage.adjust() or aiusage.reattribute(), which book the difference. Errors: UA404 for no such statement; UA409 when it is a credit or was taken back already, or above READ COMMITTED; UA422 for no reason';

CREATE FUNCTION aiusage.owner_reverse_statement(statement bigint, reason text, ticket text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	s record;
	number bigint;
	at timestamptz;
	billed_in int;
	credit bigint;
	booked bigint;
BEGIN
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('cannot correct the ledger in a %s transaction', current_setting('transaction_isolation')),
			HINT = 'Use READ COMMITTED, so that a statement is never taken back twice.';
	END IF;
	-- No period is closed while we are writing in it.
	LOCK TABLE aiusage.usage_record IN ROW EXCLUSIVE MODE;
	PERFORM pg_advisory_xact_lock(hashtextextended('aiusage.reverse_statement ' || owner_reverse_statement.statement, 0));
	SELECT x.* INTO s FROM aiusage.invoice_statement AS x WHERE x.statement = owner_reverse_statement.statement;
	IF s.statement IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('statement %s does not exist', coalesce(owner_reverse_statement.statement::text, 'null')),
			HINT = 'aiusage.statements lists them.';
	END IF;
	IF s.kind = 'credit' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('statement %s is a credit', s.statement),
			DETAIL = format('It takes back statement %s.', s.reverses),
			HINT = 'What was taken back is billed again by new rows of the ledger.';
	END IF;
	credit := (SELECT x.statement FROM aiusage.invoice_statement AS x WHERE x.reverses = s.statement);
	IF credit IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('statement %s was taken back already', s.statement),
			DETAIL = format('Credit %s did so.', credit),
			HINT = 'aiusage.statements has both; a statement is taken back once.';
	END IF;

	number := aiusage.owner_open_correction('reverse_statement', reason, ticket, jsonb_build_object('statement', s.statement));
	at := clock_timestamp();
	billed_in := aiusage.owner_ensure_period(aiusage.correction_period(aiusage.period_calendar(s.period), at));

	INSERT INTO aiusage.usage_record (id, occurred_at, recorded_at, cost, list_cost, charge, assignment, correction, invoice_period,
		status, cost_state, kind, api_key, provider, model, usage, cost_by_unit, customer)
	SELECT aiusage.uuid_v7(at), at, clock_timestamp(),
		aiusage.amount(coalesce(- l.cost, 0), coalesce(l.currency, l.charge_currency)),
		aiusage.amount(- l.list_cost, l.list_currency),
		CASE WHEN l.charge_currency IS NOT NULL THEN aiusage.amount(- l.charge, l.charge_currency) END,
		l.assignment, number,
		-- by days: each row in its own calendar, as its usage was
		CASE WHEN s.by_days THEN aiusage.correction_period(coalesce(c.calendar, 1), at) ELSE billed_in END,
		'success', 'final', 'adjustment', l.api_key, l.provider, l.model, '{}',
		jsonb_build_object(coalesce(l.currency, l.charge_currency), coalesce((
			SELECT jsonb_object_agg(u.unit, - u.cost) FROM aiusage.invoice_statement_unit AS u
			WHERE u.statement = l.statement AND u.line = l.line AND u.cost <> 0), '{}'))::text::aiusage.unit_costs,
		l.customer
	FROM aiusage.invoice_statement_line AS l
	LEFT JOIN aiusage.cost_center AS c ON c.cost_center = l.cost_center
	WHERE l.statement = s.statement AND (l.cost <> 0 OR l.list_cost <> 0 OR l.charge <> 0)
	ORDER BY l.line;
	GET DIAGNOSTICS booked = ROW_COUNT;
	UPDATE aiusage.correction AS x SET row_count = booked WHERE x.correction = number;

	WITH lines AS MATERIALIZED (
		SELECT l.line AS of_line, row_number() OVER (ORDER BY l.line)::int AS line,
			ROW(l.assignment, l.team, l.cost_center, l.customer, l.api_key, l.provider, l.model, l.currency, l.list_currency, l.charge_currency,
				0, 0, - l.cost, - l.list_cost, - l.charge)::aiusage.statement_measures AS l,
			(SELECT jsonb_agg(jsonb_build_array(u.unit, '0', '0', trim_scale(- u.cost)::text) ORDER BY u.unit COLLATE "C")
			 FROM aiusage.invoice_statement_unit AS u WHERE u.statement = l.statement AND u.line = l.line AND u.cost <> 0) AS units
		FROM aiusage.invoice_statement_line AS l
		WHERE l.statement = s.statement AND (l.cost <> 0 OR l.list_cost <> 0 OR l.charge <> 0)
	), head AS MATERIALIZED (
		SELECT count(*)::int AS lines, coalesce(string_agg(E'\n' || aiusage.statement_line_text(x.line, x.l, x.units), '' ORDER BY x.line), '') AS text
		FROM lines AS x
	), made AS (
		INSERT INTO aiusage.invoice_statement (kind, period, entity_kind, entity, entity_name, currency, by_days, booked_at, reverses, correction,
			requests, unpriced, cost, list_cost, charge, lines, checksum, frozen_by)
		SELECT 'credit', billed_in, s.entity_kind, s.entity, s.entity_name, s.currency, s.by_days, at, s.statement, number,
			0, 0, - s.cost, - s.list_cost, - s.charge, h.lines,
			encode(sha256(convert_to(aiusage.statement_head_text('credit', billed_in, s.entity_kind, s.entity, s.entity_name, s.currency, s.statement,
				0, 0, - s.cost, - s.list_cost, - s.charge, h.lines) || h.text, 'UTF8')), 'hex'),
			aiusage.acting_role()
		FROM head AS h
		RETURNING statement
	), made_lines AS (
		INSERT INTO aiusage.invoice_statement_line (statement, line, assignment, team, cost_center, customer, api_key, provider, model,
			currency, list_currency, charge_currency, requests, unpriced, cost, list_cost, charge)
		SELECT m.statement, x.line, (x.l).* FROM lines AS x, made AS m
	), made_units AS (
		INSERT INTO aiusage.invoice_statement_unit (statement, line, unit, used_quantity, quantity, cost)
		SELECT m.statement, x.line, u.unit, 0, 0, - u.cost
		FROM lines AS x, made AS m, aiusage.invoice_statement_unit AS u
		WHERE u.statement = s.statement AND u.line = x.of_line AND u.cost <> 0
	)
	SELECT m.statement INTO credit FROM made AS m;
	RETURN credit;
END
$$;
COMMENT ON FUNCTION aiusage.owner_reverse_statement(bigint, text, text) IS 'Body of reverse_statement(), for the owner of the books only';
