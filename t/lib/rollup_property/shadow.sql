/*
 * The shadow of the books: what was committed, in plain tables of plain types,
 * and what must follow from it, in plain SQL with numeric, AT TIME ZONE and
 * nothing of aiusage's.  For t/032_rollup_property.pl; :seed chooses calendars,
 * zones and times.
 *
 *   shadow.intent    what a gateway meant to book, written in the transaction that books it
 *   shadow.record    every ledger row that was ever seen committed, taken over once (shadow.harvest)
 *   shadow.statement what the statements of closed periods must say, for good
 */
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT FROM aiusage.init();
CREATE SCHEMA shadow;
SELECT setseed((:seed % 1000003) / 1000003.0);
-- Folds go by chunks that are smaller than anybody may set them.
SET session_replication_role = replica;
UPDATE aiusage.setting SET value = (ARRAY['3', '10', '250000'])[1 + floor(random() * 3)::int] WHERE name = 'fold_rows';
RESET session_replication_role;

-- Usage by a declared tag and by user.
DO $$ BEGIN IF to_regproc('aiusage.declare_tag') IS NOT NULL THEN
	PERFORM aiusage.declare_tag('feature', from_at => '2020-01-01'), aiusage.enable_user_usage('2020-01-01'); END IF; END $$;

-- ---------------------------------------------------------------- calendars

