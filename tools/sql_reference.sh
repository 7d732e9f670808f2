#!/bin/bash
# Writes docs/sql-reference.md from the comments in the catalogue:
#
#     bash tools/sql_reference.sh
#
# Builds and installs into PG_CONFIG's PostgreSQL, and asks a throwaway cluster.
# sql/sql_reference.sql fails while the page is not what this writes.
set -eu
cd "$(dirname "$0")/.."
source_dir=$PWD
. tools/lib.sh

tmp=$(make_tmp)
chmod 755 "$tmp"
finish() {
	cluster_stop "$tmp" immediate
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

copy_tree "$source_dir" "$tmp/aiusage"
as_user make -s -j 2 -C "$tmp/aiusage" PG_CONFIG="$PG_CONFIG" with_llvm=no >"$tmp/build.log" 2>&1 || { cat "$tmp/build.log"; die "the build failed"; }
install_with make -s -C "$tmp/aiusage" PG_CONFIG="$PG_CONFIG" with_llvm=no install >"$tmp/build.log" 2>&1 || { cat "$tmp/build.log"; die "the installation failed"; }
cluster_init "$tmp" <"$tmp/aiusage/aiusage.conf"
cluster_start "$tmp"
psql() { as_user env PG_ABS_SRCDIR="$tmp/aiusage" "$(pg_bin)/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$tmp" -U postgres -d postgres "$@"; }
psql -c "SET client_min_messages = warning" -c "CREATE EXTENSION aiusage" -c "SELECT count(*) FROM aiusage.init()" >/dev/null
psql -f "$tmp/aiusage/tools/sql_reference.sql" -c 'SELECT * FROM pg_temp.sql_reference()' >"$tmp/page"
cat "$tmp/page" >docs/sql-reference.md
say "docs/sql-reference.md: $(wc -l <docs/sql-reference.md) lines"
