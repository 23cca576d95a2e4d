# Two commands do all set-up:  make demo  runs a search on the embedded corpus,  make test  the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-all test-cluster chaos chaos-cluster lint lock clean

demo: $(READY)
	@echo "serhpo demo: synthesises a small speech corpus once, then runs a real search of 12 trials on it"
	@echo "(Ray Tune + Optuna, two at a time). Takes about 3 minutes on two CPU cores, writes a report."
	@$(BIN)/serhpo search --space smoke

test: lint
	$(BIN)/pytest -n 2 --dist worksteal

# The tests, two hundred kills and a cluster, in about an hour on two idle cores.
test-all:
	$(MAKE) test
	$(MAKE) chaos
	$(MAKE) test-cluster

# Two hundred kills of workers, drivers and Ray at random moments: about 40 minutes on two idle cores.
chaos: $(READY)
	$(BIN)/python -m tests.chaos.run --kills 160 --training replayed --trials 60
	$(BIN)/python -m tests.chaos.run --kills 40 --training real --trials 24

# `ray up` on three machines made of name spaces, as root; elsewhere skipped, with what is missing.
test-cluster: $(READY)
	$(BIN)/pytest -m cluster tests/cluster

# Ten faults of machines and head in one search on these machines: about 15 minutes on two idle cores.
chaos-cluster: $(READY)
	$(BIN)/python -m tests.cluster.chaos

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(READY): requirements.lock pyproject.toml
	@echo "serhpo: installing the pinned set into $(VENV), about 2.5 GB; one to several minutes"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "serhpo needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

# The lock is what an empty environment resolves to today. torch comes first: later releases than the one
# named here bring several GB of CUDA along.
lock:
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet torch==2.13.0
	$(VENV)-lock/bin/pip install --quiet hatchling editables '.[synth,dashboard,cluster,dev]'
	@{ echo "# Made by \`make lock\`; installs with pip. Ranges and reasons stand in pyproject.toml."; \
	   $(VENV)-lock/bin/pip freeze --exclude serhpo | sed 's/^\(torch==[^+]*\)+.*/\1/'; } > requirements.lock
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
