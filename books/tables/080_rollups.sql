/*
 * The rollups: sums of the ledger that are always exact with it, because every
 * view adds the rows that are not in them yet (books/views/50_rollup_views.sql).
 * Written by aiusage.refresh() only; docs/rollups.md has the argument.
 */

-- What is folded: the snapshot of the last fold.
CREATE TABLE aiusage.fold_state (
	only_row		boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	boundary		bigint NOT NULL,
	running			bigint[] NOT NULL,
	folded_at		timestamptz,
	folds			bigint NOT NULL DEFAULT 0,
	rows_folded		bigint NOT NULL DEFAULT 0,
	last_rows		bigint NOT NULL DEFAULT 0,
	cuts			bigint[] NOT NULL DEFAULT '{}',
	quotas_pruned_at	timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 20, autovacuum_vacuum_scale_factor = 0);

COMMENT ON TABLE aiusage.fold_state IS
	'One row: which ledger rows are in the rollups. A fold locks it first, so folds are one after the other; readers never wait for it';
COMMENT ON COLUMN aiusage.fold_state.only_row IS 'Always true: there is one row';
COMMENT ON COLUMN aiusage.fold_state.boundary IS
	'First transaction that the last fold''s snapshot knew nothing of, as usage_record.txid: incarnation of the books << 48 | transaction id with epoch. 0 before the first fold';
COMMENT ON COLUMN aiusage.fold_state.running IS
	'Transactions below the boundary that had not ended in that snapshot, as usage_record.txid, ascending; prepared transactions included. A ledger row is not folded yet when its txid is at or above the boundary, or among these';
COMMENT ON COLUMN aiusage.fold_state.folded_at IS 'When the last fold that left nothing behind took its snapshot: all that had been committed by then is folded; NULL before the first one';
COMMENT ON COLUMN aiusage.fold_state.folds IS 'Folds so far, those that found nothing included; of a fold in chunks each';
COMMENT ON COLUMN aiusage.fold_state.rows_folded IS 'Ledger rows folded so far';
COMMENT ON COLUMN aiusage.fold_state.last_rows IS 'Ledger rows that the last fold, or chunk, took';
COMMENT ON COLUMN aiusage.fold_state.cuts IS 'While a fold is far behind: the transactions, ascending, as usage_record.txid, before which its next chunks end. Any would be right; these hold about as many rows each as setting fold_rows says';

COMMENT ON COLUMN aiusage.fold_state.quotas_pruned_at IS
	'When the windows of limits that were long over were thrown away last; aiusage.quota_kept() says which';

INSERT INTO aiusage.fold_state (boundary, running) VALUES (0, '{}');

-- What the sums are about.  A set of values has one id, whoever computes it.
CREATE TABLE aiusage.rollup_dimension (
	dimension		uuid PRIMARY KEY,
	assignment		bigint,
	invoice_period	integer,
	api_key			text NOT NULL,
	provider		text NOT NULL,
	model			text NOT NULL,
	endpoint		text,
	service_tier	text,
	region			text,
	customer		text,
	workflow		text,
	status			aiusage.usage_status NOT NULL,
	currency		text NOT NULL,
	list_currency	text NOT NULL,
	charge_currency	text,
	status_class	text,
	tags			text
);

COMMENT ON TABLE aiusage.rollup_dimension IS
	'One row a set of dimension values that occurs in the rollups. Never updated';
COMMENT ON COLUMN aiusage.rollup_dimension.dimension IS
	'aiusage.dimension_id() of the other columns: 128 bits of SHA-256, NULLs and lengths unambiguous; aiusage.verify() compares';
COMMENT ON COLUMN aiusage.rollup_dimension.assignment IS
	'Assignment of the key at the time of the request (team, cost center, project, environment are one join away); NULL: unmatched';
