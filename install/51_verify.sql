/*
 * verify(): the rollups equal the ledger, and the ledger agrees with itself.
 * Limits have their checks in 52_verify_quotas.sql.
 */

CREATE FUNCTION aiusage.verify(OUT check_name text, OUT ok boolean, OUT expected text, OUT actual text, OUT detail text)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.verify() IS
	'Proves that every rollup equals the ledger, measure by measure, unit by unit and set by set, that components add up to cost, that states agree, that the counters of every limit equal the ledger, and more: one row a check. Reads the whole ledger; changes nothing, so runs on a standby too';

CREATE FUNCTION aiusage.owner_verify(OUT check_name text, OUT ok boolean, OUT expected text, OUT actual text, OUT detail text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET work_mem = '64MB'
AS $$
#variable_conflict use_column
DECLARE
	level record;
BEGIN
	-- Both sides in one statement, so in one snapshot, whatever is booked and folded meanwhile.
	FOR level IN SELECT * FROM (VALUES ('rollup_15m', 'rollup_live', 'bucket'), ('rollup_daily', 'rollup_daily_live', 'day'))
			AS l (rollup, live, at)
	LOOP
		RETURN QUERY EXECUTE replace(replace(replace($query$
		WITH both_sides AS (
			SELECT true AS of_ledger, s.{time}, s.assignment, s.invoice_period, s.api_key, s.provider, s.model,
				s.endpoint, s.service_tier, s.region, coalesce(s.customer, a.customer) AS customer,
				coalesce(s.workflow, a.workflow) AS workflow, s.status, s.currency, s.list_currency,
				s.charge_currency, s.records, s.requests, s.errors, s.retries, s.fallbacks, s.cache_hits,
				s.accepted, s.unpriced, s.unmatched, s.cost, s.list_cost, s.charge, s.failed_cost, s.retry_cost,
				s.fallback_cost, s.estimated_cost, s.usage, s.usage_reversed, s.billed,
				s.billed_reversed, s.cost_by_unit
			FROM aiusage.rollup_source s
			LEFT JOIN aiusage.key_assignment a ON a.assignment = s.assignment
			UNION ALL
			SELECT false AS of_ledger, s.{time}, s.assignment, s.invoice_period, s.api_key, s.provider, s.model,
				s.endpoint, s.service_tier, s.region, coalesce(s.customer, a.customer) AS customer,
				coalesce(s.workflow, a.workflow) AS workflow, s.status, s.currency, s.list_currency,
				s.charge_currency, s.records, s.requests, s.errors, s.retries, s.fallbacks, s.cache_hits,
				s.accepted, s.unpriced, s.unmatched, s.cost, s.list_cost, s.charge, s.failed_cost, s.retry_cost,
				s.fallback_cost, s.estimated_cost, s.usage, s.usage_reversed, s.billed,
				s.billed_reversed, s.cost_by_unit
			FROM aiusage.{live} s
			LEFT JOIN aiusage.key_assignment a ON a.assignment = s.assignment
		), sets AS MATERIALIZED (
			SELECT b.{time},
				b.assignment, b.invoice_period, b.api_key, b.provider, b.model, b.endpoint, b.service_tier,
				b.region, b.customer, b.workflow, b.status, b.currency, b.list_currency, b.charge_currency,
				sum(b.records) FILTER (WHERE b.of_ledger) AS l_records,
				sum(b.requests) FILTER (WHERE b.of_ledger) AS l_requests,
				sum(b.errors) FILTER (WHERE b.of_ledger) AS l_errors,
				sum(b.retries) FILTER (WHERE b.of_ledger) AS l_retries,
				sum(b.fallbacks) FILTER (WHERE b.of_ledger) AS l_fallbacks,
				sum(b.cache_hits) FILTER (WHERE b.of_ledger) AS l_cache_hits,
				sum(b.accepted) FILTER (WHERE b.of_ledger) AS l_accepted,
				sum(b.unpriced) FILTER (WHERE b.of_ledger) AS l_unpriced,
				sum(b.unmatched) FILTER (WHERE b.of_ledger) AS l_unmatched,
				sum(b.cost) FILTER (WHERE b.of_ledger) AS l_cost,
				sum(b.list_cost) FILTER (WHERE b.of_ledger) AS l_list_cost,
				sum(b.charge) FILTER (WHERE b.of_ledger) AS l_charge,
				sum(b.failed_cost) FILTER (WHERE b.of_ledger) AS l_failed_cost,
				sum(b.retry_cost) FILTER (WHERE b.of_ledger) AS l_retry_cost,
				sum(b.fallback_cost) FILTER (WHERE b.of_ledger) AS l_fallback_cost,
				sum(b.estimated_cost) FILTER (WHERE b.of_ledger) AS l_estimated_cost,
				aiusage.sum(b.usage) FILTER (WHERE b.of_ledger) AS l_usage,
				aiusage.sum(b.usage_reversed) FILTER (WHERE b.of_ledger) AS l_usage_reversed,
				aiusage.sum(b.billed) FILTER (WHERE b.of_ledger) AS l_billed,
				aiusage.sum(b.billed_reversed) FILTER (WHERE b.of_ledger) AS l_billed_reversed,
				aiusage.sum(b.cost_by_unit) FILTER (WHERE b.of_ledger) AS l_cost_by_unit,
				sum(b.records) FILTER (WHERE NOT b.of_ledger) AS r_records,
				sum(b.requests) FILTER (WHERE NOT b.of_ledger) AS r_requests,
				sum(b.errors) FILTER (WHERE NOT b.of_ledger) AS r_errors,
				sum(b.retries) FILTER (WHERE NOT b.of_ledger) AS r_retries,
				sum(b.fallbacks) FILTER (WHERE NOT b.of_ledger) AS r_fallbacks,
				sum(b.cache_hits) FILTER (WHERE NOT b.of_ledger) AS r_cache_hits,
				sum(b.accepted) FILTER (WHERE NOT b.of_ledger) AS r_accepted,
				sum(b.unpriced) FILTER (WHERE NOT b.of_ledger) AS r_unpriced,
				sum(b.unmatched) FILTER (WHERE NOT b.of_ledger) AS r_unmatched,
				sum(b.cost) FILTER (WHERE NOT b.of_ledger) AS r_cost,
				sum(b.list_cost) FILTER (WHERE NOT b.of_ledger) AS r_list_cost,
				sum(b.charge) FILTER (WHERE NOT b.of_ledger) AS r_charge,
				sum(b.failed_cost) FILTER (WHERE NOT b.of_ledger) AS r_failed_cost,
				sum(b.retry_cost) FILTER (WHERE NOT b.of_ledger) AS r_retry_cost,
				sum(b.fallback_cost) FILTER (WHERE NOT b.of_ledger) AS r_fallback_cost,
				sum(b.estimated_cost) FILTER (WHERE NOT b.of_ledger) AS r_estimated_cost,
				aiusage.sum(b.usage) FILTER (WHERE NOT b.of_ledger) AS r_usage,
				aiusage.sum(b.usage_reversed) FILTER (WHERE NOT b.of_ledger) AS r_usage_reversed,
				aiusage.sum(b.billed) FILTER (WHERE NOT b.of_ledger) AS r_billed,
				aiusage.sum(b.billed_reversed) FILTER (WHERE NOT b.of_ledger) AS r_billed_reversed,
				aiusage.sum(b.cost_by_unit) FILTER (WHERE NOT b.of_ledger) AS r_cost_by_unit
			FROM both_sides b
			GROUP BY b.{time},
				b.assignment, b.invoice_period, b.api_key, b.provider, b.model, b.endpoint, b.service_tier,
				b.region, b.customer, b.workflow, b.status, b.currency, b.list_currency, b.charge_currency
		), total AS MATERIALIZED (
			SELECT t.currency, t.list_currency, t.charge_currency, sum(t.l_records) AS l_records,
				sum(t.l_requests) AS l_requests, sum(t.l_errors) AS l_errors, sum(t.l_retries) AS l_retries,
				sum(t.l_fallbacks) AS l_fallbacks, sum(t.l_cache_hits) AS l_cache_hits,
				sum(t.l_accepted) AS l_accepted, sum(t.l_unpriced) AS l_unpriced,
				sum(t.l_unmatched) AS l_unmatched, sum(t.l_cost) AS l_cost, sum(t.l_list_cost) AS l_list_cost,
				sum(t.l_charge) AS l_charge, sum(t.l_failed_cost) AS l_failed_cost,
				sum(t.l_retry_cost) AS l_retry_cost, sum(t.l_fallback_cost) AS l_fallback_cost,
				sum(t.l_estimated_cost) AS l_estimated_cost, sum(t.r_records) AS r_records,
				sum(t.r_requests) AS r_requests, sum(t.r_errors) AS r_errors, sum(t.r_retries) AS r_retries,
				sum(t.r_fallbacks) AS r_fallbacks, sum(t.r_cache_hits) AS r_cache_hits,
				sum(t.r_accepted) AS r_accepted, sum(t.r_unpriced) AS r_unpriced,
				sum(t.r_unmatched) AS r_unmatched, sum(t.r_cost) AS r_cost, sum(t.r_list_cost) AS r_list_cost,
				sum(t.r_charge) AS r_charge, sum(t.r_failed_cost) AS r_failed_cost,
				sum(t.r_retry_cost) AS r_retry_cost, sum(t.r_fallback_cost) AS r_fallback_cost,
				sum(t.r_estimated_cost) AS r_estimated_cost, aiusage.sum(t.l_usage) AS l_usage,
				aiusage.sum(t.l_usage_reversed) AS l_usage_reversed,
				aiusage.sum(t.l_cost_by_unit) AS l_cost_by_unit, aiusage.sum(t.r_usage) AS r_usage,
				aiusage.sum(t.r_usage_reversed) AS r_usage_reversed,
				aiusage.sum(t.r_cost_by_unit) AS r_cost_by_unit
			FROM sets t
			GROUP BY t.currency, t.list_currency, t.charge_currency
		), measure AS (
			SELECT v.measure || coalesce(' ' || v.currency, '') AS measure, v.ledger, v.rollup
			FROM total t
			CROSS JOIN LATERAL (VALUES
				('records', t.l_records, t.r_records, NULL), ('requests', t.l_requests, t.r_requests, NULL),
				('errors', t.l_errors, t.r_errors, NULL), ('retries', t.l_retries, t.r_retries, NULL),
				('fallbacks', t.l_fallbacks, t.r_fallbacks, NULL),
				('cache_hits', t.l_cache_hits, t.r_cache_hits, NULL),
				('accepted', t.l_accepted, t.r_accepted, NULL), ('unpriced', t.l_unpriced, t.r_unpriced, NULL),
				('unmatched', t.l_unmatched, t.r_unmatched, NULL), ('cost', t.l_cost, t.r_cost, t.currency),
				('failed_cost', t.l_failed_cost, t.r_failed_cost, t.currency),
				('retry_cost', t.l_retry_cost, t.r_retry_cost, t.currency),
				('fallback_cost', t.l_fallback_cost, t.r_fallback_cost, t.currency),
				('estimated_cost', t.l_estimated_cost, t.r_estimated_cost, t.currency),
				('list_cost', t.l_list_cost, t.r_list_cost, t.list_currency),
				('charge', t.l_charge, t.r_charge, t.charge_currency)
			) v (measure, ledger, rollup, currency)
			UNION ALL
			SELECT 'usage ' || n.unit, n.quantity, NULL::numeric FROM total t CROSS JOIN LATERAL aiusage.unnest_usage(t.l_usage) n
			UNION ALL
			SELECT 'usage ' || n.unit, NULL, n.quantity FROM total t CROSS JOIN LATERAL aiusage.unnest_usage(t.r_usage) n
			UNION ALL
			SELECT 'usage_reversed ' || n.unit, n.quantity, NULL::numeric FROM total t CROSS JOIN LATERAL aiusage.unnest_usage(t.l_usage_reversed) n
			UNION ALL
			SELECT 'usage_reversed ' || n.unit, NULL, n.quantity FROM total t CROSS JOIN LATERAL aiusage.unnest_usage(t.r_usage_reversed) n
			UNION ALL
			SELECT 'cost of ' || n.unit || ' ' || t.currency, n.cost, NULL::numeric FROM total t CROSS JOIN LATERAL aiusage.unnest_costs(t.l_cost_by_unit) n
			UNION ALL
			SELECT 'cost of ' || n.unit || ' ' || t.currency, NULL, n.cost FROM total t CROSS JOIN LATERAL aiusage.unnest_costs(t.r_cost_by_unit) n
		)
		SELECT '{rollup}: ' || m.measure, coalesce(sum(m.ledger), 0) = coalesce(sum(m.rollup), 0),
			trim_scale(coalesce(sum(m.ledger), 0))::text, trim_scale(coalesce(sum(m.rollup), 0))::text,
			'The ledger against {rollup} and the rows not folded yet'::text
		FROM measure m
		GROUP BY m.measure
		UNION ALL
		SELECT '{rollup}: every {time} and dimension set', count(*) = 0, '0', count(*)::text,
			'Sets of which any measure differs between ledger and rollup, or that only one of them has'
				|| coalesce('; the first: ' || min(concat_ws(' ', t.{time}, t.api_key, t.provider, t.model, t.currency)), '')
		FROM sets t
		WHERE t.l_records IS DISTINCT FROM t.r_records
			OR t.l_requests IS DISTINCT FROM t.r_requests
			OR t.l_errors IS DISTINCT FROM t.r_errors
			OR t.l_retries IS DISTINCT FROM t.r_retries
			OR t.l_fallbacks IS DISTINCT FROM t.r_fallbacks
			OR t.l_cache_hits IS DISTINCT FROM t.r_cache_hits
			OR t.l_accepted IS DISTINCT FROM t.r_accepted
			OR t.l_unpriced IS DISTINCT FROM t.r_unpriced
			OR t.l_unmatched IS DISTINCT FROM t.r_unmatched
			OR t.l_cost IS DISTINCT FROM t.r_cost
			OR t.l_list_cost IS DISTINCT FROM t.r_list_cost
			OR t.l_charge IS DISTINCT FROM t.r_charge
			OR t.l_failed_cost IS DISTINCT FROM t.r_failed_cost
			OR t.l_retry_cost IS DISTINCT FROM t.r_retry_cost
			OR t.l_fallback_cost IS DISTINCT FROM t.r_fallback_cost
			OR t.l_estimated_cost IS DISTINCT FROM t.r_estimated_cost
			OR coalesce(t.l_usage::text, '{}') <> coalesce(t.r_usage::text, '{}')
			OR coalesce(t.l_usage_reversed::text, '{}') <> coalesce(t.r_usage_reversed::text, '{}')
			OR coalesce(t.l_billed::text, '{}') <> coalesce(t.r_billed::text, '{}')
			OR coalesce(t.l_billed_reversed::text, '{}') <> coalesce(t.r_billed_reversed::text, '{}')
			OR coalesce(t.l_cost_by_unit::text, '{}') <> coalesce(t.r_cost_by_unit::text, '{}')
		ORDER BY 1
		$query$, '{rollup}', level.rollup), '{live}', level.live), '{time}', level.at);
	END LOOP;

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
			count(*) FILTER (WHERE NOT aiusage.period_exists(r.invoice_period)) AS periods,
			min(r.id::text) FILTER (WHERE NOT aiusage.period_exists(r.invoice_period)) AS periods_first,
			count(*) FILTER (WHERE r.assignment IS NOT NULL AND a.assignment IS NULL) AS assignments,
			min(r.id::text) FILTER (WHERE r.assignment IS NOT NULL AND a.assignment IS NULL) AS assignments_first
		FROM aiusage.usage_record r
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
	SELECT c.check_name, c.wrong = 0, '0', c.wrong::text, c.meaning || coalesce('; the first: ' || c.first, '')
	FROM (
		SELECT count(*) FILTER (WHERE s.original_kind IS DISTINCT FROM 'usage'
				AND s.adjusts >= (SELECT b.retained_from FROM aiusage.books AS b)) AS strays,
			min(s.adjusts::text) FILTER (WHERE s.original_kind IS DISTINCT FROM 'usage'
				AND s.adjusts >= (SELECT b.retained_from FROM aiusage.books AS b)) AS strays_first,
			count(*) FILTER (WHERE s.reversals > 1) AS twice,
			min(s.adjusts::text) FILTER (WHERE s.reversals > 1) AS twice_first,
			count(*) FILTER (WHERE s.priced > 1 OR s.priced = 1 AND s.original_state <> 'unpriced') AS priced,
			min(s.adjusts::text) FILTER (WHERE s.priced > 1 OR s.priced = 1 AND s.original_state <> 'unpriced') AS priced_first,
			count(*) FILTER (WHERE s.reversals = 1 AND s.original_cost + s.cost <> 0) AS remains,
			min(s.adjusts::text) FILTER (WHERE s.reversals = 1 AND s.original_cost + s.cost <> 0) AS remains_first
		FROM (
			SELECT r.adjusts, o.kind AS original_kind, o.cost_state AS original_state, coalesce(o.cost::numeric, 0) AS original_cost,
				count(*) FILTER (WHERE r.kind = 'reversal') AS reversals,
				count(*) FILTER (WHERE r.kind = 'adjustment' AND r.unpriced_reason IS NOT NULL) AS priced,
				coalesce(sum(r.cost::numeric) FILTER (WHERE r.kind IN ('reversal', 'adjustment')
					AND aiusage.currency(r.cost_by_unit) = aiusage.currency(o.cost_by_unit)), 0) AS cost
			FROM aiusage.usage_record AS r
			LEFT JOIN aiusage.usage_record AS o ON o.id = r.adjusts
			WHERE r.adjusts IS NOT NULL
			GROUP BY r.adjusts, o.kind, o.cost_state, o.cost
		) AS s
	) w
	CROSS JOIN LATERAL (VALUES
		('corrections: point at a usage row', w.strays, w.strays_first,
			'Rows that corrections point at and that are no usage rows'),
		('corrections: reversed at most once', w.twice, w.twice_first,
			'Rows that were taken back more than once'),
		('corrections: priced later at most once', w.priced, w.priced_first,
			'Rows that were given a price more than once, or that had one'),
		('corrections: nothing remains of what was reversed', w.remains, w.remains_first,
			'Reversed rows whose reversal and adjustments do not take back their cost')
	) c (check_name, wrong, first, meaning);

	RETURN QUERY
	SELECT 'reprice_job: adjustments are those of the ledger', count(*) = 0, '0', count(*)::text,
		'Jobs whose count or money differs from that of the rows with their correction' || coalesce('; the first: ' || min(d.job)::text, '')
	FROM (
		SELECT j.job
		FROM aiusage.reprice_job AS j
		LEFT JOIN aiusage.usage_record AS r ON r.correction = j.correction
		WHERE (SELECT b.retained_from FROM aiusage.books AS b) = '00000000-0000-0000-0000-000000000000'
		GROUP BY j.job
		HAVING j.rows_adjusted <> count(r.id)
			OR coalesce(sum(r.cost::numeric), 0) <> (SELECT coalesce(sum(p.difference), 0) FROM aiusage.reprice_report_rows(j.report) AS p)
			OR coalesce(sum(r.charge::numeric), 0) <> (SELECT coalesce(sum(p.charge_difference), 0) FROM aiusage.reprice_report_rows(j.report) AS p)
	) AS d;

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

	RETURN QUERY SELECT * FROM aiusage.owner_verify_statements();
	RETURN QUERY SELECT 'wallets agree with their journals', count(*) = 0, '0', count(*)::text,
		string_agg(format('wallet "%s": %s', w.wallet, w.problem), '; ') FROM aiusage.owner_verify_wallets() AS w;
	RETURN QUERY SELECT v.* FROM aiusage.owner_verify_quotas() v;
END
$$;
COMMENT ON FUNCTION aiusage.owner_verify() IS
	'What aiusage.verify() does, as the owner of the books';
