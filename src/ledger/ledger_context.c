/*-------------------------------------------------------------------------
 *
 * ledger_context.c
 *	  Settings, incarnation and enum labels that booking needs.
 *
 * Loaded on the first row and again after aiusage.setting or aiusage.books
 * has changed.  The incarnation starts anew here: transaction ids of the
 * cluster the books came from mean nothing in this one, and would make new
 * rows look folded.  Whoever books first after a restore sees another system
 * identifier and raises the incarnation, in its own transaction: the row
 * lock makes others wait for its outcome, once in the life of a cluster.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

#include "common/catalog.h"
#include "common/compat.h"
#include "common/errors.h"
#include "common/owner.h"
#include "ledger/ledger_internal.h"
#include "quota/quota.h"

AIU_FUNCTION(aiu_system_identifier);
AIU_FUNCTION(aiu_in_extension_script);
AIU_FUNCTION(aiu_current_incarnation);

/*---- Local variables ----*/

static LedgerContext context;

static Oid
own_type(const char *type)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(type),
						   ObjectIdGetDatum(get_namespace_oid("aiusage", false)));
}

static Oid
enum_label(const char *type, const char *label)
{
	Oid			typid = own_type(type);
	Oid			result = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
										 ObjectIdGetDatum(typid), CStringGetDatum(label));

	if (!OidIsValid(result))
		elog(ERROR, "enum aiusage.%s has no label \"%s\"", type, label);
	return result;
}

static void
load_types(LedgerContext *ctx)
{
	static const char *const own[] = {
		"amount", "usage", "unit_costs", "usage_status", "stream_state", "cost_state",
		"unpriced_reason", "limit_state", "record_kind"
	};
	int			i;

	StaticAssertStmt(lengthof(own) == AIU_COLUMN_TYPES - COLTYPE_AMOUNT, "a type of the ledger has no name");
	ctx->column_type[COLTYPE_UUID] = UUIDOID;
	ctx->column_type[COLTYPE_TIMESTAMPTZ] = TIMESTAMPTZOID;
	ctx->column_type[COLTYPE_INT8] = INT8OID;
	ctx->column_type[COLTYPE_INT4] = INT4OID;
	ctx->column_type[COLTYPE_INT2] = INT2OID;
	ctx->column_type[COLTYPE_BOOL] = BOOLOID;
	ctx->column_type[COLTYPE_TEXT] = TEXTOID;
	ctx->column_type[COLTYPE_JSONB] = JSONBOID;
	for (i = 0; i < lengthof(own); i++)
		ctx->column_type[COLTYPE_AMOUNT + i] = own_type(own[i]);
}

static void
load_enums(LedgerContext *ctx)
{
	int			i;

	ctx->kind_usage = enum_label("record_kind", "usage");
	ctx->kind_reversal = enum_label("record_kind", "reversal");
	ctx->kind_adjustment = enum_label("record_kind", "adjustment");
	ctx->status_success = enum_label("usage_status", "success");
	ctx->status_cancelled = enum_label("usage_status", "cancelled");
	ctx->stream_partial = enum_label("stream_state", "partial");
	ctx->stream_estimated = enum_label("stream_state", "estimated");
	ctx->cost_final = enum_label("cost_state", "final");
	ctx->cost_estimated = enum_label("cost_state", "estimated");
	ctx->cost_unpriced = enum_label("cost_state", "unpriced");
	ctx->quota_state[AIU_QUOTA_STATE_NONE] = InvalidOid;
	ctx->quota_state[AIU_QUOTA_STATE_OK] = enum_label("limit_state", "ok");
	ctx->quota_state[AIU_QUOTA_STATE_SOFT] = enum_label("limit_state", "soft");
	ctx->quota_state[AIU_QUOTA_STATE_OVER] = enum_label("limit_state", "over");
	ctx->quota_state[AIU_QUOTA_STATE_UNHELD] = enum_label("limit_state", "unheld");
	ctx->quota_state[AIU_QUOTA_STATE_EXEMPT] = enum_label("limit_state", "exempt");
	for (i = AIU_UNPRICED_NO_VERSION; i <= AIU_UNPRICED_OVERFLOW; i++)
		ctx->unpriced[i] = enum_label("unpriced_reason", aiu_unpriced_label((AiuUnpriced) i));
}

/*
 * Partitions below the retained range that are kept all the same, because they
 * hold a retention class that is longer than those of younger ones.  None, as
 * a rule.
 */
