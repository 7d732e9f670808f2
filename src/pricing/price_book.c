/*-------------------------------------------------------------------------
 *
 * price_book.c
 *	  Loads prices from the books, as their owner, into the cache's memory.
 *
 * Each function reads with a latest snapshot what one object needs: a book
 * with its timeline of versions, a version with its providers, the models of
 * a provider (names only), the rules of one model.  What a backend never asks
 * for it never loads.  Plans are prepared once a backend.
 *
 * The statements are run by the owner of the books with search_path pinned to
 * pg_catalog, so they need no qualified operators, only qualified relations.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pricing/price_internal.h"

/* ---------- statements ---------- */

typedef struct Statement
{
	const char *sql;
	int			nargs;
	Oid			argtypes[3];
	SPIPlanPtr	plan;
} Statement;

static Statement book_statement = {
	"SELECT b.currency, b.inherits, b.kind = 'list' FROM aiusage.price_book b WHERE b.book = $1",
	1, {TEXTOID}
};

static Statement spans_statement = {
	"SELECT v.version, v.effective_from, v.effective_to, v.published_at FROM aiusage.price_version v"
	" WHERE v.book = $1 AND v.status = 'published' ORDER BY v.publication DESC",
	1, {TEXTOID}
};

static Statement version_statement = {
	"SELECT v.book, v.status FROM aiusage.price_version v WHERE v.version = $1",
	1, {INT4OID}
};

static Statement providers_statement = {
	"SELECT p.provider, p.match, p.model_match, p.fallbacks FROM aiusage.price_provider p"
	" WHERE p.version = $1 ORDER BY p.ordinal",
	1, {INT4OID}
};

static Statement overrides_statement = {
	"SELECT o.override, lower(o.provider COLLATE \"C\"), lower(o.model COLLATE \"C\"), o.unit, lower(o.service_tier COLLATE \"C\"),"
	" array_position(ARRAY['rate', 'discount', 'markup', 'fixed'], o.kind) - 1, trim_scale(o.value)::text, trim_scale(o.per)::text,"
	" CASE o.kind WHEN 'discount' THEN trim_scale((100 - o.value) * 0.01)::text"
	" WHEN 'markup' THEN trim_scale((100 + o.value) * 0.01)::text END"
	" FROM aiusage.price_override o WHERE o.version = $1 ORDER BY o.override",
	1, {INT4OID}
};

static Statement models_statement = {
	"SELECT m.model, m.match FROM aiusage.price_model m"
	" WHERE m.version = $1 AND m.provider = $2 ORDER BY m.ordinal",
	2, {INT4OID, TEXTOID}
};

static Statement rules_statement = {
	"SELECT r.rule, lower(r.service_tier COLLATE \"C\"), lower(r.endpoint COLLATE \"C\"), lower(r.region COLLATE \"C\"),"
	" r.starts_at, r.ends_at,"
	" (SELECT bit_or(1 << (d - 1)) FROM unnest(r.weekdays) d),"
	" (extract(epoch FROM r.time_from) * 1000000)::bigint,"
	" (extract(epoch FROM r.time_to) * 1000000)::bigint,"
	" r.time_zone, nullif(trim_scale(r.multiplier)::text, '1')"
	" FROM aiusage.price_rule r"
	" WHERE r.version = $1 AND r.provider = $2 AND r.model = $3 ORDER BY r.rule",
	3, {INT4OID, TEXTOID, TEXTOID}
};

static Statement prices_statement = {
	"SELECT p.rule, p.unit, trim_scale(p.rate)::text, trim_scale(p.per)::text,"
	" trim_scale(p.tier_start)::text, p.tier_metric, p.tier_inclusive,"
	" trim_scale(p.min_quantity)::text, trim_scale(p.quantity_step)::text"
	" FROM aiusage.price p"
	" WHERE p.version = $1 AND p.provider = $2 AND p.model = $3"
	" ORDER BY p.rule, p.unit COLLATE \"C\", p.tier_start NULLS FIRST",
	3, {INT4OID, TEXTOID, TEXTOID}
};

