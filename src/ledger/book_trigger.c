/*-------------------------------------------------------------------------
 *
 * book_trigger.c
 *	  The BEFORE INSERT trigger of the ledger: validate, attribute, price,
 *	  stamp.
 *
 * Runs once a row, as the gateway, and must be nearly free: on warm caches
 * it makes no catalogue lookup, runs no query, takes no lock, and allocates
 * only what it adds to the row, in the executor's per-tuple memory.  What it reads
 * comes from per-backend caches (pricing, attribution, settings) that load
 * as the books' owner.
 *
 * The row is stamped in the executor's slot where that can be done, see
 * take_row(): forming a tuple, taking it apart and storing it anew costs more
 * than all of booking.
 *
 * Three kinds of rows come by:
 * - a gateway's: the extension's columns are NULL, for nobody but the owner
 *   of the books has the right to insert them;
 * - the owner's corrections: kind, adjusts, correction and assignment may be
 *   given, the rest is booked as usual;
 * - rows already booked elsewhere (cost_state is given): a migration, or
 *   logical replication.  They are kept as they are.  Only txid is stamped,
 *   always: it belongs to this cluster.
 *
 * The trigger counts nothing: a row that ON CONFLICT DO NOTHING then drops
 * has come by here all the same.  It only looks at the row's limits;
 * charge_trigger.c counts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "attribution/attribution.h"
#include "common/catalog.h"
#include "common/compat.h"
#include "common/errors.h"
#include "common/xact_state.h"
#include "ledger/ledger_internal.h"
#include "pricing/pricing.h"
#include "quota/quota.h"

AIU_FUNCTION(aiu_book);

#define COLUMN_NAME(name, writer, type) #name,
static const char *const column_names[] = {AIU_LEDGER_COLUMNS(COLUMN_NAME)};

/* Positions of the columns that aiusage writes. */
#define WRITER_G(name)
#define WRITER_A(name) COL_##name,
#define COLUMN_OWN(name, writer, type) WRITER_##writer(name)
static const uint8 own_columns[] = {AIU_LEDGER_COLUMNS(COLUMN_OWN)};

#define COLUMN_TYPE(name, writer, type) COLTYPE_##type,
static const uint8 column_types[] = {AIU_LEDGER_COLUMNS(COLUMN_TYPE)};

/* The labels of a row, checked for length and secrets.  The first three are required. */
static const uint8 label_columns[] = {
	COL_api_key, COL_provider, COL_model, COL_request_id, COL_trace_id, COL_operation_id, COL_job_id,
	COL_credential_label, COL_user_id, COL_customer, COL_workflow, COL_origin, COL_provider_account,
	COL_provider_request_id, COL_requested_model, COL_endpoint, COL_requested_service_tier, COL_service_tier,
	COL_region, COL_route, COL_fallback_from, COL_error_class
};

/* One row on its way through. */
typedef struct Row
{
	Datum	   *values;			/* by column: the executor's, or a copy */
	bool	   *isnull;
	AiuLabel	labels[AIU_LEDGER_NCOLUMNS];	/* what owner and price go by, and labels that are there */
	TimestampTz occurred_at;
	AiuHoldStanding hold;		/* of hold_id; FORGED: or it names none */
} Row;

