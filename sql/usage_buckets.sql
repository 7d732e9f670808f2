--
-- Usage in buckets, in pages and beside the span before, in a database of its
-- own.  The oracle is plain SQL over the ledger.
--
SET client_min_messages = warning;
DROP DATABASE IF EXISTS usage_buckets;
CREATE DATABASE usage_buckets TEMPLATE template0;
\c usage_buckets
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
SELECT FROM aiusage.make_partitions('2022-09-01', '2022-12-31');
SET TimeZone = 'Asia/Tokyo';	-- the session's zone plays no part
SET DateStyle = 'ISO';
\set SHOW_CONTEXT never
-- New York leaves daylight saving time on 6 November 2022: a day of 25 hours.
SELECT aiusage.set_billing_calendar('global', 'America/New_York') AS global;
SELECT count(aiusage.put_key(k)) AS keys FROM unnest(ARRAY[
	'{"key": "buckets-1", "team": "buckets-a", "cost_center": "buckets-x", "workflow": "answer", "customer": "buckets-acme", "project": "buckets-p", "environment": "production", "valid_from": "2022-01-01T00:00:00Z"}',
	'{"key": "buckets-2", "team": "buckets-b", "cost_center": "buckets-y", "valid_from": "2022-01-01T00:00:00Z"}',
	'{"key": "buckets-3", "owner": "somebody", "valid_from": "2022-01-01T00:00:00Z"}']::jsonb[]) AS k;
RESET client_min_messages;

-- A row as the owner of the books brings it: its cost is of its units, the first of them what is left.
CREATE FUNCTION pg_temp.book(request text, at timestamptz, key text, cost numeric, currency text DEFAULT 'USD', extra jsonb DEFAULT '{}')
RETURNS uuid LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record (id, occurred_at, request_id, api_key, provider, model, usage, cost_state, cost, cost_by_unit, charge,
		unpriced_reason, assignment, status, accepted, customer, workflow, user_id, service_tier, endpoint, region, kind)
	SELECT aiusage.event_id('buckets-' || request, at), at, request, key, coalesce(extra ->> 'provider', 'lab'), coalesce(extra ->> 'model', 'm1'),
		coalesce(extra ->> 'usage', '{"input_tokens": 100, "cache_read_tokens": 40, "input_audio_tokens": 3, "output_tokens": 7}')::aiusage.usage,
		CASE WHEN cost IS NULL THEN 'unpriced' ELSE 'final' END::aiusage.cost_state, aiusage.amount(cost, currency),
		format('{"%s": %s}', currency, CASE WHEN cost IS NULL THEN '{}'
			ELSE jsonb_build_object('input_tokens', cost - 0.000002, 'cache_read_tokens', 0.000000000001, 'output_tokens', 0.000001999999) END)::aiusage.unit_costs,
		(extra ->> 'charge')::aiusage.amount, CASE WHEN cost IS NULL THEN 'unknown_model' END::aiusage.unpriced_reason,
		(SELECT a.assignment FROM aiusage.key_assignment a WHERE a.api_key = key AND a.valid_from <= at AND (a.valid_to IS NULL OR a.valid_to > at)),
		coalesce(extra ->> 'status', 'success')::aiusage.usage_status, (extra ->> 'accepted')::int, extra ->> 'customer', extra ->> 'workflow',
		extra ->> 'user_id', extra ->> 'service_tier', extra ->> 'endpoint', extra ->> 'region', coalesce(extra ->> 'kind', 'usage')::aiusage.record_kind
	RETURNING id $$;

-- The oracle's ledger, and its lines: what each unit of a row cost and how much of it was billed.
CREATE TEMP VIEW ledger AS
SELECT u.occurred_at AS at, coalesce(a.team, '(unmatched)') AS team, coalesce(a.cost_center, '(unmatched)') AS cost_center,
	coalesce(a.project, '(none)') AS project, coalesce(a.environment, '(none)') AS environment, u.api_key, u.provider, u.model,
	coalesce(u.endpoint, '(none)') AS endpoint, coalesce(u.service_tier, '(none)') AS service_tier, coalesce(u.region, '(none)') AS region,
	coalesce(u.customer, a.customer, '(none)') AS customer, coalesce(u.workflow, a.workflow, '(none)') AS workflow, u.status::text AS status,
	(u.service_tier IS NOT NULL AND u.service_tier = 'batch')::text AS batch, coalesce(u.user_id, '(none)') AS user_id,
	aiusage.currency(u.cost_by_unit) AS currency, aiusage.currency(u.charge) AS charge_currency,
	s.sign AS requests, s.sign * (u.status <> 'success')::int AS errors,
	CASE u.kind WHEN 'adjustment' THEN 0 WHEN 'reversal' THEN -1 ELSE 1 END * coalesce(u.accepted, 0) AS accepted,
	s.sign * (u.cost_state = 'unpriced')::int - (u.kind = 'adjustment' AND u.unpriced_reason IS NOT NULL)::int AS unpriced,
	s.sign * coalesce((u.usage::jsonb ->> 'input_tokens')::bigint, 0) AS input_tokens,
	s.sign * coalesce((u.usage::jsonb ->> 'cache_read_tokens')::bigint, 0) AS cache_read_tokens,
	s.sign * coalesce((u.usage::jsonb ->> 'cache_write_tokens')::bigint, 0) AS cache_write_tokens,
	s.sign * coalesce((u.usage::jsonb ->> 'output_tokens')::bigint, 0) AS output_tokens,
	s.sign * coalesce((u.usage::jsonb ->> 'output_reasoning_tokens')::bigint, 0) AS reasoning_tokens,
	s.sign * coalesce((u.usage::jsonb ->> 'input_audio_tokens')::bigint, 0) AS input_audio_tokens,
	s.sign * coalesce((u.usage::jsonb ->> 'output_audio_tokens')::bigint, 0) AS output_audio_tokens,
	coalesce(u.cost::numeric, 0) AS cost, coalesce(u.charge::numeric, 0) AS charge, u.usage::jsonb AS usage, u.cost_by_unit::text::jsonb AS costs
