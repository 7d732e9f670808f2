/*-------------------------------------------------------------------------
 *
 * extract_walk.c
 *	  One walk of a usage object: every counter that the shape knows, and the
 *	  path of every number that it does not.
 *
 * What is copied out of a body here is numbers and the names of unknown
 * counters.  A name that does not look like one (long, with spaces, like a
 * credential) is not copied: it could be anything.
 *
 * Nothing recurses further than a shape or MAX_DEPTH goes, and what is kept
 * has a fixed size, whatever a body holds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "miscadmin.h"
#include "utils/numeric.h"

#include "common/errors.h"
#include "extract/extract_internal.h"
#include "types/amount.h"
#include "types/exact.h"
#include "types/usage.h"

/* How deep below the usage object unknown numbers are looked for. */
#define MAX_DEPTH		12
#define KEY_SHOWN_MAX	64
#define WITHHELD		"(name withheld)"

typedef struct Walk
{
	AiuExtraction *e;
	const AiuExtractor *x;
	bool		report;			/* numbers under unknown keys are reported */
	uint64		seen;			/* slots met in this walk */
	uint64		matched;		/* array matches taken in this walk */
	int			depth;
	int			len;			/* of path; beyond its size when it was cut */
	char		path[AIU_UNKNOWN_PATH];
} Walk;

/* ---- the path of where the walk is ---- */

static inline void
append(Walk *w, const char *s, int len)
{
	if (w->len + len <= AIU_UNKNOWN_PATH)
	{
		memcpy(w->path + w->len, s, len);
		w->len += len;
	}
	else
		w->len = AIU_UNKNOWN_PATH + 1;	/* and stays so until it is popped */
}

static void
push_key(Walk *w, const char *key, int len)
{
	bool		fine = len > 0 && len <= KEY_SHOWN_MAX;
	int			i;

	for (i = 0; i < len && fine; i++)
	{
		char		c = key[i];

		fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
	}
	if (fine && aiu_label_secret_kind(key, len) != NULL)
		fine = false;
	if (w->len > 0)
		append(w, ".", 1);
	if (fine)
		append(w, key, len);
	else
		append(w, WITHHELD, strlen(WITHHELD));
}

static void
push_element(Walk *w, int number)
{
	char		buf[16];

	append(w, buf, snprintf(buf, sizeof(buf), "[%d]", number));
}

/* ---- what is not known ---- */

void
aiu_extraction_note(AiuExtraction *e, const char *path, int len, bool withheld, int128 value)
{
	AiuUnknown *u;
	int			i;

	for (i = 0; i < e->nunknown; i++)
	{
		u = &e->unknown[i];
		if (u->len == len && memcmp(u->path, path, len) == 0)
		{
			/* a later chunk's is the later word; two in one body share a name that is withheld */
			u->withheld = withheld || u->walk == e->walks;
			u->walk = e->walks;
			u->value = value;
			return;
		}
	}
	if (e->nunknown == AIU_UNKNOWN_MAX)
	{
		e->more_unknown++;
		return;
	}
	u = &e->unknown[e->nunknown++];
	u->len = len;
	u->withheld = withheld;
	u->walk = e->walks;
	u->value = value;
	memcpy(u->path, path, len);
}

/* Where the walk is, there is something that is no counter we know. */
static void
note_here(Walk *w, Numeric number)
{
	int128		value = 0;
	bool		withheld = true;

	if (number != NULL && w->len <= AIU_UNKNOWN_PATH)
		withheld = aiu_numeric_round_to_scaled(number, AIU_UNKNOWN_SCALE, &value) != AIU_DEC_OK;
	if (w->len > AIU_UNKNOWN_PATH)
		w->e->more_unknown++;
	else
		aiu_extraction_note(w->e, w->path, w->len, withheld, value);
}

/* Below a key that the shape does not know. */
static void
walk_unknown(Walk *w, const AiuJson *value)
{
	AiuJsonIter it;
	AiuJson		element;
	const char *key = NULL;
	int			keylen = 0;
	int			number = 0;

	if (!w->report)
		return;
	if (value->type == AIU_JSON_NUMBER)
	{
		note_here(w, value->v.number);
		return;
	}
	if (value->type != AIU_JSON_OBJECT && value->type != AIU_JSON_ARRAY)
		return;
	if (w->depth == MAX_DEPTH)
	{
		note_here(w, NULL);
		return;
	}
	CHECK_FOR_INTERRUPTS();
	w->depth++;
	aiu_json_iter_init(&it, value->v.container);
	while (aiu_json_iter_next(&it, &key, &keylen, &element))
	{
		int			len = w->len;

		if (element.type == AIU_JSON_NUMBER || element.type == AIU_JSON_OBJECT || element.type == AIU_JSON_ARRAY)
		{
			if (it.object)
				push_key(w, key, keylen);
			else
				push_element(w, number);
			walk_unknown(w, &element);
			w->len = len;
		}
		number++;
	}
	w->depth--;
}

