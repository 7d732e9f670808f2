/*-------------------------------------------------------------------------
 *
 * ledger_reprice.c
 *	  What a booked row would have to be adjusted by, to cost what its prices
 *	  say now, or under a given version.
 *
 * A row has three amounts: cost with its components, list cost and charge.
 * For each there is a target, or none: what has no price under the target
 * stays as it is, for a missing price is not zero.  The difference to what
 * the row stands at, its earlier adjustments included, is what an adjustment
 * row carries; so a second run finds nothing left to do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "attribution/attribution.h"
#include "common/compat.h"
#include "ledger/ledger_internal.h"
#include "pricing/pricing.h"

AIU_FUNCTION(aiu_reprice_row);
AIU_FUNCTION(aiu_price_exists);

/* What a version is asked for; see the SQL function's comment. */
#define TARGET_NOW		'n'		/* the versions in force now, of every book */
#define TARGET_COST		'c'		/* one version of a cost or list book */
#define TARGET_CHARGE	'h'		/* one version of a charge book */

typedef struct Target
{
	char		kind;
	int32		version;
} Target;

/*
 * One price of the row in a book (NULL: the default book).  False when the
 * target has nothing to say about it.  anyway: a version of a book that the
 * row's own does not inherit from is good, too.
 */
static bool
target_price(AiuPriceRequest *req, AiuLabel book, const Target *target, bool anyway, AiuPriceResult *result)
{
	req->book = book;
	if (target->kind == TARGET_NOW)
		aiu_price(req, result);
	else if (!aiu_price_with_version(req, target->version, anyway, result))
		return false;
	if (result->unpriced == AIU_PRICED && unlikely(result->cost >= AIU_LEDGER_COST_MAX))
		result->unpriced = AIU_UNPRICED_OVERFLOW;
	return true;
}

static int
find_item(const AiuCostItem *items, int n, const AiuCostItem *wanted)
{
	int			i;

	for (i = 0; i < n; i++)
		if (items[i].unit == wanted->unit &&
			(wanted->unit != 0 ||
			 (items[i].namelen == wanted->namelen &&
			  memcmp(items[i].name, wanted->name, wanted->namelen) == 0)))
			return i;
	return -1;
}

/*
 * The components' differences and their sum; returns how many there are.
 * Those that are zero are left out, but for a row that had no price: a free
 * unit is a line item of it.  now: what the row stands at.
 */
static int
component_differences(const AiuPriceResult *result, bool priced, const AiuUnitCosts *now,
					  AiuCostItem *items, int128 *sum)
{
	AiuCostIter it;
	AiuCostItem item;
	int			n = result->ncomponents;
	int			kept = 0;
	int			i;

	memcpy(items, result->components, sizeof(AiuCostItem) * n);
	aiu_cost_iter_init(&it, now);
	while (aiu_cost_iter_next(&it, &item))
	{
		i = find_item(items, n, &item);
		if (i < 0)
		{
			i = n++;
			items[i] = item;
			items[i].value = 0;
		}
		items[i].value -= item.value;
	}
	*sum = 0;
	for (i = 0; i < n; i++)
	{
		if (items[i].value == 0 && priced)
			continue;
		*sum += items[i].value;
		items[kept++] = items[i];
	}
	return kept;
}

static Datum
amount_datum(int128 value, AiuCurrency currency)
{
	AiuAmount  *amount = palloc(sizeof(AiuAmount));

	if (!aiu_amount_pack(amount, value, currency))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("cost out of range")));
	return PointerGetDatum(amount);
}

static int
count_units(const AiuUnitCosts *costs)
{
	AiuCostIter it;
	AiuCostItem item;
	int			n = 0;

	aiu_cost_iter_init(&it, costs);
	while (aiu_cost_iter_next(&it, &item))
		n++;
	return n;
}

/*
 * owner_reprice_row(target "char", version int, api_key text, assignment bigint, customer text, provider text,
 *					 model text, usage aiusage.usage, at timestamptz, service_tier text, endpoint text, region text,
 *					 priced boolean, cost_by_unit aiusage.unit_costs, list_cost aiusage.amount, charge aiusage.amount,
 *					 OUT changed boolean, OUT prices boolean, OUT no_price boolean, OUT other_currency boolean,
 *					 OUT cost aiusage.amount, OUT cost_by_unit aiusage.unit_costs, OUT list_cost aiusage.amount, OUT charge aiusage.amount,
 *					 OUT price_version int)
 *
 * list_cost and charge are what the row stands at; list_cost is cost where the
 * row has none of its own, and NULL when it is not priced.
 */
