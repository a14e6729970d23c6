"""What a suite scores and writes, and which suites are refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler

import tsclr.bench
from tests.support.by_hand import linear_predictions
from tests.support.suites import CONFIG, METHODS, scored, suite_on
from tsclr.audit.results import audit_results
from tsclr.bench.methods import HandFeatures, Method, Pretrained, RandomInit
from tsclr.bench.probe import probe
from tsclr.bench.protocols import GroupKFold, Official, Protocol
from tsclr.bench.suite import Suite
from tsclr.data.splits import LeakError
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.encode import encode
from tsclr.encoders import Statistics
from tsclr.specs import subclasses


@pytest.fixture(scope="module")
def results(finished: Path) -> dict:
    return json.loads((finished / "results.json").read_text())


def test_every_method_stands_under_its_heads_at_every_budget(results: dict) -> None:
    found = {(row["method"], row["head"], row["budget"]) for row in results["rows"]}
    pairs = [("NT-Xent", "linear"), ("random-init", "linear")]
    pairs += [("hand features", "linear"), ("hand features", "prototype")]
    assert found == {(*pair, budget) for pair in pairs for budget in ("1", "all")}


def test_every_subject_is_tested_once(results: dict, tiny_store: Path) -> None:
    everybody = set(Store.open(tiny_store).subjects)
    for row in results["rows"]:
        assert set(row["by_subject"]) == everybody
        assert row["test_subjects"] == len(everybody)
        assert row["draws"] == (1 if row["budget"] == "all" else 2)


def test_a_score_equals_one_computed_by_hand(results: dict, tiny_store: Path) -> None:
    store = Store.open(tiny_store)
    windows = Windows.labelled(store, 128, 64)
    encoder = Statistics(6, 50.0)
    features, truth, found = encode(encoder, windows), [], []
    (row,) = [
        row
        for row in results["rows"]
        if (row["method"], row["head"], row["budget"]) == ("hand features", "linear", "all")
    ]
    for unit in results["units"]:
        if unit["method"] != "hand features":
            continue
        streams = Windows.sliding(store, 128, 64, unit["split"]["train"])
        moments = StandardScaler().fit(encode(encoder, streams))
        scaled, labels, split = moments.transform(features), windows.labels, unit["split"]
        truth.append(labels[np.isin(windows.subjects, split["test"])])
        found.append(linear_predictions(scaled, labels, windows.subjects, split))
    truth, found = np.concatenate(truth), np.concatenate(found)
    assert row["macro_f1_mean"] == pytest.approx(f1_score(truth, found, average="macro"), abs=1e-6)
    expected = balanced_accuracy_score(truth, found)
    assert row["balanced_accuracy_mean"] == pytest.approx(expected, abs=1e-6)


def test_the_first_method_is_compared_with_each_other_one(results: dict) -> None:
    frame = pd.DataFrame(results["comparisons"])
    assert set(frame["against"]) == {"NT-Xent + linear"}
    assert len(frame) == 2 * 3
    assert (frame["p_holm"] >= frame["p"]).all()


def test_the_audit_of_the_files_holds(finished: Path) -> None:
    checked = audit_results(finished)
    assert len(checked) == 2 * len(METHODS)
    pretrained = checked.loc[checked["method"] == "NT-Xent", "roles"]
    assert pretrained.str.contains("pretraining").all()


def test_the_report_has_every_section(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    for title in (
        "Score by label budget",
        "Results",
        "Scores by subject",
        "Confusion of",
        "Cost and score",
        "Which differences are proven",
        "Leak audit",
    ):
        assert title in page
    assert "said to leak" not in page
    assert "https://" not in page


def test_the_first_method_is_drawn(results: dict, tiny_store: Path) -> None:
    (drawn,) = results["embedding"]
    assert drawn["method"] == "NT-Xent"
    (unit,) = [
        u for u in results["units"] if (u["fold"], u["method"]) == ("group 1 of 2", "NT-Xent")
    ]
    assert set(drawn["subjects"]) == set(unit["split"]["test"])
    assert set(drawn["labels"]) <= set(Store.open(tiny_store).classes)
    points = np.array(drawn["points"])
    assert points.shape == (len(drawn["labels"]), 2)
    assert (points.std(0) > 0).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"datasets": ["hpat"]}, KeyError, "did you mean hapt"),
        ({"datasets": []}, ValueError, "the suite has no datasets"),
        ({"methods": {}}, ValueError, "the suite has no methods"),
        ({"budgets": ["100000"]}, ValueError, "a budget of 100000 labels per class is more than"),
        ({"budgets": ["few"]}, ValueError, "budget 'few'"),
        ({"budgets": ["2", 2]}, ValueError, "budgets 2 and 2 are the same"),
        ({"budgets": ["100%", "all"]}, ValueError, "budgets 100% and all are the same"),
        ({"heads": ["knn", "knn"]}, ValueError, "head of NT-Xent 'knn' is named twice"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"segmentation": -1.0}, ValueError, "segmentation is -1 s"),
        ({"segmentation": 0.011}, ValueError, r"a segmentation step of 0\.011 s is 0\.55 samples"),
        ({"methods": {"x": HandFeatures(heads=["liner"])}}, ValueError, "did you mean linear"),
        (
            {"protocols": [GroupKFold(2), GroupKFold(2, seed=1)]},
            ValueError,
            "task 'store, 2 folds of subjects' is named twice",
        ),
        (
            {"methods": {"x": Pretrained(CONFIG, objective="SupCon", sees_test_streams=True)}},
            LeakError,
            "reads labels, and with sees_test_streams those of the test subjects",
        ),
        ({"draws": 0}, ValueError, "draws is 0"),
        ({"heads": ["liner"]}, ValueError, "no head 'liner': did you mean linear"),
        ({"protocols": [GroupKFold(9)]}, ValueError, "cannot make 9 folds of 4 subjects"),
        ({"protocols": [Official()]}, ValueError, "no test subjects are documented"),
        ({"methods": {"x": HandFeatures(heads=["finetune"])}}, ValueError, "'finetune': .*linear"),
        ({"methods": {"x": RandomInit("none.yaml")}}, FileNotFoundError, "no config none.yaml"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_suite_that_cannot_be_is_refused(
    change: dict, error: type[Exception], message: str, tiny_store: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        scored(suite_on(tiny_store, **change), tmp_path)


def test_an_absent_archive_is_told_with_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSCLR_DATA", str(tmp_path))
    suite = Suite(["motionsense"], {"hand": HandFeatures()})
    with pytest.raises(FileNotFoundError, match=r"TSCLR_DATA .*`tsclr data fetch motionsense`"):
        list(suite.units(tmp_path))


def test_one_subject_is_too_few(tiny_store: Path, tmp_path: Path) -> None:
    store = Store.open(tiny_store)
    first = store.recordings.iloc[:1]
    stop = int(first["length"].iloc[0])
    alone = replace(store, signal=store.signal[:stop], labels=store.labels[:stop], recordings=first)
    alone.write(tmp_path / "alone")
    with pytest.raises(ValueError, match=r"alone, 2 folds .* 1 subject: "):
        list(suite_on(tmp_path / "alone").units(tmp_path))


def test_one_class_leaves_nothing_to_tell_apart(tiny_store: Path, tmp_path: Path) -> None:
    store = Store.open(tiny_store)
    labels = np.where(store.labels == 0, store.labels, -1).astype(np.int16)
    replace(store, labels=labels).write(tmp_path / "one")
    with pytest.raises(ValueError, match="at least two classes are needed"):
        list(suite_on(tmp_path / "one", budgets=["all"]).units(tmp_path))


def test_the_package_exports_every_method_and_protocol_and_the_probe() -> None:
    assert tsclr.bench.probe is probe
    exported = [getattr(tsclr.bench, name) for name in dir(tsclr.bench)]
    kinds = [*subclasses(Method).values(), *subclasses(Protocol).values()]
    ours = [kind for kind in kinds if kind.__module__.startswith("tsclr.")]
    assert ours
    assert all(kind in exported for kind in ours)


def test_the_rows_say_which_methods_pretrain(results: dict) -> None:
    found = {(row["method"], row["pretrains"]) for row in results["rows"]}
    assert found == {("NT-Xent", True), ("random-init", False), ("hand features", False)}
