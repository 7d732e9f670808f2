-- Prepaid: wallets, recharges, the order in which credit burns, and a journal that adds up.
CREATE DATABASE limit_wallets;
\c limit_wallets
\set SHOW_CONTEXT never
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS made FROM aiusage.init();
SELECT aiusage.import_prices('list', 'aiusage', '{"format": "aiusage", "currency": "USD", "providers": [{"provider": "acme", "models": [
	{"model": "m", "rules": [{"prices": [{"unit": "input_tokens", "rate": 1}]}]}]}]}', '2020-01-01') > 0 AS imported;
SELECT aiusage.put_key('{"key": "shop", "customer": "globex"}') IS NOT NULL AS put;
CREATE ROLE wallet_admin;
CREATE ROLE wallet_approver;
SELECT aiusage.grant_access('wallet_admin', 'admin'), aiusage.grant_access('wallet_approver', 'approver');
CREATE FUNCTION book(dollars int, spent boolean DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record (api_key, provider, model, usage, spent) VALUES ('shop', 'acme', 'm', aiusage.usage('input_tokens', dollars), spent)
	RETURNING concat_ws(' ', cost::numeric, quota_state) $$;
-- as people see it, and as an auditor adds it up
CREATE FUNCTION standing() RETURNS TABLE (recharged numeric, corrected numeric, expired numeric, spent numeric, held numeric, balance numeric, low boolean, posted numeric,
	credits text) LANGUAGE sql AS $$
	SELECT trim_scale(b.recharged), trim_scale(b.corrected), trim_scale(b.expired), trim_scale(b.spent), trim_scale(b.held), trim_scale(b.balance), b.low, trim_scale(b.posted),
		(SELECT string_agg(concat(trim_scale(c.burned), '/', trim_scale(c.amount), CASE WHEN c.expired_at IS NOT NULL THEN ' expired' END), ', ' ORDER BY c.credit) FROM aiusage.wallet_credit AS c WHERE c.wallet = b.wallet)
	FROM aiusage.wallet_balance AS b WHERE b.name = 'globex prepaid' $$;

-- what was spent before there was a wallet burns nothing; some of it folded, some not
SELECT book(7);
SELECT aiusage.refresh() AS folded;
SELECT book(5);
SELECT aiusage.put_wallet('{"name": "globex prepaid", "scope": {"customer": "globex"}, "currency": "USD", "low_balance": 20, "refill_to": 100, "thresholds": [90]}') IS NOT NULL AS made;
SELECT * FROM standing();
SELECT book(1);
\echo :LAST_ERROR_SQLSTATE

-- a recharge: asked for once, approved by somebody else, once
SET ROLE wallet_admin;
SELECT aiusage.request_recharge('globex prepaid', 'order-1', 50, paid => 47.5, paid_currency => 'EUR', fee => 1.5, exchange_rate => 1.0869565217, invoice => 'INV-1') AS r1 \gset
SELECT aiusage.request_recharge('globex prepaid', 'order-1', 50, paid => 47.5, paid_currency => 'EUR', fee => 1.5, exchange_rate => 1.0869565217, invoice => 'INV-1') = :r1 AS same;
SELECT aiusage.request_recharge('globex prepaid', 'order-1', 51);
SELECT aiusage.approve_recharge(:r1);
RESET ROLE;
SELECT * FROM standing();
CREATE ROLE wallet_login SUPERUSER LOGIN;
\c - wallet_login
\set SHOW_CONTEXT never
SET ROLE wallet_approver;
SELECT trim_scale(aiusage.approve_recharge(:r1, 'paid'));
SELECT trim_scale(aiusage.approve_recharge(:r1, 'paid'));
SELECT aiusage.refuse_recharge(:r1, 'no');
SELECT aiusage.approve_recharge(0);
RESET ROLE;
SELECT * FROM standing();
SELECT amount, paid, paid_currency, fee, exchange_rate, invoice, status, requested_by, decided_by FROM aiusage.recharge;

-- spend it, to the cent; in one transaction with what is refused
SELECT book(30);
SELECT book(21);
SELECT book(20);
SELECT book(1);
-- spent money is booked all the same, and owed
SELECT book(4, true);
SELECT * FROM standing();
SELECT aiusage.refresh() AS folded;
SELECT aiusage.post_wallets();
SELECT * FROM standing();
SELECT kind, credit IS NULL AS owed, trim_scale(amount) AS amount, trim_scale(used_to) AS used_to FROM aiusage.wallet_journal ORDER BY entry;
-- it is low: said once, and a recharge is asked for
SELECT kind, detail FROM aiusage.quota_event WHERE kind IN ('low', 'threshold', 'over') ORDER BY event;
SELECT trim_scale(amount) AS amount, automatic, status, requested_by FROM aiusage.recharge WHERE automatic;
SELECT aiusage.post_wallets();
SELECT count(*) FROM aiusage.recharge WHERE automatic;
SELECT aiusage.refuse_recharge((SELECT recharge FROM aiusage.recharge WHERE automatic), 'budget');
SELECT aiusage.post_wallets();
SELECT count(*) FROM aiusage.recharge WHERE automatic;

-- credits burn by priority, then by expiry, then by age
SET ROLE wallet_admin;
SELECT aiusage.request_recharge('globex prepaid', 'gift', 10, priority => 1, expires_at => now() + '1 hour') AS gift \gset
SELECT aiusage.request_recharge('globex prepaid', 'late', 10, expires_at => now() + '2 hours') AS late \gset
SELECT aiusage.request_recharge('globex prepaid', 'soon', 10, expires_at => now() + '1 second') AS soon \gset
SELECT aiusage.request_recharge('globex prepaid', 'ever', 10) AS ever \gset
\c - postgres
\set SHOW_CONTEXT never
SELECT trim_scale(aiusage.approve_recharge(r.recharge)) AS posted FROM (VALUES (:ever), (:late), (:soon), (:gift)) AS r (recharge);
SELECT aiusage.post_wallets();
-- what was owed is paid by the first
SELECT r.key, trim_scale(c.burned) AS burned FROM aiusage.wallet_credit AS c JOIN aiusage.recharge AS r USING (recharge) ORDER BY c.credit;
SELECT book(9);
SELECT aiusage.refresh() AS folded;
SELECT aiusage.post_wallets();
SELECT r.key, trim_scale(c.burned) AS burned FROM aiusage.wallet_credit AS c JOIN aiusage.recharge AS r USING (recharge) ORDER BY c.credit;
-- expiry takes the rest of what is not burned
SELECT pg_sleep(1.1);
SELECT * FROM standing();
SELECT aiusage.refresh() AS folded;
SELECT aiusage.post_wallets();
SELECT r.key, trim_scale(c.burned) AS burned, c.expired_at IS NOT NULL AS expired FROM aiusage.wallet_credit AS c JOIN aiusage.recharge AS r USING (recharge) ORDER BY c.credit;
SELECT * FROM standing();

-- a correction of the ledger gives back; refunds and corrections of the wallet
SELECT aiusage.adjust((SELECT id FROM aiusage.usage_record WHERE cost::numeric = 9 AND kind = 'usage'), aiusage.usage('input_tokens', 2), 'counted twice', NULL) IS NOT NULL AS adjusted;
SELECT * FROM standing();
SELECT aiusage.refresh() AS folded;
SELECT aiusage.post_wallets();
SELECT * FROM standing();
-- credit is given by two: it waits for somebody else
SELECT trim_scale(aiusage.correct_wallet('globex prepaid', 'goodwill-1', 5, 'an outage', 'T-1'));
SELECT trim_scale(aiusage.correct_wallet('globex prepaid', 'goodwill-1', 5, 'an outage', 'T-1'));
SELECT recharge AS goodwill FROM aiusage.recharge WHERE key = 'goodwill-1' \gset
SELECT kind, trim_scale(amount) AS amount, reason, ticket, status, requested_by FROM aiusage.recharge WHERE recharge = :goodwill;
SELECT * FROM standing();
SELECT aiusage.approve_recharge(:goodwill);
SELECT aiusage.correct_wallet('globex prepaid', 'goodwill-1', 5, 'something else', 'T-1');
SELECT aiusage.request_recharge('globex prepaid', 'goodwill-1', 5);
SELECT aiusage.correct_wallet('globex prepaid', 'ever', 10, 'a recharge''s key', NULL);
SET SESSION AUTHORIZATION wallet_approver;
SELECT trim_scale(aiusage.approve_recharge(:goodwill));
RESET SESSION AUTHORIZATION;
SELECT kind, trim_scale(amount) AS amount, key, reason, ticket, role FROM aiusage.wallet_journal WHERE key = 'goodwill-1';
SELECT trim_scale(aiusage.correct_wallet('globex prepaid', 'goodwill-1', 5, 'an outage', 'T-1'));
SELECT aiusage.correct_wallet('globex prepaid', 'goodwill-1', 5, 'something else', 'T-1');
-- refused, it is not asked for again by the same key
SELECT trim_scale(aiusage.correct_wallet('globex prepaid', 'goodwill-2', 3, 'another', NULL));
SELECT aiusage.refuse_recharge((SELECT recharge FROM aiusage.recharge WHERE key = 'goodwill-2'), 'no');
SELECT trim_scale(aiusage.correct_wallet('globex prepaid', 'goodwill-2', 3, 'another', NULL));
SELECT count(*) FROM aiusage.recharge WHERE key LIKE 'goodwill%';
-- nor another amount: a mistake would pass unseen
SELECT aiusage.correct_wallet('globex prepaid', 'goodwill-1', 50, 'an outage', 'T-1');
SELECT trim_scale(aiusage.correct_wallet('globex prepaid', 'back-1', -8, 'paid back', 'T-2', 'refund'));
SELECT trim_scale(aiusage.correct_wallet('globex prepaid', 'back-1', -8, 'paid back', 'T-2', 'refund'));
SELECT aiusage.correct_wallet('globex prepaid', 'back-1', -9, 'paid back', 'T-2', 'refund');
-- credit is raised by recharges only
SELECT aiusage.request_override('globex prepaid', now() + interval '1 day', 'in a hurry', raise_by => 100);
-- who asked, in whatever role, and approves, in another one
GRANT wallet_approver TO wallet_admin;
SET ROLE wallet_admin;
SELECT aiusage.request_recharge('globex prepaid', 'order-roles', 1) AS r_roles \gset
SET SESSION AUTHORIZATION wallet_admin;
SET ROLE wallet_approver;
SELECT aiusage.approve_recharge(:r_roles);
RESET SESSION AUTHORIZATION;
SELECT aiusage.refuse_recharge(:r_roles, 'a test');
SELECT aiusage.correct_wallet('globex prepaid', 'back-2', 8, 'paid back', 'T-2', 'refund');
SELECT aiusage.correct_wallet('globex prepaid', 'x', 1, '', NULL);
SELECT * FROM standing();

-- a hold keeps credit
SELECT decision, trim_scale(remaining) AS remaining, quota, hold_id FROM aiusage.admit('shop', 'acme', 'm', '{"input_tokens": 5}') \gset
SELECT balance, available FROM (SELECT trim_scale(balance) AS balance, trim_scale(available) AS available FROM aiusage.wallet_balance) AS b;
SELECT decision, http_status, quota FROM aiusage.admit('shop', 'acme', 'm', '{"input_tokens": 1000}');
SELECT aiusage.release(:'hold_id');

-- nothing of it is changed by hand, nor is its limit
UPDATE aiusage.wallet_journal SET amount = 1;
DELETE FROM aiusage.wallet_credit;
UPDATE aiusage.recharge SET amount = 1000;
TRUNCATE aiusage.wallet_journal;
SELECT aiusage.put_quota('{"name": "globex prepaid", "scope": {"customer": "globex"}, "metric": "spend", "currency": "USD", "limit": 1000, "window": "total"}');
SELECT aiusage.retire_quota('globex prepaid');
SELECT aiusage.put_wallet('{"name": "globex prepaid", "scope": {"api_key": "shop"}, "currency": "USD"}');
SELECT aiusage.put_wallet('{"name": "w", "scope": {"team": "other"}, "currency": "usd", "limit": 3}');
SELECT aiusage.put_wallet('{"name": "w", "scope": {"team": "other"}, "currency": "USD", "low_balance": 5, "refill_to": 3}');
SELECT aiusage.put_wallet('[]');
SELECT aiusage.request_recharge('nobody', 'k', 1);
SELECT aiusage.request_recharge('globex prepaid', NULL, 1);
SELECT aiusage.request_recharge('globex prepaid', 'bad', -1);
SELECT aiusage.request_recharge('globex prepaid', 'bad', 'NaN');
SELECT aiusage.request_recharge('globex prepaid', 'bad', 1, fee => 1);
SELECT aiusage.request_recharge('globex prepaid', 'bad', 1, expires_at => '2020-01-01');

-- the journal adds up to the balance, and to what the ledger says
SELECT b.balance = b.posted AS posted_is_balance, b.posted = (SELECT sum(j.amount) FROM aiusage.wallet_journal AS j WHERE j.wallet = b.wallet) AS journal,
	b.spent = (SELECT sum(u.cost::numeric) FROM aiusage.usage_record AS u WHERE u.cost IS NOT NULL) - 12 AS ledger
FROM aiusage.wallet_balance AS b;
SELECT check_name, ok, detail FROM aiusage.verify() WHERE NOT ok OR check_name LIKE 'wallet%';
SELECT trim_scale(aiusage.close_wallet('globex prepaid', 'contract ended')) AS left_with;
SELECT book(1000);
SELECT check_name, ok, detail FROM aiusage.verify() WHERE NOT ok;
SELECT aiusage.close_wallet('globex prepaid', 'again');
\c contrib_regression
DROP DATABASE limit_wallets;
DROP ROLE wallet_admin, wallet_approver, wallet_login;
