/*-------------------------------------------------------------------------
 *
 * calendar.c
 *	  Calendar arithmetic: which period a time is in, where a period begins.
 *
 * A period begins at the first instant of its first day in the calendar's
 * zone.  Its bounds are the truth, not the local date: where clocks go back
 * across midnight, a date can come twice.  The first instant counts, and what
 * follows is in the new period even while the local clock shows the day
 * before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"

#include "attribution/calendar.h"
#include "common/errors.h"
#include "common/zone.h"

/*
 * Numbers of the first and last periods there can be: the period after one is
 * asked for too, and dates end in the year 5874897, times in 294276.
 */
#define MONTH_MIN	(1 * 12)
#define MONTH_MAX	(8332 * 12 + 11)
#define QUARTER_MIN (1 * 4)
#define QUARTER_MAX (8331 * 4 + 3)
#define WEEK_MIN	1
#define WEEK_MAX	99000

/* Monday, 1 January 1900 */
#define WEEK_EPOCH	2415021

/* A month is counted as year * 12 + month - 1. */
static int
month_of(int julian_day)
{
	int			year;
	int			month;
	int			day;

	j2date(julian_day, &year, &month, &day);
	return year * 12 + month - 1;
}

/* The calendar's start day in that month; in a shorter one, its last day. */
static int
day_in_month(const AiuCalendar *c, int month)
{
	int			year = month / 12;
	int			m = month % 12;

	return date2j(year, m + 1, Min(c->start_day, day_tab[isleap(year)][m]));
}

/* Julian day on which a period begins; of a custom one only where it does. */
static int
first_day(const AiuCalendar *c, int index)
{
	switch (c->unit)
	{
		case AIU_CALENDAR_MONTH:
			return day_in_month(c, index);
		case AIU_CALENDAR_QUARTER:
			return day_in_month(c, index * 3 + c->start_month - 1);
		case AIU_CALENDAR_WEEK:
			return WEEK_EPOCH + c->start_day - 1 + index * 7;
		case AIU_CALENDAR_CUSTOM:
			break;
	}
	Assert(index >= 1 && index <= c->nstarts);
	return c->starts[index - 1];
}

/* The period that a local date belongs to. */
static int
index_of_day(const AiuCalendar *c, int julian_day)
{
	int			month;
	int			low;
	int			high;

	switch (c->unit)
	{
		case AIU_CALENDAR_MONTH:
		case AIU_CALENDAR_QUARTER:
			month = month_of(julian_day);
			if (month < MONTH_MIN || month > MONTH_MAX)
				return -1;
			if (julian_day < day_in_month(c, month))
				month--;
			if (c->unit == AIU_CALENDAR_MONTH)
				return month;
			return (month - (c->start_month - 1)) / 3;
		case AIU_CALENDAR_WEEK:
			if (julian_day < WEEK_EPOCH + c->start_day - 1)
				return -1;
			return (julian_day - WEEK_EPOCH - (c->start_day - 1)) / 7;
		case AIU_CALENDAR_CUSTOM:
			break;
	}

	/* how many have begun by then */
	low = 0;
	high = c->nstarts;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (c->starts[middle] <= julian_day)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
aiu_calendar_has(const AiuCalendar *c, int index)
{
	switch (c->unit)
	{
		case AIU_CALENDAR_MONTH:
			return index >= MONTH_MIN && index <= MONTH_MAX;
		case AIU_CALENDAR_QUARTER:
			return index >= QUARTER_MIN && index <= QUARTER_MAX;
		case AIU_CALENDAR_WEEK:
			return index >= WEEK_MIN && index <= WEEK_MAX;
		case AIU_CALENDAR_CUSTOM:
			break;
	}
	return index >= 0 && index <= c->nstarts;
}

static TimestampTz
starts_at(const AiuCalendar *c, int index)
{
	if (c->unit == AIU_CALENDAR_CUSTOM)
	{
		if (index < 1)
			return DT_NOBEGIN;
		if (index > c->nstarts)
			return DT_NOEND;
	}
	return aiu_zone_day_start(c->zone, first_day(c, index));
}

static DateADT
starts_on(const AiuCalendar *c, int index)
{
	if (c->unit == AIU_CALENDAR_CUSTOM)
	{
		if (index < 1)
			return DATEVAL_NOBEGIN;
		if (index > c->nstarts)
			return DATEVAL_NOEND;
	}
	return first_day(c, index) - POSTGRES_EPOCH_JDATE;
}

static void
check_index(const AiuCalendar *c, int index)
{
	if (!aiu_calendar_has(c, index))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("time is outside the years of billing calendars"),
				 c->unit == AIU_CALENDAR_WEEK ?
				 errdetail("Weekly invoice periods exist for the years 1900 to 3797.") :
				 errdetail("Invoice periods exist for the years 1 to 8332."),
				 errhint("Look at the clock that it came from.")));
}

int
aiu_calendar_locate(const AiuCalendar *c, TimestampTz at, TimestampTz *from, TimestampTz *to)
{
	int			index;

	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("an infinite time is in no invoice period"),
				 errhint("now() is the time of today's.")));
	index = index_of_day(c, aiu_zone_local_day(c->zone, at));
	check_index(c, index);

	*from = starts_at(c, index);
	*to = starts_at(c, index + 1);
	/* a date that came twice */
	if (at < *from)
	{
		check_index(c, --index);
		*to = *from;
		*from = starts_at(c, index);
	}
	else if (at >= *to)
	{
		check_index(c, ++index);
		*from = *to;
		*to = starts_at(c, index + 1);
	}
	return index;
}

void
aiu_calendar_bounds(const AiuCalendar *c, int index, AiuPeriodBounds *bounds)
{
	bounds->starts_on = starts_on(c, index);
	bounds->ends_on = starts_on(c, index + 1);
	bounds->starts_at = starts_at(c, index);
	bounds->ends_at = starts_at(c, index + 1);
}

char *
aiu_calendar_label(const AiuCalendar *c, int index)
{
	int			julian_day;
	int			year;
	int			month;
	int			day;

	if (c->unit == AIU_CALENDAR_QUARTER)
		return psprintf("%04d-Q%d", index / 4, index % 4 + 1);

	if (c->unit == AIU_CALENDAR_CUSTOM && index >= 1 && c->labels[index - 1] != NULL)
		return pstrdup(c->labels[index - 1]);
	if (c->unit == AIU_CALENDAR_CUSTOM && c->nstarts == 0)
		return pstrdup("undivided");

	julian_day = first_day(c, Max(index, c->unit == AIU_CALENDAR_CUSTOM ? 1 : 0));
	j2date(julian_day, &year, &month, &day);
	if (c->unit == AIU_CALENDAR_MONTH)
		return psprintf("%04d-%02d", year, month);
	/* weeks that begin on Monday are those of ISO 8601 */
	if (c->unit == AIU_CALENDAR_WEEK && c->start_day == 1)
		return psprintf("%04d-W%02d", date2isoyear(year, month, day), date2isoweek(year, month, day));
	return psprintf("%s%04d-%02d-%02d", c->unit == AIU_CALENDAR_CUSTOM && index < 1 ? "before " : "",
					year, month, day);
}
