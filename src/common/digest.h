/*-------------------------------------------------------------------------
 *
 * digest.h
 *	  128-bit ids of sets of values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_DIGEST_H
#define AIU_DIGEST_H

#include "lib/stringinfo.h"

#define AIU_DIGEST_LEN	16

/* Append one value, unambiguously, to what is to be digested. */
extern void aiu_digest_null(StringInfo buf);
extern void aiu_digest_int(StringInfo buf, int64 value);
extern void aiu_digest_text(StringInfo buf, const char *data, int len);

/* The first 128 bits of SHA-256 over it. */
extern void aiu_digest_finish(const char *data, int len, uint8 digest[AIU_DIGEST_LEN]);

#endif							/* AIU_DIGEST_H */
