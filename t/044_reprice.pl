# Repricing as a property: after any history of usage, prices, reprices under
# any version, usage priced late, corrections and moves, the views show what
# plain numeric arithmetic gives, and a reprice leaves nothing for the next one
# to do.  Then a job that is cancelled, crashes with the server, and is run by
# two sessions at once beside corrections.
#
# AIUSAGE_SEED repeats a history; AIUSAGE_STEPS makes it longer.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my ($seed) = seeds(20261127);
my $steps = $ENV{AIUSAGE_STEPS} // 90;
srand($seed);

my $node = new_node('reprice', conf => "restart_after_crash = on\n");
$node->safe_psql('postgres', 'CREATE DATABASE finance');
my $sql = sub { return $node->safe_psql('finance', "SET client_min_messages = warning; SET timezone = 'UTC';\n" . join("\n", @_)) };

# Two teams' keys, one book.  The shadow: what each request was, by which
# version it is priced (NULL: none), and what it costs, in plain numeric.
$sql->(<<'SQL');
CREATE EXTENSION aiusage;
SELECT FROM aiusage.init();
INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('prop', 'cost', 'USD');
SELECT FROM generate_series(0, 3) AS n, aiusage.put_key(jsonb_build_object('key', 'prop-' || n, 'team', 'prop-' || n % 2, 'price_book', 'prop')) AS k;
SELECT FROM aiusage.make_partitions('2026-07-01', '2026-10-01');
CREATE TABLE rate (version int, model text, input numeric, cached numeric, output numeric);
CREATE TABLE shadow (n int PRIMARY KEY, id uuid, api_key text, team text, model text, input numeric, cached numeric, output numeric,
	estimated boolean, stamped int, version int, cost numeric);
CREATE TABLE known (team text PRIMARY KEY, assignment bigint);
INSERT INTO known SELECT team, min(assignment) FROM aiusage.key_assignment WHERE api_key LIKE 'prop-%' GROUP BY team;

-- What a request costs under a version; NULL: it has no such model.
CREATE FUNCTION cost_of(v int, r shadow) RETURNS numeric LANGUAGE sql STABLE AS $$
	SELECT ((r.input - CASE WHEN p.cached IS NULL THEN 0 ELSE r.cached END) * p.input + coalesce(p.cached * r.cached, 0) + r.output * p.output) / 1000000
	FROM rate AS p WHERE p.version = v AND p.model = r.model
$$;
CREATE FUNCTION newest() RETURNS int LANGUAGE sql STABLE AS 'SELECT max(version) FROM rate';

-- [[model, input, cached, output], ...] becomes a version.
CREATE FUNCTION publish(models jsonb) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	v int := aiusage.import_prices('prop', 'genai-prices', jsonb_build_array(jsonb_build_object('id', 'lab', 'name', 'Lab', 'api_pattern', 'x', 'models',
		(SELECT jsonb_agg(jsonb_build_object('id', m ->> 0, 'match', jsonb_build_object('equals', m ->> 0), 'prices',
			jsonb_strip_nulls(jsonb_build_object('input_mtok', m -> 1, 'cache_read_mtok', m -> 2, 'output_mtok', m -> 3)))) FROM jsonb_array_elements(models) AS m))),
		'2020-01-01');
BEGIN
	INSERT INTO rate SELECT v, m ->> 0, (m ->> 1)::numeric, (m ->> 2)::numeric, (m ->> 3)::numeric FROM jsonb_array_elements(models) AS m;
	RETURN v;
END
$$;

CREATE FUNCTION book(r shadow, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	r.id := aiusage.event_id('prop-' || r.n, at);
	INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, stream_state)
	VALUES (r.id, r.api_key, 'lab', r.model, aiusage.usage(ARRAY['input_tokens', 'cache_read_tokens', 'output_tokens'], ARRAY[r.input, r.cached, r.output]),
		CASE WHEN r.estimated THEN 'estimated'::aiusage.stream_state END);
	r.stamped := newest();
	r.cost := cost_of(newest(), r);
	r.version := CASE WHEN r.cost IS NOT NULL THEN newest() END;
	INSERT INTO shadow SELECT r.*;
