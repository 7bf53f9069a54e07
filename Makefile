# make            set up .venv and run the demo study, offline, to results/demo/report/index.html
# make test       set up and run the fast tests
# make help       the other targets
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
SERVERS := tests/servers/.venv
STUDY ?= demo
RELEASE := https://github.com/bastoscostadavi/persona-moral-collapse-in-emergent-misalignment
RELEASE_COMMIT := dbfb8b8bdeb60998036776818dfed95af3bb0dd4
RELEASE_FOLDER := resources/external/published
SNAKEFILES := Snakefile workflow/Snakefile workflow/rules/*.smk
CODE := persona_collapse workflow/scripts tests benchmarks

.PHONY: study help setup check test test-slow test-install test-browser test-slurm test-servers mutants published-answers reference lock clean

study: setup  ## run a study (STUDY=demo) on all cores
	@$(BIN)/snakemake --cores all --config study=$(STUDY)

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: .venv/installed  ## create .venv with the pinned versions of requirements.lock

.venv/installed: requirements.lock
	@$(PYTHON) workflow/envs/install.py .venv requirements.lock

check: setup  ## formatting, lint and types
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/snakefmt --check $(SNAKEFILES)
	$(BIN)/mypy
	$(BIN)/snakemake --lint

test: setup  ## unit and workflow tests, under five minutes on two cores
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: setup  ## slow tests: killed runs, rerun matrices, handover, edge cases
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

test-install: setup  ## pip install . into a fresh virtual environment
	$(BIN)/python -m pytest tests/install -q

test-browser: setup  ## the report page in headless Chromium (installs it where apt-get can)
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium chromium-driver; }
	@command -v npm >/dev/null || apt-get install -y -qq --no-install-recommends nodejs npm
	$(BIN)/python -m pip install --quiet --disable-pip-version-check selenium==4.51.0
	npm install --prefix tests/browser --no-audit --no-fund --no-package-lock --silent
	$(BIN)/python -m pytest tests/browser -q

test-slurm: setup  ## a study on a real SLURM of one node (root; installs and starts it)
	$(BIN)/python -m pytest tests/slurm -q

test-servers: setup $(SERVERS)/installed $(SERVERS)-mlx/installed $(SERVERS)-litellm/installed  ## third-party servers with tiny models
	$(BIN)/python -m pytest tests/servers -q

# llama-cpp-python and transformers; mlx-lm and LiteLLM pin other versions of what these need.
$(SERVERS)/installed: tests/servers/requirements.txt
	@command -v c++ >/dev/null || { echo "llama-cpp-python is built here: install a C++ compiler"; exit 1; }
	$(call environment,$(SERVERS))

$(SERVERS)-%/installed: tests/servers/requirements-%.txt
	$(call environment,$(@D))

define environment
@$(PYTHON) workflow/envs/install.py $(1) $<
endef

mutants: setup .venv-mutants/installed  ## a sample of mutants of measures, store, asking, plan, finetuning (hours; MODULES=...)
	nice -n 10 .venv-mutants/bin/python tests/mutants.py $(MODULES)

.venv-mutants/installed: tests/mutants.txt
	$(call environment,.venv-mutants)

published-answers:  ## fetch the released answers; git verifies them by the commit's id
	@[ -d $(RELEASE_FOLDER)/.git ] || \
		git clone --filter=blob:none --no-checkout $(RELEASE) $(RELEASE_FOLDER)
	git -C $(RELEASE_FOLDER) checkout --quiet $(RELEASE_COMMIT) -- data
	@echo "Now: make STUDY=published"

reference: setup  ## generate config/study.schema.json, the key tables of config/README.md, docs/tables.md
	$(BIN)/python -m tests.helpers.reference
	$(BIN)/python -m persona_collapse.tables.document

lock: setup  ## pin the versions of .venv in requirements.lock, environment.yml and workflow/envs
	$(BIN)/python -m pip freeze --exclude-editable > requirements.lock
	sed -i.old '/- pip:/q' environment.yml && rm environment.yml.old
	sed 's/^/      - /' requirements.lock >> environment.yml
	$(BIN)/python -m tests.helpers.environments

clean:  ## remove the outputs of studies and tools, but not the answer store
	rm -rf results logs build *.egg-info .snakemake .mypy_cache .ruff_cache .pytest_cache .hypothesis
