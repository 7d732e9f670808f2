#!/bin/bash
# The demo: installs what is missing, builds, starts a throwaway cluster on a
# unix socket, makes the books, books traffic and prints what it cost.
#
#     bash tools/demo.sh                     a small workload of its own
#     bash tools/demo.sh --trace FILE [--key K] [--provider P] [--model M] [--team T] [--cost-center C] ...
#                                            one or more request traces, each booked to its own key
#     bash tools/demo.sh --keep ...          leave the cluster running, and say how to stop it
#
# A trace is CSV with a header and the columns TIMESTAMP, ContextTokens,
# GeneratedTokens; a time without a zone is UTC.  Without more said, its key
# is the file's name, the provider azure, the model gpt-4o, the team the key,
# and the cost center cc-KEY.  The options apply to the --trace before them.
#
# No system cluster is touched; everything is gone afterwards but for the
# packages and the installed extension, unless --keep says otherwise.
set -eu
callers_dir=$PWD
cd "$(dirname "$0")/.."
source_dir=$PWD
started=$SECONDS

usage() { sed -n '2,18s/^# \{0,1\}//p' "$source_dir/tools/demo.sh"; }

keep=no
n=0
files=() keys=() providers=() models=() teams=() centers=()
while [ $# -gt 0 ]; do
	option=$1
	case $option in
		--keep) keep=yes; shift; continue ;;
		-h|--help) usage; exit 0 ;;
		--trace|--key|--provider|--model|--team|--cost-center) ;;
		*) echo "error: unknown argument $option" >&2; usage >&2; exit 2 ;;
	esac
	[ $# -ge 2 ] || { echo "error: $option needs a value" >&2; exit 2; }
	if [ "$option" = --trace ]; then
		case $2 in /*) file=$2 ;; *) file=$callers_dir/$2 ;; esac
		[ -r "$file" ] || { echo "error: cannot read $2" >&2; exit 2; }
		# What a trace is: better said before anything is installed.
		head -n 1 "$file" | tr -d '\r' | grep -qix 'TIMESTAMP,ContextTokens,GeneratedTokens' ||
			{ echo "error: $2 does not begin with the line TIMESTAMP,ContextTokens,GeneratedTokens" >&2; exit 2; }
		[ -n "$(sed -n 2p "$file" | tr -d '\r')" ] || { echo "error: $2 holds no request" >&2; exit 2; }
		n=$((n + 1))
		key=$(basename "$file" .csv | tr 'A-Z_ ' 'a-z--' | tr -cd 'a-z0-9.-')
		files[n]=$file keys[n]=${key:-trace-$n} providers[n]=azure models[n]=gpt-4o teams[n]= centers[n]=
	else
		[ $n -gt 0 ] || { echo "error: $option comes after the --trace it is about" >&2; exit 2; }
		case $option in
			--key) keys[n]=$2 ;;
			--provider) providers[n]=$2 ;;
			--model) models[n]=$2 ;;
			--team) teams[n]=$2 ;;
			--cost-center) centers[n]=$2 ;;
		esac
	fi
	shift 2
done

sh tools/setup.sh
. tools/lib.sh

dir=$(make_tmp)
finish() {
	rc=$?
	if [ "$keep" = yes ] && [ $rc = 0 ]; then return; fi
	cluster_stop "$dir" immediate
	rm -rf "$dir"
	return $rc
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# ---------------------------------------------------------------- build

if [ "${AIUSAGE_INSTALLED:-0}" = 0 ]; then
	step "building and installing aiusage ($("$PG_CONFIG" --version))"
	copy_tree "$source_dir" "$dir/aiusage"
	as_user make -s -j 2 -C "$dir/aiusage" PG_CONFIG="$PG_CONFIG" with_llvm=no >"$dir/build.log" 2>&1 ||
		{ tail -n 40 "$dir/build.log" >&2; die "the build failed"; }
	install_with make -s -C "$dir/aiusage" PG_CONFIG="$PG_CONFIG" with_llvm=no install >>"$dir/build.log" 2>&1 ||
		{ tail -n 40 "$dir/build.log" >&2; die "the installation failed"; }
fi

# ---------------------------------------------------------------- cluster

step "starting a throwaway cluster on a unix socket in $dir"
if pg_has_library pg_cron; then
	preload=aiusage,pg_cron
	cron_settings="cron.database_name = 'demo'
cron.use_background_workers = on"
else
	preload=aiusage
	cron_settings=
fi
cluster_init "$dir" <<CONF
shared_preload_libraries = '$preload'
$cron_settings
fsync = off
max_connections = 30
CONF
cluster_start "$dir"

# db ROLE ARGUMENTS: psql in the demo database, as that role
db() {
	local role=$1
	shift
	as_user "$(pg_bin)/psql" -X -q -v ON_ERROR_STOP=1 -P pager=off -h "$dir" -U "$role" -d demo "$@"
}
# script ROLE FILE ARGUMENTS: one of the SQL files here
script() {
	local role=$1 file=$2
	shift 2
	db "$role" "$@" -f - <"$source_dir/tools/demo/$file"
}

as_user "$(pg_bin)/createdb" -h "$dir" -U postgres demo
step "making the books, loading the default price catalogue"
script postgres books.sql

# ---------------------------------------------------------------- traffic

if [ $n = 0 ]; then
	step "booking the demo's own workload"
	script postgres keys.sql
	script gateway workload.sql
else
	for i in $(seq 1 $n); do
		step "booking ${files[i]##*/}: key ${keys[i]}, ${providers[i]} ${models[i]}"
		script postgres trace_key.sql -v key="${keys[i]}" -v team="${teams[i]:-${keys[i]}}" \
			-v cost_center="${centers[i]:-cc-${keys[i]}}" -v provider="${providers[i]}"
		# The books make partitions ahead of time; a trace of the past needs its own.
		span=$(tail -n +2 "${files[i]}" | tr -d '\r' | cut -d, -f1 | sort | sed -n '1p;$p')
		script postgres trace_partitions.sql -v first="$(echo "$span" | head -n 1)" -v last="$(echo "$span" | tail -n 1)"
		for pass in first again; do
			{
				cat tools/demo/trace_begin.sql
				tr -d "\r" <"${files[i]}" | sed "\$a\\"
				printf "\\\\.\\n"
				cat tools/demo/trace_book.sql
			} | db gateway -v key="${keys[i]}" -v provider="${providers[i]}" -v model="${models[i]}" -v pass=$pass -f -
		done
	done
