/* Billing calendars and invoice periods. */

CREATE FUNCTION aiusage.period_of(calendar int, at timestamptz) RETURNS int
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_period_of';
COMMENT ON FUNCTION aiusage.period_of(int, timestamptz) IS 'Number of the invoice period of a calendar that a time falls into, whether it is open or not. Errors: UA404 for an unknown calendar, UA422 for an infinite time';

CREATE FUNCTION aiusage.billed_period(calendar int, at timestamptz) RETURNS int
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_billed_period';
COMMENT ON FUNCTION aiusage.billed_period(int, timestamptz) IS 'Number of the invoice period that usage of a time is billed in when it is booked now: the one the time falls into, or the next that is not closed. Errors: as period_of()';

CREATE FUNCTION aiusage.period_calendar(period int) RETURNS int
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	RETURN period OPERATOR(pg_catalog./) 100000;
COMMENT ON FUNCTION aiusage.period_calendar(int) IS 'Number of the calendar that an invoice period belongs to';

CREATE FUNCTION aiusage.period_label(period int) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_period_label';
COMMENT ON FUNCTION aiusage.period_label(int) IS 'Year and month of the first day of an invoice period, such as 2023-11. Errors: UA404 for an unknown calendar, UA422 for what is no period';

CREATE FUNCTION aiusage.period_starts_on(period int) RETURNS date
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_period_starts_on';
COMMENT ON FUNCTION aiusage.period_starts_on(int) IS 'First day of an invoice period, in the zone of its calendar. Errors: as period_label()';

CREATE FUNCTION aiusage.period_ends_on(period int) RETURNS date
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_period_ends_on';
COMMENT ON FUNCTION aiusage.period_ends_on(int) IS 'Day after the last day of an invoice period. Errors: as period_label()';

CREATE FUNCTION aiusage.period_starts_at(period int) RETURNS timestamptz
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_period_starts_at';
COMMENT ON FUNCTION aiusage.period_starts_at(int) IS 'First instant of an invoice period. Errors: as period_label()';

CREATE FUNCTION aiusage.period_ends_at(period int) RETURNS timestamptz
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_period_ends_at';
COMMENT ON FUNCTION aiusage.period_ends_at(int) IS 'First instant after an invoice period. Errors: as period_label()';

CREATE FUNCTION aiusage.period_status(period int) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_period_status';
COMMENT ON FUNCTION aiusage.period_status(int) IS 'open, closing, closed or invoiced; a period that nothing has been said about is open. Errors: as period_label()';

-- Changes are made as the owner of the books: they lock the ledger.

CREATE FUNCTION aiusage.set_billing_calendar(name text, time_zone text, start_day int DEFAULT 1, unit text DEFAULT 'month') RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.set_billing_calendar(text, text, int, text) IS 'Makes or changes a billing calendar and returns its number; the calendar named global is the one of all cost centers without one of their own. Errors: UA409 when it is in use, UA422 for an unknown zone, unit or day';

CREATE FUNCTION aiusage.owner_set_billing_calendar(name text, time_zone text, start_day int, unit text) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number int;
BEGIN
	IF owner_set_billing_calendar.name IS NULL OR owner_set_billing_calendar.time_zone IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a billing calendar needs a name and a time zone';
	END IF;
	IF owner_set_billing_calendar.start_day IS NULL OR owner_set_billing_calendar.start_day NOT BETWEEN 1 AND 31 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the day on which a billing calendar starts must be from 1 to 31',
			HINT = 'In a month that is shorter, its last day is taken.';
	END IF;
	IF owner_set_billing_calendar.unit IS DISTINCT FROM 'month' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('unit "%s" of a billing calendar is not known', owner_set_billing_calendar.unit),
			HINT = 'The unit is month.';
	END IF;

	LOCK TABLE aiusage.billing_calendar IN SHARE ROW EXCLUSIVE MODE;
	number := (SELECT c.calendar FROM aiusage.billing_calendar AS c WHERE c.name = owner_set_billing_calendar.name);
	IF number IS NULL THEN
		INSERT INTO aiusage.billing_calendar (calendar, name, time_zone, start_day, unit)
		SELECT max(c.calendar) + 1, owner_set_billing_calendar.name, owner_set_billing_calendar.time_zone,
			owner_set_billing_calendar.start_day, owner_set_billing_calendar.unit
		FROM aiusage.billing_calendar AS c
		RETURNING calendar INTO number;
	ELSIF NOT EXISTS (SELECT FROM aiusage.billing_calendar AS c
					  WHERE c.calendar = number AND lower(c.time_zone) = lower(owner_set_billing_calendar.time_zone)
						AND c.start_day = owner_set_billing_calendar.start_day AND c.unit = owner_set_billing_calendar.unit)
	THEN
		UPDATE aiusage.billing_calendar AS c
		SET time_zone = owner_set_billing_calendar.time_zone,
			start_day = owner_set_billing_calendar.start_day,
			unit = owner_set_billing_calendar.unit
		WHERE c.calendar = number;
		IF number = 1 THEN
			UPDATE aiusage.setting AS s SET value = c.time_zone
			FROM aiusage.billing_calendar AS c
			WHERE c.calendar = 1 AND s.name = 'time_zone' AND s.value IS DISTINCT FROM c.time_zone;
		END IF;
	END IF;
	RETURN number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_set_billing_calendar(text, text, int, text) IS 'Body of set_billing_calendar(), for the owner of the books only';

