/*
 * What there is to do about prices: usage without one, what providers say
 * that usage costs, and reprices under way.  As the other views for people:
 * plain types, one grain, limited to what the reader may see.
 */

/*
 * Reads the ledger, but only rows that were booked unpriced: they, and what
 * corrects them, are in an index of their own (usage_record_adjusts).
 */
CREATE OR REPLACE VIEW aiusage.unpriced_usage WITH (security_barrier) AS
SELECT w.provider, w.model, w.service_tier, w.endpoint, w.region, w.unpriced_reason,
	w.requests, w.priced_now,
	aiusage.net_quantity(w.usage, NULL, 'input_tokens') AS input_tokens,
	aiusage.net_quantity(w.usage, NULL, 'cache_read_tokens') AS cache_read_tokens,
	aiusage.net_quantity(w.usage, NULL, 'cache_write_tokens') AS cache_write_tokens,
	aiusage.net_quantity(w.usage, NULL, 'output_tokens') AS output_tokens,
	aiusage.net_quantity(w.usage, NULL, 'output_reasoning_tokens') AS reasoning_tokens,
	w.usage::text AS usage,
	w.first_seen, w.last_seen, w.api_keys, w.teams, w.team_list,
	(SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END) AS as_of
FROM (
	SELECT u.provider, u.model, u.service_tier, u.endpoint, u.region, u.unpriced_reason::text AS unpriced_reason,
		count(*) AS requests,
		count(*) FILTER (WHERE aiusage.price_exists(u.api_key, u.assignment, u.customer, u.provider, u.model, u.usage, u.occurred_at,
			u.service_tier, u.endpoint, u.region)) AS priced_now,
		aiusage.sum(u.usage) AS usage,
		min(u.occurred_at) AS first_seen, max(u.occurred_at) AS last_seen,
		count(DISTINCT u.api_key) AS api_keys,
		count(DISTINCT coalesce(a.team, '(unmatched)')) AS teams,
		string_agg(DISTINCT coalesce(a.team, '(unmatched)'), ', ' ORDER BY coalesce(a.team, '(unmatched)')) AS team_list
	FROM aiusage.usage_record AS u
	LEFT JOIN aiusage.key_assignment AS a ON a.assignment = u.assignment
	WHERE u.cost_state = 'unpriced' AND u.kind = 'usage'
		AND NOT EXISTS (SELECT FROM aiusage.usage_record AS r WHERE r.adjusts = u.id AND r.adjusts IS NOT NULL
			AND (r.kind = 'reversal' OR r.kind = 'adjustment' AND r.unpriced_reason IS NOT NULL))
		AND ((SELECT aiusage.sees_everything())
			OR a.team = ANY ((SELECT aiusage.visible_teams())::text[])
			OR a.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
			OR coalesce(u.customer, a.customer) = ANY ((SELECT aiusage.visible_customers())::text[]))
	GROUP BY 1, 2, 3, 4, 5, 6
) AS w;

