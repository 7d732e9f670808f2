/*-------------------------------------------------------------------------
 *
 * label.h
 *	  Text that a gateway sends: labels, never content, never secrets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_LABEL_H
#define AIU_LABEL_H

#define AIU_LABEL_MAX 256		/* bytes */

/* As it comes from a tuple: not NUL-terminated; s == NULL is SQL NULL. */
typedef struct AiuLabel
{
	const char *s;
	int			len;
} AiuLabel;

/*
 * Does the text hold something that looks like a real credential?  Returns a
 * short name of the kind ("OpenAI-style secret key", "JSON web token", ...)
 * or NULL.  Pure, no allocation, one pass.
 */
extern const char *aiu_label_secret_kind(const char *s, int len);

#endif							/* AIU_LABEL_H */
