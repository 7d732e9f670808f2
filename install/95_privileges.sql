/*
 * Who may call what, the whole surface in one place.
 *
 * PUBLIC keeps what computes from its arguments alone (types, operators,
 * aggregates, ids): a column of a C type is of no use without them.  All
 * that reads or writes the books is revoked; aiusage.grant_access() hands it
 * out by kind of role, and aiusage.init() gives it to the books' owner.
 */

DO $$
DECLARE
	f record;
BEGIN
	FOR f IN
		SELECT p.oid::pg_catalog.regprocedure AS signature, p.prokind
		FROM pg_catalog.pg_proc AS p
		WHERE p.pronamespace = 'aiusage'::pg_catalog.regnamespace
		  AND (p.provolatile <> 'i' AND p.prokind IN ('f', 'p')
			-- every aggregate is called immutable: what it does is its transition function's
			OR EXISTS (SELECT FROM pg_catalog.pg_aggregate AS a JOIN pg_catalog.pg_proc AS t ON t.oid = a.aggtransfn
				WHERE a.aggfnoid = p.oid AND t.provolatile <> 'i'))
		  -- an update leaves alone what is granted already: it would no longer be dumped
		  AND p.proacl IS NULL
		ORDER BY 1::text
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', f.signature);
	END LOOP;
END
$$;

GRANT EXECUTE ON FUNCTION aiusage.require_books() TO PUBLIC;
GRANT EXECUTE ON FUNCTION aiusage.uuid_v7() TO PUBLIC;
GRANT EXECUTE ON FUNCTION aiusage.uuid_v7(timestamptz) TO PUBLIC;
