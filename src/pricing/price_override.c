/*-------------------------------------------------------------------------
 *
 * price_override.c
 *	  What a book makes of the prices it inherits: rates of its own, discounts,
 *	  markups, fixed prices.
 *
 * Of the overrides of a version that concern a request, one applies to each
 * unit: the one that names the model, then the provider, then the service
 * tier, then the unit; of equals the one with the highest number.  A fixed
 * price is for the whole request: when it is the best of those that name no
 * unit, it alone applies.
 *
 * A rate or a fixed price that names no service tier is for the standard tier
 * only, as a rule is; a discount or markup is for every tier.  A rate is the
 * last word: neither the inherited tiers nor the rule's multiplier apply to it.
 *
 * The result is compiled like any other rule, once, and remembered with the
 * model it was made from; factors are multiplied as decimals, exactly.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "pricing/price_internal.h"

/* A model with overrides applied: by which version, for which requests. */
typedef struct AiuDerived
{
	struct AiuDerived *next;
	int32		version;
	const char *provider;
	int			tierlen;
	char	   *tier;
	AiuModel   *model;
} AiuDerived;

static bool
concerns(const AiuOverride *o, const AiuModel *model, const char *provider, const char *tier, int tierlen)
{
	char		folded[AIU_LABEL_MAX * 2];
	int			len;

	if (o->provider != NULL)
	{
		len = aiu_match_fold(provider, strlen(provider), folded, sizeof(folded));
		if ((int) strlen(o->provider) != len || memcmp(o->provider, folded, len) != 0)
			return false;
	}
	if (o->model != NULL)
	{
		len = aiu_match_fold(model->model, strlen(model->model), folded, sizeof(folded));
		if ((o->model_prefix ? len < o->model_len : len != o->model_len) ||
			memcmp(o->model, folded, o->model_len) != 0)
			return false;
	}
	if (o->service_tier == NULL)
		return o->kind == AIU_OVERRIDE_DISCOUNT || o->kind == AIU_OVERRIDE_MARKUP ||
			aiu_price_tier_is_standard(tier, tierlen);
	if (strcmp(o->service_tier, "*") == 0)
		return true;
	len = strlen(o->service_tier);
	if (aiu_price_tier_is_standard(o->service_tier, len))
		return aiu_price_tier_is_standard(tier, tierlen);
	return len == tierlen && memcmp(o->service_tier, tier, len) == 0;
}

/* Higher is more specific. */
static int
specificity(const AiuOverride *o)
{
	int			weight = 0;

	if (o->model != NULL)
		weight += o->model_prefix ? 16 : 32;
	if (o->provider != NULL)
		weight += 8;
	if (o->service_tier != NULL ? strcmp(o->service_tier, "*") != 0 :
		o->kind == AIU_OVERRIDE_RATE || o->kind == AIU_OVERRIDE_FIXED)
		weight += 4;
	if (o->unit != NULL)
		weight += 1;
	return weight;
}

/*
 * The best of those that concern the request: that name the unit or none
 * (unit NULL: only those that name none; rates_only: only rates that name it).
 * Of prefixes the longest wins.  They are in order of their numbers.
 */
static const AiuOverride *
best_override(const AiuOverride *const *list, int n, const char *unit, bool rates_only)
{
	const AiuOverride *best = NULL;
	int			i;

	for (i = 0; i < n; i++)
	{
		const AiuOverride *o = list[i];
		int			better;

		if (o->unit != NULL && (unit == NULL || strcmp(o->unit, unit) != 0))
			continue;
		if (rates_only && (o->kind != AIU_OVERRIDE_RATE || o->unit == NULL))
			continue;
		if (best == NULL)
		{
			best = o;
			continue;
		}
		better = specificity(o) - specificity(best);
		if (better == 0 && o->model_prefix)
			better = o->model_len - best->model_len;
		if (better >= 0)
			best = o;
	}
	return best;
}

