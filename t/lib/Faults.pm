# Shared by the fault tests (t/11*): books under traffic whose clients know what
# was acknowledged, a fault at an exact point of somebody's work, and the
# judgement afterwards.  See docs/testing.md, "Faults".
#
# A fault happens where a debugger stops a backend: at a C function, or at the
# n-th WAL record of what it does.  Nothing in the product knows of it.
package Faults;

use strict;
use warnings;
use Exporter 'import';
use AiusageTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(faulty_node faulty_books copy_books traffic busy end_traffic strike count_stops recovered fill_disk empty_disk judge fault_row);

my $dir = PostgreSQL::Test::Utils::tempdir;
my $serial = 0;

sub faulty_node
{
	my ($name, %o) = @_;

	return new_node($name, conf => "restart_after_crash = on\nmax_connections = 60\nautovacuum = off\nlog_statement = none\n" . ($o{conf} // ''));
}

# Books with a cap on the keys k1 and k2, and a small one that traffic of k2 runs
# into at once; and a past that traffic does not touch: keys h1 and h2 of team
# "past", two months of 2024 folded, one not, and one in the DEFAULT partition.
sub faulty_books
{
	my ($node, $db, %o) = @_;
	my $cap = $o{cap} // 100_000;

	make_lab($node, $db);
	$node->safe_psql($db, qq{
		SET client_min_messages = warning;
		INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('past', 'list', 'USD');
		SELECT FROM aiusage.import_prices('past', 'genai-prices', '[{"id": "lab", "models": [
			{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 1000000}}]}]', '2024-01-01');
		SELECT aiusage.put_key(jsonb_build_object('key', k, 'team', 'past', 'cost_center', 'past', 'price_book', 'past', 'valid_from', '2020-01-01T00:00:00Z'))
			FROM unnest(ARRAY['h1', 'h2']) AS k;
		SELECT FROM aiusage.make_partitions('2024-03-01', '2024-06-01');
		CREATE FUNCTION history(month timestamptz, n int, f int DEFAULT 0) RETURNS void LANGUAGE sql AS \$\$
			INSERT INTO aiusage.usage_record (id, api_key, provider, model, usage, user_id)
			SELECT aiusage.event_id('h' || i, month + interval '1 day' + i * (interval '25 days' / (n + f))), 'h' || 1 + i % 2, 'lab', 'm1',
				aiusage.usage('input_tokens', 1 + i % 9), 'user-' || i % 7
			FROM generate_series(1 + f, n + f) AS i
		\$\$;
		SELECT history('2024-03-01 00:00+00', 600), history('2024-04-01 00:00+00', 600);
	});
	# publishing, too, is a fold's
	$node->safe_psql($db, $_) for ('SELECT aiusage.refresh()',
		qq{SELECT aiusage.put_quota('{"name": "cap", "scope": {"team": "t"}, "metric": "spend", "currency": "USD", "limit": $cap, "window": "total", "thresholds": [50, 90]}')},
		q{SELECT aiusage.put_quota('{"name": "small", "scope": {"api_key": "k2"}, "metric": "spend", "currency": "USD", "limit": 200, "window": "total"}')},
		q{SELECT aiusage.put_quota('{"name": "calls", "per": ["api_key"], "scope": {"team": "t"}, "metric": "requests", "limit": 100000000, "window": "total"}')},
		q{SELECT aiusage.put_quota('{"name": "past", "per": ["api_key"], "scope": {"team": "past"}, "metric": "spend", "currency": "USD", "limit": 100000000, "window": "total"}')});
	$node->safe_psql($db, q{
		SELECT history('2024-05-01 00:00+00', 600), history('2024-07-01 00:00+00', 300);

		CREATE TABLE denied (request text);
		-- one request of a client that sends each once and wants to know what became of it
		CREATE FUNCTION request(request text, key text, tokens int) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage)
			VALUES (request, key, 'lab', 'm1', aiusage.usage('input_tokens', tokens));
		EXCEPTION WHEN SQLSTATE 'UA429' THEN
			INSERT INTO denied VALUES (request);
		END $$;
		CREATE FUNCTION ask(key text, tokens int, durable boolean) RETURNS text LANGUAGE sql AS $$
			SELECT coalesce(a.hold_id::text, 'none') FROM aiusage.admit(key, 'lab', 'm1', aiusage.usage('input_tokens', tokens), durable => durable) AS a
		$$;
		CREATE FUNCTION settle(request text, key text, tokens int, hold text) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			IF hold = 'none' THEN
				INSERT INTO denied VALUES (request);
			ELSE
				INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage, hold_id)
				VALUES (request, key, 'lab', 'm1', aiusage.usage('input_tokens', tokens), hold::uuid);
			END IF;
		END $$;
		-- until nothing fits any more, not even one
		CREATE FUNCTION fill() RETURNS int LANGUAGE plpgsql AS $$
		DECLARE
			n int := 0;
		BEGIN
			WHILE try_book('k1', 500) <> 'denied' LOOP n := n + 1; END LOOP;
			WHILE try_book('k1', 1) <> 'denied' LOOP n := n + 1; END LOOP;
			RETURN n;
		END $$;
		CREATE FUNCTION spent() RETURNS numeric LANGUAGE sql AS $$
			SELECT coalesce(sum(u.cost::numeric), 0) FROM aiusage.usage_record AS u WHERE u.api_key IN ('k1', 'k2')
		$$;
		-- what a counter in memory says that plain SQL over the rows does not; and money above the cap
		CREATE FUNCTION violations() RETURNS SETOF text LANGUAGE sql AS $$
			SELECT format('%s of %s: memory %s, ledger %s, reserved %s, held %s, pins %s', q.name, coalesce(s.key, 'all'), c.committed, l.amount, c.reserved, c.held, c.pins)
			FROM aiusage.quota_counters() AS c
			JOIN aiusage.quota AS q USING (quota)
			CROSS JOIN LATERAL (SELECT k.key FROM (VALUES (NULL), ('k1'), ('k2')) AS k (key)
				WHERE c.subject = aiusage.quota_subject_id(q.quota, q.epoch, CASE WHEN q.per = '{}' THEN '{}' ELSE ARRAY[k.key] END) LIMIT 1) AS s
			CROSS JOIN LATERAL (SELECT CASE q.metric WHEN 'spend' THEN coalesce(sum(u.cost::numeric), 0) ELSE count(*) END AS amount
				FROM aiusage.usage_record AS u WHERE u.api_key = ANY (CASE WHEN q.name = 'small' THEN '{k2}' WHEN s.key IS NULL THEN '{k1,k2}' ELSE ARRAY[s.key] END)) AS l
			WHERE q.name IN ('cap', 'calls', 'small') AND q.status = 'active' AND c.state <> 'empty'
				AND (c.state <> 'ready' OR c.committed <> l.amount OR c.reserved <> 0 OR c.held <> 0 OR c.pins <> 0)
			UNION ALL
			SELECT format('%s spent of %s', l.spent, q."limit")
			FROM aiusage.quota AS q
			JOIN (SELECT 'cap' AS name, spent() UNION ALL SELECT 'small', sum(u.cost::numeric) FROM aiusage.usage_record AS u WHERE u.api_key = 'k2') AS l USING (name)
			WHERE l.spent > q."limit"
		$$;
	});
	return;
}

