#!/bin/bash
# aiusage.import_prices() of whole catalogues: how long from jsonb to published.
#
# Called by bench/run.sh, or by hand against any server that has aiusage
# installed:
#
#     PGHOST=/tmp PGUSER=postgres bash bench/import.sh
#
# BENCH_DIR: a directory with the server's socket (default: PGHOST and so on).
# BENCH_QUICK=1: one round.  PG_BIN: where psql is.  LITELLM_CATALOGUE: a
# model_prices_and_context_window.json of your own; without it one is generated
# (tools/litellm.mjs), with more prices and rules than LiteLLM's has.  Uses a
# database of its own, bench_import, which it drops first.  Prints markdown.
set -eu
cd "$(dirname "$0")/.."

if [ -n "${BENCH_DIR:-}" ]; then
	export PGHOST=$BENCH_DIR
	export PGUSER=${PGUSER:-postgres}
fi
psql=${PG_BIN:+$PG_BIN/}psql
rounds=7
if [ "${BENCH_QUICK:-0}" != 0 ]; then rounds=1; fi
tmp=$(mktemp -d "${TMPDIR:-/tmp}/aiusage-import.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

generator=$PWD/tools/litellm.mjs
(cd "$tmp" && node "$generator" 20261127 600 && rm litellm.tsv)
if [ -n "${LITELLM_CATALOGUE:-}" ]; then cp "$LITELLM_CATALOGUE" "$tmp/litellm.json"; fi

sql() { "$psql" -X -q -A -t -v ON_ERROR_STOP=1 -d bench_import "$@"; }
"$psql" -X -q -d postgres -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS bench_import' -c 'CREATE DATABASE bench_import'
(
	echo "SET client_min_messages = warning; CREATE EXTENSION aiusage; SELECT FROM aiusage.init();"
	echo "CREATE TABLE catalogue AS SELECT 'genai-prices' AS format, aiusage.default_catalogue() AS content;"
	echo "\\set content \`cat $tmp/litellm.json\`"
	echo "INSERT INTO catalogue VALUES ('litellm', :'content');"
) >"$tmp/setup.sql"
sql -f "$tmp/setup.sql"

for round in $(seq 1 $rounds); do
	formats="genai-prices litellm"
	if [ $((round % 2)) = 0 ]; then formats="litellm genai-prices"; fi
	for format in $formats; do
		# a book of its own a round: the same catalogue again would make no version
		sql -c "INSERT INTO aiusage.price_book (book, kind, currency) VALUES ('$format $round', 'list', 'USD')"
		ms=$(sql -c 'SET client_min_messages = error' -c '\timing on' -c "SELECT aiusage.import_prices('$format $round', format, content, '-infinity') FROM catalogue WHERE format = '$format'" |
			sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')
		printf '%s\t%s\n' "$format" "$ms" >>"$tmp/cells"
	done
done

stats() { awk -F '\t' -v f="$1" '$1 == f { print $2 / 1000 }' "$tmp/cells" | sort -g |
	awk '{ v[NR] = $1 } END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; printf "%.2f (%.2f-%.2f)", m, v[1], v[NR] }'; }
count() { sql -c "SELECT count(*) FROM aiusage.$2 AS p JOIN aiusage.price_version AS v USING (version) WHERE v.book = '$1 1'"; }

echo "## Import"
echo
echo "\`aiusage.import_prices\` of a whole catalogue, from jsonb to published, seconds, median (min-max) of $rounds. Aim: below 5."
echo
echo "| format | models | rules | prices | seconds |"
echo "|---|---|---|---|---|"
for format in genai-prices litellm; do
	name=$format
	[ $format = genai-prices ] || name="litellm, $([ -n "${LITELLM_CATALOGUE:-}" ] && echo "as published" || echo generated)"
	echo "| $name | $(count $format price_model) | $(count $format price_rule) | $(count $format price) | $(stats $format) |"
done
"$psql" -X -q -d postgres -c 'DROP DATABASE bench_import'
