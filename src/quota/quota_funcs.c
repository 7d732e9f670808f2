/*-------------------------------------------------------------------------
 *
 * quota_funcs.c
 *	  Windows, subjects and counters for SQL: the same arithmetic that inserts
 *	  are checked by.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "attribution/attribution.h"
#include "common/compat.h"
#include "common/errors.h"
#include "common/xact_state.h"
#include "quota/quota_config.h"
#include "types/exact.h"

AIU_FUNCTION(aiu_sql_quota_window);
AIU_FUNCTION(aiu_sql_quota_subject_id);
AIU_FUNCTION(aiu_sql_quota_read_counter);
AIU_FUNCTION(aiu_sql_quota_held);
AIU_FUNCTION(aiu_sql_quota_any);
AIU_FUNCTION(aiu_sql_begin_publish);

/*
 * What a limit's scope or, where that is silent, the subject's labels say of a
 * dimension.  by_dim: the labels are a request's, one a dimension.
 */
static AiuLabel
label_of_dim(const AiuQuotaDef *def, const AiuLabel *labels, int nlabels, bool by_dim, AiuQuotaDim dim)
{
	const struct AiuQuotaMatch *match = def->match;
	AiuLabel	none = {NULL, 0};
	int			i;

	for (i = 0; i < match->nterms; i++)
	{
		if (match->terms[i].dim == dim)
			return match->terms[i].value;
	}
	for (i = 0; i < match->nper; i++)
	{
		if (match->per[i] == dim && (by_dim || i < nlabels))
			return labels[by_dim ? dim : i];
	}
	return none;
}

/*
 * Is the reader shown this counter by quota_state?  A view's functions can be
 * called by whoever reads it, so what they answer is filtered as the view is.
 */
bool
aiu_quota_caller_sees(AiuReader *reader, const AiuQuotaDef *def, const AiuLabel *labels, int nlabels, bool by_dim)
{
	AiuLabel	team = label_of_dim(def, labels, nlabels, by_dim, AIU_DIM_TEAM);
	AiuLabel	cost_center = label_of_dim(def, labels, nlabels, by_dim, AIU_DIM_COST_CENTER);
	AiuLabel	customer = label_of_dim(def, labels, nlabels, by_dim, AIU_DIM_CUSTOMER);
	AiuLabel	key = label_of_dim(def, labels, nlabels, by_dim, AIU_DIM_API_KEY);

	return aiu_access_sees(reader, &team, &cost_center, &customer, &key);
}

/* May some of the limit's counters be one reader's, others another's? */
static bool
is_kept_apart(const AiuQuotaDef *def)
{
	int			i;

	for (i = 0; i < def->match->nper; i++)
	{
		AiuQuotaDim dim = def->match->per[i];

		if (dim == AIU_DIM_TEAM || dim == AIU_DIM_COST_CENTER || dim == AIU_DIM_CUSTOMER || dim == AIU_DIM_API_KEY)
			return true;
	}
	return false;
}

/* quota_window(quota int, at timestamptz, OUT window_start bigint, OUT starts_at timestamptz, OUT ends_at timestamptz) */
Datum
aiu_sql_quota_window(PG_FUNCTION_ARGS)
{
	const AiuQuotaDef *def = aiu_quota_def(PG_GETARG_INT32(0));
	int32		invoice_period = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);
	TupleDesc	tupdesc;
	int64		window;
	TimestampTz starts;
	TimestampTz ends;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || def == NULL ||
		(def->window == AIU_WINDOW_PERIOD && PG_ARGISNULL(2)))
		PG_RETURN_NULL();
	fcinfo->flinfo->fn_extra = aiu_access_reader(fcinfo->flinfo->fn_extra, fcinfo->flinfo->fn_mcxt);
	if (!is_kept_apart(def) && !aiu_quota_caller_sees(fcinfo->flinfo->fn_extra, def, NULL, 0, false))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	aiu_quota_window(def, at, invoice_period, &window, &starts, &ends);
	values[0] = Int64GetDatum(window);
	values[1] = TimestampTzGetDatum(starts);
	values[2] = TimestampTzGetDatum(ends);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}

