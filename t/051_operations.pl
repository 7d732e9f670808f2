# Operations: alerts are sent, once each; maintain() goes on when a step fails,
# and what failed is on record; status() sees what is wrong, also on a standby
# and without preload.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('operations', conf => "wal_level = replica\nmax_wal_senders = 4\nmax_prepared_transactions = 4\nlog_min_messages = fatal\n");
make_lab($node, 'lab');
my $sql = sub { return $node->safe_psql('lab', $_[0]) };

# ---- alerts
$sql->(q{SELECT aiusage.put_quota('{"name": "cap", "scope": {"team": "t"}, "metric": "spend", "currency": "USD", "limit": 100, "window": "total",
	"thresholds": [50, 90], "notify": "payments-oncall"}')});
my $listen = sub { return $sql->("LISTEN aiusage_alert; $_[0]") };
my $payloads = sub { return map { /Asynchronous notification "aiusage_alert" with payload "(.*)" received/ ? $1 : () } split /\n/, $_[0] };

is(join(' ', map { /"kind" : "(\w+)"/ } $payloads->($listen->('CALL aiusage.maintain(); SELECT 1'))), 'published', 'what happened to a limit is sent');
is($sql->(q{SELECT book('k1', 60)}), 'soft', 'over the first threshold');
is($sql->(q{SELECT try_book('k1', 50)}), 'denied', 'refused') for (1 .. 3);
is($sql->(q{SELECT count(*) FROM aiusage.quota_event WHERE kind = 'denied'}), '0', 'denials are in memory');
my @sent = $payloads->($listen->('CALL aiusage.maintain(); SELECT 1'));
is(scalar @sent, 2, 'one alert, and one for all denials') or diag("@sent");
my ($threshold) = grep { /threshold"\s*:\s*50/ } @sent;
my ($denied) = grep { /"kind" : "denied"/ } @sent;
like($threshold // '', qr/^\{"event" : \d+, "at" : "[^"]+", "kind" : "threshold", "quota" : "cap", "threshold" : 50, "count" : 1, "notify" : "payments-oncall"\}$/,
	'it says which limit, what, and whom to tell');
like($denied // '', qr/"quota" : "cap", "threshold" : null, "count" : 3,/, 'coalesced');
# but for the time, whose digits may be anything
unlike(join(' ', map { s/"at" : "[^"]+"//r } @sent), qr/k1|USD|60|110/, 'and no key or amount: everybody may listen');
my ($event) = ($threshold // '') =~ /"event" : (\d+)/;
is($sql->("SELECT api_key, trim_scale(used), trim_scale(\"limit\"), notified_at IS NOT NULL FROM aiusage.quota_event WHERE event = $event"), 'k1|60|100|t',
	'the rest is in quota_event');
is(scalar($payloads->($listen->('CALL aiusage.maintain(); SELECT 1'))), 0, 'nothing is sent twice');

# What is rolled back was not sent; who sends at the same time takes other events.
$sql->(q{SELECT book('k1', 35)});
is(scalar($payloads->($listen->('BEGIN; SELECT aiusage.send_alerts(); ROLLBACK; SELECT 1'))), 0, 'a rollback sends nothing');
my $other = $node->background_psql('lab');
is($other->query('BEGIN; SELECT aiusage.send_alerts();'), '1', 'one sends');
is($sql->('SELECT aiusage.send_alerts()'), '0', 'the other neither waits nor sends it again');
$other->query('COMMIT');
$other->quit;
is($sql->('SELECT count(*) FROM aiusage.quota_event WHERE notified_at IS NULL'), '0', 'all are sent');

# ---- a step that fails does not keep the others from running, and is on record
$sql->(q{ALTER TABLE aiusage.hold RENAME TO hold_away});
my ($rc, $stdout, $stderr) = $node->psql('lab', "\\set VERBOSITY verbose\nCALL aiusage.maintain()");
like($stderr, qr/WARNING: .*holds: .*ERROR:  UA503: maintenance failed: holds/s, 'a step fails');
is($sql->(q{SELECT step, bad_in_a_row, last_error ~ 'hold' FROM aiusage.maintenance WHERE bad_in_a_row > 0}), 'holds|1|t', 'it is on record');
is($sql->(q{SELECT count(*) FROM aiusage.maintenance AS m WHERE m.last_at >= (SELECT h.last_bad_at FROM aiusage.maintenance AS h WHERE step = 'holds')}),
	'6', 'and the steps after it ran');
$sql->(q{ALTER TABLE aiusage.hold_away RENAME TO hold});
is($sql->(q{SET application_name = 'somebody'; CALL aiusage.maintain(); SHOW application_name}), 'somebody', 'the session is called what it was');
my $folding = $node->background_psql('lab');
$folding->query_safe('BEGIN; SELECT FROM aiusage.fold_state FOR UPDATE');
(undef, $stdout, $stderr) = $node->psql('lab', q{SET application_name = 'somebody'; SET statement_timeout = '300ms'; CALL aiusage.maintain(); SHOW application_name}, on_error_stop => 0);
like("$stdout $stderr", qr/^somebody .*statement timeout/s, '... also when it was cancelled');
$folding->query_safe('ROLLBACK');
$folding->quit;
is($sql->(q{SELECT step, last_good_at > last_bad_at FROM aiusage.maintenance WHERE last_bad_at IS NOT NULL AND bad_in_a_row = 0}), 'holds|t', 'mended');

# ---- verify() on record
is($sql->('SELECT aiusage.record_verify()'), '0', 'verify() finds nothing');
$sql->(q{UPDATE aiusage.rollup_15m SET requests = requests + 1});
cmp_ok($sql->('SELECT aiusage.record_verify()'), '>', 0, 'or something');
is($sql->(q{SELECT bad_in_a_row, last_error ~ 'rollup_15m: requests' FROM aiusage.maintenance WHERE step = 'verify'}), '1|t', 'which is on record');
$sql->(q{UPDATE aiusage.rollup_15m SET requests = requests - 1});

# ---- status()
my $check = sub { my ($name, $on) = @_; return ($on // $node)->safe_psql('lab', "SELECT severity, value FROM aiusage.status() WHERE check_name = '$name'") };
my $bad = sub { return $_[0]->safe_psql('lab', q{SELECT string_agg(check_name, ', ') FROM aiusage.status() WHERE severity IN ('warning', 'error')}) };
like($check->('drift'), qr{^error\|found 00:00:\d+ ago$}, 'drift');
$sql->('SELECT aiusage.record_verify(); CALL aiusage.maintain(); CALL aiusage.maintain()');
$sql->(q{UPDATE aiusage.setting SET value = 'lab' WHERE name = 'default_book'});
is($bad->($node), '', 'all is well') or diag($sql->(q{SELECT * FROM aiusage.status() WHERE severity <> 'ok'}));
is($sql->(q{SELECT count(*) > 20 AND bool_and(meaning IS NOT NULL AND value IS NOT NULL AND severity IN ('ok', 'info', 'warning', 'error'))
	AND bool_and(action IS NOT NULL OR severity IN ('ok', 'info')) FROM aiusage.status()}), 't', 'each check says what it means, and what to do');

# What is wrong is seen, one after the other.
$sql->(q{INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage)
	SELECT aiusage.uuid_v7(t), t, 'k1', 'lab', 'm1', '{"input_tokens": 1}' FROM (VALUES (timestamptz '2026-02-05 00:00:00+00')) v (t)});
$sql->(q{INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('nobody', 'lab', 'm9', '{"input_tokens": 1}')});
is($check->('default partition'), 'warning|1 rows', 'default partition');
is($check->('unpriced'), 'warning|1 requests in 31 days', 'unpriced, before any fold');
is($check->('unmatched'), 'warning|1 requests in 31 days', 'unmatched');
like($check->('fold lag'), qr/^ok\|2 rows, the oldest 00:00:0/, 'fold lag, not worth a warning yet');
$sql->(q{SET session_replication_role = replica; ALTER TABLE aiusage.usage_record DISABLE TRIGGER append_only; UPDATE aiusage.usage_record SET recorded_at = now() - interval '2 hours' WHERE api_key = 'nobody';
	ALTER TABLE aiusage.usage_record ENABLE ALWAYS TRIGGER append_only});
like($check->('fold lag'), qr/^warning\|2 rows, the oldest 02:00:/, 'fold lag of two hours');
$sql->('SELECT aiusage.refresh()');
is($check->('fold lag'), 'ok|0 rows', 'folded');
is($check->('unpriced'), 'warning|1 requests in 31 days', 'unpriced, folded');
$sql->(q{SELECT aiusage.make_partitions('2026-02-01', '2026-03-01')});
is($check->('default partition'), 'ok|0 rows', 'as it advised');
$sql->(q{UPDATE aiusage.setting SET value = '24' WHERE name = 'partitions_ahead'});
is($check->('partitions ahead'), 'warning|2', 'too few partitions ahead');
$sql->(q{CALL aiusage.maintain()});
is($check->('partitions ahead'), 'ok|24', 'made');
$sql->(q{UPDATE aiusage.maintenance SET last_at = last_at - interval '2 days'});
like($check->('maintenance'), qr/^error\|2 days/, 'nobody maintains');
$sql->(q{UPDATE aiusage.maintenance SET bad_in_a_row = 3, last_error = 'out of luck', last_at = now() WHERE step = 'fold'});
is($sql->(q{SELECT meaning FROM aiusage.status() WHERE check_name = 'maintenance'}), 'Steps that failed last time: fold (3 times: out of luck)', 'a step fails');
$sql->('CALL aiusage.maintain()');
like($check->('maintenance'), qr/^ok/, 'mended');
$sql->(q{INSERT INTO aiusage.quota_event (kind, quota, quota_name, at) SELECT 'changed', quota, name, now() - interval '1 hour' FROM aiusage.quota LIMIT 1});
is($check->('alerts'), 'warning|1 waiting', 'an alert that nobody sends');
$sql->(q{UPDATE aiusage.storage_step SET checksum = 'older' WHERE name = 'usage_log'});
is($check->('books'), 'error|storage version ' . $sql->('SELECT aiusage.storage_version()'), 'an extension that init() has not followed');
is($sql->(q{SELECT action FROM aiusage.status() WHERE check_name = 'books'}), 'SELECT * FROM aiusage.init();', 'it says so');
$sql->('SELECT FROM aiusage.init()');
is($check->('books'), 'ok|storage version ' . $sql->('SELECT aiusage.storage_version()'), 'and now it has');

# Who may look: analysts and admins, not gateways.
$sql->(q{CREATE ROLE watcher LOGIN; SELECT aiusage.grant_access('watcher', 'analyst'); CREATE ROLE gate LOGIN; SELECT aiusage.grant_access('gate', 'gateway')});
is($node->safe_psql('lab', 'SELECT count(*) > 20 FROM aiusage.status()', extra_params => [ '-U', 'watcher' ]), 't', 'an analyst');
is(sqlstate_of($node, 'lab', 'SELECT * FROM aiusage.status()', extra_params => [ '-U', 'gate' ]), '42501', 'no gateway');

# On a standby, and without preload.
$sql->('CALL aiusage.maintain()');
$node->append_conf('pg_hba.conf', 'local replication all trust');
$node->reload;
$node->backup('copy', backup_options => [ '--checkpoint', 'fast' ]);
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
like($check->('server', $standby), qr/^info\|standby, replayed up to/, 'a standby knows that it is one');
is($check->('preload', $standby), 'error|no', 'without preload, with a limit: an error');
is($bad->($standby), 'preload, unpriced, unmatched', 'and all else is as on the primary') or diag($standby->safe_psql('lab', 'SELECT * FROM aiusage.status()'));
is($standby->safe_psql('lab', 'SELECT count(*) FROM aiusage.verify() WHERE NOT ok'), '0', 'verify() runs there too');
is(sqlstate_of($standby, 'lab', 'CALL aiusage.maintain()'), '25006', 'maintain() does not');
$standby->stop('immediate');

done_testing();
