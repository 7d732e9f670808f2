/*-------------------------------------------------------------------------
 *
 * quota_load_sql.c
 *	  What the books say of one counter.
 *
 *		counter = what is folded + what is not folded yet
 *
 * in one snapshot.  The second part is the ledger's tail (quota_tail.c), and is
 * left out when it cannot have anything of the counter: see AiuQuotaEvicted,
 * and README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "common/owner.h"
#include "quota/quota_config.h"
#include "types/exact.h"

/*---- Local variables ----*/

static SPIPlanPtr counter_plan = NULL;
static SPIPlanPtr alerts_plan = NULL;

/*
 * $1 quota, $2 subject, $3 first window (sliding: sub-bucket), $4 last one, $5 evicted boundary without
 * incarnation, $6 published boundary.  A row a window, at least one; and whether the tail may have something of it.
 */
static const char counter_query[] =
"SELECT f.folds, f.boundary, f.boundary OPERATOR(pg_catalog.<=) $6 OR f.boundary OPERATOR(pg_catalog.<=) (CASE"
"           WHEN $5 OPERATOR(pg_catalog.<) 281474976710656"
"           THEN (b.incarnation::pg_catalog.int8 OPERATOR(pg_catalog.<<) 48) OPERATOR(pg_catalog.|) $5 ELSE $5 END),"
"       u.window_start, u.used"
"  FROM aiusage.fold_state AS f CROSS JOIN aiusage.books AS b"
"  LEFT JOIN aiusage.quota_usage AS u ON u.quota OPERATOR(pg_catalog.=) $1 AND u.subject OPERATOR(pg_catalog.=) $2"
"       AND u.window_start OPERATOR(pg_catalog.>=) $3 AND u.window_start OPERATOR(pg_catalog.<=) $4";

static const char alerts_query[] =
"SELECT DISTINCT e.threshold"
"  FROM aiusage.quota_event AS e"
" WHERE e.kind IN ('threshold', 'over') AND e.quota OPERATOR(pg_catalog.=) $1"
"   AND e.subject OPERATOR(pg_catalog.=) $2 AND e.window_start OPERATOR(pg_catalog.>=) $3"
"   AND e.window_start OPERATOR(pg_catalog.<=) $4";

static SPIPlanPtr
kept_plan(SPIPlanPtr *plan, const char *query, int nargs, Oid *argtypes)
{
	if (*plan == NULL)
	{
		SPIPlanPtr	prepared = SPI_prepare_cursor(query, nargs, argtypes, CURSOR_OPT_GENERIC_PLAN);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare a query of counters: %s", SPI_result_code_string(SPI_result));
		*plan = prepared;
	}
	return *plan;
}

/* A ring ends with the latest use, also when that is later than now: the clock was set back. */
static void
move_ring(AiuCounterSums *sums, int64 window)
{
	int64		steps = (window - sums->window) / sums->sub_usec;
	int			i;

	for (i = AIU_QUOTA_RING; i >= 0; i--)
	{
		if (i + steps > AIU_QUOTA_RING)
			sums->used -= sums->ring[i];	/* leaves the window */
		sums->ring[i] = i >= steps ? sums->ring[i - steps] : 0;
	}
	sums->window = window;
	sums->first = window - AIU_QUOTA_RING * sums->sub_usec;
}

void
aiu_counter_sums_add(AiuCounterSums *sums, int64 window, int128 amount)
{
	if (window < sums->first || window > sums->last)
		return;
	if (sums->sub_usec > 0 && window > sums->window)
		move_ring(sums, window);
	if (!aiu_add128(sums->used, amount, &sums->used))
		sums->too_large = true;
	if (sums->sub_usec > 0)
	{
		int			i = (int) ((sums->window - window) / sums->sub_usec);

		if (!aiu_add128(sums->ring[i], amount, &sums->ring[i]))
			sums->too_large = true;
	}
}

