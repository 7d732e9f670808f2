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

if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
	if [ "${AIUSAGE_ALLOW_NO_NODE:-0}" = 1 ]; then
		say "skipped: node and npm are not installed (AIUSAGE_ALLOW_NO_NODE=1)"
		exit 0
	fi
	die "the differential test of extract_usage() needs node 20 and npm (AIUSAGE_ALLOW_NO_NODE=1 to go without)"
fi

tmp=$(make_tmp)
finish() {
	cluster_stop "$tmp" immediate
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# npm writes: into a copy, as the user who runs this.
mkdir "$tmp/tools"
cp tools/extract.mjs tools/package.json tools/package-lock.json tools/.npmrc "$tmp/tools/"
if [ -d tools/node_modules ]; then
	cp -R tools/node_modules "$tmp/tools/"
else
	(cd "$tmp/tools" && npm ci --no-audit --no-fund --cache "$tmp/npm" >"$tmp/npm.log" 2>&1) ||
		{ cat "$tmp/npm.log" >&2; die "npm could not install the oracle"; }
fi

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