END
$$;

-- Which of the shadow's rows the filters mean.
CREATE FUNCTION selected(f jsonb) RETURNS SETOF int LANGUAGE sql STABLE AS $$
	SELECT s.n FROM shadow AS s WHERE (f -> 'team' IS NULL OR s.team = f ->> 'team') AND (f -> 'api_key' IS NULL OR s.api_key = f ->> 'api_key')
		AND (f -> 'model' IS NULL OR f -> 'model' @> to_jsonb(s.model)) AND (f -> 'ids' IS NULL OR f -> 'ids' @> to_jsonb(s.id))
$$;
-- What a reprice must do to the shadow, and what it must report: rows, changed, without a price, difference.
CREATE FUNCTION shadow_reprice(f jsonb, v int, unpriced_only boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	CREATE TEMP TABLE target ON COMMIT DROP AS
		SELECT s.n, s.cost AS old_cost, cost_of(v, s) AS new_cost, s.version IS DISTINCT FROM v AND cost_of(v, s) IS NOT NULL AS changes
		FROM shadow AS s WHERE s.n IN (SELECT selected(f)) AND (NOT unpriced_only OR s.cost IS NULL);
	UPDATE shadow AS s SET cost = t.new_cost, version = v FROM target AS t WHERE t.n = s.n AND t.changes;
	SELECT concat_ws(' ', count(*), count(*) FILTER (WHERE changes), count(*) FILTER (WHERE new_cost IS NULL),
		trim_scale(coalesce(sum(new_cost - coalesce(old_cost, 0)) FILTER (WHERE changes), 0))) INTO result FROM target;
	RETURN result;
END
$$;
CREATE FUNCTION reported(f jsonb, v int, unpriced_only boolean, dry boolean) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(sum(row_count), 0), coalesce(sum(changed), 0), coalesce(sum(no_price), 0), trim_scale(coalesce(sum(difference), 0)))
	FROM (SELECT row_count, changed, no_price, difference FROM aiusage.price_unpriced(f, 'property test', NULL, dry) WHERE unpriced_only
		UNION ALL SELECT row_count, changed, no_price, difference FROM aiusage.reprice(f, v, 'property test', NULL, dry) WHERE NOT unpriced_only) AS r
$$;

-- What a correction does to the shadow: the row that took its place.
CREATE FUNCTION shadow_correct(which int, corrected uuid, new_team text, new_input numeric, new_cached numeric, new_output numeric) RETURNS void LANGUAGE sql AS $$
	UPDATE shadow AS s SET id = corrected, team = coalesce(new_team, team), input = coalesce(new_input, input), cached = coalesce(new_cached, cached),
		output = coalesce(new_output, output), estimated = estimated AND new_input IS NULL WHERE n = which;
	-- new usage is priced as the row was priced last, or was not
	UPDATE shadow AS s SET cost = cost_of(coalesce(s.version, s.stamped), s) WHERE n = which AND new_input IS NOT NULL;
$$;

