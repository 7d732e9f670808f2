# statement_timeout in everything that takes long, at several points of its
# time; and timeouts, cancels and terminations of who waits: inserts, COPY,
# admission, folds and maintenance behind a lock on the ledger, behind a fold,
# behind the load of a counter, behind a hold that another transaction uses.
# Whoever is stopped has done nothing, and it can be done afterwards.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use Faults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = faulty_node('timeout', conf => "aiusage.quota_load_timeout = 1s\n");
faulty_books($node, 'base');
$node->safe_psql('base', q{SELECT history('2024-05-01 00:00+00', 3000, 1000)});

# ---- at any time of what takes long

my $march = q{aiusage.period_of(1, '2024-03-15 00:00+00')};
my $dearer = q{SELECT FROM aiusage.import_prices('past', 'genai-prices', '[{"id": "lab", "models": [
	{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 2000000}}]}]', '2024-01-01', 'dearer')};
my $reprice = q{aiusage.reprice('{"team": "past"}', NULL, 'dearer', NULL, false)};
# name => [what, prepared by]
my %work = (
	'refresh' => ['SELECT aiusage.refresh()'],
	'maintain' => ['CALL aiusage.maintain()'],
	'verify' => ['SELECT FROM aiusage.verify()'],
	'record_verify' => ['SELECT aiusage.record_verify()'],
	'close_period' => [ "SELECT aiusage.close_period($march, 'over', true) WHERE aiusage.period_status($march) = 'open'", 'SELECT aiusage.refresh()' ],
	'reverse_statement' => [ q{SELECT aiusage.reverse_statement(min(s.statement), 'wrong') FROM aiusage.statements AS s HAVING bool_and(s.reverses IS NULL)},
		'SELECT aiusage.refresh()', "SELECT aiusage.close_period($march, 'over', true)" ],
	'reprice' => [ "SELECT FROM $reprice", $dearer ],
	'run_reprice' => [ 'CALL aiusage.run_reprice(1, 100)', $dearer, q{SELECT aiusage.start_reprice('{"team": "past"}', NULL, 'dearer', NULL)} ],
	'price_unpriced' => [ q{SELECT FROM aiusage.price_unpriced('{}', 'late prices', NULL, false)} ],
	'reattribute' => [ q{SELECT FROM aiusage.reattribute('{"api_key": "h1", "from": "2024-03-01", "to": "2024-03-10"}', (SELECT assignment FROM aiusage.key_assignment WHERE api_key = 'h2'), 'moved', NULL, false)} ],
	'rebuild_rollups' => [ q{CALL aiusage.rebuild_rollups('to be sure', '2024-03-01', '2024-03-15')} ],
	'import_prices' => [ q{SELECT aiusage.import_prices('list', 'genai-prices', aiusage.default_catalogue(), '2020-01-01')} ],
	'erase_user' => [ q{SELECT FROM aiusage.erase_user('user-3', 'asked')} ],
	'empty_default' => ['SELECT aiusage.empty_default()'],
	'enforce_retention' => [ 'SELECT aiusage.enforce_retention(true)', 'SELECT aiusage.refresh()', "SELECT aiusage.close_period($march, 'over', true)",
		q{SELECT aiusage.put_retention_class('default', '90 days')}, 'SELECT aiusage.enforce_retention(true)' ],
	'make_partitions' => [ q{SELECT FROM aiusage.make_partitions('2023-01-01', '2023-12-31')} ],
	'put_quota' => [ q{SELECT aiusage.put_quota('{"name": "new", "scope": {"team": "past"}, "per": ["user_id"], "metric": "tokens", "limit": 100000000, "window": "total"}')} ],
	'rebuild_quota' => [ q{SELECT aiusage.rebuild_quota('past', 'to be sure')} ],
	'enable_user_usage' => [ q{SELECT aiusage.enable_user_usage('2024-01-01 00:00+00') WHERE NOT EXISTS (SELECT FROM aiusage.user_level)} ],
	'declare_tag' => [ q{SELECT aiusage.declare_tag('feature', retroactive => true, from_at => '2024-01-01') WHERE NOT EXISTS (SELECT FROM aiusage.tag_declaration)} ],
	'ingest' => [ q{SELECT count(*) FROM aiusage.ingest((SELECT jsonb_agg(jsonb_build_object('api_key', 'k1', 'provider', 'lab', 'model', 'm1', 'usage', '{"input_tokens": 1}'::jsonb)) FROM generate_series(1, 3000)))} ],
	'init' => ['SELECT FROM aiusage.init()']);

