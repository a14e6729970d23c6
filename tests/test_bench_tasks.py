"""Which datasets, cut how, under which protocols: suites on simulated people."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.support.suites import CONFIG, scored, suite_on
from tsclr.bench.audit import audit_results
from tsclr.bench.benchmark import Benchmark, Source
from tsclr.bench.methods import HandFeatures, Pretrained
from tsclr.bench.protocols import (
    GivenSubjects,
    GroupKFold,
    LeaveOneDatasetOut,
    LeaveOneSubjectOut,
    RandomValidation,
    RandomWindows,
)
from tsclr.data.store import Store
from tsclr.datasets import Synthetic


@pytest.fixture(scope="module")
def other_store(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other people at half the rate, in another order of channels, one class named otherwise."""
    classes = Store.open(tiny_store).classes
    recordings = [
        replace(
            each,
            signal=np.ascontiguousarray(each.signal[:, ::-1]),
            channels=each.channels[::-1],
            classes=tuple(name.replace(classes[0], "promenading") for name in each.classes),
        )
        for each in Synthetic(n_subjects=4, minutes=3, seed=1).recordings()
    ]
    folder = tmp_path_factory.mktemp("other") / "other"
    Store.build(recordings, 25.0).write(folder)
    return folder


def test_one_dataset_is_left_out(tiny_store: Path, other_store: Path, tmp_path: Path) -> None:
    classes = Store.open(tiny_store).classes
    protocol = LeaveOneDatasetOut({"promenading": classes[0]})
    suite = suite_on(
        tiny_store,
        datasets=[str(tiny_store), str(other_store)],
        protocols=[protocol],
        methods={"hand": HandFeatures(), "NT-Xent": Pretrained(CONFIG, epochs=1)},
    )
    results = scored(suite, tmp_path)
    assert {row["dataset"] for row in results["rows"]} == {"store + other"}
    assert {unit["fold"] for unit in results["units"]} == {"store", "other"}
    for unit in results["units"]:
        assert {name.split("/")[0] for name in unit["split"]["test"]} == {unit["fold"]}
        assert all(not name.startswith(f"{unit['fold']}/") for name in unit["split"]["train"])
    told = {(row["protocol"], len(row["by_subject"])) for row in results["rows"]}
    assert told == {(f"leave one dataset out: {name}", 4) for name in ("store", "other")}
    assert set(results["rows"][0]["per_class_f1"]) == set(classes)
    assert len(audit_results(tmp_path)) == 4
    (folder,) = tmp_path.glob("data/*")
    assert Store.open(folder).sample_rate == 25.0


def test_datasets_that_share_too_little_are_refused(
    tiny_store: Path, other_store: Path, tmp_path: Path
) -> None:
    pair = [Benchmark.prepare(Source(str(each)), each) for each in (tiny_store, other_store)]
    bare = replace(pair[1])
    bare.__dict__["store"] = replace(pair[1].store, channels=tuple("abcdef"))
    with pytest.raises(ValueError, match="store and other have no channel in common"):
        Benchmark.combine([pair[0], bare], tmp_path, {})
    with pytest.raises(ValueError, match=r"share the classes \[\], at least two are needed"):
        Benchmark.combine([pair[0], replace(pair[1], classes=("x", "y"))], tmp_path, {})
    with pytest.raises(ValueError, match="takes at least two datasets"):
        list(suite_on(tiny_store, protocols=[LeaveOneDatasetOut()]).units(tmp_path))


