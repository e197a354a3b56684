# Every target does the set-up that it needs; `make setup` alone does nothing else.
.PHONY: help setup build images test e2e cluster cluster-down manifests demo demo-standalone bench soak mutants faults reference lint format format-check clean install uninstall

CARGO := cargo

# Static binaries for the images.
MUSL := x86_64-unknown-linux-musl

# Where `make install` puts things, below DESTDIR if that is set, and where it takes the binaries from.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
BUILD ?= target/release
BIN := $(DESTDIR)$(PREFIX)/bin
UNITS := $(DESTDIR)$(PREFIX)/lib/systemd/system
MAN := $(DESTDIR)$(PREFIX)/share/man/man1
BASH := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSH := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISH := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
CONFIG := $(DESTDIR)$(SYSCONFDIR)/udplb

help: ## This list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

setup: ## Install the tool chain and the packages that are missing
	@.ci/setup

build: setup ## Build target/release/udplb-agent and udplb-operator
	$(CARGO) build --release

images: setup ## Container images, one archive each, in target/images
	@.ci/setup images
	$(CARGO) build --release --target $(MUSL) --package udplb-agent --package udplb-operator \
		--package udplb-images --bin udplb-agent --bin udplb-operator --bin udplb-pause --bin udplb-images
	target/$(MUSL)/release/udplb-images --output target/images \
		--agent target/$(MUSL)/release/udplb-agent --operator target/$(MUSL)/release/udplb-operator \
		--pause target/$(MUSL)/release/udplb-pause

test: build ## Every test that needs no kubelet; needs root
	@.ci/setup test
	@tests/cluster/build etcd kube-apiserver kubectl helm helm-3 kubernetes-validate >/dev/null
	$(CARGO) test --release

e2e: images ## Tests on real clusters of several nodes; needs root, builds for 20 minutes once
	@tests/cluster/build all >/dev/null
	$(CARGO) test --release --test cluster --test product -- --nocapture

cluster: images ## A cluster on this machine with udplb on it, to try things on; needs root
	@tests/cluster/build all >/dev/null
	@$(CARGO) run --release --quiet --package udplb-tests --bin udplb-cluster -- up

cluster-down: ## Remove that cluster
	@$(CARGO) run --release --quiet --package udplb-tests --bin udplb-cluster -- down

manifests: setup ## Write what is generated from Rust and the chart: crds, deploy/kubernetes, the table of values
	$(CARGO) run --release --quiet --package udplb-operator -- crd --output-dir crds
	@tests/cluster/build helm >/dev/null
	@$(CARGO) run --release --quiet --package udplb-tests --bin udplb-manifests

demo: images ## kubectl apply moves packets on a real cluster of three nodes; needs root
	@tests/cluster/build all >/dev/null
	@$(CARGO) run --release --quiet --package udplb-tests --bin udplb-demo -- cluster

demo-standalone: build ## Clone and forward real packets by a file, without Kubernetes; needs root
	@target/release/udplb-demo standalone

bench: build ## Nanoseconds a packet, and packets a second beside bare programs; needs root
	@target/release/udplb-bench

soak: build ## Traffic for 10 minutes (SOAK_SECONDS) while everything changes, breaks and restarts; needs root
	@target/release/udplb-soak

mutants: setup ## Seed defects into the datapath: each must turn tests red; needs root, takes 15 minutes
	$(CARGO) run --release --quiet --package udplb-tests --bin udplb-mutants

faults: build ## The agent dies, or is refused what it asks for, at every operation of the kernel; needs root, takes 30 minutes
	$(CARGO) build --release --example fault_points
	@target/release/udplb-faults

reference: build ## Ten million random frames through the program and a reference that shares nothing with it; needs root
	UDPLB_REFERENCE_FRAMES=10000000 $(CARGO) test --release --package udplb-tests --test reference

lint: setup ## Clippy with warnings denied, for the host and for the kernel
	$(CARGO) clippy --release --all-targets -- -D warnings
	RUSTC_BOOTSTRAP=1 $(CARGO) clippy --release --package udplb-agent-ebpf --bins \
		--target bpfel-unknown-none -Z build-std=core -- -D warnings

format: setup ## Format the code
	$(CARGO) fmt --all

format-check: setup
	$(CARGO) fmt --all --check

install: ## The agent with unit, man pages, completions; after `make build`
	@test -x $(BUILD)/udplb-agent -a -x $(BUILD)/udplb-pages || \
		{ echo "nothing is built in $(BUILD): run \`make build\` first" >&2; exit 1; }
	install -d $(BIN) $(UNITS) $(MAN) $(BASH) $(ZSH) $(FISH) $(CONFIG)
	install -m 755 $(BUILD)/udplb-agent $(BIN)/udplb-agent
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|; s|/etc/udplb/|$(SYSCONFDIR)/udplb/|' \
		deploy/systemd/udplb-agent.service >$(UNITS)/udplb-agent.service
	chmod 644 $(UNITS)/udplb-agent.service
	@set -e; pages=$$(mktemp -d); trap 'rm -rf "$$pages"' EXIT; $(BUILD)/udplb-pages "$$pages"; \
		install -m 644 "$$pages"/*.1 $(MAN); \
		install -m 644 "$$pages/udplb-agent.bash" $(BASH)/udplb-agent; \
		install -m 644 "$$pages/_udplb-agent" $(ZSH); \
		install -m 644 "$$pages/udplb-agent.fish" $(FISH)
	@test -e $(CONFIG)/forwards.yaml || install -m 644 deploy/examples/forwards.yaml $(CONFIG)

uninstall: ## What `make install` put there; the configuration stays
	rm -f $(BIN)/udplb-agent $(UNITS)/udplb-agent.service $(MAN)/udplb-agent.1 $(MAN)/udplb-agent-*.1 \
		$(BASH)/udplb-agent $(ZSH)/_udplb-agent $(FISH)/udplb-agent.fish

clean: ## Remove what was built; the cache outside the tree stays
	$(CARGO) clean
