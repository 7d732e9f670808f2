/*-------------------------------------------------------------------------
 *
 * extract_providers.c
 *	  Which shape the bodies of a provider's flavors have.
 *
 * Providers are named as in the default price catalogue, and found by the
 * same other names ("bedrock" is aws, "vertex" google), so that the label that
 * prices a row also extracts its usage.  A flavor is an API of the provider;
 * "default" and the names that the catalogue's own extractors have give what
 * those give.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "common/errors.h"
#include "extract/extract_internal.h"

#define PROVIDER_NAME_MAX 63

/* What a server that speaks OpenAI's language answers with, where nothing is known to differ. */
#define COMPATIBLE(provider) \
	{provider, "chat", &aiu_shape_chat}, \
	{provider, "completions", &aiu_shape_chat}, \
	{provider, "embeddings", &aiu_shape_embeddings}, \
	{provider, "responses", &aiu_shape_responses}
#define HUGGINGFACE(provider) \
	{provider, "default", &aiu_shape_chat}, \
	{provider, "chat", &aiu_shape_chat}

/* All flavors of a provider stand together. */
static const AiuFlavor flavors[] = {
	{"anthropic", "default", &aiu_shape_messages},
	{"anthropic", "messages", &aiu_shape_messages},
	{"anthropic", "chat", &aiu_shape_chat_anthropic},

	{"arcee", "default", &aiu_shape_chat_plain},
	{"arcee", "chat", &aiu_shape_chat_plain},

	COMPATIBLE("avian"),

	{"aws", "default", &aiu_shape_converse},
	{"aws", "converse", &aiu_shape_converse_ttl},
	{"aws", "anthropic", &aiu_shape_messages_plain},
	{"aws", "messages", &aiu_shape_messages},
	{"aws", "chat", &aiu_shape_chat},
	{"aws", "responses", &aiu_shape_responses},
	{"aws", "nova", &aiu_shape_nova},
	{"aws", "llama", &aiu_shape_llama},
	{"aws", "titan", &aiu_shape_titan},
	{"aws", "invoke_headers", &aiu_shape_invoke_headers},
	{"aws", "invoke_metrics", &aiu_shape_invoke_metrics},

	{"azure", "chat", &aiu_shape_chat},
	{"azure", "completions", &aiu_shape_chat},
	{"azure", "responses", &aiu_shape_responses},
	{"azure", "embeddings", &aiu_shape_embeddings},
	{"azure", "images", &aiu_shape_images},
	{"azure", "images_count", &aiu_shape_images_count},
	{"azure", "transcriptions", &aiu_shape_transcriptions},
	{"azure", "transcriptions_verbose", &aiu_shape_transcriptions_verbose},
	{"azure", "speech", &aiu_shape_speech},
	{"azure", "realtime", &aiu_shape_realtime},
	{"azure", "anthropic", &aiu_shape_messages_plain},
	{"azure", "messages", &aiu_shape_messages},

	{"baseten", "chat", &aiu_shape_chat_in_audio},
	{"baseten", "anthropic", &aiu_shape_messages_read},

	{"cerebras", "chat", &aiu_shape_chat_cerebras},
	{"cerebras", "completions", &aiu_shape_chat_cerebras},

	{"cloudflare", "default", &aiu_shape_chat_cloudflare},
	{"cloudflare", "chat", &aiu_shape_chat_plain},
	{"cloudflare", "responses", &aiu_shape_responses_no_write},
	{"cloudflare", "embeddings", &aiu_shape_embeddings},

	{"cohere", "default", &aiu_shape_cohere_billed},
	{"cohere", "tokens", &aiu_shape_cohere_tokens},
	{"cohere", "chat_v1", &aiu_shape_cohere_v1},
	{"cohere", "embeddings", &aiu_shape_cohere_embeddings},
	{"cohere", "rerank", &aiu_shape_cohere_rerank},

	{"cursor", "usage-event", &aiu_shape_cursor},

	{"deepseek", "chat", &aiu_shape_chat_deepseek},
	{"deepseek", "completions", &aiu_shape_chat_deepseek},
	{"deepseek", "messages", &aiu_shape_messages},

	{"doubleword", "chat", &aiu_shape_chat_cache_write},
	{"doubleword", "responses", &aiu_shape_responses_plain},
	{"doubleword", "embeddings", &aiu_shape_embeddings},

	{"fireworks", "chat", &aiu_shape_chat_out_audio},
	{"fireworks", "completions", &aiu_shape_chat_out_audio},
	{"fireworks", "responses", &aiu_shape_responses},
	{"fireworks", "embeddings", &aiu_shape_embeddings},
	{"fireworks", "messages", &aiu_shape_messages},

	{"github-copilot", "chat", &aiu_shape_chat_plain},
	{"github-copilot", "responses", &aiu_shape_responses},

	{"google", "default", &aiu_shape_gemini},
	{"google", "generate_content", &aiu_shape_gemini},
	{"google", "live", &aiu_shape_gemini_live},
	{"google", "chat", &aiu_shape_chat_in_audio},
	{"google", "anthropic", &aiu_shape_messages_plain},
	{"google", "messages", &aiu_shape_messages},

	{"groq", "default", &aiu_shape_chat_groq},
	{"groq", "chat", &aiu_shape_chat_groq},
	{"groq", "responses", &aiu_shape_responses},
	{"groq", "transcriptions", &aiu_shape_transcriptions_verbose},

	HUGGINGFACE("huggingface_cerebras"),
	HUGGINGFACE("huggingface_fireworks-ai"),
	HUGGINGFACE("huggingface_groq"),
	HUGGINGFACE("huggingface_hyperbolic"),
	HUGGINGFACE("huggingface_nebius"),
	HUGGINGFACE("huggingface_novita"),
	HUGGINGFACE("huggingface_nscale"),
	HUGGINGFACE("huggingface_ovhcloud"),
	HUGGINGFACE("huggingface_publicai"),
	HUGGINGFACE("huggingface_sambanova"),
	HUGGINGFACE("huggingface_together"),

	{"minimax", "default", &aiu_shape_messages_plain},
	{"minimax", "messages", &aiu_shape_messages},
	{"minimax", "chat", &aiu_shape_chat_plain},
	{"minimax", "responses", &aiu_shape_responses_plain},

	{"mistral", "default", &aiu_shape_chat_plain},
	{"mistral", "chat", &aiu_shape_chat_plain},
	{"mistral", "embeddings", &aiu_shape_embeddings},
	{"mistral", "transcriptions", &aiu_shape_transcriptions_mistral},
	{"mistral", "ocr", &aiu_shape_ocr},
	{"mistral", "ocr_annotated", &aiu_shape_ocr_annotated},

	{"modal", "chat", &aiu_shape_chat_modal},
	{"modal", "responses", &aiu_shape_responses},

	{"moonshotai", "chat", &aiu_shape_chat_moonshot},
	{"moonshotai", "messages", &aiu_shape_messages},

	COMPATIBLE("novita"),

	{"ollama", "default", &aiu_shape_ollama},

	{"openai", "chat", &aiu_shape_chat},
	{"openai", "completions", &aiu_shape_chat},
	{"openai", "responses", &aiu_shape_responses},
	{"openai", "embeddings", &aiu_shape_embeddings},
	{"openai", "images", &aiu_shape_images},
	{"openai", "images_count", &aiu_shape_images_count},
	{"openai", "transcriptions", &aiu_shape_transcriptions},
	{"openai", "transcriptions_verbose", &aiu_shape_transcriptions_verbose},
	{"openai", "speech", &aiu_shape_speech},
	{"openai", "realtime", &aiu_shape_realtime},

	COMPATIBLE("openai-compatible"),
	{"openai-compatible", "messages", &aiu_shape_messages},

	{"openrouter", "chat", &aiu_shape_chat_openrouter},
	{"openrouter", "completions", &aiu_shape_chat_openrouter},
	{"openrouter", "responses", &aiu_shape_responses_openrouter},
	{"openrouter", "messages", &aiu_shape_messages},
	{"openrouter", "embeddings", &aiu_shape_embeddings_openrouter},

	{"ovhcloud", "default", &aiu_shape_chat},
	{"ovhcloud", "chat", &aiu_shape_chat},
	{"ovhcloud", "completions", &aiu_shape_chat},
	{"ovhcloud", "embeddings", &aiu_shape_embeddings},

	{"perplexity", "default", &aiu_shape_chat_perplexity},
	{"perplexity", "chat", &aiu_shape_chat_perplexity},

	{"quicksilverpro", "chat", &aiu_shape_chat},
	{"quicksilverpro", "responses", &aiu_shape_responses},

	COMPATIBLE("together"),

	{"typesafe", "default", &aiu_shape_tokens_plain},

	{"voyageai", "embeddings", &aiu_shape_embeddings_total},
	{"voyageai", "rerank", &aiu_shape_embeddings_total},

	{"x-ai", "default", &aiu_shape_chat_xai_old},
	{"x-ai", "chat", &aiu_shape_chat_xai},
	{"x-ai", "responses", &aiu_shape_responses_xai},
	{"x-ai", "realtime", &aiu_shape_realtime_xai},

	{"zai", "chat", &aiu_shape_chat_plain},
	{"zai", "messages", &aiu_shape_messages},

	{"zhipuai", "chat", &aiu_shape_chat_plain},
};

