# What to do with a clean Debian 12 machine that has Rust: everything else that a build or a test
# needs is installed from Debian here, and only when it is missing.

SHELL := /bin/bash
CARGO ?= cargo

# Commands and files that a build needs, and those that the tests need beside them, with their
# packages.
BUILD_NEEDS := protoc:protobuf-compiler \
	/usr/include/google/protobuf/descriptor.proto:libprotobuf-dev git:git cc:build-essential
TEST_NEEDS  := $(BUILD_NEEDS) etcd:etcd-server etcdctl:etcd-client dig:bind9-dnsutils \
	update-ca-certificates:ca-certificates valgrind:valgrind
# The servers that ContainerDNS is measured beside; perf counts system calls.
BENCH_NEEDS := $(BUILD_NEEDS) etcd:etcd-server knotd:knot nsd:nsd named:bind9 unbound:unbound \
	dnsmasq:dnsmasq-base setpriv:util-linux taskset:util-linux perf:linux-perf

# $(call need,LIST): installs the packages of LIST whose command or file is missing. Debian's etcd-server
# starts a service when it is installed: a policy-rc.d that says 101 keeps it from doing so, and is
# removed again. Without root and without sudo it names what to install and stops.
define need
	@set -euo pipefail; missing=(); \
	PATH="$$PATH:/usr/sbin:/sbin"; \
	for need in $(1); do \
	  case "$${need%%:*}" in \
	    /*) test -e "$${need%%:*}" ;; \
	    *) command -v "$${need%%:*}" >/dev/null ;; \
	  esac || missing+=("$${need##*:}"); \
	done; \
	if [ "$${#missing[@]}" -gt 0 ]; then \
	  echo "installing from Debian: $${missing[*]}"; \
	  if [ "$$(id -u)" = 0 ]; then as_root=; \
	  elif command -v sudo >/dev/null; then as_root=sudo; \
	  else echo "run as root: apt-get install $${missing[*]}" >&2; exit 1; fi; \
	  policy=/usr/sbin/policy-rc.d; \
	  if [ ! -e "$$policy" ]; then \
	    printf '#!/bin/sh\nexit 101\n' | $$as_root tee "$$policy" >/dev/null; \
	    $$as_root chmod 755 "$$policy"; \
	    trap '$$as_root rm -f "$$policy"' EXIT; \
	  fi; \
	  $$as_root apt-get update -q; \
	  $$as_root env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -q -y --no-install-recommends "$${missing[@]}"; \
	fi
endef

.PHONY: run test bench check fmt deny needs-build needs-test needs-bench

# Builds, and starts a server over its own store, with sample records: nothing else is needed.
run: needs-build
	$(CARGO) build --release --locked -p containerdns -p containerdns-apicmd
	$(CARGO) run --release --locked -p containerdns -- standalone

# Every test of every package, after what `check` holds.
test: needs-test check
	$(CARGO) build --workspace --locked
	$(CARGO) test --workspace --locked

# ContainerDNS beside other DNS servers on one core of this machine, in about ten minutes:
# docs/performance.md. BENCH has its options: `make bench BENCH=--quick`. The program that starts all
# is not what is measured, so it is not worth a release build.
bench: needs-bench
	$(CARGO) build --release --locked -p containerdns -p containerdns-loadtest
	$(CARGO) bench --profile dev --locked -p containerdns-loadtest --bench peers -- $(BENCH)

# Format and lints.
check: needs-build
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

fmt:
	$(CARGO) fmt --all

# Licences, sources and known vulnerabilities of the dependencies. Not part of `test`: its advisory
# database comes from elsewhere and changes on its own, so that a good tree could fail tomorrow.
deny:
	command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check

needs-build:
	$(call need,$(BUILD_NEEDS))

needs-test:
	$(call need,$(TEST_NEEDS))

needs-bench:
	$(call need,$(BENCH_NEEDS))
