#!/bin/bash
# INSERT and COPY with booking against the same table without triggers.
#
# Called by bench/run.sh, which has made a server with aiusage preloaded and
# exports BENCH_DIR (its socket, and room for files), PG_BIN and BENCH_QUICK.
#
# BENCH_ROUNDS (8), BENCH_SECONDS (3, measured seconds a cell), BENCH_CELLS
# ("single-async single-sync pipeline copy").  Prints markdown, progress on
# stderr.
#
# Three tables: the ledger; `bare`, the same columns, indexes, constraints,
# defaults and partitions without a trigger, given the very same statement;
# and `stored`, the same again, given every column as the ledger stores it,
# which is what a gateway that computed everything itself would send.
#
# What the machine does beside this run comes and goes, so cells are short and
# rounds many: within a round the three follow one another in a rotated order,
# and a ratio is taken within its round.  Round 0 is not counted, nor the first
# second of a cell: connections and caches are new in it, a gateway's are not.
#
# Beside throughput stands the CPU time that a row takes, server and clients:
# with all cores busy that is what throughput comes to, and other load on the
# machine disturbs it far less.
set -eu
cd "$(dirname "$0")/.."
export PGHOST=$BENCH_DIR PGUSER=postgres

rounds=${BENCH_ROUNDS:-8}
seconds=${BENCH_SECONDS:-3}
cells=${BENCH_CELLS:-single-async single-sync pipeline copy}
copy_rows=20000						# a round of COPY
if [ "${BENCH_QUICK:-0}" != 0 ]; then rounds=1; seconds=2; fi
copy_rounds=$((rounds * 3))
figures=$BENCH_DIR/insert.tsv		# cell, round, variant, rows a second, microseconds of CPU a row
: >"$figures"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
sql() { "$PG_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$@"; }
table_of() { case $1 in aiusage) echo aiusage.usage_record ;; *) echo "$1.usage_record" ;; esac; }
rows_a_transaction() { case $1 in pipeline) echo 100 ;; *) echo 1 ;; esac; }

# ---------------------------------------------------------------- figures

# The median of what is read, and with $1 = range its least and greatest beside it.
median() {
	sort -g | awk -v range="${1:-}" -v format="${2:-%.0f}" '{ v[NR] = $1 } END {
		if (!NR) { print "-"; exit }
		printf format, NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
		if (range != "") printf " (%.2f-%.2f)", v[1], v[NR]
		print "" }'
}
# value CELL VARIANT FIELD: the median of the rounds
value() { awk -v cell="$1" -v variant="$2" -v field="$3" '$1 == cell && $3 == variant { print $field }' "$figures" | median '' "${4:-%.0f}"; }
# ratio CELL OVER UNDER FIELD: round by round, median (min-max)
ratio() {
	awk -v cell="$1" -v over="$2" -v under="$3" -v field="$4" '
		$1 == cell { v[$2, $3] = $field; if ($2 > n) n = $2 }
		END { for (r = 1; r <= n; r++) if (v[r, under] > 0) print v[r, over] / v[r, under] }' "$figures" | median range %.3f
}

# CPU seconds that the server has taken: the processes that ended, and those that run.
server_cpu() {
	local pid
	pid=$(head -n 1 "$BENCH_DIR/data/postmaster.pid")
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v pid="$pid" -v hz="$(getconf CLK_TCK)" '
		{ sub(/^[0-9]+ \(.*\) /, $1 " ") }
		$1 == pid { ticks += $13 + $14 + $15 + $16 }
		$3 == pid { ticks += $13 + $14 }
		END { printf "%.2f\n", ticks / hz }'
}

# note CELL ROUND VARIANT ROWS_A_SECOND [CPU_A_ROW]; round 0 warms up and is not counted
note() {
	[ "$2" = 0 ] || printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "${5:-0}" >>"$figures"
	say "$1, round $2, $3: $(printf '%.0f' "$4") rows/s${5:+, $5 us of CPU a row}"
}

# order ROUND: the three variants, rotated: aiusage bare stored / bare stored aiusage / ...
order() {
	set -- aiusage bare stored "$1"
	case $(($4 % 3)) in
		1) echo "$1 $2 $3" ;;
		2) echo "$2 $3 $1" ;;
		0) echo "$3 $1 $2" ;;
	esac
}

