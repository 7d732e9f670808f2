/*
 * The books for bench/rollup.sh, and calls booked in the usual way that its
 * rows are made of: 200 keys of 20 teams and 12 cost centers (three of them are
 * billed from the 15th), 15 models, workflows and customers.  A few keys make
 * most of the calls.
 */
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT FROM aiusage.init();
SELECT FROM aiusage.import_prices('list', 'genai-prices', (
	SELECT jsonb_agg(p) FROM (
		SELECT jsonb_build_object('id', 'lab-' || n % 3, 'name', 'Lab ' || n % 3, 'api_pattern', 'lab', 'models', jsonb_agg(jsonb_build_object('id', 'model-' || n,
			'match', jsonb_build_object('equals', 'model-' || n),
			'prices', jsonb_build_object('input_mtok', 0.2 + n * 0.31, 'cache_read_mtok', 0.05 + n * 0.07, 'output_mtok', 0.9 + n * 1.7)))) AS p
		FROM generate_series(0, 14) AS n GROUP BY n % 3) AS x), '2020-01-01');
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('resale', 'charge', 'USD');
SELECT FROM aiusage.import_prices('resale', 'genai-prices', (
	SELECT jsonb_agg(p) FROM (
		SELECT jsonb_build_object('id', 'lab-' || n % 3, 'name', 'Lab ' || n % 3, 'api_pattern', 'lab', 'models', jsonb_agg(jsonb_build_object('id', 'model-' || n,
			'match', jsonb_build_object('equals', 'model-' || n), 'prices', jsonb_build_object('input_mtok', 1 + n * 0.31, 'output_mtok', 2 + n * 1.7)))) AS p
		FROM generate_series(0, 14) AS n GROUP BY n % 3) AS x), '2020-01-01');
SELECT FROM aiusage.set_billing_calendar('mid', 'UTC', start_day => 15);
SELECT FROM generate_series(0, 11) AS n, aiusage.put_cost_center('cc-' || n, calendar => CASE WHEN n > 8 THEN 'mid' END);
SELECT FROM generate_series(1, 200) AS n, aiusage.put_key(jsonb_strip_nulls(jsonb_build_object('key', 'key-' || n, 'team', 'team-' || n % 20,
	'cost_center', 'cc-' || n % 12, 'project', 'project-' || n % 40, 'environment', (ARRAY['production', 'staging'])[1 + n % 2],
	'workflow', CASE WHEN n % 3 = 0 THEN 'workflow-' || n % 8 END, 'customer', CASE WHEN n % 5 = 0 THEN 'customer-' || n % 10 END,
	'charge_book', CASE WHEN n % 5 = 0 THEN 'resale' END, 'valid_from', '2020-01-01T00:00:00Z')));

CREATE SCHEMA bench;
-- Twelve months that end today.
CREATE TABLE bench.span AS SELECT date_trunc('day', now()) - interval '365 days' AS starts_at, date_trunc('day', now()) AS ends_at;
SELECT FROM bench.span, aiusage.make_partitions(starts_at - interval '1 day', now() + interval '2 days');

-- 360 kinds of calls, 8 usages each.
INSERT INTO aiusage.usage_record (api_key, provider, model, endpoint, workflow, customer, user_id, operation_id, usage, status, attempt, latency_ms, ttft_ms, accepted, streamed)
SELECT 'key-' || k, 'lab-' || m % 3, 'model-' || m, 'chat', CASE WHEN k % 4 = 1 THEN 'workflow-' || c % 8 END, CASE WHEN k % 10 = 3 THEN 'customer-' || c % 10 END,
	'user-' || k * 8 + v, md5(c || ' ' || v), format('{"input_tokens": %s, "cache_read_tokens": %s, "output_tokens": %s}', 900 + 613 * v + c, 100 * v, 40 + 61 * v)::aiusage.usage,
	CASE WHEN c > 320 THEN 'error' ELSE 'success' END::aiusage.usage_status, CASE WHEN v = 7 THEN 2 ELSE 1 END, 300 + 211 * v + c, 90 + 31 * v, CASE WHEN v = 3 THEN 1 END, v % 2 = 0
