/*
 * aiusage.usage: what was used, unit -> quantity, and the registry of units.
 */

CREATE FUNCTION aiusage.unit_registry(
    OUT code int, OUT unit text,
    OUT family text, OUT direction text, OUT modality text,
    OUT token_type text, OUT cache_ttl text, OUT variant text,
    OUT whole boolean, OUT price_key text, OUT price_per bigint, OUT ancestors text[])
RETURNS SETOF record LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_unit_registry' ROWS 110;
COMMENT ON FUNCTION aiusage.unit_registry() IS
'The units known by name, in the order in which a usage prints: the dimensions that define each (NULL: not set), whether it is counted in whole numbers, its price key in genai-prices and the quantity that key''s rate is for, and the units that contain it';

-- The type

CREATE TYPE aiusage.usage;
COMMENT ON TYPE aiusage.usage IS
'What was used: unit -> quantity, as {"input_tokens":4740,"output_tokens":255}. Quantities are not negative; totals are inclusive (input_tokens contains cached tokens); units are those of aiusage.unit_registry() and any other by name';

CREATE FUNCTION aiusage.usage_in(cstring) RETURNS aiusage.usage
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_in';
COMMENT ON FUNCTION aiusage.usage_in(cstring) IS 'I/O: text to usage. 22P02 for malformed JSON, 22003 for quantities out of range or with more than 6 decimals, UA422 for what is no usage';

CREATE FUNCTION aiusage.usage_out(aiusage.usage) RETURNS cstring
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_out';
COMMENT ON FUNCTION aiusage.usage_out(aiusage.usage) IS 'I/O: usage to text, units in registry order, custom units last by name';

CREATE FUNCTION aiusage.usage_recv(internal) RETURNS aiusage.usage
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_recv';
COMMENT ON FUNCTION aiusage.usage_recv(internal) IS 'I/O: binary to usage. 22P03 for anything but what usage_send writes';

CREATE FUNCTION aiusage.usage_send(aiusage.usage) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_send';
COMMENT ON FUNCTION aiusage.usage_send(aiusage.usage) IS 'I/O: usage to binary, beginning with the format version';

CREATE TYPE aiusage.usage (
    INPUT = aiusage.usage_in,
    OUTPUT = aiusage.usage_out,
    RECEIVE = aiusage.usage_recv,
    SEND = aiusage.usage_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = extended
);

-- From and to other types

CREATE FUNCTION aiusage.usage(unit text, quantity numeric) RETURNS aiusage.usage
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_from_unit';
COMMENT ON FUNCTION aiusage.usage(text, numeric) IS 'A usage of one unit. UA422 for an invalid unit name or quantity, 22003 for one out of range';

CREATE FUNCTION aiusage.usage(units text[], quantities numeric[]) RETURNS aiusage.usage
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_from_arrays';
COMMENT ON FUNCTION aiusage.usage(text[], numeric[]) IS 'A usage of several units: two arrays of the same length, no unit twice, no nulls';

CREATE FUNCTION aiusage.usage(jsonb) RETURNS aiusage.usage
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_from_jsonb';
COMMENT ON FUNCTION aiusage.usage(jsonb) IS 'A JSON object of units and quantities as a usage; errors as of the text form';

CREATE FUNCTION aiusage.jsonb(aiusage.usage) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_to_jsonb';
COMMENT ON FUNCTION aiusage.jsonb(aiusage.usage) IS 'A usage as a JSON object of units and quantities';

CREATE CAST (jsonb AS aiusage.usage) WITH FUNCTION aiusage.usage(jsonb) AS ASSIGNMENT;
COMMENT ON CAST (jsonb AS aiusage.usage) IS 'A JSON object of units and quantities as a usage';
CREATE CAST (aiusage.usage AS jsonb) WITH FUNCTION aiusage.jsonb(aiusage.usage) AS ASSIGNMENT;
COMMENT ON CAST (aiusage.usage AS jsonb) IS 'A usage as a JSON object';

-- Looking into one

CREATE FUNCTION aiusage.quantity(usage aiusage.usage, unit text) RETURNS numeric
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_quantity';
COMMENT ON FUNCTION aiusage.quantity(aiusage.usage, text) IS 'Quantity of a unit; NULL when the usage does not have it';

CREATE OPERATOR aiusage.-> (
    LEFTARG = aiusage.usage, RIGHTARG = text, FUNCTION = aiusage.quantity
);
COMMENT ON OPERATOR aiusage.-> (aiusage.usage, text) IS 'quantity of a unit; NULL when the usage does not have it';

