#!/bin/bash
# Every test of the project, on a bare Debian machine, as root or as a user
# with sudo:
#
#     bash tools/test.sh              everything
#     bash tools/test.sh regress tap  only these: lint build regress isolation tap differential demo versions upgrade soak faults
#
# Works on a copy of the tree in a temporary directory (initdb refuses root,
# so root's tests run as user postgres there).  Every suite runs, also when
# another one has failed.  AIUSAGE_KEEP=1 keeps the directory.
set -eu
cd "$(dirname "$0")/.."
source_dir=$PWD

suites=${*:-lint regress isolation tap differential demo versions}
case " $suites " in
	*" differential "*) sh tools/setup.sh --tests ;;
	*) sh tools/setup.sh --tests --no-node ;;
esac
case " $suites " in
	*" faults "*) sh tools/setup.sh --faults ;;
esac
. tools/lib.sh

tmp=$(make_tmp)
chmod 755 "$tmp"
logs=$tmp/logs
as_user mkdir "$logs"
copy=$tmp/aiusage
passed=0
failed=0
skipped=0
started=$SECONDS

finish() {
	if [ "${AIUSAGE_KEEP:-0}" != 0 ]; then
		say "kept: $tmp"
	else
		rm -rf "$tmp"
	fi
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

wants() { case " $suites " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# count PASSED FAILED NAME: one suite's result
count() {
	passed=$((passed + $1))
	failed=$((failed + $2))
	say "$3: $1 passed, $2 failed ($((SECONDS - suite_started)) s)"
}

# run NAME COMMAND...: its output goes to a log; returns its exit code
run() {
	suite_started=$SECONDS
	local log=$logs/$1.log
	shift
	"$@" >"$log" 2>&1 </dev/null
}

# one NAME COMMAND...: a command that is one test
one() {
	local name=$1 rc=0
	run "$@" || rc=$?
	if [ $rc = 0 ]; then
		count 1 0 "$name"
	else
		sed 's/^/    /' "$logs/$name.log" | tail -n 60
		count 0 1 "$name"
	fi
	return $rc
}

# The two suites of pg_regress.
regress_suite() {
	local name=$1 ok bad rc=0
	shift
	run "$name" as_user make -s -C "$copy" PG_CONFIG="$PG_CONFIG" with_llvm=no installcheck "$@" || rc=$?
	# "test name ... ok" up to PostgreSQL 15, "ok 1 - name" since
	ok=$(grep -cE '\.\.\. ok |^ok [0-9]' "$logs/$name.log") || true
	bad=$(grep -cE '\.\.\. (FAILED|failed)|^not ok [0-9]' "$logs/$name.log") || true
	if [ $rc != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
	if [ "$bad" != 0 ]; then
		grep -vE '\.\.\. ok |^ok [0-9]' "$logs/$name.log" | tail -n 30 | sed 's/^/    /'
		for diffs in "$copy/regression.diffs" "$copy/output_iso/regression.diffs"; do
			if [ -s "$diffs" ]; then head -n 200 "$diffs" | sed 's/^/    /'; fi
		done
		for server_log in "$copy"/tmp_check_*/log/postmaster.log; do
			if [ -s "$server_log" ]; then
				grep -E 'PANIC|FATAL|terminated by signal' "$server_log" | head -n 10 | sed 's/^/    /' || true
			fi
		done
	fi
	rm -f "$copy/regression.diffs" "$copy/output_iso/regression.diffs"
	count "$ok" "$bad" "$name"
}

tap_suite() {
	local ok bad rc=0
	run tap as_user make -s -C "$copy" PG_CONFIG="$PG_CONFIG" with_llvm=no installcheck REGRESS= ISOLATION= \
		PROVE_FLAGS="-j 3 --timer" || rc=$?
	ok=$(grep -cE '^(\[[0-9:]+\] )?t/.* ok( |$)' "$logs/tap.log") || true
	bad=$(grep -cE '^t/.*\(Wstat|^(\[[0-9:]+\] )?t/.*(No subtests run|skipped: \(no)' "$logs/tap.log") || true
	if [ $rc != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
	if [ "$bad" != 0 ]; then
		tail -n 150 "$logs/tap.log" | sed 's/^/    /'
		for log in "$copy"/tmp_check/log/regress_log_*; do
			if [ -e "$log" ] && grep -qE '^not ok|died|^# +Failed' "$log"; then
				say "    --- $(basename "$log")"
				tail -n 40 "$log" | sed 's/^/    /'
			fi
		done
	fi
	grep -E '^(\[[0-9:]+\] )?t/.* ok( |$)' "$logs/tap.log" | sed 's/^/    /' || true
	count "$ok" "$bad" tap
}

# The random tests, for longer and from new seeds, which are printed.
soak_suite() {
	local test rc ok=0 bad=0
	suite_started=$SECONDS
	for test in 032_rollup_property 010_types_fuzz 011_exact 013_extract_fuzz 020_pricing_property 033_import_fuzz 044_reprice 045_statements \
		082_quota_model 083_limits_decisions 086_limits_stress 087_limits_load; do
		rc=0
		as_user env AIUSAGE_SEED="${AIUSAGE_SEED:-random}" AIUSAGE_PROPERTY_SECONDS="${AIUSAGE_SOAK_SECONDS:-600}" \
			AIUSAGE_FUZZ_TEXT=100000 AIUSAGE_FUZZ_BINARY=30000 AIUSAGE_EXACT_CASES=100000 AIUSAGE_FUZZ_BODIES=600 AIUSAGE_PRICE_CASES=1000000 \
			AIUSAGE_FUZZ_IMPORT=2000 AIUSAGE_STEPS=400 AIUSAGE_MODEL_STEPS=$([ $test = 082_quota_model ] && echo 200 || echo 6000) \
			AIUSAGE_STRESS_ROUNDS=12 \
			make -s -C "$copy" PG_CONFIG="$PG_CONFIG" with_llvm=no installcheck REGRESS= ISOLATION= PROVE_TESTS="t/$test.pl" PROVE_FLAGS=--timer \
			>"$logs/$test.log" 2>&1 </dev/null || rc=$?
		grep -E 'AIUSAGE_SEED=|^# .*(seed|compared) ' "$logs/$test.log" | sed 's/^/    /' || true
		if [ $rc = 0 ]; then
			ok=$((ok + 1))
		else
			bad=$((bad + 1))
			tail -n 60 "$logs/$test.log" | sed 's/^/    /'
		fi
	done
	count $ok $bad soak
}

# tools/versions.sh on a newer PostgreSQL: what it ran is counted with ours.
versions_suite() {
	local name=$1 rc=0 ok bad log=$logs/$1.log
	shift
	run "$name" bash "$source_dir/tools/versions.sh" "$@" || rc=$?
	if [ $rc = 77 ]; then
		skipped=$((skipped + 1))
		say "$name: PostgreSQL 17 was not tested: $(grep -E '^skipped: ' "$log" | tail -n 1 | sed 's/^skipped: //')"
		return 0
	fi
	ok=$(sed -n 's/^\([0-9]*\) passed, [0-9]* failed.*/\1/p' "$log" | tail -n 1)
	bad=$(sed -n 's/^[0-9]* passed, \([0-9]*\) failed.*/\1/p' "$log" | tail -n 1)
	if [ $rc != 0 ] && [ "${bad:-0}" = 0 ]; then bad=1; fi
	if [ "${bad:-0}" != 0 ]; then tail -n 200 "$log" | sed 's/^/    /'; fi
	sed -n '/^== PostgreSQL versions/,$p' "$log" | sed '1d; s/^/    /'
	count "${ok:-0}" "${bad:-0}" "$name"
}

if wants lint; then
	step "lint"
	one layers perl tools/check_layers.pl || true
	one sql perl tools/check_sql.pl || true
	one meta perl tools/check_meta.pl || true
	one errors perl tools/check_errors.pl || true
	# a tool that cannot be had is no failure of ours
	command -v cppcheck >/dev/null 2>&1 || sh tools/setup.sh --lint >/dev/null 2>&1 || true
	if command -v cppcheck >/dev/null 2>&1; then
		one cppcheck bash tools/lint_c.sh || true
	else
		skipped=$((skipped + 1))
		say "cppcheck: skipped, for it is not installed and could not be"
	fi
fi

step "build and install (with -Werror)"
copy_tree "$source_dir" "$copy"
# A test without an expected answer fails, and does not keep the others from running.
for test in "$copy"/sql/*.sql "$copy"/specs/*.spec; do
	answer=$copy/expected/$(basename "$test" | sed 's/\.[a-z]*$//').out
	[ -e "$answer" ] || as_user touch "$answer"
done
one build as_user make -s -j 2 -C "$copy" PG_CONFIG="$PG_CONFIG" with_llvm=no COPT=-Werror ||
	{ say "$passed passed, $failed failed"; exit 1; }
one install install_with make -s -C "$copy" PG_CONFIG="$PG_CONFIG" with_llvm=no COPT=-Werror install ||
	{ say "$passed passed, $failed failed"; exit 1; }

if wants regress; then
	step "regression tests"
	regress_suite regress ISOLATION= TAP_TESTS=
fi
if wants isolation; then
	step "isolation tests"
	regress_suite isolation REGRESS= TAP_TESTS=
fi
if wants tap; then
	step "TAP tests"
	tap_suite
fi
# not by default: half an hour
if wants soak; then
	step "random tests from new seeds"
	soak_suite
fi
if wants differential && [ -e "$copy/tools/differential.sh" ]; then
	step "differential pricing test"
	one differential as_user bash "$copy/tools/differential.sh" || true
	grep -E 'compared [0-9]+, equal' "$logs/differential.log" | sed 's/^/    /' || true
	step "differential test of extract_usage()"
	# real bodies, where they lie beside the checkout
	sample=$source_dir/../shared/data/provider_bodies_sample.json
	if [ -e "$sample" ]; then
		cp "$sample" "$tmp/sample.json"
		chmod 644 "$tmp/sample.json"
	fi
	one extract as_user bash "$copy/tools/extract.sh" $([ ! -e "$tmp/sample.json" ] || echo "$tmp/sample.json") || true
	tail -n 2 "$logs/extract.log" | sed 's/^/    /'
fi
if wants demo; then
	step "demo"
	one demo env AIUSAGE_INSTALLED=1 bash "$copy/tools/demo.sh" || true
fi
if wants versions; then
	step "PostgreSQL 17"
	versions_suite versions 17 -- regress
fi
# not by default: everything together must take less than 15 minutes
if wants upgrade; then
	step "PostgreSQL 15 to 17: dump and restore, pg_upgrade"
	versions_suite upgrade --upgrade 17
fi
if wants faults; then
	step "faults"
	suite_started=$SECONDS
	rc=0
	bash "$copy/tools/faults.sh" "$tmp" || rc=$?
	count "$(sed 1,2d "$tmp/faults.md" | wc -l)" "$rc" faults
fi

say ""
say "all suites: $((SECONDS - started)) s"
if [ $skipped = 0 ]; then
	say "$passed passed, $failed failed"
else
	say "$passed passed, $failed failed, $skipped skipped"
fi
[ "$failed" = 0 ]