/* The labels of an array; the texts are those of the array. */
static int
array_labels(ArrayType *array, AiuLabel *labels)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int			i;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	if (n > AIU_DIM_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("too many labels of a subject: %d", n),
				 errdetail("There are %d dimensions.", AIU_DIM_COUNT),
				 errhint("A subject has one label for each dimension that its limit is kept apart by.")));
	for (i = 0; i < n; i++)
	{
		labels[i].s = NULL;
		labels[i].len = 0;
		if (!nulls[i])
		{
			text	   *t = DatumGetTextPP(elements[i]);

			labels[i].s = VARDATA_ANY(t);
			labels[i].len = VARSIZE_ANY_EXHDR(t);
		}
	}
	return n;
}

/* quota_subject_id(quota int, epoch int, labels text[]) */
Datum
aiu_sql_quota_subject_id(PG_FUNCTION_ARGS)
{
	AiuLabel	labels[AIU_DIM_COUNT];
	uint64		subject[2];
	int			n = array_labels(PG_GETARG_ARRAYTYPE_P(2), labels);

	aiu_quota_subject_of_labels(PG_GETARG_INT32(0), PG_GETARG_INT32(1), n, labels, subject);
	PG_RETURN_DATUM(aiu_quota_subject_datum(subject));
}

/*
 * quota_read_counter(quota int, labels text[], window_start bigint, OUT used numeric, OUT held numeric, OUT alerted int)
 *
 * What a counter is loaded with, of what a fold has and of what it has not.
 */
Datum
aiu_sql_quota_read_counter(PG_FUNCTION_ARGS)
{
	AiuLabel	labels[AIU_DIM_COUNT];
	int			n = array_labels(PG_GETARG_ARRAYTYPE_P(1), labels);
	AiuCharge	charge;
	AiuQuotaEvicted evicted = {0};
	int128		used;
	int128		held;
	int128		ring[AIU_QUOTA_RING + 1];
	uint32		alerted;
	TupleDesc	tupdesc;
	Datum		values[3];
	bool		nulls[3] = {false};

	memset(&charge, 0, sizeof(charge));
	charge.def = aiu_quota_def(PG_GETARG_INT32(0));
	if (charge.def == NULL)
		PG_RETURN_NULL();
	aiu_quota_subject_of_labels(charge.def->quota, charge.def->epoch, n, labels, charge.subject);
	charge.window = PG_GETARG_INT64(2);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tupdesc = BlessTupleDesc(tupdesc);
	evicted.window_is_over = true;	/* whatever memory knows: all of the tail */
	aiu_quota_read_counter(&charge, &evicted, &used, charge.def->sliding ? ring : NULL, NULL, &held, &alerted);
	values[0] = NumericGetDatum(aiu_scaled_to_numeric(used, AIU_QUOTA_DECIMALS));
	values[1] = NumericGetDatum(aiu_scaled_to_numeric(held, AIU_QUOTA_DECIMALS));
	values[2] = Int32GetDatum((int32) alerted);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}

/*
 * quota_held(quota int, labels text[], window_start bigint)
 *
 * Whoever reads quota_state may call this, too; so it answers of what that
 * shows the caller, and the counter is found by the labels, not by an id that
 * could be of other ones.
 */
Datum
aiu_sql_quota_held(PG_FUNCTION_ARGS)
{
	AiuLabel	labels[AIU_DIM_COUNT];
	int			n = array_labels(PG_GETARG_ARRAYTYPE_P(1), labels);
	int64		window = PG_GETARG_INT64(2);
	const AiuQuotaDef *def = aiu_quota_def(PG_GETARG_INT32(0));
	uint64		subject[2];

	if (def == NULL)
		PG_RETURN_NULL();
	fcinfo->flinfo->fn_extra = aiu_access_reader(fcinfo->flinfo->fn_extra, fcinfo->flinfo->fn_mcxt);
	if (!aiu_quota_caller_sees(fcinfo->flinfo->fn_extra, def, labels, n, false))
		PG_RETURN_NULL();
	aiu_quota_subject_of_labels(def->quota, def->epoch, n, labels, subject);
	PG_RETURN_DATUM(NumericGetDatum(aiu_scaled_to_numeric(aiu_quota_held(def->quota, subject, window), AIU_QUOTA_DECIMALS)));
}

/* quota_any() */
Datum
aiu_sql_quota_any(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(aiu_quota_any());
}

/* begin_publish(): the limit must not be younger than usage of its own transaction */
Datum
aiu_sql_begin_publish(PG_FUNCTION_ARGS)
{
	aiu_xact_note_publish();
	PG_RETURN_VOID();
}
