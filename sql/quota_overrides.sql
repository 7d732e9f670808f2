-- Raises of a limit: asked for by one, decided by another.  And the emergency switch.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
CREATE ROLE qo_ana;
CREATE ROLE qo_bea;
CREATE ROLE qo_cy;
CREATE ROLE qo_member;
CREATE ROLE qo_stranger;
CREATE ROLE qo_gateway;
SELECT count(aiusage.put_key(r)) AS keys FROM (VALUES (jsonb '{"key": "qo-1", "team": "qo-a", "cost_center": "qo-cc", "customer": "qo-acme"}'),
	('{"key": "qo-2", "team": "qo-b", "cost_center": "qo-cc2"}')) AS v (r);
SELECT aiusage.grant_access('qo_ana', 'approver'), aiusage.grant_access('qo_bea', 'approver'), aiusage.grant_access('qo_cy', 'admin'),
	aiusage.grant_access('qo_member', 'member', '{"teams": ["qo-a"]}'), aiusage.grant_access('qo_stranger', 'member', '{"teams": ["qo-b"]}'), aiusage.grant_access('qo_gateway', 'gateway');
SELECT aiusage.put_quota('{"name": "qo team", "scope": {"team": "qo-a"}, "metric": "requests", "limit": 10, "window": "total"}') AS team,
	aiusage.put_quota('{"name": "qo user", "scope": {"team": "qo-a"}, "per": ["user_id", "model"], "metric": "requests", "limit": 5, "window": "total"}') AS user \gset
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, user_id) SELECT 'qo-1', 'qo-p', 'GPT', '{}', u FROM (VALUES ('ana'), ('ana'), ('ben')) AS v (u);
SELECT name, subject, used, "limit" FROM aiusage.quota_state WHERE name LIKE 'qo %' ORDER BY name, subject;

-- What a raise must say
SET SESSION AUTHORIZATION qo_member;
SELECT aiusage.request_override('qo nothing', now() + interval '1 day', 'launch', raise_by => 5);
SELECT aiusage.request_override('qo team', now() + interval '1 day', 'launch');
SELECT aiusage.request_override('qo team', now() + interval '1 day', 'launch', raise_by => 5, raise_to => 20);
SELECT aiusage.request_override('qo team', now() + interval '1 day', 'launch', raise_by => -5);
SELECT aiusage.request_override('qo team', now() + interval '1 day', 'launch', raise_by => 'NaN');
SELECT aiusage.request_override('qo team', now() + interval '1 day', 'launch', raise_by => 1e25);
SELECT aiusage.request_override('qo team', now() + interval '1 day', 'launch', raise_to => 10);
SELECT aiusage.request_override('qo team', now() - interval '1 day', 'launch', raise_by => 5);
SELECT aiusage.request_override('qo team', 'infinity', 'launch', raise_by => 5);
SELECT aiusage.request_override('qo team', NULL, 'launch', raise_by => 5);
SELECT aiusage.request_override('qo team', now() + interval '1 day', ' ', raise_by => 5);
SELECT aiusage.request_override('qo team', now() + interval '1 day', 'launch', raise_by => 5, decide_within => '-1 day');
SELECT aiusage.request_override('qo team', now() + interval '1 day', 'launch', raise_by => 5, subject => '{"user_id": "ana"}');
SELECT aiusage.request_override('qo user', now() + interval '1 day', 'launch', raise_by => 5, subject => '{"user_id": "ana"}');
SELECT aiusage.request_override('qo user', now() + interval '1 day', 'launch', raise_by => 5, subject => '[]');
-- Members ask for what they see.
SELECT aiusage.request_override('qo team', now() + interval '1 day', 'launch', raise_by => 5, ticket => 'OPS-1') AS r1 \gset
SELECT aiusage.request_override('qo user', now() + interval '1 day', 'ana trains', raise_to => 50, subject => '{"user_id": "ana", "model": "GPT"}') AS r2 \gset
SELECT aiusage.approve_request(:r1);
SET SESSION AUTHORIZATION qo_stranger;
SELECT aiusage.request_override('qo team', now() + interval '1 day', 'launch', raise_by => 5);
SELECT aiusage.withdraw_request(:r1);
SELECT count(*) AS sees FROM aiusage.quota_state WHERE name LIKE 'qo %';

