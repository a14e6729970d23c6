# Every target sets up .venv on first use; `make demo` and `make test` are all a newcomer needs.
SHELL := /bin/bash
BIN := .venv/bin
export MPLBACKEND := Agg

.PHONY: help demo test test-slow check bench docs

help:
	@echo "make demo   simulated raw logs -> pretraining -> few-label scores -> demo/report.html"
	@echo "make test   every check and every test"
	@echo "make test-slow  the long forms: kills, trainings; half an hour, written to benchmarks/results/"
	@echo "make check  format, lint, types, layers"
	@echo "make bench  speed against the alternatives, written to benchmarks/results/"
	@echo "make docs   the documentation as a site, in site/"

.venv/ready: pyproject.toml
	python3 -m venv .venv
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: .venv/ready
	$(BIN)/tsclr demo --out demo

check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright

test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --cov --cov-report=term

test-slow: .venv/ready
	set -o pipefail; OMP_NUM_THREADS=1 $(BIN)/pytest -m "slow or hypothesis" --hypothesis-profile search -n auto --dist worksteal -rP \
		| grep -E ": [0-9.]+ untrained,|kills\]|passed|failed|^E " | tee benchmarks/results/slow_tests.txt

bench: .venv/ready
	$(BIN)/python -m benchmarks

docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
