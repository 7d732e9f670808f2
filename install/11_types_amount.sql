/*
 * aiusage.amount: exact money with its currency.
 *
 * < <= > >= refuse to compare two currencies.  The btree operator class has
 * its own operators (~<~ and so on), which order all amounts by currency,
 * then value, so that indexes, sorts, DISTINCT and ANALYZE work on columns
 * that hold several currencies; see src/types/amount_ops.c.  A comparison
 * with a constant uses such an index all the same: amount_support.c.
 */

CREATE TYPE aiusage.amount;
COMMENT ON TYPE aiusage.amount IS
'Exact money with its currency, to 0.000000000001, as 0.02159625 USD. No NaN, no infinity; arithmetic and comparison across currencies is an error (UA422)';

CREATE FUNCTION aiusage.amount_in(cstring) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_in';
COMMENT ON FUNCTION aiusage.amount_in(cstring) IS 'I/O: text to amount, exact or refused. 22P02 for malformed text, 22003 out of range or more than 12 decimals';

CREATE FUNCTION aiusage.amount_out(aiusage.amount) RETURNS cstring
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_out';
COMMENT ON FUNCTION aiusage.amount_out(aiusage.amount) IS 'I/O: amount to text, without trailing zeros';

CREATE FUNCTION aiusage.amount_recv(internal) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_recv';
COMMENT ON FUNCTION aiusage.amount_recv(internal) IS 'I/O: binary to amount. 22P03 for another format, 22003 out of range';

CREATE FUNCTION aiusage.amount_send(aiusage.amount) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_send';
COMMENT ON FUNCTION aiusage.amount_send(aiusage.amount) IS 'I/O: amount to binary: version, three letters, 128-bit count of 1e-12';

CREATE TYPE aiusage.amount (
    INPUT = aiusage.amount_in,
    OUTPUT = aiusage.amount_out,
    RECEIVE = aiusage.amount_recv,
    SEND = aiusage.amount_send,
    INTERNALLENGTH = 16,
    ALIGNMENT = double,
    STORAGE = plain,
    CATEGORY = 'm',         -- so that aiusage.currency('1 USD') means an amount's
    PREFERRED = true
);

-- From and to other types

CREATE FUNCTION aiusage.amount(value numeric, currency text) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_from_numeric';
COMMENT ON FUNCTION aiusage.amount(numeric, text) IS 'An amount of a currency (three letters A to Z); rounded half-even to 12 decimals. UA422 for NaN, infinity or an invalid currency, 22003 out of range';

CREATE FUNCTION aiusage.currency(amount aiusage.amount) RETURNS text
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_to_currency';
COMMENT ON FUNCTION aiusage.currency(aiusage.amount) IS 'Currency of an amount, three letters';

CREATE FUNCTION aiusage.numeric(amount aiusage.amount) RETURNS numeric
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_to_numeric';
COMMENT ON FUNCTION aiusage.numeric(aiusage.amount) IS 'Value of an amount in its currency, exact';

CREATE CAST (aiusage.amount AS numeric) WITH FUNCTION aiusage.numeric(aiusage.amount);
COMMENT ON CAST (aiusage.amount AS numeric) IS 'Value of an amount, exact; explicit only, because the currency is lost';

-- Arithmetic

