#!/bin/bash
# Static analysis of the C code, beside the build's -Wall -Wextra -Werror:
#
#     bash tools/lint_c.sh           cppcheck (seconds; a part of tools/test.sh's lint)
#     bash tools/lint_c.sh --tidy    and clang-tidy with the checks of .clang-tidy (a minute or two)
#     bash tools/lint_c.sh --tidy src/types/exact.c ...
#
# Any finding is a failure.  What is switched off is in tools/cppcheck.supp and
# .clang-tidy, each with its reason; at one place, by a comment there.
# Exit code 77: the tool is not installed.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

tidy=no
if [ "${1:-}" = --tidy ]; then tidy=yes; shift; fi
files=${*:-aiusage.c $(ls src/*/*.c)}
rc=0

command -v cppcheck >/dev/null 2>&1 || { say "skipped: cppcheck is not installed (sh tools/setup.sh --tests does that)"; exit 77; }
cppcheck -j 2 --quiet --std=c11 --enable=warning,performance,portability,style --inline-suppr --suppressions-list=tools/cppcheck.supp \
	--error-exitcode=1 -I src -D AIUSAGE_VERSION='"0"' $files || rc=1
[ $rc != 0 ] || say "cppcheck: clean"

if [ $tidy = yes ]; then
	command -v clang-tidy >/dev/null 2>&1 || { say "skipped: clang-tidy is not installed (as root, apt-get install clang-tidy)"; exit 77; }
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	# what Assert() says is known to hold
	export includes="-I src -I $("$PG_CONFIG" --includedir-server)"
	if printf '%s\n' $files | xargs -P 2 -n 8 sh -c 'clang-tidy --quiet "$@" -- -std=gnu11 $includes -D_GNU_SOURCE -DUSE_ASSERT_CHECKING=1 -DAIUSAGE_VERSION=\"0\"' sh >"$log" 2>&1; then
		say "clang-tidy: clean"
	else
		grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header-filter' "$log" || true
		rc=1
	fi
fi
exit $rc
