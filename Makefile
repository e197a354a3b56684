# Every target does the set-up that it needs; `make setup` alone does nothing else.
.PHONY: help setup build test demo bench lint format format-check clean

CARGO := cargo

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

setup: ## Install the tool chain and the packages that are missing
	@.ci/setup

build: setup ## Build target/release/udplb-agent and udplb-operator
	$(CARGO) build --release

test: build ## Every test that needs no kubelet; needs root
	$(CARGO) test --release

demo: build ## Clone and forward real packets between network namespaces; needs root
	@target/release/udplb-demo

bench: build ## Nanoseconds a packet, and packets a second beside bare programs; needs root
	@target/release/udplb-bench

lint: setup ## Clippy with warnings denied, for the host and for the kernel
	$(CARGO) clippy --release --all-targets -- -D warnings
	RUSTC_BOOTSTRAP=1 $(CARGO) clippy --release --package udplb-agent-ebpf --bins \
		--target bpfel-unknown-none -Z build-std=core -- -D warnings

format: setup ## Format the code
	$(CARGO) fmt --all

format-check: setup
	$(CARGO) fmt --all --check

clean: ## Remove what was built; the cache outside the tree stays
	$(CARGO) clean
