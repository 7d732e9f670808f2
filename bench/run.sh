#!/bin/bash
# The benchmarks, with one command:
#
#     bash bench/run.sh            full: 5 rounds x 10 s a cell, about half an hour
#     bash bench/run.sh --quick    1 round x 3 s a cell: does it run at all
#     bash bench/run.sh insert     only these parts: insert pricing fold
#
# A throwaway cluster; both sides of every ratio in the same run, in the same
# cluster, in an order that rotates from round to round; medians and min-max of
# the per-round ratios.  After every cell the figures are checked, and a cell
# whose check fails voids the run.  The report goes to
# bench/results/<date>-<commit>.md, and to the screen.
#
# bench/pricing.sh and bench/fold.sh are run in the same way: they get
# BENCH_DIR (the cluster's socket and scratch directory), BENCH_QUICK (0 or 1)
# and PG_BIN, and print markdown.
set -eu
cd "$(dirname "$0")/.."
source_dir=$PWD
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
# Measured code must be committed code; bench/results itself may differ.
if git status --porcelain -- . ':!bench/results' 2>/dev/null | grep -q .; then commit=$commit-dirty; fi

sh tools/setup.sh --bench
. tools/lib.sh

rounds=5
seconds=10
copy_rows=200000
BENCH_QUICK=0
parts=
for arg in "$@"; do
	case $arg in
		--quick) BENCH_QUICK=1; rounds=1; seconds=3; copy_rows=50000 ;;
		insert|pricing|fold) parts="$parts $arg" ;;
		*) die "unknown argument $arg" ;;
	esac
done
parts=${parts:-insert pricing fold}
PG_BIN=$(pg_bin)
BENCH_DIR=$(make_tmp)
export BENCH_DIR BENCH_QUICK PG_BIN
chmod 755 "$BENCH_DIR"
copy=$BENCH_DIR/aiusage
report=$BENCH_DIR/report.md
cells=$BENCH_DIR/cells.tsv
: >"$report"
: >"$cells"

finish() {
	cluster_stop "$BENCH_DIR" immediate
	if [ "${AIUSAGE_KEEP:-0}" != 0 ]; then say "kept: $BENCH_DIR"; else rm -rf "$BENCH_DIR"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

sql() { as_user "$PG_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$BENCH_DIR" -U postgres -d "$@"; }
out() { printf '%s\n' "$*" | tee -a "$report"; }
median() { sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

say "building and installing"
copy_tree "$source_dir" "$copy"
as_user make -s -j 2 -C "$copy" PG_CONFIG="$PG_CONFIG" with_llvm=no COPT=-Werror >"$BENCH_DIR/build.log" 2>&1 ||
	{ tail -n 30 "$BENCH_DIR/build.log"; die "the build failed"; }
install_with make -s -C "$copy" PG_CONFIG="$PG_CONFIG" with_llvm=no install >>"$BENCH_DIR/build.log" 2>&1

cluster_init "$BENCH_DIR" <<CONF
shared_preload_libraries = 'aiusage'
shared_buffers = 1GB
max_wal_size = 16GB
min_wal_size = 4GB
client_min_messages = warning
checkpoint_timeout = 1h
autovacuum = off
max_connections = 60
CONF
cluster_start "$BENCH_DIR"

load=$(cut -d' ' -f1 /proc/loadavg)
out "# Benchmark, commit $commit"
out ""
out "- machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo) of memory"
out "- $("$PG_CONFIG" --version), $(uname -sr), load average at the start $load"
out "- $rounds rounds, $seconds s a cell, order rotated; the ratio is taken round by round: median (min-max)"
out "- settings: shared_buffers 1 GB, fsync on, autovacuum off, no checkpoint during a cell"
fsync_rate=$(as_user "$PG_BIN/pg_test_fsync" -s 1 -f "$BENCH_DIR/fsync.tmp" 2>/dev/null | awk '/^ +fdatasync +[0-9]/ { print $2; exit }') || fsync_rate=
out "- fdatasync: ${fsync_rate:-unknown} a second"
if awk "BEGIN { exit !($load > 0.5) }"; then
	out "- **the machine was not idle (load average $load): read the ratios with that in mind**"
fi
out ""

# --------------------------------------------------------------- insert
#
# Three tables: the ledger; `bare`, the same columns, indexes, constraints,
# defaults and partitions without a trigger, given the very same statement;
# and `stored`, the same again, given every column as the ledger stores it,
# which is what a gateway that computed everything itself would send.

cell_ratio() {		# CELL VARIANT: aiusage's throughput over the variant's
	awk -v cell="$1" -v variant="$2" '
		$1 == cell { v[$2, $3] = $4; if ($2 > n) n = $2 }
		END { for (r = 1; r <= n; r++) if (v[r, variant] > 0) print v[r, "aiusage"] / v[r, variant] }' "$cells" | sort -g |
		awk '{ v[NR] = $1 } END { if (!NR) { print "-"; exit }
			printf "%.2f (%.2f-%.2f)\n", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2, v[1], v[NR] }'
}
cell_median() {
	awk -v cell="$1" -v variant="$2" '$1 == cell && $3 == variant { print $4 }' "$cells" | median | awk '{ printf "%.0f", $1 }'
}

us_median() {
	awk -v cell="$1" -v variant="$2" '$1 == cell && $3 == variant { print $5 }' "$cells" | median | awk '{ printf "%.1f", $1 }'
}

table_of() { case $1 in aiusage) echo aiusage.usage_record ;; *) echo "$1.usage_record" ;; esac; }

