/*
 * Retention: what dropped partitions had, beside what the ledger has; and what
 * becomes of each partition.
 */

DROP TRIGGER IF EXISTS a_check_labels ON aiusage.retention_class;
CREATE TRIGGER a_check_labels BEFORE INSERT OR UPDATE ON aiusage.retention_class
	FOR EACH ROW EXECUTE FUNCTION aiusage.check_labels();
DROP TRIGGER IF EXISTS audit_change ON aiusage.retention_class;
CREATE TRIGGER audit_change AFTER INSERT OR UPDATE OR DELETE ON aiusage.retention_class
	FOR EACH ROW EXECUTE FUNCTION aiusage.audit_change();
-- Of an erasure, that it was asked for and how it ended; by its digest, never by the user.
DROP TRIGGER IF EXISTS audit_erasure ON aiusage.erasure;
CREATE TRIGGER audit_erasure AFTER INSERT OR UPDATE ON aiusage.erasure
	FOR EACH ROW EXECUTE FUNCTION aiusage.audit_erasure();
-- Of a partition, what was done to it; not every look at it.
DROP TRIGGER IF EXISTS audit_state ON aiusage.ledger_partition;
CREATE TRIGGER audit_state AFTER UPDATE ON aiusage.ledger_partition
	FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION aiusage.audit_change();
DROP TRIGGER IF EXISTS b_guard_rows ON aiusage.ledger_partition;
CREATE TRIGGER b_guard_rows BEFORE UPDATE OR DELETE ON aiusage.ledger_partition
	FOR EACH ROW EXECUTE FUNCTION aiusage.guard_ledger_partition();
DROP TRIGGER IF EXISTS b_guard_truncate ON aiusage.ledger_partition;
CREATE TRIGGER b_guard_truncate BEFORE TRUNCATE ON aiusage.ledger_partition
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.guard_ledger_partition();

CREATE OR REPLACE VIEW aiusage.key_retention WITH (security_barrier) AS
SELECT k.api_key, c.class, c.keep, c.keep_identifiers
FROM aiusage.api_key AS k
JOIN aiusage.retention_class AS c ON c.class = coalesce(k.retention_class,
	(SELECT n.class FROM aiusage.retention_class AS n WHERE n.class = k.class), 'default');
COMMENT ON VIEW aiusage.key_retention IS 'Retention class of every key; a key that is not entered has class default';
COMMENT ON COLUMN aiusage.key_retention.api_key IS 'The key';
COMMENT ON COLUMN aiusage.key_retention.class IS 'Its retention class (aiusage.retention_class)';
COMMENT ON COLUMN aiusage.key_retention.keep IS 'How long its ledger rows are kept; NULL: for ever';
COMMENT ON COLUMN aiusage.key_retention.keep_identifiers IS 'How long they keep their identifiers; NULL: as long as keep says';

/*
 * Which sealed partitions stand for rows is asked of the catalogue as it is
 * now (pg_partition_root() does), not as the statement's snapshot has it: the
 * planner, too, reads the partitions that there are now.
 */
CREATE OR REPLACE VIEW aiusage.sealed_partition AS
SELECT p.number, p.partition, p.sealed_at, aiusage.id_floor(p.lower_at) AS lower_id, aiusage.id_floor(p.upper_at) AS upper_id
FROM aiusage.ledger_partition AS p
WHERE p.state IN ('sealed', 'detached', 'dropped')
	AND pg_partition_root(to_regclass('aiusage.' || quote_ident(p.partition))) IS DISTINCT FROM to_regclass('aiusage.usage_record');
COMMENT ON VIEW aiusage.sealed_partition IS 'Internal. Partitions that are out of the ledger, whose sealed sums stand for their rows';

/*
 * rollup_truth: what the rollups have to add up to: every row of the ledger, and
 * every sealed sum in the same columns.  Made from the catalogue, so that a
 * measure or a dimension that rollup_source gets is here too.
 */
DO $do$
DECLARE
	columns text;
