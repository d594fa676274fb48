# grafnode. `make help` lists what there is.
SHELL := /bin/bash
GO    ?= go
TOOLS := $(CURDIR)/bin
GOLANGCI_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
NFPM_VERSION := v2.43.0
VERSION ?= $(shell sed -n 's/^const Release = "\(.*\)"/\1/p' internal/version/version.go)
FUZZTIME ?= 10s
RUNS ?= 20
HOURS ?= 1
SEEDS ?= 1000000
# Tests are built as the programs are that they start, so that nothing is compiled twice.
export CGO_ENABLED ?= 0
export GOFLAGS ?= -trimpath

.PHONY: help build build-rdma deb test test-hosts test-compose vagrant-test test-rdma ci clocked unclocked race lint fuzz planted simulate scale bench bench-peers bench-failover demo torture

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

build: ## the binary, static, in bin/grafnode
	CGO_ENABLED=0 $(GO) build -trimpath -o $(TOOLS)/grafnode ./cmd/grafnode

build-rdma: ## the binary that also speaks to RDMA adapters, in bin/grafnode-rdma; see docs/rdma.md
	CGO_ENABLED=1 $(GO) build -trimpath -tags rdma -o $(TOOLS)/grafnode-rdma ./cmd/grafnode

deb: build ## the Debian package, dist/grafnode.deb
	mkdir -p dist
	test -x $(TOOLS)/nfpm || GOBIN=$(TOOLS) GOFLAGS= $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
	$(TOOLS)/grafnode completion bash >dist/completion.bash
	VERSION=$(VERSION) GOARCH=$$($(GO) env GOARCH) SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 0) \
	  $(TOOLS)/nfpm package --config deploy/debian/nfpm.yaml --packager deb --target dist/grafnode.deb

test-hosts: ## three systemd machines with the package, installed by docs/install.md, broken and upgraded (root, systemd-nspawn)
	GRAFNODE_CI=1 $(GO) test -v -count=1 -timeout 15m ./integration/hosts

test-compose: ## the image and the compose file of deploy/docker, a node killed, paused, cut off under a pipeline; minutes (a Docker engine, or root and dockerd)
	GRAFNODE_COMPOSE=1 $(GO) test -v -count=1 -timeout 15m ./integration/compose

vagrant-test: ## the Vagrantfile's machines, brought up by VAGRANT_DEFAULT_PROVIDER (libvirt, docker), and vagrant/demo.sh on them; minutes
	GRAFNODE_VAGRANT=1 $(GO) test -v -count=1 -timeout 30m ./integration/vagrant

test-rdma: ## edges over RDMA adapters, which emulated machines have; four to five minutes, see docs/rdma.md
	GRAFNODE_CI=1 $(GO) test -v -count=1 -timeout 40m ./integration/rdma

test: ## every test that needs no root and little time; under five minutes
	$(GO) test -p 3 -timeout 5m ./... # they wait for each other's elections more than they compute

race: ## the same tests under the race detector
	CGO_ENABLED=1 $(GO) test -race -short -p 3 -timeout 15m ./...

lint: $(TOOLS)/golangci-lint $(TOOLS)/govulncheck ## the linters of .golangci.yml, known weaknesses of dependencies, and that every platform builds
	$(TOOLS)/golangci-lint run ./...
	$(TOOLS)/govulncheck ./... || { [ $$? != 3 ] && echo "govulncheck: skipped"; } # 3: it found some; else its database is out of reach
	for os in darwin freebsd windows; do GOOS=$$os $(GO) build ./... || exit 1; done

$(TOOLS)/golangci-lint:
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

$(TOOLS)/govulncheck:
	GOBIN=$(TOOLS) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