-- Nobody decides what they asked for, by whatever role.
SET SESSION AUTHORIZATION qo_ana;
SELECT aiusage.request_override('qo team', now() + interval '2 days', 'mine', raise_to => 30, from_at => now() + interval '1 day') AS r3 \gset
SELECT aiusage.approve_request(:r3);
SELECT aiusage.refuse_request(:r3, 'no');
SELECT aiusage.approve_request(NULL);
SELECT aiusage.approve_request(:r1, 'go') IS NOT NULL AS approved;
SELECT aiusage.approve_request(:r1);
RESET SESSION AUTHORIZATION;
GRANT qo_bea TO qo_ana;
SET SESSION AUTHORIZATION qo_ana;
SET ROLE qo_bea;
SELECT aiusage.approve_request(:r3);
RESET ROLE;
RESET SESSION AUTHORIZATION;
REVOKE qo_bea FROM qo_ana;
SET SESSION AUTHORIZATION qo_bea;
SELECT aiusage.approve_request(:r2) AS o2 \gset
SELECT aiusage.approve_request(:r3, 'next week') IS NOT NULL AS approved;
RESET SESSION AUTHORIZATION;
SELECT name, subject, used, "limit", base_limit, remaining FROM aiusage.quota_state WHERE name LIKE 'qo %' ORDER BY name, subject;
SELECT raise_by, raise_to, labels, reason, ticket, requested_by, approved_by FROM aiusage.quota_override WHERE quota IN (:team, :user) ORDER BY override;
SELECT kind, quota_name, subject_text, "limit", regexp_replace(detail, '\d+', 'N') AS detail, role FROM aiusage.quota_event WHERE quota IN (:team, :user) AND kind IN ('requested', 'approved', 'refused', 'withdrawn', 'ended') ORDER BY event;
SELECT relation, operation, count(*) FROM aiusage.audit_log WHERE relation IN ('quota_request', 'quota_override') AND new ->> 'quota' IN (:'team', :'user') GROUP BY 1, 2 ORDER BY 1, 2;

-- What the engine sees is what the view shows.
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, user_id) SELECT 'qo-1', 'qo-p', 'gpt', '{}', 'ana' FROM generate_series(1, 12);
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, user_id) VALUES ('qo-1', 'qo-p', 'gpt', '{}', 'ana');
SELECT name, subject, used, "limit", state FROM aiusage.quota_state WHERE name LIKE 'qo %' ORDER BY name, subject;
-- Ended early; nothing else about it changes.
SET SESSION AUTHORIZATION qo_bea;
SELECT aiusage.end_override(:o2, NULL);
SELECT aiusage.end_override(-1, 'x');
SELECT aiusage.end_override(:o2, 'done'), aiusage.end_override(:o2, 'again');
RESET SESSION AUTHORIZATION;
UPDATE aiusage.quota_override SET raise_to = 100 WHERE override = :o2;
UPDATE aiusage.quota_override SET valid_until = now() + interval '1 year' WHERE override = :o2;
DELETE FROM aiusage.quota_override;
UPDATE aiusage.quota_request SET status = 'requested', decided_at = NULL WHERE request = :r1;
DELETE FROM aiusage.quota_request;
SELECT name, subject, "limit" FROM aiusage.quota_state WHERE name = 'qo user' ORDER BY subject;

