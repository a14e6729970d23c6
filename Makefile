# Every target sets up .venv on first use; `make demo` and `make test` are all a newcomer needs.
SHELL := /bin/bash
BIN := .venv/bin
export MPLBACKEND := Agg

.PHONY: help demo test check bench

help:
	@echo "make demo   simulated raw logs -> pretraining -> few-label scores -> demo/report.html"
	@echo "make test   every check and every test"
	@echo "make check  format, lint, types, layers"
	@echo "make bench  speed against the alternatives, written to benchmarks/results/"

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

bench: .venv/ready
	$(BIN)/python -m benchmarks
