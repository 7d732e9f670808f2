#!/bin/bash
# Rollups over twelve months of calls: months by team, cost center and invoice
# period and the dashboards from the views, against the same queries on the
# ledger and against a materialized view that REFRESH keeps; folds of new rows
# at a tenth of the history and at all of it; closing a month, dropping a
# partition, and what raw rows and rollups take on disk.
#
# Called by bench/run.sh, or by hand against any server that has aiusage
# preloaded:
#
#     PGHOST=/tmp PGUSER=postgres bash bench/rollup.sh
#
# BENCH_DIR: a directory with the server's socket (default: PGHOST and so on).
# BENCH_ROWS: rows of history (20000000).  BENCH_QUICK=1: 200000 rows, few rounds.
# BENCH_ROUNDS, BENCH_RAW_ROUNDS, BENCH_FOLDS: how often a cell is measured, how often the ledger is
# read for it, and folds of how many rows.
# BENCH_CHECK: by what views and ledger are compared after a cell (team period; none: not at all, for a machine that
# others use: it reads the whole ledger each time).
# BENCH_CELLS: some of "load small grow refresh months tail dashboards folds close drop size"
# only, with BENCH_STATE, a file, to go on where an earlier call ended; report
# prints what is there.  PG_BIN: where psql is.  Uses a database of its own,
# BENCH_DATABASE (bench_rollup).  Prints markdown.
set -eu
cd "$(dirname "$0")/.."

if [ -n "${BENCH_DIR:-}" ]; then
	export PGHOST=$BENCH_DIR
	export PGUSER=${PGUSER:-postgres}
fi
psql=${PG_BIN:+$PG_BIN/}psql
history=${BENCH_ROWS:-20000000}
rounds=${BENCH_ROUNDS:-5}
raw_rounds=${BENCH_RAW_ROUNDS:-3}
checks=${BENCH_CHECK-team period}
fold_rows=${BENCH_FOLDS:-10000 100000 1000000}
if [ "${BENCH_QUICK:-0}" != 0 ]; then history=${BENCH_ROWS:-200000} rounds=${BENCH_ROUNDS:-2} fold_rows="1000 10000"; fi
run_cells=${BENCH_CELLS:-load small grow refresh months tail dashboards folds close drop size report}
state=${BENCH_STATE:-}
if [ -z "$state" ]; then
	state=$(mktemp "${BENCH_DIR:-${TMPDIR:-/tmp}}/rollup.XXXXXX")
	trap 'rm -f "$state"' EXIT
fi

database=${BENCH_DATABASE:-bench_rollup}
sql() { "$psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$database" "$@"; }
put() { printf '%s\t%s\n' "$1" "$2" >>"$state"; }
put_both() { put "$1" "${2% *}"; put "cpu_$1" "${2#* }"; }
get() { awk -F '\t' -v cell="$1" '$1 == cell { v = $2 } END { print v }' "$state"; }
stats() { awk -F '\t' -v cell="$1" '$1 == cell { print $2 }' "$state" | sort -g | awk -v f="$2" '{ v[NR] = $1 } END {
	if (!NR) { printf "-"; exit }
	m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
	if (NR == 1) printf f, m; else printf f " (" f "-" f ")", m, v[1], v[NR] }'; }
# milliseconds that a statement takes, in a session of its own; again: in one that has run it before, as a dashboard's has
timed() { sql -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; }
again() { sql -c "$1" -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; }
# milliseconds, and milliseconds of CPU, which what others do meanwhile is not in; without parallel workers, whose is counted elsewhere.
# The statistics of SET are not the statement's: the last lines are.
stats_of() { sql -c 'SET max_parallel_workers_per_gather = 0' "${@:2}" -c 'SET client_min_messages = log' -c 'SET log_statement_stats = on' "${@:2}" 2>&1 >/dev/null |
	awk '$10 == "elapsed" { print $8 * 1000, ($2 + $5) * 1000 }' | tail -n "$1"; }
both() { sql -c 'SET max_parallel_workers_per_gather = 0' -c 'SET client_min_messages = log' -c 'SET log_statement_stats = on' -c "$1" 2>&1 >/dev/null |
	awk '$10 == "elapsed" { print $8 * 1000, ($2 + $5) * 1000 }' | tail -n 1; }
