/*-------------------------------------------------------------------------
 *
 * digest.c
 *	  128-bit ids of sets of values: the first half of SHA-256 over them.
 *
 * A hash of the values, not a number from a sequence, so that whoever computes
 * it, whenever and on whichever server, gives the same set the same id.  Some
 * of the values are labels chosen by whoever calls the gateway, and two sets
 * with one id would book one party's money on the other: so a cryptographic
 * hash, not a fast one.
 *
 * The input is unambiguous: every value is either one zero byte (NULL) or a
 * one byte, the length in four bytes, big-endian, and the bytes; integers are
 * their eight bytes, big-endian; text is UTF-8 whatever the encoding of the
 * database, so that a restore into another encoding changes no id.  What
 * cannot be converted (SQL_ASCII holds anything) goes in as it is, after a two
 * instead of the one: a label must never stop a fold.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"

#include "common/digest.h"

#define VALUE_NULL			'\0'
#define VALUE_PRESENT		'\1'
#define VALUE_UNCONVERTED	'\2'

static void
append_value(StringInfo buf, char kind, const char *value, int len)
{
	appendStringInfoChar(buf, kind);
	pq_sendint32(buf, len);
	appendBinaryStringInfo(buf, value, len);
}

void
aiu_digest_null(StringInfo buf)
{
	appendStringInfoChar(buf, VALUE_NULL);
}

void
aiu_digest_int(StringInfo buf, int64 value)
{
	appendStringInfoChar(buf, VALUE_PRESENT);
	pq_sendint32(buf, sizeof(value));
	pq_sendint64(buf, value);
}

void
aiu_digest_text(StringInfo buf, const char *data, int len)
{
	int			encoding = GetDatabaseEncoding();
	bool		ascii = true;
	char	   *utf8;
	Oid			proc;
	int			i;

	for (i = 0; i < len && ascii; i++)
		ascii = !IS_HIGHBIT_SET(data[i]);

	/* every server encoding writes ASCII as ASCII */
	if (ascii || encoding == PG_UTF8)
	{
		append_value(buf, VALUE_PRESENT, data, len);
		return;
	}

	proc = FindDefaultConversionProc(encoding, PG_UTF8);
	utf8 = palloc(len * MAX_CONVERSION_GROWTH + 1);
	if (OidIsValid(proc) &&
		pg_do_encoding_conversion_buf(proc, encoding, PG_UTF8, (unsigned char *) data, len,
									  (unsigned char *) utf8, len * MAX_CONVERSION_GROWTH + 1, true) == len)
		append_value(buf, VALUE_PRESENT, utf8, strlen(utf8));
	else
		append_value(buf, VALUE_UNCONVERTED, data, len);
	pfree(utf8);
}

void
aiu_digest_finish(const char *data, int len, uint8 digest[AIU_DIGEST_LEN])
{
	uint8		sha[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);

	if (ctx == NULL ||
		pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) data, len) < 0 ||
		pg_cryptohash_final(ctx, sha, sizeof(sha)) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(ctx));
	pg_cryptohash_free(ctx);
	memcpy(digest, sha, AIU_DIGEST_LEN);
}
