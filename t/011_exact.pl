
# The arithmetic under all money, src/types/exact.c, against Math::BigInt.
#
# It is compiled alone, with the sanitizers where the compiler has them, and
# driven through a pipe: SQL reaches only a part of its range (the 256-bit
# intermediates, for one), and that part is the price evaluator's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest qw(seeds);
use File::Temp qw(tempdir);
use Math::BigInt;
use PostgreSQL::Test::Utils;
use Test::More;

my ($seed) = seeds(20231121);
my $cases = $ENV{AIUSAGE_EXACT_CASES} || 4000;
srand($seed);

my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
chomp(my $cc = `$pg_config --cc`);
chomp(my $include = `$pg_config --includedir-server`);
my $dir = tempdir(CLEANUP => 1);
my $driver = "$dir/exact_driver";
my $compile = "$cc -O1 -g -fwrapv -fno-strict-aliasing -w -D_GNU_SOURCE -Isrc -I$include -o $driver t/exact_driver.c src/types/exact.c";
my $built = system("$compile -fsanitize=undefined,address -fno-sanitize-recover=all 2>/dev/null") == 0
  && `echo 'add 1 2' | $driver 2>/dev/null` eq "3\n";
note $built ? 'with sanitizers' : 'without sanitizers';
$built ||= system($compile) == 0;
ok($built, 'exact.c compiles alone') or BAIL_OUT('no driver');

my $max = Math::BigInt->new(2)->bpow(127)->bsub(1);	# the code keeps away from -2^127

sub bits { my $v = Math::BigInt->new(0); $v = $v * 65536 + int(rand(65536)) for 1 .. $_[0]; return $v; }

sub integer
{
	my $kind = int(rand(8));
	my $v =
	    $kind == 0 ? Math::BigInt->new(int(rand(10)))
	  : $kind == 1 ? bits(1 + int(rand(3)))
	  : $kind == 2 ? Math::BigInt->new(10)->bpow(int(rand(39)))
	  : $kind == 3 ? Math::BigInt->new(2)->bpow(int(rand(127)))->bsub(int(rand(2)))
	  : $kind == 4 ? $max->copy->bsub(int(rand(3)))
	  : bits(1 + int(rand(8)));
	$v->bmod($max->copy->badd(1));
	$v->bneg if rand() < 0.3;
	return $v;
}

# a / d to an integer, half-even
sub half_even
{
	my ($a, $d) = @_;
	my ($q, $r) = $a->copy->babs->bdiv($d->copy->babs);
	my $cmp = $r->copy->bmul(2)->bcmp($d->copy->babs);
	$q->binc if $cmp > 0 || ($cmp == 0 && $q->is_odd);
	$q->bneg if ($a->is_neg xor $d->is_neg);
	return $q;
}

# sums and products may be -2^127, quotients may not
sub fits { my ($v) = @_; return $v == -($max + 1) ? "$v" : bounded($v); }

sub bounded { my ($v) = @_; return $v->copy->babs > $max ? 'overflow' : $v->is_zero ? '0' : $v->bstr; }

# text of digits with a point and an exponent, and its value as a fraction
sub decimal
{
	my $int = join '', map { int(rand(10)) } 1 .. 1 + int(rand(rand() < 0.2 ? 60 : 20));
	my $frac = rand() < 0.5 ? join '', map { rand() < 0.3 ? 0 : int(rand(10)) } 1 .. 1 + int(rand(30)) : '';
	$int = '0' x int(rand(5)) . $int if rand() < 0.2;
	$int .= '0' x int(rand(20)) if rand() < 0.2;
	$frac = join('', map { 0 } 1 .. 1 + int(rand(20))) . '5' if rand() < 0.1;
	my $exp = rand() < 0.4 ? int(rand(60)) - 30 : 0;
	my $neg = rand() < 0.3 ? '-' : '';
	my $text = $neg . $int . ($frac ne '' ? ".$frac" : '') . ($exp ? (rand() < 0.5 ? 'e' : 'E') . ($exp > 0 && rand() < 0.5 ? '+' : '') . $exp : '');
	return ($text, Math::BigInt->new("$int$frac"), $exp - length $frac, $neg);
}

my (@requests, @expected);
for (1 .. $cases)
{
	my ($a, $b, $d) = (integer(), integer(), integer()->babs);
	$d = Math::BigInt->new(1) if $d->is_zero;
	# exact ties are rare by chance: make some
	if (rand() < 0.2) { $d = Math::BigInt->new(2) * bits(1 + int(rand(3))) + 2; $b = $d->copy->bdiv(2); }
	push @requests, "muldiv $a $b $d";
	push @expected, bounded(half_even($a * $b, $d));
	push @requests, "add $a $b";
	push @expected, fits($a + $b);
	push @requests, "mul $a $b";
	push @expected, fits($a * $b);

	my $scale = int(rand(19));
	my ($text, $digits, $exp, $neg) = decimal();
	my $shift = $exp + $scale;
	my ($exact, $rounded);
	if ($shift >= 0) { $exact = $rounded = $digits * Math::BigInt->new(10)->bpow($shift); }
	else
	{
		my $power = Math::BigInt->new(10)->bpow(-$shift);
		my ($q, $r) = $digits->copy->bdiv($power);
		$exact = $q if $r->is_zero;
		$rounded = half_even($digits, $power);
	}
	push @requests, "parse $text $scale";
	# beyond both limits either answer will do, so ask only what it is within one
	my $range = $rounded > $max;
	push @expected, defined $exact ? ($range ? 'range' : ($exact->is_zero ? '0' : "$neg$exact")) : ($range ? qr/^(?:range|inexact)$/ : 'inexact');
	push @requests, "round $text $scale";
	push @expected, $range ? 'range' : $rounded->is_zero ? '0' : "$neg$rounded";

	# print, and what is printed parses to the same
	my $print = $a->copy;
	my $padded = $print->copy->babs->bstr;
	$padded = ('0' x ($scale + 1 - length $padded)) . $padded if length $padded <= $scale;
	my $out = $scale ? substr($padded, 0, -$scale) . '.' . substr($padded, -$scale) : $padded;
	$out =~ s/\.?0+$// if $scale;
	push @requests, "print $print $scale";
	push @expected, ($print->is_neg && !$print->is_zero ? '-' : '') . $out;
}
for my $bad ('', '-', '.', '1.', '.1', '1..2', '1.2.3', '+1', '--1', '1e', '1e+', 'e5', '1e5.5', '0x1', 'NaN', 'inf', '1_0', '1,0')
{
	next if $bad eq '';
	push @requests, "parse $bad 6";
	push @expected, 'syntax';
}
push @requests, 'parse 1e99999999999999999999999 0', 'parse 1e-99999999999999999999999 0', 'parse 0e99999999999999999999999 0', 'round 1e-99999999999999999999999 0';
push @expected, 'range', 'inexact', '0', '0';

open(my $in, '>', "$dir/requests") or die $!;
print $in "$_\n" for @requests;
close $in;
is(system("$driver < $dir/requests > $dir/answers"), 0, 'the driver ran to its end');
open(my $answers, '<', "$dir/answers") or die $!;
my ($n, $wrong) = (0, 0);
while (my $got = <$answers>)
{
	chomp $got;
	my $want = $expected[$n];
	my $same = ref $want ? $got =~ $want : $got eq "$want";
	if (!$same && $wrong++ < 10) { diag "$requests[$n]: got $got, expected $want"; }
	$n++;
}
is($n, scalar @requests, 'every request was answered');
is($wrong, 0, 'every answer is right');
done_testing();
