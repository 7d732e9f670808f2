/*-------------------------------------------------------------------------
 *
 * quota_tail.c
 *	  What the ledger's rows that are not folded yet add up to, counter by
 *	  counter, from one reading of them.
 *
 * A counter that is loaded needs the rows that no fold has taken.  Whoever
 * reads them for one counter can add them up for all: the next counters that
 * this backend loads then need only what is folded.  Why the sums of an
 * earlier reading are right for a counter that is loaded later is said in
 * README.md ("One tail for all"); what they depend on is in TailStamp, and when
 * that is not what it was the rows are read again.
 *
 * The memory is bounded.  When there are more counters in the tail than that,
 * those that came first are kept, completely; the others are read again when
 * they are asked for.  The counter that the reading is for is summed beside
 * all that, so it is always complete.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/catalog.h"
#include "common/owner.h"
#include "common/xact_state.h"
#include "quota/quota_config.h"
#include "types/exact.h"

/* Sums that are kept: 4 MB. */
#define TAIL_SUMS		65536
/* Rows read at a time. */
#define TAIL_BATCH		1000
/* Sums of a reading that is older are not kept beyond the transaction. */
#define TAIL_KEEP		(30 * USECS_PER_SEC)

typedef struct TailKey
{
	int32		quota;
	int32		unused;			/* 0: keys are compared bytewise */
	uint64		subject[2];
} TailKey;

/* The sums of one limit and subject, the window that was met last first. */
typedef struct TailEntry
{
	TailKey		key;
	int32		first;
	char		status;			/* simplehash's own */
} TailEntry;

typedef struct TailSum
{
	int128		amount;
	int64		window;
	int32		next;			/* -1: last */
} TailSum;

#define SH_PREFIX tailtab
#define SH_ELEMENT_TYPE TailEntry
#define SH_KEY_TYPE TailKey
#define SH_KEY key
#define SH_HASH_KEY(tb, k) murmurhash32((uint32) (k).subject[0] ^ (uint32) (k).quota)
#define SH_EQUAL(tb, a, b) (memcmp(&(a), &(b), sizeof(TailKey)) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What the sums are true of. */
typedef struct TailStamp
{
	Oid			books;
	uint64		generation;		/* of the definitions */
	uint64		evictions;		/* from before the snapshot */
	AiuTailFold fold;
} TailStamp;

typedef struct Tail
{
	MemoryContext context;
	TailStamp	stamp;
	TimestampTz read_at;
	bool		complete;		/* what is not there adds up to nothing */
	struct tailtab_hash *entries;
	int			nsums;
	int			size;
	TailSum    *sums;
} Tail;

/* The columns of a row that limits look at, and what it is to them. $1: own transaction without incarnation. */
static const char tail_query[] =
"SELECT t.api_key, t.assignment, t.customer, t.workflow, t.user_id, t.job_id, t.tags, t.provider, t.model, t.endpoint,"
"       t.usage, t.cost, t.kind OPERATOR(pg_catalog.=) 'usage' AND t.adjusts IS NULL,"
"       t.kind OPERATOR(pg_catalog.<>) 'outcome', t.status OPERATOR(pg_catalog.<>) 'success',"
"       t.quota_state IS NOT NULL AND t.quota_state OPERATOR(pg_catalog.=) 'exempt',"
"       t.occurred_at, t.recorded_at, t.invoice_period"
"  FROM aiusage.quota_tail AS t"
" WHERE (t.txid OPERATOR(pg_catalog.&) 281474976710655) OPERATOR(pg_catalog.<>) $1";

enum
{
	COL_API_KEY = 1, COL_ASSIGNMENT, COL_CUSTOMER, COL_WORKFLOW, COL_USER_ID, COL_JOB_ID, COL_TAGS, COL_PROVIDER,
	COL_MODEL, COL_ENDPOINT, COL_USAGE, COL_COST, COL_COUNTS_USAGE, COL_COUNTS_SPEND, COL_FAILED, COL_EXEMPT,
	COL_OCCURRED_AT, COL_RECORDED_AT, COL_INVOICE_PERIOD,
	NCOLUMNS = COL_INVOICE_PERIOD
};

/*---- Local variables ----*/

static SPIPlanPtr tail_plan = NULL;
static Tail *tail = NULL;		/* of the last reading */

void
aiu_tail_forget(bool all)
{
	if (likely(tail == NULL))
		return;
	if (all || GetCurrentTransactionStopTimestamp() - tail->read_at > TAIL_KEEP)
	{
		MemoryContext context = tail->context;

		tail = NULL;
		MemoryContextDelete(context);
	}
}

static AiuLabel
label_of(const Datum *values, const bool *isnull, int column)
{
	AiuLabel	label = {NULL, 0};

	if (!isnull[column - 1])
	{
		struct varlena *v = PG_DETOAST_DATUM_PACKED(values[column - 1]);

		label.s = VARDATA_ANY(v);
		label.len = VARSIZE_ANY_EXHDR(v);
	}
	return label;
}

