#!/bin/bash
# The differential pricing test: every provider and model of the shipped
# catalogue, generated usages below, at and above each tier and each boundary
# of time, priced by aiusage and by @pydantic/genai-prices, compared exactly.
# Then generated catalogues of LiteLLM's format (tools/litellm.mjs), and random
# ones of the package's own format (tools/random_catalogues.mjs), likewise.
#
#     bash tools/differential.sh            about 80,000 cases, and as many with random catalogues
#     SEED=7 FACTOR=5 bash tools/differential.sh
#     AIUSAGE_PRICE_CASES=1000000 bash tools/differential.sh      with random catalogues
#
# Needs the extension installed in the PostgreSQL of PG_CONFIG, node 20 and npm.
# Without node it fails, unless AIUSAGE_ALLOW_NO_NODE=1 says that this is known.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

need_node "the differential pricing test" || exit 0

tmp=$(make_tmp)
finish() {
	cluster_stop "$tmp" immediate
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

install_oracle "$tmp"
mkdir "$tmp/install"
cp install/25_catalogue.sql "$tmp/install/"

(cd "$tmp/tools" && node make_catalogue.mjs --check)
(cd "$tmp/tools" && node differential.mjs "${SEED:-20260923}" "${FACTOR:-1}" >"$tmp/cases.tsv")
(cd "$tmp" && node tools/litellm.mjs "${SEED:-20261127}" $((500 * ${FACTOR:-1})))
(cd "$tmp" && node tools/random_catalogues.mjs "${SEED:-20261128}" "${AIUSAGE_PRICE_CASES:-$((80000 * ${FACTOR:-1}))}")
say "cases: $(wc -l <"$tmp/cases.tsv"), $(wc -l <"$tmp/litellm.tsv") of LiteLLM's catalogue, $(wc -l <"$tmp/random.tsv") of random ones"
cp tools/differential.sql tools/litellm.sql tools/random_catalogues.sql "$tmp/"
if is_root; then chown -R postgres: "$tmp"; fi

cluster_init "$tmp" <<CONF
fsync = off
autovacuum = off
CONF
cluster_start "$tmp"
cd "$tmp"
as_user "$(pg_bin)/createdb" -h "$tmp" -U postgres differential
as_user "$(pg_bin)/psql" -X -q -h "$tmp" -U postgres -d differential -f differential.sql
as_user "$(pg_bin)/psql" -X -q -h "$tmp" -U postgres -d differential -f litellm.sql
as_user "$(pg_bin)/psql" -X -q -h "$tmp" -U postgres -d differential -f random_catalogues.sql
