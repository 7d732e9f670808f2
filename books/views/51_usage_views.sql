/*
 * The views for people and their tools: numeric, bigint, text, timestamptz and
 * date columns only, a currency beside the amounts, one grain each.  Live:
 * exact in every snapshot, whatever has been folded.  Filtered by what the
 * reader was granted (aiusage.grant_access()); security_barrier, so that no
 * function in somebody's WHERE clause sees a row that its caller may not.
 *
 * Days are business days: dates in the time zone of the row's billing calendar.
 */

-- What the columns tag_1 to tag_8 are: a slot's last tag, which may have had others before.
CREATE OR REPLACE VIEW aiusage.declared_tag WITH (security_barrier) AS
SELECT d.slot::bigint AS slot, d.tag, d.description,
	(SELECT min(f.declared_from) FROM aiusage.tag_declaration f WHERE f.tag = d.tag) AS first_declared_at,
	d.declared_until AS withdrawn_at
FROM aiusage.tag_declaration d
WHERE NOT EXISTS (SELECT FROM aiusage.tag_declaration n
	WHERE n.slot = d.slot AND (n.declared_from, n.declaration) > (d.declared_from, d.declaration));
COMMENT ON VIEW aiusage.declared_tag IS 'Which tag is in which of the columns tag_1 to tag_8: the last that was declared for it. Grain: one row a slot that was ever used';
COMMENT ON COLUMN aiusage.declared_tag.slot IS 'N of the column tag_N';
COMMENT ON COLUMN aiusage.declared_tag.tag IS 'Name of the tag, as requests send it';
COMMENT ON COLUMN aiusage.declared_tag.description IS 'What the tag says; NULL: not said';
COMMENT ON COLUMN aiusage.declared_tag.first_declared_at IS 'From when on requests were first kept apart by it';
COMMENT ON COLUMN aiusage.declared_tag.withdrawn_at IS 'From when on they are not any more; NULL: they are';

-- What the views have in common is said once, here: the measures as they are
-- summed within, as they are shown, and how fresh they are.
DO $views$
DECLARE
	sums constant text := $text$
		sum(v.requests)::bigint AS requests, sum(v.errors)::bigint AS errors, sum(v.retries)::bigint AS retries, sum(v.fallbacks)::bigint AS fallbacks,
		sum(v.cache_hits)::bigint AS cache_hits, sum(v.accepted)::bigint AS accepted, sum(v.unpriced)::bigint AS unpriced, sum(v.unmatched)::bigint AS unmatched,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'input_tokens') AS input_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'cache_read_tokens') AS cache_read_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'cache_write_tokens') AS cache_write_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'output_tokens') AS output_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'output_reasoning_tokens') AS reasoning_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'input_audio_tokens') AS input_audio_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'output_audio_tokens') AS output_audio_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'web_searches') AS web_searches,
		sum(v.cost) AS cost, sum(v.failed_cost) AS failed_cost, sum(v.retry_cost) AS retry_cost,
		sum(v.fallback_cost) AS fallback_cost, sum(v.estimated_cost) AS estimated_cost
	$text$;
	measures constant text := $text$
		u.requests, u.errors, u.retries, u.fallbacks, u.cache_hits, u.accepted, u.unpriced, u.unmatched,
		u.input_tokens, u.cache_read_tokens, u.cache_write_tokens, u.output_tokens, u.reasoning_tokens,
		u.input_audio_tokens, u.output_audio_tokens, u.web_searches, u.cost, u.failed_cost, u.retry_cost,
		u.fallback_cost, u.estimated_cost, u.list_cost, u.charge, u.margin
	$text$;
	as_of constant text := $text$
		(SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END) AS as_of
	$text$;
	tags constant text := (
		SELECT string_agg(format('u.tags::jsonb ->> (SELECT d.tag FROM aiusage.declared_tag d WHERE d.slot = %1$s) AS tag_%1$s', n), E',\n\t' ORDER BY n)
		FROM generate_series(1, 8) AS n);
	-- a day and some dimensions, with their names
	simple constant text := $text$
CREATE OR REPLACE VIEW aiusage.{view} WITH (security_barrier) AS
SELECT u.day, {names}, u.currency,
	{measures},
	{as_of}
