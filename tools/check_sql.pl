#!/usr/bin/perl
# Lint of the SQL that becomes the extension and the books.
#
#     perl tools/check_sql.pl [FILE...]     (default: install/*.sql books/*/*.sql updates/by_hand.sql)
#     perl tools/check_sql.pl --self-test
#
# What it asks for, and why:
# - install/, updates/: plain CREATE, never OR REPLACE or IF NOT EXISTS.  They
#   would adopt an object somebody else put there first.
# - No SECURITY DEFINER anywhere.
# - Every function in SQL or plpgsql pins search_path to pg_catalog, pg_temp,
#   or has a body parsed at creation (BEGIN ATOMIC or RETURN).
# - Every function says its volatility and its parallel safety.
# - What is created is written aiusage.name; so is the table a trigger or an
#   index is on, and the function a trigger calls.
# - books/tables/: plain CREATE.  books/views/: re-runnable, so CREATE OR
#   REPLACE VIEW and DROP TRIGGER IF EXISTS before CREATE TRIGGER.
# - The psql guard stands in the first piece only; no other backslash command.
# What needs a catalogue (a comment on everything, privileges) is tested in
# sql/catalogue.sql, on the installed extension.
use strict;
use warnings;
use File::Basename qw(dirname basename);
use Cwd qw(abs_path);
require(dirname(abs_path($0)) . '/sql_statements.pl');

