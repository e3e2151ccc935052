# make | page | demo | test | test-all | check | docs: each makes its own environment first. PYTHON=python3.12 picks another Python.
PYTHON ?= python3
VENV ?= .venv-$(notdir $(PYTHON))
BIN := $(VENV)/bin
DEMO ?= demo
PIP = $(BIN)/python -m pip install --disable-pip-version-check
# Without a limit of restarts, a worker that crashed would leave tests that nobody runs, and no end.
PYTEST = $(BIN)/python -m pytest -q --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder \
	--max-worker-restart=0

.PHONY: install page demo test test-all check docs clean

install: $(VENV)/.with-page
	@echo "Enter the environment in every new shell: source $(BIN)/activate"

# The package alone, then what the page needs, then what tests need.
$(VENV)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12")'
	@echo "Installing into $(VENV): this takes one to three minutes."
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/.with-page: $(VENV)/.installed
	$(PIP) --editable '.[demo]'
	touch $@

$(VENV)/.with-tests: $(VENV)/.installed
	$(PIP) --quiet --editable '.[dev]'
	touch $@

page: $(VENV)/.with-page
	$(BIN)/python demo.py

demo: $(VENV)/.installed
	$(BIN)/python train.py --config=configs/cartoon.py:tiny --config.num_steps=400 --config.data.num_maps=1500 \
		--config.data.prepared=$(DEMO)/data --workdir=$(DEMO)/run
	$(BIN)/python generate.py --checkpoint=$(DEMO)/run --num=24 --out=$(DEMO)/faces.png --save_maps=$(DEMO)/maps
	$(BIN)/python eval.py --checkpoint=$(DEMO)/run --max_test=200 --out=$(DEMO)
	@echo "The generated maps: $(DEMO)/faces.png"
	@echo "Next, 'make page' opens a page that edits maps of a model trained far longer; README.md has the commands."

test: $(VENV)/.with-tests
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.with-tests
	$(PYTEST)

check: $(VENV)/.with-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.with-tests
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(DEMO) site .cache .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
