# Holds through a crash, and under load: what was admitted durably keeps its
# room after a restart, what was in memory only is gone and its row is booked
# all the same; many clients that admit, book, retry, release and abort never
# get more than the limit, and leave nothing held behind.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('holds', conf => "fsync = on\nmax_connections = 60\n");
make_books($node, 'finance');
my $sql = sub { return $node->safe_psql('finance', $_[0]) };

$sql->(q{
	INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('flat', 'cost', 'USD');
	SELECT aiusage.import_prices('flat', 'aiusage', '{"format": "aiusage", "currency": "USD", "providers": [{"provider": "acme", "models": [
		{"model": "m", "rules": [{"prices": [{"unit": "input_tokens", "rate": 1}]}]}]}]}', '2020-01-01');
	SELECT aiusage.put_key('{"key": "k", "team": "t", "price_book": "flat"}');
	SELECT aiusage.put_quota('{"name": "cap", "scope": {"team": "t"}, "metric": "spend", "currency": "USD", "limit": 1000, "window": "total"}');
	SELECT aiusage.put_quota('{"name": "at once", "scope": {"team": "t"}, "metric": "concurrency", "limit": 1000000, "window": "total"}');
});
my $held = sub { return $sql->(q{SELECT trim_scale(held) FROM aiusage.quota_state WHERE name = 'cap'}) };

# ---- a crash
my $durable = $sql->(q{SELECT hold_id FROM aiusage.admit('k', 'acme', 'm', '{"input_tokens": 600}', ttl => '1 hour')});
my $memory = $sql->(q{SELECT hold_id FROM aiusage.admit('k', 'acme', 'm', '{"input_tokens": 300}', ttl => '1 hour', durable => false)});
is($held->(), '900', 'both are held');
$node->stop('immediate');
$node->start;
is($held->(), '600', 'after a crash the durable one is, seen before anything is loaded');
is($sql->(q{SELECT decision FROM aiusage.admit('k', 'acme', 'm', '{"input_tokens": 500}', durable => false)}), 'deny',
	'and it is in the way of others, as before');
is($held->(), '600', 'also when the counter is loaded');
is($sql->("SELECT aiusage.hold_standing('$durable', 'k'), aiusage.hold_standing('$memory', 'k')"), 'open|late', 'the other one is late');
is($sql->(qq{INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id)
	VALUES ('k', 'acme', 'm', '{"input_tokens": 500}', '$memory') RETURNING quota_state}), 'unheld', 'its row is booked, and marked');
is($sql->(qq{SELECT decision, estimated_cost FROM aiusage.extend_hold('$durable', '{"input_tokens": 650}')}), 'deny|650', 'the durable one is asked for more');
is($sql->(qq{INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id)
	VALUES ('k', 'acme', 'm', '{"input_tokens": 450}', '$durable') RETURNING quota_state}), 'ok', 'and settled');
is($held->(), '0', 'nothing is held');
$node->stop('immediate');
$node->start;
is($sql->("SELECT aiusage.hold_standing('$durable', 'k')"), 'late', 'a settled one does not come back');
is($held->(), '0', 'nothing is held after another crash');

# ---- an extension, when one of the hold's limits has gone and the other is not loaded
$sql->(q{
	SELECT aiusage.put_key('{"key": "two", "team": "two", "price_book": "flat"}');
	SELECT aiusage.put_quota('{"name": "two a", "scope": {"team": "two"}, "metric": "spend", "currency": "USD", "limit": 1000, "window": "total"}');
	SELECT aiusage.put_quota('{"name": "two b", "scope": {"team": "two"}, "metric": "spend", "currency": "USD", "limit": 1000, "window": "total"}');
});
my $two = $sql->(q{SELECT hold_id FROM aiusage.admit('two', 'acme', 'm', '{"input_tokens": 600}', ttl => '1 hour')});
$sql->(q{SELECT aiusage.retire_quota('two a', 'not needed')});
$node->restart;
is($sql->(qq{SELECT decision, quota FROM aiusage.extend_hold('$two', '{"input_tokens": 700}')}), 'allow|two b', 'a hold of a limit that has gone is extended');
is($sql->(q{SELECT trim_scale(held) FROM aiusage.quota_state WHERE name = 'two b'}), '700', '... of the limit that is left');

# ---- more durable holds than there is room for: nothing is admitted, but what was spent is booked
$sql->(q{SELECT count(*) FROM generate_series(1, 130) AS g, aiusage.admit('k', 'acme', 'm', '{}', g::text, ttl => '1 hour')});
$node->append_conf('postgresql.conf', 'aiusage.quota_holds = 64');
$node->restart;
my ($rc, $out, $err) = $node->psql('finance', q{SELECT decision FROM aiusage.admit('k', 'acme', 'm', '{}')});
like($err, qr/the books have more open holds than can be kept/, 'too many holds: nothing is admitted');
($rc, $out, $err) = $node->psql('finance', q{INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('k', 'acme', 'm', '{"input_tokens": 1}')});
like($err, qr/the books have more open holds than can be kept/, '... nor a row that has no hold');
is($sql->(qq{INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id)
	VALUES ('two', 'acme', 'm', '{"input_tokens": 700}', '$two') RETURNING quota_state}), 'unheld', 'but one that names a hold is booked');
