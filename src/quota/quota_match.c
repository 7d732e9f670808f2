/*-------------------------------------------------------------------------
 *
 * quota_match.c
 *	  Which limits a row counts against.
 *
 * A row is in a scope when it has every value that the scope says; one that
 * has no value is in no scope that asks for it.  Providers, models and
 * endpoints are compared without regard to ASCII case, and a trailing * makes a
 * prefix, as in the lists of allowed routes.
 *
 * Most limits name one key, team or customer.  So a limit is found by the first
 * such value of its scope, in one probe a dimension that any limit is filed
 * under; only those that name no such value are looked at for every row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/builtins.h"

#include "common/tag.h"
#include "quota/quota_config.h"

static const char *const dim_names[] = {
	"api_key", "key_class", "team", "cost_center", "project", "customer", "plan_tier", "user_id",
	"environment", "workflow", "job_id", "provider", "model", "endpoint", "tag"
};

StaticAssertDecl(lengthof(dim_names) == AIU_DIM_COUNT, "a dimension has no name");

/* Limits are filed under the first of these that their scope says. */
static const AiuQuotaDim filed_under[] = {
	AIU_DIM_API_KEY, AIU_DIM_USER_ID, AIU_DIM_JOB_ID, AIU_DIM_CUSTOMER, AIU_DIM_PROJECT, AIU_DIM_WORKFLOW,
	AIU_DIM_TEAM, AIU_DIM_COST_CENTER, AIU_DIM_ENVIRONMENT, AIU_DIM_KEY_CLASS, AIU_DIM_PLAN_TIER
};

typedef struct IndexKey
{
	AiuQuotaDim dim;
	AiuLabel	value;
} IndexKey;

typedef struct IndexEntry
{
	IndexKey	key;
	uint32		hash;
	char		status;			/* simplehash's own */
	int			ndefs;
	int			size;
	const AiuQuotaDef **defs;
} IndexEntry;

static inline bool
key_equal(IndexKey a, IndexKey b)
{
	return a.dim == b.dim && a.value.len == b.value.len && memcmp(a.value.s, b.value.s, a.value.len) == 0;
}

#define SH_PREFIX quotatab
#define SH_ELEMENT_TYPE IndexEntry
#define SH_KEY_TYPE IndexKey
#define SH_KEY key
#define SH_HASH_KEY(tb, k) (hash_bytes((const unsigned char *) (k).value.s, (k).value.len) ^ (uint32) (k).dim)
#define SH_EQUAL(tb, a, b) key_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, e) (e)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

const char *
aiu_quota_dim_name(AiuQuotaDim dim)
{
	return dim_names[dim];
}

int
aiu_quota_dim_lookup(const char *name)
{
	int			i;

	for (i = 0; i < AIU_DIM_COUNT; i++)
		if (strcmp(dim_names[i], name) == 0)
			return i;
	return -1;
}

/* The term that a limit is filed under, or NULL. */
static const AiuQuotaTerm *
filing_term(const AiuQuotaDef *def)
{
	int			d;
	int			t;

	for (d = 0; d < lengthof(filed_under); d++)
		for (t = 0; t < def->match->nterms; t++)
			if (def->match->terms[t].dim == filed_under[d])
				return &def->match->terms[t];
	return NULL;
}

void
aiu_quota_index_build(AiuQuotaSet *set)
{
	int			i;

	set->general = palloc(sizeof(AiuQuotaDef *) * (set->ndefs + 1));
	set->ngeneral = 0;
	set->index = quotatab_create(CurrentMemoryContext, 32, NULL);
	for (i = 0; i < set->ndefs; i++)
	{
		const AiuQuotaDef *def = set->defs[i];
		const AiuQuotaTerm *term = filing_term(def);
		IndexKey	key;
		IndexEntry *entry;
		bool		found;

		if (term == NULL)
		{
			set->general[set->ngeneral++] = def;
			continue;
		}
		key.dim = term->dim;
		key.value = term->value;
		entry = quotatab_insert(set->index, key, &found);
		if (!found)
		{
			entry->ndefs = 0;
			entry->size = 4;
			entry->defs = palloc(sizeof(AiuQuotaDef *) * entry->size);
		}
		else if (entry->ndefs == entry->size)
		{
			entry->size *= 2;
			entry->defs = repalloc(entry->defs, sizeof(AiuQuotaDef *) * entry->size);
		}
		entry->defs[entry->ndefs++] = def;
		set->indexed[term->dim] = true;
	}
}

bool
aiu_quota_label(const struct AiuQuotaMatch *match, const AiuQuotaFacts *facts, AiuQuotaDim dim, AiuLabel *label)
{
	if (dim == AIU_DIM_TAG)
		return aiu_tag_label(&match->tag, facts->tags, label);
	*label = facts->dims[dim];
	return label->s != NULL;
}

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

bool
aiu_quota_in_scope(const AiuQuotaDef *def, const AiuQuotaFacts *facts)
{
	const struct AiuQuotaMatch *match = def->match;
	int			t;

	for (t = 0; t < match->nterms; t++)
	{
		const AiuQuotaTerm *term = &match->terms[t];
		AiuLabel	label;

		if (!aiu_quota_label(match, facts, term->dim, &label) ||
			(term->is_prefix ? label.len < term->value.len : label.len != term->value.len))
			return false;
		if (term->dim == AIU_DIM_PROVIDER || term->dim == AIU_DIM_MODEL || term->dim == AIU_DIM_ENDPOINT)
		{
			if (!equal_ignoring_case(label.s, term->value.s, term->value.len))
				return false;
		}
		else if (memcmp(label.s, term->value.s, term->value.len) != 0)
			return false;
	}
	return true;
}

int
aiu_quota_match(const AiuQuotaSet *set, const AiuQuotaFacts *facts, const AiuQuotaDef **defs, int max)
{
	int			n = 0;
	int			i;
	int			d;

	for (i = 0; i < set->ngeneral; i++)
		if (aiu_quota_in_scope(set->general[i], facts) && n++ < max)
			defs[n - 1] = set->general[i];
	for (d = 0; d < lengthof(filed_under); d++)
	{
		IndexKey	key;
		IndexEntry *entry;

		key.dim = filed_under[d];
		if (!set->indexed[key.dim] || facts->dims[key.dim].s == NULL)
			continue;
		key.value = facts->dims[key.dim];
		entry = quotatab_lookup(set->index, key);
		if (entry == NULL)
			continue;
		for (i = 0; i < entry->ndefs; i++)
			if (aiu_quota_in_scope(entry->defs[i], facts) && n++ < max)
				defs[n - 1] = entry->defs[i];
	}
	return n;
}

bool
aiu_quota_looks_at(const AiuQuotaDef *def, AiuQuotaDim dim)
{
	const struct AiuQuotaMatch *match = def->match;
	int			i;

	for (i = 0; i < match->nterms; i++)
		if (match->terms[i].dim == dim)
			return true;
	for (i = 0; i < match->nper; i++)
		if (match->per[i] == dim)
			return true;
	return false;
}
