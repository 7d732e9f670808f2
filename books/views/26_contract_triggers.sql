/* Contracts are configuration: checked and audited.  What was booked for them is never changed. */

DO $triggers$
DECLARE
	relation text;
BEGIN
	FOREACH relation IN ARRAY ARRAY['contract', 'contract_rate', 'contract_tier'] LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS a_check_labels ON aiusage.%1$I;
			CREATE TRIGGER a_check_labels BEFORE INSERT OR UPDATE ON aiusage.%1$I
				FOR EACH ROW EXECUTE FUNCTION aiusage.check_labels();
			DROP TRIGGER IF EXISTS audit_change ON aiusage.%1$I;
			CREATE TRIGGER audit_change AFTER INSERT OR UPDATE OR DELETE ON aiusage.%1$I
				FOR EACH ROW EXECUTE FUNCTION aiusage.audit_change();', relation);
	END LOOP;
	FOREACH relation IN ARRAY ARRAY['contract_run', 'contract_run_line'] LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS immutable ON aiusage.%1$I;
			CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON aiusage.%1$I
				FOR EACH ROW EXECUTE FUNCTION aiusage.guard_statement();
			ALTER TABLE aiusage.%1$I ENABLE ALWAYS TRIGGER immutable;
			DROP TRIGGER IF EXISTS immutable_truncate ON aiusage.%1$I;
			CREATE TRIGGER immutable_truncate BEFORE TRUNCATE ON aiusage.%1$I
				FOR EACH STATEMENT EXECUTE FUNCTION aiusage.guard_statement();
			ALTER TABLE aiusage.%1$I ENABLE ALWAYS TRIGGER immutable_truncate;', relation);
	END LOOP;
END
$triggers$;

DROP TRIGGER IF EXISTS b_guard_rows ON aiusage.contract;
CREATE TRIGGER b_guard_rows BEFORE INSERT OR UPDATE ON aiusage.contract
	FOR EACH ROW EXECUTE FUNCTION aiusage.guard_contract();
