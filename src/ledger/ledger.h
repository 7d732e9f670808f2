/*-------------------------------------------------------------------------
 *
 * ledger.h
 *	  Public face of the ledger: ids and their times.
 *
 * A ledger id is a UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, 74 bits
 * that are random or a digest.  Its time routes the row to a partition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_LEDGER_H
#define AIU_LEDGER_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/* Event time may precede the id's time by 2 days, and follow it by 1 hour. */
#define AIU_EVENT_BEFORE_ID		(2 * USECS_PER_DAY)
#define AIU_EVENT_AFTER_ID		USECS_PER_HOUR
/* An id may be ahead of the server's clock by 1 hour. */
#define AIU_ID_AHEAD			USECS_PER_HOUR

/* Setting strict_keys: usage without an owner is refused. */
extern bool aiu_ledger_strict_keys(void);

/* forget at the end of a transaction what it may change of the ledger */
extern void aiu_ledger_guard_init(void);

extern bool aiu_uuid_is_v7(const pg_uuid_t *id);
extern TimestampTz aiu_uuid_time(const pg_uuid_t *id);

#endif							/* AIU_LEDGER_H */