FROM aiusage.usage_record AS u
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = u.assignment
CROSS JOIN LATERAL (SELECT CASE u.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END AS sign) AS s;
CREATE TEMP VIEW lines AS
SELECT l.*, c.key AS unit, l.model || ', ' || c.key AS line_item, c.value::numeric AS unit_cost,
	l.requests * (coalesce((l.usage ->> c.key)::numeric, 0) - CASE WHEN c.key = 'input_tokens' AND (l.costs -> l.currency) ? 'cache_read_tokens' THEN coalesce((l.usage ->> 'cache_read_tokens')::numeric, 0) ELSE 0 END) AS unit_quantity
FROM ledger AS l, jsonb_each_text(l.costs -> l.currency) AS c;

-- where(): a filter as SQL of the oracle's
CREATE FUNCTION pg_temp.filtered(filters jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(format('%I IN (%s)', f.key, (SELECT string_agg(quote_literal(v), ', ') FROM jsonb_array_elements_text(f.value) AS v)), ' AND '), 'true')
	FROM jsonb_each(filters) AS f $$;

/*
 * differences(): buckets of every width, in several zones, grouped and filtered
 * in several ways, against the oracle, both ways, each in one statement.
 */
CREATE FUNCTION pg_temp.differences(OUT bucket_width text, OUT time_zone text, OUT queries bigint, OUT row_count bigint, OUT rows_differ bigint)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	dims text[];
	filters jsonb;
	lines boolean;
	span tstzrange;
	n bigint;
	d bigint;
	slot text;
BEGIN
	FOR bucket_width, time_zone, span IN VALUES
		('1d', 'UTC', '[2022-09-30 12:00:00+00,2022-11-30 00:00:00+00)'::tstzrange), ('1d', 'America/New_York', '[2022-10-01 04:00:00+00,2022-12-01 05:00:00+00)'),
		('1d', 'Asia/Kathmandu', '[2022-10-05 18:14:59+00,2022-11-20 18:15:00+00)'), ('1d', 'Pacific/Chatham', '[2022-10-30 00:00:00+00,2022-11-09 00:00:00+00)'),
		('1h', 'America/New_York', '[2022-11-05 00:30:00+00,2022-11-08 23:59:59+00)'), ('1m', 'UTC', '[2022-11-02 00:00:00+00,2022-11-02 23:59:00.000001+00)')
	LOOP
		queries := 0;
		row_count := 0;
		rows_differ := 0;
		slot := format('date_trunc(%L, %%s, %L)', CASE bucket_width WHEN '1d' THEN 'day' WHEN '1h' THEN 'hour' ELSE 'minute' END,
			CASE bucket_width WHEN '1d' THEN time_zone ELSE 'UTC' END);
		FOR dims, filters, lines IN VALUES
			('{}'::text[], '{}'::jsonb, false), ('{team}', '{}', false), ('{cost_center,model}', '{}', false),
			('{project,environment,workflow,customer,region,endpoint}', '{}', false), ('{api_key,provider,status}', '{}', false),
			('{service_tier,batch}', '{}', false), ('{model,api_key}', '{"team": ["buckets-a", "(unmatched)"], "model": ["m1", "m2"]}', false),
			('{batch}', '{"batch": ["true"], "currency": ["USD"]}', false), ('{}', '{"customer": ["buckets-acme"], "region": ["(none)"]}', false),
			('{}', '{"model": ["nothing-like-it"]}', false),
			('{unit}', '{}', true), ('{line_item,team}', '{}', true), ('{model}', '{"unit": ["input_tokens"]}', true),
			('{line_item}', '{"line_item": ["m1, output_tokens", "m2, input_tokens"], "currency": ["EUR"]}', true),
			('{user_id}', '{}', false), ('{team}', '{"user_id": ["u1", "(none)"]}', false), ('{user_id,line_item}', '{}', true)
		LOOP
			-- what only the ledger knows, of 31 days
			CONTINUE WHEN 'user_id' = ANY (dims) AND upper(span) - lower(span) > '31 days' OR filters ? 'user_id' AND upper(span) - lower(span) > '31 days';
			EXECUTE format($q$
				WITH whole AS (SELECT $1 AS starts, $2 AS ends), ours AS MATERIALIZED (
					SELECT %1$s AS bucket_start, %2$s l.currency, %3$s
					FROM %4$s AS l
					WHERE %5$s AND %1$s BETWEEN %6$s AND %7$s
					GROUP BY %8$s
				), theirs AS MATERIALIZED (
					SELECT bucket_start, %2$s currency, %9$s
					FROM aiusage.usage_buckets($1, $2, $3, $4, $5, $6)
				)
				SELECT (SELECT count(*) FROM theirs), count(*) FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) AS d $q$,
				format(slot, 'l.at'), (SELECT string_agg(quote_ident(x) || ', ', '') FROM unnest(dims) AS x),
				CASE WHEN lines THEN 'sum(l.unit_quantity), sum(l.unit_cost)' ELSE
					'sum(requests), sum(errors), sum(accepted), sum(unpriced), sum(input_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(output_tokens),
					sum(reasoning_tokens), sum(input_audio_tokens), sum(output_audio_tokens), sum(cost), CASE WHEN bool_or(charge_currency <> currency) THEN NULL ELSE sum(charge) END' END,
				CASE WHEN lines THEN 'lines' ELSE 'ledger' END, pg_temp.filtered(filters),
				format(slot, '$1'), format(slot, '$2 - interval ''1 microsecond'''),
				(SELECT string_agg(i::text, ', ') FROM generate_series(1, 2 + cardinality(dims)) AS i),
				CASE WHEN lines THEN 'quantity, cost' ELSE 'requests, errors, accepted, unpriced, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
					reasoning_tokens, input_audio_tokens, output_audio_tokens, cost, charge' END)
				INTO n, d USING lower(span), upper(span), bucket_width, dims, filters, time_zone;
			queries := queries + 1;
			row_count := row_count + n;
			rows_differ := rows_differ + d;
		END LOOP;
		RETURN NEXT;
	END LOOP;
