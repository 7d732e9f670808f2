\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
CREATE ROLE gateway LOGIN;
CREATE ROLE finance LOGIN;
\echo aiusage.init():
SELECT action, count(*) AS steps, min(step) AS first, max(step) AS last FROM aiusage.init() GROUP BY action ORDER BY 1;

-- The catalogue that ships with aiusage, effective from 2020 so that old traces have prices.
SELECT aiusage.import_prices('list', 'genai-prices', aiusage.default_catalogue(), '2020-01-01', 'default catalogue') AS version \gset
SELECT v.book, v.version, v.source, v.source_version, v.source_date,
	(SELECT count(*) FROM aiusage.price_model AS m WHERE m.version = v.version) AS models,
	(SELECT count(*) FROM aiusage.price AS p WHERE p.version = v.version) AS prices
FROM aiusage.price_version AS v WHERE v.version = :version;

\o /dev/null
SELECT FROM aiusage.grant_access('gateway', 'gateway');
SELECT FROM aiusage.grant_access('finance', 'analyst');
\o
