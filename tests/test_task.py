"""What is chosen on validation subjects, and which labels are drawn."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from tests.support.suites import CONFIG, suite_on
from tests.support.training import tiny_pretrain
from tsclr.bench.methods import Pretrained
from tsclr.bench.probe import probe
from tsclr.data.identity import fingerprints
from tsclr.data.splits import LeakError, Split
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.checkpoint import Checkpoint
from tsclr.embed.encode import encode
from tsclr.encoders import Statistics
from tsclr.evaluate.heads.linear import LinearHead
from tsclr.evaluate.task import Candidate, Task

SPLIT = Split(("01", "02"), ("03",), ("04",))


def task(store: Path, **changes: int) -> Task:
    windows = Windows.labelled(Store.open(store), 128, 64)
    return Task(windows, windows.store.classes, SPLIT, **({"draws": 3} | changes))


@pytest.fixture(scope="module")
def features(tiny_store: Path) -> np.ndarray:
    found = encode(Statistics(6, 50.0), Windows.labelled(Store.open(tiny_store), 128, 64))
    return (found - found.mean(0)) / (found.std(0) + 1e-6)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("budget", [5, None])
def test_the_best_on_validation_subjects_is_chosen_wherever_it_stands(
    position: int, budget: int | None, tiny_store: Path, features: np.ndarray
) -> None:
    classifiers = [DummyClassifier(strategy="uniform", random_state=seed) for seed in range(2)]
    classifiers.insert(position, LogisticRegression(max_iter=1000))
    choice = Candidate(features, lambda _: classifiers).select(task(tiny_store), budget)
    assert choice.classifier is classifiers[position]
    assert choice.score > 0.5


def test_of_equals_the_strongest_regularisation_is_chosen(tiny_store: Path) -> None:
    strengths = [classifier.C for classifier in LinearHead().classifiers(6)]
    assert strengths == sorted(strengths)
    labelled = task(tiny_store)
    truth = np.eye(len(labelled.classes))[labelled.windows.labels] * 1e3
    choice = Candidate(truth, LinearHead().classifiers).select(labelled, None)
    assert (choice.classifier.C, choice.score) == (strengths[0], 1.0)
    assert choice.ends == ["C = 0.001, the smallest"]


class Noting(ClassifierMixin, BaseEstimator):
    """Writes down the windows that it is fitted on, which are their own features."""

    def __init__(self, notes: Path) -> None:
        self.notes = notes

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Noting":
        with self.notes.open("a") as handle:
            handle.write(json.dumps(X[:, 0].tolist()) + "\n")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.full(len(X), self.classes_[0])


def test_every_draw_has_labels_of_its_own(tiny_store: Path, tmp_path: Path) -> None:
    drawn = []
    for seed in (0, 1):
        labelled, notes = task(tiny_store, seed=seed), tmp_path / f"{seed}.jsonl"
        numbers = np.arange(len(labelled.windows))[:, None]
        candidate = Candidate(numbers, lambda _: [])
        candidate.evaluate(Noting(notes), labelled, 1)
        drawn += [tuple(json.loads(line)) for line in notes.read_text().splitlines()]
    assert len(drawn) == len(set(drawn)) == 6
    windows = labelled.windows
    for row in np.array(drawn):  # one of each class, and of training subjects
        assert sorted(windows.labels[row]) == list(range(len(labelled.classes)))
        assert not set(windows.subjects[row]) & set(SPLIT.test)


@pytest.mark.parametrize("copied", [False, True])
def test_whom_pretraining_validated_on_is_not_tested(
    copied: bool, tiny_store: Path, tmp_path: Path
) -> None:
    data = {"test": ["04"], "validation": ["02"]}
    run = tiny_pretrain(tiny_store, tmp_path / "run", data=data, epochs=1)
    store = Store.open(tiny_store)
    if copied:
        store.write(tmp_path / "copy")
    dataset = str(tmp_path / "copy") if copied else None
    seen = set(Checkpoint.load(run).settings["seen"])
    assert set(fingerprints(store, ("02",))) <= seen
    assert not set(fingerprints(store, ("04",))) & seen
    with pytest.raises(LeakError, match="pretraining has seen the test subjects 02"):
        probe(run, dataset, test=["02"], budgets=["1"])


def test_in_the_own_store_names_are_enough(tiny_store: Path, tmp_path: Path) -> None:
    # A recording that was replaced since has other hashes, and is of the same person.
    store = tmp_path / "store"
    Store.open(tiny_store).write(store)
    run = tiny_pretrain(store, tmp_path / "run", epochs=1)
    changed = Store.open(store)
    hashes = [f"{number:064}" for number in range(len(changed.recordings))]
    table = changed.recordings.assign(source_hash=hashes)
    others = np.random.default_rng(0).normal(size=changed.signal.shape).astype(np.float32)
    replace(changed, signal=others, recordings=table).write(store)
    with pytest.raises(LeakError, match="pretraining has seen the test subjects 01"):
        probe(run, test=["01"], budgets=["1"])


def test_a_fold_is_pretrained_on_its_training_subjects_alone(
    tiny_store: Path, tmp_path: Path
) -> None:
    methods = {"NT-Xent": Pretrained(CONFIG, epochs=1)}
    unit = next(suite_on(tiny_store, methods=methods).units(tmp_path))
    unit.method.learn(unit.access())
    (checkpoint,) = map(Checkpoint.load, (tmp_path / "runs").glob("*/checkpoint.safetensors"))
    assert checkpoint.split == unit.split
    store = unit.benchmark.store
    seen = set(checkpoint.settings["seen"])
    assert seen == set(fingerprints(store, (*unit.split.train, *unit.split.validation)))
    assert not seen & set(fingerprints(store, unit.split.test))
