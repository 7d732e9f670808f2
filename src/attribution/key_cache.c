/*-------------------------------------------------------------------------
 *
 * key_cache.c
 *	  Who owns a key at a time, and which routes it may take.
 *
 * Every usage row asks this, and nearly every time about a key the backend
 * has met before.  So a backend keeps what it has read of each key: status,
 * allowed routes, price books, and all its assignments in order of time.  A
 * hit is one hash probe and a few comparisons: no SPI, no allocation.  Keys
 * that do not exist are remembered too, or a flood of unknown keys would
 * query the books once a row.
 *
 * Validity: the whole cache belongs to one generation of the group "keys"
 * (common/catalog.h) and is emptied when that has moved on, or when it holds
 * aiusage.key_cache_entries keys.  Configuration changes rarely and a key is
 * read in one indexed query, so finer bookkeeping would only be more to get
 * wrong.  The emptying happens at the start of a call, never in the
 * invalidation callback: what a result points to stays until the next call.
 *
 * A load runs as the owner of the books under a latest snapshot, so a
 * REPEATABLE READ transaction attributes by the ownership of now, as every
 * other transaction does, and its own uncommitted changes count for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "attribution/attribution_internal.h"
#include "common/catalog.h"
#include "common/guc.h"
#include "common/owner.h"

typedef struct Assignment
{
	TimestampTz valid_from;
	TimestampTz valid_to;		/* exclusive; DT_NOEND: until further notice */
	int64		assignment;
	int32		calendar;
	const char *team;			/* may be NULL */
	AiuLabel	customer;		/* s may be NULL */
	const char *stopped_part;	/* "team" or "cost center" when that is stopped, else NULL */
	const char *stopped_name;
} Assignment;

/* One element of an allow list; a trailing * was cut off and is_prefix set. */
typedef struct RoutePattern
{
	const char *s;
	int			len;
	bool		is_prefix;
} RoutePattern;

typedef struct RouteList
{
	int			npatterns;		/* 0: everything is allowed */
	RoutePattern *patterns;
} RouteList;

typedef struct KeyInfo
{
	AiuKeyStatus status;
	const char *key_class;		/* may be NULL */
	AiuBookSpans books;
	int8		strict_prices;
	RouteList	providers;
	RouteList	models;
	RouteList	endpoints;
	int			nassignments;
	Assignment *assignments;	/* by valid_from; they do not overlap */
} KeyInfo;

typedef struct KeyEntry
{
	AiuLabel	key;
	uint32		hash;
	char		status;			/* simplehash's own */
	KeyInfo    *info;
} KeyEntry;

#define SH_PREFIX keytab
#define SH_ELEMENT_TYPE KeyEntry
#define SH_KEY_TYPE AiuLabel
#define SH_KEY key
#define SH_HASH_KEY(tb, k) hash_bytes((const unsigned char *) (k).s, (k).len)
#define SH_EQUAL(tb, a, b) aiu_label_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, e) (e)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/*---- Local variables ----*/

static MemoryContext cache_context = NULL;	/* all of the cache */
static keytab_hash *cache = NULL;
static uint64 cache_generation = 0; /* of everything in it; 0: of nothing */
static SPIPlanPtr load_plan = NULL;

static const char load_query[] =
"SELECT k.status OPERATOR(pg_catalog.=) 'active',"
"       k.allowed_providers, k.allowed_models, k.allowed_endpoints,"
"       a.assignment, a.valid_from, a.valid_to, c.calendar,"
"       a.team, a.customer, k.class,"
"       CASE WHEN t.stopped_at IS NOT NULL THEN a.team END,"
"       CASE WHEN c.stopped_at IS NOT NULL THEN a.cost_center END,"
"       k.strict_prices"
"  FROM aiusage.api_key AS k"
"  LEFT JOIN aiusage.key_assignment AS a"
"    ON a.api_key OPERATOR(pg_catalog.=) k.api_key"
"   AND (a.valid_to IS NULL OR a.valid_from OPERATOR(pg_catalog.<) a.valid_to)"
"  LEFT JOIN aiusage.cost_center AS c ON c.cost_center OPERATOR(pg_catalog.=) a.cost_center"
"  LEFT JOIN aiusage.team AS t ON t.team OPERATOR(pg_catalog.=) a.team"
" WHERE k.api_key OPERATOR(pg_catalog.=) $1"
" ORDER BY a.valid_from";

