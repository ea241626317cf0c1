#!/usr/bin/env bash
# Prints the command that is Docker Compose v2 or newer on this machine: the docker plugin where
# it is installed, else the same program built from its Go module, once, into the user's cache.
set -euo pipefail

version=v5.6.0
module=github.com/docker/compose/v5

if docker compose version >/dev/null 2>&1; then
	echo "docker compose"
	exit
fi

binary=${XDG_CACHE_HOME:-$HOME/.cache}/outset-e2e/docker-compose-$version
if [[ ! -x $binary ]]; then
	echo "compose.sh: no docker compose here, building $module@$version (about two minutes)" >&2
	# Not `go install`: the main package is called cmd, and the version is stamped in by the linker.
	dir=$(cd / && go mod download -json "$module@$version" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
	mkdir -p "$(dirname "$binary")"
	CGO_ENABLED=0 go -C "$dir" build -trimpath -ldflags "-s -w -X $module/internal.Version=$version" -o "$binary.$$" ./cmd
	# Complete or absent: an interrupted build leaves nothing that looks finished.
	mv "$binary.$$" "$binary"
fi
echo "$binary"
