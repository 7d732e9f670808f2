#!/bin/bash
# The benchmarks, with one command:
#
#     bash bench/run.sh            everything, about 40 minutes
#     bash bench/run.sh --quick    one short round: does it run at all
#     bash bench/run.sh insert     only these parts: insert limits pricing extract import fold rollup reprice
#
# A throwaway cluster; both sides of every ratio in the same run, in the same
# cluster, in an order that rotates from round to round; medians and min-max of
# the per-round ratios.  After every cell the figures are checked, and a cell
# whose check fails voids the run.  The report goes to
# bench/results/<date>-<commit>.md, and to the screen.
#
# A part is bench/<part>.sh: it gets BENCH_DIR (the cluster's socket and scratch
# directory), BENCH_QUICK (0 or 1) and PG_BIN, and prints markdown.
set -eu
cd "$(dirname "$0")/.."
source_dir=$PWD
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
# Measured code must be committed code; bench/results itself may differ.
if git status --porcelain -- . ':!bench/results' 2>/dev/null | grep -q .; then commit=$commit-dirty; fi

sh tools/setup.sh --bench
. tools/lib.sh

BENCH_QUICK=0
all_parts="insert limits pricing extract import fold rollup reprice"
parts=
for arg in "$@"; do
	case $arg in
		--quick) BENCH_QUICK=1 ;;
		insert|limits|pricing|extract|import|fold|rollup|reprice) parts="${parts:+$parts }$arg" ;;
		*) die "unknown argument $arg" ;;
	esac
done
parts=${parts:-$all_parts}
PG_BIN=$(pg_bin)
BENCH_DIR=$(make_tmp)
export BENCH_DIR BENCH_QUICK PG_BIN
chmod 755 "$BENCH_DIR"
copy=$BENCH_DIR/aiusage
report=$BENCH_DIR/report.md
: >"$report"

finish() {
	cluster_stop "$BENCH_DIR" immediate
	if [ "${AIUSAGE_KEEP:-0}" != 0 ]; then say "kept: $BENCH_DIR"; else rm -rf "$BENCH_DIR"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

out() { printf '%s\n' "$*" | tee -a "$report"; }

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
aiusage.quota_holds = 100000
CONF
cluster_start "$BENCH_DIR"

load=$(cut -d' ' -f1 /proc/loadavg)
out "# Benchmark, commit $commit"
out ""
out "- machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo) of memory"
out "- $("$PG_CONFIG" --version), $(uname -sr), load average at the start $load"
out "- settings: shared_buffers 1 GB, fsync on, autovacuum off, no checkpoint during a cell"
fsync_rate=$(as_user "$PG_BIN/pg_test_fsync" -s 1 -f "$BENCH_DIR/fsync.tmp" 2>/dev/null | awk '/^ +fdatasync +[0-9]/ { print $2; exit }') || fsync_rate=
out "- fdatasync: ${fsync_rate:-unknown} a second"
if awk "BEGIN { exit !($load > 0.5) }"; then
	out "- **the machine was not idle (load average $load): read the ratios with that in mind**"
fi
out ""

for part in $parts; do
	say "$part: running"
	(cd "$copy" && as_user env BENCH_DIR="$BENCH_DIR" BENCH_QUICK="$BENCH_QUICK" PG_BIN="$PG_BIN" bash "bench/$part.sh") >"$BENCH_DIR/$part.md" ||
		die "bench/$part.sh failed"
	tee -a "$report" <"$BENCH_DIR/$part.md"
	out ""
done

if [ "$BENCH_QUICK" = 0 ]; then
	mkdir -p "$source_dir/bench/results"
	result=bench/results/$(date -u +%Y-%m-%d)-$commit
	[ "$parts" = "$all_parts" ] || result=$result-$(echo $parts | tr ' ' -)
	# an earlier run of the same commit stays
	n=2
	name=$result
	while [ -e "$source_dir/$name.md" ]; do name=$result.$n; n=$((n + 1)); done
	cp "$report" "$source_dir/$name.md"
	say "written: $name.md"
fi
