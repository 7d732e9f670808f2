/*
 * Statements for people, and what they are made of.  Filtered as the other
 * views are; a customer sees its own statements, which have no cost.
 */

-- One row a line and, with a unit, one a unit of it: sum by what is asked.
CREATE OR REPLACE VIEW aiusage.statement_rows AS
SELECT g.invoice_period, e.entity_kind, e.entity, e.currency AS statement_currency,
	g.assignment, g.team, g.cost_center, g.customer, g.api_key, g.provider, g.model,
	CASE WHEN e.entity_kind <> 'customer' THEN g.currency END AS currency,
	CASE WHEN e.entity_kind <> 'customer' THEN g.list_currency END AS list_currency,
	g.charge_currency, m.unit, m.requests, m.unpriced,
	CASE WHEN e.entity_kind <> 'customer' THEN m.cost END AS cost,
	CASE WHEN e.entity_kind <> 'customer' THEN m.list_cost END AS list_cost,
	m.charge, m.used_quantity, m.quantity,
	CASE WHEN e.entity_kind <> 'customer' THEN m.unit_cost END AS unit_cost
FROM (
	SELECT v.invoice_period, v.assignment, a.team, a.cost_center, coalesce(v.customer, a.customer) AS customer,
		v.api_key, v.provider, v.model, v.currency, v.list_currency, v.charge_currency,
		sum(v.requests) AS requests, sum(v.unpriced) AS unpriced,
		sum(v.cost) AS cost, sum(v.list_cost) AS list_cost, sum(v.charge) AS charge,
		aiusage.sum(v.usage) AS usage, aiusage.sum(v.usage_reversed) AS usage_reversed,
		aiusage.sum(v.billed) AS billed, aiusage.sum(v.billed_reversed) AS billed_reversed,
		aiusage.sum(v.cost_by_unit) AS cost_by_unit
	FROM aiusage.rollup_daily_live v
	LEFT JOIN aiusage.key_assignment a ON a.assignment = v.assignment
	GROUP BY v.invoice_period, v.assignment, a.team, a.cost_center, coalesce(v.customer, a.customer),
		v.api_key, v.provider, v.model, v.currency, v.list_currency, v.charge_currency
) g
CROSS JOIN LATERAL (VALUES
	('cost_center', coalesce(g.cost_center, '(unmatched)'), g.currency),
	('team', coalesce(g.team, '(unmatched)'), g.currency),
	('customer', g.customer, g.charge_currency)
) e (entity_kind, entity, currency)
CROSS JOIN LATERAL (
	SELECT NULL::text AS unit, g.requests, g.unpriced, g.cost, g.list_cost, g.charge,
		NULL::numeric AS used_quantity, NULL::numeric AS quantity, NULL::numeric AS unit_cost
	UNION ALL
	SELECT x.unit, NULL, NULL, NULL, NULL, NULL, x.used, x.quantity, x.cost
	FROM (
		SELECT n.unit, n.quantity, NULL::numeric, NULL::numeric FROM aiusage.unnest_usage(g.usage) n
		UNION ALL
		SELECT n.unit, - n.quantity, NULL, NULL FROM aiusage.unnest_usage(g.usage_reversed) n
		UNION ALL
		SELECT n.unit, NULL, n.quantity, NULL FROM aiusage.unnest_usage(g.billed) n
		UNION ALL
		SELECT n.unit, NULL, - n.quantity, NULL FROM aiusage.unnest_usage(g.billed_reversed) n
		UNION ALL
		SELECT n.unit, NULL, NULL, n.cost FROM aiusage.unnest_costs(g.cost_by_unit) n
	) x (unit, used, quantity, cost)
) m
WHERE e.entity IS NOT NULL AND e.currency IS NOT NULL;

COMMENT ON VIEW aiusage.statement_rows IS
	'Internal. What the statements of each invoice period are made of, live: by entity and line, rows without a unit have the line''s money, rows with one are the unit''s; several rows a line and unit: sum them';

CREATE OR REPLACE VIEW aiusage.statement_rows_taken_off AS
SELECT s.statement, s.kind, s.period, s.by_days, s.covers_until, s.booked_at, s.entity_kind, s.entity, s.currency AS statement_currency,
	l.assignment, l.team, l.cost_center, l.customer, l.api_key, l.provider, l.model,
	l.currency, l.list_currency, l.charge_currency, m.unit, m.requests, m.unpriced, m.cost, m.list_cost, m.charge,
	m.used_quantity, m.quantity, m.unit_cost
