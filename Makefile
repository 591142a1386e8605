# Masksmith, one line per stage. `make help` lists what there is.
#
# Variables stand after the target:  make retrain ROUND=3 WORKSPACE=/data/lab JOBS=4 ARGS="--allow-fewer"

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
.NOTPARALLEL:

VENV := .venv
BENCH_VENV := .venv-bench
PYTHON_HERE := $(VENV)/bin/python
STAMP := $(VENV)/installed-in
BENCH_STAMP := $(BENCH_VENV)/installed

# Only what was typed after the target counts: continuous integration sets its own WORKSPACE, JOBS, ...
typed = $(if $(filter command,$(firstword $(origin $1))),$($1))
flag = $(if $(call typed,$1),$2 '$(call typed,$1)')
SHARED = $(call flag,WORKSPACE,--workspace) $(call flag,CONFIGS,--configs) $(call flag,JOBS,--jobs)
MASKSMITH = $(VENV)/bin/masksmith $@ $(SHARED)
MORE = $(call typed,ARGS)
# Whole files of tests side by side: what a file shares is made once.
SIDE_BY_SIDE = -n logical --maxprocesses 4 --dist loadfile
# A training takes two threads and some GB.
TWO_AT_A_TIME = -n logical --maxprocesses 2 --dist loadfile

##@ First steps
.PHONY: help setup demo
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} \
	    /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	    /^[a-z-]+:.*## / {printf "  make %-26s %s\n", $$1 extra($$2), what($$2)} \
	    function extra(text) {return match(text, /^[A-Z]+=("[^"]*"|[^ ]+)/) ? " " substr(text, 1, RLENGTH) : ""} \
	    function what(text) {sub(/^[A-Z]+=("[^"]*"|[^ ]+) /, "", text); return text}' Makefile
	@printf '\nVariables, after any command:\n'
	@printf '  %-31s %s\n' \
	    'WORKSPACE=DIR' 'the folder with cases, masks and ledger (default workspace/)' \
	    'CONFIGS=DIR' 'the folder with the settings files (default configs/)' \
	    'JOBS=N' 'processes for per-case work (default: all processors)' \
	    'ARGS="..."' 'anything else, handed to masksmith or pytest as it is' \
	    'PYTHON=PATH' 'the interpreter for make setup (default: python3.11, python3.12, python3)'

setup: system-packages $(STAMP) front-end ## make .venv and install everything; quick when nothing changed
	@echo "Ready: $(VENV)/bin/masksmith"

demo: system-packages $(STAMP) ## the whole way on synthetic bodies: CTs, masks, a trained model, pictures
	$(MASKSMITH) $(MORE)

##@ Your data, in this order
.PHONY: init intake bootstrap transfer-heart import-rough retrain train-final evaluate stats plausibility gallery
init: $(STAMP) ## make a workspace
	$(MASKSMITH) $(MORE)
intake: $(STAMP) ## FROM="PATH..." take CTs in: NIfTI, DICOM series, TotalSegmentator folders
	$(if $(call typed,FROM)$(MORE),,$(error say what to take in: make intake FROM=/data/cts))
	$(MASKSMITH) $(call typed,FROM) $(MORE)
bootstrap: $(STAMP) ## make first masks with the models that exist already
	$(MASKSMITH) $(MORE)
transfer-heart: $(STAMP) ## hearts from contrast to native scans of one exam, and a model of both
	$(MASKSMITH) $(MORE)
import-rough: $(STAMP) ## FROM="PATH..." bring in what was drawn elsewhere: Slicer, ITK-SNAP, RTSTRUCT, ...
	$(if $(call typed,FROM)$(MORE),,$(error say what to bring in: make import-rough FROM=/data/drawn))
	$(MASKSMITH) $(foreach path,$(call typed,FROM),--from $(path)) $(MORE)
retrain: $(STAMP) ## ROUND=N train nnU-Net on what was accepted and predict the other cases
	$(MASKSMITH) $(call flag,ROUND,--round) $(MORE)
