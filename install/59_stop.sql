/*
 * The emergency switch: whom usage is refused from now on, whatever the limits.
 * Keys have theirs in aiusage.disable_key().
 */

CREATE FUNCTION aiusage.stop_team(team text, reason text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was timestamptz;
BEGIN
	IF coalesce(btrim(stop_team.reason), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'stopping a team needs a reason',
			HINT = 'Say why in words: whoever is refused asks.';
	END IF;
	SELECT t.stopped_at INTO was FROM aiusage.team AS t WHERE t.team = stop_team.team FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('team "%s" does not exist', left(coalesce(stop_team.team, 'null'), 64));
	END IF;
	IF was IS NOT NULL THEN
		RETURN false;
	END IF;
	UPDATE aiusage.team AS t SET stopped_at = clock_timestamp(), stop_reason = stop_team.reason WHERE t.team = stop_team.team;
	RETURN true;
END
$$;
COMMENT ON FUNCTION aiusage.stop_team(text, text) IS 'Emergency switch: from the commit on, the next row of the team that is not spent yet is refused in every session, also within a transaction (UA403). False when it was stopped already. Errors: UA404 for an unknown team, UA422 for no reason';

CREATE FUNCTION aiusage.start_team(team text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was timestamptz;
BEGIN
	SELECT t.stopped_at INTO was FROM aiusage.team AS t WHERE t.team = start_team.team FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('team "%s" does not exist', left(coalesce(start_team.team, 'null'), 64));
	END IF;
	IF was IS NULL THEN
		RETURN false;
	END IF;
	UPDATE aiusage.team AS t SET stopped_at = NULL, stop_reason = NULL WHERE t.team = start_team.team;
	RETURN true;
END
$$;
COMMENT ON FUNCTION aiusage.start_team(text) IS 'Lets usage of a team go on that was stopped. False when it was not. Errors: UA404 for an unknown team';

CREATE FUNCTION aiusage.stop_cost_center(cost_center text, reason text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was timestamptz;
BEGIN
	IF coalesce(btrim(stop_cost_center.reason), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'stopping a cost center needs a reason',
			HINT = 'Say why in words: whoever is refused asks.';
	END IF;
	SELECT t.stopped_at INTO was FROM aiusage.cost_center AS t WHERE t.cost_center = stop_cost_center.cost_center FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('cost center "%s" does not exist', left(coalesce(stop_cost_center.cost_center, 'null'), 64));
	END IF;
	IF was IS NOT NULL THEN
		RETURN false;
	END IF;
	UPDATE aiusage.cost_center AS t SET stopped_at = clock_timestamp(), stop_reason = stop_cost_center.reason WHERE t.cost_center = stop_cost_center.cost_center;
	RETURN true;
END
$$;
COMMENT ON FUNCTION aiusage.stop_cost_center(text, text) IS 'Emergency switch: from the commit on, the next row of the cost center that is not spent yet is refused in every session, also within a transaction (UA403). False when it was stopped already. Errors: UA404 for an unknown cost center, UA422 for no reason';

CREATE FUNCTION aiusage.start_cost_center(cost_center text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was timestamptz;
BEGIN
	SELECT t.stopped_at INTO was FROM aiusage.cost_center AS t WHERE t.cost_center = start_cost_center.cost_center FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('cost center "%s" does not exist', left(coalesce(start_cost_center.cost_center, 'null'), 64));
	END IF;
	IF was IS NULL THEN
		RETURN false;
	END IF;
	UPDATE aiusage.cost_center AS t SET stopped_at = NULL, stop_reason = NULL WHERE t.cost_center = start_cost_center.cost_center;
	RETURN true;
END
$$;
COMMENT ON FUNCTION aiusage.start_cost_center(text) IS 'Lets usage of a cost center go on that was stopped. False when it was not. Errors: UA404 for an unknown cost center';

CREATE FUNCTION aiusage.stop_customer(customer text, reason text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was timestamptz;
BEGIN
	IF coalesce(btrim(stop_customer.reason), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'stopping a customer needs a reason',
			HINT = 'Say why in words: whoever is refused asks.';
	END IF;
	SELECT t.stopped_at INTO was FROM aiusage.customer AS t WHERE t.customer = stop_customer.customer FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('customer "%s" does not exist', left(coalesce(stop_customer.customer, 'null'), 64));
	END IF;
	IF was IS NOT NULL THEN
		RETURN false;
	END IF;
	UPDATE aiusage.customer AS t SET stopped_at = clock_timestamp(), stop_reason = stop_customer.reason WHERE t.customer = stop_customer.customer;
	RETURN true;
END
$$;
COMMENT ON FUNCTION aiusage.stop_customer(text, text) IS 'Emergency switch: from the commit on, the next row of the customer that is not spent yet is refused in every session, also within a transaction (UA403). False when it was stopped already. Errors: UA404 for an unknown customer, UA422 for no reason';

CREATE FUNCTION aiusage.start_customer(customer text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was timestamptz;
BEGIN
	SELECT t.stopped_at INTO was FROM aiusage.customer AS t WHERE t.customer = start_customer.customer FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('customer "%s" does not exist', left(coalesce(start_customer.customer, 'null'), 64));
	END IF;
	IF was IS NULL THEN
		RETURN false;
	END IF;
	UPDATE aiusage.customer AS t SET stopped_at = NULL, stop_reason = NULL WHERE t.customer = start_customer.customer;
	RETURN true;
END
$$;
COMMENT ON FUNCTION aiusage.start_customer(text) IS 'Lets usage of a customer go on that was stopped. False when it was not. Errors: UA404 for an unknown customer';
