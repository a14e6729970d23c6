"""Planted leaks: each scores 1.0 where labels are in reach; here it is at chance or refused."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from mmap import mmap
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support import leaks
from tests.support.suites import CONFIG, scored, suite_on
from tsclr.bench.access import FoldAccess, Representation, alone
from tsclr.bench.methods import HandFeatures, Method, Pretrained
from tsclr.bench.protocols import GroupKFold, RandomWindows
from tsclr.bench.runner import bench
from tsclr.bench.unit import Unit
from tsclr.data.splits import LeakError
from tsclr.data.store import LABELS, Store
from tsclr.data.windows import Windows, all_of
from tsclr.embed.checkpoint import Checkpoint
from tsclr.evaluate.task import Task
from tsclr.train.pretrain import pretrain

CHANCE = 0.3
"""No method that knows nothing reaches this macro F1 on seven classes."""


@pytest.fixture(scope="module")
def telling_store(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose recordings are one bout each, with the activity in name and file."""
    store = Store.open(tiny_store)
    rows: list[dict[str, Any]] = []
    for row in store.recordings.to_dict("records"):
        labels = store.labels[row["start"] : row["start"] + row["length"]]
        edges = np.flatnonzero(np.diff(labels, prepend=-9, append=-9))
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            place = {"start": row["start"] + low, "length": high - low}
            word = f"activity {labels[low]}" if labels[low] >= 0 else "nothing"
            rows.append({**row, **place, "name": f"{word}, {low}", "source": f"{word}.csv"})
    folder = tmp_path_factory.mktemp("telling") / "store"
    replace(store, recordings=pd.DataFrame(rows)).write(folder)
    return folder


# Labels


@pytest.mark.parametrize(
    "method",
    [
        leaks.StreamLabels(),
        leaks.StoreLabels("of_store"),
        leaks.StoreLabels("of_noted"),
        leaks.RecordingNames(),
    ],
    ids=["StreamLabels", "StoreLabels of windows", "StoreLabels of noted", "RecordingNames"],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
def test_a_method_that_looks_for_labels_scores_at_chance(
    method: Method, telling_store: Path, tmp_path: Path
) -> None:
    results = scored(suite_on(telling_store, methods={"leak": method}), tmp_path)
    assert max(row["macro_f1_mean"] for row in results["rows"]) < CHANCE


@pytest.mark.parametrize(
    ("way", "error"), [("of_folder", FileNotFoundError), ("of_task", AttributeError)]
)
def test_a_method_that_looks_for_the_labelled_store_finds_none(
    way: str, error: type[Exception], tiny_store: Path, tmp_path: Path
) -> None:
    suite = suite_on(tiny_store, methods={"leak": leaks.StoreLabels(way)})
    with pytest.raises(error, match=r"no store in store-|no attribute '_task'"):
        scored(suite, tmp_path)


def reachable(root: object) -> Iterator[object]:
    """All objects that attributes, items and closures lead to, private ones too."""
    waiting, seen = [root], set[int]()
    kept: list[object] = []  # an object that is gone would lend its id to another
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, ModuleType | type | int | float | None):
            continue
        seen.add(id(thing))
        kept.append(thing)
        yield thing
        waiting += parts_of(thing)


STEPS: list[tuple[type | tuple[type, ...], Callable[[Any], Iterable[object]]]] = [
    (dict, lambda thing: [*thing, *thing.values()]),
    ((list, tuple, set, frozenset), list),
    (np.ndarray, lambda thing: [thing.base, *(thing.tolist() if thing.dtype == object else [])]),
    (memoryview, lambda thing: [thing.obj]),
    (pd.DataFrame, lambda thing: [value for name in thing for value in thing[name].tolist()]),
    (MethodType, lambda thing: [thing.__self__, thing.__func__]),
    (FunctionType, lambda thing: [thing.__defaults__, thing.__kwdefaults__]),
    (FunctionType, lambda thing: [cell.cell_contents for cell in thing.__closure__ or ()]),
    (partial, lambda thing: [thing.func, thing.args, thing.keywords]),
]
"""What one step from an object of a kind leads to, besides its attributes."""


