# Connections that are lost: clients that die in the middle of a COPY, of a row,
# of a batch; and pgbouncer in transaction mode, where a client has another
# server connection in each transaction: admission, settlement and release
# across them, SET LOCAL, prepared statements, NOTIFY, maintain(); the pooler
# itself is killed.
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

my $node = faulty_node('connection');
faulty_books($node, 'base');

# ---- a client that dies in the middle of a COPY

my $text = join '', map { "undone\tk1\tlab\tm1\t{\"input_tokens\": 1}\n" } (1 .. 1000);
my $copy = 'COPY aiusage.usage_record (request_id, api_key, provider, model, usage) FROM STDIN';
# a COPY BINARY of rows with their usage as it goes over the wire
my $wire = $node->safe_psql('base', q{SELECT encode(aiusage.usage_send('{"input_tokens": 1}'), 'hex')});
my $field = sub { return pack('N', length $_[0]) . $_[0] };
my $binary = "PGCOPY\n\377\r\n\0" . pack('NN', 0, 0) . (pack('n', 5) . join('', map { $field->($_) } 'undone', 'k1', 'lab', 'm1', pack('H*', $wire))) x 1000;
my %copies = (
	'between two rows' => [ $copy, $text ],
	'in a row' => [ $copy, $text . "undone\tk1\tla" ],
	'binary, in a row' => [ "$copy (FORMAT binary)", $binary . pack('n', 5) . $field->('undone') . pack('N', 40) . 'k1' ]);
my $only = $ENV{AIUSAGE_FAULT_ONLY} // '.';
for my $what (grep { "COPY: $_" =~ /$only/ } sort keys %copies)
{
	for my $how ('kill -9 of the client', 'terminate', 'statement_timeout')
	{
		my ($sql, $data) = @{ $copies{$what} };
		my ($in, $err, @wrong) = ('', '');

		copy_books($node, 'base', 'work');
		my $traffic = traffic($node, 'work');
		busy($traffic, 100);
		my $client = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('work') . ' application_name=copier', $how eq 'statement_timeout' ? ('-c', q{SET statement_timeout = '1s'}) : (), '-c', $sql ],
			'<', \$in, '>', \my $out, '2>', \$err);
		$in = $data;
		$client->pump while length $in;
		# libpq keeps some of it; what has come is in the ledger, and reserved
		$node->poll_query_until('work', q{SELECT coalesce(max(tuples_processed), 0) >= 500 FROM pg_stat_progress_copy}) or push @wrong, 'no rows come';
		# a backend that waits for its client in a COPY ends at once; the timeout is heard with the next row
		$node->safe_psql('work', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'copier'}) if $how eq 'terminate';
		if ($how eq 'statement_timeout')
		{
			usleep(1_100_000);
			$in = $data;
			eval { $client->finish };
			push @wrong, "it was told $err" if $err !~ /statement timeout/;
		}
		else
		{
			$client->kill_kill;
		}
		$node->poll_query_until('work', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'copier'}) or push @wrong, 'its backend stays';
		end_traffic($traffic);
		judge($node, 'work', "COPY: $how", $what, [$traffic], wrong => \@wrong, fill => 1);
	}
}

# ---- all clients die at once, with whatever they were at

for my $round ('clients' =~ /$only/ ? (1 .. 3) : ())
{
	copy_books($node, 'base', 'work');
	my $traffic = traffic($node, 'work', clients => 12, rate => 3000);
	busy($traffic, 200 * $round);
	end_traffic($traffic, kill => 1);
	$node->poll_query_until('work', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'traffic'}) or die 'backends stay';
	judge($node, 'work', 'kill -9 of all clients', 'in traffic', [$traffic], fill => 1);
}

# ---- pgbouncer, a client's transactions on any of three server connections

