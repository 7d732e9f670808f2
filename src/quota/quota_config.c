/*-------------------------------------------------------------------------
 *
 * quota_config.c
 *	  What limits there are, as this backend remembers them.
 *
 * All active limits with their overrides, and the roles of bulk import, of one
 * generation of the group "quotas" (common/catalog.h).  A row that books
 * without limits costs one comparison here.
 *
 * A definition must not vanish while somebody works with it: a load of a
 * counter runs queries, and those may be the first to hear of a change.  So a
 * set that is out of date is kept for the rest of the transaction that replaced
 * it, and thrown away by a later one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/catalog.h"
#include "common/compat.h"
#include "common/errors.h"
#include "common/owner.h"
#include "quota/quota_config.h"
#include "types/exact.h"

/* "a day" for what counts by the time of its event */
#define EVENT_TIME_FROM		USECS_PER_DAY

/* As much as no counter can reach. */
#define AMOUNT_LARGEST		(((int128) 1) << 126)

/*---- Local variables ----*/

static MemoryContext cache_context = NULL;
static AiuQuotaSet *cache = NULL;
static int	nimporters = 0;
static Oid *importers = NULL;
static uint64 cache_generation = 0; /* 0: nothing is loaded */

static MemoryContext replaced = NULL;	/* sets that are out of date are its children */
static LocalTransactionId replaced_in = InvalidLocalTransactionId;

static const char defs_query[] =
"SELECT q.quota, q.epoch, q.name, q.metric, q.unit, q.currency, q.\"limit\", q.\"window\", q.window_length, q.sliding,"
"       q.time_zone, q.thresholds, q.action, q.degrade_to, q.reroute_to, q.unpriced, q.exempt_free, q.notify,"
"       q.published_at, q.published_boundary, q.pruned_to, q.wallet, q.per, q.tag, q.tag_value,"
"       q.api_key, q.key_class, q.team, q.cost_center, q.project, q.customer, q.plan_tier, q.user_id,"
"       q.environment, q.workflow, q.job_id, q.provider, q.model, q.endpoint"
"  FROM aiusage.quota AS q"
" WHERE q.status OPERATOR(pg_catalog.=) 'active'"
" ORDER BY q.quota";

enum
{
	COL_QUOTA = 1, COL_EPOCH, COL_NAME, COL_METRIC, COL_UNIT, COL_CURRENCY, COL_LIMIT, COL_WINDOW, COL_WINDOW_LENGTH,
	COL_SLIDING, COL_TIME_ZONE, COL_THRESHOLDS, COL_ACTION, COL_DEGRADE_TO, COL_REROUTE_TO, COL_UNPRICED, COL_EXEMPT_FREE,
	COL_NOTIFY, COL_PUBLISHED_AT, COL_PUBLISHED_BOUNDARY, COL_PRUNED_TO, COL_WALLET, COL_PER, COL_TAG, COL_TAG_VALUE,
	COL_SCOPE					/* of the first dimension; the others follow in their order */
};

static const char overrides_query[] =
"SELECT o.quota, o.labels, o.raise_by, o.raise_to, o.valid_from, o.valid_until"
"  FROM aiusage.quota_override AS o"
"  JOIN aiusage.quota AS q ON q.quota OPERATOR(pg_catalog.=) o.quota AND q.status OPERATOR(pg_catalog.=) 'active'"
" WHERE o.valid_until OPERATOR(pg_catalog.>) pg_catalog.now()"
" ORDER BY o.quota, o.override";

enum
{
	COL_O_QUOTA = 1, COL_O_LABELS, COL_O_RAISE_BY, COL_O_RAISE_TO, COL_O_FROM, COL_O_UNTIL
};

static const char importers_query[] =
"SELECT g.role FROM aiusage.access_grant AS g WHERE g.kind OPERATOR(pg_catalog.=) 'importer'";


