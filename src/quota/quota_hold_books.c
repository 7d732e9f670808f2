/*-------------------------------------------------------------------------
 *
 * quota_hold_books.c
 *	  Durable holds: written to the books with their transaction, and read
 *	  back into memory after a restart.
 *
 * Reading comes before anything else that has to do with holds or counters of
 * these books: the table remembers for which it was done.  So whoever loads a
 * counter finds its durable holds in memory, and takes them for its own
 * (aiu_hold_adopt).  Nobody makes a hold before, so nothing is read twice.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "common/catalog.h"
#include "common/errors.h"
#include "common/guc.h"
#include "common/owner.h"
#include "quota/quota_hold_internal.h"
#include "types/exact.h"

/* Columns of aiusage.hold in insert_query, after its charges. */
static const char insert_query[] =
"INSERT INTO aiusage.hold (hold_id, created_at, expires_at, quotas, subjects, windows, held, estimated_cost, currency,"
" operation_id, api_key, provider, model, service_tier, endpoint, region, customer, user_id, workflow)"
" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";

#define INSERT_ARGS		19
#define FIRST_TERM		10
/* and in load_query */
#define FIRST_TERM_COLUMN 8

static const char update_query[] =
"UPDATE aiusage.hold SET held = $2, status = $3, expires_at = $4, estimated_cost = $5,"
" closed_at = CASE WHEN $3 OPERATOR(pg_catalog.=) 'open' THEN NULL ELSE pg_catalog.clock_timestamp() END"
" WHERE hold_id OPERATOR(pg_catalog.=) $1 AND status OPERATOR(pg_catalog.=) 'open'";

static const char load_query[] =
"SELECT h.hold_id, h.created_at, h.expires_at, h.quotas, h.subjects, h.windows, h.held,"
"       h.api_key, h.provider, h.model, h.service_tier, h.endpoint, h.region, h.customer, h.user_id, h.workflow"
"  FROM aiusage.hold AS h"
" WHERE h.status OPERATOR(pg_catalog.=) 'open' AND h.expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()";

static const char held_query[] =
"SELECT pg_catalog.sum(c.held)"
"  FROM aiusage.hold AS h, LATERAL ROWS FROM (pg_catalog.unnest(h.quotas), pg_catalog.unnest(h.subjects),"
"       pg_catalog.unnest(h.windows), pg_catalog.unnest(h.held)) AS c (quota, subject, window_start, held)"
" WHERE h.status OPERATOR(pg_catalog.=) 'open' AND h.expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()"
"   AND c.quota OPERATOR(pg_catalog.=) $1 AND c.subject OPERATOR(pg_catalog.=) $2 AND c.window_start OPERATOR(pg_catalog.=) $3";

static void
execute(SPIPlanPtr *plan, const char *query, int nargs, const Oid *argtypes, Datum *values, const char *nulls,
		bool read_only, int expected)
{
	int			result;

	if (*plan == NULL)
	{
		SPIPlanPtr	prepared = SPI_prepare(query, nargs, (Oid *) argtypes);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare a query of holds: %s", SPI_result_code_string(SPI_result));
		*plan = prepared;
	}
	result = SPI_execute_plan(*plan, values, nulls, read_only, 0);
	if (result != expected)
		elog(ERROR, "a query of holds failed: %s", SPI_result_code_string(result));
}

static Datum
amount_numeric(int128 amount)
{
	return NumericGetDatum(aiu_scaled_to_numeric(amount, AIU_QUOTA_DECIMALS));
}

/* What is held for each charge, less what is drawn; nothing any more of a hold that has ended. */
static Datum
held_array(const AiuHold *hold, const int128 *drawn, bool ended)
{
	Datum		elements[AIU_QUOTA_MAX];
	int			i;

	for (i = 0; i < hold->ncharges; i++)
		elements[i] = amount_numeric(ended ? 0 : Max(hold->charges[i].rest - (drawn ? drawn[i] : 0), 0));
	return PointerGetDatum(construct_array(elements, hold->ncharges, NUMERICOID, -1, false, TYPALIGN_INT));
}

