/* init(): makes the books, and brings books of an older shape to the current one. */

CREATE FUNCTION aiusage.storage_version() RETURNS int
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF to_regclass('aiusage.storage_step') IS NULL THEN
		RETURN NULL;
	END IF;
	RETURN (SELECT max(version) FROM aiusage.storage_step WHERE kind <> 'view');
END
$$;
COMMENT ON FUNCTION aiusage.storage_version() IS 'Shape of the books: the last storage step applied; NULL before aiusage.init()';

CREATE FUNCTION aiusage.changed_triggers() RETURNS TABLE (relation regclass, trigger name, enable text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT t.tgrelid::regclass, t.tgname, CASE made.mode WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END
	FROM pg_trigger AS t
	JOIN pg_class AS c ON c.oid = t.tgrelid
	JOIN pg_proc AS f ON f.oid = t.tgfoid
	CROSS JOIN LATERAL (SELECT CASE WHEN t.tgname = 'invalidate_replica' THEN 'R'
		WHEN f.proname IN ('book', 'charge', 'append_only', 'guard_statement', 'invalidate_caches') THEN 'A' ELSE 'O' END AS mode) AS made
	WHERE c.relnamespace = 'aiusage'::regnamespace AND f.pronamespace = c.relnamespace AND NOT t.tgisinternal AND t.tgenabled::text <> made.mode
		-- disabled where there are no limits
		AND NOT (f.proname = 'charge' AND t.tgenabled = 'D')
	ORDER BY c.relname, t.tgname
$$;
COMMENT ON FUNCTION aiusage.changed_triggers() IS 'Triggers of the books that are disabled, or enabled otherwise than they were made, and how ALTER TABLE enables each again: pg_restore --disable-triggers leaves those that fire ALWAYS, or on a REPLICA, as ordinary ones. aiusage.init() does it';

CREATE FUNCTION aiusage.init(owner regrole DEFAULT NULL)
	RETURNS TABLE (step text, action text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET client_min_messages = warning
AS $$
#variable_conflict use_column
DECLARE
	caller name := current_user;
	caller_role text := current_setting('role');
	books_owner name;
	schema_owner name;
	fresh boolean;
	piece record;
	known text;
	shipped int := (SELECT max(version) FROM aiusage.books_pieces() WHERE kind <> 'view');
	present int;
	views text[];
	found text;
	changed boolean := false;
BEGIN
	IF aiusage.in_extension_script() THEN
		RAISE EXCEPTION USING ERRCODE = '55000',
			MESSAGE = 'aiusage.init() cannot run inside an extension script',
			DETAIL = 'What it makes would become members of the extension and would not survive dump and restore.',
			HINT = 'Run SELECT aiusage.init(); after CREATE EXTENSION.';
	END IF;
	IF aiusage.module_version() IS DISTINCT FROM (SELECT extversion FROM pg_extension WHERE extname = 'aiusage') THEN
		RAISE WARNING USING
			MESSAGE = format('the loaded library is version %s, the extension is version %s', aiusage.module_version(),
				(SELECT extversion FROM pg_extension WHERE extname = 'aiusage')),
			HINT = 'Restart the server, or run ALTER EXTENSION aiusage UPDATE.';
	END IF;

	-- One init at a time.
	PERFORM pg_advisory_xact_lock(hashtextextended('aiusage.init', 0));

	fresh := to_regclass('aiusage.storage_step') IS NULL;
	IF fresh THEN
		books_owner := coalesce((SELECT rolname FROM pg_roles WHERE oid = owner), caller);
	ELSE
		SELECT r.rolname INTO STRICT books_owner
		FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner
		WHERE c.oid = to_regclass('aiusage.storage_step');
		IF owner IS NOT NULL AND books_owner <> (SELECT rolname FROM pg_roles WHERE oid = owner) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('the books are owned by role "%s" already', books_owner),
				HINT = 'Use REASSIGN OWNED to give them to another role, then call aiusage.init() without an argument.';
		END IF;
		present := aiusage.storage_version();
		IF present > shipped THEN
			RAISE EXCEPTION USING ERRCODE = '55000',
				MESSAGE = format('the books have storage version %s, this extension knows versions up to %s', present, shipped),
				HINT = 'Install the release that made them, or a later one: books are never brought back to an older shape.';
		END IF;
	END IF;

	-- What the books' owner needs of the extension, when that is another role's and the caller may give it.
	schema_owner := (SELECT r.rolname FROM pg_namespace AS n JOIN pg_roles AS r ON r.oid = n.nspowner WHERE n.nspname = 'aiusage');
	IF books_owner <> schema_owner AND pg_has_role(caller, schema_owner, 'USAGE') THEN
		EXECUTE format('GRANT USAGE, CREATE ON SCHEMA aiusage TO %I WITH GRANT OPTION', books_owner);
		EXECUTE format('GRANT EXECUTE ON ALL ROUTINES IN SCHEMA aiusage TO %I WITH GRANT OPTION', books_owner);
	END IF;

	-- Exclusion constraints on (key, period of time).
	IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gist') THEN
		CREATE EXTENSION btree_gist WITH SCHEMA aiusage;
		step := 'btree_gist';
		action := 'extension created';
		RETURN NEXT;
	END IF;

	EXECUTE format('SET LOCAL ROLE %I', books_owner);

	IF fresh THEN
		CREATE TABLE aiusage.storage_step (
			kind text NOT NULL CHECK (kind IN ('table', 'update', 'view')),
			version int NOT NULL,
			name text NOT NULL,
			checksum text NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
			applied_by text NOT NULL DEFAULT session_user,
			extension_version text NOT NULL,
			PRIMARY KEY (kind, version, name)
		);
	ELSIF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'aiusage.storage_step'::regclass AND conname = 'storage_step_kind_check'
			AND pg_get_constraintdef(oid) LIKE '%update%') THEN
		-- made by 1.0, which knew no updates
		ALTER TABLE aiusage.storage_step DROP CONSTRAINT storage_step_kind_check,
			ADD CONSTRAINT storage_step_kind_check CHECK (kind IN ('table', 'update', 'view'));
		changed := true;
	END IF;
	IF fresh OR changed THEN
		COMMENT ON TABLE aiusage.storage_step IS 'Which pieces of DDL these books are made of: tables and updates once and in order, views and triggers again whenever the text of one changes';
		COMMENT ON COLUMN aiusage.storage_step.kind IS 'table: makes tables, applied once; update: brings tables of an older release to the current shape, applied once (books made in that shape have it from the start); view: repeatable';
		COMMENT ON COLUMN aiusage.storage_step.version IS 'Of a table or update piece: the storage version it brings the books to; of a view piece: its order';
		COMMENT ON COLUMN aiusage.storage_step.name IS 'Name of the piece';
		COMMENT ON COLUMN aiusage.storage_step.checksum IS 'MD5 of the piece as applied';
		COMMENT ON COLUMN aiusage.storage_step.applied_at IS 'When it was applied last';
		COMMENT ON COLUMN aiusage.storage_step.applied_by IS 'By whom';
		COMMENT ON COLUMN aiusage.storage_step.extension_version IS 'Release that applied it';
	END IF;

	FOR piece IN
		SELECT p.kind, p.version, p.name, p.ddl, md5(p.ddl) AS checksum
		FROM aiusage.books_pieces() AS p
		ORDER BY p.kind = 'view', p.version, p.kind, p.name
	LOOP
		known := (SELECT s.checksum FROM aiusage.storage_step AS s
				  WHERE s.kind = piece.kind AND s.version = piece.version AND s.name = piece.name);
		-- A table or update piece is history once applied; a view piece follows its text.
		CONTINUE WHEN known IS NOT NULL AND (piece.kind <> 'view' OR known = piece.checksum);
		changed := true;
		-- Views are made below; what a fresh table has, no update need bring.
		IF piece.kind = 'table' OR piece.kind = 'update' AND NOT fresh THEN
			EXECUTE piece.ddl;
		END IF;
		INSERT INTO aiusage.storage_step AS s (kind, version, name, checksum, extension_version)
		VALUES (piece.kind, piece.version, piece.name, piece.checksum, aiusage.module_version())
		ON CONFLICT (kind, version, name) DO UPDATE
			SET checksum = excluded.checksum, applied_at = excluded.applied_at, applied_by = excluded.applied_by,
				extension_version = excluded.extension_version;
		CONTINUE WHEN piece.kind = 'update' AND fresh;
		step := format('%s %s', piece.kind, piece.name);
		action := CASE WHEN piece.kind = 'update' THEN 'applied' WHEN known IS NULL THEN 'created' ELSE 'replaced' END;
		RETURN NEXT;
	END LOOP;

	-- Views and triggers stand on each other and on tables: when anything has changed, all are made again.
	IF changed THEN
		BEGIN
			FOR piece IN SELECT p.ddl FROM aiusage.books_pieces() AS p WHERE p.kind = 'view' ORDER BY p.version, p.name LOOP
				EXECUTE piece.ddl;
			END LOOP;
		EXCEPTION WHEN invalid_table_definition THEN
			-- A view whose columns are not what they were, and new ones at the end, cannot be replaced.
			views := ARRAY(SELECT format('aiusage.%I', c.relname) FROM pg_class AS c
				WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind = 'v' ORDER BY c.relname);
			BEGIN
				EXECUTE 'DROP VIEW ' || array_to_string(views, ', ');
			EXCEPTION WHEN dependent_objects_still_exist THEN
				GET STACKED DIAGNOSTICS found = PG_EXCEPTION_DETAIL;
				RAISE EXCEPTION USING ERRCODE = '2BP01',
					MESSAGE = 'views of your own stand on views that this release changes',
					DETAIL = found,
					HINT = 'Drop them, run SELECT * FROM aiusage.init(); and create them again.';
			END;
			FOR piece IN SELECT p.ddl FROM aiusage.books_pieces() AS p WHERE p.kind = 'view' ORDER BY p.version, p.name LOOP
				EXECUTE piece.ddl;
			END LOOP;
			found := (SELECT string_agg(v, ', ') FROM unnest(views) AS v WHERE to_regclass(v) IS NULL);
			IF found IS NOT NULL THEN
				RAISE EXCEPTION USING ERRCODE = '2BP01',
					MESSAGE = 'schema aiusage has views that are not of the books',
					DETAIL = format('Views that this release changes have to be dropped and made again, and nothing would make these: %s.', found),
					HINT = 'Move them to a schema of your own, or drop them, and run SELECT * FROM aiusage.init(); again.';
			END IF;
		END;
	END IF;

	IF NOT fresh THEN
		action := NULL;
		FOR piece IN SELECT * FROM aiusage.changed_triggers() LOOP
			EXECUTE format('ALTER TABLE ONLY %s %s TRIGGER %I', piece.relation,
				CASE WHEN piece.trigger = 'charge' AND NOT EXISTS (SELECT FROM aiusage.quota AS q WHERE q.status = 'active') THEN 'DISABLE' ELSE piece.enable END,
				piece.trigger);
			action := 'enabled again as they were made';
		END LOOP;
		IF action IS NOT NULL THEN
			step := 'triggers';
			RETURN NEXT;
		END IF;
	END IF;

	IF fresh THEN
		INSERT INTO aiusage.books (system_identifier, incarnation) VALUES (aiusage.system_identifier(), 1);
	END IF;
	-- What roles were granted holds for what this release has made, too.
	PERFORM aiusage.owner_apply_access();
	PERFORM set_config('role', caller_role, true);

	FOR step, action IN SELECT 'partition ' || m.partition, m.action FROM aiusage.make_partitions() AS m
	LOOP
		RETURN NEXT;
	END LOOP;

	step := 'storage version ' || aiusage.storage_version();
	action := CASE WHEN fresh THEN 'made' ELSE 'current' END;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION aiusage.init(regrole) IS 'Makes the books (tables, triggers, views in schema aiusage), owned by the given role or the caller, and brings older books to the current shape; one row a step done. Safe to run again. Errors: UA409 when other books'' owner is asked for, 55000 inside an extension script or when the books are newer than the extension';
