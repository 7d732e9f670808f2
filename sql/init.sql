-- init(): idempotent, resumable, refuses what would lose data
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- again: nothing is done
SELECT regexp_replace(step, 'storage version \d+', 'storage version N') AS step, action FROM aiusage.init();
SELECT aiusage.storage_version() = (SELECT max(version) FROM aiusage.books_pieces() WHERE kind <> 'view') AS current;

-- no book is a member of the extension
SELECT count(*) AS member_relations
FROM pg_depend AS d JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'aiusage');
\set VERBOSITY terse
DROP EXTENSION aiusage;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default

-- books of an older shape: the missing step is made up for, the rest stays
BEGIN;
DELETE FROM aiusage.storage_step WHERE name = 'corrections';
SET LOCAL client_min_messages = warning;
DROP TABLE aiusage.correction CASCADE;
RESET client_min_messages;
SELECT regexp_replace(step, 'storage version \d+', 'storage version N') AS step, action FROM aiusage.init();
SELECT to_regclass('aiusage.correction') IS NOT NULL AS made;
ROLLBACK;

-- a view whose text has changed is replaced
BEGIN;
UPDATE aiusage.storage_step SET checksum = 'other' WHERE name = 'usage_log';
SELECT regexp_replace(step, 'storage version \d+', 'storage version N') AS step, action FROM aiusage.init();
ROLLBACK;

-- triggers that a restore, or somebody, has left otherwise than they were made
BEGIN;
ALTER TABLE aiusage.usage_record DISABLE TRIGGER ALL;
ALTER TABLE aiusage.usage_record ENABLE TRIGGER ALL;
ALTER TABLE aiusage.team DISABLE TRIGGER audit_change;
ALTER TABLE aiusage.customer ENABLE TRIGGER invalidate_replica;
SELECT relation, trigger, enable FROM aiusage.changed_triggers() WHERE relation::text !~ '_p\d';
SELECT severity, regexp_replace(meaning, '\d+', 'N'), action FROM aiusage.status() WHERE check_name = 'books';
SELECT regexp_replace(step, 'storage version \d+', 'storage version N') AS step, action FROM aiusage.init();
SELECT count(*) AS changed FROM aiusage.changed_triggers();
SELECT severity FROM aiusage.status() WHERE check_name = 'books';
ROLLBACK;
SELECT count(*) AS changed FROM aiusage.changed_triggers();

\set SHOW_CONTEXT never
-- books that are newer than the code
BEGIN;
INSERT INTO aiusage.storage_step (kind, version, name, checksum, extension_version) VALUES ('table', 9999, 'future', 'x', '99');
DO $$
DECLARE
	message text;
	hint text;
BEGIN
	PERFORM aiusage.init();
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RAISE NOTICE '% % %', SQLSTATE, regexp_replace(message, 'up to \d+', 'up to N'), hint;
END
$$;
ROLLBACK;
-- another owner
CREATE ROLE aiusage_test_other_owner;
SELECT aiusage.init('aiusage_test_other_owner');
\echo :LAST_ERROR_SQLSTATE
DROP ROLE aiusage_test_other_owner;

-- settings: only known ones, only valid values, audited
UPDATE aiusage.setting SET value = 'maybe' WHERE name = 'strict_keys';
\echo :LAST_ERROR_SQLSTATE
UPDATE aiusage.setting SET value = 'Mars/Olympus' WHERE name = 'time_zone';
\echo :LAST_ERROR_SQLSTATE
UPDATE aiusage.setting SET value = 'no-such-book' WHERE name = 'default_book';
\echo :LAST_ERROR_SQLSTATE
UPDATE aiusage.setting SET value = '2 fortnights' WHERE name = 'partition_interval';
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.setting (name, value, meaning) VALUES ('color', 'red', '');
\echo :LAST_ERROR_SQLSTATE
DELETE FROM aiusage.setting WHERE name = 'currency';
\echo :LAST_ERROR_SQLSTATE
BEGIN;
UPDATE aiusage.setting SET value = 'on' WHERE name = 'strict_keys';
UPDATE aiusage.setting SET value = 'on' WHERE name = 'strict_keys';
SELECT relation, operation, old ->> 'value' AS old, new ->> 'value' AS new, session_role = session_user AS session_role, role = current_user AS role
FROM aiusage.audit_log WHERE relation = 'setting' AND xid = pg_current_xact_id();
ROLLBACK;

-- never in an extension script
SELECT aiusage.in_extension_script();

-- books of another role than the extension's: everything works as that role, init() too
CREATE ROLE aiusage_test_finance;
CREATE DATABASE aiusage_test_owned;
\c aiusage_test_owned
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS made FROM aiusage.init('aiusage_test_finance');
SELECT count(*) AS not_owned FROM pg_class
WHERE relnamespace = 'aiusage'::regnamespace AND relkind IN ('r', 'p', 'v', 'S') AND relowner <> 'aiusage_test_finance'::regrole;
SET ROLE aiusage_test_finance;
SELECT action FROM aiusage.init();
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('k', 'p', 'm', '{"input_tokens": 1}');
SELECT aiusage.refresh();
SELECT DISTINCT ok FROM aiusage.verify();
CALL aiusage.maintain();
RESET ROLE;
-- no function is SECURITY DEFINER, whoever owns it
SELECT count(*) AS security_definer FROM pg_proc WHERE pronamespace = 'aiusage'::regnamespace AND prosecdef;
\c contrib_regression
DROP DATABASE aiusage_test_owned;
DROP ROLE aiusage_test_finance;
