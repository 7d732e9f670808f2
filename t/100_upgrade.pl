# Books of every release that was frozen (updates/VERSION/books.sql: keys, rows,
# limits, a wallet, a contract, a closed month), brought to this tree's version:
# every figure stays, verify() is clean, booking and folding go on, and the
# catalogue is that of a fresh install, object by object.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = project_dir();
my ($version) = slurp_file("$dir/aiusage.control") =~ /^default_version *= *'(.*)'/m;
my @frozen = map { m{/updates/([\d.]+)/} ? $1 : () } sort glob("$dir/updates/*/books.sql");
ok(@frozen > 0, 'a release was frozen: ' . join(', ', @frozen));

# What a release books is the same ever after, whatever columns later ones add.
my $figures = q{
	SELECT 'ledger', count(*), md5(string_agg(concat_ws('|', id, occurred_at, recorded_at, txid, cost, list_cost, charge, assignment, adjusts, price_version,
		invoice_period, cost_state, kind, api_key, model, usage, cost_by_unit), E'\n' ORDER BY id)) FROM aiusage.usage_record
	UNION ALL SELECT 'statements', count(*), md5(string_agg(concat_ws('|', statement, entity, cost, charge, invoice_number, checksum), E'\n' ORDER BY statement)) FROM aiusage.statements
	UNION ALL SELECT 'team usage', count(*), md5(string_agg(concat_ws('|', day, team, requests, cost, currency, unpriced), E'\n' ORDER BY day, team, currency)) FROM aiusage.team_usage
	UNION ALL SELECT 'periods', count(*), md5(string_agg(concat_ws('|', period, team, cost_center, requests, cost, currency), E'\n'
		ORDER BY period, team, cost_center, currency)) FROM aiusage.invoice_period_usage
	UNION ALL SELECT 'keys', count(*), md5(string_agg(concat_ws('|', assignment, api_key, team, cost_center, customer, valid_from, valid_to), E'\n' ORDER BY assignment)) FROM aiusage.key_assignment
	UNION ALL SELECT 'limits', count(*), md5(string_agg(concat_ws('|', name, subject, used, "limit"), E'\n' ORDER BY name, subject)) FROM aiusage.quota_state WHERE name = 'tokens of a user'
	UNION ALL SELECT 'wallet', count(*), md5(string_agg(concat_ws('|', name, recharged, spent, balance), E'\n' ORDER BY name)) FROM aiusage.wallet_balance};
my $dirty = q{SELECT string_agg(check_name || ': ' || coalesce(detail, ''), '; ') FROM aiusage.verify() WHERE NOT ok};

my $node;

sub restore
{
	my ($db, $from, $as_of) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	my ($code, $out, $err) = $node->psql($db, '', on_error_stop => 0, extra_params => [ '-q', '-v', "as_of=$as_of", '-f', "$dir/updates/$from/books.sql" ]);
	return $err;
}

# The facts of a database, after dump and restore: these change how some
# expressions are written, and here every database has gone through them.
sub catalogue
{
	my ($db) = @_;
	my %facts;
	my $file = $node->basedir . "/$db.sql";

	$node->safe_psql('postgres', "CREATE DATABASE ${db}_copy");
	$node->command_ok([ 'pg_dump', '-f', $file, $node->connstr($db) ], "$db is dumped");
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr("${db}_copy"), '-f', $file ], "$db is restored");
	# as JSON: a fact of several lines stays one
	my $rows = $node->safe_psql("${db}_copy", 'SELECT json_agg(x) FROM (' . slurp_file("$dir/t/lib/catalogue.sql") . ') AS x');
	for my $row (@{ JSON::PP->new->latin1(0)->decode($rows) }) { push @{ $facts{ $row->{object} } }, $row->{fact} }
	return \%facts;
}