/* ---- counters ---- */

pg_noreturn static void
counter_error(Walk *w, const AiuSlot *slot, int sqlstate, const char *what, const char *detail)
{
	const AiuFlavor *flavor = w->e->flavor;

	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("counter \"%s\" of %s/%s is %s", slot->path, flavor->provider, flavor->flavor, what),
			 errdetail("%s", detail),
			 errhint("Keep the row aside and look at the body: its usage is not what the provider's API describes.")));
}

/* Adds the value to what this walk has found in the slot, or replaces what an earlier chunk had. */
static void
count(Walk *w, int at, int128 value)
{
	AiuExtraction *e = w->e;
	uint64		bit = UINT64CONST(1) << at;

	if ((w->seen & bit) != 0 &&
		(!aiu_add128(e->value[at], value, &value) || value > AIU_QUANTITY_MAX))
		counter_error(w, &w->x->slots[at], ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "out of range",
					  "A quantity is less than 10^30.");
	e->value[at] = value;
	w->seen |= bit;
}

static void
take(Walk *w, int at, Numeric number)
{
	const AiuSlot *slot = &w->x->slots[at];
	AiuExtraction *e = w->e;
	int128		value;
	AiuDecResult res;

	switch (slot->kind)
	{
		case AIU_MAP_UNIT:
			res = slot->whole ? aiu_numeric_to_scaled(number, 6, &value) : aiu_numeric_round_to_scaled(number, 6, &value);
			if (res == AIU_DEC_INEXACT || (res == AIU_DEC_OK && slot->whole && value % AIU_QUANTITY_SCALE != 0))
				counter_error(w, slot, ERRCODE_AIU_INVALID, "not whole",
							  psprintf("Unit \"%s\" is counted in whole numbers.", aiu_unit_get(slot->unit)->name));
			if (res != AIU_DEC_OK || value > AIU_QUANTITY_MAX)
				counter_error(w, slot, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "out of range",
							  "A quantity is less than 10^30.");
			if (value < 0)
				counter_error(w, slot, ERRCODE_AIU_INVALID, "negative", "A quantity is 0 or more.");
			count(w, at, value);
			break;

		case AIU_MAP_COST_USD:
		case AIU_MAP_COST_CENTS:
		case AIU_MAP_COST_TICKS:
			/* 1e-12 dollars; what cannot be one is only reported: no usage depends on it */
			res = aiu_numeric_round_to_scaled(number, slot->kind == AIU_MAP_COST_USD ? 12 :
											  slot->kind == AIU_MAP_COST_CENTS ? 10 : 2, &value);
			if (res == AIU_DEC_OK && value >= 0 && value <= AIU_AMOUNT_MAX)
			{
				e->cost = value;
				e->has_cost = true;
			}
			else
				note_here(w, NULL);
			break;

		case AIU_MAP_NO_UNIT:
			if (aiu_numeric_round_to_scaled(number, AIU_UNKNOWN_SCALE, &value) != AIU_DEC_OK || value != 0)
				note_here(w, number);
			break;

		default:				/* AIU_MAP_KNOWN */
			break;
	}
}

/* A header's counter: digits, nothing else. */
static bool
take_text(Walk *w, int at, const char *s, int len)
{
	int128		value;

	if (aiu_decimal_parse(s, len, 6, &value) != AIU_DEC_OK ||
		value < 0 || value > AIU_QUANTITY_MAX || value % AIU_QUANTITY_SCALE != 0)
		return false;
	count(w, at, value);
	return true;
}

/* ---- the walk ---- */

static void walk_value(Walk *w, const AiuNode *node, const AiuJson *value);

static const AiuNode *
child_of(const Walk *w, const AiuNode *parent, const char *key, int keylen, bool any_case)
{
	int			i;

	for (i = parent->child; i >= 0; i = w->x->nodes[i].sibling)
	{
		const AiuNode *node = &w->x->nodes[i];

		if (node->keylen == keylen &&
			(any_case ? pg_strncasecmp(node->key, key, keylen) == 0 : memcmp(node->key, key, keylen) == 0))
			return node;
	}
	return NULL;
}

