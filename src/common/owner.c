/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  Reading and writing the books as their owner.
 *
 * The switch is the one foreign-key triggers make (ri_triggers.c): local
 * user id change, security-restricted, and search_path pinned at a GUC nest
 * level of its own.  Error exit needs no code: transaction abort restores
 * the user id, SPI, snapshots and GUCs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#include "common/catalog.h"
#include "common/compat.h"
#include "common/owner.h"

AIU_FUNCTION(aiu_call_as_owner);
AIU_FUNCTION(aiu_acting_role);

static void
become_owner(AiuOwnerSpi *save)
{
	Oid			owner = aiu_catalog_books_owner();

	GetUserIdAndSecContext(&save->save_userid, &save->save_sec_context);
	SetUserIdAndSecContext(owner, save->save_sec_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	save->save_nestlevel = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
aiu_owner_spi_begin(AiuOwnerSpi *save)
{
	/* no newer snapshot can be had there, and caching under an old one would go stale */
	if (IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("cannot read the books of aiusage during a parallel operation"),
				 errhint("Set max_parallel_workers_per_gather to 0 for this query.")));
	become_owner(save);
	PushActiveSnapshot(GetLatestSnapshot());
	save->pushed_snapshot = true;
}

void
aiu_owner_plain_planner(void)
{
	static const struct
	{
		const char *name;
		const bool *setting;
		bool		wanted;
	}			switches[] =
	{
		{"jit", &jit_enabled, false},
		{"enable_seqscan", &enable_seqscan, true},
		{"enable_indexscan", &enable_indexscan, true},
		{"enable_indexonlyscan", &enable_indexonlyscan, true},
		{"enable_bitmapscan", &enable_bitmapscan, true},
		{"enable_nestloop", &enable_nestloop, true},
		{"enable_hashjoin", &enable_hashjoin, true},
		{"enable_mergejoin", &enable_mergejoin, true},
		{"enable_hashagg", &enable_hashagg, true},
		{"enable_sort", &enable_sort, true},
		{"enable_material", &enable_material, true},
	};
	int			i;

	for (i = 0; i < lengthof(switches); i++)
	{
		if (*switches[i].setting != switches[i].wanted)
			(void) set_config_option(switches[i].name, switches[i].wanted ? "on" : "off", PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_SAVE, true, 0, false);
	}
}

void
aiu_owner_spi_begin_uncached(AiuOwnerSpi *save)
{
	become_owner(save);
	PushActiveSnapshot(IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot());
	save->pushed_snapshot = true;
}

void
aiu_owner_spi_begin_write(AiuOwnerSpi *save)
{
	become_owner(save);
	save->pushed_snapshot = false;
}

void
aiu_owner_spi_end(AiuOwnerSpi *save)
{
	if (save->pushed_snapshot)
		PopActiveSnapshot();
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	AtEOXact_GUC(false, save->save_nestlevel);
	SetUserIdAndSecContext(save->save_userid, save->save_sec_context);
}

/*
 * The role that acts: SET ROLE's, whatever user-id switches are in force.
 * The login role is session_user as ever.
 */
Oid
aiu_owner_acting_role(void)
{
	return GetOuterUserId();
}

/* aiusage.acting_role() RETURNS text */
Datum
aiu_acting_role(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(GetUserNameFromId(aiu_owner_acting_role(), false)));
}

/*
 * aiu_call_as_owner
 *		Body of the SQL functions that act on the books for a role that may
 *		not touch them itself: aiusage.f(args) calls aiusage.owner_f(args) as
 *		the owner of the books.
 *
 * Who may do that is said by EXECUTE on the outer function, which is revoked
 * from PUBLIC; the inner one is executable by the owner only.  The inner
 * name and argument types come from the outer's own pg_proc row, so that
 * nothing a caller sends chooses what runs.
 */
Datum
aiu_call_as_owner(PG_FUNCTION_ARGS)
{
	HeapTuple	proctuple;
	Form_pg_proc proc;
	Oid			argtypes[FUNC_MAX_ARGS];
	Datum		values[FUNC_MAX_ARGS];
	char		nulls[FUNC_MAX_ARGS];
	StringInfoData query;
	AiuOwnerSpi save;
	MemoryContext caller_context = CurrentMemoryContext;
	bool		retset;
	Datum		result = (Datum) 0;
	bool		isnull = true;
	int			nargs = PG_NARGS();
	int			i;

	proctuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
	if (!HeapTupleIsValid(proctuple))
		elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
	proc = (Form_pg_proc) GETSTRUCT(proctuple);
	Assert(proc->pronargs == nargs);
	retset = proc->proretset;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT %s FROM aiusage.%s(", retset ? "*" : "r",
					 quote_identifier(psprintf("owner_%s", NameStr(proc->proname))));
	for (i = 0; i < nargs; i++)
	{
		argtypes[i] = proc->proargtypes.values[i];
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
		appendStringInfo(&query, "%s$%d", i ? ", " : "", i + 1);
	}
	appendStringInfoString(&query, retset ? ")" : ") AS r");
	ReleaseSysCache(proctuple);

	/*
	 * A set comes back materialised; the tuplestore must be made in the
	 * caller's memory before SPI has one of its own.
	 */
	if (retset)
	{
		InitMaterializedSRF(fcinfo, 0);
	}

	aiu_owner_spi_begin_write(&save);
	if (SPI_execute_with_args(query.data, nargs, argtypes, values, nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "owner function did not return rows: %s", query.data);

	if (retset)
	{
		ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
		uint64		row;

		for (row = 0; row < SPI_processed; row++)
			tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[row]);
	}
	else if (SPI_processed > 0)
	{
		result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		if (!isnull)
		{
			Oid			type = SPI_gettypeid(SPI_tuptable->tupdesc, 1);
			MemoryContext old = MemoryContextSwitchTo(caller_context);
			int16		typlen;
			bool		typbyval;

			if (type != VOIDOID)
			{
				get_typlenbyval(type, &typlen, &typbyval);
				result = datumCopy(result, typbyval, typlen);
			}
			MemoryContextSwitchTo(old);
		}
	}
	aiu_owner_spi_end(&save);

	if (retset)
		return (Datum) 0;
	if (isnull)
		PG_RETURN_NULL();
	return result;
}