FROM (
	SELECT
		v.day,
		{dimensions},
		v.currency,
		{sums},
		CASE WHEN bool_and(v.list_currency = v.currency) THEN sum(v.list_cost) END AS list_cost,
		CASE WHEN bool_and(v.charge_currency = v.currency) IS NOT FALSE THEN sum(v.charge) END AS charge,
		CASE WHEN bool_and(v.charge_currency = v.currency) THEN sum(v.charge) - sum(v.cost) END AS margin
	FROM {source}
	GROUP BY v.day, v.currency, {keys}
) u
	$text$;
	definitions text[];
	definition text;
BEGIN
	SELECT array_agg(replace(replace(replace(replace(replace(simple, '{view}', d.view), '{names}',
			(SELECT string_agg('u.' || n, ', ' ORDER BY o) FROM string_to_table(d.names, ', ') WITH ORDINALITY AS t (n, o))),
			'{keys}', (SELECT string_agg((o + 1)::text, ', ' ORDER BY o) FROM string_to_table(d.names, ', ') WITH ORDINALITY AS t (n, o))),
			'{dimensions}', d.dimensions), '{source}', d.source))
	INTO definitions
	FROM (VALUES
		('key_usage', 'api_key', 'v.api_key', 'aiusage.rollup_daily_visible v'),
		('provider_usage', 'provider', 'v.provider', 'aiusage.rollup_daily_visible v'),
		('model_usage', 'provider, model', 'v.provider, v.model', 'aiusage.rollup_daily_visible v'),
		('endpoint_usage', 'provider, endpoint, service_tier, region', $dim$v.provider, coalesce(v.endpoint, '(none)') AS endpoint,
			coalesce(v.service_tier, '(none)') AS service_tier, coalesce(v.region, '(none)') AS region$dim$, 'aiusage.rollup_daily_visible v'),
		('status_usage', 'provider, model, status, status_class', $dim$v.provider, v.model, v.status::text AS status,
			coalesce(v.status_class, '(none)') AS status_class$dim$, 'aiusage.rollup_daily_visible v'),
		('project_usage', 'team, project', $dim$coalesce(v.team, '(unmatched)') AS team,
			coalesce(v.project, '(none)') AS project$dim$, 'aiusage.rollup_daily_visible v'),
		('environment_usage', 'environment', $dim$coalesce(v.environment, '(none)') AS environment$dim$, 'aiusage.rollup_daily_visible v'),
		('workflow_usage', 'workflow', $dim$coalesce(v.effective_workflow, '(none)') AS workflow$dim$, 'aiusage.rollup_daily_visible v'),
		-- every tag that was ever declared divides all of the usage
		('tag_usage', 'tag, value, team', $dim$d.tag, coalesce(v.tags::jsonb ->> d.tag, '(none)') AS value,
			coalesce(v.team, '(unmatched)') AS team$dim$,
			'aiusage.rollup_daily_visible v CROSS JOIN (SELECT DISTINCT t.tag FROM aiusage.tag_declaration t) d')
	) AS d (view, names, dimensions, source);

	FOREACH definition IN ARRAY definitions || ARRAY[
		$view$
CREATE OR REPLACE VIEW aiusage.team_usage WITH (security_barrier) AS
SELECT u.day, u.team, coalesce(t.name, u.team) AS team_name, u.currency,
	{measures},
	{as_of}
FROM (
	SELECT
		v.day,
		coalesce(v.team, '(unmatched)') AS team,
		v.currency,
		{sums},
		CASE WHEN bool_and(v.list_currency = v.currency) THEN sum(v.list_cost) END AS list_cost,
		CASE WHEN bool_and(v.charge_currency = v.currency) IS NOT FALSE THEN sum(v.charge) END AS charge,
		CASE WHEN bool_and(v.charge_currency = v.currency) THEN sum(v.charge) - sum(v.cost) END AS margin
	FROM aiusage.rollup_owner_visible v
	GROUP BY 1, 2, 3
) u
LEFT JOIN aiusage.team t ON t.team = u.team
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.cost_center_usage WITH (security_barrier) AS
SELECT u.day, u.cost_center, coalesce(c.name, u.cost_center) AS cost_center_name, u.currency,
	{measures},
	{as_of}
FROM (
	SELECT
		v.day,
		coalesce(v.cost_center, '(unmatched)') AS cost_center,
		v.currency,
		{sums},
		CASE WHEN bool_and(v.list_currency = v.currency) THEN sum(v.list_cost) END AS list_cost,
		CASE WHEN bool_and(v.charge_currency = v.currency) IS NOT FALSE THEN sum(v.charge) END AS charge,
		CASE WHEN bool_and(v.charge_currency = v.currency) THEN sum(v.charge) - sum(v.cost) END AS margin
	FROM aiusage.rollup_owner_visible v
	GROUP BY 1, 2, 3
) u
LEFT JOIN aiusage.cost_center c ON c.cost_center = u.cost_center
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.invoice_period_usage WITH (security_barrier) AS
SELECT u.period,
	CASE WHEN e.known THEN aiusage.period_label(u.period::int) END AS label,
	CASE WHEN e.known THEN aiusage.period_starts_on(u.period::int) END AS starts_on,
	CASE WHEN e.known THEN aiusage.period_ends_on(u.period::int) END AS ends_on,
	coalesce(p.status, 'open') AS status,
	u.team, coalesce(t.name, u.team) AS team_name,
	u.cost_center, coalesce(c.name, u.cost_center) AS cost_center_name, u.currency,
	{measures},
	{as_of}
FROM (
	SELECT
		v.invoice_period::bigint AS period,
		coalesce(v.team, '(unmatched)') AS team,
		coalesce(v.cost_center, '(unmatched)') AS cost_center,
		v.currency,
		{sums},
		CASE WHEN bool_and(v.list_currency = v.currency) THEN sum(v.list_cost) END AS list_cost,
		CASE WHEN bool_and(v.charge_currency = v.currency) IS NOT FALSE THEN sum(v.charge) END AS charge,
		CASE WHEN bool_and(v.charge_currency = v.currency) THEN sum(v.charge) - sum(v.cost) END AS margin
	FROM aiusage.rollup_owner_visible v
	GROUP BY 1, 2, 3, 4
) u
-- a period follows from its number and calendar; it has a row only once something is to be said about it
CROSS JOIN LATERAL (SELECT aiusage.period_exists(u.period::int) AS known) e
LEFT JOIN aiusage.invoice_period p ON p.period = u.period
LEFT JOIN aiusage.team t ON t.team = u.team
LEFT JOIN aiusage.cost_center c ON c.cost_center = u.cost_center
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.customer_usage WITH (security_barrier) AS
SELECT u.day, u.customer, coalesce(c.name, u.customer) AS customer_name, u.currency, u.charge_currency,
	{measures},
	{as_of}
FROM (
	SELECT
		v.day,
		coalesce(v.effective_customer, '(none)') AS customer,
		v.currency,
		v.charge_currency,
		{sums},
		CASE WHEN bool_and(v.list_currency = v.currency) THEN sum(v.list_cost) END AS list_cost,
		sum(v.charge) AS charge,
		CASE WHEN bool_and(v.charge_currency = v.currency) THEN sum(v.charge) - sum(v.cost) END AS margin
	FROM aiusage.rollup_daily_visible v
	GROUP BY 1, 2, 3, 4
) u
LEFT JOIN aiusage.customer c ON c.customer = u.customer
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.usage_daily WITH (security_barrier) AS
SELECT u.day, u.api_key, u.assignment, u.team, u.cost_center, u.project, u.environment,
	u.provider, u.model, u.endpoint, u.service_tier, u.region, u.customer, u.workflow, u.status, u.status_class, u.invoice_period,
	u.currency, u.list_currency, u.charge_currency, u.tags,
	{tags},
	{measures},
	{as_of}
FROM (
	SELECT
		v.day,
		v.api_key,
		v.assignment,
		coalesce(v.team, '(unmatched)') AS team,
		coalesce(v.cost_center, '(unmatched)') AS cost_center,
		v.project,
		v.environment,
		v.provider,
		v.model,
		v.endpoint,
		v.service_tier,
		v.region,
		v.effective_customer AS customer,
		v.effective_workflow AS workflow,
		v.status::text AS status,
		v.invoice_period::bigint AS invoice_period,
		v.currency,
		v.list_currency,
		v.charge_currency,
		v.status_class,
		v.tags,
		{sums},
		sum(v.list_cost) AS list_cost, sum(v.charge) AS charge,
		CASE WHEN bool_and(v.charge_currency = v.currency) THEN sum(v.charge) - sum(v.cost) END AS margin
	FROM aiusage.rollup_daily_visible v
	GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21
) u
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.usage_hourly WITH (security_barrier) AS
SELECT u.hour, u.api_key, u.assignment, u.team, u.cost_center, u.project, u.environment,
	u.provider, u.model, u.endpoint, u.service_tier, u.region, u.customer, u.workflow, u.status, u.status_class, u.invoice_period,
	u.currency, u.list_currency, u.charge_currency, u.tags,
	{tags},
	{measures},
	{as_of}
FROM (
	SELECT
		date_bin('1 hour', v.bucket, '2000-01-01 00:00:00+00') AS hour,
		v.api_key,
		v.assignment,
		coalesce(v.team, '(unmatched)') AS team,
		coalesce(v.cost_center, '(unmatched)') AS cost_center,
		v.project,
		v.environment,
		v.provider,
		v.model,
		v.endpoint,
		v.service_tier,
		v.region,
		v.effective_customer AS customer,
		v.effective_workflow AS workflow,
		v.status::text AS status,
		v.invoice_period::bigint AS invoice_period,
		v.currency,
		v.list_currency,
		v.charge_currency,
		v.status_class,
		v.tags,
		{sums},
		sum(v.list_cost) AS list_cost, sum(v.charge) AS charge,
		CASE WHEN bool_and(v.charge_currency = v.currency) THEN sum(v.charge) - sum(v.cost) END AS margin
	FROM aiusage.rollup_visible v
	GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21
) u
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.line_items WITH (security_barrier) AS
SELECT u.day, u.team, coalesce(t.name, u.team) AS team_name,
	u.cost_center, coalesce(c.name, u.cost_center) AS cost_center_name,
	u.provider, u.model, l.unit, l.used AS used_quantity, l.quantity, l.cost,
	l.cost / nullif(l.quantity, 0) AS average_rate, u.currency,
	{as_of}
FROM (
	SELECT v.day, coalesce(v.team, '(unmatched)') AS team, coalesce(v.cost_center, '(unmatched)') AS cost_center,
		v.provider, v.model, v.currency,
		aiusage.sum(v.usage) AS usage, aiusage.sum(v.usage_reversed) AS usage_reversed,
		aiusage.sum(v.billed) AS billed, aiusage.sum(v.billed_reversed) AS billed_reversed,
		aiusage.sum(v.cost_by_unit) AS cost_by_unit
	FROM aiusage.rollup_daily_visible v
	GROUP BY 1, 2, 3, 4, 5, 6
) u
CROSS JOIN LATERAL (
	SELECT x.unit, sum(x.used) AS used, sum(x.quantity) AS quantity, sum(x.cost) AS cost
	FROM (
		SELECT n.unit, n.quantity, 0::numeric, 0::numeric FROM aiusage.unnest_usage(u.usage) n
		UNION ALL
		SELECT n.unit, - n.quantity, 0::numeric, 0::numeric FROM aiusage.unnest_usage(u.usage_reversed) n
		UNION ALL
		SELECT n.unit, 0::numeric, n.quantity, 0::numeric FROM aiusage.unnest_usage(u.billed) n
		UNION ALL
		SELECT n.unit, 0::numeric, - n.quantity, 0::numeric FROM aiusage.unnest_usage(u.billed_reversed) n
		UNION ALL
		SELECT n.unit, 0::numeric, 0::numeric, n.cost FROM aiusage.unnest_costs(u.cost_by_unit) n
	) x (unit, used, quantity, cost)
	GROUP BY x.unit
) l
LEFT JOIN aiusage.team t ON t.team = u.team
LEFT JOIN aiusage.cost_center c ON c.cost_center = u.cost_center
		$view$,
		-- For customers: what they used and what they are charged, never cost or margin,
		-- nor which provider served them.
		$view$
CREATE OR REPLACE VIEW aiusage.customer_charges WITH (security_barrier) AS
SELECT u.day, u.customer, coalesce(c.name, u.customer) AS customer_name, u.currency,
	u.requests, u.errors,
	u.input_tokens, u.cache_read_tokens, u.cache_write_tokens, u.output_tokens, u.reasoning_tokens,
	u.input_audio_tokens, u.output_audio_tokens, u.web_searches, u.charge,
	{as_of}
FROM (
	SELECT v.day, coalesce(v.customer, a.customer) AS customer, v.charge_currency AS currency,
		sum(v.requests)::bigint AS requests, sum(v.errors)::bigint AS errors,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'input_tokens') AS input_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'cache_read_tokens') AS cache_read_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'cache_write_tokens') AS cache_write_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'output_tokens') AS output_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'output_reasoning_tokens') AS reasoning_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'input_audio_tokens') AS input_audio_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'output_audio_tokens') AS output_audio_tokens,
		aiusage.net_quantity(aiusage.sum(v.usage), aiusage.sum(v.usage_reversed), 'web_searches') AS web_searches,
		sum(v.charge) AS charge
	FROM aiusage.rollup_daily_live v
	LEFT JOIN aiusage.key_assignment a ON a.assignment = v.assignment
	WHERE coalesce(v.customer, a.customer) IS NOT NULL
		AND ((SELECT aiusage.sees_everything())
			OR coalesce(v.customer, a.customer) = ANY ((SELECT aiusage.visible_customer_charges())::text[]))
	GROUP BY 1, 2, 3
) u
LEFT JOIN aiusage.customer c ON c.customer = u.customer
		$view$
	]
	LOOP
		definition := replace(replace(replace(replace(definition, '{sums}', btrim(sums, E' \n\t')),
			'{measures}', btrim(measures, E' \n\t')), '{as_of}', btrim(as_of, E' \n\t')), '{tags}', tags);
		EXECUTE definition;
	END LOOP;
