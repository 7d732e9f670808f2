/*
 * Prepaid: wallets, what was paid into them, and their journal.
 *
 * A wallet is a limit (aiusage.quota, metric spend, window total) whose limit
 * is what was credited.  Spend burns credits in a fixed order: priority, then
 * expiry, then age.  The journal says what happened, and adds up to the
 * balance; it follows the ledger whenever wallets are posted (maintain()).
 */

ALTER TABLE aiusage.quota ADD COLUMN wallet boolean NOT NULL DEFAULT false CHECK (NOT wallet OR (metric = 'spend' AND "window" = 'total' AND per = '{}'));
COMMENT ON COLUMN aiusage.quota.wallet IS 'Its limit is the credit of the wallet of the same name';

CREATE TABLE aiusage.wallet (
	wallet int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 256),
	quota int NOT NULL UNIQUE REFERENCES aiusage.quota (quota),
	status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'closed')),
	currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
	opening_used numeric NOT NULL,
	posted_used numeric NOT NULL,
	low_balance numeric CHECK (low_balance >= 0),
	refill_to numeric CHECK (refill_to > low_balance),
	note text CHECK (octet_length(note) BETWEEN 1 AND 256),
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	created_by text NOT NULL,
	closed_at timestamptz,
	closed_by text,
	CHECK ((status = 'closed') = (closed_at IS NOT NULL)),
	CHECK (refill_to IS NULL OR low_balance IS NOT NULL)
);
CREATE UNIQUE INDEX wallet_name ON aiusage.wallet (name) WHERE status = 'active';
COMMENT ON TABLE aiusage.wallet IS 'Prepaid credit of a scope. Written by put_wallet() and by posting';
COMMENT ON COLUMN aiusage.wallet.wallet IS 'Number of the wallet';
COMMENT ON COLUMN aiusage.wallet.name IS 'Its name, unique among active wallets and limits';
COMMENT ON COLUMN aiusage.wallet.quota IS 'The limit that enforces it';
COMMENT ON COLUMN aiusage.wallet.status IS 'active, or closed: no longer enforced';
COMMENT ON COLUMN aiusage.wallet.currency IS 'Currency of its credit (ISO 4217)';
COMMENT ON COLUMN aiusage.wallet.opening_used IS 'What its scope had spent before it was made; that burns no credit';
COMMENT ON COLUMN aiusage.wallet.posted_used IS 'What its scope had spent when the journal was posted last, opening_used included';
COMMENT ON COLUMN aiusage.wallet.low_balance IS 'Below this somebody is told; NULL: nobody is';
COMMENT ON COLUMN aiusage.wallet.refill_to IS 'When it is low, a recharge up to this is requested; NULL: none is';
COMMENT ON COLUMN aiusage.wallet.note IS 'What it is for';
COMMENT ON COLUMN aiusage.wallet.created_at IS 'When it was made';
COMMENT ON COLUMN aiusage.wallet.created_by IS 'Role that made it';
COMMENT ON COLUMN aiusage.wallet.closed_at IS 'When it was closed';
COMMENT ON COLUMN aiusage.wallet.closed_by IS 'Role that closed it';

