/*-------------------------------------------------------------------------
 *
 * period_cache.c
 *	  Billing time: which invoice period a row belongs to.
 *
 * A period's number follows from its calendar and the time alone
 * (calendar.c), so nothing has to be written before a row can be stamped.
 *
 * Per backend: every calendar with its zone, and every period that the books
 * say something about (few: twelve a year and calendar, and only once they
 * are being closed).  Each calendar remembers the bounds of the period it was
 * asked for last, so that a row usually costs two comparisons.  All of it
 * belongs to one generation of the group "periods" (common/catalog.h).
 *
 * Which period takes a row: the one its time falls into while that is open,
 * or is closing and its grace is not over; else the next that does.  So in
 * the days of grace a row looks at the clock, too, and at no other time.
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
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "attribution/attribution_internal.h"
#include "common/catalog.h"
#include "common/errors.h"
#include "common/owner.h"

typedef struct Calendar
{
	AiuCalendar c;

	/* the period asked for last: [from, to), empty at first */
	TimestampTz from;
	TimestampTz to;
	int32		period;
	int32		billed_in;		/* itself, or the next that takes usage */
	TimestampTz billed_until;	/* ... until the grace of that is over; infinite when it has none */
} Calendar;

typedef struct KnownPeriod
{
	int32		period;
	AiuPeriodStatus status;
	TimestampTz grace_until;	/* of one that is closing */
} KnownPeriod;

/*---- Local variables ----*/

static MemoryContext cache_context = NULL;
static Calendar *calendars = NULL;	/* by number */
static int	ncalendars = 0;
static KnownPeriod *known = NULL;	/* by period; those that are not open */
static int	nknown = 0;
static uint64 cache_generation = 0; /* 0: nothing is loaded */
static bool loaded_in_parallel = false; /* good for that snapshot only: */
static TransactionId loaded_xmax = InvalidTransactionId;
static uint32 loaded_running = 0;
static CommandId loaded_command = 0;


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

static AiuCalendarUnit
parse_unit(const char *s)
{
	if (strcmp(s, "quarter") == 0)
		return AIU_CALENDAR_QUARTER;
	if (strcmp(s, "week") == 0)
		return AIU_CALENDAR_WEEK;
	if (strcmp(s, "custom") == 0)
		return AIU_CALENDAR_CUSTOM;
	return AIU_CALENDAR_MONTH;
}

/* The lists of the custom calendars, in the order of the calendars. */
static void
load_boundaries(Calendar *list, int nlist, MemoryContext context)
{
	MemoryContext spi_context;
	uint64		row = 0;
	bool		isnull;
	int			i;

	if (SPI_execute("SELECT b.calendar, b.starts_on, b.label FROM aiusage.billing_boundary AS b"
					" ORDER BY b.calendar, b.starts_on",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the boundaries of billing calendars");
	spi_context = MemoryContextSwitchTo(context);
	for (i = 0; i < nlist; i++)
	{
		AiuCalendar *c = &list[i].c;
		uint64		first = row;
		int			n;

		while (row < SPI_processed &&
			   DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull)) == c->number)
			row++;
		if (row == first)
			continue;
		c->nstarts = (int) (row - first);
		c->starts = palloc(sizeof(int) * c->nstarts);
		c->labels = palloc(sizeof(char *) * c->nstarts);
		for (n = 0; n < c->nstarts; n++)
		{
			HeapTuple	tuple = SPI_tuptable->vals[first + n];

			c->starts[n] = DatumGetDateADT(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull)) + POSTGRES_EPOCH_JDATE;
			c->labels[n] = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 3);
		}
	}
	MemoryContextSwitchTo(spi_context);
}

/*
 * Read the group anew.  Built aside and swapped in, so that an error leaves
 * what was there (which is out of date and will be read again).
 *
 * While a query runs in parallel no later snapshot can be had than its own.
 * What is read under that is good for that snapshot, and for no other.
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

	if (SPI_execute("SELECT c.calendar, c.time_zone, c.unit, c.start_day, c.start_month"
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
		AiuCalendar *c = &new_calendars[i].c;
		char	   *zone = SPI_getvalue(tuple, desc, 2);

		c->number = DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull));
		c->unit = parse_unit(SPI_getvalue(tuple, desc, 3));
		c->start_day = DatumGetInt32(SPI_getbinval(tuple, desc, 4, &isnull));
		c->start_month = DatumGetInt32(SPI_getbinval(tuple, desc, 5, &isnull));
		c->zone = pg_tzset(zone);
		if (c->zone == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_AIU_INVALID),
					 errmsg("time zone \"%s\" of billing calendar %d is not known to this server",
							zone, c->number),
					 errhint("Install the time zone data that the books were made with.")));
	}
	MemoryContextSwitchTo(spi_context);
	load_boundaries(new_calendars, new_ncalendars, context);

	if (SPI_execute("SELECT p.period, p.status, p.grace_until FROM aiusage.invoice_period AS p"
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
		Datum		grace;

		new_known[i].period = DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull));
		new_known[i].status = parse_status(SPI_getvalue(tuple, desc, 2));
		grace = SPI_getbinval(tuple, desc, 3, &isnull);
		new_known[i].grace_until = isnull ? DT_NOEND : DatumGetTimestampTz(grace);
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
	if (parallel)
	{
		loaded_xmax = GetActiveSnapshot()->xmax;
		loaded_running = GetActiveSnapshot()->xcnt;
		loaded_command = GetActiveSnapshot()->curcid;
	}
}

/*
 * What was read in parallel: does a query with another snapshot ask by now?
 * Of those before an xmax transactions only end, so as many that run are the
 * same ones.
 */
