#!/bin/sh
# need-postgres.sh [race]: makes sure that there is a PostgreSQL server (initdb and postgres, 15 or
# newer), and with `race` also the C compiler that `go test -race` needs on Linux. As root on a
# Debian-like system it installs what is missing; otherwise one line names the package.
# internal/localpg/binaries.go searches the same folders.
set -eu

min_major=15

# has_server DIR: both programs are in DIR, and new enough.
has_server() {
	[ -f "$1/initdb" ] && [ -x "$1/initdb" ] && [ -f "$1/postgres" ] && [ -x "$1/postgres" ] || return 1
	major=$("$1/postgres" --version 2>/dev/null | sed -n 's/^.*(PostgreSQL) \([0-9]*\).*$/\1/p')
	[ "${major:-0}" -ge "$min_major" ]
}

find_server() {
	for program in initdb pg_config; do
		found=$(command -v "$program" 2>/dev/null) || continue
		if [ "$program" = pg_config ]; then
			folder=$("$found" --bindir 2>/dev/null) || continue
		else
			folder=$(dirname "$(readlink -f "$found" 2>/dev/null || echo "$found")")
		fi
		if has_server "$folder"; then return 0; fi
		if has_server "$(dirname "$found")"; then return 0; fi
	done
	for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* \
		/usr/lib/postgresql*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin \
		/Applications/Postgres.app/Contents/Versions/*/bin /usr/local/pgsql/bin; do
		if has_server "$folder"; then return 0; fi
	done
	return 1
}

# The compiler that Go calls, with the headers of the C library.
find_compiler() {
	compiler=${CC:-$(go env CC 2>/dev/null || echo gcc)}
	# shellcheck disable=SC2086 # CC may hold arguments
	printf '#include <stdlib.h>\n' | $compiler -E -x c - >/dev/null 2>&1
}

debian=
say=
find_server || {
	debian="postgresql"
	say="PostgreSQL $min_major or newer (initdb and postgres): apt-get install postgresql (Debian, Ubuntu), dnf install postgresql-server (Fedora), brew install postgresql@17 (macOS)"
}
if [ "${1:-}" = race ] && [ "$(uname -s)" = Linux ]; then
	find_compiler || {
		debian="$debian gcc libc6-dev"
		say="${say:+$say; }a C compiler for go test -race: apt-get install gcc libc6-dev (Debian, Ubuntu), dnf install gcc (Fedora)"
	}
fi
[ -n "$debian" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "need-postgres: missing: $say" >&2
	exit 1
fi

echo "need-postgres: installing $debian" >&2
case $debian in
postgresql*)
	# Outset runs a server of its own, so Debian's is not created and started as well.
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		mkdir -p /etc/postgresql-common
		echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
	fi
	;;
esac
export DEBIAN_FRONTEND=noninteractive
# Stale lists do no harm while the packages in them can still be fetched.
apt-get update -qq >&2 || echo "need-postgres: apt-get update failed, using the old lists" >&2
# shellcheck disable=SC2086 # the packages are words
apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends $debian >&2

if ! find_server; then
	echo "need-postgres: installed, but found no PostgreSQL $min_major or newer: $say" >&2
	exit 1
fi