CREATE FUNCTION aiusage.units(usage aiusage.usage) RETURNS text[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_units';
COMMENT ON FUNCTION aiusage.units(aiusage.usage) IS 'The units of a usage, in registry order';

CREATE FUNCTION aiusage.unnest_usage(usage aiusage.usage, OUT unit text, OUT quantity numeric)
RETURNS SETOF record LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'aiu_usage_unnest' ROWS 4;
COMMENT ON FUNCTION aiusage.unnest_usage(aiusage.usage) IS 'A row a unit, in registry order';

-- Arithmetic

CREATE FUNCTION aiusage.usage_add(aiusage.usage, aiusage.usage) RETURNS aiusage.usage
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_add';
COMMENT ON FUNCTION aiusage.usage_add(aiusage.usage, aiusage.usage) IS 'Implementation of + operator; 22003 when a quantity gets out of range';

CREATE OPERATOR aiusage.+ (
    LEFTARG = aiusage.usage, RIGHTARG = aiusage.usage, FUNCTION = aiusage.usage_add,
    COMMUTATOR = OPERATOR(aiusage.+)
);
COMMENT ON OPERATOR aiusage.+ (aiusage.usage, aiusage.usage) IS 'add, unit by unit';

CREATE FUNCTION aiusage.usage_subtract(aiusage.usage, aiusage.usage) RETURNS aiusage.usage
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_subtract';
COMMENT ON FUNCTION aiusage.usage_subtract(aiusage.usage, aiusage.usage) IS 'Implementation of - operator; UA422 when a quantity would be negative';

CREATE OPERATOR aiusage.- (
    LEFTARG = aiusage.usage, RIGHTARG = aiusage.usage, FUNCTION = aiusage.usage_subtract
);
COMMENT ON OPERATOR aiusage.- (aiusage.usage, aiusage.usage) IS 'subtract, unit by unit; an error when a quantity would be negative';

-- Comparison: equal is the same units with the same quantities; the order has no meaning of its own

CREATE FUNCTION aiusage.usage_eq(aiusage.usage, aiusage.usage) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_eq';
COMMENT ON FUNCTION aiusage.usage_eq(aiusage.usage, aiusage.usage) IS 'Implementation of = operator';
CREATE FUNCTION aiusage.usage_ne(aiusage.usage, aiusage.usage) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_ne';
COMMENT ON FUNCTION aiusage.usage_ne(aiusage.usage, aiusage.usage) IS 'Implementation of <> operator';
CREATE FUNCTION aiusage.usage_lt(aiusage.usage, aiusage.usage) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_lt';
COMMENT ON FUNCTION aiusage.usage_lt(aiusage.usage, aiusage.usage) IS 'Implementation of < operator';
CREATE FUNCTION aiusage.usage_le(aiusage.usage, aiusage.usage) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_le';
COMMENT ON FUNCTION aiusage.usage_le(aiusage.usage, aiusage.usage) IS 'Implementation of <= operator';
CREATE FUNCTION aiusage.usage_gt(aiusage.usage, aiusage.usage) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_gt';
COMMENT ON FUNCTION aiusage.usage_gt(aiusage.usage, aiusage.usage) IS 'Implementation of > operator';
CREATE FUNCTION aiusage.usage_ge(aiusage.usage, aiusage.usage) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_ge';
COMMENT ON FUNCTION aiusage.usage_ge(aiusage.usage, aiusage.usage) IS 'Implementation of >= operator';
CREATE FUNCTION aiusage.usage_cmp(aiusage.usage, aiusage.usage) RETURNS int
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_cmp';
COMMENT ON FUNCTION aiusage.usage_cmp(aiusage.usage, aiusage.usage) IS 'btree support: less than 0, 0, greater than 0';
CREATE FUNCTION aiusage.usage_hash(aiusage.usage) RETURNS int
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_hash';
COMMENT ON FUNCTION aiusage.usage_hash(aiusage.usage) IS 'hash support';
CREATE FUNCTION aiusage.usage_hash_extended(aiusage.usage, bigint) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_hash_extended';
COMMENT ON FUNCTION aiusage.usage_hash_extended(aiusage.usage, bigint) IS 'hash support, seeded';

CREATE OPERATOR aiusage.= (
    LEFTARG = aiusage.usage, RIGHTARG = aiusage.usage, FUNCTION = aiusage.usage_eq,
    COMMUTATOR = OPERATOR(aiusage.=), NEGATOR = OPERATOR(aiusage.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR aiusage.= (aiusage.usage, aiusage.usage) IS 'equal: the same units with the same quantities';
CREATE OPERATOR aiusage.<> (
    LEFTARG = aiusage.usage, RIGHTARG = aiusage.usage, FUNCTION = aiusage.usage_ne,
    COMMUTATOR = OPERATOR(aiusage.<>), NEGATOR = OPERATOR(aiusage.=),
    RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR aiusage.<> (aiusage.usage, aiusage.usage) IS 'not equal';
CREATE OPERATOR aiusage.< (
    LEFTARG = aiusage.usage, RIGHTARG = aiusage.usage, FUNCTION = aiusage.usage_lt,
    COMMUTATOR = OPERATOR(aiusage.>), NEGATOR = OPERATOR(aiusage.>=),
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR aiusage.< (aiusage.usage, aiusage.usage) IS 'before, in an order that serves sorting only';
CREATE OPERATOR aiusage.<= (
    LEFTARG = aiusage.usage, RIGHTARG = aiusage.usage, FUNCTION = aiusage.usage_le,
    COMMUTATOR = OPERATOR(aiusage.>=), NEGATOR = OPERATOR(aiusage.>),
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR aiusage.<= (aiusage.usage, aiusage.usage) IS 'before or equal, in an order that serves sorting only';
CREATE OPERATOR aiusage.> (
    LEFTARG = aiusage.usage, RIGHTARG = aiusage.usage, FUNCTION = aiusage.usage_gt,
    COMMUTATOR = OPERATOR(aiusage.<), NEGATOR = OPERATOR(aiusage.<=),
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR aiusage.> (aiusage.usage, aiusage.usage) IS 'after, in an order that serves sorting only';
CREATE OPERATOR aiusage.>= (
    LEFTARG = aiusage.usage, RIGHTARG = aiusage.usage, FUNCTION = aiusage.usage_ge,
    COMMUTATOR = OPERATOR(aiusage.<=), NEGATOR = OPERATOR(aiusage.<),
    RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR aiusage.>= (aiusage.usage, aiusage.usage) IS 'after or equal, in an order that serves sorting only';

CREATE OPERATOR CLASS aiusage.usage_ops DEFAULT FOR TYPE aiusage.usage USING btree AS
    OPERATOR 1 aiusage.<, OPERATOR 2 aiusage.<=, OPERATOR 3 aiusage.=,
    OPERATOR 4 aiusage.>=, OPERATOR 5 aiusage.>,
    FUNCTION 1 aiusage.usage_cmp(aiusage.usage, aiusage.usage);
COMMENT ON OPERATOR CLASS aiusage.usage_ops USING btree IS 'Sorting of usages, for DISTINCT, GROUP BY and merges';
COMMENT ON OPERATOR FAMILY aiusage.usage_ops USING btree IS 'Sorting of usages';
CREATE OPERATOR CLASS aiusage.usage_ops DEFAULT FOR TYPE aiusage.usage USING hash AS
    OPERATOR 1 aiusage.=,
    FUNCTION 1 aiusage.usage_hash(aiusage.usage),
    FUNCTION 2 aiusage.usage_hash_extended(aiusage.usage, bigint);
COMMENT ON OPERATOR CLASS aiusage.usage_ops USING hash IS 'Hashing of usages';
COMMENT ON OPERATOR FAMILY aiusage.usage_ops USING hash IS 'Hashing of usages';

-- sum()

CREATE FUNCTION aiusage.usage_accum(internal, aiusage.usage) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_accum';
COMMENT ON FUNCTION aiusage.usage_accum(internal, aiusage.usage) IS 'Aggregate support: transition of sum(usage)';
CREATE FUNCTION aiusage.unit_sums_combine(internal, internal) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_sums_combine';
COMMENT ON FUNCTION aiusage.unit_sums_combine(internal, internal) IS 'Aggregate support: combines sums of usage or of unit_costs';
CREATE FUNCTION aiusage.unit_sums_serial(internal) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_sums_serial';
COMMENT ON FUNCTION aiusage.unit_sums_serial(internal) IS 'Aggregate support: serialises sums of usage or of unit_costs';
CREATE FUNCTION aiusage.unit_sums_deserial(bytea, internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_unit_sums_deserial';
COMMENT ON FUNCTION aiusage.unit_sums_deserial(bytea, internal) IS 'Aggregate support: deserialises sums of usage or of unit_costs';
CREATE FUNCTION aiusage.usage_sum(internal) RETURNS aiusage.usage
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_usage_sum';
COMMENT ON FUNCTION aiusage.usage_sum(internal) IS 'Aggregate support: result of sum(usage)';

CREATE AGGREGATE aiusage.sum(aiusage.usage) (
    SFUNC = aiusage.usage_accum,
    STYPE = internal,
    SSPACE = 512,
    FINALFUNC = aiusage.usage_sum,
    COMBINEFUNC = aiusage.unit_sums_combine,
    SERIALFUNC = aiusage.unit_sums_serial,
    DESERIALFUNC = aiusage.unit_sums_deserial,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE aiusage.sum(aiusage.usage) IS 'Sum, unit by unit, exact; NULL over no usages. 22003 when a sum is out of range';
