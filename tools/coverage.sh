#!/bin/bash
# Which lines of C the tests run:
#
#     bash tools/coverage.sh                    regression and isolation tests, and the TAP tests that are quick
#     bash tools/coverage.sh regress            only the regression tests
#     bash tools/coverage.sh --lines src/quota  and print the lines of these files that nothing runs
#
# Works in a copy of the tree with a copy of PostgreSQL: nothing is installed.
# Prints lines and lines run for each file and area, and the total; exit code 1
# when the total is below AIUSAGE_COVERAGE_MIN percent (default 90).
# Lines of a process that is killed are not counted.  AIUSAGE_KEEP=1 keeps the directory.
set -eu
cd "$(dirname "$0")/.."
source_dir=$PWD
. tools/lib.sh

# TAP tests of what pg_regress cannot reach: restart, crash, replication, clock, standby
tap="t/041_crash.pl t/042_no_preload.pl t/043_replicated_config.pl t/070_hostile.pl t/080_limits_crash.pl t/085_holds.pl t/088_clock.pl"
suites= lines=
while [ $# -gt 0 ]; do
	case $1 in
		--lines) lines=${2:-src}; shift ;;
		regress|isolation|tap) suites="$suites $1" ;;
		t/*.pl) suites="$suites tap"; tap=$1 ;;
		*) die "unknown argument $1" ;;
	esac
	shift
done
suites=${suites:-regress isolation tap}
command -v gcov >/dev/null 2>&1 || die "gcov is missing: as root, apt-get install gcc"

tmp=$(make_tmp)
chmod 755 "$tmp"
finish() { if [ "${AIUSAGE_KEEP:-0}" != 0 ]; then say "kept: $tmp"; else rm -rf "$tmp"; fi; }
trap finish EXIT
trap 'exit 130' INT TERM HUP
started=$SECONDS

private_postgres "$tmp/pg"
copy=$tmp/aiusage
copy_tree "$source_dir" "$copy"
as_user make -s -j 2 -C "$copy" with_llvm=no COPT="-O0 --coverage -Wno-cpp" install >"$tmp/build.log" 2>&1 ||
	{ tail -n 40 "$tmp/build.log"; die "it does not build"; }

rc=0
suite() {
	local name=$1
	shift
	as_user make -s -C "$copy" with_llvm=no installcheck "$@" >"$tmp/$name.log" 2>&1 </dev/null ||
		{ rc=1; grep -E '\.\.\. (FAILED|failed)|^not ok|Failed' "$tmp/$name.log" || tail -n 20 "$tmp/$name.log"; }
	say "$name: done ($((SECONDS - started)) s)"
}
for name in $suites; do
	case $name in
		regress) suite regress ISOLATION= TAP_TESTS= ;;
		isolation) suite isolation REGRESS= TAP_TESTS= ;;
		tap) suite tap REGRESS= ISOLATION= PROVE_TESTS="$tap" PROVE_FLAGS="-j 2" ;;
	esac
done

cd "$copy"
for object in aiusage.o src/*/*.o; do
	source=${object%.o}.c
	gcov -r -p -o "$(dirname "$object")" "$source"
done >"$tmp/gcov.log" 2>/dev/null
total=$(awk -F"'" '
	/^File / { file = $2 }
	# only data: the line after is the sum of what its headers have
	/^No executable lines/ { file = "" }
	/^Lines executed:/ && file ~ /(src\/|aiusage\.c)/ {
		split($0, part, /[:% ]+/); percent = part[3]; n = $NF; sub(/.* of /, "", n)
		# a header is counted by each file that includes it: the first one will do for files, not for headers
		if (file ~ /\.c$/ && !(file in seen)) {
			seen[file] = 1; run = int(percent * n / 100 + 0.5)
			area = file; sub(/^.*src\//, "", area); sub(/\/.*/, "", area)
			printf "%s %d %d\n", file, n, run
		}
		file = ""
	}' "$tmp/gcov.log" | sort | tee "$tmp/table" | awk '{ n += $2; run += $3 } END { printf "%d %d %.1f", n, run, n ? 100 * run / n : 0 }')
printf '\n%-40s %7s %7s %7s\n' file lines run percent
awk '{ printf "%-40s %7d %7d %6.1f%%\n", $1, $2, $3, $2 ? 100 * $3 / $2 : 100 }' "$tmp/table"
printf '\n%-40s %7s %7s %7s\n' area lines run percent
awk '{ area = $1; sub(/^src\//, "", area); sub(/\/.*/, "", area); n[area] += $2; run[area] += $3 }
	END { for (area in n) printf "%-40s %7d %7d %6.1f%%\n", area, n[area], run[area], 100 * run[area] / n[area] }' "$tmp/table" | sort
set -- $total
printf '%-40s %7d %7d %6.1f%%\n' total "$1" "$2" "$3"

if [ -n "$lines" ]; then
	for report in "$copy"/*.gcov; do
		name=$(sed -n 's/^ *-: *0:Source://p' "$report")
		case $name in
			"$lines"*) grep -E '^ *#####:' "$report" | sed "s|^ *#####: *|$name:|" || true ;;
		esac
	done
fi
awk "BEGIN { exit !($3 >= ${AIUSAGE_COVERAGE_MIN:-90}) }" || { say "below ${AIUSAGE_COVERAGE_MIN:-90} %"; rc=1; }
exit $rc
