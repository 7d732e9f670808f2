/*-------------------------------------------------------------------------
 *
 * extract_internal.h
 *	  Usage from the bodies that providers answer with.
 *
 * A body is a shape: where its usage object (the root) is, and which counters
 * in it count towards which units.  Shapes are constant tables
 * (extract_shapes*.c); extract_providers.c says which shape a provider's
 * flavor of body has.  A shape is compiled once a process, on first use, into
 * a tree of the keys it knows, so that one walk of the usage object finds
 * every counter and every number that is none (extract_walk.c).
 *
 * Nothing but the usage object, the model, an id, the service tier and what
 * says that a stream has ended is looked at; of those, only numbers, three
 * labels and the names of unknown counters are ever copied.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AIU_EXTRACT_INTERNAL_H
#define AIU_EXTRACT_INTERNAL_H

#include "utils/jsonb.h"

#include "common/label.h"
#include "types/units.h"

/* ---- shapes: constant tables ---- */

/* What a mapping does with the number at its path. */
typedef enum AiuMapKind
{
	AIU_MAP_UNIT = 0,			/* adds it to a unit */
	AIU_MAP_KNOWN,				/* nothing: it repeats or is part of what another counter says, or is a time */
	AIU_MAP_NO_UNIT,			/* nothing, but reports it when it is not zero: known by name, without a unit here */
	AIU_MAP_COST_USD,			/* what the provider charged, in dollars */
	AIU_MAP_COST_CENTS,
	AIU_MAP_COST_TICKS			/* 1e-10 dollars */
} AiuMapKind;

#define AIU_MAP_REQUIRED	1	/* a usage without it is an error */
#define AIU_MAP_FALLBACK	2	/* counts only when nothing before it did for its unit */

/*
 * Path: steps of a JSON path under the root, joined by dots.  A step over an
 * array is name[field=VALUE], the first element whose field is that string,
 * letter case aside; or name[*], the sum over all elements.
 */
typedef struct AiuMapping
{
	const char *path;			/* NULL ends the table */
	const char *unit;			/* of AIU_MAP_UNIT */
	uint8		kind;
	uint8		flags;
} AiuMapping;

/* How the end of a stream is recognised. */
typedef enum AiuStreamKind
{
	AIU_STREAM_USAGE,			/* usage comes with the last event only */
	AIU_STREAM_END,				/* an end rule holds, and usage came with it or later */
	AIU_STREAM_CHOICES,			/* every choice has said why it finished, and usage came with it or later */
	AIU_STREAM_SESSION			/* a session of several responses, each with a usage of its own: they add up */
} AiuStreamKind;

#define AIU_SHAPE_HEADERS	1	/* HTTP headers: names in any case, counters as text */

/* Paths of a shape: alternatives joined by '|'; a body has the first, a stream any. */
typedef struct AiuShape
{
	const char *roots;			/* where usage is; "" is the body itself */
	const char *models;
	const char *ids;
	const char *tiers;
	const AiuMapping *mappings;
	uint8		stream;			/* AiuStreamKind */
	uint8		flags;
	const char *ends;			/* rules: path (anything but null is there) or path=value */
	const char *choices;		/* AIU_STREAM_CHOICES: array.field, or NULL */
} AiuShape;

/* A provider's kind of body. */
typedef struct AiuFlavor
{
	const char *provider;
	const char *flavor;
	const AiuShape *shape;
} AiuFlavor;

