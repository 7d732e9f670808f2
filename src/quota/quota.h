/*-------------------------------------------------------------------------
 *
 * quota.h
 *	  Public face of limits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_QUOTA_H
#define AIU_QUOTA_H

/* Is any limit active in this database? */
extern bool aiu_quota_any(void);

/* Is the current user of a bulk import role, whose rows limits do not refuse? */
extern bool aiu_quota_exempt_role(void);

#endif							/* AIU_QUOTA_H */
