PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One stamp a kind of environment: it is remade when its inputs change.
READY := $(VENV)/.ready
SITE_READY := .venv-site/.ready
INPUTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup start check test pages soak coverage test-torchtext test-flower lanes site serve outputs translated screenshots cards peers peers-table dist offline clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY)  ## make the environment in .venv and nothing else

$(READY): $(INPUTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making the environment in $(VENV): about three minutes and 6 GB, once."
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group site --group test --group check
	$(BIN)/python -m pip install --quiet --no-deps --constraint constraints.txt alphamed-federated
	@touch $@

start: $(READY)  ## run the MNIST task over three nodes, then serve the site at http://127.0.0.1:8000
	@$(BIN)/playground run mnist --nodes 3 --seed 1
	@echo "The same on web pages, node by node: in another terminal, $(BIN)/playground serve mnist --open"
	@$(MAKE) --no-print-directory serve

# What fails within two minutes, for every edit: no training, no site, no browser.
UNIT_TESTS := $(foreach name,arguments catalogue facts metrics partition dependencies,$(wildcard tests/test_$(name).py tests/*/test_$(name).py))
check: $(READY)  ## lint, types, the pages' rules and the unit tests, in less than two minutes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/docs/test_doc_gate.py tests/docs/test_gate_rules.py $(UNIT_TESTS)

# One thread a worker: two workers with as many threads as cores each would wait for one another.
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

test: $(READY)  ## run the test suite, with two workers; more with WORKERS=4
	$(PYTEST)

pages: $(READY)  ## run the code of the pages: each snippet by itself, each page from beginning to end
	$(PYTEST) -m pages tests/docs

soak: $(READY)  ## run the tests that take minutes: killed runs, full disks, many random cases
	$(PYTEST) -m soak

coverage: $(READY)  ## run the test suite and show which lines no test runs
	$(PYTEST) --cov --cov-report=term:skip-covered

# The original language modelling tutorial needs torchtext, and torchtext a torch of April 2024: an environment of its own.
TORCHTEXT_READY := .venv-torchtext/.ready

$(TORCHTEXT_READY): pyproject.toml constraints-torchtext.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || { echo "torchtext needs Python 3.11 or 3.12; name it with: make PYTHON=python3.12 test-torchtext"; exit 1; }
	$(PYTHON) -m venv --clear .venv-torchtext
	.venv-torchtext/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-torchtext/bin/python -m pip install --quiet --constraint constraints-torchtext.txt --editable ".[torchtext]" pytest pytest-codeblocks
	@touch $@

test-torchtext: $(TORCHTEXT_READY)  ## run the original tutorial's torchtext code, and compare our tokenizer with it
	.venv-torchtext/bin/python -m pytest tests/torchtext

# Flower wants other versions of some packages than constraints.txt has: an environment of its own.
FLOWER_READY := .venv-flower/.ready

$(FLOWER_READY): $(INPUTS) constraints-flower.txt
	$(PYTHON) -m venv --clear .venv-flower
	.venv-flower/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	sed -n 's/^\(.*==\).*/^\1/p' constraints-flower.txt > .venv-flower/others.txt
	grep -vf .venv-flower/others.txt constraints.txt > .venv-flower/constraints.txt
	.venv-flower/bin/python -m pip install --quiet --constraint .venv-flower/constraints.txt --constraint constraints-flower.txt --editable ".[flower]" --group site --group test
	.venv-flower/bin/python -m pip install --quiet --no-deps --constraint constraints.txt alphamed-federated
	@touch $@

test-flower: $(FLOWER_READY)  ## run the engine flower's tests: a SuperLink and SuperNodes, three hosts, killed processes
	OMP_NUM_THREADS=1 .venv-flower/bin/python -m pytest -m "not pages" tests/flower

LANES ?=
lanes:  ## run the tests in other environments, with the newest and the oldest versions; one of them: make lanes LANES=newest
	$(PYTHON) tools/run_lanes.py $(LANES)

# The site needs no torch: where there is no .venv yet, a small environment of its own builds it.
SITE_BIN := $(if $(wildcard $(READY)),$(BIN),.venv-site/bin)

$(SITE_READY): $(INPUTS)
	$(PYTHON) -m venv --clear .venv-site
	.venv-site/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-site/bin/python -m pip install --quiet --constraint constraints.txt --group site
	@touch $@

# Folders count too, so that a removed page is noticed.
SITE_SOURCES := $(wildcard mkdocs*.yml) $(shell find docs hooks includes snippets src -not -path '*/__pycache__*' -not -path '*.egg-info*' 2>/dev/null)

site: site/.built  ## build the site into site/

# Material advertises another tool at each build; a warning there should be one of ours.
export NO_MKDOCS_2_WARNING := 1

site/.built: $(if $(wildcard $(READY)),$(READY),$(SITE_READY)) $(SITE_SOURCES)
	$(SITE_BIN)/python -m mkdocs build --strict --config-file mkdocs.yml
	$(SITE_BIN)/python -m mkdocs build --strict --config-file mkdocs.en.yml
	@touch $@

PAGES ?=
outputs: $(READY)  ## record what the pages' code prints and draws; one page: make outputs PAGES=guides/mnist
	PYTHONPATH=hooks $(BIN)/python tools/record_outputs.py $(PAGES)

translated: $(READY)  ## record that pages say the same in both languages; one page: make translated PAGES=guides/mnist
	PYTHONPATH=hooks $(BIN)/python tools/record_translations.py $(PAGES)

screenshots: $(READY)  ## take the pictures of the playground's page anew; needs Chromium
	PYTHONPATH=hooks $(BIN)/python tools/record_screenshots.py

cards: $(READY)  ## draw the pictures that links to the site show anew; needs Chromium
	PYTHONPATH=hooks $(BIN)/python tools/draw_cards.py

# Other systems to measure ours against: an environment each, which borrows torch from ours, so that all have the same.
peers: $(patsubst %,.peers/%/.ready,flower nvflare ray)  ## make the environments of the systems that ours is measured against, about 1 GB

.peers/%/.ready: benchmarks/peers/%.txt $(READY)
	$(BIN)/python -m venv --clear .peers/$*
	.peers/$*/bin/python -m pip install --quiet --only-binary :all: --requirement $< "$$(grep ^numpy== constraints.txt)"
	echo $(CURDIR)/$(VENV)/lib/python*/site-packages > .peers/$*/ours.pth
	mv .peers/$*/ours.pth .peers/$*/lib/python*/site-packages
	@touch $@

peers-table: peers  ## measure them: a quarter of an hour on a machine that does nothing else
	$(BIN)/python benchmarks/peers.py --json docs/results/scale/peers.json

dist: $(READY)  ## build what is published, wheel and sources, into dist/
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m twine check --strict dist/*

COPY := offline/alphamed-tutorials
offline: site $(READY)  ## put the site into one file to take along, each guide with a PDF, which needs Chromium
	rm -rf offline && mkdir offline && cp -R site $(COPY)
	PYTHONPATH=hooks $(BIN)/python tools/print_guides.py $(COPY)
	cd offline && ../$(BIN)/python -m zipfile -c alphamed-tutorials.zip alphamed-tutorials
	@echo "offline/alphamed-tutorials.zip: unpack it anywhere and open index.html (English: en/index.html)"

PORT ?= 8000
serve: site  ## build the site and serve it at http://127.0.0.1:8000
	@echo "The site is at http://127.0.0.1:$(PORT) (Chinese) and http://127.0.0.1:$(PORT)/en/ (English). Ctrl-C stops it."
	@$(SITE_BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory site 2>/dev/null || { echo "Port $(PORT) seems to be taken; try: make serve PORT=8001"; exit 1; }

clean:  ## remove the environments, the built site and its copy; runs and data stay
	rm -rf .venv .venv-site .venv-torchtext .venv-flower .peers site offline dist
