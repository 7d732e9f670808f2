/* How far rebuilds of the rollups are. */

CREATE OR REPLACE VIEW aiusage.rebuild_progress WITH (security_barrier) AS
SELECT j.job, j.reason, j.status, j.phase, j.from_day, j.to_day, j.next_day,
	CASE WHEN j.status = 'done' THEN 100.0
		ELSE round((CASE j.phase WHEN 'quarter hours' THEN 0 WHEN 'days' THEN 80 ELSE 95 END
			+ CASE j.phase WHEN 'quarter hours' THEN 80 WHEN 'days' THEN 15 ELSE 5 END
				* least(greatest(j.next_day - j.from_day, 0)::numeric / greatest(j.to_day - j.from_day, 1), 1))::numeric, 1) END AS percent,
	j.slices, j.rows_changed, j.started_at, j.last_step_at, j.finished_at, j.session_role, j.role
FROM aiusage.rebuild_job AS j;
COMMENT ON VIEW aiusage.rebuild_progress IS 'Every rebuild of the rollups and how far it is, as other sessions see it after each slice. Grain: one row a job';
COMMENT ON COLUMN aiusage.rebuild_progress.job IS 'Number of the job';
COMMENT ON COLUMN aiusage.rebuild_progress.reason IS 'Why';
COMMENT ON COLUMN aiusage.rebuild_progress.status IS 'open: run it, or run it on; done; cancelled';
COMMENT ON COLUMN aiusage.rebuild_progress.phase IS 'quarter hours, from the ledger; days, with weeks and latency; months';
COMMENT ON COLUMN aiusage.rebuild_progress.from_day IS 'First day of UTC that is computed anew';
COMMENT ON COLUMN aiusage.rebuild_progress.to_day IS 'Day after the last one';
COMMENT ON COLUMN aiusage.rebuild_progress.next_day IS 'Where in the phase it goes on';
COMMENT ON COLUMN aiusage.rebuild_progress.percent IS 'About how much is done, by days';
COMMENT ON COLUMN aiusage.rebuild_progress.slices IS 'Slices done';
COMMENT ON COLUMN aiusage.rebuild_progress.rows_changed IS 'Rows of rollups that were not what the ledger says, and are now';
COMMENT ON COLUMN aiusage.rebuild_progress.started_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.rebuild_progress.last_step_at IS 'When the last slice was done; NULL: none yet';
COMMENT ON COLUMN aiusage.rebuild_progress.finished_at IS 'When it was done or cancelled; NULL: open';
COMMENT ON COLUMN aiusage.rebuild_progress.session_role IS 'Role that logged in';
COMMENT ON COLUMN aiusage.rebuild_progress.role IS 'Role that acted';