static void
read_facts(HeapTuple tuple, TupleDesc desc, AiuQuotaFacts *facts)
{
	Datum		values[NCOLUMNS];
	bool		isnull[NCOLUMNS];
	AiuLabel	api_key;
	AiuLabel	customer;
	AiuLabel	workflow;

	heap_deform_tuple(tuple, desc, values, isnull);
	api_key = label_of(values, isnull, COL_API_KEY);
	customer = label_of(values, isnull, COL_CUSTOMER);
	workflow = label_of(values, isnull, COL_WORKFLOW);
	aiu_quota_facts_init(facts, &api_key, isnull[COL_ASSIGNMENT - 1] ? 0 : DatumGetInt64(values[COL_ASSIGNMENT - 1]),
						 &customer, &workflow);
	facts->dims[AIU_DIM_USER_ID] = label_of(values, isnull, COL_USER_ID);
	facts->dims[AIU_DIM_JOB_ID] = label_of(values, isnull, COL_JOB_ID);
	facts->dims[AIU_DIM_PROVIDER] = label_of(values, isnull, COL_PROVIDER);
	facts->dims[AIU_DIM_MODEL] = label_of(values, isnull, COL_MODEL);
	facts->dims[AIU_DIM_ENDPOINT] = label_of(values, isnull, COL_ENDPOINT);
	if (!isnull[COL_TAGS - 1])
		facts->tags = DatumGetJsonbP(values[COL_TAGS - 1]);
	facts->usage = DatumGetUsageP(values[COL_USAGE - 1]);
	if (!isnull[COL_COST - 1])
	{
		const AiuAmount *cost = DatumGetAmountP(values[COL_COST - 1]);

		facts->has_cost = true;
		facts->cost = aiu_amount_value(cost);
		facts->currency = aiu_amount_currency(cost);
	}
	facts->counts_usage = DatumGetBool(values[COL_COUNTS_USAGE - 1]);
	facts->counts_spend = DatumGetBool(values[COL_COUNTS_SPEND - 1]);
	facts->failed = DatumGetBool(values[COL_FAILED - 1]);
	facts->exempt = DatumGetBool(values[COL_EXEMPT - 1]);
	facts->occurred_at = DatumGetTimestampTz(values[COL_OCCURRED_AT - 1]);
	facts->recorded_at = DatumGetTimestampTz(values[COL_RECORDED_AT - 1]);
	facts->invoice_period = DatumGetInt32(values[COL_INVOICE_PERIOD - 1]);
}

/* Add a charge to its sum.  false: there is no room, or no number for it. */
static bool
collect_charge(Tail *to, const AiuCharge *charge)
{
	TailKey		key = {charge->def->quota, 0, {charge->subject[0], charge->subject[1]}};
	TailEntry  *entry = to->complete ? NULL : tailtab_lookup(to->entries, key);
	TailSum    *sum;
	bool		found = entry != NULL;
	int32		s;

	if (to->complete)
		entry = tailtab_insert(to->entries, key, &found);
	else if (!found)
		return true;			/* came after the memory was full */
	if (!found)
		entry->first = -1;
	for (s = entry->first; s >= 0; s = to->sums[s].next)
	{
		if (to->sums[s].window == charge->window)
			return aiu_add128(to->sums[s].amount, charge->amount, &to->sums[s].amount);
	}

	/* a window more of a counter that is kept is kept, so that what is there is whole */
	if (to->nsums == to->size)
	{
		to->size *= 2;
		to->sums = repalloc_huge(to->sums, sizeof(TailSum) * to->size);
	}
	sum = &to->sums[to->nsums];
	sum->window = charge->window;
	sum->amount = charge->amount;
	sum->next = entry->first;
	entry->first = to->nsums++;
	if (to->nsums >= TAIL_SUMS)
		to->complete = false;
	return to->nsums < TAIL_SUMS * 4;
}

static Tail *
new_tail(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "aiusage limits, tail", ALLOCSET_DEFAULT_SIZES);
	Tail	   *made = MemoryContextAllocZero(context, sizeof(Tail));

	made->context = context;
	made->complete = true;
	made->size = 1024;
	made->sums = MemoryContextAlloc(context, sizeof(TailSum) * made->size);
	made->entries = tailtab_create(context, 1024, NULL);
	return made;
}

/* Does the charge count for the limit and subject of the counter? */
static inline bool
counts_in(const AiuCharge *charge, const AiuCharge *counter)
{
	return charge->def->quota == counter->def->quota &&
		charge->subject[0] == counter->subject[0] && charge->subject[1] == counter->subject[1];
}

/*
 * Read the tail.  What counts in the wanted counter goes to `sums`; every
 * charge goes to `collect`, unless that is NULL.  *kept: all that was collected
 * is right.  false: the definitions have changed meanwhile, so that nothing is.
 */
