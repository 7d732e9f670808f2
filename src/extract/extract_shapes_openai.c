/*-------------------------------------------------------------------------
 *
 * extract_shapes_openai.c
 *	  Shapes of bodies that follow OpenAI's APIs, its own and others'.
 *
 * Which counter counts towards which unit is a fact of each provider's API.
 * Where the open price catalogue @pydantic/genai-prices has an extractor, the
 * shape gives the same usage, which tools/extract.sh proves; so the shapes of
 * one API differ by what the catalogue reads of it at each provider.
 *
 * Counts are inclusive here: cached, audio and reasoning tokens are parts of
 * the totals.  Where a provider reports them beside the total (Perplexity,
 * xAI's reasoning), they are added to it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "extract/extract_shapes.h"

/* ---- chat completions ---- */

#define CHAT_TOTALS \
	REQUIRED("prompt_tokens", "input_tokens"), \
	REQUIRED("completion_tokens", "output_tokens")
#define CHAT_CACHED		UNIT("prompt_tokens_details.cached_tokens", "cache_read_tokens")
#define CHAT_WRITTEN	UNIT("prompt_tokens_details.cache_write_tokens", "cache_write_tokens")
#define CHAT_AUDIO_IN	UNIT("prompt_tokens_details.audio_tokens", "input_audio_tokens")
#define CHAT_AUDIO_OUT	UNIT("completion_tokens_details.audio_tokens", "output_audio_tokens")
#define CHAT_REASONING	UNIT("completion_tokens_details.reasoning_tokens", "output_reasoning_tokens")

/* What else stands there; what a shape counts above, this does not undo. */
#define CHAT_REST \
	KNOWN("total_tokens"), \
	KNOWN("prompt_tokens_details.text_tokens"), \
	KNOWN("completion_tokens_details.text_tokens"), \
	KNOWN("completion_tokens_details.accepted_prediction_tokens"), \
	KNOWN("completion_tokens_details.rejected_prediction_tokens"), \
	KNOWN("queue_time"), \
	KNOWN("prompt_time"), \
	KNOWN("completion_time"), \
	KNOWN("total_time"), \
	NO_UNIT("prompt_tokens_details.cached_tokens"), \
	NO_UNIT("prompt_tokens_details.cache_write_tokens"), \
	NO_UNIT("prompt_tokens_details.audio_tokens"), \
	NO_UNIT("prompt_tokens_details.image_tokens"), \
	NO_UNIT("prompt_tokens_details.video_tokens"), \
	NO_UNIT("completion_tokens_details.audio_tokens"), \
	NO_UNIT("completion_tokens_details.image_tokens"), \
	NO_UNIT("completion_tokens_details.video_tokens"), \
	NO_UNIT("completion_tokens_details.reasoning_tokens"), \
	END

/* Groq puts the usage of a stream where only its own clients look */
#define CHAT_SHAPE(name, map) \
	const AiuShape name = {"usage|x_groq.usage", "model", "id|x_groq.id", "service_tier", map, \
		AIU_STREAM_CHOICES, 0, NULL, "choices.finish_reason"}

static const AiuMapping chat[] = {
	CHAT_TOTALS, CHAT_CACHED, CHAT_WRITTEN, CHAT_AUDIO_IN, CHAT_AUDIO_OUT, CHAT_REASONING, CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat, chat);

static const AiuMapping chat_openrouter[] = {
	CHAT_TOTALS, CHAT_CACHED, CHAT_WRITTEN, CHAT_AUDIO_IN, CHAT_AUDIO_OUT, CHAT_REASONING,
	COST("cost", AIU_MAP_COST_USD),
	KNOWN("cost_details.upstream_inference_cost"),
	KNOWN("cost_details.upstream_inference_prompt_cost"),
	KNOWN("cost_details.upstream_inference_completions_cost"),
	CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_openrouter, chat_openrouter);

static const AiuMapping chat_plain[] = {
	CHAT_TOTALS, CHAT_CACHED, CHAT_REASONING, CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_plain, chat_plain);

static const AiuMapping chat_in_audio[] = {
	CHAT_TOTALS, CHAT_CACHED, CHAT_AUDIO_IN, CHAT_AUDIO_OUT, CHAT_REASONING, CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_in_audio, chat_in_audio);
CHAT_SHAPE(aiu_shape_chat_groq, chat_in_audio);

static const AiuMapping chat_out_audio[] = {
	CHAT_TOTALS, CHAT_CACHED, CHAT_AUDIO_OUT, CHAT_REASONING, CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_out_audio, chat_out_audio);

/* its older bodies have the cached tokens under a name of their own only */
static const AiuMapping chat_deepseek[] = {
	CHAT_TOTALS, CHAT_CACHED,
	FALLBACK("prompt_cache_hit_tokens", "cache_read_tokens"),
	KNOWN("prompt_cache_miss_tokens"),
	CHAT_AUDIO_OUT, CHAT_REASONING, CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_deepseek, chat_deepseek);

