/*
 * Rollups: the fold, and the functions that the rollup tables and views use.
 */

-- Pure helpers: executable by everybody, because views run them as their reader.

CREATE FUNCTION aiusage.dimension_id(assignment bigint, invoice_period integer,
	api_key text, provider text, model text, endpoint text, service_tier text, region text,
	customer text, workflow text, status text, currency text, list_currency text, charge_currency text)
RETURNS uuid
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_dimension_id';
COMMENT ON FUNCTION aiusage.dimension_id(bigint, integer, text, text, text, text, text, text, text, text, text, text, text, text) IS
	'Id of a set of rollup dimension values: the first 128 bits of SHA-256 over them, NULLs and lengths unambiguous. Never NULL';

CREATE FUNCTION aiusage.net_quantity(used aiusage.usage, reversed aiusage.usage, unit text)
RETURNS bigint
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_net_quantity';
COMMENT ON FUNCTION aiusage.net_quantity(aiusage.usage, aiusage.usage, text) IS
	'Whole units used less those reversed; either usage may be NULL. 0 when neither has the unit; NULL when the unit is NULL or the result does not fit a bigint';

CREATE FUNCTION aiusage.billed_usage(usage aiusage.usage, cost_by_unit aiusage.unit_costs)
RETURNS aiusage.usage
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_billed_usage';
COMMENT ON FUNCTION aiusage.billed_usage(aiusage.usage, aiusage.unit_costs) IS
	'Exclusive quantities that the components of a cost are for: of each unit that has one, what was used less what more specific units bill; a flat fee a request counts 1. Minimums and rounding up of quantities are not in it';

-- The fold's view of its own transaction.

CREATE FUNCTION aiusage.begin_fold()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_begin_fold';
COMMENT ON FUNCTION aiusage.begin_fold() IS
	'Marks the transaction as one that folds: usage cannot be written in it afterwards. UA409 when it has written usage already; 25006 when it is read-only or the server is in recovery';

CREATE FUNCTION aiusage.snapshot_boundary(incarnation integer)
RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'aiu_rollup_snapshot_boundary';
COMMENT ON FUNCTION aiusage.snapshot_boundary(integer) IS
	'First transaction that the statement''s snapshot knows nothing of, as usage_record.txid (incarnation << 48 | transaction id with epoch)';

CREATE FUNCTION aiusage.snapshot_running(incarnation integer)
RETURNS bigint[]
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'aiu_rollup_snapshot_running';
COMMENT ON FUNCTION aiusage.snapshot_running(integer) IS
	'Transactions below aiusage.snapshot_boundary() that had not ended in the statement''s snapshot, as usage_record.txid, ascending; the own transaction is not among them';

-- The fold.

CREATE FUNCTION aiusage.refresh()
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.refresh() IS
	'Folds the ledger rows that are visible now and not folded yet into the rollups; returns how many. Figures of the views do not change by it, only their speed. UA409 in a transaction that has written usage; 25006 when read-only or on a standby; 40001 possible above READ COMMITTED';

CREATE FUNCTION aiusage.owner_refresh()
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
-- a fold is short: compiling its plan would cost more than running it
SET jit = off
-- whatever is known of the ledger's statistics, new rows are found by their txid
SET enable_seqscan = off
AS $$
DECLARE
	v_incarnation integer;
	v_started timestamptz;
	v_rows bigint;
	v_before record;
	v_after record;