# script VARIANT ROWS: a pgbench script that inserts ROWS rows, pipelined when more than one
script() {
	awk -v table="$(table_of "$1")" -v variant="$1" -v n="$2" '
		/^\\set/ { set = set $0 "\n"; next }
		{ stmt = stmt $0 "\n" }
		END {
			gsub(/TABLE/, table, stmt)
			printf "%s", set
			if (n > 1) print "\\startpipeline"
			for (i = 0; i < n; i++) printf "%s", stmt
			if (n > 1) print "\\endpipeline"
		}' "$([ "$1" = stored ] && echo "$source_dir/bench/sql/insert_stored.sql" || echo "$source_dir/bench/sql/insert.sql")" |
		as_user tee "$BENCH_DIR/$1-$2.sql" >/dev/null
}

# check DB VARIANT ROWS: after a cell, the rows that were acknowledged are there, priced
check() {
	local rows unpriced bad
	rows=$(sql "$1" -c "SELECT count(*) FROM $(table_of "$2")")
	[ "$rows" = "$3" ] || die "$2: $3 rows acknowledged, $rows in the table"
	if [ "$2" = aiusage ]; then
		unpriced=$(sql "$1" -c "SELECT count(*) FROM aiusage.usage_record WHERE cost IS NULL OR assignment IS NULL")
		[ "$unpriced" = 0 ] || die "$unpriced rows unpriced or unmatched"
	fi
}

