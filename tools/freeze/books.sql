-- Books with something of everything in them, as a release leaves them behind:
-- tools/freeze.sh dumps them, and t/100_upgrade.pl updates them.  Only what
-- every release from 1.0.0 on knows.  Roles: frozen_owner (the books' own),
-- frozen_gateway, frozen_analyst, frozen_admin, frozen_approver.
\set ON_ERROR_STOP on
\set QUIET on
\o /dev/null
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE ROLE frozen_owner;
CREATE ROLE frozen_gateway;
CREATE ROLE frozen_analyst;
CREATE ROLE frozen_admin;
CREATE ROLE frozen_approver;
CREATE EXTENSION aiusage;
SELECT FROM aiusage.init('frozen_owner');
SELECT aiusage.grant_access('frozen_gateway', 'gateway'), aiusage.grant_access('frozen_analyst', 'analyst'),
	aiusage.grant_access('frozen_admin', 'admin'), aiusage.grant_access('frozen_approver', 'approver');
UPDATE aiusage.setting SET value = '3' WHERE name = 'partitions_ahead';

-- prices: two versions of the list, what we pay, what customers pay, one key's own book
SELECT aiusage.import_prices('list', 'aiusage', format('{"currency": "USD", "providers": [{"provider": "openai", "match": {"equals": "openai"}, "models": [
	{"model": "gpt-4o", "match": {"starts_with": "gpt-4o"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": %s, "per": 1000000},
		{"unit": "cache_read_tokens", "rate": 1.25, "per": 1000000}, {"unit": "output_tokens", "rate": 10, "per": 1000000}]}]},
	{"model": "small", "match": {"equals": "small"}, "rules": [{"prices": [{"unit": "input_tokens", "rate": 0.15, "per": 1000000},
		{"unit": "cache_read_tokens", "rate": 0.075, "per": 1000000}, {"unit": "output_tokens", "rate": 0.6, "per": 1000000}, {"unit": "requests", "rate": 0.001}]}]}]}]}', rate)::jsonb, since)
FROM (VALUES (2.5, timestamptz '2020-01-01'), (2.25, '2025-10-10')) AS v (rate, since);
INSERT INTO aiusage.price_book (book, kind, currency, inherits) VALUES ('negotiated', 'cost', 'USD', 'list');
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('resale', 'charge', 'EUR');
SELECT aiusage.import_prices('resale', 'aiusage', '{"providers": [{"provider": "openai", "match": {"equals": "openai"}, "models": [
	{"model": "gpt-4o", "match": {"equals": "gpt-4o"}, "rules": [{"prices": [
		{"unit": "input_tokens", "rate": 4, "per": 1000000}, {"unit": "output_tokens", "rate": 16, "per": 1000000}]}]}]}]}', '2020-01-01');
SELECT aiusage.put_fx_rate('EUR', 'USD', 1.0856, '2025-09-01', 'central bank');

-- owners, calendars, keys; one key moves in the middle of a month
SELECT aiusage.set_billing_calendar('global', 'Europe/Berlin');
SELECT aiusage.set_billing_calendar('weekly', 'America/New_York', unit => 'week');
SELECT aiusage.put_team('search', 'Search', calendar => 'weekly'), aiusage.put_team('support', 'Support'),
	aiusage.put_cost_center('cc-100', 'Product'), aiusage.put_cost_center('cc-200', 'Service'), aiusage.put_customer('acme', 'Acme Corp.', 'enterprise');
SELECT aiusage.put_key('{"key": "chat", "class": "production", "team": "search", "cost_center": "cc-100", "owner": "ana", "owner_kind": "person",
	"allowed_providers": ["openai"]}');
SELECT aiusage.put_key('{"key": "portal", "team": "support", "cost_center": "cc-200", "customer": "acme", "charge_book": "resale"}');
SELECT aiusage.put_key('{"key": "desk", "team": "support", "cost_center": "cc-200"}');
SELECT aiusage.put_key('{"key": "desk", "team": "search", "cost_center": "cc-100", "valid_from": "2025-10-15 00:00:00+00"}', force => true);
SELECT aiusage.put_key('{"key": "finance-desk", "team": "finance", "cost_center": "cc-900"}');
SELECT aiusage.put_contract('{"contract": "openai-25", "book": "negotiated", "key": "finance-desk", "provider": "openai", "valid_from": "2025-01-01", "minimum": 10,
	"rates": [{"unit": "input_tokens", "model": "gpt-4o*", "method": "graduated", "free": 1000000, "tiers": [
		{"price": 2.50, "per": 1000000}, {"starts": 2000000, "price": 2, "per": 1000000}]}]}');

