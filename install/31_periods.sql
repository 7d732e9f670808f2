/* Billing calendars and invoice periods. */

CREATE FUNCTION aiusage.period_of(calendar int, at timestamptz) RETURNS int
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_period_of';
COMMENT ON FUNCTION aiusage.period_of(int, timestamptz) IS 'Number of the invoice period of a calendar that a time falls into, whether it is open or not. Errors: UA404 for an unknown calendar, UA422 for an infinite time';

CREATE FUNCTION aiusage.billed_period(calendar int, at timestamptz) RETURNS int
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_billed_period';
COMMENT ON FUNCTION aiusage.billed_period(int, timestamptz) IS 'Number of the invoice period that usage of a time is billed in when it is booked now: the one the time falls into, or the next that is neither closed nor closing with its grace over. Errors: as period_of()';

CREATE FUNCTION aiusage.correction_period(calendar int, at timestamptz) RETURNS int
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_correction_period';
COMMENT ON FUNCTION aiusage.correction_period(int, timestamptz) IS 'Number of the invoice period that a correction of a time is billed in when it is booked now: the one the time falls into, or the next that is not closed; the grace of a closing period does not bind corrections. Errors: as period_of()';

CREATE FUNCTION aiusage.period_exists(period int) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_period_exists';
COMMENT ON FUNCTION aiusage.period_exists(int) IS 'Whether a number is that of an invoice period of some calendar. No errors';

CREATE FUNCTION aiusage.period_calendar(period int) RETURNS int
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	RETURN period OPERATOR(pg_catalog./) 100000;
COMMENT ON FUNCTION aiusage.period_calendar(int) IS 'Number of the calendar that an invoice period belongs to';

CREATE FUNCTION aiusage.period_label(period int) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_period_label';
COMMENT ON FUNCTION aiusage.period_label(int) IS 'Name of an invoice period, unique in its calendar: month 2023-11, quarter 2023-Q4 of the year that begins in 2023, week 2023-W47 (ISO; a week that does not begin on Monday by its first day), custom as it was labelled or by its first day. Errors: UA404 for an unknown calendar, UA422 for what is no period';

CREATE FUNCTION aiusage.period_starts_on(period int) RETURNS date
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_period_starts_on';
COMMENT ON FUNCTION aiusage.period_starts_on(int) IS 'First day of an invoice period, in the zone of its calendar; -infinity before a custom calendar''s first. Errors: as period_label()';

CREATE FUNCTION aiusage.period_ends_on(period int) RETURNS date
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sql_period_ends_on';
COMMENT ON FUNCTION aiusage.period_ends_on(int) IS 'Day after the last day of an invoice period; infinity of a custom calendar''s latest. Errors: as period_label()';

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

CREATE FUNCTION aiusage.set_billing_calendar(name text, time_zone text, start_day int DEFAULT 1, unit text DEFAULT 'month',
		start_month int DEFAULT 1, starts date[] DEFAULT NULL) RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.set_billing_calendar(text, text, int, text, int, date[]) IS 'Makes or changes a billing calendar and returns its number; the calendar named global is the one of all cost centers without one of their own. unit is month or quarter (from start_day; the year of quarters begins in start_month), week (from weekday start_day, 1 is Monday) or custom (periods that begin on the days in starts, ascending). Errors: UA409 when it is in use, UA422 for an unknown zone, unit, day or list';

CREATE FUNCTION aiusage.owner_set_billing_calendar(name text, time_zone text, start_day int, unit text, start_month int, starts date[]) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number int;
	listed date[];
