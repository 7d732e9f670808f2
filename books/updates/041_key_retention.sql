/* 1.0 -> 1.1: keys are of retention classes. */

CREATE TABLE aiusage.retention_class (
	class text PRIMARY KEY CHECK (octet_length(class) BETWEEN 1 AND 256),
	keep interval CHECK (keep >= interval '1 day'),
	keep_identifiers interval CHECK (keep_identifiers >= interval '1 day'),
	note text CHECK (octet_length(note) BETWEEN 1 AND 256)
);
COMMENT ON TABLE aiusage.retention_class IS 'How long ledger rows are kept, by class of their key: the class the key names, else the one that is called as its scope class (development, production, ...), else default. Written by aiusage.put_retention_class()';
COMMENT ON COLUMN aiusage.retention_class.class IS 'Name of the class';
COMMENT ON COLUMN aiusage.retention_class.keep IS 'How long after its time a row is kept, counted from the end of its partition; NULL: for ever. A partition is dropped when this has passed for every row in it';
COMMENT ON COLUMN aiusage.retention_class.keep_identifiers IS 'How long after its time a row keeps its identifiers (user, request, trace, operation and job ids, origin, tags); NULL: as long as keep says, or for ever';
COMMENT ON COLUMN aiusage.retention_class.note IS 'Why so: law, contract, policy; NULL: not said';
INSERT INTO aiusage.retention_class (class, note) VALUES ('default', 'kept for ever, until somebody says how long');

ALTER TABLE aiusage.api_key ADD COLUMN retention_class text REFERENCES aiusage.retention_class (class);
COMMENT ON COLUMN aiusage.api_key.retention_class IS 'How long its ledger rows are kept (aiusage.retention_class); NULL: the class called as its scope class, else default';