COMMENT ON VIEW aiusage.unpriced_usage IS 'Work list: usage that has no cost because no price was known, live. Grain: one row a (provider, model, service_tier, endpoint, region, unpriced_reason). aiusage.price_unpriced() books what a price exists for by now';
COMMENT ON COLUMN aiusage.unpriced_usage.provider IS 'Provider, as booked';
COMMENT ON COLUMN aiusage.unpriced_usage.model IS 'Model, as booked';
COMMENT ON COLUMN aiusage.unpriced_usage.service_tier IS 'Service tier served; NULL: standard';
COMMENT ON COLUMN aiusage.unpriced_usage.endpoint IS 'Endpoint; NULL: not said';
COMMENT ON COLUMN aiusage.unpriced_usage.region IS 'Region; NULL: not said';
COMMENT ON COLUMN aiusage.unpriced_usage.unpriced_reason IS 'Why there was no price when it was booked; docs/pricing.md says what to do about each';
COMMENT ON COLUMN aiusage.unpriced_usage.requests IS 'Requests that have no price yet';
COMMENT ON COLUMN aiusage.unpriced_usage.priced_now IS 'Of them, those that a price exists for by now, in the book of their key and at their time';
COMMENT ON COLUMN aiusage.unpriced_usage.input_tokens IS 'Input tokens of these requests, cached and multimodal ones included';
COMMENT ON COLUMN aiusage.unpriced_usage.cache_read_tokens IS 'Of them, read from the provider''s cache';
COMMENT ON COLUMN aiusage.unpriced_usage.cache_write_tokens IS 'Of them, written to the provider''s cache';
COMMENT ON COLUMN aiusage.unpriced_usage.output_tokens IS 'Output tokens, reasoning included';
COMMENT ON COLUMN aiusage.unpriced_usage.reasoning_tokens IS 'Of them, reasoning';
COMMENT ON COLUMN aiusage.unpriced_usage.usage IS 'Every unit used, as JSON text';
COMMENT ON COLUMN aiusage.unpriced_usage.first_seen IS 'Time of the first of these requests';
COMMENT ON COLUMN aiusage.unpriced_usage.last_seen IS 'Time of the last one';
COMMENT ON COLUMN aiusage.unpriced_usage.api_keys IS 'How many keys made them';
COMMENT ON COLUMN aiusage.unpriced_usage.teams IS 'How many teams are affected, of those the reader may see; (unmatched) is one';
COMMENT ON COLUMN aiusage.unpriced_usage.team_list IS 'Their ids, separated by commas';
COMMENT ON COLUMN aiusage.unpriced_usage.as_of IS 'What had committed by then is included';

CREATE OR REPLACE VIEW aiusage.provider_cost_differences WITH (security_barrier) AS
SELECT u.id, u.occurred_at, u.api_key, a.team, a.cost_center, coalesce(u.customer, a.customer) AS customer,
	u.provider, u.provider_account, u.model, u.service_tier, u.request_id, u.provider_request_id,
	u.provider_cost::numeric AS provider_cost, aiusage.currency(u.provider_cost) AS provider_cost_currency,
	s.cost, aiusage.currency(u.cost_by_unit) AS currency,
	CASE WHEN aiusage.currency(u.provider_cost) = aiusage.currency(u.cost_by_unit) THEN s.cost - u.provider_cost::numeric END AS difference,
	CASE WHEN aiusage.currency(u.provider_cost) = aiusage.currency(u.cost_by_unit)
		THEN round(s.cost / nullif(u.provider_cost::numeric, 0), 6) END AS ratio,
	s.cost_state, u.price_version
FROM aiusage.usage_record AS u
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = u.assignment
CROSS JOIN LATERAL (
	SELECT coalesce(u.cost::numeric + coalesce(sum(r.cost::numeric) FILTER (WHERE r.kind = 'adjustment'), 0),
			sum(r.cost::numeric) FILTER (WHERE r.kind = 'adjustment')) AS cost,
		coalesce(min(r.cost_state) FILTER (WHERE r.kind = 'adjustment' AND r.unpriced_reason IS NOT NULL), u.cost_state)::text AS cost_state,
		bool_or(r.kind = 'reversal') AS reversed
	FROM aiusage.usage_record AS r
	WHERE r.adjusts = u.id AND aiusage.currency(r.cost_by_unit) = aiusage.currency(u.cost_by_unit)
) AS s
WHERE u.provider_cost IS NOT NULL AND u.kind = 'usage' AND s.reversed IS NOT TRUE
	AND ((SELECT aiusage.sees_everything())
		OR a.team = ANY ((SELECT aiusage.visible_teams())::text[])
		OR a.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
		OR coalesce(u.customer, a.customer) = ANY ((SELECT aiusage.visible_customers())::text[]));

