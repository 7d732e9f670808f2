/*-------------------------------------------------------------------------
 *
 * quota_memory.c
 *	  What can be seen of the engine from SQL, and the way of denials into the
 *	  books.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "common/catalog.h"
#include "common/compat.h"
#include "common/errors.h"
#include "common/guc.h"
#include "common/owner.h"
#include "quota/quota_hold_internal.h"
#include "types/exact.h"

AIU_FUNCTION(aiu_quota_counters_srf);
AIU_FUNCTION(aiu_quota_memory);
AIU_FUNCTION(aiu_quota_holds_srf);
AIU_FUNCTION(aiu_sweep_holds);
AIU_FUNCTION(aiu_flush_denials);

static const char *const state_names[] = {"free", "empty", "loading", "ready"};

void
aiu_quota_subject_uuid(const uint64 subject[2], pg_uuid_t *uuid)
{
	memcpy(uuid->data, subject, UUID_LEN);
}

static Datum
amount_numeric(int128 amount)
{
	return NumericGetDatum(aiu_scaled_to_numeric(amount, AIU_QUOTA_DECIMALS));
}

/* One counter, as it was at one moment; false: it is of other books, or free. */
static bool
copy_counter(int index, Oid books, AiuCounter *copy)
{
	AiuCounter *counter = &aiu_quota_counters[index];
	bool		ours;

	if (counter->state == AIU_COUNTER_FREE || counter->key.database != MyDatabaseId)
		return false;
	LWLockAcquire(&counter->lock, LW_SHARED);
	ours = counter->state != AIU_COUNTER_FREE && counter->key.database == MyDatabaseId && counter->key.books == books;
	if (ours)
		memcpy(copy, counter, sizeof(AiuCounter));
	LWLockRelease(&counter->lock);
	return ours;
}

