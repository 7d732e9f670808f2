/*-------------------------------------------------------------------------
 *
 * dimension.c
 *	  The identity of a set of dimension values.
 *
 * A rollup row names its dimensions (key, provider, model, workflow, ...) by
 * one uuid: the first 128 bits of SHA-256 over the values.  A hash of the
 * values, not a number from a sequence, so that concurrent and repeated folds,
 * a restore or another server always give the same set the same id.
 *
 * Some labels (workflow, customer) are chosen by whoever calls the gateway,
 * and two sets with one id would book one party's money on the other: so a
 * cryptographic hash, not a fast one.  It is computed once a group and fold,
 * never a row.  aiusage.verify() compares every stored id with its values.
 *
 * The input is unambiguous: every value is either one zero byte (NULL) or a
 * one byte, the length in four bytes, big-endian, and the bytes; integers are
 * their eight bytes, big-endian; text is UTF-8 whatever the encoding of the
 * database, so that a restore into another encoding changes no id.  What
 * cannot be converted (SQL_ASCII holds anything) goes in as it is, after a two
 * instead of the one: a label must never stop a fold.  The first byte is a
 * version.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "common/compat.h"

#define DIMENSION_HASH_VERSION	1

#define VALUE_NULL			'\0'
#define VALUE_PRESENT		'\1'
#define VALUE_UNCONVERTED	'\2'

AIU_FUNCTION(aiu_rollup_dimension_id);

static void append_value(StringInfo buf, char kind, const char *value, int len);
static void append_int(StringInfo buf, int64 value);
static void append_text(StringInfo buf, text *value);

/*
 * dimension_id(assignment bigint, invoice_period int, label text, ...): any
 * number of labels.
 */
Datum
aiu_rollup_dimension_id(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	pg_cryptohash_ctx *ctx;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));
	int			i;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, DIMENSION_HASH_VERSION);

	if (PG_ARGISNULL(0))
		append_value(&buf, VALUE_NULL, NULL, 0);
	else
		append_int(&buf, PG_GETARG_INT64(0));
	if (PG_ARGISNULL(1))
		append_value(&buf, VALUE_NULL, NULL, 0);
	else
		append_int(&buf, PG_GETARG_INT32(1));
	for (i = 2; i < PG_NARGS(); i++)
	{
		if (PG_ARGISNULL(i))
			append_value(&buf, VALUE_NULL, NULL, 0);
		else
			append_text(&buf, PG_GETARG_TEXT_PP(i));
	}

	ctx = pg_cryptohash_create(PG_SHA256);
	if (ctx == NULL ||
		pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (uint8 *) buf.data, buf.len) < 0 ||
		pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(ctx));
	pg_cryptohash_free(ctx);

	memcpy(result->data, digest, UUID_LEN);
	pfree(buf.data);
	PG_RETURN_UUID_P(result);
}

static void
append_value(StringInfo buf, char kind, const char *value, int len)
{
	appendStringInfoChar(buf, kind);
	if (kind == VALUE_NULL)
		return;
	pq_sendint32(buf, len);
	appendBinaryStringInfo(buf, value, len);
}

static void
append_int(StringInfo buf, int64 value)
{
	appendStringInfoChar(buf, VALUE_PRESENT);
	pq_sendint32(buf, sizeof(value));
	pq_sendint64(buf, value);
}

static void
append_text(StringInfo buf, text *value)
{
	char	   *data = VARDATA_ANY(value);
	int			len = VARSIZE_ANY_EXHDR(value);
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
