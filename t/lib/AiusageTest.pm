# Shared by the TAP tests: nodes, books with traffic in them, and figures that
# can be compared.
package AiusageTest;

use strict;
use warnings;
use Exporter 'import';
use File::Basename qw(dirname);
use Cwd qw(abs_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(project_dir new_node make_books make_lab book_workload figures figures_differ verify_clean sqlstate_of kill_postmaster start_again seeds);

sub project_dir { return abs_path(dirname(dirname(dirname(__FILE__)))) }

# new_node(NAME, preload => 1, conf => '...'): started
sub new_node
{
	my ($name, %o) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\n");
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '" . ($o{preload} // 'aiusage') . "'\n");
	$node->append_conf('postgresql.conf', $o{conf}) if defined $o{conf};
	$node->start;
	return $node;
}

# The seeds of a random test, which it is given here, so that it says the same
# every time.  AIUSAGE_SEED=random draws as many others, AIUSAGE_SEED=1,2 are
# those.  They are printed either way.
sub seeds
{
	my @seeds = @_;
	my $asked = $ENV{AIUSAGE_SEED} // '';

	if ($asked eq 'random')
	{
		@seeds = map { 1 + int(rand(999_999)) } @seeds;
		diag("$0: AIUSAGE_SEED=" . join(',', @seeds));
	}
	else
	{
		@seeds = split(/[ ,]+/, $asked) if $asked ne '';
		note('AIUSAGE_SEED=' . join(',', @seeds));
	}
	return @seeds;
}

# kill -9 of the postmaster, until it is gone: when its parent has heard of it.
sub kill_postmaster
{
	my ($node) = @_;
	my $pid = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];

	$node->kill9;
	for (1 .. 6000)
	{
		last unless kill 0, $pid;
		usleep(10_000);
	}
	return;
}

# Processes of a killed postmaster notice in their own time; until the last one
# has, its shared memory is in use and no server starts there.
sub start_again
{
	my ($node) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	while (!$node->start(fail_ok => 1))
	{
		die 'the server does not start again' if time > $deadline;
		usleep(100_000);
	}
	return;
}

# A database with the extension, the books, prices, and the demo's roles and keys.
sub make_books
{
	my ($node, $db) = @_;
	my $dir = project_dir();

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	for my $file (qw(books keys))
	{
		$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db), '-f', "$dir/tools/demo/$file.sql" ],
			"$db: $file.sql");
	}
	return;
}

# The demo's deterministic workload, as the gateway.
sub book_workload
{
	my ($node, $db) = @_;
	my $dir = project_dir();

	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db) . ' user=gateway', '-f', "$dir/tools/demo/workload.sql" ],
		"$db: workload.sql");
	return;
}

