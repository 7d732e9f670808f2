# Limits under crashes: with clients that roll back, use savepoints and repeat
# themselves, after a backend was killed, the server stopped at once, the
# postmaster killed: what is booked never exceeds the limit, and counters in
# memory are what the ledger adds up to.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $cap = 30000;
my $node = new_node('limits_crash', conf => "fsync = on\nsynchronous_commit = on\nrestart_after_crash = on\nmax_connections = 50\n");
make_lab($node, 'lab');
$node->safe_psql('lab', qq{
	SELECT aiusage.put_quota('{"name": "cap", "metric": "spend", "currency": "USD", "limit": $cap, "window": "total", "thresholds": [50]}');
	SELECT aiusage.put_quota('{"name": "per key", "metric": "requests", "limit": 1000000, "window": "total", "per": ["api_key"]}');
	SELECT aiusage.put_quota('{"name": "team", "metric": "spend", "currency": "USD", "limit": $cap, "window": "day", "scope": {"team": "t"}}');
	SELECT aiusage.put_quota('{"name": "project", "metric": "tokens", "limit": 1000000, "window": "hour", "sliding": true, "per": ["project"]}');
	SELECT aiusage.put_quota('{"name": "model", "metric": "requests", "limit": 1000000, "window": "minute", "per": ["model"]}');
	SELECT aiusage.put_quota('{"name": "provider", "metric": "spend", "currency": "USD", "limit": 1000000, "window": "month", "scope": {"provider": "lab"}}');
});

my $script = $node->basedir . '/traffic.sql';
append_to_file($script, q{
\set dice random(1, 10)
\set n random(1, 5)
\set r random(1, 20000)
BEGIN;
SELECT try_book('k1', :n, 'r' || :r);
SAVEPOINT s;
SELECT try_book('k2', :n);
\if :dice <= 3
ROLLBACK TO s;
\elif :dice <= 6
RELEASE s;
\endif
SELECT try_book('k2', 1) FROM generate_series(1, :n);
\if :dice = 7
ROLLBACK;
\else
COMMIT;
\endif
});

sub traffic
{
	my ($seconds) = @_;
	my $log = $node->basedir . '/traffic.log';
	return IPC::Run::start([ 'pgbench', '-n', '-c', 16, '-j', 2, '-T', $seconds, '-f', $script, $node->connstr('lab') ],
		'<', \undef, '>', $log, '2>&1');
}

sub spent { return $node->safe_psql('lab', 'SELECT coalesce(sum(cost::numeric), 0) FROM aiusage.usage_record') }

sub check
{
	my ($what) = @_;

	# the first row after a restart loads the counters
	$node->safe_psql('lab', q{SELECT try_book('k1', 1), try_book('k2', 1)});
	is($node->safe_psql('lab', 'SELECT * FROM counters_differ()'), '', "$what: counters are what the ledger adds up to");
	is($node->safe_psql('lab', q{SELECT count(*) FROM aiusage.quota_counters() WHERE state <> 'ready' OR reserved <> 0}), 0,
		"$what: nothing stays reserved");
	cmp_ok(spent(), '<=', $cap, "$what: within the limit");
	return;
}

my $client = traffic(2);
$client->finish;
check('traffic');
my $before = spent();
cmp_ok($before, '>', 0, 'there was traffic');

for my $how ('kill -9 of a backend', 'stop immediate', 'kill -9 of the postmaster')
{
	$client = traffic(20);
	usleep(700_000);
	$node->safe_psql('lab', 'SELECT aiusage.refresh()');
	usleep(500_000);
	my $log_end = -s $node->logfile;
	if ($how eq 'stop immediate')
	{
		$node->stop('immediate');
	}
	elsif ($how eq 'kill -9 of the postmaster')
	{
		kill_postmaster($node);
	}
	else
	{
		my $pid = $node->safe_psql('lab', q{SELECT min(pid) FROM pg_stat_activity WHERE datname = 'lab' AND backend_type = 'client backend' AND pid <> pg_backend_pid()});
		die 'the clients have stopped: ' . slurp_file($node->basedir . '/traffic.log') if $pid eq '';
		kill 'KILL', $pid;
	}
	$client->finish;
	if ($how eq 'kill -9 of a backend')
	{
		# All backends go down with it; then the postmaster starts over.
		$node->wait_for_log(qr/all server processes terminated; reinitializing.*database system is ready to accept connections/s, $log_end);
	}
	else
	{
		start_again($node);
	}
	check($how);
}

# Until nothing fits any more: as much as there was room for, and no more.  Most
# of the room goes at once, or a slow machine would take minutes for it.
my $room = $cap - spent() - 1000;
isnt($node->safe_psql('lab', qq{SELECT try_book('k1', $room)}), 'denied', 'most of the room') if $room > 0;
my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
while (time < $deadline)
{
	last if $node->safe_psql('lab', q{SELECT try_book('k1', 1)}) eq 'denied';
	traffic(1)->finish;
}
check('at the limit');
is(spent(), $cap, 'the limit is used up to the last unit, and not exceeded');
cmp_ok($node->safe_psql('lab', q{SELECT count(*) FROM aiusage.quota_event WHERE kind = 'threshold'}), '==', 1, 'one event for the threshold');
verify_clean($node, 'lab', 'at the limit');
done_testing();
