/*-------------------------------------------------------------------------
 *
 * quota_charge_sql.c
 *	  Charges for SQL: of one row, and what many rows add up to.
 *
 * Folds, publishing and rebuilding add up the charges of very many rows to
 * rather few counters.  The aggregate does so without making a row of each
 * charge: a sum a counter, in 128 bits, and the labels once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "attribution/attribution.h"
#include "common/compat.h"
#include "quota/quota_config.h"
#include "types/exact.h"

AIU_FUNCTION(aiu_sql_quota_charges);
AIU_FUNCTION(aiu_quota_totals_add);
AIU_FUNCTION(aiu_quota_totals_final);

/* Arguments of quota_charges(); the aggregate has its state before them. */
enum
{
	ARG_ONLY, ARG_API_KEY, ARG_ASSIGNMENT, ARG_CUSTOMER, ARG_WORKFLOW, ARG_USER_ID, ARG_JOB_ID, ARG_TAGS,
	ARG_PROVIDER, ARG_MODEL, ARG_ENDPOINT, ARG_USAGE, ARG_COST, ARG_STATUS, ARG_KIND, ARG_ADJUSTS, ARG_QUOTA_STATE,
	ARG_OCCURRED_AT, ARG_RECORDED_AT, ARG_INVOICE_PERIOD
};

/* Enum labels, looked up once a query. */
typedef struct StateLabels
{
	Oid			success;
	Oid			usage;
	Oid			outcome;
	Oid			exempt;
	AiuReader  *reader;			/* who asks */
} StateLabels;

static Oid
state_label(FunctionCallInfo fcinfo, int arg, const char *label)
{
	return GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
						   ObjectIdGetDatum(get_fn_expr_argtype(fcinfo->flinfo, arg)),
						   CStringGetDatum(label));
}

static StateLabels *
state_labels(FunctionCallInfo fcinfo, int first)
{
	StateLabels *labels = fcinfo->flinfo->fn_extra;

	if (labels == NULL)
	{
		labels = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(StateLabels));
		labels->success = state_label(fcinfo, first + ARG_STATUS, "success");
		labels->usage = state_label(fcinfo, first + ARG_KIND, "usage");
		labels->outcome = state_label(fcinfo, first + ARG_KIND, "outcome");
		labels->exempt = state_label(fcinfo, first + ARG_QUOTA_STATE, "exempt");
		fcinfo->flinfo->fn_extra = labels;
	}
	return labels;
}

static void
read_facts(FunctionCallInfo fcinfo, int first, AiuQuotaFacts *facts)
{
	const StateLabels *labels = state_labels(fcinfo, first);
	AiuLabel	api_key = aiu_label_arg(fcinfo, first + ARG_API_KEY);
	AiuLabel	customer = aiu_label_arg(fcinfo, first + ARG_CUSTOMER);
	AiuLabel	workflow = aiu_label_arg(fcinfo, first + ARG_WORKFLOW);
	bool		is_usage;

	aiu_quota_facts_init(facts, &api_key, PG_ARGISNULL(first + ARG_ASSIGNMENT) ? 0 : PG_GETARG_INT64(first + ARG_ASSIGNMENT),
						 &customer, &workflow);
	facts->dims[AIU_DIM_USER_ID] = aiu_label_arg(fcinfo, first + ARG_USER_ID);
	facts->dims[AIU_DIM_JOB_ID] = aiu_label_arg(fcinfo, first + ARG_JOB_ID);
	facts->dims[AIU_DIM_PROVIDER] = aiu_label_arg(fcinfo, first + ARG_PROVIDER);
	facts->dims[AIU_DIM_MODEL] = aiu_label_arg(fcinfo, first + ARG_MODEL);
	facts->dims[AIU_DIM_ENDPOINT] = aiu_label_arg(fcinfo, first + ARG_ENDPOINT);
	if (!PG_ARGISNULL(first + ARG_TAGS))
		facts->tags = PG_GETARG_JSONB_P(first + ARG_TAGS);
	if (!PG_ARGISNULL(first + ARG_USAGE))
		facts->usage = PG_GETARG_USAGE_P(first + ARG_USAGE);
	if (!PG_ARGISNULL(first + ARG_COST))
	{
		const AiuAmount *cost = PG_GETARG_AMOUNT_P(first + ARG_COST);

		facts->has_cost = true;
		facts->cost = aiu_amount_value(cost);
		facts->currency = aiu_amount_currency(cost);
	}
	is_usage = PG_ARGISNULL(first + ARG_KIND) || PG_GETARG_OID(first + ARG_KIND) == labels->usage;
	facts->counts_usage = is_usage && PG_ARGISNULL(first + ARG_ADJUSTS);
	facts->counts_spend = is_usage || PG_GETARG_OID(first + ARG_KIND) != labels->outcome;
	facts->failed = !PG_ARGISNULL(first + ARG_STATUS) && PG_GETARG_OID(first + ARG_STATUS) != labels->success;
	facts->exempt = !PG_ARGISNULL(first + ARG_QUOTA_STATE) && PG_GETARG_OID(first + ARG_QUOTA_STATE) == labels->exempt;
	facts->occurred_at = PG_GETARG_TIMESTAMPTZ(first + ARG_OCCURRED_AT);
	facts->recorded_at = PG_ARGISNULL(first + ARG_RECORDED_AT) ? facts->occurred_at : PG_GETARG_TIMESTAMPTZ(first + ARG_RECORDED_AT);
	facts->invoice_period = PG_ARGISNULL(first + ARG_INVOICE_PERIOD) ? 0 : PG_GETARG_INT32(first + ARG_INVOICE_PERIOD);
}

