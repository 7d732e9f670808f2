/*-------------------------------------------------------------------------
 *
 * tag.c
 *	  A tag's value, the same for limits and rollups: strings as they are,
 *	  numbers and booleans as they print.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "common/tag.h"

bool
aiu_tag_label(const AiuLabel *name, Jsonb *tags, AiuLabel *label)
{
	JsonbValue	value;

	if (tags == NULL || !JB_ROOT_IS_OBJECT(tags) || JB_ROOT_COUNT(tags) == 0 ||
		getKeyJsonValueFromContainer(&tags->root, name->s, name->len, &value) == NULL)
		return false;
	switch (value.type)
	{
		case jbvString:
			label->s = value.val.string.val;
			label->len = value.val.string.len;
			return true;
		case jbvNumeric:
			label->s = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
			label->len = strlen(label->s);
			return true;
		case jbvBool:
			label->s = value.val.boolean ? "true" : "false";
			label->len = strlen(label->s);
			return true;
		default:
			return false;
	}
}
