/*
 * What the rollups keep beyond the fixed dimensions: declared tags, and users.
 *
 * Both hold from a time on, by when a request happened, so that what is folded
 * and what is not yet agree.  Whoever writes here holds the row of fold_state
 * (install/50_levels.sql).
 */

CREATE TABLE aiusage.tag_declaration (
	declaration int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tag text NOT NULL CHECK (octet_length(tag) BETWEEN 1 AND 64),
	slot int NOT NULL CHECK (slot BETWEEN 1 AND 8),
	declared_from timestamptz NOT NULL CHECK (isfinite(declared_from)),
	declared_until timestamptz CHECK (isfinite(declared_until)),
	allowed_values text[] CHECK (cardinality(allowed_values) BETWEEN 1 AND 1000 AND array_position(allowed_values, NULL) IS NULL),
	max_values int NOT NULL DEFAULT 1000 CHECK (max_values BETWEEN 1 AND 100000),
	capped boolean NOT NULL DEFAULT false,
	retroactive boolean NOT NULL DEFAULT false,
	description text CHECK (octet_length(description) BETWEEN 1 AND 256),
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	created_by text NOT NULL DEFAULT current_user,
	CONSTRAINT tag_declaration_ends_after_start CHECK (declared_from <= declared_until),
	CONSTRAINT tag_declaration_one_at_a_time
		EXCLUDE USING gist (tag WITH =, tstzrange(declared_from, declared_until) WITH &&),
	CONSTRAINT tag_declaration_one_a_slot
		EXCLUDE USING gist (slot WITH =, tstzrange(declared_from, declared_until) WITH &&)
);
COMMENT ON TABLE aiusage.tag_declaration IS 'Which tags of requests the rollups keep apart, from when to when (aiusage.declare_tag(), withdraw_tag()): eight at a time, each in a slot. Immutable but for the end and the description';
COMMENT ON COLUMN aiusage.tag_declaration.declaration IS 'Number of the declaration';
COMMENT ON COLUMN aiusage.tag_declaration.tag IS 'Name of the tag, as in usage_record.tags';
COMMENT ON COLUMN aiusage.tag_declaration.slot IS 'Its column in the views: tag_1 to tag_8';
COMMENT ON COLUMN aiusage.tag_declaration.declared_from IS 'Requests that happened from then on are kept apart by the tag';
COMMENT ON COLUMN aiusage.tag_declaration.declared_until IS 'Requests that happened from then on are not; NULL: no end';
COMMENT ON COLUMN aiusage.tag_declaration.allowed_values IS 'Values that are kept apart; any other counts as (other). NULL: any value';
COMMENT ON COLUMN aiusage.tag_declaration.max_values IS 'Without a list of values: how many a day may have before aiusage.cap_tags() makes one of those that matter';
COMMENT ON COLUMN aiusage.tag_declaration.capped IS 'The list of values was made by aiusage.cap_tags(), because there were too many; aiusage.status() warns until somebody declares the tag anew';
COMMENT ON COLUMN aiusage.tag_declaration.retroactive IS 'Declared for usage that was in the rollups already: right once aiusage.rebuild_rollups() has gone over its days';
COMMENT ON COLUMN aiusage.tag_declaration.description IS 'What the tag says';
COMMENT ON COLUMN aiusage.tag_declaration.created_at IS 'When it was declared';
COMMENT ON COLUMN aiusage.tag_declaration.created_by IS 'Role that declared it';

CREATE TABLE aiusage.user_level (
	starts_at timestamptz PRIMARY KEY CHECK (isfinite(starts_at)),
	ends_at timestamptz CHECK (isfinite(ends_at)),
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	created_by text NOT NULL DEFAULT current_user,
	CONSTRAINT user_level_ends_after_start CHECK (starts_at <= ends_at),
	CONSTRAINT user_level_one_at_a_time EXCLUDE USING gist (tstzrange(starts_at, ends_at) WITH &&)
);
COMMENT ON TABLE aiusage.user_level IS 'From when to when usage is also summed by user (aiusage.enable_user_usage(), disable_user_usage()); empty: it is not. Immutable but for the end';
COMMENT ON COLUMN aiusage.user_level.starts_at IS 'Requests that happened from then on are summed by user';
COMMENT ON COLUMN aiusage.user_level.ends_at IS 'Requests that happened from then on are not; NULL: no end';
COMMENT ON COLUMN aiusage.user_level.created_at IS 'When it was switched on';
COMMENT ON COLUMN aiusage.user_level.created_by IS 'Role that switched it on';

