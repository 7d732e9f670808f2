# A backend that is killed, cancelled or terminated in each kind of work on the
# books (fold, close, reprice, retention, rebuild, import, erasure, maintain,
# limits), when it begins to write, half way, and around its commit, beside
# traffic.  What is one transaction has happened or has not; what commits as it
# goes is ended by calling it again; the result is what it is without a fault.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use Faults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = faulty_node('operations');
faulty_books($node, 'base');

my $prices = q{SELECT FROM aiusage.import_prices('past', 'genai-prices', '[{"id": "lab", "models": [
	{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 2000000}}]}]', '2024-01-01', 'dearer')};
my $march = q{aiusage.period_of(1, '2024-03-15 00:00+00')};
my @over = ('SELECT aiusage.refresh()', "SELECT aiusage.close_period($march, 'over', true)", q{SELECT aiusage.put_retention_class('default', '90 days')});
my $retention = 'SELECT aiusage.enforce_retention(true)';
my $partition = q{SELECT coalesce((SELECT state FROM aiusage.ledger_partition WHERE partition = 'usage_record_p20240301'), 'kept')};

# name, sql; prepare: statements before; state: what is looked at; restless: it
# commits as it goes; finish: what ends it (as a rule the same again); quiet: no traffic beside it
my @work = (
	{ name => 'fold', sql => 'SELECT aiusage.refresh()',
		state => q{SELECT sum(r.requests) FROM aiusage.rollup_15m AS r JOIN aiusage.rollup_dimension AS d USING (dimension) WHERE d.api_key LIKE 'h%'} },
	{ name => 'close a period', sql => "SELECT aiusage.close_period($march, 'over', true)", prepare => ['SELECT aiusage.refresh()'],
		finish => "SELECT aiusage.close_period($march, 'over', true) WHERE aiusage.period_status($march) = 'open'",
		state => "SELECT aiusage.period_status($march), count(*), sum(s.requests), sum(s.cost) FROM aiusage.statements AS s" },
	{ name => 'reprice', sql => 'CALL aiusage.run_reprice(1, 250)', restless => 1,
		prepare => [ $prices, q{SELECT aiusage.start_reprice('{"team": "past"}', NULL, 'dearer', NULL)} ],
		state => q{SELECT j.status, count(*), sum(u.cost::numeric) FROM aiusage.reprice_job AS j, aiusage.usage_record AS u WHERE u.kind = 'adjustment' GROUP BY 1} },
	{ name => 'retention: freeze', sql => $retention, prepare => \@over, state => $partition },
	{ name => 'retention: seal', sql => $retention, prepare => [ @over, $retention ], state => $partition },
	{ name => 'retention: detach', sql => $retention, prepare => [ @over, ($retention) x 2 ], state => $partition, quiet => 1 },
	{ name => 'retention: drop', sql => $retention, prepare => [ @over, ($retention) x 3 ], state => $partition },
	{ name => 'move out of DEFAULT', sql => 'SELECT aiusage.empty_default()',
		state => q{SELECT count(*), (SELECT count(*) FROM aiusage.usage_record WHERE api_key LIKE 'h%') FROM aiusage.usage_record_default} },
	{ name => 'rebuild the rollups', sql => q{CALL aiusage.rebuild_rollups('damaged', '2024-03-01', '2024-03-08')}, restless => 1,
		prepare => [ 'SELECT aiusage.refresh()', q{UPDATE aiusage.rollup_15m SET requests = requests + 1, cost = cost * 2 WHERE bucket < '2024-03-08 00:00+00'},
			q{DELETE FROM aiusage.rollup_daily WHERE day = '2024-03-04'} ],
		state => q{SELECT status, (SELECT sum(requests) FROM aiusage.rollup_15m WHERE bucket < '2024-05-01 00:00+00') FROM aiusage.rebuild_job} },
	{ name => 'import of prices', state => q{SELECT count(*), count(*) FILTER (WHERE v.status = 'published'), (SELECT count(*) FROM aiusage.price) FROM aiusage.price_version AS v},
		sql => q{SELECT aiusage.import_prices('past', 'genai-prices', (SELECT jsonb_build_array(jsonb_build_object('id', 'lab', 'models', jsonb_agg(
			jsonb_build_object('id', 'm' || i, 'match', jsonb_build_object('equals', 'm' || i), 'prices', jsonb_build_object('input_mtok', i, 'output_mtok', i))))) FROM generate_series(1, 100) AS i), '2024-01-01')} },
	{ name => 'erase a person', sql => q{SELECT FROM aiusage.erase_user('user-3', 'asked')},
		state => q{SELECT count(*) FROM aiusage.usage_record WHERE user_id = 'user-3'} },
	{ name => 'maintain', sql => 'CALL aiusage.maintain()', restless => 1, prepare => \@over,
		state => q{SELECT count(*) FROM aiusage.usage_record_default} },
	{ name => 'publish a limit', sql => q{SELECT aiusage.put_quota('{"name": "new", "scope": {"team": "past"}, "per": ["user_id"], "metric": "tokens", "limit": 100000000, "window": "total"}')},
		state => q{SELECT count(*), (SELECT count(*) FROM aiusage.quota_usage AS u JOIN aiusage.quota AS q USING (quota) WHERE q.name = 'new') FROM aiusage.quota WHERE name = 'new' AND status = 'active'} },
	{ name => 'count a limit anew', sql => q{SELECT aiusage.rebuild_quota('past', 'to be sure')},
		state => q{SELECT epoch FROM aiusage.quota WHERE name = 'past'} },
	{ name => 'sum by user', sql => q{SELECT aiusage.enable_user_usage('2024-01-01 00:00+00')}, finish => q{SELECT aiusage.enable_user_usage('2024-01-01 00:00+00') WHERE NOT EXISTS (SELECT FROM aiusage.user_level)},
		state => q{SELECT count(*) FROM aiusage.user_level} });

