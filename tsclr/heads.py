"""A number of labels or an encoder in, classifiers to choose from out: the heads, by name.

A head of `FROZEN` reads features, one of `TRAINED` reads windows and trains an encoder along. The
candidates of a head differ in the one setting that is chosen on validation subjects.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.metrics import pairwise_distances_argmin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading

from tsclr.encoders import Encoder
from tsclr.finetune import FineTuned

STEPS = (50, 200)
"""Candidates of fine-tuning."""


class Prototype(ClassifierMixin, BaseEstimator):
    """The class whose mean is nearest [1]_; unlike `NearestCentroid`, one label a class will do.

    References
    ----------
    .. [1] Snell et al., Prototypical networks for few-shot learning, NeurIPS 2017, equation 2.

    Examples
    --------
    >>> Prototype().fit(np.array([[0.0], [2.0], [9.0]]), [0, 0, 1]).predict([[4.0], [6.0]])
    array([0, 1])
    """

    def fit(self, X: Float[np.ndarray, "N F"], y: Int[np.ndarray, " N"]) -> "Prototype":
        """Take the means.

        Parameters
        ----------
        X : (N, F) float
            Features.
        y : (N,) int
            Classes.
        """
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[np.asarray(y) == label].mean(0) for label in self.classes_])
        return self

    def predict(self, X: Float[np.ndarray, "N F"]) -> Int[np.ndarray, " N"]:
        """Class of each row.

        Parameters
        ----------
        X : (N, F) float
            Features.
        """
        return self.classes_[pairwise_distances_argmin(X, self.means_)]


def linear(n_labels: int) -> list[Any]:  # noqa: ARG001
    """Logistic regressions from strong to weak regularisation."""
    return [
        LogisticRegression(C=C, max_iter=1000, tol=1e-3)
        for C in (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
    ]


def knn(n_labels: int) -> list[Any]:
    """Neighbour votes, never of more neighbours than there are labels."""
    return [KNeighborsClassifier(k) for k in (1, 5, 15) if k <= n_labels]


def prototype(n_labels: int) -> list[Any]:  # noqa: ARG001
    """The nearest mean of a class."""
    return [Prototype()]


def ridge(n_labels: int) -> list[Any]:  # noqa: ARG001
    """Ridge regression, its strength by leave-one-out over the labels, as MiniRocket has it."""
    return [RidgeClassifierCV(alphas=np.logspace(-3, 3, 10))]


def forest(n_labels: int) -> list[Any]:  # noqa: ARG001
    """A random forest of 300 trees."""
    return [RandomForestClassifier(300, random_state=0)]


def propagation(n_labels: int) -> list[Any]:  # noqa: ARG001
    """Labels spread over the graph of all training windows, labelled or not."""
    return [LabelSpreading("knn", n_neighbors=k, alpha=0.2, max_iter=100) for k in (5, 15)]


def finetune(encoder: Encoder) -> list[Any]:
    """The whole encoder, for a short and a longer time."""
    return [FineTuned(encoder, steps) for steps in STEPS]


def last_block(encoder: Encoder) -> list[Any]:
    """The last block of the encoder, for a short and a longer time."""
    return [FineTuned(encoder, steps, trained="last-block") for steps in STEPS]


def linear_finetune(encoder: Encoder) -> list[Any]:
    """First the linear layer, then the whole encoder, as long again."""
    return [FineTuned(encoder, 2 * steps, linear_steps=steps) for steps in STEPS]


FROZEN: dict[str, Callable[[int], list[Any]]] = {
    "linear": linear,
    "knn": knn,
    "prototype": prototype,
    "ridge": ridge,
    "forest": forest,
    "propagation": propagation,
}
"""Heads on frozen features: the candidates for a number of labels."""

TRAINED: dict[str, Callable[[Encoder], list[Any]]] = {
    "finetune": finetune,
    "last-block": last_block,
    "linear-finetune": linear_finetune,
}
"""Heads that train the encoder along: the candidates for an encoder."""

UNLABELLED = ("propagation",)
"""Heads that also see the training windows without a label, and so are told apart."""

HEADS = (*FROZEN, *TRAINED)
