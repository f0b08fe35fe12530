# Everything a person or CI runs. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
FUZZ_SECONDS ?= 120
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPILED := build/compiled
SOURCES := ledger consumers migrations tests tools docs/figures $(wildcard benchmarks)

.DEFAULT_GOAL := help
.PHONY: help setup demo test compiled test-compiled crash-test check fuzz browser simulate bench bench-quick audit lock clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the pinned packages (the others do it when needed)

# Remade when the pins or the package's own description change, else never.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"Python {v[0]}.{v[1]} found, 3.11 or later needed: make PYTHON=python3.11 ...")'
	@echo "Making $(VENV) with the pinned packages (once)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## show the ledger at work: embedded broker and PostgreSQL, nothing to install
	@$(BIN)/clearing demo $(DEMO)

# Tests that kill, freeze and cut off real servers share two cores with the rest; what fails beside
# them is run once more, alone, and fails the target only if it fails again. Both runs are shown.
test: $(READY) ## run all tests, on two cores; what fails once more, alone
	$(BIN)/pytest -n 2 --dist loadscope || \
		{ echo "== once more, alone: what failed"; $(BIN)/pytest --last-failed --last-failed-no-failures none; }

# A tree of its own, so that nobody edits a source whose compiled twin is what runs.
$(COMPILED)/.ready: $(READY) $(shell find ledger consumers migrations tests benchmarks docs -type f -not -name '*.pyc')
	@echo "Compiling what is on the way of every message (a minute or two, needs a C compiler)"
	@rm -rf $(COMPILED) build/wheel && mkdir -p $(COMPILED)
	@HATCH_BUILD_HOOK_ENABLE_MYPYC=1 $(BIN)/hatchling build -t wheel -d build/wheel > build/compiled.log 2>&1 || { tail -20 build/compiled.log; exit 1; }
	@tar -cf - --exclude=./build --exclude=./.venv --exclude=./.git . | tar -xf - -C $(COMPILED)
	@$(BIN)/python -m zipfile -e build/wheel/*.whl $(COMPILED)
	@touch $@

compiled: $(COMPILED)/.ready ## compile the core into build/compiled: the same source, twice as fast

COMPILED_TESTS := tests/unit/core tests/unit/codec tests/unit/test_writer*.py tests/property tests/scenarios tests/contract \
	tests/market tests/replay tests/integration/consume/test_consume.py
test-compiled: $(COMPILED)/.ready ## hold the compiled core to the tests of rules, vectors, logs and consumers
	cd $(COMPILED) && PYTHONPATH=. $(abspath $(BIN))/pytest -n 2 --dist loadscope -m "not kafka" $(COMPILED_TESTS)

crash-test: $(READY) ## kill, freeze and cut off real runs, hundreds of rounds (CRASH="--rounds 50")
	$(BIN)/python -m tests.crash --broker apache $(CRASH)

check: $(READY) ## formatting, lint, types, import rules, schemas up to date
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/clearing schemas --check

fuzz: $(READY) ## fuzz codec, rules and importers, led by coverage, FUZZ_SECONDS each (120)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r tests/fuzz/requirements.txt
	@$(BIN)/python -m tests.fuzz.seeds build/fuzz
	@for claim in message event hyperliquid binance bitmex; do \
		mkdir -p build/fuzz/found-$$claim; \
		$(BIN)/python -m tests.fuzz.guided $$claim build/fuzz/found-$$claim build/fuzz/$$claim \
			-max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
			-artifact_prefix=build/fuzz/$$claim- || exit 1; \
	done

# Playwright speaks to Debian's own Chromium; it downloads no browser of its own.
browser: $(READY) ## open every page of the console in a real browser, Chromium (installed where it is missing, as root)
	@command -v chromium > /dev/null || { [ "$$(id -u)" = 0 ] && apt-get install --yes --quiet chromium; } || \
		{ echo "Chromium is missing: as root, apt-get install chromium"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r tests/browser/requirements.txt
	$(BIN)/pytest tests/browser

simulate: $(READY) ## play seeded worlds full of faults: fixed seeds a minute, fresh ones a minute
	$(BIN)/clearing simulate 1 --for 60
	$(BIN)/clearing simulate $$(date +%s) --for 60

bench: $(READY) ## measure everything on this machine, five minutes; on the compiled core where it is made
	$(BIN)/python -m benchmarks

bench-quick: $(READY) ## the same with small sizes, a minute
	$(BIN)/python -m benchmarks --quick

lock: $(READY) ## pin the newest packages that pyproject.toml allows, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade \
		--generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

audit: $(READY) ## ask whether a pinned package has a known vulnerability (needs the network)
	@$(BIN)/python tools/audit_dependencies.py requirements.lock \
		$(BIN)/uv tool run --quiet pip-audit==2.10.1 || [ $$? -eq 3 ]

clean: ## remove .venv and what the tools left
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
