/* Prices: what a usage costs, and why.  The tables are in books/tables/030_prices.sql. */

CREATE FUNCTION aiusage.price_usage(provider text, model text, usage aiusage.usage, at timestamptz,
		service_tier text DEFAULT NULL, endpoint text DEFAULT NULL, region text DEFAULT NULL, book text DEFAULT NULL)
	RETURNS aiusage.amount
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_price_usage';
COMMENT ON FUNCTION aiusage.price_usage(text, text, aiusage.usage, timestamptz, text, text, text, text) IS 'Cost of a usage at a time in a book (NULL: the default book), in the book''s currency, exact to 1e-12. NULL: unpriced, explain_price() says why; also NULL when provider, model, usage or time is. Reads the latest published prices. Errors: UA404 unknown book, UA422 contradictory usage, 22003 out of range';

CREATE FUNCTION aiusage.explain_price(provider text, model text, usage aiusage.usage, at timestamptz,
		service_tier text DEFAULT NULL, endpoint text DEFAULT NULL, region text DEFAULT NULL, book text DEFAULT NULL)
	RETURNS TABLE (unit text, quantity numeric, rate numeric, per numeric, amount numeric, currency text, version int, rule text, why text)
	LANGUAGE c STABLE PARALLEL UNSAFE ROWS 4
	AS 'MODULE_PATHNAME', 'aiu_explain_price';
COMMENT ON FUNCTION aiusage.explain_price(text, text, aiusage.usage, timestamptz, text, text, text, text) IS 'How price_usage() comes to its result: one row a component with the billed quantity, the rate and what it is for, the amount in the currency of the book, the price version and the rule, and why. An unpriced usage gives one row without rate and amount whose why begins with the reason and says what to do. Errors: UA404 unknown book';

CREATE FUNCTION aiusage.explain_price_under(version int, provider text, model text, usage aiusage.usage, at timestamptz,
		service_tier text DEFAULT NULL, endpoint text DEFAULT NULL, region text DEFAULT NULL)
	RETURNS TABLE (unit text, quantity numeric, rate numeric, per numeric, amount numeric, currency text, version int, rule text, why text)
	LANGUAGE c STABLE PARALLEL UNSAFE ROWS 4
	AS 'MODULE_PATHNAME', 'aiu_explain_price_under';
COMMENT ON FUNCTION aiusage.explain_price_under(int, text, text, aiusage.usage, timestamptz, text, text, text) IS 'explain_price() under one given price version, whatever is effective: what a ledger row was booked by, or what a draft would make of it; what its book inherits is that of now. Errors: UA404 unknown version';

CREATE FUNCTION aiusage.explain_rules(provider text, model text, at timestamptz,
		service_tier text DEFAULT NULL, endpoint text DEFAULT NULL, region text DEFAULT NULL, book text DEFAULT NULL,
		known_at timestamptz DEFAULT NULL)
	RETURNS TABLE (book text, version int, provider text, model text, rule int, names text, applies boolean, chosen boolean, why text)
	LANGUAGE c STABLE PARALLEL UNSAFE ROWS 4
	AS 'MODULE_PATHNAME', 'aiu_explain_rules';
COMMENT ON FUNCTION aiusage.explain_rules(text, text, timestamptz, text, text, text, text, timestamptz) IS 'The rules that explain_price() considers for such a request, a row each: where it is from (book, version, provider, model entry), its number, what it is limited to, whether it applies, whether it was chosen, and why or why not. A request that leads to no rules gives one row that says why. known_at: by what was published by then. Errors: UA404 unknown book';

-- What was believed on a day: prices by the versions that had been published by then.

CREATE FUNCTION aiusage.price_usage_known_at(known_at timestamptz, provider text, model text, usage aiusage.usage, at timestamptz,
		service_tier text DEFAULT NULL, endpoint text DEFAULT NULL, region text DEFAULT NULL, book text DEFAULT NULL)
	RETURNS aiusage.amount
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_price_usage_known_at';
COMMENT ON FUNCTION aiusage.price_usage_known_at(timestamptz, text, text, aiusage.usage, timestamptz, text, text, text, text) IS 'price_usage() as it was known at a time: only versions that had been published by then count. NULL: unpriced, as far as was known';

CREATE FUNCTION aiusage.explain_price_known_at(known_at timestamptz, provider text, model text, usage aiusage.usage, at timestamptz,
		service_tier text DEFAULT NULL, endpoint text DEFAULT NULL, region text DEFAULT NULL, book text DEFAULT NULL)
	RETURNS TABLE (unit text, quantity numeric, rate numeric, per numeric, amount numeric, currency text, version int, rule text, why text)
	LANGUAGE c STABLE PARALLEL UNSAFE ROWS 4
	AS 'MODULE_PATHNAME', 'aiu_explain_price_known_at';
COMMENT ON FUNCTION aiusage.explain_price_known_at(timestamptz, text, text, aiusage.usage, timestamptz, text, text, text, text) IS 'explain_price() as it was known at a time: only versions that had been published by then count';

-- Checks of the price tables.

CREATE FUNCTION aiusage.price_match_problem(match jsonb) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_price_match_problem';
COMMENT ON FUNCTION aiusage.price_match_problem(jsonb) IS 'What is wrong with a match expression of prices; NULL: nothing';

CREATE FUNCTION aiusage.price_metric_problem(metric text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_price_metric_problem';
COMMENT ON FUNCTION aiusage.price_metric_problem(text) IS 'What is wrong with the metric of a price tier (registered units joined by + and -); NULL: nothing';

CREATE FUNCTION aiusage.price_time_zone_valid(zone text) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_price_time_zone_valid';
COMMENT ON FUNCTION aiusage.price_time_zone_valid(text) IS 'Whether the server knows the time zone; immutable as far as a CHECK of the price tables is concerned';

CREATE FUNCTION aiusage.price_key_unit(key text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_price_key_unit';
COMMENT ON FUNCTION aiusage.price_key_unit(text) IS 'Unit that a price key of the genai-prices catalogue prices, for example input_tokens for input_mtok; NULL: not a known key';

CREATE FUNCTION aiusage.price_key_per(key text) RETURNS bigint
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_price_key_per';
COMMENT ON FUNCTION aiusage.price_key_per(text) IS 'Quantity of the unit that a price under this key is for, for example 1000000 for input_mtok; NULL: not a known key';