CREATE FUNCTION aiusage.amount_add(aiusage.amount, aiusage.amount) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_add';
COMMENT ON FUNCTION aiusage.amount_add(aiusage.amount, aiusage.amount) IS 'Implementation of + operator; UA422 across currencies, 22003 out of range';
CREATE FUNCTION aiusage.amount_subtract(aiusage.amount, aiusage.amount) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_subtract';
COMMENT ON FUNCTION aiusage.amount_subtract(aiusage.amount, aiusage.amount) IS 'Implementation of - operator; UA422 across currencies, 22003 out of range';
CREATE FUNCTION aiusage.negate(aiusage.amount) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_negate';
COMMENT ON FUNCTION aiusage.negate(aiusage.amount) IS 'The amount with its sign changed';
CREATE FUNCTION aiusage.abs(aiusage.amount) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_abs';
COMMENT ON FUNCTION aiusage.abs(aiusage.amount) IS 'The amount without its sign';
CREATE FUNCTION aiusage.sign(aiusage.amount) RETURNS int
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_sign';
COMMENT ON FUNCTION aiusage.sign(aiusage.amount) IS 'Sign of an amount: -1, 0 or 1';
CREATE FUNCTION aiusage.amount_multiply(aiusage.amount, numeric) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_multiply';
COMMENT ON FUNCTION aiusage.amount_multiply(aiusage.amount, numeric) IS 'Implementation of * operator: the exact product rounded once, half-even to 12 decimals';
CREATE FUNCTION aiusage.numeric_multiply_amount(numeric, aiusage.amount) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_numeric_multiply_amount';
COMMENT ON FUNCTION aiusage.numeric_multiply_amount(numeric, aiusage.amount) IS 'Implementation of * operator: the exact product rounded once, half-even to 12 decimals';
CREATE FUNCTION aiusage.amount_divide(aiusage.amount, numeric) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_divide';
COMMENT ON FUNCTION aiusage.amount_divide(aiusage.amount, numeric) IS 'Implementation of / operator: the exact quotient rounded once, half-even to 12 decimals; 22012 for division by zero';
CREATE FUNCTION aiusage.amount_ratio(aiusage.amount, aiusage.amount) RETURNS numeric
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_ratio';
COMMENT ON FUNCTION aiusage.amount_ratio(aiusage.amount, aiusage.amount) IS 'Implementation of / operator: how many times, with the precision of numeric division; UA422 across currencies';

CREATE OPERATOR aiusage.+ (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_add,
    COMMUTATOR = OPERATOR(aiusage.+)
);
COMMENT ON OPERATOR aiusage.+ (aiusage.amount, aiusage.amount) IS 'add; an error across currencies';
CREATE OPERATOR aiusage.- (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_subtract
);
COMMENT ON OPERATOR aiusage.- (aiusage.amount, aiusage.amount) IS 'subtract; an error across currencies';
CREATE OPERATOR aiusage.- (
    RIGHTARG = aiusage.amount, FUNCTION = aiusage.negate
);
COMMENT ON OPERATOR aiusage.- (NONE, aiusage.amount) IS 'negate';
CREATE OPERATOR aiusage.* (
    LEFTARG = aiusage.amount, RIGHTARG = numeric, FUNCTION = aiusage.amount_multiply,
    COMMUTATOR = OPERATOR(aiusage.*)
);
COMMENT ON OPERATOR aiusage.* (aiusage.amount, numeric) IS 'multiply, rounded once half-even to 12 decimals';
CREATE OPERATOR aiusage.* (
    LEFTARG = numeric, RIGHTARG = aiusage.amount, FUNCTION = aiusage.numeric_multiply_amount,
    COMMUTATOR = OPERATOR(aiusage.*)
);
COMMENT ON OPERATOR aiusage.* (numeric, aiusage.amount) IS 'multiply, rounded once half-even to 12 decimals';
CREATE OPERATOR aiusage./ (
    LEFTARG = aiusage.amount, RIGHTARG = numeric, FUNCTION = aiusage.amount_divide
);
COMMENT ON OPERATOR aiusage./ (aiusage.amount, numeric) IS 'divide, rounded once half-even to 12 decimals';
CREATE OPERATOR aiusage./ (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_ratio
);
COMMENT ON OPERATOR aiusage./ (aiusage.amount, aiusage.amount) IS 'ratio of two amounts of one currency';

-- Comparison

CREATE FUNCTION aiusage.amount_eq(aiusage.amount, aiusage.amount) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_eq';
COMMENT ON FUNCTION aiusage.amount_eq(aiusage.amount, aiusage.amount) IS 'Implementation of = operator; false across currencies';
CREATE FUNCTION aiusage.amount_ne(aiusage.amount, aiusage.amount) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_ne';
COMMENT ON FUNCTION aiusage.amount_ne(aiusage.amount, aiusage.amount) IS 'Implementation of <> operator; true across currencies';

