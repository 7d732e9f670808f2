/*-------------------------------------------------------------------------
 *
 * owner.h
 *	  Reading and writing the books as their owner.
 *
 * Triggers run as the gateway, which may read no configuration.  C code
 * switches to the books' owner on cache misses, with search_path pinned and
 * security-restricted, the way core's foreign-key triggers do.
 *
 *     AiuOwnerSpi save;
 *
 *     aiu_owner_spi_begin(&save);      -- SPI_connect, owner, latest snapshot
 *     ... SPI_execute_with_args(..., read_only = true, ...) ...
 *     aiu_owner_spi_end(&save);
 *
 * On ERROR the (sub)transaction abort restores user, GUCs, SPI and snapshot.
 * Results must be copied to the caller's context before the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_OWNER_H
#define AIU_OWNER_H

typedef struct AiuOwnerSpi
{
	Oid			save_userid;
	int			save_sec_context;
	int			save_nestlevel;
	bool		pushed_snapshot;
} AiuOwnerSpi;

/* read: a latest snapshot is pushed, use SPI with read_only = true; an ERROR in parallel mode (PARALLEL UNSAFE) */
extern void aiu_owner_spi_begin(AiuOwnerSpi *save);
/*
 * read, for an answer that is not remembered: works in a parallel plan's
 * leader too (PARALLEL RESTRICTED), under the query's own snapshot there
 */
extern void aiu_owner_spi_begin_uncached(AiuOwnerSpi *save);
/* write: no snapshot pushed, use SPI with read_only = false */
extern void aiu_owner_spi_begin_write(AiuOwnerSpi *save);
extern void aiu_owner_spi_end(AiuOwnerSpi *save);

/* After a begin: plans do not depend on what the session has switched off or on, until the end. */
extern void aiu_owner_plain_planner(void);

/* The role that called, while we run as the owner; the current user otherwise. */
extern Oid	aiu_owner_acting_role(void);

#endif							/* AIU_OWNER_H */
