/*-------------------------------------------------------------------------
 *
 * extract_body.c
 *	  A body, or the chunks of a stream one after the other.
 *
 * A stream's counters are cumulative at every provider that sends them more
 * than once, so what a later chunk says of a counter replaces what an earlier
 * one said, and what it does not mention stays.  A session of several
 * responses (realtime) is the exception: each response counts from zero, so
 * they add up.
 *
 * A stream is complete when its end was seen and the usage came with the end
 * or after it; else what is known is partial.  Each provider says the end in
 * its own way (AiuStreamKind).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/errors.h"
#include "extract/extract_internal.h"
#include "types/amount.h"
#include "types/exact.h"
#include "types/usage.h"

#define DONE_MARK "[DONE]"

void
aiu_extraction_init(AiuExtraction *e, const AiuFlavor *flavor)
{
	/* the arrays at the end are valid where a set or a count says so */
	memset(e, 0, offsetof(AiuExtraction, unknown));
	e->flavor = flavor;
	e->x = aiu_extractor_compile(flavor->shape);
}

/* ---- labels ---- */

/*
 * The first of the alternatives that is a label: not empty, not longer than
 * the ledger's labels, nothing that looks like a credential.  Anything else
 * that stands there is only reported.
 */
static void
read_label(AiuExtraction *e, JsonbContainer *body, const AiuPaths *paths, int npaths, const char *name, AiuText *label)
{
	int			i;

	for (i = 0; i < npaths; i++)
	{
		AiuJson		value;

		aiu_json_path(body, &paths->path[i], &value);
		if (value.type == AIU_JSON_NONE || value.type == AIU_JSON_NULL)
			continue;
		if (value.type == AIU_JSON_STRING)
		{
			const char *s = value.v.string.s;
			int			len = value.v.string.len;

			if (len == 0)
				continue;
			if (len <= AIU_LABEL_MAX && aiu_label_secret_kind(s, len) == NULL)
			{
				memcpy(label->s, s, len);
				label->len = len;
				return;
			}
		}
		aiu_extraction_note(e, name, strlen(name), true, 0);
		return;
	}
}

/* ---- a body ---- */

static void
not_an_object(const AiuFlavor *flavor, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_AIU_INVALID),
			 errmsg("%s of %s/%s is not a JSON object", what, flavor->provider, flavor->flavor),
			 errhint("Give the response as the provider sent it, parsed.")));
}

/* A path for a message: at most a few steps. */
static char *
path_text(const AiuPath *path)
{
	const char *first = path->step[0];
	const char *last = path->step[path->nsteps - 1] + path->len[path->nsteps - 1];

	return pnstrdup(first, last - first);
}

void
aiu_extraction_body(AiuExtraction *e, Jsonb *body)
{
	const AiuExtractor *x = e->x;
	const AiuFlavor *flavor = e->flavor;
	AiuJson		usage;
	int			i;

	if (!JB_ROOT_IS_OBJECT(body))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("a body must be a JSON object"),
				 errhint("Give the response as the provider sent it, parsed.")));

	read_label(e, &body->root, &x->models, Min(x->models.n, 1), "model", &e->model);
	read_label(e, &body->root, &x->ids, x->ids.n, "response id", &e->id);
	read_label(e, &body->root, &x->tiers, x->tiers.n, "service tier", &e->tier);

	if (x->root_is_body)
		usage.v.container = &body->root;
	else
	{
		aiu_json_path(&body->root, &x->roots.path[0], &usage);
		if (usage.type == AIU_JSON_NONE || usage.type == AIU_JSON_NULL)
			return;				/* no usage: an error, or a stream's chunk */
		if (usage.type != AIU_JSON_OBJECT)
			not_an_object(flavor, psprintf("\"%s\"", path_text(&x->roots.path[0])));
	}
	aiu_extraction_walk(e, usage.v.container);

	for (i = 0; i < x->nslots; i++)
	{
		const AiuSlot *slot = &x->slots[i];

		if (slot->required && (e->seen >> i & 1) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_AIU_INVALID),
					 errmsg("usage of %s/%s has no number \"%s\"", flavor->provider, flavor->flavor, slot->path),
					 errdetail("Without it the usage would be counted too low."),
					 errhint("If the body is of another API of this provider, name that: %s.",
							 aiu_flavor_list(flavor->provider))));
	}
}

/* ---- a stream's chunk ---- */

/* Does one of the shape's rules for the end hold for this chunk? */
static bool
end_rule_holds(const AiuExtractor *x, JsonbContainer *chunk)
{
	int			i;

	for (i = 0; i < x->ends.n; i++)
	{
		const AiuPath *rule = &x->ends.path[i];
		AiuJson		value;

		aiu_json_path(chunk, rule, &value);
		if (value.type == AIU_JSON_NONE || value.type == AIU_JSON_NULL)
			continue;
		if (rule->value == NULL)
			return true;
		if (value.type == AIU_JSON_STRING && value.v.string.len == rule->valuelen &&
			memcmp(value.v.string.s, rule->value, rule->valuelen) == 0)
			return true;
		if (value.type == AIU_JSON_BOOL && value.v.boolean &&
			rule->valuelen == 4 && memcmp(rule->value, "true", 4) == 0)
			return true;
	}
	return false;
}

/*
 * Which choices there are, and which have said why they finished.  Returns
 * whether the list is there and empty: the chunk that has only the usage.
 */
