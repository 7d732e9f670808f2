/*
 * What aiusage.usage_buckets() and its pages sum (install/53_usage_buckets.sql):
 * the live rollups and, for minutes and users, the ledger itself, as far as
 * the reader may see.  They are read by functions that run as their caller, so
 * each is a security barrier.
 */

CREATE OR REPLACE VIEW aiusage.bucket_base WITH (security_barrier) AS
SELECT (SELECT CASE WHEN min(c.time_zone) = max(c.time_zone) THEN min(c.time_zone) END FROM aiusage.billing_calendar AS c) AS time_zone,
	(SELECT aiusage.id_time(b.retained_from) + interval '1 hour' FROM aiusage.books AS b
		WHERE b.retained_from <> '00000000-0000-0000-0000-000000000000') AS retained_from;
COMMENT ON VIEW aiusage.bucket_base IS 'What buckets of usage can be made of; one row';
COMMENT ON COLUMN aiusage.bucket_base.time_zone IS 'Zone of the business days of every row; NULL: billing calendars are in several zones';
COMMENT ON COLUMN aiusage.bucket_base.retained_from IS 'Since when every row of the ledger is there: what happened before is in the rollups only; NULL: nothing was dropped';

DO $views$
DECLARE
	visible constant text := $text$
		v.team, v.cost_center, v.project, v.environment, v.api_key, v.provider, v.model, v.endpoint, v.service_tier, v.region,
		v.effective_customer AS customer, v.effective_workflow AS workflow, v.status::text AS status, v.currency, v.charge_currency,
		v.requests, v.errors, v.accepted, v.unpriced, v.usage, v.usage_reversed, v.billed, v.billed_reversed, v.cost_by_unit,
		v.cost, v.charge
	$text$;
	owned constant text := $text$
		v.team, v.cost_center, v.currency, v.charge_currency,
		v.requests, v.errors, v.accepted, v.unpriced, v.usage, v.usage_reversed, v.billed, v.billed_reversed, v.cost_by_unit,
		v.cost, v.charge
	$text$;
BEGIN
	EXECUTE format('CREATE OR REPLACE VIEW aiusage.bucket_owners WITH (security_barrier) AS SELECT v.day, %s FROM aiusage.rollup_owner_visible AS v', owned);
	EXECUTE format('CREATE OR REPLACE VIEW aiusage.bucket_days WITH (security_barrier) AS SELECT v.day, %s FROM aiusage.rollup_daily_visible AS v', visible);
	EXECUTE format('CREATE OR REPLACE VIEW aiusage.bucket_quarters WITH (security_barrier) AS SELECT v.bucket AS at, %s FROM aiusage.rollup_visible AS v', visible);
END
$views$;

CREATE OR REPLACE VIEW aiusage.bucket_rows WITH (security_barrier) AS
SELECT v.occurred_at AS at,
	a.team, a.cost_center, a.project, a.environment, v.api_key, v.provider, v.model, v.endpoint, v.service_tier, v.region,
	coalesce(v.customer, a.customer) AS customer, coalesce(v.workflow, a.workflow) AS workflow, v.status::text AS status,
	v.currency, v.charge_currency,
	v.requests, v.errors, v.accepted, v.unpriced, v.usage, v.usage_reversed, v.billed, v.billed_reversed, v.cost_by_unit,
	v.cost, v.charge, v.user_id
FROM aiusage.rollup_source AS v
LEFT JOIN aiusage.key_assignment AS a ON a.assignment = v.assignment
WHERE (SELECT aiusage.sees_everything())
	OR a.team = ANY ((SELECT aiusage.visible_teams())::text[])
	OR a.cost_center = ANY ((SELECT aiusage.visible_cost_centers())::text[])
	OR coalesce(v.customer, a.customer) = ANY ((SELECT aiusage.visible_customers())::text[]);

COMMENT ON VIEW aiusage.bucket_owners IS 'Internal. Business days by team and cost center alone for aiusage.usage_buckets(), limited to what the reader may see; several rows a day and owner';
COMMENT ON VIEW aiusage.bucket_days IS 'Internal. Business days for aiusage.usage_buckets(), limited to what the reader may see; several rows a day and dimension set';
COMMENT ON VIEW aiusage.bucket_quarters IS 'Internal. Quarter hours for aiusage.usage_buckets(), limited to what the reader may see; several rows a quarter hour and dimension set';
COMMENT ON VIEW aiusage.bucket_rows IS 'Internal. The rows of the ledger for aiusage.usage_buckets(), limited to what the reader may see';
