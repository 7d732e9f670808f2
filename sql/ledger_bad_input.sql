-- Bad input: a clear error each, nothing half-booked
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

CREATE FUNCTION pg_temp.try(record jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	d text; h text;
BEGIN
	INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage, request_id, workflow, user_id, tags, latency_ms, status_code, attempt, retries, accepted)
	SELECT coalesce(r.id, aiusage.uuid_v7()), r.occurred_at, coalesce(r.api_key, 'bad_key'), coalesce(r.provider, 'p'), coalesce(r.model, 'm'),
		coalesce(r.usage, '{}'), r.request_id, r.workflow, r.user_id, r.tags, r.latency_ms, r.status_code, coalesce(r.attempt, 1::smallint), r.retries, r.accepted
	FROM jsonb_to_record(record) AS r (id uuid, occurred_at timestamptz, api_key text, provider text, model text, usage aiusage.usage,
		request_id text, workflow text, user_id text, tags jsonb, latency_ms int, status_code smallint, attempt smallint, retries smallint, accepted int);
	RETURN 'booked';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN format(E'%s %s\n  %s\n  %s', SQLSTATE, SQLERRM, d, h);
END $$;

-- usage
SELECT pg_temp.try('{"usage": {"input_tokens": -1}}');
SELECT pg_temp.try('{"usage": {"input_tokens": "NaN"}}');
SELECT pg_temp.try('{"usage": {"input_tokens": 1e30}}');
SELECT pg_temp.try('{"usage": {"input_tokens": 1e18}}');
SELECT pg_temp.try('{"usage": {"input_tokens": [1]}}');
SELECT pg_temp.try('{"usage": {"Input Tokens": 1}}');
SELECT pg_temp.try('{"usage": [1]}');

-- ids and times
SELECT pg_temp.try('{"id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8"}');
SELECT pg_temp.try('{"id": "00000000-0000-0000-0000-000000000000"}');
SELECT split_part(pg_temp.try(jsonb_build_object('id', aiusage.uuid_v7(now() + interval '2 hours'))), E'\n', 1);
SELECT pg_temp.try(jsonb_build_object('id', aiusage.event_id('x', '2026-03-10 12:00:00+00'), 'occurred_at', '2026-03-10 13:00:00.001+00'));
SELECT pg_temp.try(jsonb_build_object('id', aiusage.event_id('x', '2026-03-10 12:00:00+00'), 'occurred_at', '2026-03-08 11:59:59.999+00'));
SELECT split_part(pg_temp.try('{"occurred_at": "infinity"}'), E'\n', 1);
SELECT split_part(pg_temp.try('{"occurred_at": "2020-01-01"}'), E'\n', 1);

-- labels
SELECT pg_temp.try('{"api_key": ""}');
SELECT pg_temp.try('{"model": ""}');
SELECT pg_temp.try(jsonb_build_object('workflow', repeat('x', 257)));
SELECT pg_temp.try(jsonb_build_object('workflow', repeat('x', 256)));
SELECT pg_temp.try(jsonb_build_object('workflow', repeat('ü', 128))), pg_temp.try(jsonb_build_object('workflow', repeat('ü', 129)));

-- numbers
SELECT pg_temp.try('{"latency_ms": -1}');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, provider_cost) VALUES ('bad-input', 'p', 'm', '{}', '-0.01 USD');
SELECT pg_temp.try('{"status_code": 99}');
SELECT pg_temp.try('{"attempt": 0}');
SELECT pg_temp.try('{"retries": -1}');
SELECT pg_temp.try('{"accepted": -1}');

-- secrets, wherever there is text; assembled here so that no scanner takes this file for a leak
SELECT name, aiusage.looks_like_secret(value) AS kind,
	split_part(pg_temp.try(jsonb_build_object(field, value)), E'\n', 1) AS outcome
