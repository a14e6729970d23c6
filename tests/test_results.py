"""The results that ship: their certificates hold, and their tables are those of their suites."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tsclr.audit.results import audit_results
from tsclr.bench.results import TABLE, table

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
FOLDERS = sorted(path.parent for path in BENCHMARKS.glob("results/*/results.json"))


LARGE = "clhar"
"""It takes as long as all others together."""


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(folder, marks=[pytest.mark.slow] * (folder.name == LARGE), id=folder.name)
        for folder in FOLDERS
    ],
)
def test_certificates_are_true(folder: Path) -> None:
    checked = audit_results(folder)
    n_units = len(json.loads((folder / "results.json").read_text())["units"])
    assert len(checked) == n_units > 0
    files = {file.name for file in (folder / "provenance").iterdir()}
    assert sum(not name.startswith("sketches-") for name in files) == n_units


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_results_are_those_of_the_suite(folder: Path) -> None:
    results = json.loads((folder / "results.json").read_text())
    suite = yaml.safe_load((BENCHMARKS / "suites" / f"{folder.name}.yaml").read_text())
    assert list(suite["methods"]) == list(results["suite"]["methods"])
    assert [str(each) for each in suite["budgets"]] == list(map(str, results["suite"]["budgets"]))
    assert len(suite["protocols"]) == len(results["suite"]["protocols"])
    kept = pd.read_csv(folder / TABLE)
    assert (
        kept["macro_f1_mean"].tolist() == table(results["rows"])["macro_f1_mean"].round(6).tolist()
    )
