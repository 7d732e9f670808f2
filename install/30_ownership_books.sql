/* Price books of keys, customers and teams: which one applies, and since when. */

CREATE FUNCTION aiusage.guard_book_assignment() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP <> 'UPDATE' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = 'assignments of price books cannot be deleted',
			DETAIL = 'Ledger rows were priced by them.',
			HINT = 'aiusage.assign_book() with a NULL book ends one from a time on.';
	END IF;
	-- (scope and subject follow from the others, and are not known yet)
	IF to_jsonb(NEW) - ARRAY['valid_to', 'scope', 'subject'] IS DISTINCT FROM to_jsonb(OLD) - ARRAY['valid_to', 'scope', 'subject'] THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = format('an assignment of price book "%s" cannot be changed', OLD.book),
			DETAIL = 'Ledger rows were priced by it; only its end may be set.',
			HINT = 'aiusage.assign_book() assigns another book from a time on.';
	END IF;
	IF OLD.valid_to <= now() AND (NEW.valid_to IS NULL OR NEW.valid_to > OLD.valid_to) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = format('an assignment of price book "%s" that has ended cannot be prolonged', OLD.book),
			DETAIL = format('It ended at %s.', OLD.valid_to),
			HINT = 'aiusage.assign_book() makes a new one.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_book_assignment() IS 'Trigger: of an assignment of a price book only the end may change, and not once it lies in the past, but to an earlier time (UA403)';

CREATE FUNCTION aiusage.assigned_book(scope text, subject text, purpose text, at timestamptz) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT a.book FROM aiusage.price_book_assignment AS a
	WHERE a.scope = assigned_book.scope AND a.subject = assigned_book.subject AND a.purpose = assigned_book.purpose
		AND a.valid_from <= assigned_book.at AND (a.valid_to IS NULL OR a.valid_to > assigned_book.at)
$$;
COMMENT ON FUNCTION aiusage.assigned_book(text, text, text, timestamptz) IS 'Price book that is assigned to a key, customer or team itself (scope) for a purpose (cost or charge) at a time; NULL: none';

/*
 * Sets the book of one subject and purpose over [starts, ends), whatever was
 * assigned there; ends NULL: until the next assignment that is known.
 */
CREATE FUNCTION aiusage.set_book(scope text, subject text, purpose text, book text, starts timestamptz, ends timestamptz, note text, force boolean)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	in_force aiusage.price_book_assignment;
	next_start timestamptz;
	a aiusage.price_book_assignment;
	result bigint;
BEGIN
	IF purpose = 'cost' AND EXISTS (SELECT FROM aiusage.price_book AS b WHERE b.book = set_book.book AND b.kind = 'charge') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('price book "%s" holds what is charged, not what is paid', book),
			HINT = 'Assign it for the purpose charge, or name a book of kind cost or list.';
	END IF;
	-- The row lock makes changes of one subject follow each other.
	IF scope = 'key' THEN
		PERFORM FROM aiusage.api_key AS k WHERE k.api_key = subject FOR NO KEY UPDATE;
	ELSIF scope = 'customer' THEN
		PERFORM FROM aiusage.customer AS c WHERE c.customer = subject FOR NO KEY UPDATE;
	ELSE
		PERFORM FROM aiusage.team AS t WHERE t.team = subject FOR NO KEY UPDATE;
	END IF;

	SELECT x.* INTO in_force FROM aiusage.price_book_assignment AS x
	WHERE x.scope = set_book.scope AND x.subject = set_book.subject AND x.purpose = set_book.purpose
		AND x.valid_from <= starts AND (x.valid_to IS NULL OR x.valid_to > starts);
	next_start := (SELECT min(x.valid_from) FROM aiusage.price_book_assignment AS x
		WHERE x.scope = set_book.scope AND x.subject = set_book.subject AND x.purpose = set_book.purpose
			AND x.valid_from > starts AND (x.valid_to IS NULL OR x.valid_from < x.valid_to));
	IF ends IS NULL AND next_start IS NOT NULL THEN
		ends := next_start;
		RAISE NOTICE USING
			MESSAGE = format('the price book of %s "%s" changes again at %s', scope, subject, next_start),
			HINT = 'Say valid_to to assign over that, too.';
	END IF;
	IF in_force.book = book AND (in_force.valid_to IS NULL OR in_force.valid_to >= ends) THEN
		RETURN in_force.book_assignment;
	END IF;
	IF book IS NULL AND in_force.book IS NULL AND (next_start IS NULL OR next_start >= ends) THEN
		RETURN NULL;
	END IF;
	IF starts < now() AND NOT coalesce(force, false) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('the price book of %s "%s" cannot be changed from a time in the past', scope, subject),
			DETAIL = 'Usage since then may be booked at the prices of another book already.',
			HINT = 'Leave out valid_from for a change from now on. To change the past, pass force => true, which changes no row that is booked.';
	END IF;

	FOR a IN
		SELECT x.* FROM aiusage.price_book_assignment AS x
		WHERE x.scope = set_book.scope AND x.subject = set_book.subject AND x.purpose = set_book.purpose
			AND (x.valid_to IS NULL OR (x.valid_from < x.valid_to AND x.valid_to > starts))
			AND (ends IS NULL OR x.valid_from < ends)
		ORDER BY x.valid_from
	LOOP
		UPDATE aiusage.price_book_assignment AS x SET valid_to = greatest(starts, x.valid_from)
		WHERE x.book_assignment = a.book_assignment;
		IF a.valid_to IS NULL AND ends IS NOT NULL OR a.valid_to > ends THEN
			INSERT INTO aiusage.price_book_assignment (api_key, customer, team, purpose, book, valid_from, valid_to, note)
			VALUES (a.api_key, a.customer, a.team, a.purpose, a.book, ends, a.valid_to, a.note);
		END IF;
	END LOOP;
	IF book IS NOT NULL THEN
		INSERT INTO aiusage.price_book_assignment (api_key, customer, team, purpose, book, valid_from, valid_to, note)
		VALUES (CASE WHEN scope = 'key' THEN subject END, CASE WHEN scope = 'customer' THEN subject END,
			CASE WHEN scope = 'team' THEN subject END, purpose, book, starts, ends, note)
		RETURNING book_assignment INTO STRICT result;
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION aiusage.set_book(text, text, text, text, timestamptz, timestamptz, text, boolean) IS 'Body of assign_book() and of the books of put_key(): its arguments have been checked. Errors: UA409 for a change in the past without force, UA422 for a charge book as cost';

