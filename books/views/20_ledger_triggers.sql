/* Triggers of the ledger and of the books' own settings. */

/* ENABLE ALWAYS: rows of a logical subscription and of replica sessions are stamped too. */
DROP TRIGGER IF EXISTS book ON aiusage.usage_record;
CREATE TRIGGER book BEFORE INSERT ON aiusage.usage_record
	FOR EACH ROW EXECUTE FUNCTION aiusage.book();
ALTER TABLE aiusage.usage_record ENABLE ALWAYS TRIGGER book;

DROP TRIGGER IF EXISTS append_only ON aiusage.usage_record;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aiusage.usage_record
	FOR EACH ROW EXECUTE FUNCTION aiusage.append_only();
ALTER TABLE aiusage.usage_record ENABLE ALWAYS TRIGGER append_only;

DROP TRIGGER IF EXISTS append_only_truncate ON aiusage.usage_record;
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON aiusage.usage_record
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.append_only();
ALTER TABLE aiusage.usage_record ENABLE ALWAYS TRIGGER append_only_truncate;

DROP TRIGGER IF EXISTS append_only_truncate ON aiusage.usage_record_default;
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON aiusage.usage_record_default
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.append_only();
ALTER TABLE aiusage.usage_record_default ENABLE ALWAYS TRIGGER append_only_truncate;

DROP TRIGGER IF EXISTS check_setting ON aiusage.setting;
CREATE TRIGGER check_setting BEFORE INSERT OR UPDATE OR DELETE ON aiusage.setting
	FOR EACH ROW EXECUTE FUNCTION aiusage.check_setting();

DROP TRIGGER IF EXISTS audit_change ON aiusage.setting;
CREATE TRIGGER audit_change AFTER INSERT OR UPDATE OR DELETE ON aiusage.setting
	FOR EACH ROW EXECUTE FUNCTION aiusage.audit_change();

DROP TRIGGER IF EXISTS invalidate_caches ON aiusage.setting;
CREATE TRIGGER invalidate_caches AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON aiusage.setting
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.invalidate_caches('settings');
ALTER TABLE aiusage.setting ENABLE ALWAYS TRIGGER invalidate_caches;

DROP TRIGGER IF EXISTS invalidate_caches ON aiusage.books;
CREATE TRIGGER invalidate_caches AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON aiusage.books
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.invalidate_caches('settings');
ALTER TABLE aiusage.books ENABLE ALWAYS TRIGGER invalidate_caches;

-- Of a job, what was asked for and how it ended; every batch would be too much.
DROP TRIGGER IF EXISTS audit_change ON aiusage.reprice_job;
CREATE TRIGGER audit_change AFTER INSERT OR DELETE ON aiusage.reprice_job
	FOR EACH ROW EXECUTE FUNCTION aiusage.audit_change();
DROP TRIGGER IF EXISTS audit_end ON aiusage.reprice_job;
CREATE TRIGGER audit_end AFTER UPDATE ON aiusage.reprice_job
	FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION aiusage.audit_change();
