/*-------------------------------------------------------------------------
 *
 * extract_shapes.c
 *	  Shapes of bodies that follow an API of their own: Anthropic, Google,
 *	  Amazon, Cohere, Mistral's OCR, Ollama, Cursor.
 *
 * See extract_shapes_openai.c.  Anthropic and Amazon report cache reads and
 * writes beside the input, Google the thoughts beside the output and the
 * prompts of tools beside the prompt: totals here are inclusive, so they are
 * added.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "extract/extract_shapes.h"

/* ---- Anthropic messages ---- */

#define MESSAGES_TOTALS \
	REQUIRED("input_tokens", "input_tokens"), \
	REQUIRED("output_tokens", "output_tokens")
#define MESSAGES_READ \
	UNIT("cache_read_input_tokens", "input_tokens"), \
	UNIT("cache_read_input_tokens", "cache_read_tokens")
#define MESSAGES_WRITTEN \
	UNIT("cache_creation_input_tokens", "input_tokens"), \
	UNIT("cache_creation_input_tokens", "cache_write_tokens")

/* written for five minutes is the plain price of writing; what is written for longer costs more */
#define MESSAGES_REST \
	KNOWN("cache_creation.ephemeral_5m_input_tokens"), \
	NO_UNIT("cache_creation.ephemeral_1h_input_tokens"), \
	NO_UNIT("cache_creation_input_tokens"), \
	KNOWN("output_tokens_details.thinking_tokens"), \
	NO_UNIT("server_tool_use.web_search_requests"), \
	KNOWN("server_tool_use.web_fetch_requests"), \
	END

/* message_start has the input, message_delta the counters so far and why it stopped */
#define MESSAGES_SHAPE(name, map) \
	const AiuShape name = {"usage|message.usage", "model|message.model", "id|message.id", \
		"usage.service_tier|message.usage.service_tier", map, AIU_STREAM_END, 0, \
		"type=message_stop|delta.stop_reason|stop_reason", NULL}

static const AiuMapping messages[] = {
	MESSAGES_TOTALS, MESSAGES_READ, MESSAGES_WRITTEN,
	UNIT("cache_creation.ephemeral_5m_input_tokens", "cache_write_5m_tokens"),
	UNIT("cache_creation.ephemeral_1h_input_tokens", "cache_write_1h_tokens"),
	UNIT("server_tool_use.web_search_requests", "web_searches"),
	UNIT("output_tokens_details.thinking_tokens", "output_reasoning_tokens"),
	MESSAGES_REST
};

MESSAGES_SHAPE(aiu_shape_messages, messages);

static const AiuMapping messages_plain[] = {
	MESSAGES_TOTALS, MESSAGES_READ, MESSAGES_WRITTEN, MESSAGES_REST
};

MESSAGES_SHAPE(aiu_shape_messages_plain, messages_plain);

static const AiuMapping messages_read[] = {
	MESSAGES_TOTALS, MESSAGES_READ, MESSAGES_REST
};

MESSAGES_SHAPE(aiu_shape_messages_read, messages_read);

static const AiuMapping tokens_plain[] = {
	MESSAGES_TOTALS,
	KNOWN("total_tokens"),
	END
};

MESSAGES_SHAPE(aiu_shape_tokens_plain, tokens_plain);

/* ---- Google generateContent ---- */

/* a page of a document is billed as a picture */
#define MODALITIES(list, prefix, suffix) \
	UNIT(list "[modality=TEXT].tokenCount", prefix "text" suffix), \
	UNIT(list "[modality=AUDIO].tokenCount", prefix "audio" suffix), \
	UNIT(list "[modality=IMAGE].tokenCount", prefix "image" suffix), \
	UNIT(list "[modality=DOCUMENT].tokenCount", prefix "image" suffix), \
	UNIT(list "[modality=VIDEO].tokenCount", prefix "video" suffix)

#define GEMINI_INPUT \
	UNIT("promptTokenCount", "input_tokens"), \
	UNIT("cachedContentTokenCount", "cache_read_tokens"), \
	MODALITIES("cacheTokensDetails", "cache_", "_read_tokens"), \
	MODALITIES("promptTokensDetails", "input_", "_tokens"), \
	UNIT("toolUsePromptTokenCount", "input_tokens"), \
	UNIT("toolUsePromptTokenCount", "input_tool_tokens"), \
	MODALITIES("toolUsePromptTokensDetails", "input_", "_tokens"), \
	MODALITIES("toolUsePromptTokensDetails", "input_", "_tool_tokens")

static const AiuMapping gemini[] = {
	GEMINI_INPUT,
	UNIT("candidatesTokenCount", "output_tokens"),
	UNIT("thoughtsTokenCount", "output_tokens"),
	UNIT("thoughtsTokenCount", "output_reasoning_tokens"),
	MODALITIES("candidatesTokensDetails", "output_", "_tokens"),
	KNOWN("totalTokenCount"),
	END
};

