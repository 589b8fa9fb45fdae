# The project's front page of verbs: people and CI use the same ones.

PYTHON ?= python3
PORT ?= 3000
BIN := .venv/bin
# More workers than cores, because some tests wait for Dagster's daemon. Bytecode is kept even where the environment
# forbids it (images do): else each of the many programs that tests start compiles every module anew.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
LOCKS := requirements.txt requirements-dev.txt requirements-uv.txt
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-strip-extras --generate-hashes
CHECKOV_VERSION := 3.3.30
# what `make lock` takes anew: all, or packages by name
RENEW := $(if $(filter all,$(UPGRADE)),--upgrade,$(addprefix --upgrade-package ,$(UPGRADE)))
.DEFAULT_GOAL := help
.PHONY: help run dev look page test test-all test-live faults mutants coverage check lint-infra checkov audit secrets sbom \
	lock release format bench engines docs clean reset

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.run ## set up, then bring the newest data from BEA (or the sample) to Postgres
	@$(BIN)/pce run

dev: .venv/.run ## open Dagster on http://127.0.0.1:$(PORT) with the lake, database and history of `make run`
	@exec $(BIN)/pce dev --port $(PORT)

look: .venv/.run ## open the page of the data: maps, lines, tables, revisions, quality
	@exec $(BIN)/pce look

# One thread for each worker, as there are more of them than cores.
test: .venv/.dev ## run the whole suite, offline
	@POLARS_MAX_THREADS=1 $(PYTEST) -m "not long and not live"

test-all: .venv/.dev ## run the whole suite with ten times the examples, and what takes long
	@POLARS_MAX_THREADS=1 PCE_TEST_THOROUGH=1 $(PYTEST) -m "not live"

faults: .venv/.dev ## kill, cut, flip and race all that is claimed to be safe, and write docs/scorecard.md
	@$(BIN)/python -m pce_pipeline_tests.faults

mutants: .venv/.dev ## change the pure modules (or MODULES="...") one by one: a test must notice each change
	@$(BIN)/python -m pce_pipeline_tests.mutants $(MODULES)

coverage: .venv/.dev ## run the whole suite and measure what it covers
	@$(PYTEST) -m "not long and not live" --cov --cov-report=xml --cov-report=term:skip-covered

test-live: .venv/.dev ## ask BEA itself about each assumption made of it (needs BEA_API_KEY)
	@$(BIN)/python -m pytest pce_pipeline_tests/live -m live --said-by-bea=report/bea

check: .venv/.dev ## format, lint, strict types, definitions
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@env -i PATH="$(CURDIR)/$(BIN):$$PATH" HOME="$$HOME" DAGSTER_DISABLE_TELEMETRY=1 $(BIN)/dagster definitions validate --log-level warning

lint-infra: .venv/.dev ## check templates and workflows: cfn-lint, zizmor, actionlint
	@$(BIN)/cfn-lint
	@$(BIN)/python -m pytest -q pce_pipeline_tests/workflows/test_workflow_lint.py

page: ## build the page of the data from page/ (needs npm)
	@cd page && npm ci --ignore-scripts --silent && npm run --silent build

# It pins an older boto3 and brings some hundred packages: it has an environment of its own.
checkov: ## check template, workflows and Dockerfile for what is commonly forgotten: checkov
	@test -x .checkov/bin/checkov || $(PYTHON) -m venv .checkov
	@.checkov/bin/python -m pip install --quiet checkov==$(CHECKOV_VERSION)
	@.checkov/bin/checkov --config-file .checkov.yaml

audit: .venv/.dev ## look for known vulnerabilities of what is locked: pip-audit (needs the network)
	@for lock in $(LOCKS); do $(BIN)/pip-audit --require-hashes --disable-pip -r $$lock || exit 1; done

secrets: .venv/.dev ## look for secrets in every file and in every commit: detect-secrets
	@$(BIN)/python -m pce_pipeline_tests.committed_secrets

sbom: .venv/.dev ## write sbom.json: what an installation consists of (CycloneDX)
	@$(BIN)/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --mc-type application \
		--output-reproducible --of JSON -o sbom.json

lock: .venv/.uv ## resolve what pyproject.toml names; pins stay where they fit (UPGRADE=all, or names, renews them)
	@$(BIN)/python -m pce_pipeline_tests.locks
	@for lock in $(LOCKS); do $(COMPILE) $(RENEW) --output-file $$lock $${lock%.txt}.in || exit 1; done

release: ## raise the version to VERSION and date the changelog, each change naming its effect on the data
	@$(PYTHON) -m pce_pipeline_tests.release --raise-to "$(VERSION)"

format: .venv/.dev ## put the code in order
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: .venv/.dev ## time every stage for a full vintage, beside the plainest way and other people's tools
	@test -x .bench/bin/python || $(PYTHON) -m venv .bench
	@.bench/bin/python -m pip install --quiet --require-hashes -r pce_pipeline_tests/bench/others/requirements.txt
	@$(BIN)/python -m pce_pipeline_tests.bench

# Some need other pins than ours, and Spark needs Java: each has an environment of its own. ENGINES says which to install.
ENGINES ?= duckdb spark daft chdb
engines: .venv/.dev ## read a small lake with other people's engines, each beside our own answer
	@for engine in $(ENGINES); do \
		test -x .engines/$$engine/bin/python || $(PYTHON) -m venv .engines/$$engine || exit 1; \
		.engines/$$engine/bin/python -m pip install --quiet --require-hashes \
			-r pce_pipeline_tests/engines/environments/$$engine.txt || exit 1; \
	done
	@$(BIN)/python -m pce_pipeline_tests.engines

docs: .venv/.run ## write the data dictionary, settings and commands from what they describe
	@$(BIN)/pce dictionary --profile full > docs/data-dictionary.md
	@$(BIN)/pce catalog contracts --profile full > docs/contracts.md
	@$(BIN)/pce commands --profile full > docs/commands.md
	@$(BIN)/pce env --settings > docs/settings.md
	@$(BIN)/pce commands --profile full --json > pce_pipeline/cli/verbs.json

reset: .venv/.run ## drop the laptop's world: lake, Postgres and history
	@$(BIN)/pce reset

clean: ## drop the virtual environment and caches
	rm -rf .venv .bench .checkov .engines .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

# uv takes seconds where pip takes half a minute; pip knows mirrors that uv does not, so it stands in. Two steps, as what
# lies here has no hash: first what is locked, then the package itself, built by the setuptools of the lock.
define install
	@echo "Installing the pinned dependencies$(2) ..."
	@{ test -x $(BIN)/uv && $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1) \
			&& $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; } \
		|| { $(BIN)/python -m pip install --quiet --require-hashes -r $(1) \
			&& $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .; }
	@touch $@
endef

# what is left where uv cannot be had is pip
.venv/.uv: requirements-uv.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --require-hashes -r $< || echo "Without uv: pip does it, in half a minute."
	@touch $@

.venv/.run: requirements.txt pyproject.toml | .venv/.uv
	$(call install,requirements.txt,)

.venv/.dev: requirements-dev.txt pyproject.toml | .venv/.uv
	$(call install,requirements-dev.txt, and the tools of the trade)
	@touch .venv/.run
