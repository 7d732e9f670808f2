/*
 * Billing calendars and invoice periods.
 *
 * A period has a number that follows from the calendar and the month alone:
 * calendar * 100000 + (year * 12 + month - 1) of its first day.  So the ledger
 * can stamp it without writing here; a row of aiusage.invoice_period exists
 * only once something is to be said about the period, and a period without a
 * row is open.
 */

CREATE TABLE aiusage.billing_calendar (
	calendar int PRIMARY KEY CHECK (calendar BETWEEN 1 AND 21473),
	name text NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 256),
	time_zone text NOT NULL,
	unit text NOT NULL DEFAULT 'month' CHECK (unit = 'month'),
	start_day int NOT NULL DEFAULT 1 CHECK (start_day BETWEEN 1 AND 31)
);
COMMENT ON TABLE aiusage.billing_calendar IS 'How time is divided into invoice periods; 1 is the global calendar, cost centers may follow another. Written by aiusage.set_billing_calendar()';
COMMENT ON COLUMN aiusage.billing_calendar.calendar IS 'Number; 1: the global calendar';
COMMENT ON COLUMN aiusage.billing_calendar.name IS 'Name for people';
COMMENT ON COLUMN aiusage.billing_calendar.time_zone IS 'Zone in which its days and months begin, as in pg_timezone_names';
COMMENT ON COLUMN aiusage.billing_calendar.unit IS 'month';
COMMENT ON COLUMN aiusage.billing_calendar.start_day IS 'Day of the month on which a period begins; in a shorter month its last day';

INSERT INTO aiusage.billing_calendar (calendar, name, time_zone)
VALUES (1, 'global', coalesce((SELECT s.value FROM aiusage.setting AS s WHERE s.name = 'time_zone'), 'UTC'));

ALTER TABLE aiusage.cost_center
	ADD FOREIGN KEY (calendar) REFERENCES aiusage.billing_calendar (calendar);

CREATE TABLE aiusage.invoice_period (
	period int PRIMARY KEY,
	calendar int NOT NULL REFERENCES aiusage.billing_calendar (calendar),
	label text NOT NULL,
	starts_on date NOT NULL,
	ends_on date NOT NULL,
	starts_at timestamptz NOT NULL,
	ends_at timestamptz NOT NULL,
	status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closing', 'closed', 'invoiced')),
	closed_at timestamptz,
	closed_by text,
	reason text CHECK (octet_length(reason) BETWEEN 1 AND 256),
	CHECK (period / 100000 = calendar),
	CHECK (starts_on < ends_on AND starts_at < ends_at),
	CHECK ((status IN ('closed', 'invoiced')) = (closed_at IS NOT NULL)),
	UNIQUE (calendar, label)
);
COMMENT ON TABLE aiusage.invoice_period IS 'Invoice periods that something is said about; a period without a row is open. Usage of a closed period is billed in the next open one of its calendar';
COMMENT ON COLUMN aiusage.invoice_period.period IS 'Number that ledger rows carry: calendar * 100000 + year * 12 + month - 1 of the first day';
COMMENT ON COLUMN aiusage.invoice_period.calendar IS 'Calendar it belongs to';
COMMENT ON COLUMN aiusage.invoice_period.label IS 'Year and month of its first day, such as 2023-11';
COMMENT ON COLUMN aiusage.invoice_period.starts_on IS 'First day, in the calendar''s zone';
COMMENT ON COLUMN aiusage.invoice_period.ends_on IS 'Day after the last day';
COMMENT ON COLUMN aiusage.invoice_period.starts_at IS 'First instant of starts_on in the calendar''s zone';
COMMENT ON COLUMN aiusage.invoice_period.ends_at IS 'First instant after the period';
COMMENT ON COLUMN aiusage.invoice_period.status IS 'open, closing (still takes usage), closed or invoiced (take none); only ever moves forward';
COMMENT ON COLUMN aiusage.invoice_period.closed_at IS 'When it was closed; NULL while it takes usage';
COMMENT ON COLUMN aiusage.invoice_period.closed_by IS 'Role that closed it; NULL while it takes usage';
COMMENT ON COLUMN aiusage.invoice_period.reason IS 'What was said when it was closed; NULL: nothing';