is($sql->(q{INSERT INTO aiusage.usage_record (api_key, provider, model, usage, spent)
	VALUES ('k', 'acme', 'm', '{"input_tokens": 1}', true) RETURNING quota_state}), 'over', 'and one that was spent');
$sql->(q{UPDATE aiusage.hold SET status = 'released', closed_at = now() WHERE status = 'open'});
$node->restart;
# A table that is full of expired holds: whoever finds it so while another session frees them waits for that, and is not refused.
{
	my $script = PostgreSQL::Test::Utils::tempdir() . '/short.sql';
	append_to_file($script, q{SELECT decision FROM aiusage.admit('short', 'lab', 'm', '{}', ttl => '200 microseconds', durable => false);} . "\n");
	$node->command_ok([ 'pgbench', '-n', '-M', 'prepared', '-c', '16', '-j', '2', '-t', '1000', '-f', $script, $node->connstr('finance') ],
		'more short holds than there is room for, one after the other');
}
$node->adjust_conf('postgresql.conf', 'aiusage.quota_holds', undef);
$node->restart;
is($sql->(q{SELECT count(*) FROM aiusage.verify() WHERE NOT ok}), '0', 'the books are right');

# ---- load
$sql->(q{
	SELECT aiusage.put_key('{"key": "hot", "team": "hot", "price_book": "flat"}');
	SELECT aiusage.put_quota('{"name": "hot cap", "scope": {"team": "hot"}, "metric": "spend", "currency": "USD", "limit": 3000, "window": "total"}');
	SELECT aiusage.put_quota('{"name": "hot at once", "scope": {"team": "hot"}, "metric": "concurrency", "limit": 12, "window": "total"}');
	-- one logical call: admitted, tried, perhaps again, perhaps given up
	CREATE FUNCTION call(n int, durable boolean) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		a record;
	BEGIN
		SELECT * INTO a FROM aiusage.admit('hot', 'acme', 'm', aiusage.usage('input_tokens', 10), durable => durable);
		IF a.decision <> 'allow' THEN
			RETURN;
		END IF;
		IF n % 7 = 0 THEN
			RAISE EXCEPTION 'the gateway gave up';
		END IF;
		IF n % 5 = 0 THEN
			BEGIN
				INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id)
				VALUES ('hot', 'acme', 'm', aiusage.usage('input_tokens', 4), a.hold_id);
				RAISE EXCEPTION 'undone';
			EXCEPTION WHEN raise_exception THEN
				NULL;
			END;
		END IF;
		IF n % 3 = 0 THEN
			INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id, status)
			VALUES ('hot', 'acme', 'm', aiusage.usage('input_tokens', 2), a.hold_id, 'error');
		END IF;
		IF n % 11 = 0 THEN
			PERFORM aiusage.release(a.hold_id);
		ELSE
			INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id)
			VALUES ('hot', 'acme', 'm', aiusage.usage('input_tokens', 1 + n % 8), a.hold_id);
		END IF;
	END $$;
});
for my $mode ('false', 'true')
{
	my $script = PostgreSQL::Test::Utils::tempdir() . '/call.sql';
	append_to_file($script, "\\set n random(1, 1000)\nSELECT call(:n, $mode);\n");
	$node->run_log([ 'pgbench', '-n', '-c', '16', '-j', '2', '-t', '60', '-f', $script, $node->connstr('finance') ]);
	# clients that met 'the gateway gave up' stop there: another round of connections goes on
	$node->run_log([ 'pgbench', '-n', '-C', '-c', '16', '-j', '2', '-t', '20', '-f', $script, $node->connstr('finance') ]) for (1 .. 3);
	my ($spent, $state_used, $now_held, $open, $at_once) = split /\|/, $sql->(q{
		SELECT (SELECT trim_scale(coalesce(sum(cost::numeric), 0)) FROM aiusage.usage_record WHERE api_key = 'hot'),
			trim_scale(s.used), trim_scale(s.held),
			(SELECT count(*) FROM aiusage.quota_holds() WHERE status = 'open' AND held > 0 AND quota = s.quota),
			(SELECT trim_scale(held) FROM aiusage.quota_state WHERE name = 'hot at once')
		FROM aiusage.quota_state s WHERE s.name = 'hot cap'});
	cmp_ok($spent, '>', 0, "durable => $mode: something was booked");
	cmp_ok($spent, '<=', 3000, "durable => $mode: the ledger is within the limit");
	is($state_used, $spent, "durable => $mode: quota_state is the ledger");
	is("$now_held $open $at_once", '0 0 0', "durable => $mode: nothing is held any more");
	is($sql->(q{SELECT committed = (SELECT sum(cost::numeric) FROM aiusage.usage_record WHERE api_key = 'hot') AND reserved = 0 AND held = 0 AND pins = 0
		FROM aiusage.quota_counters() JOIN aiusage.quota USING (quota) WHERE name = 'hot cap'}), 't', "durable => $mode: the counter is the ledger");
}
verify_clean($node, 'finance');
$node->stop;
done_testing();
