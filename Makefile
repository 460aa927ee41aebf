# `make demo` and `make test` need Python 3.11 or newer and nothing else; `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TORCH := torch==2.14.1 torchvision==0.29.1

# Hundreds of processes are started: without it each would compile the sources anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo up test test-long coverage test-chaos test-stack lint types format bench instructions bench-serving tutorial docs clients docs-clients clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(INSTALLED) ## Make the virtual environment with everything in it

# Torch first and by itself: an index chosen for it alone (PIP_INDEX_URL for a CPU build, say)
# then does not change where the rest comes from.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'torchkiln needs Python 3.11 or newer; name one with PYTHON=python3.12' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt $(TORCH)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[service,dev]'
	@touch $@

demo: $(INSTALLED) ## Train, certify, benchmark and serve a model on the embedded stack, then stop
	$(BIN)/torchkiln demo

up: $(INSTALLED) ## Run the embedded stack until Ctrl-C
	$(BIN)/torchkiln up

test: lint types $(INSTALLED) ## Everything that has to hold before a change lands
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-long: $(INSTALLED) ## What takes long: real trainings, jobs over several hosts, the web page in a browser
	$(BIN)/python -m pytest -n 2 --dist loadfile -m long

# Apart, because to follow every line takes a third of the time of the tests again.
coverage: lint types $(INSTALLED) ## The same tests, and which lines they reach
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered

test-chaos: $(INSTALLED) ## Kill all of it, at length and on both kinds of stack; writes docs/reliability.md
	$(BIN)/python -m pytest -m chaos tests/chaos
	$(BIN)/python -m tests.chaos.report

test-stack: $(INSTALLED) ## The compose file, built, brought up, killed and scaled for real; as root
	$(BIN)/python -m tests.stack $(TEST_STACK)

lint: $(INSTALLED) ## Style, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(INSTALLED) ## Strict types on our own code
	$(BIN)/basedpyright

format: $(INSTALLED) ## Rewrite files in the one style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## Training loops against the tutorial's, backends and auto, batching, cold start, memory
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.backends
	$(BIN)/python -m benchmarks.api
	$(BIN)/python -m benchmarks.job_start

instructions: $(INSTALLED) ## The fast path's cost in instructions, against what is written down; needs valgrind
	$(BIN)/python -W ignore -m benchmarks.instructions --check

bench-serving: $(INSTALLED) ## Serving against every peer, each in an environment of its own; half an hour
	$(BIN)/python -m benchmarks.serving $(BENCH_SERVING)

tutorial: $(INSTALLED) ## Every pipeline on its defaults, on the embedded stack; writes docs/tutorial-results.md
	$(BIN)/python -m benchmarks.tutorial

docs: $(INSTALLED) ## Write the pages that are made from the code
	$(BIN)/python -m docs.generate

clients: .venv-clients/.installed ## Clients that cannot be installed beside the service, for their tests

.venv-clients/.installed: tests/support/kserve_client/requirements.txt
	$(PYTHON) -m venv .venv-clients
	.venv-clients/bin/pip install --quiet -r $<
	@touch $@

docs-clients: $(INSTALLED) clients ## Run the tests of others' clients; writes the table of docs/clients.md
	$(BIN)/python -m tests.support.clients_table

clean: ## Remove what was made: the environment, data, caches
	rm -rf $(VENV) .venv-clients .bench .stack var .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage *.egg-info