FROM generate_series(1, 360) AS c, generate_series(0, 7) AS v,
	LATERAL (SELECT 1 + (c - 1) % 200 AS k, (c * 7 + c / 200) % 15 AS m) AS x;

-- About 65536 places: the calls by weight, in no order.
CREATE TABLE bench.prototype AS SELECT row_number() OVER (ORDER BY u.id) AS n, u.* FROM aiusage.usage_record AS u;
CREATE TABLE bench.place AS
SELECT (row_number() OVER (ORDER BY md5(n || ' ' || i)) - 1)::int AS place, n
FROM (
	SELECT p.n, greatest(1, round(65536 * w.weight / sum(w.weight) OVER ()))::int AS places
	FROM bench.prototype AS p,
		LATERAL (SELECT CASE WHEN p.status = 'success' THEN 1 ELSE 0.1 END / (substr(p.api_key, 5)::float8 ^ 0.7) AS weight) AS w
) AS x, generate_series(1, places) AS i;
-- Rows of the prototypes are of no month.
CREATE TABLE bench.period AS
SELECT c.calendar, d::date AS day, aiusage.period_of(c.calendar, d AT TIME ZONE 'UTC') AS period
FROM aiusage.billing_calendar AS c, generate_series((SELECT (starts_at - interval '2 days')::timestamp FROM bench.span), now() + interval '3 days', interval '1 day') AS d;
ANALYZE bench.prototype, bench.place, bench.period;

-- How triggers were, for after the load.
CREATE TABLE bench.trigger_state AS
SELECT t.tgname, t.tgenabled FROM pg_trigger AS t WHERE t.tgrelid = 'aiusage.usage_record'::regclass AND NOT t.tgisinternal;

/*
 * calls rows between two times, as booking would have made them of the same
 * calls: all that it computes is in the prototype but the time, the id, the
 * transaction and the invoice period.  Triggers must be off, or they would do it again.
 */
DO $do$
DECLARE
	computed constant name[] := ARRAY['id', 'occurred_at', 'recorded_at', 'txid', 'invoice_period'];
	columns text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
		WHERE attrelid = 'aiusage.usage_record'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> ALL (computed));
