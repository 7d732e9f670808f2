--
-- Keys: records, ownership as of the event's time, credentials, routes
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();
RESET client_min_messages;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
-- What a key has had, times told as before, now or ahead
CREATE FUNCTION pg_temp.history(key text) RETURNS TABLE (n bigint, begins text, ends text, team text, cost_center text, owner text, rest text)
LANGUAGE sql AS $$
	SELECT row_number() OVER (ORDER BY a.valid_from, a.assignment),
		CASE WHEN isfinite(a.valid_from) AND abs(extract(epoch FROM a.valid_from - clock_timestamp())) < 3600 THEN 'now' ELSE a.valid_from::text END,
		CASE WHEN abs(extract(epoch FROM a.valid_to - clock_timestamp())) < 3600 THEN 'now' ELSE a.valid_to::text END,
		a.team, a.cost_center, a.owner, concat_ws('/', a.project, a.environment, a.workflow, a.customer, a.owner_kind, a.product)
	FROM aiusage.key_assignment AS a WHERE a.api_key = key ORDER BY a.valid_from, a.assignment
$$;

-- The whole record
SELECT aiusage.put_key('{
	"key": "config-k1", "class": "production", "status": "active",
	"team": "config-payments", "cost_center": "config-cc-100", "project": "checkout", "environment": "prod-eu",
	"workflow": "fraud-check", "customer": "config-acme", "owner": "ada", "owner_kind": "person", "product": "shop",
	"allowed_providers": ["openai", "anthropic"], "allowed_models": ["gpt-4o", "claude-*"], "allowed_endpoints": ["chat"],
	"escalation_contact": "oncall-payments", "review_cadence": "3 months", "reviewed_on": "2026-01-31",
	"rotation": {"due": "2030-01-01", "owner": "grace", "trigger": "staff change"},
	"price_book": "list"
	}') IS NOT NULL AS assigned;
\pset format unaligned
SELECT jsonb_pretty(aiusage.key_record('config-k1') - 'assignment' - 'created_at' - 'created_by') AS record;
\pset format aligned
SELECT aiusage.key_record('config-k1') -> 'assignment' ->> 'valid_from' AS valid_from,
	aiusage.key_record('config-k1') -> 'assignment' ->> 'valid_to' AS valid_to;
SELECT * FROM pg_temp.history('config-k1');

-- The same record again changes nothing: no assignment, no audit entry.
SELECT count(*) AS entries FROM aiusage.audit_log WHERE 'config-k1' IN (old ->> 'api_key', new ->> 'api_key') \gset
SELECT aiusage.put_key('{
	"key": "config-k1", "class": "production", "status": "active",
	"team": "config-payments", "cost_center": "config-cc-100", "project": "checkout", "environment": "prod-eu",
	"workflow": "fraud-check", "customer": "config-acme", "owner": "ada", "owner_kind": "person", "product": "shop",
	"allowed_providers": ["openai", "anthropic"], "allowed_models": ["gpt-4o", "claude-*"], "allowed_endpoints": ["chat"],
	"escalation_contact": "oncall-payments", "review_cadence": "3 months", "reviewed_on": "2026-01-31",
	"rotation": {"due": "2030-01-01", "owner": "grace", "trigger": "staff change"},
	"price_book": "list"
	}') = (SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'config-k1') AS the_same;
-- Nor does what key_record() says, put back.
SELECT aiusage.put_key(aiusage.key_record('config-k1')) = (SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'config-k1') AS the_same;
SELECT count(*) - :entries AS new_entries FROM aiusage.audit_log WHERE 'config-k1' IN (old ->> 'api_key', new ->> 'api_key');
SELECT relation, operation, new ->> 'team' AS team, role = current_user AS by_me
FROM aiusage.audit_log WHERE 'config-k1' IN (old ->> 'api_key', new ->> 'api_key') ORDER BY entry;

