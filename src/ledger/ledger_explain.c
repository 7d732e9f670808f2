/*-------------------------------------------------------------------------
 *
 * ledger_explain.c
 *	  explain_row(): why a booked row cost what it cost.
 *
 * The row is read through the view usage_log, as the caller: nobody is
 * explained a row that they may not see.  Its prices are then read as the
 * owner, whatever books the caller may ask for otherwise.
 *
 * A row is stamped with one version.  Where that inherits, what it inherited
 * when the row was booked is what had been published by then.  A publication
 * takes a moment: its time is that of the call, and rows that were booked
 * between that and its commit had not seen it.  So of the times that come into
 * question the latest one whose prices add up to the cost is taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "attribution/attribution.h"
#include "common/compat.h"
#include "common/errors.h"
#include "common/owner.h"
#include "ledger/ledger_internal.h"
#include "pricing/pricing.h"

AIU_FUNCTION(aiu_explain_row);

#define TIMES_TRIED 8

/* What is asked of the row; the strings and the usage are in the caller's memory. */
typedef struct BookedRow
{
	AiuPriceRequest req;
	int32		version;		/* 0: none */
	bool		has_cost;
	int128		cost;
	TimestampTz recorded_at;
	AiuLabel	key;
	AiuLabel	customer;
	int64		assignment;		/* 0: unmatched */
} BookedRow;

static AiuLabel
label_column(HeapTuple tuple, TupleDesc desc, int column)
{
	AiuLabel	label = {NULL, 0};
	char	   *s = SPI_getvalue(tuple, desc, column);

	if (s != NULL)
	{
		label.len = strlen(s);
		label.s = SPI_palloc(label.len + 1);
		memcpy((char *) label.s, s, label.len + 1);
	}
	return label;
}

