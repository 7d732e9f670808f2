/*
 * Repricing: adjustment rows for the difference between what booked rows stand
 * at and what prices say, now or under one version; and the pricing of rows
 * that had no price when they were booked, which is the same with a difference
 * from nothing.
 *
 * Rows are taken by id, a batch at a time.  A batch waits for corrections in
 * flight and keeps others out until its transaction ends, so that it sees every
 * adjustment and reversal of its rows (aiusage.owner_begin_correction()).  A
 * reprice in the caller's transaction is a job that runs to its end; a job by
 * itself is run by a procedure that commits after every batch, and goes on
 * where it was after a crash or a cancel.
 */

CREATE FUNCTION aiusage.reprice(filters jsonb, version int, reason text, ticket text, dry_run boolean DEFAULT true)
	RETURNS TABLE (team text, row_count bigint, changed bigint, no_price bigint, other_currency bigint,
		currency text, old_cost numeric, new_cost numeric, difference numeric,
		list_currency text, old_list_cost numeric, new_list_cost numeric, list_difference numeric,
		charge_currency text, old_charge numeric, new_charge numeric, charge_difference numeric, booked boolean)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.reprice(jsonb, int, text, text, boolean) IS 'Prices booked usage again and books the exact difference, line by line, as adjustment rows: as prices say now (version NULL), or with one published version in place of the one in force of its book. Originals stay; reversed rows are passed over; a second run with the same target books nothing. Filters (at least one): from, to (occurred_at, to exclusive), api_key, provider, model, endpoint, service_tier, region, customer, workflow, user_id, team, cost_center, project, environment, assignment, unmatched, invoice_period, price_version, cost_state, unpriced_reason, ids; a list means any of it. dry_run (the default) only reports, also under a draft. One row a team and currencies: rows, of them changed, without a price under the target and in another currency (both left alone), and the amounts before and after. For many rows see aiusage.start_reprice(). Errors: UA404 no such version; UA409 a draft, or in a transaction above READ COMMITTED; UA422 unknown or missing filter, no reason';

CREATE FUNCTION aiusage.price_unpriced(filters jsonb, reason text, ticket text, dry_run boolean DEFAULT true)
	RETURNS TABLE (team text, row_count bigint, changed bigint, no_price bigint, other_currency bigint,
		currency text, old_cost numeric, new_cost numeric, difference numeric,
		list_currency text, old_list_cost numeric, new_list_cost numeric, list_difference numeric,
		charge_currency text, old_charge numeric, new_charge numeric, charge_difference numeric, booked boolean)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.price_unpriced(jsonb, text, text, boolean) IS 'Books the cost of usage that was booked unpriced and that a price exists for by now, as adjustment rows: the rows no longer count as unpriced. Filters as of aiusage.reprice(), NULL or {}: all unpriced usage (aiusage.unpriced_usage lists it). dry_run (the default) only reports; no_price counts the rows that stay unpriced. Errors: UA409 in a transaction above READ COMMITTED; UA422 unknown filter, no reason';

CREATE FUNCTION aiusage.start_reprice(filters jsonb, version int, reason text, ticket text, unpriced_only boolean DEFAULT false)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.start_reprice(jsonb, int, text, text, boolean) IS 'Enters a reprice, or with unpriced_only a price_unpriced, as a job and returns its number; CALL aiusage.run_reprice(job) does it, in batches. Arguments and errors as of aiusage.reprice()';

CREATE FUNCTION aiusage.reprice_step(job bigint, batch_rows int DEFAULT 10000)
	RETURNS TABLE (status text, rows_seen bigint, rows_adjusted bigint, percent numeric)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.reprice_step(bigint, int) IS 'Does the next batch of a reprice job, in the caller''s transaction, and says where the job stands: open (call again), done or cancelled. Errors: UA404 no such job; UA409 in a transaction above READ COMMITTED; UA422 for batches of less than 1 or more than 1000000 rows';

CREATE FUNCTION aiusage.cancel_reprice(job bigint)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.cancel_reprice(bigint) IS 'Stops a reprice job for good after the batch it is at; what is booked stays booked, and a new job finds the rest. False when it was over already. Errors: UA404 no such job';