# COPY in slices that alternate, all in one session whose caches are warm.
copy_cell() {
	local round=$1 slice variant
	shift
	{
		for variant in aiusage bare stored; do	# warms up
			echo "INSERT INTO $(table_of $variant) (api_key, provider, model, usage) VALUES ('bench-1', 'openai', 'gpt-4o', '{}');"
		done
		echo '\timing on'
		for slice in $(seq 0 $((slices - 1))); do
			for variant in "$@"; do
				if [ "$variant" = stored ]; then
					echo "\\copy stored.usage_record ($stored_columns) FROM '$BENCH_DIR/copy-stored.$slice'"
				else
					echo "\\copy $(table_of "$variant") ($copy_columns) FROM '$BENCH_DIR/copy.$slice'"
				fi
			done
		done
	} | as_user tee "$BENCH_DIR/copy.sql" >/dev/null
	sql bench -c "CHECKPOINT"
	sql bench -f "$BENCH_DIR/copy.sql" >"$BENCH_DIR/copy.out"
	for variant in "$@"; do
		tps=$(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$BENCH_DIR/copy.out" | awk -v order="$*" -v variant="$variant" -v rows=$copy_rows '
			BEGIN { n = split(order, v, " ") } v[(NR - 1) % n + 1] == variant { t += $1 } END { print rows * 1000 / t }')
		check bench "$variant" $((copy_rows + 1))
		[ "$round" = 0 ] || printf 'copy\t%s\t%s\t%s\t%s\n' "$round" "$variant" "$tps" "$(awk "BEGIN { print 1e6 / $tps }")" >>"$cells"
		say "round $round copy $variant: $(printf '%.0f' "$tps") rows/s"
	done
}

# All three in one run, picked at random for each transaction: whatever else
# the machine does hits all of them alike.  With more clients than cores the
# cores are shared, so a statement's latency is proportional to what it takes.
interleaved() {
	local cell=$1 round=$2 n
	case $cell in pipeline) n=100 ;; *) n=1 ;; esac
	as_user "$PG_BIN/pgbench" -h "$BENCH_DIR" -U postgres -n -M prepared -c 8 -j 2 -T "$cell_seconds" \
		-f "$BENCH_DIR/aiusage-$n.sql" -f "$BENCH_DIR/bare-$n.sql" -f "$BENCH_DIR/stored-$n.sql" bench >"$BENCH_DIR/pgbench.log" 2>&1 ||
		{ cat "$BENCH_DIR/pgbench.log" >&2; die "pgbench failed"; }
	[ "$round" = 0 ] || sed -n '/^SQL script/,$s/^ - latency average = \([0-9.]*\) ms/\1/p' "$BENCH_DIR/pgbench.log" |
		awk -v cell="$cell" -v round="$round" -v n=$n 'BEGIN { split("aiusage bare stored", v, " ") }
			{ printf "mixed-%s\t%s\t%s\t%s\t%s\n", cell, round, v[NR], n * 1000 / $1, $1 * 1000 / n }' >>"$cells"
}

