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
# and a ratio is taken within its round.  The first second of a cell is not
# counted: connections and caches are new in it, and a gateway's are not.
set -eu
cd "$(dirname "$0")/.."
export PGHOST=$BENCH_DIR PGUSER=postgres

rounds=${BENCH_ROUNDS:-8}
seconds=${BENCH_SECONDS:-3}
cells=${BENCH_CELLS:-single-async single-sync pipeline copy}
copy_rows=200000
slices=10
if [ "${BENCH_QUICK:-0}" != 0 ]; then rounds=1; seconds=2; copy_rows=50000; fi
figures=$BENCH_DIR/insert.tsv		# cell, round, variant, rows a second
: >"$figures"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
sql() { "$PG_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$@"; }
table_of() { case $1 in aiusage) echo aiusage.usage_record ;; *) echo "$1.usage_record" ;; esac; }
rows_a_transaction() { case $1 in pipeline) echo 100 ;; *) echo 1 ;; esac; }

# ---------------------------------------------------------------- figures

cell_ratio() {		# CELL VARIANT: aiusage's throughput over the variant's, median (min-max) of the rounds
	awk -v cell="$1" -v variant="$2" '
		$1 == cell { v[$2, $3] = $4; if ($2 > n) n = $2 }
		END { for (r = 1; r <= n; r++) if (v[r, variant] > 0) print v[r, "aiusage"] / v[r, variant] }' "$figures" | sort -g |
		awk '{ v[NR] = $1 } END { if (!NR) { print "-"; exit }
			printf "%.3f (%.2f-%.2f)\n", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2, v[1], v[NR] }'
}
cell_median() {		# CELL VARIANT: rows a second
	awk -v cell="$1" -v variant="$2" '$1 == cell && $3 == variant { print $4 }' "$figures" | sort -g |
		awk '{ v[NR] = $1 } END { printf "%.0f\n", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# note CELL ROUND VARIANT ROWS_A_SECOND; round 0 warms up and is not counted
note() {
	[ "$2" = 0 ] || printf '%s\t%s\t%s\t%s\n' "$@" >>"$figures"
	say "round $2 $1 $3: $(printf '%.0f' "$4") rows/s"
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
pgbench_cell() {	# CELL ROUND VARIANT
	local n
	n=$(rows_a_transaction "$1")
	sql bench -c CHECKPOINT
	PGOPTIONS="-c synchronous_commit=$([ "$1" = single-async ] && echo off || echo on)" \
		"$PG_BIN/pgbench" -n -M prepared -c 8 -j 2 -T $((seconds + 1)) -P 1 -f "$BENCH_DIR/$3-$n.sql" bench >"$BENCH_DIR/pgbench.log" 2>&1 ||
		{ cat "$BENCH_DIR/pgbench.log" >&2; die "pgbench failed"; }
	check "$3" "$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$BENCH_DIR/pgbench.log" | awk "{ print \$1 * $n }")"
	note "$1" "$2" "$3" "$(awk -v n="$n" '/^progress:/ && $2 > 1.5 { sum += $4; m++ } END { print n * sum / m }' "$BENCH_DIR/pgbench.log")"
}

# COPY in slices that alternate, all in one session whose caches are warm.
copy_cell() {		# ROUND VARIANT...
	local round=$1 slice variant tps
	shift
	{
		for variant in "$@"; do	# warms up
			echo "INSERT INTO $(table_of "$variant") (api_key, provider, model, usage) VALUES ('bench-1', 'openai', 'gpt-4o', '{}');"
		done
		echo '\timing on'
		for slice in $(seq 0 $((slices - 1))); do
			for variant in "$@"; do
				case $variant in
					stored) echo "\\copy stored.usage_record ($stored_columns) FROM '$BENCH_DIR/copy-stored.$slice'" ;;
					*) echo "\\copy $(table_of "$variant") ($copy_columns) FROM '$BENCH_DIR/copy.$slice'" ;;
				esac
			done
		done
	} >"$BENCH_DIR/copy.sql"
	sql bench -c CHECKPOINT
	sql bench -f "$BENCH_DIR/copy.sql" >"$BENCH_DIR/copy.out"
	for variant in "$@"; do
		tps=$(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$BENCH_DIR/copy.out" | awk -v order="$*" -v variant="$variant" -v rows=$copy_rows '
			BEGIN { n = split(order, v, " ") } v[(NR - 1) % n + 1] == variant { t += $1 } END { print rows * 1000 / t }')
		check "$variant" $((copy_rows + 1))
		note copy "$round" "$variant" "$tps"
	done
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
for file in copy copy-stored; do split -d -a 1 -n l/$slices "$BENCH_DIR/$file.txt" "$BENCH_DIR/$file."; done

# Round 0 warms up (WAL segments, page cache) and is not counted.
for round in $(seq 0 "$rounds"); do
	# rotate: aiusage bare stored / bare stored aiusage / ...
	set -- aiusage bare stored
	for i in $(seq 2 "$round"); do set -- "$2" "$3" "$1"; done
	for cell in $cells; do
		sql postgres -c "DROP DATABASE IF EXISTS bench" -c "CREATE DATABASE bench TEMPLATE bench_template"
		case $cell in
			copy) copy_cell "$round" "$@" ;;
			*) for variant in "$@"; do pgbench_cell "$cell" "$round" "$variant"; done ;;
		esac
		# rows = rollups, components = cost
		sql bench -f bench/sql/verify.sql >/dev/null
		[ "$round" != 0 ] || sql bench -F ' | ' -f bench/sql/row_size.sql >"$BENCH_DIR/row_size.txt"
	done
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
	echo "| $cell | $(cell_median "$cell" aiusage) | $(cell_median "$cell" bare) | $(cell_median "$cell" stored) | $(cell_ratio "$cell" bare) | $(cell_ratio "$cell" stored) |"
done
cat <<MD

single-async and single-sync: one INSERT a transaction, synchronous_commit off and on. pipeline: 100 INSERTs in one
libpq pipeline and transaction. copy: COPY FROM STDIN, text, $copy_rows rows in $slices slices that alternate, one client.

### Size of a row

| table | rows | heap bytes a row | tuple bytes (pg_column_size) | index bytes a row |
|---|---|---|---|---|
$(sed 's/^/| /; s/$/ |/' "$BENCH_DIR/row_size.txt")
MD
