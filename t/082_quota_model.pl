# Random histories against a slow model: limits of every kind come, change and
# go between rows of every kind, folds, rebuilds and pruning; after each step
# every counter, in the books and in memory, equals a recount of the ledger in
# plain SQL (the checks of limits in aiusage.verify()).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use AiusageTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $steps = $ENV{AIUSAGE_MODEL_STEPS} // 40;
my @seeds = seeds(1, 2);
my $node = new_node('quota_model');

$node->safe_psql('postgres', 'CREATE DATABASE model');
$node->safe_psql('model', <<'EOSQL');
SET client_min_messages = warning;
CREATE EXTENSION aiusage;
SELECT FROM aiusage.init();
SELECT count(aiusage.put_key(r)) FROM (VALUES
	(jsonb '{"key": "k1", "team": "t1", "cost_center": "cc1", "project": "x", "customer": "c1", "class": "production", "environment": "live"}'),
	('{"key": "k2", "team": "t1", "cost_center": "cc2", "workflow": "w1"}'), ('{"key": "k3", "team": "t2", "customer": "c2", "class": "batch"}')) AS v (r);
SELECT aiusage.put_customer('c1', 'C1', 'gold');
CREATE TABLE done (what text, n int DEFAULT 1);

CREATE FUNCTION pick(VARIADIC a text[]) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT a[1 + floor(random() * cardinality(a))::int]';

