# pg_cron really calls aiusage.maintain(), in its own database and in another,
# as schedule() told it to, and that folds; what schedule() says where pg_cron
# is not; that runs and failures can be seen.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $libdir = `"\$PG_CONFIG" --pkglibdir 2>/dev/null` || `pg_config --pkglibdir`;
chomp $libdir;
plan skip_all => 'pg_cron is not installed' unless -e "$libdir/pg_cron.so";

my $node = new_node('cron', preload => 'aiusage,pg_cron', conf => <<'CONF');
cron.database_name = 'finance'
cron.use_background_workers = on
CONF
make_books($node, 'finance');
make_lab($node, 'other');

# Where pg_cron is not: what to do.
my $error = sub {
	my ($db, $sql, %o) = @_;
	my $stderr;
	$node->psql($db, "\\set VERBOSITY verbose\n$sql", stderr => \$stderr, %o);
	return $stderr;
};
like($error->('finance', 'SELECT aiusage.schedule()'), qr/UA503: pg_cron is loaded, but not created in database "finance".*CREATE EXTENSION pg_cron/s,
	'not created: it says so');
my $elsewhere = $error->('other', q{SELECT aiusage.schedule('5 minutes')});
like($elsewhere, qr/UA503: pg_cron is in database "finance", not in "other"/, 'in another database: it says which');
like($elsewhere, qr/CREATE EXTENSION IF NOT EXISTS pg_cron.*cron\.database_name = 'other'/s, 'what has to be there, and what else could be done');
my ($remedy) = $elsewhere =~ /run: (SELECT cron\.schedule_in_database\(.*?\);)/;
like($error->('other', 'SELECT aiusage.unschedule()'), qr/UA503.*cron\.unschedule/s, 'unschedule() says so too');
is($node->safe_psql('other', 'SELECT count(*) FROM aiusage.schedule_runs()'), '0', 'no job is seen from there');

$node->safe_psql('finance', 'CREATE EXTENSION pg_cron');
is($node->safe_psql('finance', "$remedy SELECT schedule, database, command FROM cron.job"),
	"1\n*/5 * * * *|other|CALL aiusage.maintain()", 'what it said to do works');

# As an admin, who may not do everything.
$node->safe_psql('finance', q{CREATE ROLE operator LOGIN; SELECT aiusage.grant_access('operator', 'admin'); CREATE ROLE nologin});
my @operator = (extra_params => [ '-U', 'operator' ]);
like($error->('finance', 'SELECT aiusage.schedule()', @operator), qr/42501: role "operator" has no privilege USAGE on schema cron/, 'needs USAGE on cron');
$node->safe_psql('finance', 'GRANT USAGE ON SCHEMA cron TO operator');
like($error->('finance', q{SELECT aiusage.schedule(database_name => 'other')}, @operator), qr/42501: .*cron\.schedule_in_database/, 'another database is for superusers');
for my $bad (['5 seconds', 'UA422'], ['7 minutes', 'UA422'], ['1 month', 'UA422'], ['99 * * * *', 'UA422'], ['nonsense', 'UA422'])
{
	is(sqlstate_of($node, 'finance', "SELECT aiusage.schedule('$bad->[0]')"), $bad->[1], "schedule $bad->[0] is refused");
}
is(sqlstate_of($node, 'finance', q{SELECT aiusage.schedule(run_as => 'nologin')}), 'UA422', 'a role that cannot log in is refused');
is(sqlstate_of($node, 'finance', q{SELECT aiusage.schedule(run_as => 'gateway')}), 'UA422', 'a role that may not maintain is refused');
is(sqlstate_of($node, 'finance', q{SELECT aiusage.schedule(database_name => 'nowhere')}), 'UA404', 'an unknown database is refused');
is(sqlstate_of($node, 'finance', 'SELECT aiusage.schedule()', extra_params => [ '-U', 'gateway' ]), '42501', 'a gateway schedules nothing');

