/* explain_row(): why a booked row cost what it cost. */

CREATE FUNCTION aiusage.explain_row(id uuid)
	RETURNS TABLE (unit text, quantity numeric, rate numeric, per numeric, amount numeric, currency text, version int, rule text, why text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 4
	AS 'MODULE_PATHNAME', 'aiu_explain_row';
COMMENT ON FUNCTION aiusage.explain_row(uuid) IS 'Explains a booked cost, a row a component, under the price version stamped on the row, and what that inherits as it was when the row was booked; of an unpriced row, why. For whoever sees the row in usage_log, whatever its book. UA404: no such row, or not one the caller may see';
