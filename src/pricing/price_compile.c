/*-------------------------------------------------------------------------
 *
 * price_compile.c
 *	  From the price rows of a rule to what price_eval.c computes with.
 *
 * A rate becomes a reduced fraction: money in 1e-12 for one whole unit, and
 * the same for a millionth of one, so that pricing a row is a multiplication
 * and, for most rates, no division at all.
 *
 * Units become slots, descendants before ancestors.  What the lattice says
 * about the rule's units (who is below whom, which ancestor is not priced,
 * which overlaps are not) is worked out here, once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "pricing/price_internal.h"

/* ---------- prototypes ---------- */

static bool parse_decimal(const char *text, int128 *value, int *scale);
static int128 parse_micro(const char *text);
static int128 gcd128(int128 a, int128 b);
static bool pow10_128(int exponent, int128 *result);
static void compile_rate(AiuRate *rate, const AiuPriceRow *row);
static AiuRuleUnit *find_unit(AiuRule *rule, int unit, const char *name, int namelen);
static AiuRuleUnit *add_unit(AiuRule *rule, const char *name, int namelen);
static void add_tier(AiuRule *rule, AiuRuleUnit *ru, const AiuPriceRow *row);
static int	compare_slots(const void *a, const void *b);
static int	compare_tiers(const void *a, const void *b);
static void describe_slot(AiuRule *rule, int slot);
static void find_gaps(AiuRule *rule);

/* ---------- numbers ---------- */

/* Decimal text without exponent -> integer and its scale. */
static bool
parse_decimal(const char *text, int128 *value, int *scale)
{
	const char *point = strchr(text, '.');
	int			len = strlen(text);

	if (point != NULL)
	{
		while (text[len - 1] == '0')
			len--;
		if (text[len - 1] == '.')
			len--;
	}
	*scale = (point != NULL && text + len > point) ? (int) (text + len - point - 1) : 0;
	return aiu_decimal_parse(text, len, *scale, value) == AIU_DEC_OK;
}

/* The table's CHECKs keep quantities within 1e15 and 6 decimals. */
static int128
parse_micro(const char *text)
{
	int128		value;

	if (aiu_decimal_parse(text, strlen(text), 6, &value) != AIU_DEC_OK)
		elog(ERROR, "quantity \"%s\" of a price is out of range", text);
	return value;
}

static int128
gcd128(int128 a, int128 b)
{
	while (b != 0)
	{
		int128		r = a % b;

		a = b;
		b = r;
	}
	return a;
}

static bool
pow10_128(int exponent, int128 *result)
{
	int128		r = 1;

	if (exponent > 38)
		return false;
	while (exponent-- > 0)
		r *= 10;
	*result = r;
	return true;
}

/*
 * rate / per * multiplier * 1e12 as a reduced fraction.  What does not fit is
 * marked: the books' CHECKs let only absurd combinations get there.
 */
static void
compile_rate(AiuRate *rate, const AiuPriceRow *row)
{
	int128		r,
				p,
				m = 1,
				g,
				ten,
				num,
				den;
	int			rs,
				ps,
				ms = 0,
				e;

	memset(rate, 0, sizeof(AiuRate));
	rate->rate = row->rate;
	rate->per = row->per;
	rate->multiplier = row->multiplier;
	rate->how = row->how;
	rate->overflow = true;
	if (!parse_decimal(row->rate, &r, &rs) || !parse_decimal(row->per, &p, &ps) || p <= 0 ||
		(row->multiplier != NULL && !parse_decimal(row->multiplier, &m, &ms)))
		return;
	if (r == 0 || m == 0)
	{
		rate->whole_den = rate->micro_den = 1;
		rate->overflow = false;
		return;
	}

	g = gcd128(r, p);
	r /= g;
	p /= g;
	g = gcd128(m, p);
	m /= g;
	p /= g;
	if (!aiu_mul128(r, m, &num))
		return;
	den = p;

	e = AIU_AMOUNT_DECIMALS + ps - rs - ms;
	if (!pow10_128(e < 0 ? -e : e, &ten))
		return;
	if (e >= 0)
	{
		g = gcd128(ten, den);
		den /= g;
		if (!aiu_mul128(num, ten / g, &num))
			return;
	}
	else
	{
		g = gcd128(num, ten);
		num /= g;
		if (!aiu_mul128(den, ten / g, &den))
			return;
	}
	rate->whole_num = num;
	rate->whole_den = den;

	ten = AIU_QUANTITY_SCALE;
	g = gcd128(num, ten);
	rate->micro_num = num / g;
	if (!aiu_mul128(den, ten / g, &rate->micro_den))
		return;
	rate->overflow = false;
}

/* ---------- units ---------- */