Datum
aiu_reprice_row(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	Target		target;
	AiuPriceRequest req;
	AiuPriceResult *result = palloc(sizeof(AiuPriceResult));
	AiuLabel	key = aiu_label_arg(fcinfo, 2);
	AiuLabel	customer = aiu_label_arg(fcinfo, 4);
	const char *cost_book;
	const char *charge_book;
	AiuLabel	list;
	bool		by_list = false;	/* the cost is by a list already */
	bool		priced;
	const AiuUnitCosts *now;
	AiuCurrency currency;
	const AiuAmount *list_now = PG_ARGISNULL(14) ? NULL : PG_GETARG_AMOUNT_P(14);
	const AiuAmount *charge_now = PG_ARGISNULL(15) ? NULL : PG_GETARG_AMOUNT_P(15);
	AiuCostItem *items = NULL;
	int			nitems = 0;
	int128		cost_difference = 0;
	int128		new_cost = 0;
	int128		list_difference = 0;
	int128		charge_difference = 0;
	AiuCurrency charge_currency = charge_now ? aiu_amount_currency(charge_now) : 0;
	bool		cost_known;		/* the target prices it, in the row's currency */
	bool		list_follows;	/* list_cost is cost */
	bool		no_price = false;
	bool		other_currency = false;
	int32		version = 0;
	bool		changed = false;
	Datum		values[9] = {0};
	bool		nulls[9] = {false, false, false, false, true, true, true, true, true};

	/* what every row has */
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) || PG_ARGISNULL(5) || PG_ARGISNULL(6) || PG_ARGISNULL(7) ||
		PG_ARGISNULL(8) || PG_ARGISNULL(12) || PG_ARGISNULL(13))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	priced = PG_GETARG_BOOL(12);
	now = PG_GETARG_UNIT_COSTS_P(13);
	currency = aiu_unit_costs_currency(now);
	target.kind = PG_GETARG_CHAR(0);
	target.version = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1);
	req.provider = aiu_label_arg(fcinfo, 5);
	req.model = aiu_label_arg(fcinfo, 6);
	req.usage = PG_GETARG_USAGE_P(7);
	req.at = PG_GETARG_TIMESTAMPTZ(8);
	req.service_tier = aiu_label_arg(fcinfo, 9);
	req.endpoint = aiu_label_arg(fcinfo, 10);
	req.region = aiu_label_arg(fcinfo, 11);
	aiu_books_at(&key, PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3), &customer, req.at, &cost_book, &charge_book);

	/* The cost, line by line. */
	cost_known = target.kind != TARGET_CHARGE &&
		target_price(&req, aiu_label_of(cost_book), &target, true, result);
	if (cost_known && result->unpriced != AIU_PRICED)
	{
		no_price = true;
		cost_known = false;
	}
	/* an unpriced row is in no currency yet, but is counted in one */
	if (cost_known && result->currency != currency)
	{
		other_currency = true;
		cost_known = false;
	}
	if (cost_known)
	{
		items = palloc(sizeof(AiuCostItem) * (AIU_MAX_COMPONENTS + count_units(now)));
		nitems = component_differences(result, priced, now, items, &cost_difference);
		new_cost = result->cost;
		version = result->version;
		by_list = cost_book == NULL && result->is_list && target.kind == TARGET_NOW;
	}

	/*
	 * The list cost: of the list book, or the cost where that has no price.  A
	 * version that has nothing to do with the list book leaves it as it is.
	 */
	list_follows = list_now == NULL || aiu_amount_currency(list_now) == currency;
	if (cost_known && by_list)
		list_difference = list_follows ? new_cost - (list_now ? aiu_amount_value(list_now) : 0) : 0;
	else if (cost_known)
	{
		bool		says = true;
		bool		has;

		aiu_price_list_book(&list);
		if (!target_price(&req, list, &target, false, result))
		{
			says = false;
			req.book = list;
			aiu_price(&req, result);
		}
		has = result->unpriced == AIU_PRICED &&
			result->currency == (list_follows ? currency : aiu_amount_currency(list_now));
		if (has && (says || list_now == NULL))
			list_difference = result->cost - (list_now ? aiu_amount_value(list_now) : 0);
		else if (!has && list_follows)
			list_difference = new_cost - (list_now ? aiu_amount_value(list_now) : 0);
	}

	/* The charge. */
	if (charge_book != NULL && !other_currency &&
		target_price(&req, aiu_label_of(charge_book), &target, target.kind == TARGET_CHARGE, result))
	{
		if (result->unpriced != AIU_PRICED)
			no_price = no_price || target.kind == TARGET_CHARGE;
		else if (charge_now != NULL && result->currency != charge_currency)
			other_currency = true;
		else
		{
			charge_currency = result->currency;
			charge_difference = result->cost - (charge_now ? aiu_amount_value(charge_now) : 0);
			if (version == 0)
				version = result->version;
			/* what was not charged yet is charged from now on, be it with 0 */
			changed = charge_now == NULL;
		}
	}

	/* A row whose cost or charge is to be in another currency is left alone altogether. */
	changed = !other_currency &&
		(changed || nitems > 0 || (cost_known && !priced) ||
		 (list_follows ? list_difference != cost_difference : list_difference != 0) || charge_difference != 0);
	if (changed)
	{
		values[4] = amount_datum(cost_difference, currency);
		values[5] = PointerGetDatum(aiu_unit_costs_build(currency, items, nitems));
		nulls[4] = nulls[5] = false;
		if (!list_follows || list_difference != cost_difference)
		{
			values[6] = amount_datum(list_difference, list_follows ? currency : aiu_amount_currency(list_now));
			nulls[6] = false;
		}
		if (charge_currency != 0)
		{
			values[7] = amount_datum(charge_difference, charge_currency);
			nulls[7] = false;
		}
		if (version != 0)
		{
			values[8] = Int32GetDatum(version);
			nulls[8] = false;
		}
	}
	values[0] = BoolGetDatum(changed);
	values[1] = BoolGetDatum(changed && cost_known && !priced);
	values[2] = BoolGetDatum(no_price);
	values[3] = BoolGetDatum(other_currency);
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

