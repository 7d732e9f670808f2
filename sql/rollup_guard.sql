-- Where a fold may run, and what its helpers do.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
RESET client_min_messages;
\set SHOW_CONTEXT never

-- Usage first: the fold's snapshot would not list its own transaction.
BEGIN;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('rollup-guard', 'rollup', 'none', '{"input_tokens": 1}');
SELECT aiusage.refresh();
ROLLBACK;

-- Also when the row was undone by a savepoint, and inside one.
BEGIN;
SAVEPOINT s;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('rollup-guard', 'rollup', 'none', '{"input_tokens": 1}');
ROLLBACK TO s;
SELECT aiusage.refresh();
ROLLBACK;
BEGIN;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('rollup-guard', 'rollup', 'none', '{"input_tokens": 1}');
SAVEPOINT s;
SELECT aiusage.refresh();
ROLLBACK TO s;
-- the usage is unharmed
SELECT count(*) FROM aiusage.usage_record WHERE api_key = 'rollup-guard';
ROLLBACK;

-- Fold first: the row would never be folded.
BEGIN;
SELECT aiusage.refresh() >= 0 AS folded;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('rollup-guard', 'rollup', 'none', '{"input_tokens": 1}');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT aiusage.refresh() >= 0 AS folded;
ROLLBACK TO s;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('rollup-guard', 'rollup', 'none', '{"input_tokens": 1}');
ROLLBACK;

-- Twice in one transaction is fine; so are both in transactions of their own.
BEGIN;
SELECT aiusage.refresh() >= 0 AS folded;
SELECT aiusage.refresh() AS folded;
COMMIT;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('rollup-guard', 'rollup', 'none', '{"input_tokens": 1}');
SELECT aiusage.refresh() >= 1 AS folded;
SELECT requests, unmatched, unpriced, cost FROM aiusage.key_usage WHERE api_key = 'rollup-guard';

-- Read-only.
BEGIN READ ONLY;
SELECT aiusage.refresh();
ROLLBACK;

-- A fold that is rolled back has not happened.
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('rollup-guard', 'rollup', 'none', '{"input_tokens": 1}');
BEGIN;
SELECT aiusage.refresh() >= 1 AS folded;
SELECT requests FROM aiusage.key_usage WHERE api_key = 'rollup-guard';
ROLLBACK;
SELECT requests FROM aiusage.key_usage WHERE api_key = 'rollup-guard';
SELECT aiusage.refresh() >= 1 AS folded;
SELECT requests FROM aiusage.key_usage WHERE api_key = 'rollup-guard';

-- Its own uncommitted rows are in what a transaction reads, folded or not.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT requests FROM aiusage.key_usage WHERE api_key = 'rollup-guard';
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('rollup-guard', 'rollup', 'none', '{"input_tokens": 1}');
SELECT requests FROM aiusage.key_usage WHERE api_key = 'rollup-guard';
ROLLBACK;
SELECT requests FROM aiusage.key_usage WHERE api_key = 'rollup-guard';

-- The snapshot, as the ledger writes transactions.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT aiusage.snapshot_boundary(5) = (5::bigint << 48) + pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS boundary,
	aiusage.snapshot_running(5) = ARRAY(SELECT (5::bigint << 48) + x::text::bigint FROM pg_snapshot_xip(pg_current_snapshot()) x ORDER BY 1) AS running;
COMMIT;
SELECT aiusage.snapshot_boundary(-1);
SELECT aiusage.snapshot_boundary(32768);
SELECT aiusage.snapshot_boundary(NULL), aiusage.snapshot_running(NULL);