FROM aiusage.invoice_statement s
JOIN aiusage.invoice_statement_line l ON l.statement = s.statement
CROSS JOIN LATERAL (
	SELECT NULL::text AS unit, - l.requests::numeric AS requests, - l.unpriced::numeric AS unpriced, - l.cost AS cost,
		- l.list_cost AS list_cost, - l.charge AS charge,
		NULL::numeric AS used_quantity, NULL::numeric AS quantity, NULL::numeric AS unit_cost
	UNION ALL
	SELECT u.unit, NULL, NULL, NULL, NULL, NULL, - u.used_quantity, - u.quantity, - u.cost
	FROM aiusage.invoice_statement_unit u
	WHERE u.statement = l.statement AND u.line = l.line
) m;

COMMENT ON VIEW aiusage.statement_rows_taken_off IS
	'Internal. The stored statements in the form of statement_rows, negated: added to what is live, they leave what is not on them';

CREATE OR REPLACE VIEW aiusage.statements WITH (security_barrier) AS
SELECT s.statement, s.kind, s.period::bigint AS period, p.label, p.starts_on, p.ends_on, p.status,
	s.entity_kind, s.entity, s.entity_name, s.requests, s.unpriced, s.cost, s.list_cost, s.charge, s.currency,
	s.lines, s.reverses, s.correction, c.reason, i.invoice_number, i.invoiced_at, s.checksum, s.frozen_at, s.frozen_by
FROM aiusage.invoice_statement s
JOIN aiusage.invoice_period p ON p.period = s.period
LEFT JOIN aiusage.correction c ON c.correction = s.correction
LEFT JOIN aiusage.invoice i ON i.statement = s.statement
WHERE (SELECT aiusage.sees_everything())
	OR (s.entity_kind = 'team' AND s.entity = ANY ((SELECT aiusage.visible_teams())::text[]))
	OR (s.entity_kind = 'cost_center' AND s.entity = ANY ((SELECT aiusage.visible_cost_centers())::text[]))
	OR (s.entity_kind = 'customer' AND s.entity = ANY ((SELECT aiusage.visible_customers())::text[]));

COMMENT ON VIEW aiusage.statements IS 'Frozen statements of closed periods, and credits. Grain: one row a statement, which is one a (period, entity_kind, entity, currency) and one a credit. Cost centers, teams and customers divide the same usage: add up one entity_kind only';
COMMENT ON COLUMN aiusage.statements.statement IS 'Number of the statement';
COMMENT ON COLUMN aiusage.statements.kind IS 'statement, or credit: takes back the one it reverses';
COMMENT ON COLUMN aiusage.statements.period IS 'Number of the invoice period; of a credit the one its rows are billed in';
COMMENT ON COLUMN aiusage.statements.label IS 'Name of the period';
COMMENT ON COLUMN aiusage.statements.starts_on IS 'First day of the period, in its calendar''s time zone';
COMMENT ON COLUMN aiusage.statements.ends_on IS 'Day after the last day of the period';
COMMENT ON COLUMN aiusage.statements.status IS 'Status of the period: closed or invoiced; of a credit''s period also open or closing';
COMMENT ON COLUMN aiusage.statements.entity_kind IS 'cost_center, team or customer';
COMMENT ON COLUMN aiusage.statements.entity IS 'Its id; (unmatched): what no cost center or team owned';
COMMENT ON COLUMN aiusage.statements.entity_name IS 'Its name when the statement was made';
COMMENT ON COLUMN aiusage.statements.requests IS 'Requests: usage rows less reversals';
COMMENT ON COLUMN aiusage.statements.unpriced IS 'Requests without a price: they are missing in every amount';
COMMENT ON COLUMN aiusage.statements.cost IS 'Cost in currency; NULL on a customer''s statement';
COMMENT ON COLUMN aiusage.statements.list_cost IS 'The same at list prices, in currency; NULL: some of it is in another currency, or a customer''s statement';
COMMENT ON COLUMN aiusage.statements.charge IS 'What is charged, in currency; NULL: some of it is in another currency';
COMMENT ON COLUMN aiusage.statements.currency IS 'Currency of the amounts (ISO 4217)';
COMMENT ON COLUMN aiusage.statements.lines IS 'Number of its lines';
COMMENT ON COLUMN aiusage.statements.reverses IS 'The statement that a credit takes back; NULL: no credit';
COMMENT ON COLUMN aiusage.statements.correction IS 'The correction that a credit''s ledger rows belong to; NULL: no credit';
COMMENT ON COLUMN aiusage.statements.reason IS 'Why it was taken back; NULL: no credit';
COMMENT ON COLUMN aiusage.statements.invoice_number IS 'Number of its invoice or credit note; NULL: none recorded';
COMMENT ON COLUMN aiusage.statements.invoiced_at IS 'When that was recorded; NULL: none';
COMMENT ON COLUMN aiusage.statements.checksum IS 'SHA-256, in hexadecimal, over the statement, its lines and their units';
COMMENT ON COLUMN aiusage.statements.frozen_at IS 'When it was made';
COMMENT ON COLUMN aiusage.statements.frozen_by IS 'Role that closed the period, or reversed';

