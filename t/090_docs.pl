# Documentation that runs: every ```sql block of README.md and docs/*.md, each
# file in a database and cluster of its own; links; and docs/ledger-columns.md
# against the catalogue.
#
# The extension and the books are there unless the file makes them itself
# (CREATE EXTENSION in one of its blocks).  ```sql error=SQLSTATE expects that
# error.  Other blocks (sh, console, c) are not run here.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = project_dir();

# [line, info string, text] of each fenced block
sub blocks
{
	my ($file) = @_;
	my (@blocks, $current);
	open my $fh, '<', $file or die "cannot read $file: $!";
	while (my $line = <$fh>)
	{
		if (!$current && $line =~ /^```(\w+)?[ \t]*(.*?)\s*$/)
		{
			$current = [ $., $1 // '', $2, '' ];
		}
		elsif ($current && $line =~ /^```\s*$/)
		{
			push @blocks, $current;
			$current = undef;
		}
		elsif ($current)
		{
			$current->[3] .= $line;
		}
	}
	die "$file: a code block does not end" if $current;
	return @blocks;
}

for my $file ("$dir/README.md", sort glob("$dir/docs/*.md"))
{
	my ($name) = $file =~ m{^\Q$dir\E/(.*)};
	my @sql = grep { $_->[1] eq 'sql' } blocks($file);
	next unless @sql;
	(my $node_name = lc $name) =~ s/\W/_/g;
	my $node = new_node($node_name);
	my $makes_itself = grep { $_->[3] =~ /^CREATE EXTENSION aiusage/m } @sql;

	$node->safe_psql('postgres', 'CREATE DATABASE docs');
	if (!$makes_itself)
	{
		$node->safe_psql('docs', q{SET client_min_messages = warning; CREATE EXTENSION aiusage; SELECT FROM aiusage.init();
			SELECT aiusage.import_prices('list', 'genai-prices', aiusage.default_catalogue(), '2020-01-01');});
	}
	for my $block (@sql)
	{
		my ($line, undef, $info, $text) = @$block;
		my ($wanted) = $info =~ /\berror=(\w{5})\b/;
		my ($stdout, $stderr);
		my $rc = $node->psql('docs', "\\set VERBOSITY verbose\n$text", on_error_stop => 1, stdout => \$stdout, stderr => \$stderr);
		my ($got) = $stderr =~ /ERROR:\s+([0-9A-Z]{5}):/;

		if (defined $wanted)
		{
			is($got // 'no error', $wanted, "$name:$line fails with $wanted") or diag($stderr);
		}
		else
		{
			is($rc, 0, "$name:$line runs") or diag($stderr);
		}
	}
	$node->stop('immediate');
}

# What a heading is called in links, as GitHub does it.
sub anchors
{
	my ($text) = @_;
	my (%seen, @anchors);

	$text =~ s/^```.*?^```//msg;
	for my $heading ($text =~ /^#+[ \t]+(.*?)\s*$/mg)
	{
		$heading =~ s/\[([^\]]*)\]\([^)]*\)/$1/g;
		$heading =~ s/[^\w\- ]//g;
		$heading = lc $heading =~ s/ /-/gr;
		push @anchors, $seen{$heading}++ ? "$heading-" . ($seen{$heading} - 1) : $heading;
	}
	return map { $_ => 1 } @anchors;
}

