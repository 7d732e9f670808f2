/*
 * Entities and keys: the guards of their tables, and the functions on
 * entities.  Keys and periods have pieces of their own.
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
		-- What reports call usage without one must be nobody's name.
		IF NOT label.is_other AND TG_TABLE_NAME IN ('team', 'cost_center', 'customer')
			AND label.value IN ('(unmatched)', '(none)', '(other)', '(erased)') THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('"%s" cannot be the id of a %s', label.value, replace(TG_TABLE_NAME, '_', ' ')),
				DETAIL = 'Views show usage without an owner, or without its name, under it.',
				HINT = 'Choose another id; the name may be anything.';
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
COMMENT ON FUNCTION aiusage.check_labels() IS 'Trigger: refuses empty texts, texts longer than 256 bytes and texts that look like a secret, and ids of teams, cost centers and customers that stand for none, such as (unmatched) (UA422)';

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

-- Entities ---------------------------------------------------------------

CREATE FUNCTION aiusage.calendar_number(name text) RETURNS int
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number int;
BEGIN
	IF calendar_number.name IS NULL THEN
		RETURN NULL;
	END IF;
	number := (SELECT c.calendar FROM aiusage.billing_calendar AS c WHERE c.name = calendar_number.name);
	IF number IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('billing calendar "%s" does not exist', left(calendar_number.name, 64)),
			HINT = 'aiusage.set_billing_calendar() makes one.';
	END IF;
	RETURN number;
END
$$;
COMMENT ON FUNCTION aiusage.calendar_number(text) IS 'Number of the billing calendar of that name; NULL for NULL. Errors: UA404 for an unknown one';

CREATE FUNCTION aiusage.put_team(team text, name text DEFAULT NULL, calendar text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number int;
	changed bigint;
BEGIN
	PERFORM aiusage.require_books();
	number := aiusage.calendar_number(put_team.calendar);
	IF put_team.team IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a team needs an id',
			HINT = 'The id stays as it is, the name may change: aiusage.put_team(''payments'', ''Payments & Fraud'').';
	END IF;
	INSERT INTO aiusage.team AS t (team, name, calendar)
	VALUES (put_team.team, coalesce(put_team.name, put_team.team), number)
	ON CONFLICT ON CONSTRAINT team_pkey DO UPDATE
		SET name = coalesce(put_team.name, t.name), calendar = coalesce(number, t.calendar)
		WHERE t.name <> put_team.name OR (number IS NOT NULL AND t.calendar IS DISTINCT FROM number);
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed > 0;
END
$$;
COMMENT ON FUNCTION aiusage.put_team(text, text, text) IS 'Enters a team, or changes its name or the billing calendar (by name) that its statements follow from now on; what is NULL stays, a new team without a name is called by its id. True when something changed. Errors: UA404 for an unknown calendar, UA422 for no id, or an over-long or secret-like text';

CREATE FUNCTION aiusage.put_cost_center(cost_center text, name text DEFAULT NULL, calendar text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number int;
	changed bigint;
BEGIN
	PERFORM aiusage.require_books();
	number := aiusage.calendar_number(put_cost_center.calendar);
	IF put_cost_center.cost_center IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a cost center needs an id',
			HINT = 'The id stays as it is, the name may change: aiusage.put_cost_center(''cc-100'', ''Cost center 100'').';
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

CREATE FUNCTION aiusage.put_customer(customer text, name text DEFAULT NULL, plan_tier text DEFAULT NULL, calendar text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number int;
	changed bigint;
BEGIN
	PERFORM aiusage.require_books();
	number := aiusage.calendar_number(put_customer.calendar);
	IF put_customer.customer IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a customer needs an id',
			HINT = 'The id stays as it is, the name may change: aiusage.put_customer(''acme'', ''ACME Corporation'').';
	END IF;
	INSERT INTO aiusage.customer AS c (customer, name, plan_tier, calendar)
	VALUES (put_customer.customer, coalesce(put_customer.name, put_customer.customer), put_customer.plan_tier, number)
	ON CONFLICT ON CONSTRAINT customer_pkey DO UPDATE
		SET name = coalesce(put_customer.name, c.name),
			plan_tier = coalesce(put_customer.plan_tier, c.plan_tier),
			calendar = coalesce(number, c.calendar)
		WHERE c.name <> put_customer.name OR
			(put_customer.plan_tier IS NOT NULL AND c.plan_tier IS DISTINCT FROM put_customer.plan_tier) OR
			(number IS NOT NULL AND c.calendar IS DISTINCT FROM number);
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed > 0;
END
$$;
COMMENT ON FUNCTION aiusage.put_customer(text, text, text, text) IS 'Enters a customer, or changes its name, plan tier or the billing calendar (by name) that its statements follow from now on; what is NULL stays. True when something changed. Errors: UA404 for an unknown calendar, UA422 for no id, or an over-long or secret-like text';
