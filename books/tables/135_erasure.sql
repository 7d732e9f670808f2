/*
 * Erasure of identifiers: of a person, or of a class of keys whose time for
 * them is over.  Money, counts and owners are never touched.
 */

CREATE TABLE aiusage.erasure (
	erasure bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	user_id text CHECK (octet_length(user_id) BETWEEN 1 AND 256),
	user_digest text NOT NULL,
	reason text NOT NULL CHECK (octet_length(reason) BETWEEN 1 AND 1024),
	ticket text CHECK (octet_length(ticket) BETWEEN 1 AND 256),
	status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'done')),
	last_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
	boundary bigint,
	running bigint[],
	rows_erased bigint NOT NULL DEFAULT 0,
	holds_erased bigint NOT NULL DEFAULT 0,
	counters_erased bigint NOT NULL DEFAULT 0,
	others_erased bigint NOT NULL DEFAULT 0,
	requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	session_role text NOT NULL,
	role text NOT NULL,
	finished_at timestamptz,
	CHECK ((status = 'open') = (finished_at IS NULL) AND (status = 'open') = (user_id IS NOT NULL))
);
COMMENT ON TABLE aiusage.erasure IS 'Erasures of persons: who asked for it and why, how far it is and what it erased. Written by aiusage.erase_user() and aiusage.request_erasure()';
COMMENT ON COLUMN aiusage.erasure.erasure IS 'Number';
COMMENT ON COLUMN aiusage.erasure.user_id IS 'The user while it is not done; NULL: done, and forgotten here too';
COMMENT ON COLUMN aiusage.erasure.user_digest IS 'aiusage.user_digest() of the user: SHA-256 with a secret of these books, so that it can be asked whether a user was erased, and not who was';
COMMENT ON COLUMN aiusage.erasure.reason IS 'Why';
COMMENT ON COLUMN aiusage.erasure.ticket IS 'Ticket or request it refers to; NULL: none';
COMMENT ON COLUMN aiusage.erasure.status IS 'open: maintain() goes on with it; done';
COMMENT ON COLUMN aiusage.erasure.last_id IS 'Ledger rows up to this id have been looked at';
COMMENT ON COLUMN aiusage.erasure.boundary IS 'With running: which transactions had ended when it began, in the form of aiusage.fold_state; rows of the others are looked at last. NULL: not begun';
COMMENT ON COLUMN aiusage.erasure.running IS 'See boundary';
COMMENT ON COLUMN aiusage.erasure.rows_erased IS 'Ledger rows whose identifiers were erased';
COMMENT ON COLUMN aiusage.erasure.holds_erased IS 'Holds of admission likewise';
COMMENT ON COLUMN aiusage.erasure.counters_erased IS 'Counters of limits by user that were renamed to (erased)';
COMMENT ON COLUMN aiusage.erasure.others_erased IS 'Events, overrides and requests of limits, retired limits, corrections and entries of the audit log in which the user was named';
COMMENT ON COLUMN aiusage.erasure.requested_at IS 'When it was asked for';
COMMENT ON COLUMN aiusage.erasure.session_role IS 'Role that logged in';
COMMENT ON COLUMN aiusage.erasure.role IS 'Role that acted';
COMMENT ON COLUMN aiusage.erasure.finished_at IS 'When it was done; NULL while it is not';

CREATE TABLE aiusage.class_erasure (
	partition text,
	class text,
	keys text[] NOT NULL,
	last_id uuid,
	boundary bigint NOT NULL,
	running bigint[] NOT NULL,
	rows_erased bigint NOT NULL DEFAULT 0,
	checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (partition, class)
);
COMMENT ON TABLE aiusage.class_erasure IS 'Partitions in which the identifiers of a retention class were erased, since its keep_identifiers was over. Written by aiusage.erase_identifiers()';
COMMENT ON COLUMN aiusage.class_erasure.partition IS 'The partition';
COMMENT ON COLUMN aiusage.class_erasure.class IS 'The retention class';
COMMENT ON COLUMN aiusage.class_erasure.keys IS 'Keys of the class then; when others come to it, the partition is looked at anew';
COMMENT ON COLUMN aiusage.class_erasure.last_id IS 'Rows up to this id have been looked at; NULL: all';
COMMENT ON COLUMN aiusage.class_erasure.boundary IS 'With running: which rows had been looked at, in the form of aiusage.fold_state; late ones are looked at when they come';
COMMENT ON COLUMN aiusage.class_erasure.running IS 'See boundary';
COMMENT ON COLUMN aiusage.class_erasure.rows_erased IS 'Ledger rows whose identifiers were erased';
COMMENT ON COLUMN aiusage.class_erasure.checked_at IS 'When it was looked at last';
