/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  Settings of the module.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "common/guc.h"

/*---- GUC variables ----*/

/*
 * Compiled price rules a backend remembers.  An administrator raises it when
 * one connection sees more (provider, model, tier, endpoint, region)
 * combinations than this; each costs one to a few kilobytes.
 */
int			aiu_price_cache_entries = 8192;

/*
 * API keys a backend remembers, unknown ones included, so that a flood of
 * made-up keys cannot grow it.
 */
int			aiu_key_cache_entries = 16384;

void
aiu_guc_init(void)
{
	DefineCustomIntVariable("aiusage.price_cache_entries",
							"Sets how many compiled model prices a backend remembers.",
							"When it is full the cache starts over.",
							&aiu_price_cache_entries,
							8192, 16, 1000000,
							PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("aiusage.key_cache_entries",
							"Sets how many API keys a backend remembers.",
							"When it is full the cache starts over.",
							&aiu_key_cache_entries,
							16384, 16, 10000000,
							PGC_USERSET, 0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("aiusage");
}