/*-------------------------------------------------------------------------
 * Reading columns of the i-th row; copies go to the given context.
 *-------------------------------------------------------------------------
 */

static Datum
column(uint64 i, int col, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, col, isnull);
}

static const char *
column_text(uint64 i, int col, MemoryContext context)
{
	bool		isnull;
	Datum		d = column(i, col, &isnull);
	MemoryContext old;
	char	   *result;

	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(context);
	result = TextDatumGetCString(d);
	MemoryContextSwitchTo(old);
	return result;
}

static int128
column_amount(uint64 i, int col)
{
	bool		isnull;
	Datum		d = column(i, col, &isnull);
	int128		result = 0;

	/* the table's checks allow nothing that does not fit */
	if (!isnull && aiu_numeric_to_scaled(DatumGetNumeric(d), AIU_QUOTA_DECIMALS, &result) != AIU_DEC_OK)
		elog(ERROR, "a limit is out of range");
	return result;
}

/* Position of a word in a list of them. */
static int
word(const char *s, const char *const *words, int nwords, const char *what)
{
	int			i;

	for (i = 0; i < nwords; i++)
		if (strcmp(s, words[i]) == 0)
			return i;
	elog(ERROR, "unknown %s of a limit: %s", what, s);
	return 0;
}


/*-------------------------------------------------------------------------
 * Loading
 *-------------------------------------------------------------------------
 */

static void
load_windows(AiuQuotaDef *def, uint64 row)
{
	struct AiuQuotaClock *clock = def->clock;
	bool		isnull;
	Datum		d;
	const char *zone = column_text(row, COL_TIME_ZONE, CurrentMemoryContext);

	clock->zone = pg_tzset(zone);
	if (clock->zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("time zone \"%s\" of limit \"%s\" is not known to this server", zone, def->name),
				 errhint("Install the time zone data that the books were made with.")));
	def->sliding = DatumGetBool(column(row, COL_SLIDING, &isnull));
	switch (def->window)
	{
		case AIU_WINDOW_MINUTE:
			clock->usecs = USECS_PER_MINUTE;
			break;
		case AIU_WINDOW_HOUR:
			clock->usecs = USECS_PER_HOUR;
			break;
		case AIU_WINDOW_DAY:
			clock->days = 1;
			break;
		case AIU_WINDOW_WEEK:
			clock->days = 7;
			break;
		case AIU_WINDOW_MONTH:
			clock->months = 1;
			break;
		case AIU_WINDOW_INTERVAL:
			d = column(row, COL_WINDOW_LENGTH, &isnull);
			clock->months = DatumGetIntervalP(d)->month;
			clock->days = DatumGetIntervalP(d)->day;
			clock->usecs = DatumGetIntervalP(d)->time;
			break;
		case AIU_WINDOW_PERIOD:
		case AIU_WINDOW_TOTAL:
			break;
	}
	if (def->sliding)
	{
		int64		length = clock->days * USECS_PER_DAY + clock->usecs;

		/* rounded up: the ring never covers less than the window */
		def->sub_usec = (length + AIU_QUOTA_RING - 1) / AIU_QUOTA_RING;
	}
	def->by_event_time = !def->sliding &&
		(clock->months > 0 || clock->days > 0 || clock->usecs >= EVENT_TIME_FROM ||
		 def->window == AIU_WINDOW_PERIOD || def->window == AIU_WINDOW_TOTAL);
}