sub check
{
	my ($name, $sql) = @_;
	my @errors;
	my $members = $name =~ m{(^|/)install/|(^|/)updates/by_hand\.sql$};
	my $views = $name =~ m{(^|/)books/views/};
	my %dropped;

	for my $statement (statements($sql))
	{
		my ($line, $text, $bare) = @$statement;
		my $bad = sub { push @errors, "$name:$line: $_[0]" };
		$bare =~ s/\s+/ /g;

		if ($bare =~ /^\\/)
		{
			$bad->("backslash command") unless $bare =~ /^\\echo Use "(CREATE|ALTER) EXTENSION/ && $members;
			next;
		}
		$bad->("SECURITY DEFINER") if $bare =~ /\bSECURITY DEFINER\b/i;
		if ($members)
		{
			$bad->("OR REPLACE in an install piece") if $bare =~ /^ ?CREATE OR REPLACE\b/i;
			$bad->("IF NOT EXISTS in an install piece") if $bare =~ /^ ?(CREATE|ALTER)\b.*\bIF NOT EXISTS\b/i;
			$bad->("table in an install piece: tables belong to books/")
			  if $bare =~ /^ ?CREATE (UNLOGGED |TEMP |TEMPORARY )?TABLE\b/i;
		}
		elsif ($views)
		{
			$dropped{"$1 $2"} = 1 if $bare =~ /^DROP TRIGGER IF EXISTS (\S+) ON (\S+?) ?;/i;
			$bad->("CREATE VIEW without OR REPLACE is not re-runnable") if $bare =~ /^CREATE VIEW\b/i;
			if ($bare =~ /^CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER (\S+) .*?\bON (\S+)/i
				&& $bare !~ /^CREATE OR REPLACE/i)
			{
				$bad->("trigger $1 is not dropped first: not re-runnable") unless $dropped{"$1 $2"};
			}
			$bad->("function in a books piece: functions are extension members") if $bare =~ /^CREATE (OR REPLACE )?(FUNCTION|PROCEDURE)\b/i;
		}
		else
		{
			$bad->("OR REPLACE in a storage step") if $bare =~ /^CREATE OR REPLACE\b/i;
			$bad->("IF NOT EXISTS in a storage step") if $bare =~ /^(CREATE|ALTER)\b.*\bIF NOT EXISTS\b/i;
			$bad->("function in a books piece: functions are extension members") if $bare =~ /^CREATE (FUNCTION|PROCEDURE)\b/i;
		}

		# Qualified names
		if ($bare =~ /^CREATE (?:OR REPLACE )?(?:UNIQUE )?(?:UNLOGGED )?(FUNCTION|PROCEDURE|AGGREGATE|TYPE|DOMAIN|TABLE|VIEW|MATERIALIZED VIEW|SEQUENCE|OPERATOR CLASS|OPERATOR FAMILY|OPERATOR) (?:IF NOT EXISTS )?(\S+)/i)
		{
			my ($kind, $what) = ($1, $2);
			$bad->("\L$kind\E $what is not written aiusage.$what") unless $what =~ /^aiusage\./;
		}
		if ($bare =~ /^CREATE (?:UNIQUE )?INDEX\b.*?\bON (?:ONLY )?(\S+)/i)
		{
			$bad->("index on $1: not written aiusage.") unless $1 =~ /^aiusage\./;
		}
		if ($bare =~ /^CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER\b/i)
		{
			$bad->("trigger on a table not written aiusage.") unless $bare =~ /\bON aiusage\./i;
			$bad->("trigger function not written aiusage.") unless $bare =~ /\bEXECUTE FUNCTION aiusage\./i;
		}

		# Functions
		if ($bare =~ /^CREATE (?:OR REPLACE )?(FUNCTION|PROCEDURE) ([\w.]+)/i)
		{
			my ($kind, $what) = (uc $1, $2);
			# Where the attributes are: outside of the argument list.
			my ($language) = $bare =~ /\bLANGUAGE '?(\w+)/i;
			my $trigger = $bare =~ /\bRETURNS (event_)?trigger\b/i;
			$language = lc($language // 'sql');
			if ($language =~ /^(sql|plpgsql)$/ && $bare !~ /\bBEGIN ATOMIC\b/i && $bare !~ /\bRETURN\b [^;]*;$/i
				&& $bare !~ /\bSET search_path *(=|TO) *pg_catalog *, *pg_temp\b/i
				# A procedure that commits can have no SET; it qualifies everything.
				&& !($kind eq 'PROCEDURE' && $text =~ /\bCOMMIT\b/i))
			{
				$bad->("\L$kind\E $what does not pin its search_path");
			}
			if ($kind eq 'FUNCTION')
			{
				$bad->("function $what does not say its volatility") unless $bare =~ /\b(IMMUTABLE|STABLE|VOLATILE)\b/i || $trigger;
				$bad->("function $what does not say its parallel safety") unless $bare =~ /\bPARALLEL (SAFE|RESTRICTED|UNSAFE)\b/i || $trigger;
			}
			$bad->("$what takes or returns internal without being for the server only")
			  if $language ne 'c' && $bare =~ /\binternal\b/i;
		}
	}
	return @errors;
}

sub self_test
{
	my @cases = (
		[ 'install/a.sql', 'CREATE OR REPLACE VIEW aiusage.v AS SELECT 1;', 'OR REPLACE' ],
		[ 'install/a.sql', 'CREATE SEQUENCE IF NOT EXISTS aiusage.s;', 'IF NOT EXISTS' ],
		[ 'install/a.sql', 'CREATE TABLE aiusage.t();', 'tables belong' ],
		[ 'install/a.sql', "-- CREATE OR REPLACE\n/* SECURITY DEFINER */ SELECT 'SECURITY DEFINER';", undef ],
		[ 'install/a.sql', 'CREATE FUNCTION aiusage.f() RETURNS int LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$ begin; end $$;', 'search_path' ],
		[ 'install/a.sql', 'CREATE FUNCTION aiusage.f() RETURNS int LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = public AS $$ $$;', 'search_path' ],
		[ 'install/a.sql', 'CREATE FUNCTION aiusage.f() RETURNS int LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $x$ ; $x$;', undef ],
		[ 'install/a.sql', 'CREATE FUNCTION aiusage.f() RETURNS int LANGUAGE sql STABLE PARALLEL SAFE BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; CREATE TYPE t AS (a int);', 'type t is not' ],
		[ 'install/a.sql', "CREATE FUNCTION aiusage.f() RETURNS int LANGUAGE C IMMUTABLE AS 'm';", 'parallel' ],
		[ 'install/a.sql', "CREATE FUNCTION f() RETURNS int LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'm';", 'not written' ],
		[ 'install/a.sql', "CREATE FUNCTION aiusage.f() RETURNS int LANGUAGE C IMMUTABLE PARALLEL SAFE SECURITY DEFINER AS 'm';", 'SECURITY DEFINER' ],
		[ 'install/a.sql', 'CREATE PROCEDURE aiusage.p() LANGUAGE plpgsql AS $$ begin commit; end $$;', undef ],
		[ 'install/a.sql', 'CREATE PROCEDURE aiusage.p() LANGUAGE plpgsql AS $$ begin null; end $$;', 'search_path' ],
		[ 'books/tables/1_t.sql', 'CREATE TABLE IF NOT EXISTS aiusage.t();', 'IF NOT EXISTS' ],
		[ 'books/tables/1_t.sql', 'CREATE INDEX ON t (a);', 'index on t' ],
		[ 'books/views/1_v.sql', 'CREATE VIEW aiusage.v AS SELECT 1;', 're-runnable' ],
		[ 'books/views/1_v.sql', 'CREATE TRIGGER a AFTER INSERT ON aiusage.t FOR EACH ROW EXECUTE FUNCTION aiusage.f();', 'not dropped' ],
		[ 'books/views/1_v.sql', 'DROP TRIGGER IF EXISTS a ON aiusage.t; CREATE TRIGGER a AFTER INSERT ON aiusage.t FOR EACH ROW EXECUTE FUNCTION aiusage.f();', undef ],
		[ 'books/views/1_v.sql', 'DROP TRIGGER IF EXISTS a ON aiusage.t; CREATE TRIGGER a AFTER INSERT ON aiusage.t FOR EACH ROW EXECUTE FUNCTION f();', 'trigger function' ],);

	for my $case (@cases)
	{
		my ($name, $sql, $wanted) = @$case;
		my @errors = check($name, $sql);
		if (defined $wanted ? (@errors != 1 || index($errors[0], $wanted) < 0) : @errors)
		{
			die "the SQL lint is wrong about: $sql\nfound: @errors\nwanted: " . ($wanted // 'nothing') . "\n";
		}
	}
}

self_test();
if (@ARGV && $ARGV[0] eq '--self-test')
{
	print "sql: the check finds what it must\n";
	exit 0;
}
my @files = @ARGV;
if (!@files)
{
	chdir(dirname(dirname($0))) or die;
	@files = grep { !m{/90_init\.sql$} } (glob('install/*.sql'), glob('books/*/*.sql'), grep { -e } 'updates/by_hand.sql');
}
my @errors;
for my $file (@files)
{
	open my $fh, '<', $file or die "cannot read $file: $!\n";
	local $/;
	push @errors, check($file, scalar <$fh>);
}
print "$_\n" for @errors;
print "sql: ", scalar(@files), " pieces, ", scalar(@errors), " findings\n";
exit(@errors ? 1 : 0);
