/*
 * Usage from what providers answer: a body, or the chunks of a stream.
 *
 * Nothing here touches the books: a gateway calls it before it inserts, and
 * what is not usage, model, id or tier is not looked at.
 */

CREATE FUNCTION aiusage.extract_usage(provider text, flavor text, body jsonb,
	OUT model text, OUT usage aiusage.usage, OUT response_id text, OUT service_tier text,
	OUT provider_cost aiusage.amount, OUT unknown jsonb)
	RETURNS record
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_extract_usage';
COMMENT ON FUNCTION aiusage.extract_usage(text, text, jsonb) IS 'What a provider''s response body says was used, totals inclusive: the model that served it, the usage (NULL: the body has none), the response''s id, the service tier, the cost that the provider itself reports (NULL: none), and the counters in the usage object that aiusage does not know, path -> value (NULL: none). flavor is the API, NULL its default. UA404 for an unknown provider or flavor, UA422 for a usage without a counter that it must have or with a counter that is none, 22003 for one out of range';

CREATE FUNCTION aiusage.extractors(
	OUT provider text, OUT flavor text, OUT root text, OUT path text, OUT kind text, OUT unit text, OUT required boolean)
	RETURNS SETOF record
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_extractors' ROWS 3000;
COMMENT ON FUNCTION aiusage.extractors() IS 'What extract_usage() and merge_stream() read, a row a counter: where the usage object is in a body ('''': the body itself), the path of the counter in it, what it is (unit: it counts towards the unit named; fallback: the same, when nothing before it did; known: repeats another counter, or is no usage; no unit: reported as unknown when it is not zero; or a cost), and whether a usage must have it';

-- A stream

CREATE TYPE aiusage.stream_usage AS (
	model text,
	usage aiusage.usage,
	response_id text,
	service_tier text,
	provider_cost aiusage.amount,
	stream_state aiusage.stream_state,
	unknown jsonb
);
COMMENT ON TYPE aiusage.stream_usage IS 'What a stream used: as extract_usage() says it of a body, and whether the usage is the provider''s last word (complete) or what was known when the stream broke off (partial)';

CREATE FUNCTION aiusage.merge_stream_accum(internal, text, text, jsonb) RETURNS internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_merge_stream_accum';
COMMENT ON FUNCTION aiusage.merge_stream_accum(internal, text, text, jsonb) IS 'Aggregate support: transition of merge_stream()';

CREATE FUNCTION aiusage.merge_stream_final(internal) RETURNS aiusage.stream_usage
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_merge_stream_final';
COMMENT ON FUNCTION aiusage.merge_stream_final(internal) IS 'Aggregate support: result of merge_stream()';

-- The order of the chunks matters, so there is no combining of parts: in a
-- parallel plan each stream is merged as a whole.
CREATE AGGREGATE aiusage.merge_stream(provider text, flavor text, chunk jsonb) (
	SFUNC = aiusage.merge_stream_accum,
	STYPE = internal,
	SSPACE = 10240,
	FINALFUNC = aiusage.merge_stream_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE aiusage.merge_stream(text, text, jsonb) IS 'What a stream used, from its chunks in the order in which they came (ORDER BY in the call), also when it broke off: see stream_usage. The state has a fixed size. NULL over no chunks; errors as of extract_usage(), but for a counter that is missing, which makes it partial';
