/*-------------------------------------------------------------------------
 *
 * price_review.c
 *	  What the review of a price version asks of pricing itself, so that it
 *	  cannot come to another answer: do a rule's time conditions hold, does a
 *	  match fit, which prices do these units lack.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "common/errors.h"
#include "pricing/price_internal.h"

AIU_FUNCTION(aiu_price_rule_applies);
AIU_FUNCTION(aiu_price_match_fits);
AIU_FUNCTION(aiu_price_unit_gaps);

/*
 * aiusage.price_rule_applies(starts_at timestamptz, ends_at timestamptz, weekdays int[],
 *							  time_from time, time_to time, time_zone text, at timestamptz) RETURNS boolean
 */
Datum
aiu_price_rule_applies(PG_FUNCTION_ARGS)
{
	AiuRule		rule;

	if (PG_ARGISNULL(5) || PG_ARGISNULL(6))
		PG_RETURN_NULL();
	memset(&rule, 0, sizeof(rule));
	rule.starts_at = PG_ARGISNULL(0) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(0);
	rule.ends_at = PG_ARGISNULL(1) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(1);
	rule.weekdays = 0x7F;
	if (!PG_ARGISNULL(2))
	{
		ArrayType  *array = PG_GETARG_ARRAYTYPE_P(2);
		Datum	   *days;
		bool	   *nulls;
		int			n;
		int			i;

		deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT, &days, &nulls, &n);
		rule.weekdays = 0;
		for (i = 0; i < n; i++)
		{
			if (!nulls[i] && DatumGetInt32(days[i]) >= 1 && DatumGetInt32(days[i]) <= 7)
				rule.weekdays |= 1 << (DatumGetInt32(days[i]) - 1);
		}
	}
	rule.has_window = !PG_ARGISNULL(3) && !PG_ARGISNULL(4);
	if (rule.has_window)
	{
		rule.from_usec = PG_GETARG_TIMEADT(3);
		rule.to_usec = PG_GETARG_TIMEADT(4);
	}
	rule.timed = true;
	{
		char	   *zone = text_to_cstring(PG_GETARG_TEXT_PP(5));

		if (strcmp(zone, "UTC") != 0)
		{
			rule.zone = strlen(zone) <= TZ_STRLEN_MAX ? pg_tzset(zone) : NULL;
			if (rule.zone == NULL)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("time zone \"%s\" is not known to this server", zone)));
		}
	}
	PG_RETURN_BOOL(aiu_price_rule_applies_at(&rule, PG_GETARG_TIMESTAMPTZ(6)));
}

/* aiusage.price_match_fits(match jsonb, id text, name text) RETURNS boolean: match NULL is the id itself */
Datum
aiu_price_match_fits(PG_FUNCTION_ARGS)
{
	char		folded[AIU_LABEL_MAX * 2];
	const AiuMatch *leaf;
	AiuMatch   *match;
	const char *problem;
	text	   *name;
	int			len;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(0))
		match = aiu_match_exact(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	else
		match = aiu_match_compile(&PG_GETARG_JSONB_P(0)->root, &problem);
	name = PG_GETARG_TEXT_PP(2);
	if (match == NULL || VARSIZE_ANY_EXHDR(name) > AIU_LABEL_MAX)
		PG_RETURN_BOOL(false);
	len = aiu_match_fold(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), folded, sizeof(folded));
	PG_RETURN_BOOL(aiu_match_test(match, folded, len, &leaf));
}

static void
put_gap(ReturnSetInfo *rsinfo, const char *unit, const char *other, const char *lacks)
{
	Datum		values[3];
	bool		nulls[3];

	memset(nulls, false, sizeof(nulls));
	values[0] = CStringGetTextDatum(unit);
	nulls[1] = other == NULL;
	values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(other);
	nulls[2] = lacks == NULL;
	values[2] = nulls[2] ? (Datum) 0 : CStringGetTextDatum(lacks);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * aiusage.price_unit_gaps(units text[], OUT unit text, OUT other text, OUT lacks text)
 *		Prices that a rule which prices these units lacks: a unit's total
 *		(other NULL), or the overlap of two (lacks NULL: no unit is that).
 */
Datum
aiu_price_unit_gaps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	AiuRule		rule;
	Datum	   *units;
	bool	   *nulls;
	int			n;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &units, &nulls, &n);
	memset(&rule, 0, sizeof(rule));
	rule.rows = palloc0(sizeof(AiuPriceRow) * Max(n, 1));
	for (i = 0; i < n && rule.nrows < AIU_RULE_SLOTS; i++)
	{
		if (nulls[i])
			continue;
		rule.rows[rule.nrows].unit = TextDatumGetCString(units[i]);
		rule.rows[rule.nrows].rate = "1";
		rule.rows[rule.nrows].per = "1";
		rule.nrows++;
	}
	aiu_price_compile(&rule);
	for (i = 0; i < rule.nslots; i++)
	{
		if (rule.slots[i].missing_above != 0)
			put_gap(rsinfo, rule.slots[i].name, NULL, aiu_unit_get(rule.slots[i].missing_above)->name);
	}
	for (i = 0; i < rule.ngaps; i++)
	{
		const AiuRuleGap *gap = &rule.gaps[i];

		put_gap(rsinfo, rule.slots[gap->slot_a].name, rule.slots[gap->slot_b].name,
				gap->join != 0 ? aiu_unit_get(gap->join)->name : NULL);
	}
	return (Datum) 0;
}
