/*-------------------------------------------------------------------------
 *
 * aiusage.c
 *	  Module entry of aiusage, the ledger for AI API spend.
 *
 * The only file that knows every area: it starts them in layer order (see
 * src/README.md).  Loading never fails: pg_upgrade and CREATE EXTENSION load
 * the library without preloading it, and everything but limits works so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/catalog.h"
#include "common/guc.h"
#include "common/xact_state.h"
#include "attribution/attribution.h"
#include "ledger/ledger.h"
#include "pricing/pricing.h"
#include "quota/quota.h"

AIU_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	aiu_guc_init();
	aiu_catalog_init();
	aiu_xact_init();
	aiu_price_may_use_hook = aiu_access_may_use_book;
	aiu_quota_init();
	aiu_ledger_guard_init();
}