static bool
read_choices(AiuExtraction *e, JsonbContainer *chunk)
{
	const AiuPath *path = &e->x->choices;
	AiuJsonIter it;
	AiuJson		list;
	AiuJson		choice;
	const char *key;
	int			keylen;

	aiu_json_member(chunk, path->step[0], path->len[0], &list);
	if (list.type != AIU_JSON_ARRAY)
		return false;
	aiu_json_iter_init(&it, list.v.container);
	while (aiu_json_iter_next(&it, &key, &keylen, &choice))
	{
		AiuJson		value;
		int128		number = 0;

		if (choice.type != AIU_JSON_OBJECT)
			continue;
		aiu_json_member(choice.v.container, "index", 5, &value);
		if (value.type == AIU_JSON_NUMBER &&
			(aiu_numeric_to_scaled(value.v.number, 0, &number) != AIU_DEC_OK || number < 0 || number > 63))
			number = 63;		/* more choices than anybody asks for: the last stand for the rest */
		e->choices |= UINT64CONST(1) << (int) number;
		aiu_json_member(choice.v.container, path->step[1], path->len[1], &value);
		if (value.type != AIU_JSON_NONE && value.type != AIU_JSON_NULL)
			e->finished |= UINT64CONST(1) << (int) number;
	}
	return it.n == 0;
}

/* The counters of a session's finished response join those before it. */
static void
bank_response(AiuExtraction *e)
{
	int			i;

	for (i = 0; i < e->x->nslots; i++)
	{
		uint64		bit = UINT64CONST(1) << i;

		if ((e->seen & bit) == 0)
			continue;
		if ((e->base_seen & bit) == 0)
			e->base[i] = 0;
		e->base[i] += e->value[i];
		if (e->base[i] > AIU_QUANTITY_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("sum of counter \"%s\" is out of range", e->x->slots[i].path),
					 errhint("Merge the responses of a session apart.")));
		e->base_seen |= bit;
	}
	e->seen = 0;
	if (e->has_cost)
	{
		if (!aiu_add128(e->base_cost, e->cost, &e->base_cost) || e->base_cost > AIU_AMOUNT_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("sum of costs is out of range"),
					 errhint("Merge the responses of a session apart.")));
		e->has_base_cost = true;
		e->has_cost = false;
		e->cost = 0;
	}
}

/* Is this the usage of another response than the counters so far? */
static bool
is_next_response(const AiuExtraction *e)
{
	return e->id.len == 0 || e->id.len != e->usage_id.len ||
		memcmp(e->id.s, e->usage_id.s, e->id.len) != 0;
}

void
aiu_extraction_chunk(AiuExtraction *e, Jsonb *chunk)
{
	const AiuExtractor *x = e->x;
	JsonbContainer *body = &chunk->root;
	bool		only_usage = false;
	bool		found = false;
	int			i;

	if (!JB_ROOT_IS_OBJECT(chunk))
	{
		/* the mark that closes an event stream, as a JSON string */
		if (JB_ROOT_IS_SCALAR(chunk))
		{
			AiuJsonIter it;
			AiuJson		scalar;
			const char *key;
			int			keylen;

			aiu_json_iter_init(&it, body);
			if (aiu_json_iter_next(&it, &key, &keylen, &scalar) && scalar.type == AIU_JSON_STRING &&
				scalar.v.string.len == strlen(DONE_MARK) &&
				memcmp(scalar.v.string.s, DONE_MARK, strlen(DONE_MARK)) == 0)
			{
				e->ended = true;
				e->usage_at_end = (e->seen | e->base_seen) != 0;
				return;
			}
			if (scalar.type == AIU_JSON_NULL)
				return;
		}
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("a chunk must be a JSON object"),
				 errhint("Give the data of each event of the stream, parsed; the closing mark [DONE] may be given as a JSON string.")));
	}

	read_label(e, body, &x->models, x->models.n, "model", &e->model);
	read_label(e, body, &x->ids, x->ids.n, "response id", &e->id);
	read_label(e, body, &x->tiers, x->tiers.n, "service tier", &e->tier);

	if (x->shape->stream == AIU_STREAM_CHOICES)
	{
		only_usage = read_choices(e, body);
		if (e->choices != 0 && (e->choices & ~e->finished) == 0)
			e->ended = true;
	}
	if (x->ends.n > 0 && end_rule_holds(x, body))
		e->ended = true;

	if (x->root_is_body)
		found = aiu_extraction_walk(e, body);
	for (i = 0; i < x->roots.n; i++)
	{
		AiuJson		usage;

		aiu_json_path(body, &x->roots.path[i], &usage);
		if (usage.type == AIU_JSON_NONE || usage.type == AIU_JSON_NULL)
			continue;
		if (usage.type != AIU_JSON_OBJECT)
			not_an_object(e->flavor, psprintf("\"%s\"", path_text(&x->roots.path[i])));
		if (x->shape->stream == AIU_STREAM_SESSION)
		{
			if (is_next_response(e))
				bank_response(e);
			e->usage_id = e->id;
		}
		found = aiu_extraction_walk(e, usage.v.container);
		break;
	}

	if (found && (only_usage || x->shape->stream == AIU_STREAM_USAGE))
		e->ended = true;
	if (found)
		e->usage_at_end = e->ended;
}
