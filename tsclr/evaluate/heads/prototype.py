"""The head that takes the class whose mean is nearest."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import pairwise_distances_argmin

from tsclr.evaluate.heads.base import FeatureHead


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
        """Take the means."""
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[np.asarray(y) == label].mean(0) for label in self.classes_])
        return self

    def predict(self, X: Float[np.ndarray, "N F"]) -> Int[np.ndarray, " N"]:
        """Class of each row."""
        return self.classes_[pairwise_distances_argmin(X, self.means_)]


class PrototypeHead(FeatureHead):
    """The class whose mean is nearest."""

    name = "prototype"

    def classifiers(self, n_labels: int) -> list[Any]:
        """One classifier, which has no settings."""
        return [Prototype()]
