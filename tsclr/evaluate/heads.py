"""A number of labels or an encoder in, classifiers to choose from out: the heads, by name.

A head of `FROZEN` reads features, one of `TRAINED` reads windows and trains an encoder along. The
candidates of a head differ in the settings that are chosen on validation subjects.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.metrics import pairwise_distances_argmin
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tsclr.encoders import Encoder
from tsclr.evaluate.finetune import FineTuned
from tsclr.types import UNLABELLED

STEPS = (50, 200)
"""Candidates of fine-tuning."""

TOLERANCE = 1e-4
"""Of spreading labels: by how much of itself the mass of a window may still grow in a step."""


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
    """Labels spread over the graph of nearest neighbours: F = (1 - α) (I - αS)⁻¹ Y [1]_.

    Two training windows are joined with weight 1 where one is among the `n_neighbors` nearest of
    the other, so the graph W is symmetric, and S = D^(-1/2) W D^(-1/2) with the degrees D. Other
    windows are no part of the graph: x gets what one more step would give it, the sum of
    F_j / √D_j over its `n_neighbors` nearest training windows j. Where no label has reached any of
    them, the nearest labelled window decides. Departure: the paper weighs all pairs by distance.

    Parameters
    ----------
    n_neighbors : int
        Of a training window in the graph, and of a window to classify; all there are, if fewer.
    alpha : float
        Share of its mass that a window has from its neighbours, in (0, 1); 0.99 in the paper.

    References
    ----------
    .. [1] Zhou et al., Learning with local and global consistency, NIPS 2003, section 2.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [7.0], [8.0]])
    >>> Propagation(1).fit(X, np.array([0, -1, -1, -1, 1])).predict(np.array([[2.5], [6.0]]))
    array([0, 1])
    """

    def __init__(self, n_neighbors: int = 5, alpha: float = 0.99) -> None:
        self.n_neighbors = n_neighbors
        self.alpha = alpha

    def fit(self, X: Float[np.ndarray, "N F"], y: Int[np.ndarray, " N"]) -> "Propagation":
        """Spread the labels.

        Parameters
        ----------
        X : (N, F) float
            Features.
        y : (N,) int
            Classes, -1 where there is none.

        Raises
        ------
        ValueError
            If no window has a label, `n_neighbors` is less than 1, or `alpha` is not in (0, 1).
        """
        y = np.asarray(y)
        known = y != UNLABELLED
        self._check(known)
        self.classes_ = np.unique(y[known])
        self.labelled_ = KNeighborsClassifier(1).fit(X[known], y[known])
        self.nearest_ = NearestNeighbors(n_neighbors=min(self.n_neighbors, len(X))).fit(X)
        W = neighbour_graph(X, self.n_neighbors)
        scale = 1 / np.sqrt(np.maximum(W.sum(1), 1))  # a lone window has no neighbour
        S = sparse.diags_array(scale) @ W @ sparse.diags_array(scale)
        self.mass_ = spread(S, np.equal.outer(y, self.classes_).astype(float), self.alpha)
        self.votes_ = self.mass_ * scale[:, None]
        return self

    def _check(self, known: Bool[np.ndarray, " N"]) -> None:
        """Raise unless there is something to spread, and a way to."""
        if self.n_neighbors < 1:
            raise ValueError(f"n_neighbors is {self.n_neighbors}, it must be at least 1")
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is {self.alpha}, it must be in (0, 1)")
        if not known.any():
            raise ValueError(f"none of {len(known)} windows has a label: label one of each class")

    def predict(self, X: Float[np.ndarray, "N F"]) -> Int[np.ndarray, " N"]:
        """Class of each row.

        Parameters
        ----------
        X : (N, F) float
            Features.
        """
        votes = self.votes_[self.nearest_.kneighbors(X, return_distance=False)].sum(1)
        found = self.classes_[votes.argmax(1)]
        return np.where(votes.any(1), found, self.labelled_.predict(X))


def neighbour_graph(X: Float[np.ndarray, "N F"], n_neighbors: int) -> sparse.csr_array:
    """The symmetric graph of nearest neighbours: 1 where either is one of the other, 0 on itself.

    Parameters
    ----------
    X : (N, F) float
        Features.
    n_neighbors : int
        Of each row, itself not counted; all there are, if fewer.

    Returns
    -------
    (N, N) sparse float
        The weights.

    Examples
    --------
    >>> neighbour_graph(np.array([[0.0], [2.0], [3.0]]), 1).toarray()
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]])
    """
    nearest = NearestNeighbors(n_neighbors=min(n_neighbors + 1, len(X))).fit(X)
    directed = sparse.csr_array(nearest.kneighbors_graph(X))
    both = directed.maximum(directed.T)
    return sparse.csr_array(both - sparse.diags_array(both.diagonal()))


def spread(
    S: sparse.csr_array, Y: Float[np.ndarray, "N K"], alpha: float
) -> Float[np.ndarray, "N K"]:
    """F = (1 - α) (I - αS)⁻¹ Y, by repeating F ← αSF + (1 - α) Y.

    It ends when no row of F grows by more than `TOLERANCE` of itself in a step; so never before
    every row that is connected to a label has got some.

    Parameters
    ----------
    S : (N, N) sparse float
        Not negative, with no eigenvalue beyond 1.
    Y : (N, K) float
        Where the labels are, not negative.
    alpha : float
        In (0, 1).

    Examples
    --------
    >>> spread(sparse.csr_array([[0.0, 1.0], [1.0, 0.0]]), np.array([[3.0], [0.0]]), 0.5).round(3)
    array([[2.],
           [1.]])
    """
    given = (1 - alpha) * Y
    F, growing = given, True
    while growing:
        before, F = F, alpha * (S @ F) + given
        growing = ((F - before).sum(1) > TOLERANCE * F.sum(1)).any()
    return F


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
    return [Propagation(k, alpha) for alpha in (0.9, 0.99) for k in (5, 15)]


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
