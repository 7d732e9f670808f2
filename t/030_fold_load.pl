# Folds under load: writers that roll back, straggle and use savepoints beside
# several folders, while views are compared with the ledger in one snapshot
# each, on the primary and on a streaming standby; then a prepared transaction
# across a crash, and promotion.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{AIUSAGE_LOAD_SECONDS} // 12;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'aiusage'
timezone = 'UTC'
max_prepared_transactions = 10
max_connections = 40
hot_standby_feedback = on
max_standby_streaming_delay = -1
CONF
$primary->start;
$primary->safe_psql('postgres', <<'SQL');
CREATE EXTENSION aiusage;
SELECT FROM aiusage.init();
SELECT aiusage.put_team('load-' || n, 'Load ' || n), aiusage.put_cost_center('load-' || n) FROM generate_series(0, 3) n;
SELECT aiusage.put_key(jsonb_build_object('key', 'load-' || n, 'team', 'load-' || n % 4, 'cost_center', 'load-' || n % 3,
	'valid_from', '2020-01-01T00:00:00Z')) FROM generate_series(1, 9) n;

-- A row as an owner of the books brings it, with its cost; the tenth key is nobody's.
CREATE FUNCTION book(key int, ago interval) RETURNS void LANGUAGE sql AS $$
	INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, cost_state, cost, cost_by_unit, assignment)
	SELECT aiusage.uuid_v7(now() - ago), 'load-' || key, 'openai', 'm' || key % 3, aiusage.usage('input_tokens', key),
		'final', aiusage.amount(key * 0.001, 'USD'), aiusage.unit_costs(ARRAY['input_tokens'], ARRAY[key * 0.001], 'USD'),
		(SELECT a.assignment FROM aiusage.key_assignment a WHERE a.api_key = 'load-' || key)
$$;

-- Rows that differ between views and plain SQL over the ledger: one statement, one snapshot.
CREATE VIEW differences AS
WITH ledger AS MATERIALIZED (
	SELECT (r.occurred_at AT TIME ZONE 'UTC')::date AS day, coalesce(a.team, '(unmatched)') AS team,
		coalesce(a.cost_center, '(unmatched)') AS cost_center, r.api_key,
		date_trunc('hour', r.occurred_at, 'UTC') AS hour,
		count(*) AS requests, sum(aiusage.quantity(r.usage, 'input_tokens'))::bigint AS input_tokens, sum(r.cost::numeric) AS cost
	FROM aiusage.usage_record r
	LEFT JOIN aiusage.key_assignment a ON a.assignment = r.assignment
	GROUP BY 1, 2, 3, 4, 5
), pairs AS (
	SELECT 'team_usage' AS view, true AS ours, day::text, team AS item, sum(requests) AS requests,
		sum(input_tokens) AS input_tokens, sum(cost) AS cost FROM ledger GROUP BY 3, 4
	UNION ALL SELECT 'team_usage', false, day::text, team, requests, input_tokens, cost FROM aiusage.team_usage
	UNION ALL
	SELECT 'cost_center_usage', true, day::text, cost_center, sum(requests), sum(input_tokens), sum(cost) FROM ledger GROUP BY 3, 4
	UNION ALL SELECT 'cost_center_usage', false, day::text, cost_center, requests, input_tokens, cost FROM aiusage.cost_center_usage
	UNION ALL
	SELECT 'usage_hourly', true, hour::text, api_key, sum(requests), sum(input_tokens), sum(cost) FROM ledger GROUP BY 3, 4
	UNION ALL SELECT 'usage_hourly', false, hour::text, api_key, sum(requests), sum(input_tokens), sum(cost)
		FROM aiusage.usage_hourly GROUP BY 3, 4
)
SELECT view, day, item FROM pairs
GROUP BY view, day, item
HAVING sum(requests) FILTER (WHERE ours) IS DISTINCT FROM sum(requests) FILTER (WHERE NOT ours)
	OR sum(input_tokens) FILTER (WHERE ours) IS DISTINCT FROM sum(input_tokens) FILTER (WHERE NOT ours)
	OR sum(cost) FILTER (WHERE ours) IS DISTINCT FROM sum(cost) FILTER (WHERE NOT ours);
SQL

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub caught_up { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')) }

# ---- load

my $dir = PostgreSQL::Test::Utils::tempdir;
append_to_file("$dir/writer.sql", <<'PGBENCH');
\set key random(1, 10)
\set fate random(1, 100)
\set pause random(1, 40)
\set late random(0, 2000)
BEGIN;
SELECT book(:key, :late * interval '1 minute');
SAVEPOINT s;
SELECT book(11 - :key, interval '0');
\if :fate <= 15
ROLLBACK TO s;
\endif
\if :fate >= 60
\sleep :pause ms
SELECT book(:key, interval '0');
\endif
\if :fate % 7 = 0
ROLLBACK;
\else
COMMIT;
\endif
PGBENCH
append_to_file("$dir/folder.sql", <<'PGBENCH');
\set pause random(1, 30)
SELECT aiusage.refresh();
\sleep :pause ms
PGBENCH

my %log;

sub pgbench
{
	my ($name, $clients) = @_;

	$log{$name} = '';
	return IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-j', 1, '-T', $seconds, '-f', "$dir/$name.sql",
		$primary->connstr('postgres') ], '>', \$log{$name}, '2>&1');
}
my @load = (pgbench('writer', 8), pgbench('folder', 3));

