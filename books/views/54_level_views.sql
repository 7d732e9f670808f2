/*
 * Usage by user, where aiusage.enable_user_usage() has switched it on.
 */

DO $views$
DECLARE
	-- what one ledger row adds, of those that name a user in a time for which users are summed
	definition constant text := $view$
CREATE OR REPLACE VIEW aiusage.{view} AS
{folded}
SELECT {txid} s.day, s.user_id, coalesce(s.assignment, 0) AS assignment, coalesce(s.customer, a.customer, '') AS customer,
	s.currency, coalesce(s.charge_currency, '') AS charge_currency, s.records, s.requests, s.errors, s.accepted, s.unpriced,
	s.cost, s.failed_cost, s.charge, s.usage, s.usage_reversed
FROM aiusage.{source} s
LEFT JOIN aiusage.key_assignment a ON a.assignment = s.assignment
WHERE s.user_id IS NOT NULL
	AND s.occurred_at <@ (SELECT range_agg(tstzrange(l.starts_at, l.ends_at)) FROM aiusage.user_level l)
	$view$;
BEGIN
	EXECUTE replace(replace(replace(replace(definition, '{view}', 'rollup_user_source'), '{source}', 'rollup_source'),
		'{txid}', 's.id, s.txid, s.occurred_at,'), '{folded}', '');
	EXECUTE replace(replace(replace(replace(definition, '{view}', 'rollup_user_live'), '{source}', 'rollup_tail'), '{txid}', ''),
		'{folded}', $folded$
SELECT r.day, r.user_id, r.assignment, r.customer, r.currency, r.charge_currency, r.records, r.requests, r.errors, r.accepted, r.unpriced,
	r.cost, r.failed_cost, r.charge, r.usage, r.usage_reversed
FROM aiusage.rollup_user_daily r
UNION ALL
		$folded$);
END
$views$;

COMMENT ON VIEW aiusage.rollup_user_source IS
	'Internal. What each ledger row that names a user adds to the sums by user; one row a ledger row';
COMMENT ON VIEW aiusage.rollup_user_live IS
	'Internal. rollup_user_daily and the rows that are not folded yet, so exact in every snapshot; several rows a day and user: group them';

CREATE OR REPLACE VIEW aiusage.user_usage WITH (security_barrier) AS
SELECT u.day, u.user_id, u.team, coalesce(t.name, u.team) AS team_name, u.cost_center, u.project, u.customer, u.currency, u.charge_currency,
	u.requests, u.errors, u.accepted, u.unpriced,
	aiusage.net_quantity(u.usage, u.usage_reversed, 'input_tokens') AS input_tokens,
	aiusage.net_quantity(u.usage, u.usage_reversed, 'cache_read_tokens') AS cache_read_tokens,
	aiusage.net_quantity(u.usage, u.usage_reversed, 'output_tokens') AS output_tokens,
	aiusage.net_quantity(u.usage, u.usage_reversed, 'output_reasoning_tokens') AS reasoning_tokens,
	u.cost, u.failed_cost, u.charge,
	(SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE now() END) AS as_of
FROM (
	SELECT l.day, l.user_id, coalesce(a.team, '(unmatched)') AS team, coalesce(a.cost_center, '(unmatched)') AS cost_center, a.project,
		nullif(l.customer, '') AS customer, l.currency, nullif(l.charge_currency, '') AS charge_currency,
		sum(l.requests)::bigint AS requests, sum(l.errors)::bigint AS errors, sum(l.accepted)::bigint AS accepted,
		sum(l.unpriced)::bigint AS unpriced, aiusage.sum(l.usage) AS usage, aiusage.sum(l.usage_reversed) AS usage_reversed,
		sum(l.cost) AS cost, sum(l.failed_cost) AS failed_cost, sum(l.charge) AS charge
	FROM aiusage.rollup_user_live l
	LEFT JOIN aiusage.key_assignment a ON a.assignment = l.assignment
	WHERE (SELECT aiusage.sees_everything())
		OR a.team = ANY ((SELECT aiusage.visible_teams())::text[])
		OR a.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
		OR l.customer = ANY ((SELECT aiusage.visible_customers())::text[])
	GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
) u
LEFT JOIN aiusage.team t ON t.team = u.team;

COMMENT ON VIEW aiusage.user_usage IS
	'Usage and cost a day and user, live, of requests that name a user, from when aiusage.enable_user_usage() switched it on. Grain: one row a (day, user_id, team, cost_center, project, customer, currency, charge_currency)';
COMMENT ON COLUMN aiusage.user_usage.day IS 'Business day, in the time zone of the row''s billing calendar';
COMMENT ON COLUMN aiusage.user_usage.user_id IS 'End user, as the application names it';
COMMENT ON COLUMN aiusage.user_usage.team IS 'Team that owned the key at the time; (unmatched): none did';
COMMENT ON COLUMN aiusage.user_usage.team_name IS 'Name of the team today; a rename is not a move';
COMMENT ON COLUMN aiusage.user_usage.cost_center IS 'Cost center that owned the key at the time; (unmatched): none did';
COMMENT ON COLUMN aiusage.user_usage.project IS 'Project of the assignment; NULL: not said';
COMMENT ON COLUMN aiusage.user_usage.customer IS 'Customer that the request named, else its assignment''s; NULL: none';
COMMENT ON COLUMN aiusage.user_usage.currency IS 'Currency of cost and its parts (ISO 4217)';
COMMENT ON COLUMN aiusage.user_usage.charge_currency IS 'Currency of charge (ISO 4217); NULL: nothing is charged';
COMMENT ON COLUMN aiusage.user_usage.requests IS 'Requests: usage rows less reversals, each attempt one';
COMMENT ON COLUMN aiusage.user_usage.errors IS 'Requests whose status is not success (error, timeout or cancelled)';
COMMENT ON COLUMN aiusage.user_usage.accepted IS 'Accepted results, those reported later included';
COMMENT ON COLUMN aiusage.user_usage.unpriced IS 'Requests without a price: their cost is unknown, so it is missing in every amount here';
COMMENT ON COLUMN aiusage.user_usage.input_tokens IS 'Input tokens, cached and audio tokens included; NULL: does not fit a bigint';
COMMENT ON COLUMN aiusage.user_usage.cache_read_tokens IS 'Input tokens read from the provider''s cache, part of input_tokens; NULL: does not fit a bigint';
COMMENT ON COLUMN aiusage.user_usage.output_tokens IS 'Output tokens, reasoning and audio tokens included; NULL: does not fit a bigint';
COMMENT ON COLUMN aiusage.user_usage.reasoning_tokens IS 'Reasoning tokens (unit output_reasoning_tokens), part of output_tokens; NULL: does not fit a bigint';
COMMENT ON COLUMN aiusage.user_usage.cost IS 'Cost, corrections included';
COMMENT ON COLUMN aiusage.user_usage.failed_cost IS 'Part of cost: requests that did not succeed';
COMMENT ON COLUMN aiusage.user_usage.charge IS 'What is charged for it by charge books, in charge_currency; 0 where nothing is';
COMMENT ON COLUMN aiusage.user_usage.as_of IS 'Everything committed before this time is included; on a standby: as far as it has replayed (NULL: nothing since it started)';
