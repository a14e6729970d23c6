"""The results that ship: their certificates hold, and their tables are those of their suites."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tsclr.bench.audit import audit_results
from tsclr.bench.results import TABLE

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
FOLDERS = sorted(path.parent for path in BENCHMARKS.glob("results/*/results.json"))


LARGE = ("clhar", "seeds", "selfhar")
"""They take longer than all others together."""


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(folder, marks=[pytest.mark.slow] * (folder.name in LARGE), id=folder.name)
        for folder in FOLDERS
    ],
)
def test_certificates_are_true(folder: Path) -> None:
    checked = audit_results(folder)
    n_units = len(json.loads((folder / "results.json").read_text())["units"])
    assert len(checked) == n_units > 0
    tables = [file.name for file in (folder / "provenance").glob("*.parquet")]
    assert sum(not name.startswith("sketches-") for name in tables) == n_units


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_results_are_those_of_the_suite(folder: Path) -> None:
    results = json.loads((folder / "results.json").read_text())
    suite = yaml.safe_load((BENCHMARKS / "suites" / f"{folder.name}.yaml").read_text())
    if list(suite["methods"]) != list(results["suite"]["methods"]):
        # A suite that has changed since it was run: its page says by which code the results are.
        page = (BENCHMARKS.parent / "docs" / "results.md").read_text()
        assert f"`{folder.name}.yaml` of commit `{results['circumstances']['commit']}`" in page
    assert [str(each) for each in suite["budgets"]] == list(map(str, results["suite"]["budgets"]))
    assert len(suite["protocols"]) == len(results["suite"]["protocols"])
    scores = [round(row["macro_f1_mean"], 6) for row in results["rows"]]
    assert pd.read_csv(folder / TABLE)["macro_f1_mean"].tolist() == scores
