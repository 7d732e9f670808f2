/*
 * Triggers of the price tables: published versions are immutable, backends
 * forget what they remember of prices, changes are audited.
 *
 * The content of a version (providers, models, rules, prices) is audited by
 * UPDATE and DELETE only: an inserted row is still there, and publication
 * freezes the content under a checksum that is audited.
 */
DROP TRIGGER IF EXISTS aiusage_guard ON aiusage.price_book;
CREATE TRIGGER aiusage_guard BEFORE INSERT OR UPDATE OR DELETE ON aiusage.price_book
	FOR EACH ROW EXECUTE FUNCTION aiusage.guard_price_book();
DROP TRIGGER IF EXISTS aiusage_guard ON aiusage.price_version;
CREATE TRIGGER aiusage_guard BEFORE INSERT OR UPDATE OR DELETE ON aiusage.price_version
	FOR EACH ROW EXECUTE FUNCTION aiusage.guard_price_version();

DO $triggers$
DECLARE
	relation text;
BEGIN
	FOREACH relation IN ARRAY ARRAY['price_provider', 'price_model', 'price_rule', 'price', 'price_override', 'price_import_issue'] LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS aiusage_guard_insert ON aiusage.%1$I;
			CREATE TRIGGER aiusage_guard_insert AFTER INSERT ON aiusage.%1$I
				REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION aiusage.guard_price_rows();
			DROP TRIGGER IF EXISTS aiusage_guard_update ON aiusage.%1$I;
			CREATE TRIGGER aiusage_guard_update AFTER UPDATE ON aiusage.%1$I
				REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION aiusage.guard_price_rows();
			DROP TRIGGER IF EXISTS aiusage_guard_delete ON aiusage.%1$I;
			CREATE TRIGGER aiusage_guard_delete AFTER DELETE ON aiusage.%1$I
				REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION aiusage.guard_price_rows();', relation);
	END LOOP;
	FOREACH relation IN ARRAY ARRAY['price_book', 'price_version', 'price_provider', 'price_model', 'price_rule', 'price', 'price_override', 'price_import_issue'] LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS aiusage_guard_truncate ON aiusage.%1$I;
			CREATE TRIGGER aiusage_guard_truncate BEFORE TRUNCATE ON aiusage.%1$I
				FOR EACH STATEMENT EXECUTE FUNCTION aiusage.refuse_price_truncate();', relation);
	END LOOP;
	FOREACH relation IN ARRAY ARRAY['price_book', 'price_version', 'price_provider', 'price_model', 'price_rule', 'price', 'price_override'] LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS aiusage_audit ON aiusage.%1$I;
			CREATE TRIGGER aiusage_audit AFTER %2$s ON aiusage.%1$I
				FOR EACH ROW EXECUTE FUNCTION aiusage.audit_change();
			DROP TRIGGER IF EXISTS aiusage_invalidate ON aiusage.%1$I;
			CREATE TRIGGER aiusage_invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON aiusage.%1$I
				FOR EACH STATEMENT EXECUTE FUNCTION aiusage.invalidate_caches(''prices'');
			ALTER TABLE aiusage.%1$I ENABLE ALWAYS TRIGGER aiusage_invalidate;',
			relation,
			CASE WHEN relation IN ('price_book', 'price_version') THEN 'INSERT OR UPDATE OR DELETE' ELSE 'UPDATE OR DELETE' END);
	END LOOP;
END
$triggers$;
