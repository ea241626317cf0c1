#!/bin/sh
# Gives the roles of postgres-roles.sql their passwords, from the files of `make secrets`.
# compose.yaml runs it when the database is new. docs/operations.md says how to change a password.
set -eu

for user in migrator worker; do
	# psql reads the file itself, so that no process has the password among its arguments.
	psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --dbname outset <<SQL
\\set password \`cat /run/secrets/postgres-$user-password\`
alter role outset_$user password :'password';
SQL
done
