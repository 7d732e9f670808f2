# The server's clock is set back by an hour, across midnight, and forward by a
# day, and again.  Limits stay exact or refuse, holds end, nobody is told to
# retry in the past, and status() says that the clock is behind.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($library) = glob '/usr/lib/*/faketime/libfaketime.so.1';
plan skip_all => '(no libfaketime)' if !defined $library || !-e $library;

# half an hour past midnight; limits are published two hours before
my $clock = PostgreSQL::Test::Utils::tempdir() . '/clock';
my $start = (int(time / 86400) + 1) * 86400 + 1810 - time;
sub set_clock
{
	my ($offset) = @_;
	open my $file, '>', "$clock.new" or die $!;
	printf $file "%+d\n", $start + $offset;
	close $file;
	rename "$clock.new", $clock or die $!;
	return;
}
set_clock(-7200);
my %faked = (LD_PRELOAD => $library, FAKETIME_TIMESTAMP_FILE => $clock, FAKETIME_NO_CACHE => 1, FAKETIME_DONT_FAKE_MONOTONIC => 1);
sub start_server
{
	my ($do) = @_;
	local %ENV = (%ENV, %faked);
	return $do->();
}

my $node = start_server(sub { return new_node('clock') });
my $sql = sub { return $node->safe_psql('books', $_[0]) };
make_lab($node, 'books');
like($sql->(q{SELECT to_char(now(), 'HH24:MI')}), qr/^22:3/, 'the clock of the server is ours');
$sql->(q{
	SELECT aiusage.put_key('{"key": "k3", "team": "t", "price_book": "lab"}');
	SELECT aiusage.put_key('{"key": "k4", "team": "t", "price_book": "lab"}');
	SELECT aiusage.put_key('{"key": "k5", "team": "t", "price_book": "lab"}');
	SELECT aiusage.put_quota('{"name": "ring", "scope": {"api_key": "k5"}, "metric": "requests", "limit": 5, "window": "10 minutes", "sliding": true}');
	SELECT aiusage.put_quota('{"name": "minute", "scope": {"api_key": "k1"}, "metric": "requests", "limit": 3, "window": "minute"}');
	SELECT aiusage.put_quota('{"name": "sliding", "scope": {"api_key": "k2"}, "metric": "requests", "limit": 5, "window": "10 minutes", "sliding": true}');
	SELECT aiusage.put_quota('{"name": "day", "scope": {"api_key": "k3"}, "metric": "spend", "currency": "USD", "limit": 10, "window": "day"}');
	SELECT aiusage.put_quota('{"name": "total", "scope": {"team": "t"}, "metric": "spend", "currency": "USD", "limit": 1000, "window": "total"}');
	CREATE FUNCTION attempts(key text, n int) RETURNS text LANGUAGE sql AS $$
		SELECT string_agg(CASE try_book(key, 1) WHEN 'denied' THEN '-' ELSE '+' END, '') FROM generate_series(1, n) $$;
	-- no window of the ledger has more than its limit
	CREATE VIEW windows AS
		SELECT 'minute' AS quota, date_trunc('minute', u.recorded_at) AS starts_at, count(*) AS used, 3 AS cap FROM aiusage.usage_record AS u WHERE u.api_key = 'k1' GROUP BY 2
		UNION ALL SELECT 'day', date_trunc('day', u.occurred_at), count(*), 10 FROM aiusage.usage_record AS u WHERE u.api_key = 'k3' AND u.spent IS NULL GROUP BY 2
		UNION ALL SELECT 'sliding', u.recorded_at, (SELECT count(*) FROM aiusage.usage_record AS x WHERE x.api_key = 'k2'
			AND x.recorded_at > u.recorded_at - interval '10 minutes' AND x.recorded_at <= u.recorded_at), 5 FROM aiusage.usage_record AS u WHERE u.api_key = 'k2';
});
my $session = $node->background_psql('books');

