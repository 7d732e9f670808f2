/*-------------------------------------------------------------------------
 *
 * quota_load_sql.c
 *	  What the books say of one counter.
 *
 *		counter = what is folded + what is not folded yet
 *
 * in one statement and so in one snapshot.  The second part reads the ledger's
 * tail, and is left out when it cannot have anything of the counter: see
 * AiuQuotaEvicted, and README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "common/catalog.h"
#include "common/owner.h"
#include "quota/quota_config.h"
#include "types/exact.h"

/*---- Local variables ----*/

static SPIPlanPtr counter_plan = NULL;
static SPIPlanPtr alerts_plan = NULL;

/*
 * $1 quota, $2 subject, $3 first window (sliding: sub-bucket), $4 last one, $5 evicted boundary without
 * incarnation, $6 own transaction without incarnation, $7 published boundary.  Grouped by window: a sliding counter
 * has one a sub-bucket.
 */
static const char counter_query[] =
"SELECT s.window_start, pg_catalog.sum(s.amount)"
"  FROM ("
"    SELECT u.window_start, u.used AS amount"
"      FROM aiusage.quota_usage AS u"
"     WHERE u.quota OPERATOR(pg_catalog.=) $1 AND u.subject OPERATOR(pg_catalog.=) $2"
"       AND u.window_start OPERATOR(pg_catalog.>=) $3 AND u.window_start OPERATOR(pg_catalog.<=) $4"
"    UNION ALL"
"    SELECT c.window_start, c.amount"
"      FROM aiusage.quota_tail AS t,"
"           LATERAL aiusage.quota_charges($1, t.api_key, t.assignment, t.customer, t.workflow, t.user_id, t.job_id, t.tags,"
"               t.provider, t.model, t.endpoint, t.usage, t.cost, t.status, t.kind, t.adjusts, t.quota_state,"
"               t.occurred_at, t.recorded_at, t.invoice_period) AS c"
"     WHERE (SELECT f.boundary OPERATOR(pg_catalog.<=) $7 OR f.boundary OPERATOR(pg_catalog.<=) (CASE"
"                   WHEN $5 OPERATOR(pg_catalog.<) 281474976710656"
"                   THEN (b.incarnation::pg_catalog.int8 OPERATOR(pg_catalog.<<) 48) OPERATOR(pg_catalog.|) $5 ELSE $5 END)"
"              FROM aiusage.fold_state AS f, aiusage.books AS b)"
"       AND (t.txid OPERATOR(pg_catalog.&) 281474976710655) OPERATOR(pg_catalog.<>) $6"
"       AND c.subject OPERATOR(pg_catalog.=) $2"
"       AND c.window_start OPERATOR(pg_catalog.>=) $3 AND c.window_start OPERATOR(pg_catalog.<=) $4"
"  ) AS s"
" GROUP BY s.window_start";

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
		SPIPlanPtr	prepared = SPI_prepare(query, nargs, argtypes);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare a query of counters: %s", SPI_result_code_string(SPI_result));
		*plan = prepared;
	}
	return *plan;
}

void
aiu_quota_read_counter(const AiuCharge *charge, const AiuQuotaEvicted *evicted,
					   int128 *used, int128 *ring, int64 *head, int128 *held, uint32 *alerted)
{
	Oid			counter_types[7] = {INT4OID, UUIDOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID};
	Oid			alerts_types[4] = {INT4OID, UUIDOID, INT8OID, INT8OID};
	const AiuQuotaDef *def = charge->def;
	int64		sub_usec = ring != NULL ? def->sub_usec : 0;
	int64		window = charge->window;
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	Datum		args[7];
	pg_uuid_t	subject;
	AiuOwnerSpi save;
	uint64		row;
	int			i;

	*used = 0;
	*held = 0;
	*alerted = 0;
	if (ring != NULL)
		memset(ring, 0, sizeof(int128) * (AIU_QUOTA_RING + 1));
	memcpy(subject.data, charge->subject, UUID_LEN);

	args[0] = Int32GetDatum(def->quota);
	args[1] = UUIDPGetDatum(&subject);
	args[2] = Int64GetDatum(window - AIU_QUOTA_RING * sub_usec);
	args[3] = Int64GetDatum(ring != NULL ? PG_INT64_MAX : window);
	args[4] = Int64GetDatum(evicted->window_is_over ? PG_INT64_MAX : evicted->boundary);
	args[6] = Int64GetDatum(def->published_boundary);
	args[5] = Int64GetDatum(FullTransactionIdIsValid(own) ? (int64) U64FromFullTransactionId(own) : 0);

	aiu_owner_spi_begin(&save);
	if (SPI_execute_plan(kept_plan(&counter_plan, counter_query, 7, counter_types), args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read a counter");
	/* a ring ends with the latest use, also when that is later than now: the clock was set back */
	for (row = 0; row < SPI_processed && ring != NULL; row++)
	{
		bool		isnull;

		window = Max(window, DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull)));
	}
	for (row = 0; row < SPI_processed; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		int64		start = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
		int128		sum;

		if (ring != NULL && (window - start) / sub_usec > AIU_QUOTA_RING)
			continue;
		if (aiu_numeric_to_scaled(DatumGetNumeric(SPI_getbinval(tuple, desc, 2, &isnull)), AIU_QUOTA_DECIMALS, &sum) != AIU_DEC_OK ||
			!aiu_add128(*used, sum, used))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the usage of limit \"%s\" is out of range", def->name)));
		if (ring != NULL)
			ring[(window - start) / sub_usec] += sum;
	}

	if (head != NULL)
		*head = window;
	/* a sliding window never ends: its alerts are of sub-buckets in it */
	args[3] = Int64GetDatum(window);
	{
		if (SPI_execute_plan(kept_plan(&alerts_plan, alerts_query, 4, alerts_types), args, NULL, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not read the alerts of a counter");
		for (row = 0; row < SPI_processed; row++)
		{
			bool		isnull;
			int32		threshold = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull));

			if (isnull)
				*alerted |= AIU_ALERT_OVER;
			for (i = 0; i < def->nthresholds; i++)
				if (!isnull && def->thresholds[i] == threshold)
					*alerted |= 1U << i;
		}
	}
	aiu_owner_spi_end(&save);
}
