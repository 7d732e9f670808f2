/* The books themselves: settings, where they live, and the audit log. */

CREATE TABLE aiusage.setting (
	name text PRIMARY KEY,
	value text NOT NULL,
	meaning text NOT NULL,
	CONSTRAINT setting_value_length CHECK (octet_length(value) <= 256)
);
COMMENT ON TABLE aiusage.setting IS 'Policy of these books, a row a setting; changes take effect at commit in every session and are audited';
COMMENT ON COLUMN aiusage.setting.name IS 'Name of the setting; the set of names is fixed';
COMMENT ON COLUMN aiusage.setting.value IS 'Its value, as text';
COMMENT ON COLUMN aiusage.setting.meaning IS 'What it does and which values it takes';

INSERT INTO aiusage.setting (name, value, meaning) VALUES
	('currency', 'USD', 'Currency of a row that no price book could give one; three letters A-Z'),
	('default_book', 'list', 'Price book of keys that name none'),
	('time_zone', 'UTC', 'Time zone of the global billing calendar when the books are made'),
	('strict_keys', 'off', 'on: a row of an unknown key, or of a key nobody owns at that time, is refused (UA404); off: it is booked as unmatched'),
	('strict_prices', 'off', 'on: a row that no price is known for is refused (UA404), unless its key says otherwise; off: it is booked as unpriced'),
	('partition_interval', '1 month', 'Width of the ledger''s partitions: 1 day, 1 week or 1 month'),
	('partitions_ahead', '2', 'How many partitions beyond the current one are made ahead'),
	('fold_rows', '250000', 'About how many ledger rows a fold takes at once (1000 to 100000000); what is more is folded in chunks, which maintain() commits one by one'),
	('quota_backfill_rows', '5000000', 'How many ledger rows are read at most to publish a limit; one that would need more is refused (53400)');

CREATE TABLE aiusage.books (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	system_identifier bigint NOT NULL,
	incarnation int NOT NULL CHECK (incarnation BETWEEN 1 AND 32767),
	created_at timestamptz NOT NULL DEFAULT now(),
	hold_secret bytea NOT NULL DEFAULT sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))
		CHECK (octet_length(hold_secret) = 32),
	retained_from uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);
COMMENT ON TABLE aiusage.books IS 'One row: which cluster these books live in and how far back they reach';
COMMENT ON COLUMN aiusage.books.only_row IS 'Always true: there is one row';
COMMENT ON COLUMN aiusage.books.system_identifier IS 'Identifier of the cluster that booked last (pg_control_system()); another one means the books were restored elsewhere';
COMMENT ON COLUMN aiusage.books.incarnation IS 'Counts the clusters these books have lived in: the upper 16 bits of usage_record.txid, since transaction ids mean nothing in another cluster';
COMMENT ON COLUMN aiusage.books.created_at IS 'When aiusage.init() made the books';
COMMENT ON COLUMN aiusage.books.hold_secret IS 'What proves that a hold id was made by admission here; random, 32 bytes. Another one makes open holds forged';
COMMENT ON COLUMN aiusage.books.retained_from IS 'Ids below this one belong to dropped partitions and are refused (UA409)';

CREATE TABLE aiusage.audit_log (
	entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	session_role text NOT NULL,
	role text NOT NULL,
	relation text NOT NULL,
	operation text NOT NULL CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE', 'ACTION')),
	old jsonb,
	new jsonb,
	xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	application text
);
COMMENT ON TABLE aiusage.audit_log IS 'Every change of configuration: who, when, what it was and what it became; written by the books'' owner only';
COMMENT ON COLUMN aiusage.audit_log.entry IS 'Number of the entry; gaps are transactions that rolled back';
COMMENT ON COLUMN aiusage.audit_log.at IS 'When the row changed (not when it was committed)';
COMMENT ON COLUMN aiusage.audit_log.session_role IS 'Role that logged in';
COMMENT ON COLUMN aiusage.audit_log.role IS 'Role that acted (SET ROLE)';
COMMENT ON COLUMN aiusage.audit_log.relation IS 'Table in schema aiusage, or the function for an ACTION';
COMMENT ON COLUMN aiusage.audit_log.operation IS 'INSERT, UPDATE, DELETE, or ACTION (something done by a function)';
COMMENT ON COLUMN aiusage.audit_log.old IS 'The row before';
COMMENT ON COLUMN aiusage.audit_log.new IS 'The row after';
COMMENT ON COLUMN aiusage.audit_log.xid IS 'Transaction that made the change';
COMMENT ON COLUMN aiusage.audit_log.application IS 'application_name of the session';

CREATE INDEX audit_log_relation ON aiusage.audit_log (relation, entry);