COMMENT ON VIEW aiusage.provider_cost_differences IS 'What the provider or gateway reported beside what the ledger says, of requests that came with a provider_cost and were not taken back. Grain: one row a request. Filter on occurred_at: it reads the ledger';
COMMENT ON COLUMN aiusage.provider_cost_differences.id IS 'Id of the ledger row';
COMMENT ON COLUMN aiusage.provider_cost_differences.occurred_at IS 'When the request happened';
COMMENT ON COLUMN aiusage.provider_cost_differences.api_key IS 'Label of the key';
COMMENT ON COLUMN aiusage.provider_cost_differences.team IS 'Team that owned the key at that time; NULL: unmatched';
COMMENT ON COLUMN aiusage.provider_cost_differences.cost_center IS 'Cost center at that time';
COMMENT ON COLUMN aiusage.provider_cost_differences.customer IS 'Customer: the request''s own, else the assignment''s';
COMMENT ON COLUMN aiusage.provider_cost_differences.provider IS 'Provider';
COMMENT ON COLUMN aiusage.provider_cost_differences.provider_account IS 'Account at the provider';
COMMENT ON COLUMN aiusage.provider_cost_differences.model IS 'Model that answered';
COMMENT ON COLUMN aiusage.provider_cost_differences.service_tier IS 'Service tier served';
COMMENT ON COLUMN aiusage.provider_cost_differences.request_id IS 'The gateway''s id of the request';
COMMENT ON COLUMN aiusage.provider_cost_differences.provider_request_id IS 'The provider''s id of the request';
COMMENT ON COLUMN aiusage.provider_cost_differences.provider_cost IS 'Cost as reported, in provider_cost_currency';
COMMENT ON COLUMN aiusage.provider_cost_differences.provider_cost_currency IS 'Currency of provider_cost';
COMMENT ON COLUMN aiusage.provider_cost_differences.cost IS 'Cost by our prices, its adjustments included, in currency; NULL: unpriced';
COMMENT ON COLUMN aiusage.provider_cost_differences.currency IS 'Currency of cost';
COMMENT ON COLUMN aiusage.provider_cost_differences.difference IS 'cost less provider_cost; NULL when unpriced or in different currencies';
COMMENT ON COLUMN aiusage.provider_cost_differences.ratio IS 'cost / provider_cost, to 6 decimals; NULL as difference, and when provider_cost is 0';
COMMENT ON COLUMN aiusage.provider_cost_differences.cost_state IS 'final, estimated or unpriced, as it stands';
COMMENT ON COLUMN aiusage.provider_cost_differences.price_version IS 'Price version it was booked under';

CREATE OR REPLACE VIEW aiusage.provider_cost_daily WITH (security_barrier) AS
SELECT d.day, d.provider, d.model, d.currency, d.provider_cost_currency, d.requests, d.unpriced, d.estimated,
	d.provider_cost, d.cost, d.unpriced_provider_cost,
	CASE WHEN d.provider_cost_currency = d.currency THEN d.cost - d.provider_cost END AS difference,
	CASE WHEN d.provider_cost_currency = d.currency THEN round(d.cost / nullif(d.provider_cost, 0), 6) END AS ratio,
	(SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END) AS as_of
FROM (
	SELECT (u.occurred_at AT TIME ZONE coalesce(c.time_zone, 'UTC'))::date AS day, u.provider, u.model,
		aiusage.currency(u.cost_by_unit) AS currency, aiusage.currency(u.provider_cost) AS provider_cost_currency,
		count(*) AS requests,
		count(*) FILTER (WHERE u.cost IS NULL AND s.priced_as IS NULL) AS unpriced,
		count(*) FILTER (WHERE coalesce(s.priced_as, u.cost_state) = 'estimated') AS estimated,
		coalesce(sum(u.provider_cost::numeric) FILTER (WHERE u.cost IS NOT NULL OR s.priced_as IS NOT NULL), 0) AS provider_cost,
		coalesce(sum(u.provider_cost::numeric) FILTER (WHERE u.cost IS NULL AND s.priced_as IS NULL), 0) AS unpriced_provider_cost,
		coalesce(sum(coalesce(u.cost::numeric, 0) + coalesce(s.cost, 0)), 0) AS cost
	FROM aiusage.usage_record AS u
	LEFT JOIN aiusage.billing_calendar AS c ON c.calendar = u.invoice_period / 100000
	LEFT JOIN aiusage.key_assignment AS a ON a.assignment = u.assignment
	LEFT JOIN (
		SELECT r.adjusts, aiusage.currency(r.cost_by_unit) AS currency,
			sum(r.cost::numeric) FILTER (WHERE r.kind = 'adjustment') AS cost,
			min(r.cost_state) FILTER (WHERE r.kind = 'adjustment' AND r.unpriced_reason IS NOT NULL) AS priced_as,
			bool_or(r.kind = 'reversal') AS reversed
		FROM aiusage.usage_record AS r
		WHERE r.adjusts IS NOT NULL AND r.kind IN ('adjustment', 'reversal')
		GROUP BY 1, 2
	) AS s ON s.adjusts = u.id AND s.currency = aiusage.currency(u.cost_by_unit)
	WHERE u.provider_cost IS NOT NULL AND u.kind = 'usage' AND s.reversed IS NOT TRUE
		AND ((SELECT aiusage.sees_everything())
			OR a.team = ANY ((SELECT aiusage.visible_teams())::text[])
			OR a.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
			OR coalesce(u.customer, a.customer) = ANY ((SELECT aiusage.visible_customers())::text[]))
	GROUP BY 1, 2, 3, 4, 5
) AS d;