FROM (VALUES
	('openai', 'api_key', 'sk-' || 'proj-' || repeat('a1B2', 10)),
	('openai old', 'workflow', 'sk-' || repeat('abcdefgh', 6)),
	('anthropic', 'user_id', 'sk-' || 'ant-api03-' || repeat('Zy9_', 12)),
	('within a text', 'request_id', 'key=sk-' || repeat('a1B2', 10)),
	('aws', 'user_id', 'AKIA' || 'IOSFODNN7EXAMPLE'),
	('google', 'model', 'AIza' || 'SyA' || repeat('1bC-', 8)),
	('bearer', 'workflow', 'Bearer ' || repeat('a1b2c3', 5)),
	('shortest', 'workflow', 'bearer ' || 'eyJ'),
	('jwt', 'workflow', 'ey' || 'JhbGciOiJIUzI1NiJ9.ey' || 'JzdWIiOiIxMjM0In0.c2lnbmF0dXJl'),
	('pem', 'workflow', '-----BEGIN ' || 'PRIVATE KEY-----'),
	('github', 'workflow', 'ghp_' || repeat('a1B2', 9)),
	('groq', 'workflow', 'gsk_' || repeat('a1B2', 9))) AS t (name, field, value);
-- what only looks like one at first sight
SELECT pg_temp.try(jsonb_build_object('workflow', v))
FROM unnest(ARRAY['task-2026-11-03-nightly-build', 'sk-learn-pipeline', 'bearer of news', 'bearer ey', 'ask-me-anything', 'risk-assessment-v2-2026', 'eyJust', 'AKIAH']) AS v;

-- tags
SELECT pg_temp.try('{"tags": {"feature": "search", "n": 7, "on": true, "nothing": null}}');
SELECT pg_temp.try('{"tags": {"Prompt": "hello"}}');
SELECT pg_temp.try('{"tags": {"messages": 1}}');
SELECT pg_temp.try('{"tags": {"a": {"b": 1}}}');
SELECT pg_temp.try('{"tags": {"a": [1]}}');
SELECT pg_temp.try('{"tags": [1]}');
SELECT pg_temp.try('{"tags": {"": 1}}');
SELECT pg_temp.try(jsonb_build_object('tags', jsonb_build_object('a', repeat('x', 257))));
SELECT pg_temp.try(jsonb_build_object('tags', jsonb_build_object('a', 'sk-' || repeat('a1B2', 10))));
SELECT pg_temp.try(jsonb_build_object('tags', (SELECT jsonb_object_agg('t' || n, n) FROM generate_series(1, 33) AS n)));

-- required columns
INSERT INTO aiusage.usage_record (provider, model, usage) VALUES ('p', 'm', '{}');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (api_key, model, usage) VALUES ('bad_key', 'm', '{}');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, usage) VALUES ('bad_key', 'p', '{}');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, model) VALUES ('bad_key', 'p', 'm');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (NULL, 'bad_key', 'p', 'm', '{}');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, status) VALUES ('bad_key', 'p', 'm', '{}', 'fine');
\echo :LAST_ERROR_SQLSTATE

-- columns that aiusage writes, one alone: not a booked row, not a new one
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost) VALUES ('bad_key', 'p', 'm', '{}', '0 USD');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, invoice_period) VALUES ('bad_key', 'p', 'm', '{}', 1);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, kind) VALUES ('bad_key', 'p', 'm', '{}', 'reversal');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost_state) VALUES ('bad_key', 'p', 'm', '{}', 'final');
\echo :LAST_ERROR_SQLSTATE

INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost_state, cost) VALUES ('bad_key', 'p', 'm', '{}', 'final', '1.25 USD');
\echo :LAST_ERROR_SQLSTATE

-- wrong encoding, and no character at all
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES (E'bad\xff', 'p', 'm', '{}');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('bad_key', 'p', E'm\x00', '{}');
\echo :LAST_ERROR_SQLSTATE

-- COPY names the line, and books nothing of it
\set SHOW_CONTEXT errors
COPY aiusage.usage_record (request_id, api_key, provider, model, usage) FROM stdin;
bad-copy-1	bad_key	p	m	{"input_tokens": 1}
bad-copy-2	bad_key	p	m	{"input_tokens": 2}
bad-copy-3	bad_key	p	m	{"input_tokens": -3}
\.
SELECT count(*) AS half_booked FROM aiusage.usage_record WHERE request_id LIKE 'bad-copy-%';
COPY aiusage.usage_record (request_id, api_key, provider, model, usage) FROM stdin;
bad-copy-4	bad_key	p	m	{"input_tokens": 1}
bad-copy-5		p	m	{"input_tokens": 2}
\.
SELECT count(*) AS half_booked FROM aiusage.usage_record WHERE request_id LIKE 'bad-copy-%';
