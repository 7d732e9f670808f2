/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The one place that knows which PostgreSQL we are built for (15 to 18).
 *
 * Callers use the newest release's spelling; each shim names the release
 * that introduced it, so dropping an old release is deletion here only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_COMPAT_H
#define AIU_COMPAT_H

#include "fmgr.h"

/* 16: soft errors.  Before, a bad value in an input function is an ERROR. */
#if PG_VERSION_NUM < 160000
struct Node;
#define ereturn(context, dummy_value, ...) \
	do { (void) (context); ereport(ERROR, __VA_ARGS__); return dummy_value; } while (0)
#define AIU_ESCONTEXT(fcinfo) ((struct Node *) NULL)
#else
#define AIU_ESCONTEXT(fcinfo) ((fcinfo)->context)
#endif

/* 16: varatt.h split from postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18: PG_MODULE_MAGIC_EXT */
#if PG_VERSION_NUM >= 180000
#define AIU_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "aiusage", .version = AIUSAGE_VERSION)
#else
#define AIU_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* 18: pg_noreturn, written before the declaration */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 17: a backend's virtual transaction id moved; needs storage/proc.h */
#if PG_VERSION_NUM >= 170000
#define AIU_MY_LXID (MyProc->vxid.lxid)
#else
#define AIU_MY_LXID (MyProc->lxid)
#endif

/*
 * SQL-callable function: prototype and V1 info record in one line, which also
 * exports the symbol where modules are built with hidden visibility (16).
 */
#define AIU_FUNCTION(name) \
	PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)

#endif							/* AIU_COMPAT_H */
