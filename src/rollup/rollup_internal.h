/*-------------------------------------------------------------------------
 *
 * rollup_internal.h
 *	  What the files of this area share.  Nobody includes the area from
 *	  below; its functions are called from SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_ROLLUP_INTERNAL_H
#define AIU_ROLLUP_INTERNAL_H

#include "access/transam.h"

/*
 * The ledger's txid: the incarnation of the books in the high bits, the
 * top-level transaction id (with its epoch) in the low 48.
 */
#define AIU_TXID_BITS	48
#define AIU_TXID_MASK	((INT64CONST(1) << AIU_TXID_BITS) - 1)
#define AIU_INCARNATION_MAX	((1 << (63 - AIU_TXID_BITS)) - 1)

static inline int64
aiu_txid_encode(int32 incarnation, FullTransactionId fxid)
{
	return ((int64) incarnation << AIU_TXID_BITS) |
		(int64) (U64FromFullTransactionId(fxid) & AIU_TXID_MASK);
}

#endif							/* AIU_ROLLUP_INTERNAL_H */
