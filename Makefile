# Every target does its own set-up; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test
# The lock constrains too: where a package is asked for with an extra ("coverage[toml]"), older pips look past its pin.
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
# The project itself has no hashes: it is installed from this folder, without its dependencies and without build isolation.
INSTALL_SELF = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .

# Stacks and tests start hundreds of interpreters: what one has compiled is kept for the next, also where the shell says otherwise.
export PYTHONDONTWRITEBYTECODE :=

PACKAGES = analysis channels cli config console crm_sync devstack routing store webhook_receiver worker

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-full chaos mutants soak bench bench-large bench-more fuzz sbom check lint types layers format lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(RUN_STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Earshot into $(VENV) (once) ..."
	@$(PIP_INSTALL) -r requirements.lock -c requirements.lock
	@$(INSTALL_SELF)
	@touch $@

$(TEST_STAMP): $(RUN_STAMP) requirements-test.lock
	@echo "Installing the test tools (once) ..."
	@$(PIP_INSTALL) -r requirements-test.lock -c requirements-test.lock
	@touch $@

setup: $(RUN_STAMP) ## Create .venv with everything `earshot` needs; quick when done

demo: setup ## The main job: three tenants, signed sample traffic, live progress, a table
	@$(BIN)/earshot demo $(DEMO_FLAGS)

up: setup ## Start the whole stack on this machine
	@$(BIN)/earshot up

test: $(TEST_STAMP) ## All tests that CI runs (under 10 minutes)
	@$(BIN)/python -m pytest -n 2

test-full: $(TEST_STAMP) ## Everything, the long tests too
	@TEST_EFFORT=full $(BIN)/python -m pytest -n 2 -m "slow or not slow"

chaos: $(TEST_STAMP) ## Ten seeds: a whole stack broken under load, and what held (SEEDS="1 2" for some; docs/chaos.md)
	@$(BIN)/python -m tests.chaos $(if $(SEEDS),--seeds $(SEEDS))

mutants: $(TEST_STAMP) ## Plant faults, each must be caught by a test
	@$(BIN)/python -m tests.mutants

soak: $(TEST_STAMP) ## Half an hour at ten messages a second: what grows (MINUTES=5 for less)
	@$(BIN)/python -m tests.chaos.soak $(if $(MINUTES),--minutes $(MINUTES))

bench: setup ## Every figure beside its baseline and limit, into docs/performance.md; 15 minutes (QUICK=1: try it)
	@$(BIN)/python -m benchmarks.table $(if $(QUICK),--quick)

bench-large: setup ## Each page with ten million messages; filled once, in half an hour (SCALE=0.1 for less)
	@$(BIN)/python -m benchmarks.console pages --scale $(or $(SCALE),10) --keep .earshot-bench/large

bench-more: setup ## Measurements that the table leaves out
	@$(BIN)/python -m benchmarks.decide
	@$(BIN)/python -m benchmarks.simulate
	@$(BIN)/python -m benchmarks.console load open live
	@$(BIN)/python -m benchmarks.slow_clients
	@$(BIN)/python -m benchmarks.acknowledgements
	@$(BIN)/python -m benchmarks.fairness

fuzz: $(TEST_STAMP) ## Attack the parsers, a minute each (FUZZ_S=3600 for an hour each)
	@$(BIN)/python -m tests.fuzz $(or $(FUZZ_S),60)

sbom: $(RUN_STAMP) $(TEST_STAMP) ## List what is installed to run Earshot, as CycloneDX: sbom.json
	@$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json
	@echo "sbom.json lists the locked packages. No advisory was looked up: ask a scanner that can reach a database of them."

check: lint types layers ## Style, types, layers, dependencies, migrations

lint: $(TEST_STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/deptry .
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive --severity-level medium $(PACKAGES)
	@$(BIN)/squawk store/migrations/*.sql

types: $(TEST_STAMP)
	@$(BIN)/pyright

layers: $(TEST_STAMP)
	@$(BIN)/lint-imports

format: $(TEST_STAMP) ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

lock: $(TEST_STAMP) ## Renew the three lock files (hashes, no index address)
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra devstack pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra devstack --extra test -c requirements.lock pyproject.toml -o requirements-test.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra devstack --extra oidc --extra otel --extra sentry -c requirements.lock pyproject.toml -o requirements-extras.lock

clean: ## Remove .venv and the demo's data
	rm -rf $(VENV) .earshot .earshot-bench
