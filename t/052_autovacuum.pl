# An autovacuum at work on the ledger is in nobody's way for long: limits are
# published, and periods closed, beside one of a partition.  It is cancelled,
# as it gives way only to who has waited for deadlock_timeout.  Partitions are
# dropped beside one, and beside what goes on in other databases.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('autovacuum', conf => "autovacuum_naptime = 1s\nlog_min_messages = fatal\n");
make_lab($node, 'lab');
my $sql = sub { return $node->safe_psql('lab', $_[0]) };
# an owner that is shown nothing of other roles' backends
$sql->(q{CREATE ROLE books_owner; DO $$ DECLARE r record; BEGIN
	FOR r IN SELECT c.oid::regclass AS name, CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind FROM pg_class AS c
		WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind IN ('r', 'p', 'v') LOOP
		EXECUTE format('ALTER %s %s OWNER TO books_owner', r.kind, r.name);
	END LOOP; END $$; SELECT FROM aiusage.init()});
my $partition = $sql->(q{SELECT partition FROM aiusage.partition_ranges() WHERE now() >= lower_at AND now() < upper_at});
my $vacuuming = q{SELECT count(*) > 0 FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
	WHERE a.backend_type = 'autovacuum worker' AND l.relation = '%s'::regclass AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted};
# a vacuum that takes minutes, of what is written from now on
$sql->("ALTER TABLE $partition SET (autovacuum_vacuum_insert_threshold = 1, autovacuum_vacuum_insert_scale_factor = 0,
	autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_analyze_threshold = 2000000000)");
sub write_some
{
	$sql->(q{INSERT INTO aiusage.usage_record (api_key, provider, model, usage) SELECT 'k1', 'lab', 'm1', '{"input_tokens": 1}' FROM generate_series(1, 3000)});
	$node->poll_query_until('lab', sprintf($vacuuming, $partition)) or die 'no autovacuum came';
	return;
}

write_some();
is($sql->(q{SELECT aiusage.put_quota('{"name": "cap", "scope": {"team": "t"}, "metric": "requests", "limit": 1000000, "window": "total"}') > 0}),
	't', 'a limit is published');
is($sql->(q{SELECT used FROM aiusage.quota_state WHERE name = 'cap'}), '3000', 'and counts what was there');
write_some();
my $old = $sql->(q{INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage)
	SELECT aiusage.event_id('old', '2024-05-10 00:00+00'), 'k1', 'lab', 'm1', '{"input_tokens": 1}' RETURNING invoice_period});
$sql->('SELECT aiusage.refresh()');
is($sql->("SELECT aiusage.close_period($old, 'test', true) > 0"), 't', 'a period is closed');
# a partition is dropped
write_some();
my $elsewhere = $node->background_psql('postgres');
$elsewhere->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$sql->(q{SELECT aiusage.put_retention_class('default', '90 days')});
like($sql->('SELECT aiusage.empty_default()'), qr/usage_record_p20240501 made/, 'an old partition');
my @steps = grep { $_ ne '' } map { $sql->('SELECT aiusage.enforce_retention(true)') } 1 .. 4;
is(join(' ', map { (split / /)[1] } @steps), 'frozen sealed detached dropped', 'is dropped');
is($sql->(sprintf($vacuuming, $partition)), 't', 'while the autovacuum went on');
$elsewhere->query('COMMIT');
$elsewhere->quit;
# who writes is named
my $writer = $node->background_psql('lab');
$writer->query(q{BEGIN; SELECT book('k1', 1)});
my $pid = $writer->query('SELECT pg_backend_pid()');
my ($rc, $out, $err) = $node->psql('lab', "\\set VERBOSITY verbose\nSELECT aiusage.rebuild_quota('cap', 'test')");
like($err, qr/55P03: could not rebuild limit "cap": usage is being written.*DETAIL:  In its way: .*process $pid/s, 'a transaction is not cancelled, and named');
$writer->query('COMMIT');
$writer->quit;
verify_clean($node, 'lab', 'beside autovacuums');

done_testing();
