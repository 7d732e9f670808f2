/*-------------------------------------------------------------------------
 *
 * extract_funcs.c
 *	  aiusage.extract_usage(), aiusage.merge_stream() and the list of what
 *	  they know.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "common/errors.h"
#include "extract/extract_internal.h"
#include "types/amount.h"
#include "types/exact.h"
#include "types/usage.h"

AIU_FUNCTION(aiu_extract_usage);
AIU_FUNCTION(aiu_extractors);
AIU_FUNCTION(aiu_merge_stream_accum);
AIU_FUNCTION(aiu_merge_stream_final);

#define NAME_MAX_BYTES 64

/* What a call site keeps between calls: the flavor it was last asked for. */
typedef struct CallCache
{
	TupleDesc	desc;
	const AiuFlavor *flavor;
	int			provider_len;
	int			flavor_len;		/* -1: NULL */
	char		provider[NAME_MAX_BYTES];
	char		name[NAME_MAX_BYTES];
} CallCache;

/* State of merge_stream(). */
typedef struct StreamState
{
	int			provider_len;
	int			flavor_len;
	char		provider[NAME_MAX_BYTES];
	char		name[NAME_MAX_BYTES];
	AiuExtraction e;
} StreamState;

static bool
same_name(const char *kept, int kept_len, const text *t)
{
	if (t == NULL)
		return kept_len == -1;
	return kept_len == VARSIZE_ANY_EXHDR(t) && memcmp(kept, VARDATA_ANY(t), kept_len) == 0;
}

/* Keeps a name; one too long to keep is never found the same again. */
static int
keep_name(char *kept, const text *t)
{
	int			len;

	if (t == NULL)
		return -1;
	len = VARSIZE_ANY_EXHDR(t);
	if (len > NAME_MAX_BYTES)
		return -2;
	memcpy(kept, VARDATA_ANY(t), len);
	return len;
}

static const AiuFlavor *
find_flavor(const text *provider, const text *flavor)
{
	if (provider == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("provider must not be null"),
				 errhint("Name the provider whose API the body is of.")));
	return aiu_flavor_find(VARDATA_ANY(provider), VARSIZE_ANY_EXHDR(provider),
						   flavor != NULL ? VARDATA_ANY(flavor) : NULL,
						   flavor != NULL ? VARSIZE_ANY_EXHDR(flavor) : 0);
}

/* ---- results ---- */

/* The counters as a usage, or NULL when there is none. */
static AiuUsage *
usage_of(const AiuExtraction *e)
{
	AiuUsageItem items[AIU_SLOTS_MAX];
	int			n = 0;
	int			t;
	int			i;

	for (t = 0; t < e->x->nterms; t++)
	{
		const AiuTerm *term = &e->x->terms[t];
		bool		now = (e->seen >> term->slot & 1) != 0;
		bool		before = (e->base_seen >> term->slot & 1) != 0;
		int128		value;

		if (!now && !before)
			continue;
		value = (now ? e->value[term->slot] : 0) + (before ? e->base[term->slot] : 0);
		for (i = 0; i < n && items[i].unit != term->unit; i++)
			;
		if (i == n)
		{
			items[n].unit = term->unit;
			items[n].name = aiu_unit_get(term->unit)->name;
			items[n].namelen = strlen(items[n].name);
			items[n].quantity = value;
			n++;
		}
		/* no more terms than slots, each below 10^36: 128 bits hold the sum */
		else if ((term->flags & AIU_MAP_FALLBACK) == 0)
			items[i].quantity += value;
	}
	return n > 0 ? aiu_usage_build(items, n) : NULL;
}

