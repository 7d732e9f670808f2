# SQL text, statement by statement; for tools/check_sql.pl and tools/make_update.pl.
use strict;
use warnings;

# Split into statements: [line, text, text with literals and bodies blanked].
sub statements
{
	my ($sql) = @_;
	my (@out, $text, $bare, $line, $start, $atomic);
	my $reset = sub { ($text, $bare, $start, $atomic) = ('', '', undef, 0) };

	$reset->();
	$line = 1;
	pos($sql) = 0;
	while (pos($sql) < length $sql)
	{
		my ($token, $shown);
		if ($sql =~ /\G(--[^\n]*)/gc) { ($token, $shown) = ($1, '') }
		elsif ($sql =~ m{\G(/\*(?:[^*]|\*(?!/))*\*/)}gcs) { ($token, $shown) = ($1, '') }
		elsif ($sql =~ /\G((?:[eE]')(?:[^'\\]|''|\\.)*')/gcs) { ($token, $shown) = ($1, "''") }
		elsif ($sql =~ /\G('(?:[^']|'')*')/gcs) { ($token, $shown) = ($1, "''") }
		elsif ($sql =~ /\G(\$(\w*)\$.*?\$\2\$)/gcs) { ($token, $shown) = ($1, '$body$') }
		elsif ($sql =~ /\G("(?:[^"]|"")*")/gcs) { ($token, $shown) = ($1, $1) }
		elsif ($sql =~ /\G([A-Za-z_]\w*)/gc) { ($token, $shown) = ($1, $1) }
		elsif ($sql =~ /\G(\\[^\n]*)/gc && !defined $start)
		{
			push @out, [ $line, $1, $1 ];
			next;
		}
		elsif ($sql =~ /\G(\s+)/gcs) { ($token, $shown) = ($1, ' ') }
		elsif ($sql =~ /\G(.)/gcs) { ($token, $shown) = ($1, $1) }

		$start = $line if !defined $start && $shown =~ /\S/;
		if (defined $start)
		{
			$text .= $token;
			$bare .= $shown;
			# A body between BEGIN ATOMIC and END holds semicolons of its own.
			if ($atomic || $bare =~ /\bBEGIN\s+ATOMIC$/i)
			{
				if (!$atomic) { $atomic = 1 }
				elsif ($token =~ /^case$/i) { $atomic++ }
				elsif ($token =~ /^end$/i) { $atomic-- }
			}
			if ($token eq ';' && !$atomic)
			{
				push @out, [ $start, $text, $bare ];
				$reset->();
			}
		}
		$line += ($token =~ tr/\n//);
	}
	push @out, [ $start, $text, $bare ] if defined $start;
	return @out;
}

1;
