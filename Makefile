# Every target sets up what it needs by itself, from nothing but Python 3.10 or newer (with venv) and make.

PYTHON ?= python3
VENV ?= .venv
FIREWORKS_VENV ?= .venv-fireworks
# For pytest, for example: make test PYTEST_ARGS="tests/core -n 0 -x"
PYTEST_ARGS ?=
# For the benchmark, for example: make benchmark BENCHMARK_ARGS="--growth --rounds 1"
BENCHMARK_ARGS ?=

PY := $(VENV)/bin/python
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
SETUP := setup.cfg setup.py pyproject.toml

export LPAD_FIREWORKS_PYTHON ?= $(abspath $(FIREWORKS_VENV))/bin/python

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo night test check check-lint check-types check-layers check-docs format soak benchmark docs setup check-mongod clean

help:  ## list what can be made (also without a target)
	@sed -n 's/^\([a-z-]*\):.*  ## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

demo: $(VENV)/.installed  ## see it work: a workflow fails and is brought back, in a minute
	@$(PY) examples/demo/demo.py

night: $(VENV)/.installed  ## 500 jobs that fail in every way, and a supervisor that brings them back (some minutes)
	@$(PY) examples/night/night.py

test: $(VENV)/.installed-test $(FIREWORKS_VENV)/.installed  ## install what the tests need (a MongoDB among it) and run all of them
	@if [ -n "$$CI$$LPAD_REQUIRE_MONGOD" ]; then $(PY) tests/check_mongod.py; fi
	@$(PY) -m pytest -n auto --dist loadfile $(PYTEST_ARGS)

check: check-lint check-types check-layers check-docs  ## lint, types, import layers, documentation

check-lint: $(VENV)/.installed-test
	@$(VENV)/bin/ruff check --output-format concise .
	@$(VENV)/bin/ruff format --check --quiet . || { echo "Some files are not in the agreed form: make format" >&2; exit 1; }

check-types: $(VENV)/.installed-test
	@$(VENV)/bin/mypy

check-layers: $(VENV)/.installed-test
	@PYTHONPATH=.:cli $(VENV)/bin/lint-imports --no-cache --no-logo

check-docs: $(VENV)/.installed-test
	@$(VENV)/bin/mkdocs build --quiet --strict --site-dir $(abspath $(VENV))/site

format: $(VENV)/.installed-test  ## put the code into the agreed form
	@$(VENV)/bin/ruff check --quiet --fix-only .
	@$(VENV)/bin/ruff format --quiet .

soak: $(VENV)/.installed-test  ## the tests that run for many minutes
	@$(PY) -m pytest -m soak --timeout 7200 $(PYTEST_ARGS)

benchmark: $(VENV)/.installed-test $(FIREWORKS_VENV)/.installed  ## measure, beside FireWorks and the limit (a quarter of an hour)
	@$(PY) -m benchmarks.compare $(BENCHMARK_ARGS)

docs: $(VENV)/.installed-test  ## build the documentation into site/
	@$(VENV)/bin/mkdocs build --quiet --strict

setup: $(VENV)/.installed-test  ## only install, into .venv, for development

check-mongod: $(VENV)/.installed-test  ## see whether the tests can start a MongoDB here
	@$(PY) tests/check_mongod.py

clean:  ## remove everything that was made here, .venv too
	rm -rf $(VENV) $(FIREWORKS_VENV) build dist man site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment whose Python is gone is made anew. Stamps say what was installed, and are older than a changed setup.cfg.

$(PY):
	@command -v $(PYTHON) > /dev/null || { echo "There is no $(PYTHON); install Python 3.10 or newer." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), but 3.10 or newer is needed; name another one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { echo "$(PYTHON) cannot make virtual environments; install its venv module (Debian, Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.installed: $(SETUP) | $(PY)
	@echo "Installing into $(VENV) (once) …"
	@$(PY) $(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-test: $(SETUP) | $(PY)
	@echo "Installing the tests' needs into $(VENV) (once; a few minutes) …"
	@$(PY) $(PIP_INSTALL) --editable '.[test,dev,docs,completion,plot,templates]'
	@touch $@ $(VENV)/.installed

# FireWorks is the tests' oracle and neighbour. It brings commands of the same names, so it lives by itself.
$(FIREWORKS_VENV)/.installed: | $(PY)
	@echo "Installing FireWorks into $(FIREWORKS_VENV) (once) …"
	@if $(PYTHON) -m venv --clear $(FIREWORKS_VENV) && $(FIREWORKS_VENV)/bin/python $(PIP_INSTALL) fireworks==2.1.4; then touch $@; \
	elif [ -n "$$CI" ]; then echo "FireWorks could not be installed, and in CI its tests must run." >&2; exit 1; \
	else rm -rf $(FIREWORKS_VENV); echo "FireWorks could not be installed: the tests that compare with it are skipped." >&2; fi
