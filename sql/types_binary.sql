-- The binary form on the wire, by COPY BINARY: there and back, and damaged.
-- (t/010_types_fuzz.pl does this with thousands of random values.)
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS aiusage;
RESET client_min_messages;
CREATE SCHEMA types_binary;
SET search_path = types_binary, aiusage;

-- One value's bytes as a binary COPY file, fed through printf.
CREATE FUNCTION receive(kind text, value bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	file bytea := 'PGCOPY\012\377\015\012\000'::bytea || '\x0000000000000000'::bytea || '\x0001'::bytea
		|| decode(lpad(to_hex(length(value)), 8, '0'), 'hex') || value || '\xffff'::bytea;
	printed text;
	answer text;
	detail text;
BEGIN
	SELECT string_agg('\0' || to_char(b / 64 * 100 + b / 8 % 8 * 10 + b % 8, 'FM000'), '' ORDER BY i) INTO printed
	FROM generate_series(0, length(file) - 1) AS i, LATERAL (SELECT get_byte(file, i) AS b) AS x;
	EXECUTE format('CREATE TEMP TABLE received (v aiusage.%I)', kind);
	BEGIN
		EXECUTE format('COPY received FROM PROGRAM %L (FORMAT binary)', 'printf %b ''' || printed || '''');
		SELECT v::text INTO STRICT answer FROM received;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
		answer := concat_ws(' ', SQLSTATE, SQLERRM, detail);
	END;
	DROP TABLE received;
	RETURN answer;
END $$;

CREATE TABLE value (n int, kind text, value text);
INSERT INTO value VALUES
	(1, 'usage', '{}'),
	(2, 'usage', '{"input_tokens": 4740, "output_tokens": 127, "audio_seconds": 1.5, "zz_custom": 0.000001}'),
	(3, 'usage', '{"my_unit": 999999999999999999999999999999.999999}'),
	(4, 'amount', '0 USD'),
	(5, 'amount', '-12.345678901234 EUR'),
	(6, 'amount', '5192296858534827628530.496329220095 USD'),
	(7, 'amount', '-5192296858534827628530.496329220095 USD'),
	(8, 'unit_costs', '{"USD": {}}'),
	(9, 'unit_costs', '{"EUR": {"input_tokens": 0.00001185, "output_tokens": -2, "zz_custom": 0}}'),
	(10, 'unit_costs', '{"ZZZ": {"a": 9999999999999999999999999.999999999999, "b": -9999999999999999999999999.999999999999}}');

-- there and back
SELECT n, kind, receive(kind, sent) = canonical AS same, length(sent) AS bytes
FROM value, LATERAL (SELECT
	CASE kind WHEN 'usage' THEN usage_send(value::usage) WHEN 'amount' THEN amount_send(value::amount) ELSE unit_costs_send(value::unit_costs) END AS sent,
	CASE kind WHEN 'usage' THEN value::usage::text WHEN 'amount' THEN value::amount::text ELSE value::unit_costs::text END AS canonical) AS x
ORDER BY n;

-- damaged
SELECT n, kind, bytes, receive(kind, bytes) FROM (VALUES
	(1, 'usage', '\x'::bytea),				-- empty
	(2, 'usage', '\x02'),					-- another version
	(3, 'usage', '\x017f05'),				-- no such unit
	(4, 'usage', '\x0101'),					-- no quantity
	(5, 'usage', '\x018180'),				-- a quantity cut off
	(6, 'usage', '\x01018000'),				-- a quantity longer than it need be
	(7, 'usage', '\x0181c0843d'),			-- millionths of a unit counted in whole numbers, or needless
	(8, 'usage', '\x0101ffffffffffffffffffffffffffffffffffff03'),	-- 2^128 - 1
	(9, 'usage', '\x0101ffffffffffffffffffffffffffffffffffff04'),	-- more than 128 bits
	(10, 'usage', '\x0101ffffffffffffffffffffffffffffffffffffff03'),
	(11, 'usage', '\x0102050105'),			-- out of order
	(12, 'usage', '\x0101050105'),			-- twice
	(13, 'usage', '\x0100'),				-- no name
	(14, 'usage', '\x01000561'),			-- a name cut off
	(15, 'usage', '\x0100014105'),			-- no name of a unit
	(16, 'usage', '\x01000861756469'),
	(17, 'usage', ('\x01000c' || encode('input_tokens', 'hex') || '05')::bytea),	-- a registered unit as a custom one
	(18, 'usage', ('\x010001' || encode('b', 'hex') || '050001' || encode('a', 'hex') || '05')::bytea),
	(20, 'unit_costs', '\x'),
	(21, 'unit_costs', '\x020001'),
	(22, 'unit_costs', '\x010000'),			-- no currency
	(23, 'unit_costs', '\x01ffff'),
	(24, 'unit_costs', '\x010001ff08'),		-- no such unit
	(25, 'unit_costs', '\x01000101'),		-- no value
	(26, 'unit_costs', '\x0100010180'),
	(27, 'unit_costs', '\x0100010104'),		-- minus nothing
	(28, 'unit_costs', '\x01000101c03e'),	-- 1000 without its exponent
	(29, 'unit_costs', '\x01000101ffffffffffffffffffffffffffffffffffff03'),
	(30, 'unit_costs', '\x01000102080108'),
	(31, 'unit_costs', '\x010001000561'),
	(32, 'unit_costs', '\x01000100014108'),
	(33, 'unit_costs', '\x01000100'),
	(40, 'amount', '\x'),
	(41, 'amount', '\x0255534400000000000000000000000000000000'),	-- another version
	(42, 'amount', '\x0175736400000000000000000000000000000000'),	-- usd
	(43, 'amount', '\x015553447fffffffffffffffffffffffffffffff'),	-- out of range
	(44, 'amount', '\x0155534400000000000000000000000000'),		-- cut off
	(45, 'amount', '\x015553440000000000000000000000000000000000')	-- and one byte more
) AS d (n, kind, bytes) ORDER BY n;

-- a value that a newer library has written, as a standby with an older one meets it
CREATE CAST (bytea AS aiusage.usage) WITHOUT FUNCTION;
CREATE CAST (bytea AS aiusage.unit_costs) WITHOUT FUNCTION;
SELECT '\x017f05'::bytea::aiusage.usage;
SELECT aiusage.sum(u) FROM (VALUES ('{"input_tokens": 1}'::aiusage.usage), ('\x017f05'::bytea::aiusage.usage)) AS v (u);
SELECT '\x0100017f08'::bytea::aiusage.unit_costs;
DROP CAST (bytea AS aiusage.usage);
DROP CAST (bytea AS aiusage.unit_costs);

SET client_min_messages = warning;
DROP SCHEMA types_binary CASCADE;
