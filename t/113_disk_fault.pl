# A full disk, under the tables and under temporary files.  What does not fit
# fails as a whole with 53100; when there is room again everything goes on, and
# the books are right.  Needs a small file system, in AIUSAGE_FAULT_SMALL.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use Faults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $small = $ENV{AIUSAGE_FAULT_SMALL} // '';
plan skip_all => 'no small file system (AIUSAGE_FAULT_SMALL)' if $small eq '';
$small .= '/tables';

my $history = sub { my ($n, $from) = @_; return "SELECT history('2024-05-01 00:00+00', $n, $from)" };

# ---- under the tables: a database in a tablespace

my $node = faulty_node('disk');
faulty_books($node, 'base');
mkdir "$small/space" or die $!;
$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$small/space'");
my $march = q{aiusage.period_of(1, '2024-03-15 00:00+00')};
my $again = sub { my ($sql) = @_; return [ $sql, $sql ] };
# name => [what is done when the disk is full, what ends it when there is room, what must be so then]
my %work = (
	'inserts' => [ $history->(20000, 1000), 'SELECT 1' ],
	'a fold' => $again->('SELECT aiusage.refresh()'),
	'a close' => [ "SELECT aiusage.refresh(), aiusage.close_period($march, 'over', true)", "SELECT aiusage.close_period($march, 'over', true) WHERE aiusage.period_status($march) = 'open'" ],
	'a reprice' => [ 'CALL aiusage.run_reprice(1, 50)', 'CALL aiusage.run_reprice(1)' ],
	'an import of prices' => $again->(q{SELECT aiusage.import_prices('list', 'genai-prices', aiusage.default_catalogue(), '2020-01-01')}),
	'an erasure' => $again->(q{SELECT FROM aiusage.erase_user('user-3', 'asked')}),
	'moving out of DEFAULT' => $again->('SELECT aiusage.empty_default()'),
	'a rebuild' => [ q{CALL aiusage.rebuild_rollups('damaged', '2024-03-01', '2024-03-08')}, q{CALL aiusage.rebuild_rollups('to be sure', '2024-03-01', '2024-03-08')} ],
	'maintain' => $again->('CALL aiusage.maintain()'),
	'publishing a limit' => $again->(q{SELECT aiusage.put_quota('{"name": "new", "scope": {"team": "past"}, "per": ["user_id", "model"], "metric": "tokens", "limit": 100000000, "window": "total"}')}));

for my $what (sort keys %work)
{
	my ($sql, $end) = @{ $work{$what} };
	my @wrong;

	$node->safe_psql('postgres', $_) for ('SET client_min_messages = error; DROP DATABASE IF EXISTS work WITH (FORCE)', 'CREATE DATABASE work TEMPLATE base TABLESPACE small', 'CHECKPOINT');
	$node->safe_psql('work', $_) for (q{SELECT FROM aiusage.import_prices('past', 'genai-prices', '[{"id": "lab", "models": [
			{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 2000000}}]}]', '2024-01-01', 'dearer')},
		q{SELECT aiusage.start_reprice('{"team": "past"}', NULL, 'dearer', NULL)},
		"UPDATE aiusage.rollup_15m SET requests = requests + 1 WHERE bucket < '2024-03-08 00:00+00'");
	my $traffic = traffic($node, 'work');
	busy($traffic, 100);
	fill_disk($small, 16);
	# clients go on in the room that pages have, until there is none
	my (%said, $err);
	for my $try (1 .. 3)
	{
		$node->psql('work', "\\set VERBOSITY verbose\n$sql;", stderr => \$err);
		$said{$1} = 1 while $err =~ /(?:ERROR|WARNING):\s+([0-9A-Z]{5}):/g;
	}
	end_traffic($traffic);
	delete $said{UA503} if $what eq 'maintain';
	push @wrong, "it failed with $_" for grep { $_ ne '53100' } sort keys %said;
	push @wrong, 'the disk was not full' if $what eq 'inserts' && !$said{53100};
	# an old row of the same time is refused or booked, whatever is full; reading goes on
	push @wrong, "views cannot be read: $err" if $node->psql('work', 'SELECT count(*) FROM aiusage.team_usage', stderr => \$err) != 0;
	empty_disk($small);
	for my $try (1 .. 3)
	{
		last if $node->psql('work', $end, stderr => \$err) == 0;
		push @wrong, "it cannot be done when there is room: $err" if $try == 3;
	}
	$node->safe_psql('work', q{CALL aiusage.rebuild_rollups('damaged', '2024-03-01', '2024-03-08')}) if $what ne 'a rebuild';
	judge($node, 'work', 'disk full: tables', "$what" . ($said{53100} ? '' : ' (it fitted)'), [$traffic], wrong => \@wrong, fill => 1);
}

# ---- under temporary files

copy_books($node, 'base', 'work');
$node->safe_psql('work', $history->(8000, 1000));
my $temporary = "SET work_mem = '64kB'; SET temp_tablespaces = small; ";
for my $sql ('SELECT aiusage.refresh()', 'SELECT count(*) FROM aiusage.verify()', q{CALL aiusage.rebuild_rollups('damaged', '2024-05-01', '2024-05-03')})
{
	my @wrong;

	fill_disk($small, 16);
	my $state = sqlstate_of($node, 'work', $temporary . $sql);
	push @wrong, "it failed with $state" unless $state =~ /^(53100)?$/;
	empty_disk($small);
	push @wrong, "it cannot be done when there is room: $state" if ($state = sqlstate_of($node, 'work', $temporary . $sql)) ne '';
	judge($node, 'work', 'disk full: temporary files', $sql =~ /(\w+)\(/ ? $1 : $sql, undef, wrong => \@wrong);
}
$node->stop;
done_testing();
