# The books survive dump and restore: every figure the same, triggers alive,
# books writable, exactly once still exact, and rows that were not folded when
# the dump was taken folded once in the new cluster, whose transaction ids have
# nothing to do with the old ones.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PostgreSQL::Test::BackgroundPsql;
use Test::More;

my $old = new_node('old');
make_books($old, 'finance');
book_workload($old, 'finance');

# A closed month, and a closed week of a team with a calendar of its own.
$old->safe_psql('finance', $_) for (
	q{SELECT aiusage.set_billing_calendar('weekly', 'Europe/Berlin', unit => 'week')}, q{SELECT aiusage.put_team('search', calendar => 'weekly')},
	q{SELECT aiusage.refresh()}, q{SELECT aiusage.close_period(aiusage.period_of(1, '2025-09-15 12:00:00+00'), 'test', true)},
	q{SELECT aiusage.close_period(aiusage.period_of(2, '2025-09-24 12:00:00+00'), 'test', true)});

# Folded rows, a straggler that the last fold's snapshot saw running, and rows after it.
my $replayed = q{INSERT INTO aiusage.usage_record (id, request_id, occurred_at, api_key, provider, model, usage)
	VALUES (aiusage.event_id('replay-%s', '2025-10-20 10:00:00+00'), 'replay-%s', '2025-10-20 10:00:00+00', 'chat-prod', 'openai', 'gpt-4o',
		'{"input_tokens": 1000, "output_tokens": 100}') ON CONFLICT DO NOTHING};
my $straggler = $old->background_psql("finance");
$straggler->query_safe('BEGIN');
$straggler->query_safe(sprintf($replayed, 'straggler', 'straggler'));
# Push the xid on, so that the old cluster's ids are far from a new one's.
$old->safe_psql('finance', 'SELECT pg_current_xact_id()') for 1 .. 50;
$old->safe_psql('finance', 'SELECT aiusage.refresh()');
$straggler->query_safe('COMMIT');
$straggler->quit;
$old->safe_psql('finance', sprintf($replayed, 'late', 'late'));
verify_clean($old, 'finance', 'before the dump');

my $before = figures($old, 'finance');
cmp_ok(scalar(split /\n/, $before), '>', 20, 'there are figures to compare');

# Three dumps, three databases, in a cluster of its own.
my $dir = PostgreSQL::Test::Utils::tempdir;
$old->command_ok([ 'pg_dumpall', '--roles-only', '-f', "$dir/roles.sql", '-d', $old->connstr('postgres') ], 'pg_dumpall --roles-only');
$old->command_ok([ 'pg_dump', '-f', "$dir/plain.sql", '-d', $old->connstr('finance') ], 'pg_dump, plain');
$old->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom.dump", '-d', $old->connstr('finance') ], 'pg_dump -Fc');

my $new = new_node('new');
# Roles: all but the bootstrap superuser, which is there.
my $roles = slurp_file("$dir/roles.sql");
my $superuser = $old->safe_psql('postgres', 'SELECT current_user');
$roles =~ s/^CREATE ROLE "?\Q$superuser\E"?;$//m;
append_to_file("$dir/roles-new.sql", $roles);
$new->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $new->connstr('postgres'), '-f', "$dir/roles-new.sql" ], 'roles restored');

my %restore = (
	plain => sub { [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $new->connstr($_[0]), '-f', "$dir/plain.sql" ] },
	j1    => sub { [ 'pg_restore', '--exit-on-error', '-d', $new->connstr($_[0]), "$dir/custom.dump" ] },
	j4    => sub { [ 'pg_restore', '-j', '4', '--exit-on-error', '-d', $new->connstr($_[0]), "$dir/custom.dump" ] },);

my $rows_before = $old->safe_psql('finance', 'SELECT count(*) FROM aiusage.usage_record');
my $requests_before = $old->safe_psql('finance', 'SELECT sum(requests) FROM aiusage.team_usage');
my $raw_requests = $old->safe_psql('finance', q{SELECT count(*) FILTER (WHERE kind = 'usage') - count(*) FILTER (WHERE kind = 'reversal') FROM aiusage.usage_record});
is($requests_before, $raw_requests, 'the views count the requests of the ledger');

