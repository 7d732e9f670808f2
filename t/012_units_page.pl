
# The table of units in docs/types.md against aiusage.unit_registry().

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('units');
$node->safe_psql('postgres', 'CREATE EXTENSION aiusage');

my $page = join "\n", grep { /^\| `\w+` \|.*\| (?:whole|6 decimals) \|/ } split /\n/, slurp_file(project_dir() . '/docs/types.md');
is($page, $node->safe_psql('postgres', q{
	SELECT format('| `%s` |%s | %s | %s |%s |', unit, ' `' || price_key || '`', price_per,
		CASE WHEN whole THEN 'whole' ELSE '6 decimals' END, ' `' || nullif(array_to_string(ancestors, '`, `'), '') || '`')
	FROM aiusage.unit_registry()}), 'the page lists the registry');

$node->stop('immediate');
done_testing();
