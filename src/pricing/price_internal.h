/*-------------------------------------------------------------------------
 *
 * price_internal.h
 *	  What the files of pricing share: compiled match expressions, compiled
 *	  rules, the cache's objects, and the evaluation.
 *
 * Objects reachable from the cache are read-only once linked in and live in
 * the cache's memory context, all of which is dropped at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_PRICE_INTERNAL_H
#define AIU_PRICE_INTERNAL_H

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "pgtime.h"
#include "utils/jsonb.h"

#include "common/compat.h"
#include "common/owner.h"
#include "pricing/pricing.h"
#include "types/exact.h"

/*
 * Most units a rule can price: sets of them are one 64-bit word.  Registered
 * units that only a tier metric needs take a slot too.
 */
#define AIU_RULE_SLOTS		64
#define AIU_METRIC_TERMS	8
#define AIU_BOOK_DEPTH		8	/* books an inheritance chain may have */

/* ---------- price_match.c ---------- */

typedef enum AiuMatchOp
{
	AIU_MATCH_EQUALS,
	AIU_MATCH_STARTS_WITH,
	AIU_MATCH_ENDS_WITH,
	AIU_MATCH_CONTAINS,
	AIU_MATCH_REGEX,
	AIU_MATCH_OR,
	AIU_MATCH_AND
} AiuMatchOp;

typedef struct AiuMatch
{
	AiuMatchOp	op;
	char	   *text;			/* folded to lower case but for REGEX; NUL-terminated */
	int			textlen;
	struct AiuMatch *child;		/* of OR and AND: the first part */
	struct AiuMatch *next;		/* the next part of the parent */
} AiuMatch;

/* Compile in the current context; NULL and *problem set (a sentence fragment) when it is not a match expression. */
extern AiuMatch *aiu_match_compile(JsonbContainer *jbc, const char **problem);
extern AiuMatch *aiu_match_exact(const char *text);
/* s is folded already.  *leaf: the part that matched, for explain (may be NULL). */
extern bool aiu_match_test(const AiuMatch *match, const char *s, int len, const AiuMatch **leaf);
extern const char *aiu_match_op_name(AiuMatchOp op);
/* Lower-case (ASCII) and trim blanks; buf holds AIU_LABEL_MAX * 2 bytes at least; returns the length */
extern int	aiu_match_fold(const char *s, int len, char *buf, int bufsize);
/* -20250929 to -2025-09-29; returns the new length, or -1 when nothing changes */
extern int	aiu_match_dash_dates(const char *s, int len, char *buf, int bufsize);

/* ---------- compiled rules ---------- */

/* money (1e-12) of a quantity: quantity * num / den, both reduced */
typedef struct AiuRate
{
	bool		overflow;		/* does not fit: pricing with it is out of range */
	int128		whole_num;		/* for whole units */
	int128		whole_den;
	int128		micro_num;		/* for millionths of the unit */
	int128		micro_den;
	/* for explain */
	const char *rate;			/* decimal text, without the multiplier */
	const char *per;
	const char *multiplier;		/* of the rule and of overrides; NULL: 1 */
	const char *how;			/* what overrides made of the inherited rate; NULL: nothing */
} AiuRate;

typedef struct AiuMetricTerm
{
	int			slot;
	int			sign;			/* +1, -1 */
} AiuMetricTerm;

typedef struct AiuTier
{
	int128		start;			/* millionths */
	bool		inclusive;
	int			nterms;
	AiuMetricTerm terms[AIU_METRIC_TERMS];
	const char *metric;			/* text, for explain */
	const char *start_text;
	AiuRate		rate;
} AiuTier;

typedef struct AiuRuleUnit
{
	int			unit;			/* registry code; 0: custom */
	const char *name;
	int			namelen;
	bool		priced;			/* false: only a metric needs it */
	bool		per_request;	/* the unit `requests`: 1 when not reported */
	bool		has_base;
	bool		has_minimum;
	AiuUnitSet	below;			/* registered strict descendants */
	AiuUnitSet	above;			/* registered strict ancestors */
	uint64		leaf_below;		/* slots: priced strict descendants */
	int			missing_above;	/* an ancestor that the rule does not price; 0: none */
	int			njoins;			/* pairs of other units whose overlap this unit is */
	uint8	  (*joins)[2];		/* registry codes */
	int128		min_quantity;	/* millionths, 0: none */
	int128		step;			/* millionths, 0: none */
	AiuRate		base;
	int			ntiers;
	AiuTier    *tiers;			/* by start */
} AiuRuleUnit;

