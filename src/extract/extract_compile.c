/*-------------------------------------------------------------------------
 *
 * extract_compile.c
 *	  A shape's table as a tree of keys, counters and terms.
 *
 * Done once a process and shape, on first use; the result lives as long as
 * the process does.  The tables are our own, so what is wrong with one is
 * an internal error, and every one is compiled by the tests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "extract/extract_internal.h"

#define NODES_MAX 160

/* Compiled shapes; far more places than there are shapes. */
#define CACHE_SIZE 128

static const AiuExtractor *cache[CACHE_SIZE];
static int	ncached = 0;

/* The next step of a path up to a dot outside of brackets; its length. */
static int
step_length(const char *s)
{
	int			n = 0;
	bool		inside = false;

	while (s[n] != '\0' && (inside || s[n] != '.'))
	{
		if (s[n] == '[')
			inside = true;
		else if (s[n] == ']')
			inside = false;
		n++;
	}
	return n;
}

/* a.b.c or a.b=value, len bytes */
static void
parse_path(AiuPath *path, const char *s, int len)
{
	const char *end = s + len;
	const char *value = memchr(s, '=', len);

	memset(path, 0, sizeof(*path));
	if (value != NULL)
	{
		path->value = value + 1;
		path->valuelen = (int) (end - value - 1);
		end = value;
	}
	while (s < end)
	{
		const char *dot = memchr(s, '.', end - s);

		if (path->nsteps == AIU_STEPS_MAX)
			elog(ERROR, "a path of an extractor has too many steps");
		path->step[path->nsteps] = s;
		path->len[path->nsteps] = (int) ((dot != NULL ? dot : end) - s);
		path->nsteps++;
		s = dot != NULL ? dot + 1 : end;
	}
}

/* alternatives joined by '|' */
static void
parse_paths(AiuPaths *paths, const char *s)
{
	paths->n = 0;
	while (s != NULL && *s != '\0')
	{
		const char *bar = strchr(s, '|');
		int			len = bar != NULL ? (int) (bar - s) : (int) strlen(s);

		if (paths->n == AIU_PATHS_MAX)
			elog(ERROR, "an extractor has too many alternatives of a path");
		parse_path(&paths->path[paths->n++], s, len);
		s = bar != NULL ? bar + 1 : NULL;
	}
}

static int
add_node(AiuExtractor *x, int parent, const char *key, int keylen)
{
	AiuNode    *node;

	if (x->nnodes == NODES_MAX || keylen > PG_UINT8_MAX)
		elog(ERROR, "an extractor has too many keys");
	node = &x->nodes[x->nnodes];
	memset(node, 0, sizeof(*node));
	node->key = key;
	node->keylen = (uint8) keylen;
	node->child = node->slot = node->match = -1;
	node->sibling = -1;
	if (parent >= 0)
	{
		node->sibling = x->nodes[parent].child;
		x->nodes[parent].child = (int16) x->nnodes;
	}
	return x->nnodes++;
}

static int
find_or_add(AiuExtractor *x, int parent, const char *key, int keylen)
{
	int			i;

	for (i = x->nodes[parent].child; i >= 0; i = x->nodes[i].sibling)
	{
		if (x->nodes[i].keylen == keylen && memcmp(x->nodes[i].key, key, keylen) == 0)
			return i;
	}
	return add_node(x, parent, key, keylen);
}

