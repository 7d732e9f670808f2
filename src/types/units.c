/*-------------------------------------------------------------------------
 *
 * units.c
 *	  The registry of usage units, and the lattice their dimensions form.
 *
 * The table below is the registry; a unit's code is its place in it, counted
 * from 1, and is stored on disk.  So lines are appended, never inserted,
 * moved or reused.  Sources:
 *
 *	  genai-prices	name, dimensions, price key and quantity per price of the
 *					open price catalogue @pydantic/genai-prices
 *	  OpenTelemetry	the GenAI semantic conventions count the same thing as an
 *					attribute gen_ai.usage.*
 *	  own			what providers bill and neither of the two names
 *
 * The lattice (who is an ancestor of whom) follows from the dimensions and is
 * computed once a process, on first use: no lock, nothing can fail, and a
 * second computation would give the same.
 *
 * Own units stand alone (no ancestor) unless a total is meant to contain
 * them: a price list that has one image size need not price all the others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/compat.h"
#include "funcapi.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "common/errors.h"
#include "types/types_internal.h"

AIU_FUNCTION(aiu_unit_registry);

static const AiuUnit units[] = {
	/* name, price key, per, family, direction, modality, token type, cache TTL, variant */

	/* genai-prices; OpenTelemetry: gen_ai.usage.input_tokens, .cache_read.input_tokens, .cache_creation.input_tokens */
	{"input_tokens", "input_mtok", 1000000, "tokens", "input", NULL, NULL, NULL, NULL},
	{"cache_read_tokens", "cache_read_mtok", 1000000, "tokens", "input", NULL, "cache_read", NULL, NULL},
	{"cache_write_tokens", "cache_write_mtok", 1000000, "tokens", "input", NULL, "cache_write", NULL, NULL},
	{"cache_write_5m_tokens", "cache_write_5m_mtok", 1000000, "tokens", "input", NULL, "cache_write", "5m", NULL},
	{"cache_write_1h_tokens", "cache_write_1h_mtok", 1000000, "tokens", "input", NULL, "cache_write", "1h", NULL},
	/* genai-prices: the parts of input_tokens by modality, and tool results fed back */
	{"input_text_tokens", "input_text_mtok", 1000000, "tokens", "input", "text", NULL, NULL, NULL},
	{"input_audio_tokens", "input_audio_mtok", 1000000, "tokens", "input", "audio", NULL, NULL, NULL},
	{"input_image_tokens", "input_image_mtok", 1000000, "tokens", "input", "image", NULL, NULL, NULL},
	{"input_video_tokens", "input_video_mtok", 1000000, "tokens", "input", "video", NULL, NULL, NULL},
	{"input_tool_tokens", "input_tool_mtok", 1000000, "tokens", "input", NULL, "tool", NULL, NULL},
	{"input_text_tool_tokens", "input_text_tool_mtok", 1000000, "tokens", "input", "text", "tool", NULL, NULL},
	{"input_audio_tool_tokens", "input_audio_tool_mtok", 1000000, "tokens", "input", "audio", "tool", NULL, NULL},
	{"input_image_tool_tokens", "input_image_tool_mtok", 1000000, "tokens", "input", "image", "tool", NULL, NULL},
	{"input_video_tool_tokens", "input_video_tool_mtok", 1000000, "tokens", "input", "video", "tool", NULL, NULL},
	/* genai-prices: cached input by modality */
	{"cache_text_read_tokens", "cache_text_read_mtok", 1000000, "tokens", "input", "text", "cache_read", NULL, NULL},
	{"cache_audio_read_tokens", "cache_audio_read_mtok", 1000000, "tokens", "input", "audio", "cache_read", NULL, NULL},
	{"cache_image_read_tokens", "cache_image_read_mtok", 1000000, "tokens", "input", "image", "cache_read", NULL, NULL},
	{"cache_video_read_tokens", "cache_video_read_mtok", 1000000, "tokens", "input", "video", "cache_read", NULL, NULL},
	{"cache_text_write_tokens", "cache_text_write_mtok", 1000000, "tokens", "input", "text", "cache_write", NULL, NULL},
	{"cache_audio_write_tokens", "cache_audio_write_mtok", 1000000, "tokens", "input", "audio", "cache_write", NULL, NULL},
	{"cache_image_write_tokens", "cache_image_write_mtok", 1000000, "tokens", "input", "image", "cache_write", NULL, NULL},
	{"cache_video_write_tokens", "cache_video_write_mtok", 1000000, "tokens", "input", "video", "cache_write", NULL, NULL},
	{"cache_text_write_5m_tokens", "cache_text_write_5m_mtok", 1000000, "tokens", "input", "text", "cache_write", "5m", NULL},
	{"cache_audio_write_5m_tokens", "cache_audio_write_5m_mtok", 1000000, "tokens", "input", "audio", "cache_write", "5m", NULL},
	{"cache_image_write_5m_tokens", "cache_image_write_5m_mtok", 1000000, "tokens", "input", "image", "cache_write", "5m", NULL},
	{"cache_video_write_5m_tokens", "cache_video_write_5m_mtok", 1000000, "tokens", "input", "video", "cache_write", "5m", NULL},
	{"cache_text_write_1h_tokens", "cache_text_write_1h_mtok", 1000000, "tokens", "input", "text", "cache_write", "1h", NULL},
	{"cache_audio_write_1h_tokens", "cache_audio_write_1h_mtok", 1000000, "tokens", "input", "audio", "cache_write", "1h", NULL},
	{"cache_image_write_1h_tokens", "cache_image_write_1h_mtok", 1000000, "tokens", "input", "image", "cache_write", "1h", NULL},
	{"cache_video_write_1h_tokens", "cache_video_write_1h_mtok", 1000000, "tokens", "input", "video", "cache_write", "1h", NULL},

	/* genai-prices; OpenTelemetry: gen_ai.usage.output_tokens, .reasoning.output_tokens */
	{"output_tokens", "output_mtok", 1000000, "tokens", "output", NULL, NULL, NULL, NULL},
	{"output_reasoning_tokens", "output_reasoning_mtok", 1000000, "tokens", "output", NULL, "reasoning", NULL, NULL},
	{"output_citation_tokens", "output_citation_mtok", 1000000, "tokens", "output", NULL, "citation", NULL, NULL},
	/* genai-prices: the parts of output_tokens by modality */
	{"output_text_tokens", "output_text_mtok", 1000000, "tokens", "output", "text", NULL, NULL, NULL},
	{"output_audio_tokens", "output_audio_mtok", 1000000, "tokens", "output", "audio", NULL, NULL, NULL},
	{"output_image_tokens", "output_image_mtok", 1000000, "tokens", "output", "image", NULL, NULL, NULL},
	{"output_video_tokens", "output_video_mtok", 1000000, "tokens", "output", "video", NULL, NULL, NULL},
	{"output_text_reasoning_tokens", "output_text_reasoning_mtok", 1000000, "tokens", "output", "text", "reasoning", NULL, NULL},
	{"output_audio_reasoning_tokens", "output_audio_reasoning_mtok", 1000000, "tokens", "output", "audio", "reasoning", NULL, NULL},
	{"output_image_reasoning_tokens", "output_image_reasoning_mtok", 1000000, "tokens", "output", "image", "reasoning", NULL, NULL},
	{"output_video_reasoning_tokens", "output_video_reasoning_mtok", 1000000, "tokens", "output", "video", "reasoning", NULL, NULL},
	{"output_text_citation_tokens", "output_text_citation_mtok", 1000000, "tokens", "output", "text", "citation", NULL, NULL},
	{"output_audio_citation_tokens", "output_audio_citation_mtok", 1000000, "tokens", "output", "audio", "citation", NULL, NULL},
	{"output_image_citation_tokens", "output_image_citation_mtok", 1000000, "tokens", "output", "image", "citation", NULL, NULL},
	{"output_video_citation_tokens", "output_video_citation_mtok", 1000000, "tokens", "output", "video", "citation", NULL, NULL},

	/* genai-prices: requests, messages, and tools called by the provider */
	{"requests", "requests_kcount", 1000, "requests", NULL, NULL, NULL, NULL, NULL},
	{"input_text_messages", "input_text_messages_kcount", 1000, "messages", "input", "text", NULL, NULL, NULL},
	{"web_searches", "web_searches_kcount", 1000, "tool_calls", NULL, NULL, NULL, NULL, "web_search"},
	{"social_searches", "social_searches_kcount", 1000, "tool_calls", NULL, NULL, NULL, NULL, "social_search"},
	{"storage_searches", "storage_searches_kcount", 1000, "tool_calls", NULL, NULL, NULL, NULL, "storage_search"},
	{"code_executions", "code_executions_kcount", 1000, "tool_calls", NULL, NULL, NULL, NULL, "code_execution"},
	{"rerank_searches", "rerank_searches_kcount", 1000, "rerank", NULL, NULL, NULL, NULL, NULL},
	/* genai-prices: text, pictures and documents that are not billed by tokens */
	{"input_characters", "input_mchars", 1000000, "characters", "input", NULL, NULL, NULL, NULL},
	{"input_pixels", "input_gpixels", 1000000000, "pixels", "input", NULL, NULL, NULL, NULL},
	{"input_document_pages", "input_document_kpages", 1000, "document_pages", "input", NULL, NULL, NULL, NULL},
	{"input_annotated_document_pages", "input_annotated_document_kpages", 1000, "document_pages", "input", NULL, NULL, NULL, "annotated"},
	/* genai-prices: seconds of sound, priced an hour */
	{"audio_seconds", "audio_hours", 3600, "durations", NULL, "audio", NULL, NULL, NULL},
	{"input_audio_seconds", "input_audio_hours", 3600, "durations", "input", "audio", NULL, NULL, NULL},
	{"output_audio_seconds", "output_audio_hours", 3600, "durations", "output", "audio", NULL, NULL, NULL},

	/* own: text and pictures, the other direction */
	{"output_characters", NULL, 1000000, "characters", "output", NULL, NULL, NULL, NULL},
	{"output_pixels", NULL, 1000000000, "pixels", "output", NULL, NULL, NULL, NULL},

	/* own: images counted whatever their size */
	{"input_images", NULL, 1, "images", "input", "image", NULL, NULL, NULL},
	{"output_images", NULL, 1, "images", "output", "image", NULL, NULL, NULL},
	/* own: images made, by their longer side and quality; each stands alone */
	{"images_256", NULL, 1, "sized_images", "output", "image", NULL, NULL, "256"},
	{"images_512", NULL, 1, "sized_images", "output", "image", NULL, NULL, "512"},
	{"images_1024", NULL, 1, "sized_images", "output", "image", NULL, NULL, "1024"},
	{"images_1536", NULL, 1, "sized_images", "output", "image", NULL, NULL, "1536"},
	{"images_1792", NULL, 1, "sized_images", "output", "image", NULL, NULL, "1792"},
	{"images_2k", NULL, 1, "sized_images", "output", "image", NULL, NULL, "2k"},
	{"images_4k", NULL, 1, "sized_images", "output", "image", NULL, NULL, "4k"},
	{"images_1024_hd", NULL, 1, "sized_images", "output", "image", NULL, NULL, "1024_hd"},
	{"images_1792_hd", NULL, 1, "sized_images", "output", "image", NULL, NULL, "1792_hd"},
	{"images_1024_low", NULL, 1, "sized_images", "output", "image", NULL, NULL, "1024_low"},
	{"images_1024_medium", NULL, 1, "sized_images", "output", "image", NULL, NULL, "1024_medium"},
	{"images_1024_high", NULL, 1, "sized_images", "output", "image", NULL, NULL, "1024_high"},
	{"images_1536_low", NULL, 1, "sized_images", "output", "image", NULL, NULL, "1536_low"},
	{"images_1536_medium", NULL, 1, "sized_images", "output", "image", NULL, NULL, "1536_medium"},
	{"images_1536_high", NULL, 1, "sized_images", "output", "image", NULL, NULL, "1536_high"},

	/* own: seconds of film whatever its resolution, then by resolution, each standing alone */
	{"input_video_seconds", NULL, 1, "durations", "input", "video", NULL, NULL, NULL},
	{"output_video_seconds", NULL, 1, "durations", "output", "video", NULL, NULL, NULL},
	{"video_seconds_480p", NULL, 1, "sized_durations", "output", "video", NULL, NULL, "480p"},
	{"video_seconds_720p", NULL, 1, "sized_durations", "output", "video", NULL, NULL, "720p"},
	{"video_seconds_1080p", NULL, 1, "sized_durations", "output", "video", NULL, NULL, "1080p"},
	{"video_seconds_4k", NULL, 1, "sized_durations", "output", "video", NULL, NULL, "4k"},

	/* own: tools billed by the call, beyond those above */
	{"web_searches_low_context", NULL, 1000, "tool_calls", NULL, NULL, NULL, NULL, "web_search_low"},
	{"web_searches_medium_context", NULL, 1000, "tool_calls", NULL, NULL, NULL, NULL, "web_search_medium"},
	{"web_searches_high_context", NULL, 1000, "tool_calls", NULL, NULL, NULL, NULL, "web_search_high"},
	{"grounded_prompts", NULL, 1000, "tool_calls", NULL, NULL, NULL, NULL, "grounded_prompt"},
	{"maps_queries", NULL, 1000, "tool_calls", NULL, NULL, NULL, NULL, "maps_query"},
	{"file_searches", NULL, 1000, "tool_calls", NULL, NULL, NULL, NULL, "file_search"},
	{"code_sessions", NULL, 1, "tool_calls", NULL, NULL, NULL, NULL, "code_session"},
	{"computer_uses", NULL, 1000, "tool_calls", NULL, NULL, NULL, NULL, "computer_use"},
	{"guardrail_units", NULL, 1000, "guardrails", NULL, NULL, NULL, NULL, NULL},

	/* own: other things that providers count */
	{"queries", NULL, 1000, "queries", NULL, NULL, NULL, NULL, NULL},
	{"embeddings", NULL, 1000, "embeddings", NULL, NULL, NULL, NULL, NULL},
	{"reranked_documents", NULL, 1000, "reranked_documents", NULL, NULL, NULL, NULL, NULL},
	{"training_tokens", NULL, 1000000, "training", NULL, NULL, NULL, NULL, NULL},
	{"credits", NULL, 1, "credits", NULL, NULL, NULL, NULL, NULL},
	{"input_dbu", NULL, 1, "dbu", "input", NULL, NULL, NULL, NULL},
	{"output_dbu", NULL, 1, "dbu", "output", NULL, NULL, NULL, NULL},

	/* own: what is billed by time held: compute, reserved throughput, stored caches and files */
	{"compute_seconds", NULL, 1, "compute", NULL, NULL, NULL, NULL, NULL},
	{"provisioned_unit_hours", NULL, 1, "provisioned", NULL, NULL, NULL, NULL, NULL},
	{"cache_token_hours", NULL, 1000000, "cache_storage", NULL, NULL, NULL, NULL, NULL},
	{"storage_gb_days", NULL, 1, "storage", NULL, NULL, NULL, NULL, NULL},

	/* own: resolutions of film between those above; results asked of a search, which choose its price */
	{"video_seconds_768p", NULL, 1, "sized_durations", "output", "video", NULL, NULL, "768p"},
	{"video_seconds_2k", NULL, 1, "sized_durations", "output", "video", NULL, NULL, "2k"},
	{"search_results", NULL, 1000, "search_results", NULL, NULL, NULL, NULL, NULL},
};