extern const AiuShape aiu_shape_chat,
			aiu_shape_chat_openrouter,
			aiu_shape_chat_plain,
			aiu_shape_chat_in_audio,
			aiu_shape_chat_out_audio,
			aiu_shape_chat_deepseek,
			aiu_shape_chat_moonshot,
			aiu_shape_chat_cache_write,
			aiu_shape_chat_modal,
			aiu_shape_chat_anthropic,
			aiu_shape_chat_cerebras,
			aiu_shape_chat_cloudflare,
			aiu_shape_chat_groq,
			aiu_shape_chat_perplexity,
			aiu_shape_chat_xai,
			aiu_shape_chat_xai_old,
			aiu_shape_embeddings,
			aiu_shape_embeddings_openrouter,
			aiu_shape_embeddings_total,
			aiu_shape_responses,
			aiu_shape_responses_no_write,
			aiu_shape_responses_plain,
			aiu_shape_responses_xai,
			aiu_shape_responses_openrouter,
			aiu_shape_images,
			aiu_shape_images_count,
			aiu_shape_transcriptions,
			aiu_shape_transcriptions_verbose,
			aiu_shape_transcriptions_mistral,
			aiu_shape_speech,
			aiu_shape_realtime,
			aiu_shape_realtime_xai,
			aiu_shape_messages,
			aiu_shape_messages_plain,
			aiu_shape_messages_read,
			aiu_shape_tokens_plain,
			aiu_shape_gemini,
			aiu_shape_gemini_live,
			aiu_shape_converse,
			aiu_shape_converse_ttl,
			aiu_shape_nova,
			aiu_shape_llama,
			aiu_shape_titan,
			aiu_shape_invoke_headers,
			aiu_shape_invoke_metrics,
			aiu_shape_cohere_billed,
			aiu_shape_cohere_tokens,
			aiu_shape_cohere_embeddings,
			aiu_shape_cohere_v1,
			aiu_shape_cohere_rerank,
			aiu_shape_cursor,
			aiu_shape_ocr,
			aiu_shape_ocr_annotated,
			aiu_shape_ollama;

/* ---- compiled shapes ---- */

#define AIU_SLOTS_MAX		64	/* counters of a shape: a set is one word */
#define AIU_STEPS_MAX		4	/* of a path outside of the usage object */
#define AIU_PATHS_MAX		6

/* A key in the tree of what a shape knows. */
typedef struct AiuNode
{
	const char *key;			/* of the object member, or the value to match */
	const char *field;			/* not NULL: an array; its children match elements by this field; "" is any */
	uint8		keylen;
	uint8		fieldlen;
	int16		child;			/* first child, -1: none */
	int16		sibling;		/* next child of the same parent, -1: none */
	int16		slot;			/* counter here, -1: none */
	int16		match;			/* number of an array match, -1: none */
} AiuNode;

typedef struct AiuSlot
{
	const char *path;
	int			unit;			/* a unit it counts towards, one counted in whole numbers first; 0: none */
	uint8		kind;
	bool		whole;
	bool		required;
} AiuSlot;

typedef struct AiuTerm
{
	int16		slot;
	int16		unit;
	uint8		flags;
} AiuTerm;

typedef struct AiuPath
{
	int			nsteps;
	const char *step[AIU_STEPS_MAX];
	int			len[AIU_STEPS_MAX];
	const char *value;			/* of a rule; NULL: anything but null */
	int			valuelen;
} AiuPath;

typedef struct AiuPaths
{
	int			n;
	AiuPath		path[AIU_PATHS_MAX];
} AiuPaths;

typedef struct AiuExtractor
{
	const AiuShape *shape;
	int			nnodes;
	AiuNode    *nodes;			/* nodes[0] is the root */
	int			nslots;
	AiuSlot    *slots;
	int			nterms;
	AiuTerm    *terms;
	bool		root_is_body;
	AiuPaths	roots;
	AiuPaths	models;
	AiuPaths	ids;
	AiuPaths	tiers;
	AiuPaths	ends;
	AiuPath		choices;		/* array, field */
} AiuExtractor;

extern const AiuExtractor *aiu_extractor_compile(const AiuShape *shape);

/* ---- providers ---- */

extern const AiuFlavor *aiu_flavor_table(int *count);

/*
 * The flavor of a provider, by the names that price lists know it by; flavor
 * NULL is "default".  UA404 when there is none.
 */
extern const AiuFlavor *aiu_flavor_find(const char *provider, int provider_len,
										const char *flavor, int flavor_len);
