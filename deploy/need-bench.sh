#!/bin/sh
# need-bench.sh: makes sure that wrk, the load generator of `make bench`, can be found. It is installed when
# this is root on a Debian-like system; otherwise one line names the package. The Hono peer is
# left out of the measurements where node or nginx is missing, so these are not installed.
set -eu

if command -v wrk >/dev/null 2>&1; then exit 0; fi

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "need-bench: missing: wrk: apt-get install wrk (Debian, Ubuntu), dnf install wrk (Fedora), brew install wrk (macOS)" >&2
	exit 1
fi

echo "need-bench: installing wrk" >&2
export DEBIAN_FRONTEND=noninteractive
# The lists may be stale without harm when what is needed can still be fetched with them.
apt-get update -qq >&2 || echo "need-bench: apt-get update failed, trying with the lists at hand" >&2
apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends wrk >&2