StaticAssertDecl(lengthof(units) < AIU_UNIT_MAX, "more units than a unit set holds");

#define DIMENSIONS 6
#define HASH_SIZE 512			/* a power of two, well above twice the units */

/* Everything that follows from the table; valid once ready. */
static bool ready = false;
static uint8 name_length[AIU_UNIT_MAX];
static uint8 dimension[AIU_UNIT_MAX][DIMENSIONS];	/* 0: not set; else an interned value */
static bool whole[AIU_UNIT_MAX];
static AiuUnitSet descendants[AIU_UNIT_MAX];
static AiuUnitSet ancestors[AIU_UNIT_MAX];
static uint8 by_name[HASH_SIZE];	/* open addressing; 0: free */
static uint8 by_price_key[HASH_SIZE];

/* Families whose quantities may have decimals; all others are counted. */
static const char *const fractional_families[] = {
	"durations", "sized_durations", "credits", "dbu", "compute",
	"provisioned", "cache_storage", "storage"
};

/*
 * The length, the first and the last eight bytes: names that share all three
 * share a slot, which the comparison sorts out.  Look-ups happen for every
 * unit of every row that is read from text.
 */
static inline uint32
hash_name(const char *s, int len)
{
	uint64		head = 0;
	uint64		tail = 0;

	if (len >= 8)
	{
		memcpy(&head, s, 8);
		memcpy(&tail, s + len - 8, 8);
	}
	else
		memcpy(&head, s, len);
	head ^= (tail << 23 | tail >> 41) ^ (uint64) len;
	head *= UINT64CONST(0x9E3779B97F4A7C15);
	return (uint32) (head >> 40);
}