def parts_of(thing: object) -> Iterator[object]:
    """What one step leads to."""
    yield from getattr(thing, "__dict__", {}).values()
    for kind, parts in STEPS:
        if isinstance(thing, kind):
            yield from parts(thing)
    if type(thing).__module__.startswith("tsclr."):
        for name in dir(type(thing)):
            if isinstance(getattr(type(thing), name), property):
                yield getattr(thing, name)


def labels_in(root: object, store: Store) -> list[object]:
    """Whatever is within reach that tells what a sample of the store shows."""
    told = {*store.classes, *store.recordings["name"], *store.recordings["source"]}
    secret = np.ascontiguousarray(store.labels).tobytes()

    def tells(thing: object) -> bool:
        if isinstance(thing, str):
            return thing in told or Path(thing, LABELS).exists()
        if isinstance(thing, Path):
            return (thing / LABELS).exists()
        if isinstance(thing, np.ndarray):
            return thing.dtype == np.int16 and bool((thing != -1).any())
        if isinstance(thing, mmap):
            return thing[:] == secret
        return isinstance(thing, Task | Unit)

    return [thing for thing in reachable(root) if tells(thing)]


class Curious(HandFeatures):
    """Keeps what it is shown."""

    def learn(self, access: FoldAccess) -> Representation:
        self.access, self.shown = access, []
        self.shown += [access.note("statistics", access.split.train), access.sample()]
        self.shown += [access.pretraining_data()]
        learned = super().learn(access)
        assert learned.embed is not None
        self.embed = learned.embed
        return replace(learned, embed=self._looking)

    def _looking(self, windows: Windows) -> np.ndarray:
        self.shown.append(windows)
        return self.embed(windows)


def test_nothing_that_a_method_gets_leads_to_a_label(telling_store: Path, tmp_path: Path) -> None:
    method, store = Curious(), Store.open(telling_store)
    suite = suite_on(telling_store, methods={"curious": method}, budgets=["1"])
    scored(suite, tmp_path)
    assert len(method.shown) == 5
    for thing in (*method.shown, method.access):
        assert labels_in(thing, store) == []
    # The search does find them where they are.
    unit = next(suite.units(tmp_path))
    for thing in (unit, unit.task(), unit.data(), unit.benchmark, Windows.sliding(store, 9, 9)):
        assert labels_in(thing, store)
    assert labels_in({"private": [partial(print, str(telling_store))]}, store)


def test_a_store_that_a_method_gets_holds_the_subjects_that_were_noted(
    tiny_store: Path, tmp_path: Path
) -> None:
    unit = next(suite_on(tiny_store).units(tmp_path))
    access, whole = unit.access(), Store.open(tiny_store)
    for subjects in (unit.split.train, unit.split.validation):
        windows = access.note("statistics", subjects)
        expected = Windows.sliding(whole, 128, 64, subjects)
        assert windows.store.subjects == subjects
        lengths = whole.recordings.set_index("subject")["length"].loc[list(subjects)]
        assert len(windows.store.signal) == lengths.sum()
        assert (all_of(windows) == all_of(expected)).all()
    assert access.notes == [("statistics", unit.split.train), ("statistics", unit.split.validation)]
    with pytest.raises(ValueError, match="no subject '1': did you mean"):
        access.note("statistics", ["1"])
    with pytest.raises(ValueError, match="no role 'statistic': did you mean statistics"):
        access.note("statistic", unit.split.train)


def test_windows_are_embedded_without_what_lies_around_them(tiny_store: Path) -> None:
    windows = Windows.labelled(Store.open(tiny_store), 128, 64)
    chosen = np.array([7, 2, 90])
    given = alone(windows, chosen)
    assert (all_of(given) == windows.take(chosen).numpy()).all()
    assert given.store.signal.shape == (3 * 128, 6)
    assert given.rows().tolist() == [0, 1, 2]
    assert set(given.subjects) == {""}
    assert not np.shares_memory(given.store.signal, windows.store.signal)


def test_the_order_of_windows_tells_nothing(tiny_store: Path) -> None:
    windows = Windows.labelled(Store.open(tiny_store), 128, 64)
    shown: list[np.ndarray] = []

    def embed(some: Windows) -> np.ndarray:
        shown.append(all_of(some))
        return all_of(some).std(2)

    features = Representation(embed).features(windows)
    assert np.array_equal(features, all_of(windows).std(2))
    assert sorted(map(bytes, shown[0])) == sorted(map(bytes, all_of(windows)))
    same_place = (shown[0] == all_of(windows)).all((1, 2))
    assert same_place.mean() < 0.05


