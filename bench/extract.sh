#!/bin/bash
# aiusage.extract_usage() against extractUsage() of @pydantic/genai-prices in
# node: the same bodies, one core each, one after the other.
#
# Called by bench/run.sh, or by hand against any server that has aiusage
# installed:
#
#     PGHOST=/tmp PGUSER=postgres bash bench/extract.sh
#
# BENCH_DIR: a directory with the server's socket (default: PGHOST and so on).
# BENCH_QUICK=1: one short round.  PG_BIN: where psql is.  Uses a database of
# its own, bench_extract, which it drops first.  Prints markdown.
#
# Two mixes: `every`, generated bodies of each of the package's extractors
# (those of the differential test that have a usage), and `common`, those of
# the four APIs that gateways see most.  Bodies come parsed (an object there,
# jsonb here) or as text, which each side parses.  Every usage is compared with
# the oracle's first.
set -eu
cd "$(dirname "$0")/.."

if [ -n "${BENCH_DIR:-}" ]; then
	export PGHOST=$BENCH_DIR
	export PGUSER=${PGUSER:-postgres}
fi
psql=${PG_BIN:+$PG_BIN/}psql
rounds=5
seconds=2
if [ "${BENCH_QUICK:-0}" != 0 ]; then rounds=1; seconds=1; fi
tmp=$(mktemp -d "${TMPDIR:-/tmp}/aiusage-extract.XXXXXX")
chmod 755 "$tmp"
trap 'rm -rf "$tmp"' EXIT

# The oracle: what tools/ has installed, else a copy of our own.
cp tools/extract.mjs tools/package.json tools/package-lock.json tools/.npmrc "$tmp/"
if [ -d tools/node_modules ]; then
	cp -R tools/node_modules "$tmp/"
else
	(cd "$tmp" && npm ci --no-audit --no-fund --cache "$tmp/npm" >"$tmp/npm.log" 2>&1) || { cat "$tmp/npm.log" >&2; exit 1; }
fi
(cd "$tmp" && node extract.mjs) >"$tmp/all.tsv"
awk -F '\t' '$2 == "generated plain" && $6 == "usage"' "$tmp/all.tsv" >"$tmp/every.tsv"
awk -F '\t' '($3 "/" $4) ~ /^(openai\/chat|openai\/responses|anthropic\/default|google\/default)$/' "$tmp/every.tsv" >"$tmp/common.tsv"

sql() { "$psql" -X -q -A -t -v ON_ERROR_STOP=1 -d bench_extract "$@"; }
"$psql" -X -q -d postgres -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS bench_extract' -c 'CREATE DATABASE bench_extract'
setup=$PWD/bench/sql/extract_setup.sql
(cd "$tmp" && sql -f "$setup" >/dev/null)

differ=$(sql -c "SELECT count(*) FROM extract_case AS c, LATERAL aiusage.extract_usage(c.provider, c.flavor, c.body) AS e
	WHERE e.usage::jsonb IS DISTINCT FROM c.usage OR e.model IS DISTINCT FROM c.model")
[ "$differ" = 0 ] || { echo "error: $differ usages differ from the oracle's" >&2; exit 1; }

for round in $(seq 1 $rounds); do
	for mix in every common; do
		for form in parsed text; do
			sides="aiusage node"
			if [ $((round % 2)) = 0 ]; then sides="node aiusage"; fi
			for side in $sides; do
				if [ $side = aiusage ]; then
					rate=$(sql -c "SELECT bench('$mix', '$([ $form = parsed ] && echo body || echo body_text::jsonb)', $seconds)")
				else
					rate=$(node bench/extract.mjs "$tmp" "$tmp/$mix.tsv" $seconds $form)
				fi
				printf '%s\t%s\t%s\t%s\n' "$mix-$form" "$round" "$side" "$rate" >>"$tmp/cells"
			done
		done
	done
done

rate() { awk -F '\t' -v mix="$1" -v side="$2" '$1 == mix && $3 == side { print $4 }' "$tmp/cells" | sort -g |
	awk '{ v[NR] = $1 } END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; printf "%d (%d-%d)", m, v[1], v[NR] }'; }
ratio() { awk -F '\t' -v mix="$1" '$1 == mix { v[$2, $3] = $4; if ($2 > n) n = $2 } END { for (r = 1; r <= n; r++) print v[r, "aiusage"] / v[r, "node"] }' "$tmp/cells" | sort -g |
	awk '{ v[NR] = $1 } END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; printf "%.1f (%.1f-%.1f)", m, v[1], v[NR] }'; }

version=$(cd "$tmp" && node -p 'JSON.parse(require("fs").readFileSync("node_modules/@pydantic/genai-prices/package.json")).version')
echo "## Extraction"
echo
echo "\`aiusage.extract_usage\` in one backend against extractUsage() of @pydantic/genai-prices $version in node $(node --version), bodies a second,"
echo "median (min-max) of $rounds rounds of $seconds s; every usage equal to the oracle's. aiusage also reads the id and the tier, and looks"
echo "for unknown counters."
echo
echo "| mix | bodies | form | aiusage | node | ratio |"
echo "|---|---|---|---|---|---|"
for mix in every common; do
	for form in parsed text; do
		echo "| $mix | $(sql -c "SELECT count(*) FROM extract_case WHERE mix = '$mix'") | $form | $(rate $mix-$form aiusage) | $(rate $mix-$form node) | $(ratio $mix-$form) |"
	done
done
"$psql" -X -q -d postgres -c 'DROP DATABASE bench_extract'
