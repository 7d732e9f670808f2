/*
 * Which price book applies to whom, and since when.
 *
 * Usage at time T costs what the book says that is assigned to its key at T,
 * else to its customer, else to its team, else the default book; and is
 * charged at the book assigned for that purpose in the same order, else not at
 * all.  What an assignment says never changes, only its end may be set, so a
 * row of the ledger can be priced again by the books of its own time.
 */
CREATE TABLE aiusage.price_book_assignment (
	book_assignment bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	api_key text REFERENCES aiusage.api_key (api_key),
	customer text REFERENCES aiusage.customer (customer),
	team text REFERENCES aiusage.team (team),
	scope text NOT NULL GENERATED ALWAYS AS
		(CASE WHEN api_key IS NOT NULL THEN 'key' WHEN customer IS NOT NULL THEN 'customer' ELSE 'team' END) STORED,
	subject text NOT NULL GENERATED ALWAYS AS (coalesce(api_key, customer, team)) STORED,
	purpose text NOT NULL CHECK (purpose IN ('cost', 'charge')),
	book text NOT NULL REFERENCES aiusage.price_book (book),
	valid_from timestamptz NOT NULL CHECK (valid_from < 'infinity'),
	valid_to timestamptz,
	note text CHECK (octet_length(note) BETWEEN 1 AND 256),
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by text NOT NULL DEFAULT current_user,
	CONSTRAINT price_book_assignment_one_subject CHECK (num_nonnulls(api_key, customer, team) = 1),
	CONSTRAINT price_book_assignment_ends_after_start CHECK (valid_from <= valid_to),
	CONSTRAINT price_book_assignment_one_at_a_time
		EXCLUDE USING gist (scope WITH =, subject WITH =, purpose WITH =, tstzrange(valid_from, valid_to) WITH &&)
);
COMMENT ON TABLE aiusage.price_book_assignment IS 'Price books of keys, customers and teams, from when to when; written by aiusage.assign_book() and put_key(). A key''s wins over its customer''s, that over its team''s, that over the default. Immutable but for the end';
COMMENT ON COLUMN aiusage.price_book_assignment.book_assignment IS 'Number of the assignment';
COMMENT ON COLUMN aiusage.price_book_assignment.api_key IS 'The key it is for; NULL: it is not for a key';
COMMENT ON COLUMN aiusage.price_book_assignment.customer IS 'The customer it is for, as the request says, else the assignment of the key; NULL: it is not for a customer';
COMMENT ON COLUMN aiusage.price_book_assignment.team IS 'The team it is for, which owned the key at the time of the usage; NULL: it is not for a team';
COMMENT ON COLUMN aiusage.price_book_assignment.scope IS 'key, customer or team';
COMMENT ON COLUMN aiusage.price_book_assignment.subject IS 'The key, customer or team';
COMMENT ON COLUMN aiusage.price_book_assignment.purpose IS 'cost: what we pay; charge: what is billed onwards';
COMMENT ON COLUMN aiusage.price_book_assignment.book IS 'The book whose prices apply';
COMMENT ON COLUMN aiusage.price_book_assignment.valid_from IS 'For usage from here on, inclusive; -infinity: from ever';
COMMENT ON COLUMN aiusage.price_book_assignment.valid_to IS 'For usage until here, exclusive; NULL: until further notice. Equal to valid_from: void, was replaced from its first moment';
COMMENT ON COLUMN aiusage.price_book_assignment.note IS 'Contract or reason; NULL: not said';
COMMENT ON COLUMN aiusage.price_book_assignment.created_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.price_book_assignment.created_by IS 'Role that entered it';
CREATE INDEX price_book_assignment_subject ON aiusage.price_book_assignment (scope, subject);
CREATE INDEX price_book_assignment_book ON aiusage.price_book_assignment (book);
