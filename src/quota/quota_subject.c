/*-------------------------------------------------------------------------
 *
 * quota_subject.c
 *	  Whom a counter counts for.
 *
 * A subject is 128 bits of SHA-256 (common/digest.c) over the limit, its epoch
 * and the row's values of the dimensions that the limit is kept apart by.
 * Rows without a value share one subject, so leaving a label out evades
 * nothing; nor does writing a model in capitals, since what scopes compare
 * without regard to case counts in lower case.
 *
 * Gateways send the same few subjects over and over, so the last ones are
 * remembered by their bytes: a hit costs a fast hash and a comparison.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "common/digest.h"
#include "quota/quota_config.h"

/* The first byte that is hashed. */
#define SUBJECT_HASH_VERSION	1

/* What is remembered: 64 kB a backend that books against limits kept apart. */
#define MEMO_SLOTS		512		/* a power of two */
#define MEMO_WAYS		4		/* places that a subject may be in: SHA-256 a row is dear */
#define MEMO_BYTES		104

typedef struct MemoSlot
{
	int32		len;			/* 0: empty */
	uint64		subject[2];
	char		bytes[MEMO_BYTES];
} MemoSlot;

/*---- Local variables ----*/

static MemoSlot *memo = NULL;
static StringInfoData scratch;	/* kept from call to call */

static bool
folds_case(AiuQuotaDim dim)
{
	return dim == AIU_DIM_PROVIDER || dim == AIU_DIM_MODEL || dim == AIU_DIM_ENDPOINT;
}

static StringInfo
begin_subject(int32 quota, int32 epoch)
{
	if (scratch.data == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		initStringInfo(&scratch);
		memo = palloc0(sizeof(MemoSlot) * MEMO_SLOTS);
		MemoryContextSwitchTo(old);
	}
	resetStringInfo(&scratch);
	appendStringInfoChar(&scratch, SUBJECT_HASH_VERSION);
	aiu_digest_int(&scratch, quota);
	aiu_digest_int(&scratch, epoch);
	return &scratch;
}

static void
finish_subject(StringInfo buf, uint64 subject[2])
{
	static uint32 victim = 0;
	uint32		hash = hash_bytes((const unsigned char *) buf->data, buf->len);
	MemoSlot   *set = &memo[hash & (MEMO_SLOTS - 1) & ~(MEMO_WAYS - 1)];
	MemoSlot   *slot;
	uint8		digest[AIU_DIGEST_LEN];
	int			i;

	for (i = 0; i < MEMO_WAYS; i++)
	{
		slot = &set[i];
		if (slot->len == buf->len && memcmp(slot->bytes, buf->data, buf->len) == 0)
		{
			subject[0] = slot->subject[0];
			subject[1] = slot->subject[1];
			return;
		}
	}
	aiu_digest_finish(buf->data, buf->len, digest);
	memcpy(subject, digest, sizeof(digest));
	if (buf->len <= MEMO_BYTES)
	{
		slot = &set[victim++ % MEMO_WAYS];
		slot->len = buf->len;
		memcpy(slot->bytes, buf->data, buf->len);
		memcpy(slot->subject, digest, sizeof(digest));
	}
}

void
aiu_quota_subject_of(const AiuQuotaDef *def, const AiuQuotaFacts *facts, uint64 subject[2])
{
	const struct AiuQuotaMatch *match = def->match;
	StringInfo	buf;
	int			i;

	if (match->nper == 0)
	{
		subject[0] = match->subject[0];
		subject[1] = match->subject[1];
		return;
	}
	buf = begin_subject(def->quota, def->epoch);
	for (i = 0; i < match->nper; i++)
	{
		AiuLabel	label;
		int			start;

		if (!aiu_quota_label(match, facts, match->per[i], &label))
		{
			aiu_digest_null(buf);
			continue;
		}
		start = buf->len;
		aiu_digest_text(buf, label.s, label.len);
		if (folds_case(match->per[i]))
			for (start += 5; start < buf->len; start++)
				buf->data[start] = pg_ascii_tolower((unsigned char) buf->data[start]);
	}
	finish_subject(buf, subject);
}

void
aiu_quota_subject_of_labels(int32 quota, int32 epoch, int nlabels, const AiuLabel *labels, uint64 subject[2])
{
	StringInfo	buf = begin_subject(quota, epoch);
	int			i;

	for (i = 0; i < nlabels; i++)
	{
		if (labels[i].s == NULL)
			aiu_digest_null(buf);
		else
			aiu_digest_text(buf, labels[i].s, labels[i].len);
	}
	finish_subject(buf, subject);
}

Datum
aiu_quota_labels_datum(const AiuQuotaDef *def, const AiuQuotaFacts *facts)
{
	const struct AiuQuotaMatch *match = def->match;
	Datum		values[AIU_DIM_COUNT];
	bool		nulls[AIU_DIM_COUNT];
	int			dims[1];
	int			lbs[1] = {1};
	int			i;

	if (match->nper == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	for (i = 0; i < match->nper; i++)
	{
		AiuLabel	label;

		nulls[i] = !aiu_quota_label(match, facts, match->per[i], &label);
		values[i] = (Datum) 0;
		if (!nulls[i])
		{
			text	   *t = cstring_to_text_with_len(label.s, label.len);
			int			c;

			if (folds_case(match->per[i]))
				for (c = 0; c < label.len; c++)
					VARDATA(t)[c] = pg_ascii_tolower((unsigned char) VARDATA(t)[c]);
			values[i] = PointerGetDatum(t);
		}
	}
	dims[0] = match->nper;
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs, TEXTOID, -1, false, TYPALIGN_INT));
}

void
aiu_quota_subject_text(const AiuCharge *charge, const AiuQuotaFacts *facts, StringInfo buf)
{
	const struct AiuQuotaMatch *match = charge->def->match;
	int			i;

	if (match->nper == 0)
	{
		appendStringInfoString(buf, "everything in its scope");
		return;
	}
	for (i = 0; i < match->nper; i++)
	{
		AiuLabel	label;

		if (i > 0)
			appendStringInfoString(buf, ", ");
		if (match->per[i] == AIU_DIM_TAG)
			appendStringInfo(buf, "tag %.*s ", match->tag.len, match->tag.s);
		else
			appendStringInfo(buf, "%s ", aiu_quota_dim_name(match->per[i]));
		if (aiu_quota_label(match, facts, match->per[i], &label))
			appendStringInfo(buf, "\"%.*s\"", label.len, label.s);
		else
			appendStringInfoString(buf, "(none)");
	}
}

Datum
aiu_quota_subject_datum(const uint64 subject[2])
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));

	memcpy(uuid->data, subject, UUID_LEN);
	return UUIDPGetDatum(uuid);
}
