#!/usr/bin/env bash
# Builds the base images of compose.yaml and deploy/Dockerfile from this machine's own files, for
# machines that reach no container registry, and writes their names to e2e/.local-images.env
# (for `docker compose --env-file`, or to be sourced).
#
# They are made of this machine's Go toolchain and the module's dependencies, of nats-server built
# from its Go module at go.mod's version, of the installed Debian packages of Postgres, and of
# Debian's Prometheus. There is none of Grafana. Each does what compose.yaml needs of the official image, and no more. An image is tagged by a hash of
# what it is made from, and built only if that tag is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
env_file=$here/.local-images.env

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

say() { printf 'local-images.sh: %s\n' "$*" >&2; }
present() { docker image inspect "$1" >/dev/null 2>&1; }

# need PROGRAM PACKAGE: installs the Debian package if the program is not on PATH.
need() {
	command -v "$1" >/dev/null && return
	if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
		say "please install the Debian package $2 (or run this as root)"
		exit 1
	fi
	say "installing $2"
	# Goes on if a third-party source fails: the installation tells whether that mattered.
	apt-get update -qq >&2 || true
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$2" >&2
}

postgres_bindir() {
	find /usr/lib/postgresql/*/bin -name postgres -printf '%h\n' 2>/dev/null | sort -V | tail -n 1
}

# userland ROOT: sh and the usual tools, a CA bundle, and users.
userland() {
	mkdir -p "$1"/{bin,etc/ssl/certs,tmp,root,run,var,usr/bin,usr/local/bin}
	ln -s ../run "$1/var/run"
	chmod 1777 "$1/tmp"
	cp "$(command -v busybox)" "$1/bin/busybox"
	local applet
	for applet in $("$1/bin/busybox" --list); do
		[[ $applet == busybox ]] || ln -s busybox "$1/bin/$applet"
	done
	cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
	printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' >"$1/etc/passwd"
	printf '%s\n' 'root:x:0:' 'postgres:x:999:' >"$1/etc/group"
	printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$1/etc/nsswitch.conf"
}

# with_libraries ROOT FILE...: copies the files, at their own paths, with all their shared libraries.
with_libraries() {
	local to=$1
	shift
	{
		printf '%s\n' "$@"
		ldd "$@" 2>/dev/null | grep -o '/[^ :]* (0x' | sed 's/ (0x$//'
		# glibc opens these by name at run time.
		find /lib/*-linux-gnu* -maxdepth 1 -name 'libnss_files.so*' -o -maxdepth 1 -name 'libnss_dns.so*'
	} | sort -u | tar -c -h -P -T - | tar -x -P --transform "s|^/|$to/|"
}

# import ROOT IMAGE DOCKERFILE-INSTRUCTION...
import() {
	local from=$1 image=$2
	shift 2
	tar -c -C "$from" --numeric-owner . | docker import - "$image-files" >/dev/null
	# In a second step, because `docker import --change` knows no STOPSIGNAL.
	printf '%s\n' "FROM $image-files" "$@" | docker build -q -t "$image" - >/dev/null
	say "built $image"
}

# In place of golang: go on PATH, sh, a CA bundle. Also the modules of go.mod, since there may be no
# proxy to reach.
build_go() ( # a subshell, for its GOMODCACHE
	image=$1 fs=$work/go
	present "$image" && return
	need busybox busybox-static
	goroot=$(go env GOROOT)
	# The machine's own module cache first: it usually has everything already.
	proxies=file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)
	userland "$fs"
	mkdir -p "$fs/usr/local/go" "$fs/go/pkg/mod"
	tar -c -C "$goroot" --exclude=./test --exclude=./api --exclude=./doc --exclude='*_test.go' --exclude=testdata . |
		tar -x -C "$fs/usr/local/go"
	say "downloading the modules of go.mod"
	# What the Dockerfile will ask for, unpacked already: that is slow in a container's file system.
	mkdir -p "$work/module/client"
	cp "$root/go.mod" "$root/go.sum" "$work/module/"
	cp "$root/client/go.mod" "$work/module/client/"
	export GOMODCACHE=$fs/go/pkg/mod
	GOPROXY=$proxies GOFLAGS=-modcacherw go -C "$work/module" mod download
	# The dependencies, compiled: the classic builder has no cache mounts, so each changed line of
	# ours would compile them all again. A tree that does not compile fails later, in the build.
	say "compiling the dependencies"
	CGO_ENABLED=0 GOCACHE=$fs/root/.cache/go-build go -C "$root" build -trimpath -o /dev/null ./cmd/api ./cmd/worker || true
	import "$fs" "$image" \
		'ENV PATH=/go/bin:/usr/local/go/bin:/bin:/usr/bin GOPATH=/go GOTOOLCHAIN=local GOPROXY=off GOSUMDB=off GOFLAGS=-buildvcs=false' \
		'WORKDIR /go' 'CMD ["sh"]'
)

# In place of nats:alpine: nats-server on PATH, wget, and a command that reads
# /etc/nats/nats-server.conf.
build_nats() {
	local image=$1 version=$2 fs=$work/nats
	present "$image" && return
	need busybox busybox-static
	userland "$fs"
	say "building nats-server $version"
	GOBIN=$work/bin CGO_ENABLED=0 go install -trimpath -ldflags '-s -w' "github.com/nats-io/nats-server/v2@$version"
	mv "$work/bin/nats-server" "$fs/usr/local/bin/"
	mkdir "$fs/etc/nats"
	printf 'http: 8222\n' >"$fs/etc/nats/nats-server.conf"
	cp "$here/local-images/nats-entrypoint.sh" "$fs/usr/local/bin/docker-entrypoint.sh"
	import "$fs" "$image" 'ENV PATH=/usr/local/bin:/usr/bin:/bin' 'EXPOSE 4222 8222 6222' \
		'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["nats-server", "--config", "/etc/nats/nats-server.conf"]'
}

# In place of postgres: see local-images/postgres-entrypoint.sh.
build_postgres() {
	local image=$1 bindir=$2 fs=$work/postgres prefix version
	present "$image" && return
	need busybox busybox-static
	need setpriv util-linux
	prefix=$(dirname "$bindir")
	version=$(basename "$prefix")
	userland "$fs"
	# Without the JIT compiler, which needs all of LLVM. Postgres does without it silently.
	local files=()
	mapfile -t files < <(find "$bindir" "$prefix/lib" -type f -not -name 'llvmjit*' -not -path '*/bitcode/*' -not -path '*/pgxs/*')
	with_libraries "$fs" "${files[@]}" /usr/bin/setpriv
	mkdir -p "$fs/usr/share/postgresql" "$fs/usr/lib/locale" "$fs/var/lib/postgresql" "$fs/run/postgresql"
	cp -rL "/usr/share/postgresql/$version" "$fs/usr/share/postgresql/"
	cp -rL /usr/share/zoneinfo "$fs/usr/share/"
	# C.UTF-8 is in this folder where it is not built into the C library.
	[[ ! -d /usr/lib/locale/C.utf8 ]] || cp -r /usr/lib/locale/C.utf8 "$fs/usr/lib/locale/"
	cp "$here/local-images/postgres-entrypoint.sh" "$fs/usr/local/bin/docker-entrypoint.sh"
	chown -R 999:999 "$fs/var/lib/postgresql" "$fs/run/postgresql"
	import "$fs" "$image" "ENV PATH=/usr/local/bin:$bindir:/usr/bin:/bin LANG=C.UTF-8 PGDATA=/var/lib/postgresql/data" \
		'EXPOSE 5432' 'STOPSIGNAL SIGINT' 'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["postgres"]'
}

# In place of prom/prometheus: Debian's, which is older, as its user and with its folder for data.
build_prometheus() {
	local image=$1 fs=$work/prometheus
	present "$image" && return
	need busybox busybox-static
	userland "$fs"
	with_libraries "$fs" "$prometheus"
	mv "$fs$prometheus" "$fs/usr/local/bin/"
	mkdir "$fs/prometheus"
	chown 65534:65534 "$fs/prometheus"
	import "$fs" "$image" 'ENV PATH=/usr/local/bin:/usr/bin:/bin' 'EXPOSE 9090' 'ENTRYPOINT ["prometheus"]'
}

"$root/deploy/need-promtool.sh" "$root/bin/.tools"
prometheus=$(PATH="$PATH:$root/bin/.tools" command -v prometheus)

"$root/deploy/need-postgres.sh"
bindir=$(postgres_bindir)
if [[ -z $bindir ]]; then
	say "please install Debian's package postgresql: the image is made of its files in /usr/lib/postgresql"
	exit 1
fi
nats_version=$(go -C "$root" list -m -f '{{.Version}}' github.com/nats-io/nats-server/v2)
go_version=$(go env GOVERSION GOARCH)

# tag FUNCTION FILE...: what an image is made from, besides what comes on stdin.
tag() {
	{
		declare -f userland with_libraries import "$1"
		shift
		cat - "$@"
	} | sha256sum | cut -c1-12
}

go_image=outset-local-go:$(tag build_go "$root/go.mod" "$root/go.sum" <<<"$go_version")
nats_image=outset-local-nats:$(tag build_nats "$here/local-images/nats-entrypoint.sh" <<<"$go_version $nats_version")
postgres_image=outset-local-postgres:$(tag build_postgres "$here/local-images/postgres-entrypoint.sh" <<<"$("$bindir/postgres" --version)")
prometheus_image=outset-local-prometheus:$(tag build_prometheus "$prometheus" <<<"$prometheus")

build_go "$go_image"
build_nats "$nats_image" "$nats_version"
build_postgres "$postgres_image" "$bindir"
build_prometheus "$prometheus_image"

cat >"$env_file" <<END
GO_IMAGE=$go_image
NATS_IMAGE=$nats_image
POSTGRES_IMAGE=$postgres_image
PROMETHEUS_IMAGE=$prometheus_image
END
say "wrote ${env_file#"$root"/}"
