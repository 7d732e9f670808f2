# The same decisions: random histories of rows, replays, transactions that are
# rolled back, corrections, folds, admissions, settlements, releases, changed
# limits, overrides, crashes; and for each step what a model that is a few
# dozen lines of Perl says.  One session, so the answer is certain.
#
# The model knows a limit as a number, and as what is used and held a subject;
# that is all there is to know.
#
#     AIUSAGE_SEED=1,2  AIUSAGE_MODEL_STEPS=1500
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $steps = $ENV{AIUSAGE_MODEL_STEPS} // 1500;
my @seeds = seeds(11, 12);
my $node = new_node('decisions');
my %price = (m1 => 1, m2 => 2);

# name => [ metric, per, refuses, what the record says besides ]; all of windows that do not end here
my %limits = (
	cap => [ 'spend', '', 1, '"currency": "USD", "window": "total", "thresholds": [50]' ],
	calls => [ 'requests', 'api_key', 1, '"window": "100 years", "per": ["api_key"]' ],
	tokens => [ 'tokens', 'user_id', 1, '"window": "12 hours", "sliding": true, "per": ["user_id"]' ],
	model => [ 'spend', 'model', 1, '"currency": "USD", "window": "total", "per": ["model"], "action": "throttle"' ],
	watch => [ 'tokens', 'model', 0, '"window": "total", "per": ["model", "api_key"], "action": "flag"' ],
	errors => [ 'errors', '', 1, '"window": "total", "scope": {"team": "t"}' ],
	free => [ 'requests', 'api_key', 1, '"window": "10 years", "scope": {"model": "m2"}, "per": ["api_key"]' ],
	open => [ 'concurrency', '', 1, '"window": "total"' ]);