both_again() { stats_of 1 -c "$1"; }
cpu() { stats_of 5 -c "$1" -c "$1" -c "$1" -c "$1" -c "$1" | awk '{ s += $2 } END { printf "%.1f\n", s / NR }'; }
seconds() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", b - a }'; }
now() { date +%s.%N; }
# ROWS between the times FROM and TO (as SQL over bench.span), by two sessions side by side
make() {
	local half=$(($1 / 2))
	sql -c "SELECT bench.triggers(false)" >/dev/null
	sql -c "SELECT bench.make($half, $2, $2 + ($3 - ($2)) / 2) FROM bench.span" >/dev/null &
	sql -c "SELECT bench.make($1 - $half, $2 + ($3 - ($2)) / 2, $3) FROM bench.span" >/dev/null
	wait $!
	sql -c "SELECT bench.triggers(true)" >/dev/null
}
# new rows of the last quarter of an hour, in one transaction
make_new() { sql -c 'SELECT bench.triggers(false)' -c "SELECT bench.make($1, now() - interval '15 minutes', now())" -c 'SELECT bench.triggers(true)' >/dev/null; }
# until nothing is left to fold
fold_all() { while [ "$(sql -c 'SELECT rows_folded FROM aiusage.refresh_step()')" != 0 ]; do :; done; }
fail() { echo "error: $1" >&2; exit 1; }

