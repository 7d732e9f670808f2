#!/usr/bin/perl
# Includes go downward only.
#
#     perl tools/check_layers.pl [DIR]      check DIR/src and DIR/aiusage.c (default: this project)
#     perl tools/check_layers.pl --self-test
#
# A file in src/<area>/ may include its own area's headers, and the public
# headers of areas on a lower layer.  Public is <area>/<area>.h, every header
# of common, and the ones listed below.  aiusage.c at the top may include the
# public headers of every area: it is the only file that knows them all.
use strict;
use warnings;
use File::Basename qw(dirname basename);
use File::Find;
use File::Temp qw(tempdir);

my %layer = (
	common      => 0,
	types       => 1,
	extract     => 2,
	pricing     => 2,
	attribution => 2,
	quota       => 3,
	ledger      => 4,
	rollup      => 5,
	admission   => 5,);

my %public = map { $_ => 1 } qw(
  types/units.h types/usage.h types/amount.h types/unit_costs.h types/exact.h);

sub is_public
{
	my ($header) = @_;
	my ($area, $file) = $header =~ m{^(\w+)/(.+)$};
	return $file !~ /_internal\.h$/
	  && ($area eq 'common' || $file eq "$area.h" || $public{$header});
}

# Errors of the tree under $root, as lines of text.
sub check
{
	my ($root) = @_;
	my (@errors, @files);

	find(sub { push @files, $File::Find::name if /\.[ch]$/ }, "$root/src");
	for my $path (sort(@files), glob("$root/*.c"))
	{
		my $name = substr($path, length($root) + 1);
		my ($area) = $name =~ m{^src/(\w+)/};

		if ($name =~ m{^src/} && (!defined $area || !exists $layer{$area}))
		{
			push @errors, "$name: not in a known area";
			next;
		}
		open my $fh, '<', $path or die "cannot read $path: $!\n";
		while (my $line = <$fh>)
		{
			next unless $line =~ /^\s*#\s*include\s+"([^"]+)"/;
			my $header = $1;
			my $at = "$name:$.";

			# PostgreSQL's own directories have names of their own.
			my ($other) = $header =~ m{^(\w+)/};
			if (!defined $other)
			{
				push @errors, "$at: write \"$header\" with its area"
				  if defined $area && -e dirname($path) . "/$header";
				next;
			}
			next unless -e "$root/src/$header";

			if ($header =~ m{\.\.})
			{
				push @errors, "$at: \"$header\" goes around the areas";
			}
			elsif (defined $area && $other eq $area)
			{
				next;
			}
			elsif (!is_public($header))
			{
				push @errors, "$at: \"$header\" is private to $other";
			}
			elsif (defined $area && $layer{$other} >= $layer{$area})
			{
				push @errors, "$at: $area (layer $layer{$area}) may not include $other (layer $layer{$other})";
			}
		}
	}
	return @errors;
}

# The check itself is checked: each of these must be found, and only these.
sub self_test
{
	my %files = (
		'aiusage.c'                    => qq{#include "rollup/rollup.h"\n#include "types/types_internal.h"\n},
		'src/common/errors.h'          => '',
		'src/types/amount.h'           => qq{#include "common/errors.h"\n},
		'src/types/types_internal.h'   => qq{#include "types/amount.h"\n},
		'src/pricing/pricing.h'        => qq{#include "types/amount.h"\n#include "utils/numeric.h"\n},
		'src/pricing/pricing.c'        => qq{#include "types/types_internal.h"\n},
		'src/attribution/attribution.h' => qq{#include "pricing/pricing.h"\n},
		'src/common/low.c'             => qq{ #  include "types/amount.h"\n},
		'src/rollup/rollup.h'          => qq{#include "pricing/pricing.h"\n#include "rollup/rollup_internal.h"\n},
		'src/rollup/rollup_internal.h' => '',
		'src/elsewhere/x.c'            => '',);
	my @expected = (
		'aiusage.c:2: "types/types_internal.h" is private to types',
		'src/attribution/attribution.h:1: attribution (layer 2) may not include pricing (layer 2)',
		'src/common/low.c:1: common (layer 0) may not include types (layer 1)',
		'src/elsewhere/x.c: not in a known area',
		'src/pricing/pricing.c:1: "types/types_internal.h" is private to types',);
	my $dir = tempdir(CLEANUP => 1);

	for my $name (sort keys %files)
	{
		my $path = "$dir/$name";
		my $at = $dir;
		for my $part (split m{/}, dirname($name))
		{
			$at .= "/$part";
			mkdir $at unless -d $at;
		}
		open my $fh, '>', $path or die "cannot write $path: $!\n";
		print $fh $files{$name};
		close $fh;
	}
	my $found = join "\n", sort(check($dir));
	my $wanted = join "\n", sort @expected;
	return if $found eq $wanted;
	die "the layer check does not find what it must:\nfound:\n$found\nwanted:\n$wanted\n";
}

self_test();
if (@ARGV && $ARGV[0] eq '--self-test')
{
	print "layers: the check finds what it must\n";
	exit 0;
}
my @errors = check(@ARGV ? $ARGV[0] : dirname(dirname($0)));
print "$_\n" for @errors;
print "layers: ", (@errors ? scalar(@errors) . " wrong includes" : "includes go downward only"), "\n";
exit(@errors ? 1 : 0);
