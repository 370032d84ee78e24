# Every target makes its own virtual environment from the pinned lock file.
# Needed: Python 3.11 or later with pip, and make. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help venv run test lint bench bench-pages bench-registry bench-certification bench-submission format lock docs clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

venv: $(READY) ## put the program into .venv, to be called as .venv/bin/countersign

run: $(READY) ## run the demo world, and keep it up
	$(BIN)/countersign demo --keep

test: $(READY) ## run all tests (those with real peers need .ci/install-packages)
	$(BIN)/python -m pytest

lint: $(READY) ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## measure against Postfix, as ratios (needs root and .ci/install-packages)
	$(BIN)/python -m benchmarks

bench-pages: $(READY) ## measure the registrar's pages with a million servers
	$(BIN)/python -m benchmarks.pages

bench-registry: $(READY) ## measure the replicated registry against Knot and rbldnsd
	$(BIN)/python -m benchmarks.registry

bench-certification: $(READY) ## measure the certification tests (needs root and .ci/install-packages)
	$(BIN)/python -m benchmarks.certification

bench-submission: $(READY) ## measure submission against OpenDKIM and Postfix (needs root and .ci/install-packages)
	$(BIN)/python -m benchmarks.submission

format: $(READY) ## put the code into its form
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: $(READY) ## print docs and deployment files that the code defines
	$(BIN)/countersign setup reference > docs/CONFIGURATION.md
	$(BIN)/countersign setup systemd gateway > deploy/countersign-gateway.service
	$(BIN)/countersign setup systemd replica > deploy/countersign-replica.service
	$(BIN)/countersign setup systemd probe > deploy/countersign-probe.service

lock: $(READY) ## pin the newest versions that pyproject.toml admits
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --extra dev --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links -o requirements.lock pyproject.toml

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
