# The server stops at once, in several ways, beside traffic and while the books
# are worked on: what was acknowledged is there, work that was begun is ended by
# calling it again, and caps go on where they were.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use Faults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = faulty_node('stop', conf => "max_prepared_transactions = 5\n");
faulty_books($node, 'base');

# Wait until the postmaster is gone for its parent, too.
sub gone
{
	my ($pid) = @_;

	for (1 .. 6000)
	{
		return unless kill 0, $pid;
		usleep(10_000);
	}
	die "the postmaster is still there";
}

my %stop = (
	'immediate shutdown' => sub { $node->stop('immediate') },
	'fast shutdown' => sub { $node->stop('fast') },
	'kill -9 of the postmaster' => sub { my $pid = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0]; $node->kill9; gone($pid) },
	'kill -9 of the checkpointer' => sub
	{
		my $log_end = -s $node->logfile;
		kill 'KILL', $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'});
		recovered($node, $log_end);
	});

# What else goes on, over and over; and an end of it that can be called at any time.
my %work = (
	'traffic' => [ 'SELECT 1', 'SELECT 1' ],
	'folds' => [ 'SELECT aiusage.refresh()', 'SELECT aiusage.refresh()' ],
	'maintain' => [ 'CALL aiusage.maintain()', 'CALL aiusage.maintain()' ],
	'reprice' => [ 'CALL aiusage.run_reprice(1, 50)', 'CALL aiusage.run_reprice(1)' ],
	'rebuild' => [ q{CALL aiusage.rebuild_rollups('to be sure', '2024-03-01', '2024-04-01')}, q{CALL aiusage.rebuild_rollups('to be sure', '2024-03-01', '2024-03-08')} ],
	'limits' => [ q{SELECT aiusage.rebuild_quota('past', 'to be sure')}, q{SELECT aiusage.rebuild_quota('past', 'to be sure')} ]);

my $n = 0;
for my $how (sort keys %stop)
{
	for my $what (sort keys %work)
	{
		my ($sql, $end) = @{ $work{$what} };
		my @wrong;

		copy_books($node, 'base', 'work');
		$node->safe_psql('work', $_) for (q{SELECT FROM aiusage.import_prices('past', 'genai-prices', '[{"id": "lab", "models": [
				{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 2000000}}]}]', '2024-01-01', 'dearer')},
			q{SELECT aiusage.start_reprice('{"team": "past"}', NULL, 'dearer', NULL)});
		my $traffic = traffic($node, 'work', clients => 6, rate => 1500);
		my $in = "$sql;\n" x 200;
		my $worker = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('work'), '-f', '-' ], '<', \$in, '>', \my $out, '2>', \my $err);
		$worker->pump while length $in;
		busy($traffic, 300);
		my $hold = $node->safe_psql('work', q{SELECT hold_id FROM aiusage.admit('k1', 'lab', 'm1', '{"input_tokens": 7}', ttl => '1 hour')});
		usleep(50_000 * (++$n % 5));
		$stop{$how}->();
		end_traffic($traffic, gone => 1);
		eval { $worker->finish };
		$node->start if $how !~ /checkpointer/;

		push @wrong, 'the hold that was acknowledged is not there'
		  if $node->safe_psql('work', "SELECT try_book('k1', 1), aiusage.hold_standing('$hold', 'k1')") !~ /\|open$/;
		push @wrong, "$what cannot be ended: $err" if $node->psql('work', $end, stderr => \$err) != 0;
		judge($node, 'work', $how, "beside $what", [$traffic], wrong => \@wrong, fill => 1);
	}
}

# Without waiting for the disk, what was acknowledged may be lost; but then it is not counted either.
copy_books($node, 'base', 'work');
$node->append_conf('postgresql.conf', "synchronous_commit = off\nwal_writer_delay = 10s\nwal_writer_flush_after = 0\n");
$node->reload;
my $traffic = traffic($node, 'work', clients => 6, rate => 3000);
busy($traffic, 300);
$node->stop('immediate');
end_traffic($traffic, gone => 1);
$node->start;
judge($node, 'work', 'immediate shutdown', 'synchronous_commit = off', [$traffic], fill => 1, may_lose => 1);

$node->stop;
done_testing();
