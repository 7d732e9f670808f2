/*-------------------------------------------------------------------------
 *
 * attribution.h
 *	  Who owns this request: its key, the key's assignment at that time, and
 *	  the invoice period.  Per-backend caches over the ownership tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_ATTRIBUTION_H
#define AIU_ATTRIBUTION_H

#include "datatype/timestamp.h"
#include "common/label.h"

typedef enum AiuKeyStatus
{
	AIU_KEY_UNKNOWN,
	AIU_KEY_ACTIVE,
	AIU_KEY_DISABLED
} AiuKeyStatus;

typedef struct AiuAttribution
{
	AiuKeyStatus status;
	int64		assignment;		/* 0: unmatched */
	int32		calendar;		/* billing calendar of the assignment's cost center, else the global one */
	bool		route_allowed;	/* provider, model and endpoint are within the key's lists */
	const char *refused_part;	/* "provider", "model" or "endpoint" when not */
	const char *price_book;		/* of the key, customer or team; NUL-terminated, or NULL: the default book */
	const char *charge_book;	/* likewise, or NULL: the usage is not charged on */
	const char *stopped_part;	/* "team", "cost center" or "customer" when its usage is stopped, else NULL */
	AiuLabel	stopped_name;	/* which */
	int8		strict_prices;	/* usage without a price is refused: 1 yes, 0 no, -1 as the setting says */
} AiuAttribution;

/*
 * The names in the result belong to the cache: valid until the next call of
 * aiu_attribute() or aiu_books_at() in this backend.  endpoint->s may be NULL:
 * not said, which is allowed only for a key without a list of endpoints.  A
 * provider or model that is not said is not judged.  customer->s NULL: the
 * assignment's customer.
 */
extern void aiu_attribute(const AiuLabel *key, const AiuLabel *provider, const AiuLabel *model,
						  const AiuLabel *endpoint, const AiuLabel *customer, TimestampTz at,
						  AiuAttribution *result);

/* Which price books apply to usage under a given assignment (0: unmatched). */
extern void aiu_books_at(const AiuLabel *key, int64 assignment, const AiuLabel *customer, TimestampTz at,
						 const char **price_book, const char **charge_book);

/* The class of a key as it is today; {NULL, 0}: none.  Valid until the next call about keys. */
extern AiuLabel aiu_key_class(const AiuLabel *key);

/*
 * What an assignment says, by its number: ledger rows carry that, and of a
 * corrected row it is not the one of its key.  NULL: there is no such
 * assignment.  Valid until the next call.
 */
typedef struct AiuOwnership
{
	AiuLabel	team;
	AiuLabel	cost_center;
	AiuLabel	project;
	AiuLabel	environment;
	AiuLabel	workflow;
	AiuLabel	customer;
} AiuOwnership;

extern const AiuOwnership *aiu_ownership(int64 assignment);

/* A customer as it is today, also one that nobody has entered.  Valid until the next call. */
typedef struct AiuCustomer
{
	AiuLabel	plan_tier;		/* {NULL, 0}: none */
	bool		stopped;
} AiuCustomer;

extern const AiuCustomer *aiu_customer(const AiuLabel *customer);

/*
 * Billing time.  The number of a period is calendar * AIU_PERIOD_FACTOR plus
 * its place in the calendar (calendar.h).
 */
#define AIU_PERIOD_FACTOR	100000
#define AIU_CALENDAR_GLOBAL 1

/*
 * The period a row of this calendar and time is billed in: the period the
 * time falls into while that takes usage, else the next that does.
 */
extern int32 aiu_invoice_period(int32 calendar, TimestampTz at);

/* The period of a row that comes with one: that, or the next that is not closed. */
extern int32 aiu_invoice_period_stamped(int32 period);

/* A role that reads, with what its grants name: teams, cost centers, customers. */
typedef struct AiuReader
{
	Oid			role;
	bool		all;			/* everything, whatever they name */
	Datum		names[3];		/* text[] */
	MemoryContext context;
	struct AiuReaderAnswer *answers;	/* what was asked before */
} AiuReader;

/* The current user; the one given, when that is who it is, else a new one, for one query. */
extern AiuReader *aiu_access_reader(AiuReader *reader, MemoryContext context);
extern bool aiu_access_sees(AiuReader *reader, const AiuLabel *team, const AiuLabel *cost_center,
							const AiuLabel *customer, const AiuLabel *key);

/*
 * May the current user be told the prices of a book (NULL: of every book)?
 * Reads the books each time.
 */
extern bool aiu_access_may_use_book(const char *book, int len);

/* First instant of a period, and of the one after it; false when it is none of any calendar. */
extern bool aiu_period_times(int32 period, TimestampTz *starts, TimestampTz *ends);

#endif							/* AIU_ATTRIBUTION_H */
