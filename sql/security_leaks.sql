--
-- What a reader with a scope learns of what is outside of it: nothing, by no
-- row, sum, error, detail of an error, or function of its own that PostgreSQL
-- could call too early.  There is another team's, customer's and cost center's
-- side of everything, and each name of it has the word "hidden" in it.
--
SET client_min_messages = warning;
CREATE DATABASE security_leaks TEMPLATE template0;
\c security_leaks
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
CREATE EXTENSION aiusage;
SELECT count(*) > 0 AS initialised FROM aiusage.init();

-- Two of everything: one side is the reader's, the other is not.
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('mine-book', 'cost', 'USD'), ('hidden-book', 'cost', 'USD'), ('charges', 'charge', 'USD');
SELECT aiusage.import_prices('list', 'genai-prices', '[{"id": "lab", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 1000000}}]}]', '2020-01-01') > 0 AS list,
	aiusage.import_prices('charges', 'genai-prices', '[{"id": "lab", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 3000000}}]}]', '2020-01-01') > 0 AS charges,
	count(aiusage.import_prices(side || '-book', 'genai-prices', format('[{"id": "%s-lab", "models": [{"id": "%1$s-m", "match": {"equals": "%1$s-m"},
		"prices": {"input_mtok": 2000000}}]}, {"id": "lab", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 1500000}}]}]', side)::jsonb,
		'2020-01-01')) AS books
FROM unnest(ARRAY['mine', 'hidden']) AS side;
SELECT count(aiusage.set_billing_calendar(side || '-calendar', 'UTC', 5)) AS calendars FROM unnest(ARRAY['mine', 'hidden']) AS side;
SELECT count(aiusage.put_cost_center(side || '-cc', calendar => side || '-calendar')) AS cost_centers FROM unnest(ARRAY['mine', 'hidden']) AS side;
SELECT count(aiusage.put_key(jsonb_build_object('key', side || '-key', 'team', side, 'cost_center', side || '-cc', 'customer', side || '-customer',
	'project', side || '-project', 'environment', side || '-environment', 'workflow', side || '-workflow', 'owner', side || '-owner',
	'price_book', side || '-book', 'charge_book', 'charges'))) AS keys
FROM unnest(ARRAY['mine', 'hidden']) AS side;
SELECT count(aiusage.declare_tag('feature')) AS tags, count(aiusage.enable_user_usage('2024-01-01')) AS by_user;
SELECT FROM aiusage.make_partitions('2024-02-01', '2024-04-30');
CREATE FUNCTION book(side text, n int, at timestamptz DEFAULT now(), model text DEFAULT 'm', spent boolean DEFAULT NULL) RETURNS uuid LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage, user_id, tags, status, latency_ms, ttft_ms, provider_cost, endpoint, region,
		request_id, job_id, workflow, error_class, provider_account, spent)
	VALUES (aiusage.event_id(side || model || n, at), at, side || '-key', 'lab', model, aiusage.usage('input_tokens', n), side || '-user',
		jsonb_build_object('feature', side || '-feature'), CASE WHEN n % 5 = 0 THEN 'error'::aiusage.usage_status ELSE 'success' END, 100 * n, n,
		'0.5 USD', side || '-endpoint', side || '-region', side || n, side || '-job', CASE WHEN n % 2 = 0 THEN side || '-workflow' END,
		CASE WHEN n % 5 = 0 THEN side || '-error' END, side || '-account', spent)
	RETURNING id
