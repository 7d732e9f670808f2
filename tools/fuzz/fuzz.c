/*-------------------------------------------------------------------------
 *
 * fuzz.c
 *	  libFuzzer inside a server: fuzz('target', 'libFuzzer options').
 *
 * tools/fuzz.sh builds the extension with clang's coverage and sanitizers,
 * and calls this in a single-user server, so that what is fuzzed is the real
 * function with the real jsonb, numeric and error handling around it.
 *
 * What is fed to a function lies in a block of malloc() of exactly its size,
 * not in palloc()'s larger blocks: AddressSanitizer sees each byte that is
 * read beside it.  An error is fine if it is one of the documented ones;
 * another SQLSTATE, or a value that does not survive its own round trips, is
 * a finding and ends the process as a crash does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(fuzz);

extern int	LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback) (const uint8 *data, size_t size));

#define MAX_FLAVORS		64

typedef struct Flavor
{
	Datum		provider;
	Datum		flavor;
	int			nwords;
	Datum	   *words;
} Flavor;

static MemoryContext work;
static FmgrInfo in_fn, out_fn, recv_fn, send_fn, eq_fn, add_fn, hash_fn, from_jsonb_fn, to_jsonb_fn, extract_fn, jsonb_in_fn;
static Flavor flavors[MAX_FLAVORS];
static int	nflavors;
static int	fixed_size;			/* of the type, or -1 for a varlena */
static uint64 accepted;
static uint64 refused;

static void
look_up(FmgrInfo *fn, const char *signature)
{
	fmgr_info_cxt(DatumGetObjectId(DirectFunctionCall1(regprocedurein, CStringGetDatum(signature))), fn, TopMemoryContext);
}

static void
finding(const char *what)
{
	fprintf(stderr, "FINDING: %s\n", what);
	abort();
}

/* The value in a block of its own size; freed by the caller. */
static void *
exact_copy(Datum d)
{
	Size		size = fixed_size > 0 ? fixed_size : VARSIZE_ANY(DatumGetPointer(d));
	void	   *copy = malloc(size);

	memcpy(copy, DatumGetPointer(d), size);
	return copy;
}

