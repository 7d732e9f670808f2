#!/bin/bash
# aiusage.price_usage() against @pydantic/genai-prices in node: the same
# catalogue, the same usages, one core each, one after the other.
#
# Called by bench/run.sh, or by hand against any server that has aiusage
# installed:
#
#     PGHOST=/tmp PGUSER=postgres bash bench/pricing.sh
#
# BENCH_DIR: a directory with the server's socket (default: PGHOST and so on).
# BENCH_QUICK=1: one short round.  PG_BIN: where psql is.  Uses a database of
# its own, bench_pricing, which it drops first.  Prints markdown.
#
# Two mixes: `catalogue`, generated usages of every model (those of the
# differential test that have a price), and `common`, those of a dozen models
# that gateways see most.  Every amount is compared with the exact one first.
set -eu
cd "$(dirname "$0")/.."

if [ -n "${BENCH_DIR:-}" ]; then
	export PGHOST=$BENCH_DIR
	export PGUSER=${PGUSER:-postgres}
fi
psql=${PG_BIN:+$PG_BIN/}psql
rounds=5
seconds=4
if [ "${BENCH_QUICK:-0}" != 0 ]; then rounds=1; seconds=1; fi
tmp=$(mktemp -d "${TMPDIR:-/tmp}/aiusage-pricing.XXXXXX")
chmod 755 "$tmp"
trap 'rm -rf "$tmp"' EXIT

# The oracle: what tools/ has installed, else a copy of our own.
cp tools/*.mjs tools/package.json tools/package-lock.json tools/.npmrc "$tmp/"
if [ -d tools/node_modules ]; then
	cp -R tools/node_modules "$tmp/"
else
	(cd "$tmp" && npm ci --no-audit --no-fund --cache "$tmp/npm" >"$tmp/npm.log" 2>&1) || { cat "$tmp/npm.log" >&2; exit 1; }
fi
(cd "$tmp" && node differential.mjs) >"$tmp/all.tsv"
awk -F '\t' '$6 == "price" || $6 == "rounded"' "$tmp/all.tsv" >"$tmp/catalogue.tsv"
# whisper's minimum is billed alike but rounded elsewhere; the differential test covers it
awk -F '\t' 'BEGIN {
		n = split("openai/gpt-4o openai/gpt-4o-mini openai/gpt-4.1 openai/gpt-5 openai/text-embedding-3-small anthropic/claude-sonnet-4-5 anthropic/claude-opus-4-5 anthropic/claude-haiku-4-5 google/gemini-2.5-pro google/gemini-2.5-flash deepseek/deepseek-chat mistral/mistral-large-latest", m, " ")
		for (i = 1; i <= n; i++) common[m[i]] = 1
	}
	($2 "/" $3) in common' "$tmp/catalogue.tsv" >"$tmp/common.tsv"

sql() { "$psql" -X -q -A -t -v ON_ERROR_STOP=1 -d bench_pricing "$@"; }
"$psql" -X -q -d postgres -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS bench_pricing' -c 'CREATE DATABASE bench_pricing'
setup=$PWD/bench/sql/pricing_setup.sql
(cd "$tmp" && sql -f "$setup" >/dev/null)

differ=$(sql -c "SELECT count(*) FROM price_case WHERE aiusage.price_usage(provider, model, usage, at)::numeric IS DISTINCT FROM amount")
[ "$differ" = 0 ] || { echo "error: $differ amounts differ from the oracle's" >&2; exit 1; }

for round in $(seq 1 $rounds); do
	for mix in catalogue common; do
		sides="aiusage node"
		if [ $((round % 2)) = 0 ]; then sides="node aiusage"; fi
		for side in $sides; do
			if [ $side = aiusage ]; then
				rate=$(sql -c "SELECT bench('$mix', $seconds)")
			else
				rate=$(node bench/pricing.mjs "$tmp" "$tmp/$mix.tsv" $seconds)
			fi
			printf '%s\t%s\t%s\t%s\n' "$mix" "$round" "$side" "$rate" >>"$tmp/cells"
		done
	done
done

rate() { awk -F '\t' -v mix="$1" -v side="$2" '$1 == mix && $3 == side { print $4 }' "$tmp/cells" | sort -g |
	awk '{ v[NR] = $1 } END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; printf "%d (%d-%d)", m, v[1], v[NR] }'; }
ratio() { awk -F '\t' -v mix="$1" '$1 == mix { v[$2, $3] = $4; if ($2 > n) n = $2 } END { for (r = 1; r <= n; r++) print v[r, "aiusage"] / v[r, "node"] }' "$tmp/cells" | sort -g |
	awk '{ v[NR] = $1 } END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; printf "%.0f (%.0f-%.0f)", m, v[1], v[NR] }'; }

version=$(cd "$tmp" && node -p 'JSON.parse(require("fs").readFileSync("node_modules/@pydantic/genai-prices/package.json")).version')
echo "## Pricing"
echo
echo "\`aiusage.price_usage\` in one backend against @pydantic/genai-prices $version in node $(node --version), usages a second,"
echo "median (min-max) of $rounds rounds of $seconds s; every amount equal to the exact one. Aim: 20."
echo
echo "| mix | cases | models | aiusage | node | ratio |"
echo "|---|---|---|---|---|---|"
for mix in catalogue common; do
	echo "| $mix | $(sql -c "SELECT count(*) FROM price_case WHERE mix = '$mix'") | $(sql -c "SELECT count(DISTINCT (provider, model)) FROM price_case WHERE mix = '$mix'") | $(rate $mix aiusage) | $(rate $mix node) | $(ratio $mix) |"
done
sql -f bench/sql/pricing_kinds.sql >/dev/null
echo
echo "A row by the kind of its price, in one backend: nanoseconds above the same query without pricing, and the ratio to plain,"
echo "medians of $((rounds * 6)) rounds of 100000 rows in changing order. Tiered and conditional (a daily window in a zone) by a list book, inherited and"
echo "overridden by one that inherits from it, with a discount and a rate of its own: the same models, tiered and plain."
echo
echo "| kind | ns a row | to plain |"
echo "|---|---|---|"
sql -F ' | ' -c "SELECT '| ' || kind, ns, ratio || ' |' FROM bench_kinds($((rounds * 6)))"
"$psql" -X -q -d postgres -c 'DROP DATABASE bench_pricing'