-- Other spellings, and little said: what is missing is named.
SELECT aiusage.put_key('{"api_key": "config-k2", "scope_class": "batch", "escalation": "nobody", "allowed": {"providers": ["openai"]}}') AS no_owner;
SELECT aiusage.key_record('config-k2') -> 'missing' AS missing, aiusage.key_record('config-k2') -> 'assignment' AS assignment,
	aiusage.key_record('config-k2') -> 'class' AS class, aiusage.key_record('config-k2') -> 'allowed_providers' AS providers;
SELECT aiusage.put_key('{"key": "config-k3", "owner": null, "team": "config-payments", "rotation": null}') IS NOT NULL AS assigned;
SELECT aiusage.key_record('config-k3') -> 'missing' AS missing;

-- What the record leaves out is no longer said, but for the status.
SELECT aiusage.disable_key('config-k1', 'leaked') AS disabled, aiusage.disable_key('config-k1', 'again') AS again;
SELECT aiusage.put_key('{"key": "config-k1", "class": "staging", "team": "config-payments"}') IS NOT NULL AS assigned;
SELECT status, status_reason, class, allowed_providers, allowed_models, review_cadence, rotation_due, rotation_owner,
	aiusage.key_record(api_key) ->> 'price_book' AS price_book
FROM aiusage.api_key WHERE api_key = 'config-k1';
SELECT aiusage.put_key('{"key": "config-k1", "class": "staging", "status": "active", "team": "config-payments"}') IS NOT NULL AS assigned;
SELECT status, status_reason, status_changed_at IS NOT NULL AS changed FROM aiusage.api_key WHERE api_key = 'config-k1';
SELECT aiusage.enable_key('config-k1') AS is_active_already;
SELECT aiusage.disable_key('config-k1') AS disabled, aiusage.enable_key('config-k1', 'rotated') AS enabled;
SELECT status, status_reason FROM aiusage.api_key WHERE api_key = 'config-k1';
SELECT aiusage.disable_key('config-none');
\echo :SQLSTATE
SELECT aiusage.enable_key('config-none');
\echo :SQLSTATE
SELECT aiusage.key_record('config-none');
\echo :SQLSTATE
SELECT aiusage.key_record(NULL) IS NULL AS nothing;

-- Ownership moves from now on, and the history stays.
SELECT * FROM pg_temp.history('config-k1');
SELECT assignment AS first FROM aiusage.key_assignment WHERE api_key = 'config-k1' ORDER BY valid_from LIMIT 1 \gset
SELECT aiusage.put_key('{"key": "config-k1", "class": "staging", "team": "config-search", "owner": "linus"}') > :first AS moved;
SELECT * FROM pg_temp.history('config-k1');
SELECT (aiusage.explain_owner('config-k1', '2020-01-01')).assignment = :first AS before_is_the_first,
	(aiusage.explain_owner('config-k1', clock_timestamp() + interval '1 second')).assignment
		= (SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'config-k1' AND valid_to IS NULL) AS now_is_the_last;
-- Without owner: unmatched from now on.
SELECT aiusage.put_key('{"key": "config-k1", "class": "staging"}') AS nobody;
SELECT (aiusage.explain_owner('config-k1', clock_timestamp() + interval '1 second')).assignment AS unmatched,
	aiusage.put_key('{"key": "config-k1", "class": "staging"}') AS again;
SELECT * FROM pg_temp.history('config-k1');

-- Three changes in one transaction, in one millisecond or not
BEGIN;
SELECT aiusage.put_key('{"key": "config-k4", "team": "config-a"}') IS NOT NULL AS assigned;
SELECT aiusage.put_key('{"key": "config-k4", "team": "config-b"}') IS NOT NULL AS assigned;
SELECT aiusage.put_key('{"key": "config-k4", "team": "config-c"}') IS NOT NULL AS assigned;
COMMIT;
SELECT team, valid_to IS NULL AS lasts FROM aiusage.key_assignment WHERE api_key = 'config-k4' ORDER BY valid_from;

