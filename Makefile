# `make serve` starts a model; `make help` lists the rest. Everything is installed into .venv, nothing outside.

MODEL ?= qwen2.5-coder:0.5b
HOST  ?= 127.0.0.1
PORT  ?= 8000
ARGS  ?=

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Bytecode is made for what is imported, when it is imported: a third less disk than compiling everything at once.
PIP    := $(BIN)/python -m pip install --no-compile --disable-pip-version-check
INPUTS := pyproject.toml CMakeLists.txt $(wildcard native/*)

.DEFAULT_GOAL := help
.PHONY: help serve install test lint bench size clean

help: ## list these targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo
	@echo "make serve MODEL=qwen2.5:7b HOST=0.0.0.0 PORT=9000 ARGS='--max-model-len 8192'"

serve: install ## start the server: MODEL, HOST, PORT and ARGS are passed on
	@exec $(BIN)/sevenb serve $(MODEL) --host $(HOST) --port $(PORT) $(ARGS)

install: $(VENV)/.installed ## make .venv and build the kernels
	@:

test: $(VENV)/.developer ## lint and run all tests: ARGS are passed to pytest
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.developer ## ruff and mypy
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary

bench: $(VENV)/.developer ## measure speed and fidelity: ARGS are passed to the benchmark
	@$(BIN)/python -m benchmarks $(ARGS)

size: install ## check that the default install stays below 150 MB
	@$(BIN)/python tools/install_size.py 150

clean: ## remove the environment, builds and caches, but no models
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find sevenb tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# -- the environment -----------------------------------------------------------------------------------

$(VENV)/.made:
	@tools/check_system "$(PYTHON)"
	@tools/step "Making the environment" build/venv.log $(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.installed: $(INPUTS) | $(VENV)/.made
	@tools/step "Installing dependencies and building the kernels" build/install.log $(PIP) --editable .
	@touch $@

$(VENV)/.developer: $(INPUTS) | $(VENV)/.made
	@tools/step "Installing developer tools and building the kernels" build/install.log $(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.installed
