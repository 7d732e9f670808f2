# Configuration that arrives by logical replication: a session that has
# already booked hears of it.  Rows of a subscription come without statement
# triggers, so a row trigger has to tell the caches.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $hub = new_node('hub', conf => "wal_level = logical\nmax_wal_senders = 4\nmax_replication_slots = 4\n");
my $region = new_node('region');

for my $node ($hub, $region)
{
	$node->safe_psql('postgres', 'CREATE DATABASE books');
	$node->safe_psql('books', 'CREATE EXTENSION aiusage CASCADE; SELECT FROM aiusage.init()');
}
$hub->safe_psql('books', 'CREATE PUBLICATION config FOR TABLE aiusage.api_key, aiusage.setting');
$region->safe_psql('books', q{CREATE SUBSCRIPTION config CONNECTION $c$} . $hub->connstr('books') . q{$c$ PUBLICATION config WITH (copy_data = false)});
$region->wait_for_subscription_sync($hub, 'config', 'books');

sub status_of { my ($session) = @_; return $session->query_safe(q{SELECT status FROM aiusage.explain_owner('replicated', now(), 'p', 'm', NULL)}) }

my $session = $region->background_psql('books');
is(status_of($session), 'unknown', 'a session remembers that the key is unknown');

$hub->safe_psql('books', q{SELECT aiusage.put_key('{"key": "replicated", "class": "production", "status": "active"}')});
$hub->wait_for_catchup('config');
is(status_of($session), 'active', 'the key has arrived');

$hub->safe_psql('books', q{SELECT aiusage.put_key('{"key": "replicated", "class": "production", "status": "disabled"}')});
$hub->wait_for_catchup('config');
is(status_of($session), 'disabled', 'and is disabled');

my $book = q{DO $$ BEGIN
	INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('other', 'p', 'm', '{}');
	PERFORM set_config('test.outcome', 'booked', false);
EXCEPTION WHEN SQLSTATE 'UA404' THEN
	PERFORM set_config('test.outcome', 'refused', false);
END $$; SELECT current_setting('test.outcome')};
is($session->query_safe($book), 'booked', 'usage without an owner is booked');
$hub->safe_psql('books', q{UPDATE aiusage.setting SET value = 'on' WHERE name = 'strict_keys'});
$hub->wait_for_catchup('config');
is($session->query_safe($book), 'refused', 'and refused once the setting has arrived');
$session->quit;

$region->safe_psql('books', 'DROP SUBSCRIPTION config');
$region->stop;
$hub->stop;
done_testing();