static const AiuMapping chat_moonshot[] = {
	CHAT_TOTALS, CHAT_CACHED,
	FALLBACK("cached_tokens", "cache_read_tokens"),
	CHAT_REASONING, CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_moonshot, chat_moonshot);

static const AiuMapping chat_cache_write[] = {
	CHAT_TOTALS, CHAT_CACHED, CHAT_WRITTEN, CHAT_REASONING, CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_cache_write, chat_cache_write);

static const AiuMapping chat_modal[] = {
	CHAT_TOTALS, CHAT_CACHED, CHAT_WRITTEN,
	UNIT("reasoning_tokens", "output_reasoning_tokens"),
	CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_modal, chat_modal);

static const AiuMapping chat_anthropic[] = {
	CHAT_TOTALS,
	UNIT("cached_tokens", "cache_read_tokens"),
	CHAT_REASONING, CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_anthropic, chat_anthropic);

static const AiuMapping chat_cerebras[] = {
	CHAT_TOTALS, CHAT_REASONING, CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_cerebras, chat_cerebras);

const AiuShape aiu_shape_chat_cloudflare = {
	"result.usage|usage", "result.model|model", "result.id|id", "result.service_tier",
	chat_cerebras, AIU_STREAM_CHOICES, 0, NULL, "choices.finish_reason"
};

static const AiuMapping chat_perplexity[] = {
	CHAT_TOTALS,
	UNIT("reasoning_tokens", "output_tokens"),
	UNIT("reasoning_tokens", "output_reasoning_tokens"),
	UNIT("citation_tokens", "output_tokens"),
	UNIT("citation_tokens", "output_citation_tokens"),
	UNIT("num_search_queries", "web_searches"),
	COST("cost.total_cost", AIU_MAP_COST_USD),
	KNOWN("cost.input_tokens_cost"),
	KNOWN("cost.output_tokens_cost"),
	KNOWN("cost.reasoning_tokens_cost"),
	KNOWN("cost.citation_tokens_cost"),
	KNOWN("cost.search_queries_cost"),
	KNOWN("cost.request_cost"),
	CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_perplexity, chat_perplexity);

/* xAI: what it charged, and tools that it runs itself */
#define XAI_REST \
	COST("cost_in_usd_ticks", AIU_MAP_COST_TICKS), \
	KNOWN("num_server_side_tools_used"), \
	KNOWN("context_details.input_tokens"), \
	KNOWN("context_details.output_tokens"), \
	NO_UNIT("num_sources_used"), \
	NO_UNIT("server_side_tool_usage_details.web_search_calls"), \
	NO_UNIT("server_side_tool_usage_details.x_search_calls"), \
	NO_UNIT("server_side_tool_usage_details.code_interpreter_calls"), \
	NO_UNIT("server_side_tool_usage_details.file_search_calls"), \
	NO_UNIT("server_side_tool_usage_details.document_search_calls"), \
	NO_UNIT("server_side_tool_usage_details.image_generation_calls"), \
	NO_UNIT("server_side_tool_usage_details.mcp_calls")

/* reasoning is not part of completion_tokens here */
static const AiuMapping chat_xai[] = {
	CHAT_TOTALS, CHAT_CACHED, CHAT_AUDIO_OUT, CHAT_REASONING,
	UNIT("completion_tokens_details.reasoning_tokens", "output_tokens"),
	XAI_REST, CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_xai, chat_xai);

static const AiuMapping chat_xai_old[] = {
	CHAT_TOTALS,
	UNIT("cached_prompt_text_tokens", "cache_read_tokens"),
	UNIT("reasoning_tokens", "output_tokens"),
	UNIT("reasoning_tokens", "output_reasoning_tokens"),
	KNOWN("prompt_text_tokens"),
	NO_UNIT("prompt_image_tokens"),
	KNOWN("completion_tokens_details.reasoning_tokens"),
	XAI_REST, CHAT_REST
};

CHAT_SHAPE(aiu_shape_chat_xai_old, chat_xai_old);

/* ---- embeddings ---- */

static const AiuMapping embeddings[] = {
	REQUIRED("prompt_tokens", "input_tokens"),
	KNOWN("total_tokens"),
	NO_UNIT("completion_tokens"),
	NO_UNIT("prompt_tokens_details.cached_tokens"),
	END
};

const AiuShape aiu_shape_embeddings = {
	"usage", "model", "id", "service_tier", embeddings, AIU_STREAM_USAGE
};