train-final: $(STAMP) ## MODEL=3mm the models that leave the house; 1.5mm: five parts, PART=ribs for one
	$(MASKSMITH) $(call flag,MODEL,--model) $(call flag,PART,--parts) $(MORE)
evaluate: $(STAMP) ## PREDICTIONS=PATH score them against TRUTH=PATH or accepted masks: Dice, NSD, figures
	$(MASKSMITH) $(call flag,TRUTH,--truth) $(call flag,PREDICTIONS,--predictions) $(call flag,OUT,--out) $(MORE)
stats: $(STAMP) ## FROM=CT SEG=PATH TO=FILE volume, HU, place of every structure; without them of the workspace
	$(MASKSMITH) $(call flag,FROM,--input) $(call flag,SEG,--segmentation) $(call flag,TO,--out) $(MORE)
plausibility: $(STAMP) ## find masks that cannot be: rules of anatomy, density and size
	$(MASKSMITH) $(MORE)
gallery: system-packages $(STAMP) ## draw one picture per case and a page to look through them
	$(MASKSMITH) $(MORE)

##@ In the browser
.PHONY: serve users
serve: $(STAMP) front-end ## PORT=8104 the workbench: worklist, editor, gallery, progress
	$(MASKSMITH) $(call flag,HOST,--host) $(call flag,PORT,--port) $(MORE)
users: $(STAMP) ## ARGS="add NAME" who may sign in to the workbench
	$(MASKSMITH) $(MORE)

##@ Use the models
.PHONY: predict preview simulate
predict: system-packages $(STAMP) ## FROM=PATH segment CTs with trained models; TO=PATH says where to
	$(MASKSMITH) $(call flag,FROM,--input) $(call flag,TO,--output) $(MORE)
preview: system-packages $(STAMP) ## FROM=CT draw a segmentation SEG=PATH as one picture; TO=FILE.png says where to
	$(MASKSMITH) $(call flag,FROM,--input) $(call flag,SEG,--segmentation) $(call flag,TO,--output) $(MORE)
simulate: $(STAMP) ## TO=DIR try strategies of choice on synthetic bodies before people do
	$(MASKSMITH) $(call flag,TO,--out) $(MORE)

##@ In between
.PHONY: verdict status next-cases effort aging cohort audit doctor
verdict: $(STAMP) ## ARGS="..." accept, fix, absent, exclude: what people decided
	$(MASKSMITH) $(MORE)
status: $(STAMP) ## where every case, structure and round stands
	$(MASKSMITH) $(MORE)
next-cases: $(STAMP) ## ROUND=N the cases to correct next, and why
	$(MASKSMITH) $(call flag,ROUND,--round) $(MORE)
effort: $(STAMP) ## ARGS="--plot effort.png" what correcting took, and what is left
	$(MASKSMITH) $(MORE)
aging: $(STAMP) ## STRUCTURES=a,b TO=DIR volume and density over age, with a fit; after stats
	$(MASKSMITH) $(call flag,STRUCTURES,--structures) $(call flag,TO,--out) $(MORE)
cohort: $(STAMP) ## TO=DIR age, sex, site and image type of the cases, as a figure
	$(MASKSMITH) $(call flag,TO,--out) $(MORE)
audit: $(STAMP) ## ARGS="plant --count 12" known errors slipped into the gallery; ARGS=report says who catches them
	$(MASKSMITH) $(MORE)
doctor: $(STAMP) ## check the files against the ledger
	$(MASKSMITH) $(MORE)

##@ Working on Masksmith
.PHONY: test test-slow test-all lint check bench bench-ribs bench-transfer bench-partial benchmark-runtime bench-runtime bench-predict bench-rounds bench-rough bench-pictures bench-plausibility bench-serve bench-editor clean
test: system-packages $(STAMP) front-end ## the default tests, some minutes
	$(PYTHON_HERE) -m pytest $(SIDE_BY_SIDE) -m "not slow" $(MORE)
test-slow: system-packages $(STAMP) front-end ## only the slow tests: real trainings, killed processes
	$(PYTHON_HERE) -m pytest $(TWO_AT_A_TIME) -m slow $(MORE)
