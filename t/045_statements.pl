# Statements under random histories and under load.
#
# Random: usage of any month, late and rolled back, corrections, moves of
# owners and calendars, folds, closings in any order, contracts, reversals.
# After every step verify() is clean; in the end, when everything is closed,
# each row's money is on exactly one statement of each kind of entity it has.
# Load: a period is closed while clients book usage of it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PostgreSQL::Test::BackgroundPsql;
use IPC::Run ();
use Test::More;

my $node = new_node('statements');

# 14 keys in 5 teams, 4 cost centers in 3 calendars, and 3 customers
my $setup = q{
	SET client_min_messages = warning;
	CREATE EXTENSION aiusage;
	SELECT FROM aiusage.init();
	INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('euro', 'cost', 'EUR'), ('resale', 'charge', 'EUR');
	SELECT aiusage.import_prices(b, 'aiusage', jsonb_build_object('providers', jsonb_build_array(jsonb_build_object('provider', 'lab', 'match', '{"equals": "lab"}'::jsonb, 'models',
		jsonb_build_array(jsonb_build_object('model', 'm', 'match', '{"equals": "m"}'::jsonb, 'rules', jsonb_build_array(jsonb_build_object('prices', jsonb_build_array(
			jsonb_build_object('unit', 'input_tokens', 'rate', r, 'per', 1000000), jsonb_build_object('unit', 'output_tokens', 'rate', r * 5, 'per', 1000000))))))))), '2020-01-01')
	FROM (VALUES ('list', 3.7), ('euro', 2.9), ('resale', 8.3)) AS v (b, r);
	SELECT aiusage.set_billing_calendar('ny', 'America/New_York', 31), aiusage.set_billing_calendar('weeks', 'Asia/Kathmandu', 3, 'week');
	SELECT aiusage.put_cost_center('cc-2', calendar => 'ny'), aiusage.put_cost_center('cc-3', calendar => 'weeks'),
		aiusage.put_customer('c-2', calendar => 'ny'), aiusage.put_team('t-4', calendar => 'weeks');
	SELECT aiusage.put_key(jsonb_strip_nulls(jsonb_build_object('key', 'k-' || n, 'team', 't-' || n % 5, 'cost_center', CASE WHEN n < 12 THEN 'cc-' || n % 4 END,
		'customer', CASE WHEN n % 3 < 2 THEN 'c-' || n % 3 + 1 END, 'price_book', CASE WHEN n % 4 = 1 THEN 'euro' END, 'charge_book', CASE WHEN n % 3 < 2 THEN 'resale' END)))
	FROM generate_series(0, 12) AS n;
	SELECT aiusage.put_contract('{"contract": "all", "book": "euro", "key": "k-0", "minimum": 0.05, "rates": [{"unit": "input_tokens", "free": 1000, "tiers": [{"price": 2, "per": 999999}, {"starts": 9000, "price": 1, "per": 7}]}]}'),
		aiusage.put_contract('{"contract": "plan", "book": "resale", "key": "k-1", "customer": "c-2", "minimum": 0.2}');
	SELECT FROM aiusage.make_partitions('2025-01-01', '2025-04-01');
	CREATE VIEW money AS
	SELECT e.entity_kind, e.entity, e.currency, sum(e.amount) AS amount
	FROM aiusage.usage_record AS u LEFT JOIN aiusage.key_assignment AS a USING (assignment)
	CROSS JOIN LATERAL (VALUES ('cost_center', coalesce(a.cost_center, '(unmatched)'), aiusage.currency(u.cost_by_unit), coalesce(u.cost::numeric, 0)),
		('team', coalesce(a.team, '(unmatched)'), aiusage.currency(u.cost_by_unit), coalesce(u.cost::numeric, 0)),
		('customer', coalesce(u.customer, a.customer), aiusage.currency(u.charge), u.charge::numeric)) AS e (entity_kind, entity, currency, amount)
	WHERE e.entity IS NOT NULL AND e.currency IS NOT NULL GROUP BY 1, 2, 3;
	CREATE VIEW stated AS
	SELECT entity_kind, entity, currency, sum(CASE entity_kind WHEN 'customer' THEN charge ELSE cost END) AS amount FROM aiusage.statements GROUP BY 1, 2, 3;
	-- as close_period() does, of periods that are not over yet
	CREATE FUNCTION close_all() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		p int;
	BEGIN
		FOR p IN SELECT q FROM (SELECT invoice_period FROM aiusage.usage_record UNION SELECT aiusage.period_of(c.calendar, now()) FROM aiusage.billing_calendar AS c) AS x (q)
			WHERE aiusage.period_status(q) NOT IN ('closed', 'invoiced') ORDER BY aiusage.period_ends_at(q), q
		LOOP
			PERFORM aiusage.ensure_period(p);
			UPDATE aiusage.invoice_period SET status = 'closed', closed_at = now(), closed_by = 'test', boundary = 9223372036854775807, running = '{}' WHERE period = p;
			PERFORM aiusage.owner_freeze_statements(p);
		END LOOP;
	END
	$$;
};

