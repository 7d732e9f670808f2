/*-------------------------------------------------------------------------
 *
 * gateway.c
 *	  How an AI gateway books its requests with libpq, in three ways.
 *
 * Build:	cc -I$(pg_config --includedir) gateway.c -L$(pg_config --libdir) -lpq -o gateway
 * Run:		./gateway "host=/run/postgresql dbname=finance user=gateway"
 *
 * One by one:	INSERT ... ON CONFLICT DO NOTHING.  The id is the request's, so
 *				that a retry after a lost answer books nothing twice.
 * Pipeline:	many inserts in one round trip and one transaction.
 * COPY:		the fastest way in.  A duplicate id is an error there, and one
 *				refused row undoes the batch; aiusage.ingest() answers row by
 *				row instead.
 *
 * Everything the program prints is a count, so that a test can read it.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <libpq-fe.h>

#define PIPELINE_ROWS	100
#define COPY_ROWS		1000

/* Usage is JSON as providers report it: totals, with cached tokens part of input_tokens. */
#define INSERT_USAGE \
	"INSERT INTO aiusage.usage_record" \
	" (id, request_id, occurred_at, api_key, provider, model, endpoint, usage, latency_ms, status_code)" \
	" VALUES ($1, $2, $3, $4, $5, $6, 'chat', $7, $8, 200)" \
	" ON CONFLICT DO NOTHING"

/* What a gateway answers when booking failed (docs/errors.md has every code). */
static int
http_status(const PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	if (state == NULL)
		return 503;				/* the connection is gone: send again, with the same id */
	if (strncmp(state, "UA", 2) == 0)
		return atoi(state + 2); /* 402, 403, 404, 409, 422, 429 or 503 */
	if (strcmp(state, "23505") == 0)
		return 200;				/* booked already */
	if (strncmp(state, "22", 2) == 0 || strcmp(state, "23502") == 0)
		return 422;				/* the row is wrong: keep it aside */
	if (strncmp(state, "08", 2) == 0 || strncmp(state, "40", 2) == 0 || strncmp(state, "53", 2) == 0 ||
		strncmp(state, "55", 2) == 0 || strncmp(state, "57", 2) == 0)
		return 503;				/* not now: send again, with the same id */
	return 500;					/* the setup is wrong: keep the row, tell somebody */
}

static void
fail(PGconn *conn, const char *what, PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	fprintf(stderr, "%s: %s (HTTP %d) %s", what, state ? state : "", http_status(result),
			result ? PQresultErrorMessage(result) : PQerrorMessage(conn));
	exit(1);
}

