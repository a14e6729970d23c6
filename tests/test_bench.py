"""A suite from its YAML to its audit: what is scored, what is kept, what is refused."""

import importlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler

from tests.support.suites import CONFIG, METHODS, scored, suite_on
from tsclr.audit.ledger import read as read_ledger
from tsclr.audit.results import audit_results
from tsclr.bench.access import FoldAccess, Representation
from tsclr.bench.methods import (
    Catch22,
    HandFeatures,
    Method,
    MiniRocket,
    Pretrained,
    RandomInit,
    Supervised,
)
from tsclr.bench.protocols import (
    GroupKFold,
    LeaveOneSubjectOut,
    Official,
    Protocol,
    RandomWindows,
)
from tsclr.bench.results import TABLE
from tsclr.bench.runner import bench
from tsclr.bench.suite import Suite
from tsclr.cli import main
from tsclr.data.splits import LeakError
from tsclr.data.store import Store
from tsclr.data.windows import Windows, all_of
from tsclr.datasets import Synthetic
from tsclr.embed.encode import encode
from tsclr.encoders import Statistics
from tsclr.evaluate.heads import registered_heads
from tsclr.evaluate.task import Task
from tsclr.specs import subclasses
from tsclr.train.monitor import forget_peak_memory, peak_memory

SUPCON = str(Path(CONFIG).parent / "supcon_hapt.yaml")
SUITES = sorted((Path(__file__).parent.parent / "benchmarks" / "suites").glob("*.yaml"))


@pytest.fixture(scope="module")
def finished(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bench")
    scored(suite_on(tiny_store), out)
    return out


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
        chosen = row["chosen"][unit["fold"]]
        C = float(chosen.split("C=")[1].split(",")[0]) if "C=" in chosen else 1.0
        test = np.isin(windows.subjects, unit["split"]["test"])
        classifier = LogisticRegression(C=C, max_iter=1000, tol=1e-3)
        classifier.fit(moments.transform(features[~test]), windows.labels[~test])
        truth.append(windows.labels[test])
        found.append(classifier.predict(moments.transform(features[test])))
    truth, found = np.concatenate(truth), np.concatenate(found)
    assert row["macro_f1_mean"] == pytest.approx(f1_score(truth, found, average="macro"), abs=0.02)
    expected = balanced_accuracy_score(truth, found)
    assert row["balanced_accuracy_mean"] == pytest.approx(expected, abs=0.02)


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
    assert f"{cell.path} is damaged: computed anew" in caplog.text
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
    given["encoder"] = {"class_path": "own_package.Own"}
    config.write_text(yaml.safe_dump(given))
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "__init__.py").write_text("from own_package.inner import Own\n")
    encoder = tmp_path / "own_package" / "inner.py"
    encoder.write_text("from tsclr.encoders import CNN1d\nclass Own(CNN1d): ...\n")
    random = RandomInit(str(config))
    before = method.key(), random.key()
    assert list(before[0]["source"]) == ["own_method"]
    for each in (file, encoder):
        each.write_text(each.read_text() + "# another\n")
    assert method.key() != before[0]
    assert random.key() != before[1]


