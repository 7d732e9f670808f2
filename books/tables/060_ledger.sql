/*
 * The ledger.  Columns are ordered by alignment so that a row has no padding:
 * 16- and 8-byte types, then 4, 2 and 1, then everything of variable length.
 * src/ledger/ledger_columns.h repeats this order; later releases only append.
 */

CREATE TABLE aiusage.usage_record (
	id uuid NOT NULL DEFAULT aiusage.uuid_v7(),
	occurred_at timestamptz NOT NULL,
	recorded_at timestamptz NOT NULL,
	txid bigint NOT NULL,
	cost aiusage.amount,
	list_cost aiusage.amount,
	charge aiusage.amount,
	provider_cost aiusage.amount,
	assignment bigint,
	correction bigint,
	adjusts uuid,
	hold_id uuid,
	price_version int,
	invoice_period int NOT NULL,
	latency_ms int,
	ttft_ms int,
	accepted int,
	status aiusage.usage_status NOT NULL DEFAULT 'success',
	stream_state aiusage.stream_state,
	cost_state aiusage.cost_state NOT NULL,
	unpriced_reason aiusage.unpriced_reason,
	quota_state aiusage.limit_state,
	kind aiusage.record_kind NOT NULL,
	attempt smallint NOT NULL DEFAULT 1,
	retries smallint,
	status_code smallint,
	streamed boolean,
	cache_hit boolean,
	spent boolean,
	api_key text NOT NULL,
	provider text NOT NULL,
	model text NOT NULL,
	usage aiusage.usage NOT NULL,
	cost_by_unit aiusage.unit_costs NOT NULL,
	request_id text,
	trace_id text,
	operation_id text,
	job_id text,
	credential_label text,
	user_id text,
	customer text,
	workflow text,
	origin text,
	provider_account text,
	provider_request_id text,
	requested_model text,
	endpoint text,
	requested_service_tier text,
	service_tier text,
	region text,
	route text,
	fallback_from text,
	error_class text,
	tags jsonb,
	CONSTRAINT usage_record_pkey PRIMARY KEY (id)
) PARTITION BY RANGE (id);