#define SET(row, col, datum) \
	((row)->values[COL_##col] = (datum), (row)->isnull[COL_##col] = false)

/* What is known of a table that the trigger is on. */
typedef struct KnownTable
{
	Oid			relid;
	uint64		changes;		/* of any relation, when this was found out */
	Oid			last_trigger;	/* the BEFORE INSERT row trigger that fires last */
} KnownTable;

/* The BEFORE INSERT row trigger that fires last, disabled ones included. */
static Oid
last_insert_trigger(Relation rel)
{
	const TriggerDesc *triggers = rel->trigdesc;
	int			i;

	for (i = triggers != NULL ? triggers->numtriggers - 1 : -1; i >= 0; i--)
		if (TRIGGER_TYPE_MATCHES(triggers->triggers[i].tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_INSERT))
			return triggers->triggers[i].tgoid;
	return InvalidOid;
}

/*
 * Trust attribute numbers and types only after a look at all of them.  A
 * statement a row is what gateways send, so the answer is remembered across
 * statements, by table, until any relation changes.
 */
static const KnownTable *
check_relation(Relation rel, const LedgerContext *ctx)
{
	static KnownTable known[16];
	TupleDesc	tupdesc = RelationGetDescr(rel);
	Oid			relid = RelationGetRelid(rel);
	uint64		changes = aiu_catalog_relation_changes();
	KnownTable *table = &known[relid % lengthof(known)];
	int			i;

	if (likely(table->relid == relid && table->changes == changes))
		return table;
	if (tupdesc->natts < AIU_LEDGER_NCOLUMNS)
		goto mismatch;
	for (i = 0; i < AIU_LEDGER_NCOLUMNS; i++)
		if (strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), column_names[i]) != 0 ||
			TupleDescAttr(tupdesc, i)->atttypid != ctx->column_type[column_types[i]])
			goto mismatch;
	if (tupdesc->natts != AIU_LEDGER_NCOLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" has columns of its own", RelationGetRelationName(rel)),
				 errhint("Keep additional columns in a table beside the ledger, by id.")));
	table->relid = relid;
	table->changes = changes;
	table->last_trigger = last_insert_trigger(rel);
	return table;

mismatch:
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" does not have the columns of this version of aiusage", RelationGetRelationName(rel)),
			 errhint("After an upgrade run ALTER EXTENSION aiusage UPDATE and SELECT aiusage.init(); partitions are made by aiusage.make_partitions().")));
	return NULL;				/* keep the compiler quiet */
}

void
aiu_ledger_check_relation(Relation rel, const LedgerContext *ctx)
{
	(void) check_relation(rel, ctx);
}

/*
 * Where the row's columns are: in the executor's slot when that is a virtual
 * one, which is an array of columns that we may write to (INSERT and COPY
 * through the ledger), else in a copy (INSERT into a partition).
 *
 * In the slot, the trigger returns the tuple it was given, and the executor
 * goes on with the slot.  That saves taking the tuple apart and forming
 * another here, and the executor's taking that apart again: a quarter of what
 * COPY takes a row.  Datums set here live in the per-tuple memory, which is
 * reset before the next row.  The tuple itself then lacks what booking adds,
 * so that a row trigger that fires after this one would read, and return,
 * a row that is not booked: then, too, the columns are copied.  Should the
 * executor ever go on with the tuple instead, NOT NULL constraints refuse it.
 */
static bool
take_row(Row *row, const TriggerData *trigdata, const KnownTable *table, Datum *values, bool *isnull)
{
	TupleTableSlot *slot = trigdata->tg_trigslot;

	if (likely(TTS_IS_VIRTUAL(slot) && table->last_trigger == trigdata->tg_trigger->tgoid))
	{
		row->values = slot->tts_values;
		row->isnull = slot->tts_isnull;
		return true;
	}
	heap_deform_tuple(trigdata->tg_trigtuple, RelationGetDescr(trigdata->tg_relation), values, isnull);
	row->values = values;
	row->isnull = isnull;
	return false;
}

static void
require(const Row *row, int column)
{
	if (unlikely(row->isnull[column]))
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in required column \"%s\"", column_names[column]),
				 errdetail("A usage row needs at least api_key, provider, model and usage."),
				 errhint("Send the key's label and what the provider reported; '{}' is a usage of nothing.")));
}

static void
take_labels(Row *row)
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
		aiu_ledger_check_label(&row->labels[col], column_names[col]);
	}
	for (i = 0; i < 3; i++)		/* api_key, provider, model */
		if (unlikely(row->labels[label_columns[i]].len == 0))
			ereport(ERROR,
					(errcode(ERRCODE_AIU_INVALID),
					 errmsg("column \"%s\" must not be empty", column_names[label_columns[i]]),
					 errdetail("A usage row needs at least api_key, provider, model and usage."),
					 errhint("If the gateway does not know it, send a label that says so, such as unknown.")));
}