BEGIN
	EXECUTE format($f$
		CREATE FUNCTION bench.make(calls bigint, from_at timestamptz, to_at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
		DECLARE
			this_txid constant bigint := aiusage.current_incarnation()::bigint << 48 | pg_current_xact_id()::text::bigint;
			places constant bigint := (SELECT count(*) FROM bench.place);
			made bigint;
		BEGIN
			SET LOCAL synchronous_commit = off;
			SET LOCAL work_mem = '64MB';
			SET LOCAL max_parallel_workers_per_gather = 0;
			INSERT INTO aiusage.usage_record (id, occurred_at, recorded_at, txid, invoice_period, %1$s)
			SELECT aiusage.uuid_v7(g.at), g.at, g.at + interval '2 seconds', this_txid, d.period, %2$s
			FROM (SELECT from_at + (to_at - from_at) * (i::float8 / calls) AS at, (i * 2654435761 %% places)::int AS place FROM generate_series(0, calls - 1) AS i) AS g
			JOIN bench.place AS s ON s.place = g.place
			JOIN bench.prototype AS p ON p.n = s.n
			JOIN bench.period AS d ON d.calendar = p.invoice_period / 100000 AND d.day = (g.at AT TIME ZONE 'UTC')::date;
			GET DIAGNOSTICS made = ROW_COUNT;
			RETURN made;
		END
		$$
	$f$, columns, (SELECT string_agg('p.' || c, ', ') FROM regexp_split_to_table(columns, ', ') AS c));
END
$do$;

CREATE FUNCTION bench.triggers(firing boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT * FROM bench.trigger_state LOOP
		EXECUTE format('ALTER TABLE aiusage.usage_record %s TRIGGER %I', CASE WHEN NOT firing OR t.tgenabled = 'D' THEN 'DISABLE' WHEN t.tgenabled = 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END, t.tgname);
	END LOOP;
END
$$;

-- Is every row what booking would make of it now?  Of some rows, all that is computed.
CREATE FUNCTION bench.not_as_booked(rows int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	-- a few pages of each partition
	share float8 := (SELECT least(100, 100 * 20e6 / sum(pg_relation_size(inhrelid))) FROM pg_inherits WHERE inhparent = 'aiusage.usage_record'::regclass);
	bad bigint;
BEGIN
	CREATE TEMP TABLE sample ON COMMIT DROP AS SELECT * FROM (SELECT * FROM aiusage.usage_record TABLESAMPLE SYSTEM (share) REPEATABLE (1)) AS u ORDER BY md5(id::text) LIMIT rows;
	SELECT count(*) INTO bad FROM sample AS u
	LEFT JOIN aiusage.key_assignment AS a ON a.api_key = u.api_key
	LEFT JOIN aiusage.cost_center AS c ON c.cost_center = a.cost_center
	WHERE (u.cost::text, u.assignment, u.invoice_period) IS DISTINCT FROM
		(aiusage.price_usage(u.provider, u.model, u.usage, u.occurred_at, u.service_tier, u.endpoint, u.region)::text, a.assignment, aiusage.period_of(coalesce(c.calendar, 1), u.occurred_at))
		OR u.charge::text IS DISTINCT FROM CASE WHEN u.charge IS NOT NULL THEN aiusage.price_usage(u.provider, u.model, u.usage, u.occurred_at, u.service_tier, u.endpoint, u.region, 'resale')::text END
		OR aiusage.id_time(u.id) NOT BETWEEN u.occurred_at - interval '1 millisecond' AND u.occurred_at;
	RETURN bad + CASE WHEN (SELECT count(*) FROM sample) = 0 THEN 1 ELSE 0 END;
END
$$;

-- What a site would have without rollups: a row a day, team, cost center, period and currency, kept by REFRESH; and the sums of rollup_daily.
CREATE MATERIALIZED VIEW bench.team_day AS
SELECT (r.occurred_at AT TIME ZONE 'UTC')::date AS day, a.team, a.cost_center, r.invoice_period, aiusage.currency(r.cost_by_unit) AS currency,
	count(*) AS requests, count(*) FILTER (WHERE r.status <> 'success') AS errors, sum(r.cost::numeric) AS cost, aiusage.sum(r.usage) AS usage
FROM aiusage.usage_record AS r LEFT JOIN aiusage.key_assignment AS a ON a.assignment = r.assignment
GROUP BY 1, 2, 3, 4, 5
WITH NO DATA;
DO $do$
DECLARE
	sums text := (SELECT string_agg(format(CASE WHEN format_type(atttypid, NULL) LIKE 'aiusage.%' THEN 'aiusage.sum(s.%1$I) AS %1$I' ELSE 'sum(s.%1$I) AS %1$I' END, attname), ', ' ORDER BY attnum)
		FROM pg_attribute WHERE attrelid = 'aiusage.rollup_daily'::regclass AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('day', 'dimension')
			AND attname IN (SELECT x.attname FROM pg_attribute AS x WHERE x.attrelid = 'aiusage.rollup_source'::regclass));
BEGIN
	EXECUTE 'CREATE MATERIALIZED VIEW bench.rollup_daily AS SELECT s.day, s.assignment, s.invoice_period, s.api_key, s.provider, s.model, s.endpoint, s.service_tier, s.region,
		s.customer, s.workflow, s.status, s.currency, s.list_currency, s.charge_currency, ' || sums || '
		FROM aiusage.rollup_source AS s GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 WITH NO DATA';
END
$do$;
