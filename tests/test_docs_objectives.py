"""The page of objectives: its Python runs, its YAML says the same, it names every class."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from benchmarks import objectives_page
from benchmarks.readme import ROOT
from tests.support.objectives import KINDS
from tests.support.pages import blocks
from tsclr.embed.checkpoint import Checkpoint
from tsclr.encoders import CNN1d
from tsclr.objectives import Objective
from tsclr.objectives.batch import Batch
from tsclr.specs import from_spec, spec_of, subclasses

TEXT = (ROOT / "docs" / "objectives.md").read_text()
TUTORIAL = (ROOT / "docs" / "tutorials" / "objective.md").read_text()


def written_in(text: str, language: str) -> list[str]:
    return [block for other, block in blocks(text) if other == language]


def test_the_python_of_the_page_runs_and_the_yaml_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    from_python, loop = written_in(TEXT, "python")
    exec(from_python, {})
    trained = Checkpoint.load(Path("runs/weighted")).settings["objective"]
    (config,) = map(yaml.safe_load, written_in(TEXT, "yaml"))
    assert spec_of(from_spec(Objective, config["objective"])) == trained
    names = {}
    exec(loop, names)
    assert all(term.isfinite() for term in names["terms"].values())


def test_the_objective_that_the_tutorial_writes_is_one() -> None:
    own, *_ = written_in(TUTORIAL, "python")
    names = {"__name__": "written"}
    exec(own, names)
    kind = names["AlignUniform"]
    assert subclasses(Objective)["AlignUniform"] is kind
    torch.manual_seed(0)
    encoder = CNN1d(6, width=8)
    objective = from_spec(Objective, spec_of(kind(weight=0.25))).build(encoder, 100)
    x = torch.randn(8, 6, 64)
    same = objective(encoder, Batch([x, x]))
    other = objective(encoder, Batch([x, x.flip(0)]))
    assert same["alignment"].item() == pytest.approx(0.0, abs=1e-6)
    assert other["alignment"] > 0.01
    assert same["uniformity"] < 0
    sum(other.values()).backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_the_page_names_every_class_and_its_work() -> None:
    for name in KINDS:
        (row,) = re.findall(rf"^\| `{name}` \| .*$", TEXT, re.MULTILINE)
        assert re.search(r"\b(19|20)\d\d\)? \|$", row), row
    prose = TEXT.partition("## What they are worth")[0]
    assert all(f"`{name}`" in prose for name in KINDS)


def test_a_table_of_scores_puts_the_best_first_and_marks_who_reads_labels() -> None:
    def rows(name: str, f1: float, **watched: float) -> list[dict]:
        scores = {"draws": 5, "macro_f1_mean": f1, "macro_f1_sd": 0.02}
        return [
            {"dataset": "hapt", "objective": name, "budget": budget, **scores, **watched}
            for budget in objectives_page.BUDGETS
        ]

    watched = {"effective_rank": 99.6, "subject_shortcut": 0.25}
    found = [
        *rows("random-init", 0.5),
        *rows("NTXent", 0.7, **watched),
        *rows("SupCon", 0.8, **watched),
    ]
    speed = {"NTXent": {"windows_per_second": 2345.6, "peak_mib": 80.4}}
    table = objectives_page.score_table(found, "hapt", speed).splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table]
    assert [row[0] for row in cells[2:]] == ["SupCon †", "NTXent", "*untrained encoder*"]
    assert cells[3][1:4] == ["contrastive", "0.700 ± 0.02", "0.700 ± 0.02"]
    assert cells[3][-4:] == ["100", "0.25", "2,346", "80"]
    assert cells[4][-4:] == ["", "", "", ""]
    assert len({len(row) for row in cells}) == 1
