/* 1.0 -> 1.1: levels of the rollups by week, by month, and by owner and day, filled from the quarter hours; folds in chunks. */

-- No fold runs from here to the end of init().
ALTER TABLE aiusage.fold_state ADD COLUMN cuts bigint[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN aiusage.fold_state.folded_at IS 'When the last fold that left nothing behind took its snapshot: all that had been committed by then is folded; NULL before the first one';
COMMENT ON COLUMN aiusage.fold_state.folds IS 'Folds so far, those that found nothing included; of a fold in chunks each';
COMMENT ON COLUMN aiusage.fold_state.last_rows IS 'Ledger rows that the last fold, or chunk, took';
COMMENT ON COLUMN aiusage.fold_state.cuts IS 'While a fold is far behind: the transactions, ascending, as usage_record.txid, before which its next chunks end. Any would be right; these hold about as many rows each as setting fold_rows says';

-- The set of settings is fixed, but for releases.
ALTER TABLE aiusage.setting DISABLE TRIGGER check_setting;
INSERT INTO aiusage.setting (name, value, meaning) VALUES
	('fold_rows', '250000', 'About how many ledger rows a fold takes at once (1000 to 100000000); what is more is folded in chunks, which maintain() commits one by one');
ALTER TABLE aiusage.setting ENABLE TRIGGER check_setting;

ALTER TABLE aiusage.rollup_dimension ADD COLUMN status_class text, ADD COLUMN tags text;
COMMENT ON COLUMN aiusage.rollup_dimension.status_class IS 'Class of the HTTP status: 1xx to 5xx; NULL: not said';
COMMENT ON COLUMN aiusage.rollup_dimension.tags IS 'Tags that were declared at the time (aiusage.tag_declaration), as a JSON object of strings in order of their names; NULL: none';

-- usage_hourly is asked for some hours, by this expression.
CREATE INDEX rollup_15m_hour ON aiusage.rollup_15m (date_bin('1 hour', bucket, '2000-01-01 00:00:00+00'));
-- Which days a dimension set has.
CREATE INDEX rollup_daily_dimension ON aiusage.rollup_daily (dimension, day);

-- The id of a set follows from all of its values, the new ones too.
DO $ids$
DECLARE
	new_ids constant text := '(SELECT dimension AS old_id, aiusage.dimension_id(assignment, invoice_period, api_key, provider, model, endpoint, service_tier, region, '
		'customer, workflow, status::text, currency, list_currency, charge_currency, status_class, tags) AS new_id FROM aiusage.rollup_dimension) AS i';
	rollup text;
BEGIN
	FOREACH rollup IN ARRAY ARRAY['rollup_15m', 'rollup_daily', 'rollup_dimension'] LOOP
		EXECUTE format('UPDATE aiusage.%I AS r SET dimension = i.new_id FROM %s WHERE r.dimension = i.old_id AND i.new_id <> i.old_id', rollup, new_ids);
	END LOOP;
END
$ids$;

DO $update$
DECLARE
	level record;
	meaning record;
BEGIN
	FOR level IN SELECT * FROM (VALUES
			('rollup_weekly', 'week date NOT NULL, dimension uuid NOT NULL', 'PRIMARY KEY (week, dimension)',
				'week, dimension', 'date_trunc(''week'', (d.bucket AT TIME ZONE coalesce(c.time_zone, ''UTC''))::date::timestamp)::date, d.dimension', '1, 2'),
			('rollup_monthly', 'month date NOT NULL, dimension uuid NOT NULL', 'PRIMARY KEY (month, dimension)',
				'month, dimension', 'aiusage.month_start((d.bucket AT TIME ZONE coalesce(c.time_zone, ''UTC''))::date,
					CASE WHEN c.unit IN (''month'', ''quarter'') THEN c.start_day ELSE 1 END), d.dimension', '1, 2'),
			('rollup_owner_daily', 'day date NOT NULL, team text, cost_center text, invoice_period integer, currency text NOT NULL, '
				'list_currency text NOT NULL, charge_currency text',
				'UNIQUE NULLS NOT DISTINCT (day, team, cost_center, invoice_period, currency, list_currency, charge_currency)',
				'day, team, cost_center, invoice_period, currency, list_currency, charge_currency',
				'(d.bucket AT TIME ZONE coalesce(c.time_zone, ''UTC''))::date, a.team, a.cost_center, g.invoice_period, g.currency, g.list_currency, g.charge_currency',
				'1, 2, 3, 4, 5, 6, 7'))
		AS l (rollup, key, primary_key, key_columns, of_quarter_hour, grouping)
	LOOP
		EXECUTE format('CREATE TABLE aiusage.%I (%s,
				records bigint NOT NULL,
				requests bigint NOT NULL,
				errors bigint NOT NULL,
				retries bigint NOT NULL,
				fallbacks bigint NOT NULL,
				cache_hits bigint NOT NULL,
				accepted bigint NOT NULL,
				unpriced bigint NOT NULL,
				unmatched bigint NOT NULL,
				cost numeric NOT NULL DEFAULT 0,
				list_cost numeric NOT NULL DEFAULT 0,
				charge numeric NOT NULL DEFAULT 0,
				failed_cost numeric NOT NULL DEFAULT 0,
				retry_cost numeric NOT NULL DEFAULT 0,
				fallback_cost numeric NOT NULL DEFAULT 0,
				estimated_cost numeric NOT NULL DEFAULT 0,
				usage aiusage.usage NOT NULL,
				usage_reversed aiusage.usage NOT NULL,
				billed aiusage.usage NOT NULL,
				billed_reversed aiusage.usage NOT NULL,
				cost_by_unit aiusage.unit_costs NOT NULL,
				%s) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)',
			level.rollup, level.key, level.primary_key);
		EXECUTE format('INSERT INTO aiusage.%I (%s,
				records, requests, errors, retries, fallbacks, cache_hits, accepted, unpriced, unmatched, cost, list_cost, charge, failed_cost, retry_cost, fallback_cost, estimated_cost, usage, usage_reversed, billed, billed_reversed, cost_by_unit)
			SELECT %s,
				sum(d.records)::bigint, sum(d.requests)::bigint, sum(d.errors)::bigint, sum(d.retries)::bigint, sum(d.fallbacks)::bigint, sum(d.cache_hits)::bigint, sum(d.accepted)::bigint, sum(d.unpriced)::bigint, sum(d.unmatched)::bigint,
				sum(d.cost), sum(d.list_cost), sum(d.charge), sum(d.failed_cost), sum(d.retry_cost), sum(d.fallback_cost), sum(d.estimated_cost),
				coalesce(aiusage.sum(d.usage), ''{}''::aiusage.usage), coalesce(aiusage.sum(d.usage_reversed), ''{}''::aiusage.usage), coalesce(aiusage.sum(d.billed), ''{}''::aiusage.usage), coalesce(aiusage.sum(d.billed_reversed), ''{}''::aiusage.usage),
				aiusage.sum(d.cost_by_unit)
			FROM aiusage.rollup_15m AS d JOIN aiusage.rollup_dimension AS g USING (dimension)
				LEFT JOIN aiusage.billing_calendar AS c ON c.calendar = g.invoice_period / 100000
				LEFT JOIN aiusage.key_assignment AS a ON a.assignment = g.assignment
			GROUP BY %s', level.rollup, level.key_columns, level.of_quarter_hour, level.grouping);
	END LOOP;

	FOR level IN SELECT * FROM unnest(ARRAY['rollup_15m', 'rollup_daily', 'rollup_weekly', 'rollup_monthly', 'rollup_owner_daily']) AS r (rollup) LOOP
		FOR meaning IN SELECT m.* FROM (VALUES
				('dimension', 'rollup_dimension.dimension'),
				('team', 'Team of the assignment at the time; NULL: none'),
				('cost_center', 'Cost center of the assignment at the time; NULL: none'),
				('invoice_period', 'Invoice period the rows are billed in'),
				('currency', 'Currency of cost and its parts (ISO 4217)'),
				('list_currency', 'Currency of list_cost (ISO 4217)'),
				('charge_currency', 'Currency of charge (ISO 4217); NULL: nothing is charged'),
				('records', 'Ledger rows of every kind: usage, reversals, adjustments and outcomes'),
				('requests', 'Requests: usage rows less reversals'),
				('errors', 'Requests whose status is not success (error, timeout or cancelled)'),
				('retries', 'Repeated attempts: requests with attempt above 1, plus the attempts inside an SDK that have no row (usage_record.retries)'),
				('fallbacks', 'Requests served by another route than the first choice (fallback_from is set)'),
				('cache_hits', 'Requests that the gateway answered from its own cache'),
				('accepted', 'Accepted results, as reported with the request or later by outcome rows'),
				('unpriced', 'Requests without a price: they are missing in every money column'),
				('unmatched', 'Requests whose key had no owner at that time'),
				('cost', 'Sum of cost, in currency of the set; reversals are minus, adjustments of either sign'),
				('list_cost', 'Sum of cost at list prices (cost itself where the row has none of its own), in its list_currency'),
				('charge', 'Sum of charges, in its charge_currency; 0 where nothing is charged'),
				('failed_cost', 'The part of cost whose status is not success'),
				('retry_cost', 'The part of cost of attempts above 1'),
				('fallback_cost', 'The part of cost of fallbacks'),
				('estimated_cost', 'The part of cost that rests on estimated usage (cost_state estimated)'),
				('usage', 'Sum of usage of usage rows, units inclusive of their parts'),
				('usage_reversed', 'Sum of usage of reversal rows: what was used is usage less usage_reversed'),
				('billed', 'Sum of the exclusive quantities that the components of cost_by_unit are for: cached tokens are not in input_tokens here'),
				('billed_reversed', 'The same of reversal rows'),
				('cost_by_unit', 'Sum of the cost components by unit; their total is cost'))
			AS m (name, text)
			JOIN pg_attribute AS a ON a.attrelid = to_regclass('aiusage.' || level.rollup) AND a.attname = m.name
		LOOP
			EXECUTE format('COMMENT ON COLUMN aiusage.%I.%I IS %L', level.rollup, meaning.name, meaning.text);
		END LOOP;
	END LOOP;

	-- what quarter hours do not know: latency, status classes
	IF EXISTS (SELECT FROM aiusage.rollup_15m) THEN
		RAISE WARNING USING MESSAGE = 'latency and status classes of usage folded before this update are not summed yet',
			HINT = 'CALL aiusage.rebuild_rollups(''update to 1.1''); it goes slice by slice beside traffic, and all other figures stay as they are meanwhile.';
	END IF;
END
$update$;

COMMENT ON TABLE aiusage.rollup_weekly IS
	'Sums of the ledger a week and dimension set, for views of weeks: made by the same folds';
COMMENT ON COLUMN aiusage.rollup_weekly.week IS 'Monday of the week that the business day is in';
COMMENT ON TABLE aiusage.rollup_monthly IS
	'Sums of the ledger a month and dimension set, for views of months: made by the same folds';
COMMENT ON COLUMN aiusage.rollup_monthly.month IS
	'First day of the month that the business day is in: where the row''s billing calendar begins its months or quarters on day N, so do these';
COMMENT ON TABLE aiusage.rollup_owner_daily IS
	'Sums of the ledger a business day, team, cost center and invoice period: as few rows as finance asks for, made by the same folds';
COMMENT ON COLUMN aiusage.rollup_owner_daily.day IS 'Business day: the date of occurred_at in the time zone of the row''s billing calendar';
