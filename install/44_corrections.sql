/*
 * Corrections: new rows that point at old ones.  The outer functions are for
 * administrators and run their owner_ bodies as the owner of the books, who
 * alone may insert what aiusage computes.
 */

CREATE FUNCTION aiusage.adjust(id uuid, usage aiusage.usage, reason text, ticket text)
	RETURNS uuid
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.adjust(uuid, aiusage.usage, text, text) IS 'Corrects the usage of a booked row: writes a reversal of it and a corrected row, priced under the price version that the row stands at, and returns the corrected row''s id. Both carry the original''s time while its invoice period is open, else now, in the open period. The corrected row is final, also where the original''s counters were an estimate (stream_state partial or estimated). UA404: no such row; UA409: a row that retention has dropped, not a usage row, corrected already, or in a transaction above READ COMMITTED; UA422: no reason, or bad usage';

CREATE FUNCTION aiusage.reattribute(filters jsonb, assignment bigint, reason text, ticket text, dry_run boolean DEFAULT true)
	RETURNS TABLE (from_assignment bigint, to_assignment bigint, row_count bigint, cost numeric, currency text, booked boolean)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.reattribute(jsonb, bigint, text, text, boolean) IS 'Moves booked usage to another assignment: a reversal and a corrected row for each row that the filters select and that is not there already. Filters (at least one): from, to (occurred_at, to exclusive), api_key, provider, model, customer, workflow, user_id, assignment, unmatched (true), ids (array). dry_run (the default) only reports. One row a former assignment and currency. UA404: no such assignment; UA422: unknown or missing filter, no reason';

CREATE FUNCTION aiusage.record_outcome(id uuid, accepted int, note text DEFAULT NULL)
	RETURNS uuid
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.record_outcome(uuid, int, text) IS 'Adds what was learned later: accepted results of a booked request (negative takes back); of a row that was corrected since, they count for the row that took its place. Returns the id of the outcome row. UA404: no such row; UA409: not a usage row, or one that retention has dropped; UA422: accepted is NULL or zero';

