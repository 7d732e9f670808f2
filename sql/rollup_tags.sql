-- Declared tags: a dimension of the rollups from a time on, the same whatever is folded when.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET jit = off;

SELECT aiusage.put_key('{"key": "tags-1", "team": "tags-a", "cost_center": "tags-cc", "valid_from": "2021-01-01T00:00:00Z"}') IS NOT NULL AS key1,
	aiusage.put_key('{"key": "tags-2", "team": "tags-b", "valid_from": "2021-01-01T00:00:00Z"}') IS NOT NULL AS key2;
RESET client_min_messages;

-- What a row's tags become.
SELECT aiusage.tag_set(tags, '2026-01-02 00:00:00+00', '[["a", 0, null, null], ["b", 0, 820540800000000, null], ["c", 820540800000000, null, null],
	["d", 0, null, ["x", "yy", "y"]], ["e\"é", 0, null, null]]')
FROM (VALUES (1, '{"a": "1", "z": "2"}'::jsonb), (2, '{"a": 1.50, "d": "yy"}'), (3, '{"a": true, "d": "zz"}'), (4, '{"a": null, "d": ""}'), (5, '{}'),
	(6, '{"b": "ends that day", "c": "begins later"}'), (7, '{"e\"é": "back\\slash \"quote\" ü"}'), (8, '{"d": "y", "a": "a", "e\"é": false}'), (9, NULL))
	AS v (n, tags) ORDER BY n;
SELECT aiusage.tag_set('{"b": "x"}', '2025-12-31 23:59:59.999999+00', '[["b", 0, 820540800000000, null]]') AS before_its_end,
	aiusage.tag_set('{"b": "x"}', '2026-01-01 00:00:00+00', '[["b", 0, 820540800000000, null]]') IS NULL AS at_its_end,
	aiusage.tag_set('{"b": "x"}', '2026-01-01 00:00:00+00', '[["b", 820540800000000, null, null]]') AS at_its_beginning,
	aiusage.tag_set('{"b": "x"}', '2025-12-31 23:59:59.999999+00', '[["b", 820540800000000, null, null]]') IS NULL AS before_its_beginning;

-- What is refused.
SELECT aiusage.declare_tag(NULL);
SELECT aiusage.declare_tag('');
SELECT aiusage.declare_tag(repeat('x', 65));
SELECT aiusage.declare_tag('tags-f', allowed_values => '{}');
SELECT aiusage.declare_tag('tags-f', allowed_values => ARRAY['a', NULL]);
SELECT aiusage.declare_tag('tags-f', allowed_values => ARRAY['a', '']);
SELECT aiusage.declare_tag('tags-f', allowed_values => ARRAY['a', repeat('x', 257)]);
SELECT aiusage.declare_tag('tags-f', allowed_values => (SELECT array_agg(n::text) FROM generate_series(1, 1001) AS n));
SELECT aiusage.declare_tag('tags-f', max_values => 0);
SELECT aiusage.declare_tag('tags-f', from_at => 'infinity');
SELECT aiusage.declare_tag('tags-f', description => 'sk-proj-' || repeat('aB3dE6gH', 5));
SELECT aiusage.withdraw_tag('tags-f') AS withdrawn;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, tags) VALUES ('tags-1', 'tags', 'm', '{}', '{"tags-f": "sk-proj-aB3dE6gHaB3dE6gHaB3dE6gHaB3dE6gH"}');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, tags) VALUES ('tags-1', 'tags', 'm', '{}', '{"tags-f": ["a"]}');

/*
 * The oracle: plain SQL over the ledger and the declarations.
 */
CREATE TEMP VIEW oracle AS
SELECT (u.occurred_at AT TIME ZONE 'UTC')::date AS day, date_trunc('hour', u.occurred_at) AS hour, u.api_key,
	coalesce(a.team, '(unmatched)') AS team,
	(SELECT '{' || string_agg(to_json(t.tag)::text || ': ' || to_json(t.value)::text, ', ' ORDER BY t.tag COLLATE "C") || '}'
	 FROM (
		SELECT d.tag, CASE WHEN u.tags ->> d.tag = ANY (d.allowed_values) IS FALSE THEN '(other)' ELSE u.tags ->> d.tag END AS value
		FROM aiusage.tag_declaration AS d
		WHERE u.occurred_at >= d.declared_from AND u.occurred_at < coalesce(d.declared_until, 'infinity') AND u.tags ->> d.tag <> ''
	 ) AS t) AS tags,
	CASE u.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END AS requests,
	CASE u.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END * coalesce((u.usage::jsonb ->> 'input_tokens')::numeric, 0) AS input_tokens,
	CASE u.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 WHEN 'outcome' THEN 1 ELSE 0 END * coalesce(u.accepted, 0) AS accepted,
	coalesce(u.cost::numeric, 0) AS cost
