#!/bin/bash
# Limits: what they cost an insert, beside counters kept in rows; admission;
# loading of counters; and Redis, for reference.
#
# Called by bench/run.sh, which has made a server with aiusage preloaded and
# exports BENCH_DIR (its socket, and room for files), PG_BIN and BENCH_QUICK.
#
# BENCH_ROUNDS (5), BENCH_SECONDS (2, measured seconds a cell), BENCH_LOAD_ROWS
# (5000000), BENCH_CELLS: any of
#     hot-sync-1 hot-sync-8 hot-sync-32 hot-async-1 hot-async-8 hot-async-32
#     many-sync-8 many-sync-32 many-async-8 batch copy admit-1 admit-8 cap load redis
# Prints markdown, progress on stderr.
#
# Variants of an insert, all of one row of a typical chat call:
#     bare      the ledger's table without triggers
#     none      booked and priced, no limit
#     six       booked and priced, under six limits
#     rows      bare, and six counter rows checked and updated in the same statement
#     rows7     the same in seven statements
#     advisory  rows, under an advisory lock of the key, in three statements
#     slots     six counters of 64 slots each; these cannot refuse exactly
#
# Within a round all follow one another, in a rotated order; a ratio is taken
# within its round.  Round 0 and the first second of a cell are not counted.
set -eu
cd "$(dirname "$0")/.."
export PGHOST=$BENCH_DIR PGUSER=postgres

rounds=${BENCH_ROUNDS:-5}
seconds=${BENCH_SECONDS:-2}
load_rows=${BENCH_LOAD_ROWS:-5000000}
cells=${BENCH_CELLS:-hot-sync-1 hot-sync-8 hot-sync-32 hot-async-1 hot-async-8 hot-async-32 many-sync-8 many-sync-32 many-async-8 batch copy admit-1 admit-8 cap load redis}
if [ "${BENCH_QUICK:-0}" != 0 ]; then rounds=1; seconds=1; load_rows=20000; fi
figures=$BENCH_DIR/limits.tsv		# cell, round, variant, rows or calls a second
: >"$figures"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
sql() { "$PG_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$@"; }
note() {	# CELL ROUND VARIANT RATE
	[ "$2" = 0 ] || printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$figures"
	say "$1, round $2, $3: $(printf '%.0f' "$4")/s"
}

# ---------------------------------------------------------------- figures

median() {	# of what is read; $1 range: its least and greatest beside it
	sort -g | awk -v range="${1:-}" -v format="${2:-%.0f}" '{ v[NR] = $1 } END {
		if (!NR) { print "-"; exit }
		printf format, NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
		if (range != "") printf " (%.2f-%.2f)", v[1], v[NR]
		print "" }'
}
value() { awk -v cell="$1" -v variant="$2" '$1 == cell && $3 == variant { print $4 }' "$figures" | median; }
ratio() {	# CELL OVER UNDER: round by round, median (min-max)
	awk -v cell="$1" -v over="$2" -v under="$3" '
		$1 == cell { v[$2, $3] = $4; if ($2 > n) n = $2 }
		END { for (r = 1; r <= n; r++) if (v[r, under] > 0 && v[r, over] > 0) print v[r, over] / v[r, under] }' "$figures" | median range %.3f
}
rotate() {	# ROUND WORD...
	local r=$1 i n
	shift
	n=$#
	for ((i = 0; i < n; i++)); do eval "printf '%s ' \${$(((r + i) % n + 1))}"; done
}

# ---------------------------------------------------------------- databases and scripts

# Databases of one cell: `plain` has no limits (and holds the tables without triggers), `limited` six.
databases() {
	local db
	for db in plain limited; do
		sql postgres -c "DROP DATABASE IF EXISTS $db" -c "CREATE DATABASE $db TEMPLATE bench_template"
		sql $db -v limits=$([ $db = plain ] && echo 0 || echo 1) -f bench/sql/limits_setup.sql >/dev/null
	done
}
db_of() { case $1 in six|admit*|insert|select1|released) echo limited ;; *) echo plain ;; esac; }

row_columns="(request_id, api_key, user_id, provider, model, endpoint, usage, latency_ms, ttft_ms, streamed, status_code)"
row_values="'chatcmpl-' || :request, 'bench-' || :key, 'user-' || :key, 'openai', 'gpt-4o', 'chat',
	('{\"input_tokens\":' || :input || ',\"cache_read_tokens\":' || :cached || ',\"output_tokens\":' || :output || '}')::aiusage.usage,
	:latency, 350, true, 200"
one_update="UPDATE counter SET used = used + :input WHERE id BETWEEN 6 * :key AND 6 * :key + 5 AND used + :input <= cap"