/*
 * quota_charges(only int, api_key text, ..., OUT quota int, OUT subject uuid, OUT window_start bigint,
 *				 OUT starts_at timestamptz, OUT ends_at timestamptz, OUT amount numeric, OUT uncheckable boolean,
 *				 OUT labels text[])
 */
Datum
aiu_sql_quota_charges(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	AiuQuotaFacts facts;
	AiuCharge	charges[AIU_QUOTA_MAX];
	AiuReader  *reader = NULL;
	int			ncharges = 0;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(ARG_OCCURRED_AT) || !aiu_quota_any())
		return (Datum) 0;
	read_facts(fcinfo, 0, &facts);
	if (PG_ARGISNULL(ARG_ONLY))
		ncharges = aiu_quota_charges(&facts, charges);
	else
	{
		const AiuQuotaDef *def = aiu_quota_def(PG_GETARG_INT32(ARG_ONLY));

		if (def != NULL && aiu_quota_charge_of(def, &facts, &charges[0]))
			ncharges = 1;
	}
	if (ncharges > 0)
	{
		StateLabels *known = state_labels(fcinfo, 0);

		reader = known->reader = aiu_access_reader(known->reader, fcinfo->flinfo->fn_mcxt);
	}
	if (reader != NULL && !reader->all)
	{
		/* what is asked of the books may move labels that are caches' */
		for (i = 0; i < AIU_DIM_LABELS; i++)
		{
			if (facts.dims[i].s != NULL)
				facts.dims[i].s = pnstrdup(facts.dims[i].s, facts.dims[i].len);
		}
	}
	for (i = 0; i < ncharges; i++)
	{
		const AiuCharge *c = &charges[i];
		TimestampTz starts;
		TimestampTz ends;
		int64		window;
		Datum		values[8];
		bool		nulls[8] = {false};

		if (!aiu_quota_caller_sees(reader, c->def, facts.dims, AIU_DIM_LABELS, true))
			continue;
		aiu_quota_charge_window(c->def, &facts, &window, &starts, &ends);
		values[0] = Int32GetDatum(c->def->quota);
		values[1] = aiu_quota_subject_datum(c->subject);
		values[2] = Int64GetDatum(c->window);
		values[3] = TimestampTzGetDatum(starts);
		values[4] = TimestampTzGetDatum(c->window_ends);
		values[5] = NumericGetDatum(aiu_scaled_to_numeric(c->amount, AIU_QUOTA_DECIMALS));
		values[6] = BoolGetDatum(c->uncheckable);
		values[7] = aiu_quota_labels_datum(c->def, &facts);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Of one counter, while an aggregate runs. */
typedef struct TotalKey
{
	int32		quota;
	int32		unused;			/* 0: keys are compared bytewise */
	uint64		subject[2];
	int64		window;
} TotalKey;

typedef struct Total
{
	TotalKey	key;
	char		status;			/* simplehash's own */
	bool		carried;
	TimestampTz starts;
	TimestampTz ends;
	TimestampTz first_at;
	int128		amount;
	Numeric		carry;			/* what 128 bits had no more room for, if carried */
	Datum		labels;
} Total;

#define SH_PREFIX totaltab
#define SH_ELEMENT_TYPE Total
#define SH_KEY_TYPE TotalKey
#define SH_KEY key
#define SH_HASH_KEY(tb, k) \
	hash_combine(murmurhash32((uint32) (k).subject[0] ^ (uint32) (k).quota), \
				 murmurhash32((uint32) ((uint64) (k).window >> 32) ^ (uint32) (k).window))
#define SH_EQUAL(tb, a, b) (memcmp(&(a), &(b), sizeof(TotalKey)) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static Numeric
add_numeric(Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(a), NumericGetDatum(b)));
}

