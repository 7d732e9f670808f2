-- A reader's own function in WHERE sees no row that the reader may not see.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
SELECT count(*) > 0 AS books FROM aiusage.init();
SELECT count(aiusage.put_key(jsonb_build_object('key', 'barrier-' || t, 'team', 'barrier-' || t, 'cost_center', 'barrier-' || t,
	'customer', 'barrier-' || t, 'valid_from', '2020-01-01T00:00:00Z'))) AS keys FROM unnest(ARRAY['a', 'b']) t;
INSERT INTO aiusage.usage_record (api_key, provider, model, usage)
SELECT 'barrier-' || t, 'rollup', 'none', '{"input_tokens": 1}' FROM unnest(ARRAY['a', 'b', 'nobody']) t;
CREATE ROLE regress_rollup_barrier;
SELECT aiusage.grant_access('regress_rollup_barrier', 'member', '{"teams": ["barrier-a"]}') AS granted;
CREATE FUNCTION public.rollup_leak(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
	$$ BEGIN RAISE WARNING 'saw %', t; RETURN true; END $$;
\set VERBOSITY terse

-- unfolded, then folded
SET ROLE regress_rollup_barrier;
SELECT team, requests FROM aiusage.team_usage WHERE public.rollup_leak(team);
SELECT cost_center, requests FROM aiusage.cost_center_usage WHERE public.rollup_leak(cost_center);
SELECT api_key, requests FROM aiusage.key_usage WHERE public.rollup_leak(api_key);
SELECT customer, requests FROM aiusage.customer_usage WHERE public.rollup_leak(customer);
RESET ROLE;
SELECT aiusage.refresh() > 0 AS folded;
SET ROLE regress_rollup_barrier;
SELECT team, requests FROM aiusage.team_usage WHERE public.rollup_leak(team);
SELECT team, cost_center, requests FROM aiusage.invoice_period_usage WHERE public.rollup_leak(team);
SELECT api_key, requests FROM aiusage.usage_daily WHERE public.rollup_leak(api_key);
SELECT api_key, requests FROM aiusage.usage_hourly WHERE public.rollup_leak(api_key);
SELECT team, unit, used_quantity FROM aiusage.line_items WHERE public.rollup_leak(team);
-- names of others, through the joins for names
SELECT team_name FROM aiusage.team_usage WHERE public.rollup_leak(team_name);
RESET ROLE;

-- every view for people is a barrier
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind = 'v' AND has_table_privilege('regress_rollup_barrier', c.oid, 'SELECT')
	AND NOT coalesce(c.reloptions @> ARRAY['security_barrier=true'] OR c.reloptions @> ARRAY['security_barrier=on'], false);

SELECT aiusage.revoke_access('regress_rollup_barrier', 'member') AS revoked;
DROP FUNCTION public.rollup_leak(text);
DROP OWNED BY regress_rollup_barrier;
DROP ROLE regress_rollup_barrier;