CREATE TABLE aiusage.recharge (
	recharge bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	wallet int NOT NULL REFERENCES aiusage.wallet (wallet),
	key text NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 256),
	kind text NOT NULL DEFAULT 'recharge' CHECK (kind IN ('recharge', 'correction')),
	amount numeric NOT NULL CHECK (amount > 0 AND amount <= 1e15 AND scale(amount) <= 12),
	paid numeric CHECK (paid >= 0 AND paid <= 1e15 AND scale(paid) <= 12),
	paid_currency text CHECK (paid_currency ~ '^[A-Z]{3}$'),
	fee numeric CHECK (fee >= 0 AND fee <= 1e15 AND scale(fee) <= 12),
	exchange_rate numeric CHECK (exchange_rate > 0 AND exchange_rate <= 1e12),
	invoice text CHECK (octet_length(invoice) BETWEEN 1 AND 256),
	priority int NOT NULL DEFAULT 100,
	expires_at timestamptz CHECK (isfinite(expires_at)),
	note text CHECK (octet_length(note) BETWEEN 1 AND 256),
	reason text CHECK (octet_length(reason) BETWEEN 1 AND 1024),
	ticket text CHECK (octet_length(ticket) BETWEEN 1 AND 256),
	automatic boolean NOT NULL DEFAULT false,
	status text NOT NULL DEFAULT 'requested' CHECK (status IN ('requested', 'approved', 'refused')),
	requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	requested_by text NOT NULL,
	requested_session text NOT NULL DEFAULT session_user,
	decided_at timestamptz,
	decided_by text,
	decision_note text CHECK (octet_length(decision_note) BETWEEN 1 AND 256),
	UNIQUE (wallet, key),
	CHECK ((status = 'requested') = (decided_at IS NULL)),
	CHECK ((kind = 'correction') = (reason IS NOT NULL)),
	CHECK ((paid IS NULL) = (paid_currency IS NULL) AND (fee IS NULL OR paid IS NOT NULL) AND (exchange_rate IS NULL OR paid IS NOT NULL))
);
COMMENT ON TABLE aiusage.recharge IS 'Credit for wallets, money paid in or corrections in their favour: requested by one role, approved by another, each once. Written by request_recharge(), correct_wallet(), approve_recharge() and refuse_recharge()';
COMMENT ON COLUMN aiusage.recharge.recharge IS 'Number of the recharge';
COMMENT ON COLUMN aiusage.recharge.wallet IS 'The wallet';
COMMENT ON COLUMN aiusage.recharge.key IS 'Idempotency key of whoever asks: the same one again is the same recharge';
COMMENT ON COLUMN aiusage.recharge.kind IS 'recharge: money that was paid; correction: credit that correct_wallet() asked for';
COMMENT ON COLUMN aiusage.recharge.amount IS 'Credit, in the currency of the wallet';
COMMENT ON COLUMN aiusage.recharge.paid IS 'What was paid for it, fee included, in paid_currency; NULL: not said';
COMMENT ON COLUMN aiusage.recharge.paid_currency IS 'Currency of paid and fee (ISO 4217)';
COMMENT ON COLUMN aiusage.recharge.fee IS 'What of it was a fee, and is no credit; NULL: none';
COMMENT ON COLUMN aiusage.recharge.exchange_rate IS 'Units of the wallet''s currency for one of paid_currency; NULL: not said';
COMMENT ON COLUMN aiusage.recharge.invoice IS 'Number of the invoice; NULL: not said';
COMMENT ON COLUMN aiusage.recharge.priority IS 'Credits of a smaller number are burned first';
COMMENT ON COLUMN aiusage.recharge.expires_at IS 'What is not burned by then is lost; NULL: it does not expire';
COMMENT ON COLUMN aiusage.recharge.note IS 'What it is for';
COMMENT ON COLUMN aiusage.recharge.reason IS 'Why, of a correction; NULL: of a recharge';
COMMENT ON COLUMN aiusage.recharge.ticket IS 'Ticket that a correction refers to; NULL: none';
COMMENT ON COLUMN aiusage.recharge.automatic IS 'Requested by maintain(), since the wallet was low';
COMMENT ON COLUMN aiusage.recharge.status IS 'requested, approved (credited) or refused';
COMMENT ON COLUMN aiusage.recharge.requested_at IS 'When it was requested';
COMMENT ON COLUMN aiusage.recharge.requested_by IS 'Role that asked';
COMMENT ON COLUMN aiusage.recharge.requested_session IS 'Role that was logged in';
COMMENT ON COLUMN aiusage.recharge.decided_at IS 'When it was decided';
COMMENT ON COLUMN aiusage.recharge.decided_by IS 'Role that decided';
COMMENT ON COLUMN aiusage.recharge.decision_note IS 'What that role said';