# Links between the pages lead somewhere, to a heading that is there.
for my $file (map { "$dir/$_" } qw(README.md CHANGELOG.md bench/README.md src/README.md src/quota/README.md), sort map { s{^\Q$dir\E/}{}r } glob("$dir/docs/*.md"))
{
	my ($name) = $file =~ m{([^/]+/[^/]+)$};
	(my $at = $file) =~ s{/[^/]+$}{};
	my $text = slurp_file($file) =~ s/^```.*?^```//msgr;
	my @dead;
	for my $link (grep { !/^\w+:/ } $text =~ /\]\(([^)\s]+)/g)
	{
		my ($path, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
		my $target = $path eq '' ? $file : "$at/$path";
		my %there = -f $target && $target =~ /\.md$/ && defined $anchor ? anchors(slurp_file($target)) : ();
		push @dead, $link if !-e $target || defined $anchor && $target =~ /\.md$/ && !$there{$anchor};
	}
	is("@dead", '', "$name: links lead somewhere");

	# Files that are named are there (of a test its number does), but for names of names (NNN_name) and what a release may need one day.
	my @gone = grep { !-e "$dir/$_" && !(() = glob("$dir/${_}_*")) && !/\bNNN?_|\bVERSION\b|\*|^updates\/by_hand\.sql$/ }
	  $text =~ m{`(?:bash |sh |perl )?((?:sql|specs|expected|t|tools|src|install|books|updates|examples|bench|debian)/[\w./*-]+)}g;
	is("@gone", '', "$name: files that it names are there");
}

# docs/README.md leads to every page.
{
	my $index = slurp_file("$dir/docs/README.md");
	my @missing = grep { $_ ne 'README.md' && index($index, "($_)") < 0 } map { m{([^/]+)$} } sort glob("$dir/docs/*.md");
	is("@missing", '', 'docs/README.md links to every page of docs/');
}

# The map of the code has every tool: by name, or by the name of those it goes with (differential.*, sanitize_*).
{
	my $map = slurp_file("$dir/src/README.md");
	my @named = map { s/\./\\./gr =~ s/\*/.*/gr } $map =~ /`(?:tools\/)?([\w*]+\.?[\w*]*\/?)`/g;
	my @missing = grep { my $tool = $_; !grep { $tool =~ /^$_$/ } @named } map { s{.*/}{}r } glob("$dir/tools/*.{sh,pl,mjs}");
	is("@missing", '', 'src/README.md names every tool');
}

# What pages show of C is from the examples, which compile and run (060_gateway.pl).
{
	my $examples = join "\n", map { slurp_file($_) } sort glob("$dir/examples/*.c");
	for my $file ("$dir/README.md", sort glob("$dir/docs/*.md"))
	{
		my ($name) = $file =~ m{([^/]+)$};
		ok(index($examples, $_->[3]) >= 0, "$name:$_->[0] is in examples/") for grep { $_->[1] eq 'c' } blocks($file);
	}
}

# The reference of the ledger's columns against the catalogue.
{
	my $node = new_node('columns');
	$node->safe_psql('postgres', q{SET client_min_messages = warning; CREATE EXTENSION aiusage; SELECT FROM aiusage.init();
		CREATE ROLE columns_gateway; SELECT FROM aiusage.grant_access('columns_gateway', 'gateway');});
	my %catalogue = map { my @f = split /\|/; ($f[0] => [ @f[ 1 .. 4 ] ]) } split /\n/, $node->safe_psql('postgres', q{
		SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull,
			has_column_privilege('columns_gateway', 'aiusage.usage_record', a.attname, 'INSERT')
		FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE a.attrelid = 'aiusage.usage_record'::regclass AND a.attnum > 0 AND NOT a.attisdropped});
	my %page;
	for my $line (split /\n/, slurp_file("$dir/docs/ledger-columns.md"))
	{
		my @cells = map { s/^\s+|\s+$//gr } split /\|/, $line, -1;
		next unless @cells == 8 && $cells[6] =~ /^(gateway|aiusage)$/;
		ok(!exists $page{ $cells[1] }, "ledger-columns.md: $cells[1] stands there once");
		$page{ $cells[1] } = [ @cells[ 2, 3, 6 ] ];
	}
	is(join(' ', sort keys %page), join(' ', sort keys %catalogue), 'ledger-columns.md: the columns of the ledger');
	for my $column (sort keys %catalogue)
	{
		my ($type, $default, $not_null, $gateway) = @{ $catalogue{$column} };
		my $said = $page{$column} or next;
		is($said->[0], $type, "ledger-columns.md: type of $column");
		is($said->[2], $gateway eq 't' ? 'gateway' : 'aiusage', "ledger-columns.md: who writes $column");
		my ($shown) = $default =~ /^'(\w+)'::/ ? $1 : $default;
		is($said->[1], $shown, "ledger-columns.md: default of $column") if $default ne '';
		unlike($said->[1], qr/^NULL/, "ledger-columns.md: $column is never NULL") if $not_null eq 't';
	}
	$node->stop('immediate');
}

done_testing();
