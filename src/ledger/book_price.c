/*-------------------------------------------------------------------------
 *
 * book_price.c
 *	  Whose a row is, whether its request may be made, and what it costs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/errors.h"
#include "ledger/book_row.h"
#include "pricing/pricing.h"

/*
 * What names a genuine hold or says spent, and the history that a bulk import brings,
 * is money that is gone: it is booked whatever the rules say.
 */
static bool
is_spent(const BookRow *row, bool exempt)
{
	return exempt || row->hold == AIU_HOLD_IS_OPEN || row->hold == AIU_HOLD_LATE ||
		(!row->isnull[COL_spent] && DatumGetBool(row->values[COL_spent]));
}

/* Whose request is it, and may it be made? */
void
aiu_book_attribute(BookRow *row, const LedgerContext *ctx, bool exempt, AiuAttribution *owner)
{
	bool		spent = is_spent(row, exempt);

	aiu_attribute(&row->labels[COL_api_key], &row->labels[COL_provider], &row->labels[COL_model],
				  &row->labels[COL_endpoint], &row->labels[COL_customer], row->occurred_at, owner);

	if (likely(spent || (owner->status == AIU_KEY_ACTIVE && owner->route_allowed && owner->assignment != 0 &&
						 owner->stopped_part == NULL)))
		return;

	if (owner->status == AIU_KEY_DISABLED)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_NOT_ALLOWED),
				 errmsg("key \"%.*s\" is disabled", row->labels[COL_api_key].len, row->labels[COL_api_key].s),
				 errhint("Ask its owner to enable it. Money that is spent already is booked with spent = true.")));
	if (owner->stopped_part != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_NOT_ALLOWED),
				 errmsg("usage of %s \"%.*s\" is stopped", owner->stopped_part, owner->stopped_name.len, owner->stopped_name.s),
				 errhint("Ask an administrator to start it again. Money that is spent already is booked with spent = true.")));
	if (owner->status == AIU_KEY_ACTIVE && !owner->route_allowed)
	{
		const AiuLabel *part = strcmp(owner->refused_part, "provider") == 0 ? &row->labels[COL_provider] :
			strcmp(owner->refused_part, "model") == 0 ? &row->labels[COL_model] : &row->labels[COL_endpoint];

		ereport(ERROR,
				(errcode(ERRCODE_AIU_NOT_ALLOWED),
				 errmsg("key \"%.*s\" is not allowed to use %s \"%.*s\"",
						row->labels[COL_api_key].len, row->labels[COL_api_key].s,
						owner->refused_part, part->len, part->s ? part->s : ""),
				 errhint("Change the key's allowed %ss with aiusage.put_key(). Money that is spent already is booked with spent = true.",
						 owner->refused_part)));
	}
	if (ctx->strict_keys)
	{
		if (owner->status == AIU_KEY_UNKNOWN)
			ereport(ERROR,
					(errcode(ERRCODE_AIU_UNKNOWN),
					 errmsg("key \"%.*s\" is unknown", row->labels[COL_api_key].len, row->labels[COL_api_key].s),
					 errdetail("Setting strict_keys is on: usage without an owner is refused."),
					 errhint("Register the key with aiusage.put_key().")));
		ereport(ERROR,
				(errcode(ERRCODE_AIU_UNKNOWN),
				 errmsg("key \"%.*s\" has no owner at that time", row->labels[COL_api_key].len, row->labels[COL_api_key].s),
				 errdetail("Setting strict_keys is on: usage without an owner is refused."),
				 errhint("Give the key an assignment with aiusage.put_key().")));
	}
}

static AiuAmount *
amount_datum(int128 value, AiuCurrency currency)
{
	AiuAmount  *amount = palloc(sizeof(AiuAmount));

	if (!aiu_amount_pack(amount, value, currency))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("cost out of range")));
	return amount;
}

/*
 * The same usage in another book, or NULL where that has no price: what it
 * costs at list, and what it is charged at.
 */
static AiuAmount *
price_in_book(AiuPriceRequest *req, const char *book, int len)
{
	AiuPriceResult result;

	req->book.s = book;
	req->book.len = len;
	aiu_price(req, &result);
	if (result.unpriced != AIU_PRICED || result.cost >= AIU_LEDGER_COST_MAX)
		return NULL;
	return amount_datum(result.cost, result.currency);
}