static void
load_kept(LedgerContext *ctx)
{
	pg_uuid_t  *kept = NULL;
	uint64		row;
	bool		isnull;

	if (ctx->kept != NULL)
		pfree(ctx->kept);
	ctx->kept = NULL;
	ctx->nkept = 0;
	if (!ctx->retention)
		return;
	if (SPI_execute("SELECT k.lower_id, k.upper_id FROM aiusage.owner_kept_ranges() AS k ORDER BY k.lower_id", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read which partitions are kept");
	if (SPI_processed == 0)
		return;
	kept = MemoryContextAlloc(TopMemoryContext, SPI_processed * 2 * sizeof(pg_uuid_t));
	for (row = 0; row < SPI_processed; row++)
	{
		kept[row * 2] = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull));
		kept[row * 2 + 1] = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2, &isnull));
	}
	ctx->kept = kept;
	ctx->nkept = (int) SPI_processed;
}

/* Does an id below the retained range belong to a partition that is kept? */
bool
aiu_ledger_id_is_kept(const LedgerContext *ctx, const pg_uuid_t *id)
{
	int			i;

	for (i = 0; i < ctx->nkept; i++)
		if (memcmp(id, &ctx->kept[i * 2], UUID_LEN) >= 0 && memcmp(id, &ctx->kept[i * 2 + 1], UUID_LEN) < 0)
			return true;
	return false;
}

/*
 * Read aiusage.setting and aiusage.books.  Returns false when the books'
 * system identifier is not this cluster's.
 */
static bool
load_settings(LedgerContext *ctx)
{
	AiuOwnerSpi save;
	uint64		row;
	int64		identifier = 0;
	bool		isnull;
	pg_uuid_t  *retained;
	static const pg_uuid_t nil;

	aiu_owner_spi_begin(&save);

	if (SPI_execute("SELECT system_identifier, incarnation, retained_from FROM aiusage.books", true, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the books of aiusage are incomplete: aiusage.books has no row"),
				 errhint("Restore aiusage.books from a backup; it says which transactions belong to this cluster.")));
	identifier = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	ctx->incarnation_bits = ((int64) DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull))) << 48;
	retained = DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &isnull));
	ctx->retained_from = *retained;
	ctx->retention = memcmp(retained, &nil, sizeof(nil)) != 0;
	load_kept(ctx);

	ctx->strict_keys = false;
	ctx->strict_prices = false;
	ctx->currency = 0;
	if (SPI_execute("SELECT name, value FROM aiusage.setting", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read aiusage.setting");
	for (row = 0; row < SPI_processed; row++)
	{
		char	   *name = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1);
		char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2);

		if (strcmp(name, "strict_keys") == 0)
			ctx->strict_keys = strcmp(value, "on") == 0;
		else if (strcmp(name, "strict_prices") == 0)
			ctx->strict_prices = strcmp(value, "on") == 0;
		else if (strcmp(name, "currency") == 0)
			ctx->currency = aiu_currency_parse(value, strlen(value));
	}
	if (ctx->currency == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("setting \"currency\" is missing or not three letters A-Z"),
				 errhint("Set it in aiusage.setting, for example to USD.")));

	aiu_owner_spi_end(&save);
	return (uint64) identifier == GetSystemIdentifier();
}

/* The books were restored into this cluster: start the next incarnation. */
static void
next_incarnation(void)
{
	AiuOwnerSpi save;
	Oid			argtypes[1] = {INT8OID};
	Datum		values[1];

	values[0] = Int64GetDatum((int64) GetSystemIdentifier());
	aiu_owner_spi_begin_write(&save);
	/* the condition again: somebody else may have been first */
	if (SPI_execute_with_args("UPDATE aiusage.books SET system_identifier = $1, incarnation = incarnation OPERATOR(pg_catalog.+) 1"
							  " WHERE system_identifier OPERATOR(pg_catalog.<>) $1",
							  1, argtypes, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not start a new incarnation of the books");
	aiu_owner_spi_end(&save);
	CommandCounterIncrement();
}

const LedgerContext *
aiu_ledger_context(void)
{
	uint64		generation = aiu_catalog_generation(AIU_CATALOG_SETTINGS);

	if (likely(context.generation == generation))
		return &context;

	context.generation = 0;
	load_types(&context);
	load_enums(&context);
	if (!load_settings(&context))
	{
		next_incarnation();
		/*
		 * The change is ours and uncommitted, or another's and committed; a
		 * rollback of ours sends the invalidation that makes us look again.
		 */
		generation = aiu_catalog_generation(AIU_CATALOG_SETTINGS);
		if (!load_settings(&context))
			elog(ERROR, "could not start a new incarnation of the books");
	}
	context.generation = generation;
	return &context;
}

bool
aiu_ledger_strict_keys(void)
{
	return aiu_ledger_context()->strict_keys;
}

Datum
aiu_system_identifier(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) GetSystemIdentifier());
}

Datum
aiu_in_extension_script(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(creating_extension);
}

/* aiusage.current_incarnation(): starts the next one when the cluster is another */
Datum
aiu_current_incarnation(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32((int32) (aiu_ledger_context()->incarnation_bits >> 48));
}