END $$;

-- walk(): all pages, of a few buckets each, put together
CREATE FUNCTION pg_temp.walk(kind text, size int, start_time timestamptz, end_time timestamptz, bucket_width text, group_by text[], filters jsonb, time_zone text,
	OUT pages int, OUT data jsonb) LANGUAGE plpgsql AS $$
DECLARE
	answer jsonb;
	page text;
BEGIN
	pages := 0;
	data := '[]';
	LOOP
		IF kind = 'usage' THEN
			answer := aiusage.usage_page(start_time, end_time, bucket_width, group_by, filters, size, page, time_zone);
		ELSE
			answer := aiusage.costs_page(start_time, end_time, bucket_width, group_by, filters, size, page, time_zone);
		END IF;
		pages := pages + 1;
		data := data || (answer -> 'data');
		page := answer ->> 'next_page';
		IF (page IS NOT NULL) <> (answer ->> 'has_more')::boolean OR jsonb_array_length(answer -> 'data') > size THEN
			RAISE 'not a page: %', answer;
		END IF;
		EXIT WHEN page IS NULL;
	END LOOP;
END $$;

-- Everything that can be in a row, in three months; nothing of it folded.
SELECT count(pg_temp.book(r, at, key, cost, currency, extra::jsonb)) AS booked FROM (VALUES
	('plain', '2022-11-02 12:00:00+00'::timestamptz, 'buckets-1', 0.003, 'USD', '{"accepted": 2, "user_id": "u1"}'),
	('minute', '2022-11-02 12:00:59.999999+00', 'buckets-1', 0.0031, 'USD', '{"user_id": "u2", "model": "m2"}'),
	('next-minute', '2022-11-02 12:01:00+00', 'buckets-1', 0.0032, 'USD', '{"user_id": "u1", "endpoint": "chat"}'),
	('batch', '2022-11-02 13:00:00+00', 'buckets-2', 0.0015, 'USD', '{"service_tier": "batch"}'),
	('flex', '2022-11-02 13:10:00+00', 'buckets-2', 0.0016, 'USD', '{"service_tier": "flex", "region": "eu"}'),
	('failed', '2022-11-02 12:01:00+00', 'buckets-1', 0.000012345678, 'USD', '{"status": "error"}'),
	('euro', '2022-11-03 12:04:00+00', 'buckets-1', 0.005, 'EUR', '{"workflow": "sum", "model": "m2"}'),
	('euro-too', '2022-11-02 12:04:00+00', 'buckets-1', 0.007, 'EUR', '{}'),
	('unpriced', '2022-11-03 12:05:00+00', 'buckets-1', NULL, 'USD', '{"model": "m3"}'),
	('charged', '2022-11-04 12:06:00+00', 'buckets-2', 0.006, 'USD', '{"charge": "0.011 USD", "customer": "buckets-zeta"}'),
	('charged-euro', '2022-11-16 12:06:00+00', 'buckets-2', 0.006, 'USD', '{"charge": "0.010 EUR"}'),
	('kathmandu-last', '2022-11-20 18:14:59.999999+00', 'buckets-2', 0.1, 'USD', '{}'),
	('kathmandu-next', '2022-11-20 18:15:00+00', 'buckets-2', 0.2, 'USD', '{}'),
	('many', '2022-11-05 08:00:00+00', 'buckets-2', 123456789.123456789012, 'USD', '{"usage": {"input_tokens": 900000000000000, "output_tokens": 7, "output_reasoning_tokens": 5}, "provider": "other"}'),
	('no-owner', '2022-11-02 08:00:00+00', 'buckets-nobody', 0.004, 'USD', '{"status": "cancelled"}'),
	('no-team', '2022-11-02 08:00:00+00', 'buckets-3', 0.006, 'USD', '{}'),
	('october', '2022-10-15 08:00:00+00', 'buckets-1', 0.25, 'USD', '{"user_id": "u1"}'),
	('october-2', '2022-10-16 08:00:00+00', 'buckets-2', 0.125, 'USD', '{"model": "m2"}')
	) AS v (r, at, key, cost, currency, extra);