BEGIN
	PERFORM aiusage.begin_fold();

	/*
	 * One fold at a time.  First the lock, in a statement of its own: only the
	 * snapshot taken after it sees what the fold before us did.  (Above READ
	 * COMMITTED the snapshot is older, and this raises 40001 if it matters.)
	 */
	SELECT f.boundary, f.running INTO v_before FROM aiusage.fold_state f FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'data_corrupted',
			MESSAGE = 'aiusage.fold_state has no row',
			HINT = 'Restore the row from a backup: without it nobody knows what the rollups contain.';
	END IF;
	v_incarnation := aiusage.current_incarnation();
	v_started := clock_timestamp();

	/*
	 * The fold, in ONE statement: the rows it reads and the snapshot it stores
	 * are of one and the same moment.  Rows are inserted in key order; nobody
	 * but a fold writes these tables.
	 */
	WITH delta AS MATERIALIZED (
		SELECT t.bucket,
			aiusage.dimension_id(t.assignment, t.invoice_period, t.api_key, t.provider, t.model, t.endpoint,
				t.service_tier, t.region, coalesce(t.customer, a.customer), coalesce(t.workflow, a.workflow), t.status::text,
				t.currency, t.list_currency, t.charge_currency) AS dimension,
			t.assignment, t.invoice_period, t.api_key, t.provider, t.model, t.endpoint, t.service_tier, t.region,
			coalesce(t.customer, a.customer) AS customer, coalesce(t.workflow, a.workflow) AS workflow, t.status,
			t.currency, t.list_currency, t.charge_currency,
			sum(t.records)::bigint AS records, sum(t.requests)::bigint AS requests, sum(t.errors)::bigint AS errors,
			sum(t.retries)::bigint AS retries, sum(t.fallbacks)::bigint AS fallbacks,
			sum(t.cache_hits)::bigint AS cache_hits, sum(t.accepted)::bigint AS accepted,
			sum(t.unpriced)::bigint AS unpriced, sum(t.unmatched)::bigint AS unmatched,
			sum(t.cost) AS cost, sum(t.list_cost) AS list_cost, sum(t.charge) AS charge,
			sum(t.failed_cost) AS failed_cost, sum(t.retry_cost) AS retry_cost,
			sum(t.fallback_cost) AS fallback_cost, sum(t.estimated_cost) AS estimated_cost,
			coalesce(aiusage.sum(t.usage), '{}'::aiusage.usage) AS usage,
			coalesce(aiusage.sum(t.usage_reversed), '{}'::aiusage.usage) AS usage_reversed,
			coalesce(aiusage.sum(t.billed), '{}'::aiusage.usage) AS billed,
			coalesce(aiusage.sum(t.billed_reversed), '{}'::aiusage.usage) AS billed_reversed,
			aiusage.sum(t.cost_by_unit) AS cost_by_unit
		FROM aiusage.rollup_tail t
		LEFT JOIN aiusage.key_assignment a ON a.assignment = t.assignment
		GROUP BY t.bucket, t.assignment, t.invoice_period, t.api_key, t.provider, t.model, t.endpoint,
			t.service_tier, t.region, coalesce(t.customer, a.customer), coalesce(t.workflow, a.workflow), t.status, t.currency, t.list_currency, t.charge_currency
	), new_dimensions AS (
		INSERT INTO aiusage.rollup_dimension (dimension, assignment, invoice_period, api_key, provider, model, endpoint,
			service_tier, region, customer, workflow, status, currency, list_currency, charge_currency)
		SELECT DISTINCT ON (d.dimension) d.dimension, d.assignment, d.invoice_period, d.api_key, d.provider, d.model,
			d.endpoint, d.service_tier, d.region, d.customer, d.workflow, d.status,
			d.currency, d.list_currency, d.charge_currency
		FROM delta d
		ORDER BY d.dimension
		ON CONFLICT (dimension) DO NOTHING
	), quarter_hours AS (
		INSERT INTO aiusage.rollup_15m AS r (bucket, dimension,
			records, requests, errors, retries, fallbacks, cache_hits, accepted, unpriced, unmatched,
			cost, list_cost, charge, failed_cost, retry_cost, fallback_cost, estimated_cost,
			usage, usage_reversed, billed, billed_reversed, cost_by_unit)
		SELECT d.bucket, d.dimension,
			d.records, d.requests, d.errors, d.retries, d.fallbacks, d.cache_hits, d.accepted, d.unpriced, d.unmatched,
			d.cost, d.list_cost, d.charge, d.failed_cost, d.retry_cost, d.fallback_cost, d.estimated_cost,
			d.usage, d.usage_reversed, d.billed, d.billed_reversed, d.cost_by_unit
		FROM delta d
		ORDER BY d.bucket, d.dimension
		ON CONFLICT (bucket, dimension) DO UPDATE SET
			records = r.records + excluded.records,
			requests = r.requests + excluded.requests,
			errors = r.errors + excluded.errors,
			retries = r.retries + excluded.retries,
			fallbacks = r.fallbacks + excluded.fallbacks,
			cache_hits = r.cache_hits + excluded.cache_hits,
			accepted = r.accepted + excluded.accepted,
			unpriced = r.unpriced + excluded.unpriced,
			unmatched = r.unmatched + excluded.unmatched,
			cost = r.cost + excluded.cost,
			list_cost = r.list_cost + excluded.list_cost,
			charge = r.charge + excluded.charge,
			failed_cost = r.failed_cost + excluded.failed_cost,
			retry_cost = r.retry_cost + excluded.retry_cost,
			fallback_cost = r.fallback_cost + excluded.fallback_cost,
			estimated_cost = r.estimated_cost + excluded.estimated_cost,
			usage = r.usage OPERATOR(aiusage.+) excluded.usage,
			usage_reversed = r.usage_reversed OPERATOR(aiusage.+) excluded.usage_reversed,
			billed = r.billed OPERATOR(aiusage.+) excluded.billed,
			billed_reversed = r.billed_reversed OPERATOR(aiusage.+) excluded.billed_reversed,
			cost_by_unit = r.cost_by_unit OPERATOR(aiusage.+) excluded.cost_by_unit
	), days AS (
		INSERT INTO aiusage.rollup_daily AS r (day, dimension,
			records, requests, errors, retries, fallbacks, cache_hits, accepted, unpriced, unmatched,
			cost, list_cost, charge, failed_cost, retry_cost, fallback_cost, estimated_cost,
			usage, usage_reversed, billed, billed_reversed, cost_by_unit)
		SELECT (d.bucket AT TIME ZONE coalesce(c.time_zone, 'UTC'))::date, d.dimension,
			sum(d.records), sum(d.requests), sum(d.errors), sum(d.retries), sum(d.fallbacks), sum(d.cache_hits),
			sum(d.accepted), sum(d.unpriced), sum(d.unmatched),
			sum(d.cost), sum(d.list_cost), sum(d.charge), sum(d.failed_cost), sum(d.retry_cost),
			sum(d.fallback_cost), sum(d.estimated_cost),
			aiusage.sum(d.usage), aiusage.sum(d.usage_reversed), aiusage.sum(d.billed), aiusage.sum(d.billed_reversed),
			aiusage.sum(d.cost_by_unit)
		FROM delta d
		LEFT JOIN aiusage.billing_calendar c ON c.calendar = d.invoice_period / 100000
		GROUP BY 1, 2
		ORDER BY 1, 2
		ON CONFLICT (day, dimension) DO UPDATE SET
			records = r.records + excluded.records,
			requests = r.requests + excluded.requests,
			errors = r.errors + excluded.errors,
			retries = r.retries + excluded.retries,
			fallbacks = r.fallbacks + excluded.fallbacks,
			cache_hits = r.cache_hits + excluded.cache_hits,
			accepted = r.accepted + excluded.accepted,
			unpriced = r.unpriced + excluded.unpriced,
			unmatched = r.unmatched + excluded.unmatched,
			cost = r.cost + excluded.cost,
			list_cost = r.list_cost + excluded.list_cost,
			charge = r.charge + excluded.charge,
			failed_cost = r.failed_cost + excluded.failed_cost,
			retry_cost = r.retry_cost + excluded.retry_cost,
			fallback_cost = r.fallback_cost + excluded.fallback_cost,
			estimated_cost = r.estimated_cost + excluded.estimated_cost,
			usage = r.usage OPERATOR(aiusage.+) excluded.usage,
			usage_reversed = r.usage_reversed OPERATOR(aiusage.+) excluded.usage_reversed,
			billed = r.billed OPERATOR(aiusage.+) excluded.billed,
			billed_reversed = r.billed_reversed OPERATOR(aiusage.+) excluded.billed_reversed,
			cost_by_unit = r.cost_by_unit OPERATOR(aiusage.+) excluded.cost_by_unit
	), taken AS MATERIALIZED (
		SELECT coalesce(sum(d.records), 0)::bigint AS records FROM delta d
	)
	UPDATE aiusage.fold_state s
	SET boundary = aiusage.snapshot_boundary(v_incarnation),
		running = aiusage.snapshot_running(v_incarnation),
		folded_at = v_started,
		folds = s.folds + 1,
		rows_folded = s.rows_folded + taken.records,
		last_rows = taken.records
	FROM taken
	RETURNING s.last_rows INTO v_rows;

	-- What limits count of the same rows.  Books without limits pay nothing for it.
	IF v_rows > 0 AND aiusage.quota_any() THEN
		SELECT f.boundary, f.running INTO v_after FROM aiusage.fold_state f;
		PERFORM aiusage.owner_fold_quotas(v_before.boundary, v_before.running, v_after.boundary, v_after.running);
	END IF;

	RETURN v_rows;
END
$$;
COMMENT ON FUNCTION aiusage.owner_refresh() IS
	'What aiusage.refresh() does, as the owner of the books';