insert_bench() {
	local round cell variant n i tps us rows file total t cell_seconds
	local order_of_cells="single-async single-sync pipeline copy" slices=10

	say "insert: preparing"
	sql postgres -c "CREATE DATABASE bench_template"
	sql bench_template -f "$copy/bench/sql/setup.sql" >/dev/null
	for variant in aiusage bare stored; do script $variant 1; script $variant 100; done
	# The file that COPY loads: the gateway's columns as text.
	sql bench_template -v rows=$copy_rows -f "$copy/bench/sql/copy_data.sql" >/dev/null
	as_user "$PG_BIN/psql" -X -q -h "$BENCH_DIR" -U postgres -d bench_template \
		-c "\\copy (SELECT * FROM copy_data) TO '$BENCH_DIR/copy.txt'"
	as_user "$PG_BIN/psql" -X -q -h "$BENCH_DIR" -U postgres -d bench_template \
		-c "\\copy (SELECT * FROM copy_stored) TO '$BENCH_DIR/copy-stored.txt'"
	copy_columns=$(sql bench_template -c "SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_catalog.pg_attribute WHERE attrelid = 'copy_data'::regclass AND attnum > 0")
	stored_columns=$(sql bench_template -c "SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_catalog.pg_attribute WHERE attrelid = 'copy_stored'::regclass AND attnum > 0")
	sql bench_template -c "DROP TABLE copy_data, copy_stored"
	for file in copy copy-stored; do
		as_user split -d -a 1 -n l/$slices "$BENCH_DIR/$file.txt" "$BENCH_DIR/$file."
	done

	# Round 0 warms up (WAL segments, page cache) and is not counted.
	for round in $(seq 0 $rounds); do
		# rotate: aiusage bare stored / bare stored aiusage / ...
		set -- aiusage bare stored
		i=1
		while [ $i -lt "$round" ]; do set -- "$2" "$3" "$1"; i=$((i + 1)); done
		if [ "$round" = 0 ]; then cell_seconds=2; else cell_seconds=$seconds; fi
		for cell in $order_of_cells; do
			sql postgres -c "DROP DATABASE IF EXISTS bench" -c "CREATE DATABASE bench TEMPLATE bench_template"
			if [ $cell = copy ]; then copy_cell "$round" "$@"; fi
			for variant in "$@"; do
				if [ $cell = copy ]; then continue; fi
				sql bench -c "CHECKPOINT"
				case $cell in
					*)
						case $cell in pipeline) n=100 ;; *) n=1 ;; esac
						sql postgres -c "ALTER DATABASE bench SET synchronous_commit = $([ $cell = single-async ] && echo off || echo on)"
						as_user "$PG_BIN/pgbench" -h "$BENCH_DIR" -U postgres -n -M prepared -c 8 -j 2 -T "$cell_seconds" \
							-f "$BENCH_DIR/$variant-$n.sql" bench >"$BENCH_DIR/pgbench.log" 2>&1 ||
							{ cat "$BENCH_DIR/pgbench.log" >&2; die "pgbench failed"; }
						total=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$BENCH_DIR/pgbench.log")
						tps=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$BENCH_DIR/pgbench.log" | awk "{ print \$1 * $n }")
						rows=$((total * n))
						;;
				esac
				us=$(awk "BEGIN { print 1e6 / $tps }")
				check bench $variant $rows
				[ "$round" = 0 ] || printf '%s\t%s\t%s\t%s\t%s\n' $cell $round $variant "$tps" "$us" >>"$cells"
				say "round $round $cell $variant: $(printf '%.0f' "$tps") rows/s"
			done
			if [ $cell != copy ]; then interleaved $cell "$round"; fi
			# rows = rollups, components = cost
			sql bench -f "$copy/bench/sql/verify.sql" >/dev/null
			if [ $cell = copy ] && [ "$round" = 0 ]; then
				sql bench -F ' | ' -f "$copy/bench/sql/row_size.sql" >"$BENCH_DIR/row_size.txt"
			fi
		done
	done

	out "## Insert: booking against the same table without triggers"
	out ""
	out "Rows as a typical chat call (bench/sql/insert.sql), 8 clients. \"bare\": the same columns, indexes, constraints and"
	out "partitions, given the same statement, so that it stores less. \"stored\": the same table again, given every"
	out "column as the ledger stores it."
	out ""
	out "| cell | aiusage, rows/s | bare, rows/s | stored, rows/s | aiusage / bare | aiusage / stored |"
	out "|---|---|---|---|---|---|"
	for cell in $order_of_cells; do
		out "| $cell | $(cell_median $cell aiusage) | $(cell_median $cell bare) | $(cell_median $cell stored) | $(cell_ratio $cell bare) | $(cell_ratio $cell stored) |"
	done
	out ""
	out "single-async and single-sync: one INSERT a transaction, synchronous_commit off and on. pipeline: 100 INSERTs in one"
	out "libpq pipeline and transaction. copy: COPY FROM STDIN, text, $copy_rows rows in $slices slices that alternate, one client."
	out ""
	out "The same with the three statements at random in one run of 8 clients, so that other load on the machine hits them alike;"
	out "latency in microseconds a row, as the clients see it:"
	out ""
	out "| cell | aiusage | bare | stored | bare / aiusage | stored / aiusage |"
	out "|---|---|---|---|---|---|"
	for cell in single-async single-sync pipeline; do
		out "| $cell | $(us_median mixed-$cell aiusage) | $(us_median mixed-$cell bare) | $(us_median mixed-$cell stored) | $(cell_ratio mixed-$cell bare) | $(cell_ratio mixed-$cell stored) |"
	done
	out ""
	out "### Size of a row"
	out ""
	out "| table | rows | heap bytes a row | tuple bytes (pg_column_size) | index bytes a row |"
	out "|---|---|---|---|---|"
	while read -r line; do out "| $line |"; done <"$BENCH_DIR/row_size.txt"
	out ""
}

for part in $parts; do
	case $part in
		insert) insert_bench ;;
		*)
			if [ -e "bench/$part.sh" ]; then
				say "$part: running"
				(cd "$copy" && as_user env BENCH_DIR="$BENCH_DIR" BENCH_QUICK="$BENCH_QUICK" PG_BIN="$PG_BIN" bash "bench/$part.sh") >"$BENCH_DIR/$part.md" ||
					die "bench/$part.sh failed"
				tee -a "$report" <"$BENCH_DIR/$part.md"
				out ""
			fi
			;;
	esac
done

if [ "$BENCH_QUICK" = 0 ]; then
	mkdir -p "$source_dir/bench/results"
	result=bench/results/$(date -u +%Y-%m-%d)-$commit.md
	cp "$report" "$source_dir/$result"
	say "written: $result"
fi