# One line a relation: its name, rows, and a digest of all rows; columns named
# as_of (when was this read) and the names in %$except are left out.
# Books for limits: a token costs 1 USD, keys k1 and k2 are of one team.
sub make_lab
{
	my ($node, $db) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, q{
		SET client_min_messages = warning;
		CREATE EXTENSION aiusage;
		SELECT FROM aiusage.init();
		INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('lab', 'list', 'USD');
		SELECT FROM aiusage.import_prices('lab', 'genai-prices', '[{"id": "lab", "models": [
			{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 1000000}}]}]', '2026-01-01');
		SELECT FROM aiusage.put_key('{"key": "k1", "team": "t", "project": "p", "price_book": "lab"}');
		SELECT FROM aiusage.put_key('{"key": "k2", "team": "t", "project": "p", "price_book": "lab"}');
		CREATE FUNCTION book(key text, tokens int, request text DEFAULT NULL, spent boolean DEFAULT NULL) RETURNS text LANGUAGE sql
		BEGIN ATOMIC
			INSERT INTO aiusage.usage_record AS u (id, api_key, provider, model, usage, spent)
			VALUES (CASE WHEN request IS NULL THEN aiusage.uuid_v7() ELSE aiusage.event_id(request, date_trunc('day', now())) END,
				key, 'lab', 'm1', aiusage.usage('input_tokens', tokens), spent)
			ON CONFLICT DO NOTHING RETURNING coalesce(u.quota_state::text, 'no limit');
		END;
		-- the same for a client that goes on: 'denied' instead of an error
		CREATE FUNCTION try_book(key text, tokens int, request text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
		BEGIN
			RETURN book(key, tokens, request);
		EXCEPTION WHEN SQLSTATE 'UA429' THEN
			RETURN 'denied';
		END $$;
		-- what counters in memory say that the ledger does not; limits with window total only
		CREATE FUNCTION counters_differ() RETURNS TABLE (quota text, key text, memory numeric, ledger numeric) LANGUAGE sql AS $$
			SELECT q.name, s.labels, sum(c.committed), sum(l.amount)
			FROM aiusage.quota_counters() AS c
			JOIN aiusage.quota AS q USING (quota)
			CROSS JOIN LATERAL (
				SELECT k.labels FROM (VALUES (NULL), ('k1'), ('k2')) AS k (labels)
				WHERE c.subject = aiusage.quota_subject_id(q.quota, q.epoch,
					CASE WHEN q.per = '{}' THEN '{}' ELSE ARRAY[k.labels] END) LIMIT 1) AS s
			CROSS JOIN LATERAL (
				SELECT coalesce(CASE WHEN q.metric = 'spend' THEN sum(u.cost::numeric) ELSE count(*) FILTER (WHERE u.kind = 'usage' AND u.adjusts IS NULL) END, 0) AS amount
				FROM aiusage.usage_record AS u WHERE q.per = '{}' OR u.api_key = s.labels) AS l
			WHERE c.state = 'ready' AND q."window" = 'total' AND q.status = 'active'
			GROUP BY 1, 2 HAVING sum(c.committed) <> sum(l.amount) OR sum(c.reserved) <> 0 OR sum(c.pins) <> 0
		$$;
	});
	return;
}

sub figures
{
	my ($node, $db, %o) = @_;
	my $kinds = $o{kinds} // 'rpv';
	my $except = join ',', map { "'$_'" } ('as_of', @{ $o{except} // [] });
	my $queries = $node->safe_psql($db, qq{
		SELECT format('SELECT %L, count(*), md5(string_agg(r::text, E''\\n'' ORDER BY r::text COLLATE "C")) FROM (SELECT %s FROM %s) AS r',
			c.relname, string_agg(format('%I', a.attname), ', ' ORDER BY a.attnum), c.oid::regclass)
		FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind::text = ANY (string_to_array('$kinds', NULL))
		  AND a.attname <> ALL (ARRAY[$except]::name[])
		  -- PostgreSQL's own estimate of rows, and bytes on disk, are not figures of the books
		  AND NOT (c.relname = 'retention_status' AND a.attname IN ('records', 'bytes'))
		GROUP BY c.oid, c.relname ORDER BY c.relname});
	return $node->safe_psql($db, "SET search_path = pg_catalog;\n" . join("\nUNION ALL\n", split /\n/, $queries) . "\nORDER BY 1");
}

# Which relations differ between two results of figures().
sub figures_differ
{
	my ($a, $b) = @_;
	my %a = map { (split /\|/, $_, 2) } split /\n/, $a;
	my %b = map { (split /\|/, $_, 2) } split /\n/, $b;
	my %all = (%a, %b);

	return join ', ', grep { ($a{$_} // 'missing') ne ($b{$_} // 'missing') } sort keys %all;
}

# Every check of verify() is good.
sub verify_clean
{
	my ($node, $db, $name) = @_;
	my $bad = $node->safe_psql($db, 'SELECT * FROM aiusage.verify() AS v WHERE NOT v.ok');
	my $checks = $node->safe_psql($db, 'SELECT count(*) FROM aiusage.verify()');

	ok($bad eq '' && $checks > 0, "$name: verify() is clean") or diag($bad);
	return;
}

# The SQLSTATE that a statement fails with, or '' when it does not.
sub sqlstate_of
{
	my ($node, $db, $sql, %o) = @_;
	my $stderr;

	$node->psql($db, "\\set VERBOSITY verbose\n$sql", stderr => \$stderr, %o);
	return $stderr =~ /ERROR:\s+([0-9A-Z]{5}):/ ? $1 : '';
}

1;
