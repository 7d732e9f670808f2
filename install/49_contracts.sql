/*
 * Contracts: evaluated over the rollups of a period, booked as adjustment rows.
 *
 * Exact: quantities and prices are numeric, a line's amount is quantity x price
 * / per rounded half-even to 1e-12 once, and everything else is sums.
 *
 *     difference = due - booked by rows - adjusted before
 *     due        = lines of the rates + other usage + what is missing to the minimum
 *
 * Adjustment rows have provider "contract", and are no usage that a contract
 * counts.
 */

CREATE FUNCTION aiusage.guard_contract() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF (SELECT b.kind FROM aiusage.price_book AS b WHERE b.book = NEW.book) = 'list' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('price book "%s" holds what providers publish', NEW.book),
			DETAIL = 'A contract adjusts cost or charge.',
			HINT = 'Name a book of kind cost or charge, in the contract''s currency.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_contract() IS 'Trigger: a contract is about a price book of kind cost or charge (UA422)';

CREATE FUNCTION aiusage.quotient(numerator numeric, denominator numeric) RETURNS numeric
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- whole numbers of both, so that div() and the remainder are exact
	shift numeric := 10::numeric ^ (scale(numerator) + scale(denominator) + 1)::numeric;
	n numeric := trim_scale(abs(numerator) * shift * 1000000000000);
	d numeric := trim_scale(abs(denominator) * shift);
	q numeric := div(n, d);
	twice numeric := 2 * (n - q * d);
BEGIN
	IF twice > d OR (twice = d AND mod(q, 2) = 1) THEN
		q := q + 1;
	END IF;
	RETURN sign(numerator) * sign(denominator) * q * 0.000000000001;
END
$$;
COMMENT ON FUNCTION aiusage.quotient(numeric, numeric) IS 'numerator / denominator, exact and then rounded half-even to 12 decimals, as the components of a cost are. Errors: 22012 for a denominator of 0';

CREATE FUNCTION aiusage.label_fits(label text, pattern text) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN pattern IS NULL OR lower(label) OPERATOR(pg_catalog.=) lower(pattern)
		OR (right(pattern, 1) OPERATOR(pg_catalog.=) '*' AND starts_with(lower(label), lower(left(pattern, -1))));
COMMENT ON FUNCTION aiusage.label_fits(text, text) IS 'Whether a label is meant by a pattern: letter case aside, a trailing * stands for anything, NULL is anything';

-- Entering ------------------------------------------------------------------

CREATE FUNCTION aiusage.put_contract(record jsonb) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	r record;
	rate record;
	tier record;
	was jsonb;
