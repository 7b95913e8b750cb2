# Everything lands in .venv and .cache, both ignored. Needs: GNU make, Python 3.11 or later with venv, a network.
# `make help` lists the verbs.

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.9
ROOT := $(CURDIR)
PYTHON := .venv/bin/python
READY := .venv/.ready
export UV_CACHE_DIR := $(ROOT)/.cache/uv
export UV_PYTHON_INSTALL_DIR := $(ROOT)/.cache/python
export UV_LINK_MODE := copy
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

UV = $(shell uv --version >/dev/null 2>&1 && echo uv || echo .cache/uv-$(UV_VERSION)/bin/uv)
OUT ?= dist/sbom.cdx.json
ARGS ?=
SEEDS ?= 1000
START ?= 0
HOURS ?= 2
SECONDS ?= 240

.PHONY: help demo test check test-core test-chart test-image test-kafka test-kubernetes verify sim soak fuzz mutants bench image sbom advisories docs picture clean

help:  ## List the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

demo: $(READY)  ## A local Kafka, brokers killed, every record accounted for (ARGS="--duration 120s --json FILE")
	@.venv/bin/kafka-sentinel demo $(ARGS)

test: $(READY)  ## All tiers, long ones shortened (ARGS="-k words -x" for pytest)
	@$(PYTHON) -m tools.tiers --pytest="$(ARGS)"

check: $(READY)  ## Format, lint, types, import contracts, generated docs, core tests: under a minute
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache --no-logo
	@$(PYTHON) -m kafka_sentinel.docs_gen --check
	@$(PYTHON) tools/chart.py --check
	@$(PYTHON) -m pytest -q tests/core tests/demo $(ARGS)

test-core: $(READY)  ## The core tier alone
	@$(PYTHON) -m tools.tiers core --pytest="$(ARGS)"

test-chart: $(READY)  ## The Helm chart alone, under Helm 3 and 4 (Go; both built from source the first time)
	@$(PYTHON) -m tools.tiers chart --pytest="$(ARGS)"

test-image: $(READY)  ## The image alone, built and run by podman (root on Debian)
	@$(PYTHON) -m tools.tiers image --pytest="$(ARGS)"

test-kafka: $(READY)  ## The tier on real brokers alone
	@$(PYTHON) -m tools.tiers kafka --pytest="$(ARGS)"

test-kubernetes: $(READY)  ## The tier on a real Kubernetes alone (root on Debian, Go; built from source the first time)
	@$(PYTHON) -m tools.tiers kubernetes --pytest="$(ARGS)"

verify: check  ## Everything at full length: long outages, whole matrices, many more examples
	@FULL=1 $(PYTHON) -m tools.tiers --pytest="$(ARGS)"
	@$(MAKE) sim

sim: $(READY)  ## Simulated worlds (SEEDS=n START=k)
	@$(PYTHON) -m tests.sim --seeds $(SEEDS) --start $(START)

mutants: $(READY)  ## The core made wrong in one place at a time (MODULES="verdicts ledger" BUDGET=seconds SAMPLE=n SEED=n SHOW=name TESTS="file ..." ENOUGH=seconds)
	@nice -n 19 $(PYTHON) -m tools.mutants $(MODULES) $(if $(BUDGET),--budget $(BUDGET)) \
	  $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(if $(SHOW),--show $(SHOW)) \
	  $(if $(ENOUGH),--enough $(ENOUGH)) $(if $(TESTS),--tests $(TESTS))

soak: $(READY)  ## Real brokers and random faults for hours, every record compared with the log (HOURS=h SEED=s FAULTS=a,b)
	@$(PYTHON) -m tests.soak --hours $(HOURS) $(if $(SEED),--seed $(SEED)) $(if $(FAULTS),--faults $(FAULTS))

fuzz: $(READY)  ## Hostile input, guided by coverage (SECONDS=n for all of it together; CPython 3.11 on x86-64)
	@$(PYTHON) -m tests.fuzz --seconds $(SECONDS)

bench: $(READY)  ## What docs/performance.md shows, measured here (40 minutes; WRITE=1 writes the page)
	@for each in throughput footprint observer precision latency scale fleet endurance kills image simulation; do \
	  echo "--- $$each"; $(PYTHON) -m benchmarks.$$each $(if $(WRITE),--write) || exit 1; done

image:  ## The image, by docker, podman or buildah (BASE=IMAGE, RUNTIME_BASE=IMAGE, EXTRAS=msk, BUILDER=PROGRAM, ARGS)
	@for builder in $(or $(BUILDER),docker podman buildah); do $$builder info >/dev/null 2>&1 && break; builder=; done; \
	  [ -n "$$builder" ] || { \
	    echo "nothing that builds images answers to 'info'; tried: $(or $(BUILDER),docker podman buildah)"; exit 2; }; \
	  version=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml); \
	  $$builder build -t kafka-sentinel:$$version --build-arg VERSION=$$version \
	    $(foreach each,BASE RUNTIME_BASE EXTRAS,$(if $($(each)),--build-arg "$(each)=$($(each))")) \
	    --label org.opencontainers.image.revision=$$(git rev-parse HEAD) \
	    --label org.opencontainers.image.created=$$(git log -1 --format=%cI) $(ARGS) .

sbom: $(READY)  ## What is installed beside Sentinel, by CycloneDX, from uv.lock (OUT=dist/sbom.cdx.json)
	@mkdir -p $(dir $(OUT)) && $(UV) export --quiet --frozen --no-dev --all-extras --format cyclonedx1.5 --output-file $(OUT)
	@echo $(OUT)

advisories: $(READY)  ## Whether anything of it has known vulnerabilities (asks api.osv.dev)
	@$(UV) audit --frozen --no-dev

docs: $(READY)  ## Write what is generated anew: pages in docs/, dashboards, the chart's schema and table
	@$(PYTHON) -m kafka_sentinel.docs_gen --write
	@$(PYTHON) tools/chart.py --write
	@$(PYTHON) -m tools.dashboards

picture: $(READY)  ## The picture of the page in docs/, taken by Chromium
	@$(PYTHON) -m tests.page.picture docs/page.png

clean:  ## Remove what was fetched and built
	rm -rf .venv .cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache .mutants .fuzz dist

# uv from the PATH if it works, else this version of it, in a virtual environment of its own.
$(READY): pyproject.toml uv.lock
	@mkdir -p .cache
	@uv=uv; if ! uv --version >/dev/null 2>&1; then uv=.cache/uv-$(UV_VERSION)/bin/uv; \
	  if [ ! -x $$uv ]; then \
	    echo "fetching uv $(UV_VERSION)"; rm -rf .cache/uv-$(UV_VERSION); \
	    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	      || { echo "Python 3.11 or later is needed; python3 is $$(python3 --version 2>&1)"; exit 2; }; \
	    python3 -m venv .cache/uv-$(UV_VERSION) \
	      || { echo "python3 -m venv does not work; on Debian: apt-get install python3-venv"; exit 2; }; \
	    .cache/uv-$(UV_VERSION)/bin/pip install -q --no-cache-dir --disable-pip-version-check uv==$(UV_VERSION) || exit 2; \
	  fi; fi; \
	  echo "setting up .venv (about a minute, once)"; $$uv sync --frozen --all-groups --quiet
	@touch $@
