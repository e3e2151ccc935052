# make page | demo | test | test-all | check | docs: each makes its own environment first. PYTHON=python3.12 picks another Python.
PYTHON ?= python3
VENV ?= .venv-$(notdir $(PYTHON))
BIN := $(VENV)/bin
DEMO ?= demo
PYTEST = $(BIN)/python -m pytest -q --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

.PHONY: page demo test test-all check docs clean

$(VENV)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

page: $(VENV)/.installed
	$(BIN)/python demo.py

demo: $(VENV)/.installed
	$(BIN)/python train.py --config=configs/cartoon.py:tiny --config.data.prepared=$(DEMO)/data --workdir=$(DEMO)/run
	$(BIN)/python generate.py --checkpoint=$(DEMO)/run --num=24 --out=$(DEMO)/faces.png --save_maps=$(DEMO)/maps
	$(BIN)/python eval.py --checkpoint=$(DEMO)/run --fid --out=$(DEMO)

test: $(VENV)/.installed
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.installed
	$(PYTEST)

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(DEMO) site .cache .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