/* Other names of a provider, in the catalogue's order: the first that fits is meant. */
static const struct
{
	enum
	{
		NAME_CONTAINS,
		NAME_STARTS,
		NAME_IS
	}			how;
	const char *word;
	const char *provider;
}			other_names[] =
{
	{NAME_CONTAINS, "anthropic", "anthropic"},
	{NAME_CONTAINS, "arcee", "arcee"},
	{NAME_CONTAINS, "bedrock", "aws"},
	{NAME_CONTAINS, "amazon", "aws"},
	{NAME_CONTAINS, "baseten", "baseten"},
	{NAME_CONTAINS, "cerebras", "cerebras"},
	{NAME_CONTAINS, "cloudflare", "cloudflare"},
	{NAME_CONTAINS, "cohere", "cohere"},
	{NAME_CONTAINS, "copilot", "github-copilot"},
	{NAME_CONTAINS, "google", "google"},
	{NAME_CONTAINS, "vertex", "google"},
	{NAME_CONTAINS, "gemini", "google"},
	{NAME_CONTAINS, "huggingface", NULL},	/* with the name of who serves the model */
	{NAME_STARTS, "mistral", "mistral"},
	{NAME_CONTAINS, "modal", "modal"},
	{NAME_CONTAINS, "moonshot", "moonshotai"},
	{NAME_CONTAINS, "openai", "openai"},
	{NAME_IS, "together-ai", "together"},
	{NAME_IS, "together_ai", "together"},
	{NAME_CONTAINS, "typesafe", "typesafe"},
	{NAME_CONTAINS, "voyage", "voyageai"},
	{NAME_IS, "xai", "x-ai"},
};