static void
walk_object(Walk *w, const AiuNode *node, JsonbContainer *object)
{
	bool		any_case = (w->x->shape->flags & AIU_SHAPE_HEADERS) != 0;
	AiuJsonIter it;
	AiuJson		value;
	const char *key = NULL;
	int			keylen = 0;

	aiu_json_iter_init(&it, object);
	while (aiu_json_iter_next(&it, &key, &keylen, &value))
	{
		const AiuNode *child;
		int			len = w->len;

		if (value.type == AIU_JSON_NULL)
			continue;
		child = child_of(w, node, key, keylen, any_case);
		if (child != NULL)
		{
			if (w->len > 0)
				append(w, ".", 1);
			append(w, child->key, child->keylen);
			walk_value(w, child, &value);
		}
		else if (w->report &&
				 (value.type == AIU_JSON_NUMBER || value.type == AIU_JSON_OBJECT || value.type == AIU_JSON_ARRAY))
		{
			push_key(w, key, keylen);
			walk_unknown(w, &value);
		}
		w->len = len;
	}
}

/* The element's child node: the first element of a kind is the one that is meant. */
static const AiuNode *
element_node(Walk *w, const AiuNode *array, const AiuJson *element)
{
	const AiuNode *node;
	AiuJson		field;

	if (element->type != AIU_JSON_OBJECT)
		return NULL;
	if (array->fieldlen == 0)
		return child_of(w, array, "*", 1, false);
	aiu_json_member(element->v.container, array->field, array->fieldlen, &field);
	if (field.type != AIU_JSON_STRING)
		return NULL;
	node = child_of(w, array, field.v.string.s, field.v.string.len, true);
	if (node == NULL || (w->matched >> node->match & 1) != 0)
		return NULL;
	w->matched |= UINT64CONST(1) << node->match;
	return node;
}

static void
walk_array(Walk *w, const AiuNode *array, JsonbContainer *container)
{
	AiuJsonIter it;
	AiuJson		element;
	const char *key;
	int			keylen;
	int			number = 0;

	if (array->slot >= 0)		/* how many there are */
	{
		count(w, array->slot, (int128) JsonContainerSize(container) * AIU_QUANTITY_SCALE);
		return;
	}
	aiu_json_iter_init(&it, container);
	while (aiu_json_iter_next(&it, &key, &keylen, &element))
	{
		const AiuNode *node = element_node(w, array, &element);
		int			len = w->len;

		push_element(w, number++);
		if (node != NULL)
			walk_object(w, node, element.v.container);
		else
			walk_unknown(w, &element);
		w->len = len;
		CHECK_FOR_INTERRUPTS();
	}
}

static void
walk_value(Walk *w, const AiuNode *node, const AiuJson *value)
{
	switch (value->type)
	{
		case AIU_JSON_NUMBER:
			if (node->slot >= 0 && node->field == NULL)
				take(w, node->slot, value->v.number);
			else
				note_here(w, value->v.number);
			break;
		case AIU_JSON_OBJECT:
			if (node->child >= 0 && node->field == NULL)
				walk_object(w, node, value->v.container);
			else
			{
				if (node->slot >= 0)
					note_here(w, NULL);
				walk_unknown(w, value);
			}
			break;
		case AIU_JSON_ARRAY:
			if (node->field != NULL)
				walk_array(w, node, value->v.container);
			else
			{
				if (node->slot >= 0)
					note_here(w, NULL);
				walk_unknown(w, value);
			}
			break;
		case AIU_JSON_STRING:
			if (node->slot >= 0 && (w->x->shape->flags & AIU_SHAPE_HEADERS) != 0 &&
				take_text(w, node->slot, value->v.string.s, value->v.string.len))
				break;
			/* FALLTHROUGH */
		default:
			/* a text where a number should be: said, but not repeated */
			note_here(w, NULL);
			break;
	}
}

bool
aiu_extraction_walk(AiuExtraction *e, JsonbContainer *usage)
{
	Walk		w;

	e->walks++;
	w.e = e;
	w.x = e->x;
	w.report = !e->x->root_is_body;
	w.seen = 0;
	w.matched = 0;
	w.depth = 0;
	w.len = 0;
	walk_object(&w, &e->x->nodes[0], usage);
	e->seen |= w.seen;
	return w.seen != 0;
}
