/*
 * What every view has to say, in plain SQL over the shadow: see shadow.sql.
 */
SET client_min_messages = warning;

CREATE TABLE shadow.record (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, step int, id uuid UNIQUE, kind text, adjusts uuid, correction bigint, at timestamptz,
	assignment bigint, period int, api_key text, provider text, model text, endpoint text, service_tier text, region text, customer text, workflow text, user_id text,
	status text, attempt int, retries int, fallback_from text, cache_hit boolean, accepted int, latency_ms int, ttft_ms int, tags jsonb,
	cost numeric, currency text, list_cost numeric, list_currency text, charge numeric, charge_currency text, cost_state text, unpriced_reason text,
	usage jsonb, cost_by_unit jsonb);

/*
 * Takes over what was committed since, as text, and complains: usage must be
 * what was meant, nothing may be billed in a closed period, and what was
 * reversed comes to nothing.
 */
CREATE FUNCTION shadow.harvest(of_step int) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO shadow.record (step, id, kind, adjusts, correction, at, assignment, period, api_key, provider, model, endpoint, service_tier, region, customer, workflow, user_id,
		status, attempt, retries, fallback_from, cache_hit, accepted, latency_ms, ttft_ms, tags, cost, currency, list_cost, list_currency, charge, charge_currency,
		cost_state, unpriced_reason, usage, cost_by_unit)
	SELECT of_step, u.id, u.kind, u.adjusts, u.correction, u.occurred_at, u.assignment, u.invoice_period, u.api_key, u.provider, u.model, u.endpoint, u.service_tier, u.region,
		u.customer, u.workflow, u.user_id, u.status, u.attempt, u.retries, u.fallback_from, u.cache_hit, u.accepted, u.latency_ms, u.ttft_ms, u.tags,
		split_part(u.cost::text, ' ', 1)::numeric, c.key,
		split_part(coalesce(u.list_cost, u.cost)::text, ' ', 1)::numeric, coalesce(split_part(u.list_cost::text, ' ', 2), c.key),
		split_part(u.charge::text, ' ', 1)::numeric, split_part(u.charge::text, ' ', 2),
		u.cost_state, u.unpriced_reason, u.usage::text::jsonb, c.value
	FROM aiusage.usage_record AS u
	LEFT JOIN shadow.intent AS i ON i.id = u.id
	LEFT JOIN shadow.record AS o ON o.id = u.adjusts
	CROSS JOIN LATERAL jsonb_each(u.cost_by_unit::text::jsonb) AS c
	WHERE NOT EXISTS (SELECT FROM shadow.record AS r WHERE r.id = u.id)
	ORDER BY i.n, o.n, u.kind, u.occurred_at, u.cost::text;

	-- who it was is forgotten, of what is still there
	UPDATE shadow.record AS r SET user_id = NULL FROM aiusage.usage_record AS u WHERE u.id = r.id AND u.user_id IS NULL AND r.user_id IS NOT NULL;

	RETURN QUERY
	SELECT format('usage %s (%s) is not what was meant: %s', i.n, i.api_key, coalesce(d.list, 'not there'))
	FROM shadow.intent AS i LEFT JOIN shadow.record AS r ON r.id = i.id
	CROSS JOIN LATERAL (
		SELECT string_agg(format('%s %s instead of %s', t.key, t.value, o.value), ', ') AS list
		FROM jsonb_each_text(to_jsonb(r)) AS t JOIN jsonb_each_text(to_jsonb(i) || jsonb_build_object('list_cost', coalesce(i.list_cost, i.cost), 'kind', 'usage')) AS o ON o.key = t.key
		WHERE t.key <> 'n' AND o.value IS DISTINCT FROM t.value AND (t.key NOT IN ('cost', 'list_cost', 'charge') OR o.value::numeric IS DISTINCT FROM t.value::numeric)
	) AS d
	WHERE NOT i.checked AND (r.id IS NULL OR d.list IS NOT NULL);
	UPDATE shadow.intent SET checked = true WHERE NOT checked;

	RETURN QUERY
	SELECT format('%s %s is nobody''s', r.kind, r.id) FROM shadow.record AS r
	WHERE r.step = of_step AND r.kind = 'usage' AND r.adjusts IS NULL AND NOT EXISTS (SELECT FROM shadow.intent AS i WHERE i.id = r.id);
	RETURN QUERY
	SELECT format('%s %s is billed in closed period %s', r.kind, r.id, r.period) FROM shadow.record AS r JOIN shadow.shut AS s ON s.period = r.period AND s.closed AND s.step < of_step
	WHERE r.step = of_step;
	RETURN QUERY
	SELECT format('row %s was reversed and comes to %s, %s charged', r.adjusts, sum(x.cost), sum(x.charge))
	FROM shadow.record AS r
	JOIN shadow.record AS x ON x.id = r.adjusts OR x.adjusts = r.adjusts AND x.kind IN ('reversal', 'adjustment')
	WHERE r.kind = 'reversal' AND r.step = of_step
	GROUP BY r.adjusts HAVING sum(x.cost) <> 0 OR sum(x.charge) <> 0 OR count(*) FILTER (WHERE x.kind = 'reversal') <> 1;
