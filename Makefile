# The commands of this repository; the work is done by scripts/, which also say what they do.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help up down build test lint fmt bench soak

# Where the Hythe of `make up` listens.
GATEWAY ?= 127.0.0.1:7070
EDGE_HTTP ?= 127.0.0.1:8080
export GATEWAY EDGE_HTTP

help: ## Show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## Install what is missing, build, start Hythe, deploy examples/hello
	@scripts/up

down: ## Stop all that `make up` started; the data is kept
	@scripts/down

build: ## Build the dashboard and the release binary
	@scripts/web-build
	cargo build --release --locked

test: ## Lint, then all tests, with real Docker, nats-server and browser
	@scripts/test

lint: ## Formatting, clippy, cargo-deny, types and rules of the dashboard, shellcheck
	@scripts/lint

fmt: ## Format the code
	cargo fmt --all
	@if [ -e web/package.json ]; then npm --prefix web run --if-present --silent fmt; fi

bench: ## Measure; see benches/README.md
	@scripts/bench

soak: ## The tests in their long form
	@HYTHE_SOAK=1 scripts/test rust
