#!/bin/bash
# Repricing of 1M rows: rows a second, and the memory of the backend that does
# it, beside booking as many rows in the same cluster.
#
# Called by bench/run.sh, or by hand as bench/fold.sh says.  Uses a database of
# its own, bench_reprice, which it drops first.  Prints markdown.
set -eu
cd "$(dirname "$0")/.."

if [ -n "${BENCH_DIR:-}" ]; then
	export PGHOST=$BENCH_DIR
	export PGUSER=${PGUSER:-postgres}
fi
psql=${PG_BIN:+$PG_BIN/}psql
rows=1000000
if [ "${BENCH_QUICK:-0}" != 0 ]; then rows=100000; fi
scratch=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/reprice.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

sql() { "$psql" -X -q -A -t -v ON_ERROR_STOP=1 -d bench_reprice "$@"; }
die() { echo "error: $*" >&2; exit 1; }
# milliseconds that a statement takes, in a session of its own
timed() { sql -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; }

# measured NAME STATEMENT: sets ${NAME}_ms, and ${NAME}_mb: the most private memory (RssAnon) that its backend had, sampled
measured() {
	local out=$scratch/$1 pid peak=0 now
	"$psql" -X -q -A -t -v ON_ERROR_STOP=1 -d bench_reprice -c 'SELECT pg_backend_pid()' -c 'SET client_min_messages = warning' \
		-c '\timing on' -c "$2" >"$out" &
	local client=$!
	while ! [ -s "$out" ]; do sleep 0.01; kill -0 $client 2>/dev/null || break; done
	pid=$(head -n 1 "$out")
	while kill -0 $client 2>/dev/null; do
		now=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status" 2>/dev/null) || now=0
		if [ "${now:-0}" -gt $peak ]; then peak=$now; fi
		sleep 0.05
	done
	wait $client || die "$2"
	eval "$1_ms=$(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$out" | tail -n 1)"
	eval "$1_mb=$((peak / 1024))"
}
rate() { awk -v n="$1" -v ms="$2" 'BEGIN { printf "%.0f", n * 1000 / ms }'; }
times() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

"$psql" -X -q -d postgres -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS bench_reprice' -c 'CREATE DATABASE bench_reprice'
sql -f bench/sql/reprice_setup.sql >/dev/null

# Booking them: what a row costs to price and to store.
measured book "INSERT INTO aiusage.usage_record (id, api_key, provider, model, endpoint, usage)
	SELECT aiusage.uuid_v7(now() - (($rows + 1 - n) * (interval '30 days' / $rows))), 'bench-' || 1 + n * 7919 % 100, 'openai',
		CASE WHEN n % 10 = 0 THEN 'late' ELSE 'bench-' || n % 4 END, 'chat',
		aiusage.usage(ARRAY['input_tokens', 'cache_read_tokens', 'output_tokens'], ARRAY[4740 + n % 1000, 4000, 255 + n % 77]::numeric[])
	FROM generate_series(1::bigint, $rows) AS n"
sql -c 'SELECT FROM aiusage.refresh()' -c 'CALL aiusage.maintain()' -c 'VACUUM ANALYZE'
sql -c "SELECT publish('list', 3, 0.3, 12, NULL), publish('deal', 2.4, 0.24, 9.6, NULL), publish('bill', 5, 0.5, 20, NULL)" >/dev/null
sql -c CHECKPOINT

filters='{"provider": "openai"}'
measured dry "SELECT count(*) FROM aiusage.reprice('$filters', NULL, 'benchmark', NULL)"
job=$(sql -c "SELECT aiusage.start_reprice('$filters', NULL, 'benchmark', NULL)")
measured job "CALL aiusage.run_reprice($job)"
measured tail "SELECT sum(cost) FROM aiusage.team_usage"
measured fold "SELECT aiusage.refresh()"
sql -c 'CALL aiusage.maintain()' -c 'VACUUM ANALYZE' -c CHECKPOINT
job2=$(sql -c "SELECT aiusage.start_reprice('$filters', NULL, 'benchmark, again', NULL)")
measured again "CALL aiusage.run_reprice($job2)"

measured worklist "SELECT * FROM aiusage.unpriced_usage"
sql -c "SELECT publish('list', 3, 0.3, 12, 1)" >/dev/null
job3=$(sql -c "SELECT aiusage.start_reprice(NULL, NULL, 'benchmark', NULL, unpriced_only => true)")
measured late "CALL aiusage.run_reprice($job3)"
measured empty "SELECT * FROM aiusage.unpriced_usage"

