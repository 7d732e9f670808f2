-- Whose prices a role with a scope is told: those of the default and the list book, and of the books of its scope
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
DO $$ BEGIN PERFORM aiusage.init(); END $$;
SET timezone = 'UTC';
SET datestyle = 'ISO';
INSERT INTO aiusage.price_book (book, kind, currency, inherits) VALUES ('sc_list', 'list', 'USD', NULL), ('sc_std', 'cost', 'USD', 'sc_list'),
	('sc_a', 'cost', 'USD', 'sc_std'), ('sc_b', 'cost', 'USD', 'sc_std'), ('sc_key', 'cost', 'USD', 'sc_std'), ('sc_late', 'cost', 'USD', 'sc_std'), ('sc_cust', 'charge', 'USD', 'sc_list');
SELECT count(aiusage.import_prices(b, 'aiusage', CASE b WHEN 'sc_list' THEN '{"providers": [{"provider": "lab", "models": [{"model": "m", "rules": [{"prices": [{"unit": "requests", "rate": 100}]}]}]}]}'::jsonb
	ELSE jsonb_build_object('providers', '[]'::jsonb, 'overrides', jsonb_build_array(jsonb_build_object('kind', 'discount', 'value', length(b)))) END, '-infinity')) AS books
FROM unnest(ARRAY['sc_list', 'sc_std', 'sc_a', 'sc_b', 'sc_key', 'sc_late', 'sc_cust']) AS b;
SELECT count(aiusage.put_key(k)) AS keys FROM unnest(ARRAY['{"key": "sc-1", "team": "sc-a", "cost_center": "sc-cc", "price_book": "sc_key"}', '{"key": "sc-2", "team": "sc-b", "customer": "sc-cust"}']::jsonb[]) AS k;
SELECT aiusage.assign_book('team', 'sc-a', 'sc_a', valid_from => '-infinity', force => true) > 0 AS a, aiusage.assign_book('team', 'sc-b', 'sc_b', valid_from => '-infinity', force => true) > 0 AS b,
	aiusage.assign_book('customer', 'sc-cust', 'sc_cust', 'charge', valid_from => '-infinity', force => true) > 0 AS charge;
-- the key moves from team a to team b, and gets a new book then: none of team a's business
SELECT aiusage.put_key('{"key": "sc-1", "team": "sc-b", "cost_center": "sc-cc2", "price_book": "sc_key", "valid_from": "2026-06-01"}', force => true) > 0 AS moved,
	aiusage.assign_book('key', 'sc-1', 'sc_late', valid_from => '2026-06-01', force => true) > 0 AS later;
UPDATE aiusage.setting SET value = 'sc_std' WHERE name = 'default_book';
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) SELECT aiusage.event_id('sc' || k, '2026-05-01'), k, 'lab', 'm', '{}' FROM unnest(ARRAY['sc-1', 'sc-2', 'sc-3']) AS k;

CREATE ROLE sc_all; CREATE ROLE sc_member_a; CREATE ROLE sc_analyst_b; CREATE ROLE sc_cc; CREATE ROLE sc_customer; CREATE ROLE sc_gateway;
SELECT aiusage.grant_access('sc_all', 'analyst') AS all, aiusage.grant_access('sc_member_a', 'member', '{"teams": ["sc-a"]}') AS member,
	aiusage.grant_access('sc_analyst_b', 'analyst', '{"teams": ["sc-b"], "customers": ["sc-cust"]}') AS scoped, aiusage.grant_access('sc_cc', 'approver', '{"cost_centers": ["sc-cc"]}') AS cc,
	aiusage.grant_access('sc_customer', 'customer', '{"customers": ["sc-cust"]}') AS customer, aiusage.grant_access('sc_gateway', 'gateway') AS gateway;
