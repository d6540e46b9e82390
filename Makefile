# Everything needs only make and Python 3.11 to 3.13. Set-up is done where it is missing, and again
# when pyproject.toml or constraints.txt changes.

PYTHON ?= python3
STUDY ?= search_spaces/demo.yaml
ARGS ?=
TEST ?= tests
PYTEST_ARGS ?=
TEST_PROCESSES ?= 2
TORCH_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin/python
PIP := $(BIN) -m pip --disable-pip-version-check -qq install -c constraints.txt
PINS := pyproject.toml constraints.txt

export PYTHONUNBUFFERED := 1
.DEFAULT_GOAL := help
.PHONY: help search report test test-slow lint format docs schema constraints clean
.DELETE_ON_ERROR:

help: ## list the targets
	@echo "usage: make TARGET [VARIABLE=value ...]"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | while IFS='|' read -r name text; \
		do printf '%-14s %s\n' "$$name" "$$text"; done
	@echo "variables: PYTHON (interpreter of a new .venv), TORCH_ARGS (options of pip for torch)"

search: $(VENV)/.installed ## run a study: STUDY=file.yaml ARGS='--dry-run'; default: the embedded demo
	@echo "search: running $(STUDY)"
	@$(BIN) -m mlctl_ray.search "$(STUDY)" $(ARGS)

report: $(VENV)/.installed ## write the report of a study: ARGS=NAME; default: the newest study
	@$(BIN) -m mlctl_ray.report $(ARGS)

test: $(VENV)/.installed-test ## run the default test suite: TEST=path PYTEST_ARGS='-k name'
	@echo "test: running pytest without the slow tests"
	@$(BIN) -m pytest -m "not slow" -n $(TEST_PROCESSES) --dist loadfile $(TEST_PATHS) $(PYTEST_ARGS)

test-slow: $(VENV)/.installed-test ## run the slow tests only (whole studies, minutes each)
	@echo "test-slow: running the slow tests"
	@$(BIN) -m pytest -m slow $(TEST_PATHS) $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev ## check style, format and types
	@echo "lint: ruff check, ruff format --check, mypy"
	@$(BIN) -m ruff check .
	@$(BIN) -m ruff format --check .
	@$(BIN) -m mypy

format: $(VENV)/.installed-dev ## apply the style's safe fixes and the format
	@$(BIN) -m ruff check --fix .
	@$(BIN) -m ruff format .

docs: $(VENV)/.installed ## write docs/configuration.md from the configuration's classes
	@$(BIN) scripts/configuration_reference.py

schema: $(VENV)/.installed ## accept a change of the YAML schema: write tests/config/schema.json
	@$(BIN) scripts/configuration_reference.py --schema

constraints: $(VENV)/.installed-dev ## write constraints.txt from what .venv holds
	@echo "constraints: writing the versions of .venv to constraints.txt"
	@{ sed -n '/^#/p;/^[^#]/q' constraints.txt; \
		$(BIN) -m pip --disable-pip-version-check freeze --exclude-editable --exclude mlctl-ray \
		| sed -e 's/+[a-z0-9.]*$$//' -e '/^#/d' | LC_ALL=C sort -f; } > $(VENV)/constraints.txt
	@mv $(VENV)/constraints.txt constraints.txt

clean: ## remove .venv and the caches of the tools; results stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis mlctl_ray.egg-info

# A folder or file given as PYTEST_ARGS replaces TEST.
TEST_PATHS = $(if $(filter tests%,$(PYTEST_ARGS)),,$(TEST))

$(VENV)/.made:
	@command -v "$(PYTHON)" >/dev/null || { echo \
		"error: no $(PYTHON) here; install Python 3.11 to 3.13 or name one: PYTHON=/path/to/python3.11" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v < (3, 14) or sys.exit( \
		"error: $(PYTHON) is Python %d.%d; mlctl-ray needs 3.11 to 3.13: PYTHON=/path/to/python3.11" % v)' \
		|| exit 2
	@echo "set-up: making the virtual environment .venv"
	@test -x $(BIN) || "$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo \
		"error: $(PYTHON) cannot make a virtual environment (on Debian: install python3-venv)" >&2; exit 2; }
	@touch $@

# torch comes first and alone: a resolver that sees it with the rest may take a build with CUDA
# where one for the CPU is offered.
$(VENV)/.installed-torch: constraints.txt | $(VENV)/.made
	@echo "set-up: installing torch"
	@$(PIP) $(TORCH_ARGS) "$$(grep -i '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.installed: $(PINS) $(VENV)/.installed-torch
	@echo "set-up: installing mlctl-ray and its libraries at the versions of constraints.txt"
	@$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: $(PINS) $(VENV)/.installed
	@echo "set-up: installing the libraries of the tests"
	@$(PIP) -e ".[test]"
	@touch $@

$(VENV)/.installed-dev: $(PINS) $(VENV)/.installed-test
	@echo "set-up: installing the tools of development"
	@$(PIP) -e ".[dev]"
	@touch $@
