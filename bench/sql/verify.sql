-- Everything adds up, or the run is void.
SELECT aiusage.refresh();
DO $$
DECLARE
	bad text := (SELECT string_agg(v::text, '; ') FROM aiusage.verify() AS v WHERE NOT v.ok);
BEGIN
	IF bad IS NOT NULL THEN
		RAISE EXCEPTION 'verify(): %', bad;
	END IF;
END
$$;