CREATE FUNCTION aiusage.owner_reprice_row(target "char", version int, api_key text, assignment bigint, customer text, provider text, model text,
		usage aiusage.usage, at timestamptz, service_tier text, endpoint text, region text,
		priced boolean, now_by_unit aiusage.unit_costs, now_list aiusage.amount, now_charge aiusage.amount,
		OUT changed boolean, OUT prices boolean, OUT no_price boolean, OUT other_currency boolean, OUT cost aiusage.amount,
		OUT cost_by_unit aiusage.unit_costs, OUT list_cost aiusage.amount, OUT charge aiusage.amount, OUT price_version int)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_reprice_row';
COMMENT ON FUNCTION aiusage.owner_reprice_row("char", int, text, bigint, text, text, text, aiusage.usage, timestamptz, text, text, text, boolean, aiusage.unit_costs, aiusage.amount, aiusage.amount) IS 'What a row has to be adjusted by: target n is prices as they are now, c a version of a cost or list book, h one of a charge book; then what the row is and what it stands at. NULL amounts when nothing changes; prices: the row had no price, and has one by this';

CREATE FUNCTION aiusage.price_exists(api_key text, assignment bigint, customer text, provider text, model text, usage aiusage.usage, at timestamptz,
		service_tier text, endpoint text, region text)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_price_exists';
COMMENT ON FUNCTION aiusage.price_exists(text, bigint, text, text, text, aiusage.usage, timestamptz, text, text, text) IS 'Would such usage of a key under an assignment, for a customer, be priced if it were booked now? NULL when key, provider, model, usage or time is, and for rows that unpriced_usage would not show the caller. For that view';

