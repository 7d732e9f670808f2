/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  Settings of the module, all named aiusage.*.  Policy that belongs to the
 *	  books (strict mode, default book, ...) is data: aiusage.setting.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_GUC_H
#define AIU_GUC_H

/* aiusage.price_cache_entries: compiled models a backend remembers before it starts over */
extern int	aiu_price_cache_entries;
/* aiusage.key_cache_entries: the same for api keys */
extern int	aiu_key_cache_entries;

/* aiusage.quota_counters: counters that shared memory has room for */
extern int	aiu_quota_counters_max;
/* aiusage.quota_holds: holds that shared memory has room for */
extern int	aiu_quota_holds_max;
/* aiusage.quota_load_timeout: how long an insert waits for a counter to be loaded, in milliseconds */
extern int	aiu_quota_load_timeout;
/* aiusage.quota_fail_open: a row whose counter cannot be loaded in time is booked unchecked */
extern bool aiu_quota_fail_open;

extern void aiu_guc_init(void);

#endif							/* AIU_GUC_H */
