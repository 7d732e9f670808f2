/*
 * Entities, keys and calendars: the guards of their tables, and the functions
 * on entities.  Keys and periods have pieces of their own.
 */

-- Guards -----------------------------------------------------------------

CREATE FUNCTION aiusage.check_labels() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	label record;
	kind text;
BEGIN
	FOR label IN
		SELECT c.key AS field, c.value #>> '{}' AS value, c.key <> TG_TABLE_NAME AS is_other
		FROM jsonb_each(to_jsonb(NEW)) AS c
		WHERE jsonb_typeof(c.value) = 'string'
		UNION ALL
		SELECT c.key, e.value, true
		FROM jsonb_each(to_jsonb(NEW)) AS c, jsonb_array_elements_text(c.value) AS e
		WHERE jsonb_typeof(c.value) = 'array'
		ORDER BY 3, 1		-- the id first, which a name may repeat
	LOOP
		IF label.value = '' THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('"%s" of aiusage.%s must not be empty', label.field, TG_TABLE_NAME),
				HINT = 'Leave it out, or say null, when there is nothing to say.';
		END IF;
		IF octet_length(label.value) > 256 THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('"%s" of aiusage.%s is too long', label.field, TG_TABLE_NAME),
				DETAIL = format('It has %s bytes; a label has at most 256.', octet_length(label.value)),
				HINT = 'Use a short label, and keep descriptions elsewhere.';
		END IF;
		kind := aiusage.looks_like_secret(label.value);
		IF kind IS NOT NULL THEN
			-- The value itself must not reach the log.
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('"%s" of aiusage.%s looks like a secret', label.field, TG_TABLE_NAME),
				DETAIL = format('It looks like: %s.', kind),
				HINT = CASE label.field
					WHEN 'api_key' THEN 'The key must be a non-secret label, such as the name of the workload that uses it.'
					WHEN 'credential_label' THEN 'Name the credential by a non-secret label, such as the day it was made.'
					ELSE 'No secret may be stored here: use a label.' END;
		END IF;
	END LOOP;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.check_labels() IS 'Trigger: refuses empty texts, texts longer than 256 bytes and texts that look like a secret (UA422)';

CREATE FUNCTION aiusage.guard_assignment() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP <> 'UPDATE' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = 'key assignments cannot be deleted',
			DETAIL = 'Ledger rows refer to them.',
			HINT = 'aiusage.put_key() changes the owner from a time on; aiusage.cancel_move() takes back a change that lies ahead.';
	END IF;
	IF to_jsonb(NEW) - 'valid_to' IS DISTINCT FROM to_jsonb(OLD) - 'valid_to' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = format('an assignment of key "%s" cannot be changed', OLD.api_key),
			DETAIL = 'Ledger rows refer to it; only its end may be set.',
			HINT = 'aiusage.put_key() changes the owner from a time on.';
	END IF;
	IF OLD.valid_to <= now() AND (NEW.valid_to IS NULL OR NEW.valid_to > OLD.valid_to) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = format('an assignment of key "%s" that has ended cannot be prolonged', OLD.api_key),
			DETAIL = format('It ended at %s.', OLD.valid_to),
			HINT = 'aiusage.put_key() makes a new one.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_assignment() IS 'Trigger: of a key assignment only the end may change, and not once it lies in the past, but to an earlier time (UA403)';

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
			DETAIL = 'Their numbers are part of the invoice periods that ledger rows carry.';
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
			MESSAGE = 'the number of a billing calendar cannot be changed';
	END IF;
	IF (NEW.time_zone, NEW.unit, NEW.start_day) IS DISTINCT FROM (OLD.time_zone, OLD.unit, OLD.start_day) THEN
		-- No row may be stamped by the old calendar once we have looked.
		LOCK TABLE aiusage.usage_record IN SHARE ROW EXCLUSIVE MODE;
		IF EXISTS (SELECT FROM aiusage.usage_record) OR
			EXISTS (SELECT FROM aiusage.invoice_period AS p WHERE p.calendar = OLD.calendar AND p.status <> 'open')
		THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('billing calendar "%s" is in use and cannot be changed', OLD.name),
				DETAIL = 'The days and periods of what is booked already would no longer be true.',
				HINT = 'Make another calendar, and let cost centers follow it from now on with aiusage.put_cost_center().';
		END IF;
		-- Open periods say nothing but their bounds, which are not true any more.
		DELETE FROM aiusage.invoice_period AS p WHERE p.calendar = OLD.calendar;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_calendar() IS 'Trigger: time zones have to be known (UA422); a calendar does not change once usage is booked or a period of it closed (UA409)';