static void
load_match(AiuQuotaDef *def, uint64 row, MemoryContext context, AiuQuotaSet *set)
{
	struct AiuQuotaMatch *match = def->match;
	bool		isnull;
	Datum		d;
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int			i;

	match->tag = aiu_label_of(column_text(row, COL_TAG, context));
	for (i = 0; i < AIU_DIM_COUNT; i++)
	{
		AiuQuotaTerm *term = &match->terms[match->nterms];

		term->dim = (AiuQuotaDim) i;
		term->value = aiu_label_of(column_text(row, i == AIU_DIM_TAG ? COL_TAG_VALUE : COL_SCOPE + i, context));
		if (term->value.s == NULL)
			continue;
		if ((i == AIU_DIM_PROVIDER || i == AIU_DIM_MODEL || i == AIU_DIM_ENDPOINT) &&
			term->value.len > 0 && term->value.s[term->value.len - 1] == '*')
		{
			term->is_prefix = true;
			term->value.len--;
		}
		set->uses_class |= i == AIU_DIM_KEY_CLASS;
		set->uses_tier |= i == AIU_DIM_PLAN_TIER;
		match->nterms++;
	}
	d = column(row, COL_PER, &isnull);
	deconstruct_array(DatumGetArrayTypeP(d), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	for (i = 0; i < n && i < AIU_DIM_COUNT; i++)
	{
		int			dim = aiu_quota_dim_lookup(TextDatumGetCString(elements[i]));

		if (dim < 0)
			elog(ERROR, "unknown dimension of limit \"%s\"", def->name);
		match->per[match->nper++] = (AiuQuotaDim) dim;
		set->uses_class |= dim == AIU_DIM_KEY_CLASS;
		set->uses_tier |= dim == AIU_DIM_PLAN_TIER;
	}
	aiu_quota_subject_of_labels(def->quota, def->epoch, 0, NULL, match->subject);
}

static AiuQuotaDef *
load_def(uint64 row, MemoryContext context, AiuQuotaSet *set)
{
	static const char *const metrics[] = {"spend", "requests", "tokens", "unit", "errors", "concurrency"};
	static const char *const actions[] = {"reject", "throttle", "degrade", "reroute", "approve", "flag"};
	static const char *const windows[] = {"minute", "hour", "day", "week", "month", "interval", "invoice_period", "total"};
	AiuQuotaDef *def = MemoryContextAllocZero(context, sizeof(AiuQuotaDef));
	bool		isnull;
	Datum		d;
	const char *s;
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int			i;

	def->match = MemoryContextAllocZero(context, sizeof(struct AiuQuotaMatch));
	def->clock = MemoryContextAllocZero(context, sizeof(struct AiuQuotaClock));
	def->quota = DatumGetInt32(column(row, COL_QUOTA, &isnull));
	def->epoch = DatumGetInt32(column(row, COL_EPOCH, &isnull));
	def->name = column_text(row, COL_NAME, context);

	s = column_text(row, COL_METRIC, context);
	def->metric = (AiuQuotaMetric) word(s, metrics, lengthof(metrics), "metric");
	def->metric_name = s;
	s = column_text(row, COL_UNIT, context);
	if (s != NULL)
	{
		def->unit_name = s;
		def->unit_namelen = strlen(s);
		def->unit = aiu_unit_lookup(s, def->unit_namelen);
		def->metric_name = s;
	}
	s = column_text(row, COL_CURRENCY, context);
	if (s != NULL)
	{
		def->currency = aiu_currency_parse(s, strlen(s));
		def->metric_name = s;
	}
	def->limit = column_amount(row, COL_LIMIT);
	def->window = (AiuQuotaWindow) word(column_text(row, COL_WINDOW, CurrentMemoryContext), windows, lengthof(windows), "window");
	load_windows(def, row);

	d = column(row, COL_THRESHOLDS, &isnull);
	deconstruct_array(DatumGetArrayTypeP(d), INT4OID, sizeof(int32), true, TYPALIGN_INT, &elements, &nulls, &n);
	for (i = 0; i < n && i < AIU_QUOTA_THRESHOLDS; i++)
		def->thresholds[def->nthresholds++] = (int16) DatumGetInt32(elements[i]);
	def->alert_shape = 1;
	for (i = 0; i < def->nthresholds; i++)
		def->alert_shape = def->alert_shape * 1009 + def->thresholds[i];

	def->action = (AiuQuotaAction) word(column_text(row, COL_ACTION, CurrentMemoryContext), actions, lengthof(actions), "action");
	def->degrade_to = column_text(row, COL_DEGRADE_TO, context);
	def->reroute_to = column_text(row, COL_REROUTE_TO, context);
	def->unpriced_allowed = strcmp(column_text(row, COL_UNPRICED, CurrentMemoryContext), "allow") == 0;
	def->wallet = DatumGetBool(column(row, COL_WALLET, &isnull));
	def->exempt_free = DatumGetBool(column(row, COL_EXEMPT_FREE, &isnull));
	def->notify = column_text(row, COL_NOTIFY, context);
	def->published_at = DatumGetTimestampTz(column(row, COL_PUBLISHED_AT, &isnull));
	d = column(row, COL_PUBLISHED_BOUNDARY, &isnull);
	/* while it is being published nobody else can book */
	def->published_boundary = isnull ? PG_INT64_MAX : DatumGetInt64(d);
	d = column(row, COL_PRUNED_TO, &isnull);
	def->kept_from = isnull ? DT_NOBEGIN : DatumGetTimestampTz(d);
	load_match(def, row, context, set);
	return def;
}

static const AiuQuotaDef *
find_def(const AiuQuotaSet *set, int32 quota)
{
	int			low = 0;
	int			high = set->ndefs;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (set->defs[middle]->quota == quota)
			return set->defs[middle];
		if (set->defs[middle]->quota < quota)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void
load_override(AiuQuotaSet *set, uint64 row, AiuQuotaOverride *o)
{
	bool		isnull;
	Datum		d;
	AiuQuotaDef *def = unconstify(AiuQuotaDef *, find_def(set, DatumGetInt32(column(row, COL_O_QUOTA, &isnull))));

	if (def == NULL)
		return;
	(void) column(row, COL_O_RAISE_BY, &isnull);
	o->is_raise = !isnull;
	o->amount = column_amount(row, o->is_raise ? COL_O_RAISE_BY : COL_O_RAISE_TO);
	o->from = DatumGetTimestampTz(column(row, COL_O_FROM, &isnull));
	o->until = DatumGetTimestampTz(column(row, COL_O_UNTIL, &isnull));
	d = column(row, COL_O_LABELS, &isnull);
	o->has_subject = !isnull;
	if (o->has_subject)
	{
		AiuLabel	labels[AIU_DIM_COUNT];
		Datum	   *elements;
		bool	   *nulls;
		int			n;
		int			i;

		deconstruct_array(DatumGetArrayTypeP(d), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
		n = Min(n, AIU_DIM_COUNT);
		for (i = 0; i < n; i++)
			labels[i] = aiu_label_of(nulls[i] ? NULL : TextDatumGetCString(elements[i]));
		aiu_quota_subject_of_labels(def->quota, def->epoch, n, labels, o->subject);
	}
	/* they come in the order of limits */
	if (def->noverrides++ == 0)
		def->overrides = o;
}

/* Throw away what an earlier transaction has replaced, and keep what this one does. */
static void
set_aside(MemoryContext old)
{
	if (replaced == NULL)
		replaced = AllocSetContextCreate(CacheMemoryContext, "aiusage limits replaced", ALLOCSET_SMALL_SIZES);
	if (replaced_in != AIU_MY_LXID)
		MemoryContextDeleteChildren(replaced);
	replaced_in = AIU_MY_LXID;
	if (old != NULL)
		MemoryContextSetParent(old, replaced);
}

/* Read the group anew, aside, and swap it in: an error leaves what was there. */
static void
load(uint64 generation)
{
	MemoryContext context;
	MemoryContext old;
	AiuOwnerSpi save;
	AiuQuotaSet *set;
	AiuQuotaOverride *overrides;
	int			new_nimporters = 0;
	Oid		   *new_importers;
	uint64		i;

	context = AllocSetContextCreate(CurrentMemoryContext, "aiusage limits", ALLOCSET_SMALL_SIZES);
	set = MemoryContextAllocZero(context, sizeof(AiuQuotaSet));

	aiu_owner_spi_begin(&save);
	if (SPI_execute(defs_query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read limits");
	set->defs = MemoryContextAlloc(context, sizeof(AiuQuotaDef *) * (SPI_processed + 1));
	for (i = 0; i < SPI_processed; i++)
		set->defs[set->ndefs++] = load_def(i, context, set);

	if (set->ndefs > 0)
	{
		if (SPI_execute(overrides_query, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not read overrides of limits");
		overrides = MemoryContextAllocZero(context, sizeof(AiuQuotaOverride) * (SPI_processed + 1));
		for (i = 0; i < SPI_processed; i++)
			load_override(set, i, &overrides[i]);
	}

	if (SPI_execute(importers_query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read access grants");
	new_importers = MemoryContextAlloc(context, sizeof(Oid) * (SPI_processed + 1));
	for (i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Oid			role = get_role_oid(NameStr(*DatumGetName(column(i, 1, &isnull))), true);

		if (OidIsValid(role))
			new_importers[new_nimporters++] = role;
	}
	aiu_owner_spi_end(&save);

	old = MemoryContextSwitchTo(context);
	aiu_quota_index_build(set);
	aiu_quota_plans_build(set);
	MemoryContextSwitchTo(old);

	MemoryContextSetParent(context, CacheMemoryContext);
	set_aside(cache_context);
	cache_context = context;
	cache = set;
	nimporters = new_nimporters;
	importers = new_importers;
	cache_generation = generation;
}


/*-------------------------------------------------------------------------
 * What others ask
 *-------------------------------------------------------------------------
 */

const AiuQuotaSet *
aiu_quota_set(void)
{
	uint64		generation = aiu_quota_generation();

	if (unlikely(cache_generation != generation))
		load(generation);
	return cache;
}

uint64
aiu_quota_generation(void)
{
	/* a transaction that holds its locks already would not hear of a change until it ends */
	AcceptInvalidationMessages();
	return aiu_catalog_generation(AIU_CATALOG_QUOTAS);
}

bool
aiu_quota_any(void)
{
	return aiu_quota_set()->ndefs > 0;
}

const AiuQuotaDef *const *
aiu_quota_defs(int *ndefs)
{
	const AiuQuotaSet *set = aiu_quota_set();

	*ndefs = set->ndefs;
	return set->ndefs > 0 ? (const AiuQuotaDef *const *) set->defs : NULL;
}

const AiuQuotaDef *
aiu_quota_def(int32 quota)
{
	return find_def(aiu_quota_set(), quota);
}

int128
aiu_quota_limit(const AiuQuotaDef *def, const uint64 subject[2], TimestampTz at)
{
	int128		raised = def->limit;
	int128		replaced_by = 0;
	int			i;

	for (i = 0; i < def->noverrides; i++)
	{
		const AiuQuotaOverride *o = &def->overrides[i];

		if (at < o->from || at >= o->until ||
			(o->has_subject && (o->subject[0] != subject[0] || o->subject[1] != subject[1])))
			continue;
		/* at most 10^36 each, so that it takes a hundred of them to get there */
		if (!o->is_raise)
			replaced_by = Max(replaced_by, o->amount);
		else if (!aiu_add128(raised, o->amount, &raised))
			raised = AMOUNT_LARGEST;
	}
	return Max(raised, replaced_by);
}

bool
aiu_quota_exempt_role(void)
{
	Oid			user;
	int			i;

	(void) aiu_quota_set();
	if (likely(nimporters == 0))
		return false;
	user = GetUserId();
	/* a superuser is no importer unless told so */
	for (i = 0; i < nimporters; i++)
		if (is_member_of_role_nosuper(user, importers[i]))
			return true;
	return false;
}