# check VARIANT ROWS: the rows that were acknowledged are there; the ledger's have an owner and a price
check() {
	local rows bad
	rows=$(sql bench -c "SELECT count(*) FROM $(table_of "$1")")
	[ "$rows" = "$2" ] || die "$1: $2 rows acknowledged, $rows in the table"
	if [ "$1" = aiusage ]; then
		bad=$(sql bench -c "SELECT count(*) FROM aiusage.usage_record WHERE cost IS NULL OR assignment IS NULL")
		[ "$bad" = 0 ] || die "$bad rows unpriced or unmatched"
	fi
}

# ---------------------------------------------------------------- cells

# script VARIANT ROWS: a pgbench script that inserts ROWS rows, pipelined when more than one
script() {
	local from=bench/sql/insert.sql
	[ "$1" != stored ] || from=bench/sql/insert_stored.sql
	awk -v table="$(table_of "$1")" -v n="$2" '
		/^\\set/ { set = set $0 "\n"; next }
		{ stmt = stmt $0 "\n" }
		END {
			gsub(/TABLE/, table, stmt)
			printf "%s", set
			if (n > 1) print "\\startpipeline"
			for (i = 0; i < n; i++) printf "%s", stmt
			if (n > 1) print "\\endpipeline"
		}' "$from" >"$BENCH_DIR/$1-$2.sql"
}

# 8 clients, prepared statements
pgbench_cell() {	# CELL
	local cell=$1 n sync round variant before transactions
	local TIMEFORMAT='%U %S'
	n=$(rows_a_transaction "$cell")
	sync=on
	[ "$cell" != single-async ] || sync=off
	: >"$BENCH_DIR/acknowledged"
	for round in $(seq 0 "$rounds"); do
		for variant in $(order "$round"); do
			sql bench -c CHECKPOINT
			{ time PGOPTIONS="-c synchronous_commit=$sync" "$PG_BIN/pgbench" -n -M prepared -c 8 -j 2 -T $((seconds + 1)) -P 1 \
				-f "$BENCH_DIR/$variant-$n.sql" bench >"$BENCH_DIR/pgbench.log" 2>&1; } 2>"$BENCH_DIR/client_cpu" &
			# from here on it is counted
			sleep 1
			before=$(server_cpu)
			wait $! || { cat "$BENCH_DIR/pgbench.log" >&2; die "pgbench failed"; }
			transactions=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$BENCH_DIR/pgbench.log")
			echo "$variant $transactions" >>"$BENCH_DIR/acknowledged"
			# the clients' part is that of the whole cell: theirs is the same from the first second on
			note "$cell" "$round" "$variant" \
				"$(awk -v n="$n" '/^progress:/ && $2 > 1.5 { sum += $4; m++ } END { print n * sum / m }' "$BENCH_DIR/pgbench.log")" \
				"$({ echo "$before $(server_cpu) $(cat "$BENCH_DIR/client_cpu") $transactions"; cat "$BENCH_DIR/pgbench.log"; } | awk -v n="$n" '
					NR == 1 { server = $2 - $1; client = ($3 + $4) / $5; transactions = $5 }
					/^progress:/ && $2 < 1.5 { transactions -= $4 * $2 }
					END { printf "%.2f", (server / transactions + client) * 1e6 / n }')"
		done
	done
	for variant in aiusage bare stored; do
		check $variant "$(awk -v variant=$variant -v n="$n" '$1 == variant { sum += $2 } END { printf "%d", n * sum }' "$BENCH_DIR/acknowledged")"
	done
}

