-- The ledger, its configuration, and the same table twice without triggers.
CREATE EXTENSION aiusage;
SELECT FROM aiusage.init();
SELECT aiusage.import_prices('list', 'genai-prices', aiusage.default_catalogue(), '2020-01-01');
SELECT aiusage.put_key(jsonb_build_object(
	'key', 'bench-' || n, 'team', 'team-' || n % 20, 'cost_center', 'cc-' || n % 10, 'environment', 'production',
	'valid_from', '2020-01-01T00:00:00Z'))
FROM generate_series(1, 200) AS n;

CREATE SCHEMA bare;
CREATE SCHEMA stored;
DO $$
DECLARE
	s text;
	part record;
BEGIN
	FOREACH s IN ARRAY ARRAY['bare', 'stored'] LOOP
		EXECUTE format('CREATE TABLE %I.usage_record (LIKE aiusage.usage_record INCLUDING ALL) PARTITION BY RANGE (id)', s);
		-- What the trigger would have filled stays empty in "bare".
		EXECUTE format('ALTER TABLE %I.usage_record ALTER occurred_at DROP NOT NULL, ALTER recorded_at DROP NOT NULL,
			ALTER txid DROP NOT NULL, ALTER invoice_period DROP NOT NULL, ALTER cost_state DROP NOT NULL,
			ALTER kind DROP NOT NULL, ALTER cost_by_unit DROP NOT NULL', s);
		FOR part IN
			SELECT c.oid, c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound
			FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
			WHERE i.inhparent = 'aiusage.usage_record'::regclass
		LOOP
			EXECUTE format('CREATE TABLE %I.%I PARTITION OF %I.usage_record %s', s, part.relname, s, part.bound);
			-- The partition's own checks (on occurred_at), so that both sides test them.
			DECLARE
				con record;
			BEGIN
				FOR con IN
					SELECT conname, pg_get_constraintdef(oid) AS def FROM pg_constraint
					WHERE conrelid = part.oid AND contype = 'c' AND conislocal AND coninhcount = 0
				LOOP
					EXECUTE format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', s, part.relname, con.conname, con.def);
				END LOOP;
			END;
		END LOOP;
	END LOOP;
END
$$;

-- Same columns, indexes, constraints and partitions, or the comparison is void.
DO $$
DECLARE
	differing text;
BEGIN
	SELECT string_agg(format('%s: %s indexes, %s checks, %s columns', a.relname, a.indexes, a.checks, a.columns), '; ')
	INTO differing
	FROM (
		SELECT relname, indexes, checks, columns FROM (
			SELECT n.nspname, c.relname,
				(SELECT count(*) FROM pg_index AS x WHERE x.indrelid = c.oid) AS indexes,
				(SELECT count(*) FROM pg_constraint AS x WHERE x.conrelid = c.oid AND x.contype = 'c') AS checks,
				(SELECT count(*) FROM pg_attribute AS x WHERE x.attrelid = c.oid AND x.attnum > 0 AND NOT x.attisdropped) AS columns
			FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE n.nspname IN ('aiusage', 'bare', 'stored') AND c.relname LIKE 'usage\_record%' AND c.relkind IN ('r', 'p')
		) AS t
		GROUP BY 1, 2, 3, 4 HAVING count(*) <> 3
	) AS a;
	IF differing IS NOT NULL THEN
		RAISE EXCEPTION 'the tables differ: %', differing;
	END IF;
END
$$;
