/*
 * What happens to the books, a random choice each: see shadow.sql.  A choice is
 * made in an order that depends on the seed alone.
 */
SET client_min_messages = warning;

-- A booked call that was not reversed, and is still in the ledger.
CREATE FUNCTION shadow.some_row() RETURNS uuid LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	rows uuid[] := ARRAY(SELECT r.id FROM shadow.record AS r
		WHERE r.kind = 'usage' AND NOT EXISTS (SELECT FROM shadow.record AS x WHERE x.adjusts = r.id AND x.kind = 'reversal')
			AND EXISTS (SELECT FROM aiusage.usage_record AS u WHERE u.id = r.id)
		ORDER BY r.n);
BEGIN
	RETURN rows[1 + floor(random() * cardinality(rows))::int];
END
$$;

CREATE FUNCTION shadow.adjust() RETURNS void LANGUAGE sql VOLATILE AS $$
	SELECT aiusage.adjust(r.id, CASE WHEN random() < 0.2 THEN '{}' WHEN random() < 0.5 THEN '{"input_tokens": 777, "output_tokens": 7}'
		ELSE '{"input_tokens": 1000, "cache_read_tokens": 999, "web_searches": 1}' END::text::aiusage.usage, 'random', NULL)
	FROM (SELECT shadow.some_row() AS id OFFSET 0) AS r WHERE r.id IS NOT NULL
$$;
CREATE FUNCTION shadow.reattribute() RETURNS void LANGUAGE sql VOLATILE AS $$
	SELECT count(*) FROM (SELECT shadow.some_row() AS id, shadow.some_row() AS other, (SELECT assignment FROM shadow.owner ORDER BY assignment OFFSET floor(random() * 15) LIMIT 1) AS assignment OFFSET 0) AS r,
		aiusage.reattribute(jsonb_build_object('ids', jsonb_build_array(r.id, r.other)), r.assignment, 'random', NULL, false) AS x
	WHERE r.id IS NOT NULL
$$;
CREATE FUNCTION shadow.outcome() RETURNS void LANGUAGE sql VOLATILE AS $$
	SELECT aiusage.record_outcome(r.id, CASE WHEN random() < 0.3 THEN -1 ELSE 2 END) FROM (SELECT shadow.some_row() AS id OFFSET 0) AS r WHERE r.id IS NOT NULL
$$;
-- The same call again: booked once.
CREATE FUNCTION shadow.replay() RETURNS void LANGUAGE sql VOLATILE AS $$
	INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage)
	SELECT i.id, i.at, i.api_key, 'lab', 'a', '{"input_tokens": 1}' FROM shadow.intent AS i, (SELECT shadow.some_row() AS id OFFSET 0) AS r WHERE i.id = r.id
	ON CONFLICT DO NOTHING
$$;

-- New prices, and what one key has used priced anew: each call must then stand at them.
CREATE FUNCTION shadow.reprice() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	key text := 'k-' || floor(random() * 12);
	of_book text := shadow.one_of('list', 'euro', 'resale', 'resale-usd');
	wrong text;
BEGIN
	PERFORM shadow.publish(of_book, ARRAY(SELECT DISTINCT model FROM shadow.rate WHERE book = of_book ORDER BY 1));
	PERFORM FROM aiusage.reprice(jsonb_build_object('api_key', key), NULL, 'random', NULL, false);
	SELECT string_agg(format('%s %s was repriced to %s instead of %s', s.api_key, s.id, s.cost, s.price), E'\n') INTO wrong
	FROM (
		SELECT u.id, u.api_key, sum(split_part(x.cost::text, ' ', 1)::numeric) AS cost,
			shadow.price(coalesce((SELECT min(o.cost_book) FROM shadow.owner AS o WHERE o.api_key = u.api_key), 'list'), u.model, u.usage::text::jsonb) AS price
		FROM aiusage.usage_record AS u
		JOIN aiusage.usage_record AS x ON x.id = u.id OR x.adjusts = u.id AND x.kind = 'adjustment'
		WHERE u.kind = 'usage' AND u.api_key = key AND NOT EXISTS (SELECT FROM aiusage.usage_record AS r WHERE r.adjusts = u.id AND r.kind = 'reversal')
		GROUP BY u.id, u.api_key, u.model, u.usage::text
	) AS s
	WHERE s.cost <> s.price;
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION '%', wrong;
	END IF;
END
$$;
-- The model that had no price gets one in some books.
CREATE FUNCTION shadow.price_unpriced() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM shadow.publish(shadow.one_of('list', 'euro', 'resale', 'resale-usd'), ARRAY['a', 'b', 'mystery']);
	PERFORM FROM aiusage.price_unpriced('{}', 'random', NULL, false);
END
$$;

