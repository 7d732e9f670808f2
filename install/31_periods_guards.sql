/*
 * Guards of billing calendars and invoice periods: what is in use stays as it
 * is, and what is closed stays closed.
 */

CREATE FUNCTION aiusage.owner_calendar_in_use(calendar int) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM aiusage.usage_record)
		OR EXISTS (SELECT FROM aiusage.invoice_period AS p WHERE p.calendar = owner_calendar_in_use.calendar AND p.status <> 'open')
$$;
COMMENT ON FUNCTION aiusage.owner_calendar_in_use(int) IS 'Whether a billing calendar must stay as it is: usage is booked, or a period of it is being closed; for the owner of the books only';

CREATE FUNCTION aiusage.guard_calendar() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	zone text;
BEGIN
	IF TG_OP NOT IN ('INSERT', 'UPDATE') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = 'billing calendars cannot be deleted',
			DETAIL = 'Their numbers are part of the invoice periods that ledger rows carry.',
			HINT = 'Let those who follow it follow another one: put_cost_center(), put_team() and put_customer() take a calendar.';
	END IF;
	zone := (SELECT z.name FROM pg_timezone_names AS z WHERE lower(z.name) = lower(NEW.time_zone) LIMIT 1);
	IF zone IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('time zone "%s" is not known', NEW.time_zone),
			HINT = 'Use a name from pg_timezone_names, such as Europe/Berlin.';
	END IF;
	NEW.time_zone := zone;
	IF TG_OP = 'INSERT' THEN
		RETURN NEW;
	END IF;
	IF NEW.calendar <> OLD.calendar THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = 'the number of a billing calendar cannot be changed',
			HINT = 'Its name may change; people see no number.';
	END IF;
	IF (NEW.time_zone, NEW.unit, NEW.start_day, NEW.start_month) IS DISTINCT FROM (OLD.time_zone, OLD.unit, OLD.start_day, OLD.start_month) THEN
		-- No row may be stamped by the old calendar once we have looked.
		PERFORM aiusage.owner_lock_ledger(format('change billing calendar "%s"', OLD.name));
		IF aiusage.owner_calendar_in_use(OLD.calendar) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('billing calendar "%s" is in use and cannot be changed', OLD.name),
				DETAIL = 'The days and periods of what is booked already would no longer be true.',
				HINT = 'Make another calendar, and let cost centers, teams or customers follow it from now on with aiusage.put_cost_center(), put_team() or put_customer().';
		END IF;
		-- Open periods say nothing but their bounds, which are not true any more.
		DELETE FROM aiusage.invoice_period AS p WHERE p.calendar = OLD.calendar;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_calendar() IS 'Trigger: time zones have to be known (UA422); a calendar does not change once usage is booked or a period of it closed (UA409)';

CREATE FUNCTION aiusage.guard_boundary() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	c record;
	latest date;
	open_ended int;
	begins timestamptz;
BEGIN
	IF TG_OP = 'DELETE' THEN
		PERFORM aiusage.owner_lock_ledger('change the periods of a billing calendar');
		IF NOT aiusage.owner_calendar_in_use(OLD.calendar) THEN
			DELETE FROM aiusage.invoice_period AS p WHERE p.calendar = OLD.calendar;
			RETURN OLD;
		END IF;
	END IF;
	IF TG_OP <> 'INSERT' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = 'the periods of a billing calendar cannot be taken back',
			DETAIL = 'The periods of what is booked already would no longer be true.',
			HINT = 'Periods are only ever added at the end, with aiusage.add_billing_period().';
	END IF;

	SELECT b.* INTO c FROM aiusage.billing_calendar AS b WHERE b.calendar = NEW.calendar;
	IF c.unit IS DISTINCT FROM 'custom' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('the periods of billing calendar "%s" are not listed', c.name),
			DETAIL = format('Its unit is %s: they follow from the calendar.', c.unit),
			HINT = 'Only calendars of unit custom take a list: aiusage.set_billing_calendar(..., unit => ''custom'', starts => ...).';
	END IF;
	IF NEW.starts_on NOT BETWEEN '0001-01-01' AND '8332-12-31' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the first day of a billing period is outside the years of billing calendars',
			DETAIL = 'Invoice periods exist for the years 1 to 8332.',
			HINT = 'Look at the year.';
	END IF;
	SELECT max(b.starts_on), count(*) INTO latest, open_ended FROM aiusage.billing_boundary AS b WHERE b.calendar = NEW.calendar;
	IF NEW.starts_on <= latest THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('a period of billing calendar "%s" begins on or after %s already', c.name, NEW.starts_on),
			DETAIL = format('Its latest one begins on %s.', latest),
			HINT = 'Periods are only ever added at the end.';
	END IF;
	IF NEW.label ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' OR NEW.label LIKE 'before %' OR NEW.label = 'undivided' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('"%s" cannot be the label of a billing period', NEW.label),
			DETAIL = 'Periods without a label are called like that.',
			HINT = 'Leave the label out, or choose a name that is no day.';
	END IF;

	-- What is booked from the new day on is in the period before it, and would no longer be.
	begins := NEW.starts_on::timestamp AT TIME ZONE c.time_zone - interval '1 hour';
	open_ended := NEW.calendar * 100000 + open_ended;
	IF begins < clock_timestamp() + interval '4 hours' THEN		-- no row is that far ahead
		PERFORM aiusage.owner_lock_ledger('add a billing period');
		IF EXISTS (SELECT FROM aiusage.usage_record AS u WHERE u.invoice_period = open_ended AND u.occurred_at >= begins) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('usage of %s or later is booked in the period before it', NEW.starts_on),
				HINT = 'Let the new period begin on a later day, best one that lies ahead.';
		END IF;
	END IF;
	-- It says where it ends, which is not true any more.
	DELETE FROM aiusage.invoice_period AS p WHERE p.period = open_ended;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_boundary() IS 'Trigger: periods of a custom billing calendar are only added, at the end, and not where usage is booked (UA403, UA409, UA422)';

