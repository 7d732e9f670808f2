/*-------------------------------------------------------------------------
 *
 * price_cache.c
 *	  What a backend remembers of prices, and the way from a request to a rule.
 *
 * Two levels, all in one memory context:
 * - objects as loaded: books with their timeline, versions with providers,
 *   the model names of a provider, the compiled rules of a model;
 * - a memo from (version, provider, model, service tier, endpoint, region), as
 *   the request spells them, to the rules that may apply, or to the reason why
 *   there are none.  On a hit pricing a row is a lookup in it and arithmetic.
 *
 * The cache belongs to one generation of AIU_CATALOG_PRICES (catalog.h).  A
 * call that finds another generation drops everything; nothing is dropped in
 * the middle of a call, so what a call holds stays valid until the next one.
 * It also starts over when the memo is full (aiusage.price_cache_entries) or
 * holds too many versions: the working set comes back by need.
 *
 * Sessions that did not publish themselves learn of a publication through an
 * invalidation message; begin() takes in what has arrived, so that a long
 * transaction that inserts row after row sees a new price at the next row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "common/catalog.h"
#include "common/guc.h"
#include "pricing/price_internal.h"

#define MEMO_LABELS		5
#define MAX_VERSIONS	32
#define MAX_BOOKS		256
#define MAX_LINES		1024

typedef struct MemoEntry
{
	uint32		hash;
	int32		version;
	int32		len[MEMO_LABELS];	/* -1: NULL */
	AiuResolved resolved;
	char		bytes[FLEXIBLE_ARRAY_MEMBER];
} MemoEntry;

/* ---------- local variables ---------- */

static MemoryContext cache_cxt = NULL;
static uint64 cache_generation = 0;
static bool cache_full = false;
static bool cache_loading = false;	/* still set: an error left something behind */

static AiuBookEntry *books = NULL;
static int	nbooks = 0;
static AiuVersionEntry *versions = NULL;
static int	nversions = 0;
static int32 last_line = 0;		/* ids of lines, downwards */

static MemoEntry **memo = NULL;
static uint32 memo_mask = 0;
static int	memo_used = 0;

static char *default_book = NULL;
static uint64 default_book_generation = 0;

/* ---------- prototypes ---------- */

static void start_over(uint64 generation);
static MemoEntry *memo_find(uint32 hash, int32 version, const AiuLabel *const *labels);
static void memo_add(MemoEntry *entry);
static uint32 memo_hash(int32 version, const AiuLabel *const *labels);
static void resolve(AiuVersionEntry *version, const AiuPriceRequest *req, AiuResolved *result);
static void resolve_line(const AiuPriceLine *line, const AiuPriceRequest *req, AiuResolved *result);
static AiuProviderEntry *provider_by_name(AiuVersionEntry *version, const char *s, int len, const char **how);
static AiuProviderEntry *provider_of_proxy(AiuVersionEntry *version, const char **model, int *modellen, const char **how);
static AiuModelEntry *own_model(AiuVersionEntry *version, AiuProviderEntry *provider, const char *s, int len, const char **how);
static AiuModelEntry *find_model(AiuVersionEntry *version, AiuProviderEntry **provider,
								 const char *s, int len, const char **how);

/* ---------- life cycle ---------- */

static void
start_over(uint64 generation)
{
	books = NULL;
	nbooks = 0;
	versions = NULL;
	nversions = 0;
	last_line = 0;
	memo = NULL;
	memo_used = 0;
	cache_full = false;
	cache_loading = false;
	cache_generation = 0;
	if (cache_cxt == NULL)
		cache_cxt = AllocSetContextCreate(CacheMemoryContext, "aiusage prices", ALLOCSET_DEFAULT_SIZES);
	else
		MemoryContextReset(cache_cxt);

	memo_mask = 255;
	memo = MemoryContextAllocZero(cache_cxt, sizeof(MemoEntry *) * (memo_mask + 1));
	cache_generation = generation;
}

void
aiu_price_cache_begin(void)
{
	uint64		generation;

	AcceptInvalidationMessages();
	generation = aiu_catalog_generation(AIU_CATALOG_PRICES);
	if (unlikely(generation != cache_generation || cache_full || cache_loading))
		start_over(generation);
}

void
aiu_price_default_book(AiuLabel *book)
{
	uint64		generation = aiu_catalog_generation(AIU_CATALOG_SETTINGS);

	if (unlikely(default_book == NULL || generation != default_book_generation))
	{
		char	   *name = aiu_price_load_default_book(CacheMemoryContext);

		if (default_book != NULL)
			pfree(default_book);
		default_book = name;
		default_book_generation = generation;
	}
	book->s = default_book;
	book->len = strlen(default_book);
}

