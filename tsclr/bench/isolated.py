"""Classifiers of the user's own: each is fitted in a process that has its labels and nothing else.

Within one process a classifier could remember the labels of one budget or label draw for the next,
or look for those that were not drawn. Those of tsclr do neither, and are fitted where they are.
"""

import pickle
import warnings
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, ClassifierMixin

from tsclr.bench.processes import UNPICKLED, Job
from tsclr.data.splits import LeakError

N_REPEATED = 32
"""Windows whose class is predicted a second time, approximately."""
CHANGED = 0.05
"""Share of them whose class may differ the second time: rounding decides near a boundary."""


class Isolated(ClassifierMixin, BaseEstimator):
    """A classifier that is fitted anew, in a new process, whenever it is to predict.

    Parameters
    ----------
    pickled : bytes
        The unfitted classifier as it was when it was handed over; nothing changes it later.
    description : str
        The classifier as results name it.
    """

    def __init__(self, pickled: bytes, description: str) -> None:
        self.pickled = pickled
        self.description = description

    def __str__(self) -> str:
        return self.description

    @classmethod
    def of(cls, classifier: Any) -> "Isolated":
        """Wrap an unfitted classifier.

        Raises
        ------
        ValueError
            If it cannot be pickled.
        """
        try:
            return cls(pickle.dumps(classifier), str(classifier))
        except UNPICKLED as error:
            raise ValueError(
                f"the classifier {classifier} cannot be sent to the process that it is fitted in: "
                f"{error}; define its classes and functions at the top of a module"
            ) from error

    def fit(self, X: Float[np.ndarray, "N ..."], y: Int[np.ndarray, " N"]) -> "Isolated":
        """Keep what it is to be fitted on."""
        self.classes_ = np.unique(y)
        self.X_, self.y_ = X, y
        return self

    def predict(self, X: Float[np.ndarray, "M ..."]) -> np.ndarray:
        """Fit and predict in a new process.

        Raises
        ------
        LeakError
            If the class of a window depends on the windows that are predicted with it.
        ValueError
            If the classifier fails.
        """
        # Windows come in the order of time and many people follow one protocol, so their order
        # would tell what they show.
        order = np.random.default_rng(0).permutation(len(X))
        outcome = Job(partial(fit_and_predict, self.pickled, self.X_, self.y_, X[order])).outcome()
        if outcome.failure is not None:
            kind = LeakError if outcome.failure.leaked else ValueError
            cause = RuntimeError(f"in another process:\n{outcome.failure.trace}")
            raise kind(outcome.failure.message) from cause
        predicted, warned = outcome.value
        for text, *where in warned:
            warnings.warn_explicit(text, *where)
        return predicted[np.argsort(order)]


def fit_and_predict(
    pickled: bytes,
    X: Float[np.ndarray, "N ..."],
    y: Int[np.ndarray, " N"],
    shown: Float[np.ndarray, "M ..."],
) -> tuple[np.ndarray, list[tuple[str, type[Warning], str, int]]]:
    """Classes of the windows shown, and the warnings on the way."""
    with warnings.catch_warnings(record=True) as caught:
        classifier = pickle.loads(pickled)  # noqa: S301, bytes of the parent process
        classifier.fit(X, y)
        predicted = np.asarray(classifier.predict(shown))
        few = np.arange(0, len(shown), max(2, len(shown) // N_REPEATED))
        repeated = np.asarray(classifier.predict(shown[few]))
    if predicted.shape != (len(shown),):
        raise ValueError(
            f"predict returned an array of shape {predicted.shape}, expected ({len(shown)},): a "
            "class for each window"
        )
    if (predicted[few] != repeated).mean() > CHANGED:
        raise LeakError(
            "the class of a window changes with the other windows that are predicted, so test "
            "windows affect one another: predict each window by itself, without chance"
        )
    places = [(str(w.message), w.category, w.filename, w.lineno) for w in caught]
    return predicted, places