my $only = $ENV{AIUSAGE_FAULT_ONLY} // '.';
for my $work (grep { $_->{name} =~ /$only/ } @work)
{
	my $state = sub { return $node->safe_psql('work', $work->{state}) };
	my $sql = "$work->{sql};";

	copy_books($node, 'base', 'prepared');
	$node->safe_psql('prepared', $_) for @{ $work->{prepare} // [] };

	# Without a fault: what comes of it, and how much it writes.
	copy_books($node, 'prepared', 'work');
	my $before = $state->();
	my $records = count_stops($node, 'work', $sql, 'XLogInsert');
	my $after = $state->();
	cmp_ok($records, '>', 1, "$work->{name}: $records records of WAL, from $before to $after");

	for my $case ([ 'KILL', 'begun', 'XLogInsert', 0 ], [ 'KILL', 'half way', 'XLogInsert', int($records / 2) ],
		[ 'KILL', 'commit record written, not flushed', 'XLogFlush', 0 ], [ 'KILL', 'committed, not visible', 'ProcArrayEndTransaction', 0 ],
		[ 'INT', 'half way', 'XLogInsert', int($records / 2) ], [ 'TERM', 'half way', 'XLogInsert', int($records / 2) ])
	{
		my ($signal, $phase, $function, $passes) = @$case;
		my %fault = (KILL => 'kill -9', INT => 'cancel', TERM => 'terminate');
		my ($log_end, $traffic, @wrong) = (-s $node->logfile);

		copy_books($node, 'prepared', 'work');
		if (!$work->{quiet})
		{
			$traffic = traffic($node, 'work', clients => 2);
			busy($traffic, 50);
		}
		my ($hit, $said) = strike($node, 'work', $sql, at => $function, passes => $passes, signal => $signal);
		push @wrong, "it never came by $function: $said" unless $hit;
		recovered($node, $log_end) if $hit && $signal eq 'KILL';
		end_traffic($traffic, gone => $hit && $signal eq 'KILL') if $traffic;

		my $now = $state->();
		if (!$work->{restless})
		{
			my @may = $phase =~ /^committed/ ? $after : $phase =~ /^commit record/ ? ($before, $after) : $signal eq 'KILL' ? $before : $said =~ /ERROR|FATAL/ ? $before : $after;
			push @wrong, "it stands at $now, not at @may" unless grep { $_ eq $now } @may;
		}
		# It is called again, and again if it goes by steps.
		for my $try (1 .. 5)
		{
			last if ($now = $state->()) eq $after;
			my $ret = $node->psql('work', $work->{finish} // $sql, stderr => \my $err);
			push @wrong, "it cannot be done any more: $err" if $ret != 0;
		}
		push @wrong, "done, it stands at $now, not at $after" if $now ne $after;
		judge($node, 'work', "$fault{$signal}: $work->{name}", $phase, $traffic ? [$traffic] : undef, wrong => \@wrong);
	}
}

$node->stop;
done_testing();