my $only = $ENV{AIUSAGE_FAULT_ONLY} // '.';
for my $name (grep { /$only/ } sort keys %work)
{
	my ($sql, @prepare) = @{ $work{$name} };
	my (@wrong, $err, %said);

	copy_books($node, 'base', 'prepared');
	$node->safe_psql('prepared', $_) for @prepare;
	copy_books($node, 'prepared', 'work');
	my $began = time;
	$node->safe_psql('work', $sql);
	my $took = (time - $began) * 1000;

	copy_books($node, 'prepared', 'work');
	my $traffic = traffic($node, 'work', clients => 2, rate => 200);
	for my $part (1, 4, 7)
	{
		my $timeout = int($took * $part / 10) + 1;

		$node->psql('work', "\\set VERBOSITY verbose\nSET statement_timeout = $timeout;\n$sql;", stderr => \$err);
		$said{$1}++ while $err =~ /(?:ERROR|WARNING|FATAL):\s+([0-9A-Z]{5}):/g;
	}
	end_traffic($traffic);
	push @wrong, "it failed with $_" for grep { $_ ne '57014' } sort keys %said;
	my $state = sqlstate_of($node, 'work', $sql);
	push @wrong, "it cannot be done any more: $state" if $state ne '';
	judge($node, 'work', 'statement_timeout', $name . ($said{57014} ? '' : ' (it was done before)'), [$traffic], wrong => \@wrong, times => $said{57014} || 1);
}

# ---- who waits

my $insert = q{INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage) VALUES ('victim', 'k1', 'lab', 'm1', '{"input_tokens": 3}')};
my $copy = "COPY aiusage.usage_record (request_id, api_key, provider, model, usage) FROM STDIN;\nvictim\tk1\tlab\tm1\t{\"input_tokens\": 1}\n\\.\n";
my $admit = q{SELECT aiusage.admit('k1', 'lab', 'm1', '{"input_tokens": 3}')};
# what is in the way => [statements that hold it, what waits for it]
my @behind = (
	[ 'a lock on the ledger', 'BEGIN; LOCK TABLE aiusage.usage_record IN SHARE ROW EXCLUSIVE MODE;', [ insert => $insert, copy => $copy, settle => "BEGIN; $insert; $insert; COMMIT" ] ],
	[ 'an exclusive lock', 'BEGIN; LOCK TABLE aiusage.usage_record IN ACCESS EXCLUSIVE MODE;', [ insert => $insert, fold => 'SELECT aiusage.refresh()', view => 'SELECT count(*) FROM aiusage.team_usage' ] ],
	[ 'a fold', 'BEGIN; SELECT FROM aiusage.fold_state FOR UPDATE;', [ fold => 'SELECT aiusage.refresh()', rebuild => q{CALL aiusage.rebuild_rollups('to be sure', '2024-03-01', '2024-03-03')}, maintain => 'CALL aiusage.maintain()' ] ],
	[ 'writers', "BEGIN; $insert;", [ close => "SELECT aiusage.close_period($march, 'over', true)" ] ],
	[ 'the same id', q{BEGIN; INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (aiusage.event_id('same', now()), 'k1', 'lab', 'm1', '{"input_tokens": 3}');},
		[ replay => q{INSERT INTO aiusage.usage_record (id, request_id, api_key, provider, model, usage) VALUES (aiusage.event_id('same', '%s'), 'victim', 'k1', 'lab', 'm1', '{"input_tokens": 3}') ON CONFLICT DO NOTHING} ] ]);

for my $behind (grep { "behind $_->[0]" =~ /$only/ } @behind)
{
	my ($obstacle, $held, $waiting) = @$behind;

	copy_books($node, 'base', 'work');
	my %waiting = @$waiting;
	for my $name (sort keys %waiting)
	{
		my @wrong;

		for my $how ('statement_timeout', 'lock_timeout', 'cancel', 'terminate')
		{
			my $sql = $waiting{$name};
			my $err = '';
			my $blocker = $node->background_psql('work');
			my $at = $blocker->query_safe('SELECT now()');

			$sql = sprintf $sql, $at if $name eq 'replay';
			(my $first = $held) =~ s/'same', now\(\)/'same', '$at'/;
			$blocker->query_safe($first);
			my $in = ($how =~ /timeout/ ? "SET $how = '200ms';\n" : '') . "\\set VERBOSITY verbose\n$sql;\n";
			my $waiter = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('work') . ' application_name=waiter', '-f', '-' ], '<', \$in, '>', \my $out, '2>', \$err);
			$waiter->pump while length $in;
			if ($how !~ /timeout/)
			{
				my $stop = $how eq 'cancel' ? 'pg_cancel_backend' : 'pg_terminate_backend';
				$node->poll_query_until('work', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name ~ 'waiter|aiusage' AND wait_event_type = 'Lock'}) or push @wrong, "$how: it does not wait";
				$node->safe_psql('work', "SELECT $stop(pid) FROM pg_stat_activity WHERE application_name ~ 'waiter|aiusage' AND wait_event_type = 'Lock'");
			}
			eval { $waiter->finish };
			my ($state) = $err =~ /(?:ERROR|FATAL):\s+([0-9A-Z]{5}):/;
			my $expected = $how eq 'lock_timeout' ? qr/^(55P03|UA503)$/ : $how eq 'terminate' ? qr/^57P01$/ : qr/^57014$/;
			push @wrong, "$how: it was told " . ($state // 'nothing') . ": $err" unless ($state // '') =~ $expected;
			$blocker->query_safe('ROLLBACK');
			eval { $blocker->quit };
			push @wrong, "$how: it was booked" if $node->safe_psql('work', q{SELECT count(*) FROM aiusage.usage_record WHERE request_id = 'victim'}) ne '0';
		}
		judge($node, 'work', 'timeouts, cancel, terminate of who waits', "$name behind $obstacle", undef, wrong => \@wrong, times => 4);
	}
}

$node->stop;
done_testing();
