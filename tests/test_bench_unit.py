"""Units and their cells: segmentation, memory, subjects without labels."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from tests.support.suites import CONFIG, scored, suite_on
from tsclr.bench.audit import audit_results
from tsclr.bench.methods import HandFeatures, Pretrained, Supervised
from tsclr.bench.protocols import GroupKFold, LeaveOneSubjectOut
from tsclr.data.store import Store
from tsclr.datasets import Synthetic
from tsclr.evaluate.heads import FeatureHead
from tsclr.train.monitor import forget_peak_memory, peak_memory


def test_every_sample_is_labelled_where_it_is_asked_for(tiny_store: Path, tmp_path: Path) -> None:
    suite = suite_on(
        tiny_store,
        segmentation=0.64,
        budgets=["1"],
        protocols=[GroupKFold(2)],
        methods={"hand": HandFeatures(), "supervised": Supervised(CONFIG, windows=128)},
    )
    results = scored(suite, tmp_path)
    assert [(row["fold"], row["method"]) for row in results["segmentation"]] == [
        ("group 1 of 2", "hand"),
        ("group 2 of 2", "hand"),
    ]
    for row in results["segmentation"]:
        assert 0 < row["smoothed"]["macro_f1_mean"] <= 1
        assert 0 < row["smoothed"]["f1@10"] <= 1
    assert {row["head"] for row in results["rows"]} == {"linear", "supervised"}
    assert "Segmentation" in (tmp_path / "report.html").read_text()
    assert audit_results(tmp_path)["scores"].tolist() == [2, 1] * 2  # of the segmentation too
    results["segmentation"][0]["smoothed"]["f1@25"] = 1.5
    (tmp_path / "results.json").write_text(json.dumps(results))
    message = (
        r"segmentation\[0\] \(.*, hand\)\.smoothed\.f1@25: 1\.5 is stated, the counts give 0\."
    )
    with pytest.raises(ValueError, match=message):
        audit_results(tmp_path)


def test_whitened_features_are_not_segmented(tiny_store: Path, tmp_path: Path) -> None:
    methods = {"hand": HandFeatures(), "whitened": HandFeatures(whiten=True)}
    suite = suite_on(tiny_store, methods=methods, segmentation=0.64)
    told = {unit.method_name: [cell.head for cell in unit.cells] for unit in suite.units(tmp_path)}
    assert "segmentation" in told["hand"]
    assert "segmentation" not in told["whitened"]


def test_the_memory_of_a_unit_is_not_that_of_an_earlier_one() -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux lets a process forget its peak")
    before = peak_memory(torch.device("cpu"))
    hog = bytearray(256 << 20)
    assert peak_memory(torch.device("cpu")) > before + 200
    del hog
    forget_peak_memory()
    assert peak_memory(torch.device("cpu")) < before + 100


def test_a_long_name_is_cut_in_the_name_of_a_file(tiny_store: Path, tmp_path: Path) -> None:
    methods = {f"hand features of {'a very long name ' * 20}": HandFeatures()}
    scored(suite_on(tiny_store, methods=methods, budgets=["1"]), tmp_path)
    assert len(audit_results(tmp_path)) == 2


def without_labels(mute: str, n_subjects: int, folder: Path) -> Path:
    """A store of simulated people, one of them without labels."""
    store = Store.build(Synthetic(n_subjects=n_subjects, minutes=5).recordings())
    labels = store.labels.copy()
    for row in store.recordings.loc[store.recordings["subject"] == mute].to_dict("records"):
        labels[row["start"] : row["start"] + row["length"]] = -1
    replace(store, labels=labels).write(folder)
    return folder


def test_a_subject_without_labels_cannot_be_tested(tmp_path: Path) -> None:
    folder = without_labels("02", 4, tmp_path / "mute")
    suite = suite_on(folder, protocols=[LeaveOneSubjectOut()], budgets=["1"])
    with pytest.raises(ValueError, match=r"no window of the test subjects \('02',\) has a label"):
        list(suite.units(tmp_path))
    with pytest.raises(ValueError, match="fewer than two training subjects have labels"):
        scored(suite_on(folder, budgets=["1"]), tmp_path)


def test_a_subject_without_labels_is_pretrained_on(tmp_path: Path) -> None:
    folder = without_labels("02", 6, tmp_path / "mute")
    methods = {"NT-Xent": Pretrained(CONFIG, epochs=1)}
    (row,) = scored(suite_on(folder, methods=methods, budgets=["1"]), tmp_path)["rows"]
    assert set(row["by_subject"]) == {"01", "03", "04", "05", "06"}


def test_classes_that_a_test_subject_lacks_are_told(tiny_store: Path, tmp_path: Path) -> None:
    store = Store.open(tiny_store)
    labels = store.labels.copy()
    row = store.recordings.iloc[-1]
    mine = slice(int(row["start"]), int(row["start"] + row["length"]))
    labels[mine][labels[mine] == 0] = -1
    replace(store, labels=labels, maps=()).write(tmp_path / "lacking")
    suite = suite_on(tmp_path / "lacking", methods={"hand": HandFeatures()}, budgets=["1"])
    (found,) = scored(suite, tmp_path / "out")["rows"]
    assert found["lacking"] == {str(row["subject"]): [store.classes[0]]}
    assert 0 < found["macro_f1_mean"] <= 1


class Nearest(FeatureHead):
    """The nearest labelled window."""

    name = "nearest"

    def classifiers(self, n_labels: int) -> list[Any]:
        return [KNeighborsClassifier(1)]


def test_a_head_of_ones_own_is_named_by_its_class_path(tiny_store: Path, tmp_path: Path) -> None:
    own = f"{__name__}.Nearest"
    suite = suite_on(
        tiny_store, methods={"hand": HandFeatures()}, heads=[own, "knn"], budgets=["1"]
    )
    rows = scored(suite, tmp_path)["rows"]
    assert [row["head"] for row in rows] == [own, "knn"]
    assert set(rows[0]["chosen"].values()) == {"KNeighborsClassifier(n_neighbors=1)"}
    assert 0 < rows[0]["macro_f1_mean"] <= 1
    assert len(audit_results(tmp_path)) == 2