static bool
of_another_snapshot(void)
{
	return !IsInParallelMode() || GetActiveSnapshot()->xmax != loaded_xmax ||
		GetActiveSnapshot()->xcnt != loaded_running || GetActiveSnapshot()->curcid != loaded_command;
}

static inline void
ensure_loaded(void)
{
	uint64		generation = aiu_catalog_generation(AIU_CATALOG_PERIODS);

	if (unlikely(cache_generation != generation || (loaded_in_parallel && of_another_snapshot())))
		load(generation);
}

/* NULL when there is none. */
static Calendar *
lookup_calendar(int32 number)
{
	int			low = 0;
	int			high = ncalendars;

	if (ncalendars > 0 && calendars[0].c.number == number)
		return &calendars[0];	/* the global one */
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (calendars[middle].c.number == number)
			return &calendars[middle];
		if (calendars[middle].c.number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static Calendar *
find_calendar(int32 number)
{
	Calendar   *c = lookup_calendar(number);

	if (c == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_UNKNOWN),
				 errmsg("billing calendar %d does not exist", number),
				 errhint("aiusage.set_billing_calendar() makes one.")));
	return c;
}

/* What is said about a period; NULL: nothing, so it is open. */
static const KnownPeriod *
find_known(int32 period)
{
	int			low = 0;
	int			high = nknown;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (known[middle].period == period)
			return &known[middle];
		if (known[middle].period < period)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* This period, or the first after it that is not closed. */
static int32
next_not_closed(int32 period)
{
	const KnownPeriod *k;

	while ((k = find_known(period)) != NULL && k->status >= AIU_PERIOD_CLOSED)
		period++;
	return period;
}

/* This period, or the first after it that takes usage now. */
static int32
next_taking(int32 period, TimestampTz *until)
{
	const KnownPeriod *k;
	TimestampTz now = 0;

	*until = DT_NOEND;
	while ((k = find_known(period)) != NULL)
	{
		if (k->status == AIU_PERIOD_CLOSING)
		{
			if (now == 0)
				now = GetCurrentTimestamp();
			if (now < k->grace_until)
			{
				*until = k->grace_until;
				break;
			}
		}
		period++;
	}
	return period;
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
		int			index = aiu_calendar_locate(&c->c, at, &from, &to);

		c->period = c->c.number * AIU_PERIOD_FACTOR + index;
		c->billed_in = next_taking(c->period, &c->billed_until);
		c->from = from;
		c->to = to;
	}
	else if (unlikely(c->billed_until != DT_NOEND && GetCurrentTimestamp() >= c->billed_until))
		c->billed_in = next_taking(c->period, &c->billed_until);
	return c;
}

int32
aiu_invoice_period(int32 calendar, TimestampTz at)
{
	return locate_cached(calendar, at)->billed_in;
}

int32
aiu_invoice_period_stamped(int32 period)
{
	ensure_loaded();
	return next_not_closed(period);
}

int32
aiu_period_of(int32 calendar, TimestampTz at)
{
	return locate_cached(calendar, at)->period;
}

bool
aiu_period_exists(int32 period)
{
	const Calendar *c;

	ensure_loaded();
	c = period < 0 ? NULL : lookup_calendar(period / AIU_PERIOD_FACTOR);
	return c != NULL && aiu_calendar_has(&c->c, period % AIU_PERIOD_FACTOR);
}

/* Calendar of a period that must be one. */
static const AiuCalendar *
calendar_of(int32 period)
{
	const AiuCalendar *c = NULL;

	ensure_loaded();
	/* too small to name a calendar: no number of a period at all */
	if (period >= AIU_PERIOD_FACTOR)
		c = &find_calendar(period / AIU_PERIOD_FACTOR)->c;
	if (c == NULL || !aiu_calendar_has(c, period % AIU_PERIOD_FACTOR))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("%d is not the number of an invoice period", period),
				 errhint("aiusage.period_of(calendar, time) gives the number of the period a time falls into.")));
	return c;
}

void
aiu_period_bounds(int32 period, AiuPeriodBounds *bounds)
{
	aiu_calendar_bounds(calendar_of(period), period % AIU_PERIOD_FACTOR, bounds);
}

char *
aiu_period_label(int32 period)
{
	return aiu_calendar_label(calendar_of(period), period % AIU_PERIOD_FACTOR);
}

bool
aiu_period_times(int32 period, TimestampTz *starts, TimestampTz *ends)
{
	const Calendar *c;
	AiuPeriodBounds bounds;

	ensure_loaded();
	c = period >= 0 ? lookup_calendar(period / AIU_PERIOD_FACTOR) : NULL;
	if (c == NULL || !aiu_calendar_has(&c->c, period % AIU_PERIOD_FACTOR))
		return false;
	aiu_calendar_bounds(&c->c, period % AIU_PERIOD_FACTOR, &bounds);
	*starts = bounds.starts_at;
	*ends = bounds.ends_at;
	return true;
}

AiuPeriodStatus
aiu_period_status(int32 period)
{
	const KnownPeriod *k;

	ensure_loaded();
	k = find_known(period);
	return k ? k->status : AIU_PERIOD_OPEN;
}