statement() {	# VARIANT: one row, and what keeps its counters
	local i
	case $1 in
		six|none) echo "INSERT INTO aiusage.usage_record $row_columns VALUES ($row_values);" ;;
		bare) echo "INSERT INTO bare.usage_record $row_columns VALUES ($row_values);" ;;
		rows) echo "WITH c AS ($one_update RETURNING 1) INSERT INTO bare.usage_record $row_columns SELECT $row_values WHERE (SELECT count(*) FROM c) = 6;" ;;
		rows7)
			echo "BEGIN;"
			for i in 0 1 2 3 4 5; do echo "UPDATE counter SET used = used + :input WHERE id = 6 * :key + $i AND used + :input <= cap;"; done
			echo "INSERT INTO bare.usage_record $row_columns VALUES ($row_values);"
			echo "COMMIT;" ;;
		advisory)
			echo "BEGIN;"
			echo "SELECT pg_advisory_xact_lock(:key);"
			echo "WITH c AS ($one_update RETURNING 1) INSERT INTO bare.usage_record $row_columns SELECT $row_values WHERE (SELECT count(*) FROM c) = 6;"
			echo "COMMIT;" ;;
		slots) echo "WITH c AS (UPDATE counter_slot SET used = used + :input WHERE id BETWEEN 6 * :key AND 6 * :key + 5 AND slot = :slot RETURNING 1) INSERT INTO bare.usage_record $row_columns SELECT $row_values WHERE (SELECT count(*) FROM c) = 6;" ;;
		select1) echo "SELECT 1;" ;;
		insert) echo "INSERT INTO aiusage.usage_record $row_columns VALUES ($row_values);" ;;
		admit-memory) echo "SELECT decision FROM aiusage.admit('bench-' || :key, 'openai', 'gpt-4o', '{\"input_tokens\":4740,\"output_tokens\":1000}', endpoint => 'chat', ttl => '100 milliseconds', durable => false);" ;;
		admit-value) echo "SELECT aiusage.admit('bench-' || :key, 'openai', 'gpt-4o', '{\"input_tokens\":4740,\"output_tokens\":1000}', endpoint => 'chat', ttl => '100 milliseconds', durable => false);" ;;
		admit-durable) echo "SELECT decision FROM aiusage.admit('bench-' || :key, 'openai', 'gpt-4o', '{\"input_tokens\":4740,\"output_tokens\":1000}', endpoint => 'chat', ttl => '100 milliseconds');" ;;
	esac
}

script() {	# VARIANT KEYS ROWS: a pgbench script; more than one row: in one transaction, pipelined
	local i
	{
		cat <<-SET
			\\set key random(1, $2)
			\\set slot random(1, 64)
			\\set input random(200, 8000)
			\\set cached random(0, 100)
			\\set output random(20, 900)
			\\set latency random(300, 20000)
			\\set request random(1, 1000000000000000)
		SET
		[ "$3" = 1 ] || { echo "BEGIN;"; echo '\startpipeline'; }
		for ((i = 0; i < $3; i++)); do statement "$1"; done
		[ "$3" = 1 ] || { echo '\endpipeline'; echo "COMMIT;"; }
	} >"$BENCH_DIR/script-$1.sql"
}

# ---------------------------------------------------------------- cells

acknowledged() { awk -v v=" $* " 'index(v, " " $1 " ") { sum += $2 } END { printf "%d", sum }' "$BENCH_DIR/acknowledged"; }

check() {	# VARIANT: whatever was acknowledged is there, counters add up
	local n
	case $1 in
		six|insert) sql limited -v rows="$(acknowledged six insert)" -f bench/sql/limits_check.sql >/dev/null ;;
		none) sql plain -v rows="$(acknowledged none)" -f bench/sql/limits_check.sql >/dev/null ;;
		bare|rows|rows7|advisory|slots)
			n=$(sql plain -c "SELECT count(*) FROM bare.usage_record")
			[ "$n" = "$(acknowledged bare rows rows7 advisory slots)" ] || die "$1: $(acknowledged bare rows rows7 advisory slots) rows acknowledged, $n in the table"
			n=$(sql plain -c "SELECT count(*) FROM (SELECT FROM counter GROUP BY id / 6 HAVING min(used) <> max(used)) AS k")
			[ "$n" = 0 ] || die "$1: the six counters of a key differ"
			;;
	esac
}

