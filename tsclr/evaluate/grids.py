"""A choice and what it was chosen from in, where it lies at the end of its grid out.

A setting chosen at the end of its grid says that a better one may lie beyond it: the grid was too
narrow, and the score is too low. So results name such choices.
"""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

SEEDS = ("seed", "random_state")
"""Names of the settings by which scikit-learn and this package seed a classifier."""


def ends(
    chosen: Any, candidates: Sequence[Any], bounds: Mapping[str, float] | None = None
) -> list[str]:
    """The settings of a chosen classifier that lie at an end of what was tried.

    A setting that all candidates share was not chosen, so it has no end. Of two values, each is an
    end. Beyond a natural bound there is nothing to try, so a choice of it is not named.

    Parameters
    ----------
    chosen : classifier
        One of the candidates.
    candidates : sequence of classifiers
        What it was chosen from.
    bounds : mapping of str to float, optional
        Natural bound of a setting by its name.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> candidates = [KNeighborsClassifier(k) for k in (1, 5, 15)]
    >>> [ends(classifier, candidates, {"n_neighbors": 1}) for classifier in candidates]
    [[], [], ['n_neighbors = 15, the largest']]
    """
    settings = [classifier.get_params(deep=False) for classifier in candidates]
    named = []
    for name, value in chosen.get_params(deep=False).items():
        if isinstance(value, Real) and (bounds or {}).get(name) != value:
            # Candidates of other classes may lack the setting, or have a word in its place.
            tried = [setting.get(name) for setting in settings]
            named += end(name, value, [other for other in tried if isinstance(other, Real)])
    return named


def end(name: str, value: Any, tried: Iterable[Any]) -> list[str]:
    """A setting in words if it is the smallest or the largest of several values.

    Examples
    --------
    >>> end("C", 0.001, [0.001, 0.1, 10.0]), end("C", 0.1, [0.001, 0.1, 10.0]), end("C", 1, [1])
    (['C = 0.001, the smallest'], [], [])
    """
    low, high = min(tried), max(tried)
    if low == high or value not in (low, high):
        return []
    return [f"{name} = {value:g}, the {'smallest' if value == low else 'largest'}"]


def fitted_ends(classifier: Any) -> list[str]:
    """The same of a setting that a fitted classifier has chosen itself, as ``RidgeClassifierCV``.

    Examples
    --------
    >>> from sklearn.linear_model import RidgeClassifierCV
    >>> classifier = RidgeClassifierCV(alphas=[1.0, 10.0]).fit([[0.0], [1.0], [2.0]], [0, 1, 1])
    >>> len(fitted_ends(classifier))
    1
    """
    if not hasattr(classifier, "alpha_"):
        return []
    return end("alpha", float(classifier.alpha_), np.asarray(classifier.alphas).tolist())


def reseeded(classifier: Any, number: int) -> Any:
    """The classifier with `number` added to each of its seeds, if it has any.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> reseeded(RandomForestClassifier(random_state=7), 2).random_state
    9
    """
    return classifier.set_params(
        **{name: seed + number for name, seed in seeds_of(classifier).items()}
    )


def seeds_of(classifier: Any) -> dict[str, int]:
    """The seeds of a classifier by the names of its settings; none where nothing is random.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> seeds_of(RandomForestClassifier(random_state=7)), seeds_of(KNeighborsClassifier())
    ({'random_state': 7}, {})
    """
    settings = classifier.get_params(deep=True)
    return {
        name: value
        for name, value in settings.items()
        if name.rpartition("__")[2] in SEEDS and isinstance(value, int)
    }