enum
{
	COL_ACTIVE = 1, COL_PROVIDERS, COL_MODELS, COL_ENDPOINTS,
	COL_ASSIGNMENT, COL_VALID_FROM, COL_VALID_TO, COL_CALENDAR, COL_TEAM, COL_CUSTOMER,
	COL_CLASS, COL_STOPPED_TEAM, COL_STOPPED_COST_CENTER, COL_STRICT_PRICES
};


/* Copies go to the current memory context. */
static const char *
copy_text_column(HeapTuple tuple, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		d = SPI_getbinval(tuple, desc, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(d);
}

static void
copy_route_list(HeapTuple tuple, TupleDesc desc, int column, RouteList *list)
{
	bool		isnull;
	Datum		d = SPI_getbinval(tuple, desc, column, &isnull);
	Datum	   *elements;
	bool	   *nulls;
	int			nelements;
	int			i;

	list->npatterns = 0;
	list->patterns = NULL;
	if (isnull)
		return;
	deconstruct_array(DatumGetArrayTypeP(d), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &nelements);
	if (nelements == 0)
		return;
	list->patterns = palloc0(sizeof(RoutePattern) * nelements);
	list->npatterns = nelements;
	for (i = 0; i < nelements; i++)
	{
		RoutePattern *p = &list->patterns[i];

		/* the table refuses null elements; one would match nothing */
		p->s = nulls[i] ? "" : TextDatumGetCString(elements[i]);
		p->len = strlen(p->s);
		if (p->len > 0 && p->s[p->len - 1] == '*')
		{
			p->len--;
			p->is_prefix = true;
		}
	}
}

/* Empty the cache and begin the given generation. */
static void
start_over(uint64 generation)
{
	cache_generation = 0;
	cache = NULL;
	if (cache_context == NULL)
		cache_context = AllocSetContextCreate(CacheMemoryContext, "aiusage keys",
											  ALLOCSET_DEFAULT_SIZES);
	else
		MemoryContextReset(cache_context);
	cache = keytab_create(cache_context, 256, NULL);
	cache_generation = generation;
}

/* Read one key from the books into the current memory context. */
static KeyInfo *
load_key(const AiuLabel *key)
{
	MemoryContext target = CurrentMemoryContext;
	MemoryContext spi_context;
	AiuOwnerSpi save;
	KeyInfo    *info;
	Datum		args[1];
	uint64		row;

	info = palloc0(sizeof(KeyInfo));
	info->status = AIU_KEY_UNKNOWN;
	info->strict_prices = -1;

	aiu_owner_spi_begin(&save);
	if (load_plan == NULL)
	{
		Oid			argtypes[1] = {TEXTOID};
		SPIPlanPtr	plan = SPI_prepare(load_query, 1, argtypes);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the key query: %s", SPI_result_code_string(SPI_result));
		load_plan = plan;
	}
	args[0] = PointerGetDatum(cstring_to_text_with_len(key->s, key->len));
	if (SPI_execute_plan(load_plan, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read key");

	spi_context = MemoryContextSwitchTo(target);
	if (SPI_processed > 0)
	{
		TupleDesc	desc = SPI_tuptable->tupdesc;
		HeapTuple	tuple = SPI_tuptable->vals[0];
		bool		isnull;
		Datum		strict;

		info->status = DatumGetBool(SPI_getbinval(tuple, desc, COL_ACTIVE, &isnull)) ?
			AIU_KEY_ACTIVE : AIU_KEY_DISABLED;
		info->key_class = copy_text_column(tuple, desc, COL_CLASS);
		strict = SPI_getbinval(tuple, desc, COL_STRICT_PRICES, &isnull);
		info->strict_prices = isnull ? -1 : DatumGetBool(strict) ? 1 : 0;
		copy_route_list(tuple, desc, COL_PROVIDERS, &info->providers);
		copy_route_list(tuple, desc, COL_MODELS, &info->models);
		copy_route_list(tuple, desc, COL_ENDPOINTS, &info->endpoints);

		info->assignments = palloc(sizeof(Assignment) * SPI_processed);
		for (row = 0; row < SPI_processed; row++)
		{
			Assignment *a = &info->assignments[info->nassignments];
			Datum		d;

			tuple = SPI_tuptable->vals[row];
			a->assignment = DatumGetInt64(SPI_getbinval(tuple, desc, COL_ASSIGNMENT, &isnull));
			if (isnull)
				break;			/* a key without any */
			a->valid_from = DatumGetTimestampTz(SPI_getbinval(tuple, desc, COL_VALID_FROM, &isnull));
			d = SPI_getbinval(tuple, desc, COL_VALID_TO, &isnull);
			a->valid_to = isnull ? DT_NOEND : DatumGetTimestampTz(d);
			d = SPI_getbinval(tuple, desc, COL_CALENDAR, &isnull);
			a->calendar = isnull ? AIU_CALENDAR_GLOBAL : DatumGetInt32(d);
			a->team = copy_text_column(tuple, desc, COL_TEAM);
			a->customer.s = copy_text_column(tuple, desc, COL_CUSTOMER);
			a->customer.len = a->customer.s ? strlen(a->customer.s) : 0;
			a->stopped_part = NULL;
			if ((a->stopped_name = copy_text_column(tuple, desc, COL_STOPPED_TEAM)) != NULL)
				a->stopped_part = "team";
			else if ((a->stopped_name = copy_text_column(tuple, desc, COL_STOPPED_COST_CENTER)) != NULL)
				a->stopped_part = "cost center";
			info->nassignments++;
		}
	}
	MemoryContextSwitchTo(spi_context);
	aiu_owner_spi_end(&save);
	return info;
}

static const KeyInfo *
find_key(const AiuLabel *key)
{
	uint64		generation = aiu_catalog_generation(AIU_CATALOG_KEYS);
	KeyEntry   *entry;
	MemoryContext caller_context;
	KeyInfo    *info;
	AiuLabel	kept;
	bool		found;

	if (likely(cache_generation == generation))
	{
		entry = keytab_lookup(cache, *key);
		if (likely(entry != NULL))
			return entry->info;
	}
	if (cache_generation != generation || cache->members >= (uint32) aiu_key_cache_entries)
		start_over(generation);

	/*
	 * An error in the load leaves unused bytes behind; were they to add up,
	 * a session that tries again and again would grow.  So it starts over.
	 */
	cache_generation = 0;
	caller_context = MemoryContextSwitchTo(cache_context);
	info = load_key(key);
	if (info->status != AIU_KEY_UNKNOWN)
		aiu_books_load(AIU_BOOKS_OF_KEY, key, &info->books);
	kept.s = pnstrdup(key->s, key->len);
	kept.len = key->len;
	entry = keytab_insert(cache, kept, &found);
	entry->info = info;
	cache_generation = generation;
	MemoryContextSwitchTo(caller_context);
	return info;
}

/* The assignment in force at a time, or NULL. */
static const Assignment *
find_assignment(const KeyInfo *info, TimestampTz at)
{
	int			low = 0;
	int			high = info->nassignments;

	/* nearly always it is the last */
	if (high > 0 && info->assignments[high - 1].valid_from <= at)
		low = high - 1;
	/* the last one that has begun by then */
	while (high - low > 1)
	{
		int			middle = (low + high) / 2;

		if (info->assignments[middle].valid_from <= at)
			low = middle;
		else
			high = middle;
	}
	if (low < high && info->assignments[low].valid_from <= at && at < info->assignments[low].valid_to)
		return &info->assignments[low];
	return NULL;
}

/* Providers and models are compared without regard to ASCII case, as prices are. */
static bool
equal_ignoring_case(const char *a, const char *b, int len)
{
	int			i;

	for (i = 0; i < len; i++)
	{
		if (a[i] != b[i] &&
			pg_ascii_tolower((unsigned char) a[i]) != pg_ascii_tolower((unsigned char) b[i]))
			return false;
	}
	return true;
}

static bool
route_allowed(const RouteList *list, const AiuLabel *label)
{
	int			i;

	if (list->npatterns == 0)
		return true;
	if (label->s == NULL)
		return false;
	for (i = 0; i < list->npatterns; i++)
	{
		const RoutePattern *p = &list->patterns[i];

		if ((p->is_prefix ? label->len >= p->len : label->len == p->len) &&
			equal_ignoring_case(label->s, p->s, p->len))
			return true;
	}
	return false;
}

void
aiu_attribute(const AiuLabel *key, const AiuLabel *provider, const AiuLabel *model,
			  const AiuLabel *endpoint, const AiuLabel *customer, TimestampTz at, AiuAttribution *result)
{
	const KeyInfo *info;
	const Assignment *a;

	result->status = AIU_KEY_UNKNOWN;
	result->assignment = 0;
	result->calendar = AIU_CALENDAR_GLOBAL;
	result->route_allowed = true;
	result->refused_part = NULL;
	result->price_book = NULL;
	result->charge_book = NULL;
	result->stopped_part = NULL;
	result->strict_prices = -1;
	if (key->s == NULL)
		return;

	/*
	 * A transaction that holds its locks already would not hear of changes
	 * until it ends.  A key that was disabled is to be refused by the next
	 * row, so listen; with nothing to hear this is a look at a flag.
	 */
	AcceptInvalidationMessages();
	info = find_key(key);
	result->status = info->status;
	result->strict_prices = info->strict_prices;

	a = find_assignment(info, at);
	if (a != NULL)
	{
		result->assignment = a->assignment;
		result->calendar = a->calendar;
		result->stopped_part = a->stopped_part;
		result->stopped_name.s = a->stopped_name;
		result->stopped_name.len = a->stopped_name ? strlen(a->stopped_name) : 0;
		if (customer->s == NULL)
			customer = &a->customer;
	}
	if (result->stopped_part == NULL && customer->s != NULL && aiu_customer(customer)->stopped)
	{
		result->stopped_part = "customer";
		result->stopped_name = *customer;
	}
	aiu_books_choose(&info->books, customer,
					 a != NULL ? a->team : NULL, at, &result->price_book, &result->charge_book);

	if (provider->s != NULL && !route_allowed(&info->providers, provider))
		result->refused_part = "provider";
	else if (model->s != NULL && !route_allowed(&info->models, model))
		result->refused_part = "model";
	else if (!route_allowed(&info->endpoints, endpoint))
		result->refused_part = "endpoint";
	result->route_allowed = result->refused_part == NULL;
}

void
aiu_books_at(const AiuLabel *key, int64 assignment, const AiuLabel *customer, TimestampTz at,
			 const char **price_book, const char **charge_book)
{
	const char *team = NULL;
	AiuLabel	said = *customer;
	AiuLabel	owned = {NULL, 0};
	const KeyInfo *info;
	int			i;

	AcceptInvalidationMessages();
	info = find_key(key);
	if (assignment != 0)
	{
		for (i = info->nassignments - 1; i >= 0; i--)
		{
			if (info->assignments[i].assignment == assignment)
				break;
		}
		if (i >= 0)
		{
			team = info->assignments[i].team;
			owned = info->assignments[i].customer;
		}
		else
		{
			/* of another key: what is corrected may have been moved there */
			const AiuOwnership *owner = aiu_ownership(assignment);

			if (owner != NULL)
			{
				team = owner->team.s;
				owned = owner->customer;
			}
			info = find_key(key);	/* the cache may have been emptied meanwhile */
		}
	}
	if (said.s == NULL)
		said = owned;
	aiu_books_choose(&info->books, &said, team, at, price_book, charge_book);
}

AiuLabel
aiu_key_class(const AiuLabel *key)
{
	AiuLabel	result = {NULL, 0};

	if (key->s != NULL)
	{
		result.s = find_key(key)->key_class;
		result.len = result.s ? strlen(result.s) : 0;
	}
	return result;
}
