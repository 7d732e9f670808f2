/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Who may see what: the functions that views for people filter by.
 *
 * The views belong to the owner of the books and are security barriers, but
 * a function in a view runs with the rights of whoever queries it, who may
 * not read aiusage.access_grant.  So these functions read it as the owner,
 * and answer for the role that asks: the current user in PostgreSQL's own
 * sense, the one whose privilege on the view was checked.  Nothing that a
 * session can set takes part, so a pooled connection cannot carry one
 * tenant's scope over to the next.
 *
 * A grant counts for every role that has the privileges of the role it was
 * given to, as a GRANT does (NOINHERIT members have to SET ROLE first).
 *
 * A customer's scope opens what the customer is charged, never what it
 * costs: grants of kind customer count for visible_customer_charges() only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "attribution/attribution.h"
#include "common/catalog.h"
#include "common/compat.h"
#include "common/owner.h"

AIU_FUNCTION(aiu_sees_everything);
AIU_FUNCTION(aiu_visible_teams);
AIU_FUNCTION(aiu_visible_cost_centers);
AIU_FUNCTION(aiu_visible_customers);
AIU_FUNCTION(aiu_visible_customer_charges);

enum
{
	COL_ROLE = 1, COL_KIND, COL_TEAMS, COL_COST_CENTERS, COL_CUSTOMERS
};

/* Answers that a reader keeps. */
#define ANSWERS		64

typedef struct AiuReaderAnswer
{
	char	   *question;		/* labels, each after its length; NULL: none */
	int			len;
	bool		sees;
} AiuReaderAnswer;

/* The kinds that read at all. */
typedef enum GrantKind
{
	READS_NOTHING,
	READS_ALL_WITHOUT_SCOPE,	/* analyst, admin, approver */
	READS_SCOPE,				/* member */
	READS_CHARGES				/* customer */
} GrantKind;

static GrantKind
grant_kind(const char *kind)
{
	if (strcmp(kind, "analyst") == 0 || strcmp(kind, "admin") == 0 || strcmp(kind, "approver") == 0)
		return READS_ALL_WITHOUT_SCOPE;
	if (strcmp(kind, "member") == 0)
		return READS_SCOPE;
	if (strcmp(kind, "customer") == 0)
		return READS_CHARGES;
	return READS_NOTHING;
}

/*
 * Read the grants as the owner of the books.  While a query runs in parallel
 * no later snapshot can be had than its own; it will do.
 */
static void
begin_grants(AiuOwnerSpi *save)
{
	if (IsInParallelMode())
		aiu_owner_spi_begin_write(save);
	else
		aiu_owner_spi_begin(save);
	if (SPI_execute("SELECT g.role, g.kind, g.teams, g.cost_centers, g.customers"
					"  FROM aiusage.access_grant AS g",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read access grants");
}

/* Kind of the i-th grant, when the role has it. */
static GrantKind
held_grant(uint64 i, Oid role)
{
	HeapTuple	tuple = SPI_tuptable->vals[i];
	TupleDesc	desc = SPI_tuptable->tupdesc;
	Oid			granted_to = get_role_oid(SPI_getvalue(tuple, desc, COL_ROLE), true);

	if (!OidIsValid(granted_to) || !has_privs_of_role(role, granted_to))
		return READS_NOTHING;
	return grant_kind(SPI_getvalue(tuple, desc, COL_KIND));
}

static bool
column_is_null(uint64 i, int column)
{
	bool		isnull;

	(void) SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, column, &isnull);
	return isnull;
}

/* Whoever may read the tables anyway, or has a grant without a scope. */
Datum
aiu_sees_everything(PG_FUNCTION_ARGS)
{
	Oid			role = GetUserId();
	AiuOwnerSpi save;
	bool		result = false;
	uint64		i;

	if (has_privs_of_role(role, aiu_catalog_books_owner()) ||
		has_privs_of_role(role, ROLE_PG_READ_ALL_DATA))
		PG_RETURN_BOOL(true);

	begin_grants(&save);
	for (i = 0; i < SPI_processed && !result; i++)
		result = held_grant(i, role) == READS_ALL_WITHOUT_SCOPE &&
			column_is_null(i, COL_TEAMS) && column_is_null(i, COL_COST_CENTERS) &&
			column_is_null(i, COL_CUSTOMERS);
	aiu_owner_spi_end(&save);
	PG_RETURN_BOOL(result);
}

/* All that the caller's grants name in one column of their scopes. */
static Datum
visible(FunctionCallInfo fcinfo, int column, bool charges)
{
	MemoryContext caller_context = CurrentMemoryContext;
	ArrayBuildState *names;
	Oid			role = GetUserId();
	AiuOwnerSpi save;
	uint64		i;

	names = initArrayResult(TEXTOID, caller_context, false);
	begin_grants(&save);
	for (i = 0; i < SPI_processed; i++)
	{
		GrantKind	kind = held_grant(i, role);
		Datum	   *elements;
		bool	   *nulls;
		int			nelements;
		int			e;
		bool		isnull;
		Datum		array;

		if (kind == READS_NOTHING || (kind == READS_CHARGES && !charges))
			continue;
		array = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, column, &isnull);
		if (isnull)
			continue;
		deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
						  &elements, &nulls, &nelements);
		for (e = 0; e < nelements; e++)
		{
			if (!nulls[e])
				names = accumArrayResult(names, elements[e], false, TEXTOID, caller_context);
		}
	}
	aiu_owner_spi_end(&save);
	return makeArrayResult(names, caller_context);
}

