-- The key of a trace, and who owns it.
\set QUIET on
SET client_min_messages = warning;
\o /dev/null
SELECT FROM aiusage.put_key(jsonb_build_object('key', :'key', 'class', 'production', 'environment', 'production',
	'team', :'team', 'cost_center', :'cost_center', 'allowed_providers', jsonb_build_array(:'provider')));
\o
