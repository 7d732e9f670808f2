#!/usr/bin/perl
# docs/errors.md against the code: every SQLSTATE that C or SQL raises has a
# section there that says who raises it, what to do and what a gateway answers;
# every section is of a code that is raised, or that a test meets; and "Raised
# by" names exactly the areas whose code raises it.  And every error that SQL
# raises, or C with a code of class UA, has a HINT.
#
#     perl tools/check_errors.pl            the check
#     perl tools/check_errors.pl --list     where each code is raised
use strict;
use warnings;
use File::Basename qw(dirname);

chdir(dirname(dirname($0))) or die;

sub slurp
{
	open my $fh, '<', $_[0] or die "cannot read $_[0]: $!\n";
	local $/;
	return scalar <$fh>;
}

# What the page calls the areas, by file.
my @areas = (
	[ qr{^src/types/|^install/1}, 'types' ],
	[ qr{^src/extract/|^install/46_extract}, 'bodies' ],
	[ qr{^src/pricing/|^install/2}, 'prices' ],
	[ qr{^src/attribution/|^install/3}, 'keys and calendars' ],
	[ qr{^src/quota/|^install/5[4-8]|^install/59_stop}, 'limits' ],
	[ qr{^install/59}, 'wallets' ],
	[ qr{^src/admission/}, 'admission' ],
	[ qr{^install/4[46]}, 'corrections' ],
	[ qr{^install/4[89]}, 'statements' ],
	[ qr{^src/ledger/|^install/4}, 'booking' ],
	[ qr{^install/53}, 'reports' ],
	[ qr{^src/rollup/|^install/5}, 'rollups' ],
	[ qr{^install/60}, 'access' ],
	[ qr{^install/7[34]}, 'retention' ],
	[ qr{^install/7}, 'operations' ],
	[ qr{^src/common/|^aiusage\.c|^install/[09]|^books/}, 'common' ],
);

sub area
{
	my ($file) = @_;
	for my $area (@areas)
	{
		return $area->[1] if $file =~ $area->[0];
	}
	die "$file: to which area does it belong? (tools/check_errors.pl)\n";
}

# PostgreSQL's macros whose condition has another name in PL/pgSQL.
my %condition_of = (
	e_r_i_e_trigger_protocol_violated => 'trigger_protocol_violated',
	datetime_value_out_of_range => 'datetime_field_overflow');

my @errors;
my %own;        # macro => UAxxx
my %raised;     # code or name of a condition => { area => [file:line] }
my %mentioned;  # UAxxx in a text that people read
my %internal;   # a signal within one function, which nobody sees

