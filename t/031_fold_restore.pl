# Books restored into another cluster, whose transaction ids are far behind
# those in the books: what was not folded is folded once, whether the first
# thing that happens there is a fold or an insert; and back again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $first = new_node('first');
my $second = new_node('second');
my $differ = q{
	SELECT count(*) FROM (
		SELECT api_key, sum(requests), sum(input_tokens) FROM aiusage.key_usage GROUP BY 1
		EXCEPT ALL
		SELECT api_key, count(*), sum(aiusage.quantity(usage, 'input_tokens')) FROM aiusage.usage_record GROUP BY 1) d};

sub book
{
	my ($node, $db, $n) = @_;
	$node->safe_psql($db, qq{INSERT INTO aiusage.usage_record (api_key, provider, model, usage)
		SELECT 'restore-' || n % 3, 'openai', 'm', aiusage.usage('input_tokens', n) FROM generate_series(1, $n) n});
	return;
}

sub restore
{
	my ($from, $from_db, $to, $to_db, $options) = @_;
	my $dump = PostgreSQL::Test::Utils::tempdir . "/$to_db.sql";

	PostgreSQL::Test::Utils::run_log([ 'pg_dump', '-d', $from->connstr($from_db), '-f', $dump ]) or die 'pg_dump';
	$to->safe_psql('postgres', "CREATE DATABASE $to_db " . ($options // ''));
	PostgreSQL::Test::Utils::run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $to->connstr($to_db), '-f', $dump ])
	  or die 'restore';
	return;
}

# ids of the first cluster are far ahead
$first->stop;
PostgreSQL::Test::Utils::system_or_bail('pg_resetwal', '-x', '2000000000', '-D', $first->data_dir);
# the commit status of the transactions in between is made up: none is looked at
PostgreSQL::Test::Utils::system_or_bail('dd', 'if=/dev/zero', 'of=' . $first->data_dir . '/pg_xact/' . sprintf('%04X', 2000000000 / 1048576),
	'bs=262144', 'count=1', 'status=none');
$first->start;
$first->safe_psql('postgres', 'CREATE DATABASE books');
$first->safe_psql('books', 'CREATE EXTENSION aiusage; SELECT FROM aiusage.init()');
book($first, 'books', 20);
is($first->safe_psql('books', 'SELECT aiusage.refresh()'), '20', 'folded before');
book($first, 'books', 7);

# rows of a transaction that was running at a fold, and had ended by the dump
my $straggler = $first->background_psql('books');
$straggler->query_safe(q{BEGIN; INSERT INTO aiusage.usage_record (api_key, provider, model, usage)
	VALUES ('restore-0', 'openai', 'm', '{"input_tokens": 1000}')});
is($first->safe_psql('books', 'SELECT aiusage.refresh()'), '7', 'folded beside a straggler');
$straggler->query_safe('COMMIT');
$straggler->quit;
book($first, 'books', 5);
is($first->safe_psql('books', $differ), '0', 'first: views equal the ledger');

for my $how ('fold', 'insert')
{
	my $db = "by_$how";
	my $new = 0;

	restore($first, 'books', $second, $db);
	is($second->safe_psql($db, $differ), '0', "$how first: views equal the ledger");
	cmp_ok($second->safe_psql($db, q{SELECT boundary & ((1::bigint << 48) - 1) FROM aiusage.fold_state}), '>',
		$second->safe_psql($db, 'SELECT pg_current_xact_id()::text'), "$how first: ids are behind the boundary");
	if ($how eq 'insert')
	{
		$new = 3;
		book($second, $db, $new);
		is($second->safe_psql($db, $differ), '0', "$how first: with new rows");
	}
	is($second->safe_psql($db, 'SELECT aiusage.refresh()'), 6 + $new, "$how first: what was not folded, once");
	is($second->safe_psql($db, 'SELECT aiusage.refresh()'), '0', "$how first: not twice");
	book($second, $db, 4);
	is($second->safe_psql($db, $differ), '0', "$how first: views equal the ledger with rows after the fold");
	is($second->safe_psql($db, 'SELECT aiusage.refresh()'), '4', "$how first: new rows fold");
	is($second->safe_psql($db, $differ), '0', "$how first: views equal the ledger, all folded");
	is($second->safe_psql($db, 'SELECT incarnation FROM aiusage.books'), '2', "$how first: the next incarnation");
	verify_clean($second, $db, "$how first");
}

# the first writer holds the others until it ends; after maintain() nobody waits
restore($first, 'books', $second, 'by_maintain');
my $one_row = q{INSERT INTO aiusage.usage_record (api_key, provider, model, usage) VALUES ('restore-1', 'openai', 'm', '{"input_tokens": 1}')};
for my $maintained (0, 1)
{
	my $writer = $second->background_psql('by_maintain');

	$second->safe_psql('by_maintain', 'CALL aiusage.maintain()') if $maintained;
	$writer->query_safe("BEGIN; $one_row");
	is(sqlstate_of($second, 'by_maintain', "SET lock_timeout = '500ms'; $one_row"), $maintained ? '' : '55P03',
		$maintained ? 'maintain() first: two writers do not wait for each other' : 'the first writer of a restored cluster holds the second');
	$writer->query_safe('ROLLBACK');
	$writer->quit;
}
is($second->safe_psql('by_maintain', 'SELECT aiusage.refresh()'), '1', 'maintain() first: it has folded what was not');
is($second->safe_psql('by_maintain', $differ), '0', 'maintain() first: views equal the ledger');
verify_clean($second, 'by_maintain', 'maintain() first');

# and back to where the ids once meant something
book($second, 'by_fold', 2);
restore($second, 'by_fold', $first, 'back');
book($first, 'back', 3);
is($first->safe_psql('back', $differ), '0', 'back: views equal the ledger');
is($first->safe_psql('back', 'SELECT aiusage.refresh()'), '5', 'back: folded once');
is($first->safe_psql('back', 'SELECT incarnation FROM aiusage.books'), '3', 'back: the third incarnation');
is($first->safe_psql('back', $differ), '0', 'back: views equal the ledger, all folded');
verify_clean($first, 'back', 'back');

# other encodings: labels that are not ASCII have the same dimension ids wherever they are restored,
# and a label that is no text at all does not stop a fold
$first->safe_psql('postgres', q{CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'});
$first->safe_psql('postgres', q{CREATE DATABASE anything ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'});
for my $db (qw(latin anything))
{
	$first->safe_psql($db, 'CREATE EXTENSION aiusage; SELECT FROM aiusage.init()');
	my $encoding = $db eq 'latin' ? 'LATIN1' : 'SQL_ASCII';

	$first->safe_psql($db, "INSERT INTO aiusage.usage_record (api_key, provider, model, usage, workflow)
		VALUES ('restore-0', 'openai', 'm', '{\"input_tokens\": 1}', convert_from(decode('e9', 'hex'), '$encoding'))");
	is($first->safe_psql($db, 'SELECT aiusage.refresh()'), '1', "$db: folded");
	verify_clean($first, $db, $db);
}
restore($first, 'latin', $second, 'from_latin', "ENCODING 'UTF8' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
is($second->safe_psql('from_latin', q{SELECT dimension FROM aiusage.rollup_dimension}),
	$first->safe_psql('latin', q{SELECT dimension FROM aiusage.rollup_dimension}), 'LATIN1 to UTF8: same id');
verify_clean($second, 'from_latin', 'LATIN1 to UTF8');

# a standby of the books needs no incarnation: it has the same ids (t/030_fold_load.pl)
done_testing();
