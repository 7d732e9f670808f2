/*-------------------------------------------------------------------------
 *
 * book_choice.c
 *	  Which price books apply to a usage: its key's, else its customer's,
 *	  else its team's, each as assigned at the time of the usage.
 *
 * The books of a key are loaded with the key (key_cache.c).  Those of teams
 * and customers are remembered here.  Few of them have any, while requests
 * may name a million customers, so the first look reads all that there are:
 * as long as they are few, whoever is not among them has none, without a
 * query.  Where they are many, each is read when it is first met.
 *
 * Validity is that of the keys: one generation, and emptied at the start of
 * a call only, so that what a result points to stays until the next one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "attribution/attribution_internal.h"
#include "common/catalog.h"
#include "common/guc.h"
#include "common/owner.h"

#define LOADED_AT_ONCE	1000	/* assignments of teams and customers */

typedef struct SubjectKey
{
	AiuBookScope scope;
	AiuLabel	name;
} SubjectKey;

typedef struct SubjectEntry
{
	SubjectKey	key;
	uint32		hash;
	char		status;			/* simplehash's own */
	AiuBookSpans books;
} SubjectEntry;

static inline uint32
subject_hash(SubjectKey key)
{
	return hash_combine(hash_bytes((const unsigned char *) key.name.s, key.name.len), (uint32) key.scope);
}

static inline bool
subject_equal(SubjectKey a, SubjectKey b)
{
	return a.scope == b.scope && a.name.len == b.name.len && memcmp(a.name.s, b.name.s, a.name.len) == 0;
}

#define SH_PREFIX subjecttab
#define SH_ELEMENT_TYPE SubjectEntry
#define SH_KEY_TYPE SubjectKey
#define SH_KEY key
#define SH_HASH_KEY(tb, k) subject_hash(k)
#define SH_EQUAL(tb, a, b) subject_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, e) (e)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/*---- Local variables ----*/

static MemoryContext cache_context = NULL;
static subjecttab_hash *cache = NULL;
static uint64 cache_generation = 0; /* of everything in it; 0: of nothing */
static bool cache_complete = false; /* whoever is not in it has no books */

static const char *const scope_names[] = {"key", "customer", "team"};

#define COLUMNS \
	"SELECT a.scope, a.subject, a.purpose OPERATOR(pg_catalog.=) 'charge', a.book, a.valid_from, a.valid_to" \
	"  FROM aiusage.price_book_assignment AS a" \
	" WHERE (a.valid_to IS NULL OR a.valid_from OPERATOR(pg_catalog.<) a.valid_to)"

static const char subject_query[] = COLUMNS
" AND a.scope OPERATOR(pg_catalog.=) $1 AND a.subject OPERATOR(pg_catalog.=) $2";
static const char all_query[] = COLUMNS
" AND a.scope OPERATOR(pg_catalog.<>) 'key'";

enum
{
	COL_SCOPE = 1, COL_SUBJECT, COL_CHARGE, COL_BOOK, COL_VALID_FROM, COL_VALID_TO
};

/* Row of the current SPI result, added to spans; copies go to the given context. */
static void
add_span(AiuBookSpans *books, uint64 row, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	HeapTuple	tuple = SPI_tuptable->vals[row];
	TupleDesc	desc = SPI_tuptable->tupdesc;
	AiuBookSpan *span;
	bool		isnull;
	Datum		d;

	if (books->nspans == 0)
		books->spans = palloc(sizeof(AiuBookSpan));
	else
		books->spans = repalloc(books->spans, sizeof(AiuBookSpan) * (books->nspans + 1));
	span = &books->spans[books->nspans++];
	span->charge = DatumGetBool(SPI_getbinval(tuple, desc, COL_CHARGE, &isnull));
	span->book = TextDatumGetCString(SPI_getbinval(tuple, desc, COL_BOOK, &isnull));
	span->valid_from = DatumGetTimestampTz(SPI_getbinval(tuple, desc, COL_VALID_FROM, &isnull));
	d = SPI_getbinval(tuple, desc, COL_VALID_TO, &isnull);
	span->valid_to = isnull ? DT_NOEND : DatumGetTimestampTz(d);
	MemoryContextSwitchTo(old);
}

