# Everything below makes its own virtual environment in .venv; only Python 3.11+ is needed.
PYTHON ?= python3
TORCH ?= torch==2.13.0
DATA ?= data
BIN := .venv/bin
# As many processes as cores, up to 8 (each needs about 1 GB), each with one thread.
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist worksteal

.PHONY: demo install weights test quick-test docs lint format clean

demo: .venv/installed  ## segment the example video, masks and overlay into demo/
	$(BIN)/3dcseg segment examples/dog.mp4 -o demo --overlay

install: .venv/dev  ## everything for working on the code

.venv/bin/pip:
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/pip pyproject.toml
	$(BIN)/pip install --quiet "$(TORCH)"
	$(BIN)/pip install --quiet -e .
	touch $@

.venv/dev: .venv/bin/pip pyproject.toml
	$(BIN)/pip install --quiet "$(TORCH)"
	$(BIN)/pip install --quiet -e ".[dev]"
	touch $@ .venv/installed

weights: .venv/dev  ## train the compact network from scratch: nine minutes, made for a GPU
	$(BIN)/3dcseg train --config recipes/compact.yaml --data $(DATA) -o runs/compact

test: .venv/dev lint  ## lint, types and all tests
	$(PYTEST)

quick-test: .venv/dev  ## without the tests marked slow
	$(PYTEST) -m "not slow"

docs: .venv/dev  ## the site of docs/, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist demo site src/*.egg-info
