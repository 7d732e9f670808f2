# Limits under stress: 32 clients on one key that eight limits (and one on open
# holds) count, until one of them is reached.  Rollbacks, savepoints, exception
# blocks, duplicates, multi-row statements, COPY, holds of both kinds, spent
# rows, limits that are raised meanwhile, folds; a backend that is killed, a
# server that is stopped at once, a standby that is promoted.
#
# After each round, by plain SQL over the ledger's columns:
#   - no limit is exceeded by more than the rows that say why (spent, above
#     their hold, or flagged);
#   - the limit that was run into is used up, but for less than one request
#     that was refused;
#   - counters in memory and quota_state are what the ledger adds up to,
#     nothing is reserved or held any more;
#   - verify() is clean.
#
#     AIUSAGE_SEED=n            other traffic
#     AIUSAGE_STRESS_ROUNDS=n   rounds (4); the last one is the promotion
#     AIUSAGE_STRESS_SECONDS=n  of traffic in a round (1.5)
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my ($seed) = seeds(86);
my $rounds = $ENV{AIUSAGE_STRESS_ROUNDS} // 4;
my $seconds = $ENV{AIUSAGE_STRESS_SECONDS} // 1.5;
my $clients = 32;
my $violations = 0;
srand($seed);

my $node = new_node('stress', conf => "synchronous_commit = on\nrestart_after_crash = on\nmax_connections = 60\nwal_level = replica\nmax_wal_senders = 4\n");
make_lab($node, 'lab');
my $q = sub { return $node->safe_psql('lab', $_[0]) };

# name => [metric, window, more, largest request that is refused at the end]
my %limit = (
	'cap' => [ 'spend', 'total', '"currency": "USD", "thresholds": [50, 90]', 5 ],
	'key requests' => [ 'requests', 'total', '"per": ["api_key"]', 1 ],
	'user tokens' => [ 'tokens', 'day', '"per": ["user_id"]', 5 ],
	'model spend' => [ 'spend', 'month', '"currency": "USD", "per": ["model"]', 5 ],
	'requests an hour' => [ 'requests', 'hour', '"scope": {"team": "t"}', 1 ],
	'project spend' => [ 'spend', '4 hours', '"sliding": true, "currency": "USD", "per": ["project"]', 5 ],
	'errors' => [ 'errors', 'total', '"scope": {"provider": "lab"}', 1 ],
	'team input' => [ 'input_tokens', 'day', '"per": ["team", "api_key"]', 5 ],
);
my $unlimited = 1_000_000_000;

sub put_limit
{
	my ($name, $value) = @_;
	my ($metric, $window, $more) = @{ $limit{$name} };

	# writers are waited for; with this much traffic it may take more than one try
	for my $try (1 .. 20)
	{
		my $ret = $node->psql('lab', qq{SELECT aiusage.put_quota('{"name": "$name", "metric": "$metric", "window": "$window", $more, "limit": $value}')});
		return if $ret == 0;
	}
	die "limit $name cannot be put";
}
put_limit($_, $unlimited) for sort keys %limit;
$q->(q{SELECT aiusage.put_quota('{"name": "at once", "metric": "concurrency", "limit": 20, "window": "total"}')});

