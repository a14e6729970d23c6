"""The head that lets the nearest labelled windows vote."""

from typing import Any

from sklearn.neighbors import KNeighborsClassifier

from tsclr.evaluate.heads.base import FeatureHead


class KNNHead(FeatureHead):
    """Votes of the nearest labelled windows; how many vote is chosen on validation subjects."""

    name = "knn"
    bounds = {"n_neighbors": 1}  # noqa: RUF012

    def classifiers(self, n_labels: int) -> list[Any]:
        """1, 5 and 15 neighbours, but never more than there are labels."""
        return [KNeighborsClassifier(k) for k in (1, 5, 15) if k <= n_labels]
