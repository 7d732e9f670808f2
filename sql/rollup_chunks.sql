-- A fold that is far behind goes by chunks; figures are exact after each.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
SELECT count(*) >= 0 AS partitions FROM aiusage.make_partitions('2021-06-01', '2021-08-01');
RESET client_min_messages;
SET TimeZone = 'UTC';
SELECT aiusage.put_key('{"key": "chunks-1", "team": "chunks-a", "cost_center": "chunks-cc", "environment": "production",
	"valid_from": "2021-01-01T00:00:00Z"}') IS NOT NULL AS key;
SELECT aiusage.refresh() >= 0 AS folded;

-- A limit, whose counters are folded in the same chunks.
SELECT aiusage.put_quota('{"name": "chunks", "scope": {"api_key": "chunks-1"}, "metric": "requests", "limit": 1000000, "window": "total", "action": "flag"}') IS NOT NULL AS quota;
UPDATE aiusage.setting SET value = '999' WHERE name = 'fold_rows';
UPDATE aiusage.setting SET value = '1000' WHERE name = 'fold_rows';

-- Transactions of 1 to 700 rows, one of 2,500, some that are rolled back.
CREATE PROCEDURE pg_temp.book(rows int, keep boolean) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage, spent)
	SELECT aiusage.event_id('chunks-' || gen_random_uuid(), t.at), t.at, 'chunks-1', 'chunks', 'm' || n % 3, '{"input_tokens": 3}', true
	FROM generate_series(1, rows) n, LATERAL (SELECT timestamptz '2021-06-10 00:00:00+00' + n * interval '3 minutes' AS at) t;
	IF keep THEN COMMIT; ELSE ROLLBACK; END IF;
END $$;
CALL pg_temp.book(1, true);
CALL pg_temp.book(700, true);
CALL pg_temp.book(400, false);
CALL pg_temp.book(400, true);
CALL pg_temp.book(2500, true);
CALL pg_temp.book(10, true);
CALL pg_temp.book(600, true);
CALL pg_temp.book(300, false);
CALL pg_temp.book(89, true);

CREATE FUNCTION pg_temp.agree(OUT levels bigint, OUT unfolded bigint, OUT ok boolean) LANGUAGE sql AS $$
	SELECT count(DISTINCT (l.name, l.n)), (SELECT count(*) FROM aiusage.rollup_tail),
		bool_and(coalesce(l.n, 0) = (SELECT count(*) FROM aiusage.usage_record u WHERE u.api_key = 'chunks-1'))
	FROM (
		SELECT '15m', sum(requests) FROM aiusage.rollup_live WHERE api_key = 'chunks-1'
		UNION ALL SELECT 'daily', sum(requests) FROM aiusage.rollup_daily_live WHERE api_key = 'chunks-1'
		UNION ALL SELECT 'weekly', sum(requests) FROM aiusage.rollup_weekly_live WHERE api_key = 'chunks-1'
		UNION ALL SELECT 'monthly', sum(requests) FROM aiusage.rollup_monthly_live WHERE api_key = 'chunks-1'
		UNION ALL SELECT 'owner', sum(requests) FROM aiusage.rollup_owner_live WHERE team = 'chunks-a'
		UNION ALL SELECT 'team_usage', sum(requests) FROM aiusage.team_usage WHERE team = 'chunks-a'
		UNION ALL SELECT 'limit', sum(used) FROM aiusage.quota_counter c JOIN aiusage.quota q USING (quota) WHERE q.name = 'chunks'
	) AS l (name, n) $$;

-- Chunks end with the transaction that fills them: 1,101 rows, then the large one, then the rest.
SELECT * FROM pg_temp.agree();
SELECT * FROM aiusage.refresh_step();
SELECT * FROM pg_temp.agree();
SELECT cardinality(cuts) AS cuts FROM aiusage.fold_state;
-- What comes meanwhile is for later; old chunks stay as they were planned.
CALL pg_temp.book(2, true);
SELECT * FROM aiusage.refresh_step();
SELECT * FROM pg_temp.agree();
SELECT * FROM aiusage.refresh_step();
SELECT * FROM aiusage.refresh_step();
SELECT * FROM pg_temp.agree();
-- The whole of it in one call, and nothing left.
CALL pg_temp.book(1500, true);
CALL pg_temp.book(1500, true);
SELECT aiusage.refresh();
SELECT * FROM pg_temp.agree();
SELECT cardinality(cuts) AS cuts FROM aiusage.fold_state;
-- maintain() commits chunk by chunk.
CALL pg_temp.book(1100, true);
CALL pg_temp.book(1100, true);
CALL pg_temp.book(5, true);
SELECT folds AS folds_before FROM aiusage.fold_state \gset
CALL aiusage.maintain();
SELECT folds - :folds_before AS chunks, last_rows, cardinality(cuts) AS cuts FROM aiusage.fold_state;
SELECT * FROM pg_temp.agree();

-- What is in the levels is what verify() finds in the ledger.
SELECT check_name, expected, actual, detail FROM aiusage.verify() WHERE NOT ok AND (check_name LIKE 'rollup%' OR check_name LIKE '%chunks%');
UPDATE aiusage.setting SET value = '250000' WHERE name = 'fold_rows';
SELECT aiusage.retire_quota('chunks', 'test is over') IS NOT NULL AS retired;
