/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  Where the books are, and when what a backend remembers of them ends.
 *
 * Relcache invalidations are the transport: PostgreSQL delivers them to every
 * backend at commit of the change, to the changing backend at its next
 * command and again when its (sub)transaction aborts.  The callback only
 * compares OIDs and bumps counters: it runs inside AcceptInvalidationMessages
 * and may not touch the catalogues.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "common/catalog.h"
#include "common/compat.h"
#include "common/errors.h"

AIU_FUNCTION(aiu_invalidate_caches);
AIU_FUNCTION(aiu_require_books);

/*---- Local variables ----*/

static const struct
{
	const char *group;			/* argument of the trigger */
	const char *head;			/* relation whose invalidation stands for the group */
}			groups[AIU_CATALOG_COUNT] =
{
	{"settings", "setting"},
	{"prices", "price_version"},
	{"keys", "api_key"},
	{"periods", "invoice_period"},
	{"quotas", "quota"},
};

static Oid	head_relid[AIU_CATALOG_COUNT];
static uint64 generation[AIU_CATALOG_COUNT] = {1, 1, 1, 1, 1};
static uint64 relation_changes = 1;
static Oid	ledger_relid = InvalidOid;
static Oid	owner_roleid = InvalidOid;

static void
bump_all(void)
{
	int			i;

	for (i = 0; i < AIU_CATALOG_COUNT; i++)
	{
		generation[i]++;
		head_relid[i] = InvalidOid;
	}
	ledger_relid = InvalidOid;
	owner_roleid = InvalidOid;
}

static void
relcache_callback(Datum arg, Oid relid)
{
	int			i;

	relation_changes++;
	if (!OidIsValid(relid))
	{
		bump_all();
		return;
	}
	for (i = 0; i < AIU_CATALOG_COUNT; i++)
	{
		/* a head not looked up yet: nothing loaded depends on it unless it is this one */
		if (head_relid[i] == relid || !OidIsValid(head_relid[i]))
		{
			generation[i]++;
			head_relid[i] = InvalidOid;
		}
	}
	/* the ledger not looked up yet: an owner that is known may have been found on the way */
	if (ledger_relid == relid || !OidIsValid(ledger_relid))
	{
		ledger_relid = InvalidOid;
		owner_roleid = InvalidOid;
	}
}

/* DROP SCHEMA, ALTER SCHEMA: rare, start over. */
static void
namespace_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	relation_changes++;
	bump_all();
}

void
aiu_catalog_init(void)
{
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, namespace_callback, (Datum) 0);
}

static Oid
own_relation(const char *relname)
{
	Oid			nspoid = get_namespace_oid("aiusage", true);

	return OidIsValid(nspoid) ? get_relname_relid(relname, nspoid) : InvalidOid;
}

uint64
aiu_catalog_generation(AiuCatalog group)
{
	if (unlikely(!OidIsValid(head_relid[group])))
		head_relid[group] = own_relation(groups[group].head);
	return generation[group];
}

uint64
aiu_catalog_relation_changes(void)
{
	return relation_changes;
}

Oid
aiu_catalog_usage_record(void)
{
	if (unlikely(!OidIsValid(ledger_relid)))
		ledger_relid = own_relation("usage_record");
	return ledger_relid;
}

Oid
aiu_catalog_books_owner(void)
{
	if (unlikely(!OidIsValid(owner_roleid)))
	{
		Oid			relid = aiu_catalog_usage_record();
		HeapTuple	tuple = OidIsValid(relid) ? SearchSysCache1(RELOID, ObjectIdGetDatum(relid)) : NULL;

		if (!HeapTupleIsValid(tuple))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the books of aiusage do not exist in this database"),
					 errdetail("CREATE EXTENSION brings the code; the tables are made by aiusage.init()."),
					 errhint("Run SELECT * FROM aiusage.init(); first.")));
		owner_roleid = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner_roleid;
}

/*
 * aiusage.invalidate_caches()
 *		Trigger on configuration tables: tells every backend, at commit, to
 *		forget what it has loaded of the group named by the trigger's argument.
 *
 * Once a statement, and also once a row where rows arrive by logical
 * replication (ENABLE REPLICA): they change prices too, and come without
 * statement triggers.  Messages that are alike are sent once.
 */
Datum
aiu_invalidate_caches(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	int			i;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		trigdata->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("aiusage.invalidate_caches() must be fired AFTER, with one argument")));

	for (i = 0; i < AIU_CATALOG_COUNT; i++)
	{
		if (strcmp(trigdata->tg_trigger->tgargs[0], groups[i].group) == 0)
		{
			Oid			head = own_relation(groups[i].head);

			if (OidIsValid(head))
				CacheInvalidateRelcacheByRelid(head);
			return PointerGetDatum(NULL);
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown cache group \"%s\"", trigdata->tg_trigger->tgargs[0])));
	return PointerGetDatum(NULL);	/* keep the compiler quiet */
}

/* aiusage.require_books() RETURNS void */
Datum
aiu_require_books(PG_FUNCTION_ARGS)
{
	(void) aiu_catalog_books_owner();
	PG_RETURN_VOID();
}