static const AiuMapping embeddings_openrouter[] = {
	REQUIRED("prompt_tokens", "input_tokens"),
	COST("cost", AIU_MAP_COST_USD),
	KNOWN("total_tokens"),
	KNOWN("cost_details.upstream_inference_cost"),
	KNOWN("cost_details.upstream_inference_prompt_cost"),
	KNOWN("cost_details.upstream_inference_completions_cost"),
	END
};

const AiuShape aiu_shape_embeddings_openrouter = {
	"usage", "model", "id", NULL, embeddings_openrouter, AIU_STREAM_USAGE
};

static const AiuMapping embeddings_total[] = {
	REQUIRED("total_tokens", "input_tokens"),
	KNOWN("prompt_tokens"),
	NO_UNIT("image_pixels"),
	NO_UNIT("text_tokens"),
	END
};

const AiuShape aiu_shape_embeddings_total = {
	"usage", "model", "id", NULL, embeddings_total, AIU_STREAM_USAGE
};

/* ---- responses ---- */

#define RESPONSES_TOTALS \
	REQUIRED("input_tokens", "input_tokens"), \
	REQUIRED("output_tokens", "output_tokens"), \
	UNIT("input_tokens_details.cached_tokens", "cache_read_tokens")
#define RESPONSES_WRITTEN	UNIT("input_tokens_details.cache_write_tokens", "cache_write_tokens")
#define RESPONSES_REASONING	UNIT("output_tokens_details.reasoning_tokens", "output_reasoning_tokens")
#define RESPONSES_REST \
	KNOWN("total_tokens"), \
	KNOWN("input_tokens_details.text_tokens"), \
	KNOWN("output_tokens_details.text_tokens"), \
	NO_UNIT("input_tokens_details.cache_write_tokens"), \
	NO_UNIT("input_tokens_details.audio_tokens"), \
	NO_UNIT("input_tokens_details.image_tokens"), \
	NO_UNIT("output_tokens_details.reasoning_tokens"), \
	NO_UNIT("output_tokens_details.audio_tokens"), \
	NO_UNIT("output_tokens_details.image_tokens"), \
	END

/* an event holds the response, and so does a body that was fetched later */
#define RESPONSES_ENDS \
	"type=response.completed|type=response.incomplete|type=response.failed|" \
	"status=completed|status=incomplete|status=failed"
#define RESPONSES_SHAPE(name, map) \
	const AiuShape name = {"usage|response.usage", "model|response.model", "id|response.id", \
		"service_tier|response.service_tier", map, AIU_STREAM_END, 0, RESPONSES_ENDS, NULL}

static const AiuMapping responses[] = {
	RESPONSES_TOTALS, RESPONSES_WRITTEN, RESPONSES_REASONING, RESPONSES_REST
};

RESPONSES_SHAPE(aiu_shape_responses, responses);

static const AiuMapping responses_openrouter[] = {
	RESPONSES_TOTALS, RESPONSES_WRITTEN, RESPONSES_REASONING,
	COST("cost", AIU_MAP_COST_USD),
	KNOWN("cost_details.upstream_inference_cost"),
	KNOWN("cost_details.upstream_inference_input_cost"),
	KNOWN("cost_details.upstream_inference_output_cost"),
	RESPONSES_REST
};

RESPONSES_SHAPE(aiu_shape_responses_openrouter, responses_openrouter);

static const AiuMapping responses_no_write[] = {
	RESPONSES_TOTALS, RESPONSES_REASONING, RESPONSES_REST
};

RESPONSES_SHAPE(aiu_shape_responses_no_write, responses_no_write);

static const AiuMapping responses_plain[] = {
	RESPONSES_TOTALS, RESPONSES_REST
};

RESPONSES_SHAPE(aiu_shape_responses_plain, responses_plain);

/* here reasoning is part of output_tokens, as at OpenAI */
static const AiuMapping responses_xai[] = {
	RESPONSES_TOTALS, RESPONSES_REASONING,
	UNIT("server_side_tool_usage_details.web_search_calls", "web_searches"),
	UNIT("server_side_tool_usage_details.x_search_calls", "social_searches"),
	UNIT("server_side_tool_usage_details.code_interpreter_calls", "code_executions"),
	UNIT("server_side_tool_usage_details.file_search_calls", "storage_searches"),
	UNIT("server_side_tool_usage_details.document_search_calls", "storage_searches"),
	XAI_REST, RESPONSES_REST
};

RESPONSES_SHAPE(aiu_shape_responses_xai, responses_xai);

/* ---- images ---- */

static const AiuMapping images[] = {
	REQUIRED("input_tokens", "input_tokens"),
	REQUIRED("input_tokens_details.text_tokens", "input_text_tokens"),
	REQUIRED("input_tokens_details.image_tokens", "input_image_tokens"),
	REQUIRED("output_tokens", "output_tokens"),
	UNIT("output_tokens_details.text_tokens", "output_text_tokens"),
	UNIT("output_tokens_details.image_tokens", "output_image_tokens"),
	KNOWN("total_tokens"),
	NO_UNIT("input_tokens_details.cached_tokens"),
	END
};