COMMENT ON VIEW aiusage.provider_cost_daily IS 'aiusage.provider_cost_differences summed up. Grain: one row a (day, provider, model, currency, provider_cost_currency). Reads every row that came with a provider_cost';
COMMENT ON COLUMN aiusage.provider_cost_daily.day IS 'Business day: date in the zone of the row''s billing calendar';
COMMENT ON COLUMN aiusage.provider_cost_daily.provider IS 'Provider';
COMMENT ON COLUMN aiusage.provider_cost_daily.model IS 'Model that answered';
COMMENT ON COLUMN aiusage.provider_cost_daily.currency IS 'Currency of cost';
COMMENT ON COLUMN aiusage.provider_cost_daily.provider_cost_currency IS 'Currency of provider_cost and unpriced_provider_cost';
COMMENT ON COLUMN aiusage.provider_cost_daily.requests IS 'Requests that came with a provider_cost';
COMMENT ON COLUMN aiusage.provider_cost_daily.unpriced IS 'Of them, those that we have no price for';
COMMENT ON COLUMN aiusage.provider_cost_daily.estimated IS 'Of them, those whose cost rests on estimated counters';
COMMENT ON COLUMN aiusage.provider_cost_daily.provider_cost IS 'What the provider reported for those we have a price for';
COMMENT ON COLUMN aiusage.provider_cost_daily.cost IS 'What the same cost by our prices, adjustments included';
COMMENT ON COLUMN aiusage.provider_cost_daily.unpriced_provider_cost IS 'What the provider reported for those we have no price for';
COMMENT ON COLUMN aiusage.provider_cost_daily.difference IS 'cost less provider_cost; NULL in different currencies';
COMMENT ON COLUMN aiusage.provider_cost_daily.ratio IS 'cost / provider_cost, to 6 decimals; NULL in different currencies and when provider_cost is 0';
COMMENT ON COLUMN aiusage.provider_cost_daily.as_of IS 'What had committed by then is included';

CREATE OR REPLACE VIEW aiusage.reprice_progress WITH (security_barrier) AS
SELECT j.job, j.action, j.status, j.correction, c.reason, c.ticket, j.filters::text AS filters, j.version AS price_version,
	j.rows_seen, j.rows_adjusted, j.batches,
	CASE WHEN j.status = 'done' THEN 100
		WHEN j.last_id = '00000000-0000-0000-0000-000000000000' OR j.reads_to <= j.reads_from THEN 0
		ELSE round(100 * least(1, greatest(0, extract(epoch FROM aiusage.id_time(j.last_id) - j.reads_from)
			/ extract(epoch FROM j.reads_to - j.reads_from))), 1) END AS percent,
	CASE WHEN j.last_id <> '00000000-0000-0000-0000-000000000000' THEN aiusage.id_time(j.last_id) END AS done_up_to,
	j.started_at, j.last_batch_at, j.finished_at, j.role
FROM aiusage.reprice_job AS j
JOIN aiusage.correction AS c ON c.correction = j.correction;

