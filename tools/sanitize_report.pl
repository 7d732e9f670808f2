#!/usr/bin/perl
# The errors in a report of AddressSanitizer, UBSan or valgrind, one a line,
# that have a place of aiusage on the stack (or no stack at all).
use strict;
use warnings;

my ($kind, @stack);

sub flush
{
	if (defined $kind)
	{
		my @ours = grep { m{(?:src/\w+/\w+\.[ch]|aiusage\.c|aiusage\.so)} } @stack;
		@ours = @ours[ 0 .. 2 ] if @ours > 3;
		print join(' < ', $kind, @ours), "\n" if @ours || !@stack;
	}
	($kind, @stack) = ();
}

while (<>)
{
	s/^==\d+==\s?//;
	s/^\*\*\d+\*\*\s?//;
	chomp;
	if (/^(?:ERROR: )?(AddressSanitizer: \S+)/ || /(runtime error: .*)/)
	{
		my $what = $1;
		flush();
		$kind = $what;
		push @stack, $1 if /^(\S+:\d+):\d+: runtime error/;
	}
	elsif (/^\s+#\d+ \S+ in (\S+) (\S+)/) { push @stack, "$1 $2" if @stack < 40; }
	elsif (/^\s+(?:at|by) 0x[0-9A-F]+: (\S+) \((.*)\)/) { push @stack, "$1 $2"; }
	elsif (/^(?:Conditional jump|Use of uninit|Invalid |Syscall param|Source and dest|Mismatched|Process terminating|Jump to)/)
	{
		my $what = $_;
		flush();
		$kind = $what;
	}
	elsif (/^\{|^\s*$/) { flush(); }
}
flush();