pgbench_cell() {	# CELL KEYS SYNC CLIENTS ROWS VARIANT...
	local cell=$1 keys=$2 sync=$3 clients=$4 n=$5 round variant transactions options
	shift 5
	databases
	: >"$BENCH_DIR/acknowledged"
	for variant in "$@"; do script "$variant" "$keys" "$n"; done
	for round in $(seq 0 "$rounds"); do
		for variant in $(rotate "$round" "$@"); do
			# counter rows are locked in the order of their index, or two statements wait for each other
			options="-c synchronous_commit=$sync"
			case $variant in rows|rows7|advisory|slots) options="$options -c enable_seqscan=off -c enable_bitmapscan=off -c jit=off" ;; esac
			PGOPTIONS=$options \
				"$PG_BIN/pgbench" -n -M prepared -c "$clients" -j 2 -T $((seconds + 1)) -P 1 \
				-f "$BENCH_DIR/script-$variant.sql" "$(db_of "$variant")" >"$BENCH_DIR/pgbench.log" 2>&1 || {
				tail -n 20 "$BENCH_DIR/pgbench.log" >&2; die "$cell, $variant: pgbench failed"; }
			transactions=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$BENCH_DIR/pgbench.log")
			echo "$variant $((transactions * n))" >>"$BENCH_DIR/acknowledged"
			note "$cell" "$round" "$variant" \
				"$(awk -v n="$n" '/^progress:/ && $2 > 1.5 { sum += $4; m++ } END { print m ? n * sum / m : 0 }' "$BENCH_DIR/pgbench.log")"
			check "$variant"
		done
	done
	sql limited -f bench/sql/verify.sql >/dev/null
	sql plain -f bench/sql/verify.sql >/dev/null
}

# One session a round and variant, its caches warmed by a first file; then three.
copy_cell() {
	local round variant table rate
	databases
	: >"$BENCH_DIR/acknowledged"
	sql plain -v rows=20000 -f bench/sql/copy_data.sql >/dev/null
	columns=$(sql plain -c "SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_catalog.pg_attribute WHERE attrelid = 'copy_data'::regclass AND attnum > 0")
	sql plain -c "\\copy copy_data TO '$BENCH_DIR/limits-copy.txt'" -c "DROP TABLE copy_data, copy_stored"
	for round in $(seq 0 "$rounds"); do
		for variant in $(rotate "$round" bare none six); do
			table=aiusage.usage_record
			[ "$variant" != bare ] || table=bare.usage_record
			sql "$(db_of $variant)" -c "\\copy $table ($columns) FROM '$BENCH_DIR/limits-copy.txt'" -c '\timing on' \
				-c "\\copy $table ($columns) FROM '$BENCH_DIR/limits-copy.txt'" \
				-c "\\copy $table ($columns) FROM '$BENCH_DIR/limits-copy.txt'" \
				-c "\\copy $table ($columns) FROM '$BENCH_DIR/limits-copy.txt'" >"$BENCH_DIR/copy.out"
			echo "$variant 80000" >>"$BENCH_DIR/acknowledged"
			note copy "$round" "$variant" "$(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$BENCH_DIR/copy.out" | awk '{ t += $1; n++ } END { print n * 20000 * 1000 / t }')"
			check "$variant"
		done
	done
	sql limited -f bench/sql/verify.sql >/dev/null
}

# 32 clients on one key until a limit refuses each of them: the sum is the limit
# less at most one request.  Counter rows checked in the same statement hold
# too; the same check made by reading first, as gateways do, does not.
cap_cell() {
	local cap=300
	databases
	sql limited -c "SELECT aiusage.put_quota('{\"name\": \"cap\", \"scope\": {\"api_key\": \"bench-1\"}, \"metric\": \"spend\", \"currency\": \"USD\", \"limit\": $cap, \"window\": \"total\"}')" >/dev/null
	sql plain -c "UPDATE counter SET cap = 100000000 WHERE id = 6"
	script six 1 1
	cat >"$BENCH_DIR/script-read.sql" <<-'SQL'
		\set input random(200, 8000)
		BEGIN;
		SELECT 1 / (used + :input <= cap)::int FROM counter WHERE id = 6;
		UPDATE counter SET used = used + :input WHERE id = 6;
		COMMIT;
	SQL
	"$PG_BIN/pgbench" -n -M prepared -c 32 -j 2 -t 1000000 -f "$BENCH_DIR/script-six.sql" limited >"$BENCH_DIR/pgbench.log" 2>&1 || true
	cap_sum=$(sql limited -c "SELECT trim_scale(sum(cost::numeric)) FROM aiusage.usage_record")
	cap_largest=$(sql limited -c "SELECT trim_scale(max(cost::numeric)) FROM aiusage.usage_record")
	[ "$(sql limited -c "SELECT $cap_sum <= $cap AND $cap_sum > $cap - 0.05")" = t ] || die "cap: $cap_sum of $cap booked"
	"$PG_BIN/pgbench" -n -c 32 -j 2 -t 1000000 -f "$BENCH_DIR/script-read.sql" plain >"$BENCH_DIR/pgbench.log" 2>&1 || true
	cap_read=$(sql plain -c "SELECT round(used / (cap / 100.0), 3) FROM counter WHERE id = 6")
	cap_text="32 clients on one key until all are refused: limit $cap USD, booked $cap_sum USD (largest request $cap_largest USD). Read, check, then update (read committed): $cap_read % of the limit."
}