$$;
SELECT count(book(side, n, timestamptz '2024-03-06 10:00Z' + n * interval '9 hours')) + count(book(side, n, '2024-03-07', side || '-unpriced')) AS in_the_past
FROM unnest(ARRAY['mine', 'hidden']) AS side, generate_series(1, 40) AS n;
SELECT count(aiusage.put_quota(format('{"name": "%s limit", "scope": {"team": "%1$s"}, "metric": "requests", "limit": 1000, "window": "total", "thresholds": [1]}', side)::jsonb))
	+ count(aiusage.put_quota(format('{"name": "%s users", "scope": {"customer": "%1$s-customer"}, "per": ["user_id"], "metric": "spend", "currency": "USD", "limit": 1000,
		"window": "month", "unpriced": "allow"}', side)::jsonb)) AS limits
FROM unnest(ARRAY['mine', 'hidden']) AS side;
SELECT aiusage.put_quota('{"name": "each key", "per": ["api_key"], "metric": "requests", "limit": 1000, "window": "day"}') IS NOT NULL AS each_key;
SELECT aiusage.refresh() > 0 AS folded;
SELECT count(aiusage.close_period(aiusage.period_of(c.calendar, '2024-03-10'), 'for the statements', true)) AS closed FROM aiusage.billing_calendar AS c;
SELECT count(book(side, n, now() - n * interval '1 second')) AS not_folded FROM unnest(ARRAY['mine', 'hidden']) AS side, generate_series(1, 9) AS n;
SELECT count(aiusage.put_wallet(format('{"name": "%s wallet", "scope": {"project": "%1$s-project", "customer": "%1$s-customer"}, "currency": "USD"}', side)::jsonb)) AS wallets
FROM unnest(ARRAY['mine', 'hidden']) AS side;

CREATE ROLE leaks_member;
CREATE ROLE leaks_analyst;
CREATE ROLE leaks_customer;
CREATE ROLE leaks_other;
CREATE ROLE leaks_gateway;
SELECT aiusage.grant_access('leaks_member', 'member', '{"teams": ["mine"]}') AS member, aiusage.grant_access('leaks_customer', 'customer', '{"customers": ["mine-customer"]}') AS customer,
	aiusage.grant_access('leaks_analyst', 'analyst', '{"cost_centers": ["mine-cc"], "customers": ["mine-customer"]}') AS analyst,
	aiusage.grant_access('leaks_other', 'member', '{"teams": ["hidden"]}') AS other, aiusage.grant_access('leaks_gateway', 'gateway') AS gateway;
SET ROLE leaks_other;
SELECT aiusage.request_override('hidden limit', now() + interval '1 day', 'hidden reason', raise_by => 7) IS NOT NULL AS requested;
RESET ROLE;

-- Readers, and what they report.  saw() is what a reader would write: it is as cheap as can be, and tells of every value that it is given.
CREATE TEMP TABLE reader (role name);
INSERT INTO reader VALUES ('leaks_member'), ('leaks_analyst'), ('leaks_customer');
CREATE TEMP TABLE report (role name, about text, what text);
GRANT SELECT, INSERT ON report TO PUBLIC;
CREATE FUNCTION public.saw(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
	IF value ~ 'hidden' THEN RAISE EXCEPTION 'saw %', value; END IF;
	RETURN true;
END $$;
CREATE FUNCTION public.views() RETURNS TABLE (name name, columns text[]) LANGUAGE sql AS $$
	SELECT c.relname, array_agg(format('%I', a.attname) ORDER BY a.attnum)
	FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind = 'v' AND has_table_privilege(c.oid, 'SELECT')
	GROUP BY c.relname ORDER BY c.relname
$$;

-- Every view, every column: in WHERE, one condition a column, so that each is pushed down as far as it goes; and what comes out of it.
DO $$
DECLARE
	r name;
	v record;
	n bigint;
BEGIN
	FOR r IN SELECT role FROM reader LOOP
		EXECUTE format('SET LOCAL ROLE %I', r);
		FOR v IN SELECT * FROM public.views() LOOP
			BEGIN
				EXECUTE format('SELECT count(*) FROM aiusage.%I AS v WHERE %s', v.name, (SELECT string_agg(format('public.saw(v.%s::text)', c), ' AND ') FROM unnest(v.columns) AS c)) INTO n;
				INSERT INTO report VALUES (r, v.name, CASE WHEN n = 0 THEN 'empty' ELSE 'rows' END);
			EXCEPTION WHEN OTHERS THEN
				INSERT INTO report VALUES (r, v.name, SQLERRM);
			END;
		END LOOP;
		RESET ROLE;
	END LOOP;
END $$;
SELECT role, about, what FROM report WHERE what NOT IN ('rows', 'empty') ORDER BY role, about COLLATE "C";
-- Not because there was nothing to be seen: views that are empty for this reader
SELECT role, count(*) FILTER (WHERE what = 'rows') AS with_rows, string_agg(about, ' ' ORDER BY about COLLATE "C") FILTER (WHERE what = 'empty') AS empty
FROM report GROUP BY role ORDER BY role;
-- Nor can the test not fail: to whoever sees everything, the functions tell.
DO $$
DECLARE v record; n bigint := 0;
BEGIN
	FOR v IN SELECT * FROM public.views() AS x WHERE EXISTS (SELECT FROM report AS r WHERE r.role = 'leaks_analyst' AND r.about = x.name AND r.what = 'rows') LOOP
		BEGIN
			EXECUTE format('SELECT count(*) FROM aiusage.%I AS v WHERE %s', v.name, (SELECT string_agg(format('public.saw(v.%s::text)', c), ' AND ') FROM unnest(v.columns) AS c));
		EXCEPTION WHEN raise_exception THEN
			n := n + 1;
		END;
	END LOOP;
	INSERT INTO report VALUES (NULL, 'views that tell the owner', n);
END $$;
SELECT about, what::int > 30 AS many FROM report WHERE role IS NULL;
TRUNCATE report;

-- Errors of PostgreSQL's own on a row that is not the reader's: none.
\set VERBOSITY verbose
SET ROLE leaks_member;
SELECT count(*) > 0 AS rows FROM aiusage.usage_log WHERE 1 / (CASE WHEN team = 'hidden' THEN 0 ELSE 1 END) = 1;
SELECT count(*) > 0 AS rows FROM aiusage.usage_log WHERE 1 / (strpos(team, 'mine')) = 1 AND substr(api_key, 6, strpos(team, 'mine') - 1) = '';
SELECT count(*) > 0 AS rows FROM aiusage.team_usage WHERE replace(team, 'mine', '1')::int = 1;
SELECT count(*) > 0 AS rows FROM aiusage.team_usage WHERE team ~ (CASE team WHEN 'hidden' THEN '(' ELSE 'm' END);
SELECT count(*) > 0 AS rows FROM aiusage.usage_hourly WHERE ('{' || CASE WHEN api_key ~ 'hidden' THEN 'x' END || '}')::jsonb IS NULL;
SELECT count(*) > 0 AS rows FROM aiusage.quota_state WHERE 1 / (CASE WHEN name ~ 'hidden' THEN 0 ELSE 1 END) = 1;
SELECT count(*) > 0 AS rows FROM (VALUES ('mine'), ('hidden')) AS o (team) JOIN aiusage.usage_log AS l ON 1 / (CASE WHEN l.team <> 'mine' THEN 0 ELSE 1 END) = 1 AND l.team = o.team;
SELECT count(*) FILTER (WHERE 1 / (strpos(team, 'mine')) = 1) > 0 AS rows FROM (SELECT team FROM aiusage.usage_log ORDER BY 1 / (strpos(team, 'mine')) LIMIT 5) AS x;
RESET ROLE;

-- A plan is made for nobody: prepared by one who sees everything, run by one who does not, and back.
SET plan_cache_mode = force_generic_plan;
PREPARE teams AS SELECT DISTINCT team FROM aiusage.team_usage WHERE public.saw(team) OR true ORDER BY 1;
PREPARE teams_quietly AS SELECT DISTINCT team FROM aiusage.team_usage ORDER BY 1;
EXECUTE teams_quietly;
SET ROLE leaks_member;
EXECUTE teams;
EXECUTE teams_quietly;
SET ROLE leaks_other;
EXECUTE teams_quietly;
RESET ROLE;
EXECUTE teams_quietly;
RESET plan_cache_mode;

-- Sums: what is booked, raised, asked for and stopped on the other side changes nothing of what a reader is shown.
CREATE FUNCTION public.shown(reader name) RETURNS TABLE (about name, rows text) LANGUAGE plpgsql AS $$
DECLARE v record;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', reader);
	FOR v IN SELECT * FROM public.views() AS x WHERE x.name <> 'quota_forecast' LOOP
		about := v.name;
		EXECUTE format('SELECT md5(string_agg(r::text, E''\n'' ORDER BY r::text COLLATE "C")) FROM (SELECT %s FROM aiusage.%I) AS r',
			(SELECT string_agg(c, ', ') FROM unnest(v.columns) AS c WHERE c <> 'as_of'), v.name) INTO rows;
		RETURN NEXT;
	END LOOP;
	RESET ROLE;
END $$;
BEGIN;
CREATE TEMP TABLE before ON COMMIT DROP AS SELECT r.role, s.* FROM reader AS r, public.shown(r.role) AS s;
SELECT count(book('hidden', n, spent => true)) + count(book('hidden', n, now(), 'hidden-unpriced', true)) AS booked FROM generate_series(100, 140) AS n;
SELECT aiusage.stop_team('hidden', 'hidden reason') IS NOT NULL AS stopped, aiusage.put_customer('hidden-customer', 'Hidden name') IS NOT NULL AS renamed;
SELECT b.role, b.about AS changed FROM before AS b JOIN (SELECT r.role, s.* FROM reader AS r, public.shown(r.role) AS s) AS a USING (role, about)
WHERE a.rows IS DISTINCT FROM b.rows ORDER BY 1, 2;
SELECT count(*) > 60 AS compared FROM before;
SELECT count(book('mine', n, spent => true)) AS booked FROM generate_series(100, 140) AS n;
SELECT b.role, count(*) > 5 AS would_show FROM before AS b JOIN (SELECT r.role, s.* FROM reader AS r, public.shown(r.role) AS s) AS a USING (role, about)
WHERE a.rows IS DISTINCT FROM b.rows GROUP BY 1 ORDER BY 1;
ROLLBACK;

/*
 * Functions: whatever a reader may call answers the same for a name or number
 * that is there and not the reader's as for one that is not there: the same
 * result, or the same error in every field.  All arguments but one are the
 * reader's own.
 */
CREATE TABLE public.subject (argument text, type regtype, own text, hidden text, absent text);
GRANT SELECT ON public.subject TO PUBLIC;
INSERT INTO public.subject
SELECT a.name, 'text', quote_literal('mine' || a.tail), quote_literal('hidden' || a.tail), quote_literal('absent' || a.tail)
FROM (VALUES ('team', ''), ('cost_center', '-cc'), ('customer', '-customer'), ('api_key', '-key'), ('workflow', '-workflow'), ('user_id', '-user'), ('job_id', '-job'),
	('book', '-book'), ('quota', ' limit'), ('quota', ' users'), ('endpoint', '-endpoint'), ('region', '-region')) AS a (name, tail)
UNION ALL VALUES ('provider', 'text'::regtype, '''lab''', '''hidden-lab''', '''absent-lab'''), ('model', 'text', '''m''', '''hidden-m''', '''absent-m'''),
	('filters', 'jsonb', '''{"team": ["mine"]}''', '''{"team": ["hidden"]}''', '''{"team": ["absent"]}'''),
	('filters', 'jsonb', '''{"api_key": ["mine-key"]}''', '''{"api_key": ["hidden-key"]}''', '''{"api_key": ["absent-key"]}'''),
	('labels', 'text[]', '''{mine-key}''', '''{hidden-key}''', '''{absent-key}''')
UNION ALL SELECT 'quota', 'int', m.quota::text, h.quota::text, '0' FROM aiusage.quota AS m JOIN aiusage.quota AS h ON h.name = replace(m.name, 'mine', 'hidden') WHERE m.name ~ 'mine'
UNION ALL SELECT 'assignment', 'bigint', m.assignment::text, h.assignment::text, '0' FROM aiusage.key_assignment AS m, aiusage.key_assignment AS h
	WHERE m.api_key = 'mine-key' AND h.api_key = 'hidden-key'
UNION ALL SELECT 'version', 'int', m.version::text, h.version::text, '0' FROM aiusage.price_version AS m, aiusage.price_version AS h WHERE m.book = 'mine-book' AND h.book = 'hidden-book'
UNION ALL SELECT 'id', 'uuid', quote_literal(m.id), quote_literal(h.id), quote_literal('00000000-0000-7000-8000-000000000000')
	FROM aiusage.usage_record AS m, aiusage.usage_record AS h WHERE m.request_id = 'mine9' AND h.request_id = 'hidden9' AND m.occurred_at > '2025-01-01' AND h.occurred_at > '2025-01-01'
UNION ALL SELECT 'request', 'bigint', '0', max(request)::text, '99999' FROM aiusage.quota_request;
-- what a required argument is when it is not the one that is tried
CREATE TABLE public.plain (argument text, type regtype, value text);
GRANT SELECT ON public.plain TO PUBLIC;
INSERT INTO public.plain VALUES ('', 'timestamptz', 'now()'), ('', 'date', 'current_date'), ('', 'aiusage.usage', '''{"input_tokens": 5}'''), ('until', 'timestamptz', 'now() + interval ''1 day'''),
	('reason', 'text', '''mine'''), ('raise_by', 'numeric', '5'), ('', 'text[]', '''{}'''), ('', 'jsonb', '''{}'''), ('start_time', 'timestamptz', 'date_trunc(''day'', now()) - interval ''1 day'''), ('end_time', 'timestamptz', 'date_trunc(''day'', now()) + interval ''1 day'''),
	('starts', 'timestamptz', 'now() - interval ''2 days'''), ('ends', 'timestamptz', 'now()'), ('from_day', 'date', 'current_date - 2'), ('to_day', 'date', 'current_date + 1'),
	('bucket_width', 'text', '''1d'''), ('time_zone', 'text', '''UTC'''), ('report_in', 'text', '''USD'''), ('window_start', 'bigint', '0'), ('kind', 'text', '''usage'''), ('kind', 'aiusage.record_kind', '''usage'''), ('quota_state', 'aiusage.limit_state', '''ok'''),
	('dims', 'text[]', '''{team,api_key}'''), ('group_by', 'text[]', '''{team,api_key}'''), ('by_dimension', 'text', '''api_key'''), ('calendar', 'int', '1'), ('invoice_period', 'int', '1'),
	('status', 'aiusage.usage_status', '''success'''), ('tags', 'jsonb', '''{"feature": "mine-feature"}'''), ('cost', 'aiusage.amount', '''1 USD'''), ('only_quota', 'int', 'NULL'),
	('base', 'text', '''USD'''), ('quote', 'text', '''USD'''), ('', 'int', '1');
CREATE FUNCTION public.ask(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text; message text; detail text; hint text; constraint_name text; relation text; context text;
BEGIN
	EXECUTE format('SELECT string_agg(x::text, E''\n'' ORDER BY x::text COLLATE "C") FROM %s AS x', call) INTO answer;
	RAISE EXCEPTION USING ERRCODE = 'UA200', MESSAGE = coalesce(answer, 'nothing');		-- and nothing of it stays
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, constraint_name = CONSTRAINT_NAME, relation = TABLE_NAME,
		context = PG_EXCEPTION_CONTEXT;
	RETURN concat_ws(E'\n', SQLSTATE, message, detail, hint, constraint_name, relation, 
		CASE WHEN SQLSTATE <> 'UA200' THEN regexp_replace(context, 'PL/pgSQL function (inline_code_block|ask).*', '') END);
END $$;
-- An answer without what was asked about, digests of it, and, in an error, its number
CREATE FUNCTION public.without(answer text, value text, side text) RETURNS text LANGUAGE sql AS $$
	SELECT replace(CASE WHEN value !~ '^\d+$' THEN regexp_replace(replace(answer, trim(BOTH '''' FROM value), '...'),
				'page_[0-9a-f]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '...', 'g')
		WHEN answer ~ '^UA200' THEN answer
		ELSE regexp_replace(answer, '(?<![$0-9])' || value || '(?![0-9])', '...', 'g') END, side, '...')
$$;
-- Calls of all functions that this reader may call and that read the books, with each argument in turn
CREATE FUNCTION public.calls() RETURNS TABLE (routine text, argument text, own text, hidden text, absent text, own_call text, hidden_call text, absent_call text) LANGUAGE sql AS $$
	SELECT f.proname || '(' || s.argument || ')', s.argument, s.own, s.hidden, s.absent, c.prefix || s.own || ')', c.prefix || s.hidden || ')', c.prefix || s.absent || ')'
	FROM pg_proc AS f
	CROSS JOIN LATERAL (SELECT f.proargnames[n] AS name, f.proargtypes[n - 1]::regtype AS type, n FROM generate_series(1, f.pronargs) AS n) AS a
	JOIN public.subject AS s ON s.argument = a.name AND s.type = a.type
	CROSS JOIN LATERAL (
		SELECT 'aiusage.' || f.proname || '(' || coalesce(string_agg(format('%I => (%s)::%s', o.name,
			coalesce((SELECT p.value FROM public.plain AS p WHERE p.argument = o.name AND p.type = o.type),
				(SELECT x.own FROM public.subject AS x WHERE x.argument = o.name AND x.type = o.type LIMIT 1),
				(SELECT p.value FROM public.plain AS p WHERE p.argument = '' AND p.type = o.type), 'NULL'), o.type), ', ' ORDER BY o.n) || ', ', '')
			|| format('%I => ', s.argument) AS prefix
		FROM (SELECT f.proargnames[n] AS name, f.proargtypes[n - 1]::regtype AS type, n FROM generate_series(1, f.pronargs) AS n) AS o
		WHERE o.n <> a.n AND (o.n <= f.pronargs - f.pronargdefaults OR EXISTS (SELECT FROM public.plain AS p WHERE p.argument = o.name AND p.type = o.type))) AS c
	WHERE f.pronamespace = 'aiusage'::regnamespace AND f.provolatile <> 'i' AND has_function_privilege(f.oid, 'EXECUTE')
	ORDER BY f.proname, s.argument, s.hidden
$$;
DO $$
DECLARE r name; c record; own text; hidden text; absent text;
BEGIN
	FOR r IN SELECT role FROM reader LOOP
		EXECUTE format('SET LOCAL ROLE %I', r);
		FOR c IN SELECT * FROM public.calls() LOOP
			own := public.ask(c.own_call);
			hidden := public.ask(c.hidden_call);
			absent := public.ask(c.absent_call);
			hidden := public.without(hidden, c.hidden, 'hidden');
			absent := public.without(absent, c.absent, 'absent');
			INSERT INTO report VALUES (r, c.routine, CASE WHEN hidden <> absent THEN concat_ws(E'\n', c.hidden_call, hidden, '---', absent)
				WHEN own ~ '^UA200' AND own <> absent THEN 'answers' ELSE 'silent' END);
		END LOOP;
		RESET ROLE;
	END LOOP;
END $$;
SELECT role, about, what FROM report WHERE what NOT IN ('answers', 'silent') ORDER BY role, about COLLATE "C";
SELECT role, count(*) FILTER (WHERE answers) AS answers, string_agg(about, ' ' ORDER BY about COLLATE "C") FILTER (WHERE NOT answers) AS silent
FROM (SELECT role, about, bool_or(what = 'answers') AS answers FROM report GROUP BY role, about) AS r GROUP BY role ORDER BY role;
-- What a hidden limit's subjects are made of
SET ROLE leaks_member;
\set VERBOSITY default
SELECT aiusage.request_override('hidden users', now() + interval '1 day', 'x', raise_by => 1, subject => '{"nothing": 1}');
SELECT aiusage.request_override('absent users', now() + interval '1 day', 'x', raise_by => 1, subject => '{"nothing": 1}');
SELECT aiusage.request_override('mine limit', now() + interval '1 day', 'x', raise_by => 1, subject => '{"nothing": 1}');
RESET ROLE;

-- A gateway: an error shows what it sent, and nothing that aiusage or somebody else wrote.
SELECT id AS theirs FROM aiusage.usage_record WHERE request_id = 'hidden9' AND occurred_at > '2025-01-01' \gset
CREATE FUNCTION public.book_again(id uuid, clause text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; detail text;
BEGIN
	EXECUTE format('INSERT INTO aiusage.usage_record AS u (id, api_key, provider, model, usage) VALUES (%L, ''mine-key'', ''lab'', ''m'', ''{"input_tokens": 1}'') %s', id, clause);
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, regexp_replace(message, '\d{8}', '...'), nullif(detail, ''));
END $$;
SET ROLE leaks_gateway;
SELECT c.clause, public.book_again(:'theirs', c.clause) FROM (VALUES (1, ''), (2, 'ON CONFLICT DO NOTHING'), (3, 'ON CONFLICT DO NOTHING RETURNING cost'),
	(4, 'ON CONFLICT (id) DO UPDATE SET model = u.cost::text'), (5, 'ON CONFLICT (id) DO UPDATE SET model = u.model WHERE 1 / (length(u.api_key) - 10) = 1')) AS c (n, clause) ORDER BY n;
SELECT i.outcome, i.cost, i.sqlstate, i.message FROM aiusage.ingest(jsonb_build_array(jsonb_build_object('id', :'theirs', 'api_key', 'mine-key', 'provider', 'lab', 'model', 'm',
	'usage', '{"input_tokens": 1}'::jsonb))) AS i;
SELECT 1 FROM aiusage.usage_record WHERE model = 'm';
RESET ROLE;

\c postgres
DROP DATABASE security_leaks;
DROP ROLE leaks_member;
DROP ROLE leaks_analyst;
DROP ROLE leaks_customer;
DROP ROLE leaks_other;
DROP ROLE leaks_gateway;
