/*
 * API keys and who owns them, and since when.
 *
 * A key is the label of a workload: never the secret itself, which aiusage
 * neither needs nor accepts.  The label survives rotations of the credential
 * behind it; aiusage.key_credential remembers those by labels of their own.
 *
 * Ownership is effective-dated: usage at time T belongs to the assignment of
 * its key that is in force at T.  What an assignment says never changes, only
 * its end may be set; ledger rows refer to it by number.
 */

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

CREATE TABLE aiusage.api_key (
	api_key text PRIMARY KEY CHECK (octet_length(api_key) BETWEEN 1 AND 256),
	class text CHECK (class IN ('development', 'staging', 'production', 'batch', 'customer', 'evaluation')),
	status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
	status_reason text CHECK (octet_length(status_reason) BETWEEN 1 AND 256),
	status_changed_at timestamptz,
	allowed_providers text[] CHECK (cardinality(allowed_providers) > 0 AND array_position(allowed_providers, NULL) IS NULL),
	allowed_models text[] CHECK (cardinality(allowed_models) > 0 AND array_position(allowed_models, NULL) IS NULL),
	allowed_endpoints text[] CHECK (cardinality(allowed_endpoints) > 0 AND array_position(allowed_endpoints, NULL) IS NULL),
	escalation_contact text CHECK (octet_length(escalation_contact) BETWEEN 1 AND 256),
	review_cadence interval CHECK (review_cadence > interval '0'),
	reviewed_on date,
	rotation_due date,
	rotation_owner text CHECK (octet_length(rotation_owner) BETWEEN 1 AND 256),
	rotation_trigger text CHECK (octet_length(rotation_trigger) BETWEEN 1 AND 256),
	rotated_at timestamptz,
	replaced_by text REFERENCES aiusage.api_key (api_key),
	strict_prices boolean,
	retention_class text REFERENCES aiusage.retention_class (class),
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by text NOT NULL DEFAULT current_user
);
COMMENT ON TABLE aiusage.api_key IS 'API keys, by their non-secret labels; written by aiusage.put_key()';
COMMENT ON COLUMN aiusage.api_key.api_key IS 'Label of the key, at most 256 bytes; never the secret itself';
COMMENT ON COLUMN aiusage.api_key.class IS 'Scope class that selects policy: development, staging, production, batch, customer or evaluation; NULL: not said';
COMMENT ON COLUMN aiusage.api_key.status IS 'active, or disabled: usage that has not been spent yet is refused (UA403)';
COMMENT ON COLUMN aiusage.api_key.status_reason IS 'Why it was disabled or enabled last; NULL: not said';
COMMENT ON COLUMN aiusage.api_key.status_changed_at IS 'When the status changed last; NULL: never';
COMMENT ON COLUMN aiusage.api_key.allowed_providers IS 'Providers the key may use, compared without regard to ASCII case, a trailing * stands for anything; NULL: any';
COMMENT ON COLUMN aiusage.api_key.allowed_models IS 'Models the key may use, in the same form; NULL: any';
COMMENT ON COLUMN aiusage.api_key.allowed_endpoints IS 'Endpoints the key may use, in the same form; usage that names no endpoint is then refused; NULL: any';
COMMENT ON COLUMN aiusage.api_key.escalation_contact IS 'Whom to call when the key misbehaves; NULL: missing';
COMMENT ON COLUMN aiusage.api_key.review_cadence IS 'How often ownership and limits are reviewed; NULL: missing';
COMMENT ON COLUMN aiusage.api_key.reviewed_on IS 'Day of the last review; NULL: never';
COMMENT ON COLUMN aiusage.api_key.rotation_due IS 'Day by which the credential is to be rotated; NULL: not said';
COMMENT ON COLUMN aiusage.api_key.rotation_owner IS 'Who rotates it; NULL: not said';
COMMENT ON COLUMN aiusage.api_key.rotation_trigger IS 'What else makes a rotation necessary; NULL: not said';
COMMENT ON COLUMN aiusage.api_key.rotated_at IS 'Time of the last aiusage.rotate_key(); NULL: never';
COMMENT ON COLUMN aiusage.api_key.replaced_by IS 'The key that takes its place; NULL: none';
COMMENT ON COLUMN aiusage.api_key.strict_prices IS 'true: usage that no price is known for is refused (UA404); false: it is booked as unpriced; NULL: as the setting strict_prices says';
COMMENT ON COLUMN aiusage.api_key.retention_class IS 'How long its ledger rows are kept (aiusage.retention_class); NULL: the class called as its scope class, else default';
COMMENT ON COLUMN aiusage.api_key.created_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.api_key.created_by IS 'Role that entered it';