my ($compared, $wrong, $compared_standby, $wrong_standby) = (0, '', 0, '');
my $until = time + $seconds - 0.5;
while (time < $until)
{
	$wrong .= $primary->safe_psql('postgres', 'SELECT * FROM differences');
	$compared++;
	$wrong_standby .= $standby->safe_psql('postgres', 'SELECT * FROM differences');
	$compared_standby++;

	# one snapshot, read again after folds have gone on
	my $both = $primary->safe_psql('postgres', q{
		BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
		SELECT * FROM differences;
		DO 'BEGIN PERFORM pg_sleep(0.05); END';
		SELECT * FROM differences;
		COMMIT});
	$wrong .= $both;
	$compared += 2;
}
for my $process (@load)
{
	ok($process->finish, "pgbench ended well");
}
for my $name (sort keys %log)
{
	my ($done) = $log{$name} =~ /number of transactions actually processed: (\d+)/;
	my ($failed) = $log{$name} =~ /number of failed transactions: (\d+)/;

	cmp_ok($done // 0, '>', 20, "$name: transactions");
	is($failed, 0, "$name: none failed") or diag($log{$name});
	note("$name: " . ($done // 'no') . ' transactions');
}
is($wrong, '', 'primary: views equal the ledger in every snapshot');
is($wrong_standby, '', 'standby: views equal the ledger in every snapshot');
cmp_ok($compared, '>', 3, 'there were snapshots to compare');
note("compared: $compared snapshots of the primary, $compared_standby of the standby");

# ---- after the load

$primary->safe_psql('postgres', 'SELECT aiusage.refresh()');
is($primary->safe_psql('postgres', 'SELECT aiusage.refresh()'), '0', 'the last fold took the last rows');
is($primary->safe_psql('postgres', 'SELECT rows_folded - (SELECT count(*) FROM aiusage.usage_record) FROM aiusage.fold_state'), '0',
	'as many rows folded as there are');
is($primary->safe_psql('postgres', 'SELECT count(*) FROM aiusage.rollup_tail'), '0', 'nothing left to fold');
is($primary->safe_psql('postgres', 'SELECT * FROM differences'), '', 'views equal the ledger, all folded');
verify_clean($primary, 'postgres', 'after the load');

# ---- the standby

$primary->safe_psql('postgres', q{SELECT book(n % 10 + 1, n * interval '1 minute') FROM generate_series(1, 100) n});
caught_up();
# a month that is closed, with late usage that is not folded
$primary->safe_psql('postgres', $_) for (q{SELECT book(n, interval '40 days') FROM generate_series(1, 10) n}, q{SELECT aiusage.refresh()},
	q{SELECT aiusage.close_period(aiusage.period_of(1, now() - interval '40 days'), 'standby', true)}, q{SELECT book(3, interval '40 days')});
caught_up();
# calls with all that levels of their own are kept of, half of them folded
$primary->safe_psql('postgres', q{SELECT aiusage.enable_user_usage(now() - interval '3 days'), aiusage.declare_tag('feature', from_at => now() - interval '3 days')});
for my $half (0, 1)
{
	$primary->safe_psql('postgres', q{SELECT aiusage.refresh()}) if $half;
	$primary->safe_psql('postgres', q{INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, user_id, customer, latency_ms, ttft_ms, tags,
			cost_state, cost, cost_by_unit, assignment)
		SELECT aiusage.uuid_v7(now() - n * interval '1 hour'), 'load-' || n % 10 + 1, 'openai', 'm' || n % 3, '{"input_tokens": 10, "output_tokens": 3}', 'user-' || n % 4,
			'customer-' || n % 2, n * 9, n, jsonb_build_object('feature', n % 3),
			'final', aiusage.amount(n * 0.001, 'USD'), aiusage.unit_costs(ARRAY['input_tokens'], ARRAY[n * 0.001], 'USD'),
			(SELECT a.assignment FROM aiusage.key_assignment AS a WHERE a.api_key = 'load-' || n % 10 + 1)
		FROM generate_series(1, 40) AS n});
}
caught_up();
# functions of the levels, as relations of their own
my %function = (
	'usage_buckets by day' => q{aiusage.usage_buckets(current_date - 60, current_date + 1, '1d', '{team,model,api_key}')},
	'usage_buckets by user' => q{aiusage.usage_buckets(current_date - 10, current_date + 1, '1d', '{user_id,model}')},
	'usage_buckets by hour' => q{aiusage.usage_buckets(current_date - 4, current_date + 1, '1h', '{line_item,customer}')},
	'usage_buckets by minute' => q{aiusage.usage_buckets(current_date - 1, current_date, '1m', '{provider}')},
	'usage_page' => q{(SELECT aiusage.usage_page(current_date - 30, current_date + 1, group_by => '{model}', max_buckets => 31) AS page)},
	'latency' => q{aiusage.latency(NULL, NULL, '{team,model}')},
	'usage_by_day' => q{aiusage.usage_by_day('Asia/Kathmandu', current_date - 60, current_date + 1)},
	'rollup_monthly_live' => q{(SELECT month, api_key, model, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.rollup_monthly_live GROUP BY 1, 2, 3)},
	'rollup_owner_live' => q{(SELECT day, team, cost_center, invoice_period, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.rollup_owner_live GROUP BY 1, 2, 3, 4)},
);
# every view for people but those of limits, whose counters are in the primary's memory
my @views = split /\n/, $primary->safe_psql('postgres', q{SELECT relname FROM pg_class WHERE relnamespace = 'aiusage'::regnamespace AND relkind = 'v'
	AND reloptions @> '{security_barrier=true}' AND relname !~ 'quota|wallet|hold' ORDER BY 1});
my %views = map { $_ => 1 } @views;
ok($views{$_}, "$_ is one of them") for qw(team_usage cost_center_usage invoice_period_usage usage_daily usage_hourly line_items customer_charges team_month statements statement_units);
my %rows;
for my $view (@views, sort keys %function)
{
	my $from = $function{$view} // "aiusage.$view";
	my $sql = "SELECT count(*), md5(string_agg(j, ',' ORDER BY j)) FROM (SELECT (to_jsonb(v) - 'as_of')::text AS j FROM $from AS v) x";
	my $said = $primary->safe_psql('postgres', $sql);

	$rows{$view} = (split /\|/, $said)[0];
	is($standby->safe_psql('postgres', $sql), $said, "standby: $view is the primary's, unfolded rows included");
}
cmp_ok($rows{$_}, '>', 0, "$_ has rows") for qw(team_usage team_month statements statement_units unmatched_spend team_month_models user_usage tag_usage
	latency_daily latency_histogram), sort keys %function;
is(sqlstate_of($standby, 'postgres', 'SELECT aiusage.refresh()'), '25006', 'standby: refresh() is refused');
is(sqlstate_of($standby, 'postgres', 'CALL aiusage.maintain()'), '25006', 'standby: maintain() is refused');
verify_clean($standby, 'postgres', 'standby');
is($standby->safe_psql('postgres', 'SELECT bool_and(as_of <= now()) FROM aiusage.team_usage'), 't',
	'standby: as_of is when it has replayed to');
$primary->safe_psql('postgres', 'SELECT aiusage.refresh()');
caught_up();
is($standby->safe_psql('postgres', 'SELECT * FROM differences'), '', 'standby: right after a fold on the primary');

# ---- a prepared transaction across a crash

$primary->safe_psql('postgres', q{
	BEGIN;
	SELECT book(1, interval '0');
	SAVEPOINT s;
	SELECT book(2, interval '0');
	PREPARE TRANSACTION 'fold';
	SELECT book(3, interval '0');
});
is($primary->safe_psql('postgres', 'SELECT aiusage.refresh()'), '1', 'prepared: not folded');
is($primary->safe_psql('postgres', 'SELECT cardinality(running) > 0 FROM aiusage.fold_state'), 't', 'prepared: remembered');
$primary->stop('immediate');
$primary->start;
is($primary->safe_psql('postgres', 'SELECT * FROM differences'), '', 'after the crash: views equal the ledger');
is($primary->safe_psql('postgres', 'SELECT aiusage.refresh()'), '0', 'after the crash: still not folded');
$primary->safe_psql('postgres', q{COMMIT PREPARED 'fold'});
is($primary->safe_psql('postgres', 'SELECT * FROM differences'), '', 'committed: in the views at once');
is($primary->safe_psql('postgres', 'SELECT aiusage.refresh()'), '2', 'committed: folded once');
is($primary->safe_psql('postgres', 'SELECT aiusage.refresh()'), '0', 'committed: not twice');
is($primary->safe_psql('postgres', 'SELECT * FROM differences'), '', 'committed: views equal the ledger');
verify_clean($primary, 'postgres', 'after the crash');

# ---- promotion: transactions go on, and so do folds

caught_up();
$primary->stop;
$standby->promote;
$standby->safe_psql('postgres', q{SELECT book(n % 10 + 1, interval '0') FROM generate_series(1, 20) n});
is($standby->safe_psql('postgres', 'SELECT aiusage.refresh()'), '20', 'promoted: folds go on');
is($standby->safe_psql('postgres', 'SELECT * FROM differences'), '', 'promoted: views equal the ledger');
verify_clean($standby, 'postgres', 'promoted');

done_testing();