-- Times that are given: a first owner from any time, a move ahead, and one taken back
SELECT aiusage.put_key('{"key": "config-k5", "team": "config-a", "valid_from": "2024-01-01T00:00:00Z"}') IS NOT NULL AS assigned;
SELECT aiusage.put_key('{"key": "config-k5", "team": "config-b", "valid_from": "2999-01-01T00:00:00Z"}') IS NOT NULL AS assigned;
SELECT aiusage.put_key('{"key": "config-k5", "team": "config-b", "valid_from": "2999-01-01T00:00:00Z"}') IS NOT NULL AS again;
SELECT * FROM pg_temp.history('config-k5');
SELECT aiusage.key_record('config-k5') #- '{later_assignments,0,id}' -> 'later_assignments' AS ahead;
-- a change before it lasts until then
SELECT aiusage.put_key('{"key": "config-k5", "team": "config-c", "valid_from": "2998-01-01T00:00:00Z"}') IS NOT NULL AS assigned;
SELECT * FROM pg_temp.history('config-k5');
-- another owner from the same moment ahead replaces it
SELECT aiusage.put_key('{"key": "config-k5", "team": "config-d", "valid_from": "2998-01-01T00:00:00Z"}') IS NOT NULL AS assigned;
SELECT * FROM pg_temp.history('config-k5');
SELECT aiusage.cancel_move('config-k5', '2998-01-01T00:00:00Z') AS cancelled, aiusage.cancel_move('config-k5', '2998-01-01T00:00:00Z') AS again;
SELECT aiusage.cancel_move('config-k5', '2999-01-01T00:00:00Z') AS cancelled;
SELECT * FROM pg_temp.history('config-k5') WHERE begins <> ends OR ends IS NULL;
SELECT aiusage.cancel_move('config-k5', '2024-01-01T00:00:00Z');
\echo :SQLSTATE
SELECT aiusage.cancel_move('config-none', '2999-01-01T00:00:00Z');
\echo :SQLSTATE
SELECT (aiusage.explain_owner('config-k5', '2023-12-31T23:59:59.999999Z')).assignment AS before_is_unmatched,
	(aiusage.explain_owner('config-k5', '2024-01-01T00:00:00Z')).assignment IS NOT NULL AS from_then_on;

-- The past is not changed by accident.
SELECT aiusage.put_key('{"key": "config-k5", "team": "config-e", "valid_from": "2025-01-01T00:00:00Z"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-k5", "team": "config-e", "valid_from": "2023-01-01T00:00:00Z"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-k5", "team": "config-e", "valid_from": "2024-01-01T00:00:00Z"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-k5", "team": "config-e", "valid_from": "2025-01-01T00:00:00Z"}', force => true) IS NOT NULL AS forced;
SELECT aiusage.put_key('{"key": "config-k5", "team": "config-f", "valid_from": "-infinity"}', force => true) IS NOT NULL AS forced;
SELECT aiusage.put_key('{"key": "config-k5", "team": "config-g", "valid_from": "2024-01-01T00:00:00Z"}', force => true) IS NOT NULL AS forced;
SELECT begins, ends, team FROM pg_temp.history('config-k5') WHERE begins <> ends OR ends IS NULL;
SELECT t.at, k.team FROM (VALUES (timestamptz '2020-01-01'), ('2024-06-01'), ('2025-06-01')) AS t (at),
	aiusage.explain_owner('config-k5', t.at) AS o JOIN aiusage.key_assignment AS k USING (assignment) ORDER BY t.at;
-- now() of the transaction is not the past
SELECT aiusage.put_key(jsonb_build_object('key', 'config-k5', 'team', 'config-h', 'valid_from', now())) IS NOT NULL AS assigned;

