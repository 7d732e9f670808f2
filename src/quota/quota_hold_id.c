/*-------------------------------------------------------------------------
 *
 * quota_hold_id.c
 *	  Ids of holds, which prove that admission made them.
 *
 * A row that names a genuine hold is never refused, so a hold id must not be
 * made up.  It is a UUIDv8 (RFC 9562):
 *
 *		48 bits		Unix milliseconds at which the hold expires
 *		 4 bits		version 8
 *		12 bits		count
 *		 2 bits		variant
 *		14 bits		count
 *		48 bits		SipHash-2-4 (key of the books; the 80 bits before, api key), cut
 *
 * SipHash is made for this: a short message, and nobody who makes ids up knows
 * the key.  What HMAC-SHA256 would add is lost by the cut anyway, and it takes a
 * third of what admission takes.  The key comes from the secret by HMAC-SHA256, once a backend.
 *
 * The count tells ids of one millisecond apart; that it can be guessed does not
 * matter, for the code cannot.  The secret is aiusage.books.hold_secret, which nobody but the books' owner
 * reads; it is in dumps, so that holds stay genuine in a restored database.
 * Guessing an id takes 2^47 inserts that are refused and recorded, and then
 * gives what spent = true gives a gateway anyway: a row that is flagged.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/catalog.h"
#include "common/compat.h"
#include "common/owner.h"
#include "common/siphash.h"
#include "quota/quota_hold_internal.h"

#define SECRET_LEN		32
#define NONCE_LEN		10
#define MAC_LEN			(UUID_LEN - NONCE_LEN)

/* milliseconds between the Unix epoch and PostgreSQL's */
#define EPOCH_SHIFT_MS	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000)

/*---- Local variables ----*/

static uint8 mac_key[AIU_SIPHASH_KEY_LEN];
static uint64 secret_generation = 0;

static void
derive_key(const uint8 *secret)
{
	static const uint8 purpose[] = "aiusage hold";
	pg_hmac_ctx *ctx = pg_hmac_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];

	if (ctx == NULL ||
		pg_hmac_init(ctx, secret, SECRET_LEN) < 0 ||
		pg_hmac_update(ctx, purpose, sizeof(purpose)) < 0 ||
		pg_hmac_final(ctx, digest, sizeof(digest)) < 0)
	{
		pg_hmac_free(ctx);
		elog(ERROR, "could not compute the key of hold ids");
	}
	pg_hmac_free(ctx);
	memcpy(mac_key, digest, sizeof(mac_key));
}

static void
load_secret(void)
{
	uint64		generation = aiu_catalog_generation(AIU_CATALOG_SETTINGS);
	AiuOwnerSpi save;
	bool		isnull = true;
	bool		good = false;

	if (likely(secret_generation == generation))
		return;
	secret_generation = 0;
	aiu_owner_spi_begin(&save);
	if (SPI_execute("SELECT hold_secret FROM aiusage.books", true, 1) == SPI_OK_SELECT && SPI_processed == 1)
	{
		Datum		d = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);

		if (!isnull)
		{
			bytea	   *b = DatumGetByteaPP(d);

			if (VARSIZE_ANY_EXHDR(b) == SECRET_LEN)
			{
				derive_key((const uint8 *) VARDATA_ANY(b));
				good = true;
			}
		}
	}
	aiu_owner_spi_end(&save);
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the books of aiusage have no secret for hold ids"),
				 errhint("Run SELECT aiusage.init(); or restore aiusage.books from a backup.")));
	secret_generation = generation;
}

static void
compute_mac(const uint8 *nonce, const AiuLabel *key, uint8 *mac)
{
	uint8		message[NONCE_LEN + AIU_LABEL_MAX];
	uint64		code;
	int			i;

	if (key->len > AIU_LABEL_MAX)
		elog(ERROR, "the label of a hold's key has %d bytes", key->len);
	memcpy(message, nonce, NONCE_LEN);
	memcpy(message + NONCE_LEN, key->s, key->len);
	code = aiu_siphash(mac_key, message, NONCE_LEN + key->len);
	for (i = 0; i < MAC_LEN; i++)
		mac[i] = (uint8) (code >> (8 * i));
}

void
aiu_hold_make_id(const AiuLabel *key, TimestampTz expires_at, pg_uuid_t *id)
{
	int64		ms = expires_at / 1000 + EPOCH_SHIFT_MS;
	uint32		count;
	int			i;

	load_secret();
	if (aiu_hold_table != NULL)
		count = pg_atomic_fetch_add_u32(&aiu_hold_table->next_nonce, 1);
	else if (!pg_strong_random(&count, sizeof(count)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	id->data[9] = (uint8) count;
	id->data[8] = (uint8) ((count >> 8) & 0x3F) | 0x80;
	id->data[7] = (uint8) (count >> 14);
	id->data[6] = (uint8) ((count >> 22) & 0x0F) | 0x80;
	for (i = 5; i >= 0; i--)
	{
		id->data[i] = (uint8) ms;
		ms >>= 8;
	}
	compute_mac(id->data, key, id->data + NONCE_LEN);
}

bool
aiu_hold_id_genuine(const pg_uuid_t *id, const AiuLabel *key)
{
	uint8		mac[MAC_LEN];
	uint8		differs = 0;
	int			i;

	if ((id->data[6] & 0xF0) != 0x80 || (id->data[8] & 0xC0) != 0x80)
		return false;
	load_secret();
	compute_mac(id->data, key, mac);
	/* takes the same time wherever they differ */
	for (i = 0; i < MAC_LEN; i++)
		differs |= mac[i] ^ id->data[NONCE_LEN + i];
	return differs == 0;
}

TimestampTz
aiu_quota_hold_id_expires(const pg_uuid_t *id)
{
	int64		ms = 0;
	int			i;

	for (i = 0; i < 6; i++)
		ms = ms << 8 | id->data[i];
	return (ms - EPOCH_SHIFT_MS) * 1000;
}