const AiuShape aiu_shape_gemini = {
	"usageMetadata", "modelVersion", "responseId", "usageMetadata.serviceTier|usageMetadata.trafficType", gemini,
	AIU_STREAM_CHOICES, 0, "promptFeedback.blockReason", "candidates.finishReason"
};

/* a turn of a live session is over when the server says so */
static const AiuMapping gemini_live[] = {
	GEMINI_INPUT,
	UNIT("responseTokenCount", "output_tokens"),
	UNIT("thoughtsTokenCount", "output_tokens"),
	UNIT("thoughtsTokenCount", "output_reasoning_tokens"),
	MODALITIES("responseTokensDetails", "output_", "_tokens"),
	KNOWN("totalTokenCount"),
	END
};

const AiuShape aiu_shape_gemini_live = {
	"usageMetadata", "modelVersion", "responseId", "usageMetadata.serviceTier|usageMetadata.trafficType", gemini_live,
	AIU_STREAM_END, 0, "serverContent.turnComplete=true", NULL
};

/* ---- Amazon Bedrock ---- */

#define CONVERSE_COUNTERS \
	REQUIRED("inputTokens", "input_tokens"), \
	UNIT("cacheReadInputTokens", "input_tokens"), \
	UNIT("cacheWriteInputTokens", "input_tokens"), \
	UNIT("cacheReadInputTokens", "cache_read_tokens"), \
	UNIT("cacheWriteInputTokens", "cache_write_tokens"), \
	REQUIRED("outputTokens", "output_tokens")
#define CONVERSE_REST \
	KNOWN("totalTokens"), \
	KNOWN("cacheReadInputTokenCount"), \
	KNOWN("cacheWriteInputTokenCount"), \
	KNOWN("cacheDetails[ttl=5m].inputTokens"), \
	NO_UNIT("cacheDetails[ttl=1h].inputTokens"), \
	END
#define CONVERSE_SHAPE(name, map) \
	const AiuShape name = {"usage|metadata.usage", "model", NULL, \
		"serviceTier.type|metadata.serviceTier.type", map, AIU_STREAM_USAGE, 0, NULL, NULL}

static const AiuMapping converse[] = {
	CONVERSE_COUNTERS, CONVERSE_REST
};

CONVERSE_SHAPE(aiu_shape_converse, converse);

static const AiuMapping converse_ttl[] = {
	CONVERSE_COUNTERS,
	UNIT("cacheDetails[ttl=5m].inputTokens", "cache_write_5m_tokens"),
	UNIT("cacheDetails[ttl=1h].inputTokens", "cache_write_1h_tokens"),
	CONVERSE_REST
};

CONVERSE_SHAPE(aiu_shape_converse_ttl, converse_ttl);

/* InvokeModel: the body of Amazon's own models */
static const AiuMapping nova[] = {
	REQUIRED("inputTokens", "input_tokens"),
	UNIT("cacheReadInputTokenCount", "input_tokens"),
	UNIT("cacheWriteInputTokenCount", "input_tokens"),
	UNIT("cacheReadInputTokenCount", "cache_read_tokens"),
	UNIT("cacheWriteInputTokenCount", "cache_write_tokens"),
	REQUIRED("outputTokens", "output_tokens"),
	KNOWN("totalTokens"),
	KNOWN("cacheReadInputTokens"),
	KNOWN("cacheWriteInputTokens"),
	END
};

const AiuShape aiu_shape_nova = {
	"usage|metadata.usage", "model", NULL, NULL, nova, AIU_STREAM_USAGE
};

/* InvokeModel: Meta's models count in the body itself */
static const AiuMapping llama[] = {
	UNIT("prompt_token_count", "input_tokens"),
	REQUIRED("generation_token_count", "output_tokens"),
	END
};

const AiuShape aiu_shape_llama = {
	"", "model", NULL, NULL, llama, AIU_STREAM_END, 0, "stop_reason", NULL
};

static const AiuMapping titan[] = {
	REQUIRED("inputTextTokenCount", "input_tokens"),
	UNIT("results[*].tokenCount", "output_tokens"),
	FALLBACK("totalOutputTextTokenCount", "output_tokens"),
	END
};

const AiuShape aiu_shape_titan = {
	"", "model", NULL, NULL, titan, AIU_STREAM_END, 0, "completionReason|results|embedding", NULL
};

/* InvokeModel: counted in the headers, for every model that counts at all */
static const AiuMapping invoke_headers[] = {
	REQUIRED("x-amzn-bedrock-input-token-count", "input_tokens"),
	UNIT("x-amzn-bedrock-cache-read-input-token-count", "input_tokens"),
	UNIT("x-amzn-bedrock-cache-write-input-token-count", "input_tokens"),
	UNIT("x-amzn-bedrock-cache-read-input-token-count", "cache_read_tokens"),
	UNIT("x-amzn-bedrock-cache-write-input-token-count", "cache_write_tokens"),
	UNIT("x-amzn-bedrock-output-token-count", "output_tokens"),
	END
};

