/*-------------------------------------------------------------------------
 *
 * label.c
 *	  Labels: from arguments; does one look like a real credential?
 *
 * The latter is one pass, one table look-up a character, so that an ordinary label costs
 * a few nanoseconds.  Patterns are the published prefixes of the providers'
 * keys with enough random-looking text behind them; a prefix alone (a model
 * named "sk-learn", a workflow "task-7") is not a secret.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "common/compat.h"
#include "common/label.h"

AIU_FUNCTION(aiu_looks_like_secret);

/* How far a token is looked at: no text takes time by the square of its length. */
#define TOKEN_LOOK	1024

/* "bearer eyJ": no shorter text is a credential, and most labels are shorter. */
#define SECRET_MIN	10

static inline bool
is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static inline bool
is_token(unsigned char c)
{
	return is_alnum(c) || c == '-' || c == '_';
}

/*
 * Length of the token that starts at s, and whether it looks random: at
 * least `min` characters, with a digit or with an unbroken run of letters
 * and digits that no word has.  What is longer than any name needs no run.
 */
static bool
random_token(const char *s, const char *end, int min)
{
	const char *p = s;
	bool		digit = false;
	int			run = 0;
	int			longest = 0;

	if (end - s > TOKEN_LOOK)
		end = s + TOKEN_LOOK;
	while (p < end && is_token((unsigned char) *p))
	{
		if (*p >= '0' && *p <= '9')
			digit = true;
		run = is_alnum((unsigned char) *p) ? run + 1 : 0;
		longest = Max(longest, run);
		p++;
	}
	return p - s >= min && ((digit && (longest >= 8 || p - s >= 32)) || longest >= 20);
}

static inline bool
prefix(const char *s, const char *end, const char *word, int len)
{
	return end - s >= len && memcmp(s, word, len) == 0;
}

static bool
prefix_nocase(const char *s, const char *end, const char *word, int len)
{
	return end - s >= len && pg_strncasecmp(s, word, len) == 0;
}

#define PREFIX(word)		prefix(p, end, word, (int) sizeof(word) - 1)
#define RANDOM(word, min)	(PREFIX(word) && random_token(p + sizeof(word) - 1, end, min))

/* header.payload.signature, each base64url; the header always begins with eyJ */
static bool
is_jwt(const char *p, const char *end)
{
	int			dots = 0;
	int			part = 0;

	if (end - p > TOKEN_LOOK)
		end = p + TOKEN_LOOK;
	for (; p < end && (is_token((unsigned char) *p) || *p == '.'); p++)
	{
		if (*p == '.')
		{
			if (part < 8 || ++dots > 2)
				return false;
			part = 0;
		}
		else
			part++;
	}
	return dots == 2 || (dots == 1 && part >= 8);
}

/* The characters a credential can begin with; everything else is passed over. */
static const bool first_char[256] = {
	['s'] = true, ['A'] = true, ['e'] = true, ['g'] = true, ['h'] = true,
	['x'] = true, ['p'] = true, ['B'] = true, ['b'] = true, ['-'] = true
};

const char *
aiu_label_secret_kind(const char *s, int len)
{
	const char *end = s + len;
	const char *p;

	if (len < SECRET_MIN)
		return NULL;
	for (p = s; p < end; p++)
	{
		if (likely(!first_char[(unsigned char) *p]))
			continue;
		/* within a word: "task-7" is no key */
		if (p > s && is_alnum((unsigned char) p[-1]))
			continue;
		switch (*p)
		{
			case '-':
				if (PREFIX("-----BEGIN "))
					return "PEM block";
				break;
			case 's':
				if (RANDOM("sk-", 12))
					return "secret API key (sk-...)";
				if (RANDOM("sk_live_", 16) || RANDOM("sk_test_", 16))
					return "secret API key (sk_...)";
				break;
			case 'A':
				if ((PREFIX("AKIA") || PREFIX("ASIA")) && end - p >= 20)
				{
					int			i;

					for (i = 4; i < 20; i++)
						if (!((p[i] >= 'A' && p[i] <= 'Z') || (p[i] >= '0' && p[i] <= '9')))
							break;
					if (i == 20)
						return "AWS access key (AKIA...)";
				}
				if (RANDOM("AIza", 30))
					return "Google API key (AIza...)";
				break;
			case 'e':
				if (PREFIX("eyJ") && is_jwt(p, end))
					return "JSON web token";
				break;
			case 'g':
				if (RANDOM("ghp_", 20) || RANDOM("gho_", 20) || RANDOM("ghs_", 20) || RANDOM("github_pat_", 20))
					return "GitHub token";
				if (RANDOM("gsk_", 20))
					return "secret API key (gsk_...)";
				break;
			case 'h':
				if (RANDOM("hf_", 20))
					return "Hugging Face token (hf_...)";
				break;
			case 'x':
				if (RANDOM("xai-", 20))
					return "secret API key (xai-...)";
				if (RANDOM("xoxb-", 16) || RANDOM("xoxp-", 16) || RANDOM("xoxa-", 16))
					return "Slack token";
				break;
			case 'p':
				if (RANDOM("pplx-", 20))
					return "secret API key (pplx-...)";
				break;
			case 'B':
			case 'b':
				if (prefix_nocase(p, end, "bearer ", 7))
				{
					const char *t = p + 7;

					while (t < end && *t == ' ')
						t++;
					if (random_token(t, end, 12) || (end - t >= 3 && memcmp(t, "eyJ", 3) == 0))
						return "bearer token";
				}
				break;
			default:
				break;
		}
	}
	return NULL;
}

/* aiusage.looks_like_secret(text) RETURNS text: what kind, or NULL */
Datum
aiu_looks_like_secret(PG_FUNCTION_ARGS)
{
	text	   *t = PG_GETARG_TEXT_PP(0);
	const char *kind = aiu_label_secret_kind(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));

	if (kind == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(kind));
}

AiuLabel
aiu_label_of(const char *s)
{
	AiuLabel	label;

	label.s = s;
	label.len = s ? strlen(s) : 0;
	return label;
}

AiuLabel
aiu_label_arg(FunctionCallInfo fcinfo, int n)
{
	AiuLabel	label = {NULL, 0};

	if (!PG_ARGISNULL(n))
	{
		text	   *t = PG_GETARG_TEXT_PP(n);

		label.s = VARDATA_ANY(t);
		label.len = VARSIZE_ANY_EXHDR(t);
	}
	return label;
}