-- Dimension ids: the same for the same values, another for any other; NULL is not '', and neighbours do not run together.
WITH d (id) AS (VALUES
	(aiusage.dimension_id(1, 2, 'k', 'p', 'm', 'e', 't', 'r', 'c', 'w', 'success', 'USD', 'USD', NULL, NULL, NULL)),
	(aiusage.dimension_id(NULL, 2, 'k', 'p', 'm', 'e', 't', 'r', 'c', 'w', 'success', 'USD', 'USD', NULL, NULL, NULL)),
	(aiusage.dimension_id(2, 1, 'k', 'p', 'm', 'e', 't', 'r', 'c', 'w', 'success', 'USD', 'USD', NULL, NULL, NULL)),
	(aiusage.dimension_id(1, NULL, 'k', 'p', 'm', 'e', 't', 'r', 'c', 'w', 'success', 'USD', 'USD', NULL, NULL, NULL)),
	(aiusage.dimension_id(1, 2, 'kp', '', 'm', 'e', 't', 'r', 'c', 'w', 'success', 'USD', 'USD', NULL, NULL, NULL)),
	(aiusage.dimension_id(1, 2, 'k', 'p', 'm', NULL, 't', 'r', 'c', 'w', 'success', 'USD', 'USD', NULL, NULL, NULL)),
	(aiusage.dimension_id(1, 2, 'k', 'p', 'm', '', 't', 'r', 'c', 'w', 'success', 'USD', 'USD', NULL, NULL, NULL)),
	(aiusage.dimension_id(1, 2, 'k', 'p', 'm', 't', NULL, 'r', 'c', 'w', 'success', 'USD', 'USD', NULL, NULL, NULL)),
	(aiusage.dimension_id(1, 2, 'k', 'p', 'm', NULL, 't', 'r', 'c', 'w', 'error', 'USD', 'USD', NULL, NULL, NULL)),
	(aiusage.dimension_id(1, 2, 'k', 'p', 'm', 'e', 't', 'r', 'c', 'w', 'success', 'USD', 'USD', 'USD', NULL, NULL)),
	(aiusage.dimension_id(1, 2, 'k', 'p', 'm', 'e', 't', 'r', 'c', 'w', 'success', 'USD', 'USD', NULL, '2xx', NULL)),
	(aiusage.dimension_id(1, 2, 'k', 'p', 'm', 'e', 't', 'r', 'c', 'w', 'success', 'USD', 'USD', NULL, NULL, '2xx')))
SELECT count(DISTINCT id) AS ids, count(*) AS sets FROM d;
-- fixed for ever: stored rows depend on it
SELECT aiusage.dimension_id(1, 2, 'k', 'p', 'm', NULL, '', 'r', 'c', 'wörkflow', 'success', 'USD', 'USD', NULL, '4xx', '{"a": "b"}') =
	encode(substr(sha256(
		'\x01'::bytea
		|| '\x01000000080000000000000001' || '\x01000000080000000000000002'
		|| '\x01000000016b' || '\x010000000170' || '\x01000000016d' || '\x00' || '\x0100000000'
		|| '\x010000000172' || '\x010000000163' || '\x0100000009' || convert_to('wörkflow', 'UTF8')
		|| '\x0100000007' || 'success'::bytea || '\x0100000003' || 'USD'::bytea || '\x0100000003' || 'USD'::bytea || '\x00'
		|| '\x0100000003' || '4xx'::bytea || '\x010000000a' || '{"a": "b"}'::bytea), 1, 16), 'hex')::uuid
	AS as_documented;

-- Quantities for people.
SELECT aiusage.net_quantity('{"input_tokens": 10, "rollup_x": 3.75}', '{"input_tokens": 4, "rollup_x": 1}', u) AS net, u
FROM (VALUES ('input_tokens'), ('rollup_x'), ('output_tokens'), ('no such unit'), (NULL)) v (u);
SELECT aiusage.net_quantity(NULL, NULL, 'input_tokens'), aiusage.net_quantity(NULL, '{"input_tokens": 4}', 'input_tokens');

-- maintain() does the fold, too; inside a transaction block it cannot commit.
INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('rollup-guard', 'rollup', 'none', '{"input_tokens": 1}');
CALL aiusage.maintain();
SELECT aiusage.refresh() AS folded;
BEGIN;
CALL aiusage.maintain();
ROLLBACK;

-- Nobody without a grant folds, verifies or reads.
CREATE ROLE regress_rollup_nobody;
GRANT USAGE ON SCHEMA aiusage TO regress_rollup_nobody;
SET ROLE regress_rollup_nobody;
SELECT aiusage.refresh();
SELECT * FROM aiusage.verify();
CALL aiusage.maintain();
SELECT * FROM aiusage.team_usage;
SELECT * FROM aiusage.rollup_daily;
RESET ROLE;
REVOKE USAGE ON SCHEMA aiusage FROM regress_rollup_nobody;
DROP ROLE regress_rollup_nobody;
