-- One row, every way in: stamped in the executor's slot or in a copy, and stored the same
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('ways_in', 'list', 'USD');
SELECT aiusage.import_prices('ways_in', 'genai-prices', '[{"id": "wayslab", "name": "Ways Lab", "api_pattern": "x", "models": [
	{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 3, "cache_read_mtok": 0.3, "output_mtok": 15}}]}]', '2026-01-01') IS NOT NULL AS imported;
SELECT aiusage.put_key('{"key": "ways_key", "class": "production", "team": "ways_team", "cost_center": "ways_cc", "environment": "prod", "price_book": "ways_in", "charge_book": "ways_in"}') IS NOT NULL AS made;
DO $$ BEGIN PERFORM aiusage.make_partitions('2026-03-01', '2026-04-01'); END $$;

-- what a gateway sends: some of everything, long and short, given and left out
CREATE TEMP TABLE sent AS
SELECT NULL::text AS way, timestamptz '2026-03-10 12:00:00.5+00' AS occurred_at, 'ways_key'::text AS api_key, 'wayslab'::text AS provider, 'm1'::text AS model,
	'{"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 70}'::aiusage.usage AS usage,
	repeat('u', 200) AS user_id, 'chat'::text AS endpoint, 'wf'::text AS workflow, 830 AS latency_ms, true AS streamed, 200::smallint AS status_code,
	'0.5 EUR'::aiusage.amount AS provider_cost, jsonb_build_object('feature', 'search', 'long', repeat('t', 250)) AS tags;

CREATE FUNCTION pg_temp.id_of(way text) RETURNS uuid LANGUAGE sql AS $$ SELECT aiusage.event_id('way ' || way, '2026-03-10 12:00:00.5+00') $$;
-- the statement of each way; %1$s is the table
CREATE FUNCTION pg_temp.book(way text, relation regclass DEFAULT 'aiusage.usage_record', suffix text DEFAULT '') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO %s (id, request_id, occurred_at, api_key, provider, model, usage, user_id, endpoint, workflow, latency_ms, streamed, status_code, provider_cost, tags)
		SELECT pg_temp.id_of(%L), %L, occurred_at, api_key, provider, model, usage, user_id, endpoint, workflow, latency_ms, streamed, status_code, provider_cost, tags FROM sent %s',
		relation, way, way, suffix);
END $$;

SELECT pg_temp.book('select');
SELECT pg_temp.book('on conflict', suffix => 'ON CONFLICT DO NOTHING');
SELECT pg_temp.book('on conflict', suffix => 'ON CONFLICT DO NOTHING');
-- straight into a partition: the executor's slot holds a tuple
SELECT pg_temp.book('partition', 'aiusage.usage_record_p20260301');

-- several rows of one statement, one of them sorted and handed on as a tuple
INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, provider, model, usage, user_id, endpoint, workflow, latency_ms, streamed, status_code, provider_cost, tags)
SELECT pg_temp.id_of(w), w, occurred_at, api_key, provider, model, usage, user_id, endpoint, workflow, latency_ms, streamed, status_code, provider_cost, tags
FROM sent, unnest(ARRAY['rows 1', 'rows 2', 'rows 3']) AS w ORDER BY w;
INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, provider, model, usage, user_id, endpoint, workflow, latency_ms, streamed, status_code, provider_cost, tags)
VALUES (pg_temp.id_of('values 1'), 'values 1', '2026-03-10 12:00:00.5+00', 'ways_key', 'wayslab', 'm1', '{"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 70}',
		repeat('u', 200), 'chat', 'wf', 830, true, 200, '0.5 EUR', jsonb_build_object('feature', 'search', 'long', repeat('t', 250))),
	(pg_temp.id_of('values 2'), 'values 2', NULL, 'ways_key', 'wayslab', 'm1', '{"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 70}',
		repeat('u', 200), 'chat', 'wf', 830, true, 200, '0.5 EUR', jsonb_build_object('feature', 'search', 'long', repeat('t', 250)));

