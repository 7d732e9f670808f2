/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  The audit log of every configuration change.
 *
 * aiusage.audit_change() is an AFTER ROW trigger on each configuration
 * table.  It writes as the owner of the books, so that an administrator who
 * may change configuration can neither forge nor leave out an entry: nobody
 * else has rights on aiusage.audit_log.  A change that is rolled back leaves
 * no entry; an UPDATE that changes nothing is no change.
 *
 * Rows that a restore or a logical subscriber applies were audited where
 * they were made: the trigger is ordinary (not ENABLE ALWAYS).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "common/owner.h"

AIU_FUNCTION(aiu_audit_change);

/* A role may be dropped while it is logged in, or acts: then its number has to do. */
static Datum
role_name(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return CStringGetTextDatum(name != NULL ? name : psprintf("%u", role));
}

/* The row as a composite datum, for to_jsonb(). */
static Datum
row_datum(HeapTuple tuple, TupleDesc tupdesc)
{
	return heap_copy_tuple_as_datum(tuple, tupdesc);
}

Datum
aiu_audit_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TupleDesc	tupdesc;
	Oid			rowtype;
	HeapTuple	oldtuple = NULL;
	HeapTuple	newtuple = NULL;
	const char *operation;
	Oid			argtypes[6];
	Datum		values[6];
	char		nulls[6] = {' ', ' ', ' ', ' ', ' ', ' '};
	AiuOwnerSpi save;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("aiusage.audit_change() must be fired AFTER, FOR EACH ROW")));

	tupdesc = RelationGetDescr(trigdata->tg_relation);
	rowtype = trigdata->tg_relation->rd_rel->reltype;

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		operation = "INSERT";
		newtuple = trigdata->tg_trigtuple;
	}
	else if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		operation = "UPDATE";
		oldtuple = trigdata->tg_trigtuple;
		newtuple = trigdata->tg_newtuple;
	}
	else
	{
		operation = "DELETE";
		oldtuple = trigdata->tg_trigtuple;
	}

	argtypes[0] = TEXTOID;
	values[0] = role_name(GetSessionUserId());
	argtypes[1] = TEXTOID;
	values[1] = role_name(aiu_owner_acting_role());
	argtypes[2] = TEXTOID;
	values[2] = CStringGetTextDatum(RelationGetRelationName(trigdata->tg_relation));
	argtypes[3] = TEXTOID;
	values[3] = CStringGetTextDatum(operation);
	argtypes[4] = rowtype;
	values[4] = oldtuple ? row_datum(oldtuple, tupdesc) : (Datum) 0;
	if (!oldtuple)
		nulls[4] = 'n';
	argtypes[5] = rowtype;
	values[5] = newtuple ? row_datum(newtuple, tupdesc) : (Datum) 0;
	if (!newtuple)
		nulls[5] = 'n';

	aiu_owner_spi_begin_write(&save);
	if (SPI_execute_with_args("INSERT INTO aiusage.audit_log"
							  " (session_role, role, relation, operation, old, new, application)"
							  " SELECT $1, $2, $3, $4, o, n,"
							  "        pg_catalog.current_setting('application_name', true)"
							  " FROM (SELECT CASE WHEN $4 OPERATOR(pg_catalog.<>) 'INSERT' THEN pg_catalog.to_jsonb($5) END AS o,"
							  "              CASE WHEN $4 OPERATOR(pg_catalog.<>) 'DELETE' THEN pg_catalog.to_jsonb($6) END AS n) AS c"
							  " WHERE o IS DISTINCT FROM n",
							  6, argtypes, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write the audit log");
	aiu_owner_spi_end(&save);

	return PointerGetDatum(NULL);
}
