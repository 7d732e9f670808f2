/*-------------------------------------------------------------------------
 *
 * ledger_price.c
 *	  The cost of a row under a given price version, in the ledger's own
 *	  types: what corrections write.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "ledger/ledger_internal.h"
#include "pricing/pricing.h"

AIU_FUNCTION(aiu_price_row);

/*
 * owner_price_row(version int, book text, provider text, model text, usage aiusage.usage, at timestamptz,
 *				   service_tier text, endpoint text, region text, known_at timestamptz,
 *				   OUT cost aiusage.amount, OUT cost_by_unit aiusage.unit_costs, OUT price_version int,
 *				   OUT unpriced_reason text)
 *		version NULL: the one that applies at that time in the book.
 *		known_at NULL: by all that is published, else by what was by then.
 */
Datum
aiu_price_row(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	AiuPriceRequest req;
	AiuPriceResult result;
	AiuAmount	cost;
	AiuCurrency currency;
	TimestampTz known_at;
	Datum		values[4] = {0};
	bool		nulls[4] = {true, false, true, true};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (PG_ARGISNULL(2) || PG_ARGISNULL(3) || PG_ARGISNULL(4) || PG_ARGISNULL(5))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("provider, model, usage and time must not be null")));

	req.book = aiu_label_arg(fcinfo, 1);
	req.provider = aiu_label_arg(fcinfo, 2);
	req.model = aiu_label_arg(fcinfo, 3);
	req.usage = PG_GETARG_USAGE_P(4);
	req.at = PG_GETARG_TIMESTAMPTZ(5);
	req.service_tier = aiu_label_arg(fcinfo, 6);
	req.endpoint = aiu_label_arg(fcinfo, 7);
	req.region = aiu_label_arg(fcinfo, 8);

	known_at = PG_ARGISNULL(9) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(9);
	if (PG_ARGISNULL(0))
		aiu_price_known_at(&req, known_at, &result);
	else
		aiu_price_under_version(&req, PG_GETARG_INT32(0), known_at, &result);
	if (result.unpriced == AIU_PRICED && unlikely(result.cost >= AIU_LEDGER_COST_MAX))
		result.unpriced = AIU_UNPRICED_OVERFLOW;

	currency = result.currency ? result.currency : aiu_ledger_context()->currency;
	if (result.unpriced == AIU_PRICED)
	{
		if (!aiu_amount_pack(&cost, result.cost, currency))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("cost out of range")));
		values[0] = PointerGetDatum(&cost);
		nulls[0] = false;
		values[1] = PointerGetDatum(aiu_unit_costs_build(currency, result.components, result.ncomponents));
	}
	else
	{
		values[1] = PointerGetDatum(aiu_unit_costs_build(currency, NULL, 0));
		values[3] = CStringGetTextDatum(aiu_unpriced_label(result.unpriced));
		nulls[3] = false;
	}
	if (result.version != 0)
	{
		values[2] = Int32GetDatum(result.version);
		nulls[2] = false;
	}
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}