for my $how (sort keys %restore)
{
	my $db = "restored_$how";
	$new->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	$new->command_ok($restore{$how}->($db), "$how: restored without an error");

	my $after = figures($new, $db);
	is(figures_differ($before, $after), '', "$how: every figure is the same in every table and view");
	verify_clean($new, $db, "$how: restored");
	is($new->safe_psql($db, 'SELECT count(*) FROM aiusage.init() AS i WHERE i.action IN (\'created\', \'replaced\', \'made\')'),
		'0', "$how: init() has nothing to do");

	# Exactly once still holds.
	is($new->safe_psql($db, sprintf("WITH i AS ($replayed RETURNING id) SELECT count(*) FROM i", 'late', 'late')),
		'0', "$how: a request from before the backup books nothing again");
	is($new->safe_psql($db, sprintf("WITH i AS ($replayed RETURNING id) SELECT count(*) FROM i", "new-$how", "new-$how")),
		'1', "$how: a new one is booked");
	is($new->safe_psql($db, "SELECT cost IS NOT NULL AND assignment IS NOT NULL FROM aiusage.usage_record WHERE request_id = 'replay-new-$how'"),
		't', "$how: priced and attributed");
	is($new->safe_psql($db, 'SELECT incarnation FROM aiusage.books'), '2', "$how: the next incarnation of the books");

	# The gateway role works as before.
	is(sqlstate_of($new, $db, sprintf($replayed, "gateway-$how", "gateway-$how"), extra_params => [ '-U', 'gateway' ]),
		'', "$how: the gateway inserts");
	is(sqlstate_of($new, $db, 'SELECT * FROM aiusage.usage_record', extra_params => [ '-U', 'gateway' ]),
		'42501', "$how: the gateway reads nothing");

	# Append-only still holds.
	is(sqlstate_of($new, $db, $_), 'UA403', "$how: $_ is refused")
	  for ('UPDATE aiusage.usage_record SET user_id = NULL', 'DELETE FROM aiusage.usage_record', 'TRUNCATE aiusage.usage_record');

	is(sqlstate_of($new, $db, 'UPDATE aiusage.invoice_statement SET cost = 0'), 'UA403', "$how: statements are frozen");
	is($new->safe_psql($db, q{INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage)
		VALUES (aiusage.uuid_v7('2025-09-20 10:00:00+00'), 'search-embed', 'openai', 'text-embedding-3-small', '{"input_tokens": 10}')
		RETURNING aiusage.period_label(invoice_period)}), '2025-10', "$how: a late row goes to the next period");

	# What was not folded is counted once, before and after the folds of the new cluster.
	my $total = q{SELECT sum(requests) FROM aiusage.team_usage};
	is($new->safe_psql($db, $total), $requests_before + 3, "$how: live views count everything once");
	$new->safe_psql($db, 'SELECT aiusage.refresh()');
	$new->safe_psql($db, 'SELECT aiusage.refresh()');
	is($new->safe_psql($db, $total), $requests_before + 3, "$how: and so they do after a fold");
	verify_clean($new, $db, "$how: after new rows and a fold");

	# Configuration: identities go on, changes are audited, caches hear of them.
	is($new->safe_psql($db, q{SELECT aiusage.put_key('{"key": "after-restore", "team": "platform"}') IS NOT NULL}), 't', "$how: put_key works");
	is($new->safe_psql($db, q{SELECT count(*) > 0 FROM aiusage.audit_log WHERE relation LIKE '%api_key' AND new::text LIKE '%after-restore%'}),
		't', "$how: and is audited");
	like(sqlstate_of($new, $db, 'DROP EXTENSION aiusage'), qr/^2BP01$/, "$how: DROP EXTENSION refuses while the books exist");
}

# Schema and rows apart, as when tables are altered in between: --disable-triggers
# leaves every trigger an ordinary one, and init() brings them back.
$old->command_ok([ 'pg_dump', '--schema-only', '-f', "$dir/schema.sql", '-d', $old->connstr('finance') ], 'pg_dump --schema-only');
$old->command_ok([ 'pg_dump', '--data-only', '--disable-triggers', '-f', "$dir/data.sql", '-d', $old->connstr('finance') ], 'pg_dump --data-only');
$new->safe_psql('postgres', 'CREATE DATABASE restored_apart TEMPLATE template0');
$new->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $new->connstr('restored_apart'), '-f', "$dir/$_.sql" ], "apart: $_ restored")
  for qw(schema data);
is(figures_differ($before, figures($new, 'restored_apart')), '', 'apart: every figure is the same');
is($new->safe_psql('restored_apart', q{SELECT severity FROM aiusage.status() WHERE check_name = 'books'}), 'error', 'apart: status() tells of triggers');
is($new->safe_psql('restored_apart', q{SELECT action FROM aiusage.init() WHERE step = 'triggers'}), 'enabled again as they were made', 'apart: init() does something');
is($new->safe_psql('restored_apart', q{SELECT count(*) FROM aiusage.changed_triggers()}), '0', 'apart: as they were made');
is(sqlstate_of($new, 'restored_apart', 'SET session_replication_role = replica; DELETE FROM aiusage.usage_record'), 'UA403', 'apart: also for a replica session');
verify_clean($new, 'restored_apart', 'apart: restored');

# An owner of the books that is no superuser: grants are restored in any order, and init() gives what one found too early.
$old->safe_psql('finance', q{CREATE ROLE "Books Owner"; DO $$ DECLARE r record; BEGIN
	FOR r IN SELECT c.oid::regclass AS name, CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind FROM pg_class AS c
		WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind IN ('r', 'p', 'v') LOOP
		EXECUTE format('ALTER %s %s OWNER TO "Books Owner"', r.kind, r.name);
	END LOOP; END $$; SELECT FROM aiusage.init()});
$old->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/owned.dump", '-d', $old->connstr('finance') ], 'pg_dump -Fc of books with an owner');
$new->safe_psql('postgres', 'CREATE ROLE "Books Owner"');
$new->safe_psql('postgres', 'CREATE DATABASE restored_owned TEMPLATE template0');
$new->run_log([ 'pg_restore', '-j', '4', '-d', $new->connstr('restored_owned'), "$dir/owned.dump" ]);
$new->safe_psql('restored_owned', 'SELECT FROM aiusage.init()');
is($new->safe_psql('restored_owned', q{SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'aiusage.usage_record'::regclass}), 'Books Owner', 'owned: by the same role');
is(figures_differ($before, figures($new, 'restored_owned', except => [ 'retained_until' ])), '', 'owned: every figure is the same');
is(sqlstate_of($new, 'restored_owned', sprintf($replayed, 'owned', 'owned'), extra_params => [ '-U', 'gateway' ]), '', 'owned: the gateway inserts');
is(sqlstate_of($new, 'restored_owned', $_->[1], extra_params => [ '-U', $_->[0] ]), '', "owned: $_->[0] works")
  for ([ 'finance', 'SELECT * FROM aiusage.usage_daily' ]);
verify_clean($new, 'restored_owned', 'owned: restored');

done_testing();
