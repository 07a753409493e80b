# `make serve` starts a model; `make help` lists the rest. Everything is installed into .venv, nothing outside.

MODEL ?= qwen2.5-coder:0.5b
HOST  ?= 127.0.0.1
PORT  ?= 8000
ARGS  ?=

MODELS_OF_TESTS := qwen2.5-coder:0.5b qwen2.5-coder:1.5b smollm2:135m

# These wait for Chromium, servers and disks half of their time; the others fill the processors meanwhile.
TESTS_THAT_WAIT := tests/console tests/e2e tests/server tests/workspace tests/cluster tests/conformance

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TOOLS  := build/tools
PIP    := $(BIN)/python -m pip install --disable-pip-version-check

PAGE            := sevenb/server/console/page/built-from.txt
CONSOLE_SOURCES := $(shell find console -name node_modules -prune -o -type f -print)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help serve install console test devices test-all test-long lint bench size clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo
	@echo "make serve MODEL=qwen2.5:7b HOST=0.0.0.0 PORT=9000 ARGS='--max-model-len 8192'"

serve: install ## start the server: MODEL, HOST, PORT and ARGS are passed on
	@exec $(BIN)/sevenb serve $(MODEL) --host $(HOST) --port $(PORT) $(ARGS)

install: $(VENV)/.installed $(PAGE) ## make .venv, build the kernels and the console's page
	@:

console: $(PAGE) ## build the console's page alone
	@:

test: $(VENV)/.developer install ## lint and run all tests that need no torch: ARGS are passed to one pytest
	@$(MAKE) --no-print-directory lint
	@$(BIN)/sevenb pull $(MODELS_OF_TESTS)
ifdef ARGS
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(PYTHON) tools/both "$(BIN)/python -m pytest -o cache_dir=.pytest_cache/browser $(TESTS_THAT_WAIT)" \
		"$(BIN)/python -m pytest $(TESTS_THAT_WAIT:%=--ignore=%)"
endif

devices: $(VENV)/.devices ## install torch, Triton and Ray, for the tests of other devices
	@:

test-all: devices test ## the same with those that need torch, Triton and Ray, which it installs
	@:

test-long: $(VENV)/.developer install ## find facts in documents of 32K and 64K tokens: half an hour
	@$(BIN)/sevenb pull $(MODELS_OF_TESTS)
	@$(BIN)/python -m pytest -m long $(ARGS)

lint: $(VENV)/.developer install ## ruff and mypy; types and unit tests of the console
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@tools/step "Checking the console" build/console-check.log $(BIN)/python tools/build_console.py check

bench: $(VENV)/.developer install ## compare speed and fidelity with llama.cpp and ik_llama.cpp: ARGS are passed on
	@$(BIN)/python -m benchmarks $(ARGS)

size: install ## check that the default install stays below 150 MB
	@$(BIN)/python tools/install_size.py 150

clean: ## remove the environment, builds and caches, but no models
	rm -rf $(VENV) build dist console/node_modules sevenb/server/console/page .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find sevenb tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# -- the environment -----------------------------------------------------------------------------------

$(VENV)/.made:
	@tools/check_system "$(PYTHON)"
	@tools/step "Making the environment" build/venv.log $(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.dependencies: pyproject.toml | $(VENV)/.made
	@$(BIN)/python tools/requirements.py run > build/run.txt
	@tools/step "Installing dependencies" build/install.log $(PIP) -r build/run.txt
	@touch $@

$(VENV)/.developer: pyproject.toml | $(VENV)/.made
	@$(BIN)/python tools/requirements.py develop > build/develop.txt
	@tools/step "Installing developer tools" build/install.log $(PIP) -r build/develop.txt
	@touch $@ $(VENV)/.dependencies

$(VENV)/.devices: pyproject.toml | $(VENV)/.made
	@$(BIN)/python tools/requirements.py devices > build/devices.txt
	@tools/step "Installing torch, Triton and Ray" build/install.log $(PIP) -r build/devices.txt
	@touch $@

# Build tools lie beside the environment, not in it: it stays small, and their paths stay the same from build to build,
# so that a change to one kernel compiles one file.
$(TOOLS)/.made: pyproject.toml | $(VENV)/.made
	@$(BIN)/python tools/requirements.py build > build/build.txt
	@tools/step "Installing build tools" build/tools.log $(PIP) --upgrade --target $(TOOLS) -r build/build.txt
	@touch $@

# Only where something has changed; the page lies in the package, and git ignores it.
$(PAGE): $(CONSOLE_SOURCES) tools/build_console.py $(TOOLS)/.made
	@tools/step "Building the console" build/console.log $(BIN)/python tools/build_console.py
	@touch $@

$(VENV)/.installed: pyproject.toml CMakeLists.txt $(wildcard native/*) $(TOOLS)/.made $(VENV)/.dependencies
	@PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" PYTHONPATH="$(CURDIR)/$(TOOLS)" \
	    tools/step "Building the kernels" build/kernels.log $(PIP) --no-build-isolation --no-deps --editable .
	@touch $@
