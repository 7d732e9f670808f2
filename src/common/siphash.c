/*-------------------------------------------------------------------------
 *
 * siphash.c
 *	  SipHash-2-4 (Aumasson and Bernstein, 2012): whoever does not know the key
 *	  cannot tell its values from random ones, and so cannot make one up.
 *
 * For codes that are made and checked once a request, of messages that are
 * short: HMAC-SHA256 by way of a crypto library takes a hundred times as long,
 * most of it to set up.  Not a hash without a key: whoever knows the key finds
 * messages of one value at will.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/siphash.h"

#define ROTATE(x, n)	(((x) << (n)) | ((x) >> (64 - (n))))

#define ROUND() \
	do { \
		v0 += v1; v1 = ROTATE(v1, 13); v1 ^= v0; v0 = ROTATE(v0, 32); \
		v2 += v3; v3 = ROTATE(v3, 16); v3 ^= v2; \
		v0 += v3; v3 = ROTATE(v3, 21); v3 ^= v0; \
		v2 += v1; v1 = ROTATE(v1, 17); v1 ^= v2; v2 = ROTATE(v2, 32); \
	} while (0)

/* Little-endian, whatever the machine is. */
static inline uint64
read_word(const uint8 *p, int n)
{
	uint64		word = 0;
	int			i;

	for (i = n - 1; i >= 0; i--)
		word = word << 8 | p[i];
	return word;
}

uint64
aiu_siphash(const uint8 key[AIU_SIPHASH_KEY_LEN], const uint8 *data, int len)
{
	uint64		k0 = read_word(key, 8);
	uint64		k1 = read_word(key + 8, 8);
	uint64		v0 = k0 ^ UINT64CONST(0x736f6d6570736575);
	uint64		v1 = k1 ^ UINT64CONST(0x646f72616e646f6d);
	uint64		v2 = k0 ^ UINT64CONST(0x6c7967656e657261);
	uint64		v3 = k1 ^ UINT64CONST(0x7465646279746573);
	uint64		word;
	int			i;

	for (i = 0; i + 8 <= len; i += 8)
	{
		word = read_word(data + i, 8);
		v3 ^= word;
		ROUND();
		ROUND();
		v0 ^= word;
	}
	/* the rest, and the length in the last byte */
	word = (uint64) (len & 0xFF) << 56 | read_word(data + i, len - i);
	v3 ^= word;
	ROUND();
	ROUND();
	v0 ^= word;

	v2 ^= 0xFF;
	ROUND();
	ROUND();
	ROUND();
	ROUND();
	return v0 ^ v1 ^ v2 ^ v3;
}
