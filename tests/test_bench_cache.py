"""Cells that are kept: what they depend on, and what happens to damaged ones."""

import importlib
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.support.suites import CONFIG, METHODS, scored, suite_on
from tsclr.bench import cache
from tsclr.bench.access import Representation
from tsclr.bench.methods import HandFeatures, Pretrained, RandomInit
from tsclr.bench.protocols import GroupKFold, RandomWindows
from tsclr.bench.results import TABLE
from tsclr.data.store import Store


def test_finished_cells_are_not_computed_again(
    finished: Path, tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def learn(*_: object) -> Representation:
        raise AssertionError("a method learned again")

    for kind in (Pretrained, RandomInit, HandFeatures):
        monkeypatch.setattr(kind, "learn", learn)
    table = (finished / TABLE).read_bytes()
    scored(suite_on(tiny_store), finished)
    assert (finished / TABLE).read_bytes() == table


@pytest.mark.parametrize(
    "damage", [b"", b"{", b'{"content": {}, "sha256": "0"}', b"[1]", b"[" * 10**5, "another"]
)
def test_a_damaged_cell_is_computed_again_and_it_is_said(
    damage: bytes | str, finished: Path, tiny_store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    suite = suite_on(tiny_store)
    table = (finished / TABLE).read_bytes()
    cell, other = list(suite.units(finished))[-1].cells[:2]
    cell.path.write_bytes(other.path.read_bytes() if damage == "another" else damage)
    with caplog.at_level(logging.WARNING):
        scored(suite, finished)
    assert f"{cell.path} is damaged: computing it again" in caplog.text
    assert (finished / TABLE).read_bytes() == table


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"draws": 3},
        {"protocols": [GroupKFold(2, seed=1)]},
        {"protocols": [RandomWindows(seed=1)]},
        {"methods": {**METHODS, "hand features": HandFeatures(whiten=True)}},
    ],
    ids=["seed", "draws", "protocol", "another protocol", "method"],
)
def test_whatever_a_cell_depends_on_makes_it_another_cell(
    change: dict, finished: Path, tiny_store: Path
) -> None:
    before = list(suite_on(tiny_store).units(finished))[-1]
    after = list(suite_on(tiny_store, **change).units(finished))[-1]
    assert {cell.path for cell in before.cells}.isdisjoint(cell.path for cell in after.cells)


def test_other_parts_of_windows_are_other_cells(finished: Path, tiny_store: Path) -> None:
    one, other = (
        next(suite_on(tiny_store, protocols=[RandomWindows(seed=seed)]).units(finished))
        for seed in (0, 1)
    )
    assert one.split.test == other.split.test
    assert {cell.path for cell in one.cells}.isdisjoint(cell.path for cell in other.cells)


def test_a_budget_more_leaves_the_other_cells_as_they_are(finished: Path, tiny_store: Path) -> None:
    before = {c.path for unit in suite_on(tiny_store).units(finished) for c in unit.cells}
    more = suite_on(tiny_store, budgets=["1", "2", "all"], heads=["linear", "knn"])
    after = {c.path for unit in more.units(finished) for c in unit.cells}
    assert before < after


def test_own_code_is_another_cell_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "own_method.py"
    file.write_text("from tsclr.bench.methods import HandFeatures\nclass Own(HandFeatures): ...\n")
    method = importlib.import_module("own_method").Own()
    config = tmp_path / "own.yaml"
    given = yaml.safe_load(Path(CONFIG).read_text())
    given["encoder"] = "own_package.Own"
    config.write_text(yaml.safe_dump(given))
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "__init__.py").write_text("from own_package.inner import Own\n")
    encoder = tmp_path / "own_package" / "inner.py"
    encoder.write_text("from tsclr.encoders import CNN1d\nclass Own(CNN1d): ...\n")
    random = RandomInit(str(config))
    before = method.key(), random.key()
    assert (method.key(), random.key()) == before
    for each in (file, encoder):
        each.write_text(each.read_text() + "# another\n")
    cache.import_graph.cache_clear()  # as every suite does first
    assert method.key() != before[0]
    assert random.key() != before[1]


@pytest.mark.parametrize("said", [{"device": "ankle"}, {"start_time": 7}, {"source_hash": "0a"}])
def test_what_the_table_of_a_store_says_counts(
    said: dict, tiny_store: Path, tmp_path: Path
) -> None:
    store = Store.open(tiny_store)
    replace(store, recordings=store.recordings.assign(**said)).write(tmp_path / "store")
    keys = [
        next(suite_on(folder).units(tmp_path / "out")).key
        for folder in (tiny_store, tmp_path / "store")
    ]
    assert keys[0] != keys[1]