/* ---------- books and versions ---------- */

AiuBookEntry *
aiu_price_cache_book(const AiuLabel *label)
{
	AiuBookEntry *book;

	for (book = books; book != NULL; book = book->next)
	{
		if (book->len == label->len && memcmp(book->book, label->s, label->len) == 0)
			return book;
	}
	cache_loading = true;
	book = aiu_price_load_book(label, cache_cxt);
	cache_loading = false;
	book->next = books;
	books = book;
	if (++nbooks >= MAX_BOOKS)
		cache_full = true;
	return book;
}

AiuVersionEntry *
aiu_price_cache_version(int32 number)
{
	AiuVersionEntry *version;

	for (version = versions; version != NULL; version = version->next)
	{
		if (version->version == number)
			return version;
	}
	cache_loading = true;
	version = aiu_price_load_version(number, cache_cxt);
	cache_loading = false;
	if (version->version == 0)
	{
		static AiuVersionEntry none;

		pfree(version);
		return &none;
	}
	version->next = versions;
	versions = version;
	if (++nversions >= MAX_VERSIONS)
		cache_full = true;
	return version;
}

/* ---------- memo ---------- */

static inline uint32
memo_hash(int32 version, const AiuLabel *const *labels)
{
	uint32		hash = murmurhash32((uint32) version);
	int			i;

	for (i = 0; i < MEMO_LABELS; i++)
	{
		uint32		h = labels[i]->s == NULL ? 0 :
			hash_bytes((const unsigned char *) labels[i]->s, labels[i]->len);

		hash = hash_combine(hash, h);
	}
	return hash;
}

static inline MemoEntry *
memo_find(uint32 hash, int32 version, const AiuLabel *const *labels)
{
	uint32		slot;

	for (slot = hash & memo_mask; memo[slot] != NULL; slot = (slot + 1) & memo_mask)
	{
		MemoEntry  *entry = memo[slot];
		const char *p = entry->bytes;
		int			i;

		if (entry->hash != hash || entry->version != version)
			continue;
		for (i = 0; i < MEMO_LABELS; i++)
		{
			if (labels[i]->s == NULL)
			{
				if (entry->len[i] >= 0)
					break;
				continue;
			}
			if (entry->len[i] != labels[i]->len || memcmp(p, labels[i]->s, labels[i]->len) != 0)
				break;
			p += entry->len[i];
		}
		if (i == MEMO_LABELS)
			return entry;
	}
	return NULL;
}

static void
memo_add(MemoEntry *entry)
{
	uint32		slot;

	if ((memo_used + 1) * 2 > (int) memo_mask + 1)
	{
		uint32		mask = memo_mask * 2 + 1;
		MemoEntry **bigger = MemoryContextAllocZero(cache_cxt, sizeof(MemoEntry *) * (mask + 1));
		uint32		i;

		for (i = 0; i <= memo_mask; i++)
		{
			if (memo[i] == NULL)
				continue;
			for (slot = memo[i]->hash & mask; bigger[slot] != NULL; slot = (slot + 1) & mask)
				;
			bigger[slot] = memo[i];
		}
		pfree(memo);
		memo = bigger;
		memo_mask = mask;
	}
	for (slot = entry->hash & memo_mask; memo[slot] != NULL; slot = (slot + 1) & memo_mask)
		;
	memo[slot] = entry;
	if (++memo_used >= aiu_price_cache_entries)
		cache_full = true;
}

const AiuResolved *
aiu_price_cache_resolve(int32 number, const AiuPriceLine *line, const AiuPriceRequest *req)
{
	const AiuLabel *labels[MEMO_LABELS];
	MemoEntry  *entry;
	AiuResolved resolved;
	uint32		hash;
	Size		size = 0;
	char	   *p;
	int			i;

	labels[0] = &req->provider;
	labels[1] = &req->model;
	labels[2] = &req->service_tier;
	labels[3] = &req->endpoint;
	labels[4] = &req->region;
	hash = memo_hash(number, labels);
	entry = memo_find(hash, number, labels);
	if (likely(entry != NULL))
		return &entry->resolved;

	if (line != NULL)
		resolve_line(line, req, &resolved);
	else
	{
		AiuVersionEntry *version = aiu_price_cache_version(number);

		cache_loading = true;
		resolve(version, req, &resolved);
		cache_loading = false;
	}

	for (i = 0; i < MEMO_LABELS; i++)
		size += labels[i]->s == NULL ? 0 : labels[i]->len;
	entry = MemoryContextAlloc(cache_cxt, offsetof(MemoEntry, bytes) + size);
	entry->hash = hash;
	entry->version = number;
	entry->resolved = resolved;
	p = entry->bytes;
	for (i = 0; i < MEMO_LABELS; i++)
	{
		entry->len[i] = labels[i]->s == NULL ? -1 : labels[i]->len;
		if (labels[i]->s != NULL)
		{
			memcpy(p, labels[i]->s, labels[i]->len);
			p += labels[i]->len;
		}
	}
	memo_add(entry);
	return &entry->resolved;
}

