/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  Where the books are, and whether what a backend remembers of them is
 *	  still true.
 *
 * Every per-backend cache of configuration belongs to one AiuCatalog group.
 * A statement trigger on the group's tables (aiusage.invalidate_caches())
 * sends a relcache invalidation of the group's head table; every backend
 * that receives it bumps the group's generation, and a cache entry is valid
 * only while its generation is the group's.
 *
 * How to load without ever keeping something stale:
 *   1. gen = aiu_catalog_generation(group);
 *   2. read with a latest snapshot (aiu_owner_spi_begin sees to that);
 *   3. tag what was loaded with gen, not with the generation afterwards: an
 *      invalidation that arrived in between makes the entry invalid.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_CATALOG_H
#define AIU_CATALOG_H

typedef enum AiuCatalog
{
	AIU_CATALOG_SETTINGS,		/* aiusage.setting, aiusage.books (head: setting) */
	AIU_CATALOG_PRICES,			/* price_* tables (head: price_version) */
	AIU_CATALOG_KEYS,			/* api_key, key_assignment, team, ... (head: api_key) */
	AIU_CATALOG_PERIODS,		/* billing_calendar, invoice_period (head: invoice_period) */
	AIU_CATALOG_QUOTAS			/* quota, quota_override, access_grant (head: quota) */
} AiuCatalog;

#define AIU_CATALOG_COUNT 5

extern void aiu_catalog_init(void);

/* Never 0.  Cheap: no catalogue access. */
extern uint64 aiu_catalog_generation(AiuCatalog group);

/*
 * Counts the relcache invalidations that this backend has heard of, of any
 * relation; starts at 1.  What was found out about a table's shape holds while
 * it stays the same.
 */
extern uint64 aiu_catalog_relation_changes(void);

/* OID of aiusage.<relname>, or InvalidOid; remembered until invalidated. */
extern Oid	aiu_catalog_usage_record(void);

/* Owner of the books: the owner of aiusage.usage_record.  Errors with a hint when init() was not run. */
extern Oid	aiu_catalog_books_owner(void);

#endif							/* AIU_CATALOG_H */