static Datum
unknown_of(const AiuExtraction *e)
{
	JsonbParseState *state = NULL;
	JsonbValue	v;
	JsonbValue *result;
	int			i;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < e->nunknown; i++)
	{
		const AiuUnknown *u = &e->unknown[i];

		v.type = jbvString;
		v.val.string.val = (char *) u->path;
		v.val.string.len = u->len;
		pushJsonbValue(&state, WJB_KEY, &v);
		if (u->withheld)
			v.type = jbvNull;
		else
		{
			v.type = jbvNumeric;
			v.val.numeric = aiu_scaled_to_numeric(u->value, AIU_UNKNOWN_SCALE);
		}
		pushJsonbValue(&state, WJB_VALUE, &v);
	}
	if (e->more_unknown > 0)
	{
		v.type = jbvString;
		v.val.string.val = "...";
		v.val.string.len = 3;
		pushJsonbValue(&state, WJB_KEY, &v);
		v.type = jbvNumeric;
		v.val.numeric = int64_to_numeric(e->more_unknown);
		pushJsonbValue(&state, WJB_VALUE, &v);
	}
	result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbPGetDatum(JsonbValueToJsonb(result));
}

static void
put_text(Datum *values, bool *nulls, int at, const AiuText *t)
{
	nulls[at] = t->len == 0;
	if (t->len > 0)
		values[at] = PointerGetDatum(cstring_to_text_with_len(t->s, t->len));
}

/* Columns in the order that both results begin with: model, usage, response_id, service_tier, provider_cost. */
static void
put_common(const AiuExtraction *e, Datum *values, bool *nulls)
{
	AiuUsage   *usage = usage_of(e);
	int128		cost = e->cost;

	put_text(values, nulls, 0, &e->model);
	nulls[1] = usage == NULL;
	values[1] = PointerGetDatum(usage);
	put_text(values, nulls, 2, &e->id);
	put_text(values, nulls, 3, &e->tier);
	nulls[4] = !e->has_cost && !e->has_base_cost;
	if (!nulls[4])
	{
		AiuAmount  *amount = palloc(sizeof(AiuAmount));

		if (!aiu_add128(cost, e->base_cost, &cost) || !aiu_amount_pack(amount, cost, aiu_currency_parse("USD", 3)))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("sum of costs is out of range")));
		values[4] = PointerGetDatum(amount);
	}
}

static void
put_unknown(const AiuExtraction *e, Datum *values, bool *nulls, int at)
{
	nulls[at] = e->nunknown == 0 && e->more_unknown == 0;
	if (!nulls[at])
		values[at] = unknown_of(e);
}

static TupleDesc
result_desc(FunctionCallInfo fcinfo)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(desc);
}

/* ---- extract_usage(provider text, flavor text, body jsonb) ---- */

Datum
aiu_extract_usage(PG_FUNCTION_ARGS)
{
	CallCache  *cache = (CallCache *) fcinfo->flinfo->fn_extra;
	text	   *provider = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
	text	   *flavor = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	AiuExtraction e;
	Datum		values[6];
	bool		nulls[6] = {true, true, true, true, true, true};

	if (cache == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		cache = palloc0(sizeof(CallCache));
		cache->desc = CreateTupleDescCopy(result_desc(fcinfo));
		MemoryContextSwitchTo(old);
		fcinfo->flinfo->fn_extra = cache;
	}
	if (cache->flavor == NULL || provider == NULL ||
		!same_name(cache->provider, cache->provider_len, provider) || !same_name(cache->name, cache->flavor_len, flavor))
	{
		cache->flavor = find_flavor(provider, flavor);
		cache->provider_len = keep_name(cache->provider, provider);
		cache->flavor_len = keep_name(cache->name, flavor);
	}
	if (!PG_ARGISNULL(2))
	{
		Jsonb	   *body = PG_GETARG_JSONB_P(2);

		aiu_extraction_init(&e, cache->flavor);
		aiu_extraction_body(&e, body);
		put_common(&e, values, nulls);
		put_unknown(&e, values, nulls, 5);
		PG_FREE_IF_COPY(body, 2);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(cache->desc, values, nulls)));
}

/* ---- merge_stream(provider text, flavor text, chunk jsonb) ---- */

