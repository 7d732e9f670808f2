# Random books, catalogues and usages, priced by aiusage and by plain numeric
# SQL that reads only what was generated: tools/pricing_property.sql.
#
# AIUSAGE_PRICE_CASES and AIUSAGE_SEED ask for more, and for others.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($seed) = seeds(20261127);
my $cases = $ENV{AIUSAGE_PRICE_CASES} || 100_000;
my $node = new_node('property', conf => "autovacuum = off\nsynchronous_commit = off\nwork_mem = '64MB'\nmax_wal_size = '2GB'\n");

my ($out, $err) = ('', '');
my $rc = $node->psql('postgres', undef, stdout => \$out, stderr => \$err, timeout => 600,
	extra_params => [ '-v', "seed=$seed", '-v', "cases=$cases", '-f', project_dir() . '/tools/pricing_property.sql' ]);

is($rc, 0, "seed $seed: every answer is the oracle's") or diag("$out\n$err");
like($out, qr/^seed \Q$seed\E: compared $cases, equal $cases, /m, 'every case was compared');
note($out);
$node->stop;
done_testing();
