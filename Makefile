# `make help` lists the targets. `make run` and `make test` work on a fresh machine: they install or
# name what is missing. Kept to what GNU make 3.81 (macOS) understands.

MODULE := github.com/outset-settings/outset

# Settings of the targets below: make test PACKAGES=./internal/batch
PACKAGES     ?= ./...
SHORT        ?= -short
TEST_TIMEOUT ?= 20m
FUZZTIME     ?= 1m
BENCH        ?= .
WORKERS      ?= 2
ARGS         ?=
DURATION     ?= 2m
SEED         ?= 0

# In the form of semver.org, which NATS demands of a service: the newest tag vX.Y.Z and what came
# after it, else the commit. Empty outside a checkout: the program then says 0.0.0-dev.
TAGGED  := $(shell git describe --tags --match 'v[0-9]*.[0-9]*.[0-9]*' --dirty 2>/dev/null)
COMMIT  := $(shell git describe --always --exclude '*' --dirty 2>/dev/null)
VERSION := $(if $(TAGGED),$(patsubst v%,%,$(TAGGED)),$(if $(COMMIT),0.0.0-dev+$(COMMIT)))
LDFLAGS := -s -w -X $(MODULE)/internal/program.version=$(VERSION)

# VERSION has the commit already, and Go refuses to stamp a checkout of another user.
export GOFLAGS := $(strip $(shell go env GOFLAGS 2>/dev/null) -buildvcs=false)

# Built once per version: that takes minutes, running it takes seconds.
LINT_VERSION := v2.15.0
LINT         := bin/.tools/golangci-lint-$(LINT_VERSION)
VULNCHECK    := $(CURDIR)/bin/.tools/govulncheck-v1.9.0

# Not `.`, in which there may be a data directory that only Postgres may read.
GO_FOLDERS = $(wildcard client clients cmd deploy examples internal pkg e2e bench)

# What the two thin programs must not link, however indirectly. The rest of the import table is in
# .golangci.yml.
NOT_IN_API    := github.com/jackc/pgx|database/sql$$|$(MODULE)/pkg/store|github.com/nats-io/nats-server
NOT_IN_WORKER := github.com/gofiber/fiber|github.com/valyala/fasthttp|github.com/nats-io/nats-server

.DEFAULT_GOAL := help
.PHONY: help run build sbom test chaos chaos-long soak browser proxies fuzz bench bench-quick bench-go lint fmt e2e secrets up clean

help: ## Print this list
	@echo 'Outset: settings over HTTP, through a NATS queue group, by N workers, into Postgres.'
	@echo
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## Start all of it here: API, workers, NATS, Postgres (ARGS="--http 127.0.0.1:9999")
	@[ -n "$$DATABASE_URL" ] || deploy/need-postgres.sh
	@$(MAKE) --no-print-directory build
	@bin/outset up $(ARGS)

build: ## Build bin/api, bin/worker and bin/outset
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

sbom: build ## Write what each program is made of, in CycloneDX, to bin/*.cdx.json
	go run ./internal/sbom -version '$(VERSION)' bin/api bin/worker bin/outset

# As many packages at a time as there are processors: with four on two cores, internal/api took 468 s
# instead of 79 alone, and machines that stood still for seconds made tests fail. Without
# atexit_sleep_ms the race detector waits a second at the end of each package, and without -w linking
# a package's tests takes half as long again (internal/program: 3.0 s of processor time, not 1.9).
test: export GORACE := atexit_sleep_ms=10
test: ## Run the tests, with the race detector and a real Postgres (SHORT= adds what takes minutes, ARGS="-run Name")
	@deploy/need-postgres.sh race
	CGO_ENABLED=1 go test $(SHORT) -race -ldflags=-w -shuffle=on -count=1 -timeout $(TEST_TIMEOUT) $(ARGS) $(PACKAGES)
	CGO_ENABLED=1 go test -race -tags failpoint -count=1 ./internal/failpoint
	cd client && CGO_ENABLED=1 go test -race -count=1 ./...

chaos: ## Break every part in turn under load, and judge the answers (SEED=n repeats a schedule, DURATION=2m)
	@deploy/need-postgres.sh
	go test -short -v -run '^TestChaos' -count=1 -timeout 0 $(ARGS) ./e2e -chaos.seed $(SEED) -chaos.duration $(DURATION)

chaos-long: DURATION = 30m
chaos-long: chaos ## The same for DURATION=30m

soak: DURATION = 30m
soak: ## The same for DURATION=30m with an API and a worker that stay: what these use must not grow
	@deploy/need-postgres.sh
	go test -short -v -run '^TestSoak' -count=1 -timeout 0 $(ARGS) ./e2e -chaos.seed $(SEED) -soak.duration $(DURATION)

browser: ## Test the pages and the client in a real browser (ARGS="-run Name"; SCREENSHOTS=/a/folder keeps pictures)
	@deploy/need-browser.sh
	@deploy/need-postgres.sh
	go test -short -tags browser -run '^TestBrowser' -count=1 -timeout $(TEST_TIMEOUT) $(ARGS) ./internal/api ./e2e

proxies: ## Test real proxies before the API: nginx, Caddy and HAProxy (ARGS="-run Name")
	@for tool in nginx caddy haproxy; do PATH="$$PATH:/usr/sbin" deploy/need-tool.sh $$tool || exit; done
	@deploy/need-postgres.sh
	go test -tags proxies -run '^TestProxies' -count=1 -timeout $(TEST_TIMEOUT) $(ARGS) ./internal/api

