#!/bin/sh
# need-tool.sh TOOL [HOW]: makes sure that a program can be found whose package has its name: wrk, the load generator of
# `make bench`, or shellcheck. It is installed when this is root on a Debian-like system; otherwise one line says how to, and
# the exit status is 3.
set -eu
tool=$1

if command -v "$tool" >/dev/null 2>&1; then exit 0; fi

say=${2:-"$tool is missing: apt-get install $tool (Debian, Ubuntu), brew install $tool (macOS)"}

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "need-tool: $say" >&2
	exit 3
fi

echo "need-tool: installing $tool" >&2
export DEBIAN_FRONTEND=noninteractive
# The lists may be stale without harm when what is needed can still be fetched with them.
apt-get update -qq >&2 || echo "need-tool: apt-get update failed, trying with the lists at hand" >&2
apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$tool" >&2

if ! command -v "$tool" >/dev/null 2>&1; then
	echo "need-tool: installed, but not found: $say" >&2
	exit 1
fi