END
$views$;

COMMENT ON VIEW aiusage.team_usage IS
	'Usage and cost a day and team, live. Grain: one row a (day, team, currency)';
COMMENT ON VIEW aiusage.cost_center_usage IS
	'Usage and cost a day and cost center, live. Grain: one row a (day, cost_center, currency)';
COMMENT ON VIEW aiusage.invoice_period_usage IS
	'Usage and cost an invoice period, team and cost center, live: what is billed, so late usage of a closed period is in the next open one. Grain: one row a (period, team, cost_center, currency)';
COMMENT ON VIEW aiusage.provider_usage IS
	'Usage and cost a day and provider, live. Grain: one row a (day, provider, currency)';
COMMENT ON VIEW aiusage.endpoint_usage IS
	'Usage and cost a day, provider, endpoint, service tier and region, live. Grain: one row a (day, provider, endpoint, service_tier, region, currency)';
COMMENT ON VIEW aiusage.status_usage IS
	'Usage and cost a day and model by how the requests ended, live. Grain: one row a (day, provider, model, status, status_class, currency)';
COMMENT ON VIEW aiusage.project_usage IS
	'Usage and cost a day and project of a team, live. Grain: one row a (day, team, project, currency)';
COMMENT ON VIEW aiusage.environment_usage IS
	'Usage and cost a day and environment, live. Grain: one row a (day, environment, currency)';
