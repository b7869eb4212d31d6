# Taffrail's build. `make` alone lists what there is.

SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 1s
stage    := tools/stage

# The binary names its revision where git answers. Where it refuses (a checkout that
# belongs to another user) the go command would fail instead of leaving it out.
BUILDVCS := $(shell git status --porcelain >/dev/null 2>&1 && echo true || echo false)

# Nothing else that is built needs it. Without the paths of this checkout, what was compiled in another serves here.
export GOFLAGS := $(strip $(shell go env GOFLAGS) -buildvcs=false -trimpath)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/taffrail, one static binary
	@mkdir -p bin
	@$(stage) "build bin/taffrail $(VERSION)" env CGO_ENABLED=0 \
		go build -trimpath -buildvcs=$(BUILDVCS) -ldflags "$(LDFLAGS)" -o bin/taffrail ./cmd/taffrail
	@said="$$(bin/taffrail version)"; [[ $$said == *"$(VERSION)"* ]] || \
		{ echo "bin/taffrail does not know its version $(VERSION); it says: $$said" >&2; exit 1; }
	@echo "bin/taffrail: $$(wc -c <bin/taffrail | tr -d ' ') bytes ($$(( $$(wc -c <bin/taffrail) / 1048576 )) MiB)"

.PHONY: demo
demo: build ## apply a real stack, change it by hand, scan, verify, tamper
	@$(stage) "demo" examples/demo/run

.PHONY: test
test: check-fmt vet build tools lint vuln fuzz check-tools go-test ## everything that CI needs; ends with the results of the Go tests

.PHONY: go-test
go-test: ## the Go tests alone, with the race detector (RACE=0: without)
	@$(stage) "go test" tools/gotest

.PHONY: check-tools
check-tools: ## the tests of our own small tools
	@$(stage) "test of tools/testsum" go -C tools/testsum test ./...

.PHONY: vet
vet: ## go vet
	@$(stage) "go vet" go vet ./...
	@$(stage) "go vet tools/testsum" go -C tools/testsum vet ./...

.PHONY: lint
lint: ## golangci-lint, as .golangci.yml says
	@$(stage) "lint" bash -c '"$$(tools/lint/build)" run ./...'

.PHONY: vuln
vuln: ## known vulnerabilities in reach of the code (VULN_DB=... for a mirror)
	@$(stage) "vulnerabilities" tools/vuln/run

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (1s) each
	@FUZZTIME=$(FUZZTIME) $(stage) "fuzz" tools/fuzz

.PHONY: check-fmt
check-fmt: ## fail if gofmt would change a file
	@$(stage) "gofmt" tools/gofmt-check

.PHONY: fmt
fmt: ## format the code
	@find . -name '*.go' -not -path './.*' -not -path '*/testdata/*' -exec gofmt -l -w {} +

.PHONY: tools
tools: ## build what tests and demo need beside Go: linter, OpenTofu, a provider (once, into the user's cache)
	@$(stage) "tool: golangci-lint" tools/lint/build
	@$(stage) "tool: govulncheck" tools/vuln/build
	@$(stage) "tool: hashicorp/time" tools/provider-time/build
	@$(stage) "tool: OpenTofu" tools/opentofu/build

.PHONY: kubernetes
kubernetes: ## build a real etcd, API server and a provider for the tests (ten minutes, once, into the user's cache)
	@$(stage) "tool: etcd and kube-apiserver" tools/kube/build
	@$(stage) "tool: gavinbunney/kubectl" tools/kube-provider/build

.PHONY: clean
clean: ## remove what was built here; the user's cache stays
	rm -rf bin dist
