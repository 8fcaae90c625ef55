# Every target with a comment behind two hashes is shown by `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
BIN := bin
RACE_BIN := $(CURDIR)/$(BIN)/orchestrator-race
LINT := $(CURDIR)/$(BIN)/golangci-lint
PKGS ?= ./...

.PHONY: help
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build bin/orchestrator
	$(GO) build -trimpath -o $(BIN)/orchestrator ./cmd/orchestrator

.PHONY: test
test: toolchain lint $(BIN)/orchestrator-race ## Lint, then all tests under the race detector, the built binary included
	ORCHESTRATOR_BINARY=$(RACE_BIN) $(GO) test -race -timeout 20m $(PKGS)

.PHONY: test-long
test-long: toolchain build ## The long tests: many seeds, restarts and faults (not under the race detector)
	ORCHESTRATOR_BINARY=$(CURDIR)/$(BIN)/orchestrator ORCHESTRATOR_LONG=1 $(GO) test -timeout 85m $(PKGS)

.PHONY: lint
lint: $(LINT) ## Run golangci-lint, built from the version that tools/go.mod pins
	GOFLAGS="-race" $(LINT) run --timeout 15m

.PHONY: generate
generate: ## Generate the Go code of the message contract
	bash tools/generate.sh

.PHONY: picture
picture: build ## Record the command line at work and draw the README's picture of it
	$(GO) run ./scripts/picture -binary $(BIN)/orchestrator -out docs/cli.svg

.PHONY: check-generate
check-generate: ## Check that generated code is fresh, without building the generators
	$(GO) test -run 'TestGenerated' ./api/...

.PHONY: bench
bench: ## Compare with gotd's client in one run (bench/latest.json, docs/PERFORMANCE.md), then run the Go benchmarks
	$(GO) build -o $(BIN)/bench ./bench
	$(BIN)/bench -runs $${RUNS:-5} -out bench/latest.json -doc docs/PERFORMANCE.md
	$(GO) test -run '^$$' -bench . -benchmem ./mtproto/... ./updates/... ./eventlog/... ./telegram/rawjson/...

.PHONY: bench-check
bench-check: ## Measure one key of the comparison again, e.g. make bench-check KEY=rpc_allocs
	$(GO) build -o $(BIN)/bench ./bench
	$(BIN)/bench -runs $${RUNS:-5} -only "$(KEY)"

.PHONY: fuzz
fuzz: ## Fuzz each target for FUZZTIME (default 20s)
	bash scripts/fuzz.sh $${FUZZTIME:-20s}

.PHONY: test-arm64
test-arm64: ## Test the assembly for arm64, elsewhere under qemu-user
	bash scripts/test-arm64.sh

.PHONY: dev
dev: build ## Run the demo from a fresh build
	$(BIN)/orchestrator demo

.PHONY: toolchain
toolchain:
	@bash scripts/ensure-toolchain.sh

.PHONY: $(BIN)/orchestrator-race
$(BIN)/orchestrator-race:
	$(GO) build -race -o $(RACE_BIN) ./cmd/orchestrator

$(LINT): tools/go.mod tools/go.sum
	$(GO) build -C tools -o $(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint
