#!/bin/bash
# The regression and isolation tests with a library that checks itself:
#
#     bash tools/sanitize.sh                        all of them, under AddressSanitizer and UBSan
#     bash tools/sanitize.sh asan types_usage ...   only these tests of sql/ and specs/
#     bash tools/sanitize.sh valgrind               a chosen few, under valgrind's memcheck
#     bash tools/sanitize.sh valgrind ledger_book ...
#
# Works in a copy of the tree with a copy of PostgreSQL: nothing is installed.
# A finding is an error that a tool reports with a function of aiusage on the
# stack, or a server process that dies.  Ends with the count; exit code 1 when
# there is any, or when a test does not answer as expected.
#
# What this cannot see with a packaged PostgreSQL: palloc() carves from large
# blocks, so reading past the end of one chunk into the next goes unnoticed.
# With PG_CONFIG of a PostgreSQL built with -DUSE_VALGRIND, valgrind sees each
# chunk; tools/fuzz.sh puts what it feeds into blocks of their own.
#
# AIUSAGE_KEEP=1 keeps the directory.
set -eu
cd "$(dirname "$0")/.."
source_dir=$PWD
. tools/lib.sh

tool=asan
case ${1:-} in
	asan|valgrind) tool=$1; shift ;;
esac
# One test of each kind of C code; the whole takes half an hour under valgrind.
if [ "$tool" = valgrind ] && [ $# = 0 ]; then
	set -- types_units types_usage types_amount types_unit_costs extract_usage extract_stream pricing_usage pricing_match \
		ledger_book ledger_ingest ledger_corrections quota_usage quota_windows limit_holds
fi

if [ "$tool" = valgrind ]; then
	command -v valgrind >/dev/null 2>&1 || die "valgrind is missing: as root, apt-get install valgrind"
else
	libasan=$(gcc -print-file-name=libasan.so)
	libubsan=$(gcc -print-file-name=libubsan.so)
	case $libasan$libubsan in /*/*) ;; *) die "gcc's libasan and libubsan are missing: as root, apt-get install gcc" ;; esac
	libasan=$(readlink -f "$libasan") libubsan=$(readlink -f "$libubsan")
fi

tmp=$(make_tmp)
chmod 755 "$tmp"
finish() { if [ "${AIUSAGE_KEEP:-0}" != 0 ]; then say "kept: $tmp"; else rm -rf "$tmp"; fi; }
trap finish EXIT
trap 'exit 130' INT TERM HUP
started=$SECONDS

step "build for $tool"
private_postgres "$tmp/pg"
copy=$tmp/aiusage
copy_tree "$source_dir" "$copy"
as_user mkdir "$tmp/reports"
if [ "$tool" = valgrind ]; then
	flags="-O1 -g -fno-inline"
else
	# Signed overflow is an error in our code, also where PostgreSQL's flags define it.
	flags="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-wrapv -fsanitize=signed-integer-overflow -Wno-format-truncation"
fi
as_user make -s -j 2 -C "$copy" with_llvm=no COPT="$flags" install >"$tmp/build.log" 2>&1 || { tail -n 40 "$tmp/build.log"; die "it does not build"; }

if [ "$tool" = valgrind ]; then
	wrap_postgres valgrind --quiet --trace-children=no --child-silent-after-fork=no --error-limit=no --num-callers=30 --leak-check=no \
		--track-origins=yes --suppressions="$copy/tools/valgrind.supp" --gen-suppressions=all --log-file="$tmp/reports/valgrind.%p"
	# one backend at a time is ten times slower than usual
	sed -i "s/^log_min_messages.*/log_min_messages = warning\nautovacuum = off/" "$copy/aiusage.conf"
else
	export ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=0:log_path=$tmp/reports/asan"
	export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=0:log_path=$tmp/reports/ubsan"
	as_user gcc -shared -fPIC -O1 -fno-builtin -o "$tmp/nls.so" "$copy/tools/sanitize_nls.c"
	wrap_postgres env "LD_PRELOAD=$libasan:$libubsan:$tmp/nls.so"
fi

# tests NAME DIR SUFFIX [chosen...]: those that are asked for, of this kind
chosen() {
	local dir=$1 suffix=$2 test found=
	shift 2
	for test in "$@"; do
		if [ -e "$dir/$test$suffix" ]; then found="$found $test"; fi
	done
	echo $found
}
failed=0
suite() {
	local name=$1 ok bad rc=0
	shift
	as_user make -s -C "$copy" with_llvm=no installcheck TAP_TESTS= "$@" >"$tmp/$name.log" 2>&1 </dev/null || rc=$?
	ok=$(grep -cE '\.\.\. ok |^ok [0-9]' "$tmp/$name.log") || true
	bad=$(grep -cE '\.\.\. (FAILED|failed)|^not ok [0-9]' "$tmp/$name.log") || true
	if [ $rc != 0 ] && [ "$bad" = 0 ]; then bad=1; tail -n 20 "$tmp/$name.log"; fi
	grep -E '\.\.\. (FAILED|failed)|^not ok [0-9]' "$tmp/$name.log" || true
	say "$name: $ok passed, $bad failed ($((SECONDS - started)) s)"
	failed=$((failed + bad))
}
if [ $# = 0 ]; then
	step "regression tests"
	suite regress ISOLATION=
	step "isolation tests"
	suite isolation REGRESS=
else
	for test in "$@"; do [ -e "sql/$test.sql" ] || [ -e "specs/$test.spec" ] || die "no test $test"; done
	step "chosen tests"
	regress=$(chosen sql .sql "$@")
	isolation=$(chosen specs .spec "$@")
	if [ -n "$regress" ]; then suite regress ISOLATION= REGRESS="$regress"; fi
	if [ -n "$isolation" ]; then suite isolation REGRESS= ISOLATION="$isolation"; fi
fi

step "findings"
findings=0
cat "$copy"/tmp_check_*/log/postmaster.log >"$tmp/server.log" 2>/dev/null || true
deaths=$(grep -cE 'PANIC|terminated by signal|terminated by exit code' "$tmp/server.log") || true
if [ "$deaths" != 0 ]; then
	grep -E 'PANIC|terminated by signal|terminated by exit code' "$tmp/server.log" | head -n 20
	findings=$((findings + deaths))
fi
# each report once: by its kind and the first places of ours on the stack
for report in "$tmp"/reports/*; do
	if [ -s "$report" ]; then perl tools/sanitize_report.pl "$report"; fi
done | sort | uniq -c | sort -rn >"$tmp/findings"
if [ -s "$tmp/findings" ]; then
	cat "$tmp/findings"
	if [ "$tool" = asan ]; then cat "$tmp"/reports/* | head -n 100; fi
	findings=$((findings + $(wc -l <"$tmp/findings")))
fi
say "$findings findings, $failed tests failed, $((SECONDS - started)) s"
[ $findings = 0 ] && [ $failed = 0 ]