const AiuShape aiu_shape_images = {
	"usage", "model", "id", "service_tier", images, AIU_STREAM_USAGE
};

/* models that are billed by the picture: how many there are, never what is in them */
static const AiuMapping images_count[] = {
	REQUIRED("data[#]", "output_images"),
	END
};

const AiuShape aiu_shape_images_count = {
	"", "model", "id", NULL, images_count, AIU_STREAM_USAGE
};

/* ---- audio ---- */

/* by tokens or by seconds, as the model is billed */
static const AiuMapping transcriptions[] = {
	UNIT("input_tokens", "input_tokens"),
	UNIT("input_token_details.text_tokens", "input_text_tokens"),
	UNIT("input_token_details.audio_tokens", "input_audio_tokens"),
	UNIT("output_tokens", "output_tokens"),
	UNIT("seconds", "audio_seconds"),
	KNOWN("total_tokens"),
	END
};

const AiuShape aiu_shape_transcriptions = {
	"usage", "model", "id", NULL, transcriptions, AIU_STREAM_USAGE
};

static const AiuMapping transcriptions_verbose[] = {
	REQUIRED("duration", "audio_seconds"),
	END
};

const AiuShape aiu_shape_transcriptions_verbose = {
	"", "model", "x_groq.id|id", NULL, transcriptions_verbose, AIU_STREAM_USAGE
};

static const AiuMapping transcriptions_mistral[] = {
	UNIT("prompt_audio_seconds", "audio_seconds"),
	UNIT("prompt_tokens", "input_tokens"),
	UNIT("completion_tokens", "output_tokens"),
	KNOWN("total_tokens"),
	NO_UNIT("prompt_tokens_details.cached_tokens"),
	END
};

const AiuShape aiu_shape_transcriptions_mistral = {
	"usage", "model", "id", NULL, transcriptions_mistral, AIU_STREAM_USAGE
};

static const AiuMapping speech[] = {
	REQUIRED("input_tokens", "input_tokens"),
	REQUIRED("output_tokens", "output_tokens"),
	KNOWN("total_tokens"),
	KNOWN("input_token_details.text_tokens"),
	KNOWN("output_token_details.audio_tokens"),
	END
};

const AiuShape aiu_shape_speech = {
	"usage", "model", "id", NULL, speech, AIU_STREAM_USAGE
};

/* ---- realtime ---- */

static const AiuMapping realtime[] = {
	UNIT("input_tokens", "input_tokens"),
	UNIT("input_token_details.text_tokens", "input_text_tokens"),
	UNIT("input_token_details.audio_tokens", "input_audio_tokens"),
	UNIT("input_token_details.image_tokens", "input_image_tokens"),
	UNIT("input_token_details.cached_tokens", "cache_read_tokens"),
	UNIT("input_token_details.cached_tokens_details.text_tokens", "cache_text_read_tokens"),
	UNIT("input_token_details.cached_tokens_details.audio_tokens", "cache_audio_read_tokens"),
	UNIT("input_token_details.cached_tokens_details.image_tokens", "cache_image_read_tokens"),
	UNIT("output_token_details.text_tokens", "output_text_tokens"),
	UNIT("output_token_details.audio_tokens", "output_audio_tokens"),
	UNIT("output_tokens", "output_tokens"),
	KNOWN("total_tokens"),
	END
};

const AiuShape aiu_shape_realtime = {
	"response.usage", "model|response.model|session.model", "response.id", "response.service_tier", realtime,
	AIU_STREAM_SESSION, 0, "type=response.done", NULL
};

static const AiuMapping realtime_xai[] = {
	UNIT("input_tokens", "input_tokens"),
	UNIT("input_token_details.text_tokens", "input_text_tokens"),
	UNIT("input_token_details.audio_tokens", "input_audio_tokens"),
	UNIT("output_tokens", "output_tokens"),
	UNIT("output_token_details.text_tokens", "output_text_tokens"),
	UNIT("output_token_details.audio_tokens", "output_audio_tokens"),
	REQUIRED("billable_audio_seconds", "audio_seconds"),
	UNIT("input_text_messages", "input_text_messages"),
	KNOWN("total_tokens"),
	COST("cost_in_usd_ticks", AIU_MAP_COST_TICKS),
	NO_UNIT("input_token_details.cached_tokens"),
	END
};

const AiuShape aiu_shape_realtime_xai = {
	"usage|response.usage", "model|response.model|session.model", "id|response.id", "service_tier", realtime_xai,
	AIU_STREAM_SESSION, 0, "type=response.done", NULL
};