# Somebody writes usage and does not end: closing gives up after 10 seconds, and says who.  It does so beside the rest of this test.
$node->safe_psql('postgres', 'CREATE DATABASE waiting');
$node->safe_psql('waiting', $setup);
my $writer = $node->background_psql('waiting');
$writer->query_safe('BEGIN');
$writer->query_safe(q{INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) VALUES (aiusage.uuid_v7('2025-03-17 12:00Z'), 'k-0', 'lab', 'm', '{"input_tokens": 1}')});
my $writer_pid = $writer->query_safe('SELECT pg_backend_pid()');
my ($wait_out, $wait_err) = ('', '');
my $waiting = IPC::Run::start([ 'psql', '-X', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('waiting'), '-c',
	q{SELECT aiusage.close_period(aiusage.period_of(1, '2025-03-17 12:00Z'), 'waiting', true)} ], '>', \$wait_out, '2>', \$wait_err);

my $at = q{timestamptz '2025-01-01 00:00Z' + random() * interval '80 days'};
my $rows = qq{INSERT INTO aiusage.usage_record (id, occurred_at, api_key, provider, model, usage, customer)
	SELECT aiusage.uuid_v7(t), t, 'k-' || floor(random() * 14), 'lab', CASE WHEN random() < 0.1 THEN 'x' ELSE 'm' END,
		format('{"input_tokens": %s, "output_tokens": %s}', floor(random() * 9000), floor(random() * 900))::aiusage.usage, CASE WHEN random() < 0.2 THEN 'c-1' END
	FROM generate_series(1, 40), LATERAL (SELECT $at) AS x (t)};
my $some_row = q{(SELECT id FROM aiusage.usage_record AS u WHERE kind = 'usage' AND NOT EXISTS (SELECT FROM aiusage.usage_record AS r WHERE r.adjusts = u.id AND r.kind = 'reversal') ORDER BY random() LIMIT 1)};
# a period that is over and not closed, most likely an early one
my $some_period = qq{(SELECT p FROM (SELECT aiusage.period_of(1 + floor(random() * 3)::int, t) AS p FROM generate_series(1, 12), LATERAL (SELECT $at) AS x (t)) AS y
	WHERE aiusage.period_status(p) IN ('open', 'closing') ORDER BY p % 100000, random() LIMIT 1)};

my @steps = (
	[ 30, 'book',        "$rows" ],
	[ 6,  'roll back',   "BEGIN; $rows; ROLLBACK" ],
	[ 12, 'fold',        'SELECT aiusage.refresh()' ],
	[ 8,  'adjust',      qq{SELECT aiusage.adjust($some_row, '{"input_tokens": 77}', 'random', NULL)} ],
	[ 6,  'reattribute', qq{SELECT count(*) FROM aiusage.reattribute(jsonb_build_object('ids', jsonb_build_array($some_row)), (SELECT assignment FROM aiusage.key_assignment ORDER BY random() LIMIT 1), 'random', NULL, false)} ],
	[ 4,  'grace',       qq{SELECT aiusage.start_closing(p) FROM (SELECT $some_period AS p) AS x WHERE p IS NOT NULL} ],
	[ 14, 'close',       qq{SELECT aiusage.close_period(p, 'random', true) FROM (SELECT $some_period AS p) AS x WHERE p IS NOT NULL} ],
	[ 6,  'contracts',   qq{SELECT count(b.*) FROM (SELECT $some_period AS p) AS x, aiusage.book_contracts(p, false) AS b WHERE p IS NOT NULL} ],
	[ 6,  'reverse',     q{SELECT aiusage.reverse_statement(s.statement, 'random') FROM (SELECT statement FROM aiusage.statements AS s WHERE kind = 'statement' AND NOT EXISTS (SELECT FROM aiusage.statements AS c WHERE c.reverses = s.statement) ORDER BY random() LIMIT 1) AS s} ],
	[ 4,  'calendar',    q{SELECT CASE WHEN random() < 0.5 THEN aiusage.put_team('t-' || floor(random() * 5), calendar => c) ELSE aiusage.put_customer('c-' || floor(random() * 2) + 1, calendar => c) END
		FROM (SELECT (ARRAY['global', 'ny', 'weeks'])[floor(random() * 3) + 1] AS c) AS x} ],);
