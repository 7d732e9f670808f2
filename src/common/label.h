/*-------------------------------------------------------------------------
 *
 * label.h
 *	  Text that a gateway sends: labels, never content, never secrets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_LABEL_H
#define AIU_LABEL_H

#include "fmgr.h"

#define AIU_LABEL_MAX 256		/* bytes */

/* As it comes from a tuple: not NUL-terminated; s == NULL is SQL NULL. */
typedef struct AiuLabel
{
	const char *s;
	int			len;
} AiuLabel;

static inline bool
aiu_label_equal(AiuLabel a, AiuLabel b)
{
	return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

/* of a C string, or of NULL; of a function's argument, of any length */
extern AiuLabel aiu_label_of(const char *s);
extern AiuLabel aiu_label_arg(FunctionCallInfo fcinfo, int n);

/*
 * Does the text hold something that looks like a real credential?  Returns a
 * short name of the kind ("OpenAI-style secret key", "JSON web token", ...)
 * or NULL.  Pure, no allocation, one pass.
 */
extern const char *aiu_label_secret_kind(const char *s, int len);

#endif							/* AIU_LABEL_H */
