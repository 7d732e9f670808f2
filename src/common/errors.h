/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  SQLSTATE registry of aiusage.
 *
 * Class UA; the three characters after it are the HTTP status that a gateway
 * would answer with.  PostgreSQL's own SQLSTATEs are used where they fit
 * (22P02 for a malformed literal, 22003 for overflow, 42501 for a missing
 * privilege, ...).  docs/errors.md lists every use.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_ERRORS_H
#define AIU_ERRORS_H

#include "utils/elog.h"

#define ERRCODE_AIU_CREDIT_EXHAUSTED	MAKE_SQLSTATE('U','A','4','0','2')
#define ERRCODE_AIU_NOT_ALLOWED			MAKE_SQLSTATE('U','A','4','0','3')
#define ERRCODE_AIU_UNKNOWN				MAKE_SQLSTATE('U','A','4','0','4')
#define ERRCODE_AIU_CONFLICT			MAKE_SQLSTATE('U','A','4','0','9')
#define ERRCODE_AIU_INVALID				MAKE_SQLSTATE('U','A','4','2','2')
#define ERRCODE_AIU_LIMIT_REACHED		MAKE_SQLSTATE('U','A','4','2','9')
#define ERRCODE_AIU_NOT_LOADED			MAKE_SQLSTATE('U','A','5','0','3')

#endif							/* AIU_ERRORS_H */