static void
check_id(const pg_uuid_t *id, const LedgerContext *ctx, TimestampTz now)
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
	if (unlikely(ctx->retention && memcmp(id, &ctx->retained_from, UUID_LEN) < 0))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_CONFLICT),
				 errmsg("the id of a usage row is older than what the ledger retains"),
				 errdetail("Its time is %s; rows are retained from %s, and whether this one was booked is no longer known.",
						   pstrdup(timestamptz_to_str(aiu_uuid_time(id))),
						   pstrdup(timestamptz_to_str(aiu_uuid_time(&ctx->retained_from))))));
}

static void
take_time(Row *row, TimestampTz id_time)
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
check_range(const Row *row, int column, int64 value, int64 min, int64 max)
{
	if (unlikely(value < min || value > max))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("column \"%s\" is out of range", column_names[column]),
				 errdetail("The value is %lld, allowed is %lld to %lld.", (long long) value, (long long) min, (long long) max),
				 errhint("Leave the column out when its value is not known.")));
}

static void
check_numbers(const Row *row)
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
				 errmsg("column \"%s\" is negative", column_names[COL_provider_cost]),
				 errdetail("It is what the provider or gateway says that this request cost."),
				 errhint("A credit note is no request: keep it with the provider's invoice.")));
}

/*
 * What names a genuine hold or says spent, and the history that a bulk import brings,
 * is money that is gone: it is booked whatever the rules say.
 */
static bool
is_spent(const Row *row, bool exempt)
{
	return exempt || row->hold == AIU_HOLD_IS_OPEN || row->hold == AIU_HOLD_LATE ||
		(!row->isnull[COL_spent] && DatumGetBool(row->values[COL_spent]));
}

/* Whose request is it, and may it be made? */
static void
attribute(Row *row, const LedgerContext *ctx, bool exempt, AiuAttribution *owner)
{
	bool		spent = is_spent(row, exempt);

	aiu_attribute(&row->labels[COL_api_key], &row->labels[COL_provider], &row->labels[COL_model],
				  &row->labels[COL_endpoint], &row->labels[COL_customer], row->occurred_at, owner);

	if (likely(spent || (owner->status == AIU_KEY_ACTIVE && owner->route_allowed && owner->assignment != 0 &&
						 owner->stopped_part == NULL)))
		return;

	if (owner->status == AIU_KEY_DISABLED)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_NOT_ALLOWED),
				 errmsg("key \"%.*s\" is disabled", row->labels[COL_api_key].len, row->labels[COL_api_key].s),
				 errhint("Ask its owner to enable it. Money that is spent already is booked with spent = true.")));
	if (owner->stopped_part != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_NOT_ALLOWED),
				 errmsg("usage of %s \"%.*s\" is stopped", owner->stopped_part, owner->stopped_name.len, owner->stopped_name.s),
				 errhint("Ask an administrator to start it again. Money that is spent already is booked with spent = true.")));
	if (owner->status == AIU_KEY_ACTIVE && !owner->route_allowed)
	{
		const AiuLabel *part = strcmp(owner->refused_part, "provider") == 0 ? &row->labels[COL_provider] :
			strcmp(owner->refused_part, "model") == 0 ? &row->labels[COL_model] : &row->labels[COL_endpoint];

		ereport(ERROR,
				(errcode(ERRCODE_AIU_NOT_ALLOWED),
				 errmsg("key \"%.*s\" is not allowed to use %s \"%.*s\"",
						row->labels[COL_api_key].len, row->labels[COL_api_key].s,
						owner->refused_part, part->len, part->s ? part->s : ""),
				 errhint("Change the key's allowed %ss with aiusage.put_key(). Money that is spent already is booked with spent = true.",
						 owner->refused_part)));
	}
	if (ctx->strict_keys)
	{
		if (owner->status == AIU_KEY_UNKNOWN)
			ereport(ERROR,
					(errcode(ERRCODE_AIU_UNKNOWN),
					 errmsg("key \"%.*s\" is unknown", row->labels[COL_api_key].len, row->labels[COL_api_key].s),
					 errdetail("Setting strict_keys is on: usage without an owner is refused."),
					 errhint("Register the key with aiusage.put_key().")));
		ereport(ERROR,
				(errcode(ERRCODE_AIU_UNKNOWN),
				 errmsg("key \"%.*s\" has no owner at that time", row->labels[COL_api_key].len, row->labels[COL_api_key].s),
				 errdetail("Setting strict_keys is on: usage without an owner is refused."),
				 errhint("Give the key an assignment with aiusage.put_key().")));
	}
}

