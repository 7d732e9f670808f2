/*-------------------------------------------------------------------------
 *
 * calendar.h
 *	  How a billing calendar divides time: arithmetic on a calendar that is
 *	  in memory, nothing else.
 *
 * The periods of a calendar are numbered without gaps, so the one after
 * period n is n + 1, and every instant is in exactly one:
 *
 *     month     year * 12 + month - 1 of its first day
 *     quarter   year * 4 + quarter - 1; the year is the one that begins in
 *               start_month, and is named by the year it begins in
 *     week      weeks since that of 1 January 1900
 *     custom    its place in the calendar's list, from 1; 0 is all time
 *               before the list begins, and the last has no end yet
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_CALENDAR_H
#define AIU_CALENDAR_H

#include "pgtime.h"
#include "utils/date.h"
#include "utils/timestamp.h"

typedef enum AiuCalendarUnit
{
	AIU_CALENDAR_MONTH,
	AIU_CALENDAR_QUARTER,
	AIU_CALENDAR_WEEK,
	AIU_CALENDAR_CUSTOM
} AiuCalendarUnit;

typedef struct AiuCalendar
{
	int32		number;
	AiuCalendarUnit unit;
	int			start_day;		/* day of the month, 1 to 31; of the week, 1 (Monday) to 7 */
	int			start_month;	/* quarter: the month its year begins in, 1 to 12 */
	pg_tz	   *zone;			/* PostgreSQL's own cache, lives as long as the backend */
	int			nstarts;		/* custom: first days of its periods, as Julian days, ascending */
	int		   *starts;
	char	  **labels;			/* their names, NULL: called by the first day */
} AiuCalendar;

/* First day and first instant of a period, and of the one after it; infinite where there is none. */
typedef struct AiuPeriodBounds
{
	DateADT		starts_on;
	DateADT		ends_on;
	TimestampTz starts_at;
	TimestampTz ends_at;
} AiuPeriodBounds;

/* The period (without the calendar's number) that a time falls into, and its bounds. */
extern int	aiu_calendar_locate(const AiuCalendar *c, TimestampTz at, TimestampTz *from, TimestampTz *to);

/* Is there a period of that number? */
extern bool aiu_calendar_has(const AiuCalendar *c, int index);
extern void aiu_calendar_bounds(const AiuCalendar *c, int index, AiuPeriodBounds *bounds);
/* Name for people, unique within the calendar; palloc'd. */
extern char *aiu_calendar_label(const AiuCalendar *c, int index);

#endif							/* AIU_CALENDAR_H */