/* Any accepted value: through text, the wire and the operators. */
static void
exercise(Datum value)
{
	void	   *copy = exact_copy(value);
	Datum		v = PointerGetDatum(copy);
	char	   *text = DatumGetCString(FunctionCall1(&out_fn, v));
	bytea	   *sent;
	StringInfoData buf;
	char	   *wire;
	Datum		again;

	again = FunctionCall3(&in_fn, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	if (!DatumGetBool(FunctionCall2(&eq_fn, v, again)))
		finding("text round trip");
	if (strcmp(text, DatumGetCString(FunctionCall1(&out_fn, again))) != 0)
		finding("text is not one for a value");
	if (DatumGetInt32(FunctionCall1(&hash_fn, v)) != DatumGetInt32(FunctionCall1(&hash_fn, again)))
		finding("equal, but of another hash");

	sent = DatumGetByteaPP(FunctionCall1(&send_fn, v));
	wire = malloc(VARSIZE_ANY_EXHDR(sent));
	memcpy(wire, VARDATA_ANY(sent), VARSIZE_ANY_EXHDR(sent));
	buf.data = wire;
	buf.len = buf.maxlen = VARSIZE_ANY_EXHDR(sent);
	buf.cursor = 0;
	again = FunctionCall3(&recv_fn, PointerGetDatum(&buf), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	if (!DatumGetBool(FunctionCall2(&eq_fn, v, again)))
		finding("binary round trip");
	free(wire);

	if (to_jsonb_fn.fn_oid != InvalidOid)
	{
		void	   *json = exact_copy(FunctionCall1(&to_jsonb_fn, v));	/* these types are varlenas, too */

		if (!DatumGetBool(FunctionCall2(&eq_fn, v, FunctionCall1(&from_jsonb_fn, PointerGetDatum(json)))))
			finding("jsonb round trip");
		free(json);
	}
	accepted++;
	/* last, for it may overflow, which is an error of its own */
	FunctionCall2(&add_fn, v, v);
	free(copy);
}

static void
fuzz_text(const uint8 *data, size_t size)
{
	char	   *text;

	/* what reaches an input function is valid in the server's encoding and has no zero byte */
	if (memchr(data, 0, size) != NULL || !pg_verify_mbstr(PG_UTF8, (const char *) data, size, true))
		return;
	text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	PG_TRY();
	{
		exercise(FunctionCall3(&in_fn, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	}
	PG_FINALLY();
	{
		free(text);
	}
	PG_END_TRY();
}

static void
fuzz_binary(const uint8 *data, size_t size)
{
	char	   *wire = malloc(size);
	StringInfoData buf;

	memcpy(wire, data, size);
	buf.data = wire;
	buf.len = buf.maxlen = size;
	buf.cursor = 0;
	PG_TRY();
	{
		Datum		v = FunctionCall3(&recv_fn, PointerGetDatum(&buf), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
		bytea	   *sent = DatumGetByteaPP(FunctionCall1(&send_fn, v));

		if (buf.cursor == buf.len &&
			(VARSIZE_ANY_EXHDR(sent) != size || memcmp(VARDATA_ANY(sent), data, size) != 0))
			finding("received bytes that are not canonical");
		exercise(v);
	}
	PG_FINALLY();
	{
		free(wire);
	}
	PG_END_TRY();
}

/* ---- bodies: every input is JSON, of the words that the flavor knows ---- */

typedef struct Source
{
	const uint8 *p;
	const uint8 *end;
} Source;

static int
draw(Source *s)
{
	return s->p < s->end ? *s->p++ : 0;
}

static void
put_json(StringInfo out, Source *s, const Flavor *f, int depth)
{
	static const char *const numbers[] = {
		"0", "1", "7", "4740", "-1", "0.5", "1.000001", "1e6", "1e-7", "999999999999999999999999999999.999999",
		"1000000000000000000000000000000", "1e308", "1e-400", "9223372036854775807", "170141183460469231731687303715884105727", "0.0000005"
	};
	static const char *const strings[] = {"", "x", "12", "1.5", "-3", "1e40", "message_stop", "gpt-4o", "text/event-stream", "[DONE]"};
	int			kind = s->p < s->end ? draw(s) % 12 : 2;
	int			n;
	int			i;

	if (depth > 8 && kind >= 8)
		kind = 2;
	if (kind == 0)
		appendStringInfoString(out, "null");
	else if (kind == 1)
		appendStringInfoString(out, "true");
	else if (kind <= 4)
		appendStringInfo(out, "%d", draw(s) * (kind == 4 ? 65537 : 1));
	else if (kind == 5)
		appendStringInfoString(out, numbers[draw(s) % lengthof(numbers)]);
	else if (kind == 6)
		appendStringInfo(out, "\"%s\"", strings[draw(s) % lengthof(strings)]);
	else if (kind == 7)
		appendStringInfo(out, "\"%s\"", TextDatumGetCString(f->words[draw(s) % f->nwords]));
	else if (kind == 8)
	{
		n = draw(s) % 5;
		appendStringInfoChar(out, '[');
		for (i = 0; i < n; i++)
		{
			if (i > 0)
				appendStringInfoChar(out, ',');
			put_json(out, s, f, depth + 1);
		}
		appendStringInfoChar(out, ']');
	}
	else
	{
		n = draw(s) % 9;
		appendStringInfoChar(out, '{');
		for (i = 0; i < n; i++)
		{
			int			word = draw(s);

			if (i > 0)
				appendStringInfoChar(out, ',');
			if (word >= 250)
				appendStringInfo(out, "\"other_%d\":", word);
			else
				appendStringInfo(out, "\"%s\":", TextDatumGetCString(f->words[word % f->nwords]));
			put_json(out, s, f, depth + 1);
		}
		appendStringInfoChar(out, '}');
	}
}

static Datum
body_of(Source *s, const Flavor *f)
{
	StringInfoData json;

	initStringInfo(&json);
	put_json(&json, s, f, 0);
	return FunctionCall1(&jsonb_in_fn, CStringGetDatum(json.data));
}

static void
fuzz_extract(const uint8 *data, size_t size)
{
	Source		s = {data, data + size};
	const Flavor *f = &flavors[draw(&s) % nflavors];
	void	   *body = exact_copy(body_of(&s, f));

	PG_TRY();
	{
		/* NULLs among the columns of the answer are the function's business */
		FunctionCall3(&extract_fn, f->provider, f->flavor, PointerGetDatum(body));
		accepted++;
	}
	PG_FINALLY();
	{
		free(body);
	}
	PG_END_TRY();
}

/* An aggregate, so through SQL: up to four chunks. */
static void
fuzz_stream(const uint8 *data, size_t size)
{
	static SPIPlanPtr plan;
	Oid			types[] = {TEXTOID, TEXTOID, JSONBARRAYOID};
	Source		s = {data, data + size};
	const Flavor *f = &flavors[draw(&s) % nflavors];
	Datum		chunks[4];
	int			n = draw(&s) % 4 + 1;
	int			i;
	Datum		values[3];

	for (i = 0; i < n; i++)
		chunks[i] = body_of(&s, f);
	values[0] = f->provider;
	values[1] = f->flavor;
	values[2] = PointerGetDatum(construct_array(chunks, n, JSONBOID, -1, false, TYPALIGN_INT));
	SPI_connect();
	if (plan == NULL)
	{
		plan = SPI_prepare("SELECT aiusage.merge_stream($1, $2, c)::text FROM unnest($3) AS c", 3, types);
		SPI_keepplan(plan);
	}
	if (SPI_execute_plan(plan, values, NULL, true, 0) != SPI_OK_SELECT)
		finding("SPI");
	SPI_finish();
	accepted++;
}

static void
load_flavors(void)
{
	uint64		i;

	SPI_connect();
	SPI_execute("SELECT provider, flavor, array_agg(DISTINCT word) FROM (SELECT provider, flavor, unnest(string_to_array(regexp_replace(concat(root, '.', path, "
				"'.usage.model.id.type.service_tier.delta.choices'), '\\[.\\]', '.', 'g'), '.')) AS word FROM aiusage.extractors()) AS w "
				"WHERE word <> '' GROUP BY 1, 2 ORDER BY 1, 2", true, MAX_FLAVORS);
	for (i = 0; i < SPI_processed; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		ArrayType  *words;

		flavors[i].provider = PointerGetDatum(DatumGetTextPCopy(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull)));
		flavors[i].flavor = PointerGetDatum(DatumGetTextPCopy(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull)));
		words = DatumGetArrayTypePCopy(SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &isnull));
		deconstruct_array(words, TEXTOID, -1, false, TYPALIGN_INT, &flavors[i].words, NULL, &flavors[i].nwords);
		nflavors = i + 1;
		MemoryContextSwitchTo(caller);
	}
	SPI_finish();
	if (nflavors == 0)
		elog(ERROR, "no flavors");
}

/* ---- one input ---- */

static void (*target) (const uint8 *data, size_t size);

static int
one_input(const uint8 *data, size_t size)
{
	static const int allowed[] = {
		ERRCODE_INVALID_TEXT_REPRESENTATION, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, ERRCODE_INVALID_BINARY_REPRESENTATION,
		ERRCODE_PROTOCOL_VIOLATION, MAKE_SQLSTATE('U', 'A', '4', '2', '2')
	};
	volatile bool inside = target == fuzz_stream;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext caller = CurrentMemoryContext;

	CHECK_FOR_INTERRUPTS();
	if (inside)
		BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(work);
	PG_TRY();
	{
		target(data, size);
		if (inside)
			ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;
		int			i;

		MemoryContextSwitchTo(work);
		error = CopyErrorData();
		FlushErrorState();
		if (inside)
			RollbackAndReleaseCurrentSubTransaction();
		for (i = 0; i < (int) lengthof(allowed) && error->sqlerrcode != allowed[i]; i++)
			;
		if (i == (int) lengthof(allowed))
		{
			fprintf(stderr, "SQLSTATE %s: %s\n", unpack_sql_state(error->sqlerrcode), error->message);
			finding("an error that is not documented");
		}
		refused++;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	MemoryContextReset(work);
	return 0;
}

static void
report(void)
{
	fprintf(stderr, "fuzz: " UINT64_FORMAT " accepted, " UINT64_FORMAT " refused\n", accepted, refused);
}

/* Does not return: libFuzzer ends the process. */
Datum
fuzz(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *options = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *argv_array[64] = {"fuzz"};
	char	  **argv = argv_array;
	int			argc = 1;
	char	   *p;
	char	   *type = pstrdup(name);

	work = AllocSetContextCreate(TopMemoryContext, "fuzz", ALLOCSET_DEFAULT_SIZES);
	look_up(&jsonb_in_fn, "pg_catalog.jsonb_in(cstring)");
	if (strcmp(name, "extract") == 0 || strcmp(name, "stream") == 0)
	{
		load_flavors();
		look_up(&extract_fn, "aiusage.extract_usage(text,text,jsonb)");
		target = name[0] == 'e' ? fuzz_extract : fuzz_stream;
	}
	else
	{
		if ((p = strstr(type, "_recv")) != NULL)
			target = fuzz_binary;
		else if ((p = strstr(type, "_in")) != NULL)
			target = fuzz_text;
		else
			elog(ERROR, "no target %s", name);
		*p = '\0';
		look_up(&in_fn, psprintf("aiusage.%s_in(cstring)", type));
		fixed_size = get_typlen(get_func_rettype(in_fn.fn_oid));
		look_up(&out_fn, psprintf("aiusage.%s_out(aiusage.%s)", type, type));
		look_up(&recv_fn, psprintf("aiusage.%s_recv(internal)", type));
		look_up(&send_fn, psprintf("aiusage.%s_send(aiusage.%s)", type, type));
		look_up(&eq_fn, psprintf("aiusage.%s_eq(aiusage.%s,aiusage.%s)", type, type, type));
		look_up(&add_fn, psprintf("aiusage.%s_add(aiusage.%s,aiusage.%s)", type, type, type));
		look_up(&hash_fn, psprintf("aiusage.%s_hash(aiusage.%s)", type, type));
		if (strcmp(type, "amount") != 0)
		{
			look_up(&to_jsonb_fn, psprintf("aiusage.jsonb(aiusage.%s)", type));
			look_up(&from_jsonb_fn, psprintf("aiusage.%s(jsonb)", type));
		}
	}
	for (p = strtok(options, " "); p != NULL && argc < 60; p = strtok(NULL, " "))
		argv_array[argc++] = p;
	atexit(report);
	LLVMFuzzerRunDriver(&argc, &argv, one_input);
	report();
	PG_RETURN_VOID();
}