COMMENT ON VIEW aiusage.tag_usage IS
	'Usage and cost a day and value of a declared tag, live: the values of each tag, (none) included, add up to all usage, so look at one tag at a time. Grain: one row a (day, tag, value, team, currency)';
COMMENT ON VIEW aiusage.key_usage IS
	'Usage and cost a day and key, live. Grain: one row a (day, api_key, currency)';
COMMENT ON VIEW aiusage.model_usage IS
	'Usage and cost a day and model as served, live. Grain: one row a (day, provider, model, currency)';
COMMENT ON VIEW aiusage.workflow_usage IS
	'Usage and cost a day and workflow, live. Grain: one row a (day, workflow, currency)';
COMMENT ON VIEW aiusage.customer_usage IS
	'Usage, cost and charge a day and customer, live, for those who may see cost (a customer may not: its access is by charge only). Grain: one row a (day, customer, currency, charge_currency)';
COMMENT ON VIEW aiusage.usage_daily IS
	'Usage and cost a business day in every dimension, live. Grain: one row a (day, assignment, invoice_period, api_key, provider, model, endpoint, service_tier, region, customer, workflow, status, status_class, tags, currency, list_currency, charge_currency)';
COMMENT ON VIEW aiusage.usage_hourly IS
	'Usage and cost an hour (UTC) in every dimension, live. Grain: one row a (hour, assignment, invoice_period, api_key, provider, model, endpoint, service_tier, region, customer, workflow, status, status_class, tags, currency, list_currency, charge_currency)';
