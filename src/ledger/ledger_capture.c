/*-------------------------------------------------------------------------
 *
 * ledger_capture.c
 *	  What the book trigger made of the rows that this session sent.
 *
 * The trigger runs as a gateway that may not read costs, so aiusage.ingest()
 * answers from here: the session's own rows, straight from memory.  Off
 * unless ingest() asked; then a buffer of the batch's size, made beforehand,
 * takes an entry a row.  An error leaves the buffer behind until the next
 * batch: it takes no more than it has room for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "common/compat.h"
#include "common/errors.h"
#include "ledger/ledger_internal.h"
#include "types/exact.h"

AIU_FUNCTION(aiu_capture_start);
AIU_FUNCTION(aiu_captured);

#define CAPTURE_MAX 1000000

typedef struct Captured
{
	pg_uuid_t	id;
	AiuAmount	cost;
	AiuCurrency currency;
	bool		has_cost;
	bool		matched;
	AiuUnpriced unpriced;
} Captured;

/*---- Local variables ----*/

static Captured *buffer = NULL;
static int	capacity = 0;
static int	count = 0;

void
aiu_ledger_capture(const pg_uuid_t *id, const AiuAmount *cost, AiuCurrency currency,
				   AiuUnpriced unpriced, bool matched)
{
	Captured   *c;

	if (likely(count >= capacity))
		return;
	c = &buffer[count++];
	c->id = *id;
	c->has_cost = cost != NULL;
	if (cost)
		c->cost = *cost;
	c->currency = currency;
	c->unpriced = unpriced;
	c->matched = matched;
}

Datum
aiu_capture_start(PG_FUNCTION_ARGS)
{
	int32		rows = PG_GETARG_INT32(0);

	if (rows < 0 || rows > CAPTURE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("too many records in one call: %d", rows),
				 errdetail("At most %d are booked at once.", CAPTURE_MAX),
				 errhint("Send them in several calls.")));
	count = 0;
	capacity = 0;
	if (buffer)
		pfree(buffer);
	buffer = NULL;
	if (rows > 0)
	{
		buffer = MemoryContextAlloc(TopMemoryContext, sizeof(Captured) * rows);
		capacity = rows;
	}
	PG_RETURN_VOID();
}

Datum
aiu_captured(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	for (i = 0; i < count; i++)
	{
		const Captured *c = &buffer[i];
		Datum		values[6] = {0};
		bool		nulls[6] = {false, false, true, false, true, false};
		char		code[4];

		aiu_currency_print(c->currency, code);
		values[0] = Int32GetDatum(i + 1);
		values[1] = UUIDPGetDatum(&c->id);
		if (c->has_cost)
		{
			values[2] = NumericGetDatum(aiu_scaled_to_numeric(aiu_amount_value(&c->cost), AIU_AMOUNT_DECIMALS));
			nulls[2] = false;
		}
		values[3] = CStringGetTextDatum(code);
		if (c->unpriced != AIU_PRICED)
		{
			values[4] = CStringGetTextDatum(aiu_unpriced_label(c->unpriced));
			nulls[4] = false;
		}
		values[5] = BoolGetDatum(c->matched);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