CREATE FUNCTION aiusage.owner_open_correction(action text, reason text, ticket text, parameters jsonb)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number bigint;
BEGIN
	IF action <> 'record_outcome' AND coalesce(btrim(reason), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a correction needs a reason',
			HINT = 'Say why in words; an auditor reads it.';
	END IF;
	IF octet_length(reason) > 1024 OR octet_length(ticket) > 256 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'reason or ticket too long',
			DETAIL = 'A reason has at most 1024 bytes, a ticket 256.',
			HINT = 'Say it in short, and name the ticket that has the rest.';
	END IF;
	IF aiusage.looks_like_secret(reason) IS NOT NULL OR aiusage.looks_like_secret(ticket) IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'reason or ticket seems to hold a secret',
			HINT = 'Name the ticket, not what stands in it.';
	END IF;
	INSERT INTO aiusage.correction (action, reason, ticket, parameters, session_role, role)
	VALUES (action, reason, ticket, parameters, session_user, aiusage.acting_role())
	RETURNING correction INTO number;
	RETURN number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_open_correction(text, text, text, jsonb) IS 'Records who corrects the ledger and why; returns the correction''s number. UA422 without a reason';

-- What every correction that looks at what a row stands at begins with.
CREATE FUNCTION aiusage.owner_begin_correction(exclusive boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- An older snapshot would not see that another session has just corrected the same row.
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('cannot correct the ledger in a %s transaction', current_setting('transaction_isolation')),
			HINT = 'Use READ COMMITTED, so that a row is never corrected twice.';
	END IF;
	-- Corrections of single rows go on beside each other; a reprice, which looks at many, goes alone.
	IF exclusive THEN
		PERFORM pg_advisory_xact_lock(hashtextextended('aiusage.correct', 0));
	ELSE
		PERFORM pg_advisory_xact_lock_shared(hashtextextended('aiusage.correct', 0));
	END IF;
	-- No period is closed between the look at it and the rows that go into it.
	LOCK TABLE aiusage.usage_record IN ROW EXCLUSIVE MODE;
END
$$;
COMMENT ON FUNCTION aiusage.owner_begin_correction(boolean) IS 'Makes the rest of the transaction safe for corrections: alone (exclusive), or beside others that lock their rows one by one. UA409 above READ COMMITTED';

CREATE FUNCTION aiusage.owner_correction_period(period int) RETURNS int
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	RETURN CASE WHEN aiusage.period_status(period) IN ('closed', 'invoiced')
		THEN aiusage.correction_period(aiusage.period_calendar(period), clock_timestamp()) ELSE period END;
COMMENT ON FUNCTION aiusage.owner_correction_period(int) IS 'Period in which a row of a period is corrected: itself while it is open, else the open one of now in its own calendar, whoever owns the key by then; the correction then belongs to today, too';

CREATE FUNCTION aiusage.owner_priced_at(id uuid, OUT at timestamptz, OUT known_at timestamptz)
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE line AS (
		SELECT u.id, u.occurred_at, u.recorded_at, u.adjusts, 1 AS depth FROM aiusage.usage_record AS u WHERE u.id = owner_priced_at.id
		UNION ALL
		SELECT u.id, u.occurred_at, u.recorded_at, u.adjusts, l.depth + 1 FROM line AS l JOIN aiusage.usage_record AS u ON u.id = l.adjusts
	)
	SELECT (array_agg(CASE WHEN l.adjusts IS NULL THEN l.occurred_at ELSE aiusage.id_time(l.adjusts) END ORDER BY l.depth DESC))[1],
		coalesce((SELECT max(r.recorded_at) FROM line AS l JOIN aiusage.usage_record AS r ON r.adjusts = l.id
				WHERE r.kind = 'adjustment' AND r.price_version IS NOT NULL),
			(array_agg(l.recorded_at ORDER BY l.depth DESC))[1])
	FROM line AS l
$$;
COMMENT ON FUNCTION aiusage.owner_priced_at(uuid) IS 'When the usage of a row was, which decides its books and rates, and when it was priced last, which decides what was known of them: of a corrected row, when that of the first original was, also where the correction is of a later day; of an original that retention has dropped, the time in its id';

CREATE FUNCTION aiusage.owner_no_such_row(id uuid) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	partition text := (SELECT l.partition FROM aiusage.ledger_partition AS l
		WHERE l.state <> 'kept' AND owner_no_such_row.id >= aiusage.id_floor(l.lower_at) AND owner_no_such_row.id < aiusage.id_floor(l.upper_at));
BEGIN
	IF partition IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('row %s is no longer kept', id),
			DETAIL = format('It was, if it was booked, in partition %s, which retention has dropped; the sums that it is part of stay.', partition),
			HINT = 'Its period is closed: credit its statement with aiusage.reverse_statement(), or book what is missing as usage of today.';
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'UA404',
		MESSAGE = format('no ledger row has id %s', coalesce(id::text, 'null')),
		HINT = 'aiusage.usage_log shows the ids of rows.';
END
$$;
COMMENT ON FUNCTION aiusage.owner_no_such_row(uuid) IS 'Raises what is to be said of an id that no ledger row has: UA409 when its partition was dropped, else UA404';

/*
 * Writes the reversal and the corrected row of each original.  new_usage
 * NULL keeps the usage and the cost; new_assignment NULL keeps the owner.
 *
 * What the original was adjusted by since (aiusage.reprice()) is taken back by
 * an adjustment of its own, so that a reversal is exactly its row as minus; but
 * that of a row that was priced later is of the row with that price.  The
 * corrected row begins from what the original stood at.
 */
CREATE FUNCTION aiusage.owner_correct(originals uuid[], number bigint, new_usage aiusage.usage, new_assignment bigint)
	RETURNS SETOF uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	o aiusage.usage_record;
	first aiusage.usage_record;			-- the adjustment that priced it, if it was booked unpriced
	stands aiusage.usage_record;		-- the original with all its adjustments
	later record;						-- those but the first one
	c record;
	books record;
	moved record;
	priced_at timestamptz;
	known_at timestamptz;
	new_list aiusage.amount;
	new_charge aiusage.amount;
	outcomes int;
	period int;
	at timestamptz;
	id_at timestamptz;
	corrected uuid;
	new_calendar int := coalesce((SELECT cc.calendar FROM aiusage.key_assignment AS a
		JOIN aiusage.cost_center AS cc ON cc.cost_center = a.cost_center
		WHERE a.assignment = new_assignment), 1);
BEGIN
	PERFORM aiusage.owner_begin_correction(false);
	FOR o IN SELECT * FROM aiusage.usage_record AS u WHERE u.id = ANY (originals) ORDER BY u.id
	LOOP
		-- One correction of a row at a time; the second sees the first's reversal.
		PERFORM pg_advisory_xact_lock(hashtextextended('aiusage.correct ' || o.id::text, 0));
		IF EXISTS (SELECT FROM aiusage.usage_record AS r WHERE r.adjusts = o.id AND r.kind = 'reversal') THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('row %s has been corrected already', o.id),
				HINT = format('Correct the row that took its place: %s.', (SELECT r.id FROM aiusage.usage_record AS r
					WHERE r.adjusts = o.id AND r.kind = 'usage' LIMIT 1));
		END IF;

		SELECT * INTO first FROM aiusage.usage_record AS r
		WHERE r.adjusts = o.id AND r.kind = 'adjustment' AND r.unpriced_reason IS NOT NULL;
		IF first.id IS NOT NULL THEN
			o.cost := first.cost;
			o.cost_by_unit := first.cost_by_unit;
			o.list_cost := first.list_cost;
			o.charge := CASE WHEN o.charge IS NULL THEN first.charge WHEN first.charge IS NULL THEN o.charge
				ELSE o.charge OPERATOR(aiusage.+) first.charge END;
			o.price_version := first.price_version;
			o.cost_state := first.cost_state;
			o.unpriced_reason := NULL;
		END IF;
		SELECT aiusage.sum(r.cost) AS cost, aiusage.sum(r.cost_by_unit) AS cost_by_unit, aiusage.sum(coalesce(r.list_cost, r.cost)) AS list_cost,
			aiusage.sum(r.charge) AS charge, (array_agg(r.price_version ORDER BY r.correction DESC, r.id DESC) FILTER (WHERE r.price_version IS NOT NULL))[1] AS price_version
		INTO later
		FROM aiusage.usage_record AS r
		WHERE r.adjusts = o.id AND r.kind = 'adjustment' AND r.id IS DISTINCT FROM first.id
			AND aiusage.currency(r.cost_by_unit) = aiusage.currency(o.cost_by_unit);
		stands := o;
		IF later.cost_by_unit IS NOT NULL THEN
			stands.list_cost := coalesce(o.list_cost, o.cost) OPERATOR(aiusage.+) later.list_cost;
			stands.cost := o.cost OPERATOR(aiusage.+) later.cost;
			stands.cost_by_unit := o.cost_by_unit OPERATOR(aiusage.+) later.cost_by_unit;
			IF stands.list_cost OPERATOR(aiusage.=) stands.cost THEN
				stands.list_cost := NULL;
			END IF;
			stands.charge := CASE WHEN o.charge IS NULL THEN later.charge WHEN later.charge IS NULL THEN o.charge
				ELSE o.charge OPERATOR(aiusage.+) later.charge END;
			stands.price_version := coalesce(later.price_version, o.price_version);
			IF later.list_cost OPERATOR(aiusage.=) later.cost THEN
				later.list_cost := NULL;
			END IF;
		END IF;

		-- What the row is a correction of says when the usage was: its books are those of that time, its rates
		-- those that were known when it was priced.
		SELECT p.at, p.known_at INTO priced_at, known_at FROM aiusage.owner_priced_at(o.id) AS p;
		SELECT b.* INTO books FROM aiusage.owner_books_at(o.api_key, o.assignment, o.customer, priced_at) AS b;

		IF new_usage IS NULL THEN
			SELECT stands.cost AS cost, stands.cost_by_unit AS cost_by_unit, stands.price_version AS price_version,
				stands.unpriced_reason::text AS unpriced_reason INTO c;
			new_list := stands.list_cost;
			new_charge := stands.charge;
			-- Who is billed may be billed by another book; what was paid stays.
			IF new_assignment IS NOT NULL THEN
				SELECT b.* INTO moved FROM aiusage.owner_books_at(o.api_key, new_assignment, o.customer, priced_at) AS b;
				IF moved.charge_book IS DISTINCT FROM books.charge_book THEN
					new_charge := (SELECT p.cost FROM aiusage.owner_price_row(NULL, moved.charge_book,
						o.provider, o.model, o.usage, priced_at, o.service_tier, o.endpoint, o.region, known_at) AS p
						WHERE moved.charge_book IS NOT NULL);
				END IF;
			END IF;
		ELSE
			SELECT p.* INTO c FROM aiusage.owner_price_row(stands.price_version, books.cost_book,
				o.provider, o.model, new_usage, priced_at, o.service_tier, o.endpoint, o.region, known_at) AS p;
			new_list := NULL;
			new_charge := NULL;
			IF stands.list_cost IS NOT NULL OR books.cost_book IS NOT NULL THEN
				SELECT p.cost INTO new_list FROM aiusage.owner_price_row(NULL, NULL,
					o.provider, o.model, new_usage, priced_at, o.service_tier, o.endpoint, o.region, known_at) AS p;
				IF new_list OPERATOR(aiusage.=) c.cost THEN
					new_list := NULL;		-- as the cost, which it stands beside only where it differs
				END IF;
			END IF;
			IF books.charge_book IS NOT NULL THEN
				SELECT p.cost INTO new_charge FROM aiusage.owner_price_row(NULL, books.charge_book,
					o.provider, o.model, new_usage, priced_at, o.service_tier, o.endpoint, o.region, known_at) AS p;
			ELSIF stands.charge IS NOT NULL THEN
				RAISE EXCEPTION USING ERRCODE = 'UA409',
					MESSAGE = format('row %s was charged, but no charge book applied to it at %s', o.id, priced_at),
					DETAIL = 'It may have been booked elsewhere, or the assignment of its book was changed for the past.',
					HINT = 'Say which book it was: aiusage.assign_book(..., purpose => ''charge'', valid_from => ..., valid_to => ..., force => true).';
			END IF;
		END IF;

		-- Results that were recorded since move along.
		outcomes := (SELECT sum(r.accepted) FROM aiusage.usage_record AS r WHERE r.adjusts = o.id AND r.kind = 'outcome');
		IF outcomes IS NOT NULL THEN
			o.accepted := coalesce(o.accepted, 0) + outcomes;
		END IF;

		-- While the original's period is open the correction belongs to its day; later, to today.  Its ids are in the
		-- original's partition: the one of occurred_at may be another, which retention has dropped.
		period := aiusage.owner_correction_period(o.invoice_period);
		at := CASE WHEN period = o.invoice_period THEN o.occurred_at ELSE clock_timestamp() END;
		id_at := CASE WHEN period = o.invoice_period THEN aiusage.id_time(o.id) ELSE at END;

		IF later.cost_by_unit IS NOT NULL THEN
			INSERT INTO aiusage.usage_record (id, occurred_at, recorded_at, cost, list_cost, charge, assignment, correction, adjusts,
				price_version, invoice_period, status, stream_state, cost_state, kind, attempt, status_code, api_key, provider, model, usage, cost_by_unit,
				request_id, trace_id, operation_id, job_id, credential_label, user_id, customer, workflow, origin, provider_account,
				provider_request_id, requested_model, endpoint, requested_service_tier, service_tier, region, route, fallback_from,
				error_class, tags)
			VALUES (aiusage.uuid_v7(id_at), at, clock_timestamp(), OPERATOR(aiusage.-) later.cost, OPERATOR(aiusage.-) later.list_cost,
				OPERATOR(aiusage.-) later.charge, o.assignment, number, o.id, NULL, period, o.status, o.stream_state,
				CASE o.cost_state WHEN 'unpriced' THEN 'final' ELSE o.cost_state END, 'adjustment', o.attempt, o.status_code, o.api_key, o.provider, o.model,
				'{}', OPERATOR(aiusage.-) later.cost_by_unit,
				o.request_id, o.trace_id, o.operation_id, o.job_id, o.credential_label, o.user_id, o.customer, o.workflow, o.origin, o.provider_account,
				o.provider_request_id, o.requested_model, o.endpoint, o.requested_service_tier, o.service_tier, o.region, o.route, o.fallback_from,
				o.error_class, o.tags);
			UPDATE aiusage.correction AS x SET row_count = x.row_count + 1 WHERE x.correction = number;
		END IF;

		INSERT INTO aiusage.usage_record (id, occurred_at, recorded_at, cost, list_cost, charge, assignment, correction, adjusts,
			price_version, invoice_period, status, stream_state, cost_state, unpriced_reason, kind, attempt, retries, status_code,
			streamed, cache_hit, api_key, provider, model, usage, cost_by_unit, accepted, latency_ms, ttft_ms,
			request_id, trace_id, operation_id, job_id, credential_label, user_id, customer, workflow, origin, provider_account,
			provider_request_id, requested_model, endpoint, requested_service_tier, service_tier, region, route, fallback_from,
			error_class, tags)
		VALUES (aiusage.uuid_v7(id_at), at, clock_timestamp(), OPERATOR(aiusage.-) o.cost, OPERATOR(aiusage.-) o.list_cost, OPERATOR(aiusage.-) o.charge, o.assignment, number, o.id,
			o.price_version, period, o.status, o.stream_state, o.cost_state, o.unpriced_reason, 'reversal', o.attempt, o.retries, o.status_code,
			o.streamed, o.cache_hit, o.api_key, o.provider, o.model, o.usage, OPERATOR(aiusage.-) o.cost_by_unit, o.accepted, o.latency_ms, o.ttft_ms,
			o.request_id, o.trace_id, o.operation_id, o.job_id, o.credential_label, o.user_id, o.customer, o.workflow, o.origin, o.provider_account,
			o.provider_request_id, o.requested_model, o.endpoint, o.requested_service_tier, o.service_tier, o.region, o.route, o.fallback_from,
			o.error_class, o.tags);

		corrected := aiusage.uuid_v7(id_at);
		INSERT INTO aiusage.usage_record (id, occurred_at, recorded_at, cost, list_cost, charge, provider_cost, assignment, correction, adjusts,
			hold_id, price_version, invoice_period, latency_ms, ttft_ms, accepted, status, stream_state, cost_state, unpriced_reason,
			quota_state, kind, attempt, retries, status_code, streamed, cache_hit, spent, api_key, provider, model, usage, cost_by_unit,
			request_id, trace_id, operation_id, job_id, credential_label, user_id, customer, workflow, origin, provider_account,
			provider_request_id, requested_model, endpoint, requested_service_tier, service_tier, region, route, fallback_from,
			error_class, tags)
		VALUES (corrected, at, clock_timestamp(), c.cost,
			new_list, new_charge,
			o.provider_cost, coalesce(new_assignment, o.assignment), number, o.id,
			NULL, c.price_version,
			-- another cost center may have another calendar
			CASE WHEN new_assignment IS NULL OR new_calendar = aiusage.period_calendar(period) THEN period
				ELSE aiusage.correction_period(new_calendar, at) END,
			o.latency_ms, o.ttft_ms, o.accepted, o.status,
			-- a usage that somebody gives is the last word, where the stream's was an estimate
			CASE WHEN new_usage IS NULL OR o.stream_state IS NULL THEN o.stream_state ELSE 'complete' END,
			CASE WHEN c.cost IS NULL THEN 'unpriced'
				WHEN new_usage IS NULL THEN stands.cost_state
				ELSE 'final' END::aiusage.cost_state,
			c.unpriced_reason::aiusage.unpriced_reason,
			NULL, 'usage', o.attempt, o.retries, o.status_code, o.streamed, o.cache_hit, o.spent, o.api_key, o.provider, o.model,
			coalesce(new_usage, o.usage), c.cost_by_unit,
			o.request_id, o.trace_id, o.operation_id, o.job_id, o.credential_label, o.user_id, o.customer, o.workflow, o.origin, o.provider_account,
			o.provider_request_id, o.requested_model, o.endpoint, o.requested_service_tier, o.service_tier, o.region, o.route, o.fallback_from,
			o.error_class, o.tags);
		UPDATE aiusage.correction AS x SET row_count = x.row_count + 2 WHERE x.correction = number;
		RETURN NEXT corrected;
	END LOOP;
END
$$;
COMMENT ON FUNCTION aiusage.owner_correct(uuid[], bigint, aiusage.usage, bigint) IS 'Writes the reversal and the corrected row of each original; returns the corrected ids. UA409 when one was corrected already, or was charged though no charge book applied to it';

CREATE FUNCTION aiusage.owner_adjust(id uuid, usage aiusage.usage, reason text, ticket text)
	RETURNS uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	original_kind aiusage.record_kind;
BEGIN
	IF usage IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the corrected usage must not be null',
			HINT = 'To take a row back altogether, adjust it to ''{}''.';
	END IF;
	original_kind := (SELECT u.kind FROM aiusage.usage_record AS u WHERE u.id = owner_adjust.id);
	IF original_kind IS NULL THEN
		PERFORM aiusage.owner_no_such_row(id);
	ELSIF original_kind <> 'usage' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('row %s is itself a correction (%s)', id, original_kind),
			HINT = 'Correct a row of kind usage.';
	END IF;
	RETURN (SELECT c FROM aiusage.owner_correct(ARRAY[id],
		aiusage.owner_open_correction('adjust', reason, ticket, jsonb_build_object('id', id, 'usage', usage::jsonb)),
		usage, NULL) AS c);
END
$$;
COMMENT ON FUNCTION aiusage.owner_adjust(uuid, aiusage.usage, text, text) IS 'Body of aiusage.adjust(), as the owner of the books';

CREATE FUNCTION aiusage.owner_reattribute(filters jsonb, assignment bigint, reason text, ticket text, dry_run boolean)
	RETURNS TABLE (from_assignment bigint, to_assignment bigint, row_count bigint, cost numeric, currency text, booked boolean)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	target bigint := assignment;
	f record;
	stray text;
	selected uuid[];
BEGIN
	IF filters IS NULL OR jsonb_typeof(filters) <> 'object' OR filters = '{}' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'filters must be a JSON object with at least one filter',
			HINT = 'For example {"api_key": "search", "from": "2026-11-01", "to": "2026-12-01"}.';
	END IF;
	stray := (SELECT min(k) FROM jsonb_object_keys(filters) AS k
		WHERE k <> ALL (ARRAY['from', 'to', 'api_key', 'provider', 'model', 'customer', 'workflow', 'user_id', 'assignment', 'unmatched', 'ids']));
	IF stray IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('unknown filter "%s"', left(stray, 63)),
			HINT = 'Filters are from, to, api_key, provider, model, customer, workflow, user_id, assignment, unmatched and ids.';
	END IF;
	-- What is null or a list would be no filter, or fit nothing.
	stray := (SELECT min(e.key) FROM jsonb_each(filters) AS e
		WHERE CASE e.key WHEN 'ids' THEN jsonb_typeof(e.value) <> 'array' OR e.value = '[]'
				OR EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(e.value) WHEN 'array' THEN e.value END) AS i WHERE jsonb_typeof(i.value) <> 'string')
			WHEN 'unmatched' THEN jsonb_typeof(e.value) <> 'boolean'
			ELSE jsonb_typeof(e.value) NOT IN ('string', 'number') OR e.value = '""' END);
	IF stray IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('filter "%s" has no value that it can have', stray),
			DETAIL = format('It is %s.', left((filters -> stray)::text, 64)),
			HINT = CASE stray WHEN 'ids' THEN 'It is a list of ids.' WHEN 'unmatched' THEN 'It is true or false.'
				ELSE 'It is one value; for several, call it for each.' END;
	END IF;
	IF NOT EXISTS (SELECT FROM aiusage.key_assignment AS a WHERE a.assignment = target) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('assignment %s does not exist', coalesce(target::text, 'null')),
			HINT = 'aiusage.key_assignment lists them; aiusage.put_key() makes one.';
	END IF;
	SELECT r.* INTO f FROM jsonb_to_record(filters) AS r ("from" timestamptz, "to" timestamptz, api_key text, provider text, model text,
		customer text, workflow text, user_id text, assignment bigint, unmatched boolean, ids uuid[]);

	selected := ARRAY(SELECT u.id FROM aiusage.usage_record AS u
		WHERE u.kind = 'usage'
		  AND u.assignment IS DISTINCT FROM target
		  AND (f."from" IS NULL OR u.occurred_at >= f."from" AND u.id >= aiusage.id_floor(f."from" - interval '1 hour'))
		  AND (f."to" IS NULL OR u.occurred_at < f."to" AND u.id < aiusage.id_floor(f."to" + interval '2 days 1 second'))
		  AND (f.api_key IS NULL OR u.api_key = f.api_key)
		  AND (f.provider IS NULL OR u.provider = f.provider)
		  AND (f.model IS NULL OR u.model = f.model)
		  AND (f.customer IS NULL OR u.customer = f.customer)
		  AND (f.workflow IS NULL OR u.workflow = f.workflow)
		  AND (f.user_id IS NULL OR u.user_id = f.user_id)
		  AND (f.assignment IS NULL OR u.assignment = f.assignment)
		  AND (f.unmatched IS NOT TRUE OR u.assignment IS NULL)
		  AND (f.ids IS NULL OR u.id = ANY (f.ids))
		  AND NOT EXISTS (SELECT FROM aiusage.usage_record AS r WHERE r.adjusts = u.id AND r.kind = 'reversal')
		ORDER BY u.id);

	RETURN QUERY
		SELECT u.assignment, target, count(*), sum(coalesce(u.cost::numeric + a.cost, u.cost::numeric, a.cost)),
			aiusage.currency(u.cost_by_unit), NOT coalesce(dry_run, true)
		FROM aiusage.usage_record AS u
		CROSS JOIN LATERAL (SELECT sum(r.cost::numeric) AS cost FROM aiusage.usage_record AS r
			WHERE r.adjusts = u.id AND r.kind = 'adjustment' AND aiusage.currency(r.cost_by_unit) = aiusage.currency(u.cost_by_unit)) AS a
		WHERE u.id = ANY (selected)
		GROUP BY u.assignment, aiusage.currency(u.cost_by_unit)
		ORDER BY u.assignment NULLS FIRST, aiusage.currency(u.cost_by_unit);

	IF dry_run IS FALSE AND cardinality(selected) > 0 THEN
		PERFORM aiusage.owner_correct(selected,
			aiusage.owner_open_correction('reattribute', reason, ticket, jsonb_build_object('filters', filters, 'assignment', target)),
			NULL, target);
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.owner_reattribute(jsonb, bigint, text, text, boolean) IS 'Body of aiusage.reattribute(), as the owner of the books';

