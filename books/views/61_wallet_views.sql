/* Wallets for people, live: what is credited less what is spent, folded or not. */

CREATE OR REPLACE VIEW aiusage.wallet_balance WITH (security_barrier) AS
SELECT w.wallet, w.name, s.api_key, s.team, s.cost_center, s.customer, w.currency,
	j.recharged, j.corrected, j.expired,
	s.used - w.opening_used AS spent, s.held,
	j.recharged + j.corrected + j.expired - (s.used - w.opening_used) AS balance,
	j.recharged + j.corrected + j.expired - (s.used - w.opening_used) - s.held AS available,
	w.low_balance,
	coalesce(j.recharged + j.corrected + j.expired - (s.used - w.opening_used) < w.low_balance, false) AS low,
	e.expires_at AS next_expiry_at, e.rest AS next_expiry_amount,
	(SELECT count(*) FROM aiusage.recharge r WHERE r.wallet = w.wallet AND r.status = 'requested') AS recharges_requested,
	j.posted, j.posted_at
FROM aiusage.wallet w
JOIN aiusage.quota_standing s ON s.quota = w.quota
CROSS JOIN LATERAL (
	SELECT coalesce(sum(x.amount) FILTER (WHERE x.kind = 'recharge'), 0) AS recharged,
		coalesce(sum(x.amount) FILTER (WHERE x.kind IN ('refund', 'correction')), 0) AS corrected,
		coalesce(sum(x.amount) FILTER (WHERE x.kind = 'expiry'), 0) AS expired,
		coalesce(sum(x.amount), 0) AS posted, max(x.at) AS posted_at
	FROM aiusage.wallet_journal x WHERE x.wallet = w.wallet
) j
LEFT JOIN LATERAL (
	SELECT c.expires_at, sum(c.amount - c.burned) AS rest
	FROM aiusage.wallet_credit c
	WHERE c.wallet = w.wallet AND c.expired_at IS NULL AND c.expires_at IS NOT NULL AND c.burned < c.amount
	GROUP BY c.expires_at ORDER BY c.expires_at LIMIT 1
) e ON true
WHERE w.status = 'active';

COMMENT ON VIEW aiusage.wallet_balance IS 'Active wallets, one row each, exact in every snapshot: what was credited, what is spent and held, what is left. Who has a scope sees the wallets of its teams, cost centers and customers';
COMMENT ON COLUMN aiusage.wallet_balance.wallet IS 'Number of the wallet';
COMMENT ON COLUMN aiusage.wallet_balance.name IS 'Its name';
COMMENT ON COLUMN aiusage.wallet_balance.api_key IS 'Key whose spend it pays; NULL: not limited to one';
COMMENT ON COLUMN aiusage.wallet_balance.team IS 'Team whose spend it pays; NULL: not limited to one';
COMMENT ON COLUMN aiusage.wallet_balance.cost_center IS 'Cost center whose spend it pays; NULL: not limited to one';
COMMENT ON COLUMN aiusage.wallet_balance.customer IS 'Customer whose spend it pays; NULL: not limited to one';
COMMENT ON COLUMN aiusage.wallet_balance.currency IS 'Currency of all amounts (ISO 4217)';
COMMENT ON COLUMN aiusage.wallet_balance.recharged IS 'Credit of approved recharges';
COMMENT ON COLUMN aiusage.wallet_balance.corrected IS 'Refunds (negative) and corrections';
COMMENT ON COLUMN aiusage.wallet_balance.expired IS 'Credit that expired, negative';
COMMENT ON COLUMN aiusage.wallet_balance.spent IS 'What its scope has spent since it was made';
COMMENT ON COLUMN aiusage.wallet_balance.held IS 'What open holds keep';
COMMENT ON COLUMN aiusage.wallet_balance.balance IS 'What is left; negative: more was spent';
COMMENT ON COLUMN aiusage.wallet_balance.available IS 'What is left beside what is held';
COMMENT ON COLUMN aiusage.wallet_balance.low_balance IS 'Below this somebody is told';
COMMENT ON COLUMN aiusage.wallet_balance.low IS 'It is below that';
COMMENT ON COLUMN aiusage.wallet_balance.next_expiry_at IS 'When credit expires next; NULL: none does';
COMMENT ON COLUMN aiusage.wallet_balance.next_expiry_amount IS 'How much of it is left, as posted';
COMMENT ON COLUMN aiusage.wallet_balance.recharges_requested IS 'Recharges that wait for an approval';
COMMENT ON COLUMN aiusage.wallet_balance.posted IS 'Sum of the journal, which follows folds';
COMMENT ON COLUMN aiusage.wallet_balance.posted_at IS 'Last entry of the journal';
