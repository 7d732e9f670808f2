/*-------------------------------------------------------------------------
 *
 * period_cache.c
 *	  Billing time: which invoice period a row belongs to.
 *
 * A period is a month of a calendar: it begins on the calendar's start day
 * (in a shorter month, on that month's last day) at the first instant of that
 * day in the calendar's zone, and its number follows from that day alone, so
 * nothing has to be written before a row can be stamped.
 *
 * Per backend: every calendar with its zone, and every period that the books
 * say something about (few: twelve a year and calendar, and only once they
 * are closed).  Each calendar remembers the bounds of the period it was asked
 * for last, so that a row usually costs two comparisons.  All of it belongs
 * to one generation of the group "periods" (common/catalog.h).
 *
 * A period's bounds are the truth, not the local date: where clocks go back
 * across midnight, a date can come twice.  The first instant counts, and what
 * follows is in the new period even while the local clock shows the day
 * before.
 *
 * Closing against inserts: aiusage.close_period() locks the ledger against
 * writers first, and the invalidation of this cache is sent at its commit,
 * before that lock goes.  An insert waits for the lock and takes in what was
 * sent on getting it, so no row lands in a period after it was closed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "attribution/attribution_internal.h"
#include "common/catalog.h"
#include "common/errors.h"
#include "common/owner.h"

typedef struct Calendar
{
	int32		number;
	int			start_day;
	pg_tz	   *zone;			/* PostgreSQL's own cache, lives as long as the backend */

	/* the period asked for last: [from, to), empty at first */
	TimestampTz from;
	TimestampTz to;
	int32		period;
	int32		billed_in;		/* itself, or the next that takes usage */
} Calendar;

typedef struct KnownPeriod
{
	int32		period;
	AiuPeriodStatus status;
} KnownPeriod;

/*---- Local variables ----*/

static MemoryContext cache_context = NULL;
static Calendar *calendars = NULL;	/* by number */
static int	ncalendars = 0;
static KnownPeriod *known = NULL;	/* by period; those that are not open */
static int	nknown = 0;
static uint64 cache_generation = 0; /* 0: nothing is loaded */
static bool loaded_in_parallel = false; /* good until the parallel operation ends */


/*-------------------------------------------------------------------------
 * Loading
 *-------------------------------------------------------------------------
 */

static AiuPeriodStatus
parse_status(const char *s)
{
	if (strcmp(s, "closing") == 0)
		return AIU_PERIOD_CLOSING;
	if (strcmp(s, "closed") == 0)
		return AIU_PERIOD_CLOSED;
	if (strcmp(s, "invoiced") == 0)
		return AIU_PERIOD_INVOICED;
	return AIU_PERIOD_OPEN;
}

/*
 * Read the group anew.  Built aside and swapped in, so that an error leaves
 * what was there (which is out of date and will be read again).
 *
 * While a query runs in parallel no later snapshot can be had than its own.
 * What is read under that is good for the query, and for no longer.
 */
