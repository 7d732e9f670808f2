/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  Settings of the module.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
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

/*
 * Counters of limits in shared memory.  An administrator raises it when
 * aiusage.quota_memory() shows that counters of open windows are evicted, to
 * be loaded again, or that none is left.
 */
int			aiu_quota_counters_max = 16384;

/*
 * Holds of admission in shared memory, open ones and those that were closed
 * before their time.  An administrator raises it to the number of requests
 * that are admitted within a ttl.
 */
int			aiu_quota_holds_max = 8192;

/*
 * An insert whose counter another session loads waits this long, then fails.
 * Longer than the slowest load, shorter than the gateway's patience.
 */
int			aiu_quota_load_timeout = 10000;

/*
 * An administrator who prefers traffic to limits, should a counter ever not
 * load in time, turns this on.
 */
bool		aiu_quota_fail_open = false;

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

	/* of the server's start; nobody reads it in a library that was loaded later */
	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable("aiusage.quota_counters",
								"Sets how many counters of limits shared memory has room for.",
								"One is needed for each limit, subject and open window that is in use.",
								&aiu_quota_counters_max,
								16384, 64, 16 * 1024 * 1024,
								PGC_POSTMASTER, 0, NULL, NULL, NULL);

	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable("aiusage.quota_holds",
								"Sets how many holds of admission shared memory has room for.",
								"One is needed for each request that was admitted within the holds' time to live.",
								&aiu_quota_holds_max,
								8192, 64, 4 * 1024 * 1024,
								PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("aiusage.quota_load_timeout",
							"Sets how long an insert waits for the counter of a limit to be loaded.",
							"Then it fails with SQLSTATE UA503, unless aiusage.quota_fail_open is on.",
							&aiu_quota_load_timeout,
							10000, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomBoolVariable("aiusage.quota_fail_open",
							 "Books usage unchecked when the counter of a limit cannot be loaded in time.",
							 "Such rows have quota_state over. Off: they are refused.",
							 &aiu_quota_fail_open,
							 false,
							 PGC_SUSET, 0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("aiusage");
}
