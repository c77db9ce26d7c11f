# Needs Python 3.11 to 3.13, make and a package index; everything else is installed into .venv from the lock files.
PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
HASHED := install --require-hashes --only-binary :all:
LOCK := $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-find-links pyproject.toml

CQL := tests/bench/peers/cql/node_modules

.PHONY: help setup run test faults fuzz crash month test-hapi test-medplum bench bench-peers growth soak check lock clean
.DELETE_ON_ERROR:

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/ready-to-run  ## install what the service needs into .venv

run: setup  ## start the service in demo mode (ARGS="--port 8081" goes to `osteohooks serve`)
	@$(BIN)/osteohooks serve $(ARGS)

test: $(VENV)/ready-to-test  ## run the tests and hold the coverage against its limits
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/python tests/coverage_gates.py

faults: $(VENV)/ready-to-test  ## plant every fault in copies and see the vignettes catch each (ARGS="--only gates")
	@$(BIN)/python -m tests.planted_faults $(ARGS)

month: $(VENV)/ready-to-test  ## simulate a month of 500 patients: what the memory keeps away (ARGS="--patients 100")
	$(BIN)/python -m tests.operations.simulated_month $(ARGS)

check: $(VENV)/ready-to-test  ## lint, format, types and import arrows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest --quiet tests/test_arrows.py

fuzz: $(VENV)/ready-to-test  ## send 20,000 generated requests to a server: no 5xx, no hang, memory flat (ARGS="--seed 2")
	$(BIN)/python -m tests.fuzz $(ARGS)

crash: $(VENV)/ready-to-test  ## kill the server 200 times under feedback, on SQLite and PostgreSQL (half an hour)
	$(BIN)/python -m tests.crash sqlite postgresql $(ARGS)

test-hapi: $(VENV)/ready-to-test  ## ask the service without prefetch, on HAPI FHIR (needs a JDK 17 or later, and mvn)
	@$(BIN)/python -m tests.fhir_servers hapi $(ARGS)

test-medplum: $(VENV)/ready-to-test  ## the same on Medplum's FHIR router (needs Node 20 or later, and npm)
	@$(BIN)/python -m tests.fhir_servers medplum $(ARGS)

bench: $(VENV)/ready-to-test  ## measure against a Flask echo, and with a failing store; needs wrk (ARGS="--rounds 7 --seconds 3")
	$(BIN)/python -m tests.bench.against_baseline $(ARGS)

bench-peers: $(CQL)/ready $(VENV)/ready-to-test $(VENV)-peers/ready  ## measure against other services; needs wrk, Node 20 and npm
	$(BIN)/python -m tests.bench.against_peers --python $(VENV)-peers/bin/python $(ARGS)

growth: $(VENV)/ready-to-test  ## measure and draw the cost by resources, rules, languages and workers; needs wrk
	$(BIN)/python -m tests.bench.growth $(ARGS)

soak: $(VENV)/ready-to-test  ## half an hour at half the top rate: memory, handles, threads; needs wrk (ARGS="--minutes 2")
	$(BIN)/python -m tests.bench.soak $(ARGS)

lock: $(VENV)-lock/ready  ## write the lock files anew from pyproject.toml (ARGS=--upgrade takes newer releases)
	$(LOCK) --extra test --group build --output-file requirements-test.lock $(ARGS)
	$(LOCK) --constraint requirements-test.lock --output-file requirements.lock
	$(LOCK:pyproject.toml=) --constraint requirements-test.lock --group build --output-file requirements-build.lock

clean:  ## remove .venv and whatever make or the tools have made
	rm -rf $(VENV) $(VENV)-lock $(VENV)-peers dist $(CQL) tests/hapi/target tests/medplum/node_modules .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.* coverage.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each file below is made last in its step, so a step that was cut short is done again.
$(VENV)/made:
	@$(call require_python)
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/ready-to-run: $(VENV)/made requirements.lock requirements-build.lock pyproject.toml
	$(PIP) $(HASHED) -r requirements.lock -r requirements-build.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/ready-to-test: $(VENV)/ready-to-run requirements-test.lock
	$(PIP) $(HASHED) -r requirements-test.lock
	@touch $@

$(VENV)-lock/ready:
	@$(call require_python)
	@$(PYTHON) -m venv --clear $(VENV)-lock
	$(VENV)-lock/bin/python -m pip --quiet --disable-pip-version-check install uv
	@touch $@

# What is measured against, apart from all that is ours.
$(VENV)-peers/ready: tests/bench/peers/requirements.txt
	@$(call require_python)
	@$(PYTHON) -m venv --clear $(VENV)-peers
	$(VENV)-peers/bin/python -m pip --quiet --disable-pip-version-check install -r $<
	@touch $@

$(CQL)/ready: tests/bench/peers/cql/package-lock.json
	@$(require_node)
	npm ci --prefix tests/bench/peers/cql --no-audit --no-fund --loglevel=error
	@touch $@

define require_node
{ command -v npm && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; } > /dev/null 2>&1 || { \
	echo "make bench-peers needs Node 20 or later and npm, for the CQL peer (https://nodejs.org)" >&2; exit 1; }
endef

define require_python
command -v $(PYTHON) > /dev/null || { \
	echo "Osteohooks needs Python 3.11 to 3.13 and found no '$(PYTHON)': name one, as in make PYTHON=/path/to/python3.12" >&2; exit 1; }; \
$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	echo "Osteohooks needs Python 3.11 to 3.13 and '$(PYTHON)' is $$($(PYTHON) -V 2>&1): name another, as in make PYTHON=/path/to/python3.12" >&2; exit 1; }; \
$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
	echo "'$(PYTHON)' has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
endef