CREATE TABLE aiusage.wallet_credit (
	credit bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	wallet int NOT NULL REFERENCES aiusage.wallet (wallet),
	recharge bigint UNIQUE REFERENCES aiusage.recharge (recharge),
	amount numeric NOT NULL CHECK (amount > 0),
	burned numeric NOT NULL DEFAULT 0 CHECK (burned BETWEEN 0 AND amount),
	priority int NOT NULL DEFAULT 100,
	expires_at timestamptz,
	granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	expired_at timestamptz
);
CREATE INDEX wallet_credit_order ON aiusage.wallet_credit (wallet, priority, expires_at, credit) WHERE expired_at IS NULL;
COMMENT ON TABLE aiusage.wallet_credit IS 'What was credited to a wallet, and how much of it is burned. Spend burns credits by priority, then by expiry (none: last), then by number';
COMMENT ON COLUMN aiusage.wallet_credit.credit IS 'Number of the credit';
COMMENT ON COLUMN aiusage.wallet_credit.wallet IS 'The wallet';
COMMENT ON COLUMN aiusage.wallet_credit.recharge IS 'The recharge it comes from; NULL: a refund or a correction';
COMMENT ON COLUMN aiusage.wallet_credit.amount IS 'Credit, in the currency of the wallet';
COMMENT ON COLUMN aiusage.wallet_credit.burned IS 'What of it is spent, as posted, or was taken back';
COMMENT ON COLUMN aiusage.wallet_credit.priority IS 'Smaller numbers are burned first';
COMMENT ON COLUMN aiusage.wallet_credit.expires_at IS 'When the rest is lost; NULL: never';
COMMENT ON COLUMN aiusage.wallet_credit.granted_at IS 'When it was credited';
COMMENT ON COLUMN aiusage.wallet_credit.expired_at IS 'When the rest was taken off; NULL: it was not';

CREATE TABLE aiusage.wallet_journal (
	entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	wallet int NOT NULL REFERENCES aiusage.wallet (wallet),
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	kind text NOT NULL CHECK (kind IN ('recharge', 'refund', 'correction', 'usage', 'expiry')),
	credit bigint REFERENCES aiusage.wallet_credit (credit),
	amount numeric NOT NULL CHECK (amount <> 0),
	used_to numeric,
	key text CHECK (octet_length(key) BETWEEN 1 AND 256),
	reason text CHECK (octet_length(reason) BETWEEN 1 AND 1024),
	ticket text CHECK (octet_length(ticket) BETWEEN 1 AND 256),
	role text NOT NULL,
	UNIQUE (wallet, key)
);
CREATE INDEX wallet_journal_wallet ON aiusage.wallet_journal (wallet, entry);
COMMENT ON TABLE aiusage.wallet_journal IS 'Every change of a wallet''s balance, only ever added to; the sum of a wallet is its posted balance';
COMMENT ON COLUMN aiusage.wallet_journal.entry IS 'Number of the entry';
COMMENT ON COLUMN aiusage.wallet_journal.wallet IS 'The wallet';
COMMENT ON COLUMN aiusage.wallet_journal.at IS 'When it was written';
COMMENT ON COLUMN aiusage.wallet_journal.kind IS 'recharge, refund, correction, usage (what was spent since the last one; positive: given back) or expiry';
COMMENT ON COLUMN aiusage.wallet_journal.credit IS 'Credit that it is of; NULL: spent beyond all credit';
COMMENT ON COLUMN aiusage.wallet_journal.amount IS 'Change of the balance, in the currency of the wallet';
COMMENT ON COLUMN aiusage.wallet_journal.used_to IS 'What the scope had spent up to this entry, of usage; NULL: of another kind';
COMMENT ON COLUMN aiusage.wallet_journal.key IS 'Idempotency key of a refund or correction';
COMMENT ON COLUMN aiusage.wallet_journal.reason IS 'Why, in words, of a refund or correction';
COMMENT ON COLUMN aiusage.wallet_journal.ticket IS 'Ticket or approval it refers to';
COMMENT ON COLUMN aiusage.wallet_journal.role IS 'Role that acted';
