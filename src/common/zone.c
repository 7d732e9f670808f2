/*-------------------------------------------------------------------------
 *
 * zone.c
 *	  Local days in a time zone, whatever its clocks do.
 *
 * A day begins once: at the first instant at which the local clock shows its
 * date.  Days have 23 to 25 hours where clocks change by an hour, and a date
 * may come twice where they go back across midnight: what follows the first
 * instant of a day is that day, or a later one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "common/zone.h"

static int
local_time(pg_tz *zone, TimestampTz at, struct pg_tm *tm)
{
	fsec_t		fsec;
	int			tz;

	if (TIMESTAMP_NOT_FINITE(at) || timestamp2tm(at, &tz, tm, &fsec, NULL, zone) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return tz;
}

int
aiu_zone_local_day(pg_tz *zone, TimestampTz at)
{
	struct pg_tm tm;

	(void) local_time(zone, at, &tm);
	return date2j(tm.tm_year, tm.tm_mon, tm.tm_mday);
}

int64
aiu_zone_offset(pg_tz *zone, TimestampTz at)
{
	struct pg_tm tm;

	return -(int64) local_time(zone, at, &tm) * USECS_PER_SEC;
}

/*
 * Midnight under the offset that is in force a day earlier comes first, and
 * is right unless the clock changes in between; then midnight under the
 * offset of a day later is tried, and where neither exists (clocks that jump
 * over midnight) the day begins at the jump, which is midnight under the
 * earlier offset.
 */
TimestampTz
aiu_zone_day_start(pg_tz *zone, int julian_day)
{
	TimestampTz midnight = (TimestampTz) (julian_day - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
	TimestampTz before;
	TimestampTz after;

	before = midnight - aiu_zone_offset(zone, midnight - USECS_PER_DAY);
	if (aiu_zone_local_day(zone, before) >= julian_day && aiu_zone_local_day(zone, before - 1) < julian_day)
		return before;
	after = midnight - aiu_zone_offset(zone, midnight + USECS_PER_DAY);
	if (aiu_zone_local_day(zone, after) >= julian_day && aiu_zone_local_day(zone, after - 1) < julian_day)
		return after;
	return before;
}