void
aiu_hold_insert_durable(const AiuHold *hold, const AiuHoldRequest *request)
{
	static SPIPlanPtr plan = NULL;
	static const Oid argtypes[INSERT_ARGS] = {
		UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4ARRAYOID, UUIDARRAYOID, INT8ARRAYOID, NUMERICARRAYOID,
		NUMERICOID, TEXTOID, TEXTOID,
		TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID
	};
	Datum		values[INSERT_ARGS];
	char		nulls[INSERT_ARGS + 1];
	Datum		quotas[AIU_QUOTA_MAX];
	Datum		subjects[AIU_QUOTA_MAX];
	Datum		windows[AIU_QUOTA_MAX];
	pg_uuid_t	uuids[AIU_QUOTA_MAX];
	char		currency[4];
	AiuOwnerSpi save;
	int			i;

	for (i = 0; i < hold->ncharges; i++)
	{
		quotas[i] = Int32GetDatum(hold->charges[i].quota);
		aiu_quota_subject_uuid(hold->charges[i].subject, &uuids[i]);
		subjects[i] = UUIDPGetDatum(&uuids[i]);
		windows[i] = Int64GetDatum(hold->charges[i].window);
	}
	memset(nulls, ' ', INSERT_ARGS);
	nulls[INSERT_ARGS] = '\0';
	values[0] = UUIDPGetDatum(&hold->id);
	values[1] = TimestampTzGetDatum(hold->created_at);
	values[2] = TimestampTzGetDatum(hold->expires_at);
	values[3] = PointerGetDatum(construct_array(quotas, hold->ncharges, INT4OID, 4, true, TYPALIGN_INT));
	values[4] = PointerGetDatum(construct_array(subjects, hold->ncharges, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	values[5] = PointerGetDatum(construct_array(windows, hold->ncharges, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[6] = held_array(hold, NULL, false);
	nulls[7] = nulls[8] = hold->cost < 0 ? 'n' : ' ';
	values[7] = hold->cost < 0 ? (Datum) 0 : amount_numeric(hold->cost);
	aiu_currency_print(hold->currency, currency);
	values[8] = hold->cost < 0 ? (Datum) 0 : PointerGetDatum(cstring_to_text_with_len(currency, 3));
	nulls[9] = request->operation.s == NULL ? 'n' : ' ';
	values[9] = request->operation.s == NULL ? (Datum) 0 :
		PointerGetDatum(cstring_to_text_with_len(request->operation.s, request->operation.len));
	for (i = FIRST_TERM; i < INSERT_ARGS; i++)
	{
		const AiuLabel *term = i - FIRST_TERM < request->nterms ? &request->terms[i - FIRST_TERM] : NULL;

		nulls[i] = term == NULL || term->s == NULL ? 'n' : ' ';
		values[i] = nulls[i] == 'n' ? (Datum) 0 : PointerGetDatum(cstring_to_text_with_len(term->s, term->len));
	}

	aiu_owner_spi_begin_write(&save);
	execute(&plan, insert_query, INSERT_ARGS, argtypes, values, nulls, false, SPI_OK_INSERT);
	aiu_owner_spi_end(&save);
}

void
aiu_hold_update_durable(const AiuHold *hold, const int128 *drawn, const char *status)
{
	static SPIPlanPtr plan = NULL;
	static const Oid argtypes[5] = {UUIDOID, NUMERICARRAYOID, TEXTOID, TIMESTAMPTZOID, NUMERICOID};
	Datum		values[5];
	char		nulls[6] = "     ";
	AiuOwnerSpi save;

	values[0] = UUIDPGetDatum(&hold->id);
	values[1] = held_array(hold, drawn, strcmp(status, "open") != 0);
	values[2] = CStringGetTextDatum(status);
	values[3] = TimestampTzGetDatum(hold->expires_at);
	nulls[4] = hold->cost < 0 ? 'n' : ' ';
	values[4] = hold->cost < 0 ? (Datum) 0 : amount_numeric(hold->cost);

	aiu_owner_spi_begin_write(&save);
	execute(&plan, update_query, 5, argtypes, values, nulls, false, SPI_OK_UPDATE);
	aiu_owner_spi_end(&save);
}

int128
aiu_hold_durable_of(int32 quota, const pg_uuid_t *subject, int64 window)
{
	static SPIPlanPtr plan = NULL;
	static const Oid argtypes[3] = {INT4OID, UUIDOID, INT8OID};
	Datum		values[3];
	AiuOwnerSpi save;
	int128		held = 0;
	bool		isnull;
	Datum		sum;

	values[0] = Int32GetDatum(quota);
	values[1] = UUIDPGetDatum(subject);
	values[2] = Int64GetDatum(window);
	aiu_owner_spi_begin_uncached(&save);
	execute(&plan, held_query, 3, argtypes, values, NULL, true, SPI_OK_SELECT);
	sum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull && aiu_numeric_to_scaled(DatumGetNumeric(sum), AIU_QUOTA_DECIMALS, &held) != AIU_DEC_OK)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("sum of what holds have of a limit is out of range")));
	aiu_owner_spi_end(&save);
	return held;
}

/* An array column of the row, of n elements. */
static void
read_array(HeapTuple tuple, TupleDesc desc, int column, Oid type, int expected, Datum **elements)
{
	bool		isnull;
	Datum		d = SPI_getbinval(tuple, desc, column, &isnull);
	int16		typlen;
	bool		typbyval;
	char		typalign;
	bool	   *nulls;
	int			n;
	int			i;

	if (isnull)
		elog(ERROR, "a hold of the books lacks its charges");
	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	deconstruct_array(DatumGetArrayTypeP(d), type, typlen, typbyval, typalign, elements, &nulls, &n);
	if (n != expected && expected >= 0)
		elog(ERROR, "the charges of a hold of the books do not belong together");
	for (i = 0; i < n; i++)
	{
		if (nulls[i])
			elog(ERROR, "the charges of a hold of the books are incomplete");
	}
}

/* One durable hold of the books, into memory.  false: there is no room. */
static bool
restore_hold(HeapTuple tuple, TupleDesc desc, Oid books)
{
	AiuHold		hold;
	AiuLabel	terms[AIU_HOLD_NTERMS];
	Datum	   *quotas;
	Datum	   *subjects;
	Datum	   *windows;
	Datum	   *held;
	bool		isnull;
	int			n;
	int			i;
	int32		index;

	memset(&hold, 0, sizeof(hold));
	hold.id = *DatumGetUUIDP(SPI_getbinval(tuple, desc, 1, &isnull));
	hold.database = MyDatabaseId;
	hold.books = books;
	hold.created_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 2, &isnull));
	hold.expires_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 3, &isnull));
	/* its ttl may have been given later: then it is not known for how long */
	hold.given_at = hold.created_at;
	aiu_hold_obey_clock(&hold, GetCurrentTimestamp());
	hold.durable = true;
	hold.cost = -1;
	for (i = 0; i < AIU_HOLD_NTERMS; i++)
	{
		char	   *term = SPI_getvalue(tuple, desc, FIRST_TERM_COLUMN + i);

		terms[i].s = term;
		terms[i].len = term ? strlen(term) : 0;
	}
	aiu_hold_pack_terms(&hold, terms, AIU_HOLD_NTERMS);
	n = ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(SPI_getbinval(tuple, desc, 4, &isnull))),
					   ARR_DIMS(DatumGetArrayTypeP(SPI_getbinval(tuple, desc, 4, &isnull))));
	if (n > AIU_QUOTA_MAX)
		elog(ERROR, "a hold of the books has %d charges", n);
	read_array(tuple, desc, 4, INT4OID, n, &quotas);
	read_array(tuple, desc, 5, UUIDOID, n, &subjects);
	read_array(tuple, desc, 6, INT8OID, n, &windows);
	read_array(tuple, desc, 7, NUMERICOID, n, &held);
	hold.ncharges = n;
	for (i = 0; i < n; i++)
	{
		AiuHoldCharge *charge = &hold.charges[i];

		charge->quota = DatumGetInt32(quotas[i]);
		charge->counter = -1;
		memcpy(charge->subject, DatumGetUUIDP(subjects[i])->data, UUID_LEN);
		charge->window = DatumGetInt64(windows[i]);
		if (aiu_numeric_to_scaled(DatumGetNumeric(held[i]), AIU_QUOTA_DECIMALS, &charge->rest) != AIU_DEC_OK)
			elog(ERROR, "a hold of the books holds an amount that is out of range");
		charge->total = charge->rest;
	}

	pg_atomic_write_u32(&aiu_hold_table->restored, 1);
	index = aiu_hold_take(GetCurrentTimestamp());
	if (index < 0)
		return false;
	hold.next = aiu_holds[index].next;
	aiu_holds[index] = hold;
	/* a load that failed halfway has brought some of them */
	(void) aiu_hold_link(index);
	return true;
}

