/*-------------------------------------------------------------------------
 *
 * ledger_internal.h
 *	  What the files of the ledger share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_LEDGER_INTERNAL_H
#define AIU_LEDGER_INTERNAL_H

#include "common/label.h"
#include "ledger/ledger.h"
#include "ledger/ledger_columns.h"
#include "pricing/pricing.h"
#include "quota/quota.h"
#include "types/amount.h"
#include "types/usage.h"
#include "utils/jsonb.h"
#include "utils/relcache.h"

/*
 * What booking needs of settings and catalogues, loaded once and until
 * aiusage.setting or aiusage.books changes.
 */
typedef struct LedgerContext
{
	uint64		generation;		/* of AIU_CATALOG_SETTINGS; 0: not loaded */
	int64		incarnation_bits;	/* incarnation << 48 */
	pg_uuid_t	retained_from;
	bool		retention;		/* retained_from is not the nil uuid */
	int			nkept;			/* partitions below it that are kept all the same: lower, upper, in order */
	pg_uuid_t  *kept;
	bool		strict_keys;
	bool		strict_prices;
	AiuCurrency currency;		/* of rows that no book gives one */
	Oid			column_type[AIU_COLUMN_TYPES];
	Oid			kind_usage;
	Oid			kind_reversal;
	Oid			kind_adjustment;
	Oid			status_success;
	Oid			status_cancelled;
	Oid			stream_partial;
	Oid			stream_estimated;
	Oid			cost_final;
	Oid			cost_estimated;
	Oid			cost_unpriced;
	Oid			unpriced[16];	/* by AiuUnpriced */
	Oid			quota_state[6];	/* by AiuQuotaState; none for NONE */
} LedgerContext;

extern const LedgerContext *aiu_ledger_context(void);
extern bool aiu_ledger_id_is_kept(const LedgerContext *ctx, const pg_uuid_t *id);

/* Does the table have the ledger's columns?  Errors otherwise; remembered, by table. */
extern void aiu_ledger_check_relation(Relation rel, const LedgerContext *ctx);

/*
 * limits: look, stamp quota_state, leave the charges for the AFTER trigger; may refuse the row.
 * final: no trigger that could change the row comes after
 */
extern void aiu_ledger_ask_limits(Datum *values, bool *isnull, const LedgerContext *ctx, bool kept, bool final,
								  AiuHoldStanding hold);

/* the hold that a row names, if it does (AIU_HOLD_FORGED: or none) */
extern AiuHoldStanding aiu_ledger_hold_standing(const Datum *values, const bool *isnull);

/* tags: flat, short, no content, no secrets; raises UA422 otherwise */
extern void aiu_ledger_check_tags(Jsonb *tags);

/* one text column of a row; raises UA422 */
extern void aiu_ledger_check_label(const AiuLabel *label, const char *column);

/* A row's quantities are at most 10^18 units: sums of any number of rows then fit a usage. */
#define AIU_LEDGER_QUANTITY_MAX	((int128) INT64CONST(1000000000000000000) * AIU_QUANTITY_SCALE)

/* Kinds of things that one request uses; sums hold the units of all their rows. */
#define AIU_LEDGER_UNITS_MAX	128

/* A row that would cost 10^15 of a currency or more is unpriced (out_of_range): sums fit unit_costs. */
#define AIU_LEDGER_COST_MAX	((int128) INT64CONST(1000000000000000) * AIU_AMOUNT_SCALE)

/* the usage of a row; raises 22003 and UA422 */
extern void aiu_ledger_check_usage(const AiuUsage *usage);

/* ingest() and tests ask what the trigger made of the rows of this call */
extern void aiu_ledger_capture(const pg_uuid_t *id, const AiuAmount *cost, AiuCurrency currency,
							   AiuUnpriced unpriced, bool matched);

#endif							/* AIU_LEDGER_INTERNAL_H */
