/*-------------------------------------------------------------------------
 *
 * attribution_internal.h
 *	  What the files of this area share: price books, billing time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_ATTRIBUTION_INTERNAL_H
#define AIU_ATTRIBUTION_INTERNAL_H

#include "attribution/attribution.h"
#include "attribution/calendar.h"

/* ---------- book_choice.c ---------- */

typedef enum AiuBookScope
{
	AIU_BOOKS_OF_KEY,
	AIU_BOOKS_OF_CUSTOMER,
	AIU_BOOKS_OF_TEAM
} AiuBookScope;

typedef struct AiuBookSpan
{
	TimestampTz valid_from;
	TimestampTz valid_to;		/* exclusive; DT_NOEND: until further notice */
	bool		charge;			/* what for: the charge, else the cost */
	const char *book;
} AiuBookSpan;

typedef struct AiuBookSpans
{
	int			nspans;
	AiuBookSpan *spans;
} AiuBookSpans;

extern void aiu_books_load(AiuBookScope scope, const AiuLabel *name, AiuBookSpans *books);
extern void aiu_books_choose(const AiuBookSpans *own, const AiuLabel *customer, const char *team,
							 TimestampTz at, const char **cost_book, const char **charge_book);

/* ---------- period_cache.c ---------- */

typedef enum AiuPeriodStatus
{
	AIU_PERIOD_OPEN,
	AIU_PERIOD_CLOSING,			/* takes usage until its grace is over, corrections until it is closed */
	AIU_PERIOD_CLOSED,
	AIU_PERIOD_INVOICED
} AiuPeriodStatus;

/* The period a time falls into, whether open or not. */
extern int32 aiu_period_of(int32 calendar, TimestampTz at);

/* Errors with UA404 when the period's calendar does not exist, UA422 when it is no period. */
extern void aiu_period_bounds(int32 period, AiuPeriodBounds *bounds);
extern char *aiu_period_label(int32 period);
extern AiuPeriodStatus aiu_period_status(int32 period);
/* Does a calendar have a period of that number?  No error. */
extern bool aiu_period_exists(int32 period);

#endif							/* AIU_ATTRIBUTION_INTERNAL_H */
