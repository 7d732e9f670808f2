# examples/gateway.c and examples/admission.c: they compile, and book what they say, as a gateway role.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
my $dir = PostgreSQL::Test::Utils::tempdir;
my %config = map { my $v = `"$pg_config" --$_`; chomp $v; ($_ => $v) } qw(includedir libdir);
my $system_include = `pg_config --includedir 2>/dev/null`;
chomp $system_include;

for my $example (qw(gateway admission))
{
	command_ok([ 'cc', '-Wall', '-Wextra', '-Werror', "-I$config{includedir}", ($system_include ? "-I$system_include" : ()),
			project_dir() . "/examples/$example.c", "-L$config{libdir}", '-lpq', '-o', "$dir/$example" ],
		"examples/$example.c compiles without a warning");
}

my $node = new_node('gateway');
make_books($node, 'finance');
$node->safe_psql('finance', q{SELECT aiusage.put_key('{"key": "example-chat", "team": "platform", "cost_center": "cc-100"}')});

for my $run (1, 2)
{
	command_like([ "$dir/gateway", $node->connstr('finance') . ' user=gateway' ],
		qr/\Ainserted 1\nsent again 0\npipeline 100\ncopy 1000\n\z/, "run $run: booked once, pipelined, copied");
}
is($node->safe_psql('finance', q{SELECT count(*), count(cost), count(assignment), count(DISTINCT id) FROM aiusage.usage_record WHERE api_key = 'example-chat'}),
	'2202|2202|2202|2202', 'every row is there, priced and attributed');
is($node->safe_psql('finance', q{SET search_path = pg_catalog, aiusage; SELECT sum(cost::numeric) = sum((
		2.5 * ((usage -> 'input_tokens') - (usage -> 'cache_read_tokens')) + 1.25 * (usage -> 'cache_read_tokens') + 10 * (usage -> 'output_tokens')) / 1000000)
	FROM aiusage.usage_record WHERE api_key = 'example-chat'}), 't', 'at the price of gpt-4o, to the last digit');
verify_clean($node, 'finance', 'after the gateway');

# Refused, and said why.
$node->safe_psql('finance', q{SELECT aiusage.disable_key('example-chat')});
command_checks_all([ "$dir/gateway", $node->connstr('finance') . ' user=gateway' ], 1, [qr/^$/], [qr/insert: UA403 \(HTTP 403\) /], 'a disabled key is refused');

# Asked before the call: three a day, each with its worst case held and its row booked.
$node->safe_psql('finance', q{SELECT aiusage.put_key('{"key": "admitted-chat", "team": "platform", "cost_center": "cc-100"}');
	SELECT aiusage.put_quota('{"name": "three a day", "scope": {"api_key": "admitted-chat"}, "metric": "requests", "limit": 3, "window": "day"}')});
command_like([ "$dir/admission", $node->connstr('finance') . ' user=gateway', 'admitted-chat', 5 ],
	qr/\A200 gpt-4o x-ratelimit-remaining: 2\n200 gpt-4o x-ratelimit-remaining: 1\n200 gpt-4o x-ratelimit-remaining: 0\n(?:429 retry-after: [1-9]\d* \(three a day\)\n){2}\z/,
	'three calls are made, two are answered 429 with a time to come back');
is($node->safe_psql('finance', q{SELECT count(*), count(*) FILTER (WHERE cost IS NOT NULL) FROM aiusage.usage_record WHERE api_key = 'admitted-chat'}),
	'3|3', 'and three rows are booked');
is($node->safe_psql('finance', q{SELECT used, held, remaining FROM aiusage.quota_state WHERE name = 'three a day'}), '3|0|0', 'nothing is held any more');
is($node->safe_psql('finance', q{SELECT count(*) FROM aiusage.verify() WHERE NOT ok}), '0', 'and the books agree');

done_testing();
