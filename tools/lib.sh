# Shared by the scripts in tools/ and bench/: sourced, never run.
#
# What they have in common: everything happens in a directory of its own under
# $TMPDIR, in a throwaway cluster that listens on a unix socket there and
# nowhere else.  initdb refuses root, so root's clusters run as user postgres;
# anybody else's run as themselves.
#
# PG_CONFIG chooses the PostgreSQL (default: Debian's postgresql-15, or of
# the version AIUSAGE_PG_MAJOR).

PG_MAJOR=${AIUSAGE_PG_MAJOR:-15}
PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/$PG_MAJOR/bin/pg_config}
export PG_CONFIG

# Somebody's environment must not lead to somebody's server.
unset PGDATA PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGPASSFILE PGSERVICE PGSERVICEFILE \
	PGOPTIONS PGSSLMODE PGTZ PGDATESTYLE PGCLIENTENCODING PGAPPNAME 2>/dev/null || true
export LC_ALL=C.UTF-8 LANG=C.UTF-8

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

is_root() { [ "$(id -u)" = 0 ]; }

# Run as root: directly, or through sudo.
as_root() {
	if is_root; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo -n true 2>/dev/null || say "(sudo may ask for your password)"
		sudo "$@"
	else
		die "this needs root: run it as root, or install sudo"
	fi
}

# Install into PostgreSQL: as root where that is needed.
install_with() {
	if [ -w "$("$PG_CONFIG" --pkglibdir)" ]; then "$@"; else as_root "$@"; fi
}

# Who runs the throwaway clusters.
cluster_user() {
	if is_root; then echo postgres; else id -un; fi
}

# Run as that user, from a directory that it may be in (root's home is not one).
as_user() {
	if is_root; then
		runuser -u postgres -- sh -c 'cd "$PWD" 2>/dev/null || cd /; exec "$@"' sh "$@"
	else
		"$@"
	fi
}

# A directory that this user owns; others may not look in.
make_tmp() {
	tmp_made=$(mktemp -d "${TMPDIR:-/tmp}/aiusage.XXXXXX")
	if is_root; then chown postgres: "$tmp_made"; fi
	echo "$tmp_made"
}

# Copy the project, without what builds leave behind, to directory $2.
copy_tree() {
	mkdir -p "$2"
	(cd "$1" && tar -c --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' --exclude=node_modules \
		--exclude='./aiusage--[0-9]*.sql' --exclude='./tmp_check*' --exclude=./output_iso --exclude='./install/90_init.sql' \
		-f - .) | tar -x --no-same-owner -C "$2" -f -
	if is_root; then chown -R postgres: "$2"; fi
}

# ---------------------------------------------------------------- clusters

pg_bin() { "$PG_CONFIG" --bindir; }

# Is a library there to be preloaded?
pg_has_library() { [ -e "$("$PG_CONFIG" --pkglibdir)/$1.so" ]; }

# cluster_init DIR: initdb DIR/data with socket DIR; more settings on stdin.
cluster_init() {
	as_user "$(pg_bin)/initdb" -D "$1/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$1/initdb.log" 2>&1 ||
		{ cat "$1/initdb.log" >&2; die "initdb failed"; }
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$1'"
		echo "unix_socket_permissions = 0700"
		echo "timezone = 'UTC'"
		echo "log_timezone = 'UTC'"
		cat
	} | as_user tee -a "$1/data/postgresql.conf" >/dev/null
}

# cluster_start DIR / cluster_stop DIR [mode]
cluster_start() {
	as_user "$(pg_bin)/pg_ctl" -D "$1/data" -l "$1/server.log" -w -t 60 start >"$1/start.log" 2>&1 ||
		{ cat "$1/start.log" "$1/server.log" >&2; die "the throwaway cluster did not start"; }
}

cluster_stop() {
	[ -e "$1/data/postmaster.pid" ] || return 0
	as_user "$(pg_bin)/pg_ctl" -D "$1/data" -w -m "${2:-fast}" stop >/dev/null 2>&1 || true
}

# ---------------------------------------------------------------- the oracle, in node

# need_node WHAT: 0 when node and npm are here; 1 when they are not and that is known; else it ends here.
need_node() {
	if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then return 0; fi
	[ "${AIUSAGE_ALLOW_NO_NODE:-0}" = 1 ] || die "$1 needs node 20 and npm (AIUSAGE_ALLOW_NO_NODE=1 to go without)"
	say "skipped: node and npm are not installed (AIUSAGE_ALLOW_NO_NODE=1)"
	return 1
}

# install_oracle DIR: the scripts and the packages of tools/ in DIR/tools.  npm
# writes: hence a copy, as the user who runs this.
install_oracle() {
	mkdir "$1/tools"
	cp tools/*.mjs tools/package.json tools/package-lock.json tools/.npmrc "$1/tools/"
	if [ -d tools/node_modules ]; then
		cp -R tools/node_modules "$1/tools/"
	else
		(cd "$1/tools" && npm ci --no-audit --no-fund --cache "$1/npm" >"$1/npm.log" 2>&1) ||
			{ cat "$1/npm.log" >&2; die "npm could not install the oracle"; }
	fi
	if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 18 ]; then die "node $(node --version) is too old for the oracle"; fi
}

# ---------------------------------------------------------------- a PostgreSQL of one's own

# private_postgres DIR: a copy of PG_CONFIG's PostgreSQL under DIR, and PG_CONFIG
# set to it, so that an instrumented library is never installed beside a real
# one.  PostgreSQL finds its files relative to its programs.
private_postgres() {
	private_found=$PG_CONFIG
	for kind in bindir pkglibdir sharedir includedir-server; do
		private_path=$("$private_found" --$kind)
		mkdir -p "$1$private_path"
		cp -a "$private_path/." "$1$private_path/"
	done
	PG_CONFIG=$1$("$private_found" --bindir)/pg_config
	export PG_CONFIG
	if is_root; then chown -R postgres: "$1"; fi
	[ "$("$PG_CONFIG" --sharedir)" = "$1$("$private_found" --sharedir)" ] || die "$private_found cannot be moved"
}

# wrap_postgres COMMAND...: the server of the private PostgreSQL, but not
# initdb's, is run by this command.
wrap_postgres() {
	mv "$(pg_bin)/postgres" "$(pg_bin)/postgres.bin"
	{
		echo '#!/bin/bash'
		echo 'real=$(dirname "$(readlink -f "$0")")/postgres.bin'
		echo 'case " $* " in *" --boot "*|*" --single "*|*" --check "*|*" -V "*|*" -C "*) exec -a "$0" "$real" "$@" ;; esac'
		printf 'exec %s "$real" "$@"\n' "$*"
	} >"$(pg_bin)/postgres"
	chmod 755 "$(pg_bin)/postgres"
	if is_root; then chown postgres: "$(pg_bin)/postgres"; fi
}