# Without a limit an input whose coverage is not the same each time, as where goroutines are, is made smaller for a minute.
fuzz: ## every fuzz target for FUZZTIME each
	@set -e; for p in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
	  $(GO) test -c -fuzz . -o $(TOOLS)/fuzz.test $$p; \
	  for f in $$(cat $$p/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p'); do \
	    echo "$$p $$f"; (cd $$p && $(TOOLS)/fuzz.test -test.run '^$$' -test.fuzz "^$$f\$$" -test.fuzztime $(FUZZTIME) \
	      -test.fuzzminimizetime 10x -test.fuzzcachedir $$($(GO) env GOCACHE)/fuzz/grafnode/$$p); \
	  done; done

planted: ## the bugs that are planted on purpose are each found
	$(GO) test -tags planted -count=1 ./internal/planted
	$(GO) test -tags planted -count=1 -timeout 15m -run Plant ./registry ./registry/simulate ./stream

simulate: ## a simulated cluster, for a million steps twice
	$(GO) test -count=1 -timeout 10m -run '^TestWorld$$' ./registry/simulate -args -seed 1000 -steps 2000000 -each 1000000

scale: ## how a registry grows from a thousand edges to a hundred thousand; ten minutes, see docs/scale.md
	GRAFNODE_SCALE=1000,10000,100000 $(GO) test -v -count=1 -timeout 30m -run '^TestScale' ./integration/scale

bench: ## the Go benchmarks
	$(GO) test -run '^$$' -bench . -benchtime 1s ./fabric/... ./edge/... ./handoff/...

bench-peers: ## what grafnode is measured beside, in bin/peers; see docs/performance.md
	mkdir -p $(TOOLS)/peers
	cd bench && $(GO) build -o $(TOOLS)/peers/ ./etcd ./etcd-load ./shmipc ./nats-load ./jetstream-load
	cd bench && $(GO) build -o $(TOOLS)/peers/nats-server github.com/nats-io/nats-server/v2

bench-failover: build ## how long faults interrupt an edge, between real processes; fifteen minutes, see docs/reliability.md
	$(TOOLS)/grafnode bench failover

demo: build ## the demo on generated input
	$(TOOLS)/grafnode demo

ci: ## what root, namespaces and more minutes allow; run by .ci/run after `make test`
	$(MAKE) --jobs=2 --output-sync=line clocked unclocked

# Of the two halves of ci that run side by side one waits much of its time, and the other knows no clock and takes what is left.
clocked: race
	GRAFNODE_CI=1 $(GO) test -count=1 -timeout 20m $$($(GO) list ./integration/... | grep -v /integration/rdma)
	GRAFNODE_CI=1 $(GO) test -count=1 -run 'AnotherAddress|NoTwoClusters' ./node
	$(GO) test -count=1 -tags crashsteps -run Dies ./fabric/shm
	$(GO) test -count=1 -tags fabricdebug ./fabric/... ./edge/...
	GRAFNODE_CI=1 $(GO) test -count=1 -run 'Hostile|Cycles' ./fabric/shm
	GRAFNODE_CI=1 $(GO) test -v -short -count=1 -timeout 20m ./integration/rdma # without the pipeline: beside all else its hosts starve
	./integration/install.sh
	if command -v vagrant >/dev/null; then $(MAKE) deb && vagrant validate --ignore-provider; fi

unclocked:
	nice -n 19 $(MAKE) lint
	GRAFNODE_CI=1 nice -n 19 $(GO) test -count=1 -timeout 30m ./handoff/explore
	GRAFNODE_CI=1 nice -n 19 $(GO) test -count=1 -timeout 30m -p 1 -run '^(TestChaos|TestSimulation)$$' ./edge ./stream # 10,000 seeds of each
	nice -n 19 $(MAKE) simulate
	nice -n 19 $(MAKE) planted
	nice -n 19 $(MAKE) fuzz FUZZTIME=2s

torture: build ## hours: the integration suite and the demo, over and over, with random faults
	GRAFNODE_TORTURE=1 $(GO) test -count=1 -timeout 0 ./handoff/explore
	GRAFNODE_CI=1 $(GO) test -count=$(RUNS) -timeout 0 ./integration/... ./stream/... ./edge/...
	GRAFNODE_FROM=$$(date +%s)000 GRAFNODE_RUNS=$(SEEDS) $(GO) test -count=1 -timeout 0 -p 1 -run '^(TestChaos|TestSimulation)$$' ./edge ./stream
	for store in bolt wal; do \
	  GRAFNODE_CI=1 $(GO) test ./integration -run '^TestRegistryTorture$$' -count=$(RUNS) -timeout 0 -store $$store -phases 40 || exit 1; done
	$(GO) test -count=1 -timeout 0 -run '^TestTorture$$' ./registry/simulate -args -for $(HOURS)h
	for i in $$(seq $(RUNS)); do $(TOOLS)/grafnode demo --seed $$RANDOM || exit 1; done