FROM aiusage.usage_record AS u
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = u.assignment
WHERE u.api_key LIKE 'tags-%';

CREATE FUNCTION pg_temp.differences(OUT view text, OUT rows_differ bigint) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT 'usage_daily', count(*) FROM (
		(SELECT day, api_key, tags, sum(requests), sum(input_tokens), sum(accepted), sum(cost) FROM oracle GROUP BY day, api_key, tags
		 EXCEPT ALL SELECT day, api_key, tags, sum(requests), sum(input_tokens), sum(accepted), sum(cost) FROM aiusage.usage_daily
			WHERE api_key LIKE 'tags-%' GROUP BY day, api_key, tags)
		UNION ALL
		(SELECT day, api_key, tags, sum(requests), sum(input_tokens), sum(accepted), sum(cost) FROM aiusage.usage_daily
			WHERE api_key LIKE 'tags-%' GROUP BY day, api_key, tags
		 EXCEPT ALL SELECT day, api_key, tags, sum(requests), sum(input_tokens), sum(accepted), sum(cost) FROM oracle GROUP BY day, api_key, tags)) AS d
	UNION ALL
	SELECT 'usage_hourly', count(*) FROM (
		(SELECT hour, api_key, tags, sum(requests), sum(input_tokens), sum(accepted), sum(cost) FROM oracle GROUP BY hour, api_key, tags
		 EXCEPT ALL SELECT hour, api_key, tags, sum(requests), sum(input_tokens), sum(accepted), sum(cost) FROM aiusage.usage_hourly
			WHERE api_key LIKE 'tags-%' GROUP BY hour, api_key, tags)
		UNION ALL
		(SELECT hour, api_key, tags, sum(requests), sum(input_tokens), sum(accepted), sum(cost) FROM aiusage.usage_hourly
			WHERE api_key LIKE 'tags-%' GROUP BY hour, api_key, tags
		 EXCEPT ALL SELECT hour, api_key, tags, sum(requests), sum(input_tokens), sum(accepted), sum(cost) FROM oracle GROUP BY hour, api_key, tags)) AS d
	UNION ALL
	SELECT 'tag_usage', (
		WITH o AS MATERIALIZED (TABLE oracle), ours AS MATERIALIZED (
			SELECT o.day, t.tag, coalesce(o.tags::jsonb ->> t.tag, '(none)') AS value, o.team, sum(o.requests), sum(o.input_tokens), sum(o.accepted), sum(o.cost)
			FROM o CROSS JOIN (SELECT DISTINCT tag FROM aiusage.tag_declaration) AS t
			GROUP BY 1, 2, 3, 4
		), theirs AS MATERIALIZED (
			SELECT day, tag, value, team, requests, input_tokens, accepted, cost FROM aiusage.tag_usage WHERE team LIKE 'tags-%')
		SELECT count(*) FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) AS d)
	UNION ALL
	SELECT 'verify', count(*) FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'rollup%' $$;

-- book(): requests of now, and as long before as is said
CREATE FUNCTION pg_temp.book(request text, tags jsonb, ago interval DEFAULT '0', key text DEFAULT 'tags-1') RETURNS uuid LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage, cost_state, cost, cost_by_unit, assignment, kind, tags)
	VALUES (aiusage.uuid_v7(clock_timestamp() - ago), clock_timestamp() - ago, key, 'tags', 'm', '{"input_tokens": 10}', 'final', '0.25 USD',
		'{"USD": {"input_tokens": 0.25}}', (SELECT a.assignment FROM aiusage.key_assignment AS a WHERE a.api_key = key), 'usage', tags)
	RETURNING id $$;

-- Before anything is declared, half of it folded.
SELECT count(pg_temp.book('b' || n, '{"tags-feature": "early"}')) AS booked FROM generate_series(1, 3) AS n;
SELECT aiusage.refresh() > 0 AS folded;
SELECT count(pg_temp.book('c' || n, '{"tags-feature": "early, in the tail"}')) AS booked FROM generate_series(1, 3) AS n;
SELECT * FROM pg_temp.differences();

