/* Guards that every area uses. */

CREATE FUNCTION aiusage.module_version() RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_module_version';
COMMENT ON FUNCTION aiusage.module_version() IS 'Version of the loaded C library; differs from the extension''s version when a server still runs the library of before an upgrade';

CREATE FUNCTION aiusage.require_books() RETURNS void
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_require_books';
COMMENT ON FUNCTION aiusage.require_books() IS 'Does nothing where the books are made, and says how to make them where they are not (55000): the first words of functions that people call first and that read tables as their caller';

CREATE FUNCTION aiusage.looks_like_secret(value text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_looks_like_secret';
COMMENT ON FUNCTION aiusage.looks_like_secret(text) IS 'Kind of credential that a text seems to hold (an API key, a bearer token, a JWT, a PEM block, ...), or NULL: such text is refused wherever aiusage stores text';

CREATE FUNCTION aiusage.audit_change() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'aiu_audit_change';
COMMENT ON FUNCTION aiusage.audit_change() IS 'Trigger: writes each changed configuration row to aiusage.audit_log, as the owner of the books';

CREATE FUNCTION aiusage.guard_audit_log() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- Erasing a person leaves the entry, with (erased) for who it was.
	IF TG_OP = 'UPDATE' AND aiusage.change_permitted() THEN
		IF to_jsonb(NEW) - ARRAY['old', 'new'] = to_jsonb(OLD) - ARRAY['old', 'new']
			AND aiusage.only_redacted(OLD.old, NEW.old) AND aiusage.only_redacted(OLD.new, NEW.new) THEN
			RETURN NEW;
		END IF;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'UA403',
		MESSAGE = 'the audit log is not changed or deleted',
		DETAIL = 'What was changed, by whom and when, stays as it was written.',
		HINT = 'Keep a copy elsewhere for what must outlive this database; there is nothing to be mended here.';
END
$$;
COMMENT ON FUNCTION aiusage.guard_audit_log() IS 'Trigger of aiusage.audit_log: entries are only added (UA403), also by the owner of the books; erasing a person puts (erased) for a user''s id and changes nothing else';

CREATE FUNCTION aiusage.invalidate_caches() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'aiu_invalidate_caches';
COMMENT ON FUNCTION aiusage.invalidate_caches() IS 'Trigger: at commit, every session forgets what it has loaded of the group named by the argument: settings, prices, keys or periods';

CREATE FUNCTION aiusage.acting_role() RETURNS text
	LANGUAGE c STABLE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_acting_role';
COMMENT ON FUNCTION aiusage.acting_role() IS 'The role that acts (SET ROLE, or the login role), also inside functions that run as the owner of the books';