-- each quarter hour of the days around the long one
SELECT count(pg_temp.book('dst-' || n, timestamptz '2022-11-05 00:00:00 UTC' + n * interval '15 minutes', 'buckets-' || 1 + n % 2, 0.000002)) AS booked
FROM generate_series(0, 4 * 24 * 4 - 1) AS n;
SELECT b.time_zone, b.retained_from FROM aiusage.bucket_base AS b;
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() AS folded;

-- What people see: the day of 25 hours, its hours, its line items.
SELECT bucket_start AT TIME ZONE 'UTC' AS from, bucket_end AT TIME ZONE 'UTC' AS before, team, requests, input_tokens, cost, currency, charge, as_of = now() AS fresh
FROM aiusage.usage_buckets('2022-11-06 05:00:00+00', '2022-11-07 05:00:00+00', group_by => '{team}', time_zone => 'America/New_York');
SELECT count(*) AS hours, sum(requests) AS requests, min(bucket_start) = '2022-11-06 04:00:00+00' AND max(bucket_end) = '2022-11-07 05:00:00+00' AS the_same
FROM aiusage.usage_buckets('2022-11-06 04:00:00+00', '2022-11-07 05:00:00+00', '1h');
SELECT bucket_start AT TIME ZONE 'UTC' AS from, model, unit, line_item, quantity, cost, currency, requests, input_tokens, charge
FROM aiusage.usage_buckets('2022-11-03 00:00:00+00', '2022-11-04 00:00:00+00', group_by => '{line_item,unit}');
SELECT bucket_start AT TIME ZONE 'UTC' AS from, user_id, batch, requests, cost, currency
FROM aiusage.usage_buckets('2022-11-02 12:00:00+00', '2022-11-02 12:02:00+00', '1m', '{user_id,batch}') ORDER BY 1, 2, 6;
-- the names of the endpoint's parameters; one value; what has none
SELECT n, sum(b.requests) AS requests FROM (VALUES (1, '{"project_ids": ["buckets-p"]}'::jsonb), (2, '{"project": "buckets-p"}'), (3, '{"project": null}'), (4, '{"team": null}'),
	(5, '{"batch": true}'), (6, '{"batch": false, "api_key_ids": ["buckets-2"], "models": ["m1", "m2"]}'), (7, NULL), (8, '{"region": [null, "eu"]}')) AS f (n, filters),
	aiusage.usage_buckets('2022-11-02 00:00:00+00', '2022-11-05 00:00:00+00', filters => f.filters) AS b GROUP BY n ORDER BY n;

-- The pages: as OpenAI's endpoints write them.
SELECT jsonb_pretty(aiusage.usage_page('2022-11-01 00:00:00+00', '2022-11-04 00:00:00+00', group_by => '{project_id,batch,team}', filters => '{"models": ["m1"]}', max_buckets => 2) - 'next_page');
SELECT jsonb_pretty(aiusage.costs_page('2022-11-02 00:00:00+00', '2022-11-05 00:00:00+00', group_by => '{line_item,project_id}', filters => '{"api_key_id": "buckets-1", "unit": "input_tokens"}'));
-- exact, and no float: the text of the amount
SELECT aiusage.costs_page('2022-11-05 00:00:00+00', '2022-11-06 00:00:00+00', filters => '{"provider": "other"}') #>> '{data,0,results,0,amount,value}' AS value,
	aiusage.usage_page('2022-11-05 00:00:00+00', '2022-11-06 00:00:00+00', filters => '{"provider": "other"}') #>> '{data,0,results,0,input_tokens}' AS input_tokens;
-- as many buckets as there are unless asked otherwise
SELECT w, k, jsonb_array_length(p -> 'data') AS buckets, p -> 'has_more' AS has_more
FROM unnest(ARRAY['1d', '1h', '1m']) AS w, unnest(ARRAY['usage', 'costs']) AS k,
	LATERAL (SELECT CASE k WHEN 'usage' THEN aiusage.usage_page('2022-10-01 00:00:00+00', '2022-11-01 00:00:00+00', w)
		ELSE aiusage.costs_page('2022-10-01 00:00:00+00', '2022-11-01 00:00:00+00', w) END AS p) AS p;
