# One place for every command: people, CI and the tests call these targets. `make help` lists them.

PYTHON ?= python3
DATA ?= ../shared/data
BASE ?= HEAD
PROFILE ?= .
VENV := .venv
BIN := $(VENV)/bin
# CONSTRAINTS=1 installs the versions in constraints/ instead of the newest; such a .venv stays so until CONSTRAINTS=.
CONSTRAINTS ?= $(wildcard $(VENV)/.somanet-installed-constrained)
STAMP := $(VENV)/.somanet-installed$(if $(CONSTRAINTS),-constrained)
PYTHON_VERSION = $$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
REPORT := build/report.md

# DVC stages use the environment's `python`, whatever the caller has activated.
export PATH := $(CURDIR)/$(BIN):$(PATH)
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
# No telemetry from anything that SomaNet starts.
export MLFLOW_DISABLE_TELEMETRY := true
export NO_ALBUMENTATIONS_UPDATE := 1
export DVC_NO_ANALYTICS := 1
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: dist image page-numbers release-check
.PHONY: help setup upgrade constraints audit pin-workflows demo ui test test-real test-wild test-robustness test-slow \
	test-kill test-napari check lint types typos format repro repro-again locks bless base base-key committed experiments notebooks plots report \
	study real bundled-sets bundled-model bundled-export bioimageio peers yolo idtracker profiles clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Create .venv, install SomaNet with its tools (PYTHON=python3.12, CONSTRAINTS=1: versions in constraints/)