BEGIN
	IF record IS NULL OR jsonb_typeof(record) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the record of a contract must be a JSON object',
			HINT = 'For example {"contract": "lab-2026", "book": "negotiated", "key": "finance", "minimum": 1000}.';
	END IF;
	PERFORM aiusage.record_fields_known(record, ARRAY['contract', 'book', 'key', 'provider', 'model', 'team', 'cost_center', 'customer',
		'valid_from', 'valid_to', 'minimum', 'note', 'rates'], 'the record of a contract');
	SELECT x.* INTO r FROM jsonb_to_record(record) AS x (contract text, book text, key text, provider text, model text, team text,
		cost_center text, customer text, valid_from date, valid_to date, minimum numeric, note text, rates jsonb);
	IF r.contract IS NULL OR r.book IS NULL OR r.key IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a contract needs contract, book and key',
			DETAIL = 'Its name, the price book it is about, and the key that its adjustments are booked on.',
			HINT = 'For example {"contract": "openai 2027", "book": "negotiated", "key": "true-up", ...}; docs/contracts.md has whole ones.';
	END IF;
	IF r.rates IS NOT NULL AND jsonb_typeof(r.rates) <> 'array' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'field "rates" of a contract must be a list of objects',
			HINT = 'Each says a unit, a kind and its tiers; docs/contracts.md has examples.';
	END IF;
	IF coalesce(jsonb_array_length(r.rates), 0) = 0 AND r.minimum IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('contract "%s" says nothing', left(r.contract, 64)),
			HINT = 'Give it rates, a minimum, or both.';
	END IF;

	PERFORM pg_advisory_xact_lock(hashtextextended('aiusage.put_contract ' || r.contract, 0));
	was := aiusage.contract_record(r.contract);
	DELETE FROM aiusage.contract_rate AS x WHERE x.contract = r.contract;
	INSERT INTO aiusage.contract AS c (contract, book, api_key, provider, model, team, cost_center, customer, valid_from, valid_to, minimum, note)
	VALUES (r.contract, r.book, r.key, r.provider, r.model, r.team, r.cost_center, r.customer, coalesce(r.valid_from, '-infinity'), r.valid_to,
		r.minimum, r.note)
	ON CONFLICT (contract) DO UPDATE SET book = excluded.book, api_key = excluded.api_key, provider = excluded.provider, model = excluded.model,
		team = excluded.team, cost_center = excluded.cost_center, customer = excluded.customer, valid_from = excluded.valid_from,
		valid_to = excluded.valid_to, minimum = excluded.minimum, note = excluded.note
		WHERE to_jsonb(c) - 'created_at' - 'created_by' IS DISTINCT FROM to_jsonb(excluded) - 'created_at' - 'created_by';

	FOR rate IN SELECT e.value AS j, e.ordinality AS n FROM jsonb_array_elements(r.rates) WITH ORDINALITY AS e LOOP
		PERFORM aiusage.record_fields_known(rate.j, ARRAY['unit', 'provider', 'model', 'method', 'free', 'tiers'], 'a rate of a contract');
		IF jsonb_typeof(rate.j -> 'tiers') IS DISTINCT FROM 'array' OR rate.j -> 'tiers' = '[]' THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('rate %s of contract "%s" has no tiers', rate.n, left(r.contract, 64)),
				HINT = 'For example "tiers": [{"price": 3, "per": 1000000}, {"starts": 50000000, "price": 2, "per": 1000000}].';
		END IF;
		IF rate.j ->> 'method' = 'package' AND jsonb_array_length(rate.j -> 'tiers') > 1 THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('rate %s of contract "%s" is a package and has several tiers', rate.n, left(r.contract, 64)),
				HINT = 'A package has one price, for `per` of the unit.';
		END IF;
		INSERT INTO aiusage.contract_rate (contract, rate, unit, provider, model, method, free)
		SELECT r.contract, rate.n, x.unit, x.provider, x.model, coalesce(x.method, 'graduated'), coalesce(x.free, 0)
		FROM jsonb_to_record(rate.j) AS x (unit text, provider text, model text, method text, free numeric);
		FOR tier IN SELECT e.value AS j, e.ordinality AS n FROM jsonb_array_elements(rate.j -> 'tiers') WITH ORDINALITY AS e LOOP
			PERFORM aiusage.record_fields_known(tier.j, ARRAY['starts', 'price', 'per', 'flat'], 'a tier of a contract');
			INSERT INTO aiusage.contract_tier (contract, rate, starts, price, per, flat)
			SELECT r.contract, rate.n, coalesce(x.starts, 0), x.price, coalesce(x.per, 1), coalesce(x.flat, 0)
			FROM jsonb_to_record(tier.j) AS x (starts numeric, price numeric, per numeric, flat numeric);
		END LOOP;
		IF NOT EXISTS (SELECT FROM aiusage.contract_tier AS t WHERE t.contract = r.contract AND t.rate = rate.n AND t.starts = 0) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('rate %s of contract "%s" has no price for the first unit', rate.n, left(r.contract, 64)),
				HINT = 'The first tier starts at 0.';
		END IF;
	END LOOP;
	RETURN aiusage.contract_record(r.contract) IS DISTINCT FROM was;
END
$$;
COMMENT ON FUNCTION aiusage.put_contract(jsonb) IS 'Enters a contract, or changes it to the whole record given: contract (its name), book, key; provider, model, team, cost_center, customer (what it covers; all when left out); valid_from, valid_to (days on which periods begin); minimum; note; rates, a list of {unit, provider, model, method (graduated, volume, package), free, tiers: [{starts, price, per, flat}]}. True when something changed. Closed periods stay as they are. Errors: UA422 for a record that is none, 23503 for a book, key or entity that does not exist, 23514 for a value outside its domain';

