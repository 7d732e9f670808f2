/*-------------------------------------------------------------------------
 *
 * attribution_funcs.c
 *	  Ownership and billing time for SQL: the same caches and the same
 *	  arithmetic that book a row, so that what these functions say is what
 *	  the ledger does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"

#include "attribution/attribution_internal.h"
#include "common/compat.h"
#include "common/errors.h"

AIU_FUNCTION(aiu_sql_period_of);
AIU_FUNCTION(aiu_sql_billed_period);
AIU_FUNCTION(aiu_sql_correction_period);
AIU_FUNCTION(aiu_sql_period_exists);
AIU_FUNCTION(aiu_sql_period_label);
AIU_FUNCTION(aiu_sql_period_starts_on);
AIU_FUNCTION(aiu_sql_period_ends_on);
AIU_FUNCTION(aiu_sql_period_starts_at);
AIU_FUNCTION(aiu_sql_period_ends_at);
AIU_FUNCTION(aiu_sql_period_status);
AIU_FUNCTION(aiu_sql_explain_owner);
AIU_FUNCTION(aiu_sql_books_at);

/* period_of(calendar int, at timestamptz) */
Datum
aiu_sql_period_of(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(aiu_period_of(PG_GETARG_INT32(0), PG_GETARG_TIMESTAMPTZ(1)));
}

/* billed_period(calendar int, at timestamptz) */
Datum
aiu_sql_billed_period(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(aiu_invoice_period(PG_GETARG_INT32(0), PG_GETARG_TIMESTAMPTZ(1)));
}

/* correction_period(calendar int, at timestamptz): the days of grace do not bind corrections */
Datum
aiu_sql_correction_period(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(aiu_invoice_period_stamped(aiu_period_of(PG_GETARG_INT32(0), PG_GETARG_TIMESTAMPTZ(1))));
}

/* period_exists(period int) */
Datum
aiu_sql_period_exists(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(aiu_period_exists(PG_GETARG_INT32(0)));
}

/* period_label(period int) */
Datum
aiu_sql_period_label(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(aiu_period_label(PG_GETARG_INT32(0))));
}

Datum
aiu_sql_period_starts_on(PG_FUNCTION_ARGS)
{
	AiuPeriodBounds bounds;

	aiu_period_bounds(PG_GETARG_INT32(0), &bounds);
	PG_RETURN_DATEADT(bounds.starts_on);
}

Datum
aiu_sql_period_ends_on(PG_FUNCTION_ARGS)
{
	AiuPeriodBounds bounds;

	aiu_period_bounds(PG_GETARG_INT32(0), &bounds);
	PG_RETURN_DATEADT(bounds.ends_on);
}

Datum
aiu_sql_period_starts_at(PG_FUNCTION_ARGS)
{
	AiuPeriodBounds bounds;

	aiu_period_bounds(PG_GETARG_INT32(0), &bounds);
	PG_RETURN_TIMESTAMPTZ(bounds.starts_at);
}

Datum
aiu_sql_period_ends_at(PG_FUNCTION_ARGS)
{
	AiuPeriodBounds bounds;

	aiu_period_bounds(PG_GETARG_INT32(0), &bounds);
	PG_RETURN_TIMESTAMPTZ(bounds.ends_at);
}

Datum
aiu_sql_period_status(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"open", "closing", "closed", "invoiced"};
	AiuPeriodBounds bounds;

	aiu_period_bounds(PG_GETARG_INT32(0), &bounds); /* is it one? */
	PG_RETURN_TEXT_P(cstring_to_text(names[aiu_period_status(PG_GETARG_INT32(0))]));
}

/*
 * explain_owner(api_key text, at timestamptz, provider text, model text, endpoint text, customer text,
 *				 OUT status text, OUT assignment bigint, OUT calendar int, OUT period int,
 *				 OUT billed_in int, OUT route_allowed boolean, OUT refused_part text,
 *				 OUT price_book text, OUT charge_book text)
 *
 * A provider or model that is not given is not judged; an endpoint is, since
 * a row may leave it out too.
 */
Datum
aiu_sql_explain_owner(PG_FUNCTION_ARGS)
{
	static const char *const statuses[] = {"unknown", "active", "disabled"};
	AiuLabel	key = aiu_label_arg(fcinfo, 0);
	AiuLabel	provider = aiu_label_arg(fcinfo, 2);
	AiuLabel	model = aiu_label_arg(fcinfo, 3);
	AiuLabel	endpoint = aiu_label_arg(fcinfo, 4);
	AiuLabel	customer = aiu_label_arg(fcinfo, 5);
	TimestampTz at;
	AiuAttribution a;
	TupleDesc	tupdesc;
	Datum		values[9];
	bool		nulls[9] = {false};
	int32		period;
	int32		billed_in;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	at = PG_GETARG_TIMESTAMPTZ(1);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tupdesc = BlessTupleDesc(tupdesc);

	aiu_attribute(&key, &provider, &model, &endpoint, &customer, at, &a);

	values[0] = CStringGetTextDatum(statuses[a.status]);
	values[1] = Int64GetDatum(a.assignment);
	nulls[1] = a.assignment == 0;
	values[2] = Int32GetDatum(a.calendar);
	values[5] = BoolGetDatum(a.refused_part == NULL);
	nulls[6] = a.refused_part == NULL;
	values[6] = nulls[6] ? (Datum) 0 : CStringGetTextDatum(a.refused_part);
	nulls[7] = a.price_book == NULL;
	values[7] = nulls[7] ? (Datum) 0 : CStringGetTextDatum(a.price_book);
	nulls[8] = a.charge_book == NULL;
	values[8] = nulls[8] ? (Datum) 0 : CStringGetTextDatum(a.charge_book);

	period = aiu_period_of(a.calendar, at);
	billed_in = aiu_invoice_period(a.calendar, at);
	values[3] = Int32GetDatum(period);
	values[4] = Int32GetDatum(billed_in);

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}

/*
 * owner_books_at(api_key text, assignment bigint, customer text, at timestamptz,
 *				  OUT cost_book text, OUT charge_book text)
 */
Datum
aiu_sql_books_at(PG_FUNCTION_ARGS)
{
	AiuLabel	key = aiu_label_arg(fcinfo, 0);
	AiuLabel	customer = aiu_label_arg(fcinfo, 2);
	const char *cost_book;
	const char *charge_book;
	TupleDesc	tupdesc;
	Datum		values[2] = {0};
	bool		nulls[2];

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tupdesc = BlessTupleDesc(tupdesc);

	aiu_books_at(&key, PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1), &customer, PG_GETARG_TIMESTAMPTZ(3),
				 &cost_book, &charge_book);
	nulls[0] = cost_book == NULL;
	nulls[1] = charge_book == NULL;
	if (!nulls[0])
		values[0] = CStringGetTextDatum(cost_book);
	if (!nulls[1])
		values[1] = CStringGetTextDatum(charge_book);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}
