/*
 * Rollups: the fold, and the functions that the rollup tables and views use.
 */

-- Pure helpers: executable by everybody, because views run them as their reader.

CREATE FUNCTION aiusage.dimension_id(assignment bigint, invoice_period integer,
	api_key text, provider text, model text, endpoint text, service_tier text, region text,
	customer text, workflow text, status text, currency text, list_currency text, charge_currency text,
	status_class text, tags text)
RETURNS uuid
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_dimension_id';
COMMENT ON FUNCTION aiusage.dimension_id(bigint, integer, text, text, text, text, text, text, text, text, text, text, text, text, text, text) IS
	'Id of a set of rollup dimension values: the first 128 bits of SHA-256 over them, NULLs and lengths unambiguous. Never NULL';

CREATE FUNCTION aiusage.tag_set(tags jsonb, at timestamptz, rules jsonb)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_rollup_tag_set';
COMMENT ON FUNCTION aiusage.tag_set(jsonb, timestamptz, jsonb) IS
	'Those of a request''s tags that were declared at a time by the rules of aiusage.tag_rules, as a JSON object of strings in order of their names; a value that its tag may not have is (other). NULL: none';

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
