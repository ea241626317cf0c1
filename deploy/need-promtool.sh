#!/bin/sh
# need-promtool.sh FOLDER: makes sure that there are promtool and prometheus, on PATH or in FOLDER. On
# a Debian-like system it takes the two programs out of their package and needs not be root. It
# installs nothing: the package would start Prometheus, now and at each boot, on the port that is the
# API's ADMIN_ADDR. Elsewhere one line says how to get them, and the exit status is 3.
set -eu
folder=$1

if PATH="$PATH:$folder" command -v promtool >/dev/null 2>&1; then exit 0; fi

if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg >/dev/null 2>&1; then
	echo "need-promtool: promtool is missing: brew install prometheus (macOS), or see https://prometheus.io/download" >&2
	exit 3
fi

echo "need-promtool: unpacking Debian's prometheus" >&2
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
# Stale lists do no harm while the package in them can still be fetched.
if [ "$(id -u)" -eq 0 ]; then
	apt-get update -qq >&2 || echo "need-promtool: apt-get update failed, using the old lists" >&2
fi
# As ourselves, since apt's own user can't enter the folder.
(cd "$unpacked" && apt-get download -qq -o APT::Sandbox::User=root prometheus && dpkg -x prometheus_*.deb .) >&2
mkdir -p "$folder"
mv "$unpacked/usr/bin/prometheus" "$unpacked/usr/bin/promtool" "$folder"