# What a client does.  Whatever it does, it goes on afterwards.
$q->(q{
	CREATE FUNCTION put(u int, n int, r int DEFAULT NULL, st text DEFAULT 'success', sp boolean DEFAULT NULL, h uuid DEFAULT NULL, job text DEFAULT NULL)
	RETURNS void LANGUAGE sql BEGIN ATOMIC
		INSERT INTO aiusage.usage_record (id, api_key, user_id, provider, model, usage, status, spent, hold_id, job_id)
		VALUES (CASE WHEN r IS NULL THEN aiusage.uuid_v7() ELSE aiusage.event_id('r' || r, date_trunc('minute', now())) END,
			'k1', 'u' || u, 'lab', 'm1', aiusage.usage('input_tokens', n), st::aiusage.usage_status, sp, h, job)
		ON CONFLICT DO NOTHING;
	END;
	CREATE FUNCTION try_put(u int, n int, r int DEFAULT NULL, st text DEFAULT 'success') RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM put(u, n, r, st);
		RETURN true;
	EXCEPTION WHEN SQLSTATE 'UA429' THEN
		RETURN false;
	END $$;
	CREATE FUNCTION try_many(u int, n int, many int) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO aiusage.usage_record (api_key, user_id, provider, model, usage)
		SELECT 'k1', 'u' || u, 'lab', 'm1', aiusage.usage('input_tokens', 1 + (n + i) % 5) FROM generate_series(1, many) AS i;
		RETURN true;
	EXCEPTION WHEN SQLSTATE 'UA429' THEN
		RETURN false;
	END $$;
	CREATE FUNCTION nested(u int, n int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. 4 LOOP
			BEGIN
				PERFORM put(u, n);
				BEGIN
					PERFORM put(u, i);
					IF (n + i) % 3 = 0 THEN RAISE division_by_zero; END IF;
				EXCEPTION WHEN division_by_zero THEN NULL;
				END;
				IF (n + i) % 4 = 0 THEN RAISE division_by_zero; END IF;
			EXCEPTION WHEN division_by_zero OR SQLSTATE 'UA429' THEN NULL;
			END;
		END LOOP;
	END $$;
	CREATE FUNCTION ask(u int, n int, durable boolean) RETURNS text LANGUAGE sql AS $$
		SELECT coalesce(hold_id::text, 'none') FROM aiusage.admit('k1', 'lab', 'm1', aiusage.usage('input_tokens', n), user_id => 'u' || u,
			ttl => '2 seconds', durable => durable)
	$$;
	-- within the hold; or above it by 2, which the row says
	CREATE FUNCTION settle(h text, u int, n int, dice int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF h = 'none' THEN RETURN; END IF;
		IF dice % 10 = 0 THEN PERFORM aiusage.release(h::uuid); RETURN; END IF;
		IF dice % 3 = 0 THEN PERFORM put(u, 1, NULL, 'error', NULL, h::uuid); n := n - 1; END IF;
		IF dice % 7 = 0 THEN
			PERFORM put(u, n + 2, NULL, 'success', NULL, h::uuid, 'above');
		ELSE
			PERFORM put(u, n, NULL, 'success', NULL, h::uuid);
		END IF;
	END $$;
	CREATE FUNCTION fill(u int, n int) RETURNS int LANGUAGE plpgsql AS $$
	DECLARE
		i int := 0;
	BEGIN
		WHILE try_put(u, n) LOOP i := i + 1; IF i > 100000 THEN RETURN -1; END IF; END LOOP;
		RETURN i;
	END $$;
});

my $script = $node->basedir . '/traffic.sql';
append_to_file($script, q{
\set dice random(1, 100)
\set more random(1, 100)
\set u random(1, 3)
\set n random(1, 5)
\set r random(1, 400)
\if :dice <= 25
SELECT try_put(:u, :n);
\elif :dice <= 32
SELECT try_put(:u, :n, :r);
\elif :dice <= 40
SELECT try_many(:u, :n, :n * 4);
\elif :dice <= 60
BEGIN;
SELECT try_put(:u, :n);
SAVEPOINT s;
SELECT try_put(:u, 5, NULL, 'error');
\if :more <= 40
ROLLBACK TO s;
\elif :more <= 70
RELEASE s;
\endif
SELECT try_put(:u, :n, :r);
\if :more % 5 = 0
ROLLBACK;
\else
COMMIT;
\endif
\elif :dice <= 70
SELECT nested(:u, :n);
\elif :dice <= 94
SELECT ask(:u, :n + 1, :more <= 30) AS hold \gset
SELECT settle(':hold', :u, :n + 1, :more);
\elif :dice <= 97
SELECT put(:u, :n, NULL, 'success', true);
\else
BEGIN;
SELECT ask(:u, :n, :more <= 50) AS hold \gset
SELECT try_many(:u, :n, 10);
ROLLBACK;
\endif
});
# Statements that fail as a whole, which pgbench's clients do not survive: psql's do.
sub plain_traffic
{
	my $sql = '';

	for (1 .. 400)
	{
		my $u = 1 + int rand 3;
		my $rows = 1 + int rand 30;
		my $dice = rand;
		if ($dice < 0.3)
		{
			$sql .= "COPY aiusage.usage_record (api_key, user_id, provider, model, usage) FROM stdin;\n" .
				join('', map { "k1\tu$u\tlab\tm1\t{\"input_tokens\": " . (1 + int rand 5) . "}\n" } (1 .. $rows)) . "\\.\n";
		}
		elsif ($dice < 0.6)
		{
			$sql .= 'INSERT INTO aiusage.usage_record (api_key, user_id, provider, model, usage) VALUES ' .
				join(', ', map { "('k1', 'u$u', 'lab', 'm1', '{\"input_tokens\": " . (1 + int rand 5) . "}')" } (1 .. $rows)) . ";\n";
		}
		elsif ($dice < 0.8)
		{
			$sql .= "BEGIN;\nSELECT put($u, 3);\nSELECT put($u, 2);\nSELECT 1 / 0;\nCOMMIT;\n";
		}
		else
		{
			$sql .= "SELECT * FROM aiusage.ingest('[" . join(', ', map { qq({"api_key": "k1", "user_id": "u$u", "provider": "lab", "model": "m1", "usage": {"input_tokens": 2}}) } (1 .. 5)) . "]');\n";
		}
	}
	return $sql;
}

sub start_traffic
{
	my @run;
	my $n = sprintf '%.0f', $seconds < 1 ? 1 : $seconds;

	push @run, IPC::Run::start([ 'pgbench', '-n', '-M', 'simple', '-c', $clients, '-j', 2, '-T', $n, '--random-seed=' . int(rand 1e9), '-f', $script, $node->connstr('lab') ],
		'<', \undef, '>', $node->basedir . '/pgbench.log', '2>&1');
	for my $i (1, 2)
	{
		my $file = $node->basedir . "/plain$i.sql";
		unlink $file;
		append_to_file($file, plain_traffic());
		push @run, IPC::Run::start([ 'timeout', $n + 1, 'psql', '-X', '-q', '-d', $node->connstr('lab'), '-f', $file ], '<', \undef, '>', $node->basedir . "/psql$i.log", '2>&1');
	}
	return @run;
}

# What every counter should be, by plain SQL; and how much of it says why it may be above the limit.
$q->(q{
	CREATE VIEW expected AS
	WITH u AS (
		SELECT r.api_key, r.user_id, r.model, r.provider, r.recorded_at,
			CASE WHEN r.recorded_at - r.occurred_at > '1 hour' THEN r.recorded_at ELSE r.occurred_at END AS at,
			coalesce(r.cost::numeric, 0) AS cost, coalesce((r.usage::jsonb ->> 'input_tokens')::numeric, 0) AS tokens,
			(r.status <> 'success')::int AS error,
			coalesce(r.spent, false) OR r.quota_state IN ('over', 'unheld') AS flagged, r.job_id = 'above' AS above
		FROM aiusage.usage_record AS r)
	SELECT e.name, e.labels, e.w, sum(e.amount) AS used, coalesce(sum(e.amount) FILTER (WHERE e.flagged), 0) +
		coalesce(sum(least(e.amount, 2)) FILTER (WHERE e.above AND NOT e.flagged), 0) AS excused
	FROM (
		SELECT 'cap' AS name, '{}'::text[] AS labels, 0::numeric AS w, cost AS amount, flagged, above FROM u
		UNION ALL SELECT 'key requests', ARRAY[api_key], 0, 1, flagged, above FROM u
		UNION ALL SELECT 'user tokens', ARRAY[user_id], extract(epoch FROM date_trunc('day', at) - '2000-01-01 UTC') * 1000000, tokens, flagged, above FROM u
		UNION ALL SELECT 'model spend', ARRAY[model], extract(epoch FROM date_trunc('month', at) - '2000-01-01 UTC') * 1000000, cost, flagged, above FROM u
		UNION ALL SELECT 'requests an hour', '{}', extract(epoch FROM date_trunc('hour', recorded_at) - '2000-01-01 UTC') * 1000000, 1, flagged, above FROM u
		UNION ALL SELECT 'project spend', ARRAY['p'], 0, cost, flagged, above FROM u
		UNION ALL SELECT 'errors', '{}', 0, error, flagged, above FROM u
		UNION ALL SELECT 'team input', ARRAY['t', api_key], extract(epoch FROM date_trunc('day', at) - '2000-01-01 UTC') * 1000000, tokens, flagged, above FROM u
	) AS e GROUP BY 1, 2, 3;

	-- counters in memory that are something else
	CREATE VIEW wrong_counters AS
	SELECT q.name, e.labels, c.window_start, c.committed, e.used, c.reserved, c.held, c.pins
	FROM aiusage.quota_counters() AS c JOIN aiusage.quota AS q USING (quota)
	LEFT JOIN expected AS e ON e.name = q.name AND e.w = c.window_start AND c.subject = aiusage.quota_subject_id(q.quota, q.epoch, e.labels)
	WHERE c.state <> 'ready' OR c.committed <> coalesce(e.used, 0) OR c.reserved <> 0 OR c.held <> 0 OR c.pins <> 0;

	CREATE VIEW wrong_states AS
	WITH e AS MATERIALIZED (TABLE expected), s AS MATERIALIZED (TABLE aiusage.quota_state)
	SELECT e.name, e.labels, e.used, s.used AS state_used, s.held
	FROM e JOIN aiusage.quota AS q USING (name)
	LEFT JOIN s ON s.quota = q.quota AND s.subject = aiusage.quota_subject_text(q.per, q.tag, e.labels)
	WHERE e.w = (SELECT max(x.w) FROM e AS x WHERE x.name = e.name) AND (s.used IS DISTINCT FROM e.used OR s.held <> 0);
});

sub used
{
	my ($name) = @_;
	return $q->("SELECT coalesce(max(used), 0) FROM expected WHERE name = '$name'");
}

sub violation
{
	my ($name, $what) = @_;

	$violations++ if $what ne '';
	is($what, '', $name) or diag("seed $seed");
	return;
}

my $standby;
my @kinds = ('folds, and a limit that is raised', 'kill -9 of a backend', 'immediate restart');
my @binding = ('cap', 'team input', 'key requests', 'project spend', 'requests an hour', 'model spend');
my $booked = 0;

for my $round (1 .. $rounds)
{
	my $kind = $round == $rounds ? 'promotion' : $kinds[ ($round - 1) % @kinds ];
	my $binding = $binding[ int rand @binding ];
	my $room = 500 + int rand 1500;
	my $before = used($binding);
	my $cap = $before + $room;
	my $what = "round $round, $kind, $binding";

	if ($kind eq 'promotion')
	{
		$node->backup('b');
		$standby = PostgreSQL::Test::Cluster->new('stress_standby');
		$standby->init_from_backup($node, 'b', has_streaming => 1);
		$standby->start;
	}
	put_limit($binding, $kind =~ /raised/ ? $before + int($room / 2) : $cap);
	# the traffic may find no room for any: one call of each kind of hold before it, for certain
	$q->("SELECT settle(ask(1, 2, $_), 1, 2, 1)") for ('true', 'false');
	my @run = start_traffic();
	my $log_end = -s $node->logfile;
	my $killed = 0;
	usleep($seconds * 500_000);
	if ($kind eq 'kill -9 of a backend')
	{
		my $pid = $q->(q{SELECT pid FROM pg_stat_activity WHERE datname = 'lab' AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND query <> '' ORDER BY random() LIMIT 1});
		$killed = $pid =~ /^\d+$/ && kill 'KILL', $pid;
	}
	elsif ($kind =~ /folds/)
	{
		$q->('SELECT aiusage.refresh()') for (1 .. 2);
		put_limit($binding, $cap);
		$q->('SELECT aiusage.refresh()');
	}
	elsif ($kind eq 'immediate restart')
	{
		$node->stop('immediate');
	}
	elsif ($kind eq 'promotion')
	{
		$node->stop('immediate');
		$standby->promote;
	}
	$_->finish for @run;
	if ($kind eq 'immediate restart') { $node->start }
	elsif ($kind eq 'promotion')
	{
		# what the standby has not got is lost, and is in none of its counters
		$node = $standby;
	}
	# a psql that is turned away does not read its query, and whoever writes it dies: no polling before it is up
	$node->wait_for_log(qr/all server processes terminated; reinitializing.*database system is ready to accept connections/s, $log_end) if $killed;
	$node->poll_query_until('lab', 'SELECT NOT pg_is_in_recovery()') or die 'the server did not come back';

	# holds of clients that are gone expire; then until nothing fits
	$node->poll_query_until('lab', q{SELECT aiusage.sweep_holds() >= 0 AND NOT EXISTS (SELECT FROM aiusage.quota_holds() WHERE status = 'open' AND held > 0)})
		or violation("$what: nothing is held any more", $q->(q{SELECT * FROM aiusage.quota_holds() WHERE status = 'open'}));
	violation("$what: the limit is reached", $q->(q{SELECT 'never' FROM fill(1, 5) AS n WHERE n < 0}));
	$q->(q{SELECT try_put(u, 1, NULL, 'error') FROM generate_series(1, 3) AS u});

	my $largest = $limit{$binding}[3];
	violation("$what: at most the limit and what says why it is more",
		$q->("SELECT name, labels, used, excused FROM expected WHERE name = '$binding' AND used > $cap + excused"));
	violation("$what: at least the limit, less the largest request that was refused",
		$q->("SELECT name, labels, used FROM expected WHERE name = '$binding' AND used = (SELECT max(used) FROM expected WHERE name = '$binding') AND used <= $cap - $largest"));
	violation("$what: counters are what the ledger adds up to", $q->('SELECT * FROM wrong_counters'));
	violation("$what: and so is quota_state", $q->('SELECT * FROM wrong_states'));
	violation("$what: verify() is clean", $q->('SELECT * FROM aiusage.verify() AS v WHERE NOT v.ok'));
	$booked = $q->('SELECT count(*) FROM aiusage.usage_record');
	note "$what: $booked rows in all";
	put_limit($binding, $unlimited);
}

cmp_ok($booked, '>', 100 * $rounds, 'there was traffic');
cmp_ok($q->(q{SELECT count(*) FROM aiusage.usage_record WHERE hold_id IS NOT NULL}), '>', 0, 'some of it drew on holds');
cmp_ok($q->(q{SELECT count(*) FROM aiusage.usage_record WHERE spent}), '>', 0, 'some was spent');
is($violations, 0, "seed $seed: $rounds rounds, $clients clients, $booked rows, $violations violations");
diag("limits under stress: seed $seed, $rounds rounds, $booked rows, $violations violations");
done_testing();
