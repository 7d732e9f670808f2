/*-------------------------------------------------------------------------
 *
 * price_match.c
 *	  Which names mean a provider or a model.
 *
 * A match expression is a JSON object with exactly one key: equals,
 * starts_with, ends_with, contains, regex (a text), or `or`, `and` (an array
 * of expressions).  Letter case does not matter: the name that is asked for is
 * folded to lower case, and so are the texts, but not regular expressions,
 * which see the folded name.  Folding is ASCII: identifiers of models are.
 *
 * Expressions are compiled once a catalogue version is loaded; testing one
 * allocates nothing but for regular expressions, which PostgreSQL compiles
 * and remembers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "common/string.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "utils/builtins.h"

#include "pricing/price_internal.h"

/* ---------- prototypes ---------- */

static AiuMatch *compile_parts(AiuMatch *match, JsonbValue *value, const char **problem);
static bool op_from_key(const char *key, int len, AiuMatchOp *op);
static bool regex_test(const AiuMatch *match, const char *s, int len);
static bool digits_at(const char *s, int n);

static const char *const op_names[] = {
	"equals", "starts_with", "ends_with", "contains", "regex", "or", "and"
};

/* ---------- compilation ---------- */

static bool
op_from_key(const char *key, int len, AiuMatchOp *op)
{
	int			i;

	for (i = 0; i < (int) lengthof(op_names); i++)
	{
		if ((int) strlen(op_names[i]) == len && memcmp(op_names[i], key, len) == 0)
		{
			*op = (AiuMatchOp) i;
			return true;
		}
	}
	return false;
}

const char *
aiu_match_op_name(AiuMatchOp op)
{
	return op_names[op];
}

AiuMatch *
aiu_match_compile(JsonbContainer *jbc, const char **problem)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	AiuMatch   *match;

	check_stack_depth();
	*problem = NULL;
	if (!JsonContainerIsObject(jbc) || JsonContainerSize(jbc) != 1)
	{
		*problem = "a match is an object with exactly one of the keys equals, starts_with, ends_with, contains, regex, or, and";
		return NULL;
	}
	it = JsonbIteratorInit(jbc);
	token = JsonbIteratorNext(&it, &v, true);
	Assert(token == WJB_BEGIN_OBJECT);
	token = JsonbIteratorNext(&it, &v, true);
	Assert(token == WJB_KEY);
	(void) token;

	match = palloc0(sizeof(AiuMatch));
	if (!op_from_key(v.val.string.val, v.val.string.len, &match->op))
	{
		*problem = "a match has one of the keys equals, starts_with, ends_with, contains, regex, or, and";
		return NULL;
	}
	(void) JsonbIteratorNext(&it, &v, true);

	if (match->op == AIU_MATCH_OR || match->op == AIU_MATCH_AND)
		return compile_parts(match, &v, problem);

	if (v.type != jbvString || v.val.string.len == 0)
	{
		*problem = "what a match compares with is a text that is not empty";
		return NULL;
	}
	match->text = pnstrdup(v.val.string.val, v.val.string.len);
	match->textlen = v.val.string.len;
	if (match->op != AIU_MATCH_REGEX)
	{
		int			i;

		for (i = 0; i < match->textlen; i++)
			match->text[i] = pg_ascii_tolower((unsigned char) match->text[i]);
	}
	return match;
}

static AiuMatch *
compile_parts(AiuMatch *match, JsonbValue *value, const char **problem)
{
	JsonbIterator *it;
	JsonbValue	v;
	AiuMatch  **tail = &match->child;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data) ||
		JsonContainerSize(value->val.binary.data) == 0)
	{
		*problem = "or and and take an array of matches that is not empty";
		return NULL;
	}
	it = JsonbIteratorInit(value->val.binary.data);
	(void) JsonbIteratorNext(&it, &v, true);
	while (JsonbIteratorNext(&it, &v, true) == WJB_ELEM)
	{
		if (v.type != jbvBinary)
		{
			*problem = "or and and take an array of matches";
			return NULL;
		}
		*tail = aiu_match_compile(v.val.binary.data, problem);
		if (*tail == NULL)
			return NULL;
		tail = &(*tail)->next;
	}
	return match;
}

