# Limits where one session is not enough: loading while another waits, a loader
# that is cancelled or terminated, timeouts, too few counters, prepared
# transactions, the replica role, deep savepoints, COPY, several databases, no
# preload, and a standby that is promoted.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('limits', conf => "max_prepared_transactions = 5\naiusage.quota_counters = 64\nwal_level = replica\nmax_wal_senders = 4\n");
make_lab($node, 'lab');
my $q = sub { return $node->safe_psql('lab', $_[0]) };

$q->(q{
	SELECT aiusage.put_quota('{"name": "cap", "metric": "spend", "currency": "USD", "limit": 1000, "window": "total"}');
	SELECT aiusage.put_quota('{"name": "per key", "metric": "requests", "limit": 2000, "window": "total", "per": ["api_key"]}');
});
is($q->(q{SELECT book('k1', 10), book('k2', 5)}), 'ok|ok', 'booked under limits');
is($q->('SELECT * FROM counters_differ()'), '', 'counters are what the ledger adds up to');

# More savepoints than a proc array entry has room for, kept and undone.
$q->(q{
	BEGIN;
	DO $$
	BEGIN
		FOR i IN 1 .. 200 LOOP
			BEGIN
				PERFORM book('k1', 1);
				IF i % 3 = 0 THEN RAISE division_by_zero; END IF;
			EXCEPTION WHEN division_by_zero THEN NULL;
			END;
		END LOOP;
	END $$;
	} . join('', map { "SAVEPOINT s$_; SELECT book('k2', 1);\n" } (1 .. 100)) . q{
	ROLLBACK TO s51;
	COMMIT;
});
is($q->(q{SELECT sum(cost::numeric) FROM aiusage.usage_record}), 10 + 5 + 134 + 50, 'savepoints: what was kept is booked');
is($q->('SELECT * FROM counters_differ()'), '', 'savepoints: counters are what the ledger adds up to');

# COPY: more rows than what waits between BEFORE and AFTER, over the limit and below it.
my $copy = "COPY aiusage.usage_record (api_key, provider, model, usage) FROM stdin;\n";
my $line = "k1\tlab\tm1\t{\"input_tokens\": 1}\n";
is(sqlstate_of($node, 'lab', $copy . $line x 3000 . "\\.\n"), 'UA429', 'COPY over the limit is refused as a whole');
is($q->('SELECT * FROM counters_differ()'), '', 'COPY refused: counters are what the ledger adds up to');
$node->safe_psql('lab', $copy . $line x 600 . "\\.\n");
is($q->('SELECT * FROM counters_differ()'), '', 'COPY: counters are what the ledger adds up to');
is($q->(q{SELECT sum(cost::numeric) FROM aiusage.usage_record}), 799, 'COPY: all rows are booked');

# A row that cannot be refused.
is($q->(q{SELECT book('k1', 500, NULL, true)}), 'over', 'spent: booked above the limit, and said so');
is($q->(q{SELECT count(*) FROM aiusage.quota_event WHERE kind = 'over' AND quota_name = 'cap'}), 1, 'spent: an event');
is($q->(q{SELECT try_book('k1', 1)}), 'denied', 'what is above the limit blocks the next');

# Two-phase commit.
is(sqlstate_of($node, 'lab', q{BEGIN; SELECT book('k1', 0, NULL, true); PREPARE TRANSACTION 'p'}), '0A000', 'a transaction that reserved cannot be prepared');
is($q->('SELECT count(*) FROM pg_prepared_xacts'), 0, 'nothing is prepared');
$q->(q{BEGIN; CREATE TABLE other (); PREPARE TRANSACTION 'p'});
$q->(q{COMMIT PREPARED 'p'});
is($q->('SELECT * FROM counters_differ()'), '', 'prepare: counters are what the ledger adds up to');

# A fold, then a load from folded rows; and one from both.
$q->('SELECT aiusage.refresh()');
$node->restart;
is($q->(q{SELECT try_book('k1', 1)}), 'denied', 'after a restart the limit is still used up');
is($q->('SELECT * FROM counters_differ()'), '', 'loaded from folded rows');
$q->(q{SELECT book('k1', 3, NULL, true)});
$node->restart;
is($q->(q{SELECT try_book('k2', 1)}), 'denied', 'after another restart too');
is($q->('SELECT * FROM counters_differ()'), '', 'loaded from folded and other rows');

# The replica role counts and is never refused; so does what was booked elsewhere.
$q->(q{SET session_replication_role = replica; SELECT book('k1', 7)});
is($q->('SELECT * FROM counters_differ()'), '', 'replica role: counted');
is($q->(q{SELECT count(*) FROM aiusage.usage_record WHERE cost::numeric = 7}), 1, 'replica role: not refused');