CREATE OR REPLACE VIEW aiusage.statement_lines WITH (security_barrier) AS
SELECT s.statement, s.kind, s.period, s.label, s.entity_kind, s.entity, l.line,
	l.team, l.cost_center, l.customer, l.api_key, l.provider, l.model, l.assignment,
	l.requests, l.unpriced, l.cost, l.currency, l.list_cost, l.list_currency, l.charge, l.charge_currency
FROM aiusage.statements s
JOIN aiusage.invoice_statement_line l ON l.statement = s.statement;

COMMENT ON VIEW aiusage.statement_lines IS 'Lines of the frozen statements. Grain: one row a (statement, line); amounts add up to the statement''s';
COMMENT ON COLUMN aiusage.statement_lines.statement IS 'Number of the statement';
COMMENT ON COLUMN aiusage.statement_lines.kind IS 'statement or credit';
COMMENT ON COLUMN aiusage.statement_lines.period IS 'Number of the invoice period';
COMMENT ON COLUMN aiusage.statement_lines.label IS 'Name of the period';
COMMENT ON COLUMN aiusage.statement_lines.entity_kind IS 'cost_center, team or customer';
COMMENT ON COLUMN aiusage.statement_lines.entity IS 'Its id';
COMMENT ON COLUMN aiusage.statement_lines.line IS 'Number of the line, from 1';
COMMENT ON COLUMN aiusage.statement_lines.team IS 'Team that owned the key; NULL: none';
COMMENT ON COLUMN aiusage.statement_lines.cost_center IS 'Cost center that owned the key; NULL: none';
COMMENT ON COLUMN aiusage.statement_lines.customer IS 'Customer that the requests named, else the assignment''s; NULL: none';
COMMENT ON COLUMN aiusage.statement_lines.api_key IS 'Key, by its label';
COMMENT ON COLUMN aiusage.statement_lines.provider IS 'Provider';
COMMENT ON COLUMN aiusage.statement_lines.model IS 'Model as served';
COMMENT ON COLUMN aiusage.statement_lines.assignment IS 'Assignment of the key at the time (aiusage.key_assignment); NULL: unmatched';
COMMENT ON COLUMN aiusage.statement_lines.requests IS 'Requests: usage rows less reversals';
COMMENT ON COLUMN aiusage.statement_lines.unpriced IS 'Requests without a price';
COMMENT ON COLUMN aiusage.statement_lines.cost IS 'Cost, in currency; NULL on a customer''s statement';
COMMENT ON COLUMN aiusage.statement_lines.currency IS 'Currency of cost (ISO 4217); NULL on a customer''s statement';
COMMENT ON COLUMN aiusage.statement_lines.list_cost IS 'The same at list prices, in list_currency; NULL on a customer''s statement';
COMMENT ON COLUMN aiusage.statement_lines.list_currency IS 'Currency of list_cost (ISO 4217); NULL on a customer''s statement';
COMMENT ON COLUMN aiusage.statement_lines.charge IS 'What is charged, in charge_currency; 0 where nothing is';
COMMENT ON COLUMN aiusage.statement_lines.charge_currency IS 'Currency of charge (ISO 4217); NULL: nothing is charged';

CREATE OR REPLACE VIEW aiusage.statement_units WITH (security_barrier) AS
SELECT l.statement, l.kind, l.period, l.label, l.entity_kind, l.entity, l.line,
	l.team, l.cost_center, l.customer, l.api_key, l.provider, l.model,
	u.unit, u.used_quantity, u.quantity, u.cost, u.cost / nullif(u.quantity, 0) AS average_rate, l.currency
FROM aiusage.statement_lines l
JOIN aiusage.invoice_statement_unit u ON u.statement = l.statement AND u.line = l.line;

