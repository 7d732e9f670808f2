/*-------------------------------------------------------------------------
 *
 * latency.c
 *	  Latency as counts in fixed buckets.
 *
 * The rollups cannot keep every latency, and percentiles do not add up; counts
 * of fixed buckets do.  The bounds are six a decade, evenly spaced in
 * logarithm (the E6 series), from 10 ms to 1,000,000 ms: what lies between two
 * is known to within a factor of 1.5.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "common/compat.h"

/* Upper bounds in milliseconds; a bucket holds what is above the one before and at most its own.  Never changed: stored counts are by them. */
static const int32 latency_bounds[] = {
	10, 15, 22, 33, 47, 68,
	100, 150, 220, 330, 470, 680,
	1000, 1500, 2200, 3300, 4700, 6800,
	10000, 15000, 22000, 33000, 47000, 68000,
	100000, 150000, 220000, 330000, 470000, 680000,
	1000000
};

/* and one bucket for what is above the last */
#define LATENCY_BUCKETS		(lengthof(latency_bounds) + 1)

AIU_FUNCTION(aiu_rollup_latency_bounds);
AIU_FUNCTION(aiu_rollup_latency_bucket);
AIU_FUNCTION(aiu_rollup_latency_percentile);

/* latency_bounds() returns int[] */
Datum
aiu_rollup_latency_bounds(PG_FUNCTION_ARGS)
{
	Datum		values[lengthof(latency_bounds)];
	int			i;

	for (i = 0; i < lengthof(latency_bounds); i++)
		values[i] = Int32GetDatum(latency_bounds[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(values, lengthof(latency_bounds), INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/* latency_bucket(ms int) returns int: from 1 */
Datum
aiu_rollup_latency_bucket(PG_FUNCTION_ARGS)
{
	int32		ms = PG_GETARG_INT32(0);
	int			low = 0;
	int			high = lengthof(latency_bounds);

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (ms > latency_bounds[middle])
			low = middle + 1;
		else
			high = middle;
	}
	PG_RETURN_INT32(low + 1);
}

/*
 * latency_percentile(counts bigint[], fraction float8) returns bigint: the
 * bucket is the one that percentile_disc() would find its value in, the
 * place in it by interpolation.
 */
Datum
aiu_rollup_latency_percentile(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	float8		fraction = PG_GETARG_FLOAT8(1);
	int64	   *counts = (int64 *) ARR_DATA_PTR(array);
	float8		total = 0;
	float8		before = 0;
	float8		rank;
	int			i;

	if (ARR_NDIM(array) != 1 || ARR_HASNULL(array) || ArrayGetNItems(1, ARR_DIMS(array)) != LATENCY_BUCKETS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("latency counts must be an array of %d numbers", (int) LATENCY_BUCKETS)));
	if (isnan(fraction) || fraction < 0 || fraction > 1)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("percentile value %g is not between 0 and 1", fraction)));

	/* a day can have more taken back than it has, when that was booked later */
	for (i = 0; i < LATENCY_BUCKETS; i++)
		total += Max(counts[i], 0);
	if (total == 0)
		PG_RETURN_NULL();
	rank = Max(ceil(fraction * total), 1);
	for (i = 0; i < LATENCY_BUCKETS - 1; i++)
	{
		float8		count = Max(counts[i], 0);

		if (before + count >= rank)
		{
			int32		low = i == 0 ? 0 : latency_bounds[i - 1];

			PG_RETURN_INT64(low + (int64) ceil((latency_bounds[i] - low) * ((rank - before) / count)));
		}
		before += count;
	}
	PG_RETURN_INT64(latency_bounds[LATENCY_BUCKETS - 2]);
}
