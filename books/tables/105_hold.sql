/*
 * Durable holds of admission.  Memory is what limits are checked against; this
 * is what memory is made from after a restart.  Written by the C code of
 * aiusage.admit() and of the rows that draw on a hold, each in its own
 * transaction.
 */

CREATE TABLE aiusage.hold (
	hold_id uuid PRIMARY KEY,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	closed_at timestamptz,
	status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'settled', 'released')),
	estimated_cost numeric CHECK (estimated_cost >= 0),
	currency text,
	operation_id text,
	api_key text NOT NULL,
	provider text NOT NULL,
	model text NOT NULL,
	service_tier text,
	endpoint text,
	region text,
	customer text,
	user_id text,
	workflow text,
	quotas int[] NOT NULL,
	subjects uuid[] NOT NULL,
	windows bigint[] NOT NULL,
	held numeric[] NOT NULL,
	CHECK ((status = 'open') = (closed_at IS NULL)),
	CHECK (cardinality(quotas) = cardinality(subjects) AND cardinality(quotas) = cardinality(windows)
		AND cardinality(quotas) = cardinality(held))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX hold_open ON aiusage.hold (expires_at) WHERE status = 'open';

COMMENT ON TABLE aiusage.hold IS 'Holds of aiusage.admit(durable => true): what a request may cost at most, kept of its limits until it is booked. maintain() removes those that ended over a day ago';
COMMENT ON COLUMN aiusage.hold.hold_id IS 'Id of the hold, which proves that it is genuine';
COMMENT ON COLUMN aiusage.hold.created_at IS 'When it was admitted';
COMMENT ON COLUMN aiusage.hold.expires_at IS 'When it is freed if nothing else ends it';
COMMENT ON COLUMN aiusage.hold.closed_at IS 'When it was settled or released; NULL: neither';
COMMENT ON COLUMN aiusage.hold.status IS 'open (until expires_at), settled by its last attempt, or released';
COMMENT ON COLUMN aiusage.hold.estimated_cost IS 'Cost of the worst case, in currency; NULL: no price is known';
COMMENT ON COLUMN aiusage.hold.currency IS 'Currency of estimated_cost (ISO 4217)';
COMMENT ON COLUMN aiusage.hold.operation_id IS 'The logical call, as the gateway names it';
COMMENT ON COLUMN aiusage.hold.api_key IS 'Label of the key';
COMMENT ON COLUMN aiusage.hold.provider IS 'Provider that was asked for';
COMMENT ON COLUMN aiusage.hold.model IS 'Model that was admitted';
COMMENT ON COLUMN aiusage.hold.service_tier IS 'Service tier; NULL: not said';
COMMENT ON COLUMN aiusage.hold.endpoint IS 'Endpoint; NULL: not said';
COMMENT ON COLUMN aiusage.hold.region IS 'Region; NULL: not said';
COMMENT ON COLUMN aiusage.hold.customer IS 'Customer; NULL: the assignment''s';
COMMENT ON COLUMN aiusage.hold.user_id IS 'User; NULL: not said';
COMMENT ON COLUMN aiusage.hold.workflow IS 'Workflow; NULL: the assignment''s';
COMMENT ON COLUMN aiusage.hold.quotas IS 'Limits that it holds of (quota.quota)';
COMMENT ON COLUMN aiusage.hold.subjects IS 'Whose counter, as in quota_usage.subject';
COMMENT ON COLUMN aiusage.hold.windows IS 'Of which window, as in quota_usage.window_start; 0 for sliding ones';
COMMENT ON COLUMN aiusage.hold.held IS 'How much of it is held still, in the limit''s currency or unit';
