/* explain_row(): why a booked row cost what it cost, and what it stands at. */

CREATE FUNCTION aiusage.explain_booked_row(id uuid)
	RETURNS TABLE (unit text, quantity numeric, rate numeric, per numeric, amount numeric, currency text, version int, rule text, why text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 4
	AS 'MODULE_PATHNAME', 'aiu_explain_row';
COMMENT ON FUNCTION aiusage.explain_booked_row(uuid) IS 'The first part of aiusage.explain_row(): the cost as the row was booked';

CREATE FUNCTION aiusage.explain_row(id uuid)
	RETURNS TABLE (unit text, quantity numeric, rate numeric, per numeric, amount numeric, currency text, version int, rule text, why text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 4
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	-- Through the view: nobody is explained a row that they may not see.
	row_kind text := (SELECT u.kind FROM aiusage.usage_log AS u WHERE u.id = explain_row.id);
BEGIN
	IF row_kind IS DISTINCT FROM 'adjustment' THEN
		RETURN QUERY SELECT * FROM aiusage.explain_booked_row(explain_row.id);
	END IF;
	-- What it was adjusted by since, or taken back; an adjustment is nothing but that.
	RETURN QUERY
		SELECT c.unit, NULL::numeric, NULL::numeric, NULL::numeric, coalesce(c.cost, 0), a.currency, a.price_version, NULL::text,
			CASE a.kind WHEN 'reversal' THEN 'taken back' ELSE 'adjusted' END || coalesce(format(' by correction %s', a.correction), '')
				|| to_char(a.recorded_at AT TIME ZONE 'UTC', '" on "YYYY-MM-DD')
		FROM (SELECT r.* FROM aiusage.usage_log AS r WHERE row_kind = 'adjustment' AND r.id = explain_row.id
			UNION ALL
			SELECT r.* FROM aiusage.usage_log AS r WHERE row_kind = 'usage' AND r.adjusts = explain_row.id) AS a
		LEFT JOIN LATERAL aiusage.unnest_costs(a.cost_by_unit::aiusage.unit_costs) AS c ON true
		WHERE a.kind IN ('adjustment', 'reversal')
		ORDER BY a.recorded_at, a.id, c.unit;
END
$$;
COMMENT ON FUNCTION aiusage.explain_row(uuid) IS 'Explains a booked cost, a row a component, under the price version stamped on the row, and what that inherits as it was when the row was booked; of an unpriced row, why. Then what it was adjusted by since (aiusage.reprice()) or taken back, a row a unit and adjustment, so that the amounts add up to what the row stands at. For whoever sees the row in usage_log, whatever its book. UA404: no such row, or not one the caller may see';