# One session whose caches are warm; a round is one file for each.
copy_cell() {
	local round variant
	{
		for variant in aiusage bare stored; do	# warms up
			echo "INSERT INTO $(table_of $variant) (api_key, provider, model, usage) VALUES ('bench-1', 'openai', 'gpt-4o', '{}');"
		done
		for round in $(seq 0 "$copy_rounds"); do
			for variant in $(order "$round"); do
				echo "\\echo $round $variant"
				echo '\timing on'
				case $variant in
					stored) echo "\\copy stored.usage_record ($stored_columns) FROM '$BENCH_DIR/copy-stored.txt'" ;;
					*) echo "\\copy $(table_of "$variant") ($copy_columns) FROM '$BENCH_DIR/copy.txt'" ;;
				esac
				echo '\timing off'
			done
		done
	} >"$BENCH_DIR/copy.sql"
	sql bench -c CHECKPOINT
	sql bench -f "$BENCH_DIR/copy.sql" >"$BENCH_DIR/copy.out"
	while read -r round variant rate; do note copy "$round" "$variant" "$rate"; done < <(awk -v rows=$copy_rows '
		$1 == "Time:" { print what, rows * 1000 / $2; next } { what = $0 }' "$BENCH_DIR/copy.out")
	for variant in aiusage bare stored; do check $variant $((copy_rows * (copy_rounds + 1) + 1)); done
}

# ---------------------------------------------------------------- the run

columns_of() {
	sql bench_template -c "SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_catalog.pg_attribute WHERE attrelid = '$1'::regclass AND attnum > 0"
}

say "insert: preparing"
sql postgres -c "CREATE DATABASE bench_template"
sql bench_template -f bench/sql/setup.sql >/dev/null
for variant in aiusage bare stored; do script $variant 1; script $variant 100; done
# The files that COPY loads: the gateway's columns as text, and all of them.
sql bench_template -v rows=$copy_rows -f bench/sql/copy_data.sql >/dev/null
copy_columns=$(columns_of copy_data)
stored_columns=$(columns_of copy_stored)
sql bench_template -c "\\copy (SELECT * FROM copy_data) TO '$BENCH_DIR/copy.txt'" -c "\\copy (SELECT * FROM copy_stored) TO '$BENCH_DIR/copy-stored.txt'"
sql bench_template -c "DROP TABLE copy_data, copy_stored"

for cell in $cells; do
	sql postgres -c "DROP DATABASE IF EXISTS bench" -c "CREATE DATABASE bench TEMPLATE bench_template"
	case $cell in
		copy) copy_cell ;;
		*) pgbench_cell "$cell" ;;
	esac
	# rows = rollups, components = cost
	sql bench -f bench/sql/verify.sql >/dev/null
	sql bench -F ' | ' -f bench/sql/row_size.sql >"$BENCH_DIR/row_size.txt"
done

cat <<MD
## Insert: booking against the same table without triggers

Rows as a typical chat call (bench/sql/insert.sql), 8 clients. "bare": the same columns, indexes, constraints and
partitions, given the same statement, so that it stores less. "stored": the same table again, given every
column as the ledger stores it. $rounds rounds of $seconds s a cell, order rotated; rows a second are medians, ratios are taken
round by round: median (min-max).

| cell | aiusage, rows/s | bare, rows/s | stored, rows/s | aiusage / bare | aiusage / stored |
|---|---|---|---|---|---|
MD
for cell in $cells; do
	echo "| $cell | $(value "$cell" aiusage 4) | $(value "$cell" bare 4) | $(value "$cell" stored 4) | $(ratio "$cell" aiusage bare 4) | $(ratio "$cell" aiusage stored 4) |"
done
cat <<MD

single-async and single-sync: one INSERT a transaction, synchronous_commit off and on. pipeline: 100 INSERTs in one
libpq pipeline and transaction. copy: COPY FROM STDIN, text, $copy_rounds rounds of $copy_rows rows, one client.

CPU time a row in microseconds, server and clients together:

| cell | aiusage | bare | stored | bare / aiusage | stored / aiusage |
|---|---|---|---|---|---|
MD
for cell in $cells; do
	[ "$cell" != copy ] || continue
	echo "| $cell | $(value "$cell" aiusage 5 %.2f) | $(value "$cell" bare 5 %.2f) | $(value "$cell" stored 5 %.2f) | $(ratio "$cell" bare aiusage 5) | $(ratio "$cell" stored aiusage 5) |"
done
cat <<MD

### Size of a row

| table | rows | heap bytes a row | tuple bytes (pg_column_size) | index bytes a row |
|---|---|---|---|---|
$(sed 's/^/| /; s/$/ |/' "$BENCH_DIR/row_size.txt")
MD
