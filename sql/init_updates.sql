-- Books of an older release: init() runs the updates they lack, once; views that cannot be replaced are made again
CREATE DATABASE init_updates;
\c init_updates
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION aiusage;
-- a release whose tables have had that column from the start: its update is no business of new books
ALTER FUNCTION aiusage.books_pieces() RENAME TO shipped_pieces;
CREATE FUNCTION aiusage.books_pieces(OUT kind text, OUT version int, OUT name text, OUT ddl text) RETURNS SETOF record LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM aiusage.shipped_pieces() UNION ALL SELECT 'update', 9000, 'in_new_books', 'SELECT 1 / 0' $$;
SELECT count(*) AS updates_run FROM aiusage.init() WHERE step LIKE 'update %';
SELECT kind, version, name FROM aiusage.storage_step WHERE version >= 9000;
SELECT aiusage.storage_version();

-- the next release: a column, a new table that stands on it, and a view of both
CREATE OR REPLACE FUNCTION aiusage.books_pieces(OUT kind text, OUT version int, OUT name text, OUT ddl text) RETURNS SETOF record LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM aiusage.shipped_pieces() UNION ALL VALUES
	('update', 9000, 'in_new_books', 'SELECT 1 / 0'),
	('update', 9010, 'motto', 'ALTER TABLE aiusage.team ADD COLUMN motto text NOT NULL DEFAULT ''-'' UNIQUE'),
	('table', 9020, 'mottos', 'CREATE TABLE aiusage.mottos (motto text REFERENCES aiusage.team (motto))'),
	('view', 97, 'motto', 'CREATE OR REPLACE VIEW aiusage.team_motto AS SELECT team, motto FROM aiusage.team') $$;
SELECT check_name, severity, meaning, action FROM aiusage.status() WHERE check_name = 'books';
SELECT * FROM aiusage.init() WHERE step NOT LIKE 'partition%';
SELECT * FROM aiusage.init();
SELECT check_name, severity FROM aiusage.status() WHERE check_name = 'books';

-- an update that fails leaves the books as they were
BEGIN;
DELETE FROM aiusage.storage_step WHERE version = 9010;
SAVEPOINT before;
SELECT aiusage.init();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO before;
SELECT count(*) FROM aiusage.storage_step WHERE version = 9010;
ROLLBACK;

-- views of an older release, with a column of another name: all of the books' views are made again, with what is granted on them
CREATE ROLE init_updates_analyst;
SELECT aiusage.grant_access('init_updates_analyst', 'analyst');
ALTER VIEW aiusage.team_usage RENAME COLUMN requests TO calls;
UPDATE aiusage.storage_step SET checksum = 'older' WHERE name = 'usage_views';
SELECT * FROM aiusage.init();
SELECT has_table_privilege('init_updates_analyst', 'aiusage.team_usage', 'SELECT') AS granted,
	EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'aiusage.team_usage'::regclass AND attname = 'requests') AS renamed,
	(SELECT count(*) FROM aiusage.team_motto) AS others;
-- which a view of one's own stands in the way of
CREATE VIEW public.dashboard AS SELECT team, requests FROM aiusage.team_usage;
ALTER VIEW aiusage.team_usage RENAME COLUMN requests TO calls;
UPDATE aiusage.storage_step SET checksum = 'older' WHERE name = 'usage_views';
SELECT aiusage.init();
\echo :LAST_ERROR_SQLSTATE
DROP VIEW public.dashboard;
CREATE VIEW aiusage.dashboard AS SELECT 1 AS one;
SELECT aiusage.init();
\echo :LAST_ERROR_SQLSTATE
DROP VIEW aiusage.dashboard;
SELECT * FROM aiusage.init();

-- 1.0 knew no updates
ALTER TABLE aiusage.storage_step DROP CONSTRAINT storage_step_kind_check;
DELETE FROM aiusage.storage_step WHERE kind = 'update';
ALTER TABLE aiusage.storage_step ADD CONSTRAINT storage_step_kind_check CHECK (kind IN ('table', 'view'));
CREATE OR REPLACE FUNCTION aiusage.books_pieces(OUT kind text, OUT version int, OUT name text, OUT ddl text) RETURNS SETOF record LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM aiusage.shipped_pieces() AS p WHERE p.kind <> 'update' UNION ALL VALUES
	('update', 9030, 'slogan', 'ALTER TABLE aiusage.team RENAME COLUMN motto TO slogan'), ('table', 9020, 'mottos', 'SELECT 1 / 0') $$;
SELECT * FROM aiusage.init();
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'storage_step_kind_check';
SELECT aiusage.revoke_access('init_updates_analyst', 'analyst');
\c contrib_regression
DROP DATABASE init_updates;
DROP ROLE init_updates_analyst;
