#!/bin/bash
# Coverage-guided fuzzing (libFuzzer) of what reads hostile bytes: the types'
# text and binary input, and the readers of provider bodies and streams.
#
#     bash tools/fuzz.sh                      every target, 60 seconds each
#     bash tools/fuzz.sh 300                  300 seconds each
#     bash tools/fuzz.sh 300 usage_in extract only these
#
# Needs clang and its runtime (Debian: clang, libclang-rt-14-dev).  The
# extension is built with AddressSanitizer, UBSan and coverage in a copy, and
# each target runs in a single-user server of a copy of PostgreSQL; see
# tools/fuzz/fuzz.c.  Prints executions and what was found; exit code 1 when
# anything was.  AIUSAGE_FUZZ_CORPUS=DIR keeps the corpora between runs.
set -eu
cd "$(dirname "$0")/.."
source_dir=$PWD
. tools/lib.sh

seconds=60
case ${1:-} in
	''|*[!0-9]*) ;;
	*) seconds=$1; shift ;;
esac
targets=${*:-usage_in amount_in unit_costs_in usage_recv amount_recv unit_costs_recv extract stream}
command -v clang >/dev/null 2>&1 || die "clang is missing: as root, apt-get install clang libclang-rt-14-dev"
runtime=$(clang -print-file-name=libclang_rt.asan-x86_64.so)
[ -e "$runtime" ] || runtime=$(clang --print-runtime-dir)/libclang_rt.asan-$(uname -m).so
runtime_dir=$(dirname "$runtime")
[ -e "$runtime_dir/libclang_rt.fuzzer_no_main-$(uname -m).a" ] || die "libFuzzer is missing: as root, apt-get install libclang-rt-14-dev"

tmp=$(make_tmp)
chmod 755 "$tmp"
finish() { if [ "${AIUSAGE_KEEP:-0}" != 0 ]; then say "kept: $tmp"; else rm -rf "$tmp"; fi; }
trap finish EXIT
trap 'exit 130' INT TERM HUP

step "build"
private_postgres "$tmp/pg"
copy=$tmp/aiusage
copy_tree "$source_dir" "$copy"
quiet="-Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-unused-command-line-argument"
{
	as_user make -s -j 2 -C "$copy" with_llvm=no CC=clang install \
		COPT="-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=function -shared-libasan $quiet"
	as_user clang -shared -o "$tmp/libfuzzer.so" -Wl,--whole-archive "$runtime_dir/libclang_rt.fuzzer_no_main-$(uname -m).a" \
		-Wl,--no-whole-archive -lstdc++ -lm -lpthread
	as_user clang -O1 -g -fPIC -shared -fwrapv -I "$("$PG_CONFIG" --includedir-server)" $quiet \
		-o "$("$PG_CONFIG" --pkglibdir)/aiusage_fuzz.so" "$copy/tools/fuzz/fuzz.c"
} >"$tmp/build.log" 2>&1 || { tail -n 40 "$tmp/build.log"; die "it does not build"; }

echo "fsync = off" | cluster_init "$tmp"
# libFuzzer comes first: the sanitizer has empty stand-ins for its hooks
export ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0:detect_odr_violation=0:verify_asan_link_order=0:handle_segv=0:handle_abort=0"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
as_user gcc -shared -fPIC -O1 -fno-builtin -o "$tmp/nls.so" "$copy/tools/sanitize_nls.c"
single() { as_user env LD_PRELOAD="$tmp/libfuzzer.so $runtime $tmp/nls.so" "$(pg_bin)/postgres" --single -D "$tmp/data" postgres; }
{
	echo "CREATE EXTENSION aiusage"
	echo "CREATE FUNCTION fuzz(text, text) RETURNS void LANGUAGE c AS 'aiusage_fuzz', 'fuzz'"
} | single >"$tmp/prepare.log" 2>&1
if grep -E 'ERROR|FATAL' "$tmp/prepare.log"; then die "the fuzzing server was not prepared"; fi

corpora=${AIUSAGE_FUZZ_CORPUS:-$tmp/corpora}
findings=0
total=0
step "fuzz ($seconds s a target)"
for target in $targets; do
	as_user mkdir -p "$corpora/$target"
	dictionary=
	case $target in
		*_in)
			# names of units and what else a parser compares with
			{ sed -n 's/.*"\([a-z_]\{3,60\}\)".*/"\1"/p' src/types/units.c | head -n 120
				printf '"%s"\n' '{' '}' '\":' ' USD' '{\"USD\":{' 'e-6' 'E+' '0.000001' '999999999999999999999999999999' '170141183460469231731687303715884105727'; } |
				as_user tee "$tmp/$target.dict" >/dev/null
			dictionary="-dict=$tmp/$target.dict"
			;;
	esac
	rc=0
	echo "SELECT fuzz('$target', '-max_total_time=$seconds -max_len=600 -rss_limit_mb=0 -timeout=20 -print_final_stats=1 -verbosity=1 $dictionary -artifact_prefix=$tmp/finding-$target- $corpora/$target')" |
		single >"$tmp/$target.log" 2>&1 || rc=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$tmp/$target.log")
	said=$(sed -n 's/^fuzz: //p' "$tmp/$target.log" | tail -n 1)
	edges=$(grep -oE 'cov: [0-9]+' "$tmp/$target.log" | tail -n 1)
	say "$target: ${runs:-0} executions, ${said:-no end}, ${edges:-}, $(ls "$corpora/$target" | wc -l) inputs kept"
	total=$((total + ${runs:-0}))
	if ls "$tmp/finding-$target-"* >/dev/null 2>&1 || [ -z "$runs" ] || [ -z "$said" ]; then
		findings=$((findings + 1))
		grep -vE '^#[0-9]+\s+(NEW|REDUCE|pulse|INITED|RELOAD)|^INFO' "$tmp/$target.log" | tail -n 60
		for file in "$tmp/finding-$target-"*; do
			if [ -e "$file" ]; then say "input: $(od -An -c "$file" | head -n 40)"; fi
		done
	fi
done
say "$total executions, $findings findings"
[ $findings = 0 ]
