/*
 * The ledger for people and BI tools: no C types, no arrays, no jsonb, one
 * grain (a ledger row), the owner's names beside the ids.
 *
 * Owned by the owner of the books and a security barrier: whoever may read it
 * sees the rows of the teams, cost centers and customers in the scope that
 * aiusage.grant_access() gave.  Quantities, requests and money of a reversal
 * are negative, so that plain sums are right.
 */

CREATE OR REPLACE VIEW aiusage.usage_log WITH (security_barrier) AS
SELECT
	u.id,
	u.occurred_at,
	u.recorded_at,
	u.kind::text AS kind,
	u.adjusts,
	u.correction,
	u.api_key,
	u.credential_label,
	a.team,
	t.name AS team_name,
	a.cost_center,
	cc.name AS cost_center_name,
	a.project,
	a.environment,
	coalesce(u.workflow, a.workflow) AS workflow,
	coalesce(u.customer, a.customer) AS customer,
	u.user_id,
	a.owner,
	u.assignment,
	u.assignment IS NULL AS unmatched,
	u.provider,
	u.provider_account,
	u.model,
	u.requested_model,
	u.endpoint,
	u.service_tier,
	u.requested_service_tier,
	u.region,
	u.route,
	u.origin,
	u.fallback_from,
	u.request_id,
	u.provider_request_id,
	u.trace_id,
	u.operation_id,
	u.job_id,
	u.attempt::int AS attempt,
	u.retries::int AS retries,
	u.status::text AS status,
	u.status_code::int AS status_code,
	u.error_class,
	u.streamed,
	u.stream_state::text AS stream_state,
	u.cache_hit,
	u.spent,
	u.latency_ms,
	u.ttft_ms,
	u.accepted * s.sign AS accepted,
	CASE WHEN u.kind IN ('usage', 'reversal') THEN s.sign ELSE 0 END AS requests,
	(aiusage.quantity(u.usage, 'input_tokens') * s.sign)::bigint AS input_tokens,
	(aiusage.quantity(u.usage, 'cache_read_tokens') * s.sign)::bigint AS cache_read_tokens,
	(aiusage.quantity(u.usage, 'cache_write_tokens') * s.sign)::bigint AS cache_write_tokens,
	(aiusage.quantity(u.usage, 'output_tokens') * s.sign)::bigint AS output_tokens,
	(aiusage.quantity(u.usage, 'output_reasoning_tokens') * s.sign)::bigint AS reasoning_tokens,
	CASE WHEN u.kind = 'adjustment' THEN '{}' ELSE u.usage::text END AS usage,
	u.cost::numeric AS cost,
	u.list_cost::numeric AS list_cost,
	u.charge::numeric AS charge,
	aiusage.currency(u.cost_by_unit) AS currency,
	coalesce(aiusage.currency(u.list_cost), aiusage.currency(u.cost_by_unit)) AS list_currency,
	aiusage.currency(u.charge) AS charge_currency,
	CASE WHEN aiusage.currency(u.charge) = aiusage.currency(u.cost) THEN u.charge::numeric - u.cost::numeric END AS margin,
	u.cost_by_unit::text AS cost_by_unit,
	u.cost_state::text AS cost_state,
	u.unpriced_reason::text AS unpriced_reason,
	u.price_version,
	u.provider_cost::numeric AS provider_cost,
	aiusage.currency(u.provider_cost) AS provider_cost_currency,
	u.invoice_period,
	u.quota_state::text AS quota_state,
	u.hold_id,
	u.tags::text AS tags
FROM aiusage.usage_record AS u
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = u.assignment
LEFT JOIN aiusage.team AS t ON t.team = a.team
LEFT JOIN aiusage.cost_center AS cc ON cc.cost_center = a.cost_center
CROSS JOIN LATERAL (SELECT CASE u.kind WHEN 'reversal' THEN -1 WHEN 'adjustment' THEN 0 ELSE 1 END AS sign) AS s
WHERE (SELECT aiusage.sees_everything())
	OR a.team = ANY ((SELECT aiusage.visible_teams())::text[])
	OR a.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
	OR coalesce(u.customer, a.customer) = ANY ((SELECT aiusage.visible_customers())::text[]);

