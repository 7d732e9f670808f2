#!/usr/bin/perl
# The update script from a released version to this tree's, derived by
# comparing the two install scripts, statement by statement.
#
#     perl tools/make_update.pl FROM TO        (run by make; prints the script)
#
# - A function whose body or attributes changed is replaced, and keeps its owner
#   and grants.  One whose arguments or result changed is dropped and made anew:
#   views of the books that call it are dropped with it, and aiusage.init() makes
#   them again.  One that is gone is dropped; when something of the books still
#   uses it, it leaves the extension, and a step in books/updates/ drops it.
# - New types, operators, casts, aggregates and functions are created, new
#   comments said, what is new and not for everybody is revoked from PUBLIC.
# - What is not a function and has changed or gone is left to updates/by_hand.sql,
#   which runs first: this program fails until that file says, in a line
#   "-- handles: FIRST LINE OF THE STATEMENT", that it does.
use strict;
use warnings;
use File::Basename qw(dirname);
use Cwd qw(abs_path);

my $tools = dirname(abs_path($0));
require "$tools/sql_statements.pl";
chdir("$tools/..") or die;
my ($from, $to) = @ARGV;
die "usage: make_update.pl FROM TO\n" unless defined $to;

sub slurp
{
	open my $fh, '<', $_[0] or die "cannot read $_[0]: $!\n";
	local $/;
	return scalar <$fh>;
}