CREATE FUNCTION sc_told(asking name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	b text;
	told text := '';
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', asking);
	FOREACH b IN ARRAY ARRAY['sc_list', 'sc_std', 'sc_a', 'sc_b', 'sc_key', 'sc_late', 'sc_cust', 'sc_none'] LOOP
		BEGIN
			PERFORM aiusage.price_usage('lab', 'm', '{}', '2026-05-01', book => b);
			PERFORM aiusage.explain_price('lab', 'm', '{}', '2026-05-01', book => b);
			PERFORM aiusage.explain_rules('lab', 'm', '2026-05-01', book => b);
			PERFORM aiusage.price_usage_known_at('infinity', 'lab', 'm', '{}', '2026-05-01', book => b);
			PERFORM aiusage.explain_price_known_at('infinity', 'lab', 'm', '{}', '2026-05-01', book => b);
			told := concat_ws(' ', told, b);
		EXCEPTION WHEN SQLSTATE 'UA404' THEN
			told := told;
		END;
	END LOOP;
	RETURN told;
EXCEPTION WHEN insufficient_privilege THEN
	RETURN 'may not ask';
END $$;
GRANT EXECUTE ON FUNCTION sc_told(name) TO PUBLIC;
SELECT r AS role, sc_told(r) AS is_told FROM unnest(ARRAY['sc_all', 'sc_member_a', 'sc_analyst_b', 'sc_cc', 'sc_customer', 'sc_gateway']::name[]) AS r;
-- the same for versions; a draft is for those who see everything
SELECT max(version) FILTER (WHERE book = 'sc_a') AS a, max(version) FILTER (WHERE book = 'sc_b') AS b FROM aiusage.price_version \gset
SELECT aiusage.draft_prices('sc_a', '-infinity', copy_from => :a) AS draft \gset
CREATE FUNCTION sc_try(statement text, asking name) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', asking);
	EXECUTE statement;
	RETURN 'told';
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' ', SQLSTATE, regexp_replace(SQLERRM, 'version \d+', 'version N'));
END $$;
SELECT r AS role, sc_try(format('SELECT aiusage.explain_price_under(%s, ''lab'', ''m'', ''{}'', ''2026-05-01'')', :a), r) AS a, sc_try(format('SELECT aiusage.explain_price_under(%s, ''lab'', ''m'', ''{}'', ''2026-05-01'')', :b), r) AS b,
	sc_try(format('SELECT aiusage.explain_price_under(%s, ''lab'', ''m'', ''{}'', ''2026-05-01'')', :draft), r) AS draft
FROM unnest(ARRAY['sc_all', 'sc_member_a', 'sc_analyst_b', 'sc_customer']::name[]) AS r;
-- one's own rows are explained, whatever their book
SELECT r AS role, sc_try(format('SELECT aiusage.explain_row(%L)', aiusage.event_id('sc' || k, '2026-05-01')), r) AS told, k AS key
FROM unnest(ARRAY['sc_all', 'sc_member_a', 'sc_analyst_b', 'sc_cc', 'sc_customer']::name[]) AS r, unnest(ARRAY['sc-1', 'sc-2', 'sc-3']) AS k ORDER BY 1, 3;
-- the tables of prices and assignments are not for them
SELECT sc_try('SELECT FROM aiusage.price_book_assignment', 'sc_member_a') AS member, sc_try('SELECT FROM aiusage.price_override', 'sc_analyst_b') AS scoped, sc_try('SELECT FROM aiusage.price_book_assignment', 'sc_all') AS everything;
-- list cost: the list book's, though the default is another
SELECT api_key, cost, list_cost FROM aiusage.usage_record WHERE api_key LIKE 'sc-%' ORDER BY 1;
UPDATE aiusage.setting SET value = 'list' WHERE name = 'default_book';
SELECT count(aiusage.revoke_access(r::regrole, k)) AS revoked FROM (VALUES ('sc_all', 'analyst'), ('sc_member_a', 'member'), ('sc_analyst_b', 'analyst'), ('sc_cc', 'approver'), ('sc_customer', 'customer'), ('sc_gateway', 'gateway')) AS x (r, k);
DROP FUNCTION sc_told, sc_try;
DROP ROLE sc_all, sc_member_a, sc_analyst_b, sc_cc, sc_customer, sc_gateway;