/* ---------- from a request to rules ---------- */

/* "an alias, contains "x"", in the cache's memory; `what` may be empty */
static const char *
how_matched(const char *what, const AiuMatch *leaf)
{
	MemoryContext old = MemoryContextSwitchTo(cache_cxt);
	const char *comma = *what ? ", " : "";
	const char *how;

	if (leaf->op == AIU_MATCH_AND)
		how = psprintf("%s%sseveral conditions", what, comma);
	else
		how = psprintf("%s%s%s \"%s\"", what, comma, aiu_match_op_name(leaf->op), leaf->text);
	MemoryContextSwitchTo(old);
	return how;
}

static AiuProviderEntry *
provider_by_name(AiuVersionEntry *version, const char *s, int len, const char **how)
{
	const AiuMatch *leaf = NULL;
	int			i;

	for (i = 0; i < version->nproviders; i++)
	{
		AiuProviderEntry *p = &version->providers[i];

		if (p->foldedlen == len && memcmp(p->folded, s, len) == 0)
		{
			*how = "its id";
			return p;
		}
	}
	for (i = 0; i < version->nproviders; i++)
	{
		AiuProviderEntry *p = &version->providers[i];

		if (p->match != NULL && aiu_match_test(p->match, s, len, &leaf))
		{
			*how = how_matched("an alias", leaf);
			return p;
		}
	}
	return NULL;
}

/*
 * A request through the proxy litellm names the real provider before the
 * model ("anthropic/claude-..."), or says nothing of it; then the first
 * provider that claims such a model is meant.
 */
static AiuProviderEntry *
provider_of_proxy(AiuVersionEntry *version, const char **model, int *modellen, const char **how)
{
	const char *slash = memchr(*model, '/', *modellen);
	AiuProviderEntry *p;
	const AiuMatch *leaf = NULL;
	int			i;

	if (slash != NULL && slash > *model && slash + 1 < *model + *modellen)
	{
		p = provider_by_name(version, *model, slash - *model, how);
		if (p != NULL)
		{
			*modellen -= slash + 1 - *model;
			*model = slash + 1;
			*how = "named before the model, as litellm does";
			return p;
		}
	}
	p = provider_by_name(version, "litellm", 7, how);
	if (p != NULL)
		return p;
	for (i = 0; i < version->nproviders; i++)
	{
		p = &version->providers[i];
		if (p->model_match != NULL && aiu_match_test(p->model_match, *model, *modellen, &leaf))
		{
			*how = how_matched("claims the model", leaf);
			return p;
		}
	}
	return NULL;
}

static AiuModelEntry *
own_model(AiuVersionEntry *version, AiuProviderEntry *provider, const char *s, int len, const char **how)
{
	const AiuMatch *leaf = NULL;
	int			i;

	if (!provider->loaded)
		aiu_price_load_models(version, provider, cache_cxt);
	for (i = 0; i < provider->nmodels; i++)
	{
		if (aiu_match_test(provider->models[i].match, s, len, &leaf))
		{
			*how = how_matched("", leaf);
			return &provider->models[i];
		}
	}
	return NULL;
}

/* *provider becomes the one whose entry it is. */
static AiuModelEntry *
find_model(AiuVersionEntry *version, AiuProviderEntry **provider, const char *s, int len, const char **how)
{
	AiuProviderEntry *asked = *provider;
	AiuModelEntry *model = own_model(version, asked, s, len, how);
	int			f,
				i;

	for (f = 0; model == NULL && f < asked->nfallbacks; f++)
	{
		for (i = 0; i < version->nproviders; i++)
		{
			if (strcmp(version->providers[i].provider, asked->fallbacks[f]) == 0)
			{
				*provider = &version->providers[i];
				model = own_model(version, *provider, s, len, how);
				break;
			}
		}
	}
	if (model == NULL)
		*provider = asked;
	return model;
}

/*
 * Everything allocated here that the result points to is in the cache's
 * context.  On error nothing has been linked in.
 */
