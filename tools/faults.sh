#!/bin/bash
# The fault tests, and a table of what was done and what came of it.
# tools/test.sh faults calls this with a directory of its own, in whose copy of
# the tree the extension is built and installed:
#
#     bash tools/faults.sh DIRECTORY
#
# Tests of faults are t/*_fault.pl; those of the default suite that are about
# faults run too.  The table is DIRECTORY/faults.md.  As root (or with sudo)
# there are small file systems to be filled; else those are skipped.
# AIUSAGE_FAULT_TESTS chooses tests.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh
tmp=$1
copy=$PWD
tests=${AIUSAGE_FAULT_TESTS:-t/*_fault.pl t/030_fold_load.pl t/034_retention.pl t/041_crash.pl t/080_limits_crash.pl t/085_holds.pl t/086_limits_stress.pl t/087_replicated_ledger.pl}

# Each test that fills a disk has one of its own.
small=$tmp/small
unmount() { as_root umount "$tmp/small/tables" "$tmp/small/wal" 2>/dev/null || true; }
trap unmount EXIT
as_user mkdir -p "$small/tables" "$small/wal"
for disk in tables wal; do
	if ! as_root mount -t tmpfs -o "size=96m,mode=0700,uid=$(id -u "$(cluster_user)")" tmpfs "$tmp/small/$disk" 2>/dev/null; then
		say "no small file system can be mounted: a full disk is not tested"
		small=
		break
	fi
done
rows=$tmp/faults.tsv
as_user sh -c ": >'$rows'"

failed=0
# shellcheck disable=SC2086
as_user env AIUSAGE_FAULT_TABLE="$rows" AIUSAGE_FAULT_SMALL="$small" PATH="$PATH:/usr/sbin" \
	make -s -C "$copy" PG_CONFIG="$PG_CONFIG" with_llvm=no installcheck REGRESS= ISOLATION= PROVE_TESTS="$(echo $tests)" \
	PROVE_FLAGS="-j 2 --timer" >"$tmp/faults.log" 2>&1 </dev/null || failed=1
[ $failed = 0 ] || tail -n 150 "$tmp/faults.log" | sed 's/^/    /'

# One line a fault and phase; then one a test of the default suite.
{
	echo '| fault | phase | times | acknowledged | lost | violations | verify() |'
	echo '|---|---|---|---|---|---|---|'
	awk -F '\t' -v OFS=' | ' '
		{ k = $1 FS $2; if (!(k in times)) order[++n] = k; times[k] += $3; acked[k] += $4; lost[k] += $5; wrong[k] += $6; bad[k] += $7 }
		END { for (i = 1; i <= n; i++) { k = order[i]; split(k, f, FS)
			print "| " f[1], f[2], times[k], acked[k], lost[k], wrong[k], (bad[k] ? bad[k] " checks bad" : "clean") " |" } }' "$rows" | sort -s -t '|' -k 2,2
	for test in $tests; do
		case $test in *_fault.pl) continue ;; esac
		log=$copy/tmp_check/log/regress_log_$(basename "$test" .pl)
		bad=$(grep -cE '^(\[[^ ]* )?not ok' "$log" || true)
		# what it says of itself, up to the first stop
		what=$(awk '!/^#/ { exit } { sub(/^# */, ""); printf "%s ", $0 }' "$test" | sed 's/[:.;] .*//')
		echo "| $test | $what | $(grep -cE '^(\[[^ ]* )?ok ' "$log" || true) tests | | | $bad | |"
	done
} >"$tmp/faults.md"
cat "$tmp/faults.md"
exit $failed