static void
hash_insert(uint8 *table, const char *s, int code)
{
	uint32		slot = hash_name(s, strlen(s)) % HASH_SIZE;

	while (table[slot] != 0)
		slot = (slot + 1) % HASH_SIZE;
	table[slot] = (uint8) code;
}

static const char *
dimension_text(const AiuUnit *u, int d)
{
	switch (d)
	{
		case 0:
			return u->family;
		case 1:
			return u->direction;
		case 2:
			return u->modality;
		case 3:
			return u->token_type;
		case 4:
			return u->cache_ttl;
		default:
			return u->variant;
	}
}

static void
compute_lattice(void)
{
	int			count = lengthof(units);
	int			a;
	int			b;
	int			d;
	int			i;

	memset(by_name, 0, sizeof(by_name));
	memset(by_price_key, 0, sizeof(by_price_key));
	memset(descendants, 0, sizeof(descendants));
	memset(ancestors, 0, sizeof(ancestors));

	for (a = 1; a <= count; a++)
	{
		const AiuUnit *u = &units[a - 1];

		name_length[a] = strlen(u->name);
		hash_insert(by_name, u->name, a);
		if (u->price_key != NULL)
			hash_insert(by_price_key, u->price_key, a);
		whole[a] = true;
		for (i = 0; i < lengthof(fractional_families); i++)
		{
			if (strcmp(u->family, fractional_families[i]) == 0)
				whole[a] = false;
		}

		/* a value is interned as the code of the first unit that has it */
		for (d = 0; d < DIMENSIONS; d++)
		{
			const char *text = dimension_text(u, d);

			dimension[a][d] = 0;
			if (text == NULL)
				continue;
			for (b = 1; b < a; b++)
			{
				const char *other = dimension_text(&units[b - 1], d);

				if (other != NULL && strcmp(text, other) == 0)
					break;
			}
			dimension[a][d] = (uint8) b;
		}
	}

	for (a = 1; a <= count; a++)
	{
		for (b = 1; b <= count; b++)
		{
			bool		contains = (a != b);

			for (d = 0; d < DIMENSIONS && contains; d++)
			{
				if (dimension[a][d] != 0 && dimension[a][d] != dimension[b][d])
					contains = false;
			}
			if (contains)
			{
				AIU_UNITSET_ADD(&descendants[a], b);
				AIU_UNITSET_ADD(&ancestors[b], a);
			}
		}
	}
	ready = true;
}

