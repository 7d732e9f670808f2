/* Repricing of many rows, batch by batch: how far it is, and what came of it. */

CREATE TABLE aiusage.reprice_job (
	job bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	action text NOT NULL CHECK (action IN ('reprice', 'price_unpriced')),
	correction bigint NOT NULL REFERENCES aiusage.correction (correction),
	filters jsonb NOT NULL,
	version int REFERENCES aiusage.price_version (version),
	status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'done', 'cancelled')),
	last_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
	reads_from timestamptz NOT NULL,
	reads_to timestamptz NOT NULL,
	rows_seen bigint NOT NULL DEFAULT 0,
	rows_adjusted bigint NOT NULL DEFAULT 0,
	batches bigint NOT NULL DEFAULT 0,
	report jsonb NOT NULL DEFAULT '[]',
	started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	last_batch_at timestamptz,
	finished_at timestamptz,
	session_role text NOT NULL,
	role text NOT NULL,
	CHECK ((status = 'open') = (finished_at IS NULL))
);
COMMENT ON TABLE aiusage.reprice_job IS 'Every reprice and price_unpriced that was booked, also those that ran at once: parameters, progress and result. aiusage.reprice_progress and aiusage.reprice_report show it to people';
COMMENT ON COLUMN aiusage.reprice_job.job IS 'Number of the job';
COMMENT ON COLUMN aiusage.reprice_job.action IS 'reprice or price_unpriced';
COMMENT ON COLUMN aiusage.reprice_job.correction IS 'The correction that its rows name: reason and ticket';
COMMENT ON COLUMN aiusage.reprice_job.filters IS 'Which rows, as of aiusage.reprice()';
COMMENT ON COLUMN aiusage.reprice_job.version IS 'Price version they are priced under; NULL: as prices are when a batch is run';
COMMENT ON COLUMN aiusage.reprice_job.status IS 'open: run it, or run it on; done; cancelled: stopped for good by aiusage.cancel_reprice()';
COMMENT ON COLUMN aiusage.reprice_job.last_id IS 'Rows up to this id are done';
COMMENT ON COLUMN aiusage.reprice_job.reads_from IS 'About where in time it begins';
COMMENT ON COLUMN aiusage.reprice_job.reads_to IS 'About where in time it ends';
COMMENT ON COLUMN aiusage.reprice_job.rows_seen IS 'Rows looked at';
COMMENT ON COLUMN aiusage.reprice_job.rows_adjusted IS 'Adjustment rows booked';
COMMENT ON COLUMN aiusage.reprice_job.batches IS 'Batches done, a transaction each';
COMMENT ON COLUMN aiusage.reprice_job.report IS 'What changed so far, an object a team and currencies';
COMMENT ON COLUMN aiusage.reprice_job.started_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.reprice_job.last_batch_at IS 'When the last batch was done; NULL: none yet';
COMMENT ON COLUMN aiusage.reprice_job.finished_at IS 'When it was done or cancelled; NULL: open';
COMMENT ON COLUMN aiusage.reprice_job.session_role IS 'Role that logged in';
COMMENT ON COLUMN aiusage.reprice_job.role IS 'Role that acted';