server() { "$PG_BIN/pg_ctl" -D "$BENCH_DIR/data" -l "$BENCH_DIR/server.log" -w -m fast "$1" >/dev/null; }

# The first row after a restart, whose counters have to be read from the books.
load_cell() {
	local what n
	databases
	say "load: $load_rows rows"
	sql limited -c "INSERT INTO aiusage.usage_record (api_key, provider, model, endpoint, usage)
		SELECT 'bench-' || 1 + n % 200, 'openai', 'gpt-4o', 'chat', '{\"input_tokens\": 4740, \"output_tokens\": 255}' FROM generate_series(1, $load_rows) AS n" -c "ANALYZE aiusage.usage_record"
	n=$load_rows
	load_text=
	for what in tail folded; do
		if [ $what = folded ]; then sql limited -c "SELECT aiusage.refresh()" >/dev/null; fi
		server restart
		# three keys, six counters each; the file system's cache is warm, the server's is not
		{
			echo "SET aiusage.quota_load_timeout = '10min';"
			echo '\timing on'
			for i in 1 2 3; do
				echo "INSERT INTO aiusage.usage_record (api_key, provider, model, endpoint, usage) VALUES ('bench-$i', 'openai', 'gpt-4o', 'chat', '{\"input_tokens\": 4740}');"
			done
		} >"$BENCH_DIR/load.sql"
		sql limited -f "$BENCH_DIR/load.sql" >"$BENCH_DIR/load.out"
		n=$((n + 3))
		load_text="$load_text
| $what | $(sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$BENCH_DIR/load.out" | tail -n 3 | awk '{ printf "%s%.1f", (NR > 1 ? " | " : ""), $1 }') |"
		[ "$(sql limited -c "SELECT count(*) FROM aiusage.usage_record")" = "$n" ] || die "load: rows are missing"
		# the counters of the keys that were loaded, against plain sums
		[ "$(sql limited -c "SELECT count(*) FROM aiusage.quota_counters() AS c JOIN aiusage.quota AS q USING (quota)
			JOIN (SELECT api_key, count(*) AS n, sum(cost::numeric) AS cost FROM aiusage.usage_record GROUP BY 1) AS l
				ON c.subject = aiusage.quota_subject_id(q.quota, q.epoch, ARRAY[l.api_key])
			WHERE q.\"window\" = 'total' AND c.committed = l.cost AND c.reserved = 0")" = 3 ] || die "load: a counter is not what the ledger adds up to"
	done
	sql limited -f bench/sql/verify.sql >/dev/null
}

# Redis stores no row: this is the check alone.  appendfsync always, as durable as synchronous commit.
redis_cell() {
	local clients dir=$BENCH_DIR/redis n=40000 sha used
	command -v redis-server >/dev/null 2>&1 || { redis_text="redis-server is not installed: not measured."; return; }
	mkdir -p "$dir"
	redis-server --port 0 --unixsocket "$dir/s" --dir "$dir" --appendonly yes --appendfsync always --save '' --daemonize yes --pidfile "$dir/pid" >/dev/null
	for _ in $(seq 50); do redis-cli -s "$dir/s" ping >/dev/null 2>&1 && break; sleep 0.1; done
	sha=$(redis-cli -s "$dir/s" script load "for i = 1, 6 do if tonumber(redis.call('get', KEYS[i]) or '0') + tonumber(ARGV[1]) > 1e15 then return 0 end end
		for i = 1, 6 do redis.call('incrby', KEYS[i], ARGV[1]) end return 1")
	redis_text=
	n_all=0
	for clients in 1 8 32; do
		redis-benchmark -s "$dir/s" -c $clients -n $n --csv evalsha "$sha" 6 a b c d e f 4740 2>/dev/null >"$BENCH_DIR/redis.csv"
		n_all=$((n_all + n))
		redis_text="$redis_text$clients clients $(awk -F, 'END { gsub(/"/, "", $2); printf "%.0f", $2 }' "$BENCH_DIR/redis.csv"), "
	done
	used=$(redis-cli -s "$dir/s" get f)
	redis-cli -s "$dir/s" shutdown nosave >/dev/null 2>&1 || true
	[ "$used" = $((n_all * 4740)) ] || die "redis: $used instead of $((n_all * 4740))"
	redis_text="Redis $(redis-server --version | sed -n 's/.* v=\([0-9.]*\).*/\1/p'), six keys checked and increased by one Lua script, appendfsync always, unix socket, checks a second: ${redis_text%, }. It stores no usage row."
}