static AiuRuleUnit *
find_unit(AiuRule *rule, int unit, const char *name, int namelen)
{
	int			i;

	for (i = 0; i < rule->nslots; i++)
	{
		AiuRuleUnit *ru = &rule->slots[i];

		if (unit != 0 ? ru->unit == unit :
			ru->unit == 0 && ru->namelen == namelen && memcmp(ru->name, name, namelen) == 0)
			return ru;
	}
	return NULL;
}

static AiuRuleUnit *
add_unit(AiuRule *rule, const char *name, int namelen)
{
	int			unit = aiu_unit_lookup(name, namelen);
	AiuRuleUnit *ru = find_unit(rule, unit, name, namelen);

	if (ru != NULL)
		return ru;
	if (rule->nslots == AIU_RULE_SLOTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a price rule names more than %d units", AIU_RULE_SLOTS)));
	ru = &rule->slots[rule->nslots++];
	memset(ru, 0, sizeof(AiuRuleUnit));
	ru->unit = unit;
	ru->name = pnstrdup(name, namelen);
	ru->namelen = namelen;
	if (unit != 0)
	{
		ru->below = *aiu_unit_descendants(unit);
		ru->above = *aiu_unit_ancestors(unit);
	}
	return ru;
}

const char *
aiu_price_metric_parse(const char *text, int *units, int *signs, int *nterms)
{
	const char *p = text;
	int			sign = 1;

	*nterms = 0;
	for (;;)
	{
		int			len = strcspn(p, "+-");
		int			unit = aiu_unit_lookup(p, len);

		if (unit == 0)
			return "it names a unit that is not registered";
		if (*nterms == AIU_METRIC_TERMS)
			return "it names too many units";
		units[*nterms] = unit;
		signs[*nterms] = sign;
		(*nterms)++;
		p += len;
		if (*p == '\0')
			return NULL;
		sign = *p == '+' ? 1 : -1;
		p++;
	}
}

/* Terms hold registry codes until the slots are sorted. */
static void
add_tier(AiuRule *rule, AiuRuleUnit *ru, const AiuPriceRow *row)
{
	AiuTier    *tier;
	int			units[AIU_METRIC_TERMS];
	int			signs[AIU_METRIC_TERMS];
	int			i;
	const char *problem;

	if (ru->tiers == NULL)
		ru->tiers = palloc(sizeof(AiuTier));
	else
		ru->tiers = repalloc(ru->tiers, sizeof(AiuTier) * (ru->ntiers + 1));
	tier = &ru->tiers[ru->ntiers++];
	memset(tier, 0, sizeof(AiuTier));
	tier->start = parse_micro(row->tier_start);
	tier->start_text = row->tier_start;
	tier->inclusive = row->tier_inclusive;
	tier->metric = row->tier_metric;
	problem = aiu_price_metric_parse(row->tier_metric, units, signs, &tier->nterms);
	if (problem != NULL)
		elog(ERROR, "tier metric \"%s\": %s", row->tier_metric, problem);
	for (i = 0; i < tier->nterms; i++)
	{
		tier->terms[i].slot = units[i];
		tier->terms[i].sign = signs[i];
	}
	compile_rate(&tier->rate, row);
}

static int
compare_slots(const void *a, const void *b)
{
	const AiuRuleUnit *ua = a;
	const AiuRuleUnit *ub = b;
	int			da = pg_popcount64(ua->above.w[0]) + pg_popcount64(ua->above.w[1]);
	int			db = pg_popcount64(ub->above.w[0]) + pg_popcount64(ub->above.w[1]);

	if ((ua->unit == 0) != (ub->unit == 0))
		return ua->unit == 0 ? 1 : -1;
	if (da != db)
		return db - da;
	if (ua->unit != ub->unit)
		return ua->unit - ub->unit;
	return strcmp(ua->name, ub->name);
}

static int
compare_tiers(const void *a, const void *b)
{
	const AiuTier *ta = a;
	const AiuTier *tb = b;

	return (ta->start > tb->start) - (ta->start < tb->start);
}

/* What the lattice says about one slot, once all are in place. */
static void
describe_slot(AiuRule *rule, int slot)
{
	AiuRuleUnit *ru = &rule->slots[slot];
	const AiuUnitSet *above = &ru->above;
	int			a,
				b,
				i;
	bool		compatible;

	for (i = 0; i < rule->nslots; i++)
	{
		AiuRuleUnit *other = &rule->slots[i];

		if (other->priced && other->unit != 0 && AIU_UNITSET_HAS(&ru->below, other->unit))
			ru->leaf_below |= UINT64CONST(1) << i;
	}
	for (a = 1; a <= aiu_unit_count(); a++)
	{
		if (!AIU_UNITSET_HAS(above, a))
			continue;
		if (ru->priced && ru->missing_above == 0 && !AIU_UNITSET_HAS(&rule->priced, a))
			ru->missing_above = a;
		for (b = a + 1; b <= aiu_unit_count(); b++)
		{
			if (!AIU_UNITSET_HAS(above, b) ||
				aiu_unit_is_ancestor(a, b) || aiu_unit_is_ancestor(b, a) ||
				aiu_unit_join(a, b, &compatible) != ru->unit)
				continue;
			if (ru->joins == NULL)
				ru->joins = palloc(sizeof(ru->joins[0]));
			else
				ru->joins = repalloc(ru->joins, sizeof(ru->joins[0]) * (ru->njoins + 1));
			ru->joins[ru->njoins][0] = a;
			ru->joins[ru->njoins][1] = b;
			ru->njoins++;
		}
	}
}

/* Pairs of priced units whose overlap has no price of its own. */
static void
find_gaps(AiuRule *rule)
{
	int			a,
				b;

	for (a = 0; a < rule->nslots; a++)
	{
		AiuRuleUnit *ua = &rule->slots[a];

		if (!ua->priced || ua->unit == 0)
			continue;
		for (b = a + 1; b < rule->nslots; b++)
		{
			AiuRuleUnit *ub = &rule->slots[b];
			bool		compatible = false;
			int			join;

			if (!ub->priced || ub->unit == 0 ||
				aiu_unit_is_ancestor(ua->unit, ub->unit) ||
				aiu_unit_is_ancestor(ub->unit, ua->unit))
				continue;
			join = aiu_unit_join(ua->unit, ub->unit, &compatible);
			if (!compatible || (join != 0 && AIU_UNITSET_HAS(&rule->priced, join)))
				continue;
			if (rule->gaps == NULL)
				rule->gaps = palloc(sizeof(AiuRuleGap));
			else
				rule->gaps = repalloc(rule->gaps, sizeof(AiuRuleGap) * (rule->ngaps + 1));
			rule->gaps[rule->ngaps].slot_a = a;
			rule->gaps[rule->ngaps].slot_b = b;
			rule->gaps[rule->ngaps].join = join;
			rule->ngaps++;
		}
	}
}

/* ---------- the rule ---------- */

void
aiu_price_compile(AiuRule *rule)
{
	int			i,
				t,
				k;

	rule->slots = palloc0(sizeof(AiuRuleUnit) * AIU_RULE_SLOTS);
	rule->nslots = 0;
	for (i = 0; i < rule->nrows; i++)
	{
		const AiuPriceRow *row = &rule->rows[i];
		AiuRuleUnit *ru = add_unit(rule, row->unit, strlen(row->unit));

		ru->priced = true;
		if (row->tier_start != NULL)
		{
			add_tier(rule, ru, row);
			continue;
		}
		ru->has_base = true;
		compile_rate(&ru->base, row);
		if (row->min_quantity != NULL)
		{
			ru->min_quantity = parse_micro(row->min_quantity);
			ru->has_minimum = true;
		}
		if (row->step != NULL)
			ru->step = parse_micro(row->step);
	}

	/* units that are only compared with take slots, too; the list grows meanwhile */
	k = rule->nslots;
	for (i = 0; i < k; i++)
	{
		for (t = 0; t < rule->slots[i].ntiers; t++)
		{
			int			n;

			for (n = 0; n < rule->slots[i].tiers[t].nterms; n++)
			{
				const AiuUnit *u = aiu_unit_get(rule->slots[i].tiers[t].terms[n].slot);

				(void) add_unit(rule, u->name, strlen(u->name));
			}
		}
	}

	qsort(rule->slots, rule->nslots, sizeof(AiuRuleUnit), compare_slots);
	memset(rule->slot_of, -1, sizeof(rule->slot_of));
	rule->request_slot = -1;
	for (i = 0; i < rule->nslots; i++)
	{
		AiuRuleUnit *ru = &rule->slots[i];

		if (ru->unit == 0)
			rule->ncustom++;
		else
			rule->slot_of[ru->unit] = i;
		if (!ru->priced)
			continue;
		rule->priced_slots |= UINT64CONST(1) << i;
		if (ru->unit != 0)
			AIU_UNITSET_ADD(&rule->priced, ru->unit);
		if (ru->unit != 0 && strcmp(ru->name, "requests") == 0)
		{
			ru->per_request = true;
			rule->request_slot = i;
		}
	}
	for (i = 0; i < rule->nslots; i++)
	{
		AiuRuleUnit *ru = &rule->slots[i];

		if (ru->unit != 0)
			describe_slot(rule, i);
		for (t = 0; t < ru->ntiers; t++)
		{
			int			n;

			for (n = 0; n < ru->tiers[t].nterms; n++)
			{
				int			slot = rule->slot_of[ru->tiers[t].terms[n].slot];

				ru->tiers[t].terms[n].slot = slot;
				rule->metric_slots |= UINT64CONST(1) << slot;
			}
		}
		if (ru->ntiers > 1)
			qsort(ru->tiers, ru->ntiers, sizeof(AiuTier), compare_tiers);
	}
	find_gaps(rule);
	rule->slots = repalloc(rule->slots, sizeof(AiuRuleUnit) * Max(rule->nslots, 1));
}
