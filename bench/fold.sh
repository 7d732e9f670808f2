#!/bin/bash
# aiusage.refresh() of 1 % new rows against REFRESH MATERIALIZED VIEW of the
# same sums, and the same fold at a tenth of the history.
#
# Called by bench/run.sh, or by hand against any server that has aiusage
# preloaded:
#
#     PGHOST=/tmp PGUSER=postgres bash bench/fold.sh
#
# BENCH_DIR: a directory with the server's socket (default: PGHOST and so on).
# BENCH_QUICK=1: fewer rows, one round.  PG_BIN: where psql is.  Uses a database
# of its own, bench_fold, which it drops first.  Prints markdown.
set -eu
cd "$(dirname "$0")/.."

if [ -n "${BENCH_DIR:-}" ]; then
	export PGHOST=$BENCH_DIR
	export PGUSER=${PGUSER:-postgres}
fi
psql=${PG_BIN:+$PG_BIN/}psql
history=1000000
rounds=5
if [ "${BENCH_QUICK:-0}" != 0 ]; then history=100000; rounds=2; fi
new=$((history / 100))
cells=$(mktemp "${BENCH_DIR:-${TMPDIR:-/tmp}}/fold.XXXXXX")
trap 'rm -f "$cells"' EXIT

sql() { "$psql" -X -q -A -t -v ON_ERROR_STOP=1 -d bench_fold "$@"; }
# milliseconds that a statement takes
timed() { sql -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; }
# the same in a session that has run it before, as a dashboard's has
again() { sql -c "$1" -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; }
load() { sql -v rows="$1" -v span="$2" -f bench/sql/fold_load.sql; }
stats() { awk -F '\t' -v cell="$1" '$1 == cell { print $2 }' "$cells" | sort -g | awk -v f="$2" '{ v[NR] = $1 } END {
	m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
	printf f " (" f "-" f ")", m, v[1], v[NR] }'; }
# The views, the materialized views and the ledger agree, or the run is void.
check() {
	local differ
	differ=$(sql -c "
		WITH ours AS (SELECT day, team, currency, requests, input_tokens, cost FROM aiusage.team_usage),
			theirs AS (SELECT day, team, currency, requests, aiusage.quantity(usage, 'input_tokens')::bigint, cost FROM team_day)
		SELECT count(*) FROM ((TABLE ours EXCEPT ALL TABLE theirs) UNION ALL (TABLE theirs EXCEPT ALL TABLE ours)) d
		UNION ALL
		SELECT count(*) FROM (
			(SELECT bucket, api_key, model, invoice_period, sum(records), sum(cost) FROM rollup GROUP BY 1, 2, 3, 4
				EXCEPT ALL SELECT bucket, api_key, model, invoice_period, sum(records), sum(cost) FROM aiusage.rollup_live GROUP BY 1, 2, 3, 4)) d
		UNION ALL
		SELECT count(*) FROM aiusage.rollup_tail")
	[ "$differ" = "$(printf '0\n0\n0')" ] || { echo "error: the figures differ: $differ" >&2; exit 1; }
}

"$psql" -X -q -d postgres -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS bench_fold' -c 'CREATE DATABASE bench_fold'
sql -f bench/sql/fold_setup.sql >/dev/null

# As many new rows at a tenth of the history first.
load $((history / 10)) '30 days'
sql -c 'SELECT FROM aiusage.refresh()' -c 'CALL aiusage.maintain()' -c 'VACUUM ANALYZE'
for round in $(seq 0 $rounds); do
	load $new '15 minutes'
	ms=$(timed 'SELECT aiusage.refresh()')
	# the first fold of a session's life plans and fills caches on both sides: not counted
	if [ "$round" != 0 ]; then printf 'small\t%s\n' "$ms" >>"$cells"; fi
	sql -c 'CALL aiusage.maintain()'
done

load $((history * 9 / 10)) '30 days'
first=$(timed 'SELECT aiusage.refresh()')
sql -c 'CALL aiusage.maintain()' -c 'VACUUM ANALYZE'
matview='REFRESH MATERIALIZED VIEW rollup'
team_day='REFRESH MATERIALIZED VIEW team_day'
for round in $(seq 0 $rounds); do
	load $new '15 minutes'
	sql -c 'CHECKPOINT'
	case $((round % 3)) in
		0) order='fold matview team_day' ;;
		1) order='matview team_day fold' ;;
		2) order='team_day fold matview' ;;
	esac
	for cell in $order; do
		case $cell in
			fold) f=$(timed 'SELECT aiusage.refresh()') ;;
			matview) m=$(timed "$matview") ;;
			team_day) d=$(timed "$team_day") ;;
		esac
	done
	check
	sql -c 'CALL aiusage.maintain()'
	if [ "$round" != 0 ]; then
		printf 'fold\t%s\nmatview\t%s\nteam_day\t%s\n' "$f" "$m" "$d" >>"$cells"
		awk -v f="$f" -v m="$m" -v d="$d" 'BEGIN { printf "ratio\t%s\nratio_team\t%s\n", m / f, d / f }' >>"$cells"
	fi