test-all: system-packages $(STAMP) front-end ## every test
	$(PYTHON_HERE) -m pytest $(MORE)
lint: $(STAMP) ## style, types, floors of the house
	$(PYTHON_HERE) -m ruff check .
	$(PYTHON_HERE) -m ruff format --check .
	$(PYTHON_HERE) -m mypy
	$(VENV)/bin/lint-imports
check: lint test ## lint, then the default tests: run it before every commit
bench: system-packages $(STAMP) $(BENCH_STAMP) ## measure against the named peers, in their own environment
	$(PYTHON_HERE) -m benchmarks $(MORE)
bench-ribs: $(STAMP) ## measure the rib split; the table goes into docs/bootstrap.md
	$(PYTHON_HERE) -m benchmarks.ribs --page docs/bootstrap.md $(MORE)
bench-transfer: system-packages $(STAMP) ## measure the heart transfer; the tables go into docs/transfer-heart.md
	$(PYTHON_HERE) -m benchmarks.transfer --page docs/transfer-heart.md $(MORE)
bench-partial: $(STAMP) ## measure partial labels against the naive way; the table goes into docs/retrain.md
	$(PYTHON_HERE) -m benchmarks.partial_labels --page docs/retrain.md $(MORE)
benchmark-runtime: $(STAMP) ## ARGS="--out DIR" seconds and memory of predict, as a table
	$(MASKSMITH) $(MORE)
bench-runtime: $(STAMP) ## the paper's runtime table with models of full size; the table goes into docs/evaluate.md
	$(PYTHON_HERE) -m benchmarks.runtime_models --page docs/evaluate.md $(MORE)
bench-predict: $(STAMP) ## measure prediction of 104 structures; the table goes into docs/predict.md
	$(PYTHON_HERE) -m benchmarks.predict_memory --page docs/predict.md $(MORE)
bench-rounds: $(STAMP) ## simulate rounds on synthetic bodies; curves and table go into docs/rounds.md
	$(PYTHON_HERE) -m benchmarks.rounds --page docs/rounds.md $(MORE)
bench-serve: $(STAMP) ## measure saves of 20 annotators at once, SQLite and PostgreSQL; the table goes into docs/serve.md
	$(PYTHON_HERE) -m benchmarks.serve_load --page docs/serve.md $(MORE)
bench-rough: $(STAMP) ## measure what is learned from rough masks; the tables go into docs/rounds.md
	$(PYTHON_HERE) -m benchmarks.rough --page docs/rounds.md $(MORE)
bench-pictures: system-packages $(STAMP) ## ARGS="--many 200" memory over many pictures, processes, what takes the time
	$(PYTHON_HERE) -m benchmarks.many_pictures $(MORE)
bench-plausibility: $(STAMP) ## measure the plausibility rules on planted errors; the tables go into docs/qc.md
	$(PYTHON_HERE) -m benchmarks.plausibility --page docs/qc.md $(MORE)
bench-editor: $(STAMP) front-end ## measure the editor in the browser; the tables go into docs/annotation.md
	$(PYTHON_HERE) -m benchmarks.editor --page docs/annotation.md $(MORE)
clean: ## remove environments, caches and built files; workspaces stay
	rm -rf $(VENV) $(BENCH_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf annotation/server/static annotation/server/web/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: system-packages front-end moved
front-end: $(STAMP)
	@.ci/front-end $(VENV)
system-packages:
	@.ci/system-packages

# The stamp holds the folder it was made in: a moved checkout is installed anew.
ifneq ($(file <$(STAMP)),$(CURDIR))
$(STAMP): moved
endif
$(STAMP): pyproject.toml constraints.txt
	@.ci/python-environment $(VENV)
	@printf '%s' '$(CURDIR)' > $@

$(BENCH_STAMP): benchmarks/peer-requirements.txt benchmarks/peer-environment | $(STAMP)
	@benchmarks/peer-environment $(BENCH_VENV)
	@touch $@