#define ENSURE_LATTICE() \
	do { if (unlikely(!ready)) compute_lattice(); } while (0)

int
aiu_unit_count(void)
{
	return lengthof(units);
}

const AiuUnit *
aiu_unit_get(int code)
{
	Assert(code >= 1 && code <= lengthof(units));
	return &units[code - 1];
}

const char *
aiu_unit_name(int code, int *namelen)
{
	ENSURE_LATTICE();
	/* a standby's library may be older than the one that its primary writes with */
	if (unlikely(code > lengthof(units)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("unit %d is not known to this version of aiusage", code),
				 errdetail("The library knows %d units; the value was written by a newer one.", (int) lengthof(units)),
				 errhint("Install the newer release on this server, too, and restart it.")));
	*namelen = name_length[code];
	return units[code - 1].name;
}

int
aiu_unit_lookup(const char *name, int namelen)
{
	uint32		slot;

	ENSURE_LATTICE();
	for (slot = hash_name(name, namelen) % HASH_SIZE;
		 by_name[slot] != 0;
		 slot = (slot + 1) % HASH_SIZE)
	{
		int			code = by_name[slot];

		if (name_length[code] == namelen &&
			memcmp(units[code - 1].name, name, namelen) == 0)
			return code;
	}
	return 0;
}