CREATE FUNCTION aiusage.guard_period() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	stages text[] := ARRAY['open', 'closing', 'closed', 'invoiced'];
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
		IF (NEW.period, NEW.calendar, NEW.label, NEW.starts_on, NEW.ends_on, NEW.starts_at, NEW.ends_at)
			IS DISTINCT FROM
			(OLD.period, OLD.calendar, OLD.label, OLD.starts_on, OLD.ends_on, OLD.starts_at, OLD.ends_at)
		THEN
			RAISE EXCEPTION USING ERRCODE = 'UA403',
				MESSAGE = format('the bounds of invoice period %s cannot be changed', OLD.label),
				DETAIL = 'They follow from its calendar.';
		END IF;
		IF array_position(stages, NEW.status) < array_position(stages, OLD.status) OR
			(OLD.closed_at IS NOT NULL AND (NEW.closed_at, NEW.closed_by) IS DISTINCT FROM (OLD.closed_at, OLD.closed_by))
		THEN
			RAISE EXCEPTION USING ERRCODE = 'UA403',
				MESSAGE = format('invoice period %s is %s and cannot be opened again', OLD.label, OLD.status),
				HINT = 'Corrections are new rows, billed in the next open period.';
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
COMMENT ON FUNCTION aiusage.guard_period() IS 'Trigger: an invoice period has the bounds of its calendar, and its status only moves forward (UA403)';

-- Entities ---------------------------------------------------------------

CREATE FUNCTION aiusage.put_team(team text, name text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	changed bigint;
BEGIN
	IF put_team.team IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a team needs an id';
	END IF;
	INSERT INTO aiusage.team AS t (team, name)
	VALUES (put_team.team, coalesce(put_team.name, put_team.team))
	ON CONFLICT ON CONSTRAINT team_pkey DO UPDATE SET name = put_team.name
		WHERE t.name <> put_team.name;
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed > 0;
END
$$;
COMMENT ON FUNCTION aiusage.put_team(text, text) IS 'Enters a team, or gives it another name; without a name a new team is called by its id and a known one keeps its name. True when something changed. Errors: UA422 for no id, or an over-long or secret-like text';

CREATE FUNCTION aiusage.put_cost_center(cost_center text, name text DEFAULT NULL, calendar text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number int;
	changed bigint;
BEGIN
	IF put_cost_center.cost_center IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a cost center needs an id';
	END IF;
	IF put_cost_center.calendar IS NOT NULL THEN
		number := (SELECT c.calendar FROM aiusage.billing_calendar AS c WHERE c.name = put_cost_center.calendar);
		IF number IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'UA404',
				MESSAGE = format('billing calendar "%s" does not exist', put_cost_center.calendar),
				HINT = 'aiusage.set_billing_calendar() makes one.';
		END IF;
	END IF;
	INSERT INTO aiusage.cost_center AS c (cost_center, name, calendar)
	VALUES (put_cost_center.cost_center, coalesce(put_cost_center.name, put_cost_center.cost_center), nullif(number, 1))
	ON CONFLICT ON CONSTRAINT cost_center_pkey DO UPDATE
		SET name = coalesce(put_cost_center.name, c.name),
			calendar = CASE WHEN number IS NULL THEN c.calendar ELSE nullif(number, 1) END
		WHERE c.name <> put_cost_center.name OR coalesce(c.calendar, 1) <> number;
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed > 0;
END
$$;
COMMENT ON FUNCTION aiusage.put_cost_center(text, text, text) IS 'Enters a cost center, or changes its name or the billing calendar (by name) that its usage follows from now on; what is NULL stays. True when something changed. Errors: UA404 for an unknown calendar, UA422 for no id, or an over-long or secret-like text';

CREATE FUNCTION aiusage.put_customer(customer text, name text DEFAULT NULL, plan_tier text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	changed bigint;
BEGIN
	IF put_customer.customer IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a customer needs an id';
	END IF;
	INSERT INTO aiusage.customer AS c (customer, name, plan_tier)
	VALUES (put_customer.customer, coalesce(put_customer.name, put_customer.customer), put_customer.plan_tier)
	ON CONFLICT ON CONSTRAINT customer_pkey DO UPDATE
		SET name = coalesce(put_customer.name, c.name),
			plan_tier = coalesce(put_customer.plan_tier, c.plan_tier)
		WHERE c.name <> put_customer.name OR
			(put_customer.plan_tier IS NOT NULL AND c.plan_tier IS DISTINCT FROM put_customer.plan_tier);
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed > 0;
END
$$;
COMMENT ON FUNCTION aiusage.put_customer(text, text, text) IS 'Enters a customer, or changes its name or plan tier; what is NULL stays. True when something changed. Errors: UA422 for no id, or an over-long or secret-like text';
