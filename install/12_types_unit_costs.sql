/*
 * aiusage.unit_costs: the line items of a row, unit -> amount, one currency.
 */

CREATE TYPE aiusage.unit_costs;
COMMENT ON TYPE aiusage.unit_costs IS
'Line items: unit -> cost, in one currency, as {"USD": {"input_tokens": 0.01422, "output_tokens": 0.0038}}. Exact to 12 decimals, of either sign; {"USD": {}} is no costs in a known currency';

CREATE FUNCTION aiusage.unit_costs_in(cstring) RETURNS aiusage.unit_costs
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_in';
COMMENT ON FUNCTION aiusage.unit_costs_in(cstring) IS 'I/O: text to unit_costs. 22P02 for malformed JSON, 22003 for costs out of range or with more than 12 decimals, UA422 for what is no unit or currency';

CREATE FUNCTION aiusage.unit_costs_out(aiusage.unit_costs) RETURNS cstring
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_out';
COMMENT ON FUNCTION aiusage.unit_costs_out(aiusage.unit_costs) IS 'I/O: unit_costs to text, units in registry order, custom units last by name';

CREATE FUNCTION aiusage.unit_costs_recv(internal) RETURNS aiusage.unit_costs
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_recv';
COMMENT ON FUNCTION aiusage.unit_costs_recv(internal) IS 'I/O: binary to unit_costs. 22P03 for anything but what unit_costs_send writes';

CREATE FUNCTION aiusage.unit_costs_send(aiusage.unit_costs) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_send';
COMMENT ON FUNCTION aiusage.unit_costs_send(aiusage.unit_costs) IS 'I/O: unit_costs to binary, beginning with the format version';

CREATE TYPE aiusage.unit_costs (
    INPUT = aiusage.unit_costs_in,
    OUTPUT = aiusage.unit_costs_out,
    RECEIVE = aiusage.unit_costs_recv,
    SEND = aiusage.unit_costs_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = extended,
    CATEGORY = 'm'          -- as amount
);

-- From and to other types

CREATE FUNCTION aiusage.unit_costs(units text[], costs numeric[], currency text) RETURNS aiusage.unit_costs
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_from_arrays';
COMMENT ON FUNCTION aiusage.unit_costs(text[], numeric[], text) IS 'Costs of several units in one currency: two arrays of the same length, no unit twice, no nulls, at most 12 decimals';

CREATE FUNCTION aiusage.unit_costs(jsonb) RETURNS aiusage.unit_costs
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_from_jsonb';
COMMENT ON FUNCTION aiusage.unit_costs(jsonb) IS 'A JSON object of one currency with its costs by unit as unit_costs; errors as of the text form';

CREATE FUNCTION aiusage.jsonb(aiusage.unit_costs) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_to_jsonb';
COMMENT ON FUNCTION aiusage.jsonb(aiusage.unit_costs) IS 'unit_costs as a JSON object of one currency with its costs by unit';

CREATE CAST (jsonb AS aiusage.unit_costs) WITH FUNCTION aiusage.unit_costs(jsonb) AS ASSIGNMENT;
COMMENT ON CAST (jsonb AS aiusage.unit_costs) IS 'A JSON object of one currency with its costs by unit as unit_costs';
CREATE CAST (aiusage.unit_costs AS jsonb) WITH FUNCTION aiusage.jsonb(aiusage.unit_costs) AS ASSIGNMENT;
COMMENT ON CAST (aiusage.unit_costs AS jsonb) IS 'unit_costs as a JSON object';

-- Looking into one

CREATE FUNCTION aiusage.cost(costs aiusage.unit_costs, unit text) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_of_unit';
COMMENT ON FUNCTION aiusage.cost(aiusage.unit_costs, text) IS 'Cost of a unit; NULL when it is not among the items';

CREATE OPERATOR aiusage.-> (
    LEFTARG = aiusage.unit_costs, RIGHTARG = text, FUNCTION = aiusage.cost
);
COMMENT ON OPERATOR aiusage.-> (aiusage.unit_costs, text) IS 'cost of a unit; NULL when it is not among the items';

CREATE FUNCTION aiusage.total(costs aiusage.unit_costs) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_total';
COMMENT ON FUNCTION aiusage.total(aiusage.unit_costs) IS 'Sum of the items; 0 of the currency when there are none';

CREATE FUNCTION aiusage.currency(costs aiusage.unit_costs) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_to_currency';
COMMENT ON FUNCTION aiusage.currency(aiusage.unit_costs) IS 'Currency of the items, three letters; known also when there are none';

CREATE FUNCTION aiusage.unnest_costs(costs aiusage.unit_costs,
    OUT unit text, OUT amount aiusage.amount, OUT cost numeric, OUT currency text)
RETURNS SETOF record LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_unit_costs_unnest' ROWS 4;
COMMENT ON FUNCTION aiusage.unnest_costs(aiusage.unit_costs) IS 'A row an item, in registry order: the amount (NULL for a sum too large to be one), and the same as a number with its currency';

