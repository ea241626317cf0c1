#!/bin/sh
# Entry point of the local nats image. As in the official one, options alone are for nats-server.
set -eu

case "${1:-}" in
-*) set -- nats-server "$@" ;;
esac
exec "$@"