/* Two priced units that can overlap while their join is not priced. */
typedef struct AiuRuleGap
{
	uint8		slot_a;
	uint8		slot_b;
	int			join;			/* registry code; 0: there is no such unit */
} AiuRuleGap;

typedef struct AiuRule
{
	int			rule;
	const char *service_tier;	/* folded; NULL: standard; "*": any */
	const char *endpoint;		/* folded; NULL: any */
	const char *region;			/* folded; NULL: any; "*": any that is named */
	TimestampTz starts_at;		/* DT_NOBEGIN: none */
	TimestampTz ends_at;		/* DT_NOEND: none */
	uint8		weekdays;		/* bit 0 is Monday; 0x7F: every day */
	bool		has_window;
	int64		from_usec;
	int64		to_usec;
	pg_tz	   *zone;			/* NULL: UTC */
	bool		timed;			/* any of the above restricts */

	int			nslots;			/* descendants before ancestors, custom units last */
	AiuRuleUnit *slots;
	int8		slot_of[AIU_UNIT_MAX];	/* registry code -> slot, -1: none */
	AiuUnitSet	priced;
	uint64		priced_slots;
	uint64		metric_slots;	/* slots that tier metrics read */
	int			ncustom;
	int			ngaps;
	AiuRuleGap *gaps;
	int			request_slot;	/* slot of `requests`, or -1 */
	bool		covers_all;		/* a fixed price: whatever else was used is in it */
	const char *multiplier;		/* NULL: 1 */

	int			nrows;			/* what it was compiled from */
	struct AiuPriceRow *rows;
} AiuRule;

typedef struct AiuModel
{
	const char *provider;		/* whose entry it is: the requested one's or a fallback's */
	const char *model;
	int			nrules;
	AiuRule    *rules;			/* by rule number */
	struct AiuDerived *derived; /* what overrides have made of it */
} AiuModel;

/* ---------- overrides of inherited prices ---------- */

typedef enum AiuOverrideKind
{
	AIU_OVERRIDE_RATE,
	AIU_OVERRIDE_DISCOUNT,
	AIU_OVERRIDE_MARKUP,
	AIU_OVERRIDE_FIXED
} AiuOverrideKind;

typedef struct AiuOverride
{
	int			number;
	const char *provider;		/* folded; NULL: any */
	const char *model;			/* folded; NULL: any */
	int			model_len;
	bool		model_prefix;
	const char *unit;			/* NULL: every unit */
	const char *service_tier;	/* folded; NULL: see price_override.c; "*": any */
	AiuOverrideKind kind;
	const char *value;			/* decimal text */
	const char *per;
	const char *factor;			/* of a discount or markup: 0.85 for 15 % less */
} AiuOverride;

/* ---------- the cache's objects ---------- */

typedef struct AiuModelEntry
{
	const char *model;
	AiuMatch   *match;
	AiuModel   *compiled;		/* NULL: not loaded yet */
} AiuModelEntry;

typedef struct AiuProviderEntry
{
	const char *provider;
	const char *folded;
	int			foldedlen;
	AiuMatch   *match;			/* may be NULL */
	AiuMatch   *model_match;	/* may be NULL */
	int			nfallbacks;
	const char **fallbacks;
	bool		loaded;			/* models are */
	int			nmodels;
	AiuModelEntry *models;
} AiuProviderEntry;

typedef struct AiuVersionEntry
{
	struct AiuVersionEntry *next;
	int32		version;		/* 0: there is no such version */
	const char *book;
	const char *status;
	int			noverrides;
	AiuOverride *overrides;
	int			nproviders;
	AiuProviderEntry *providers;
} AiuVersionEntry;

typedef struct AiuVersionSpan
{
	int32		version;
	TimestampTz from;
	TimestampTz to;
	TimestampTz published;
} AiuVersionSpan;

/*
 * The versions of a book and of those it inherits from that apply to a
 * request.  What they come to is remembered under the line's id, a negative
 * number; a book that inherits from none needs no line, its version will do.
 */
