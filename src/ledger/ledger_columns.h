/*-------------------------------------------------------------------------
 *
 * ledger_columns.h
 *	  The columns of aiusage.usage_record, in table order.
 *
 * X(name, writer): writer is G (the gateway) or A (aiusage).  The book
 * trigger checks the table against this list before it trusts an attribute
 * number.  books/tables/060_ledger.sql has types and comments; append only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_LEDGER_COLUMNS_H
#define AIU_LEDGER_COLUMNS_H

#define AIU_LEDGER_COLUMNS(X) \
	X(id, G) \
	X(occurred_at, G) \
	X(recorded_at, A) \
	X(txid, A) \
	X(cost, A) \
	X(list_cost, A) \
	X(charge, A) \
	X(provider_cost, G) \
	X(assignment, A) \
	X(correction, A) \
	X(adjusts, A) \
	X(hold_id, G) \
	X(price_version, A) \
	X(invoice_period, A) \
	X(latency_ms, G) \
	X(ttft_ms, G) \
	X(accepted, G) \
	X(status, G) \
	X(stream_state, G) \
	X(cost_state, A) \
	X(unpriced_reason, A) \
	X(quota_state, A) \
	X(kind, A) \
	X(attempt, G) \
	X(retries, G) \
	X(status_code, G) \
	X(streamed, G) \
	X(cache_hit, G) \
	X(spent, G) \
	X(api_key, G) \
	X(provider, G) \
	X(model, G) \
	X(usage, G) \
	X(cost_by_unit, A) \
	X(request_id, G) \
	X(trace_id, G) \
	X(operation_id, G) \
	X(job_id, G) \
	X(credential_label, G) \
	X(user_id, G) \
	X(customer, G) \
	X(workflow, G) \
	X(origin, G) \
	X(provider_account, G) \
	X(provider_request_id, G) \
	X(requested_model, G) \
	X(endpoint, G) \
	X(requested_service_tier, G) \
	X(service_tier, G) \
	X(region, G) \
	X(route, G) \
	X(fallback_from, G) \
	X(error_class, G) \
	X(tags, G)

/* Zero-based positions: COL_id, COL_occurred_at, ... */
#define AIU_COLUMN_POSITION(name, writer) COL_##name,
enum
{
	AIU_LEDGER_COLUMNS(AIU_COLUMN_POSITION)
	AIU_LEDGER_NCOLUMNS
};
#undef AIU_COLUMN_POSITION

#endif							/* AIU_LEDGER_COLUMNS_H */