static AiuAmount *
amount_datum(int128 value, AiuCurrency currency)
{
	AiuAmount  *amount = palloc(sizeof(AiuAmount));

	if (!aiu_amount_pack(amount, value, currency))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("cost out of range")));
	return amount;
}

/*
 * The same usage in another book, or NULL where that has no price: what it
 * costs at list, and what it is charged at.
 */
static AiuAmount *
price_in_book(AiuPriceRequest *req, const char *book, int len)
{
	AiuPriceResult result;

	req->book.s = book;
	req->book.len = len;
	aiu_price(req, &result);
	if (result.unpriced != AIU_PRICED || result.cost >= AIU_LEDGER_COST_MAX)
		return NULL;
	return amount_datum(result.cost, result.currency);
}

/* What it costs at list, or NULL where that is no other amount. */
static AiuAmount *
list_price(AiuPriceRequest *req, const AiuPriceResult *result)
{
	AiuLabel	list;
	AiuAmount  *amount;

	aiu_price_list_book(&list);
	amount = price_in_book(req, list.s, list.len);
	if (amount != NULL && aiu_amount_value(amount) == result->cost && aiu_amount_currency(amount) == result->currency)
		return NULL;
	return amount;
}

/* Usage without a price, where that is not wanted. */
static void
refuse_unpriced(const Row *row, const AiuAttribution *owner, const AiuPriceResult *result)
{
	const AiuLabel *key = &row->labels[COL_api_key];
	const AiuLabel *provider = &row->labels[COL_provider];
	const AiuLabel *model = &row->labels[COL_model];
	bool		invalid = result->unpriced == AIU_UNPRICED_CONTRADICTORY || result->unpriced == AIU_UNPRICED_OVERFLOW;
	const char *reason = aiu_unpriced_label(result->unpriced);

	if (result->unit_name != NULL)
		reason = psprintf("%s, unit \"%.*s\"", reason, result->unit_namelen, result->unit_name);
	ereport(ERROR,
			(errcode(invalid ? ERRCODE_AIU_INVALID : ERRCODE_AIU_UNKNOWN),
			 errmsg("no price is known for this usage of model \"%.*s\" of provider \"%.*s\"",
					model->len, model->s, provider->len, provider->s),
			 owner->strict_prices > 0 ?
			 errdetail("The reason is %s. Key \"%.*s\" has strict_prices: usage without a price is refused.",
					   reason, key->len, key->s) :
			 errdetail("The reason is %s. Setting strict_prices is on: usage without a price is refused.", reason),
			 errhint("%s Money that is spent already is booked with spent = true.",
					 invalid ? "Look at what the gateway sends; aiusage.explain_price() says what is wrong with it." :
					 "Publish a price for it; aiusage.explain_price() says what is missing.")));
}