static char *
multiply(const char *a, const char *b)
{
	Datum		product;

	if (a == NULL)
		return pstrdup(b);
	product = DirectFunctionCall2(numeric_mul,
								  DirectFunctionCall3(numeric_in, CStringGetDatum(a), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)),
								  DirectFunctionCall3(numeric_in, CStringGetDatum(b), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	return DatumGetCString(DirectFunctionCall1(numeric_out, DirectFunctionCall1(numeric_trim_scale, product)));
}

/* "override 3 of version 12 of book "acme"" */
static char *
override_name(const AiuOverride *o, const AiuVersionEntry *version)
{
	return psprintf("override %d of version %d of book \"%s\"", o->number, version->version, version->book);
}

static void
adjust_row(AiuPriceRow *row, const AiuOverride *o, const AiuVersionEntry *version)
{
	const char *before = row->how != NULL ? row->how :
		row->multiplier == NULL ? psprintf("the inherited rate %s per %s", row->rate, row->per) :
		psprintf("the inherited rate %s times %s per %s", row->rate, row->multiplier, row->per);

	switch (o->kind)
	{
		case AIU_OVERRIDE_DISCOUNT:
			row->how = psprintf("%s, less %s%% (%s)", before, o->value, override_name(o, version));
			row->multiplier = multiply(row->multiplier, o->factor);
			break;
		case AIU_OVERRIDE_MARKUP:
			row->how = psprintf("%s, plus %s%% (%s)", before, o->value, override_name(o, version));
			row->multiplier = multiply(row->multiplier, o->factor);
			break;
		case AIU_OVERRIDE_RATE:
			row->how = psprintf("%s per %s (%s) instead of %s", o->value, o->per, override_name(o, version), before);
			row->rate = o->value;
			row->per = o->per;
			row->multiplier = NULL;
			break;
		case AIU_OVERRIDE_FIXED:
			break;				/* is for all rows, see fix_rule() */
	}
}

/* One row: the request at the fixed price, whatever else it used. */
static void
fix_rule(AiuRule *rule, const AiuOverride *o, const AiuVersionEntry *version)
{
	AiuPriceRow *row = palloc0(sizeof(AiuPriceRow));

	row->unit = "requests";
	row->rate = o->value;
	row->per = o->per;
	row->how = psprintf("a fixed price per request (%s) instead of the inherited rates", override_name(o, version));
	rule->rows = row;
	rule->nrows = 1;
	rule->covers_all = true;
}

static void
override_rule(AiuRule *rule, const AiuRule *base, const AiuOverride *const *list, int n, const AiuVersionEntry *version)
{
	const AiuOverride *whole = best_override(list, n, NULL, false);
	int			kept = 0;
	int			i,
				j;

	/* what is compiled anew; what the rule is for stays */
	*rule = *base;
	rule->nslots = rule->ncustom = rule->ngaps = 0;
	rule->slots = NULL;
	rule->gaps = NULL;
	memset(&rule->priced, 0, sizeof(rule->priced));
	rule->priced_slots = rule->metric_slots = 0;

	if (whole != NULL && whole->kind == AIU_OVERRIDE_FIXED)
	{
		fix_rule(rule, whole, version);
		aiu_price_compile(rule);
		return;
	}

	rule->rows = palloc0(sizeof(AiuPriceRow) * (base->nrows + n + 1));
	for (i = 0; i < base->nrows; i++)
	{
		AiuPriceRow row = base->rows[i];
		const AiuOverride *o = best_override(list, n, row.unit, false);

		/* the rate stands for the tiers, too; where there are only tiers, for the first one's sake */
		if (o != NULL && o->kind == AIU_OVERRIDE_RATE && row.tier_start != NULL)
		{
			if (kept > 0 && strcmp(rule->rows[kept - 1].unit, row.unit) == 0)
				continue;
			row.tier_start = NULL;
			row.tier_metric = NULL;
		}
		if (o != NULL)
			adjust_row(&row, o, version);
		rule->rows[kept++] = row;
	}
	/* rates of units that are not priced at all */
	for (i = 0; i < n && base->nrows > 0 && !rule->covers_all; i++)
	{
		const AiuOverride *o = list[i];

		if (o->kind != AIU_OVERRIDE_RATE || best_override(list, n, o->unit, true) != o)
			continue;
		for (j = 0; j < kept; j++)
		{
			if (strcmp(rule->rows[j].unit, o->unit) == 0)
				break;
		}
		if (j < kept)
			continue;
		rule->rows[kept].unit = o->unit;
		rule->rows[kept].rate = o->value;
		rule->rows[kept].per = o->per;
		rule->rows[kept].how = psprintf("%s per %s (%s), where no rate is inherited", o->value, o->per, override_name(o, version));
		kept++;
	}
	rule->nrows = kept;
	aiu_price_compile(rule);
}

AiuModel *
aiu_price_override(AiuModel *model, const AiuVersionEntry *version, const char *provider,
				   const AiuLabel *service_tier, MemoryContext cxt)
{
	char		tier[AIU_LABEL_MAX * 2];
	int			tierlen = 0;
	const AiuOverride **list;
	int			n = 0;
	int			i;
	AiuDerived *d;
	MemoryContext old;

	if (version->noverrides == 0 || model->nrules == 0)
		return model;
	if (service_tier->s != NULL)
		tierlen = aiu_match_fold(service_tier->s, service_tier->len, tier, sizeof(tier));
	for (d = model->derived; d != NULL; d = d->next)
	{
		if (d->version == version->version && strcmp(d->provider, provider) == 0 &&
			d->tierlen == tierlen && memcmp(d->tier, tier, tierlen) == 0)
			return d->model;
	}

	list = palloc(sizeof(AiuOverride *) * version->noverrides);
	for (i = 0; i < version->noverrides; i++)
	{
		if (concerns(&version->overrides[i], model, provider, tier, tierlen))
			list[n++] = &version->overrides[i];
	}

	old = MemoryContextSwitchTo(cxt);
	d = palloc0(sizeof(AiuDerived));
	d->version = version->version;
	d->provider = pstrdup(provider);
	d->tier = pnstrdup(tier, tierlen);
	d->tierlen = tierlen;
	d->model = model;
	if (n > 0)
	{
		AiuModel   *derived = palloc0(sizeof(AiuModel));

		derived->provider = model->provider;
		derived->model = model->model;
		derived->nrules = model->nrules;
		derived->rules = palloc0(sizeof(AiuRule) * model->nrules);
		for (i = 0; i < model->nrules; i++)
			override_rule(&derived->rules[i], &model->rules[i], list, n, version);
		d->model = derived;
	}
	d->next = model->derived;
	model->derived = d;
	MemoryContextSwitchTo(old);
	pfree(list);
	return d->model;
}
