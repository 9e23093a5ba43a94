# Two commands set up all they need: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The newest torch on Linux brings gigabytes of CUDA; this one is enough for the demo and the tests.
TORCH ?= torch==2.13.0
SCREEN := sh scripts/with-screen.sh

.PHONY: demo test check system setup screenshots sample benchmarks clean

demo: setup
	$(BIN)/napari-lptem-diffusion demo -o demo_output --overwrite

test: setup check
	$(BIN)/python -m pytest -n auto --dist loadfile

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: system $(VENV)/installed

system:
	@sh scripts/system-packages.sh

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install -qq --editable ".[dev]"
	@touch $@

sample: setup
	$(BIN)/python sample_data/make_sample.py

screenshots: setup
	$(SCREEN) $(BIN)/python docs/make_screenshots.py

benchmarks: setup
	$(BIN)/python benchmarks/write_docs.py

clean:
	rm -rf $(VENV) demo_output build dist *.egg-info