BEGIN
	SELECT string_agg(CASE
			WHEN c.attname = 'day' THEN '(s.bucket AT TIME ZONE coalesce(k.time_zone, ''UTC''))::date'
			WHEN c.attname = 'week' THEN 'date_trunc(''week'', (s.bucket AT TIME ZONE coalesce(k.time_zone, ''UTC''))::date::timestamp)::date'
			WHEN c.attname = 'month' THEN 'aiusage.month_start((s.bucket AT TIME ZONE coalesce(k.time_zone, ''UTC''))::date, '
				'CASE WHEN k.unit IN (''month'', ''quarter'') THEN k.start_day ELSE 1 END)'
			WHEN c.attname = 'occurred_at' THEN 's.bucket'
			WHEN EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = 'aiusage.sealed_15m'::regclass AND a.attname = c.attname
				AND a.attnum > 0 AND NOT a.attisdropped) THEN format('s.%I', c.attname)
			WHEN EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = 'aiusage.rollup_dimension'::regclass AND a.attname = c.attname
				AND a.attnum > 0 AND NOT a.attisdropped) THEN format('d.%I', c.attname)
			ELSE format('NULL::%s', format_type(c.atttypid, c.atttypmod)) END || format(' AS %I', c.attname), ', ' ORDER BY c.attnum)
	INTO columns
	FROM pg_attribute AS c
	WHERE c.attrelid = 'aiusage.rollup_source'::regclass AND c.attnum > 0 AND NOT c.attisdropped;
	EXECUTE format($view$
		CREATE OR REPLACE VIEW aiusage.rollup_truth AS
		SELECT * FROM aiusage.rollup_source
		UNION ALL
		SELECT %s
		FROM aiusage.sealed_15m AS s
		JOIN aiusage.sealed_partition AS p ON p.number = s.partition_number
		JOIN aiusage.rollup_dimension AS d ON d.dimension = s.dimension
		LEFT JOIN aiusage.billing_calendar AS k ON k.calendar = d.invoice_period / 100000
	$view$, columns);
END
$do$;
COMMENT ON VIEW aiusage.rollup_truth IS 'Internal. What the rollups have to add up to: rollup_source, and the sealed sums of dropped partitions as rows of it; columns that sums do not have are NULL there';

CREATE OR REPLACE VIEW aiusage.retention_status WITH (security_barrier) AS
SELECT coalesce(c.relname::text, p.partition) AS partition, coalesce(r.lower_at, p.lower_at) AS lower_at, coalesce(r.upper_at, p.upper_at) AS upper_at,
	coalesce(p.state, 'kept') AS state, p.held_by, p.checked_at,
	coalesce(p.records, nullif(c.reltuples, -1)::bigint) AS records, coalesce(pg_total_relation_size(c.oid), p.bytes) AS bytes,
	p.frozen_at, p.sealed_at, p.detached_at, p.dropped_at
FROM aiusage.partition_ranges() AS r
JOIN pg_class AS c ON c.oid = r.partition
FULL JOIN aiusage.ledger_partition AS p ON p.partition = c.relname;
COMMENT ON VIEW aiusage.retention_status IS 'What becomes of each partition of the ledger: one row a partition, dropped ones included';
COMMENT ON COLUMN aiusage.retention_status.partition IS 'Name of the table';
COMMENT ON COLUMN aiusage.retention_status.lower_at IS 'First time of its ids';
COMMENT ON COLUMN aiusage.retention_status.upper_at IS 'Time of the first id after it';
COMMENT ON COLUMN aiusage.retention_status.state IS 'kept; frozen: takes no rows any more; sealed: its sums are stored; detached: they stand for it; dropped';
COMMENT ON COLUMN aiusage.retention_status.held_by IS 'What kept it from its next state when it was looked at last; NULL: nothing, or not looked at yet';
COMMENT ON COLUMN aiusage.retention_status.checked_at IS 'When it was looked at last; NULL: not yet';
COMMENT ON COLUMN aiusage.retention_status.records IS 'Ledger rows in it: exact once it is sealed, before that PostgreSQL''s estimate; NULL: unknown';
COMMENT ON COLUMN aiusage.retention_status.bytes IS 'Size on disk with indexes; of a dropped one, what was freed';
COMMENT ON COLUMN aiusage.retention_status.frozen_at IS 'When it was frozen; NULL: it is not';
COMMENT ON COLUMN aiusage.retention_status.sealed_at IS 'When its sums were stored; NULL: they are not';
COMMENT ON COLUMN aiusage.retention_status.detached_at IS 'When it left the ledger; NULL: it did not';
COMMENT ON COLUMN aiusage.retention_status.dropped_at IS 'When the table was dropped; NULL: it was not';
