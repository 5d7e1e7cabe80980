# Tradewind. Every target does its own set-up on a Debian machine with Rust and Go, as root or with sudo,
# and says what it installs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CACHE ?= $(HOME)/.cache/tradewind
export TRADEWIND_CACHE ?= $(CACHE)
TARGET := $(or $(CARGO_TARGET_DIR),target)
DEV := $(TARGET)/debug/dev
TOOLS := $(TRADEWIND_CACHE)/tools
CARGO_DENY := 0.20.2
CARGO_MUTANTS := 27.1.0
NAME ?= tradewind
FEATURES := plan operator agent
# What the tests start; helm only here, for the chart.
PROGRAMS := control-plane,node,object-store,helm
# Tests that start programs wait three quarters of their time: four at once keep two cores busy, and more than one a core is
# no use where there are more.
export RUST_TEST_THREADS ?= $(shell n=$$(nproc); echo $$((n > 4 ? n : 4)))

# With real pods, whose start it waits for: it has a process of its own beside the others, so that two cores have work all the time.
BESIDE := cluster
SUITES := $(filter-out $(BESIDE) plan repo,$(basename $(notdir $(wildcard tests/*.rs dev/tests/*.rs))))
UNIT := --lib --bins --test plan --test repo
# Two attacks on evidence that take most of a minute: `make test` has them.
SLOW := every_bit_of_32_kib_counts every_record_of_a_large_export_counts
# `check`: that ran just before, so its tests need not run again (`.ci/run`).
AFTER :=

.PHONY: help up down status check test build setup programs fmt clippy features docs crds deny mutants bench properties unit tools
# Each step has the machine's cores to itself, and the first that fails is the last.
.NOTPARALLEL:

help: ## This list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: build ## The whole story on real local clusters: hub, eu-west, us-east, and examples/quickstart; with NAME=other a second one beside it
	@$(DEV) up --name $(NAME)

# With the program that is there: clusters can be stopped and looked at while the checkout does not compile.
$(DEV):
	@$(MAKE) --no-print-directory build

down: | $(DEV) ## Stops everything that `make up` started and leaves nothing behind; with NAME=other that of `make up NAME=other`
	@$(DEV) down --name $(NAME)

status: | $(DEV) ## What `make up` left running, and how to reach it
	@$(DEV) status

check: fmt clippy features docs deny unit ## The quick gate
	@echo "check: all good"

test: setup programs ## Everything: unit, agent on real PostgreSQL, operator on real clusters, the quickstart with real pods
	@echo "test: compiling"
	@cargo test --workspace --no-run
	@log=$(TARGET)/$(BESIDE).log; code=0; \
	echo "test: tests/$(BESIDE) runs beside the others; it writes to $$log, which comes at the end"; \
	setsid cargo test --workspace --test $(BESIDE) >"$$log" 2>&1 </dev/null & beside=$$!; \
	trap 'kill -- -$$beside 2>/dev/null || true' EXIT; trap 'exit 130' INT TERM; \
	cargo test --workspace --no-fail-fast $(if $(filter check,$(AFTER)),--lib -- $(SLOW),$(UNIT)) || code=1; \
	cargo test --workspace --no-fail-fast $(SUITES:%=--test %) || code=1; \
	cargo test --workspace --doc || code=1; \
	echo "test: waiting for tests/$(BESIDE)"; wait $$beside || code=1; cat "$$log"; exit $$code

# All of the workspace at once, as `cargo test` has it: the same features, so nothing is compiled twice.
build:
	@echo "build: the programs of this checkout"
	@cargo build --workspace --bins

setup: build ## Installs what the machine lacks
	@$(DEV) setup

programs: build ## Builds the clusters' programs from their Go modules, once
	@$(DEV) build --what $(PROGRAMS)

fmt: ## Formatting
	@echo "fmt"
	@cargo fmt --all --check

clippy: ## Lints, warnings denied
	@echo "clippy"
	@cargo clippy -q --workspace --all-targets -- -D warnings

features: ## Each feature alone, so that neither half leans on the other
	@for f in $(FEATURES); do echo "clippy: feature $$f alone"; \
	  cargo clippy -q --no-default-features --features $$f --lib --bins -- -D warnings; done

docs: ## Rustdoc, warnings denied
	@echo "docs"
	@RUSTDOCFLAGS="-D warnings" cargo doc -q --workspace --no-deps --document-private-items

crds: build ## Writes crds/ from the types; unit tests fail when it is stale
	@$(TARGET)/debug/tradewind crds --dir crds --reference docs/reference.md

tools:
	@$(TOOLS)/bin/cargo-deny --version 2>/dev/null | grep -qxF "cargo-deny $(CARGO_DENY)" || { \
	  echo "installing cargo-deny $(CARGO_DENY) into $(TOOLS) (once, some minutes)"; \
	  CARGO_PROFILE_DEV_DEBUG=0 cargo install -q --debug cargo-deny --version $(CARGO_DENY) --locked --root $(TOOLS); }

deny: tools ## Licences, bans and sources of every dependency
	@echo "deny"
	@$(TOOLS)/bin/cargo-deny --workspace check --hide-inclusion-graph bans licenses sources

bench: setup ## What retention, planning and verification cost, as ratios within one run; not a part of `make test`
	@cargo bench -q --profile dev --bench retain
	@cargo bench -q --profile measured --bench plan
	@cargo bench -q --profile measured --bench evidence

properties: setup ## The race of holds against batches until 10,000 rows were held in time; `make test` has one round of it
	@HOLD_RACE_ROWS=10000 cargo test -q --test agent -- retain::hold_race --nocapture

unit: setup ## Unit tests and the repository's own rules
	@echo "unit"
	@cargo test -q --workspace $(UNIT) -- $(SLOW:%=--skip %)

PURE_ROOMS := api clock contract evidence packs plan status watch
mutants: ## Mutation tests of the pure rooms (hours); docs/mutants.md explains the survivors
	@command -v $(TOOLS)/bin/cargo-mutants >/dev/null || { echo "installing cargo-mutants into $(TOOLS) (once, some minutes)"; \
	  cargo install -q cargo-mutants --version $(CARGO_MUTANTS) --locked --root $(TOOLS); }
	PATH="$(TOOLS)/bin:$$PATH" PROPTEST_CASES=64 CARGO_PROFILE_DEV_DEBUG=0 cargo mutants --no-default-features --features plan --timeout 90 \
	  $(foreach room,$(PURE_ROOMS),-f 'src/$(room).rs' -f 'src/$(room)/**') -o target/mutants $(MUTANTS)
