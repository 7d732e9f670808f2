-- What a careless or hostile caller can send that must not hurt the server, and what owners can get wrong.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';

-- the book trigger believes a table only with the ledger's names and types: int for everything
DO $$
BEGIN
	EXECUTE (SELECT format('CREATE TABLE robust_ints (%s)', string_agg(attname || ' int', ', ' ORDER BY attnum))
		FROM pg_attribute WHERE attrelid = 'aiusage.usage_record'::regclass AND attnum > 0);
	EXECUTE (SELECT format('CREATE TABLE robust_text (%s)', string_agg(attname || ' ' ||
			CASE WHEN attname IN ('usage', 'cost_by_unit') THEN 'text' ELSE format_type(atttypid, atttypmod) END, ', ' ORDER BY attnum))
		FROM pg_attribute WHERE attrelid = 'aiusage.usage_record'::regclass AND attnum > 0);
END
$$;
CREATE TRIGGER book BEFORE INSERT ON robust_ints FOR EACH ROW EXECUTE FUNCTION aiusage.book();
CREATE TRIGGER book BEFORE INSERT ON robust_text FOR EACH ROW EXECUTE FUNCTION aiusage.book();
INSERT INTO robust_ints (id, api_key, provider, model, usage) VALUES (1, 2, 3, 4, 5);
INSERT INTO robust_text (id, api_key, provider, model, usage) VALUES (aiusage.uuid_v7(), 'k', 'p', 'm', repeat('x', 40));
DROP TABLE robust_ints, robust_text;

-- numbers in tags are no way around the limit of a label
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, tags)
VALUES ('robust', 'p', 'm', '{}', ('{"a": ' || repeat('1234567890', 20) || ', "b": 1e-30}')::jsonb);
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, tags)
VALUES ('robust', 'p', 'm', '{}', ('{"a": ' || repeat('1234567890', 200) || '}')::jsonb);

INSERT INTO aiusage.usage_record (api_key, provider, model, usage, tags)
VALUES ('robust', 'p', 'm', '{}', '{"a": 1e131071}');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, tags)
VALUES ('robust', 'p', 'm', '{}', '{"a": 1e-16383}');

-- times at both ends of a UUIDv7 and of a timestamp
SELECT aiusage.id_time(aiusage.id_floor('1970-01-01')) AS first, aiusage.id_time(aiusage.id_floor('10889-08-02 05:31:50.655999')) AS last;
SELECT aiusage.id_floor('10889-08-02 05:31:50.656');
SELECT aiusage.id_floor('294270-01-01');
SELECT aiusage.uuid_v7('294276-12-31 23:59:59.999999');
SELECT aiusage.id_floor('1969-12-31 23:59:59.999999');

-- a search for secrets takes no time by the square of the length
SET statement_timeout = '20s';
SELECT aiusage.looks_like_secret(repeat('sk-', 200000)), aiusage.looks_like_secret(repeat('eyJ-', 100000));
SELECT aiusage.looks_like_secret(repeat('x ', 2000) || 'sk-' || repeat('a1', 2000));
RESET statement_timeout;

-- a row booked elsewhere: one currency, and money that a fold can sum
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost, cost_state, cost_by_unit)
VALUES ('robust', 'p', 'm', '{}', '1.25 EUR', 'final', '{"USD": {"requests": 1.25}}');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost, cost_state, cost_by_unit)
VALUES ('robust', 'p', 'm', '{}', '0 USD', 'final', '{"USD": {"requests": 1e15, "input_tokens": -1e15}}');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost, cost_state, cost_by_unit)
VALUES ('robust', 'p', 'm', '{}', '-1e15 USD', 'final', '{"USD": {}}');
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost, cost_state, cost_by_unit)
VALUES ('robust', 'p', 'm', '{}', '1.25 EUR', 'final', '{"EUR": {"requests": 1.25}}') RETURNING cost;

-- and a time of booking that has come, which limits can be counted by
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost, cost_state, cost_by_unit, recorded_at)
VALUES ('robust', 'p', 'm', '{}', '1.25 EUR', 'final', '{"EUR": {"requests": 1.25}}', 'infinity');
-- a sliding limit would be ahead of everybody's rows
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, cost, cost_state, cost_by_unit, recorded_at)
VALUES ('robust', 'p', 'm', '{}', '1.25 EUR', 'final', '{"EUR": {"requests": 1.25}}', now() + interval '61 minutes');

-- every cache has a trigger for rows that logical replication brings, which come without statement triggers
SELECT c.relname FROM pg_trigger AS s JOIN pg_class AS c ON c.oid = s.tgrelid
WHERE s.tgfoid = 'aiusage.invalidate_caches()'::regprocedure AND s.tgtype & 1 = 0
  AND NOT EXISTS (SELECT FROM pg_trigger AS r WHERE r.tgrelid = s.tgrelid AND r.tgfoid = s.tgfoid AND r.tgtype & 1 = 1
	AND r.tgenabled = 'R' AND r.tgargs = s.tgargs);

-- corrections are billed in the calendar of whom they are for, not of whoever owns the key
SELECT aiusage.set_billing_calendar('robust_fifteenth', 'UTC', 15) IS NOT NULL AS made;
SELECT aiusage.put_cost_center('robust-cc15', 'Robust', calendar => 'robust_fifteenth') IS NOT NULL AS made;
SELECT aiusage.put_key('{"key": "robust-global", "class": "production", "team": "robust", "cost_center": "robust-cc1", "environment": "prod", "owner": "ann"}') IS NOT NULL AS made;
SELECT aiusage.put_key('{"key": "robust-fifteenth", "class": "production", "team": "robust", "cost_center": "robust-cc15", "environment": "prod", "owner": "ann"}') IS NOT NULL AS made;
INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage) VALUES ('robust-1', 'robust-global', 'p', 'm', '{"input_tokens": 1}');
SELECT row_count, booked FROM aiusage.reattribute('{"api_key": "robust-global"}',
	(SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'robust-fifteenth'), 'wrong key', 'T-1', dry_run => false);
SELECT u.kind, a.api_key AS owner, c.name AS calendar,
	u.invoice_period = aiusage.period_of(c.calendar, u.occurred_at) AS in_its_period
FROM aiusage.usage_record AS u JOIN aiusage.key_assignment AS a USING (assignment)
	JOIN aiusage.billing_calendar AS c ON c.calendar = aiusage.period_calendar(u.invoice_period)
WHERE u.request_id = 'robust-1' ORDER BY u.kind, a.api_key;