-- Arithmetic

CREATE FUNCTION aiusage.unit_costs_add(aiusage.unit_costs, aiusage.unit_costs) RETURNS aiusage.unit_costs
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_add';
COMMENT ON FUNCTION aiusage.unit_costs_add(aiusage.unit_costs, aiusage.unit_costs) IS 'Implementation of + operator; UA422 across currencies, 22003 out of range';
CREATE FUNCTION aiusage.unit_costs_subtract(aiusage.unit_costs, aiusage.unit_costs) RETURNS aiusage.unit_costs
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_subtract';
COMMENT ON FUNCTION aiusage.unit_costs_subtract(aiusage.unit_costs, aiusage.unit_costs) IS 'Implementation of - operator; UA422 across currencies, 22003 out of range';
CREATE FUNCTION aiusage.negate(aiusage.unit_costs) RETURNS aiusage.unit_costs
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_negate';
COMMENT ON FUNCTION aiusage.negate(aiusage.unit_costs) IS 'The items with their signs changed';

CREATE OPERATOR aiusage.+ (
    LEFTARG = aiusage.unit_costs, RIGHTARG = aiusage.unit_costs, FUNCTION = aiusage.unit_costs_add,
    COMMUTATOR = OPERATOR(aiusage.+)
);
COMMENT ON OPERATOR aiusage.+ (aiusage.unit_costs, aiusage.unit_costs) IS 'add, unit by unit; an error across currencies';
CREATE OPERATOR aiusage.- (
    LEFTARG = aiusage.unit_costs, RIGHTARG = aiusage.unit_costs, FUNCTION = aiusage.unit_costs_subtract
);
COMMENT ON OPERATOR aiusage.- (aiusage.unit_costs, aiusage.unit_costs) IS 'subtract, unit by unit; an error across currencies';
CREATE OPERATOR aiusage.- (
    RIGHTARG = aiusage.unit_costs, FUNCTION = aiusage.negate
);
COMMENT ON OPERATOR aiusage.- (NONE, aiusage.unit_costs) IS 'negate, unit by unit';

-- Comparison: equal is the same currency and units with the same costs; the order has no meaning of its own

CREATE FUNCTION aiusage.unit_costs_eq(aiusage.unit_costs, aiusage.unit_costs) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_eq';
COMMENT ON FUNCTION aiusage.unit_costs_eq(aiusage.unit_costs, aiusage.unit_costs) IS 'Implementation of = operator';
CREATE FUNCTION aiusage.unit_costs_ne(aiusage.unit_costs, aiusage.unit_costs) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_ne';
COMMENT ON FUNCTION aiusage.unit_costs_ne(aiusage.unit_costs, aiusage.unit_costs) IS 'Implementation of <> operator';
CREATE FUNCTION aiusage.unit_costs_lt(aiusage.unit_costs, aiusage.unit_costs) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_lt';
COMMENT ON FUNCTION aiusage.unit_costs_lt(aiusage.unit_costs, aiusage.unit_costs) IS 'Implementation of < operator';
CREATE FUNCTION aiusage.unit_costs_le(aiusage.unit_costs, aiusage.unit_costs) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_le';
COMMENT ON FUNCTION aiusage.unit_costs_le(aiusage.unit_costs, aiusage.unit_costs) IS 'Implementation of <= operator';
CREATE FUNCTION aiusage.unit_costs_gt(aiusage.unit_costs, aiusage.unit_costs) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_gt';
COMMENT ON FUNCTION aiusage.unit_costs_gt(aiusage.unit_costs, aiusage.unit_costs) IS 'Implementation of > operator';
CREATE FUNCTION aiusage.unit_costs_ge(aiusage.unit_costs, aiusage.unit_costs) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_ge';
COMMENT ON FUNCTION aiusage.unit_costs_ge(aiusage.unit_costs, aiusage.unit_costs) IS 'Implementation of >= operator';
CREATE FUNCTION aiusage.unit_costs_cmp(aiusage.unit_costs, aiusage.unit_costs) RETURNS int
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_cmp';
COMMENT ON FUNCTION aiusage.unit_costs_cmp(aiusage.unit_costs, aiusage.unit_costs) IS 'btree support: less than 0, 0, greater than 0';
CREATE FUNCTION aiusage.unit_costs_hash(aiusage.unit_costs) RETURNS int
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_hash';
COMMENT ON FUNCTION aiusage.unit_costs_hash(aiusage.unit_costs) IS 'hash support';
CREATE FUNCTION aiusage.unit_costs_hash_extended(aiusage.unit_costs, bigint) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_hash_extended';
COMMENT ON FUNCTION aiusage.unit_costs_hash_extended(aiusage.unit_costs, bigint) IS 'hash support, seeded';

