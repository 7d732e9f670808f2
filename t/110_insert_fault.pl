# A backend that is killed, cancelled or terminated at each point of an insert
# under limits, of a COPY, of admission and of what becomes of a hold, beside
# traffic that runs into the cap.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use Faults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = faulty_node('insert');
faulty_books($node, 'base');

my $insert = q{INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage) VALUES ('victim', 'k1', 'lab', 'm1', '{"input_tokens": 3}');};
my $copy = "COPY aiusage.usage_record (request_id, api_key, provider, model, usage) FROM STDIN;\n"
  . join('', map { "victim\tk1\tlab\tm1\t{\"input_tokens\": 1}\n" } (1 .. 400)) . '\.';
my $hold = q{SELECT hold_id AS h FROM aiusage.admit('k1', 'lab', 'm1', '{"input_tokens": 5}', ttl => '1 hour') \gset};
my $settle = q{INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage, hold_id) VALUES ('victim', 'k1', 'lab', 'm1', '{"input_tokens": 3}', :'h');};

# name, statement, made before, rows that it books, phases: name => [function, passes]
my @work = (
	[ 'insert', $insert, 'SELECT book(\'k1\', 1);', 1, [
		[ 'before it is priced', 'aiu_book' ],
		[ 'before the charge', 'aiu_charge' ],
		[ 'in the charge, counters locked', 'aiu_journal_note' ],
		[ 'after the charge, before the commit', 'PreCommit_Notify' ],
		[ 'commit record written, not flushed', 'XLogFlush' ],
		[ 'committed, not visible', 'ProcArrayEndTransaction' ],
		[ 'visible, counters not settled', 'quota_xact.c:xact_callback', 1 ],
		[ 'counters settled', 'aiu_quota_end_flush' ] ] ],
	# nobody has used this key since the start
	[ 'insert that loads a counter', $insert =~ s/'k1'/'h1'/r, '', 1, [
		[ 'in the load', 'aiu_quota_read_counter' ],
		[ 'before it is ready', 'aiu_hold_adopt' ] ] ],
	[ 'savepoint', "BEGIN;\nSAVEPOINT s;\n$insert\nROLLBACK TO s;\n$insert\nCOMMIT;", '', 1, [
		[ 'in the rollback', 'aiu_hold_end_subxact' ],
		[ 'commit record written, not flushed', 'XLogFlush' ] ] ],
	[ 'COPY', $copy, '', 400, [
		[ 'half of it', 'aiu_book', 200 ],
		[ 'half of the charges', 'aiu_charge', 200 ],
		[ 'commit record written, not flushed', 'XLogFlush' ] ] ],
	[ 'admission', q{SELECT FROM aiusage.admit('k1', 'lab', 'm1', '{"input_tokens": 5}', ttl => '1 hour');}, '', 0, [
		[ 'held, not noted', 'aiu_hold_note' ],
		[ 'before the commit', 'PreCommit_Notify' ],
		[ 'commit record written, not flushed', 'XLogFlush' ] ] ],
	[ 'settlement', $settle, $hold, 1, [
		[ 'hold claimed', 'aiu_hold_note' ],
		[ 'before the commit', 'PreCommit_Notify' ],
		[ 'visible, hold open', 'aiu_hold_end_xact' ] ] ],
	[ 'release', q{SELECT aiusage.release(:'h');}, $hold, 0, [
		[ 'before the commit', 'PreCommit_Notify' ],
		[ 'committed, hold open', 'aiu_hold_end_xact' ] ] ]);

my $only = $ENV{AIUSAGE_FAULT_ONLY} // '.';
my $copied = 0;
for my $signal (split " ", $ENV{AIUSAGE_FAULT_SIGNALS} // "KILL INT TERM")
{
	my %fault = (KILL => 'kill -9', INT => 'cancel', TERM => 'terminate');

	for my $work (grep { $_->[0] =~ /$only/ } @work)
	{
		my ($name, $sql, $before, $rows, $phases) = @$work;

		for my $phase (@$phases)
		{
			my ($where, $function, $passes) = @$phase;
			# signals wait there until it is over
			next if $signal ne 'KILL' && $where =~ /commit record|committed|visible|settled/;
			my ($log_end, @wrong) = (-s $node->logfile);

			# what is killed uses the cap up; and a counter is loaded once
			copy_books($node, 'base', 'work') if $signal eq 'KILL' || $name =~ /loads/ || !$copied++;
			my $victims = q{SELECT count(*) FROM aiusage.usage_record WHERE request_id = 'victim'};
			my $were = $node->safe_psql('work', $victims);
			my $traffic = traffic($node, 'work');
			busy($traffic, 150);
			my ($hit, $said) = strike($node, 'work', $sql, before => $before, at => $function, passes => $passes, signal => $signal);
			push @wrong, "it never came by $function" unless $hit;
			recovered($node, $log_end) if $hit && $signal eq 'KILL';
			end_traffic($traffic, gone => $hit && $signal eq 'KILL');

			my $booked = $node->safe_psql('work', $victims) - $were;
			push @wrong, "$booked of $rows rows" if $booked != 0 && $booked != $rows;
			if ($signal eq 'KILL')
			{
				push @wrong, 'what was committed is gone' if $where =~ /^committed|^visible|settled/ && $booked != $rows;
				push @wrong, 'what was not committed is there' if $where !~ /commit record|^committed|^visible|settled/ && $booked != 0;
			}
			elsif ($signal eq 'INT')
			{
				# it waits while locks are held, and may come too late
				push @wrong, "$booked rows, and the client heard: $said" if ($said =~ /canceling statement/) == ($booked > 0) && $rows > 0;
			}
			judge($node, 'work', "$fault{$signal}: $name", $where, [$traffic], wrong => \@wrong, fill => $signal eq 'KILL');
		}
	}
}

$node->stop;
done_testing();
