/*-------------------------------------------------------------------------
 *
 * ledger_guard.c
 *	  The ledger is append-only; and small functions that ask about it.
 *
 * Two functions of the books' owner may change a row all the same, each in one
 * way only, which is checked here and not left to them: erasing takes away
 * identifiers and nothing else, and moving takes a row out of the DEFAULT
 * partition.  The permission is the transaction's, until it is given back; a
 * rollback to before it was given takes it away.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "common/errors.h"
#include "common/xact_state.h"
#include "ledger/ledger.h"
#include "ledger/ledger_columns.h"

AIU_FUNCTION(aiu_append_only);
AIU_FUNCTION(aiu_permit_change);
AIU_FUNCTION(aiu_change_permitted);
AIU_FUNCTION(aiu_has_booked);
AIU_FUNCTION(aiu_module_version);

/*---- Local variables ----*/

typedef enum Permission
{
	PERMIT_NOTHING,
	PERMIT_ERASE,				/* UPDATE of identifiers to NULL */
	PERMIT_MOVE					/* DELETE from the DEFAULT partition */
} Permission;

static Permission permission = PERMIT_NOTHING;
static int	permission_level = 0;	/* nesting of the transaction that gave it */

/* What erasing may set to NULL.  tags lose keys, or all. */
static const int identifier_columns[] = {
	COL_request_id, COL_trace_id, COL_operation_id, COL_job_id, COL_user_id, COL_origin, COL_provider_request_id
};

static void
permission_xact_callback(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		permission = PERMIT_NOTHING;
}

static void
permission_subxact_callback(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && permission_level >= GetCurrentTransactionNestLevel())
		permission = PERMIT_NOTHING;
}

void
aiu_ledger_guard_init(void)
{
	RegisterXactCallback(permission_xact_callback, NULL);
	RegisterSubXactCallback(permission_subxact_callback, NULL);
}

/* aiusage.permit_change(what text): erase, move, or NULL to give it back; for the books' owner only */
Datum
aiu_permit_change(PG_FUNCTION_ARGS)
{
	char	   *what = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (what == NULL)
		permission = PERMIT_NOTHING;
	else if (strcmp(what, "erase") == 0)
		permission = PERMIT_ERASE;
	else if (strcmp(what, "move") == 0)
		permission = PERMIT_MOVE;
	else
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("nothing may be changed of the ledger by \"%s\"", what),
				 errhint("Corrections are new rows: aiusage.adjust(), aiusage.reattribute().")));
	permission_level = GetCurrentTransactionNestLevel();
	PG_RETURN_VOID();
}

/* aiusage.change_permitted(): is this transaction erasing? for guards of other tables */
Datum
aiu_change_permitted(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(permission == PERMIT_ERASE);
}

static bool
only_identifiers_go(TriggerData *trigdata)
{
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	int			i;
	int			j;

	if (desc->natts != AIU_LEDGER_NCOLUMNS)
		return false;
	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		bool		old_null;
		bool		new_null;
		Datum		old_value = heap_getattr(trigdata->tg_trigtuple, i + 1, desc, &old_null);
		Datum		new_value = heap_getattr(trigdata->tg_newtuple, i + 1, desc, &new_null);

		if (i == COL_tags)
			continue;
		for (j = 0; j < lengthof(identifier_columns); j++)
			if (identifier_columns[j] == i)
				break;
		if (j < lengthof(identifier_columns) && new_null)
			continue;
		if (old_null != new_null || (!old_null && !datum_image_eq(old_value, new_value, att->attbyval, att->attlen)))
			return false;
	}
	return true;
}

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
	if (permission == PERMIT_ERASE && TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) &&
		TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) && only_identifiers_go(trigdata))
		return PointerGetDatum(trigdata->tg_newtuple);
	if (permission == PERMIT_MOVE && TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) &&
		TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) &&
		strcmp(RelationGetRelationName(trigdata->tg_relation), "usage_record_default") == 0)
		return PointerGetDatum(trigdata->tg_trigtuple);
	ereport(ERROR,
			(errcode(ERRCODE_AIU_NOT_ALLOWED),
			 errmsg("the ledger is append-only: %s of \"%s\" is refused",
					TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? "UPDATE" :
					TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) ? "DELETE" : "TRUNCATE",
					RelationGetRelationName(trigdata->tg_relation)),
			 errhint("Correct a row with aiusage.adjust() or aiusage.reattribute(), which write new rows.")));
	return PointerGetDatum(NULL);
}

Datum
aiu_module_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(AIUSAGE_VERSION));
}

/* aiusage.has_booked() RETURNS boolean */
Datum
aiu_has_booked(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(aiu_xact_usage_written());
}