Datum
aiu_visible_teams(PG_FUNCTION_ARGS)
{
	return visible(fcinfo, COL_TEAMS, false);
}

Datum
aiu_visible_cost_centers(PG_FUNCTION_ARGS)
{
	return visible(fcinfo, COL_COST_CENTERS, false);
}

Datum
aiu_visible_customers(PG_FUNCTION_ARGS)
{
	return visible(fcinfo, COL_CUSTOMERS, false);
}

Datum
aiu_visible_customer_charges(PG_FUNCTION_ARGS)
{
	return visible(fcinfo, COL_CUSTOMERS, true);
}

/* A scope as it is kept: names in one column of the i-th grant, added to the list. */
static ArrayBuildState *
add_names(ArrayBuildState *names, uint64 i, int column, MemoryContext context)
{
	bool		isnull;
	Datum		array = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, column, &isnull);
	ArrayIterator iterator;
	Datum		name;

	if (isnull)
		return names;
	iterator = array_create_iterator(DatumGetArrayTypeP(array), 0, NULL);
	while (array_iterate(iterator, &name, &isnull))
	{
		if (!isnull)
			names = accumArrayResult(names, name, false, TEXTOID, context);
	}
	array_free_iterator(iterator);
	return names;
}

/* All that the role's grants name, by column; true: it sees everything. */
static bool
gather_scopes(Oid role, MemoryContext context, Datum names[3])
{
	ArrayBuildState *lists[3];
	AiuOwnerSpi save;
	bool		all = false;
	uint64		i;
	int			c;

	for (c = 0; c < 3; c++)
		lists[c] = initArrayResult(TEXTOID, context, false);
	begin_grants(&save);
	for (i = 0; i < SPI_processed && !all; i++)
	{
		GrantKind	kind = held_grant(i, role);

		if (kind == READS_NOTHING || kind == READS_CHARGES)
			continue;
		all = kind == READS_ALL_WITHOUT_SCOPE && column_is_null(i, COL_TEAMS) &&
			column_is_null(i, COL_COST_CENTERS) && column_is_null(i, COL_CUSTOMERS);
		for (c = 0; c < 3; c++)
			lists[c] = add_names(lists[c], i, COL_TEAMS + c, context);
	}
	aiu_owner_spi_end(&save);
	for (c = 0; c < 3; c++)
		names[c] = makeArrayResult(lists[c], context);
	return all;
}

static bool
reads_tables(Oid role)
{
	return has_privs_of_role(role, aiu_catalog_books_owner()) || has_privs_of_role(role, ROLE_PG_READ_ALL_DATA);
}

/* Who asks, for the rows of one query; of the current user only. */
AiuReader *
aiu_access_reader(AiuReader *reader, MemoryContext context)
{
	Oid			role = GetUserId();

	if (reader != NULL && reader->role == role)
		return reader;
	reader = MemoryContextAllocZero(context, sizeof(AiuReader));
	reader->context = context;
	reader->all = reads_tables(role) || gather_scopes(role, context, reader->names);
	reader->role = role;
	return reader;
}

static Datum
label_datum(const AiuLabel *label, char *null)
{
	*null = label->s == NULL ? 'n' : ' ';
	return label->s == NULL ? (Datum) 0 : PointerGetDatum(cstring_to_text_with_len(label->s, label->len));
}

static void
append_label(StringInfo buf, const AiuLabel *label)
{
	int			len = label->s == NULL ? -1 : label->len;

	appendBinaryStringInfo(buf, (const char *) &len, sizeof(len));
	if (len > 0)
		appendBinaryStringInfo(buf, label->s, len);
}

