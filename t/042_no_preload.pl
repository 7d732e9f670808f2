# Without shared_preload_libraries everything works but limits: booking,
# pricing, folding, views; and books made with it go on without it, and back.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('preload');
make_books($node, 'finance');
book_workload($node, 'finance');
# a limit in a currency that nothing is priced in, so that no usage can be checked against it
$node->safe_psql('finance', q{SELECT aiusage.put_quota('{"name": "euro", "scope": {"user_id": "euro-only"}, "metric": "spend", "currency": "EUR", "limit": 1, "window": "total"}')});
my $before = figures($node, 'finance');

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->restart;
is($node->safe_psql('finance', 'SHOW shared_preload_libraries'), '', 'not preloaded');
is(figures_differ($before, figures($node, 'finance')), '', 'every figure is the same');

my $insert = q{INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage)
	VALUES ('without-preload', 'chat-prod', 'openai', 'gpt-4o', '{"input_tokens": 1000, "output_tokens": 100}')};
is(sqlstate_of($node, 'finance', $insert, extra_params => [ '-U', 'gateway' ]), '', 'the gateway inserts');
is($node->safe_psql('finance', q{SELECT cost::numeric > 0, assignment IS NOT NULL FROM aiusage.usage_record WHERE request_id = 'without-preload'}),
	't|t', 'priced and attributed');
is(sqlstate_of($node, 'finance', q{SELECT FROM aiusage.admit('chat-prod', 'openai', 'gpt-4o', '{"input_tokens": 1}', user_id => 'euro-only')}, extra_params => [ '-U', 'gateway' ]),
	'UA503', 'a limit that cannot be checked for want of memory, and the currency besides: refused');
is(sqlstate_of($node, 'finance', q{INSERT INTO aiusage.usage_record (api_key, provider, model, usage, user_id) VALUES ('chat-prod', 'openai', 'gpt-4o', '{"input_tokens": 1}', 'euro-only')}),
	'UA503', 'so is a row');
$node->safe_psql('finance', 'SELECT aiusage.refresh()');
verify_clean($node, 'finance', 'without preload');
is(sqlstate_of($node, 'finance', 'UPDATE aiusage.usage_record SET user_id = NULL'), 'UA403', 'append-only');

# Made without preload from the start.
make_books_again($node);

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'aiusage'");
$node->restart;
verify_clean($node, 'finance', 'preloaded again');
verify_clean($node, 'second', 'preloaded later');

sub make_books_again
{
	my ($node) = @_;
	$node->safe_psql('postgres', 'CREATE DATABASE second');
	$node->safe_psql('second', 'SET client_min_messages = warning; CREATE EXTENSION aiusage; SELECT FROM aiusage.init();');
	$node->safe_psql('second', $insert);
	is($node->safe_psql('second', q{SELECT cost_state, assignment IS NULL FROM aiusage.usage_record}), 'unpriced|t',
		'new books without preload: an unknown key and no prices yet are said, not hidden');
	return;
}

done_testing();
