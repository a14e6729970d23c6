"""What a suite would compute and prove, and comparisons over the people of several datasets."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.suites import scored, suite_on
from tsclr.bench.benchmark import Source
from tsclr.bench.comparisons import pooled_comparisons
from tsclr.bench.methods import HandFeatures
from tsclr.bench.plan import ASSUMED_SD, plan, spread_between_people
from tsclr.bench.protocols import GroupKFold, LeaveOneSubjectOut, RandomWindows
from tsclr.bench.results import RESULTS
from tsclr.bench.suite import Suite
from tsclr.cli.program import main
from tsclr.data.store import Store
from tsclr.datasets import Synthetic
from tsclr.evaluate.power import least_difference
from tsclr.evaluate.significance import compare_datasets


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Stores of four and of five simulated people, other ones in each."""
    folders = []
    for n in (4, 5):
        folders.append(tmp_path_factory.mktemp(f"people{n}") / f"people{n}")
        Store.build(Synthetic(n_subjects=n, minutes=3, seed=n).recordings()).write(folders[-1])
    return folders


def suite_of(folders: list[Path], **changes: object) -> Suite:
    methods = {"hand": HandFeatures(), "whitened": HandFeatures(whiten=True)}
    settings = {"methods": methods, "heads": ["linear", "ridge"], "budgets": ["1", "all"]}
    return suite_on(folders[0], datasets=list(map(str, folders)), **settings | changes)


@pytest.fixture(scope="module")
def both(people: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """Results of a suite on both."""
    out = tmp_path_factory.mktemp("both")
    results = scored(suite_of(people), out)
    (out / RESULTS).write_text(json.dumps(results))
    return out, results


def test_a_plan_counts_people_and_comparisons_before_anything_is_run(
    people: list[Path], tmp_path: Path
) -> None:
    protocols = [GroupKFold(2), LeaveOneSubjectOut(max_folds=2), RandomWindows()]
    planned = plan(suite_of(people, protocols=protocols), tmp_path)
    assert planned.n_units == 2 * 2 * (2 + 2 + 1)
    # Two heads at two budgets, and the plot of the features.
    assert planned.n_cells == planned.n_units * 5
    assert planned.n_finished == 0
    assert not (tmp_path / "cells").exists()
    table = planned.provable
    assert table["dataset"].tolist() == ["people4", "people5"] * 3 + ["2 datasets together"] * 3
    assert table["people"].tolist() == [4, 5, 2, 2, 4, 5, 9, 4, 9]
    assert set(table["comparisons"]) == {3}
    assert set(table["sd"]) == {ASSUMED_SD}
    assert table["difference"].isna().tolist() == [True] * 6 + [False, True, False]
    assert table["difference"][6] == least_difference(9, ASSUMED_SD, 3)
    assert "The SD of 0.042 is assumed" in planned.caption


def test_the_spread_between_people_is_that_of_earlier_results(
    people: list[Path], both: tuple[Path, dict]
) -> None:
    out, results = both
    planned = plan(suite_of(people), out, [out / "nothing", out])
    assert planned.n_finished == planned.n_cells
    for dataset in ("people4", "people5"):
        rows = [row for row in results["rows"] if row["dataset"] == dataset]
        spreads = []
        for budget in ("1", "all"):
            first, *others = [
                list(row["by_subject"].values()) for row in rows if row["budget"] == budget
            ]
            spreads += [np.subtract(first, other).std(ddof=1) for other in others]
        (row,) = planned.provable.query("dataset == @dataset").to_dict("records")
        assert row["sd"] == pytest.approx(np.median(spreads))
        assert row["origin"] == str(out)
    one, other, together = planned.provable["sd"]
    assert together == pytest.approx(np.sqrt((4 * one**2 + 5 * other**2) / 9))
    assert f"measured in {out}" in planned.caption
    assert "assumed" not in planned.caption
    assert spread_between_people(out / "nothing") == {}


def test_the_people_of_all_datasets_are_compared_together(both: tuple[Path, dict]) -> None:
    _, results = both
    rows = results["pooled_comparisons"]
    methods = ["hand + ridge", "whitened + linear", "whitened + ridge"]
    assert [row["method"] for row in rows if row["budget"] == "1"] == methods
    assert {row["against"] for row in rows} == {"hand + linear"}
    assert all(row["people"] == {"people4": 4, "people5": 5} for row in rows)
    for row in rows:
        alone = [
            each["difference"]
            for each in results["comparisons"]
            if (each["method"], each["budget"]) == (row["method"], row["budget"])
        ]
        assert row["difference"] == pytest.approx((4 * alone[0] + 5 * alone[1]) / 9)


def test_the_page_shows_them_with_the_people(both: tuple[Path, dict]) -> None:
    page = (both[0] / "report.html").read_text()
    assert "Which differences are proven over 2 datasets, 2 folds of subjects" in page
    assert "over 4 (people4) + 5 (people5) = 9 people" in page


def test_nobody_is_counted_twice() -> None:
    generator = np.random.default_rng(0)
    counts = {}
    for dataset in ("hapt", "hapt (8 s)", "wisdm"):
        of_a = generator.integers(1, 9, (2, 6, 2, 2))
        counts[dataset, "official", "a", "linear", "1"] = of_a
        counts[dataset, "official", "b", "linear", "1"] = of_a[..., ::-1]
    (row,) = pooled_comparisons(counts, seed=0)
    assert row["people"] == {"hapt": 6, "wisdm": 6}
    blocks = {
        name: {
            f"{method} + linear": counts[name, "official", method, "linear", "1"] for method in "ab"
        }
        for name in row["people"]
    }
    assert row["p"] == compare_datasets(blocks, "a + linear")["p"].item()


def test_a_plan_is_printed(
    people: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        f"datasets: [{people[0]}, {people[1]}]\n"
        "methods: {hand: HandFeatures, whitened: {class: HandFeatures, whiten: true}}\n"
        "budgets: [1]\n"
        "protocols: [{class: GroupKFold, n_folds: 2}]\n"
    )
    out = tmp_path / "out"
    assert main(["bench", str(suite), "--out", str(out), "--plan"]) == 0
    printed = capsys.readouterr().out
    assert "16 cells in 8 units, 0 of them finished" in printed
    assert "2 datasets together" in printed
    assert f"{least_difference(9, ASSUMED_SD):.3f}" in printed
    assert not (out / RESULTS).exists()


def test_another_cut_of_a_dataset_adds_no_people(people: list[Path], tmp_path: Path) -> None:
    cut = Source(str(people[0]), window=1.28)
    suite = suite_on(people[0], datasets=[str(people[0]), cut], methods={"hand": HandFeatures()})
    assert plan(suite, tmp_path).provable["dataset"].tolist() == ["people4", "people4 (1.28 s)"]
