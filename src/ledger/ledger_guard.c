/*-------------------------------------------------------------------------
 *
 * ledger_guard.c
 *	  The ledger is append-only; and small functions that ask about it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "common/errors.h"
#include "common/xact_state.h"

AIU_FUNCTION(aiu_append_only);
AIU_FUNCTION(aiu_has_booked);
AIU_FUNCTION(aiu_module_version);

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
