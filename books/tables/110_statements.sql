/*
 * Statements: what a closed period came to, frozen.  Written by closing and by
 * reversals only, and never changed (books/views/25_statement_triggers.sql).
 *
 *     invoice_period 1-n invoice_statement 1-n invoice_statement_line 1-n invoice_statement_unit
 *                                          1-1 invoice
 *
 * Lines and units have no foreign keys: a closing writes many of them while
 * the ledger is locked, and nothing is ever deleted.
 */

CREATE TABLE aiusage.invoice_statement (
	statement bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind text NOT NULL CHECK (kind IN ('statement', 'credit')),
	period int NOT NULL REFERENCES aiusage.invoice_period (period),
	entity_kind text NOT NULL CHECK (entity_kind IN ('cost_center', 'team', 'customer')),
	entity text NOT NULL,
	entity_name text NOT NULL,
	currency text NOT NULL,
	by_days boolean NOT NULL,
	covers_until timestamptz,
	booked_at timestamptz,
	reverses bigint UNIQUE REFERENCES aiusage.invoice_statement (statement),
	correction bigint REFERENCES aiusage.correction (correction),
	requests bigint NOT NULL,
	unpriced bigint NOT NULL,
	cost numeric,
	list_cost numeric,
	charge numeric,
	lines int NOT NULL,
	checksum text NOT NULL,
	frozen_at timestamptz NOT NULL DEFAULT now(),
	frozen_by text NOT NULL,
	CONSTRAINT invoice_statement_credit CHECK ((kind = 'credit') = (reverses IS NOT NULL)
		AND (kind = 'credit') = (correction IS NOT NULL) AND (kind = 'credit') = (booked_at IS NOT NULL)),
	CONSTRAINT invoice_statement_days CHECK ((by_days AND kind = 'statement') = (covers_until IS NOT NULL))
);
COMMENT ON TABLE aiusage.invoice_statement IS 'Statements: one a closed period, cost center, team or customer, and currency, as it was when the period was closed; and the credits that take one back. Never changed. Who may see only some reads aiusage.statements';
COMMENT ON COLUMN aiusage.invoice_statement.statement IS 'Number of the statement';
COMMENT ON COLUMN aiusage.invoice_statement.kind IS 'statement, or credit: takes back the one it reverses';
COMMENT ON COLUMN aiusage.invoice_statement.period IS 'The period; of a credit the one its rows are billed in';
COMMENT ON COLUMN aiusage.invoice_statement.entity_kind IS 'cost_center, team or customer';
COMMENT ON COLUMN aiusage.invoice_statement.entity IS 'Its id; (unmatched): what no cost center or team owned';
COMMENT ON COLUMN aiusage.invoice_statement.entity_name IS 'Its name at that time';
COMMENT ON COLUMN aiusage.invoice_statement.currency IS 'Currency of cost (ISO 4217); of a customer''s statement that of charge';
COMMENT ON COLUMN aiusage.invoice_statement.by_days IS 'true: of an entity with a billing calendar of its own, over the days of that; false: of the usage that is invoiced in the period';
COMMENT ON COLUMN aiusage.invoice_statement.covers_until IS 'by_days: it covers all usage of the entity before this time that was on no statement yet; NULL: not by days';
COMMENT ON COLUMN aiusage.invoice_statement.booked_at IS 'Time of the ledger rows of a credit; NULL: no credit';
COMMENT ON COLUMN aiusage.invoice_statement.reverses IS 'The statement that a credit takes back; NULL: no credit';
COMMENT ON COLUMN aiusage.invoice_statement.correction IS 'The correction that a credit''s ledger rows belong to: who, why, which ticket; NULL: no credit';
COMMENT ON COLUMN aiusage.invoice_statement.requests IS 'Requests: usage rows less reversals; 0 on a credit';
COMMENT ON COLUMN aiusage.invoice_statement.unpriced IS 'Requests without a price: they are missing in every amount';
COMMENT ON COLUMN aiusage.invoice_statement.cost IS 'Cost in currency; NULL on a customer''s statement';
COMMENT ON COLUMN aiusage.invoice_statement.list_cost IS 'The same at list prices, in currency; NULL: some of it is in another currency, or a customer''s statement';
COMMENT ON COLUMN aiusage.invoice_statement.charge IS 'What is charged, in currency; NULL: some of it is in another currency';
COMMENT ON COLUMN aiusage.invoice_statement.lines IS 'Number of its lines';
COMMENT ON COLUMN aiusage.invoice_statement.checksum IS 'SHA-256, in hexadecimal, over the statement, its lines and their units; aiusage.statement_checksum() computes it anew';
COMMENT ON COLUMN aiusage.invoice_statement.frozen_at IS 'When the transaction that made it began';
COMMENT ON COLUMN aiusage.invoice_statement.frozen_by IS 'Role that closed the period, or reversed';
CREATE UNIQUE INDEX invoice_statement_of_period ON aiusage.invoice_statement (period, entity_kind, entity, currency) WHERE kind = 'statement';
CREATE INDEX invoice_statement_entity ON aiusage.invoice_statement (entity_kind, entity);

