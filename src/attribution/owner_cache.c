/*-------------------------------------------------------------------------
 *
 * owner_cache.c
 *	  What assignments and customers say, by number and by name.
 *
 * Booking finds an assignment by key and time (key_cache.c); whoever looks at
 * a row that is booked has its number.  A customer is a label of the request
 * first, and may be one that nobody has entered: it is remembered all the
 * same.
 *
 * Two caches, each in memory of its own, each of one generation of the group
 * "keys"; one that has moved on, or holds aiusage.key_cache_entries, starts over
 * at the start of a call, never in the invalidation callback.  Loads run as the
 * owner of the books under a latest snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "attribution/attribution.h"
#include "common/catalog.h"
#include "common/guc.h"
#include "common/owner.h"

typedef struct OwnershipEntry
{
	int64		assignment;
	char		status;			/* simplehash's own */
	AiuOwnership *ownership;	/* NULL: there is no such assignment */
} OwnershipEntry;

#define SH_PREFIX owntab
#define SH_ELEMENT_TYPE OwnershipEntry
#define SH_KEY_TYPE int64
#define SH_KEY assignment
#define SH_HASH_KEY(tb, k) murmurhash32((uint32) (k) ^ (uint32) ((k) >> 32))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct CustomerEntry
{
	AiuLabel	name;
	uint32		hash;
	char		status;			/* simplehash's own */
	AiuCustomer *customer;
} CustomerEntry;

#define SH_PREFIX custtab
#define SH_ELEMENT_TYPE CustomerEntry
#define SH_KEY_TYPE AiuLabel
#define SH_KEY name
#define SH_HASH_KEY(tb, k) hash_bytes((const unsigned char *) (k).s, (k).len)
#define SH_EQUAL(tb, a, b) aiu_label_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, e) (e)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/*---- Local variables ----*/

static MemoryContext ownership_context = NULL;
static owntab_hash *ownerships = NULL;
static uint64 ownership_generation = 0; /* 0: of nothing */
static SPIPlanPtr ownership_plan = NULL;

static MemoryContext customer_context = NULL;
static custtab_hash *customers = NULL;
static uint64 customer_generation = 0;
static SPIPlanPtr customer_plan = NULL;

static const char ownership_query[] =
"SELECT a.team, a.cost_center, a.project, a.environment, a.workflow, a.customer"
"  FROM aiusage.key_assignment AS a"
" WHERE a.assignment OPERATOR(pg_catalog.=) $1";

static const char customer_query[] =
"SELECT c.plan_tier, c.stopped_at IS NOT NULL"
"  FROM aiusage.customer AS c"
" WHERE c.customer OPERATOR(pg_catalog.=) $1";

static void
empty_context(MemoryContext *context)
{
	if (*context != NULL)
		MemoryContextReset(*context);
	else
		*context = AllocSetContextCreate(CacheMemoryContext, "aiusage owners", ALLOCSET_DEFAULT_SIZES);
}

/* Run a query of one argument as the owner; results are in SPI_tuptable until aiu_owner_spi_end(). */
static void
run(SPIPlanPtr *plan, const char *query, Oid argtype, Datum arg, AiuOwnerSpi *save)
{
	aiu_owner_spi_begin(save);
	if (*plan == NULL)
	{
		SPIPlanPtr	prepared = SPI_prepare(query, 1, &argtype);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare a query of owners: %s", SPI_result_code_string(SPI_result));
		*plan = prepared;
	}
	if (SPI_execute_plan(*plan, &arg, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read owners");
}

/* A column of the row that was read, copied to the context. */
static AiuLabel
copy_label(MemoryContext context, int column)
{
	AiuLabel	label = {NULL, 0};
	bool		isnull;
	Datum		d = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	if (!isnull)
	{
		text	   *t = DatumGetTextPP(d);

		label.len = VARSIZE_ANY_EXHDR(t);
		/* NUL-terminated all the same, for those who want a string */
		label.s = memcpy(MemoryContextAllocZero(context, label.len + 1), VARDATA_ANY(t), label.len);
	}
	return label;
}

const AiuOwnership *
aiu_ownership(int64 assignment)
{
	uint64		generation = aiu_catalog_generation(AIU_CATALOG_KEYS);
	OwnershipEntry *entry;
	AiuOwnership *loaded = NULL;
	AiuOwnerSpi save;
	bool		found;

	if (likely(ownership_generation == generation))
	{
		entry = owntab_lookup(ownerships, assignment);
		if (likely(entry != NULL))
			return entry->ownership;
	}
	if (ownership_generation != generation || ownerships->members >= (uint32) aiu_key_cache_entries)
	{
		ownership_generation = 0;
		empty_context(&ownership_context);
		ownerships = owntab_create(ownership_context, 64, NULL);
	}
	ownership_generation = 0;	/* until this has gone well */
	run(&ownership_plan, ownership_query, INT8OID, Int64GetDatum(assignment), &save);
	if (SPI_processed > 0)
	{
		loaded = MemoryContextAlloc(ownership_context, sizeof(AiuOwnership));
		loaded->team = copy_label(ownership_context, 1);
		loaded->cost_center = copy_label(ownership_context, 2);
		loaded->project = copy_label(ownership_context, 3);
		loaded->environment = copy_label(ownership_context, 4);
		loaded->workflow = copy_label(ownership_context, 5);
		loaded->customer = copy_label(ownership_context, 6);
	}
	aiu_owner_spi_end(&save);
	entry = owntab_insert(ownerships, assignment, &found);
	entry->ownership = loaded;
	ownership_generation = generation;
	return loaded;
}

const AiuCustomer *
aiu_customer(const AiuLabel *customer)
{
	uint64		generation = aiu_catalog_generation(AIU_CATALOG_KEYS);
	CustomerEntry *entry;
	AiuCustomer *loaded;
	AiuLabel	name;
	AiuOwnerSpi save;
	bool		found;

	if (likely(customer_generation == generation))
	{
		entry = custtab_lookup(customers, *customer);
		if (likely(entry != NULL))
			return entry->customer;
	}
	if (customer_generation != generation || customers->members >= (uint32) aiu_key_cache_entries)
	{
		customer_generation = 0;
		empty_context(&customer_context);
		customers = custtab_create(customer_context, 64, NULL);
	}
	customer_generation = 0;
	loaded = MemoryContextAllocZero(customer_context, sizeof(AiuCustomer));
	name.len = customer->len;
	name.s = memcpy(MemoryContextAlloc(customer_context, customer->len + 1), customer->s, customer->len);
	run(&customer_plan, customer_query, TEXTOID,
		PointerGetDatum(cstring_to_text_with_len(customer->s, customer->len)), &save);
	if (SPI_processed > 0)
	{
		bool		isnull;

		loaded->plan_tier = copy_label(customer_context, 1);
		loaded->stopped = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	}
	aiu_owner_spi_end(&save);
	entry = custtab_insert(customers, name, &found);
	entry->customer = loaded;
	customer_generation = generation;
	return loaded;
}
