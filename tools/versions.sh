#!/bin/bash
# The tests on other versions of PostgreSQL, each in a chroot of the Debian
# release that packages it:
#
#     bash tools/versions.sh                        regression, isolation and TAP tests on 15, 17 and 18
#     bash tools/versions.sh 17                     on one of them
#     bash tools/versions.sh 17 -- regress tap      only these suites of tools/test.sh
#     bash tools/versions.sh --upgrade 17           from this machine's PostgreSQL to that: tools/pg_upgrade.sh
#     bash tools/versions.sh --prepare 17           make the chroot, and say where it is
#
# As root, or as a user with sudo.  The chroots stay in AIUSAGE_VERSIONS_DIR
# (default /var/tmp/aiusage-versions, about 1 GB each) and are used again;
# delete the directory to begin anew.  They are made by debootstrap from the
# mirror that this machine's apt uses; nothing is installed on the machine
# itself but debootstrap.  What runs in one sees its own processes only and
# ends with this script, however that ends.
#
# The static checks (lint) are not run there: they look at the same sources,
# by the rules of another release's cppcheck.  No release of Debian packages
# PostgreSQL 16.
#
# Exit code 77: no chroot can be made here, and why.
set -eu
cd "$(dirname "$0")/.."
source_dir=$PWD
. tools/lib.sh

cache=${AIUSAGE_VERSIONS_DIR:-/var/tmp/aiusage-versions}
skip() { printf 'skipped: %s\n' "$*"; exit 77; }

# Debian's release that packages this version of PostgreSQL
release_of() {
	case $1 in
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo sid ;;
		*) die "no Debian release is known for PostgreSQL $1" ;;
	esac
}

# What runs inside of the chroot's own mounts and processes; see inside().
if [ "${1:-}" = --inside ]; then
	root=$2
	shift 2
	mount -t proc proc "$root/proc"
	mount -t tmpfs -o size=32m dev "$root/dev"
	for device in null zero full random urandom tty; do
		touch "$root/dev/$device"
		mount --bind "/dev/$device" "$root/dev/$device"
	done
	ln -s /proc/self/fd "$root/dev/fd"
	ln -s fd/0 "$root/dev/stdin"
	ln -s fd/1 "$root/dev/stdout"
	ln -s fd/2 "$root/dev/stderr"
	mkdir "$root/dev/shm" "$root/dev/pts"
	mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
	# the older PostgreSQL that an upgrade begins from
	for dir in ${AIUSAGE_BIND:-}; do
		mkdir -p "$root$dir"
		mount --bind "$dir" "$root$dir"
	done
	mkdir -p "$root/aiusage"
	mount --bind "$source_dir" "$root/aiusage"
	mount -o remount,bind,ro "$root/aiusage"
	for file in resolv.conf hosts; do
		if [ -e /etc/$file ]; then cat /etc/$file >"$root/etc/$file"; fi
	done
	exec chroot "$root" "$@"
fi

# inside ROOT VERSION COMMAND...: mounts are ours alone, and no process outlives
# the command, which is the first one of its process namespace.  Nor does any
# outlive this script, were it killed: each is killed when its parent dies.
inside() {
	local root=$1 version=$2
	shift 2
	setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child bash "$source_dir/tools/versions.sh" --inside "$root" \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" \
		AIUSAGE_PG_MAJOR="$version" AIUSAGE_KEEP="${AIUSAGE_KEEP:-0}" "$@"
}

# This machine's PostgreSQL, seen in the chroot at the same places, and the
# libraries it needs that the chroot's release has no longer.
lend_postgres() {
	local root=$1 lib
	AIUSAGE_BIND="$(dirname "$("$PG_CONFIG" --bindir)") $("$PG_CONFIG" --sharedir)"
	export AIUSAGE_BIND
	rm -rf "$root/usr/local/lib/aiusage-old"
	mkdir -p "$root/usr/local/lib/aiusage-old"
	ldd "$("$PG_CONFIG" --bindir)"/{postgres,initdb,pg_ctl,psql,pg_controldata,pg_resetwal} "$("$PG_CONFIG" --pkglibdir)"/{plpgsql,btree_gist,aiusage}.so |
		awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r lib; do
		if ! find "$root/lib" "$root/usr/lib" -name "$(basename "$lib")" 2>/dev/null | grep -q .; then
			cp -L "$lib" "$root/usr/local/lib/aiusage-old/"
		fi
	done
}

