/*-------------------------------------------------------------------------
 *
 * zone.h
 *	  Local days in a time zone, whatever its clocks do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_ZONE_H
#define AIU_ZONE_H

#include "datatype/timestamp.h"
#include "pgtime.h"

/* Local date at an instant, as a Julian day.  22008 when it is out of range or infinite. */
extern int	aiu_zone_local_day(pg_tz *zone, TimestampTz at);

/* Microseconds east of Greenwich at an instant. */
extern int64 aiu_zone_offset(pg_tz *zone, TimestampTz at);

/* The first instant at which the local clock shows this day. */
extern TimestampTz aiu_zone_day_start(pg_tz *zone, int julian_day);

#endif							/* AIU_ZONE_H */