$(STAMP): pyproject.toml $(if $(CONSTRAINTS),$(wildcard constraints/*.txt))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "SomaNet needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo 'Installing SomaNet and its libraries into $(VENV): some minutes and 7 GB the first time.'
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[dev,imagenet]' \
		$(if $(CONSTRAINTS),--constraint "constraints/py$(PYTHON_VERSION).txt")
	@rm -f $(VENV)/.somanet-installed*
	@touch $@

upgrade: setup ## Install the newest allowed version of every dependency
	$(BIN)/python -m pip install --upgrade --upgrade-strategy eager --editable '.[dev,imagenet]'
	$(BIN)/python -m pip check

SITE_PACKAGES := import sysconfig; print(sysconfig.get_path("purelib"))

# DVC makes values of params.yaml part of shell commands: they must be plain words.
GUARD := $(BIN)/python -m somanet.provenance.dvc_guard

PYTHONS := 3.11 3.12 3.13

constraints: ## Write constraints/: one version of every library for each Python (UPGRADE=1 takes the newest)
	@test -x build/uv/bin/uv || { $(PYTHON) -m venv build/uv && \
		build/uv/bin/python -m pip install --disable-pip-version-check --quiet 'uv>=0.9'; }
	@mkdir -p constraints
	@for version in $(PYTHONS); do build/uv/bin/uv pip compile pyproject.toml --extra dev --extra imagenet --quiet \
		--python-version "$$version" --python-platform linux --no-annotate --custom-compile-command 'make constraints' \
		$(if $(UPGRADE),--upgrade) --output-file "constraints/py$$version.txt" || exit 1; done

audit: setup ## Look up known vulnerabilities of the versions in constraints/ and in .venv
	@test -x build/audit/bin/pip-audit || { $(PYTHON) -m venv build/audit && \
		build/audit/bin/python -m pip install --disable-pip-version-check --quiet 'pip-audit>=2.9'; }
	build/audit/bin/pip-audit --progress-spinner off --disable-pip --no-deps \
		$(patsubst %,--requirement %,$(wildcard constraints/*.txt))
	build/audit/bin/pip-audit --progress-spinner off --skip-editable --path "$$($(BIN)/python -c '$(SITE_PACKAGES)')"

notebooks: setup ## Run the notebooks of examples/ and keep their output in them
	$(BIN)/python -m tools.notebooks examples/notebooks/*.ipynb

pin-workflows: setup ## Pin the workflows' actions to commits, and check these against their tags
	$(BIN)/python -m tools.pin_workflows .github/workflows/*.yml

demo: setup ## Set up, run the whole pipeline on simulated data, show where to look
	@$(GUARD) dvc.yaml
	$(BIN)/dvc repro
	@echo
	@echo 'Done. Look at:'
	@echo '  reports/comparison.md   the table: every variant, every score, with intervals'
	@echo '  reports/movies/         the movie: report.html, overlay.mp4, every table'
	@echo '  make plots              training curves and saltations, in build/plots/index.html'
	@echo '  make ui                 every run with its curves, in MLflow'

repro: setup ## Run what has changed in the pipeline on simulated data (TIMED=1 records how long stages take)
	@$(GUARD) dvc.yaml
	$(if $(TIMED),$(BIN)/python -m tools.pull_request repro,$(BIN)/dvc repro)

repro-again: setup ## Prove that nothing is left to run (PROFILE=folder): fails if a stage would run
	@mkdir -p build
	@$(GUARD) '$(PROFILE)/dvc.yaml'
	@$(BIN)/python -m tools.locks check
	@for dry in --dry ''; do \
		$(BIN)/dvc --cd '$(PROFILE)' repro $$dry >build/repro-again.log 2>&1 || { cat build/repro-again.log; exit 1; }; \
		cat build/repro-again.log; \
		if grep -E '^(Running stage|Stage .* is cached)' build/repro-again.log | grep -v "'names'"; then \
			echo 'Not reproduced: a second run must run nothing but the check, names.' >&2; exit 1; fi; done

locks: setup ## Refuse a dvc.lock whose stages did not run (BASE=HEAD: hashes must not have moved since, without a run)
	@$(BIN)/python -m tools.locks check --base '$(BASE)'

bless: setup ## Let a dvc.lock follow code that is proven to compute the same (PROFILE=folder): minutes
	@$(BIN)/python -m tools.locks bless '$(PROFILE)'

committed: setup ## After `make repro`: are the committed lock and scores those of this code and these parameters?
	$(BIN)/python -m tools.committed

experiments: setup ## Compare DVC experiments: the parameters and scores that differ (ARGS=options of `dvc exp show`)
	$(BIN)/python -m tools.experiments $(ARGS)

plots: setup ## Draw the pipeline's plots in build/plots/index.html, which needs no network (ARGS=options of `dvc plots show`)
	$(BIN)/python -m tools.plots $(ARGS)

study: setup ## Run the paper's study on simulated data, resuming where it stopped: profiles/study/reports/study.md
	$(BIN)/somanet study paper

real: setup ## Run the pipeline on real data (DATA=folder, default ../shared/data)
	@test -d '$(DATA)' || { echo "There is no folder '$(DATA)'. Give yours: make real DATA=path" >&2; exit 1; }
	@ln -sfn "$$(cd '$(DATA)' && pwd)" profiles/real/input
	@$(GUARD) profiles/real/dvc.yaml
	$(BIN)/dvc --cd profiles/real repro

# The bundled network is the mean of those of some seeds. One seed is in build/bundled/seed$(SEED): the same command resumes
# what was stopped, and keeps what is done; all seeds share the epochs that MINUTES gave the first one.
SEED ?= 0
MINUTES ?=
BUNDLED := build/bundled
SETS := $(BUNDLED)/sets
RUN := $(BUNDLED)/seed$(SEED)
EPOCHS = $(if $(MINUTES),--set training.epochs=$$(cat '$(BUNDLED)/$(1).epochs'))

bundled-sets: setup ## Build the sets that the bundled network is trained on, with their licences (DATA=folder)
	@test -d '$(DATA)' || { echo "There is no folder '$(DATA)'. Give yours: make bundled-sets DATA=path" >&2; exit 1; }
	$(BIN)/python -m tools.training_sets '$(DATA)' --output $(SETS)
	$(BIN)/somanet simulate --output $(BUNDLED)/simulated --nuclei 0 --crops 32 --frames 0 --seed 1000
	$(BIN)/somanet simulate --output $(BUNDLED)/varied --nuclei 0 --crops 192 --frames 0 --seed 4000 --varied
	@for name in simulated varied; do \
		$(BIN)/somanet data select $(BUNDLED)/$$name/crops.zip --output $(SETS)/$$name || exit 1; done
	$(BIN)/somanet simulate --output $(BUNDLED)/val --nuclei 0 --crops 8 --frames 0 --seed 2000

# Sets that are named several times are drawn as often more. The start is the bundled network of an earlier commit.
START := $(BUNDLED)/start/somanet/model
TRAINED := $(RUN)/neurons
SEEDS := 0 1 2
MEAN := $(BUNDLED)/mean
repeated = $(foreach n,$(1),$(2))
bundled-model: setup ## Train one seed of the bundled network, after bundled-sets (DATA=folder, SEED=0, MINUTES=60, TRAIN=options)
	@test -d $(SETS)/nuclei32 || { echo "There are no sets in $(SETS). Make them first: make bundled-sets DATA=path" >&2; exit 1; }
	@mkdir -p $(RUN) $(BUNDLED)/start
	@test -e $(START)/config.json || git archive 5b812dd somanet/model | tar -x -C $(BUNDLED)/start
	@test -z '$(MINUTES)' || test -e $(BUNDLED)/neurons.epochs || \
		$(BIN)/python -m tools.budget $(SETS)/dsb2018 --minutes $(MINUTES) --output $(BUNDLED)
	test -e $(RUN)/many_domains/config.json || $(BIN)/somanet finetune $(call repeated,1 2 3 4 5 6 7 8 9 10 11 12,$(SETS)/somas) \
		$(call repeated,1 2 3 4,$(SETS)/simulated) $(SETS)/varied $(SETS)/dsb2018 \
		$(call repeated,1 2 3,$(wildcard $(SETS)/drosophila_h2b)) --val $(BUNDLED)/val/crops.zip --test-share 0 \
		--params somanet/model/recipe.yaml --variant many_domains --start $(START) --seed $(SEED) \
		--output $(RUN)/many_domains --experiment bundled $(call EPOCHS,many_domains) $(TRAIN)
	test -e $(TRAINED)/config.json || $(BIN)/somanet finetune $(SETS)/somas $(SETS)/somas $(SETS)/simulated $(SETS)/nuclei32 \
		--val $(BUNDLED)/val/crops.zip --test-share 0 --params somanet/model/recipe.yaml --variant neurons \
		--start $(RUN)/many_domains --seed $(SEED) --output $(TRAINED) --experiment bundled $(call EPOCHS,neurons) $(TRAIN)

bundled-mean: setup ## Make one network of those of SEEDS, and fit its temperature (DATA=folder)
	test -e $(MEAN)/config.json || \
		$(BIN)/python -m tools.average $(foreach n,$(SEEDS),$(BUNDLED)/seed$(n)/neurons) --output $(MEAN)
	$(BIN)/somanet calibrate '$(DATA)/soma/val' $(BUNDLED)/val/crops.zip --model $(MEAN) --output $(MEAN)
	$(BIN)/python -m tools.training_sets --card $(MEAN)

bundled-export: setup ## Put that network into the package; its card's table: tools.training_sets --card
	$(BIN)/python -m tools.training_sets --card $(MEAN)
	$(BIN)/somanet export $(MEAN) --output somanet/model --modality fluorescence --diameters 12-40 --replace
	$(BIN)/python -m tools.stored_graph somanet/model

bioimageio: setup ## Export the bundled model for Fiji and QuPath, and run the BioImage Model Zoo's own test
	@test -x build/bioimageio/bin/bioimageio || { $(PYTHON) -m venv build/bioimageio && \
		build/bioimageio/bin/python -m pip install --disable-pip-version-check --quiet \
		'bioimageio.core>=0.11' 'pydantic<2.14' onnxruntime; }
	$(BIN)/somanet export --format bioimageio --output build/somanet_bioimageio.zip
	build/bioimageio/bin/bioimageio test build/somanet_bioimageio.zip

peers: setup ## Compare SomaNet with the paper's U-Net and other programs (DATA=folder, ARGS=options): build/peers.md
	@test -d '$(DATA)/dsb2018' || echo "There is no '$(DATA)/dsb2018': using simulated images instead." >&2
	@if test -d '$(DATA)/dsb2018'; then set -- --data '$(DATA)'; fi; \
		$(BIN)/python -m benchmarks.peers --install "$$@" $(ARGS)

# libreyolo needs another OpenCV, so it has its own environment, which borrows .venv's torch: 250 MB instead of 7 GB.
YOLO := build/yolo/venv
SOMANET_TIMES = $(wildcard build/bundled/*_report/training.json)

yolo: setup ## Train a YOLO detector for as long as SomaNet and compare (BUDGET=seconds, DATA=folder, ARGS=options): build/yolo/yolo.md
	@test -d '$(DATA)' || { echo "There is no folder '$(DATA)'. Give yours: make yolo DATA=path" >&2; exit 1; }
	@test -x $(YOLO)/bin/libreyolo -a -x $(YOLO)/bin/trackers || { $(BIN)/python -m venv $(YOLO) && \
		$(BIN)/python -c '$(SITE_PACKAGES)' > "$$($(YOLO)/bin/python -c '$(SITE_PACKAGES)')/borrowed.pth" && \
		$(YOLO)/bin/python -m pip install --disable-pip-version-check --quiet 'libreyolo==1.6.0' 'trackers==2.6.1'; } || { \
		echo 'libreyolo and trackers cannot be installed here; their environment is $(YOLO).' >&2; rm -rf $(YOLO); exit 1; }
	$(BIN)/python -m benchmarks.yolo --data '$(DATA)' $(if $(BUDGET),--budget-s '$(BUDGET)') \
		$(if $(SOMANET_TIMES),--somanet-training $(SOMANET_TIMES)) $(ARGS)

# GPL-3, so never imported: an environment of its own, which borrows .venv's torch.
IDTRACKER := build/idtracker/venv

idtracker: setup ## Compare SomaNet's linker with idtracker.ai's on the real movie (DATA=folder, ARGS=options): build/idtracker/idtracker.md
	@test -d '$(DATA)' || { echo "There is no folder '$(DATA)'. Give yours: make idtracker DATA=path" >&2; exit 1; }
	@test -x $(IDTRACKER)/bin/idtrackerai || { $(BIN)/python -m venv $(IDTRACKER) && $(BIN)/python -c '$(SITE_PACKAGES)' \
		> "$$($(IDTRACKER)/bin/python -c '$(SITE_PACKAGES)')/borrowed.pth" && \
		$(IDTRACKER)/bin/python -m pip install --disable-pip-version-check --quiet 'idtrackerai>=6,<7'; } || { \
		echo 'idtracker.ai cannot be installed here; its environment is $(IDTRACKER).' >&2; rm -rf $(IDTRACKER); exit 1; }
	$(BIN)/python -m benchmarks.idtracker --data '$(DATA)' $(ARGS)

profiles: ## Make every folder of profiles/ with a params.yaml a DVC project: the graph, links to the code, .dvc
	@for params in profiles/*/params.yaml; do folder=$${params%/params.yaml}; mkdir -p "$$folder/.dvc"; \
		cp dvc.yaml .dvcignore "$$folder"; mkdir -p "$$folder/corrections"; \
		cp corrections/README.md "$$folder/corrections"; cp .dvc/.gitignore "$$folder/.dvc"; \
		test -e "$$folder/.dvc/config" || printf '[core]\n    analytics = false\n    check_update = false\n' \
			>"$$folder/.dvc/config"; \
		for package in somanet pipelines; do ln -sfn "../../$$package" "$$folder/$$package"; done; done

base: setup ## Run the pipeline of BASE=HEAD in build/base, for `make report` to compare with
	$(BIN)/python -m tools.pull_request base --base '$(BASE)'

base-key: setup ## Print what the results of BASE=HEAD depend on: their commit, the machine, the libraries
	@$(BIN)/python -m tools.pull_request key --base '$(BASE)'

report: setup ## Write build/report.md: changes in scores, metrics and times against BASE=HEAD
	$(BIN)/python -m tools.pull_request report --base '$(BASE)' --output $(REPORT)

ui: setup ## Open MLflow on this computer only
	$(BIN)/somanet ui

# MkDocs has an environment of its own: nothing else needs it, and it reads the code without importing its libraries.
DOCS := build/docs
DOCS_EXTRA := import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['docs'], sep='\n')

$(DOCS)/ready: pyproject.toml
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -c "$(DOCS_EXTRA)" > $(DOCS)/requirements.txt
	$(DOCS)/bin/python -m pip install --disable-pip-version-check --quiet --requirement $(DOCS)/requirements.txt
	@touch $@

.PHONY: docs
docs: $(DOCS)/ready ## Build the documentation as a site, strictly: build/site/index.html
	$(DOCS)/bin/python -m mkdocs build --strict

# Separate: a process that has used OpenVINO can crash when it sends itself a SIGTERM, as other tests do.
ENGINE_TESTS := tests/segmentation/engines tests/segmentation/export tests/cli/test_engines.py

# Two files at once, each process with one thread for computing; a file's tests stay together for what they share.
TOGETHER := --numprocesses 2 --dist loadfile

test: export OMP_NUM_THREADS := 1
test: setup ## Run the quick test suite
	$(BIN)/python -m pytest -m 'not slow and not e2e and not real and not napari' $(TOGETHER) $(ENGINE_TESTS:%=--ignore %)
	$(BIN)/python -m pytest -m 'not slow and not e2e and not real' $(TOGETHER) $(ENGINE_TESTS)

test-real: setup ## Run the quick tests that need the real data (SOMANET_DATA, or ../shared/data)
	$(BIN)/python -m pytest -m 'real and not slow and not e2e'

SEED ?= $(shell date +%s)

test-wild: setup ## Run the property tests on new random examples (SEED=number repeats a run)
	@echo 'Seed: $(SEED)'
	SOMANET_WILD=1 $(BIN)/python -m pytest -m 'hypothesis and not slow and not e2e and not real' --hypothesis-seed='$(SEED)'

N ?= 500
JOBS ?= $(shell nproc 2>/dev/null || echo 1)

test-robustness: setup ## Run commands on N=500 broken and hostile inputs (SEED=number repeats a run, JOBS=number at once)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.robustness --seed '$(SEED)' --count '$(N)' --jobs '$(JOBS)' \
		--folder build/robustness --json build/robustness.json

test-slow: setup ## Run the slow and end-to-end tests
	$(BIN)/python -m pytest -m 'slow or e2e'

KILLS ?= 40
PAIRS ?= 12
STARTS ?= 3
DISKS ?= 0

test-kill: setup ## Kill commands at random times, run two at once (SEED=, KILLS=, PAIRS=, STARTS=; as root DISKS=: full disks)
	$(BIN)/python -m tests.resilience.campaign --seed '$(SEED)' --kills '$(KILLS)' --pairs '$(PAIRS)' \
		--starts '$(STARTS)' --disks '$(DISKS)'

# napari and Qt have an environment of their own, which borrows .venv's torch.
NAPARI := build/napari

test-napari: setup ## Run the napari plug-in in real windows, under Xvfb where there is no display
	@test -e $(NAPARI)/ready || { $(BIN)/python -m venv $(NAPARI) && $(BIN)/python -c '$(SITE_PACKAGES)' \
		> "$$($(NAPARI)/bin/python -c '$(SITE_PACKAGES)')/borrowed.pth" && \
		$(NAPARI)/bin/python -m pip install --disable-pip-version-check --quiet 'napari>=0.7.1' 'pyqt6>=6.6' \
			'pytest-qt>=4.4' && touch $(NAPARI)/ready; }
	$(if $(DISPLAY),,xvfb-run --auto-servernum --server-args '-screen 0 1600x1000x24') \
		$(NAPARI)/bin/python -m pytest -W default -m napari tests/napari

check: lint types typos ## Run lint, types and typos

lint: setup ## Check style, formatting, and which package imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: setup ## Check the type hints
	$(BIN)/mypy

page-numbers: setup ## Are the numbers on pages those of the files that made them? (ARGS=--mend writes the right ones)
	$(BIN)/python -m tools.page_numbers $(ARGS)

typos: setup ## Check spelling
	$(BIN)/typos

format: setup ## Fix style and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dist: setup ## Build the wheel and the source distribution in dist/, and check both: what is in them, and how PyPI shows them
	@test -x build/dist/bin/twine || { $(PYTHON) -m venv build/dist && \
		build/dist/bin/python -m pip install --disable-pip-version-check --quiet 'build>=1.2' 'twine>=6'; }
	rm -rf dist
	build/dist/bin/python -m build --outdir dist .
	build/dist/bin/twine check --strict dist/*
	$(BIN)/python -m tools.release files dist/*

TAG ?=

release-check: setup ## Is the tag the version of code, citation and changelog? (TAG=v0.2.0)
	$(BIN)/python -m tools.release tag '$(TAG)'

IMAGE ?= somanet

image: ## Build the Docker image of SomaNet on processors (IMAGE=name:tag)
	docker build --tag '$(IMAGE)' .

clean: ## Remove caches and build products; keep .venv, data and runs
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find somanet pipelines tools tests -name __pycache__ -type d -prune -exec rm -rf {} +