static Statement default_book_statement = {
	"SELECT s.value FROM aiusage.setting s WHERE s.name = 'default_book'",
	0, {InvalidOid}
};

/* ---------- helpers ---------- */

static void
run(Statement *statement, Datum *args)
{
	int			rc;

	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->sql, statement->nargs, statement->argtypes);

		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", statement->sql, SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		statement->plan = plan;
	}
	rc = SPI_execute_plan(statement->plan, args, NULL, true, 0);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "could not read prices: %s", SPI_result_code_string(rc));
}

static Datum
value(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

static int32
int_value(uint64 row, int column, int32 otherwise)
{
	bool		isnull;
	Datum		d = value(row, column, &isnull);

	return isnull ? otherwise : DatumGetInt32(d);
}

static int64
bigint_value(uint64 row, int column, int64 otherwise)
{
	bool		isnull;
	Datum		d = value(row, column, &isnull);

	return isnull ? otherwise : DatumGetInt64(d);
}

static bool
bool_value(uint64 row, int column)
{
	bool		isnull;
	Datum		d = value(row, column, &isnull);

	return !isnull && DatumGetBool(d);
}

/* In the current memory context; NULL for SQL NULL. */
static char *
text_value(uint64 row, int column)
{
	bool		isnull;
	Datum		d = value(row, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(d);
}

static AiuMatch *
match_value(uint64 row, int column)
{
	bool		isnull;
	Datum		d = value(row, column, &isnull);
	AiuMatch   *match;
	const char *problem;

	if (isnull)
		return NULL;
	match = aiu_match_compile(&DatumGetJsonbP(d)->root, &problem);
	if (match == NULL)
		elog(ERROR, "a stored match expression is damaged: %s", problem);
	return match;
}

/* ---------- objects ---------- */

AiuBookEntry *
aiu_price_load_book(const AiuLabel *label, MemoryContext cxt)
{
	AiuBookEntry *book;
	AiuOwnerSpi save;
	Datum		args[1];
	char	   *name = pnstrdup(label->s, label->len);
	MemoryContext old;

	old = MemoryContextSwitchTo(cxt);
	book = palloc0(sizeof(AiuBookEntry));
	book->book = pstrdup(name);
	book->len = label->len;
	MemoryContextSwitchTo(old);

	aiu_owner_spi_begin(&save);
	args[0] = CStringGetTextDatum(book->book);
	run(&book_statement, args);
	if (SPI_processed > 0)
	{
		char	   *currency = text_value(0, 1);
		uint64		i;

		book->exists = true;
		book->currency = aiu_currency_parse(currency, strlen(currency));
		old = MemoryContextSwitchTo(cxt);
		book->inherits = text_value(0, 2);
		MemoryContextSwitchTo(old);
		book->is_list = bool_value(0, 3);

		run(&spans_statement, args);
		book->nspans = SPI_processed;
		book->spans = MemoryContextAlloc(cxt, sizeof(AiuVersionSpan) * Max(book->nspans, 1));
		for (i = 0; i < SPI_processed; i++)
		{
			AiuVersionSpan *span = &book->spans[i];

			span->version = int_value(i, 1, 0);
			span->from = bigint_value(i, 2, DT_NOBEGIN);
			span->to = bigint_value(i, 3, DT_NOEND);
			span->published = bigint_value(i, 4, DT_NOBEGIN);
		}
	}
	aiu_owner_spi_end(&save);
	return book;
}

/* Of the SPI result, into the current memory context. */
static void
load_overrides(AiuVersionEntry *version)
{
	uint64		i;

	version->noverrides = SPI_processed;
	version->overrides = palloc0(sizeof(AiuOverride) * Max(SPI_processed, 1));
	for (i = 0; i < SPI_processed; i++)
	{
		AiuOverride *o = &version->overrides[i];

		o->number = int_value(i, 1, 0);
		o->provider = text_value(i, 2);
		o->model = text_value(i, 3);
		if (o->model != NULL)
		{
			o->model_len = strlen(o->model);
			o->model_prefix = o->model[o->model_len - 1] == '*';
			if (o->model_prefix)
				o->model_len--;
		}
		o->unit = text_value(i, 4);
		o->service_tier = text_value(i, 5);
		o->kind = (AiuOverrideKind) int_value(i, 6, 0);
		o->value = text_value(i, 7);
		o->per = text_value(i, 8);
		o->factor = text_value(i, 9);
	}
}

AiuVersionEntry *
aiu_price_load_version(int32 number, MemoryContext cxt)
{
	AiuVersionEntry *version = MemoryContextAllocZero(cxt, sizeof(AiuVersionEntry));
	AiuOwnerSpi save;
	Datum		args[1];
	MemoryContext old;

	aiu_owner_spi_begin(&save);
	args[0] = Int32GetDatum(number);
	run(&version_statement, args);
	if (SPI_processed > 0)
	{
		uint64		i;

		version->version = number;
		old = MemoryContextSwitchTo(cxt);
		version->book = text_value(0, 1);
		version->status = text_value(0, 2);
		MemoryContextSwitchTo(old);

		run(&providers_statement, args);
		old = MemoryContextSwitchTo(cxt);
		version->nproviders = SPI_processed;
		version->providers = palloc0(sizeof(AiuProviderEntry) * Max(version->nproviders, 1));
		for (i = 0; i < SPI_processed; i++)
		{
			AiuProviderEntry *p = &version->providers[i];
			bool		isnull;
			Datum		fallbacks;
			char	   *folded;

			p->provider = text_value(i, 1);
			folded = palloc(AIU_LABEL_MAX);
			p->foldedlen = aiu_match_fold(p->provider, strlen(p->provider), folded, AIU_LABEL_MAX);
			p->folded = folded;
			p->match = match_value(i, 2);
			p->model_match = match_value(i, 3);
			fallbacks = value(i, 4, &isnull);
			if (!isnull)
			{
				Datum	   *elems;
				int			n,
							k;

				deconstruct_array(DatumGetArrayTypeP(fallbacks), TEXTOID, -1, false, TYPALIGN_INT,
								  &elems, NULL, &n);
				p->nfallbacks = n;
				p->fallbacks = palloc(sizeof(char *) * Max(n, 1));
				for (k = 0; k < n; k++)
					p->fallbacks[k] = TextDatumGetCString(elems[k]);
			}
		}
		MemoryContextSwitchTo(old);

		run(&overrides_statement, args);
		old = MemoryContextSwitchTo(cxt);
		load_overrides(version);
		MemoryContextSwitchTo(old);
	}
	aiu_owner_spi_end(&save);
	return version;
}

void
aiu_price_load_models(AiuVersionEntry *version, AiuProviderEntry *provider, MemoryContext cxt)
{
	AiuModelEntry *models;
	AiuOwnerSpi save;
	Datum		args[2];
	MemoryContext old;
	uint64		i;
	int			n;

	aiu_owner_spi_begin(&save);
	args[0] = Int32GetDatum(version->version);
	args[1] = CStringGetTextDatum(provider->provider);
	run(&models_statement, args);
	n = SPI_processed;
	old = MemoryContextSwitchTo(cxt);
	models = palloc0(sizeof(AiuModelEntry) * Max(n, 1));
	for (i = 0; i < SPI_processed; i++)
	{
		models[i].model = text_value(i, 1);
		models[i].match = match_value(i, 2);
		if (models[i].match == NULL)
			models[i].match = aiu_match_exact(models[i].model);
	}
	MemoryContextSwitchTo(old);
	aiu_owner_spi_end(&save);

	provider->models = models;
	provider->nmodels = n;
	provider->loaded = true;
}

static void
load_rule(AiuRule *rule, uint64 row)
{
	rule->rule = int_value(row, 1, 0);
	rule->service_tier = text_value(row, 2);
	rule->endpoint = text_value(row, 3);
	rule->region = text_value(row, 4);
	rule->starts_at = bigint_value(row, 5, DT_NOBEGIN);
	rule->ends_at = bigint_value(row, 6, DT_NOEND);
	rule->weekdays = int_value(row, 7, 0x7F);
	rule->from_usec = bigint_value(row, 8, -1);
	rule->to_usec = bigint_value(row, 9, -1);
	rule->has_window = rule->from_usec >= 0;
	rule->multiplier = text_value(row, 11);
	rule->timed = rule->starts_at != DT_NOBEGIN || rule->ends_at != DT_NOEND ||
		rule->weekdays != 0x7F || rule->has_window;
	if (rule->timed)
	{
		char	   *zone = text_value(row, 10);

		if (strcmp(zone, "UTC") != 0)
		{
			rule->zone = pg_tzset(zone);
			if (rule->zone == NULL)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("time zone \"%s\" of a price rule is not known to this server", zone),
						 errhint("Install the time zone data of the server that published the version.")));
		}
	}
}

