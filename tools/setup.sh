#!/bin/sh
# Installs what building, the demo and the tests need, by Debian package
# names.  Does nothing when all is there.
#
#     sh tools/setup.sh            what the demo needs
#     sh tools/setup.sh --tests    and what the tests need
#     sh tools/setup.sh --faults   and what the fault tests need
#     sh tools/setup.sh --lint     only what tools/lint_c.sh needs
#     sh tools/setup.sh --bench    and what the benchmarks need
#
# --no-node leaves out node, which only the differential tests need.
#
# No system cluster is made, started or restarted: only the programs of
# PostgreSQL are wanted.  With PG_CONFIG set to a PostgreSQL of your own,
# nothing of PostgreSQL is installed.
set -eu
cd "$(dirname "$0")/.."
own_pg=${PG_CONFIG:-}
. tools/lib.sh

want_tests=no
want_node=no
want_redis=no
want_lint=no
want_faults=no
for arg in "$@"; do
	case $arg in
		--tests) want_tests=yes; want_node=yes ;;
		--faults) want_tests=yes; want_faults=yes ;;
		--lint) want_lint=yes ;;
		--bench) want_node=yes; want_redis=yes ;;
		--no-node) want_node=no ;;
		*) die "unknown argument $arg" ;;
	esac
done

have_package() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }

missing=
need() { have_package "$1" || missing="$missing $1"; }

if [ $want_lint = yes ]; then
	command -v cppcheck >/dev/null 2>&1 || missing=" cppcheck"
elif [ -z "$own_pg" ]; then
	need build-essential
	need postgresql-$PG_MAJOR
	need postgresql-server-dev-$PG_MAJOR
	need postgresql-$PG_MAJOR-cron
	need libpq-dev
	if [ $want_tests = yes ]; then
		need libipc-run-perl
	fi
else
	[ -x "$own_pg" ] || die "PG_CONFIG=$own_pg cannot be run"
fi

# The pricing oracle runs in node; any node that is already here will do.
if [ $want_node = yes ]; then
	command -v node >/dev/null 2>&1 || missing="$missing nodejs"
	command -v npm >/dev/null 2>&1 || missing="$missing npm"
fi
# A server whose clock is set: any libfaketime will do.
if [ $want_tests = yes ] && ! ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1; then
	missing="$missing libfaketime"
fi
# gdb stops a backend where a fault is to happen.
if [ $want_faults = yes ]; then
	command -v gdb >/dev/null 2>&1 || missing="$missing gdb"
	[ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null 2>&1 || missing="$missing pgbouncer"
fi
if [ $want_redis = yes ]; then
	command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
fi

[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null 2>&1 || die "missing:$missing (they are Debian's package names; this is no Debian)"
say "installing:$missing"
if [ "$(id -u)" != 0 ]; then
	exec_root="as_root env"
else
	exec_root="env"
fi

# Everything that changes the machine happens in one root shell, so that its
# trap undoes the two temporary settings whatever happens.
$exec_root DEBIAN_FRONTEND=noninteractive PG_MAJOR=$PG_MAJOR sh -eu -c '
	conf=/etc/postgresql-common/createcluster.conf
	policy=/usr/sbin/policy-rc.d
	made_policy=no
	saved_conf=
	log=$(mktemp)
	restore() {
		[ $made_policy = no ] || rm -f $policy
		rm -f "$log"
		if [ -n "$saved_conf" ]; then cat "$saved_conf" >$conf; rm -f "$saved_conf"; fi
	}
	trap restore EXIT
	trap "exit 1" HUP INT TERM

	apt() { apt-get -q -y -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null; }

	# No service is started or restarted by what follows.
	if [ ! -e $policy ]; then
		printf "#!/bin/sh\nexit 101\n" >$policy
		chmod 755 $policy
		made_policy=yes
	fi

	# Package lists: fetched only when a package is unknown or cannot be had.
	install() { apt install --no-install-recommends "$@"; }
	known=yes
	for p in "$@"; do
		apt-cache show "$p" >/dev/null 2>&1 || known=no
	done
	[ $known = yes ] || apt update

	# No cluster "main" for a server that was not here before.
	case " $* " in
		*" postgresql-$PG_MAJOR "*)
			[ -e $conf ] || install postgresql-common || { apt update && install postgresql-common; } || { tail -n 40 "$log" >&2; exit 1; }
			saved_conf=$(mktemp)
			cat $conf >"$saved_conf"
			sed -i "s/^#* *create_main_cluster *=.*/create_main_cluster = false/" $conf
			grep -q "^create_main_cluster = false" $conf || echo "create_main_cluster = false" >>$conf
			;;
	esac

	install "$@" || { apt update; install "$@"; } || {
		tail -n 40 "$log" >&2
		echo "error: could not install: $*" >&2
		exit 1
	}
' setup $missing