CREATE FUNCTION aiusage.owner_record_outcome(id uuid, accepted int, note text)
	RETURNS uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	o aiusage.usage_record;
	newer aiusage.usage_record;
	period int;
	at timestamptz;
	outcome uuid;
	number bigint;
BEGIN
	IF owner_record_outcome.accepted IS NULL OR owner_record_outcome.accepted = 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'accepted must be a number other than zero',
			HINT = 'It adds to what is recorded: 1 for one more accepted result, -1 to take one back.';
	END IF;
	SELECT * INTO o FROM aiusage.usage_record AS u WHERE u.id = owner_record_outcome.id;
	IF o.id IS NULL THEN
		PERFORM aiusage.owner_no_such_row(owner_record_outcome.id);
	ELSIF o.kind <> 'usage' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('row %s is a correction (%s)', o.id, o.kind),
			HINT = 'Record the outcome of a row of kind usage.';
	END IF;
	-- No period is closed between the look at it and the row that goes into it.
	LOCK TABLE aiusage.usage_record IN ROW EXCLUSIVE MODE;
	-- Of a row that was corrected, the result belongs to the row that took its place.
	LOOP
		PERFORM pg_advisory_xact_lock(hashtextextended('aiusage.correct ' || o.id::text, 0));
		SELECT * INTO newer FROM aiusage.usage_record AS r WHERE r.adjusts = o.id AND r.kind = 'usage';
		EXIT WHEN newer.id IS NULL;
		o := newer;
	END LOOP;
	number := aiusage.owner_open_correction('record_outcome', note, NULL,
		jsonb_build_object('id', o.id, 'accepted', owner_record_outcome.accepted));
	period := aiusage.owner_correction_period(o.invoice_period);
	at := CASE WHEN period = o.invoice_period THEN o.occurred_at ELSE clock_timestamp() END;
	-- in the original's partition, as its corrections
	outcome := aiusage.uuid_v7(CASE WHEN period = o.invoice_period THEN aiusage.id_time(o.id) ELSE at END);
	INSERT INTO aiusage.usage_record (id, occurred_at, recorded_at, cost, assignment, correction, adjusts, invoice_period, accepted,
		status, cost_state, kind, attempt, status_code, api_key, provider, model, usage, cost_by_unit, request_id, operation_id, user_id,
		customer, workflow, endpoint, service_tier, region, tags)
	VALUES (outcome, at, clock_timestamp(), aiusage.amount(0, aiusage.currency(o.cost_by_unit)), o.assignment, number, o.id,
		period, owner_record_outcome.accepted,
		o.status, 'final', 'outcome', o.attempt, o.status_code, o.api_key, o.provider, o.model, '{}', format('{"%s": {}}', aiusage.currency(o.cost_by_unit))::aiusage.unit_costs,
		o.request_id, o.operation_id, o.user_id, o.customer, o.workflow, o.endpoint, o.service_tier, o.region, o.tags);
	UPDATE aiusage.correction AS x SET row_count = 1 WHERE x.correction = number;
	RETURN outcome;
END
$$;
COMMENT ON FUNCTION aiusage.owner_record_outcome(uuid, int, text) IS 'Body of aiusage.record_outcome(), as the owner of the books';