CREATE FUNCTION differences() RETURNS SETOF text LANGUAGE sql STABLE AS $$
	WITH s AS (SELECT team, count(*) AS requests, count(*) FILTER (WHERE cost IS NULL) AS unpriced, sum(input)::bigint AS input, trim_scale(coalesce(sum(cost), 0)) AS cost,
			trim_scale(coalesce(sum(cost) FILTER (WHERE estimated), 0)) AS estimated FROM shadow GROUP BY team),
		v AS (SELECT team, sum(requests) AS requests, sum(unpriced) AS unpriced, sum(input_tokens)::bigint AS input, trim_scale(sum(cost)) AS cost,
			trim_scale(sum(estimated_cost)) AS estimated, trim_scale(sum(list_cost)) AS list FROM aiusage.team_usage GROUP BY team),
		i AS (SELECT team, trim_scale(sum(cost)) AS cost FROM aiusage.line_items GROUP BY team),
		-- what was not reversed is billed in full, and once
		b AS (SELECT team, sum(quantity) AS quantity FROM aiusage.line_items WHERE unit = 'output_tokens' GROUP BY team),
		l AS (SELECT team, trim_scale(sum(coalesce(cost, 0))) AS cost, sum(requests) AS requests FROM aiusage.usage_log GROUP BY team),
		p AS (SELECT sum(requests) AS unpriced FROM aiusage.unpriced_usage)
	SELECT concat_ws(', ', 'shadow ' || s::text, 'view ' || v::text, 'items ' || i::text, 'billed ' || b::text, 'log ' || l::text)
	FROM s FULL JOIN v USING (team) FULL JOIN i USING (team) LEFT JOIN b USING (team) FULL JOIN l USING (team)
	WHERE (s.requests, s.unpriced, s.input, s.cost, s.estimated) IS DISTINCT FROM (v.requests::bigint, v.unpriced::bigint, v.input, v.cost, v.estimated)
		OR (s.cost, s.cost, s.cost, s.requests) IS DISTINCT FROM (i.cost, l.cost, v.list, l.requests::bigint)
		OR coalesce(b.quantity, 0) <> (SELECT coalesce(sum(output) FILTER (WHERE cost IS NOT NULL), 0) FROM shadow AS o WHERE o.team = s.team)
	UNION ALL
	SELECT 'work list ' || p::text FROM p WHERE coalesce(p.unpriced, 0) <> (SELECT count(*) FROM shadow WHERE cost IS NULL)
$$;
SQL

sub pick { return $_[ int(rand(@_)) ] }
sub amount { return sprintf('%.3f', 0.001 + rand(20)) }
my @models = qw(m0 m1 m2);

# A version has some of the models; a cache rate or none.
sub publish
{
	my @some = grep { rand() < 0.75 } @models;
	@some = (pick(@models)) if !@some;
	my $models = join ',', map { sprintf '["%s", %s, %s, %s]', $_, amount(), (rand() < 0.5 ? 'null' : amount()), amount() } @some;
	return "SELECT publish('[$models]')";
}

sub filters
{
	my $filter = pick('{"provider": "lab"}', '{"team": "prop-0"}', '{"team": "prop-1"}', '{"api_key": "prop-2"}', '{"model": ["m1"]}',
		'{"model": ["m0", "m2"], "team": "prop-1"}');
	return $filter;
}

my $rows = 0;
my %done;

