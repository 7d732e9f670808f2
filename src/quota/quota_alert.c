/*-------------------------------------------------------------------------
 *
 * quota_alert.c
 *	  Thresholds crossed, and rows booked above a limit or without a check.
 *
 * The bit in the counter was won under its lock, and is in the journal: if
 * this transaction aborts, the bit and the event go together.  No unique key
 * keeps events apart, for a second crosser would have to wait for the first
 * to commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "common/owner.h"
#include "quota/quota_engine_internal.h"
#include "types/exact.h"

static const char event_query[] =
"INSERT INTO aiusage.quota_event (kind, quota, quota_name, subject, subject_text, window_start, api_key,"
" threshold, used, asked, \"limit\") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

static SPIPlanPtr
event_plan(void)
{
	static SPIPlanPtr plan = NULL;

	if (plan == NULL)
	{
		Oid			argtypes[11] = {TEXTOID, INT4OID, TEXTOID, UUIDOID, TEXTOID, INT8OID, TEXTOID, INT4OID,
			NUMERICOID, NUMERICOID, NUMERICOID};

		plan = SPI_prepare(event_query, 11, argtypes);
		if (plan == NULL)
			elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
	}
	return plan;
}

static Datum
amount_numeric(int128 amount)
{
	return NumericGetDatum(aiu_scaled_to_numeric(amount, AIU_QUOTA_DECIMALS));
}

static void
write_event(const char *kind, int threshold, const AiuCharge *charge, const AiuCrossing *crossing,
			const AiuLabel *key, const char *subject)
{
	pg_uuid_t	uuid;
	Datum		values[11];
	char		nulls[12] = "           ";

	aiu_quota_subject_uuid(charge->subject, &uuid);
	values[0] = CStringGetTextDatum(kind);
	values[1] = Int32GetDatum(charge->def->quota);
	values[2] = CStringGetTextDatum(charge->def->name);
	values[3] = UUIDPGetDatum(&uuid);
	values[4] = CStringGetTextDatum(subject);
	values[5] = Int64GetDatum(aiu_charge_alert_window(charge));
	values[6] = PointerGetDatum(cstring_to_text_with_len(key->s, key->len));
	values[7] = Int32GetDatum(threshold);
	nulls[7] = threshold == 0 ? 'n' : ' ';
	values[8] = amount_numeric(crossing->used);
	values[9] = amount_numeric(charge->amount);
	values[10] = amount_numeric(crossing->limit);
	if (SPI_execute_plan(event_plan(), values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write an event of a limit");
}

void
aiu_quota_alert(const AiuCharge *charge, const AiuCrossing *crossing, const AiuLabel *key, const char *subject)
{
	AiuOwnerSpi save;
	int			i;

	aiu_owner_spi_begin_write(&save);
	for (i = 0; i < charge->def->nthresholds; i++)
	{
		if (crossing->alerts & (1 << i))
			write_event("threshold", charge->def->thresholds[i], charge, crossing, key, subject);
	}
	if (crossing->alerts & AIU_ALERT_OVER)
		write_event("over", 0, charge, crossing, key, subject);
	if (crossing->alerts & AIU_ALERT_UNCHECKED)
		write_event("unchecked", 0, charge, crossing, key, subject);
	aiu_owner_spi_end(&save);
}