CREATE FUNCTION aiusage.owner_filter_condition(filters jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	f record;
	texts text[];
	conditions text[] := '{}';
	assignments constant text := 'u.assignment = ANY (ARRAY(SELECT a.assignment FROM aiusage.key_assignment AS a WHERE a.%I = ANY (%L::text[])))';
BEGIN
	IF filters IS NULL OR jsonb_typeof(filters) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'filters must be a JSON object',
			HINT = 'For example {"api_key": "search", "from": "2026-11-01", "to": "2026-12-01"}.';
	END IF;
	FOR f IN SELECT e.key, e.value, jsonb_typeof(e.value) AS type FROM jsonb_each(filters) AS e ORDER BY e.key
	LOOP
		IF f.key <> ALL (ARRAY['from', 'to', 'api_key', 'provider', 'model', 'endpoint', 'service_tier', 'region', 'customer',
			'workflow', 'user_id', 'team', 'cost_center', 'project', 'environment', 'assignment', 'unmatched', 'invoice_period',
			'price_version', 'cost_state', 'unpriced_reason', 'ids'])
		THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('unknown filter "%s"', left(f.key, 63)),
				HINT = 'Filters are from, to, api_key, provider, model, endpoint, service_tier, region, customer, workflow, user_id, team, cost_center, project, environment, assignment, unmatched, invoice_period, price_version, cost_state, unpriced_reason and ids.';
		END IF;
		-- A list means any of it; one value is a list of one.
		texts := CASE f.type WHEN 'array' THEN ARRAY(SELECT v FROM jsonb_array_elements_text(f.value) AS v) ELSE ARRAY[f.value #>> '{}'] END;
		IF f.key <> 'ids' AND EXISTS (SELECT FROM unnest(texts) AS t WHERE aiusage.looks_like_secret(t) IS NOT NULL) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('filter "%s" seems to hold a secret', f.key),
				HINT = 'Filters are kept with the correction: use labels.';
		END IF;
		IF f.type IN ('null', 'object') OR texts = '{}' OR array_position(texts, NULL) IS NOT NULL
			OR f.key IN ('from', 'to', 'unmatched') AND f.type = 'array'
			OR f.key = 'unmatched' AND f.type <> 'boolean'
		THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('filter "%s" has no value that it can have', f.key),
				DETAIL = format('It is %s.', left(f.value::text, 64)),
				HINT = CASE f.key WHEN 'unmatched' THEN 'It is true or false.' WHEN 'from' THEN 'It is a time.' WHEN 'to' THEN 'It is a time.'
					ELSE 'It is a value, or a list of values of which any will do.' END;
		END IF;

		conditions := conditions || CASE
			WHEN f.key = 'from' THEN format('u.occurred_at >= %L::timestamptz AND u.id >= %L::uuid', texts[1]::timestamptz,
				aiusage.id_floor(texts[1]::timestamptz - interval '1 hour'))
			WHEN f.key = 'to' THEN format('u.occurred_at < %L::timestamptz AND u.id < %L::uuid', texts[1]::timestamptz,
				aiusage.id_floor(texts[1]::timestamptz + interval '2 days 1 second'))
			WHEN f.key = 'ids' THEN format('u.id = ANY (%L::uuid[])', texts::uuid[])
			WHEN f.key = 'unmatched' THEN CASE WHEN f.value::boolean THEN 'u.assignment IS NULL' ELSE 'u.assignment IS NOT NULL' END
			WHEN f.key IN ('invoice_period', 'price_version') THEN format('u.%I = ANY (%L::int[])', f.key, texts::int[])
			WHEN f.key = 'assignment' THEN format('u.assignment = ANY (%L::bigint[])', texts::bigint[])
			WHEN f.key = 'cost_state' THEN format('u.cost_state = ANY (%L::aiusage.cost_state[])', texts::aiusage.cost_state[])
			WHEN f.key = 'unpriced_reason' THEN format('u.unpriced_reason = ANY (%L::aiusage.unpriced_reason[])', texts::aiusage.unpriced_reason[])
			WHEN f.key IN ('team', 'cost_center', 'project', 'environment') THEN format(assignments, f.key, texts)
			-- the request's own, else its assignment's
			WHEN f.key IN ('customer', 'workflow') THEN format('(u.%1$I = ANY (%2$L::text[]) OR u.%1$I IS NULL AND ', f.key, texts)
				|| format(assignments, f.key, texts) || ')'
			ELSE format('u.%I = ANY (%L::text[])', f.key, texts)
		END;
	END LOOP;
	RETURN array_to_string(conditions, ' AND ');
END
$$;
COMMENT ON FUNCTION aiusage.owner_filter_condition(jsonb) IS 'Filters as an SQL condition on aiusage.usage_record AS u, values quoted; empty for no filter. Errors: UA422 for what is no filter, and those of times, numbers and ids that are none';

CREATE FUNCTION aiusage.owner_reprice_target(version int, dry_run boolean) RETURNS "char"
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v record;
BEGIN
	IF owner_reprice_target.version IS NULL THEN
		RETURN 'n';
	END IF;
	SELECT p.status, b.kind INTO v FROM aiusage.price_version AS p JOIN aiusage.price_book AS b ON b.book = p.book
	WHERE p.version = owner_reprice_target.version;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('price version %s does not exist', owner_reprice_target.version),
			HINT = 'aiusage.price_version lists them; NULL stands for the prices that are in force now.';
	END IF;
	IF v.status <> 'published' AND NOT (dry_run AND v.status = 'draft') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('price version %s is %s', owner_reprice_target.version,
				CASE v.status WHEN 'draft' THEN 'a draft' ELSE v.status END),
			HINT = 'Rows are repriced under published versions; a dry run works under a draft, too.';
	END IF;
	RETURN CASE v.kind WHEN 'charge' THEN 'h' ELSE 'c' END;
END
$$;
COMMENT ON FUNCTION aiusage.owner_reprice_target(int, boolean) IS 'Kind of target for aiusage.owner_reprice_row(). Errors: UA404 no such version, UA409 not published (a draft is good for a dry run)';

/*
 * One batch: rows after an id, in order of id.  With a correction its
 * adjustments are booked, without one they are only computed.
 */
CREATE FUNCTION aiusage.owner_reprice_batch(condition text, version int, target "char", unpriced_only boolean, correction bigint,
		after uuid, batch_rows int,
		OUT last_id uuid, OUT seen bigint, OUT adjusted bigint, OUT report jsonb)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET jit = off
	SET work_mem = '16MB'
AS $$
DECLARE
	query text := $query$
		WITH picked AS MATERIALIZED (
			SELECT u.* FROM aiusage.usage_record AS u
			WHERE u.kind = 'usage' AND u.id > $1{condition}
			ORDER BY u.id LIMIT $2
		), corrected AS MATERIALIZED (
			-- money in another currency than the row's is not of its price
			SELECT r.adjusts, bool_or(r.kind = 'reversal') AS reversed, bool_or(r.unpriced_reason IS NOT NULL) AS priced_later,
				aiusage.sum(r.cost_by_unit) FILTER (WHERE r.kind = 'adjustment'
					AND aiusage.currency(r.cost_by_unit) = aiusage.currency(p.cost_by_unit)) AS cost_by_unit,
				aiusage.sum(coalesce(r.list_cost, r.cost)) FILTER (WHERE r.kind = 'adjustment'
					AND aiusage.currency(coalesce(r.list_cost, r.cost)) = coalesce(aiusage.currency(p.list_cost), aiusage.currency(p.cost_by_unit))) AS list_cost,
				aiusage.sum(r.charge) FILTER (WHERE r.kind = 'adjustment'
					AND aiusage.currency(r.charge) = coalesce(aiusage.currency(p.charge), aiusage.currency(r.charge))) AS charge
			FROM picked AS p
			JOIN aiusage.usage_record AS r ON r.adjusts = p.id
			WHERE r.adjusts > $1 AND r.adjusts <= (SELECT l.id FROM picked AS l ORDER BY l.id DESC LIMIT 1)
				AND r.kind IN ('adjustment', 'reversal')
			GROUP BY r.adjusts
		), standing AS (
			SELECT p.*, a.team, p.cost IS NOT NULL OR c.priced_later IS TRUE AS priced,
				CASE WHEN c.cost_by_unit IS NULL THEN p.cost_by_unit ELSE p.cost_by_unit OPERATOR(aiusage.+) c.cost_by_unit END AS now_by_unit,
				CASE WHEN c.list_cost IS NULL THEN coalesce(p.list_cost, p.cost)
					WHEN coalesce(p.list_cost, p.cost) IS NULL THEN c.list_cost
					ELSE coalesce(p.list_cost, p.cost) OPERATOR(aiusage.+) c.list_cost END AS now_list,
				CASE WHEN c.charge IS NULL THEN p.charge WHEN p.charge IS NULL THEN c.charge
					ELSE p.charge OPERATOR(aiusage.+) c.charge END AS now_charge,
				-- a corrected row may be of a later day than the usage
				CASE WHEN p.adjusts IS NULL THEN p.occurred_at ELSE (aiusage.owner_priced_at(p.id)).at END AS priced_at
			FROM picked AS p
			LEFT JOIN corrected AS c ON c.adjusts = p.id
			LEFT JOIN aiusage.key_assignment AS a ON a.assignment = p.assignment
			WHERE c.reversed IS NOT TRUE AND ($3 IS NOT TRUE OR c.priced_later IS NOT TRUE)
		), difference AS MATERIALIZED (
			SELECT s.*, aiusage.owner_reprice_row($4, $5, s.api_key, s.assignment, s.customer, s.provider, s.model,
				s.usage, s.priced_at, s.service_tier, s.endpoint, s.region, s.priced, s.now_by_unit, s.now_list, s.now_charge) AS d
			FROM standing AS s
		), {booked}report AS (
			SELECT coalesce(f.team, '(unmatched)') AS team, aiusage.currency(f.now_by_unit) AS currency,
				coalesce(aiusage.currency(f.now_list), aiusage.currency(f.now_by_unit)) AS list_currency,
				coalesce(aiusage.currency(f.now_charge), aiusage.currency((f.d).charge)) AS charge_currency,
				count(*) AS row_count, count(*) FILTER (WHERE (f.d).changed) AS changed,
				count(*) FILTER (WHERE (f.d).no_price) AS no_price, count(*) FILTER (WHERE (f.d).other_currency) AS other_currency,
				coalesce(sum(aiusage.total(f.now_by_unit)::numeric), 0) AS old_cost, coalesce(sum((f.d).cost::numeric), 0) AS difference,
				coalesce(sum(f.now_list::numeric), 0) AS old_list_cost,
				coalesce(sum(coalesce((f.d).list_cost, (f.d).cost)::numeric), 0) AS list_difference,
				coalesce(sum(f.now_charge::numeric), 0) AS old_charge, coalesce(sum((f.d).charge::numeric), 0) AS charge_difference
			FROM difference AS f
			GROUP BY 1, 2, 3, 4
		)
		SELECT (SELECT p.id FROM picked AS p ORDER BY p.id DESC LIMIT 1), (SELECT count(*) FROM picked),
			{adjusted}, (SELECT jsonb_agg(to_jsonb(r)) FROM report AS r)
	$query$;
	booking constant text := $booking$
		-- where corrections of a period go, asked once a period
		place AS MATERIALIZED (
			SELECT p.invoice_period AS from_period, aiusage.owner_correction_period(p.invoice_period) AS period
			FROM (SELECT DISTINCT f.invoice_period FROM difference AS f WHERE (f.d).changed) AS p
		), booked AS (
			INSERT INTO aiusage.usage_record (id, occurred_at, recorded_at, cost, list_cost, charge, assignment, correction, adjusts,
				price_version, invoice_period, status, stream_state, cost_state, unpriced_reason, kind, attempt, status_code, api_key, provider, model,
				usage, cost_by_unit, request_id, trace_id, operation_id, job_id, credential_label, user_id, customer, workflow, origin,
				provider_account, provider_request_id, requested_model, endpoint, requested_service_tier, service_tier, region, route,
				fallback_from, error_class, tags)
			-- in the original's partition and on its day while its period is open, else now
			SELECT aiusage.uuid_v7(CASE WHEN l.period = f.invoice_period THEN aiusage.id_time(f.id) ELSE $7 END),
				CASE WHEN l.period = f.invoice_period THEN f.occurred_at ELSE $7 END, $7,
				(f.d).cost, (f.d).list_cost, (f.d).charge, f.assignment, $6, f.id,
				(f.d).price_version, l.period, f.status, f.stream_state,
				CASE WHEN f.cost_state <> 'unpriced' THEN f.cost_state
					WHEN f.stream_state IN ('partial', 'estimated') THEN 'estimated' ELSE 'final' END,
				-- this one prices the row, which counts as unpriced no longer
				CASE WHEN (f.d).prices THEN f.unpriced_reason END, 'adjustment', f.attempt, f.status_code, f.api_key, f.provider, f.model,
				CASE WHEN (f.d).prices THEN f.usage ELSE '{}' END,
				(f.d).cost_by_unit, f.request_id, f.trace_id, f.operation_id, f.job_id, f.credential_label, f.user_id, f.customer, f.workflow, f.origin,
				f.provider_account, f.provider_request_id, f.requested_model, f.endpoint, f.requested_service_tier, f.service_tier, f.region, f.route,
				f.fallback_from, f.error_class, f.tags
			FROM difference AS f
			JOIN place AS l ON l.from_period = f.invoice_period
			WHERE (f.d).changed
			ORDER BY f.id
			RETURNING 1
		), $booking$;
BEGIN
	query := replace(query, '{booked}', CASE WHEN correction IS NULL THEN '' ELSE booking END);
	query := replace(query, '{adjusted}', CASE WHEN correction IS NULL THEN '0::bigint' ELSE '(SELECT count(*) FROM booked)' END);
	-- last, for a label in it may read like one of the above
	query := replace(query, '{condition}', concat(CASE WHEN unpriced_only THEN ' AND u.cost_state = ''unpriced''' END, ' AND ' || nullif(condition, '')));
	EXECUTE query INTO last_id, seen, adjusted, report
		USING after, batch_rows, unpriced_only, target, version, correction, clock_timestamp();
END
$$;
COMMENT ON FUNCTION aiusage.owner_reprice_batch(text, int, "char", boolean, bigint, uuid, int) IS 'The next rows after an id: the last one''s id (NULL: none), how many there were, adjustments booked (none when correction is NULL), and the report, a JSON array of an object a team and currencies';

CREATE FUNCTION aiusage.reprice_add_reports(one jsonb, other jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(jsonb_agg(to_jsonb(s)), '[]')
	FROM (SELECT r.team, r.currency, r.list_currency, r.charge_currency, sum(r.row_count) AS row_count, sum(r.changed) AS changed,
			sum(r.no_price) AS no_price, sum(r.other_currency) AS other_currency, sum(r.old_cost) AS old_cost, sum(r.difference) AS difference,
			sum(r.old_list_cost) AS old_list_cost, sum(r.list_difference) AS list_difference,
			sum(r.old_charge) AS old_charge, sum(r.charge_difference) AS charge_difference
		FROM jsonb_to_recordset(coalesce(one, '[]') || coalesce(other, '[]')) AS r (team text, currency text, list_currency text,
			charge_currency text, row_count bigint, changed bigint, no_price bigint, other_currency bigint, old_cost numeric,
			difference numeric, old_list_cost numeric, list_difference numeric, old_charge numeric, charge_difference numeric)
		GROUP BY 1, 2, 3, 4) AS s
$$;
COMMENT ON FUNCTION aiusage.reprice_add_reports(jsonb, jsonb) IS 'The reports of two batches as one';

CREATE FUNCTION aiusage.reprice_report_rows(report jsonb)
	RETURNS TABLE (team text, row_count bigint, changed bigint, no_price bigint, other_currency bigint,
		currency text, old_cost numeric, new_cost numeric, difference numeric,
		list_currency text, old_list_cost numeric, new_list_cost numeric, list_difference numeric,
		charge_currency text, old_charge numeric, new_charge numeric, charge_difference numeric)
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.team, r.row_count, r.changed, r.no_price, r.other_currency,
		r.currency, trim_scale(r.old_cost), trim_scale(r.old_cost + r.difference), trim_scale(r.difference),
		r.list_currency, trim_scale(r.old_list_cost), trim_scale(r.old_list_cost + r.list_difference), trim_scale(r.list_difference),
		r.charge_currency, trim_scale(r.old_charge), trim_scale(r.old_charge + r.charge_difference), trim_scale(r.charge_difference)
	FROM jsonb_to_recordset(report) AS r (team text, currency text, list_currency text,
		charge_currency text, row_count bigint, changed bigint, no_price bigint, other_currency bigint, old_cost numeric,
		difference numeric, old_list_cost numeric, list_difference numeric, old_charge numeric, charge_difference numeric)
	ORDER BY r.team, r.currency, r.list_currency, r.charge_currency
$$;
COMMENT ON FUNCTION aiusage.reprice_report_rows(jsonb) IS 'The report of a reprice as rows: one a team and currencies';

CREATE FUNCTION aiusage.owner_start_reprice(filters jsonb, version int, reason text, ticket text, unpriced_only boolean) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	all_filters jsonb := coalesce(filters, CASE WHEN unpriced_only THEN jsonb '{}' END);
	action constant text := CASE WHEN unpriced_only THEN 'price_unpriced' ELSE 'reprice' END;
	from_at timestamptz;
	to_at timestamptz;
	number bigint;
BEGIN
	PERFORM aiusage.owner_filter_condition(all_filters);
	IF all_filters = '{}' AND unpriced_only IS NOT TRUE THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a reprice needs at least one filter',
			HINT = 'For example {"from": "2026-11-01", "to": "2026-12-01"}.';
	END IF;
	PERFORM aiusage.owner_reprice_target(version, false);
	-- Times as they are meant now and here: who goes on with the job may be in another time zone, or another day.
	all_filters := all_filters || coalesce((SELECT jsonb_object_agg(f.key, (f.value #>> '{}')::timestamptz)
		FROM jsonb_each(all_filters) AS f WHERE f.key IN ('from', 'to')), '{}');
	-- Between which times it will read, for whoever watches.
	from_at := coalesce((all_filters ->> 'from')::timestamptz,
		(SELECT aiusage.id_time(u.id) FROM aiusage.usage_record AS u ORDER BY u.id LIMIT 1), now());
	to_at := least((all_filters ->> 'to')::timestamptz, now());
	INSERT INTO aiusage.reprice_job (action, correction, filters, version, reads_from, reads_to, session_role, role)
	VALUES (action, aiusage.owner_open_correction(action, reason, ticket,
			jsonb_build_object('filters', all_filters, 'version', version)),
		all_filters, version, from_at, greatest(from_at, to_at), session_user, aiusage.acting_role())
	RETURNING job INTO number;
	RETURN number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_start_reprice(jsonb, int, text, text, boolean) IS 'Body of aiusage.start_reprice(), as the owner of the books';

CREATE FUNCTION aiusage.owner_reprice_step(job bigint, batch_rows int)
	RETURNS TABLE (status text, rows_seen bigint, rows_adjusted bigint, percent numeric)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	j aiusage.reprice_job;
	b record;
BEGIN
	IF batch_rows IS NULL OR batch_rows NOT BETWEEN 1 AND 1000000 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a batch has 1 to 1000000 rows',
			HINT = 'Leave batch_rows out: the default commits every few seconds.';
	END IF;
	PERFORM aiusage.owner_begin_correction(true);
	SELECT * INTO j FROM aiusage.reprice_job AS r WHERE r.job = owner_reprice_step.job FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('reprice job %s does not exist', coalesce(owner_reprice_step.job::text, 'null')),
			HINT = 'aiusage.reprice_progress lists them; aiusage.start_reprice() makes one.';
	END IF;
	IF j.status = 'open' THEN
		SELECT * INTO b FROM aiusage.owner_reprice_batch(aiusage.owner_filter_condition(j.filters), j.version,
			aiusage.owner_reprice_target(j.version, false), j.action = 'price_unpriced', j.correction, j.last_id, batch_rows);
		UPDATE aiusage.reprice_job AS r
		SET last_id = coalesce(b.last_id, r.last_id), rows_seen = r.rows_seen + b.seen, rows_adjusted = r.rows_adjusted + b.adjusted,
			batches = r.batches + 1, report = aiusage.reprice_add_reports(r.report, b.report), last_batch_at = clock_timestamp(),
			status = CASE WHEN b.seen < batch_rows THEN 'done' ELSE 'open' END,
			finished_at = CASE WHEN b.seen < batch_rows THEN clock_timestamp() END
		WHERE r.job = j.job
		RETURNING * INTO j;
		IF b.adjusted > 0 THEN
			UPDATE aiusage.correction AS c SET row_count = c.row_count + b.adjusted WHERE c.correction = j.correction;
		END IF;
	END IF;
	RETURN QUERY SELECT p.status, p.rows_seen, p.rows_adjusted, p.percent FROM aiusage.reprice_progress AS p WHERE p.job = j.job;
END
$$;
COMMENT ON FUNCTION aiusage.owner_reprice_step(bigint, int) IS 'Body of aiusage.reprice_step(), as the owner of the books';

CREATE FUNCTION aiusage.owner_cancel_reprice(job bigint) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old_status text;
BEGIN
	SELECT r.status INTO old_status FROM aiusage.reprice_job AS r WHERE r.job = owner_cancel_reprice.job FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('reprice job %s does not exist', coalesce(owner_cancel_reprice.job::text, 'null')),
			HINT = 'aiusage.reprice_progress lists the jobs.';
	END IF;
	UPDATE aiusage.reprice_job AS r SET status = 'cancelled', finished_at = clock_timestamp()
	WHERE r.job = owner_cancel_reprice.job AND old_status = 'open';
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION aiusage.owner_cancel_reprice(bigint) IS 'Body of aiusage.cancel_reprice(), as the owner of the books';

CREATE FUNCTION aiusage.owner_reprice_now(filters jsonb, version int, reason text, ticket text, dry_run boolean, unpriced_only boolean)
	RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	batch constant int := 10000;
	condition text;
	target "char";
	number bigint;
	last_id uuid := '00000000-0000-0000-0000-000000000000';
	result jsonb;
	b record;
BEGIN
	IF dry_run IS FALSE THEN
		number := aiusage.owner_start_reprice(filters, version, reason, ticket, unpriced_only);
		LOOP
			EXIT WHEN (SELECT s.status FROM aiusage.owner_reprice_step(number, batch) AS s) <> 'open';
		END LOOP;
		RETURN (SELECT r.report FROM aiusage.reprice_job AS r WHERE r.job = number);
	END IF;
	condition := aiusage.owner_filter_condition(filters);
	IF condition = '' AND NOT unpriced_only THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a reprice needs at least one filter',
			HINT = 'For example {"from": "2026-11-01", "to": "2026-12-01"}.';
	END IF;
	target := aiusage.owner_reprice_target(version, true);
	LOOP
		SELECT * INTO b FROM aiusage.owner_reprice_batch(condition, version, target, unpriced_only, NULL, last_id, batch);
		result := aiusage.reprice_add_reports(result, b.report);
		EXIT WHEN b.seen < batch;
		last_id := b.last_id;
	END LOOP;
	RETURN result;
END
$$;
COMMENT ON FUNCTION aiusage.owner_reprice_now(jsonb, int, text, text, boolean, boolean) IS 'What aiusage.reprice() and aiusage.price_unpriced() have in common: a job from start to end in this transaction, or only the report of one';

CREATE FUNCTION aiusage.owner_reprice(filters jsonb, version int, reason text, ticket text, dry_run boolean)
	RETURNS TABLE (team text, row_count bigint, changed bigint, no_price bigint, other_currency bigint,
		currency text, old_cost numeric, new_cost numeric, difference numeric,
		list_currency text, old_list_cost numeric, new_list_cost numeric, list_difference numeric,
		charge_currency text, old_charge numeric, new_charge numeric, charge_difference numeric, booked boolean)
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*, NOT coalesce(dry_run, true)
	FROM aiusage.owner_reprice_now(filters, version, reason, ticket, dry_run, false) AS report,
		aiusage.reprice_report_rows(report) AS r
$$;
COMMENT ON FUNCTION aiusage.owner_reprice(jsonb, int, text, text, boolean) IS 'Body of aiusage.reprice(), as the owner of the books';

CREATE FUNCTION aiusage.owner_price_unpriced(filters jsonb, reason text, ticket text, dry_run boolean)
	RETURNS TABLE (team text, row_count bigint, changed bigint, no_price bigint, other_currency bigint,
		currency text, old_cost numeric, new_cost numeric, difference numeric,
		list_currency text, old_list_cost numeric, new_list_cost numeric, list_difference numeric,
		charge_currency text, old_charge numeric, new_charge numeric, charge_difference numeric, booked boolean)
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.*, NOT coalesce(dry_run, true)
	FROM aiusage.owner_reprice_now(coalesce(filters, '{}'), NULL, reason, ticket, dry_run, true) AS report,
		aiusage.reprice_report_rows(report) AS r
$$;
COMMENT ON FUNCTION aiusage.owner_price_unpriced(jsonb, text, text, boolean) IS 'Body of aiusage.price_unpriced(), as the owner of the books';

/*
 * Commits after every batch: hence a procedure without SET and without a
 * switch of user, everything in it written with its schema.
 */
CREATE PROCEDURE aiusage.run_reprice(job bigint, batch_rows int DEFAULT 10000)
LANGUAGE plpgsql
AS $$
DECLARE
	v_step pg_catalog.record;
	v_told pg_catalog.timestamptz := pg_catalog.clock_timestamp();
BEGIN
	LOOP
		SELECT * INTO v_step FROM aiusage.reprice_step(run_reprice.job, run_reprice.batch_rows);
		COMMIT;
		EXIT WHEN v_step.status OPERATOR(pg_catalog.<>) 'open';
		IF pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>) (v_told OPERATOR(pg_catalog.+) '5 seconds'::pg_catalog.interval) THEN
			v_told := pg_catalog.clock_timestamp();
			RAISE NOTICE 'reprice job %: % rows seen, % adjusted, % %%', run_reprice.job, v_step.rows_seen, v_step.rows_adjusted, v_step.percent;
		END IF;
	END LOOP;
	RAISE NOTICE 'reprice job % is %: % rows seen, % adjusted', run_reprice.job, v_step.status, v_step.rows_seen, v_step.rows_adjusted;
END
$$;
COMMENT ON PROCEDURE aiusage.run_reprice(bigint, int) IS 'Runs a reprice job (aiusage.start_reprice()) to its end, a transaction a batch, or goes on with one that a crash or a cancel has interrupted; CALL it outside a transaction block. Says every 5 seconds how far it is, as aiusage.reprice_progress does. Two sessions may run one job, and several jobs may run at once: batches follow each other. Errors: as of aiusage.reprice_step()';
