#!/bin/bash
# Debian packages of aiusage, one a PostgreSQL version that debian/pgversions
# allows and whose server headers are installed.
#
#     bash tools/package.sh [--test] [DIRECTORY]
#
# Builds what `make dist` packs, then a copy of the tree, and leaves the packages in DIRECTORY (default:
# a new one under $TMPDIR), then looks at what is in them.  --test installs them on this machine and runs
# their own tests (debian/tests): for a machine, container or chroot that may be thrown away.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

test_them=no
if [ "${1:-}" = --test ]; then test_them=yes; shift; fi
out=${1:-$(mktemp -d "${TMPDIR:-/tmp}/aiusage-packages.XXXXXX")}
mkdir -p "$out"
out=$(cd "$out" && pwd)
tmp=$(make_tmp)
trap 'rm -rf "$tmp"' EXIT

missing=
for package in debhelper postgresql-server-dev-all libpq-dev; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
	say "installing:$missing"
	as_root env DEBIAN_FRONTEND=noninteractive sh -eu -c 'apt-get -q update; apt-get -q -y install --no-install-recommends "$@"' install $missing >"$tmp/apt.log" 2>&1 ||
		{ tail -n 30 "$tmp/apt.log" >&2; die "could not install:$missing"; }
fi

# What `make dist` packs is the commit's tree: it has to build without what lies beside it.
if [ -e .git ] && command -v git >/dev/null 2>&1; then
	step "build of what make dist packs"
	mkdir "$tmp/dist"
	git -c safe.directory="$PWD" archive HEAD | tar -x -C "$tmp/dist"
	make -s -j 2 -C "$tmp/dist" PG_CONFIG="$PG_CONFIG" with_llvm=no >"$tmp/dist.log" 2>&1 || { tail -n 40 "$tmp/dist.log" >&2; die "the release does not build"; }
fi

step "build"
copy_tree . "$tmp/aiusage"
cd "$tmp/aiusage"
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" aiusage.control)
case $(head -n 1 debian/changelog) in
	"aiusage ($version"[\)+~-]*) ;;
	*) die "debian/changelog is not of version $version: add an entry at its top" ;;
esac
pg_buildext updatecontrol
DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -d -b -us -uc >"$tmp/build.log" 2>&1 || { tail -n 60 "$tmp/build.log" >&2; die "the package did not build"; }

step "what is in it"
packages=$(ls "$tmp"/postgresql-*-aiusage_*.deb)
for package in $packages; do
	major=$(basename "$package" | sed 's/^postgresql-\([0-9]*\)-.*/\1/')
	dpkg-deb -c "$package" | awk '{ print $6 }' >"$tmp/list"
	for file in "usr/lib/postgresql/$major/lib/aiusage.so" "usr/share/postgresql/$major/extension/aiusage.control" \
		"usr/share/postgresql/$major/extension/aiusage--$version.sql" "usr/share/doc/postgresql-$major-aiusage/README.md"; do
		grep -qx "./$file\(\.gz\)\?" "$tmp/list" || die "$(basename "$package") lacks $file"
	done
	cp "$package" "$out"
	say "$out/$(basename "$package"): $(wc -l <"$tmp/list") entries"
done

[ $test_them = yes ] || exit 0
step "install and test"
as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends $packages >"$tmp/apt.log" 2>&1 ||
	{ tail -n 30 "$tmp/apt.log" >&2; die "the packages did not install"; }
chmod -R a+rX "$tmp"
for test in regress first-hour; do
	if [ $test = first-hour ]; then runner="as_root"; else runner="as_user"; fi
	$runner sh "debian/tests/$test" >"$tmp/$test.log" 2>&1 || { tail -n 60 "$tmp/$test.log" >&2; die "debian/tests/$test failed"; }
	tail -n 1 "$tmp/$test.log"
done
