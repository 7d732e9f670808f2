#!/bin/bash
# The differential test of extract_usage(): every extractor of
# @pydantic/genai-prices, on generated bodies, compared exactly.
#
#     bash tools/extract.sh                      about 10,000 bodies
#     SEED=7 FACTOR=5 bash tools/extract.sh
#     bash tools/extract.sh SAMPLE.json          and the bodies of a sample file, with their prices
#
# Needs the extension installed in the PostgreSQL of PG_CONFIG, node 20 and npm.
# Without node it fails, unless AIUSAGE_ALLOW_NO_NODE=1 says that this is known.
set -eu
sample=${1:+$(realpath "$1")}
cd "$(dirname "$0")/.."
. tools/lib.sh

need_node "the differential test of extract_usage()" || exit 0

tmp=$(make_tmp)
finish() {
	cluster_stop "$tmp" immediate
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

install_oracle "$tmp"
(cd "$tmp/tools" && node extract.mjs "${SEED:-20261127}" "${FACTOR:-1}" ${sample:+"$sample"} >"$tmp/cases.tsv")
say "cases: $(wc -l <"$tmp/cases.tsv")"
cp tools/extract.sql "$tmp/"
if is_root; then chown -R postgres: "$tmp"; fi

cluster_init "$tmp" <<CONF
fsync = off
autovacuum = off
CONF
cluster_start "$tmp"
cd "$tmp"
as_user "$(pg_bin)/createdb" -h "$tmp" -U postgres extract
as_user "$(pg_bin)/psql" -X -q -h "$tmp" -U postgres -d extract -f extract.sql