COMMENT ON VIEW aiusage.statement_units IS 'What the lines of frozen statements are made of. Grain: one row a (statement, line, unit); costs add up to the line''s';
COMMENT ON COLUMN aiusage.statement_units.statement IS 'Number of the statement';
COMMENT ON COLUMN aiusage.statement_units.kind IS 'statement or credit';
COMMENT ON COLUMN aiusage.statement_units.period IS 'Number of the invoice period';
COMMENT ON COLUMN aiusage.statement_units.label IS 'Name of the period';
COMMENT ON COLUMN aiusage.statement_units.entity_kind IS 'cost_center, team or customer';
COMMENT ON COLUMN aiusage.statement_units.entity IS 'Its id';
COMMENT ON COLUMN aiusage.statement_units.line IS 'Number of the line';
COMMENT ON COLUMN aiusage.statement_units.team IS 'Team that owned the key; NULL: none';
COMMENT ON COLUMN aiusage.statement_units.cost_center IS 'Cost center that owned the key; NULL: none';
COMMENT ON COLUMN aiusage.statement_units.customer IS 'Customer that the requests named, else the assignment''s; NULL: none';
COMMENT ON COLUMN aiusage.statement_units.api_key IS 'Key, by its label';
COMMENT ON COLUMN aiusage.statement_units.provider IS 'Provider';
COMMENT ON COLUMN aiusage.statement_units.model IS 'Model as served';
COMMENT ON COLUMN aiusage.statement_units.unit IS 'Unit of usage';
COMMENT ON COLUMN aiusage.statement_units.used_quantity IS 'Quantity as reported, less reversals; totals include their parts';
COMMENT ON COLUMN aiusage.statement_units.quantity IS 'Quantity billed under the unit, less reversals: without what more specific units bill';
COMMENT ON COLUMN aiusage.statement_units.cost IS 'Cost of the unit, in currency; NULL on a customer''s statement';
COMMENT ON COLUMN aiusage.statement_units.average_rate IS 'cost / quantity; NULL: nothing billed, or a customer''s statement';
COMMENT ON COLUMN aiusage.statement_units.currency IS 'Currency of cost (ISO 4217); NULL on a customer''s statement';

-- For customers: what they used and what they are charged, never cost, nor who served them.
CREATE OR REPLACE VIEW aiusage.customer_statements WITH (security_barrier) AS
SELECT s.statement, s.kind, p.label, p.starts_on, p.ends_on, s.entity AS customer, s.entity_name AS customer_name,
	s.requests, s.charge, s.currency, s.reverses, i.invoice_number, i.invoiced_at, s.checksum, s.frozen_at
FROM aiusage.invoice_statement s
JOIN aiusage.invoice_period p ON p.period = s.period
LEFT JOIN aiusage.invoice i ON i.statement = s.statement
WHERE s.entity_kind = 'customer'
	AND ((SELECT aiusage.sees_everything()) OR s.entity = ANY ((SELECT aiusage.visible_customer_charges())::text[]));

COMMENT ON VIEW aiusage.customer_statements IS 'Frozen statements of customers, over what they are charged: what a customer may see of its own. Grain: one row a statement, which is one a (period, customer, currency) and one a credit';
COMMENT ON COLUMN aiusage.customer_statements.statement IS 'Number of the statement';
COMMENT ON COLUMN aiusage.customer_statements.kind IS 'statement, or credit: takes back the one it reverses';
COMMENT ON COLUMN aiusage.customer_statements.label IS 'Name of the period';
COMMENT ON COLUMN aiusage.customer_statements.starts_on IS 'First day of the period, in its calendar''s time zone';
COMMENT ON COLUMN aiusage.customer_statements.ends_on IS 'Day after the last day of the period';
COMMENT ON COLUMN aiusage.customer_statements.customer IS 'Customer';
COMMENT ON COLUMN aiusage.customer_statements.customer_name IS 'Its name when the statement was made';
COMMENT ON COLUMN aiusage.customer_statements.requests IS 'Requests that were charged';
COMMENT ON COLUMN aiusage.customer_statements.charge IS 'What is charged, in currency';
COMMENT ON COLUMN aiusage.customer_statements.currency IS 'Currency of charge (ISO 4217)';
COMMENT ON COLUMN aiusage.customer_statements.reverses IS 'The statement that a credit takes back; NULL: no credit';
COMMENT ON COLUMN aiusage.customer_statements.invoice_number IS 'Number of its invoice or credit note; NULL: none recorded';
COMMENT ON COLUMN aiusage.customer_statements.invoiced_at IS 'When that was recorded; NULL: none';
COMMENT ON COLUMN aiusage.customer_statements.checksum IS 'SHA-256, in hexadecimal, over the statement, its lines and their units';
COMMENT ON COLUMN aiusage.customer_statements.frozen_at IS 'When it was made';

CREATE OR REPLACE VIEW aiusage.customer_statement_units WITH (security_barrier) AS
SELECT s.statement, s.label, s.customer, u.unit, sum(u.used_quantity) AS used_quantity
FROM aiusage.customer_statements s
JOIN aiusage.invoice_statement_unit u ON u.statement = s.statement
GROUP BY s.statement, s.label, s.customer, u.unit;

COMMENT ON VIEW aiusage.customer_statement_units IS 'What a customer used on a frozen statement. Grain: one row a (statement, unit)';
COMMENT ON COLUMN aiusage.customer_statement_units.statement IS 'Number of the statement';
COMMENT ON COLUMN aiusage.customer_statement_units.label IS 'Name of the period';
COMMENT ON COLUMN aiusage.customer_statement_units.customer IS 'Customer';
COMMENT ON COLUMN aiusage.customer_statement_units.unit IS 'Unit of usage';
COMMENT ON COLUMN aiusage.customer_statement_units.used_quantity IS 'Quantity as reported, less reversals; totals include their parts';
