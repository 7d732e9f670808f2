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
#include "fmgr.h"
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
	bool		is_list;		/* the book is one of list prices */
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
 * entries.  AiuCostItem names of custom units point into the request's usage.
 */
extern void aiu_price(const AiuPriceRequest *req, AiuPriceResult *result);

/* The same by the versions that had been published by then (DT_NOEND: all). */
extern void aiu_price_known_at(const AiuPriceRequest *req, TimestampTz known_at, AiuPriceResult *result);

/*
 * The same under one given version (explain_row: the stamped one), whatever
 * is effective now; what it inherits is that of known_at.  The request's book
 * does not count.
 */
extern void aiu_price_under_version(const AiuPriceRequest *req, int32 version, TimestampTz known_at,
									AiuPriceResult *result);

/*
 * The same with one version in place of whichever of its book is in force, as
 * if it had been published last and for ever: the other books of the line are
 * those of now.  When the request's book does not inherit from the version's:
 * false, or, anyway, as the version's own book prices it.  False too when there
 * is no such version.
 */
extern bool aiu_price_with_version(const AiuPriceRequest *req, int32 version, bool anyway,
								   AiuPriceResult *result);

/*
 * The book that list costs are by: the default book when that is one of list
 * prices, else the first such one that it inherits from, else the default.
 * Valid until the next call into pricing.
 */
extern void aiu_price_list_book(AiuLabel *book);

/*
 * The rows of explain_price() of a request under a version (0: those in force
 * in its book), as the result of the set-returning function that is called.
 * Nobody is asked whether the caller may see them.
 */
extern void aiu_price_explain(FunctionCallInfo fcinfo, const AiuPriceRequest *req, int32 version, TimestampTz known_at);

/*
 * Who may be told a book's prices, besides those of the default and the list
 * book.  Set by aiusage.c: this area knows nothing of access.  book NULL: who
 * may see every book's.
 */
extern bool (*aiu_price_may_use_hook) (const char *book, int len);

extern const char *aiu_unpriced_label(AiuUnpriced reason);	/* enum label */

/* The name of the default book (setting default_book); valid until the next call into pricing. */
extern void aiu_price_default_book(AiuLabel *book);

#endif							/* AIU_PRICING_H */