CREATE FUNCTION aiusage.follow_time_zone() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM aiusage.set_billing_calendar(c.name, NEW.value, c.start_day, c.unit)
	FROM aiusage.billing_calendar AS c
	WHERE c.calendar = 1 AND c.time_zone <> NEW.value;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.follow_time_zone() IS 'Trigger of aiusage.setting: time_zone is the zone of the global billing calendar (UA409 when that is in use)';

CREATE FUNCTION aiusage.ensure_period(period int) RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.ensure_period(int) IS 'Sees to it that aiusage.invoice_period has a row for the period, and returns its number. Errors: UA404 for an unknown calendar, UA422 for what is no period';

CREATE FUNCTION aiusage.owner_ensure_period(period int) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF owner_ensure_period.period IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'no invoice period was given';
	END IF;
	IF NOT EXISTS (SELECT FROM aiusage.invoice_period AS p WHERE p.period = owner_ensure_period.period) THEN
		INSERT INTO aiusage.invoice_period (period) VALUES (owner_ensure_period.period)
		ON CONFLICT DO NOTHING;
	END IF;
	RETURN owner_ensure_period.period;
END
$$;
COMMENT ON FUNCTION aiusage.owner_ensure_period(int) IS 'Body of ensure_period(), for the owner of the books only';

CREATE FUNCTION aiusage.close_period(period int, reason text DEFAULT NULL) RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.close_period(int, text) IS 'Closes an invoice period that is over, for good, and returns the period in which usage of its time is billed from now on. Waits for transactions that are writing usage. Errors: UA409 when it is not over or closed already, UA404 for an unknown calendar, UA422 for what is no period';

CREATE FUNCTION aiusage.owner_close_period(period int, reason text) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
BEGIN
	-- Whoever is stamping rows with this period finishes first; whoever comes after sees it closed.
	LOCK TABLE aiusage.usage_record IN SHARE ROW EXCLUSIVE MODE;
	PERFORM aiusage.owner_ensure_period(owner_close_period.period);
	SELECT * INTO STRICT p FROM aiusage.invoice_period AS i
	WHERE i.period = owner_close_period.period FOR UPDATE;
	IF p.status IN ('closed', 'invoiced') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('invoice period %s is closed already', p.label),
			DETAIL = format('Role %s closed it.', p.closed_by);
	END IF;
	IF p.ends_at > clock_timestamp() THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('invoice period %s is not over', p.label),
			DETAIL = format('It ends at the beginning of %s in the zone of its calendar.', p.ends_on),
			HINT = 'Close it after that.';
	END IF;
	UPDATE aiusage.invoice_period AS i
	SET status = 'closed', closed_at = clock_timestamp(), closed_by = aiusage.acting_role(),
		reason = owner_close_period.reason
	WHERE i.period = owner_close_period.period;
	RETURN aiusage.billed_period(p.calendar, p.starts_at);
END
$$;
COMMENT ON FUNCTION aiusage.owner_close_period(int, text) IS 'Body of close_period(), for the owner of the books only';