# Everybody leaves the original, and it is copied.
sub copy_books
{
	my ($node, $from, $to) = @_;

	$node->safe_psql('postgres', $_) for ("SET client_min_messages = error; DROP DATABASE IF EXISTS $to WITH (FORCE)", "CREATE DATABASE $to TEMPLATE $from",
		# the values that a copied sequence had in hand are not in the WAL until then: PostgreSQL would give them out twice after a crash
		'CHECKPOINT');
	return;
}

# ---------------------------------------------------------------- traffic

my $script = <<'PGBENCH';
\set n :n + 1
\set dice random(1, 10)
\set tokens random(1, 5)
\set key random(1, 2)
\if :dice <= 6
SELECT request(:run || '-' || :client_id || '-' || :n, 'k' || :key, :tokens);
\elif :dice <= 7
BEGIN;
SELECT request('undone', 'k' || :key, :tokens);
ROLLBACK;
SELECT request(:run || '-' || :client_id || '-' || :n, 'k' || :key, :tokens);
\elif :dice <= 8
BEGIN;
SAVEPOINT s;
SELECT request('undone', 'k' || :key, :tokens);
ROLLBACK TO s;
SELECT request(:run || '-' || :client_id || '-' || :n, 'k' || :key, :tokens);
COMMIT;
\else
SELECT ask('k' || :key, :tokens, :dice > 9) AS hold \gset
SELECT settle(:run || '-' || :client_id || '-' || :n, 'k' || :key, :tokens, ':hold');
\endif
PGBENCH

