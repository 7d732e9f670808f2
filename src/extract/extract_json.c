/*-------------------------------------------------------------------------
 *
 * extract_json.c
 *	  Reading jsonb in place: no copy, no allocation.
 *
 * JsonbIterator allocates for each level; a usage object is read once for
 * every request, so this walks the same entries directly (utils/jsonb.h has
 * the format: an object's keys, then its values, with lengths or offsets).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "extract/extract_internal.h"

void
aiu_json_iter_init(AiuJsonIter *it, JsonbContainer *container)
{
	it->container = container;
	it->object = JsonContainerIsObject(container);
	it->n = JsonContainerSize(container);
	it->i = 0;
	it->key_offset = 0;
	if (it->object)
	{
		it->base = (char *) &container->children[it->n * 2];
		it->value_offset = it->n == 0 ? 0 : getJsonbOffset(container, it->n);
	}
	else
	{
		it->base = (char *) &container->children[it->n];
		it->value_offset = 0;
	}
}

bool
aiu_json_iter_next(AiuJsonIter *it, const char **key, int *keylen, AiuJson *value)
{
	uint32		start;
	JEntry		entry;

	if (it->i >= it->n)
		return false;
	if (it->object)
	{
		start = it->key_offset;
		JBE_ADVANCE_OFFSET(it->key_offset, it->container->children[it->i]);
		*key = it->base + start;
		*keylen = (int) (it->key_offset - start);
		entry = it->container->children[it->n + it->i];
	}
	else
		entry = it->container->children[it->i];
	it->i++;

	start = it->value_offset;
	JBE_ADVANCE_OFFSET(it->value_offset, entry);
	if (JBE_ISNUMERIC(entry))
	{
		value->type = AIU_JSON_NUMBER;
		value->v.number = (Numeric) (it->base + INTALIGN(start));
	}
	else if (JBE_ISSTRING(entry))
	{
		value->type = AIU_JSON_STRING;
		value->v.string.s = it->base + start;
		value->v.string.len = (int) (it->value_offset - start);
	}
	else if (JBE_ISNULL(entry))
		value->type = AIU_JSON_NULL;
	else if (JBE_ISCONTAINER(entry))
	{
		value->v.container = (JsonbContainer *) (it->base + INTALIGN(start));
		value->type = JsonContainerIsObject(value->v.container) ? AIU_JSON_OBJECT : AIU_JSON_ARRAY;
	}
	else
	{
		value->type = AIU_JSON_BOOL;
		value->v.boolean = JBE_ISBOOL_TRUE(entry);
	}
	return true;
}

void
aiu_json_member(JsonbContainer *object, const char *key, int keylen, AiuJson *value)
{
	JsonbValue	found;

	if (getKeyJsonValueFromContainer(object, key, keylen, &found) == NULL)
	{
		value->type = AIU_JSON_NONE;
		return;
	}
	switch (found.type)
	{
		case jbvNull:
			value->type = AIU_JSON_NULL;
			break;
		case jbvBool:
			value->type = AIU_JSON_BOOL;
			value->v.boolean = found.val.boolean;
			break;
		case jbvNumeric:
			value->type = AIU_JSON_NUMBER;
			value->v.number = found.val.numeric;
			break;
		case jbvString:
			value->type = AIU_JSON_STRING;
			value->v.string.s = found.val.string.val;
			value->v.string.len = found.val.string.len;
			break;
		default:
			Assert(found.type == jbvBinary);
			value->v.container = found.val.binary.data;
			value->type = JsonContainerIsObject(value->v.container) ? AIU_JSON_OBJECT : AIU_JSON_ARRAY;
			break;
	}
}

void
aiu_json_path(JsonbContainer *object, const AiuPath *path, AiuJson *value)
{
	int			i;

	value->type = AIU_JSON_OBJECT;
	value->v.container = object;
	for (i = 0; i < path->nsteps; i++)
	{
		if (value->type != AIU_JSON_OBJECT)
		{
			value->type = AIU_JSON_NONE;
			return;
		}
		aiu_json_member(value->v.container, path->step[i], path->len[i], value);
	}
}
