/*
 * Lets t/011_exact.pl call src/types/exact.c without a server: one request a
 * line, one answer a line.
 */
#include "postgres.h"

#include <stdio.h>

#include "types/types_internal.h"

/* For headers of a server built with assertions: ExceptionalCondition, whose arguments differ between versions. */
void		failed_assertion(void) __asm__("ExceptionalCondition");

void
failed_assertion(void)
{
	abort();
}

static int128
number(const char *s)
{
	int128		v;

	if (aiu_decimal_parse(s, strlen(s), 0, &v) != AIU_DEC_OK)
		abort();
	return v;
}

int
main(void)
{
	static char line[4096];
	static char op[4096];
	static char a[4096];
	static char b[4096];
	static char c[4096];

	while (fgets(line, sizeof(line), stdin) != NULL)
	{
		int			n = sscanf(line, "%4095s %4095s %4095s %4095s", op, a, b, c);
		int128		v = 0;
		char		buf[64];

		if (n == 4 && strcmp(op, "muldiv") == 0)
		{
			if (!aiu_muldiv_half_even(number(a), number(b), number(c), &v))
			{
				puts("overflow");
				continue;
			}
			aiu_decimal_print(v, 0, buf);
		}
		else if (n == 3 && (strcmp(op, "add") == 0 || strcmp(op, "mul") == 0))
		{
			if (!(op[0] == 'a' ? aiu_add128 : aiu_mul128) (number(a), number(b), &v))
			{
				puts("overflow");
				continue;
			}
			aiu_decimal_print(v, 0, buf);
		}
		else if (n == 3 && (strcmp(op, "parse") == 0 || strcmp(op, "round") == 0))
		{
			static const char *const names[] = {"ok", "syntax", "range", "inexact"};
			AiuDecResult res = aiu_decimal_scan(a, strlen(a), atoi(b), op[0] == 'r', &v);

			if (res != AIU_DEC_OK)
			{
				puts(names[res]);
				continue;
			}
			aiu_decimal_print(v, 0, buf);
		}
		else if (n == 3 && strcmp(op, "print") == 0)
			aiu_decimal_print(number(a), atoi(b), buf);
		else
			abort();
		puts(buf);
	}
	return 0;
}