AiuMatch *
aiu_match_exact(const char *text)
{
	AiuMatch   *match = palloc0(sizeof(AiuMatch));
	int			i;

	match->op = AIU_MATCH_EQUALS;
	match->text = pstrdup(text);
	match->textlen = strlen(text);
	for (i = 0; i < match->textlen; i++)
		match->text[i] = pg_ascii_tolower((unsigned char) match->text[i]);
	return match;
}

/* ---------- testing ---------- */

bool
aiu_match_test(const AiuMatch *match, const char *s, int len, const AiuMatch **leaf)
{
	const AiuMatch *part;
	bool		ok = false;

	check_stack_depth();
	switch (match->op)
	{
		case AIU_MATCH_OR:
			for (part = match->child; part != NULL; part = part->next)
			{
				if (aiu_match_test(part, s, len, leaf))
					return true;
			}
			return false;
		case AIU_MATCH_AND:
			for (part = match->child; part != NULL; part = part->next)
			{
				if (!aiu_match_test(part, s, len, NULL))
					return false;
			}
			ok = true;
			break;
		case AIU_MATCH_EQUALS:
			ok = len == match->textlen && memcmp(s, match->text, len) == 0;
			break;
		case AIU_MATCH_STARTS_WITH:
			ok = len >= match->textlen && memcmp(s, match->text, match->textlen) == 0;
			break;
		case AIU_MATCH_ENDS_WITH:
			ok = len >= match->textlen &&
				memcmp(s + len - match->textlen, match->text, match->textlen) == 0;
			break;
		case AIU_MATCH_CONTAINS:
			{
				int			i;

				for (i = 0; i + match->textlen <= len && !ok; i++)
					ok = memcmp(s + i, match->text, match->textlen) == 0;
				break;
			}
		case AIU_MATCH_REGEX:
			ok = regex_test(match, s, len);
			break;
	}
	if (ok && leaf != NULL)
		*leaf = match;
	return ok;
}

/* Runs on cache misses only; PostgreSQL caches the compiled expression. */
static bool
regex_test(const AiuMatch *match, const char *s, int len)
{
	text	   *pattern = cstring_to_text_with_len(match->text, match->textlen);
	bool		ok;

	ok = RE_compile_and_execute(pattern, (char *) s, len, REG_ADVANCED,
								C_COLLATION_OID, 0, NULL);
	pfree(pattern);
	return ok;
}

int
aiu_match_fold(const char *s, int len, char *buf, int bufsize)
{
	int			i;

	while (len > 0 && isspace((unsigned char) s[0]))
	{
		s++;
		len--;
	}
	while (len > 0 && isspace((unsigned char) s[len - 1]))
		len--;
	if (len > bufsize)
		len = bufsize;
	for (i = 0; i < len; i++)
		buf[i] = pg_ascii_tolower((unsigned char) s[i]);
	return len;
}

static bool
digits_at(const char *s, int n)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		if (s[i] < '0' || s[i] > '9')
			return false;
	}
	return true;
}

/*
 * Some providers answer with a compact date where catalogues list dashes:
 * "-20250929" at the end, or before "-" or ":", is "-2025-09-29" when that is
 * a day of the calendar of this century.
 */
int
aiu_match_dash_dates(const char *s, int len, char *buf, int bufsize)
{
	int			in = 0;
	int			out = 0;
	bool		changed = false;

	while (in < len)
	{
		const char *p = s + in;

		if (out + 12 > bufsize)
			return -1;
		if (p[0] == '-' && in + 9 <= len && p[1] == '2' && p[2] == '0' && digits_at(p + 3, 6) &&
			(in + 9 == len || p[9] == '-' || p[9] == ':'))
		{
			static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
			int			year = 2000 + (p[3] - '0') * 10 + (p[4] - '0');
			int			month = (p[5] - '0') * 10 + (p[6] - '0');
			int			day = (p[7] - '0') * 10 + (p[8] - '0');

			if (month >= 1 && month <= 12 && day >= 1 &&
				day <= days[month - 1] + (month == 2 && year % 4 == 0 ? 1 : 0))
			{
				memcpy(buf + out, p, 5);
				buf[out + 5] = '-';
				memcpy(buf + out + 6, p + 5, 2);
				buf[out + 8] = '-';
				memcpy(buf + out + 9, p + 7, 2);
				out += 11;
				in += 9;
				changed = true;
				continue;
			}
		}
		buf[out++] = *p;
		in++;
	}
	return changed ? out : -1;
}