CREATE TABLE aiusage.key_assignment (
	assignment bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	api_key text NOT NULL REFERENCES aiusage.api_key (api_key),
	valid_from timestamptz NOT NULL,
	valid_to timestamptz,
	team text REFERENCES aiusage.team (team),
	cost_center text REFERENCES aiusage.cost_center (cost_center),
	project text CHECK (octet_length(project) BETWEEN 1 AND 256),
	environment text CHECK (octet_length(environment) BETWEEN 1 AND 256),
	workflow text CHECK (octet_length(workflow) BETWEEN 1 AND 256),
	customer text REFERENCES aiusage.customer (customer),
	owner text CHECK (octet_length(owner) BETWEEN 1 AND 256),
	owner_kind text CHECK (octet_length(owner_kind) BETWEEN 1 AND 256),
	product text CHECK (octet_length(product) BETWEEN 1 AND 256),
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by text NOT NULL DEFAULT current_user,
	CONSTRAINT key_assignment_ends_after_start CHECK (valid_from <= valid_to),
	CONSTRAINT key_assignment_one_at_a_time
		EXCLUDE USING gist (api_key WITH =, tstzrange(valid_from, valid_to) WITH &&)
);
COMMENT ON TABLE aiusage.key_assignment IS 'Who owns a key from when to when; ledger rows refer to the assignment in force at their time. Immutable but for the end';
COMMENT ON COLUMN aiusage.key_assignment.assignment IS 'Number that ledger rows carry';
COMMENT ON COLUMN aiusage.key_assignment.api_key IS 'The key';
COMMENT ON COLUMN aiusage.key_assignment.valid_from IS 'In force from here, inclusive; -infinity: from ever';
COMMENT ON COLUMN aiusage.key_assignment.valid_to IS 'In force until here, exclusive; NULL: until further notice. Equal to valid_from: void, was replaced from its first moment';
COMMENT ON COLUMN aiusage.key_assignment.team IS 'Team; NULL: unmatched';
COMMENT ON COLUMN aiusage.key_assignment.cost_center IS 'Cost center, whose calendar decides the invoice period; NULL: unmatched, global calendar';
COMMENT ON COLUMN aiusage.key_assignment.project IS 'Project; NULL: not said';
COMMENT ON COLUMN aiusage.key_assignment.environment IS 'Where the workload runs; NULL: not said';
COMMENT ON COLUMN aiusage.key_assignment.workflow IS 'Workflow of usage that names none itself; NULL: not said';
COMMENT ON COLUMN aiusage.key_assignment.customer IS 'Customer of usage that names none itself; NULL: none';
COMMENT ON COLUMN aiusage.key_assignment.owner IS 'Who answers for the key; NULL: missing';
COMMENT ON COLUMN aiusage.key_assignment.owner_kind IS 'What the owner is: a person, a service account, a team, ...; NULL: not said';
COMMENT ON COLUMN aiusage.key_assignment.product IS 'Product the workload belongs to; NULL: not said';
COMMENT ON COLUMN aiusage.key_assignment.created_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.key_assignment.created_by IS 'Role that entered it';
CREATE INDEX key_assignment_team ON aiusage.key_assignment (team);
CREATE INDEX key_assignment_cost_center ON aiusage.key_assignment (cost_center);
CREATE INDEX key_assignment_customer ON aiusage.key_assignment (customer);

CREATE TABLE aiusage.key_credential (
	api_key text REFERENCES aiusage.api_key (api_key),
	credential_label text CHECK (octet_length(credential_label) BETWEEN 1 AND 256),
	valid_from timestamptz NOT NULL,
	valid_to timestamptz,
	created_by text NOT NULL DEFAULT current_user,
	PRIMARY KEY (api_key, credential_label),
	CHECK (valid_from <= valid_to)
);
COMMENT ON TABLE aiusage.key_credential IS 'Credentials that have stood behind a key, by non-secret labels; written by aiusage.rotate_key()';
COMMENT ON COLUMN aiusage.key_credential.api_key IS 'The key, whose label and counters survive the rotation';
COMMENT ON COLUMN aiusage.key_credential.credential_label IS 'Label of the credential, as ledger rows carry it; never the secret itself';
COMMENT ON COLUMN aiusage.key_credential.valid_from IS 'In use from here';
COMMENT ON COLUMN aiusage.key_credential.valid_to IS 'In use until here, the overlap of the rotation included; NULL: until the next rotation';
COMMENT ON COLUMN aiusage.key_credential.created_by IS 'Role that entered it';