-- walked to the end they are the whole, and the whole is the rows
SELECT w.kind, w.zone, p.pages, jsonb_array_length(p.data) AS buckets, p.data = (SELECT o.data FROM pg_temp.walk(w.kind, 31, w.starts, w.ends, w.width, w.dims, w.filters, w.zone) AS o) AS the_same,
	(SELECT sum((r -> 'num_model_requests')::numeric) FROM jsonb_array_elements(p.data) AS b, jsonb_array_elements(b -> 'results') AS r) AS requests,
	(SELECT sum((r #> '{amount,value}')::numeric) FROM jsonb_array_elements(p.data) AS b, jsonb_array_elements(b -> 'results') AS r WHERE r #>> '{amount,currency}' = 'usd')
		- (SELECT sum(cost) FROM aiusage.usage_buckets(w.starts, w.ends, w.width, w.dims, w.filters, w.zone) WHERE currency = 'USD' AND w.kind = 'costs') AS usd_differ,
	(SELECT bool_and((b -> 'start_time')::bigint = (a -> 'end_time')::bigint) FROM jsonb_array_elements(p.data) WITH ORDINALITY AS a (a, n) JOIN jsonb_array_elements(p.data) WITH ORDINALITY AS b (b, n) ON b.n = a.n + 1) AS no_gaps
FROM (VALUES ('usage', '1d', '2022-10-20 00:00:00+00'::timestamptz, '2022-11-18 00:00:00+00'::timestamptz, '{model}'::text[], '{}'::jsonb, 'UTC'),
		('usage', '1d', '2022-10-20 00:00:00+00', '2022-11-18 00:00:00+00', '{}', '{"team": "buckets-b"}', 'America/New_York'),
		('costs', '1d', '2022-10-20 00:00:00+00', '2022-11-18 00:00:00+00', '{line_item,team}', '{}', 'Asia/Kathmandu'),
		('costs', '1h', '2022-11-05 20:00:00+00', '2022-11-06 21:00:00+00', '{user_id}', '{}', 'UTC')) AS w (kind, width, starts, ends, dims, filters, zone),
	LATERAL pg_temp.walk(w.kind, 4, w.starts, w.ends, w.width, w.dims, w.filters, w.zone) AS p;
SELECT sum(requests) FROM aiusage.usage_buckets('2022-10-20 00:00:00+00', '2022-11-18 00:00:00+00');
-- Samoa had no 30 December 2011
SELECT count(*) AS buckets, bool_and((b -> 'end_time')::int - (b -> 'start_time')::int = 86400) AS days
FROM jsonb_array_elements(aiusage.usage_page('2011-12-28 10:00:00+00', '2012-01-01 10:00:00+00', max_buckets => 7, time_zone => 'Pacific/Apia') -> 'data') AS b;
-- A row that comes between two pages, for a bucket that was given: the next page goes on where the first ended.
SELECT aiusage.usage_page('2022-11-02 00:00:00+00', '2022-11-06 00:00:00+00', max_buckets => 2) ->> 'next_page' AS page \gset
SELECT count(pg_temp.book('late', '2022-11-02 23:00:00+00', 'buckets-1', 0.5)) AS booked;
SELECT p -> 'has_more' AS has_more, to_timestamp((b -> 'start_time')::int) AT TIME ZONE 'UTC' AS from, b #> '{results,0,num_model_requests}' AS requests
FROM aiusage.usage_page('2022-11-02 00:00:00+00', '2022-11-06 00:00:00+00', max_buckets => 2, page => :'page') AS p, jsonb_array_elements(p -> 'data') AS b;
-- without an end, the pages end when the first was asked for
SELECT (SELECT p.pages > 1 FROM pg_temp.walk('usage', 31, now() - interval '40 days', NULL, '1d', '{}', '{}', 'UTC') AS p) AS pages;

-- Growth: October and November are 31 and 30 days, and the latter has an hour more.
SELECT previous_from AT TIME ZONE 'America/New_York' AS previous_from, starts_at AT TIME ZONE 'America/New_York' AS starts_at, ends_at AT TIME ZONE 'America/New_York' AS ends_at,
	team, currency, requests, previous_requests, requests_change, requests_percent, cost, previous_cost, cost_change, cost_percent
FROM aiusage.usage_growth('2022-11-01 04:00:00+00', '2022-12-01 05:00:00+00', '{team}', '{"provider": "lab"}', 'America/New_York');
SELECT unit, currency, quantity, previous_quantity, quantity_change, quantity_percent, cost, previous_cost, cost_percent, requests, previous_requests, requests_change
FROM aiusage.usage_growth('2022-11-02 00:00:00+00', '2022-11-03 00:00:00+00', '{unit}', '{"currency": "EUR"}');
-- against the oracle: months, days, quarter hours; of the rollups and of the ledger
SELECT zone, starts AT TIME ZONE zone AS starts, before AT TIME ZONE zone AS before, count(*) AS row_count, count(*) FILTER (WHERE o IS DISTINCT FROM g) AS differ FROM (
	SELECT s.*, b.before, (g.team, g.model, g.currency, g.requests, g.previous_requests, g.output_tokens, g.previous_output_tokens, g.cost, g.previous_cost, g.cost_change, g.cost_percent) AS g, o
	FROM (VALUES ('2022-11-01 00:00:00+00'::timestamptz, '2022-12-01 00:00:00+00'::timestamptz, 'UTC', '{}'::jsonb), ('2022-11-06 04:00:00+00', '2022-11-08 05:00:00+00', 'America/New_York', '{}'),
		('2022-11-06 00:00:00+00', '2022-11-06 13:15:00+00', 'UTC', '{}'), ('2022-11-02 00:00:00+00', '2022-11-03 00:00:00+00', 'Asia/Kathmandu', '{"user_id": [null, "u1"]}')) AS s (starts, ends, zone, filters)
	CROSS JOIN LATERAL aiusage.span_before(s.starts, s.ends, s.zone) AS b (before)
	CROSS JOIN LATERAL aiusage.usage_growth(s.starts, s.ends, '{team,model}', s.filters, s.zone) AS g
	LEFT JOIN LATERAL (
		SELECT p.team, p.model, p.currency, p.requests, p.previous_requests, p.tokens, p.previous_tokens, p.cost, p.previous_cost, p.cost - p.previous_cost,
			CASE WHEN p.previous_cost > 0 THEN round((p.cost - p.previous_cost) * 100 / p.previous_cost, 2) END
		FROM (SELECT l.team, l.model, l.currency,
				coalesce(sum(l.requests) FILTER (WHERE l.at >= s.starts), 0)::bigint AS requests, coalesce(sum(l.requests) FILTER (WHERE l.at < s.starts), 0)::bigint AS previous_requests,
				coalesce(sum(l.output_tokens) FILTER (WHERE l.at >= s.starts), 0)::bigint AS tokens, coalesce(sum(l.output_tokens) FILTER (WHERE l.at < s.starts), 0)::bigint AS previous_tokens,
				coalesce(sum(l.cost) FILTER (WHERE l.at >= s.starts), 0) AS cost, coalesce(sum(l.cost) FILTER (WHERE l.at < s.starts), 0) AS previous_cost
			FROM ledger AS l WHERE l.at >= b.before AND l.at < s.ends AND (s.filters = '{}' OR l.user_id IN ('u1', '(none)')) GROUP BY 1, 2, 3) AS p
	) AS o ON (o.team, o.model, o.currency) = (g.team, g.model, g.currency)
) AS x GROUP BY 1, 2, 3 ORDER BY 1, 2;
-- the span before: months of a zone, days of it, or as long
SELECT zone, starts, ends, aiusage.span_before(starts AT TIME ZONE zone, ends AT TIME ZONE zone, zone) AT TIME ZONE zone AS before FROM (VALUES
	('UTC', '2024-03-01'::timestamp, '2024-04-01'::timestamp), ('UTC', '2024-02-01', '2024-03-01'), ('UTC', '2024-01-01', '2025-01-01'), ('UTC', '2024-03-15', '2024-04-15'),
	('UTC', '2024-03-04', '2024-03-11'), ('America/New_York', '2022-11-06', '2022-11-13'), ('Europe/Berlin', '2022-03-27 00:00', '2022-03-27 12:30'), ('UTC', '2024-01-31', '2024-02-29')) AS v (zone, starts, ends);

-- Corrections: a reversal and the row in its place, a row moved to another team, money back, an outcome.
SELECT count(aiusage.adjust(aiusage.event_id('buckets-plain', '2022-11-02 12:00:00+00'), '{"input_tokens": 40}', 'recount', 'T-1')) AS adjusted;
SELECT booked FROM aiusage.reattribute('{"api_key": "buckets-nobody", "from": "2022-11-01T00:00:00Z", "to": "2022-12-01T00:00:00Z"}',
	(SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'buckets-2'), 'found', NULL, dry_run => false);
SELECT count(pg_temp.book('credit', '2022-11-05 09:00:00+00', 'buckets-2', -0.5, 'USD', '{"kind": "adjustment", "usage": {}}')) AS credit,
	count(aiusage.record_outcome(aiusage.event_id('buckets-failed', '2022-11-02 12:01:00+00'), 3)) AS outcome;
-- folded but for these
SELECT * FROM pg_temp.differences();
SELECT aiusage.refresh() > 0 AS folded;
-- Calendars in several zones: no zone has all the business days, so every day is made of quarter hours.
SELECT aiusage.set_billing_calendar('buckets-np', 'Asia/Kathmandu') IS NOT NULL AS calendar, aiusage.put_cost_center('buckets-y', calendar => 'buckets-np') IS NOT NULL AS moved;
SELECT b.time_zone FROM aiusage.bucket_base AS b;
SELECT count(pg_temp.book('np', '2022-11-20 18:14:59+00', 'buckets-2', 0.1)) AS booked;
SELECT * FROM pg_temp.differences();

-- What is refused, and what is said to it.
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
	n bigint;
BEGIN
	EXECUTE 'SELECT count(s::text) FROM (' || statement || ') AS s' INTO n;
	RETURN 'accepted, ' || n;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE || ' ' || SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;
SELECT pg_temp.try(s) FROM unnest(ARRAY[
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', group_by => '{team,shoe_size}')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', group_by => '{NULL}')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', group_by => '{currency}')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', group_by => NULL)$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', filters => '{"shoe_size": 43}')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', filters => '["team"]')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', filters => '{"model": [], "team": ["a"]}')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', filters => '{"model": {"like": "%"}}')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', filters => '{"model": "m1", "models": "m2"}')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', filters => '{"batch": "perhaps"}')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', filters => jsonb_build_object('model', (SELECT jsonb_agg(n) FROM generate_series(1, 1001) AS n)))$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', '5m')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', NULL)$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', time_zone => 'Mars/Olympus')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-02', time_zone => NULL)$$,
	$$SELECT * FROM aiusage.usage_buckets(NULL, '2022-11-01')$$, $$SELECT * FROM aiusage.usage_buckets('2022-11-01', 'infinity')$$, $$SELECT * FROM aiusage.usage_buckets('-infinity', '2022-11-01')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01', '2022-11-01')$$,
	$$SELECT * FROM aiusage.usage_buckets('2012-11-01', '2022-12-01')$$, $$SELECT * FROM aiusage.usage_buckets('2022-08-01', '2022-12-01', '1h')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-11-01 00:00:00+00', '2022-11-02 00:00:01+00', '1m')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-10-01 00:00:00+00', '2022-11-02 00:00:00+00', group_by => '{user_id}')$$,
	$$SELECT * FROM aiusage.usage_buckets('2022-10-01 00:00:00+00', '2022-11-02 00:00:00+00', filters => '{"user_ids": "u1"}')$$,
	$$SELECT aiusage.usage_page('2022-11-01', '2022-11-02', max_buckets => 32)$$, $$SELECT aiusage.usage_page('2022-11-01', '2022-11-02', max_buckets => 0)$$,
	$$SELECT aiusage.costs_page('2022-11-01', '2022-11-02', max_buckets => 181)$$, $$SELECT aiusage.costs_page('2022-11-01', '2022-11-02', '1h', max_buckets => 169)$$,
	$$SELECT aiusage.usage_page('2022-11-01', '2022-11-02', '1m', max_buckets => 1441)$$,
	$$SELECT aiusage.usage_page('2022-11-01', '2022-11-02', group_by => '{line_item}')$$, $$SELECT aiusage.usage_page('2022-11-01', '2022-11-02', filters => '{"unit": "x"}')$$,
	$$SELECT * FROM aiusage.usage_growth('2022-11-01 00:00:01+00', '2022-11-02 00:00:00+00')$$, $$SELECT * FROM aiusage.usage_growth('2002-11-01', '2022-11-02')$$,
	$$SELECT * FROM aiusage.usage_growth('2022-11-01 00:00:00+00', '2022-12-15 00:00:00+00', '{user_id}')$$, $$SELECT * FROM aiusage.usage_growth(NULL, '2022-11-02')$$]) AS s;
