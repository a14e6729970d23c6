import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.readme import PAGES, ROOT, filled
from tsclr.cli import main
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.datasets import Synthetic

README = ROOT / "README.md"
TEXT = README.read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def commands() -> list[list[str]]:
    joined = "\n".join(blocks("bash")).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in joined.splitlines()]
    return [words[1:] for words in lines if words and words[0] == "tsclr"]


def test_the_commands_and_the_python_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs").symlink_to(Path("configs").resolve())
    monkeypatch.chdir(tmp_path)
    Synthetic(n_subjects=4, minutes=3).write_logs(Path("my_logs"))
    ran = commands()
    assert [words[0] for words in ran] == [
        "ingest",
        "pretrain",
        "runs",
        "views",
        "views",
        "probe",
        "embed",
    ]
    for words in ran:
        quick = ["--training.epochs", "1", "--training.batch_size", "64"] * (words[0] == "pretrain")
        if "--advise" in words:
            quick = ["--epochs", "1", "--training.windows_per_epoch", "64"]
        assert main([*words, *quick]) == 0, words
    windows = Windows.labelled(Store.open(Path("store")), 128, 64)
    X, y = windows.__getitems__(range(len(windows))).numpy(), windows.labels
    names = {"X": X, "y": y, "windows": torch.from_numpy(X)}
    for code in blocks("python"):
        exec(code, names)
    assert names["views"].shape == X.shape
    assert np.mean(names["classifier"].predict(X) == y) > 0.9


@pytest.mark.parametrize("name", ["hapt", "motionsense"])
def test_the_commands_behind_the_tables_run(
    name: str, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSCLR_DATA", str(data_root.resolve()))
    (tmp_path / "configs").symlink_to(Path("configs").resolve())
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("text")
    pretrain, probe = (shlex.split(line)[1:] for line in block.replace("hapt", name).splitlines())
    quick = ["--training.epochs", "1", "--training.windows_per_epoch", "256"]
    assert main([*pretrain, *quick]) == 0
    assert main([*probe, "--budgets", "1", "--draws", "1", "--heads", "knn"]) == 0
    row = json.loads(Path(f"{name}.json").read_text())["rows"][0]
    assert {"method", "budget", "macro_f1_mean", "macro_f1_sd", "draws"} <= row.keys()


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (README.parent / target).exists(), target


def test_make_targets_of_the_readme_exist() -> None:
    targets = Path("Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(blocks("bash")), re.MULTILINE):
        assert f"\n{target}:" in targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_results_are_those_of_the_result_files(page: Path) -> None:
    assert filled(page) == page.read_text()