static void
add_to_total(struct totaltab_hash *totals, const AiuCharge *charge, const AiuQuotaFacts *facts, MemoryContext context)
{
	TotalKey	key = {charge->def->quota, 0, {charge->subject[0], charge->subject[1]}, charge->window};
	Total	   *total;
	bool		found;
	int64		window;
	TimestampTz starts;
	TimestampTz ends;

	aiu_quota_charge_window(charge->def, facts, &window, &starts, &ends);
	total = totaltab_insert(totals, key, &found);
	if (!found)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		total->carried = false;
		total->amount = charge->amount;
		total->starts = starts;
		total->ends = ends;
		total->first_at = facts->occurred_at;
		total->labels = aiu_quota_labels_datum(charge->def, facts);
		MemoryContextSwitchTo(old);
		return;
	}
	/* a period may have been moved */
	total->starts = Min(total->starts, starts);
	total->ends = Min(total->ends, ends);
	total->first_at = Min(total->first_at, facts->occurred_at);
	if (unlikely(!aiu_add128(total->amount, charge->amount, &total->amount)))
	{
		/* a fold must not fail for what each row could say */
		MemoryContext old = MemoryContextSwitchTo(context);
		Numeric		sum = aiu_scaled_to_numeric(total->amount, AIU_QUOTA_DECIMALS);

		total->carry = total->carried ? add_numeric(total->carry, sum) : sum;
		total->carried = true;
		total->amount = charge->amount;
		MemoryContextSwitchTo(old);
	}
}

/* Transition function of quota_totals(only int, api_key text, ...); the state is a totaltab_hash. */
Datum
aiu_quota_totals_add(PG_FUNCTION_ARGS)
{
	struct totaltab_hash *totals = PG_ARGISNULL(0) ? NULL : (struct totaltab_hash *) PG_GETARG_POINTER(0);
	MemoryContext context;
	AiuQuotaFacts facts;
	AiuCharge	charges[AIU_QUOTA_MAX];
	int			ncharges = 0;
	int			i;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "quota_totals() was not called as an aggregate");
	if (totals == NULL)
		totals = totaltab_create(context, 256, NULL);
	if (PG_ARGISNULL(1 + ARG_OCCURRED_AT) || !aiu_quota_any())
		PG_RETURN_POINTER(totals);
	read_facts(fcinfo, 1, &facts);
	if (PG_ARGISNULL(1 + ARG_ONLY))
		ncharges = aiu_quota_charges(&facts, charges);
	else
	{
		const AiuQuotaDef *def = aiu_quota_def(PG_GETARG_INT32(1 + ARG_ONLY));

		if (def != NULL && aiu_quota_charge_of(def, &facts, &charges[0]))
			ncharges = 1;
	}
	for (i = 0; i < ncharges; i++)
	{
		if (charges[i].amount != 0)
			add_to_total(totals, &charges[i], &facts, context);
	}
	PG_RETURN_POINTER(totals);
}

/* Final function of quota_totals(): quota_total[] */
Datum
aiu_quota_totals_final(PG_FUNCTION_ARGS)
{
	struct totaltab_hash *totals = PG_ARGISNULL(0) ? NULL : (struct totaltab_hash *) PG_GETARG_POINTER(0);
	Oid			row_type = get_element_type(get_fn_expr_rettype(fcinfo->flinfo));
	TupleDesc	desc;
	totaltab_iterator it;
	Total	   *total;
	Datum	   *rows;
	int			nrows = 0;

	if (totals == NULL || totals->members == 0)
		PG_RETURN_NULL();
	desc = lookup_rowtype_tupdesc(row_type, -1);
	rows = palloc_extended(sizeof(Datum) * totals->members, MCXT_ALLOC_HUGE);
	totaltab_start_iterate(totals, &it);
	while ((total = totaltab_iterate(totals, &it)) != NULL)
	{
		Numeric		amount = aiu_scaled_to_numeric(total->amount, AIU_QUOTA_DECIMALS);
		Datum		values[8];
		bool		nulls[8] = {false};

		if (total->carried)
			amount = add_numeric(amount, total->carry);
		values[0] = Int32GetDatum(total->key.quota);
		values[1] = aiu_quota_subject_datum(total->key.subject);
		values[2] = Int64GetDatum(total->key.window);
		values[3] = TimestampTzGetDatum(total->starts);
		values[4] = TimestampTzGetDatum(total->ends);
		values[5] = NumericGetDatum(amount);
		values[6] = total->labels;
		values[7] = TimestampTzGetDatum(total->first_at);
		rows[nrows++] = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
		if (nrows % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	ReleaseTupleDesc(desc);
	PG_RETURN_ARRAYTYPE_P(construct_array(rows, nrows, row_type, -1, false, TYPALIGN_DOUBLE));
}
