/*-------------------------------------------------------------------------
 *
 * xact_state.h
 *	  What this transaction has done to the books.
 *
 * A snapshot does not list its own transaction as running, so a fold in a
 * transaction that has written usage (or usage written after a fold) would
 * lose rows.  Both orders are refused; this is the memory of it.  Flags are
 * of the top-level transaction and survive ROLLBACK TO SAVEPOINT on purpose.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_XACT_STATE_H
#define AIU_XACT_STATE_H

extern void aiu_xact_init(void);

/* Called by the book trigger; errors when this transaction has folded or published a limit. */
extern void aiu_xact_note_usage(void);
/* Called by whoever publishes or rebuilds a limit; errors when this transaction has written usage, and keeps it from doing so. */
extern void aiu_xact_note_publish(void);
/* Called by the fold; errors when this transaction has written usage. */
extern void aiu_xact_note_fold(void);
/* Has this transaction written usage? */
extern bool aiu_xact_usage_written(void);
/* Has it folded, published or rebuilt: does it see rollups and counters that may yet be undone? */
extern bool aiu_xact_changed_sums(void);

#endif							/* AIU_XACT_STATE_H */