COMMENT ON VIEW aiusage.line_items IS
	'What a day''s cost is made of, unit by unit, live. Grain: one row a (day, team, cost_center, provider, model, unit, currency)';
COMMENT ON VIEW aiusage.customer_charges IS
	'Usage and charge a day and customer, live: what a customer may see of itself. Grain: one row a (day, customer, currency)';

-- The same column means the same everywhere: what it means is said once here,
-- and exceptions (view.column) win.
DO $comments$
DECLARE
	r record;
BEGIN
	FOR r IN
		WITH meaning(name, text) AS (VALUES
			('day', 'Business day, in the time zone of the row''s billing calendar'),
			('hour', 'Start of the hour, on whole hours of UTC'),
			('team', 'Team that owned the key at the time; (unmatched): none did'),
			('team_name', 'Name of the team today; a rename is not a move'),
			('cost_center', 'Cost center that owned the key at the time; (unmatched): none did'),
			('cost_center_name', 'Name of the cost center today'),
			('customer_name', 'Name of the customer today'),
			('project', 'Project of the assignment; NULL: not said'),
			('environment', 'Environment of the assignment; NULL: not said'),
			('period', 'Number of the invoice period: calendar * 100000 + its place in the calendar'),
			('label', 'Name of the period: 2023-11, 2023-Q4, 2023-W47, a first day, or the label it was given'),
			('starts_on', 'First day of the period, in its calendar''s time zone; NULL: the period is of no calendar'),
			('ends_on', 'Day after the last day of the period'),
			('api_key', 'Key, by its label'),
			('assignment', 'Assignment of the key at the time (aiusage.key_assignment); NULL: unmatched'),
			('provider', 'Provider'),
			('model', 'Model as served'),
			('endpoint', 'Endpoint; NULL: not said'),
			('service_tier', 'Service tier as served; NULL: not said'),
			('region', 'Region; NULL: not said'),
			('workflow', 'Workflow that the request named, else its assignment''s'),
			('customer', 'Customer that the request named, else its assignment''s'),
			('invoice_period', 'Number of the invoice period the usage is billed in'),
			('currency', 'Currency of cost and its parts (ISO 4217)'),
			('list_currency', 'Currency of list_cost (ISO 4217)'),
			('charge_currency', 'Currency of charge (ISO 4217); NULL: nothing is charged'),
			('requests', 'Requests: usage rows less reversals, each attempt one'),
			('errors', 'Requests whose status is not success (error, timeout or cancelled)'),
			('retries', 'Repeated attempts: requests with attempt above 1, plus attempts inside an SDK that have no row'),
			('fallbacks', 'Requests that stood in for another model or route'),
			('cache_hits', 'Requests answered from the gateway''s own cache'),
			('accepted', 'Accepted results, those reported later included'),
			('unpriced', 'Requests without a price: their cost is unknown, so it is missing in every amount here'),
			('unmatched', 'Requests whose key nobody owned at the time'),
			('input_tokens', 'Input tokens, cached and audio tokens included; NULL: does not fit a bigint'),
			('cache_read_tokens', 'Input tokens read from the provider''s cache, part of input_tokens; NULL: does not fit a bigint'),
			('cache_write_tokens', 'Input tokens written to the provider''s cache, part of input_tokens; NULL: does not fit a bigint'),
			('output_tokens', 'Output tokens, reasoning and audio tokens included; NULL: does not fit a bigint'),
			('reasoning_tokens', 'Reasoning tokens (unit output_reasoning_tokens), part of output_tokens; NULL: does not fit a bigint'),
			('input_audio_tokens', 'Audio input tokens, part of input_tokens; NULL: does not fit a bigint'),
			('output_audio_tokens', 'Audio output tokens, part of output_tokens; NULL: does not fit a bigint'),
			('web_searches', 'Web searches made by the provider; NULL: does not fit a bigint'),
			('cost', 'Cost, corrections included'),
			('failed_cost', 'Part of cost: requests that did not succeed'),
			('retry_cost', 'Part of cost: attempts above 1'),
			('fallback_cost', 'Part of cost: requests that stood in for another model or route'),
			('estimated_cost', 'Part of cost: from estimated usage, may still be corrected'),
			('list_cost', 'What the same usage costs at list prices; NULL: some of it has list prices in another currency than currency'),
			('charge', 'What is charged for it by charge books, 0 where nothing is; NULL: some of it is charged in another currency than currency'),
			('margin', 'charge - cost; what is not charged, or has no price yet, counts as 0; NULL: nothing is charged, or some of it in another currency than currency'),
			('as_of', 'Everything committed before this time is included; on a standby: as far as it has replayed (NULL: nothing since it started)'),
			('unit', 'Unit of usage'),
			('used_quantity', 'Quantity of the unit as reported, less reversals; totals include their parts (cached tokens are part of input_tokens)'),
			('quantity', 'Quantity billed under the unit, less reversals: exclusive of what more specific units bill (cached tokens are not in input_tokens here); 0: covered by another unit, or not priced'),
			('average_rate', 'cost / quantity: what one unit was billed at on average; NULL: nothing billed'),
			('invoice_period_usage.status', 'open, closing, closed or invoiced (aiusage.invoice_period)'),
			('status', 'How the requests ended: success, error, timeout or cancelled'),
			('status_class', 'Class of the HTTP status: 1xx to 5xx; NULL: not said'),
			('tags', 'Tags that were declared at the time, as a JSON object of strings; NULL: none of them'),
			('tag_N', 'Value of the declared tag in this slot (aiusage.declared_tag says which); NULL: no such tag, or not declared at the time'),
			('tag', 'Name of a tag that is or was declared (aiusage.declared_tag)'),
			('value', 'Value of the tag; (none): the request had no such tag, or it was not declared at the time; (other): a value that is not kept apart'),
			('endpoint_usage.endpoint', 'Endpoint; (none): not said'),
			('endpoint_usage.service_tier', 'Service tier as served; (none): not said'),
			('endpoint_usage.region', 'Region; (none): not said'),
			('status_usage.status_class', 'Class of the HTTP status: 1xx to 5xx; (none): not said'),
			('project_usage.project', 'Project of the assignment; (none): not said'),
			('environment_usage.environment', 'Environment of the assignment; (none): not said'),
			('usage_daily.list_cost', 'What the same usage costs at list prices, in list_currency'),
			('usage_hourly.list_cost', 'What the same usage costs at list prices, in list_currency'),
			('usage_daily.charge', 'What is charged for it by charge books, in charge_currency; 0 where nothing is'),
			('usage_hourly.charge', 'What is charged for it by charge books, in charge_currency; 0 where nothing is'),
			('customer_usage.charge', 'What the customer is charged, in charge_currency; 0 where nothing is'),
			('customer_usage.customer', 'Customer that the request named, else its assignment''s; (none): no customer'),
			('workflow_usage.workflow', 'Workflow that the request named, else its assignment''s; (none): no workflow'),
			('usage_daily.customer', 'Customer that the request named, else its assignment''s; NULL: none'),
			('usage_hourly.customer', 'Customer that the request named, else its assignment''s; NULL: none'),
			('usage_daily.workflow', 'Workflow that the request named, else its assignment''s; NULL: none'),
			('usage_hourly.workflow', 'Workflow that the request named, else its assignment''s; NULL: none'),
			('customer_charges.currency', 'Currency of charge (ISO 4217); NULL: nothing is charged'),
			('customer_charges.charge', 'What the customer is charged, in currency; 0 where nothing is'),
			('line_items.cost', 'Cost of the unit, corrections included; the lines of a day add up to its cost')
		)
		SELECT c.relname, a.attname, coalesce(s.text, m.text) AS text
		FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		LEFT JOIN meaning m ON m.name = regexp_replace(a.attname, '^tag_[1-8]$', 'tag_N')
		LEFT JOIN meaning s ON s.name = c.relname || '.' || a.attname
		WHERE c.relnamespace = 'aiusage'::regnamespace
			AND c.relname IN ('team_usage', 'cost_center_usage', 'invoice_period_usage', 'key_usage', 'model_usage',
				'workflow_usage', 'project_usage', 'environment_usage', 'provider_usage', 'endpoint_usage', 'status_usage', 'tag_usage',
				'customer_usage', 'usage_daily', 'usage_hourly', 'line_items', 'customer_charges')
	LOOP
		EXECUTE format('COMMENT ON COLUMN aiusage.%I.%I IS %L', r.relname, r.attname, r.text);
	END LOOP;
END
$comments$;
