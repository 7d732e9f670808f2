# Out of memory: a backend whose n-th malloc() fails, one whose address space is
# bounded, and shared memory of limits in which there is no room.  What fails
# leaves nothing behind; who goes on is counted; caps hold.
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

my $node = faulty_node('memory');
faulty_books($node, 'base');

# ---- the n-th malloc() of a session fails, in what it does first and when it is warm

my $insert = q{INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage) VALUES ('victim', 'k1', 'lab', 'm1', '{"input_tokens": 3}');};
my $many = q{INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage, user_id) SELECT 'victim', 'k1', 'lab', 'm1', '{"input_tokens": 1}', 'u' || i FROM generate_series(1, 5000) AS i;};
my $march = q{aiusage.period_of(1, '2024-03-15 00:00+00')};
my @work = (
	[ 'a first insert', $insert, '' ],
	[ 'insert of many rows', $many, q{SELECT book('k1', 1);} ],
	[ 'admission and settlement', q{SELECT hold_id AS h FROM aiusage.admit('k1', 'lab', 'm1', '{"input_tokens": 5}') \gset}
		. "\n" . q{INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage, hold_id) VALUES ('victim', 'k1', 'lab', 'm1', '{"input_tokens": 3}', :'h');}, '' ],
	[ 'a fold', 'SELECT aiusage.refresh();', '' ],
	[ 'a close', "SELECT aiusage.close_period($march, 'over', true);", '' ],
	[ 'a price', q{SELECT count(aiusage.price_usage('lab', 'm1', '{"input_tokens": 3}', now(), book => 'past'));}, '' ]);
my @points = map { $_ / 6 } (0 .. 5);

my $only = $ENV{AIUSAGE_FAULT_ONLY} // '.';
for my $work (grep { $_->[0] =~ /$only/ } @work)
{
	my ($name, $sql, $before) = @$work;

	copy_books($node, 'base', 'work');
	# undone each time, and then something that is booked; the first time is not like the others
	$sql = "BEGIN;\n$sql\nROLLBACK;\n$insert";
	count_stops($node, 'work', $sql, 'malloc', before => $before);
	my $mallocs = count_stops($node, 'work', $sql, 'malloc', before => $before);
	my (@wrong, $failed, $hits);
	for my $point (@points)
	{
		my ($hit, $said) = strike($node, 'work', $sql, before => $before, at => 'malloc', passes => int($mallocs * $point), commands => [ 'return (void *) 0', 'detach' ]);

		$hits++ if $hit;
		$failed += () = $said =~ /out of memory|could not compute/g;
		# OpenSSL says it in its own way
		push @wrong, "it was told: $_" for grep { !/out of memory|could not compute SHA-256|no transaction in progress|current transaction is aborted|syntax error at or near ":"/ } $said =~ /((?:ERROR|FATAL|WARNING):  [^\n]*)/g;
		push @wrong, map { "at $point: $_" } split /\n/, $node->safe_psql('work', 'SELECT * FROM violations() AS v WHERE v !~ $$held [1-9]$$');
	}
	push @wrong, "it came by malloc() $hits times of " . @points if $hits < @points - 2;
	push @wrong, 'nobody was out of memory' unless $failed;
	judge($node, 'work', 'a malloc() fails', $name, undef, wrong => \@wrong, times => $hits);
}

# ---- a bounded address space, from too little to enough

my %large = (
	'a fold' => 'SELECT aiusage.refresh()',
	'verify' => 'SELECT count(*) FROM aiusage.verify()',
	'a large statement' => $many . 'ROLLBACK',
	'an import of prices' => q{SELECT aiusage.import_prices('list', 'genai-prices', aiusage.default_catalogue(), '2020-01-01')},
	'a rebuild' => q{CALL aiusage.rebuild_rollups('to be sure', '2024-03-01', '2024-03-04')},
	'ingest' => q{SELECT count(*) FROM aiusage.ingest((SELECT jsonb_agg(jsonb_build_object('api_key', 'k1', 'provider', 'lab', 'model', 'm1', 'usage', '{"input_tokens": 1}'::jsonb, 'request_id', 'undone')) FROM generate_series(1, 5000)))});
for my $name (grep { "bounded: $_" =~ /$only/ } sort keys %large)
{
	my %said;
	my @wrong;

	copy_books($node, 'base', 'work');
	for my $mb (1, 4, 16, 64, 512)
	{
		my $session = $node->background_psql('work', on_error_stop => 0);
		my $pid = $session->query('SELECT pg_backend_pid()');
		my ($size) = slurp_file("/proc/$pid/statm") =~ /^(\d+)/;

		PostgreSQL::Test::Utils::system_log('prlimit', "--pid=$pid", '--as=' . ($size * 4096 + $mb * 1024 * 1024) . ':') == 0 or die 'prlimit';
		$session->query($name eq 'a large statement' ? "BEGIN; $large{$name};" : $name eq 'ingest' ? "BEGIN; $large{$name}; ROLLBACK;" : "$large{$name};");
		my $err = $session->{stderr};
		$said{$_} = 1 for $err =~ /((?:ERROR|FATAL|PANIC):  [^\n]*)/g;
		# the same session goes on
		$session->query('ROLLBACK');
		PostgreSQL::Test::Utils::system_log('prlimit', "--pid=$pid", '--as=unlimited:');
		$session->{stderr} = '';
		push @wrong, "with $mb MB the session is lost: $err" if $session->query("SELECT book('k1', 1)") !~ /ok|soft/;
		eval { $session->quit };
	}
	push @wrong, grep { !/out of memory/ } sort keys %said;
	judge($node, 'work', 'bounded memory', $name . (%said ? '' : ' (it had enough)'), undef, wrong => \@wrong);
}
# ---- shared memory in which there is no room: 64 counters and holds for 400 users, of whom sessions keep 40 at a time