-- SQL in every text: it is a name that there is not, or a value that nothing has
SELECT pg_temp.try(format('SELECT * FROM aiusage.usage_buckets(%L, %L, %L, %L, %L, %L)', '2022-11-01 00:00:00+00', '2022-11-03 00:00:00+00', w, g, f, z)) FROM (VALUES
	('1d''; DROP TABLE x', '{}', '{}', 'UTC'), ('1d', '{"team, (SELECT current_user) AS x"}', '{}', 'UTC'), ('1d', '{"v.team"}', '{}', 'UTC'),
	('1d', '{}', '{"team = team OR true --": "x"}', 'UTC'), ('1d', '{}', '{"team": "x'') OR true --"}', 'UTC'), ('1d', '{}', '{"model": ["$1", "%s", "m1''; SELECT 1"]}', 'UTC'),
	('1d', '{}', '{}', 'UTC''; SELECT 1')) AS v (w, g, f, z);
SELECT pg_temp.try($$SELECT s.* FROM aiusage.bucket_sums('2022-11-01 00:00:00+00', '2022-11-03 00:00:00+00', '1d', '{"v.team) --"}', '{"x) OR (true": ["y"]}', 'UTC') AS s$$) AS names_without_the_check;
-- A cursor that was changed, or is of another query.
SELECT n, pg_temp.try(format('SELECT aiusage.usage_page(%L, %L, max_buckets => 2, page => %L, group_by => %L)', s, '2022-11-06 00:00:00+00', p, g)) FROM (VALUES
	(1, '2022-11-02 00:00:00+00', :'page', '{}'), (2, '2022-11-02 00:00:00+00', overlay(:'page' placing '0' from length(:'page')) || 'f', '{}'),
	(3, '2022-11-02 00:00:00+00', translate(:'page', '0123456789abcdef', '123456789abcdef0'), '{}'), (4, '2022-11-03 00:00:00+00', :'page', '{}'),
	(5, '2022-11-02 00:00:00+00', :'page', '{team}'), (6, '2022-11-02 00:00:00+00', '', '{}'), (7, '2022-11-02 00:00:00+00', 'page_' || repeat('f', 64), '{}'),
	(8, '2022-11-02 00:00:00+00', 'page_' || repeat('7f', 32), '{}'), (9, '2022-11-02 00:00:00+00', upper(:'page'), '{}')) AS v (n, s, p, g) ORDER BY n;
