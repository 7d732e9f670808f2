# A full disk under the WAL: a PANIC, and no start until there is room; then
# everything is there that was acknowledged, and what was begun is ended by
# calling it again.  Needs a small file system, in AIUSAGE_FAULT_SMALL.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use Faults;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $small = $ENV{AIUSAGE_FAULT_SMALL} // '';
plan skip_all => 'no small file system (AIUSAGE_FAULT_SMALL)' if $small eq '';
$small .= '/wal';

my $wal = PostgreSQL::Test::Cluster->new('wal');
$wal->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8', '--wal-segsize=1', "--waldir=$small/segments" ]);
$wal->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\nshared_preload_libraries = 'aiusage'\nmax_connections = 60\nautovacuum = off\nlog_statement = none\nmax_wal_size = 1GB\nwal_recycle = off\n");
$wal->start;
faulty_books($wal, 'base');

for my $case ([ 'traffic', 'SELECT 1', 'SELECT 1' ], [ 'a large insert', "SELECT history('2024-05-01 00:00+00', 20000, 1000)", 'SELECT 1' ], [ 'a fold', 'SELECT aiusage.refresh()', 'SELECT aiusage.refresh()' ],
	[ 'a reprice', 'CALL aiusage.run_reprice(1, 50)', 'CALL aiusage.run_reprice(1)' ], [ 'maintain', 'CALL aiusage.maintain()', 'CALL aiusage.maintain()' ])
{
	my ($what, $sql, $end) = @$case;
	my (@wrong, $err);

	copy_books($wal, 'base', 'work');
	$wal->safe_psql('work', $_) for (q{SELECT FROM aiusage.import_prices('past', 'genai-prices', '[{"id": "lab", "models": [
			{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 2000000}}]}]', '2024-01-01', 'dearer')},
		q{SELECT aiusage.start_reprice('{"team": "past"}', NULL, 'dearer', NULL)}, 'CHECKPOINT');
	my $traffic = traffic($wal, 'work', clients => 6, rate => 1500);
	busy($traffic, 200);
	my $log_end = -s $wal->logfile;
	fill_disk($small, 8);
	my $in = "$sql;\n" x 20;
	my $worker = IPC::Run::start([ 'psql', '-X', '-q', '-d', $wal->connstr('work'), '-f', '-' ], '<', \$in, '>', \my $out, '2>', \$err);
	$worker->pump while length $in;
	# the server gives up, and cannot recover either while there is no room for its WAL
	$wal->wait_for_log(qr/PANIC:  could not write to file.*No space left on device/, $log_end);
	end_traffic($traffic, gone => 1);
	eval { $worker->finish };
	# where recovery found no room either, the postmaster has given up
	usleep(500_000);
	empty_disk($small);
	for my $try (1 .. 300)
	{
		last if PostgreSQL::Test::Utils::system_log('pg_isready', '-q', '-h', $wal->host, '-p', $wal->port) == 0;
		if (!-e $wal->data_dir . '/postmaster.pid')
		{
			$wal->{_pid} = undef;
			$wal->start;
		}
		usleep(100_000);
	}
	push @wrong, "it cannot be done when there is room: $err" if $wal->psql('work', $end, stderr => \$err) != 0;
	judge($wal, 'work', 'disk full: WAL', $what, [$traffic], wrong => \@wrong, fill => 1);
}
$wal->stop;
done_testing();