/* The slot at a path, made when it is new. */
static int
slot_at(AiuExtractor *x, const char *path, int *nmatches)
{
	const char *s = path;
	int			node = 0;

	while (*s != '\0')
	{
		int			len = step_length(s);
		const char *bracket = memchr(s, '[', len);

		node = find_or_add(x, node, s, bracket != NULL ? (int) (bracket - s) : len);
		if (bracket != NULL)
		{
			const char *field = bracket + 1;
			const char *close = s + len - 1;
			const char *equals = memchr(field, '=', close - field);

			Assert(*close == ']');
			x->nodes[node].field = field;
			if (equals != NULL)
			{
				x->nodes[node].fieldlen = (uint8) (equals - field);
				node = find_or_add(x, node, equals + 1, (int) (close - equals - 1));
				if (x->nodes[node].match < 0)
					x->nodes[node].match = (int16) (*nmatches)++;
			}
			else if (*field == '*')
				node = find_or_add(x, node, field, 1);
			else if (*field != '#')
				elog(ERROR, "malformed path \"%s\" of an extractor", path);
		}
		s += len;
		if (*s == '.')
			s++;
	}
	if (x->nodes[node].slot < 0)
	{
		AiuSlot    *slot;

		if (x->nslots == AIU_SLOTS_MAX || *nmatches > 64)
			elog(ERROR, "an extractor has too many counters");
		slot = &x->slots[x->nslots];
		memset(slot, 0, sizeof(*slot));
		slot->path = path;
		slot->kind = AIU_MAP_KNOWN;
		x->nodes[node].slot = (int16) x->nslots++;
	}
	return x->nodes[node].slot;
}

static AiuExtractor *
compile(const AiuShape *shape)
{
	AiuExtractor *x = palloc0(sizeof(AiuExtractor));
	const AiuMapping *m;
	int			nmatches = 0;
	int			n = 0;

	for (m = shape->mappings; m->path != NULL; m++)
		n++;
	x->shape = shape;
	x->nodes = palloc(NODES_MAX * sizeof(AiuNode));
	x->slots = palloc0(AIU_SLOTS_MAX * sizeof(AiuSlot));
	x->terms = palloc0(n * sizeof(AiuTerm));
	add_node(x, -1, "", 0);

	for (m = shape->mappings; m->path != NULL; m++)
	{
		bool		fresh;
		int			at;
		AiuSlot    *slot;

		n = x->nslots;
		at = slot_at(x, m->path, &nmatches);
		fresh = x->nslots > n;
		slot = &x->slots[at];
		/* what counts, counts, whatever else is said of it */
		if (fresh || m->kind == AIU_MAP_UNIT)
			slot->kind = m->kind;
		if (m->kind == AIU_MAP_UNIT)
		{
			AiuTerm    *term = &x->terms[x->nterms++];
			int			unit = aiu_unit_lookup(m->unit, strlen(m->unit));

			if (x->nterms > AIU_SLOTS_MAX)
				elog(ERROR, "an extractor counts too much");
			if (unit == 0)
				elog(ERROR, "an extractor counts towards unit \"%s\", which is not registered", m->unit);
			term->slot = (int16) at;
			term->unit = (int16) unit;
			term->flags = m->flags;
			if (m->flags & AIU_MAP_REQUIRED)
				slot->required = true;
			if (aiu_unit_is_whole(unit) || slot->unit == 0)
				slot->unit = unit;
			if (aiu_unit_is_whole(unit))
				slot->whole = true;
		}
	}

	x->root_is_body = shape->roots[0] == '\0';
	parse_paths(&x->roots, shape->roots);
	parse_paths(&x->models, shape->models);
	parse_paths(&x->ids, shape->ids);
	parse_paths(&x->tiers, shape->tiers);
	parse_paths(&x->ends, shape->ends);
	if (shape->choices != NULL)
		parse_path(&x->choices, shape->choices, strlen(shape->choices));
	return x;
}

const AiuExtractor *
aiu_extractor_compile(const AiuShape *shape)
{
	MemoryContext cxt;
	MemoryContext old;
	AiuExtractor *x;
	int			i;

	for (i = 0; i < ncached; i++)
	{
		if (cache[i]->shape == shape)
			return cache[i];
	}
	if (ncached == CACHE_SIZE)
		elog(ERROR, "too many extractors");

	/* hung in when it is complete: an error on the way leaves nothing behind */
	cxt = AllocSetContextCreate(CurrentMemoryContext, "aiusage extractor", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cxt);
	x = compile(shape);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(cxt, CacheMemoryContext);
	cache[ncached++] = x;
	return x;
}
