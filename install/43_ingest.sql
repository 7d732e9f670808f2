/*
 * ingest(): a batch in one round trip, with an outcome a row.
 *
 * A batch is tried whole, in one subtransaction; when a row in it is refused
 * it is halved, and so on down to the row at fault.  A good batch thus costs
 * one subtransaction, and k bad rows in n about k log n, where one a row
 * would overflow every reader's cache of subtransactions (64 of them).
 */

CREATE FUNCTION aiusage.ingest_batch(records jsonb, first_ord int)
	RETURNS TABLE (ord int, id uuid, outcome text, cost numeric, currency text, failed_with text, message text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	-- What a gateway may send: the table's columns, less what aiusage writes.
	known constant text[] := aiusage.gateway_columns();
	size int := jsonb_array_length(records);
	stray text;
	nested text;
	stored uuid[];
	failure_detail text;
	failure_hint text;
	failure_rule text;
BEGIN
	IF size = 0 THEN
		RETURN;
	END IF;
	BEGIN
		IF EXISTS (SELECT FROM jsonb_array_elements(records) AS e WHERE jsonb_typeof(e.value) <> 'object') THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422', MESSAGE = 'a record must be a JSON object',
			HINT = 'For example [{"api_key": "support-bot", "provider": "openai", "model": "gpt-4o", "usage": {"input_tokens": 100}}].';
		END IF;
		SELECT min(k.name) FILTER (WHERE k.name <> ALL (known)),
			min(k.name) FILTER (WHERE jsonb_typeof(k.value) IN ('object', 'array') AND k.name NOT IN ('usage', 'tags'))
		INTO stray, nested
		FROM jsonb_array_elements(records) AS e, jsonb_each(e.value) AS k (name, value);
		IF stray IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('unknown or computed column "%s"', left(stray, 63)),
				HINT = 'docs/ledger-columns.md lists the columns that gateways write.';
		ELSIF nested IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('column "%s" holds one value', left(nested, 63)),
				DETAIL = 'An object or an array was sent.',
				HINT = 'Only usage and tags are JSON objects.';
		END IF;

		PERFORM aiusage.capture_start(size);
		WITH inserted AS (
			INSERT INTO aiusage.usage_record AS u (id, occurred_at, provider_cost, hold_id, latency_ms, ttft_ms, accepted, status, stream_state, attempt,
				retries, status_code, streamed, cache_hit, spent, api_key, provider, model, usage, request_id, trace_id,
				operation_id, job_id, credential_label, user_id, customer, workflow, origin, provider_account,
				provider_request_id, requested_model, endpoint, requested_service_tier, service_tier, region, route,
				fallback_from, error_class, tags)
			SELECT coalesce(r.id, aiusage.uuid_v7(coalesce(r.occurred_at, clock_timestamp()))), r.occurred_at, r.provider_cost,
				r.hold_id, r.latency_ms, r.ttft_ms, r.accepted, coalesce(r.status, 'success'), r.stream_state,
				coalesce(r.attempt, 1::smallint), r.retries, r.status_code, r.streamed, r.cache_hit, r.spent, r.api_key,
				r.provider, r.model, r.usage, r.request_id, r.trace_id, r.operation_id, r.job_id, r.credential_label,
				r.user_id, r.customer, r.workflow, r.origin, r.provider_account, r.provider_request_id, r.requested_model,
				r.endpoint, r.requested_service_tier, r.service_tier, r.region, r.route, r.fallback_from, r.error_class,
				r.tags
			FROM ROWS FROM (jsonb_to_recordset(records) AS (id uuid, occurred_at timestamptz, provider_cost aiusage.amount, hold_id uuid, latency_ms int, ttft_ms int,
				accepted int, status aiusage.usage_status, stream_state aiusage.stream_state, attempt smallint, retries
				smallint, status_code smallint, streamed boolean, cache_hit boolean, spent boolean, api_key text, provider
				text, model text, usage aiusage.usage, request_id text, trace_id text, operation_id text, job_id text,
				credential_label text, user_id text, customer text, workflow text, origin text, provider_account text,
				provider_request_id text, requested_model text, endpoint text, requested_service_tier text, service_tier
				text, region text, route text, fallback_from text, error_class text, tags jsonb)) WITH ORDINALITY AS r
			ORDER BY r.ordinality
			ON CONFLICT DO NOTHING
			RETURNING u.id)
		SELECT array_agg(i.id) INTO stored FROM inserted AS i;

		-- The trigger saw the rows in the order of the batch, those that conflicted too.
		RETURN QUERY
			SELECT first_ord + c.seen - 1, c.id,
				CASE WHEN NOT c.is_stored THEN 'duplicate' WHEN c.unpriced_reason IS NOT NULL THEN 'unpriced' ELSE 'booked' END,
				CASE WHEN c.is_stored THEN c.cost END,
				CASE WHEN c.is_stored THEN c.currency END,
				NULL::text,
				CASE WHEN c.is_stored THEN c.unpriced_reason END
			FROM (SELECT b.*, s.id IS NOT NULL AND row_number() OVER (PARTITION BY b.id ORDER BY b.seen) = 1 AS is_stored
				  FROM aiusage.captured() AS b LEFT JOIN unnest(stored) AS s (id) ON s.id = b.id) AS c
			ORDER BY c.seen;
		PERFORM aiusage.capture_start(0);
		RETURN;
	EXCEPTION WHEN OTHERS THEN
		-- Not a row's fault: the client retries the whole call.
		IF substr(SQLSTATE, 1, 2) IN ('25', '40', '42', '53', '54', '55', '57', '58', 'XX', 'F0') THEN
			RAISE;
		END IF;
		IF size = 1 THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, failure_detail = PG_EXCEPTION_DETAIL, failure_hint = PG_EXCEPTION_HINT,
				failure_rule = CONSTRAINT_NAME;
			failed_with := SQLSTATE;
			message := concat_ws(' ', message || CASE WHEN failure_detail <> '' OR failure_hint <> '' THEN '.' ELSE '' END,
				nullif(failure_detail, ''), nullif(failure_hint, ''));
		END IF;
	END;

	IF size > 1 THEN
		RETURN QUERY SELECT * FROM aiusage.ingest_batch(
			(SELECT jsonb_agg(e.value ORDER BY e.n) FROM jsonb_array_elements(records) WITH ORDINALITY AS e (value, n) WHERE e.n <= size / 2),
			first_ord);
		RETURN QUERY SELECT * FROM aiusage.ingest_batch(
			(SELECT jsonb_agg(e.value ORDER BY e.n) FROM jsonb_array_elements(records) WITH ORDINALITY AS e (value, n) WHERE e.n > size / 2),
			first_ord + size / 2);
		RETURN;
	END IF;
	-- It was on its way to DEFAULT when its partition came: now there is one.
	IF failed_with = '23514' AND failure_rule = '' THEN
		RETURN QUERY SELECT * FROM aiusage.ingest_batch(records, first_ord);
		RETURN;
	END IF;

	ord := first_ord;
	outcome := 'refused';
	cost := NULL;
	currency := NULL;
	id := CASE WHEN jsonb_typeof(records -> 0) = 'object' AND records -> 0 ->> 'id' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
		THEN (records -> 0 ->> 'id')::uuid END;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION aiusage.ingest_batch(jsonb, int) IS 'Part of aiusage.ingest(): books a batch whole, or by halves when a row in it is refused';

CREATE FUNCTION aiusage.ingest(records jsonb)
	RETURNS TABLE (ord int, id uuid, outcome text, cost numeric, currency text, sqlstate text, message text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM aiusage.require_books();
	IF records IS NULL OR jsonb_typeof(records) <> 'array' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'records must be a JSON array of objects',
			HINT = 'For example [{"api_key": "search", "provider": "openai", "model": "gpt-4o", "usage": {"input_tokens": 12}}].';
	END IF;
	RETURN QUERY SELECT * FROM aiusage.ingest_batch(records, 1);
END
$$;
COMMENT ON FUNCTION aiusage.ingest(jsonb) IS 'Books a JSON array of rows in one round trip, with an outcome a row: booked (cost and currency), duplicate (the id is booked already), unpriced (booked without a cost; message says why) or refused (sqlstate and message; nothing of it is booked). Keys are the gateway columns of aiusage.usage_record. Raises UA422 when the argument is no array, and passes on what is not a row''s fault: serialization failures, deadlocks, missing rights, resources, cancellation';