CREATE FUNCTION aiusage.assign_book(scope text, subject text, book text, purpose text DEFAULT 'cost', valid_from timestamptz DEFAULT NULL,
		valid_to timestamptz DEFAULT NULL, note text DEFAULT NULL, force boolean DEFAULT false)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	known boolean;
BEGIN
	IF scope IS NULL OR scope NOT IN ('key', 'customer', 'team') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('scope "%s" of a price book is not known', left(scope, 64)),
			HINT = 'Scopes are key, customer and team.';
	END IF;
	IF purpose IS NULL OR purpose NOT IN ('cost', 'charge') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('purpose "%s" of a price book is not known', left(purpose, 64)),
			HINT = 'Purposes are cost (what we pay) and charge (what is billed onwards).';
	END IF;
	known := CASE scope
		WHEN 'key' THEN EXISTS (SELECT FROM aiusage.api_key AS k WHERE k.api_key = subject)
		WHEN 'customer' THEN EXISTS (SELECT FROM aiusage.customer AS c WHERE c.customer = subject)
		ELSE EXISTS (SELECT FROM aiusage.team AS t WHERE t.team = subject) END;
	IF NOT known THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('%s "%s" does not exist', scope, left(subject, 64)),
			HINT = format('aiusage.put_%s() enters one.', scope);
	END IF;
	IF book IS NOT NULL AND NOT EXISTS (SELECT FROM aiusage.price_book AS b WHERE b.book = assign_book.book) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('price book "%s" does not exist', left(book, 64)),
			HINT = 'Make it: INSERT INTO aiusage.price_book (book, kind, currency) VALUES (...).';
	END IF;
	IF valid_from = 'infinity' OR valid_to <= valid_from OR valid_to <= clock_timestamp() AND valid_from IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'an assignment of a price book must end after it begins',
			DETAIL = format('It would begin at %s and end at %s.', coalesce(valid_from::text, 'this moment'), coalesce(valid_to::text, 'no time')),
			HINT = 'Leave valid_to out for one that holds until the next.';
	END IF;
	RETURN aiusage.set_book(scope, subject, purpose, book,
		-- Ids of ledger rows count milliseconds: an event of this very moment is after the change.
		coalesce(valid_from, date_trunc('milliseconds', clock_timestamp())), nullif(valid_to, 'infinity'), note,
		force OR valid_from IS NULL);
END
$$;
COMMENT ON FUNCTION aiusage.assign_book(text, text, text, text, timestamptz, timestamptz, text, boolean) IS 'Assigns a price book to a key, customer or team (scope) for a purpose: cost, or charge, from valid_from (default: now) to valid_to (default: the next assignment that is known, else no end), over whatever was assigned there. A NULL book ends what is assigned. Returns the number of the assignment, NULL for none; the same again changes nothing. Rows already booked keep their prices. Errors: UA404 for an unknown subject or book, UA409 for a change in the past without force, UA422';

CREATE FUNCTION aiusage.set_key_book(key text, purpose text, book text, starts timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	present text := aiusage.assigned_book('key', key, purpose, starts);
BEGIN
	IF present IS NOT DISTINCT FROM book THEN
		RETURN;
	END IF;
	IF book IS NULL THEN
		RAISE NOTICE USING
			MESSAGE = format('key "%s" has no %s book of its own any more', key, CASE purpose WHEN 'cost' THEN 'price' ELSE purpose END),
			DETAIL = format('It was "%s"; the record leaves it out.', present);
	END IF;
	PERFORM aiusage.set_book('key', key, purpose, book, starts, NULL, NULL, true);
END
$$;
COMMENT ON FUNCTION aiusage.set_key_book(text, text, text, timestamptz) IS 'The price book of a key for a purpose as its record says, from a time on; for put_key()';

CREATE FUNCTION aiusage.owner_books_at(api_key text, assignment bigint, customer text, at timestamptz, OUT cost_book text, OUT charge_book text)
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_sql_books_at';
COMMENT ON FUNCTION aiusage.owner_books_at(text, bigint, text, timestamptz) IS 'Which price books apply to usage of a key under an assignment (NULL: unmatched), for a customer (NULL: the assignment''s), at a time, by the same caches that book a row. cost_book NULL: the default book; charge_book NULL: nothing is charged. For the owner of the books only';
