"""Heads that are linear in the features."""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tsclr.evaluate.heads.base import FeatureHead


class LinearHead(FeatureHead):
    """Logistic regression; its regularisation is chosen on validation subjects."""

    name = "linear"

    def classifiers(self, n_labels: int) -> list[Any]:
        """Logistic regressions from strong to weak regularisation."""
        return [
            LogisticRegression(C=C, max_iter=1000, tol=1e-3)
            for C in (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
        ]


class PlainLinearHead(FeatureHead):
    """Logistic regression with the usual defaults: standardised by the labelled windows, C = 1."""

    name = "plain-linear"

    def classifiers(self, n_labels: int) -> list[Any]:
        """One pipeline."""
        return [make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))]


class RidgeHead(FeatureHead):
    """Ridge regression, its strength chosen by leave-one-out over the labels as in MiniRocket."""

    name = "ridge"

    def classifiers(self, n_labels: int) -> list[Any]:
        """One classifier, which chooses its strength itself."""
        return [RidgeClassifierCV(alphas=np.logspace(-3, 3, 10))]