# Denials outlive their transactions, coalesced.
$q->(q{SELECT try_book('k1', 1) FROM generate_series(1, 20)});
$q->('SELECT aiusage.flush_denials()');
is($q->(q{SELECT sum(count) >= 20, count(*) < 10 FROM aiusage.quota_event WHERE kind = 'denied' AND api_key = 'k1'}), 't|t', 'denials survive the rollback, coalesced');

# Another database's counters are its own; dropping it leaves nothing that matches.
make_lab($node, 'second');
$node->safe_psql('second', q{SELECT aiusage.put_quota('{"name": "cap", "metric": "spend", "currency": "USD", "limit": 10, "window": "total"}'); SELECT book('k1', 4);});
is($node->safe_psql('second', 'SELECT quota, committed FROM aiusage.quota_counters()'), '1|4', 'a database sees its own counters');
is($q->('SELECT * FROM counters_differ()'), '', 'and leaves those of others alone');
$node->safe_psql('postgres', 'DROP DATABASE second');
make_lab($node, 'second');
$node->safe_psql('second', q{SELECT aiusage.put_quota('{"name": "cap", "metric": "spend", "currency": "USD", "limit": 10, "window": "total"}'); SELECT book('k1', 10);});
is($node->safe_psql('second', 'SELECT quota, committed FROM aiusage.quota_counters()'), '1|10', 'a database of the same name begins anew');
# ... and books that are dropped and made again, in the same database.
$node->safe_psql('second', q{SET client_min_messages = warning; DROP FUNCTION try_book, book, counters_differ; DROP EXTENSION aiusage CASCADE; DROP SCHEMA IF EXISTS aiusage CASCADE;
	CREATE EXTENSION aiusage; SELECT FROM aiusage.init();
	SELECT aiusage.put_quota('{"name": "cap", "metric": "requests", "limit": 1, "window": "total"}');
	INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('k', 'p', 'm', '{}');});
is($node->safe_psql('second', 'SELECT quota, committed FROM aiusage.quota_counters()'), '1|1', 'books that were made again begin anew');
$node->safe_psql('postgres', 'DROP DATABASE second');

# More subjects than counters: idle ones make room, and load again.
$q->(q{SELECT aiusage.put_quota('{"name": "per user", "metric": "requests", "limit": 3, "window": "total", "per": ["user_id"]}')});
$q->(q{SELECT aiusage.retire_quota('cap'), aiusage.retire_quota('per key')});
my $user = sub { return "INSERT INTO aiusage.usage_record (api_key, provider, model, usage, user_id) VALUES ('k1', 'lab', 'm1', '{}', '$_[0]');\n" };
$node->safe_psql('lab', join('', map { $user->($_) x 3 } (1 .. 100)));
is($q->('SELECT used <= counters, evictions > 0 FROM aiusage.quota_memory()'), 't|t', 'counters are evicted');
is(join(' ', map { sqlstate_of($node, 'lab', $user->($_)) } (1, 50, 100)), 'UA429 UA429 UA429', 'an evicted counter loads again, and is still full');
$q->('SELECT aiusage.refresh()');
is(join(' ', map { sqlstate_of($node, 'lab', $user->($_)) } (2, 51, 99)), 'UA429 UA429 UA429', 'from folded rows too');
# ... but those of open transactions stay, until there is no more room.
is(sqlstate_of($node, 'lab', 'BEGIN; ' . join('', map { $user->("new$_") } (1 .. 100))), 'UA503', 'out of counters: refused');
$q->('BEGIN; ' . join('', map { my $i = $user->("spent$_"); $i =~ s/user_id\)/user_id, spent)/; $i =~ s/\);/, true);/; $i } (1 .. 100)) . 'COMMIT;');
is($q->(q{SELECT count(*) FROM aiusage.usage_record WHERE user_id LIKE 'spent%'}), 100, 'out of counters: what is spent is booked');
$node->safe_psql('lab', $user->('spent100') x 2);
is(sqlstate_of($node, 'lab', $user->('spent100')), 'UA429', 'and counts once there is a counter for it');
is($q->(q{SELECT count(*) FROM aiusage.quota_counters() WHERE reserved <> 0 OR pins <> 0}), 0, 'nothing stays reserved');

