# Import of damaged price catalogues, of each format.
#
# Small whole catalogues are damaged at random places: a value becomes another
# or of another type, a member or element goes, comes twice or under another
# name.  Each is either imported, and then what was imported survives export
# and import unchanged, or refused with UA422; never half imported, never an
# error of the machinery.  Everything is drawn from one seeded generator.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($seed) = seeds(20261127);
my $cases = $ENV{AIUSAGE_FUZZ_IMPORT} || 200;	# a format
my $json = JSON::PP->new->canonical->allow_nonref;

my $state = $seed;

sub draw
{
	my ($bound) = @_;
	$state = ($state * 1103515245 + 12345) & 0x7fffffff;
	return int($state / 65536) % $bound;
}

my %whole = (
	'genai-prices' => '[{"id": "lab", "name": "Lab", "provider_match": {"contains": "lab"}, "fallback_model_providers": ["other"], "models": [
		{"id": "a", "match": {"or": [{"equals": "a"}, {"starts_with": "a-"}, {"regex": "^a[0-9]"}]}, "prices": {"input_mtok": {"base": 3, "tiers": [{"start": 200000, "price": 6}]}, "output_mtok": 15}},
		{"id": "b", "match": {"equals": "b"}, "prices": [{"prices": {"input_mtok": 1}}, {"constraint": {"start_date": "2026-02-03"}, "prices": {"input_mtok": 2}},
			{"constraint": {"start_time": "16:30:00Z", "end_time": "00:30:00Z"}, "prices": {"input_mtok": 0.5}}]}]}, {"id": "other", "models": []}]',
	'aiusage' => '{"format": "aiusage", "format_version": 1, "currency": "USD", "source": "s", "version": "1", "date": "2026-01-02", "providers": [
		{"provider": "lab", "name": "Lab", "match": {"equals": "l"}, "model_match": {"starts_with": "m"}, "fallbacks": ["x"], "models": [{"model": "m", "match": {"and": [{"starts_with": "m"}, {"ends_with": "m"}]}, "rules": [
			{"rule": 2, "service_tier": "batch", "endpoint": "chat", "region": "eu", "starts_at": "2026-01-01T00:00:00+00:00", "ends_at": "2027-01-01T00:00:00+00:00", "weekdays": [1, 7], "time_from": "22:00:00",
			 "time_to": "06:00:00", "time_zone": "Europe/Berlin", "multiplier": 1.25, "note": "n", "prices": [{"unit": "input_tokens", "rate": 3, "per": 1000000},
				{"unit": "input_tokens", "rate": 4, "per": 1000000, "tier_start": 100, "tier_metric": "input_tokens", "tier_inclusive": true},
				{"unit": "audio_seconds", "rate": 0.1, "per": 3600, "min_quantity": 10, "quantity_step": 0.5}]}]}]}]}',
	'litellm' => '{"lab/a": {"litellm_provider": "lab", "mode": "chat", "max_tokens": 5, "aliases": ["aa"], "input_cost_per_token": 1.25e-07, "output_cost_per_token": 1e-06, "cache_read_input_token_cost_above_200k_tokens_priority": 1e-7,
			"input_cost_per_token_flex": 1e-8, "input_cost_per_audio_token": 1e-6, "regional_processing_uplift_multiplier_eu": 1.1, "provider_specific_entry": {"us": 1.1, "fast": 6}, "guardrail_cost_per_unit": {"aB": 1},
			"search_context_cost_per_query": {"search_context_size_medium": 0.01}, "input_dbu_cost_per_token": 1e-5, "code_interpreter_cost_per_session": 0.03,
			"off_peak_pricing": {"hours_utc": ["16:30-00:30"], "weekday_timezone": "Asia/Shanghai", "windows": [{"hours_utc": "01:00-02:00", "weekdays": [1, "sun"]}], "input_cost_per_token": 1e-9}},
		"lab/b": {"litellm_provider": "lab", "tiered_pricing": [{"range": [0, 32000], "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}, {"range": [32000, 64000], "input_cost_per_token": 2e-6}]},
		"hd/1024-x-1792/i": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_pixel": 1e-8},
		"bedrock/us-east-1/x.y": {"litellm_provider": "bedrock", "mode": "chat", "input_cost_per_token": 1e-6},
		"s": {"litellm_provider": "lab", "mode": "search", "tiered_pricing": [{"max_results_range": [0, 25], "input_cost_per_query": 0.005}, {"max_results_range": [26, 100], "input_cost_per_query": 0.025}]}}');

my @values = (undef, 0, -1, 1.5, 1e-30, 1e300, 99999999999999999999, '', 'x', 'NaN', '-5', '2026-02-30', "l'ab\"; --", "\x{e4}\x{4e00}", 'm' x 300, [], [1], [undef], {}, { x => 1 },
	JSON::PP::true, JSON::PP::false, '25:00-26:00', { equals => 5 }, { regex => '((' }, [[]]);

# Every place in a structure: [container, key].
sub places
{
	my ($node) = @_;
	my @found;
	my @todo = ($node);
	while (my $n = shift @todo)
	{
		for my $key (ref $n eq 'HASH' ? sort keys %$n : ref $n eq 'ARRAY' ? 0 .. $#$n : ())
		{
			my $child = ref $n eq 'HASH' ? $n->{$key} : $n->[$key];
			push @found, [ $n, $key ];
			push @todo, $child if ref $child eq 'HASH' || ref $child eq 'ARRAY';
		}
	}
	return @found;
}

sub damage
{
	my ($catalogue) = @_;
	my @places = places($catalogue);
	return $values[ draw(scalar @values) ] unless @places && draw(50);
	my ($n, $key) = @{ $places[ draw(scalar @places) ] };
	my $how = draw(10);
	my $value = $values[ draw(scalar @values) ];
	if (ref $n eq 'HASH')
	{
		if ($how < 6) { $n->{$key} = $value }
		elsif ($how == 6) { delete $n->{$key} }
		elsif ($how == 7) { $n->{"$key\_x"} = delete $n->{$key} }
		elsif ($how == 8) { $n->{"new"} = $n->{$key} }
		else { my @other = sort keys %$n; $n->{$key} = $n->{ $other[ draw(scalar @other) ] } }
	}
	elsif ($how < 6) { $n->[$key] = $value }
	elsif ($how < 8) { splice @$n, $key, 1 }
	else { push @$n, $n->[$key] }
	return $catalogue;
}

my $node = new_node('import_fuzz');
$node->safe_psql('postgres', q{SET client_min_messages = warning; CREATE EXTENSION aiusage; SELECT FROM aiusage.init();
	CREATE TABLE damaged (id int GENERATED ALWAYS AS IDENTITY, format text, catalogue jsonb, outcome text, message text);
	INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('fuzz', 'list', 'USD'), ('again', 'list', 'USD')});

my $copy = '';
for my $format (sort keys %whole)
{
	for my $n (1 .. $cases)
	{
		my $catalogue = $json->decode($whole{$format});
		$catalogue = damage($catalogue) for 1 .. ($n == 1 ? 0 : 1 + draw(3));
		# one statement a line: a text that COPY takes as it is
		(my $text = JSON::PP->new->canonical->allow_nonref->ascii->encode($catalogue)) =~ s/\\/\\\\/g;
		$copy .= "$format\t$text\n";
	}
}
my $file = PostgreSQL::Test::Utils::tempdir() . '/damaged';
append_to_file($file, $copy);
$node->safe_psql('postgres', "\\copy damaged (format, catalogue) FROM '$file'");

$node->safe_psql('postgres', q{SET client_min_messages = error;
DO $$
DECLARE
	d record;
	made bigint;
	other bigint;
	before bigint;
BEGIN
	FOR d IN SELECT * FROM damaged ORDER BY id LOOP
		before := (SELECT count(*) FROM aiusage.price_version);
		BEGIN
			made := aiusage.import_prices('fuzz', d.format, d.catalogue, '-infinity');
			d.outcome := 'imported';
			other := aiusage.import_prices('again', 'aiusage', aiusage.export_prices(made::int), '-infinity');
			IF aiusage.prices_checksum(made::int) <> aiusage.prices_checksum(other::int) THEN
				d.outcome := 'not the same when exported and imported';
			END IF;
			PERFORM aiusage.price_usage(p.provider, p.model, '{"input_tokens": 300000, "output_tokens": 10}', '2026-10-01', book => 'fuzz')
			FROM aiusage.price_model AS p WHERE p.version = made;
		EXCEPTION WHEN OTHERS THEN
			d.outcome := SQLSTATE;
			d.message := SQLERRM;
			IF before <> (SELECT count(*) FROM aiusage.price_version) THEN
				d.outcome := 'half imported';
			END IF;
		END;
		UPDATE damaged SET outcome = d.outcome, message = d.message WHERE id = d.id;
	END LOOP;
END $$});

is($node->safe_psql('postgres', q{SELECT id, format, outcome, message, catalogue FROM damaged WHERE outcome NOT IN ('imported', 'UA422') ORDER BY id LIMIT 5}),
	'', "seed $seed: imported or refused");
for my $format (sort keys %whole)
{
	is($node->safe_psql('postgres', "SELECT outcome FROM damaged WHERE format = '$format' ORDER BY id LIMIT 1"), 'imported', "$format: the whole one is imported");
	my $refused = $node->safe_psql('postgres', "SELECT count(*) FROM damaged WHERE format = '$format' AND outcome = 'UA422'");
	my $imported = $node->safe_psql('postgres', "SELECT count(*) FROM damaged WHERE format = '$format' AND outcome = 'imported'");
	note "$format: $refused refused, $imported imported";
	cmp_ok($refused, '>', $cases / 5, "$format: damage is found");
	cmp_ok($imported, '>', $cases / 20, "$format: some damage does no harm");
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM aiusage.price_version WHERE status <> 'published'}), '0', 'nothing is half imported');
$node->stop;
done_testing();