-- Declared: from now on.  What was not folded yet happened before.
SELECT aiusage.declare_tag('tags-feature', 'Feature of the product') AS slot;
SELECT aiusage.declare_tag('tags-feature') AS same, aiusage.declare_tag('tags-tier', allowed_values => ARRAY['gold', 'silver']) AS slot2;
SELECT slot, tag, description, first_declared_at <= now() AS now, withdrawn_at FROM aiusage.declared_tag ORDER BY slot;
SELECT * FROM pg_temp.differences();
SELECT count(pg_temp.book(t, v::jsonb)) AS booked FROM (VALUES
	('d1', '{"tags-feature": "search"}'), ('d2', '{"tags-feature": "search", "tags-tier": "gold"}'), ('d3', '{"tags-feature": 7, "tags-tier": "lead"}'),
	('d4', '{"other": "x"}'), ('d5', NULL), ('d6', '{"tags-feature": true}'), ('d7', '{"tags-feature": null}'), ('d8', '{"tags-feature": "",  "tags-tier": "silver"}')) AS v (t, v);
SELECT count(pg_temp.book('late', '{"tags-feature": "late"}', '1 day')) AS late, count(pg_temp.book('two', '{"tags-feature": "search"}', key => 'tags-2')) AS other_team;
SELECT * FROM pg_temp.differences();
SELECT tag, value, team, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.tag_usage WHERE team LIKE 'tags-%' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT tag_1, tag_2, tag_3, sum(requests) AS requests FROM aiusage.usage_daily
WHERE api_key LIKE 'tags-%' GROUP BY 1, 2, 3 ORDER BY 1 NULLS FIRST, 2 NULLS FIRST;
SELECT aiusage.refresh() > 0 AS folded;
SELECT * FROM pg_temp.differences();
SELECT tag, value, team, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.tag_usage WHERE team LIKE 'tags-%' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- The values of a tag add up to all usage.
SELECT t.tag, count(*) AS days_that_differ FROM (SELECT DISTINCT tag FROM aiusage.tag_declaration) AS t, LATERAL (
	(SELECT u.day, u.team, u.currency, u.requests::numeric, u.cost FROM aiusage.team_usage AS u
	 EXCEPT ALL SELECT g.day, g.team, g.currency, sum(g.requests), sum(g.cost) FROM aiusage.tag_usage AS g WHERE g.tag = t.tag GROUP BY 1, 2, 3)) AS d
GROUP BY t.tag;

-- Corrections: a reversal and its row have the tags of the original, and so have what is learned later and money alone.
CREATE TEMP TABLE original AS SELECT pg_temp.book('e1', '{"tags-feature": "corrected"}') AS id;
SELECT count(aiusage.adjust(id, '{"input_tokens": 4}', 'recount', NULL)) AS adjusted FROM original;
CREATE TEMP TABLE accepted AS SELECT pg_temp.book('e2', '{"tags-feature": "accepted"}') AS id;
SELECT count(aiusage.record_outcome(id, 3)) AS outcomes FROM accepted;
SELECT value, sum(requests) AS requests, sum(input_tokens) AS input_tokens, sum(accepted) AS accepted FROM aiusage.tag_usage
WHERE value IN ('corrected', 'accepted') AND tag = 'tags-feature' GROUP BY 1 ORDER BY 1;
SELECT * FROM pg_temp.differences();

-- A time that lies in what is folded is refused, for a tag that is there; for one that is not, it is not.
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN regexp_replace(format('%s: %s (%s)', SQLSTATE, SQLERRM, detail), '\d{4}-\d\d-\d\d [0-9:.]+\+00', 'TIME', 'g');
END $$;
SELECT pg_temp.refused($$SELECT aiusage.declare_tag('other', from_at => now() - interval '1 day')$$);
SELECT aiusage.declare_tag('tags-unseen', from_at => '2026-01-01') AS slot;
SELECT aiusage.withdraw_tag('tags-unseen') AS withdrawn;
SELECT pg_temp.refused($$INSERT INTO aiusage.tag_declaration (tag, slot, declared_from) VALUES ('other', 5, '2026-01-01')$$);
UPDATE aiusage.tag_declaration SET declared_until = '2026-01-02' WHERE tag = 'tags-unseen';
SELECT pg_temp.refused($$UPDATE aiusage.tag_declaration SET declared_until = declared_from WHERE tag = 'tags-tier'$$);
UPDATE aiusage.tag_declaration SET tag = 'other' WHERE tag = 'tags-tier';
DELETE FROM aiusage.tag_declaration;
TRUNCATE aiusage.tag_declaration;

