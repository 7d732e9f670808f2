/*
 * verify(): the rollups equal the ledger, and the ledger agrees with itself.
 */

CREATE FUNCTION aiusage.verify(OUT check_name text, OUT ok boolean, OUT expected text, OUT actual text, OUT detail text)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.verify() IS
	'Proves that every rollup equals the ledger, measure by measure, unit by unit and set by set, that components add up to cost, that states agree, and more: one row a check. Reads the whole ledger; changes nothing, so runs on a standby too';

CREATE FUNCTION aiusage.owner_verify(OUT check_name text, OUT ok boolean, OUT expected text, OUT actual text, OUT detail text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
	-- rollup_15m: both sides in one statement, so in one snapshot, whatever is booked and folded meanwhile
	RETURN QUERY
	WITH ledger AS MATERIALIZED (
		SELECT s.bucket,
			s.assignment, s.invoice_period, s.api_key, s.provider, s.model, s.endpoint, s.service_tier,
			s.region, coalesce(s.customer, a.customer) AS customer,
			coalesce(s.workflow, a.workflow) AS workflow, s.status, s.currency, s.list_currency,
			s.charge_currency,
			sum(s.records) AS records, sum(s.requests) AS requests, sum(s.errors) AS errors,
			sum(s.retries) AS retries, sum(s.fallbacks) AS fallbacks, sum(s.cache_hits) AS cache_hits,
			sum(s.accepted) AS accepted, sum(s.unpriced) AS unpriced, sum(s.unmatched) AS unmatched,
			sum(s.cost) AS cost, sum(s.list_cost) AS list_cost, sum(s.charge) AS charge,
			sum(s.failed_cost) AS failed_cost, sum(s.retry_cost) AS retry_cost,
			sum(s.fallback_cost) AS fallback_cost, sum(s.estimated_cost) AS estimated_cost,
			coalesce(aiusage.sum(s.usage), '{}'::aiusage.usage) AS usage,
			coalesce(aiusage.sum(s.usage_reversed), '{}'::aiusage.usage) AS usage_reversed,
			aiusage.sum(s.cost_by_unit) AS cost_by_unit
		FROM aiusage.rollup_source s
		LEFT JOIN aiusage.key_assignment a ON a.assignment = s.assignment
		GROUP BY s.bucket,
			s.assignment, s.invoice_period, s.api_key, s.provider, s.model, s.endpoint, s.service_tier,
			s.region, coalesce(s.customer, a.customer), coalesce(s.workflow, a.workflow), s.status, s.currency,
			s.list_currency, s.charge_currency
	), live AS MATERIALIZED (
		SELECT s.bucket,
			s.assignment, s.invoice_period, s.api_key, s.provider, s.model, s.endpoint, s.service_tier,
			s.region, coalesce(s.customer, a.customer) AS customer,
			coalesce(s.workflow, a.workflow) AS workflow, s.status, s.currency, s.list_currency,
			s.charge_currency,
			sum(s.records) AS records, sum(s.requests) AS requests, sum(s.errors) AS errors,
			sum(s.retries) AS retries, sum(s.fallbacks) AS fallbacks, sum(s.cache_hits) AS cache_hits,
			sum(s.accepted) AS accepted, sum(s.unpriced) AS unpriced, sum(s.unmatched) AS unmatched,
			sum(s.cost) AS cost, sum(s.list_cost) AS list_cost, sum(s.charge) AS charge,
			sum(s.failed_cost) AS failed_cost, sum(s.retry_cost) AS retry_cost,
			sum(s.fallback_cost) AS fallback_cost, sum(s.estimated_cost) AS estimated_cost,
			coalesce(aiusage.sum(s.usage), '{}'::aiusage.usage) AS usage,
			coalesce(aiusage.sum(s.usage_reversed), '{}'::aiusage.usage) AS usage_reversed,
			aiusage.sum(s.cost_by_unit) AS cost_by_unit
		FROM aiusage.rollup_live s
		LEFT JOIN aiusage.key_assignment a ON a.assignment = s.assignment
		GROUP BY s.bucket,
			s.assignment, s.invoice_period, s.api_key, s.provider, s.model, s.endpoint, s.service_tier,
			s.region, coalesce(s.customer, a.customer), coalesce(s.workflow, a.workflow), s.status, s.currency,
			s.list_currency, s.charge_currency
	), difference AS MATERIALIZED (
		(
			SELECT t.bucket,
				t.assignment, t.invoice_period, t.api_key, t.provider, t.model, t.endpoint, t.service_tier,
				t.region, t.customer, t.workflow, t.status, t.currency, t.list_currency, t.charge_currency,
				t.records, t.requests, t.errors, t.retries, t.fallbacks, t.cache_hits, t.accepted, t.unpriced,
				t.unmatched, t.cost, t.list_cost, t.charge, t.failed_cost, t.retry_cost, t.fallback_cost,
				t.estimated_cost,
				t.usage::text, t.usage_reversed::text, t.cost_by_unit::text
			FROM ledger t
			EXCEPT ALL
			SELECT t.bucket,
				t.assignment, t.invoice_period, t.api_key, t.provider, t.model, t.endpoint, t.service_tier,
				t.region, t.customer, t.workflow, t.status, t.currency, t.list_currency, t.charge_currency,
				t.records, t.requests, t.errors, t.retries, t.fallbacks, t.cache_hits, t.accepted, t.unpriced,
				t.unmatched, t.cost, t.list_cost, t.charge, t.failed_cost, t.retry_cost, t.fallback_cost,
				t.estimated_cost,
				t.usage::text, t.usage_reversed::text, t.cost_by_unit::text
			FROM live t
		) UNION ALL (
			SELECT t.bucket,
				t.assignment, t.invoice_period, t.api_key, t.provider, t.model, t.endpoint, t.service_tier,
				t.region, t.customer, t.workflow, t.status, t.currency, t.list_currency, t.charge_currency,
				t.records, t.requests, t.errors, t.retries, t.fallbacks, t.cache_hits, t.accepted, t.unpriced,
				t.unmatched, t.cost, t.list_cost, t.charge, t.failed_cost, t.retry_cost, t.fallback_cost,
				t.estimated_cost,
				t.usage::text, t.usage_reversed::text, t.cost_by_unit::text
			FROM live t
			EXCEPT ALL
			SELECT t.bucket,
				t.assignment, t.invoice_period, t.api_key, t.provider, t.model, t.endpoint, t.service_tier,
				t.region, t.customer, t.workflow, t.status, t.currency, t.list_currency, t.charge_currency,
				t.records, t.requests, t.errors, t.retries, t.fallbacks, t.cache_hits, t.accepted, t.unpriced,
				t.unmatched, t.cost, t.list_cost, t.charge, t.failed_cost, t.retry_cost, t.fallback_cost,
				t.estimated_cost,
				t.usage::text, t.usage_reversed::text, t.cost_by_unit::text
			FROM ledger t
		)
	), total AS (
		SELECT 'ledger' AS side, m.measure, m.value
		FROM ledger t
		CROSS JOIN LATERAL (VALUES
			('records', t.records, NULL), ('requests', t.requests, NULL), ('errors', t.errors, NULL),
			('retries', t.retries, NULL), ('fallbacks', t.fallbacks, NULL), ('cache_hits', t.cache_hits, NULL),
			('accepted', t.accepted, NULL), ('unpriced', t.unpriced, NULL), ('unmatched', t.unmatched, NULL),
			('cost', t.cost, t.currency), ('failed_cost', t.failed_cost, t.currency),
			('retry_cost', t.retry_cost, t.currency), ('fallback_cost', t.fallback_cost, t.currency),
			('estimated_cost', t.estimated_cost, t.currency), ('list_cost', t.list_cost, t.list_currency),
			('charge', t.charge, t.charge_currency)
		) v (measure, value, currency)
		CROSS JOIN LATERAL (SELECT CASE WHEN v.currency IS NULL THEN v.measure ELSE v.measure || ' ' || v.currency END AS measure,
			v.value) m
		UNION ALL
		SELECT 'ledger', 'usage ' || n.unit, n.quantity FROM ledger t CROSS JOIN LATERAL aiusage.unnest_usage(t.usage) n
		UNION ALL
		SELECT 'ledger', 'usage_reversed ' || n.unit, n.quantity FROM ledger t CROSS JOIN LATERAL aiusage.unnest_usage(t.usage_reversed) n
		UNION ALL
		SELECT 'ledger', 'cost of ' || n.unit || ' ' || t.currency, n.cost::numeric
		FROM ledger t CROSS JOIN LATERAL aiusage.unnest_costs(t.cost_by_unit) n
		UNION ALL
		SELECT 'rollup' AS side, m.measure, m.value
		FROM live t
		CROSS JOIN LATERAL (VALUES
			('records', t.records, NULL), ('requests', t.requests, NULL), ('errors', t.errors, NULL),
			('retries', t.retries, NULL), ('fallbacks', t.fallbacks, NULL), ('cache_hits', t.cache_hits, NULL),
			('accepted', t.accepted, NULL), ('unpriced', t.unpriced, NULL), ('unmatched', t.unmatched, NULL),
			('cost', t.cost, t.currency), ('failed_cost', t.failed_cost, t.currency),
			('retry_cost', t.retry_cost, t.currency), ('fallback_cost', t.fallback_cost, t.currency),
			('estimated_cost', t.estimated_cost, t.currency), ('list_cost', t.list_cost, t.list_currency),
			('charge', t.charge, t.charge_currency)
		) v (measure, value, currency)
		CROSS JOIN LATERAL (SELECT CASE WHEN v.currency IS NULL THEN v.measure ELSE v.measure || ' ' || v.currency END AS measure,
			v.value) m
		UNION ALL
		SELECT 'rollup', 'usage ' || n.unit, n.quantity FROM live t CROSS JOIN LATERAL aiusage.unnest_usage(t.usage) n
		UNION ALL
		SELECT 'rollup', 'usage_reversed ' || n.unit, n.quantity FROM live t CROSS JOIN LATERAL aiusage.unnest_usage(t.usage_reversed) n
		UNION ALL
		SELECT 'rollup', 'cost of ' || n.unit || ' ' || t.currency, n.cost::numeric
		FROM live t CROSS JOIN LATERAL aiusage.unnest_costs(t.cost_by_unit) n
	), summed AS (
		SELECT t.measure, sum(t.value) FILTER (WHERE t.side = 'ledger') AS ledger,
			sum(t.value) FILTER (WHERE t.side = 'rollup') AS rollup
		FROM total t
		GROUP BY t.measure
	)
	SELECT 'rollup_15m: ' || s.measure, s.ledger IS NOT DISTINCT FROM s.rollup,
		trim_scale(s.ledger)::text, trim_scale(s.rollup)::text,
		'rollup_15m and the rows not folded yet against the ledger'::text
	FROM summed s
	UNION ALL
	SELECT 'rollup_15m: every bucket and dimension set', count(*) = 0, '0', count(*)::text,
		'Rows that differ between ledger and rollup, both ways'
			|| coalesce('; the first: ' || min(concat_ws(' ', d.bucket, d.api_key, d.provider, d.model, d.cost, d.currency)), '')
	FROM difference d
	ORDER BY 1;

	-- rollup_daily: both sides in one statement, so in one snapshot, whatever is booked and folded meanwhile
	RETURN QUERY
	WITH ledger AS MATERIALIZED (
		SELECT s.day,
			s.assignment, s.invoice_period, s.api_key, s.provider, s.model, s.endpoint, s.service_tier,
			s.region, coalesce(s.customer, a.customer) AS customer,
			coalesce(s.workflow, a.workflow) AS workflow, s.status, s.currency, s.list_currency,
			s.charge_currency,
			sum(s.records) AS records, sum(s.requests) AS requests, sum(s.errors) AS errors,
			sum(s.retries) AS retries, sum(s.fallbacks) AS fallbacks, sum(s.cache_hits) AS cache_hits,
			sum(s.accepted) AS accepted, sum(s.unpriced) AS unpriced, sum(s.unmatched) AS unmatched,
			sum(s.cost) AS cost, sum(s.list_cost) AS list_cost, sum(s.charge) AS charge,
			sum(s.failed_cost) AS failed_cost, sum(s.retry_cost) AS retry_cost,
			sum(s.fallback_cost) AS fallback_cost, sum(s.estimated_cost) AS estimated_cost,
			coalesce(aiusage.sum(s.usage), '{}'::aiusage.usage) AS usage,
			coalesce(aiusage.sum(s.usage_reversed), '{}'::aiusage.usage) AS usage_reversed,
			aiusage.sum(s.cost_by_unit) AS cost_by_unit
		FROM aiusage.rollup_source s
		LEFT JOIN aiusage.key_assignment a ON a.assignment = s.assignment
		GROUP BY s.day,
			s.assignment, s.invoice_period, s.api_key, s.provider, s.model, s.endpoint, s.service_tier,
			s.region, coalesce(s.customer, a.customer), coalesce(s.workflow, a.workflow), s.status, s.currency,
			s.list_currency, s.charge_currency
	), live AS MATERIALIZED (
		SELECT s.day,
			s.assignment, s.invoice_period, s.api_key, s.provider, s.model, s.endpoint, s.service_tier,
			s.region, coalesce(s.customer, a.customer) AS customer,
			coalesce(s.workflow, a.workflow) AS workflow, s.status, s.currency, s.list_currency,
			s.charge_currency,
			sum(s.records) AS records, sum(s.requests) AS requests, sum(s.errors) AS errors,
			sum(s.retries) AS retries, sum(s.fallbacks) AS fallbacks, sum(s.cache_hits) AS cache_hits,
			sum(s.accepted) AS accepted, sum(s.unpriced) AS unpriced, sum(s.unmatched) AS unmatched,
			sum(s.cost) AS cost, sum(s.list_cost) AS list_cost, sum(s.charge) AS charge,
			sum(s.failed_cost) AS failed_cost, sum(s.retry_cost) AS retry_cost,
			sum(s.fallback_cost) AS fallback_cost, sum(s.estimated_cost) AS estimated_cost,
			coalesce(aiusage.sum(s.usage), '{}'::aiusage.usage) AS usage,
			coalesce(aiusage.sum(s.usage_reversed), '{}'::aiusage.usage) AS usage_reversed,
			aiusage.sum(s.cost_by_unit) AS cost_by_unit
		FROM aiusage.rollup_daily_live s
		LEFT JOIN aiusage.key_assignment a ON a.assignment = s.assignment
		GROUP BY s.day,
			s.assignment, s.invoice_period, s.api_key, s.provider, s.model, s.endpoint, s.service_tier,
			s.region, coalesce(s.customer, a.customer), coalesce(s.workflow, a.workflow), s.status, s.currency,
			s.list_currency, s.charge_currency
	), difference AS MATERIALIZED (
		(
			SELECT t.day,
				t.assignment, t.invoice_period, t.api_key, t.provider, t.model, t.endpoint, t.service_tier,
				t.region, t.customer, t.workflow, t.status, t.currency, t.list_currency, t.charge_currency,
				t.records, t.requests, t.errors, t.retries, t.fallbacks, t.cache_hits, t.accepted, t.unpriced,
				t.unmatched, t.cost, t.list_cost, t.charge, t.failed_cost, t.retry_cost, t.fallback_cost,
				t.estimated_cost,
				t.usage::text, t.usage_reversed::text, t.cost_by_unit::text
			FROM ledger t
			EXCEPT ALL
			SELECT t.day,
				t.assignment, t.invoice_period, t.api_key, t.provider, t.model, t.endpoint, t.service_tier,
				t.region, t.customer, t.workflow, t.status, t.currency, t.list_currency, t.charge_currency,
				t.records, t.requests, t.errors, t.retries, t.fallbacks, t.cache_hits, t.accepted, t.unpriced,
				t.unmatched, t.cost, t.list_cost, t.charge, t.failed_cost, t.retry_cost, t.fallback_cost,
				t.estimated_cost,
				t.usage::text, t.usage_reversed::text, t.cost_by_unit::text
			FROM live t
		) UNION ALL (
			SELECT t.day,
				t.assignment, t.invoice_period, t.api_key, t.provider, t.model, t.endpoint, t.service_tier,
				t.region, t.customer, t.workflow, t.status, t.currency, t.list_currency, t.charge_currency,
				t.records, t.requests, t.errors, t.retries, t.fallbacks, t.cache_hits, t.accepted, t.unpriced,
				t.unmatched, t.cost, t.list_cost, t.charge, t.failed_cost, t.retry_cost, t.fallback_cost,
				t.estimated_cost,
				t.usage::text, t.usage_reversed::text, t.cost_by_unit::text
			FROM live t
			EXCEPT ALL
			SELECT t.day,
				t.assignment, t.invoice_period, t.api_key, t.provider, t.model, t.endpoint, t.service_tier,
				t.region, t.customer, t.workflow, t.status, t.currency, t.list_currency, t.charge_currency,
				t.records, t.requests, t.errors, t.retries, t.fallbacks, t.cache_hits, t.accepted, t.unpriced,
				t.unmatched, t.cost, t.list_cost, t.charge, t.failed_cost, t.retry_cost, t.fallback_cost,
				t.estimated_cost,
				t.usage::text, t.usage_reversed::text, t.cost_by_unit::text
			FROM ledger t
		)
	), total AS (
		SELECT 'ledger' AS side, m.measure, m.value
		FROM ledger t
		CROSS JOIN LATERAL (VALUES
			('records', t.records, NULL), ('requests', t.requests, NULL), ('errors', t.errors, NULL),
			('retries', t.retries, NULL), ('fallbacks', t.fallbacks, NULL), ('cache_hits', t.cache_hits, NULL),
			('accepted', t.accepted, NULL), ('unpriced', t.unpriced, NULL), ('unmatched', t.unmatched, NULL),
			('cost', t.cost, t.currency), ('failed_cost', t.failed_cost, t.currency),
			('retry_cost', t.retry_cost, t.currency), ('fallback_cost', t.fallback_cost, t.currency),
			('estimated_cost', t.estimated_cost, t.currency), ('list_cost', t.list_cost, t.list_currency),
			('charge', t.charge, t.charge_currency)
		) v (measure, value, currency)
		CROSS JOIN LATERAL (SELECT CASE WHEN v.currency IS NULL THEN v.measure ELSE v.measure || ' ' || v.currency END AS measure,
			v.value) m
		UNION ALL
		SELECT 'ledger', 'usage ' || n.unit, n.quantity FROM ledger t CROSS JOIN LATERAL aiusage.unnest_usage(t.usage) n
		UNION ALL
		SELECT 'ledger', 'usage_reversed ' || n.unit, n.quantity FROM ledger t CROSS JOIN LATERAL aiusage.unnest_usage(t.usage_reversed) n
		UNION ALL
		SELECT 'ledger', 'cost of ' || n.unit || ' ' || t.currency, n.cost::numeric
		FROM ledger t CROSS JOIN LATERAL aiusage.unnest_costs(t.cost_by_unit) n
		UNION ALL
		SELECT 'rollup' AS side, m.measure, m.value
		FROM live t
		CROSS JOIN LATERAL (VALUES
			('records', t.records, NULL), ('requests', t.requests, NULL), ('errors', t.errors, NULL),
			('retries', t.retries, NULL), ('fallbacks', t.fallbacks, NULL), ('cache_hits', t.cache_hits, NULL),
			('accepted', t.accepted, NULL), ('unpriced', t.unpriced, NULL), ('unmatched', t.unmatched, NULL),
			('cost', t.cost, t.currency), ('failed_cost', t.failed_cost, t.currency),
			('retry_cost', t.retry_cost, t.currency), ('fallback_cost', t.fallback_cost, t.currency),
			('estimated_cost', t.estimated_cost, t.currency), ('list_cost', t.list_cost, t.list_currency),
			('charge', t.charge, t.charge_currency)
		) v (measure, value, currency)
		CROSS JOIN LATERAL (SELECT CASE WHEN v.currency IS NULL THEN v.measure ELSE v.measure || ' ' || v.currency END AS measure,
			v.value) m
		UNION ALL
		SELECT 'rollup', 'usage ' || n.unit, n.quantity FROM live t CROSS JOIN LATERAL aiusage.unnest_usage(t.usage) n
		UNION ALL
		SELECT 'rollup', 'usage_reversed ' || n.unit, n.quantity FROM live t CROSS JOIN LATERAL aiusage.unnest_usage(t.usage_reversed) n
		UNION ALL
		SELECT 'rollup', 'cost of ' || n.unit || ' ' || t.currency, n.cost::numeric
		FROM live t CROSS JOIN LATERAL aiusage.unnest_costs(t.cost_by_unit) n
	), summed AS (
		SELECT t.measure, sum(t.value) FILTER (WHERE t.side = 'ledger') AS ledger,
			sum(t.value) FILTER (WHERE t.side = 'rollup') AS rollup
		FROM total t
		GROUP BY t.measure
	)
	SELECT 'rollup_daily: ' || s.measure, s.ledger IS NOT DISTINCT FROM s.rollup,
		trim_scale(s.ledger)::text, trim_scale(s.rollup)::text,
		'rollup_daily and the rows not folded yet against the ledger'::text
	FROM summed s
	UNION ALL
	SELECT 'rollup_daily: every day and dimension set', count(*) = 0, '0', count(*)::text,
		'Rows that differ between ledger and rollup, both ways'
			|| coalesce('; the first: ' || min(concat_ws(' ', d.day, d.api_key, d.provider, d.model, d.cost, d.currency)), '')
	FROM difference d
	ORDER BY 1;

	RETURN QUERY
	SELECT c.check_name, c.wrong = 0, '0', c.wrong::text, c.meaning || coalesce('; the first: ' || c.first, '')
	FROM (
		SELECT count(*) FILTER (WHERE r.cost IS NOT NULL
				AND r.cost::numeric <> coalesce(aiusage.total(r.cost_by_unit)::numeric, 0)) AS components,
			min(r.id::text) FILTER (WHERE r.cost IS NOT NULL
				AND r.cost::numeric <> coalesce(aiusage.total(r.cost_by_unit)::numeric, 0)) AS components_first,
			count(*) FILTER (WHERE r.cost IS NOT NULL
				AND aiusage.currency(r.cost) <> aiusage.currency(r.cost_by_unit)) AS currencies,
			min(r.id::text) FILTER (WHERE r.cost IS NOT NULL
				AND aiusage.currency(r.cost) <> aiusage.currency(r.cost_by_unit)) AS currencies_first,
			count(*) FILTER (WHERE r.kind IN ('usage', 'reversal') AND (
				(r.cost IS NULL) <> (r.cost_state = 'unpriced')
				OR (r.unpriced_reason IS NOT NULL) <> (r.cost_state = 'unpriced'))) AS states,
			min(r.id::text) FILTER (WHERE r.kind IN ('usage', 'reversal') AND (
				(r.cost IS NULL) <> (r.cost_state = 'unpriced')
				OR (r.unpriced_reason IS NOT NULL) <> (r.cost_state = 'unpriced'))) AS states_first,
			count(*) FILTER (WHERE c.calendar IS NULL
				OR r.invoice_period % 100000 NOT BETWEEN 1 * 12 AND 8333 * 12) AS periods,
			min(r.id::text) FILTER (WHERE c.calendar IS NULL
				OR r.invoice_period % 100000 NOT BETWEEN 1 * 12 AND 8333 * 12) AS periods_first,
			count(*) FILTER (WHERE r.assignment IS NOT NULL AND a.assignment IS NULL) AS assignments,
			min(r.id::text) FILTER (WHERE r.assignment IS NOT NULL AND a.assignment IS NULL) AS assignments_first
		FROM aiusage.usage_record r
		LEFT JOIN aiusage.billing_calendar c ON c.calendar = r.invoice_period / 100000
		LEFT JOIN aiusage.key_assignment a ON a.assignment = r.assignment
	) w
	CROSS JOIN LATERAL (VALUES
		('ledger: components add up to cost', w.components, w.components_first,
			'Rows whose cost_by_unit does not add up to their cost'),
		('ledger: one currency a row', w.currencies, w.currencies_first,
			'Rows whose components are in another currency than their cost'),
		('ledger: unpriced says why', w.states, w.states_first,
			'Rows without cost that are not unpriced with a reason, or the reverse'),
		('ledger: invoice periods', w.periods, w.periods_first,
			'Rows whose invoice period is of no billing calendar'),
		('ledger: assignments', w.assignments, w.assignments_first,
			'Rows whose assignment does not exist')
	) c (check_name, wrong, first, meaning);

	RETURN QUERY
	-- a warning: those rows count as any other
	SELECT 'ledger: default partition is empty', true, '0', count(*)::text,
		CASE WHEN count(*) = 0 THEN 'Rows that no partition was made for'
			ELSE 'WARNING: these rows have no partition of their own; aiusage.make_partitions(from_at, to_at) makes one and moves them' END
	FROM aiusage.usage_record_default r;

	RETURN QUERY
	SELECT 'rollup_dimension: ids are those of the values', count(*) = 0, '0', count(*)::text,
		'Dimension sets stored under another id than their values have'
	FROM aiusage.rollup_dimension d
	WHERE d.dimension <> aiusage.dimension_id(d.assignment, d.invoice_period, d.api_key, d.provider, d.model, d.endpoint,
		d.service_tier, d.region, d.customer, d.workflow, d.status::text, d.currency, d.list_currency, d.charge_currency);

	RETURN QUERY
	SELECT 'rollup_dimension: every rollup row has one', count(*) = 0, '0', count(*)::text,
		'Rollup rows whose dimension set is missing'
	FROM (
		SELECT r.dimension FROM aiusage.rollup_15m r
		UNION ALL
		SELECT r.dimension FROM aiusage.rollup_daily r
	) r
	WHERE NOT EXISTS (SELECT 1 FROM aiusage.rollup_dimension d WHERE d.dimension = r.dimension);
END
$$;
COMMENT ON FUNCTION aiusage.owner_verify() IS
	'What aiusage.verify() does, as the owner of the books';