-- A period with usage in it, the old ones first; NULL: none is over.
CREATE FUNCTION shadow.some_period() RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	periods int[] := ARRAY(SELECT p.period FROM shadow.period AS p
		WHERE p.ends_at < now() AND NOT EXISTS (SELECT FROM shadow.shut AS s WHERE s.period = p.period AND s.closed)
			AND (EXISTS (SELECT FROM shadow.record AS r WHERE r.period = p.period)
				OR EXISTS (SELECT FROM shadow.record AS r WHERE p.calendar IN (2, 4) AND r.at >= p.starts_at AND r.at < p.ends_at))
		ORDER BY p.starts_at, p.period);
BEGIN
	RETURN periods[1 + floor(random() * random() * cardinality(periods))::int];
END
$$;
CREATE FUNCTION shadow.close(of_step int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	p int := shadow.some_period();
BEGIN
	IF p IS NOT NULL THEN
		PERFORM aiusage.close_period(p, 'random', true);
		PERFORM shadow.state(p, of_step);
	END IF;
END
$$;
-- For retention, which drops only what is folded and closed: all that ended before one of the spans' months is over.
CREATE FUNCTION shadow.close_some(of_step int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	until timestamptz := (SELECT s.starts_on + 70 FROM shadow.span AS s ORDER BY s.starts_on OFFSET floor(random() * random() * 4) LIMIT 1);
	-- those without usage that a contract is due for, too: or they hold what they overlap
	contracts boolean := random() < 0.5;
	p int;
BEGIN
	until := least(until, now());
	FOR p IN SELECT q.period FROM shadow.period AS q
		WHERE q.ends_at <= until AND NOT EXISTS (SELECT FROM shadow.shut AS s WHERE s.period = q.period AND s.closed)
			AND (EXISTS (SELECT FROM shadow.record AS r WHERE r.period = q.period)
				OR contracts AND EXISTS (SELECT FROM shadow.contract_period AS c WHERE c.period = q.period))
		ORDER BY q.ends_at, q.period
	LOOP
		PERFORM aiusage.close_period(p, 'retention', true);
		PERFORM shadow.state(p, of_step);
	END LOOP;
	RETURN greatest(1, extract(day FROM now() - until)::int + 30);
END
$$;
CREATE FUNCTION shadow.retained() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	lost text;
BEGIN
	UPDATE shadow.floor SET at = greatest(at, (SELECT aiusage.id_time(b.retained_from) + interval '2 days' FROM aiusage.books AS b WHERE b.retained_from > '00000000-0001-0000-0000-000000000000'));
	lost := (SELECT string_agg(format('%s is in period %s, which the contract is due for', p.partition, c.period), ', ')
		FROM aiusage.ledger_partition AS p
		JOIN shadow.contract_period AS c ON c.starts_at < p.upper_at AND c.ends_at > p.lower_at
		WHERE p.state <> 'kept' AND NOT EXISTS (SELECT FROM shadow.shut AS s WHERE s.period = c.period AND s.closed));
	IF lost IS NOT NULL THEN
		RAISE EXCEPTION '%', lost;
	END IF;
END
$$;
CREATE FUNCTION shadow.start_closing(of_step int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	p int := shadow.some_period();
	later boolean := random() < 0.4;
BEGIN
	IF p IS NOT NULL THEN
		PERFORM aiusage.start_closing(p, CASE WHEN later THEN now() + interval '1 day' END);
		DELETE FROM shadow.shut WHERE period = p;
		IF NOT later THEN
			INSERT INTO shadow.shut VALUES (p, false, of_step);
		END IF;
	END IF;
END
$$;
CREATE FUNCTION shadow.contracts() RETURNS void LANGUAGE sql VOLATILE AS $$
	SELECT count(*) FROM (SELECT shadow.some_period() AS p OFFSET 0) AS x, aiusage.book_contracts(x.p, false) WHERE x.p IS NOT NULL
$$;
CREATE TABLE shadow.reversing (statement bigint);
CREATE FUNCTION shadow.reverse() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	choices bigint[] := ARRAY(SELECT s.statement FROM aiusage.statements AS s WHERE s.kind = 'statement' AND NOT EXISTS (SELECT FROM aiusage.statements AS c WHERE c.reverses = s.statement)
		ORDER BY s.period, s.entity_kind, s.entity, s.currency);
	s bigint := choices[1 + floor(random() * cardinality(choices))::int];
BEGIN
	TRUNCATE shadow.reversing;
	IF s IS NOT NULL THEN
		PERFORM aiusage.reverse_statement(s, 'random');
		INSERT INTO shadow.reversing VALUES (s);
	END IF;
END
$$;
CREATE FUNCTION shadow.invoice() RETURNS void LANGUAGE sql VOLATILE AS $$
	SELECT aiusage.record_period_invoice(p.period, 'J-' || p.period) FROM (SELECT period FROM aiusage.invoice_period WHERE status = 'closed' ORDER BY period LIMIT 1) AS p
$$;
-- A person goes, from what was dropped too.
CREATE FUNCTION shadow.erase() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	who text := shadow.one_of('anna', 'boris', 'carla');
BEGIN
	PERFORM FROM aiusage.erase_user(who, 'random');
	UPDATE shadow.record SET user_id = NULL WHERE user_id = who;
END
$$;