SELECT pg_temp.try(format('SELECT aiusage.costs_page(%L, %L, max_buckets => 2, page => %L)', '2022-11-02 00:00:00+00', '2022-11-06 00:00:00+00', :'page')) AS of_the_other_page;

-- What was dropped from the ledger is known by hour and day only.
BEGIN;
UPDATE aiusage.books SET retained_from = aiusage.id_floor('2022-11-04 00:00:00+00');
SELECT pg_temp.try($$SELECT * FROM aiusage.usage_buckets('2022-11-04 00:30:00+00', '2022-11-04 02:00:00+00', '1m')$$);
SELECT pg_temp.try($$SELECT * FROM aiusage.usage_buckets('2022-11-04 01:00:00+00', '2022-11-04 02:00:00+00', '1m')$$);
SELECT pg_temp.try($$SELECT * FROM aiusage.usage_buckets('2022-11-03 00:00:00+00', '2022-11-04 00:00:00+00', '1h')$$);
ROLLBACK;

-- Who sees what: members their team, whatever it is read from; customers nothing here.
SET client_min_messages = warning;
DROP ROLE IF EXISTS buckets_all, buckets_member, buckets_cc, buckets_customer;
CREATE ROLE buckets_all;
CREATE ROLE buckets_member;
CREATE ROLE buckets_cc;
CREATE ROLE buckets_customer;
RESET client_min_messages;
SELECT aiusage.grant_access('buckets_all', 'analyst') AND aiusage.grant_access('buckets_member', 'member', '{"teams": ["buckets-b"]}')
	AND aiusage.grant_access('buckets_cc', 'analyst', '{"cost_centers": ["buckets-x"]}')
	AND aiusage.grant_access('buckets_customer', 'customer', '{"customers": ["buckets-acme"]}') AS granted;
