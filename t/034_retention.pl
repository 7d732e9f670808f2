# Retention under load and through crashes: a partition is moved out of
# DEFAULT, sealed and dropped while gateways insert; the server is killed
# between every two steps, and dumped and restored half way.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main');
my $rows = $ENV{AIUSAGE_RETENTION_ROWS} || 40000;
my $bad = q{SELECT coalesce(string_agg(check_name, ', '), '') FROM aiusage.verify() WHERE NOT ok};
my $figures = q{SELECT coalesce(md5(string_agg(u::text, ' ' ORDER BY u::text COLLATE "C")), '') FROM
	(SELECT day, team, api_key, model, requests, input_tokens, output_tokens, cost, currency FROM aiusage.usage_daily WHERE day < '2025-01-01') AS u};

sub history
{
	my ($key, $month, $n) = @_;
	$node->safe_psql('books', qq{INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, user_id)
		SELECT aiusage.event_id('$key' || n, '$month-02 00:00+00'::timestamptz + n * (interval '25 days' / $n)), '$key' || n % 5, 'openai', 'gpt-4o',
			aiusage.usage('input_tokens', n), 'user-' || n % 7 FROM generate_series(1, $n) AS n});
	return;
}

$node->safe_psql('postgres', 'CREATE DATABASE books');
$node->safe_psql('books', q{CREATE EXTENSION aiusage; SELECT FROM aiusage.init();
	SELECT aiusage.import_prices('list', 'genai-prices', aiusage.default_catalogue(), '2020-01-01');
	SELECT aiusage.put_retention_class('default', '90 days')});

# --- beside gateways
history('big', '2024-03', $rows);
is($node->safe_psql('books', 'SELECT count(*) FROM aiusage.usage_record_default'), $rows, 'history lies in DEFAULT');
my $before = $node->safe_psql('books', $figures);
# closing keeps usage out for as long as it takes to write statements: not what is measured
$node->safe_psql('books', 'SELECT aiusage.refresh()');
$node->safe_psql('books', q{SELECT aiusage.close_period(p, 'test', true) FROM (SELECT DISTINCT invoice_period AS p FROM aiusage.usage_record WHERE id < aiusage.id_floor('2025-01-01')) AS p});
my $dir = PostgreSQL::Test::Utils::tempdir;
append_to_file("$dir/insert.sql", q{INSERT INTO aiusage.usage_record (api_key, provider, model, usage, user_id)
	VALUES ('gateway', 'openai', 'gpt-4o', '{"input_tokens": 1000, "output_tokens": 50}', 'somebody') ON CONFLICT DO NOTHING;});
my $seconds = 12;
my $load = IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-j', '2', '-T', $seconds, '-f', "$dir/insert.sql", '-l', "--log-prefix=$dir/load", '-d', $node->connstr('books') ],
	'>', \my $out, '2>', \my $err);
sleep 2;
my $moved = $node->safe_psql('books', 'SELECT aiusage.empty_default()');
like($moved, qr/usage_record_p20240301 made, $rows rows moved/, 'moved beside inserts');
is($node->safe_psql('books', $figures), $before, 'the same figures');
my ($did, @steps) = ('');
for (1 .. 60)
{
	$did = $node->safe_psql('books', 'SELECT aiusage.enforce_retention(true)');
	push @steps, $did =~ s/^\S+ //r if $did ne '';
	last if $did =~ /dropped/;
	sleep 0.1 if $did eq '';
}
is(join(' ', @steps), 'frozen sealed detached dropped', 'dropped beside inserts');
is($node->safe_psql('books', $figures), $before, 'the same figures');
ok($load->finish, 'no insert failed') or diag $err;
my ($longest, $inserts) = (0, 0);
for my $log (glob "$dir/load.*")
{
	for my $line (split /\n/, slurp_file($log))
	{
		my (undef, undef, $usec) = split ' ', $line;
		$inserts++;
		$longest = $usec if $usec > $longest;
	}
}
# How long that is depends on the machine; what must not happen is that inserts stop, or fail.
diag sprintf('%d inserts beside emptying and dropping, the longest took %.0f ms', $inserts, $longest / 1000);
cmp_ok($inserts, '>', 500, 'inserts went on');
is($node->safe_psql('books', q{SELECT count(*) FROM aiusage.usage_record WHERE api_key = 'gateway'}), $inserts, 'every insert is there');
is($node->safe_psql('books', $bad), '', 'all adds up');

# --- a crash after each step; and a person erased before
$node->safe_psql('books', q{SELECT count(*) FROM aiusage.make_partitions('2024-06-01', '2024-07-01')});
history('small', '2024-06', 2000);
$node->safe_psql('books', 'SELECT aiusage.refresh()');
$node->safe_psql('books', q{SELECT aiusage.close_period(p, 'test', true) FROM (SELECT DISTINCT invoice_period AS p FROM aiusage.usage_record WHERE id < aiusage.id_floor('2025-01-01')) AS p});
$before = $node->safe_psql('books', $figures);
is($node->safe_psql('books', q{SELECT erased FROM aiusage.erase_user('user-3', 'test') WHERE what = 'ledger rows'}), '286', 'erased');
my $saved;
for my $step ('frozen', 'sealed', 'detached', 'dropped')
{
	# begun and not committed when the server dies
	my $session = $node->background_psql('books', on_error_die => 1);
	my $done = $session->query_safe('BEGIN; SELECT aiusage.enforce_retention(true)');
	like($done, qr/$step/, "$step, and killed");
	$node->stop('immediate');
	eval { $session->quit };
	$node->start;
	is($node->safe_psql('books', $figures), $before, "$step undone: the same figures");
	like($node->safe_psql('books', 'SELECT aiusage.enforce_retention(true)'), qr/usage_record_p20240601 $step/, "$step");
	$node->stop('immediate');
	$node->start;
	is($node->safe_psql('books', $figures), $before, "$step: the same figures");
	is($node->safe_psql('books', $bad), '', "$step: all adds up");
	if ($step eq 'sealed')
	{
		$saved = "$dir/half.sql";
		PostgreSQL::Test::Utils::run_log([ 'pg_dump', '-d', $node->connstr('books'), '-f', $saved ]) or die 'pg_dump';
	}
}
is($node->safe_psql('books', q{SELECT aiusage.enforce_retention(true)}), '', 'nothing is left to do');
my ($rc, $stdout, $stderr) = $node->psql('books', q{INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage)
	VALUES (aiusage.event_id('small1', '2024-06-02 00:18:00+00'), 'small1', 'openai', 'gpt-4o', '{"input_tokens": 1}') ON CONFLICT DO NOTHING}, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
like($stderr, qr/UA409/, 'a replay of a dropped row is refused');

# --- restored half way, it goes on there
$node->safe_psql('postgres', 'CREATE DATABASE again');
PostgreSQL::Test::Utils::run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('again'), '-f', $saved ]) or die 'restore';
is($node->safe_psql('again', $figures), $before, 'restored: the same figures');
is($node->safe_psql('again', $bad), '', 'restored: all adds up');
like($node->safe_psql('again', 'SELECT aiusage.enforce_retention(true)'), qr/detached/, 'restored: goes on');
like($node->safe_psql('again', 'SELECT aiusage.enforce_retention(true)'), qr/dropped/, 'restored: dropped');
is($node->safe_psql('again', $figures), $before, 'restored and dropped: the same figures');
is($node->safe_psql('again', $bad), '', 'restored and dropped: all adds up');

$node->stop;
done_testing();