sub step
{
	my $what = pick(qw(insert insert publish now now version late adjust adjust move refresh close));
	$what = 'insert' if $rows < 5;
	$done{$what}++;

	if ($what eq 'insert')
	{
		my @statements;
		for (1 .. 1 + int(rand(4)))
		{
			my $key = int(rand(4));
			my $input = 10 + int(rand(100000));
			my $cached = 1 + int(rand($input - 1));
			# the months of the summer, of which one gets closed
			push @statements, sprintf("SELECT FROM book(ROW(%d, NULL, 'prop-%d', 'prop-%d', '%s', %d, %d, %d, %s, NULL, NULL, NULL)::shadow, '2026-%02d-15 12:00Z'::timestamptz + '%d seconds');",
				++$rows, $key, $key % 2, pick(@models), $input, $cached, 1 + int(rand(5000)), rand() < 0.2 ? 'true' : 'false', 7 + int(rand(3)), $rows);
		}
		return ($what, @statements);
	}
	return ($what, publish() . ';') if $what eq 'publish';
	if ($what eq 'now' || $what eq 'version' || $what eq 'late')
	{
		my $f = filters();
		my $v = $what eq 'version' ? '(SELECT version FROM rate GROUP BY 1 ORDER BY md5(version || ' . quote_number($rows) . ') LIMIT 1)' : 'NULL';
		my $late = $what eq 'late' ? 'true' : 'false';
		# a dry run says what it will be, and once it is done that there is nothing left
		return ($what, "SELECT set_config('prop.expected', shadow_reprice('$f', coalesce($v, newest()), $late), false);",
			"SELECT 'dry run: ' || r || ', shadow: ' || current_setting('prop.expected') FROM reported('$f', $v, $late, true) AS r WHERE r <> current_setting('prop.expected');",
			"SELECT 'booked: ' || r || ', shadow: ' || current_setting('prop.expected') FROM reported('$f', $v, $late, false) AS r WHERE r <> current_setting('prop.expected');",
			"SELECT 'left: ' || r FROM reported('$f', $v, $late, true) AS r WHERE split_part(r, ' ', 2) <> '0' OR split_part(r, ' ', 4) <> '0';");
	}
	if ($what eq 'adjust')
	{
		my ($n, $input) = (1 + int(rand($rows)), 10 + int(rand(1000)));
		my $cached = 1 + int(rand($input - 1));
		my $output = 1 + int(rand(100));
		return ($what, "SELECT FROM shadow_correct($n, aiusage.adjust((SELECT id FROM shadow WHERE n = $n), "
			  . "aiusage.usage(ARRAY['input_tokens', 'cache_read_tokens', 'output_tokens'], ARRAY[$input, $cached, $output]::numeric[]), 'property test', NULL), NULL, $input, $cached, $output);");
	}
	if ($what eq 'move')
	{
		my ($n, $team) = (1 + int(rand($rows)), 'prop-' . int(rand(2)));
		return ($what, "SELECT count(*) FROM aiusage.reattribute((SELECT jsonb_build_object('ids', jsonb_build_array(id)) FROM shadow WHERE n = $n), (SELECT assignment FROM known WHERE team = '$team'), 'property test', NULL, false) HAVING false;",
			"SELECT FROM shadow_correct($n, (SELECT u.id FROM aiusage.usage_record AS u WHERE u.adjusts = (SELECT id FROM shadow WHERE n = $n) AND u.kind = 'usage'), '$team', NULL, NULL, NULL) "
			  . "WHERE EXISTS (SELECT FROM aiusage.usage_record AS u WHERE u.adjusts = (SELECT id FROM shadow WHERE n = $n) AND u.kind = 'usage');");
	}
	return ($what, "SELECT FROM aiusage.refresh();") if $what eq 'refresh';
	# July, once; what is corrected afterwards is corrected today
	return ($what, $done{close} == 3 ? "SELECT FROM aiusage.close_period(aiusage.period_of(1, '2026-07-15'), 'property test', true);" : '');
}
sub quote_number { return "'" . $_[0] . "'" }

$sql->(publish());
my $wrong = '';
for my $n (1 .. $steps)
{
	my ($what, @statements) = step();
	# what a statement has to say is an error; its figures are the shadow's
	my $out = $sql->('\set QUIET on', (map { /set_config/ ? "$_" =~ s/^SELECT (set_config.*);$/SELECT FROM $1;/r : $_ } grep { $_ ne '' } @statements),
		'SELECT * FROM differences();');
	$out =~ s/^\d+$//mg if $what eq 'publish';
	$out =~ s/^\s+|\s+$//g;
	if ($out ne '')
	{
		$wrong = "step $n, $what: $out";
		last;
	}
}
is($wrong, '', "views, line items, log and work list are those of the shadow after each of $steps steps (seed $seed)");
note(join ', ', map { "$_ $done{$_}" } sort keys %done);
is($sql->(q{SELECT count(*) FROM shadow AS s, LATERAL (SELECT coalesce(sum(e.amount), 0) AS amount FROM aiusage.explain_row(s.id) AS e) AS e
	WHERE trim_scale(e.amount) <> trim_scale(coalesce(s.cost, 0))}), 0, 'explain_row() adds up to what each row stands at');
is($sql->('SELECT check_name, detail FROM aiusage.verify() WHERE NOT ok'), '', 'verify() is clean');
is($sql->('SELECT FROM aiusage.refresh(); SELECT check_name, detail FROM aiusage.verify() WHERE NOT ok; SELECT * FROM differences()'), '', 'and after a fold');

# Jobs ----------------------------------------------------------------------