@pytest.mark.parametrize("kind", [Pretrained, Supervised])
def test_a_file_that_a_config_names_counts(
    kind: Callable[[str], Method], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = yaml.safe_load(Path(CONFIG).read_text())
    Path("slow.yaml").write_text("learning_rate: 0.1\n")
    Path("own.yaml").write_text(yaml.safe_dump({**given, "training": "slow.yaml"}))
    before = kind("own.yaml").key()
    assert kind("own.yaml").key() == before
    Path("slow.yaml").write_text("learning_rate: 0.2\n")
    assert kind("own.yaml").key() != before


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


def test_two_methods_of_one_pretraining_take_turns(tiny_store: Path, tmp_path: Path) -> None:
    methods = {
        "plain": Pretrained(CONFIG, epochs=1),
        "whitened": Pretrained(CONFIG, epochs=1, whiten=True),
    }
    suite = suite_on(tiny_store, methods=methods, budgets=["1"])
    bench(suite, tmp_path, jobs=2)
    results = json.loads((tmp_path / "results.json").read_text())
    assert {row["method"] for row in results["rows"]} == set(methods)
    assert len(list((tmp_path / "runs").glob("*/checkpoint.safetensors"))) == 2


# Planted leaks


class Leaky(HandFeatures):
    """Standardises by the moments of everybody."""

    def learn(self, stage: FoldAccess) -> Representation:
        encoder = Statistics(len(stage.input_spec.channels), stage.input_spec.sample_rate)
        everybody = (*stage.split.train, *stage.split.validation, *stage.split.test)
        moments = StandardScaler().fit(encode(encoder, stage.note("statistics", everybody)))
        return Representation(lambda windows: moments.transform(encode(encoder, windows)))


class Peeking(HandFeatures):
    """Trains until the loss on test subjects is lowest."""

    def learn(self, stage: FoldAccess) -> Representation:
        torch.manual_seed(0)
        train = all_of(stage.note("pretraining", stage.split.train))
        test = all_of(stage.note("choice", stage.split.test))
        mean, losses, best = np.zeros_like(train[0]), [], None
        for _ in range(5):
            mean = mean + 0.3 * (train.mean(0) - mean)
            losses.append(float(((test - mean) ** 2).mean()))
            best = mean if losses[-1] == min(losses) else best
        return Representation(lambda windows: (all_of(windows) - best).std(2))


class Greedy(HandFeatures):
    """Learns from the streams of test subjects and does not say so."""

    def learn(self, stage: FoldAccess) -> Representation:
        streams = all_of(stage.note("pretraining", stage.split.test))
        axes = PCA(8).fit(streams.reshape(len(streams), -1))
        return Representation(
            lambda windows: axes.transform(all_of(windows).reshape(len(windows), -1))
        )


class Joint(HandFeatures):
    """Standardises by the moments of all windows that are embedded, test and all."""

    def learn(self, stage: FoldAccess) -> Representation:
        encoder = Statistics(len(stage.input_spec.channels), stage.input_spec.sample_rate)
        return Representation(
            lambda windows: StandardScaler().fit_transform(encode(encoder, windows))
        )


class Curious(HandFeatures):
    """Keeps what it is shown."""

    def learn(self, stage: FoldAccess) -> Representation:
        self.stage, self.shown = stage, []
        return Representation(lambda windows: self.shown.append(windows) or all_of(windows).std(2))


class Hidden(Joint):
    """The same beside a feature that is large."""

    def learn(self, stage: FoldAccess) -> Representation:
        joint = super().learn(stage).embed
        return Representation(
            lambda windows: np.hstack([joint(windows), np.full((len(windows), 1), 1e9)])
        )


@pytest.mark.parametrize("kind", [Joint, Hidden])
def test_features_that_depend_on_the_test_are_refused(
    kind: Callable[[], Method], tiny_store: Path, tmp_path: Path
) -> None:
    suite = suite_on(tiny_store, methods={"joint": kind()}, budgets=["1"])
    with pytest.raises(LeakError, match="others when it is embedded with other windows"):
        scored(suite, tmp_path)


class Wrong(HandFeatures):
    """Gives what `spoil` makes of good features."""

    def __init__(self, spoil: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__()
        self.spoil = spoil

    def key(self) -> dict[str, object]:
        return {}

    def learn(self, stage: FoldAccess) -> Representation:
        return Representation(lambda windows: self.spoil(all_of(windows).std(2)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda good: None, r"features have shape \(\), expected"),
        (lambda good: good[1:].tolist(), r"features have shape \(\d+, 6\), expected \(\d+, F\)"),
        (lambda good: np.log(good - good), r"features of (\d+) of \1 windows are NaN or infinite"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_features_that_are_none_are_refused(
    spoil: Callable[[np.ndarray], np.ndarray], message: str, tiny_store: Path, tmp_path: Path
) -> None:
    suite = suite_on(tiny_store, methods={"wrong": Wrong(spoil)}, budgets=["1"])
    with pytest.raises(ValueError, match=message):
        scored(suite, tmp_path)


def test_a_method_that_gives_no_encoder_is_told_what_to_say(
    tiny_store: Path, tmp_path: Path
) -> None:
    method = Wrong(lambda good: good)
    suite = suite_on(tiny_store, methods={"flat": method}, budgets=["1"], segmentation=0.64)
    with pytest.raises(
        ValueError, match=r"no encoder for a segmentation: .* encodes = False in its"
    ):
        scored(suite, tmp_path)


def test_no_method_is_shown_a_label(tiny_store: Path, tmp_path: Path) -> None:
    method = Curious()
    scored(suite_on(tiny_store, methods={"curious": method}, budgets=["1"]), tmp_path)
    shown = [*method.shown, method.stage.note("statistics", method.stage.split.train)]
    assert all((windows.labels == -1).all() for windows in shown)
    public = {name for name in dir(method.stage) if not name.startswith("_")}
    assert not any(isinstance(getattr(method.stage, name), Task) for name in public)


def test_the_command_fails_where_a_method_leaks(tiny_store: Path, tmp_path: Path) -> None:
    suite = suite_on(tiny_store, methods={"greedy": Greedy()}, budgets=["all"])
    with pytest.raises(LeakError, match=r"store, group 1 of 2, greedy has leaked \(.*subject"):
        bench(suite, tmp_path)
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("kind", "role"), [(Leaky, "statistics"), (Peeking, "choice"), (Greedy, "pretraining")]
)
def test_a_method_that_leaks_is_found_out(
    kind: Callable[[], Method], role: str, tiny_store: Path, tmp_path: Path
) -> None:
    suite = suite_on(tiny_store, methods={"leaky": kind()}, budgets=["1"])
    results = scored(suite, tmp_path)
    assert not all(results["units"][0]["certificate"]["checks"].values())
    with pytest.raises(LeakError, match=role):
        audit_results(tmp_path)


def test_transductive_pretraining_is_named_and_sees_the_test(
    tiny_store: Path, tmp_path: Path
) -> None:
    method = Pretrained(CONFIG, epochs=1, sees_test_streams=True)
    results = scored(suite_on(tiny_store, methods={"all": method}, budgets=["1"]), tmp_path)
    assert {row["method"] for row in results["rows"]} == {"all (transductive)"}
    assert audit_results(tmp_path)["transductive"].all()
    for unit in results["units"]:
        frame = read_ledger(tmp_path / unit["provenance"])
        seen = {role: set(rows["subject"]) for role, rows in frame.groupby("role")}
        assert seen["test"] < seen["pretraining"]
    assert "but for transductive methods" in (tmp_path / "report.html").read_text()


# Other tasks


def test_every_sample_is_labelled_where_it_is_asked_for(tiny_store: Path, tmp_path: Path) -> None:
    suite = suite_on(
        tiny_store,
        segmentation=0.64,
        budgets=["1"],
        protocols=[GroupKFold(2)],
        methods={"hand": HandFeatures(), "supervised": Supervised(CONFIG, steps=[2])},
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
    assert len(audit_results(tmp_path)) == 4


@pytest.mark.parametrize("kind", [MiniRocket, Catch22])
def test_methods_of_aeon_are_scored_where_it_is_there(
    kind: type[Method], tiny_store: Path, tmp_path: Path
) -> None:
    pytest.importorskip("aeon", reason="needs the extra bench: pip install 'tsclr[bench]'")
    suite = suite_on(tiny_store, methods={"theirs": kind(heads=["ridge"])}, budgets=["all"])
    (row,) = scored(suite, tmp_path)["rows"]
    assert row["macro_f1_mean"] > 0.4
    assert audit_results(tmp_path)["roles"].str.contains("statistics").all()


def test_a_package_that_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aeon", None)
    with pytest.raises(ValueError, match=r"pip install 'tsclr\[bench\]'"):
        MiniRocket().versions()


def test_pretraining_that_reads_labels_is_named(tiny_store: Path, tmp_path: Path) -> None:
    unit = next(suite_on(tiny_store, methods={"SupCon": Pretrained(SUPCON)}).units(tmp_path))
    assert unit.label == "SupCon (reads all labels)"


def test_whitened_features_are_not_segmented(tiny_store: Path, tmp_path: Path) -> None:
    methods = {"hand": HandFeatures(), "whitened": HandFeatures(whiten=True)}
    suite = suite_on(tiny_store, methods=methods, segmentation=0.64)
    told = {unit.method: [cell.head for cell in unit.cells] for unit in suite.units(tmp_path)}
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


# What is refused


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
            {"methods": {"x": Pretrained(SUPCON, sees_test_streams=True)}},
            LeakError,
            "reads labels, with sees_test_streams those of the test subjects",
        ),
        ({"draws": 0}, ValueError, "draws is 0"),
        ({"heads": ["liner"]}, ValueError, "no head 'liner': did you mean linear"),
        ({"protocols": [GroupKFold(9)]}, ValueError, "9 folds cannot be made of 4 subjects"),
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
    with pytest.raises(ValueError, match="nothing to tell apart with fewer than two classes"):
        list(suite_on(tmp_path / "one", budgets=["all"]).units(tmp_path))


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


# The command


def yaml_of(folder: Path, store: Path) -> Path:
    path = folder / "suite.yaml"
    path.write_text(
        f"datasets: ['{store}']\n"
        "methods:\n"
        f"  NT-Xent: {{class_path: Pretrained, init_args: {{config: '{CONFIG}', epochs: 1}}}}\n"
        "  hand: {class_path: HandFeatures}\n"
        "protocols: [{class_path: GroupKFold, init_args: {n_folds: 2}}]\n"
        "heads: [linear, knn, prototype]\nbudgets: ['1', '2', 5, all]\ndraws: 2\n"
    )
    return path


@pytest.fixture(scope="module")
def uninterrupted(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("command")
    words = ["bench", str(yaml_of(folder, tiny_store)), "--out", str(folder / "out"), "--jobs", "1"]
    assert main(words) == 0
    return (folder / "out" / TABLE).read_bytes()


def test_killed_in_the_middle_it_ends_with_the_same_bytes(
    uninterrupted: bytes, tiny_store: Path, tmp_path: Path
) -> None:
    words = [
        "bench",
        str(yaml_of(tmp_path, tiny_store)),
        "--out",
        str(tmp_path / "out"),
        "--jobs=2",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "tsclr", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    ) as process:
        until = time.monotonic() + 120
        while len(list(tmp_path.glob("out/cells/*.json"))) < 3 and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/cells/*.json")}
    assert len(kept) >= 3
    assert not (tmp_path / "out" / TABLE).exists()
    assert main(words) == 0
    assert (tmp_path / "out" / TABLE).read_bytes() == uninterrupted
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())


def test_a_failing_unit_is_named_and_the_others_are_kept(
    tiny_store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = yaml.safe_load(Path(CONFIG).read_text())
    config["training"]["min_rank"] = 1e6  # so that the run stops as collapsed
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    path = yaml_of(tmp_path, tiny_store)
    path.write_text(path.read_text().replace(CONFIG, str(tmp_path / "config.yaml")))
    assert main(["bench", str(path), "--out", str(tmp_path / "out"), "--jobs=2"]) == 1
    told = capfd.readouterr().err
    for group in (1, 2):
        assert f"store, 2 folds of subjects, group {group} of 2, NT-Xent: " in told
    assert "min_rank" in told
    assert len(list(tmp_path.glob("out/cells/*.json"))) == 2 * (3 * 4 + 1)


@pytest.fixture
def arrays(tmp_path: Path) -> Callable[[list[int]], list[str]]:
    """Words of an audit of 20 windows that half overlap, ten of each subject, without some."""
    stream = np.random.default_rng(0).normal(size=(3, 64 * 21))
    windows = np.stack([stream[:, start : start + 128] for start in range(0, 64 * 20, 64)])
    subjects = np.arange(20) // 10

    def words(without: list[int]) -> list[str]:
        found = ["bench", "audit"]
        for name, array in {
            "windows": windows,
            "subjects": subjects,
            "split": np.array(["train", "test"])[subjects],
        }.items():
            path = tmp_path / f"{name}.npy"
            np.save(path, np.delete(array, without, 0))
            found += [f"--{name}", str(path)]
        return found

    return words


def test_audit_of_somebody_elses_windows(
    arrays: Callable[[list[int]], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arrays([])) == 1
    assert "overlap: 1 of 10 test windows share samples" in capsys.readouterr().err
    assert main(arrays([10])) == 0
    assert "no leak found" in capsys.readouterr().out
    assert main(["bench", "audit"]) == 2


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.stem)
def test_every_suite_that_ships_is_understood(
    suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(suite), "--out", "somewhere", "--print_config"]) == 0
    told = yaml.safe_load(capsys.readouterr().out)
    for method in told["methods"].values():
        config = method.get("init_args", {}).get("config", CONFIG)
        assert Path(__file__).parent.parent.joinpath(config).is_file()


def test_the_quick_suite_has_every_protocol_head_and_section(tmp_path: Path) -> None:
    pytest.importorskip("aeon", reason="needs the extra bench: pip install 'tsclr[bench]'")
    (suite,) = [path for path in SUITES if path.stem == "quick"]
    assert main(["bench", str(suite), "--out", str(tmp_path), "--jobs", "2"]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert {row["head"] for row in results["rows"]} == {*registered_heads(), "supervised"}
    kinds = {told["class"] for told in results["suite"]["protocols"]}
    assert kinds == set(subclasses(Protocol))
    assert len({row["protocol"].partition(":")[0] for row in results["rows"]}) == len(kinds)
    page = (tmp_path / "report.html").read_text()
    for section in (
        "Average ranks over datasets, official",
        "Score by label budget",
        "Results",
        "Scores by subject",
        "Confusion of methods",
        "Cost and score",
        "Embedding",
        "Segmentation",
        "Which differences are proven",
        "Leak audit",
    ):
        assert section in page, section
    assert len(audit_results(tmp_path)) == len(results["units"]) == 10 * 6


def test_a_process_of_a_suite_keeps_to_one_thread() -> None:
    pytest.importorskip("aeon", reason="needs the extra bench: pip install 'tsclr[bench]'")
    program = (
        "import os, numpy, torch\n"
        "from tsclr.bench.runner import begin\n"
        "begin(os.getppid())\n"
        "from aeon.transformations.collection.convolution_based import MiniRocket\n"
        "MiniRocket(n_kernels=84).fit_transform(numpy.random.randn(4, 3, 32).astype('f4'))\n"
        "print(torch.get_num_threads())"
    )
    words = [sys.executable, "-c", program]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "1"


def test_audit_of_results(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "audit", str(finished)]) == 0
    assert "hand features" in capsys.readouterr().out


def test_the_method_of_the_docs_runs(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parent.parent / "docs" / "benchmarks.md"
    (code,) = re.findall(r"```python\n# mine\.py\n(.*?)```", page.read_text(), re.DOTALL)
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    method = importlib.import_module("mine").Spectrum(highest=8.0)
    (row,) = scored(
        suite_on(tiny_store, methods={"spectrum": method}, budgets=["all"]), tmp_path / "out"
    )["rows"]
    assert row["macro_f1_mean"] > 0.6
    assert audit_results(tmp_path / "out")["roles"].str.contains("statistics").all()
