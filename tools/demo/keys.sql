-- Teams, keys and their owners for the demo's own workload; partitions for its months.
\set QUIET on
SET client_min_messages = warning;
\o /dev/null
BEGIN;
SELECT FROM aiusage.put_team('platform', 'Platform');
SELECT FROM aiusage.put_team('developer-tools', 'Developer tools');
SELECT FROM aiusage.put_team('search', 'Search');
SELECT FROM aiusage.put_team('support', 'Customer support');
SELECT FROM aiusage.put_team('research', 'Research');
SELECT FROM aiusage.put_cost_center('cc-100', 'Product');
SELECT FROM aiusage.put_cost_center('cc-200', 'Engineering');
SELECT FROM aiusage.put_cost_center('cc-300', 'Service');
SELECT FROM aiusage.put_customer('acme', 'Acme Corp.', 'enterprise');
SELECT FROM aiusage.put_customer('globex', 'Globex', 'starter');

SELECT FROM aiusage.put_key('{"key": "chat-prod", "class": "production", "team": "platform", "cost_center": "cc-100",
	"project": "assistant", "environment": "production", "owner": "platform-oncall", "owner_kind": "team", "product": "assistant",
	"allowed_providers": ["openai", "anthropic", "google"], "escalation_contact": "platform-oncall", "review_cadence": "90 days"}');
SELECT FROM aiusage.put_key('{"key": "chat-staging", "class": "staging", "team": "platform", "cost_center": "cc-100",
	"project": "assistant", "environment": "staging", "owner": "platform-oncall", "owner_kind": "team"}');
SELECT FROM aiusage.put_key('{"key": "code-assistant", "class": "development", "team": "developer-tools", "cost_center": "cc-200",
	"project": "ide", "environment": "production", "owner": "rahel", "owner_kind": "person", "workflow": "code-review"}');
SELECT FROM aiusage.put_key('{"key": "search-embed", "class": "batch", "team": "search", "cost_center": "cc-200",
	"project": "index", "environment": "production", "owner": "search-bot", "owner_kind": "service account"}');
SELECT FROM aiusage.put_key('{"key": "evals", "class": "evaluation", "team": "research", "cost_center": "cc-200",
	"project": "reasoning", "environment": "research", "owner": "tomas", "owner_kind": "person"}');
-- Moves in the middle of October: what it used before stays with its first owner.
SELECT FROM aiusage.put_key('{"key": "support-bot", "class": "customer", "team": "support", "cost_center": "cc-300",
	"project": "helpdesk", "environment": "production", "owner": "support-leads", "owner_kind": "team", "workflow": "answer-ticket"}');
SELECT FROM aiusage.put_key('{"key": "support-bot", "class": "customer", "team": "platform", "cost_center": "cc-100",
	"project": "helpdesk", "environment": "production", "owner": "platform-oncall", "owner_kind": "team", "workflow": "answer-ticket",
	"valid_from": "2025-10-15 00:00:00+00"}', force => true);

SELECT FROM aiusage.make_partitions('2025-08-30 00:00:00+00', '2025-11-02 00:00:00+00');
COMMIT;
\o