/* A UUIDv7: 48 bits of milliseconds, the rest random.  One for each attempt. */
static void
uuid_v7(char buf[37])
{
	struct timespec now;
	uint64_t	ms;
	unsigned char u[16];
	int			i;

	clock_gettime(CLOCK_REALTIME, &now);
	ms = (uint64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (getrandom(u, sizeof(u), 0) != sizeof(u))
	{
		perror("getrandom");
		exit(1);
	}
	for (i = 0; i < 6; i++)
		u[i] = (unsigned char) (ms >> (40 - 8 * i));
	u[6] = 0x70 | (u[6] & 0x0F);
	u[8] = 0x80 | (u[8] & 0x3F);
	snprintf(buf, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7],
			 u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

/* What happened, as the gateway knows it at the end of a request. */
typedef struct Request
{
	char		id[37];
	char		request_id[32];
	char		usage[96];
	char		latency_ms[12];
} Request;

static void
make_request(Request *r, const char *how, int n)
{
	uuid_v7(r->id);
	snprintf(r->request_id, sizeof(r->request_id), "%s-%d", how, n);
	snprintf(r->usage, sizeof(r->usage), "{\"input_tokens\":%d,\"cache_read_tokens\":%d,\"output_tokens\":%d}",
			 1000 + n, n % 500, 100 + n % 50);
	snprintf(r->latency_ms, sizeof(r->latency_ms), "%d", 500 + n % 300);
}

static void
fill_params(const Request *r, const char *params[8])
{
	params[0] = r->id;
	params[1] = r->request_id;
	params[2] = NULL;			/* occurred_at: the id's time */
	params[3] = "example-chat";
	params[4] = "openai";
	params[5] = "gpt-4o";
	params[6] = r->usage;
	params[7] = r->latency_ms;
}

/* Returns how many rows were booked: 0 means that the id was there already. */
static int
book_one(PGconn *conn, const Request *r)
{
	const char *params[8];
	PGresult   *result;
	int			booked;

	fill_params(r, params);
	result = PQexecPrepared(conn, "book", 8, params, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(conn, "insert", result);
	booked = atoi(PQcmdTuples(result));
	PQclear(result);
	return booked;
}

/* n inserts, one round trip, one transaction: all or none. */
static int
book_pipeline(PGconn *conn, int n)
{
	int			booked = 0;
	int			i;
	PGresult   *result;

	if (!PQenterPipelineMode(conn))
		fail(conn, "pipeline", NULL);
	for (i = 0; i < n; i++)
	{
		Request		r;
		const char *params[8];

		make_request(&r, "pipeline", i);
		fill_params(&r, params);
		if (!PQsendQueryPrepared(conn, "book", 8, params, NULL, NULL, 0))
			fail(conn, "pipeline", NULL);
	}
	if (!PQpipelineSync(conn))
		fail(conn, "pipeline", NULL);

	for (i = 0; i < n; i++)
	{
		result = PQgetResult(conn);
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			fail(conn, "pipeline", result);
		booked += atoi(PQcmdTuples(result));
		PQclear(result);
		PQgetResult(conn);		/* NULL: the end of this statement's results */
	}
	result = PQgetResult(conn);
	if (PQresultStatus(result) != PGRES_PIPELINE_SYNC)
		fail(conn, "pipeline", result);
	PQclear(result);
	if (!PQexitPipelineMode(conn))
		fail(conn, "pipeline", NULL);
	return booked;
}

/* COPY: text format; JSON holds no tab, newline or backslash here, so needs no escaping. */
static int
book_copy(PGconn *conn, int n)
{
	PGresult   *result;
	int			booked;
	int			i;

	result = PQexec(conn, "COPY aiusage.usage_record"
					" (id, request_id, api_key, provider, model, endpoint, usage, latency_ms, status_code) FROM STDIN");
	if (PQresultStatus(result) != PGRES_COPY_IN)
		fail(conn, "copy", result);
	PQclear(result);
	for (i = 0; i < n; i++)
	{
		Request		r;
		char		line[512];
		int			len;

		make_request(&r, "copy", i);
		len = snprintf(line, sizeof(line), "%s\t%s\texample-chat\topenai\tgpt-4o\tchat\t%s\t%s\t200\n",
					   r.id, r.request_id, r.usage, r.latency_ms);
		if (PQputCopyData(conn, line, len) != 1)
			fail(conn, "copy", NULL);
	}
	if (PQputCopyEnd(conn, NULL) != 1)
		fail(conn, "copy", NULL);
	result = PQgetResult(conn);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(conn, "copy", result);
	booked = atoi(PQcmdTuples(result));
	PQclear(result);
	PQgetResult(conn);
	return booked;
}

int
main(int argc, char **argv)
{
	PGconn	   *conn = PQconnectdb(argc > 1 ? argv[1] : "");
	PGresult   *result;
	Request		r;

	if (PQstatus(conn) != CONNECTION_OK)
		fail(conn, "connect", NULL);
	result = PQprepare(conn, "book", INSERT_USAGE, 0, NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(conn, "prepare", result);
	PQclear(result);

	make_request(&r, "single", 1);
	printf("inserted %d\n", book_one(conn, &r));
	printf("sent again %d\n", book_one(conn, &r));
	printf("pipeline %d\n", book_pipeline(conn, PIPELINE_ROWS));
	printf("copy %d\n", book_copy(conn, COPY_ROWS));

	PQfinish(conn);
	return 0;
}
