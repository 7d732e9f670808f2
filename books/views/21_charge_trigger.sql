/*
 * The trigger that counts rows against limits.  Books without limits do not pay
 * for it: it is disabled until the first limit is published.
 */
DROP TRIGGER IF EXISTS charge ON aiusage.usage_record;
CREATE TRIGGER charge AFTER INSERT ON aiusage.usage_record
	FOR EACH ROW EXECUTE FUNCTION aiusage.charge();

DO $$
BEGIN
	IF EXISTS (SELECT FROM aiusage.quota AS q WHERE q.status = 'active') THEN
		ALTER TABLE aiusage.usage_record ENABLE ALWAYS TRIGGER charge;
	ELSE
		ALTER TABLE aiusage.usage_record DISABLE TRIGGER charge;
	END IF;
END
$$;