COMMENT ON TABLE aiusage.usage_record IS 'The ledger: one immutable row an attempt of a request; corrections are rows that point at what they correct';
COMMENT ON COLUMN aiusage.usage_record.id IS 'UUIDv7 of the attempt, from the gateway or aiusage.uuid_v7(); aiusage.event_id() derives one from a request id. Primary key: replaying an insert with ON CONFLICT DO NOTHING books once';
COMMENT ON COLUMN aiusage.usage_record.occurred_at IS 'When the request happened; default: the id''s time; at most 2 days before and 1 hour after it';
COMMENT ON COLUMN aiusage.usage_record.recorded_at IS 'When the row was booked (server clock). Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.txid IS 'Incarnation of the books << 48 | top-level transaction id: what the fold goes by; means nothing outside this cluster. Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.cost IS 'What the request costs by the key''s price book, exact to 1e-12; NULL: unpriced; negative on a reversal. Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.list_cost IS 'The same by the list book, where that differs from cost; NULL: equals cost. Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.charge IS 'What the team or customer is billed by its charge book; NULL: no charge book. Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.provider_cost IS 'Cost as the provider or gateway reported it, for comparison only; never part of a total';
COMMENT ON COLUMN aiusage.usage_record.assignment IS 'The key''s assignment at occurred_at (aiusage.key_assignment): team, cost center, project, environment, owner; NULL: unmatched. Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.correction IS 'The correction this row belongs to (aiusage.correction: who, why, ticket). Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.adjusts IS 'Id of the row that this one corrects or adds to. Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.hold_id IS 'The hold this attempt draws on; a row that names a genuine hold of its key is always booked';
COMMENT ON COLUMN aiusage.usage_record.price_version IS 'Price version the cost was computed from (aiusage.price_version). Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.invoice_period IS 'Period the row is billed in (aiusage.invoice_period); a row for a closed period goes to the next open one. Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.latency_ms IS 'Milliseconds from request to the end of the response; 0 or more';
COMMENT ON COLUMN aiusage.usage_record.ttft_ms IS 'Milliseconds to the first token; 0 or more';
COMMENT ON COLUMN aiusage.usage_record.accepted IS 'Results of this request that were accepted (merged, sent, kept); learned later: aiusage.record_outcome()';
COMMENT ON COLUMN aiusage.usage_record.status IS 'success, error, timeout or cancelled; default success';
COMMENT ON COLUMN aiusage.usage_record.stream_state IS 'complete, partial (the stream ended early) or estimated (the counters are a guess); the latter two make the cost estimated';
COMMENT ON COLUMN aiusage.usage_record.cost_state IS 'final, estimated or unpriced. Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.unpriced_reason IS 'Why there is no cost; of an adjustment, why there was none until this one. Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.quota_state IS 'ok, soft (a threshold was crossed) or over, as seen when booking; exempt: of a bulk import, which limits do not refuse; NULL: no limits apply. Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.kind IS 'usage, reversal (counts its row as minus), adjustment (money only) or outcome (accepted results only). Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.attempt IS 'Number of the attempt within its logical call, from 1; one row an attempt; default 1';
COMMENT ON COLUMN aiusage.usage_record.retries IS 'Attempts made inside an SDK that have no row of their own; 0 or more';
COMMENT ON COLUMN aiusage.usage_record.status_code IS 'HTTP status of the provider''s answer, 100 to 599';
COMMENT ON COLUMN aiusage.usage_record.streamed IS 'The response was streamed';
COMMENT ON COLUMN aiusage.usage_record.cache_hit IS 'The gateway answered from its own cache';
COMMENT ON COLUMN aiusage.usage_record.spent IS 'true: the money is gone already, book whatever the rules say';
COMMENT ON COLUMN aiusage.usage_record.api_key IS 'Label of the key, never the secret (aiusage.api_key)';
COMMENT ON COLUMN aiusage.usage_record.provider IS 'Who answered, as price books know it: openai, anthropic, azure, aws, ...';
COMMENT ON COLUMN aiusage.usage_record.model IS 'Model that answered (gen_ai.response.model)';
COMMENT ON COLUMN aiusage.usage_record.usage IS 'What was used, unit -> quantity; totals are inclusive: cached and reasoning tokens are part of input_tokens and output_tokens. Of an adjustment nothing, but for one that prices what was unpriced: the usage it prices, which counts once, with its row';
COMMENT ON COLUMN aiusage.usage_record.cost_by_unit IS 'The cost, unit by unit; adds up to cost; empty when unpriced. Written by aiusage';
COMMENT ON COLUMN aiusage.usage_record.request_id IS 'The gateway''s own id of the request';
COMMENT ON COLUMN aiusage.usage_record.trace_id IS 'Trace that the request belongs to';
COMMENT ON COLUMN aiusage.usage_record.operation_id IS 'Groups the attempts of one logical call: retries and fallbacks share it';
COMMENT ON COLUMN aiusage.usage_record.job_id IS 'Batch job or run';
COMMENT ON COLUMN aiusage.usage_record.credential_label IS 'Which credential of the key was used, as a label (rotation)';
COMMENT ON COLUMN aiusage.usage_record.user_id IS 'End user, as the application names it; erasable';
COMMENT ON COLUMN aiusage.usage_record.customer IS 'Customer the request was made for; wins over the assignment''s';
COMMENT ON COLUMN aiusage.usage_record.workflow IS 'Workflow or feature; wins over the assignment''s';
COMMENT ON COLUMN aiusage.usage_record.origin IS 'Where the request came from, as a label (a service, a region), not an address';
COMMENT ON COLUMN aiusage.usage_record.provider_account IS 'Account, organisation or subscription at the provider, as a label';
COMMENT ON COLUMN aiusage.usage_record.provider_request_id IS 'The provider''s id of the request';
COMMENT ON COLUMN aiusage.usage_record.requested_model IS 'Model that was asked for (gen_ai.request.model)';
COMMENT ON COLUMN aiusage.usage_record.endpoint IS 'Operation: chat, responses, embeddings, images, ... (gen_ai.operation.name)';
COMMENT ON COLUMN aiusage.usage_record.requested_service_tier IS 'Service tier asked for';
COMMENT ON COLUMN aiusage.usage_record.service_tier IS 'Service tier served, which prices: batch, flex, priority, ...; NULL: standard';
COMMENT ON COLUMN aiusage.usage_record.region IS 'Region that served';
COMMENT ON COLUMN aiusage.usage_record.route IS 'Route or deployment the gateway chose';
COMMENT ON COLUMN aiusage.usage_record.fallback_from IS 'Model or route that this attempt stands in for';
COMMENT ON COLUMN aiusage.usage_record.error_class IS 'Kind of error (error.type): rate_limit, timeout, content_filter, ...';
COMMENT ON COLUMN aiusage.usage_record.tags IS 'Flat object of short labels (at most 32, 256 bytes each); no content, no secrets';

-- What the fold reads by, and what a search by time reads by, in one index:
-- a second BRIN would cost every insert a second descent.
CREATE INDEX usage_record_brin ON aiusage.usage_record USING brin (txid, occurred_at)
	WITH (pages_per_range = 32, autosummarize = on);

-- Corrections find what was corrected, and the work list what has no price;
-- ordinary rows are not in it.
CREATE INDEX usage_record_adjusts ON aiusage.usage_record (adjusts, id, cost_state)
	WHERE adjusts IS NOT NULL OR cost_state = 'unpriced';

-- Nothing is ever lost for want of a partition; make_partitions() keeps it empty.
CREATE TABLE aiusage.usage_record_default PARTITION OF aiusage.usage_record DEFAULT;
COMMENT ON TABLE aiusage.usage_record_default IS 'Rows of the ledger for whose time no partition was made; should be empty';