COMMENT ON VIEW aiusage.usage_log IS 'The ledger for people and BI tools: one row a ledger row, owners named, quantities and money as numbers. Filter on occurred_at (and on id >= aiusage.id_floor(...) in prepared statements) to read few partitions';
COMMENT ON COLUMN aiusage.usage_log.id IS 'Id of the row (UUIDv7)';
COMMENT ON COLUMN aiusage.usage_log.occurred_at IS 'When the request happened';
COMMENT ON COLUMN aiusage.usage_log.recorded_at IS 'When the row was booked';
COMMENT ON COLUMN aiusage.usage_log.kind IS 'usage, reversal, adjustment or outcome';
COMMENT ON COLUMN aiusage.usage_log.adjusts IS 'Row that this one corrects or adds to';
COMMENT ON COLUMN aiusage.usage_log.correction IS 'Correction it belongs to (aiusage.correction)';
COMMENT ON COLUMN aiusage.usage_log.api_key IS 'Label of the key';
COMMENT ON COLUMN aiusage.usage_log.credential_label IS 'Label of the key''s credential';
COMMENT ON COLUMN aiusage.usage_log.team IS 'Team that owned the key at that time; NULL: unmatched';
COMMENT ON COLUMN aiusage.usage_log.team_name IS 'Name of the team today';
COMMENT ON COLUMN aiusage.usage_log.cost_center IS 'Cost center at that time';
COMMENT ON COLUMN aiusage.usage_log.cost_center_name IS 'Name of the cost center today';
COMMENT ON COLUMN aiusage.usage_log.project IS 'Project at that time';
COMMENT ON COLUMN aiusage.usage_log.environment IS 'Environment of the key at that time';
COMMENT ON COLUMN aiusage.usage_log.workflow IS 'Workflow: the request''s own, else the assignment''s';
COMMENT ON COLUMN aiusage.usage_log.customer IS 'Customer: the request''s own, else the assignment''s';
COMMENT ON COLUMN aiusage.usage_log.user_id IS 'End user, as the application names it';
COMMENT ON COLUMN aiusage.usage_log.owner IS 'Owner of the key at that time';
COMMENT ON COLUMN aiusage.usage_log.assignment IS 'Assignment of the key at that time (aiusage.key_assignment)';
COMMENT ON COLUMN aiusage.usage_log.unmatched IS 'Nobody owned the key at that time';
COMMENT ON COLUMN aiusage.usage_log.provider IS 'Provider';
COMMENT ON COLUMN aiusage.usage_log.provider_account IS 'Account at the provider';
COMMENT ON COLUMN aiusage.usage_log.model IS 'Model that answered';
COMMENT ON COLUMN aiusage.usage_log.requested_model IS 'Model asked for';
COMMENT ON COLUMN aiusage.usage_log.endpoint IS 'Operation';
COMMENT ON COLUMN aiusage.usage_log.service_tier IS 'Service tier served';
COMMENT ON COLUMN aiusage.usage_log.requested_service_tier IS 'Service tier asked for';
COMMENT ON COLUMN aiusage.usage_log.region IS 'Region that served';
COMMENT ON COLUMN aiusage.usage_log.route IS 'Route the gateway chose';
COMMENT ON COLUMN aiusage.usage_log.origin IS 'Where the request came from, as a label';
COMMENT ON COLUMN aiusage.usage_log.fallback_from IS 'What this attempt stands in for';
COMMENT ON COLUMN aiusage.usage_log.request_id IS 'The gateway''s id of the request';
COMMENT ON COLUMN aiusage.usage_log.provider_request_id IS 'The provider''s id of the request';
COMMENT ON COLUMN aiusage.usage_log.trace_id IS 'Trace';
COMMENT ON COLUMN aiusage.usage_log.operation_id IS 'Logical call that its attempts share';
COMMENT ON COLUMN aiusage.usage_log.job_id IS 'Batch job or run';
COMMENT ON COLUMN aiusage.usage_log.attempt IS 'Number of the attempt, from 1';
COMMENT ON COLUMN aiusage.usage_log.retries IS 'Attempts inside an SDK without rows of their own';
COMMENT ON COLUMN aiusage.usage_log.status IS 'success, error, timeout or cancelled';
COMMENT ON COLUMN aiusage.usage_log.status_code IS 'HTTP status';
COMMENT ON COLUMN aiusage.usage_log.error_class IS 'Kind of error';
COMMENT ON COLUMN aiusage.usage_log.streamed IS 'The response was streamed';
COMMENT ON COLUMN aiusage.usage_log.stream_state IS 'complete, partial or estimated';
COMMENT ON COLUMN aiusage.usage_log.cache_hit IS 'Answered from the gateway''s cache';
COMMENT ON COLUMN aiusage.usage_log.spent IS 'Sent as spent already';
COMMENT ON COLUMN aiusage.usage_log.latency_ms IS 'Milliseconds to the end of the response';
COMMENT ON COLUMN aiusage.usage_log.ttft_ms IS 'Milliseconds to the first token';
COMMENT ON COLUMN aiusage.usage_log.accepted IS 'Accepted results, as known with this row';
COMMENT ON COLUMN aiusage.usage_log.requests IS '1; -1 on a reversal; 0 on an adjustment or outcome';
COMMENT ON COLUMN aiusage.usage_log.input_tokens IS 'Input tokens, cached and multimodal ones included';
COMMENT ON COLUMN aiusage.usage_log.cache_read_tokens IS 'Of them, read from the provider''s cache';
COMMENT ON COLUMN aiusage.usage_log.cache_write_tokens IS 'Of them, written to the provider''s cache';
COMMENT ON COLUMN aiusage.usage_log.output_tokens IS 'Output tokens, reasoning included';
COMMENT ON COLUMN aiusage.usage_log.reasoning_tokens IS 'Of them, reasoning';
COMMENT ON COLUMN aiusage.usage_log.usage IS 'Every unit used, as JSON text; not negated on a reversal';
COMMENT ON COLUMN aiusage.usage_log.cost IS 'Cost in currency; NULL: unpriced';
COMMENT ON COLUMN aiusage.usage_log.list_cost IS 'Cost by the list book, where it differs, in list_currency';
COMMENT ON COLUMN aiusage.usage_log.charge IS 'What is billed onwards, in charge_currency';
COMMENT ON COLUMN aiusage.usage_log.currency IS 'Currency of cost, ISO 4217';
COMMENT ON COLUMN aiusage.usage_log.list_currency IS 'Currency of list_cost';
COMMENT ON COLUMN aiusage.usage_log.charge_currency IS 'Currency of charge';
COMMENT ON COLUMN aiusage.usage_log.margin IS 'charge - cost; NULL: one of them is not known, or they are in different currencies';
COMMENT ON COLUMN aiusage.usage_log.cost_by_unit IS 'Cost, unit by unit, as JSON text';
COMMENT ON COLUMN aiusage.usage_log.cost_state IS 'final, estimated or unpriced';
COMMENT ON COLUMN aiusage.usage_log.unpriced_reason IS 'Why there is no cost; of an adjustment, why there was none until this one';
COMMENT ON COLUMN aiusage.usage_log.price_version IS 'Price version of the cost';
COMMENT ON COLUMN aiusage.usage_log.provider_cost IS 'Cost as reported, for comparison, in provider_cost_currency';
COMMENT ON COLUMN aiusage.usage_log.provider_cost_currency IS 'Currency of provider_cost';
COMMENT ON COLUMN aiusage.usage_log.invoice_period IS 'Invoice period it is billed in';
COMMENT ON COLUMN aiusage.usage_log.quota_state IS 'Where its limits stood';
COMMENT ON COLUMN aiusage.usage_log.hold_id IS 'Hold it draws on';
COMMENT ON COLUMN aiusage.usage_log.tags IS 'Tags, as JSON text';
