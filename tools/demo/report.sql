\set QUIET on
\pset null '-'
\pset footer off
-- A sum in which nothing could be priced is not zero: it is not known.
\set cost 'CASE WHEN sum(unpriced) < sum(requests) THEN trim_scale(sum(cost)) END AS cost, currency, sum(unpriced) AS unpriced'
\echo
\echo by team (aiusage.team_usage):
SELECT team, team_name, sum(requests) AS requests, sum(errors) AS errors, sum(retries) AS retries,
	sum(input_tokens) AS input_tokens, sum(cache_read_tokens) AS cached, sum(output_tokens) AS output_tokens, sum(reasoning_tokens) AS reasoning,
	:cost, trim_scale(sum(failed_cost)) AS failed_cost
FROM aiusage.team_usage GROUP BY team, team_name, currency ORDER BY sum(cost) DESC, team;
\echo by cost center (aiusage.cost_center_usage):
SELECT cost_center, cost_center_name, sum(requests) AS requests, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, :cost
FROM aiusage.cost_center_usage GROUP BY cost_center, cost_center_name, currency ORDER BY sum(cost) DESC, cost_center;
\echo by invoice period, team and cost center (aiusage.invoice_period_usage):
SELECT label AS period, status, team, cost_center, sum(requests) AS requests, :cost
FROM aiusage.invoice_period_usage GROUP BY period, label, status, team, cost_center, currency ORDER BY period, sum(cost) DESC, team, cost_center;
\echo by model (aiusage.model_usage):
SELECT provider, model, sum(requests) AS requests, :cost
FROM aiusage.model_usage GROUP BY provider, model, currency ORDER BY sum(cost) DESC, provider, model;
\echo unmatched: keys that nobody owned
SELECT api_key, count(*) AS requests, min(occurred_at) AS first, max(occurred_at) AS last, trim_scale(sum(cost)) AS cost, currency
FROM aiusage.usage_log WHERE unmatched GROUP BY api_key, currency ORDER BY api_key;
\echo unpriced: what no price book could price, and why
SELECT provider, model, unpriced_reason, count(*) AS requests, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
FROM aiusage.usage_log WHERE cost_state = 'unpriced' AND kind = 'usage' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
\echo the dearest row, explained (aiusage.explain_row):
SELECT coalesce((SELECT id FROM aiusage.usage_log ORDER BY cost DESC NULLS LAST, id LIMIT 1)::text, '') AS dearest \gset
SELECT l.id, l.occurred_at, l.api_key, l.team, l.provider, l.model, trim_scale(l.cost) AS cost, l.currency FROM aiusage.usage_log AS l WHERE l.id::text = :'dearest';
SELECT e.* FROM aiusage.usage_log AS l, aiusage.explain_row(l.id) AS e WHERE l.id::text = :'dearest';
