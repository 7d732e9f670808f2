# The ledger by logical replication, limits on both sides: rows arrive as they
# were booked, are not priced or refused again, and count: rollups, counters
# and verify() of the subscriber are right, through the root of the partitions
# or leaf by leaf, with configuration of its own or replicated, and when the
# subscriber crashes while it applies.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $region = new_node('region', conf => "wal_level = logical\nmax_wal_senders = 8\nmax_replication_slots = 8\nlogical_decoding_work_mem = 64kB\n");
my $finance = new_node('finance', conf => "max_logical_replication_workers = 8\nlog_min_messages = warning\n");
my ($pub, $sub) = map { my $node = $_; make_lab($node, 'books'); sub { return $node->safe_psql('books', $_[0]) } } ($region, $finance);

# every column but txid, which belongs to the server
my $columns = $pub->(q{SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
	WHERE attrelid = 'aiusage.usage_record'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'txid'});
$pub->("CREATE PUBLICATION ledger FOR TABLE aiusage.usage_record ($columns) WITH (publish = 'insert', publish_via_partition_root = true)");
# leaf by leaf PostgreSQL publishes all columns: txid is stamped anew
$pub->("CREATE PUBLICATION leaves FOR TABLE aiusage.usage_record WITH (publish = 'insert')");
$pub->('CREATE PUBLICATION config FOR TABLE aiusage.team, aiusage.api_key, aiusage.key_assignment, aiusage.setting, aiusage.price_book_assignment');

# Limits are each server's own: what is left of the region's money, and what finance watches, which is less.
$pub->(q{SELECT aiusage.put_quota('{"name": "region", "scope": {"team": "t"}, "metric": "spend", "currency": "USD", "limit": 100000, "window": "total"}')});
for my $limit ('"name": "watched", "metric": "spend", "currency": "USD", "limit": 50, "window": "total"',
	'"name": "calls", "per": ["api_key"], "metric": "requests", "limit": 3, "window": "total"',
	'"name": "pace", "metric": "requests", "limit": 4, "window": "hour", "sliding": true',
	'"name": "tokens today", "metric": "tokens", "limit": 20, "window": "day"')
{
	$sub->("SELECT aiusage.put_quota('{$limit, \"scope\": {\"team\": \"t\"}}')");
}
# the price is another here: nothing may be priced again
$sub->(q{SELECT aiusage.import_prices('lab', 'genai-prices', '[{"id": "lab", "models": [
	{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 7000000}}]}]', '2026-01-02')});

sub subscribe
{
	my ($name, $options) = @_;
	$sub->("CREATE SUBSCRIPTION $name CONNECTION \$c\$" . $region->connstr('books') . "\$c\$ PUBLICATION $name WITH ($options)");
	$finance->wait_for_subscription_sync($region, $name, 'books');
	return;
}

my $rows = q{SELECT count(*), md5(string_agg((to_jsonb(u) - 'txid')::text, E'\n' ORDER BY u.id)) FROM aiusage.usage_record AS u};
my $usage = q{SELECT string_agg(concat_ws(' ', t.day, t.team, t.requests, t.cost, t.currency, t.unpriced), ', ' ORDER BY t.day, t.team, t.currency) FROM aiusage.team_usage AS t};

# what a counter in memory says that the rows of its team do not
my $differ = q{SELECT q.name, s.key, c.committed, l.amount, c.reserved, c.pins
	FROM aiusage.quota_counters() AS c JOIN aiusage.quota AS q USING (quota)
	CROSS JOIN (VALUES (NULL), ('k1'), ('k2')) AS s (key)
	CROSS JOIN LATERAL (SELECT coalesce(CASE q.metric WHEN 'spend' THEN sum(u.cost::numeric) WHEN 'tokens' THEN sum(aiusage.quantity(u.usage, 'input_tokens')) FILTER (WHERE u.adjusts IS NULL)
			ELSE count(*) FILTER (WHERE u.adjusts IS NULL) END, 0) AS amount
		FROM aiusage.usage_record AS u WHERE u.api_key IN ('k1', 'k2') AND (s.key IS NULL OR u.api_key = s.key)) AS l
	WHERE c.state = 'ready' AND c.subject = aiusage.quota_subject_id(q.quota, q.epoch, CASE WHEN s.key IS NULL THEN '{}' ELSE ARRAY[s.key] END)
		AND (c.committed <> l.amount OR c.reserved <> 0 OR c.pins <> 0)};

sub compare
{
	my ($what, $name) = @_;

	$region->wait_for_catchup($name);
	is($sub->($rows), $pub->($rows), "$what: the rows are as they were booked");
	is($sub->($usage), $pub->($usage), "$what: usage by team, not folded");
	is($sub->($differ), '', "$what: counters in memory are the ledger");
	$sub->('SELECT aiusage.refresh()');
	is($sub->($usage), $pub->($usage), "$what: usage by team, folded");
	is($sub->($differ), '', "$what: counters after the fold");
	verify_clean($finance, 'books', $what);
	return;
}

