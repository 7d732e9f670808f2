/*-------------------------------------------------------------------------
 *
 * book_row.h
 *	  One row on its way through the BEFORE trigger: what its steps share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_BOOK_ROW_H
#define AIU_BOOK_ROW_H

#include "attribution/attribution.h"
#include "ledger/ledger_internal.h"

typedef struct BookRow
{
	Datum	   *values;			/* by column: the executor's, or a copy */
	bool	   *isnull;
	AiuLabel	labels[AIU_LEDGER_NCOLUMNS];	/* what owner and price go by, and labels that are there */
	TimestampTz occurred_at;
	AiuHoldStanding hold;		/* of hold_id; FORGED: or it names none */
} BookRow;

#define SET(row, col, datum) \
	((row)->values[COL_##col] = (datum), (row)->isnull[COL_##col] = false)

/*---- book_columns.c: what a gateway may send; UA422 and others otherwise ----*/

extern const char *const aiu_ledger_column_names[];

extern void aiu_book_require(const BookRow *row, int column);
/* The row's labels, from its columns. */
extern void aiu_book_take_labels(BookRow *row);
extern void aiu_book_check_id(const pg_uuid_t *id, const LedgerContext *ctx, TimestampTz now);
/* occurred_at, that of the id when it is not given. */
extern void aiu_book_take_time(BookRow *row, TimestampTz id_time);
extern void aiu_book_check_numbers(const BookRow *row);
extern void aiu_book_check_not_filled(const BookRow *row);
extern void aiu_book_check_money(const BookRow *row);

/*---- book_price.c ----*/

/* exempt: of a bulk import role.  Errors: UA403, UA404. */
extern void aiu_book_attribute(BookRow *row, const LedgerContext *ctx, bool exempt, AiuAttribution *owner);
extern void aiu_book_price(BookRow *row, const LedgerContext *ctx, bool exempt, const AiuAttribution *owner,
						   AiuPriceResult *result);

#endif							/* AIU_BOOK_ROW_H */
