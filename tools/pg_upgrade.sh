#!/bin/bash
# Books with data go from an older PostgreSQL to this one, by pg_upgrade and by
# dump and restore: every figure stays, verify() is clean, booking and folding go on.
#
#     bash tools/pg_upgrade.sh OLD_BINDIR
#
# PG_CONFIG is the newer PostgreSQL.  aiusage is built and installed for it; for
# the older one it has to be installed already.  `bash tools/versions.sh --upgrade 17`
# runs this in the newer one's chroot, with the older one of this machine.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

old_bin=${1:?the directory of the older PostgreSQL\'s programs}
new_bin=$(pg_bin)
tmp=$(make_tmp)
chmod 755 "$tmp"
cleanup() {
	for cluster in old new; do
		if [ -e "$tmp/$cluster/data/postmaster.pid" ]; then as_user "$new_bin/pg_ctl" -D "$tmp/$cluster/data" -m immediate stop >/dev/null 2>&1 || true; fi
	done
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
passed=0
failed=0

# check NAME IS SHOULD
check() {
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
		say "ok - $1"
	else
		failed=$((failed + 1))
		printf 'not ok - %s\n  is:     %s\n  should: %s\n' "$1" "$2" "$3"
	fi
}

step "aiusage for $("$PG_CONFIG" --version)"
copy_tree "$PWD" "$tmp/aiusage"
as_user make -s -j 2 -C "$tmp/aiusage" PG_CONFIG="$PG_CONFIG" with_llvm=no COPT=-Werror
install_with make -s -C "$tmp/aiusage" PG_CONFIG="$PG_CONFIG" with_llvm=no COPT=-Werror install

# cluster NAME BINDIR: initdb; both as pg_upgrade wants them alike
cluster() {
	as_user mkdir -p "$tmp/$1"
	as_user "$2/initdb" -D "$tmp/$1/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -k --no-sync >"$tmp/initdb.log" 2>&1 ||
		{ cat "$tmp/initdb.log" >&2; die "initdb of $2 failed"; }
	printf "%s\n" "listen_addresses = ''" "unix_socket_directories = '$tmp/$1'" "timezone = 'UTC'" "fsync = off" \
		"shared_preload_libraries = 'aiusage'" "jit = off" | as_user tee -a "$tmp/$1/data/postgresql.conf" >/dev/null
}
start() {
	as_user "$2/pg_ctl" -D "$tmp/$1/data" -l "$tmp/$1/log" -w start >/dev/null ||
		{ tail -n 30 "$tmp/$1/log" >&2; die "$2 did not start"; }
}
stop() { as_user "$2/pg_ctl" -D "$tmp/$1/data" -w stop >/dev/null; }
sql() { as_user "$new_bin/psql" -X -q -t -A -v ON_ERROR_STOP=1 -h "$tmp/$1" -U postgres -d "$2" -c "$3"; }

step "books in $("$old_bin/postgres" --version)"
cluster old "$old_bin"
start old "$old_bin"
as_user "$new_bin/createdb" -h "$tmp/old" -U postgres books
as_user "$new_bin/psql" -X -q -t -A -h "$tmp/old" -U postgres -d books -f "$tmp/aiusage/tools/freeze/books.sql" >"$tmp/books.log" 2>&1 ||
	{ cat "$tmp/books.log" >&2; die "tools/freeze/books.sql failed"; }
figures="SELECT 'ledger', count(*), md5(string_agg(l::text, E'\n' ORDER BY l.id)) FROM aiusage.usage_record AS l
	UNION ALL SELECT 'statements', count(*), md5(string_agg(s::text, E'\n' ORDER BY s.statement)) FROM aiusage.statements AS s
	UNION ALL SELECT 'teams', count(*), md5(string_agg(concat_ws('|', day, team, requests, cost, currency, unpriced), E'\n' ORDER BY day, team, currency)) FROM aiusage.team_usage
	UNION ALL SELECT 'periods', count(*), md5(string_agg(concat_ws('|', period, team, cost_center, requests, cost), E'\n' ORDER BY period, team, cost_center)) FROM aiusage.invoice_period_usage
	UNION ALL SELECT 'limits', count(*), md5(string_agg(concat_ws('|', name, subject, used, \"limit\"), E'\n' ORDER BY name, subject)) FROM aiusage.quota_state WHERE name = 'tokens of a user'
	UNION ALL SELECT 'wallet', count(*), md5(string_agg(concat_ws('|', name, recharged, spent, balance), E'\n' ORDER BY name)) FROM aiusage.wallet_balance"
before=$(sql old books "$figures")
say "$before"

# books_of CLUSTER DATABASE HOW: they are what they were, and live
books_of() {
	check "$3: every figure" "$(sql "$1" "$2" "$figures")" "$before"
	check "$3: init() has nothing to do" "$(sql "$1" "$2" "SELECT count(*) FROM aiusage.init() WHERE action IN ('created', 'applied', 'replaced')")" 0
	sql "$1" "$2" "SELECT FROM aiusage.refresh()" >/dev/null
	check "$3: verify() is clean" "$(sql "$1" "$2" "SELECT check_name, detail FROM aiusage.verify() WHERE NOT ok")" ""
	sql "$1" "$2" "SET ROLE frozen_gateway; INSERT INTO aiusage.usage_record (request_id, api_key, provider, model, usage)
		VALUES ('after', 'desk', 'openai', 'gpt-4o', '{\"input_tokens\": 1000}')"
	check "$3: a row is seen before the fold" "$(sql "$1" "$2" "SELECT requests, trim_scale(cost) FROM aiusage.team_usage WHERE team = 'search' AND day = (SELECT max(day) FROM aiusage.team_usage)")" "1|0.00225"
	check "$3: and folded" "$(sql "$1" "$2" "SELECT aiusage.refresh()")" 1
	check "$3: verify() is clean after it" "$(sql "$1" "$2" "SELECT check_name, detail FROM aiusage.verify() WHERE NOT ok")" ""
	check "$3: no check of status() is an error" "$(sql "$1" "$2" "SELECT check_name, meaning FROM aiusage.status() WHERE severity = 'error'")" ""
}

step "dump and restore"
cluster new "$new_bin"
start new "$new_bin"
as_user "$new_bin/pg_dumpall" -h "$tmp/old" -U postgres --roles-only | grep -v '^CREATE ROLE postgres;' >"$tmp/roles.sql"
as_user "$new_bin/pg_dump" -h "$tmp/old" -U postgres -Fc -f "$tmp/old/books.dump" books
as_user "$new_bin/psql" -X -q -h "$tmp/new" -U postgres -d postgres -f "$tmp/roles.sql" >/dev/null
as_user "$new_bin/createdb" -h "$tmp/new" -U postgres books
as_user "$new_bin/pg_restore" -h "$tmp/new" -U postgres -d books --exit-on-error "$tmp/old/books.dump"
books_of new books restored
stop new "$new_bin"

step "pg_upgrade"
stop old "$old_bin"
as_user rm -rf "$tmp/new/data"
cluster new "$new_bin"
(cd "$tmp/new" && as_user "$new_bin/pg_upgrade" -U postgres -b "$old_bin" -B "$new_bin" -d "$tmp/old/data" -D "$tmp/new/data" -s "$tmp/new" >"$tmp/pg_upgrade.log" 2>&1) ||
	{ cat "$tmp/pg_upgrade.log" >&2; find "$tmp/new/data/pg_upgrade_output.d" -name '*.log' -exec tail -n 20 {} + >&2; die "pg_upgrade failed"; }
start new "$new_bin"
books_of new books upgraded
stop new "$new_bin"

say ""
say "$passed passed, $failed failed"
[ "$failed" = 0 ]