/* What is folded; *tail: what is not folded may have something, too. */
static void
read_folded(const AiuQuotaDef *def, Datum *args, AiuCounterSums *sums, AiuTailFold *fold, bool *tail)
{
	Oid			types[6] = {INT4OID, UUIDOID, INT8OID, INT8OID, INT8OID, INT8OID};
	uint64		row;

	if (SPI_execute_plan(kept_plan(&counter_plan, counter_query, 6, types), args, NULL, true, 0) != SPI_OK_SELECT ||
		SPI_processed == 0)
		elog(ERROR, "could not read a counter");
	for (row = 0; row < SPI_processed; row++)
	{
		Datum		values[5];
		bool		isnull[5];
		int128		used;

		heap_deform_tuple(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, values, isnull);
		fold->folds = DatumGetInt64(values[0]);
		fold->boundary = DatumGetInt64(values[1]);
		*tail = DatumGetBool(values[2]);
		if (isnull[3])
			continue;
		if (aiu_numeric_to_scaled(DatumGetNumeric(values[4]), AIU_QUOTA_DECIMALS, &used) != AIU_DEC_OK)
			sums->too_large = true;
		else
			aiu_counter_sums_add(sums, DatumGetInt64(values[3]), used);
	}
}

/* What was told of the counter's window already, in the memory that a restart has cleared. */
static uint32
read_alerts(const AiuQuotaDef *def, Datum *args)
{
	Oid			types[4] = {INT4OID, UUIDOID, INT8OID, INT8OID};
	uint32		alerted = 0;
	uint64		row;
	int			i;

	if (SPI_execute_plan(kept_plan(&alerts_plan, alerts_query, 4, types), args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the alerts of a counter");
	for (row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		int32		threshold = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull));

		if (isnull)
			alerted |= AIU_ALERT_OVER;
		for (i = 0; i < def->nthresholds; i++)
			if (!isnull && def->thresholds[i] == threshold)
				alerted |= 1U << i;
	}
	return alerted;
}

void
aiu_quota_read_counter(const AiuCharge *charge, const AiuQuotaEvicted *evicted,
					   int128 *used, int128 *ring, int64 *head, int128 *held, uint32 *alerted)
{
	const AiuQuotaDef *def = charge->def;
	AiuCounterSums sums;
	AiuTailFold fold;
	bool		tail;
	Datum		args[6];
	pg_uuid_t	subject;
	AiuOwnerSpi save;

	memset(&sums, 0, sizeof(sums));
	sums.window = charge->window;
	sums.sub_usec = ring != NULL ? def->sub_usec : 0;
	sums.first = charge->window - AIU_QUOTA_RING * sums.sub_usec;
	sums.last = ring != NULL ? PG_INT64_MAX : charge->window;
	memcpy(subject.data, charge->subject, UUID_LEN);

	args[0] = Int32GetDatum(def->quota);
	args[1] = UUIDPGetDatum(&subject);
	args[2] = Int64GetDatum(sums.first);
	args[3] = Int64GetDatum(sums.last);
	args[4] = Int64GetDatum(evicted->window_is_over ? PG_INT64_MAX : evicted->boundary);
	args[5] = Int64GetDatum(def->published_boundary);

	aiu_owner_spi_begin(&save);
	aiu_owner_plain_planner();
	read_folded(def, args, &sums, &fold, &tail);
	if (tail)
		aiu_tail_sum(charge, evicted, &fold, &sums);
	if (sums.too_large)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the usage of limit \"%s\" is out of range", def->name)));
	/* a sliding window never ends: its alerts are of sub-buckets in it */
	args[3] = Int64GetDatum(sums.window);
	*alerted = read_alerts(def, args);
	aiu_owner_spi_end(&save);

	*used = sums.used;
	*held = 0;
	if (ring != NULL)
		memcpy(ring, sums.ring, sizeof(sums.ring));
	if (head != NULL)
		*head = sums.window;
}
