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
BEGIN
	RETURN QUERY SELECT * FROM aiusage.owner_verify_rollups();
	RETURN QUERY SELECT * FROM aiusage.owner_verify_users();

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
				AND NOT s.dropped) AS strays,
			min(s.adjusts::text) FILTER (WHERE s.original_kind IS DISTINCT FROM 'usage'
				AND NOT s.dropped) AS strays_first,
			count(*) FILTER (WHERE s.reversals > 1) AS twice,
			min(s.adjusts::text) FILTER (WHERE s.reversals > 1) AS twice_first,
			count(*) FILTER (WHERE s.priced > 1 OR s.priced = 1 AND s.original_state <> 'unpriced') AS priced,
			min(s.adjusts::text) FILTER (WHERE s.priced > 1 OR s.priced = 1 AND s.original_state <> 'unpriced') AS priced_first,
			count(*) FILTER (WHERE s.reversals = 1 AND s.original_cost + s.cost <> 0) AS remains,
			min(s.adjusts::text) FILTER (WHERE s.reversals = 1 AND s.original_cost + s.cost <> 0) AS remains_first
		FROM (
			SELECT r.adjusts, EXISTS (SELECT FROM aiusage.sealed_partition AS p WHERE r.adjusts >= p.lower_id AND r.adjusts < p.upper_id) AS dropped,
				o.kind AS original_kind, o.cost_state AS original_state, coalesce(o.cost::numeric, 0) AS original_cost,
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
	SELECT 'sealed: sums of dropped partitions', count(*) = 0, '0', count(*)::text,
		'Partitions whose sealed sums are not the totals that were taken of their rows' || coalesce('; the first: ' || min(l.partition), '')
	FROM aiusage.ledger_partition AS l
	WHERE l.state IN ('sealed', 'detached', 'dropped') AND (
		l.records <> (SELECT coalesce(sum(s.records), 0) FROM aiusage.sealed_15m AS s WHERE s.partition_number = l.number)
		OR EXISTS (
			SELECT FROM (
				SELECT d.invoice_period, d.currency, d.list_currency, coalesce(d.charge_currency, '') AS charge_currency,
					s.records, s.requests, s.cost, s.list_cost, s.charge
				FROM aiusage.sealed_15m AS s JOIN aiusage.rollup_dimension AS d ON d.dimension = s.dimension
				WHERE s.partition_number = l.number
				UNION ALL
				SELECT t.invoice_period, t.currency, t.list_currency, t.charge_currency, - t.records, - t.requests, - t.cost, - t.list_cost, - t.charge
				FROM aiusage.sealed_total AS t WHERE t.partition_number = l.number
			) AS x
			GROUP BY x.invoice_period, x.currency, x.list_currency, x.charge_currency
			HAVING sum(x.records) <> 0 OR sum(x.requests) <> 0 OR sum(x.cost) <> 0 OR sum(x.list_cost) <> 0 OR sum(x.charge) <> 0));

	RETURN QUERY
	SELECT 'sealed: dropped partitions are gone', count(*) = 0, '0', count(*)::text,
		'Rows, in partitions that are kept or DEFAULT, with ids of a range that was dropped' || coalesce('; the first: ' || min(p.partition), '')
	FROM aiusage.sealed_partition AS p
	WHERE EXISTS (SELECT FROM aiusage.usage_record AS r WHERE r.id >= p.lower_id AND r.id < p.upper_id);

	RETURN QUERY SELECT * FROM aiusage.owner_verify_statements();
	RETURN QUERY SELECT 'wallets agree with their journals', count(*) = 0, '0', count(*)::text,
		string_agg(format('wallet "%s": %s', w.wallet, w.problem), '; ') FROM aiusage.owner_verify_wallets() AS w;
	RETURN QUERY SELECT v.* FROM aiusage.owner_verify_quotas() v;
END
$$;
COMMENT ON FUNCTION aiusage.owner_verify() IS
	'What aiusage.verify() does, as the owner of the books';
