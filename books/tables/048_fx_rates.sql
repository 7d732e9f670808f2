/*
 * Exchange rates, for reports only: no row of the ledger is ever converted.
 * A rate holds from its day until the next one of its pair; what is wrong is
 * corrected by another row of the same day, and the last one entered counts.
 */
CREATE TABLE aiusage.fx_rate (
	fx_rate bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	base text NOT NULL CHECK (base ~ '^[A-Z]{3}$'),
	quote text NOT NULL CHECK (quote ~ '^[A-Z]{3}$'),
	rate numeric NOT NULL CHECK (rate > 0 AND rate <= 1000000000000 AND scale(trim_scale(rate)) <= 18),
	effective_from date NOT NULL CHECK (isfinite(effective_from)),
	source text NOT NULL CHECK (octet_length(source) BETWEEN 1 AND 256),
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	created_by text NOT NULL DEFAULT current_user,
	CONSTRAINT fx_rate_of_two_currencies CHECK (base <> quote)
);
COMMENT ON TABLE aiusage.fx_rate IS 'Exchange rates that reports convert by, each pair in the direction that is asked for; rows are only added (aiusage.put_fx_rate())';
COMMENT ON COLUMN aiusage.fx_rate.fx_rate IS 'Number of the row; of rates of one pair and day the highest counts';
COMMENT ON COLUMN aiusage.fx_rate.base IS 'Currency that is converted (ISO 4217)';
COMMENT ON COLUMN aiusage.fx_rate.quote IS 'Currency that it is converted to (ISO 4217)';
COMMENT ON COLUMN aiusage.fx_rate.rate IS 'How many of quote one of base is; at most 18 decimals';
COMMENT ON COLUMN aiusage.fx_rate.effective_from IS 'First day it holds for';
COMMENT ON COLUMN aiusage.fx_rate.source IS 'Where it is from, for example a central bank or a contract';
COMMENT ON COLUMN aiusage.fx_rate.created_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.fx_rate.created_by IS 'Role that entered it';
CREATE INDEX fx_rate_pair ON aiusage.fx_rate (base, quote, effective_from, fx_rate);
