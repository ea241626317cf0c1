#!/bin/sh
# Entry point of the local postgres image: does what compose.yaml needs of the official one.
# Initialises $PGDATA if it is empty, with the user, password and database of the environment and the
# files of /docker-entrypoint-initdb.d, then becomes Postgres, as the user postgres and as process 1.
set -eu

case "${1:-postgres}" in
-*) set -- postgres "$@" ;;
postgres) ;;
*) exec "$@" ;;
esac

# Postgres refuses root. Like gosu, setpriv replaces this process rather than staying its parent.
if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA" /run/postgresql
	chown -R postgres:postgres "$PGDATA" /run/postgresql
	chmod 700 "$PGDATA"
	# By its full path: the shell of busybox prefers its own setpriv, which lacks these options.
	exec /usr/bin/setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
fi

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
		POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
	fi
	: "${POSTGRES_PASSWORD:?must be set where the data directory is empty}"
	echo "$POSTGRES_PASSWORD" >/tmp/password
	initdb --username="$user" --pwfile=/tmp/password --encoding=UTF8 --locale=C.UTF-8 \
		--auth-local=trust --auth-host=scram-sha-256
	rm /tmp/password
	echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
	echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
	# On the socket only, so that nobody connects from outside before it is complete.
	shift
	pg_ctl -w -o "$* -c listen_addresses=''" start
	if [ "$database" != postgres ]; then
		createdb --username="$user" --maintenance-db=postgres "$database"
	fi
	for file in /docker-entrypoint-initdb.d/*; do
		case $file in
		*.sh) "$file" ;;
		*.sql) psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$user" --dbname "$database" --file "$file" ;;
		esac
	done
	pg_ctl -w -m fast stop
	set -- postgres "$@"
fi

exec "$@"
