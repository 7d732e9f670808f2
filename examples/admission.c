/*-------------------------------------------------------------------------
 *
 * admission.c
 *	  The request path of an AI gateway that keeps limits: ask, call, book.
 *
 * Build:	cc -I$(pg_config --includedir) admission.c -L$(pg_config --libdir) -lpq -o admission
 * Run:		./admission "host=/run/postgresql dbname=finance user=gateway" KEY CALLS
 *
 * Before the call, admit() is asked with the worst case: the tokens of the
 * prompt and the most output that was asked for.  Its hold keeps that much
 * room in every limit until the row that names it is booked.  What comes
 * back is all that a gateway needs to answer: an HTTP status, when to try
 * again, what is left.
 *
 * After the call the row is booked whatever the limits say: the money is
 * gone.  If the database cannot be reached then, the row goes to a queue on
 * disk and is sent again, with the same id, which books it once.
 *
 * Prints a line a call, as the headers of an answer would be.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

/* $4 is the worst case.  A memory-only hold costs no WAL; it is right for calls of seconds. */
#define ADMIT \
	"SELECT decision, model, hold_id, http_status, ceil(extract(epoch FROM retry_after))::bigint, remaining, quota, message" \
	" FROM aiusage.admit($1, $2, $3, $4, ttl => '2 minutes', durable => false)"

/* The id is made by the database here; a gateway that may send again makes its own (gateway.c). */
#define BOOK \
	"INSERT INTO aiusage.usage_record (api_key, provider, model, usage, request_id, hold_id, status)" \
	" VALUES ($1, $2, $3, $4, $5, $6, 'success')"

static void
fail(PGconn *conn, const char *what, PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	fprintf(stderr, "%s: %s %s", what, state ? state : "",
			result ? PQresultErrorMessage(result) : PQerrorMessage(conn));
	exit(1);
}

static void
prepare(PGconn *conn, const char *name, const char *query)
{
	PGresult   *result = PQprepare(conn, name, query, 0, NULL);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(conn, name, result);
	PQclear(result);
}

/* The call of the provider.  This one uses less than the worst case, as calls do. */
static const char *
call_provider(const char *model)
{
	(void) model;
	return "{\"input_tokens\": 1200, \"cache_read_tokens\": 1024, \"output_tokens\": 180}";
}

static void
serve(PGconn *conn, const char *key, int n)
{
	const char *ask[4] = {key, "openai", "gpt-4o", "{\"input_tokens\": 1200, \"output_tokens\": 1000}"};
	const char *book[6];
	char		request_id[32];
	PGresult   *answer;
	PGresult   *result;
	const char *decision;

	answer = PQexecPrepared(conn, "admit", 4, ask, NULL, NULL, 0);
	if (PQresultStatus(answer) != PGRES_TUPLES_OK)
		fail(conn, "admit", answer);
	decision = PQgetvalue(answer, 0, 0);

	/* allow and degrade have a hold; with degrade, the model is a cheaper one than was asked for */
	if (strcmp(decision, "allow") != 0 && strcmp(decision, "degrade") != 0)
	{
		printf("%s", PQgetvalue(answer, 0, 3));
		if (!PQgetisnull(answer, 0, 4))
			printf(" retry-after: %s", PQgetvalue(answer, 0, 4));
		printf(" (%s)\n", PQgetvalue(answer, 0, 6));
		PQclear(answer);
		return;
	}

	snprintf(request_id, sizeof(request_id), "admitted-%d", n);
	book[0] = key;
	book[1] = "openai";
	book[2] = PQgetvalue(answer, 0, 1);
	book[3] = call_provider(book[2]);
	book[4] = request_id;
	book[5] = PQgetisnull(answer, 0, 2) ? NULL : PQgetvalue(answer, 0, 2);
	result = PQexecPrepared(conn, "book", 6, book, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(conn, "book", result);
	PQclear(result);
	printf("%s %s", PQgetvalue(answer, 0, 3), book[2]);
	if (!PQgetisnull(answer, 0, 5))
		printf(" x-ratelimit-remaining: %s", PQgetvalue(answer, 0, 5));
	printf("\n");
	PQclear(answer);
}

int
main(int argc, char **argv)
{
	PGconn	   *conn;
	int			calls;
	int			i;

	if (argc != 4)
	{
		fprintf(stderr, "usage: %s CONNINFO KEY CALLS\n", argv[0]);
		return 2;
	}
	conn = PQconnectdb(argv[1]);
	calls = atoi(argv[3]);
	if (PQstatus(conn) != CONNECTION_OK)
		fail(conn, "connect", NULL);
	prepare(conn, "admit", ADMIT);
	prepare(conn, "book", BOOK);
	for (i = 1; i <= calls; i++)
		serve(conn, argv[2], i);
	PQfinish(conn);
	return 0;
}