# What is asked, from the views (v) and from the ledger (r); the same by the materialized view (m).
month_by() {
	local by=$2
	case $1$2 in
		vperiod) echo "SELECT period, label, currency, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.invoice_period_usage GROUP BY 1, 2, 3" ;;
		rperiod) echo "SELECT r.invoice_period::bigint, aiusage.period_label(r.invoice_period), aiusage.currency(r.cost_by_unit), sum(CASE r.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END),
			sum(r.cost::numeric) FROM aiusage.usage_record AS r GROUP BY r.invoice_period, 3" ;;
		mperiod) echo "SELECT invoice_period::bigint, aiusage.period_label(invoice_period), currency, sum(requests), sum(cost) FROM bench.team_day GROUP BY invoice_period, 3" ;;
		v*) echo "SELECT date_trunc('month', day)::date AS month, $by, currency, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.${by}_usage GROUP BY 1, 2, 3" ;;
		r*) echo "SELECT date_trunc('month', r.occurred_at, 'UTC')::date, a.$by, aiusage.currency(r.cost_by_unit), sum(CASE r.kind WHEN 'usage' THEN 1 WHEN 'reversal' THEN -1 ELSE 0 END),
			sum(r.cost::numeric) FROM aiusage.usage_record AS r LEFT JOIN aiusage.key_assignment AS a ON a.assignment = r.assignment GROUP BY 1, 2, 3" ;;
		m*) echo "SELECT date_trunc('month', day)::date, $by, currency, sum(requests), sum(cost) FROM bench.team_day GROUP BY 1, 2, 3" ;;
	esac
}
month="(SELECT date_trunc('month', ends_at - interval '35 days')::date FROM bench.span)"
dashboards() {
	cat <<'LIST'
team_month, all teams	SELECT * FROM aiusage.team_month WHERE month = MONTH
team_month, one team	SELECT * FROM aiusage.team_month WHERE month = MONTH AND team = 'team-3'
team_month_models	SELECT * FROM aiusage.team_month_models WHERE month = MONTH AND team = 'team-3'
team_month_workflows	SELECT * FROM aiusage.team_month_workflows WHERE month = MONTH AND team = 'team-3'
unmatched_spend	SELECT * FROM aiusage.unmatched_spend WHERE month = MONTH
key_week	SELECT * FROM aiusage.key_week WHERE week >= MONTH
key_review()	SELECT * FROM aiusage.key_review()
top_movers('team')	SELECT * FROM aiusage.top_movers('team')
top_movers('model')	SELECT * FROM aiusage.top_movers('model')
key_model_shift()	SELECT * FROM aiusage.key_model_shift()
team_usage, 30 days	SELECT * FROM aiusage.team_usage WHERE day >= current_date - 30
key_usage, 30 days	SELECT * FROM aiusage.key_usage WHERE day >= current_date - 30
model_usage, 30 days	SELECT * FROM aiusage.model_usage WHERE day >= current_date - 30
usage_hourly, today	SELECT hour, model, sum(cost) FROM aiusage.usage_hourly WHERE hour >= date_trunc('day', now()) GROUP BY 1, 2
usage_buckets, 30 days by model	SELECT * FROM aiusage.usage_buckets(now() - interval '30 days', now(), '1d', ARRAY['model'])
usage_buckets, a day by the hour	SELECT * FROM aiusage.usage_buckets(now() - interval '1 day', now(), '1h', ARRAY['project'])
usage_buckets, a year by month and team	SELECT * FROM aiusage.usage_buckets(now() - interval '1 year', now(), '1mo', ARRAY['team'])
usage_buckets, a year by month and model	SELECT * FROM aiusage.usage_buckets(now() - interval '1 year', now(), '1mo', ARRAY['model'])
usage_buckets, a year by month and key	SELECT * FROM aiusage.usage_buckets(now() - interval '1 year', now(), '1mo', ARRAY['api_key'])
usage_growth, three months by model	SELECT * FROM aiusage.usage_growth(date_trunc('month', now()) - interval '3 months', date_trunc('month', now()), ARRAY['model'])
usage_page, 7 days by model	SELECT aiusage.usage_page(now() - interval '7 days', group_by => ARRAY['model'])
usage_by_day, 30 days of the calendars' zone	SELECT * FROM aiusage.usage_by_day('UTC', current_date - 30, current_date)
usage_by_day, 30 days of another zone	SELECT * FROM aiusage.usage_by_day('Europe/Berlin', current_date - 30, current_date)
LIST
}
# The views say what the ledger does, or the run is void.
check() {
	local by differ
	for by in ${checks%none}; do
		differ=$(sql -c "WITH v AS MATERIALIZED ($(month_by v $by)), r AS MATERIALIZED ($(month_by r $by))
			SELECT count(*) FROM ((TABLE v EXCEPT ALL TABLE r) UNION ALL (TABLE r EXCEPT ALL TABLE v)) AS d")
		[ "$differ" = 0 ] || fail "$1: by $by $differ rows differ between the views and the ledger"
	done
}

# ---------------------------------------------------------------- cells

cell_load() {
	: >"$state"
	"$psql" -X -q -d postgres -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c "DROP DATABASE IF EXISTS $database" -c "CREATE DATABASE $database"
	sql -f bench/sql/rollup_setup.sql >/dev/null
	local from
	from=$(now)
	make $((history / 10)) starts_at ends_at
	put load_small "$(seconds "$from" "$(now)")"
	from=$(now)
	fold_all
	put first_fold_small "$(seconds "$from" "$(now)")"
	[ "$(sql -c 'SELECT bench.not_as_booked(2000)')" = 0 ] || fail "made rows are not what booking makes"
	sql -c 'CALL aiusage.maintain()' -c 'VACUUM ANALYZE'
}

# folds of new rows, each round's in a session of its own, the first not counted
folds() {
	local n round count
	for n in $fold_rows; do
		count=$rounds
		if [ "$n" -ge 1000000 ]; then count=2; fi
		for round in $(seq 0 $count); do
			if [ "$n" -ge 1000000 ] && [ "$round" = 0 ]; then continue; fi
			make_new "$n"
			sql -c CHECKPOINT
			ms=$(both 'SELECT aiusage.refresh()')
			if [ "$round" != 0 ]; then put "fold_$1_$n" "${ms% *}"; put "fold_cpu_$1_$n" "${ms#* }"; fi
			sql -c 'CALL aiusage.maintain()'
			fold_all
		done
	done
	check "folds, $1"
}

cell_small() { folds small; }
cell_folds() { folds large; }

cell_grow() {
	local from
	from=$(now)
	make $((history * 9 / 10)) starts_at ends_at
	put load "$(seconds "$from" "$(now)")"
	from=$(now)
	fold_all
	put first_fold "$(seconds "$from" "$(now)")"
	[ "$(sql -c 'SELECT bench.not_as_booked(2000)')" = 0 ] || fail "made rows are not what booking makes"
	sql -c 'CALL aiusage.maintain()' -c 'VACUUM ANALYZE'
	put rows "$(sql -c 'SELECT count(*) FROM aiusage.usage_record')"
}

cell_refresh() {
	local round
	for round in 1 2; do
		case $round in
			1) put_both refresh_team_day "$(both 'REFRESH MATERIALIZED VIEW bench.team_day')"
				put_both refresh_rollup_daily "$(both 'REFRESH MATERIALIZED VIEW bench.rollup_daily')" ;;
			2) put_both refresh_rollup_daily "$(both 'REFRESH MATERIALIZED VIEW bench.rollup_daily')"
				put_both refresh_team_day "$(both 'REFRESH MATERIALIZED VIEW bench.team_day')" ;;
		esac
	done
	sql -c 'ANALYZE bench.team_day' -c 'ANALYZE bench.rollup_daily'
}

