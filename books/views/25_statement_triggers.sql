/*
 * Statements are written once and never changed.  Their INSERTs are checked
 * too, but not in replica sessions, where they arrive as they are.
 */

DO $triggers$
DECLARE
	relation text;
BEGIN
	FOREACH relation IN ARRAY ARRAY['invoice_statement', 'invoice_statement_line', 'invoice_statement_unit', 'invoice'] LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS immutable ON aiusage.%1$I;
			CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON aiusage.%1$I
				FOR EACH ROW EXECUTE FUNCTION aiusage.guard_statement();
			ALTER TABLE aiusage.%1$I ENABLE ALWAYS TRIGGER immutable;
			DROP TRIGGER IF EXISTS immutable_truncate ON aiusage.%1$I;
			CREATE TRIGGER immutable_truncate BEFORE TRUNCATE ON aiusage.%1$I
				FOR EACH STATEMENT EXECUTE FUNCTION aiusage.guard_statement();
			ALTER TABLE aiusage.%1$I ENABLE ALWAYS TRIGGER immutable_truncate;', relation);
	END LOOP;
	FOREACH relation IN ARRAY ARRAY['invoice_statement_line', 'invoice_statement_unit'] LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS frozen ON aiusage.%1$I;
			CREATE TRIGGER frozen AFTER INSERT ON aiusage.%1$I
				REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION aiusage.guard_statement_lines();', relation);
	END LOOP;
END
$triggers$;

DROP TRIGGER IF EXISTS a_check_labels ON aiusage.invoice;
CREATE TRIGGER a_check_labels BEFORE INSERT ON aiusage.invoice
	FOR EACH ROW EXECUTE FUNCTION aiusage.check_labels();

DROP TRIGGER IF EXISTS b_guard_calendar ON aiusage.team;
CREATE TRIGGER b_guard_calendar BEFORE UPDATE ON aiusage.team
	FOR EACH ROW EXECUTE FUNCTION aiusage.guard_own_calendar();
DROP TRIGGER IF EXISTS b_guard_calendar ON aiusage.customer;
CREATE TRIGGER b_guard_calendar BEFORE UPDATE ON aiusage.customer
	FOR EACH ROW EXECUTE FUNCTION aiusage.guard_own_calendar();
