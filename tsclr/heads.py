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
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading

from tsclr.encoders import Encoder
from tsclr.finetune import FineTuned
from tsclr.types import UNLABELLED

STEPS = (50, 200)
"""Candidates of fine-tuning."""


class Prototype(ClassifierMixin, BaseEstimator):
    """The class whose mean is nearest [1]_; unlike `NearestCentroid`, one label a class will do.

    References
    ----------
    .. [1] Snell et al., Prototypical networks for few-shot learning, NeurIPS 2017, equation 2.

    Examples
    --------
    >>> Prototype().fit(np.array([[0.0], [2.0], [9.0]]), np.array([0, 0, 1])).predict(
    ...     np.array([[4.0], [6.0]])
    ... )
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


class Propagation(ClassifierMixin, BaseEstimator):
    """Labels spread over the graph of nearest neighbours [1]_, then the vote of k of them.

    Windows that no label has reached do not vote; where no neighbour does, the nearest labelled
    window decides.

    Parameters
    ----------
    n_neighbors : int
        Of the graph and of the vote.

    References
    ----------
    .. [1] Zhou et al., Learning with local and global consistency, NIPS 2003, section 2.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [7.0], [8.0]])
    >>> Propagation(1).fit(X, np.array([0, -1, -1, -1, 1])).predict(np.array([[2.5], [6.0]]))
    array([0, 1])
    """

    def __init__(self, n_neighbors: int = 5) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: Float[np.ndarray, "N F"], y: Int[np.ndarray, " N"]) -> "Propagation":
        """Spread the labels.

        Parameters
        ----------
        X : (N, F) float
            Features.
        y : (N,) int
            Classes, -1 where there is none.
        """
        known = np.asarray(y) != UNLABELLED
        spread = LabelSpreading("knn", n_neighbors=self.n_neighbors, alpha=0.2, max_iter=100)
        with np.errstate(invalid="ignore"):  # of windows that no label reaches
            spread.fit(X, y)
        self.classes_ = spread.classes_
        self.votes_ = np.nan_to_num(spread.label_distributions_)
        self.graph_ = NearestNeighbors(n_neighbors=min(self.n_neighbors, len(X))).fit(X)
        self.labelled_ = KNeighborsClassifier(1).fit(X[known], np.asarray(y)[known])
        return self

    def predict(self, X: Float[np.ndarray, "N F"]) -> Int[np.ndarray, " N"]:
        """Class of each row.

        Parameters
        ----------
        X : (N, F) float
            Features.
        """
        votes = self.votes_[self.graph_.kneighbors(X, return_distance=False)].sum(1)
        found = self.classes_[votes.argmax(1)]
        return np.where(votes.any(1), found, self.labelled_.predict(X))


def linear(n_labels: int) -> list[Any]:  # noqa: ARG001
    """Logistic regressions from strong to weak regularisation."""
    return [
        LogisticRegression(C=C, max_iter=1000, tol=1e-3)
        for C in (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
    ]


def plain(n_labels: int) -> list[Any]:  # noqa: ARG001
    """Logistic regression as it is mostly run: standardised by the labelled windows, C = 1."""
    return [make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))]


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
    return [Propagation(5), Propagation(15)]


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
    "plain-linear": plain,
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

SEES_UNLABELLED = ("propagation",)
"""Heads that also see the training windows without a label, and so are told apart."""

HEADS = (*FROZEN, *TRAINED)
