# make demo: the main job, from nothing.   make demo-images: the same on images, in two minutes.   make test: the tests.
# All three set everything up themselves.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/ready

.PHONY: demo demo-images test check
demo: $(READY)
	recipes/digits/run.sh --exp exp/digits

demo-images: $(READY)
	recipes/digits_images/run.sh --exp exp/digits-images

# side by side; a module's tests stay together, so that what they share is made once
test: $(READY)
	$(VENV)/bin/python -m pytest -n auto --maxprocesses 4 --dist loadscope

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# the lock pins every package, those that packages bring along included
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or newer is needed; name one with make PYTHON=python3.12"; exit 1; }
	@echo "setting up $(VENV): torch and some 90 other packages, once; some minutes"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
