/*-------------------------------------------------------------------------
 *
 * quota_window.c
 *	  Which window of a limit a time falls into, and when that ends.
 *
 * A window is found from the time and the zone; nothing is ever reset.
 *
 *   minute, hour   of the local clock.  Where the clock changes by less than an
 *                  hour, the hour it changes in is cut in two.
 *   day and longer local days, from the first instant at which the clock shows
 *                  the date to that of the next window's: 23 to 25 hours.
 *   interval       months and days count from 2000-01-01, local; a length of
 *                  time is always that long, and counts from the first instant
 *                  of that day.
 *   sliding        sub-buckets of a twelfth of the window, aligned to the UTC
 *                  epoch.  The current one and the twelve before it are summed:
 *                  never less than the window, at most a twelfth more.
 *   invoice_period what the row was stamped with.
 *   total          one window, which never ends.
 *
 * Each limit remembers the window it was asked for last.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "attribution/attribution.h"
#include "common/catalog.h"
#include "common/zone.h"
#include "quota/quota_config.h"

/* 1970-01-01 in microseconds of PostgreSQL's epoch */
#define UNIX_EPOCH	((int64) (UNIX_EPOCH_JDATE - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)

#define ORIGIN_YEAR	2000

static inline int64
floor_div(int64 a, int64 b)
{
	int64		q = a / b;

	return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

static inline void
check_end(TimestampTz ends)
{
	if (unlikely(!IS_VALID_TIMESTAMP(ends)))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
}

/*
 * The first local days, as Julian days, of the window that holds a day and of
 * the one after it.
 */
static void
days_of_window(const AiuQuotaDef *def, const struct AiuQuotaClock *clock, int day, int *first, int *next)
{
	int			months = clock->months;
	int			year;
	int			month;
	int			mday;
	int64		start;

	if (months == 0)
	{
		/* weeks begin on Mondays, intervals of days on 2000-01-01 */
		int			origin = def->window == AIU_WINDOW_WEEK ?
			date2j(ORIGIN_YEAR, 1, 3) : date2j(ORIGIN_YEAR, 1, 1);

		*first = (int) (origin + floor_div(day - origin, clock->days) * clock->days);
		*next = *first + clock->days;
		return;
	}
	j2date(day, &year, &month, &mday);
	start = floor_div((int64) (year - ORIGIN_YEAR) * 12 + month - 1, months) * months + ORIGIN_YEAR * 12;
	*first = date2j((int) floor_div(start, 12), (int) (start - floor_div(start, 12) * 12) + 1, 1);
	start += months;
	*next = date2j((int) floor_div(start, 12), (int) (start - floor_div(start, 12) * 12) + 1, 1);
}

static void
locate_days(const AiuQuotaDef *def, struct AiuQuotaClock *clock, TimestampTz at)
{
	int			day = aiu_zone_local_day(clock->zone, at);
	int			first;
	int			next;

	days_of_window(def, clock, day, &first, &next);
	clock->from = aiu_zone_day_start(clock->zone, first);
	clock->to = aiu_zone_day_start(clock->zone, next);
	/* a date that came twice */
	if (at < clock->from || at >= clock->to)
	{
		days_of_window(def, clock, at < clock->from ? first - 1 : next, &first, &next);
		clock->from = aiu_zone_day_start(clock->zone, first);
		clock->to = aiu_zone_day_start(clock->zone, next);
	}
}

/* The minute or hour of the local clock.  False when the clock changes in it: then it is good for this time only. */
static bool
locate_clock(struct AiuQuotaClock *clock, TimestampTz at)
{
	int64		offset = aiu_zone_offset(clock->zone, at);

	clock->from = floor_div(at + offset, clock->usecs) * clock->usecs - offset;
	clock->to = clock->from + clock->usecs;
	return aiu_zone_offset(clock->zone, clock->from) == offset &&
		aiu_zone_offset(clock->zone, clock->to - 1) == offset;
}

void
aiu_quota_window(const AiuQuotaDef *def, TimestampTz at, int32 invoice_period,
				 int64 *window, TimestampTz *starts, TimestampTz *ends)
{
	struct AiuQuotaClock *clock = def->clock;
	uint64		generation;
	bool		keep = true;

	if (def->window == AIU_WINDOW_TOTAL)
	{
		*window = 0;
		*starts = DT_NOBEGIN;
		*ends = DT_NOEND;
		return;
	}
	if (def->window == AIU_WINDOW_PERIOD)
	{
		*window = invoice_period;
		generation = aiu_catalog_generation(AIU_CATALOG_PERIODS);
		if (clock->period != invoice_period || clock->generation != generation)
		{
			/* a number that is no period must not stop a fold */
			clock->period = invoice_period;
			clock->generation = generation;
			if (!aiu_period_times(invoice_period, &clock->from, &clock->to))
			{
				clock->from = DT_NOBEGIN;
				clock->to = DT_NOEND;
			}
		}
		*starts = clock->from;
		*ends = clock->to;
		return;
	}
	if (def->sliding)
	{
		if (likely(at >= clock->from && at < clock->to))
		{
			*window = *starts = clock->from;
			*ends = clock->from + (AIU_QUOTA_RING + 1) * def->sub_usec;
			return;
		}
		/* far from the ends of time, or the sums below would leave it */
		(void) aiu_zone_local_day(clock->zone, at);
		*starts = floor_div(at - UNIX_EPOCH, def->sub_usec) * def->sub_usec + UNIX_EPOCH;
		*window = *starts;
		*ends = *starts + (AIU_QUOTA_RING + 1) * def->sub_usec;
		check_end(*ends);
		clock->from = *starts;
		clock->to = *starts + def->sub_usec;
		return;
	}

	if (unlikely(at < clock->from || at >= clock->to))
	{
		if (clock->usecs == 0)
			locate_days(def, clock, at);
		else if (def->window == AIU_WINDOW_INTERVAL)
		{
			TimestampTz origin = aiu_zone_day_start(clock->zone, date2j(ORIGIN_YEAR, 1, 1));

			(void) aiu_zone_local_day(clock->zone, at);
			clock->from = origin + floor_div(at - origin, clock->usecs) * clock->usecs;
			clock->to = clock->from + clock->usecs;
		}
		else
			keep = locate_clock(clock, at);
	}
	*window = *starts = clock->from;
	*ends = clock->to;
	if (unlikely(!keep))
		clock->from = clock->to = 0;
	check_end(*ends);
}