#define HUGGINGFACE_PREFIX "huggingface_"

const AiuFlavor *
aiu_flavor_table(int *count)
{
	*count = lengthof(flavors);
	return flavors;
}

/* First flavor of a provider by its own name, or NULL. */
static const AiuFlavor *
by_name(const char *provider)
{
	int			i;

	for (i = 0; i < lengthof(flavors); i++)
	{
		/* the first letter alone tells most apart */
		if (flavors[i].provider[0] == provider[0] && strcmp(flavors[i].provider, provider) == 0)
			return &flavors[i];
	}
	return NULL;
}

static const AiuFlavor *
by_huggingface_server(const char *name)
{
	int			i;

	for (i = 0; i < lengthof(flavors); i++)
	{
		if (strncmp(flavors[i].provider, HUGGINGFACE_PREFIX, strlen(HUGGINGFACE_PREFIX)) == 0 &&
			strstr(name, flavors[i].provider + strlen(HUGGINGFACE_PREFIX)) != NULL)
			return &flavors[i];
	}
	return NULL;
}

static const AiuFlavor *
by_other_name(const char *name)
{
	int			i;

	for (i = 0; i < lengthof(other_names); i++)
	{
		const char *word = other_names[i].word;
		bool		fits;

		if (other_names[i].how == NAME_CONTAINS)
			fits = strstr(name, word) != NULL;
		else if (other_names[i].how == NAME_STARTS)
			fits = strncmp(name, word, strlen(word)) == 0;
		else
			fits = strcmp(name, word) == 0;
		if (fits)
		{
			const AiuFlavor *found = other_names[i].provider != NULL ?
				by_name(other_names[i].provider) : by_huggingface_server(name);

			if (found != NULL)
				return found;
		}
	}
	return NULL;
}

