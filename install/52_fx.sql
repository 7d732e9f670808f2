/* Exchange rates, and usage in a currency of the report's. */

CREATE FUNCTION aiusage.guard_fx_rate() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		RETURN NEW;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'UA403',
		MESSAGE = 'exchange rates are not changed or deleted',
		DETAIL = 'Reports were made by them, and can be made again.',
		HINT = 'Correct a rate with aiusage.put_fx_rate() for the same day: the last one entered counts.';
END
$$;
COMMENT ON FUNCTION aiusage.guard_fx_rate() IS 'Trigger of aiusage.fx_rate: rows are only added (UA403)';

CREATE FUNCTION aiusage.put_fx_rate(base text, quote text, rate numeric, effective_from date, source text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	present record;
	result bigint;
BEGIN
	PERFORM aiusage.require_books();
	IF base IS NULL OR quote IS NULL OR rate IS NULL OR effective_from IS NULL OR source IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'an exchange rate needs two currencies, the rate, the day from which it holds, and its source',
			HINT = 'For example aiusage.put_fx_rate(''USD'', ''EUR'', 0.92, ''2027-01-01'', ''ECB'').';
	END IF;
	IF base !~ '^[A-Z]{3}$' OR quote !~ '^[A-Z]{3}$' OR base = quote THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('"%s" and "%s" are not two currencies', left(base, 16), left(quote, 16)),
			HINT = 'Currencies are ISO 4217 codes, such as USD and EUR.';
	END IF;
	IF rate <= 0 OR rate > 1000000000000 OR scale(trim_scale(rate)) > 18 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('%s is not an exchange rate', rate),
			HINT = 'It is how many of the second currency one of the first is: positive, with at most 18 decimals.';
	END IF;
	SELECT f.fx_rate, f.rate, f.source INTO present FROM aiusage.fx_rate AS f
	WHERE f.base = put_fx_rate.base AND f.quote = put_fx_rate.quote AND f.effective_from = put_fx_rate.effective_from
	ORDER BY f.fx_rate DESC LIMIT 1;
	IF present.rate = rate AND present.source = source THEN
		RETURN present.fx_rate;
	END IF;
	INSERT INTO aiusage.fx_rate AS f (base, quote, rate, effective_from, source)
	VALUES (base, quote, trim_scale(rate), effective_from, source)
	RETURNING f.fx_rate INTO STRICT result;
	RETURN result;
END
$$;
COMMENT ON FUNCTION aiusage.put_fx_rate(text, text, numeric, date, text) IS 'Enters an exchange rate: how many of quote one of base is, from a day on, and its source; for a day that has one it is a correction. Returns the number of the row; the same again makes none. Errors: UA422';

CREATE FUNCTION aiusage.fx_rate_at(base text, quote text, day date, OUT rate numeric, OUT effective_from date, OUT source text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF base = quote THEN
		rate := 1;
		RETURN;
	END IF;
	SELECT f.rate, f.effective_from, f.source INTO rate, effective_from, source
	FROM aiusage.fx_rate AS f
	WHERE f.base = fx_rate_at.base AND f.quote = fx_rate_at.quote AND f.effective_from <= fx_rate_at.day
	ORDER BY f.effective_from DESC, f.fx_rate DESC LIMIT 1;
END
$$;
COMMENT ON FUNCTION aiusage.fx_rate_at(text, text, date) IS 'Exchange rate of a pair that holds on a day, with the day it holds from and its source; NULL: none is known (an inverse is not computed, since it would not be exact). The same currency: 1, without day and source';

CREATE FUNCTION aiusage.usage_in_currency(report_in text, from_day date, to_day date)
	RETURNS TABLE (day date, team text, cost_center text, customer text, requests bigint, unpriced bigint,
		currency text, cost numeric, cost_rate numeric, cost_rate_from date, cost_rate_source text, reported_cost numeric,
		charge_currency text, charge numeric, charge_rate numeric, charge_rate_from date, charge_rate_source text, reported_charge numeric,
		reported_margin numeric, reporting_currency text)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF usage_in_currency.report_in IS NULL OR usage_in_currency.report_in !~ '^[A-Z]{3}$' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('"%s" is not a currency', left(usage_in_currency.report_in, 16)),
			HINT = 'Currencies are ISO 4217 codes, such as USD and EUR.';
	END IF;
	RETURN QUERY
		WITH u AS (
			SELECT d.day, d.team, d.cost_center, d.customer, d.currency, d.charge_currency,
				sum(d.requests)::bigint AS requests, sum(d.unpriced)::bigint AS unpriced, sum(d.cost) AS cost,
				CASE WHEN d.charge_currency IS NOT NULL THEN sum(d.charge) END AS charge
			FROM aiusage.usage_daily AS d
			WHERE d.day >= coalesce(from_day, '-infinity') AND d.day < coalesce(to_day, 'infinity')
			GROUP BY d.day, d.team, d.cost_center, d.customer, d.currency, d.charge_currency
		), pair AS MATERIALIZED (
			SELECT p.currency, p.day, r.rate, r.effective_from, r.source
			FROM (SELECT u.currency, u.day FROM u UNION SELECT u.charge_currency, u.day FROM u WHERE u.charge_currency IS NOT NULL) AS p,
				LATERAL aiusage.fx_rate_at(p.currency, usage_in_currency.report_in, p.day) AS r
		)
		SELECT u.day, u.team, u.cost_center, u.customer, u.requests, u.unpriced,
			u.currency, u.cost, c.rate, c.effective_from, c.source, u.cost * c.rate,
			u.charge_currency, u.charge, h.rate, h.effective_from, h.source, u.charge * h.rate,
			u.charge * h.rate - u.cost * c.rate, usage_in_currency.report_in
		FROM u
		JOIN pair AS c ON c.currency = u.currency AND c.day = u.day
		LEFT JOIN pair AS h ON h.currency = u.charge_currency AND h.day = u.day
		ORDER BY u.day, u.team, u.cost_center, u.customer, u.currency, u.charge_currency;
END
$$;
COMMENT ON FUNCTION aiusage.usage_in_currency(text, date, date) IS 'usage_daily from a day to before another (NULL: no bound), cost and charge as they were booked and in a reporting currency, each with the exchange rate of the day, the day that holds from and its source. Exact products, not rounded; NULL: no rate is known (then sums leave it out: look for it). margin: of what is charged. Grain: one row a (day, team, cost_center, customer, currency, charge_currency); the caller sees what the views show. Errors: UA422 no currency';