# Loading: the books are locked, so that the loader hangs and others wait for it.
$node->restart;
my $locker = $node->background_psql('lab');
$locker->query_safe('BEGIN; LOCK TABLE aiusage.quota_usage IN ACCESS EXCLUSIVE MODE;');
my $loader = $node->background_psql('lab', on_error_stop => 0);
$loader->query_until(qr/begun/, "\\echo begun\n" . $user->('slow'));
$node->poll_query_until('lab', q{SELECT count(*) = 1 FROM pg_locks WHERE relation = 'aiusage.quota_usage'::regclass AND NOT granted});
is($q->(q{SELECT state FROM aiusage.quota_counters()}), 'loading', 'a counter is loading');
is(sqlstate_of($node, 'lab', "SET aiusage.quota_load_timeout = '100ms'; " . $user->('slow')), 'UA503', 'whoever waits too long is told so');
is(sqlstate_of($node, 'lab', "SET statement_timeout = '100ms'; " . $user->('slow')), '57014', 'waiting can be cancelled');
$q->("SET aiusage.quota_load_timeout = '100ms'; SET aiusage.quota_fail_open = on; " . $user->('slow'));
is($q->(q{SELECT quota_state FROM aiusage.usage_record WHERE user_id = 'slow'}), 'over', 'fail open: booked, and marked');
my $waiter = $node->background_psql('lab', on_error_stop => 0);
$waiter->query_until(qr/begun/, "\\echo begun\n" . $user->('slow'));
$node->poll_query_until('lab', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Extension'});
# the loader leaves: the waiter takes over
$q->(q{SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l WHERE relation = 'aiusage.quota_usage'::regclass AND NOT granted});
$node->poll_query_until('lab', q{SELECT count(*) = 1 FROM pg_locks AS l WHERE relation = 'aiusage.quota_usage'::regclass AND NOT granted
	AND pid IN (SELECT pid FROM pg_stat_activity WHERE state = 'active')});
is($q->(q{SELECT state FROM aiusage.quota_counters()}), 'loading', 'another session loads instead');
$locker->query_safe('COMMIT');
$waiter->query_safe('SELECT 1');
is($q->(q{SELECT c.state, c.committed, c.reserved, c.pins FROM aiusage.quota_counters() AS c}), 'ready|2|0|0', 'loaded: what was booked unchecked, and the row that waited');
is($q->(q{SELECT count(*) FROM aiusage.usage_record WHERE user_id = 'slow'}), 2, 'which the ledger has');
eval { $loader->quit };
$waiter->quit;
$locker->quit;

# Terminated in the middle of a transaction.
my $session = $node->background_psql('lab', on_error_stop => 0);
$session->query_safe('BEGIN');
$session->query_safe($user->('gone'));
is($q->(q{SELECT sum(reserved) FROM aiusage.quota_counters()}), 1, 'reserved');
$q->(q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE state = 'idle in transaction'});
is($q->(q{SELECT sum(reserved), sum(pins) FROM aiusage.quota_counters()}), '0|0', 'given back when the session is terminated');
eval { $session->quit };

# A pooler's reset in between changes nothing.
is($q->($user->('pooled') . 'DISCARD ALL; ' . $user->('pooled') . q{SELECT committed FROM aiusage.quota_counters() AS c, aiusage.quota AS q
	WHERE c.subject = aiusage.quota_subject_id(q.quota, q.epoch, ARRAY['pooled'])}), '2', 'DISCARD ALL');

# A standby is promoted with a session on it.
$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('limits_standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my $live = $standby->background_psql('lab');
is($live->query_safe('SELECT count(*) FROM aiusage.quota_counters()'), '0', 'a standby has no counters');
$node->safe_psql('lab', $user->('moved') x 3);
$node->wait_for_catchup($standby);
$node->stop('immediate');
$standby->promote;
is($live->query_safe("SELECT 'free: ' || count(*) FROM aiusage.quota_counters()"), 'free: 0', 'nor right after the promotion');
$live->query_safe($user->('other'));
is($live->query_safe(q{SELECT state || ' ' || committed FROM aiusage.quota_counters()}), 'ready 1', 'the session goes on, and loads');
$live->quit;
is(sqlstate_of($standby, 'lab', $user->('moved')), 'UA429', 'what was used up before the promotion stays used up');
is($standby->safe_psql('lab', q{SELECT count(*) FROM aiusage.usage_record WHERE user_id = 'moved'}), 3, 'as the ledger says');

# Without preload, limits are the one thing that does not work.
$standby->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$standby->restart;
is(sqlstate_of($standby, 'lab', $user->('nopreload')), 'UA503', 'without preload a row under a limit is refused');
is($standby->safe_psql('lab', 'SELECT preloaded, counters IS NULL FROM aiusage.quota_memory()'), 'f|t', 'and quota_memory() says why');
done_testing();
