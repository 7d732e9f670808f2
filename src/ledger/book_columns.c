/*-------------------------------------------------------------------------
 *
 * book_columns.c
 *	  What the columns of a row may hold: the checks that need nothing but
 *	  the row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "common/errors.h"
#include "ledger/book_row.h"

#define COLUMN_NAME(name, writer, type) #name,
const char *const aiu_ledger_column_names[] = {AIU_LEDGER_COLUMNS(COLUMN_NAME)};

/* Positions of the columns that aiusage writes. */
#define WRITER_G(name)
#define WRITER_A(name) COL_##name,
#define COLUMN_OWN(name, writer, type) WRITER_##writer(name)
static const uint8 own_columns[] = {AIU_LEDGER_COLUMNS(COLUMN_OWN)};

/* The labels of a row, checked for length and secrets.  The first three are required. */
static const uint8 label_columns[] = {
	COL_api_key, COL_provider, COL_model, COL_request_id, COL_trace_id, COL_operation_id, COL_job_id,
	COL_credential_label, COL_user_id, COL_customer, COL_workflow, COL_origin, COL_provider_account,
	COL_provider_request_id, COL_requested_model, COL_endpoint, COL_requested_service_tier, COL_service_tier,
	COL_region, COL_route, COL_fallback_from, COL_error_class
};

void
aiu_book_require(const BookRow *row, int column)
{
	if (unlikely(row->isnull[column]))
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in required column \"%s\"", aiu_ledger_column_names[column]),
				 errdetail("A usage row needs at least api_key, provider, model and usage."),
				 errhint("Send the key's label and what the provider reported; '{}' is a usage of nothing.")));
}

void
aiu_book_take_labels(BookRow *row)
{
	int			i;

	row->labels[COL_endpoint].s = row->labels[COL_service_tier].s = row->labels[COL_region].s = row->labels[COL_customer].s = NULL;
	row->labels[COL_endpoint].len = row->labels[COL_service_tier].len = row->labels[COL_region].len = row->labels[COL_customer].len = 0;
	for (i = 0; i < lengthof(label_columns); i++)
	{
		int			col = label_columns[i];
		struct varlena *v;

		if (row->isnull[col])
			continue;
		v = PG_DETOAST_DATUM_PACKED(row->values[col]);
		row->labels[col].s = VARDATA_ANY(v);
		row->labels[col].len = VARSIZE_ANY_EXHDR(v);
		aiu_ledger_check_label(&row->labels[col], aiu_ledger_column_names[col]);
	}
	for (i = 0; i < 3; i++)		/* api_key, provider, model */
		if (unlikely(row->labels[label_columns[i]].len == 0))
			ereport(ERROR,
					(errcode(ERRCODE_AIU_INVALID),
					 errmsg("column \"%s\" must not be empty", aiu_ledger_column_names[label_columns[i]]),
					 errdetail("A usage row needs at least api_key, provider, model and usage."),
					 errhint("If the gateway does not know it, send a label that says so, such as unknown.")));
}

void
aiu_book_check_id(const pg_uuid_t *id, const LedgerContext *ctx, TimestampTz now)
{
	if (unlikely(!aiu_uuid_is_v7(id)))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("the id of a usage row must be a UUIDv7"),
				 errdetail("Version %d was sent; the ledger is partitioned and ordered by the time in the id.", id->data[6] >> 4),
				 errhint("Leave id out, send aiusage.uuid_v7(), or derive it: aiusage.event_id(request_id, occurred_at, attempt).")));
	if (unlikely(aiu_uuid_time(id) > now + AIU_ID_AHEAD))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("the id of a usage row is too far in the future"),
				 errdetail("Its time is %s, the server's is %s.",
						   pstrdup(timestamptz_to_str(aiu_uuid_time(id))), pstrdup(timestamptz_to_str(now))),
				 errhint("At most 1 hour ahead is allowed. Check the gateway's clock.")));
	if (unlikely(ctx->retention && memcmp(id, &ctx->retained_from, UUID_LEN) < 0 && !aiu_ledger_id_is_kept(ctx, id)))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_CONFLICT),
				 errmsg("the id of a usage row is older than what the ledger retains"),
				 errdetail("Its time is %s; rows are retained from %s, and whether this one was booked is no longer known.",
						   pstrdup(timestamptz_to_str(aiu_uuid_time(id))),
						   pstrdup(timestamptz_to_str(aiu_uuid_time(&ctx->retained_from)))),
				 errhint("If it was never booked, book it with a new id and today's time.")));
}