static void
load(uint64 generation)
{
	MemoryContext context;
	MemoryContext spi_context;
	AiuOwnerSpi save;
	Calendar   *new_calendars;
	KnownPeriod *new_known;
	int			new_ncalendars;
	int			new_nknown;
	bool		parallel = IsInParallelMode();
	bool		isnull;
	int			i;

	context = AllocSetContextCreate(CurrentMemoryContext, "aiusage periods",
									ALLOCSET_SMALL_SIZES);
	if (parallel)
		aiu_owner_spi_begin_write(&save);
	else
		aiu_owner_spi_begin(&save);

	if (SPI_execute("SELECT c.calendar, c.start_day, c.time_zone"
					"  FROM aiusage.billing_calendar AS c ORDER BY c.calendar",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read billing calendars");
	spi_context = MemoryContextSwitchTo(context);
	new_ncalendars = (int) SPI_processed;
	new_calendars = palloc0(sizeof(Calendar) * (new_ncalendars + 1));
	for (i = 0; i < new_ncalendars; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		Calendar   *c = &new_calendars[i];
		char	   *zone = SPI_getvalue(tuple, desc, 3);

		c->number = DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull));
		c->start_day = DatumGetInt32(SPI_getbinval(tuple, desc, 2, &isnull));
		c->zone = pg_tzset(zone);
		if (c->zone == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_AIU_INVALID),
					 errmsg("time zone \"%s\" of billing calendar %d is not known to this server",
							zone, c->number),
					 errhint("Install the time zone data that the books were made with.")));
	}
	MemoryContextSwitchTo(spi_context);

	if (SPI_execute("SELECT p.period, p.status FROM aiusage.invoice_period AS p"
					" WHERE p.status OPERATOR(pg_catalog.<>) 'open' ORDER BY p.period",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read invoice periods");
	spi_context = MemoryContextSwitchTo(context);
	new_nknown = (int) SPI_processed;
	new_known = palloc0(sizeof(KnownPeriod) * (new_nknown + 1));
	for (i = 0; i < new_nknown; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;

		new_known[i].period = DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull));
		new_known[i].status = parse_status(SPI_getvalue(tuple, desc, 2));
	}
	MemoryContextSwitchTo(spi_context);
	aiu_owner_spi_end(&save);

	MemoryContextSetParent(context, CacheMemoryContext);
	if (cache_context != NULL)
		MemoryContextDelete(cache_context);
	cache_context = context;
	calendars = new_calendars;
	ncalendars = new_ncalendars;
	known = new_known;
	nknown = new_nknown;
	cache_generation = generation;
	loaded_in_parallel = parallel;
}

static inline void
ensure_loaded(void)
{
	uint64		generation = aiu_catalog_generation(AIU_CATALOG_PERIODS);

	if (unlikely(cache_generation != generation || (loaded_in_parallel && !IsInParallelMode())))
		load(generation);
}

static Calendar *
find_calendar(int32 number)
{
	int			low = 0;
	int			high = ncalendars;

	if (ncalendars > 0 && calendars[0].number == number)
		return &calendars[0];	/* the global one */
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (calendars[middle].number == number)
			return &calendars[middle];
		if (calendars[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	ereport(ERROR,
			(errcode(ERRCODE_AIU_UNKNOWN),
			 errmsg("billing calendar %d does not exist", number),
			 errhint("aiusage.set_billing_calendar() makes one.")));
	return NULL;				/* keep the compiler quiet */
}

static AiuPeriodStatus
find_status(int32 period)
{
	int			low = 0;
	int			high = nknown;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (known[middle].period == period)
			return known[middle].status;
		if (known[middle].period < period)
			low = middle + 1;
		else
			high = middle;
	}
	return AIU_PERIOD_OPEN;
}


/*-------------------------------------------------------------------------
 * Calendar arithmetic.  A month is counted as year * 12 + month - 1.
 *-------------------------------------------------------------------------
 */

/* Month of the first day of the first and last periods there can be. */
#define MONTH_MIN	(1 * 12)
#define MONTH_MAX	(8332 * 12 + 11)

static void
check_month(int month)
{
	if (month < MONTH_MIN || month > MONTH_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("time is outside the years of billing calendars"),
				 errdetail("Invoice periods exist for the years 1 to 8332.")));
}

/* Julian day on which the period of this month begins. */
static int
first_day(const Calendar *c, int month)
{
	int			year = month / 12;
	int			m = month % 12;

	return date2j(year, m + 1, Min(c->start_day, day_tab[isleap(year)][m]));
}