# What it must have come to, in plain numeric; and everything that verify() knows.
wrong=$(sql -c "
	WITH oracle AS (
		SELECT sum(CASE WHEN late THEN (input + output) * 1.0 WHEN deal THEN (input - 4000) * 2.4 + 4000 * 0.24 + output * 9.6
				ELSE (input - 4000) * 3 + 4000 * 0.3 + output * 12 END) / 1000000 AS cost,
			sum(CASE WHEN late THEN (input + output) * 1.0 ELSE (input - 4000) * 3 + 4000 * 0.3 + output * 12 END) / 1000000 AS list_cost,
			sum(CASE WHEN deal AND NOT late THEN (input - 4000) * 5 + 4000 * 0.5 + output * 20 ELSE 0 END) / 1000000 AS charge
		FROM (SELECT 4740 + n % 1000 AS input, 255 + n % 77 AS output, n % 10 = 0 AS late, (1 + n * 7919 % 100) % 5 = 0 AS deal
			FROM generate_series(1::bigint, $rows) AS n) AS r)
	SELECT 'views: ' || u.cost || ' ' || u.list_cost || ' ' || u.charge || ' unpriced ' || u.unpriced || ', oracle: ' || o.cost || ' ' || o.list_cost || ' ' || o.charge
	FROM oracle AS o, (SELECT sum(cost) AS cost, sum(list_cost) AS list_cost, sum(charge) AS charge, sum(unpriced) AS unpriced FROM aiusage.usage_daily) AS u
	WHERE (u.cost, u.list_cost, u.charge, u.unpriced) IS DISTINCT FROM (o.cost, o.list_cost, o.charge, 0)
	UNION ALL
	SELECT 'line items: ' || sum(cost) FROM aiusage.line_items HAVING sum(cost) <> (SELECT cost FROM oracle)
	UNION ALL
	SELECT format('job %s: %s %s rows seen, %s adjusted', job, status, rows_seen, rows_adjusted) FROM aiusage.reprice_job
	WHERE (rows_seen, rows_adjusted, status) IS DISTINCT FROM (CASE WHEN action = 'reprice' THEN $rows ELSE $rows / 10 END,
		CASE job WHEN $job THEN $rows / 10 * 9 WHEN $job2 THEN 0 ELSE $rows / 10 END, 'done')
	UNION ALL
	SELECT 'verify: ' || v.check_name FROM aiusage.verify() AS v WHERE NOT v.ok
	UNION ALL
	SELECT 'a dry run finds ' || sum(changed) FROM aiusage.reprice('{\"from\": \"$(sql -c "SELECT now() - interval '2 days'")\"}', NULL, 'x', NULL) HAVING sum(changed) <> 0")
[ -z "$wrong" ] || die "the figures differ: $wrong"

cat <<MARKDOWN
## Reprice: adjustment rows for $rows rows

$rows rows of 30 days and 100 keys, every fifth key with a negotiated book and a charge book; a tenth of the rows has no price. A new version
of all three books moves the cost of the others, their list cost and their charge, with a cache rate that the old ones did not have, so
each adjustment has three lines. One session, batches of 10000 rows, a transaction each, synchronous commit on. Memory is the most private memory of the
backend (RssAnon, sampled every 50 ms). At the end cost, list cost, charge and line items of the views are those of plain numeric SQL,
every job has seen and adjusted as many rows as it must, and verify() is clean.

| what | rows | ms | rows a second | times booking | memory, MB |
|---|---|---|---|---|---|
| booking them: one INSERT ... SELECT | $rows | $(printf %.0f "$book_ms") | $(rate $rows "$book_ms") | 1 | $book_mb |
| dry run | $rows | $(printf %.0f "$dry_ms") | $(rate $rows "$dry_ms") | $(times "$book_ms" "$dry_ms") | $dry_mb |
| run_reprice(), $((rows / 10 * 9)) adjustments booked | $rows | $(printf %.0f "$job_ms") | $(rate $rows "$job_ms") | $(times "$book_ms" "$job_ms") | $job_mb |
| the same again, nothing to book | $rows | $(printf %.0f "$again_ms") | $(rate $rows "$again_ms") | $(times "$book_ms" "$again_ms") | $again_mb |
| price_unpriced, $((rows / 10)) adjustments booked | $((rows / 10)) | $(printf %.0f "$late_ms") | $(rate $((rows / 10)) "$late_ms") | | $late_mb |
| folding the adjustments of the reprice | $((rows / 10 * 9)) | $(printf %.0f "$fold_ms") | $(rate $((rows / 10 * 9)) "$fold_ms") | | $fold_mb |

The work list unpriced_usage: $(printf %.0f "$worklist_ms") ms with $((rows / 10)) rows to do, $(printf %.0f "$empty_ms") ms once they are priced. team_usage
with all adjustments not folded yet: $(printf %.0f "$tail_ms") ms.
MARKDOWN