# ---- one by one, through the root
$pub->(q{SELECT book('k1', 5), book('k1', 3)});
subscribe('ledger', 'copy_data = true');
subscribe('config', 'copy_data = false');
compare('initial copy', 'ledger');

$pub->(q{SELECT aiusage.put_key('{"key": "k3", "team": "late", "price_book": "lab"}')});
$region->wait_for_catchup('config');
$pub->(q{SELECT book('k1', 11), book('k2', 13), book('k3', 17), book('k1', 1, 'same'), book('k1', 1, 'same')});
$pub->(q{INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('k3', 'lab', 'no price', '{"input_tokens": 2}')});
# a hold of the region's is nothing to finance; its row is
$pub->(q{
	BEGIN;
	SELECT hold_id AS h FROM aiusage.admit('k2', 'lab', 'm1', '{"input_tokens": 40}') \gset
	INSERT INTO aiusage.usage_record (api_key, provider, model, usage, hold_id) VALUES ('k2', 'lab', 'm1', '{"input_tokens": 30}', :'h');
	COMMIT;
});
# what is rolled back does not arrive; corrections do
$pub->(q{
	BEGIN;
	SELECT book('k1', 1000);
	ROLLBACK;
	BEGIN;
	SELECT book('k1', 2);
	SAVEPOINT s;
	SELECT book('k1', 500);
	ROLLBACK TO s;
	SELECT book('k1', 4);
	COMMIT;
	SELECT aiusage.adjust((SELECT id FROM aiusage.usage_record WHERE cost::numeric = 13), '{"input_tokens": 6}', 'counted twice', NULL);
});
compare('row by row', 'ledger');
is($sub->(q{SELECT team, cost FROM aiusage.team_usage WHERE team = 'late'}), 'late|17', 'a key whose owner arrived by replication is attributed');
is($sub->(q{SELECT trim_scale(used), trim_scale("limit"), state FROM aiusage.quota_state WHERE name = 'watched'}), '62|50|over',
	'what was spent elsewhere is not refused, and counts');
is($sub->(q{SELECT kind, quota_name, trim_scale(used) FROM aiusage.quota_event WHERE kind = 'over' AND quota_name = 'watched'}), 'over|watched|63',
	'... and somebody is told');
is($sub->(q{SELECT count(*) FROM aiusage.quota_event WHERE kind = 'denied'}), '0', 'nothing was denied');
is($sub->(q{SELECT string_agg(DISTINCT coalesce(u.quota_state::text, 'none'), ' ') FROM aiusage.usage_record AS u WHERE u.api_key IN ('k1', 'k2') AND u.adjusts IS NULL}), 'ok',
	'rows say what their own server saw');
is($sub->(q{SELECT try_book('k1', 1)}), 'denied', 'an insert on the subscriber is refused at its own limits');
is($sub->(q{SELECT count(*) FROM aiusage.quota_holds()}), '0', 'and holds nothing');

# ---- a crash of the subscriber while it applies: large transactions, streamed or not, savepoints among them
for my $streaming ('off', 'on')
{
	$sub->("ALTER SUBSCRIPTION ledger SET (streaming = $streaming)");
	my $before = $sub->('SELECT count(*) FROM aiusage.usage_record');
	$pub->(q{
		DO $$ BEGIN
			FOR i IN 1..3000 LOOP
				BEGIN
					PERFORM book(CASE i % 2 WHEN 0 THEN 'k1' ELSE 'k2' END, 1);
					IF i % 10 = 0 THEN RAISE EXCEPTION 'undone'; END IF;
				EXCEPTION WHEN raise_exception THEN NULL;
				END;
			END LOOP;
		END $$;
		SELECT count(book('k3', 1)) FROM generate_series(1, 200);
	});
	# some way into it
	$finance->stop('immediate');
	$finance->start;
	$finance->stop('immediate') if $sub->('SELECT count(*) FROM aiusage.usage_record') eq $before;
	$finance->start if !defined $finance->{_pid};
	compare("after a crash, streaming = $streaming", 'ledger');
	is($sub->('SELECT count(*) FROM aiusage.usage_record') - $before, 2900, "streaming = $streaming: each row once");
}

# ---- leaf by leaf
$sub->('DROP SUBSCRIPTION ledger');
subscribe('leaves', 'copy_data = false');
$pub->(q{SELECT book('k1', 8), book('k3', 9)});
compare('leaf by leaf', 'leaves');
is($sub->(q{SELECT trim_scale(used) = (SELECT trim_scale(sum(u.cost::numeric)) FROM aiusage.usage_record AS u WHERE u.api_key IN ('k1', 'k2'))
	FROM aiusage.quota_state WHERE name = 'watched'}), 't', 'the limit that is watched is the ledger');

verify_clean($region, 'books', 'publisher');
$sub->('DROP SUBSCRIPTION leaves; DROP SUBSCRIPTION config');
$finance->stop;
$region->stop;
done_testing();