# traffic(NODE, DB, clients => 3, connstr => ...): requests until it is ended; a
# client that meets an error stops.
sub traffic
{
	my ($node, $db, %o) = @_;
	my $t = { node => $node, db => $db, run => 'r' . ++$serial, clients => $o{clients} // 3, log => '' };

	my $simple = !grep { /extended|prepared/ } @{ $o{options} // [] };

	# where variables are parameters, nothing is quoted
	append_to_file("$dir/$t->{run}.sql", $simple ? $script : $script =~ s/':hold'/:hold/r);
	$t->{process} = IPC::Run::start([ 'pgbench', '-n', '-c', $t->{clients}, '-j', 1, '-T', $o{seconds} // 300, '-f', "$dir/$t->{run}.sql", '-R', $o{rate} // 400, '-D', 'n=0', '-D', $simple ? "run='$t->{run}'" : "run=$t->{run}",
		@{ $o{options} // [] }, '-l', "--log-prefix=$dir/$t->{run}.log", ($o{connstr} // $node->connstr($db)) . " application_name=traffic" ], '<', \undef, '>', \$t->{log}, '2>&1');
	return $t;
}

# Wait until so many requests have been answered, one way or the other.
sub busy
{
	my ($t, $n) = @_;
	my $sql = "SELECT (SELECT count(*) FROM aiusage.usage_record WHERE request_id LIKE '$t->{run}-%') + (SELECT count(*) FROM denied WHERE request LIKE '$t->{run}-%') >= $n";

	$t->{node}->poll_query_until($t->{db}, $sql) or die "no traffic: $t->{log}";
	return;
}

# Its connections are cut, unless they are lost already.
sub end_traffic
{
	my ($t, %o) = @_;

	# a client that is killed cannot say what it has heard
	if ($o{kill})
	{
		$t->{deaf} = 1;
		$t->{process}->kill_kill;
	}
	# a client of a pooler has no connection at times
	while (!$o{kill} && !$o{gone} && $t->{process}->pumpable)
	{
		$t->{node}->psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'traffic'}, stdout => \my $killed);
		$t->{process}->pump_nb;
		usleep(50_000);
	}
	eval { $t->{process}->finish };
	$t->{acked} = {};
	for my $log (glob "$dir/$t->{run}.log.*")
	{
		for (split /\n/, slurp_file($log))
		{
			my ($client, $n) = split ' ';
			$t->{acked}{"$t->{run}-$client-$n"} = 1;
		}
	}
	return $t;
}

# ---------------------------------------------------------------- faults

# A session of its own, and its pid.
sub victim
{
	my ($node, $db, %o) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $v = { in => \$in, out => \$out, err => \$err };

	$v->{process} = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-d', $o{connstr} // $node->connstr($db), '-f', '-' ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$in .= ($o{before} // '') . "\n\\echo pid\nSELECT pg_backend_pid();\n";
	$v->{process}->pump until $out =~ /pid\n(\d+)\n/;
	$v->{pid} = $1;
	return $v;
}

# Stop it at a C function (after so many passes), and do what is said with it.
sub debugger
{
	my ($v, $at, $passes, @commands) = @_;
	my $flag = "$dir/armed." . ++$serial;
	my $g = { out => '' };

	$g->{process} = IPC::Run::start([ 'gdb', '-nx', '-batch', '-iex', 'set auto-solib-add off', '-p', $v->{pid}, '-ex', 'sharedlibrary ' . ($at eq 'malloc' ? 'libc.so' : 'aiusage'),
		'-ex', 'set confirm off', '-ex', 'set breakpoint pending off',
		'-ex', 'handle all nostop noprint pass', '-ex', "break $at", '-ex', "ignore 1 $passes", '-ex', "shell touch $flag", '-ex', 'continue', map { ('-ex', $_) } @commands ],
		'<', \undef, '>', \$g->{out}, '2>&1', IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	until (-e $flag)
	{
		$g->{process}->pump_nb;
		die "gdb: $g->{out}" unless $g->{process}->pumpable;
		usleep(5000);
	}
	die "gdb cannot stop at $at: $g->{out}" if $g->{out} =~ /not defined|No breakpoint number 1/;
	return $g;
}

# strike(NODE, DB, SQL, at => FUNCTION, passes => 0, signal => 'KILL', before => SQL)
# While SQL runs, its backend is sent a signal at the function; or commands => [of gdb].  Returns whether
# it came by there, and what psql said.
sub strike
{
	my ($node, $db, $sql, %o) = @_;
	my $v = victim($node, $db, %o);
	my $g = debugger($v, $o{at}, $o{passes} // 0, @{ $o{commands} // [ "shell kill -$o{signal} $v->{pid}", 'detach' ] });

	${ $v->{in} } .= "$sql\n\\q\n";
	$v->{process}->pump until $v->{in}->$* eq '' || !$v->{process}->pumpable;
	eval { $v->{process}->finish };
	eval { $g->{process}->finish };
	return (scalar($g->{out} =~ /Breakpoint 1, /), ${ $v->{err} });
}

# How often SQL comes by a function.
sub count_stops
{
	my ($node, $db, $sql, $at, %o) = @_;
	my $v = victim($node, $db, %o);
	my $g = debugger($v, $at, 1_000_000_000, 'info breakpoints');

	${ $v->{in} } .= "$sql\n\\q\n";
	$v->{process}->finish;
	$g->{process}->finish;
	die "failed without a fault: ${ $v->{err} }" if ${ $v->{err} } =~ /ERROR|FATAL/;
	return $g->{out} =~ /already hit (\d+) time/ ? $1 : 0;
}

# A backend was killed: all go down with it, and the postmaster starts over.
sub recovered
{
	my ($node, $log_end) = @_;

	$node->wait_for_log(qr/all server processes terminated; reinitializing.*database system is ready to accept connections/s, $log_end);
	return;
}

# All that is free of a file system but so many kB is taken by a file, until it is removed.
sub fill_disk
{
	my ($path, $kb) = @_;
	my (undef, $free) = split /\n/, `df --output=avail -k $path`;

	# traffic may take the last of it first
	$free -= $kb;
	PostgreSQL::Test::Utils::system_log('dd', 'if=/dev/zero', "of=$path/ballast", 'bs=1k', "count=$free", 'status=none');
	return;
}

sub empty_disk
{
	my ($path) = @_;

	unlink "$path/ballast" or die "$path/ballast: $!";
	return;
}

# ---------------------------------------------------------------- judgement

my %table;

# One line of the table.  Lines of one fault and phase are added up at the end.
sub fault_row
{
	my ($fault, $phase, $times, $acked, $lost, $violations, $verify) = @_;

	return unless $ENV{AIUSAGE_FAULT_TABLE};
	open my $fh, '>>', $ENV{AIUSAGE_FAULT_TABLE} or die "$ENV{AIUSAGE_FAULT_TABLE}: $!";
	print $fh join("\t", $fault, $phase, $times, $acked, $lost, $violations, $verify) . "\n";
	close $fh;
	return;
}

# judge(NODE, DB, FAULT, PHASE, [TRAFFIC...], wrong => [...], fill => 1, may_lose => 1, times => 1)
# What was acknowledged is there, once, as it was acknowledged; what was not is
# at most what each client was waiting for; counters, caps and verify() are
# right; with `fill` when the cap is used up, too, and after the next fold.
# `wrong`: what the caller has found.
sub judge
{
	my ($node, $db, $fault, $phase, $traffics, %o) = @_;
	my ($acked, $lost, @wrong) = (0, 0, @{ $o{wrong} // [] });

	for my $t (@{ $traffics // [] })
	{
		my %booked;
		my $doubt = 0;

		$booked{$_}++ for split /\n/, $node->safe_psql($db, "SELECT request_id FROM aiusage.usage_record WHERE request_id LIKE '$t->{run}-%'");
		$booked{$_}++ for split /\n/, $node->safe_psql($db, "SELECT request FROM denied WHERE request LIKE '$t->{run}-%'");
		$acked += keys %{ $t->{acked} };
		$lost += grep { !$booked{$_} } keys %{ $t->{acked} };
		push @wrong, map { "$_ is there $booked{$_} times" } grep { $booked{$_} > 1 } sort keys %booked;
		$doubt += grep { !$t->{acked}{$_} } keys %booked;
		push @wrong, "$doubt rows that nobody was told of, of $t->{clients} clients" if $doubt > $t->{clients} && !$t->{deaf};
	}
	push @wrong, 'what was rolled back is there' if $node->safe_psql($db, q{SELECT count(*) FROM aiusage.usage_record WHERE request_id = 'undone'}) ne '0';

	# The counters and durable holds are loaded, if they were not; what was admitted is not going to come any more.
	$node->safe_psql($db, $_) for (q{SELECT try_book('k1', 1), try_book('k2', 1)},
		q{SELECT aiusage.release(h.hold_id) FROM (SELECT DISTINCT q.hold_id FROM aiusage.quota_holds() AS q WHERE q.status = 'open') AS h});
	push @wrong, split /\n/, $node->safe_psql($db, 'SELECT * FROM violations()');
	if ($o{fill})
	{
		$node->safe_psql($db, 'SELECT fill()');
		push @wrong, split /\n/, $node->safe_psql($db, q{SELECT spent() || ' spent when nothing fits, of ' || "limit" FROM aiusage.quota WHERE name = 'cap' AND spent() <> "limit"});
	}
	my $verify = 'SELECT * FROM aiusage.verify() AS v WHERE NOT v.ok';
	my @bad = split /\n/, $node->safe_psql($db, $verify);
	$node->safe_psql($db, 'SELECT aiusage.refresh()');
	push @bad, split /\n/, $node->safe_psql($db, $verify) if $o{fill};
	push @wrong, map { "after the fold: $_" } split /\n/, $node->safe_psql($db, 'SELECT * FROM violations()');

	fault_row($fault, $phase, $o{times} // 1, $acked, $lost, scalar @wrong, scalar @bad);
	ok(($lost == 0 || $o{may_lose}) && !@wrong && !@bad, "$fault, $phase" . ($traffics ? ": $acked acknowledged" : ''))
	  or diag(join "\n", "lost: $lost", @wrong, @bad);
	return;
}

1;
