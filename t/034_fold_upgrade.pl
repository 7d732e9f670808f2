# pg_upgrade: transaction ids go on and the system identifier is another, so the
# books start their next incarnation; what was not folded is folded once.
# Then a rebuild of the rollups beside writers, folds and readers.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = new_node('old');
my $differ = q{
	SELECT (SELECT count(*) FROM (
		SELECT api_key, sum(requests), sum(input_tokens) FROM aiusage.key_usage GROUP BY 1
		EXCEPT ALL
		SELECT api_key, count(*), sum(aiusage.quantity(usage, 'input_tokens')) FROM aiusage.usage_record GROUP BY 1) d)
	+ abs((SELECT sum(requests) FROM aiusage.team_usage) - (SELECT count(*) FROM aiusage.usage_record))
	+ abs((SELECT sum(requests) FROM aiusage.team_month_models) - (SELECT count(*) FROM aiusage.usage_record))
	+ abs((SELECT sum(latency_requests) FROM aiusage.latency_daily) - (SELECT count(*) FROM aiusage.usage_record))};

sub book
{
	my ($node, $n) = @_;
	$node->safe_psql('books', qq{INSERT INTO aiusage.usage_record (api_key, provider, model, usage, latency_ms)
		SELECT 'upgrade-' || n % 3, 'openai', 'm', aiusage.usage('input_tokens', n), n FROM generate_series(1, $n) n});
	return;
}

# ids of the old cluster are in their second epoch
$old->stop;
PostgreSQL::Test::Utils::system_or_bail('pg_resetwal', '-e', '1', '-D', $old->data_dir);
$old->start;
$old->safe_psql('postgres', 'CREATE DATABASE books');
$old->safe_psql('books', 'CREATE EXTENSION aiusage; SELECT FROM aiusage.init()');
book($old, 20);
is($old->safe_psql('books', 'SELECT aiusage.refresh()'), '20', 'folded before');
my $straggler = $old->background_psql('books');
$straggler->query_safe(q{BEGIN; INSERT INTO aiusage.usage_record (api_key, provider, model, usage, latency_ms)
	VALUES ('upgrade-0', 'openai', 'm', '{"input_tokens": 1000}', 5)});
book($old, 3);
is($old->safe_psql('books', 'SELECT aiusage.refresh()'), '3', 'folded beside a straggler');
$straggler->query_safe('COMMIT');
$straggler->quit;
book($old, 5);
is($old->safe_psql('books', $differ), '0', 'old: views equal the ledger');
my $before = $old->safe_psql('books', 'SELECT boundary FROM aiusage.fold_state');
$old->stop;

my $new = PostgreSQL::Test::Cluster->new('new');
$new->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'aiusage'\ntimezone = 'UTC'\nfsync = off\n");
my $bin = $new->config_data('--bindir');
my $work = PostgreSQL::Test::Utils::tempdir;
chdir $work or die;
PostgreSQL::Test::Utils::run_log([ "$bin/pg_upgrade", '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bin, '-B', $bin,
	'-p', $old->port, '-P', $new->port, '-s', $new->host ])
  or die 'pg_upgrade';
$new->start;
is($new->safe_psql('books', $differ), '0', 'upgraded: views equal the ledger');
is($new->safe_psql('books', 'SELECT count(*) FROM aiusage.rollup_tail'), '6', 'upgraded: what was not folded still is not');
book($new, 4);
is($new->safe_psql('books', $differ), '0', 'upgraded: with new rows');
is($new->safe_psql('books', 'SELECT aiusage.refresh()'), '10', 'upgraded: folded once');
is($new->safe_psql('books', 'SELECT aiusage.refresh()'), '0', 'upgraded: not twice');
is($new->safe_psql('books', "SELECT boundary > $before, boundary >> 48 FROM aiusage.fold_state"), 't|2', 'upgraded: the next incarnation');
is($new->safe_psql('books', 'SELECT (boundary >> 32) & 65535 FROM aiusage.fold_state'), '1', 'upgraded: the epoch goes on');
is($new->safe_psql('books', $differ), '0', 'upgraded: views equal the ledger, all folded');
verify_clean($new, 'books', 'upgraded');

# A rebuild of damaged rollups beside writers and folds: each level agrees with the ledger once its slice is done.
$new->safe_psql('books', q{UPDATE aiusage.setting SET value = '1000' WHERE name = 'fold_rows'});
$new->safe_psql('books', q{DELETE FROM aiusage.rollup_15m; DELETE FROM aiusage.rollup_monthly;
	UPDATE aiusage.rollup_daily SET requests = requests + 1; UPDATE aiusage.rollup_latency SET latency_le_10 = latency_le_10 + 1});
isnt($new->safe_psql('books', $differ), '0', 'damaged');
my $write = q{DO $$ BEGIN FOR i IN 1 .. 200 LOOP
	INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, latency_ms)
	SELECT aiusage.uuid_v7(now() - i * interval '10 minutes'), 'upgrade-' || n % 3, 'openai', 'm', aiusage.usage('input_tokens', n), n FROM generate_series(1, 10) n;
	IF i % 7 = 0 THEN ROLLBACK; ELSE COMMIT; END IF; END LOOP; END $$};
my $fold = q{DO $$ BEGIN FOR i IN 1 .. 60 LOOP PERFORM FROM aiusage.refresh_step(); COMMIT; PERFORM pg_sleep(0.02); END LOOP; END $$};
my $said = '';
my @others = map { IPC::Run::start([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $new->connstr('books'), '-c', $_ ], '<', \undef, '>&', \$said) }
  ($write, $write, $fold);
$new->safe_psql('books', q{CALL aiusage.rebuild_rollups('damaged')});
is($new->safe_psql('books', $differ), '0', 'rebuilt beside writers and folds: views equal the ledger');
is($new->safe_psql('books', $differ), '0', 'and again') for 1 .. 3;
is($new->safe_psql('books', 'SELECT status, rows_changed > 0 FROM aiusage.rebuild_progress'), 'done|t', 'on record');
$new->safe_psql('books', q{CALL aiusage.rebuild_rollups('again')});
is($new->safe_psql('books', q{SELECT rows_changed FROM aiusage.rebuild_progress WHERE reason = 'again'}), '0', 'a second one finds nothing');
ok($_->finish, 'a writer or folder') for @others;
is($said, '', 'without a word');
$new->safe_psql('books', 'SELECT aiusage.refresh()');
is($new->safe_psql('books', $differ), '0', 'all folded: views equal the ledger');
verify_clean($new, 'books', 'rebuilt');
done_testing();