done
# the view against the same query on the ledger
month="SELECT date_trunc('month', day) AS month, team, sum(cost) FROM aiusage.team_usage GROUP BY 1, 2"
raw="SELECT date_trunc('month', r.occurred_at, 'UTC') AS month, a.team, sum(r.cost::numeric) FROM aiusage.usage_record r
	LEFT JOIN aiusage.key_assignment a ON a.assignment = r.assignment GROUP BY 1, 2"
for round in $(seq 0 $rounds); do
	if [ $((round % 2)) = 0 ]; then v=$(again "$month"); r=$(again "$raw"); else r=$(again "$raw"); v=$(again "$month"); fi
	if [ "$round" != 0 ]; then
		printf 'view\t%s\nraw\t%s\n' "$v" "$r" >>"$cells"
		awk -v v="$v" -v r="$r" 'BEGIN { printf "ratio_view\t%s\n", r / v }' >>"$cells"
	fi
done
bad=$(sql -c 'SELECT v.check_name FROM aiusage.verify() v WHERE NOT v.ok')
[ -z "$bad" ] || { echo "error: verify(): $bad" >&2; exit 1; }
rows=$(sql -c 'SELECT count(*) FROM aiusage.usage_record')
groups=$(sql -c 'SELECT count(*) FROM aiusage.rollup_15m')

cat <<MARKDOWN
## Fold: new rows against REFRESH MATERIALIZED VIEW

$history rows of 30 days folded before, $new new rows (1 %) a round, $rounds rounds, order rotated; milliseconds, median
(min-max). The materialized view \`rollup\` has the groups and sums of aiusage.rollup_15m ($groups rows at the end); \`team_day\`
has a row a day and team with three sums only. A fold also writes rollup_daily. After each round all figures are compared.

| statement | ms | times a fold, round by round |
|---|---|---|
| aiusage.refresh() | $(stats fold %.1f) | 1 |
| REFRESH MATERIALIZED VIEW rollup | $(stats matview %.0f) | $(stats ratio %.1f) |
| REFRESH MATERIALIZED VIEW team_day | $(stats team_day %.0f) | $(stats ratio_team %.1f) |
| aiusage.refresh() of $new rows at a tenth of the history | $(stats small %.1f) | |

Each statement in a session of its own; the queries below in one that has run them before. The first fold of
$((history * 9 / 10)) rows at once: $(printf %.0f "$first") ms. At the end the ledger has $rows rows; verify() is clean.

| month by team | ms | times the view |
|---|---|---|
| aiusage.team_usage | $(stats view %.1f) | 1 |
| the ledger, joined to its owners | $(stats raw %.0f) | $(stats ratio_view %.0f) |
MARKDOWN