def test_statistics_of_the_test_streams_are_none(tiny_store: Path, tmp_path: Path) -> None:
    suite = suite_on(tiny_store, methods={"leak": leaks.StreamMoments()}, budgets=["1"])
    with pytest.raises(LeakError, match="change with the other windows of its batch"):
        scored(suite, tmp_path)


# Labels that are granted


@pytest.mark.parametrize("protocol", [GroupKFold(2), RandomWindows()])
def test_an_objective_reads_the_labels_of_training_windows_only(
    protocol: GroupKFold | RandomWindows, tiny_store: Path, tmp_path: Path
) -> None:
    methods = {"SupCon": Pretrained(CONFIG, objective="SupCon", epochs=1)}
    unit = next(suite_on(tiny_store, methods=methods, protocols=[protocol]).units(tmp_path))
    whole, (view, _) = Store.open(tiny_store), unit.access().pretraining_data().open()
    assert view.classes == whole.classes
    windows = Windows.sliding(view, 128, 64)
    true = Windows.sliding(whole, 128, 64, view.subjects)
    read, true_labels = (each.stream_labels(np.arange(len(each))) for each in (windows, true))
    is_read = read != -1
    assert (read[is_read] == true_labels[is_read]).all()
    task = unit.task()
    withheld = task.side((*unit.split.validation, *unit.split.test)).starts
    assert not np.isin(true.starts[is_read], withheld).any()
    granted = Windows.labelled(whole, 128, 64).select(task.where(unit.split.train))
    assert is_read.sum() > 0.3 * np.isin(true.starts, granted.starts).sum()
    assert unit.label == "SupCon (reads all labels)"


def test_pretraining_in_a_suite_equals_one_on_the_store(tiny_store: Path, tmp_path: Path) -> None:
    methods = {"NT-Xent": Pretrained(CONFIG, epochs=1)}
    unit = next(suite_on(tiny_store, methods=methods).units(tmp_path))
    unit.method.learn(unit.access())
    (path,) = tmp_path.glob("runs/*/checkpoint.safetensors")
    run = Checkpoint.load(path)
    data = replace(unit.data(), source=str(tiny_store))
    settings = Pretrained(CONFIG, epochs=1).settings
    training = replace(settings.training, epochs=1)
    parts = settings.encoder, settings.objective, settings.views, settings.pairing, training
    alike = Checkpoint.load(pretrain(data, *parts, tmp_path / "alike"))
    assert all((run.tensors[name] == tensor).all() for name, tensor in alike.tensors.items())
    assert run.split == alike.split
    assert run.settings["seen"] == alike.settings["seen"]
    assert run.settings["place"] == f"store-{unit.fingerprint[:12]}"
    assert run.settings["data"]["source"] == run.settings["place"]


# What is carried over


@pytest.mark.parametrize("role", ["test", "fitting"])
def test_a_method_cannot_note_what_the_harness_notes(
    role: str, tiny_store: Path, tmp_path: Path
) -> None:
    suite = suite_on(tiny_store, methods={"leak": leaks.NotesTest(role)})
    with pytest.raises(LeakError, match=f"a method cannot note the role '{role}'"):
        scored(suite, tmp_path)


def test_a_classifier_remembers_nothing(tiny_store: Path, tmp_path: Path) -> None:
    methods = {"honest": leaks.Memo(remembers=False), "memo": leaks.Memo()}
    suite = suite_on(tiny_store, methods=methods, budgets=["all", 1])
    rows = scored(suite, tmp_path)["rows"]
    scores = {(row["method"], row["budget"]): row["by_subject"] for row in rows}
    for budget in ("all", "1"):
        assert scores["memo", budget] == scores["honest", budget]
        assert max(scores["memo", budget].values()) < 1


def test_nothing_is_carried_from_fold_to_fold(tiny_store: Path, tmp_path: Path) -> None:
    methods = {"across": leaks.AcrossFolds(), "counting": leaks.Counting()}
    suite = suite_on(tiny_store, methods=methods, budgets=["all"])
    bench(suite, tmp_path, jobs=1)
    assert leaks.Counting.folds == []
    assert leaks.AcrossFolds.known == {}