CREATE OPERATOR aiusage.= (
    LEFTARG = aiusage.unit_costs, RIGHTARG = aiusage.unit_costs, FUNCTION = aiusage.unit_costs_eq,
    COMMUTATOR = OPERATOR(aiusage.=), NEGATOR = OPERATOR(aiusage.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR aiusage.= (aiusage.unit_costs, aiusage.unit_costs) IS 'equal: the same currency and units with the same costs';
CREATE OPERATOR aiusage.<> (
    LEFTARG = aiusage.unit_costs, RIGHTARG = aiusage.unit_costs, FUNCTION = aiusage.unit_costs_ne,
    COMMUTATOR = OPERATOR(aiusage.<>), NEGATOR = OPERATOR(aiusage.=),
    RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR aiusage.<> (aiusage.unit_costs, aiusage.unit_costs) IS 'not equal';
CREATE OPERATOR aiusage.< (
    LEFTARG = aiusage.unit_costs, RIGHTARG = aiusage.unit_costs, FUNCTION = aiusage.unit_costs_lt,
    COMMUTATOR = OPERATOR(aiusage.>), NEGATOR = OPERATOR(aiusage.>=),
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR aiusage.< (aiusage.unit_costs, aiusage.unit_costs) IS 'before, in an order that serves sorting only';
CREATE OPERATOR aiusage.<= (
    LEFTARG = aiusage.unit_costs, RIGHTARG = aiusage.unit_costs, FUNCTION = aiusage.unit_costs_le,
    COMMUTATOR = OPERATOR(aiusage.>=), NEGATOR = OPERATOR(aiusage.>),
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR aiusage.<= (aiusage.unit_costs, aiusage.unit_costs) IS 'before or equal, in an order that serves sorting only';
CREATE OPERATOR aiusage.> (
    LEFTARG = aiusage.unit_costs, RIGHTARG = aiusage.unit_costs, FUNCTION = aiusage.unit_costs_gt,
    COMMUTATOR = OPERATOR(aiusage.<), NEGATOR = OPERATOR(aiusage.<=),
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR aiusage.> (aiusage.unit_costs, aiusage.unit_costs) IS 'after, in an order that serves sorting only';
CREATE OPERATOR aiusage.>= (
    LEFTARG = aiusage.unit_costs, RIGHTARG = aiusage.unit_costs, FUNCTION = aiusage.unit_costs_ge,
    COMMUTATOR = OPERATOR(aiusage.<=), NEGATOR = OPERATOR(aiusage.<),
    RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR aiusage.>= (aiusage.unit_costs, aiusage.unit_costs) IS 'after or equal, in an order that serves sorting only';

CREATE OPERATOR CLASS aiusage.unit_costs_ops DEFAULT FOR TYPE aiusage.unit_costs USING btree AS
    OPERATOR 1 aiusage.<, OPERATOR 2 aiusage.<=, OPERATOR 3 aiusage.=,
    OPERATOR 4 aiusage.>=, OPERATOR 5 aiusage.>,
    FUNCTION 1 aiusage.unit_costs_cmp(aiusage.unit_costs, aiusage.unit_costs);
COMMENT ON OPERATOR CLASS aiusage.unit_costs_ops USING btree IS 'Sorting of unit costs, for DISTINCT, GROUP BY and merges';
COMMENT ON OPERATOR FAMILY aiusage.unit_costs_ops USING btree IS 'Sorting of unit costs';
CREATE OPERATOR CLASS aiusage.unit_costs_ops DEFAULT FOR TYPE aiusage.unit_costs USING hash AS
    OPERATOR 1 aiusage.=,
    FUNCTION 1 aiusage.unit_costs_hash(aiusage.unit_costs),
    FUNCTION 2 aiusage.unit_costs_hash_extended(aiusage.unit_costs, bigint);
COMMENT ON OPERATOR CLASS aiusage.unit_costs_ops USING hash IS 'Hashing of unit costs';
COMMENT ON OPERATOR FAMILY aiusage.unit_costs_ops USING hash IS 'Hashing of unit costs';

-- sum(); combining and serialising as of sum(usage)

CREATE FUNCTION aiusage.unit_costs_accum(internal, aiusage.unit_costs) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_accum';
COMMENT ON FUNCTION aiusage.unit_costs_accum(internal, aiusage.unit_costs) IS 'Aggregate support: transition of sum(unit_costs)';
CREATE FUNCTION aiusage.unit_costs_sum(internal) RETURNS aiusage.unit_costs
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_costs_sum';
COMMENT ON FUNCTION aiusage.unit_costs_sum(internal) IS 'Aggregate support: result of sum(unit_costs)';

CREATE AGGREGATE aiusage.sum(aiusage.unit_costs) (
    SFUNC = aiusage.unit_costs_accum,
    STYPE = internal,
    SSPACE = 512,
    FINALFUNC = aiusage.unit_costs_sum,
    COMBINEFUNC = aiusage.unit_sums_combine,
    SERIALFUNC = aiusage.unit_sums_serial,
    DESERIALFUNC = aiusage.unit_sums_deserial,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE aiusage.sum(aiusage.unit_costs) IS 'Sum, unit by unit, exact; NULL over no rows. UA422 across currencies, 22003 out of range';
