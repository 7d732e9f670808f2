/*-------------------------------------------------------------------------
 *
 * units.h
 *	  The registry of usage units: what a quantity counts, by dimensions.
 *
 * A unit is a point in a space of dimensions (family, direction, modality,
 * token type, cache TTL, ...).  A is an ancestor of B when every dimension A
 * sets is set alike by B: input_tokens is an ancestor of cache_read_tokens.
 * Quantities are inclusive, so an ancestor's count contains its descendants'.
 *
 * Invariants:
 * - A code is stored on disk: it is never reused and never changes meaning.
 *   New units are appended.  Registry order is code order and is the order
 *   in which a usage prints.
 * - Codes run from 1 to aiu_unit_count() (below 128: sets are two words).
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_UNITS_H
#define AIU_UNITS_H

#define AIU_UNIT_MAX		128 /* capacity of AiuUnitSet */
#define AIU_UNIT_NAME_MAX	63	/* bytes, custom units included */

typedef struct AiuUnitSet
{
	uint64		w[2];
} AiuUnitSet;

typedef struct AiuUnit
{
	const char *name;			/* usage key, e.g. "cache_read_tokens" */
	const char *price_key;		/* genai-prices price key, or NULL */
	int64		price_per;		/* quantity that price_key's rate is for: 1000000, 1000, 3600 */
	const char *family;			/* tokens, requests, durations, ...; never NULL */
	const char *direction;		/* input, output or NULL */
	const char *modality;		/* text, audio, image, video or NULL */
	const char *token_type;		/* cache_read, cache_write, reasoning, citation, tool or NULL */
	const char *cache_ttl;		/* 5m, 1h or NULL */
	const char *variant;		/* tool type, page type, size, resolution, ... or NULL */
} AiuUnit;

extern int	aiu_unit_count(void);	/* codes are 1 .. count */
extern const AiuUnit *aiu_unit_get(int code);
extern int	aiu_unit_lookup(const char *name, int namelen);	/* 0: not registered */
extern int	aiu_unit_lookup_price_key(const char *key, int keylen); /* 0: not known */
extern bool aiu_unit_is_ancestor(int ancestor, int descendant);	/* strict */
extern const AiuUnitSet *aiu_unit_descendants(int code);	/* strict */
extern const AiuUnitSet *aiu_unit_ancestors(int code);	/* strict */

/*
 * The unit whose dimensions are exactly the union of a's and b's; 0 when there
 * is none.  *compatible tells whether the two can overlap at all (no
 * dimension on which they differ).
 */
extern int	aiu_unit_join(int a, int b, bool *compatible);

/* Counted in whole numbers (tokens, requests, pages)?  Custom units never are. */
extern bool aiu_unit_is_whole(int code);

/* A syntactically valid custom unit name: [a-z][a-z0-9_]*, at most 63 bytes. */
extern bool aiu_unit_name_valid(const char *name, int namelen);

#define AIU_UNITSET_HAS(s, code)	(((s)->w[(code) >> 6] >> ((code) & 63)) & 1)
#define AIU_UNITSET_ADD(s, code)	((s)->w[(code) >> 6] |= UINT64CONST(1) << ((code) & 63))

#endif							/* AIU_UNITS_H */
