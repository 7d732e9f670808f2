/*
 * What aiusage.usage_buckets(), its pages and aiusage.usage_by_day() sum
 * (install/53_bucket_pieces.sql says when which): the live rollups of each level
 * and, for minutes and users, the ledger itself, as far as the reader may see.
 * They are read by functions that run as their caller, so each is a security barrier.
 */

CREATE OR REPLACE VIEW aiusage.bucket_base WITH (security_barrier) AS
SELECT (SELECT CASE WHEN min(c.time_zone) = max(c.time_zone) THEN min(c.time_zone) END FROM aiusage.billing_calendar AS c) AS time_zone,
	(SELECT aiusage.id_time(b.retained_from) + interval '1 hour' FROM aiusage.books AS b
		WHERE b.retained_from <> '00000000-0000-0000-0000-000000000000') AS retained_from,
	(SELECT range_agg(tstzrange(l.starts_at, l.ends_at)) FROM aiusage.user_level AS l) AS users,
	(SELECT array_agg(DISTINCT d.tag COLLATE "C" ORDER BY d.tag COLLATE "C") FROM aiusage.tag_declaration AS d) AS tags;
COMMENT ON VIEW aiusage.bucket_base IS 'Internal. What buckets of usage can be made of, one row: the zone of the business days of every row (NULL: of several); since when every row of the ledger is there (NULL: always); when usage was summed by user; the tags that are or were declared';

CREATE OR REPLACE VIEW aiusage.bucket_calendar WITH (security_barrier) AS
SELECT c.calendar, c.time_zone, CASE WHEN c.unit IN ('month', 'quarter') THEN c.start_day ELSE 1 END AS month_day
FROM aiusage.billing_calendar AS c;
COMMENT ON VIEW aiusage.bucket_calendar IS 'Internal. Billing calendars: the zone of their business days, and the day on which months of the rollups begin there';

DO $views$
DECLARE
	sets constant text := $text$v.team, v.cost_center, v.project, v.environment, v.api_key, v.provider, v.model, v.endpoint, v.service_tier, v.region,
		v.effective_customer AS customer, v.effective_workflow AS workflow, v.status::text AS status, v.tags$text$;
	people constant text := 'v.day, v.team, v.cost_center, v.project, v.environment, v.customer';
	currencies constant text := 'v.currency, v.charge_currency';
	measures constant text := $text$v.records, v.requests, v.errors, v.accepted, v.unpriced, v.cost, v.failed_cost, v.charge, v.usage, v.usage_reversed$text$;
	-- of levels whose rows have a billing calendar
	lines constant text := 'v.billed, v.billed_reversed, v.cost_by_unit, v.invoice_period / 100000 AS calendar';
	definition text;