my $dir = PostgreSQL::Test::Utils::tempdir_short;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
if (!defined $pgbouncer)
{
	diag 'no pgbouncer: not tested';
	done_testing();
	exit 0;
}
my $me = $node->safe_psql('postgres', 'SELECT current_user');
append_to_file("$dir/users.txt", join '', map { "\"$_\" \"\"\n" } $me, 'gate');
append_to_file("$dir/pgbouncer.ini", <<"INI");
[databases]
work = host=@{[ $node->host ]} port=@{[ $node->port ]} dbname=work pool_size=3
one = host=@{[ $node->host ]} port=@{[ $node->port ]} dbname=work pool_size=1
[pgbouncer]
unix_socket_dir = $dir
listen_port = $port
auth_type = trust
auth_file = $dir/users.txt
pool_mode = transaction
logfile = $dir/log
pidfile = $dir/pid
query_wait_timeout = 5
server_login_retry = 1
INI
my $pooler;
sub start_pooler
{
	$pooler = IPC::Run::start([ $pgbouncer, "$dir/pgbouncer.ini" ], '<', \undef, '>', '/dev/null', '2>', "$dir/err");
	for (1 .. 300)
	{
		last if PostgreSQL::Test::Utils::system_log('pg_isready', '-q', '-h', $dir, '-p', $port) == 0;
		usleep(50_000);
	}
	return;
}
my $pooled = sub { my ($db) = @_; return "host=$dir port=$port user=$me dbname=" . ($db // 'work') };
# one psql, each statement in whichever connection there is
my $through = sub { my ($sql, $db) = @_; my ($out, $err) = ('', ''); IPC::Run::run([ 'psql', '-X', '-q', '-A', '-t', '-v', 'VERBOSITY=verbose', '-d', $pooled->($db) ], '<', \$sql, '>', \$out, '2>', \$err); chomp $out; return "$out$err" };

copy_books($node, 'base', 'work');
$node->safe_psql('work', q{CREATE ROLE gate LOGIN; SELECT aiusage.grant_access('gate', 'gateway')});
start_pooler();
my @wrong;
push @wrong, 'not through the pooler' if $through->('SELECT 1') ne '1';

# unnamed statements, and transactions of traffic
for my $mode ('simple', 'extended')
{
	my $traffic = traffic($node, 'work', clients => 8, rate => 1000, connstr => $pooled->(), options => [ '-M', $mode ]);
	busy($traffic, 400);
	end_traffic($traffic);
	judge($node, 'work', 'pgbouncer: connections cut', "$mode protocol", [$traffic], wrong => [ splice @wrong ]);
}

# named statements: from pgbouncer 1.21 on; before, what a client prepared is in another's connection
{
	my $traffic = traffic($node, 'work', clients => 8, rate => 1000, seconds => 3, connstr => $pooled->(), options => [ '-M', 'prepared' ]);
	eval { $traffic->{process}->finish };
	my ($refused) = $traffic->{log} =~ /(prepared statement "[^"]*" (?:does not exist|already exists))/;
	end_traffic($traffic, gone => 1);
	judge($node, 'work', 'pgbouncer: prepared statements', defined $refused ? 'refused by PostgreSQL' : 'they work', [$traffic]);
}

# admission, settlement and release: held by the transaction's connection, settled on another, which is made sure of
{
	my $busy = "BEGIN;\nSELECT pg_backend_pid();\n";
	for my $durable ('true', 'false')
	{
		my ($hold, $pid) = split /\|/, $through->("SELECT hold_id, pg_backend_pid() FROM aiusage.admit('k1', 'lab', 'm1', '{\"input_tokens\": 9}', durable => $durable)");
		# keep that connection busy
		my $in = "BEGIN;\nSELECT pg_backend_pid();\n";
		my @keep;
		for my $i (1 .. 2)
		{
			my ($i_in, $i_out) = ("BEGIN;\nSELECT pg_backend_pid();\n", '');
			my $k = { in => \$i_in, out => \$i_out };
			$k->{process} = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-d', $pooled->(), '-f', '-' ], '<', $k->{in}, '>', $k->{out}, '2>&1', IPC::Run::timeout(60));
			$k->{process}->pump until ${ $k->{out} } =~ /^\d+\n/;
			push @keep, $k;
			last if ${ $k->{out} } =~ /^$pid\n/;
		}
		my $said = $through->("INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id, status) VALUES ('k1', 'lab', 'm1', '{\"input_tokens\": 2}', '$hold', 'error');\n"
			. "SELECT pg_backend_pid() <> $pid, aiusage.hold_standing('$hold', 'k1'), aiusage.release('$hold');\nSELECT aiusage.hold_standing('$hold', 'k1')");
		push @wrong, "durable => $durable: $said" if $said ne "t|open|t\nreused";
		${ $_->{in} } .= "COMMIT;\n" for @keep;
		eval { $_->{process}->finish } for @keep;
	}
	judge($node, 'work', 'pgbouncer: transactions on different connections', 'admit, draw, release', undef, wrong => [ splice @wrong ]);
}

# SET LOCAL ends with its transaction, for the next client of the same connection
{
	my $said = $through->(q{BEGIN; SET LOCAL ROLE gate; SET LOCAL statement_timeout = '5s'; INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('k1', 'lab', 'm1', '{"input_tokens": 1}'); COMMIT;
		SELECT current_user, current_setting('statement_timeout');}, 'one');
	push @wrong, "it leaks: $said" if $said ne "$me|0";
	$said = $through->(q{SET LOCAL ROLE gate; SELECT count(*) FROM aiusage.usage_record}, 'one');
	push @wrong, "SET LOCAL outside a transaction: $said" if $said !~ /WARNING:  25P01/;
	judge($node, 'work', 'pgbouncer: SET LOCAL', 'one connection for all', undef, wrong => [ splice @wrong ]);
}

# maintain() commits as it goes, and leaves nothing of itself; its alerts are heard by who listens directly
{
	my $listener = $node->background_psql('work');
	$listener->query_safe('LISTEN aiusage_alert');
	$node->safe_psql('work', q{SELECT aiusage.put_quota('{"name": "heard", "metric": "spend", "currency": "USD", "limit": 1000000, "window": "total"}')});
	my $said = $through->(q{CALL aiusage.maintain(); SELECT current_setting('application_name') LIKE 'aiusage%', current_setting('search_path');}, 'one');
	push @wrong, "it leaves: $said" if $said ne 'f|"$user", public';
	$said = $listener->query('SELECT 1');
	push @wrong, "nothing was heard: $said" if $said !~ /Asynchronous notification "aiusage_alert"/;
	eval { $listener->quit };
	$said = $through->('LISTEN aiusage_alert; SELECT 1', 'one');
	# half way, of the pooler's own pool
	$said = $through->("SET statement_timeout = '5ms'; CALL aiusage.maintain(); RESET statement_timeout; SELECT current_setting('application_name')", 'one');
	push @wrong, "a cancel leaves: $said" if $said =~ /aiusage maintain/ && $said !~ /57014/ || (split /\n/, $said)[0] =~ /^aiusage/;
	judge($node, 'work', 'pgbouncer: maintain() and NOTIFY', 'one connection for all', undef, wrong => [ splice @wrong ]);
}

# the pooler dies, in traffic
for my $signal ('KILL', 'INT', 'TERM')
{
	my $traffic = traffic($node, 'work', clients => 8, rate => 1500, connstr => $pooled->());
	busy($traffic, 300);
	kill $signal, slurp_file("$dir/pid") =~ /(\d+)/;
	$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'traffic'}) if $signal eq 'INT';
	eval { $traffic->{process}->finish };
	eval { $pooler->finish };
	end_traffic($traffic, gone => 1);
	$node->poll_query_until('work', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'traffic'}) or push @wrong, 'backends stay';
	unlink "$dir/pid", "$dir/.s.PGSQL.$port";
	start_pooler();
	judge($node, 'work', 'pgbouncer: ' . ($signal eq 'KILL' ? 'kill -9 of it' : "SIG$signal"), 'in traffic', [$traffic], wrong => [ splice @wrong ], fill => $signal eq 'TERM');
}
# and a backend under it
{
	my $traffic = traffic($node, 'work', clients => 8, rate => 1500, connstr => $pooled->());
	my $log_end = -s $node->logfile;
	busy($traffic, 300);
	kill 'KILL', $node->safe_psql('postgres', q{SELECT min(pid) FROM pg_stat_activity WHERE datname = 'work'});
	recovered($node, $log_end);
	# who had no connection at that moment goes on
	end_traffic($traffic);
	push @wrong, 'the pooler does not connect again' if $through->('SELECT 1; SELECT 1') !~ /1$/;
	judge($node, 'work', 'pgbouncer: kill -9 of a backend', 'in traffic', [$traffic], wrong => [ splice @wrong ]);
}
kill 'TERM', slurp_file("$dir/pid") =~ /(\d+)/;
eval { $pooler->finish };

$node->stop;
done_testing();
