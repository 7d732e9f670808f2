/*
 * What the fold's statements are made of, each thing said once:
 *
 *   measures     the columns of aiusage.rollup_15m besides its key
 *   dimensions   the columns of aiusage.rollup_dimension besides its key
 *   levels       the list in rollup_levels()
 *
 * The fold and verify() are built from these, so a new measure is a column of
 * each level and an expression in rollup_source (books/views/50_rollup_views.sql),
 * a new dimension a column of rollup_dimension and an expression there, and a
 * new level a table and a line here.  Books of an older shape are folded
 * into what they have.
 */

CREATE FUNCTION aiusage.owner_each_measure(template text, separator text DEFAULT ', ')
RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(replace(replace(replace(replace(replace(replace(owner_each_measure.template,
			'{same}', CASE WHEN m.type LIKE 'aiusage.%' THEN 'r.{m}::text = n.{m}::text' ELSE 'r.{m} = n.{m}' END),
			'{differs}', CASE WHEN m.type LIKE 'aiusage.%' THEN 'coalesce(t.l_{m}::text, ''{}'') <> coalesce(t.r_{m}::text, ''{}'')'
				ELSE 't.l_{m} IS DISTINCT FROM t.r_{m}' END),
			'{total}', CASE m.type WHEN 'bigint' THEN 'sum(d.{m})::bigint'
				WHEN 'aiusage.usage' THEN 'coalesce(aiusage.sum(d.{m}), ''{}''::aiusage.usage)' ELSE '{sum}(d.{m})' END),
			'{sum}', CASE WHEN m.type LIKE 'aiusage.%' THEN 'aiusage.sum' ELSE 'sum' END),
			'{+}', CASE WHEN m.type LIKE 'aiusage.%' THEN 'OPERATOR(aiusage.+)' ELSE '+' END),
			'{m}', m.name), owner_each_measure.separator ORDER BY m.number)
	FROM (SELECT quote_ident(a.attname) AS name, format_type(a.atttypid, NULL) AS type, a.attnum AS number
		FROM pg_attribute AS a
		WHERE a.attrelid = 'aiusage.rollup_15m'::regclass AND a.attnum > 0 AND NOT a.attisdropped
			AND a.attname NOT IN ('bucket', 'dimension')) AS m
$$;
COMMENT ON FUNCTION aiusage.owner_each_measure(text, text) IS
	'A piece of SQL for each measure of the rollups, in order: {m} is the name, {sum} its aggregate, {+} its operator, {total} the sum over rows d as it is stored, {differs} whether t.l_{m} and t.r_{m} are not equal, {same} whether r.{m} and n.{m} are';

CREATE FUNCTION aiusage.owner_each_dimension(template text, separator text DEFAULT ', ')
RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(replace(replace(replace(owner_each_dimension.template,
			-- what the request said, else what its assignment says
			'{value}', CASE WHEN d.name IN ('customer', 'workflow') THEN 'coalesce(s.{d}, a.{d})' ELSE 's.{d}' END),
			'{label}', CASE WHEN d.type IN ('bigint', 'integer', 'text') THEN '{d}' ELSE '{d}::text' END),
			'{d}', d.name), owner_each_dimension.separator ORDER BY d.number)
	FROM (SELECT quote_ident(a.attname) AS name, format_type(a.atttypid, NULL) AS type, a.attnum AS number
		FROM pg_attribute AS a
		WHERE a.attrelid = 'aiusage.rollup_dimension'::regclass AND a.attnum > 0 AND NOT a.attisdropped
			AND a.attname <> 'dimension') AS d
$$;
COMMENT ON FUNCTION aiusage.owner_each_dimension(text, text) IS
	'A piece of SQL for each rollup dimension, in order: {d} is the name, {value} its value of a row s of rollup_source with its assignment a, {label} the name, as text where it is none of bigint, integer and text: what aiusage.dimension_id() takes';

/*
 * A level sums the fold's groups d (a quarter hour and dimension set each) by
 * its key; c is the billing calendar of a group, a its assignment.  verify()
 * finds the key's columns in rollup_source, and in the view of level and tail.
 */
