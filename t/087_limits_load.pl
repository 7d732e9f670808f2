
# Loading of many counters from rows that no fold has taken: the rows are read
# once, not once a counter; and the counters are right while others write, fold
# and push counters out of memory, whatever the session has told the planner.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($seed) = seeds(20261127);
srand($seed);

my $node = new_node('load', conf => "aiusage.quota_counters = 512\n");
make_lab($node, 'lab');
my $q = sub { return $node->safe_psql('lab', $_[0]) };
$q->(q{
	SELECT aiusage.put_quota('{"name": "user spend", "metric": "spend", "currency": "USD", "limit": 1000000, "window": "total", "per": ["user_id"]}');
	SELECT aiusage.put_quota('{"name": "user tokens", "metric": "tokens", "limit": 1000000, "window": "day", "per": ["user_id"]}');
	SELECT aiusage.put_quota('{"name": "user rate", "metric": "requests", "limit": 1000000, "window": "hour", "sliding": true, "per": ["user_id"]}');
	-- every counter of a user in memory that is not what plain SQL adds up to
	CREATE FUNCTION loaded_differ() RETURNS TABLE (quota text, users text, memory numeric, ledger numeric) LANGUAGE sql AS $$
		SELECT q.name, n.user_id, c.committed, l.amount
		FROM aiusage.quota_counters() AS c
		JOIN aiusage.quota AS q USING (quota)
		JOIN (SELECT DISTINCT user_id FROM aiusage.usage_record) AS n
			ON c.subject = aiusage.quota_subject_id(q.quota, q.epoch, ARRAY[n.user_id])
		CROSS JOIN LATERAL (
			SELECT coalesce(CASE q.metric WHEN 'spend' THEN sum(u.cost::numeric) WHEN 'tokens' THEN sum((u.usage OPERATOR(aiusage.->) 'input_tokens')::numeric)
				ELSE count(*) END, 0) AS amount
			FROM aiusage.usage_record AS u WHERE u.user_id IS NOT DISTINCT FROM n.user_id) AS l
		WHERE c.state = 'ready' AND (c.committed <> l.amount OR c.reserved <> 0)
	$$;
});
my $book = sub { return "INSERT INTO aiusage.usage_record (api_key, provider, model, usage, user_id) VALUES ('k1', 'lab', 'm1', aiusage.usage('input_tokens', $_[1]), 'u$_[0]');" };

# A tail of 20000 rows of 100 users, and a restart: all counters are loaded from it.
$q->(q{INSERT INTO aiusage.usage_record (api_key, provider, model, usage, user_id)
	SELECT 'k1', 'lab', 'm1', aiusage.usage('input_tokens', 1 + n % 7), 'u' || n % 100 FROM generate_series(1, 20000) AS n});
my $fetched = q{SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_user_tables WHERE schemaname = 'aiusage' AND relname LIKE 'usage\_record%'};
$node->restart;
my $before = $q->($fetched);
my $started = time;
$node->safe_psql('lab', join("\n", map { $book->($_, 1) } (0 .. 99)));
note 'loaded in ' . (time - $started) . ' s';
$node->poll_query_until('lab', "SELECT ($fetched) > $before");
my $read = $q->($fetched) - $before;
cmp_ok($read, '>=', 20000, 'the tail was read');
cmp_ok($read, '<', 60000, 'and not once a counter');
is($q->(q{SELECT count(*) FROM aiusage.quota_counters() WHERE state = 'ready'}), 300, 'three counters a user are loaded');
is($q->('SELECT * FROM loaded_differ()'), '', 'and are what plain SQL adds up to');

# Planner settings of a session change neither the plan nor the answer.
$node->restart;
my ($out, $err);
$node->psql('lab', q{
	LOAD 'auto_explain';
	SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET auto_explain.log_settings = on;
	SET enable_seqscan = off; SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_nestloop = off; SET enable_sort = off;
	SET jit = on; SET jit_above_cost = 0; SET search_path = pg_temp;
	SET client_min_messages = log;
} . $book->(1, 1), stdout => \$out, stderr => \$err);
my @loads = grep { /fold_state/ && /quota_usage|quota_tail/ } split /(?=^.*LOG:  duration)/m, $err;
cmp_ok(scalar(@loads), '>=', 2, 'the queries of a load were explained');
is(join('', grep { /^Settings:.*(enable_|jit = 'on'|search_path = 'pg_temp')/m } @loads), '', 'they are planned without the settings of the session');
is($q->('SELECT * FROM loaded_differ()'), '', 'and the counters are right');

# Two sessions that keep what they have read, a third that folds, and too few
# counters for all: what one pushes out, another loads, from sums that may be out of date.
$node->append_conf('postgresql.conf', "aiusage.quota_counters = 64\n");
$node->restart;
my @sessions = map { $node->background_psql('lab') } (1 .. 3);
my $wrong = 0;
for my $step (1 .. 400)
{
	my $s = $sessions[ int(rand(3)) ];
	my $what = rand;
	my $rows = join ' ', map { $book->(int(rand(60)), 1 + int(rand(9))) } (1 .. 1 + int(rand(3)));
	if ($what < 0.05) { $q->('SELECT aiusage.refresh()') }
	elsif ($what < 0.25) { $s->query_safe("BEGIN; $rows ROLLBACK;") }
	elsif ($what < 0.4) { $s->query_safe("BEGIN; $rows SAVEPOINT a; $rows ROLLBACK TO a; $rows COMMIT;") }
	else { $s->query_safe($rows) }
	next if $step % 25;
	my $differ = $q->('SELECT * FROM loaded_differ()');
	next if $differ eq '';
	$wrong++;
	diag "step $step: $differ";
}
is($wrong, 0, 'counters are what plain SQL adds up to, whoever loaded them from whatever was read');
cmp_ok($q->('SELECT evictions FROM aiusage.quota_memory()'), '>', 50, 'counters were pushed out');
$_->quit for @sessions;

is($q->(q{SELECT count(*) FROM aiusage.verify() WHERE NOT ok}), 0, 'verify() finds nothing');
$node->stop;
done_testing();
