/* For t/014_siphash.pl: the code of 0, 1, ... n-1 under the key 0, 1, ... 15, in hex, for n from 0 to 63. */
#include "postgres.h"

#undef printf

#include "common/siphash.h"

int
main(void)
{
	uint8		key[AIU_SIPHASH_KEY_LEN];
	uint8		data[64];
	int			n;

	for (n = 0; n < AIU_SIPHASH_KEY_LEN; n++)
		key[n] = (uint8) n;
	for (n = 0; n < 64; n++)
	{
		/* exactly as many bytes, so that a sanitizer sees one more */
		uint8	   *exact = malloc(n ? n : 1);

		memcpy(exact, data, n);
		printf("%016llx\n", (unsigned long long) aiu_siphash(key, exact, n));
		free(exact);
		data[n] = (uint8) n;
	}
	return 0;
}