typedef struct AiuPriceLine
{
	struct AiuPriceLine *next;
	int32		id;
	const struct AiuBookEntry *book;
	int32		versions[AIU_BOOK_DEPTH];	/* 0: none is effective */
} AiuPriceLine;

typedef struct AiuBookEntry
{
	struct AiuBookEntry *next;
	const char *book;
	int			len;
	bool		exists;
	bool		is_list;
	AiuCurrency currency;
	const char *inherits;		/* may be NULL */
	int			ndepth;			/* books of the line: this one, then its ancestors; 0: not looked up yet */
	const struct AiuBookEntry *line[AIU_BOOK_DEPTH];
	AiuPriceLine *lines;
	int			nspans;
	AiuVersionSpan *spans;		/* the newest publication first */
} AiuBookEntry;

/* What a request under a version comes to, whatever its time and usage. */
typedef struct AiuResolved
{
	AiuUnpriced unpriced;		/* AIU_PRICED: the rest is set */
	AiuModel   *model;
	int			nrules;
	AiuRule   **rules;			/* those that the selectors allow, best first */
	int32		version;		/* that has the price, or the overrides of it; unpriced: that got furthest */
	const AiuBookEntry *book;	/* of that version; NULL: the request's own */
	const AiuBookEntry *base;	/* of a price with overrides: where it is inherited from; else NULL */
	int32		base_version;
	/* for explain */
	const char *provider;		/* matched provider; NULL: none */
	const char *provider_how;
	const char *model_how;
} AiuResolved;

/* ---------- price_book.c: loads by SPI as the owner of the books ---------- */

extern AiuBookEntry *aiu_price_load_book(const AiuLabel *book, MemoryContext cxt);
extern AiuVersionEntry *aiu_price_load_version(int32 version, MemoryContext cxt);
extern void aiu_price_load_models(AiuVersionEntry *version, AiuProviderEntry *provider, MemoryContext cxt);
extern AiuModel *aiu_price_load_model(AiuVersionEntry *version, AiuProviderEntry *provider,
									  AiuModelEntry *model, MemoryContext cxt);
extern char *aiu_price_load_default_book(MemoryContext cxt);

/* ---------- price_compile.c ---------- */

/* One row of aiusage.price, as loaded. */
typedef struct AiuPriceRow
{
	const char *unit;
	const char *rate;			/* decimal text, as all quantities here */
	const char *per;
	const char *tier_start;		/* NULL: base */
	const char *tier_metric;
	bool		tier_inclusive;
	const char *min_quantity;
	const char *step;
	const char *multiplier;		/* of the rate; NULL: 1 */
	const char *how;			/* see AiuRate */
} AiuPriceRow;

/* the rule's rows, those of a unit side by side, base first; allocates in the current context */
extern void aiu_price_compile(AiuRule *rule);
/* NULL when the metric is well-formed, else what is wrong */
extern const char *aiu_price_metric_parse(const char *text, int *units, int *signs, int *nterms);

/* ---------- price_cache.c ---------- */

extern void aiu_price_cache_begin(void);
extern AiuBookEntry *aiu_price_cache_book(const AiuLabel *book);
extern AiuVersionEntry *aiu_price_cache_version(int32 version);
/* number: of a version, or a line's id */
extern const AiuResolved *aiu_price_cache_resolve(int32 number, const AiuPriceLine *line, const AiuPriceRequest *req);
extern const AiuPriceLine *aiu_price_cache_line(AiuBookEntry *book, TimestampTz at, TimestampTz known_at,
												const AiuVersionEntry *instead);

/* ---------- price_line.c ---------- */

extern int	aiu_price_line_books(AiuBookEntry *book);
/* instead: a version that stands in for the one in force of its book, or NULL */
extern const AiuPriceLine *aiu_price_line(AiuBookEntry *book, TimestampTz at, TimestampTz known_at,
										  const AiuVersionEntry *instead, int32 *last_id, MemoryContext cxt);