-- For the past: right once the rollups are rebuilt.  Totals are so all the time.
SELECT aiusage.declare_tag('other', from_at => now() - interval '1 day', retroactive => true) AS slot;
SELECT count(*) > 0 AS differ FROM pg_temp.differences() WHERE rows_differ > 0;
SELECT count(*) AS days_that_differ FROM (SELECT day, team, currency, requests::numeric, cost FROM aiusage.team_usage WHERE team LIKE 'tags-%'
	EXCEPT ALL SELECT day, team, currency, sum(requests), sum(cost) FROM aiusage.tag_usage WHERE tag = 'other' GROUP BY 1, 2, 3) AS d;
SET client_min_messages = warning;
CALL aiusage.rebuild_rollups('tag declared for the past', (now() AT TIME ZONE 'UTC')::date - 2);
RESET client_min_messages;
SELECT * FROM pg_temp.differences();
SELECT value, sum(requests) AS requests FROM aiusage.tag_usage WHERE tag = 'other' AND team LIKE 'tags-%' GROUP BY 1 ORDER BY 1;
-- and further back, up to where it is declared
SELECT aiusage.declare_tag('other', from_at => now() - interval '3 days', retroactive => true) AS slot;
SELECT count(*) AS declarations, count(*) FILTER (WHERE declared_until IS NULL) AS open FROM aiusage.tag_declaration WHERE tag = 'other';
SELECT tag, withdrawn_at IS NULL AS declared FROM aiusage.declared_tag WHERE tag = 'other';
SELECT * FROM pg_temp.differences();
SELECT aiusage.withdraw_tag('other') AS withdrawn;

-- Erasure leaves declared tags, which rollups have, and takes the others.
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, tags, user_id)
VALUES ('tags-1', 'tags', 'm', '{"input_tokens": 1}', '{"tags-feature": "erase", "tags-private": "x"}', 'tags-person'),
	('tags-1', 'tags', 'm', '{"input_tokens": 1}', '{"tags-private": "x"}', 'tags-person');
SELECT aiusage.refresh() > 0 AS folded;
SET client_min_messages = warning;
SELECT count(*) > 0 AS erased FROM aiusage.erase_user('tags-person', 'asked for it');
RESET client_min_messages;
SELECT user_id, tags, count(*) FROM aiusage.usage_record WHERE tags ->> 'tags-feature' = 'erase' OR user_id = 'tags-person' GROUP BY 1, 2;
SELECT * FROM pg_temp.differences();

-- Other values, from now on; withdrawn; declared again, in its slot.
SELECT aiusage.declare_tag('tags-tier', allowed_values => ARRAY['lead']) AS slot;
SELECT count(pg_temp.book('f' || n, '{"tags-tier": "lead"}')) + count(pg_temp.book('g' || n, '{"tags-tier": "gold"}')) AS booked FROM generate_series(1, 2) AS n;
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() > 0 AS folded;
SELECT * FROM pg_temp.differences();
SELECT aiusage.withdraw_tag('tags-tier') AS withdrawn, aiusage.withdraw_tag('tags-tier') AS again;
SELECT count(pg_temp.book('h' || n, '{"tags-tier": "lead", "tags-feature": "after"}')) AS booked FROM generate_series(1, 2) AS n;
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() > 0 AS folded;
SELECT value, sum(requests) AS requests FROM aiusage.tag_usage WHERE tag = 'tags-tier' AND team LIKE 'tags-%' GROUP BY 1 ORDER BY 1;
SELECT slot, tag, withdrawn_at IS NOT NULL AS withdrawn FROM aiusage.declared_tag WHERE tag LIKE 'tags-%' ORDER BY slot;
SELECT aiusage.declare_tag('tags-tier') AS slot;
SELECT count(pg_temp.book('i' || n, '{"tags-tier": "anything"}')) AS booked FROM generate_series(1, 2) AS n;
SELECT * FROM pg_temp.differences();