BEGIN
	IF owner_set_billing_calendar.name IS NULL OR owner_set_billing_calendar.time_zone IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a billing calendar needs a name and a time zone',
			HINT = 'For example aiusage.set_billing_calendar(''global'', ''Europe/Berlin'').';
	END IF;
	IF owner_set_billing_calendar.unit IS NULL OR owner_set_billing_calendar.unit NOT IN ('month', 'quarter', 'week', 'custom') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('unit "%s" of a billing calendar is not known', left(owner_set_billing_calendar.unit, 64)),
			HINT = 'Units are month, quarter, week and custom.';
	END IF;
	IF unit = 'week' AND (start_day IS NULL OR start_day NOT BETWEEN 1 AND 7) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the weekday on which a billing calendar starts must be from 1 to 7',
			HINT = '1 is Monday, 7 is Sunday.';
	END IF;
	IF start_day IS NULL OR start_day NOT BETWEEN 1 AND 31 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the day on which a billing calendar starts must be from 1 to 31',
			HINT = 'In a month that is shorter, its last day is taken.';
	END IF;
	IF start_month IS NULL OR start_month NOT BETWEEN 1 AND 12 OR (start_month <> 1 AND unit <> 'quarter') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the month in which a billing calendar starts must be from 1 to 12, and other than 1 for quarters only',
			HINT = 'It is the month in which the year of the quarters begins.';
	END IF;
	IF (unit = 'custom') <> (starts IS NOT NULL AND cardinality(starts) > 0) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a billing calendar has a list of first days when its unit is custom, and only then',
			HINT = 'For example unit => ''custom'', starts => ARRAY[date ''2026-01-26'', ''2026-02-23'', ''2026-03-30''].';
	END IF;
	IF starts IS DISTINCT FROM ARRAY(SELECT DISTINCT d FROM unnest(starts) AS d WHERE d IS NOT NULL ORDER BY d) AND starts IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the first days of billing periods must be in order, each once',
			HINT = 'Sort them, and leave out what stands there twice.';
	END IF;

	LOCK TABLE aiusage.billing_calendar IN SHARE ROW EXCLUSIVE MODE;
	number := (SELECT c.calendar FROM aiusage.billing_calendar AS c WHERE c.name = owner_set_billing_calendar.name);
	IF number IS NULL THEN
		INSERT INTO aiusage.billing_calendar (calendar, name, time_zone, unit, start_day, start_month)
		SELECT max(c.calendar) + 1, owner_set_billing_calendar.name, owner_set_billing_calendar.time_zone,
			owner_set_billing_calendar.unit, owner_set_billing_calendar.start_day, owner_set_billing_calendar.start_month
		FROM aiusage.billing_calendar AS c
		RETURNING calendar INTO number;
	ELSIF NOT EXISTS (SELECT FROM aiusage.billing_calendar AS c
					  WHERE c.calendar = number AND lower(c.time_zone) = lower(owner_set_billing_calendar.time_zone)
						AND c.unit = owner_set_billing_calendar.unit AND c.start_day = owner_set_billing_calendar.start_day
						AND c.start_month = owner_set_billing_calendar.start_month)
	THEN
		UPDATE aiusage.billing_calendar AS c
		SET time_zone = owner_set_billing_calendar.time_zone,
			unit = owner_set_billing_calendar.unit,
			start_day = owner_set_billing_calendar.start_day,
			start_month = owner_set_billing_calendar.start_month
		WHERE c.calendar = number;
		IF number = 1 THEN
			UPDATE aiusage.setting AS s SET value = c.time_zone
			FROM aiusage.billing_calendar AS c
			WHERE c.calendar = 1 AND s.name = 'time_zone' AND s.value IS DISTINCT FROM c.time_zone;
		END IF;
	END IF;

	-- What the list has beyond what is there is added; what it lacks goes, while the calendar is not in use.
	listed := ARRAY(SELECT b.starts_on FROM aiusage.billing_boundary AS b WHERE b.calendar = number ORDER BY b.starts_on);
	IF listed IS DISTINCT FROM coalesce(starts, '{}') THEN
		IF listed IS DISTINCT FROM coalesce(starts[:cardinality(listed)], '{}') THEN
			DELETE FROM aiusage.billing_boundary AS b WHERE b.calendar = number;
			listed := '{}';
		END IF;
		INSERT INTO aiusage.billing_boundary (calendar, starts_on)
		SELECT number, d FROM unnest(starts[cardinality(listed) + 1:]) WITH ORDINALITY AS u (d, n) ORDER BY u.n;
	END IF;
	RETURN number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_set_billing_calendar(text, text, int, text, int, date[]) IS 'Body of set_billing_calendar(), for the owner of the books only';

CREATE FUNCTION aiusage.add_billing_period(calendar text, starts_on date, label text DEFAULT NULL) RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.add_billing_period(text, date, text) IS 'Adds a period at the end of a custom billing calendar (by name), which ends the period before it, and returns its number; without a label it is called by its first day. Errors: UA404 for an unknown calendar; UA409 when it is not custom, has a later period or usage of those days; UA422 for a bad day or label';