fi

# ---------------------------------------------------------------- report

step "what it cost (as role finance)"
script finance report.sql
step "proof"
script postgres proof.sql

step "done in $((SECONDS - started)) s"
if [ "$keep" = yes ]; then
	psql=$(pg_bin)/psql
	if is_root; then psql="runuser -u postgres -- $psql"; pg_ctl="runuser -u postgres -- $(pg_bin)/pg_ctl"; else pg_ctl=$(pg_bin)/pg_ctl; fi
	if [ "$preload" != aiusage ]; then
		db postgres -o /dev/null -c 'CREATE EXTENSION pg_cron' \
			-c "SELECT cron.schedule('aiusage', '* * * * *', 'CALL aiusage.maintain()')"
		say "pg_cron calls aiusage.maintain() once a minute."
	fi
	cat <<TEXT
The cluster is running.  Connect and look further:

    $psql -h $dir -U postgres demo

    SELECT * FROM aiusage.usage_log ORDER BY occurred_at DESC LIMIT 10;
    SELECT * FROM aiusage.explain_row((SELECT id FROM aiusage.usage_log LIMIT 1));
    SELECT jsonb_pretty(aiusage.key_record(api_key)) FROM aiusage.api_key;
    SELECT * FROM aiusage.line_items;

Stop it and remove it:

    $pg_ctl -D $dir/data stop -m fast && rm -rf $dir
TEXT
else
	cat <<'TEXT'
The cluster is stopped and gone.  To keep it and look further, run the same
with --keep: it then prints how to connect, with queries to start from.
TEXT
fi