CREATE FUNCTION aiusage.amount_support(internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_support';
COMMENT ON FUNCTION aiusage.amount_support(internal) IS 'Planner support: lets < <= > >= with a constant use a btree index';

-- Dearer than they are, so that a WHERE that keeps currencies apart is evaluated before them.
CREATE FUNCTION aiusage.amount_lt(aiusage.amount, aiusage.amount) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 SUPPORT aiusage.amount_support
AS 'MODULE_PATHNAME', 'aiu_amount_lt';
COMMENT ON FUNCTION aiusage.amount_lt(aiusage.amount, aiusage.amount) IS 'Implementation of < operator; UA422 across currencies';
CREATE FUNCTION aiusage.amount_le(aiusage.amount, aiusage.amount) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 SUPPORT aiusage.amount_support
AS 'MODULE_PATHNAME', 'aiu_amount_le';
COMMENT ON FUNCTION aiusage.amount_le(aiusage.amount, aiusage.amount) IS 'Implementation of <= operator; UA422 across currencies';
CREATE FUNCTION aiusage.amount_gt(aiusage.amount, aiusage.amount) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 SUPPORT aiusage.amount_support
AS 'MODULE_PATHNAME', 'aiu_amount_gt';
COMMENT ON FUNCTION aiusage.amount_gt(aiusage.amount, aiusage.amount) IS 'Implementation of > operator; UA422 across currencies';
CREATE FUNCTION aiusage.amount_ge(aiusage.amount, aiusage.amount) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 SUPPORT aiusage.amount_support
AS 'MODULE_PATHNAME', 'aiu_amount_ge';
COMMENT ON FUNCTION aiusage.amount_ge(aiusage.amount, aiusage.amount) IS 'Implementation of >= operator; UA422 across currencies';

CREATE FUNCTION aiusage.amount_order(aiusage.amount, aiusage.amount) RETURNS int
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_order';
COMMENT ON FUNCTION aiusage.amount_order(aiusage.amount, aiusage.amount) IS 'btree support: by currency, then value; less than 0, 0, greater than 0';
CREATE FUNCTION aiusage.amount_before(aiusage.amount, aiusage.amount) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_before';
COMMENT ON FUNCTION aiusage.amount_before(aiusage.amount, aiusage.amount) IS 'Implementation of ~<~ operator';
CREATE FUNCTION aiusage.amount_not_after(aiusage.amount, aiusage.amount) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_not_after';
COMMENT ON FUNCTION aiusage.amount_not_after(aiusage.amount, aiusage.amount) IS 'Implementation of ~<=~ operator';
CREATE FUNCTION aiusage.amount_after(aiusage.amount, aiusage.amount) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_after';
COMMENT ON FUNCTION aiusage.amount_after(aiusage.amount, aiusage.amount) IS 'Implementation of ~>~ operator';
CREATE FUNCTION aiusage.amount_not_before(aiusage.amount, aiusage.amount) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_not_before';
COMMENT ON FUNCTION aiusage.amount_not_before(aiusage.amount, aiusage.amount) IS 'Implementation of ~>=~ operator';
CREATE FUNCTION aiusage.amount_hash(aiusage.amount) RETURNS int
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_hash';
COMMENT ON FUNCTION aiusage.amount_hash(aiusage.amount) IS 'hash support';
CREATE FUNCTION aiusage.amount_hash_extended(aiusage.amount, bigint) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_hash_extended';
COMMENT ON FUNCTION aiusage.amount_hash_extended(aiusage.amount, bigint) IS 'hash support, seeded';

CREATE OPERATOR aiusage.= (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_eq,
    COMMUTATOR = OPERATOR(aiusage.=), NEGATOR = OPERATOR(aiusage.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR aiusage.= (aiusage.amount, aiusage.amount) IS 'equal; false across currencies';
CREATE OPERATOR aiusage.<> (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_ne,
    COMMUTATOR = OPERATOR(aiusage.<>), NEGATOR = OPERATOR(aiusage.=),
    RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR aiusage.<> (aiusage.amount, aiusage.amount) IS 'not equal; true across currencies';
-- No estimators here: they would compare with the statistics of a column, across currencies, and fail.
CREATE OPERATOR aiusage.< (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_lt,
    COMMUTATOR = OPERATOR(aiusage.>), NEGATOR = OPERATOR(aiusage.>=)
);
COMMENT ON OPERATOR aiusage.< (aiusage.amount, aiusage.amount) IS 'less than; an error across currencies';
CREATE OPERATOR aiusage.<= (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_le,
    COMMUTATOR = OPERATOR(aiusage.>=), NEGATOR = OPERATOR(aiusage.>)
);
COMMENT ON OPERATOR aiusage.<= (aiusage.amount, aiusage.amount) IS 'less than or equal; an error across currencies';
CREATE OPERATOR aiusage.> (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_gt,
    COMMUTATOR = OPERATOR(aiusage.<), NEGATOR = OPERATOR(aiusage.<=)
);
COMMENT ON OPERATOR aiusage.> (aiusage.amount, aiusage.amount) IS 'greater than; an error across currencies';
CREATE OPERATOR aiusage.>= (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_ge,
    COMMUTATOR = OPERATOR(aiusage.<=), NEGATOR = OPERATOR(aiusage.<)
);
COMMENT ON OPERATOR aiusage.>= (aiusage.amount, aiusage.amount) IS 'greater than or equal; an error across currencies';

CREATE OPERATOR aiusage.~<~ (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_before,
    COMMUTATOR = OPERATOR(aiusage.~>~), NEGATOR = OPERATOR(aiusage.~>=~),
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR aiusage.~<~ (aiusage.amount, aiusage.amount) IS 'before, by currency, then value';
CREATE OPERATOR aiusage.~<=~ (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_not_after,
    COMMUTATOR = OPERATOR(aiusage.~>=~), NEGATOR = OPERATOR(aiusage.~>~),
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR aiusage.~<=~ (aiusage.amount, aiusage.amount) IS 'before or equal, by currency, then value';
CREATE OPERATOR aiusage.~>~ (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_after,
    COMMUTATOR = OPERATOR(aiusage.~<~), NEGATOR = OPERATOR(aiusage.~<=~),
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR aiusage.~>~ (aiusage.amount, aiusage.amount) IS 'after, by currency, then value';
CREATE OPERATOR aiusage.~>=~ (
    LEFTARG = aiusage.amount, RIGHTARG = aiusage.amount, FUNCTION = aiusage.amount_not_before,
    COMMUTATOR = OPERATOR(aiusage.~<=~), NEGATOR = OPERATOR(aiusage.~<~),
    RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR aiusage.~>=~ (aiusage.amount, aiusage.amount) IS 'after or equal, by currency, then value';

CREATE OPERATOR CLASS aiusage.amount_ops DEFAULT FOR TYPE aiusage.amount USING btree AS
    OPERATOR 1 aiusage.~<~, OPERATOR 2 aiusage.~<=~, OPERATOR 3 aiusage.=,
    OPERATOR 4 aiusage.~>=~, OPERATOR 5 aiusage.~>~,
    FUNCTION 1 aiusage.amount_order(aiusage.amount, aiusage.amount);
COMMENT ON OPERATOR CLASS aiusage.amount_ops USING btree IS 'Sorting of amounts: by currency, then value';
COMMENT ON OPERATOR FAMILY aiusage.amount_ops USING btree IS 'Sorting of amounts: by currency, then value';
CREATE OPERATOR CLASS aiusage.amount_ops DEFAULT FOR TYPE aiusage.amount USING hash AS
    OPERATOR 1 aiusage.=,
    FUNCTION 1 aiusage.amount_hash(aiusage.amount),
    FUNCTION 2 aiusage.amount_hash_extended(aiusage.amount, bigint);
COMMENT ON OPERATOR CLASS aiusage.amount_ops USING hash IS 'Hashing of amounts';
COMMENT ON OPERATOR FAMILY aiusage.amount_ops USING hash IS 'Hashing of amounts';

-- Aggregates

CREATE FUNCTION aiusage.amount_accum(internal, aiusage.amount) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_accum';
COMMENT ON FUNCTION aiusage.amount_accum(internal, aiusage.amount) IS 'Aggregate support: transition of sum(amount) and avg(amount)';
CREATE FUNCTION aiusage.amount_accum_inverse(internal, aiusage.amount) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_accum_inverse';
COMMENT ON FUNCTION aiusage.amount_accum_inverse(internal, aiusage.amount) IS 'Aggregate support: what left the window frame';
CREATE FUNCTION aiusage.amount_combine(internal, internal) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_combine';
COMMENT ON FUNCTION aiusage.amount_combine(internal, internal) IS 'Aggregate support: combines sums of amounts';
CREATE FUNCTION aiusage.amount_serial(internal) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_serial';
COMMENT ON FUNCTION aiusage.amount_serial(internal) IS 'Aggregate support: serialises sums of amounts';
CREATE FUNCTION aiusage.amount_deserial(bytea, internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_deserial';
COMMENT ON FUNCTION aiusage.amount_deserial(bytea, internal) IS 'Aggregate support: deserialises sums of amounts';
CREATE FUNCTION aiusage.amount_sum(internal) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_sum';
COMMENT ON FUNCTION aiusage.amount_sum(internal) IS 'Aggregate support: result of sum(amount)';
CREATE FUNCTION aiusage.amount_avg(internal) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_avg';
COMMENT ON FUNCTION aiusage.amount_avg(internal) IS 'Aggregate support: result of avg(amount)';
CREATE FUNCTION aiusage.amount_smaller(aiusage.amount, aiusage.amount) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_smaller';
COMMENT ON FUNCTION aiusage.amount_smaller(aiusage.amount, aiusage.amount) IS 'The smaller of two amounts; UA422 across currencies';
CREATE FUNCTION aiusage.amount_larger(aiusage.amount, aiusage.amount) RETURNS aiusage.amount
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aiu_amount_larger';
COMMENT ON FUNCTION aiusage.amount_larger(aiusage.amount, aiusage.amount) IS 'The larger of two amounts; UA422 across currencies';

CREATE AGGREGATE aiusage.sum(aiusage.amount) (
    SFUNC = aiusage.amount_accum,
    STYPE = internal,
    SSPACE = 48,
    FINALFUNC = aiusage.amount_sum,
    COMBINEFUNC = aiusage.amount_combine,
    SERIALFUNC = aiusage.amount_serial,
    DESERIALFUNC = aiusage.amount_deserial,
    MSFUNC = aiusage.amount_accum,
    MINVFUNC = aiusage.amount_accum_inverse,
    MSTYPE = internal,
    MSSPACE = 48,
    MFINALFUNC = aiusage.amount_sum,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE aiusage.sum(aiusage.amount) IS 'Sum, exact; NULL over no amounts. UA422 across currencies, 22003 out of range';
CREATE AGGREGATE aiusage.avg(aiusage.amount) (
    SFUNC = aiusage.amount_accum,
    STYPE = internal,
    SSPACE = 48,
    FINALFUNC = aiusage.amount_avg,
    COMBINEFUNC = aiusage.amount_combine,
    SERIALFUNC = aiusage.amount_serial,
    DESERIALFUNC = aiusage.amount_deserial,
    MSFUNC = aiusage.amount_accum,
    MINVFUNC = aiusage.amount_accum_inverse,
    MSTYPE = internal,
    MSSPACE = 48,
    MFINALFUNC = aiusage.amount_avg,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE aiusage.avg(aiusage.amount) IS 'Average, rounded half-even to 12 decimals; NULL over no amounts. UA422 across currencies';
CREATE AGGREGATE aiusage.min(aiusage.amount) (
    SFUNC = aiusage.amount_smaller,
    STYPE = aiusage.amount,
    COMBINEFUNC = aiusage.amount_smaller,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE aiusage.min(aiusage.amount) IS 'Smallest amount; NULL over no amounts. UA422 across currencies';
CREATE AGGREGATE aiusage.max(aiusage.amount) (
    SFUNC = aiusage.amount_larger,
    STYPE = aiusage.amount,
    COMBINEFUNC = aiusage.amount_larger,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE aiusage.max(aiusage.amount) IS 'Largest amount; NULL over no amounts. UA422 across currencies';
