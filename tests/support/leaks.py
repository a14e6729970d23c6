"""Methods and heads that cheat, each in a way of its own; with labels in reach they score 1.0.

They live in a module of their own, since a suite imports them in the processes of its units.
"""

import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from tsclr.bench import FoldAccess, HandFeatures, Method, Representation
from tsclr.data.store import Store
from tsclr.data.windows import Windows, all_of
from tsclr.evaluate.heads import FeatureHead

N_CODES = 16
"""Classes that a label read by a leak can be one of."""


def one_hot(labels: Any, n: int) -> np.ndarray:
    """Labels (N,) as features (N, `N_CODES`), all zero where there is none; also for no labels."""
    values = np.full(n, -1) if len(labels) != n else np.asarray(labels, int)
    return np.eye(N_CODES)[values] * (values >= 0)[:, None]


def remembered(windows: Windows) -> dict[bytes, int]:
    """Label of each sample that windows cover, by its content; -1 where there is none."""
    covered = np.unique(windows.starts[:, None] + np.arange(windows.length))
    samples, labels = windows.store.signal[covered], windows.store.labels[covered]
    return dict(zip((sample.tobytes() for sample in samples), labels.tolist(), strict=True))


def training_labels(access: FoldAccess) -> dict[bytes, int]:
    """What is remembered of the subjects that a method may see."""
    train, validation = access.split.train, access.split.validation
    streams = access.note("statistics", train), access.note("choice", validation)
    return remembered(streams[0]) | remembered(streams[1])


