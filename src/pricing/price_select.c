/*-------------------------------------------------------------------------
 *
 * price_select.c
 *	  Which rule of a model applies to a request.
 *
 * What the request names (service tier, endpoint, region) is settled once and
 * remembered: the rules that it allows, the most specific first, of equals
 * the one with the highest number first.  When it happened is looked at for
 * each row: the first of those rules whose time conditions hold is the one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pricing/price_internal.h"

/* ---------- what the request names ---------- */

/* What providers call the tier that is not a special one. */
bool
aiu_price_tier_is_standard(const char *s, int len)
{
	static const char *const names[] = {"standard", "default", "auto", "on_demand", "on-demand", "standard_only"};
	int			i;

	if (len == 0)
		return true;
	for (i = 0; i < (int) lengthof(names); i++)
	{
		if ((int) strlen(names[i]) == len && memcmp(names[i], s, len) == 0)
			return true;
	}
	return false;
}

static bool
label_equals(const AiuLabel *label, const char *folded)
{
	int			i;

	if (label->s == NULL || (int) strlen(folded) != label->len)
		return false;
	for (i = 0; i < label->len; i++)
	{
		if (pg_ascii_tolower((unsigned char) label->s[i]) != (unsigned char) folded[i])
			return false;
	}
	return true;
}

/*
 * How well a rule fits the selectors: -1 not at all, else higher is more
 * specific: the tier weighs more than the endpoint, the endpoint more than
 * the region.  A rule without a tier is for the standard tier only.
 */
static int
rule_fit(const AiuRule *rule, const AiuPriceRequest *req)
{
	char		tier[AIU_LABEL_MAX * 2];
	int			len = 0;
	int			fit = 0;
	bool		standard;

	if (req->service_tier.s != NULL)
		len = aiu_match_fold(req->service_tier.s, req->service_tier.len, tier, sizeof(tier));
	standard = aiu_price_tier_is_standard(tier, len);

	if (rule->service_tier == NULL)
	{
		if (!standard)
			return -1;
		fit += 8;				/* names the standard tier without saying so */
	}
	else if (strcmp(rule->service_tier, "*") != 0)
	{
		int			rulelen = strlen(rule->service_tier);

		if (aiu_price_tier_is_standard(rule->service_tier, rulelen))
		{
			if (!standard)
				return -1;
		}
		else if (rulelen != len || memcmp(rule->service_tier, tier, len) != 0)
			return -1;
		fit += 8;
	}
	if (rule->endpoint != NULL)
	{
		if (!label_equals(&req->endpoint, rule->endpoint))
			return -1;
		fit += 4;
	}
	if (rule->region != NULL && strcmp(rule->region, "*") == 0)
	{
		if (req->region.s == NULL || req->region.len == 0)
			return -1;
		fit += 1;				/* any region that is named */
	}
	else if (rule->region != NULL)
	{
		if (!label_equals(&req->region, rule->region))
			return -1;
		fit += 2;
	}
	return fit;
}

/* The first thing that a rule names and the request does not fit; NULL: none. */
const char *
aiu_price_rule_refuses(const AiuRule *rule, const AiuPriceRequest *req)
{
	char		tier[AIU_LABEL_MAX * 2];
	int			len = 0;
	bool		standard;

	if (req->service_tier.s != NULL)
		len = aiu_match_fold(req->service_tier.s, req->service_tier.len, tier, sizeof(tier));
	standard = aiu_price_tier_is_standard(tier, len);
	if (rule->service_tier == NULL)
	{
		if (!standard)
			return "is for the standard service tier only";
	}
	else if (strcmp(rule->service_tier, "*") != 0)
	{
		int			rulelen = strlen(rule->service_tier);

		if (aiu_price_tier_is_standard(rule->service_tier, rulelen) ? !standard :
			rulelen != len || memcmp(rule->service_tier, tier, len) != 0)
			return psprintf("is for service tier \"%s\"", rule->service_tier);
	}
	if (rule->endpoint != NULL && !label_equals(&req->endpoint, rule->endpoint))
		return psprintf("is for endpoint \"%s\"", rule->endpoint);
	if (rule->region != NULL && strcmp(rule->region, "*") == 0)
	{
		if (req->region.s == NULL || req->region.len == 0)
			return "is for requests that name a region";
	}
	else if (rule->region != NULL && !label_equals(&req->region, rule->region))
		return psprintf("is for region \"%s\"", rule->region);
	return NULL;
}

/*
 * The rules of the resolved model that the selectors allow, best first, into
 * memory of cxt; the reason when there are none.
 */
void
aiu_price_candidates(const AiuPriceRequest *req, AiuResolved *result, MemoryContext cxt)
{
	AiuModel   *model = result->model;
	int			r;

	if (model->nrules == 0)
	{
		result->unpriced = AIU_UNPRICED_NO_PRICES;
		return;
	}
	result->rules = MemoryContextAlloc(cxt, sizeof(AiuRule *) * model->nrules);
	/* insertion by (fit, rule number), best first; models have few rules */
	for (r = 0; r < model->nrules; r++)
	{
		AiuRule    *rule = &model->rules[r];
		int			fit = rule_fit(rule, req);
		int			at = result->nrules;

		if (fit < 0)
			continue;
		while (at > 0 && rule_fit(result->rules[at - 1], req) <= fit)
		{
			result->rules[at] = result->rules[at - 1];
			at--;
		}
		result->rules[at] = rule;
		result->nrules++;
	}
	if (result->nrules == 0)
		result->unpriced = AIU_UNPRICED_RULE;
	else
		result->unpriced = AIU_PRICED;
}

/* ---------- when ---------- */

/*
 * Time conditions.  A daily window that ends on the next day belongs to the
 * weekday on which it begins.
 */
bool
aiu_price_rule_applies_at(const AiuRule *rule, TimestampTz at)
{
	int64		usec;			/* local, since 2000-01-01 00:00, a Saturday */
	int64		day;
	int64		in_day;
	bool		yesterday = false;

	if (!rule->timed)
		return true;
	if (at < rule->starts_at || at >= rule->ends_at)
		return false;
	if (!rule->has_window && rule->weekdays == 0x7F)
		return true;

	usec = at;
	if (rule->zone != NULL)
	{
		pg_time_t	t = timestamptz_to_time_t(at);
		struct pg_tm *tm = pg_localtime(&t, rule->zone);

		if (tm == NULL)
			return false;
		usec += tm->tm_gmtoff * USECS_PER_SEC;
	}
	day = usec / USECS_PER_DAY;
	in_day = usec % USECS_PER_DAY;
	if (in_day < 0)
	{
		in_day += USECS_PER_DAY;
		day--;
	}
	if (rule->has_window)
	{
		if (rule->from_usec < rule->to_usec)
		{
			if (in_day < rule->from_usec || in_day >= rule->to_usec)
				return false;
		}
		else if (in_day < rule->to_usec)
			yesterday = true;
		else if (in_day < rule->from_usec)
			return false;
	}
	if (yesterday)
		day--;
	day = (day + 5) % 7;		/* Monday is 0 */
	if (day < 0)
		day += 7;
	return (rule->weekdays >> day) & 1;
}

const AiuRule *
aiu_price_select_rule(const AiuResolved *resolved, TimestampTz at)
{
	int			i;

	for (i = 0; i < resolved->nrules; i++)
	{
		if (aiu_price_rule_applies_at(resolved->rules[i], at))
			return resolved->rules[i];
	}
	return NULL;
}