# Go before 1.27 may call the end of FUZZTIME a failure (go.dev/issue/75804): that is repeated once.
# Fuzzing builds all that a folder imports anew, with counters: internal/api takes minutes until that
# is in Go's cache, without a line of output. FUZZTIME begins afterwards.
fuzz: ## Fuzz each fuzz test for FUZZTIME=1m
	@set -e; log=$$(mktemp); trap 'rm -f "$$log"' EXIT; found=0; \
	fuzz() { \
		{ go test -run '^$$' -fuzz "^$$2\$$" -fuzztime $(FUZZTIME) "./$$1" 2>&1 || echo "$$2 failed"; } | tee "$$log"; \
		! grep -qx "$$2 failed" "$$log"; \
	}; \
	only_late() { grep -qx ' *context deadline exceeded' "$$log" && ! grep -q 'Failing input' "$$log"; }; \
	for folder in $$(grep -rl --include='*_test.go' '^func Fuzz' $(GO_FOLDERS) | sed 's|/[^/]*$$||' | sort -u); do \
		names=$$(go test -list '^Fuzz' "./$$folder"); \
		for name in $$(echo "$$names" | grep '^Fuzz'); do \
			found=1; echo "== $$folder: $$name, $(FUZZTIME) once it is built"; \
			fuzz "$$folder" "$$name" || { only_late && echo '== once more' && fuzz "$$folder" "$$name"; } || exit 1; \
		done; \
	done; \
	[ $$found = 1 ] || { echo 'no fuzz test found' >&2; exit 1; }

# Measure on an idle machine. Both print the ratios to the program without a queue, in the columns of
# benchstat's tables, and the file of all results. `go run ./bench/run --help` lists the flags, and the
# benchstat commands for other comparisons. A peer in another language takes part with --hono.
bench: ## Measure it beside its peers, about 40 minutes, into bench/results (ARGS="--experiments reads,writes --rounds 9")
	@deploy/need-postgres.sh
	@deploy/need-tool.sh wrk
	go run ./bench/run $(ARGS)

bench-quick: ## The same in under 3 minutes, roughly: for a first look
	@deploy/need-postgres.sh
	@deploy/need-tool.sh wrk
	go run ./bench/run --name quick --experiments reads,writes,cpu,openloop --users 50000 --rounds 3 --duration 1s --warmup 0s $(ARGS)

bench-go: ## Run the Go benchmarks of single packages (BENCH=pattern, PACKAGES=./..., ARGS="-count 6")
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(ARGS) $(PACKAGES)

# Without cgo, so that it needs no C compiler.
lint: $(LINT) ## Check style, bugs, security, the import table, go.mod, shell scripts and rules
	@unformatted=$$(gofmt -s -l $(GO_FOLDERS)) && { [ -z "$$unformatted" ] || { echo "not formatted, see make fmt: $$unformatted" >&2; exit 1; }; }
	go mod tidy -diff
	CGO_ENABLED=0 go vet -tags e2e,browser,failpoint,proxies ./...
	CGO_ENABLED=0 $(LINT) run ./...
	cd client && go mod tidy -diff && CGO_ENABLED=0 go vet ./... && CGO_ENABLED=0 ../$(LINT) run ./...
	CGO_ENABLED=0 deploy/vulnerabilities.sh $(VULNCHECK)
	@echo 'what cmd/api and cmd/worker link'
	@set -e; \
	refuse() { \
		linked=$$(CGO_ENABLED=0 go list -deps ./$$1); \
		if echo "$$linked" | grep -E "^($$2)" >&2; then echo "$$1 must not link the above" >&2; exit 1; fi; \
	}; \
	refuse cmd/api '$(NOT_IN_API)'; \
	refuse cmd/worker '$(NOT_IN_WORKER)'
	@status=0; deploy/need-tool.sh shellcheck || status=$$?; \
	case $$status in \
	0) scripts=$$(find .ci/run deploy e2e -type f \( -name '*.sh' -o -path .ci/run \) | sort) && echo shellcheck $$scripts && shellcheck $$scripts ;; \
	3) echo 'the shell scripts were not checked' ;; \
	*) exit $$status ;; \
	esac
	@status=0; deploy/need-promtool.sh bin/.tools || status=$$?; export PATH="$$PATH:bin/.tools"; \
	case $$status in \
	0) promtool check config deploy/prometheus/prometheus.yml && promtool test rules deploy/prometheus/rules_test.yml ;; \
	3) echo 'the rules for Prometheus were not checked' ;; \
	*) exit $$status ;; \
	esac

fmt: $(LINT) ## Format the Go files
	$(LINT) fmt
	cd client && ../$(LINT) fmt

# With the Go of go.mod: a linter that was built by an older one refuses newer code.
$(LINT):
	@echo 'building golangci-lint $(LINT_VERSION), once: some minutes'
	@mkdir -p $(@D)
	CGO_ENABLED=0 GOTOOLCHAIN=$$(go env GOVERSION) GOBIN="$(CURDIR)/$(@D)" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@mv $(@D)/golangci-lint $@

e2e: ## Test the whole of compose.yaml: scaling, killing, restarting (needs Docker)
	e2e/run.sh

secrets: ## Make the keys, certificates and passwords of compose.yaml that are missing (SECRETS=a/folder)
	@go run ./deploy/make-secrets "$${SECRETS:-deploy/secrets}"

up: secrets ## Start all of it in containers, with WORKERS=2
	@docker compose version >/dev/null 2>&1 || { echo 'docker compose is missing: install the Docker Compose plugin, v2 or newer' >&2; exit 1; }
	VERSION=$(VERSION) docker compose up --build --scale worker=$(WORKERS) $(ARGS)

clean: ## Remove what was built; data stays
	rm -rf bin e2e/.local-images.env
