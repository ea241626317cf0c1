#!/usr/bin/env bash
# `make e2e`: the real compose.yaml under load. Fails where there is no Docker engine.
#
#   E2E_LOCAL_IMAGES   1: build the base images from this machine's own files (local-images.sh);
#                      0: never; unset: if the official ones are neither here nor can be pulled
#   E2E_RUN            only the tests that match
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."

say() { printf 'e2e: %s\n' "$*" >&2; }

if ! docker version --format '{{.Server.Version}}' >/dev/null; then
	say "FAILED: no Docker engine answers; the compose tests did not run"
	exit 1
fi

# For the tests themselves, which also run the programs without containers.
deploy/need-postgres.sh race

compose=$("$here/compose.sh")
export E2E_COMPOSE=$compose
# A project of its own: nothing that is already running is touched.
export COMPOSE_PROJECT_NAME=outset-e2e-$$
secrets=$(mktemp -d)
export SECRETS=$secrets
go run ./deploy/make-secrets "$SECRETS" >/dev/null

# For a test that is interrupted or crashes; else it removes its project itself.
tear_down() {
	local code=$?
	trap - EXIT INT TERM
	$compose --profile '*' down -v --remove-orphans --timeout 5 >/dev/null 2>&1 || say "could not tear down project $COMPOSE_PROJECT_NAME"
	rm -rf "$secrets"
	exit "$code"
}
trap tear_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The base images that are used as they are, and the one that the Dockerfile builds with.
official_images() {
	GO_IMAGE='' NATS_IMAGE='' POSTGRES_IMAGE='' PROMETHEUS_IMAGE='' \
		$compose --profile observe config --images nats postgres prometheus
	sed -n 's/^ARG GO_IMAGE=//p' deploy/Dockerfile
}

have_official_images() {
	local image
	for image in $(official_images); do
		docker image inspect "$image" >/dev/null 2>&1 || timeout 300 docker pull -q "$image" >&2 || return 1
	done
}

local_images=${E2E_LOCAL_IMAGES:-}
if [[ -z $local_images ]]; then
	local_images=0
	have_official_images || local_images=1
fi
if [[ $local_images == 1 ]]; then
	say "the base images are built from this machine's own files"
	"$here/local-images.sh"
	set -a
	# shellcheck source=/dev/null
	. "$here/.local-images.env"
	set +a
fi

go test -race -count=1 -tags e2e -timeout 20m -v -run "${E2E_RUN:-TestCompose}" ./e2e/...