CREATE FUNCTION aiusage.contract_record(contract text) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('contract', c.contract, 'book', c.book, 'key', c.api_key, 'provider', c.provider, 'model', c.model,
		'team', c.team, 'cost_center', c.cost_center, 'customer', c.customer,
		'valid_from', CASE WHEN isfinite(c.valid_from) THEN c.valid_from END, 'valid_to', c.valid_to, 'minimum', trim_scale(c.minimum), 'note', c.note,
		'rates', (SELECT jsonb_agg(jsonb_build_object('unit', r.unit, 'provider', r.provider, 'model', r.model, 'method', r.method, 'free', trim_scale(r.free),
				'tiers', (SELECT jsonb_agg(jsonb_build_object('starts', trim_scale(t.starts), 'price', trim_scale(t.price), 'per', trim_scale(t.per),
					'flat', trim_scale(t.flat)) ORDER BY t.starts)
					FROM aiusage.contract_tier AS t WHERE t.contract = r.contract AND t.rate = r.rate)) ORDER BY r.rate)
			FROM aiusage.contract_rate AS r WHERE r.contract = c.contract)))
	FROM aiusage.contract AS c WHERE c.contract = contract_record.contract
$$;
COMMENT ON FUNCTION aiusage.contract_record(text) IS 'The record of a contract, as put_contract() takes it; NULL: no such contract';

-- Evaluating ----------------------------------------------------------------