def recalled(memory: dict[bytes, int], windows: Windows) -> np.ndarray:
    """Features of windows whose samples are remembered: the label of the middle one."""
    middles = all_of(windows)[:, :, windows.length // 2]
    return one_hot([memory.get(middle.tobytes(), -1) for middle in middles], len(windows))


class StreamLabels(HandFeatures):
    """Asks its windows for the labels of the stream."""

    def learn(self, access: FoldAccess) -> Representation:
        access.note("statistics", access.split.train)
        return Representation(
            lambda windows: one_hot(windows.stream_labels(np.arange(len(windows))), len(windows))
        )


def of_store(access: FoldAccess, windows: Windows) -> np.ndarray:
    """From the store of the windows."""
    labels = windows.store.labels
    return labels[windows.starts + windows.length // 2] if len(labels) else np.zeros(0)


def of_noted(access: FoldAccess, windows: Windows) -> np.ndarray:
    """From the store of windows that were noted, which are of the training subjects only."""
    store = access.note("statistics", access.split.train).store
    memory = remembered(Windows.sliding(store, windows.length, windows.length))
    return recalled(memory, windows).argmax(1)


def of_folder(access: FoldAccess, windows: Windows) -> np.ndarray:
    """From the folder that the data of the fold name."""
    source: Any = access.pretraining_data().source
    memory = remembered(Windows.sliding(Store.open(source.source), windows.length, windows.length))
    return recalled(memory, windows).argmax(1)


def of_task(access: FoldAccess, windows: Windows) -> np.ndarray:
    """From a private attribute."""
    task: Any = access._task  # pyright: ignore[reportAttributeAccessIssue]
    return np.asarray(task.windows.labels[np.searchsorted(task.windows.starts, windows.starts)])


WAYS: dict[str, Callable[[FoldAccess, Windows], np.ndarray]] = {
    way.__name__: way for way in (of_store, of_noted, of_folder, of_task)
}


class StoreLabels(HandFeatures):
    """Takes the labels out of a store that it reaches in one of `WAYS`."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def learn(self, access: FoldAccess) -> Representation:
        return Representation(
            lambda windows: one_hot(WAYS[self.way](access, windows), len(windows))
        )


class RecordingNames(HandFeatures):
    """Reads the activity in the names and the files of recordings, as MotionSense writes it."""

    def learn(self, access: FoldAccess) -> Representation:
        def embed(windows: Windows) -> np.ndarray:
            table = windows.store.recordings.iloc[windows.rows()]
            words = [
                f"{name} {file}" for name, file in zip(table["name"], table["source"], strict=True)
            ]
            labels = [int(word.partition("activity ")[2][:1] or -1) for word in words]
            return one_hot(labels, len(windows))

        return Representation(embed)


class StreamMoments(HandFeatures):
    """Standardises by the moments of the store of the windows that it embeds."""

    def learn(self, access: FoldAccess) -> Representation:
        def embed(windows: Windows) -> np.ndarray:
            signal = windows.store.signal
            return (all_of(windows).std(2) - signal.mean(0)) / signal.std(0)

        return Representation(embed)


class NotesTest(HandFeatures):
    """Records the test subjects under a role that may see them."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role

    def learn(self, access: FoldAccess) -> Representation:
        memory = remembered(access.note(self.role, access.split.test)) | training_labels(access)
        return Representation(lambda windows: recalled(memory, windows))


class Remembering(ClassifierMixin, BaseEstimator):
    """The nearest labelled window, or the label of the window that any of its kind was shown."""

    memory: ClassVar[dict[bytes, int]] = {}

    def __init__(self, remembers: bool = True) -> None:
        self.remembers = remembers

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Remembering":
        if self.remembers:
            self.memory.update(zip((row.tobytes() for row in X), y.tolist(), strict=True))
        self.nearest_ = KNeighborsClassifier(1).fit(X.reshape(len(X), -1), y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        guesses = self.nearest_.predict(X.reshape(len(X), -1))
        rows = zip(X, guesses, strict=True)
        return np.array([self.memory.get(row.tobytes(), guess) for row, guess in rows])


class Memo(Method):
    """Brings along a classifier of raw windows with a memory that outlives it, or without one."""

    encodes = False
    own_heads = ("memo",)

    def __init__(self, remembers: bool = True) -> None:
        super().__init__(["memo"])
        self.remembers = remembers

    def learn(self, access: FoldAccess) -> Representation:
        return Representation(classifiers={"memo": [Remembering(self.remembers)]})


class Joint(ClassifierMixin, BaseEstimator):
    """The nearest labelled window after all windows to predict have been standardised together."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Joint":
        self.nearest_ = KNeighborsClassifier(1).fit(X, y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.nearest_.predict((X - X.mean(0)) / (X.std(0) + 1e-3))


class JointHead(FeatureHead):
    """Lets test windows affect one another."""

    name = "joint"

    def classifiers(self, n_labels: int) -> list[Any]:
        return [Joint()]


class Hasty(LogisticRegression):
    """Warns when it is fitted, and fails for a C of 7."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Hasty":
        warnings.warn("two steps are few", RuntimeWarning, stacklevel=1)
        if self.C == 7:
            raise KeyError("seven")
        return super().fit(X, y)


class HastyHead(FeatureHead):
    """Warns."""

    name = "hasty"

    def classifiers(self, n_labels: int) -> list[Any]:
        return [Hasty()]


class FailingHead(FeatureHead):
    """Fails."""

    name = "failing"

    def classifiers(self, n_labels: int) -> list[Any]:
        return [Hasty(C=7)]


class LambdaHead(FeatureHead):
    """Holds what cannot be sent to another process."""

    name = "lambda"

    def classifiers(self, n_labels: int) -> list[Any]:
        return [KNeighborsClassifier(1, weights=lambda distances: distances)]


class AcrossFolds(HandFeatures):
    """A class attribute carries what the training subjects of a fold do to the next fold."""

    known: ClassVar[dict[bytes, int]] = {}

    def learn(self, access: FoldAccess) -> Representation:
        self.known.update(training_labels(access))
        met = dict(self.known)
        return Representation(lambda windows: recalled(met, windows))


class Counting(HandFeatures):
    """Fails in the second fold that one process learns, however little is carried over."""

    folds: ClassVar[list[tuple[str, ...]]] = []

    def learn(self, access: FoldAccess) -> Representation:
        self.folds.append(access.split.test)
        if len(self.folds) > 1:
            raise RuntimeError(f"met the folds {self.folds} in one process")
        return super().learn(access)