# prepare RELEASE ROOT: the bare system; packages are tools/setup.sh's matter.
prepare() {
	local release=$1 root=$2 mirror
	[ ! -e "$root/etc/debian_version" ] || return 0
	if ! command -v debootstrap >/dev/null 2>&1; then
		command -v apt-get >/dev/null 2>&1 || skip "there is no debootstrap, and no apt-get to install it"
		apt-get -q update >/dev/null 2>&1 || true
		DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install debootstrap >/dev/null 2>&1 ||
			die "could not install debootstrap"
	fi
	# the mirror this machine uses; without one, debootstrap's own
	mirrors() {
		apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(CODENAME)' 'Identifier: Packages' 2>/dev/null |
			awk '$2 == "Debian" && $3 !~ /-/ { print $1; exit }'
	}
	mirror=$(mirrors)
	if [ -z "$mirror" ]; then
		apt-get -q update >/dev/null 2>&1 || true
		mirror=$(mirrors)
	fi
	say "making a chroot of Debian $release in $root"
	rm -rf "$root.new"
	debootstrap --variant=minbase "$release" "$root.new" $mirror >"$root.log" 2>&1 ||
		{ tail -n 20 "$root.log" >&2; die "debootstrap failed"; }
	# apt inside goes the way it goes outside (proxies), and packages are unpacked without fsync
	apt-config dump Acquire 2>/dev/null | grep -v IndexTargets >"$root.new/etc/apt/apt.conf.d/90aiusage" || true
	echo 'Acquire::Languages "none";' >>"$root.new/etc/apt/apt.conf.d/90aiusage"
	echo force-unsafe-io >"$root.new/etc/dpkg/dpkg.cfg.d/aiusage"
	mv "$root.new" "$root"
}

prepare_only=no
upgrade=no
versions=
while [ $# -gt 0 ]; do
	case $1 in
		--prepare) prepare_only=yes ;;
		--upgrade) upgrade=yes ;;
		--) shift; break ;;
		[0-9]*) release_of "$1" >/dev/null; versions="$versions $1" ;;
		*) die "unknown argument $1" ;;
	esac
	shift
done
versions=${versions:-15 17 18}
suites=${*:-regress isolation tap}

if ! is_root; then
	command -v sudo >/dev/null 2>&1 || skip "a chroot needs root, and there is no sudo"
	sudo -n true 2>/dev/null || [ -t 0 ] || skip "a chroot needs root, and sudo asks for a password"
	exec sudo --preserve-env=AIUSAGE_VERSIONS_DIR,AIUSAGE_KEEP,PG_CONFIG bash tools/versions.sh \
		$([ $prepare_only = no ] || echo --prepare) $([ $upgrade = no ] || echo --upgrade) $versions -- $suites
fi
unshare --mount --pid --fork true 2>/dev/null || skip "this machine allows no namespaces (unshare), which a chroot's mounts need"

mkdir -p "$cache"
chmod 755 "$cache"
results=
failed=0
for version in $versions; do
	release=$(release_of "$version")
	root=$cache/$release
	step "PostgreSQL $version on Debian $release"
	exec 9>"$root.lock"
	flock -n 9 || { say "waiting for another run in $root"; flock 9; }
	prepare "$release" "$root" || exit $?
	if [ $prepare_only = yes ]; then
		inside "$root" "$version" sh /aiusage/tools/setup.sh --tests --no-node 9>&-
		say "$root"
		continue
	fi
	# nothing of an earlier run's
	rm -rf "$root"/tmp/aiusage.* "$root/usr/share/postgresql/$version/extension"/aiusage* \
		"$root/usr/lib/postgresql/$version/lib"/aiusage.so
	rc=0
	if [ $upgrade = yes ]; then
		[ -e "$("$PG_CONFIG" --pkglibdir)/aiusage.so" ] || die "aiusage is not installed for $PG_CONFIG: run tools/test.sh build first"
		inside "$root" "$version" sh /aiusage/tools/setup.sh --tests --no-node 9>&-
		lend_postgres "$root"
		inside "$root" "$version" env LD_LIBRARY_PATH=/usr/local/lib/aiusage-old bash /aiusage/tools/pg_upgrade.sh "$("$PG_CONFIG" --bindir)" \
			>"$root.out" 2>&1 9>&- </dev/null || rc=$?
	else
		inside "$root" "$version" bash /aiusage/tools/test.sh $suites >"$root.out" 2>&1 9>&- </dev/null || rc=$?
	fi
	cat "$root.out"
	closing=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$root.out" | tail -n 1) || true
	if [ $rc != 0 ]; then failed=1; fi
	results="$results$version|$release|$(chroot "$root" "/usr/lib/postgresql/$version/bin/postgres" --version 2>/dev/null || true)|${closing:-exit code $rc}
"
done
[ $prepare_only = no ] || exit 0

step "PostgreSQL versions"
printf '%s' "$results" | while IFS='|' read -r version release server closing; do
	printf '%-4s %-10s %-50s %s\n' "$version" "$release" "$server" "$closing"
done
exit $failed
