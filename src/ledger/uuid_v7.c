/*-------------------------------------------------------------------------
 *
 * uuid_v7.c
 *	  Ledger ids: made at random, derived from a request, taken apart.
 *
 * RFC 9562 section 5.7: bits 0-47 Unix milliseconds, 48-51 version 7,
 * 52-63 rand_a, 64-65 variant 10, 66-127 rand_b.
 *
 * uuid_v7() puts the microseconds within the millisecond into rand_a (RFC
 * method 3), so ids of one session are ordered and the primary key's newest
 * page stays hot.  They are also when the clock is set back a little; when it is
 * by more, ids follow it, for they say when things happened.  event_id() fills all 74 bits from SHA-256 of (request id,
 * attempt, time): the same event has the same id everywhere, and nobody can
 * choose a request id that collides with another's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/pg_prng.h"
#include "common/sha2.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "common/errors.h"
#include "common/label.h"
#include "ledger/ledger.h"

AIU_FUNCTION(aiu_uuid_v7);
AIU_FUNCTION(aiu_uuid_v7_at);
AIU_FUNCTION(aiu_event_id);
AIU_FUNCTION(aiu_id_floor);
AIU_FUNCTION(aiu_id_time);

/* Microseconds from the Unix epoch to PostgreSQL's. */
#define EPOCH_DIFF_USECS	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)
#define MAX_MS				((INT64CONST(1) << 48) - 1)
/* Setting the clock back by no more leaves ids ordered. */
#define ORDERED_THROUGH		USECS_PER_SEC
/* Steps of the 12 bits after the milliseconds. */
#define STEPS				4096

bool
aiu_uuid_is_v7(const pg_uuid_t *id)
{
	return (id->data[6] >> 4) == 7 && (id->data[8] >> 6) == 2;
}

TimestampTz
aiu_uuid_time(const pg_uuid_t *id)
{
	int64		ms = 0;
	int			i;

	for (i = 0; i < 6; i++)
		ms = (ms << 8) | id->data[i];
	return ms * 1000 - EPOCH_DIFF_USECS;
}

/* Unix milliseconds, rounded down, and the microseconds left over. */
static int64
unix_ms(TimestampTz at, int *rest)
{
	int64		usecs;

	/* the last timestamps there are would overflow when counted from 1970 */
	if (TIMESTAMP_NOT_FINITE(at) || at < -EPOCH_DIFF_USECS || at / 1000 > MAX_MS - EPOCH_DIFF_USECS / 1000)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("timestamp out of range for a UUIDv7"),
				 errdetail("A UUIDv7 holds times from 1970 to the year 10889."),
				 errhint("Look at the clock that it came from.")));
	usecs = at + EPOCH_DIFF_USECS;
	*rest = (int) (usecs % 1000);
	return usecs / 1000;
}

static void
put_ms(pg_uuid_t *id, int64 ms)
{
	int			i;

	for (i = 5; i >= 0; i--)
	{
		id->data[i] = (unsigned char) (ms & 0xFF);
		ms >>= 8;
	}
}

static void
set_version(pg_uuid_t *id)
{
	id->data[6] = (id->data[6] & 0x0F) | 0x70;
	id->data[8] = (id->data[8] & 0x3F) | 0x80;
}

static pg_uuid_t *
make_v7(TimestampTz at)
{
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));
	uint64		random = pg_prng_uint64(&pg_global_prng_state);
	int			rest;
	int			fraction;

	put_ms(id, unix_ms(at, &rest));
	/* 1000 microseconds over the steps, the rest of the step at random */
	fraction = rest * STEPS / 1000 + (int) (random & 3);
	id->data[6] = (unsigned char) (fraction >> 8);
	id->data[7] = (unsigned char) (fraction & 0xFF);
	random = pg_prng_uint64(&pg_global_prng_state);
	memcpy(&id->data[8], &random, 8);
	set_version(id);
	return id;
}

static int64
steps_of(const pg_uuid_t *id)
{
	int64		steps = 0;
	int			i;

	for (i = 0; i < 6; i++)
		steps = (steps << 8) | id->data[i];
	return steps * STEPS + ((id->data[6] & 0x0F) << 8 | id->data[7]);
}

/* After the one before: two may fall into one step, and clocks are set back. */
Datum
aiu_uuid_v7(PG_FUNCTION_ARGS)
{
	static int64 last = 0;
	pg_uuid_t  *id = make_v7(GetCurrentTimestamp());
	int64		steps = steps_of(id);

	if (unlikely(steps <= last) && last - steps <= ORDERED_THROUGH / 1000 * STEPS)
	{
		steps = last + 1;
		put_ms(id, steps / STEPS);
		id->data[6] = (unsigned char) (steps % STEPS >> 8);
		id->data[7] = (unsigned char) (steps & 0xFF);
		set_version(id);
	}
	last = steps;
	PG_RETURN_UUID_P(id);
}

Datum
aiu_uuid_v7_at(PG_FUNCTION_ARGS)
{
	PG_RETURN_UUID_P(make_v7(PG_GETARG_TIMESTAMPTZ(0)));
}

/* event_id(request_id text, occurred_at timestamptz, attempt int) */
Datum
aiu_event_id(PG_FUNCTION_ARGS)
{
	text	   *request = PG_GETARG_TEXT_PP(0);
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);
	int32		attempt = PG_GETARG_INT32(2);
	pg_uuid_t  *id;
	pg_cryptohash_ctx *ctx;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	uint64		be_at = pg_hton64((uint64) at);
	uint32		be_attempt = pg_hton32((uint32) attempt);
	int64		ms;
	int			rest;

	if (VARSIZE_ANY_EXHDR(request) == 0 || VARSIZE_ANY_EXHDR(request) > AIU_LABEL_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("request id must have 1 to %d bytes", AIU_LABEL_MAX),
				 errdetail("It has %d bytes.", (int) VARSIZE_ANY_EXHDR(request)),
				 errhint("Give the gateway's own id of the request, or a digest of a longer one.")));
	if (attempt < 1)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("attempt must be 1 or more, not %d", attempt),
				 errhint("The first attempt is 1, which is the default.")));
	ms = unix_ms(at, &rest);

	ctx = pg_cryptohash_create(PG_SHA256);
	if (ctx == NULL || pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (uint8 *) &be_at, sizeof(be_at)) < 0 ||
		pg_cryptohash_update(ctx, (uint8 *) &be_attempt, sizeof(be_attempt)) < 0 ||
		pg_cryptohash_update(ctx, (uint8 *) VARDATA_ANY(request), VARSIZE_ANY_EXHDR(request)) < 0 ||
		pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-256");
	pg_cryptohash_free(ctx);

	id = palloc(sizeof(pg_uuid_t));
	memcpy(id->data, digest, UUID_LEN);
	put_ms(id, ms);
	set_version(id);
	PG_RETURN_UUID_P(id);
}

/* id_floor(timestamptz): the smallest id of that millisecond */
Datum
aiu_id_floor(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = palloc0(sizeof(pg_uuid_t));
	int			rest;

	put_ms(id, unix_ms(PG_GETARG_TIMESTAMPTZ(0), &rest));
	set_version(id);
	PG_RETURN_UUID_P(id);
}

/* id_time(uuid): the time in an id */
Datum
aiu_id_time(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = PG_GETARG_UUID_P(0);

	if (!aiu_uuid_is_v7(id))
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("the id is not a UUIDv7"),
				 errhint("Make ids with aiusage.uuid_v7(), or derive them with aiusage.event_id().")));
	PG_RETURN_TIMESTAMPTZ(aiu_uuid_time(id));
}
