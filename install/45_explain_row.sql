/* explain_row(): why a booked row cost what it cost. */

CREATE FUNCTION aiusage.explain_row(id uuid)
	RETURNS TABLE (unit text, quantity numeric, rate numeric, per numeric, amount numeric, currency text, version int, rule text, why text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	l record;
BEGIN
	-- Through the view: nobody is explained a row that they may not see.
	SELECT * INTO l FROM aiusage.usage_log AS u WHERE u.id = explain_row.id;
	IF l.id IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('no ledger row has id %s', coalesce(explain_row.id::text, 'null')),
			HINT = 'It may also lie outside what your role may see.';
	END IF;
	RETURN QUERY
		SELECT e.unit, e.quantity, e.rate, e.per, e.amount::numeric, e.currency, e.version, e.rule, e.why
		FROM aiusage.explain_price_under(l.price_version, l.provider, l.model, l.usage::aiusage.usage, l.occurred_at,
			l.service_tier, l.endpoint, l.region) AS e;
END
$$;
COMMENT ON FUNCTION aiusage.explain_row(uuid) IS 'Explains a booked cost, a row a component, under the price version stamped on the row; of an unpriced row, why. UA404: no such row, or not one the caller may see';
