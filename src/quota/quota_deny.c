/*-------------------------------------------------------------------------
 *
 * quota_deny.c
 *	  Refusals: the error that the gateway gets, and what is remembered of it.
 *
 * The error undoes whatever its transaction wrote, so a refusal is counted in
 * shared memory: one entry a (limit, subject, window, key, SQLSTATE), however
 * many there are.  aiusage.flush_denials() writes the entries to quota_event
 * (quota_memory.c).  When all entries are in use, further kinds of refusals are
 * counted together, without names, and none is lost from `denied`.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/catalog.h"
#include "common/compat.h"
#include "common/errors.h"
#include "common/guc.h"
#include "common/owner.h"
#include "quota/quota_engine_internal.h"
#include "types/exact.h"

/* How far from its place an entry may be. */
#define DENIAL_PROBES	16

/* Copy text that may be cut, between characters, into a buffer of this size. */
static void
copy_text(char *dst, int size, const char *src, int len)
{
	if (len > size - 1)
		len = pg_mbcliplen(src, len, size - 1);
	memcpy(dst, src, len);
	dst[len] = '\0';
}

/* What is counted, without the numbers; zeroed, so that bytes can be compared. */
static void
describe(AiuDenial *denial, const AiuCharge *charge, int sqlstate, const AiuLabel *key, const char *subject)
{
	memset(denial, 0, sizeof(*denial));
	denial->database = MyDatabaseId;
	denial->books = aiu_catalog_usage_record();
	denial->quota = charge->def->quota;
	denial->sqlstate = sqlstate;
	memcpy(denial->subject, charge->subject, sizeof(denial->subject));
	denial->window = charge->window;
	copy_text(denial->key, sizeof(denial->key), key->s, key->len);
	copy_text(denial->subject_text, sizeof(denial->subject_text), subject, strlen(subject));
}

static bool
same_kind(const AiuDenial *a, const AiuDenial *b)
{
	return a->database == b->database && a->books == b->books && a->quota == b->quota &&
		a->sqlstate == b->sqlstate && a->window == b->window &&
		memcmp(a->subject, b->subject, sizeof(a->subject)) == 0 && strcmp(a->key, b->key) == 0;
}

void
aiu_quota_note_denial(const AiuCharge *charge, int sqlstate, const AiuLabel *key, const char *subject,
					  int128 used, int128 limit)
{
	AiuDenial	denial;
	TimestampTz now = GetCurrentTimestamp();
	uint32		hash;
	int			i;

	describe(&denial, charge, sqlstate, key, subject);
	denial.first = denial.last = now;
	denial.used = used;
	denial.asked = charge->amount;
	denial.limit = limit;
	denial.count = 1;
	hash = hash_bytes((const unsigned char *) denial.key, strlen(denial.key)) ^
		(uint32) denial.subject[0] ^ (uint32) denial.window;

	LWLockAcquire(&aiu_quota_table->denial_lock, LW_EXCLUSIVE);
	for (i = 0; i < DENIAL_PROBES; i++)
	{
		AiuDenial  *entry = &aiu_quota_denials[(hash + i) % AIU_DENIALS];

		if (entry->count == 0)
			*entry = denial;
		else if (same_kind(entry, &denial))
		{
			entry->count++;
			entry->last = now;
			entry->used = used;
			entry->asked = denial.asked;
			entry->limit = limit;
		}
		else
			continue;
		break;
	}
	if (i == DENIAL_PROBES)
		aiu_quota_table->denials_unnamed++;
	LWLockRelease(&aiu_quota_table->denial_lock);

	SpinLockAcquire(&aiu_quota_table->mutex);
	aiu_quota_table->denied++;
	SpinLockRelease(&aiu_quota_table->mutex);
}

static char *
amount_text(int128 value)
{
	char		buf[64];

	buf[aiu_decimal_print(value, AIU_QUOTA_DECIMALS, buf)] = '\0';
	return pstrdup(buf);
}