CREATE FUNCTION shadow.one_of(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
	$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;
CREATE FUNCTION shadow.zone() RETURNS text LANGUAGE sql VOLATILE AS
	$$ SELECT shadow.one_of('UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns', 'America/New_York', 'Pacific/Apia') $$;

CREATE TABLE shadow.calendar (calendar int PRIMARY KEY, name text, zone text, unit text, start_day int, start_month int);
INSERT INTO shadow.calendar
SELECT n, name, shadow.zone(), unit, start_day, start_month
FROM (VALUES (1, 'global', 'month', 1, 1), (2, 'from 31', 'month', 31, 1), (3, 'from day', 'month', 2 + floor(random() * 28)::int, 1),
	(4, 'weeks', 'week', 1 + floor(random() * 7)::int, 1), (5, 'quarters', 'quarter', (ARRAY[1, 6, 31])[1 + floor(random() * 3)::int], 1 + floor(random() * 12)::int),
	(6, 'custom', 'custom', 1, 1)) AS v (n, name, unit, start_day, start_month)
ORDER BY n;

CREATE TABLE shadow.boundary (starts_on date PRIMARY KEY);
INSERT INTO shadow.boundary
SELECT d FROM (VALUES (date '2024-02-29'), ('2025-03-30'), ('2025-03-31'), ('2025-10-05'), ('2025-10-26'), ('2026-11-01'), ('2026-11-26')) AS v (d);

SELECT FROM aiusage.set_billing_calendar('global', (SELECT zone FROM shadow.calendar WHERE calendar = 1));
SELECT FROM (SELECT * FROM shadow.calendar WHERE calendar > 1 ORDER BY calendar) AS c,
	aiusage.set_billing_calendar(c.name, c.zone, c.start_day, c.unit, start_month => c.start_month,
		starts => CASE c.unit WHEN 'custom' THEN ARRAY(SELECT starts_on FROM shadow.boundary ORDER BY 1) END);

-- All periods that matter: first days by the calendar's rule, numbered as documented.
CREATE TABLE shadow.period (period int PRIMARY KEY, calendar int, label text, starts_on date, ends_on date, starts_at timestamptz, ends_at timestamptz);
INSERT INTO shadow.period
SELECT calendar * 100000 + number, calendar, label, starts_on, ends_on, starts_on::timestamp AT TIME ZONE zone, ends_on::timestamp AT TIME ZONE zone
FROM (
	SELECT c.calendar, c.zone, p.number, p.label, p.starts_on, lead(p.starts_on, 1, 'infinity') OVER (PARTITION BY c.calendar ORDER BY p.starts_on) AS ends_on
	FROM shadow.calendar AS c
	CROSS JOIN LATERAL (
		SELECT extract(year FROM m)::int * 12 + extract(month FROM m)::int - 1 AS number, to_char(m, 'YYYY-MM') AS label,
			least(m + c.start_day - 1, (m + interval '1 month')::date - 1) AS starts_on
		FROM (SELECT g::date FROM generate_series(timestamp '2023-01-01', '2028-01-01', '1 month') AS g) AS g (m)
		WHERE c.unit = 'month'
		UNION ALL
		-- the year of the quarters begins in start_month; its number is that of the calendar year it begins in
		SELECT y * 4 + q, y || '-Q' || q + 1,
			least(m + c.start_day - 1, (m + interval '1 month')::date - 1)
		FROM generate_series(2022, 2028) AS y, generate_series(0, 3) AS q,
			LATERAL (SELECT (make_date(y, c.start_month, 1) + q * interval '3 months')::date) AS g (m)
		WHERE c.unit = 'quarter'
		UNION ALL
		SELECT (d - date '1900-01-01') / 7, CASE c.start_day WHEN 1 THEN to_char(d, 'IYYY"-W"IW') ELSE d::text END, d
		FROM (SELECT g::date FROM generate_series(timestamp '2023-01-02', '2028-01-01', '7 days') AS g) AS g (monday),
			LATERAL (SELECT monday + c.start_day - 1) AS x (d)
		WHERE c.unit = 'week'
		UNION ALL
		SELECT row_number() OVER (ORDER BY b.starts_on), b.starts_on::text, b.starts_on FROM shadow.boundary AS b WHERE c.unit = 'custom'
		UNION ALL
		-- all time before the first
		SELECT 0, 'before ' || min(b.starts_on), '-infinity' FROM shadow.boundary AS b WHERE c.unit = 'custom'
	) AS p
) AS x;

-- Periods that take no more usage, and those that are closed.
CREATE TABLE shadow.shut (period int PRIMARY KEY, closed boolean NOT NULL, step int);

-- What usage of a time is billed in: the period of its time, else the next of the calendar that takes it.
CREATE FUNCTION shadow.billed_period(of_calendar int, at timestamptz) RETURNS int LANGUAGE sql STABLE AS $$
	SELECT p.period FROM shadow.period AS p
	WHERE p.calendar = of_calendar AND p.ends_at > at AND NOT EXISTS (SELECT FROM shadow.shut AS s WHERE s.period = p.period)
	ORDER BY p.starts_at LIMIT 1
$$;

-- ---------------------------------------------------------------- times

CREATE TABLE shadow.span (span int PRIMARY KEY, starts_on date, days int);
INSERT INTO shadow.span
SELECT row_number() OVER (), d, n
FROM (SELECT d, n, random() AS o FROM (VALUES
	(date '2024-02-28', 3), ('2025-03-29', 3), ('2025-10-25', 3), ('2025-04-05', 2), ('2025-10-04', 2), ('2025-03-08', 2), ('2025-11-01', 2),
	('2024-12-30', 4), ('2025-01-30', 3), ('2026-10-30', 3), ('2025-05-31', 2)) AS v (d, n) ORDER BY o LIMIT 4) AS x;
-- one of them has no partitions: its rows are in DEFAULT
SELECT FROM shadow.span AS s, aiusage.make_partitions(s.starts_on - 2, s.starts_on + s.days + 2) WHERE s.span > 1;

-- Often within a microsecond of a local midnight or a quarter of an hour.
CREATE FUNCTION shadow.some_time(earliest timestamptz) RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	s shadow.span;
	t timestamptz;
	how float := random();
BEGIN
	IF how < 0.15 THEN
		t := date_trunc('milliseconds', clock_timestamp()) + (random() * 100 - 50) * interval '1 minute';
	ELSE
		SELECT * INTO s FROM shadow.span ORDER BY span OFFSET floor(random() * 4) LIMIT 1;
		t := s.starts_on::timestamp AT TIME ZONE 'UTC' + floor(random() * s.days * 86400000) * interval '1 millisecond';
		IF how < 0.45 THEN
			t := date_trunc('day', t AT TIME ZONE 'UTC') AT TIME ZONE shadow.zone();
		ELSIF how < 0.6 THEN
			t := to_timestamp(floor(extract(epoch FROM t) / 900) * 900);
		END IF;
		t := t + (floor(random() * 3) - 1) * interval '1 microsecond';
	END IF;
	-- above what retention has dropped, and not in the future by more than is allowed
	RETURN least(greatest(t, earliest), clock_timestamp() + interval '50 minutes');
END
$$;

-- ---------------------------------------------------------------- prices and owners

CREATE TABLE shadow.book (book text PRIMARY KEY, currency text);
INSERT INTO shadow.book VALUES ('list', 'USD'), ('euro', 'EUR'), ('resale', 'EUR'), ('resale-usd', 'USD');
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('euro', 'cost', 'EUR'), ('resale', 'charge', 'EUR'), ('resale-usd', 'charge', 'USD');

-- Price of one unit; 'mystery' has none until a catalogue with it is published.
CREATE TABLE shadow.rate (book text, model text, unit text, rate numeric, PRIMARY KEY (book, model, unit));

-- A new catalogue of a book.  Rates have six decimals a million: any product is exact in the ledger's twelve.
CREATE FUNCTION shadow.publish(of_book text, models text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM shadow.rate AS r WHERE r.book = of_book;
	INSERT INTO shadow.rate
	SELECT of_book, m, u, round((0.1 + random() * f)::numeric, 6)
	FROM unnest(models) WITH ORDINALITY AS x (m, n), (VALUES ('cache_read_tokens', 0.3), ('input_tokens', 3), ('output_tokens', 12), ('web_searches', 9000)) AS v (u, f)
	ORDER BY n, u;
	PERFORM FROM aiusage.import_prices(of_book, 'aiusage', jsonb_build_object('providers', jsonb_build_array(jsonb_build_object(
		'provider', 'lab', 'match', '{"equals": "lab"}'::jsonb, 'models', (
			SELECT jsonb_agg(jsonb_build_object('model', m, 'match', jsonb_build_object('equals', m), 'rules', jsonb_build_array(jsonb_build_object('prices', (
				SELECT jsonb_agg(jsonb_build_object('unit', r.unit, 'rate', r.rate, 'per', 1000000)) FROM shadow.rate AS r WHERE r.book = of_book AND r.model = m)))))
			FROM unnest(models) AS m)))), '2020-01-01');
END
$$;
SELECT shadow.publish(book, ARRAY['a', 'b']) FROM shadow.book ORDER BY book;

CREATE FUNCTION shadow.price(of_book text, of_model text, u jsonb) RETURNS numeric LANGUAGE sql STABLE AS $$
	SELECT sum(r.rate / 1000000 * (coalesce((u ->> r.unit)::numeric, 0) - CASE r.unit WHEN 'input_tokens' THEN coalesce((u ->> 'cache_read_tokens')::numeric, 0) ELSE 0 END))
	FROM shadow.rate AS r WHERE r.book = of_book AND r.model = of_model
$$;

SELECT aiusage.put_cost_center('cc-' || n, calendar => (SELECT name FROM shadow.calendar WHERE calendar = n)) FROM generate_series(2, 6) AS n;
SELECT aiusage.put_cost_center('cc-1', 'Cost center one'), aiusage.put_team('t-3', 'Three', calendar => 'weeks'), aiusage.put_team('t-0', 'Null'),
	aiusage.put_customer('c-1', 'First'), aiusage.put_customer('c-2', calendar => 'from 31');
CREATE TABLE shadow.own_calendar (entity_kind text, entity text, calendar int, PRIMARY KEY (entity_kind, entity));
INSERT INTO shadow.own_calendar VALUES ('team', 't-3', 4), ('customer', 'c-2', 2);
CREATE TABLE shadow.name (entity_kind text, entity text, name text, PRIMARY KEY (entity_kind, entity));
INSERT INTO shadow.name VALUES ('cost_center', 'cc-1', 'Cost center one'), ('team', 't-3', 'Three'), ('team', 't-0', 'Null'), ('customer', 'c-1', 'First');

-- Twelve keys: some move in the night the clocks change, one has a team only, one a cost center only, k-11 nobody.
CREATE TABLE shadow.owner (assignment bigint UNIQUE, api_key text, valid_from timestamptz, team text, cost_center text, customer text, workflow text,
	project text, environment text, cost_book text, charge_book text, PRIMARY KEY (api_key, valid_from));
INSERT INTO shadow.owner (api_key, valid_from, team, cost_center, customer, workflow, project, environment, cost_book, charge_book)
SELECT 'k-' || k, f, CASE WHEN k <> 9 THEN 't-' || (k + v) % 4 END, CASE WHEN k <> 10 THEN 'cc-' || 1 + (k + v * 3) % 6 END,
	CASE WHEN k % 3 = 1 THEN 'c-' || 1 + v END, CASE WHEN k % 4 < 2 THEN 'w-' || k % 4 END, CASE WHEN k % 5 < 2 THEN 'p' END,
	CASE WHEN k % 2 = 0 THEN 'production' END, CASE WHEN k % 4 = 1 THEN 'euro' END,
	CASE k % 3 WHEN 1 THEN 'resale' WHEN 2 THEN 'resale-usd' END
FROM generate_series(0, 10) AS k, (VALUES (0, timestamptz '2020-01-01 00:00Z'), (1, '2025-03-30 01:00Z')) AS x (v, f)
WHERE v = 0 OR k % 2 = 1
ORDER BY k, v;
SELECT FROM (SELECT * FROM shadow.owner ORDER BY valid_from, api_key) AS o, aiusage.put_key(jsonb_strip_nulls(jsonb_build_object('key', api_key, 'team', team, 'cost_center', cost_center,
	'customer', customer, 'workflow', workflow, 'project', project, 'environment', environment, 'price_book', cost_book, 'charge_book', charge_book, 'valid_from', valid_from)), force => true);
UPDATE shadow.owner AS o SET assignment = a.assignment FROM aiusage.key_assignment AS a WHERE a.api_key = o.api_key AND a.valid_from = o.valid_from;
SELECT aiusage.put_contract('{"contract": "all", "book": "euro", "key": "k-1", "minimum": 0.05, "rates": [{"unit": "input_tokens", "free": 1000, "tiers": [{"price": 2, "per": 999999}, {"starts": 9000, "price": 1, "per": 7}]}]}');
-- The periods that it is due for: of the calendar that its key is in when they end.
CREATE TABLE shadow.contract_period AS
SELECT p.* FROM shadow.period AS p
WHERE p.calendar = (SELECT substr(o.cost_center, 4)::int FROM shadow.owner AS o WHERE o.api_key = 'k-1' AND o.valid_from < p.ends_at ORDER BY o.valid_from DESC LIMIT 1)
	AND p.starts_at > (SELECT min(s.starts_on) - 100 FROM shadow.span AS s);

-- ---------------------------------------------------------------- what is booked

CREATE TABLE shadow.intent (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid UNIQUE, at timestamptz, api_key text, model text, usage jsonb,
	endpoint text, service_tier text, region text, customer text, workflow text, user_id text, status text, attempt int, retries int, fallback_from text,
	cache_hit boolean, accepted int, latency_ms int, ttft_ms int, tags jsonb,
	assignment bigint, period int, cost numeric, currency text, list_cost numeric, charge numeric, charge_currency text, checked boolean DEFAULT false);

-- A random call, and what it must come to.
CREATE FUNCTION shadow.intend(earliest timestamptz) RETURNS shadow.intent LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	i shadow.intent;
	o shadow.owner;
	tokens int := 1 + floor(random() * 10 ^ (1 + floor(random() * 5)))::int;
BEGIN
	i.at := shadow.some_time(earliest);
	i.id := aiusage.uuid_v7(i.at + CASE WHEN random() < 0.2 AND i.at < now() - interval '2 days' THEN random() * interval '1 day' ELSE '0' END);
	i.api_key := 'k-' || floor(random() * 12);
	i.model := CASE WHEN random() < 0.06 THEN 'mystery' WHEN random() < 0.6 THEN 'a' ELSE 'b' END;
	i.usage := jsonb_strip_nulls(jsonb_build_object('input_tokens', tokens,
		'cache_read_tokens', CASE WHEN random() < 0.4 AND tokens > 2 THEN 1 + floor(random() * (tokens - 1))::int END,
		'output_tokens', CASE WHEN random() < 0.8 THEN 1 + tokens / 7 END,
		'output_reasoning_tokens', CASE WHEN random() < 0.2 THEN 1 + tokens / 70 END,
		'web_searches', CASE WHEN random() < 0.1 THEN 1 + floor(random() * 5)::int END));
	IF NOT i.usage ? 'output_tokens' THEN
		i.usage := i.usage - 'output_reasoning_tokens';
	END IF;
	i.endpoint := shadow.one_of(NULL, 'chat', 'embeddings');
	i.service_tier := CASE WHEN random() < 0.1 THEN 'batch' END;
	i.region := CASE WHEN random() < 0.1 THEN 'eu' END;
	i.customer := shadow.one_of(NULL, NULL, NULL, 'c-1', 'c-2', 'c-new');
	i.workflow := shadow.one_of(NULL, NULL, NULL, 'w-0', 'w-9');
	i.user_id := shadow.one_of(NULL, 'anna', 'boris', 'carla');
	i.status := shadow.one_of('success', 'success', 'success', 'success', 'error', 'timeout', 'cancelled');
	i.attempt := CASE WHEN random() < 0.15 THEN 2 ELSE 1 END;
	i.retries := CASE WHEN random() < 0.15 THEN 1 + floor(random() * 3)::int END;
	i.fallback_from := CASE WHEN random() < 0.1 THEN 'elsewhere' END;
	i.cache_hit := CASE WHEN random() < 0.1 THEN random() < 0.5 END;
	i.accepted := CASE WHEN random() < 0.2 THEN floor(random() * 3)::int END;
	i.latency_ms := CASE WHEN random() < 0.8 THEN floor(exp(random() * 13))::int END;
	i.ttft_ms := CASE WHEN i.latency_ms IS NOT NULL AND random() < 0.5 THEN floor(i.latency_ms * random())::int END;
	i.tags := CASE WHEN random() < 0.3 THEN jsonb_build_object('feature', 'f-' || floor(random() * 3)) END;

	SELECT * INTO o FROM shadow.owner AS w WHERE w.api_key = i.api_key AND w.valid_from <= i.at ORDER BY w.valid_from DESC LIMIT 1;
	i.assignment := o.assignment;
	i.period := shadow.billed_period(coalesce(substr(o.cost_center, 4)::int, 1), i.at);
	i.currency := CASE WHEN o.cost_book IS NOT NULL THEN 'EUR' ELSE 'USD' END;
	-- prices are for the standard tier only
	IF i.service_tier IS NULL THEN
		i.cost := shadow.price(coalesce(o.cost_book, 'list'), i.model, i.usage);
		-- beside a cost only
		i.list_cost := CASE WHEN o.cost_book IS NOT NULL AND i.cost IS NOT NULL THEN shadow.price('list', i.model, i.usage) END;
		i.charge := shadow.price(o.charge_book, i.model, i.usage);
	END IF;
	i.charge_currency := CASE WHEN i.charge IS NOT NULL THEN (SELECT b.currency FROM shadow.book AS b WHERE b.book = o.charge_book) END;
	INSERT INTO shadow.intent (id, at, api_key, model, usage, endpoint, service_tier, region, customer, workflow, user_id, status, attempt, retries, fallback_from,
		cache_hit, accepted, latency_ms, ttft_ms, tags, assignment, period, cost, currency, list_cost, charge, charge_currency)
	SELECT i.id, i.at, i.api_key, i.model, i.usage, i.endpoint, i.service_tier, i.region, i.customer, i.workflow, i.user_id, i.status, i.attempt, i.retries, i.fallback_from,
		i.cache_hit, i.accepted, i.latency_ms, i.ttft_ms, i.tags, i.assignment, i.period, i.cost, i.currency, i.list_cost, i.charge, i.charge_currency
	RETURNING * INTO i;
	RETURN i;
END
$$;

-- Where retention has dropped everything below.
CREATE TABLE shadow.floor (at timestamptz);
INSERT INTO shadow.floor VALUES ('-infinity');

CREATE FUNCTION shadow.book(calls int) RETURNS void LANGUAGE sql VOLATILE AS $$
	INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage, endpoint, service_tier, region, customer, workflow, user_id, status, attempt, retries,
		fallback_from, cache_hit, accepted, latency_ms, ttft_ms, tags)
	SELECT i.id, i.at, i.api_key, 'lab', i.model, i.usage::text::aiusage.usage, i.endpoint, i.service_tier, i.region, i.customer, i.workflow, i.user_id,
		i.status::aiusage.usage_status, i.attempt, i.retries, i.fallback_from, i.cache_hit, i.accepted, i.latency_ms, i.ttft_ms, i.tags
	FROM (SELECT (x.i).* FROM (SELECT shadow.intend(f.at) AS i FROM generate_series(1, calls), shadow.floor AS f OFFSET 0) AS x OFFSET 0) AS i
$$;
CREATE FUNCTION shadow.ingest(calls int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	refused text;
BEGIN
	SELECT string_agg(r.outcome || ' ' || coalesce(r.message, ''), ', ') INTO refused
	FROM aiusage.ingest((SELECT jsonb_agg(jsonb_strip_nulls(to_jsonb(i) - '{n,at,assignment,period,cost,currency,list_cost,charge,charge_currency,checked}'::text[]
			|| jsonb_build_object('occurred_at', i.at, 'provider', 'lab')))
		FROM (SELECT (x.i).* FROM (SELECT shadow.intend(f.at) AS i FROM generate_series(1, calls), shadow.floor AS f OFFSET 0) AS x OFFSET 0) AS i)) AS r
	WHERE r.outcome NOT IN ('booked', 'unpriced');
	IF refused IS NOT NULL THEN
		RAISE EXCEPTION 'ingest: %', refused;
	END IF;
END
$$;
