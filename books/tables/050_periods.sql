/*
 * Billing calendars and invoice periods.
 *
 * A period has a number that follows from the calendar and the time alone:
 * calendar * 100000 + its place in the calendar (src/attribution/calendar.h).
 * So the ledger can stamp it without writing here; a row of
 * aiusage.invoice_period exists only once something is to be said about the
 * period, and a period without a row is open.
 */

CREATE TABLE aiusage.billing_calendar (
	calendar int PRIMARY KEY CHECK (calendar BETWEEN 1 AND 21473),
	name text NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 256),
	time_zone text NOT NULL,
	unit text NOT NULL DEFAULT 'month' CHECK (unit IN ('month', 'quarter', 'week', 'custom')),
	start_day int NOT NULL DEFAULT 1,
	start_month int NOT NULL DEFAULT 1 CHECK (start_month BETWEEN 1 AND 12),
	CONSTRAINT billing_calendar_start_day CHECK (start_day BETWEEN 1 AND CASE unit WHEN 'week' THEN 7 ELSE 31 END),
	CONSTRAINT billing_calendar_start_month CHECK (start_month = 1 OR unit = 'quarter')
);
COMMENT ON TABLE aiusage.billing_calendar IS 'How time is divided into invoice periods; 1 is the global calendar, cost centers, teams and customers may follow another. Written by aiusage.set_billing_calendar()';
COMMENT ON COLUMN aiusage.billing_calendar.calendar IS 'Number; 1: the global calendar';
COMMENT ON COLUMN aiusage.billing_calendar.name IS 'Name for people';
COMMENT ON COLUMN aiusage.billing_calendar.time_zone IS 'Zone in which its days and periods begin, as in pg_timezone_names';
COMMENT ON COLUMN aiusage.billing_calendar.unit IS 'How long a period is: month, quarter, week, or custom: as listed in aiusage.billing_boundary';
COMMENT ON COLUMN aiusage.billing_calendar.start_day IS 'month, quarter: day of the month on which a period begins, in a shorter month its last day; week: weekday, 1 is Monday, 7 is Sunday; custom: no meaning';
COMMENT ON COLUMN aiusage.billing_calendar.start_month IS 'quarter: month in which the year of its quarters begins, 1 is January; else 1';

INSERT INTO aiusage.billing_calendar (calendar, name, time_zone)
VALUES (1, 'global', coalesce((SELECT s.value FROM aiusage.setting AS s WHERE s.name = 'time_zone'), 'UTC'));

ALTER TABLE aiusage.cost_center
	ADD FOREIGN KEY (calendar) REFERENCES aiusage.billing_calendar (calendar);
ALTER TABLE aiusage.team
	ADD FOREIGN KEY (calendar) REFERENCES aiusage.billing_calendar (calendar);
ALTER TABLE aiusage.customer
	ADD FOREIGN KEY (calendar) REFERENCES aiusage.billing_calendar (calendar);

CREATE TABLE aiusage.billing_boundary (
	calendar int REFERENCES aiusage.billing_calendar (calendar),
	starts_on date,
	label text CHECK (octet_length(label) BETWEEN 1 AND 64),
	PRIMARY KEY (calendar, starts_on),
	UNIQUE (calendar, label)
);
COMMENT ON TABLE aiusage.billing_boundary IS 'First days of the periods of custom billing calendars. Each period lasts until the next begins, the latest one until another is added; added at the end only, by aiusage.add_billing_period()';
COMMENT ON COLUMN aiusage.billing_boundary.calendar IS 'The calendar';
COMMENT ON COLUMN aiusage.billing_boundary.starts_on IS 'First day of the period, in the calendar''s zone';
COMMENT ON COLUMN aiusage.billing_boundary.label IS 'Name of the period for people; NULL: called by its first day';