-- a generic plan, time and again
PREPARE book (text) AS
INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, provider, model, usage, user_id, endpoint, workflow, latency_ms, streamed, status_code, provider_cost, tags)
SELECT pg_temp.id_of($1), $1, occurred_at, api_key, provider, model, usage, user_id, endpoint, workflow, latency_ms, streamed, status_code, provider_cost, tags FROM sent
RETURNING request_id, cost::numeric, (600 * 3 + 400 * 0.3 + 70 * 15) / 1000000::numeric AS oracle, cost_by_unit, cost_state, kind, status, attempt,
	assignment IS NOT NULL AS matched, txid & ((1::bigint << 48) - 1) = pg_current_xact_id()::text::bigint AS own_xid;
SET plan_cache_mode = force_generic_plan;
EXECUTE book('prepared 1');
EXECUTE book('prepared 2');
RESET plan_cache_mode;

-- COPY
COPY aiusage.usage_record (id, request_id, occurred_at, api_key, provider, model, usage, user_id, endpoint, workflow, latency_ms, streamed, status_code, provider_cost, tags) FROM STDIN WITH (DELIMITER '|');
019cd79e-47f4-7000-8000-000000000001|copy 1|2026-03-10 12:00:00.5+00|ways_key|wayslab|m1|{"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 70}|uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu|chat|wf|830|t|200|0.5 EUR|{"feature": "search", "long": "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"}
019cd79e-47f4-7000-8000-000000000002|copy 2|2026-03-10 12:00:00.5+00|ways_key|wayslab|m1|{"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 70}|uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu|chat|wf|830|t|200|0.5 EUR|{"feature": "search", "long": "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"}
\.

-- values that their table keeps apart from the row (it is too long) arrive like any other
CREATE TEMP TABLE apart AS SELECT sent.*, repeat('f', 1900) AS filler FROM sent;
ALTER TABLE apart ALTER filler SET STORAGE PLAIN, ALTER user_id SET STORAGE EXTERNAL, ALTER tags SET STORAGE EXTERNAL;
UPDATE apart SET filler = filler || 'f', user_id = user_id || '', tags = tags || '{}';
SELECT pg_relation_size(reltoastrelid) > 0 AS apart FROM pg_class WHERE oid = 'apart'::regclass;
INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, provider, model, usage, user_id, endpoint, workflow, latency_ms, streamed, status_code, provider_cost, tags)
SELECT pg_temp.id_of('apart'), 'apart', occurred_at, api_key, provider, model, usage, user_id, endpoint, workflow, latency_ms, streamed, status_code, provider_cost, tags FROM apart;

-- triggers of the site's own: before the booking, after it in the same row, after the row
CREATE TABLE ways_seen (request_id text, cost numeric, cost_state text, txid bigint);
CREATE FUNCTION ways_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO ways_seen VALUES (TG_NAME || ' of ' || NEW.request_id, NEW.cost::numeric, NEW.cost_state, NEW.txid);
	RETURN NEW;
END $$;
CREATE FUNCTION ways_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.workflow = 'wf' THEN NEW.workflow := 'rewritten by ' || TG_NAME; END IF;
	RETURN NEW;
END $$;
CREATE FUNCTION ways_note_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO ways_seen SELECT TG_NAME || ' of ' || r.request_id, r.cost::numeric, r.cost_state, r.txid FROM inserted AS r;
	RETURN NULL;
END $$;

CREATE TRIGGER a_note BEFORE INSERT ON aiusage.usage_record FOR EACH ROW EXECUTE FUNCTION ways_note();
CREATE TRIGGER after_note AFTER INSERT ON aiusage.usage_record FOR EACH ROW EXECUTE FUNCTION ways_note();
CREATE TRIGGER after_all AFTER INSERT ON aiusage.usage_record REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION ways_note_all();
SELECT pg_temp.book('trigger before');
CREATE TRIGGER z_note BEFORE INSERT ON aiusage.usage_record FOR EACH ROW EXECUTE FUNCTION ways_note();
SELECT pg_temp.book('trigger after');
DROP TRIGGER after_all ON aiusage.usage_record;
SELECT pg_temp.book('trigger after, in a partition', 'aiusage.usage_record_p20260301');
ALTER TABLE aiusage.usage_record DISABLE TRIGGER z_note;
SELECT pg_temp.book('trigger after, disabled');
-- of all of them, only what fires before the booking sees a row that is not booked
SELECT request_id, cost, cost_state, txid >> 48 > 0 AS stamped FROM ways_seen ORDER BY request_id COLLATE "C";
DROP TRIGGER a_note ON aiusage.usage_record;
DROP TRIGGER after_note ON aiusage.usage_record;
DROP TRIGGER z_note ON aiusage.usage_record;

-- a trigger that changes the row, before and after: the booking stays
CREATE TRIGGER a_rewrite BEFORE INSERT ON aiusage.usage_record FOR EACH ROW EXECUTE FUNCTION ways_rewrite();
SELECT pg_temp.book('rewritten before');
DROP TRIGGER a_rewrite ON aiusage.usage_record;
CREATE TRIGGER z_rewrite BEFORE INSERT ON aiusage.usage_record FOR EACH ROW EXECUTE FUNCTION ways_rewrite();
SELECT pg_temp.book('rewritten after');
DROP TRIGGER z_rewrite ON aiusage.usage_record;
-- and limits count the row as it is stored, whoever changed it last
CREATE FUNCTION ways_rename() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.user_id := lower(NEW.user_id); RETURN NEW; END $$;
SELECT aiusage.put_key('{"key": "ways_limited", "team": "ways"}') IS NOT NULL AS made;
SELECT aiusage.put_quota('{"name": "ways users", "scope": {"api_key": "ways_limited"}, "metric": "requests", "limit": 10, "window": "total", "per": ["user_id"]}') AS users \gset
CREATE TRIGGER z_rename BEFORE INSERT ON aiusage.usage_record FOR EACH ROW EXECUTE FUNCTION ways_rename();
INSERT INTO aiusage.usage_record (api_key, provider, model, usage, user_id) VALUES ('ways_limited', 'wayslab', 'm1', '{}', 'Ann'), ('ways_limited', 'wayslab', 'm1', '{}', 'ANN');
SELECT c.committed, c.subject = aiusage.quota_subject_id(q.quota, q.epoch, '{ann}') AS as_stored
FROM aiusage.quota_counters() AS c JOIN aiusage.quota AS q USING (quota) WHERE q.quota = :users AND c.committed <> 0;
SELECT check_name, detail FROM aiusage.verify() WHERE NOT ok AND check_name LIKE 'limit%';
SELECT aiusage.retire_quota('ways users') IS NOT NULL AS retired;
DROP TRIGGER z_rename ON aiusage.usage_record;
DROP FUNCTION ways_rename();
DROP FUNCTION ways_note(), ways_note_all(), ways_rewrite();
DROP TABLE ways_seen;

-- an error on the way leaves nothing, and the next row is whole
DO $$
BEGIN
	INSERT INTO aiusage.usage_record (id, request_id, api_key, provider, model, usage, workflow)
	VALUES (pg_temp.id_of('refused 1'), 'refused 1', 'ways_key', 'wayslab', 'm1', '{"input_tokens": 1}', NULL),
		(pg_temp.id_of('refused 2'), 'refused 2', 'ways_key', 'wayslab', 'm1', '{"input_tokens": 1}', repeat('x', 257));
EXCEPTION WHEN SQLSTATE 'UA422' THEN
	RAISE NOTICE 'refused: %', SQLERRM;
END $$;
SELECT pg_temp.book('after an error');

-- all the same: one kind of row but for its id, its stamps, and what the triggers rewrote
SELECT count(*) AS n, string_agg(request_id, ', ' ORDER BY request_id COLLATE "C") AS ways, workflow, cost::numeric, cost_by_unit, charge::numeric, list_cost, cost_state,
	jsonb_strip_nulls(to_jsonb(r)) - '{id,request_id,recorded_at,txid,assignment,price_version,user_id,tags}'::text[] AS stored
FROM aiusage.usage_record AS r
WHERE r.api_key = 'ways_key'
GROUP BY to_jsonb(r) - '{id,request_id,recorded_at,txid}'::text[], workflow, cost::numeric, cost_by_unit, charge::numeric, list_cost, cost_state, stored
ORDER BY n DESC, ways \gx