CREATE FUNCTION pg_temp.sees() RETURNS TABLE (read_from text, teams text, requests numeric, usd numeric) LANGUAGE sql AS $$
	SELECT w.name, string_agg(DISTINCT b.team, ' ' ORDER BY b.team), sum(b.requests), sum(b.cost) FILTER (WHERE b.currency = 'USD')
	FROM (VALUES ('days', '1d', 'UTC', NULL::jsonb), ('hours', '1h', 'UTC', NULL), ('days of users', '1d', 'UTC', '{"user_id": [null, "u1", "u2"]}'), ('minutes', '1m', 'UTC', NULL)) AS w (name, width, zone, filters),
		LATERAL (SELECT * FROM aiusage.usage_buckets('2022-11-02 00:00:00+00', '2022-11-03 00:00:00+00', w.width, '{team}', w.filters, w.zone)) AS b GROUP BY 1
	UNION ALL SELECT 'growth', string_agg(g.team, ' ' ORDER BY g.team), sum(g.requests), sum(g.cost) FROM aiusage.usage_growth('2022-11-02 00:00:00+00', '2022-11-03 00:00:00+00', '{team}', '{"currency": "USD"}') AS g
	UNION ALL SELECT 'page', NULL, sum((r -> 'num_model_requests')::numeric), NULL
		FROM jsonb_array_elements(aiusage.usage_page('2022-11-02 00:00:00+00', '2022-11-03 00:00:00+00') #> '{data,0,results}') AS r
	UNION ALL SELECT 'costs', NULL, NULL, sum((r #> '{amount,value}')::numeric)
		FROM jsonb_array_elements(aiusage.costs_page('2022-11-02 00:00:00+00', '2022-11-03 00:00:00+00', filters => '{"currency": "USD"}') #> '{data,0,results}') AS r
$$;
SELECT pg_my_temp_schema()::regnamespace AS temp \gset
GRANT USAGE ON SCHEMA :temp TO PUBLIC;
SELECT * FROM pg_temp.sees() ORDER BY 1;
SET ROLE buckets_all;
SELECT * FROM pg_temp.sees() ORDER BY 1;
SET ROLE buckets_member;
SELECT * FROM pg_temp.sees() ORDER BY 1;
SELECT pg_temp.try($$SELECT * FROM aiusage.usage_buckets('2022-11-02 00:00:00+00', '2022-11-03 00:00:00+00', filters => '{"team": ["buckets-a", null]}')$$) AS others;
SET ROLE buckets_cc;
SELECT * FROM pg_temp.sees() ORDER BY 1;
SET ROLE buckets_customer;
SELECT pg_temp.try(s) FROM unnest(ARRAY[$$SELECT * FROM aiusage.usage_buckets('2022-11-02')$$, $$SELECT aiusage.usage_page('2022-11-02')$$,
	$$SELECT aiusage.costs_page('2022-11-02')$$, $$SELECT * FROM aiusage.usage_growth('2022-11-02')$$, $$SELECT * FROM aiusage.bucket_days$$,
	$$SELECT * FROM aiusage.bucket_rows$$, $$SELECT * FROM aiusage.bucket_sums('2022-11-02', '2022-11-03', '1d', '{}', '{}', 'UTC')$$]) AS s;
SELECT sum(requests) AS requests, sum(charge) AS charge FROM aiusage.customer_charges WHERE day BETWEEN '2022-11-02' AND '2022-11-05';
RESET ROLE;

-- Columns that any tool can read.
SELECT p.proname, t.typ::regtype AS type FROM pg_proc AS p, unnest(p.proallargtypes, p.proargmodes) AS t (typ, mode)
WHERE p.pronamespace = 'aiusage'::regnamespace AND p.proname IN ('usage_buckets', 'usage_growth')
	AND t.mode = 't' AND t.typ NOT IN ('numeric'::regtype, 'bigint'::regtype, 'text'::regtype, 'timestamptz'::regtype, 'date'::regtype);

\c contrib_regression
SET client_min_messages = warning;
DROP DATABASE usage_buckets;
DROP ROLE buckets_all, buckets_member, buckets_cc, buckets_customer;
