#!/bin/bash
# Keeps a release: what its users have is frozen under updates/, and the tree
# goes on as the next version.  `make freeze NEXT=1.2.0` calls it.
#
#     bash tools/freeze.sh NEXT
#
# updates/VERSION/ gets
#   aiusage--VERSION.sql             its install script
#   aiusage--PREVIOUS--VERSION.sql   the update to it from the release before
#   books.sql                        a dump of books with data (tools/freeze/books.sql),
#                                    made by this release: t/100_upgrade.pl updates them
# and aiusage.control, META.json, CHANGELOG.md and debian/changelog get NEXT.  Files under
# updates/ are never edited again.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

next=${1:-}
case $next in
	[0-9]*.[0-9]*.[0-9]*) ;;
	*) die "usage: tools/freeze.sh NEXT, the version after this one, such as 1.2.0" ;;
esac
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" aiusage.control)
[ "$version" != "$next" ] || die "this is version $version already"
[ ! -e "updates/$version" ] || die "updates/$version is there already: a release is frozen once"

tmp=$(make_tmp)
chmod 755 "$tmp"
trap 'cluster_stop "$tmp" immediate; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP
step "build version $version"
copy_tree "$PWD" "$tmp/aiusage"
as_user make -s -j 2 -C "$tmp/aiusage" PG_CONFIG="$PG_CONFIG" with_llvm=no COPT=-Werror
install_with make -s -C "$tmp/aiusage" PG_CONFIG="$PG_CONFIG" with_llvm=no COPT=-Werror install

step "books with data"
printf "shared_preload_libraries = 'aiusage'\nfsync = off\n" | cluster_init "$tmp"
cluster_start "$tmp"
bin=$(pg_bin)
as_user "$bin/createdb" -h "$tmp" -U postgres frozen
as_user "$bin/psql" -X -q -t -A -h "$tmp" -U postgres -d frozen -f "$tmp/aiusage/tools/freeze/books.sql" >"$tmp/verify" ||
	die "tools/freeze/books.sql failed"
[ ! -s "$tmp/verify" ] || { cat "$tmp/verify" >&2; die "verify() is not clean"; }
{
	echo "-- Books of aiusage $version with data, as pg_dump wrote them (tools/freeze.sh)."
	echo "-- The variable as_of: ' VERSION ''$version''' restores them as $version, an empty one into the version that is installed."
	for role in owner gateway analyst admin approver; do
		echo "CREATE ROLE frozen_$role;"
	done
	as_user "$bin/pg_dump" -h "$tmp" -U postgres frozen
} | sed -e '/^\\restrict /d' -e '/^\\unrestrict /d' -e '/^-- Dumped /d' \
	-e 's/^CREATE EXTENSION IF NOT EXISTS aiusage WITH SCHEMA pg_catalog;$/CREATE EXTENSION aiusage:as_of;/' >"$tmp/books.sql"
grep -q '^CREATE EXTENSION aiusage:as_of;$' "$tmp/books.sql" || die "the dump does not create the extension"

mkdir -p "updates/$version"
for file in "$tmp/aiusage/aiusage--$version.sql" "$tmp/aiusage"/aiusage--*--"$version.sql" "$tmp/books.sql"; do
	if [ -e "$file" ]; then cat "$file" >"updates/$version/$(basename "$file")"; fi
done

sed -i "s/^default_version = .*/default_version = '$next'/" aiusage.control
sed -i "1,/\"meta-spec\"/s/\"version\": \"$version\"/\"version\": \"$next\"/" META.json
sed -i -e "0,/^## $version (unreleased)/s//## $version/" -e "0,/^## $version/s//## $next (unreleased)\n\n## $version/" CHANGELOG.md
# what was by hand is part of the frozen update now
rm -f updates/by_hand.sql
if [ -e debian/changelog ]; then
	{
		printf 'aiusage (%s) unstable; urgency=medium\n\n  * Development version; see CHANGELOG.md.\n\n' "$next"
		printf '%s  %s\n\n' "$(grep -m 1 '^ -- ' debian/changelog | sed 's/  .*//')" "$(LC_ALL=C date -R)"
		cat debian/changelog
	} >debian/changelog.new
	mv debian/changelog.new debian/changelog
fi
perl tools/check_meta.pl
say "frozen: updates/$version; the tree is version $next now"
