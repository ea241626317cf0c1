#!/bin/sh
# Entry point of the nats stand-in: as in the official image, options alone are nats-server's.
set -eu

case "${1:-}" in
-*) set -- nats-server "$@" ;;
esac
exec "$@"
