/*
 * What has become of the ledger's partitions, and what dropped ones held.
 *
 *		rollup = sealed + raw, always
 *
 * A partition that is due goes through states, a transaction each, so that a
 * crash between two leaves nothing half done:
 *
 *	 kept		it is in the ledger; held_by says why it stays
 *	 frozen		no row comes into it any more: ids of its range are refused
 *	 sealed		its sums are in the tables here; it is still in the ledger
 *	 detached	it is out of the ledger, and counts as its sums
 *	 dropped	the table is gone
 */

CREATE TABLE aiusage.ledger_partition (
	number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	partition text NOT NULL UNIQUE,
	lower_at timestamptz NOT NULL,
	upper_at timestamptz NOT NULL,
	state text NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'frozen', 'sealed', 'detached', 'dropped')),
	checked_at timestamptz,
	held_by text,
	frozen_at timestamptz,
	sealed_at timestamptz,
	sealed_limits text[],
	waits_for text[],
	detached_at timestamptz,
	dropped_at timestamptz,
	records bigint,
	bytes bigint,
	CONSTRAINT ledger_partition_range CHECK (lower_at < upper_at)
);
COMMENT ON TABLE aiusage.ledger_partition IS 'Partitions of the ledger that retention has looked at, and those it has dropped. Written by aiusage.enforce_retention()';
COMMENT ON COLUMN aiusage.ledger_partition.number IS 'Number that its sealed sums carry';
COMMENT ON COLUMN aiusage.ledger_partition.partition IS 'Name of the table';
COMMENT ON COLUMN aiusage.ledger_partition.lower_at IS 'First time of its ids';
COMMENT ON COLUMN aiusage.ledger_partition.upper_at IS 'Time of the first id after it';
COMMENT ON COLUMN aiusage.ledger_partition.state IS 'kept; frozen: takes no rows any more; sealed: its sums are stored; detached: they stand for it; dropped';
COMMENT ON COLUMN aiusage.ledger_partition.checked_at IS 'When it was looked at last; NULL: not yet';
COMMENT ON COLUMN aiusage.ledger_partition.held_by IS 'What kept it from its next state then; NULL: nothing';
COMMENT ON COLUMN aiusage.ledger_partition.frozen_at IS 'When it was frozen; NULL: it is not';
COMMENT ON COLUMN aiusage.ledger_partition.sealed_at IS 'When its sums were stored; NULL: they are not';
COMMENT ON COLUMN aiusage.ledger_partition.sealed_limits IS 'The limits, as number:epoch, whose counters were sealed with it; NULL: it is not sealed';
COMMENT ON COLUMN aiusage.ledger_partition.waits_for IS 'Virtual transactions that were open after it was sealed, and may look at the books as they were before; it is not detached before they have ended. NULL: not looked yet';
COMMENT ON COLUMN aiusage.ledger_partition.detached_at IS 'When it left the ledger; NULL: it did not';
COMMENT ON COLUMN aiusage.ledger_partition.dropped_at IS 'When the table was dropped; NULL: it was not';
COMMENT ON COLUMN aiusage.ledger_partition.records IS 'Ledger rows it held when it was sealed; NULL: it was not';
COMMENT ON COLUMN aiusage.ledger_partition.bytes IS 'Its size on disk when it was sealed, indexes included; NULL: it was not';

-- What its rows had added to the rollup: the same measures, whatever a release adds to them.
CREATE TABLE aiusage.sealed_15m (
	partition_number int NOT NULL REFERENCES aiusage.ledger_partition (number),
	LIKE aiusage.rollup_15m INCLUDING DEFAULTS INCLUDING COMMENTS,
	PRIMARY KEY (partition_number, bucket, dimension)
);
COMMENT ON TABLE aiusage.sealed_15m IS 'What the rows of a dropped partition had added to rollup_15m, so that verify() can prove it and a rebuild keeps it. Measures as in rollup_15m';
COMMENT ON COLUMN aiusage.sealed_15m.partition_number IS 'The partition (aiusage.ledger_partition)';

