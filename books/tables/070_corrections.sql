/* Why the ledger was corrected. */

CREATE TABLE aiusage.correction (
	correction bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	action text NOT NULL CHECK (action IN ('adjust', 'reattribute', 'record_outcome', 'reprice', 'price_unpriced', 'reverse_statement', 'contract')),
	reason text,
	ticket text,
	parameters jsonb NOT NULL,
	row_count bigint NOT NULL DEFAULT 0,
	session_role text NOT NULL,
	role text NOT NULL,
	recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	CONSTRAINT correction_reason CHECK (action = 'record_outcome' OR (reason IS NOT NULL AND length(reason) > 0)),
	CONSTRAINT correction_reason_length CHECK (octet_length(reason) <= 1024),
	CONSTRAINT correction_ticket_length CHECK (octet_length(ticket) <= 256),
	CONSTRAINT correction_no_secret CHECK (aiusage.looks_like_secret(reason) IS NULL AND aiusage.looks_like_secret(ticket) IS NULL)
);
COMMENT ON TABLE aiusage.correction IS 'Every correction of the ledger: who, why, under which ticket; its rows name it in usage_record.correction';
COMMENT ON COLUMN aiusage.correction.correction IS 'Number of the correction';
COMMENT ON COLUMN aiusage.correction.action IS 'Function that made it: adjust, reattribute, record_outcome, reprice, price_unpriced or reverse_statement; or contract: aiusage.book_contracts()';
COMMENT ON COLUMN aiusage.correction.reason IS 'Why, in words; the note of an outcome';
COMMENT ON COLUMN aiusage.correction.ticket IS 'Ticket or approval it refers to';
COMMENT ON COLUMN aiusage.correction.parameters IS 'What the function was called with';
COMMENT ON COLUMN aiusage.correction.row_count IS 'Ledger rows it wrote';
COMMENT ON COLUMN aiusage.correction.session_role IS 'Role that logged in';
COMMENT ON COLUMN aiusage.correction.role IS 'Role that acted';
COMMENT ON COLUMN aiusage.correction.recorded_at IS 'When';