CREATE TABLE aiusage.invoice_statement_line (
	statement bigint,
	line int,
	assignment bigint,
	team text,
	cost_center text,
	customer text,
	api_key text NOT NULL,
	provider text NOT NULL,
	model text NOT NULL,
	currency text,
	list_currency text,
	charge_currency text,
	requests bigint NOT NULL,
	unpriced bigint NOT NULL,
	cost numeric,
	list_cost numeric,
	charge numeric NOT NULL,
	PRIMARY KEY (statement, line)
);
COMMENT ON TABLE aiusage.invoice_statement_line IS 'Lines of a statement: one an owner (assignment), customer, key, provider, model and currencies. Amounts add up to the statement''s';
COMMENT ON COLUMN aiusage.invoice_statement_line.statement IS 'The statement';
COMMENT ON COLUMN aiusage.invoice_statement_line.line IS 'Number of the line, from 1';
COMMENT ON COLUMN aiusage.invoice_statement_line.assignment IS 'Assignment of the key at the time (aiusage.key_assignment); NULL: unmatched';
COMMENT ON COLUMN aiusage.invoice_statement_line.team IS 'Team of the assignment; NULL: none';
COMMENT ON COLUMN aiusage.invoice_statement_line.cost_center IS 'Cost center of the assignment; NULL: none';
COMMENT ON COLUMN aiusage.invoice_statement_line.customer IS 'Customer that the requests named, else the assignment''s; NULL: none';
COMMENT ON COLUMN aiusage.invoice_statement_line.api_key IS 'Key, by its label';
COMMENT ON COLUMN aiusage.invoice_statement_line.provider IS 'Provider';
COMMENT ON COLUMN aiusage.invoice_statement_line.model IS 'Model as served';
COMMENT ON COLUMN aiusage.invoice_statement_line.currency IS 'Currency of cost; NULL on a customer''s statement';
COMMENT ON COLUMN aiusage.invoice_statement_line.list_currency IS 'Currency of list_cost; NULL on a customer''s statement';
COMMENT ON COLUMN aiusage.invoice_statement_line.charge_currency IS 'Currency of charge; NULL: nothing is charged';
COMMENT ON COLUMN aiusage.invoice_statement_line.requests IS 'Requests: usage rows less reversals';
COMMENT ON COLUMN aiusage.invoice_statement_line.unpriced IS 'Requests without a price';
COMMENT ON COLUMN aiusage.invoice_statement_line.cost IS 'Cost; NULL on a customer''s statement';
COMMENT ON COLUMN aiusage.invoice_statement_line.list_cost IS 'The same at list prices; NULL on a customer''s statement';
COMMENT ON COLUMN aiusage.invoice_statement_line.charge IS 'What is charged; 0 where nothing is';

CREATE TABLE aiusage.invoice_statement_unit (
	statement bigint,
	line int,
	unit text,
	used_quantity numeric NOT NULL,
	quantity numeric NOT NULL,
	cost numeric,
	PRIMARY KEY (statement, line, unit)
);
COMMENT ON TABLE aiusage.invoice_statement_unit IS 'What a line of a statement is made of, unit by unit; costs add up to the line''s';
COMMENT ON COLUMN aiusage.invoice_statement_unit.statement IS 'The statement';
COMMENT ON COLUMN aiusage.invoice_statement_unit.line IS 'Its line';
COMMENT ON COLUMN aiusage.invoice_statement_unit.unit IS 'Unit of usage';
COMMENT ON COLUMN aiusage.invoice_statement_unit.used_quantity IS 'Quantity as reported, less reversals; includes what more specific units count too';
COMMENT ON COLUMN aiusage.invoice_statement_unit.quantity IS 'Quantity billed under the unit, less reversals: without what more specific units bill';
COMMENT ON COLUMN aiusage.invoice_statement_unit.cost IS 'Cost of the unit, in the line''s currency; NULL on a customer''s statement';

CREATE TABLE aiusage.invoice (
	statement bigint PRIMARY KEY REFERENCES aiusage.invoice_statement (statement),
	entity_kind text NOT NULL,
	entity text NOT NULL,
	invoice_number text NOT NULL CHECK (octet_length(invoice_number) BETWEEN 1 AND 256),
	invoiced_at timestamptz NOT NULL DEFAULT now(),
	invoiced_by text NOT NULL,
	UNIQUE (entity_kind, entity, invoice_number)
);
COMMENT ON TABLE aiusage.invoice IS 'Numbers of the invoices and credit notes that were made of statements elsewhere; written by aiusage.record_invoice(), never changed';
COMMENT ON COLUMN aiusage.invoice.statement IS 'The statement';
COMMENT ON COLUMN aiusage.invoice.entity_kind IS 'cost_center, team or customer, as on the statement';
COMMENT ON COLUMN aiusage.invoice.entity IS 'Its id';
COMMENT ON COLUMN aiusage.invoice.invoice_number IS 'Number of the invoice, unique to the entity';
COMMENT ON COLUMN aiusage.invoice.invoiced_at IS 'When it was recorded';
COMMENT ON COLUMN aiusage.invoice.invoiced_by IS 'Role that recorded it';
