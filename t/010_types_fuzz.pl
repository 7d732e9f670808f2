
# Fuzzing of the three types through their text and binary input.
#
# Everything is drawn from one seeded generator, so a failure repeats.  Text
# is judged by an oracle in SQL (json, numeric and regular expressions know
# what is valid), binary forms by an encoder and a validator in Perl, written
# from the description of the format.  A case is accepted exactly when the
# oracle says so, else refused with one of the documented SQLSTATEs; what is
# accepted survives text and binary round trips unchanged.

use strict;
use warnings;

use Math::BigInt;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest qw(seeds);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($seed) = seeds(20231121);
my $text_cases = $ENV{AIUSAGE_FUZZ_TEXT} || 12000;	# a type
my $binary_cases = $ENV{AIUSAGE_FUZZ_BINARY} || 3000;	# a type

my $node = PostgreSQL::Test::Cluster->new('fuzz');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "fsync = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION aiusage');

# ---- the generator: 31 bits of a linear congruence at a time ----

my $state = $seed;

sub draw
{
	my ($bound) = @_;
	$state = ($state * 1103515245 + 12345) & 0x7fffffff;
	return int($state / 65536) % $bound if $bound <= 8192;
	my $high = $state >> 8;
	$state = ($state * 1103515245 + 12345) & 0x7fffffff;
	return ($high * 32768 + ($state >> 16)) % $bound;
}

sub one_of { return $_[ draw(scalar @_) ]; }

# ---- the registry ----

my (@units, %code, %whole);
for my $line (split /\n/,
	$node->safe_psql('postgres', 'SELECT code, unit, whole FROM aiusage.unit_registry()'))
{
	my ($code, $unit, $whole) = split /\|/, $line;
	push @units, $unit;
	$code{$unit} = $code;
	$whole{$code} = $whole eq 't';
}
is(scalar(@units), scalar(keys %code), 'unit names are unique');

# ---- text cases ----

sub digits { return join '', map { draw(10) } 1 .. $_[0]; }

sub number
{
	my $kind = draw(12);
	return draw(100000) if $kind < 4;
	return one_of('0', '-0', '1', '0.0', '1e0', '999999999999999999',
		'999999999999999999999999999999.999999', '1000000000000000000000000000000', '0.000001',
		'0.0000001', '0.000000000001', '0.0000000000001', '-1', '1E5', '1e-6',
		'5192296858534827628530.496329220095', '5192296858534827628530.496329220096',
		'-9999999999999999999999999.999999999999', '10000000000000000000000000',
		'-5192296858534827628530.496329220095', '170141183460469231731687303715884105727',
		'340282366920938463463374607431768211456', '9223372036854775807',
		'9223372036854775808', '18446744073709551616', '1e999999999999', '0e999999999999',
		'1e-999999999999', '00', '01', '.5', '5.', '+1', 'NaN', 'Infinity', '1e', '1.e1')
	  if $kind < 6;
	return (draw(9) + 1) . digits(draw(25)) if $kind == 6;
	return draw(1000) . '.' . digits(1 + draw(14)) if $kind < 9;
	return (draw(2) ? '-' : '') . draw(100) . one_of('', '.' . digits(1 + draw(4))) . one_of('e', 'E') . one_of('', '+', '-') . draw(30)
	  if $kind < 11;
	return one_of('null', 'true', 'false', '""', '"1"', '[]', '[1]', '{}', '{"a":1}', '', '-', '--1', '1 2');
}

sub name
{
	my $kind = draw(10);
	return $units[ draw(scalar @units) ] if $kind < 7;
	return one_of('a', 'b', 'zeta', 'my_unit', 'x1', 'x_') if $kind < 9;
	return one_of('', 'A', '_a', '1a', 'a b', 'a-b', "\x{e9}t\x{e9}", 'a' x 63, 'a' x 64, 'a\\u0062', 'a\\"', "\x{20ac}" x 60);
}

sub space { return draw(8) ? '' : one_of(' ', '  ', "\t", "\n", "\r\n"); }

sub object
{
	my ($n) = @_;
	return '{' . space() . join(',', map { space() . '"' . name() . '"' . space() . ':' . space() . number() . space() } 1 .. $n) . '}';
}