CREATE TABLE aiusage.invoice_period (
	period int PRIMARY KEY,
	calendar int NOT NULL REFERENCES aiusage.billing_calendar (calendar),
	label text NOT NULL,
	starts_on date NOT NULL,
	ends_on date NOT NULL,
	starts_at timestamptz NOT NULL,
	ends_at timestamptz NOT NULL,
	status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closing', 'closed', 'invoiced')),
	closing_at timestamptz,
	closing_by text,
	grace_until timestamptz,
	closed_at timestamptz,
	closed_by text,
	reason text CHECK (octet_length(reason) BETWEEN 1 AND 256),
	forced boolean,
	findings jsonb,
	boundary bigint,
	running bigint[],
	invoiced_at timestamptz,
	invoiced_by text,
	invoice_number text,
	CONSTRAINT invoice_period_of_calendar CHECK (period / 100000 = calendar),
	CONSTRAINT invoice_period_bounds CHECK (starts_on < ends_on AND starts_at < ends_at),
	CONSTRAINT invoice_period_closing CHECK ((status <> 'closing' OR closing_at IS NOT NULL)
		AND (closing_at IS NULL) = (closing_by IS NULL) AND (closing_at IS NULL) = (grace_until IS NULL)),
	CONSTRAINT invoice_period_closed CHECK ((status IN ('closed', 'invoiced')) = (closed_at IS NOT NULL)
		AND (closed_at IS NULL) = (closed_by IS NULL)),
	CONSTRAINT invoice_period_invoiced CHECK ((status = 'invoiced') = (invoiced_at IS NOT NULL)
		AND (invoiced_at IS NULL) = (invoiced_by IS NULL)),
	CONSTRAINT invoice_period_forced CHECK (NOT forced OR reason IS NOT NULL),
	UNIQUE (calendar, label)
);
COMMENT ON TABLE aiusage.invoice_period IS 'Invoice periods that something is said about; a period without a row is open. Usage of a closed period is billed in the next open one of its calendar';
COMMENT ON COLUMN aiusage.invoice_period.period IS 'Number that ledger rows carry: calendar * 100000 + its place in the calendar, for a month year * 12 + month - 1 of the first day';
COMMENT ON COLUMN aiusage.invoice_period.calendar IS 'Calendar it belongs to';
COMMENT ON COLUMN aiusage.invoice_period.label IS 'Name for people: 2023-11, 2023-Q4, 2023-W47, a first day, or the label it was given';
COMMENT ON COLUMN aiusage.invoice_period.starts_on IS 'First day, in the calendar''s zone; -infinity: all time before a custom calendar''s first period';
COMMENT ON COLUMN aiusage.invoice_period.ends_on IS 'Day after the last day; infinity: a custom calendar''s latest period';
COMMENT ON COLUMN aiusage.invoice_period.starts_at IS 'First instant of starts_on in the calendar''s zone';
COMMENT ON COLUMN aiusage.invoice_period.ends_at IS 'First instant after the period';
COMMENT ON COLUMN aiusage.invoice_period.status IS 'open; closing: takes usage until grace_until and corrections until it is closed; closed, invoiced: takes none. Only ever moves forward';
COMMENT ON COLUMN aiusage.invoice_period.closing_at IS 'When closing was begun, or its grace changed last; NULL: it was not';
COMMENT ON COLUMN aiusage.invoice_period.closing_by IS 'Role that did so; NULL: nobody';
COMMENT ON COLUMN aiusage.invoice_period.grace_until IS 'Until when late usage still went in while it was closing; NULL: it was closed without';
COMMENT ON COLUMN aiusage.invoice_period.closed_at IS 'When it was closed; NULL while it is not';
COMMENT ON COLUMN aiusage.invoice_period.closed_by IS 'Role that closed it; NULL while it is not';
COMMENT ON COLUMN aiusage.invoice_period.reason IS 'What was said when it was closed; NULL: nothing';
COMMENT ON COLUMN aiusage.invoice_period.forced IS 'true: closed in spite of findings; NULL while it is not closed';
COMMENT ON COLUMN aiusage.invoice_period.findings IS 'What was found and passed over when it was closed, as aiusage.period_findings() listed it; NULL: nothing';
COMMENT ON COLUMN aiusage.invoice_period.boundary IS 'With running: the snapshot of the closing, in the form of aiusage.fold_state: which rows statements by a calendar of one''s own could see';
COMMENT ON COLUMN aiusage.invoice_period.running IS 'See boundary';
COMMENT ON COLUMN aiusage.invoice_period.invoiced_at IS 'When its last statement got its invoice; NULL while one has none';
COMMENT ON COLUMN aiusage.invoice_period.invoiced_by IS 'Role that recorded that; NULL while one has none';
COMMENT ON COLUMN aiusage.invoice_period.invoice_number IS 'Number that was given to the period as a whole (aiusage.record_period_invoice()); NULL: none';