/* "chat, responses, embeddings"; palloc'd */
extern char *aiu_flavor_list(const char *provider);

/* ---- what a body says ---- */

#define AIU_UNKNOWN_MAX		32	/* unknown counters that are kept by name */
#define AIU_UNKNOWN_PATH	128	/* bytes of such a name */
#define AIU_UNKNOWN_SCALE	12	/* their decimals */

typedef struct AiuUnknown
{
	int			len;
	bool		withheld;		/* something is there that is not repeated */
	uint32		walk;			/* in which it was met last */
	int128		value;			/* 1e-12 */
	char		path[AIU_UNKNOWN_PATH];
} AiuUnknown;

typedef struct AiuText
{
	int			len;			/* 0: none */
	char		s[AIU_LABEL_MAX];
} AiuText;

/*
 * Everything known of one body, or of a stream so far: of fixed size, however
 * many chunks there were.  Initialised by aiu_extraction_init().
 */
typedef struct AiuExtraction
{
	const AiuFlavor *flavor;
	const AiuExtractor *x;

	uint64		seen;			/* counters found, by slot */
	uint64		base_seen;		/* of the finished responses of a session */
	bool		has_cost;
	bool		has_base_cost;
	int128		cost;			/* 1e-12 USD */
	int128		base_cost;
	AiuText		model;
	AiuText		id;
	AiuText		tier;
	AiuText		usage_id;		/* of the response that the counters are of */

	bool		ended;
	bool		usage_at_end;	/* usage came with the end or after it */
	uint64		choices;		/* numbers of the choices met and finished */
	uint64		finished;

	uint32		walks;
	int			nunknown;
	int64		more_unknown;	/* beyond those kept */
	AiuUnknown	unknown[AIU_UNKNOWN_MAX];

	int128		value[AIU_SLOTS_MAX];	/* millionths, where seen */
	int128		base[AIU_SLOTS_MAX];
} AiuExtraction;

extern void aiu_extraction_init(AiuExtraction *e, const AiuFlavor *flavor);

/* A body or a stream's next chunk; errors as the user sees them. */
extern void aiu_extraction_body(AiuExtraction *e, Jsonb *body);
extern void aiu_extraction_chunk(AiuExtraction *e, Jsonb *chunk);

/* One walk of a usage object; true when it had a counter that counts. */
extern bool aiu_extraction_walk(AiuExtraction *e, JsonbContainer *usage);
extern void aiu_extraction_note(AiuExtraction *e, const char *path, int len, bool withheld, int128 value);

/* ---- reading jsonb in place ---- */

typedef enum AiuJsonType
{
	AIU_JSON_NONE = 0,
	AIU_JSON_NULL,
	AIU_JSON_BOOL,
	AIU_JSON_NUMBER,
	AIU_JSON_STRING,
	AIU_JSON_ARRAY,
	AIU_JSON_OBJECT
} AiuJsonType;

typedef struct AiuJson
{
	AiuJsonType type;
	union
	{
		bool		boolean;
		Numeric		number;
		struct
		{
			const char *s;		/* not NUL-terminated */
			int			len;
		}			string;
		JsonbContainer *container;
	}			v;
} AiuJson;

/* Over the members of an object or the elements of an array, in stored order. */
typedef struct AiuJsonIter
{
	JsonbContainer *container;
	char	   *base;
	int			n;
	int			i;
	bool		object;
	uint32		key_offset;
	uint32		value_offset;
} AiuJsonIter;

extern void aiu_json_iter_init(AiuJsonIter *it, JsonbContainer *container);
/* key: of an object's member; false at the end */
extern bool aiu_json_iter_next(AiuJsonIter *it, const char **key, int *keylen, AiuJson *value);
extern void aiu_json_member(JsonbContainer *object, const char *key, int keylen, AiuJson *value);
/* AIU_JSON_NONE when a step is not there or not in an object */
extern void aiu_json_path(JsonbContainer *object, const AiuPath *path, AiuJson *value);

#endif							/* AIU_EXTRACT_INTERNAL_H */
