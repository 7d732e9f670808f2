/* Triggers of the price tables: what is published stays as it is. */

CREATE FUNCTION aiusage.refuse_secret(field text, value text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF aiusage.looks_like_secret(value) IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('"%s" holds what looks like a secret', field),
			DETAIL = format('It looks like: %s.', aiusage.looks_like_secret(value)),
			HINT = 'Names and notes are stored in clear and read by many; keep credentials out of them.';
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.refuse_secret(text, text) IS 'Raises UA422 when a text looks like a credential';

CREATE FUNCTION aiusage.guard_price_book() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		RETURN OLD;				-- the foreign key of price_version refuses where it must
	END IF;
	PERFORM aiusage.refuse_secret('book', NEW.book);
	PERFORM aiusage.refuse_secret('note', NEW.note);
	IF NEW.currency !~ '^[A-Z]{3}$' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('"%s" is not a currency', left(NEW.currency, 16)),
			HINT = 'Currencies are ISO 4217 codes, such as USD and EUR.';
	END IF;
	IF NEW.inherits IS NOT NULL AND NEW.currency <>
		(SELECT b.currency FROM aiusage.price_book AS b WHERE b.book = NEW.inherits) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('book "%s" cannot inherit from book "%s" of another currency', NEW.book, NEW.inherits),
			HINT = 'A row has one currency; keep a book for each.';
	END IF;
	IF TG_OP = 'UPDATE'
		AND (NEW.book, NEW.kind, NEW.currency, NEW.inherits) IS DISTINCT FROM (OLD.book, OLD.kind, OLD.currency, OLD.inherits)
		AND EXISTS (SELECT FROM aiusage.price_version AS v WHERE v.book = OLD.book AND v.status = 'published') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = format('book "%s" has published versions; only its note can change', OLD.book),
			DETAIL = 'Rows were priced by it, and must stay explainable.',
			HINT = 'Make another book.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_price_book() IS 'Trigger of aiusage.price_book: its currency is three capital letters, a book inherits from one of its currency (UA422), and does not change once a version is published (UA403)';

CREATE FUNCTION aiusage.guard_price_version() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		IF NEW.status <> 'draft' THEN
			RAISE EXCEPTION USING ERRCODE = 'UA403',
				MESSAGE = 'a price version begins as a draft',
				HINT = 'Publish it with aiusage.publish_prices().';
		END IF;
		PERFORM aiusage.refuse_secret('label', NEW.label);
		PERFORM aiusage.refuse_secret('source', NEW.source);
		PERFORM aiusage.refuse_secret('note', NEW.note);
		RETURN NEW;
	END IF;

	IF OLD.status = 'published' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = format('price version %s is published and cannot change', OLD.version),
			DETAIL = 'Ledger rows are stamped with it, and must stay explainable.',
			HINT = format('Make a new version: aiusage.draft_prices(%L, ..., copy_from => %s).', OLD.book, OLD.version);
	END IF;
	IF TG_OP = 'DELETE' THEN
		RETURN OLD;
	END IF;
	IF OLD.status = 'withdrawn' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = format('price version %s is withdrawn and cannot change', OLD.version),
			HINT = format('Make a new version: aiusage.draft_prices(%L, ..., copy_from => %s).', OLD.book, OLD.version);
	END IF;

	PERFORM aiusage.refuse_secret('label', NEW.label);
	PERFORM aiusage.refuse_secret('source', NEW.source);
	PERFORM aiusage.refuse_secret('note', NEW.note);
	IF NEW.status = 'published' THEN
		IF NOT EXISTS (SELECT FROM aiusage.price_model AS m WHERE m.version = NEW.version)
			AND NOT EXISTS (SELECT FROM aiusage.price_override AS o WHERE o.version = NEW.version) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('price version %s has no models', NEW.version),
				HINT = 'Add providers, models, rules and prices to the draft first, or overrides of what its book inherits.';
		END IF;
		IF EXISTS (SELECT FROM aiusage.price_override AS o WHERE o.version = NEW.version)
			AND NOT EXISTS (SELECT FROM aiusage.price_book AS b WHERE b.book = NEW.book AND b.inherits IS NOT NULL) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('price version %s overrides prices, but book "%s" inherits none', NEW.version, NEW.book),
				HINT = 'Name the book it inherits from in aiusage.price_book, or give the version models of its own.';
		END IF;
		-- One publication of a book at a time: its order decides which version is the newest.
		PERFORM 1 FROM aiusage.price_book AS b WHERE b.book = NEW.book FOR NO KEY UPDATE;
		NEW.publication := (SELECT coalesce(max(v.publication), 0) + 1 FROM aiusage.price_version AS v WHERE v.book = NEW.book);
		NEW.published_at := clock_timestamp();
		NEW.published_by := current_user;
		NEW.checksum := aiusage.prices_checksum(NEW.version);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_price_version() IS 'Trigger of aiusage.price_version: draft becomes published or withdrawn, and nothing changes after that (UA403); stamps order, time, role and checksum of a publication. UA422: the version is empty';

CREATE FUNCTION aiusage.guard_price_rows() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found record;
BEGIN
	-- The lock makes a publication wait for this transaction, or this one for the publication.
	IF TG_OP <> 'DELETE' THEN
		FOR found IN
			SELECT v.version, v.status, v.book FROM aiusage.price_version AS v
			WHERE v.version IN (SELECT n.version FROM new_rows AS n) ORDER BY v.version FOR SHARE
		LOOP
			PERFORM aiusage.refuse_unless_draft(found.version, found.status, found.book);
		END LOOP;
		IF TG_TABLE_NAME IN ('price_rule', 'price_override') THEN
			PERFORM aiusage.refuse_secret('note', n.note) FROM new_rows AS n WHERE n.note IS NOT NULL;
		END IF;
	END IF;
	IF TG_OP <> 'INSERT' THEN
		FOR found IN
			SELECT v.version, v.status, v.book FROM aiusage.price_version AS v
			WHERE v.version IN (SELECT o.version FROM old_rows AS o) ORDER BY v.version FOR SHARE
		LOOP
			PERFORM aiusage.refuse_unless_draft(found.version, found.status, found.book);
		END LOOP;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.guard_price_rows() IS 'Trigger of the tables that make up a price version: only those of a draft change (UA403)';

CREATE FUNCTION aiusage.refuse_unless_draft(version int, status text, book text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF status <> 'draft' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = format('price version %s is %s and cannot change', version, status),
			DETAIL = CASE status WHEN 'published' THEN 'Ledger rows are stamped with it, and must stay explainable.' ELSE 'It was given up.' END,
			HINT = format('Make a new version: aiusage.draft_prices(%L, ..., copy_from => %s).', book, version);
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.refuse_unless_draft(int, text, text) IS 'Raises UA403 when a price version with this status cannot change';

CREATE FUNCTION aiusage.refuse_price_truncate() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'UA403',
		MESSAGE = format('table "%s" cannot be truncated', TG_TABLE_NAME),
		DETAIL = 'Published prices are kept for good.',
		HINT = 'Delete the rows of a draft, or withdraw it with aiusage.withdraw_prices().';
END
$$;
COMMENT ON FUNCTION aiusage.refuse_price_truncate() IS 'Trigger of the price tables: refuses TRUNCATE (UA403)';