static void
set_state(int slot, uint32 state)
{
	LWLockAcquire(&aiu_hold_table->lock, LW_EXCLUSIVE);
	aiu_hold_table->books[slot].state = state;
	LWLockRelease(&aiu_hold_table->lock);
	ConditionVariableBroadcast(&aiu_hold_table->loaded);
}

static void
stop_loading(int code, Datum arg)
{
	set_state(DatumGetInt32(arg), AIU_COUNTER_EMPTY);
}

/* false: there is no room for all of them */
static bool
load(int slot, Oid books)
{
	static SPIPlanPtr plan = NULL;
	AiuOwnerSpi save;
	uint64		row;
	volatile bool complete = true;

	PG_ENSURE_ERROR_CLEANUP(stop_loading, Int32GetDatum(slot));
	{
		aiu_owner_spi_begin(&save);
		execute(&plan, load_query, 0, NULL, NULL, NULL, true, SPI_OK_SELECT);
		for (row = 0; row < SPI_processed && complete; row++)
			complete = restore_hold(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, books);
		aiu_owner_spi_end(&save);
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_loading, Int32GetDatum(slot));
	set_state(slot, complete ? AIU_COUNTER_READY : AIU_COUNTER_EMPTY);
	return complete;
}

bool
aiu_hold_load_books(bool must)
{
	static Oid	ready_books = InvalidOid;	/* memory that a crash wiped out takes the backend with it */
	Oid			books = aiu_catalog_usage_record();
	TimestampTz deadline;

	if (likely(ready_books == books))
		return true;
	deadline = GetCurrentTimestamp() + (int64) aiu_quota_load_timeout * 1000;

	ConditionVariablePrepareToSleep(&aiu_hold_table->loaded);
	for (;;)
	{
		int			slot = -1;
		int			i;
		uint32		state = AIU_COUNTER_LOADING;
		bool		ours = false;
		long		left;

		LWLockAcquire(&aiu_hold_table->lock, LW_EXCLUSIVE);
		for (i = 0; i < AIU_HOLD_BOOKS && slot < 0; i++)
		{
			AiuHoldBooks *b = &aiu_hold_table->books[i];

			/* the first one that is not in use ends the list */
			if (!OidIsValid(b->books) || (b->database == MyDatabaseId && b->books == books))
				slot = i;
		}
		if (slot >= 0)
		{
			AiuHoldBooks *b = &aiu_hold_table->books[slot];

			b->database = MyDatabaseId;
			b->books = books;
			state = b->state;
			if (state == AIU_COUNTER_FREE || state == AIU_COUNTER_EMPTY)
			{
				b->state = AIU_COUNTER_LOADING;
				ours = true;
			}
		}
		LWLockRelease(&aiu_hold_table->lock);

		if (slot < 0)
		{
			ConditionVariableCancelSleep();
			if (!must)
				return false;
			ereport(ERROR,
					(errcode(ERRCODE_AIU_NOT_LOADED),
					 errmsg("too many databases of this server have limits"),
					 errdetail("Since the server started, limits were used in %d; books that were dropped count.", AIU_HOLD_BOOKS),
					 errhint("Restart the server.")));
		}
		if (ours)
		{
			ConditionVariableCancelSleep();
			if (load(slot, books))
			{
				ready_books = books;
				return true;
			}
			if (!must)
				return false;
			ereport(ERROR,
					(errcode(ERRCODE_AIU_NOT_LOADED),
					 errmsg("the books have more open holds than can be kept"),
					 errdetail("There is room for %d.", aiu_quota_holds_max),
					 errhint("Raise aiusage.quota_holds and restart the server.")));
		}
		if (state == AIU_COUNTER_READY)
			break;
		left = (long) ((deadline - GetCurrentTimestamp()) / 1000);
		if (left <= 0)
		{
			ConditionVariableCancelSleep();
			if (!must)
				return false;
			ereport(ERROR,
					(errcode(ERRCODE_AIU_NOT_LOADED),
					 errmsg("open holds are not loaded yet"),
					 errhint("Retry.")));
		}
		(void) ConditionVariableTimedSleep(&aiu_hold_table->loaded, left, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	ready_books = books;
	return true;
}
