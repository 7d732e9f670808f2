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
#include "ledger/book_row.h"
#include "pricing/pricing.h"
#include "quota/quota.h"

AIU_FUNCTION(aiu_book);

#define COLUMN_TYPE(name, writer, type) COLTYPE_##type,
static const uint8 column_types[] = {AIU_LEDGER_COLUMNS(COLUMN_TYPE)};

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
		if (strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), aiu_ledger_column_names[i]) != 0 ||
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
			 errhint("After an upgrade restart the server, run ALTER EXTENSION aiusage UPDATE and SELECT * FROM aiusage.init(); aiusage.status() says which of them is missing. Partitions are made by aiusage.make_partitions().")));
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
 * a row that is not booked: then (not final) the columns are copied, too, and
 * limits take the row as it was stored.  Should the executor ever go on with
 * the tuple instead, NOT NULL constraints refuse it.
 */
static bool
take_row(BookRow *row, const TriggerData *trigdata, bool final, Datum *values, bool *isnull)
{
	TupleTableSlot *slot = trigdata->tg_trigslot;

	if (likely(TTS_IS_VIRTUAL(slot) && final))
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
book(BookRow *row, const LedgerContext *ctx, TimestampTz now)
{
	const pg_uuid_t *id = DatumGetUUIDP(row->values[COL_id]);
	AiuAttribution owner;
	AiuPriceResult result;
	bool		exempt;

	aiu_book_check_not_filled(row);
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
	aiu_book_check_numbers(row);

	exempt = aiu_quota_exempt_role();
	row->hold = aiu_ledger_hold_standing(row->values, row->isnull);
	aiu_book_attribute(row, ctx, exempt, &owner);
	if (unlikely(exempt))
		SET(row, quota_state, ObjectIdGetDatum(ctx->quota_state[AIU_QUOTA_STATE_EXEMPT]));
	if (row->isnull[COL_assignment] && owner.assignment != 0)
		SET(row, assignment, Int64GetDatum(owner.assignment));
	aiu_book_price(row, ctx, exempt, &owner, &result);
	SET(row, invoice_period, Int32GetDatum(aiu_invoice_period(owner.calendar, row->occurred_at)));
	SET(row, recorded_at, TimestampTzGetDatum(now));

	aiu_ledger_capture(id, row->isnull[COL_cost] ? NULL : DatumGetAmountP(row->values[COL_cost]),
					   result.currency, result.unpriced, !row->isnull[COL_assignment]);
}

/* A row booked elsewhere: what it must have to be a row at all. */
static void
keep(BookRow *row, const LedgerContext *ctx, TimestampTz now)
{
	if (row->isnull[COL_status])
		SET(row, status, ObjectIdGetDatum(ctx->status_success));
	if (row->isnull[COL_kind])
		SET(row, kind, ObjectIdGetDatum(ctx->kind_usage));
	if (row->isnull[COL_attempt])
		SET(row, attempt, Int16GetDatum(1));
	if (row->isnull[COL_recorded_at])
		SET(row, recorded_at, TimestampTzGetDatum(now));
	else if (unlikely(DatumGetTimestampTz(row->values[COL_recorded_at]) > now + AIU_ID_AHEAD ||
					  TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(row->values[COL_recorded_at]))))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("recorded_at is infinite or in the future"),
				 errdetail("Limits and statements go by when a row was booked; at most 1 hour ahead of this server's clock is allowed."),
				 errhint("Leave it out when it is not known: it is now, then. If the row is replicated, check both servers' clocks.")));
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
				 errdetail("A row has a cost unless its cost_state is unpriced."),
				 errhint("Bring both as the other ledger booked them; gateways leave both out.")));
	aiu_book_check_money(row);
}

Datum
aiu_book(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const LedgerContext *ctx;
	const KnownTable *table;
	Datum		values[AIU_LEDGER_NCOLUMNS];
	bool		isnull[AIU_LEDGER_NCOLUMNS];
	BookRow		row;
	bool		in_slot;
	bool		final;
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
	final = table->last_trigger == trigdata->tg_trigger->tgoid;

	aiu_xact_note_usage();
	now = GetCurrentTimestamp();

	in_slot = take_row(&row, trigdata, final, values, isnull);
	aiu_book_require(&row, COL_id);
	aiu_book_require(&row, COL_api_key);
	aiu_book_require(&row, COL_provider);
	aiu_book_require(&row, COL_model);
	aiu_book_require(&row, COL_usage);
	id = DatumGetUUIDP(row.values[COL_id]);
	aiu_book_check_id(id, ctx, now);
	aiu_book_take_labels(&row);
	aiu_book_take_time(&row, aiu_uuid_time(id));
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
	aiu_ledger_ask_limits(row.values, row.isnull, ctx, kept, final, row.hold);

	SET(&row, txid, Int64GetDatum(ctx->incarnation_bits |
								  (int64) U64FromFullTransactionId(GetTopFullTransactionId())));

	if (likely(in_slot))
		return PointerGetDatum(trigdata->tg_trigtuple);
	return PointerGetDatum(heap_form_tuple(RelationGetDescr(trigdata->tg_relation), values, isnull));
}
