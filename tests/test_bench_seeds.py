"""Suites with several seeds: who is repeated, how runs are pooled, and what rows say of them."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.suites import CONFIG, scored, suite_on
from tsclr.bench.audit import audit_results
from tsclr.bench.methods import HandFeatures, RandomInit, Supervised
from tsclr.bench.protocols import GroupKFold

METHODS = {
    "random-init": RandomInit(CONFIG, heads=["prototype"]),
    "hand features": HandFeatures(heads=["prototype", "forest"]),
    "supervised": Supervised(CONFIG, windows=512),
}


@pytest.fixture(scope="module")
def seeded(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    out = tmp_path_factory.mktemp("seeds")
    suite = suite_on(tiny_store, methods=METHODS, budgets=["2", "all"], seeds=[0, 4, 7])
    return scored(suite, out), out


def test_every_seed_of_a_method_is_a_unit(seeded: tuple) -> None:
    units = [(unit["method"], unit["fold"], unit["seed"]) for unit in seeded[0]["units"]]
    folds = ("group 1 of 2", "group 2 of 2")
    random = [("random-init", fold, seed) for fold in folds for seed in (0, 4, 7)]
    assert set(random) < set(units)
    assert len(units) == len(set(units)) == 2 * (3 + 1 + 1)
    assert len(audit_results(seeded[1])) == len(units)


def test_rows_pool_seeds_like_draws(seeded: tuple) -> None:
    rows = {(row["method"], row["head"], row["budget"]): row for row in seeded[0]["rows"]}
    found = {line: (row["draws"], row["seeds"]) for line, row in rows.items()}
    assert found == {
        ("random-init", "prototype", "2"): (6, 3),
        ("random-init", "prototype", "all"): (3, 3),
        ("hand features", "prototype", "2"): (2, 1),
        ("hand features", "prototype", "all"): (1, 1),
        ("hand features", "forest", "2"): (2, 2),
        ("hand features", "forest", "all"): (3, 3),
        ("supervised", "supervised", "2"): (2, 2),
        ("supervised", "supervised", "all"): (3, 3),
    }
    assert all(row["test_subjects"] == len(row["by_subject"]) == 4 for row in rows.values())
    assert rows["random-init", "prototype", "all"]["macro_f1_sd_seeds"] > 0
    assert rows["hand features", "prototype", "2"]["macro_f1_sd_seeds"] == 0
    assert len(rows["random-init", "prototype", "2"]["chosen"]) == 6  # folds × seeds


def test_the_pool_of_seeds_is_that_of_single_runs(
    seeded: tuple, tiny_store: Path, tmp_path: Path
) -> None:
    alone = [
        scored(
            suite_on(
                tiny_store,
                methods={"random-init": RandomInit(CONFIG, seed, heads=["prototype"])},
                budgets=["all"],
                protocols=[GroupKFold(2)],
            ),
            tmp_path / str(seed),
        )["rows"][0]["macro_f1_mean"]
        for seed in (0, 4, 7)
    ]
    (row,) = [
        row for row in seeded[0]["rows"] if (row["method"], row["budget"]) == ("random-init", "all")
    ]
    assert row["macro_f1_mean"] == pytest.approx(np.mean(alone))
    assert row["macro_f1_sd"] == pytest.approx(np.std(alone, ddof=1))
    assert row["macro_f1_sd_seeds"] == row["macro_f1_sd"]


def test_methods_with_other_numbers_of_runs_are_compared(seeded: tuple) -> None:
    rows = {(row["method"], row["head"], row["budget"]): row for row in seeded[0]["rows"]}
    first = {budget: rows["random-init", "prototype", budget] for budget in ("2", "all")}
    comparisons = seeded[0]["comparisons"]
    assert len(comparisons) == 2 * 3
    for compared in comparisons:
        method, _, head = compared["method"].partition(" + ")
        row = rows[method, head or method, compared["budget"]]
        difference = row["macro_f1_mean"] - first[compared["budget"]]["macro_f1_mean"]
        assert compared["difference"] == pytest.approx(difference)


def test_the_report_has_seconds_and_marks_ends(seeded: tuple) -> None:
    rows = [row for row in seeded[0]["rows"] if row["at_grid_end"]]
    page = (seeded[1] / "report.html").read_text()
    assert ("\N{DAGGER}" in page) == bool(rows)
    assert "seconds: learning, and choosing and fitting at all budgets" in page


@pytest.mark.parametrize(
    ("seeds", "message"),
    [([], "name at least one"), ([0, -1], "none below 0"), ([1, 1], "seed 1 is named twice")],
)
def test_seeds_that_cannot_be_are_refused(tiny_store: Path, seeds: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        suite_on(tiny_store, methods=METHODS, seeds=seeds)
