/*-------------------------------------------------------------------------
 *
 * dimension.c
 *	  The identity of a set of dimension values.
 *
 * A rollup row names its dimensions (key, provider, model, workflow, ...) by
 * one uuid: 128 bits of SHA-256 over the values (common/digest.c), so that
 * concurrent and repeated folds, a restore or another server always give the
 * same set the same id.  It is computed once a group and fold, never a row.
 * aiusage.verify() compares every stored id with its values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/uuid.h"

#include "common/compat.h"
#include "common/digest.h"

/* The first byte that is hashed. */
#define DIMENSION_HASH_VERSION	1

AIU_FUNCTION(aiu_rollup_dimension_id);

/*
 * dimension_id(assignment bigint, invoice_period int, label text, ...): any
 * number of labels.
 */
Datum
aiu_rollup_dimension_id(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));
	int			i;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, DIMENSION_HASH_VERSION);

	if (PG_ARGISNULL(0))
		aiu_digest_null(&buf);
	else
		aiu_digest_int(&buf, PG_GETARG_INT64(0));
	if (PG_ARGISNULL(1))
		aiu_digest_null(&buf);
	else
		aiu_digest_int(&buf, PG_GETARG_INT32(1));
	for (i = 2; i < PG_NARGS(); i++)
	{
		if (PG_ARGISNULL(i))
			aiu_digest_null(&buf);
		else
		{
			text	   *value = PG_GETARG_TEXT_PP(i);

			aiu_digest_text(&buf, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
		}
	}
	StaticAssertStmt(AIU_DIGEST_LEN == UUID_LEN, "an id is a uuid");
	aiu_digest_finish(buf.data, buf.len, result->data);
	pfree(buf.data);
	PG_RETURN_UUID_P(result);
}
