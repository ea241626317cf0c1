#!/bin/sh
# need-tool.sh TOOL [HOW]: makes sure that there is a program whose package has its name, such as wrk
# or shellcheck. As root on a Debian-like system it installs it; otherwise one line says how to, and
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
# Stale lists do no harm while the packages in them can still be fetched.
apt-get update -qq >&2 || echo "need-tool: apt-get update failed, using the old lists" >&2
apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$tool" >&2

if ! command -v "$tool" >/dev/null 2>&1; then
	echo "need-tool: installed, but not found: $say" >&2
	exit 1
fi
