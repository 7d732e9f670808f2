#!/bin/bash
# sqlsmith: random SQL against a database with the extension, data and limits.
#
#     bash tools/sqlsmith.sh [minutes]      (default 10; half as a superuser, half as a member)
#
# Functions that act (init, close_period, reprice ...) are called like any other:
# that is wanted.  Works in a throwaway cluster of a copy of PostgreSQL.  Counts
# queries and errors; exit code 1 when a server process died, when an error of
# ours has SQLSTATE XX000, or when hardly any query was run.
#
# Needs Debian's package sqlsmith.  AIUSAGE_SEED=N begins elsewhere.
set -eu
cd "$(dirname "$0")/.."
source_dir=$PWD
. tools/lib.sh

minutes=${1:-10}
seed=${AIUSAGE_SEED:-1}
command -v sqlsmith >/dev/null 2>&1 || die "sqlsmith is missing: as root, apt-get install sqlsmith"

tmp=$(make_tmp)
chmod 755 "$tmp"
finish() {
	cluster_stop "$tmp" immediate
	if [ "${AIUSAGE_KEEP:-0}" != 0 ]; then say "kept: $tmp"; else rm -rf "$tmp"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

step "build"
private_postgres "$tmp/pg"
copy=$tmp/aiusage
copy_tree "$source_dir" "$copy"
as_user make -s -j 2 -C "$copy" with_llvm=no install >"$tmp/build.log" 2>&1 || { tail -n 40 "$tmp/build.log"; die "it does not build"; }
cluster_init "$tmp" <<'CONF'
shared_preload_libraries = 'aiusage'
fsync = off
max_connections = 20
statement_timeout = 2s
lock_timeout = 1s
work_mem = 16MB
temp_file_limit = 1GB
log_min_messages = warning
log_min_error_statement = error
log_error_verbosity = verbose
log_line_prefix = '%m [%p] %u '
CONF
cluster_start "$tmp"
psql() { as_user "$(pg_bin)/psql" -X -q -v ON_ERROR_STOP=1 -h "$tmp" -U postgres -d smith "$@"; }
as_user "$(pg_bin)/createdb" -h "$tmp" -U postgres smith
psql -f "$copy/tools/sqlsmith.sql" >"$tmp/prepare.log" 2>&1 || { cat "$tmp/prepare.log"; die "the database was not prepared"; }

findings=0
queries=0
as_user mkdir "$tmp/out"
for role in postgres member; do
	step "sqlsmith as $role, $((minutes * 30)) s"
	end=$((SECONDS + minutes * 30))
	n=0
	while [ $SECONDS -lt $end ]; do
		n=$((n + 1))
		as_user timeout -k 5 $((end - SECONDS + 1)) sqlsmith --target="host=$tmp dbname=smith user=$role" --seed=$((seed * 100 + n)) \
			--exclude-catalog --verbose >"$tmp/out/$role.$n.log" 2>&1 </dev/null || true
		if ! as_user "$(pg_bin)/pg_isready" -q -h "$tmp"; then sleep 5; fi
		if [ $n -gt 20 ]; then break; fi
	done
	asked=$(grep -ohE 'queries: [0-9]+' "$tmp/out/$role".*.log | awk '{ n = $2; if (n < last) sum += last; last = n } END { print sum + last }')
	say "$role: ${asked:-0} queries ($n starts)"
	queries=$((queries + ${asked:-0}))
done

step "findings"
cp "$tmp/server.log" "$tmp/all.log"
say "SQLSTATE of the errors, by number:"
grep -oE '(ERROR|FATAL|PANIC):  [0-9A-Z]{5}:' "$tmp/all.log" | sort | uniq -c | sort -rn | head -n 40
deaths=$(grep -cE 'terminated by signal|PANIC:' "$tmp/all.log") || true
if [ "$deaths" != 0 ]; then
	grep -E -A 3 'terminated by signal|PANIC:' "$tmp/all.log" | head -n 40
	findings=$((findings + deaths))
fi
# an internal error: ours when a file of ours raised it
internal=$(grep -cE 'ERROR:  XX' "$tmp/all.log") || true
say "internal errors (XX...): $internal"
grep -hE -A 6 'ERROR:  XX' "$tmp/all.log" | grep -E 'ERROR:  XX|LOCATION|CONTEXT' | sed 's/^[^]]*\] [a-z]* //' | sort | uniq -c | sort -rn | head -n 30
ours=$(grep -E -A 8 'ERROR:  XX' "$tmp/all.log" | grep -E 'LOCATION:' | grep -cE '(aiu_|src/(admission|attribution|common|extract|ledger|pricing|quota|rollup|types)/)') || true
findings=$((findings + ours))
psql -At -c "SELECT 'verify(): ' || count(*) || ' checks, ' || count(*) FILTER (WHERE NOT ok) || ' not ok' FROM aiusage.verify()" 2>&1 | head -n 3 || true
say "$queries queries, $findings findings"
[ $findings = 0 ] && [ "$queries" -gt 100 ]
