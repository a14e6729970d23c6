"""The README: short, true, and as its readers use it (its code is run by ``test_docs``)."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.readme import ROOT
from tests.support.objectives import KINDS
from tests.support.pages import blocks
from tsclr.cli import main

TEXT = (ROOT / "README.md").read_text()


def test_the_readme_is_read_in_a_minute() -> None:
    assert len(TEXT.splitlines()) <= 90


def test_the_readme_needs_five_lines_of_python() -> None:
    (code,) = [block for language, block in blocks(TEXT) if language == "python"]
    assert len([line for line in code.splitlines() if line]) <= 5


def test_the_readme_counts_the_objectives() -> None:
    assert f"[{len(KINDS)} objectives]" in TEXT


def test_make_targets_of_the_readme_exist() -> None:
    targets = (ROOT / "Makefile").read_text()
    named = re.findall(r"^make (\w+)|`make (\w+)`", TEXT, re.MULTILINE)
    assert named
    for target in map("".join, named):
        assert f"\n{target}:" in targets


@pytest.mark.parametrize("name", ["hapt", pytest.param("motionsense", marks=pytest.mark.slow)])
def test_a_run_on_a_public_dataset_is_scored_on_it(
    name: str, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSCLR_DATA", str(data_root.resolve()))
    monkeypatch.chdir(tmp_path)
    quick = ["--training.epochs", "1", "--training.windows_per_epoch", "256"]
    assert main(["pretrain", "ntxent", "--data.source", name, "--out", "run", *quick]) == 0
    words = ["--json", "scores.json", "--budgets", "1", "--draws", "1", "--heads", "knn"]
    assert main(["probe", "run", "--dataset", name, *words]) == 0
    row = json.loads(Path("scores.json").read_text())["rows"][0]
    assert {"method", "budget", "macro_f1_mean", "macro_f1_sd", "draws"} <= row.keys()
