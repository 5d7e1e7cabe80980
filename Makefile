# Tradewind. Every target does its own set-up on a Debian machine with Rust and Go, as root or with sudo,
# and says what it installs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CACHE ?= $(HOME)/.cache/tradewind
export TRADEWIND_CACHE ?= $(CACHE)
DEV := cargo run -q -p tradewind-dev --bin dev --
NAME ?= tradewind
FEATURES := operator agent

.PHONY: help up down status check test unit e2e fmt clippy features docs crds crds-fresh deny mutants bench tools

help: ## This list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## The whole story on real local clusters: hub, eu-west, us-east, and examples/quickstart
	$(DEV) up --name $(NAME)

down: ## Stops everything that `make up` started and leaves nothing behind
	$(DEV) down --name $(NAME)

status: ## What `make up` left running, and how to reach it
	$(DEV) status --name $(NAME)

check: fmt clippy features docs crds-fresh deny unit ## The quick gate

test: ## Everything: unit, agent on real PostgreSQL, operator on real clusters, the quickstart with real pods
	$(DEV) test

fmt: ## Formatting
	cargo fmt --all --check

clippy: ## Lints, warnings denied
	cargo clippy --workspace --all-targets -q -- -D warnings

features: ## Each feature alone, so that neither half leans on the other
	@for f in $(FEATURES); do echo "feature $$f alone"; \
	  cargo clippy -q --no-default-features --features $$f --lib --bins -- -D warnings; done

docs: ## Rustdoc, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc -q --workspace --no-deps --document-private-items

crds: ## Writes crds/ from the types
	cargo run -q --bin tradewind -- crds --dir crds

crds-fresh: ## crds/ is what the types say
	@tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; cargo run -q --bin tradewind -- crds --dir "$$tmp" >/dev/null; \
	  diff -ru crds "$$tmp" || { echo "crds/ is stale: run 'make crds' and commit the result" >&2; exit 1; }

tools: $(CACHE)/tools/bin/cargo-deny

$(CACHE)/tools/bin/cargo-deny:
	@echo "installing cargo-deny into $(CACHE)/tools (once, some minutes)"
	cargo install -q cargo-deny --locked --root $(CACHE)/tools

deny: tools ## Licences, bans and sources of every dependency
	$(CACHE)/tools/bin/cargo-deny --workspace check --hide-inclusion-graph bans licenses sources

unit: ## Unit tests, golden plans and the repository's own rules
	cargo test -q --workspace --lib --bins --test plan --test repo

mutants: ## Mutation tests of the pure rooms (long); survivors are explained in docs/mutants.md
	@command -v $(CACHE)/tools/bin/cargo-mutants >/dev/null || cargo install -q cargo-mutants --locked --root $(CACHE)/tools
	PATH="$(CACHE)/tools/bin:$$PATH" cargo mutants --in-place=false -f 'src/plan/**' -f src/plan.rs -f 'src/status/**' -f src/status.rs -f src/watch.rs -f 'src/contract/**' \
	  -- --lib --test plan
