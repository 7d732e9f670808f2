# Operations: alerts are sent, once each; maintain() goes on when a step fails,
# and what failed is on record.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('operations');
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
unlike("@sent", qr/k1|USD|60|110/, 'and no key or amount: everybody may listen');
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
	'4', 'and the steps after it ran');
$sql->(q{ALTER TABLE aiusage.hold_away RENAME TO hold});
is($sql->(q{SET application_name = 'somebody'; CALL aiusage.maintain(); SHOW application_name}), 'somebody', 'the session is called what it was');
is($sql->(q{SELECT step, last_good_at > last_bad_at FROM aiusage.maintenance WHERE last_bad_at IS NOT NULL AND bad_in_a_row = 0}), 'holds|t', 'mended');

# ---- verify() on record
is($sql->('SELECT aiusage.record_verify()'), '0', 'verify() finds nothing');
$sql->(q{UPDATE aiusage.rollup_15m SET requests = requests + 1});
cmp_ok($sql->('SELECT aiusage.record_verify()'), '>', 0, 'or something');
is($sql->(q{SELECT bad_in_a_row, last_error ~ 'rollup_15m: requests' FROM aiusage.maintenance WHERE step = 'verify'}), '1|t', 'which is on record');
$sql->(q{UPDATE aiusage.rollup_15m SET requests = requests - 1});

done_testing();
