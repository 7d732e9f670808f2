# Fuzzing of extract_usage() and merge_stream(): every flavor, on bodies whose
# counters are numbers of every size, texts, lists, or not there, beside keys
# and values that nobody has seen before.
#
# The oracle is SQL: jsonpath and numeric, over the list that extractors()
# gives.  It says which usage comes out, or that none does.  Each body carries
# a marker in its texts and keys; it may turn up in no result and no error.
# Everything is drawn from one seeded generator, so a failure repeats.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($seed) = seeds(20261127);
my $cases = $ENV{AIUSAGE_FUZZ_BODIES} || 60;		# a flavor

my $node = new_node('extract_fuzz', preload => '');
$node->safe_psql('postgres', 'CREATE EXTENSION aiusage');

my $state = $seed;

sub draw
{
	my ($bound) = @_;
	$state = ($state * 1103515245 + 12345) & 0x7fffffff;
	return int($state / 65536) % $bound;
}

sub one_of { return $_[ draw(scalar @_) ]; }

# ---- bodies: trees whose leaves are JSON as it is written ----

my $marker = 'QX7 marker';

sub number
{
	return one_of('0', '1', '7', '4740', '255', '1e3', '2.50e1', '3000000000', '9007199254740993', '12345678901234567890',
		'999999999999999999999999999999', draw(8000) . '') if draw(10) < 8;
	return one_of('-1', '0.5', '1e30', '1e400', '-0', '0.0000001', '17.25', '1e-300', '123456789012345678901234567890123456789');
}

sub odd
{
	my $deep = 1 + draw(40);
	return one_of('null', 'true', 'false', qq{"$marker"}, qq{"12"}, qq{"${marker}5"}, '[]', '{}', qq{["$marker", 5]}, qq{{"$marker": 6}},
		('{"a":' x $deep) . number() . ('}' x $deep), ('[' x $deep) . qq{"$marker"} . (']' x $deep));
}

sub set
{
	my ($tree, $path, $value) = @_;
	my @steps = @$path;
	my $last = pop @steps;
	for my $step (@steps)
	{
		$tree->{$step} = {} unless ref $tree->{$step} eq 'HASH';
		$tree = $tree->{$step};
	}
	$tree->{$last} = $value;
	return;
}

sub json
{
	my ($v) = @_;
	return $v unless ref $v;
	return '[' . join(',', map { json($_) } @$v) . ']' if ref $v eq 'ARRAY';
	return '{' . join(',', map { my $k = $_; qq{"$k":} . json($v->{$k}) } sort keys %$v) . '}';
}

my (%flavors, @order);
for my $line (split /\n/, $node->safe_psql('postgres', 'SELECT provider, flavor, root, path, kind FROM aiusage.extractors()'))
{
	my ($provider, $flavor, $root, $path, $kind) = split /\|/, $line, -1;
	push @order, "$provider|$flavor" unless $flavors{"$provider|$flavor"};
	$flavors{"$provider|$flavor"}{root} = $root;
	$flavors{"$provider|$flavor"}{paths}{$path} = 1;
}
cmp_ok(scalar(@order), '>', 140, 'every flavor is there');

