# Needs Python 3.11 or newer, a C++20 compiler, make and the package registry; the rest is fetched
# into .venv. Useful variables: PYTHON (interpreter for the virtual environment), VENV, BUILD,
# ARGS (more arguments for the tests, the demo or the benchmarks).

USABLE := import os, sys, sysconfig, venv, ensurepip; \
    sys.exit(sys.version_info < (3, 11) or \
    not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python,\
    $(shell $(name) -c '$(USABLE)' >/dev/null 2>&1 && command -v $(name))))
VENV ?= .venv
BUILD ?= build
SANITIZE_BUILD ?= build-sanitize
WERROR ?= OFF
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CMAKE := $(BIN)/cmake
# ninja does not notice a second ninja in the same folder, so builds wait for each other.
LOCK := $(if $(shell command -v flock),flock $(BUILD).lock,)

SOURCES := CMakeLists.txt pyproject.toml $(wildcard viewer/*.json viewer/*.mjs viewer/src/*) \
    $(shell find cmake csrc ops opgen chainrule \
    \( -name '*.cmake' -o -name '*.py' -o -name '*.h' -o -name '*.cpp' -o -name '*.c' \) \
    -not -name '_C*' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help build install demo test test-torch docs-test lint format sanitize wheel bench clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The virtual environment: one stamp for each group of packages in pyproject.toml ----------------

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "Chainrule needs Python 3.11 or newer with its venv module and" \
	    "its C headers; none was found. Name one with: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.group-%: pyproject.toml | $(VENV)/.created
	$(PIP) install --group $*
	@touch $@

# Build and install ------------------------------------------------------------------------------

CONFIGURE = $(CMAKE) -S . -G Ninja -DPython_EXECUTABLE="$$($(BIN)/python -c \
    'import sys; print(sys.executable)')" -DCMAKE_MAKE_PROGRAM="$(abspath $(BIN)/ninja)" \
    -DCHAINRULE_WERROR=$(WERROR)

build: $(VENV)/.group-build ## Build the extension module into chainrule/ of this folder
	@test -f $(BUILD)/build.ninja || $(CONFIGURE) -B $(BUILD) -DCHAINRULE_INPLACE=ON
	$(LOCK) $(CMAKE) --build $(BUILD)

$(VENV)/.installed: $(SOURCES) $(VENV)/.group-build
	$(LOCK) $(PIP) install --no-build-isolation -C build-dir=$(BUILD) \
	    -C cmake.define.CHAINRULE_INPLACE=ON -C cmake.define.CHAINRULE_WERROR=$(WERROR) .
	@touch $@

install: $(VENV)/.installed ## Install the package into the virtual environment

demo: install $(VENV)/.group-examples ## Train a digit classifier with an unchanged PyTorch script
	$(BIN)/chainrule run examples/digits.py $(ARGS)

# Checks -----------------------------------------------------------------------------------------

test: install $(VENV)/.group-test ## Run the tests (those that compare with torch need test-torch)
	$(BIN)/pytest $(ARGS)

test-torch: install $(VENV)/.group-test $(VENV)/.group-torch ## Run the tests beside torch too
	$(BIN)/pytest $(ARGS)

lint: $(VENV)/.group-lint ## Check style, types, layers and file lengths
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m opgen build --out $(BUILD)/generated
	cp $(BUILD)/generated/_C.pyi chainrule/
	$(BIN)/mypy
	find csrc -name '*.h' -o -name '*.cpp' -o -name '*.c' | xargs $(BIN)/clang-format --dry-run -Werror
	$(BIN)/python tools/check_layers.py
	$(BIN)/python tools/check_length.py
	@if command -v npm >/dev/null; then cd viewer && npm run --silent check && npm test --silent >/dev/null; \
	    else echo "no npm: viewer/ was not checked"; fi

format: $(VENV)/.group-lint ## Rewrite the sources in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	find csrc -name '*.h' -o -name '*.cpp' -o -name '*.c' | xargs $(BIN)/clang-format -i

docs-test: install $(VENV)/.group-test ## Run the Python examples of the README and of docs/
	$(BIN)/python tools/check_docs.py

# The sanitizers' libraries must be there before the first allocation, libstdc++ so that they can
# see exceptions. The tests run from another folder, so that this package is the only one in reach.
SANITIZERS ?= address,undefined
PRELOAD = $(foreach library,libasan.so libubsan.so libstdc++.so,\
    $(shell $(CXX) -print-file-name=$(library)))

sanitize: $(VENV)/.group-build $(VENV)/.group-test ## Run the tests under ASan and UBSan
	@test -f $(SANITIZE_BUILD)/build.ninja || $(CONFIGURE) -B $(SANITIZE_BUILD) \
	    -DCHAINRULE_SANITIZE=$(SANITIZERS)
	$(CMAKE) --build $(SANITIZE_BUILD)
	rm -rf $(SANITIZE_BUILD)/package && mkdir $(SANITIZE_BUILD)/package
	cp -R chainrule $(SANITIZE_BUILD)/package/ && rm -f $(SANITIZE_BUILD)/package/chainrule/_C*
	$(CMAKE) --install $(SANITIZE_BUILD) --prefix $(SANITIZE_BUILD)/package
	cd $(SANITIZE_BUILD) && PYTHONPATH="$$PWD/package" PYTHONMALLOC=malloc \
	    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
	    UBSAN_OPTIONS=print_stacktrace=1 LD_PRELOAD="$(PRELOAD)" CHAINRULE_SANITIZED=1 \
	    $(abspath $(BIN))/python -m pytest -p no:cacheprovider $(CURDIR)/tests $(ARGS)

# Packages and measurements ----------------------------------------------------------------------

wheel: $(VENV)/.group-build ## Build a wheel into dist/
	$(LOCK) $(PIP) wheel --no-deps --no-build-isolation -C build-dir=$(BUILD) -w dist .
	@ls -l dist

bench: install $(VENV)/.group-test $(VENV)/.group-torch ## Measure side by side with torch
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## Remove all that was built, the virtual environment included
	rm -rf $(BUILD) $(BUILD).lock $(SANITIZE_BUILD) dist $(VENV)
	rm -rf chainrule/_C*.so chainrule/_C*.pyi chainrule/viewer/static viewer/node_modules .pytest_cache .mypy_cache .ruff_cache