END
$$;

-- ---------------------------------------------------------------- measures

CREATE FUNCTION shadow.plus(kind text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT CASE kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END $$;

CREATE VIEW shadow.measured AS
SELECT r.n, r.id, r.kind, r.at, r.step, r.correction, r.period, r.assignment, r.api_key, r.provider, r.model, r.endpoint, r.service_tier, r.region, r.status, r.user_id, r.tags,
	-- a correction is about its row's
	coalesce(r.latency_ms, x.latency_ms) AS latency_ms, coalesce(r.ttft_ms, x.ttft_ms) AS ttft_ms, c.calendar, c.zone, c.unit AS calendar_unit, c.start_day,
	(r.at AT TIME ZONE c.zone)::date AS day, date_trunc('hour', r.at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS hour,
	o.team, o.cost_center, o.project, o.environment, coalesce(r.customer, o.customer) AS customer, coalesce(r.workflow, o.workflow) AS workflow,
	r.currency, r.list_currency, r.charge_currency,
	shadow.plus(r.kind) AS requests,
	CASE WHEN r.status <> 'success' THEN shadow.plus(r.kind) ELSE 0 END AS errors,
	shadow.plus(r.kind) * (CASE WHEN r.attempt > 1 THEN 1 ELSE 0 END + coalesce(r.retries, 0)) AS retries,
	CASE WHEN r.fallback_from IS NOT NULL THEN shadow.plus(r.kind) ELSE 0 END AS fallbacks,
	CASE WHEN r.cache_hit THEN shadow.plus(r.kind) ELSE 0 END AS cache_hits,
	coalesce(r.accepted, 0) * CASE r.kind WHEN 'reversal' THEN -1 WHEN 'adjustment' THEN 0 ELSE 1 END AS accepted,
	CASE WHEN r.kind = 'adjustment' AND r.unpriced_reason IS NOT NULL THEN -1 WHEN r.cost_state = 'unpriced' THEN shadow.plus(r.kind) ELSE 0 END AS unpriced,
	CASE WHEN r.assignment IS NULL THEN shadow.plus(r.kind) ELSE 0 END AS unmatched,
	shadow.plus(r.kind) * coalesce((r.usage ->> 'input_tokens')::bigint, 0) AS input_tokens,
	shadow.plus(r.kind) * coalesce((r.usage ->> 'cache_read_tokens')::bigint, 0) AS cache_read_tokens,
	shadow.plus(r.kind) * coalesce((r.usage ->> 'output_tokens')::bigint, 0) AS output_tokens,
	shadow.plus(r.kind) * coalesce((r.usage ->> 'output_reasoning_tokens')::bigint, 0) AS reasoning_tokens,
	shadow.plus(r.kind) * coalesce((r.usage ->> 'web_searches')::bigint, 0) AS web_searches,
	coalesce(r.cost, 0) AS cost, coalesce(r.list_cost, 0) AS list_cost, coalesce(r.charge, 0) AS charge,
	CASE WHEN r.status <> 'success' THEN coalesce(r.cost, 0) ELSE 0 END AS failed_cost,
	CASE WHEN r.attempt > 1 THEN coalesce(r.cost, 0) ELSE 0 END AS retry_cost,
	CASE WHEN r.fallback_from IS NOT NULL THEN coalesce(r.cost, 0) ELSE 0 END AS fallback_cost,
	CASE WHEN r.cost_state = 'estimated' THEN coalesce(r.cost, 0) ELSE 0 END AS estimated_cost,
	r.usage, r.cost_by_unit, r.unpriced_reason
FROM shadow.record AS r
JOIN shadow.calendar AS c ON c.calendar = r.period / 100000
LEFT JOIN shadow.owner AS o ON o.assignment = r.assignment
LEFT JOIN shadow.record AS x ON x.id = r.adjusts;

-- One row a record and unit: as reported, as billed, and what that cost.
CREATE VIEW shadow.unit AS
SELECT m.n, x.unit, x.used, x.quantity, x.cost
FROM shadow.measured AS m
CROSS JOIN LATERAL (
	SELECT u.unit, shadow.plus(m.kind) * coalesce((m.usage ->> u.unit)::numeric, 0) AS used,
		CASE WHEN m.kind = 'adjustment' AND m.unpriced_reason IS NOT NULL THEN 1 ELSE shadow.plus(m.kind) END
			* CASE WHEN m.cost_by_unit ? u.unit THEN coalesce((m.usage ->> u.unit)::numeric, 0)
				- CASE WHEN u.unit = 'input_tokens' AND m.cost_by_unit ? 'cache_read_tokens' THEN coalesce((m.usage ->> 'cache_read_tokens')::numeric, 0) ELSE 0 END
				ELSE 0 END AS quantity,
		coalesce((m.cost_by_unit ->> u.unit)::numeric, 0) AS cost
	FROM (SELECT jsonb_object_keys(m.usage) UNION SELECT jsonb_object_keys(m.cost_by_unit)) AS u (unit)
) AS x;

-- The views, by the names of those they are compared with.  {sums} are the measures that most of them have.
DO $views$
DECLARE
	sums constant text := $text$
		sum(m.requests) AS requests, sum(m.errors) AS errors, sum(m.retries) AS retries, sum(m.fallbacks) AS fallbacks, sum(m.cache_hits) AS cache_hits,
		sum(m.accepted) AS accepted, sum(m.unpriced) AS unpriced, sum(m.unmatched) AS unmatched, sum(m.input_tokens) AS input_tokens,
		sum(m.cache_read_tokens) AS cache_read_tokens, sum(m.output_tokens) AS output_tokens, sum(m.reasoning_tokens) AS reasoning_tokens,
		sum(m.web_searches) AS web_searches, sum(m.cost) AS cost, sum(m.failed_cost) AS failed_cost, sum(m.retry_cost) AS retry_cost,
		sum(m.fallback_cost) AS fallback_cost, sum(m.estimated_cost) AS estimated_cost,
		CASE WHEN count(m.charge_currency) > 0 AND count(*) FILTER (WHERE m.charge_currency <> m.currency) = 0 THEN sum(m.charge) - sum(m.cost) END AS margin
	$text$;
	-- amounts that may be in another currency than the row's
	others constant text := $text$
		CASE WHEN count(*) FILTER (WHERE m.list_currency <> m.currency) = 0 THEN sum(m.list_cost) END AS list_cost,
		CASE WHEN count(*) FILTER (WHERE m.charge_currency <> m.currency) = 0 THEN sum(m.charge) END AS charge
	$text$;
	-- first day of the month of a calendar whose months begin on start_day
	month constant text := $text$
		(SELECT max(f.first_day) FROM (
			SELECT least(b::date + CASE WHEN m.calendar_unit IN ('month', 'quarter') THEN m.start_day ELSE 1 END - 1, (b + interval '1 month')::date - 1) AS first_day
			FROM (VALUES (date_trunc('month', m.day::timestamp)), (date_trunc('month', m.day::timestamp) - interval '1 month')) AS v (b)) AS f
		WHERE f.first_day <= m.day)
	$text$;
	detail constant text := $text$
		m.api_key, m.assignment, coalesce(m.team, '(unmatched)') AS team, coalesce(m.cost_center, '(unmatched)') AS cost_center, m.project, m.environment, m.provider, m.model,
		m.endpoint, m.service_tier, m.region, m.customer, m.workflow, m.status, m.period AS invoice_period, m.currency, m.list_currency, m.charge_currency,
		CASE WHEN to_regproc('aiusage.declare_tag') IS NOT NULL THEN m.tags ->> 'feature' END AS tag_1
	$text$;
	definition text;
BEGIN
	FOREACH definition IN ARRAY ARRAY[
		$v$CREATE VIEW shadow.team_usage AS
		SELECT u.*, coalesce(n.name, u.team) AS team_name FROM (
			SELECT m.day, coalesce(m.team, '(unmatched)') AS team, m.currency, {sums}, {others} FROM shadow.measured AS m GROUP BY 1, 2, 3) AS u
		LEFT JOIN shadow.name AS n ON n.entity_kind = 'team' AND n.entity = u.team$v$,
		$v$CREATE VIEW shadow.cost_center_usage AS
		SELECT u.*, coalesce(n.name, u.cost_center) AS cost_center_name FROM (
			SELECT m.day, coalesce(m.cost_center, '(unmatched)') AS cost_center, m.currency, {sums}, {others} FROM shadow.measured AS m GROUP BY 1, 2, 3) AS u
		LEFT JOIN shadow.name AS n ON n.entity_kind = 'cost_center' AND n.entity = u.cost_center$v$,
		$v$CREATE VIEW shadow.invoice_period_usage AS
		SELECT u.*, coalesce(p.label, u.period::text) AS label, p.starts_on, p.ends_on FROM (
			SELECT m.period, coalesce(m.team, '(unmatched)') AS team, coalesce(m.cost_center, '(unmatched)') AS cost_center, m.currency, {sums}, {others}
			FROM shadow.measured AS m GROUP BY 1, 2, 3, 4) AS u
		LEFT JOIN shadow.period AS p ON p.period = u.period$v$,
		$v$CREATE VIEW shadow.key_usage AS
		SELECT m.day, m.api_key, m.currency, {sums}, {others} FROM shadow.measured AS m GROUP BY 1, 2, 3$v$,
		$v$CREATE VIEW shadow.model_usage AS
		SELECT m.day, m.provider, m.model, m.currency, {sums}, {others} FROM shadow.measured AS m GROUP BY 1, 2, 3, 4$v$,
		$v$CREATE VIEW shadow.provider_usage AS
		SELECT m.day, m.provider, m.currency, {sums}, {others} FROM shadow.measured AS m GROUP BY 1, 2, 3$v$,
		$v$CREATE VIEW shadow.endpoint_usage AS
		SELECT m.day, m.provider, coalesce(m.endpoint, '(none)') AS endpoint, coalesce(m.service_tier, '(none)') AS service_tier, coalesce(m.region, '(none)') AS region, m.currency,
			{sums}, {others} FROM shadow.measured AS m GROUP BY 1, 2, 3, 4, 5, 6$v$,
		$v$CREATE VIEW shadow.status_usage AS
		SELECT m.day, m.provider, m.model, m.status, m.currency, {sums}, {others} FROM shadow.measured AS m GROUP BY 1, 2, 3, 4, 5$v$,
		$v$CREATE VIEW shadow.project_usage AS
		SELECT m.day, coalesce(m.team, '(unmatched)') AS team, coalesce(m.project, '(none)') AS project, m.currency, {sums}, {others} FROM shadow.measured AS m GROUP BY 1, 2, 3, 4$v$,
		$v$CREATE VIEW shadow.environment_usage AS
		SELECT m.day, coalesce(m.environment, '(none)') AS environment, m.currency, {sums}, {others} FROM shadow.measured AS m GROUP BY 1, 2, 3$v$,
		$v$CREATE VIEW shadow.tag_usage AS
		SELECT m.day, 'feature' AS tag, coalesce(m.tags ->> 'feature', '(none)') AS value, coalesce(m.team, '(unmatched)') AS team, m.currency, {sums}, {others}
		FROM shadow.measured AS m GROUP BY 1, 2, 3, 4, 5$v$,
		$v$CREATE VIEW shadow.user_usage AS
		SELECT m.day, m.user_id, coalesce(m.team, '(unmatched)') AS team, coalesce(m.cost_center, '(unmatched)') AS cost_center, m.project, m.customer, m.currency, m.charge_currency,
			sum(m.requests) AS requests, sum(m.errors) AS errors, sum(m.accepted) AS accepted, sum(m.unpriced) AS unpriced, sum(m.input_tokens) AS input_tokens,
			sum(m.cache_read_tokens) AS cache_read_tokens, sum(m.output_tokens) AS output_tokens, sum(m.reasoning_tokens) AS reasoning_tokens, sum(m.cost) AS cost,
			sum(m.failed_cost) AS failed_cost, sum(m.charge) AS charge
		FROM shadow.measured AS m WHERE m.user_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7, 8$v$,
		-- percentiles: by a factor of 1.5 at most
		$v$CREATE VIEW shadow.latency_daily AS
		SELECT m.day, coalesce(m.team, '(unmatched)') AS team, coalesce(m.cost_center, '(unmatched)') AS cost_center, m.provider, m.model, m.endpoint, m.service_tier, m.region, m.status,
			sum(CASE WHEN m.latency_ms IS NOT NULL THEN m.requests ELSE 0 END) AS latency_requests,
			sum(CASE WHEN m.ttft_ms IS NOT NULL THEN m.requests ELSE 0 END) AS ttft_requests
		FROM shadow.measured AS m GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
		HAVING sum(CASE WHEN m.latency_ms IS NOT NULL THEN m.requests ELSE 0 END) <> 0 OR sum(CASE WHEN m.ttft_ms IS NOT NULL THEN m.requests ELSE 0 END) <> 0$v$,
		$v$CREATE VIEW shadow.workflow_usage AS
		SELECT m.day, coalesce(m.workflow, '(none)') AS workflow, m.currency, {sums}, {others} FROM shadow.measured AS m GROUP BY 1, 2, 3$v$,
		$v$CREATE VIEW shadow.customer_usage AS
		SELECT u.*, coalesce(n.name, u.customer) AS customer_name FROM (
			SELECT m.day, coalesce(m.customer, '(none)') AS customer, m.currency, m.charge_currency, {sums}, sum(m.charge) AS charge,
				CASE WHEN count(*) FILTER (WHERE m.list_currency <> m.currency) = 0 THEN sum(m.list_cost) END AS list_cost
			FROM shadow.measured AS m GROUP BY 1, 2, 3, 4) AS u
		LEFT JOIN shadow.name AS n ON n.entity_kind = 'customer' AND n.entity = u.customer$v$,
		$v$CREATE VIEW shadow.customer_charges AS
		SELECT m.day, m.customer, m.charge_currency AS currency, sum(m.requests) AS requests, sum(m.errors) AS errors, sum(m.input_tokens) AS input_tokens,
			sum(m.cache_read_tokens) AS cache_read_tokens, sum(m.output_tokens) AS output_tokens, sum(m.reasoning_tokens) AS reasoning_tokens,
			sum(m.web_searches) AS web_searches, sum(m.charge) AS charge
		FROM shadow.measured AS m WHERE m.customer IS NOT NULL GROUP BY 1, 2, 3$v$,
		$v$CREATE VIEW shadow.usage_daily AS
		SELECT m.day, {detail}, {sums}, sum(m.list_cost) AS list_cost, sum(m.charge) AS charge
		FROM shadow.measured AS m GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20$v$,
		$v$CREATE VIEW shadow.usage_hourly AS
		SELECT m.hour, {detail}, {sums}, sum(m.list_cost) AS list_cost, sum(m.charge) AS charge
		FROM shadow.measured AS m GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20$v$,
		$v$CREATE VIEW shadow.line_items AS
		SELECT m.day, coalesce(m.team, '(unmatched)') AS team, coalesce(m.cost_center, '(unmatched)') AS cost_center, m.provider, m.model, u.unit, m.currency,
			sum(u.used) AS used_quantity, sum(u.quantity) AS quantity, sum(u.cost) AS cost, sum(u.cost) / nullif(sum(u.quantity), 0) AS average_rate
		FROM shadow.measured AS m JOIN shadow.unit AS u USING (n) GROUP BY 1, 2, 3, 4, 5, 6, 7
		-- an amount that was booked and taken back may be said or not
		HAVING sum(u.used) <> 0 OR sum(u.quantity) <> 0 OR sum(u.cost) <> 0$v$,
		$v$CREATE VIEW shadow.team_month AS
		SELECT {month} AS month, coalesce(m.team, '(unmatched)') AS team, m.currency, sum(m.requests) AS requests, sum(m.errors) AS errors, sum(m.retries) AS retries,
			sum(m.fallbacks) AS fallbacks, sum(m.accepted) AS accepted, sum(m.unpriced) AS unpriced, sum(m.unmatched) AS unmatched, sum(m.input_tokens) AS input_tokens,
			sum(m.output_tokens) AS output_tokens, sum(m.cost) AS cost, {others}, sum(m.failed_cost) AS failed_cost, sum(m.retry_cost) AS retry_cost,
			sum(m.fallback_cost) AS fallback_cost, sum(m.estimated_cost) AS estimated_cost,
			CASE WHEN sum(m.cost) > 0 THEN round(100 * sum(m.failed_cost) / sum(m.cost), 2) END AS failed_percent,
			CASE WHEN sum(m.accepted) > 0 THEN sum(m.cost) / sum(m.accepted) END AS cost_per_accepted
		FROM shadow.measured AS m GROUP BY 1, 2, 3$v$,
		$v$CREATE VIEW shadow.team_month_charges AS
		SELECT {month} AS month, coalesce(m.team, '(unmatched)') AS team, m.charge_currency AS currency, sum(m.requests) AS requests, sum(m.charge) AS charge
		FROM shadow.measured AS m WHERE m.charge_currency IS NOT NULL GROUP BY 1, 2, 3$v$,
		$v$CREATE VIEW shadow.team_month_models AS
		SELECT {month} AS month, coalesce(m.team, '(unmatched)') AS team, m.provider, m.model, m.currency, sum(m.requests) AS requests, sum(m.output_tokens) AS output_tokens,
			sum(m.cost) AS cost, sum(m.failed_cost) AS failed_cost
		FROM shadow.measured AS m GROUP BY 1, 2, 3, 4, 5$v$,
		$v$CREATE VIEW shadow.team_month_workflows AS
		SELECT {month} AS month, coalesce(m.team, '(unmatched)') AS team, coalesce(m.workflow, '(none)') AS workflow, m.currency, sum(m.requests) AS requests,
			sum(m.accepted) AS accepted, sum(m.cost) AS cost, sum(m.retry_cost) AS retry_cost
		FROM shadow.measured AS m GROUP BY 1, 2, 3, 4$v$,
		$v$CREATE VIEW shadow.key_week AS
		WITH w AS (
			SELECT m.day - extract(isodow FROM m.day)::int + 1 AS week, m.api_key, m.currency, sum(m.requests) AS requests, sum(m.errors) AS errors, sum(m.cost) AS cost
			FROM shadow.measured AS m GROUP BY 1, 2, 3
		)
		SELECT k.week, k.api_key, k.currency, coalesce(c.requests, 0) AS requests, coalesce(b.requests, 0) AS previous_requests, coalesce(c.errors, 0) AS errors,
			coalesce(c.cost, 0) AS cost, coalesce(b.cost, 0) AS previous_cost
		FROM (SELECT week, api_key, currency FROM w UNION SELECT week + 7, api_key, currency FROM w
			WHERE week + 7 <= (now() AT TIME ZONE (SELECT zone FROM shadow.calendar WHERE calendar = 1))::date) AS k
		LEFT JOIN w AS c USING (week, api_key, currency)
		LEFT JOIN w AS b ON b.week = k.week - 7 AND b.api_key = k.api_key AND b.currency = k.currency$v$,
		$v$CREATE VIEW shadow.unmatched_spend AS
		SELECT {month} AS month, m.api_key, CASE WHEN m.assignment IS NULL THEN 'owner' WHEN m.team IS NOT NULL THEN 'cost center' ELSE 'team' END AS missing,
			coalesce(m.team, '(unmatched)') AS team, m.currency, min(m.day) AS first_day, max(m.day) AS last_day, sum(m.requests) AS requests, sum(m.cost) AS cost
		FROM shadow.measured AS m WHERE m.team IS NULL OR m.cost_center IS NULL GROUP BY 1, 2, 3, 4, 5 HAVING sum(m.requests) <> 0 OR sum(m.cost) <> 0$v$
	]
	LOOP
		definition := replace(replace(replace(replace(definition, '{sums}', sums), '{others}', others), '{month}', month), '{detail}', detail);
		EXECUTE definition;
	END LOOP;
END
$views$;

-- ---------------------------------------------------------------- statements

CREATE TABLE shadow.stated (n bigint, entity_kind text, step int, PRIMARY KEY (n, entity_kind));
CREATE TABLE shadow.statement (kind text, period int, entity_kind text, entity text, currency text, reverses bigint, by_days boolean, requests numeric, unpriced numeric, cost numeric,
	list_cost numeric, charge numeric, lines bigint);
CREATE TABLE shadow.statement_line (period int, entity_kind text, entity text, statement_currency text, assignment bigint, team text, cost_center text, customer text, api_key text,
	provider text, model text, currency text, list_currency text, charge_currency text, requests numeric, unpriced numeric, cost numeric, list_cost numeric, charge numeric, units jsonb);

/*
 * What closing a period puts on statements: of cost centers, and of teams and
 * customers without a calendar of their own, what is billed in it; of those
 * with this calendar, all before its end that is on none of theirs.
 */
CREATE FUNCTION shadow.state(p int, of_step int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	closing shadow.period;
BEGIN
	SELECT * INTO STRICT closing FROM shadow.period AS x WHERE x.period = p;
	CREATE TEMP TABLE goes AS
	SELECT m.*, e.entity_kind, e.entity, e.statement_currency, own.calendar IS NOT NULL AS by_days
	FROM shadow.measured AS m
	CROSS JOIN LATERAL (VALUES ('cost_center', coalesce(m.cost_center, '(unmatched)'), m.currency), ('team', coalesce(m.team, '(unmatched)'), m.currency),
		('customer', m.customer, m.charge_currency)) AS e (entity_kind, entity, statement_currency)
	LEFT JOIN shadow.own_calendar AS own ON own.entity_kind = e.entity_kind AND own.entity = e.entity
	WHERE e.entity IS NOT NULL AND e.statement_currency IS NOT NULL
		AND NOT EXISTS (SELECT FROM shadow.stated AS s WHERE s.n = m.n AND s.entity_kind = e.entity_kind)
		AND CASE WHEN own.calendar IS NULL THEN m.period = p
			ELSE own.calendar = closing.calendar AND m.at < closing.ends_at
				-- it is past that already
				AND NOT EXISTS (SELECT FROM shadow.statement AS s JOIN shadow.period AS q ON q.period = s.period
					WHERE s.by_days AND s.kind = 'statement' AND s.entity_kind = e.entity_kind AND s.entity = e.entity AND q.ends_at >= closing.ends_at)
			END;
	INSERT INTO shadow.stated SELECT n, entity_kind, of_step FROM goes;

	INSERT INTO shadow.statement_line
	SELECT p, g.entity_kind, g.entity, g.statement_currency, g.assignment, g.team, g.cost_center, g.customer, g.api_key, g.provider, g.model, k.currency, k.list_currency, g.charge_currency,
		sum(g.requests), sum(g.unpriced), CASE WHEN g.entity_kind <> 'customer' THEN sum(g.cost) END, CASE WHEN g.entity_kind <> 'customer' THEN sum(g.list_cost) END, sum(g.charge),
		(SELECT jsonb_object_agg(x.unit, jsonb_build_array(trim_scale(x.used), trim_scale(x.quantity), CASE WHEN g.entity_kind <> 'customer' THEN trim_scale(x.cost) END))
			FROM (SELECT u.unit, sum(u.used) AS used, sum(u.quantity) AS quantity, sum(u.cost) AS cost FROM shadow.unit AS u WHERE u.n = ANY (array_agg(g.n)) GROUP BY 1) AS x
			WHERE x.used <> 0 OR x.quantity <> 0 OR x.cost <> 0 AND g.entity_kind <> 'customer')
	FROM goes AS g
	CROSS JOIN LATERAL (SELECT CASE WHEN g.entity_kind <> 'customer' THEN g.currency END, CASE WHEN g.entity_kind <> 'customer' THEN g.list_currency END) AS k (currency, list_currency)
	GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14;
	DELETE FROM shadow.statement_line AS l WHERE l.period = p AND l.requests = 0 AND l.unpriced = 0 AND coalesce(l.cost, 0) = 0 AND coalesce(l.list_cost, 0) = 0
		AND l.charge = 0 AND l.units IS NULL;

	INSERT INTO shadow.statement
	SELECT 'statement', p, l.entity_kind, l.entity, l.statement_currency, NULL, EXISTS (SELECT FROM shadow.own_calendar AS o WHERE o.entity_kind = l.entity_kind AND o.entity = l.entity),
		sum(l.requests), sum(l.unpriced), sum(l.cost),
		CASE WHEN count(*) FILTER (WHERE l.list_currency IS NULL OR l.list_currency <> l.statement_currency) = 0 THEN sum(l.list_cost) END,
		CASE WHEN count(*) FILTER (WHERE l.charge_currency <> l.statement_currency) = 0 THEN sum(l.charge) END, count(*)
	FROM shadow.statement_line AS l WHERE l.period = p
	GROUP BY 3, 4, 5;
	DROP TABLE goes;
	INSERT INTO shadow.shut VALUES (p, true, of_step) ON CONFLICT (period) DO UPDATE SET closed = true, step = excluded.step;
END
$$;

-- After a reversal: what it booked is on the credit.
CREATE FUNCTION shadow.credit(of_statement bigint, of_step int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO shadow.stated
	SELECT r.n, s.entity_kind, of_step FROM aiusage.statements AS s JOIN shadow.record AS r ON r.step = of_step AND r.kind = 'adjustment' WHERE s.statement = of_statement;
	INSERT INTO shadow.statement
	SELECT 'credit', NULL, s.entity_kind, s.entity, s.currency, s.statement, false, 0, 0, -e.cost, NULL, -e.charge, NULL
	FROM aiusage.statements AS s
	JOIN shadow.statement AS e ON e.kind = 'statement' AND e.period = s.period AND e.entity_kind = s.entity_kind AND e.entity = s.entity AND e.currency = s.currency
	WHERE s.statement = of_statement;
$$;

-- ---------------------------------------------------------------- comparing

-- All that differs between shadow.X and aiusage.X, both ways, in the columns that the shadow has.
DO $checks$
DECLARE
	v record;
BEGIN
	FOR v IN
		SELECT c.relname, string_agg(format(CASE WHEN t.oid = ANY ('{int4,int8,numeric}'::regtype[]) THEN '%I::numeric' ELSE '%I::text' END, a.attname), ', ' ORDER BY a.attnum) AS columns
		FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 JOIN pg_type AS t ON t.oid = a.atttypid
		WHERE c.relnamespace = 'shadow'::regnamespace AND c.relkind = 'v' AND c.relname NOT IN ('measured', 'unit')
			AND EXISTS (SELECT FROM pg_attribute AS o WHERE o.attrelid = to_regclass('aiusage.' || c.relname) AND o.attname = a.attname)
		GROUP BY c.relname
	LOOP
		EXECUTE format($f$
			CREATE FUNCTION shadow.check_%1$s() RETURNS SETOF text LANGUAGE plpgsql AS $$
			DECLARE
				bad text;
			BEGIN
				SELECT string_agg(d::text, E'\n') INTO bad FROM (
					(WITH theirs AS MATERIALIZED (SELECT %2$s FROM aiusage.%1$s%3$s), ours AS MATERIALIZED (SELECT %2$s FROM shadow.%1$s)
					(SELECT 'too many', t.* FROM (TABLE theirs EXCEPT ALL TABLE ours) AS t LIMIT 3)
					UNION ALL (SELECT 'missing', t.* FROM (TABLE ours EXCEPT ALL TABLE theirs) AS t LIMIT 3))) AS d;
				IF bad IS NOT NULL THEN
					RETURN NEXT '%1$s: ' || bad;
				END IF;
			END
			$$$f$, v.relname, v.columns, CASE v.relname WHEN 'line_items' THEN ' WHERE used_quantity <> 0 OR quantity <> 0 OR cost <> 0'
				WHEN 'latency_daily' THEN ' WHERE latency_requests <> 0 OR ttft_requests <> 0' END);
	END LOOP;
END
$checks$;

CREATE FUNCTION shadow.check_statements() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY
	SELECT 'statements: ' || string_agg(d::text, E'\n') FROM (
		(SELECT 'ours', x.* FROM (
			SELECT kind, CASE kind WHEN 'statement' THEN period::bigint END, entity_kind, entity, currency, reverses, requests, unpriced, cost,
				CASE kind WHEN 'statement' THEN list_cost END, charge, CASE kind WHEN 'statement' THEN lines END FROM shadow.statement
			EXCEPT ALL
			SELECT kind, CASE kind WHEN 'statement' THEN period END, entity_kind, entity, currency, reverses, requests, unpriced, cost,
				CASE kind WHEN 'statement' THEN list_cost END, charge, CASE kind WHEN 'statement' THEN lines END FROM aiusage.statements) AS x LIMIT 5)
		UNION ALL
		(SELECT 'theirs', x.* FROM (
			SELECT kind, CASE kind WHEN 'statement' THEN period END, entity_kind, entity, currency, reverses, requests, unpriced, cost,
				CASE kind WHEN 'statement' THEN list_cost END, charge, CASE kind WHEN 'statement' THEN lines END FROM aiusage.statements
			EXCEPT ALL
			SELECT kind, CASE kind WHEN 'statement' THEN period::bigint END, entity_kind, entity, currency, reverses, requests, unpriced, cost,
				CASE kind WHEN 'statement' THEN list_cost END, charge, CASE kind WHEN 'statement' THEN lines END FROM shadow.statement) AS x LIMIT 5)) AS d
	HAVING count(*) > 0;

	RETURN QUERY
	WITH theirs AS MATERIALIZED (
		SELECT l.period::int, l.entity_kind, l.entity, s.currency AS statement_currency, l.assignment, l.team, l.cost_center, l.customer, l.api_key, l.provider, l.model,
			l.currency, l.list_currency, l.charge_currency, l.requests::numeric, l.unpriced::numeric, l.cost, l.list_cost, l.charge,
			(SELECT jsonb_object_agg(u.unit, jsonb_build_array(trim_scale(u.used_quantity), trim_scale(u.quantity), trim_scale(u.cost))) FROM aiusage.statement_units AS u
				WHERE u.statement = l.statement AND u.line = l.line) AS units
		FROM aiusage.statement_lines AS l JOIN aiusage.statements AS s ON s.statement = l.statement
		WHERE l.kind = 'statement'
	)
	SELECT 'statement lines: ' || string_agg(d::text, E'\n') FROM (
		(SELECT 'ours', x.* FROM (TABLE shadow.statement_line EXCEPT ALL TABLE theirs) AS x LIMIT 3)
		UNION ALL (SELECT 'theirs', x.* FROM (TABLE theirs EXCEPT ALL TABLE shadow.statement_line) AS x LIMIT 3)) AS d
	HAVING count(*) > 0;
	RETURN QUERY
	SELECT format('statement %s is not as frozen', s.statement) FROM aiusage.statements AS s WHERE s.checksum <> aiusage.statement_checksum(s.statement);
END
$$;

CREATE FUNCTION shadow.check_periods() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('period %s is %s', p.period, p.status) FROM aiusage.invoice_period AS p
	WHERE (p.status IN ('closed', 'invoiced')) <> EXISTS (SELECT FROM shadow.shut AS s WHERE s.period = p.period AND s.closed)
	UNION ALL
	SELECT format('period %s is %s to %s', p.period, aiusage.period_starts_at(p.period), aiusage.period_ends_at(p.period))
	FROM (SELECT q.* FROM shadow.period AS q WHERE q.period IN (SELECT r.period FROM shadow.record AS r) OFFSET 0) AS p
	WHERE (p.label, p.starts_at, p.ends_at) IS DISTINCT FROM (aiusage.period_label(p.period), aiusage.period_starts_at(p.period), aiusage.period_ends_at(p.period))
$$;

-- Everything; nothing when all is well.
CREATE FUNCTION shadow.differences() RETURNS SETOF text LANGUAGE plpgsql SET jit = off AS $$
DECLARE
	f record;
BEGIN
	FOR f IN SELECT p.oid::regprocedure::text AS call FROM pg_proc AS p WHERE p.pronamespace = 'shadow'::regnamespace AND p.proname LIKE 'check\_%' ORDER BY 1 LOOP
		RETURN QUERY EXECUTE 'SELECT * FROM ' || f.call;
	END LOOP;
END
$$;
