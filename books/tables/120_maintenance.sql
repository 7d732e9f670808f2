/*
 * How maintenance went, whoever called it: pg_cron, another scheduler, a
 * person.  aiusage.status() reads it.
 */

CREATE TABLE aiusage.maintenance (
	step text PRIMARY KEY CHECK (octet_length(step) BETWEEN 1 AND 64),
	last_at timestamptz NOT NULL,
	last_took interval NOT NULL,
	last_good_at timestamptz,
	last_bad_at timestamptz,
	last_error text,
	bad_in_a_row bigint NOT NULL DEFAULT 0,
	role text NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE aiusage.maintenance IS 'How each step of aiusage.maintain() went last, and the last aiusage.record_verify(); one row a step, written by them only';
COMMENT ON COLUMN aiusage.maintenance.step IS 'Step of maintain(), or verify';
COMMENT ON COLUMN aiusage.maintenance.last_at IS 'When it ended last';
COMMENT ON COLUMN aiusage.maintenance.last_took IS 'How long it took then';
COMMENT ON COLUMN aiusage.maintenance.last_good_at IS 'When it last succeeded; NULL: never';
COMMENT ON COLUMN aiusage.maintenance.last_bad_at IS 'When it last failed; NULL: never';
COMMENT ON COLUMN aiusage.maintenance.last_error IS 'How it last failed; NULL: never did';
COMMENT ON COLUMN aiusage.maintenance.bad_in_a_row IS 'How often in a row it has failed; 0: the last time was good';
COMMENT ON COLUMN aiusage.maintenance.role IS 'Role that called it';
