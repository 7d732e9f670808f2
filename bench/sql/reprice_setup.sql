-- The books for the reprice benchmark: 100 keys of 20 teams; every fifth key has a
-- negotiated book and a charge book of its own.  :rows rows of 30 days, a tenth of
-- them of a model that no price is known for.
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT FROM aiusage.init();
CREATE FUNCTION publish(book text, input numeric, cached numeric, output numeric, late numeric) RETURNS int LANGUAGE sql AS $$
	SELECT aiusage.import_prices(book, 'genai-prices', jsonb_build_array(jsonb_build_object('id', 'openai', 'name', 'OpenAI', 'api_pattern', 'openai',
		'models', jsonb_build_array(jsonb_build_object('id', 'bench', 'match', jsonb_build_object('starts_with', 'bench'), 'prices',
				jsonb_strip_nulls(jsonb_build_object('input_mtok', input, 'cache_read_mtok', cached, 'output_mtok', output))))
			|| CASE WHEN late IS NULL THEN '[]' ELSE jsonb_build_array(jsonb_build_object('id', 'late', 'match', jsonb_build_object('equals', 'late'),
				'prices', jsonb_build_object('input_mtok', late, 'output_mtok', late))) END)), '2020-01-01')::int
$$;
INSERT INTO aiusage.price_book (book, kind, currency, inherits) VALUES ('deal', 'cost', 'USD', 'list'), ('bill', 'charge', 'USD', NULL);
SELECT publish('list', 2.5, NULL, 10, NULL), publish('deal', 2, NULL, 8, NULL), publish('bill', 4, NULL, 16, NULL);
SELECT FROM generate_series(1, 100) AS n, aiusage.put_key(jsonb_build_object('key', 'bench-' || n, 'team', 'team-' || n % 20,
	'cost_center', 'cc-' || n % 10, 'environment', 'production', 'valid_from', '2020-01-01T00:00:00Z')
	|| CASE WHEN n % 5 = 0 THEN '{"price_book": "deal", "charge_book": "bill"}'::jsonb ELSE '{}' END);
SELECT FROM aiusage.make_partitions(now() - interval '32 days');