months() {
	local by round order side ms v r
	for by in team cost_center period; do
		for round in $(seq 0 $rounds); do
			# the ledger is read in three rounds: it takes long
			case $((round % 3)) in 0) order='v r m' ;; 1) order='r m v' ;; 2) order='m v r' ;; esac
			v= r=
			for side in $order; do
				if [ $side = r ]; then
					if [ "$round" = 0 ] || [ "$round" -gt "$raw_rounds" ]; then continue; fi
					ms=$(both "$(month_by $side $by)")
				else
					ms=$(both_again "$(month_by $side $by)")
				fi
				if [ "$round" != 0 ]; then put "$1_${side}_$by" "${ms% *}"; put "$1_cpu_${side}_$by" "${ms#* }"; fi
				# of CPU: on a machine that others use, too
				case $side in v) v=${ms#* } ;; r) r=${ms#* } ;; esac
			done
			if [ "$round" != 0 ] && [ -n "$r" ]; then put "$1_ratio_$by" "$(awk -v v="$v" -v r="$r" 'BEGIN { print r / v }')"; fi
		done
	done
	check "$1"
}
cell_months() { fold_all; months folded; }

cell_tail() {
	make_new 100000
	sql -c 'CALL aiusage.maintain()' >/dev/null 2>&1 || true
	make_new 100000
	months tail
	put tail_rows "$(sql -c 'SELECT count(*) FROM aiusage.rollup_tail')"
	fold_all
}

