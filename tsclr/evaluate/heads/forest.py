"""The head that is a random forest."""

from typing import Any

from sklearn.ensemble import RandomForestClassifier

from tsclr.evaluate.heads.base import FeatureHead


class ForestHead(FeatureHead):
    """A random forest of 300 trees."""

    name = "forest"

    def classifiers(self, n_labels: int) -> list[Any]:
        """One forest of fixed seed."""
        return [RandomForestClassifier(300, random_state=0)]