CREATE FUNCTION random_rows(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	occurred timestamptz;
	recorded timestamptz;
	kind text;
	currency text;
	cost numeric;
	key text;
BEGIN
	FOR i IN 1..n LOOP
		occurred := clock_timestamp() + CASE floor(random() * 6) WHEN 0 THEN interval '40 minutes' * random() WHEN 1 THEN -interval '70 days' * random()
			WHEN 2 THEN -interval '2 days' * random() WHEN 3 THEN -interval '3 hours' * random() ELSE interval '0' END;
		recorded := CASE WHEN random() < 0.6 THEN clock_timestamp() WHEN random() < 0.5 THEN least(occurred + interval '3 hours' * random(), clock_timestamp()) ELSE least(occurred, clock_timestamp()) END;
		kind := CASE WHEN random() < 0.75 THEN 'usage' ELSE pick('usage', 'reversal', 'adjustment', 'outcome') END;
		currency := CASE WHEN random() < 0.8 THEN 'USD' ELSE 'EUR' END;
		cost := CASE kind WHEN 'outcome' THEN 0 WHEN 'reversal' THEN -1 ELSE 1 END * round((random() * 3)::numeric, floor(random() * 13)::int);
		key := pick('k1', 'k1', 'k2', 'k3', 'k4');
		INSERT INTO aiusage.usage_record (id, occurred_at, recorded_at, assignment, api_key, provider, model, endpoint, usage, user_id, job_id, customer, workflow, tags,
			status, kind, adjusts, correction, quota_state, cost_state, unpriced_reason, cost, cost_by_unit, invoice_period, spent)
		SELECT aiusage.uuid_v7(occurred), occurred, recorded,
			(SELECT max(a.assignment) FROM aiusage.key_assignment AS a WHERE a.api_key = CASE WHEN random() < 0.9 THEN key ELSE 'k3' END), key,
			pick('p1', 'P1', 'other'), pick('m1', 'M1', 'm2', 'm1-mini'), CASE WHEN random() < 0.3 THEN pick('chat', '/v1/Chat') END,
			CASE WHEN random() < 0.1 THEN '{}' ELSE format('{"input_tokens": %s, "output_tokens": %s, "images": %s, "x_unit": %s}', floor(random() * 1000), floor(random() * 100),
				floor(random() * 3), round(random()::numeric, 6)) END::aiusage.usage,
			CASE WHEN random() < 0.7 THEN pick('u1', 'u2', 'u3') END, CASE WHEN random() < 0.3 THEN pick('j1', 'j2') END,
			CASE WHEN random() < 0.3 THEN pick('c1', 'c2', 'c3') END, CASE WHEN random() < 0.3 THEN pick('w1', 'w2') END,
			CASE WHEN random() < 0.4 THEN pick('{"f": "x"}', '{"f": 1.50}', '{"f": true}', '{"f": null}', '{"g": "x"}')::jsonb END,
			pick('success', 'success', 'error', 'timeout')::aiusage.usage_status, kind::aiusage.record_kind,
			CASE WHEN kind <> 'usage' OR random() < 0.1 THEN aiusage.uuid_v7() END, CASE WHEN kind <> 'usage' THEN 1 END,
			CASE WHEN random() < 0.2 THEN 'exempt' END::aiusage.limit_state, CASE WHEN u.unpriced THEN 'unpriced' ELSE 'final' END::aiusage.cost_state,
			CASE WHEN u.unpriced THEN 'no_rule' END::aiusage.unpriced_reason, CASE WHEN NOT u.unpriced THEN aiusage.amount(cost, currency) END,
			CASE WHEN u.unpriced THEN format('{"%s": {}}', currency)::aiusage.unit_costs ELSE aiusage.unit_costs(ARRAY['input_tokens'], ARRAY[cost], currency) END,
			aiusage.period_of(1, occurred), true
		FROM (SELECT kind IN ('usage', 'reversal') AND random() < 0.1 AS unpriced) AS u;
	END LOOP;
END
$$;

CREATE FUNCTION random_quota(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r jsonb := jsonb_build_object('name', 'q' || n, 'limit', 1e20, 'per', '[]'::jsonb, 'tag', NULL);
	s jsonb := '{}';
BEGIN
	FOR i IN 1..floor(random() * 3)::int LOOP
		s := s || pick('{"api_key": "k1"}', '{"key_class": "batch"}', '{"team": "t1"}', '{"cost_center": "cc1"}', '{"project": "x"}', '{"customer": "c1"}', '{"plan_tier": "gold"}',
			'{"user_id": "u1"}', '{"environment": "live"}', '{"workflow": "w1"}', '{"job_id": "j1"}', '{"provider": "p1"}', '{"model": "m1*"}', '{"endpoint": "/V1/chat"}', '{"model": "M1"}',
			'{"tag": {"f": "x"}}', '{"tag": {"f": "1.50"}}')::jsonb;
	END LOOP;
	r := r || jsonb_build_object('scope', s);
	FOR i IN 1..floor(random() * 3)::int LOOP
		r := jsonb_set(r, '{per}', (SELECT jsonb_agg(DISTINCT e) FROM jsonb_array_elements(r -> 'per' || to_jsonb(pick('api_key', 'key_class', 'team', 'customer', 'plan_tier', 'user_id',
			'workflow', 'job_id', 'provider', 'model', 'endpoint', 'tag'))) AS e));
	END LOOP;
	IF r -> 'per' ? 'tag' THEN
		r := r || '{"tag": "f"}';
	END IF;
	r := r || jsonb_build_object('metric', pick('spend', 'spend', 'requests', 'tokens', 'errors', 'images', 'x_unit'), 'action', pick('flag', 'reject'));
	IF r ->> 'metric' = 'spend' THEN
		r := r || jsonb_build_object('currency', pick('USD', 'USD', 'EUR'), 'unpriced', pick('reject', 'allow'));
	END IF;
	r := r || jsonb_build_object('window', pick('minute', 'hour', 'day', 'week', 'month', 'total', 'invoice_period', '3 months', '10 days', '7 hours', '36 hours', '100 seconds'),
		'time_zone', pick('UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/New_York'));
	r := r || jsonb_build_object('sliding', r ->> 'window' NOT IN ('month', 'total', 'invoice_period', '3 months') AND random() < 0.4);
	PERFORM aiusage.put_quota(r, replace => true);
END
$$;
EOSQL

for my $seed (@seeds)
{
	my ($rc, $out, $err) = $node->psql('model', <<EOSQL);
SET client_min_messages = warning;
DO \$\$
DECLARE
	bad text;
	what text;
BEGIN
	PERFORM setseed(@{[ $seed % 1_000_000 / 1_000_000 ]});
	FOR step IN 1..$steps LOOP
		what := pick('rows', 'rows', 'rows', 'rows', 'fold', 'fold', 'limit', 'limit', 'limit', 'retire', 'class', 'tier', 'rebuild', 'prune');
		CASE what
			WHEN 'rows' THEN PERFORM random_rows(1 + floor(random() * 15)::int);
			WHEN 'fold' THEN PERFORM aiusage.refresh();
			WHEN 'limit' THEN PERFORM random_quota(1 + floor(random() * 8)::int);
			WHEN 'retire' THEN PERFORM aiusage.retire_quota(q.name) FROM aiusage.quota AS q WHERE q.status = 'active' AND q.name = 'q' || 1 + floor(random() * 8);
			WHEN 'class' THEN PERFORM aiusage.put_key(aiusage.key_record('k2') || jsonb_build_object('class', pick('batch', 'production', NULL)));
			WHEN 'tier' THEN PERFORM aiusage.put_customer(pick('c1', 'c2', 'c3'), plan_tier => pick('gold', 'free'));
			WHEN 'rebuild' THEN PERFORM aiusage.rebuild_quota(q.name, 'model') FROM (SELECT name FROM aiusage.quota WHERE status = 'active' ORDER BY random() LIMIT 1) AS q;
			WHEN 'prune' THEN
				UPDATE aiusage.fold_state SET quotas_pruned_at = '-infinity' WHERE quotas_pruned_at < now() - interval '1 hour';
				PERFORM aiusage.prune_quotas();
		END CASE;
		INSERT INTO done VALUES (what);
		COMMIT;
		bad := (SELECT string_agg(concat_ws(' ', v.check_name, v.expected, v.actual, v.detail), E'\\n') FROM aiusage.verify() AS v WHERE NOT v.ok AND v.check_name LIKE 'limit%');
		IF bad IS NOT NULL THEN
			RAISE EXCEPTION 'seed $seed, step %, %: %', step, what, bad;
		END IF;
		COMMIT;
	END LOOP;
END
\$\$;
EOSQL
	is($rc, 0, "seed $seed: after each of $steps steps every counter equals the ledger")
	  or diag $err, $node->safe_psql('model', q{SELECT aiusage.quota_record(name), c.* FROM aiusage.quota AS q LEFT JOIN aiusage.quota_counters() AS c USING (quota)
			WHERE status = 'active' UNION ALL SELECT NULL, q.quota, subject, window_start, labels::text, used, NULL, NULL, NULL, starts_at, NULL, NULL, NULL FROM aiusage.quota_counter AS q
			ORDER BY 2, 3});
}

# the histories had something of everything in them
my $counts = $node->safe_psql('model', q{
	SELECT count(DISTINCT d.what), (SELECT count(*) FROM aiusage.usage_record) > 100, (SELECT count(*) FROM aiusage.quota) > 5,
		(SELECT count(*) FROM aiusage.quota_counter) > 0
	FROM done AS d});
is($counts, '8|t|t|t', 'rows, folds, limits, retiring, classes, tiers, rebuilds, pruning');

$node->stop;
done_testing();