my $registry = slurp('src/common/errors.h');
while ($registry =~ /#define\s+(ERRCODE_AIU_\w+)\s+MAKE_SQLSTATE\('(.)','(.)','(.)','(.)','(.)'\)/g)
{
	$own{$1} = "$2$3$4$5$6";
}

for my $file ('aiusage.c', glob('src/*/*.[ch]'), grep { !m{/25_catalogue} } glob('install/*.sql books/*/*.sql'))
{
	next if $file eq 'src/common/errors.h' || $file eq 'install/90_init.sql';
	my $text = slurp($file);
	my @codes;

	$text =~ s{/\*.*?\*/}{$& =~ tr/\n//cdr}gse;
	$text =~ s/--[^\n]*//g if $file =~ /\.sql$/;
	if ($file =~ /\.sql$/)
	{
		while ($text =~ /\bERRCODE\s*=\s*'(\w+)'/gi)
		{
			my ($code, $at) = ($1, $-[0]);
			# a signal within a function: caught where it is raised
			if ($text =~ /WHEN SQLSTATE '$code' THEN\s+RETURN/)
			{
				$internal{$code} = 1;
				next;
			}
			push @codes, [ $code, $at ];
		}
		push @errors, "$file: RAISE EXCEPTION without ERRCODE" if $text =~ /RAISE\s+EXCEPTION\s+'/i;
		while ($text =~ /\bRAISE\s+EXCEPTION\s+USING\b(.*?);\s*\n/gs)
		{
			my $at = $-[0];
			my $line = 1 + (substr($text, 0, $at) =~ tr/\n//);
			my $raise = $1;
			push @errors, "$file:$line: RAISE EXCEPTION without ERRCODE" unless $raise =~ /\bERRCODE\s*=/;
			push @errors, "$file:$line: RAISE EXCEPTION without a HINT that says what to do"
			  unless $raise =~ /\bHINT\s*=/ || $raise !~ /\bMESSAGE\s*=/ || $raise =~ /'(UA2\d\d)'/;
		}
	}
	else
	{
		while ($text =~ /\bereport\(ERROR,(.*?)\)\);/gs)
		{
			my ($raise, $at) = ($1, $-[0]);
			my $line = 1 + (substr($text, 0, $at) =~ tr/\n//);
			push @errors, "$file:$line: an error of class UA without an errhint() that says what to do"
			  if $raise =~ /\bERRCODE_AIU_/ && $raise !~ /\berrhint/;
		}
		while ($text =~ /\bERRCODE_(\w+)/g)
		{
			push @codes, [ $own{"ERRCODE_$1"} // $condition_of{ lc $1 } // lc $1, $-[0] ];
		}
	}
	for (@codes)
	{
		my ($code, $at) = @$_;
		my $line = 1 + (substr($text, 0, $at) =~ tr/\n//);
		push @{ $raised{$code}{ area($file) } }, "$file:$line";
	}
	$mentioned{$1} //= $file while $text =~ /\b(UA\d{3})\b/g;
}

if (@ARGV && $ARGV[0] eq '--list')
{
	for my $code (sort keys %raised)
	{
		printf "%s\n%s", $code, join '', map { "    $_: @{ $raised{$code}{$_} }\n" } sort keys %{ $raised{$code} };
	}
	exit 0;
}

# The page: sections "### CODE condition name" with their three paragraphs.
my $page = slurp('docs/errors.md');
my (%section, %name_of);
while ($page =~ /^### ([0-9A-Z]{5})(?:, ([0-9A-Z]{5}))? `(\w+)`\n(.*?)(?=^##|\z)/msg)
{
	my ($code, $name, $text) = ($1, $3, $4);
	push @errors, "docs/errors.md: $code has two sections" if exists $section{$code};
	$section{$code} = $text;
	$name_of{$name} = $code;
	for my $part ('Raised by', 'What to do', 'A gateway answers')
	{
		push @errors, "docs/errors.md: $code does not say \"**$part**\"" unless $text =~ /^\*\*\Q$part\E\*\*/m;
	}
	push @errors, "docs/errors.md: the table lacks $code" unless $page =~ /^\| \[$code\]\(#/m;
}
push @errors, 'docs/errors.md: the table and the sections differ in number' if keys(%section) != (() = $page =~ /^\| \[[0-9A-Z]{5}\]\(#/mg);

my $tests = join '', map { slurp($_) } glob('t/*.pl docs/*.md expected/first_mistakes.out');
my %met;
for my $condition (sort keys %raised)
{
	my $code = exists $section{$condition} ? $condition : $name_of{$condition};

	if (!defined $code)
	{
		push @errors, "docs/errors.md: no section of $condition, which is raised by " . join(', ', map { @$_ } values %{ $raised{$condition} });
		next;
	}
	push @{ $met{$code}{$_} }, @{ $raised{$condition}{$_} } for keys %{ $raised{$condition} };
}
for my $code (sort keys %section)
{
	my ($by) = $section{$code} =~ /^\*\*Raised by\*\* (.*?)(?::|\.|\n\n)/ms;
	my $is = join ', ', sort grep { $_ ne '' } map { s/\s+/ /gr } split /,\s*/, $by // '';
	my $should = join ', ', sort keys %{ $met{$code} // {} };

	if (!$met{$code})
	{
		push @errors, "docs/errors.md: $code: nothing of aiusage raises it, so it is PostgreSQL's" unless $is =~ /^PostgreSQL/;
		push @errors, "docs/errors.md: $code: no test meets it" unless $tests =~ /error=$code\b|'$code'|^ ?$code /m;
	}
	elsif ($is ne $should)
	{
		push @errors, "docs/errors.md: $code is raised by \"$should\", the page says \"$is\"";
	}
}
for my $code (sort keys %mentioned)
{
	push @errors, "$mentioned{$code}: $code has no section in docs/errors.md" unless $section{$code} || $internal{$code};
}

print "$_\n" for @errors;
printf "errors: %d codes, %d sections, %d findings\n", scalar(keys %met), scalar(keys %section), scalar(@errors);
exit(@errors ? 1 : 0);