void
aiu_book_take_time(BookRow *row, TimestampTz id_time)
{
	if (row->isnull[COL_occurred_at])
	{
		SET(row, occurred_at, TimestampTzGetDatum(id_time));
		row->occurred_at = id_time;
		return;
	}
	row->occurred_at = DatumGetTimestampTz(row->values[COL_occurred_at]);
	if (unlikely(TIMESTAMP_NOT_FINITE(row->occurred_at) ||
				 row->occurred_at < id_time - AIU_EVENT_BEFORE_ID ||
				 row->occurred_at > id_time + AIU_EVENT_AFTER_ID))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("occurred_at does not fit the time in the id"),
				 errdetail("occurred_at is %s, the id's time is %s; it may be at most 2 days before and 1 hour after.",
						   pstrdup(timestamptz_to_str(row->occurred_at)), pstrdup(timestamptz_to_str(id_time))),
				 errhint("Derive the id of a late event from its time: aiusage.event_id(request_id, occurred_at) or aiusage.uuid_v7(occurred_at).")));
}

static void
check_range(const BookRow *row, int column, int64 value, int64 min, int64 max)
{
	if (unlikely(value < min || value > max))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("column \"%s\" is out of range", aiu_ledger_column_names[column]),
				 errdetail("The value is %lld, allowed is %lld to %lld.", (long long) value, (long long) min, (long long) max),
				 errhint("Leave the column out when its value is not known.")));
}

void
aiu_book_check_numbers(const BookRow *row)
{
	if (!row->isnull[COL_latency_ms])
		check_range(row, COL_latency_ms, DatumGetInt32(row->values[COL_latency_ms]), 0, PG_INT32_MAX);
	if (!row->isnull[COL_ttft_ms])
		check_range(row, COL_ttft_ms, DatumGetInt32(row->values[COL_ttft_ms]), 0, PG_INT32_MAX);
	if (!row->isnull[COL_retries])
		check_range(row, COL_retries, DatumGetInt16(row->values[COL_retries]), 0, PG_INT16_MAX);
	if (!row->isnull[COL_status_code])
		check_range(row, COL_status_code, DatumGetInt16(row->values[COL_status_code]), 100, 599);
	if (!row->isnull[COL_accepted])
		check_range(row, COL_accepted, DatumGetInt32(row->values[COL_accepted]), 0, PG_INT32_MAX);
	check_range(row, COL_attempt, DatumGetInt16(row->values[COL_attempt]), 1, PG_INT16_MAX);
	if (!row->isnull[COL_provider_cost] && unlikely(aiu_amount_value(DatumGetAmountP(row->values[COL_provider_cost])) < 0))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("column \"%s\" is negative", aiu_ledger_column_names[COL_provider_cost]),
				 errdetail("It is what the provider or gateway says that this request cost."),
				 errhint("A credit note is no request: keep it with the provider's invoice.")));
}

/*
 * Columns that aiusage writes, in a row that is not booked yet.  The owner's
 * corrections may say what they correct and whose it is.
 */
void
aiu_book_check_not_filled(const BookRow *row)
{
	int			i;

	for (i = 0; i < lengthof(own_columns); i++)
	{
		int			col = own_columns[i];

		if (likely(row->isnull[col]) ||
			col == COL_assignment || col == COL_correction || col == COL_adjusts || col == COL_kind || col == COL_txid)
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("column \"%s\" is written by aiusage", aiu_ledger_column_names[col]),
				 errdetail("A row that was booked elsewhere carries cost_state too; this one does not."),
				 errhint("Leave it out, or fill in every column of a booked row to keep it as it is.")));
	}
}

/*
 * The money of a row booked elsewhere: of one currency, and of a size that a
 * fold can sum.
 */
void
aiu_book_check_money(const BookRow *row)
{
	const AiuUnitCosts *costs = DatumGetUnitCostsP(row->values[COL_cost_by_unit]);
	AiuCostIter it;
	AiuCostItem item;
	int128		largest = 0;

	if (!row->isnull[COL_cost])
	{
		const AiuAmount *cost = DatumGetAmountP(row->values[COL_cost]);

		largest = aiu_amount_value(cost);
		if (largest < 0)
			largest = -largest;
		if (aiu_amount_currency(cost) != aiu_unit_costs_currency(costs))
			ereport(ERROR,
					(errcode(ERRCODE_AIU_INVALID),
					 errmsg("cost and cost_by_unit are in different currencies"),
					 errdetail("A row has one currency, that of cost_by_unit."),
					 errhint("Bring both as the other ledger booked them; gateways leave both out.")));
	}
	aiu_cost_iter_init(&it, costs);
	while (aiu_cost_iter_next(&it, &item))
		largest = Max(largest, item.value < 0 ? -item.value : item.value);
	if (largest >= AIU_LEDGER_COST_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("cost is too large for a usage row"),
				 errdetail("A row costs less than 1000000000000000 of its currency.")));
}