static void
price(Row *row, const LedgerContext *ctx, bool exempt, const AiuAttribution *owner, AiuPriceResult *result)
{
	AiuPriceRequest req;
	AiuAmount  *amount;

	req.book.s = owner->price_book;
	req.book.len = owner->price_book ? strlen(owner->price_book) : 0;
	req.provider = row->labels[COL_provider];
	req.model = row->labels[COL_model];
	req.service_tier = row->labels[COL_service_tier];
	req.endpoint = row->labels[COL_endpoint];
	req.region = row->labels[COL_region];
	req.at = row->occurred_at;
	req.usage = (const AiuUsage *) DatumGetPointer(row->values[COL_usage]);

	aiu_price(&req, result);
	if (result->unpriced == AIU_PRICED && unlikely(result->cost >= AIU_LEDGER_COST_MAX))
		result->unpriced = AIU_UNPRICED_OVERFLOW;

	if (unlikely(result->unpriced != AIU_PRICED) &&
		(owner->strict_prices < 0 ? ctx->strict_prices : owner->strict_prices > 0) && !is_spent(row, exempt))
		refuse_unpriced(row, owner, result);

	if (result->currency == 0)
		result->currency = ctx->currency;
	if (result->version != 0)
		SET(row, price_version, Int32GetDatum(result->version));

	if (result->unpriced == AIU_PRICED)
	{
		bool		estimated = false;

		if (!row->isnull[COL_stream_state])
		{
			Oid			state = DatumGetObjectId(row->values[COL_stream_state]);

			estimated = state == ctx->stream_partial || state == ctx->stream_estimated;
		}
		SET(row, cost, PointerGetDatum(amount_datum(result->cost, result->currency)));
		SET(row, cost_by_unit, PointerGetDatum(aiu_unit_costs_build(result->currency, result->components, result->ncomponents)));
		SET(row, cost_state, ObjectIdGetDatum(estimated ? ctx->cost_estimated : ctx->cost_final));
		if (unlikely(owner->price_book != NULL || !result->is_list))
		{
			amount = list_price(&req, result);
			if (amount != NULL)
				SET(row, list_cost, PointerGetDatum(amount));
		}
	}
	else
	{
		SET(row, cost_by_unit, PointerGetDatum(aiu_unit_costs_build(result->currency, NULL, 0)));
		SET(row, cost_state, ObjectIdGetDatum(ctx->cost_unpriced));
		SET(row, unpriced_reason, ObjectIdGetDatum(ctx->unpriced[result->unpriced]));
	}
	if (unlikely(owner->charge_book != NULL))
	{
		amount = price_in_book(&req, owner->charge_book, strlen(owner->charge_book));
		if (amount != NULL)
			SET(row, charge, PointerGetDatum(amount));
	}
}

/*
 * Columns that aiusage writes, in a row that is not booked yet.  The owner's
 * corrections may say what they correct and whose it is.
 */
static void
check_not_filled(const Row *row)
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
				 errmsg("column \"%s\" is written by aiusage", column_names[col]),
				 errdetail("A row that was booked elsewhere carries cost_state too; this one does not."),
				 errhint("Leave it out, or fill in every column of a booked row to keep it as it is.")));
	}
}

static void
book(Row *row, const LedgerContext *ctx, TimestampTz now)
{
	const pg_uuid_t *id = DatumGetUUIDP(row->values[COL_id]);
	AiuAttribution owner;
	AiuPriceResult result;
	bool		exempt;

	check_not_filled(row);
	if (row->isnull[COL_status])
		SET(row, status, ObjectIdGetDatum(ctx->status_success));
	if (row->isnull[COL_kind])
		SET(row, kind, ObjectIdGetDatum(ctx->kind_usage));
	else if (DatumGetObjectId(row->values[COL_kind]) != ctx->kind_usage)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("a correction must come with its cost"),
				 errhint("Use aiusage.adjust(), aiusage.reattribute() or aiusage.record_outcome().")));
	if (row->isnull[COL_attempt])
		SET(row, attempt, Int16GetDatum(1));
	check_numbers(row);

	exempt = aiu_quota_exempt_role();
	row->hold = aiu_ledger_hold_standing(row->values, row->isnull);
	attribute(row, ctx, exempt, &owner);
	if (unlikely(exempt))
		SET(row, quota_state, ObjectIdGetDatum(ctx->quota_state[AIU_QUOTA_STATE_EXEMPT]));
	if (row->isnull[COL_assignment] && owner.assignment != 0)
		SET(row, assignment, Int64GetDatum(owner.assignment));
	price(row, ctx, exempt, &owner, &result);
	SET(row, invoice_period, Int32GetDatum(aiu_invoice_period(owner.calendar, row->occurred_at)));
	SET(row, recorded_at, TimestampTzGetDatum(now));

	aiu_ledger_capture(id, row->isnull[COL_cost] ? NULL : DatumGetAmountP(row->values[COL_cost]),
					   result.currency, result.unpriced, !row->isnull[COL_assignment]);
}

/*
 * The money of a row booked elsewhere: of one currency, and of a size that a
 * fold can sum.
 */
static void
check_money(const Row *row)
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
					 errdetail("A row has one currency, that of cost_by_unit.")));
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

