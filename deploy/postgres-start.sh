#!/bin/sh
# Starts the Postgres of compose.yaml, with TLS and deploy/pg_hba.conf. Postgres refuses a key that
# others could read, as they can a secret's file, so it gets a copy in memory.
set -eu

(umask 077 && cp /run/secrets/postgres-server-key.pem /run/postgresql/server-key.pem)
exec docker-entrypoint.sh postgres \
	-c ssl=on \
	-c ssl_cert_file=/run/secrets/postgres-server.pem \
	-c ssl_key_file=/run/postgresql/server-key.pem \
	-c ssl_min_protocol_version=TLSv1.3 \
	-c hba_file=/etc/outset/pg_hba.conf
