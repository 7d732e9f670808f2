/*-------------------------------------------------------------------------
 *
 * siphash.h
 *	  SipHash-2-4: a keyed code of 64 bits for short messages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_SIPHASH_H
#define AIU_SIPHASH_H

#define AIU_SIPHASH_KEY_LEN	16

extern uint64 aiu_siphash(const uint8 key[AIU_SIPHASH_KEY_LEN], const uint8 *data, int len);

#endif							/* AIU_SIPHASH_H */