/* A row booked elsewhere: what it must have to be a row at all. */
static void
keep(Row *row, const LedgerContext *ctx, TimestampTz now)
{
	if (row->isnull[COL_status])
		SET(row, status, ObjectIdGetDatum(ctx->status_success));
	if (row->isnull[COL_kind])
		SET(row, kind, ObjectIdGetDatum(ctx->kind_usage));
	if (row->isnull[COL_attempt])
		SET(row, attempt, Int16GetDatum(1));
	if (row->isnull[COL_recorded_at])
		SET(row, recorded_at, TimestampTzGetDatum(now));
	if (row->isnull[COL_invoice_period])
	{
		AiuAttribution owner;

		aiu_attribute(&row->labels[COL_api_key], &row->labels[COL_provider], &row->labels[COL_model],
					  &row->labels[COL_endpoint], &row->labels[COL_customer], row->occurred_at, &owner);
		SET(row, invoice_period, Int32GetDatum(aiu_invoice_period(owner.calendar, row->occurred_at)));
	}
	else
		/* kept as it comes, but no row lands in a period that is closed here */
		SET(row, invoice_period, Int32GetDatum(aiu_invoice_period_stamped(DatumGetInt32(row->values[COL_invoice_period]))));
	if (row->isnull[COL_cost_by_unit])
	{
		/* line items must add up to the cost; of no money, or none known, they are none */
		if (!row->isnull[COL_cost] && aiu_amount_value(DatumGetAmountP(row->values[COL_cost])) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_AIU_INVALID),
					 errmsg("a booked row with a cost needs cost_by_unit"),
					 errdetail("Line items are read from it, and add up to cost."),
					 errhint("If the parts are not known, put the whole cost under one unit, for example {\"USD\": {\"requests\": 1.25}}.")));
		SET(row, cost_by_unit,
			PointerGetDatum(aiu_unit_costs_build(row->isnull[COL_cost] ? ctx->currency :
												 aiu_amount_currency(DatumGetAmountP(row->values[COL_cost])), NULL, 0)));
	}
	if ((DatumGetObjectId(row->values[COL_cost_state]) == ctx->cost_unpriced) == !row->isnull[COL_cost])
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("cost and cost_state contradict each other"),
				 errdetail("A row has a cost unless its cost_state is unpriced.")));
	check_money(row);
}

Datum
aiu_book(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const LedgerContext *ctx;
	const KnownTable *table;
	Datum		values[AIU_LEDGER_NCOLUMNS];
	bool		isnull[AIU_LEDGER_NCOLUMNS];
	Row			row;
	bool		in_slot;
	TimestampTz now;
	const pg_uuid_t *id;
	bool		kept;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) || !TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("aiusage.book() must be fired BEFORE INSERT, FOR EACH ROW")));

	ctx = aiu_ledger_context();
	table = check_relation(trigdata->tg_relation, ctx);

	aiu_xact_note_usage();
	now = GetCurrentTimestamp();

	in_slot = take_row(&row, trigdata, table, values, isnull);
	require(&row, COL_id);
	require(&row, COL_api_key);
	require(&row, COL_provider);
	require(&row, COL_model);
	require(&row, COL_usage);
	id = DatumGetUUIDP(row.values[COL_id]);
	check_id(id, ctx, now);
	take_labels(&row);
	take_time(&row, aiu_uuid_time(id));
	row.values[COL_usage] = PointerGetDatum(PG_DETOAST_DATUM_PACKED(row.values[COL_usage]));
	aiu_ledger_check_usage((const AiuUsage *) DatumGetPointer(row.values[COL_usage]));
	if (!row.isnull[COL_tags])
		aiu_ledger_check_tags(DatumGetJsonbP(row.values[COL_tags]));

	kept = !row.isnull[COL_cost_state];
	row.hold = AIU_HOLD_FORGED;
	if (likely(!kept))
		book(&row, ctx, now);
	else
		keep(&row, ctx, now);
	aiu_ledger_ask_limits(row.values, row.isnull, ctx, kept, row.hold);

	SET(&row, txid, Int64GetDatum(ctx->incarnation_bits |
								  (int64) U64FromFullTransactionId(GetTopFullTransactionId())));

	if (likely(in_slot))
		return PointerGetDatum(trigdata->tg_trigtuple);
	return PointerGetDatum(heap_form_tuple(RelationGetDescr(trigdata->tg_relation), values, isnull));
}