CREATE TABLE aiusage.sealed_total (
	partition_number int NOT NULL REFERENCES aiusage.ledger_partition (number),
	invoice_period int NOT NULL,
	currency text NOT NULL,
	list_currency text NOT NULL,
	charge_currency text NOT NULL,
	records bigint NOT NULL,
	requests bigint NOT NULL,
	cost numeric NOT NULL,
	list_cost numeric NOT NULL,
	charge numeric NOT NULL,
	PRIMARY KEY (partition_number, invoice_period, currency, list_currency, charge_currency)
);
COMMENT ON TABLE aiusage.sealed_total IS 'Totals of a dropped partition by invoice period and currencies, summed from its rows apart from sealed_15m; verify() compares the two';
COMMENT ON COLUMN aiusage.sealed_total.partition_number IS 'The partition (aiusage.ledger_partition)';
COMMENT ON COLUMN aiusage.sealed_total.invoice_period IS 'Invoice period the rows were billed in';
COMMENT ON COLUMN aiusage.sealed_total.currency IS 'Currency of cost (ISO 4217)';
COMMENT ON COLUMN aiusage.sealed_total.list_currency IS 'Currency of list_cost (ISO 4217)';
COMMENT ON COLUMN aiusage.sealed_total.charge_currency IS 'Currency of charge (ISO 4217); empty: nothing was charged';
COMMENT ON COLUMN aiusage.sealed_total.records IS 'Ledger rows of every kind';
COMMENT ON COLUMN aiusage.sealed_total.requests IS 'Requests: usage rows less reversals';
COMMENT ON COLUMN aiusage.sealed_total.cost IS 'Sum of cost, in currency';
COMMENT ON COLUMN aiusage.sealed_total.list_cost IS 'Sum of list_cost (cost itself where a row has none of its own), in list_currency';
COMMENT ON COLUMN aiusage.sealed_total.charge IS 'Sum of charge, in charge_currency; 0 where nothing was charged';

-- What its rows had added to rollup_latency.  By day first: a rebuild asks for one.
CREATE TABLE aiusage.sealed_latency (
	partition_number int NOT NULL REFERENCES aiusage.ledger_partition (number),
	LIKE aiusage.rollup_latency INCLUDING DEFAULTS INCLUDING COMMENTS,
	UNIQUE NULLS NOT DISTINCT (day, partition_number, team, cost_center, provider, model, endpoint, service_tier, region, status)
);
COMMENT ON TABLE aiusage.sealed_latency IS 'What the rows of a dropped partition had added to rollup_latency, so that verify() can prove it and a rebuild keeps it. Counts as in rollup_latency';
COMMENT ON COLUMN aiusage.sealed_latency.partition_number IS 'The partition (aiusage.ledger_partition)';

-- What counters of limits have of rows that no longer say it: dropped, or without the identifier that they were counted by.
CREATE TABLE aiusage.sealed_quota (
	partition_number int REFERENCES aiusage.ledger_partition (number),
	quota int NOT NULL,
	labels text[] NOT NULL,
	window_start bigint NOT NULL,
	starts_at timestamptz NOT NULL,
	ends_at timestamptz NOT NULL,
	used numeric NOT NULL
);
CREATE INDEX sealed_quota_quota ON aiusage.sealed_quota (quota);
COMMENT ON TABLE aiusage.sealed_quota IS 'What counters of limits count of rows that no longer say it: of a dropped partition, or of rows whose identifiers were erased. A counter is what the ledger says and this';
COMMENT ON COLUMN aiusage.sealed_quota.partition_number IS 'The partition (aiusage.ledger_partition); NULL: of rows whose identifiers were erased, what they had charged less what they charge without';
COMMENT ON COLUMN aiusage.sealed_quota.quota IS 'The limit';
COMMENT ON COLUMN aiusage.sealed_quota.labels IS 'Whom the counter is of: the values of the limit''s per';
COMMENT ON COLUMN aiusage.sealed_quota.window_start IS 'Window, as quota_usage.window_start';
COMMENT ON COLUMN aiusage.sealed_quota.starts_at IS 'Start of the window';
COMMENT ON COLUMN aiusage.sealed_quota.ends_at IS 'End of the window; infinity: none';
COMMENT ON COLUMN aiusage.sealed_quota.used IS 'Amount, in the limit''s currency or unit, of either sign';
