# What a hostile role can put in the way before: a schema of our name, and
# functions, operators and tables that a careless name would find first.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('hostile');

# A squatted schema is an error, not an adoption.
$node->safe_psql('postgres', q{CREATE ROLE mallory LOGIN; CREATE DATABASE squatted; GRANT CREATE ON DATABASE squatted TO mallory});
$node->safe_psql('squatted', 'CREATE SCHEMA aiusage; CREATE TABLE aiusage.setting (name text)', extra_params => [ '-U', 'mallory' ]);
is(sqlstate_of($node, 'squatted', 'CREATE EXTENSION aiusage'), '42P06', 'a schema that is there already is refused');
is($node->safe_psql('squatted', q{SELECT count(*) FROM pg_extension WHERE extname = 'aiusage'}), '0', 'and nothing is installed');

make_books($node, 'finance');

# Everything in schema evil cries when it is called.
my @evil = map { "CREATE FUNCTION evil.$_ LANGUAGE plpgsql AS \$\$ BEGIN RAISE EXCEPTION 'hijacked by %', '$_' USING ERRCODE = 'HX000'; END \$\$;" } (
	'now() RETURNS timestamptz', 'clock_timestamp() RETURNS timestamptz', 'lower(text) RETURNS text', 'length(text) RETURNS int',
	'octet_length(text) RETURNS int', 'md5(text) RETURNS text', 'format(text, VARIADIC text[]) RETURNS text', 'format(text) RETURNS text',
	'concat_ws(text, VARIADIC text[]) RETURNS text', 'to_regclass(text) RETURNS regclass', 'jsonb_typeof(jsonb) RETURNS text',
	'jsonb_array_length(jsonb) RETURNS int', 'set_config(text, text, boolean) RETURNS text', 'current_setting(text) RETURNS text',
	'left(text, int) RETURNS text', 'split_part(text, text, int) RETURNS text', 'make_date(int, int, int) RETURNS date',
	'date_bin(interval, timestamptz, timestamptz) RETURNS timestamptz', 'pg_is_in_recovery() RETURNS boolean',
	'currency(aiusage.amount) RETURNS text', 'brin_summarize_new_values(regclass) RETURNS int', 'trim_scale(numeric) RETURNS numeric',
	'eq(text, text) RETURNS boolean', 'eq(int, int) RETURNS boolean', 'eq(bigint, bigint) RETURNS boolean', 'eq(uuid, uuid) RETURNS boolean',
	'eq(oid, oid) RETURNS boolean', 'eq(boolean, boolean) RETURNS boolean', 'eq(name, name) RETURNS boolean', 'eq(name, text) RETURNS boolean',
	'eq(jsonb, jsonb) RETURNS boolean', 'eq(timestamptz, timestamptz) RETURNS boolean', 'eq(numeric, numeric) RETURNS boolean',
	'ge(timestamptz, timestamptz) RETURNS boolean', 'ge(bigint, bigint) RETURNS boolean', 'add(timestamptz, interval) RETURNS timestamptz',
	'add(numeric, numeric) RETURNS numeric', 'add(int, int) RETURNS int', 'cat(text, text) RETURNS text', 'get(jsonb, text) RETURNS jsonb', 'gettext(jsonb, text) RETURNS text');
push @evil, map { my ($op, $fn, $l, $r) = @$_; "CREATE OPERATOR evil.$op (LEFTARG = $l, RIGHTARG = $r, FUNCTION = evil.$fn);" }
  ((map { [ '=', 'eq', $_, $_ ] } qw(text int bigint uuid oid boolean name jsonb timestamptz numeric)),
	[ '=', 'eq', 'name', 'text' ],
	[ '>=', 'ge', 'timestamptz', 'timestamptz' ], [ '>=', 'ge', 'bigint', 'bigint' ],
	[ '+', 'add', 'timestamptz', 'interval' ], [ '+', 'add', 'numeric', 'numeric' ], [ '+', 'add', 'int', 'int' ],
	[ '||', 'cat', 'text', 'text' ], [ '->', 'get', 'jsonb', 'text' ], [ '->>', 'gettext', 'jsonb', 'text' ]);
$node->safe_psql('finance', "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;\n" . join("\n", @evil));

# The trap works: a careless query falls into it.
my $path = 'SET search_path = evil, pg_catalog, aiusage;';
is(sqlstate_of($node, 'finance', "$path SELECT 1 WHERE 'a'::text = 'b'::text"), 'HX000', 'the trap snaps');
is(sqlstate_of($node, 'finance', "$path SELECT now()"), 'HX000', 'for functions, too');

# Tables in pg_temp of the names that the books have.
my $temp = join '', map { "CREATE TEMP TABLE $_ (x int);" } qw(setting books usage_record price_version price_book api_key key_assignment
  team fold_state rollup_15m rollup_daily rollup_dimension billing_calendar invoice_period access_grant audit_log);
