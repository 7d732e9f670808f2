# The mistakes of a first hour that need a server of their own (the others are
# in sql/first_mistakes.sql, pg_cron in another database in 050_cron.pl): limits
# without preload, and a server that runs the library of before an upgrade.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('mistakes', preload => '');
make_lab($node, 'lab');

# What a session gets to read: SQLSTATE, message, DETAIL and HINT.
sub complaint
{
	my ($sql) = @_;
	my $stderr;

	$node->psql('lab', "\\set VERBOSITY verbose\n$sql", stderr => \$stderr);
	return $stderr;
}

# Not preloaded: a limit can be written down, and refuses what it cannot check.
like(complaint(q{SELECT aiusage.put_quota('{"name": "cap", "scope": {"team": "t"}, "metric": "spend", "currency": "USD", "limit": 5, "window": "day"}')}),
	qr/\A\S+ WARNING: .*limit "cap" refuses all usage that it applies to, for aiusage is not preloaded\nHINT: .*shared_preload_libraries(?!.*ERROR)/s,
	'a limit without preload is made, with a warning');
my $insert = q{INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('k1', 'lab', 'm1', '{"input_tokens": 1}')};
like(complaint($insert), qr/UA503: limit "cap" cannot be checked: aiusage is not preloaded\n.*^DETAIL: .*^HINT: .*shared_preload_libraries/ms,
	'not preloaded: an insert says what to set');
is($node->safe_psql('lab', q{SELECT severity, action FROM aiusage.status() WHERE check_name = 'preload'}),
	q{error|Set shared_preload_libraries = 'aiusage' and restart the server}, 'and so does status()');
is(sqlstate_of($node, 'lab', $insert =~ s/usage\)/usage, spent)/r =~ s/'\)$/', true)/r), '', 'what is spent already is booked');

# An old library: the extension and the books are of a release whose files are
# installed, the server has loaded the one before.
my $library = $node->safe_psql('lab', 'SELECT aiusage.module_version()');
$node->safe_psql('lab', q{UPDATE pg_extension SET extversion = '99.0.0' WHERE extname = 'aiusage'});
like($node->safe_psql('lab', q{SELECT severity, value, action FROM aiusage.status() WHERE check_name = 'versions'}),
	qr/^error\|library \Q$library\E, extension 99\.0\.0\|Restart the server, or run ALTER EXTENSION/, 'old library: status() says so');
like(complaint('SELECT FROM aiusage.init()'), qr/WARNING: .*the loaded library is version \Q$library\E, the extension is version 99\.0\.0\n.*^HINT: .*Restart the server/ms,
	'and init() warns');
like(complaint(q{CREATE FUNCTION aiusage.of_a_later_release() RETURNS int LANGUAGE c AS '$libdir/aiusage', 'aiu_of_a_later_release'}),
	qr/42883: could not find function "aiu_of_a_later_release" in file/, 'an update that comes before the restart fails as a whole');
$node->safe_psql('lab', qq{UPDATE pg_extension SET extversion = '$library' WHERE extname = 'aiusage'; ALTER TABLE aiusage.usage_record RENAME attempt TO attempts;});
like(complaint($insert), qr/55000: table "usage_record\w*" does not have the columns of this version of aiusage\n.*^HINT: .*restart the server/ms,
	'books of another release: an insert says what to do');

done_testing();