COMMENT ON VIEW aiusage.reprice_progress IS 'Reprice jobs and how far they are, as of their last batch. Grain: one row a job';
COMMENT ON COLUMN aiusage.reprice_progress.job IS 'Number of the job';
COMMENT ON COLUMN aiusage.reprice_progress.action IS 'reprice or price_unpriced';
COMMENT ON COLUMN aiusage.reprice_progress.status IS 'open (CALL aiusage.run_reprice(job) goes on), done or cancelled';
COMMENT ON COLUMN aiusage.reprice_progress.correction IS 'Correction that its rows name';
COMMENT ON COLUMN aiusage.reprice_progress.reason IS 'Why, in words';
COMMENT ON COLUMN aiusage.reprice_progress.ticket IS 'Ticket or approval';
COMMENT ON COLUMN aiusage.reprice_progress.filters IS 'Which rows, as JSON text';
COMMENT ON COLUMN aiusage.reprice_progress.price_version IS 'Version it prices under; NULL: prices as they are';
COMMENT ON COLUMN aiusage.reprice_progress.rows_seen IS 'Rows looked at so far';
COMMENT ON COLUMN aiusage.reprice_progress.rows_adjusted IS 'Adjustment rows booked so far';
COMMENT ON COLUMN aiusage.reprice_progress.batches IS 'Batches done, a transaction each';
COMMENT ON COLUMN aiusage.reprice_progress.percent IS 'How far through the time it reads it is, which says how much is left where usage is even';
COMMENT ON COLUMN aiusage.reprice_progress.done_up_to IS 'Time of the last row it looked at; NULL: none yet';
COMMENT ON COLUMN aiusage.reprice_progress.started_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.reprice_progress.last_batch_at IS 'When its last batch was done: long ago and open means that nobody runs it';
COMMENT ON COLUMN aiusage.reprice_progress.finished_at IS 'When it was done or cancelled';
COMMENT ON COLUMN aiusage.reprice_progress.role IS 'Role that entered it';

CREATE OR REPLACE VIEW aiusage.reprice_report WITH (security_barrier) AS
SELECT j.job, j.status, r.*
FROM aiusage.reprice_job AS j
CROSS JOIN LATERAL aiusage.reprice_report_rows(j.report) AS r;

COMMENT ON VIEW aiusage.reprice_report IS 'What reprice jobs have changed so far, as aiusage.reprice() reports it. Grain: one row a (job, team, currency, list_currency, charge_currency)';
COMMENT ON COLUMN aiusage.reprice_report.job IS 'Number of the job';
COMMENT ON COLUMN aiusage.reprice_report.status IS 'open, done or cancelled';
COMMENT ON COLUMN aiusage.reprice_report.team IS 'Team of the rows';
COMMENT ON COLUMN aiusage.reprice_report.row_count IS 'Rows that the filters selected and that are not reversed';
COMMENT ON COLUMN aiusage.reprice_report.changed IS 'Of them, those that an adjustment was booked for';
COMMENT ON COLUMN aiusage.reprice_report.no_price IS 'Of them, those without a price under the target: their cost was left as it is';
COMMENT ON COLUMN aiusage.reprice_report.other_currency IS 'Of them, those whose prices are in another currency: left as they are';
COMMENT ON COLUMN aiusage.reprice_report.currency IS 'Currency of the costs';
COMMENT ON COLUMN aiusage.reprice_report.old_cost IS 'What the rows cost before, earlier adjustments included';
COMMENT ON COLUMN aiusage.reprice_report.new_cost IS 'What they cost after';
COMMENT ON COLUMN aiusage.reprice_report.difference IS 'new_cost less old_cost: the sum of the adjustments';
COMMENT ON COLUMN aiusage.reprice_report.list_currency IS 'Currency of the list costs';
COMMENT ON COLUMN aiusage.reprice_report.old_list_cost IS 'List cost before';
COMMENT ON COLUMN aiusage.reprice_report.new_list_cost IS 'List cost after';
COMMENT ON COLUMN aiusage.reprice_report.list_difference IS 'new_list_cost less old_list_cost';
COMMENT ON COLUMN aiusage.reprice_report.charge_currency IS 'Currency of the charges; NULL: nothing is charged';
COMMENT ON COLUMN aiusage.reprice_report.old_charge IS 'Charge before';
COMMENT ON COLUMN aiusage.reprice_report.new_charge IS 'Charge after';
COMMENT ON COLUMN aiusage.reprice_report.charge_difference IS 'new_charge less old_charge';
