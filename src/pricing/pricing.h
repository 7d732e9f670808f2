/*-------------------------------------------------------------------------
 *
 * pricing.h
 *	  Public face of pricing: what does this usage cost, and why.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_PRICING_H
#define AIU_PRICING_H

#include "datatype/timestamp.h"
#include "common/label.h"
#include "types/amount.h"
#include "types/unit_costs.h"
#include "types/usage.h"

/* Why a usage has no price.  Order and names as the enum aiusage.unpriced_reason. */
typedef enum AiuUnpriced
{
	AIU_PRICED = 0,
	AIU_UNPRICED_NO_VERSION,	/* no_price_version: no published version of the book is effective at that time */
	AIU_UNPRICED_PROVIDER,		/* unknown_provider */
	AIU_UNPRICED_MODEL,			/* unknown_model */
	AIU_UNPRICED_NO_PRICES,		/* no_prices: the model's entry has none */
	AIU_UNPRICED_RULE,			/* no_rule: none for that tier, endpoint, region or time */
	AIU_UNPRICED_UNIT,			/* unit_unpriced: a reported unit that nothing prices */
	AIU_UNPRICED_INCOMPLETE,	/* prices_incomplete: missing ancestor price, or join of two priced units */
	AIU_UNPRICED_CONTRADICTORY, /* contradictory_usage: exclusive part negative, or total missing */
	AIU_UNPRICED_OVERFLOW		/* out_of_range */
} AiuUnpriced;

typedef struct AiuPriceRequest
{
	AiuLabel	book;			/* NULL: the default book */
	AiuLabel	provider;
	AiuLabel	model;
	AiuLabel	service_tier;
	AiuLabel	endpoint;
	AiuLabel	region;
	TimestampTz at;
	const AiuUsage *usage;
} AiuPriceRequest;

#define AIU_MAX_COMPONENTS 64

typedef struct AiuPriceResult
{
	AiuUnpriced unpriced;		/* AIU_PRICED: all below is set */
	int			unit;			/* the unit at fault, where there is one (0: custom or none) */
	const char *unit_name;		/* its name, not NUL-terminated; NULL: none.  May point into the usage */
	int			unit_namelen;
	bool		unit_missing;	/* contradictory_usage: it is not reported, though what it contains is */
	AiuCurrency currency;		/* of the book; set also when unpriced (0 only if there is no such book) */
	int32		version;		/* price version used or asked; 0 when none was found */
	int128		cost;			/* 1e-12 */
	int			ncomponents;
	AiuCostItem components[AIU_MAX_COMPONENTS];
} AiuPriceResult;

/*
 * Which price applies: the book's newest published version that is effective
 * at the time; in it the provider, then the model entry; of the entry's rules
 * the most specific one that applies (docs/pricing.md).  Prices are those of
 * the latest committed state, whatever the snapshot of the transaction, and
 * those of this transaction: a published version is immutable, and the row is
 * stamped with it.
 */

/*
 * Price one usage.  Never throws for an unpriced usage; may throw when the
 * books cannot be read.  Allocates nothing that outlives the call but cache
 * entries.  AiuCostItem names point into the request's usage.
 */
extern void aiu_price(const AiuPriceRequest *req, AiuPriceResult *result);

/*
 * The same under one given version (explain_row: the stamped one), whatever
 * is effective now.
 */
extern void aiu_price_under_version(const AiuPriceRequest *req, int32 version, AiuPriceResult *result);

extern const char *aiu_unpriced_label(AiuUnpriced reason);	/* enum label */

/* The name of the default book (setting default_book); valid until the next call into pricing. */
extern void aiu_price_default_book(AiuLabel *book);

#endif							/* AIU_PRICING_H */
