# Two commands on a fresh machine with Python 3.10 or newer: make demo, make test. `make` alone lists the others.
.DEFAULT_GOAL := help
.PHONY: help demo test check studio digest abuse lab docs bench reproduce race classroom data notebooks export readme hooks clean distclean env env-demo env-play env-dev env-docs
PY := .venv/bin/python
export PYTHONPATH := $(CURDIR)

# tools/setup_env.py looks for a fitting Python itself; any python3 can start it
START := $(or $(shell command -v python3 || command -v python),$(PYTHON))
ifeq ($(START),)
$(error gamegen needs Python 3.10 or newer, and no python3 was found on PATH; install one, or name it: make PYTHON=/path/to/python3)
endif
ifdef PYTHON
export PYTHON
endif

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: env-demo ## Write one of every kind of content, and a page that shows it, into out/
	@$(PY) -m gamegen.cli demo --out out --force

test: env-dev ## Run the notebooks' tests (FORCE=1: those that have passed unchanged too)
	@$(PY) tools/test.py

check: env-dev ## Check that library, notebooks, README and versions are in step
	@$(PY) tools/check.py

digest: env-play ## Check that the library makes what it made, from fixed seeds
	@$(PY) tools/digest.py

abuse: env-play ## Give every command absurd numbers, hostile files and full disks, some 900 times
	@$(PY) tools/abuse.py

lab: env-dev ## Open the notebooks in JupyterLab
	@$(PY) -m jupyter lab --notebook-dir nbs

docs: env-docs ## Build the site into _docs/, with Quarto where it is installed
	@$(PY) tools/docs.py

bench: env-play ## Time the library against named baselines
	@$(PY) -m gamegen.cli bench

reproduce: env-play ## Make kept figures again, and compare them with those kept (PART="maze floors"; PART=--list)
	@$(PY) tools/reproduce.py $(PART)

race: env ## Train the classic and the modern frames' networks for an hour of a core each, and two flows, and keep their scores
	@$(PY) bench/frame_race.py classic
	@$(PY) bench/frame_race.py modern
	@for o in auto latent pixel measure; do $(PY) bench/frame_flow.py $$o || exit 1; done

classroom: env-dev ## Write exercises for students into out/classroom/, and check that blanks fail and solutions pass
	@$(PY) tools/classroom.py

data: env-dev ## Make the bundled data in data/ again
	@$(PY) tools/make_data.py

studio: env-dev ## Export the networks that drawings go through, for use without PyTorch
	@$(PY) tools/studio.py

notebooks: env-dev export ## Run every notebook and save its outputs (SLOW=1: slow cells too)
	@$(PY) tools/test.py --save
	@.venv/bin/nbdev-clean
	@$(PY) tools/readme.py

export: env-dev ## Write the library from the notebooks, clean these, and write README.md
	@.venv/bin/nbdev-export && .venv/bin/nbdev-clean
	@$(PY) tools/readme.py

hooks: env-dev ## Set up git and Jupyter to clean and merge notebooks with nbdev
	@.venv/bin/nbdev-install-hooks
	@# by full path, so that git finds them in a shell where .venv is not active
	@git config --file .gitconfig merge.jupyternotebook.driver '"$(CURDIR)/.venv/bin/nbdev-merge" %O %A %B %P'
	@git config --file .gitconfig diff.jupyternotebook.command '"$(CURDIR)/.venv/bin/nbdev-diff-driver"'
	@printf '#!/bin/sh\n"%s/.venv/bin/nbdev-trust"\n' "$(CURDIR)" > "$$(git rev-parse --git-path hooks/post-merge)"

clean: ## Delete what was built (the environment stays)
	@rm -rf out _docs _proc build dist gamegen.egg-info .cache .quarto
	@find gamegen nbs tools -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

distclean: clean ## Delete the environment too
	@rm -rf .venv

env: ; @$(START) tools/setup_env.py train
env-demo: ; @$(START) tools/setup_env.py demo
env-play: ; @$(START) tools/setup_env.py train play
env-dev: ; @$(START) tools/setup_env.py train dev play
env-docs: ; @$(START) tools/setup_env.py train dev play docs