int
aiu_unit_lookup_price_key(const char *key, int keylen)
{
	uint32		slot;

	ENSURE_LATTICE();
	for (slot = hash_name(key, keylen) % HASH_SIZE;
		 by_price_key[slot] != 0;
		 slot = (slot + 1) % HASH_SIZE)
	{
		int			code = by_price_key[slot];

		if (strlen(units[code - 1].price_key) == keylen &&
			memcmp(units[code - 1].price_key, key, keylen) == 0)
			return code;
	}
	return 0;
}

bool
aiu_unit_is_ancestor(int ancestor, int descendant)
{
	ENSURE_LATTICE();
	return AIU_UNITSET_HAS(&descendants[ancestor], descendant) != 0;
}

const AiuUnitSet *
aiu_unit_descendants(int code)
{
	ENSURE_LATTICE();
	return &descendants[code];
}

const AiuUnitSet *
aiu_unit_ancestors(int code)
{
	ENSURE_LATTICE();
	return &ancestors[code];
}

bool
aiu_unit_is_whole(int code)
{
	ENSURE_LATTICE();
	return whole[code];
}

int
aiu_unit_join(int a, int b, bool *compatible)
{
	uint8		joined[DIMENSIONS];
	int			c;
	int			d;

	ENSURE_LATTICE();
	for (d = 0; d < DIMENSIONS; d++)
	{
		uint8		va = dimension[a][d];
		uint8		vb = dimension[b][d];

		if (va != 0 && vb != 0 && va != vb)
		{
			*compatible = false;
			return 0;
		}
		joined[d] = va != 0 ? va : vb;
	}
	*compatible = true;
	for (c = 1; c <= lengthof(units); c++)
	{
		if (memcmp(dimension[c], joined, DIMENSIONS) == 0)
			return c;
	}
	return 0;
}