BEGIN
	FOREACH definition IN ARRAY ARRAY[
		$view$
CREATE OR REPLACE VIEW aiusage.bucket_months WITH (security_barrier) AS
SELECT v.month, {sets}, {currencies}, {measures}, {lines} FROM aiusage.rollup_monthly_visible AS v
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.bucket_weeks WITH (security_barrier) AS
SELECT v.week, {sets}, {currencies}, {measures}, {lines} FROM aiusage.rollup_weekly_visible AS v
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.bucket_days WITH (security_barrier) AS
SELECT v.day, {sets}, {currencies}, {measures}, {lines} FROM aiusage.rollup_daily_visible AS v
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.bucket_quarters WITH (security_barrier) AS
SELECT v.bucket AS at, {sets}, {currencies}, {measures}, {lines} FROM aiusage.rollup_visible AS v
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.bucket_owners WITH (security_barrier) AS
SELECT v.day, v.team, v.cost_center, {currencies}, {measures}, {lines} FROM aiusage.rollup_owner_visible AS v
		$view$,
		$view$
CREATE OR REPLACE VIEW aiusage.bucket_named WITH (security_barrier) AS
SELECT {people}, v.user_id, {currencies}, {measures}
FROM (
	SELECT l.day, a.team, a.cost_center, a.project, a.environment, nullif(l.customer, '') AS customer, l.user_id, l.currency,
		nullif(l.charge_currency, '') AS charge_currency, l.records, l.requests, l.errors, l.accepted, l.unpriced, l.cost, l.failed_cost, l.charge,
		l.usage, l.usage_reversed
	FROM aiusage.rollup_user_live AS l
	LEFT JOIN aiusage.key_assignment AS a ON a.assignment = l.assignment
	WHERE (SELECT aiusage.sees_everything())
		OR a.team = ANY ((SELECT aiusage.visible_teams())::text[])
		OR a.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
		OR l.customer = ANY ((SELECT aiusage.visible_customers())::text[])
) AS v
		$view$,
		-- What names no user is all usage less what names one; what is taken away of usage counts as reversed.
		$view$
CREATE OR REPLACE VIEW aiusage.bucket_people WITH (security_barrier) AS
SELECT {people}, v.user_id, {currencies}, {measures} FROM aiusage.bucket_named AS v
UNION ALL
SELECT {people}, NULL, {currencies}, sum(v.records)::bigint, sum(v.requests)::bigint, sum(v.errors)::bigint, sum(v.accepted)::bigint,
	sum(v.unpriced)::bigint, sum(v.cost), sum(v.failed_cost), sum(v.charge), aiusage.sum(v.usage), aiusage.sum(v.usage_reversed)
FROM (
	SELECT {people}, {currencies}, {measures} FROM aiusage.bucket_days AS v
	UNION ALL
	SELECT {people}, {currencies}, - v.records, - v.requests, - v.errors, - v.accepted, - v.unpriced, - v.cost, - v.failed_cost, - v.charge,
		v.usage_reversed, v.usage
	FROM aiusage.bucket_named AS v
) AS v
GROUP BY {people}, {currencies}
HAVING sum(v.records) <> 0
		$view$
	]
	LOOP
		EXECUTE replace(replace(replace(replace(replace(definition, '{sets}', sets), '{people}', people), '{currencies}', currencies),
			'{measures}', measures), '{lines}', lines);
	END LOOP;
END
$views$;

CREATE OR REPLACE VIEW aiusage.bucket_rows WITH (security_barrier) AS
SELECT v.occurred_at AS at,
	a.team, a.cost_center, a.project, a.environment, v.api_key, v.provider, v.model, v.endpoint, v.service_tier, v.region,
	coalesce(v.customer, a.customer) AS customer, coalesce(v.workflow, a.workflow) AS workflow, v.status::text AS status, v.tags, v.user_id,
	v.currency, v.charge_currency, v.records, v.requests, v.errors, v.accepted, v.unpriced, v.cost, v.failed_cost, v.charge,
	v.usage, v.usage_reversed, v.billed, v.billed_reversed, v.cost_by_unit
FROM aiusage.rollup_source AS v
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = v.assignment
WHERE (SELECT aiusage.sees_everything())
	OR a.team = ANY ((SELECT aiusage.visible_teams())::text[])
	OR a.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
	OR coalesce(v.customer, a.customer) = ANY ((SELECT aiusage.visible_customers())::text[]);

COMMENT ON VIEW aiusage.bucket_months IS 'Internal. Months for aiusage.usage_buckets(), limited to what the reader may see; several rows a month and dimension set';
COMMENT ON VIEW aiusage.bucket_weeks IS 'Internal. Weeks for aiusage.usage_buckets(), limited to what the reader may see; several rows a week and dimension set';
COMMENT ON VIEW aiusage.bucket_days IS 'Internal. Business days for aiusage.usage_buckets(), limited to what the reader may see; several rows a day and dimension set';
COMMENT ON VIEW aiusage.bucket_quarters IS 'Internal. Quarter hours for aiusage.usage_buckets(), limited to what the reader may see; several rows a quarter hour and dimension set';
COMMENT ON VIEW aiusage.bucket_owners IS 'Internal. Business days by team and cost center alone for aiusage.usage_buckets(), limited to what the reader may see; several rows a day and owner';
COMMENT ON VIEW aiusage.bucket_named IS 'Internal. Business days by user for aiusage.usage_buckets(), of requests that name one in the times for which users are summed, limited to what the reader may see; several rows a day and user';
COMMENT ON VIEW aiusage.bucket_people IS 'Internal. aiusage.bucket_named, and with no user_id what names no user in those times, as all usage less that; several rows a day and user';
COMMENT ON VIEW aiusage.bucket_rows IS 'Internal. The rows of the ledger for aiusage.usage_buckets(), limited to what the reader may see';