my $setup = q{
	INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('model', 'cost', 'USD');
	SELECT FROM aiusage.import_prices('model', 'genai-prices', '[{"id": "lab", "models": [
		{"id": "m1", "match": {"equals": "m1"}, "prices": {"input_mtok": 1000000}},
		{"id": "m2", "match": {"equals": "m2"}, "prices": {"input_mtok": 2000000}}]}]', '2026-01-01');
	SELECT FROM aiusage.put_key('{"key": "k1", "team": "t", "price_book": "model"}');
	SELECT FROM aiusage.put_key('{"key": "k2", "team": "t", "price_book": "model"}');
	CREATE TABLE row_of (step text, id uuid);
	CREATE TABLE hold_of (step text, id uuid);
	CREATE FUNCTION put(step text, r text, k text, u text, m text, n int, st text, sp boolean, h text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		booked record;
	BEGIN
		INSERT INTO aiusage.usage_record AS x (id, api_key, user_id, provider, model, usage, status, spent, hold_id)
		VALUES (CASE WHEN r IS NULL THEN aiusage.uuid_v7() ELSE aiusage.event_id(r, date_trunc('day', now())) END, k, u, 'lab', m,
			aiusage.usage('input_tokens', n), st::aiusage.usage_status, sp, (SELECT o.id FROM hold_of AS o WHERE o.step = h))
		ON CONFLICT DO NOTHING RETURNING x.id, x.quota_state INTO booked;
		IF booked.id IS NULL THEN RETURN 'replay'; END IF;
		INSERT INTO row_of VALUES (step, booked.id);
		RETURN booked.quota_state;
	EXCEPTION WHEN SQLSTATE 'UA429' THEN RETURN 'denied';
	END $$;
	-- two rows of one statement that name the same hold
	CREATE FUNCTION twice(step text, k text, u text, m text, n int, h text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO aiusage.usage_record (api_key, user_id, provider, model, usage, hold_id)
		SELECT k, u, 'lab', m, aiusage.usage('input_tokens', n), o.id FROM hold_of AS o, generate_series(1, 2) WHERE o.step = h;
		RETURN 'both';
	EXCEPTION WHEN SQLSTATE 'UA429' THEN RETURN 'denied';
	END $$;
	CREATE FUNCTION ask(step text, k text, u text, m text, n int, durable boolean) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		a record;
	BEGIN
		SELECT * INTO a FROM aiusage.admit(k, 'lab', m, aiusage.usage('input_tokens', n), user_id => u, ttl => '2 hours', durable => durable);
		INSERT INTO hold_of SELECT step, a.hold_id WHERE a.hold_id IS NOT NULL;
		RETURN a.decision;
	END $$;
	CREATE FUNCTION give_back(h text) RETURNS boolean LANGUAGE sql AS $$ SELECT aiusage.release((SELECT o.id FROM hold_of AS o WHERE o.step = h)) $$;
	CREATE FUNCTION correct(step text, n int) RETURNS text LANGUAGE sql AS $$
		UPDATE row_of AS r SET id = aiusage.adjust(r.id, aiusage.usage('input_tokens', n), 'model', NULL) WHERE r.step = correct.step RETURNING 'corrected' $$;
};

# ---- the model: (limit, subject) => used, held; holds; rows
my (%cap, %raise, %used, %held, %hold, %row, %request);

sub effective
{
	my ($limit) = @_;
	my $sum = $cap{$limit};
	$sum += $_ for values %{ $raise{$limit} };
	return $sum;
}

# What a row or a request charges: [limit, subject, amount]...
sub charges
{
	my ($r, $holding) = @_;
	my @c;

	for my $limit (sort keys %limits)
	{
		my ($metric, $per) = @{ $limits{$limit} };
		my %is = (api_key => $r->{k}, user_id => $r->{u}, model => $r->{m});
		my $subject = $limit eq 'watch' ? "$r->{m} $r->{k}" : $per eq '' ? '' : $is{$per};
		next if $limit eq 'free' && $r->{m} ne 'm2';
		my $amount = { spend => $r->{n} * $price{ $r->{m} }, requests => 1, tokens => $r->{n}, errors => $r->{st} eq 'success' || $r->{st} eq 'cancelled' ? 0 : 1,
			concurrency => $holding ? 1 : 0 }->{$metric};
		$amount = 1 if $metric eq 'errors' && $r->{st} eq 'cancelled';
		push @c, [ $limit, $subject, $amount ] if $amount;
	}
	return @c;
}

sub standing_of { my ($c) = @_; return ($used{"$c->[0]|$c->[1]"} // 0) + ($held{"$c->[0]|$c->[1]"} // 0) }

sub refused
{
	my (@c) = @_;
	return grep { $limits{ $_->[0] }[2] && standing_of($_) + $_->[2] > effective($_->[0]) } @c;
}

# Book a row; returns quota_state, or what else became of it.
sub book
{
	my ($step, $r) = @_;
	my $h = defined $r->{h} ? $hold{ $r->{h} } : undef;
	my $standing = !defined $h ? 'none' : $h->{k} ne $r->{k} ? 'forged' : $h->{status};
	my @c = charges($r, 0);
	my $must = $r->{sp} || $standing eq 'open' || $standing eq 'late';
	my $last = $r->{st} eq 'success' || $r->{st} eq 'cancelled';
	my $state = 'ok';

	return 'replay' if defined $r->{r} && $request{ $r->{r} };
	return 'denied' if !$must && refused(@c);
	for my $c (@c)
	{
		my $own = 0;
		if ($standing eq 'open')
		{
			my $rest = $h->{rest}{"$c->[0]|$c->[1]"} // 0;
			$own = $last || $rest < $c->[2] ? $rest : $c->[2];
		}
		my $total = standing_of($c) - $own + $c->[2];
		if ($total > effective($c->[0])) { $state = 'over' }
		elsif ($state eq 'ok' && $c->[0] eq 'cap' && $total * 2 >= effective('cap')) { $state = 'soft' }
	}
	$state = 'unheld' if $standing eq 'late';
	$used{"$_->[0]|$_->[1]"} += $_->[2] for @c;
	if ($standing eq 'open')
	{
		if ($last) { close_hold($h) }
		else
		{
			for my $c (@c)
			{
				my $key = "$c->[0]|$c->[1]";
				my $rest = $h->{rest}{$key} // 0;
				my $draw = $rest < $c->[2] ? $rest : $c->[2];
				$h->{rest}{$key} -= $draw;
				$held{$key} -= $draw;
			}
		}
	}
	$request{ $r->{r} } = 1 if defined $r->{r};
	$row{$step} = { %$r };
	return $state;
}

sub close_hold
{
	my ($h) = @_;
	$held{$_} -= $h->{rest}{$_} for keys %{ $h->{rest} };
	$h->{rest} = {};
	$h->{status} = 'closed';
	return;
}

sub copy_of { my ($x) = @_; return { map { my $v = $x->{$_}; $_ => ref $v ? copy_of($v) : $v } keys %$x } }

sub pick { return $_[ int rand @_ ] }
sub lit { my ($x) = @_; return defined $x ? "'$x'" : 'NULL' }

sub random_row
{
	my ($step) = @_;
	return { k => pick('k1', 'k1', 'k2'), u => pick('u1', 'u2', 'u3'), m => pick('m1', 'm1', 'm2'), n => int rand 12,
		st => pick('success', 'success', 'success', 'error'), sp => rand() < 0.05 ? 'true' : undef,
		r => rand() < 0.2 ? 'r' . int(rand 40) : undef };
}

sub put_sql
{
	my ($step, $r) = @_;
	return "SELECT put('$step', " . join(', ', lit($r->{r}), lit($r->{k}), lit($r->{u}), lit($r->{m}), $r->{n}, lit($r->{st}), $r->{sp} // 'NULL', lit($r->{h})) . ')';
}

sub limit_sql
{
	my ($limit) = @_;
	my $metric = $limits{$limit}[0];
	return qq[aiusage.put_quota('{"name": "$limit", "metric": "$metric", "limit": $cap{$limit}, $limits{$limit}[3]}')];
}

# One step: (statement that answers with one line, that line)...
sub step
{
	my ($i) = @_;
	my $dice = rand 100;

	if ($dice < 42)
	{
		my $r = random_row($i);
		return ([ put_sql("s$i", $r), book("s$i", $r) ]);
	}
	if ($dice < 57)
	{
		my $r = random_row($i);
		my $durable = rand() < 0.4 ? 'true' : 'false';
		my @c = charges({ %$r, st => 'success' }, 1);
		my $sql = "SELECT ask('s$i', '$r->{k}', '$r->{u}', '$r->{m}', $r->{n}, $durable)";

		if (my @no = refused(@c))
		{
			# what the limit says is to be done; of several, any
			my %say = map { ($_->[0] eq 'model' ? 'throttle' : 'deny') => 1 } @no;
			return ([ $sql, join '|', sort keys %say ]);
		}
		$hold{"s$i"} = { %$r, status => 'open', durable => $durable, rest => { map { ("$_->[0]|$_->[1]" => $_->[2]) } @c } };
		$held{"$_->[0]|$_->[1]"} += $_->[2] for @c;
		return ([ $sql, 'allow' ]);
	}
	if ($dice < 72 && %hold)
	{
		# mostly what was admitted, or near it; mostly open ones
		my @open = grep { $hold{$_}{status} eq 'open' } sort keys %hold;
		my $name = @open && rand() < 0.85 ? pick(@open) : pick(sort keys %hold);
		my $r = { %{ $hold{$name} }, h => $name, r => undef, sp => undef, st => pick('success', 'success', 'error', 'cancelled', 'timeout') };
		$r->{n} = int rand($r->{n} + 4);
		$r->{u} = pick('u1', 'u2', 'u3') if rand() < 0.1;
		$r->{k} = pick('k1', 'k2') if rand() < 0.1;
		return ([ put_sql("s$i", $r), book("s$i", $r) ]);
	}
	if ($dice < 75 && %hold)
	{
		my $name = pick(sort keys %hold);
		my $open = $hold{$name}{status} eq 'open';
		close_hold($hold{$name}) if $open;
		return ([ "SELECT give_back('$name')", $open ? 't' : 'f' ]);
	}
	if ($dice < 81)
	{
		# a transaction of several, a savepoint in it; undone, or not
		my @all = (\%used, \%held, \%hold, \%row, \%request);
		my @before = map { copy_of($_) } @all;
		my @steps = ([ 'BEGIN', undef ]);
		for my $j (1 .. 2) { my $r = random_row($i); push @steps, [ put_sql("s$i.$j", $r), book("s$i.$j", $r) ] }
		my @mid = map { copy_of($_) } @all;
		push @steps, [ 'SAVEPOINT s', undef ];
		for my $j (3 .. 4) { my $r = random_row($i); push @steps, [ put_sql("s$i.$j", $r), book("s$i.$j", $r) ] }
		my $undo = sub { my @to = @_; %{ $all[$_] } = %{ $to[$_] } for 0 .. $#all };
		if (rand() < 0.5) { $undo->(@mid); push @steps, [ 'ROLLBACK TO s', undef ] }
		my $r = random_row($i);
		push @steps, [ put_sql("s$i.5", $r), book("s$i.5", $r) ];
		if (rand() < 0.4) { $undo->(@before); push @steps, [ 'ROLLBACK', undef ] } else { push @steps, [ 'COMMIT', undef ] }
		return @steps;
	}
	if ($dice < 83 && grep { $_->{status} eq 'open' } values %hold)
	{
		# a hold settles once, also within one transaction, and within one statement
		my $name = pick(grep { $hold{$_}{status} eq 'open' } sort keys %hold);
		my $r = { %{ $hold{$name} }, h => $name, r => undef, sp => undef, st => 'success' };
		my $sql = "SELECT twice('s$i', " . join(', ', lit($r->{k}), lit($r->{u}), lit($r->{m}), $r->{n}, lit($name)) . ')';
		my @all = (\%used, \%held, \%hold, \%row, \%request);
		my @before = map { copy_of($_) } @all;
		my $own = copy_of($hold{$name}{rest});
		book("s$i", $r);
		# what it held is free at the commit only
		$held{$_} += $own->{$_} for keys %$own;
		my $second = book("s$i.2", { %$r });
		$held{$_} -= $own->{$_} for keys %$own;
		if ($second eq 'denied') { %{ $all[$_] } = %{ $before[$_] } for 0 .. $#all }
		else { delete $row{"s$i"}; delete $row{"s$i.2"} }
		return ([ $sql, $second eq 'denied' ? 'denied' : 'both' ]);
	}
	if ($dice < 86 && %row)
	{
		# money moves, rates do not
		my $name = pick(sort keys %row);
		my $r = $row{$name};
		my $n = int rand 12;
		for my $c (charges({ %$r, n => 1 }, 0))
		{
			$used{"$c->[0]|$c->[1]"} += ($n - $r->{n}) * $price{ $r->{m} } if $limits{ $c->[0] }[0] eq 'spend';
		}
		$r->{n} = $n;
		return ([ "SELECT correct('$name', $n)", 'corrected' ]);
	}
	if ($dice < 90)
	{
		return ([ 'SELECT FROM aiusage.refresh()', '' ]);
	}
	if ($dice < 96)
	{
		my $limit = pick(sort keys %limits);
		my $most = 0;
		for (keys %used, keys %held) { my ($l) = split /\|/; next if $l ne $limit; my $s = ($used{$_} // 0) + ($held{$_} // 0); $most = $s if $s > $most }
		$cap{$limit} = int($most * (0.9 + rand 0.7)) + ($limit eq 'open' ? 1 + int rand 4 : int rand 60);
		return ([ 'SELECT ' . limit_sql($limit) . ' IS NULL', 'f' ]);
	}
	my $limit = pick('cap', 'calls', 'model');
	if (%{ $raise{$limit} } && rand() < 0.6)
	{
		my $number = pick(sort keys %{ $raise{$limit} });
		delete $raise{$limit}{$number};
		return ([ "SELECT aiusage.end_override((SELECT override FROM aiusage.quota_override WHERE reason = '$number'), 'over')", 't' ]);
	}
	$raise{$limit}{"s$i"} = 1 + int rand 40;
	return ([ qq{SET SESSION AUTHORIZATION asker; SELECT aiusage.request_override('$limit', now() + interval '1 day', 's$i', raise_by => $raise{$limit}{"s$i"}) IS NULL; RESET SESSION AUTHORIZATION}, 'f' ],
		[ "SELECT aiusage.approve_request((SELECT request FROM aiusage.quota_request WHERE reason = 's$i')) IS NULL", 'f' ]);
}

my $differ = 0;
my $done = 0;
my %answers;
$node->safe_psql('postgres', 'CREATE ROLE asker LOGIN');

for my $seed (@seeds)
{
	my $db = "model_$seed";
	srand($seed);
	%$_ = () for (\%cap, \%raise, \%used, \%held, \%hold, \%row, \%request);
	%cap = (cap => 400, calls => 60, tokens => 300, model => 300, watch => 100, errors => 30, free => 30, open => 3);
	$raise{$_} = {} for keys %limits;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, "SET client_min_messages = warning; CREATE EXTENSION aiusage; SELECT FROM aiusage.init(); $setup" .
		"SELECT aiusage.grant_access('asker', 'admin');" . join('', map { 'SELECT ' . limit_sql($_) . ';' } sort keys %limits));

	for (my $i = 1; $i <= $steps && !$differ;)
	{
		# until the next crash
		my @part;
		my $end = $i + int($steps / 4) + 1;
		for (; $i < $end && $i <= $steps; $i++) { push @part, map { [ $i, @$_ ] } step($i) }
		# a statement that fails answers with nothing, which no step expects
		my $out = '';
		$node->psql($db, join("\n", "\\set QUIET 1", map { my $p = $_; "\\echo #\n$p->[1];" } @part) . "\n\\echo #\n", stdout => \$out, on_error_stop => 0);
		my @out = map { my $o = $_; $o =~ s/^\s+|\s+$//g; $o } split /^#$/m, $out;
		shift @out;
		for my $p (0 .. $#part)
		{
			my ($n, $sql, $expected) = @{ $part[$p] };
			my $answer = $out[$p] // 'nothing';
			next if !defined $expected;
			$done++;
			$answers{ $sql =~ /twice\(/ ? "twice $answer" : $sql =~ /put\(/ ? "row $answer" : $sql =~ /ask\(/ ? "admit $answer" : $answer =~ /^corr/ ? $answer : 'other' }++;
			next if grep { $_ eq $answer } $expected eq '' ? ('') : split /\|/, $expected;
			$differ++;
			is($answer, $expected, "seed $seed, step $n: $sql");
			last;
		}
		last if $differ;
		is($node->safe_psql($db, q{SELECT * FROM aiusage.verify() AS v WHERE NOT v.ok}), '', "seed $seed, after step " . ($i - 1) . ': verify() is clean');
		last if $i > $steps;
		$node->stop('immediate');
		$node->start;
		# holds in memory are gone, and those that were closed are not remembered
		for my $h (values %hold)
		{
			close_hold($h) if $h->{status} eq 'open' && $h->{durable} eq 'false';
			$h->{status} = 'late' if $h->{status} ne 'open';
		}
	}
}
is($differ, 0, "$done decisions, as the model says") or diag("seeds @seeds");
cmp_ok($answers{$_} // 0, '>', 0, "among them '$_'") for ('row ok', 'row soft', 'row over', 'row denied', 'row replay', 'row unheld', 'twice denied', 'admit allow', 'admit deny', 'corrected');
diag(join ', ', map { "$_: $answers{$_}" } sort keys %answers);
done_testing();