/*
 * price_exists(api_key text, assignment bigint, customer text, provider text, model text, usage aiusage.usage,
 *				at timestamptz, service_tier text, endpoint text, region text) RETURNS boolean
 *		Would a row like this one be priced if it were booked now?  Says no more,
 *		and nothing (NULL) of what the views do not show the caller, so that it
 *		can be asked by who may not see prices.
 */
Datum
aiu_price_exists(PG_FUNCTION_ARGS)
{
	AiuPriceRequest req;
	AiuPriceResult *result = palloc(sizeof(AiuPriceResult));
	AiuLabel	key = aiu_label_arg(fcinfo, 0);
	AiuLabel	customer = aiu_label_arg(fcinfo, 2);
	const AiuOwnership *owner = PG_ARGISNULL(1) ? NULL : aiu_ownership(PG_GETARG_INT64(1));
	AiuLabel	none = {NULL, 0};
	const char *cost_book;
	const char *charge_book;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3) || PG_ARGISNULL(4) || PG_ARGISNULL(5) || PG_ARGISNULL(6))
		PG_RETURN_NULL();
	fcinfo->flinfo->fn_extra = aiu_access_reader(fcinfo->flinfo->fn_extra, fcinfo->flinfo->fn_mcxt);
	if (!aiu_access_sees(fcinfo->flinfo->fn_extra, owner ? &owner->team : &none, owner ? &owner->cost_center : &none,
						 customer.s != NULL || owner == NULL ? &customer : &owner->customer, &none))
		PG_RETURN_NULL();
	req.provider = aiu_label_arg(fcinfo, 3);
	req.model = aiu_label_arg(fcinfo, 4);
	req.usage = PG_GETARG_USAGE_P(5);
	req.at = PG_GETARG_TIMESTAMPTZ(6);
	req.service_tier = aiu_label_arg(fcinfo, 7);
	req.endpoint = aiu_label_arg(fcinfo, 8);
	req.region = aiu_label_arg(fcinfo, 9);
	aiu_books_at(&key, PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1), &customer, req.at, &cost_book, &charge_book);
	req.book = aiu_label_of(cost_book);
	aiu_price(&req, result);
	PG_RETURN_BOOL(result->unpriced == AIU_PRICED && result->cost < AIU_LEDGER_COST_MAX);
}