/* As the caller, through the view. */
static bool
read_row(Datum id, BookedRow *row)
{
	static const char query[] =
		"SELECT u.price_version, u.provider, u.model, u.usage::aiusage.usage, u.service_tier, u.endpoint, u.region,"
		" u.api_key, u.customer, u.assignment"
		"  FROM aiusage.usage_log AS u WHERE u.id OPERATOR(pg_catalog.=) $1";
	Oid			argtypes[1] = {UUIDOID};
	bool		found;

	memset(row, 0, sizeof(BookedRow));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(query, 1, argtypes, &id, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the ledger row");
	found = SPI_processed > 0;
	if (found)
	{
		HeapTuple	tuple = SPI_tuptable->vals[0];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		Datum		d;

		d = SPI_getbinval(tuple, desc, 1, &isnull);
		row->version = isnull ? 0 : DatumGetInt32(d);
		row->req.provider = label_column(tuple, desc, 2);
		row->req.model = label_column(tuple, desc, 3);
		row->req.usage = (const AiuUsage *) DatumGetPointer(SPI_datumTransfer(SPI_getbinval(tuple, desc, 4, &isnull), false, -1));
		row->req.service_tier = label_column(tuple, desc, 5);
		row->req.endpoint = label_column(tuple, desc, 6);
		row->req.region = label_column(tuple, desc, 7);
		row->key = label_column(tuple, desc, 8);
		row->customer = label_column(tuple, desc, 9);
		d = SPI_getbinval(tuple, desc, 10, &isnull);
		row->assignment = isnull ? 0 : DatumGetInt64(d);
	}
	SPI_finish();
	return found;
}

/*
 * As the owner: the cost, and when the usage was and was booked first, for a
 * corrected row is priced by the time of what it corrects; of a row that was
 * dropped since, by the time in its id.  Then when the
 * versions that were published by then had been, the last ones first.
 */
static int
read_times(Datum id, BookedRow *row, TimestampTz *published)
{
	static const char row_query[] =
		"WITH RECURSIVE line AS ("
		" SELECT u.cost, u.occurred_at, u.recorded_at, u.adjusts, 0 AS depth FROM aiusage.usage_record AS u WHERE u.id = $1"
		" UNION ALL SELECT l.cost, u.occurred_at, u.recorded_at, u.adjusts, l.depth + 1 FROM line AS l"
		" JOIN aiusage.usage_record AS u ON u.id = l.adjusts)"
		" SELECT CASE WHEN l.adjusts IS NULL THEN l.occurred_at ELSE aiusage.id_time(l.adjusts) END, l.recorded_at, l.cost"
		" FROM line AS l ORDER BY l.depth DESC LIMIT 1";
	static const char times_query[] =
		"WITH RECURSIVE line AS ("
		" SELECT b.book, b.inherits, 1 AS depth FROM aiusage.price_version AS v JOIN aiusage.price_book AS b ON b.book = v.book WHERE v.version = $1"
		" UNION ALL SELECT b.book, b.inherits, l.depth + 1 FROM line AS l JOIN aiusage.price_book AS b ON b.book = l.inherits WHERE l.depth < 8)"
		" SELECT DISTINCT v.published_at FROM line AS l JOIN aiusage.price_version AS v ON v.book = l.book"
		" WHERE l.depth > 1 AND v.published_at <= $2 ORDER BY 1 DESC";
	Oid			argtypes[2] = {UUIDOID, TIMESTAMPTZOID};
	Datum		args[2];
	AiuOwnerSpi save;
	int			n = 0;

	args[0] = id;
	aiu_owner_spi_begin(&save);
	if (SPI_execute_with_args(row_query, 1, argtypes, args, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the ledger row");
	if (SPI_processed > 0)
	{
		HeapTuple	tuple = SPI_tuptable->vals[0];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		Datum		d;

		row->req.at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 1, &isnull));
		row->recorded_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 2, &isnull));
		d = SPI_getbinval(tuple, desc, 3, &isnull);
		row->has_cost = !isnull;
		if (!isnull)
		{
			row->cost = aiu_amount_value(DatumGetAmountP(d));
			if (row->cost < 0)
				row->cost = -row->cost; /* a reversal is explained as its original */
		}
	}
	if (row->version != 0)
	{
		argtypes[0] = INT4OID;
		args[0] = Int32GetDatum(row->version);
		args[1] = TimestampTzGetDatum(row->recorded_at);
		if (SPI_execute_with_args(times_query, 2, argtypes, args, NULL, true, TIMES_TRIED) != SPI_OK_SELECT)
			elog(ERROR, "could not read prices");
		for (; n < (int) SPI_processed; n++)
		{
			bool		isnull;

			published[n] = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[n], SPI_tuptable->tupdesc, 1, &isnull));
		}
	}
	aiu_owner_spi_end(&save);
	return n;
}

/* aiusage.explain_booked_row(id uuid); aiusage.explain_row() adds what it was adjusted by since */
Datum
aiu_explain_row(PG_FUNCTION_ARGS)
{
	BookedRow	row;
	TimestampTz published[TIMES_TRIED];
	TimestampTz known_at;
	int			n;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || !read_row(PG_GETARG_DATUM(0), &row))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_UNKNOWN),
				 errmsg("no ledger row has id %s", PG_ARGISNULL(0) ? "null" :
						DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(0)))),
				 errhint("It may also lie outside what your role may see.")));
	n = read_times(PG_GETARG_DATUM(0), &row, published);

	known_at = row.recorded_at;
	for (i = 0; row.has_cost && i <= n; i++)
	{
		AiuPriceResult result;
		TimestampTz tried = i == 0 ? row.recorded_at : published[i - 1] - 1;

		aiu_price_under_version(&row.req, row.version, tried, &result);
		if (result.unpriced == AIU_PRICED && result.cost == row.cost)
		{
			known_at = tried;
			break;
		}
	}
	if (row.version == 0)
	{
		const char *book;
		const char *charge_book;

		aiu_books_at(&row.key, row.assignment, &row.customer, row.req.at, &book, &charge_book);
		row.req.book.s = book != NULL ? pstrdup(book) : NULL;
		row.req.book.len = book != NULL ? strlen(book) : 0;
	}
	aiu_price_explain(fcinfo, &row.req, row.version, known_at);
	return (Datum) 0;
}
