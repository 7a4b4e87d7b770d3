# Needs Python 3.11 or later and make; everything else goes into $(VENV).

# The newest supported Python that works: a name on the path may be a shim that only prints an error.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo $$python; break; fi; done)
VENV ?= .venv
# Which dependency group of pyproject.toml the virtual environment gets.
GROUP ?= dev
# How many processes run all tests; more than there are processors, as most tests wait for servers, leases and signals.
WORKERS ?= 4
# A limit for each of the fast tests without a thread for each; it ends the process and prints what every thread does.
LIMIT = -o timeout=0 -o faulthandler_timeout=120 -o faulthandler_exit_on_timeout=true
FAST = $(BIN)/python -m pytest --quiet $(1) -m 'not slow' $(LIMIT) $(PYTEST)
# More arguments for pytest, as in: make test PYTEST='-k shutdown -x'
PYTEST ?=
# More arguments for the benchmarks, as in: make bench BENCH=--long
BENCH ?=

BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(GROUP)
PEERS := .venvs/peers/.ready
# Pyright's type completeness looks for the package in the first Python of the path, whatever its options say.
WITH_PATH = PATH="$(abspath $(BIN)):$$PATH"
SOURCES = $(wildcard src tests examples noxfile.py)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test scale unit unit-schedules unit-tasks unit-others faults faults-long check fix bench coverage clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make the virtual environment with everything that the other targets need

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "tasker needs Python 3.11 or later with its venv module; name one: make PYTHON=path/to/python" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group $(GROUP) --editable '.[all]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --group server \
		|| echo "no servers as wheels for this platform: the tests use installed ones" >&2
	@touch $@

demo: $(READY) ## Run the example service; it stops on Ctrl-C, or after 20 s when not on a terminal
	@if [ -t 0 ] && [ -t 1 ]; then exec $(BIN)/python examples/service.py; \
	else exec $(BIN)/python examples/service.py --seconds 20; fi

# The files come in the order of their names, which puts those that take minutes first, and not last and alone.
test: $(READY) ## Run all tests but those of scale
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST)

scale: $(READY) ## Share 100,000 schedules, and kill instances of sixteen; it measures, so leave the machine alone
	$(BIN)/python -m pytest -m alone $(PYTEST)

unit: $(READY) ## Run the fast tests only
	$(if $(PYTEST),$(call FAST,tests/unit),@$(MAKE) --no-print-directory --jobs=3 unit-schedules unit-tasks unit-others)

# Processes that know nothing of each other: one that hands out each test, and hears of it, costs half as much again.
# What PYTEST selects is run by one, as a part with nothing to run would fail.
unit-schedules:
	$(call FAST,tests/unit/sch*)

unit-tasks:
	$(call FAST,tests/unit/_core tests/unit/combinators)

unit-others:
	$(call FAST,tests/unit --ignore-glob='*/unit/sch*' --ignore-glob='*/unit/_core' --ignore-glob='*/unit/combinators')

faults: $(READY) ## Put a cluster on each kind of store under every kind of fault, and judge its log
	$(BIN)/python -m pytest tests/fault/test_checker.py tests/fault/test_checker_of_people.py tests/fault/test_mutations.py tests/fault/test_cluster_under_faults.py --numprocesses auto $(PYTEST)

faults-long: $(READY) ## Put a cluster under random faults: SECONDS=60 for each BACKEND=all; SEED repeats a plan
	$(BIN)/python -m tests.fault.harness --seconds $(or $(SECONDS),60) --backend $(or $(BACKEND),all) $(if $(SEED),--seed $(SEED))

check: $(READY) ## Check format, style, types, imports, spelling and changelog fragments
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(SOURCES)
	$(WITH_PATH) pyright
	$(WITH_PATH) pyright --verifytypes tasker --ignoreexternal
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell
	$(BIN)/towncrier build --draft --version next >/dev/null

fix: $(READY) ## Format, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/codespell --write-changes

bench: $(PEERS) ## Measure tasker beside its peers, which are installed for it, and write docs/performance.md
	@$(MAKE) --no-print-directory setup GROUP=bench
	$(BIN)/python -m benchmarks --write $(BENCH)

# A version of a peer that cannot stand beside the other has an environment of its own.
$(PEERS): pyproject.toml
	@test -n "$(PYTHON)" && $(PYTHON) -m venv --clear .venvs/peers
	.venvs/peers/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	.venvs/peers/bin/python -m pip install --quiet --disable-pip-version-check --group peers
	@touch $@

coverage: $(READY) ## Run all tests and report the lines and branches that none of them reaches
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PYTEST)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

clean: ## Remove what the other targets made
	rm -rf .venv .venvs .nox build dist .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