-- limits and a wallet
SELECT aiusage.put_quota('{"name": "search per month", "scope": {"team": "search"}, "metric": "spend", "limit": 500, "currency": "USD",
	"window": "month", "time_zone": "Europe/Berlin", "thresholds": [50, 80]}');
SELECT aiusage.put_quota('{"name": "tokens of a user", "scope": {"team": "support"}, "per": ["user_id"], "metric": "output_tokens",
	"limit": 1000000, "window": "total"}');
SELECT aiusage.put_wallet('{"name": "acme prepaid", "scope": {"customer": "acme"}, "currency": "USD", "low_balance": 20, "refill_to": 200,
	"thresholds": [80, 95], "notify": "billing"}');
SELECT aiusage.request_recharge('acme prepaid', 'order-0', 250, note => 'opening balance') AS recharge \gset
SET SESSION AUTHORIZATION frozen_approver;
SELECT aiusage.approve_recharge(:recharge);
RESET SESSION AUTHORIZATION;
SELECT aiusage.request_recharge('acme prepaid', 'order-1', 100, paid => 96.40, paid_currency => 'EUR', fee => 1.40, exchange_rate => 1.0526, invoice => 'INV-1');

-- usage of September and October 2025; what is unpriced and what nobody owns
SELECT aiusage.make_partitions('2025-08-30 00:00:00+00', '2025-11-02 00:00:00+00');
INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, user_id, provider, model, usage, latency_ms, status, tags)
SELECT aiusage.event_id('r-' || n, t), 'r-' || n, t, (ARRAY['chat', 'portal', 'desk', 'nobody'])[n % 4 + 1], 'user-' || n % 7, 'openai',
	CASE WHEN n % 20 = 6 AND n < 300 THEN 'unknown' WHEN n % 5 = 2 THEN 'small' ELSE 'gpt-4o' END,
	format('{"input_tokens": %s, "cache_read_tokens": %s, "output_tokens": %s}', 1000 + n, n % 100, n % 70)::aiusage.usage, 800 + n,
	CASE WHEN n % 50 = 0 THEN 'error' ELSE 'success' END::aiusage.usage_status, CASE WHEN n % 10 = 0 THEN '{"trace": "x"}'::jsonb END
FROM generate_series(1, 400) AS n, LATERAL (SELECT timestamptz '2025-09-01 06:00:00Z' + n * interval '3 hours 20 minutes') AS x (t);
SELECT aiusage.refresh();

-- corrections, a closed month with statements and contracts, an invoice
SELECT aiusage.adjust(aiusage.event_id('r-5', '2025-09-01 22:40:00Z'), '{"input_tokens": 900}', 'provider''s counters', 'FIN-1');
SELECT r.* FROM aiusage.reprice('{"api_key": "desk", "from": "2025-10-20T00:00:00Z", "to": "2025-11-01T00:00:00Z"}',
	(SELECT min(version) FROM aiusage.price_version WHERE book = 'list'), 'as before', 'FIN-2', dry_run => false) AS r;
SELECT aiusage.refresh();
SELECT * FROM aiusage.book_contracts(aiusage.period_of(1, '2025-09-15 12:00:00Z'), dry_run => false);
SELECT aiusage.refresh();
SELECT aiusage.close_period(aiusage.period_of(1, '2025-09-15 12:00:00Z'), 'September', force => true);
SELECT aiusage.record_period_invoice(aiusage.period_of(1, '2025-09-15 12:00:00Z'), 'J-2025-09');

-- a hold, and rows that the last fold did not see
SELECT decision FROM aiusage.admit('chat', 'openai', 'gpt-4o', '{"input_tokens": 4740, "output_tokens": 1000}', durable => true);
INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, provider, model, usage)
SELECT aiusage.event_id('late-' || n, t), 'late-' || n, t, 'chat', 'openai', 'gpt-4o', aiusage.usage('input_tokens', 1000 * n)
FROM generate_series(1, 10) AS n, LATERAL (SELECT timestamptz '2025-10-28 06:00:00Z' + n * interval '1 hour') AS x (t);
\o
SELECT check_name, detail FROM aiusage.verify() WHERE NOT ok;