-- Of people, so nothing beside what is asked for, and user_id a plain column, to be replaced.
CREATE TABLE aiusage.rollup_user_daily (
	day				date NOT NULL,
	user_id			text NOT NULL,
	assignment		bigint NOT NULL,
	customer		text NOT NULL,
	currency		text NOT NULL,
	charge_currency	text NOT NULL,
	records			bigint NOT NULL,
	requests		bigint NOT NULL,
	errors			bigint NOT NULL,
	accepted		bigint NOT NULL,
	unpriced		bigint NOT NULL,
	cost			numeric NOT NULL,
	failed_cost		numeric NOT NULL,
	charge			numeric NOT NULL,
	usage			aiusage.usage NOT NULL,
	usage_reversed	aiusage.usage NOT NULL,
	PRIMARY KEY (day, user_id, assignment, customer, currency, charge_currency)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

COMMENT ON TABLE aiusage.rollup_user_daily IS
	'Sums of the ledger a business day and user, of requests that name one, in the times of aiusage.user_level; made by the same folds as rollup_15m';
COMMENT ON COLUMN aiusage.rollup_user_daily.day IS 'Business day: the date of occurred_at in the time zone of the row''s billing calendar';
COMMENT ON COLUMN aiusage.rollup_user_daily.user_id IS 'End user, as the application names it; erasable';
COMMENT ON COLUMN aiusage.rollup_user_daily.assignment IS 'Assignment of the key at the time of the request; 0: unmatched';
COMMENT ON COLUMN aiusage.rollup_user_daily.customer IS 'What the request said, else the assignment''s customer; empty: none';
COMMENT ON COLUMN aiusage.rollup_user_daily.currency IS 'Currency of cost (ISO 4217)';
COMMENT ON COLUMN aiusage.rollup_user_daily.charge_currency IS 'Currency of charge (ISO 4217); empty: nothing is charged';
COMMENT ON COLUMN aiusage.rollup_user_daily.records IS 'Ledger rows of every kind: usage, reversals, adjustments and outcomes';
COMMENT ON COLUMN aiusage.rollup_user_daily.requests IS 'Requests: usage rows less reversals';
COMMENT ON COLUMN aiusage.rollup_user_daily.errors IS 'Requests whose status is not success (error, timeout or cancelled)';
COMMENT ON COLUMN aiusage.rollup_user_daily.accepted IS 'Accepted results, as reported with the request or later by outcome rows';
COMMENT ON COLUMN aiusage.rollup_user_daily.unpriced IS 'Requests without a price: they are missing in every money column';
COMMENT ON COLUMN aiusage.rollup_user_daily.cost IS 'Sum of cost, in currency; reversals are minus, adjustments of either sign';
COMMENT ON COLUMN aiusage.rollup_user_daily.failed_cost IS 'The part of cost whose status is not success';
COMMENT ON COLUMN aiusage.rollup_user_daily.charge IS 'Sum of charges, in charge_currency; 0 where nothing is charged';
COMMENT ON COLUMN aiusage.rollup_user_daily.usage IS 'Sum of usage of usage rows, units inclusive of their parts';
COMMENT ON COLUMN aiusage.rollup_user_daily.usage_reversed IS 'Sum of usage of reversal rows: what was used is usage less usage_reversed';

-- Sums that erasure has emptied, to be deleted: hardly ever any.
CREATE INDEX rollup_user_daily_empty ON aiusage.rollup_user_daily (day) WHERE records = 0;
