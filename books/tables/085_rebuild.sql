/* Rebuilding the rollups, slice by slice: how far it is, and what was found. */

CREATE TABLE aiusage.rebuild_job (
	job				bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	reason			text NOT NULL,
	from_day		date NOT NULL,
	to_day			date NOT NULL,
	status			text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'done', 'cancelled')),
	phase			text NOT NULL DEFAULT 'quarter hours' CHECK (phase IN ('quarter hours', 'days', 'months')),
	next_day		date NOT NULL,
	slices			bigint NOT NULL DEFAULT 0,
	rows_changed	bigint NOT NULL DEFAULT 0,
	started_at		timestamptz NOT NULL DEFAULT clock_timestamp(),
	last_step_at	timestamptz,
	finished_at		timestamptz,
	session_role	text NOT NULL,
	role			text NOT NULL,
	CHECK ((status = 'open') = (finished_at IS NULL))
);
COMMENT ON TABLE aiusage.rebuild_job IS 'Every rebuild of the rollups: who, why, how far, and how many rows of rollups were not what the ledger says. aiusage.rebuild_progress shows it to people';
COMMENT ON COLUMN aiusage.rebuild_job.job IS 'Number of the job';
COMMENT ON COLUMN aiusage.rebuild_job.reason IS 'Why';
COMMENT ON COLUMN aiusage.rebuild_job.from_day IS 'First day of UTC that is computed anew; business days and months around it, too';
COMMENT ON COLUMN aiusage.rebuild_job.to_day IS 'Day after the last one';
COMMENT ON COLUMN aiusage.rebuild_job.status IS 'open: run it, or run it on; done; cancelled: stopped for good by aiusage.cancel_rebuild()';
COMMENT ON COLUMN aiusage.rebuild_job.phase IS 'What it is at: quarter hours, from the ledger; then days, weeks and months, from quarter hours, and latency';
COMMENT ON COLUMN aiusage.rebuild_job.next_day IS 'Where in the phase it goes on';
COMMENT ON COLUMN aiusage.rebuild_job.slices IS 'Slices done, a transaction each';
COMMENT ON COLUMN aiusage.rebuild_job.rows_changed IS 'Rows of rollups that were wrong, missing or too many, and are right now';
COMMENT ON COLUMN aiusage.rebuild_job.started_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.rebuild_job.last_step_at IS 'When the last slice was done; NULL: none yet';
COMMENT ON COLUMN aiusage.rebuild_job.finished_at IS 'When it was done or cancelled; NULL: open';
COMMENT ON COLUMN aiusage.rebuild_job.session_role IS 'Role that logged in';
COMMENT ON COLUMN aiusage.rebuild_job.role IS 'Role that acted';