CREATE FUNCTION aiusage.rollup_levels(OUT rollup text, OUT live text, OUT key_columns text[], OUT of_group text[])
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES
		('rollup_15m', 'rollup_live', ARRAY['bucket', 'dimension'], ARRAY['d.bucket', 'd.dimension']),
		('rollup_daily', 'rollup_daily_live', ARRAY['day', 'dimension'],
			ARRAY['(d.bucket AT TIME ZONE coalesce(c.time_zone, ''UTC''))::date', 'd.dimension']),
		('rollup_weekly', 'rollup_weekly_live', ARRAY['week', 'dimension'],
			ARRAY['date_trunc(''week'', (d.bucket AT TIME ZONE coalesce(c.time_zone, ''UTC''))::date::timestamp)::date', 'd.dimension']),
		('rollup_monthly', 'rollup_monthly_live', ARRAY['month', 'dimension'],
			ARRAY['aiusage.month_start((d.bucket AT TIME ZONE coalesce(c.time_zone, ''UTC''))::date, '
				'CASE WHEN c.unit IN (''month'', ''quarter'') THEN c.start_day ELSE 1 END)', 'd.dimension']),
		('rollup_owner_daily', 'rollup_owner_live',
			ARRAY['day', 'team', 'cost_center', 'invoice_period', 'currency', 'list_currency', 'charge_currency'],
			ARRAY['(d.bucket AT TIME ZONE coalesce(c.time_zone, ''UTC''))::date', 'a.team', 'a.cost_center', 'd.invoice_period',
				'd.currency', 'd.list_currency', 'd.charge_currency'])
$$;
COMMENT ON FUNCTION aiusage.rollup_levels() IS
	'The levels of the rollups: the table, the view of it and the rows not folded yet, the columns of its key, and how a fold computes these of a group d of its rows, c the billing calendar and a the assignment of the group';

CREATE FUNCTION aiusage.owner_fold_statement()
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	dimensions constant text := aiusage.owner_each_dimension('{d}');
	measures constant text := aiusage.owner_each_measure('{m}');
	statement text;
	level record;
BEGIN
	statement := format($query$
	WITH delta AS MATERIALIZED (
		SELECT d.bucket, aiusage.dimension_id(%1$s) AS dimension, %2$s, %3$s
		FROM (
			SELECT s.bucket, %4$s, %5$s
			FROM (
				%7$s
			) AS s
			LEFT JOIN aiusage.key_assignment AS a ON a.assignment = s.assignment
		) AS d
		GROUP BY d.bucket, %2$s
	), new_dimensions AS (
		INSERT INTO aiusage.rollup_dimension (dimension, %6$s)
		SELECT DISTINCT ON (d.dimension) d.dimension, %2$s
		FROM delta AS d
		ORDER BY d.dimension
		ON CONFLICT (dimension) DO NOTHING
	)$query$, aiusage.owner_each_dimension('d.{label}'), aiusage.owner_each_dimension('d.{d}'), aiusage.owner_each_measure('{total} AS {m}'),
		aiusage.owner_each_dimension('{value} AS {d}'), aiusage.owner_each_measure('s.{m}'), dimensions, aiusage.owner_folding('rollup_source'));

	-- In key order: nobody but a fold writes these tables.
	FOR level IN SELECT l.*, array_to_string(l.key_columns, ', ') AS key_list, array_to_string(l.of_group, ', ') AS group_list,
			l.of_group = ARRAY['d.bucket', 'd.dimension'] AS is_delta
		FROM aiusage.rollup_levels() AS l
		WHERE to_regclass('aiusage.' || l.rollup) IS NOT NULL
	LOOP
		statement := statement || format(', %1$s AS (INSERT INTO aiusage.%1$s AS r (%2$s, %3$s) SELECT %4$s, %5$s FROM delta AS d%6$s ORDER BY %7$s '
			'ON CONFLICT (%2$s) DO UPDATE SET %8$s)',
			level.rollup, level.key_list, measures, level.group_list,
			CASE WHEN level.is_delta THEN aiusage.owner_each_measure('d.{m}') ELSE aiusage.owner_each_measure('{total}') END,
			CASE WHEN level.is_delta THEN '' ELSE ' LEFT JOIN aiusage.billing_calendar AS c ON c.calendar = d.invoice_period / 100000 '
				'LEFT JOIN aiusage.key_assignment AS a ON a.assignment = d.assignment '
				'GROUP BY ' || level.group_list END,
			level.group_list, aiusage.owner_each_measure('{m} = r.{m} {+} excluded.{m}'));
	END LOOP;
	RETURN statement || ' SELECT coalesce(sum(d.records), 0)::bigint FROM delta AS d';
END
$$;
COMMENT ON FUNCTION aiusage.owner_fold_statement() IS
	'The statement that adds ledger rows to every level and returns how many they were: those of transactions that are folded under boundary $3 and running $4 and were not under $1 and $2';
