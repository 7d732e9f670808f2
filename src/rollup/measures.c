/*-------------------------------------------------------------------------
 *
 * measures.c
 *	  Quantities for people, out of what the rollups keep.
 *
 * A usage cannot be negative, so a rollup keeps what was used and what was
 * reversed apart; people want the difference.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "common/compat.h"
#include "types/usage.h"

AIU_FUNCTION(aiu_rollup_net_quantity);

static int128 quantity_of(const AiuUsage *usage, int unit, const char *name, int namelen);

/*
 * net_quantity(used usage, reversed usage, unit text) returns bigint: whole
 * units, 0 when neither has the unit.  NULL when it does not fit: one row with
 * an absurd counter must not make a view of everyone's usage fail, and a
 * clamped number would be a lie.
 */
Datum
aiu_rollup_net_quantity(PG_FUNCTION_ARGS)
{
	text	   *unit = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	const char *name;
	int			namelen;
	int			code;
	int128		quantity = 0;

	if (unit == NULL)
		PG_RETURN_NULL();
	name = VARDATA_ANY(unit);
	namelen = VARSIZE_ANY_EXHDR(unit);
	code = aiu_unit_lookup(name, namelen);

	if (!PG_ARGISNULL(0))
		quantity += quantity_of(PG_GETARG_USAGE_P(0), code, name, namelen);
	if (!PG_ARGISNULL(1))
		quantity -= quantity_of(PG_GETARG_USAGE_P(1), code, name, namelen);

	quantity /= AIU_QUANTITY_SCALE;
	if (quantity > PG_INT64_MAX || quantity < PG_INT64_MIN)
		PG_RETURN_NULL();
	PG_RETURN_INT64((int64) quantity);
}

static int128
quantity_of(const AiuUsage *usage, int unit, const char *name, int namelen)
{
	AiuUsageIter it;
	AiuUsageItem item;

	aiu_usage_iter_init(&it, usage);
	while (aiu_usage_iter_next(&it, &item))
	{
		if (item.unit != unit)
			continue;
		if (unit != 0 ||
			(item.namelen == namelen && memcmp(item.name, name, namelen) == 0))
			return item.quantity;
	}
	return 0;
}
