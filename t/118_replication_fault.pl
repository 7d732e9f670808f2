# Standbys and subscribers: a primary that is lost under load and a standby that
# is promoted, with and without waiting for it; a standby that crashes while it
# follows; and the ledger by logical replication while publisher, subscriber and
# what is between them fail.
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

# ---- promotion under load

for my $mode ('synchronous', 'asynchronous')
{
	my $primary = PostgreSQL::Test::Cluster->new("primary_$mode");
	$primary->init(allows_streaming => 1);
	$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'aiusage'\ntimezone = 'UTC'\nfsync = off\nmax_connections = 60\nautovacuum = off\nlog_statement = none\n");
	$primary->start;
	faulty_books($primary, 'work');
	$primary->backup('base', backup_options => [ '--checkpoint', 'fast' ]);
	my $standby = PostgreSQL::Test::Cluster->new("standby_$mode");
	$standby->init_from_backup($primary, 'base', has_streaming => 1);
	$standby->start;
	if ($mode eq 'synchronous')
	{
		$primary->append_conf('postgresql.conf', "synchronous_standby_names = '*'\n");
		$primary->reload;
	}

	# a standby that crashes follows again
	my $traffic = traffic($primary, 'work', clients => 6, rate => 1000);
	busy($traffic, 200);
	$standby->stop('immediate');
	$standby->start;
	busy($traffic, 400);
	my $hold = $primary->safe_psql('work', q{SELECT hold_id FROM aiusage.admit('k1', 'lab', 'm1', '{"input_tokens": 7}', ttl => '1 hour')});
	my $in = "SELECT aiusage.refresh();\n" x 200;
	my $folder = IPC::Run::start([ 'psql', '-X', '-q', '-d', $primary->connstr('work'), '-f', '-' ], '<', \$in, '>', \my $out, '2>', \my $err);
	$folder->pump while length $in;
	busy($traffic, 800);
	$primary->stop('immediate');
	end_traffic($traffic, gone => 1);
	eval { $folder->finish };
	my @wrong = map { "on the standby: $_" } split /\n/, $standby->safe_psql('work', 'SELECT * FROM aiusage.verify() AS v WHERE NOT v.ok');
	$standby->promote;
	my $standing = $standby->safe_psql('work', "SELECT try_book('k1', 1), aiusage.hold_standing('$hold', 'k1')");
	push @wrong, "the hold that was acknowledged is not there: $standing" if $mode eq 'synchronous' && $standing !~ /\|open$/;
	# traffic goes on there, and so does the cap
	my $more = traffic($standby, 'work', clients => 6, rate => 1000);
	busy($more, 200);
	end_traffic($more);
	judge($standby, 'work', 'loss of the primary, promotion', "$mode standby", [ $traffic, $more ], wrong => \@wrong, fill => 1, may_lose => $mode eq 'asynchronous');
	$standby->stop;
}

# ---- logical replication of the ledger

my $region = faulty_node('region', conf => "wal_level = logical\nmax_wal_senders = 8\nmax_replication_slots = 8\nwal_receiver_timeout = 5s\n");
my $finance = faulty_node('finance', conf => "wal_retrieve_retry_interval = 200ms\nlog_min_messages = warning\n");
faulty_books($_, 'work') for ($region, $finance);
my $columns = $region->safe_psql('work', q{SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
	WHERE attrelid = 'aiusage.usage_record'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'txid'});
$region->safe_psql('work', "CREATE PUBLICATION ledger FOR TABLE aiusage.usage_record ($columns) WITH (publish = 'insert', publish_via_partition_root = true)");
$finance->safe_psql('work', "CREATE SUBSCRIPTION ledger CONNECTION \$c\$" . $region->connstr('work') . "\$c\$ PUBLICATION ledger WITH (copy_data = false)");
my $rows = q{SELECT count(*), md5(string_agg((to_jsonb(u) - 'txid')::text, E'\n' ORDER BY u.id)) FROM aiusage.usage_record AS u WHERE u.api_key IN ('k1', 'k2')};

my %fault = (
	'immediate shutdown of the publisher' => sub { $region->stop('immediate'); $region->start },
	'immediate shutdown of the subscriber' => sub { $finance->stop('immediate'); $finance->start },
	'kill -9 of the apply worker' => sub
	{
		my $log_end = -s $finance->logfile;
		kill 'KILL', $finance->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'logical replication worker'});
		recovered($finance, $log_end);
	},
	'loss of the connection' => sub
	{
		for (1 .. 5)
		{
			$region->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'walsender'});
			usleep(300_000);
		}
	},
	'a fold of the subscriber beside it' => sub { $finance->safe_psql('work', 'SELECT aiusage.refresh()') for (1 .. 10) });
for my $what (sort keys %fault)
{
	my @wrong;
	my $traffic = traffic($region, 'work', clients => 4, rate => 800);

	busy($traffic, 300);
	$fault{$what}->();
	end_traffic($traffic, gone => scalar($what =~ /publisher/));
	$region->wait_for_catchup('ledger');
	my ($here, $there) = ($region->safe_psql('work', $rows), $finance->safe_psql('work', $rows));
	push @wrong, "published $here, applied $there" if $here ne $there;
	push @wrong, map { "subscriber: $_" } split /\n/, $finance->safe_psql('work', 'SELECT * FROM violations()');
	push @wrong, map { "subscriber: $_" } split /\n/, $finance->safe_psql('work', 'SELECT * FROM aiusage.verify() AS v WHERE NOT v.ok');
	$finance->safe_psql('work', 'SELECT aiusage.refresh()');
	push @wrong, map { "subscriber, folded: $_" } split /\n/, $finance->safe_psql('work', 'SELECT * FROM aiusage.verify() AS v WHERE NOT v.ok');
	judge($region, 'work', 'logical replication', $what, [$traffic], wrong => \@wrong);
}
$finance->safe_psql('work', 'DROP SUBSCRIPTION ledger');
$_->stop for ($finance, $region);
done_testing();