/* The books assigned to one subject, into the current memory context. */
void
aiu_books_load(AiuBookScope scope, const AiuLabel *name, AiuBookSpans *books)
{
	static SPIPlanPtr plan = NULL;
	MemoryContext target = CurrentMemoryContext;
	AiuOwnerSpi save;
	Datum		args[2];
	uint64		row;

	books->nspans = 0;
	books->spans = NULL;
	aiu_owner_spi_begin(&save);
	if (plan == NULL)
	{
		Oid			argtypes[2] = {TEXTOID, TEXTOID};
		SPIPlanPtr	p = SPI_prepare(subject_query, 2, argtypes);

		if (p == NULL || SPI_keepplan(p) != 0)
			elog(ERROR, "could not prepare the book query: %s", SPI_result_code_string(SPI_result));
		plan = p;
	}
	args[0] = CStringGetTextDatum(scope_names[scope]);
	args[1] = PointerGetDatum(cstring_to_text_with_len(name->s, name->len));
	if (SPI_execute_plan(plan, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read price book assignments");
	for (row = 0; row < SPI_processed; row++)
		add_span(books, row, target);
	aiu_owner_spi_end(&save);
}

static SubjectEntry *
add_subject(AiuBookScope scope, const char *s, int len, bool *found)
{
	SubjectKey	key;
	SubjectEntry *entry;

	key.scope = scope;
	key.name.s = s;
	key.name.len = len;
	entry = subjecttab_lookup(cache, key);
	*found = entry != NULL;
	if (entry != NULL)
		return entry;
	key.name.s = MemoryContextStrdup(cache_context, pnstrdup(s, len));
	entry = subjecttab_insert(cache, key, found);
	*found = false;
	entry->books.nspans = 0;
	entry->books.spans = NULL;
	return entry;
}

/* Read all assignments of teams and customers, when they are few. */
static void
load_all(void)
{
	AiuOwnerSpi save;
	uint64		row;

	aiu_owner_spi_begin(&save);
	if (SPI_execute(all_query, true, LOADED_AT_ONCE + 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read price book assignments");
	cache_complete = SPI_processed <= LOADED_AT_ONCE;
	for (row = 0; cache_complete && row < SPI_processed; row++)
	{
		char	   *scope = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, COL_SCOPE);
		char	   *subject = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, COL_SUBJECT);
		bool		found;

		add_span(&add_subject(strcmp(scope, "team") == 0 ? AIU_BOOKS_OF_TEAM : AIU_BOOKS_OF_CUSTOMER,
							  subject, strlen(subject), &found)->books, row, cache_context);
	}
	aiu_owner_spi_end(&save);
}

static void
start_over(uint64 generation)
{
	cache_generation = 0;
	cache = NULL;
	if (cache_context == NULL)
		cache_context = AllocSetContextCreate(CacheMemoryContext, "aiusage price book assignments",
											  ALLOCSET_DEFAULT_SIZES);
	else
		MemoryContextReset(cache_context);
	cache = subjecttab_create(cache_context, 64, NULL);
	load_all();
	cache_generation = generation;
}

static const AiuBookSpans *
books_of(AiuBookScope scope, const char *s, int len)
{
	SubjectKey	key;
	SubjectEntry *entry;
	MemoryContext caller_context;
	AiuBookSpans books;
	uint64		generation = cache_generation;
	bool		found;

	key.scope = scope;
	key.name.s = s;
	key.name.len = len;
	entry = subjecttab_lookup(cache, key);
	if (entry != NULL)
		return &entry->books;
	if (cache_complete)
		return NULL;

	/* as in key_cache.c: a load that fails makes the next call start over */
	cache_generation = 0;
	caller_context = MemoryContextSwitchTo(cache_context);
	aiu_books_load(scope, &key.name, &books);
	MemoryContextSwitchTo(caller_context);
	entry = add_subject(scope, s, len, &found);
	entry->books = books;
	cache_generation = generation;
	return &entry->books;
}

static inline const char *
book_at(const AiuBookSpans *books, bool charge, TimestampTz at)
{
	int			i;

	if (books == NULL)
		return NULL;
	for (i = 0; i < books->nspans; i++)
	{
		const AiuBookSpan *span = &books->spans[i];

		if (span->charge == charge && span->valid_from <= at && at < span->valid_to)
			return span->book;
	}
	return NULL;
}

/*
 * own: the books of the key, or NULL; team: NULL, or its name; customer: its
 * s may be NULL.
 */
void
aiu_books_choose(const AiuBookSpans *own, const AiuLabel *customer, const char *team,
				 TimestampTz at, const char **cost_book, const char **charge_book)
{
	uint64		generation = aiu_catalog_generation(AIU_CATALOG_KEYS);
	const AiuBookSpans *books;

	*cost_book = book_at(own, false, at);
	*charge_book = book_at(own, true, at);
	if (unlikely(cache_generation != generation || cache->members >= (uint32) aiu_key_cache_entries))
		start_over(generation);
	if (likely(cache_complete && cache->members == 0))
		return;

	if (customer->s != NULL && (*cost_book == NULL || *charge_book == NULL))
	{
		books = books_of(AIU_BOOKS_OF_CUSTOMER, customer->s, customer->len);
		if (*cost_book == NULL)
			*cost_book = book_at(books, false, at);
		if (*charge_book == NULL)
			*charge_book = book_at(books, true, at);
	}
	if (team != NULL && (*cost_book == NULL || *charge_book == NULL))
	{
		books = books_of(AIU_BOOKS_OF_TEAM, team, strlen(team));
		if (*cost_book == NULL)
			*cost_book = book_at(books, false, at);
		if (*charge_book == NULL)
			*charge_book = book_at(books, true, at);
	}
}
