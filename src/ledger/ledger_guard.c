/*-------------------------------------------------------------------------
 *
 * ledger_guard.c
 *	  The ledger is append-only, and what the trigger made of a row can be
 *	  asked for by the session that sent it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "common/compat.h"
#include "common/errors.h"
#include "ledger/ledger_internal.h"
#include "types/exact.h"

AIU_FUNCTION(aiu_append_only);
AIU_FUNCTION(aiu_last_booked);
AIU_FUNCTION(aiu_library_version);

/*
 * aiusage.append_only(): UPDATE, DELETE and TRUNCATE of the ledger, on the
 * parent and on each partition.
 */
Datum
aiu_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("aiusage.append_only() must be fired as a trigger")));
	ereport(ERROR,
			(errcode(ERRCODE_AIU_NOT_ALLOWED),
			 errmsg("the ledger is append-only: %s of \"%s\" is refused",
					TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? "UPDATE" :
					TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) ? "DELETE" : "TRUNCATE",
					RelationGetRelationName(trigdata->tg_relation)),
			 errhint("Correct a row with aiusage.adjust() or aiusage.reattribute(), which write new rows.")));
	return PointerGetDatum(NULL);
}

/*
 * The last row that the book trigger of this session has let through.  The
 * trigger runs as a gateway that may not read costs, so this is how
 * aiusage.ingest() answers with them: it is the session's own row, straight
 * from memory.  Whether the row was then stored, ON CONFLICT decides.
 */
typedef struct Captured
{
	bool		valid;
	pg_uuid_t	id;
	bool		has_cost;
	AiuAmount	cost;
	AiuCurrency currency;
	AiuUnpriced unpriced;
	bool		matched;
} Captured;

static Captured captured;

void
aiu_ledger_capture(const pg_uuid_t *id, const AiuAmount *cost, AiuCurrency currency,
				   AiuUnpriced unpriced, bool matched)
{
	captured.valid = true;
	captured.id = *id;
	captured.has_cost = cost != NULL;
	if (cost)
		captured.cost = *cost;
	captured.currency = currency;
	captured.unpriced = unpriced;
	captured.matched = matched;
}

/* last_booked(OUT id uuid, OUT cost numeric, OUT currency text, OUT unpriced_reason text, OUT matched boolean) */
Datum
aiu_last_booked(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	Datum		values[5] = {0};
	bool		nulls[5] = {false, true, false, true, false};
	char		code[4];

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!captured.valid)
		PG_RETURN_NULL();

	aiu_currency_print(captured.currency, code);
	values[0] = UUIDPGetDatum(&captured.id);
	if (captured.has_cost)
	{
		values[1] = NumericGetDatum(aiu_scaled_to_numeric(aiu_amount_value(&captured.cost), AIU_AMOUNT_DECIMALS));
		nulls[1] = false;
	}
	values[2] = CStringGetTextDatum(code);
	if (captured.unpriced != AIU_PRICED)
	{
		values[3] = CStringGetTextDatum(aiu_unpriced_label(captured.unpriced));
		nulls[3] = false;
	}
	values[4] = BoolGetDatum(captured.matched);
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

Datum
aiu_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(AIUSAGE_VERSION));
}