const AiuShape aiu_shape_invoke_headers = {
	"", NULL, "x-amzn-requestid|x-amzn-RequestId|X-Amzn-Requestid|X-Amzn-RequestId",
	"x-amzn-bedrock-service-tier|X-Amzn-Bedrock-Service-Tier", invoke_headers,
	AIU_STREAM_USAGE, AIU_SHAPE_HEADERS, NULL, NULL
};

/* InvokeModelWithResponseStream: the last chunk, whatever the model */
static const AiuMapping invoke_metrics[] = {
	REQUIRED("inputTokenCount", "input_tokens"),
	UNIT("cacheReadInputTokenCount", "input_tokens"),
	UNIT("cacheWriteInputTokenCount", "input_tokens"),
	UNIT("cacheReadInputTokenCount", "cache_read_tokens"),
	UNIT("cacheWriteInputTokenCount", "cache_write_tokens"),
	REQUIRED("outputTokenCount", "output_tokens"),
	KNOWN("invocationLatency"),
	KNOWN("firstByteLatency"),
	END
};

const AiuShape aiu_shape_invoke_metrics = {
	"amazon-bedrock-invocationMetrics", "model|message.model", "id|message.id", NULL, invoke_metrics, AIU_STREAM_USAGE
};

/* ---- Cohere ---- */

static const AiuMapping cohere_billed[] = {
	REQUIRED("input_tokens", "input_tokens"),
	REQUIRED("output_tokens", "output_tokens"),
	NO_UNIT("search_units"),
	NO_UNIT("classifications"),
	NO_UNIT("image_tokens"),
	NO_UNIT("images"),
	END
};

const AiuShape aiu_shape_cohere_billed = {
	"usage.billed_units|delta.usage.billed_units", "model", "id", NULL, cohere_billed, AIU_STREAM_USAGE
};

const AiuShape aiu_shape_cohere_v1 = {
	"meta.billed_units|response.meta.billed_units", "model", "response_id|generation_id|id|response.response_id", NULL,
	cohere_billed, AIU_STREAM_USAGE
};

static const AiuMapping cohere_tokens[] = {
	UNIT("tokens.input_tokens", "input_tokens"),
	UNIT("tokens.output_tokens", "output_tokens"),
	UNIT("cached_tokens", "cache_read_tokens"),
	KNOWN("billed_units.input_tokens"),
	KNOWN("billed_units.output_tokens"),
	NO_UNIT("billed_units.search_units"),
	NO_UNIT("billed_units.classifications"),
	END
};

const AiuShape aiu_shape_cohere_tokens = {
	"usage|delta.usage", "model", "id", NULL, cohere_tokens, AIU_STREAM_USAGE
};

static const AiuMapping cohere_embeddings[] = {
	REQUIRED("input_tokens", "input_tokens"),
	NO_UNIT("image_tokens"),
	NO_UNIT("images"),
	END
};

const AiuShape aiu_shape_cohere_embeddings = {
	"meta.billed_units", "model", "id", NULL, cohere_embeddings, AIU_STREAM_USAGE
};

static const AiuMapping cohere_rerank[] = {
	REQUIRED("search_units", "rerank_searches"),
	END
};

const AiuShape aiu_shape_cohere_rerank = {
	"meta.billed_units", "model", "id", NULL, cohere_rerank, AIU_STREAM_USAGE
};

/* ---- others ---- */

static const AiuMapping cursor[] = {
	REQUIRED("inputTokens", "input_tokens"),
	REQUIRED("cacheWriteTokens", "input_tokens"),
	REQUIRED("cacheReadTokens", "input_tokens"),
	REQUIRED("cacheWriteTokens", "cache_write_tokens"),
	REQUIRED("cacheReadTokens", "cache_read_tokens"),
	REQUIRED("outputTokens", "output_tokens"),
	COST("totalCents", AIU_MAP_COST_CENTS),
	END
};

const AiuShape aiu_shape_cursor = {
	"tokenUsage", "model", NULL, NULL, cursor, AIU_STREAM_USAGE
};

static const AiuMapping ocr[] = {
	REQUIRED("pages_processed", "input_document_pages"),
	KNOWN("doc_size_bytes"),
	END
};

const AiuShape aiu_shape_ocr = {
	"usage_info", "model", "id", NULL, ocr, AIU_STREAM_USAGE
};

/* the annotated pages are billed beside reading them */
static const AiuMapping ocr_annotated[] = {
	REQUIRED("pages_processed", "input_document_pages"),
	REQUIRED("pages_processed", "input_annotated_document_pages"),
	KNOWN("doc_size_bytes"),
	END
};

const AiuShape aiu_shape_ocr_annotated = {
	"usage_info", "model", "id", NULL, ocr_annotated, AIU_STREAM_USAGE
};

static const AiuMapping ollama[] = {
	UNIT("prompt_eval_count", "input_tokens"),
	UNIT("eval_count", "output_tokens"),
	END
};

const AiuShape aiu_shape_ollama = {
	"", "model", NULL, NULL, ollama, AIU_STREAM_END, 0, "done=true", NULL
};