COMMENT ON COLUMN aiusage.rollup_dimension.invoice_period IS 'Invoice period the rows are billed in';
COMMENT ON COLUMN aiusage.rollup_dimension.api_key IS 'Key, by its label';
COMMENT ON COLUMN aiusage.rollup_dimension.provider IS 'Provider';
COMMENT ON COLUMN aiusage.rollup_dimension.model IS 'Model as served';
COMMENT ON COLUMN aiusage.rollup_dimension.endpoint IS 'Endpoint; NULL: not said';
COMMENT ON COLUMN aiusage.rollup_dimension.service_tier IS 'Service tier as served; NULL: not said';
COMMENT ON COLUMN aiusage.rollup_dimension.region IS 'Region; NULL: not said';
COMMENT ON COLUMN aiusage.rollup_dimension.customer IS 'What the request said, else the assignment''s customer; NULL: none';
COMMENT ON COLUMN aiusage.rollup_dimension.workflow IS 'What the request said, else the assignment''s workflow; NULL: none';
COMMENT ON COLUMN aiusage.rollup_dimension.status IS 'How the request ended';
COMMENT ON COLUMN aiusage.rollup_dimension.currency IS 'Currency of cost and its parts (ISO 4217)';
COMMENT ON COLUMN aiusage.rollup_dimension.list_currency IS 'Currency of list_cost (ISO 4217)';
COMMENT ON COLUMN aiusage.rollup_dimension.charge_currency IS 'Currency of charge (ISO 4217); NULL: nothing is charged';
COMMENT ON COLUMN aiusage.rollup_dimension.status_class IS 'Class of the HTTP status: 1xx to 5xx; NULL: not said';
COMMENT ON COLUMN aiusage.rollup_dimension.tags IS 'Tags that were declared at the time (aiusage.tag_declaration), as a JSON object of strings in order of their names; NULL: none';

/*
 * The levels.  All have the same measures, said once; a level is a table here, a
 * line in rollup_levels() (install/50_rollup_levels.sql) and one in
 * books/views/50_rollup_views.sql.
 *
 * Rows of the current quarter hour, and of the current day, are updated by every
 * fold: room on each page, so that they stay on it (HOT).
 */
DO $levels$
DECLARE
	measures constant text := '
	records			bigint NOT NULL,
	requests		bigint NOT NULL,
	errors			bigint NOT NULL,
	retries			bigint NOT NULL,
	fallbacks		bigint NOT NULL,
	cache_hits		bigint NOT NULL,
	accepted		bigint NOT NULL,
	unpriced		bigint NOT NULL,
	unmatched		bigint NOT NULL,
	cost			numeric NOT NULL DEFAULT 0,
	list_cost		numeric NOT NULL DEFAULT 0,
	charge			numeric NOT NULL DEFAULT 0,
	failed_cost		numeric NOT NULL DEFAULT 0,
	retry_cost		numeric NOT NULL DEFAULT 0,
	fallback_cost	numeric NOT NULL DEFAULT 0,
	estimated_cost	numeric NOT NULL DEFAULT 0,
	usage			aiusage.usage NOT NULL,
	usage_reversed	aiusage.usage NOT NULL,
	billed			aiusage.usage NOT NULL,
	billed_reversed	aiusage.usage NOT NULL,
	cost_by_unit	aiusage.unit_costs NOT NULL';
	level record;
	meaning record;
BEGIN
	FOR level IN SELECT * FROM (VALUES
			('rollup_15m', 'bucket timestamptz NOT NULL, dimension uuid NOT NULL', 'PRIMARY KEY (bucket, dimension)', 80),
			('rollup_daily', 'day date NOT NULL, dimension uuid NOT NULL', 'PRIMARY KEY (day, dimension)', 70),
			('rollup_weekly', 'week date NOT NULL, dimension uuid NOT NULL', 'PRIMARY KEY (week, dimension)', 50),
			('rollup_monthly', 'month date NOT NULL, dimension uuid NOT NULL', 'PRIMARY KEY (month, dimension)', 50),
			('rollup_owner_daily', 'day date NOT NULL, team text, cost_center text, invoice_period integer, currency text NOT NULL, '
				'list_currency text NOT NULL, charge_currency text',
				'UNIQUE NULLS NOT DISTINCT (day, team, cost_center, invoice_period, currency, list_currency, charge_currency)', 50))
		AS l (rollup, key, primary_key, fillfactor)
	LOOP
		EXECUTE format('CREATE TABLE aiusage.%I (%s, %s, %s)
				WITH (fillfactor = %s, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)',
			level.rollup, level.key, measures, level.primary_key, level.fillfactor);
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
END
$levels$;

-- usage_hourly is asked for some hours, by this expression.
CREATE INDEX rollup_15m_hour ON aiusage.rollup_15m (date_bin('1 hour', bucket, '2000-01-01 00:00:00+00'));
-- Which days a dimension set has.
CREATE INDEX rollup_daily_dimension ON aiusage.rollup_daily (dimension, day);

COMMENT ON TABLE aiusage.rollup_15m IS
	'Sums of the ledger a quarter of an hour and dimension set: quarter hours, so that the days of every time zone add up';
COMMENT ON COLUMN aiusage.rollup_15m.bucket IS 'Start of the quarter hour of occurred_at';
COMMENT ON TABLE aiusage.rollup_daily IS
	'Sums of the ledger a business day and dimension set, made by the same folds as rollup_15m';
COMMENT ON COLUMN aiusage.rollup_daily.day IS 'Business day: the date of occurred_at in the time zone of the row''s billing calendar';
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