# one to three small damages
sub mutate
{
	my ($s) = @_;
	for (0 .. draw(3))
	{
		my $at = draw(length($s) + 1);
		my $kind = draw(5);
		if ($kind == 0) { substr($s, $at, 1) = '' if $at < length $s; }
		elsif ($kind == 1) { substr($s, $at, 0) = one_of(split //, "{}[]\":,.-+eE0123456789abzUSD \t\n\\'\x{e9}\x{1f600}"); }
		elsif ($kind == 2 && $at < length $s) { substr($s, $at, 1) = one_of(split //, "{}[]\":,.-+eE0123456789abzUSD \t\n\\'\x{e9}\x{1f600}"); }
		elsif ($kind == 3) { $s = substr($s, 0, $at); }
		else { my $part = substr($s, $at, draw(10)); substr($s, draw(length($s) + 1), 0) = $part; }
	}
	return $s;
}

sub currency { return draw(6) ? one_of('USD', 'EUR', 'AAA', 'ZZZ') : one_of('usd', 'US', 'USDX', '', 'U D', "\x{dc}SD"); }

my %text_case = (
	usage => sub { return object(one_of(0, 1, 1, 2, 3, 4, 8, 30)); },
	amount => sub { return space() . number() . one_of(' ', ' ', ' ', '', "\t ") . currency() . space(); },
	unit_costs => sub { return '{' . space() . '"' . currency() . '"' . space() . ':' . space() . object(one_of(0, 1, 2, 3, 8)) . space() . '}' . space(); });

my $copy = "CREATE TABLE fuzz_text (id int, kind text, input text);\nCOPY fuzz_text FROM STDIN;\n";
my $id = 0;
for my $kind (sort keys %text_case)
{
	for (1 .. $text_cases)
	{
		my $s = $text_case{$kind}->();
		$s = mutate($s) if draw(3) == 0;
		$s =~ s/\\/\\\\/g;
		$s =~ s/\t/\\t/g;
		$s =~ s/\n/\\n/g;
		$s =~ s/\r/\\r/g;
		utf8::encode($s);
		$copy .= ++$id . "\t$kind\t$s\n";
	}
}
$copy .= "\\.\n";

$node->safe_psql('postgres', $copy);
$node->safe_psql('postgres', <<'SQL');
-- a JSON number as numeric; NULL when even numeric cannot hold it
CREATE FUNCTION fuzz_number(n text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF n ~ '^-?[0.]+([eE]|$)' THEN
		RETURN 0;
	END IF;
	RETURN n::numeric;
EXCEPTION WHEN OTHERS THEN
	RETURN NULL;
END $$;

-- whether {"unit": number, ...} is valid entries: `places` decimals, within low .. high
CREATE FUNCTION fuzz_entries_valid(j json, places int, low numeric, high numeric, check_whole boolean) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT coalesce(count(*) = count(DISTINCT e.key) AND bool_and(
			e.key ~ '^[a-z][a-z0-9_]{0,62}$' AND json_typeof(e.value) = 'number'
			AND coalesce(n BETWEEN low AND high AND n = trunc(n, places)
				AND (NOT check_whole OR NOT coalesce(r.whole, false) OR n = trunc(n)), false)), true)
	FROM json_each(j) AS e
		LEFT JOIN aiusage.unit_registry() AS r ON r.unit = e.key,
		LATERAL (SELECT CASE WHEN json_typeof(e.value) = 'number' THEN fuzz_number(e.value::text) END AS n) AS x $$;

CREATE FUNCTION fuzz_valid(kind text, input text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	j json;
	m text[];
	n numeric;
BEGIN
	IF kind = 'amount' THEN
		m := regexp_match(input, '^[ \t\r\n]*(-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?)[ \t\r\n]+([A-Z]{3})[ \t\r\n]*$');
		IF m IS NULL THEN
			RETURN false;
		END IF;
		n := fuzz_number(m[1]);
		RETURN coalesce(n = trunc(n, 12) AND abs(n) <= 5192296858534827628530.496329220095, false);
	END IF;
	IF input LIKE '%\\%' THEN
		RETURN false;		-- no escapes in names
	END IF;
	j := input::json;
	IF json_typeof(j) <> 'object' THEN
		RETURN false;
	END IF;
	IF kind = 'usage' THEN
		RETURN fuzz_entries_valid(j, 6, 0, 999999999999999999999999999999.999999, true);
	END IF;
	RETURN (SELECT count(*) = 1 AND bool_and(e.key ~ '^[A-Z]{3}$' AND
			CASE WHEN json_typeof(e.value) = 'object'
				THEN fuzz_entries_valid(e.value, 12, -9999999999999999999999999.999999999999, 9999999999999999999999999.999999999999, false)
				ELSE false END)
		FROM json_each(j) AS e);
EXCEPTION WHEN invalid_text_representation OR untranslatable_character THEN
	RETURN false;
END $$;

-- what the type makes of it: ok, wrong and why, or the SQLSTATE of the refusal
CREATE FUNCTION fuzz_accept(kind text, input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	u aiusage.usage;
	a aiusage.amount;
	c aiusage.unit_costs;
BEGIN
	IF kind = 'usage' THEN
		u := input::aiusage.usage;
		IF u OPERATOR(aiusage.<>) u::text::aiusage.usage OR u::text <> u::text::aiusage.usage::text THEN
			RETURN 'wrong: text round trip';
		END IF;
		IF cardinality(aiusage.units(u)) <> (SELECT count(*) FROM json_each(input::json))
			OR EXISTS (SELECT FROM json_each(input::json) AS e WHERE aiusage.quantity(u, e.key) IS DISTINCT FROM fuzz_number(e.value::text))
			OR u::jsonb::aiusage.usage OPERATOR(aiusage.<>) u THEN
			RETURN 'wrong: value';
		END IF;
	ELSIF kind = 'amount' THEN
		a := input::aiusage.amount;
		IF a OPERATOR(aiusage.<>) a::text::aiusage.amount OR a::numeric <> fuzz_number(split_part(btrim(input, E' \t\r\n'), ' ', 1))
			AND input !~ '\t' THEN
			RETURN 'wrong: value or text round trip';
		END IF;
		IF aiusage.currency(a) <> right(btrim(input, E' \t\r\n'), 3) OR a OPERATOR(aiusage.<>) aiusage.amount(a::numeric, aiusage.currency(a)) THEN
			RETURN 'wrong: currency';
		END IF;
	ELSE
		c := input::aiusage.unit_costs;
		IF c OPERATOR(aiusage.<>) c::text::aiusage.unit_costs OR c::text <> c::text::aiusage.unit_costs::text THEN
			RETURN 'wrong: text round trip';
		END IF;
		IF (SELECT count(*) FROM aiusage.unnest_costs(c)) <> (SELECT count(*) FROM json_each(input::json -> aiusage.currency(c)))
			OR EXISTS (SELECT FROM json_each(input::json -> aiusage.currency(c)) AS e
				WHERE (SELECT u.cost FROM aiusage.unnest_costs(c) AS u WHERE u.unit = e.key) IS DISTINCT FROM fuzz_number(e.value::text))
			OR c::jsonb::aiusage.unit_costs OPERATOR(aiusage.<>) c THEN
			RETURN 'wrong: value';
		END IF;
	END IF;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;

CREATE TABLE fuzz_result AS
SELECT id, kind, input, fuzz_valid(kind, input) AS valid, fuzz_accept(kind, input) AS outcome FROM fuzz_text;
SQL

is($node->safe_psql('postgres', q{
	SELECT kind, input, valid, outcome FROM fuzz_result
	WHERE CASE WHEN valid THEN outcome <> 'ok' ELSE outcome NOT IN ('22P02', '22003', 'UA422') END ORDER BY id LIMIT 20}),
	'', 'text: accepted exactly what is valid, refused the rest with a documented SQLSTATE');
my $mix = $node->safe_psql('postgres', q{
	SELECT kind, outcome, count(*) FROM fuzz_result GROUP BY 1, 2 ORDER BY 1, 2});
note $mix;
is($node->safe_psql('postgres', q{
	SELECT bool_and(n >= 100) FROM (SELECT kind, outcome, count(*) AS n FROM fuzz_result GROUP BY 1, 2) AS t
	WHERE outcome <> 'UA422'}),
	't', 'text: every outcome is met often enough to mean something');

# ---- binary: all that was accepted, there and back ----

my $dir = PostgreSQL::Test::Utils::tempdir();
chmod 0755, $dir;
for my $kind ('usage', 'amount', 'unit_costs')
{
	is($node->safe_psql('postgres', qq{
		CREATE TABLE valid_$kind AS SELECT id, input::aiusage.$kind AS v FROM fuzz_result WHERE kind = '$kind' AND outcome = 'ok';
		CREATE TABLE back_$kind (LIKE valid_$kind);
		COPY valid_$kind TO '$dir/valid_$kind' (FORMAT binary);
		COPY back_$kind FROM '$dir/valid_$kind' (FORMAT binary);
		SELECT count(*) FROM ((TABLE valid_$kind EXCEPT ALL TABLE back_$kind) UNION ALL (TABLE back_$kind EXCEPT ALL TABLE valid_$kind)) AS t}),
		'0', "$kind: binary round trip of every valid value");
}

# ---- binary: an encoder of our own ----

my $quantity_max = Math::BigInt->new(10)->bpow(36)->bsub(1);
my $amount_max = Math::BigInt->new(2)->bpow(112)->bsub(1);
my $cost_max = Math::BigInt->new(10)->bpow(37)->bsub(1);

sub varint
{
	my $v = Math::BigInt->new($_[0]);
	my $out = '';
	while ($v >= 128)
	{
		my ($q, $r) = $v->copy->bdiv(128);
		$out .= chr($r->numify | 0x80);
		$v = $q;
	}
	return $out . chr($v->numify);
}

# (value, position after it), or nothing when it is not a canonical varint of 128 bits
sub read_varint
{
	my ($bytes, $at) = @_;
	my $v = Math::BigInt->new(0);
	my $factor = Math::BigInt->new(1);
	for (my $i = 0; $at < length $bytes; $i++)
	{
		my $b = ord substr($bytes, $at++, 1);
		$v = $v + $factor * ($b & 0x7f);
		$factor = $factor * 128;
		next if $b & 0x80;
		return if ($b == 0 && $i > 0) || $v >= Math::BigInt->new(2)->bpow(128);
		return ($v, $at);
	}
	return;
}

sub big_digits { return Math::BigInt->new((draw(9) + 1) . digits(draw($_[0]))); }

sub encode_usage
{
	my %entry;
	for (1 .. one_of(0, 1, 2, 3, 5, 12))
	{
		my $name = draw(4) ? $units[ draw(scalar @units) ] : one_of('a', 'b', 'zz', 'custom_unit', 'x' x 63);
		my $code = $code{$name} || 0;
		my $q = one_of(Math::BigInt->new(draw(100000)), big_digits(34), $quantity_max->copy, Math::BigInt->new(0));
		if ($whole{$code} || draw(2)) { $q = $q->copy->bdiv(1000000)->bmul(1000000); }
		my ($units_only, $rest) = $q->copy->bdiv(1000000);
		my $bytes = $rest->is_zero ? chr($code) : chr($code | 0x80);
		$bytes .= chr(length $name) . $name if $code == 0;
		$bytes .= varint($rest->is_zero ? $units_only : $q);
		$entry{ sprintf('%03d', $code || 999) . $name } = $bytes;
	}
	return "\x01" . join '', map { $entry{$_} } sort keys %entry;
}

sub encode_value
{
	my ($v) = @_;
	my $m = $v->copy->babs;
	my $e = 0;
	while ($e < 3 && !$m->is_zero && ($m % 1000)->is_zero) { $m = $m / 1000; $e++; }
	return varint($m * 8 + ($v->is_neg ? 4 : 0) + $e);
}

sub encode_unit_costs
{
	my %entry;
	for (1 .. one_of(0, 1, 2, 3, 5, 12))
	{
		my $name = draw(4) ? $units[ draw(scalar @units) ] : one_of('a', 'b', 'zz', 'custom_unit', 'x' x 63);
		my $code = $code{$name} || 0;
		my $v = one_of(Math::BigInt->new(draw(100000)), big_digits(34), $cost_max->copy, Math::BigInt->new(0));
		$v = $v * 1000000 if draw(2) && $v < Math::BigInt->new(10)->bpow(24);
		$v->bneg if draw(2);
		my $bytes = chr($code);
		$bytes .= chr(length $name) . $name if $code == 0;
		$entry{ sprintf('%03d', $code || 999) . $name } = $bytes . encode_value($v);
	}
	return "\x01" . pack('n', 1 + draw(26 * 26 * 26)) . join '', map { $entry{$_} } sort keys %entry;
}

sub encode_amount
{
	my $v = one_of(Math::BigInt->new(draw(1000000000)), big_digits(32), $amount_max->copy);
	$v = -$v if draw(2);
	my $hex = ($v->is_neg ? $v + Math::BigInt->new(2)->bpow(128) : $v)->as_hex;
	$hex =~ s/^0x//;
	return "\x01" . join('', map { chr(65 + draw(26)) } 1 .. 3) . pack('H32', ('0' x (32 - length $hex)) . $hex);
}

# ---- and a validator ----

sub valid_entries
{
	my ($bytes, $at, $kind) = @_;
	my $last = '';
	while ($at < length $bytes)
	{
		my $tag = ord substr($bytes, $at++, 1);
		my $code = $kind eq 'usage' ? $tag & 0x7f : $tag;
		my $name = '';
		return 0 if $code > @units;
		if ($code == 0)
		{
			return 0 if $at >= length $bytes;
			my $len = ord substr($bytes, $at++, 1);
			return 0 if $at + $len > length $bytes;
			$name = substr($bytes, $at, $len);
			$at += $len;
			return 0 if $name !~ /\A[a-z][a-z0-9_]{0,62}\z/ || $code{$name};
		}
		my $key = sprintf('%03d', $code || 999) . $name;
		return 0 if $key le $last;
		$last = $key;
		my ($v, $next) = read_varint($bytes, $at);
		return 0 if !defined $v;
		$at = $next;
		if ($kind eq 'usage')
		{
			my $millionths = $tag & 0x80;
			return 0 if $millionths && ($v % 1000000)->is_zero;
			return 0 if $millionths && $whole{$code};
			return 0 if ($millionths ? $v : $v * 1000000) > $quantity_max;
		}
		else
		{
			my $e = ($v & 3)->numify;
			my $m = $v / 8;
			return 0 if $m->is_zero && !$v->is_zero;
			return 0 if $m * Math::BigInt->new(1000)->bpow($e) > $cost_max;
			return 0 if $e < 3 && !$m->is_zero && ($m % 1000)->is_zero;
		}
	}
	return 1;
}

my %valid = (
	usage => sub { return length $_[0] > 0 && substr($_[0], 0, 1) eq "\x01" && valid_entries($_[0], 1, 'usage'); },
	unit_costs => sub {
		return 0 if length $_[0] < 3 || substr($_[0], 0, 1) ne "\x01";
		my $currency = unpack 'n', substr($_[0], 1, 2);
		return $currency >= 1 && $currency <= 26 * 26 * 26 && valid_entries($_[0], 3, 'unit_costs');
	},
	amount => sub {
		return 0 if length $_[0] != 20 || $_[0] !~ /\A\x01[A-Z]{3}/;
		my $v = Math::BigInt->from_hex('0x' . unpack 'H*', substr($_[0], 4));
		$v = $v - Math::BigInt->new(2)->bpow(128) if $v >= Math::BigInt->new(2)->bpow(127);
		return $v <= $amount_max && $v >= -$amount_max;
	});
my %encode = (usage => \&encode_usage, unit_costs => \&encode_unit_costs, amount => \&encode_amount);

sub damage
{
	my ($s) = @_;
	for (0 .. draw(3))
	{
		my $kind = draw(6);
		my $at = draw(length($s) + 1);
		if ($kind == 0) { substr($s, $at, 1) = chr(ord(substr($s, $at, 1)) ^ (1 << draw(8))) if $at < length $s; }
		elsif ($kind == 1) { substr($s, $at, 1) = chr(draw(256)) if $at < length $s; }
		elsif ($kind == 2) { substr($s, $at, 0) = one_of("\x00", "\x80", "\xff", chr(draw(256)), "\xff" x 20, "\x80" x 19 . "\x00"); }
		elsif ($kind == 3) { $s = substr($s, 0, $at); }
		elsif ($kind == 4) { my $part = substr($s, $at, draw(12)); substr($s, draw(length($s) + 1), 0) = $part; }
		else { substr($s, $at, draw(4)) = ''; }
	}
	return $s;
}

for my $kind ('usage', 'amount', 'unit_costs')
{
	my $expected = '';
	my %count = (valid => 0, invalid => 0);
	mkdir "$dir/$kind";
	chmod 0755, "$dir/$kind";
	for my $n (1 .. $binary_cases)
	{
		my $bytes = $encode{$kind}->();
		$bytes = damage($bytes) if $n % 3;
		$bytes = join '', map { chr draw(256) } 1 .. draw(24) if $n % 50 == 0;
		my $valid = $valid{$kind}->($bytes) ? 1 : 0;
		die "the validator refuses what the encoder wrote: $kind " . unpack('H*', $bytes) if $n % 3 == 0 && $n % 50 && !$valid;
		$count{ $valid ? 'valid' : 'invalid' }++;
		open(my $fh, '>:raw', "$dir/$kind/$n") or die $!;
		print $fh "PGCOPY\n\377\r\n\0", pack('NN', 0, 0), pack('n', 1), pack('N', length $bytes), $bytes, pack('n', 0xffff);
		close $fh;
		$expected .= "$n\t$valid\t\\\\x" . unpack('H*', $bytes) . "\n";
	}
	note "$kind: $count{valid} valid, $count{invalid} damaged";
	$node->safe_psql('postgres', "CREATE TABLE sent_$kind (n int, valid int, bytes bytea);\nCOPY sent_$kind FROM STDIN;\n$expected\\.\n");
	is($node->safe_psql('postgres', <<SQL), '', "$kind: recv accepts exactly the canonical form");
CREATE TABLE taken_$kind (v aiusage.$kind);
CREATE TABLE received_$kind (n int, outcome text, bytes bytea, again boolean);
DO \$\$
DECLARE
	n int;
	outcome text;
BEGIN
	FOR n IN 1 .. $binary_cases LOOP
		TRUNCATE taken_$kind;
		BEGIN
			EXECUTE format('COPY taken_$kind FROM %L (FORMAT binary)', '$dir/$kind/' || n);
			outcome := 'ok';
		EXCEPTION WHEN OTHERS THEN
			outcome := SQLSTATE;
		END;
		INSERT INTO received_$kind SELECT n, outcome, (SELECT aiusage.${kind}_send(v) FROM taken_$kind),
			(SELECT v::text = v::text::aiusage.$kind\::text AND v OPERATOR(aiusage.=) v::text::aiusage.$kind FROM taken_$kind);
	END LOOP;
END
\$\$;
SELECT s.n, s.valid, s.bytes, r.outcome, r.bytes, r.again FROM sent_$kind AS s LEFT JOIN received_$kind AS r USING (n)
WHERE CASE WHEN s.valid = 1 THEN r.outcome = 'ok' AND r.bytes = s.bytes AND r.again
	ELSE r.outcome IN ('22P03', '22003', '08P01') END IS NOT TRUE
ORDER BY s.n LIMIT 20;
SQL
	cmp_ok($count{valid}, '>', $binary_cases / 4, "$kind: enough valid forms");
	cmp_ok($count{invalid}, '>', $binary_cases / 4, "$kind: enough damaged forms");
}

# ---- other encodings: names are bytes, messages are cut between characters ----

for my $encoding ('sql_ascii', 'latin1', 'euc_jp')
{
	$node->safe_psql('postgres', "CREATE DATABASE enc_$encoding ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	my ($ret, $out, $err) = $node->psql("enc_$encoding", <<'SQL');
CREATE EXTENSION aiusage;
SELECT '{"input_tokens":1,"zeta":2}'::aiusage.usage;
SET client_encoding = 'UTF8';
SELECT '{"été":1}'::aiusage.usage;
SQL
	like($out, qr/^\{"input_tokens":1,"zeta":2\}$/m, "$encoding: a usage");
	# EUC_JP has these letters, too
	like($err, qr/invalid unit name/, "$encoding: a name that is no unit");
}
my ($ret, $out, $err) = $node->psql('postgres', qq{SELECT ('{"' || repeat('x', 127) || '\xc3\xa9\xc3\xa9":1}')::aiusage.usage});
like($err, qr/invalid unit name "x{127}\.\.\."/, 'a message is cut between characters');
($ret, $out, $err) = $node->psql('postgres', qq{SELECT '{"\xff\xfe":1}'::aiusage.usage});
like($err, qr/invalid byte sequence/, 'the server refuses invalid encoding before the type sees it');

# ---- nothing crashed ----

is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server is up');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|XX000/, 'no crash and no internal error in the log');
$node->stop;
done_testing();