-- Assignments are immutable, but for an end that is still ahead.
UPDATE aiusage.key_assignment SET team = 'config-a' WHERE api_key = 'config-k3';
\echo :SQLSTATE
UPDATE aiusage.key_assignment SET valid_from = '2001-01-01' WHERE api_key = 'config-k3';
\echo :SQLSTATE
UPDATE aiusage.key_assignment SET valid_to = NULL WHERE api_key = 'config-k5' AND valid_to = '2025-01-01T00:00:00Z';
\echo :SQLSTATE
DELETE FROM aiusage.key_assignment WHERE api_key = 'config-k3';
\echo :SQLSTATE
TRUNCATE aiusage.key_assignment;
\echo :SQLSTATE
DELETE FROM aiusage.api_key WHERE api_key = 'config-k3';
\echo :SQLSTATE
UPDATE aiusage.api_key SET api_key = 'config-renamed' WHERE api_key = 'config-k3';
\echo :SQLSTATE
DELETE FROM aiusage.team WHERE team = 'config-payments';
\echo :SQLSTATE
INSERT INTO aiusage.key_assignment (api_key, valid_from, team) VALUES ('config-k3', '2030-01-01', 'config-a');
\echo :SQLSTATE

-- Records that are refused, each telling the field
SELECT aiusage.put_key(NULL);
\echo :SQLSTATE
SELECT aiusage.put_key('[]');
\echo :SQLSTATE
SELECT aiusage.put_key('"key"');
\echo :SQLSTATE
SELECT aiusage.put_key('{}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": null, "team": "x"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": ""}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": 5}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "colour": "red"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "team": ["a"]}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "team": ""}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "owner": {"name": "ada"}}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "class": "prod"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "status": "paused"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "allowed_models": "gpt-4o"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "allowed_models": []}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "allowed_models": ["gpt-4o", 4]}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "allowed_models": ["gpt-4o", null]}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "allowed": ["gpt-4o"]}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "allowed": {"model": ["gpt-4o"]}}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "review_cadence": "often"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "review_cadence": "-1 day"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "review_cadence": 90}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "reviewed_on": "soon"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "rotation": "yearly"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "rotation": {"when": "2030-01-01"}}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "rotation": {"due": "2030-13-01"}}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "rotation": {"replaced_by": "config-none"}}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "rotation": {"replaced_by": "config-bad"}}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "valid_from": "infinity"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "valid_from": "someday"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "price_book": "config-none"}');
\echo :SQLSTATE
SELECT aiusage.put_key('{"key": "config-bad", "charge_book": "config-none"}');
\echo :SQLSTATE
SELECT aiusage.put_key(jsonb_build_object('key', repeat('k', 257)));
\echo :SQLSTATE
SELECT aiusage.put_key(jsonb_build_object('key', 'config-bad', 'team', repeat('t', 257)));
\echo :SQLSTATE
SELECT aiusage.put_key(jsonb_build_object('key', 'config-bad', 'owner', repeat('t', 257)));
\echo :SQLSTATE
SELECT aiusage.put_key(jsonb_build_object('key', 'config-bad', 'allowed_models', ARRAY[repeat('t', 257)]));
\echo :SQLSTATE
-- Secrets are refused wherever text is kept, and not repeated in the message.
SELECT aiusage.put_key(jsonb_build_object('key', 'sk-proj-' || repeat('Ab3dEf7hIj', 5)));
\echo :SQLSTATE
SELECT aiusage.put_key(jsonb_build_object('key', 'config-bad', 'escalation_contact', 'Bearer ' || repeat('Ab3dEf7hIj', 4)));
\echo :SQLSTATE
SELECT aiusage.put_key(jsonb_build_object('key', 'config-bad', 'allowed_models', ARRAY['AKIA' || 'IOSFODNN7EXAMPLE']));
\echo :SQLSTATE
SELECT aiusage.put_key(jsonb_build_object('key', 'config-bad', 'product', 'sk-ant-' || repeat('Ab3dEf7hIj', 5)));
\echo :SQLSTATE
SELECT aiusage.rotate_key('config-k1', 'sk-proj-' || repeat('Ab3dEf7hIj', 5), '1 day');
\echo :SQLSTATE
-- Nothing of it was kept.
SELECT count(*) FROM aiusage.api_key WHERE api_key IN ('config-bad', 'x', '') OR api_key LIKE 'sk-%' OR api_key LIKE 'kkk%';
-- Text that is SQL is text.
SELECT aiusage.put_key(jsonb_build_object('key', k, 'team', k, 'cost_center', k, 'customer', k, 'owner', k, 'project', k,
	'environment', k, 'workflow', k, 'product', k, 'allowed_models', ARRAY[k])) IS NOT NULL AS assigned
