/*
 * The emergency switch: whom usage is refused from now on, whatever the limits.
 * Keys have theirs in aiusage.disable_key().
 */

CREATE FUNCTION aiusage.set_stop(entity text, id text, stop boolean, reason text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- team, cost_center or customer: the table, and its key of the same name
	called text := replace(entity, '_', ' ');
	stopped boolean;
BEGIN
	PERFORM aiusage.require_books();
	IF entity IS NULL OR entity NOT IN ('team', 'cost_center', 'customer') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('usage cannot be stopped by "%s"', left(coalesce(entity, 'null'), 64)),
			HINT = 'It is stopped by team, cost_center or customer; aiusage.disable_key() stops a key.';
	END IF;
	IF stop AND coalesce(btrim(reason), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('stopping a %s needs a reason', called),
			HINT = 'Say why in words: whoever is refused asks.';
	END IF;
	EXECUTE format('SELECT e.stopped_at IS NOT NULL FROM aiusage.%1$I AS e WHERE e.%1$I = $1 FOR NO KEY UPDATE', entity)
		INTO stopped USING id;
	IF stopped IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('%s "%s" does not exist', called, left(coalesce(id, 'null'), 64)),
			HINT = format('aiusage.%s lists those there are.', entity);
	END IF;
	IF stopped = stop THEN
		RETURN false;
	END IF;
	EXECUTE format('UPDATE aiusage.%1$I AS e SET stopped_at = $2, stop_reason = $3 WHERE e.%1$I = $1', entity)
		USING id, CASE WHEN stop THEN clock_timestamp() END, CASE WHEN stop THEN reason END;
	RETURN true;
END
$$;
COMMENT ON FUNCTION aiusage.set_stop(text, text, boolean, text) IS 'What stop_team(), start_team() and their like of cost centers and customers do; the first argument is team, cost_center or customer';

CREATE FUNCTION aiusage.stop_team(team text, reason text) RETURNS boolean
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	RETURN aiusage.set_stop('team', team, true, reason);
COMMENT ON FUNCTION aiusage.stop_team(text, text) IS 'Emergency switch: from the commit on, the next row of the team that is not spent yet is refused in every session, also within a transaction (UA403). False when it was stopped already. Errors: UA404 for an unknown team, UA422 for no reason';

CREATE FUNCTION aiusage.start_team(team text) RETURNS boolean
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	RETURN aiusage.set_stop('team', team, false, NULL);
COMMENT ON FUNCTION aiusage.start_team(text) IS 'Lets usage of a team go on that was stopped. False when it was not. Errors: UA404 for an unknown team';

CREATE FUNCTION aiusage.stop_cost_center(cost_center text, reason text) RETURNS boolean
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	RETURN aiusage.set_stop('cost_center', cost_center, true, reason);
COMMENT ON FUNCTION aiusage.stop_cost_center(text, text) IS 'Emergency switch: from the commit on, the next row of the cost center that is not spent yet is refused in every session, also within a transaction (UA403). False when it was stopped already. Errors: UA404 for an unknown cost center, UA422 for no reason';

CREATE FUNCTION aiusage.start_cost_center(cost_center text) RETURNS boolean
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	RETURN aiusage.set_stop('cost_center', cost_center, false, NULL);
COMMENT ON FUNCTION aiusage.start_cost_center(text) IS 'Lets usage of a cost center go on that was stopped. False when it was not. Errors: UA404 for an unknown cost center';

CREATE FUNCTION aiusage.stop_customer(customer text, reason text) RETURNS boolean
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	RETURN aiusage.set_stop('customer', customer, true, reason);
COMMENT ON FUNCTION aiusage.stop_customer(text, text) IS 'Emergency switch: from the commit on, the next row of the customer that is not spent yet is refused in every session, also within a transaction (UA403). False when it was stopped already. Errors: UA404 for an unknown customer, UA422 for no reason';

CREATE FUNCTION aiusage.start_customer(customer text) RETURNS boolean
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	RETURN aiusage.set_stop('customer', customer, false, NULL);
COMMENT ON FUNCTION aiusage.start_customer(text) IS 'Lets usage of a customer go on that was stopped. False when it was not. Errors: UA404 for an unknown customer';
