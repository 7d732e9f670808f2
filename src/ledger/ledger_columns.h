/*-------------------------------------------------------------------------
 *
 * ledger_columns.h
 *	  The columns of aiusage.usage_record, in table order.
 *
 * X(name, writer, type): writer is G (the gateway) or A (aiusage).  The book
 * trigger checks the table against this list before it trusts an attribute
 * number or a datum.  books/tables/060_ledger.sql has types and comments; append only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_LEDGER_COLUMNS_H
#define AIU_LEDGER_COLUMNS_H

#define AIU_LEDGER_COLUMNS(X) \
	X(id, G, UUID) \
	X(occurred_at, G, TIMESTAMPTZ) \
	X(recorded_at, A, TIMESTAMPTZ) \
	X(txid, A, INT8) \
	X(cost, A, AMOUNT) \
	X(list_cost, A, AMOUNT) \
	X(charge, A, AMOUNT) \
	X(provider_cost, G, AMOUNT) \
	X(assignment, A, INT8) \
	X(correction, A, INT8) \
	X(adjusts, A, UUID) \
	X(hold_id, G, UUID) \
	X(price_version, A, INT4) \
	X(invoice_period, A, INT4) \
	X(latency_ms, G, INT4) \
	X(ttft_ms, G, INT4) \
	X(accepted, G, INT4) \
	X(status, G, USAGE_STATUS) \
	X(stream_state, G, STREAM_STATE) \
	X(cost_state, A, COST_STATE) \
	X(unpriced_reason, A, UNPRICED_REASON) \
	X(quota_state, A, QUOTA_STATE) \
	X(kind, A, RECORD_KIND) \
	X(attempt, G, INT2) \
	X(retries, G, INT2) \
	X(status_code, G, INT2) \
	X(streamed, G, BOOL) \
	X(cache_hit, G, BOOL) \
	X(spent, G, BOOL) \
	X(api_key, G, TEXT) \
	X(provider, G, TEXT) \
	X(model, G, TEXT) \
	X(usage, G, USAGE) \
	X(cost_by_unit, A, UNIT_COSTS) \
	X(request_id, G, TEXT) \
	X(trace_id, G, TEXT) \
	X(operation_id, G, TEXT) \
	X(job_id, G, TEXT) \
	X(credential_label, G, TEXT) \
	X(user_id, G, TEXT) \
	X(customer, G, TEXT) \
	X(workflow, G, TEXT) \
	X(origin, G, TEXT) \
	X(provider_account, G, TEXT) \
	X(provider_request_id, G, TEXT) \
	X(requested_model, G, TEXT) \
	X(endpoint, G, TEXT) \
	X(requested_service_tier, G, TEXT) \
	X(service_tier, G, TEXT) \
	X(region, G, TEXT) \
	X(route, G, TEXT) \
	X(fallback_from, G, TEXT) \
	X(error_class, G, TEXT) \
	X(tags, G, JSONB)

/* Zero-based positions: COL_id, COL_occurred_at, ... */
#define AIU_COLUMN_POSITION(name, writer, type) COL_##name,
enum
{
	AIU_LEDGER_COLUMNS(AIU_COLUMN_POSITION)
	AIU_LEDGER_NCOLUMNS
};
#undef AIU_COLUMN_POSITION

/* Types of the columns; the extension's own, from AMOUNT on, by name. */
typedef enum AiuColumnType
{
	COLTYPE_UUID,
	COLTYPE_TIMESTAMPTZ,
	COLTYPE_INT8,
	COLTYPE_INT4,
	COLTYPE_INT2,
	COLTYPE_BOOL,
	COLTYPE_TEXT,
	COLTYPE_JSONB,
	COLTYPE_AMOUNT,
	COLTYPE_USAGE,
	COLTYPE_UNIT_COSTS,
	COLTYPE_USAGE_STATUS,
	COLTYPE_STREAM_STATE,
	COLTYPE_COST_STATE,
	COLTYPE_UNPRICED_REASON,
	COLTYPE_QUOTA_STATE,
	COLTYPE_RECORD_KIND
} AiuColumnType;

#define AIU_COLUMN_TYPES	(COLTYPE_RECORD_KIND + 1)

#endif							/* AIU_LEDGER_COLUMNS_H */