# ---------------------------------------------------------------- the run

say "limits: preparing"
sql postgres -c "CREATE DATABASE bench_template" 2>/dev/null && sql bench_template -f bench/sql/setup.sql >/dev/null
inserts="bare none six rows rows7 advisory slots"
cap_text=; load_text=; redis_text=
for cell in $cells; do
	case $cell in
		hot-*|many-*)
			IFS=- read -r keys sync clients <<<"$cell"
			[ "$keys" = hot ] && keys=1 || keys=200
			[ "$sync" = sync ] && sync=on || sync=off
			pgbench_cell "$cell" $keys $sync "$clients" 1 $inserts ;;
		batch) pgbench_cell batch 1 on 8 100 bare none six rows ;;
		admit-*) pgbench_cell "$cell" 200 on "${cell#admit-}" 1 select1 admit-memory admit-value admit-durable insert ;;
		copy) copy_cell ;;
		cap) cap_cell ;;
		load) load_cell ;;
		redis) redis_cell ;;
		*) die "unknown cell $cell" ;;
	esac
done

echo "## Limits"
echo
echo "Six limits a key (requests, tokens and spend, two windows each, one of them sliding). $rounds rounds of $seconds s a cell, order rotated;"
echo "rates are medians, ratios are taken round by round: median (min-max). Every cell was checked: rows acknowledged are there, counters in memory"
echo "are the plain sums of the ledger, nothing stays reserved, verify() is clean."
table_begun=no
for cell in $cells; do
	case $cell in
		hot-*|many-*|batch|copy)
			[ $table_begun = yes ] || {
				echo
				echo "| cell | bare/s | none/s | six/s | rows/s | rows7/s | advisory/s | slots/s | none / bare | six / bare | six / none | six / rows | six / rows7 |"
				echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
			}
			table_begun=yes
			echo "| $cell |$(for v in $inserts; do printf ' %s |' "$(value $cell $v)"; done) $(ratio $cell none bare) | $(ratio $cell six bare) | $(ratio $cell six none) | $(ratio $cell six rows) | $(ratio $cell six rows7) |" ;;
	esac
done
[ $table_begun = no ] || cat <<'MD'

hot: one key, so every row is counted in the same six counters; many: 200 keys. sync, async: synchronous_commit; then clients. batch: 100 INSERTs
in one transaction, pipelined, 8 clients, one key. copy: COPY FROM STDIN, text, slices of 20000 rows, one client, 200 keys.
bare: the ledger's table without triggers; none: booked and priced; six: and limited; rows, rows7: bare with six counter rows
in one statement, in seven; advisory: under an advisory lock of the key; slots: 64 slots a counter, which cannot refuse exactly.
MD
table_begun=no
for cell in $cells; do
	case $cell in
		admit-*)
			[ $table_begun = yes ] || {
				echo
				echo "| cell | SELECT 1/s | admit(), memory/s | the same as one value/s | admit(), durable/s | INSERT, six limits/s | memory / SELECT 1 | as one value / SELECT 1 | durable / INSERT |"
				echo "|---|---|---|---|---|---|---|---|---|"
			}
			table_begun=yes
			echo "| $cell |$(for v in select1 admit-memory admit-value admit-durable insert; do printf ' %s |' "$(value $cell $v)"; done) $(ratio $cell admit-memory select1) | $(ratio $cell admit-value select1) | $(ratio $cell admit-durable insert) |" ;;
	esac
done
[ $table_begun = no ] || printf '\n%s\n' "admit(): prices the worst case, asks six limits, takes a hold with a ttl of 0.1 s; prepared statements, synchronous commit, 200 keys."
[ -z "$cap_text" ] || { echo; echo "$cap_text"; }
[ -z "$load_text" ] || {
	echo
	echo "Loading after a restart: the first row of each of three keys (six counters each) on a ledger of $load_rows rows, in ms:"
	echo
	echo "| rows are | first key | second | third |"
	echo "|---|---|---|---|$load_text"
}
[ -z "$redis_text" ] || { echo; echo "$redis_text"; }