/* Local date in the calendar's zone, as a Julian day. */
static int
local_day(const Calendar *c, TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;

	if (timestamp2tm(at, &tz, &tm, &fsec, NULL, c->zone) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return date2j(tm.tm_year, tm.tm_mon, tm.tm_mday);
}

/* Seconds east of Greenwich at an instant. */
static int64
offset_at(const Calendar *c, TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;

	if (timestamp2tm(at, &tz, &tm, &fsec, NULL, c->zone) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return -(int64) tz;
}

/*
 * The first instant at which the local clock shows this day.
 *
 * Midnight under the offset that is in force a day earlier comes first, and
 * is right unless the clock changes in between; then midnight under the
 * offset of a day later is tried, and where neither exists (clocks that jump
 * over midnight) the day begins at the jump, which is midnight under the
 * earlier offset.
 */
static TimestampTz
day_start(const Calendar *c, int julian_day)
{
	TimestampTz midnight = (TimestampTz) (julian_day - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
	TimestampTz before;
	TimestampTz after;

	before = midnight - offset_at(c, midnight - USECS_PER_DAY) * USECS_PER_SEC;
	if (local_day(c, before) >= julian_day && local_day(c, before - 1) < julian_day)
		return before;
	after = midnight - offset_at(c, midnight + USECS_PER_DAY) * USECS_PER_SEC;
	if (local_day(c, after) >= julian_day && local_day(c, after - 1) < julian_day)
		return after;
	return before;
}

/* The month whose period a time falls into; sets its bounds. */
static int
locate(const Calendar *c, TimestampTz at, TimestampTz *from, TimestampTz *to)
{
	int			julian_day;
	int			year;
	int			m;
	int			day;
	int			month;

	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("an infinite time is in no invoice period")));
	julian_day = local_day(c, at);
	j2date(julian_day, &year, &m, &day);
	month = year * 12 + m - 1;
	check_month(month);
	if (julian_day < first_day(c, month))
		month--;
	check_month(month);

	*from = day_start(c, first_day(c, month));
	*to = day_start(c, first_day(c, month + 1));
	/* a date that came twice */
	if (at < *from)
	{
		month--;
		*to = *from;
		*from = day_start(c, first_day(c, month));
	}
	else if (at >= *to)
	{
		month++;
		*from = *to;
		*to = day_start(c, first_day(c, month + 1));
	}
	check_month(month);
	return month;
}

static Calendar *
locate_cached(int32 calendar, TimestampTz at)
{
	Calendar   *c;

	ensure_loaded();
	c = find_calendar(calendar);
	if (unlikely(at < c->from || at >= c->to))
	{
		TimestampTz from;
		TimestampTz to;
		int32		period = c->number * AIU_PERIOD_FACTOR + locate(c, at, &from, &to);

		c->period = period;
		while (find_status(period) >= AIU_PERIOD_CLOSED)
			period++;
		c->billed_in = period;
		c->from = from;
		c->to = to;
	}
	return c;
}

int32
aiu_invoice_period(int32 calendar, TimestampTz at)
{
	return locate_cached(calendar, at)->billed_in;
}

int32
aiu_period_of(int32 calendar, TimestampTz at)
{
	return locate_cached(calendar, at)->period;
}

void
aiu_period_bounds(int32 period, AiuPeriodBounds *bounds)
{
	int			month = period % AIU_PERIOD_FACTOR;
	const Calendar *c;

	ensure_loaded();
	if (period < 0 || month < MONTH_MIN || month > MONTH_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("%d is not the number of an invoice period", period),
				 errhint("aiusage.period_of(calendar, time) gives the number of the period a time falls into.")));
	c = find_calendar(period / AIU_PERIOD_FACTOR);
	bounds->starts_on = first_day(c, month) - POSTGRES_EPOCH_JDATE;
	bounds->ends_on = first_day(c, month + 1) - POSTGRES_EPOCH_JDATE;
	bounds->starts_at = day_start(c, first_day(c, month));
	bounds->ends_at = day_start(c, first_day(c, month + 1));
}

AiuPeriodStatus
aiu_period_status(int32 period)
{
	ensure_loaded();
	return find_status(period);
}