# The arguments of a function, without their defaults, and how many have one; and its result.
sub header
{
	my ($bare) = @_;
	my ($rest) = $bare =~ /^[^(]*(\(.*)$/s or die "no arguments: $bare\n";
	my ($depth, $args, $i) = (0, '', 0);
	for ($i = 0; $i < length $rest; $i++)
	{
		my $c = substr($rest, $i, 1);
		$depth++ if $c eq '(';
		$depth-- if $c eq ')';
		last if $depth == 0;
		$args .= $c if $i > 0;
	}
	my (@args, $arg);
	$depth = 0;
	for my $c (split //, "$args,")
	{
		$depth += $c eq '(' ? 1 : $c eq ')' ? -1 : 0;
		if ($c eq ',' && $depth == 0) { push @args, $arg // ''; $arg = ''; }
		else { $arg .= $c }
	}
	my $defaults = grep { /\bDEFAULT\b|=/i } @args;
	s/\s*(\bDEFAULT\b|=).*$//is for @args;
	my ($result) = substr($rest, $i + 1) =~ /^\s*(?:RETURNS\s+(.*?))?\s*\b(?:LANGUAGE|AS|IMMUTABLE|STABLE|VOLATILE|STRICT|PARALLEL|SET|COST|ROWS|SUPPORT)\b/is;
	return (normal(join(', ', map { normal($_) } @args) . ' -> ' . ($result // '')), $defaults);
}

sub normal { my ($s) = @_; $s =~ s/\s+/ /g; $s =~ s/^ | $//g; return $s; }

# statements in order: { kind, id, text }; a function's id is the one its comment has
sub parse
{
	my ($name) = @_;
	my (@list, %nth, %commented);
	for my $s (statements(slurp($name)))
	{
		my (undef, $text, $bare) = @$s;
		next if $bare =~ /^\s*\\/ || $bare =~ /^\s*SET LOCAL search_path/i;
		$text =~ s{^(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)+}{};
		$bare =~ s/^\s+//;
		my %s = (kind => 'other', id => normal($text), text => $text, bare => $bare);
		if ($bare =~ /^CREATE (?:FUNCTION|PROCEDURE) ([\w.]+)/i)
		{
			@s{qw(kind name)} = ('function', $1);
			@s{qw(header defaults)} = header($bare);
			$s{nth} = $nth{$1}++;
		}
		elsif ($bare =~ /^COMMENT ON (FUNCTION|PROCEDURE) ([\w.]+)\s*(\([^;]*?\))\s*IS\b/is)
		{
			my ($what, $f) = ($1, $2);
			@s{qw(kind id)} = ('function comment', normal("\U$what\E $f$3"));
			push @{ $commented{$f} }, $s{id};
		}
		elsif ($text =~ /^COMMENT ON (.*?) IS '/is) { @s{qw(kind id)} = ('comment', normal($1)) }
		elsif ($bare =~ /^(GRANT|REVOKE)\b/i) { $s{kind} = 'grant' }
		elsif ($bare =~ /^DO\b/i && $text =~ /REVOKE ALL ON ROUTINE/) { $s{kind} = 'privileges' }
		push @list, \%s;
	}
	for my $f (grep { $_->{kind} eq 'function' } @list)
	{
		$f->{id} = ($commented{ $f->{name} } // [])->[ $f->{nth} ] or die "$name: $f->{name} has no comment\n";
	}
	return @list;
}

my @old = parse("updates/$from/aiusage--$from.sql");
my @new = parse("aiusage--$to.sql");
my %old = map { ("$_->{kind}|$_->{id}" => $_) } @old;
my %new = map { ("$_->{kind}|$_->{id}" => $_) } @new;
my $by_hand = -e 'updates/by_hand.sql' ? slurp('updates/by_hand.sql') : '';
my %handled = map { (normal($_) => 1) } $by_hand =~ /^-- handles: (.*)$/mg;

# What changes that is not a function, a comment or a grant
my @left;
for my $s (@old)
{
	next if $s->{kind} ne 'other' || $new{"other|$s->{id}"};
	my ($line) = split /\n/, $s->{text};
	push @left, $line unless $handled{ normal($line) };
}
if (@left)
{
	print STDERR "make_update.pl: these statements of version $from are changed or gone, and only functions can be derived:\n",
	  map({ "    $_\n" } @left),
	  "Write what brings them to the new shape into updates/by_hand.sql, and above it, for each, a line\n    -- handles: ITS FIRST LINE\n";
	exit 1;
}

my (%made, @create, @drop_first, @drop_last);
my %created_names = map { ($_->{name} => 1) } grep { $_->{kind} eq 'function' && !$old{"function|$_->{id}"} } @new;
for my $f (grep { $_->{kind} eq 'function' } @old)
{
	my $now = $new{"function|$f->{id}"};
	if (!$now)
	{
		# an overload of what is created would make calls ambiguous
		if ($created_names{ $f->{name} }) { push @drop_first, $f->{id} }
		else { push @drop_last, $f->{id} }
	}
	elsif ($now->{header} ne $f->{header} || $now->{defaults} < $f->{defaults})
	{
		push @drop_first, $f->{id};
		$made{ $f->{id} } = 1;
	}
}
my (%names_made, $out);
$out = '';
for my $s (@new)
{
	my $before = $old{"$s->{kind}|$s->{id}"};
	if ($s->{kind} eq 'function')
	{
		if (!$before || $made{ $s->{id} })
		{
			$made{ $s->{id} } = 1;
			$names_made{ $s->{name} } = 1;
			$out .= "$s->{text}\n";
		}
		elsif (normal($before->{text}) ne normal($s->{text}))
		{
			(my $text = $s->{text}) =~ s/^CREATE /CREATE OR REPLACE /i;
			$out .= "$text\n";
		}
	}
	elsif ($s->{kind} eq 'function comment')
	{
		$out .= "$s->{text}\n" if !$before || $made{ $s->{id} } || $before->{text} ne $s->{text};
	}
	elsif ($s->{kind} eq 'comment')
	{
		$out .= "$s->{text}\n" if !$before || $before->{text} ne $s->{text};
	}
	elsif ($s->{kind} eq 'grant')
	{
		my ($name) = $s->{bare} =~ /\bON (?:FUNCTION|PROCEDURE|ROUTINE) ([\w.]+)/i;
		$out .= "$s->{text}\n" if !$before || defined $name && $names_made{$name};
	}
	elsif ($s->{kind} eq 'privileges') { $out .= "$s->{text}\n" }
	elsif (!$before && !$handled{ normal((split /\n/, $s->{text})[0]) }) { $out .= "$s->{text}\n" }
}

sub signatures { return join(",\n", map { my $id = $_; $id =~ s/'/''/g; "\t\t\t'$id'" } @_) }

print "\\echo Use \"ALTER EXTENSION aiusage UPDATE TO '$to'\" to load this file. \\quit\n\n";
print "/* Made by tools/make_update.pl from the install scripts of $from and $to: do not edit. */\n\n";
print "SET LOCAL search_path TO pg_catalog, pg_temp;\n\n";
print "$by_hand\n" if $by_hand ne '';
if (@drop_first)
{
	my $list = signatures(@drop_first);
	print <<"SQL";
-- Functions whose arguments or result change, and the views of the books that call them: aiusage.init() makes these again.
DO \$\$
DECLARE
	signature text;
	views text;
BEGIN
	FOREACH signature IN ARRAY ARRAY[
$list]
	LOOP
		WITH RECURSIVE caller (oid) AS (
			SELECT r.ev_class
			FROM pg_depend AS d JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
			WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = substr(signature, strpos(signature, ' ') + 1)::regprocedure::oid
			UNION
			SELECT r.ev_class
			FROM caller AS c JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
				JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.ev_class <> c.oid)
		SELECT string_agg(format('aiusage.%I', c.relname), ', ') INTO views
		FROM caller JOIN pg_class AS c USING (oid)
		WHERE c.relnamespace = 'aiusage'::regnamespace AND c.relkind = 'v';
		IF views IS NOT NULL THEN
			EXECUTE 'DROP VIEW ' || views;
			UPDATE aiusage.storage_step SET checksum = 'dropped by an update' WHERE kind = 'view';
		END IF;
		EXECUTE 'DROP ' || signature;
	END LOOP;
END
\$\$;

SQL
}
print $out;
if (@drop_last)
{
	my $list = signatures(@drop_last);
	print <<"SQL";

-- Functions that are gone.  What the books still use leaves the extension; aiusage.init() drops it when nothing does.
DO \$\$
DECLARE
	signature text;
BEGIN
	FOREACH signature IN ARRAY ARRAY[
$list]
	LOOP
		BEGIN
			EXECUTE 'DROP ' || signature;
		EXCEPTION WHEN dependent_objects_still_exist THEN
			EXECUTE 'ALTER EXTENSION aiusage DROP ' || signature;
		END;
	END LOOP;
END
\$\$;
SQL
}