static bool
ask_grants(const AiuReader *reader, const AiuLabel *team, const AiuLabel *cost_center,
		   const AiuLabel *customer, const AiuLabel *key)
{
	static const char query[] =
		"SELECT coalesce(coalesce($1, a.team) OPERATOR(pg_catalog.=) ANY ($5), false)"
		"  OR coalesce(coalesce($2, a.cost_center) OPERATOR(pg_catalog.=) ANY ($6), false)"
		"  OR coalesce(coalesce($3, a.customer) OPERATOR(pg_catalog.=) ANY ($7), false)"
		"  FROM (VALUES (1)) AS one LEFT JOIN aiusage.key_assignment AS a ON a.api_key OPERATOR(pg_catalog.=) $4"
		"   AND a.valid_from OPERATOR(pg_catalog.<=) pg_catalog.statement_timestamp()"
		"   AND (a.valid_to IS NULL OR a.valid_to OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp())";
	Oid			argtypes[7] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	Datum		args[7];
	char		nulls[8] = "       ";
	AiuOwnerSpi save;
	bool		result;
	bool		isnull;

	args[0] = label_datum(team, &nulls[0]);
	args[1] = label_datum(cost_center, &nulls[1]);
	args[2] = label_datum(customer, &nulls[2]);
	args[3] = label_datum(key, &nulls[3]);
	memcpy(&args[4], reader->names, sizeof(reader->names));
	aiu_owner_spi_begin(&save);
	if (SPI_execute_with_args(query, 7, argtypes, args, nulls, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read who owns a key");
	result = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	aiu_owner_spi_end(&save);
	return result;
}

/*
 * May the reader see what is of this team, cost center and customer?  Those
 * that are not said are those of the key, as it is owned now.  A query asks
 * the same of many rows: the latest answers are kept.
 */
bool
aiu_access_sees(AiuReader *reader, const AiuLabel *team, const AiuLabel *cost_center,
				const AiuLabel *customer, const AiuLabel *key)
{
	StringInfoData question;
	AiuReaderAnswer *known;
	bool		sees;

	if (reader->all)
		return true;
	initStringInfo(&question);
	append_label(&question, team);
	append_label(&question, cost_center);
	append_label(&question, customer);
	append_label(&question, key);
	if (reader->answers == NULL)
		reader->answers = MemoryContextAllocZero(reader->context, sizeof(AiuReaderAnswer) * ANSWERS);
	known = &reader->answers[hash_bytes((const unsigned char *) question.data, question.len) % ANSWERS];
	if (known->question == NULL || known->len != question.len || memcmp(known->question, question.data, question.len) != 0)
	{
		sees = ask_grants(reader, team, cost_center, customer, key);
		if (known->question != NULL)
			pfree(known->question);
		known->question = MemoryContextAlloc(reader->context, question.len);
		memcpy(known->question, question.data, question.len);
		known->len = question.len;
		known->sees = sees;
	}
	pfree(question.data);
	return known->sees;
}

/*
 * May the caller be told the prices of a book?  Those who see everything may
 * (book NULL: is the caller one of them); others only when it is assigned to
 * what their scopes name: teams, customers, or keys while these own them.
 */
bool
aiu_access_may_use_book(const char *book, int len)
{
	static const char query[] =
		"SELECT EXISTS (SELECT FROM aiusage.price_book_assignment AS b"
		"  WHERE b.book OPERATOR(pg_catalog.=) $1 AND (b.valid_to IS NULL OR b.valid_from OPERATOR(pg_catalog.<) b.valid_to)"
		"  AND (b.team OPERATOR(pg_catalog.=) ANY ($2) OR b.customer OPERATOR(pg_catalog.=) ANY ($4) OR EXISTS"
		"   (SELECT FROM aiusage.key_assignment AS a WHERE a.api_key OPERATOR(pg_catalog.=) b.api_key"
		"    AND pg_catalog.tstzrange(a.valid_from, a.valid_to) OPERATOR(pg_catalog.&&) pg_catalog.tstzrange(b.valid_from, b.valid_to)"
		"    AND (a.team OPERATOR(pg_catalog.=) ANY ($2) OR a.cost_center OPERATOR(pg_catalog.=) ANY ($3)"
		"     OR a.customer OPERATOR(pg_catalog.=) ANY ($4)))))";
	Oid			role = GetUserId();
	Oid			argtypes[4] = {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	Datum		args[4];
	AiuOwnerSpi save;
	bool		result;
	bool		isnull;

	if (reads_tables(role) || gather_scopes(role, CurrentMemoryContext, &args[1]))
		return true;
	if (book == NULL)
		return false;

	args[0] = PointerGetDatum(cstring_to_text_with_len(book, len));
	if (IsInParallelMode())
		aiu_owner_spi_begin_write(&save);
	else
		aiu_owner_spi_begin(&save);
	if (SPI_execute_with_args(query, 4, argtypes, args, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read price book assignments");
	result = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	aiu_owner_spi_end(&save);
	return result;
}