static bool
read_rows(const AiuCharge *wanted, AiuCounterSums *sums, Tail *collect, bool *kept)
{
	Oid			types[1] = {INT8OID};
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	uint64		generation = aiu_quota_generation();
	Datum		args[1];
	MemoryContext row_context;
	Portal		portal;

	*kept = collect != NULL;
	if (tail_plan == NULL)
	{
		SPIPlanPtr	prepared = SPI_prepare_cursor(tail_query, 1, types, CURSOR_OPT_GENERIC_PLAN);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare the query of the tail: %s", SPI_result_code_string(SPI_result));
		tail_plan = prepared;
	}
	args[0] = Int64GetDatum(FullTransactionIdIsValid(own) ? (int64) U64FromFullTransactionId(own) : 0);
	portal = SPI_cursor_open(NULL, tail_plan, args, NULL, true);
	row_context = AllocSetContextCreate(CurrentMemoryContext, "aiusage limits, row", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		SPITupleTable *batch;
		uint64		nrows;
		uint64		r;

		SPI_cursor_fetch(portal, true, TAIL_BATCH);
		batch = SPI_tuptable;
		nrows = SPI_processed;
		if (nrows == 0)
			break;
		for (r = 0; r < nrows; r++)
		{
			MemoryContext old = MemoryContextSwitchTo(row_context);
			AiuQuotaFacts facts;
			AiuCharge	charges[AIU_QUOTA_MAX];
			int			ncharges = -1;
			int			i;

			read_facts(batch->vals[r], batch->tupdesc, &facts);
			if (*kept)
				ncharges = aiu_quota_charges_if_few(&facts, charges);
			if (ncharges < 0)
			{
				/* as many limits as no row may have now: some were published after it */
				*kept = false;
				ncharges = aiu_quota_charge_of(wanted->def, &facts, charges) ? 1 : 0;
			}
			for (i = 0; i < ncharges; i++)
			{
				if (counts_in(&charges[i], wanted))
					aiu_counter_sums_add(sums, charges[i].window, charges[i].amount);
				if (*kept)
					*kept = collect_charge(collect, &charges[i]);
			}
			MemoryContextSwitchTo(old);
			MemoryContextReset(row_context);
		}
		SPI_freetuptable(batch);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
	MemoryContextDelete(row_context);
	return collect == NULL || aiu_quota_generation() == generation;
}

/* What the sums of a reading that is made now are true of. */
static TailStamp
stamp_of(const AiuQuotaEvicted *evicted, const AiuTailFold *fold)
{
	TailStamp	stamp;

	stamp.books = aiu_catalog_usage_record();
	stamp.generation = aiu_quota_generation();
	stamp.evictions = evicted->evictions;
	stamp.fold = *fold;
	return stamp;
}

static bool
stamp_equals(const TailStamp *a, const TailStamp *b)
{
	return a->books == b->books && a->generation == b->generation && a->evictions == b->evictions &&
		a->fold.folds == b->fold.folds && a->fold.boundary == b->fold.boundary;
}

/* From the last reading, if it has it; false: read. */
static bool
look_up(const AiuCharge *wanted, AiuCounterSums *sums)
{
	TailKey		key = {wanted->def->quota, 0, {wanted->subject[0], wanted->subject[1]}};
	TailEntry  *entry = tailtab_lookup(tail->entries, key);
	int32		s;

	if (entry == NULL)
		return tail->complete;
	for (s = entry->first; s >= 0; s = tail->sums[s].next)
		aiu_counter_sums_add(sums, tail->sums[s].window, tail->sums[s].amount);
	return true;
}

void
aiu_tail_sum(const AiuCharge *wanted, const AiuQuotaEvicted *evicted, const AiuTailFold *fold, AiuCounterSums *sums)
{
	AiuCounterSums before = *sums;
	TailStamp	stamp = stamp_of(evicted, fold);
	Tail	   *collect;
	bool		kept;

	/* of a counter whose window was over when it left, evictions say nothing */
	if (tail != NULL && !evicted->window_is_over && stamp_equals(&tail->stamp, &stamp) && look_up(wanted, sums))
		return;
	aiu_tail_forget(true);

	/* a definition that is out of date is asked alone; a fold or a limit that may yet be undone stamps nothing */
	collect = aiu_quota_def(wanted->def->quota) == wanted->def && !aiu_xact_changed_sums() ? new_tail() : NULL;
	if (collect != NULL)
	{
		collect->stamp = stamp;
		collect->read_at = GetCurrentTimestamp();
	}
	if (!read_rows(wanted, sums, collect, &kept))
	{
		*sums = before;
		kept = false;
		(void) read_rows(wanted, sums, NULL, &kept);
	}
	Assert(!kept || collect != NULL);
	if (kept)
	{
		MemoryContextSetParent(collect->context, CacheMemoryContext);
		tail = collect;
	}
	else if (collect != NULL)
		MemoryContextDelete(collect->context);
}