# same books, and what to do when they are not
sub same_catalogue
{
	my ($name, $got, $want) = @_;
	my @differ;

	for my $object (sort keys %{ { %$got, %$want } })
	{
		my ($is, $should) = map { join("\n", @{ $_->{$object} // [] }) } $got, $want;
		next if $is eq $should;
		push @differ, "$object\n" . ($is eq '' ? "    updated books lack it\n" : $should eq '' ? "    a fresh install has no such object\n" : difference($is, $should));
	}
	ok(!@differ, $name) or diag(@differ,
		"\nThe books of an older release do not come to the shape that a fresh install has.  For what differs above:\n",
		"- table, column, constraint, index, table comment, setting, enum: write books/updates/NNN_what.sql (NNN: after the\n",
		"  tables it alters, before those that stand on it), which alters books of the released shape; init() runs it once, as the books' owner.\n",
		"- a view, a trigger or a function that is gone: DROP VIEW, DROP TRIGGER, DROP FUNCTION there.\n",
		"- a function, its comment or who may call it: tools/make_update.pl derives these; what it cannot is updates/by_hand.sql.\n",
		"docs/upgrading.md says how.\n");
	return;
}

sub difference
{
	my ($is, $should) = @_;
	my @is = split /\n/, $is;
	my @should = split /\n/, $should;
	my $at = 0;

	$at++ while $at < @is && $at < @should && $is[$at] eq $should[$at];
	return sprintf("    updated: %s\n    fresh:   %s\n", map { substr($_ // '(nothing)', 0, 600) } $is[$at], $should[$at]);
}

require JSON::PP;
for my $from (@frozen)
{
	(my $tag = $from) =~ s/\./_/g;
	$node = new_node("upgrade_$tag");

	# restored as it was, then updated
	is(restore('frozen', $from, " VERSION '$from'"), '', "$from: restored as $from");
	is($node->safe_psql('frozen', q{SELECT extversion FROM pg_extension WHERE extname = 'aiusage'}), $from, "$from: it is");
	my $before = $node->safe_psql('frozen', $figures);
	my $shape = $node->safe_psql('frozen', 'SELECT aiusage.storage_version()');
	my $done = $node->safe_psql('frozen', q{BEGIN; ALTER EXTENSION aiusage UPDATE; SELECT step || ': ' || action FROM aiusage.init(); COMMIT;});
	note $done;
	ok($done !~ /: applied/ || $node->safe_psql('frozen', 'SELECT aiusage.storage_version()') > $shape,
		"$from: books of another shape have a higher storage version");
	is($node->safe_psql('frozen', q{SELECT extversion FROM pg_extension WHERE extname = 'aiusage'}), $version, "$from: updated to $version");
	is($node->safe_psql('frozen', $figures), $before, "$from: every figure is what it was");
	unlike($node->safe_psql('frozen', q{SELECT string_agg(action, ' ') FROM aiusage.init()}), qr/created|applied|replaced/, "$from: init() has nothing more to do");
	is($node->safe_psql('frozen', q{SELECT string_agg(concat_ws(' ', check_name, value, meaning), '; ') FROM aiusage.status() WHERE check_name IN ('versions', 'books') AND severity <> 'ok'}),
		'', "$from: status() agrees");

	# what came with the restore is folded, and booking goes on
	$node->safe_psql('frozen', q{SELECT FROM aiusage.refresh()});
	$node->safe_psql('frozen', q{CALL aiusage.rebuild_rollups('update')});
	is($node->safe_psql('frozen', $figures), $before, "$from: every figure is what it was, with the rollups made anew");
	is($node->safe_psql('frozen', $dirty), '', "$from: verify() is clean");
	$node->safe_psql('frozen', q{SET ROLE frozen_gateway;
		INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage) VALUES ('after', 'desk', 'openai', 'gpt-4o', '{"input_tokens": 1000}')});
	$node->safe_psql('frozen', q{SELECT FROM aiusage.refresh()});
	is($node->safe_psql('frozen', q{SELECT cost::numeric FROM aiusage.usage_log WHERE request_id = 'after'}) + 0, 0.00225, "$from: a new row is booked at the price of its time");
	is($node->safe_psql('frozen', $dirty), '', "$from: verify() is clean after it");
	is($node->safe_psql('frozen', q{SELECT count(*) FROM (SELECT DISTINCT "limit" FROM aiusage.quota_state WHERE name = 'search per month') AS x}), 1, "$from: its limit is in force");

	# a fresh install with the same roles
	$node->safe_psql('postgres', 'CREATE DATABASE fresh');
	$node->safe_psql('fresh', q{CREATE EXTENSION aiusage; SELECT FROM aiusage.init('frozen_owner');
		SELECT aiusage.grant_access('frozen_gateway', 'gateway'), aiusage.grant_access('frozen_analyst', 'analyst'),
			aiusage.grant_access('frozen_admin', 'admin'), aiusage.grant_access('frozen_approver', 'approver'),
			-- with a limit, so that the trigger which charges them is enabled
			aiusage.put_quota('{"name": "any", "metric": "requests", "limit": 1, "window": "total"}')});
	my $fresh = catalogue('fresh');
	ok(keys(%$fresh) > 1000, "$from: the catalogues are read");
	same_catalogue("$from: the books are those of a fresh install", catalogue('frozen'), $fresh);

	# The old dump restored into this release: its books are of the older shape under new code.
	# What is granted on functions that are gone cannot be restored, nor views that call them: init() makes these.
	my @unexpected = grep { /ERROR/ && !/role "frozen_\w+" already exists|function aiusage\.\w+\(.*\) does not exist/ } split /\n/, restore('restored', $from, '');
	is("@unexpected", '', "$from: its dump is restored under $version");
	$node->safe_psql('restored', q{SELECT FROM aiusage.init()});
	is($node->safe_psql('restored', $figures), $before, "$from: every figure of its dump is what it was");
	$node->safe_psql('restored', q{SELECT FROM aiusage.refresh()});
	$node->safe_psql('restored', q{CALL aiusage.rebuild_rollups('update')});
	is($node->safe_psql('restored', $dirty), '', "$from: verify() is clean in it");
	same_catalogue("$from: books of its dump are those of a fresh install", catalogue('restored'), $fresh);
	$node->stop;
}

done_testing();