CREATE FUNCTION aiusage.contract_lines(contract text, period int)
	RETURNS TABLE (line int, what text, rate int, unit text, quantity numeric, price numeric, per numeric, amount numeric, currency text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.contract_lines(text, int) IS 'What a contract comes to for a period as it is now, line by line; the amounts add up to what book_contracts() would book. what: free, graduated, volume, package, flat: the rates; other usage: what no rate covers, as rows have it; minimum: what is missing to it; booked by rows and adjusted before: minus. Errors: UA404 for an unknown contract or calendar, UA422 for what is no period';

CREATE FUNCTION aiusage.owner_contract_lines(contract text, period int)
	RETURNS TABLE (line int, what text, rate int, unit text, quantity numeric, price numeric, per numeric, amount numeric, currency text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	p int := owner_contract_lines.period;
	c record;
	q record;
	t record;
	of_charge boolean;
	rated boolean;
	counted jsonb;
	booked numeric;
	other numeric;
	due numeric := 0;
	billable numeric;
	part numeric;
BEGIN
	SELECT x.*, b.kind, b.currency INTO c
	FROM aiusage.contract AS x JOIN aiusage.price_book AS b ON b.book = x.book
	WHERE x.contract = owner_contract_lines.contract;
	IF c.contract IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('contract "%s" does not exist', left(owner_contract_lines.contract, 64)),
			HINT = 'aiusage.put_contract() enters one.';
	END IF;
	IF p IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'no invoice period was given',
			HINT = 'aiusage.period_of(1, now() - interval ''1 month'') is last month''s in the global calendar.';
	END IF;
	PERFORM aiusage.period_label(p);	-- is it one?
	of_charge := c.kind = 'charge';
	rated := EXISTS (SELECT FROM aiusage.contract_rate AS r WHERE r.contract = c.contract);
	line := 0;
	currency := c.currency;

	-- One look at the rollups: quantity of each rate, what rows have booked, and how much of that no rate covers.
	WITH scope AS MATERIALIZED (
		SELECT v.provider, v.model, sum(v.requests) AS requests, sum(v.cost) AS cost, sum(v.charge) AS charge,
			aiusage.sum(v.billed) AS billed, aiusage.sum(v.billed_reversed) AS billed_reversed,
			-- what is charged in one currency may cost in several
			aiusage.sum(v.cost_by_unit) FILTER (WHERE NOT of_charge) AS cost_by_unit
		FROM aiusage.rollup_daily_live AS v
		LEFT JOIN aiusage.key_assignment AS a ON a.assignment = v.assignment
		WHERE v.invoice_period = p AND v.provider <> 'contract'
			AND CASE WHEN of_charge THEN v.charge_currency ELSE v.currency END = c.currency
			AND aiusage.label_fits(v.provider, c.provider) AND aiusage.label_fits(v.model, c.model)
			AND (c.team IS NULL OR a.team = c.team) AND (c.cost_center IS NULL OR a.cost_center = c.cost_center)
			AND (c.customer IS NULL OR coalesce(v.customer, a.customer) = c.customer)
		GROUP BY v.provider, v.model
	), units AS (
		SELECT x.unit, x.quantity, x.cost,
			(SELECT min(r.rate) FROM aiusage.contract_rate AS r WHERE r.contract = c.contract AND r.unit = x.unit
				AND aiusage.label_fits(s.provider, r.provider) AND aiusage.label_fits(s.model, r.model)) AS rate
		FROM scope AS s
		CROSS JOIN LATERAL (
			SELECT n.unit, n.quantity, 0::numeric AS cost FROM aiusage.unnest_usage(s.billed) AS n WHERE n.unit <> 'requests'
			UNION ALL
			SELECT n.unit, - n.quantity, 0 FROM aiusage.unnest_usage(s.billed_reversed) AS n WHERE n.unit <> 'requests'
			UNION ALL
			SELECT 'requests', s.requests, 0
			UNION ALL
			SELECT n.unit, 0, n.cost FROM aiusage.unnest_costs(s.cost_by_unit) AS n
		) AS x
	)
	SELECT (SELECT jsonb_object_agg(g.rate, g.quantity) FROM (SELECT u.rate, sum(u.quantity) AS quantity FROM units AS u WHERE u.rate IS NOT NULL GROUP BY u.rate) AS g),
		coalesce((SELECT sum(CASE WHEN of_charge THEN s.charge ELSE s.cost END) FROM scope AS s), 0),
		coalesce((SELECT sum(u.cost) FROM units AS u WHERE u.rate IS NULL), 0)
	INTO counted, booked, other;
	-- A charge is not known by unit: rates of a charge contract stand for all of it.
	IF of_charge THEN
		other := CASE WHEN rated THEN 0 ELSE booked END;
	END IF;

	FOR q IN SELECT r.*, coalesce((counted ->> r.rate::text)::numeric, 0) AS used
		FROM aiusage.contract_rate AS r WHERE r.contract = c.contract ORDER BY r.rate
	LOOP
		rate := q.rate;
		unit := q.unit;
		billable := greatest(q.used - q.free, 0);
		IF q.free > 0 AND q.used > 0 THEN
			line := line + 1; what := 'free'; quantity := least(q.used, q.free); price := 0; per := NULL; amount := 0;
			RETURN NEXT;
		END IF;
		FOR t IN SELECT x.*, lead(x.starts) OVER (ORDER BY x.starts) AS next
			FROM aiusage.contract_tier AS x WHERE x.contract = c.contract AND x.rate = q.rate ORDER BY x.starts
		LOOP
			CONTINUE WHEN billable <= t.starts;
			IF q.method = 'graduated' THEN
				part := least(billable, t.next) - t.starts;
			ELSIF q.method = 'volume' THEN
				CONTINUE WHEN billable > t.next;
				part := billable;
			ELSE
				part := ceil(billable / t.per);
				-- division of numerics is rounded: the last package may be one too many or too few
				part := part - CASE WHEN (part - 1) * t.per >= billable THEN 1 WHEN part * t.per < billable THEN -1 ELSE 0 END;
			END IF;
			line := line + 1; what := q.method; quantity := trim_scale(part); price := trim_scale(t.price); per := trim_scale(t.per);
			amount := trim_scale(CASE WHEN q.method = 'package' THEN part * t.price ELSE aiusage.quotient(part * t.price, t.per) END);
			due := due + amount;
			RETURN NEXT;
			IF t.flat > 0 THEN
				line := line + 1; what := 'flat'; quantity := 1; price := trim_scale(t.flat); per := NULL; amount := trim_scale(t.flat);
				due := due + amount;
				RETURN NEXT;
			END IF;
		END LOOP;
	END LOOP;

	rate := NULL; unit := NULL; quantity := NULL; price := NULL; per := NULL;
	due := due + other;
	IF other <> 0 THEN
		line := line + 1; what := 'other usage'; amount := trim_scale(other);
		RETURN NEXT;
	END IF;
	IF due < c.minimum THEN
		line := line + 1; what := 'minimum'; price := trim_scale(c.minimum); amount := trim_scale(c.minimum - due);
		RETURN NEXT;
		price := NULL;
	END IF;
	IF booked <> 0 THEN
		line := line + 1; what := 'booked by rows'; amount := trim_scale(- booked);
		RETURN NEXT;
	END IF;
	amount := - (SELECT sum(r.difference) FROM aiusage.contract_run AS r WHERE r.contract = c.contract AND r.period = p AND r.currency = c.currency);
	IF amount <> 0 THEN
		line := line + 1; what := 'adjusted before'; amount := trim_scale(amount);
		RETURN NEXT;
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.owner_contract_lines(text, int) IS 'Body of contract_lines(), for the owner of the books only';

-- Booking -------------------------------------------------------------------

-- Contracts of a period: those whose key is owned in its calendar when it ends.
CREATE FUNCTION aiusage.owner_contracts_of(period int)
	RETURNS TABLE (contract text, assignment bigint)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.contract, a.assignment
	FROM (SELECT aiusage.period_starts_on(owner_contracts_of.period) AS starts_on,
			aiusage.period_ends_at(owner_contracts_of.period) - interval '1 microsecond' AS at) AS p
	JOIN aiusage.contract AS c ON p.starts_on >= c.valid_from AND (c.valid_to IS NULL OR p.starts_on < c.valid_to)
	LEFT JOIN aiusage.key_assignment AS a ON a.api_key = c.api_key AND a.valid_from <= p.at AND (a.valid_to IS NULL OR a.valid_to > p.at)
	LEFT JOIN aiusage.cost_center AS cc ON cc.cost_center = a.cost_center
	WHERE coalesce(cc.calendar, 1) = aiusage.period_calendar(owner_contracts_of.period)
	ORDER BY c.contract COLLATE "C"
$$;
COMMENT ON FUNCTION aiusage.owner_contracts_of(int) IS 'Contracts that are due for a period, with the assignment their adjustments are booked under; for the owner of the books only';

CREATE FUNCTION aiusage.book_contracts(period int, dry_run boolean DEFAULT true)
	RETURNS TABLE (contract text, difference numeric, currency text, record uuid, booked boolean)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.book_contracts(int, boolean) IS 'Evaluates every contract that is due for a period that is over and not closed, and books what it comes to beyond what rows have booked as an adjustment of the period''s last moment. Called again it books the difference only. dry_run (the default) only reports. One row a contract: record is the ledger row, NULL when nothing is or was to be booked. Errors: UA409 when the period is closed, not over or older than what is retained, or above READ COMMITTED; UA404 for an unknown calendar, UA422 for what is no period';

CREATE FUNCTION aiusage.owner_book_contracts(period int, dry_run boolean)
	RETURNS TABLE (contract text, difference numeric, currency text, record uuid, booked boolean)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	p int := owner_book_contracts.period;
	c record;
	k record;
	lines jsonb;
	number bigint;
	done bigint;
	at timestamptz;
BEGIN
	IF p IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'no invoice period was given',
			HINT = 'aiusage.period_of(1, now() - interval ''1 month'') is last month''s in the global calendar.';
	END IF;
	IF dry_run IS FALSE THEN
		IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('cannot correct the ledger in a %s transaction', current_setting('transaction_isolation')),
				HINT = 'Use READ COMMITTED, so that nothing is booked twice.';
		END IF;
		-- No period is closed while we are writing in it, and one books at a time.
		LOCK TABLE aiusage.usage_record IN ROW EXCLUSIVE MODE;
		PERFORM pg_advisory_xact_lock(hashtextextended('aiusage.book_contracts ' || p, 0));
		IF aiusage.period_ends_at(p) > clock_timestamp() OR aiusage.period_status(p) IN ('closed', 'invoiced') THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('invoice period %s is %s', aiusage.period_label(p),
					CASE WHEN aiusage.period_status(p) IN ('closed', 'invoiced') THEN 'closed already' ELSE 'not over' END),
				HINT = CASE WHEN aiusage.period_status(p) IN ('closed', 'invoiced')
					THEN 'Contracts are booked before the period is closed; what was forgotten is an adjustment of the next one.'
					ELSE 'aiusage.contract_lines() says what a contract comes to so far.' END;
		END IF;
		PERFORM aiusage.owner_ensure_period(p);
	END IF;
	at := aiusage.period_ends_at(p) - interval '1 microsecond';
	-- Of a contract that was entered when retention had dropped the period's rows already.
	IF NOT aiusage.owner_takes_rows_of(at) THEN
		IF dry_run IS FALSE THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('invoice period %s is older than what the ledger retains', aiusage.period_label(p)),
				DETAIL = format('Contracts are booked at the last moment of the period, %s; retention has dropped the rows of that time.', at),
				HINT = 'What a contract of that time comes to is an adjustment of the next open period: enter it as a contract of its own, with a minimum, the provider "contract" and the days of that period, and close the old one with force and a reason.';
		END IF;
		RAISE NOTICE 'contracts of invoice period % cannot be booked any more', aiusage.period_label(p)
			USING HINT = 'Retention has dropped the rows of that time. What they come to is an adjustment of the next open period.';
	END IF;

	FOR c IN SELECT x.contract, x.assignment FROM aiusage.owner_contracts_of(p) AS x LOOP
		SELECT x.api_key, x.customer, b.kind, b.currency INTO k
		FROM aiusage.contract AS x JOIN aiusage.price_book AS b ON b.book = x.book WHERE x.contract = c.contract;
		SELECT coalesce(sum(l.amount), 0), coalesce(jsonb_agg(to_jsonb(l) - 'currency'), '[]') INTO difference, lines
		FROM aiusage.owner_contract_lines(c.contract, p) AS l;
		contract := c.contract;
		currency := k.currency;
		record := NULL;
		booked := false;
		IF dry_run IS FALSE AND difference <> 0 THEN
			number := aiusage.owner_open_correction('contract', format('contract "%s" for period %s', c.contract, aiusage.period_label(p)), NULL,
				jsonb_build_object('contract', c.contract, 'period', p, 'difference', difference));
			record := aiusage.uuid_v7(at);
			INSERT INTO aiusage.usage_record (id, occurred_at, recorded_at, cost, charge, assignment, correction, invoice_period,
				status, cost_state, kind, api_key, provider, model, usage, cost_by_unit, customer)
			VALUES (record, at, clock_timestamp(),
				aiusage.amount(CASE WHEN k.kind = 'cost' THEN difference ELSE 0 END, k.currency),
				CASE WHEN k.kind = 'charge' THEN aiusage.amount(difference, k.currency) END,
				c.assignment, number, p, 'success', 'final', 'adjustment', k.api_key, 'contract', c.contract, '{}',
				CASE WHEN k.kind = 'cost' THEN jsonb_build_object(k.currency, jsonb_build_object('contract_adjustment', difference))
					ELSE jsonb_build_object(k.currency, '{}'::jsonb) END::text::aiusage.unit_costs,
				k.customer);
			UPDATE aiusage.correction AS x SET row_count = 1 WHERE x.correction = number;
			INSERT INTO aiusage.contract_run (contract, period, difference, currency, correction, record, ran_by)
			VALUES (c.contract, p, difference, k.currency, number, record, aiusage.acting_role())
			RETURNING run INTO done;
			INSERT INTO aiusage.contract_run_line (run, line, what, rate, unit, quantity, price, per, amount)
			SELECT done, l.line, l.what, l.rate, l.unit, l.quantity, l.price, l.per, l.amount
			FROM jsonb_to_recordset(lines) AS l (line int, what text, rate int, unit text, quantity numeric, price numeric, per numeric, amount numeric);
			booked := true;
		END IF;
		difference := trim_scale(difference);
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION aiusage.owner_book_contracts(int, boolean) IS 'Body of book_contracts(), for the owner of the books only';
