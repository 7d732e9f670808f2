# pg_cron really calls aiusage.maintain(), and that folds.
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
$node->safe_psql('finance', 'CREATE EXTENSION pg_cron');
$node->safe_psql('finance', q{SELECT cron.schedule('aiusage', '* * * * *', 'CALL aiusage.maintain()')});
book_workload($node, 'finance');
is($node->safe_psql('finance', 'SELECT folds FROM aiusage.fold_state'), '0', 'nothing is folded yet');

# pg_cron 1.4 knows minutes: two of them and some, at most.
my $done = 0;
for (1 .. 160)
{
	$done = $node->safe_psql('finance', q{SELECT count(*) FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')});
	last if $done > 0;
	sleep 1;
}
cmp_ok($done, '>', 0, 'the job ran');
is($node->safe_psql('finance', q{SELECT DISTINCT status, return_message FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')}),
	'succeeded|CALL', 'and succeeded') or diag($node->safe_psql('finance', 'TABLE cron.job_run_details'));
is($node->safe_psql('finance', 'SELECT folds > 0 AND rows_folded = (SELECT count(*) FROM aiusage.usage_record) FROM aiusage.fold_state'),
	't', 'every row is folded');
verify_clean($node, 'finance', 'after the fold by pg_cron');

done_testing();