my $many = 6000;
$sql->("SELECT publish('[[\"j\", 1, null, 1]]');",
	"INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage) SELECT aiusage.event_id('job-' || n, '2026-09-01'::timestamptz + n * interval '1 second'), 'prop-' || n % 4, 'lab', 'j', "
	  . "aiusage.usage('input_tokens', n) FROM generate_series(1, $many) AS n;",
	"SELECT publish('[[\"j\", 3, null, 1]]');");

sub run_job
{
	my ($job) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $handle = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('finance'),
		'-c', "CALL aiusage.run_reprice($job, 50)" ], '<', \$in, '>', \$out, '2>', \$err);
	return { handle => $handle, err => \$err };
}
sub wait_for
{
	my ($query) = @_;
	for (1 .. 2000)
	{
		return 1 if $sql->($query) eq 't';
		usleep(5000);
	}
	return 0;
}

my $job = $sql->(q{SELECT aiusage.start_reprice('{"model": "j"}', NULL, 'a job that is interrupted', NULL)});
my $session = run_job($job);
ok(wait_for("SELECT rows_adjusted > 200 FROM aiusage.reprice_progress WHERE job = $job"), 'progress is seen from another session');
$sql->("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL aiusage.run_reprice%'");
$session->{handle}->finish;
like(${ $session->{err} }, qr/canceling statement/, 'a job is cancelled as any statement');
is($sql->("SELECT j.status, j.rows_adjusted = (SELECT count(*) FROM aiusage.usage_record AS u WHERE u.correction = j.correction) FROM aiusage.reprice_job AS j WHERE job = $job"),
	'open|t', 'what its batches had booked is booked');

my $before = $sql->("SELECT rows_adjusted FROM aiusage.reprice_job WHERE job = $job");
$session = run_job($job);
ok(wait_for("SELECT rows_adjusted > $before + 200 FROM aiusage.reprice_progress WHERE job = $job"), 'it goes on');
$node->stop('immediate');
$session->{handle}->finish;
$node->start;
is($sql->("SELECT j.status, j.rows_adjusted = (SELECT count(*) FROM aiusage.usage_record AS u WHERE u.correction = j.correction) FROM aiusage.reprice_job AS j WHERE job = $job"),
	'open|t', 'after a crash the job and its rows agree');

# Two sessions at once, and corrections of single rows beside them.
my @sessions = (run_job($job), run_job($job));
my $corrected = 0;
for my $n (map { $many - $_ * 7 } 0 .. 40)
{
	$sql->("SELECT aiusage.adjust(aiusage.event_id('job-$n', '2026-09-01'::timestamptz + $n * interval '1 second'), aiusage.usage('input_tokens', 7), 'meanwhile', NULL)");
	$corrected++;
}
$_->{handle}->finish for @sessions;
unlike(${ $sessions[0]->{err} } . ${ $sessions[1]->{err} }, qr/ERROR/, 'two sessions run it to its end');
is($sql->("SELECT status, rows_seen BETWEEN $many AND $many + $corrected FROM aiusage.reprice_progress WHERE job = $job"), 'done|t', 'every row was seen');
# a row that was corrected before its batch has its new usage under the old price: the next reprice finds it
$sql->(q{SELECT FROM aiusage.reprice('{"model": "j"}', NULL, 'the rest', NULL, false)});
my $oracle = join ' + ', map { $_ } "(SELECT sum(n) FROM generate_series(1, $many) AS n WHERE n NOT IN (SELECT $many - i * 7 FROM generate_series(0, 40) AS i))", "$corrected * 7";
is($sql->("SELECT trim_scale(sum(cost)) = trim_scale(($oracle) * 3 / 1000000::numeric), sum(requests) FROM aiusage.model_usage WHERE model = 'j'"), "t|$many",
	'each row is at the new price, whoever came first');
is($sql->(q{SELECT sum(changed) FROM aiusage.reprice('{"model": "j"}', NULL, 'x', NULL)}), 0, 'and nothing is left to do');
is($sql->('SELECT check_name, detail FROM aiusage.verify() WHERE NOT ok'), '', 'verify() is clean at the end');

$node->stop;
done_testing();