AiuModel *
aiu_price_load_model(AiuVersionEntry *version, AiuProviderEntry *provider,
					 AiuModelEntry *entry, MemoryContext cxt)
{
	AiuModel   *model;
	AiuOwnerSpi save;
	Datum		args[3];
	MemoryContext old;
	uint64		nprices;
	uint64		i;
	int			r;

	aiu_owner_spi_begin(&save);
	args[0] = Int32GetDatum(version->version);
	args[1] = CStringGetTextDatum(provider->provider);
	args[2] = CStringGetTextDatum(entry->model);

	run(&rules_statement, args);
	old = MemoryContextSwitchTo(cxt);
	model = palloc0(sizeof(AiuModel));
	model->provider = provider->provider;
	model->model = entry->model;
	model->nrules = SPI_processed;
	model->rules = palloc0(sizeof(AiuRule) * Max(model->nrules, 1));
	for (i = 0; i < SPI_processed; i++)
		load_rule(&model->rules[i], i);
	MemoryContextSwitchTo(old);

	run(&prices_statement, args);
	nprices = SPI_processed;
	old = MemoryContextSwitchTo(cxt);
	i = 0;
	for (r = 0; r < model->nrules; r++)
	{
		AiuRule    *rule = &model->rules[r];
		uint64		end = i;

		while (end < nprices && int_value(end, 1, -1) == rule->rule)
			end++;
		rule->rows = palloc0(sizeof(AiuPriceRow) * Max(end - i, 1));
		for (; i < end; i++)
		{
			AiuPriceRow *row = &rule->rows[rule->nrows++];

			row->unit = text_value(i, 2);
			row->rate = text_value(i, 3);
			row->per = text_value(i, 4);
			row->tier_start = text_value(i, 5);
			row->tier_metric = text_value(i, 6);
			row->tier_inclusive = bool_value(i, 7);
			row->min_quantity = text_value(i, 8);
			row->step = text_value(i, 9);
			row->multiplier = rule->multiplier;
		}
		aiu_price_compile(rule);
	}
	MemoryContextSwitchTo(old);
	aiu_owner_spi_end(&save);
	return model;
}

char *
aiu_price_load_default_book(MemoryContext cxt)
{
	AiuOwnerSpi save;
	char	   *name = NULL;
	MemoryContext old;

	aiu_owner_spi_begin(&save);
	run(&default_book_statement, NULL);
	old = MemoryContextSwitchTo(cxt);
	if (SPI_processed > 0)
		name = text_value(0, 1);
	if (name == NULL)
		name = pstrdup("list");
	MemoryContextSwitchTo(old);
	aiu_owner_spi_end(&save);
	return name;
}