int
aiu_quota_sqlstate(const AiuQuotaDef *def)
{
	if (def->wallet)
		return ERRCODE_AIU_CREDIT_EXHAUSTED;
	return def->action == AIU_QUOTA_APPROVE ? ERRCODE_AIU_NOT_ALLOWED : ERRCODE_AIU_LIMIT_REACHED;
}

/* Whom to ask, as part of a hint. */
static const char *
whom(const AiuQuotaDef *def)
{
	return def->notify != NULL ? def->notify : "whoever manages it";
}

static char *
hint_text(const AiuQuotaDef *def, TimestampTz room_at, TimestampTz now)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (def->wallet)
		appendStringInfo(&buf, "Ask %s to recharge it: aiusage.request_recharge().", whom(def));
	else if (def->action == AIU_QUOTA_APPROVE)
		appendStringInfo(&buf, "More needs an approval: ask %s.", whom(def));
	else if (def->action == AIU_QUOTA_DEGRADE && def->degrade_to != NULL)
		appendStringInfo(&buf, "Use model \"%s\" instead; aiusage.admit() says so before the call.", def->degrade_to);
	else if (def->action == AIU_QUOTA_REROUTE && def->reroute_to != NULL)
		appendStringInfo(&buf, "Use route \"%s\" instead; aiusage.admit() says so before the call.", def->reroute_to);
	else if (TIMESTAMP_NOT_FINITE(room_at) || def->window == AIU_WINDOW_PERIOD)
		appendStringInfo(&buf, "Ask %s to raise it.", whom(def));
	else
		appendStringInfo(&buf, "Retry after %lld seconds, or ask %s to raise it.",
						 (long long) Max((room_at - now + USECS_PER_SEC - 1) / USECS_PER_SEC, 1), whom(def));
	appendStringInfoString(&buf, " Money that is spent already is booked with spent = true.");
	return buf.data;
}

char *
aiu_quota_refusal_text(const AiuCharge *charge, const char *subject, const AiuRefusal *refusal)
{
	const AiuQuotaDef *def = charge->def;

	return psprintf("%s \"%s\" for %s: used %s, in flight %s, held %s, asked %s, limit %s %s",
					def->wallet ? "wallet" : "limit", def->name, subject,
					amount_text(refusal->used), amount_text(refusal->reserved), amount_text(refusal->held),
					amount_text(charge->amount), amount_text(refusal->limit), def->metric_name);
}

void
aiu_quota_deny(const AiuCharge *charge, const AiuLabel *key, const char *subject,
			   const AiuRefusal *refusal, TimestampTz now)
{
	const AiuQuotaDef *def = charge->def;
	int			sqlstate = aiu_quota_sqlstate(def);

	aiu_quota_note_denial(charge, sqlstate, key, subject, refusal->used, refusal->limit);
	ereport(ERROR,
			(errcode(sqlstate),
			 def->wallet ? errmsg("credit of wallet \"%s\" is used up", def->name) :
			 errmsg("limit \"%s\" is reached", def->name),
			 def->wallet ?
			 errdetail("For %s: asked %s %s, left %s, of which in flight %s and held %s.",
					   subject, amount_text(charge->amount), def->metric_name, amount_text(refusal->limit - refusal->used),
					   amount_text(refusal->reserved), amount_text(refusal->held)) :
			 errdetail("For %s: used %s, in flight %s, held %s, asked %s, limit %s %s; %s.",
					   subject, amount_text(refusal->used), amount_text(refusal->reserved),
					   amount_text(refusal->held), amount_text(charge->amount), amount_text(refusal->limit),
					   def->metric_name,
					   TIMESTAMP_NOT_FINITE(refusal->room_at) ? "it never resets" :
					   psprintf(def->sliding ? "room again at %s" : "resets at %s", timestamptz_to_str(refusal->room_at))),
			 errhint("%s", hint_text(def, refusal->room_at, now))));
}

