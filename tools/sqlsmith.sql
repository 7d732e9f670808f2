-- What tools/sqlsmith.sh lets sqlsmith loose on: books with a little of everything.
SET client_min_messages = warning;
SET statement_timeout = 0;
SET lock_timeout = 0;
CREATE EXTENSION aiusage;
SELECT count(*) FROM aiusage.init();
SELECT aiusage.import_prices('list', 'genai-prices', aiusage.default_catalogue(), '2020-01-01', 'default catalogue');
SELECT FROM aiusage.put_team('search', 'Search');
SELECT FROM aiusage.put_team('support', 'Support');
SELECT FROM aiusage.put_cost_center('cc-1', 'Product');
SELECT FROM aiusage.put_cost_center('cc-2', 'Service');
SELECT FROM aiusage.put_customer('acme', 'Acme', 'enterprise');
SELECT FROM aiusage.put_key('{"key": "k-search", "class": "production", "team": "search", "cost_center": "cc-1", "project": "p",
	"environment": "production", "owner": "o", "owner_kind": "team"}');
SELECT FROM aiusage.put_key('{"key": "k-support", "class": "production", "team": "support", "cost_center": "cc-2", "project": "p",
	"environment": "production", "owner": "o", "owner_kind": "team"}');
SELECT FROM aiusage.make_partitions(now() - interval '40 days', now() + interval '10 days');
SELECT FROM aiusage.put_quota('{"name": "tokens", "scope": {"team": "search"}, "metric": "input_tokens", "limit": 100000000, "window": "day"}');
SELECT FROM aiusage.put_quota('{"name": "spend", "scope": {"team": "support"}, "metric": "spend", "currency": "USD", "limit": 100000, "window": "month"}');
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, occurred_at)
SELECT aiusage.uuid_v7(t), CASE i % 2 WHEN 0 THEN 'k-search' ELSE 'k-support' END, 'openai', CASE i % 3 WHEN 0 THEN 'gpt-4o' ELSE 'gpt-4o-mini' END,
	format('{"input_tokens": %s, "output_tokens": %s}', 100 + i, i)::aiusage.usage, t
FROM generate_series(1, 3000) AS i, LATERAL (SELECT now() - i * interval '15 minutes' AS t) AS x;
SELECT aiusage.refresh();

CREATE ROLE member LOGIN;
SELECT FROM aiusage.grant_access('member', 'member', '{"teams": ["search"]}');
-- sqlsmith draws from the catalogue: what it would do to the cluster and not to us is out of its reach
DO $$
DECLARE
	f record;
BEGIN
	FOR f IN SELECT oid::regprocedure AS signature, proname FROM pg_proc
		WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~
			'^(pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile|pg_promote|pg_sleep|pg_switch_wal|pg_create_restore_point|pg_advisory|pg_try_advisory|lo_|pg_read|pg_ls|pg_file|pg_logical|pg_drop_replication|pg_create_.*replication|pg_replication|pg_start_backup|pg_stop_backup|pg_backup|pg_stat_reset|pg_wal_replay|binary_upgrade)'
	LOOP
		EXECUTE format('ALTER FUNCTION %s RENAME TO %I', f.signature, 'smith_' || left(md5(f.signature::text), 20));
	END LOOP;
END $$;
-- sqlsmith writes operators without their schema
ALTER DATABASE smith SET search_path = public, aiusage, pg_catalog;
