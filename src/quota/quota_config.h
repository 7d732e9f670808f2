/*-------------------------------------------------------------------------
 *
 * quota_config.h
 *	  Inside of a definition: scope, subject and windows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_QUOTA_CONFIG_H
#define AIU_QUOTA_CONFIG_H

#include "pgtime.h"

#include "attribution/attribution.h"
#include "quota/quota_internal.h"

/* One thing that a scope says. */
typedef struct AiuQuotaTerm
{
	AiuQuotaDim dim;
	AiuLabel	value;			/* without the trailing * of a prefix */
	bool		is_prefix;
} AiuQuotaTerm;

struct AiuQuotaMatch
{
	int			nterms;
	AiuQuotaTerm terms[AIU_DIM_COUNT];
	int			nper;
	AiuQuotaDim per[AIU_DIM_COUNT];
	AiuLabel	tag;			/* name, when a term or per is about one */
	uint64		subject[2];		/* of every row, when nper is 0 */
};

struct AiuQuotaClock
{
	pg_tz	   *zone;			/* PostgreSQL's own cache, lives as long as the backend */
	int			months;			/* fixed windows: one of these three is set */
	int			days;
	int64		usecs;

	/* the window asked for last: [from, to), empty at first */
	TimestampTz from;
	TimestampTz to;
	int32		period;
	uint64		generation;		/* of the billing calendars that it is of */
};

/* All active limits, and which of them can apply to a row. */
typedef struct AiuQuotaSet
{
	int			ndefs;
	AiuQuotaDef **defs;			/* by number */
	bool		uses_class;		/* some limit asks for the class of a key */
	bool		uses_tier;		/* ... for the plan tier of a customer */
	int			ngeneral;
	const AiuQuotaDef **general;	/* those that the index does not hold */
	bool		indexed[AIU_DIM_COUNT]; /* dimensions that the index is asked about */
	struct quotatab_hash *index;
	int			nlooked_at;
	AiuQuotaDim looked_at[AIU_DIM_LABELS];	/* labels that scopes or subjects depend on */
	bool		looks_at_tags;
	struct AiuQuotaPlans *plans;	/* quota_plan.c */
} AiuQuotaSet;

/* One limit that a row counts against. */
typedef struct AiuQuotaPart
{
	const AiuQuotaDef *def;
	uint64		subject[2];
	int32		counter;		/* where the counter was last: a guess, any index is valid */
} AiuQuotaPart;

/* What rows of the same labels have in common.  Belongs to its set: good until the next one is asked for. */
typedef struct AiuQuotaPlan
{
	int			nparts;
	int			keylen;
	char	   *key;			/* the labels */
	AiuQuotaPart parts[FLEXIBLE_ARRAY_MEMBER];
} AiuQuotaPlan;

/*---- quota_config.c ----*/

/* Never NULL.  Good for the transaction. */
extern const AiuQuotaSet *aiu_quota_set(void);

/*---- quota_match.c ----*/

/* Name of a dimension, as columns of aiusage.quota are called. */
extern const char *aiu_quota_dim_name(AiuQuotaDim dim);
/* -1: there is none of that name */
extern int	aiu_quota_dim_lookup(const char *name);
/* Fills in general and index from defs, in the current memory context. */
extern void aiu_quota_index_build(AiuQuotaSet *set);
/* Value of a dimension; false when the row has none.  A tag that is a number is printed to palloc'd memory. */
extern bool aiu_quota_label(const struct AiuQuotaMatch *match, const AiuQuotaFacts *facts, AiuQuotaDim dim, AiuLabel *label);
/* Limits whose scope a row is in, at most max of them are written; returns how many there are. */
extern int	aiu_quota_match(const AiuQuotaSet *set, const AiuQuotaFacts *facts, const AiuQuotaDef **defs, int max);
extern bool aiu_quota_in_scope(const AiuQuotaDef *def, const AiuQuotaFacts *facts);
/* Does the scope or the subject depend on the dimension? */
extern bool aiu_quota_looks_at(const AiuQuotaDef *def, AiuQuotaDim dim);

/*---- quota_plan.c ----*/

/* Fills in what plans go by, in the current memory context, which is the set's. */
extern void aiu_quota_plans_build(AiuQuotaSet *set);
/* NULL: such rows have none, or too many limits apply. */
extern AiuQuotaPlan *aiu_quota_plan(const AiuQuotaSet *set, const AiuQuotaFacts *facts);

/*---- quota_charge.c ----*/

/* The window of a limit that a row counts in. */
extern void aiu_quota_charge_window(const AiuQuotaDef *def, const AiuQuotaFacts *facts,
									int64 *window, TimestampTz *starts, TimestampTz *ends);

/*---- quota_subject.c ----*/

/* The subject of a row under a limit. */
extern void aiu_quota_subject_of(const AiuQuotaDef *def, const AiuQuotaFacts *facts, uint64 subject[2]);
/* The subject of values of the limit's per, in its order. */
extern void aiu_quota_subject_of_labels(int32 quota, int32 epoch, int nlabels, const AiuLabel *labels, uint64 subject[2]);
/* Values of the limit's per, as they count: text[], NULL where the row has none. */
extern Datum aiu_quota_labels_datum(const AiuQuotaDef *def, const AiuQuotaFacts *facts);
/* The id of a subject, as SQL has it. */
extern Datum aiu_quota_subject_datum(const uint64 subject[2]);

/*---- quota_funcs.c ----*/

/*
 * Is the reader shown this counter by quota_state?  by_dim: the labels are a
 * request's, one a dimension; else those of the limit's per.
 */
extern bool aiu_quota_caller_sees(AiuReader *reader, const AiuQuotaDef *def, const AiuLabel *labels, int nlabels, bool by_dim);

#endif							/* AIU_QUOTA_CONFIG_H */