-- Refused, withdrawn, expired; the limit gone
SET SESSION AUTHORIZATION qo_cy;
SELECT aiusage.request_override('qo team', now() + interval '1 day', 'a', raise_by => 1) AS r4, aiusage.request_override('qo team', now() + interval '1 day', 'b', raise_by => 1) AS r5,
	aiusage.request_override('qo team', now() + interval '1 day', 'c', raise_by => 1, decide_within => '1 microsecond') AS r6, aiusage.request_override('qo user', now() + interval '1 day', 'd', raise_by => 1) AS r7 \gset
SELECT aiusage.withdraw_request(:r5);
SELECT aiusage.withdraw_request(:r5);
SET SESSION AUTHORIZATION qo_ana;
SELECT aiusage.refuse_request(:r4, 'not now');
SELECT aiusage.approve_request(:r6);
RESET SESSION AUTHORIZATION;
SELECT aiusage.prune_quotas() > 0 AS expired;
SELECT aiusage.retire_quota('qo user') = :user AS retired;
SET SESSION AUTHORIZATION qo_ana;
SELECT aiusage.approve_request(:r7);
RESET SESSION AUTHORIZATION;
SELECT reason, status, decided_by, decision_note FROM aiusage.quota_request WHERE request IN (:r1, :r2, :r3, :r4, :r5, :r6, :r7) ORDER BY request;
SELECT aiusage.retire_quota('qo team') = :team AS retired;

-- The emergency switch: a team, a cost center, a customer
SET ROLE qo_gateway;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('qo-1', 'qo-p', 'm', '{}');
SET ROLE qo_cy;
SELECT aiusage.stop_team('qo-a', NULL);
SELECT aiusage.stop_team('qo-none', 'x');
SELECT aiusage.set_stop('project', 'qo-a', true, 'x');
SELECT aiusage.start_team('qo-none');
SELECT aiusage.stop_team('qo-a', 'runaway agent'), aiusage.stop_team('qo-a', 'again');
SET ROLE qo_gateway;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('qo-1', 'qo-p', 'm', '{}');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, spent) VALUES ('qo-1', 'qo-p', 'm', '{}', true);
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('qo-2', 'qo-p', 'm', '{}');
SET ROLE qo_cy;
SELECT aiusage.start_team('qo-a'), aiusage.start_team('qo-a'), aiusage.stop_cost_center('qo-cc', 'budget freeze'), aiusage.stop_cost_center('qo-none', 'x');
SELECT aiusage.start_team('qo-a'), aiusage.stop_cost_center('qo-cc', 'budget freeze');
SET ROLE qo_gateway;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('qo-1', 'qo-p', 'm', '{}');
SET ROLE qo_cy;
SELECT aiusage.start_cost_center('qo-cc'), aiusage.stop_customer('qo-acme', 'unpaid');
SET ROLE qo_gateway;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('qo-1', 'qo-p', 'm', '{}');
-- the request's own customer goes before its key's
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, customer) VALUES ('qo-1', 'qo-p', 'm', '{}', 'qo-zeta');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, customer) VALUES ('qo-2', 'qo-p', 'm', '{}', 'qo-acme');
RESET ROLE;
SELECT team, stopped_at IS NOT NULL AS stopped, stop_reason FROM aiusage.team WHERE team LIKE 'qo-%' ORDER BY 1;
SELECT relation, coalesce(new ->> 'stop_reason', '(started)') AS stop FROM aiusage.audit_log WHERE relation IN ('team', 'cost_center', 'customer') AND old ->> 'stopped_at' IS DISTINCT FROM new ->> 'stopped_at' AND operation = 'UPDATE' ORDER BY entry;
SELECT aiusage.start_customer('qo-acme') AS started;
SET client_min_messages = warning;
SELECT count(aiusage.revoke_access(g.role::text::regrole, g.kind)) AS revoked FROM aiusage.access_grant AS g WHERE g.role LIKE 'qo\_%';
DROP ROLE qo_ana, qo_bea, qo_cy, qo_member, qo_stranger, qo_gateway;