# a minute of the busiest hour is not folded
cell_dashboards() {
	local name query round
	fold_all
	make_new 1000
	dashboards | while IFS="$(printf '\t')" read -r name query; do
		for round in $(seq 1 $rounds); do
			put "dash $name" "$(again "${query//MONTH/$month}" </dev/null)"
		done
		put "cpu $name" "$(cpu "${query//MONTH/$month}" </dev/null)"
	done
	fold_all
	check dashboards
}

cell_close() {
	local back
	fold_all
	for back in 7 6 5; do
		put close_rows "$(sql -c "SELECT count(*) FROM aiusage.usage_record AS u, bench.span WHERE u.invoice_period = aiusage.period_of(1, ends_at - interval '$((back * 31)) days')")"
		put close "$(timed "SELECT aiusage.close_period(aiusage.period_of(1, ends_at - interval '$((back * 31)) days'), 'bench', true) FROM bench.span")"
	done
	# each statement is the rows of its period
	[ "$(sql -c "SELECT count(*) FROM (SELECT period, sum(requests) AS requests, sum(cost) AS cost FROM aiusage.statements WHERE entity_kind = 'cost_center' GROUP BY 1) AS s
		FULL JOIN (SELECT invoice_period::bigint AS period, count(*) AS requests, sum(cost::numeric) AS cost FROM aiusage.usage_record AS u
			WHERE aiusage.period_status(u.invoice_period) = 'closed' GROUP BY 1) AS u USING (period) WHERE s.requests IS DISTINCT FROM u.requests OR s.cost IS DISTINCT FROM u.cost")" = 0 ] ||
		fail "close: statements are not the rows of their periods"
}

# The first whole month, and what is before it: closed, then frozen, sealed, detached and dropped, a transaction each.
cell_drop() {
	local until before out ms did
	until=$(sql -c "SELECT date_trunc('month', starts_at) + interval '2 months' FROM bench.span")
	sql -c "SELECT count(aiusage.close_period(p.period, 'bench', true)) FROM (SELECT DISTINCT u.invoice_period AS period FROM aiusage.usage_record AS u
		WHERE u.id < aiusage.id_floor('$until') AND aiusage.period_status(u.invoice_period) = 'open' ORDER BY 1) AS p" >/dev/null
	fold_all
	before=$(sql -c "SELECT md5(string_agg(v::text, ',' ORDER BY v::text)) FROM ($(month_by v team) UNION ALL SELECT starts_on, team, currency, sum(requests), sum(cost) FROM aiusage.invoice_period_usage GROUP BY 1, 2, 3) AS v")
	put drop_rows "$(sql -c "SELECT count(*) FROM aiusage.usage_record WHERE id >= aiusage.id_floor('$until'::timestamptz - interval '1 month') AND id < aiusage.id_floor('$until')")"
	sql -c "SELECT aiusage.put_retention_class('default', date_trunc('day', now() - '$until'::timestamptz))" >/dev/null
	while :; do
		out=$(sql -c '\timing on' -c 'SELECT aiusage.enforce_retention(true)')
		did=$(printf '%s\n' "$out" | sed -n '/^Time/!p' | grep -v '^$' || true)
		ms=$(printf '%s\n' "$out" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')
		if [ -z "$did" ]; then break; fi
		put "drop ${did%% *}" "$ms"
		put "drop_${did##* }" "$ms"
	done
	[ "$(awk -F '\t' '$1 == "drop_dropped"' "$state" | wc -l)" -ge 1 ] || fail "drop: nothing was dropped: $(sql -c 'SELECT partition, held_by FROM aiusage.retention_status ORDER BY lower_at LIMIT 2')"
	[ "$before" = "$(sql -c "SELECT md5(string_agg(v::text, ',' ORDER BY v::text)) FROM ($(month_by v team) UNION ALL SELECT starts_on, team, currency, sum(requests), sum(cost) FROM aiusage.invoice_period_usage GROUP BY 1, 2, 3) AS v")" ] ||
		fail "drop: the views do not say what they did"
}

cell_size() {
	local r
	fold_all
	sql -c 'VACUUM'
	for r in rollup_15m rollup_daily rollup_weekly rollup_monthly rollup_owner_daily rollup_dimension rollup_latency; do
		put "size $r" "$(sql -c "SELECT coalesce(pg_total_relation_size(to_regclass('aiusage.$r')), 0)")"
		put "rows $r" "$(sql -c "SELECT CASE WHEN to_regclass('aiusage.$r') IS NULL THEN 0 ELSE (xpath('//n/text()', query_to_xml('SELECT count(*) AS n FROM aiusage.$r', true, true, '')))[1]::text::bigint END")"
	done
	put heap "$(sql -c "SELECT sum(pg_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'aiusage.usage_record'::regclass")"
	put index "$(sql -c "SELECT sum(pg_indexes_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'aiusage.usage_record'::regclass")"
	put rows_end "$(sql -c 'SELECT count(*) FROM aiusage.usage_record')"
	put verify "$(timed 'SELECT count(*) FROM aiusage.verify() AS v WHERE NOT v.ok')"
	[ -z "$(sql -c 'SELECT v.check_name FROM aiusage.verify() AS v WHERE NOT v.ok')" ] || fail "verify(): $(sql -c 'SELECT v FROM aiusage.verify() AS v WHERE NOT v.ok')"
}

# ---------------------------------------------------------------- the report

mega() { awk -v b="$1" -v n="$2" 'BEGIN { printf "%.1f", b / n * 1000000 / 1048576 }'; }
over() { awk -F '\t' -v a="$1" -v b="$2" '$1 == a { x[++n] = $2 } $1 == b { y[++m] = $2 } function med(v, n,  i, j, t) { for (i = 2; i <= n; i++) { t = v[i]; for (j = i; j > 1 && v[j - 1] > t; j--) v[j] = v[j - 1]; v[j] = t }
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2 } END { if (n && m) printf "%.2f", med(x, n) / med(y, m); else printf "-" }' "$state"; }

cell_report() {
	local by n r
	cat <<MARKDOWN
## Rollups: twelve months of calls

$(get rows) rows of 365 days made from calls that were booked (360 kinds of calls of 200 keys, 20 teams, 12 cost centers, 15 models; $(get 'rows rollup_daily')
rows of rollup_daily): $(get load_small) s and $(get load) s; the first fold of a tenth of them took $(get first_fold_small) s, of the rest $(get first_fold) s. Milliseconds, median
(min-max), order rotated, each query in a session that has run it before; views and ledger compared after every cell. \`team_day\` is a materialized
view of a row a day, team, cost center, period and currency with four sums; \`rollup_daily\` one with the groups and sums of aiusage.rollup_daily.

| month by | views | ledger | ledger/views, round by round | team_day, stale since its REFRESH |
|---|---|---|---|---|
MARKDOWN
	for by in team cost_center period; do
		echo "| $by | $(stats folded_v_$by %.1f) | $(stats folded_r_$by %.0f) | $(stats folded_ratio_$by %.0f) | $(stats folded_m_$by %.1f) |"
	done
	for by in team cost_center period; do
		echo "| $by, $(get tail_rows) rows not folded | $(stats tail_v_$by %.1f) | $(stats tail_r_$by %.0f) | $(stats tail_ratio_$by %.0f) | $(stats tail_m_$by %.1f) |"
	done
	echo
	echo "| statement | ms |"
	echo "|---|---|"
	echo "| REFRESH MATERIALIZED VIEW team_day | $(stats refresh_team_day %.0f) |"
	echo "| REFRESH MATERIALIZED VIEW rollup_daily | $(stats refresh_rollup_daily %.0f) |"
	echo
	echo "| aiusage.refresh() of | at $((history / 10)) rows | at $history rows | dearer | CPU | CPU | dearer | REFRESH team_day / fold | REFRESH rollup_daily / fold |"
	echo "|---|---|---|---|---|---|---|---|---|"
	for n in $fold_rows; do
		echo "| $n new rows | $(stats fold_small_$n %.0f) | $(stats fold_large_$n %.0f) | $(over fold_large_$n fold_small_$n) | $(stats fold_cpu_small_$n %.0f) | $(stats fold_cpu_large_$n %.0f) | $(over fold_cpu_large_$n fold_cpu_small_$n) | $(over refresh_team_day fold_large_$n) | $(over refresh_rollup_daily fold_large_$n) |"
	done
	echo
	echo "Dashboards, 1000 rows not folded:"
	echo
	echo "| query | ms | ms of CPU, without parallel workers |"
	echo "|---|---|---|"
	awk -F '\t' '$1 ~ /^dash / && !seen[$1]++ { print substr($1, 6) }' "$state" | while read -r n; do
		echo "| $n | $(stats "dash $n" %.1f) | $(stats "cpu $n" %.1f) |"
	done
	echo
	echo "Closing a month of $(stats close_rows %.0f) rows: $(stats close %.0f) ms. Dropping a month of $(get drop_rows) rows: frozen $(get drop_frozen) ms, sealed"
	echo "$(get drop_sealed) ms, detached $(get drop_detached) ms, dropped $(get drop_dropped) ms, a transaction each; the views say the same before and after."
	echo
	echo "| on disk, a million ledger rows | MiB | rows |"
	echo "|---|---|---|"
	n=$(get rows_end)
	echo "| ledger, heap | $(mega "$(get heap)" "$n") | $n in all |"
	echo "| ledger, indexes | $(mega "$(get index)" "$n") | |"
	for r in rollup_15m rollup_daily rollup_weekly rollup_monthly rollup_owner_daily rollup_dimension rollup_latency; do
		if [ "$(get "size $r")" != 0 ]; then echo "| $r | $(mega "$(get "size $r")" "$n") | $(get "rows $r") in all |"; fi
	done
	echo
	echo "verify() over all of it is clean and takes $(awk -v ms="$(get verify)" 'BEGIN { printf "%.1f", ms / 1000 }') s."
}

for cell in $run_cells; do
	"cell_$cell"
done
