/*-------------------------------------------------------------------------
 *
 * tags.c
 *	  What the rollups keep of a row's tags.
 *
 * A row may have 32 tags of any names.  Those that are declared
 * (aiusage.tag_declaration) are a dimension of the rollups: one text, which
 * is a JSON object of the declared tags that the row has, in order of their
 * names, each value a string.  It follows from the row and the declarations
 * alone, whoever computes it and when.
 *
 * The declarations come as an argument, from the reader's own snapshot: what
 * is folded in it was folded under the same ones (install/50_tags.sql).  They
 * are parsed once a query.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "common/tag.h"

/* A value that is not among those that its tag may have. */
#define OTHER_VALUE "(other)"

AIU_FUNCTION(aiu_rollup_tag_set);

typedef struct TagRule
{
	AiuLabel	name;
	TimestampTz from;
	TimestampTz until;			/* exclusive */
	bool		any_value;
	int			nvalues;
	AiuLabel   *values;			/* ascending, when not any */
} TagRule;

/* In fn_extra; `source` is what it was parsed from. */
typedef struct TagRules
{
	MemoryContext context;
	Jsonb	   *source;
	int			nrules;
	TagRule    *rules;			/* in order of name */
} TagRules;

static TagRules *rules_of(FmgrInfo *flinfo, Jsonb *source);
static void parse_rule(JsonbContainer *array, TagRule *rule);
static int	compare_labels(const void *a, const void *b);
static void append_string(StringInfo buf, const AiuLabel *label);

/*
 * tag_set(tags jsonb, at timestamptz, rules jsonb) returns text; STRICT.
 *
 * rules is an array of [name, from, until, values] in order of name and time:
 * microseconds since 2000, until and values possibly null.  NULL when the row
 * has no tag that was declared at the time.
 */
Datum
aiu_rollup_tag_set(PG_FUNCTION_ARGS)
{
	Jsonb	   *tags = PG_GETARG_JSONB_P(0);
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);
	TagRules   *rules = rules_of(fcinfo->flinfo, PG_GETARG_JSONB_P(2));
	StringInfoData buf;
	int			i;

	buf.data = NULL;
	for (i = 0; i < rules->nrules; i++)
	{
		const TagRule *rule = &rules->rules[i];
		AiuLabel	value;

		if (at < rule->from || at >= rule->until ||
			!aiu_tag_label(&rule->name, tags, &value) || value.len == 0)
			continue;
		if (!rule->any_value &&
			bsearch(&value, rule->values, rule->nvalues, sizeof(AiuLabel), compare_labels) == NULL)
		{
			value.s = OTHER_VALUE;
			value.len = strlen(OTHER_VALUE);
		}
		if (buf.data == NULL)
		{
			initStringInfo(&buf);
			appendStringInfoChar(&buf, '{');
		}
		else
			appendStringInfoString(&buf, ", ");
		append_string(&buf, &rule->name);
		appendStringInfoString(&buf, ": ");
		append_string(&buf, &value);
	}
	if (buf.data == NULL)
		PG_RETURN_NULL();
	appendStringInfoChar(&buf, '}');
	PG_RETURN_TEXT_P(cstring_to_text_with_len(buf.data, buf.len));
}

static void
append_string(StringInfo buf, const AiuLabel *label)
{
	char	   *s = pnstrdup(label->s, label->len);

	escape_json(buf, s);
	pfree(s);
}

/* The rules, parsed; the same as for the last row of the query, but for the first. */
static TagRules *
rules_of(FmgrInfo *flinfo, Jsonb *source)
{
	TagRules   *rules = flinfo->fn_extra;
	MemoryContext old;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	int			n = 0;

	if (rules != NULL && rules->source != NULL && VARSIZE(rules->source) == VARSIZE(source) &&
		memcmp(rules->source, source, VARSIZE(source)) == 0)
		return rules;

	if (rules == NULL)
	{
		rules = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(TagRules));
		rules->context = AllocSetContextCreate(flinfo->fn_mcxt, "aiusage declared tags", ALLOCSET_SMALL_SIZES);
		flinfo->fn_extra = rules;
	}
	rules->source = NULL;
	rules->nrules = 0;
	MemoryContextReset(rules->context);
	if (!JB_ROOT_IS_ARRAY(source) || JB_ROOT_IS_SCALAR(source))
		elog(ERROR, "tag declarations are not an array");

	old = MemoryContextSwitchTo(rules->context);
	rules->rules = palloc0(sizeof(TagRule) * Max(JB_ROOT_COUNT(source), 1));
	rules->source = palloc(VARSIZE(source));
	memcpy(rules->source, source, VARSIZE(source));
	it = JsonbIteratorInit(&rules->source->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM && v.type == jbvBinary && JsonContainerIsArray(v.val.binary.data))
			parse_rule(v.val.binary.data, &rules->rules[n++]);
		else if (token == WJB_ELEM)
			elog(ERROR, "a tag declaration is not an array");
	}
	rules->nrules = n;
	MemoryContextSwitchTo(old);
	return rules;
}

static JsonbValue *
element(JsonbContainer *array, int i, enum jbvType type)
{
	JsonbValue *v = getIthJsonbValueFromContainer(array, i);

	if (v == NULL || v->type == jbvNull)
		return NULL;
	if (v->type != type)
		elog(ERROR, "element %d of a tag declaration is of another type", i);
	return v;
}

/* One rule; its labels point into the array, which lives as long. */
static void
parse_rule(JsonbContainer *array, TagRule *rule)
{
	JsonbValue *name = element(array, 0, jbvString);
	JsonbValue *from = element(array, 1, jbvNumeric);
	JsonbValue *until = element(array, 2, jbvNumeric);
	JsonbValue *values = element(array, 3, jbvBinary);
	int			i;

	if (name == NULL || from == NULL)
		elog(ERROR, "a tag declaration has no name or time");
	rule->name.s = name->val.string.val;
	rule->name.len = name->val.string.len;
	rule->from = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(from->val.numeric)));
	rule->until = until == NULL ? DT_NOEND :
		DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(until->val.numeric)));
	rule->any_value = values == NULL;
	if (values == NULL)
		return;

	if (!JsonContainerIsArray(values->val.binary.data))
		elog(ERROR, "the values of a tag declaration are not an array");
	rule->nvalues = JsonContainerSize(values->val.binary.data);
	rule->values = palloc(sizeof(AiuLabel) * Max(rule->nvalues, 1));
	for (i = 0; i < rule->nvalues; i++)
	{
		JsonbValue *v = element(values->val.binary.data, i, jbvString);

		if (v == NULL)
			elog(ERROR, "a value of a tag declaration is null");
		rule->values[i].s = v->val.string.val;
		rule->values[i].len = v->val.string.len;
	}
	qsort(rule->values, rule->nvalues, sizeof(AiuLabel), compare_labels);
}

static int
compare_labels(const void *a, const void *b)
{
	const AiuLabel *x = a;
	const AiuLabel *y = b;
	int			c = memcmp(x->s, y->s, Min(x->len, y->len));

	return c != 0 ? c : x->len - y->len;
}