/* aiusage.quota_counters() */
Datum
aiu_quota_counters_srf(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			books = aiu_catalog_usage_record();
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	if (aiu_quota_table == NULL)
		return (Datum) 0;

	for (i = 0; i < aiu_quota_table->ncounters; i++)
	{
		AiuCounter	c;
		pg_uuid_t	subject;
		Datum		values[12];
		bool		nulls[12] = {false};
		bool		ready;

		CHECK_FOR_INTERRUPTS();
		if (!copy_counter(i, books, &c))
			continue;
		ready = c.state == AIU_COUNTER_READY;
		aiu_quota_subject_uuid(c.key.subject, &subject);
		values[0] = Int32GetDatum(c.key.quota);
		values[1] = UUIDPGetDatum(&subject);
		values[2] = Int64GetDatum(c.key.window);
		values[3] = CStringGetTextDatum(state_names[c.state]);
		values[4] = amount_numeric(c.committed);
		values[5] = amount_numeric(c.reserved);
		values[6] = amount_numeric(c.held);
		values[7] = ready && c.limit >= 0 ? amount_numeric(c.limit) : (Datum) 0;
		nulls[7] = !ready || c.limit < 0;
		nulls[4] = nulls[5] = nulls[6] = !ready;
		values[8] = TimestampTzGetDatum(c.last_used);
		nulls[8] = c.last_used == 0;
		values[9] = Int32GetDatum(c.pins);
		values[10] = BoolGetDatum(c.sliding);
		values[11] = Int64GetDatum(c.ring_head);
		nulls[11] = !c.sliding;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The labels of a hold that people look at. */
static void
put_terms(const AiuHold *hold, Datum *values, bool *nulls, int nterms)
{
	AiuLabel	terms[AIU_HOLD_NTERMS];
	bool		kept = aiu_hold_unpack_terms(hold, terms, AIU_HOLD_NTERMS);
	int			i;

	for (i = 0; i < nterms; i++)
	{
		nulls[i] = !kept || terms[i].s == NULL;
		values[i] = nulls[i] ? (Datum) 0 : PointerGetDatum(cstring_to_text_with_len(terms[i].s, terms[i].len));
	}
}

/* aiusage.quota_holds() */
Datum
aiu_quota_holds_srf(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			books = aiu_catalog_usage_record();
	int			i;
	int			c;

	InitMaterializedSRF(fcinfo, 0);
	if (aiu_quota_table == NULL)
		return (Datum) 0;

	for (i = 0; i < aiu_hold_table->nholds; i++)
	{
		AiuHold		hold;
		pg_uuid_t	id = aiu_holds[i].id;
		Datum		values[16];
		bool		nulls[16] = {false};

		CHECK_FOR_INTERRUPTS();
		if (aiu_holds[i].status == AIU_HOLD_FREE || aiu_holds[i].database != MyDatabaseId ||
			aiu_holds[i].books != books || aiu_hold_find(&id, &hold) != i)
			continue;
		values[0] = UUIDPGetDatum(&hold.id);
		values[1] = CStringGetTextDatum(hold.status == AIU_HOLD_OPEN ? "open" : "closed");
		values[2] = BoolGetDatum(hold.durable);
		values[3] = TimestampTzGetDatum(hold.created_at);
		values[4] = TimestampTzGetDatum(hold.expires_at);
		put_terms(&hold, values + 5, nulls + 5, 3);
		nulls[8] = nulls[9] = hold.cost < 0;
		if (hold.cost >= 0)
		{
			char		currency[4];

			aiu_currency_print(hold.currency, currency);
			values[8] = amount_numeric(hold.cost);
			values[9] = PointerGetDatum(cstring_to_text_with_len(currency, 3));
		}
		for (c = 0; c < Max(hold.ncharges, 1); c++)
		{
			pg_uuid_t	subject;

			nulls[10] = nulls[11] = nulls[12] = nulls[13] = nulls[14] = hold.ncharges == 0;
			if (hold.ncharges > 0)
			{
				aiu_quota_subject_uuid(hold.charges[c].subject, &subject);
				values[10] = Int32GetDatum(hold.charges[c].quota);
				values[11] = UUIDPGetDatum(&subject);
				values[12] = Int64GetDatum(hold.charges[c].window);
				values[13] = amount_numeric(hold.charges[c].rest);
				values[14] = amount_numeric(hold.charges[c].total);
			}
			values[15] = BoolGetDatum(hold.status == AIU_HOLD_OPEN && VirtualTransactionIdIsValid(hold.claimant));
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}

/*
 * What open holds have of one counter: from memory, else (on a standby, not
 * preloaded, not loaded) of the durable ones.
 */
int128
aiu_quota_held(int32 quota, const uint64 subject[2], int64 window)
{
	pg_uuid_t	uuid;
	int128		held = 0;

	aiu_quota_subject_uuid(subject, &uuid);
	if (aiu_quota_table == NULL || RecoveryInProgress() || !aiu_counter_held(quota, subject, window, &held))
		held = aiu_hold_durable_of(quota, &uuid, window);
	return held;
}

/* aiusage.sweep_holds() */
Datum
aiu_sweep_holds(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(aiu_quota_table == NULL ? 0 : aiu_hold_sweep(GetCurrentTimestamp(), NULL));
}

/* aiusage.quota_memory() */
Datum
aiu_quota_memory(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	Datum		values[12];
	bool		nulls[12] = {false};
	AiuQuotaTable *t = aiu_quota_table;
	int64		used = 0;
	int64		waiting = 0;
	int64		unnamed;
	int			i;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tupdesc = BlessTupleDesc(tupdesc);
	if (t == NULL)
	{
		memset(nulls, true, sizeof(nulls));
		values[0] = BoolGetDatum(false);
		nulls[0] = false;
		return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
	}

	LWLockAcquire(&t->lock, LW_SHARED);
	used = t->ncounters - t->nfree;
	LWLockRelease(&t->lock);
	LWLockAcquire(&t->denial_lock, LW_SHARED);
	for (i = 0; i < AIU_DENIALS; i++)
		waiting += aiu_quota_denials[i].count;
	unnamed = t->denials_unnamed;
	LWLockRelease(&t->denial_lock);

	values[0] = BoolGetDatum(true);
	values[1] = Int64GetDatum(t->ncounters);
	values[2] = Int64GetDatum(used);
	values[3] = Int64GetDatum(sizeof(AiuCounter));
	values[4] = Int64GetDatum(aiu_quota_memory_size());
	SpinLockAcquire(&t->mutex);
	values[5] = Int64GetDatum(t->loads);
	values[6] = Int64GetDatum(t->load_failures);
	values[7] = Int64GetDatum(t->evictions);
	values[8] = Int64GetDatum(t->drops);
	values[9] = Int64GetDatum(t->denied);
	SpinLockRelease(&t->mutex);
	values[10] = Int64GetDatum(waiting + unnamed);
	values[11] = Int64GetDatum(unnamed);
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}


/*-------------------------------------------------------------------------
 * Denials: copied, written to quota_event, and subtracted when that commits.
 *-------------------------------------------------------------------------
 */

static AiuDenial *flushed = NULL;	/* copies, of this transaction; in TopMemoryContext */
static int	nflushed = 0;

bool
aiu_quota_flushing(void)
{
	return nflushed > 0;
}

void
aiu_quota_end_flush(bool commit)
{
	int			i;

	if (commit && nflushed > 0)
	{
		LWLockAcquire(&aiu_quota_table->denial_lock, LW_EXCLUSIVE);
		for (i = 0; i < nflushed; i++)
		{
			AiuDenial  *entry = &aiu_quota_denials[flushed[i].slot];

			entry->count -= flushed[i].count;
			entry->first = entry->last;
		}
		LWLockRelease(&aiu_quota_table->denial_lock);
	}
	nflushed = 0;
}

/* Copy this database's denials. */
static void
copy_denials(void)
{
	Oid			books = aiu_catalog_usage_record();
	int			i;

	if (flushed == NULL)
		flushed = MemoryContextAlloc(TopMemoryContext, sizeof(AiuDenial) * AIU_DENIALS);
	LWLockAcquire(&aiu_quota_table->denial_lock, LW_SHARED);
	for (i = 0; i < AIU_DENIALS; i++)
	{
		const AiuDenial *entry = &aiu_quota_denials[i];

		if (entry->count == 0 || entry->database != MyDatabaseId || entry->books != books)
			continue;
		flushed[nflushed] = *entry;
		flushed[nflushed++].slot = i;
	}
	LWLockRelease(&aiu_quota_table->denial_lock);
}

static const char denial_query[] =
"INSERT INTO aiusage.quota_event (kind, quota, quota_name, subject, subject_text, window_start, api_key,"
" used, asked, \"limit\", count, first_at, last_at, detail)"
" SELECT 'denied', $1, coalesce((SELECT q.name FROM aiusage.quota AS q WHERE q.quota OPERATOR(pg_catalog.=) $1), ''),"
" $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12";

static void
write_denial(SPIPlanPtr plan, const AiuDenial *denial)
{
	Datum		values[12];
	pg_uuid_t	subject;

	aiu_quota_subject_uuid(denial->subject, &subject);
	values[0] = Int32GetDatum(denial->quota);
	values[1] = UUIDPGetDatum(&subject);
	values[2] = CStringGetTextDatum(denial->subject_text);
	values[3] = Int64GetDatum(denial->window);
	values[4] = CStringGetTextDatum(denial->key);
	values[5] = amount_numeric(denial->used);
	values[6] = amount_numeric(denial->asked);
	values[7] = amount_numeric(denial->limit);
	values[8] = Int64GetDatum(denial->count);
	values[9] = TimestampTzGetDatum(denial->first);
	values[10] = TimestampTzGetDatum(denial->last);
	values[11] = CStringGetTextDatum(unpack_sql_state(denial->sqlstate));
	if (SPI_execute_plan(plan, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write a denial");
}

/* aiusage.flush_denials() RETURNS bigint: how many entries were written */
Datum
aiu_flush_denials(PG_FUNCTION_ARGS)
{
	Oid			argtypes[12] = {INT4OID, UUIDOID, TEXTOID, INT8OID, TEXTOID, NUMERICOID, NUMERICOID, NUMERICOID,
		INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID};
	AiuOwnerSpi save;
	SPIPlanPtr	plan;
	int			i;

	if (aiu_quota_table == NULL)
		PG_RETURN_INT64(0);
	if (GetCurrentTransactionNestLevel() > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("denials cannot be flushed in a subtransaction"),
				 errhint("Call it outside of savepoints and exception blocks; maintain() does.")));
	if (nflushed > 0)
		PG_RETURN_INT64(0);		/* once a transaction */

	aiu_owner_spi_begin_write(&save);
	/* one flush at a time, until its transaction ends */
	if (SPI_execute("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('aiusage.flush_denials'))", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not take the lock of denials");
	copy_denials();
	plan = SPI_prepare(denial_query, lengthof(argtypes), argtypes);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	for (i = 0; i < nflushed; i++)
		write_denial(plan, &flushed[i]);
	aiu_owner_spi_end(&save);
	PG_RETURN_INT64(nflushed);
}