my $insert = q{INSERT INTO aiusage.usage_record (id, request_id, api_key, provider, model, usage)
	VALUES ('%s', 'h', 'chat-prod', 'openai', 'gpt-4o', '{"input_tokens": 1000, "output_tokens": 100}') ON CONFLICT DO NOTHING};
my $id = $node->safe_psql('finance', 'SELECT aiusage.uuid_v7()');

for my $case (
	[ 'init',             'SELECT aiusage.init()' ],
	[ 'put_team',         q{SELECT aiusage.put_team('hostile', 'Hostile')} ],
	[ 'put_cost_center',  q{SELECT aiusage.put_cost_center('hostile-cc')} ],
	[ 'put_customer',     q{SELECT aiusage.put_customer('hostile-cu')} ],
	[ 'put_key',          q{SELECT aiusage.put_key('{"key": "hostile", "team": "hostile", "cost_center": "hostile-cc", "allowed_models": ["gpt*"]}')} ],
	[ 'key_record',       q{SELECT aiusage.key_record('hostile')} ],
	[ 'rotate_key',       q{SELECT aiusage.rotate_key('hostile', 'hostile-2026')} ],
	[ 'disable_key',      q{SELECT aiusage.disable_key('hostile', 'test')} ],
	[ 'grant_access',     q{SELECT aiusage.grant_access('mallory'::regrole, 'gateway')} ],
	[ 'revoke_access',    q{SELECT aiusage.revoke_access('mallory'::regrole, 'gateway')} ],
	[ 'import_prices',    q{SELECT aiusage.import_prices('list', 'genai-prices', aiusage.default_catalogue(), '2021-01-01')} ],
	[ 'draft_prices',     q{SELECT aiusage.draft_prices('list', '2030-01-01', 'hostile')} ],
	[ 'price_usage',      q{SELECT aiusage.price_usage('openai', 'gpt-4o', '{"input_tokens": 5}', '2025-10-01')} ],
	[ 'explain_price',    q{SELECT * FROM aiusage.explain_price('openai', 'gpt-4o', '{"input_tokens": 5}', '2025-10-01')} ],
	[ 'make_partitions',  q{SELECT * FROM aiusage.make_partitions('2025-01-01', '2025-02-01')} ],
	[ 'insert',           sprintf($insert, $id) ],
	[ 'insert again',     sprintf($insert, $id) ],
	[ 'insert as the gateway', sprintf($insert, $node->safe_psql('finance', 'SELECT aiusage.uuid_v7()')), 'gateway' ],
	[ 'ingest as the gateway', q{SELECT * FROM aiusage.ingest('[{"api_key": "chat-prod", "provider": "openai", "model": "gpt-4o", "usage": {"input_tokens": 7}}, {"api_key": ""}]')}, 'gateway' ],
	[ 'explain_row',      "SELECT * FROM aiusage.explain_row('$id')" ],
	[ 'adjust',           qq{SELECT aiusage.adjust('$id', '{"input_tokens": 900}', 'hostile test', NULL)} ],
	[ 'record_outcome',   qq{SELECT aiusage.record_outcome('$id', 1)} ],
	[ 'reattribute',      q{SELECT * FROM aiusage.reattribute('{"api_key": "chat-prod"}', 1, 'hostile test', NULL)} ],
	[ 'refresh',          'SELECT aiusage.refresh()' ],
	[ 'maintain',         'CALL aiusage.maintain()' ],
	[ 'verify',           'SELECT * FROM aiusage.verify()' ],
	[ 'status',           'SELECT count(*) FROM aiusage.team_usage' ],
	(map { [ "view $_", "SELECT * FROM aiusage.$_" ] } qw(usage_log team_usage cost_center_usage invoice_period_usage key_usage usage_daily)),
	[ 'view as finance',  'SELECT * FROM aiusage.invoice_period_usage', 'finance' ],)
{
	my ($name, $sql, $role) = @$case;
	my ($stdout, $stderr);
	my $before = $role ? '' : $temp;

	$node->psql('finance', "\\set VERBOSITY verbose\nSET client_min_messages = warning; $before $path\n$sql",
		stdout => \$stdout, stderr => \$stderr, extra_params => [ '-U', $role // $node->safe_psql('postgres', 'SELECT current_user') ]);
	is($stderr, '', "$name does not see what lies in the way");
}
verify_clean($node, 'finance', 'after it all');

# PUBLIC has nothing.
is(sqlstate_of($node, 'finance', $_, extra_params => [ '-U', 'mallory' ]), '42501', "mallory may not: $_")
  for ('SELECT * FROM aiusage.usage_log', 'SELECT aiusage.refresh()', 'SELECT aiusage.init()', q{SELECT aiusage.put_team('m')},
	sprintf($insert, $id), 'SELECT * FROM aiusage.verify()', 'CALL aiusage.maintain()', q{SELECT aiusage.ingest('[]')},
	'SELECT aiusage.owner_refresh()');

done_testing();