@pytest.mark.slow
def test_a_random_split_flatters_and_is_said_to_leak(tiny_store: Path, tmp_path: Path) -> None:
    suite = suite_on(
        tiny_store, protocols=[RandomWindows(), GroupKFold(2)], budgets=["all"], segmentation=0.64
    )
    results = scored(suite, tmp_path)
    scores = pd.DataFrame(results["rows"]).pivot_table(
        "macro_f1_mean", ["method", "head"], "protocol"
    )
    assert (scores["random windows (leaky)"] > scores["2 folds of subjects"]).all()
    checked = audit_results(tmp_path)
    leaky = checked["holds"] == "nothing, the protocol leaks"
    assert leaky.tolist() == [True] * 3 + [False] * 6
    assert "except by protocols that are said to leak" in (tmp_path / "report.html").read_text()
    told = json.loads((tmp_path / "results.json").read_text())
    told["units"][0]["leaky"] = False
    (tmp_path / "results.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="leaky: False is stated, the suite gives True"):
        audit_results(tmp_path)


@pytest.mark.slow
def test_random_validation_flatters_the_choice_and_leaves_the_test_clean(
    tiny_store: Path, tmp_path: Path
) -> None:
    tested = list(Store.open(tiny_store).subjects[:1])
    suite = suite_on(
        tiny_store,
        protocols=[RandomValidation(test=tested), GivenSubjects(tested)],
        budgets=["all"],
        segmentation=0.64,
        seed=1,
    )
    results = scored(suite, tmp_path)
    rows = pd.DataFrame(results["rows"])
    rows["random"] = rows["protocol"].str.startswith("random validation windows")
    chosen = rows.pivot_table("validation_macro_f1", ["method", "head"], "random")
    assert (chosen[True] > chosen[False]).all()
    assert all(list(row["by_subject"]) == tested for row in results["rows"])
    checked = audit_results(tmp_path)["holds"]
    assert (checked == "subject, overlap, copy, statistics, choice").all()
    runs = [yaml.safe_load(path.read_text()) for path in tmp_path.glob("runs/*/config.yaml")]
    assert [run["data"]["test"] for run in runs] == [tested]  # of both, since both see the same
    assert {row["protocol"] for row in results["segmentation"]} == {f"test on {tested[0]}"}


def test_a_dataset_cut_in_two_ways(tiny_store: Path, tmp_path: Path) -> None:
    channels = ["acc_z", "acc_x", "acc_y"]
    long = Source(str(tiny_store), window=5.12, channels=channels)
    suite = suite_on(
        tiny_store,
        datasets=[str(tiny_store), long],
        methods={"hand": HandFeatures()},
        budgets=["all"],
    )
    results = scored(suite, tmp_path)
    names = [row["dataset"] for row in results["rows"]]
    assert names == ["store", "store (5.12 s, acc_z acc_x acc_y)"]
    assert len(audit_results(tmp_path)) == 4
    (folder,) = tmp_path.glob("data/*")
    assert not list(tiny_store.parent.glob("*acc_z*"))
    cut, whole = Store.open(folder), Store.open(tiny_store)
    assert (cut.signal == whole.signal[:, [2, 0, 1]]).all()
    n_windows = [sum(map(sum, row["confusion"])) for row in results["rows"]]
    assert n_windows[1] < 0.6 * n_windows[0]
    assert results["rows"][1]["cost"]["features"] < results["rows"][0]["cost"]["features"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"channels": ["acc_q"]}, "no channel 'acc_q': did you mean acc_"),
        ({"channels": []}, "has no channels"),
        ({"channels": ["acc_x", "acc_x"]}, "channel 'acc_x' of .* is named twice"),
        ({"window": 2.57}, "2.57 s"),
        ({"window": 2.56, "stride": 0.001}, "stride"),
    ],
)
def test_a_cut_that_cannot_be(source: dict, message: str, tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        Benchmark.prepare(Source(str(tiny_store), **source), tmp_path)


def test_two_datasets_of_one_name(tiny_store: Path, tmp_path: Path) -> None:
    Store.open(tiny_store).write(tmp_path / "store")
    suite = suite_on(tiny_store, datasets=[str(tiny_store), str(tmp_path / "store")])
    with pytest.raises(ValueError, match="dataset 'store' is named twice"):
        list(suite.units(tmp_path))


@pytest.mark.parametrize("kind", ["copy", "cut"])
def test_the_same_people_are_no_other_dataset(kind: str, tiny_store: Path, tmp_path: Path) -> None:
    Store.open(tiny_store).write(tmp_path / "copy")
    other = {"copy": str(tmp_path / "copy"), "cut": Source(str(tiny_store), window=1.28)}[kind]
    suite = suite_on(
        tiny_store, datasets=[str(tiny_store), other], protocols=[LeaveOneDatasetOut()]
    )
    with pytest.raises(
        ValueError, match=r"hold the same recording .*, which would be trained on and tested"
    ):
        list(suite.units(tmp_path))


def test_the_same_files_at_half_the_rate_are_no_other_dataset(
    tiny_store: Path, tmp_path: Path
) -> None:
    recordings = Benchmark.prepare(Source(str(tiny_store)), tmp_path).recordings(
        Store.open(tiny_store).channels, {}
    )
    Store.build((replace(each, name="renamed") for each in recordings), 25.0).write(
        tmp_path / "slow"
    )
    datasets = [str(tiny_store), str(tmp_path / "slow")]
    suite = suite_on(tiny_store, datasets=datasets, protocols=[LeaveOneDatasetOut()])
    message = r"store and slow hold the same recording \('renamed' in the second\)"
    with pytest.raises(ValueError, match=message):
        list(suite.units(tmp_path))


def test_the_same_samples_without_a_file_are_no_other_dataset(
    tiny_store: Path, tmp_path: Path
) -> None:
    store = Store.open(tiny_store)
    nowhere = replace(store, recordings=store.recordings.assign(source_hash=""))
    nowhere.with_channels(store.channels[::-1]).write(tmp_path / "turned")
    nowhere.write(tmp_path / "plain")
    pair = [
        Benchmark.prepare(Source(str(tmp_path / each)), tmp_path) for each in ("turned", "plain")
    ]
    with pytest.raises(ValueError, match="turned and plain hold the same recording"):
        Benchmark.combine(pair, tmp_path / "both", {})
    other = replace(pair[1], name="other")
    other.__dict__["store"] = replace(nowhere, signal=nowhere.signal + np.float32(1e-3))
    with pytest.raises(ValueError, match="turned and other hold the same recording"):
        Benchmark.combine([pair[0], other], tmp_path / "both", {})
    other.__dict__["store"] = replace(nowhere, signal=nowhere.signal[::-1].copy())
    both = Benchmark.combine([pair[0], other], tmp_path / "both", {})
    assert len(both.store.recordings) == 2 * len(store.recordings)


def test_a_copy_of_a_store_has_cells_of_its_own(tiny_store: Path, tmp_path: Path) -> None:
    Store.open(tiny_store).write(tmp_path / "copy")
    both = [str(tiny_store), str(tmp_path / "copy")]
    methods = {"hand": HandFeatures(), "hand ": HandFeatures(whiten=True)}
    scored(suite_on(tiny_store, datasets=both, methods=methods, budgets=["all"]), tmp_path)
    assert len(audit_results(tmp_path)) == len(list(tmp_path.glob("provenance/*-hand-*"))) == 8


def test_random_windows_are_scored_by_who_wore_them(tiny_store: Path, tmp_path: Path) -> None:
    suite = suite_on(
        tiny_store, protocols=[RandomWindows()], methods={"hand": HandFeatures()}, budgets=["all"]
    )
    (row,) = scored(suite, tmp_path)["rows"]
    assert set(row["by_subject"]) == set(Store.open(tiny_store).subjects)


def test_a_class_that_one_subject_alone_shows(
    tiny_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.open(tiny_store)
    labels = store.labels.copy()
    row = store.recordings.iloc[0]
    for each in store.recordings.iloc[1:].to_dict("records"):
        stretch = labels[each["start"] : each["start"] + each["length"]]
        stretch[stretch == 0] = -1
    assert (labels[: row["length"]] == 0).any()
    replace(store, labels=labels).write(tmp_path / "rare")
    suite = suite_on(
        tmp_path / "rare",
        protocols=[LeaveOneSubjectOut(max_folds=1)],
        budgets=["all", "10%"],
        methods={"hand": HandFeatures(heads=["linear", "knn", "forest"])},
    )
    results = scored(suite, tmp_path / "out")
    assert all(found["per_class_f1"][store.classes[0]] == 0 for found in results["rows"])
    assert f"no training subject has windows of class {store.classes[0]}" in caplog.text
    assert [list(found["untrained"].values()) for found in results["rows"]] == [
        [[store.classes[0]]]
    ] * 6
    said = f"Nobody trained on shows {store.classes[0]} in "
    assert said in (tmp_path / "out" / "report.html").read_text()


def test_a_protocol_on_some_of_the_datasets(
    tiny_store: Path, other_store: Path, tmp_path: Path
) -> None:
    both = [str(tiny_store), str(other_store)]
    leave = LeaveOneSubjectOut(max_folds=1, datasets=["other"])
    suite = suite_on(
        tiny_store, datasets=both, protocols=[GroupKFold(2, datasets=["store"]), leave]
    )
    units = [(unit.benchmark.name, unit.fold) for unit in suite.units(tmp_path)]
    assert list(dict.fromkeys(units)) == [
        ("store", "group 1 of 2"),
        ("store", "group 2 of 2"),
        ("other", f"subject {Store.open(other_store).subjects[0]}"),
    ]
    assert leave.name == "leave one subject out, 1 of the folds"
    wrong = suite_on(tiny_store, datasets=both, protocols=[GroupKFold(2, datasets=["stor"])])
    with pytest.raises(ValueError, match="2 folds of subjects: no dataset 'stor', did you mean"):
        list(wrong.units(tmp_path))


def test_a_damaged_copy_of_a_dataset_is_made_anew_and_it_is_said(
    tiny_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(str(tiny_store), channels=["acc_x", "acc_y", "acc_z"])
    before = Benchmark.prepare(source, tmp_path)
    with (before.folder / "signal.f32").open("r+b") as file:
        file.write(b"\0" * 4000)
    after = Benchmark.prepare(source, tmp_path)
    assert f"the store in {before.folder} is damaged: building it again" in caplog.text
    assert (after.folder, after.fingerprint) == (before.folder, before.fingerprint)
    caplog.clear()
    Benchmark.prepare(source, tmp_path)
    assert not caplog.text