bool
aiu_unit_name_valid(const char *name, int namelen)
{
	int			i;

	if (namelen < 1 || namelen > AIU_UNIT_NAME_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	for (i = 1; i < namelen; i++)
	{
		char		c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
			return false;
	}
	return true;
}

/* aiusage.unit_registry(): the table and its lattice, a row a unit */
Datum
aiu_unit_registry(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			code;

	ENSURE_LATTICE();
	InitMaterializedSRF(fcinfo, 0);
	for (code = 1; code <= lengthof(units); code++)
	{
		const AiuUnit *u = &units[code - 1];
		Datum		values[12];
		bool		nulls[12] = {0};
		Datum		names[AIU_UNIT_MAX];
		int			n = 0;
		int			a;
		int			d;

		for (a = 1; a <= lengthof(units); a++)
		{
			if (AIU_UNITSET_HAS(&ancestors[code], a))
				names[n++] = CStringGetTextDatum(units[a - 1].name);
		}
		values[0] = Int32GetDatum(code);
		values[1] = CStringGetTextDatum(u->name);
		for (d = 0; d < DIMENSIONS; d++)
		{
			const char *text = dimension_text(u, d);

			if (text == NULL)
				nulls[2 + d] = true;
			else
				values[2 + d] = CStringGetTextDatum(text);
		}
		values[8] = BoolGetDatum(whole[code]);
		if (u->price_key == NULL)
			nulls[9] = true;
		else
			values[9] = CStringGetTextDatum(u->price_key);
		values[10] = Int64GetDatum(u->price_per);
		values[11] = PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