/* All of the providers' names, once each. */
static char *
provider_list(void)
{
	StringInfoData out;
	int			i;

	initStringInfo(&out);
	for (i = 0; i < lengthof(flavors); i++)
	{
		if (i == 0 || strcmp(flavors[i].provider, flavors[i - 1].provider) != 0)
			appendStringInfo(&out, "%s%s", i == 0 ? "" : ", ", flavors[i].provider);
	}
	return out.data;
}

char *
aiu_flavor_list(const char *provider)
{
	StringInfoData out;
	int			i;

	initStringInfo(&out);
	for (i = 0; i < lengthof(flavors); i++)
	{
		if (strcmp(flavors[i].provider, provider) == 0)
			appendStringInfo(&out, "%s%s", out.len == 0 ? "" : ", ", flavors[i].flavor);
	}
	return out.data;
}

/* What an error may repeat of a name: short, and no secret. */
static const char *
shown(const char *s, int len)
{
	if (len > PROVIDER_NAME_MAX || aiu_label_secret_kind(s, len) != NULL)
		return "(not repeated)";
	return pnstrdup(s, len);
}

const AiuFlavor *
aiu_flavor_find(const char *provider, int provider_len, const char *flavor, int flavor_len)
{
	char		name[PROVIDER_NAME_MAX + 1];
	const AiuFlavor *first = NULL;
	const AiuFlavor *f;
	const AiuFlavor *end = flavors + lengthof(flavors);
	const char *s = provider;
	int			len = provider_len;
	int			i;

	while (len > 0 && isspace((unsigned char) *s))
	{
		s++;
		len--;
	}
	while (len > 0 && isspace((unsigned char) s[len - 1]))
		len--;
	if (len > 0 && len <= PROVIDER_NAME_MAX)
	{
		for (i = 0; i < len; i++)
			name[i] = pg_ascii_tolower((unsigned char) s[i]);
		name[len] = '\0';
		first = by_name(name);
		if (first == NULL)
			first = by_other_name(name);
	}
	if (first == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_UNKNOWN),
				 errmsg("no usage can be extracted for provider \"%s\"", shown(provider, provider_len)),
				 errdetail("Providers: %s.", provider_list()),
				 errhint("For another one that speaks OpenAI's or Anthropic's API use \"openai-compatible\".")));

	for (f = first; f < end && strcmp(f->provider, first->provider) == 0; f++)
	{
		if (flavor == NULL ? strcmp(f->flavor, "default") == 0 :
			strlen(f->flavor) == flavor_len && memcmp(f->flavor, flavor, flavor_len) == 0)
			return f;
	}
	if (flavor == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AIU_UNKNOWN),
				 errmsg("provider \"%s\" has no default flavor", first->provider),
				 errhint("Name the API that the body is of: %s.", aiu_flavor_list(first->provider))));
	ereport(ERROR,
			(errcode(ERRCODE_AIU_UNKNOWN),
			 errmsg("provider \"%s\" has no flavor \"%s\"", first->provider, shown(flavor, flavor_len)),
			 errhint("Flavors of \"%s\": %s.", first->provider, aiu_flavor_list(first->provider))));
	return NULL;				/* keep compiler quiet */
}
