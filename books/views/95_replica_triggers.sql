/*
 * Configuration that arrives by logical replication comes without statement
 * triggers (but for the initial copy): a row trigger, in replica sessions
 * only, tells the caches there.
 */

DO $do$
DECLARE
	t record;
BEGIN
	FOR t IN
		SELECT c.relname AS relation, split_part(encode(g.tgargs, 'escape'), '\000', 1) AS cache
		FROM pg_trigger AS g
		JOIN pg_class AS c ON c.oid = g.tgrelid
		WHERE g.tgfoid = 'aiusage.invalidate_caches()'::regprocedure
		  AND c.relnamespace = 'aiusage'::regnamespace
		  AND g.tgtype & 1 = 0
		ORDER BY c.relname
	LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS invalidate_replica ON aiusage.%I', t.relation);
		EXECUTE format('CREATE TRIGGER invalidate_replica AFTER INSERT OR UPDATE OR DELETE ON aiusage.%I '
			'FOR EACH ROW EXECUTE FUNCTION aiusage.invalidate_caches(%L)', t.relation, t.cache);
		EXECUTE format('ALTER TABLE aiusage.%I ENABLE REPLICA TRIGGER invalidate_replica', t.relation);
	END LOOP;
END
$do$;