FROM (VALUES ($$config'; DROP TABLE aiusage.api_key; --$$)) AS v (k);
SELECT aiusage.key_record(api_key) ->> 'team' AS team FROM aiusage.api_key WHERE api_key LIKE 'config''%';
SELECT aiusage.rotate_key(api_key, $$'); DROP TABLE aiusage.api_key; --$$, '0') IS NULL AS rotated, aiusage.disable_key(api_key, $$', 'x') --$$) AS disabled
FROM aiusage.api_key WHERE api_key LIKE 'config''%';
SELECT status_reason FROM aiusage.api_key WHERE api_key LIKE 'config''%';
SELECT aiusage.put_key(jsonb_build_object('key', 'config-bad', $$x'; DROP TABLE aiusage.api_key; --$$, 1));
\echo :SQLSTATE

-- Rotation: the key stays, credentials come and go
SELECT aiusage.rotate_key('config-k1', 'cred-1', '1 day') AS none_before;
SELECT aiusage.rotate_key('config-k1', 'cred-1', '1 day') AS again;
SELECT aiusage.rotate_key('config-k1', 'cred-2', '1 day') BETWEEN now() + interval '23 hours' AND now() + interval '25 hours' AS a_day;
SELECT aiusage.rotate_key('config-k1', 'cred-3', '0') IS NULL AS ended_at_once;
SELECT credential_label, valid_to IS NULL AS current, valid_to <= clock_timestamp() AS ended
FROM aiusage.key_credential WHERE api_key = 'config-k1' ORDER BY valid_from;
SELECT c ->> 'label' AS label, c -> 'valid_to' = 'null' AS current
FROM jsonb_array_elements(aiusage.key_record('config-k1') -> 'credentials') AS c;
SELECT rotated_at IS NOT NULL AS rotated FROM aiusage.api_key WHERE api_key = 'config-k1';
SELECT aiusage.rotate_key('config-k1', 'cred-1', '1 day');
\echo :SQLSTATE
SELECT aiusage.rotate_key('config-none', 'cred-1', '1 day');
\echo :SQLSTATE
SELECT aiusage.rotate_key('config-k1', 'cred-4', '-1 day');
\echo :SQLSTATE
SELECT aiusage.rotate_key('config-k1', 'cred-4', NULL);
\echo :SQLSTATE
SELECT aiusage.rotate_key('config-k1', NULL, '1 day');
\echo :SQLSTATE
SELECT aiusage.rotate_key('config-k1', '', '1 day');
\echo :SQLSTATE
SELECT relation, operation, new ->> 'credential_label' AS label FROM aiusage.audit_log
WHERE relation = 'key_credential' AND new ->> 'api_key' = 'config-k1' ORDER BY entry;

-- Routes: exact or by prefix, whatever the case of letters
SELECT aiusage.put_key('{"key": "config-routes", "team": "config-a", "allowed_providers": ["OpenAI", "anth*"],
	"allowed_models": ["gpt-4o", "claude-*"]}') IS NOT NULL AS assigned;
SELECT r.provider, r.model, r.endpoint, o.route_allowed, o.refused_part
FROM (VALUES ('openai', 'gpt-4o', NULL), ('OPENAI', 'GPT-4O', 'chat'), ('openai', 'gpt-4o-mini', NULL), ('openai', 'gpt-4', NULL),
	('anthropic', 'claude-sonnet-4', NULL), ('anth', 'claude-', NULL), ('ant', 'claude-x', NULL), ('google', 'gpt-4o', NULL),
	(NULL, 'gpt-4o', NULL), ('openai', NULL, NULL), ('openai', '', NULL)) AS r (provider, model, endpoint),
	aiusage.explain_owner('config-routes', now(), r.provider, r.model, r.endpoint) AS o;
SELECT aiusage.put_key('{"key": "config-routes", "team": "config-a", "allowed_endpoints": ["chat", "embed*"]}') IS NOT NULL AS assigned;
SELECT r.endpoint, o.route_allowed, o.refused_part
FROM (VALUES ('chat'), ('embeddings'), ('images'), (NULL)) AS r (endpoint),
	aiusage.explain_owner('config-routes', now(), 'p', 'm', r.endpoint) AS o;
SELECT aiusage.put_key('{"key": "config-routes", "team": "config-a", "allowed_models": ["*"]}') IS NOT NULL AS assigned;
SELECT route_allowed FROM aiusage.explain_owner('config-routes', now(), 'p', 'anything', NULL);

-- The cache: unknown, known, disabled, changed and undone within one session
SELECT status, assignment, calendar, route_allowed, price_book, charge_book FROM aiusage.explain_owner('config-later');
BEGIN;
SELECT aiusage.put_key('{"key": "config-later", "price_book": "list", "charge_book": "list", "status": "disabled"}') AS none;
SELECT status, assignment, price_book, charge_book FROM aiusage.explain_owner('config-later');
SAVEPOINT s;
SELECT aiusage.enable_key('config-later');
SELECT status FROM aiusage.explain_owner('config-later');
ROLLBACK TO s;
SELECT status FROM aiusage.explain_owner('config-later');
ROLLBACK;
SELECT status FROM aiusage.explain_owner('config-later');
SELECT explain_owner IS NULL AS nothing FROM aiusage.explain_owner(NULL);
SELECT (aiusage.explain_owner('config-k1', NULL)) IS NULL AS nothing;
-- more keys than it holds: it starts over, and answers the same
SET aiusage.key_cache_entries = 16;
SELECT count(*) AS asked, count(*) FILTER (WHERE o.status = 'unknown') AS unknown,
	count(*) FILTER (WHERE o.status = 'active' AND g % 10 = 0) AS known
FROM generate_series(1, 1000) AS g,
	aiusage.explain_owner(CASE WHEN g % 10 = 0 THEN 'config-routes' ELSE 'config-unknown-' || g END) AS o;
RESET aiusage.key_cache_entries;
-- a repeatable read transaction, too, sees keys as they are
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT status FROM aiusage.explain_owner('config-routes');
ROLLBACK;
-- many assignments, found by time
SELECT count(aiusage.put_key(jsonb_build_object('key', 'config-many', 'team', 'config-' || g, 'valid_from', timestamptz '2100-01-01' + g * interval '1 day')))
FROM generate_series(1, 200) AS g WHERE set_config('client_min_messages', 'warning', true) IS NOT NULL;
SELECT count(*) AS asked, count(*) FILTER (WHERE k.team = 'config-' || h / 24) AS right_owner
FROM generate_series(24, 200 * 24 + 23) AS h,
	aiusage.explain_owner('config-many', timestamptz '2100-01-01' + h * interval '1 hour') AS o
	JOIN aiusage.key_assignment AS k USING (assignment);
SELECT (aiusage.explain_owner('config-many', timestamptz '2100-01-02' - interval '1 microsecond')).assignment AS before;
DROP FUNCTION pg_temp.history(text);
