/*-------------------------------------------------------------------------
 *
 * price.c
 *	  aiu_price(): from a request to its cost.
 *
 *     book -> version effective at the time -> provider -> model -> overrides
 *          -> rule -> leafs of the usage -> components -> cost
 *
 * A book that has no version, provider or model for the request is continued
 * by the book it inherits from, whose prices its overrides may change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "pricing/price_internal.h"

static const char *const unpriced_labels[] = {
	NULL, "no_price_version", "unknown_provider", "unknown_model", "no_prices", "no_rule",
	"unit_unpriced", "prices_incomplete", "contradictory_usage", "out_of_range"
};

const char *
aiu_unpriced_label(AiuUnpriced reason)
{
	return unpriced_labels[reason];
}

static inline void
clear_result(AiuPriceResult *result)
{
	result->unpriced = AIU_UNPRICED_NO_VERSION;
	result->unit = 0;
	result->unit_name = NULL;
	result->unit_namelen = 0;
	result->is_list = false;
	result->unit_missing = false;
	result->currency = 0;
	result->version = 0;
	result->cost = 0;
	result->ncomponents = 0;
}

/* The cache has begun, and nothing in it is dropped meanwhile. */
static inline void
price_in_book(const AiuPriceRequest *req, AiuBookEntry *book, const AiuVersionEntry *instead, TimestampTz known_at,
			  AiuPriceResult *result, AiuPriceTrace *trace)
{
	const AiuResolved *resolved;
	const AiuRule *rule;

	result->currency = book->currency;
	result->is_list = book->is_list;
	if (trace != NULL)
		trace->book = book;
	if (likely(book->inherits == NULL))
	{
		int32		version = instead != NULL ? instead->version : aiu_price_version_at(book, req->at, known_at);

		if (version == 0)
			return;				/* AIU_UNPRICED_NO_VERSION */
		resolved = aiu_price_cache_resolve(version, NULL, req);
	}
	else
	{
		const AiuPriceLine *line = aiu_price_cache_line(book, req->at, known_at, instead);

		resolved = aiu_price_cache_resolve(line->id, line, req);
		if (trace != NULL)
			trace->book = resolved->book;
	}

	result->version = resolved->version;
	if (trace != NULL)
		trace->resolved = resolved;
	if (unlikely(resolved->unpriced != AIU_PRICED))
	{
		result->unpriced = resolved->unpriced;
		return;
	}
	rule = aiu_price_select_rule(resolved, req->at);
	if (unlikely(rule == NULL))
	{
		result->unpriced = AIU_UNPRICED_RULE;
		return;
	}
	if (trace != NULL)
	{
		trace->rule = rule;
		if (req->usage == NULL)
			return;				/* only the rules are asked for */
	}
	aiu_price_eval(rule, req->usage, result, trace != NULL ? trace->detail : NULL);
}

static AiuBookEntry *
book_of_version(const AiuVersionEntry *version)
{
	AiuLabel	label;

	label.s = version->book;
	label.len = strlen(version->book);
	return aiu_price_cache_book(&label);
}

void
aiu_price_traced(const AiuPriceRequest *req, int32 number, TimestampTz known_at,
				 AiuPriceResult *result, AiuPriceTrace *trace)
{
	AiuLabel	label = req->book;
	AiuVersionEntry *instead = NULL;
	AiuBookEntry *book;

	clear_result(result);
	if (trace != NULL)
	{
		trace->book = NULL;
		trace->resolved = NULL;
		trace->rule = NULL;
	}
	if (label.s == NULL && number == 0)
		aiu_price_default_book(&label);
	aiu_price_cache_begin();
	if (unlikely(number != 0))
	{
		instead = aiu_price_cache_version(number);
		if (instead->version == 0)
			return;
		book = book_of_version(instead);
	}
	else
		book = aiu_price_cache_book(&label);
	if (book->exists)
		price_in_book(req, book, instead, known_at, result, trace);
}

void
aiu_price(const AiuPriceRequest *req, AiuPriceResult *result)
{
	aiu_price_traced(req, 0, DT_NOEND, result, NULL);
}

void
aiu_price_known_at(const AiuPriceRequest *req, TimestampTz known_at, AiuPriceResult *result)
{
	aiu_price_traced(req, 0, known_at, result, NULL);
}

void
aiu_price_under_version(const AiuPriceRequest *req, int32 version, TimestampTz known_at, AiuPriceResult *result)
{
	aiu_price_traced(req, version, known_at, result, NULL);
}

bool
aiu_price_with_version(const AiuPriceRequest *req, int32 number, bool anyway, AiuPriceResult *result)
{
	AiuLabel	label = req->book;
	AiuVersionEntry *instead;
	AiuBookEntry *book;
	int			i;

	clear_result(result);
	if (label.s == NULL)
		aiu_price_default_book(&label);
	aiu_price_cache_begin();
	instead = aiu_price_cache_version(number);
	if (instead->version == 0)
		return false;
	book = aiu_price_cache_book(&label);
	for (i = 0; book->exists && i < aiu_price_line_books(book); i++)
	{
		if (strcmp(book->line[i]->book, instead->book) == 0)
			break;
	}
	if (!book->exists || i == book->ndepth)
	{
		if (!anyway)
			return false;
		book = book_of_version(instead);
	}
	price_in_book(req, book, instead, DT_NOEND, result, NULL);
	return true;
}

void
aiu_price_list_book(AiuLabel *list)
{
	static char name[AIU_LABEL_MAX];	/* outlives the cache */
	AiuBookEntry *book;
	int			i;

	aiu_price_default_book(list);
	aiu_price_cache_begin();
	book = aiu_price_cache_book(list);
	for (i = 0; book->exists && i < aiu_price_line_books(book); i++)
	{
		if (book->line[i]->is_list)
		{
			list->s = name;
			list->len = book->line[i]->len;
			memcpy(name, book->line[i]->book, list->len);
			return;
		}
	}
}
