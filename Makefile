# Every target makes the virtual environment it needs; nothing but Python 3.11+ and make has to be there first.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
VENV ?= .venv
PY := $(VENV)/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --editable
# The folder is part of the name: an environment that came along when the checkout was moved points at the old place.
PLACE := $(subst /,-,$(CURDIR))
# Compiled once, also where the environment wants nothing written beside the sources: compiling all the tests takes each
# worker ten seconds and more.
BYTECODE := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(abspath $(VENV))/.bytecode
RUNTIME := $(VENV)/.runtime$(PLACE)
DEV := $(VENV)/.dev$(PLACE)

.DEFAULT_GOAL := help
.PHONY: help demo test soak lint bench clean

help:
	@echo 'make demo    house rules come to a company with a ten-year-old book: shadow mode, then two months'
	@echo 'make test    the test suite'
	@echo 'make soak    a thousand two-month histories of lies, kills and staff under an oracle; minutes'
	@echo 'make lint    formatting, types, and which module may import which'
	@echo 'make bench   the benchmarks: a JSON object a line, then a table'
	@echo 'make clean   remove $(VENV) and the caches'

demo: $(RUNTIME)
	@$(PY) -m whmcs_bridge demo

test: $(DEV)
	$(BYTECODE) $(PY) -m pytest -n auto --maxprocesses 8 --dist worksteal

soak: $(DEV)
	@$(PY) -m tests.soak $(SOAK)

lint: $(DEV)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

bench: $(DEV)
	@$(PY) -m tests.bench

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(PY):
	@test -n "$(PYTHON)" || { echo 'No Python 3.11 or newer with venv here (on Debian: python3-venv); or say make PYTHON=...' >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): pyproject.toml | $(PY)
	@echo 'Installing whmcs-bridge into $(VENV) (once; a minute at most)'
	@$(PIP_INSTALL) .
	@touch $@

$(DEV): pyproject.toml | $(PY)
	@echo 'Installing whmcs-bridge and its development tools into $(VENV) (once; a minute or two)'
	@$(PIP_INSTALL) '.[dev]'
	@touch $@ $(RUNTIME)