my $weights = 0;
$weights += $_->[0] for @steps;

for my $seed (seeds(11, 12))
{
	my $db = "random_$seed";
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, $setup);
	srand($seed);
	my (%done, @history, $bad);
	for my $n (1 .. 45)
	{
		my $pick = rand($weights);
		my ($step) = grep { ($pick -= $_->[0]) < 0 } @steps;
		$step = $steps[0] if $n <= 3;
		my ($stdout, $stderr) = ('', '');
		my $random = rand(2) - 1;
		$node->psql($db, "SET client_min_messages = warning; SELECT setseed($random); $step->[2];", stdout => \$stdout, stderr => \$stderr);
		push @history, "$step->[1]";
		$done{ $step->[1] }++;
		$bad = "$stderr" if $stderr =~ /ERROR|WARNING/;
		$bad //= $node->safe_psql($db, 'SELECT string_agg(v::text, E\'\n\') FROM aiusage.verify() AS v WHERE NOT v.ok') || undef;
		last if defined $bad;
	}
	ok(!defined $bad, "seed $seed: verify() is clean after each of " . scalar(@history) . ' steps') or diag("after @history: $bad");
	cmp_ok($node->safe_psql($db, q{SELECT count(*) FROM aiusage.statements WHERE kind = 'statement'}), '>', 5, "seed $seed: there are statements");
	cmp_ok(scalar(keys %done), '>=', 8, "seed $seed: of most kinds of steps");

	$node->safe_psql($db, 'SELECT close_all()');
	is($node->safe_psql($db, q{SELECT * FROM money FULL JOIN stated USING (entity_kind, entity, currency) WHERE coalesce(money.amount, 0) <> coalesce(stated.amount, 0)}),
		'', "seed $seed: all money is on exactly one statement of each kind");
	is($node->safe_psql($db, 'SELECT string_agg(v::text, E\'\n\') FROM aiusage.verify() AS v WHERE NOT v.ok'), '', "seed $seed: and verify() is clean");
}

IPC::Run::finish($waiting);
like($wait_err, qr/ERROR:  55P03: could not close the invoice period: usage is being written/, 'closing does not wait for ever');
like($wait_err, qr/DETAIL:.*process $writer_pid\./, 'and says for whom');
is($node->safe_psql('waiting', q{SELECT aiusage.period_status(aiusage.period_of(1, '2025-03-17 12:00Z'))}), 'open', 'the period stays open');
$writer->query_safe('COMMIT');
$writer->quit;

# Load: three clients book usage of March while it is closed.
$node->safe_psql('postgres', 'CREATE DATABASE busy');
$node->safe_psql('busy', $setup);
my $script = $node->basedir . '/book.sql';
append_to_file($script, q{
\set key random(0, 13)
INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage)
VALUES (aiusage.uuid_v7('2025-03-17 12:00Z'), 'k-:key', 'lab', 'm', '{"input_tokens": 1000, "output_tokens": 10}');
});
my ($out, $err) = ('', '');
my $pgbench = IPC::Run::start([ 'pgbench', '-n', '-c', '3', '-T', '5', '-f', $script, '-h', $node->host, '-p', $node->port, 'busy' ], '>', \$out, '2>', \$err);
$node->poll_query_until('busy', 'SELECT count(*) > 200 FROM aiusage.usage_record') or die 'no usage';
my $closed = 0;
for my $calendar (1 .. 3)
{
	$closed += $node->safe_psql('busy', qq{SET client_min_messages = warning; SELECT (aiusage.close_period(aiusage.period_of($calendar, '2025-03-17 12:00Z'), 'under load', true) > 0)::int});
}
IPC::Run::finish($pgbench);
is($closed, 3, 'load: three calendars are closed');
like($out, qr/number of failed transactions: 0 \(/, 'load: no client failed') or diag($err);
is($node->safe_psql('busy', q{SELECT count(*) FROM (SELECT s.period, sum(s.requests) AS requests, sum(s.cost) AS cost FROM aiusage.statements AS s WHERE s.entity_kind = 'cost_center' GROUP BY 1) AS s
	JOIN (SELECT invoice_period AS period, count(*) AS requests, sum(cost::numeric) AS cost FROM aiusage.usage_record GROUP BY 1) AS u USING (period)
	WHERE u.requests <> s.requests OR u.cost <> s.cost}), '0', 'load: each statement is the rows of its period');
cmp_ok($node->safe_psql('busy', q{SELECT count(*) FROM aiusage.usage_record WHERE aiusage.period_status(invoice_period) = 'open'}), '>', 0, 'load: what came after is in the next periods');
verify_clean($node, 'busy', 'load');
$node->stop('fast');
done_testing();