my @lines;
for my $name (@order)
{
	my ($root, @paths) = ($flavors{$name}{root}, sort keys %{ $flavors{$name}{paths} });
	for my $i (1 .. $cases)
	{
		my $usage = {};
		my %lists;
		for my $path (@paths)
		{
			next if draw(10) < 2;
			# headers are text
			my $value = draw(100) < (($i % 3) ? 4 : 30) ? odd() : number();
			$value = qq{"$value"} if $name eq 'aws|invoke_headers' && $value =~ /^[0-9]/;
			if ($path =~ /^(.*)\[(\w+)=(\w+)\]\.(.*)$/)
			{
				push @{ $lists{$1} }, { $2 => '"' . (draw(5) ? $3 : lc $3) . '"', $4 => $value } for 0 .. (draw(10) == 0);
			}
			elsif ($path =~ /^(.*)\[\*\]\.(.*)$/) { push @{ $lists{$1} }, { $2 => $value } for 0 .. draw(3) }
			elsif ($path =~ /^(.*)\[#\]$/) { $lists{$1} = [ map { qq{"$marker"} } 0 .. draw(3) ] }
			else { set($usage, [ split /\./, $path ], $value) }
		}
		for my $list (keys %lists)
		{
			push @{ $lists{$list} }, odd() if draw(8) == 0;
			$usage->{$list} = $lists{$list};
		}
		if (draw(3) == 0)
		{
			set($usage, [ one_of('new_counter', $marker, 'details', 'prompt_tokens_details', 'sk-proj-abcdefghijklmnop1234567890ABCDEFGH'),
				one_of('more', $marker, 'text') ], draw(2) ? number() : odd()) for 0 .. draw(4);
		}
		my $body = { id => '"id-1"', choices => [ { message => { content => qq{"$marker"} }, finish_reason => '"stop"', index => number() } ],
			candidates => [ { content => qq{"$marker"} } ], output => qq{"$marker"}, $marker => '1' };
		if ($root eq '') { $body = { %$body, %$usage } }
		elsif (draw(25) == 0) { set($body, [ split /\./, $root ], odd()) }
		else { set($body, [ split /\./, $root ], $usage) }
		$body = draw(2) ? $body : { %$body, model => one_of('"gpt-4o"', qq{"$marker } . ('x' x 300) . '"', number(), qq{["$marker"]}, qq{{"$marker": "$marker"}}, 'null') } unless $root eq '';
		my $text = json($body);
		$text =~ s/\\/\\\\/g;
		push @lines, join("\t", split(/\|/, $name), $text);
	}
}

# ---- what SQL says of them ----

$node->safe_psql('postgres', q{
CREATE TABLE body (provider text, flavor text, body jsonb);

-- the values that a path of extractors() leads to
CREATE FUNCTION at(u jsonb, path text) RETURNS SETOF jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	m text[];
BEGIN
	m := regexp_match(path, '^(.*)\[(\w+)=(\w+)\]\.(.*)$');
	IF m IS NOT NULL THEN
		RETURN QUERY SELECT e.value -> m[4] FROM (SELECT l.value FROM jsonb_array_elements(CASE WHEN jsonb_typeof(u -> m[1]) = 'array' THEN u -> m[1] ELSE '[]' END)
			WITH ORDINALITY AS l (value, n) WHERE jsonb_typeof(l.value) = 'object' AND jsonb_typeof(l.value -> m[2]) = 'string' AND lower(l.value ->> m[2]) = lower(m[3]) ORDER BY n LIMIT 1) AS e;
		RETURN;
	END IF;
	m := regexp_match(path, '^(.*)\[\*\]\.(.*)$');
	IF m IS NOT NULL THEN
		RETURN QUERY SELECT l.value -> m[2] FROM jsonb_array_elements(CASE WHEN jsonb_typeof(u -> m[1]) = 'array' THEN u -> m[1] ELSE '[]' END) AS l WHERE jsonb_typeof(l.value) = 'object';
		RETURN;
	END IF;
	m := regexp_match(path, '^(.*)\[#\]$');
	IF m IS NOT NULL THEN
		IF jsonb_typeof(u -> m[1]) = 'array' THEN
			RETURN NEXT to_jsonb(jsonb_array_length(u -> m[1]));
		END IF;
		RETURN;
	END IF;
	u := u #> string_to_array(path, '.');
	IF u IS NOT NULL THEN
		RETURN NEXT u;
	END IF;
END $$;

-- the usage, or 'none', 'bad'
CREATE FUNCTION oracle(p text, f text, b jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	x record;
	u jsonb;
	v jsonb;
	n numeric;
	total numeric;
	sums jsonb := '{}';
BEGIN
	SELECT e.root INTO x FROM extractor AS e WHERE e.provider = p AND e.flavor = f LIMIT 1;
	u := CASE WHEN x.root = '' THEN b ELSE b #> string_to_array(x.root, '.') END;
	IF u IS NULL OR jsonb_typeof(u) = 'null' THEN
		RETURN 'none';
	ELSIF jsonb_typeof(u) <> 'object' THEN
		RETURN 'bad';
	END IF;
	FOR x IN SELECT e.*, r.whole FROM extractor AS e JOIN aiusage.unit_registry() AS r ON r.unit = e.unit WHERE e.provider = p AND e.flavor = f ORDER BY e.n LOOP
		total := NULL;
		FOR v IN SELECT * FROM at(u, x.path) LOOP
			CONTINUE WHEN v IS NULL;
			-- a header is text, and passed over when it is no whole number
			CONTINUE WHEN jsonb_typeof(v) <> 'number' AND (f <> 'invoke_headers' OR jsonb_typeof(v) <> 'string' OR
				v #>> '{}' !~ '^\d+([.]\d+)?([eE][+-]?\d+)?$' OR (v #>> '{}')::numeric % 1 <> 0 OR (v #>> '{}')::numeric >= 1e30);
			n := (v #>> '{}')::numeric;
			IF n < 0 OR n >= 1e30 OR (x.whole AND n % 1 <> 0) THEN
				RETURN 'bad';
			END IF;
			total := coalesce(total, 0) + CASE WHEN x.whole THEN n ELSE round_half_even(n) END;
		END LOOP;
		IF total IS NULL THEN
			IF x.required THEN
				RETURN 'bad';
			END IF;
		ELSIF total >= 1e30 THEN
			RETURN 'bad';
		ELSIF x.kind = 'unit' OR NOT sums ? x.unit THEN
			sums := sums || jsonb_build_object(x.unit, coalesce((sums ->> x.unit)::numeric, 0) + total);
		END IF;
	END LOOP;
	IF EXISTS (SELECT FROM jsonb_each_text(sums) AS s WHERE s.value::numeric >= 1e30) THEN
		RETURN 'bad';
	END IF;
	RETURN CASE WHEN sums = '{}' THEN 'none' ELSE sums::text END;
END $$;
CREATE FUNCTION round_half_even(n numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN CASE WHEN n * 1e6 % 1 = 0.5 AND trunc(n * 1e6) % 2 = 0 THEN trunc(n, 6) ELSE round(n, 6) END;

CREATE TABLE extractor AS SELECT row_number() OVER () AS n, e.* FROM aiusage.extractors() AS e;
CREATE INDEX ON extractor (provider, flavor);

-- what we say, with everything that is said
CREATE FUNCTION answer(p text, f text, b jsonb, OUT usage jsonb, OUT said text, OUT kept int, OUT code text) LANGUAGE plpgsql AS $$
DECLARE
	r record;
	detail text;
	hint text;
BEGIN
	SELECT e.* INTO r FROM aiusage.extract_usage(p, f, b) AS e;
	usage := r.usage::jsonb;
	said := r::text;
	kept := (SELECT count(*) FROM jsonb_object_keys(r.unknown));
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, code = RETURNED_SQLSTATE;
	said := concat_ws(' ', said, detail, hint);
END $$;
-- a stream: the body's usage in two chunks and once more
CREATE FUNCTION streamed(p text, f text, b jsonb, OUT usage jsonb, OUT said text, OUT code text) LANGUAGE plpgsql AS $$
DECLARE
	r aiusage.stream_usage;
	detail text;
	hint text;
BEGIN
	SELECT (aiusage.merge_stream(p, f, c.chunk ORDER BY c.n)).* INTO r FROM unnest(ARRAY['{"type": "ping"}', b, b, '{"delta": {}}']) WITH ORDINALITY AS c (chunk, n);
	usage := r.usage::jsonb;
	said := r::text;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, code = RETURNED_SQLSTATE;
	said := concat_ws(' ', said, detail, hint);
END $$;
});

my $file = PostgreSQL::Test::Utils::tempdir() . '/bodies';
append_to_file($file, join("\n", @lines) . "\n");
$node->safe_psql('postgres', "\\copy body FROM '$file'");
$node->safe_psql('postgres', q{
	CREATE TABLE result AS
	SELECT b.*, oracle(b.provider, b.flavor, b.body) AS wanted, a.usage, a.said, a.kept, a.code, s.usage AS s_usage, s.said AS s_said, s.code AS s_code
	FROM body AS b, LATERAL answer(b.provider, b.flavor, b.body) AS a, LATERAL streamed(b.provider, b.flavor, b.body) AS s});

is($node->safe_psql('postgres', 'SELECT count(*) FROM result'), scalar(@order) * $cases, 'every body has an answer');
note $node->safe_psql('postgres', q{SELECT count(*) FILTER (WHERE wanted NOT IN ('none', 'bad')), count(*) FILTER (WHERE wanted = 'none'), count(*) FILTER (WHERE wanted = 'bad') FROM result});
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM result WHERE wanted NOT IN ('none', 'bad')}), '>', scalar(@lines) / 4, 'many bodies have a usage');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM result WHERE wanted = 'bad'}), '>', scalar(@lines) / 10, 'and many are refused');
is($node->safe_psql('postgres', q{
	SELECT count(*), string_agg(concat_ws(' ', provider, flavor, left(body::text, 600), 'wanted', wanted, 'got', coalesce(usage::text, said)), E'\n') FROM (SELECT * FROM result
	WHERE CASE wanted WHEN 'none' THEN usage IS NOT NULL OR code IS NOT NULL WHEN 'bad' THEN code IS NULL ELSE usage IS DISTINCT FROM wanted::jsonb END LIMIT 3) AS r}),
	'0|', 'each usage is what SQL makes of it');
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT code, ' ' ORDER BY code) FROM result}), '22003 UA422', 'errors are the documented ones');
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT s_code, ' ' ORDER BY s_code) FROM result}), '22003 UA422', 'errors of streams, too');
# but for what must be there, which a stream may lack
is($node->safe_psql('postgres', q{
	SELECT count(*), string_agg(concat_ws(' ', provider, flavor, left(body::text, 400), 'body', usage::text, 'stream', coalesce(s_usage::text, s_said)), E'\n') FROM (SELECT * FROM result
	WHERE code IS NULL AND flavor <> 'realtime' AND s_usage IS DISTINCT FROM usage AND usage IS NOT NULL LIMIT 3) AS r}),
	'0|', 'a stream that says it twice has the same usage');