static void
resolve(AiuVersionEntry *version, const AiuPriceRequest *req, AiuResolved *result)
{
	char		name[AIU_LABEL_MAX * 2];
	char		modelbuf[AIU_LABEL_MAX * 2];
	char		dashed[AIU_LABEL_MAX * 2];
	const char *model = modelbuf;
	int			namelen,
				modellen,
				dashedlen;
	AiuProviderEntry *provider;
	AiuModelEntry *entry;

	memset(result, 0, sizeof(AiuResolved));
	result->version = version->version;
	if (version->version == 0)
	{
		result->unpriced = AIU_UNPRICED_NO_VERSION;
		return;
	}
	namelen = aiu_match_fold(req->provider.s, req->provider.len, name, sizeof(name));
	modellen = aiu_match_fold(req->model.s, req->model.len, modelbuf, sizeof(modelbuf));

	if (namelen == 7 && memcmp(name, "litellm", 7) == 0)
		provider = provider_of_proxy(version, &model, &modellen, &result->provider_how);
	else
		provider = provider_by_name(version, name, namelen, &result->provider_how);
	if (provider == NULL)
	{
		result->unpriced = AIU_UNPRICED_PROVIDER;
		return;
	}
	result->provider = provider->provider;

	entry = find_model(version, &provider, model, modellen, &result->model_how);
	if (entry == NULL)
	{
		dashedlen = aiu_match_dash_dates(model, modellen, dashed, sizeof(dashed));
		if (dashedlen >= 0)
		{
			entry = find_model(version, &provider, dashed, dashedlen, &result->model_how);
			if (entry != NULL)
			{
				MemoryContext old = MemoryContextSwitchTo(cache_cxt);

				result->model_how = psprintf("%s, with its date as \"%.*s\"", result->model_how, dashedlen, dashed);
				MemoryContextSwitchTo(old);
			}
		}
	}
	if (entry == NULL)
	{
		result->unpriced = AIU_UNPRICED_MODEL;
		return;
	}
	if (entry->compiled == NULL)
		entry->compiled = aiu_price_load_model(version, provider, entry, cache_cxt);
	result->model = entry->compiled;
	aiu_price_candidates(req, result, cache_cxt);
}

/*
 * The first book of the line that knows the provider and the model has the
 * price; those before it have their overrides of it, the nearest first.  Of the
 * reasons why none has it, the one that got furthest is kept.
 */
static void
resolve_line(const AiuPriceLine *line, const AiuPriceRequest *req, AiuResolved *result)
{
	AiuResolved one;
	int			n = line->book->ndepth;
	int			i,
				j;

	memset(result, 0, sizeof(AiuResolved));
	for (i = 0; i < n; i++)
	{
		if (line->versions[i] == 0)
		{
			memset(&one, 0, sizeof(one));
			one.unpriced = AIU_UNPRICED_NO_VERSION;
		}
		else
		{
			AiuVersionEntry *version = aiu_price_cache_version(line->versions[i]);

			cache_loading = true;
			resolve(version, req, &one);
			cache_loading = false;
		}
		one.book = line->book->line[i];
		/* the reasons are numbered in the order of the way */
		if (i == 0 || one.unpriced == AIU_PRICED || one.unpriced > result->unpriced)
			*result = one;
		if (one.unpriced == AIU_PRICED || one.unpriced > AIU_UNPRICED_MODEL)
			break;
	}
	if (result->unpriced != AIU_PRICED)
		return;

	for (j = i - 1; j >= 0; j--)
	{
		AiuVersionEntry *version;
		AiuModel   *model;

		if (line->versions[j] == 0)
			continue;
		version = aiu_price_cache_version(line->versions[j]);
		cache_loading = true;
		model = aiu_price_override(result->model, version, result->provider, &req->service_tier, cache_cxt);
		if (model != result->model)
		{
			if (result->base == NULL)
			{
				result->base = result->book;
				result->base_version = result->version;
			}
			result->book = line->book->line[j];
			result->version = version->version;
			result->model = model;
			result->nrules = 0;
			aiu_price_candidates(req, result, cache_cxt);
		}
		cache_loading = false;
	}
}

const AiuPriceLine *
aiu_price_cache_line(AiuBookEntry *book, TimestampTz at, TimestampTz known_at, const AiuVersionEntry *instead)
{
	const AiuPriceLine *line = aiu_price_line(book, at, known_at, instead, &last_line, cache_cxt);

	if (unlikely(last_line <= -MAX_LINES))
		cache_full = true;
	return line;
}