Datum
aiu_merge_stream_accum(PG_FUNCTION_ARGS)
{
	StreamState *state = PG_ARGISNULL(0) ? NULL : (StreamState *) PG_GETARG_POINTER(0);
	text	   *provider = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	text	   *flavor = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	MemoryContext cxt;

	if (!AggCheckCallContext(fcinfo, &cxt))
		elog(ERROR, "aggregate function called in non-aggregate context");
	if (state == NULL)
	{
		const AiuFlavor *found = find_flavor(provider, flavor);

		state = MemoryContextAlloc(cxt, sizeof(StreamState));
		aiu_extraction_init(&state->e, found);
		state->provider_len = keep_name(state->provider, provider);
		state->flavor_len = keep_name(state->name, flavor);
	}
	else if ((provider == NULL || !same_name(state->provider, state->provider_len, provider) ||
			  !same_name(state->name, state->flavor_len, flavor)) &&
			 find_flavor(provider, flavor) != state->e.flavor)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_INVALID),
				 errmsg("chunks of one stream are of one provider and flavor"),
				 errdetail("They began as %s/%s.", state->e.flavor->provider, state->e.flavor->flavor),
				 errhint("Group by what tells the streams apart, such as the request's id.")));
	if (!PG_ARGISNULL(3))
	{
		Jsonb	   *chunk = PG_GETARG_JSONB_P(3);

		aiu_extraction_chunk(&state->e, chunk);
		PG_FREE_IF_COPY(chunk, 3);
	}
	PG_RETURN_POINTER(state);
}

/* The usage is the provider's last word: the end was seen, with all that a usage must have. */
static bool
is_complete(const AiuExtraction *e)
{
	int			i;

	if (!e->ended || !e->usage_at_end)
		return false;
	/* a response of the session that has begun and not ended */
	if (e->x->shape->stream == AIU_STREAM_SESSION && e->id.len > 0 &&
		(e->id.len != e->usage_id.len || memcmp(e->id.s, e->usage_id.s, e->id.len) != 0))
		return false;
	for (i = 0; i < e->x->nslots; i++)
	{
		if (e->x->slots[i].required && ((e->seen | e->base_seen) >> i & 1) == 0)
			return false;
	}
	return true;
}

Datum
aiu_merge_stream_final(PG_FUNCTION_ARGS)
{
	StreamState *state;
	TupleDesc	desc;
	Datum		values[7];
	bool		nulls[7] = {true, true, true, true, true, true, true};
	Oid			input;
	Oid			ioparam;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (StreamState *) PG_GETARG_POINTER(0);
	desc = result_desc(fcinfo);
	put_common(&state->e, values, nulls);
	/* an enum of the ledger's, by its name: the type is the result's own */
	getTypeInputInfo(TupleDescAttr(desc, 5)->atttypid, &input, &ioparam);
	values[5] = OidInputFunctionCall(input, is_complete(&state->e) ? "complete" : "partial", ioparam, -1);
	nulls[5] = false;
	put_unknown(&state->e, values, nulls, 6);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* ---- extractors() ---- */

Datum
aiu_extractors(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const AiuFlavor *flavors;
	int			count;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	flavors = aiu_flavor_table(&count);
	for (i = 0; i < count; i++)
	{
		const AiuShape *shape = flavors[i].shape;
		const char *bar = strchr(shape->roots, '|');
		const AiuMapping *m;

		(void) aiu_extractor_compile(shape);
		for (m = shape->mappings; m->path != NULL; m++)
		{
			Datum		values[7];
			bool		nulls[7] = {0};
			static const char *const kinds[] = {"unit", "known", "no unit", "cost in USD", "cost in US cents", "cost in 1e-10 USD"};

			values[0] = CStringGetTextDatum(flavors[i].provider);
			values[1] = CStringGetTextDatum(flavors[i].flavor);
			values[2] = PointerGetDatum(cstring_to_text_with_len(shape->roots, bar != NULL ? (int) (bar - shape->roots) : (int) strlen(shape->roots)));
			values[3] = CStringGetTextDatum(m->path);
			values[4] = CStringGetTextDatum(m->flags & AIU_MAP_FALLBACK ? "fallback" : kinds[m->kind]);
			nulls[5] = m->unit == NULL;
			if (m->unit != NULL)
				values[5] = CStringGetTextDatum(m->unit);
			values[6] = BoolGetDatum((m->flags & AIU_MAP_REQUIRED) != 0);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}
