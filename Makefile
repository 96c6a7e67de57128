# Everything lives in this checkout (.venv) and in per-user caches. Needs Python >= 3.11, make and a network; uv is used if it is there.
PYTHON ?= python3
ARGS ?=
export UV_PYTHON_DOWNLOADS = never
BIN := .venv/bin
UV = $(shell command -v uv || echo $(abspath $(BIN)/uv))

.DEFAULT_GOAL := help
.PHONY: help demo test prove check format lock clean python

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  options of a command go into ARGS, as in: make demo ARGS="--seconds 90 --json"'

demo: .venv/.runtime  ## start a simulated PI, Kafka, the bridge and Spark; let values flow; prove that none is lost
	@exec $(BIN)/pibridge demo $(ARGS)

test: .venv/.dev  ## everything that CI runs
	@exec $(BIN)/python -m tests $(ARGS)

prove: .venv/.dev  ## the long proofs, in parts; what has a result for this commit under docs/evidence is not run again
	@exec $(BIN)/python -m proofs $(ARGS)

check: .venv/.dev  ## lint, types, import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/unit/test_house.py

format: .venv/.dev  ## format the code, mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/.uv  ## resolve the requirements again (hashes, no addresses)
	requirements/lock $(UV)

clean:  ## remove what was built here (caches of artifacts stay)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build dist .demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 14) else 1)' 2>/dev/null || { \
	  echo "pibridge needs Python 3.11, 3.12 or 3.13, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -1). Install one, or name it: make PYTHON=python3.12 ..." >&2; exit 2; }

.venv/.uv: | python
	@echo "preparing .venv" >&2
	@$(PYTHON) -m venv $(if $(shell command -v uv),--without-pip) .venv || { echo "python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

# Builds run without isolation, so that the build tools come from the lock too.
define install
	@echo "installing $(1) (the first time a few minutes: pyspark is a source distribution of 450 MB)" >&2
	@VIRTUAL_ENV=$(abspath .venv) $(UV) pip install --quiet --require-hashes -r requirements/build.txt
	@VIRTUAL_ENV=$(abspath .venv) $(UV) pip install --quiet --no-build-isolation --require-hashes -r $(1)
	@VIRTUAL_ENV=$(abspath .venv) $(UV) pip install --quiet --no-build-isolation --no-deps -e .
endef

.venv/.runtime: pyproject.toml requirements/runtime.txt requirements/build.txt | .venv/.uv
	$(call install,requirements/runtime.txt)
	@touch $@

.venv/.dev: pyproject.toml requirements/dev.txt requirements/build.txt | .venv/.uv
	$(call install,requirements/dev.txt)
	@touch .venv/.runtime $@