/* the newest version of a book that is effective at a time, of those published by known_at; 0: none */
static inline int32
aiu_price_version_at(const AiuBookEntry *book, TimestampTz at, TimestampTz known_at)
{
	int			i;

	for (i = 0; i < book->nspans; i++)
	{
		const AiuVersionSpan *span = &book->spans[i];

		if (at >= span->from && at < span->to && span->published <= known_at)
			return span->version;
	}
	return 0;
}

/* ---------- price_override.c ---------- */

/*
 * The model with the overrides of a version applied, as a request for this
 * provider (asked for, not a fallback) and service tier has it; the model
 * itself when none concerns it.  In memory of cxt, remembered with the model.
 */
extern AiuModel *aiu_price_override(AiuModel *model, const AiuVersionEntry *version, const char *provider,
									const AiuLabel *service_tier, MemoryContext cxt);

/* ---------- price_select.c ---------- */

extern void aiu_price_candidates(const AiuPriceRequest *req, AiuResolved *result, MemoryContext cxt);
/* NULL when the rule is for such requests, whenever they were; else why not, in the current context */
extern const char *aiu_price_rule_refuses(const AiuRule *rule, const AiuPriceRequest *req);
extern bool aiu_price_rule_applies_at(const AiuRule *rule, TimestampTz at);
extern bool aiu_price_tier_is_standard(const char *folded, int len);
extern const AiuRule *aiu_price_select_rule(const AiuResolved *resolved, TimestampTz at);

/* ---------- price_eval.c: pure ---------- */

/* What explain wants to know beyond the result. */
typedef struct AiuEvalDetail
{
	int			slot;			/* of components[i] */
	int128		inclusive;		/* as reported */
	int128		leaf;			/* exclusive part */
	int128		billed;			/* after minimum and rounding up */
	const AiuTier *tier;		/* NULL: base rate */
	const AiuRate *rate;
} AiuEvalDetail;

/*
 * Only unpriced, the unit at fault, cost and components of the result are
 * written.  detail: NULL or AIU_MAX_COMPONENTS of them, alongside components.
 */
extern void aiu_price_eval(const AiuRule *rule, const AiuUsage *usage,
						   AiuPriceResult *result, AiuEvalDetail *detail);

/* How a request was priced, for explain. */
typedef struct AiuPriceTrace
{
	const AiuBookEntry *book;	/* the book that had the price, or was asked last */
	const AiuResolved *resolved;
	const AiuRule *rule;
	AiuEvalDetail detail[AIU_MAX_COMPONENTS];
} AiuPriceTrace;

/* version 0: those in force; else one that stands in for its book's, which is the request's then */
extern void aiu_price_traced(const AiuPriceRequest *req, int32 version, TimestampTz known_at,
							 AiuPriceResult *result, AiuPriceTrace *trace);

/* ---------- price_rules.c ---------- */

/* what a rule is limited to, each part behind a comma; nothing when it is not */
extern void aiu_price_append_limits(StringInfo s, const AiuRule *rule);
/* which rules were considered, and why this one won (none: why none applies); nothing when there is but one */
extern void aiu_price_append_considered(StringInfo s, const AiuPriceRequest *req, const AiuPriceTrace *trace);

/* ---------- price_explain.c ---------- */

/* why there is no price, and what to do about it */
extern char *aiu_price_unpriced_why(const AiuPriceRequest *req, const AiuPriceResult *result, const AiuPriceTrace *trace);

/* ---------- price_funcs.c ---------- */

extern bool aiu_price_request_args(FunctionCallInfo fcinfo, int first, AiuPriceRequest *req);
/* (provider, model, at, service_tier, endpoint, region): a request without a usage */
extern bool aiu_price_rule_args(FunctionCallInfo fcinfo, AiuPriceRequest *req);
/* the book of argument n; an ERROR when there is none, or the caller may not use it */
extern void aiu_price_book_arg(FunctionCallInfo fcinfo, int n, AiuPriceRequest *req);
/* an ERROR when version of argument n does not exist, as far as the caller may see */
extern void aiu_price_version_arg(FunctionCallInfo fcinfo, int n);
pg_noreturn extern void aiu_price_unknown_book(const AiuPriceRequest *req);
/* may the caller see this book's prices?  NULL: everybody's */
extern bool aiu_price_may_use(FunctionCallInfo fcinfo, const char *book, int len);

#endif							/* AIU_PRICE_INTERNAL_H */