/* What it costs at list, or NULL where that is no other amount. */
static AiuAmount *
list_price(AiuPriceRequest *req, const AiuPriceResult *result)
{
	AiuLabel	list;
	AiuAmount  *amount;

	aiu_price_list_book(&list);
	amount = price_in_book(req, list.s, list.len);
	if (amount != NULL && aiu_amount_value(amount) == result->cost && aiu_amount_currency(amount) == result->currency)
		return NULL;
	return amount;
}

/* Usage without a price, where that is not wanted. */
static void
refuse_unpriced(const BookRow *row, const AiuAttribution *owner, const AiuPriceResult *result)
{
	const AiuLabel *key = &row->labels[COL_api_key];
	const AiuLabel *provider = &row->labels[COL_provider];
	const AiuLabel *model = &row->labels[COL_model];
	bool		invalid = result->unpriced == AIU_UNPRICED_CONTRADICTORY || result->unpriced == AIU_UNPRICED_OVERFLOW;
	const char *reason = aiu_unpriced_label(result->unpriced);

	if (result->unit_name != NULL)
		reason = psprintf("%s, unit \"%.*s\"", reason, result->unit_namelen, result->unit_name);
	ereport(ERROR,
			(errcode(invalid ? ERRCODE_AIU_INVALID : ERRCODE_AIU_UNKNOWN),
			 errmsg("no price is known for this usage of model \"%.*s\" of provider \"%.*s\"",
					model->len, model->s, provider->len, provider->s),
			 owner->strict_prices > 0 ?
			 errdetail("The reason is %s. Key \"%.*s\" has strict_prices: usage without a price is refused.",
					   reason, key->len, key->s) :
			 errdetail("The reason is %s. Setting strict_prices is on: usage without a price is refused.", reason),
			 errhint("%s Money that is spent already is booked with spent = true.",
					 invalid ? "Look at what the gateway sends; aiusage.explain_price() says what is wrong with it." :
					 "Publish a price for it; aiusage.explain_price() says what is missing.")));
}

void
aiu_book_price(BookRow *row, const LedgerContext *ctx, bool exempt, const AiuAttribution *owner, AiuPriceResult *result)
{
	AiuPriceRequest req;
	AiuAmount  *amount;

	req.book.s = owner->price_book;
	req.book.len = owner->price_book ? strlen(owner->price_book) : 0;
	req.provider = row->labels[COL_provider];
	req.model = row->labels[COL_model];
	req.service_tier = row->labels[COL_service_tier];
	req.endpoint = row->labels[COL_endpoint];
	req.region = row->labels[COL_region];
	req.at = row->occurred_at;
	req.usage = (const AiuUsage *) DatumGetPointer(row->values[COL_usage]);

	aiu_price(&req, result);
	if (result->unpriced == AIU_PRICED && unlikely(result->cost >= AIU_LEDGER_COST_MAX))
		result->unpriced = AIU_UNPRICED_OVERFLOW;

	if (unlikely(result->unpriced != AIU_PRICED) &&
		(owner->strict_prices < 0 ? ctx->strict_prices : owner->strict_prices > 0) && !is_spent(row, exempt))
		refuse_unpriced(row, owner, result);

	if (result->currency == 0)
		result->currency = ctx->currency;
	if (result->version != 0)
		SET(row, price_version, Int32GetDatum(result->version));

	if (result->unpriced == AIU_PRICED)
	{
		bool		estimated = false;

		if (!row->isnull[COL_stream_state])
		{
			Oid			state = DatumGetObjectId(row->values[COL_stream_state]);

			estimated = state == ctx->stream_partial || state == ctx->stream_estimated;
		}
		SET(row, cost, PointerGetDatum(amount_datum(result->cost, result->currency)));
		SET(row, cost_by_unit, PointerGetDatum(aiu_unit_costs_build(result->currency, result->components, result->ncomponents)));
		SET(row, cost_state, ObjectIdGetDatum(estimated ? ctx->cost_estimated : ctx->cost_final));
		if (unlikely(owner->price_book != NULL || !result->is_list))
		{
			amount = list_price(&req, result);
			if (amount != NULL)
				SET(row, list_cost, PointerGetDatum(amount));
		}
	}
	else
	{
		SET(row, cost_by_unit, PointerGetDatum(aiu_unit_costs_build(result->currency, NULL, 0)));
		SET(row, cost_state, ObjectIdGetDatum(ctx->cost_unpriced));
		SET(row, unpriced_reason, ObjectIdGetDatum(ctx->unpriced[result->unpriced]));
	}
	if (unlikely(owner->charge_book != NULL))
	{
		amount = price_in_book(&req, owner->charge_book, strlen(owner->charge_book));
		if (amount != NULL)
			SET(row, charge, PointerGetDatum(amount));
	}
}