CREATE FUNCTION aiusage.guard_period() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	stages text[] := ARRAY['open', 'closing', 'closed', 'invoiced'];
	of_closing text[] := ARRAY['status', 'closing_at', 'closing_by', 'grace_until', 'closed_at', 'closed_by', 'reason', 'forced', 'findings',
		'boundary', 'running'];
	of_invoicing text[] := ARRAY['status', 'invoiced_at', 'invoiced_by', 'invoice_number'];
BEGIN
	IF TG_OP = 'INSERT' THEN
		NEW.calendar := NEW.period / 100000;
		NEW.label := aiusage.period_label(NEW.period);
		NEW.starts_on := aiusage.period_starts_on(NEW.period);
		NEW.ends_on := aiusage.period_ends_on(NEW.period);
		NEW.starts_at := aiusage.period_starts_at(NEW.period);
		NEW.ends_at := aiusage.period_ends_at(NEW.period);
		RETURN NEW;
	ELSIF TG_OP = 'UPDATE' THEN
		IF to_jsonb(NEW) - of_closing - of_invoicing IS DISTINCT FROM to_jsonb(OLD) - of_closing - of_invoicing THEN
			RAISE EXCEPTION USING ERRCODE = 'UA403',
				MESSAGE = format('the bounds of invoice period %s cannot be changed', OLD.label),
				DETAIL = 'They follow from its calendar.',
				HINT = 'Let those concerned follow another calendar from the next period on.';
		END IF;
		IF array_position(stages, NEW.status) < array_position(stages, OLD.status) OR
			(OLD.closed_at IS NOT NULL AND to_jsonb(NEW) - of_invoicing IS DISTINCT FROM to_jsonb(OLD) - of_invoicing) OR
			(OLD.invoiced_at IS NOT NULL AND to_jsonb(NEW) IS DISTINCT FROM to_jsonb(OLD))
		THEN
			RAISE EXCEPTION USING ERRCODE = 'UA403',
				MESSAGE = format('invoice period %s is %s and cannot be opened again', OLD.label, OLD.status),
				HINT = 'Corrections are new rows, billed in the next open period.';
		END IF;
		IF NEW.status = 'invoiced' AND OLD.status NOT IN ('closed', 'invoiced') THEN
			RAISE EXCEPTION USING ERRCODE = 'UA403',
				MESSAGE = format('invoice period %s is not closed', OLD.label),
				HINT = 'Close it with aiusage.close_period() first.';
		END IF;
		RETURN NEW;
	ELSIF TG_OP = 'DELETE' THEN
		IF OLD.status = 'open' THEN
			RETURN OLD;
		END IF;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'UA403',
		MESSAGE = 'invoice periods that are closed cannot be deleted',
		HINT = 'Corrections are new rows, billed in the next open period.';
END
$$;
COMMENT ON FUNCTION aiusage.guard_period() IS 'Trigger: an invoice period has the bounds of its calendar, its status only moves forward, and what was said when it was closed stays (UA403)';

CREATE FUNCTION aiusage.guard_own_calendar() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id text := to_jsonb(OLD) ->> TG_TABLE_NAME;
BEGIN
	IF NEW.calendar IS NULL AND OLD.calendar IS NOT NULL AND EXISTS (SELECT FROM aiusage.invoice_statement AS s
		WHERE s.entity_kind = TG_TABLE_NAME AND s.entity = id AND s.by_days)
	THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('%s "%s" has statements by a calendar of its own and cannot do without one', TG_TABLE_NAME, id),
			DETAIL = 'Usage that is on them would be on others again.',
			HINT = 'Let it follow another calendar, which may be global.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_own_calendar() IS 'Trigger: a team or customer that has statements by days keeps a billing calendar of its own, this or another (UA409)';