void
aiu_quota_deny_uncheckable(const AiuCharge *charge, const AiuQuotaFacts *facts, const char *subject)
{
	const AiuQuotaDef *def = charge->def;
	const AiuLabel *provider = &facts->dims[AIU_DIM_PROVIDER];
	const AiuLabel *model = &facts->dims[AIU_DIM_MODEL];
	char		own[4];
	char		limits[4];

	aiu_quota_note_denial(charge, ERRCODE_AIU_INVALID, &facts->dims[AIU_DIM_API_KEY], subject, 0, def->limit);
	if (!facts->has_cost)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("usage without a price cannot be checked against limit \"%s\"", def->name),
				 errdetail("No price is known for provider \"%.*s\", model \"%.*s\" and this usage; a limit that unknown models pass would be none.",
						   provider->len, provider->s ? provider->s : "", model->len, model->s ? model->s : ""),
				 errhint("Add the price, or let the limit allow it (unpriced => allow). Money that is spent already is booked with spent = true.")));

	aiu_currency_print(facts->currency, own);
	aiu_currency_print(def->currency, limits);
	ereport(ERROR,
			(errcode(ERRCODE_AIU_INVALID),
			 errmsg("usage in %s cannot be checked against limit \"%s\" in %s", own, def->name, limits),
			 errdetail("Limits compare exact sums; nothing is converted."),
			 errhint("Give the usage a limit in %s, or leave it out of this limit's scope. Money that is spent already is booked with spent = true.", own)));
}

void
aiu_quota_deny_not_loaded(const AiuCharge *charge, const char *subject, bool full)
{
	if (full)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_NOT_LOADED),
				 errmsg("limit \"%s\" cannot be checked: all counters are in use", charge->def->name),
				 errdetail("For %s. There is room for %d counters, and all of them are needed by open transactions or holds.",
						   subject, aiu_quota_table->ncounters),
				 errhint("Retry, and raise aiusage.quota_counters at the next restart.")));
	ereport(ERROR,
			(errcode(ERRCODE_AIU_NOT_LOADED),
			 errmsg("limit \"%s\" is not loaded yet", charge->def->name),
			 errdetail("For %s. Its counter could not be read from the books within %d ms.",
					   subject, aiu_quota_load_timeout),
			 errhint("Retry. If this persists, fold more often (aiusage.refresh()), or raise aiusage.quota_load_timeout.")));
}

void
aiu_quota_deny_clock(const AiuCharge *charge)
{
	ereport(ERROR,
			(errcode(ERRCODE_AIU_NOT_LOADED),
			 errmsg("limit \"%s\" cannot be checked: the server's clock is behind its publication", charge->def->name),
			 errdetail("It was published or rebuilt at %s; of windows that had ended by then nothing is kept.",
					   pstrdup(timestamptz_to_str(charge->def->kept_from))),
			 errhint("See to the server's clock. If it is right now, aiusage.rebuild_quota() counts the limit anew.")));
}

void
aiu_quota_deny_not_preloaded(const AiuCharge *charge)
{
	ereport(ERROR,
			(errcode(ERRCODE_AIU_NOT_LOADED),
			 errmsg("limit \"%s\" cannot be checked: aiusage is not preloaded", charge->def->name),
			 errdetail("Limits need shared memory, which is set up when the server starts."),
			 errhint("Add aiusage to shared_preload_libraries and restart the server.")));
}

bool
aiu_quota_is_booked(const pg_uuid_t *id)
{
	static SPIPlanPtr plan = NULL;
	AiuOwnerSpi save;
	Datum		values[1];
	bool		result;

	values[0] = UUIDPGetDatum(id);
	aiu_owner_spi_begin(&save);
	if (plan == NULL)
	{
		Oid			argtypes[1] = {UUIDOID};

		plan = SPI_prepare("SELECT FROM aiusage.usage_record AS u WHERE u.id OPERATOR(pg_catalog.=) $1", 1, argtypes);
		if (plan == NULL)
			elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
	}
	if (SPI_execute_plan(plan, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for a usage row");
	result = SPI_processed > 0;
	aiu_owner_spi_end(&save);
	return result;
}
