/*-------------------------------------------------------------------------
 *
 * price_line.c
 *	  A book and those it inherits from, and which of their versions apply.
 *
 * A row that is priced by a book that inherits asks for the version in force
 * of each book of the line.  The same few combinations come up again and
 * again, so each has a number of its own, and what a request comes to under
 * it is remembered under that: one lookup a row, however long the line.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pricing/price_internal.h"

/* How many books the line has: the book itself, and what it inherits from. */
int
aiu_price_line_books(AiuBookEntry *book)
{
	const AiuBookEntry *line[AIU_BOOK_DEPTH];
	const AiuBookEntry *next = book;
	int			n = 0;

	if (likely(book->ndepth > 0))
		return book->ndepth;
	/* a ring goes round until the line is full */
	while (n < AIU_BOOK_DEPTH)
	{
		AiuLabel	label;

		line[n++] = next;
		if (next->inherits == NULL)
			break;
		label.s = next->inherits;
		label.len = strlen(next->inherits);
		next = aiu_price_cache_book(&label);
		if (!next->exists)
			break;
	}
	memcpy(book->line, line, sizeof(line[0]) * n);
	book->ndepth = n;
	return n;
}

const AiuPriceLine *
aiu_price_line(AiuBookEntry *book, TimestampTz at, TimestampTz known_at,
			   const AiuVersionEntry *instead, int32 *last_id, MemoryContext cxt)
{
	int32		versions[AIU_BOOK_DEPTH] = {0};
	int			n = aiu_price_line_books(book);
	AiuPriceLine *line;
	int			i;

	for (i = 0; i < n; i++)
		versions[i] = instead != NULL && strcmp(book->line[i]->book, instead->book) == 0 ?
			instead->version : aiu_price_version_at(book->line[i], at, known_at);
	for (line = book->lines; line != NULL; line = line->next)
	{
		if (memcmp(line->versions, versions, sizeof(versions)) == 0)
			return line;
	}
	line = MemoryContextAllocZero(cxt, sizeof(AiuPriceLine));
	line->id = --*last_id;
	line->book = book;
	memcpy(line->versions, versions, sizeof(versions));
	line->next = book->lines;
	book->lines = line;
	return line;
}