is($node->safe_psql('postgres', q{SELECT count(*) FROM result WHERE said ~ 'QX7|sk-proj' OR s_said ~ 'QX7|sk-proj'}), '0', 'no text of a body comes back');
is($node->safe_psql('postgres', q{SELECT count(*) FROM result WHERE kept > 33}), '0', 'unknown counters are bounded');

# ---- by hand: depth and length that a generator would not reach ----

for my $hostile (
	[ 'deep object', q~('{"usage": ' || repeat('{"usage": ', 3000) || '1' || repeat('}', 3001))~ ],
	[ 'deep list', q~('{"usage": {"prompt_tokens": 1, "completion_tokens": 1, "x": ' || repeat('[', 3000) || repeat(']', 3000) || '}}')~ ],
	[ 'wide usage', q~(SELECT '{"usage": {' || string_agg(format('"k%s": {"n": %s}', i, i), ',') || ', "prompt_tokens": 1, "completion_tokens": 1}}' FROM generate_series(1, 200000) AS i)~ ],
	[ 'long list', q~(SELECT '{"usage": {"prompt_tokens": 1, "completion_tokens": 1, "l": [' || string_agg(i::text, ',') || ']}}' FROM generate_series(1, 300000) AS i)~ ],
	[ 'long number', q~('{"usage": {"prompt_tokens": 1, "completion_tokens": 1, "n": 1' || repeat('0', 100000) || '}}')~ ],
	[ 'long key', q~('{"usage": {"prompt_tokens": 1, "completion_tokens": 1, "' || repeat('k', 1000000) || '": 1}}')~ ])
{
	my ($name, $text) = @$hostile;
	my ($rc, $out, $err) = $node->psql('postgres', "SELECT length(e::text) < 6000 FROM aiusage.extract_usage('openai', 'chat', $text\::jsonb) AS e");
	ok($out eq 't' || $err =~ /UA422|has no number/, "$name: bounded answer") or diag("$out $err");
}
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server is up');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'no backend crashed');
$node->stop;
done_testing();