$node->append_conf('postgresql.conf', "aiusage.quota_counters = 64\naiusage.quota_holds = 64\naiusage.quota_load_timeout = 500ms\n");
$node->restart;
my $script = PostgreSQL::Test::Utils::tempdir() . '/many.sql';
append_to_file($script, <<'PGBENCH');
\set a random(1, 400)
\set dice random(1, 10)
BEGIN;
SELECT many(:a, 40, :dice);
\if :dice = 1
ROLLBACK;
\else
COMMIT;
\endif
PGBENCH
for my $how (grep { "full: $_" =~ /$only/ } 'nothing else', 'kill -9', 'terminate', 'cancel')
{
	my @wrong;

	copy_books($node, 'base', 'work');
	$node->safe_psql('work', q{SELECT aiusage.put_quota('{"name": "each", "per": ["user_id"], "scope": {"team": "t"}, "metric": "requests", "limit": 12, "window": "total"}')});
	$node->safe_psql('work', q{
		CREATE TABLE told (what text, n int);
		CREATE FUNCTION many(a int, n int, dice int) RETURNS void LANGUAGE plpgsql AS $$
		DECLARE
			booked int := 0;
			state text;
		BEGIN
			FOR i IN a .. a + n LOOP
				BEGIN
					INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage, user_id, spent)
					VALUES ('many', 'k1', 'lab', 'm1', '{"input_tokens": 1}', 'm' || i % 400, CASE WHEN (i + dice) % 20 = 0 THEN true END);
					booked := booked + 1;
					IF i % 5 = 0 THEN PERFORM ask('k1', 1, false); END IF;
				EXCEPTION WHEN SQLSTATE 'UA429' OR SQLSTATE 'UA503' THEN
					state := SQLSTATE;
					INSERT INTO told VALUES (state, 1);
				END;
			END LOOP;
			INSERT INTO told VALUES ('booked', booked);
		END $$});
	my $pgbench = IPC::Run::start([ 'pgbench', '-n', '-c', 6, '-j', 1, '-T', 6, '-R', 40, '-f', $script, $node->connstr('work') . ' application_name=many' ], '<', \undef, '>', \my $log, '2>&1');
	$node->poll_query_until('work', q{SELECT count(*) > 0 FROM told WHERE what = 'UA503'}) or push @wrong, 'there was room';
	my $log_end = -s $node->logfile;
	my $pid = $node->safe_psql('work', q{SELECT min(pid) FROM pg_stat_activity WHERE application_name = 'many'});
	if ($how eq 'kill -9') { kill 'KILL', $pid; recovered($node, $log_end) }
	$node->safe_psql('work', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'many'}) if $how eq 'terminate';
	$node->safe_psql('work', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'many'}) if $how eq 'cancel';
	eval { $pgbench->finish };
	push @wrong, "pgbench: $1" if $log =~ /(ERROR:[^\n]*)/ && $how eq 'nothing else';
	push @wrong, map { "above the limit: $_" } split /\n/, $node->safe_psql('work', q{SELECT user_id, count(*) FROM aiusage.usage_record WHERE request_id = 'many' AND spent IS NOT TRUE GROUP BY 1 HAVING count(*) > 12});
	push @wrong, map { "booked and told: $_" } split /\n/, $node->safe_psql('work', q{SELECT * FROM (SELECT count(*) FROM aiusage.usage_record WHERE request_id = 'many') AS u (n), (SELECT coalesce(sum(n), 0) FROM told WHERE what = 'booked') AS t (n) WHERE u.n <> t.n});
	push @wrong, map { "counter: $_" } split /\n/, $node->safe_psql('work', q{
		SELECT n.user_id, c.committed, c.reserved, l.n FROM aiusage.quota_counters() AS c JOIN aiusage.quota AS q USING (quota)
		JOIN (SELECT 'm' || i AS user_id FROM generate_series(0, 399) AS i) AS n ON c.subject = aiusage.quota_subject_id(q.quota, q.epoch, ARRAY[n.user_id])
		CROSS JOIN LATERAL (SELECT count(*) AS n FROM aiusage.usage_record AS u WHERE u.user_id = n.user_id) AS l
		WHERE q.name = 'each' AND c.state = 'ready' AND (c.committed <> l.n OR c.reserved <> 0)});
	$node->safe_psql('work', q{SELECT aiusage.release(h.hold_id) FROM (SELECT DISTINCT q.hold_id FROM aiusage.quota_holds() AS q WHERE q.status = 'open') AS h});
	judge($node, 'work', 'shared counters are full', $how, undef, wrong => \@wrong);
}

$node->stop;
done_testing();