-- Eight at a time.
SELECT aiusage.declare_tag('tags-' || n) AS slot FROM generate_series(3, 8) AS n ORDER BY n;
SELECT aiusage.declare_tag('tags-9');
SELECT aiusage.withdraw_tag('tags-' || n) AS withdrawn FROM generate_series(3, 8) AS n;
SELECT aiusage.declare_tag('tags-9') AS slot_longest_free, aiusage.declare_tag('tags-8') AS its_own;
SELECT aiusage.withdraw_tag('tags-' || n) AS withdrawn FROM generate_series(8, 9) AS n;

-- Too many values: refused where it is known, capped where it comes later.
SELECT count(pg_temp.book('j' || n, jsonb_build_object('tags-request', n))) AS booked FROM generate_series(1, 12) AS n;
SELECT aiusage.declare_tag('tags-request', max_values => 11);
SELECT aiusage.declare_tag('tags-later', max_values => 4) AS slot;
SELECT count(pg_temp.book('k' || n, jsonb_build_object('tags-later', CASE WHEN n % 2 = 0 THEN 'common' ELSE n::text END))) AS booked FROM generate_series(1, 16) AS n;
SELECT aiusage.cap_tags() AS folded_none;
SELECT aiusage.refresh() > 0 AS folded;
SELECT aiusage.cap_tags() AS capped;
SELECT aiusage.cap_tags() AS again;
SELECT allowed_values, capped, declared_until IS NULL AS holds FROM aiusage.tag_declaration WHERE tag = 'tags-later' ORDER BY declared_from;
SELECT check_name, severity, value, meaning, action FROM aiusage.status() WHERE check_name = 'tags';
SELECT count(pg_temp.book('l' || n, jsonb_build_object('tags-later', CASE WHEN n % 2 = 0 THEN 'common' ELSE n::text END))) AS booked FROM generate_series(17, 32) AS n;
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() > 0 AS folded;
SELECT * FROM pg_temp.differences();
SELECT value, sum(requests) AS requests FROM aiusage.tag_usage WHERE tag = 'tags-later' AND value IN ('common', '(other)') GROUP BY 1 ORDER BY 1;
SELECT aiusage.declare_tag('tags-later', allowed_values => ARRAY['common']) AS slot;
SELECT severity FROM aiusage.status() WHERE check_name = 'tags';

-- On record, and for admins only; people see the tags of what they may see.
SELECT operation, role = current_user AS by_me, new ->> 'tag' AS tag, new ->> 'slot' AS slot, new ->> 'declared_until' IS NULL AS open
FROM aiusage.audit_log WHERE relation = 'tag_declaration' AND new ->> 'tag' = 'tags-later' ORDER BY entry;
CREATE ROLE regress_tags_member;
CREATE ROLE regress_tags_admin;
CREATE ROLE regress_tags_analyst;
SELECT aiusage.grant_access('regress_tags_member', 'member', '{"teams": ["tags-b"]}'), aiusage.grant_access('regress_tags_admin', 'admin'),
	aiusage.grant_access('regress_tags_analyst', 'analyst');
SET ROLE regress_tags_member;
SELECT tag, value, team, sum(requests) AS requests FROM aiusage.tag_usage WHERE tag = 'tags-feature' GROUP BY 1, 2, 3 ORDER BY 2;
SELECT DISTINCT tag_1 FROM aiusage.usage_daily ORDER BY 1;
SELECT count(*) > 0 AS names FROM aiusage.declared_tag;
SELECT aiusage.declare_tag('tags-member');
SELECT * FROM aiusage.tag_declaration;
SET ROLE regress_tags_analyst;
SELECT count(*) > 0 AS declarations FROM aiusage.tag_declaration;
SELECT aiusage.withdraw_tag('tags-later');
SET ROLE regress_tags_admin;
SELECT aiusage.withdraw_tag('tags-later') AS withdrawn;
RESET ROLE;
SELECT role, new ->> 'tag' AS tag FROM aiusage.audit_log WHERE relation = 'tag_declaration' AND role = 'regress_tags_admin';
SELECT aiusage.withdraw_tag(t) AS withdrawn FROM unnest(ARRAY['tags-feature', 'tags-tier']) AS t;

SELECT * FROM pg_temp.differences();
SET client_min_messages = warning;
DROP OWNED BY regress_tags_member, regress_tags_admin, regress_tags_analyst;
DELETE FROM aiusage.access_grant WHERE role::text LIKE 'regress_tags_%';
DROP ROLE regress_tags_member, regress_tags_admin, regress_tags_analyst;
