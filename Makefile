# Three commands are enough: `make demo`, `make check` and `make test`. Each makes its own virtual environment and installs what it needs.

PYTHON ?= python3
PIP_INSTALL = pip install --quiet --disable-pip-version-check
VERSIONS = 0.121.0 0.136.0 0.137.0
DIST_PYTHONS = python3.11 python3.12 python3.13 python3.14
FIREBASE_TOOLS = 15.34.2
SOURCES := $(shell find src examples -name '*.py' -o -name '*.md' -o -name py.typed) pyproject.toml README.md LICENSE docs/errors.md

.PHONY: help check quick demo test e2e test-lowest test-versions environments lint types mypy pyright docs bench bench-check dist clean

help:
	@echo 'make demo           call a guarded orders service as every kind of caller: who got in, and why not'
	@echo 'make check          before each commit, about a minute: lint, types, and the tests not marked server or slow'
	@echo 'make test           all tests, with coverage'
	@echo 'make test T=PATH    the tests at PATH (tests/flask, tests/core/test_rules.py), without coverage'
	@echo 'make e2e            with a browser, the Auth emulator, PostgreSQL, Redis, Prometheus (T=PATH: a part)'
	@echo 'make test-lowest    the tests with the lowest supported versions, but for those that rest on no other package'
	@echo 'make test-versions  the tests of the adapters with FastAPI $(VERSIONS)'
	@echo 'make lint types     ruff; mypy and pyright'
	@echo 'make docs           the site of docs/, in build/docs; a broken link or anchor is an error'
	@echo 'make bench          what it costs, peers beside it: bench/RESULTS.md (make bench-check: only whether it holds)'
	@echo 'make dist           the wheel and the sdist, checked, and the wheel installed for every Python that is there'
	@echo 'make clean          remove all that was made'

demo: .venv/installed
	.venv/bin/callerid demo
	.venv/bin/callerid demo --app flask

# Two processes, each with a half of the tests and then some of the other's: so most modules run in one of them, which
# makes their fixtures, keys and applications once. Written bytecode saves each half a minute: pytest rewrites asserts.
export PYTHONDONTWRITEBYTECODE =
PYTEST_BY_TWO = -m pytest -n 2 --dist worksteal

# The contract's tests are all slow, and to collect them takes seconds.
check: .venv/installed
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint mypy pyright quick

quick: .venv/installed
	.venv/bin/python $(PYTEST_BY_TWO) -q -m 'not server and not slow' --ignore tests/contract/test_contract.py

test: .venv/installed
	.venv/bin/python $(PYTEST_BY_TWO) $(or $(T),--cov --cov-report=term-missing --cov-fail-under=100)

e2e: .venv-e2e/installed chromium postgresql prometheus redis-server node_modules/.firebase-tools-$(FIREBASE_TOOLS)
	.venv-e2e/bin/python -m pytest $(or $(T),tests/e2e)

test-lowest: .venv-lowest/installed
	.venv-lowest/bin/python $(PYTEST_BY_TWO) -m 'not own'

# Side by side: while one environment is made, another one's tests run.
test-versions:
	@$(MAKE) --no-print-directory --jobs 2 --output-sync $(VERSIONS:%=test-fastapi-%)

test-fastapi-%: .venv-fastapi-%/installed
	.venv-fastapi-$*/bin/python $(PYTEST_BY_TWO) tests/starlette tests/fastapi tests/examples

lint: .venv/ready
	.venv/bin/ruff check
	.venv/bin/ruff format --check

types: mypy pyright

mypy: .venv/ready
	.venv/bin/mypy

pyright: .venv/ready
	.venv/bin/pyright --pythonpath .venv/bin/python

# Pages load nothing from another host: neither fonts nor scripts.
docs: .venv/ready
	PATH=.venv/bin:$$PATH NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet
	@! grep -rlE '<(script|link|img|iframe)[^>]*(src|href)="?(https?:)?//' build/docs --include='*.html'

bench: .venv-bench/installed wrk
	.venv-bench/bin/python -m bench

bench-check: .venv-bench/installed wrk
	.venv-bench/bin/python -m bench --check

# What is uploaded; tests/packaging looks into it, in `make test`.
dist: .venv-dist/ready
	rm -rf dist
	.venv-dist/bin/python -m hatchling build -d dist
	.venv-dist/bin/twine check --strict dist/*
	@for python in $(DIST_PYTHONS); do \
	    $$python -c '' 2>/dev/null || { echo "$$python is not here"; continue; }; \
	    $$python -m venv --clear .venv-dist/$$python && \
	    .venv-dist/$$python/bin/$(PIP_INSTALL) -c constraints.txt "$$(echo dist/*.whl)[fastapi]" && \
	    .venv-dist/$$python/bin/python tests/packaging/installed.py || exit 1; \
	done

.PHONY: wrk chromium postgresql prometheus redis-server
wrk chromium redis-server:
	@command -v $@ >/dev/null || { apt-get update -qq && apt-get install -y -qq $@ >/dev/null; }

# Without the exporters that Debian recommends, which would run.
prometheus:
	@command -v $@ >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends $@ >/dev/null; }

# The tests have a cluster of their own: Debian's, which installing would start, is not made.
postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql-common >/dev/null && \
	    sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null; }

# The Firebase Auth emulator, which needs Node.js and npm. Nothing that npm installs here runs anything, or is committed.
node_modules/.firebase-tools-$(FIREBASE_TOOLS):
	npm install --prefix . --no-save --no-package-lock --no-audit --no-fund --no-update-notifier --ignore-scripts \
	    --omit=optional --loglevel=error firebase-tools@$(FIREBASE_TOOLS)
	@touch $@

# All that the tests run in: with `make --jobs 2`, two are made side by side.
environments: .venv/installed .venv-lowest/installed .venv-e2e/installed $(VERSIONS:%=.venv-fastapi-%/installed)

# An environment with what the tests need, but for callerid itself.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/$(PIP_INSTALL) -c constraints.txt hatchling
	$(@D)/bin/$(PIP_INSTALL) -c constraints.txt --no-build-isolation '.[dev]'
	@touch $@

.venv-bench/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/$(PIP_INSTALL) -c constraints.txt hatchling
	$(@D)/bin/$(PIP_INSTALL) -c constraints.txt --no-build-isolation '.[bench]'
	@touch $@

.venv-e2e/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/$(PIP_INSTALL) -c constraints.txt hatchling
	$(@D)/bin/$(PIP_INSTALL) -c constraints.txt --no-build-isolation '.[e2e]'
	@touch $@

.venv-dist/ready: constraints.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/$(PIP_INSTALL) -c constraints.txt hatchling twine
	@touch $@

.venv-lowest/ready: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/$(PIP_INSTALL) -c constraints-lowest.txt hatchling
	$(@D)/bin/$(PIP_INSTALL) -c constraints-lowest.txt --no-build-isolation '.[test]'
	@touch $@

.venv-fastapi-%/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(@D)
	grep -vE '^(fastapi|starlette)==' constraints.txt > $(@D)/constraints.txt
	$(@D)/bin/$(PIP_INSTALL) -c $(@D)/constraints.txt hatchling
	$(@D)/bin/$(PIP_INSTALL) -c $(@D)/constraints.txt --no-build-isolation fastapi==$* '.[test]'
	@touch $@

# What is tested is the wheel, installed as any user would have it.
%/installed: %/ready $(SOURCES)
	$(@D)/bin/$(PIP_INSTALL) --no-build-isolation --no-deps --no-index --force-reinstall .
	@touch $@

.SECONDARY:

clean:
	rm -rf .venv .venv-* build dist node_modules .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
