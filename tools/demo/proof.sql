\set QUIET on
\pset footer off
-- The views are the same before and after the fold; the fold makes them cheap.
SELECT md5(string_agg(u::text, '' ORDER BY u.day, u.team, u.currency)) AS before
FROM (SELECT day, team, requests, input_tokens, output_tokens, cost, currency FROM aiusage.team_usage) AS u \gset
SELECT aiusage.refresh() AS folded \gset
SELECT md5(string_agg(u::text, '' ORDER BY u.day, u.team, u.currency)) = :'before' AS same_before_and_after_the_fold, :folded AS rows_folded
FROM (SELECT day, team, requests, input_tokens, output_tokens, cost, currency FROM aiusage.team_usage) AS u;
\echo aiusage.verify():
SELECT split_part(check_name, ':', 1) AS what, count(*) AS checks, count(*) FILTER (WHERE ok) AS good
FROM aiusage.verify() GROUP BY 1 ORDER BY 1;
SELECT count(*) = 0 AS verified FROM aiusage.verify() WHERE NOT ok \gset
\if :verified
\echo ledger = rollups, components = cost: verified
\else
SELECT * FROM aiusage.verify() WHERE NOT ok;
DO 'BEGIN RAISE EXCEPTION ''verify() found a difference''; END';
\endif
\echo the ledger:
SELECT count(*) AS rows, aiusage.sum(cost)::text AS cost, aiusage.sum(usage)::text AS usage FROM
	(SELECT cost, usage FROM aiusage.usage_record) AS u;