sub check_all
{
	my ($what) = @_;
	is($sql->('SELECT quota, starts_at, used FROM windows WHERE used > cap'), '', "$what: no window has more than its limit");
	is($sql->(q{SELECT count(*) FROM (VALUES ('k1'), ('k2'), ('k3')) AS k (key), aiusage.admit(k.key, 'lab', 'm1', '{"input_tokens": 11}', durable => false) AS a
		WHERE a.retry_after < interval '0' OR a.retry_after > CASE k.key WHEN 'k1' THEN interval '1 minute' WHEN 'k3' THEN interval '1 day' ELSE interval '2 days' END}),
		'0', "$what: nobody is told to retry in the past, or far too late");
	$sql->('SELECT aiusage.release(hold_id) FROM aiusage.quota_holds() WHERE estimated_cost = 11');
	my $stderr;
	for my $key (qw(k1 k2 k3))
	{
		$node->psql('books', "SELECT book('$key', 11)", stderr => \$stderr);
		ok($stderr eq '' || $stderr =~ /HINT:.*[Rr]etry (after|in) [1-9]\d* s/ || $stderr =~ /HINT/ && $stderr !~ /-\d+ s/, "$what: the hint of $key is of the future") or diag($stderr);
	}
	return;
}
sub full { my ($key) = @_; return $session->query_safe("SELECT attempts('$key', 12)") =~ tr/+//; }

# ---- a sliding window, asked in each of its sub-buckets of 50 s: never less than its length, a sub-bucket more at most
my $at = sub { set_clock(-7000 + $_[0]) };	# 10 s into a sub-bucket
$at->(0);
is($session->query_safe(q{SELECT attempts('k5', 3)}), '+++', 'a sliding limit');
for my $later (map { 50 * $_ } (1 .. 10))
{
	$at->($later);
	my $got = $session->query_safe(q{SELECT decision FROM aiusage.admit('k5', 'lab', 'm1', '{"input_tokens": 0}', durable => false), LATERAL aiusage.release(hold_id)});
	is($got, 'allow', "... has room $later s later") if $later == 500 || $got ne 'allow';
}
$at->(555);
is($session->query_safe(q{SELECT attempts('k5', 1)}), '+', '... and again');
$at->(595);
is(full('k5'), 1, '... once more, just before the window of the first three is over');
$at->(651);
is(full('k5'), 3, '... which is room after that');
$at->(555 + 594);
is(full('k5'), 0, '... and no more before that of the fourth is');

# ---- as it should be
set_clock(0);
is(full('k3'), 10, 'ten a day');
is(full('k2'), 5, 'five in ten minutes');
cmp_ok(full('k1'), '>=', 3, 'three a minute');
my ($memory, $durable) = map { $sql->(qq{SELECT hold_id FROM aiusage.admit('k4', 'lab', 'm1', '{"input_tokens": 7}', ttl => '10 minutes', durable => $_)}) } ('false', 'true');
check_all('before');
is($sql->(q{SELECT severity FROM aiusage.status() WHERE check_name = 'clock'}), 'ok', 'status() finds the clock good');

# ---- a little back: ids of a session stay in order
my $ids = q{SELECT count(*) FROM (SELECT id < lag(id) OVER (ORDER BY n) AS less FROM (SELECT n, aiusage.uuid_v7() AS id FROM generate_series(1, 20000) AS n OFFSET 0) AS i) AS x WHERE less};
is($session->query_safe($ids), '0', 'ids of a session are in order');
$session->query_safe('CREATE TEMP TABLE first AS SELECT aiusage.uuid_v7() AS id');
set_clock(-1);
is($session->query_safe('SELECT f.id < aiusage.uuid_v7() FROM first AS f'), 't', '... when the clock is set back a second, too');
set_clock(0);

# ---- back by an hour: yesterday
set_clock(-3600);
is($sql->(q{SELECT date_trunc('day', now()) < date_trunc('day', max(recorded_at)) FROM aiusage.usage_record}), 't', 'it is yesterday');
is($session->query_safe(q{SELECT aiusage.id_time(aiusage.uuid_v7()) <= clock_timestamp()}), 't', 'ids say when it is');
is($sql->(q{SELECT severity FROM aiusage.status() WHERE check_name = 'clock'}), 'error', 'status() says that the clock is behind');
is(full('k3'), 10, 'yesterday has ten of its own');
is(full('k2'), 0, 'a sliding limit that was used up in an hour from now still is');
cmp_ok(full('k1'), '>=', 3, 'another minute');
my $longest = q{SELECT coalesce(max(expires_at - clock_timestamp()) <= interval '10 minutes', true) FROM aiusage.quota_holds() WHERE held > 0};
is($sql->($longest), 'f', 'holds were made in an hour from now');
check_all('an hour back');
$sql->('CALL aiusage.maintain()');
is($sql->($longest), 't', 'they live no longer for it');
$node->stop('immediate');
start_server(sub { $node->start });
$session = $node->background_psql('books');
is(full('k3'), 0, 'after a crash yesterday is used up');
is($sql->($longest), 't', 'nor does one that is read from the books');
check_all('an hour back, restarted');

# ---- before the limits were published: nothing is known of windows that were over then
set_clock(-2 * 86400);
is(sqlstate_of($node, 'books', "SELECT book('k3', 1)"), 'UA503', 'a limit that is yet to be published cannot be checked');
like($sql->("SELECT book('k3', 1, spent => true)"), qr/ok|over/, '... but what is spent is booked');

# ---- as it was
set_clock(0);
is(full('k3'), 0, 'today is used up as before');
is(full('k2'), 0, 'so is the sliding limit, which was loaded while the clock was behind');
check_all('forward again');

# ---- a day ahead, and back
set_clock(86400);
is(full('k3'), 10, 'tomorrow has ten');
is($session->query_safe(q{SELECT attempts('k2', 2)}), '++', 'there is room in ten minutes of tomorrow');
$sql->('CALL aiusage.maintain()');
is($sql->(q{SELECT count(*) FROM aiusage.quota_holds() WHERE status = 'open'}), '0', 'holds have expired');
check_all('a day ahead');
is($sql->(qq{INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id)
	VALUES ('k4', 'lab', 'm1', '{"input_tokens": 7}', '$memory'), ('k4', 'lab', 'm1', '{"input_tokens": 7}', '$durable') RETURNING quota_state}),
	"unheld\nunheld", 'and their rows are booked and marked');
my $late = $sql->(q{SELECT hold_id FROM aiusage.admit('k4', 'lab', 'm1', '{}', ttl => '10 minutes', durable => false)});
set_clock(0);
is(full('k3'), 0, 'today is used up as before');
is(full('k2'), 0, 'a sliding limit that has forgotten today refuses');
check_all('a day back');
$sql->('CALL aiusage.maintain()');
is($sql->($longest), 't', 'no hold lives for a day');
is($sql->(q{SELECT max(expires_at - clock_timestamp()) <= interval '10 minutes' FROM aiusage.quota_holds()}), 't', '... also one that holds nothing');
$node->stop;
start_server(sub { $node->start });
$session = $node->background_psql('books');
is(full('k3'), 0, 'loaded anew, today is used up');
is(full('k2'), 0, '... and the sliding limit');
check_all('restarted');
verify_clean($node, 'books', 'the books');
$session->quit;
$node->stop;
done_testing();