CREATE FUNCTION aiusage.owner_add_billing_period(calendar text, starts_on date, label text) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number int;
BEGIN
	IF owner_add_billing_period.calendar IS NULL OR owner_add_billing_period.starts_on IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a billing period needs a calendar and a first day',
			HINT = 'For example aiusage.add_billing_period(''retail'', ''2027-01-03'').';
	END IF;
	-- One at a time: the number of a period is its place in the list.
	LOCK TABLE aiusage.billing_calendar IN SHARE ROW EXCLUSIVE MODE;
	number := aiusage.calendar_number(owner_add_billing_period.calendar);
	INSERT INTO aiusage.billing_boundary (calendar, starts_on, label)
	VALUES (number, owner_add_billing_period.starts_on, owner_add_billing_period.label);
	RETURN number * 100000 + (SELECT count(*) FROM aiusage.billing_boundary AS b WHERE b.calendar = number);
END
$$;
COMMENT ON FUNCTION aiusage.owner_add_billing_period(text, date, text) IS 'Body of add_billing_period(), for the owner of the books only';

CREATE FUNCTION aiusage.follow_time_zone() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM aiusage.set_billing_calendar(c.name, NEW.value, c.start_day, c.unit, c.start_month,
		nullif(ARRAY(SELECT b.starts_on FROM aiusage.billing_boundary AS b WHERE b.calendar = 1 ORDER BY b.starts_on), '{}'))
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
			MESSAGE = 'no invoice period was given',
			HINT = 'aiusage.period_of(1, now()) is the one of today in the global calendar.';
	END IF;
	IF NOT EXISTS (SELECT FROM aiusage.invoice_period AS p WHERE p.period = owner_ensure_period.period) THEN
		INSERT INTO aiusage.invoice_period (period) VALUES (owner_ensure_period.period)
		ON CONFLICT DO NOTHING;
	END IF;
	RETURN owner_ensure_period.period;
END
$$;
COMMENT ON FUNCTION aiusage.owner_ensure_period(int) IS 'Body of ensure_period(), for the owner of the books only';

CREATE FUNCTION aiusage.start_closing(period int, grace_until timestamptz DEFAULT NULL) RETURNS timestamptz
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.start_closing(int, timestamptz) IS 'Begins to close an invoice period: late usage still goes in until grace_until (NULL: now), what comes after that goes to the next period; corrections go in until it is closed. Called again while closing it moves the end of the grace. Returns that end. Errors: UA409 when the period is closed or the grace ends before it; UA404 for an unknown calendar, UA422 for what is no period';

CREATE FUNCTION aiusage.owner_start_closing(period int, grace_until timestamptz) RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	grace timestamptz := coalesce(owner_start_closing.grace_until, clock_timestamp());
BEGIN
	PERFORM aiusage.owner_ensure_period(owner_start_closing.period);
	SELECT * INTO STRICT p FROM aiusage.invoice_period AS i
	WHERE i.period = owner_start_closing.period FOR UPDATE;
	IF p.status IN ('closed', 'invoiced') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('invoice period %s is closed already', p.label),
			DETAIL = format('Role %s closed it.', p.closed_by),
			HINT = 'A closed period stays closed: what comes late, and every correction, is billed in the open one.';
	END IF;
	IF grace < p.ends_at OR p.ends_at = 'infinity' OR grace = 'infinity' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = CASE WHEN p.ends_at = 'infinity' THEN format('invoice period %s has no end yet', p.label)
				WHEN grace = 'infinity' THEN 'the grace of an invoice period must end'
				ELSE format('the grace of invoice period %s cannot end before the period', p.label) END,
			DETAIL = CASE WHEN p.ends_at = 'infinity' THEN 'The latest period of a custom calendar lasts until another is added.'
				ELSE format('It ends at the beginning of %s in the zone of its calendar.', p.ends_on) END,
			HINT = CASE WHEN p.ends_at = 'infinity' THEN 'aiusage.add_billing_period() says when the next one begins.'
				ELSE 'Give a time after that; without one, the grace is over at once.' END;
	END IF;
	UPDATE aiusage.invoice_period AS i
	SET status = 'closing', closing_at = clock_timestamp(), closing_by = aiusage.acting_role(), grace_until = grace
	WHERE i.period = owner_start_closing.period;
	RETURN grace;
END
$$;
COMMENT ON FUNCTION aiusage.owner_start_closing(int, timestamptz) IS 'Body of start_closing(), for the owner of the books only';
