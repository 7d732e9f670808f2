/* 1.0 -> 1.1: a correction that adds credit is asked for and approved like a recharge. */

ALTER TABLE aiusage.recharge RENAME CONSTRAINT recharge_check1 TO recharge_check2;
ALTER TABLE aiusage.recharge
	ADD COLUMN kind text NOT NULL DEFAULT 'recharge' CHECK (kind IN ('recharge', 'correction')),
	ADD COLUMN reason text CHECK (octet_length(reason) BETWEEN 1 AND 1024),
	ADD COLUMN ticket text CHECK (octet_length(ticket) BETWEEN 1 AND 256),
	ADD CONSTRAINT recharge_check1 CHECK ((kind = 'correction') = (reason IS NOT NULL));
COMMENT ON TABLE aiusage.recharge IS 'Credit for wallets, money paid in or corrections in their favour: requested by one role, approved by another, each once. Written by request_recharge(), correct_wallet(), approve_recharge() and refuse_recharge()';
COMMENT ON COLUMN aiusage.recharge.kind IS 'recharge: money that was paid; correction: credit that correct_wallet() asked for';
COMMENT ON COLUMN aiusage.recharge.reason IS 'Why, of a correction; NULL: of a recharge';
COMMENT ON COLUMN aiusage.recharge.ticket IS 'Ticket that a correction refers to; NULL: none';
