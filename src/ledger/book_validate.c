/*-------------------------------------------------------------------------
 *
 * book_validate.c
 *	  What may not enter the ledger: over-long labels, content, secrets.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "common/errors.h"
#include "ledger/ledger_internal.h"

#define TAGS_MAX 32

/*
 * Keys under which people put what was said, or a credential.  Compared in
 * lower case; a tag that means something else can be named something else.
 */
static const char *const content_keys[] = {
	"prompt", "prompts", "completion", "completions", "message", "messages", "content", "contents",
	"input", "inputs", "output", "outputs", "text", "body", "request", "response", "request_body", "response_body",
	"system", "system_prompt", "instructions", "question", "answer", "transcript", "document", "documents",
	"password", "passwd", "secret", "secrets", "token", "access_token", "refresh_token", "api_key", "apikey",
	"authorization", "cookie", "credential", "credentials", "private_key"
};

void
aiu_ledger_check_label(const AiuLabel *label, const char *column)
{
	const char *kind;

	if (unlikely(label->len > AIU_LABEL_MAX))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("value too long for column \"%s\"", column),
				 errdetail("The value has %d bytes; labels have at most %d.", label->len, AIU_LABEL_MAX),
				 errhint("Send a short label or an id, not content.")));
	kind = aiu_label_secret_kind(label->s, label->len);
	if (unlikely(kind != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("column \"%s\" seems to hold a secret", column),
				 errdetail("The value looks like this: %s. It is not repeated here.", kind),
				 errhint("Send a label that names the credential, never the credential; if this one has leaked, rotate it.")));
}

void
aiu_ledger_check_usage(const AiuUsage *usage)
{
	AiuUsageIter it;
	AiuUsageItem item;
	int			n = 0;

	aiu_usage_iter_init(&it, usage);
	while (aiu_usage_iter_unit(&it, &item))
	{
		if (unlikely(++n > AIU_LEDGER_UNITS_MAX))
			ereport(ERROR,
					(errcode(ERRCODE_AIU_INVALID),
					 errmsg("usage has too many units"),
					 errdetail("A row holds at most %d.", AIU_LEDGER_UNITS_MAX),
					 errhint("A unit is a kind of thing that is counted, not a request, a user or a model.")));
		/* such a quantity is never one that comes without its unit's name */
		if (unlikely(item.quantity >= AIU_LEDGER_QUANTITY_MAX))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("quantity of unit \"%s\" is too large for a usage row",
							pnstrdup(item.name, item.namelen)),
					 errdetail("A row holds less than 1000000000000000000 of a unit."),
					 errhint("Check the unit the number is meant in.")));
	}
}

static void
check_tag_key(const JsonbValue *key)
{
	AiuLabel	label = {key->val.string.val, key->val.string.len};
	int			i;

	if (label.len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("tag names must not be empty"),
				 errhint("Leave out a tag that has no name.")));
	aiu_ledger_check_label(&label, "tags");
	for (i = 0; i < lengthof(content_keys); i++)
	{
		if (strlen(content_keys[i]) == label.len && pg_strncasecmp(content_keys[i], label.s, label.len) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_AIU_INVALID),
					 errmsg("tag \"%s\" is not allowed", content_keys[i]),
					 errdetail("Prompts, completions and secrets are never stored, under any name."),
					 errhint("Leave it out, or name the tag for the label it holds.")));
	}
}

/* As it prints: a text fits into the digits of a number, and 1e131071 has as many. */
static void
check_tag_number(Numeric number)
{
	int			len = strlen(DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number))));

	if (unlikely(len > AIU_LABEL_MAX))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("a number in tags is too long"),
				 errdetail("It has %d characters; at most %d are allowed.", len, AIU_LABEL_MAX),
				 errhint("Send a short label or an id, not content.")));
}

static void
not_flat(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_AIU_INVALID),
			 errmsg("tags must be one flat JSON object"),
			 errdetail("Values are strings, numbers, booleans or null."),
			 errhint("For example {\"feature\": \"search\", \"experiment\": 7}.")));
}

void
aiu_ledger_check_tags(Jsonb *tags)
{
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken token;

	if (!JB_ROOT_IS_OBJECT(tags))
		not_flat();
	if (JB_ROOT_COUNT(tags) > TAGS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("too many tags: %d", (int) JB_ROOT_COUNT(tags)),
				 errdetail("A row has at most %d.", TAGS_MAX),
				 errhint("Send what reports are to be kept apart by, and keep the rest in the trace.")));

	it = JsonbIteratorInit(&tags->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			check_tag_key(&v);
		else if (token == WJB_VALUE)
		{
			if (v.type == jbvString)
			{
				AiuLabel	label = {v.val.string.val, v.val.string.len};

				aiu_ledger_check_label(&label, "tags");
			}
			else if (v.type == jbvNumeric)
				check_tag_number(v.val.numeric);
			else if (v.type == jbvBinary)
				not_flat();
		}
	}
}
