"""The head that spreads labels over the graph of nearest neighbours."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from tsclr.evaluate.heads.base import FeatureHead
from tsclr.types import UNLABELLED

TOLERANCE = 1e-4
"""Spreading ends when no window gains more than this share of its label mass in one step."""


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

        Raises
        ------
        ValueError
            If no window has a label, `n_neighbors` is less than 1, or `alpha` is not in (0, 1).
        """
        y = np.asarray(y)
        is_labelled = y != UNLABELLED
        self._check(is_labelled)
        self.classes_ = np.unique(y[is_labelled])
        self.labelled_ = KNeighborsClassifier(1).fit(X[is_labelled], y[is_labelled])
        self.nearest_ = NearestNeighbors(n_neighbors=min(self.n_neighbors, len(X))).fit(X)
        W = neighbour_graph(X, self.n_neighbors)
        scale = 1 / np.sqrt(np.maximum(W.sum(1), 1))  # a lone window has no neighbour
        S = sparse.diags_array(scale) @ W @ sparse.diags_array(scale)
        self.mass_ = spread(S, np.equal.outer(y, self.classes_).astype(float), self.alpha)
        self.votes_ = self.mass_ * scale[:, None]
        return self

    def _check(self, is_labelled: Bool[np.ndarray, " N"]) -> None:
        """Raise unless there is something to spread, and a way to."""
        if self.n_neighbors < 1:
            raise ValueError(f"n_neighbors is {self.n_neighbors}, it must be at least 1")
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is {self.alpha}, it must be in (0, 1)")
        if not is_labelled.any():
            raise ValueError(
                f"none of {len(is_labelled)} windows has a label: label one of each class"
            )

    def predict(self, X: Float[np.ndarray, "N F"]) -> Int[np.ndarray, " N"]:
        """Class of each row."""
        votes = self.votes_[self.nearest_.kneighbors(X, return_distance=False)].sum(1)
        voted = self.classes_[votes.argmax(1)]
        return np.where(votes.any(1), voted, self.labelled_.predict(X))


def neighbour_graph(X: Float[np.ndarray, "N F"], n_neighbors: int) -> sparse.csr_array:
    """The symmetric graph of nearest neighbours: 1 where either is one of the other, 0 on itself.

    Examples
    --------
    >>> neighbour_graph(np.array([[0.0], [2.0], [3.0]]), 1).toarray()
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]])
    """
    # One more, since each window is its own nearest neighbour; the diagonal is cleared below.
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

    Examples
    --------
    >>> spread(sparse.csr_array([[0.0, 1.0], [1.0, 0.0]]), np.array([[3.0], [0.0]]), 0.5).round(3)
    array([[2.],
           [1.]])
    """
    injected = (1 - alpha) * Y
    F, growing = injected, True
    while growing:
        before, F = F, alpha * (S @ F) + injected
        growing = ((F - before).sum(1) > TOLERANCE * F.sum(1)).any()
    return F


class PropagationHead(FeatureHead):
    """Labels spread over the graph of all training windows, labelled or not."""

    name = "propagation"
    sees_unlabelled = True

    def classifiers(self, n_labels: int) -> list[Any]:
        """Two reaches of the spreading, two graphs."""
        return [Propagation(k, alpha) for alpha in (0.9, 0.99) for k in (5, 15)]
