# A crash in the middle of loading: what was acknowledged is there, once; what
# was not acknowledged is there once or not at all; the books add up.
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

my $node = new_node('crash', conf => "fsync = on\nsynchronous_commit = on\nrestart_after_crash = on\n");
make_books($node, 'finance');

# A client that sends one request after the other and notes which were answered.
# Returns the acknowledged numbers; stops when its connection is lost.
sub start_client
{
	my ($name) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $handle = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('finance') . ' user=gateway', '-f', '-' ],
		'<', \$in, '>', \$out, '2>', \$err);

	for my $n (1 .. 20000)
	{
		$in .= "INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, provider, model, usage) "
		  . "VALUES (aiusage.event_id('$name-$n', '2025-10-20 10:00:00+00'), '$name-$n', '2025-10-20 10:00:00+00', 'chat-prod', 'openai', 'gpt-4o', "
		  . "'{\"input_tokens\": 1000, \"output_tokens\": 100}') ON CONFLICT DO NOTHING;\n\\echo $n\n";
	}
	return { name => $name, handle => $handle, in => \$in, out => \$out, err => \$err };
}

sub acknowledged
{
	my ($client) = @_;
	# Only whole lines: a half-read number is another number.
	my ($whole) = ${ $client->{out} } =~ /\A(.*\n)?[^\n]*\z/s;
	return map { "$client->{name}-$_" } split /\n/, $whole // '';
}

my $round = 0;
for my $how ('kill -9 of a backend', 'stop immediate', 'kill -9 of the postmaster')
{
	$round++;
	my @clients = map { start_client("r$round-c$_") } (1 .. 3);
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;

	# Let them get going, fold once in between, then strike.
	my $enough = sub { grep({ (() = ${ $_->{out} } =~ /\n/g) > 200 } @clients) == @clients };
	until ($enough->() || time > $until)
	{
		$_->{handle}->pump_nb for @clients;
		usleep(2000);
	}
	ok($enough->(), "$how: the clients were busy");
	$node->safe_psql('finance', 'SELECT aiusage.refresh()');
	for (1 .. 50)
	{
		$_->{handle}->pump_nb for @clients;
		usleep(1000);
	}

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
		my $pid = $node->safe_psql('finance', q{SELECT pid FROM pg_stat_activity WHERE usename = 'gateway' LIMIT 1});
		ok($pid =~ /^\d+$/ && PostgreSQL::Test::Utils::system_log('pg_ctl', 'kill', 'KILL', $pid) == 0, "$how: killed");
	}
	for my $client (@clients)
	{
		eval { $client->{handle}->finish; };
	}
	if ($how eq 'kill -9 of a backend')
	{
		# All backends go down with it; then the postmaster starts over.
		$node->wait_for_log(qr/all server processes terminated; reinitializing.*database system is ready to accept connections/s, $log_end);
	}
	else
	{
		start_again($node);
	}

	my @acked = map { acknowledged($_) } @clients;
	cmp_ok(scalar(@acked), '>', 600, "$how: " . scalar(@acked) . ' rows were acknowledged');
	my $list = join ',', map { "'$_'" } @acked;
	is($node->safe_psql('finance', "SELECT count(*), count(DISTINCT request_id), count(cost) FROM aiusage.usage_record WHERE request_id IN ($list)"),
		join('|', (scalar @acked) x 3), "$how: each acknowledged row is there once, with its cost");
	verify_clean($node, 'finance', "$how: after recovery");

	# A gateway that got no answer sends again: nothing twice.
	my $again = $acked[-1];
	$node->safe_psql('finance', "INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, provider, model, usage)
		VALUES (aiusage.event_id('$again', '2025-10-20 10:00:00+00'), '$again', '2025-10-20 10:00:00+00', 'chat-prod', 'openai', 'gpt-4o',
			'{\"input_tokens\": 1000, \"output_tokens\": 100}') ON CONFLICT DO NOTHING");
	is($node->safe_psql('finance', "SELECT count(*) FROM aiusage.usage_record WHERE request_id = '$again'"), '1', "$how: sent again, booked once");
	$node->safe_psql('finance', 'SELECT aiusage.refresh()');
	verify_clean($node, 'finance', "$how: after the next fold");
}

done_testing();