my $job = sub { return $node->safe_psql('finance', 'SELECT job_name, cron, database, runs_as, action FROM ' . $_[0], @_[ 1 .. $#_ ]) };
is($job->(q{aiusage.schedule('2 hours')}, @operator), 'aiusage finance|0 */2 * * *|finance|operator|created', 'an admin schedules');
is($job->(q{aiusage.schedule()}, @operator), 'aiusage finance|* * * * *|finance|operator|changed', 'changes it');
is($job->(q{aiusage.schedule()}, @operator), 'aiusage finance|* * * * *|finance|operator|unchanged', 'and again: nothing');
$node->safe_psql('finance', q{SELECT cron.schedule('by hand', '* * * * *', 'CALL aiusage.maintain();')});
is($job->(q{aiusage.schedule(run_as => 'operator')}), 'aiusage finance|* * * * *|finance|operator|unchanged; 1 other jobs removed', 'one job a database');
is($job->(q{aiusage.schedule(database_name => 'other')}), 'aiusage other|* * * * *|other|postgres|changed', 'the other database, by name, from here');
is($node->safe_psql('finance', 'SELECT count(*) FROM cron.job'), '2', 'two jobs');

book_workload($node, 'finance');
$node->safe_psql('other', q{SELECT book('k1', n) FROM generate_series(1, 5) n});
# A job of pg_cron's that is long over, one of somebody else's, and one that fails.
$node->safe_psql('finance', q{
	INSERT INTO cron.job_run_details (jobid, runid, database, username, command, status, start_time, end_time)
	SELECT 1, -n, 'finance', 'operator', CASE n WHEN 3 THEN 'SELECT 1' ELSE 'CALL aiusage.maintain()' END, 'succeeded', t, t
	FROM generate_series(1, 3) n, (SELECT now() - CASE WHEN true THEN interval '8 days' END) t (t)});
is($node->safe_psql('finance', 'SELECT folds FROM aiusage.fold_state'), '0', 'nothing is folded yet');

# pg_cron 1.4 knows minutes: two of them and some, at most.
my $done = 0;
for (1 .. 160)
{
	$done = $node->safe_psql('finance', q{SELECT count(DISTINCT database) FROM cron.job_run_details WHERE runid > 0 AND status IN ('succeeded', 'failed')});
	last if $done > 1;
	sleep 1;
}
is($done, 2, 'both jobs ran');
is($node->safe_psql('finance', q{SELECT DISTINCT status, return_message FROM cron.job_run_details WHERE runid > 0 AND status IN ('succeeded', 'failed')}),
	'succeeded|CALL', 'and succeeded') or diag($node->safe_psql('finance', 'TABLE cron.job_run_details'));
for my $db ('finance', 'other')
{
	is($node->safe_psql($db, 'SELECT folds > 0 AND rows_folded = (SELECT count(*) FROM aiusage.usage_record) FROM aiusage.fold_state'),
		't', "$db: every row is folded");
	is($node->safe_psql($db, q{SELECT string_agg(step, ' ' ORDER BY step) FROM aiusage.maintenance WHERE bad_in_a_row = 0 AND last_good_at IS NOT NULL}),
		'alerts default partition erasure fold holds limits partitions retention runs summarize tags wallets', "$db: every step is on record");
	verify_clean($node, $db, "$db: after the fold by pg_cron");
}
is($node->safe_psql('finance', q{SELECT role FROM aiusage.maintenance WHERE step = 'fold'}), 'operator', 'run as the admin');
is($node->safe_psql('finance', 'SELECT runs > 0, failures, last_status, last_good_at IS NOT NULL FROM aiusage.schedule_runs()'), 't|0|succeeded|t', 'its runs are seen');
is($node->safe_psql('finance', q{SELECT runs > 0, last_status FROM aiusage.schedule_runs('other')}), 't|succeeded', "those of the other database too");
is($node->safe_psql('finance', 'SELECT command FROM cron.job_run_details WHERE runid < 0'), 'SELECT 1', 'old runs of maintain() are gone, others stay');

like($node->safe_psql('finance', q{SELECT severity, value FROM aiusage.status() WHERE check_name = 'schedule'}),
	qr/^ok\|job \d+ \(\* \* \* \* \*\) as operator: \d+ runs, 0 failed, last (succeeded|running|starting) at 20/, 'status() shows the job and its last run');
is($node->safe_psql('other', q{SELECT severity, value FROM aiusage.status() WHERE check_name = 'schedule'}), 'ok|pg_cron is in database finance',
	'and where it cannot, where to look');
$node->safe_psql('finance', q{INSERT INTO cron.job_run_details (jobid, database, username, command, status, return_message, start_time)
	SELECT job_id, 'finance', 'operator', 'CALL aiusage.maintain()', 'failed', 'no luck today', now() FROM aiusage.schedule_runs()});
like($node->safe_psql('finance', q{SELECT severity, value, meaning FROM aiusage.status() WHERE check_name = 'schedule'}),
	qr/^error\|.* 1 failed, last failed at .*\|It failed: no luck today$/, 'a failure is an error, with its message');

is($node->safe_psql('finance', q{SELECT aiusage.unschedule(), aiusage.unschedule('other'), aiusage.unschedule()}), '1|1|0', 'unscheduled');
is($node->safe_psql('finance', 'SELECT count(*) FROM cron.job'), '0', 'no job is left');
is($node->safe_psql('finance', q{SELECT value FROM aiusage.status() WHERE check_name = 'schedule'}), 'no job', 'which status() says');

done_testing();
