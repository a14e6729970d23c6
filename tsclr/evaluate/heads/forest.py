"""Heads that are ensembles of trees; their seed follows the label draw."""

from typing import Any

from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from tsclr.evaluate.heads.base import FeatureHead


class ForestHead(FeatureHead):
    """A random forest of 300 trees."""

    name = "forest"

    def classifiers(self, n_labels: int) -> list[Any]:
        """One forest."""
        return [RandomForestClassifier(300, random_state=0)]


class ExtraTreesHead(FeatureHead):
    """Extremely randomised trees as QUANT has them: 200, a tenth of the features at a split [1]_.

    References
    ----------
    .. [1] Dempster et al., QUANT: a minimalist interval method for time series classification, Data
       Mining and Knowledge Discovery 38, 2024, section 3.3.
    """

    name = "extra-trees"

    def classifiers(self, n_labels: int) -> list[Any]:
        """One ensemble."""
        settings: dict[str, Any] = {"criterion": "entropy", "max_features": 0.1}
        return [ExtraTreesClassifier(200, random_state=0, **settings)]
